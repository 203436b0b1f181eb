"""Groups for the tests of this room: written as the API writes them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from orchestrator.plan import Decision, Judge, Plan, PlanHead, Settings, decide, make_plan
from orchestrator.policy import Check, Finding, evaluate, parse_port
from orchestrator.securitygroup import NO_LISTS, Lists, Placement, SecurityGroup, parse_group
from tests import rulebook

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SSH = Check(id="ssh", ports=(parse_port("22"),))
REDIS = Check(id="redis", ports=(parse_port("6379"),))


def permission(number: int, ports: str = "22/22", source: str = "0.0.0.0/0", **fields: Any) -> dict[str, Any]:
    """An ingress rule `sgr-NUMBER`; TCP, accept, priority 1, unless said otherwise."""
    key = (
        "SourcePrefixListId"
        if source.startswith("pl-")
        else "Ipv6SourceCidrIp"
        if ":" in source
        else "SourceCidrIp"
    )
    more = {
        "SecurityGroupRuleId": f"sgr-{number}",
        "PortRange": ports,
        "SourcePortRange": "",
        "SourceCidrIp": "",
        "SourceGroupId": "",
        "Description": f"rule {number}",
        "CreateTime": "2024-01-01T00:00:00Z",
        key: source,
    }
    return rulebook.permission(**{**more, **fields})


def group(
    *rules: dict[str, Any], lists: Lists = NO_LISTS, listing: dict[str, Any] | None = None, **attribute: Any
) -> SecurityGroup:
    """A group of account 1001 with these rules."""
    listed = {"SecurityGroupId": "sg-1", "SecurityGroupName": "web", "VpcId": "vpc-1", **(listing or {})}
    placement = Placement("1001", "shop")
    return parse_group(placement, "cn-hangzhou", listed, attribute, rules, lists)


def judge_of(*checks: Check) -> Judge:
    """The scan's judgement with these checks."""
    return lambda group: evaluate(group, checks or (SSH,), NOW)


def decided(group: SecurityGroup, *checks: Check, **settings: Any) -> Decision:
    """What is decided for a group."""
    judge = judge_of(*checks)
    return decide(group, judge(group), judge=judge, settings=Settings(**settings))


def planned(*groups: SecurityGroup, judge: Judge | None = None, **more: Any) -> Plan:
    """The plan for these groups."""
    judge = judge or judge_of()
    judged: Iterable[tuple[SecurityGroup, tuple[Finding, ...]]] = [(one, judge(one)) for one in groups]
    head = PlanHead(run_id="run-1", now=more.pop("now", NOW), hub_account_id="9001", endpoint="cloud")
    return make_plan(judged, head, judge=judge, **{"settings": Settings(), **more})
