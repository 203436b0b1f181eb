"""What the documents show is what the command takes."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer

from orchestrator.cli.commands import app

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def commands_shown() -> list[tuple[str, str]]:
    """Return each `sgsweep …` of a code block or code span, with its page."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        spans = re.findall(r"`(sgsweep [^`]+)`", text)
        lines = [
            line for block in re.findall(r"```\w*\n(.*?)```", text, re.DOTALL) for line in block.splitlines()
        ]
        found += [
            (page.name, one) for one in (*spans, *(line for line in lines if line.startswith("sgsweep ")))
        ]
    return found


@pytest.mark.parametrize(("page", "shown"), commands_shown())
def test_every_command_shown_exists(page: str, shown: str) -> None:
    """Each subcommand and each option in the documents is one that the command has."""
    words = shlex.split(shown.split("#", maxsplit=1)[0])[1:]
    group = typer.main.get_command(app)
    known = dict(group.commands)  # type: ignore[attr-defined]  # it is a group
    options = [word.split("=")[0] for word in words if word.startswith("-")]
    subcommands = [word for word in words if not word.startswith("-")]
    if not subcommands or subcommands[0] in {"…", "..."}:
        return
    assert subcommands[0] in known, f"{page}: {shown}"
    taken = {
        option
        for parameter in known[subcommands[0]].params
        for option in (*parameter.opts, *parameter.secondary_opts)
    }
    assert set(options) <= taken | {"--help", "-h"}, f"{page}: {shown}"


def test_every_subcommand_takes_the_configuration_on_both_sides() -> None:
    """`-c` is accepted before and after every subcommand."""
    group = typer.main.get_command(app)
    for name, command in group.commands.items():  # type: ignore[attr-defined]  # it is a group
        options = {option for parameter in command.params for option in parameter.opts}
        assert "-c" in options, name


def test_the_exit_codes_of_the_readme_are_all_there() -> None:
    """The table names the six codes of the contract."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| (\d) \|", text, re.MULTILINE) == ["0", "1", "2", "3", "4", "5"]
