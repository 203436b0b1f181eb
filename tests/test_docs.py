"""What the documents show is what the command takes."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest
import typer

from orchestrator.cli.commands import app

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "README.zh-CN.md", *sorted((ROOT / "docs").glob("*.md"))]


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
    command = known[subcommands[0]]
    if len(subcommands) > 1 and hasattr(command, "commands"):
        assert subcommands[1] in command.commands, f"{page}: {shown}"
        command = command.commands[subcommands[1]]
    taken = {
        option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)
    }
    assert set(options) <= taken | {"--help", "-h"}, f"{page}: {shown}"


def test_every_subcommand_takes_the_configuration_on_both_sides() -> None:
    """`-c` is accepted before and after every subcommand, and between a group and its own."""
    group = typer.main.get_command(app)
    commands = dict(group.commands)  # type: ignore[attr-defined]  # it is a group
    for name, one in group.commands.items():  # type: ignore[attr-defined]  # the same
        commands.update({f"{name} {of}": inner for of, inner in getattr(one, "commands", {}).items()})
    assert "config check" in commands
    for name, command in commands.items():
        options = {option for parameter in command.params for option in parameter.opts}
        assert "-c" in options, name


def test_the_exit_codes_of_the_readme_are_all_there() -> None:
    """The table names the six codes of the contract."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| (\d) \|", text, re.MULTILINE) == ["0", "1", "2", "3", "4", "5"]


def anchors(page: Path) -> set[str]:
    """Return what a link may point to in a page: its headings, as they are spelled in an address."""
    heads = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize(
    "page", [*PAGES, ROOT / "SECURITY.md", ROOT / "CONTRIBUTING.md"], ids=lambda one: one.name
)
def test_every_link_leads_somewhere(page: Path) -> None:
    """A file that is there, and in it a heading of that name."""
    text = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    for link in links:
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_the_pictures_of_the_readme_are_there() -> None:
    """A terminal and the report, each told in words, too; small enough for a README, and asking nobody for anything."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = dict(re.findall(r"!\[([^\]]+)\]\(([^)]+)\)", text))
    assert {"docs/pictures/terminal.svg", "docs/pictures/report.png"} <= set(shown.values())
    for name in shown.values():
        assert (ROOT / name).stat().st_size < 300_000, name
    drawn = (ROOT / "docs/pictures/terminal.svg").read_text(encoding="utf-8")
    assert not re.search(r"(?:href|url\(|src)\W*https?:", drawn)


CHINESE = ROOT / "README.zh-CN.md"


def parts_of(page: Path) -> dict[str, object]:
    """Return what a README has in common with its translation: what is code, and how it is built."""
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(r"```\w*\n.*?```", text, re.DOTALL)
    bare = re.sub(r"```\w*\n.*?```", "", text, flags=re.DOTALL)
    links = [link.replace(".zh-CN.png", ".png") for link in re.findall(r"\]\(([^)\s]+)\)", bare)]
    return {
        "blocks": blocks,
        "code": Counter(re.findall(r"`([^`\n]+)`", bare)),
        "headings": re.findall(r"^(#+) ", bare, re.MULTILINE),
        "rows": [line.count(" | ") for line in bare.splitlines() if line.startswith("| ")],
        "points": len(re.findall(r"^- \*\*", bare, re.MULTILINE)),
        "links": Counter("#" if link.startswith("#") else link for link in links if "README" not in link),
        "numbers": sorted(re.findall(r"\d[\d,.]*\d", re.sub(r"`[^`\n]+`|\]\([^)]*\)", "", bare))),
        "paragraphs": len(re.findall(r"\n\n(?=[^|#\n-])", bare)),
    }


def test_the_chinese_readme_says_the_same() -> None:
    """The same blocks, commands, words of code, headings, rows, links and numbers; each leads to the other."""
    english, chinese = parts_of(ROOT / "README.md"), parts_of(CHINESE)
    for part, found in english.items():
        assert chinese[part] == found, part
    assert "(README.zh-CN.md)" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert "(README.md)" in CHINESE.read_text(encoding="utf-8")


def test_how_to_report_a_vulnerability_is_told() -> None:
    """The README leads there, and it says how to report, what is promised, what is not, and of which versions."""
    heads = re.findall(r"^## (.*)$", (ROOT / "SECURITY.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert heads == ["Reporting a vulnerability", "What is promised", "What is not", "Supported versions"]
    assert "(SECURITY.md)" in (ROOT / "README.md").read_text(encoding="utf-8")


def installing() -> list[str]:
    """Return the lines of the documents that install anything."""
    pages = [*PAGES, ROOT / "CONTRIBUTING.md", *sorted((ROOT / "terraform").rglob("*.md"))]
    lines = [line for page in pages for line in page.read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if " pip install " in line]


def test_what_is_installed_is_pinned_by_hash() -> None:
    """Packages come from the pinned files alone; sgsweep itself brings none, and is built by what is pinned, too."""
    found = installing()
    assert found
    for line in found:
        words = shlex.split(line[line.index(" pip install ") :])[2:]
        files = [words[place + 1] for place, word in enumerate(words) if word == "-r"]
        if "--require-hashes" in words:
            assert set(words) == {"--require-hashes", "-r", *files}, line
            assert all("--hash=sha256:" in (ROOT / name).read_text(encoding="utf-8") for name in files), line
        else:
            assert words == ["--no-deps", "--no-build-isolation", "."], line
    assert "requirements/build.txt -r requirements/run.txt" in found[0]


@pytest.mark.soak
def test_the_readme_installs(tmp_path: Path) -> None:
    """The lines under "Install", run as they stand in a checkout, end in a command that works."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    block = re.search(r"## Install\n.*?```\n(.*?)```", text, re.DOTALL)
    assert block
    checkout = tmp_path / "checkout"
    shutil.copytree(ROOT, checkout, ignore=shutil.ignore_patterns(".*", "dist", "tests", "benchmarks"))
    ran = subprocess.run(  # noqa: S603 - the README's own lines
        ["/bin/sh", "-euc", block[1]], cwd=checkout, capture_output=True, text=True, check=False, timeout=600
    )
    assert ran.returncode == 0, ran.stderr
    assert "scan" in ran.stdout + ran.stderr
