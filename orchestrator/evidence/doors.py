"""Who may come through a door: what a rule lets in past the drops of its interface, and which other rule does, too.

Pure. A record of a flow log tells protocol, port and address, not by which rule it came in: that is computed here, from
the rules as they are now. What a rule of five fields lets in in part is taken for let in by it, and never for let in by
another one: use is never missed, and nobody is said to keep a way that might be cut.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from functools import cached_property

from orchestrator.evidence.flow_queries import Came
from orchestrator.exposure import Intervals, PacketSet, PortSet, both, minus, packets_of, packets_to, union
from orchestrator.exposure.addresses import EVERYWHERE, IPV4, IPV6
from orchestrator.policy.findings import UNDETERMINED, Finding
from orchestrator.policy.judge import past_drops
from orchestrator.securitygroup import PortRange, Rule, SecurityGroup

DoorId = tuple[str, str]
"""The ids of a group and of its rule."""


class Door:
    """A rule with open findings, and the ports of these.

    Attributes:
        group_id: whose rule it is.
        rule: it.
        ports: those of its findings.
    """

    def __init__(self, group_id: str, rule: Rule, ports: PortSet) -> None:
        self.group_id = group_id
        self.rule = rule
        self.ports = ports

    @property
    def id(self) -> DoorId:
        """By what it is told from others."""
        return self.group_id, self.rule.rule_id

    @cached_property
    def addresses(self) -> Intervals:
        """Where those may come from whom the rule lets in to these ports, whatever drops there are."""
        return _far(packets_of(self.rule) & packets_to(self.ports))

    @property
    def families(self) -> tuple[int, ...]:
        """The address families of these: 4, 6."""
        return tuple(number for number, line in ((4, IPV4), (6, IPV6)) if both(self.addresses, line))


def doors_of(
    findings: Mapping[str, Sequence[Finding]], groups: Mapping[str, SecurityGroup]
) -> tuple[dict[DoorId, Door], dict[DoorId, str]]:
    """Return the doors that the findings are about, and why others are none whose traffic could be told.

    Args:
        findings: by the id of their group.
        groups: those groups, as they were read.
    """
    ports: dict[DoorId, list[PortRange]] = {}
    others: dict[DoorId, str] = {}
    for group_id, mine in findings.items():
        for one in mine:
            if reason := _untold(one):
                others[group_id, one.rule_id] = reason
            else:
                ports.setdefault((group_id, one.rule_id), []).extend([*one.ports, *one.risky_ports])
    doors: dict[DoorId, Door] = {}
    for (group_id, rule_id), ranges in ports.items():
        group = groups.get(group_id)
        rules = group.rules if group is not None else ()
        rule = next((one for one in rules if one.rule_id == rule_id), None)
        door = Door(group_id, rule, PortSet(ranges)) if rule is not None else None
        if door is None:
            others[group_id, rule_id] = "its rule was not read"
        elif not door.addresses:
            others[group_id, rule_id] = "what its rule lets in could not be told"
        else:
            doors[group_id, rule_id] = door
    return doors, {key: reason for key, reason in others.items() if key not in doors}


def _untold(finding: Finding) -> str:
    if finding.balancer_id:
        return f"it is the way by load balancer {finding.balancer_id}, whose traffic no flow log of the group has"
    if finding.direction != "ingress":
        return "it lets out, and only who comes in is asked for"
    return "its rule could not be judged" if finding.check_id == UNDETERMINED else ""


class Pool:
    """The rules of all groups of an interface, which the cloud applies as one list.

    What they let in is the same for all ports between two edges of their ranges, so it is found once for these.
    """

    def __init__(self, groups: Sequence[SecurityGroup]) -> None:
        rules = [one for group in groups for one in group.rules if one.direction == "ingress"]
        self._drops = [one for one in rules if one.policy == "drop"]
        self._accepts = [one for one in rules if one.policy == "accept"]
        edges = {edge for rule in rules for one in rule.ports for edge in (one.first, one.last + 1)}
        self._edges = sorted({0, 1, *edges})
        self._let_in: dict[tuple[str, str, int], Intervals] = {}
        self._keep: dict[tuple[str, int], list[tuple[str, Intervals]]] = {}

    def lets_in(self, door: Door, came: Came) -> bool:
        """Whether the door's rule lets in what came: to its ports, from its addresses, past the drops."""
        if not holds(door.ports.numbers(came.protocol), came.port):
            return False
        key = (door.rule.rule_id, came.protocol, self._edge(came.port))
        if key not in self._let_in:
            self._let_in[key] = _far(past_drops(door.rule, _packets(came), self._drops))
        return holds(self._let_in[key], came.source)

    def keepers(self, door: Door, came: Came) -> tuple[str, ...]:
        """Return the ids of the other rules that let in all of what came: without the door it goes on."""
        key = (came.protocol, self._edge(came.port))
        if key not in self._keep:
            self._keep[key] = [
                (one.rule_id, whole)
                for one in self._accepts
                if (whole := _wholly(past_drops(one, _packets(came), self._drops), _packets(came)))
            ]
        return tuple(
            rule_id
            for rule_id, whole in self._keep[key]
            if rule_id != door.rule.rule_id and holds(whole, came.source)
        )

    def _edge(self, port: int) -> int:
        return self._edges[bisect_right(self._edges, port) - 1]


def holds(addresses: Intervals, point: int) -> bool:
    """Whether a set holds an address, or a port; sets may be large, so it is looked for by halves."""
    at = bisect_right(addresses, (point, EVERYWHERE[0][1])) - 1
    return at >= 0 and addresses[at][0] <= point <= addresses[at][1]


def _packets(came: Came) -> PacketSet:
    return packets_to(PortSet([PortRange(came.protocol, came.port, came.port)]))


def _far(packets: PacketSet) -> Intervals:
    """The far addresses of the packets, whatever else they are."""
    return union(*[box[4] for box in packets.boxes])


def _wholly(passed: PacketSet, every: PacketSet) -> Intervals:
    """The far addresses of which every packet passes."""
    return minus(_far(every), _far(every - passed)) if passed.boxes else ()
