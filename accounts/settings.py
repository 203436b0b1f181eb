"""Who is swept, and by which roles they are entered: values, checked where they are made."""

from __future__ import annotations

import re

import msgspec

RESOURCE_MANAGER = "2020-03-31"
RESOURCE_DIRECTORY_MASTER = "2022-04-19"
SOURCES = ("resource-directory", "static")
SOURCE_IDENTITY_MUST = "must be 2 to 64 letters, digits or any of _ + = , . @ -"
_SOURCE_IDENTITY = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII).fullmatch
_SESSION_SECONDS = (900, 43200)  # STS AssumeRole, DurationSeconds; the role's own limit may be lower


class OrganizationError(ValueError):
    """A setting of [organization] is wrong; the message names it and what to do."""


class OrganizationSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which accounts a sweep visits, and how they are entered. How values and accounts match is `matching`'s to say.

    Attributes:
        source: "resource-directory" or "static".
        accounts: for "static", the account ids.
        api: "2020-03-31", or "2022-04-19", which also tells what accounts are being deleted.
        role: the role that members are read by, the same name in every account.
        remediation_role: the role that they are changed by.
        external_id: what the roles' trust asks for; empty for none.
        source_identity: a person or system to show in audit trails, see `is_source_identity`; empty for none.
        session_seconds: how long a session lives; at most the role's MaxSessionDuration, 3600 unless raised.
        hub_account_id: the account that the hub's credentials must be of; empty for any.
        include_hub: visit the account whose credentials run the sweep.
        include: account ids and names; empty for all.
        exclude: account ids and names.
        folders: folder ids, or paths of display names as "Root/Prod" or "Prod"; empty for all.
        tags: "key" or "key=value"; empty for all.
    """

    source: str = "resource-directory"
    accounts: tuple[str, ...] = ()
    api: str = RESOURCE_MANAGER
    role: str = "sgsweep-read"
    remediation_role: str = "sgsweep-remediate"
    external_id: str = ""
    source_identity: str = ""
    session_seconds: int = 3600
    hub_account_id: str = ""
    include_hub: bool = True
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self._check_source()
        for name in ("role", "remediation_role"):
            if not getattr(self, name):
                raise OrganizationError(f"[organization] {name} is empty; name a role of the members")
        if not self.external_id.isprintable():
            raise OrganizationError(
                "[organization] external_id holds a line end or another invisible character"
            )
        if self.hub_account_id and not self.hub_account_id.isdecimal():
            raise OrganizationError(
                f"[organization] hub_account_id is {self.hub_account_id!r}; account ids are digits"
            )
        if self.source_identity and not is_source_identity(self.source_identity):
            raise OrganizationError(f"[organization] source_identity {SOURCE_IDENTITY_MUST}")
        low, high = _SESSION_SECONDS
        if not low <= self.session_seconds <= high:
            raise OrganizationError(
                f"[organization] session_seconds is {self.session_seconds}; give {low} to {high}"
            )

    def _check_source(self) -> None:
        if self.source not in SOURCES:
            raise OrganizationError(
                f"[organization] source is {self.source!r}; it is one of {', '.join(SOURCES)}"
            )
        if self.api not in (RESOURCE_MANAGER, RESOURCE_DIRECTORY_MASTER):
            raise OrganizationError(
                f"[organization] api is {self.api!r}; it is {RESOURCE_MANAGER} or {RESOURCE_DIRECTORY_MASTER}"
            )
        if other := next((one for one in self.accounts if not one.isdecimal()), ""):
            raise OrganizationError(f"[organization] accounts holds {other!r}; account ids are digits")
        if self.source == "static" and not self.accounts:
            raise OrganizationError('[organization] accounts must name the accounts when source = "static"')
        if self.source == "static" and (self.folders or self.tags):
            raise OrganizationError(
                "[organization] folders and tags are known to the Resource Directory only, not to a static list"
            )

    def __repr__(self) -> str:
        # the external id is a secret between the accounts
        return f"OrganizationSettings(source={self.source!r}, role={self.role!r}, …)"


def is_source_identity(text: str) -> bool:
    """Tell whether AssumeRole takes it. The prefixes it reserves (acs:, aliyun:, alibabacloud:) have a colon."""
    return _SOURCE_IDENTITY(text) is not None
