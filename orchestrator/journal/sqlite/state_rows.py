# ruff: noqa: S608 - `type` is what msgspec calls it; SQL texts are made of constants
"""The state of a run: its accounts and their claims, the regions that were read, and facts about it."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from accounts import Account, SkippedAccount
from orchestrator.journal.sqlite import file
from orchestrator.journal.sqlite.rows import GROUP, Operations, Rows, check_claim
from orchestrator.journal.values import AccountState, Claim, JobState, encode


class RunStateRows(Rows):
    """Reads it."""

    def accounts(self) -> Iterator[AccountState]:
        sql = (
            "SELECT body, coalesce(state, '') FROM account LEFT JOIN job "
            "ON job.account_id = account.account_id AND job.job = 'scan' ORDER BY account.account_id"
        )
        for body, state in self._rows(sql):
            yield AccountState(self._decode(body, Account), self._state(state))

    def skipped(self) -> Iterator[SkippedAccount]:
        for (body,) in self._rows("SELECT body FROM skipped ORDER BY account_id"):
            yield self._decode(body, SkippedAccount)

    def regions_done(self, account_id: str) -> frozenset[str]:
        rows = self._rows("SELECT region_id FROM region WHERE account_id = ?", (account_id,))
        return frozenset(region_id for (region_id,) in rows)

    def totals(self) -> dict[str, int]:
        total: Counter[str] = Counter()
        regions: set[str] = set()
        for region_id, counts in self._rows("SELECT region_id, counts FROM region"):
            regions.add(region_id)
            total.update(self._decode(counts, dict[str, int]))
        return {**total, "regions": len(regions)}

    def regions_counting(self, key: str) -> frozenset[tuple[str, str]]:
        rows = self._rows("SELECT account_id, region_id, counts FROM region")
        return frozenset(
            (account_id, region_id)
            for account_id, region_id, counts in rows
            if self._decode(counts, dict[str, int]).get(key)
        )

    def accounts_counting(self, key: str) -> int:
        return len({account_id for account_id, _ in self.regions_counting(key)})

    def fact(self, key: str) -> Any:  # noqa: ANN401 - whatever JSON was written under the key
        found = self._one("SELECT value FROM fact WHERE key = ?", (f"fact:{key}",))
        return None if found is None else self._decode(found[0], object)

    def jobs_done(self) -> frozenset[str]:
        done = JobState.done.value
        rows = self._rows("SELECT job FROM job GROUP BY job HAVING min(state = ?) = 1", (done,))
        return frozenset(job for (job,) in rows)

    def accounts_done(self, job: str) -> frozenset[str]:
        rows = self._rows(
            "SELECT account_id FROM job WHERE job = ? AND state = ?", (job, JobState.done.value)
        )
        return frozenset(account_id for (account_id,) in rows)

    def is_done(self, job: str) -> bool:
        return self._one("SELECT min(state = ?) FROM job WHERE job = ?", (JobState.done.value, job)) == (1,)

    def _state(self, word: str) -> JobState:
        try:
            return JobState(word)
        except ValueError as error:
            raise self._damaged(error) from error


class RunStateWrites(RunStateRows, Operations):
    """Writes it."""

    async def add_accounts(self, accounts: Sequence[Account], skipped: Sequence[SkippedAccount] = ()) -> None:
        kept = [(account.account_id, encode(account)) for account in accounts]
        left = [(account.account_id, encode(account)) for account in skipped]

        def write(db: sqlite3.Connection) -> None:
            db.executemany("INSERT OR REPLACE INTO account VALUES (?, ?)", kept)
            db.executemany("INSERT OR REPLACE INTO skipped VALUES (?, ?)", left)

        await self._writer.run(write)

    async def claim(self, account_id: str, job: str = "scan") -> Claim | None:
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
        def write(db: sqlite3.Connection) -> None:
            check_claim(db, claim)
            db.execute(
                "UPDATE job SET state = ? WHERE job = ? AND account_id = ?",
                (state.value, claim.job, claim.account_id),
            )

        await self._writer.run(write)

    async def begin_pass(self, number: int) -> None:
        body = encode(number)

        def write(db: sqlite3.Connection) -> None:
            db.execute("UPDATE job SET state = ? WHERE job = 'scan'", (JobState.unclaimed.value,))
            db.execute("INSERT OR REPLACE INTO fact VALUES ('fact:pass', ?)", (body,))

        await self._writer.run(write)

    async def set_fact(self, key: str, value: object) -> None:
        body = encode(value)
        await self._writer.run(
            lambda db: db.execute("INSERT OR REPLACE INTO fact VALUES (?, ?)", (f"fact:{key}", body))
        )

    async def region_done(self, claim: Claim, region_id: str, counts: Mapping[str, int]) -> None:
        where = (claim.account_id, region_id)
        body = encode(dict(counts))
        stale = (
            "SELECT security_group_id FROM security_group "
            "WHERE account_id = ? AND region_id = ? AND fence != ?"
        )

        def write(db: sqlite3.Connection) -> None:
            check_claim(db, claim)
            for (group_id,) in db.execute(stale, (*where, claim.fence)).fetchall():
                db.execute(f"DELETE FROM finding WHERE {GROUP}", (*where, group_id))
                db.execute(f"DELETE FROM security_group WHERE {GROUP}", (*where, group_id))
            db.execute("INSERT OR REPLACE INTO region VALUES (?, ?, ?)", (*where, body))

        await self._writer.run(write)

    async def forget(self, claim: Claim) -> None:
        account = (claim.account_id,)

        def write(db: sqlite3.Connection) -> None:
            check_claim(db, claim)
            for table in ("finding", "security_group", "region", "unreachable"):
                db.execute(f"DELETE FROM {table} WHERE account_id = ?", account)
            jobs = db.execute("SELECT DISTINCT job FROM effect WHERE account_id = ?", account).fetchall()
            body = encode([job for (job,) in jobs])
            db.execute("INSERT OR REPLACE INTO fact VALUES (?, ?)", (file.REREAD + claim.account_id, body))

        await self._writer.run(write)
