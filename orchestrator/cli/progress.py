"""Live progress on stderr: one table that redraws on a terminal, else a plain line every few seconds."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING

from orchestrator.terminal import drawing, is_quiet, is_terminal, say, visible

if TYPE_CHECKING:
    from rich.console import Group
    from rich.live import Live

    from orchestrator.run import Progress

_drawn: list[Live] = []  # what is on the screen now: one picture, or none
_REDRAW_SECONDS = 0.25
_LINE_SECONDS = 5.0
_LAST = 3  # accounts that are named, when all others are done


@asynccontextmanager
async def drawn(progress: Progress) -> AsyncIterator[None]:
    """Show the progress while the body runs; the last state stays on the screen."""
    show = _nothing if is_quiet() else _live if is_terminal() else _lines
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
    busy = progress.busy()
    last = (
        progress.accounts_done
        and len(busy) <= _LAST
        and len(busy) + progress.accounts_done >= progress.accounts
    )
    names = f"; still at {', '.join(busy)}" if busy and last else ""
    waits = "".join(f"; {one}" for one in progress.waits)
    return (
        f"{progress.stage}: {progress.accounts_done}/{progress.accounts} accounts{seen}; {progress.calls} calls "
        f"({rate:.0f}/s, {progress.throttled} throttled, {progress.retried} retried){eta}{names}{waits}"
    )


async def _nothing(_: Progress, __: float) -> None:
    """Show nothing."""


async def _lines(progress: Progress, started: float) -> None:
    try:
        while True:
            await asyncio.sleep(_LINE_SECONDS)
            say(line(progress, time.monotonic() - started))
    finally:
        if progress.accounts:  # else it ended before there was any
            say(line(progress, time.monotonic() - started))


async def _live(progress: Progress, started: float) -> None:
    from rich.console import Console  # noqa: TID251 - it draws; names are made visible
    from rich.live import Live

    with Live(console=Console(file=drawing()), refresh_per_second=1 / _REDRAW_SECONDS) as live:
        _drawn.append(live)
        try:
            while True:
                live.update(_picture(progress, time.monotonic() - started))
                await asyncio.sleep(_REDRAW_SECONDS)
        finally:
            _drawn.remove(live)
            live.update(_picture(progress, time.monotonic() - started))


@contextmanager
def paused() -> Iterator[None]:
    """Draw nothing while the body runs: what a person types then would be drawn over."""
    for live in _drawn:
        live.stop()
    try:
        yield
    finally:
        for live in _drawn:
            live.start()


def _picture(progress: Progress, elapsed_seconds: float) -> Group:
    from rich.align import Align
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.text import Text

    bar = ProgressBar(total=max(progress.accounts, 1), completed=progress.accounts_done, width=60)
    busy = [Text(f"  {visible(name)}", style="dim", no_wrap=True) for name in progress.busy()[:5]]
    return Group(
        Align.left(bar), Text(visible(line(progress, elapsed_seconds))), *busy
    )  # a bar alone ends no line
