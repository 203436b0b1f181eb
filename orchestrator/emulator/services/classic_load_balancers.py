"""CLB (product slb) 2014-05-15: classic balancers, their listeners, and the servers that these forward to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from orchestrator.emulator.framework.errors import ApiError
from orchestrator.emulator.framework.operations import Answer, Context, operation
from orchestrator.emulator.framework.paging import add_token, by_number, by_token
from orchestrator.emulator.world.model import ClassicBalancer, ClassicListener, Server, ServerGroup

VERSION: Final = "2014-05-15"
_CREATED: Final = "2024-05-01T08:00Z"
_CREATED_MS: Final = 1_714_550_400_000
_BALANCERS_AT_ONCE: Final = 10
_CONFIGS: Final = {
    "tcp": "TCPListenerConfig",
    "udp": "UDPListenerConfig",
    "http": "HTTPListenerConfig",
    "https": "HTTPSListenerConfig",
}


def _all(context: Context) -> Sequence[ClassicBalancer]:
    return context.state.world.ways_in(context.account_id, context.region_id).classic_balancers


def _find(context: Context) -> ClassicBalancer:
    balancer_id = context.parameters.required("LoadBalancerId")
    for one in _all(context):
        if one.balancer_id == balancer_id:
            return one
    raise _not_found("InvalidLoadBalancerId.NotFound", "LoadBalancerId")


def _not_found(code: str, name: str) -> ApiError:
    return ApiError(404, code, f"The specified {name} does not exist.")


def _servers(one: ClassicBalancer) -> Iterable[Server]:
    groups = (*one.vserver_groups, *one.master_slave_groups)
    return (*one.default_servers, *(server for group in groups for server in group.servers))


# --- balancers


@operation("slb", VERSION, "DescribeLoadBalancers", listing=("LoadBalancers", "LoadBalancer"), regional=True)
def describe_load_balancers(context: Context) -> Answer:
    """The balancers of a region, by number (up to 100 a page)."""
    ask = context.parameters.text
    ids = set(filter(None, ask("LoadBalancerId").split(",")))
    server_id, address = ask("ServerId"), ask("ServerIntranetAddress")
    found = [
        one
        for one in _all(context)
        if (not ids or one.balancer_id in ids)
        and ask("LoadBalancerName", one.name) == one.name
        and ask("LoadBalancerStatus", one.status) == one.status
        and ask("AddressType", one.address_type) == one.address_type
        and ask("Address", one.address) == one.address
        and ask("VpcId", one.vpc_id) == one.vpc_id
        and (not server_id or any(server.server_id == server_id for server in _servers(one)))
        and (not address or any(server.ip == address for server in _servers(one)))
    ]
    page, numbers = by_number(context, found, 100)
    rows = [_balancer(context, one) for one in page]
    return {"LoadBalancers": {"LoadBalancer": rows}, **numbers}


def _balancer(context: Context, one: ClassicBalancer) -> dict[str, object]:
    return {
        "LoadBalancerId": one.balancer_id,
        "LoadBalancerName": one.name,
        "LoadBalancerStatus": one.status,
        "Address": one.address,
        "AddressType": one.address_type,
        "AddressIPVersion": "ipv4",
        "NetworkType": "vpc" if one.vpc_id else "classic",
        "VpcId": one.vpc_id,
        "VSwitchId": one.vswitch_id,
        "RegionId": context.region_id,
        "RegionIdAlias": context.region_id,
        "CreateTime": _CREATED,
        "CreateTimeStamp": _CREATED_MS,
        "PayType": "PayOnDemand",
        "InternetChargeType": "paybytraffic",
        "LoadBalancerSpec": "slb.lcu.elastic",
        "ResourceGroupId": "",
        "Tags": {"Tag": []},
    }


@operation("slb", VERSION, "DescribeLoadBalancerAttribute", regional=True)
def describe_load_balancer_attribute(context: Context) -> Answer:
    """One balancer with its default servers and the ports that it listens on."""
    one = _find(context)
    servers = [{key: row[key] for key in row if key != "Port"} for row in map(_server, one.default_servers)]
    return {
        **_balancer(context, one),
        "BackendServers": {"BackendServer": servers},
        "ListenerPorts": {"ListenerPort": [listener.port for listener in one.listeners]},
        "ListenerPortsAndProtocol": {
            "ListenerPortAndProtocol": [
                {"ListenerPort": listener.port, "ListenerProtocol": listener.protocol, "Description": ""}
                for listener in one.listeners
            ]
        },
        "ListenerPortsAndProtocal": {
            "ListenerPortAndProtocal": [
                {"ListenerPort": listener.port, "ListenerProtocal": listener.protocol}
                for listener in one.listeners
            ]
        },
    }


# --- listeners


@operation("slb", VERSION, "DescribeLoadBalancerListeners", listing=("Listeners",), regional=True)
def describe_load_balancer_listeners(context: Context) -> Answer:
    """The listeners of the balancers named (at most ten), or of all of the region, by token."""
    ask = context.parameters
    ids = set(ask.items("LoadBalancerId", _BALANCERS_AT_ONCE))
    rows = [
        _listener(one, listener)
        for one in _all(context)
        if not ids or one.balancer_id in ids
        for listener in one.listeners
        if ask.text("ListenerProtocol", listener.protocol) == listener.protocol
        and ask.text("ListenerPort", str(listener.port)) == str(listener.port)
    ]
    size = ask.integer("MaxResults", 20, 1, 100)
    page, token = by_token(context, rows, lambda row: f"{row['LoadBalancerId']}/{row['ListenerPort']}", size)
    answer: Answer = {"Listeners": list(page), "MaxResults": size, "TotalCount": len(rows)}
    add_token(context, answer, token)
    return answer


def _listener(one: ClassicBalancer, listener: ClassicListener) -> dict[str, object]:
    config: dict[str, object] = {"HealthCheck": "on"}
    if listener.master_slave_group_id:
        config["MasterSlaveServerGroupId"] = listener.master_slave_group_id
    row: dict[str, object] = {
        "LoadBalancerId": one.balancer_id,
        "ListenerPort": listener.port,
        "ListenerProtocol": listener.protocol,
        "Status": listener.status,
        "Scheduler": "wrr",
        "Bandwidth": -1,
        "Description": "",
        "AclStatus": listener.acl_status,
        "Tags": [],
        _CONFIGS[listener.protocol]: config,
    }
    if listener.acl_status == "on":
        row |= {"AclType": listener.acl_type, "AclIds": list(listener.acl_ids)}
    if listener.vserver_group_id:
        row["VServerGroupId"] = listener.vserver_group_id
    elif not listener.master_slave_group_id:
        row["BackendServerPort"] = listener.backend_port
    return row


# --- groups of servers


def _server(one: Server) -> dict[str, object]:
    row: dict[str, object] = {"ServerId": one.server_id, "Type": one.kind.lower(), "Weight": one.weight}
    row |= {"Port": one.port, "Description": ""}
    return {**row, "ServerIp": one.ip} if one.kind != "Ecs" else row


def _find_group(context: Context, name: str) -> tuple[ClassicBalancer, ServerGroup]:
    """The group that a parameter names, with its balancer."""
    group_id = context.parameters.required(name)
    for one in _all(context):
        groups = one.vserver_groups if name == "VServerGroupId" else one.master_slave_groups
        for group in groups:
            if group.server_group_id == group_id:
                return one, group
    raise _not_found("InvalidParameter.NotFound", name)


@operation("slb", VERSION, "DescribeVServerGroups", listing=("VServerGroups", "VServerGroup"), regional=True)
def describe_vserver_groups(context: Context) -> Answer:
    """The groups of servers of a balancer; not paged."""
    one = _find(context)
    with_listeners = context.parameters.flag("IncludeListener")
    rows = []
    for group in context.state.bends.shortened(context, one.vserver_groups):
        listeners = [
            {"Port": listener.port, "Protocol": listener.protocol}
            for listener in one.listeners
            if with_listeners and listener.vserver_group_id == group.server_group_id
        ]
        rows.append(
            {
                "VServerGroupId": group.server_group_id,
                "VServerGroupName": group.name,
                "ServerCount": len(group.servers),
                "CreateTime": _CREATED,
                "AssociatedObjects": {"Listeners": {"Listener": listeners}, "Rules": {"Rule": []}},
                "Tags": {"Tag": []},
            }
        )
    return {"VServerGroups": {"VServerGroup": rows}}


@operation(
    "slb",
    VERSION,
    "DescribeVServerGroupAttribute",
    listing=("BackendServers", "BackendServer"),
    regional=True,
)
def describe_vserver_group_attribute(context: Context) -> Answer:
    """The servers of one group."""
    one, group = _find_group(context, "VServerGroupId")
    return {
        "VServerGroupId": group.server_group_id,
        "VServerGroupName": group.name,
        "LoadBalancerId": one.balancer_id,
        "CreateTime": _CREATED,
        "BackendServers": {"BackendServer": [_server(server) for server in group.servers]},
        "Tags": {"Tag": []},
    }


@operation(
    "slb",
    VERSION,
    "DescribeMasterSlaveServerGroupAttribute",
    listing=("MasterSlaveBackendServers", "MasterSlaveBackendServer"),
    regional=True,
)
def describe_master_slave_server_group_attribute(context: Context) -> Answer:
    """The master and the slave of one group."""
    one, group = _find_group(context, "MasterSlaveServerGroupId")
    servers = [{**_server(server), "ServerType": server.role} for server in group.servers]
    return {
        "MasterSlaveServerGroupId": group.server_group_id,
        "MasterSlaveServerGroupName": group.name,
        "LoadBalancerId": one.balancer_id,
        "CreateTime": _CREATED,
        "MasterSlaveBackendServers": {"MasterSlaveBackendServer": servers},
        "Tags": {"Tag": []},
    }
