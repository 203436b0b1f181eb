# ruff: noqa: A002, S608 - `type` is what msgspec calls it; SQL texts are made of constants
"""What was seen: groups, their findings, and what could not be read."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from accounts import Unreachable
from orchestrator.journal.errors import explained
from orchestrator.journal.interface import FindingLike
from orchestrator.journal.sqlite.rows import GROUP, Operations, Rows, check_claim
from orchestrator.journal.values import Claim, GroupSeen, Observed, encode, listing_digest

T = TypeVar("T")

_SEEN = "SELECT account_id, region_id, security_group_id, listing_digest, rules FROM security_group"


class FindingRows(Rows):
    """Reads it."""

    def unreachables(self, account_id: str | None = None) -> Iterator[Unreachable]:
        sql = (
            f"SELECT body FROM unreachable {'' if account_id is None else 'WHERE account_id = ?'} "
            "ORDER BY account_id, region_id, security_group_id"
        )
        for (body,) in self._rows(sql, () if account_id is None else (account_id,)):
            yield self._decode(body, Unreachable)

    def is_unreachable(self, account_id: str, region_id: str, security_group_id: str) -> bool:
        sql = (
            "SELECT 1 FROM unreachable WHERE account_id = ? AND (region_id = '' OR region_id = ? "
            "AND security_group_id IN ('', ?)) LIMIT 1"
        )
        return self._one(sql, (account_id, region_id, security_group_id)) is not None

    def group_count(self) -> int:
        return sum(count for (count,) in self._rows("SELECT count(*) FROM security_group"))

    def findings(self, type: type[T]) -> Iterator[T]:
        sql = "SELECT body FROM finding ORDER BY account_id, region_id, security_group_id, id"
        for (body,) in self._rows(sql):
            yield self._decode(body, type)

    def findings_of_rule(self, rule_id: str, type: type[T]) -> list[T]:
        rows = self._rows("SELECT body FROM finding WHERE rule_id = ? ORDER BY id", (rule_id,))
        return [self._decode(body, type) for (body,) in rows]

    def observed(
        self, type: type[T], account_id: str | None = None
    ) -> Iterator[tuple[Observed, tuple[T, ...]]]:
        sql = (
            "SELECT account_id, region_id, security_group_id, observed FROM security_group "
            f"WHERE observed IS NOT NULL {'' if account_id is None else 'AND account_id = ?'} "
            "ORDER BY account_id, region_id, security_group_id"
        )
        given = () if account_id is None else (account_id,)
        for account_id, region_id, group_id, body in self._rows(sql, given):  # noqa: PLR1704 - the row's own
            yield self._unpack(body), self._findings_of(account_id, region_id, group_id, type)

    def observed_group(self, account_id: str, region_id: str, security_group_id: str) -> Observed | None:
        sql = f"SELECT observed FROM security_group WHERE {GROUP}"
        found = self._one(sql, (account_id, region_id, security_group_id))
        return self._unpack(found[0]) if found and found[0] is not None else None

    def group_of_rule(self, rule_id: str) -> Observed | None:
        sql = "SELECT account_id, region_id, security_group_id FROM finding WHERE rule_id = ? LIMIT 1"
        found = self._one(sql, (rule_id,))
        return self.observed_group(*found) if found else None

    def group_seen(self, account_id: str, region_id: str, security_group_id: str) -> GroupSeen | None:
        found = self._one(f"{_SEEN} WHERE {GROUP}", (account_id, region_id, security_group_id))
        return _seen(found) if found else None

    def groups_seen(self) -> Iterator[GroupSeen]:
        for row in self._rows(f"{_SEEN} ORDER BY account_id, region_id, security_group_id"):
            yield _seen(row)

    def stored(
        self,
        account_id: str,
        region_id: str,
        security_group_id: str,
        type: type[T],
    ) -> tuple[Observed | None, tuple[T, ...]]:
        return (
            self.observed_group(account_id, region_id, security_group_id),
            self._findings_of(account_id, region_id, security_group_id, type),
        )

    def _findings_of(self, account_id: str, region_id: str, group_id: str, type: type[T]) -> tuple[T, ...]:
        sql = f"SELECT body FROM finding WHERE {GROUP} ORDER BY id"
        with explained(self._path):
            rows = self._reading.execute(sql, (account_id, region_id, group_id)).fetchall()
        return tuple(self._decode(body, type) for (body,) in rows)

    def _unpack(self, body: bytes) -> Observed:
        try:
            return self._decode(zlib.decompress(body), Observed)
        except zlib.error as error:
            raise self._damaged(error) from error


class FindingWrites(FindingRows, Operations):
    """Writes it."""

    async def record_group(self, claim: Claim, observed: Observed, findings: Sequence[FindingLike]) -> None:
        where = (claim.account_id, observed.region_id, observed.security_group_id)
        kept = zlib.compress(encode(observed), 1) if findings else None
        row = (*where, claim.fence, listing_digest(observed.listing), "", len(observed.permissions), kept)
        await self._write_group(claim, row, findings)

    async def carry_over(
        self, claim: Claim, seen: GroupSeen, observed: Observed | None, findings: Sequence[FindingLike]
    ) -> None:
        kept = zlib.compress(encode(observed), 1) if observed is not None else None
        where = (claim.account_id, seen.region_id, seen.security_group_id)
        row = (*where, claim.fence, seen.listing_digest, "", seen.rules, kept)
        await self._write_group(claim, row, findings)

    async def record_unreachable(self, claim: Claim, unreachable: Unreachable) -> None:
        row = (
            unreachable.account_id,
            unreachable.region_id or "",
            unreachable.security_group_id or "",
            encode(unreachable),
        )

        def write(db: sqlite3.Connection) -> None:
            check_claim(db, claim)
            db.execute("INSERT OR REPLACE INTO unreachable VALUES (?, ?, ?, ?)", row)

        await self._writer.run(write)

    async def _write_group(self, claim: Claim, row: tuple[Any, ...], findings: Sequence[FindingLike]) -> None:
        bodies = [(*row[:3], finding.rule_id, encode(finding)) for finding in findings]

        def write(db: sqlite3.Connection) -> None:
            check_claim(db, claim)
            db.execute("INSERT OR REPLACE INTO security_group VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
            db.execute(f"DELETE FROM finding WHERE {GROUP}", row[:3])
            db.executemany(
                "INSERT INTO finding VALUES (NULL, ?, ?, ?, ?, ?)",
                bodies,
            )

        await self._writer.run(write)


def _seen(row: tuple[Any, ...]) -> GroupSeen:
    account_id, region_id, group_id, listing, rules = row
    return GroupSeen(
        account_id=account_id,
        region_id=region_id,
        security_group_id=group_id,
        listing_digest=listing,
        rules=rules,
    )
