"""The runs beside a run: what each scan of the same organization found, for its report."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from orchestrator.journal import JournalError, Reader, RunHeader, SqliteReader, read_trusted, runs_in
from orchestrator.policy import Check
from orchestrator.report import Point, open_of
from orchestrator.run.criteria import criteria_of

MOST_SHOWN = 11
"""Runs beside this one that a report shows: a dozen bars can be told apart on a telephone."""

_MOST_OPENED = 60  # runs that are looked into for them, the youngest folders first
_SUMMARY = "summary.json"
_NARROWS = ("accounts", "exclude", "folders", "tags", "regions")


class _Summary(msgspec.Struct):
    """What is looked at of a summary."""

    run_id: str
    complete: bool
    findings: dict[str, dict[str, int]]


def earlier_runs(reader: Reader) -> tuple[Point, ...]:
    """Return the latest runs before this one, by the same hub against the same cloud, the oldest first.

    They are taken from the same parent folder. One that cannot be read, that another user could have written, or whose
    scan was never concluded is passed over: it has no numbers.
    """
    found: dict[str, Point] = {}
    own = reader.folder.resolve()
    for folder in islice(runs_in(own.parent), _MOST_OPENED):
        if folder.resolve() != own:
            with suppress(JournalError, OSError, msgspec.MsgspecError, KeyError, TypeError):
                point = _point(folder, reader.header)
                if point is not None:
                    found[point.run_id] = point
    return tuple(sorted(found.values(), key=lambda one: one.created_at)[-MOST_SHOWN:])


def _point(folder: Path, now: RunHeader) -> Point | None:
    with SqliteReader(folder) as run:
        then = run.header
    is_earlier = then.run_id != now.run_id and then.created_at < now.created_at
    if not is_earlier or (then.hub_account_id, then.endpoint) != (now.hub_account_id, now.endpoint):
        return None
    summary = msgspec.json.decode(read_trusted(folder / _SUMMARY), type=_Summary)
    if summary.run_id != then.run_id:
        return None
    return Point(
        run_id=then.run_id,
        created_at=then.created_at,
        open=open_of(summary.findings),
        complete=summary.complete,
        unlike=_unlike(then, now),
    )


def _unlike(then: RunHeader, now: RunHeader) -> str:
    """Say why the numbers of two runs are of different things; "" if they are of the same."""
    reasons = []
    if looked_for(criteria_of(then).checks) != looked_for(criteria_of(now).checks):
        reasons.append("other checks")
    if _looked_at(then) != _looked_at(now):
        reasons.append("other accounts or regions")
    return " and ".join(reasons)


def _looked_at(header: RunHeader) -> tuple[Any, ...]:
    asked = header.settings.get("asked", {})
    narrowed = [list(asked.get(key) or ()) for key in _NARROWS]
    return (narrowed, list(criteria_of(header).regions))


def looked_for(checks: Iterable[Check]) -> dict[str, Check]:
    """Return checks by id, without what a check is called and how bad it is: those are no difference."""
    plain = Check(id="")
    return {
        check.id: msgspec.structs.replace(
            check,
            title="",
            reason="",
            references=(),
            severity=plain.severity,
            action=plain.action,
            ports=tuple(sorted(check.ports, key=str)),
        )
        for check in checks
    }
