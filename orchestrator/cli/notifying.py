"""Telling the robots of [[notify]] what a command came to; whatever becomes of that, the command ends as it would."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from orchestrator.cli.exit_codes import INCOMPLETE
from orchestrator.terminal import warn

if TYPE_CHECKING:
    from orchestrator.config import Config
    from orchestrator.report.notify import Notice


def notify(settings: Config, event: str, notice: Callable[[], Notice]) -> None:
    """Tell those who asked for it, after all is done and said; a failure is a line on stderr, and no more.

    Args:
        settings: say who is told.
        event: of what.
        notice: makes what is told, where anybody is.
    """
    from orchestrator import run

    if not run.is_notified(settings, event):
        return
    try:
        failed = asyncio.run(run.send_notices(settings, notice(), os.environ))
    except KeyboardInterrupt:
        failed = ["it was interrupted"]
    except Exception as error:  # noqa: BLE001 (no notification fails a run; its text could hold an address)
        failed = [f"a bug in sgsweep, {type(error).__name__}"]
    for told in failed:
        warn(f"NOT NOTIFIED {told}")


@contextmanager
def failure_told(settings: Config, command: str) -> Iterator[None]:
    """Tell those who asked for failures where the body raises; the error goes on."""
    from orchestrator import run

    try:
        yield
    except Exception as error:
        from orchestrator.cli.known_errors import explain_error

        known = explain_error(error) or (INCOMPLETE, f"{type(error).__name__}, which is a bug in sgsweep")
        notify(settings, "failed", lambda: run.failed_notice(command, *known))
        raise
