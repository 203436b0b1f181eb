"""All addresses on one line, IPv4 first, then IPv6: which are public, how many they are, their names."""

from bisect import bisect_left
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, summarize_address_range
from typing import Literal, NamedTuple

from orchestrator.exposure.intervals import NOTHING, Intervals, both, minus, normal, size
from orchestrator.securitygroup import Cidr, GroupRef, Source, parse_cidr

IPV6_BASE = 1 << 32
"""Where IPv6 begins on the line: the IPv6 address n stands at IPV6_BASE + n."""

IPV4: Intervals = ((0, IPV6_BASE - 1),)
IPV6: Intervals = ((IPV6_BASE, IPV6_BASE + (1 << 128) - 1),)
EVERYWHERE: Intervals = ((0, IPV6_BASE + (1 << 128) - 1),)

_SPECIAL = (
    # IANA IPv4 Special-Purpose Address Registry, and multicast (RFC 5771)
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
    "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16",
    "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
    # IANA IPv6 Special-Purpose Address Registry, and multicast (RFC 4291)
    "::/128", "::1/128", "::ffff:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "100:0:0:1::/64",
    "2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20", "5f00::/16", "fc00::/7",
    "fe80::/10", "ff00::/8",
)  # fmt: skip

_PRIVATE = ("10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")


def line(cidr: Cidr) -> tuple[int, int]:
    """The stretch of the line that a block covers."""
    return (cidr.first, cidr.last) if cidr.family == 4 else (IPV6_BASE + cidr.first, IPV6_BASE + cidr.last)


def blocks(texts: Iterable[str]) -> Intervals:
    """The addresses in any of these CIDR blocks."""
    return normal([line(parse_cidr(text)) for text in texts])


PUBLIC: Intervals = minus(EVERYWHERE, blocks(_SPECIAL))
"""The Internet: every address that no registry reserves and that is not multicast."""

PRIVATE: Intervals = blocks(_PRIVATE)
"""Networks inside: RFC 1918, the carrier's shared space that Alibaba Cloud's own services use, and ULA."""

_GLOBAL_UNICAST = blocks(["2000::/3"])


class Count(NamedTuple):
    """How many addresses of each family."""

    ipv4: int
    ipv6: int


def count(addresses: Intervals) -> Count:
    """How many addresses of each family are in the set."""
    border = bisect_left(addresses, (IPV6_BASE,))
    total = size(addresses)
    ipv4 = total if border == len(addresses) else size(addresses[:border])
    if border and addresses[border - 1][1] >= IPV6_BASE:
        ipv4 -= addresses[border - 1][1] - IPV6_BASE + 1
    return Count(ipv4, total - ipv4)


@lru_cache(maxsize=16384)
def addresses_of(source: Source) -> Intervals:
    """Every address a source may stand for. A group's members may have any."""
    if isinstance(source, Cidr):
        return (line(source),)
    if isinstance(source, GroupRef):
        return EVERYWHERE
    return normal(
        [
            (one.first, one.last) if one.family == 4 else (IPV6_BASE + one.first, IPV6_BASE + one.last)
            for one in source.entries or ()
        ]
    )


Zone = Literal["internet", "private", "any"]
ZONES: dict[Zone, Intervals] = {"internet": PUBLIC, "private": PRIVATE, "any": EVERYWHERE}


class Reach(NamedTuple):
    """The part of a source that lies in a zone, and its size."""

    addresses: Intervals
    size: Count


@lru_cache(maxsize=65536)
def reach_of(source: Source, zone: Zone = "internet") -> Reach:
    """What a source reaches within a zone. A group's members come over the internal network: nothing."""
    addresses = NOTHING if isinstance(source, GroupRef) else both(addresses_of(source), ZONES[zone])
    return Reach(addresses, count(addresses))


def address_text(point: int) -> str:
    """The address at a point of the line."""
    return str(IPv4Address(point)) if point < IPV6_BASE else str(IPv6Address(point - IPV6_BASE))


def example(addresses: Intervals) -> str:
    """One address of a set that is not empty: public before private, IPv4 before IPv6."""
    first = both(addresses[:1], PUBLIC)
    if first and first[0][0] < IPV6_BASE:
        return address_text(first[0][0])
    public = both(addresses, PUBLIC)
    ipv4 = both(public, IPV4)
    choice = ipv4 or both(public, _GLOBAL_UNICAST) or public or addresses
    return address_text(choice[0][0])


def address_texts(addresses: Intervals, most: int = 4) -> str:
    """The set as CIDR blocks or ranges, the first few of them: "10.0.0.0/8, 1.2.3.4-1.2.3.9 and 7 more"."""
    ipv4, ipv6 = both(addresses, IPV4), both(addresses, IPV6)
    ranges = ipv4 + ipv6
    shown = ", ".join([_range_text(first, last) for first, last in ranges[:most]])
    return shown if len(ranges) <= most else f"{shown} and {len(ranges) - most} more"


def _range_text(first: int, last: int) -> str:
    if last < IPV6_BASE:
        summary = list(summarize_address_range(IPv4Address(first), IPv4Address(last)))
        return str(summary[0]) if len(summary) == 1 else f"{summary[0][0]}-{summary[-1][-1]}"
    low, high = first - IPV6_BASE, last - IPV6_BASE
    wide = list(summarize_address_range(IPv6Address(low), IPv6Address(high)))
    return str(wide[0]) if len(wide) == 1 else f"{wide[0][0]}-{wide[-1][-1]}"
