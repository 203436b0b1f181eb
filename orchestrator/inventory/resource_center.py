"""Resource Center: what the whole organization has, as a second witness beside each account's own lists.

It names groups, and where there are load balancers.

It is late by a time that is not documented, it must be enabled, and who may not read a resource is not given it
(help: Resource Center). So what it names is looked for, and what it does not name proves nothing.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any

from accounts.paging import Answer, counted
from accounts.sdk import ask
from orchestrator.cloud.client import AccountSession
from orchestrator.cloud.errors import Unavailable
from orchestrator.cloud.settings import is_region_id
from orchestrator.inventory.groups import is_group_id
from orchestrator.inventory.paging import PagedList
from orchestrator.plan import Place

_GROUP = "ACS::ECS::SecurityGroup"
_BALANCERS = ("ACS::NLB::LoadBalancer", "ACS::ALB::LoadBalancer")
_PER_PAGE = 100  # SearchMultiAccountResources, the API's maximum
_ACCOUNT_ID = re.compile(r"[0-9]{1,32}").fullmatch


class ResourceCenter:
    """Asked by the management account or a delegated administrator, for the whole directory."""

    def __init__(self, own: AccountSession, directory_api: str) -> None:
        """Remember who asks.

        Args:
            own: the hub's own account.
            directory_api: version of the API that names the directory, see `accounts.settings`.
        """
        self._own = own
        self._directory_api = directory_api
        self._scope = ""

    async def group_counts(self) -> dict[str, int]:
        """Return how many groups each account has, as far as it knows (GetMultiAccountResourceCounts).

        Raises:
            CloudError: it is not enabled, or may not be asked.
        """
        listing = self._listing("GetMultiAccountResourceCounts", "ResourceCounts")
        asked: Answer = {
            "Scope": await self._directory(),
            "Filter": _filters([_GROUP], ()),
            "GroupByKey": "AccountId",
        }
        _, found = await listing.whole(asked, named="GroupName")
        return {str(one["GroupName"]): counted(one, "Count") or 0 for one in found}

    async def groups(self, region_ids: Sequence[str] = ()) -> AsyncIterator[tuple[Place, ...]]:
        """Yield where it knows groups, a page at a time, in all regions or these (SearchMultiAccountResources).

        Raises:
            CloudError: it is not enabled, may not be asked, or could not be heard to its end. What it named before
                that stands. An item that names no group is left out, and told when all others were given.
        """
        listing = self._listing("SearchMultiAccountResources", "Resources")
        wrong: Unavailable | None = None
        async for page, found in self._search(listing, [_GROUP], region_ids):
            places = tuple(_places(found))
            if len(places) < len(found) and wrong is None:
                wrong = listing.malformed("an item of Resources names no security group", page)
            yield places
        if wrong is not None:
            raise wrong

    async def balanced_regions(self, region_ids: Sequence[str] = ()) -> frozenset[tuple[str, str]]:
        """Return the accounts and regions in which it knows an NLB or ALB, in all regions or these.

        Raises:
            CloudError: it is not enabled, may not be asked, or could not be heard to its end.
        """
        listing = self._listing("SearchMultiAccountResources", "Resources")
        return frozenset(
            [
                (str(one.get("AccountId")), str(one.get("RegionId")))
                async for _, found in self._search(listing, _BALANCERS, region_ids)
                for one in found
            ]
        )

    async def _search(
        self, listing: PagedList, types: Sequence[str], region_ids: Sequence[str]
    ) -> AsyncIterator[tuple[Answer, Sequence[Answer]]]:
        scope = await self._directory()
        asked: Answer = {"Scope": scope, "Filter": _filters(types, region_ids), "MaxResults": _PER_PAGE}
        async for page, found in listing.pages(asked, named="ResourceId"):
            if page.get("Scope", scope) != scope:
                raise listing.malformed(f"asked about {scope}, answered about {page['Scope']!s:.80}", page)
            yield page, found

    def _listing(self, action: str, key: str) -> PagedList:
        return PagedList(_Central(self._own), action, None, (key,))

    async def _directory(self) -> str:
        """Return the directory's id: the scope that holds the management account and every member."""
        if not self._scope:
            answer = await ask(self._own, self._directory_api, "GetResourceDirectory")
            directory = answer.get("ResourceDirectory")
            found = directory.get("ResourceDirectoryId") if isinstance(directory, Mapping) else None
            if not isinstance(found, str) or not found:
                raise Unavailable(
                    code="MalformedAnswer",
                    message="GetResourceDirectory does not name the directory",
                    request_id=str(answer.get("RequestId") or ""),
                    action="GetResourceDirectory",
                    account_id=self._own.account_id,
                )
            self._scope = found
        return self._scope


class _Central:
    """The hub's own account as a `Session` that asks Resource Center, which has no regions."""

    def __init__(self, own: AccountSession) -> None:
        self._own = own

    @property
    def account_id(self) -> str:
        return self._own.account_id

    async def call(
        self, action: str, region_id: str | None, parameters: Mapping[str, object]
    ) -> dict[str, Any]:
        return await self._own.call(action, region_id, parameters, product="resourcecenter")


def _filters(types: Sequence[str], region_ids: Sequence[str]) -> list[Answer]:
    """Return the conditions: all must hold, one value of each."""
    wanted = {"ResourceType": list(types), **({"RegionId": list(region_ids)} if region_ids else {})}
    return [{"Key": key, "MatchType": "Equals", "Value": values} for key, values in wanted.items()]


def _places(found: Sequence[Answer]) -> Iterator[Place]:
    """Yield where each group is; not that of an item whose ids could not become part of a call."""
    for one in found:
        place = Place(*(str(one.get(key) or "") for key in ("AccountId", "RegionId", "ResourceId")))
        if (
            one.get("ResourceType") == _GROUP
            and _ACCOUNT_ID(place.account_id)
            and is_region_id(place.region_id)
            and is_group_id(place.security_group_id)
        ):
            yield place
