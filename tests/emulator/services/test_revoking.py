"""RevokeSecurityGroup and …Egress: what goes, what is refused, and what a ClientToken is for."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.emulator import GoneRule
from tests.emulator.wire import Cloud
from tests.emulator.writing import OK, make, revoke, rules, write


@pytest.fixture
def cloud() -> Cloud:
    """The world above with the documented behaviour."""
    return make()


def test_revoke_takes_out_the_named_rules_and_no_other(cloud: Cloud) -> None:
    """Two of four rules go; the record names both with all their fields."""
    assert revoke(cloud, "sgr-ssh", "sgr-redis") == OK
    assert rules(cloud) == ["sgr-web", "sgr-out"]
    changes = [change for _, change in cloud.state.record.changes()]
    assert [(one["what"], one["rule_id"]) for one in changes] == [
        ("revoke", "sgr-ssh"),
        ("revoke", "sgr-redis"),
    ]
    assert changes[0]["rule"] == {
        "SecurityGroupRuleId": "sgr-ssh",
        "Direction": "ingress",
        "Policy": "Accept",
        "Priority": 1,
        "IpProtocol": "TCP",
        "PortRange": "22/22",
        "NicType": "intranet",
        "SourceCidrIp": "0.0.0.0/0",
    }


@pytest.mark.parametrize("gone", list(GoneRule))
def test_a_rule_already_gone(gone: GoneRule) -> None:
    """By default 400 InvalidParam.SecurityGroupRuleId; the other answers are quirks."""
    cloud = make(gone_rule=gone)
    assert revoke(cloud, "sgr-ssh") == OK
    refusal = gone.refusal()
    assert revoke(cloud, "sgr-ssh") == (OK if refusal is None else (refusal.status, refusal.code))


@pytest.mark.parametrize("atomic", [True, False])
def test_one_bad_id_among_many(atomic: bool) -> None:  # noqa: FBT001 - a parameter
    """The call fails either way; whether the good ones are gone is a quirk."""
    cloud = make(atomic_batch=atomic)
    assert revoke(cloud, "sgr-ssh", "sgr-none", "sgr-web") == (400, "InvalidParam.SecurityGroupRuleId")
    assert rules(cloud) == (
        ["sgr-ssh", "sgr-web", "sgr-redis", "sgr-out"] if atomic else ["sgr-redis", "sgr-out"]
    )
    assert len(cloud.state.record[-1].changes) == (0 if atomic else 2)


@pytest.mark.parametrize("allowed", [True, False])
def test_an_egress_rule_through_the_ingress_action(allowed: bool) -> None:  # noqa: FBT001 - a parameter
    """Treated as gone, or deleted, by quirk; the egress action always works."""
    cloud = make(other_direction_revokes=allowed)
    assert revoke(cloud, "sgr-out") == (OK if allowed else (400, "InvalidParam.SecurityGroupRuleId"))
    cloud = make()
    assert revoke(cloud, "sgr-out", suffix="Egress") == OK
    assert revoke(cloud, "sgr-out", suffix="Egress") == (400, "InvalidSecurityGroupRule.RuleNotExist")


def test_revoke_refusals(cloud: Cloud) -> None:
    """Repeated ids, ids with permissions, nothing at all, too many, managed, unknown and malformed groups."""
    permission = {"IpProtocol": "TCP", "PortRange": "22/22", "SourceCidrIp": "0.0.0.0/0"}
    assert revoke(cloud, "sgr-ssh", "sgr-ssh") == (400, "InvalidParam.SecurityGroupRuleIdRepeated")
    assert revoke(cloud, "sgr-ssh", Permissions=[permission]) == (400, "InvalidParam.Permissions")
    assert revoke(cloud) == (400, "MissingParameter")
    assert revoke(cloud, *(f"sgr-{n}" for n in range(101)))[0] == 400
    assert revoke(cloud, "sgr-ssh", group="sg-managed") == (
        403,
        "InvalidOperation.ResourceManagedByCloudProduct",
    )
    assert revoke(cloud, "sgr-ssh", group="sg-none") == (404, "InvalidSecurityGroupId.NotFound")
    assert revoke(cloud, "sgr-ssh", group="plain") == (400, "InvalidSecurityGroupId.Malformed")
    assert rules(cloud) == ["sgr-ssh", "sgr-web", "sgr-redis", "sgr-out"]
    assert rules(cloud, "sg-managed") == ["sgr-ssh", "sgr-web", "sgr-redis"]


def test_a_region_must_exist_and_a_group_be_in_it(cloud: Cloud) -> None:
    """Another region does not know the group; an unknown region is InvalidRegionId.NotFound."""
    keys = cloud.enter()
    where = {"SecurityGroupId": "sg-plain", "SecurityGroupRuleId.1": "sgr-ssh"}
    assert (
        cloud.code("RevokeSecurityGroup", keys, RegionId="cn-beijing", **where)[1]
        == "InvalidSecurityGroupId.NotFound"
    )
    assert cloud.code("RevokeSecurityGroup", keys, RegionId="mars-1", **where) == (
        404,
        "InvalidRegionId.NotFound",
    )
    assert cloud.code("RevokeSecurityGroup", keys, **where) == (400, "MissingParameter")


def test_revoke_by_permissions(cloud: Cloud) -> None:
    """A permission that is there is deleted; one that is not is a success that changes nothing, or a quirk."""
    permission = {
        "IpProtocol": "tcp",
        "PortRange": "22/22",
        "SourceCidrIp": "0.0.0.0/0",
        "Description": "ignored",
    }
    assert write(cloud, "RevokeSecurityGroup", Permissions=[permission]) == OK
    assert rules(cloud) == ["sgr-web", "sgr-redis", "sgr-out"]
    assert write(cloud, "RevokeSecurityGroup", Permissions=[permission]) == OK
    assert (
        write(cloud, "RevokeSecurityGroup", Permissions=[permission, permission])[1]
        == "InvalidParam.DuplicatePermissions"
    )
    strict = make(gone_permission=GoneRule.NOT_EXIST)
    assert write(strict, "RevokeSecurityGroup", Permissions=[{**permission, "Priority": "2"}]) == (
        400,
        "InvalidSecurityGroupRule.RuleNotExist",
    )
    assert (
        write(cloud, "RevokeSecurityGroup", IpProtocol="TCP", PortRange="443/443", SourceCidrIp="0.0.0.0/0")
        == OK
    )
    assert rules(cloud) == ["sgr-redis", "sgr-out"]


def test_a_client_token_changes_nothing_twice(cloud: Cloud) -> None:
    """A repeated token gives the first answer; with other parameters it is a mismatch; it is forgotten in time."""
    keys = cloud.enter()
    again: dict[str, Any] = {"keys": keys, "ClientToken": "t-1", "SecurityGroupRuleId": ["sgr-ssh"]}
    assert write(cloud, "RevokeSecurityGroup", **again) == OK
    assert write(cloud, "RevokeSecurityGroup", **again) == OK
    assert len(cloud.state.record.changes()) == 1
    other: dict[str, Any] = {**again, "SecurityGroupRuleId": ["sgr-web"]}
    assert write(cloud, "RevokeSecurityGroup", **other) == (400, "IdempotentParameterMismatch")
    assert write(cloud, "RevokeSecurityGroup", **{**again, "ClientToken": "x" * 65})[0] == 400
    cloud.clock.now += 86_400
    assert write(cloud, "RevokeSecurityGroup", **{**other, "keys": cloud.enter()}) == OK
