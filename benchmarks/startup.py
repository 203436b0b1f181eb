"""How long a user waits for `sgsweep --help`: heavy imports wait until their command runs."""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path

from benchmarks.process import SGSWEEP, measure
from benchmarks.table import Row, show

ABOUT = "The median of 15 runs of the installed command, beside an interpreter that does nothing."
_RUNS = 15


def _median(command: list[str]) -> float:
    with tempfile.TemporaryDirectory() as name:
        return statistics.median(measure(command, Path(name), {}).seconds for _ in range(_RUNS))


def run() -> list[Row]:
    """Return the table."""
    bare = _median([sys.executable, "-c", "pass"])
    rows = [Row("python -c pass", bare * 1000, "ms")]
    for options, target in ((["--help"], "< 200"), (["scan", "--help"], "")):
        name = f"sgsweep {' '.join(options)}"
        rows.append(Row(name, _median([SGSWEEP, *options]) * 1000, "ms", target=target))
    return rows


if __name__ == "__main__":
    show(run())
