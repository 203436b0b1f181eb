"""Before the first change: is the session in the account it was made for, and could it put back what it takes?"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

from accounts import Account
from accounts.identity import prove
from accounts.ram import Allow, session_policy
from orchestrator.cloud.client import AccountSession
from orchestrator.cloud.errors import CloudError, Denied, ExpiredToken, Throttled, Unavailable
from orchestrator.plan import Action
from orchestrator.remediate import ChangeSession, ChangeTurn
from orchestrator.run.hub import Hub
from orchestrator.run.refusals import RefusedError

_AT_ONCE = 64
_NO_GROUP = "sg-sgsweep0preflight"  # no group and no rule has such an id,
_NO_RULE = "sgr-sgsweep0preflight"  # so the call that asks for rights changes nothing


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

        Where no answer tells, the account is barred: its changes are recorded as failed, for a later try. Asked
        without changing anything, of a group that does not exist: RAM refuses before ECS looks. As RAM can grant
        Revoke for some groups only, it is asked of a planned one, too, where it was refused: by the id of no rule.
        Where the doctor has learned that ECS looks first, all is asked of a planned group, by what it cannot carry out.
        """
        needed = {name: action for action in actions for name in _undoing(action)}
        session = self._hub.writer(
            self.account, session_policy([Allow([f"ecs:{name}" for name in sorted(needed)])])
        )
        known = self._hub.config.facts.rights_first
        ask = _ask if known is None or known.value else _ask_where_it_is
        for name, action in sorted(needed.items()):
            try:
                await ask(session, name, action)
            except Denied as error:
                return name if error.action == name else ""  # who cannot be entered is told so by the change
            except (Throttled, Unavailable, ExpiredToken) as error:
                self._unproven = error
                return ""
            except CloudError:
                continue  # refused for what was asked, not for who asked
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


def _undoing(action: Action) -> Iterable[str]:
    """Yield what undoes the change, by its names in the API."""
    egress = "Egress" if action.direction == "egress" else ""
    inverse = action.inverse
    if inverse.authorize:
        yield f"AuthorizeSecurityGroup{egress}"
    if inverse.modify is not None:
        yield f"ModifySecurityGroup{egress}Rule"
    if inverse.revoke:
        yield f"RevokeSecurityGroup{egress}"


async def _ask(session: AccountSession, name: str, action: Action) -> None:
    """Call what changes nothing, so that it may be repeated where an answer was lost."""
    region_id = action.region_id
    rule = {"IpProtocol": "TCP", "PortRange": "1/1", "SourceCidrIp": "127.0.0.1/32", "Policy": "drop"}
    nowhere: dict[str, object] = {"RegionId": region_id, "SecurityGroupId": _NO_GROUP, "Permissions": [rule]}
    if not name.startswith("Revoke"):
        await session.call(name, region_id, {**nowhere, "SecurityGroupRuleId": _NO_RULE}, mutating=False)
        return
    try:
        await session.call(name, region_id, nowhere, mutating=False)
    except Denied:
        here = {"SecurityGroupId": action.security_group_id, "SecurityGroupRuleId": [_NO_RULE]}
        await session.call(name, region_id, {"RegionId": region_id, **here}, mutating=False)


async def _ask_where_it_is(session: AccountSession, name: str, action: Action) -> None:
    """Call what changes nothing of a group that exists: a rule of no protocol, or the id of no rule."""
    here: dict[str, object] = {"RegionId": action.region_id, "SecurityGroupId": action.security_group_id}
    if name.startswith("Authorize"):
        here["Permissions"] = [{"IpProtocol": "none", "PortRange": "1/1", "SourceCidrIp": "127.0.0.1/32"}]
    elif name.startswith("Modify"):
        here["SecurityGroupRuleId"] = _NO_RULE
    else:
        here["SecurityGroupRuleId"] = [_NO_RULE]
    await session.call(name, action.region_id, here, mutating=False)


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
