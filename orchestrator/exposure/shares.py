"""Who gets through at one port: the share of every accepting rule, after the drops that win over it."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

from orchestrator.exposure.addresses import ZONES, Count, Zone, count, reach_of
from orchestrator.exposure.intervals import Intervals, both, minus
from orchestrator.exposure.packets import far_addresses, from_far, packets_of, packets_to
from orchestrator.securitygroup import ALL_PORTS, PROTOCOL_NAMES, PortRange, Rule, Source

_EVERY_PORT: tuple[PortRange, ...] = (ALL_PORTS,)
_NO_PORT: tuple[PortRange, ...] = (PortRange(0, 0),)


class Span(Protocol):
    """Anything that runs from one port to another."""

    @property
    def first(self) -> int:
        """The first port."""

    @property
    def last(self) -> int:
        """The last port, included."""


class Share(NamedTuple):
    """The far addresses of a zone that a rule lets through at one port, and how many they are."""

    rule: Rule
    addresses: Intervals
    size: Count


def ports_of(protocol: str, ports: tuple[PortRange, ...], number: int) -> tuple[PortRange, ...]:
    """What a rule of this protocol and these ports is about in the protocol with the number.

    Port 0 stands for all of a protocol without ports.
    """
    if protocol == "all":
        return _EVERY_PORT if number in {6, 17} else _NO_PORT
    if protocol != PROTOCOL_NAMES.get(number, str(number)):
        return ()
    return ports if number in {6, 17} else _NO_PORT


def segments(ports: Iterable[Span], first: int, last: int) -> list[tuple[int, int]]:
    """The ports from `first` to `last`, cut so that each range covers a whole piece or none of it."""
    if first == last:
        return [(first, last)]
    cuts = {first}
    for one in ports:
        cuts.update([cut for cut in (one.first, one.last + 1) if first < cut <= last])
    starts = sorted(cuts)
    return list(zip(starts, [start - 1 for start in starts[1:]] + [last], strict=True))


def shares(rules: Sequence[Rule], protocol: int, port: int, zone: Zone) -> list[Share]:
    """The share of each accepting rule at a port, in order; all rules given must cover it, and be in order.

    A drop that asks for more than the far address (a five-tuple rule) takes away only what it asks for: a far
    address is out of a share when no packet from it is left.
    """
    found: list[Share] = []
    free = whole = ZONES[zone]
    known: dict[Source, tuple[Intervals, Intervals, Count]] = {}
    partial: list[Rule] = []
    for rule in rules:
        if rule.peer is None:
            continue
        if rule.policy == "drop":
            if _is_partial(rule):
                partial.append(rule)
            else:
                free = minus(free, reach_of(rule.peer, zone).addresses)
            continue
        addresses, size = reach_of(rule.peer, zone)
        if free is not whole:
            if rule.peer not in known or known[rule.peer][0] is not free:
                addresses = both(addresses, free)
                known[rule.peer] = free, addresses, count(addresses)
            _, addresses, size = known[rule.peer]
        if partial and addresses:
            addresses = _past(partial, rule, protocol, port, addresses)
            size = count(addresses)
        found.append(Share(rule, addresses, size))
    return found


def _is_partial(rule: Rule) -> bool:
    return rule.own is not None or bool(rule.source_ports)


def _past(drops: Sequence[Rule], accept: Rule, protocol: int, port: int, addresses: Intervals) -> Intervals:
    """The addresses from which at least one packet at the port passes these drops."""
    here = packets_to(PROTOCOL_NAMES.get(protocol, str(protocol)), (PortRange(port, port),) if port else ())
    left = from_far(packets_of(accept) & here, addresses)
    for drop in drops:
        left -= packets_of(drop)
    return far_addresses(left)
