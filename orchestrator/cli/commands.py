"""The subcommands. Each reads its arguments, calls one function of `run` and shows what came back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from orchestrator.cli.options import (
    Accounts,
    ConfigFile,
    Excluded,
    Folders,
    Ports,
    Regions,
    RunFolder,
    Tags,
    Yes,
)

if TYPE_CHECKING:
    from orchestrator.config import Config

app = typer.Typer(
    help="Finds and closes risky security-group rules in a whole Alibaba Cloud organization.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
