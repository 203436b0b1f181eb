"""How near a sweep comes to what the quotas allow, on virtual time through the real run loop.

The bound: every bucket (account x region x API) must make its calls, so many fit into the window in which the sweep
begins, so many into each one after it; the slowest bucket and one chain of latencies (enter, regions, groups, rules)
is the least that any client needs. Of a token bucket: what is not in its store comes at its rate.

Each figure is the worst over the places in a minute where the sweep may begin and over servers that hint when to
come back and those that do not.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from benchmarks import virtual, worlds
from benchmarks.table import Row, show
from benchmarks.virtual import Cloud, Swept
from orchestrator.cloud.limiter import Learned
from orchestrator.emulator import Throttle

ABOUT = (
    "One account with regions of 1,000, 500 and 100 groups, 200 calls a minute for each account x region x API, "
    "50 ms latency; on virtual time, only the wire is replaced. The bound is what the quotas and one chain of "
    "latencies allow; each figure is the worst over when in the minute the sweep begins and over servers with and "
    "without a hint."
)
GROUPS = (1000, 500, 100)
QUOTA = 200
MINUTE = 60.0
LATENCY = 0.05
_CHAIN = 4 * LATENCY
_PHASES = (0.0, 22.0, 51.0)
_HINTS: tuple[Literal["none", "retry-after"], ...] = ("none", "retry-after")


class Trial(NamedTuple):
    """One sweep, and the time below which no client can be."""

    swept: Swept
    bound: float

    @property
    def ratio(self) -> float:
        """Of the time to the bound."""
        return self.swept.seconds / self.bound

    @property
    def lost(self) -> int:
        """Groups that are missing."""
        return sum(GROUPS) - self.swept.security_groups + self.swept.unseen


def trial(throttle: Throttle, phase: float, share: float, learned: Iterable[Learned] = ()) -> Trial:
    """Sweep once, beginning so many seconds after a full minute."""

    async def work() -> Swept:
        cloud = Cloud(worlds.unequal(GROUPS), throttle, LATENCY)
        config = virtual.configured(share=share)
        with tempfile.TemporaryDirectory() as folder:
            async with virtual.hub_at(config, cloud.keys, cloud.serve, LATENCY) as hub:
                return await virtual.sweep(hub, Path(folder) / "run", learned)

    return Trial(virtual.run(work(), phase), bound(throttle, phase, share))


def bound(throttle: Throttle, phase: float, share: float) -> float:
    """Return the least seconds in which the largest region's groups can be read at this share of the quota."""
    calls, quota = max(GROUPS), QUOTA * share
    if throttle.kind == "bucket" or share < 1:
        # a share is taken evenly, but of the first window, before anything is learned, there is no share
        store = (throttle.burst or QUOTA) * share if throttle.kind == "bucket" else quota
        return (calls - store) / (quota / MINUTE) + _CHAIN
    windows = math.ceil(calls / quota) - 1
    return windows * MINUTE - phase + _CHAIN


def _both(throttles: Sequence[Throttle], share: float) -> tuple[list[Trial], list[Trial]]:
    """Return the sweeps that know nothing and those that start with what these learned."""
    cold, learned = [], []
    for throttle in throttles:
        for phase in _PHASES if throttle.kind == "window" and share == 1 else _PHASES[:1]:
            cold.append(trial(throttle, phase, share))
            learned.append(trial(throttle, phase, share, cold[-1].swept.learned))
    return cold, learned


def _rows(name: str, throttles: Sequence[Throttle], target: str, share: float = 1.0) -> list[Row]:
    cold, learned = _both(throttles, share)
    rows = []
    for when, trials in (("first sweep", cold), ("with what the first learned", learned)):
        worst = max(trials, key=lambda one: one.ratio)
        least = f"the bound, {worst.bound:.0f} s" if share == 1 else f"an even half, {worst.bound:.0f} s"
        rows.append(Row(f"{name}, {when}", worst.swept.seconds, "s", worst.ratio, target, least))
    refused = max(one.swept.throttled / one.swept.calls * 100 for one in learned)
    rows.append(Row(f"{name}: throttled answers once learned", refused, "%", target="< 2"))
    first = max(one.swept.throttled / one.swept.calls * 100 for one in cold)
    rows.append(Row(f"{name}: throttled answers of the first sweep", first, "%"))
    lost = sum(one.lost for one in (*cold, *learned))
    rows.append(Row(f"{name}: groups lost in {len(cold) * 2} sweeps", lost, "groups", target="<= 0"))
    return rows


def run() -> list[Row]:
    """Return the table."""
    windows = [Throttle(limit=QUOTA, window_seconds=MINUTE, hint=hint) for hint in _HINTS]
    buckets = [
        Throttle(limit=QUOTA, window_seconds=MINUTE, kind="bucket", burst=burst, hint=hint)
        for hint in _HINTS
        for burst in (20, QUOTA)
    ]
    return [
        *_rows("windows, all of the quota", windows, "<= 1.10"),
        *_rows("token buckets, all of the quota", buckets, "<= 1.15"),
        *_rows("windows, half of the quota (the default)", windows, "", share=0.5),
    ]


if __name__ == "__main__":
    show(run())
