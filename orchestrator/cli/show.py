"""What a command says at its end: sentences for a human on stderr, data on stdout; it returns the exit code."""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.cli.errors import output

if TYPE_CHECKING:
    from orchestrator.policy import Check, Explanation
    from orchestrator.run import AccountList, Changed, Closed, Planned, Progress, Summary, Verified

_SHOWN, _NAMED = 20, 5  # lines of one kind; the files of the run folder have all


def say(text: str = "") -> None:
    """Say something to the human on stderr. What cannot be shown in the terminal's encoding is escaped."""
    encoding = sys.stderr.encoding or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding), file=sys.stderr)


def give(text: str) -> None:
    """Give a line of data on stdout."""
    with output():
        print(text)


def table(rows: Iterable[tuple[str, ...]]) -> None:
    """Say rows in aligned columns."""
    kept = list(rows)
    widths = [max(map(len, column)) for column in zip(*kept, strict=True)]
    for row in kept:
        say("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def accounts(listed: AccountList, *, checked: bool) -> int:
    """Give one line an account: id, name, folder, and, where it was tried, whether both roles let us in."""
    missing = 0
    for visit in listed.visits:
        account = visit.account
        state = "; ".join(f"{one.code}: {one.message}" for one in visit.unreachable) or "ok"
        missing += bool(visit.unreachable)
        kind = "management" if account.is_management else "hub" if account.is_hub else "member"
        columns = (account.account_id, account.name, account.folder_path, kind, *([state] if checked else []))
        give("\t".join(_one_line(column) for column in columns))
    for skipped in listed.skipped:
        say(f"skipped {skipped.account_id} {_one_line(skipped.name)}: {skipped.reason}")
    say(f"{len(listed.visits)} accounts, {len(listed.skipped)} skipped")
    if missing:
        say(f"{missing} accounts cannot be entered by both roles: see the last column")
    return 3 if missing else 0


def scan(summary: Summary, folder: Path, progress: Progress) -> int:
    """Say what the sweep came to, and what to do next."""
    _swept(summary, folder, progress)
    if summary.open_failures:
        say(f"next: sgsweep plan {folder}")
    return summary.exit_code


def _swept(summary: Summary, folder: Path, progress: Progress) -> None:
    say(f"run {summary.run_id} in {folder}")
    if summary.complete and not progress.regions:
        say(
            "this run was scanned to its end before, so nothing was read now: for a new look give another --out"
        )
    table(_counts(summary))
    for severity, by_status in summary.findings.items():
        if any(by_status.values()):
            parts = ", ".join(f"{count} {status}" for status, count in by_status.items() if count)
            say(f"  {severity}: {parts}")
    for note in summary.exemption_notes[:_SHOWN]:
        say(f"EXEMPTION {_one_line(note)}")
    if summary.complete:
        say("complete: everything in scope was read and judged")
    else:
        say(
            f"INCOMPLETE: {summary.unreachable - summary.accepted} things could not be seen and "
            f"{summary.undetermined} rules not be judged; see {folder / 'unreachable.jsonl'}. "
            f"Try them again: sgsweep scan --resume {folder}"
        )
        _unseen(folder / "unreachable.jsonl")


def _unseen(path: Path) -> None:
    """Name the first things that could not be seen; the file has all."""
    with path.open("rb") as lines:
        for one in map(json.loads, itertools.islice(lines, _NAMED)):
            where = " ".join(filter(None, (one["account_id"], one["region_id"], one["security_group_id"])))
            say(f"  UNREACHABLE {where}: {one['code']}: {_one_line(one['message'])}")


def plan(planned: Planned) -> int:
    """Say the plan rule by rule and what is left alone; give its digest."""
    from orchestrator.run import describe_plan

    for line in describe_plan(planned.plan):
        say(_one_line(line))
    say(f"plan in {planned.path}")
    if planned.plan.actions:
        say(f"next: sgsweep apply {planned.path} --digest {planned.plan.digest}")
    if not planned.complete:
        say("INCOMPLETE: the scan did not see everything; what it did not see is not in the plan")
    give(planned.plan.digest)
    return 0 if planned.complete else 3


def changed(result: Changed, *, is_rollback: bool = False) -> int:
    """Say how the changes ended, each failed one by name, and what to do next."""
    counts = ", ".join(f"{count} {outcome}" for outcome, count in sorted(result.outcomes.items()))
    say(f"changes: {counts or 'none'}")
    for one in result.failed[:_SHOWN]:
        where = f"{one.account_id} {one.region_id} {one.security_group_id} {one.rule_id}"
        asked = f" (RequestId {one.request_id})" if one.request_id not in one.reason else ""
        say(f"FAILED {where}: {_one_line(one.reason)}{asked}")
    if len(result.failed) > _SHOWN:
        say(f"... and {len(result.failed) - _SHOWN} more, see {result.folder / 'outcomes.jsonl'}")
    if result.stopped:
        say(f"STOPPED: {result.stopped}. Run the same command again to go on")
    elif result.outcomes:
        way_back = "" if is_rollback else f"; the way back: sgsweep rollback {result.folder}"
        say(f"next: sgsweep verify {result.folder}{way_back}")
    return result.exit_code


def closed(result: Closed, folder: Path, progress: Progress) -> int:
    """Say what was found and closed, what stays open, and what is reachable still through another group."""
    _swept(result.summary, folder, progress)
    changed(result.changed)
    for one in result.still_reachable[:_SHOWN]:
        where = f"{one.account_id} {one.region_id} {one.security_group_id}"
        say(f"STILL REACHABLE {where}: through {', '.join(one.via)} on the same network interface")
    say(f"{result.left_open} findings stay open; {len(result.still_reachable)} groups are reachable still")
    say("connections that are established now can live up to 910 seconds longer")
    return result.exit_code


def verified(found: Verified, *, offline: bool) -> int:
    """Say what is wrong with the record, and what in the cloud is not as the run left it."""
    for problem in found.problems[:_SHOWN]:
        say(
            f"BROKEN {problem.kind}, line {problem.line}, account {problem.account_id or '?'}: {problem.text}"
        )
    if found.problems:
        say(f"the audit trail is BROKEN: {len(found.problems)} problems; keep the folder as evidence")
        return found.exit_code
    say(f"the audit trail is whole: {found.records} records")
    if offline:
        return found.exit_code
    for one in found.differences[:_SHOWN]:
        where = f"{one.account_id} {one.region_id} {one.security_group_id} {one.rule_id}"
        say(f"DIFFERS {where}: {_one_line(one.reason)}")
    for unseen in found.unreachable[:_SHOWN]:
        where = f"{unseen.account_id} {unseen.region_id} {unseen.security_group_id}"
        say(f"UNREACHABLE {where}: {unseen.code}: {_one_line(unseen.message)}")
    failing = sum(1 for one in found.open if one.verdict.value == "fail")
    say(
        f"{len(found.differences)} rules are not as the run left them, {failing} findings are open, "
        f"{len(found.unreachable)} groups could not be read"
    )
    if not found.complete:
        say("INCOMPLETE: the scan of this run did not see everything")
    return found.exit_code


def explanation(found: Explanation) -> int:
    """Give why a rule was judged as it was: the findings, then the rules that decide, in order."""
    for finding in found.findings:
        give(f"{finding.check_id}: {finding.severity.value}, {finding.verdict.value}, {finding.status.value}")
        give(f"  {_one_line(finding.reason)}")
        if finding.witness is not None:
            packet = finding.witness
            port = "" if packet.port is None else f"/{packet.port}"
            give(f"  witness: {packet.protocol}{port} from {packet.source} gets through")
    if not found.findings:
        give("no check fails")
    give("the rules that decide, in the order in which the cloud applies them:")
    for step in found.steps:
        give(
            f"  {step.priority:>3} {step.policy:<6} {step.rule_id}: {_one_line(step.matches)}; {_one_line(step.effect)}"
        )
    give(f"what gets through: {found.left or 'nothing'}")
    return 0


def checks(listed: Mapping[str, tuple[Check, ...]]) -> int:
    """Give every check of every pack: pack, id, severity, ports, title and reason."""
    for pack, members in listed.items():
        for check in members:
            ports = " ".join(map(str, check.ports)) or check.protocol or check.direction
            columns = (pack, check.id, check.severity.value, ports, check.title, check.reason)
            give("\t".join(map(_one_line, columns)))
    return 0


def _counts(summary: Summary) -> list[tuple[str, str]]:
    accounts, api = summary.accounts, summary.api
    carried = f" ({summary.carried_over} not read again)" if summary.carried_over else ""
    return [
        ("accounts", f"{accounts.reached} of {accounts.total} reached, {accounts.unreachable} unreachable"),
        ("regions", f"{summary.regions} ({summary.account_regions} in all accounts)"),
        ("security groups", f"{summary.security_groups}{carried}"),
        ("rules", str(summary.rules)),
        ("open findings", str(summary.open_failures)),
        ("calls", f"{api['calls']} ({api['throttled']} throttled, {api['retried']} retried)"),
        ("seconds", f"{summary.seconds:.1f}"),
    ]


def _one_line(text: str) -> str:
    """Return the text without what would break a line of columns or steer a terminal."""
    return "".join(char if char.isprintable() else "?" for char in text)
