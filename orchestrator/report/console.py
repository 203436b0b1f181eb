"""Where the console shows what a page is about, for whoever goes and looks."""

from __future__ import annotations

import re
from urllib.parse import quote

import msgspec

from orchestrator.policy import Finding

_IDENTITY = re.compile(r"alibaba-cloud:(?P<site>[a-z]+)(?: with (?P<hosts>.*))?")
_OWN_HOST = re.compile(r"[a-z0-9-]+=[A-Za-z0-9.-]+\.aliyuncs\.com")


class Console(msgspec.Struct, frozen=True):
    """The consoles of a site.

    domain: of the site's consoles and of its sign-in page.
    """

    domain: str

    def account(self, account_id: str) -> str:
        """Return where somebody enters a member, by a role; the pages of its groups are empty before."""
        return f"https://signin.{self.domain}/switchRole.htm?parentAlias={part_of_address(account_id)}.onaliyun.com"

    def region(self, region_id: str) -> str:
        """Return the security groups of a region."""
        return f"https://ecs.console.{self.domain}/securityGroup/region/{part_of_address(region_id)}"

    def group(self, region_id: str, security_group_id: str, tab: str = "intranetIngress") -> str:
        """Return a group's rules: those of a tab, see `tab_of`."""
        place = f"region/{part_of_address(region_id)}/groupId/{part_of_address(security_group_id)}"
        return f"https://ecs.console.{self.domain}/securityGroupDetail/{place}/detail/{tab}"


_SITES = {"china": Console("aliyun.com"), "international": Console("alibabacloud.com")}
"""The finance and government clouds have consoles that are not documented: no link is better than a wrong one."""


def console_of(endpoint: str) -> Console | None:
    """Return the console of the cloud of this identity; None for an emulator, a gateway, or where it is not known."""
    found = _IDENTITY.fullmatch(endpoint)
    if found is None:
        return None
    hosts = (found["hosts"] or "").split(", ") if found["hosts"] else ()
    return _SITES.get(found["site"]) if all(map(_OWN_HOST.fullmatch, hosts)) else None


def tab_of(finding: Finding) -> str:
    """Return the tab of a group's page with the finding's rule: by direction, and in a classic network by card."""
    card = "internet" if finding.rule.get("NicType") == "internet" else "intranet"
    return card + ("Egress" if finding.direction == "egress" else "Ingress")


def part_of_address(text: str) -> str:
    """Return the text as a part of an address: whatever a server called something, it leads to no other place."""
    return quote(text, safe="", errors="replace")
