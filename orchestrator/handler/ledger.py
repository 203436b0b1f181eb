"""What outlives an invocation: intents and outcomes, how often a rule came back, how many changes there were lately.

Entries are objects that are written once and never overwritten; no delivery ever locks out another. An intent's name is
the group, the rule's content and the rule's id, so a second delivery meets the first one's intent, and a rule that
somebody puts back stands beside its predecessors and can be counted.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import quote, unquote

import msgspec

from orchestrator.audit import AuditRecord
from orchestrator.handler.invocation_trail import InvocationTrail
from orchestrator.handler.ledger_store import Store, trouble
from orchestrator.journal import Claim, Effect, Intent, JobState, Outcome, OutcomeKind, Settled
from orchestrator.plan import Place, return_key

WINDOW = timedelta(minutes=10)
_INTENT, _OUTCOME = ".intent.json", ".outcome.json"
_REFUSED = ".refused"
_ROUNDS = 4  # of asking the brake, where rivals ask at the same time
_PAUSE_SECONDS = 0.2  # before the second round, at most
_NAMED = 5  # accounts with the most changes that the brake names


class _Intended(msgspec.Struct, frozen=True):
    """What an intent's object holds; the record is sealed."""

    job: str
    body: dict[str, Any]
    record: AuditRecord


class _Ended(msgspec.Struct, frozen=True):
    """What an outcome's object holds; the record is sealed."""

    outcome: Outcome
    record: AuditRecord


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
        trail: InvocationTrail,
        now: Callable[[], datetime],
    ) -> None:
        """Remember where entries go.

        Args:
            store: keeps them.
            place: the group.
            trail: seals each audit record, keeps it in its object and says it.
            now: the time.
        """
        self._now = now
        self._store = store
        self._place = place
        self._trail = trail
        self._present: frozenset[str] = frozenset()
        self._intended: set[str] = set()  # in this delivery

    @property
    def run_id(self) -> str:
        """The invocation's own: a door that comes back is another job, or the cloud takes its calls for repetitions."""
        return self._trail.run_id

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
        with trouble("read"):
            kept = await self._store.get(name)
            ends = await self._store.keys(name.removesuffix(_INTENT) + ".")
            last = max((one for one in ends if one.endswith(_OUTCOME)), default="")
            ended = await self._store.get(last) if last else None
            entry = msgspec.json.decode(kept, type=_Intended) if kept else None
            outcome = msgspec.json.decode(ended, type=_Ended).outcome if ended else None
        if outcome is not None and outcome.outcome is not OutcomeKind.failed and not self._explains(outcome):
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
        """Tell whether an earlier delivery's end is why the rule still shows: it was removed, and not long ago.

        Otherwise it stands as it should not, however that came: what drifted, say, and was then changed back; or was
        blocked, so that the rule stands in any case, and the drop is gone.
        """
        return outcome.outcome.removes and f"{self._now():%Y-%m-%dT%H:%M:%SZ}" < outcome.effective_after

    async def intend(self, claim: Claim, intents: Sequence[Intent]) -> None:
        """Keep each intent once; beside that of an earlier delivery, if there is one.

        How far it came is not kept: a rule that is gone is never asked for, and of one that stands it shows.
        """
        for intent in intents:
            if intent.key in self._intended:
                continue
            self._intended.add(intent.key)
            name = _name(self._place, intent.record, _INTENT)
            await self._trail.keep(intent.record, name, partial(_Intended, claim.job, intent.body))

    async def settle(self, claim: Claim, settled: Sequence[Settled]) -> None:  # noqa: ARG002 - the ledger's signature
        """Keep how each change ended, beside how it ended before: a ledger may be locked against overwriting."""
        for one in settled:
            self._intended.discard(one.key)
            kind = f".{_stamp(self._now())}.{os.urandom(4).hex()}{_OUTCOME}"
            name = _name(self._place, one.record, kind)
            await self._trail.keep(one.record, name, partial(_Ended, one.outcome))

    async def finish(self, claim: Claim, state: JobState) -> None:
        """Nothing is kept of a delivery's end."""

    async def _names(self) -> list[str]:
        with trouble("read"):
            return await self._store.keys(_folder(self._place))


class Budget(msgspec.Struct, frozen=True):
    """How many changes there may be in ten minutes.

    Attributes:
        per_account: in each account; what is beyond it waits, and costs no other account anything.
        in_all: in all accounts together.
    """

    per_account: int = 50
    in_all: int = 500


class Grant(msgspec.Struct, frozen=True):
    """How many changes may be made now.

    Attributes:
        changes: so many, 0 for none.
        reason: why not all that were asked for; empty if all.
    """

    changes: int
    reason: str = ""


_Used = dict[str, int]  # changes within the window, by account


class Counter:
    """The brake that outlives an invocation: how many changes there were in ten minutes, by account and in all.

    Who wants to change something writes a ticket and then counts all there are: of any who are let pass, the last to
    write has seen the tickets of the others, so no more pass than are allowed, whatever their clocks say. A refused
    ticket is crossed out by an object beside it and does not count. An account never counts for more than its own
    budget, however many tickets of it are still undecided: it cannot use up what is there for all.
    """

    def __init__(self, store: Store, budget: Budget, now: Callable[[], datetime]) -> None:
        self._store = store
        self._budget = budget
        self._now = now
        self._one_at_a_time = asyncio.Lock()

    async def room(self, account_id: str) -> Grant:
        """Return how many changes may be made in the account, writing nothing.

        Raises:
            LedgerError: that cannot be told.
        """
        return self._left(await self._used(), account_id)

    async def ask(self, account_id: str, changes: int) -> Grant:
        """Return how many of so many changes may be made in the account; those count from now on.

        Raises:
            LedgerError: that cannot be told.
        """
        async with self._one_at_a_time:
            for number in range(_ROUNDS):
                left = await self.room(account_id)
                some = min(changes, left.changes)
                if some < 1:
                    return left
                ticket = (
                    f"changes/{_stamp(self._now())}.{quote(account_id, safe='')}.{some}.{os.urandom(4).hex()}"
                )
                await self._write(ticket)
                if self._left(await self._used(without=ticket), account_id).changes >= some:
                    return Grant(some, left.reason if some < changes else "")
                await self._write(ticket + _REFUSED)
                # rivals that ask at the same time leave room for each other, and come again at different times
                changes = max(1, some // 2)
                await asyncio.sleep(random.random() * _PAUSE_SECONDS * 2**number)  # noqa: S311 - no secret
            return Grant(0, f"others are changing so much in account {account_id} at this moment")

    async def _write(self, name: str) -> None:
        with trouble("written"):
            await self._store.put(name, b"{}", only_new=True)

    async def _used(self, without: str = "") -> _Used:
        with trouble("read"):
            names = await self._store.keys("changes/", f"changes/{_stamp(self._now() - WINDOW)}")
        refused = {name.removesuffix(_REFUSED) for name in names if name.endswith(_REFUSED)}
        used: _Used = {}
        for name in names:
            parts = name.split(".")
            if len(parts) == 4 and parts[2].isdecimal() and name not in refused and name != without:
                account_id = unquote(parts[1])
                used[account_id] = used.get(account_id, 0) + int(parts[2])
        return used

    def _left(self, used: _Used, account_id: str) -> Grant:
        budget = self._budget
        of_account = used.get(account_id, 0)
        total = sum(min(changes, budget.per_account) for changes in used.values())
        changes = max(0, min(budget.per_account - of_account, budget.in_all - total))
        busiest = sorted(used.items(), key=lambda item: (-item[1], item[0]))[:_NAMED]
        return Grant(
            changes,
            f"{of_account} changes in account {account_id} within 10 minutes, of {budget.per_account}, and {total} in "
            f"all, of {budget.in_all}; most in {', '.join(f'{who} ({many})' for who, many in busiest) or 'none'}: "
            "the rest waits until they are 10 minutes old",
        )


def _stamp(moment: datetime) -> str:
    return f"{moment:%Y%m%dT%H%M%S}{moment.microsecond:06d}Z"
