"""TELL: html, json, csv, sarif and ocsf from the same run.

It owns how a run is told, and nothing of what is told: it reads plain values, judges nothing and changes
nothing.
"""

from typing import TextIO

from orchestrator.report import as_csv, as_html, as_json, as_ocsf, as_sarif
from orchestrator.report.view import Emit, ReportError, RunView

_RENDERERS = {
    "html": as_html.render,
    "json": as_json.render,
    "csv": as_csv.render,
    "sarif": as_sarif.render,
    "ocsf": as_ocsf.render,
}

FORMATS = tuple(_RENDERERS)
"""The formats, the default first."""

__all__ = ["FORMATS", "ReportError", "RunView", "render"]


def render(view: RunView, format: str, write: Emit | TextIO) -> None:  # noqa: A002  (the command's own word)
    """Render the run, piece by piece: what is kept in memory does not grow with the number of findings.

    A file must be opened as UTF-8 with `newline=""`: CSV brings its own line ends.

    Raises:
        ReportError: an unknown format, or a run whose `created_at` is not a time.
    """
    if format not in _RENDERERS:
        raise ReportError(f"unknown format {format!r}. Known: {', '.join(FORMATS)}")
    _RENDERERS[format](view, write if callable(write) else write.write)
