"""The command `sgsweep`: reads arguments, calls `run`, speaks to a human on stderr and to programs on stdout.

Nothing heavy is imported here: `sgsweep --help` is what people wait for most.
"""

from __future__ import annotations

import _thread
import os
import sys
import threading


def main() -> None:
    """Run the command and leave with its exit code."""
    _open_streams()
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


_INTERRUPTED = 130  # how typer ends on Ctrl-C, without a word


def _open_streams() -> None:
    """Give a closed stream a bottomless one, so that no file of ours gets its number; escape what has no code."""
    for name in ("stdin", "stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "r+", encoding="utf-8"))  # noqa: PTH123, SIM115 (open to the end)
        elif name != "stdin":
            stream.reconfigure(errors="backslashreplace")
