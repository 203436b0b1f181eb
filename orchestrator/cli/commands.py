"""The subcommands. Each reads its arguments, calls one function of `run` and shows what came back."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import typer

from orchestrator.cli.collector import collect_rarely
from orchestrator.cli.demo import demo
from orchestrator.cli.emulate import emulate
from orchestrator.cli.errors import output
from orchestrator.cli.options import (
    Accounts,
    ConfigFile,
    Excluded,
    Folders,
    Ports,
    Regions,
    RunFolder,
    Signers,
    SignRecord,
    Tags,
    Yes,
)
from orchestrator.cli.show import say

if TYPE_CHECKING:
    from orchestrator.config import Config
    from orchestrator.run import Brake, Filters, Progress

T = TypeVar("T")
Level = Literal["debug", "info", "warning", "error"]

_DEFAULT_CONFIG = Path("config.toml")
_LONGEST_NAME = 100

app = typer.Typer(
    help="Finds and closes risky security-group rules in a whole Alibaba Cloud organization.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def _common(
    context: typer.Context,
    config: ConfigFile = None,
    log_level: Annotated[
        Level, typer.Option("--log-level", help="Diagnostics on stderr: debug, info, warning or error.")
    ] = "warning",
) -> None:
    from orchestrator.cli.logs import configure

    context.obj = config
    if context.invoked_subcommand and "--help" not in sys.argv:
        configure(log_level)


@app.command()
def accounts(
    context: typer.Context,
    config: ConfigFile = None,
    check: Annotated[
        bool, typer.Option("--check", help="Enter each account by both roles; name what is missing.")
    ] = False,
    account: Accounts = [],
    exclude: Excluded = [],
    folder: Folders = [],
    tag: Tags = [],
) -> None:
    """List the accounts a sweep would visit."""
    from orchestrator import run
    from orchestrator.cli import show

    filters = _filters(account, exclude, folder, tag)
    listed = _wait(run.list_accounts(_config(context, config), filters, check=check))
    raise typer.Exit(show.accounts(listed, checked=check))


@app.command()
def scan(
    context: typer.Context,
    config: ConfigFile = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="The new run folder.", show_default=False),
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option("--resume", metavar="DIR", help="Go on where this run stopped.", show_default=False),
    ] = None,
    account: Accounts = [],
    exclude: Excluded = [],
    folder: Folders = [],
    tag: Tags = [],
    region: Regions = [],
    port: Ports = [],
    exposure: Annotated[
        bool,
        typer.Option(
            "--exposure/--no-exposure", help="Read network interfaces: is a public address behind a finding?"
        ),
    ] = True,
    changed_since: Annotated[
        Path | None,
        typer.Option(
            "--changed-since",
            metavar="RUN",
            help="Read only groups whose listing that run does not know; rules changed in place are not seen.",
        ),
    ] = None,
) -> None:
    """Sweep the organization, judge every rule, write the run folder."""
    from orchestrator import run
    from orchestrator.cli import show

    if out == Path():
        raise typer.BadParameter("--out names no folder of its own: name the new run folder")
    if (out is None) == (resume is None):
        raise typer.BadParameter("give either --out DIR for a new run or --resume DIR to go on with one")
    filters = _filters(account, exclude, folder, tag, region, port, exposure=exposure)
    if resume is not None and (filters != run.Filters() or changed_since is not None):
        raise typer.BadParameter("--resume goes on with what the run was asked for; it takes no filter")
    progress = run.Progress()
    settings = _config(context, config)
    work = (
        run.resume(settings, resume, progress)
        if resume
        else run.scan(settings, filters, _given(out), progress, changed_since=changed_since)
    )
    summary = _wait(_shown(work, progress))
    raise typer.Exit(show.scan(summary, resume or _given(out), progress))


@app.command()
def plan(
    context: typer.Context,
    folder: RunFolder,
    config: ConfigFile = None,
    sign: Annotated[
        list[Path],
        typer.Option("--sign", metavar="KEY", help="Sign with this Ed25519 private key (PEM); repeatable."),
    ] = [],
    action: Annotated[
        list[str],
        typer.Option(
            "--action",
            metavar="[CHECK=]ACTION",
            help="revoke, split, narrow, block or report, in place of what the checks say; repeatable.",
        ),
    ] = [],
) -> None:
    """Decide what to change, write DIR/plan.json, show it rule by rule and print its digest."""
    from orchestrator import run
    from orchestrator.cli import show

    raise typer.Exit(show.plan(run.plan(folder, _config_or_none(context, config), sign, action)))


@app.command()
def apply(
    context: typer.Context,
    plan: Annotated[Path, typer.Argument(metavar="PLAN", help="DIR/plan.json.", show_default=False)],
    digest: Annotated[str, typer.Option(metavar="HEX", help="The digest that `sgsweep plan` printed.")] = "",
    require_signature: Signers = [],
    sign_record: SignRecord = None,
    yes: Yes = False,
    config: ConfigFile = None,
) -> None:
    """Carry out exactly that plan; run again after a crash or a stop, it finishes it."""
    from orchestrator import run
    from orchestrator.cli import show
    from orchestrator.cli.asking import confirming

    progress = run.Progress()
    approval = run.Approval(digest, tuple(require_signature))
    settings = _config(context, config)
    brake = run.brake_of(plan.parent, settings.remediation)
    work = run.apply(plan, approval, settings, confirming(yes=yes), progress, brake)
    raise typer.Exit(
        show.changed(_signed(_wait(_braked(_shown(work, progress), brake)), plan.parent, sign_record))
    )


@app.command()
def rollback(
    context: typer.Context,
    folder: RunFolder,
    account: Annotated[str, typer.Option(metavar="ID", help="Only in this account.")] = "",
    group: Annotated[str, typer.Option(metavar="ID", help="Only in this security group.")] = "",
    rule: Annotated[str, typer.Option(metavar="ID", help="Only this rule.")] = "",
    sign_record: SignRecord = None,
    yes: Yes = False,
    config: ConfigFile = None,
) -> None:
    """Put back what this run removed, and remove what it added."""
    from orchestrator import run
    from orchestrator.cli import show
    from orchestrator.cli.asking import confirming

    progress = run.Progress()
    selection = {"account_id": account, "security_group_id": group, "rule_id": rule}
    settings = _config(context, config)
    brake = run.brake_of(folder, settings.remediation)
    work = run.rollback(folder, selection, settings, confirming(yes=yes), progress, brake)
    result = _signed(_wait(_braked(_shown(work, progress), brake)), folder, sign_record)
    raise typer.Exit(show.changed(result, is_rollback=True))


@app.command()
def verify(
    context: typer.Context,
    folder: RunFolder,
    offline: Annotated[
        bool, typer.Option("--offline", help="Check the record only; do not ask the cloud.")
    ] = False,
    require_signature: Signers = [],
    config: ConfigFile = None,
) -> None:
    """Check the audit chain; then read the cloud again and compare. It never repairs."""
    from orchestrator import run
    from orchestrator.cli import show

    if offline:
        raise typer.Exit(show.verified(run.verify_offline(folder, require_signature), offline=True))
    progress = run.Progress()
    work = run.verify(folder, _config(context, config), progress, require_signature)
    raise typer.Exit(show.verified(_wait(_shown(work, progress)), offline=False))


@app.command()
def close(
    context: typer.Context,
    ports: Annotated[
        list[str], typer.Argument(metavar="PORT...", help="6379, udp/11211, …", show_default=False)
    ],
    incident: Annotated[str, typer.Option(metavar="NAME", help="The incident; it is in every record.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="The run folder; default: named by the incident."),
    ] = None,
    sign_record: SignRecord = None,
    yes: Yes = False,
    account: Accounts = [],
    exclude: Excluded = [],
    folder: Folders = [],
    tag: Tags = [],
    region: Regions = [],
    config: ConfigFile = None,
) -> None:
    """An incident: close the ports to the Internet, each account as soon as it is scanned."""
    from orchestrator import run
    from orchestrator.cli import show
    from orchestrator.cli.asking import confirming

    progress = run.Progress()
    filters = _filters(account, exclude, folder, tag, region, ports)
    _refuse_unspeakable(incident)
    target = out or Path(f"sgsweep-{_file_name(incident)}")
    settings = _config(context, config)
    brake = run.brake_of(target, settings.remediation)
    work = run.close(settings, filters, target, incident, confirming(yes=yes), progress, brake)
    result = _signed(_wait(_braked(_shown(work, progress), brake)), target, sign_record)
    raise typer.Exit(show.closed(result, target, progress))


@app.command()
def explain(
    folder: RunFolder,
    rule_id: Annotated[str, typer.Argument(metavar="RULE_ID", help="The rule, sgr-…", show_default=False)],
    config: ConfigFile = None,  # noqa: ARG001 (every subcommand takes it)
) -> None:
    """Say why a rule was judged as it was: the rules that decide, and a packet that gets through."""
    from orchestrator import run
    from orchestrator.cli import show

    raise typer.Exit(show.explanation(run.explain_rule(folder, rule_id)))


@app.command()
def checks(config: ConfigFile = None) -> None:  # noqa: ARG001 (every subcommand takes it)
    """List the checks there are: the default ones and those of each pack."""
    from orchestrator.cli import show
    from orchestrator.config import check_lists

    raise typer.Exit(show.checks(check_lists()))


@app.command()
def report(
    folder: RunFolder,
    kind: Annotated[
        str, typer.Option("--format", metavar="FORMAT", help="html, json, csv, sarif or ocsf.")
    ] = "html",
    config: ConfigFile = None,  # noqa: ARG001 (every subcommand takes it)
) -> None:
    """Render the run on stdout; html is also in DIR/report.html."""
    from orchestrator import run

    # Each format is UTF-8 whatever the terminal is, and CSV brings its own line ends.
    sys.stdout.reconfigure(encoding="utf-8", newline="")  # type: ignore[union-attr]  # it is a text stream
    with output():
        run.report(folder, kind, sys.stdout.write)


app.command()(demo)
app.command()(emulate)


def _refuse_unspeakable(incident: str) -> None:
    """Refuse a name that would not read the same in every record, log and terminal."""
    if not incident.isprintable() or not 0 < len(incident) <= _LONGEST_NAME:
        raise typer.BadParameter(f"--incident is 1 to {_LONGEST_NAME} printable characters")


def _file_name(text: str) -> str:
    """Return the text without what a file's name cannot hold everywhere."""
    kept = "".join(char if char.isalnum() or char in "-_." else "-" for char in text).strip(".-")
    if not kept:
        raise typer.BadParameter(f"--incident {text!r} makes no folder name: give --out")
    return kept


def _given(path: Path | None) -> Path:
    assert path is not None, "checked by the caller"  # noqa: S101 (for the type checker)
    return path


def _filters(
    account: list[str],
    exclude: list[str],
    folder: list[str],
    tag: list[str],
    region: list[str] | None = None,
    port: list[str] | None = None,
    *,
    exposure: bool = True,
) -> Filters:
    from orchestrator.run import Filters, key_and_value

    return Filters(
        accounts=tuple(account),
        exclude=tuple(exclude),
        folders=tuple(folder),
        tags=tuple(key_and_value(item) for item in tag),
        regions=tuple(region or ()),
        ports=tuple(port or ()),
        exposure=exposure,
    )


def _config(context: typer.Context, given: Path | None) -> Config:
    """Read the configuration named after the subcommand, or before it, or config.toml."""
    from orchestrator.config import load

    return load(given or context.obj or _DEFAULT_CONFIG, os.environ)


def _config_or_none(context: typer.Context, given: Path | None) -> Config | None:
    """Read the configuration as `_config` does; None if none was named and there is no config.toml."""
    if given is None and context.obj is None and not _DEFAULT_CONFIG.exists():
        return None
    return _config(context, given)


async def _shown(work: Coroutine[Any, Any, T], progress: Progress) -> T:
    from orchestrator.cli.progress import shown

    async with shown(progress):
        return await work


async def _braked(work: Coroutine[Any, Any, T], brake: Brake) -> T:
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


def _signed(result: T, folder: Path, key: Path | None) -> T:
    """Sign the record of the run, if it is to be, now that it is sealed."""
    if key is not None:
        from orchestrator import run

        run.sign_record(folder, key)
    return result


def _wait(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end; being told to end by a supervisor or a lost connection is as Ctrl-C is."""
    for one in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(one) is signal.SIG_DFL:  # `nohup` has it ignored
            signal.signal(one, lambda *_: signal.raise_signal(signal.SIGINT))
    collect_rarely()
    return asyncio.run(work)
