"""Reads what stands in one region and what is forwarded to it, part by part, and why a part could not be read."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping
from typing import Any, TypeVar

import msgspec

from orchestrator.cloud.errors import CloudError, Denied, is_clock
from orchestrator.evidence.balancer_servers import PRODUCTS, Product, read_balanced
from orchestrator.evidence.clb import read_clb
from orchestrator.evidence.doors import DoorId
from orchestrator.evidence.estate import RegionEstate, parse_estate, read_instances, read_interfaces
from orchestrator.evidence.forwarding import Backend, Forwarding
from orchestrator.evidence.group_references import read_referenced
from orchestrator.evidence.nat import read_dnat
from orchestrator.evidence.network_acls import read_network_acls
from orchestrator.evidence.ways_in import Acls, Admission, Surroundings, ends_at, surroundings
from orchestrator.inventory.paging import ProductCaller

T = TypeVar("T")


class UnreadPart(msgspec.Struct, frozen=True):
    """Why a part could not be read.

    Attributes:
        part: `interfaces`, `instances`, `references`, `network acls`, `dnat`, `clb`, `nlb`, `alb`, `vpcs`.
        text: with the action and the RequestId.
        is_right: a right is missing.
    """

    part: str
    text: str
    is_right: bool


class PartReader:
    """Asks one account part by part; what a right is missing for is not asked for again in another region."""

    def __init__(self, session: ProductCaller) -> None:
        self.session = session
        self._denied: dict[str, UnreadPart] = {}

    async def part(self, name: str, product: str, ask: Callable[[], Awaitable[T]]) -> T | UnreadPart:
        """Return what a part came to, or why it could not be read.

        Args:
            name: of the part, see `UnreadPart`.
            product: whose actions are asked.
            ask: reads it.
        """
        if name in self._denied:
            return self._denied[name]
        try:
            return await ask()
        except CloudError as error:
            is_right = isinstance(error, Denied) and not is_clock(error.code)
            trace = f" (RequestId {error.request_id})" if error.request_id else ""
            problem = UnreadPart(
                name, f"{product}:{error.action or name}: {error.code}: {error.message}{trace}", is_right
            )
            if is_right:
                self._denied[name] = problem
            return problem


class RegionRead(msgspec.Struct, frozen=True):
    """What was read of a region.

    Attributes:
        around: None where the interfaces could not be read.
        needed: groups that a balancer joined, or that a rule names, as far as that was asked.
        problems: what could not be read.
    """

    around: Surroundings | None
    needed: frozenset[str] = frozenset()
    problems: tuple[UnreadPart, ...] = ()


async def read_estate(reader: PartReader, region_id: str) -> tuple[RegionEstate | None, list[UnreadPart]]:
    """Return the interfaces and instances of a region, None where the interfaces could not be read, and why not all."""
    session = reader.session
    listed = await reader.part("interfaces", "ecs", lambda: read_interfaces(session, region_id))
    if isinstance(listed, UnreadPart):
        return None, [listed]
    instances = await reader.part("instances", "ecs", lambda: read_instances(session, region_id))
    if isinstance(instances, UnreadPart):
        return parse_estate(listed, ()), [instances]
    return parse_estate(listed, instances), []


async def read_region(
    reader: PartReader,
    region_id: str,
    estate: RegionEstate,
    admissions: Mapping[DoorId, Admission | None],
    referenced: Collection[str],
) -> RegionRead:
    """Return what is around these rules.

    Args:
        reader: of the account.
        region_id: the region.
        estate: what stands there.
        admissions: what each rule lets in; None for what goes out.
        referenced: groups that are known to be named by a rule.

    Raises:
        HubCredentialsError: the hub's own credentials no longer hold.
    """
    reading = _Reading(reader, region_id, estate, admissions)
    return await reading.read(referenced)


class _Reading:
    """One region; each part that is read in its own time leaves here what it found."""

    def __init__(
        self,
        reader: PartReader,
        region_id: str,
        estate: RegionEstate,
        admissions: Mapping[DoorId, Admission | None],
    ) -> None:
        doors = {group_id for (group_id, _), admission in admissions.items() if admission is not None}
        wanted = [one for group_id in doors for one in estate.of(group_id) if one.is_in_use]
        self._reader = reader
        self._session = reader.session
        self._region_id = region_id
        self._estate = estate
        self._group_ids = frozenset(group_id for group_id, _ in admissions)
        self._interface_ids = {one.id for one in wanted}
        self._vpc_ids = {one.vpc_id for one in wanted if one.vpc_id}
        self._acls: Acls | None = None
        self._forwardings: list[Forwarding] = []
        self._needed: set[str] = set()
        self._problems: list[UnreadPart] = []

    async def read(self, referenced: Collection[str]) -> RegionRead:
        """Read what matters: nothing is asked of who forwards to interfaces where there are none."""
        parts: list[Coroutine[Any, Any, None]] = [self._balanced(product) for product in PRODUCTS]
        if self._interface_ids:
            parts.append(self._clb())
        if self._vpc_ids:
            parts += [self._dnat(), self._network_acls()]
        await _together(parts)
        self._needed |= set(referenced)
        await self._references()
        around = surroundings(self._estate, self._forwardings, self._acls)
        problems = sorted(self._problems, key=lambda one: one.part)
        return RegionRead(around, frozenset(self._needed), tuple(problems))

    async def _network_acls(self) -> None:
        self._acls = await self._part(
            "network acls", "vpc", lambda: read_network_acls(self._session, self._region_id)
        )

    async def _dnat(self) -> None:
        found = await self._part(
            "dnat", "vpc", lambda: read_dnat(self._session, self._region_id, self._vpc_ids)
        )
        self._forwardings += found or ()

    async def _clb(self) -> None:
        found = await self._part("clb", "slb", lambda: read_clb(self._session, self._region_id))
        self._forwardings += found or ()

    async def _balanced(self, product: Product) -> None:
        found = await self._part(
            product,
            product,
            lambda: read_balanced(self._session, product, self._region_id, self._is_asked, self._group_ids),
        )
        if found is not None:
            self._forwardings += found.forwardings
            self._needed |= found.joined

    async def _references(self) -> None:
        """Ask whether a rule names those groups that nothing is known to need."""
        if self._estate.is_empty:
            return
        idle = [one for one in sorted(self._group_ids - self._needed) if not self._estate.of(one)]
        if idle:
            found = await self._part(
                "references", "ecs", lambda: read_referenced(self._session, self._region_id, idle)
            )
            self._needed |= set(found or ())

    async def _part(self, name: str, product: str, ask: Callable[[], Awaitable[T]]) -> T | None:
        """Return what a part came to; None where it could not be read, which is written down."""
        found = await self._reader.part(name, product, ask)
        if isinstance(found, UnreadPart):
            self._problems.append(found)
            return None
        return found

    def _is_asked(self, target: Backend) -> bool:
        return any(one.id in self._interface_ids for one, _ in ends_at(target, self._estate))


async def _together(parts: Collection[Coroutine[Any, Any, None]]) -> None:
    """Await them all; where one fails, the others end with it."""
    tasks = [asyncio.ensure_future(one) for one in parts]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
