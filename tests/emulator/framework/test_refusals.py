"""One rule of a batch is refused: the whole call fails, and nothing of it is done."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.emulator import Emulator, RuleRefusal
from tests.emulator.wire import Cloud, control
from tests.emulator.writing import HERE, OK, make, modify, revoke, rules, write

DESCRIPTION = "InvalidSecurityGroupDiscription.Malformed"


@pytest.fixture
def cloud() -> Cloud:
    """A member with groups to change."""
    return make()


def batch(cloud: Cloud, *permissions: dict[str, Any]) -> tuple[int, str]:
    """AuthorizeSecurityGroup with several permissions."""
    whole = [
        {"IpProtocol": "TCP", "PortRange": f"{port}/{port}", "SourceCidrIp": "10.0.0.0/8", **one}
        for port, one in enumerate(permissions, 8000)
    ]
    return write(cloud, "AuthorizeSecurityGroup", Permissions=whole)


def test_one_refused_rule_fails_its_authorize(cloud: Cloud) -> None:
    """A description that the API does not take: nothing of the batch is added; without it the others are."""
    cloud.state.refusals.set([RuleRefusal(code=DESCRIPTION, rule={"Description": "*<*"})])
    before = rules(cloud)
    assert batch(cloud, {}, {"Description": "a < b"}, {}) == (400, DESCRIPTION)
    assert rules(cloud) == before
    assert batch(cloud, {}, {}) == OK
    assert len(rules(cloud)) == len(before) + 2
    assert cloud.state.refusals.struck == [1]


def test_one_refused_rule_fails_its_revoke(cloud: Cloud) -> None:
    """By id or by content, in the direction and group that are named, and no other."""
    cloud.state.refusals.set(
        [
            RuleRefusal(
                code="InvalidPrefixListId.NotFound",
                status=404,
                action="RevokeSecurityGroup",
                group="sg-plain",
                rule={"SecurityGroupRuleId": "sgr-web"},
            )
        ]
    )
    refused = (404, "InvalidPrefixListId.NotFound")
    assert revoke(cloud, "sgr-ssh", "sgr-web", "sgr-redis") == refused
    content = {"IpProtocol": "TCP", "PortRange": "443/443", "SourceCidrIp": "0.0.0.0/0"}
    assert write(cloud, "RevokeSecurityGroup", Permissions=[content]) == refused
    assert rules(cloud) == ["sgr-ssh", "sgr-web", "sgr-redis", "sgr-out"]
    assert revoke(cloud, "sgr-ssh", "sgr-redis") == OK
    assert revoke(cloud, "sgr-out", suffix="Egress") == OK
    assert rules(cloud) == ["sgr-web"]


def test_a_refusal_may_end(cloud: Cloud) -> None:
    """After `count` calls the rule is taken; a refused ClientToken is not remembered as done."""
    cloud.state.refusals.set([RuleRefusal(code="AuthorizationLimitExceed", status=403, count=2)])
    again: dict[str, Any] = {"ClientToken": "t"}
    assert [revoke(cloud, "sgr-ssh", **again)[0] for _ in range(3)] == [403, 403, 200]
    assert cloud.state.refusals.struck == [2]


def test_a_modification_is_refused_for_what_it_would_make(cloud: Cloud) -> None:
    """Modify is judged by the rule as it would become."""
    cloud.state.refusals.set([RuleRefusal(code="InvalidParam.SourceCidrIp", rule={"SourceCidrIp": "10.*"})])
    assert modify(cloud, SourceCidrIp="10.0.0.0/8") == (400, "InvalidParam.SourceCidrIp")
    assert modify(cloud, SourceCidrIp="192.168.0.0/16") == OK


def test_a_deleted_prefix_list_cannot_be_named_again(cloud: Cloud) -> None:
    """A rule outlives the list it names; adding one that names it fails with the API's code, in a batch, too."""
    named = {"SourceCidrIp": None, "SourcePrefixListId": "pl-1"}
    assert batch(cloud, named) == OK
    del cloud.world.estate(cloud.member, HERE).prefix_lists["pl-1"]
    assert batch(cloud, {}, {**named, "PortRange": "9/9"}) == (404, "InvalidPrefixListId.NotFound")
    assert len(rules(cloud)) == 5


def test_other_processes_set_refusals(emulator: Emulator) -> None:
    """The control surface takes refusals as JSON, says how often each struck, and forgets them with the rest."""
    assert control(emulator, "POST", "refusals", b'[{"code": "X", "rule": {"PortRange": "22/22"}}]') == {
        "refusals": 1
    }
    assert control(emulator, "GET", "refusals")["struck"] == [0]
    assert emulator.state.refusals.active == (RuleRefusal(code="X", rule={"PortRange": "22/22"}),)
    control(emulator, "POST", "clear", b"")
    assert control(emulator, "GET", "refusals") == {"refusals": [], "struck": []}
