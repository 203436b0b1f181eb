"""The exit codes of the contract: what the result of each command comes to. `known_errors` has those of errors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestrator.report import Became, ComparedChecks, Diff
    from orchestrator.run import (
        AccountList,
        Changed,
        Closed,
        CodeChecked,
        CodePatched,
        EvidenceGathered,
        Summary,
        Verified,
    )

CLEAN, OPEN, USAGE, INCOMPLETE, REFUSED, FAILED = range(6)


def of_scan(summary: Summary) -> int:
    """Return 3 for an incomplete run, else 1 for open findings, else 0."""
    if not summary.complete:
        return INCOMPLETE
    return OPEN if summary.open_failures else CLEAN


def of_changes(changed: Changed) -> int:
    """Return 5 if a change failed, 3 if it stopped early, 1 if a rule was left alone or stands again, else 0."""
    if changed.failed:
        return FAILED
    if changed.stopped:
        return INCOMPLETE
    return OPEN if changed.left_alone or changed.others else CLEAN


def of_close(closed: Closed) -> int:
    """Return 5 if a change failed, 3 if not all was seen or it stopped early, 1 if something stays open, else 0."""
    if closed.changed.failed:
        return FAILED
    if closed.changed.stopped or not closed.summary.complete:
        return INCOMPLETE
    return OPEN if closed.left_open or closed.changed.others else CLEAN


def of_verify(verified: Verified) -> int:
    """Return 4 for a broken trail, else 5 if the cloud differs, 3 if not all was seen, 1 if something is open."""
    is_unsure = any(one.is_undetermined for one in verified.open)
    for code, holds in (
        (REFUSED, verified.problems),
        (FAILED, verified.differences),
        (INCOMPLETE, verified.unreachable or not verified.complete or is_unsure),
        (OPEN, any(one.is_open for one in verified.open)),
    ):
        if holds:
            return code
    return CLEAN


def of_check(checked: CodeChecked) -> int:
    """Return 3 where something could not be judged, else 1 where something is open."""
    findings = [one.finding for file in checked.files for one in file.found]
    if any(finding.is_undetermined for finding in findings):
        return INCOMPLETE
    return OPEN if any(finding.is_open for finding in findings) else CLEAN


def of_patch(patched: CodePatched) -> int:
    """Return 3 where something that is open in the code's groups has no change that could be told."""
    untold = [one for one in patched.result.wanted if not one.patch and not one.snippet]
    return INCOMPLETE if untold or patched.result.left else CLEAN


def of_evidence(gathered: EvidenceGathered) -> int:
    """Return 3 where something could not be asked."""
    return CLEAN if gathered.is_complete else INCOMPLETE


def of_doctor(listed: AccountList) -> int:
    """Return 5 where a rule of the canary group could not be taken back, 3 where something lacks."""
    if listed.examined is not None and listed.examined.canary is not None and listed.examined.canary.left:
        return FAILED
    return INCOMPLETE if listed.missing or listed.lacking else CLEAN


def of_diff(diff: Diff, counts: Mapping[Became, int]) -> int:
    """Return 2 for different checks, else 3 where the new run did not see all, else 1 for worse, else 0."""
    from orchestrator.report.diff import WORSE

    if diff.checks:
        return USAGE
    blind = counts.get("not_seen") or counts.get("newly_unseen") or diff.newly_unseen or diff.scope
    if blind or not diff.new.complete:
        return INCOMPLETE
    return OPEN if any(counts.get(one) for one in WORSE) else CLEAN


def of_comparison(compared: ComparedChecks) -> int:
    """Return 3 where the run cannot say, else 1 where something is not explained, else 0."""
    counts = Counter(one.became for one in compared.differences)
    return INCOMPLETE if counts["not_comparable"] else OPEN if counts["unexplained"] else CLEAN
