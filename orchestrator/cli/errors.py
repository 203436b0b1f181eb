"""How an error ends the command: a sentence on stderr and the contract's exit code; a traceback only for a bug."""

from __future__ import annotations

import traceback

from orchestrator.terminal import OutputError, warn, write_no_more


def exit_code_of(error: BaseException) -> int:
    """Say what went wrong on stderr and return the exit code: 2 usage, 3 incomplete, 4 refused, 5 failed."""
    known = _known(error)
    if known is None:
        traceback.print_exception(error)
        warn("sgsweep: this is a bug in sgsweep; what was written before it is kept")
        return 3
    code, text = known
    warn(f"sgsweep: {text}")
    return code


def _known(error: BaseException) -> tuple[int, str] | None:
    from orchestrator.cli.known_errors import explain_error
    from orchestrator.cli.lines import again, begun

    if isinstance(error, KeyboardInterrupt):
        folder = begun()
        if folder is None:
            return 3, "interrupted; nothing was changed"
        return 3, f"interrupted; what was done is recorded in {folder}. Go on: {again()}"
    if isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        return _known(error.exceptions[0])
    if isinstance(error, OutputError):
        write_no_more()  # so that the interpreter does not try once more at its end
        return 2, str(error)
    return explain_error(error, again())
