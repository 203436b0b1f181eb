"""JUDGE, the algebra: which packets pass through these rules, and how much of the Internet they come from.

Pure: no I/O, no clock, no log. It knows sets of ports, addresses and packets; what is risky it does not know.
"""

from orchestrator.exposure.addresses import (
    PRIVATE,
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
from orchestrator.exposure.implied import implied_rules
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
    ports_without,
    public_addresses,
)
from orchestrator.exposure.shares import Share, ports_of, segments, shares

__all__ = [
    "NO_PACKETS",
    "PRIVATE",
    "PUBLIC",
    "Count",
    "Intervals",
    "Packet",
    "PacketSet",
    "Reach",
    "Share",
    "Zone",
    "address_text",
    "address_texts",
    "addresses_of",
    "blocks",
    "both",
    "count",
    "effective",
    "example",
    "far_addresses",
    "from_far",
    "implied_rules",
    "in_order",
    "minus",
    "normal",
    "packets_of",
    "packets_to",
    "ports_of",
    "ports_without",
    "public_addresses",
    "reach_of",
    "segments",
    "shares",
    "size",
    "union",
]
