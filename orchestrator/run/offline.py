"""`report`, report.html and the summary: what a run folder says, without the cloud."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import structlog

from accounts import AcceptedUnreachable
from orchestrator.files import make_folder, replaced
from orchestrator.journal import Reader, RuleEffects, SqliteReader, Untrusted, check_trust, read_trusted
from orchestrator.plan import Plan
from orchestrator.policy import Finding
from orchestrator.report import (
    MOST_ROWS,
    PAGES,
    Headline,
    RunView,
    first_said,
    never_asked,
    render,
    render_pages,
)
from orchestrator.report.words import Language
from orchestrator.run.criteria import criteria_of
from orchestrator.run.folder import NO_CALLS, PLAN, REPORT, Summary, summarize
from orchestrator.run.narrowing import WHOLE, ReportPart, narrowed
from orchestrator.run.refusals import UsageError
from orchestrator.run.sealed import record
from orchestrator.run.speaking import language_of
from orchestrator.run.trend import earlier_runs
from orchestrator.run.unseen import Accepted, acceptance, unseen
from orchestrator.run.witnessed import FACT, evidence_in

_log = structlog.get_logger()


def view(folder: Path, summary: Summary | None = None, language: Language | None = None) -> RunView:
    """Return the run as a report needs it, from its journal: the files beside it may be old, damaged or gone.

    Args:
        folder: the run.
        summary: what it came to, where that has just been counted; counted anew without it.
        language: in which it is told; that of the run without it.

    Raises:
        JournalError: the folder is no run.
        UsageError: its plan is damaged.
    """
    with SqliteReader(folder) as reader:
        criteria = criteria_of(reader.header)
        return RunView(
            summary=msgspec.to_builtins(summary or _summary(reader)),
            created_at=reader.header.created_at,
            findings=lambda: reader.findings(Finding),
            unreachable=lambda: unseen(reader),
            effects=reader.all_effects,
            accounts=reader.accounts,
            plan=_plan(folder / PLAN),
            checks=criteria.checks,
            skipped_accounts=tuple(reader.skipped()),
            exemption_notes=tuple(reader.fact("exemption_notes") or ()),
            exemptions=criteria.exemptions,
            record=record(folder),
            earlier=earlier_runs(reader),
            folder=shlex.quote(folder.resolve().name),
            accepted=_accepted(reader),
            language=language or language_of(reader),
            evidence=evidence_in(folder) if reader.fact(FACT) else never_asked,
        )


def write_report(folder: Path, most_rows: int = MOST_ROWS, summary: Summary | None = None) -> None:
    """Write report.html anew; with more rows than that it is an index, beside a page an account.

    Where that cannot be done it is said, and what was done before it stands.
    """
    try:
        check_trust(folder, PAGES)
        with _opened(folder / REPORT) as write:
            pages = render_pages(view(folder, summary), write, lambda name: _opened(folder / name), most_rows)
        _remove_others(folder / PAGES, pages)
    except (UsageError, Untrusted, OSError) as error:
        _log.warning("report.not_written", file=str(folder / REPORT), reason=str(error))


@contextmanager
def _opened(path: Path) -> Iterator[Callable[[str], object]]:
    make_folder(path.parent)
    with replaced(path) as file:
        yield lambda text: file.write(text.encode("utf-8", "replace"))


def _remove_others(folder: Path, names: Collection[str]) -> None:
    """Remove the pages of an earlier report that belong to this one no more, and the folder once it is empty."""
    for page in folder.glob("*.html"):
        if f"{PAGES}/{page.name}" not in names:
            page.unlink()
    if not names:
        with suppress(OSError):  # there is none, or something in it is not ours
            folder.rmdir()


def report(
    folder: Path,
    kind: str,
    write: Callable[[str], object],
    part: ReportPart = WHOLE,
    language: Language | None = None,
) -> None:
    """Render the run, or a part of it, as html, json, csv, sarif or ocsf, piece by piece.

    Args:
        folder: the run.
        kind: the format.
        write: where it goes.
        part: what of the run.
        language: of html; that of the run without it.

    Raises:
        UsageError: nothing of the run is in the part.
    """
    render(narrowed(view(folder, language=language), part), kind, write)


def headline_in(folder: Path, summary: Summary, language: Language) -> Headline:
    """Return what the report says first in this language, of a run that came to this.

    Raises:
        JournalError: the folder is no run.
    """
    return first_said(view(folder, summary, language))


def account_names(folder: Path) -> dict[str, str]:
    """Return the names of the run's accounts, by id.

    Raises:
        JournalError: the folder is no run.
    """
    with SqliteReader(folder) as reader:
        return {one.account.account_id: one.account.name for one in reader.accounts()}


class AccountOpen(msgspec.Struct, frozen=True):
    """The open findings of an account by severity, as they stand now."""

    account_id: str
    name: str
    open: Counter[str]


def open_by_account(folder: Path) -> list[AccountOpen]:
    """Return the accounts that have open findings.

    Raises:
        JournalError: the folder is no run.
    """
    found: dict[str, AccountOpen] = {}
    with SqliteReader(folder) as reader:
        changes = RuleEffects(reader.all_effects())
        for one in reader.findings(Finding):
            if one.is_open and not changes.has_closed(one):
                mine = found.setdefault(
                    one.account_id, AccountOpen(one.account_id, one.account_name, Counter())
                )
                mine.open[one.severity.value] += 1
    return list(found.values())


def summary_of(folder: Path) -> Summary:
    """Return what a run has come to, counted anew from its journal.

    Raises:
        JournalError: the folder is no run.
    """
    with SqliteReader(folder) as reader:
        return _summary(reader)


def _summary(reader: Reader) -> Summary:
    """Count anew; a scan that was killed has not written down its calls."""
    scan = reader.fact("scan") or {"api": NO_CALLS, "seconds": 0.0}
    return summarize(reader, _accepted(reader), scan["api"], scan["seconds"])


def _accepted(reader: Reader) -> Accepted:
    entries = msgspec.convert(reader.fact("accepted_unreachable") or (), tuple[AcceptedUnreachable, ...])
    return acceptance(entries, datetime.now(UTC).date())


def _plan(path: Path) -> Plan | None:
    try:
        return msgspec.json.decode(read_trusted(path), type=Plan)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        raise UsageError(
            f"{path} cannot be read: {error}. Make it again: sgsweep plan {shlex.quote(str(path.parent))}"
        ) from error
