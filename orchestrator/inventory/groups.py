"""Regions, security groups and their rules, with the prefix and port lists that the rules name."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

import msgspec

from accounts import Unreachable
from orchestrator.cloud.client import AccountSession
from orchestrator.cloud.errors import CloudError
from orchestrator.inventory.paging import Answer, items, malformed, pages, unreachable
from orchestrator.securitygroup import (
    NO_LISTS,
    Lists,
    Placement,
    SecurityGroup,
    Unreadable,
    parse_group,
    referenced_lists,
)

_GROUPS_PER_PAGE = 100  # DescribeSecurityGroups, the API's maximum
_GROUP_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}").fullmatch
_REGION_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,62}").fullmatch
_RULES_PER_PAGE = 1000  # DescribeSecurityGroupAttribute, the API's maximum


class Observation(msgspec.Struct, frozen=True):
    """A security group as read: the value to judge, and the API's own words to keep.

    Attributes:
        group: the parsed group.
        listing: its item of DescribeSecurityGroups.
        attribute: the top level of DescribeSecurityGroupAttribute without its rules; empty for a group without any.
        permissions: every rule, of all pages, as the API gave it.
        lists: the prefix and port lists its rules name.
    """

    group: SecurityGroup
    listing: Answer
    attribute: Answer
    permissions: tuple[Answer, ...]
    lists: Lists


async def regions(session: AccountSession) -> tuple[str, ...]:
    """Return the ids of the regions the account may use (ECS DescribeRegions, not paged).

    Raises:
        CloudError: the account could not be read.
    """
    answer = await session.call("DescribeRegions", None, {"AcceptLanguage": "en-US"})
    found = items(answer, ("Regions", "Region"), session, None, named="RegionId")
    for region in found:
        if not _REGION_ID(region["RegionId"]):  # it becomes part of a host's name
            message = f"{region['RegionId'][:40]!r} is no region id"
            raise malformed(session, "DescribeRegions", None, answer, message)
        if region.get("RegionEndpoint"):  # where the provider says it is, before any rule of ours
            session.client.endpoints.learn(str(region["RegionId"]), str(region["RegionEndpoint"]))
    return tuple(str(region["RegionId"]) for region in found)


async def security_groups(session: AccountSession, region_id: str) -> AsyncIterator[tuple[Answer, ...]]:
    """Yield the security groups of a region, a page at a time (ECS DescribeSecurityGroups, token paging).

    Raises:
        CloudError: a page could not be read; what was yielded before is not the whole list.
    """
    parameters: Answer = {"RegionId": region_id, "MaxResults": _GROUPS_PER_PAGE}
    async for page in pages(session, "DescribeSecurityGroups", region_id, parameters):
        found = items(page, ("SecurityGroups", "SecurityGroup"), session, region_id, named="SecurityGroupId")
        for listing in found:
            if not _GROUP_ID(
                listing["SecurityGroupId"]
            ):  # it becomes part of session policies: no "*", no "/"
                message = f"{listing['SecurityGroupId'][:40]!r} is no security group's id"
                raise malformed(session, "DescribeSecurityGroups", region_id, page, message)
        yield tuple(found)


class RegionReader:
    """Reads the groups of one account and region, and each prefix or port list they name once."""

    def __init__(self, session: AccountSession, placement: Placement, region_id: str) -> None:
        self.session = session
        self._placement = placement
        self._region_id = region_id
        self._prefix_lists: dict[str, tuple[str, ...] | Unreadable] = {}
        self._port_lists: dict[str, tuple[str, ...] | Unreadable] = {}
        self._one_at_a_time = asyncio.Lock()  # so that two groups that name the same list read it once

    async def read(self, listing: Answer) -> Observation | Unreachable:
        """Return the group in full, both directions in one call a page, or why it cannot be seen."""
        group_id = str(listing["SecurityGroupId"])
        try:
            if has_no_rules(listing):
                attribute: Answer = {}
                permissions: tuple[Answer, ...] = ()
            else:
                attribute, permissions = await self._rules(group_id)
                if not permissions:
                    await self._refuse_missing(listing)
            lists = await self._lists(permissions)
        except CloudError as error:
            return unreachable(error, self._placement.account_id, self._region_id, group_id)
        group = parse_group(self._placement, self._region_id, listing, attribute, permissions, lists)
        return Observation(group, listing, attribute, permissions, lists)

    async def with_prefix_lists(self, seen: Observation, list_ids: Iterable[str]) -> Observation:
        """Return the group with the entries of further prefix lists, each read once in this region."""
        lists = await self._lists([{"SourcePrefixListId": list_id} for list_id in list_ids])
        if not lists.prefix_lists:
            return seen
        more = Lists({**seen.lists.prefix_lists, **lists.prefix_lists}, seen.lists.port_lists)
        return msgspec.structs.replace(
            seen, lists=more, group=msgspec.structs.replace(seen.group, lists=more)
        )

    async def reread(self, group_id: str) -> Observation | Unreachable:
        """Return the group as it is now, by its id: its listing and its rules are both read again."""
        parameters = {
            "RegionId": self._region_id,
            "SecurityGroupId": group_id,
            "MaxResults": _GROUPS_PER_PAGE,
        }
        try:
            async for page in pages(self.session, "DescribeSecurityGroups", self._region_id, parameters):
                for listing in items(
                    page, ("SecurityGroups", "SecurityGroup"), self.session, self._region_id
                ):
                    if listing.get("SecurityGroupId") == group_id:
                        return await self.read(listing)
        except CloudError as error:
            return unreachable(error, self._placement.account_id, self._region_id, group_id)
        return Unreachable(
            account_id=self._placement.account_id,
            region_id=self._region_id,
            security_group_id=group_id,
            code="InvalidSecurityGroupId.NotFound",
            message="the security group is no longer listed",
            request_id="",
        )

    async def _rules(self, group_id: str) -> tuple[Answer, tuple[Answer, ...]]:
        attribute: Answer = {}
        permissions: list[Answer] = []
        async for page in self._pages(self._asked(group_id)):
            permissions += self._permissions(page)
            attribute = {k: v for k, v in page.items() if k not in _NOT_THE_GROUP}
        return attribute, tuple(permissions)

    def _asked(self, group_id: str) -> Answer:
        return {
            "RegionId": self._region_id,
            "SecurityGroupId": group_id,
            "Direction": "all",
            "MaxResults": _RULES_PER_PAGE,
        }

    def _pages(self, asked: Answer) -> AsyncIterator[Answer]:
        return pages(self.session, "DescribeSecurityGroupAttribute", self._region_id, asked)

    def _permissions(self, page: Answer) -> list[Answer]:
        return items(page, ("Permissions", "Permission"), self.session, self._region_id)

    async def _refuse_missing(self, listing: Answer) -> None:
        """Refuse an empty list of rules where the listing counts some: missing rights can look so.

        A classic group counts the rules of both its cards, and reads as those of the Internet one.

        Raises:
            CloudError: rules are missing, or the other card cannot be read.
        """
        count = listing.get("RuleCount")
        if not isinstance(count, int) or count == 0:
            return
        found = 0
        if not listing.get("VpcId"):
            parameters = self._asked(str(listing["SecurityGroupId"]))
            async for page in self._pages({**parameters, "NicType": "intranet"}):
                found += len(self._permissions(page))
        if found < count:
            message = f"the group counts {count} rules, but none was given"
            raise malformed(self.session, "DescribeSecurityGroupAttribute", self._region_id, {}, message)

    async def _lists(self, permissions: Iterable[Mapping[str, Any]]) -> Lists:
        prefix_ids, port_ids = referenced_lists(permissions)
        if not prefix_ids and not port_ids:
            return NO_LISTS
        async with self._one_at_a_time:
            for list_id in sorted(prefix_ids - self._prefix_lists.keys()):
                self._prefix_lists[list_id] = await self._entries(
                    "DescribePrefixListAttributes", "PrefixListId", list_id, ("Entries", "Entry"), "Cidr"
                )
            for list_id in sorted(port_ids - self._port_lists.keys()):
                self._port_lists[list_id] = await self._entries(
                    "DescribePortRangeListEntries", "PortRangeListId", list_id, ("Entries",), "PortRange"
                )
        return Lists(
            prefix_lists={list_id: self._prefix_lists[list_id] for list_id in prefix_ids},
            port_lists={list_id: self._port_lists[list_id] for list_id in port_ids},
        )

    async def _entries(
        self, action: str, key: str, list_id: str, path: tuple[str, ...], field: str
    ) -> tuple[str, ...] | Unreadable:
        """Return the entries of a prefix or port list (neither is paged), or why they cannot be read."""
        try:
            answer = await self.session.call(
                action, self._region_id, {"RegionId": self._region_id, key: list_id}
            )
            return tuple(
                str(entry.get(field, "")) for entry in items(answer, path, self.session, self._region_id)
            )
        except CloudError as error:
            return Unreadable(reason=f"{action} of {list_id}: {error.code} (RequestId {error.request_id})")


_NOT_THE_GROUP = frozenset({"Permissions", "NextToken", "RequestId"})


def has_no_rules(listing: Mapping[str, Any]) -> bool:
    """Tell whether the listing says, in a number, that the group has no rule and need not be read."""
    count = listing.get("RuleCount")
    return isinstance(count, int) and not isinstance(count, bool) and count == 0
