"""TELL: html, json, csv, sarif and ocsf from the same run.

It owns how a run is told, and nothing of what is told: it reads plain values, judges nothing and changes
nothing.
"""

from typing import TextIO

from orchestrator.report import as_csv, as_html, as_json, as_ocsf, as_sarif
from orchestrator.report.as_code import CodeView, code_lines, render_code
from orchestrator.report.as_html import MOST_ROWS, PAGES, OwnerLine, render_owners, render_pages, render_since
from orchestrator.report.comparison import (
    COMPLIANCES,
    KINDS,
    ComparedChecks,
    ComparedRule,
    JudgementDifference,
    ManagedResult,
    OwnResult,
    difference,
    only_ours,
    ports_of_check,
    render_comparison,
    worst,
)
from orchestrator.report.diff import (
    Became,
    ComparedRun,
    Diff,
    DiffEntries,
    DiffEntry,
    Sides,
    entries,
    render_json,
)
from orchestrator.report.headline import (
    Coverage,
    FindingTally,
    Headline,
    Standings,
    headline,
    number,
    of_part,
    total,
)
from orchestrator.report.managed_rules import (
    MANAGED_RULES,
    Documented,
    ManagedRule,
    RuleParameters,
    documented,
    managed_rule,
)
from orchestrator.report.provenance import Record
from orchestrator.report.trend import Point, open_of
from orchestrator.report.verdict import first_said
from orchestrator.report.view import (
    COUNT_MISMATCH,
    NOT_BEGUN,
    NOT_FINISHED,
    Emit,
    ReportError,
    RunView,
    Standing,
    level,
    never_asked,
    owner_name,
    standing,
)

_RENDERERS = {
    "html": as_html.render,
    "json": as_json.render,
    "csv": as_csv.render,
    "sarif": as_sarif.render,
    "ocsf": as_ocsf.render,
}

FORMATS = tuple(_RENDERERS)
"""The formats, the default first."""

__all__ = [
    "COMPLIANCES",
    "COUNT_MISMATCH",
    "FORMATS",
    "KINDS",
    "MANAGED_RULES",
    "MOST_ROWS",
    "NOT_BEGUN",
    "NOT_FINISHED",
    "PAGES",
    "Became",
    "CodeView",
    "ComparedChecks",
    "ComparedRule",
    "ComparedRun",
    "Coverage",
    "Diff",
    "DiffEntries",
    "DiffEntry",
    "Documented",
    "FindingTally",
    "Headline",
    "JudgementDifference",
    "ManagedResult",
    "ManagedRule",
    "OwnResult",
    "OwnerLine",
    "Point",
    "Record",
    "ReportError",
    "RuleParameters",
    "RunView",
    "Sides",
    "Standing",
    "Standings",
    "code_lines",
    "difference",
    "documented",
    "entries",
    "first_said",
    "headline",
    "level",
    "managed_rule",
    "never_asked",
    "number",
    "of_part",
    "only_ours",
    "open_of",
    "owner_name",
    "ports_of_check",
    "render",
    "render_code",
    "render_comparison",
    "render_json",
    "render_owners",
    "render_pages",
    "render_since",
    "standing",
    "total",
    "worst",
]


def render(view: RunView, format: str, write: Emit | TextIO) -> None:  # noqa: A002  (the command's own word)
    """Render the run, piece by piece: what is kept in memory does not grow with the number of findings.

    A file must be opened as UTF-8 with `newline=""`: CSV brings its own line ends.

    Raises:
        ReportError: an unknown format, or a run whose `created_at` is not a time.
    """
    if format not in _RENDERERS:
        raise ReportError(f"unknown format {format!r}. Known: {', '.join(FORMATS)}")
    _RENDERERS[format](view, write if callable(write) else write.write)
