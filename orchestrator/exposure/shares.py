"""Who gets through at one port: the share of every accepting rule, after the drops that win over it."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from orchestrator.exposure.addresses import ZONES, Count, Zone, count, reach_of
from orchestrator.exposure.intervals import Intervals, both, minus
from orchestrator.exposure.packets import far_addresses, from_far, packets_of, packets_to
from orchestrator.exposure.ports import PortSet
from orchestrator.securitygroup import WITH_PORTS, PortRange, Rule, Source, every_port


class Share(NamedTuple):
    """The far addresses of a zone that a rule lets through at one port, and how many they are."""

    rule: Rule
    addresses: Intervals
    size: Count


def ports_of(protocol: str, ports: tuple[PortRange, ...], wanted: str) -> tuple[PortRange, ...]:
    """What a rule of this protocol and these ports is about in the wanted protocol."""
    if protocol == "all":
        return (every_port(wanted),)
    if protocol != wanted:
        return ()
    return ports if wanted in WITH_PORTS else (every_port(wanted),)


def segments(whole: PortRange, ranges: Iterable[PortRange]) -> list[PortRange]:
    """The whole, cut so that each of the ranges, which are of the same protocol, covers all of a part or none."""
    protocol, first, last = whole.protocol, whole.first, whole.last
    cuts = {first}
    for one in ranges:
        cuts.update([cut for cut in (one.first, one.last + 1) if first < cut <= last])
    starts = sorted(cuts)
    ends = [start - 1 for start in starts[1:]] + [last]
    return [PortRange(protocol, low, high) for low, high in zip(starts, ends, strict=True)]


def shares(rules: Sequence[Rule], at: PortRange, zone: Zone) -> list[Share]:
    """The share of each accepting rule at some ports, in order; all rules given must cover these, and be in order.

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
            addresses = _past(partial, rule, at, addresses)
            size = count(addresses)
        found.append(Share(rule, addresses, size))
    return found


def _is_partial(rule: Rule) -> bool:
    return rule.own is not None or bool(rule.source_ports)


def _past(drops: Sequence[Rule], accept: Rule, at: PortRange, addresses: Intervals) -> Intervals:
    """The addresses from which at least one packet at the ports passes these drops."""
    left = from_far(packets_of(accept) & packets_to(PortSet([at])), addresses)
    for drop in drops:
        left -= packets_of(drop)
    return far_addresses(left)
