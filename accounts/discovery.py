"""Finds the accounts of a sweep: from the Resource Directory, or as listed. The rest is `Skipped`, with why.

A filter that matches nothing is an error, not an empty sweep; a list that contradicts itself is an error, not
a shorter list.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

import msgspec

from accounts import Account, Skipped
from accounts.official import Call, ask

RESOURCE_MANAGER = "2020-03-31"
RESOURCE_DIRECTORY_MASTER = "2022-04-19"
_PAGE_SIZE = 100  # the most both APIs give
_FOLDERS_AT_ONCE = 8
_ACCOUNT_ID = re.compile(r"[0-9]{1,32}").fullmatch


class DiscoveryError(Exception):
    """The accounts cannot be told: a filter matches nothing, or the directory contradicts itself."""

    code = "Discovery"


class Organization(msgspec.Struct, frozen=True):
    """Which accounts a sweep visits.

    Attributes:
        source: "resource-directory" or "static".
        accounts: for "static", the account ids.
        api: "2020-03-31", or "2022-04-19", which also tells what accounts are being deleted.
        include: globs over account ids and names; empty for all.
        exclude: globs over account ids and names.
        folders: folder ids, or paths of display names as "Root/Prod" or "Prod"; accounts below count too.
        tags: (key, value) pairs that an account must have, all of them; an empty value means any.
        include_hub: visit the account whose credentials run the sweep.
    """

    source: str = "resource-directory"
    accounts: tuple[str, ...] = ()
    api: str = RESOURCE_MANAGER
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    tags: tuple[tuple[str, str], ...] = ()
    include_hub: bool = True

    def __post_init__(self) -> None:
        if self.source not in ("resource-directory", "static"):
            raise ValueError(
                f'[organization] source is {self.source!r}; it is "resource-directory" or "static"'
            )
        if self.api not in (RESOURCE_MANAGER, RESOURCE_DIRECTORY_MASTER):
            raise ValueError(f"[organization] api is {self.api!r}; it is 2020-03-31 or 2022-04-19")
        if self.source == "static" and not self.accounts:
            raise ValueError('[organization] source = "static" needs accounts = ["..."]')
        if self.source == "static" and (self.folders or self.tags):
            raise ValueError(
                "folders and tags are known to the Resource Directory only, not to a static list"
            )


class Discovered(msgspec.Struct, frozen=True):
    """What a sweep visits and what it leaves out.

    Attributes:
        accounts: to visit, by id.
        skipped: left out, and why.
        management_account_id: empty if the directory was not asked.
        hub_account_id: whose credentials run the sweep.
    """

    accounts: tuple[Account, ...]
    skipped: tuple[Skipped, ...]
    management_account_id: str
    hub_account_id: str


class _Folder(msgspec.Struct, frozen=True):
    ids: tuple[str, ...]
    path: str


async def discover(hub: Call, organization: Organization, hub_account_id: str) -> Discovered:
    """Return the accounts of a sweep.

    Args:
        hub: asks the Resource Directory.
        organization: which accounts are wanted.
        hub_account_id: whose credentials `hub` uses.

    Raises:
        DiscoveryError: a filter matches nothing, no account is left, or the directory contradicts itself.
        Exception: what the transport raises when the directory cannot be read.
    """
    skipped: list[Skipped] = []
    if organization.source == "static":
        management, found = "", _listed(organization, hub_account_id)
    else:
        management, found, skipped = await _directory(hub, organization.api, hub_account_id)
    _check_filters(organization, found)
    visited = []
    for account in found:
        reason = _left_out(account, organization)
        if reason:
            skipped.append(Skipped(account.account_id, account.name, reason))
        else:
            visited.append(account)
    if not visited:
        raise DiscoveryError("no account is left to visit: every one is left out by a filter")
    by_id = sorted(visited, key=lambda account: account.account_id)
    return Discovered(tuple(by_id), tuple(skipped), management, hub_account_id)


def _listed(organization: Organization, hub_account_id: str) -> list[Account]:
    """Return the accounts of a static list; the hub joins unless it is told not to."""
    ids = dict.fromkeys(organization.accounts)
    if organization.include_hub:
        ids.setdefault(hub_account_id)
    return [Account(account_id, is_hub=account_id == hub_account_id) for account_id in ids]


# from the Resource Directory


async def _directory(hub: Call, api: str, hub_account_id: str) -> tuple[str, list[Account], list[Skipped]]:
    """Return the management account's id, every account, and those that are not to be visited in any case."""
    directory = _mapping(await ask(hub, api, "GetResourceDirectory"), "ResourceDirectory")
    management = _id_of(directory, "MasterAccountId")
    folders = await _folders(hub, api, str(directory["RootFolderId"]))
    found: dict[str, Account] = {}
    skipped: list[Skipped] = []
    async for item in _members(hub, api):
        account = _member(item, folders, management, hub_account_id)
        reason = _unusable(item)
        if reason:
            skipped.append(Skipped(account.account_id, account.name, reason))
        else:
            found[account.account_id] = account
    if management not in found:  # ListAccounts may or may not name it
        found[management] = Account(
            management,
            str(directory.get("MasterAccountName") or ""),
            is_management=True,
            is_hub=management == hub_account_id,
        )
    return management, list(found.values()), skipped


async def _folders(hub: Call, api: str, root_id: str) -> dict[str, _Folder]:
    """Return every folder with ids and names from the root on. The API lists one level at a time."""
    found = {root_id: _Folder((root_id,), "Root")}
    places = asyncio.Semaphore(_FOLDERS_AT_ONCE)

    async def children(parent_id: str) -> list[str]:
        parent = found[parent_id]
        below = []
        async with places:
            async for item in _pages(
                hub, api, "ListFoldersForParent", ("Folders", "Folder"), ParentFolderId=parent_id
            ):
                folder_id = str(item.get("FolderId") or "")
                if folder_id in found:
                    raise DiscoveryError(f"folder {folder_id} is named twice by ListFoldersForParent")
                found[folder_id] = _Folder(
                    (*parent.ids, folder_id), f"{parent.path}/{item.get('FolderName', '')}"
                )
                below.append(folder_id)
        return below

    level = [root_id]
    while level:
        level = [folder for below in await _all(children(parent) for parent in level) for folder in below]
    return found


async def _all(asked: Iterable[Any]) -> list[Any]:
    """Await all; if one fails, the others are stopped before its error goes on."""
    tasks = [asyncio.ensure_future(one) for one in asked]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()


async def _members(hub: Call, api: str) -> AsyncIterator[Mapping[str, Any]]:
    if api == RESOURCE_MANAGER:
        async for item in _pages(hub, api, "ListAccounts", ("Accounts", "Account"), IncludeTags=True):
            yield item
        return
    seen: set[str] = set()
    token = ""
    while True:
        page = await ask(
            hub, api, "ListAccounts", MaxResults=_PAGE_SIZE, IncludeTags=True, NextToken=token or None
        )
        for item in _items(page, ("Accounts", "Account"), "ListAccounts"):
            yield item
        token = str(page.get("NextToken") or "")
        if not token:
            return
        if token in seen:
            raise DiscoveryError(
                "ListAccounts repeats a page token: the list of accounts cannot be read in full"
            )
        seen.add(token)


async def _pages(
    hub: Call, api: str, action: str, path: Sequence[str], **query: object
) -> AsyncIterator[Mapping[str, Any]]:
    """Yield the items of every page, and check that as many came as the API says there are."""
    number, came, total = 0, 0, 1
    while came < total:
        number += 1
        page = await ask(hub, api, action, PageNumber=number, PageSize=_PAGE_SIZE, **query)
        items = _items(page, path, action)
        before, total = total, _total(page, action)
        if (
            number > 1 and total != before
        ):  # the later pages have moved, and what slipped between them is unknown
            raise DiscoveryError(f"{action} changed while it was read; run again")
        came += len(items)
        if not items and came < total:
            raise DiscoveryError(f"{action} says there are {total} but lists {came}; run again")
        for item in items:
            yield item


def _total(page: Mapping[str, Any], action: str) -> int:
    total = page.get("TotalCount")
    if not isinstance(total, int):
        raise DiscoveryError(f"{action} does not say how many there are: the list may be cut short")
    return total


def _items(page: Mapping[str, Any], path: Sequence[str], action: str) -> list[Mapping[str, Any]]:
    value: object = page
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
        raise DiscoveryError(f"the answer of {action} has no {'.'.join(path)}")
    return value


def _id_of(item: Mapping[str, Any], key: str) -> str:
    """Return an account's id: digits, for it becomes part of role names and of file names."""
    found = str(item.get(key) or "")
    if not _ACCOUNT_ID(found):
        raise DiscoveryError(f"the directory lists an account whose id is none: {found[:40]!r}")
    return found


def _mapping(answer: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = answer.get(key)
    if not isinstance(value, Mapping) or not {"MasterAccountId", "RootFolderId"} <= value.keys():
        raise DiscoveryError("GetResourceDirectory does not name the management account and the root folder")
    return value


def _member(item: Mapping[str, Any], folders: Mapping[str, _Folder], management: str, hub: str) -> Account:
    account_id = _id_of(item, "AccountId")
    folder = folders.get(str(item.get("FolderId") or ""), _Folder((), ""))
    raw = item.get("Tags")
    tags = raw.get("Tag") if isinstance(raw, Mapping) else raw
    return Account(
        account_id=account_id,
        name=str(item.get("DisplayName") or ""),
        folder_ids=folder.ids,
        folder_path=folder.path,
        tags=tuple(sorted((str(tag.get("Key")), str(tag.get("Value") or "")) for tag in tags or ())),
        status=str(item.get("Status") or ""),
        is_management=account_id == management,
        is_hub=account_id == hub,
    )


def _unusable(item: Mapping[str, Any]) -> str:
    """Return why nothing can be done in this account; empty if something can."""
    deletion = str(item.get("DeletionStatus") or "")
    if deletion:
        return f"the account is being deleted ({deletion})"
    status = str(item.get("Status") or "")
    if status.startswith(("Create", "Invite")) and not status.endswith("Success"):
        return f"the account is not in use yet ({status})"
    return ""


# filters


def _check_filters(organization: Organization, found: Sequence[Account]) -> None:
    """Refuse a filter that matches nothing: a typing error would silently sweep too little, or too much."""
    for pattern in organization.include:
        if not any(_named(account, pattern) for account in found):
            raise DiscoveryError(f"no account's id or name matches {pattern!r}")
    for pattern in organization.exclude:
        if not any(_named(account, pattern) for account in found):
            raise DiscoveryError(f"no account's id or name matches {pattern!r}, which is to be excluded")
    for folder in organization.folders:
        if not any(_within(account, folder) for account in found):
            raise DiscoveryError(f"no account is in the folder {folder!r} (an id, or a path as Root/Prod)")
    for key, value in organization.tags:
        if not any(_tagged(account, key, value) for account in found):
            raise DiscoveryError(f"no account has the tag {key}={value}")


def _left_out(account: Account, organization: Organization) -> str:
    """Return why an account is not visited; empty if it is."""
    if account.is_hub and not organization.include_hub:
        return "include_hub is false"
    for pattern in organization.exclude:
        if _named(account, pattern):
            return f"excluded by {pattern!r}"
    if organization.include and not any(_named(account, pattern) for pattern in organization.include):
        return "not among the accounts asked for"
    if organization.folders and not any(_within(account, folder) for folder in organization.folders):
        return "not in the folders asked for"
    missing = [key for key, value in organization.tags if not _tagged(account, key, value)]
    return f"without the tag {missing[0]} asked for" if missing else ""


def _named(account: Account, pattern: str) -> bool:
    return fnmatchcase(account.account_id, pattern) or fnmatchcase(account.name, pattern)


def _within(account: Account, folder: str) -> bool:
    if folder in account.folder_ids:
        return True
    wanted = folder.strip("/")
    path = f"{account.folder_path}/"
    return path.startswith((f"{wanted}/", f"Root/{wanted}/"))


def _tagged(account: Account, key: str, value: str) -> bool:
    return any(has == key and value in ("", is_) for has, is_ in account.tags)
