"""What docs/checking-code.md shows for pipelines is what the command takes."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import typer
import yaml

from orchestrator.cli.commands import app
from tests.cli.in_process import command

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "checking-code.md"


def snippets() -> list[Any]:
    """The YAML blocks of the page."""
    return [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)]


def texts(value: Any) -> list[str]:
    """Every text within a value."""
    if isinstance(value, str):
        return [value]
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for one in items for text in texts(one)]


def test_the_snippets_are_yaml_and_their_commands_exist() -> None:
    """GitHub, GitLab, ROS and pre-commit: each parses, and each sgsweep line has options that there are."""
    found = snippets()
    assert len(found) == 4
    lines = [line for line in texts(found) if line.startswith("sgsweep ")]
    assert len(lines) == 4
    known = typer.main.get_command(app).commands  # type: ignore[attr-defined]  # it is a group
    for line in lines:
        words = shlex.split(line.partition(">")[0])
        options = {option for parameter in known[words[1]].params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= options, line


def test_the_hook_runs_what_there_is(tmp_path: Path) -> None:
    """The hook's entry is a command, and its pattern means templates: a clean one passes."""
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    assert hook["id"] in {one["id"] for repo in snippets()[3]["repos"] for one in repo["hooks"]}
    path = tmp_path / "network.ros.yml"
    assert re.search(hook["files"], path.name)
    path.write_text("ROSTemplateFormatVersion: '2015-09-01'\nResources: {}\n")
    program, *arguments = shlex.split(hook["entry"])
    assert program == "sgsweep"
    assert command(*arguments, path).exit_code == 0
