"""A plan for the terminal: what goes, what comes, what closes, rule by rule."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import groupby

from orchestrator.plan.values import Action, Fields, Plan, Skipped
from orchestrator.securitygroup import content_digest


def describe(plan: Plan) -> Iterator[str]:
    """The lines of a diff: headings by account, region and group; `-` what goes, `+` what comes, `~` what changes."""
    for (account_id, region_id), actions in groupby(plan.actions, key=lambda action: action.place[:2]):
        yield f"account {account_id}, {region_id}"
        for group_id, mine in groupby(actions, key=lambda action: action.security_group_id):
            yield f"  {group_id}"
            for action in mine:
                yield from _action(action)
    yield from _skipped(plan.skipped)
    yield _sum(plan)


def describe_rule(rule: Mapping[str, object]) -> str:
    """A rule in one line: "accept tcp 22/22 from 0.0.0.0/0, priority 1"."""
    egress = str(rule.get("Direction", "")).lower() == "egress"
    far, near = ("Dest", "Source") if egress else ("Source", "Dest")
    ports = rule.get("PortRangeListId") or rule.get("PortRange") or ""
    source_ports = rule.get("SourcePortRange")
    parts = [
        str(rule.get("Policy", "")).lower(),
        str(rule.get("IpProtocol", "")).lower(),
        "" if ports == "-1/-1" else str(ports),
        f"from port {source_ports}" if source_ports not in (None, "", "-1/-1") else "",
        f"{'to' if egress else 'from'} {_end(rule, far) or 'nowhere'}",
        f"{'from' if egress else 'to'} {_end(rule, near)}" if _end(rule, near) else "",
    ]
    nic = " by the Internet card" if rule.get("NicType") == "internet" else ""
    return f"{' '.join(part for part in parts if part)}{nic}, priority {rule.get('Priority', 1)}"


def _end(rule: Mapping[str, object], side: str) -> str:
    names = (f"{side}CidrIp", f"Ipv6{side}CidrIp", f"{side}GroupId", f"{side}PrefixListId")
    return next((str(rule[name]) for name in names if rule.get(name)), "")


def _action(action: Action) -> Iterator[str]:
    yield f"    {action.action} {action.rule_id} ({', '.join(action.check_ids)})"
    new = {content_digest(fields) for fields in action.inverse.revoke}
    for fields in action.adds:
        yield f"      + {describe_rule(fields)}{_already(fields, new)}"
    if action.modify is not None:
        yield f"      ~ {describe_rule(action.before)}"
        yield f"        becomes {', '.join(f'{key} {value}' for key, value in action.modify.items())}"
    elif action.revokes:
        yield f"      - {describe_rule(action.before)}"
    yield f"      closes {action.closes}"
    for note in action.notes:
        yield f"      note: {note}"


def _already(fields: Fields, new: set[str]) -> str:
    return "" if content_digest(fields) in new else " (there already)"


def _skipped(skipped: tuple[Skipped, ...]) -> Iterator[str]:
    if skipped:
        yield "left alone"
    for one in skipped:
        place = " ".join(
            part for part in (one.account_id, one.region_id, one.security_group_id, one.rule_id) if part
        )
        yield f"  {place}: {one.reason}"


def _sum(plan: Plan) -> str:
    kinds = Counter(action.action for action in plan.actions)
    told = ", ".join(f"{count} {kind}" for kind, count in kinds.items()) or "nothing"
    groups = len({action.place for action in plan.actions})
    accounts = len({action.account_id for action in plan.actions})
    return f"to do: {told}, in {groups} groups of {accounts} accounts; left alone: {len(plan.skipped)}"
