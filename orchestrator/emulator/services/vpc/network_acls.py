"""DescribeNetworkAcls: what filters before the security groups, vSwitch by vSwitch."""

from __future__ import annotations

from typing import Final

from orchestrator.emulator.framework.operations import Answer, Context, operation
from orchestrator.emulator.framework.paging import by_number
from orchestrator.emulator.world.model import AclEntry, NetworkAcl

VERSION: Final = "2016-04-28"


@operation("vpc", VERSION, "DescribeNetworkAcls", listing=("NetworkAcls", "NetworkAcl"), regional=True)
def describe_network_acls(context: Context) -> Answer:
    """The network ACLs of a region with their entries and the vSwitches they are bound to, by number (up to 50)."""
    ask = context.parameters.text
    resource_id = ask("ResourceId")
    found = [
        one
        for one in context.state.world.ways_in(context.account_id, context.region_id).network_acls
        if ask("NetworkAclId", one.network_acl_id) == one.network_acl_id
        and ask("NetworkAclName", one.name) == one.name
        and ask("VpcId", one.vpc_id) == one.vpc_id
        and (not resource_id or resource_id in one.vswitch_ids)
    ]
    page, numbers = by_number(context, found, 50)
    shown = {key: str(value) for key, value in numbers.items()}  # text in the official client's answer
    return {"NetworkAcls": {"NetworkAcl": [_row(context, one) for one in page]}, **shown}


def _row(context: Context, one: NetworkAcl) -> dict[str, object]:
    bound = [
        {"ResourceId": vswitch_id, "ResourceType": "VSwitch", "Status": "BINDED"}
        for vswitch_id in one.vswitch_ids
    ]
    ingress = [{**_entry(entry), "SourceCidrIp": entry.cidr} for entry in one.ingress]
    egress = [{**_entry(entry), "DestinationCidrIp": entry.cidr} for entry in one.egress]
    return {
        "NetworkAclId": one.network_acl_id,
        "NetworkAclName": one.name,
        "Description": "",
        "VpcId": one.vpc_id,
        "RegionId": context.region_id,
        "OwnerId": int(context.account_id),
        "Status": one.status,
        "CreationTime": "2024-05-01 08:00:00",
        "Resources": {"Resource": bound},
        "IngressAclEntries": {"IngressAclEntry": ingress},
        "EgressAclEntries": {"EgressAclEntry": egress},
        "Tags": {"Tag": []},
    }


def _entry(one: AclEntry) -> dict[str, object]:
    return {
        "NetworkAclEntryId": one.entry_id,
        "NetworkAclEntryName": one.name,
        "Description": "",
        "EntryType": one.entry_type,
        "IpVersion": one.ip_version,
        "Policy": one.policy,
        "Protocol": one.protocol,
        "Port": one.port,
    }
