"""Checks made ready to be used many times: numbers instead of names, thresholds instead of prefixes."""

from dataclasses import dataclass, replace
from functools import lru_cache

from orchestrator.exposure import Count, PortSet, Zone, ports_of
from orchestrator.policy.checks import Check, Thresholds
from orchestrator.securitygroup import Direction, PortRange, Rule, every_port

NEVER = Count(1 << 200, 1 << 200)
"""More addresses than there are."""


@dataclass(frozen=True, eq=False, slots=True)
class Aim:
    """A check, ready: what it watches, and how many addresses of either family are too many.

    There is one for each check, so it is known by its identity and what was asked of it is remembered.
    """

    check: Check
    targets: tuple[PortRange, ...]
    floor: Count
    wide: Count
    """From here on a source is worth a word though it does not fail."""
    least: Count
    """The lower of the two, for each family."""
    alone: bool
    """Each rule is judged by its own source; rules are not added up."""
    parts: tuple["Aim", ...] = ()
    """Where only every port being open counts: the same for each protocol by itself."""


@dataclass(frozen=True, eq=False, slots=True)
class TrafficView:
    """The aims that look at the same traffic: one direction, one zone."""

    direction: Direction
    zone: Zone
    aims: tuple[Aim, ...]
    floor: Count
    """Fewer addresses than this, in all of a group's rules together, fail none of the aims."""
    least: Count
    """A source of fewer addresses than this is neither wide nor a failure for any of the aims."""

    def cards(self, *, classic: bool) -> tuple[str, ...]:
        """The network cards whose rules are to be judged apart; "" is the only one of a VPC."""
        if not classic:
            return ("",)
        return {"internet": ("internet",), "private": ("intranet",), "any": ("internet", "intranet")}[
            self.zone
        ]


@lru_cache(maxsize=256)
def views_of(checks: tuple[Check, ...], thresholds: Thresholds) -> tuple[TrafficView, ...]:
    """The checks as aims, by the traffic they look at."""
    grouped: dict[tuple[Direction, Zone], list[Aim]] = {}
    for check in checks:
        grouped.setdefault((check.direction, check.zone), []).append(_aim(check, thresholds))
    return tuple([_view(*key, tuple(aims)) for key, aims in grouped.items()])


def _view(direction: Direction, zone: Zone, aims: tuple[Aim, ...]) -> TrafficView:
    return TrafficView(
        direction, zone, aims, _lowest([aim.floor for aim in aims]), _lowest([aim.least for aim in aims])
    )


def covered(aim: Aim, rule: Rule) -> tuple[PortRange, ...]:
    """What of the aim's targets a rule is about."""
    return tuple([part for _, parts in within(aim, rule.protocol, rule.ports) for part in parts])


def only_covers(aim: Aim, rule: Rule) -> bool:
    """Whether a rule is about nothing but the aim's targets."""
    return _only_covers(aim, rule.protocol, rule.ports)


@lru_cache(maxsize=4096)
def joined(ranges: tuple[PortRange, ...]) -> PortSet:
    """The ports as one set. The same few come back in every group of every account, so each is made once."""
    return PortSet(ranges)


@lru_cache(maxsize=16384)
def is_whole(part: Aim, protocol: str, ports: tuple[PortRange, ...]) -> bool:
    """Whether a rule of this protocol and these ports is about all that a part of an aim watches."""
    return PortSet([one for _, parts in within(part, protocol, ports) for one in parts]) == PortSet(
        part.targets
    )


@lru_cache(maxsize=65536)
def within(
    aim: Aim, protocol: str, ports: tuple[PortRange, ...]
) -> tuple[tuple[PortRange, tuple[PortRange, ...]], ...]:
    """The aim's targets that a rule of this protocol and these ports is about, each with what of it."""
    found = [(target, _common(target, ports_of(protocol, ports, target.protocol))) for target in aim.targets]
    return tuple([pair for pair in found if pair[1]])


def _common(target: PortRange, ports: tuple[PortRange, ...]) -> tuple[PortRange, ...]:
    protocol, first, last = target.protocol, target.first, target.last
    return tuple(
        [
            PortRange(protocol, max(first, one.first), min(last, one.last))
            for one in ports
            if one.first <= last and one.last >= first
        ]
    )


@lru_cache(maxsize=16384)
def _only_covers(aim: Aim, protocol: str, ports: tuple[PortRange, ...]) -> bool:
    return PortSet(ports_of(protocol, ports, protocol)) <= PortSet(aim.targets)


def _aim(check: Check, thresholds: Thresholds) -> Aim:
    floor, wide = _floor(check, thresholds), NEVER
    if check.ports and check.zone == "internet" and check.direction == "ingress" and check.wider_than is None:
        wide = Count(1 << 32 - thresholds.wide_ipv4_prefix, 1 << 128 - thresholds.wide_ipv6_prefix)
    whole = check.all_ports or not (check.ports or check.except_ports or check.protocol or check.wider_than)
    least = _lowest([floor, wide])
    aim = Aim(check, _targets(check), floor, wide, least, check.wider_than is not None)
    return replace(aim, parts=tuple([replace(aim, targets=(one,)) for one in aim.targets])) if whole else aim


def _floor(check: Check, thresholds: Thresholds) -> Count:
    if check.wider_than is not None:
        ipv6_prefix = 48 if check.ipv6_prefix is None else check.ipv6_prefix
        return Count((1 << 32 - check.wider_than) + 1, (1 << 128 - ipv6_prefix) + 1)
    ipv4_prefix = thresholds.ipv4_prefix if check.ipv4_prefix is None else check.ipv4_prefix
    ipv6_prefix = thresholds.ipv6_prefix if check.ipv6_prefix is None else check.ipv6_prefix
    return Count(1 << 32 - ipv4_prefix, 1 << 128 - ipv6_prefix)


def _targets(check: Check) -> tuple[PortRange, ...]:
    if check.protocol == "icmp":
        return every_port("icmp"), every_port("icmpv6")
    if check.protocol:
        return (every_port(check.protocol),)
    if check.ports:
        return tuple(dict.fromkeys(check.ports))
    return tuple(PortSet([every_port("tcp"), every_port("udp")]) - PortSet(check.except_ports))


def _lowest(counts: list[Count]) -> Count:
    """The lowest for each family."""
    return Count(min([one.ipv4 for one in counts]), min([one.ipv6 for one in counts]))
