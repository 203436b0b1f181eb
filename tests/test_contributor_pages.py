"""The pages for contributors: what they name is there, what they show runs, and no part of the house is missing."""

from __future__ import annotations

import ast
import re
import tomllib
import types
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from orchestrator.config import load
from orchestrator.report import FORMATS
from tests.cli.desk import Desk, emulated
from tests.report.sample import realistic, view

ROOT = Path(__file__).parents[1]
ARCHITECTURE = ROOT / "docs/architecture.md"
CHECKS = ROOT / "docs/writing-a-check.md"
FORMAT = ROOT / "docs/adding-an-output-format.md"
PAGES = [ARCHITECTURE, CHECKS, FORMAT]
READERS_OWN = {"ours.toml", "my.toml"}  # files that a reader of a page makes
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
DOTTED = re.compile(r"[a-z_]\w*(\.\w+)+").fullmatch
CALLED = re.compile(r"([A-Za-z_][\w.]*)\(\)").fullmatch
PATH = re.compile(r"[\w.\-]+(/[\w.\-]+)+/?|[\w.\-]+/|[\w\-]+\.(py|toml|md)").fullmatch


def spans(page: Path) -> Iterator[list[str]]:
    """Yield what stands in backticks, line by line; blocks of code are left out."""
    for line in BLOCK.sub("", page.read_text(encoding="utf-8")).splitlines():
        yield re.findall(r"`([^`]+)`", line)


def paths_in(named: list[str]) -> list[str]:
    """Return those of the names that are paths."""
    return [one for one in named if PATH(one) and one not in READERS_OWN]


@cache
def names_of(file: Path) -> frozenset[str]:
    """Return what a module defines: functions, classes and values, and of classes what they have, `Class.name`."""
    return frozenset(_defined(ast.parse(file.read_text(encoding="utf-8")).body))


def _defined(body: list[ast.stmt], before: str = "") -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield before + node.name
        if isinstance(node, ast.ClassDef):
            yield from _defined(node.body, f"{before}{node.name}.")
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        yield from (before + one.id for one in targets if isinstance(one, ast.Name))


def is_defined(name: str) -> bool:
    """Tell whether `room.module.name` is defined there; a name may also be of a package, or be a module itself."""
    parts = name.split(".")
    for base in (ROOT, ROOT / "orchestrator"):
        for length in range(len(parts), 0, -1):
            stem, rest = base.joinpath(*parts[:length]), ".".join(parts[length:])
            for file in (stem.with_suffix(".py"), stem / "__init__.py"):
                if file.is_file() and (not rest or rest in names_of(file)):
                    return True
    return False


@pytest.mark.parametrize("page", PAGES, ids=lambda one: one.name)
def test_every_path_that_a_page_names_is_there(page: Path) -> None:
    """A file or folder in backticks exists, from the root of the repository."""
    named = [one for found in spans(page) for one in paths_in(found)]
    assert len(named) > 5
    assert [one for one in named if not (ROOT / one).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda one: one.name)
def test_every_function_that_a_page_names_is_there(page: Path) -> None:
    """`room.module.name` is defined in that module, and `name()` in a file that the same line names."""
    unknown = []
    for found in spans(page):
        files = [ROOT / one for one in paths_in(found) if one.endswith(".py")]
        known = frozenset[str]().union(*[names_of(file) for file in files if file.is_file()])
        unknown += [one for one in found if (name := CALLED(one)) and name[1] not in known]
        unknown += [one for one in found if DOTTED(one) and not PATH(one) and not is_defined(one)]
    assert unknown == []


def test_no_part_of_the_house_is_missing_from_the_page() -> None:
    """Each room and module of orchestrator, and what stands beside it, has a row that begins with it."""
    entries = [one for one in (ROOT / "orchestrator").iterdir() if one.name != "__pycache__"]
    wanted = {f"orchestrator/{one.name}{'/' if one.is_dir() else ''}" for one in entries}
    rows = re.findall(r"^\| `([\w/.]+)` \|", ARCHITECTURE.read_text(encoding="utf-8"), re.MULTILINE)
    assert set(rows) == wanted | {"accounts/", "matching/"}


def test_every_wall_is_explained() -> None:
    """Each contract of import-linter has a row, by its own name, and there is no row of one that went."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = [one["name"] for one in project["tool"]["importlinter"]["contracts"]]
    table = ARCHITECTURE.read_text(encoding="utf-8").partition("| contract |")[2].partition("\n\n")[0]
    assert re.findall(r"^\| ([^|]+) \|", table.partition("|---|---|\n")[2], re.MULTILINE) == contracts


def test_the_pages_can_be_found() -> None:
    """README leads to the picture of the house, CONTRIBUTING to all three."""
    assert "(docs/architecture.md)" in (ROOT / "README.md").read_text(encoding="utf-8")
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert all(f"({page.relative_to(ROOT)})" in text for page in PAGES)


def blocks(page: Path, kind: str) -> list[str]:
    """Return the page's blocks of this kind; "" for those that say none."""
    return [text for found, text in BLOCK.findall(page.read_text(encoding="utf-8")) if found == kind]


def write_the_example(folder: Path) -> None:
    """Make the two files of the page, as a reader does."""
    pack, configuration, _ = blocks(CHECKS, "toml")
    (folder / "ours.toml").write_text(pack, encoding="utf-8")
    (folder / "my.toml").write_text(configuration, encoding="utf-8")


def test_the_check_of_the_page_is_read_as_any_other(tmp_path: Path) -> None:
    """The configuration's own reader takes the pack of the example, and the one that includes others."""
    write_the_example(tmp_path)
    (check,) = load(tmp_path / "my.toml", {}).checks
    assert (check.id, check.severity.value, list(map(str, check.ports))) == (
        "web-consoles",
        "high",
        ["tcp/8080-8090"],
    )
    (tmp_path / "ours.toml").write_text(blocks(CHECKS, "toml")[2], encoding="utf-8")
    ids = [one.id for one in load(tmp_path / "my.toml", {}).checks]
    assert {"ssh", "rdp", "databases", "our-agent"} <= set(ids)


def test_every_key_of_a_check_is_explained() -> None:
    """The page's table has each key that a check takes, and no other."""
    table = CHECKS.read_text(encoding="utf-8").partition("| key |")[2].partition("\n\n")[0]
    keys = re.findall(r"`(\w+)`", "".join(re.findall(r"^\| ([^|]+) \|", table, re.MULTILINE)))
    (node,) = [
        one
        for one in ast.parse((ROOT / "orchestrator/policy/checks.py").read_text(encoding="utf-8")).body
        if isinstance(one, ast.ClassDef) and one.name == "Check"
    ]
    assert set(keys) == {one.target.id for one in node.body if isinstance(one, ast.AnnAssign)}  # type: ignore[union-attr]


def test_the_check_is_tried_on_single_rules_as_the_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page's own asserts hold."""
    write_the_example(tmp_path)
    monkeypatch.chdir(tmp_path)
    (tried,) = blocks(CHECKS, "python")
    assert tried.count("assert ") == 3
    exec(compile(tried, str(CHECKS), "exec"), {})  # noqa: S102 (the page's own lines)


def test_the_example_runs_against_the_emulator_as_it_stands(tmp_path: Path) -> None:
    """The commands of the page, in their order, say what the page shows."""
    served, typed = blocks(CHECKS, "")
    with emulated(*served.split()[2:]) as cloud:
        desk = Desk(tmp_path, cloud)
        (tmp_path / "config.toml").unlink()
        write_the_example(tmp_path)
        told = ""
        for line in typed.splitlines():
            ended = desk.shell(line)
            assert ended.code == (1 if line.startswith("sgsweep scan") else 0), f"{line}\n{ended.err}"
            told += ended.out + ended.err
    for shown in blocks(CHECKS, "text"):
        assert shown.strip() in told
    for kept in ("3000/8079", "8091/9999"):
        assert kept in told


def test_the_format_of_the_page_renders_a_run() -> None:
    """The example's renderer tells the headline first, each finding in a row, and each thing that was not seen."""
    module = types.ModuleType("as_markdown")
    (source,) = blocks(FORMAT, "python")
    exec(compile(source, str(FORMAT), "exec"), module.__dict__)  # noqa: S102 (the page's own lines)
    parts: list[str] = []
    run = realistic(60)
    module.render(run, parts.append)
    lines = "".join(parts).splitlines()
    assert "still open" in lines[0]
    assert "could not be read" in lines[0]
    assert len([line for line in lines if line.startswith("| ")]) == 1 + len(list(run.findings()))
    assert len([line for line in lines if line.startswith("- ")]) == len(list(run.unreachable()))
    parts.clear()
    module.render(view(), parts.append)
    assert parts
    assert "markdown" not in FORMATS  # else the page needs another example
