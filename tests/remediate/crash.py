"""A process that dies at a chosen step: between any two things it does, in the ledger or in the cloud."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from orchestrator.journal import Claim, Effect, Intent, JobState, Journal, Settled
from orchestrator.remediate import ChangeSession, ChangeTurn


class Crash(BaseException):
    """The process is gone; nothing catches this."""


class Fuse:
    """Counts steps, and burns through at one of them.

    Attributes:
        steps: the names of the steps passed, in order.
    """

    def __init__(self, burns_at: int | None = None, name: str = "") -> None:
        self._burns_at = burns_at
        self._name = name
        self.steps: list[str] = []

    def step(self, name: str) -> None:
        """Pass a step, or die there."""
        self.steps.append(name)
        if len(self.steps) == self._burns_at or name == self._name:
            raise Crash(name)


class MortalLedger:
    """The journal, with a step before and after each write."""

    def __init__(self, journal: Journal, fuse: Fuse) -> None:
        self._journal = journal
        self._fuse = fuse

    async def claim(self, account_id: str, job: str = "scan") -> Claim | None:
        """As the journal does."""
        self._fuse.step("before claim")
        claim = await self._journal.claim(account_id, job)
        self._fuse.step("after claim")
        return claim

    async def effects(self, claim: Claim, region_id: str, security_group_id: str) -> list[Effect]:
        """As the journal does."""
        return await self._journal.effects(claim, region_id, security_group_id)

    async def intend(self, claim: Claim, intents: Sequence[Intent]) -> None:
        """As the journal does."""
        self._fuse.step("before intent")
        await self._journal.intend(claim, intents)
        self._fuse.step("after intent")

    async def settle(self, claim: Claim, settled: Sequence[Settled]) -> None:
        """As the journal does."""
        self._fuse.step("before outcome")
        await self._journal.settle(claim, settled)
        self._fuse.step("after outcome")

    async def finish(self, claim: Claim, state: JobState) -> None:
        """As the journal does."""
        self._fuse.step("before finish")
        await self._journal.finish(claim, state)
        self._fuse.step("after finish")


class MortalSession:
    """A session, with a step before and after each call; `before` and `after` are there to be overridden, too."""

    def __init__(self, session: ChangeSession, fuse: Fuse) -> None:
        self._session = session
        self._fuse = fuse
        self.account_id = session.account_id

    async def before(self, action: str) -> None:
        """Pass the step before a call."""
        self._fuse.step(f"before {_short(action)}")

    async def after(self, action: str) -> None:
        """Pass the step after a call that was answered."""
        self._fuse.step(f"after {_short(action)}")

    async def call(
        self, action: str, region_id: str | None, parameters: Mapping[str, object], *, mutating: bool = False
    ) -> dict[str, Any]:
        """As the session does."""
        await self.before(action)
        answer = await self._session.call(action, region_id, parameters, mutating=mutating)
        await self.after(action)
        return answer

    @asynccontextmanager
    async def turn(
        self, action: str, region_id: str | None, *, hurried: bool = False
    ) -> AsyncIterator[MortalTurn]:
        """As the session does."""
        async with self._session.turn(action, region_id, hurried=hurried) as turn:
            yield MortalTurn(turn, self, action)


class MortalTurn:
    """A turn, with the session's steps before and after its call."""

    def __init__(self, turn: ChangeTurn, session: MortalSession, action: str) -> None:
        self._turn = turn
        self._session = session
        self._action = action

    async def call(self, parameters: Mapping[str, object], *, not_after: float) -> dict[str, Any]:
        """As the turn does."""
        await self._session.before(self._action)
        answer = await self._turn.call(parameters, not_after=not_after)
        await self._session.after(self._action)
        return answer


def _short(action: str) -> str:
    """Name the steps of what a group is asked for; what is asked about others has a name of its own."""
    if action == "DescribeNetworkInterfaces":
        return "Neighbours"
    return action.replace("SecurityGroups", "Listing").replace("SecurityGroup", "").replace("Attribute", "")
