"""The bounds of a run of changes: what a session may do, and how many accounts are touched at a time. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from math import ceil

import msgspec

from orchestrator.plan import Action, Place
from orchestrator.remediate.targets import Removal, Target

_POLICY_LIMIT = 2048  # characters (STS AssumeRole)
_READS = ("ecs:DescribeSecurityGroupAttribute", "ecs:DescribeSecurityGroups")


class SessionPart(msgspec.Struct, frozen=True):
    """Part of an account's work, and the session policy it needs.

    Attributes:
        policy: a RAM policy, at most 2,048 characters: revoking on these groups only; adding and modifying, for
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
    taken: list[tuple[Place, tuple[Target, ...]]] = []
    for place in sorted(by_place):
        group = (place, tuple(by_place[place]))
        if taken and len(_policy([*taken, group])) > _POLICY_LIMIT:
            parts.append(SessionPart(_policy(taken), tuple(taken)))
            taken = []
        taken.append(group)
    return [*parts, SessionPart(_policy(taken), tuple(taken))] if taken else parts


def session_policies(actions: Iterable[Action]) -> list[str]:
    """Return the session policies that carrying out the actions of one account needs."""
    return [part.policy for part in session_parts(map(Removal, actions))]


def _policy(groups: Sequence[tuple[Place, tuple[Target, ...]]]) -> str:
    anywhere = set(_READS)
    revoke: set[str] = set()
    resources: list[str] = []
    for place, targets in groups:
        for target in targets:
            suffix = "Egress" if target.action.direction == "egress" else ""
            if target.adds:
                anywhere.add(f"ecs:AuthorizeSecurityGroup{suffix}")
            if target.modifies:
                anywhere.add(f"ecs:ModifySecurityGroup{suffix}Rule")
            if target.removes:
                revoke.add(f"ecs:RevokeSecurityGroup{suffix}")
        if any(target.removes for target in targets):
            # The account is the session's own; leaving it out makes room for more groups.
            resources.append(f"acs:ecs:{place.region_id}:*:securitygroup/{place.security_group_id}")
    statements = [{"Effect": "Allow", "Action": sorted(anywhere), "Resource": "*"}]
    if revoke:
        statements.append({"Effect": "Allow", "Action": sorted(revoke), "Resource": resources})
    return msgspec.json.encode({"Version": "1", "Statement": statements}).decode()


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
