"""The bounds of a run of changes: what a session may do, and how many accounts are touched at a time. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from math import ceil

import msgspec

from accounts.ram import Allow, PolicyTooLongError, session_policy
from orchestrator.inventory import GROUP_ACTIONS
from orchestrator.plan import Action, Place
from orchestrator.remediate.desired_state import Removal, Target


class SessionPart(msgspec.Struct, frozen=True):
    """Part of an account's work, and the session policy it needs.

    Attributes:
        policy: a RAM policy as long as AssumeRole takes: revoking on these groups only; adding and modifying, for
            which RAM knows no resource, only if this part does so; and reading rules.
        groups: the targets by group.
    """

    policy: str
    groups: tuple[tuple[Place, tuple[Target, ...]], ...]


def session_parts(targets: Iterable[Target]) -> list[SessionPart]:
    """Divide an account's targets into as few sessions as their policies' length allows."""
    by_place: dict[Place, list[Target]] = {}
    for target in targets:
        by_place.setdefault(target.action.place, []).append(target)
    parts: list[SessionPart] = []
    for place in sorted(by_place):
        group = (place, tuple(by_place[place]))
        last = parts.pop() if parts else SessionPart("", ())
        try:
            parts.append(_part(*last.groups, group))
        except PolicyTooLongError:
            parts += [last, _part(group)]
    return parts


def session_policies(actions: Iterable[Action]) -> list[str]:
    """Return the session policies that carrying out the actions of one account needs."""
    return [part.policy for part in session_parts(map(Removal, actions))]


def _part(*groups: tuple[Place, tuple[Target, ...]]) -> SessionPart:
    anywhere = set(GROUP_ACTIONS)
    revoke: set[str] = set()
    resources: list[str] = []
    for place, targets in groups:
        for target in targets:
            suffix = "Egress" if target.action.direction == "egress" else ""
            if target.adds:
                anywhere.add(f"ecs:AuthorizeSecurityGroup{suffix}")
            if target.modifies:
                anywhere.add(f"ecs:ModifySecurityGroup{suffix}Rule")
            if target.removes or target.adds:  # additions of a change that fails are taken back
                revoke.add(f"ecs:RevokeSecurityGroup{suffix}")
        if any(target.removes or target.adds for target in targets):
            # The account is the session's own; leaving it out makes room for more groups.
            resources.append(f"acs:ecs:{place.region_id}:*:securitygroup/{place.security_group_id}")
    statements = [Allow(sorted(anywhere))]
    if revoke:
        statements.append(Allow(sorted(revoke), resources))
    return SessionPart(session_policy(statements), groups)


def waves(account_ids: Sequence[str], sizes: Sequence[str]) -> list[list[str]]:
    """Divide the accounts into waves, `["1 account", "5%", "100%"]`; each size counts what came before it too.

    Raises:
        ValueError: a size is neither "N accounts" nor "N%".
    """
    found: list[list[str]] = []
    done = 0
    for size in [*sizes, "100%"]:
        upto = min(max(_count(size, len(account_ids)), done), len(account_ids))
        if upto > done:
            found.append(list(account_ids[done:upto]))
            done = upto
    return found


def _count(size: str, total: int) -> int:
    matched = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(%|accounts?)\s*", size)
    if matched is None or (matched[2] == "%" and float(matched[1]) > 100):
        raise ValueError(f'a wave is "N accounts" or "N%", not {size!r}')
    return ceil(total * float(matched[1]) / 100) if matched[2] == "%" else int(float(matched[1]))
