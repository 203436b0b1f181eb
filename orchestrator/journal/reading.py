# ruff: noqa: A002, S608 - `type` is what msgspec calls it; SQL texts are made of this module's constants
"""Reading a run: streams that hold one row at a time, beside a writer or long after it."""

from __future__ import annotations

import json
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import msgspec
from typing_extensions import Self

from accounts import Account, Skipped, Unreachable
from orchestrator.audit import AuditRecord, Problem, verify
from orchestrator.journal import store
from orchestrator.journal.errors import JournalCorrupt, JournalError, JournalMissing, explained
from orchestrator.journal.trail import AUDIT, MANIFEST
from orchestrator.journal.values import AccountState, Effect, GroupSeen, Observed, Outcome, RunHeader

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
            yield AccountState(self._decode(body, Account), state)

    def skipped(self) -> Iterator[Skipped]:
        """Yield the accounts that were left out, and why."""
        for (body,) in self._rows("SELECT body FROM skipped ORDER BY account_id"):
            yield self._decode(body, Skipped)

    def unreachables(self) -> Iterator[Unreachable]:
        """Yield what could not be seen, by account, region and group."""
        for (body,) in self._rows(
            "SELECT body FROM unreachable ORDER BY account_id, region_id, security_group_id"
        ):
            yield self._decode(body, Unreachable)

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

    def fact(self, key: str) -> Any:  # noqa: ANN401 - whatever JSON was written under the key
        """Return what was written under the key, or None."""
        found = self._one("SELECT value FROM fact WHERE key = ?", (f"fact:{key}",))
        return None if found is None else self._decode(found[0], object)

    def rates(self) -> dict[str, float]:
        """Return the call rates learned, by the limiter's own keys."""
        return {key: self._decode(value, float) for key, value in self._rows("SELECT key, value FROM rate")}

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
        for row in self._rows(sql, given):
            yield self._effect(row)

    def jobs(self) -> dict[str, Counter[str]]:
        """Return how many accounts of each job are in which state."""
        found: dict[str, Counter[str]] = {}
        for job, state, count in self._rows("SELECT job, state, count(*) FROM job GROUP BY job, state"):
            found.setdefault(job, Counter())[state] = count
        return found

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
            raise JournalCorrupt(f"{self._path} is damaged ({error}): restore it or scan anew") from error

    def _decode(self, body: bytes, type: type[T]) -> T:
        try:
            return msgspec.json.decode(body, type=type)
        except msgspec.DecodeError as error:
            raise JournalCorrupt(f"{self._path} is damaged ({error}): restore it or scan anew") from error


_SEEN = (
    "SELECT account_id, region_id, security_group_id, listing_digest, digest, rules, observed IS NOT NULL "
    "FROM security_group"
)
_EFFECT = (
    "SELECT job, account_id, region_id, security_group_id, key, rule_id, body, outcome, intended FROM effect"
)
_EFFECT_ORDER = "ORDER BY account_id, region_id, security_group_id, job, key"


def _seen(row: tuple[Any, ...]) -> GroupSeen:
    account_id, region_id, group_id, listing, digest, rules, kept = row
    return GroupSeen(
        account_id=account_id,
        region_id=region_id,
        security_group_id=group_id,
        listing_digest=listing,
        digest=digest,
        rules=rules,
        is_kept=bool(kept),
    )


def check_folder(folder: Path) -> list[Problem]:
    """Find what is wrong with a run folder's audit trail, from the folder alone; it repairs nothing.

    The journal is asked too, where it is there: it knows a file and manifest both replaced by older ones.

    Raises:
        JournalMissing: the folder has neither trail nor journal.
        JournalError: something there cannot be read.
    """
    audit, manifest, has_journal = folder / AUDIT, folder / MANIFEST, (folder / store.NAME).exists()
    if not audit.exists() and not manifest.exists() and not has_journal:
        raise JournalMissing(f"{folder} is no run folder: it has neither {AUDIT} nor {MANIFEST}")
    with explained(audit):
        sealed = manifest.read_bytes() if manifest.exists() else None
        if not audit.exists():
            return [Problem("truncated", 0, "", 0, f"{AUDIT} is gone"), *verify([], sealed)]
        with audit.open("rb") as lines:
            problems = verify(lines, sealed)
    if not problems and has_journal:
        problems = _against_journal(folder, audit)
    return problems


def _against_journal(folder: Path, audit: Path) -> list[Problem]:
    with Reader(folder) as reader, audit.open("rb") as lines:
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
