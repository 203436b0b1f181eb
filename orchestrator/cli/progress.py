"""Live progress on stderr: one table that redraws on a terminal, else a plain line every few seconds."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Group

    from orchestrator.run import Progress

_REDRAW_SECONDS = 0.25
_LINE_SECONDS = 5.0


@asynccontextmanager
async def shown(progress: Progress) -> AsyncIterator[None]:
    """Show the progress while the body runs; the last state stays on the screen."""
    show = _live if sys.stderr.isatty() else _lines
    task = asyncio.create_task(show(progress, time.monotonic()))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def line(progress: Progress, elapsed_seconds: float) -> str:
    """Return the state in one line: accounts, what was read, the calls, and how long it will still take."""
    counted = (
        (progress.unreachable, "unreachable"),
        (progress.regions, "regions"),
        (progress.security_groups, "groups"),
        (progress.rules, "rules"),
        (progress.findings, "findings"),
    )
    seen = "".join(f", {count} {name}" for count, name in counted if count)
    rate = progress.calls / elapsed_seconds if elapsed_seconds > 0 else 0.0
    left = progress.seconds_left(elapsed_seconds)
    eta = f", about {left:.0f} s left" if left is not None else ""
    return (
        f"{progress.stage}: {progress.accounts_done}/{progress.accounts} accounts{seen}; {progress.calls} calls "
        f"({rate:.0f}/s, {progress.throttled} throttled, {progress.retried} retried){eta}"
    )


async def _lines(progress: Progress, started: float) -> None:
    try:
        while True:
            await asyncio.sleep(_LINE_SECONDS)
            print(line(progress, time.monotonic() - started), file=sys.stderr, flush=True)
    finally:
        if progress.accounts:  # else it ended before there was any
            print(line(progress, time.monotonic() - started), file=sys.stderr, flush=True)


async def _live(progress: Progress, started: float) -> None:
    from rich.console import Console
    from rich.live import Live

    with Live(console=Console(stderr=True), refresh_per_second=1 / _REDRAW_SECONDS) as live:
        try:
            while True:
                live.update(_picture(progress, time.monotonic() - started))
                await asyncio.sleep(_REDRAW_SECONDS)
        finally:
            live.update(_picture(progress, time.monotonic() - started))


def _picture(progress: Progress, elapsed_seconds: float) -> Group:
    from rich.align import Align
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.text import Text

    bar = ProgressBar(total=max(progress.accounts, 1), completed=progress.accounts_done, width=60)
    busy = [Text(f"  {name}", style="dim", no_wrap=True) for name in progress.busy()[:5]]
    return Group(Align.left(bar), Text(line(progress, elapsed_seconds)), *busy)  # a bar alone ends no line
