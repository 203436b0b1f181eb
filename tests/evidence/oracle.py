"""Who used a door, computed from the raw records one by one and from the emulated world's own values.

It shares no code with what it is held against: addresses are those of `ipaddress`, rules are the emulator's.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Literal

from orchestrator.emulator import Flow, Group, Rule
from orchestrator.emulator.world.model import FlowLog, Interface
from orchestrator.emulator.world.origin import vswitch_of

DAY = 86_400
NUMBERS = {"TCP": 6, "UDP": 17, "ICMP": 1}
NEEDED = {
    "eni-id", "srcaddr", "direction", "action", "log-status", "dstport", "protocol", "packets", "bytes", "end",
    "tcp-flags",
}  # fmt: skip
Match = Literal["no", "part", "whole"]


@dataclass
class Store:
    """A logstore: what is known of it, and its records. `unseen` is a field that SQL does not see."""

    ttl_days: int = 30
    created: int = 0
    indexed_since: int = 0
    unseen: str = ""
    is_gone: bool = False
    rows: list[Flow] = field(default_factory=list)


@dataclass(frozen=True)
class AskedDoor:
    """A rule, and the ports that are asked for: protocol number, first and last port (0 for none)."""

    group_id: str
    rule_id: str
    ports: tuple[tuple[int, int, int], ...]


@dataclass
class Use:
    """What one source did."""

    flows: int = 0
    packets: int = 0
    bytes: int = 0
    bytes_out: int = 0
    last: int = 0
    days: set[int] = field(default_factory=set)


@dataclass
class Expected:
    """What must be told. `cut` by source; `kept` by source and the rules that let it in as well."""

    status: str
    cut: dict[str, Use] = field(default_factory=lambda: defaultdict(Use))
    kept: dict[tuple[str, tuple[str, ...]], Use] = field(default_factory=lambda: defaultdict(Use))
    knocks: set[str] = field(default_factory=set)


@dataclass
class Oracle:
    """A world whose doors are asked for."""

    groups: Mapping[str, Group]
    prefix_lists: Mapping[str, Sequence[str]]
    interfaces: Sequence[Interface]
    logs: Sequence[FlowLog]
    stores: Mapping[str, Store]
    now: int
    days: int

    @property
    def begin(self) -> int:
        """When the window begins."""
        return self.now - self.days * DAY

    # --- rules

    def sources(self, rule: Rule) -> list[str]:
        """The blocks that a rule names."""
        listed = self.prefix_lists.get(rule.source_prefix_list_id, ())
        return [one for one in (rule.source_cidr_ip, rule.ipv6_source_cidr_ip, *listed) if one]

    def matches(self, rule: Rule, protocol: int, port: int, source: str) -> Match:
        """Whether a rule is about packets of a protocol to a port from a source: about none, some or all of them."""
        if rule.ip_protocol != "ALL" and NUMBERS[rule.ip_protocol] != protocol:
            return "no"
        low, high = map(int, rule.port_range.split("/"))
        if rule.ip_protocol in {"TCP", "UDP"} and low != -1 and not low <= port <= high:
            return "no"
        address = ip_address(source)
        named = self.sources(rule)
        if named and not any(
            ip_network(one).version == address.version and address in ip_network(one) for one in named
        ):
            return "no"
        return "part" if rule.source_group_id or rule.dest_cidr_ip or rule.source_port_range else "whole"

    def rules(self, interface: Interface) -> list[Rule]:
        """The rules of all groups of an interface."""
        return [rule for one in interface.group_ids if one in self.groups for rule in self.groups[one].rules]

    def passes(self, interface: Interface, rule: Rule, protocol: int, port: int, source: str) -> Match:
        """The same, past the drops of the interface that win over the rule."""
        for other in self.rules(interface):
            wins = other.policy == "Drop" and int(other.priority) <= int(rule.priority)
            if wins and self.matches(other, protocol, port, source) == "whole":
                return "no"
        return self.matches(rule, protocol, port, source)

    # --- logs

    def families(self, door: AskedDoor) -> set[int]:
        """The address families of those whom a door lets in to its ports; none if it opens none of them."""
        rule = self.rule(door)
        is_about = any(
            self.matches(rule, protocol, port, str(ip_network(self.sources(rule)[0])[0])) != "no"
            for protocol, first, last in door.ports
            for port in {first, last, *self._edges(rule, first, last)}
        )
        return {ip_network(one).version for one in self.sources(rule)} if is_about else set()

    @staticmethod
    def _edges(rule: Rule, first: int, last: int) -> set[int]:
        return {one for one in map(int, rule.port_range.split("/")) if first <= one <= last}

    def rule(self, door: AskedDoor) -> Rule:
        """The door's rule."""
        rules = self.groups[door.group_id].rules
        return next(one for one in rules if one.security_group_rule_id == door.rule_id)

    def log_state(self, log: FlowLog, family: int) -> str:
        """Whether a log vouches for the window ("whole"), may say something ("some"), or nothing ("none")."""
        families = {"IPv4": {4}, "DualStack": {4, 6}}[log.ip_version]
        store = self.stores[log.project]
        if log.status != "Active" or log.traffic_type == "Drop" or family not in families:
            return "none"
        if store.is_gone or store.unseen in NEEDED:
            return "none"
        is_whole = (
            log.deliver_status == "SUCCESS"
            and log.business_status == "Normal"
            and log.traffic_path == ("all",)
            and self.now - log.age_days * DAY <= self.begin
            and store.ttl_days >= self.days
            and store.created <= self.begin
            and store.indexed_since <= self.begin
        )
        return "whole" if is_whole else "some"

    def chosen(self, interface: Interface, family: int) -> tuple[str, str]:
        """How an interface's traffic is known, and the project where it is read, "" for nowhere."""
        found = [
            (self.log_state(log, family), log.project)
            for resource in (interface.interface_id, vswitch_of(interface.vpc_id), interface.vpc_id)
            for log in self.logs
            if log.resource_id == resource
        ]
        for wanted in ("whole", "some"):
            for state, project in found:
                if state == wanted:
                    return state, project
        return "none", ""

    def visible(self, project: str, interface: Interface) -> Iterator[Flow]:
        """The records of an interface that are kept, indexed and within the window."""
        store = self.stores[project]
        since = max(self.begin, self.now - store.ttl_days * DAY, store.indexed_since)
        for row in store.rows:
            if row.eni_id == interface.interface_id and since <= row.time < self.now:
                yield row

    # --- what is told

    def of(self, door: AskedDoor) -> Expected:
        """What must be told of a door."""
        families = self.families(door)
        if not families:
            return Expected("not_asked")
        behind = [one for one in self.interfaces if door.group_id in one.group_ids]
        if not behind:
            return Expected("not_logged" if self.interfaces else "incomplete")
        states: set[str] = set()
        found = Expected("")
        used: set[str] = set()
        for one in behind:
            # what is not known of one family's records is not known of the interface
            interface_families = self._asked_families(one)
            for family in families:
                state, project = self.chosen(one, family)
                states.add("some" if state == "whole" and self._has_gaps(one, interface_families) else state)
                if project:
                    used |= self._count(door, one, project, family, found)
        found.knocks -= used
        if states == {"none"}:
            found.status = "not_logged"
        elif states == {"whole"}:
            found.status = "observed" if used else "quiet"
        else:
            found.status = "incomplete"
        return found

    asked: Sequence[AskedDoor] = ()

    def _asked_families(self, interface: Interface) -> set[int]:
        mine = [one for one in self.asked if one.group_id in interface.group_ids]
        return {family for one in mine for family in self.families(one)}

    def _has_gaps(self, interface: Interface, families: set[int]) -> bool:
        for family in families:
            _, project = self.chosen(interface, family)
            rows = list(self.visible(project, interface)) if project else []
            if any(row.log_status == "SKIPDATA" for row in rows):
                return True
            if project and not rows and interface.status == "InUse":
                return True
        return False

    def _count(self, door: AskedDoor, one: Interface, project: str, family: int, found: Expected) -> set[str]:
        """Count what came in by a door to an interface; return who used it."""
        used: set[str] = set()
        rule = self.rule(door)
        rows = list(self.visible(project, one))
        answered: set[tuple[str, int, int, int]] = set()
        for row in rows:
            if row.direction != "in" or row.action != "ACCEPT" or row.protocol is None:
                continue
            port = row.dstport or 0 if row.protocol in {6, 17} else 0
            if not any(row.protocol == p and low <= port <= high for p, low, high in door.ports):
                continue
            is_let_in = self.passes(one, rule, row.protocol, port, row.srcaddr) != "no"
            if ip_address(row.srcaddr).version != family or not is_let_in:
                continue
            if is_knock(row):
                found.knocks.add(row.srcaddr)
                continue
            used.add(row.srcaddr)
            keepers = self.keepers(one, rule, row.protocol, port, row.srcaddr)
            use = found.kept[row.srcaddr, keepers] if keepers else found.cut[row.srcaddr]
            use.flows += 1
            use.packets += row.packets or 0
            use.bytes += row.bytes or 0
            use.last = max(use.last, row.end)
            use.days.add(row.time // DAY)
            key = (row.srcaddr, row.protocol, port, 0)
            if key not in answered:
                answered.add(key)
                use.bytes_out += sum(other.bytes or 0 for other in rows if is_answer(other, row))
        return used

    def keepers(
        self, interface: Interface, rule: Rule, protocol: int, port: int, source: str
    ) -> tuple[str, ...]:
        """The other rules of an interface that let in all of it."""
        return tuple(
            other.security_group_rule_id
            for other in self.rules(interface)
            if other.policy == "Accept"
            and other.security_group_rule_id != rule.security_group_rule_id
            and self.passes(interface, other, protocol, port, source) == "whole"
        )


def is_knock(row: Flow) -> bool:
    """Whether a record is of a connection that came to nothing."""
    flags = row.tcp_flags
    if row.protocol != 6 or flags is None:
        return False
    is_reset = bool(flags & 4) and not flags & 8 and (row.packets or 0) <= 3
    return not flags & 16 or is_reset


def is_answer(other: Flow, row: Flow) -> bool:
    """Whether a record is of packets back to a source from the port that it came to."""
    is_out = other.direction == "out" and other.action == "ACCEPT" and other.protocol == row.protocol
    return is_out and other.dstaddr == row.srcaddr and (row.protocol == 1 or other.srcport == row.dstport)
