"""sgsweep beside the scanner that a user would pick instead (`benchmarks.scanner`): one account, then one with quotas.

Both run as processes of their own against the emulator in a third, all on this machine, and are told to look for the
same two ports. The quota is real: 200 calls in each calendar minute, nothing is scaled.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec

from benchmarks import worlds
from benchmarks.emulated import Report
from benchmarks.process import SGSWEEP, Emulated, Measured, configure, emulated, measure
from benchmarks.scanner import Found
from benchmarks.table import Row, show

ABOUT = (
    "One account, 80 ms latency. The scanner: official sync client, a thread per region, at most ten, two calls a "
    "group, errors logged and passed over. Without quotas 24 regions x 100 groups of all kinds. Under a quota of 200 "
    "calls in each calendar minute (in real time, nothing is scaled) 8 regions x 300 groups, every second one open."
)
LATENCY = 0.08
_RULES = "DescribeSecurityGroupAttribute"
_QUOTA = {"limit": 200, "window_seconds": 60.0}


class Result(NamedTuple):
    """What one of the two came to."""

    took: Measured
    report: Report
    open_groups: set[str]
    unread: int

    @property
    def calls(self) -> int:
        """All of them."""
        return sum(self.report.calls.values())


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        configure(Path(name))
        yield Path(name)


def ours(cloud: Emulated, *options: str) -> Result:
    """Scan by the command."""
    with _folder() as folder:
        command = [SGSWEEP, "scan", "--out", "run", "--port", "22", "--port", "3389", *options]
        took = measure(command, folder, cloud.environment, codes=(0, 1))
        lines = (folder / "run" / "findings.jsonl").read_bytes().splitlines()
        summary = msgspec.json.decode((folder / "run" / "summary.json").read_bytes())
    found = [msgspec.json.decode(line) for line in lines]
    groups = {
        one["security_group_id"] for one in found if one["verdict"] == "fail" and one["status"] != "shadowed"
    }
    return Result(took, cloud.report(), groups, summary["unreachable"])


def theirs(cloud: Emulated) -> Result:
    """Scan by the baseline."""
    with _folder() as folder:
        # its modules are found from here; the folder is only where it writes what it says
        environment = {**cloud.environment, "PYTHONPATH": str(Path(__file__).parent.parent)}
        command = [sys.executable, "-m", "benchmarks.scanner", cloud.url.removeprefix("http://")]
        took = measure(command, folder, environment)
    found = msgspec.json.decode(took.output, type=Found)
    return Result(took, cloud.report(), set(found.open_groups), found.unread_groups)


def _without_quota() -> list[Row]:
    with emulated("realistic", LATENCY, accounts=0, regions=24, groups=100) as cloud:
        scanner, plain, full = theirs(cloud), ours(cloud, "--no-exposure"), ours(cloud)
    missed, mistaken = plain.open_groups - scanner.open_groups, scanner.open_groups - plain.open_groups
    return [
        Row("the scanner, 2,400 groups", scanner.took.seconds, "s"),
        _faster("sgsweep scan --no-exposure, the same", plain, scanner, ">= 10"),
        _faster("sgsweep scan, which also reads and weighs interfaces", full, scanner),
        Row("the scanner's calls", scanner.calls, "calls"),
        _calls("sgsweep's calls for the rules of groups", plain, scanner, "<= 0.5", _RULES),
        _calls("all its calls, prefix and port lists with them", plain, scanner),
        _calls("all its calls, interfaces with them", full, scanner),
        Row("groups that only sgsweep sees failing", len(missed), "groups"),
        Row("groups that only the scanner takes for open", len(mistaken), "groups"),
    ]


def _faster(name: str, swept: Result, scanner: Result, target: str = "") -> Row:
    return Row(name, swept.took.seconds, "s", scanner.took.seconds / swept.took.seconds, target, "as fast")


def _calls(name: str, swept: Result, scanner: Result, target: str = "", only: str = "") -> Row:
    calls, theirs_ = (one.report.calls[only] if only else one.calls for one in (swept, scanner))
    return Row(name, calls, "calls", calls / theirs_, target, "of the scanner's")


def _with_quota() -> list[Row]:
    world = worlds.uniform(1, 8, 300, 10)
    truth = {
        group.security_group_id for _, _, group in world.groups() if group.rules[0].port_range == "22/22"
    }
    with emulated("uniform", LATENCY, _QUOTA, accounts=1, regions=8, groups=300, rules=10) as cloud:
        scanner = theirs(cloud)
    with emulated("uniform", LATENCY, _QUOTA, accounts=1, regions=8, groups=300, rules=10) as cloud:
        swept = ours(cloud, "--no-exposure")
    lost, ours_lost = len(truth - scanner.open_groups), len(truth - swept.open_groups)
    return [
        Row(f"200 calls a minute, {len(truth):,} groups open: the scanner", scanner.took.seconds, "s"),
        Row("open groups that it passes", lost, "groups", lost / len(truth), "", "of the open ones"),
        Row("groups whose rules it never read", scanner.unread, "groups"),
        Row("sgsweep scan", swept.took.seconds, "s"),
        Row("open groups that sgsweep passes", ours_lost + swept.unread, "groups", target="<= 0"),
        Row("sgsweep's throttled calls, nothing learned", sum(swept.report.throttled.values()), "calls"),
    ]


def run() -> list[Row]:
    """Return the table."""
    return [*_without_quota(), *_with_quota()]


if __name__ == "__main__":
    show(run())
