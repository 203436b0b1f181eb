"""The small texts of a Permission as values. Each function raises ValueError on what it does not understand.

The same few texts come back in every group of every account, so what was understood once is remembered.
"""

import re
from functools import lru_cache
from ipaddress import AddressValueError, IPv4Address, IPv6Address

from orchestrator.securitygroup.values import MAX_PORT, WITH_PORTS, Cidr, PortRange, every_port

PROTOCOL_NAMES = {1: "icmp", 6: "tcp", 17: "udp", 47: "gre", 58: "icmpv6"}
"""Some regions accept and may echo IANA numbers where others use names (ECS AuthorizeSecurityGroup)."""

PROTOCOL_NUMBERS = {name: number for number, name in PROTOCOL_NAMES.items()}

_ALL_PORT_TEXTS = frozenset({"-1/-1", "1/65535"})


@lru_cache(maxsize=1024)
def parse_protocol(text: str) -> str:
    """A protocol by its name in any case or its IANA number: "tcp", "all", "132"."""
    name = text.strip().lower()
    if name == "all" or name in PROTOCOL_NUMBERS:
        return name
    number = _number(name)
    if number > 255:
        raise ValueError(f"{text!r} is no IP protocol")
    return PROTOCOL_NAMES.get(number, str(number))


@lru_cache(maxsize=16384)
def parse_port_range(protocol: str, text: str) -> PortRange:
    """Ports of "tcp" or "udp" as the API writes them, "22/22" or "-1/-1" for all; a lone "22" is taken too."""
    text = text.strip()
    if text in _ALL_PORT_TEXTS:
        return every_port(protocol)
    return _port_range(protocol, *text.partition("/"))


@lru_cache(maxsize=16384)
def parse_ports(text: str) -> PortRange:
    """Ports as sgsweep writes them: "tcp/22", "tcp/6000-6010", "icmp" for a protocol without ports; "22" means tcp.

    This is what `str` makes of a PortRange whose protocol has a name.
    """
    name, slash, numbers = text.strip().lower().partition("/")
    if not slash and name in PROTOCOL_NUMBERS and name not in WITH_PORTS:
        return PortRange(name)
    if not slash:
        name, numbers = "tcp", name
    if name not in WITH_PORTS:
        raise ValueError(f"{text[:40]!r} names no ports")
    return _port_range(name, *numbers.partition("-"))


def _port_range(protocol: str, first_text: str, between: str, last_text: str) -> PortRange:
    first = _number(first_text)
    last = _number(last_text) if between else first
    if not 1 <= first <= last <= MAX_PORT:
        raise ValueError(f"{first_text + between + last_text!r} is no port range")
    return PortRange(protocol, first, last)


def means_every_port(text: str) -> bool:
    """Whether the text is what protocols without ports must carry; an absent one says the same."""
    return not text or text.strip() in _ALL_PORT_TEXTS


# "010" is 8 to some readers and 10 to others, so no octet may begin with a zero: whoever wrote it must say which.
_OCTET = "(0|[1-9][0-9]{0,2})"
_IPV4 = re.compile(rf"{_OCTET}\.{_OCTET}\.{_OCTET}\.{_OCTET}(?:/([0-9]{{1,2}}))?")


@lru_cache(maxsize=65536)
def parse_cidr(text: str) -> Cidr:
    """An IPv4 or IPv6 block in any spelling; host bits are cleared, a lone address is a block of one."""
    text = text.strip()
    if ":" in text:
        return _parse_ipv6(text)
    match = _IPV4.fullmatch(text)
    if not match:
        raise ValueError(f"{text[:40]!r} is no IPv4 address")
    a, b, c, d, length = match.groups()
    octets = (int(a), int(b), int(c), int(d))
    prefix = 32 if length is None else int(length)
    if max(octets) > 255:
        raise ValueError(f"{text!r} is no IPv4 address")
    if prefix > 32:
        raise ValueError(f"{text!r} has a prefix longer than its address")
    base = octets[0] << 24 | octets[1] << 16 | octets[2] << 8 | octets[3]
    hosts = (1 << (32 - prefix)) - 1
    first = base & ~hosts
    return Cidr(
        4,
        first,
        first | hosts,
        f"{IPv4Address(first)}/{prefix}" if base & hosts else f"{a}.{b}.{c}.{d}/{prefix}",
    )


def _parse_ipv6(text: str) -> Cidr:
    address, slash, length = text.partition("/")
    prefix = _number(length) if slash else 128
    if prefix > 128:
        raise ValueError(f"{text[:60]!r} has a prefix longer than its address")
    hosts = (1 << (128 - prefix)) - 1
    first = _ipv6(address) & ~hosts
    return Cidr(6, first, first | hosts, f"{IPv6Address(first)}/{prefix}")


@lru_cache(maxsize=4096)
def parse_prefix_entries(texts: tuple[str, ...]) -> tuple[Cidr, ...]:
    """The entries of a prefix list."""
    return tuple([parse_cidr(text) for text in texts])


@lru_cache(maxsize=4096)
def parse_port_entries(protocol: str, texts: tuple[str, ...]) -> tuple[PortRange, ...]:
    """The entries of a port list, as ports of the protocol of a rule that names it."""
    return tuple([parse_port_range(protocol, text) for text in texts])


@lru_cache(maxsize=1024)
def parse_priority(text: str) -> int:
    """1 to 100; 110 lives on in default rules made before May 2020, so all up to 110 are taken."""
    priority = _number(text.strip())
    if not 1 <= priority <= 110:
        raise ValueError(f"{text!r} is no priority")
    return priority


def _number(text: str) -> int:
    """A plain decimal; int() alone would also take signs, blanks and the digits of other scripts."""
    if not (text.isascii() and text.isdigit() and len(text) <= 5):
        raise ValueError(f"{text[:40]!r} is no number in range")
    return int(text)


def _ipv6(text: str) -> int:
    if "%" in text:
        raise ValueError(f"{text[:40]!r} has a zone: no block of addresses has one")
    try:
        return int(IPv6Address(text))
    except AddressValueError:
        raise ValueError(f"{text[:60]!r} is no IPv6 address") from None
