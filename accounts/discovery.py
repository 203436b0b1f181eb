"""Finds the accounts of a sweep: from the Resource Directory, or as listed. The rest is `SkippedAccount`, with why.

A filter that matches nothing is an error, not an empty sweep; a list that contradicts itself is an error, not
a shorter list.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec

from accounts import Account, SkippedAccount, paging
from accounts.sdk import Call, ask
from accounts.settings import RESOURCE_MANAGER, OrganizationSettings
from matching import named, tagged, untagged, within

_PAGE_SIZE = 100  # the most both APIs give
_FOLDERS_AT_ONCE = 8
_ACCOUNT_ID = re.compile(r"[0-9]{1,32}").fullmatch


class DiscoveryError(Exception):
    """The accounts cannot be told: a filter matches nothing, or the directory contradicts itself."""

    code = "Discovery"


class Discovered(msgspec.Struct, frozen=True):
    """What a sweep visits and what it leaves out.

    Attributes:
        accounts: to visit, by id.
        skipped: left out, and why.
    """

    accounts: tuple[Account, ...]
    skipped: tuple[SkippedAccount, ...]


class _Folder(msgspec.Struct, frozen=True):
    ids: tuple[str, ...]
    path: str


async def discover(hub: Call, organization: OrganizationSettings, hub_account_id: str) -> Discovered:
    """Return the accounts of a sweep.

    Args:
        hub: asks the Resource Directory.
        organization: which accounts are wanted.
        hub_account_id: whose credentials `hub` uses.

    Raises:
        DiscoveryError: a filter matches nothing, no account is left, or the directory contradicts itself.
        Exception: what the transport raises when the directory cannot be read.
    """
    skipped: list[SkippedAccount] = []
    if organization.source == "static":
        found = _listed(organization, hub_account_id)
    else:
        found, skipped = await _directory(hub, organization.api, hub_account_id)
    _check_filters(organization, found)
    visited = []
    for account in found:
        reason = _left_out(account, organization)
        if reason:
            skipped.append(SkippedAccount(account.account_id, account.name, reason))
        else:
            visited.append(account)
    if not visited:
        raise DiscoveryError("no account is left to visit: every one is left out by a filter")
    by_id = sorted(visited, key=lambda account: account.account_id)
    return Discovered(tuple(by_id), tuple(skipped))


def _listed(organization: OrganizationSettings, hub_account_id: str) -> list[Account]:
    """Return the accounts of a static list; the hub joins unless it is told not to."""
    ids = dict.fromkeys(organization.accounts)
    if organization.include_hub:
        ids.setdefault(hub_account_id)
    return [Account(account_id, is_hub=account_id == hub_account_id) for account_id in ids]


async def directory_ids(hub: Call, api: str) -> frozenset[str]:
    """Return the ids of every account that ListAccounts gives, in use or not.

    Raises:
        DiscoveryError: the directory contradicts itself.
        Exception: what the transport raises when the directory cannot be read.
    """
    return frozenset([_id_of(item, "AccountId") async for item in _members(hub, api)])


async def management_id(hub: Call, api: str) -> str:
    """Return the id of the management account, which ListAccounts may or may not give.

    Raises:
        DiscoveryError: the directory does not name it.
        Exception: what the transport raises when the directory cannot be read.
    """
    directory = _mapping(await ask(hub, api, "GetResourceDirectory"), "ResourceDirectory")
    return _id_of(directory, "MasterAccountId")


# from the Resource Directory


async def _directory(hub: Call, api: str, hub_account_id: str) -> tuple[list[Account], list[SkippedAccount]]:
    """Return every account, and those that are not to be visited in any case."""
    directory = _mapping(await ask(hub, api, "GetResourceDirectory"), "ResourceDirectory")
    management = _id_of(directory, "MasterAccountId")
    folders = await _folders(hub, api, str(directory["RootFolderId"]))
    found: dict[str, Account] = {}
    skipped: list[SkippedAccount] = []
    async for item in _members(hub, api):
        account = _member(item, folders, management, hub_account_id)
        reason = _unusable(item)
        if reason:
            skipped.append(SkippedAccount(account.account_id, account.name, reason))
        else:
            found[account.account_id] = account
    if management not in found:  # ListAccounts may or may not name it
        found[management] = Account(
            management,
            str(directory.get("MasterAccountName") or ""),
            is_management=True,
            is_hub=management == hub_account_id,
        )
    return list(found.values()), skipped


async def _folders(hub: Call, api: str, root_id: str) -> dict[str, _Folder]:
    """Return every folder with ids and names from the root on. The API lists one level at a time."""
    found = {root_id: _Folder((root_id,), "Root")}
    places = asyncio.Semaphore(_FOLDERS_AT_ONCE)

    async def children(parent_id: str) -> list[str]:
        parent = found[parent_id]
        below = []
        async with places:
            async for item in _numbered(
                hub, api, "ListFoldersForParent", ("Folders", "Folder"), "FolderId", ParentFolderId=parent_id
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


def _members(hub: Call, api: str) -> AsyncIterator[Mapping[str, Any]]:
    path = ("Accounts", "Account")
    if api == RESOURCE_MANAGER:
        return _numbered(hub, api, "ListAccounts", path, "AccountId", IncludeTags=True)
    return _by_token(hub, api, "ListAccounts", path, "AccountId", IncludeTags=True)


async def _numbered(
    hub: Call, api: str, action: str, path: Sequence[str], named: str, **query: object
) -> AsyncIterator[Mapping[str, Any]]:
    def asked(number: int) -> Awaitable[dict[str, Any]]:
        return ask(hub, api, action, PageNumber=number, PageSize=_PAGE_SIZE, **query)

    with _told(action):
        async for page in paging.numbered(asked, path, named):
            for item in page:
                yield item


async def _by_token(
    hub: Call, api: str, action: str, path: Sequence[str], named: str, **query: object
) -> AsyncIterator[Mapping[str, Any]]:
    def asked(token: str) -> Awaitable[dict[str, Any]]:
        return ask(hub, api, action, MaxResults=_PAGE_SIZE, NextToken=token or None, **query)

    tally = paging.ListTally(named)
    with _told(action):
        async for page in paging.follow(asked):
            found = paging.items(page, path)
            tally.take(page, found)
            for item in found:
                yield item
        tally.check(page)


@contextmanager
def _told(action: str) -> Iterator[None]:
    """Say which list of the directory cannot be relied on."""
    try:
        yield
    except paging.MalformedAnswerError as error:
        trace = f" (RequestId {error.request_id})" if error.request_id else ""
        raise DiscoveryError(f"{action}: {error.message}{trace}") from error


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
    return Account(
        account_id=account_id,
        name=str(item.get("DisplayName") or ""),
        folder_ids=folder.ids,
        folder_path=folder.path,
        tags=_tags(item),
        status=str(item.get("Status") or ""),
        is_management=account_id == management,
        is_hub=account_id == hub,
    )


def _tags(item: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Return an account's tags, a list by itself or within an object; filters and exemptions go by them."""
    raw = item.get("Tags")
    tags = raw.get("Tag") if isinstance(raw, Mapping) else raw
    found = [] if tags is None else tags
    if not isinstance(found, list) or not all(isinstance(tag, Mapping) for tag in found):
        raise DiscoveryError(f"the tags of account {item.get('AccountId')} are no list of keys and values")
    return tuple(sorted((str(tag.get("Key") or ""), str(tag.get("Value") or "")) for tag in found))


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


def _check_filters(organization: OrganizationSettings, found: Sequence[Account]) -> None:
    """Refuse a filter that matches nothing: a typing error would silently sweep too little, or too much."""
    for pattern in organization.include:
        if not any(_named(account, [pattern]) for account in found):
            raise DiscoveryError(f"no account's id or name matches {pattern!r}")
    for pattern in organization.exclude:
        if not any(_named(account, [pattern]) for account in found):
            raise DiscoveryError(f"no account's id or name matches {pattern!r}, which is to be excluded")
    for folder in organization.folders:
        if not any(_within(account, [folder]) for account in found):
            raise DiscoveryError(f"no account is in the folder {folder!r} (an id, or a path as Root/Prod)")
    for tag in organization.tags:
        if not any(tagged([tag], account.tags) for account in found):
            raise DiscoveryError(f"no account has the tag {tag}")


def _left_out(account: Account, organization: OrganizationSettings) -> str:
    """Return why an account is not visited; empty if it is."""
    if account.is_hub and not organization.include_hub:
        return "include_hub is false"
    if pattern := _named(account, organization.exclude):
        return f"excluded by {pattern!r}"
    if organization.include and not _named(account, organization.include):
        return "not among the accounts asked for"
    if organization.folders and not _within(account, organization.folders):
        return "not in the folders asked for"
    missing = untagged(organization.tags, account.tags)
    return f"without the tag {missing} asked for" if missing else ""


def _named(account: Account, patterns: Sequence[str]) -> str:
    return named(patterns, account.account_id, account.name)


def _within(account: Account, folders: Sequence[str]) -> str:
    return within(folders, account.folder_ids, account.folder_path)
