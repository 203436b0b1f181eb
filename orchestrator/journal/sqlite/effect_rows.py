# ruff: noqa: S608 - SQL texts are made of constants
"""What is meant to be done and what came of it, with the audit records."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from orchestrator.audit import AuditRecord, Head
from orchestrator.journal.errors import explained
from orchestrator.journal.sqlite import file
from orchestrator.journal.sqlite.rows import GROUP, Operations, Rows, check_claim
from orchestrator.journal.values import Claim, Effect, Intent, Outcome, Settled, encode

_EFFECT = (
    "SELECT job, account_id, region_id, security_group_id, key, rule_id, body, outcome, intended FROM effect"
)
_EFFECT_ORDER = "ORDER BY account_id, region_id, security_group_id, job, key"


class EffectRows(Rows):
    """Reads it."""

    def outcomes(self, job: str | None = None) -> Iterator[Outcome]:
        for effect in self.all_effects(job):
            if effect.outcome is not None:
                yield effect.outcome

    def all_effects(self, job: str | None = None, account_id: str | None = None) -> Iterator[Effect]:
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

    def has_records(self, heads: Mapping[str, Head]) -> bool:
        sql = "SELECT 1 FROM audit WHERE account_id = ? AND seq = ? AND hash = ?"
        return all(
            self._one(sql, (account_id, *msgspec.structs.astuple(one))) for account_id, one in heads.items()
        )

    def audit_records(self) -> Iterator[AuditRecord]:
        for (body,) in self._rows("SELECT body FROM audit ORDER BY line"):
            yield self._decode(body, AuditRecord)

    def _reread(self) -> dict[str, frozenset[str]]:
        """Return, by account, the jobs whose changes were made before the account was read for the last time."""
        rows = self._rows(
            "SELECT key, value FROM fact WHERE key >= ? AND key < ?", (file.REREAD, file.REREAD + "~")
        )
        return {key.removeprefix(file.REREAD): frozenset(self._decode(body, list)) for key, body in rows}

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
            touches_rule=intended == file.TOUCHED,
        )

    def _effects_of(self, job: str, account_id: str, region_id: str, group_id: str) -> list[Effect]:
        sql = f"{_EFFECT} WHERE job = ? AND {GROUP} {_EFFECT_ORDER}"
        with explained(self._path):
            rows = self._reading.execute(sql, (job, account_id, region_id, group_id)).fetchall()
        return [self._effect(row) for row in rows]


class EffectWrites(EffectRows, Operations):
    """Writes it."""

    async def effects(self, claim: Claim, region_id: str, security_group_id: str) -> list[Effect]:
        return self._effects_of(claim.job, claim.account_id, region_id, security_group_id)

    async def intend(self, claim: Claim, intents: Sequence[Intent]) -> None:
        def write(db: sqlite3.Connection) -> None:
            check_claim(db, claim)
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
                file.TOUCHED if intent.touches_rule else file.ADDING,
            ),
        ).fetchone()
        if is_new:
            self._trail.record(db, record)
        elif intent.touches_rule:
            db.execute(
                f"UPDATE effect SET intended = {file.TOUCHED} WHERE job = ? AND {GROUP} AND key = ?", row
            )

    async def settle(self, claim: Claim, settled: Sequence[Settled]) -> None:
        def write(db: sqlite3.Connection) -> None:
            check_claim(db, claim)
            for one in settled:
                self._settle(db, claim, one)

        await self._writer.run(write)

    def _settle(self, db: sqlite3.Connection, claim: Claim, settled: Settled) -> None:
        outcome = settled.outcome
        row = (claim.job, claim.account_id, outcome.region_id, outcome.security_group_id, settled.key)
        found = db.execute(
            f"SELECT outcome FROM effect WHERE job = ? AND {GROUP} AND key = ?", row
        ).fetchone()
        if found and found[0] is not None:
            earlier = msgspec.json.decode(found[0], type=Outcome)
            if (earlier.outcome, earlier.reason) == (outcome.outcome, outcome.reason):
                return
        db.execute(
            "INSERT INTO effect VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0) ON CONFLICT DO UPDATE SET "
            f"outcome = excluded.outcome, intended = CASE intended WHEN {file.TOUCHED} THEN ? ELSE intended END",
            (
                *row,
                outcome.rule_id,
                settled.body and encode(settled.body),
                encode(outcome),
                file.TOUCHED if settled.touches_rule else file.ADDING,
            ),
        )
        self._trail.record(db, settled.record)

    async def note(self, record: AuditRecord) -> None:
        await self._writer.run(lambda db: self._trail.record(db, record))
