"""How the runs of one organization compare, one beside the other: what each scan found, before anything was changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from orchestrator.policy import Severity

_WORST_FIRST = tuple([one.value for one in Severity])


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """A run, as its scan found things.

    Attributes:
        run_id: the run.
        created_at: when it began, ISO 8601.
        open: findings that were open, by severity.
        complete: all in scope was seen.
        unlike: why its numbers are of something else than this run's, "" where they are not.
    """

    run_id: str
    created_at: str
    open: Mapping[str, int]
    complete: bool
    unlike: str = ""

    @property
    def total(self) -> int:
        """How many were open."""
        return sum(self.open.values())


class Bar(msgspec.Struct, frozen=True):
    """A run in the picture: its parts from the bottom up, each with severity, where it begins and its height."""

    point: Point
    parts: tuple[tuple[str, float, float], ...]
    height: float


def open_of(findings: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    """Return the open findings by severity, the worst first, from a summary's `findings`."""
    return {one: findings.get(one, {}).get("open", 0) for one in _WORST_FIRST}


def bars(points: Sequence[Point], height: float) -> list[Bar]:
    """Return the points as bars, of which the highest is so high."""
    most = max((point.total for point in points), default=0) or 1
    return [_bar(point, height / most) for point in points]


def _bar(point: Point, scale: float) -> Bar:
    parts, at = [], 0.0
    for severity in reversed(_WORST_FIRST):
        if part := point.open.get(severity, 0) * scale:
            parts.append((severity, round(at, 1), round(part, 1)))
            at += part
    return Bar(point, tuple(parts), round(at, 1))
