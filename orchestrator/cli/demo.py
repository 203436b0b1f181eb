"""`sgsweep demo`: what it is asked for; the demo has a room of its own, imported when it is shown."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.options import ConfigFile


def demo(
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Where to put the run folders.", show_default=False),
    ] = None,
    continuous: Annotated[
        bool,
        typer.Option(
            "--continuous", help="Show the twin instead: a port is opened, and closed seconds later."
        ),
    ] = False,
    config: ConfigFile = None,  # noqa: ARG001 (every subcommand takes it; the demo has its own)
) -> None:
    """Show it all on an emulated organization: no account, no network."""
    if continuous:
        from orchestrator.demo.continuous import run

        raise typer.Exit(run())
    folder = out or Path(f"sgsweep-demo-{datetime.now().astimezone():%Y%m%d-%H%M%S}")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise typer.BadParameter(f"{folder} is not an empty folder: give another --out")
    from orchestrator.demo.organization import Demo

    raise typer.Exit(Demo(folder).run())
