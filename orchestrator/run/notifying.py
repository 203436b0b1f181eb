"""Who is told what a command came to, once it has ended: nothing waits for it, and nothing fails by it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from heapq import nsmallest
from pathlib import Path

import msgspec

from orchestrator.cloud.webhooks import Messenger, Robot
from orchestrator.config import Config
from orchestrator.journal import JournalError, RunHeader, SqliteReader, runs_in
from orchestrator.policy import Finding, Severity
from orchestrator.report import Became, DiffEntries
from orchestrator.report.notify import Notice, Notify, detail_of, message
from orchestrator.run.changing import Changed
from orchestrator.run.closing import Closed
from orchestrator.run.diffing import differing
from orchestrator.run.folder import Summary
from orchestrator.run.refusals import UsageError

_MOST = 1000  # details that are gathered; a message shows a few, and says how many more there are

Environment = Mapping[str, str]


async def send_notices(config: Config, notice: Notice, environment: Environment) -> list[str]:
    """Tell it to all who asked for it; return how it failed where it did, a sentence each, without any address."""
    told = [one for one in config.notify if _wants(one, notice)]
    robots, failed = [], []
    for one in told:
        robot = _robot(one, environment)
        if robot is None:
            failed.append(f"{one.id}: the variable {one.url_env} is not set")
        else:
            robots.append((robot, message(notice, one)))
    if robots:
        failed += await Messenger(config.cloud).tell(robots)
    return failed


async def send_test(config: Config, environment: Environment) -> list[str]:
    """Send a test message to each [[notify]]; return how it failed where it did.

    Raises:
        UsageError: there is no [[notify]], or a variable that it names is not set.
    """
    if not config.notify:
        raise UsageError("the configuration has no [[notify]], so nobody would be told anything")
    for one in config.notify:
        for name in filter(None, (one.url_env, one.secret_env)):
            if not environment.get(name):
                raise UsageError(f"[[notify]] {one.id}: the variable {name} is not set")
    return await send_notices(config, Notice(event="test"), environment)


def _wants(one: Notify, notice: Notice) -> bool:
    if notice.event == "test":
        return True
    if notice.event == "scan" and one.only_new and notice.worse == 0:
        return False
    has_failed = notice.event == "failed" or notice.exit_code == _FAILED
    return notice.event in one.on or (has_failed and "failed" in one.on)


_FAILED = 5


def _robot(one: Notify, environment: Environment) -> Robot | None:
    url = environment.get(one.url_env, "").strip()
    secret = environment.get(one.secret_env, "") if one.secret_env else ""
    return Robot(one.id, one.kind, url, secret) if url else None


def is_notified(config: Config, event: str) -> bool:
    """Tell whether anybody asked for this, or for failures."""
    return any(event in one.on or "failed" in one.on for one in config.notify)


def scan_notice(folder: Path, summary: Summary, exit_code: int) -> Notice:
    """Return what is told of a finished scan: what is open, and what is new against the run before."""
    gathered = _since_before(folder)
    counts = None if gathered is None else gathered.counts
    if gathered is not None:
        details = [detail_of(one) for became in _WORSE_FIRST for one in gathered.of(became)]
    else:
        details = _open_details(folder)
    return msgspec.structs.replace(
        _of_summary(summary),
        event="scan",
        command="scan",
        exit_code=exit_code,
        new=counts and counts["new"],
        returned=counts and counts["returned"],
        raised=counts and counts["raised"],
        details=details,
    )


_WORSE_FIRST: tuple[Became, ...] = ("new", "returned", "raised")


def apply_notice(folder: Path, changed: Changed, exit_code: int) -> Notice:
    """Return what is told of a plan that was carried out, or stopped."""
    with SqliteReader(folder) as reader:
        run_id = reader.header.run_id
    return Notice(
        event="apply",
        command="apply",
        run_id=run_id,
        exit_code=exit_code,
        outcomes=_outcomes(changed),
        left=changed.left,
        details=_failures(changed),
    )


def close_notice(closed: Closed, incident: str, exit_code: int) -> Notice:
    """Return what is told of an incident's closing; the incident's name is one of the details."""
    return msgspec.structs.replace(
        _of_summary(closed.summary),
        event="close",
        command="close",
        exit_code=exit_code,
        outcomes=_outcomes(closed.changed),
        left=closed.changed.left,
        details=(incident, *_failures(closed.changed)),
    )


def failed_notice(command: str, exit_code: int, text: str) -> Notice:
    """Return what is told of a command that ended by an error; its text may hold names, so it is a detail."""
    return Notice(event="failed", command=command, exit_code=exit_code, details=(text,))


def _of_summary(summary: Summary) -> Notice:
    found = {severity: by_status.get("open", 0) for severity, by_status in summary.findings.items()}
    return Notice(
        event="scan",
        run_id=summary.run_id,
        complete=summary.complete,
        open=found,
        exposed=summary.open.exposed,
        undetermined=summary.undetermined,
        unreachable=summary.unreachable - summary.accepted,
    )


def _outcomes(changed: Changed) -> dict[str, int]:
    return {outcome.value: count for outcome, count in changed.outcomes.items()}


def _failures(changed: Changed) -> tuple[str, ...]:
    return tuple(
        f"FAILED {one.account_id} {one.region_id} {one.security_group_id} {one.rule_id}: {one.reason}"
        for one in changed.failed[:_MOST]
    )


def _since_before(folder: Path) -> DiffEntries | None:
    """Return what changed since the run before; None where there is none that looked for the same."""
    with suppress(JournalError, UsageError):
        before = _before(folder)
        if before is not None:
            with differing(before, folder) as found:
                return DiffEntries(found)
    return None


def _before(folder: Path) -> Path | None:
    """Return the newest earlier run beside this one of the same cloud, checks and filters."""
    with SqliteReader(folder) as reader:
        own = reader.header
    found: list[tuple[str, Path]] = []
    for path in runs_in(folder.resolve().parent):
        with suppress(JournalError), SqliteReader(path) as reader:
            if reader.header.created_at < own.created_at and _looked_for(reader.header) == _looked_for(own):
                found.append((reader.header.created_at, path))
    return max(found)[1] if found else None


def _looked_for(header: RunHeader) -> tuple[object, ...]:
    settings = header.settings
    return (
        header.endpoint,
        header.incident,
        settings.get("asked"),
        settings["judgement"]["checks"],
        settings["judgement"].get("regions"),
    )


def _open_details(folder: Path) -> list[str]:
    """Return the open findings of a run, the worst first."""
    order = list(Severity)
    with SqliteReader(folder) as reader:
        found = (one for one in reader.findings(Finding) if one.is_open)
        worst = nsmallest(_MOST, found, key=lambda one: order.index(one.severity))
    return [detail_of(one) for one in worst]
