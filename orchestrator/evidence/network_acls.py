"""Network ACLs: what filters before the security groups, vSwitch by vSwitch (VPC DescribeNetworkAcls).

Help, "Network ACLs": the first rule that matches decides, in the order in which the API lists them; what none matches
is dropped. They keep no state: answers need a rule of their own, to the client's port. They filter what a balancer
forwards, too, but nothing within a vSwitch, and no secondary interface whose elastic address is in cut-through mode.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Literal

from accounts.paging import Answer
from orchestrator.evidence.values import Effect
from orchestrator.exposure import Intervals, PacketSet, PortSet, effective, from_far, packets_to
from orchestrator.inventory.paging import PagedList, ProductCaller, ProductSession
from orchestrator.securitygroup import (
    MAX_PORT,
    WITH_PORTS,
    Direction,
    PortRange,
    Rule,
    parse_cidr,
    parse_port_range,
)
from orchestrator.securitygroup.texts import parse_protocol

ACTIONS = ("vpc:DescribeNetworkAcls",)
"""The RAM actions that network ACLs are read by."""

_PER_PAGE = 50  # the API's maximum
_ANSWERS = PortSet([PortRange("tcp", 1024, MAX_PORT)])  # to the ports that clients choose
_LISTS: tuple[tuple[Direction, str, str, str], ...] = (
    ("ingress", "IngressAclEntries", "IngressAclEntry", "SourceCidrIp"),
    ("egress", "EgressAclEntries", "EgressAclEntry", "DestinationCidrIp"),
)


class NetworkAcl:
    """A network ACL.

    Attributes:
        acl_id: its id.
        is_understood: each of its rules is; else nothing can be said of it.
    """

    def __init__(self, acl_id: str, rules: Iterable[Rule], *, is_understood: bool = True) -> None:
        self.acl_id = acl_id
        self.is_understood = is_understood
        self._rules = tuple(rules)

    @cached_property
    def _in(self) -> PacketSet:
        return effective(self._rules, "ingress")

    @cached_property
    def _out(self) -> PacketSet:
        return effective(self._rules, "egress")

    def effect(self, ports: PortSet, sources: Intervals, *, is_exact: bool = True) -> Effect:
        """Return whether it lets in somebody of these to one of the ports, and TCP's answers out.

        Args:
            ports: that are called.
            sources: from where.
            is_exact: the sources are those; else they are among these, so that letting in some is `unknown`.
        """
        if not self.is_understood:
            return "unknown"
        asked = from_far(packets_to(ports), sources)
        passed = asked & self._in
        if passed.is_empty or self._keeps_answers(ports, sources, passed):
            return "blocks"
        return "passes" if is_exact or asked <= self._in else "unknown"

    def _keeps_answers(self, ports: PortSet, sources: Intervals, passed: PacketSet) -> bool:
        """Tell whether all that passed is TCP, and no answer gets out."""
        others = PortSet(one for one in ports if one.protocol != "tcp")
        if not (passed & packets_to(others)).is_empty:
            return False
        return (from_far(packets_to(_ANSWERS), sources) & self._out).is_empty


async def read_network_acls(session: ProductCaller, region_id: str) -> dict[str, NetworkAcl]:
    """Return the network ACLs of a region by the ids of the vSwitches that they are bound to.

    Raises:
        CloudError: they could not be read in full.
    """
    path = ("NetworkAcls", "NetworkAcl")
    listing = PagedList(ProductSession(session, "vpc"), "DescribeNetworkAcls", region_id, path)
    asked: Answer = {"RegionId": region_id, "PageSize": _PER_PAGE}
    found: dict[str, NetworkAcl] = {}
    async for page in listing.numbered(asked, named="NetworkAclId"):
        for one in page:
            acl = parse_network_acl(one)
            found |= dict.fromkeys(_bound(one), acl)
    return found


def parse_network_acl(answer: Answer) -> NetworkAcl:
    """Return the network ACL that an answer tells of."""
    acl_id = str(answer.get("NetworkAclId") or "")
    rules: list[Rule] = []
    try:
        for direction, outer, inner, side in _LISTS:
            rules += [
                _rule(one, direction, side, number)
                for number, one in enumerate(_entries(answer, outer, inner), 1)
            ]
    except ValueError:
        return NetworkAcl(acl_id, (), is_understood=False)
    return NetworkAcl(acl_id, rules)


def _bound(answer: Answer) -> list[str]:
    """Return the vSwitches that it is bound to, or is about to be."""
    inner = answer.get("Resources")
    found = inner.get("Resource") if isinstance(inner, Mapping) else None
    rows = [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []
    return [str(one["ResourceId"]) for one in rows if one.get("ResourceId")]


def _entries(answer: Answer, outer: str, inner: str) -> list[Mapping[str, object]]:
    """Return the entries of one direction.

    Raises:
        ValueError: there is no such list, which is not the same as an empty one.
    """
    value = answer.get(outer)
    found = value.get(inner) if isinstance(value, Mapping) else None
    if not isinstance(found, list) or not all(isinstance(one, Mapping) for one in found):
        raise ValueError(f"{outer} is no list")
    return found


def _rule(entry: Mapping[str, object], direction: Direction, side: str, number: int) -> Rule:
    """Return an entry as a rule whose priority is its place.

    Raises:
        ValueError: it is not understood.
    """
    protocol = parse_protocol(str(entry.get("Protocol") or ""))
    policies: dict[str, Literal["accept", "drop"]] = {"accept": "accept", "drop": "drop"}
    policy = policies.get(str(entry.get("Policy") or "").lower())
    if policy is None:
        raise ValueError(f"{entry.get('Policy')!r} is no policy")
    port = str(entry.get("Port") or "-1/-1")
    peer = parse_cidr(str(entry.get(side) or ""))
    return Rule(
        rule_id=str(entry.get("NetworkAclEntryId") or ""),
        direction=direction,
        policy=policy,
        priority=number,
        protocol=protocol,
        ports=(parse_port_range(protocol, port),) if protocol in WITH_PORTS else (),
        source=peer if direction == "ingress" else None,
        destination=peer if direction == "egress" else None,
        source_ports=(),
        nic_type="",
        problems=(),
        raw={},
    )
