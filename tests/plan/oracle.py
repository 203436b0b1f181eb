"""A cloud of a few lines: it decides packet by packet and changes rules as the API does, with no code of the rooms."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

Fields = dict[str, Any]
_NUMBERS = {"ICMP": 1, "TCP": 6, "UDP": 17, "GRE": 47, "ICMPV6": 58}
_MEANING = (
    "Direction", "Policy", "Priority", "IpProtocol", "PortRange", "PortRangeListId", "SourcePortRange",
    "SourceCidrIp", "Ipv6SourceCidrIp", "SourceGroupId", "SourcePrefixListId", "DestCidrIp", "Ipv6DestCidrIp",
)  # fmt: skip


@dataclass(frozen=True)
class Packet:
    """`member` says that the sender is in the group itself."""

    protocol: int
    port: int
    source: IPv4Address | IPv6Address
    destination: IPv4Address | IPv6Address
    member: bool = False


@dataclass
class Cloud:
    """One security group."""

    rules: list[Fields]
    lists: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    inner_accept: bool = True
    made: int = 0
    remembered: dict[object, tuple[tuple[Packet, ...], int]] = field(default_factory=dict, repr=False)

    def passes(self, packet: Packet) -> bool:
        """Whether a packet gets in."""
        return bool(self.passing((packet,)))

    def passing(self, packets: tuple[Packet, ...], without: Callable[[Fields], int] = lambda _: 0) -> int:
        """Which of the packets get in, as bits: the first rule that matches decides, Drop first at equal priority.

        `without` says for each rule which packets it is not to be about.
        """
        undecided, let_in = (1 << len(packets)) - 1, 0
        for rule in sorted(self.rules, key=lambda rule: (int(rule["Priority"]), rule["Policy"] == "Accept")):
            matched = self._matched(rule, packets) & undecided & ~without(rule)
            let_in |= matched if rule["Policy"] == "Accept" else 0
            undecided &= ~matched
        members = sum(1 << at for at, packet in enumerate(packets) if packet.member)
        return let_in | (undecided & members if self.inner_accept else 0)

    def _matched(self, rule: Fields, packets: tuple[Packet, ...]) -> int:
        known, bits = self.remembered.get(_meaning(rule), ((), 0))
        if known is not packets:
            bits = sum(1 << at for at, one in enumerate(packets) if self.matches(rule, one))
            self.remembered[_meaning(rule)] = packets, bits
        return bits

    def matches(self, rule: Fields, packet: Packet) -> bool:
        """Whether a rule is about a packet."""
        if rule["IpProtocol"] != "ALL" and _NUMBERS[rule["IpProtocol"].upper()] != packet.protocol:
            return False
        if packet.protocol in {6, 17} and not any(a <= packet.port <= b for a, b in self.ports(rule)):
            return False
        far = self._blocks(rule, "Source")
        near = self._blocks(rule, "Dest")
        return _inside(packet.source, far) and (not near or _inside(packet.destination, near))

    def ports(self, rule: Fields) -> list[tuple[int, int]]:
        """The port ranges of a rule."""
        texts = self.lists[rule["PortRangeListId"]] if rule.get("PortRangeListId") else (rule["PortRange"],)
        pairs = [text.split("/") for text in texts]
        return [(1, 65535) if a == "-1" else (int(a), int(b)) for a, b in pairs]

    def authorize(self, fields: Fields) -> None:
        """Add a rule; one that is there already is not added again."""
        assert "" not in fields.values(), "the API refuses empty values"
        assert 1 <= int(fields["Priority"]) <= 100, "the API refuses other priorities"
        if fields["IpProtocol"] in {"TCP", "UDP"} and not fields.get("PortRangeListId"):
            assert fields["PortRange"] != "-1/-1", "TCP and UDP have ports from 1"
        if _meaning(fields) not in [_meaning(rule) for rule in self.rules]:
            self.made += 1
            self.rules.append({**fields, "SecurityGroupRuleId": f"new-{self.made}"})
        assert len(self.rules) <= 200, "the API refuses more"

    def revoke(self, rule_id: str) -> None:
        """Remove a rule by its id."""
        assert any(rule["SecurityGroupRuleId"] == rule_id for rule in self.rules)
        self.rules = [rule for rule in self.rules if rule["SecurityGroupRuleId"] != rule_id]

    def revoke_like(self, fields: Fields) -> None:
        """Remove the rule that means this."""
        self.rules = [rule for rule in self.rules if _meaning(rule) != _meaning(fields)]

    def modify(self, rule_id: str, fields: Fields) -> None:
        """Change fields of a rule; the kind of its source stays."""
        old = next(rule for rule in self.rules if rule["SecurityGroupRuleId"] == rule_id)
        assert all(old.get(key) for key in fields), "the kind of source cannot change"
        self.rules = [{**rule, **fields} if rule is old else rule for rule in self.rules]

    def contents(self) -> list[tuple[str, ...]]:
        """What the rules mean, in order."""
        return sorted(_meaning(rule) for rule in self.rules)

    def _blocks(self, rule: Fields, side: str) -> list[str]:
        if rule.get(f"{side}PrefixListId"):
            return list(self.lists[rule[f"{side}PrefixListId"]])
        return [rule[key] for key in (f"{side}CidrIp", f"Ipv6{side}CidrIp") if rule.get(key)]

    def interesting(self, more: Iterable[int] = ()) -> tuple[Packet, ...]:
        """Packets on either side of every edge that any rule has."""
        ports = {1, 65535, *more}
        sources = {"9.9.9.9", "10.1.1.1", "10.200.0.1", "2400::1", "fc00::1", "223.255.255.255"}
        nears = {"192.168.7.7", "192.168.8.8", "2400:1::1"}
        for rule in self.rules:
            for first, last in self.ports(rule) if rule["IpProtocol"] in {"TCP", "UDP"} else ():
                ports |= {port for port in (first - 1, first, last, last + 1) if 1 <= port <= 65535}
            for block in self._blocks(rule, "Source"):
                network = ip_network(block, strict=False)
                sources |= {str(network[0]), str(network[-1])}
            nears |= {str(ip_network(block, strict=False)[0]) for block in self._blocks(rule, "Dest")}
        return tuple(
            Packet(protocol, port, far, near, member)
            for far in map(ip_address, sorted(sources))
            for near in map(ip_address, sorted(nears))
            if far.version == near.version
            for protocol in (1, 6, 17, 47, 58, 132)
            for port in (sorted(ports) if protocol in {6, 17} else (0,))
            for member in (False, True)
        )


@cache
def _holds(block: str, address: IPv4Address | IPv6Address) -> bool:
    network = ip_network(block, strict=False)
    return address.version == network.version and address in network


def _inside(address: IPv4Address | IPv6Address, blocks: list[str]) -> bool:
    return any(_holds(block, address) for block in blocks)


def _meaning(rule: Fields) -> tuple[str, ...]:
    texts = {key: str(rule.get(key, "")) for key in _MEANING}
    if texts["PortRange"] == "-1/-1" and texts["IpProtocol"] in {"TCP", "UDP"}:
        texts["PortRange"] = "1/65535"
    if texts["PortRangeListId"]:
        texts["PortRange"] = ""
    return tuple(texts.values())
