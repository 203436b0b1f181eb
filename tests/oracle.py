"""A second opinion, packet by packet, that shares no code with the rooms it judges.

It reads the API's own fields with the standard library and knows a small world: a few ports, a few addresses, four
near addresses, three source ports. Addresses that all rules treat alike are stood for by one that weighs as many. A set
of packets is a whole number, one bit for each packet.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from itertools import product
from typing import NamedTuple

Raw = Mapping[str, object]

HUGE = 1 << 31
SINGLES = [f"8.8.8.{n}" for n in range(8)] + [f"2400::{n:x}" for n in range(8)]
WEIGHTS = {
    **dict.fromkeys(SINGLES, 1),
    "1.1.1.1": HUGE,  # stands for the rest of the lower half of the IPv4 Internet
    "200.1.1.1": HUGE,  # and of the upper half
    "2a00::1": HUGE,  # and of the IPv6 Internet
    "10.0.0.1": 0,
    "10.200.0.1": 0,  # stands for the rest of 10.0.0.0/8, which a drop of 10.0.0.1 leaves open
    "fd00::1": 0,
}
SERVICES = [
    ("tcp", 21),
    ("tcp", 22),
    ("tcp", 23),
    ("tcp", 24),
    ("udp", 22),
    ("icmp", 0),
    ("icmpv6", 0),
    ("gre", 0),
]
# The third stands for the rest of the block, which drops of the first two leave open.
NEAR = {
    4: ["172.16.0.1", "172.16.0.2", "172.16.0.3", "192.168.9.9"],
    6: ["fd01::1", "fd01::2", "fd01::3", "fd99::9"],
}
SOURCE_PORTS = [53, 80, 1024]
THRESHOLD = 4
WIDE = 2

# The real thresholds, as blocks: an IPv4 /8 and an IPv6 /20 fail, from there to a /16 and a /40 a source is wide.
_TOO_MANY = {4: ip_network("1.0.0.0/8"), 6: ip_network("2400::/20")}
_MANY = {4: ip_network("1.1.0.0/16"), 6: ip_network("2400::/40")}


class Packet(NamedTuple):
    """One packet of the small world. `group` is the group its sender is a member of, "" for none."""

    protocol: str
    port: int
    far: str
    near: str
    source_port: int
    group: str


def _world() -> list[Packet]:
    packets = []
    for (protocol, port), far, which, source_port in product(
        SERVICES, WEIGHTS, range(len(NEAR[4])), SOURCE_PORTS
    ):
        near = NEAR[ip_address(far).version][which]
        packets.append(Packet(protocol, port, far, near, source_port, ""))
    for protocol, port in SERVICES:
        packets.append(Packet(protocol, port, "10.0.0.1", NEAR[4][0], 1024, "sg-friend"))
    return packets


PACKETS = _world()
EVERYTHING = (1 << len(PACKETS)) - 1


@lru_cache(maxsize=4096)
def is_in(address: str, block: str) -> bool:
    """Whether an address lies in a CIDR block (host bits may be set)."""
    network: IPv4Network | IPv6Network = ip_network(block, strict=False)
    return ip_address(address) in network


def hits(raw: Raw, packet: Packet, prefix_lists: Mapping[str, Sequence[str]]) -> bool:
    """Whether an ingress rule is about a packet."""
    return (
        is_service(_text(raw, "IpProtocol"), _text(raw, "PortRange"), packet)
        and is_source_port(_text(raw, "IpProtocol"), _text(raw, "SourcePortRange"), packet)
        and is_near(_text(raw, "DestCidrIp") or _text(raw, "Ipv6DestCidrIp"), packet)
        and is_far(_far_blocks(raw, prefix_lists), _text(raw, "SourceGroupId"), packet)
    )


def is_service(protocol: str, ports: str, packet: Packet) -> bool:
    """Whether a rule of this protocol and these ports is about the packet's."""
    name = _name(protocol)
    if name == "all":
        return True
    if name != packet.protocol:
        return False
    return packet.protocol not in {"tcp", "udp"} or _in_range(ports, packet.port)


def is_source_port(protocol: str, ports: str, packet: Packet) -> bool:
    """Whether a rule's source ports allow the packet's."""
    return _name(protocol) not in {"tcp", "udp"} or not ports or _in_range(ports, packet.source_port)


def is_near(block: str, packet: Packet) -> bool:
    """Whether a rule's own side allows the packet's near address."""
    return not block or is_in(packet.near, block)


def is_far(blocks: Sequence[str], group: str, packet: Packet) -> bool:
    """Whether a rule's source allows the packet's sender."""
    return packet.group == group if group else any(is_in(packet.far, block) for block in blocks)


def _far_blocks(raw: Raw, prefix_lists: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    prefix_list = _text(raw, "SourcePrefixListId")
    if prefix_list:
        return tuple(prefix_lists[prefix_list])
    return (_text(raw, "SourceCidrIp") or _text(raw, "Ipv6SourceCidrIp"),)


def _text(raw: Raw, key: str) -> str:
    return str(raw.get(key, ""))


def _name(protocol: str) -> str:
    numbers = {"6": "tcp", "17": "udp", "1": "icmp", "47": "gre", "58": "icmpv6"}
    return numbers.get(protocol.lower(), protocol.lower())


def _in_range(text: str, port: int) -> bool:
    first, last = (int(part) for part in text.split("/"))
    return first == -1 or first <= port <= last


class Oracle:
    """The judgement of one group's ingress rules, for one set of checked ports."""

    def __init__(self, raws: Sequence[Raw], prefix_lists: Mapping[str, Sequence[str]]) -> None:
        self.raws = raws
        self.masks = [_mask(raw, prefix_lists) for raw in raws]
        self.passed = [self._after_drops(number) for number in range(len(raws))]

    def _after_drops(self, number: int) -> int:
        """The packets that an accept lets in: no drop of a smaller or the same priority number is about them."""
        mine = self.raws[number]
        if str(mine["Policy"]).lower() != "accept":
            return 0
        left = self.masks[number]
        for other, mask in zip(self.raws, self.masks, strict=True):
            if str(other["Policy"]).lower() == "drop" and int(str(other["Priority"])) <= int(
                str(mine["Priority"])
            ):
                left &= ~mask
        return left

    def _priority(self, number: int) -> int:
        return int(str(self.raws[number]["Priority"]))

    @property
    def effective(self) -> int:
        """All packets that get in."""
        everything = 0
        for passed in self.passed:
            everything |= passed
        return everything

    def blamed(self, service: tuple[str, int]) -> dict[int, str]:
        """The rules to blame at a port: "own" or "together"; of equal contributors the first to be applied."""
        place = {number: at for at, number in enumerate(sorted(range(len(self.raws)), key=self._priority))}
        at = [far_of(passed, service) for passed in self.passed]
        verdicts = {number: "own" for number, far in enumerate(at) if reaches(far)}
        for version in (4, 6):
            rest = [number for number in range(len(at)) if verdicts.get(number) != "own"]
            while weight(frozenset().union(*[at[number] for number in rest]), version) >= THRESHOLD:
                largest = max(rest, key=lambda number: (weight(at[number], version), -place[number]))
                verdicts[largest] = "together"
                rest.remove(largest)
        return verdicts

    def wide(self, service: tuple[str, int]) -> set[int]:
        """The rules that let in enough to be told of, though they are not to blame at the port."""
        blamed = self.blamed(service)
        at = {number: far_of(passed, service) for number, passed in enumerate(self.passed)}
        return {number for number, far in at.items() if number not in blamed and reaches(far, WIDE)}

    def shadowed(self, services: Sequence[tuple[str, int]], number: int) -> bool:
        """Whether a rule would fail by itself, but nothing of it gets in."""
        if str(self.raws[number]["Policy"]).lower() != "accept":
            return False
        would = any(reaches(far_of(self.masks[number], service)) for service in services)
        return would and not self.passed[number] & packets_to(tuple(services))


def kind_of(block: str) -> str:
    """What a source is by itself that holds public addresses only: "fail", "wide" or "" for nothing."""
    network = ip_network(block)
    if network.num_addresses >= _TOO_MANY[network.version].num_addresses:
        return "fail"
    return "wide" if network.num_addresses >= _MANY[network.version].num_addresses else ""


def reaches(far: frozenset[str], least: int = THRESHOLD) -> bool:
    """Whether these addresses are too many, in either family."""
    return weight(far, 4) >= least or weight(far, 6) >= least


def weight(far: frozenset[str], version: int) -> int:
    """How many public addresses of a family these are."""
    return sum(WEIGHTS[address] for address in far if (":" in address) == (version == 6))


@lru_cache(maxsize=65536)
def far_of(packets: int, service: tuple[str, int]) -> frozenset[str]:
    """The addresses outside any group from which one of the packets goes to the service."""
    return frozenset(far for far in WEIGHTS if packets & _from(far, service))


@lru_cache(maxsize=1024)
def _from(far: str, service: tuple[str, int]) -> int:
    """All packets to a service from an address outside any group."""
    return sum(
        1 << bit
        for bit, packet in enumerate(PACKETS)
        if packet.far == far and not packet.group and (packet.protocol, packet.port) == service
    )


def _mask(raw: Raw, prefix_lists: Mapping[str, Sequence[str]]) -> int:
    """The packets a rule is about; field by field, as the same few values come back in many rules."""
    protocol = _text(raw, "IpProtocol")
    return (
        _bits(is_service, protocol, _text(raw, "PortRange"))
        & _bits(is_source_port, protocol, _text(raw, "SourcePortRange"))
        & _bits(is_near, _text(raw, "DestCidrIp") or _text(raw, "Ipv6DestCidrIp"))
        & _bits(is_far, _far_blocks(raw, prefix_lists), _text(raw, "SourceGroupId"))
    )


@lru_cache(maxsize=65536)
def _bits(test: Callable[..., bool], *values: object) -> int:
    return sum(1 << bit for bit, packet in enumerate(PACKETS) if test(*values, packet))


@lru_cache(maxsize=64)
def packets_to(services: tuple[tuple[str, int], ...]) -> int:
    """All packets to these services."""
    return sum(1 << bit for bit, packet in enumerate(PACKETS) if (packet.protocol, packet.port) in services)
