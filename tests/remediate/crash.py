"""A process that dies at a chosen step: between any two things it does, in the ledger or in the cloud."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.journal import Claim, Effect, Intent, Journal, Settled
from orchestrator.remediate import Session


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

    async def finish(self, claim: Claim, state: str) -> None:
        """As the journal does."""
        self._fuse.step("before finish")
        await self._journal.finish(claim, state)
        self._fuse.step("after finish")


class MortalSession:
    """A session, with a step before and after each call."""

    def __init__(self, session: Session, fuse: Fuse) -> None:
        self._session = session
        self._fuse = fuse
        self.account_id = session.account_id

    async def call(
        self, action: str, region_id: str | None, parameters: Mapping[str, object], *, mutating: bool = False
    ) -> dict[str, Any]:
        """As the session does."""
        short = action.replace("SecurityGroup", "").replace("Attribute", "")
        self._fuse.step(f"before {short}")
        answer = await self._session.call(action, region_id, parameters, mutating=mutating)
        self._fuse.step(f"after {short}")
        return answer
