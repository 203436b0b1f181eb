"""Parts of the tests, for a machine that has not the time for all of them."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.parts import Part


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_the_parts_are_all_tests_each_once(count: int) -> None:
    """Every test is in one part, and each part holds about as many."""
    names = [f"tests/test_x.py::test_{n}[{n % 5}]" for n in range(700)]
    parts = [{name for name in names if Part(f"{k}/{count}").holds(name)} for k in range(1, count + 1)]
    assert sorted(name for part in parts for name in part) == sorted(names)
    assert all(0.7 < len(part) * count / len(names) < 1.3 for part in parts)


@pytest.mark.parametrize("text", ["", "2", "0/3", "4/3", "-1/3", "1/x", "1/0"])
def test_what_is_no_part_is_refused(text: str) -> None:
    """A slip must not run nothing, or everything, in silence."""
    with pytest.raises(pytest.UsageError, match="K/N"):
        Part(text)


def test_pytest_runs_the_part_it_is_asked_for() -> None:
    """Collected are the tests of this file that are in the part, and no others."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--collect-only", "-qq", __file__]
    halves = []
    for part in ("1/2", "2/2"):
        ended = subprocess.run([*command, "--part", part], capture_output=True, text=True, check=True)  # noqa: S603
        halves.append(ended.stdout)
    assert all("test_parts.py" in half for half in halves)
    counts = [int(half.strip().rpartition(" ")[2]) for half in halves]
    assert sum(counts) == 12
