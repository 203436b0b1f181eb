"""A whole scan beside its calls made bare: what judging, writing and telling cost beyond HTTP."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

from benchmarks.process import SGSWEEP, Emulated, Measured, configure, emulated, measure
from benchmarks.table import Row, show

ABOUT = (
    "`sgsweep scan --no-exposure` of one account, 4 regions x 4,000 groups of 8 rules, one group in ten open, against "
    "the emulator in another process, no latency, no quota; beside it the same reads of rules by one aiohttp session "
    "with json.loads, each request signed before the clock starts. CPU of either process, start and imports included "
    "for the scan; the best of three, turn about."
)
ACCOUNTS, REGIONS, GROUPS, RULES, RISKY_EVERY = 1, 4, 4000, 8, 10
TURNS = 3
IN_FLIGHT = "64"


def _scan(cloud: Emulated, folder: Path, name: str) -> tuple[Measured, int]:
    """Scan; return what it took and how many calls it made."""
    took = measure([SGSWEEP, "scan", "--no-exposure", "--out", name], folder, cloud.environment, codes=(1,))
    return took, sum(cloud.report().calls.values())


def _groups(folder: Path) -> tuple[str, dict[str, list[str]]]:
    """Return the account and the groups of each region, as a scan has seen them."""
    regions: dict[str, list[str]] = {}
    with closing(sqlite3.connect(folder / "journal.sqlite")) as db:
        rows = db.execute("SELECT account_id, region_id, security_group_id FROM security_group").fetchall()
    for _, region_id, group_id in rows:
        regions.setdefault(region_id, []).append(group_id)
    return rows[0][0], regions


def _bare(cloud: Emulated, account_id: str, regions: dict[str, list[str]]) -> float:
    """Make the reads of rules bare; return the CPU seconds of one."""
    done = subprocess.run(  # noqa: S603 - our own module
        [sys.executable, "-m", "benchmarks.bare", cloud.url, account_id, IN_FLIGHT],
        input=json.dumps(regions),
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **cloud.environment},
    )
    cloud.report()
    found = json.loads(done.stdout)
    return float(found["cpu"] / found["calls"])


def run() -> list[Row]:
    """Return the table."""
    scans, bares, calls = [], [], 0
    with (
        tempfile.TemporaryDirectory() as name,
        emulated(
            "uniform",
            accounts=ACCOUNTS,
            regions=REGIONS,
            groups=GROUPS,
            rules=RULES,
            risky_every=RISKY_EVERY,
        ) as cloud,
    ):
        folder = Path(name)
        configure(folder)
        for turn in range(TURNS):
            took, calls = _scan(cloud, folder, f"run{turn}")
            scans.append(took.cpu / calls)
            bares.append(_bare(cloud, *_groups(folder / f"run{turn}")))
    scan, bare = min(scans), min(bares)
    return [
        Row("an aiohttp POST + json.loads, 8 rules", bare * 1e6, "us CPU"),
        Row(
            "a whole scan, for each of its calls",
            scan * 1e6,
            "us CPU",
            scan / bare,
            "<= 2.5",
            "its calls bare",
        ),
        Row("calls of the scan", calls, "calls"),
    ]


if __name__ == "__main__":
    show(run())
