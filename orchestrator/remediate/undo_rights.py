"""Asks the cloud, without changing anything, whether a role could put back what is about to be taken away."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Sequence

from accounts.ram import Allow, session_policy
from orchestrator.cloud.errors import CloudError, Denied, ExpiredToken, Throttled, Unavailable
from orchestrator.plan import Action
from orchestrator.remediate.calls import ChangeSession

_NO_GROUP = "sg-sgsweep0preflight"  # no group and no rule has such an id,
_NO_RULE = "sgr-sgsweep0preflight"  # so the call that asks for rights changes nothing


def undoing_policy(actions: Iterable[Action]) -> str:
    """Return the session policy for asking: all that undoing these needs, on every resource."""
    return session_policy([Allow([f"ecs:{name}" for name in sorted(_needed(actions))])])


async def lacking_right(session: ChangeSession, actions: Sequence[Action], *, rights_first: bool) -> str:
    """Return the action that the role may not call and undoing would need; empty if it may, or cannot be entered.

    Asked of a group that does not exist: RAM refuses before ECS looks. As RAM can grant Revoke for some groups only, it
    is asked of a planned one, too, where it was refused: by the id of no rule.

    Args:
        session: of the role, by a policy that allows all of it.
        actions: what is about to be done.
        rights_first: False where it was learned that ECS looks first: then all is asked of a planned group, by what it
            cannot carry out.

    Raises:
        Throttled, Unavailable, ExpiredToken: no answer tells.
    """
    ask = _ask if rights_first else _ask_where_it_is
    for name, action in sorted(_needed(actions).items()):
        denied = await _denied(ask(session, name, action))
        if denied is not None:  # who cannot be entered at all is told so by the change
            return name if denied.action == name else ""
    return ""


async def _denied(asking: Awaitable[None]) -> Denied | None:
    try:
        await asking
    except Denied as error:
        return error
    except (Throttled, Unavailable, ExpiredToken):
        raise
    except CloudError:
        pass  # refused for what was asked, not for who asked
    return None


def _needed(actions: Iterable[Action]) -> dict[str, Action]:
    """Return what undoing needs, by its names in the API, each with one action that needs it."""
    return {name: action for action in actions for name in _undoing(action)}


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


async def _ask(session: ChangeSession, name: str, action: Action) -> None:
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


async def _ask_where_it_is(session: ChangeSession, name: str, action: Action) -> None:
    """Call what changes nothing of a group that exists: a rule of no protocol, or the id of no rule."""
    here: dict[str, object] = {"RegionId": action.region_id, "SecurityGroupId": action.security_group_id}
    if name.startswith("Authorize"):
        here["Permissions"] = [{"IpProtocol": "none", "PortRange": "1/1", "SourceCidrIp": "127.0.0.1/32"}]
    elif name.startswith("Modify"):
        here["SecurityGroupRuleId"] = _NO_RULE
    else:
        here["SecurityGroupRuleId"] = [_NO_RULE]
    await session.call(name, action.region_id, here, mutating=False)
