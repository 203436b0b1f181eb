"""What changing costs: 10,000 rules in 2,000 groups, by `scan`, `plan` and `apply` as a user runs them."""

from __future__ import annotations

import tempfile
from pathlib import Path

import msgspec

from benchmarks.process import SGSWEEP, configure, emulated, measure
from benchmarks.table import Row, show

ABOUT = (
    "50 accounts x 4 regions x 10 groups with five risky rules each, four to revoke and one to split, over sockets "
    "against the emulator in another process, 20 ms latency, no quota. A group is read, added to, read again, revoked "
    "from in one batch, and read a last time; each look lists it, too, which is counted apart, as are the network "
    "interfaces of a region. Entering an account and proving where one is come once an account."
)
PORTS = ["22/22", "3389/3389", "6379/6379", "3306/3306", "20/23"]
GROUPS = 2000


def run() -> list[Row]:
    """Return the table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        configure(folder)
        with emulated("risky", 0.02, accounts=50, regions=4, groups=10, ports=PORTS) as cloud:
            measure([SGSWEEP, "scan", "--out", "run"], folder, cloud.environment, codes=(1,))
            planned = measure([SGSWEEP, "plan", "run"], folder, cloud.environment)
            cloud.report()
            plan = msgspec.json.decode((folder / "run" / "plan.json").read_bytes())
            command = [SGSWEEP, "apply", "run/plan.json", "--digest", plan["digest"], "--yes"]
            applied = measure(command, folder, cloud.environment)
            report = cloud.report()
            verified = measure([SGSWEEP, "verify", "run"], folder, cloud.environment)
    changes = len(plan["actions"])
    calls = [report.by_group[group] for group in {one["security_group_id"] for one in plan["actions"]}]
    assert len(calls) == GROUPS
    return [
        Row("rules changed", changes, "rules"),
        Row("calls for a group, on average", sum(calls) / len(calls), "calls", target="<= 5"),
        Row("calls for a group, at most", max(calls), "calls", target="<= 5"),
        Row(
            "all calls, entering accounts and proving the way back included",
            sum(report.calls.values()),
            "calls",
        ),
        Row("`sgsweep plan`", planned.seconds, "s"),
        Row("`sgsweep apply`", applied.seconds, "s"),
        Row("CPU a change, calls and journal and all", applied.cpu / changes * 1000, "ms"),
        Row("memory at its peak", applied.peak_mb, "MB"),
        Row("`sgsweep verify`", verified.seconds, "s"),
    ]


if __name__ == "__main__":
    show(run())
