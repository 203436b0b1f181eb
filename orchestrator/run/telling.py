"""`report`, `explain` and the plan's telling: what a run folder says, without the cloud."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from orchestrator.journal import Reader
from orchestrator.report import RunView, render
from orchestrator.run.folder import FINDINGS, OUTCOMES, PLAN, REPORT, SUMMARY, UNREACHABLE, lines_of, replaced
from orchestrator.run.refusals import UsageError


def view(folder: Path) -> RunView:
    """Return the run as a report needs it.

    Raises:
        JournalError: the folder is no run.
        UsageError: the run has not been scanned to an end yet, or one of its files is damaged.
    """
    with Reader(folder) as reader:
        settings = reader.header.settings["judgement"]
        return RunView(
            summary=_document(folder / SUMMARY),
            created_at=reader.header.created_at,
            findings=lines_of(folder / FINDINGS),
            unreachable=lines_of(folder / UNREACHABLE),
            outcomes=lines_of(folder / OUTCOMES),
            plan=_document(folder / PLAN) if (folder / PLAN).exists() else None,
            checks=tuple(settings["checks"]),
            skipped_accounts=tuple(msgspec.to_builtins(skipped) for skipped in reader.skipped()),
            exemption_notes=tuple(reader.fact("exemption_notes") or ()),
            accepted_unreachable=tuple(reader.fact("accepted_unreachable") or ()),
        )


def write_report(folder: Path) -> None:
    """Write report.html anew."""
    with replaced(folder / REPORT) as file:
        render(view(folder), "html", lambda text: file.write(text.encode("utf-8", "replace")))


def report(folder: Path, kind: str, write: Callable[[str], object]) -> None:
    """Render the run as html, json, csv, sarif or ocsf, piece by piece."""
    render(view(folder), kind, write)


def _document(path: Path) -> dict[str, Any]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except FileNotFoundError:
        raise UsageError(
            f"{path} is missing: the scan did not end; go on with `scan --resume {path.parent}`"
        ) from None
    except (OSError, msgspec.DecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from error
