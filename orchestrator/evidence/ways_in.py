"""The ways from the Internet to what stands behind a rule, step by step. Pure.

A way is told where the rule lets in who would come by it, to one of the finding's ports: by a public address of an
interface, or by what is forwarded to it, where the port that counts is the server's. What blocks it stands beside it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from orchestrator.evidence.estate import NetworkInterface, RegionEstate
from orchestrator.evidence.forwarding import Backend, Caller, Forwarding
from orchestrator.evidence.network_acls import NetworkAcl
from orchestrator.evidence.values import Effect, Way, WayStep
from orchestrator.exposure import (
    PUBLIC,
    Intervals,
    PortSet,
    both,
    far_addresses,
    minus,
    packets_of,
    packets_to,
    union,
)
from orchestrator.exposure.addresses import EVERYWHERE, IPV4, IPV6, PRIVATE, blocks
from orchestrator.policy.findings import Finding
from orchestrator.securitygroup import PortRange, SecurityGroup, every_port

_CLIENTS: Mapping[int, Intervals] = {4: both(PUBLIC, IPV4), 6: both(PUBLIC, IPV6)}
_CALLERS: Mapping[Caller, Intervals] = {
    "client": _CLIENTS[4],
    "balancer": both(PRIVATE, IPV4),
    "either": union(_CLIENTS[4], both(PRIVATE, IPV4)),
}
_EVERY_PORT = PortSet([every_port("tcp"), every_port("udp"), every_port("icmp")])
_RANK: Mapping[Effect, int] = {"passes": 0, "unread": 1, "unknown": 2, "blocks": 3}

Acls = Mapping[str, NetworkAcl]
"""Network ACLs by the vSwitch that they are bound to."""


class Admission(msgspec.Struct, frozen=True, kw_only=True):
    """What one rule lets in.

    Attributes:
        group_id: whose rule it is.
        ports: of its findings; all of them where none is named, as of a rule that could not be judged.
        sources: from where.
        is_exact: whether it is from all of these; else from some of them, it is not known which.
        effect: whether it lets them in.
        balancer_id: the balancer that lets this in though no rule does; "" for a rule.
    """

    group_id: str
    ports: PortSet
    sources: Intervals
    is_exact: bool = True
    effect: Effect = "passes"
    balancer_id: str = ""


class Surroundings(msgspec.Struct, frozen=True):
    """What was read of a region, and what of it could not be.

    Attributes:
        estate: interfaces and instances.
        forwardings: by the id of the interface that they end at.
        by_balancer: the same, and those that end elsewhere, by the id of the balancer.
        acls: None where they could not be read.
    """

    estate: RegionEstate
    forwardings: Mapping[str, Sequence[tuple[Forwarding, bool]]]
    by_balancer: Mapping[str, Sequence[Forwarding]]
    acls: Acls | None


def surroundings(estate: RegionEstate, forwardings: Iterable[Forwarding], acls: Acls | None) -> Surroundings:
    """Return what was read, by what it is looked up by."""
    by_interface: defaultdict[str, list[tuple[Forwarding, bool]]] = defaultdict(list)
    by_balancer: defaultdict[str, list[Forwarding]] = defaultdict(list)
    for one in forwardings:
        for interface, is_remote in ends_at(one.target, estate):
            by_interface[interface.id].append((one, is_remote))
        if one.balancer_id:
            by_balancer[one.balancer_id].append(one)
    return Surroundings(estate, by_interface, by_balancer, acls)


def ends_at(target: Backend, estate: RegionEstate) -> Iterator[tuple[NetworkInterface, bool]]:
    """Yield the interfaces in use that a server is, and whether it is in another VPC than it is forwarded from."""
    for one, is_remote in _named(target, estate):
        if one.is_in_use:
            yield one, is_remote


def _named(target: Backend, estate: RegionEstate) -> Iterable[tuple[NetworkInterface, bool]]:
    if target.kind == "eni":
        one = estate.with_id(target.id)
        return [(one, False)] if one is not None else []
    if target.kind == "ecs":
        every = estate.of_instance(target.id)
        called = [one for one in every if target.address and target.address in one.private_addresses]
        return [(one, False) for one in called or every if called or one.is_primary]
    if target.kind != "ip":
        return []
    near = estate.at(target.address, target.vpc_id)
    if near or not target.id:  # a DNAT entry has no id, and ends in its own VPC
        return [(one, False) for one in near]
    return [(one, True) for one in estate.at(target.address)]


def admission_of(findings: Sequence[Finding], group: SecurityGroup | None = None) -> Admission | None:
    """Return what a rule lets in by its findings; None where it is about what goes out.

    Args:
        findings: all of one rule.
        group: as it was read, with its lists, so that the sources are known exactly; None if it is not at hand.
    """
    mine = [one for one in findings if one.direction == "ingress"]
    if not mine:
        return None
    judged = [one for one in mine if one.lets_in] or [one for one in mine if one.is_undetermined] or mine
    effect: Effect = "passes" if judged[0].lets_in else "unknown" if judged[0].is_undetermined else "blocks"
    ports = PortSet(port for one in judged for port in (one.ports or one.risky_ports)) or _EVERY_PORT
    sources, is_exact = _sources(judged[0], ports, group)
    return Admission(
        group_id=mine[0].security_group_id,
        ports=ports,
        sources=sources,
        is_exact=is_exact,
        effect=effect,
        balancer_id=mine[0].balancer_id,
    )


def _sources(finding: Finding, ports: PortSet, group: SecurityGroup | None) -> tuple[Intervals, bool]:
    """Return from where a rule lets in, and whether that is known exactly."""
    rules = group.rules if group is not None else ()
    rule = next((one for one in rules if one.rule_id == finding.rule_id), None)
    if rule is not None and not rule.problems:
        return far_addresses(packets_of(rule) & packets_to(ports)), True
    cidrs: list[str] = []
    is_exact = bool(finding.sources)
    for text in finding.sources:
        if text[:1].isdigit() or ":" in text:
            cidrs.append(text)
        elif not text.startswith("sg-"):  # members of a group come over the internal network
            is_exact = False
    try:
        return (blocks(cidrs), True) if is_exact else (EVERYWHERE, False)
    except ValueError:
        return EVERYWHERE, False


def ways_in(admission: Admission, around: Surroundings) -> tuple[Way, ...]:
    """Return the ways in, those that pass first."""
    found = _by_balancer(admission, around) if admission.balancer_id else _to_group(admission, around)
    unique = dict.fromkeys(found)
    return tuple(sorted(unique, key=lambda way: _RANK[way.effect]))


def _to_group(admission: Admission, around: Surroundings) -> Iterator[Way]:
    """Yield the ways to each interface that obeys the group."""
    acls = _AclSteps(around.acls)
    for interface in around.estate.of(admission.group_id):
        if interface.is_in_use:
            yield from _by_address(admission, interface, acls)
            for forwarding, is_remote in around.forwardings.get(interface.id, ()):
                way = _forwarded(admission, interface, forwarding, acls, is_remote=is_remote)
                if way is not None:
                    yield way


def _by_address(admission: Admission, interface: NetworkInterface, acls: _AclSteps) -> Iterator[Way]:
    """Yield the ways by the interface's own public addresses.

    Whether an address of IPv6 was opened to the Internet, and whether a gateway is on the route, is not read.
    """
    for address in interface.public_addresses:
        sources = both(admission.sources, _CLIENTS[6 if address.kind == "ipv6" else 4])
        if not sources:
            continue
        effect: Effect = "unread" if address.kind == "ipv6" else "passes"
        may_bypass = address.kind == "eip" and not interface.is_primary  # in cut-through mode no ACL filters
        steps = [WayStep("address", address.text, effect)]
        if interface.vpc_id:
            steps.append(WayStep("route", "", "unread"))
        steps += acls.of(
            interface, admission.ports, sources, is_exact=admission.is_exact, may_bypass=may_bypass
        )
        steps.append(WayStep("group", admission.group_id, _certain(admission)))
        yield Way(kind=address.kind, address=address.text, to=interface.id, steps=tuple(steps))


def _forwarded(
    admission: Admission,
    interface: NetworkInterface,
    forwarding: Forwarding,
    acls: _AclSteps,
    *,
    is_remote: bool,
) -> Way | None:
    """Return the way by what is forwarded to an interface; None where the rule has no part in it."""
    ports = admission.ports if forwarding.ports is None else admission.ports & forwarding.ports
    possible = _CALLERS[forwarding.caller]
    sources = both(admission.sources, possible)
    if not ports or not sources:
        return None
    is_dnat = forwarding.kind == "dnat"
    steps = [WayStep("address", forwarding.address, forwarding.address_effect)]
    steps += [WayStep("group", one, "unread") for one in forwarding.joined]
    steps.append(WayStep("dnat" if is_dnat else "listener", forwarding.step_id, forwarding.effect))
    if is_dnat or is_remote:
        steps.append(WayStep("route", "", "unread"))  # for answers to a client, and between VPCs
    is_client = forwarding.caller == "client"
    is_exact = admission.is_exact and is_client
    steps += acls.of(interface, ports, sources, is_exact=is_exact, may_bypass=not is_client)
    steps.append(WayStep("group", admission.group_id, _group_effect(admission, forwarding, possible)))
    return Way(
        kind=forwarding.kind,
        address=forwarding.address,
        port=forwarding.called(_first(ports)),
        to=interface.id,
        steps=tuple(steps),
    )


def _group_effect(admission: Admission, forwarding: Forwarding, possible: Intervals) -> Effect:
    """Return whether the rule lets in what is forwarded; whether a group filters what a CLB does is not documented."""
    if forwarding.kind == "clb":
        return "unknown"
    if forwarding.caller != "client" and minus(possible, admission.sources):
        return "unknown"  # the balancer's own address is not known
    return _certain(admission)


def _certain(admission: Admission) -> Effect:
    return admission.effect if admission.is_exact else "unknown"


def _by_balancer(admission: Admission, around: Surroundings) -> Iterator[Way]:
    """Yield the ways by a balancer that joined the group: there the ports are those of its listeners."""
    for one in around.by_balancer.get(admission.balancer_id, ()):
        ports = admission.ports & one.listens
        if ports and admission.group_id in one.joined:
            others = [each for each in one.joined if each != admission.group_id]
            yield Way(
                kind=one.kind,
                address=one.address,
                port=_first(ports).first,
                to=_end(one.target, around.estate),
                steps=(
                    WayStep("address", one.address, one.address_effect),
                    WayStep("group", admission.group_id, admission.effect),
                    *(WayStep("group", each, "unread") for each in others),
                    WayStep("listener", one.step_id, one.effect),
                ),
            )


def _end(target: Backend, estate: RegionEstate) -> str:
    """Return by what people find a server."""
    interface = next((one for one, _ in ends_at(target, estate)), None)
    return interface.id if interface is not None else target.id or target.address


def _first(ports: PortSet) -> PortRange:
    return next(iter(ports))


class _AclSteps:
    """The steps by network ACLs on the ways of one rule; what is the same for many interfaces is computed once."""

    def __init__(self, acls: Acls | None) -> None:
        self._acls = acls
        self._known: dict[tuple[str, PortSet, Intervals, bool], Effect] = {}

    def of(
        self,
        interface: NetworkInterface,
        ports: PortSet,
        sources: Intervals,
        *,
        is_exact: bool,
        may_bypass: bool,
    ) -> Iterator[WayStep]:
        """Yield the step before an interface; none in the classic network.

        Args:
            interface: where the packet arrives.
            ports: see `NetworkAcl.effect`.
            sources: the same.
            is_exact: the same.
            may_bypass: the ACL may not filter this, so that one which blocks it does not tell.
        """
        if not interface.vswitch_id:
            return
        if self._acls is None:
            yield WayStep("network acl", "", "unread")
            return
        acl = self._acls.get(interface.vswitch_id)
        if acl is None:
            yield WayStep("network acl", "", "passes")
            return
        key = (acl.acl_id, ports, sources, is_exact)
        if key not in self._known:
            self._known[key] = acl.effect(ports, sources, is_exact=is_exact)
        effect = self._known[key]
        yield WayStep("network acl", acl.acl_id, "unknown" if may_bypass and effect == "blocks" else effect)
