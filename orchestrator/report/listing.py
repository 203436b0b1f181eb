"""The rows of a page: every finding and every change, spooled in one pass over the run.

What a page lists first is known only when the last finding was seen, and a run may have hundreds of thousands.
So each row is made once, as the finding comes by, and waits in the spool of its section, which goes to disk when
it is large.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from tempfile import SpooledTemporaryFile
from types import TracebackType
from typing import IO, Protocol

import msgspec
from markupsafe import Markup
from typing_extensions import Self

from orchestrator.evidence import Evidence
from orchestrator.journal import Outcome, OutcomeKind
from orchestrator.plan import Skipped
from orchestrator.policy import BY_ID, BY_NAME, Exposure, Finding
from orchestrator.report.console import tab_of
from orchestrator.report.facets import Facets
from orchestrator.report.survey import AccountLine, Survey, section
from orchestrator.report.view import Item, RunView, owner_name, standing, toward, witness_text
from orchestrator.report.words import Words, words

ROWS_PER_BLOCK = 100
"""A browser lays out a block when it comes into sight: the smaller, the sooner; the larger, the fewer headings."""

_IN_MEMORY = 1 << 20  # characters of a spool, before it goes to disk
_CHUNK = 1 << 12

_WORST_FIRST = (OutcomeKind.failed, OutcomeKind.drifted, OutcomeKind.skipped, OutcomeKind.rolled_back)
"""Changes that did not take, or were taken back, stand before those that took."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """What a table shows of a finding."""

    region_id: str
    security_group_id: str
    security_group_name: str
    rule_id: str
    check_id: str
    severity: str
    severity_shown: bool
    lowered: tuple[str, ...]
    reason: str
    ports: str
    sources: str
    toward: str
    witness: str
    exposure: Exposure
    protection: str
    description: object
    itself: str
    priority: object
    owner: str
    owner_from: str
    owner_shown: bool
    tab: str
    evidence: Evidence | None

    @staticmethod
    def of(
        finding: Finding,
        lowered: tuple[str, ...],
        words: Words,
        evidence: Evidence | None,
        *,
        severity_shown: bool,
    ) -> Row:
        """Return the finding's row; whether it shows the severity, and why that is below the check's own."""
        rule = finding.rule
        return Row(
            region_id=finding.region_id,
            security_group_id=finding.security_group_id,
            security_group_name=finding.security_group_name,
            rule_id=finding.rule_id,
            check_id=finding.check_id,
            severity=finding.severity.value,
            severity_shown=severity_shown,
            lowered=tuple(map(words.retold, lowered)),
            reason=words.retold(finding.reason),
            ports=words.some(finding.ports.texts) or finding.protocol,
            sources=words.some(finding.sources),
            toward=toward(finding),
            witness=witness_text(finding, words),
            exposure=finding.exposure,
            protection=words.retold(finding.protection),
            description=rule.get("Description") or "",
            itself=f"{rule.get('IpProtocol', '')} {rule.get('PortRange', '')}".strip(),
            priority=rule.get("Priority"),
            owner=owner_name(finding),
            owner_from=words.retold(finding.owner_from),
            # An account's own name stands above its rows.
            tab=tab_of(finding),
            evidence=evidence,
            owner_shown=bool(finding.owner) and finding.owner_from not in {BY_ID, BY_NAME},
        )


class Draw(Protocol):
    """The macros that make rows, as a template has them."""

    def block(self, account: AccountLine, count: int, *, first: bool, anchor: bool) -> str:
        """Begin a block of an account's findings."""

    def finding(self, row: Row) -> str:
        """Return the row of a finding."""

    def end(self) -> str:
        """End a block."""

    def changes(self, first: bool) -> str:  # noqa: FBT001  (as `Table.add` calls it)
        """Begin a block of changes."""

    def change(self, outcome: Outcome) -> str:
        """Return the row of a change."""


class Table:
    """Rows that are written now and read later, in blocks; beyond a size they wait in a nameless file."""

    def __init__(self, file: IO[str], end: str) -> None:
        self._file = file
        self._end = end
        self._of = ""
        self._rows = 0

    def add(self, of: str, begin: Callable[[bool], str], row: str) -> None:
        """Add a row of something, such as an account.

        Args:
            of: what it belongs to; where that is another than before, and where a block is full, a block begins.
            begin: makes the heading of a block; whether it is the first of what it belongs to.
            row: the row.
        """
        is_first = not self._rows or of != self._of
        if is_first or self._rows % ROWS_PER_BLOCK == 0:
            self._file.write(f"{self._end if self._rows else ''}{begin(is_first)}")
            self._of, self._rows = of, 0
        self._file.write(row)
        self._rows += 1

    def __iter__(self) -> Iterator[Markup]:
        self._file.seek(0)
        while chunk := self._file.read(_CHUNK):
            yield Markup(chunk)  # noqa: S704  (what our own templates made)
        if self._rows:
            yield Markup(self._end)  # noqa: S704  (our own template)


class FindingsPage:
    """The rows of one page, of the whole run or of one account.

    Attributes:
        counts: findings by section.
        facets: what they can be narrowed by.
        changes: how many there are.
        skipped, notes: what the plan leaves alone, and what it notes.
    """

    def __init__(self, view: RunView, survey: Survey, draw: Draw) -> None:
        self._view, self._survey, self._draw = view, survey, draw
        self._tables: dict[str, Table] = {}
        self._stack = ExitStack()
        self.counts: Counter[str] = Counter()
        self._words = words(view.language)
        self.facets = Facets(self._words)
        self.changes = 0
        self.skipped: Iterable[Skipped] = ()
        self.notes: Iterable[Item] = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def add(self, finding: Finding) -> None:
        """List a finding; those of an account come one after the other."""
        stands = standing(finding, self._survey.changes)
        place, line = section(finding, stands), self._survey.account(finding.account_id)
        self.counts[place] += 1
        self.facets.add(finding, stands)

        def begin(is_first: bool) -> str:  # noqa: FBT001  (as `Table.add` calls it)
            anchor = is_first and line.anchor == place
            return self._draw.block(line, line.counts[place], first=is_first, anchor=anchor)

        lowered, is_shown = self._view.lowered(finding), stands != "open"
        evidence = self._view.evidence(finding)
        row = Row.of(finding, lowered, self._words, evidence, severity_shown=is_shown)
        self._table(place).add(line.account_id, begin, self._draw.finding(row))

    def add_change(self, outcome: Outcome) -> None:
        """List a change."""
        self.changes += 1
        self._table(_changed(outcome.outcome)).add("", self._draw.changes, self._draw.change(outcome))

    def rows(self, place: str) -> Iterator[Markup]:
        """Return the tables of a section."""
        return iter(self._tables.get(place, ()))

    def change_rows(self) -> Iterator[Markup]:
        """Return the tables of the changes, those that did not take first."""
        for kind in (*_WORST_FIRST, *(kind for kind in OutcomeKind if kind not in _WORST_FIRST)):
            yield from self._tables.get(_changed(kind), ())

    def _table(self, name: str) -> Table:
        if name not in self._tables:
            file = self._stack.enter_context(
                SpooledTemporaryFile(  # noqa: SIM115  (the stack closes it)
                    _IN_MEMORY, "w+", encoding="utf-8", errors="replace", newline=""
                )
            )
            self._tables[name] = Table(file, self._draw.end())
        return self._tables[name]


def _changed(kind: OutcomeKind) -> str:
    return f"changes {kind.value}"
