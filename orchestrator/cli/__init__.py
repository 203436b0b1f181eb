"""The command `sgsweep`: reads arguments, calls `run`, speaks to a human on stderr and to programs on stdout.

Nothing heavy is imported here: `sgsweep --help` is what people wait for most.
"""

from __future__ import annotations

import _thread
import resource
import sys
import threading
from contextlib import suppress

from orchestrator.terminal import open_streams


def main() -> None:
    """Run the command and leave with its exit code."""
    open_streams()
    _raise_open_file_limit()
    keep_interrupts()
    from orchestrator.cli.commands import app
    from orchestrator.cli.errors import exit_code_of

    try:
        app(prog_name="sgsweep")
    except SystemExit as ended:
        if ended.code != _INTERRUPTED:
            raise
        sys.exit(exit_code_of(KeyboardInterrupt()))
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 (the one place where an error becomes a sentence)
        sys.exit(exit_code_of(error))


def keep_interrupts() -> None:
    """Give Ctrl-C again where Python has swallowed it: it came within a callback, as importing a module makes some."""
    told = sys.unraisablehook

    def again(unraisable: sys.UnraisableHookArgs) -> None:
        if issubclass(unraisable.exc_type, KeyboardInterrupt):
            threading.Timer(0.01, _thread.interrupt_main).start()  # not from here: it would be swallowed, too
        else:
            told(unraisable)

    sys.unraisablehook = again


_OPEN_FILES = 4096  # calls under way, 256 by default, and idle connections to each product and region
_INTERRUPTED = 130  # how typer ends on Ctrl-C, without a word


def _raise_open_file_limit() -> None:
    """Take as many open files as a sweep needs, where the system allows it: macOS starts a process with 256."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(_OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):  # then it goes on with what it has
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
