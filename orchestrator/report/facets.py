"""What a page's filter offers: each value that its findings have, and no other."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from orchestrator.policy import Finding
from orchestrator.report.view import SEVERITIES, STANDINGS, Standing, owner_name

EXPOSURES = {
    "exposed": "exposed, by a public address",
    "latent": "latent, nothing public attached",
    "unknown": "not known",
}
"""What is attached to a finding's group, in words."""


class Facets:
    """Gathers them as the findings come by: what is kept grows with names, not with findings."""

    def __init__(self) -> None:
        self._accounts: dict[str, str] = {}
        self._seen: dict[str, set[str]] = {key: set() for key in ("owner", "region", "check", "exposure")}
        self._standings: set[str] = set()
        self._severities: set[str] = set()

    def add(self, finding: Finding, stands: Standing) -> None:
        """Take the values of a finding."""
        self._accounts[finding.account_id] = finding.account_name
        self._severities.add(finding.severity.value)
        self._standings.add(stands)
        for key, value in (
            ("owner", owner_name(finding)),
            ("region", finding.region_id),
            ("check", finding.check_id),
            ("exposure", finding.exposure),
        ):
            self._seen[key].add(value)

    @property
    def severities(self) -> list[str]:
        """The severities that occur, the worst first."""
        return [one for one in SEVERITIES if one in self._severities]

    @property
    def choices(self) -> list[Choice]:
        """What can be chosen from, but the severities: a list each, in the order of the page's other tables."""
        accounts = {
            id_: f"{name} ({id_})" if name else id_
            for id_, name in sorted(self._accounts.items(), key=lambda one: (one[1], one[0]))
        }
        return [
            Choice("account", "Account", accounts),
            self._choice("owner", "Owner"),
            self._choice("region", "Region"),
            self._choice("check", "Check"),
            self._choice("exposure", "Exposure", EXPOSURES.__getitem__, [*EXPOSURES]),
            Choice("status", "Status", {one: _told(one) for one in STANDINGS if one in self._standings}),
        ]

    def _choice(
        self, key: str, title: str, told: Callable[[str], str] = str, order: list[str] | None = None
    ) -> Choice:
        seen = self._seen[key]
        return Choice(key, title, {one: told(one) for one in order or sorted(seen) if one in seen})


class Choice(msgspec.Struct, frozen=True):
    """One list of the filter.

    Attributes:
        key: what it is called in the page's address, which people keep.
        title: what it is called on the page.
        options: what is shown of each value.
    """

    key: str
    title: str
    options: dict[str, str]


def _told(stands: str) -> str:
    return "not judged" if stands == "undetermined" else stands
