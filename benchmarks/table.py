"""One line of the table, and the table: on the screen, and as RESULTS.md with the machine it was measured on."""

from __future__ import annotations

import operator
import os
import platform
import re
import sqlite3
import ssl
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

_QUIET = 1.0
RESULTS = Path(__file__).parent / "RESULTS.md"
_TARGET = re.compile(r"(<=|<|>=|>)\s*([\d.,]+)\s*(\w*)")
_HOLDS = {"<=": operator.le, "<": operator.lt, ">=": operator.ge, ">": operator.gt}
_PACKAGES = (
    "sgsweep",
    "aiohttp",
    "msgspec",
    "cryptography",
    "alibabacloud-ecs20140526",
    "alibabacloud-tea-openapi",
)


class Row(NamedTuple):
    """One line of the table: a figure, and where there is one, its ratio to what it is compared with.

    Attributes:
        name: what was measured.
        value: the figure; with an empty unit there is none, and the name says why.
        unit: of the value.
        ratio: of the value to what it is compared with.
        target: "<= 1.25" and the like: of the ratio where there is one, of the value where there is none or the
            target has its unit; or just words.
        against: what it is compared with.
    """

    name: str
    value: float
    unit: str
    ratio: float | None = None
    target: str = ""
    against: str = ""

    @property
    def is_met(self) -> bool | None:
        """Tell whether the target is met; None without one."""
        found = _TARGET.match(self.target)
        if found is None:
            return None
        measured = self.value
        if self.ratio is not None and not (found[3] and self.unit.startswith(found[3])):
            measured = self.ratio
        return bool(_HOLDS[found[1]](measured, float(found[2].replace(",", ""))))

    def cells(self) -> tuple[str, str, str, str, str, str]:
        """Return the line as text: name, value, what it is compared with, ratio, target, met."""
        value = f"{_figure(self.value)} {self.unit}" if self.unit else ""
        ratio = "" if self.ratio is None else f"{_figure(self.ratio)}x"
        met = {None: "", True: "yes", False: "**no**"}[self.is_met]
        return self.name, value, self.against, ratio, self.target, met


def _figure(value: float) -> str:
    if value == int(value) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3f}" if abs(value) < 1 else f"{value:.2f}"


def show(rows: Iterable[Row]) -> None:
    """Print the lines of one measurement."""
    for row in rows:
        name, value, against, ratio, target, met = row.cells()
        compared = f"{ratio} {against}".strip()
        print(f"{name:64} {value:>16}  {compared:32} {target:10} {met.strip('*')}".rstrip(), flush=True)


def write(sections: Sequence[tuple[str, str, Sequence[Row]]], seconds: float, busy: float) -> None:
    """Write RESULTS.md.

    Args:
        sections: of each its heading, a sentence or two about how it was measured, and its lines.
        seconds: that all of it took.
        busy: processes of others that were running when it began (the load average).
    """
    others = f"load average {busy:.1f} before it began"
    if busy > _QUIET:
        others += ": others kept the machine busy, so times are too long"
    lines = ["# What `make bench` measured", "", *_machine()]
    lines += [f"- all of it took {seconds / 60:.0f} minutes, {others}", ""]
    rows = [row for *_, section in sections for row in section if row.is_met is not None]
    met = sum(bool(row.is_met) for row in rows)
    lines += [
        f"{met} of {len(rows)} targets are met. A target is of the ratio where there is one, else of the value.",
        "",
    ]
    for name, about, section in sections:
        lines += [f"## {name}", "", about, ""]
        lines += [
            "| measured | value | compared with | ratio | target | met |",
            "|---|---:|---|---:|---|---|",
        ]
        lines += [f"| {' | '.join(row.cells())} |" for row in section]
        lines.append("")
    RESULTS.write_text("\n".join(lines))


def _machine() -> list[str]:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    machine = f"{_processor()}, {os.cpu_count()} cores, {memory:.0f} GB memory; Linux {_kernel()}"
    return [
        f"- {datetime.now(UTC):%Y-%m-%d}; {machine}",
        f"- Python {platform.python_version()}, {ssl.OPENSSL_VERSION}, SQLite {sqlite3.sqlite_version}",
        f"- {', '.join(f'{name} {_version(name)}' for name in _PACKAGES)}",
    ]


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _kernel() -> str:
    return ".".join(platform.release().split(".")[:2])


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
