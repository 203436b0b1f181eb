"""How an error ends the command: a sentence on stderr and the contract's exit code; a traceback only for a bug."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager


class OutputError(Exception):
    """What reads the output went away, or its disk is full."""


@contextmanager
def output() -> Iterator[None]:
    """Turn the failure of a write to stdout into an OutputError, which no library takes for its own."""
    try:
        yield
        sys.stdout.flush()
    except OSError as error:
        if error.filename is not None:  # of a file, not of the stream
            raise
        raise OutputError(f"the output could not be written: {error.strerror}") from error


def exit_code_of(error: BaseException) -> int:
    """Say what went wrong on stderr and return the exit code: 2 usage, 3 incomplete, 4 refused, 5 failed."""
    known = _known(error)
    if known is None:
        traceback.print_exception(error)
        _say("this is a bug in sgsweep; what was written before it is kept")
        return 3
    code, text = known
    _say(text)
    return code


def _known(error: BaseException) -> tuple[int, str] | None:
    from orchestrator.run import explain_error

    if isinstance(error, KeyboardInterrupt):
        return 3, (
            "interrupted; what was done is recorded in the run folder. "
            "Run the same command again to go on (a scan: `sgsweep scan --resume DIR`)"
        )
    if isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        return _known(error.exceptions[0])
    if isinstance(error, OutputError):
        os.dup2(
            os.open(os.devnull, os.O_WRONLY), 1
        )  # so that the interpreter does not try once more at its end
        return 2, str(error)
    return explain_error(error)


def _say(text: str) -> None:
    print(f"sgsweep: {text}", file=sys.stderr)
