"""The ways in of generated worlds, held against calls tried one by one: which public port ends at which interface."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from orchestrator.emulator import World, WorldOutline
from orchestrator.emulator.world.model import Balancer, Interface, Server, WaysIn
from orchestrator.evidence.behind import Estates
from tests.cloud.conftest import Speaker, speaking
from tests.evidence.estate_kit import door
from tests.evidence.traffic_kit import REGION

PORTS = (22, 3389, 3306, 6379, 9200, 8080, 8005, 443)
Call = tuple[str, str, int]
"""By what, to which address and port."""


def ends(server: Server, interfaces: tuple[Interface, ...], vpc_id: str = "") -> set[str]:
    """The interfaces that a server is."""
    if server.kind == "Ip":
        near = {one.interface_id for one in interfaces if (one.private_ip, one.vpc_id) == (server.ip, vpc_id)}
        return near or {one.interface_id for one in interfaces if one.private_ip == server.ip}
    if server.kind == "Eni":
        return {one.interface_id for one in interfaces if one.interface_id == server.server_id}
    mine = [one for one in interfaces if one.instance_id == server.server_id]
    exact = {one.interface_id for one in mine if server.ip and one.private_ip == server.ip}
    return exact or {one.interface_id for one in mine if one.primary}


def dnat(ways: WaysIn, interfaces: tuple[Interface, ...]) -> Iterator[tuple[Call, int, str]]:
    """What calls to NAT gateways come to: the call, the port inside, and the interface."""
    for gateway in ways.nat_gateways:
        for entry in gateway.entries if gateway.network_type == "internet" else ():
            if entry.protocol not in ("tcp", "any"):
                continue
            for called in range(1, 65536):
                port = called
                if entry.external_port != "any":
                    first, _, last = entry.external_port.partition("/")
                    if not int(first) <= called <= int(last or first):
                        continue
                    port = int(entry.internal_port.partition("/")[0]) + called - int(first)
                if port in PORTS:
                    server = Server("", "Ip", entry.internal_ip)
                    for one in ends(server, interfaces, gateway.vpc_id):
                        yield ("dnat", entry.external_ip, called), port, one


def clb(ways: WaysIn, interfaces: tuple[Interface, ...]) -> Iterator[tuple[Call, int, str]]:
    """What calls to classic balancers come to."""
    for balancer in ways.classic_balancers:
        groups = {
            one.server_group_id: one for one in (*balancer.vserver_groups, *balancer.master_slave_groups)
        }
        for listener in balancer.listeners if balancer.status == "active" else ():
            name = listener.vserver_group_id or listener.master_slave_group_id
            servers = groups[name].servers if name else balancer.default_servers
            for server in servers if listener.status == "running" and listener.protocol != "udp" else ():
                # CLB tells the address of a default server by its id alone
                known = Server(server.server_id, server.kind, server.ip if server.kind != "Ecs" else "")
                for one in ends(known, interfaces):
                    yield (
                        ("clb", balancer.address, listener.port),
                        server.port if name else listener.backend_port,
                        one,
                    )


def fronts(
    ways: WaysIn, balancers: tuple[Balancer, ...], interfaces: tuple[Interface, ...]
) -> Iterator[tuple[Call, int, str]]:
    """What calls to NLB and ALB come to."""
    groups = {one.server_group_id: one for one in ways.server_groups}
    for balancer in (*ways.balancers, *balancers):
        if balancer.address_type != "Internet" or balancer.status != "Active":
            continue
        product = balancer.product
        address = f"{balancer.balancer_id}.{REGION}.{product}.aliyuncs.com"
        for listener in balancer.listeners:
            group = groups.get(ways.forwards.get(listener.listener_id, ""))
            if group is None or listener.status == "Stopped" or listener.protocol == "UDP":
                continue
            first, last = listener.port or listener.start_port, listener.port or listener.end_port
            for server in group.servers:
                for called in range(first, last + 1):
                    for one in ends(server, interfaces, group.vpc_id):
                        yield (product, address, called), server.port or called, one


async def compared(it: Speaker, account_id: str) -> Counter[str]:
    """Hold what is told of each port on each group of a region against the calls; how many there were, by kind."""
    world = it.world
    interfaces = world.interfaces(account_id, REGION)
    ways = world.ways_in(account_id, REGION)
    in_use = tuple(one for one in interfaces if one.status == "InUse")
    balancers = tuple(world.estate(account_id, REGION).balancers.values())
    calls = [*dnat(ways, in_use), *clb(ways, in_use), *fronts(ways, balancers, in_use)]
    inside = {one.address for one in ways.classic_balancers if one.address_type != "internet"}
    session = it.hub if account_id == it.hub_id else it.member(it.member_ids.index(account_id))
    findings = {
        group_id: [
            door(0, port, f"tcp/{port}", security_group_id=group_id, rule_id=str(port)) for port in PORTS
        ]
        for group_id in world.estate(account_id, REGION).groups
    }
    found = await Estates(session).behind(REGION, findings)
    seen = Counter[str]()
    for (group_id, rule_id), told in found.items():
        mine = {one.interface_id: one for one in in_use if group_id in one.group_ids}
        expected = {
            ("eip" if one.allocation_id else "address", one.public_ip, 0, one.interface_id or one.instance_id)
            for one in mine.values()
            if one.public_ip
        }
        expected |= {
            (kind, address, 0 if called == port else called, end)
            for (kind, address, called), port, end in calls
            if port == int(rule_id) and end in mine and address not in inside
        }
        shown = {
            (one.kind, one.address, one.port, one.to)
            for one in told.via
            if one.kind != "ipv6" and one.address not in inside
        }
        assert shown == expected, (account_id, group_id, rule_id)
        assert told.interfaces == sum(group_id in one.group_ids for one in interfaces)
        seen.update(kind for kind, *_ in expected)
    return seen


@pytest.mark.parametrize("seed", range(8))
async def test_each_public_port_that_ends_at_an_interface_is_a_way_in(seed: int) -> None:
    """And nothing else is: in generated worlds, with and without balancers that joined groups."""
    outline = WorldOutline(
        seed=seed, accounts=3, region_ids=(REGION,), groups_per_account=12, balancers=seed % 2 == 1
    )
    seen = Counter[str]()
    async with speaking(World.generate(outline)) as it:
        for account_id in (it.hub_id, *it.member_ids):
            seen += await compared(it, account_id)
    assert {"address", "eip", "dnat", "clb"} <= set(seen), seen
    assert {"nlb", "alb"} & set(seen), seen
