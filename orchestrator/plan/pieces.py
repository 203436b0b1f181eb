"""What a rule opens in pieces that the API can be given as rules, and how such a rule is written.

A piece is a range of ports of TCP or UDP, or all of another protocol.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Union

from orchestrator.exposure import NO_PACKETS, PacketSet, PortSet, packets_of, packets_to
from orchestrator.plan.values import Fields
from orchestrator.securitygroup import WITH_PORTS, Cidr, PortRange, PrefixList, Rule, every_port

_KEPT = (
    "Direction", "IpProtocol", "PortRange", "PortRangeListId", "SourcePortRange", "Policy", "Priority", "NicType",
    "Description", "SourceCidrIp", "Ipv6SourceCidrIp", "SourceGroupId", "SourceGroupOwnerAccount",
    "SourcePrefixListId", "DestCidrIp", "Ipv6DestCidrIp", "DestGroupId", "DestGroupOwnerAccount", "DestPrefixListId",
)  # fmt: skip
_PEER = ("{}CidrIp", "Ipv6{}CidrIp", "{}GroupId", "{}GroupOwnerAccount", "{}PrefixListId")
_SPELLED = {"tcp": "TCP", "udp": "UDP", "icmp": "ICMP", "icmpv6": "ICMPv6", "gre": "GRE"}


Block = Union[Cidr, PrefixList]  # noqa: UP007  (an alias evaluated at run time, on 3.10 too)
"""What a rule can be narrowed to."""


def pieces_of(rule: Rule) -> PortSet:
    """What the rule opens. Of protocol ALL only what can be written again: see `lost_with`."""
    if rule.protocol == "all":
        icmp = "icmpv6" if _family(rule) == 6 else "icmp"
        return PortSet([every_port(protocol) for protocol in ("tcp", "udp", icmp, "gre")])
    return PortSet(rule.ports if rule.protocol in WITH_PORTS else [every_port(rule.protocol)])


def lost_with(rule: Rule) -> PacketSet:
    """What no rules can open again once this one is gone: the other IP protocols, where it is for ALL."""
    return packets_of(rule) - packets_to(pieces_of(rule)) if rule.protocol == "all" else NO_PACKETS


def writable(raw: Mapping[str, object]) -> Fields:
    """The fields of a rule that make it again; what the API no longer takes, as it takes it."""
    fields = {key: raw[key] for key in _KEPT if raw.get(key) not in (None, "")}
    if fields.get("PortRangeListId"):
        fields.pop("PortRange", None)
    elif (
        str(fields.get("IpProtocol")).lower() in {"tcp", "udp", "6", "17"}
        and fields.get("PortRange") == "-1/-1"
    ):
        fields["PortRange"] = "1/65535"
    if is_old_default(raw):
        fields["Priority"] = 100
    return fields


def is_old_default(raw: Mapping[str, object]) -> bool:
    """Whether it has priority 110, as default rules made before May 2020 do; the API takes 1 to 100 (ECS docs)."""
    return str(raw.get("Priority")) == "110"


def written(rule: Rule, piece: PortRange) -> Fields:
    """A rule like this one that opens only the piece."""
    fields = writable(rule.raw)
    fields.pop("PortRangeListId", None)
    if piece.protocol != rule.protocol:
        fields["IpProtocol"] = _SPELLED[piece.protocol]
        fields.pop("SourcePortRange", None)
    fields["PortRange"] = f"{piece.first}/{piece.last}" if piece.first else "-1/-1"
    return fields


def with_peer(fields: Fields, direction: str, peer: Block) -> Fields:
    """The same rule for another source (egress: destination)."""
    side = "Source" if direction == "ingress" else "Dest"
    replaced = [key.format(side) for key in _PEER]
    return {key: value for key, value in fields.items() if key not in replaced} | peer_fields(side, peer)


def peer_fields(side: str, peer: Block) -> Fields:
    """A source or destination in the API's field names."""
    match peer:
        case Cidr():
            return {f"{'Ipv6' if peer.family == 6 else ''}{side}CidrIp": peer.text}
        case PrefixList():
            return {f"{side}PrefixListId": peer.prefix_list_id}


def _family(rule: Rule) -> int:
    """The address family a rule is about, 4 where nothing says."""
    for end in (rule.peer, rule.own):
        entries = end.entries or () if isinstance(end, PrefixList) else (end,)
        for entry in entries:
            if isinstance(entry, Cidr):
                return entry.family
    return 4
