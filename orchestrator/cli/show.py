"""What a command says at its end: sentences for a human on stderr, data on stdout; it returns the exit code."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestrator.run import AccountList, Summary


def say(text: str = "") -> None:
    """Say something to the human on stderr. What cannot be shown in the terminal's encoding is escaped."""
    encoding = sys.stderr.encoding or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding), file=sys.stderr)


def give(text: str) -> None:
    """Give a line of data on stdout."""
    print(text, flush=True)


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


def scan(summary: Summary, folder: Path) -> int:
    """Say what the sweep came to, and what to do next."""
    say(f"run {summary.run_id} in {folder}")
    table(_counts(summary))
    for severity, by_status in summary.findings.items():
        if any(by_status.values()):
            parts = ", ".join(f"{count} {status}" for status, count in by_status.items() if count)
            say(f"  {severity}: {parts}")
    if summary.complete:
        say("complete: everything in scope was read and judged")
    else:
        say(
            f"INCOMPLETE: {summary.unreachable - summary.accepted} things could not be seen and "
            f"{summary.undetermined} rules not be judged; see {folder / 'unreachable.jsonl'}. "
            f"Try them again: sgsweep scan --resume {folder}"
        )
    if summary.open_failures:
        say(f"next: sgsweep plan {folder}")
    return summary.exit_code


def _counts(summary: Summary) -> list[tuple[str, str]]:
    accounts, api = summary.accounts, summary.api
    return [
        ("accounts", f"{accounts.reached} of {accounts.total} reached, {accounts.unreachable} unreachable"),
        ("regions", f"{summary.regions} ({summary.account_regions} in all accounts)"),
        ("security groups", str(summary.security_groups)),
        ("rules", str(summary.rules)),
        ("open findings", str(summary.open_failures)),
        ("calls", f"{api['calls']} ({api['throttled']} throttled, {api['retried']} retried)"),
        ("seconds", f"{summary.seconds:.1f}"),
    ]


def _one_line(text: str) -> str:
    """Return the text without what would break a line of columns or steer a terminal."""
    return "".join(char if char.isprintable() else "?" for char in text)
