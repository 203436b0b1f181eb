"""An incident: `sgsweep close 6379` in 1,200 accounts, for real. When is the first port shut, when the last?

The times are the emulator's: of every call that took a rule away, from the moment the command was started.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path

import msgspec

from benchmarks.process import SGSWEEP, configure, emulated, measure
from benchmarks.table import Row, show

ABOUT = (
    "`sgsweep close 6379 --incident INC-1 --yes` against the emulator in another process, over sockets, in real time, "
    "on the same machine: 1,200 members and the management account, 28 regions, about 48,000 groups, 50 ms latency, "
    "200 calls a minute for each account x region x API. Times are the emulator's, from the start of the command."
)
MEMBERS = 1200
LATENCY = 0.05
THROTTLE = {"limit": 200, "window_seconds": 60.0}
_COMMAND = ["close", "6379", "--incident", "INC-1", "--out", "run", "--yes"]


def run() -> list[Row]:
    """Return the table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        configure(folder)
        with emulated("generated", LATENCY, THROTTLE, accounts=MEMBERS) as cloud:
            took = measure([SGSWEEP, *_COMMAND], folder, cloud.environment, codes=(0, 1, 3))
            report = cloud.report()
        outcomes = _outcomes(folder / "run" / "outcomes.jsonl")
    at = [when - took.began_at for when in report.changed_at]
    failed = outcomes["failed"] + outcomes["drifted"]
    return [
        Row("calls that closed something", len(at), "calls"),
        Row("rules closed", outcomes.total() - outcomes["skipped"] - failed, "rules"),
        Row("first closure", at[0], "s", target="<= 15"),
        Row("half of them", at[len(at) // 2], "s"),
        Row("95 % of them", at[int(len(at) * 0.95)], "s", target="<= 300"),
        Row("all of them", at[-1], "s", target="<= 600"),
        Row("until the command ended", took.seconds, "s"),
        Row("changes that failed", failed, "rules", target="<= 0"),
        Row("memory at its peak", took.peak_mb, "MB"),
    ]


def _outcomes(path: Path) -> Counter[str]:
    return Counter(msgspec.json.decode(line)["outcome"] for line in path.read_bytes().splitlines())


if __name__ == "__main__":
    show(run())
