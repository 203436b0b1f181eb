"""Sets of packets, and what rules let through.

A packet has seven coordinates: the network card it comes by (classic network only), the security group its
sender is in, IP protocol, destination port, the far address, the near address, and source port. A set
is a union of boxes; a box is one set of numbers per coordinate. Protocols without ports have the ports {0}.
"""

from collections.abc import Iterable
from typing import NamedTuple

from orchestrator.exposure.addresses import (
    EVERYWHERE,
    IPV4,
    IPV6,
    PUBLIC,
    address_texts,
    addresses_of,
    example,
)
from orchestrator.exposure.intervals import Intervals, both, contains, minus, normal, union
from orchestrator.exposure.ports import PortSet
from orchestrator.securitygroup import (
    MAX_PORT,
    PROTOCOL_NAMES,
    PROTOCOL_NUMBERS,
    WITH_PORTS,
    Direction,
    GroupRef,
    PortRange,
    Rule,
)

Box = tuple[Intervals, Intervals, Intervals, Intervals, Intervals, Intervals, Intervals]
"""Network card, sender's group, protocol, port, far address, near address, source port."""

_CARD, _GROUP, _PROTOCOL, _PORT, _FAR, _NEAR, _SOURCE_PORT = range(7)

_INTERNET_CARD: Intervals = ((0, 0),)
_INTRANET_CARD: Intervals = ((1, 1),)
_ANY_CARD: Intervals = ((0, 1),)
_OUTSIDER = 0
# A group is the number that its name's bytes spell, so that it can be named again; 0 is a sender in no group.
_ANY_GROUP: Intervals = ((_OUTSIDER, (1 << 8 * 256) - 1),)
_WITH_PORTS: Intervals = ((6, 6), (17, 17))
_WITHOUT_PORTS: Intervals = minus(((0, 255),), _WITH_PORTS)
_ANY_PORT: Intervals = ((1, MAX_PORT),)
_NO_PORT: Intervals = ((0, 0),)
_CARDS = {"": _ANY_CARD, "internet": _INTERNET_CARD, "intranet": _INTRANET_CARD}


class Packet(NamedTuple):
    """One packet: `port` is None where the protocol has none, `group` is "" for a sender in no group."""

    protocol: str
    port: int | None
    source: str
    destination: str
    group: str = ""


class PacketSet:
    """An immutable set of packets. Two are equal if they hold the same packets, however they were made."""

    __slots__ = ("boxes",)
    __hash__ = None  # type: ignore[assignment]  # equal sets may be made of different boxes

    def __init__(self, boxes: Iterable[Box] = ()) -> None:
        self.boxes: tuple[Box, ...] = tuple(dict.fromkeys(boxes))

    def __or__(self, other: "PacketSet") -> "PacketSet":
        return PacketSet(self.boxes + other.boxes)

    def __and__(self, other: "PacketSet") -> "PacketSet":
        meets = [_meet(left, right) for left in self.boxes for right in other.boxes]
        return PacketSet([box for box in meets if box is not None])

    def __sub__(self, other: "PacketSet") -> "PacketSet":
        same = set(other.boxes)
        rest = [box for box in self.boxes if box not in same]
        for taken in other.boxes:
            rest = [piece for box in rest for piece in _without(box, taken)]
            if not rest:
                break
        return PacketSet(rest)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PacketSet):
            return NotImplemented
        return (self - other).is_empty and (other - self).is_empty

    def __le__(self, other: "PacketSet") -> bool:
        return (self - other).is_empty

    def __repr__(self) -> str:
        return f"<PacketSet {self.describe()}>"

    @property
    def is_empty(self) -> bool:
        """Whether there is no packet in it."""
        return not self.boxes

    def witness(self) -> Packet | None:
        """One packet of the set, one from the Internet if there is any; None if the set is empty."""
        if not self.boxes:
            return None
        box = next((box for box in self.boxes if _from_internet(box)), self.boxes[0])
        protocol = box[_PROTOCOL][0][0]
        group = _group_text(box[_GROUP][0][0])
        port = box[_PORT][0][0] if protocol in {6, 17} else None
        near = example(box[_NEAR]) if box[_NEAR] not in {IPV4, IPV6} else ""
        return Packet(_protocol_text(protocol), port, example(box[_FAR]), near, group)

    def describe(self, most: int = 4) -> str:
        """Short text for people: "tcp/22 from 0.0.0.0/0; icmp from 10.0.0.0/8"."""
        if not self.boxes:
            return "nothing"
        shown = "; ".join([_describe(box) for box in self.boxes[:most]])
        return shown if len(self.boxes) <= most else f"{shown}; and {len(self.boxes) - most} more"


NO_PACKETS = PacketSet()


def packets_of(rule: Rule) -> PacketSet:
    """What a rule matches, whatever other rules say; nothing if it has problems, as nobody knows what."""
    if rule.problems:
        return NO_PACKETS
    far = EVERYWHERE if rule.peer is None else addresses_of(rule.peer)
    near = EVERYWHERE if rule.own is None else addresses_of(rule.own)
    card, group = _CARDS[rule.nic_type], _group_of(rule)
    boxes = [
        (card, group, protocols, ports, both(far, family), both(near, family), source_ports)
        for protocols, ports, source_ports in _transport(rule)
        for family in (IPV4, IPV6)
    ]
    return PacketSet([box for box in boxes if all(box)])


def packets_to(ports: PortSet) -> PacketSet:
    """Every packet to these ports."""
    boxes: list[Box] = []
    for protocol in ports.protocols:
        number, source_ports = _protocol_number(protocol), _ANY_PORT if protocol in WITH_PORTS else _NO_PORT
        boxes += [
            (
                _ANY_CARD,
                _ANY_GROUP,
                ((number, number),),
                ports.numbers(protocol),
                family,
                family,
                source_ports,
            )
            for family in (IPV4, IPV6)
        ]
    return PacketSet(boxes)


def in_order(rules: Iterable[Rule]) -> list[Rule]:
    """Rules as the cloud applies them: smaller priority first, and Drop before Accept at the same one."""
    return sorted(rules, key=lambda rule: (rule.priority, rule.policy == "accept"))


def effective(rules: Iterable[Rule], direction: Direction = "ingress") -> PacketSet:
    """What these rules together let through: the accepts, each without the drops that win over it.

    Rules with problems neither let anything through nor shield anything here. What the group does by itself
    is not in it: see `implied_rules`.
    """
    passed = dropped = NO_PACKETS
    for rule in in_order([rule for rule in rules if rule.direction == direction]):
        if rule.policy == "drop":
            dropped |= packets_of(rule)
        else:
            passed |= packets_of(rule) - dropped
    return passed


def far_addresses(packets: PacketSet) -> Intervals:
    """The far addresses of the packets whose sender is in no group that a rule names."""
    return union(*[box[_FAR] for box in packets.boxes if contains(box[_GROUP], _OUTSIDER)])


def from_far(packets: PacketSet, addresses: Intervals) -> PacketSet:
    """Those of the packets whose far address is one of these."""
    ports: Intervals = ((0, MAX_PORT),)
    whole: Box = (_ANY_CARD, _ANY_GROUP, ((0, 255),), ports, addresses, EVERYWHERE, ports)
    return packets & PacketSet([whole] if addresses else [])


def _from_internet(box: Box) -> bool:
    return contains(box[_CARD], 0) and contains(box[_GROUP], _OUTSIDER) and bool(both(box[_FAR], PUBLIC))


def _group_of(rule: Rule) -> Intervals:
    if not isinstance(rule.peer, GroupRef):
        return _ANY_GROUP
    name = f"{rule.peer.owner_account}/{rule.peer.security_group_id}"
    number = int.from_bytes(name.encode(errors="backslashreplace")[:255], "big")
    return ((number, number),)


def _group_text(number: int) -> str:
    name = number.to_bytes((number.bit_length() + 7) // 8, "big").decode(errors="replace")
    return name.rpartition("/")[2]


def _transport(rule: Rule) -> list[tuple[Intervals, Intervals, Intervals]]:
    """Protocols, ports and source ports of a rule."""
    if rule.protocol == "all":
        return [(_WITH_PORTS, _ANY_PORT, _ANY_PORT), (_WITHOUT_PORTS, _NO_PORT, _NO_PORT)]
    number = _protocol_number(rule.protocol)
    if number not in {6, 17}:
        return [(((number, number),), _NO_PORT, _NO_PORT)]
    ports = normal([(one.first, one.last) for one in rule.ports])
    source_ports = normal([(one.first, one.last) for one in rule.source_ports]) or _ANY_PORT
    return [(((number, number),), ports, source_ports)]


def _protocol_number(protocol: str) -> int:
    return PROTOCOL_NUMBERS[protocol] if protocol in PROTOCOL_NUMBERS else int(protocol)


def _protocol_text(number: int) -> str:
    return PROTOCOL_NAMES.get(number, str(number))


def _meet(left: Box, right: Box) -> Box | None:
    """What two boxes share."""
    shared: list[Intervals] = []
    for mine, other in zip(left, right, strict=True):
        common = both(mine, other)
        if not common:
            return None
        shared.append(common)
    return tuple(shared)  # type: ignore[return-value]  # seven in, seven out


def _without(box: Box, taken: Box) -> list[Box]:
    """A box without another, as disjoint boxes: at most one for each coordinate."""
    shared = _meet(box, taken)
    if shared is None:
        return [box]
    rest: list[Box] = []
    for at in range(7):
        outside = minus(box[at], shared[at])
        if outside:
            rest.append((*shared[:at], outside, *box[at + 1 :]))  # type: ignore[arg-type]  # seven in, seven out
    return rest


def _describe(box: Box) -> str:
    what = "/".join(filter(None, [_protocols_text(box[_PROTOCOL]), _ports_text(box[_PORT])]))
    near = "" if box[_NEAR] in {IPV4, IPV6} else f" to {address_texts(box[_NEAR])}"
    source_ports = (
        "" if box[_SOURCE_PORT] in {_ANY_PORT, _NO_PORT} else f" from port {_ports_text(box[_SOURCE_PORT])}"
    )
    return f"{what} from {_senders_text(box)}{near}{source_ports}"


def _senders_text(box: Box) -> str:
    groups = box[_GROUP]
    if groups[0] != groups[0][:1] * 2:
        return address_texts(box[_FAR])
    where = "" if box[_FAR] in {IPV4, IPV6} else f" at {address_texts(box[_FAR])}"
    return f"{_group_text(groups[0][0])}{where}"


def _protocols_text(protocols: Intervals) -> str:
    if protocols == _WITH_PORTS:
        return "tcp+udp"
    ranges = [
        _protocol_text(first) if first == last else f"protocols {first}-{last}" for first, last in protocols
    ]
    return "+".join(ranges)


def _ports_text(ports: Intervals) -> str:
    if ports == _NO_PORT:
        return ""
    return ",".join([PortRange("", first, last).numbers for first, last in ports])
