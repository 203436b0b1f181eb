"""What the page shows of a run: counted in one pass, with a bounded number of rows kept of each kind.

A run may have a hundred thousand findings and a page must stay a page. So the counts are of everything, the
rows are the first in a fixed order, and each table says how many more there are and where.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import groupby

from orchestrator.report.view import (
    SEVERITIES,
    STANDINGS,
    Item,
    RunView,
    changes_of,
    few,
    toward,
    witness_text,
)

ROWS_PER_SEVERITY = 500
ROWS_PER_TABLE = 250
ACCOUNTS_SHOWN = 10


class Sample:
    """The first `limit` of all items by `key`, and how many there were."""

    def __init__(self, limit: int, key: Callable[[Item], tuple[object, ...]]) -> None:
        self.total = 0
        self._limit, self._key = limit, key
        self._kept: list[Item] = []

    def add(self, item: Item) -> None:
        """Take an item, and forget the last ones when there are twice too many."""
        self.total += 1
        self._kept.append(item)
        if len(self._kept) >= 2 * self._limit:
            self._kept = self.rows

    @property
    def rows(self) -> list[Item]:
        """The items that are kept, in order."""
        return sorted(self._kept, key=self._key)[: self._limit]

    @property
    def more(self) -> int:
        """How many there are beyond the rows."""
        return max(0, self.total - self._limit)

    def by_account(self) -> Iterator[tuple[Item, list[Item]]]:
        """Return the rows account by account: the first row, which names it, and all of them."""
        for _, group in groupby(self.rows, key=lambda row: row["account_id"]):
            rows = list(group)
            yield rows[0], rows


class Survey:
    """Everything the page says, counted and sampled."""

    def __init__(self, view: RunView) -> None:
        self.changes = changes_of(view)
        self.matrix: Counter[tuple[str, str]] = Counter()
        self.checks: Counter[tuple[str, str]] = Counter()
        self._accounts: dict[str, Counter[str]] = {}
        self._names: dict[str, str] = {}
        self.open = {severity: Sample(ROWS_PER_SEVERITY, _by_place) for severity in SEVERITIES}
        self.aside = {
            s: Sample(ROWS_PER_TABLE, _by_severity) for s in STANDINGS if s not in {"open", "closed"}
        }
        for finding in view.findings():
            self._take(finding)
        self.unreachable = Unseen(view)
        self.outcomes = Outcomes(view)

    def _take(self, finding: Item) -> None:
        standing, severity = self.changes.standing(finding), finding["severity"]
        self.matrix[severity, standing] += 1
        if standing in self.aside:
            self.aside[standing].add(_row(finding))
        elif standing == "open":
            self.open[severity].add(_row(finding))
            account = finding["account_id"]
            self.checks[finding["check_id"], severity] += 1
            self._accounts.setdefault(account, Counter())[severity] += 1
            self._names[account] = finding["account_name"]

    def standing(self, standing: str) -> int:
        """How many findings stand so."""
        return sum(self.matrix[severity, standing] for severity in SEVERITIES)

    @property
    def columns(self) -> list[str]:
        """The standings that occur, and `open` in any case: an empty column says nothing."""
        return [standing for standing in STANDINGS if standing == "open" or self.standing(standing)]

    def severity(self, severity: str) -> int:
        """How many findings of this severity are open."""
        return self.matrix[severity, "open"]

    @property
    def accounts_open(self) -> int:
        """How many accounts have an open finding."""
        return len(self._accounts)

    def worst_accounts(self) -> list[tuple[str, str, Counter[str]]]:
        """Return id, name and open findings by severity of the accounts that have the worst of them."""

        def rank(account: str) -> tuple[object, ...]:
            counts = self._accounts[account]
            return (*(-counts[severity] for severity in SEVERITIES), account)

        first = sorted(self._accounts, key=rank)[:ACCOUNTS_SHOWN]
        return [(account, self._names[account], self._accounts[account]) for account in first]

    def worst_checks(self) -> list[tuple[str, str, int]]:
        """Return id, severity and number of open findings, the worst first."""
        ranked = sorted(self.checks.items(), key=lambda c: (SEVERITIES.index(c[0][1]), -c[1], c[0][0]))
        return [(check_id, severity, count) for (check_id, severity), count in ranked]


class Unseen:
    """What could not be read: apart what an owner has accepted."""

    def __init__(self, view: RunView) -> None:
        self.accepted = {str(entry["account"]): entry for entry in view.accepted_unreachable}
        self.rows = Sample(ROWS_PER_TABLE, _by_place)
        self.accepted_rows = Sample(ROWS_PER_TABLE, _by_place)
        self.levels: Counter[str] = Counter()
        for item in view.unreachable():
            self._take(item)

    def _take(self, item: Item) -> None:
        if item["account_id"] in self.accepted:
            self.accepted_rows.add(item)
            return
        self.rows.add(item)
        self.levels[_level(item)] += 1


class Outcomes:
    """What was changed, failures first."""

    def __init__(self, view: RunView) -> None:
        self.rows = Sample(ROWS_PER_TABLE, _by_outcome)
        self.counts: Counter[str] = Counter()
        for outcome in view.outcomes():
            self.counts[outcome["outcome"]] += 1
            self.rows.add(outcome)


def _level(item: Item) -> str:
    if item.get("security_group_id"):
        return "security group"
    return "region" if item.get("region_id") else "account"


def _row(finding: Item) -> Item:
    """Return what a table shows of a finding, so that a kept row does not hold the whole rule."""
    rule = finding.get("rule") or {}
    shown = (
        "account_id",
        "account_name",
        "region_id",
        "security_group_id",
        "security_group_name",
        "service_managed",
        "rule_id",
        "check_id",
        "severity",
        "reason",
    )
    return {
        **{key: finding.get(key) for key in shown},
        "ports": few(finding.get("ports")) or finding.get("protocol"),
        "sources": few(finding.get("sources")),
        "toward": toward(finding),
        "witness": witness_text(finding),
        "exposure": finding.get("exposure"),
        "description": rule.get("Description") or "",
        "itself": f"{rule.get('IpProtocol', '')} {rule.get('PortRange', '')}".strip(),
        "priority": rule.get("Priority"),
    }


def _by_place(item: Item) -> tuple[object, ...]:
    keys = ("account_name", "account_id", "region_id", "security_group_name", "security_group_id", "rule_id")
    return tuple(str(item.get(key) or "") for key in keys)


def _by_severity(item: Item) -> tuple[object, ...]:
    return (SEVERITIES.index(item["severity"]), *_by_place(item))


_WORST_FIRST = ("failed", "drifted", "skipped", "rolled_back")


def _by_outcome(item: Item) -> tuple[object, ...]:
    outcome = item["outcome"]
    rank = _WORST_FIRST.index(outcome) if outcome in _WORST_FIRST else len(_WORST_FIRST)
    return (rank, *_by_place(item))
