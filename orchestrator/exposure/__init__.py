"""JUDGE, the algebra: which packets pass through these rules, and how much of the Internet they come from.

Pure: no I/O, no clock, no log. It knows sets of ports, addresses and packets; what is risky it does not know.
"""

from orchestrator.exposure.addresses import (
    PUBLIC,
    Count,
    Reach,
    Zone,
    address_text,
    address_texts,
    addresses_of,
    blocks,
    count,
    example,
    reach_of,
)
from orchestrator.exposure.implied import balancer_of, implied_rules, listener_rules
from orchestrator.exposure.intervals import Intervals, both, minus, normal, size, union
from orchestrator.exposure.packets import (
    NO_PACKETS,
    Packet,
    PacketSet,
    effective,
    far_addresses,
    from_far,
    in_order,
    packets_of,
    packets_to,
)
from orchestrator.exposure.ports import NO_PORTS, PortSet, ports_from_json, ports_to_json
from orchestrator.exposure.shares import Share, ports_of, segments, shares

__all__ = [
    "NO_PACKETS",
    "NO_PORTS",
    "PUBLIC",
    "Count",
    "Intervals",
    "Packet",
    "PacketSet",
    "PortSet",
    "Reach",
    "Share",
    "Zone",
    "address_text",
    "address_texts",
    "addresses_of",
    "balancer_of",
    "blocks",
    "both",
    "count",
    "effective",
    "example",
    "far_addresses",
    "from_far",
    "implied_rules",
    "in_order",
    "listener_rules",
    "minus",
    "normal",
    "packets_of",
    "packets_to",
    "ports_from_json",
    "ports_of",
    "ports_to_json",
    "reach_of",
    "segments",
    "shares",
    "size",
    "union",
]
