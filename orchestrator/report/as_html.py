"""HTML: one self-contained page, for a manager and for an engineer; of a very large run, a page an account.

Everything a tenant could have typed is escaped by the template engine, and control characters that could
turn the text around are shown by their number. Should something get through nevertheless, the page's own
policy allows no script and no style but the two it was made with, by their hashes, and no request to
anywhere.
"""

import base64
import hashlib
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from enum import Enum
from itertools import groupby
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar, cast

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from orchestrator.journal import Outcome
from orchestrator.policy import Finding
from orchestrator.report.console import Console, console_of, part_of_address
from orchestrator.report.diff import Became, Diff, DiffEntries
from orchestrator.report.headline import number
from orchestrator.report.heatmap import heat_map
from orchestrator.report.listing import ROWS_PER_BLOCK, Draw, FindingsPage
from orchestrator.report.survey import ACCOUNTS_SHOWN, Survey
from orchestrator.report.trend import bars
from orchestrator.report.verdict import verdict
from orchestrator.report.version import version
from orchestrator.report.view import SEVERITIES, Emit, RunView
from orchestrator.report.words import ENGLISH, Words, words

MOST_ROWS = 50_000
"""Findings and changes that one page holds; of more, a browser takes many seconds and a gigabyte."""

PAGES = "report"
"""The folder of the accounts' pages, beside report.html."""

Open = Callable[[str], AbstractContextManager[Emit]]
"""Opens the file of this name beside report.html; what is written is there when it is closed."""

T = TypeVar("T", Finding, Outcome)

_HERE = Path(__file__).parent / "page"

# C0 and C1 controls but tab and line feed, zero-width and bidirectional controls, line separators,
# surrogates.
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)


def render(view: RunView, emit: Emit) -> None:
    """Write one page with every finding, however many there are. Goes over the findings twice."""
    _Pages(view, Survey(view)).whole(emit)


def render_since(view: RunView, diff: Diff, emit: Emit) -> Mapping[Became, int]:
    """Write the same page with a section on what lies between an earlier run and this one; return its counts."""
    since = _Since(diff, DiffEntries(diff))
    _Pages(view, Survey(view), since).whole(emit)
    return since.gathered.counts


class OwnerLine(msgspec.Struct, frozen=True):
    """An owner in the index of a run that was split: where the report is, and the open findings by severity."""

    owner: str
    owner_from: tuple[str, ...]
    file: str
    open: Mapping[str, int]


def render_owners(view: RunView, owners: Sequence[OwnerLine], emit: Emit) -> None:
    """Write the index of the reports of a run's owners."""
    own = {"run_id": view.run_id, "created_at": view.created_at, "owners": owners, "severities": SEVERITIES}
    for chunk in _environment(words(view.language)).get_template("owners.html").stream(**_inlined(), **own):
        emit(chunk)


class _Since(NamedTuple):
    diff: Diff
    gathered: DiffEntries


def render_pages(view: RunView, emit: Emit, open_page: Open, most_rows: int = MOST_ROWS) -> frozenset[str]:
    """Write the page; beyond `most_rows` findings and changes an index, and beside it a page an account.

    Returns:
        The names of the accounts' pages, none where one page holds everything.
    """
    survey = Survey(view)
    pages = _Pages(view, survey)
    if survey.total + sum(survey.outcomes.values()) <= most_rows:
        pages.whole(emit)
        return frozenset()
    links = {line.account_id: page_of(line.account_id) for line in survey.accounts()}
    pages.by_account(links, open_page)
    pages.index(emit, links)
    return frozenset(links.values())


def page_of(account_id: str) -> str:
    """Return where an account's page is, beside report.html; an id that is no number makes no path."""
    is_number = re.fullmatch("[0-9]{1,32}", account_id)
    name = (
        account_id if is_number else hashlib.sha256(account_id.encode("utf-8", "surrogatepass")).hexdigest()
    )
    return f"{PAGES}/{name}.html"


class _Pages:
    """The pages of a run."""

    def __init__(self, view: RunView, survey: Survey, since: _Since | None = None) -> None:
        self._view, self._survey = view, survey
        console = console_of(str((view.summary.get("cloud") or {}).get("endpoint", "")))
        self._templates = _environment(words(view.language), console)
        self._draw = cast("Draw", self._templates.get_template("rows.html").module)
        self._shared = {
            "view": view,
            "survey": survey,
            "since": since,
            "verdict": verdict(view, survey),
            "summary": view.summary,
            "severities": SEVERITIES,
            "per_block": ROWS_PER_BLOCK,
            **_inlined(),
        }

    def whole(self, emit: Emit) -> None:
        """Write everything as one page."""
        with self._listing() as listing:
            for finding in self._view.findings():
                listing.add(finding)
            for outcome in self._view.outcomes():
                listing.add_change(outcome)
            plan = self._view.plan
            listing.skipped, listing.notes = plan.skipped if plan else (), self._view.plan_notes
            self._page(emit, listing, {})

    def index(self, emit: Emit, links: dict[str, str]) -> None:
        """Write what is told of the run as a whole, with a link to the page of each account."""
        self._page(emit, None, links)

    def by_account(self, links: dict[str, str], open_page: Open) -> None:
        """Write the page of each account: one goes over the findings, the others over what belongs to them."""
        findings, outcomes = _Groups(self._view.findings()), _Groups(self._view.outcomes())
        skipped, notes = self._planned()
        for account_id in sorted(links):
            with self._listing() as listing, open_page(links[account_id]) as emit:
                for finding in findings.of(account_id):
                    listing.add(finding)
                for outcome in outcomes.of(account_id):
                    listing.add_change(outcome)
                listing.skipped, listing.notes = skipped[account_id], notes[account_id]
                self._write("account.html", emit, listing=listing, line=self._survey.account(account_id))

    def _planned(self) -> tuple[dict[str, list[Any]], dict[str, list[Any]]]:
        skipped: dict[str, list[Any]] = defaultdict(list)
        notes: dict[str, list[Any]] = defaultdict(list)
        for left in self._view.plan.skipped if self._view.plan else ():
            skipped[left.account_id].append(left)
        for note in self._view.plan_notes:
            notes[note["account_id"]].append(note)
        return skipped, notes

    def _listing(self) -> FindingsPage:
        return FindingsPage(self._view, self._survey, self._draw)

    def _page(self, emit: Emit, listing: FindingsPage | None, links: dict[str, str]) -> None:
        own = {
            "standings": self._survey.columns,
            "accounts_shown": ACCOUNTS_SHOWN,
            "version": version(),
            "bars": bars(self._view.trend, height=110),
            "heat_wide": heat_map(self._view, self._survey, most_regions=28, label_width=26),
            "heat_narrow": heat_map(self._view, self._survey, most_regions=8, label_width=44),
        }
        self._write("page.html", emit, listing=listing, links=links, **own)

    def _write(self, template: str, emit: Emit, **own: object) -> None:
        stream = self._templates.get_template(template).stream(**self._shared, **own)
        stream.enable_buffering(100)
        for chunk in stream:
            emit(chunk)


class _Groups(Generic[T]):
    """What comes account by account, given out account by account."""

    def __init__(self, items: Iterator[T]) -> None:
        self._groups: Iterator[tuple[str, Iterator[T]]] = groupby(items, key=_account_of)
        self._next: tuple[str, Iterator[T]] | None = next(self._groups, None)

    def of(self, account_id: str) -> Iterator[T]:
        """Yield those of the account; accounts are asked for in the order in which they come."""
        if self._next is not None and self._next[0] == account_id:
            yield from self._next[1]
            self._next = next(self._groups, None)


def _account_of(item: Finding | Outcome) -> str:
    return item.account_id


def visible(value: object) -> object:
    """Return text with its hidden characters shown by number: a name must not look like another one."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, str) and not isinstance(value, Markup):
        return _HIDDEN.sub(lambda hidden: f"[U+{ord(hidden.group()):04X}]", value)
    return "" if value is None else value


def moment(text: str, told_in: Words = ENGLISH) -> str:
    """Return "2026-03-01T08:15:00Z" as "1 March 2026, 08:15 UTC"; a text that is no time as it is."""
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return text
    month, year = told_in(f"month.{when.month}"), str(when.year)
    zone = when.tzname() or ""
    return told_in(
        "time.moment", day=when.day, month=month, year=year, clock=f"{when:%H:%M}", zone=zone
    ).strip()


def duration(seconds: object, told_in: Words = ENGLISH) -> str:
    """Return 3725 as "1 h 2 min", and 4.25 as "4.2 s"."""
    if not isinstance(seconds, (int, float)):
        return number(seconds)
    if seconds < 60:
        return told_in("time.seconds", n=f"{seconds:.1f}")
    hours, minutes = divmod(round(seconds / 60), 60)
    return told_in("time.hours" if hours else "time.minutes", hours=hours, n=minutes)


def _environment(told_in: Words, console: Console | None = None) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_HERE),
        autoescape=True,
        finalize=visible,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )

    def say(key: str, /, **values: object) -> Markup:
        """Return a message of the catalogue, whose HTML is ours; what stands in it is made visible and escaped."""
        harmless = {
            name: escape(visible(value)) if isinstance(value, (str, Enum)) else value
            for name, value in values.items()
        }
        return Markup(told_in(key, **harmless))  # noqa: S704  (our own, around what was escaped)

    environment.filters.update(
        number=number,
        moment=lambda text: moment(text, told_in),
        duration=lambda seconds: duration(seconds, told_in),
        few=told_in.some,
        retold=told_in.retold,
        urlencode=part_of_address,
    )
    environment.globals.update(
        apart=_apart,
        console=console,
        language=told_in.language,
        say=say,
        term=told_in.term,
        sentence=told_in.sentence,
        pattern=told_in.pattern,
    )
    return environment


def _apart(name: str) -> Markup:
    """Return what somebody has typed, so that its direction of reading does not reach what stands beside it."""
    return Markup("<bdi>{}</bdi>").format(visible(name))


def _inlined() -> dict[str, str]:
    """Return the style and the script of a page, and the hashes by which its policy allows them."""
    style, script = _text("style.css"), _text("filter.js")
    return {
        "style": Markup(style),  # noqa: S704  (our own file)
        "script": Markup(script),  # noqa: S704  (our own file)
        "style_hash": _hash(style),
        "script_hash": _hash(script),
    }


def _text(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """Return the source expression of Content Security Policy level 3 for an inline block."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
