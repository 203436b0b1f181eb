"""`init` and `config`: how an installation begins, and whether its configuration is right."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from orchestrator.cli.lines import configured_by
from orchestrator.cli.options import ConfigFile
from orchestrator.terminal import document, say, warn

if TYPE_CHECKING:
    from accounts.settings import OrganizationSettings
    from orchestrator.config import Config
    from orchestrator.run import ConnectionCheck

_DEFAULT = Path("config.toml")
_ALL = "all"

app = typer.Typer(help="Check the configuration, or print its schema.", no_args_is_help=True)


@app.callback()
def _between(context: typer.Context, config: ConfigFile = None) -> None:
    """Take `-c FILE` also before the subcommand's name; the nearest to it wins."""
    context.obj = config or context.obj
    configured_by(context.obj)


@app.command()
def check(
    context: typer.Context,
    config: ConfigFile = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="Read the file and the environment only; do not ask the cloud.")
    ] = False,
    notify: Annotated[
        bool, typer.Option("--notify", help="Also send a test message to each [[notify]].")
    ] = False,
) -> None:
    """Check the configuration against the code and the cloud: 0 fine, 2 wrong, 3 the cloud could not be asked."""
    from orchestrator.config import load

    path = config or context.obj or _DEFAULT
    configured_by(config or context.obj)
    settings = load(path, os.environ)
    _tell_file(path, settings)
    for sentence in settings.told:
        warn(sentence)
    if not offline:
        _tell_cloud(_tried(settings))
    if notify and not _is_told(settings):
        raise typer.Exit(3)
    say("the configuration is fine")


def _is_told(settings: Config) -> bool:
    """Send the test message; say who did not get it."""
    import asyncio

    from orchestrator import run

    failed = asyncio.run(run.send_test(settings, os.environ))
    for told in failed:
        warn(f"NOT NOTIFIED {told}")
    say(f"{len(settings.notify) - len(failed)} of {len(settings.notify)} [[notify]] took the test message")
    return not failed


@app.command()
def schema(context: typer.Context, config: ConfigFile = None) -> None:  # noqa: ARG001 (every subcommand takes it)
    """Print the JSON Schema of the configuration, for editors: made from the code, so it is never behind it."""
    import msgspec

    from orchestrator.config.schema import schema as made

    with document() as write:
        write(msgspec.json.format(msgspec.json.encode(made()), indent=2).decode() + "\n")


def init(
    context: typer.Context,
    config: ConfigFile = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="The new file; default config.toml.", show_default=False),
    ] = None,
    roles: Annotated[
        Literal["no", "terraform", "ros"] | None,
        typer.Option(
            "--roles", help="Also write the members' two roles, beside the file.", show_default=False
        ),
    ] = None,
) -> None:
    """Ask a few questions, test the credentials, and write a commented configuration.

    Where nobody answers (the input has ended), each question's default is taken.
    """
    path = out or config or context.obj or _DEFAULT
    _refuse_existing(path)
    values = _asked()
    tool = roles or _ask("Write the members' two roles, too: no, terraform or ros?", "no", _is_tool)
    settings = _settings(path, values)
    code, arn = _test(settings, values)
    _write(path, values)
    _tell_overrides()
    if tool in {"terraform", "ros"}:
        code = _write_roles(path, tool, settings.organization, arn) or code
    say(f"next: {shlex.join(['sgsweep', 'config', 'check', '-c', str(path)])}")
    raise typer.Exit(code)


Values = dict[tuple[str, str], "str | tuple[str, ...]"]


def _asked() -> Values:
    """Ask what a configuration needs beyond its defaults."""
    from orchestrator.cloud.settings import SITES

    values: Values = {
        ("cloud", "site"): _ask(
            f"At which site is the organization registered: {', '.join(SITES)}?",
            "china",
            _is_site,
        )
    }
    given = _ask(
        "Which accounts: all of the Resource Directory, or these ids, with spaces between them?",
        _ALL,
        _is_accounts,
    )
    if given != _ALL:
        values["organization", "source"] = "static"
        values["organization", "accounts"] = tuple(given.split())
    for key, question, usual in (
        ("role", "By which role are the accounts read?", "sgsweep-read"),
        ("remediation_role", "By which role are they changed?", "sgsweep-remediate"),
    ):
        values["organization", key] = _ask(question, usual, _is_role)
    given = _ask("Which regions: all, or these ids, with spaces between them?", _ALL, _is_regions)
    if given != _ALL:
        values["cloud", "regions"] = tuple(given.split())
    return values


def _ask(question: str, usual: str, wrong: Callable[[str], str]) -> str:
    """Ask until the answer is one; nothing, or the end of the input, is the usual answer.

    Args:
        question: ends with a question mark.
        usual: the answer of who only presses return.
        wrong: says what is wrong with an answer, "" for nothing.

    Raises:
        UsageError: the input has ended on an answer that is none.
    """
    from orchestrator.run import UsageError

    said = ""
    while True:
        warn(f"{question} [{usual}]")
        typed = sys.stdin.readline()
        if not typed and said:
            raise UsageError(f"{said}. Nothing was written")
        answer = typed.strip() or usual
        said = wrong(answer)
        if not said:
            return answer
        warn(f"  {said}")


def _is_site(answer: str) -> str:
    from orchestrator.cloud.settings import SITES

    return "" if answer in SITES else f"it is one of {', '.join(SITES)}"


def _is_accounts(answer: str) -> str:
    others = [one for one in answer.split() if not one.isdecimal()]
    return f"{others[0]!r} is no account id: they are digits" if answer != _ALL and others else ""


def _is_role(answer: str) -> str:
    good = answer.isascii() and answer.replace("-", "a").replace(".", "a").replace("_", "a").isalnum()
    return "" if good and len(answer) <= 64 else "a role's name is up to 64 letters, digits, - . and _"


def _is_regions(answer: str) -> str:
    from orchestrator.cloud.settings import is_region_id

    others = [one for one in answer.split() if not is_region_id(one)]
    return f"{others[0]!r} is no region's id, like cn-hangzhou" if answer != _ALL and others else ""


def _is_tool(answer: str) -> str:
    return "" if answer in {"no", "terraform", "ros"} else "answer no, terraform or ros"


def _settings(path: Path, values: Values) -> Config:
    """Return the configuration that will be written, with the environment."""
    import tomllib

    from orchestrator.config import decoded
    from orchestrator.config.reference import written

    return decoded(tomllib.loads(written(values)), path, os.environ)


def _test(settings: Config, values: Values) -> tuple[int, str]:
    """Test the credentials; return the exit code and who they are. What they are of is pinned in the configuration."""
    from orchestrator.cli.known_errors import explain_error

    try:
        tried = _tried(settings)
    except Exception as error:
        known = explain_error(error)
        if known is None:
            raise
        warn(f"the credentials could not be tested: {known[1]}")
        return known[0], ""
    _tell_cloud(tried)
    values["organization", "hub_account_id"] = tried.connection.hub_account_id
    return 0, tried.connection.hub_arn


def _tried(settings: Config) -> ConnectionCheck:
    import asyncio

    from orchestrator import run
    from orchestrator.cli import output

    return asyncio.run(run.try_cloud(settings, run.Progress(output.connection, say)))


def _tell_cloud(tried: ConnectionCheck) -> None:
    say(f"the credentials hold; a sweep would visit {tried.accounts} accounts and leave out {tried.left_out}")


def _tell_file(path: Path, settings: Config) -> None:
    """Say what the file comes to, and what of the environment is heard."""
    from datetime import UTC, datetime

    from orchestrator.policy import review

    say(
        f"{path}: {len(settings.checks)} checks, {len(settings.exemptions)} exemptions, "
        f"{len(settings.accepted_unreachable)} accepted as unreachable"
    )
    unused = dict.fromkeys(
        (one.id for one in settings.exemptions), 1
    )  # whether they match only a scan can tell
    for note in review(settings.exemptions, unused, datetime.now(UTC)):
        warn(f"EXEMPTION {note.text}")
    _tell_overrides()


def _tell_overrides() -> None:
    """List the variables that fill what the file leaves open; never what they hold: some are secrets."""
    from orchestrator.config import VARIABLES

    for name, key in VARIABLES.items():
        is_set = bool(os.environ.get(name) or (name.isupper() and os.environ.get(name.lower())))
        say(f"  {name}: {'set, for' if is_set else 'not set; it would fill'} {key}")


def _refuse_existing(path: Path) -> None:
    from orchestrator.run import UsageError

    if path.exists() or path.is_symlink():
        raise UsageError(f"{path} is there already, and is left as it is: name another file with --out")
    if not path.parent.is_dir():
        raise UsageError(f"{path}: there is no folder {path.parent}")


def _write(path: Path, values: Values) -> None:
    from orchestrator.config.reference import written
    from orchestrator.files import replaced

    with replaced(path) as file:
        file.write(written(values).encode())
    say(f"the configuration is in {path}")


_FILES: Mapping[str, str] = {"terraform": "sgsweep-roles.tf", "ros": "sgsweep-roles.ros.json"}


def _write_roles(path: Path, tool: str, organization: OrganizationSettings, arn: str) -> int:
    """Write the members' roles beside the configuration; whom they trust is known only once the credentials hold."""
    from orchestrator.config.roles import roles
    from orchestrator.files import replaced

    if not arn or arn.endswith(":root"):
        say(
            "the roles are not written: their trust names the user or role that runs sgsweep, and "
            + ("the credentials are an account's own root" if arn else "the credentials could not be tested")
        )
        return 2 if arn else 0  # what came of the credentials is told already
    target = path.with_name(_FILES[tool])
    _refuse_existing(target)
    with replaced(target) as file:
        file.write(roles("terraform" if tool == "terraform" else "ros", organization, arn).encode())
    say(
        f"the members' roles are in {target}: apply it in each member account, with an external id of your own,"
    )
    say("a random text that sgsweep is given as SGSWEEP_EXTERNAL_ID")
    return 0
