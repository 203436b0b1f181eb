"""The exact cover: few networks that hold what was seen, against every cover there is in small spaces."""

from __future__ import annotations

import time
from collections.abc import Iterable
from ipaddress import ip_network
from itertools import combinations
from typing import Any

import pytest
from hypothesis import example, given, reject, settings
from hypothesis import strategies as st

from orchestrator.evidence.networks import WIDEST, Cover, NoCoverError, cover, cover_of, exact
from orchestrator.evidence.values import Flows, Traffic
from orchestrator.exposure import Intervals, blocks, both, minus, normal, size
from orchestrator.exposure.addresses import EVERYWHERE, IPV4, IPV6, IPV6_BASE
from orchestrator.securitygroup import parse_cidr

BITS = 4
BASE = int(ip_network("203.0.113.0").network_address)
SPACE = 1 << BITS
BLOCKS = [(first, height) for height in range(BITS + 1) for first in range(0, SPACE, 1 << height)]
numbers = st.sets(st.integers(0, SPACE - 1))


def shifted(addresses: Iterable[int], base: int = BASE) -> Intervals:
    """A set of addresses of the small space, on the line."""
    return normal([(base + one, base + one) for one in addresses])


def mask(first: int, height: int) -> int:
    """A block of the small space as bits."""
    return ((1 << (1 << height)) - 1) << first


def brute(seen: set[int], most: int, budget: int, within: set[int], prefix: int) -> tuple[int, int] | None:
    """The fewest blocks and their least excess, by trying every set of blocks; None where there is none."""
    wanted, allowed = sum(1 << one for one in seen), sum(1 << one for one in within)
    able = [
        mask(first, height)
        for first, height in BLOCKS
        if mask(first, height) & ~allowed == 0 and 32 - height >= prefix and mask(first, height) & wanted
    ]
    for count in range(min(most, len(able)) + 1):
        found = []
        for some in combinations(able, count):
            union = 0
            for one in some:
                union |= one
            if wanted & ~union == 0 and (excess := (union & ~wanted).bit_count()) <= budget:
                found.append(excess)
        if found:
            return count, min(found)
    return None


@settings(max_examples=150, deadline=None)
@given(
    seen=st.sets(st.integers(0, SPACE - 1), max_size=6),
    more=numbers,
    most=st.integers(1, 4),
    share=st.sampled_from([0.0, 0.34, 0.5, 1.0, 2.0, 8.0]),
    prefix=st.integers(28, 31),
    rule=st.sampled_from(["everything", "little more"]),
)
@example(seen={0, 15}, more=set(), most=4, share=8.0, prefix=28, rule="everything")
def test_no_cover_has_fewer_blocks_or_lets_in_less(
    seen: set[int], more: set[int], most: int, share: float, prefix: int, rule: str
) -> None:
    """Against every set of blocks of a small space, with bounds on number, excess, width and the rule's sources."""
    within = set(range(SPACE)) if rule == "everything" else seen | more
    budget = int(share * len(seen))
    expected = brute(seen, most, budget, within, prefix)
    try:
        found = cover(shifted(seen), most, share, shifted(within), (prefix, 40))
    except NoCoverError:
        found = None
    assert (None if found is None else (len(found.cidrs), found.excess)) == expected


@settings(max_examples=200, deadline=None)
@given(
    sources=st.lists(st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 2000)), min_size=1, max_size=30),
    six=st.lists(st.tuples(st.integers(0, 2**128 - 1), st.integers(0, 2**70)), max_size=5),
    most=st.integers(1, 60),
    share=st.sampled_from([0.0, 0.1, 1.0, 100.0, 1e9]),
    trim=st.integers(0, 2**31),
)
def test_a_cover_keeps_its_bounds(
    sources: list[tuple[int, int]], six: list[tuple[int, int]], most: int, share: float, trim: int
) -> None:
    """It never lets in less than what used it, nor more than the rule; its excess and its width are bounded."""
    seen = normal(
        [(first, min(first + more, IPV6_BASE - 1)) for first, more in sources]
        + [(IPV6_BASE + first, min(IPV6_BASE + first + more, EVERYWHERE[0][1])) for first, more in six]
    )
    within = normal([(max(0, first - trim), min(last + trim, EVERYWHERE[0][1])) for first, last in seen])
    try:
        found = cover(seen, most, share, within)
    except NoCoverError:
        reject()
    opened = blocks(found.cidrs)
    assert minus(seen, opened) == ()
    assert minus(opened, within) == ()
    assert size(opened) - size(seen) == found.excess
    assert len(found.cidrs) <= most
    assert sum(ip_network(one).num_addresses for one in found.cidrs) == size(opened)
    for family, prefix in ((4, WIDEST[0]), (6, WIDEST[1])):
        mine = [one for one in map(ip_network, found.cidrs) if one.version == family]
        known = both(seen, IPV4 if family == 4 else IPV6)
        assert all(one.prefixlen >= prefix for one in mine)
        assert sum(one.num_addresses for one in mine) <= size(known) * (1 + share)


def test_two_partners_are_two_networks_or_one() -> None:
    """As the bound on what more may be let in allows."""
    seen = blocks(["198.51.100.7/32", "198.51.100.4/32"])
    assert cover(seen, 5, 0, EVERYWHERE) == Cover(("198.51.100.4/32", "198.51.100.7/32"), 0)
    assert cover(seen, 5, 1, EVERYWHERE) == Cover(("198.51.100.4/30",), 2)
    assert exact(seen) == ("198.51.100.4/32", "198.51.100.7/32")


@pytest.mark.parametrize(
    ("seen", "most", "within"),
    [
        (["0.0.0.0/0"], 200, ["0.0.0.0/0"]),
        (["::/0"], 200, ["::/0"]),
        (["10.0.0.0/12"], 15, ["10.0.0.0/8"]),
        (["1.2.3.4/32", "5.6.7.8/32"], 1, ["0.0.0.0/0"]),
        (["1.2.3.4/32"], 1, ["1.2.3.0/30"]),
        (["1.2.3.4/32"], 1, []),
    ],
)
def test_what_has_no_cover_is_refused(seen: list[str], most: int, within: list[str]) -> None:
    """The Internet, too many networks, and what the rule itself does not let in."""
    with pytest.raises(NoCoverError):
        cover(blocks(seen), most, 1000, blocks(within))


def test_what_is_wide_and_was_seen_is_several_blocks() -> None:
    """A whole /12 that was seen is sixteen /16."""
    found = cover(blocks(["10.0.0.0/12"]), 16, 0, EVERYWHERE)
    assert len(found.cidrs) == 16
    assert {ip_network(one).prefixlen for one in found.cidrs} == {16}


def test_the_excess_of_one_family_is_not_the_other_s() -> None:
    """An IPv6 network that was seen has more addresses than all of IPv4; it lets none of these in."""
    seen = blocks(["2001:db8::/48", "1.2.3.4/32", "1.2.3.7/32"])
    assert cover(seen, 9, 0.5, EVERYWHERE).cidrs == ("1.2.3.4/32", "1.2.3.7/32", "2001:db8::/48")


def test_the_last_ipv4_address_and_the_first_of_ipv6_are_no_neighbours() -> None:
    """They stand side by side on the line, and are two networks."""
    seen = blocks(["255.255.255.255/32", "::/128"])
    assert len(seen) == 1
    assert exact(seen) == cover(seen, 2, 0, EVERYWHERE).cidrs == ("255.255.255.255/32", "::/128")


def test_many_sources_take_seconds() -> None:
    """Ten thousand lone addresses are covered, or refused, in a few seconds."""
    seen = normal([((one * 2654435761) % 2**32,) * 2 for one in range(10_000)])
    began = time.monotonic()
    with pytest.raises(NoCoverError):
        cover(seen, 50, 1, EVERYWHERE)
    near = normal([(BASE + 2 * one, BASE + 2 * one) for one in range(10_000)])
    assert len(cover(near, 20, 1, EVERYWHERE).cidrs) <= 20
    assert time.monotonic() - began < 20


def used(*cidrs: str, **fields: Any) -> Traffic:
    """A door that these networks used."""
    sources = tuple(Flows(cidr=one, flows=1) for one in cidrs)
    return Traffic(**{"status": "observed", "sources": sources, **fields})


def test_a_door_is_narrowed_to_those_who_used_it() -> None:
    """Those whom another rule lets in are covered only where that is closed, too."""
    kept = (Flows(cidr="203.0.113.9/32", flows=1, lets_in_as_well=("sgr-2", "sgr-3")),)
    told = used("198.51.100.7/32", "198.51.100.4/32", kept=kept)
    anywhere = parse_cidr("0.0.0.0/0")
    assert cover_of(told, anywhere, 5, 1).cidrs == ("198.51.100.4/30",)
    assert cover_of(told, anywhere, 5, 0, ["sgr-2"]).cidrs == ("198.51.100.4/32", "198.51.100.7/32")
    assert len(cover_of(told, anywhere, 5, 0, ["sgr-3", "sgr-2"]).cidrs) == 3
    with pytest.raises(NoCoverError, match="more than 1 blocks"):
        cover_of(told, anywhere, 1, 0)


@pytest.mark.parametrize(
    "told",
    [
        Traffic(status="quiet"),
        used("1.2.3.4/32", status="incomplete", reason="SKIPDATA"),
        used("1.2.3.4/32", sources_untold=1),
        used("1.2.3.4/32", kept_untold=1),
        used(),
    ],
)
def test_a_door_whose_users_are_not_all_known_is_not_narrowed(told: Traffic) -> None:
    """Somebody might be cut whom nobody named; nor is one that nobody would be cut at."""
    with pytest.raises(NoCoverError):
        cover_of(told, parse_cidr("0.0.0.0/0"), 5, 1)
