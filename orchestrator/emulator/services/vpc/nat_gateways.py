"""DescribeNatGateways and DescribeForwardTableEntries: addresses that lead to interfaces which do not show them."""

from __future__ import annotations

from typing import Final

from orchestrator.emulator.framework.errors import ApiError
from orchestrator.emulator.framework.operations import Answer, Context, operation
from orchestrator.emulator.framework.paging import by_number
from orchestrator.emulator.world.model import ForwardEntry, NatGateway

VERSION: Final = "2016-04-28"


def _all(context: Context) -> tuple[NatGateway, ...]:
    return context.state.world.ways_in(context.account_id, context.region_id).nat_gateways


@operation("vpc", VERSION, "DescribeNatGateways", listing=("NatGateways", "NatGateway"), regional=True)
def describe_nat_gateways(context: Context) -> Answer:
    """The NAT gateways of a region, by number (up to 50 a page)."""
    ask = context.parameters.text
    found = [
        one
        for one in _all(context)
        if ask("NatGatewayId", one.nat_gateway_id) == one.nat_gateway_id
        and ask("Name", one.name) == one.name
        and ask("VpcId", one.vpc_id) == one.vpc_id
        and ask("NetworkType", one.network_type) == one.network_type
        and ask("Status", one.status) == one.status
    ]
    page, numbers = by_number(context, found, 50)
    return {"NatGateways": {"NatGateway": [_gateway(context, one) for one in page]}, **numbers}


def _gateway(context: Context, one: NatGateway) -> dict[str, object]:
    addresses = [
        {"AllocationId": allocation_id, "IpAddress": address, "UsingStatus": "UsedByForwardTable"}
        for allocation_id, address in one.addresses
    ]
    return {
        "NatGatewayId": one.nat_gateway_id,
        "Name": one.name,
        "Description": "",
        "RegionId": context.region_id,
        "VpcId": one.vpc_id,
        "NatType": "Enhanced",
        "NetworkType": one.network_type,
        "Status": one.status,
        "BusinessStatus": "Normal",
        "IpLists": {"IpList": addresses},
        "ForwardTableIds": {"ForwardTableId": [one.forward_table_id]},
        "SnatTableIds": {"SnatTableId": []},
        "FullNatTableIds": {"FullNatTableId": []},
        "NatGatewayPrivateInfo": {"VswitchId": one.vswitch_id},
        "CreationTime": "2024-05-01T08:00:00Z",
        "Tags": {"Tag": []},
    }


@operation(
    "vpc",
    VERSION,
    "DescribeForwardTableEntries",
    listing=("ForwardTableEntries", "ForwardTableEntry"),
    regional=True,
)
def describe_forward_table_entries(context: Context) -> Answer:
    """The DNAT entries of a table or a gateway, one of which must be named; by number (up to 50 a page)."""
    ask = context.parameters.text
    table_id, gateway_id = ask("ForwardTableId"), ask("NatGatewayId")
    if not table_id and not gateway_id:
        message = "At least one of ForwardTableId and NatGatewayId must be specified."
        raise ApiError(400, "MissingParameter", message)
    asked = [
        one
        for one in _all(context)
        if (not table_id or one.forward_table_id == table_id)
        and (not gateway_id or one.nat_gateway_id == gateway_id)
    ]
    if not asked:
        table = "InvalidForwardTableId.NotFound" if table_id else "InvalidNatGatewayId.NotFound"
        raise ApiError(404, table, "The specified table or gateway does not exist.")
    found = [(one, entry) for one in asked for entry in one.entries if _is_asked(context, entry)]
    page, numbers = by_number(context, found, 50)
    rows = [_entry(one, entry) for one, entry in page]
    return {"ForwardTableEntries": {"ForwardTableEntry": rows}, **numbers}


def _is_asked(context: Context, one: ForwardEntry) -> bool:
    ask = context.parameters.text
    return (
        ask("ForwardEntryId", one.entry_id) == one.entry_id
        and ask("ExternalIp", one.external_ip) == one.external_ip
        and ask("ExternalPort", one.external_port) == one.external_port
        and ask("InternalIp", one.internal_ip) == one.internal_ip
        and ask("InternalPort", one.internal_port) == one.internal_port
        and ask("IpProtocol", one.protocol).lower() == one.protocol
    )


def _entry(gateway: NatGateway, one: ForwardEntry) -> dict[str, object]:
    return {
        "ForwardEntryId": one.entry_id,
        "ForwardEntryName": one.name,
        "ForwardTableId": gateway.forward_table_id,
        "NatGatewayId": gateway.nat_gateway_id,
        "ExternalIp": one.external_ip,
        "ExternalPort": one.external_port,
        "InternalIp": one.internal_ip,
        "InternalPort": one.internal_port,
        "IpProtocol": one.protocol,
        "Status": one.status,
    }
