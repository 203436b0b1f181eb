"""Groups that hold as many rules as the cloud allows, or more."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial

from orchestrator.plan import Settings, decide
from orchestrator.policy import default_checks, evaluate
from orchestrator.securitygroup import NO_LISTS, Placement, parse_group


def test_a_rule_can_go_from_a_group_over_the_limit() -> None:
    """Revoking adds nothing, so the limit of rules is no reason to leave a port open; splitting there is refused."""
    rules = [
        {"SecurityGroupRuleId": f"sgr-{n}", "Direction": "ingress", "Policy": "Accept", "Priority": 1,
         "IpProtocol": "TCP", "PortRange": f"{8000 + n}/{8000 + n}", "SourceCidrIp": "203.0.113.0/24"}
        for n in range(300)
    ]  # fmt: skip
    rules[0] |= {"PortRange": "22/22", "SourceCidrIp": "0.0.0.0/0"}
    rules[1] |= {"PortRange": "20/30", "SourceCidrIp": "0.0.0.0/0", "Priority": 2}
    group = parse_group(
        Placement("1"), "cn-hangzhou", {"SecurityGroupId": "sg-1", "VpcId": "vpc-1"}, {}, rules, NO_LISTS
    )
    judge = partial(evaluate, checks=default_checks(), now=datetime(2026, 3, 1, tzinfo=UTC))
    decision = decide(group, judge(group), judge=judge, settings=Settings(rules_per_group=200))
    assert [(one.rule_id, one.action) for one in decision.actions] == [("sgr-0", "revoke")]
    assert any(one.rule_id == "sgr-1" and "200 is the most" in one.reason for one in decision.skipped)
    left_to_the_cloud = decide(group, judge(group), judge=judge, settings=Settings())
    assert [one.action for one in left_to_the_cloud.actions] == ["revoke", "split"]
