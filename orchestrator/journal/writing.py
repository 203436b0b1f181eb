# ruff: noqa: S608 - what is put into an SQL text here is a constant of this module
"""Writing a run: each method returns when what it was given is on disk."""

from __future__ import annotations

import asyncio
import sqlite3
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

import msgspec
from typing_extensions import Self

from accounts import Account, SkippedAccount, Unreachable
from orchestrator.audit import AuditRecord
from orchestrator.files import make_folder
from orchestrator.journal import store
from orchestrator.journal.errors import Fenced, explained
from orchestrator.journal.reading import Reader
from orchestrator.journal.trail import TrailWriter
from orchestrator.journal.values import (
    Claim,
    Effect,
    GroupSeen,
    Intent,
    JobState,
    Observed,
    Outcome,
    RunHeader,
    Settled,
    encode,
    listing_digest,
)
from orchestrator.journal.writer import Writer

_GROUP = "account_id = ? AND region_id = ? AND security_group_id = ?"


class FindingLike(Protocol):
    """A finding, as far as the journal looks into it: the rule it is about. It is a msgspec Struct."""

    @property
    def rule_id(self) -> str:
        """Id of the rule."""
        ...


class Journal(Reader):
    """A run's journal, to write and read; `async with` it, or `await close()`.

    One process at a time holds it. Cancelling a task that waits for a write does not undo the write.
    """

    def __init__(self, folder: Path, lock: store.Lock, *, threaded: bool = True) -> None:
        """Use `create` or `open`."""
        super().__init__(folder)
        self._lock = lock
        self._db = store.connect(folder)
        try:
            self._trail = TrailWriter(folder, self.header.run_id, self._db)
        except BaseException:
            self._db.close()
            self._reading.close()
            raise
        self._writer = Writer(self._db, self._trail, self._path, threaded=threaded)
        self._is_open = True

    @classmethod
    def create(cls, folder: Path, header: RunHeader, *, threaded: bool = True) -> Journal:
        """Make a new run folder, or use an empty one.

        Raises:
            JournalExists: the folder holds a run already.
            RunInUse: another process works in it.
            JournalError: it cannot be written.
        """
        with explained(folder):
            make_folder(folder)
        lock = store.Lock(folder)
        try:
            store.create(folder, encode(header))
            return cls(folder, lock, threaded=threaded)
        except BaseException:
            lock.release()
            raise

    @classmethod
    def open(cls, folder: Path, *, threaded: bool = True) -> Journal:
        """Open a run to go on with it; the audit file is brought up to the journal first.

        Raises:
            JournalMissing: there is no run in the folder.
            RunInUse: another process works in it.
            TrailBroken: the audit file or manifest was changed.
            JournalError: it is damaged or cannot be written.
        """
        store.refuse_none(folder)
        lock = store.Lock(folder)
        try:
            return cls(folder, lock, threaded=threaded)
        except BaseException:
            lock.release()
            raise

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def seal(self) -> None:
        """Bring the manifest up to date, so that what is told now can tell of every record before it.

        Raises:
            JournalError: it could not be written.
        """
        await self._writer.run(lambda _: self._trail.idle())

    async def close(self) -> None:
        """Write what waits, seal the audit trail, and let the folder go. May be called twice.

        Raises:
            JournalError: the last of it could not be written; opening the run again repairs it.
        """
        if self._is_open:
            self._is_open = False
            # The thread is asked for even where writing is not threaded: fsync would hold the loop up.
            await asyncio.get_running_loop().run_in_executor(None, self._shut)

    def _shut(self) -> None:
        try:
            self._writer.close()
            self._trail.close()
        finally:
            self._reading.close()
            with explained(self._path):
                self._db.close()  # the last connection puts the WAL into the file and removes it
            self._lock.release()

    # Accounts ---------------------------------------------------------------------------------------------

    async def add_accounts(self, accounts: Sequence[Account], skipped: Sequence[SkippedAccount] = ()) -> None:
        """Write down whom the run visits and whom it leaves out; again, after a resume, is fine."""
        kept = [(account.account_id, encode(account)) for account in accounts]
        left = [(account.account_id, encode(account)) for account in skipped]

        def write(db: sqlite3.Connection) -> None:
            db.executemany("INSERT OR REPLACE INTO account VALUES (?, ?)", kept)
            db.executemany("INSERT OR REPLACE INTO skipped VALUES (?, ?)", left)

        await self._writer.run(write)

    async def claim(self, account_id: str, job: str = "scan") -> Claim | None:
        """Return the right to work on the account, or None when its job is done. Ends every earlier claim.

        A claim of a scan forgets what could not be seen, and the regions that was in: they are read again.
        """

        def write(db: sqlite3.Connection) -> Claim | None:
            row = db.execute(
                "INSERT INTO job VALUES (?, ?, 1, ?) ON CONFLICT (job, account_id) DO UPDATE "
                "SET fence = fence + 1, state = excluded.state WHERE state != ? RETURNING fence",
                (job, account_id, JobState.claimed.value, JobState.done.value),
            ).fetchone()
            if row is None:
                return None
            if job == "scan":
                db.execute(
                    "DELETE FROM region WHERE account_id = ? AND region_id IN "
                    "(SELECT region_id FROM unreachable WHERE account_id = ?)",
                    (account_id, account_id),
                )
                db.execute("DELETE FROM unreachable WHERE account_id = ?", (account_id,))
            return Claim(job, account_id, row[0])

        return await self._writer.run(write)

    async def reopen(self, account_id: str, region_ids: Sequence[str]) -> Claim:
        """Return the right to read these regions of an account again, though its scan has ended.

        What was read of them stands until they are done again; what could not be seen in them is forgotten.
        """
        regions = [(account_id, region_id) for region_id in region_ids]

        def write(db: sqlite3.Connection) -> Claim:
            (fence,) = db.execute(
                "UPDATE job SET fence = fence + 1, state = ? WHERE job = 'scan' AND account_id = ? RETURNING fence",
                (JobState.claimed.value, account_id),
            ).fetchone()
            for table in ("region", "unreachable"):
                db.executemany(f"DELETE FROM {table} WHERE account_id = ? AND region_id = ?", regions)
            return Claim("scan", account_id, fence)

        return await self._writer.run(write)

    async def finish(self, claim: Claim, state: JobState = JobState.done) -> None:
        """End the account's job. After `done` it is never claimed again; after any other word it may be.

        Raises:
            Fenced: the claim was taken over.
        """

        def write(db: sqlite3.Connection) -> None:
            _check(db, claim)
            db.execute(
                "UPDATE job SET state = ? WHERE job = ? AND account_id = ?",
                (state.value, claim.job, claim.account_id),
            )

        await self._writer.run(write)

    # What was seen ----------------------------------------------------------------------------------------

    async def record_group(self, claim: Claim, observed: Observed, findings: Sequence[FindingLike]) -> None:
        """Write down a group that was read, in full if it has findings, in place of an earlier attempt's.

        Raises:
            Fenced: the claim was taken over.
        """
        where = (claim.account_id, observed.region_id, observed.security_group_id)
        kept = zlib.compress(encode(observed), 1) if findings else None
        digests = (listing_digest(observed.listing), observed.digest())
        row = (*where, claim.fence, *digests, len(observed.permissions), kept)
        await self._write_group(claim, row, findings)

    async def carry_over(
        self, claim: Claim, seen: GroupSeen, observed: Observed | None, findings: Sequence[FindingLike]
    ) -> None:
        """Write down a group that was not read because another run knows it (`--changed-since`).

        Raises:
            Fenced: the claim was taken over.
        """
        kept = zlib.compress(encode(observed), 1) if observed is not None else None
        where = (claim.account_id, seen.region_id, seen.security_group_id)
        row = (*where, claim.fence, seen.listing_digest, seen.digest, seen.rules, kept)
        await self._write_group(claim, row, findings)

    async def _write_group(self, claim: Claim, row: tuple[Any, ...], findings: Sequence[FindingLike]) -> None:
        bodies = [(*row[:3], finding.rule_id, encode(finding)) for finding in findings]

        def write(db: sqlite3.Connection) -> None:
            _check(db, claim)
            db.execute("INSERT OR REPLACE INTO security_group VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
            db.execute(f"DELETE FROM finding WHERE {_GROUP}", row[:3])
            db.executemany(
                "INSERT INTO finding VALUES (NULL, ?, ?, ?, ?, ?)",
                bodies,
            )

        await self._writer.run(write)

    async def record_unreachable(self, claim: Claim, unreachable: Unreachable) -> None:
        """Write down what could not be seen.

        Raises:
            Fenced: the claim was taken over.
        """
        row = (
            unreachable.account_id,
            unreachable.region_id or "",
            unreachable.security_group_id or "",
            encode(unreachable),
        )

        def write(db: sqlite3.Connection) -> None:
            _check(db, claim)
            db.execute("INSERT OR REPLACE INTO unreachable VALUES (?, ?, ?, ?)", row)

        await self._writer.run(write)

    async def region_done(self, claim: Claim, region_id: str, counts: Mapping[str, int]) -> None:
        """Write down that a region was read to its end; groups that only an earlier attempt saw go.

        Raises:
            Fenced: the claim was taken over.
        """
        where = (claim.account_id, region_id)
        body = encode(dict(counts))
        stale = (
            "SELECT security_group_id FROM security_group "
            "WHERE account_id = ? AND region_id = ? AND fence != ?"
        )

        def write(db: sqlite3.Connection) -> None:
            _check(db, claim)
            for (group_id,) in db.execute(stale, (*where, claim.fence)).fetchall():
                db.execute(f"DELETE FROM finding WHERE {_GROUP}", (*where, group_id))
                db.execute(f"DELETE FROM security_group WHERE {_GROUP}", (*where, group_id))
            db.execute("INSERT OR REPLACE INTO region VALUES (?, ?, ?)", (*where, body))

        await self._writer.run(write)

    async def begin_pass(self, number: int) -> None:
        """Let every account be scanned anew, whatever its scan has come to."""
        body = encode(number)

        def write(db: sqlite3.Connection) -> None:
            db.execute("UPDATE job SET state = ? WHERE job = 'scan'", (JobState.unclaimed.value,))
            db.execute("INSERT OR REPLACE INTO fact VALUES ('fact:pass', ?)", (body,))

        await self._writer.run(write)

    async def forget(self, claim: Claim) -> None:
        """Forget what earlier passes saw in the account, since it is read anew; what was changed there stays known.

        Raises:
            Fenced: the claim was taken over.
        """
        account = (claim.account_id,)

        def write(db: sqlite3.Connection) -> None:
            _check(db, claim)
            for table in ("finding", "security_group", "region", "unreachable"):
                db.execute(f"DELETE FROM {table} WHERE account_id = ?", account)
            jobs = db.execute("SELECT DISTINCT job FROM effect WHERE account_id = ?", account).fetchall()
            body = encode([job for (job,) in jobs])
            db.execute("INSERT OR REPLACE INTO fact VALUES (?, ?)", (store.REREAD + claim.account_id, body))

        await self._writer.run(write)

    async def set_fact(self, key: str, value: object) -> None:
        """Write down a JSON value about the run under a key, in place of the earlier one."""
        body = encode(value)
        await self._writer.run(
            lambda db: db.execute("INSERT OR REPLACE INTO fact VALUES (?, ?)", (f"fact:{key}", body))
        )

    async def note(self, record: AuditRecord) -> None:
        """Write down, durably, an audit record that is about no rule."""
        await self._writer.run(lambda db: self._trail.record(db, record))

    # What is done -----------------------------------------------------------------------------------------

    async def effects(self, claim: Claim, region_id: str, security_group_id: str) -> list[Effect]:
        """Return what this job has intended or settled in a group."""
        return self._effects_of(claim.job, claim.account_id, region_id, security_group_id)

    async def intend(self, claim: Claim, intents: Sequence[Intent]) -> None:
        """Write down, durably, what is about to happen; with the audit records, all or nothing.

        An intent that stands without an outcome is left as it is, but for `touches_rule`; one that has ended is opened
        again.

        Raises:
            Fenced: the claim was taken over: make no change.
        """

        def write(db: sqlite3.Connection) -> None:
            _check(db, claim)
            for intent in intents:
                self._intend(db, claim, intent)

        await self._writer.run(write)

    def _intend(self, db: sqlite3.Connection, claim: Claim, intent: Intent) -> None:
        record = intent.record
        row = (claim.job, claim.account_id, record.region_id, record.security_group_id, intent.key)
        is_new = db.execute(
            "INSERT INTO effect VALUES (?, ?, ?, ?, ?, ?, ?, NULL, ?) "
            "ON CONFLICT DO UPDATE SET outcome = NULL, "
            "intended = CASE intended WHEN 0 THEN excluded.intended ELSE min(intended, excluded.intended) END, "
            "body = CASE intended WHEN 0 THEN excluded.body ELSE body END "
            "WHERE outcome IS NOT NULL OR intended = 0 RETURNING 1",
            (
                *row,
                record.rule_id,
                encode(intent.body),
                store.TOUCHED if intent.touches_rule else store.ADDING,
            ),
        ).fetchone()
        if is_new:
            self._trail.record(db, record)
        elif intent.touches_rule:
            db.execute(
                f"UPDATE effect SET intended = {store.TOUCHED} WHERE job = ? AND {_GROUP} AND key = ?", row
            )

    async def settle(self, claim: Claim, settled: Sequence[Settled]) -> None:
        """Write down, durably, how it ended; with the audit records, all or nothing.

        An outcome that stands already, with the same word and reason, is not written twice.

        Raises:
            Fenced: the claim was taken over; the next owner asks the cloud.
        """

        def write(db: sqlite3.Connection) -> None:
            _check(db, claim)
            for one in settled:
                self._settle(db, claim, one)

        await self._writer.run(write)

    def _settle(self, db: sqlite3.Connection, claim: Claim, settled: Settled) -> None:
        outcome = settled.outcome
        row = (claim.job, claim.account_id, outcome.region_id, outcome.security_group_id, settled.key)
        found = db.execute(
            f"SELECT outcome FROM effect WHERE job = ? AND {_GROUP} AND key = ?", row
        ).fetchone()
        if found and found[0] is not None:
            earlier = msgspec.json.decode(found[0], type=Outcome)
            if (earlier.outcome, earlier.reason) == (outcome.outcome, outcome.reason):
                return
        db.execute(
            "INSERT INTO effect VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0) ON CONFLICT DO UPDATE SET "
            f"outcome = excluded.outcome, intended = CASE intended WHEN {store.TOUCHED} THEN ? ELSE intended END",
            (
                *row,
                outcome.rule_id,
                settled.body and encode(settled.body),
                encode(outcome),
                store.TOUCHED if settled.touches_rule else store.ADDING,
            ),
        )
        self._trail.record(db, settled.record)


def _check(db: sqlite3.Connection, claim: Claim) -> None:
    found = db.execute(
        "SELECT fence FROM job WHERE job = ? AND account_id = ?", (claim.job, claim.account_id)
    ).fetchone()
    if found is None or found[0] != claim.fence:
        raise Fenced(f"account {claim.account_id} was taken over by another worker ({claim.job})")
