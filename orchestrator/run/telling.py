"""`report`, `explain` and the plan's telling: what a run folder says, without the cloud."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import structlog

from orchestrator.config import AcceptedUnreachable
from orchestrator.journal import Reader
from orchestrator.report import RunView, render
from orchestrator.run.folder import NO_CALLS, PLAN, REPORT, Summary, replaced, summarize
from orchestrator.run.refusals import UsageError

_log = structlog.get_logger()


def view(folder: Path) -> RunView:
    """Return the run as a report needs it, from its journal: the files beside it may be old, damaged or gone.

    Raises:
        JournalError: the folder is no run.
        UsageError: its plan is damaged.
    """
    with Reader(folder) as reader:
        return RunView(
            summary=msgspec.to_builtins(_summary(reader)),
            created_at=reader.header.created_at,
            findings=lambda: reader.findings(dict[str, Any]),
            unreachable=lambda: map(msgspec.to_builtins, reader.unreachables()),
            outcomes=lambda: map(msgspec.to_builtins, reader.outcomes()),
            plan=_plan(folder / PLAN),
            checks=tuple(reader.header.settings["judgement"]["checks"]),
            skipped_accounts=tuple(msgspec.to_builtins(skipped) for skipped in reader.skipped()),
            exemption_notes=tuple(reader.fact("exemption_notes") or ()),
            accepted_unreachable=tuple(reader.fact("accepted_unreachable") or ()),
        )


def write_report(folder: Path) -> None:
    """Write report.html anew. Where that cannot be done it is said, and what was done before it stands."""
    try:
        with replaced(folder / REPORT) as file:
            render(view(folder), "html", lambda text: file.write(text.encode("utf-8", "replace")))
    except (UsageError, OSError) as error:
        _log.warning("report.not_written", file=str(folder / REPORT), reason=str(error))


def report(folder: Path, kind: str, write: Callable[[str], object]) -> bool:
    """Render the run as html, json, csv, sarif or ocsf, piece by piece; tell whether it was complete."""
    shown = view(folder)
    render(shown, kind, write)
    return bool(shown.summary.get("complete"))


def _summary(reader: Reader) -> Summary:
    """Count anew; a scan that was killed has not written down its calls."""
    scan = reader.fact("scan") or {"api": NO_CALLS, "seconds": 0.0}
    accepted = msgspec.convert(reader.fact("accepted_unreachable") or (), tuple[AcceptedUnreachable, ...])
    return summarize(reader, accepted, datetime.now(UTC).date(), scan["api"], scan["seconds"])


def _plan(path: Path) -> dict[str, Any] | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}. Make it again with `sgsweep plan`") from error
