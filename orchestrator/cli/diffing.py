"""What `sgsweep diff` gives as text. It is what was asked for, so it goes to stdout."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from orchestrator.cli.exit_codes import of_diff
from orchestrator.terminal import give

if TYPE_CHECKING:
    from orchestrator.report import Became, Diff, DiffEntries, DiffEntry

_TITLES: dict[Became, str] = {
    "new": "NEW",
    "returned": "RETURNED",
    "raised": "MORE SEVERE",
    "not_seen": "NOT SEEN",
    "newly_unseen": "NO LONGER JUDGED",
    "lowered": "less severe",
    "set_aside": "set aside",
    "fixed": "fixed",
}


def text(diff: Diff) -> int:
    """Give the two runs, how many findings are new, returned, fixed, …, and then each of them; return the exit code."""
    from orchestrator.report import DiffEntries

    gathered = DiffEntries(diff)
    for line in (*_head(diff), *_counts(diff, gathered), *_lines(diff, gathered)):
        give(line)
    return of_diff(diff, gathered.counts)


def _head(diff: Diff) -> Iterator[str]:
    for name, run in (("old", diff.old), ("new", diff.new)):
        state = "" if run.complete else ", INCOMPLETE: it did not see everything"
        yield f"{name}: run {run.run_id} of {run.created_at}{state}"
    if diff.old.hub_account_id != diff.new.hub_account_id:
        yield f"the hubs differ: {diff.old.hub_account_id}, then {diff.new.hub_account_id}"
    for told in diff.checks:
        yield f"CHECKS DIFFER: {told}"
    for told in diff.scope:
        yield f"NOT IN SCOPE: {told}"


def _counts(diff: Diff, gathered: DiffEntries) -> Iterator[str]:
    counts = gathered.counts
    still = counts["still_open"] + counts["raised"] + counts["lowered"]
    rows = {
        "new": _severities(gathered, "new"),
        "returned": _severities(gathered, "returned"),
        "still open": f"{still}: {counts['raised']} more severe, {counts['lowered']} less severe",
        "fixed": f"{counts['fixed']}: {gathered.fixed_by_us} by us, {counts['fixed'] - gathered.fixed_by_us} by others",
        "set aside": str(counts["set_aside"]),
        "not seen": str(counts["not_seen"]),
        "newly unseen": f"{len(diff.newly_unseen)} places, {counts['newly_unseen']} rules that could not be judged",
    }
    width = max(map(len, rows))
    return (f"  {name.ljust(width)}  {told}" for name, told in rows.items())


def _severities(gathered: DiffEntries, became: Became) -> str:
    from orchestrator.policy import Severity

    found = gathered.by_severity[became]
    each = ", ".join(f"{found[one.value]} {one.value}" for one in Severity if found[one.value])
    return f"{gathered.counts[became]}{f': {each}' if each else ''}"


def _lines(diff: Diff, gathered: DiffEntries) -> Iterator[str]:
    for became, title in _TITLES.items():
        for entry in gathered.of(became):
            yield f"{title}: {_told(entry)}"
    for one in diff.newly_unseen:
        where = " ".join(filter(None, (one.account_id, one.region_id, one.security_group_id)))
        request = f" (RequestId {one.request_id})" if one.request_id else ""
        yield f"NEWLY UNSEEN: {where}: {one.code}: {one.message}{request}"


def _told(entry: DiffEntry) -> str:
    account = f"{entry.account_id} {entry.account_name}".strip()
    group = f"{entry.security_group_id} {entry.security_group_name}".strip()
    was = f", {entry.was_severity} before" if entry.was_severity not in {"", entry.severity} else ""
    by = f" by {entry.by}" if entry.by else ""
    toward = "to" if entry.direction == "egress" else "from"
    return (
        f"{entry.severity} {entry.wide_for or entry.check_id}{was}{by}: {account}, {entry.region_id}, {group}, "
        f"{entry.rule_id}: {', '.join(entry.ports.texts) or entry.protocol} {toward} {', '.join(entry.sources)}"
        f"{f' ({entry.why})' if entry.why else ''}"
    )
