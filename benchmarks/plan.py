"""What a plan costs: 10,000 changes in 2,000 groups, decided, simulated and written; and one crowded group.

The ratio is against the judgement of the same groups: how many times as long deciding takes as finding did. A group
is judged once more after its changes, so 1 would be the floor.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

from benchmarks.table import Row, show
from orchestrator.plan import PlanHead, Settings, check_digest, decide, encode, make_plan
from orchestrator.policy import default_checks, evaluate
from orchestrator.securitygroup import Placement, SecurityGroup, parse_group

T = TypeVar("T")
GROUPS = 2_000
CHANGES = 5  # in each group
_NOW = datetime(2026, 3, 1, tzinfo=UTC)
_RISKY = ("22/22", "3389/3389", "20/23", "6379/6379", "3306/3310")


def _rule(number: int, ports: str, source: str, protocol: str = "TCP") -> dict[str, Any]:
    return {
        "SecurityGroupRuleId": f"sgr-{number}",
        "Direction": "ingress",
        "Policy": "Accept",
        "Priority": 1,
        "IpProtocol": protocol,
        "PortRange": ports,
        "SourceCidrIp": source,
        "NicType": "intranet",
    }


def _group(number: int, rules: list[dict[str, Any]]) -> SecurityGroup:
    listing = {"SecurityGroupId": f"sg-{number}", "SecurityGroupName": "web", "VpcId": "vpc-1"}
    return parse_group(Placement(f"{1000 + number % 100}"), "cn-hangzhou", listing, {}, rules)


def _ordinary(number: int) -> SecurityGroup:
    """Five rules to change among ten."""
    fine = [_rule(n, f"{8000 + n}/{8000 + n}", f"10.{n}.0.0/16") for n in range(5)]
    return _group(number, [_rule(10 + n, ports, "0.0.0.0/0") for n, ports in enumerate(_RISKY)] + fine)


def _crowded() -> SecurityGroup:
    """One rule for ALL among 150."""
    fine = [_rule(n, f"{8000 + n}/{8000 + n}", f"10.{n}.0.0/16") for n in range(150)]
    return _group(0, [_rule(900, "-1/-1", "0.0.0.0/0", "ALL"), *fine])


def _judge(group: SecurityGroup) -> tuple[Any, ...]:
    return evaluate(group, default_checks(), _NOW)


def _timed(work: Callable[[], T]) -> tuple[T, float]:
    start = time.perf_counter()
    return work(), time.perf_counter() - start


def run() -> list[Row]:
    """Return the table."""
    groups = [_ordinary(number) for number in range(GROUPS)]
    judged, judging = _timed(lambda: [(group, _judge(group)) for group in groups])
    plan, deciding = _timed(
        lambda: make_plan(
            judged,
            PlanHead(run_id="bench", now=_NOW, hub_account_id="1", endpoint="bench"),
            judge=_judge,
            settings=Settings(),
        )
    )
    assert len(plan.actions) == GROUPS * CHANGES
    data, writing = _timed(lambda: encode(plan))
    _, reading = _timed(lambda: check_digest(data, plan.digest))
    crowded = _crowded()
    findings = _judge(crowded)
    decision, crowd = _timed(lambda: decide(crowded, findings, judge=_judge, settings=Settings()))
    assert len(decision.actions) == 1
    per_change = 1e6 / len(plan.actions)
    return [
        Row("judge 2,000 groups of 10 rules", judging, "s"),
        Row("plan 10,000 changes in them", deciding, "s", deciding / judging, "<= 10", "judging"),
        Row("the same for a change", deciding * per_change, "us CPU"),
        Row(f"write the plan, {len(data) / 1e6:.1f} MB", writing, "s"),
        Row("read it and check its digest", reading, "s"),
        Row("split ALL in a group of 151 rules", crowd * 1000, "ms"),
    ]


if __name__ == "__main__":
    show(run())
