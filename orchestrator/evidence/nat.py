"""DNAT entries of Internet NAT gateways (VPC 2016-04-28 DescribeNatGateways, DescribeForwardTableEntries)."""

from __future__ import annotations

from collections.abc import Collection

from accounts.paging import Answer
from orchestrator.evidence.forwarding import Backend, Forwarding, text_of
from orchestrator.exposure import PortSet
from orchestrator.inventory.paging import PagedList, ProductCaller, ProductSession
from orchestrator.securitygroup import PortRange, every_port, parse_port_range

ACTIONS = ("vpc:DescribeNatGateways", "vpc:DescribeForwardTableEntries")
"""The RAM actions that DNAT entries are read by."""

_PER_PAGE = 50  # of both, the API's maximum
_ANY = "any"


async def read_dnat(session: ProductCaller, region_id: str, vpc_ids: Collection[str]) -> list[Forwarding]:
    """Return what NAT gateways forward from the Internet into these VPCs.

    A gateway of network type `intranet` gives private networks a way, not the Internet.

    Raises:
        CloudError: they could not be read in full.
    """
    vpc = ProductSession(session, "vpc")
    gateways = PagedList(vpc, "DescribeNatGateways", region_id, ("NatGateways", "NatGateway"))
    asked: Answer = {"RegionId": region_id, "PageSize": _PER_PAGE}
    found: list[Forwarding] = []
    async for page in gateways.numbered(asked, named="NatGatewayId"):
        for gateway in page:
            if gateway.get("NetworkType") != "intranet" and gateway.get("VpcId") in vpc_ids:
                found += await _entries(vpc, region_id, gateway)
    return found


async def _entries(vpc: ProductSession, region_id: str, gateway: Answer) -> list[Forwarding]:
    path = ("ForwardTableEntries", "ForwardTableEntry")
    listing = PagedList(vpc, "DescribeForwardTableEntries", region_id, path)
    asked: Answer = {
        "RegionId": region_id,
        "NatGatewayId": gateway["NatGatewayId"],
        "PageSize": _PER_PAGE,
    }
    found: list[Forwarding] = []
    async for page in listing.numbered(asked, named="ForwardEntryId"):
        try:
            found += [parse_entry(entry, text_of(gateway, "VpcId")) for entry in page]
        except ValueError as error:
            message = f"a DNAT entry of {gateway['NatGatewayId']} is not understood: {error}"
            raise listing.malformed(message, {}) from None
    return found


def parse_entry(entry: Answer, vpc_id: str) -> Forwarding:
    """Return what a DNAT entry forwards to an address of its gateway's VPC.

    Raises:
        ValueError: its ports or its protocol are not understood.
    """
    protocol = text_of(entry, "IpProtocol").lower()
    inner, outer = text_of(entry, "InternalPort").lower(), text_of(entry, "ExternalPort").lower()
    if protocol not in ("tcp", "udp", _ANY):
        raise ValueError(f"{protocol!r} is none of its protocols")
    ports: PortSet | None = None
    calls = 0
    if inner != _ANY:
        protocols = ("tcp", "udp") if protocol == _ANY else (protocol,)
        ports = PortSet(parse_port_range(one, inner) for one in protocols)
        calls = parse_port_range("tcp", outer).first if outer != _ANY else 0
    elif protocol != _ANY:
        ports = PortSet([every_port(protocol)])
    return Forwarding(
        kind="dnat",
        address=text_of(entry, "ExternalIp"),
        step_id=text_of(entry, "ForwardEntryId"),
        ports=ports,
        calls=_moved(ports, calls),
        target=Backend("ip", address=text_of(entry, "InternalIp"), vpc_id=vpc_id),
    )


def _moved(ports: PortSet | None, calls: int) -> int:
    """Return 0 where the port that is called is the server's own."""
    first: PortRange | None = next(iter(ports), None) if ports is not None else None
    return 0 if first is None or first.first == calls else calls
