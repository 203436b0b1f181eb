"""Reading a Permission and writing it back: every field, every spelling, and nothing that makes it raise."""

import json
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.policy import Verdict, default_checks, evaluate
from orchestrator.securitygroup import (
    Cidr,
    GroupRef,
    Lists,
    Placement,
    PortRange,
    PrefixList,
    Unreadable,
    authorize_parameters,
    content_digest,
    every_port,
    modify_parameters,
    parse_cidr,
    parse_group,
    parse_port_range,
    parse_ports,
    parse_rule,
    referenced_lists,
)
from tests.rulebook import NOW, group, permission

EMPTY: dict[str, Any] = dict.fromkeys(
    (
        "SourcePortRange", "Ipv6SourceCidrIp", "SourceGroupId", "SourceGroupName", "SourceGroupOwnerAccount",
        "SourcePrefixListId", "SourcePrefixListName", "DestCidrIp", "Ipv6DestCidrIp", "DestGroupId", "DestGroupName",
        "DestGroupOwnerAccount", "DestPrefixListId", "DestPrefixListName", "PortRangeListId", "PortRangeListName",
        "Description",
    ),
    "",
)  # fmt: skip


def test_a_rule_as_the_api_writes_it() -> None:
    """Every field is understood; empty texts mean that there is nothing."""
    raw = {**EMPTY, **permission(Description="bastion", CreateTime="2026-01-01T00:00:00Z")}
    rule = parse_rule(raw)
    assert (rule.rule_id, rule.direction, rule.policy, rule.priority) == ("sgr-1", "ingress", "accept", 1)
    assert (rule.protocol, rule.ports, rule.source_ports) == ("tcp", (PortRange("tcp", 22, 22),), ())
    assert rule.source == Cidr(4, 0, 2**32 - 1, "0.0.0.0/0")
    assert (rule.destination, rule.nic_type, rule.problems) == (None, "", ())
    assert (rule.peer, rule.own) == (rule.source, None)
    assert rule.raw == raw


def test_an_egress_rule() -> None:
    """The peer of an egress rule is its destination."""
    rule = parse_rule({"Direction": "egress", "Policy": "drop", "Priority": 5, "IpProtocol": "UDP",
                       "PortRange": "53/53", "DestCidrIp": "10.0.0.0/8", "SourceCidrIp": "10.1.0.0/16"})  # fmt: skip
    assert (rule.direction, rule.policy, rule.problems) == ("egress", "drop", ())
    assert (str(rule.peer), str(rule.own)) == ("10.0.0.0/8", "10.1.0.0/16")


@pytest.mark.parametrize(
    ("text", "family", "name", "size"),
    [
        ("0.0.0.0/0", 4, "0.0.0.0/0", 2**32),
        ("10.1.2.3/8", 4, "10.0.0.0/8", 2**24),
        (" 1.2.3.4 ", 4, "1.2.3.4/32", 1),
        ("255.255.255.255/32", 4, "255.255.255.255/32", 1),
        ("::/0", 6, "::/0", 2**128),
        ("2001:DB8:0:0::1/64", 6, "2001:db8::/64", 2**64),
        ("::FFFF:1.2.3.4", 6, "::ffff:102:304/128", 1),
        ("fe80::1/128", 6, "fe80::1/128", 1),
    ],
)
def test_cidr_spellings(text: str, family: int, name: str, size: int) -> None:
    """Host bits, capitals, long and short forms name the same block."""
    cidr = parse_cidr(text)
    assert (cidr.family, cidr.last - cidr.first + 1) == (family, size)
    assert str(cidr) in {name, "::ffff:1.2.3.4/128"}


@pytest.mark.parametrize(
    "text",
    ["", "/", "0.0.0.0/", "0.0.0.0/33", "0.0.0.0/-1", "0.0.0.0/+8", "0.0.0.0/08888", "1.2.3", "1.2.3.4.5", "256.0.0.0",
     "01.2.3.4", "1.2.3.٤", "1..2.3", "::/129", ":::/0", "fe80::1%eth0", "::1/x", "0.0.0.0 /0", "1.2.3.4/ 8", "12345"],
)  # fmt: skip
def test_what_is_no_cidr(text: str) -> None:
    """Anything else is refused, not guessed at."""
    with pytest.raises(ValueError, match=r"is no|has a|range"):
        parse_cidr(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("22/22", (22, 22)), ("-1/-1", (1, 65535)), ("1/65535", (1, 65535)), ("443", (443, 443)), (" 80/90 ", (80, 90)),
     ("65535/65535", (65535, 65535))],
)  # fmt: skip
def test_port_ranges(text: str, expected: tuple[int, int]) -> None:
    """Port ranges as the API writes them, and a lone port, are ports of the rule's protocol."""
    for protocol in ("tcp", "udp"):
        assert parse_port_range(protocol, text) == PortRange(protocol, *expected)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/",
        "22/",
        "/22",
        "23/22",
        "0/0",
        "0/65535",
        "1/65536",
        "000022/22",
        "-1/22",
        "a/b",
        "\uff12\uff12/\uff12\uff12",
    ],
)
def test_what_is_no_port_range(text: str) -> None:
    """Anything else is refused."""
    with pytest.raises(ValueError, match="is no"):
        parse_port_range("tcp", text)


@pytest.mark.parametrize(
    ("text", "ports", "numbers"),
    [
        ("tcp/22", PortRange("tcp", 22, 22), "22"),
        ("udp/6000-6010", PortRange("udp", 6000, 6010), "6000-6010"),
        ("tcp/1-65535", every_port("tcp"), "1-65535"),
        ("icmp", every_port("icmp"), "0"),
        ("icmpv6", PortRange("icmpv6", 0, 0), "0"),
        ("gre", every_port("gre"), "0"),
    ],
)
def test_ports_are_written_and_read_back(text: str, ports: PortRange, numbers: str) -> None:
    """A range of one is its port, a protocol without ports its name; what was written is understood again."""
    assert (str(ports), ports.numbers) == (text, numbers)
    assert parse_ports(text) == ports
    assert parse_ports(f" {text.upper()} ") == ports


def test_a_lone_port_is_one_of_tcp() -> None:
    """As people write it; a number is never a protocol here."""
    assert parse_ports("22") == PortRange("tcp", 22, 22)
    assert parse_ports("132") == PortRange("tcp", 132, 132)
    assert parse_ports("80-90") == PortRange("tcp", 80, 90)


@pytest.mark.parametrize(
    "text",
    ["", "/", "tcp", "tcp/", "tcp/22-", "tcp/-22", "tcp/23-22", "tcp/0", "tcp/65536", "icmp/8", "sctp/22", "all", "ssh",
     "22/22", "tcp/22/22"],
)  # fmt: skip
def test_what_names_no_ports(text: str) -> None:
    """Anything else is refused."""
    with pytest.raises(ValueError, match=r"is no|names no"):
        parse_ports(text)


def test_ports_that_cover_others() -> None:
    """All ports of the other must be among them, and of the same protocol."""
    some = PortRange("tcp", 20, 30)
    assert [some.covers(PortRange("tcp", *pair)) for pair in ((20, 30), (22, 22), (19, 30), (20, 31))] == [
        True, True, False, False,
    ]  # fmt: skip
    assert not some.covers(PortRange("udp", 22, 22))
    assert every_port("icmp").covers(every_port("icmp"))


PROTOCOLS: list[tuple[object, str]] = [
    ("TCP", "tcp"), ("udp", "udp"), ("6", "tcp"), (17, "udp"), ("Icmp", "icmp"), ("1", "icmp"), ("ICMPv6", "icmpv6"),
    ("58", "icmpv6"), ("GRE", "gre"), ("47", "gre"), ("ALL", "all"), ("132", "132"), ("0", "0"), (" tcp ", "tcp"),
    ("255", "255"), ("06", "tcp"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "name"), PROTOCOLS)
def test_protocols(text: object, name: str) -> None:
    """Names in any case and IANA numbers."""
    ports = "22/22" if name in {"tcp", "udp"} else "-1/-1"
    rule = parse_rule(permission(IpProtocol=text, PortRange=ports))
    assert (rule.protocol, rule.problems) == (name, ())


def test_sources() -> None:
    """A CIDR, a group with its owner, or a prefix list; only the first kind that is given counts."""
    assert parse_rule(permission(SourceGroupId="sg-2", SourcePrefixListId="pl-1")).source == parse_cidr(
        "0.0.0.0/0"
    )
    other = parse_rule(permission(SourceCidrIp="", SourceGroupId="sg-2", SourceGroupOwnerAccount="77"))
    assert other.source == GroupRef("sg-2", "77")
    assert str(other.source) == "sg-2"
    lists = Lists(prefix_lists={"pl-1": ("8.8.8.8/32",)})
    raw = permission(SourceCidrIp="", SourcePrefixListId="pl-1", SourcePrefixListName="dns")
    assert parse_rule(raw, lists).source == PrefixList("pl-1", "dns", (parse_cidr("8.8.8.8/32"),))
    assert parse_rule(raw, Lists(prefix_lists={"pl-1": ("1.2.3.4", "x")})).problems == (
        "SourcePrefixListId: pl-1: 'x' is no IPv4 address",
    )
    unread = parse_rule(raw)
    assert unread.source == PrefixList("pl-1", "dns", None)
    assert unread.problems == ("SourcePrefixListId: pl-1 was not read",)
    assert str(unread.source) == "pl-1"


def test_port_lists() -> None:
    """A port list takes the place of the range; one that cannot be read is a problem."""
    lists = Lists(
        port_lists={"prl-1": ("22/22", "80/90"), "prl-2": Unreadable("Forbidden.RAM"), "prl-3": ("x",)}
    )
    raw = permission(PortRange="", PortRangeListId="prl-1")
    assert parse_rule(raw, lists).ports == (PortRange("tcp", 22, 22), PortRange("tcp", 80, 90))
    assert parse_rule({**raw, "PortRangeListId": "prl-2"}, lists).problems == (
        "PortRangeListId: prl-2 Forbidden.RAM",
    )
    assert parse_rule({**raw, "PortRangeListId": "prl-3"}, lists).problems == (
        "PortRangeListId: prl-3: 'x' is no number in range",
    )
    assert parse_rule({**raw, "PortRangeListId": "prl-4"}, lists).problems == (
        "PortRangeListId: prl-4 was not read",
    )
    assert parse_rule({**raw, "IpProtocol": "ICMP"}, lists).problems != ()


def test_a_group_cannot_stand_on_the_own_side() -> None:
    """An ingress rule whose destination is a group is not understood, so it is never a pass."""
    assert parse_rule(permission(DestGroupId="sg-9")).problems == (
        "DestGroupId: a group cannot stand on the rule's own side",
    )


def test_the_far_side_of_an_egress_rule() -> None:
    """Its group has an owner and its prefix list a name, as on the other side."""
    out = {"Direction": "egress", "SourceCidrIp": ""}
    there = parse_rule(permission(**out, DestGroupId="sg-2", DestGroupOwnerAccount="77"))
    assert there.peer == GroupRef("sg-2", "77")
    lists = Lists(prefix_lists={"pl-1": ("8.8.8.8/32",)})
    named = permission(**out, DestPrefixListId="pl-1", DestPrefixListName="dns")
    assert parse_rule(named, lists).peer == PrefixList("pl-1", "dns", (parse_cidr("8.8.8.8/32"),))


def test_what_is_not_understood_is_read_as_the_worst() -> None:
    """An accept of the first priority that comes in from the Internet; and each field is told."""
    rule = parse_rule(permission(Direction="?", Policy="?", Priority="?", NicType="?"), classic=True)
    assert (rule.direction, rule.policy, rule.priority, rule.nic_type) == (
        "ingress",
        "accept",
        1,
        "internet",
    )
    assert [problem.partition(":")[0] for problem in rule.problems] == [
        "Direction",
        "Policy",
        "Priority",
        "NicType",
    ]


def test_a_priority_that_is_not_given() -> None:
    """An accept has the API's default, 1; a drop without one is not understood, so that it shields nothing."""
    assert (parse_rule(permission(Priority="")).priority, parse_rule(permission(Priority="")).problems) == (
        1,
        (),
    )
    assert parse_rule(permission(Policy="Drop", Priority="")).problems != ()


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"IpProtocol": "GRE"}, "PortRange: '22/22' makes no sense for a protocol without ports"),
        (
            {"IpProtocol": "GRE", "PortRange": "-1/-1", "PortRangeListId": "prl-1"},
            "PortRangeListId: prl-1 makes no sense for a protocol without ports",
        ),
        ({"SourceCidrIp": "2400::/12"}, "SourceCidrIp: 2400::/12 is of the other address family"),
        (
            {"SourceCidrIp": "", "Ipv6SourceCidrIp": "10.0.0.0/8"},
            "Ipv6SourceCidrIp: 10.0.0.0/8 is of the other address family",
        ),
        ({"SourceCidrIp": "", "SourceGroupId": "x" * 201}, "SourceGroupId: is no security group id"),
        ({"Policy": ["Accept"]}, "Policy: 'a JSON list' is neither accept nor drop"),
        ({"Ipv6SourceCidrIp": "::/0"}, "SourceCidrIp: given together with Ipv6SourceCidrIp"),
        ({"SourceCidrIp": ""}, "SourceCidrIp: missing, and nothing else is given instead"),
    ],
)
def test_a_problem_names_its_field(fields: dict[str, Any], problem: str) -> None:
    """What is wrong is said in words, with the API's name of the field."""
    assert parse_rule(permission(**fields)).problems == (problem,)


def test_the_longest_names() -> None:
    """An id of 200 characters is one; of an owner's number 50 characters are kept."""
    there = parse_rule(permission(SourceCidrIp="", SourceGroupId="x" * 200, SourceGroupOwnerAccount="7" * 60))
    assert (there.source, there.problems) == (GroupRef("x" * 200, "7" * 50), ())


def test_the_ports_of_udp_may_be_a_list() -> None:
    """As those of TCP."""
    lists = Lists(port_lists={"prl-1": ("53/53",)})
    raw = permission(IpProtocol="UDP", PortRange="", PortRangeListId="prl-1")
    assert (parse_rule(raw, lists).ports, parse_rule(raw, lists).problems) == (
        (PortRange("udp", 53, 53),),
        (),
    )


def test_the_fields_are_kept_as_a_dict() -> None:
    """Whatever mapping they came in: they are written as JSON later."""
    raw = permission()
    kept = parse_rule(MappingProxyType(raw)).raw
    assert type(kept) is dict
    assert kept == raw


def test_source_ports() -> None:
    """A five-tuple rule may ask for source ports; all of them is none asked for."""
    assert parse_rule(permission(SourcePortRange="53/53")).source_ports == (PortRange("tcp", 53, 53),)
    assert parse_rule(permission(SourcePortRange="-1/-1")).source_ports == ()
    assert parse_rule(permission(SourcePortRange="1/65535")).source_ports == ()
    assert parse_rule(permission(SourcePortRange="?")).problems == (
        "SourcePortRange: '?' is no number in range",
    )


def test_nic_type_matters_in_the_classic_network_only() -> None:
    """In a VPC the field says nothing; in the classic network it must be understood."""
    assert parse_rule(permission(NicType="?")).nic_type == ""
    assert parse_rule(permission(NicType="Internet"), classic=True).nic_type == "internet"
    assert parse_rule(permission(NicType="intranet"), classic=True).nic_type == "intranet"
    assert parse_rule(permission(NicType="?"), classic=True).problems == (
        "NicType: '?' is neither internet nor intranet",
    )


def test_true_is_not_one() -> None:
    """A JSON true is no priority, though Python counts it as 1."""
    assert parse_rule(permission(Priority=1)).problems == ()
    assert parse_rule(permission(Priority=True)).problems == ("Priority: neither text nor number but bool",)
    assert parse_rule(permission(Priority=1.0)).problems == ("Priority: neither text nor number but float",)


def test_a_group_from_its_three_answers() -> None:
    """What one answer lacks is taken from the other."""
    placement = Placement("1")
    listing = {"SecurityGroupId": "sg-1", "SecurityGroupName": "web", "SecurityGroupType": "normal", "VpcId": "vpc-1",
               "ServiceManaged": False, "Tags": {"Tag": [{"TagKey": "env", "TagValue": "prod"}, "?"]}}  # fmt: skip
    attribute = {"SecurityGroupId": "sg-1", "InnerAccessPolicy": "Drop"}
    one = parse_group(placement, "cn-hangzhou", listing, attribute, [permission()])
    assert (one.security_group_id, one.name, one.kind, one.vpc_id) == ("sg-1", "web", "normal", "vpc-1")
    assert (one.service_managed, one.inner_access_policy, one.tags) == (False, "drop", (("env", "prod"),))
    assert (one.classic, len(one.rules), one.placement, one.region_id) == (False, 1, placement, "cn-hangzhou")
    bare = parse_group(placement, "cn-hangzhou", {"SecurityGroupType": "enterprise", "ServiceManaged": "True"},
                       {"SecurityGroupId": "sg-2", "SecurityGroupName": "db"}, [])  # fmt: skip
    assert (bare.security_group_id, bare.name, bare.kind) == ("sg-2", "db", "enterprise")
    assert (bare.classic, bare.inner_access_policy, bare.service_managed, bare.tags) == (
        True,
        "drop",
        True,
        (),
    )
    assert group(InnerAccessPolicy="?").inner_access_policy == "accept"
    other = parse_group(placement, "r", {}, {"VpcId": "vpc-2", "ServiceManaged": True}, [])
    assert (other.service_managed, other.vpc_id) == (True, "vpc-2")


def test_referenced_lists() -> None:
    """The lists that rules name, of either side, each once."""
    raws = [
        permission(SourcePrefixListId="pl-1", PortRangeListId="prl-1"),
        permission(DestPrefixListId="pl-2", SourcePrefixListId="pl-1"),
        permission(),
    ]
    assert referenced_lists(raws) == (frozenset({"pl-1", "pl-2"}), frozenset({"prl-1"}))


def test_writing_a_rule_back() -> None:
    """Every field that means something is sent, nothing empty, and 110 becomes 100."""
    raw = {**EMPTY, **permission(Priority=110, Description="old default", CreateTime="2019-01-01T00:00Z")}
    assert authorize_parameters(raw, 3) == {
        "Permissions.3.IpProtocol": "TCP",
        "Permissions.3.PortRange": "22/22",
        "Permissions.3.Policy": "Accept",
        "Permissions.3.Priority": "100",
        "Permissions.3.NicType": "intranet",
        "Permissions.3.Description": "old default",
        "Permissions.3.SourceCidrIp": "0.0.0.0/0",
    }


@pytest.mark.parametrize(
    ("fields", "sent"),
    [
        ({"SourceCidrIp": "", "Ipv6SourceCidrIp": "::/0"}, {"Ipv6SourceCidrIp": "::/0"}),
        ({"SourceCidrIp": "", "SourceGroupId": "sg-2", "SourceGroupOwnerAccount": "77", "SourcePrefixListId": "pl-1"},
         {"SourceGroupId": "sg-2", "SourceGroupOwnerId": "77"}),
        ({"SourceCidrIp": "", "SourceGroupId": "sg-2", "SourceGroupOwnerAccount": "ops@example"},
         {"SourceGroupId": "sg-2", "SourceGroupOwnerAccount": "ops@example"}),
        ({"SourceGroupOwnerAccount": "77"}, {"SourceCidrIp": "0.0.0.0/0"}),
        ({"SourceCidrIp": "", "SourcePrefixListId": "pl-1"}, {"SourcePrefixListId": "pl-1"}),
        ({"DestCidrIp": "10.0.0.5/32", "SourcePortRange": "53/53"},
         {"SourceCidrIp": "0.0.0.0/0", "DestCidrIp": "10.0.0.5/32", "SourcePortRange": "53/53"}),
        ({"SourcePortRange": "-1/-1"}, {"SourceCidrIp": "0.0.0.0/0"}),
        ({"PortRangeListId": "prl-1", "PortRange": ""}, {"SourceCidrIp": "0.0.0.0/0", "PortRangeListId": "prl-1"}),
        ({"PortRangeListId": "prl-1"}, {"SourceCidrIp": "0.0.0.0/0", "PortRangeListId": "prl-1"}),
        ({"Direction": "egress", "SourceCidrIp": "10.0.0.0/8", "DestGroupId": "sg-3"},
         {"SourceCidrIp": "10.0.0.0/8", "DestGroupId": "sg-3"}),
    ],
)  # fmt: skip
def test_one_peer_is_sent(fields: dict[str, Any], sent: dict[str, str]) -> None:
    """One peer only, by the API's own precedence, and the other side of a five-tuple rule."""
    common = {"IpProtocol", "PortRange", "Policy", "Priority", "NicType"}
    parameters = {
        key.removeprefix("Permissions.1."): value
        for key, value in authorize_parameters(permission(**fields)).items()
    }
    assert {key: value for key, value in parameters.items() if key not in common} == sent
    assert ("PortRange" in parameters) == ("PortRangeListId" not in parameters)


def test_what_was_written_is_read_as_the_same() -> None:
    """A rule sent back means what it meant."""
    for raw in (
        permission(DestCidrIp="10.0.0.5"),
        permission(IpProtocol="ALL", PortRange="-1/-1", Policy="Drop"),
    ):
        sent = {key.removeprefix("Permissions.1."): value for key, value in authorize_parameters(raw).items()}
        assert content_digest({"Direction": "ingress", **sent}) == content_digest(raw)


SAME: list[dict[str, Any]] = [
    {"SecurityGroupRuleId": "sgr-9"}, {"CreateTime": "now"}, {"Description": "new words"}, {"Policy": "accept"},
    {"Priority": "1"}, {"IpProtocol": "6"}, {"SourceCidrIp": "1.2.3.4/0"}, {"SourcePortRange": "-1/-1"},
    {"SourceGroupName": "x"}, {"PortRange": "22"}, {"DestCidrIp": ""},
]  # fmt: skip
OTHER: list[dict[str, Any]] = [
    {"Direction": "egress"}, {"Policy": "Drop"}, {"Priority": 2}, {"IpProtocol": "UDP"}, {"PortRange": "23/23"},
    {"SourceCidrIp": "10.0.0.0/8"}, {"SourcePortRange": "53/53"}, {"DestCidrIp": "10.0.0.5"}, {"NicType": "internet"},
    {"PortRangeListId": "prl-1"}, {"PortRangeListId": "prl-2"},
    {"SourceCidrIp": "", "SourceGroupId": "sg-2"}, {"Policy": "?"}, {"Policy": "!"},
    {"Policy": 50 * "x"}, {"Policy": 50 * "x" + "y"},
    {"SourceCidrIp": "", "SourceGroupId": "sg-2", "SourceGroupOwnerAccount": "7"}, {"PortRange": "?"},
    {"SourceCidrIp": "", "SourcePrefixListId": "pl-1"}, {"SourceCidrIp": "", "SourcePrefixListId": "pl-2"},
]  # fmt: skip


def test_content_digest() -> None:
    """Spelling, id, time, names and description do not count; whatever else changes does."""
    mine = content_digest(permission())
    assert [content_digest(permission(**fields)) for fields in SAME] == [mine] * len(SAME)
    digests = {content_digest(permission(**fields)) for fields in OTHER}
    assert len(digests | {mine}) == len(OTHER) + 1
    assert len(mine) == 64


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 70000) | st.floats(allow_nan=True) | st.text(max_size=8)
    | st.sampled_from(["-1/-1", "22/22", "0.0.0.0/0", "::/0", "ALL", "TCP", "Accept", "Drop", "pl-1", "\ud800"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=4,
)  # fmt: skip
FIELDS = [*permission(), *EMPTY]


@settings(max_examples=500, deadline=None)
@given(st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=5), json_values), st.booleans())
def test_nonsense_never_raises_and_never_passes(fields: dict[str, Any], vpc: bool) -> None:  # noqa: FBT001  (drawn)
    """A rule that was SSH from anyone fails, or is undetermined, or is plainly something else."""
    raw = permission(**({"NicType": "internet"} | fields))
    found = evaluate(group(raw, number=False, VpcId="vpc-1" if vpc else ""), default_checks(), NOW)
    authorize_parameters(raw)
    content_digest(raw)
    rule = group(raw, number=False, VpcId="vpc-1" if vpc else "").rules[0]
    assert len(group(raw).rules) == 1
    if rule.problems and rule.direction == "ingress":
        assert [one.verdict for one in found] == [Verdict.undetermined]
        assert all(problem.partition(":")[0] in {*FIELDS, *EMPTY} for problem in rule.problems)
    if not found:
        harmless = {
            "Policy",
            "Direction",
            "IpProtocol",
            "PortRange",
            "NicType",
            "PortRangeListId",
            "SourceCidrIp",
        }
        assert harmless & set(fields)


@settings(max_examples=200, deadline=None)
@given(json_values, json_values, st.lists(st.dictionaries(st.sampled_from(FIELDS), json_values), max_size=3))
def test_nonsense_answers_never_raise(
    listing: Any, attribute: Any, permissions: list[dict[str, Any]]
) -> None:
    """A group of nonsense is a group, with as many rules as were given."""
    heads = [{"Tags": one, "VpcId": one, "SecurityGroupType": one, "ServiceManaged": one, "SecurityGroupName": one}
             for one in (listing, attribute)]  # fmt: skip
    one = parse_group(
        Placement("1"), "r", heads[0], heads[1], permissions, Lists({"pl-1": ("?",)}, {"prl-1": ("?",)})
    )
    assert len(one.rules) == len(permissions)
    evaluate(one, default_checks(), NOW)


def test_lists_of_nonsense_are_a_problem() -> None:
    """Entries that are no texts make the rule undetermined."""
    hostile: list[Any] = [[1], [None], [["0.0.0.0/0"]], [{}]]
    for bad in hostile:
        lists = Lists(prefix_lists={"pl-1": bad}, port_lists={"prl-1": bad})
        assert parse_rule(permission(SourceCidrIp="", SourcePrefixListId="pl-1"), lists).problems
        assert parse_rule(permission(PortRangeListId="prl-1"), lists).problems


def test_values_survive_json() -> None:
    """The raw fields of a rule are the API's JSON, unchanged."""
    raw = permission(Priority=[1, {"x": None}])
    assert parse_rule(json.loads(json.dumps(raw))).raw == raw


def test_modifying_sends_every_field_but_the_card() -> None:
    """What is not sent may be reset to its default, and NicType is refused."""
    raw = {
        "SecurityGroupRuleId": "sgr-1", "Direction": "ingress", "IpProtocol": "TCP", "PortRange": "22/22",
        "Policy": "Drop", "Priority": 7, "NicType": "intranet", "SourceCidrIp": "0.0.0.0/0",
        "SourcePortRange": "1024/65535", "DestCidrIp": "10.1.1.1/32", "Description": "mine", "CreateTime": "x",
    }  # fmt: skip
    assert modify_parameters(raw) == {
        "IpProtocol": "TCP", "PortRange": "22/22", "Policy": "Drop", "Priority": "7", "SourceCidrIp": "0.0.0.0/0",
        "SourcePortRange": "1024/65535", "DestCidrIp": "10.1.1.1/32", "Description": "mine",
    }  # fmt: skip
