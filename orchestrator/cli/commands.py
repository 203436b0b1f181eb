"""The subcommands. Each reads its arguments, calls one function of `run` and shows what came back."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import typer

from orchestrator.cli.demo import demo
from orchestrator.cli.emulate import emulate
from orchestrator.cli.evidence import evidence
from orchestrator.cli.exit_codes import of_comparison, of_diff
from orchestrator.cli.lines import configured_by, works_in
from orchestrator.cli.notifying import failure_told, notify
from orchestrator.cli.options import (
    Accounts,
    AsJson,
    Balancers,
    ChangeProtected,
    ConfigFile,
    Excluded,
    Folders,
    Ports,
    Quiet,
    Regions,
    RunFolder,
    Severities,
    Signers,
    SignRecord,
    Tags,
    Yes,
)
from orchestrator.cli.running import (
    DEFAULT_CONFIG,
    braked,
    changing,
    config_of,
    config_or_none,
    filters_of,
    refuse_no_key,
    shown,
    signed,
    wait,
)
from orchestrator.cli.setup import app as config_group
from orchestrator.cli.setup import init
from orchestrator.terminal import document, give, say

T = TypeVar("T")
Level = Literal["debug", "info", "warning", "error"]

_LONGEST_NAME = 100

app = typer.Typer(
    help="Finds and closes risky security-group rules in a whole Alibaba Cloud organization.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _tell_version(asked: bool) -> None:  # noqa: FBT001 (as typer calls it)
    if asked:
        from orchestrator.report.version import version

        give(f"sgsweep {version()}")
        raise typer.Exit


def _show_completion(shell: str) -> None:
    if shell:
        from orchestrator.cli.completion import script

        with document() as write:
            write(script(shell, app))
        raise typer.Exit


def _install_completion(asked: bool) -> None:  # noqa: FBT001 (as typer calls it)
    if asked:
        from orchestrator.cli.completion import install

        path, then = install(app)
        say(f"completion is in {path}; {then}")
        raise typer.Exit


@app.callback()
def _common(
    context: typer.Context,
    config: ConfigFile = None,
    quiet: Quiet = False,  # noqa: ARG001 (its callback hears it)
    version: Annotated[  # noqa: ARG001 (the same)
        bool, typer.Option("--version", help="Tell the version.", callback=_tell_version, is_eager=True)
    ] = False,
    show_completion: Annotated[  # noqa: ARG001 (the same)
        str,
        typer.Option(
            "--show-completion",
            metavar="SHELL",
            help="Print the completion script for bash, zsh or fish.",
            callback=_show_completion,
            is_eager=True,
            show_default=False,
        ),
    ] = "",
    install_completion: Annotated[  # noqa: ARG001 (the same)
        bool,
        typer.Option(
            "--install-completion",
            help="Write that script where your $SHELL looks for it.",
            callback=_install_completion,
            is_eager=True,
        ),
    ] = False,
    log_level: Annotated[
        Level, typer.Option("--log-level", help="Diagnostics on stderr: debug, info, warning or error.")
    ] = "warning",
) -> None:
    from orchestrator.cli.logs import configure

    context.obj = config
    configured_by(config)
    if context.invoked_subcommand and "--help" not in sys.argv:
        configure(log_level)


@app.command()
def accounts(
    context: typer.Context,
    config: ConfigFile = None,
    check: Annotated[
        bool,
        typer.Option("--check", help="Ask each account for all that a run needs; name what is missing."),
    ] = False,
    probe_writes: Annotated[
        bool,
        typer.Option(
            "--probe-writes",
            help="With --check: also try the changes, on the one group that [canary] names, and take them back.",
        ),
    ] = False,
    events: Annotated[
        str,
        typer.Option(
            "--events",
            metavar="LEDGER",
            help="Also send the function a test event, by a call that is sure to fail. Terraform's output ledger.",
        ),
    ] = "",
    account: Accounts = [],
    exclude: Excluded = [],
    folder: Folders = [],
    tag: Tags = [],
    as_json: AsJson = False,
    quiet: Quiet = False,  # noqa: ARG001 (its callback hears it)
) -> None:
    """List the accounts a sweep would visit."""
    from orchestrator import run
    from orchestrator.cli import json_objects, output
    from orchestrator.config.facts import probe_file

    if probe_writes and not check:
        raise run.UsageError("--probe-writes is a part of the check: give --check, too")
    probe = probe_file(config or context.obj or DEFAULT_CONFIG) if check else None
    filters, settings = filters_of(account, exclude, folder, tag), config_of(context, config)
    progress = run.Progress(output.connection, say)
    listed = wait(
        run.list_accounts(settings, filters, progress, check=check, probe_writes=probe_writes, probe=probe)
    )
    code = output.accounts(listed, checked=check, as_json=as_json)
    if as_json:
        json_objects.accounts(listed)
    if events:
        code = max(code, output.events(wait(run.try_events(settings, events))))
    raise typer.Exit(code)


@app.command()
def scan(
    context: typer.Context,
    config: ConfigFile = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="DIR", help="The new run folder; default runs/DATE-ID.", show_default=False
        ),
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
    balancers: Balancers = False,
    changed_since: Annotated[
        Path | None,
        typer.Option(
            "--changed-since",
            metavar="RUN",
            help="Read only groups whose listing that run does not know; rules changed in place are not seen.",
        ),
    ] = None,
    severity: Annotated[
        list[str],
        typer.Option(
            "--severity",
            metavar="NAME",
            help="Look only for checks that are critical, high, medium or low; repeatable.",
        ),
    ] = [],
    as_json: AsJson = False,
    quiet: Quiet = False,  # noqa: ARG001 (its callback hears it)
) -> None:
    """Sweep the organization, judge every rule, write the run folder."""
    from orchestrator import run
    from orchestrator.cli import json_objects, output

    if out == Path():
        raise typer.BadParameter("--out names no folder of its own: name the new run folder")
    if out is not None and resume is not None:
        raise typer.BadParameter("give either --out DIR for a new run or --resume DIR to go on with one")
    run_id = run.new_run_id()
    target = resume or out or run.dated_folder(run_id)
    works_in(target, is_scan=True)
    filters = filters_of(account, exclude, folder, tag, region, port, exposure=exposure, balancers=balancers)
    filters = run.of_severities(filters, severity)
    if resume is not None and (filters != run.Filters() or changed_since is not None):
        raise typer.BadParameter("--resume goes on with what the run was asked for; it takes no filter")
    progress = run.Progress(output.connection, say)
    settings = config_of(context, config)
    work = (
        run.resume(settings, resume, progress)
        if resume
        else run.scan(settings, filters, target, progress, changed_since=changed_since, run_id=run_id)
    )
    try:
        with failure_told(settings, "scan"):
            summary = wait(shown(work, progress))
    except KeyboardInterrupt:
        output.cut_short(target)
        raise
    code = output.scan(summary, target, progress)
    if as_json:
        json_objects.scan(summary, target)
    notify(settings, "scan", lambda: run.scan_notice(target, summary, code))
    raise typer.Exit(code)


app.command()(evidence)


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
    change_protected: ChangeProtected = [],
    as_json: AsJson = False,
    quiet: Quiet = False,  # noqa: ARG001 (its callback hears it)
) -> None:
    """Decide what to change, write DIR/plan.json, say what it comes to and print its digest."""
    from orchestrator import run
    from orchestrator.cli import json_objects, output

    planned = run.plan(folder, config_or_none(context, config), sign, action, change_protected)
    code = output.plan(planned, as_json=as_json)
    if as_json:
        json_objects.plan(planned)
    raise typer.Exit(code)


@app.command()
def show(
    plan: Annotated[Path, typer.Argument(metavar="PLAN", help="DIR/plan.json.", show_default=False)],
    account: Annotated[
        list[str],
        typer.Option("--account", metavar="ID", help="Only this account (id or name pattern); repeatable."),
    ] = [],
    severity: Severities = [],
    as_json: AsJson = False,
    config: ConfigFile = None,  # noqa: ARG001 (every subcommand takes it)
) -> None:
    """Show a plan on stdout: what it comes to, then rule by rule. It is not changed."""
    from orchestrator import run
    from orchestrator.cli import output

    found = run.review(plan, account, severity)
    if not as_json:
        raise typer.Exit(output.reviewed(found))
    with document() as write:
        write(run.review_json(found))


@app.command()
def sign(
    what: Annotated[
        Path,
        typer.Argument(
            metavar="PLAN|DIR", help="A plan, or the run whose record is signed.", show_default=False
        ),
    ],
    key: Annotated[
        Path, typer.Option("--key", metavar="KEY", help="Your Ed25519 private key (PEM).", show_default=False)
    ],
    config: ConfigFile = None,  # noqa: ARG001 (every subcommand takes it)
) -> None:
    """Add your signature to a plan, or to the record of a run, as it is."""
    from orchestrator import run
    from orchestrator.cli import output

    done = run.sign_record(what, key) if what.is_dir() else run.sign_plan(what, key)
    raise typer.Exit(output.signed(done, what))


@app.command()
def apply(
    context: typer.Context,
    plan: Annotated[Path, typer.Argument(metavar="PLAN", help="DIR/plan.json.", show_default=False)],
    digest: Annotated[str, typer.Option(metavar="HEX", help="The digest that `sgsweep plan` printed.")] = "",
    require_signature: Signers = [],
    change_protected: ChangeProtected = [],
    sign_record: SignRecord = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Do not ask before anything is changed; the digest is still needed.")
    ] = False,
    config: ConfigFile = None,
    quiet: Quiet = False,  # noqa: ARG001 (its callback hears it)
) -> None:
    """Carry out exactly that plan; run again after a crash or a stop, it finishes it."""
    from orchestrator import run
    from orchestrator.cli import output
    from orchestrator.cli.confirm import confirming

    works_in(plan.parent)
    refuse_no_key(sign_record)
    progress = run.Progress(output.connection, say)
    approval = run.Approval(digest, tuple(require_signature))
    settings = changing(config_of(context, config), change_protected)
    brake = run.brake_of(plan.parent, settings.remediation)
    work = run.apply(plan, approval, settings, confirming(yes=yes), progress, brake)
    with failure_told(settings, "apply"):
        result = signed(wait(braked(shown(work, progress), brake)), plan.parent, sign_record)
    code = output.changed(result)
    notify(settings, "apply", lambda: run.apply_notice(plan.parent, result, code))
    raise typer.Exit(code)


@app.command()
def rollback(
    context: typer.Context,
    folder: RunFolder,
    account: Annotated[str, typer.Option(metavar="ID", help="Only in this account.")] = "",
    group: Annotated[str, typer.Option(metavar="ID", help="Only in this security group.")] = "",
    rule: Annotated[str, typer.Option(metavar="ID", help="Only this rule.")] = "",
    digest: Annotated[
        str, typer.Option(metavar="HEX", help="Only the rollback of this digest, as an earlier attempt said.")
    ] = "",
    require_signature: Signers = [],
    sign_record: SignRecord = None,
    yes: Yes = False,
    config: ConfigFile = None,
    quiet: Quiet = False,  # noqa: ARG001 (its callback hears it)
) -> None:
    """Put back what this run removed, and remove what it added."""
    from orchestrator import run
    from orchestrator.cli import output
    from orchestrator.cli.confirm import confirming

    works_in(folder)
    refuse_no_key(sign_record)
    progress = run.Progress(output.connection, say)
    approval = run.Approval(digest, tuple(require_signature))
    selection = {"account_id": account, "security_group_id": group, "rule_id": rule}
    settings = config_of(context, config)
    brake = run.brake_of(folder, settings.remediation)
    work = run.rollback(folder, selection, settings, confirming(yes=yes), progress, brake, approval)
    result = signed(wait(braked(shown(work, progress), brake)), folder, sign_record)
    raise typer.Exit(output.changed(result, is_rollback=True))


@app.command()
def verify(
    context: typer.Context,
    folder: RunFolder,
    offline: Annotated[
        bool, typer.Option("--offline", help="Check the record only; do not ask the cloud.")
    ] = False,
    require_signature: Signers = [],
    config: ConfigFile = None,
    as_json: AsJson = False,
    quiet: Quiet = False,  # noqa: ARG001 (its callback hears it)
) -> None:
    """Check the audit chain; then read the cloud again and compare. It never repairs."""
    from orchestrator import run
    from orchestrator.cli import json_objects, output

    if offline:
        found = run.verify_offline(folder, require_signature)
    else:
        progress = run.Progress(output.connection, say)
        work = run.verify(folder, config_of(context, config), progress, require_signature)
        found = wait(shown(work, progress))
    code = output.verified(found, folder, offline=offline)
    if as_json:
        json_objects.verified(found, folder)
    raise typer.Exit(code)


@app.command()
def close(
    context: typer.Context,
    ports: Annotated[
        list[str], typer.Argument(metavar="PORT...", help="6379, udp/11211, …", show_default=False)
    ],
    incident: Annotated[str, typer.Option(metavar="NAME", help="The incident; it is in every record.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Change nothing: show what would be done, with counts.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="The run folder; default: named by the incident."),
    ] = None,
    change_protected: ChangeProtected = [],
    sign_record: SignRecord = None,
    yes: Yes = False,
    account: Accounts = [],
    exclude: Excluded = [],
    folder: Folders = [],
    tag: Tags = [],
    region: Regions = [],
    balancers: Balancers = False,
    config: ConfigFile = None,
    quiet: Quiet = False,  # noqa: ARG001 (its callback hears it)
) -> None:
    """An incident: close the ports to the Internet, each account as soon as it is scanned."""
    from orchestrator import run
    from orchestrator.cli import output
    from orchestrator.cli.confirm import confirming

    refuse_no_key(sign_record)
    progress = run.Progress(output.connection, say)
    filters = filters_of(account, exclude, folder, tag, region, ports, balancers=balancers)
    _refuse_unspeakable(incident)
    target = out or Path(f"sgsweep-{_file_name(incident)}")
    if dry_run:  # a folder of its own, so that it never stands in the way of the real one
        target = target.with_name(f"{target.name}-dry-run")
    works_in(target)
    settings = changing(config_of(context, config), change_protected)
    brake = run.brake_of(target, settings.remediation)
    work = run.close(
        settings, filters, target, incident, confirming(yes=yes), progress, brake, dry_run=dry_run
    )
    with failure_told(settings, "close"):
        result = signed(wait(braked(shown(work, progress), brake)), target, sign_record)
    code = output.closed(result, target, progress)
    if not dry_run:
        notify(settings, "close", lambda: run.close_notice(result, incident, code))
    raise typer.Exit(code)


@app.command()
def explain(
    folder: RunFolder,
    rule_id: Annotated[str, typer.Argument(metavar="RULE_ID", help="The rule, sgr-…", show_default=False)],
    config: ConfigFile = None,  # noqa: ARG001 (every subcommand takes it)
) -> None:
    """Say why a rule was judged as it was: the rules that decide, and a packet that gets through."""
    from orchestrator import run
    from orchestrator.cli import output

    raise typer.Exit(output.explanation(run.explain_rule(folder, rule_id)))


@app.command()
def checks(context: typer.Context, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """List the checks there are, the default ones and those of each pack; with -c, those that it configures."""
    from orchestrator.cli import json_objects, output
    from orchestrator.config import check_lists

    is_named = config is not None or context.obj is not None
    listed = {"configured": config_of(context, config).checks} if is_named else check_lists()
    if as_json:
        json_objects.checks(listed)
    else:
        output.checks(listed)


@app.command()
def check(
    context: typer.Context,
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...",
            help="What `terraform show -json` writes of a plan or a state; a ROS template.",
            show_default=False,
        ),
    ],
    against: Annotated[
        Path | None,
        typer.Option(
            "--against",
            metavar="DIR|FILE",
            help="What stands already: a run, a state, a template of before.",
            show_default=False,
        ),
    ] = None,
    only_new: Annotated[
        bool, typer.Option("--only-new", help="Tell only what the change opens that was not open before.")
    ] = False,
    source: Annotated[
        Path | None,
        typer.Option(
            "--source",
            metavar="FOLDER",
            help="The Terraform code, to name file and line; default: the folder of FILE.",
            show_default=False,
        ),
    ] = None,
    parameter: Annotated[
        list[str],
        typer.Option(
            "--parameter",
            metavar="NAME=VALUE",
            help="A parameter of a ROS template, for its default; repeatable.",
        ),
    ] = [],
    kind: Annotated[str, typer.Option("--format", metavar="FORMAT", help="text, json or sarif.")] = "text",
    config: ConfigFile = None,
) -> None:
    """Judge code before it is applied: a Terraform plan or state, a ROS template. Needs no config.toml."""
    from orchestrator import run
    from orchestrator.cli import output

    checked = run.check(files, config_or_none(context, config), against, source, parameter, only_new=only_new)
    raise typer.Exit(output.checked(checked, kind))


@app.command()
def patch(
    context: typer.Context,
    folder: RunFolder,
    state: Annotated[
        Path | None,
        typer.Option(
            "--state",
            metavar="FILE",
            help="What `terraform show -json` writes of the state.",
            show_default=False,
        ),
    ] = None,
    code: Annotated[
        Path | None,
        typer.Option(
            "--code",
            metavar="FOLDER",
            help="The Terraform code (default: the folder of the state), or ROS templates.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FOLDER", help="Where patches are written; default: DIR/patch."),
    ] = None,
    action: Annotated[
        list[str],
        typer.Option("--action", metavar="[CHECK=]ACTION", help="As `plan` takes it; repeatable."),
    ] = [],
    config: ConfigFile = None,
) -> None:
    """Write what a plan would change into the code that manages the groups. It never asks the cloud."""
    from orchestrator import run
    from orchestrator.cli import output

    raise typer.Exit(
        output.patched(run.patch(folder, config_or_none(context, config), state, code, out, action))
    )


@app.command()
def report(
    folder: RunFolder,
    kind: Annotated[
        str, typer.Option("--format", metavar="FORMAT", help="html, json, csv, sarif or ocsf.")
    ] = "html",
    owner: Annotated[
        list[str], typer.Option("--owner", metavar="NAME", help="Only this owner (or a pattern); repeatable.")
    ] = [],
    account: Accounts = [],
    severity: Severities = [],
    split_by: Annotated[
        Literal["owner"] | None,
        typer.Option("--split-by", help="Write a report for each owner into a new folder, with an index."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="With --split-by: the new folder.", show_default=False),
    ] = None,
    language: Annotated[
        Literal["en", "zh-CN"] | None,
        typer.Option("--language", help="Of html; default: as [report] language said when the run was made."),
    ] = None,
    config: ConfigFile = None,  # noqa: ARG001 (every subcommand takes it)
) -> None:
    """Render the run on stdout, whole or in part; the whole as html is also in DIR/report.html."""
    from orchestrator import run

    part = run.ReportPart(tuple(owner), tuple(account), tuple(severity))
    if (split_by is None) != (out is None):
        raise typer.BadParameter("--split-by owner and --out DIR go together; a single report goes to stdout")
    if out is not None:
        lines = run.split_by_owner(folder, kind, part, out, language)
        say(f"{len(lines)} owners; the index is {out / 'index.html'}")
        return
    with document() as write:
        run.report(folder, kind, write, part, language)


@app.command()
def diff(
    old: Annotated[Path, typer.Argument(metavar="OLD", help="The earlier run's folder.", show_default=False)],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="The later run's folder.", show_default=False)],
    kind: Annotated[
        Literal["text", "json", "html"],
        typer.Option(
            "--format", help="text; json: one object; html: NEW's report with a section on what changed."
        ),
    ] = "text",
    as_json: AsJson = False,
    config: ConfigFile = None,  # noqa: ARG001 (every subcommand takes it)
) -> None:
    """Say what is new, returned, fixed, still open or no longer seen since an earlier run."""
    from orchestrator import run
    from orchestrator.cli import diffing
    from orchestrator.report import render_json, render_since

    with run.differing(old, new) as found:
        if kind == "text" and not as_json:
            raise typer.Exit(diffing.text(found))
        with document() as write:
            counts = (
                render_since(run.view(new), found, write) if kind == "html" else render_json(found, write)
            )
        raise typer.Exit(of_diff(found, counts))


@app.command()
def compare(
    folder: RunFolder,
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE",
            help="What ListConfigRuleEvaluationResults or its aggregate answered, as JSON: a page or all, in one file "
            "or several.",
            show_default=False,
        ),
    ],
    rule: Annotated[
        list[str],
        typer.Option(
            "--rule",
            metavar="NAME=IDENTIFIER",
            help="Which managed rule a rule is, by its name or id, where its name does not tell; repeatable.",
        ),
    ] = [],
    risky_port: Annotated[
        list[int],
        typer.Option(
            "--risky-port",
            metavar="PORT",
            min=1,
            max=65535,
            help="A port that their rule about risky ports was set up with; repeatable. Default: 22 and 3389.",
        ),
    ] = [],
    allowed_port: Annotated[
        list[int],
        typer.Option(
            "--allowed-port",
            metavar="PORT",
            min=1,
            max=65535,
            help="A port that their rule about allowed ports was set up with; repeatable. Default: 80 and 443.",
        ),
    ] = [],
    as_json: AsJson = False,
    config: ConfigFile = None,  # noqa: ARG001 (every subcommand takes it)
) -> None:
    """Hold a run against Cloud Config's own results, and explain each difference. It never asks the cloud."""
    from orchestrator import run
    from orchestrator.cli import comparing
    from orchestrator.report import render_comparison

    given = comparing.names(rule), comparing.parameters(risky_port, allowed_port)
    found = run.compare(folder, files, *given)
    if not as_json:
        raise typer.Exit(comparing.text(found))
    with document() as write:
        render_comparison(found, write)
    raise typer.Exit(of_comparison(found))


app.command()(demo)
app.command()(emulate)
app.command()(init)
app.add_typer(config_group, name="config")


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
