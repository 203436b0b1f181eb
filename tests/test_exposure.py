"""Sets of numbers and of packets keep the laws of sets, and name themselves."""

from itertools import pairwise
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.exposure import (
    NO_PACKETS,
    PUBLIC,
    PacketSet,
    address_text,
    address_texts,
    addresses_of,
    blocks,
    both,
    count,
    effective,
    example,
    far_addresses,
    from_far,
    implied_rules,
    minus,
    normal,
    packets_of,
    packets_to,
    ports_of,
    ports_without,
    public_addresses,
    reach_of,
    segments,
    shares,
    size,
    union,
)
from orchestrator.exposure.addresses import EVERYWHERE, IPV4, IPV6_BASE, ZONES, Zone
from orchestrator.exposure.intervals import contains
from orchestrator.securitygroup import (
    ALL_PORTS,
    GroupRef,
    PortRange,
    PrefixList,
    Rule,
    parse_cidr,
    parse_rule,
)
from tests.rulebook import SMALL_WORLD, group, permission

pairs = st.lists(
    st.tuples(st.integers(0, 40), st.integers(0, 8)).map(lambda p: (p[0], p[0] + p[1])), max_size=8
)


def spread(intervals: tuple[tuple[int, int], ...]) -> set[int]:
    """The numbers of a set one by one."""
    return {number for first, last in intervals for number in range(first, last + 1)}


@settings(max_examples=400, deadline=None)
@given(pairs, pairs)
def test_intervals_are_sets(some: list[tuple[int, int]], others: list[tuple[int, int]]) -> None:
    """Union, intersection, difference and size are those of the sets of numbers, and stay in normal form."""
    left, right = normal(some), normal(others)
    assert spread(left) == spread(tuple(some))
    assert spread(union(left, right)) == spread(left) | spread(right)
    assert spread(both(left, right)) == spread(left) & spread(right)
    assert spread(minus(left, right)) == spread(left) - spread(right)
    assert size(left) == len(spread(left))
    for result in (left, union(left, right), both(left, right), minus(left, right)):
        assert result == normal(result)
        assert all(one[1] + 1 < other[0] for one, other in pairwise(result))


def test_nothing_is_nothing() -> None:
    """Empty sets give empty sets."""
    assert normal([]) == union() == both((), ((1, 2),)) == minus((), ((1, 2),)) == ()
    assert union((), ((1, 2),)) == ((1, 2),)
    assert both(((1, 1),), ()) == both(((1, 2),), ()) == ()
    assert minus(((1, 2),), ()) == ((1, 2),)


def test_a_set_contains_both_its_ends() -> None:
    """The first and the last number of a stretch are in it, their neighbours are not."""
    assert [number for number in range(6) if contains(((1, 3), (5, 5)), number)] == [1, 2, 3, 5]


@pytest.mark.parametrize(
    ("block", "ipv4", "ipv6"),
    [
        ("8.0.0.0/8", 2**24, 0),
        ("10.0.0.0/8", 0, 0),
        ("9.255.255.255/32", 1, 0),
        ("11.0.0.0/32", 1, 0),
        ("100.64.0.0/10", 0, 0),
        ("100.128.0.0/32", 1, 0),
        ("192.0.0.9/32", 0, 0),
        ("192.88.99.0/24", 0, 0),
        ("224.0.0.0/3", 0, 0),
        ("223.255.255.255/32", 1, 0),
        ("198.18.0.0/15", 0, 0),
        ("198.20.0.0/32", 1, 0),
        ("::ffff:0:0/96", 0, 0),
        ("::1/128", 0, 0),
        ("64:ff9b::/96", 0, 0),
        ("2001::/23", 0, 0),
        ("2001:200::/32", 0, 2**96),
        ("2001:db8::/32", 0, 0),
        ("2002::/16", 0, 0),
        ("3fff::/20", 0, 0),
        ("fc00::/7", 0, 0),
        ("fe80::/10", 0, 0),
        ("ff00::/8", 0, 0),
        ("2400::/12", 0, 2**116),
    ],
)
def test_what_is_public(block: str, ipv4: int, ipv6: int) -> None:
    """Public is what no IANA registry reserves and what is not multicast."""
    assert reach_of(parse_cidr(block)).size == (ipv4, ipv6)


def test_the_whole_internet() -> None:
    """The public part of everything is 3.7 billion IPv4 addresses and most of IPv6."""
    assert count(PUBLIC).ipv4 == 3_702_257_664
    assert reach_of(parse_cidr("0.0.0.0/0")).size.ipv4 == count(PUBLIC).ipv4
    assert count(EVERYWHERE) == (2**32, 2**128)
    assert count(((IPV6_BASE - 1, IPV6_BASE),)) == (1, 1)
    assert count(((0, 5), (IPV6_BASE - 2, IPV6_BASE))) == (8, 1)


def test_the_zones_have_the_names_that_a_check_may_use() -> None:
    """What a check may say of a zone is what there is."""
    assert get_args(Zone) == tuple(ZONES) == ("internet", "private", "any")


def test_the_reach_of_lists_and_groups() -> None:
    """A list reaches what its entries do together; a group may have any address but reaches nothing from outside."""
    entries = tuple([parse_cidr(text) for text in ("8.0.0.0/9", "8.128.0.0/9", "8.0.0.0/10", "10.0.0.0/8")])
    assert reach_of(PrefixList("pl", "", entries)).size == (2**24, 0)
    assert addresses_of(PrefixList("pl", "", None)) == ()
    six = PrefixList("pl", "", (parse_cidr("2400::/12"), parse_cidr("10.0.0.0/8")))
    assert addresses_of(six) == blocks(["10.0.0.0/8", "2400::/12"])
    assert reach_of(GroupRef("sg-2")).size == (0, 0)
    assert addresses_of(GroupRef("sg-2")) == EVERYWHERE
    assert reach_of(parse_cidr("10.0.0.0/8"), "private").size == (2**24, 0)
    assert reach_of(parse_cidr("8.0.0.0/8"), "private").size == (0, 0)
    assert reach_of(parse_cidr("8.0.0.0/6"), "any").size == (2**26, 0)


def test_addresses_name_themselves() -> None:
    """As a block where they are one, else as a range, and only the first few."""
    assert address_text(IPV6_BASE + 1) == "::1"
    assert address_texts(blocks(["10.0.0.0/8", "2001:db8::/32"])) == "10.0.0.0/8, 2001:db8::/32"
    assert address_text(IPV6_BASE) == "::"
    assert address_texts(((IPV6_BASE, IPV6_BASE),)) == "::/128"
    assert address_texts(((1, 6),)) == "0.0.0.1-0.0.0.6"
    assert address_texts(((IPV6_BASE + 1, IPV6_BASE + 6),)) == "::1-::6"
    assert address_texts(EVERYWHERE) == "0.0.0.0/0, ::/0"
    seven = tuple([(n, n) for n in range(0, 14, 2)])
    assert address_texts(seven, 2) == "0.0.0.0/32, 0.0.0.2/32 and 5 more"
    assert address_texts(seven[:2], 2) == "0.0.0.0/32, 0.0.0.2/32"
    assert address_texts(seven[:5]).endswith("0.0.0.6/32 and 1 more")


@pytest.mark.parametrize(
    ("texts", "address"),
    [
        (["0.0.0.0/0", "::/0"], "1.0.0.0"),
        (["10.0.0.0/8", "8.8.8.8"], "8.8.8.8"),
        (["10.0.0.0/8", "2400::/12"], "2400::"),
        (["::/0"], "2000::"),
        (["4000::/3"], "4000::"),
        (["10.0.0.0/8"], "10.0.0.0"),
        (["8.0.0.0/8", "9.0.0.0/8"], "8.0.0.0"),
    ],
)
def test_an_example_is_one_that_may_be_met(texts: list[str], address: str) -> None:
    """Public before private, IPv4 before IPv6, and of IPv6 what is given out today."""
    assert example(blocks(texts)) == address


def rule(**fields: object) -> Rule:
    """A rule: SSH from anyone, unless the fields say otherwise."""
    return parse_rule(permission(**fields), SMALL_WORLD)


RULES = [
    rule(), rule(PortRange="20/30"), rule(IpProtocol="ALL", PortRange="-1/-1"), rule(IpProtocol="UDP"),
    rule(SourceCidrIp="10.0.0.0/8"), rule(SourceCidrIp="10.1.0.0/16", DestCidrIp="10.0.0.5"),
    rule(SourceCidrIp="", Ipv6SourceCidrIp="::/0"), rule(SourceCidrIp="", SourceGroupId="sg-2"),
    rule(SourcePortRange="53/53"), rule(IpProtocol="ICMP", PortRange="-1/-1"),
    rule(IpProtocol="132", PortRange="-1/-1"), rule(SourceCidrIp="", SourcePrefixListId="pl-few"),
]  # fmt: skip
packet_sets = st.lists(st.sampled_from(RULES), max_size=3).map(
    lambda rules: PacketSet([box for one in rules for box in packets_of(one).boxes])
)


@settings(max_examples=150, deadline=None)
@given(packet_sets, packet_sets, packet_sets)
def test_packet_sets_are_sets(a: PacketSet, b: PacketSet, c: PacketSet) -> None:
    """The laws of sets hold, whatever boxes a set is made of."""
    assert a | b == b | a
    assert a & b == b & a
    assert a - b == a - (a & b)
    assert (a - b) & b == NO_PACKETS
    assert (a - b) | (a & b) == a
    assert a - (b | c) == (a - b) - c
    assert a & (b | c) == (a & b) | (a & c)
    assert (a <= b) == ((a | b) == b)
    assert (a == b) == (a <= b <= a)


def test_a_packet_set_is_no_number() -> None:
    """Comparing with anything else is no equality, and a set cannot be a key."""
    assert packets_of(rule()) != 22
    with pytest.raises(TypeError, match="unhashable"):
        hash(NO_PACKETS)


def test_what_a_rule_matches() -> None:
    """Protocols, ports, addresses and groups are those of the rule; problems match nothing."""
    assert packets_of(rule(PortRange="?")) == NO_PACKETS
    assert packets_of(rule(Policy="Drop")) == packets_of(rule())
    everything = packets_of(rule(IpProtocol="ALL", PortRange="-1/-1"))
    numbers = [
        packets_of(rule(IpProtocol=str(n), PortRange="-1/-1" if n not in {6, 17} else "1/65535"))
        for n in range(256)
    ]
    assert PacketSet([box for one in numbers for box in one.boxes]) == everything
    assert (
        packets_of(rule(SourceCidrIp="", SourceGroupId="sg-2"))
        & packets_of(rule(SourceCidrIp="", SourceGroupId="sg-3"))
        == NO_PACKETS
    )
    assert not (packets_of(rule(SourceCidrIp="", SourceGroupId="sg-2")) & packets_of(rule())).is_empty
    classic = [parse_rule(permission(NicType=card), classic=True) for card in ("internet", "intranet")]
    assert packets_of(classic[0]) & packets_of(classic[1]) == NO_PACKETS
    assert packets_of(classic[0]) | packets_of(classic[1]) == packets_of(rule())


def test_a_drop_from_anyone_takes_from_groups_too() -> None:
    """A Drop of addresses also drops the members of a group that have them: a block must not hide that loss."""
    members = packets_of(rule(SourceCidrIp="", SourceGroupId="sg-2"))
    left = members - packets_of(rule()) - packets_of(rule(SourceCidrIp="", Ipv6SourceCidrIp="::/0"))
    assert left.is_empty


def test_effective() -> None:
    """Accepts minus the drops that win, of one direction only."""
    accept, late, early = (
        rule(Priority=5),
        rule(Policy="Drop", Priority=6),
        rule(Policy="Drop", SourceCidrIp="10.0.0.0/8"),
    )
    assert effective([accept, late]) == packets_of(accept)
    assert effective([late, early, accept]) == packets_of(accept) - packets_of(early)
    assert effective([accept, rule(Policy="Drop", Priority=5)]).is_empty
    out = rule(Direction="egress", SourceCidrIp="", DestCidrIp="10.0.0.0/8")
    assert effective([accept, out]) == packets_of(accept)
    assert effective([accept, out], "egress") == packets_of(out)
    assert out.peer == parse_cidr("10.0.0.0/8")


def test_public_addresses_of_packets() -> None:
    """Only senders outside any group, over a card that faces the Internet, with public addresses."""
    assert count(public_addresses(packets_of(rule()))).ipv4 == count(PUBLIC).ipv4
    assert public_addresses(packets_of(rule(SourceCidrIp="", SourceGroupId="sg-2"))) == ()
    assert public_addresses(packets_of(rule(SourceCidrIp="10.0.0.0/8"))) == ()
    intranet = parse_rule(permission(NicType="intranet"), classic=True)
    assert public_addresses(packets_of(intranet)) == ()
    assert far_addresses(packets_of(intranet)) == IPV4
    assert from_far(packets_of(rule()), blocks(["10.0.0.0/8"])) == packets_of(rule(SourceCidrIp="10.0.0.0/8"))
    assert from_far(packets_of(rule()), ()) == NO_PACKETS
    everything = packets_of(rule(IpProtocol="ALL", PortRange="-1/-1"))
    assert from_far(everything, EVERYWHERE) == everything


def test_packets_to_ports() -> None:
    """Every packet to the ports, from anywhere and any group, over any card."""
    ssh = packets_to("tcp", [PortRange(22, 22)])
    assert packets_of(rule()) <= ssh
    assert packets_of(rule(SourceCidrIp="", SourceGroupId="sg-2")) <= ssh
    assert not packets_of(rule(PortRange="22/23")) <= ssh
    assert ssh <= packets_to("tcp")
    assert packets_of(rule(IpProtocol="ICMP", PortRange="-1/-1")) <= packets_to("icmp")
    assert packets_of(rule(IpProtocol="132", PortRange="-1/-1")) <= packets_to("132")


@pytest.mark.parametrize(
    "name", ["sg-bp1cfcf24f5fced08368", "sg-" + 190 * "x", "sg-" + 190 * "é", "sg-\ud800"]
)
def test_a_group_of_any_name_is_a_sender(name: str) -> None:
    """However long or odd its name: it is among the senders of a port, and only in itself."""
    members = packets_of(rule(SourceCidrIp="", SourceGroupId=name))
    assert members <= packets_to("tcp", [PortRange(22, 22)])
    assert members & packets_of(rule(SourceCidrIp="", SourceGroupId="sg-2")) == NO_PACKETS
    witness = members.witness()
    assert witness is not None
    assert witness.group.startswith("sg-")
    if len(name) < 250 and name.isascii():
        assert witness.group == name


def test_a_witness_is_in_the_set() -> None:
    """One packet, from the Internet if there is any, with a port only where there is one."""
    assert NO_PACKETS.witness() is None
    assert packets_of(rule()).witness() == ("tcp", 22, "1.0.0.0", "", "")
    assert packets_of(rule(DestCidrIp="10.0.0.5")).witness() == ("tcp", 22, "1.0.0.0", "10.0.0.5", "")
    assert packets_of(rule(IpProtocol="ICMP", PortRange="-1/-1")).witness() == (
        "icmp",
        None,
        "1.0.0.0",
        "",
        "",
    )
    assert packets_of(rule(SourceCidrIp="", SourceGroupId="sg-2")).witness() == (
        "tcp",
        22,
        "1.0.0.0",
        "",
        "sg-2",
    )
    assert packets_of(rule(IpProtocol="UDP", PortRange="53/60")).witness() == ("udp", 53, "1.0.0.0", "", "")
    without_ports = (
        packets_of(rule(IpProtocol="ALL", PortRange="-1/-1")) - packets_to("tcp") - packets_to("udp")
    )
    assert without_ports.witness() == ("0", None, "1.0.0.0", "", "")
    mixed = packets_of(rule(SourceCidrIp="10.0.0.0/8")) | packets_of(rule(SourceCidrIp="8.8.8.8"))
    assert mixed.witness() == ("tcp", 22, "8.8.8.8", "", "")
    assert packets_of(rule(IpProtocol="200", PortRange="-1/-1")).witness() == ("200", None, "1.0.0.0", "", "")


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({}, "tcp/22 from 0.0.0.0/0"),
        ({"PortRange": "20/30"}, "tcp/20-30 from 0.0.0.0/0"),
        ({"IpProtocol": "ICMP", "PortRange": "-1/-1"}, "icmp from 0.0.0.0/0"),
        ({"IpProtocol": "132", "PortRange": "-1/-1"}, "132 from 0.0.0.0/0"),
        ({"SourceCidrIp": "10.0.0.0/8", "DestCidrIp": "10.0.0.5"}, "tcp/22 from 10.0.0.0/8 to 10.0.0.5/32"),
        ({"SourcePortRange": "53/53"}, "tcp/22 from 0.0.0.0/0 from port 53"),
        ({"SourceCidrIp": "", "SourceGroupId": "sg-2"}, "tcp/22 from sg-2; tcp/22 from sg-2"),
        ({"IpProtocol": "ALL", "PortRange": "-1/-1"},
         "tcp+udp/1-65535 from 0.0.0.0/0; protocols 0-5+protocols 7-16+protocols 18-255 from 0.0.0.0/0"),
    ],
)  # fmt: skip
def test_packet_sets_describe_themselves(fields: dict[str, object], text: str) -> None:
    """Short text for people."""
    assert packets_of(rule(**fields)).describe() == text


def test_a_description_is_short() -> None:
    """Only the first few boxes are told; nothing is called nothing; a part of a group's members is said to be one."""
    many = PacketSet(
        [box for port in range(1, 9) for box in packets_of(rule(PortRange=f"{port}/{port}")).boxes]
    )
    assert many.describe(2) == "tcp/1 from 0.0.0.0/0; tcp/2 from 0.0.0.0/0; and 6 more"
    assert PacketSet(many.boxes[:2]).describe(2) == "tcp/1 from 0.0.0.0/0; tcp/2 from 0.0.0.0/0"
    assert PacketSet(many.boxes[:5]).describe().endswith("tcp/4 from 0.0.0.0/0; and 1 more")
    two = packets_to("tcp", [PortRange(22, 22), PortRange(80, 90)])
    assert two.describe(1) == "tcp/22,80-90 from 0.0.0.0/0; and 1 more"
    assert repr(NO_PACKETS) == "<PacketSet nothing>"
    some = packets_of(rule(SourceCidrIp="", SourceGroupId="sg-2")) & packets_of(
        rule(SourceCidrIp="10.0.0.0/8")
    )
    assert some.describe() == "tcp/22 from sg-2 at 10.0.0.0/8"


def test_ports_without() -> None:
    """What is left of ports when others are taken, in as few ranges as possible."""
    assert ports_without([ALL_PORTS], [PortRange(22, 22)]) == (PortRange(1, 21), PortRange(23, 65535))
    assert ports_without([PortRange(22, 22)], [PortRange(1, 100)]) == ()
    assert ports_without([PortRange(1, 5), PortRange(6, 9)], []) == (PortRange(1, 9),)


def test_ports_of_protocols() -> None:
    """ALL is about every port; a protocol without ports has the port 0; another protocol has none."""
    assert ports_of("all", (), 6) == (ALL_PORTS,)
    assert ports_of("all", (), 1) == (PortRange(0, 0),)
    assert ports_of("132", (), 132) == (PortRange(0, 0),)
    assert ports_of("udp", (ALL_PORTS,), 6) == ()
    assert ports_of("udp", (ALL_PORTS,), 17) == (ALL_PORTS,)


def test_segments() -> None:
    """A range is cut wherever one of the others begins or ends within it."""
    assert segments([PortRange(5, 7), PortRange(7, 100)], 1, 9) == [(1, 4), (5, 6), (7, 7), (8, 9)]
    assert segments([PortRange(1, 65535)], 22, 22) == [(22, 22)]
    assert segments([], 1, 9) == [(1, 9)]


def test_shares_after_one_drop_and_another() -> None:
    """An accept gets what the drops before it have left; a later accept of the same source gets less."""
    rules = [
        rule(),
        rule(Policy="Drop", SourceCidrIp="8.0.0.0/8"),
        rule(),
        rule(Policy="Drop", SourceCidrIp="9.0.0.0/8"),
        rule(),
    ]
    found = [share.size.ipv4 for share in shares(rules, 6, 22, "any")]
    assert found == [2**32, 2**32 - 2**24, 2**32 - 2**25]


def test_a_share_after_a_drop_that_looks_at_more_than_the_address() -> None:
    """What a five-tuple drop leaves at the port is asked, not what it leaves at the accept's other ports."""
    halves = [rule(Policy="Drop", SourcePortRange=ports) for ports in ("1/1023", "1024/65535")]
    (share,) = shares([*halves, rule(PortRange="1/65535", Priority=2)], 6, 22, "internet")
    assert (share.addresses, share.size) == ((), (0, 0))
    some = rule(Policy="Drop", SourcePortRange="53/53")
    (share,) = shares([some, rule(PortRange="1/65535", Priority=2)], 6, 22, "internet")
    assert share.size.ipv4 == count(PUBLIC).ipv4
    ping = {"IpProtocol": "ICMP", "PortRange": "-1/-1"}
    (share,) = shares(
        [rule(**ping, Policy="Drop", DestCidrIp="10.0.0.5"), rule(**ping, Priority=2)], 1, 0, "any"
    )
    assert share.size.ipv4 == 2**32


def test_what_a_group_does_by_itself() -> None:
    """A normal group lets its members in and everything out, unless told to drop; an enterprise group neither."""
    inside, *outside = implied_rules(group())
    assert {one.policy for one in (inside, *outside)} == {"accept"}
    assert (inside.peer, inside.priority, inside.direction) == (GroupRef("sg-1"), 1000, "ingress")
    assert [str(one.peer) for one in outside] == ["0.0.0.0/0", "::/0"]
    assert [one.direction for one in implied_rules(group(SecurityGroupType="enterprise"))] == []
    assert public_addresses(effective(implied_rules(group()))) == ()
    assert count(public_addresses(effective(implied_rules(group()), "egress"))) == count(PUBLIC)
    silent = group()
    dropping = type(silent)(
        **{name: getattr(silent, name) for name in silent.__struct_fields__} | {"inner_access_policy": "drop"}
    )
    assert [one.direction for one in implied_rules(dropping)] == ["egress", "egress"]
