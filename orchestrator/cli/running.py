"""What subcommands are run by: the configuration they read, how they are waited for, shown and stopped."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from orchestrator.cli.collector import collect_rarely
from orchestrator.cli.language import speak
from orchestrator.cli.lines import configured_by
from orchestrator.terminal import say, warn

if TYPE_CHECKING:
    from orchestrator.config import Config
    from orchestrator.run import Brake, Filters, Progress

T = TypeVar("T")

DEFAULT_CONFIG = Path("config.toml")


def filters_of(
    account: list[str],
    exclude: list[str],
    folder: list[str],
    tag: list[str],
    region: list[str] | None = None,
    port: list[str] | None = None,
    *,
    exposure: bool = True,
    balancers: bool = False,
) -> Filters:
    """Return what the options of a command narrow it to."""
    from orchestrator.run import Filters

    return Filters(
        accounts=tuple(account),
        exclude=tuple(exclude),
        folders=tuple(folder),
        tags=tuple(tag),
        regions=tuple(region or ()),
        ports=tuple(port or ()),
        exposure=exposure,
        balancers=balancers,
    )


def config_of(context: typer.Context, given: Path | None) -> Config:
    """Read the configuration named after the subcommand, or before it, or config.toml."""
    from orchestrator.config import load

    configured_by(given or context.obj)
    found = load(given or context.obj or DEFAULT_CONFIG, os.environ)
    speak(found.report.language)
    for sentence in found.told:
        warn(sentence)
    return found


def changing(config: Config, group_ids: list[str]) -> Config:
    """Return the configuration of a command that changes these groups though they are protected."""
    import msgspec

    from orchestrator import run

    remediation = run.changing_protected(config.remediation, group_ids)
    return msgspec.structs.replace(config, remediation=remediation)


def config_or_none(context: typer.Context, given: Path | None) -> Config | None:
    """Read the configuration as `config_of` does; None if none was named and there is no config.toml."""
    if given is None and context.obj is None and not DEFAULT_CONFIG.exists():
        return None
    return config_of(context, given)


async def shown(work: Coroutine[Any, Any, T], progress: Progress) -> T:
    """Show the progress while the work is done."""
    from orchestrator.cli.progress import drawn

    async with drawn(progress):
        return await work


async def braked(work: Coroutine[Any, Any, T], brake: Brake) -> T:
    """Let the first Ctrl-C stop between two calls, so that nothing is left half known; a second one interrupts."""
    loop, task = asyncio.get_running_loop(), asyncio.ensure_future(work)

    def stop() -> None:
        say("stopping after the calls that are under way; press Ctrl-C again to interrupt them")
        brake.press("Ctrl-C was pressed")
        loop.remove_signal_handler(signal.SIGINT)
        loop.add_signal_handler(signal.SIGINT, task.cancel)

    with contextlib.suppress(NotImplementedError):  # not on Windows
        loop.add_signal_handler(signal.SIGINT, stop)
    try:
        return await task
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


def refuse_no_key(key: Path | None) -> None:
    """Refuse a key that cannot sign the record before anything is changed, not after."""
    if key is not None:
        from orchestrator import run

        run.read_private_key(key)


def signed(result: T, folder: Path, key: Path | None) -> T:
    """Sign the record of the run, if it is to be, now that it is sealed."""
    if key is not None:
        from orchestrator import run

        run.sign_record(folder, key)
    return result


def wait(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end; being told to end by a supervisor or a lost connection is as Ctrl-C is."""
    for one in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(one) is signal.SIG_DFL:  # `nohup` has it ignored
            signal.signal(one, lambda *_: signal.raise_signal(signal.SIGINT))
    collect_rarely()
    return asyncio.run(work)
