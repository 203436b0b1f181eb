"""A run that may not go without a browser fails where it has none; any other skips, and says why."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.needs import SIGNS, VARIABLE

ROOT = Path(__file__).parents[1]
SKIPPED = """
import pytest

@pytest.mark.skipif(True, reason="no browser here: none is on PATH")
def test_by_mark(): ...

def test_within():
    pytest.skip("there is no terraform on PATH; nothing is checked here")

def test_of_something_else():
    pytest.skip("only root may do that")
"""


def run(folder: Path, needs: str) -> tuple[int, str]:
    """Run three tests that skip, in a project that needs these."""
    (folder / "conftest.py").write_text("from tests.needs import pytest_runtest_makereport\n")
    (folder / "test_skipped.py").write_text(SKIPPED)
    ran = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull, str(folder)],
        env={**os.environ, "PYTHONPATH": str(ROOT), VARIABLE: needs},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return ran.returncode, ran.stdout + ran.stderr


@pytest.mark.parametrize(
    ("needs", "code", "summary"),
    [
        ("", 0, "3 skipped"),
        ("axe-core, chromium", 1, "2 skipped"),
        ("chromium, terraform", 1, "1 skipped"),
    ],
)
def test_a_skip_for_want_of_what_is_needed_fails(tmp_path: Path, needs: str, code: int, summary: str) -> None:
    """It names what is missing; a skip for another reason stays one."""
    ended, told = run(tmp_path, needs)
    assert (ended, summary in told) == (code, True), told
    assert ("chromium is needed here" in told) == ("chromium" in needs)


def test_what_nobody_knows_cannot_be_needed(tmp_path: Path) -> None:
    """A name that is misspelled would never fail anything."""
    ended, told = run(tmp_path, "chrome")
    assert ended != 0
    assert "SGSWEEP_CI_NEEDS names 'chrome'; known are chromium, axe-core, terraform" in told


@pytest.mark.parametrize("name", SIGNS)
def test_what_can_be_needed_is_what_tests_skip_for(name: str) -> None:
    """The words by which a skip is known are those of a test."""
    sources = [path.read_text(encoding="utf-8") for path in ROOT.glob("tests/*/*.py")]
    assert any(SIGNS[name] in text for text in sources)
