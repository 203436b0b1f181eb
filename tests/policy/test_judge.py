"""Who is to blame: few enough, the largest first, at the port where it is so."""

from ipaddress import IPv4Network

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from orchestrator.policy import Check, Finding, Status, Thresholds, Verdict, evaluate, may_matter
from orchestrator.securitygroup import PortRange
from tests.rulebook import NOW, group, permission

SSH = Check(id="ssh", ports=(PortRange("tcp", 22, 22),))
BOTH = Check(id="both", ports=(PortRange("tcp", 22, 23),))
FOUR = Thresholds(ipv4_prefix=30, wide_ipv4_prefix=31)  # four addresses are too many, two are wide


def found(
    *raws: dict[str, object], checks: tuple[Check, ...] = (SSH,), limits: Thresholds = FOUR
) -> list[Finding]:
    """The findings of a group of these rules."""
    return list(evaluate(group(*raws), checks, NOW, (), limits))


def told(*raws: dict[str, object], checks: tuple[Check, ...] = (SSH,)) -> list[tuple[str, str]]:
    """The rules that are found, and by which check."""
    return [(one.rule_id, one.check_id) for one in found(*raws, checks=checks)]


def accept(source: str, ports: str = "22/22", priority: int = 5) -> dict[str, object]:
    """An accept that some drops come before."""
    return permission(SourceCidrIp=source, PortRange=ports, Priority=priority)


def drop(source: str, ports: str = "22/22") -> dict[str, object]:
    """A drop that comes first."""
    return permission(Policy="Drop", SourceCidrIp=source, PortRange=ports)


def test_many_small_sources_are_one_large_one() -> None:
    """Four single addresses are four, though none is worth a word by itself; three are not."""
    singles = [accept(f"8.8.8.{number}") for number in range(4)]
    assert told(*singles) == [("sgr-1", "ssh")]
    assert told(*singles[:3]) == []


def test_small_sources_count_beside_a_large_one() -> None:
    """A wide source below the threshold fails with the small ones that bring it there."""
    pair, one, two = accept("8.8.8.0/31"), accept("8.8.8.2/32"), accept("8.8.8.3/32")
    assert told(pair) == [("sgr-1", "wide")]
    assert told(pair, one) == [("sgr-1", "wide")]
    assert told(pair, one, two) == [("sgr-1", "ssh")]


def test_a_rule_that_fails_is_not_called_wide_too() -> None:
    """Neither by another check, nor for other ports of the same one."""
    lenient = Check(id="lenient", ports=(PortRange("tcp", 22, 22),), ipv4_prefix=8)
    assert told(accept("8.8.8.0/30"), checks=(SSH, lenient)) == [("sgr-1", "ssh")]
    for narrower, failing in (("22/22", "tcp/23"), ("23/23", "tcp/22")):
        (one,) = found(drop("8.8.8.0/31", narrower), accept("8.8.8.0/30", "22/23"), checks=(BOTH,))
        assert (one.rule_id, one.check_id, one.ports.texts) == ("sgr-2", "both", (failing,))


def test_a_witness_gets_in_at_the_port_that_is_named() -> None:
    """Where drops differ from port to port, its address is one that the drops of its own port leave."""
    (one,) = found(
        drop("1.0.0.0/8", "22/22"), accept("0.0.0.0/0", "22/23"), checks=(BOTH,), limits=Thresholds()
    )
    assert one.witness is not None
    assert (one.ports.texts, one.witness.port, one.witness.source) == (("tcp/22-23",), 22, "2.0.0.0")


@pytest.mark.parametrize(
    ("fields", "matters"),
    [
        ({}, True),
        ({"SourceCidrIp": "8.8.8.8/32"}, True),  # beside others it may be the one that is too many
        ({"PortRange": "20/30"}, True),
        ({"IpProtocol": "ALL", "PortRange": "-1/-1"}, True),
        ({"Policy": "Drop"}, False),
        ({"SourceCidrIp": "", "SourceGroupId": "sg-2"}, False),
        ({"SourceCidrIp": "10.0.0.0/8"}, False),
        ({"PortRange": "443/443"}, False),
        ({"Direction": "egress", "SourceCidrIp": "", "DestCidrIp": "0.0.0.0/0"}, False),
    ],
)
def test_which_rules_may_matter(fields: dict[str, object], matters: bool) -> None:  # noqa: FBT001 - a table's column
    """One that lets anybody of the check's zone in to what it watches, however few; none that lets nobody in."""
    (rule,) = group(permission(**fields)).rules
    assert may_matter(rule, (SSH,)) is matters
    assert may_matter(rule, (Check(id="web", ports=(PortRange("tcp", 443, 443),)), SSH)) is (
        matters or fields == {"PortRange": "443/443"}
    )


def test_which_rules_may_matter_of_the_other_side_card_and_kind() -> None:
    """Of a classic group the card that faces the zone; egress for a check of egress; none for what is judged alone."""
    for card, matters in (("internet", True), ("intranet", False)):
        (rule,) = group(permission(NicType=card), VpcId="").rules
        assert may_matter(rule, (SSH,), classic=True) is matters
    out = Check(id="out", ports=(PortRange("tcp", 22, 22),), direction="egress")
    (rule,) = group(permission(Direction="egress", SourceCidrIp="", DestCidrIp="0.0.0.0/0")).rules
    assert may_matter(rule, (out,))
    assert not may_matter(group(permission()).rules[0], (out,))
    inside = Check(id="inside", ports=(PortRange("tcp", 22, 22),), zone="private", wider_than=16)
    (rule,) = group(permission(SourceCidrIp="10.0.0.0/8")).rules
    assert not may_matter(rule, (inside,))  # it judges each rule by itself


def test_what_stands_apart_is_not_open() -> None:
    """A wide source to other ports: told and counted by itself, unless something else sets it aside."""
    (one,) = found(accept("8.8.8.0/30"))
    assert (one.is_open, one.stands_apart, one.is_undetermined, one.is_wide) == (True, False, False, False)
    apart = replace(one, check_id="wide", is_apart=True)
    assert (apart.is_open, apart.stands_apart, apart.is_wide) == (False, True, True)
    assert not replace(apart, status=Status.exempt).stands_apart
    assert replace(one, verdict=Verdict.undetermined).is_undetermined


blocks = st.tuples(st.integers(0, 63), st.integers(26, 30)).map(
    lambda pair: IPv4Network((int(IPv4Network("8.8.0.0/16")[0]) + pair[0] * 16, pair[1]), strict=False)
)


def to_blame(sources: list[IPv4Network], floor: int) -> set[int]:
    """By hand: take away the largest, one after the other, until what is left is fewer addresses than the floor."""
    left = sorted(range(len(sources)), key=lambda number: -sources[number].num_addresses)
    blamed: set[int] = set()
    while len({address for number in left for address in sources[number]}) >= floor:
        blamed.add(left.pop(0))
    return blamed


@example([IPv4Network(f"8.8.{third}.0/26") for third in (1, 2, 3, 3, 3)], 25)
@settings(max_examples=300, deadline=None)
@given(st.lists(blocks, min_size=1, max_size=50), st.sampled_from([22, 23, 24, 25]))
def test_as_few_as_needed_are_blamed(sources: list[IPv4Network], prefix: int) -> None:
    """However many sources overlap: the largest, and not one more than what must go."""
    limits = Thresholds(ipv4_prefix=prefix, wide_ipv4_prefix=prefix)
    failing = found(*[accept(str(source)) for source in sources], limits=limits)
    wanted = to_blame(sources, 1 << 32 - prefix)
    assert {int(one.rule_id.removeprefix("sgr-")) - 1 for one in failing} == wanted
    assert all(one.together for one in failing)


EVERY = Check(id="every", all_ports=True)


def test_every_port_by_one_rule() -> None:
    """It fails by itself, for each protocol that it opens."""
    (one,) = found(permission(IpProtocol="ALL", PortRange="-1/-1"), checks=(EVERY,), limits=Thresholds())
    assert (one.together, one.ports.texts) == (False, ("tcp/1-65535", "udp/1-65535"))


def test_every_port_by_rules_that_only_together_leave_none_closed() -> None:
    """The widest are to blame, as many as it takes until a port is closed without them."""
    low, high = accept("0.0.0.0/0", "1/40000"), accept("0.0.0.0/0", "30000/65535")
    failing = found(low, high, low, high, checks=(EVERY,), limits=Thresholds())
    assert [(one.rule_id, one.together) for one in failing] == [("sgr-1", True), ("sgr-3", True)]
    assert found(low, accept("0.0.0.0/0", "50000/65535"), checks=(EVERY,), limits=Thresholds()) == []


def test_every_port_counts_only_sources_that_are_open_at_every_port() -> None:
    """Two addresses are left to a rule for every port; two more that may come to one port do not make it four."""
    large = [accept("8.8.8.0/29", "1/65535"), drop("8.8.8.0/30", "1/65535"), drop("8.8.8.4/31", "1/65535")]
    at_one = [accept(f"8.8.9.{number}", "22/22") for number in range(2)]
    at_every = [accept(f"8.8.9.{number}", "1/65535") for number in range(2)]
    assert told(*large, *at_one, checks=(EVERY,)) == []
    assert told(*large, *at_every, checks=(EVERY,)) == [("sgr-1", "every")]


def test_all_the_ports_where_a_source_is_wide_are_told() -> None:
    """However other rules cut the range."""
    both = found(drop("9.9.9.9/32", "22/22"), accept("8.8.8.0/31", "22/23"), checks=(BOTH,))
    assert [(one.rule_id, one.check_id, one.ports.texts) for one in both] == [
        ("sgr-2", "wide", ("tcp/22-23",))
    ]
