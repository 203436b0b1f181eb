"""What the page says of a run in numbers, counted in one pass: what is kept grows with accounts, not with findings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import msgspec

from accounts import Unreachable
from orchestrator.journal import JobState, OutcomeKind, RuleEffects
from orchestrator.policy import Finding
from orchestrator.report.headline import FindingTally
from orchestrator.report.provenance import Waiver, waiver
from orchestrator.report.view import SEVERITIES, STANDINGS, RunView, Standing, level, standing

ACCOUNTS_SHOWN = 10
"""Accounts that stand in the open; the others are a click away."""


def section(finding: Finding, stands: Standing) -> str:
    """Return where the page lists the finding: open ones by their severity, the others by how they stand."""
    return finding.severity.value if stands == "open" else stands


_STATES = {
    JobState.done: "",
    JobState.unclaimed: "not begun",
    JobState.claimed: "not finished",
    JobState.unreachable: "not readable",
}


class AccountLine(msgspec.Struct):
    """An account of the run: how far it was read, and its findings by section.

    state: None where the run does not say.
    failed: changes that failed.
    """

    account_id: str
    name: str = ""
    state: JobState | None = None
    failed: int = 0
    counts: Counter[str] = msgspec.field(default_factory=Counter)

    @property
    def open(self) -> int:
        """How many findings are open."""
        return sum(self.counts[severity] for severity in SEVERITIES)

    @property
    def set_aside(self) -> int:
        """How many findings are not open, whatever the cause."""
        return sum(self.counts.values()) - self.open

    @property
    def state_told(self) -> str:
        """How far it was read, in words; "" where it was read in full."""
        return "" if self.state is None else _STATES.get(self.state, "read in part")

    @property
    def anchor(self) -> str:
        """The section that lists its worst open finding, "" for none."""
        return next((severity for severity in SEVERITIES if self.counts[severity]), "")

    @property
    def rank(self) -> tuple[object, ...]:
        """What it is sorted by: the worst first, and what was not read in full before what is clean."""
        is_read = self.state is None or self.state is JobState.done
        return (*(-self.counts[one] for one in SEVERITIES), is_read, -self.set_aside, self.account_id)


class Survey:
    """Everything the page says in numbers."""

    def __init__(self, view: RunView) -> None:
        self._view = view
        self.changes = RuleEffects(view.effects())
        self.tally = FindingTally(self.changes)
        self.matrix: Counter[tuple[str, str]] = Counter()
        self.checks: Counter[tuple[str, str, tuple[str, ...]]] = Counter()
        self.exempted: Counter[str] = Counter()  # findings by exemption
        self.places: dict[tuple[str, str], Counter[str]] = {}  # open ones, by account and region
        self._accounts: dict[str, AccountLine] = {}
        for known in view.accounts():
            one = known.account
            self._accounts[one.account_id] = AccountLine(one.account_id, one.name, known.state)
        for finding in view.findings():
            self._take(finding)
        self.unreachable = Unseen(view)
        self.outcomes: Counter[str] = Counter()
        for outcome in view.outcomes():
            self.outcomes[outcome.outcome.value] += 1
            self.account(outcome.account_id).failed += outcome.outcome is OutcomeKind.failed

    def _take(self, finding: Finding) -> None:
        self.tally.add(finding)
        if finding.exemption:
            self.exempted[finding.exemption] += 1
        stands, severity = standing(finding, self.changes), finding.severity.value
        self.matrix[severity, stands] += 1
        line = self.account(finding.account_id)
        line.name = line.name or finding.account_name
        line.counts[section(finding, stands)] += 1
        if stands == "open":
            self.checks[self._view.title_of(finding), severity, self._view.lowered(finding)] += 1
            place = (finding.account_id, finding.region_id)
            self.places.setdefault(place, Counter())[severity] += 1

    def account(self, account_id: str) -> AccountLine:
        """Return the account's line, a new one where nothing was known of it."""
        return self._accounts.setdefault(account_id, AccountLine(account_id))

    def standing(self, standing: str) -> int:
        """How many findings stand so."""
        return sum(self.matrix[severity, standing] for severity in SEVERITIES)

    @property
    def total(self) -> int:
        """How many findings there are, however they stand."""
        return sum(self.matrix.values())

    @property
    def columns(self) -> list[str]:
        """The standings that occur, and `open` in any case: an empty column says nothing."""
        return [standing for standing in STANDINGS if standing == "open" or self.standing(standing)]

    def severity(self, severity: str) -> int:
        """How many findings of this severity are open."""
        return self.matrix[severity, "open"]

    def accounts(self) -> list[AccountLine]:
        """Return every account, the worst first."""
        return sorted(self._accounts.values(), key=lambda line: line.rank)

    @property
    def waivers(self) -> list[Waiver]:
        """The exemptions of the run, those that cover most first; of a part of a run those that cover something."""
        view = self._view
        told = [waiver(one, view.began, self.exempted[one.id]) for one in view.exemptions]
        told = [one for one in told if one.covers or not view.summary.get("part")]
        return sorted(told, key=lambda one: (-one.covers, one.exemption.expires, one.exemption.id))

    def worst_checks(self) -> list[tuple[str, str, tuple[str, ...], int]]:
        """Return title, severity, why it is below the check's own, and number of open findings, the worst first."""
        ranked = sorted(
            self.checks.items(), key=lambda c: (SEVERITIES.index(c[0][1]), -c[1], c[0][0], c[0][2])
        )
        return [(*key, count) for key, count in ranked]


class Unseen:
    """What was not read: apart what an owner has accepted."""

    def __init__(self, view: RunView) -> None:
        self._view = view
        self.accepted = view.accepted
        self.total = self.accepted_total = 0
        self.levels: Counter[str] = Counter()
        for unseen in view.unreachable():
            if self.accepted(unseen):
                self.accepted_total += 1
            else:
                self.total += 1
                self.levels[level(unseen)] += 1

    def rows(self, *, accepted: bool) -> Iterator[Unreachable]:
        """Go over those that are accepted, or over those that are not."""
        return (one for one in self._view.unreachable() if bool(self.accepted(one)) == accepted)
