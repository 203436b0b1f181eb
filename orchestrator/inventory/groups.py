"""Regions, security groups and their rules, with the prefix and port lists that the rules name."""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Union

import msgspec

from accounts import Unreachable
from accounts.paging import Answer, counted
from orchestrator.cloud.client import AccountSession
from orchestrator.cloud.errors import ApiError, CloudError, CountMismatch, NotFound
from orchestrator.cloud.responses import Answered
from orchestrator.inventory.paging import PagedList, ReadSession, unreachable
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
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}").fullmatch
_REGION_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,62}").fullmatch
_RULES_PER_PAGE = 1000  # DescribeSecurityGroupAttribute, the API's maximum
_FEWEST_RULES = 10  # on a page, the API's minimum
_TRIES = 2  # of a list that its own count contradicts: what changed in between is no mismatch


class Observation(msgspec.Struct, frozen=True):
    """A security group as read: the value to judge, and the API's own words to keep.

    Attributes:
        group: the parsed group.
        listing: its item of DescribeSecurityGroups.
        attribute: the top level of DescribeSecurityGroupAttribute without its rules; empty for a group without any.
        permissions: every rule, of all pages, as the API gave it.
        lists: the prefix and port lists its rules name.
        sent_at_seconds: when the last page of its rules was asked for, see `GroupAttribute`, or, of a look, that of
            its oldest list, if that was before; long ago of a group that counts no rule, for it was not asked for any.
    """

    group: SecurityGroup
    listing: Answer
    attribute: Answer
    permissions: tuple[Answer, ...]
    lists: Lists
    sent_at_seconds: float = -math.inf


class InPart(NamedTuple):
    """A security group of which fewer rules were given than its listing counts: judged and told, never changed."""

    seen: Observation
    missing: Unreachable


Seen = Union[Observation, InPart, Unreachable]  # noqa: UP007 - an alias evaluated at run time, on 3.10 too


async def regions(session: AccountSession) -> tuple[str, ...]:
    """Return the ids of the regions the account may use (ECS DescribeRegions, not paged).

    Raises:
        CountMismatch: the list is empty, and stays so: no account is without a region.
        CloudError: the account could not be read.
    """
    listing = PagedList(session, "DescribeRegions", None, ("Regions", "Region"))
    for left in reversed(range(_TRIES)):
        try:
            answer, found = await listing.whole({"AcceptLanguage": "en-US"}, named="RegionId")
            if not found:
                raise listing.mismatch("the list of regions is empty", answer)
            break
        except CountMismatch:
            if not left:
                raise
    for region in found:
        if not _REGION_ID(region["RegionId"]):  # it becomes part of a host's name
            raise listing.malformed(f"{region['RegionId'][:40]!r} is no region id", answer)
        if region.get("RegionEndpoint"):  # where the provider says it is, before any rule of ours
            session.client.endpoints.learn(str(region["RegionId"]), str(region["RegionEndpoint"]))
    return tuple(dict.fromkeys(str(region["RegionId"]) for region in found))


async def security_groups(
    session: ReadSession, region_id: str, only: Sequence[str] = ()
) -> AsyncIterator[tuple[Answer, ...]]:
    """Yield the security groups of a region, or those of these ids, a page at a time (ECS DescribeSecurityGroups).

    A list that counts more than it gives is asked for once more; each group is yielded once.

    Raises:
        CountMismatch: it counts more than it gave, both times.
        CloudError: a page could not be read; what was yielded before is not the whole list.
    """
    seen: set[str] = set()
    for start in range(0, len(only) or 1, _GROUPS_PER_PAGE):
        some = only[start : start + _GROUPS_PER_PAGE]
        for left in reversed(range(_TRIES)):
            try:
                async for page in _listed(session, region_id, some):
                    by_id = {group["SecurityGroupId"]: group for group in page}
                    yield tuple(group for group_id, group in by_id.items() if group_id not in seen)
                    seen |= by_id.keys()
                break
            except CountMismatch:
                if not left:
                    raise


async def _listed(session: ReadSession, region_id: str, only: Sequence[str]) -> AsyncIterator[list[Answer]]:
    listing = PagedList(session, "DescribeSecurityGroups", region_id, ("SecurityGroups", "SecurityGroup"))
    parameters: Answer = {"RegionId": region_id, "MaxResults": _GROUPS_PER_PAGE}
    if only:
        parameters["SecurityGroupIds"] = msgspec.json.encode(only).decode()
    async for page, found in listing.pages(parameters, named="SecurityGroupId"):
        for group in found:
            group_id = group["SecurityGroupId"]
            if not is_group_id(group_id):  # it becomes part of session policies: no "*", no "/"
                raise listing.malformed(f"{group_id[:40]!r} is no security group's id", page)
        yield [group for group in found if not only or group["SecurityGroupId"] in only]


def is_group_id(text: str) -> bool:
    """Tell whether it could be a group's id, so that it may become part of a session policy."""
    return bool(_ID(text))


class GroupAttribute(NamedTuple):
    """What DescribeSecurityGroupAttribute says of a group.

    Attributes:
        attribute: the top level of the answer without its rules; empty for a group that was not asked for.
        permissions: every rule, of all pages, as the API gave it.
        request_id: of the answer, to name it by.
        sent_at_seconds: when its last page was asked for, by the loop's clock: right before the request that was
            answered was sent, so never later. What changed after it may not show. Long ago where nobody can tell.
    """

    attribute: Answer
    permissions: tuple[Answer, ...]
    request_id: str = ""
    sent_at_seconds: float = -math.inf


class Sought(NamedTuple):
    """Groups that were looked for by their ids.

    Attributes:
        found: their items of DescribeSecurityGroups.
        gone: ids of those that ECS says there are not.
        refused: those of which neither can be said.
    """

    found: tuple[Answer, ...] = ()
    gone: tuple[str, ...] = ()
    refused: tuple[Unreachable, ...] = ()


class RegionReader:
    """Reads the groups of one account and region, and each prefix or port list they name once.

    It is the one reader of a group: the scan, a change, its verification and the function all look through it.
    """

    def __init__(
        self, session: ReadSession, placement: Placement, region_id: str, *, check_counts: bool = True
    ) -> None:
        """Remember where to read.

        Args:
            session: may read.
            placement: the account.
            region_id: the region.
            check_counts: hold the rules against the listing's RuleCount. Whether that counts exactly what
                DescribeSecurityGroupAttribute gives is not documented.
        """
        self._session = session
        self._placement = placement
        self._region_id = region_id
        self._check_counts = check_counts
        self._prefix_lists: dict[str, tuple[str, ...] | Unreadable] = {}
        self._port_lists: dict[str, tuple[str, ...] | Unreadable] = {}
        self._lists_sent_at = math.inf  # of the oldest of them
        self._one_at_a_time = asyncio.Lock()  # so that two groups that name the same list read it once

    async def read(self, listing: Answer) -> Seen:
        """Return the group in full, both directions in one call a page, or why it cannot be seen, or not in full.

        Args:
            listing: its item of DescribeSecurityGroups, just read.
        """
        group_id = str(listing["SecurityGroupId"])
        try:
            seen, missing = await self._observed(group_id, listing)
        except CloudError as error:
            return self._unreachable(error, group_id)
        return seen if missing is None else InPart(seen, self._unreachable(missing, group_id))

    async def look(self, group_id: str, naming: Iterable[Mapping[str, Any]] = ()) -> Observation:
        """Return the group as it is now, in full, with the lists that its rules name as they are now.

        The rules are read last, for what relies on them is held against the clock.

        Args:
            group_id: the group.
            naming: rules that name the lists which the group's own are expected to name: these are read beside its
                listing, others after its rules.

        Raises:
            CloudError: it could not be read, or not in full.
        """
        self._prefix_lists.clear()
        self._port_lists.clear()
        self._lists_sent_at = math.inf
        listing, _ = await asyncio.gather(self._listing(group_id), self._lists(naming))
        seen, missing = await self._observed(group_id, listing)
        if missing is not None:
            raise missing
        return self._as_old_as_its_lists(seen)

    def _as_old_as_its_lists(self, seen: Observation) -> Observation:
        return msgspec.structs.replace(seen, sent_at_seconds=min(seen.sent_at_seconds, self._lists_sent_at))

    async def _observed(self, group_id: str, listing: Answer) -> tuple[Observation, CloudError | None]:
        """Return what was read, and the error if the listing counts more rules than that."""
        missing: CloudError | None = None
        if rule_count(listing) == 0:
            rules = GroupAttribute({}, ())
        else:
            rules, listing, missing = await self._counted(group_id, listing)
        lists = await self._lists(rules.permissions)
        attribute, permissions, _, sent_at_seconds = rules
        group = parse_group(self._placement, self._region_id, listing, attribute, permissions, lists)
        return Observation(group, listing, attribute, permissions, lists, sent_at_seconds), missing

    async def reread(self, group_id: str) -> Seen:
        """Return the group as it is now, by its id: its listing and its rules are both read again.

        A group that is not listed is gone only if it cannot be asked for its rules either: some answers are empty
        where they should be refused.
        """
        try:
            listing = await self._listing(group_id)
        except CloudError as error:
            return self._unreachable(error, group_id)
        return await self.read(listing)

    async def look_for(self, group_ids: Sequence[str]) -> Sought:
        """Return which of these groups there are, listed by their ids, 100 a call.

        As in `reread`, a group that is not listed is gone only if it cannot be asked for its rules either.
        """
        found: dict[str, Answer] = {}
        gone: list[str] = []
        refused: list[Unreachable] = []
        for start in range(0, len(group_ids), _GROUPS_PER_PAGE):
            some = group_ids[start : start + _GROUPS_PER_PAGE]
            try:
                found.update(await self._listed_by_id(some))
            except CloudError as error:
                refused += [self._unreachable(error, group_id) for group_id in some]
                continue
            for group_id in [one for one in some if one not in found]:
                answer = await self._listing_or_error(group_id)
                if not isinstance(answer, CloudError):
                    found[group_id] = answer
                elif isinstance(answer, NotFound) and "SecurityGroup" in answer.code:
                    gone.append(group_id)
                else:  # a region that is not there, too, says nothing of the group
                    refused.append(self._unreachable(answer, group_id))
        return Sought(tuple(found.values()), tuple(gone), tuple(refused))

    async def _listing_or_error(self, group_id: str) -> Answer | CloudError:
        try:
            return await self._listing(group_id)
        except CloudError as error:
            return error

    async def _listed_by_id(self, group_ids: Sequence[str]) -> dict[str, Answer]:
        """Return the listings of those that are listed; whether an unknown id refuses a whole call is not documented.

        Raises:
            CloudError: they cannot be listed, not even one by one.
        """
        found: dict[str, Answer] = {}
        try:
            async for page in security_groups(self._session, self._region_id, group_ids):
                found.update({str(one["SecurityGroupId"]): one for one in page})
        except (NotFound, ApiError):
            pass  # which of them was refused, and why, shows when they are asked for one by one
        return found

    async def rules(self, group_id: str) -> GroupAttribute:
        """Return the group's rules as they are now, in one call a page; it is listed only if there are none.

        So a reading that was cut short shows only where it was cut to nothing: see `whole_rules`.

        Raises:
            CloudError: they could not be read in full.
        """
        rules = await self._cards(group_id, None)
        return rules if rules.permissions else await self._held(group_id, rules)

    async def whole_rules(self, group_id: str) -> GroupAttribute:
        """Return the group's rules as they are now, as many as its listing counts.

        Raises:
            CloudError: they could not be read in full.
        """
        return await self._held(group_id, await self._cards(group_id, None))

    async def ids_by_another_way(self, group_id: str) -> frozenset[str]:
        """Return the ids of the group's rules, read as no other reading does: each direction alone, in small pages.

        An answer that is cut short is not cut at the same rules both ways.

        Raises:
            CloudError: they could not be read.
        """
        found: set[str] = set()
        for direction in ("ingress", "egress"):
            for card in ("internet", "intranet"):  # of the classic network; in a VPC both are the same
                rules = await self._card(
                    group_id, Direction=direction, NicType=card, MaxResults=str(_FEWEST_RULES)
                )
                found.update(str(rule.get("SecurityGroupRuleId")) for rule in rules.permissions)
        return frozenset(found)

    async def _held(self, group_id: str, rules: GroupAttribute) -> GroupAttribute:
        """Hold the rules against the group's listing; a rule may have come in between, so both are asked for again."""
        listing = await self._listing(group_id)
        if self._missing(listing, rules) is None:
            return rules
        rules, _, missing = await self._counted(group_id, listing)
        if missing is not None:
            raise missing
        return rules

    async def with_lists(self, seen: Observation, naming: Iterable[Mapping[str, Any]]) -> Observation:
        """Return the group with the lists, too, that further rules name, each read once in this region."""
        lists = await self._lists(naming)
        if not lists.prefix_lists and not lists.port_lists:
            return seen
        more = Lists(
            {**seen.lists.prefix_lists, **lists.prefix_lists}, {**seen.lists.port_lists, **lists.port_lists}
        )
        group = msgspec.structs.replace(seen.group, lists=more)
        return self._as_old_as_its_lists(msgspec.structs.replace(seen, lists=more, group=group))

    async def _listing(self, group_id: str) -> Answer:
        """Return the group's item of DescribeSecurityGroups.

        Raises:
            NotFound: there is no such group.
            CloudError: it is not listed, but can be asked for its rules.
        """
        async for page in security_groups(self._session, self._region_id, (group_id,)):
            for listing in page:
                return listing
        await self._cards(group_id, None)
        raise self._attribute().malformed("the group can be asked for its rules, but it is not listed", {})

    async def _counted(
        self, group_id: str, listing: Answer
    ) -> tuple[GroupAttribute, Answer, CloudError | None]:
        """Return the rules, the listing they were held against, and the error if it counts more.

        Rules may go between the listing and the reading of them, so both are asked for once more.
        """
        rules = await self._cards(group_id, listing)
        missing = self._missing(listing, rules)
        if missing is not None:
            listing = await self._listing(group_id)
            rules = await self._cards(group_id, listing)
            missing = self._missing(listing, rules)
        return rules, listing, missing

    def _missing(self, listing: Answer, rules: GroupAttribute) -> CloudError | None:
        """Return the error if the listing counts more rules than were given, or does not count in numbers."""
        if not self._check_counts or listing.get("RuleCount") is None:
            return None
        count, given = rule_count(listing), len(rules.permissions)
        if count is not None and given >= count:
            return None
        told = f"{listing['RuleCount']!r:.40}" if count is None else str(count)
        message = (
            f"the group counts {told} rules, but {given or 'none'} {'was' if given < 2 else 'were'} given"
        )
        return self._attribute().mismatch(message, {"RequestId": rules.request_id})

    async def _cards(self, group_id: str, listing: Answer | None) -> GroupAttribute:
        """Return the rules as they are given now, each once; of a classic group those of both its cards.

        DescribeSecurityGroupAttribute answers for a classic group with the rules of the card that is asked for, the
        Internet one unless NicType says otherwise. In a VPC it gives the same for either.
        """
        if listing is not None and not listing.get("VpcId"):
            both = (self._card(group_id), self._card(group_id, NicType="intranet"))
            cards: list[GroupAttribute] = [*await asyncio.gather(*both)]
        else:
            cards = [await self._card(group_id)]
            if listing is None and not cards[0].attribute.get("VpcId"):
                cards.append(await self._card(group_id, NicType="intranet"))
        return cards[0]._replace(
            permissions=tuple(_once([rule for card in cards for rule in card.permissions])),
            sent_at_seconds=min(card.sent_at_seconds for card in cards),
        )

    async def _card(self, group_id: str, **more: str) -> GroupAttribute:
        asked: Answer = {
            "RegionId": self._region_id,
            "SecurityGroupId": group_id,
            "Direction": "all",
            "MaxResults": _RULES_PER_PAGE,
            **more,
        }
        listing = self._attribute()
        began_at = asyncio.get_running_loop().time()
        pages = [one async for one in listing.pages(asked)]
        last = pages[-1][0]
        attribute = {k: v for k, v in last.items() if k not in _NOT_THE_GROUP}
        permissions = tuple([rule for _, found in pages for rule in found])
        for rule in permissions:
            rule_id = rule.get("SecurityGroupRuleId")
            if rule_id and not (isinstance(rule_id, str) and _ID(rule_id)):  # it is what a change names
                raise listing.malformed(f"{str(rule_id)[:40]!r} is no rule's id", last)
        return GroupAttribute(
            attribute, permissions, str(last.get("RequestId") or ""), _sent_at(last, began_at)
        )

    def _attribute(self) -> PagedList:
        return PagedList(
            self._session, "DescribeSecurityGroupAttribute", self._region_id, ("Permissions", "Permission")
        )

    def _unreachable(self, error: CloudError, group_id: str) -> Unreachable:
        return unreachable(error, self._placement.account_id, self._region_id, group_id)

    async def _lists(self, permissions: Iterable[Mapping[str, Any]]) -> Lists:
        prefix_ids, port_ids = referenced_lists(permissions)
        if not prefix_ids and not port_ids:
            return NO_LISTS
        async with self._one_at_a_time:
            # at once: a change that relies on this reading is held against the clock
            prefixes = sorted(prefix_ids - self._prefix_lists.keys())
            ports = sorted(port_ids - self._port_lists.keys())
            found = await asyncio.gather(
                *(self._prefixes(list_id) for list_id in prefixes),
                *(self._ports(list_id) for list_id in ports),
            )
            self._prefix_lists.update(zip(prefixes, found[: len(prefixes)], strict=True))
            self._port_lists.update(zip(ports, found[len(prefixes) :], strict=True))
        return Lists(
            prefix_lists={list_id: self._prefix_lists[list_id] for list_id in prefix_ids},
            port_lists={list_id: self._port_lists[list_id] for list_id in port_ids},
        )

    async def _prefixes(self, list_id: str) -> tuple[str, ...] | Unreadable:
        return await self._entries(
            "DescribePrefixListAttributes", "PrefixListId", list_id, ("Entries", "Entry"), "Cidr"
        )

    async def _ports(self, list_id: str) -> tuple[str, ...] | Unreadable:
        return await self._entries(
            "DescribePortRangeListEntries", "PortRangeListId", list_id, ("Entries",), "PortRange"
        )

    async def _entries(
        self, action: str, key: str, list_id: str, path: tuple[str, ...], field: str
    ) -> tuple[str, ...] | Unreadable:
        """Return the entries of a prefix or port list (neither is paged), or why they cannot be read."""
        listing = PagedList(self._session, action, self._region_id, path)
        sent_at = asyncio.get_running_loop().time()
        try:
            answer, found = await listing.whole({"RegionId": self._region_id, key: list_id})
            sent_at = _sent_at(answer, sent_at)
        except CloudError as error:
            return Unreadable(reason=f"{action} of {list_id}: {error.code} (RequestId {error.request_id})")
        finally:
            self._lists_sent_at = min(self._lists_sent_at, sent_at)
        return tuple(str(entry.get(field, "")) for entry in found)


_NOT_THE_GROUP = frozenset({"Permissions", "NextToken", "RequestId"})


def rule_count(listing: Mapping[str, Any]) -> int | None:
    """Return how many rules the listing counts, of both directions; None if it does not say."""
    return counted(listing, "RuleCount")


def _sent_at(answer: Answer, otherwise: float) -> float:
    """Return when the answer was asked for; a session that does not tell was asked no earlier than `otherwise`."""
    return answer.sent_at_seconds if isinstance(answer, Answered) else otherwise


def _once(permissions: Iterable[Answer]) -> Iterator[Answer]:
    """Yield each rule once, by its id: a page that came twice must not stand in for one that did not come."""
    seen: set[object] = set()
    for raw in permissions:
        rule_id = raw.get("SecurityGroupRuleId")
        if not isinstance(rule_id, str) or not rule_id:
            yield raw
        elif rule_id not in seen:
            seen.add(rule_id)
            yield raw
