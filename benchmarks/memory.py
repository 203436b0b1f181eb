"""Memory while a million rules pass through: what is held is what is under way, not what was read."""

from __future__ import annotations

import tempfile
from pathlib import Path

import msgspec

from benchmarks.process import SGSWEEP, Measured, configure, emulated, measure
from benchmarks.table import Row, show

ABOUT = (
    "`sgsweep scan` at its defaults against the emulator in another process, over sockets, 50 ms latency, no quota: "
    "10 accounts x 4 regions, groups of 100 rules, every second group fails. Memory is the process's high-water mark."
)
LATENCY = 0.05
ACCOUNTS, REGIONS, RULES = 10, 4, 100


def _scan(groups: int) -> tuple[Measured, int]:
    """Scan a world with so many groups in each region; return what it took and the rules that were read."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        configure(folder)
        with emulated(
            "uniform", LATENCY, accounts=ACCOUNTS, regions=REGIONS, groups=groups, rules=RULES
        ) as cloud:
            took = measure([SGSWEEP, "scan", "--out", "run"], folder, cloud.environment, codes=(1,))
        summary = msgspec.json.decode((folder / "run" / "summary.json").read_bytes())
    assert summary["complete"]
    return took, summary["rules"]


def run() -> list[Row]:
    """Return the table."""
    few, few_rules = _scan(25)
    many, many_rules = _scan(250)
    return [
        Row(f"{few_rules:,} rules", few.peak_mb, "MB"),
        Row(f"{many_rules:,} rules", many.peak_mb, "MB", target="< 200"),
        Row(
            "ten times the rules",
            many.peak_mb,
            "MB",
            many.peak_mb / few.peak_mb,
            "<= 1.15",
            "a tenth of them",
        ),
        Row("CPU a rule, from the socket into the journal", many.cpu / many_rules * 1e6, "us"),
    ]


if __name__ == "__main__":
    show(run())
