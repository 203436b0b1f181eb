"""ECS 2014-05-26: network interfaces and instances, which is where groups take effect."""

from __future__ import annotations

from typing import Final

from orchestrator.emulator.framework.operations import Answer, Context, operation
from orchestrator.emulator.framework.paging import add_token, by_number, by_token
from orchestrator.emulator.services.ecs.groups import VERSION, json_list
from orchestrator.emulator.world.model import Interface
from orchestrator.emulator.world.origin import vswitch_of

_CREATED: Final = "2024-05-01T08:00Z"


def _empty_instances(context: Context) -> Answer:
    """What a caller without permission is told: nothing, as if there were no instances."""
    if not context.state.quirks.silent_instances:
        raise context.state.quirks.denied.error()
    return {"Instances": {"Instance": []}, "NextToken": "", "TotalCount": 0, "PageNumber": 1, "PageSize": 10}


def _empty_interfaces(context: Context) -> Answer:
    if not context.state.quirks.silent_instances:
        raise context.state.quirks.denied.error()
    empty: Answer = {"NetworkInterfaceSets": {"NetworkInterfaceSet": []}, "NextToken": ""}
    return {**empty, "TotalCount": 0, "PageNumber": 1, "PageSize": 10}


def _interfaces(context: Context) -> tuple[Interface, ...]:
    found = context.state.world.interfaces(context.account_id, context.region_id)
    group_id = context.parameters.text("SecurityGroupId")
    return tuple(one for one in found if not group_id or group_id in one.group_ids)


def _public(context: Context, one: Interface) -> dict[str, str]:
    if not one.public_ip or not (one.allocation_id or context.state.quirks.fixed_address_on_interface):
        return {}
    return {"PublicIpAddress": one.public_ip, "AllocationId": one.allocation_id}


def _interface(context: Context, one: Interface) -> dict[str, object]:
    private = {
        "PrivateIpAddress": one.private_ip,
        "Primary": True,
        "AssociatedPublicIp": _public(context, one),
    }
    return {
        "NetworkInterfaceId": one.interface_id,
        "InstanceId": one.instance_id if one.status == "InUse" else "",
        "Type": "Primary" if one.primary else "Secondary",
        "Status": one.status,
        "VpcId": one.vpc_id,
        "VSwitchId": vswitch_of(one.vpc_id),
        "PrivateIpAddress": one.private_ip,
        "SecurityGroupIds": {"SecurityGroupId": list(one.group_ids)},
        "AssociatedPublicIp": _public(context, one),
        "PrivateIpSets": {"PrivateIpSet": [private]},
        "Ipv6Sets": {"Ipv6Set": [{"Ipv6Address": one.ipv6}] if one.ipv6 else []},
        "ServiceManaged": one.service_managed,
        "OwnerId": context.account_id,
        "CreationTime": _CREATED,
        "Tags": {"Tag": []},
    }


@operation(
    "ecs",
    VERSION,
    "DescribeNetworkInterfaces",
    listing=("NetworkInterfaceSets", "NetworkInterfaceSet"),
    regional=True,
    unpermitted=_empty_interfaces,
)
def describe_network_interfaces(context: Context) -> Answer:
    """Network interfaces: by token (10 to 500 a page) or by number (up to 1000)."""
    ask = context.parameters.text
    ids = set(context.parameters.items("NetworkInterfaceId"))
    managed = context.parameters.flag("ServiceManaged")
    found = [
        one
        for one in _interfaces(context)
        if (not ids or one.interface_id in ids)
        and ask("Type", "Primary" if one.primary else "Secondary")
        == ("Primary" if one.primary else "Secondary")
        and ask("Status", one.status) == one.status
        and ask("InstanceId", one.instance_id) == one.instance_id
        and managed in {None, one.service_managed}
    ]
    answer: Answer = {}
    wire = context.parameters.wire
    if wire.get("PageNumber") or wire.get("PageSize"):
        page, numbers = by_number(context, found, 1000)
        answer.update(numbers)
    else:
        size = context.parameters.integer("MaxResults", 10, 10, 500)
        page, token = by_token(context, found, lambda one: one.interface_id, size)
        add_token(context, answer, token)
    answer["NetworkInterfaceSets"] = {"NetworkInterfaceSet": [_interface(context, one) for one in page]}
    return answer


def _instance(context: Context, one: Interface) -> dict[str, object]:
    elastic = {"IpAddress": one.public_ip, "AllocationId": one.allocation_id} if one.allocation_id else {}
    plain = [one.public_ip] if one.public_ip and not one.allocation_id else []
    return {
        "InstanceId": one.instance_id,
        "InstanceName": f"host-{one.instance_id[-6:]}",
        "RegionId": context.region_id,
        "Status": "Running",
        "InstanceNetworkType": "vpc" if one.vpc_id else "classic",
        "PublicIpAddress": {"IpAddress": plain},
        "EipAddress": {"IpAddress": "", "AllocationId": "", **elastic},
        "SecurityGroupIds": {"SecurityGroupId": list(one.group_ids)},
        "NetworkInterfaces": {
            "NetworkInterface": [
                {
                    "NetworkInterfaceId": one.interface_id,
                    "Type": "Primary",
                    "PrimaryIpAddress": one.private_ip,
                }
            ]
        },
        "VpcAttributes": {
            "VpcId": one.vpc_id,
            "VSwitchId": vswitch_of(one.vpc_id),
            "PrivateIpAddress": {"IpAddress": [one.private_ip]},
        },
        "CreationTime": _CREATED,
        "Tags": {"Tag": [{"TagKey": tag.key, "TagValue": tag.value} for tag in one.instance_tags]},
    }


@operation(
    "ecs",
    VERSION,
    "DescribeInstances",
    listing=("Instances", "Instance"),
    regional=True,
    unpermitted=_empty_instances,
)
def describe_instances(context: Context) -> Answer:
    """Instances: by number, or by token (10 to 100 a page, other sizes are drawn into that)."""
    ids = set(json_list(context, "InstanceIds"))
    wire = context.parameters.wire
    found = [
        one
        for one in _interfaces(context)
        if one.primary and (not ids or one.instance_id in ids) and wire.get("VpcId", one.vpc_id) == one.vpc_id
    ]
    answer: Answer = {}
    if wire.get("PageNumber") or wire.get("PageSize"):
        page, numbers = by_number(context, found, 100)
        answer.update(numbers)
    else:
        size = min(100, max(10, context.parameters.integer("MaxResults", 10, 0, 10**9)))
        page, token = by_token(context, found, lambda one: one.instance_id, size)
        answer["TotalCount"] = len(found)
        add_token(context, answer, token)
    answer["Instances"] = {"Instance": [_instance(context, one) for one in page]}
    return answer
