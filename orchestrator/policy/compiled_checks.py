"""Checks made ready to be used many times: numbers instead of names, thresholds instead of prefixes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

from orchestrator.exposure import Count, PortSet, Zone, ports_of
from orchestrator.policy.checks import Check, Thresholds
from orchestrator.securitygroup import Direction, PortRange, Rule, every_port

NEVER = Count(1 << 200, 1 << 200)
"""More addresses than there are."""


@dataclass(frozen=True, eq=False, slots=True)
class CompiledCheck:
    """A check, ready: what it watches, and how many addresses of either family are too many.

    There is one for each check, so it is known by its identity and what was asked of it is remembered.
    """

    definition: Check
    targets: tuple[PortRange, ...]
    floor: Count
    wide: Count
    """From here on a source is worth a word though it does not fail."""
    least: Count
    """The lower of the two, for each family."""
    alone: bool
    """Each rule is judged by its own source; rules are not added up."""
    parts: tuple[CompiledCheck, ...] = ()
    """Where only every port being open counts: the same for each protocol by itself."""

    def within(self, rule: Rule) -> tuple[tuple[PortRange, tuple[PortRange, ...]], ...]:
        """The targets that a rule is about, each with what of it."""
        return _within(self, rule.protocol, rule.ports)

    def covered(self, rule: Rule) -> tuple[PortRange, ...]:
        """What of the targets a rule is about."""
        return tuple([part for _, parts in self.within(rule) for part in parts])

    def is_whole(self, rule: Rule) -> bool:
        """Whether a rule is about all that is watched."""
        return _is_whole(self, rule.protocol, rule.ports)

    def is_about(self, rule: Rule) -> bool:
        """Whether a rule may matter: it is about a target or, where only every port counts, about all of a protocol."""
        return any(part.is_whole(rule) for part in self.parts) if self.parts else bool(self.within(rule))

    def only_covers(self, rule: Rule) -> bool:
        """Whether a rule is about nothing but the targets."""
        return _only_covers(self, rule.protocol, rule.ports)


@dataclass(frozen=True, eq=False, slots=True)
class TrafficView:
    """The checks that look at the same traffic: one direction, one zone."""

    direction: Direction
    zone: Zone
    checks: tuple[CompiledCheck, ...]
    floor: Count
    """Fewer addresses than this, in all of a group's rules together, fail none of the checks."""
    least: Count
    """A source of fewer addresses than this is neither wide nor a failure for any of the checks."""

    def cards(self, *, classic: bool) -> tuple[str, ...]:
        """The network cards whose rules are to be judged apart; "" is the only one of a VPC."""
        if not classic:
            return ("",)
        return {"internet": ("internet",), "private": ("intranet",), "any": ("internet", "intranet")}[
            self.zone
        ]


@lru_cache(maxsize=256)
def views_of(checks: tuple[Check, ...], thresholds: Thresholds) -> tuple[TrafficView, ...]:
    """The checks, compiled, by the traffic they look at."""
    grouped: dict[tuple[Direction, Zone], list[CompiledCheck]] = {}
    for check in checks:
        grouped.setdefault((check.direction, check.zone), []).append(_compiled(check, thresholds))
    return tuple([_view(*key, tuple(compiled)) for key, compiled in grouped.items()])


def _view(direction: Direction, zone: Zone, checks: tuple[CompiledCheck, ...]) -> TrafficView:
    return TrafficView(
        direction,
        zone,
        checks,
        _lowest([one.floor for one in checks]),
        _lowest([one.least for one in checks]),
    )


@lru_cache(maxsize=4096)
def joined(ranges: tuple[PortRange, ...]) -> PortSet:
    """The ports as one set. The same few come back in every group of every account, so each is made once."""
    return PortSet(ranges)


def _common(target: PortRange, ports: tuple[PortRange, ...]) -> tuple[PortRange, ...]:
    protocol, first, last = target.protocol, target.first, target.last
    return tuple(
        [
            PortRange(protocol, max(first, one.first), min(last, one.last))
            for one in ports
            if one.first <= last and one.last >= first
        ]
    )


# Of a compiled check and of what a rule says, not of the rule: the same few come back in every group of every account.


@lru_cache(maxsize=65536)
def _within(
    compiled: CompiledCheck, protocol: str, ports: tuple[PortRange, ...]
) -> tuple[tuple[PortRange, tuple[PortRange, ...]], ...]:
    found = [
        (target, _common(target, ports_of(protocol, ports, target.protocol))) for target in compiled.targets
    ]
    return tuple([pair for pair in found if pair[1]])


@lru_cache(maxsize=16384)
def _is_whole(compiled: CompiledCheck, protocol: str, ports: tuple[PortRange, ...]) -> bool:
    about = PortSet([one for _, parts in _within(compiled, protocol, ports) for one in parts])
    return about == PortSet(compiled.targets)


@lru_cache(maxsize=16384)
def _only_covers(compiled: CompiledCheck, protocol: str, ports: tuple[PortRange, ...]) -> bool:
    return PortSet(ports_of(protocol, ports, protocol)) <= PortSet(compiled.targets)


def _compiled(check: Check, thresholds: Thresholds) -> CompiledCheck:
    floor, wide = _floor(check, thresholds), NEVER
    if check.ports and check.zone == "internet" and check.direction == "ingress" and check.wider_than is None:
        wide = Count(1 << 32 - thresholds.wide_ipv4_prefix, 1 << 128 - thresholds.wide_ipv6_prefix)
    whole = check.all_ports or not (check.ports or check.except_ports or check.protocol or check.wider_than)
    least = _lowest([floor, wide])
    compiled = CompiledCheck(check, _targets(check), floor, wide, least, check.wider_than is not None)
    return (
        replace(compiled, parts=tuple([replace(compiled, targets=(one,)) for one in compiled.targets]))
        if whole
        else compiled
    )


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
