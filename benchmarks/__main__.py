"""Measures: `python -m benchmarks` all of it, ten minutes, into RESULTS.md; or only what is named.

Each measurement is a module with `run() -> rows` and, where it says more than its first line, `ABOUT`.
"""

from __future__ import annotations

import gc
import importlib
import os
import sys
import time
from collections.abc import Sequence
from types import ModuleType

from benchmarks.table import RESULTS, Row, show, write

NAMES = {
    "call": "A call",
    "judgement": "Judging",
    "plan": "Planning",
    "journal": "The journal",
    "startup": "Starting",
    "cold_start": "A cold start of the function",
    "sweep": "A sweep against its bound",
    "neighbour": "A good neighbour",
    "baseline": "What a user would pick instead",
    "apply": "Changing",
    "scan": "A whole scan",
    "memory": "Memory",
    "organization": "An organization",
    "close": "An incident",
    "scale": "Scale",
}
"""The measurements and their headings, in the order of the table."""


def _measure(name: str) -> tuple[str, str, Sequence[Row]]:
    print(f"\n{NAMES[name]}", flush=True)
    module = importlib.import_module(f"benchmarks.{name}")
    began = time.perf_counter()
    rows: Sequence[Row] = list(module.run())
    show(rows)
    print(f"({time.perf_counter() - began:.0f} s)", flush=True)
    gc.collect()
    return NAMES[name], getattr(module, "ABOUT", _first_paragraph(module)), rows


def _first_paragraph(module: ModuleType) -> str:
    return " ".join((module.__doc__ or "").partition("\n\n")[0].split())


def main(names: Sequence[str]) -> int:
    """Measure what is named, or all; return the exit code: 2 if a name is not known."""
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        print(f"unknown: {', '.join(unknown)}; known are {', '.join(NAMES)}", file=sys.stderr)
        return 2
    began, busy = time.perf_counter(), os.getloadavg()[0]
    sections = [_measure(name) for name in names or NAMES]
    missed = [row.name for *_, rows in sections for row in rows if row.is_met is False]
    print(f"\n{len(missed)} targets missed{': ' if missed else ''}{'; '.join(missed)}")
    if not names:
        write(sections, time.perf_counter() - began, busy)
        print(f"written to {RESULTS.relative_to(RESULTS.parent.parent)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
