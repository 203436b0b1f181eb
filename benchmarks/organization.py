"""A whole organization for real: `sgsweep scan` against the emulator, each in a process of its own, over sockets.

1,500 members and the management account, 28 regions, about 60,000 groups, 50 ms latency, 200 calls a minute for each
account x region x API; everything at its default: half of a learned quota, interfaces read where a group fails.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import msgspec

from benchmarks import worlds
from benchmarks.emulated import Report
from benchmarks.process import SGSWEEP, configure, emulated, measure
from benchmarks.table import Row, show
from orchestrator.emulator import World

ABOUT = (
    "`sgsweep scan` at its defaults (half of a learned quota, network interfaces read where a group fails) against the "
    "emulator in another process, over sockets, on the same 2 cores: 1,501 accounts, 28 regions, about 60,000 groups, "
    "50 ms latency, 200 calls a minute for each account x region x API."
)
MEMBERS = 1500
THROTTLE = {"limit": 200, "window_seconds": 60.0}
LATENCY = 0.05


class Made:
    """What the world holds, counted from the world itself."""

    def __init__(self, world: World) -> None:
        self.accounts = len(world.account_ids)
        self.regions = len(world.region_ids)
        self.groups = self.rules = self.rule_pages = self.further_lists = 0
        by_region: dict[tuple[str, str], int] = {}
        for account_id, region_id, group in world.groups():
            by_region[account_id, region_id] = by_region.get((account_id, region_id), 0) + 1
            self.groups += 1
            self.rules += len(group.rules)
            self.rule_pages += -(-len(group.rules) // 1000)
        self.further_lists = sum((count - 1) // 100 for count in by_region.values())

    @property
    def calls(self) -> int:
        """ECS calls that a sweep must make: accounts x (1 + regions), groups that have rules, further pages."""
        return self.accounts * (1 + self.regions) + self.further_lists + self.rule_pages


def run() -> list[Row]:
    """Return the table."""
    made = Made(worlds.generated(MEMBERS))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        configure(folder)
        with emulated("generated", LATENCY, THROTTLE, accounts=MEMBERS) as cloud:
            took = measure([SGSWEEP, "scan", "--out", "run"], folder, cloud.environment, codes=(1,))
            report = cloud.report()
        summary = msgspec.json.decode((folder / "run" / "summary.json").read_bytes())
    seen = summary["security_groups"]
    return [
        Row("accounts x regions", made.accounts * made.regions, "pairs"),
        Row("groups", made.groups, "groups"),
        Row("`sgsweep scan`, from start to report", took.seconds, "s", target="<= 180"),
        Row("memory at its peak", took.peak_mb, "MB", target="<= 300"),
        Row("CPU of it", took.cpu, "s", took.cpu / took.seconds, against="of the time"),
        Row("groups not seen", made.groups - seen + summary["unreachable"], "groups", target="<= 0"),
        *_calls(made, report),
    ]


def _calls(made: Made, report: Report) -> list[Row]:
    formula = ("DescribeRegions", "DescribeSecurityGroups", "DescribeSecurityGroupAttribute")
    refused = sum(report.throttled.values())
    reads = sum(report.calls[action] - report.throttled[action] for action in formula)
    lists = sum(
        report.calls.get(one, 0) for one in ("DescribePrefixListAttributes", "DescribePortRangeListEntries")
    )
    behind = sum(report.calls.get(one, 0) for one in ("DescribeNetworkInterfaces", "DescribeInstances"))
    everything = sum(report.calls.values())
    return [
        Row("calls for regions, groups and rules", reads, "calls", reads / made.calls, "<= 1", "the formula"),
        Row("calls for prefix and port lists, each once", lists, "calls"),
        Row("calls for interfaces, where a group fails", behind, "calls"),
        Row("calls that were throttled", refused, "calls", refused / everything, "", "of all"),
    ]


if __name__ == "__main__":
    show(run())
