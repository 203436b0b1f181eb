"""Before the first change: is the session in the account it was made for, and could it put back what it takes?"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

from accounts import Account
from accounts.identity import prove
from orchestrator.cloud.client import AccountSession
from orchestrator.cloud.errors import CloudError, ExpiredToken, Throttled, Unavailable
from orchestrator.plan import Action
from orchestrator.remediate import ChangeSession, ChangeTurn, lacking_right, undoing_policy
from orchestrator.run.hub import Hub
from orchestrator.run.refusals import RefusedError

_AT_ONCE = 64


class Entrance:
    """The way into one account to change it: one session for each session policy, made when first used."""

    def __init__(self, hub: Hub, account: Account, policies: Sequence[str]) -> None:
        self.account = account
        self._hub = hub
        self._first = policies[0] if policies else ""
        self._sessions: dict[str, AccountSession] = {}
        self._unproven: CloudError | None = None

    def enter(self, policy: str) -> ChangeSession:
        """Return the session that may do what the policy says; a barred one where it is not known who it is."""
        return self._session(policy) if self._unproven is None else _Barred(self.account, self._unproven)

    def _session(self, policy: str) -> AccountSession:
        if policy not in self._sessions:
            self._sessions[policy] = self._hub.writer(self.account, policy)
        return self._sessions[policy]

    async def prove(self) -> str:
        """Return the caller's ARN, sure that it is in this account; the hub's where that cannot be told.

        Raises:
            WrongAccountError: the session is in another account.
        """
        try:
            return (await prove(self._session(self._first), self.account.account_id)).arn
        except CloudError as error:
            self._unproven = (
                error  # nothing is changed in an account by nobody knows whom; it is recorded as failed
            )
            return self._hub.identity.arn

    async def lacks(self, actions: Sequence[Action]) -> str:
        """Return the action that the role may not call and undoing would need; empty if it may.

        Where no answer tells, the account is barred: its changes are recorded as failed, for a later try.
        """
        session = self._hub.writer(self.account, undoing_policy(actions))
        known = self._hub.config.facts.rights_first
        try:
            return await lacking_right(session, actions, rights_first=known is None or known.value)
        except (Throttled, Unavailable, ExpiredToken) as error:
            self._unproven = error
            return ""


class _Barred:
    """A session that fails each call with the error for which it is not known who it is."""

    def __init__(self, account: Account, error: CloudError) -> None:
        self.account_id = account.account_id
        self._error = error

    async def call(
        self,
        action: str,  # noqa: ARG002 - a session's signature
        region_id: str | None,  # noqa: ARG002 - the same
        parameters: Mapping[str, object],  # noqa: ARG002 - the same
        *,
        mutating: bool = False,  # noqa: ARG002 - the same
    ) -> dict[str, Any]:
        raise self._error

    def turn(
        self,
        action: str,  # noqa: ARG002 - a session's signature
        region_id: str | None,  # noqa: ARG002 - the same
        *,
        hurried: bool = False,  # noqa: ARG002 - the same
    ) -> AbstractAsyncContextManager[ChangeTurn]:
        raise self._error


async def refuse_what_cannot_be_undone(
    entrances: Mapping[str, Entrance], actions: Mapping[str, Sequence[Action]]
) -> None:
    """Refuse the whole plan where a role may take a rule away but could not put it back.

    Raises:
        RefusedError: names the accounts and what their role lacks.
    """
    gate = asyncio.Semaphore(_AT_ONCE)

    async def ask(account_id: str) -> tuple[str, str]:
        async with gate:
            return account_id, await entrances[account_id].lacks(actions[account_id])

    async with asyncio.TaskGroup() as tasks:
        asked = [tasks.create_task(ask(account_id)) for account_id in entrances]
    lacking = [answer for task in asked if (answer := task.result())[1]]
    if lacking:
        named = ", ".join(f"{account_id} ({action})" for account_id, action in lacking[:5])
        more = f" and {len(lacking) - 5} more" if len(lacking) > 5 else ""
        raise RefusedError(
            f"what is taken away could not be put back: the remediation role lacks rights in {named}{more}. "
            "RAM gives Authorize and Modify on Resource * only. Nothing was changed"
        )
