# ruff: noqa: A002, S608 - `type` is what msgspec calls it; SQL texts are made of this module's constants
"""Reading a run: streams that hold one row at a time, beside a writer or long after it."""

from __future__ import annotations

import json
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import msgspec
from typing_extensions import Self

from accounts import Account, SkippedAccount, Unreachable
from orchestrator.audit import AuditRecord, Head, Problem, parse_manifest, verify
from orchestrator.exposure import ports_from_json
from orchestrator.journal import store
from orchestrator.journal.errors import JournalCorrupt, JournalError, JournalMissing, explained
from orchestrator.journal.heads import older
from orchestrator.journal.trail import AUDIT, MANIFEST
from orchestrator.journal.trust import check_trust, open_trusted, read_trusted
from orchestrator.journal.values import (
    AccountState,
    Effect,
    GroupSeen,
    JobState,
    Observed,
    Outcome,
    RunHeader,
)

T = TypeVar("T")

_GROUP = "account_id = ? AND region_id = ? AND security_group_id = ?"


class Reader:
    """A run's journal, to read.

    The iterators see what was committed when they began, each through a connection of its own.

    Attributes:
        folder: the run folder.
        header: what the run is about.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._path = folder / store.NAME
        self._reading = store.connect_to_read(folder)
        try:
            found = self._one("SELECT value FROM fact WHERE key = 'header'")
            if found is None:
                raise JournalCorrupt(f"{self._path} has no header: restore it from a copy, or scan anew")
            self.header = self._decode(found[0], RunHeader)
        except JournalError:
            self._reading.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._reading.close()

    def accounts(self) -> Iterator[AccountState]:
        """Yield the accounts of the run, by id, with the state of their scan."""
        sql = (
            "SELECT body, coalesce(state, '') FROM account LEFT JOIN job "
            "ON job.account_id = account.account_id AND job.job = 'scan' ORDER BY account.account_id"
        )
        for body, state in self._rows(sql):
            yield AccountState(self._decode(body, Account), self._state(state))

    def skipped(self) -> Iterator[SkippedAccount]:
        """Yield the accounts that were left out, and why."""
        for (body,) in self._rows("SELECT body FROM skipped ORDER BY account_id"):
            yield self._decode(body, SkippedAccount)

    def unreachables(self, account_id: str | None = None) -> Iterator[Unreachable]:
        """Yield what could not be seen, by account, region and group; of one account or all."""
        sql = (
            f"SELECT body FROM unreachable {'' if account_id is None else 'WHERE account_id = ?'} "
            "ORDER BY account_id, region_id, security_group_id"
        )
        for (body,) in self._rows(sql, () if account_id is None else (account_id,)):
            yield self._decode(body, Unreachable)

    def group_count(self) -> int:
        """Return how many groups were read."""
        return sum(count for (count,) in self._rows("SELECT count(*) FROM security_group"))

    def findings(self, type: type[T]) -> Iterator[T]:
        """Yield the findings as values of the type, in the same order in every run."""
        sql = "SELECT body FROM finding ORDER BY account_id, region_id, security_group_id, id"
        for (body,) in self._rows(sql):
            yield self._decode(body, type)

    def findings_of_rule(self, rule_id: str, type: type[T]) -> list[T]:
        """Return the findings of one rule."""
        rows = self._rows("SELECT body FROM finding WHERE rule_id = ? ORDER BY id", (rule_id,))
        return [self._decode(body, type) for (body,) in rows]

    def observed(
        self, type: type[T], account_id: str | None = None
    ) -> Iterator[tuple[Observed, tuple[T, ...]]]:
        """Yield each group that has findings, in the API's own words, with its findings; of one account or all."""
        sql = (
            "SELECT account_id, region_id, security_group_id, observed FROM security_group "
            f"WHERE observed IS NOT NULL {'' if account_id is None else 'AND account_id = ?'} "
            "ORDER BY account_id, region_id, security_group_id"
        )
        given = () if account_id is None else (account_id,)
        for account_id, region_id, group_id, body in self._rows(sql, given):  # noqa: PLR1704 - the row's own
            yield self._unpack(body), self._findings_of(account_id, region_id, group_id, type)

    def observed_group(self, account_id: str, region_id: str, security_group_id: str) -> Observed | None:
        """Return a group in the API's own words, or None if it is not kept."""
        sql = f"SELECT observed FROM security_group WHERE {_GROUP}"
        found = self._one(sql, (account_id, region_id, security_group_id))
        return self._unpack(found[0]) if found and found[0] is not None else None

    def group_of_rule(self, rule_id: str) -> Observed | None:
        """Return the group a finding of this rule stands in, or None if no finding names the rule."""
        sql = "SELECT account_id, region_id, security_group_id FROM finding WHERE rule_id = ? LIMIT 1"
        found = self._one(sql, (rule_id,))
        return self.observed_group(*found) if found else None

    def group_seen(self, account_id: str, region_id: str, security_group_id: str) -> GroupSeen | None:
        """Return what the run knows of a group it has read, with findings or without; None if it has not."""
        found = self._one(f"{_SEEN} WHERE {_GROUP}", (account_id, region_id, security_group_id))
        return _seen(found) if found else None

    def is_unreachable(self, account_id: str, region_id: str, security_group_id: str) -> bool:
        """Tell whether the group, its region or its account is among what could not be seen."""
        sql = (
            "SELECT 1 FROM unreachable WHERE account_id = ? AND (region_id = '' OR region_id = ? "
            "AND security_group_id IN ('', ?)) LIMIT 1"
        )
        return self._one(sql, (account_id, region_id, security_group_id)) is not None

    def groups_seen(self) -> Iterator[GroupSeen]:
        """Yield every group that was read, by account, region and group."""
        for row in self._rows(f"{_SEEN} ORDER BY account_id, region_id, security_group_id"):
            yield _seen(row)

    def stored(
        self,
        account_id: str,
        region_id: str,
        security_group_id: str,
        type: type[T],
    ) -> tuple[Observed | None, tuple[T, ...]]:
        """Return a group as kept and its findings, to carry them over to another run."""
        return (
            self.observed_group(account_id, region_id, security_group_id),
            self._findings_of(account_id, region_id, security_group_id, type),
        )

    def regions_done(self, account_id: str) -> frozenset[str]:
        """Return the regions of an account that were read to their end."""
        rows = self._rows("SELECT region_id FROM region WHERE account_id = ?", (account_id,))
        return frozenset(region_id for (region_id,) in rows)

    def totals(self) -> dict[str, int]:
        """Return the sums of the regions' counts, and `regions` themselves."""
        total: Counter[str] = Counter()
        regions: set[str] = set()
        for region_id, counts in self._rows("SELECT region_id, counts FROM region"):
            regions.add(region_id)
            total.update(self._decode(counts, dict[str, int]))
        return {**total, "regions": len(regions)}

    def regions_counting(self, key: str) -> frozenset[tuple[str, str]]:
        """Return the regions, each with its account, that count this."""
        rows = self._rows("SELECT account_id, region_id, counts FROM region")
        return frozenset(
            (account_id, region_id)
            for account_id, region_id, counts in rows
            if self._decode(counts, dict[str, int]).get(key)
        )

    def accounts_counting(self, key: str) -> int:
        """Return in how many accounts some region counts this."""
        return len({account_id for account_id, _ in self.regions_counting(key)})

    def fact(self, key: str) -> Any:  # noqa: ANN401 - whatever JSON was written under the key
        """Return what was written under the key, or None."""
        found = self._one("SELECT value FROM fact WHERE key = ?", (f"fact:{key}",))
        return None if found is None else self._decode(found[0], object)

    def outcomes(self, job: str | None = None) -> Iterator[Outcome]:
        """Yield how the changes ended, by account, region and group; of one job or of all."""
        for effect in self.all_effects(job):
            if effect.outcome is not None:
                yield effect.outcome

    def all_effects(self, job: str | None = None, account_id: str | None = None) -> Iterator[Effect]:
        """Yield the changes intended or settled, in order; narrowed to a job or an account."""
        where = " AND ".join(
            f"{column} = ?"
            for column, value in (("job", job), ("account_id", account_id))
            if value is not None
        )
        given = tuple(value for value in (job, account_id) if value is not None)
        sql = f"{_EFFECT} {'WHERE ' + where if where else ''} {_EFFECT_ORDER}"
        reread = self._reread()
        for row in self._rows(sql, given):
            effect = self._effect(row)
            if effect.job in reread.get(effect.account_id, ()):
                effect = msgspec.structs.replace(effect, is_read_since=True)
            yield effect

    def jobs_done(self) -> frozenset[str]:
        """Return the jobs that are done in every account that they were begun in."""
        done = JobState.done.value
        rows = self._rows("SELECT job FROM job GROUP BY job HAVING min(state = ?) = 1", (done,))
        return frozenset(job for (job,) in rows)

    def is_done(self, job: str) -> bool:
        """Tell whether the job was begun, and is done in every account that it was begun in."""
        return self._one("SELECT min(state = ?) FROM job WHERE job = ?", (JobState.done.value, job)) == (1,)

    def _reread(self) -> dict[str, frozenset[str]]:
        """Return, by account, the jobs whose changes were made before the account was read for the last time."""
        rows = self._rows(
            "SELECT key, value FROM fact WHERE key >= ? AND key < ?", (store.REREAD, store.REREAD + "~")
        )
        return {key.removeprefix(store.REREAD): frozenset(self._decode(body, list)) for key, body in rows}

    def has_records(self, heads: Mapping[str, Head]) -> bool:
        """Tell whether the audit records of these accounts and numbers are these."""
        sql = "SELECT 1 FROM audit WHERE account_id = ? AND seq = ? AND hash = ?"
        return all(
            self._one(sql, (account_id, *msgspec.structs.astuple(one))) for account_id, one in heads.items()
        )

    def audit_records(self) -> Iterator[AuditRecord]:
        """Yield the audit records in the order of the file."""
        for (body,) in self._rows("SELECT body FROM audit ORDER BY line"):
            yield self._decode(body, AuditRecord)

    def _findings_of(self, account_id: str, region_id: str, group_id: str, type: type[T]) -> tuple[T, ...]:
        sql = f"SELECT body FROM finding WHERE {_GROUP} ORDER BY id"
        with explained(self._path):
            rows = self._reading.execute(sql, (account_id, region_id, group_id)).fetchall()
        return tuple(self._decode(body, type) for (body,) in rows)

    def _effect(self, row: tuple[Any, ...]) -> Effect:
        job, account_id, region_id, group_id, key, rule_id, body, outcome, intended = row
        return Effect(
            job=job,
            key=key,
            account_id=account_id,
            region_id=region_id,
            security_group_id=group_id,
            rule_id=rule_id,
            body=None if body is None else self._decode(body, dict[str, Any]),
            outcome=None if outcome is None else self._decode(outcome, Outcome),
            intended=bool(intended),
            touches_rule=intended == store.TOUCHED,
        )

    def _effects_of(self, job: str, account_id: str, region_id: str, group_id: str) -> list[Effect]:
        sql = f"{_EFFECT} WHERE job = ? AND {_GROUP} {_EFFECT_ORDER}"
        with explained(self._path):
            rows = self._reading.execute(sql, (job, account_id, region_id, group_id)).fetchall()
        return [self._effect(row) for row in rows]

    def _rows(self, sql: str, given: tuple[object, ...] = ()) -> Iterator[tuple[Any, ...]]:
        with closing(store.connect_to_read(self.folder)) as db, explained(self._path):
            yield from db.execute(sql, given)

    def _one(self, sql: str, given: tuple[object, ...] = ()) -> tuple[Any, ...] | None:
        with explained(self._path):
            found: tuple[Any, ...] | None = self._reading.execute(sql, given).fetchone()
        return found

    def _unpack(self, body: bytes) -> Observed:
        try:
            return self._decode(zlib.decompress(body), Observed)
        except zlib.error as error:
            raise self._damaged(error) from error

    def _decode(self, body: bytes, type: type[T]) -> T:
        try:
            return msgspec.json.decode(body, type=type, dec_hook=ports_from_json)
        except msgspec.DecodeError as error:
            raise self._damaged(error) from error

    def _state(self, word: str) -> JobState:
        try:
            return JobState(word)
        except ValueError as error:
            raise self._damaged(error) from error

    def _damaged(self, error: Exception) -> JournalCorrupt:
        return JournalCorrupt(f"{self._path} is damaged ({error}): restore it or scan anew")


_SEEN = "SELECT account_id, region_id, security_group_id, listing_digest, digest, rules FROM security_group"
_EFFECT = (
    "SELECT job, account_id, region_id, security_group_id, key, rule_id, body, outcome, intended FROM effect"
)
_EFFECT_ORDER = "ORDER BY account_id, region_id, security_group_id, job, key"


def _seen(row: tuple[Any, ...]) -> GroupSeen:
    account_id, region_id, group_id, listing, digest, rules = row
    return GroupSeen(
        account_id=account_id,
        region_id=region_id,
        security_group_id=group_id,
        listing_digest=listing,
        digest=digest,
        rules=rules,
    )


def check_folder(folder: Path) -> list[Problem]:
    """Find what is wrong with a run folder's audit trail, from the folder alone; it repairs nothing.

    The journal is asked too, where it is there: it knows a file and manifest both replaced by older ones; and what was
    seen of the run before: that knows a folder that was replaced as a whole.

    Raises:
        JournalMissing: the folder has neither trail nor journal.
        JournalError: something there cannot be read, or is another user's.
    """
    audit, manifest, has_journal = folder / AUDIT, folder / MANIFEST, (folder / store.NAME).exists()
    if not audit.exists() and not manifest.exists() and not has_journal:
        raise JournalMissing(folder, f"neither {AUDIT} nor {MANIFEST}")
    with explained(audit):
        check_trust(folder)
        sealed = read_trusted(manifest) if manifest.exists() else None
        if not audit.exists():
            return [Problem("truncated", 0, "", 0, f"{AUDIT} is gone"), *verify([], sealed)]
        with open_trusted(audit) as lines:
            problems = verify(lines, sealed)
    if not problems and has_journal:
        problems = _against_journal(folder, audit)
    if not problems and sealed is not None:
        with open_trusted(audit) as lines:
            problems = [*older(folder, parse_manifest(sealed).run_id, lines)]
    return problems


def _against_journal(folder: Path, audit: Path) -> list[Problem]:
    with Reader(folder) as reader, open_trusted(audit) as lines:
        for record in reader.audit_records():
            line = lines.readline()
            if not line:
                text = f"line {record.line} is in the journal, but not in {AUDIT}: the file was cut"
                return [Problem("truncated", record.line, record.account_id, record.seq, text)]
            if json.loads(line).get("hash") != record.hash:
                text = f"line {record.line} is not the one in the journal"
                return [Problem("changed", record.line, record.account_id, record.seq, text)]
        if lines.readline():
            return [Problem("unsealed", 0, "", 0, f"{AUDIT} has lines that the journal does not know")]
    return []
