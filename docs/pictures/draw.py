"""Draws the pictures of the README from real runs against the emulator: `make pictures`.

Needs Chromium for the report, and a font with Chinese for the Chinese one (Debian: chromium, fonts-noto-cjk). It is
run by hand when what they show has changed: a picture that a test compares would differ with every font.
"""

from __future__ import annotations

import asyncio
import io
import re
import sys
import tempfile
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console  # noqa: TID251 - it draws a file, no terminal
from rich.text import Text

from tests.cli.desk import Desk, emulated
from tests.report.browser import browser, executable

HERE = Path(__file__).parent
_ORGANIZATION = ("--accounts", "24", "--seed", "7")
_COLUMNS = 124  # of the terminal: what is longer is wrapped there, too
_SIZE = (1280, 1180)  # of the window, in pixels: the head of a report, and what is open
_MOST_BYTES = 300_000
_BAD = re.compile(r"^(NOT |\d[\d,]* open findings)")
_PROGRESS = re.compile(r"^\w+: \d+/\d+ accounts")
RUN = "runs/monday"
_STYLES = (("$ ", "bold"), ("next: ", "cyan"), ("complete: ", "green"), ("changes: ", "green"))


def main() -> int:
    """Draw all, and say how large each became; 1 where one is too large for a README."""
    if executable() is None:
        print("there is no Chromium on the path; Debian's package is called chromium")  # noqa: T201 - a tool
        return 2
    with tempfile.TemporaryDirectory() as name, emulated(*_ORGANIZATION) as cloud:
        desk = Desk(Path(name), cloud)
        said = asked(desk, "scan", "--out", RUN)
        for picture, made in asyncio.run(reports(desk)).items():  # before anything is closed
            (HERE / picture).write_bytes(made)
        said += asked(desk, "plan", RUN, "--quiet")
        digest = said[-2]
        said += asked(desk, "apply", f"{RUN}/plan.json", "--digest", digest, "--yes")
        said += asked(desk, "verify", RUN)
        (HERE / "terminal.svg").write_text(drawn(said[:-1]), encoding="utf-8")
    sizes = {
        path.name: path.stat().st_size for path in sorted(HERE.iterdir()) if path.suffix in {".png", ".svg"}
    }
    for picture, size in sizes.items():
        print(f"{picture}: {size:,} bytes")  # noqa: T201 - a tool
    return 1 if max(sizes.values()) > _MOST_BYTES else 0


def asked(desk: Desk, *words: str) -> list[str]:
    """Run the command, and return it and what it said; of the progress the last line, as a terminal shows it."""
    ended = desk.sgsweep(*words)
    lines = (ended.err + ended.out).rstrip().splitlines()
    progress = [number for number, line in enumerate(lines) if _PROGRESS.match(line)]
    kept = [line for number, line in enumerate(lines) if number not in progress[:-1]]
    return [f"$ sgsweep {' '.join(words)}", *kept, ""]


def drawn(lines: list[str]) -> str:
    """Return a terminal with these lines, as SVG that asks nobody for a font."""
    console = Console(record=True, width=_COLUMNS, file=io.StringIO())
    for line in lines:
        console.print(Text(line, style=_style(line)))
    template = re.sub(r"@font-face \{\{.*?\}\}\s*|<!--.*?-->", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    return console.export_svg(title="sgsweep", code_format=template)


def _style(line: str) -> str:
    if _BAD.match(line):
        return "bold red"
    return next((style for begins, style in _STYLES if line.startswith(begins)), "")


async def reports(desk: Desk) -> dict[str, bytes]:
    """Return the report of the run in each language, as it opens, by the picture's name."""
    made: dict[str, bytes] = {}
    async with browser() as page:
        await page.size(*_SIZE)
        await page.scheme("light")
        for language, name in (("en", "report.png"), ("zh-CN", "report.zh-CN.png")):
            told = desk.sgsweep("report", RUN, "--language", language)
            await page.open(desk.configure(told.out, f"{language}.html"))
            made[name] = await page.picture()
    return made


if __name__ == "__main__":
    sys.exit(main())
