"""How an error ends the command: a sentence on stderr and the contract's exit code; a traceback only for a bug."""

from __future__ import annotations

import sys
import traceback


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
        return 3, "interrupted; what was done so far is recorded in the run folder"
    if isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        return _known(error.exceptions[0])
    if isinstance(error, BrokenPipeError):
        return 2, "the reader of the output went away"
    return explain_error(error)


def _say(text: str) -> None:
    print(f"sgsweep: {text}", file=sys.stderr)
