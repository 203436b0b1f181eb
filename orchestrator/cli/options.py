"""The options that several subcommands share, spelled once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.terminal import hush

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
    list[str],
    typer.Option(
        "--tag",
        metavar="KEY=VALUE",
        help="Only accounts with this tag; repeatable: one of a key's values, every key.",
    ),
]
Regions = Annotated[list[str], typer.Option("--region", metavar="ID", help="Only this region; repeatable.")]
Ports = Annotated[
    list[str],
    typer.Option(
        "--port", metavar="PORT", help='Only this port ("6379", "udp/11211", "tcp/6000-6010"); repeatable.'
    ),
]
ChangeProtected = Annotated[
    list[str],
    typer.Option(
        "--change-protected",
        metavar="GROUP_ID",
        help="Change this group though it is protected; its id in full, repeatable.",
    ),
]
Balancers = Annotated[
    bool,
    typer.Option(
        "--balancers", help="Ask everywhere which load balancers joined groups, not only where a group fails."
    ),
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask before anything is changed.")]
SignRecord = Annotated[
    Path | None,
    typer.Option("--sign-record", metavar="KEY", help="Sign the record with this Ed25519 private key (PEM)."),
]
Signers = Annotated[
    list[Path],
    typer.Option(
        "--require-signature",
        metavar="PUB",
        help="Who has this Ed25519 public key (PEM) must have signed; repeatable: all of them, each another person.",
    ),
]
Quiet = Annotated[
    bool,
    typer.Option("--quiet", "-q", help="Say warnings and the result only.", callback=hush, is_eager=True),
]
Severities = Annotated[
    list[str],
    typer.Option("--severity", metavar="NAME", help="Only critical, high, medium or low; repeatable."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
