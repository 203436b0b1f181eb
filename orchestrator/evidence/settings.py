"""What evidence is asked of: the keys of [evidence]."""

from __future__ import annotations

import ipaddress

import msgspec


class EvidenceError(ValueError):
    """[evidence] cannot be used; the text names the key."""


class EvidenceSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where evidence is looked for.

    Attributes:
        days: how far traffic is looked back at.
        trail_project, trail_logstore, trail_region: where the organization's trail is delivered to Log Service; without
            a project each account's own ActionTrail is asked.
        account, role, region, project, logstore: where flow logs of all accounts are gathered: the account that owns
            the project, the role to enter it by (empty for the read role), its region, project and logstore. Without
            a project each flow log says where it lies.
        dedicated_sql: use dedicated SQL, which costs and reads more.
        most_rows: of one answer; where it is reached, shorter slices are asked for, and the last of them is incomplete.
        partners: networks that may be narrowed to, as CIDRs.
    """

    days: int = 14
    trail_project: str = ""
    trail_logstore: str = ""
    trail_region: str = ""
    account: str = ""
    role: str = ""
    region: str = ""
    project: str = ""
    logstore: str = ""
    dedicated_sql: bool = False
    most_rows: int = 10_000
    partners: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 1 <= self.days <= 365:
            raise EvidenceError(f"[evidence] days is {self.days}; it is 1 to 365")
        if not 100 <= self.most_rows <= 1_000_000:
            raise EvidenceError(f"[evidence] most_rows is {self.most_rows}; it is 100 to 1,000,000")
        if self.account and not self.account.isdecimal():
            raise EvidenceError(f"[evidence] account is {self.account!r}; account ids are digits")
        if bool(self.trail_project) != bool(self.trail_logstore):
            raise EvidenceError("[evidence] trail_project and trail_logstore belong together")
        if self.trail_project and not self.trail_region:
            raise EvidenceError("[evidence] trail_project needs trail_region, the project's region")
        if bool(self.project) != bool(self.logstore):
            raise EvidenceError("[evidence] project and logstore belong together")
        try:
            self.partner_networks()
        except ValueError as error:
            raise EvidenceError(f"[evidence] partners: {error}") from None

    def partner_networks(self) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
        """Return the partners' networks."""
        return tuple(map(ipaddress.ip_network, self.partners))
