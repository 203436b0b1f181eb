"""NLB 2022-04-30 and ALB 2020-06-16: which groups the balancers of a region joined, and where they listen.

ALB's requests name no region: it is the endpoint's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from orchestrator.emulator.framework.operations import Answer, Context, operation
from orchestrator.emulator.framework.paging import add_token, by_token
from orchestrator.emulator.world.model import Balancer, Listener

VERSIONS: Final = {"nlb": "2022-04-30", "alb": "2020-06-16"}
_CREATED: Final = "2024-05-01T08:00:00Z"


def _balancers(context: Context) -> list[Balancer]:
    """The balancers of the product that the filters of either call leave."""
    ask = context.parameters
    ids, names = set(ask.items("LoadBalancerIds")), set(ask.items("LoadBalancerNames"))
    vpcs = set(ask.items("VpcIds"))
    return [
        one
        for one in context.estate.balancers.values()
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
    if one.product == "nlb":
        row["RegionId"] = context.region_id
        if listener.end_port:
            row |= {"StartPort": str(listener.start_port), "EndPort": str(listener.end_port)}
    return row


def _register() -> None:
    for product, version in VERSIONS.items():
        for action, listing, handler in (
            ("ListLoadBalancers", "LoadBalancers", list_load_balancers),
            ("ListListeners", "Listeners", list_listeners),
        ):
            operation(product, version, action, listing=(listing,), regional=True, region_by_host=True)(
                handler
            )


_register()
