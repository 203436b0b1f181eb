"""AuthorizeSecurityGroup and ModifySecurityGroupRule: every kind of permission, every refusal of one."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from orchestrator.emulator import Group, Rule, UncertainError
from tests.emulator.wire import Cloud
from tests.emulator.writing import HERE, OK, RULES, authorize, last, make, modify, revoke, rules, write


@pytest.fixture
def cloud() -> Cloud:
    """The world above with the documented behaviour."""
    return make()


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
    cloud = make(rules_per_group=5, authorization_limit=UncertainError(400, "AuthorizationLimitExceed"))
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


def test_modify_keeps_an_old_priority() -> None:
    """A rule of priority 110 keeps it when something else is modified, where what is not sent is kept."""
    cloud = make(modify_resets=False)
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
        ({"NicType": "intranet"}, "InvalidParam.InvalidModifyRuleRequest"),
        ({"NicType": "intranet", "Priority": "2"}, "InvalidOperation.ModifyNicType"),
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


def test_modify_of_what_is_not_sent_is_a_quirk() -> None:
    """What has a default is kept or reset where it is not sent; what has none is kept; NicType may be passed over."""
    full = Rule(
        "sgr-full",
        policy="Drop",
        priority=7,
        port_range="22/22",
        source_cidr_ip="0.0.0.0/0",
        source_port_range="1024/65535",
        dest_cidr_ip="10.1.1.1/32",
        description="mine",
    )
    kept = msgspec.structs.replace(full, source_cidr_ip="10.0.0.0/8")
    reset = msgspec.structs.replace(
        kept, policy="Accept", priority=1, source_port_range="", dest_cidr_ip="", description=""
    )
    for quirks, expected in (({"modify_resets": False}, kept), ({}, reset)):
        cloud = make(**quirks)
        cloud.world.put(cloud.member, HERE, Group("sg-full", vpc_id="vpc-1", rules=(full,)))
        narrow: dict[str, Any] = {"SecurityGroupRuleId": "sgr-full", "SourceCidrIp": "10.0.0.0/8"}
        assert write(cloud, "ModifySecurityGroupRule", "sg-full", **narrow) == OK
        assert last(cloud, "sg-full") == expected
    lax = make(modify_takes_nic_type=True)
    assert modify(lax, NicType="intranet", Priority="2") == OK
    assert modify(lax, NicType="internet", Priority="3")[1] == "InvalidOperation.ModifyNicType"


def test_modify_keeps_the_owner_of_a_foreign_group(cloud: Cloud) -> None:
    """A rule from another account's group is read with the account's number and modified without it."""
    far = Rule(
        "sgr-far", port_range="22/22", source_group_id="sg-far", source_group_owner_account="1999999999999999"
    )
    cloud.world.put(cloud.member, HERE, Group("sg-full", vpc_id="vpc-1", rules=(far,)))
    asked: dict[str, Any] = {"SecurityGroupRuleId": "sgr-far", "PortRange": "443/443"}
    assert write(cloud, "ModifySecurityGroupRule", "sg-full", **asked) == OK
    assert last(cloud, "sg-full") == msgspec.structs.replace(far, port_range="443/443")


def test_an_account_id_is_not_a_login() -> None:
    """The owner's number goes into SourceGroupOwnerId, its login into ...OwnerAccount; answers give the number."""
    far: dict[str, Any] = {"SourceCidrIp": None, "SourceGroupId": "sg-far"}
    cloud = make()
    refused = (404, "InvalidSourceGroupId.NotFound")
    assert authorize(cloud, **far, SourceGroupOwnerAccount="1999999999999999") == refused
    assert authorize(cloud, **far, SourceGroupOwnerAccount="nobody@example.org") == refused
    hub = cloud.world.organization.management
    assert authorize(cloud, **far, SourceGroupOwnerAccount=hub.account_name) == OK
    assert last(cloud).source_group_owner_account == hub.account_id
    lax = make(digits_as_login=True)
    assert authorize(lax, **far, SourceGroupOwnerAccount="1999999999999999") == OK
    assert last(lax).source_group_owner_account == "1999999999999999"


def test_a_group_has_room_for_a_number_of_groups_as_source() -> None:
    """AuthorizedGroupRule.LimitExceed at the limit; rules with other sources still have room."""
    cloud = make(group_rules_per_group=2)
    for port in ("80/80", "81/81"):
        assert authorize(cloud, PortRange=port, SourceCidrIp=None, SourceGroupId="sg-managed") == OK
    more: dict[str, Any] = {"SourceCidrIp": None, "SourceGroupId": "sg-managed"}
    assert authorize(cloud, **more) == (400, "AuthorizedGroupRule.LimitExceed")
    assert authorize(cloud) == OK


def test_a_group_may_hold_more_than_its_quota(cloud: Cloud) -> None:
    """A group that grew beyond a soft quota is read and shortened as any; nothing is added to it."""
    many = tuple(
        Rule(f"sgr-{number}", port_range=f"{number}/{number}", source_cidr_ip="10.0.0.0/8")
        for number in range(1, 242)
    )
    cloud.world.put(cloud.member, HERE, Group("sg-many", vpc_id="vpc-1", rules=many))
    assert authorize(cloud, group="sg-many") == (403, "AuthorizationLimitExceed")
    assert revoke(cloud, "sgr-22", group="sg-many") == OK
    assert len(rules(cloud, "sg-many")) == 240


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
    cloud = make(group_not_found=UncertainError(400, "InvalidSecurityGroupId.NotFound"))
    assert revoke(cloud, "sgr-ssh", group="sg-none") == (400, "InvalidSecurityGroupId.NotFound")
