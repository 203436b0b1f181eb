"""Where it is open: the worst accounts by the regions that have most, as a picture shows them."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping

import msgspec

from accounts import Unreachable
from orchestrator.report.survey import AccountLine, Survey
from orchestrator.report.view import SEVERITIES, RunView

MOST_ROWS = 20
"""Accounts in the picture; the table of accounts has all of them."""

_STRONG_SHARE = 0.75  # of the cells that have anything: the others are drawn weaker than the fullest quarter


class Cell(msgspec.Struct, frozen=True):
    """An account in a region.

    Attributes:
        open: how many findings are open.
        worst: the severity of the worst of them, "" for none.
        is_strong: it is among the fullest.
        unread: something there was not read, so that nothing is said by an empty cell.
    """

    open: int
    worst: str
    is_strong: bool
    unread: bool


class HeatRow(msgspec.Struct, frozen=True):
    """An account of the picture; its cells are in the order of the columns."""

    account: AccountLine
    label: str
    cells: tuple[Cell, ...]

    @property
    def has_unread(self) -> bool:
        """Whether something there was not read."""
        return any(cell.unread for cell in self.cells)


class HeatMap(msgspec.Struct, frozen=True):
    """The picture.

    Attributes:
        regions: the columns, the fullest first.
        others: how many more regions share the last column; 0 for no such column.
        rows: the accounts, the worst first.
        left_out: accounts with open findings that are not in it.
    """

    regions: tuple[str, ...]
    others: int
    rows: tuple[HeatRow, ...]
    left_out: int


def heat_map(view: RunView, survey: Survey, most_regions: int, label_width: int) -> HeatMap:
    """Return the picture.

    Args:
        view: the run, for what was not read.
        survey: what was counted.
        most_regions: columns of a region each; what is open elsewhere shares one more.
        label_width: how long an account's label may be, in Latin letters.
    """
    open_by_region: Counter[str] = Counter()
    for (_, region_id), found in survey.places.items():
        open_by_region[region_id] += found.total()
    ranked = sorted(open_by_region, key=lambda region_id: (-open_by_region[region_id], region_id))
    columns, others = ranked[:most_regions], ranked[most_regions:]
    lines = [line for line in survey.accounts() if line.open]
    shown = lines[:MOST_ROWS]
    groups = [(region_id,) for region_id in columns] + ([tuple(others)] if others else [])
    unread = _unread(view.unreachable(), {line.account_id for line in shown})
    strong = _strong_from(survey.places)
    rows = [
        HeatRow(
            line,
            cut(line.name or line.account_id, label_width),
            tuple(_cell(survey, line.account_id, regions, strong, unread) for regions in groups),
        )
        for line in shown
    ]
    return HeatMap(tuple(columns), len(others), tuple(rows), len(lines) - len(shown))


def _unread(missed: Iterable[Unreachable], account_ids: set[str]) -> set[tuple[str, str]]:
    return {(one.account_id, one.region_id or "") for one in missed if one.account_id in account_ids}


def _strong_from(places: Mapping[tuple[str, str], Counter[str]]) -> int:
    counts = sorted(found.total() for found in places.values())
    return max(2, counts[int(_STRONG_SHARE * (len(counts) - 1))]) if counts else 2


def _cell(
    survey: Survey, account_id: str, regions: tuple[str, ...], strong: int, unread: set[tuple[str, str]]
) -> Cell:
    found: Counter[str] = Counter()
    for region_id in regions:
        found.update(survey.places.get((account_id, region_id), {}))
    worst = next((one for one in SEVERITIES if found[one]), "")
    is_unread = not unread.isdisjoint((account_id, region_id) for region_id in ("", *regions))
    return Cell(found.total(), worst, found.total() >= strong, is_unread)


def cut(text: str, width: int) -> str:
    """Return the text, cut to so many Latin letters; a Chinese one is as wide as two."""
    left = width
    for at, char in enumerate(text):
        left -= 2 if unicodedata.east_asian_width(char) in "WF" else 1
        if left < 0:
            return f"{text[: max(0, at - 1)]}…"
    return text
