"""The options that several subcommands share, spelled once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config", "-c", metavar="FILE", help="The configuration; default config.toml.", show_default=False
    ),
]
RunFolder = Annotated[Path, typer.Argument(metavar="DIR", help="The run folder.", show_default=False)]
Accounts = Annotated[
    list[str],
    typer.Option("--account", metavar="ID", help="Only this account (id or name pattern); repeatable."),
]
Excluded = Annotated[
    list[str],
    typer.Option("--exclude", metavar="ID", help="Not this account (id or name pattern); repeatable."),
]
Folders = Annotated[
    list[str],
    typer.Option("--folder", metavar="ID", help="Only accounts below this folder (id or path); repeatable."),
]
Tags = Annotated[
    list[str], typer.Option("--tag", metavar="KEY=VALUE", help="Only accounts with this tag; repeatable.")
]
Regions = Annotated[list[str], typer.Option("--region", metavar="ID", help="Only this region; repeatable.")]
Ports = Annotated[
    list[str],
    typer.Option(
        "--port", metavar="PORT", help='Only this port ("6379", "udp/11211", "tcp/6000-6010"); repeatable.'
    ),
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask; the digest is still needed.")]
SignRecord = Annotated[
    Path | None,
    typer.Option("--sign-record", metavar="KEY", help="Sign the record with this Ed25519 private key (PEM)."),
]
Signers = Annotated[
    list[Path],
    typer.Option(
        "--require-signature", metavar="PUB", help="This Ed25519 key (PEM) must have signed; repeatable."
    ),
]
