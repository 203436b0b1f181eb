"""`sgsweep evidence`: who opened each open door of a run, and who used it, asked after the scan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.exit_codes import of_evidence
from orchestrator.cli.lines import works_in
from orchestrator.cli.options import Accounts, AsJson, ConfigFile, Quiet, RunFolder
from orchestrator.cli.running import config_of, shown, wait
from orchestrator.terminal import say, warn

if TYPE_CHECKING:
    from orchestrator.run import EvidenceGathered

_SHOWN = 5
_OPENED: Mapping[str, str] = {
    "found": "opened by somebody who is named",
    "too_old": "opened more than 90 days ago, which is as far as ActionTrail reaches",
    "not_found": "opened by nobody that ActionTrail names",
    "not_permitted": "could not be asked about: a right is missing",
    "unread": "could not be asked about",
}
_TRAFFIC: Mapping[str, str] = {
    "observed": "used by somebody",
    "quiet": "used by nobody in that time, all of which was logged",
    "not_logged": "not logged: no flow log covers what stands behind them",
    "not_permitted": "could not be asked about: a right is missing",
    "incomplete": "not logged throughout, or not read in full: nobody knows",
}


_BEHIND: Mapping[str, str] = {
    "seen": "read as to what stands behind them",
    "incomplete": "not read in full as to what stands behind them",
    "not_permitted": "could not be asked what stands behind them: a right is missing",
}


def evidence(
    context: typer.Context,
    folder: RunFolder,
    days: Annotated[
        int, typer.Option("--days", metavar="N", help="How far back; 0: as configured, 14.", min=0, max=365)
    ] = 0,
    who: Annotated[bool, typer.Option("--who", help="Ask only who opened each door.")] = False,
    traffic: Annotated[bool, typer.Option("--traffic", help="Ask only who used each door.")] = False,
    account: Accounts = [],
    as_json: AsJson = False,
    quiet: Quiet = False,  # noqa: ARG001 (its callback hears it)
    config: ConfigFile = None,
) -> None:
    """Ask who opened each open door of a run, and who used it. No verdict changes."""
    from orchestrator import run
    from orchestrator.cli import json_objects, output

    works_in(folder)
    progress = run.Progress(output.connection, say)
    settings = config_of(context, config)
    wanted = run.EvidenceWanted(
        who=who or not traffic, traffic=traffic or not who, days=days or settings.evidence.days
    )
    found = wait(shown(run.gather(settings, folder, wanted, progress, tuple(account)), progress))
    _told(found)
    if as_json:
        json_objects.evidence(found)
    raise typer.Exit(of_evidence(found))


def _told(found: EvidenceGathered) -> None:
    for counts, words in ((found.opened, _OPENED), (found.traffic, _TRAFFIC), (found.behind, _BEHIND)):
        for status, count in sorted(counts.items(), key=lambda item: -item[1]):
            if status in words:
                say(f"{count:>6} {'door' if count == 1 else 'doors'} {words[status]}")
    if found.queries:
        say(f"{found.queries:,} queries of Log Service, which scanned {found.rows_scanned:,} rows")
    for reason, count in found.reasons[:_SHOWN]:
        warn(f"NOT KNOWN of {count} {'door' if count == 1 else 'doors'}: {reason}")
    if len(found.reasons) > _SHOWN:
        warn(f"and {len(found.reasons) - _SHOWN} more reasons: see evidence.jsonl")
    if not found.rules:
        say("the run has no open door to ask about")
        return
    say(f"{found.folder / 'evidence.jsonl'} has a line for each, and the report a column")
