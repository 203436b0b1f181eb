"""Sets of numbers and of packets keep the laws of sets, and name themselves."""

from itertools import pairwise
from typing import get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.exposure import (
    NO_PACKETS,
    NO_PORTS,
    PUBLIC,
    PacketSet,
    PortSet,
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
    ports_from_json,
    ports_of,
    ports_to_json,
    reach_of,
    segments,
    shares,
    size,
    union,
)
from orchestrator.exposure.addresses import EVERYWHERE, IPV4, IPV6_BASE, ZONES, Zone
from orchestrator.exposure.intervals import contains
from orchestrator.securitygroup import (
    GroupRef,
    PortRange,
    PrefixList,
    Rule,
    every_port,
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


def test_far_addresses_of_packets() -> None:
    """Only of senders outside any group, whatever card they come by; packets can be narrowed to some of them."""
    assert far_addresses(packets_of(rule(SourceCidrIp="", SourceGroupId="sg-2"))) == ()
    assert far_addresses(packets_of(parse_rule(permission(NicType="intranet"), classic=True))) == IPV4
    assert from_far(packets_of(rule()), blocks(["10.0.0.0/8"])) == packets_of(rule(SourceCidrIp="10.0.0.0/8"))
    assert from_far(packets_of(rule()), ()) == NO_PACKETS
    everything = packets_of(rule(IpProtocol="ALL", PortRange="-1/-1"))
    assert from_far(everything, EVERYWHERE) == everything


def test_packets_to_ports() -> None:
    """Every packet to the ports, from anywhere and any group, over any card."""
    ssh = packets_to(PortSet([PortRange("tcp", 22, 22)]))
    assert packets_of(rule()) <= ssh
    assert packets_of(rule(SourceCidrIp="", SourceGroupId="sg-2")) <= ssh
    assert not packets_of(rule(PortRange="22/23")) <= ssh
    assert ssh <= packets_to(PortSet([every_port("tcp")]))
    assert packets_of(rule(IpProtocol="ICMP", PortRange="-1/-1")) <= packets_to(PortSet([every_port("icmp")]))
    assert packets_of(rule(IpProtocol="132", PortRange="-1/-1")) <= packets_to(PortSet([every_port("132")]))


@pytest.mark.parametrize(
    "name", ["sg-bp1cfcf24f5fced08368", "sg-" + 190 * "x", "sg-" + 190 * "é", "sg-\ud800"]
)
def test_a_group_of_any_name_is_a_sender(name: str) -> None:
    """However long or odd its name: it is among the senders of a port, and only in itself."""
    members = packets_of(rule(SourceCidrIp="", SourceGroupId=name))
    assert members <= packets_to(PortSet([PortRange("tcp", 22, 22)]))
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
    without_ports = packets_of(rule(IpProtocol="ALL", PortRange="-1/-1")) - packets_to(
        PortSet([every_port("tcp"), every_port("udp")])
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
    two = packets_to(PortSet([PortRange("tcp", 22, 22), PortRange("tcp", 80, 90)]))
    assert two.describe(1) == "tcp/22,80-90 from 0.0.0.0/0; and 1 more"
    assert repr(NO_PACKETS) == "<PacketSet nothing>"
    some = packets_of(rule(SourceCidrIp="", SourceGroupId="sg-2")) & packets_of(
        rule(SourceCidrIp="10.0.0.0/8")
    )
    assert some.describe() == "tcp/22 from sg-2 at 10.0.0.0/8"


def test_a_set_of_ports_has_as_few_ranges_as_possible() -> None:
    """Touching and overlapping ranges are one; protocols stand in the order in which they were named."""
    some = PortSet([PortRange("udp", 6, 9), every_port("icmp"), PortRange("tcp", 80, 80), PortRange("tcp", 22, 22),
                    PortRange("udp", 1, 5), every_port("icmp"), PortRange("tcp", 20, 23)])  # fmt: skip
    assert some.texts == ("udp/1-9", "icmp", "tcp/20-23", "tcp/80")
    assert [str(one) for one in some] == list(some.texts)
    assert (str(some), repr(some)) == (
        "udp/1-9, icmp, tcp/20-23, tcp/80",
        "<PortSet udp/1-9, icmp, tcp/20-23, tcp/80>",
    )
    assert (some.protocols, some.numbers("tcp"), some.numbers("gre")) == (
        ("udp", "icmp", "tcp"),
        ((20, 23), (80, 80)),
        (),
    )


def test_sets_of_ports_are_taken_from_one_another_and_met() -> None:
    """By protocol; what is empty then is gone."""
    every = PortSet([every_port("tcp"), every_port("udp"), every_port("gre")])
    ssh = PortSet([PortRange("tcp", 22, 22), every_port("gre")])
    assert (every - ssh).texts == ("tcp/1-21", "tcp/23-65535", "udp/1-65535")
    assert (ssh - every, ssh - NO_PORTS, NO_PORTS - ssh) == (NO_PORTS, ssh, NO_PORTS)
    assert (every & ssh, ssh & every, ssh & NO_PORTS) == (ssh, ssh, NO_PORTS)
    assert (every & PortSet([PortRange("udp", 5, 6), every_port("icmp")])).texts == ("udp/5-6",)
    assert (ssh <= every, every <= ssh, ssh >= NO_PORTS) == (True, False, True)
    assert (bool(ssh), bool(NO_PORTS), bool(ssh - every)) == (True, False, False)


def test_equal_sets_of_ports_are_equal_however_they_were_made() -> None:
    """In any order, of any pieces; and they are one key."""
    one = PortSet([PortRange("tcp", 1, 5), PortRange("tcp", 6, 9), every_port("gre")])
    other = PortSet([every_port("gre"), PortRange("tcp", 1, 9)])
    assert (one == other, len({one, other})) == (True, 1)
    assert one != PortSet([PortRange("udp", 1, 9), every_port("gre")])
    assert one != ("tcp/1-9", "gre")


class Kept(msgspec.Struct):
    """Something that keeps ports."""

    ports: PortSet = NO_PORTS


@pytest.mark.parametrize("text", [b'{"ports":[]}', b'{"ports":["udp/53","tcp/20-30","icmp"]}'])
def test_a_set_of_ports_crosses_json_as_texts(text: bytes) -> None:
    """A list of texts on the way out, the same set on the way in."""
    kept = msgspec.json.decode(text, type=Kept, dec_hook=ports_from_json)
    assert msgspec.json.encode(kept, enc_hook=ports_to_json) == text


@pytest.mark.parametrize(
    "text", [b'{"ports":["ssh"]}', b'{"ports":"tcp/22"}', b'{"ports":[22.5]}', b'{"ports":{}}']
)
def test_what_names_no_ports_is_refused_as_any_other_damage_is(text: bytes) -> None:
    """With the error of JSON of the wrong type."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(text, type=Kept, dec_hook=ports_from_json)


def test_nothing_but_ports_is_written_or_read_by_chance() -> None:
    """What JSON does not know is an error, not a text."""
    with pytest.raises(NotImplementedError, match="complex"):
        msgspec.json.encode(1j, enc_hook=ports_to_json)
    with pytest.raises(msgspec.ValidationError, match="complex"):
        msgspec.json.decode(b'"1"', type=complex, dec_hook=ports_from_json)
    assert msgspec.json.decode(b'"1"', type=object, dec_hook=ports_from_json) == "1"


def test_ports_of_protocols() -> None:
    """ALL is about every port; a protocol without ports is named whole; another protocol has none."""
    assert ports_of("all", (), "tcp") == (every_port("tcp"),)
    assert ports_of("all", (), "icmp") == (every_port("icmp"),)
    assert ports_of("132", (), "132") == (every_port("132"),)
    assert ports_of("udp", (every_port("udp"),), "tcp") == ()
    assert ports_of("udp", (PortRange("udp", 5, 9),), "udp") == (PortRange("udp", 5, 9),)


def test_segments() -> None:
    """A range is cut wherever one of the others begins or ends within it."""
    cut = segments(PortRange("udp", 1, 9), [PortRange("udp", 5, 7), PortRange("udp", 7, 100)])
    assert cut == [PortRange("udp", *pair) for pair in ((1, 4), (5, 6), (7, 7), (8, 9))]
    ssh = PortRange("tcp", 22, 22)
    assert segments(ssh, [every_port("tcp")]) == [ssh]
    assert segments(PortRange("tcp", 1, 9), []) == [PortRange("tcp", 1, 9)]


def test_shares_after_one_drop_and_another() -> None:
    """An accept gets what the drops before it have left; a later accept of the same source gets less."""
    rules = [
        rule(),
        rule(Policy="Drop", SourceCidrIp="8.0.0.0/8"),
        rule(),
        rule(Policy="Drop", SourceCidrIp="9.0.0.0/8"),
        rule(),
    ]
    found = [share.size.ipv4 for share in shares(rules, PortRange("tcp", 22, 22), "any")]
    assert found == [2**32, 2**32 - 2**24, 2**32 - 2**25]


def test_a_share_after_a_drop_that_looks_at_more_than_the_address() -> None:
    """What a five-tuple drop leaves at the port is asked, not what it leaves at the accept's other ports."""
    halves = [rule(Policy="Drop", SourcePortRange=ports) for ports in ("1/1023", "1024/65535")]
    (share,) = shares([*halves, rule(PortRange="1/65535", Priority=2)], PortRange("tcp", 22, 22), "internet")
    assert (share.addresses, share.size) == ((), (0, 0))
    some = rule(Policy="Drop", SourcePortRange="53/53")
    (share,) = shares([some, rule(PortRange="1/65535", Priority=2)], PortRange("tcp", 22, 22), "internet")
    assert share.size.ipv4 == count(PUBLIC).ipv4
    ping = {"IpProtocol": "ICMP", "PortRange": "-1/-1"}
    (share,) = shares(
        [rule(**ping, Policy="Drop", DestCidrIp="10.0.0.5"), rule(**ping, Priority=2)],
        every_port("icmp"),
        "any",
    )
    assert share.size.ipv4 == 2**32


def test_what_a_group_does_by_itself() -> None:
    """A normal group lets its members in and everything out, unless told to drop; an enterprise group neither."""
    inside, *outside = implied_rules(group())
    assert {one.policy for one in (inside, *outside)} == {"accept"}
    assert (inside.peer, inside.priority, inside.direction) == (GroupRef("sg-1", "1000"), 1000, "ingress")
    assert [str(one.peer) for one in outside] == ["0.0.0.0/0", "::/0"]
    assert [one.direction for one in implied_rules(group(SecurityGroupType="enterprise"))] == []
    assert far_addresses(effective(implied_rules(group()))) == ()
    assert far_addresses(effective(implied_rules(group()), "egress")) == EVERYWHERE
    silent = group()
    dropping = type(silent)(
        **{name: getattr(silent, name) for name in silent.__struct_fields__} | {"inner_access_policy": "drop"}
    )
    assert [one.direction for one in implied_rules(dropping)] == ["egress", "egress"]
