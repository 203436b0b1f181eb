"""What a rule opens in pieces that the API can be given as rules, and how such a rule is written.

A piece is a range of ports of TCP or UDP, or the whole of another protocol.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Union

from orchestrator.exposure import PacketSet, packets_of, packets_to, ports_without
from orchestrator.plan.values import Fields
from orchestrator.securitygroup import ALL_PORTS, Cidr, PortRange, PrefixList, Rule

_KEPT = (
    "Direction", "IpProtocol", "PortRange", "PortRangeListId", "SourcePortRange", "Policy", "Priority", "NicType",
    "Description", "SourceCidrIp", "Ipv6SourceCidrIp", "SourceGroupId", "SourceGroupOwnerAccount",
    "SourcePrefixListId", "DestCidrIp", "Ipv6DestCidrIp", "DestGroupId", "DestGroupOwnerAccount", "DestPrefixListId",
)  # fmt: skip
_PEER = ("{}CidrIp", "Ipv6{}CidrIp", "{}GroupId", "{}GroupOwnerAccount", "{}PrefixListId")
_SPELLED = {"tcp": "TCP", "udp": "UDP", "icmp": "ICMP", "icmpv6": "ICMPv6", "gre": "GRE"}


class Piece(NamedTuple):
    """`ports` is None for a protocol without ports."""

    protocol: str
    ports: PortRange | None

    def __str__(self) -> str:
        return self.protocol if self.ports is None else f"{self.protocol}/{self.ports}"


Pieces = tuple[Piece, ...]
Block = Union[Cidr, PrefixList]  # noqa: UP007  (an alias evaluated at run time, on 3.10 too)
"""What a rule can be narrowed to."""


def parse_pieces(texts: Iterable[str]) -> Pieces:
    """The pieces that a finding's `risky_ports` name: "tcp/22", "tcp/6000-6010", "icmp"."""
    found = []
    for text in texts:
        protocol, slash, ports = text.partition("/")
        first, _, last = ports.partition("-")
        found.append(Piece(protocol, PortRange(int(first), int(last or first)) if slash else None))
    return tuple(found)


def pieces_of(rule: Rule) -> Pieces:
    """What the rule opens. Of protocol ALL only what can be written again: see `lost_with`."""
    if rule.protocol == "all":
        icmp = Piece("icmpv6" if _family(rule) == 6 else "icmp", None)
        return Piece("tcp", ALL_PORTS), Piece("udp", ALL_PORTS), icmp, Piece("gre", None)
    if rule.protocol in {"tcp", "udp"}:
        return tuple([Piece(rule.protocol, ports) for ports in ports_without(rule.ports, ())])
    return (Piece(rule.protocol, None),)


def lost_with(rule: Rule) -> PacketSet:
    """What no rules can open again once this one is gone: the other IP protocols, where it is for ALL."""
    left = packets_of(rule)
    for piece in pieces_of(rule) if rule.protocol == "all" else ():
        left -= packets_to(piece.protocol)
    return left if rule.protocol == "all" else PacketSet()


def without(pieces: Pieces, taken: Pieces) -> Pieces:
    """What is left of the first when the second is taken away, as few pieces as possible."""
    left: list[Piece] = []
    for protocol in dict.fromkeys(piece.protocol for piece in pieces):
        gone = [piece for piece in taken if piece.protocol == protocol]
        mine = [piece for piece in pieces if piece.protocol == protocol]
        if mine[0].ports is None:
            left += [] if gone else mine
        else:
            left += [Piece(protocol, ports) for ports in ports_without(_ranges(mine), _ranges(gone))]
    return tuple(left)


def shared(pieces: Pieces, wanted: Pieces) -> Pieces:
    """What is in both."""
    return without(pieces, without(pieces, wanted))


def packets(rule: Rule, pieces: Pieces) -> PacketSet:
    """The rule's own packets that are in the pieces."""
    wanted = PacketSet()
    for protocol in dict.fromkeys(piece.protocol for piece in pieces):
        ranges = _ranges([piece for piece in pieces if piece.protocol == protocol])
        wanted |= packets_to(protocol, ranges)
    return packets_of(rule) & wanted


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


def written(rule: Rule, piece: Piece) -> Fields:
    """A rule like this one that opens only the piece."""
    fields = writable(rule.raw)
    fields.pop("PortRangeListId", None)
    if piece.protocol != rule.protocol:
        fields["IpProtocol"] = _SPELLED[piece.protocol]
        fields.pop("SourcePortRange", None)
    fields["PortRange"] = "-1/-1" if piece.ports is None else f"{piece.ports.first}/{piece.ports.last}"
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


def _ranges(pieces: Sequence[Piece]) -> list[PortRange]:
    return [piece.ports for piece in pieces if piece.ports is not None]


def _family(rule: Rule) -> int:
    """The address family a rule is about, 4 where nothing says."""
    for end in (rule.peer, rule.own):
        entries = end.entries or () if isinstance(end, PrefixList) else (end,)
        for entry in entries:
            if isinstance(entry, Cidr):
                return entry.family
    return 4
