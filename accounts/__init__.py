"""WHO: the accounts a sweep visits and the credentials to enter them. Imports nothing of orchestrator."""

from __future__ import annotations

import msgspec


class Account(msgspec.Struct, frozen=True):
    """An account that a sweep visits.

    Attributes:
        account_id: its number.
        name: its display name; empty if unknown.
        folder_ids: from the root folder down to the one that holds it; empty if it is in none, as the
            management account is.
        folder_path: the display names of those folders, "Root/Prod/Web".
        tags: (key, value) pairs, sorted.
        status: as Resource Directory gives it; empty if it was not asked.
        is_management: it owns the Resource Directory.
        is_hub: it is the account whose credentials run the sweep.
    """

    account_id: str
    name: str = ""
    folder_ids: tuple[str, ...] = ()
    folder_path: str = ""
    tags: tuple[tuple[str, str], ...] = ()
    status: str = ""
    is_management: bool = False
    is_hub: bool = False


class Skipped(msgspec.Struct, frozen=True):
    """An account that was left out, and why."""

    account_id: str
    name: str
    reason: str


class Unreachable(msgspec.Struct, frozen=True):
    """An account, region or security group that could not be seen.

    Attributes:
        account_id: the account.
        region_id: None if the whole account could not be entered.
        security_group_id: None if the whole region or account could not be read.
        code: the API's error code or the client's own.
        message: for a human.
        request_id: of the call that failed; empty if there was no answer.
    """

    account_id: str
    region_id: str | None
    security_group_id: str | None
    code: str
    message: str
    request_id: str
