"""The command in this process, for tests that call it hundreds of times; `desk` runs it as its users do."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner, Result

from orchestrator.cli.commands import app
from orchestrator.cli.errors import exit_code_of


def command(*arguments: str | Path) -> Result:
    """Run the command; an error is told as the real one tells it, on its stderr."""
    runner = CliRunner()
    with runner.isolation() as (out, err, _):
        try:
            app(list(map(str, arguments)), prog_name="sgsweep")
            code = 0
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 1
        except Exception as error:  # noqa: BLE001  (as `main` takes it)
            code = exit_code_of(error)
        texts = out.getvalue(), err.getvalue()
    return Result(runner, *texts, b"".join(texts), None, code, None)
