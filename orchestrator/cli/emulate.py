"""`sgsweep emulate`: the emulated cloud in the foreground until it is told to end."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import signal
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.options import ConfigFile
from orchestrator.terminal import give, say


def emulate(
    port: Annotated[int, typer.Option(help="Serve http here; 0 is any free port.", min=0, max=65535)] = 0,
    tls_port: Annotated[
        int, typer.Option(help="Serve https here; 0 is any free port.", min=0, max=65535)
    ] = 0,
    accounts: Annotated[int, typer.Option(help="Members besides the hub.", min=0)] = 40,
    seed: Annotated[int, typer.Option(help="The same seed makes the same world.")] = 0,
    groups: Annotated[float, typer.Option(help="Security groups an account has, on average.", min=0)] = 40.0,
    regions: Annotated[int | None, typer.Option(help="How many regions.", min=1)] = None,
    world: Annotated[Path | None, typer.Option(help="Load this world instead.", metavar="FILE")] = None,
    save: Annotated[Path | None, typer.Option(help="Save the world as JSON.", metavar="FILE")] = None,
    hub: Annotated[
        str, typer.Option(help="What the hub is: management, delegated or member.")
    ] = "management",
    hub_roles: Annotated[
        bool, typer.Option("--hub-roles", help="The hub's own account has the two roles.")
    ] = False,
    balancers: Annotated[
        bool, typer.Option("--balancers", help="Also groups that load balancers have joined.")
    ] = False,
    external_id: Annotated[str, typer.Option(help="What the members' roles ask for.")] = "",
    unreachable: Annotated[int, typer.Option(help="Members that do not let the hub in.", min=0)] = 0,
    latency_ms: Annotated[float, typer.Option(help="Every answer takes this long.", min=0)] = 0.0,
    limit: Annotated[
        int | None,
        typer.Option(help="Calls in a window for each account x region x API; unset: no throttling.", min=1),
    ] = None,
    window_seconds: Annotated[float, typer.Option(help="How long a window is.", min=0.001)] = 60.0,
    bucket: Annotated[
        str, typer.Option(help="How calls are counted: window, or bucket for tokens.")
    ] = "window",
    hint: Annotated[
        str,
        typer.Option(
            help="What a throttled answer hints at: none, retry-after, ratelimit; always: every one."
        ),
    ] = "none",
    sts_limit: Annotated[
        int | None,
        typer.Option(help="Calls of STS in a window for the calling account.", min=1),
    ] = None,
    fault: Annotated[
        list[str], typer.Option(help="KIND[,rate=0.1][,action=Revoke*]…; repeatable.", metavar="FAULT")
    ] = [],
    quirk: Annotated[list[str], typer.Option(help="NAME=VALUE; repeatable.", metavar="QUIRK")] = [],
    config: ConfigFile = None,  # noqa: ARG001 (every subcommand takes it)
) -> None:
    """Serve an emulated Alibaba Cloud on loopback until interrupted."""
    from orchestrator.emulator.server.serve import EmulatorSettings, serve

    async def run() -> None:
        settings = EmulatorSettings(
            port=port,
            tls_port=tls_port,
            accounts=accounts,
            seed=seed,
            groups_per_account=groups,
            regions=regions,
            world_file=world,
            save_file=save,
            hub=_one_of("--hub", hub, ("management", "delegated", "member")),  # type: ignore[arg-type]  # just checked
            hub_roles=hub_roles,
            balancers=balancers,
            external_id=external_id,
            unreachable=unreachable,
            latency_ms=latency_ms,
            limit=limit,
            window_seconds=window_seconds,
            bucket=_one_of("--bucket", bucket, ("window", "bucket")),  # type: ignore[arg-type]  # just checked
            hint=_one_of("--hint", hint, ("none", "retry-after", "ratelimit", "always")),  # type: ignore[arg-type]  # just checked
            sts_limit=sts_limit,
            faults=tuple(fault),
            quirks=tuple(quirk),
        )
        emulator = await serve(settings)
        try:
            made = emulator.hub_credentials.access_key_id != os.environ.get("ALIBABA_CLOUD_ACCESS_KEY_ID")
            give(f"export SGSWEEP_ENDPOINT={emulator.http_url}")
            give(f"# https: {emulator.https_url} with ca_file {emulator.ca_file}")
            if made:
                keys = emulator.hub_credentials
                give(f"export ALIBABA_CLOUD_ACCESS_KEY_ID={keys.access_key_id}")
                give(f"export ALIBABA_CLOUD_ACCESS_KEY_SECRET={keys.access_key_secret}")
            say("the emulator serves until you press Ctrl-C")
            await _told_to_end()
        finally:
            await emulator.stop()

    try:
        asyncio.run(run())
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    except OSError as error:
        raise typer.BadParameter(_told(error, [one for one in (port, tls_port) if one])) from error


def _told(error: OSError, ports: list[int]) -> str:
    """Say why it cannot be served, or which file cannot be used."""
    if error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    asked = " or ".join(map(str, ports)) or "any port"
    if error.errno == errno.EADDRINUSE:
        return (
            f"port {asked} is in use by another program: end that, or give another port (0 is any free one)"
        )
    if error.errno == errno.EACCES:
        return f"port {asked} may be served by root only: give one above 1023 (0 is any free one)"
    return f"port {asked} cannot be served: {error.strerror or error}"


def _one_of(option: str, given: str, known: tuple[str, ...]) -> str:
    if given not in known:
        raise typer.BadParameter(f"{option} is one of {', '.join(known)}, not {given!r}")
    return given


async def _told_to_end() -> None:
    ended = asyncio.Event()
    for one in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):
            asyncio.get_running_loop().add_signal_handler(one, ended.set)
    await ended.wait()
