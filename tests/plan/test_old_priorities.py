"""Rules of priority 110, which the API made before May 2020 and takes no more."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial

from orchestrator.plan import Settings, decide
from orchestrator.policy import evaluate, parse_checks
from orchestrator.securitygroup import NO_LISTS, Placement, parse_group


def test_a_part_that_would_win_over_a_drop_is_not_written() -> None:
    """What is split off a rule of 110 gets 100 and would win over a Drop of 110 that wins now: it is left alone."""
    fields = {"Direction": "ingress", "IpProtocol": "TCP", "Policy": "Accept", "SourceCidrIp": "0.0.0.0/0"}
    rules = [
        {
            **fields,
            "SecurityGroupRuleId": "sgr-all",
            "IpProtocol": "ALL",
            "PortRange": "-1/-1",
            "Priority": 1,
        },
        {**fields, "SecurityGroupRuleId": "sgr-old", "PortRange": "20/25", "Priority": 110},
        {
            **fields,
            "SecurityGroupRuleId": "sgr-drop",
            "IpProtocol": "ALL",
            "PortRange": "-1/-1",
            "Policy": "Drop",
            "SourceCidrIp": "0.0.0.0/1",
            "Priority": 110,
        },
    ]
    group = parse_group(
        Placement("1"), "cn-hangzhou", {"SecurityGroupId": "sg-1", "VpcId": "vpc-1"}, {}, rules, NO_LISTS
    )
    checks = parse_checks(
        [{"id": "ssh", "ports": ["22"]}, {"id": "all", "all_ports": True, "action": "split"}]
    )
    judge = partial(evaluate, checks=checks, now=datetime.now(UTC))
    decision = decide(group, judge(group), judge=judge, settings=Settings())
    assert "sgr-old" not in {action.rule_id for action in decision.actions}
    (reason,) = [one.reason for one in decision.skipped if one.rule_id == "sgr-old"]
    assert reason == ("split is not possible: it would win over a drop for tcp/20-21,23-25 from 0.0.0.0/1")
