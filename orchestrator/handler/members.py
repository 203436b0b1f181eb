"""Which accounts the function may enter, and which regions there are: an event may say anything.

Whoever can write an event could otherwise have the function present its external id to a role of theirs, in an account
of theirs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta

import msgspec

from accounts.discovery import directory_ids, management_id
from accounts.settings import RESOURCE_MANAGER
from orchestrator.cloud.client import AccountSession
from orchestrator.cloud.errors import ApiError, Denied, NotFound
from orchestrator.inventory import regions

# An instance of the function serves many events. A member that has just joined is found, one that has left forgotten.
_FRESH = timedelta(seconds=60)
_VALID = timedelta(minutes=10)


class _Directory(msgspec.Struct, frozen=True):
    accounts: frozenset[str]
    at: datetime


_directories: dict[tuple[str, str], _Directory] = {}  # by cloud and who asks
_regions: dict[str, frozenset[str]] = {}  # by cloud


class Members:
    """The accounts that may be entered besides the function's own, and the regions there are."""

    def __init__(self, own: AccountSession, listed: tuple[str, ...], now: Callable[[], datetime]) -> None:
        """Remember who asks.

        Args:
            own: the function's own account.
            listed: the accounts; empty for those of the directory.
            now: the time.
        """
        self._own = own
        self._listed = frozenset(listed)
        self._now = now
        self._one_at_a_time = asyncio.Lock()

    async def has(self, account_id: str) -> bool:
        """Tell whether the account may be entered.

        Raises:
            Denied: nobody says which accounts are ours: the directory may not be asked, or there is none.
            CloudError, DiscoveryError: the directory could not be read.
        """
        if self._listed:
            return account_id in self._listed
        async with self._one_at_a_time:
            return account_id in await self._directory(account_id)

    async def _directory(self, account_id: str) -> frozenset[str]:
        key = (self._own.client.settings.identity, self._own.account_id)
        known, now = _directories.get(key), self._now()
        if known and now - known.at < (_VALID if account_id in known.accounts else _FRESH):
            return known.accounts
        try:
            found = await directory_ids(self._own, RESOURCE_MANAGER)
        except (Denied, NotFound, ApiError) as error:
            raise Denied(
                code="NoDirectory",
                message="the accounts of the directory cannot be asked for, so only the function's own account is "
                f"worked on: allow resourcemanager:ListAccounts, or set SGSWEEP_ACCOUNTS "
                f"({error.code}: {error.message})",
                request_id=error.request_id,
                account_id=account_id,
            ) from None
        with suppress(Denied, NotFound, ApiError):  # without it, ListAccounts alone says who is ours
            found |= {await management_id(self._own, RESOURCE_MANAGER)}
        _directories[key] = _Directory(found, now)
        return found


async def has_region(session: AccountSession, region_id: str) -> bool:
    """Tell whether there is such a region.

    Raises:
        CloudError: the account's regions could not be read.
    """
    cloud = session.client.settings.identity
    if region_id not in _regions.get(cloud, frozenset()):
        _regions[cloud] = _regions.get(cloud, frozenset()) | set(await regions(session))
    return region_id in _regions[cloud]
