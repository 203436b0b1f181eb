"""The command `sgsweep`: reads arguments, calls `run`, speaks to a human on stderr and to programs on stdout.

Nothing heavy is imported here: `sgsweep --help` is what people wait for most.
"""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command and leave with its exit code."""
    from orchestrator.cli.commands import app
    from orchestrator.cli.errors import exit_code_of

    try:
        app(prog_name="sgsweep")
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 (the one place where an error becomes a sentence)
        sys.exit(exit_code_of(error))
