"""A small cloud with something behind its groups: interfaces, NAT, balancers and network ACLs put by a test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

from orchestrator.emulator import Group, Options, World, WorldOutline
from orchestrator.emulator.world.model import (
    Balancer,
    ClassicBalancer,
    ClassicListener,
    ForwardEntry,
    Interface,
    Listener,
    NatGateway,
    Server,
    ServerGroup,
    WaysIn,
)
from orchestrator.evidence.behind import Estates
from orchestrator.evidence.values import Behind, Way
from orchestrator.policy import Finding
from tests.cloud.conftest import Speaker, speaking
from tests.evidence.traffic_kit import REGION, group, interface
from tests.evidence.traffic_kit import door as bare_door

ANYONE = ("0.0.0.0/0",)
SERVERS = (Server("i-1"),)
SSH_SERVER = Server("i-1", "Ecs", "10.0.0.1", 22)
DNS = {product: f"lb-9.{REGION}.{product}.aliyuncs.com" for product in ("nlb", "alb")}


def door(group_number: int = 1, rule_number: int = 1, *ports: str, **fields: Any) -> Finding:
    """An open finding of a rule that lets in anyone."""
    return bare_door(group_number, rule_number, *ports, **{"sources": ANYONE, **fields})


class Place:
    """One account and region."""

    def __init__(self, it: Speaker) -> None:
        self.it = it
        self.account_id = it.member_ids[0]
        self.estates = Estates(it.member())

    @property
    def calls(self) -> dict[str, int]:
        """How often each action was called."""
        return {action: stats.calls for action, stats in self.it.client.stats.actions.items()}

    async def behind(self, *findings: Finding, **more: Any) -> dict[tuple[str, str], Behind]:
        """What stands behind these findings' rules."""
        by_group: dict[str, list[Finding]] = {}
        for one in findings:
            by_group.setdefault(one.security_group_id, []).append(one)
        return await self.estates.behind(more.pop("region_id", REGION), by_group, **more)

    async def of(self, finding: Finding, **more: Any) -> Behind:
        """What stands behind one rule."""
        found = await self.behind(finding, **more)
        return found[finding.security_group_id, finding.rule_id]


@asynccontextmanager
async def place(
    interfaces: Iterable[Interface] = (),
    ways: WaysIn | None = None,
    groups: Iterable[Group] = (),
    options: Options | None = None,
    **more: Any,
) -> AsyncIterator[Place]:
    """A cloud with these; `more` is of the estate."""
    world = World.generate(WorldOutline(seed=7, accounts=2, region_ids=(REGION,), groups_per_account=0))
    async with speaking(world, options) as it:
        made = Place(it)
        estate = world.estate(made.account_id, REGION)
        estate.groups = {one.security_group_id: one for one in groups}
        estate.interfaces = tuple(interfaces)
        estate.ways_in = ways or WaysIn()
        for name, value in more.items():
            setattr(estate, name, value)
        yield made


def told(way: Way) -> str:
    """A way in one line."""
    steps = ", ".join(f"{one.kind} {one.id} {one.effect}" for one in way.steps)
    return f"{way.kind} {way.address}:{way.port} to {way.to}: {steps}"


async def one_way(finding: Any = None, *, ways: WaysIn | None = None, **fields: Any) -> list[str]:
    """The ways to one interface of group 1."""
    async with place([interface(1, 1, **fields)], ways, [group(1)]) as it:
        found = await it.of(finding or door())
        assert found.status == "seen"
        return [told(one) for one in found.via]


def nat(*entries: ForwardEntry, **fields: Any) -> WaysIn:
    """A gateway of VPC vpc-1."""
    return WaysIn(nat_gateways=(NatGateway("ngw-1", vpc_id="vpc-1", entries=entries, **fields),))


def entry(external: str, internal: str, protocol: str = "tcp", address: str = "10.0.0.1") -> ForwardEntry:
    """A DNAT entry of a public address."""
    return ForwardEntry("fwd-1", "39.1.1.1", external, address, internal, protocol)


def classic(*listeners: ClassicListener, **fields: Any) -> WaysIn:
    """A classic balancer on the Internet."""
    return WaysIn(
        classic_balancers=(ClassicBalancer("lb-1", "front", "39.5.5.5", listeners=listeners, **fields),)
    )


def front(product: str = "nlb", *servers: Server, **fields: Any) -> WaysIn:
    """A balancer on the Internet that listens on 2222."""
    listener = fields.pop("listener", None) or Listener("lsn-1", "TCP" if product == "nlb" else "HTTP", 2_222)
    balancer = fields.pop("balancer", {})
    group_fields = {"vpc_id": "vpc-1", "balancer_ids": ("lb-9",), **fields}
    return WaysIn(
        balancers=(Balancer("lb-9", product, "front", vpc_id="vpc-1", listeners=(listener,), **balancer),),
        server_groups=(ServerGroup("sgp-1", product, servers, **group_fields),),
        forwards={"lsn-1": "sgp-1"},
    )
