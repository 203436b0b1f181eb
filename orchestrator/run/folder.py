"""The run folder: what is written from the journal for people and programs, each file whole or not at all."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from orchestrator.cloud.stats import Stats
from orchestrator.config import AcceptedUnreachable
from orchestrator.journal import Reader
from orchestrator.policy import Finding, Severity, Status, Verdict

FINDINGS = "findings.jsonl"
UNREACHABLE = "unreachable.jsonl"
SUMMARY = "summary.json"
PLAN = "plan.json"
OUTCOMES = "outcomes.jsonl"
REPORT = "report.html"

_ENTERED = ("done", "in part")  # the states of an account whose scan has ended and was not all in vain


class AccountCounts(msgspec.Struct, frozen=True):
    """Accounts of the run: asked for, entered, and not entered at all or not in full."""

    total: int
    reached: int
    unreachable: int


class OpenFindings(msgspec.Struct, frozen=True):
    """Open findings by what is attached to the group: a public address, none, or not known."""

    exposed: int = 0
    latent: int = 0
    unknown: int = 0


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """What a run came to.

    Attributes:
        run_id: the run.
        complete: everything in scope was read and judged; what was accepted as unreachable does not count.
        accounts: how many, and how many of them were entered.
        regions: distinct regions; `account_regions` are the pairs that were read.
        security_groups: read and judged.
        rules: read and judged.
        carried_over: groups among them that were not read, because an earlier run knows them (`--changed-since`).
        findings: how many, by severity and status.
        undetermined: rules that could not be judged; they are among the open ones.
        open: the open failures, by attachment.
        unreachable: things that could not be seen; `accepted` of them are accepted by an owner.
        skipped_accounts: left out, with a reason each.
        api: calls, throttled and retried, over all and by action.
        seconds: from the first call to the last, over all attempts of the run.
        exemption_notes: exemptions that have expired, expire soon or match nothing, a sentence each.
    """

    run_id: str
    complete: bool
    accounts: AccountCounts
    regions: int
    account_regions: int
    security_groups: int
    rules: int
    carried_over: int
    findings: dict[str, dict[str, int]]
    undetermined: int
    open: OpenFindings
    unreachable: int
    accepted: int
    skipped_accounts: int
    api: dict[str, Any]
    seconds: float
    exemption_notes: tuple[str, ...] = ()

    @property
    def open_failures(self) -> int:
        """Open findings that are failures, not merely undetermined."""
        return self.open.exposed + self.open.latent + self.open.unknown

    @property
    def exit_code(self) -> int:
        """Return 3 for an incomplete run, else 1 for open findings, else 0."""
        if not self.complete:
            return 3
        return 1 if self.open_failures else 0


def summarize(
    reader: Reader,
    accepted: Iterable[AcceptedUnreachable],
    today: date,
    api: dict[str, Any],
    seconds: float,
) -> Summary:
    """Count what the journal holds; nothing is gathered."""
    by_severity = {severity.value: {status.value: 0 for status in Status} for severity in Severity}
    undetermined = 0
    exposure: Counter[str] = Counter()
    for finding in reader.findings(Finding):
        by_severity[finding.severity.value][finding.status.value] += 1
        if finding.verdict is Verdict.undetermined:
            undetermined += 1
        elif finding.status is Status.open:
            exposure[finding.exposure] += 1
    unseen = _Unseen(reader, {entry.account for entry in accepted if entry.expires >= today})
    states = Counter(state.state for state in reader.accounts())
    total = sum(states.values())
    totals = reader.totals()
    return Summary(
        run_id=reader.header.run_id,
        complete=not unseen.counted and not undetermined and states["done"] + unseen.excused == total,
        accounts=AccountCounts(total, sum(states[one] for one in _ENTERED), len(unseen.accounts)),
        regions=totals.get("regions", 0),
        account_regions=totals.get("account_regions", 0),
        security_groups=totals.get("security_groups", 0),
        rules=totals.get("rules", 0),
        carried_over=totals.get("carried_over", 0),
        findings=by_severity,
        undetermined=undetermined,
        open=OpenFindings(**exposure),
        unreachable=unseen.total,
        accepted=unseen.total - unseen.counted,
        skipped_accounts=sum(1 for _ in reader.skipped()),
        api=api,
        seconds=round(seconds, 3),
        exemption_notes=tuple(reader.fact("exemption_notes") or ()),
    )


class _Unseen:
    """The unreachable things of a run, counted."""

    def __init__(self, reader: Reader, accepted: set[str]) -> None:
        self.total = 0
        self.counted = 0
        self.accounts: set[str] = set()
        excused: set[str] = set()
        for unseen in reader.unreachables():
            self.total += 1
            if unseen.region_id is None:
                self.accounts.add(unseen.account_id)
            if unseen.account_id in accepted:
                excused.add(unseen.account_id)
            else:
                self.counted += 1
        self.excused = len(excused)


def count_calls(stats: Stats, before: dict[str, Any] | None) -> dict[str, Any]:
    """Return the calls of this process added to those of earlier attempts of the run."""
    earlier = (before or {}).get("by_action", {})
    by_action: dict[str, dict[str, float]] = {name: dict(counts) for name, counts in earlier.items()}
    for action, counts in stats.actions.items():
        row = by_action.setdefault(action, {})
        for key, value in vars(counts).items():
            row[key] = round(row.get(key, 0) + value, 3)
    totals = {key: sum(row.get(key, 0) for row in by_action.values()) for key in _CALL_TOTALS}
    return {**totals, "by_action": dict(sorted(by_action.items()))}


_CALL_TOTALS = ("calls", "throttled", "retried", "failed", "waited_seconds")
NO_CALLS: dict[str, Any] = {**dict.fromkeys(_CALL_TOTALS, 0), "by_action": {}}


def export(reader: Reader, summary: Summary) -> None:
    """Write findings.jsonl, unreachable.jsonl and summary.json."""
    folder = reader.folder
    write_lines(folder / FINDINGS, reader.findings(Finding))
    write_lines(folder / UNREACHABLE, reader.unreachables())
    write_json(folder / SUMMARY, summary)


def export_outcomes(reader: Reader) -> None:
    """Write outcomes.jsonl: how every change of the run ended."""
    write_lines(reader.folder / OUTCOMES, reader.outcomes())


def write_lines(path: Path, values: Iterable[object]) -> None:
    """Write one JSON object a line, streaming."""
    encode = msgspec.json.encode
    with replaced(path) as file:
        for value in values:
            file.write(encode(value) + b"\n")


def write_json(path: Path, value: object) -> None:
    """Write one JSON document that people can read, too."""
    with replaced(path) as file:
        file.write(msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")


@contextmanager
def replaced(path: Path) -> Iterator[BinaryIO]:
    """Write a file beside the path and put it in its place when it is whole; readable by the owner only."""
    partial = path.with_name(path.name + ".part")
    partial.unlink(missing_ok=True)  # left by a crash, or put there by another: never written through
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        if error.filename is None:  # a full disk: writing does not know what to
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise
    finally:
        partial.unlink(missing_ok=True)
