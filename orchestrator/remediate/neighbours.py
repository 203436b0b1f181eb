"""The other groups of the network interfaces that a group is on: the cloud applies the rules of all as one list."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import NamedTuple

from orchestrator.cloud.errors import CloudError
from orchestrator.inventory import RegionReader, groups_together
from orchestrator.plan import Place
from orchestrator.remediate.calls import ChangeSession
from orchestrator.securitygroup import SecurityGroup

_MAX_AGE_SECONDS = 60.0


class Around(NamedTuple):
    """What else stands on the interfaces of a group.

    Attributes:
        interfaces: for each set of groups that share an interface with it, the others.
        unknown: why that is not known, or not all of it; empty if it is.
    """

    interfaces: tuple[tuple[SecurityGroup, ...], ...] = ()
    unknown: str = ""


NOTHING_AROUND = Around()


async def nothing_around() -> Around:
    """Return that nothing matters but the group."""
    return NOTHING_AROUND


class _Region:
    """What was read of a region, and when by the loop's clock."""

    def __init__(
        self, read_at: float, together: Mapping[str, frozenset[tuple[str, ...]]], unknown: str
    ) -> None:
        self.read_at = read_at
        self.together = together
        self.unknown = unknown
        self.groups: dict[str, SecurityGroup | CloudError] = {}


class Neighbours:
    """Reads them once an account and region, and again once that is a minute old."""

    def __init__(self, reader_of: Callable[[ChangeSession, str], RegionReader]) -> None:
        self._reader_of = reader_of
        self._regions: dict[str, _Region] = {}

    async def of(self, session: ChangeSession, place: Place) -> Around:
        """Return what else stands on the group's interfaces.

        Raises:
            CloudError: the account cannot be entered.
        """
        region = await self._region(session, place.region_id)
        if region.unknown:
            return Around((), region.unknown)
        sets = sorted(region.together.get(place.security_group_id, ()))
        others = {
            one: await self._group(session, place.region_id, region, one) for ids in sets for one in ids
        }
        unread = [
            f"group {one}: {group.code}, RequestId {group.request_id or 'none'}"
            for one, group in others.items()
            if isinstance(group, CloudError)
        ]
        interfaces = [
            tuple([group for one in ids if isinstance(group := others[one], SecurityGroup)]) for ids in sets
        ]
        return Around(tuple(one for one in interfaces if one), "; ".join(unread))

    def forget(self, place: Place) -> None:
        """Read the group again when it is asked for next: it was changed."""
        if region := self._regions.get(place.region_id):
            region.groups.pop(place.security_group_id, None)

    async def _region(self, session: ChangeSession, region_id: str) -> _Region:
        now = asyncio.get_running_loop().time()
        known = self._regions.get(region_id)
        if known is None or now - known.read_at > _MAX_AGE_SECONDS:
            known = self._regions[region_id] = await self._read(session, region_id, now)
        return known

    async def _read(self, session: ChangeSession, region_id: str, now: float) -> _Region:
        try:
            together = await groups_together(session, region_id)
        except CloudError as error:
            if error.action == "AssumeRole":
                raise
            return _Region(now, {}, f"{error.action}: {error.code}, RequestId {error.request_id or 'none'}")
        # Without the right to see them the answer is an empty list, too (ECS DescribeNetworkInterfaces).
        unknown = "" if together else "DescribeNetworkInterfaces names none in this region"
        return _Region(now, together, unknown)

    async def _group(
        self, session: ChangeSession, region_id: str, region: _Region, group_id: str
    ) -> SecurityGroup | CloudError:
        if group_id not in region.groups:
            try:
                region.groups[group_id] = (await self._reader_of(session, region_id).look(group_id)).group
            except CloudError as error:
                region.groups[group_id] = error
        return region.groups[group_id]
