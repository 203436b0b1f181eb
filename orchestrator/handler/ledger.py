"""What outlives an invocation: intents and outcomes, how often a rule came back, how many changes there were lately.

Entries are objects that are written once; nothing is ever locked. An intent's name is the group, the rule's content
and the rule's id, so a second delivery meets the first one's intent, and a rule that somebody puts back stands beside
its predecessors and can be counted.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, unquote

import msgspec

from orchestrator.audit import AuditRecord
from orchestrator.cloud.errors import CloudError
from orchestrator.handler.store import LedgerError, Store
from orchestrator.journal import Claim, Effect, Intent, Outcome, Settled
from orchestrator.plan import Place, return_key

WINDOW = timedelta(minutes=10)
_INTENT, _OUTCOME = ".intent.json", ".outcome.json"
_encode = msgspec.json.Encoder(order="sorted").encode


class _Entry(msgspec.Struct, frozen=True):
    """What an intent's object holds."""

    job: str
    body: dict[str, Any]
    record: AuditRecord


@asynccontextmanager
async def _trouble(doing: str) -> AsyncIterator[None]:
    """Say which part of the ledger failed. A cloud's error must not pass for one of the group's own."""
    try:
        yield
    except (CloudError, OSError, msgspec.DecodeError) as error:
        raise LedgerError(f"the ledger cannot be {doing}: {error}") from None


def _folder(place: Place) -> str:
    return "intents/" + "/".join(quote(part, safe="") for part in place) + "/"


def _name(place: Place, record: AuditRecord, kind: str) -> str:
    digest = return_key(place, record.before or {}).rpartition("/")[2]
    return f"{_folder(place)}{digest}/{quote(record.rule_id, safe='')}{kind}"


class GroupLedger:
    """The ledger of one group, as `remediate` takes it."""

    def __init__(
        self,
        store: Store,
        place: Place,
        say: Callable[[AuditRecord], None],
        now: Callable[[], datetime],
    ) -> None:
        """Remember where entries go.

        Args:
            store: keeps them.
            place: the group.
            say: is given each audit record once it is kept.
            now: the time.
        """
        self._now = now
        self._store = store
        self._place = place
        self._say = say
        self._present: frozenset[str] = frozenset()

    async def returned(self, present: Collection[str]) -> dict[str, int]:
        """Return how often a rule's content came back: by `return_key`, for `plan.decide`.

        Args:
            present: ids of the rules that stand now; an intent about one of them is not yet carried out.
        """
        self._present = frozenset(present)
        gone: dict[str, set[str]] = {}
        for name in await self._names():
            digest, file = name.split("/")[-2:]
            rule_id = unquote(file.removesuffix(_INTENT))
            if file.endswith(_INTENT) and rule_id not in self._present:
                gone.setdefault(digest, set()).add(rule_id)
        return {"/".join((*self._place, digest)): len(ids) for digest, ids in gone.items()}

    async def claim(self, account_id: str, job: str = "scan") -> Claim | None:
        """Return the right to work; every delivery has it, since each begins with looking."""
        return Claim(job, account_id, 1)

    async def effects(
        self,
        claim: Claim,
        region_id: str,  # noqa: ARG002 - the ledger's signature; this one is of one group
        security_group_id: str,  # noqa: ARG002 - the same
    ) -> list[Effect]:
        """Return what was intended or settled before, about the rules that stand now."""
        found = []
        for name in await self._names():
            rule_id = unquote(name.rpartition("/")[2].removesuffix(_INTENT))
            if name.endswith(_INTENT) and rule_id in self._present:
                found.append(await self._effect(claim, name, rule_id))
        return found

    async def _effect(self, claim: Claim, name: str, rule_id: str) -> Effect:
        async with _trouble("read"):
            kept = await self._store.get(name)
            ended = await self._store.get(name.removesuffix(_INTENT) + _OUTCOME)
            entry = msgspec.json.decode(kept, type=_Entry) if kept else None
            outcome = msgspec.json.decode(ended, type=Outcome) if ended else None
        if outcome is not None and outcome.outcome != "failed" and not self._explains(outcome):
            outcome = None
        return Effect(
            job=claim.job,
            key=rule_id,
            account_id=self._place.account_id,
            region_id=self._place.region_id,
            security_group_id=self._place.security_group_id,
            rule_id=rule_id,
            body=entry.body if entry else None,
            outcome=outcome,
            intended=True,
        )

    def _explains(self, outcome: Outcome) -> bool:
        """Tell whether an earlier delivery's end is why the rule still shows: it was closed, and not long ago.

        Otherwise it stands as it should not, however that came: what drifted, say, and was then changed back.
        """
        return f"{self._now():%Y-%m-%dT%H:%M:%SZ}" < outcome.effective_after

    async def intend(self, claim: Claim, intents: Sequence[Intent]) -> None:
        """Keep each intent, unless an earlier delivery has."""
        for intent in intents:
            entry = _Entry(claim.job, intent.body, intent.record)
            async with _trouble("written"):
                await self._store.put(
                    _name(self._place, intent.record, _INTENT), _encode(entry), only_new=True
                )
            self._say(intent.record)

    async def settle(self, claim: Claim, settled: Sequence[Settled]) -> None:  # noqa: ARG002 - the ledger's signature
        """Keep how each change ended."""
        for one in settled:
            async with _trouble("written"):
                await self._store.put(_name(self._place, one.record, _OUTCOME), _encode(one.outcome))
            self._say(one.record)

    async def finish(self, claim: Claim, state: str) -> None:
        """Nothing is kept of a delivery's end."""

    async def _names(self) -> list[str]:
        async with _trouble("read"):
            return await self._store.keys(_folder(self._place))


class Counter:
    """The brake that outlives an invocation: how many changes there were in ten minutes.

    Who wants to change something writes a ticket first and then counts all there are: of any who are let pass, the last
    to write has seen the tickets of the others, so no more pass than are allowed, whatever their clocks say. Refused
    tickets count as well: the brake is released by ten calm minutes.
    """

    def __init__(self, store: Store, limit: int, now: Callable[[], datetime]) -> None:
        self._store = store
        self._limit = limit
        self._now = now

    async def ask(self, account_id: str, changes: int) -> str:
        """Return "" if so many changes may be made in the account, else why not.

        Raises:
            LedgerError: that cannot be told.
        """
        now = self._now()
        mine = f"changes/{_stamp(now)}.{quote(account_id, safe='')}.{changes}.{os.urandom(4).hex()}"
        async with _trouble("written"):
            await self._store.put(mine, b"{}", only_new=True)
        async with _trouble("read"):
            names = await self._store.keys("changes/", f"changes/{_stamp(now - WINDOW)}")
        total, of_account = 0, 0
        for name in names:
            parts = name.split(".")
            if len(parts) == 4 and parts[2].isdecimal():
                total += int(parts[2])
                of_account += int(parts[2]) * (unquote(parts[1]) == account_id)
        if total <= self._limit:
            return ""
        return (
            f"{total} changes within 10 minutes, {of_account} of them in account {account_id}; "
            f"{self._limit} are allowed: nothing more is changed until 10 minutes have passed without any"
        )


def _stamp(moment: datetime) -> str:
    return f"{moment:%Y%m%dT%H%M%S}{moment.microsecond:06d}Z"
