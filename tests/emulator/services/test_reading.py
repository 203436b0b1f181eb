"""Reading: pages in both modes with their limits, filters, lists, attachments, and what quirks do to answers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orchestrator.emulator import (
    VARIANTS,
    Group,
    Keys,
    Quirks,
    Rule,
    RuleCount,
    Tag,
    UncertainError,
    World,
    WorldOutline,
)
from orchestrator.emulator.world.model import Interface, PortList
from tests.emulator.wire import Cloud

HERE = "cn-hangzhou"


def make(groups: int = 130, rules: int = 25, **quirks: Any) -> Cloud:
    """A member with many groups; the first has many rules."""
    cloud = Cloud(
        World.generate(WorldOutline(1, 1, region_ids=(HERE, "cn-beijing"), groups_per_account=0)),
        quirks=Quirks(**quirks),
    )
    for number in range(groups):
        many = rules if number == 0 else number % 3
        cloud.world.put(
            cloud.member,
            HERE,
            Group(
                f"sg-{number:03d}",
                f"name-{number % 5}",
                vpc_id="" if number % 10 == 9 else f"vpc-{number % 2}",
                kind="enterprise" if number % 7 == 6 else "normal",
                service_managed=number % 11 == 10,
                service_id="1108" if number % 11 == 10 else "",
                tags=(Tag("team", "a" if number % 2 else "b"),),
                rules=tuple(
                    Rule(
                        f"sgr-{number:03d}-{index:03d}",
                        direction="egress" if index % 5 == 4 else "ingress",
                        port_range="22/22",
                        source_cidr_ip="10.0.0.0/8",
                    )
                    for index in range(many)
                ),
            ),
        )
    return cloud


def listing(cloud: Cloud, keys: Keys | None = None, **asked: Any) -> dict[str, Any]:
    """DescribeSecurityGroups."""
    return cloud.ok("DescribeSecurityGroups", keys or cloud.enter(), RegionId=HERE, **asked)


def ids(body: dict[str, Any]) -> list[str]:
    """The group ids of a page."""
    return [group["SecurityGroupId"] for group in body["SecurityGroups"]["SecurityGroup"]]


def everything(cloud: Cloud, action: str, path: tuple[str, ...], **asked: Any) -> list[Any]:
    """All items of a list by its tokens."""
    keys, found, token = cloud.enter(), [], ""
    while True:
        body = cloud.ok(action, keys, RegionId=HERE, NextToken=token or None, **asked)
        items: Any = body
        for key in path:
            items = items[key]
        found += items
        token = body.get("NextToken", "")
        if not token:
            return found


GROUPS = ("SecurityGroups", "SecurityGroup")
RULES = ("Permissions", "Permission")


def test_groups_by_token() -> None:
    """Token mode: default 10, at most 100, no totals, an empty token at the end, nothing twice or missing."""
    cloud = make()
    body = listing(cloud, MaxResults=100)
    assert len(ids(body)) == 100
    assert "TotalCount" not in body
    assert body["NextToken"]
    assert body["RegionId"] == HERE
    rest = listing(cloud, NextToken=body["NextToken"], MaxResults=100)
    assert rest["NextToken"] == ""
    assert ids(body) + ids(rest) == [f"sg-{number:03d}" for number in range(130)]
    assert len(ids(listing(cloud, NextToken=body["NextToken"]))) == 10
    for wrong in ({"MaxResults": 101}, {"MaxResults": "many"}, {"MaxResults": 10, "NextToken": "²:"}):
        assert cloud.code("DescribeSecurityGroups", cloud.enter(), RegionId=HERE, **wrong)[0] == 400


def test_groups_by_page_number() -> None:
    """Page mode: default 10, at most 50, with totals and without a token."""
    cloud = make()
    body = listing(cloud)
    assert (len(ids(body)), body["TotalCount"], body["PageNumber"], body["PageSize"]) == (10, 130, 1, 10)
    assert "NextToken" not in body
    pages = [ids(listing(cloud, PageNumber=number, PageSize=50)) for number in (1, 2, 3, 4)]
    assert [len(page) for page in pages] == [50, 50, 30, 0]
    assert [group_id for page in pages for group_id in page] == [f"sg-{number:03d}" for number in range(130)]
    assert cloud.code("DescribeSecurityGroups", cloud.enter(), RegionId=HERE, PageSize=51)[0] == 400


@pytest.mark.parametrize("size", [10, 17, 500])
def test_rules_by_token(size: int) -> None:
    """Rules come in pages of 10 to 1000, 500 by default; both directions or one."""
    cloud = make(1, 45)
    where = {"SecurityGroupId": "sg-000", "MaxResults": size}
    found = everything(cloud, "DescribeSecurityGroupAttribute", RULES, **where)
    assert [rule["SecurityGroupRuleId"] for rule in found] == [f"sgr-000-{index:03d}" for index in range(45)]
    outward = everything(cloud, "DescribeSecurityGroupAttribute", RULES, Direction="egress", **where)
    assert len(outward) == 9
    keys = cloud.enter()
    for wrong in ({"MaxResults": 9}, {"MaxResults": 1001}, {"Direction": "up"}, {"NicType": "wlan"}):
        asked: dict[str, Any] = {"RegionId": HERE, "SecurityGroupId": "sg-000", **wrong}
        assert cloud.code("DescribeSecurityGroupAttribute", keys, **asked)[0] == 400


def test_a_change_between_two_pages_neither_repeats_nor_skips() -> None:
    """Rules revoked after the first page do not shift the second."""
    cloud = make(1, 45)
    keys, where = cloud.enter(), {"RegionId": HERE, "SecurityGroupId": "sg-000"}
    first = cloud.ok("DescribeSecurityGroupAttribute", keys, MaxResults=20, **where)
    cloud.ok("RevokeSecurityGroup", keys, SecurityGroupRuleId=["sgr-000-000", "sgr-000-001"], **where)
    second = cloud.ok(
        "DescribeSecurityGroupAttribute", keys, MaxResults=500, NextToken=first["NextToken"], **where
    )
    assert second["Permissions"]["Permission"][0]["SecurityGroupRuleId"] == "sgr-000-020"


def test_a_rule_has_every_key_and_unused_text_is_empty() -> None:
    """The 26 keys of a Permission, "" for what is not used, a number for Priority."""
    cloud = make(1, 1)
    body = cloud.ok("DescribeSecurityGroupAttribute", cloud.enter(), RegionId=HERE, SecurityGroupId="sg-000")
    (rule,) = body["Permissions"]["Permission"]
    assert len(rule) == 26
    assert rule["Priority"] == 1
    assert rule["DestCidrIp"] == ""
    assert (body["InnerAccessPolicy"], body["VpcId"], body["SecurityGroupName"]) == (
        "Accept",
        "vpc-0",
        "name-0",
    )


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"SecurityGroupId": "sg-003"}, [3]),
        ({"SecurityGroupIds": '["sg-003","sg-005","sg-none"]'}, [3, 5]),
        ({"SecurityGroupName": "name-4"}, [4, 9, 14]),
        ({"SecurityGroupName": "me-4", "FuzzyQuery": "True"}, [4, 9, 14]),
        ({"SecurityGroupName": "me-4"}, []),
        ({"NetworkType": "classic"}, [9]),
        ({"VpcId": "vpc-1", "SecurityGroupType": "enterprise"}, [13]),
        ({"ServiceManaged": "true"}, [10]),
        ({"Tag.1.Key": "team", "Tag.1.Value": "a", "NetworkType": "classic"}, [9]),
        ({"Tag.1.Key": "cost"}, []),
    ],
)
def test_filters(asked: dict[str, Any], expected: list[int]) -> None:
    """Each documented filter, alone and together."""
    cloud = make(15)
    assert ids(listing(cloud, MaxResults=100, **asked)) == [f"sg-{number:03d}" for number in expected]


def test_a_list_parameter_must_be_a_json_list() -> None:
    """SecurityGroupIds that is no list, or too long a one, is malformed; DryRun is signalled by its code."""
    cloud = make(1)
    for text in ("sg-1", '{"a":1}', str([f"sg-{n}" for n in range(101)]).replace("'", '"')):
        refused = cloud.code("DescribeSecurityGroups", cloud.enter(), RegionId=HERE, SecurityGroupIds=text)
        assert refused == (400, "InvalidSecurityGroupIds.Malformed")
    assert (
        cloud.code("DescribeSecurityGroups", cloud.enter(), RegionId=HERE, DryRun="True")[1]
        == "DryRunOperation"
    )
    assert cloud.code("DescribeSecurityGroups", cloud.enter(), RegionId=HERE, DryRun="yes")[0] == 400


def test_a_listing_tells_counts_and_management() -> None:
    """RuleCount lets a client skip empty groups; ServiceID has a capital D."""
    cloud = make(11)
    items = listing(cloud, MaxResults=100, IsQueryEcsCount="True")["SecurityGroups"]["SecurityGroup"]
    assert [item["RuleCount"] for item in items[:4]] == [25, 1, 2, 0]
    assert (items[10]["ServiceManaged"], items[10]["ServiceID"]) == (True, "1108")
    assert "ServiceID" not in items[0]
    assert items[0]["Tags"]["Tag"] == [{"TagKey": "team", "TagValue": "b"}]
    assert items[0]["EcsCount"] == 0


def test_regions_name_their_endpoints() -> None:
    """DescribeRegions needs no region and is not paged."""
    cloud = make(0)
    rows = cloud.ok("DescribeRegions", cloud.enter())["Regions"]["Region"]
    assert [row["RegionId"] for row in rows] == [HERE, "cn-beijing"]
    assert rows[1]["RegionEndpoint"] == "ecs.cn-beijing.aliyuncs.com"


def test_references_name_the_groups_that_point_here() -> None:
    """Groups whose rules name a group as source; at most ten are asked for."""
    cloud = make(2)
    pointing = Rule("sgr-p", port_range="22/22", source_group_id="sg-001")
    cloud.world.put(cloud.member, HERE, Group("sg-p", vpc_id="vpc-0", rules=(pointing,)))
    body = cloud.ok(
        "DescribeSecurityGroupReferences",
        cloud.enter("ResourceDirectoryAccountAccessRole"),
        RegionId=HERE,
        SecurityGroupId=["sg-001"],
    )
    (row,) = body["SecurityGroupReferences"]["SecurityGroupReference"]
    assert row["ReferencingSecurityGroups"]["ReferencingSecurityGroup"] == [
        {"AliUid": cloud.member, "SecurityGroupId": "sg-p"}
    ]
    many = [f"sg-{n}" for n in range(11)]
    assert (
        cloud.code("DescribeSecurityGroupReferences", cloud.enter(), RegionId=HERE, SecurityGroupId=many)[0]
        == 400
    )
    assert (
        cloud.code("DescribeSecurityGroupReferences", cloud.enter(), RegionId=HERE, SecurityGroupId=["sg-x"])[
            0
        ]
        == 404
    )


def _asking(region_id: str, name: str, value: str) -> dict[str, Any]:
    return {"RegionId": region_id, name: value}


def test_lists_are_found_by_id_and_name_and_unknown_ones_are_not() -> None:
    """The two kinds of list have different shapes; an unknown id is 404."""
    cloud = Cloud(World.generate(WorldOutline(2, 1, region_ids=1)))
    region_id = cloud.world.region_ids[0]
    estate = cloud.world.estate(cloud.state.hub.account_id, region_id)
    for action, name in (
        ("DescribePrefixLists", "PrefixListName"),
        ("DescribePortRangeLists", "PortRangeListName"),
    ):
        assert cloud.ok(action, **_asking(region_id, name, "nobody's"))["NextToken"] == ""
    key = next(iter(estate.prefix_lists))
    one = cloud.ok("DescribePrefixLists", RegionId=region_id, PrefixListId=[key])["PrefixLists"]["PrefixList"]
    assert [(row["PrefixListId"], row["AssociationCount"] > 0) for row in one] == [(key, True)]
    assert (
        cloud.ok("DescribePrefixLists", RegionId=region_id, AddressFamily="IPv6")["PrefixLists"]["PrefixList"]
        == []
    )
    flat = cloud.ok("DescribePortRangeLists", RegionId=region_id, MaxResults=1)
    assert len(flat["PortRangeLists"]) == 1
    assert flat["NextToken"]
    for action, name, code in (
        ("DescribePrefixListAttributes", "PrefixListId", "InvalidPrefixListId.NotFound"),
        ("DescribePortRangeListEntries", "PortRangeListId", "InvalidPortRangeListId.NotFound"),
    ):
        assert cloud.code(action, **_asking(region_id, name, "x-none")) == (404, code)


# --- attachments


def attached() -> Cloud:
    """A group on an instance with an EIP, on one with a public address, and on a secondary interface."""
    cloud = make(2)
    cloud.world.estate(cloud.member, HERE).interfaces = (
        Interface(
            "eni-1",
            ("sg-000",),
            "10.0.0.1",
            "i-1",
            public_ip="47.1.1.1",
            allocation_id="eip-1",
            vpc_id="vpc-0",
        ),
        Interface("eni-2", ("sg-000", "sg-001"), "10.0.0.2", "i-2", public_ip="47.1.1.2", ipv6="2408::1"),
        Interface("eni-3", ("sg-001",), "10.0.0.3", "i-2", primary=False, status="Available"),
    )
    return cloud


def test_interfaces_by_group_and_type() -> None:
    """SecurityGroupId, Type, Status and ids filter; both paging modes with their limits."""
    cloud = attached()
    keys = cloud.enter()

    def found(**asked: Any) -> list[str]:
        body = cloud.ok("DescribeNetworkInterfaces", keys, RegionId=HERE, **asked)
        return [one["NetworkInterfaceId"] for one in body["NetworkInterfaceSets"]["NetworkInterfaceSet"]]

    assert found() == ["eni-1", "eni-2", "eni-3"]
    assert found(SecurityGroupId="sg-001") == ["eni-2", "eni-3"]
    assert found(Type="Secondary") == ["eni-3"]
    assert found(Status="InUse", InstanceId="i-2") == ["eni-2"]
    assert found(NetworkInterfaceId=["eni-1"], ServiceManaged="False") == ["eni-1"]
    assert found(PageNumber=2, PageSize=2) == ["eni-3"]
    assert cloud.code("DescribeNetworkInterfaces", keys, RegionId=HERE, MaxResults=501)[0] == 400
    assert cloud.code("DescribeNetworkInterfaces", keys, RegionId=HERE, MaxResults=9)[0] == 400
    assert found(PageSize=1000) == ["eni-1", "eni-2", "eni-3"]


def test_instances_show_public_addresses_and_eips_apart() -> None:
    """An EIP is in EipAddress, a fixed address in PublicIpAddress; sizes are drawn into 10 to 100."""
    cloud = attached()
    keys = cloud.enter()
    body = cloud.ok("DescribeInstances", keys, RegionId=HERE, SecurityGroupId="sg-000", MaxResults=1)
    first, second = body["Instances"]["Instance"]
    assert (first["EipAddress"]["IpAddress"], first["PublicIpAddress"]["IpAddress"]) == ("47.1.1.1", [])
    assert (second["EipAddress"]["IpAddress"], second["PublicIpAddress"]["IpAddress"]) == ("", ["47.1.1.2"])
    only = cloud.ok("DescribeInstances", keys, RegionId=HERE, InstanceIds='["i-2"]', PageSize=10)
    assert [one["InstanceId"] for one in only["Instances"]["Instance"]] == ["i-2"]


@pytest.mark.parametrize("silent", [True, False])
@pytest.mark.parametrize("action", ["DescribeInstances", "DescribeNetworkInterfaces"])
def test_without_permission_a_list_is_silently_empty(action: str, silent: bool) -> None:  # noqa: FBT001
    """Who may not see instances is told that there are none, or refused, by quirk."""
    cloud = attached()
    cloud.state.quirks = Quirks(silent_instances=silent)
    limited = cloud.session(policy=())
    if silent:
        body = cloud.ok(action, limited.keys, RegionId=HERE)
        assert body["NextToken"] == ""
        assert body["TotalCount"] == 0
    else:
        assert cloud.code(action, limited.keys, RegionId=HERE) == (403, "Forbidden.RAM")


def test_a_fixed_address_on_an_interface_is_a_quirk() -> None:
    """AssociatedPublicIp is the EIP only in the present page; other addresses are then in DescribeInstances only."""
    for shown_too, expected in ((True, ["47.1.1.1", "47.1.1.2"]), (False, ["47.1.1.1"])):
        cloud = attached()
        cloud.state.quirks = Quirks(fixed_address_on_interface=shown_too)
        body = cloud.ok("DescribeNetworkInterfaces", cloud.enter(), RegionId=HERE)
        found = body["NetworkInterfaceSets"]["NetworkInterfaceSet"]
        bound = [one["AssociatedPublicIp"] for one in found if one["AssociatedPublicIp"]]
        inner = [one["PrivateIpSets"]["PrivateIpSet"][0]["AssociatedPublicIp"] for one in found]
        assert [one["PublicIpAddress"] for one in bound] == expected
        assert [one for one in inner if one] == bound


# --- quirks of reading


@pytest.mark.parametrize(
    ("how", "expected"),
    [("number", 3), ("text", "3"), ("absent", None), ("fewer", 2), ("more", 4), ("ingress", 2)],
)
def test_rules_are_counted_by_quirk(how: str, expected: int | str | None) -> None:
    """RuleCount is a number, a text or absent, and counts what the rules' own listing gives, or something else."""
    cloud = make(0, rule_count=RuleCount(how))
    rules = (
        Rule("sgr-1", port_range="22/22", source_cidr_ip="0.0.0.0/0"),
        Rule("sgr-2", port_range="23/23", source_cidr_ip="0.0.0.0/0"),
        Rule("sgr-3", direction="egress", ip_protocol="ALL", port_range="-1/-1", dest_cidr_ip="0.0.0.0/0"),
    )
    cloud.world.put(cloud.member, HERE, Group("sg-1", vpc_id="vpc-1", rules=rules))
    (found,) = listing(cloud, cloud.enter(), MaxResults=10)["SecurityGroups"]["SecurityGroup"]
    assert found.get("RuleCount") == expected


def shown(**quirks: Any) -> dict[str, Any]:
    """One rule with a port list as a cloud with these quirks shows it."""
    cloud = make(0, **quirks)
    rule = Rule("sgr-1", port_range="", source_cidr_ip="0.0.0.0/0", port_range_list_id="prl-1")
    cloud.world.put(cloud.member, HERE, Group("sg-1", vpc_id="vpc-1", rules=(rule,)))
    cloud.world.estate(cloud.member, HERE).port_lists["prl-1"] = PortList("prl-1", "x", ("22/22", "80/80"))
    body = cloud.ok("DescribeSecurityGroupAttribute", cloud.enter(), RegionId=HERE, SecurityGroupId="sg-1")
    (found,) = body["Permissions"]["Permission"]
    assert isinstance(found, dict)
    return found


def test_quirks_of_a_rule() -> None:
    """What a port list's PortRange holds, priorities as text, words in lower case, keys without value left out."""
    assert shown()["PortRange"] == ""
    assert shown(port_list_shows="-1/-1")["PortRange"] == "-1/-1"
    assert shown(port_list_shows="entries")["PortRange"] == "22/22"
    assert shown(priority_as_text=True)["Priority"] == "1"
    assert (shown(lower_case_words=True)["Policy"], shown(lower_case_words=True)["IpProtocol"]) == (
        "accept",
        "tcp",
    )
    bare = shown(absent_when_empty=True)
    assert "DestCidrIp" not in bare
    assert {"Direction", "Policy", "Priority", "IpProtocol"} <= set(bare)


def test_quirks_of_pages() -> None:
    """Short pages lose nothing; the last token may be absent."""
    cloud = make(45, 45, short_pages=True, last_token_absent=True)
    assert len(everything(cloud, "DescribeSecurityGroups", GROUPS, MaxResults=10)) == 45
    assert (
        len(
            everything(
                cloud, "DescribeSecurityGroupAttribute", RULES, SecurityGroupId="sg-000", MaxResults=10
            )
        )
        == 45
    )
    assert len(ids(listing(cloud, MaxResults=10))) < 10
    assert "NextToken" not in listing(make(1, last_token_absent=True), MaxResults=10)


def test_a_hundred_groups_are_asked_for_at_once() -> None:
    """SecurityGroupIds takes a hundred ids and gives their groups in one page."""
    cloud = make(120)
    ids = [f"sg-{number:03d}" for number in range(10, 110)]
    asked = json.dumps(ids)
    body = cloud.ok(
        "DescribeSecurityGroups", cloud.enter(), RegionId=HERE, SecurityGroupIds=asked, MaxResults=100
    )
    assert [one["SecurityGroupId"] for one in body["SecurityGroups"]["SecurityGroup"]] == ids
    assert body["NextToken"] == ""


def test_regions_that_are_listed_and_closed() -> None:
    """A closed region is in DescribeRegions and refuses every call with the quirk's code; industry regions too."""
    closed = UncertainError(404, "InvalidRegionId.NotSupported")
    cloud = make(1, closed_regions=(HERE,), closed_region=closed, industry_regions=True)
    keys = cloud.enter()
    listed = [row["RegionId"] for row in cloud.ok("DescribeRegions", keys)["Regions"]["Region"]]
    assert listed == [
        HERE,
        "cn-beijing",
        "cn-shanghai-finance-1",
        "cn-hangzhou-finance",
        "cn-shenzhen-finance-1",
        "cn-beijing-finance-1",
        "cn-north-2-gov-1",
    ]
    assert cloud.code("DescribeSecurityGroups", keys, RegionId=HERE) == (404, "InvalidRegionId.NotSupported")
    assert cloud.code("DescribeSecurityGroups", keys, RegionId="cn-north-2-gov-1")[0] == 404


def test_reads_lag_behind_changes() -> None:
    """For a while after a change reads show the state before it; then the change."""
    cloud = make(1, 3, read_lag_seconds=5)
    keys, where = cloud.enter(), {"RegionId": HERE, "SecurityGroupId": "sg-000"}

    def visible() -> int:
        body = cloud.ok("DescribeSecurityGroupAttribute", keys, **where)
        count = len(body["Permissions"]["Permission"])
        assert listing(cloud, keys, MaxResults=10)["SecurityGroups"]["SecurityGroup"][0]["RuleCount"] == count
        return count

    cloud.ok("RevokeSecurityGroup", keys, SecurityGroupRuleId=["sgr-000-000"], **where)
    cloud.clock.now += 3
    cloud.ok("RevokeSecurityGroup", keys, SecurityGroupRuleId=["sgr-000-001"], **where)
    assert visible() == 3
    cloud.clock.now += 2
    assert visible() == 2
    cloud.clock.now += 3
    assert visible() == 1


def test_quirks_of_errors() -> None:
    """Errors with status 200, with lower-case keys, or as XML still say the same."""
    for quirks, status in (({"errors_as_200": True}, 200), ({"lower_case_error_keys": True}, 404)):
        cloud = make(1, **quirks)
        answered, body = cloud.call("DescribeSecurityGroups", cloud.enter(), RegionId="mars-1")
        assert answered == status
        assert body.get("Code", body.get("code")) == "InvalidRegionId.NotFound"
    cloud = make(1, xml_errors=True)
    keys = Keys("nobody<&>", "x")
    from tests.emulator.wire import ECS, v3  # noqa: PLC0415 - only here

    reply = cloud.reply(v3(keys, ECS, "DescribeRegions", {}, cloud.clock()))
    assert reply.content_type.startswith("text/xml")
    assert b"<Code>InvalidAccessKeyId.NotFound</Code>" in reply.body


def test_the_variants_cover_every_open_question() -> None:
    """Each differs from the default; every quirk but the regions' and the plain numbers appears in one."""
    assert all(quirks != Quirks() for quirks in VARIANTS.values())
    varied = {
        name
        for quirks in VARIANTS.values()
        for name in Quirks.__struct_fields__
        if getattr(quirks, name) != getattr(Quirks(), name)
    }
    left = {
        "closed_regions",
        "closed_region",
        "industry_regions",
        "skew_seconds",
        "rules_per_group",
        "group_rules_per_group",
        "client_token_seconds",
        "session_policies_ignored",
        "clock_ahead_seconds",
        "log_queries_at_once",
        "log_query_seconds",
        "log_bytes_per_query",
    }
    assert set(Quirks.__struct_fields__) - varied == left


@pytest.mark.parametrize("name", VARIANTS)
def test_reading_works_under_every_variant(name: str) -> None:
    """Whatever the answer to an open question, a client that follows tokens sees every group and rule."""
    cloud = make(25, 25)
    cloud.state.quirks = VARIANTS[name]
    assert len(everything(cloud, "DescribeSecurityGroups", GROUPS, MaxResults=10)) == 25
    rules = everything(
        cloud, "DescribeSecurityGroupAttribute", RULES, SecurityGroupId="sg-000", MaxResults=10
    )
    assert [rule["SecurityGroupRuleId"] for rule in rules] == [f"sgr-000-{index:03d}" for index in range(25)]
