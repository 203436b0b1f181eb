"""NLB 2022-04-30 and ALB 2020-06-16: groups that balancers joined, where they listen, and what they forward to.

ALB's requests name no region: it is the endpoint's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from orchestrator.emulator.framework.errors import ApiError
from orchestrator.emulator.framework.operations import Answer, Context, operation
from orchestrator.emulator.framework.paging import add_token, by_token
from orchestrator.emulator.world.model import Balancer, Listener, Server, ServerGroup, WaysIn

VERSIONS: Final = {"nlb": "2022-04-30", "alb": "2020-06-16"}
_CREATED: Final = "2024-05-01T08:00:00Z"


def _ways_in(context: Context) -> WaysIn:
    return context.state.world.ways_in(context.account_id, context.region_id)


def _balancers(context: Context) -> list[Balancer]:
    """The balancers of the product that the filters of either call leave."""
    ask = context.parameters
    ids, names = set(ask.items("LoadBalancerIds")), set(ask.items("LoadBalancerNames"))
    vpcs = set(ask.items("VpcIds"))
    return [
        one
        for one in (*context.estate.balancers.values(), *_ways_in(context).balancers)
        if one.product == context.operation.product
        and (not ids or one.balancer_id in ids)
        and (not names or one.name in names)
        and (not vpcs or one.vpc_id in vpcs)
        and ask.text("AddressType", one.address_type) == one.address_type
        and ask.text("LoadBalancerStatus", one.status) == one.status
    ]


def _answer(context: Context, name: str, rows: Sequence[dict[str, object]], key: str) -> Answer:
    size = context.parameters.integer("MaxResults", 20, 1, 100)
    page, token = by_token(context, rows, lambda row: str(row[key]), size)
    answer: Answer = {name: list(page), "MaxResults": size, "TotalCount": len(rows)}
    add_token(context, answer, token)
    return answer


def list_load_balancers(context: Context) -> Answer:
    """The balancers of a region with the groups they joined, by token."""
    return _answer(
        context, "LoadBalancers", [_row(context, one) for one in _balancers(context)], "LoadBalancerId"
    )


def _row(context: Context, one: Balancer) -> dict[str, object]:
    row: dict[str, object] = {
        "LoadBalancerId": one.balancer_id,
        "LoadBalancerName": one.name,
        "LoadBalancerStatus": one.status,
        "AddressType": one.address_type,
        "AddressIpVersion": "Ipv4",
        "DNSName": f"{one.balancer_id}.{context.region_id}.{one.product}.aliyuncs.com",
        "VpcId": one.vpc_id,
        "SecurityGroupIds": list(one.group_ids),
        "ResourceGroupId": "",
        "CreateTime": _CREATED,
        "Tags": [{"Key": tag.key, "Value": tag.value} for tag in one.tags],
    }
    if one.product == "nlb":
        row |= {"RegionId": context.region_id, "LoadBalancerType": "Network", "ZoneMappings": []}
    else:
        row |= {"LoadBalancerEdition": "Standard", "AddressAllocatedMode": "Dynamic"}
    return row


def list_listeners(context: Context) -> Answer:
    """The listeners of the balancers named, or of all of the region, by token."""
    ask = context.parameters
    ids = set(ask.items("ListenerIds"))
    rows = [
        _listener(context, one, listener)
        for one in _balancers(context)
        for listener in one.listeners
        if (not ids or listener.listener_id in ids)
        and ask.text("ListenerProtocol", listener.protocol) == listener.protocol
    ]
    return _answer(context, "Listeners", rows, "ListenerId")


def _listener(context: Context, one: Balancer, listener: Listener) -> dict[str, object]:
    row: dict[str, object] = {
        "ListenerId": listener.listener_id,
        "ListenerPort": listener.port,
        "ListenerProtocol": listener.protocol,
        "ListenerStatus": listener.status,
        "ListenerDescription": "",
        "LoadBalancerId": one.balancer_id,
        "Tags": [],
    }
    group_id = _ways_in(context).forwards.get(listener.listener_id, "")
    if one.product == "nlb":
        row |= {"RegionId": context.region_id, "ServerGroupId": group_id}
        if listener.end_port:
            row |= {"StartPort": str(listener.start_port), "EndPort": str(listener.end_port)}
    elif group_id:
        groups = {"ServerGroupTuples": [{"ServerGroupId": group_id}]}
        row["DefaultActions"] = [{"Type": "ForwardGroup", "ForwardGroupConfig": groups}]
    return row


# --- what they forward to


def _groups(context: Context) -> list[ServerGroup]:
    """The server groups of the product."""
    return [one for one in _ways_in(context).server_groups if one.product == context.operation.product]


def list_server_groups(context: Context) -> Answer:
    """The server groups of a region, by token."""
    ask = context.parameters
    ids, names = set(ask.items("ServerGroupIds")), set(ask.items("ServerGroupNames"))
    rows = [
        _group(context, one)
        for one in _groups(context)
        if (not ids or one.server_group_id in ids)
        and (not names or one.name in names)
        and ask.text("VpcId", one.vpc_id) == one.vpc_id
        and ask.text("ServerGroupType", one.kind) == one.kind
    ]
    return _answer(context, "ServerGroups", rows, "ServerGroupId")


def _group(context: Context, one: ServerGroup) -> dict[str, object]:
    row: dict[str, object] = {
        "ServerGroupId": one.server_group_id,
        "ServerGroupName": one.name,
        "ServerGroupStatus": "Available",
        "ServerGroupType": one.kind,
        "Protocol": one.protocol,
        "Scheduler": "Wrr",
        "ServerCount": len(one.servers),
        "VpcId": one.vpc_id,
        "RelatedLoadBalancerIds": list(one.balancer_ids),
        "ResourceGroupId": "",
        "Tags": [],
    }
    if one.product == "nlb":
        row |= {"RegionId": context.region_id, "AddressIPVersion": "ipv4", "AnyPortEnabled": _any_port(one)}
        row["PreserveClientIpEnabled"] = one.preserves_client
    return row


def _any_port(one: ServerGroup) -> bool:
    """Whether it forwards to the port of the listener."""
    return any(not server.port for server in one.servers)


def list_server_group_servers(context: Context) -> Answer:
    """The servers of one group, or of all of the region, by token."""
    ask = context.parameters
    group_id = ask.text("ServerGroupId")
    if group_id and group_id not in {one.server_group_id for one in _groups(context)}:
        raise ApiError(404, "ResourceNotFound.ServerGroup", "The specified server group is not found.")
    ids, addresses = set(ask.items("ServerIds", 40)), set(ask.items("ServerIps", 40))
    rows = [
        _server(one, server)
        for one in _groups(context)
        if not group_id or one.server_group_id == group_id
        for server in one.servers
        if (not ids or server.server_id in ids) and (not addresses or server.ip in addresses)
    ]
    return _answer(context, "Servers", rows, "ServerId")


def _server(group: ServerGroup, one: Server) -> dict[str, object]:
    return {
        "ServerGroupId": group.server_group_id,
        "ServerId": one.server_id,
        "ServerIp": one.ip,
        "ServerType": one.kind,
        "Port": one.port,
        "Weight": one.weight,
        "Status": "Available",
        "Description": "",
    }


def _register() -> None:
    for product, version in VERSIONS.items():
        for action, listing, handler in (
            ("ListLoadBalancers", "LoadBalancers", list_load_balancers),
            ("ListListeners", "Listeners", list_listeners),
            ("ListServerGroups", "ServerGroups", list_server_groups),
            ("ListServerGroupServers", "Servers", list_server_group_servers),
        ):
            operation(product, version, action, listing=(listing,), regional=True, region_by_host=True)(
                handler
            )


_register()
