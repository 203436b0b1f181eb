"""What a page's filter offers: each value that its findings have, and no other."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from orchestrator.policy import Finding
from orchestrator.report.view import SEVERITIES, STANDINGS, Standing, owner_name
from orchestrator.report.words import Words

_EXPOSURES = ("exposed", "latent", "unknown")


class Facets:
    """Gathers them as the findings come by: what is kept grows with names, not with findings."""

    def __init__(self, words: Words) -> None:
        self._words = words
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
        standings = [one for one in STANDINGS if one in self._standings]
        return [
            Choice("account", self._words("choice.account"), accounts),
            self._choice("owner"),
            self._choice("region"),
            self._choice("check"),
            self._choice("exposure", _EXPOSURES),
            Choice(
                "status",
                self._words("choice.status"),
                {one: self._words.term("standing", one) for one in standings},
            ),
        ]

    def _choice(self, key: str, order: Sequence[str] = ()) -> Choice:
        """Return a list whose values are ids and names, or words of a contract in their order."""
        seen = self._seen[key]
        options = {one: self._words.term(key, one) if order else one for one in order or sorted(seen)}
        title = self._words(f"choice.{key}")
        return Choice(key, title, {one: told for one, told in options.items() if one in seen})


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
