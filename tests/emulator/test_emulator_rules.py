"""Revoke, Authorize and Modify: what they change, and every refusal of them that a client has to know."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.emulator import GoneRule, Group, Keys, Quirks, Refusal, Rule, World
from orchestrator.emulator.model import PortList, PrefixList
from tests.emulator.wire import Cloud

HERE = "ap-southeast-1"
RULES = tuple(
    Rule(f"sgr-{name}", port_range=f"{port}/{port}", source_cidr_ip="0.0.0.0/0")
    for name, port in (("ssh", 22), ("web", 443), ("redis", 6379))
)


def make(**quirks: Any) -> Cloud:
    """A member with one plain group, a managed one, an enterprise one, a classic one, and two lists."""
    cloud = Cloud(
        World.generate(1, 1, region_ids=(HERE, "cn-beijing"), groups_per_account=0), quirks=Quirks(**quirks)
    )
    egress = Rule(
        "sgr-out", direction="egress", ip_protocol="ALL", port_range="-1/-1", dest_cidr_ip="0.0.0.0/0"
    )
    for group in (
        Group("sg-plain", "plain", vpc_id="vpc-1", rules=(*RULES, egress)),
        Group("sg-managed", "managed", vpc_id="vpc-1", service_managed=True, rules=RULES),
        Group("sg-enterprise", "big", kind="enterprise", vpc_id="vpc-1"),
        Group("sg-classic", "old"),
    ):
        cloud.world.put(cloud.member, HERE, group)
    estate = cloud.world.estate(cloud.member, HERE)
    estate.prefix_lists["pl-1"] = PrefixList("pl-1", "offices", entries=("203.0.113.0/24",), max_entries=50)
    estate.port_lists["prl-1"] = PortList("prl-1", "admin", ("22/22",))
    return cloud


@pytest.fixture
def cloud() -> Cloud:
    """The world above with the documented behaviour."""
    return make()


def rules(cloud: Cloud, group: str = "sg-plain") -> list[str]:
    """The ids of a group's rules."""
    found = cloud.world.estate(cloud.member, HERE).groups[group].rules
    return [rule.security_group_rule_id for rule in found]


def last(cloud: Cloud, group: str = "sg-plain") -> Rule:
    """The newest rule of a group."""
    return cloud.world.estate(cloud.member, HERE).groups[group].rules[-1]


def write(
    cloud: Cloud, action: str, group: str = "sg-plain", keys: Keys | None = None, **parameters: Any
) -> tuple[int, str]:
    """One writing call; status and code ("" where it succeeded)."""
    keys = keys or cloud.enter()
    status, body = cloud.call(action, keys, RegionId=HERE, SecurityGroupId=group, **parameters)
    return status, body.get("Code", "")


def revoke(
    cloud: Cloud, *ids: str, suffix: str = "", group: str = "sg-plain", **more: Any
) -> tuple[int, str]:
    """RevokeSecurityGroup by id."""
    return write(cloud, f"RevokeSecurityGroup{suffix}", group, SecurityGroupRuleId=list(ids), **more)


def authorize(
    cloud: Cloud, *, suffix: str = "", group: str = "sg-plain", **permission: Any
) -> tuple[int, str]:
    """AuthorizeSecurityGroup with one permission, complete unless changed."""
    default = {"IpProtocol": "TCP", "PortRange": "8080/8080", "SourceCidrIp": "10.0.0.0/8"}
    if suffix:
        default = {"IpProtocol": "TCP", "PortRange": "8080/8080", "DestCidrIp": "10.0.0.0/8"}
    made = {key: value for key, value in {**default, **permission}.items() if value is not None}
    return write(cloud, f"AuthorizeSecurityGroup{suffix}", group, Permissions=[made])


OK = (200, "")


# --- revoke


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


# --- authorize


def test_authorize_adds_one_rule_once(cloud: Cloud) -> None:
    """A new rule has a new id, the documented defaults, and no id in the answer; again it is not added again."""
    keys = cloud.enter()
    permission = {"IpProtocol": "tcp", "PortRange": "8080/8080", "SourceCidrIp": "10.0.0.0/8"}
    for _ in range(2):
        body = cloud.ok(
            "AuthorizeSecurityGroup",
            keys,
            RegionId=HERE,
            SecurityGroupId="sg-plain",
            Permissions=[permission],
        )
        assert set(body) == {"RequestId"}
    assert len(rules(cloud)) == 5
    added = last(cloud)
    assert (added.policy, added.priority, added.nic_type, added.ip_protocol) == (
        "Accept",
        1,
        "intranet",
        "TCP",
    )
    assert added.create_time == "2027-01-15T08:00:00Z"
    assert authorize(cloud, Policy="DROP", Priority="100", Description="why") == OK
    assert (last(cloud).policy, last(cloud).priority, last(cloud).description) == ("Drop", 100, "why")


@pytest.mark.parametrize(
    ("permission", "code"),
    [
        ({"IpProtocol": "SCTP"}, "InvalidIpProtocol.ValueNotSupported"),
        ({"IpProtocol": None}, "InvalidIpProtocol.ValueNotSupported"),
        ({"IpProtocol": "256"}, "InvalidIpProtocol.ValueNotSupported"),
        ({"PortRange": None}, "InvalidPortRange.Malformed"),
        ({"PortRange": "22"}, "InvalidPortRange.Malformed"),
        ({"PortRange": "23/22"}, "InvalidPortRange.Malformed"),
        ({"PortRange": "0/22"}, "InvalidPortRange.Malformed"),
        ({"PortRange": "1/65536"}, "InvalidPortRange.Malformed"),
        ({"PortRange": "-1/-1"}, "InvalidPortRange.Malformed"),
        ({"IpProtocol": "ICMP"}, "OperationDenied"),
        ({"IpProtocol": "ALL", "PortRange": "1/65535"}, "OperationDenied"),
        ({"SourcePortRange": "9/1"}, "InvalidSourcePortRange.Malformed"),
        ({"Policy": "allow"}, "InvalidPolicy.Malformed"),
        ({"Priority": "0"}, "InvalidPriority.ValueNotSupported"),
        ({"Priority": "110"}, "InvalidPriority.ValueNotSupported"),
        ({"Priority": "high"}, "InvalidPriority.Malformed"),
        ({"NicType": "wlan"}, "InvalidNicType.ValueNotSupported"),
        ({"Description": "x" * 513}, "InvalidSecurityGroupDiscription.Malformed"),
        ({"SourceCidrIp": None}, "MissingParameter.Source"),
        ({"SourceCidrIp": "10.0.0.0/33"}, "InvalidParam.SourceCidrIp"),
        ({"SourceCidrIp": "::/0"}, "InvalidParam.SourceCidrIp"),
        ({"SourceCidrIp": None, "Ipv6SourceCidrIp": "10.0.0.0/8"}, "InvalidParam.Ipv6SourceCidrIp"),
        ({"Ipv6SourceCidrIp": "::/0"}, "InvalidParam.SourceIp"),
        ({"DestCidrIp": "x"}, "InvalidParam.DestCidrIp"),
        ({"Ipv6DestCidrIp": "::/0"}, "InvalidParam.DestIp"),
        (
            {"SourceCidrIp": None, "Ipv6SourceCidrIp": "::/0", "IpProtocol": "ICMP", "PortRange": "-1/-1"},
            "InvalidParam.Ipv4ProtocolConflictWithIpv6Address",
        ),
        ({"IpProtocol": "ICMPv6", "PortRange": "-1/-1"}, "InvalidParam.Ipv6ProtocolConflictWithIpv4Address"),
        ({"SourceCidrIp": None, "SourceGroupId": "sg-none"}, "InvalidSourceGroupId.NotFound"),
        ({"SourceCidrIp": None, "SourcePrefixListId": "pl-none"}, "InvalidPrefixListId.NotFound"),
        ({"PortRange": None, "PortRangeListId": "prl-none"}, "InvalidPortRangeListId.NotFound"),
        (
            {"PortRange": None, "PortRangeListId": "prl-1", "IpProtocol": "ALL"},
            "InvalidParam.ProtocolNotSupportPortRangeList",
        ),
    ],
)
def test_authorize_refuses_a_bad_permission(cloud: Cloud, permission: dict[str, Any], code: str) -> None:
    """Every bad field has its documented code, and nothing is added."""
    status, answered = authorize(cloud, **permission)
    assert answered == code
    assert status in {400, 404}
    assert len(rules(cloud)) == 4


@pytest.mark.parametrize(
    ("permission", "expected"),
    [
        ({"SourceCidrIp": None, "Ipv6SourceCidrIp": "::/0"}, {"ipv6_source_cidr_ip": "::/0"}),
        (
            {"SourceCidrIp": None, "SourceGroupId": "sg-managed"},
            {"source_group_id": "sg-managed", "source_group_name": "managed"},
        ),
        (
            {"SourceCidrIp": None, "SourceGroupId": "sg-far", "SourceGroupOwnerId": "1999999999999999"},
            {"source_group_id": "sg-far", "source_group_owner_account": "1999999999999999"},
        ),
        ({"SourceCidrIp": None, "SourcePrefixListId": "pl-1"}, {"source_prefix_list_name": "offices"}),
        ({"SourcePrefixListId": "pl-none"}, {"source_cidr_ip": "10.0.0.0/8", "source_prefix_list_id": ""}),
        ({"SourceGroupId": "sg-none"}, {"source_cidr_ip": "10.0.0.0/8", "source_group_id": ""}),
        (
            {"PortRange": None, "PortRangeListId": "prl-1"},
            {"port_range": "", "port_range_list_name": "admin"},
        ),
        ({"PortRangeListId": "prl-none"}, {"port_range": "8080/8080", "port_range_list_id": ""}),
        (
            {"DestCidrIp": "10.1.1.1/32", "SourcePortRange": "1/9"},
            {"dest_cidr_ip": "10.1.1.1/32", "source_port_range": "1/9"},
        ),
        (
            {"IpProtocol": "icmpv6", "PortRange": "-1/-1", "SourceCidrIp": None, "Ipv6SourceCidrIp": "::/0"},
            {"ip_protocol": "ICMPv6"},
        ),
        ({"IpProtocol": "gre", "PortRange": "-1/-1"}, {"ip_protocol": "GRE"}),
        ({"IpProtocol": "6"}, {"ip_protocol": "TCP"}),
        ({"IpProtocol": "50", "PortRange": "-1/-1"}, {"ip_protocol": "50"}),
        ({"NicType": "internet"}, {"nic_type": "intranet"}),
    ],
)
def test_authorize_reads_every_kind_of_permission(
    cloud: Cloud, permission: dict[str, Any], expected: dict[str, Any]
) -> None:
    """Each source, both families, lists, 5-tuples and protocols, with the API's precedence among sources."""
    assert authorize(cloud, **permission) == OK
    added = last(cloud)
    assert {name: getattr(added, name) for name in expected} == expected


def test_egress_has_its_own_side(cloud: Cloud) -> None:
    """AuthorizeSecurityGroupEgress takes destinations and makes egress rules."""
    assert authorize(cloud, suffix="Egress") == OK
    assert (last(cloud).direction, last(cloud).dest_cidr_ip) == ("egress", "10.0.0.0/8")
    assert authorize(cloud, suffix="Egress", DestCidrIp=None)[1] == "MissingParameter.Source"


def test_the_classic_network_faces_the_internet_by_default(cloud: Cloud) -> None:
    """In a classic group NicType is internet unless said; prefix lists are not for it."""
    assert authorize(cloud, group="sg-classic") == OK
    assert last(cloud, "sg-classic").nic_type == "internet"
    assert authorize(cloud, group="sg-classic", NicType="intranet") == OK
    assert len(rules(cloud, "sg-classic")) == 2
    refused = authorize(cloud, group="sg-classic", SourceCidrIp=None, SourcePrefixListId="pl-1")
    assert refused == (400, "NotSupported.ClassicNetworkPrefixList")
    keys = cloud.enter()
    where = {"RegionId": HERE, "SecurityGroupId": "sg-classic"}
    for asked, count in (({}, 1), ({"NicType": "internet"}, 1), ({"NicType": "intranet"}, 1)):
        body = cloud.ok("DescribeSecurityGroupAttribute", keys, **where, **asked)
        assert len(body["Permissions"]["Permission"]) == count


def test_enterprise_groups_take_no_group_as_source() -> None:
    """Group sources are refused; Drop rules by quirk."""
    strict = make(enterprise_policy_allowed=False)
    denied = (400, "InvalidGroupParameter.OperationDenied")
    assert authorize(strict, group="sg-enterprise", SourceCidrIp=None, SourceGroupId="sg-plain") == denied
    assert authorize(strict, group="sg-enterprise", Policy="drop") == denied
    assert authorize(strict, group="sg-enterprise") == OK
    assert authorize(make(), group="sg-enterprise", Policy="drop") == OK


def test_a_group_has_room_for_a_number_of_rules() -> None:
    """AuthorizationLimitExceed at the limit, status by quirk; a prefix list counts as its capacity."""
    cloud = make(rules_per_group=5, authorization_limit=Refusal(400, "AuthorizationLimitExceed"))
    full = (400, "AuthorizationLimitExceed")
    assert authorize(cloud, SourceCidrIp=None, SourcePrefixListId="pl-1") == full
    assert authorize(cloud) == OK
    assert authorize(cloud, PortRange="9/9") == full
    assert authorize(cloud) == OK
    assert revoke(cloud, "sgr-web") == OK
    assert authorize(cloud, PortRange="9/9") == OK


def test_numbers_of_protocols_by_region_and_quirk() -> None:
    """IANA numbers are accepted in some regions only; whether they are echoed is a quirk."""
    cloud = make(numeric_protocols_echoed=True)
    assert authorize(cloud, IpProtocol="6") == OK
    assert last(cloud).ip_protocol == "6"
    cloud.world.put(cloud.member, "cn-beijing", Group("sg-north", vpc_id="vpc-2"))
    asked = {"IpProtocol": "6", "PortRange": "1/2", "SourceCidrIp": "10.0.0.0/8"}
    code = cloud.code(
        "AuthorizeSecurityGroup",
        cloud.enter(),
        RegionId="cn-beijing",
        SecurityGroupId="sg-north",
        Permissions=[asked],
    )
    assert code == (400, "InvalidIpProtocol.ValueNotSupported")


# --- modify


def modify(cloud: Cloud, rule_id: str = "sgr-ssh", suffix: str = "", **fields: Any) -> tuple[int, str]:
    """ModifySecurityGroupRule."""
    return write(cloud, f"ModifySecurityGroup{suffix}Rule", SecurityGroupRuleId=rule_id, **fields)


def test_modify_keeps_the_id_the_place_and_the_time(cloud: Cloud) -> None:
    """Only the given fields change; the record has before and after."""
    assert modify(cloud, SourceCidrIp="10.0.0.0/8", Description="narrowed") == OK
    assert rules(cloud) == ["sgr-ssh", "sgr-web", "sgr-redis", "sgr-out"]
    rule = cloud.world.estate(cloud.member, HERE).groups["sg-plain"].rules[0]
    assert (rule.source_cidr_ip, rule.port_range, rule.description) == ("10.0.0.0/8", "22/22", "narrowed")
    change: dict[str, Any] = cloud.state.record[-1].changes[0]
    assert change["before"]["SourceCidrIp"] == "0.0.0.0/0"
    assert change["rule"]["SourceCidrIp"] == "10.0.0.0/8"
    assert modify(cloud, "sgr-out", "Egress", DestCidrIp="10.0.0.0/8") == OK
    assert modify(cloud, PortRange=None, PortRangeListId="prl-1") == OK
    assert modify(cloud, PortRange="23/23") == OK


def test_modify_keeps_an_old_priority(cloud: Cloud) -> None:
    """A rule of priority 110 keeps it when something else is modified."""
    old = Rule("sgr-old", priority=110, port_range="22/22", source_cidr_ip="0.0.0.0/0")
    cloud.world.put(cloud.member, HERE, Group("sg-old", vpc_id="vpc-1", rules=(old,)))
    assert (
        write(
            cloud,
            "ModifySecurityGroupRule",
            "sg-old",
            SecurityGroupRuleId="sgr-old",
            SourceCidrIp="10.0.0.0/8",
        )
        == OK
    )
    assert last(cloud, "sg-old").priority == 110


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({}, "InvalidParam.InvalidModifyRuleRequest"),
        ({"SourceCidrIp": ""}, "InvalidParam.InvalidModifyRuleRequest"),
        ({"NicType": "internet"}, "InvalidParam.InvalidModifyRuleRequest"),
        ({"NicType": "internet", "Priority": "2"}, "InvalidOperation.ModifyNicType"),
        ({"Ipv6SourceCidrIp": "::/0"}, "InvalidOperation.ModifySgRuleEntityType"),
        ({"SourceGroupId": "sg-plain"}, "InvalidOperation.ModifySgRuleEntityType"),
        ({"SourcePrefixListId": "pl-1"}, "InvalidOperation.ModifySgRuleEntityType"),
        ({"IpProtocol": "ALL"}, "InvalidParam.ProtocolAndPortRangeMismatch"),
        ({"Priority": "101"}, "InvalidPriority.ValueNotSupported"),
        ({"SourceCidrIp": "x"}, "InvalidParam.SourceCidrIp"),
    ],
)
def test_modify_refuses(cloud: Cloud, fields: dict[str, Any], code: str) -> None:
    """The kind of source cannot change, nothing can become empty, and bad fields are refused as in Authorize."""
    assert modify(cloud, **fields)[1] == code
    assert cloud.world.estate(cloud.member, HERE).groups["sg-plain"].rules[:3] == RULES


def test_modify_finds_only_rules_of_its_direction(cloud: Cloud) -> None:
    """An unknown rule and one of the other direction are not found; managed groups are not changed."""
    assert modify(cloud, "sgr-none", Priority="2") == (404, "SecurityGroupRule.NotFound")
    assert modify(cloud, "sgr-out", Priority="2") == (404, "SecurityGroupRule.NotFound")
    managed = write(
        cloud, "ModifySecurityGroupRule", "sg-managed", SecurityGroupRuleId="sgr-ssh", Priority="2"
    )
    assert managed == (403, "InvalidOperation.ResourceManagedByCloudProduct")


def test_the_status_of_an_unknown_group_is_a_quirk() -> None:
    """404 in most tables, 400 in Revoke's."""
    cloud = make(group_not_found=Refusal(400, "InvalidSecurityGroupId.NotFound"))
    assert revoke(cloud, "sgr-ssh", group="sg-none") == (400, "InvalidSecurityGroupId.NotFound")
