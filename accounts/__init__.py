"""WHO: the accounts a sweep visits and the credentials to enter them. Imports nothing of orchestrator."""

from __future__ import annotations

from datetime import date

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


class SkippedAccount(msgspec.Struct, frozen=True):
    """An account that was left out, and why."""

    account_id: str
    name: str
    reason: str


GROUP_GONE = "InvalidSecurityGroupId.NotFound"
"""The ECS code for a security group that is not there."""


def is_group_gone(code: str) -> bool:
    """Tell whether the code says that there is no such group. Another 404, a gateway's or a region's, does not."""
    return code.startswith(GROUP_GONE)


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


class AcceptedUnreachable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is known not to be reachable, accepted by an owner. Each key that is given must match.

    Attributes:
        owner: who answers for it.
        reason: why.
        expires: the last day on which it holds.
        account: ids of accounts.
        region: ids of regions; a whole account that could not be entered is in none.
        code: what the cloud answered, "InvalidRegionId.NotFound" and the like.
    """

    owner: str
    reason: str
    expires: date
    account: str | tuple[str, ...] = ()
    region: str | tuple[str, ...] = ()
    code: str | tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what accepts everything, or what nobody answers for.

        Raises:
            ValueError: says what is missing.
        """
        if not (self.owner.strip() and self.reason.strip()):
            raise ValueError("accepted_unreachable needs an owner and a reason in each entry")
        if not any(self._wanted):
            raise ValueError("accepted_unreachable needs an account, a region or a code in each entry")
        if any(not value.strip(" *") for wanted in self._wanted for value in wanted):
            raise ValueError("accepted_unreachable takes ids and codes in full, no patterns")

    def __str__(self) -> str:
        parts = zip(("account", "region", "code"), self._wanted, strict=True)
        what = ", ".join(f"{key} {' or '.join(wanted)}" for key, wanted in parts if wanted)
        return f"accepted_unreachable ({what}) of {self.owner}"

    def accepts(self, unseen: Unreachable) -> bool:
        """Tell whether it is about this, live or not."""
        given = (unseen.account_id, unseen.region_id, unseen.code)
        return all(not wanted or one in wanted for one, wanted in zip(given, self._wanted, strict=True))

    @property
    def _wanted(self) -> tuple[tuple[str, ...], ...]:
        return tuple(
            (one,) if isinstance(one, str) else one for one in (self.account, self.region, self.code)
        )
