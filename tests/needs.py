"""What a run may not go without: there a skip for the want of it is a failure, so that nobody takes it for a pass.

`make test` promises no browser and no terraform, and says what it skips for their want. `.ci/run` installs what can be
installed, and names it in SGSWEEP_CI_NEEDS.
"""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest

VARIABLE = "SGSWEEP_CI_NEEDS"
SIGNS = {"chromium": "no browser here", "axe-core": "no axe-core here", "terraform": "no terraform on PATH"}
"""What can be needed, and how a skip for the want of it begins."""


def needed() -> list[str]:
    """Return what this run may not go without, by SGSWEEP_CI_NEEDS: names with commas between them.

    Raises:
        pytest.UsageError: a name that no skip knows.
    """
    names = [name.strip() for name in os.environ.get(VARIABLE, "").split(",") if name.strip()]
    for name in names:
        if name not in SIGNS:
            raise pytest.UsageError(f"{VARIABLE} names {name!r}; known are {', '.join(SIGNS)}")
    return names


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Make a skip for the want of something that is needed a failure."""
    report = yield
    if report.skipped and isinstance(report.longrepr, tuple):
        reason = report.longrepr[2]
        for name in needed():
            if SIGNS[name] in reason:
                report.outcome = "failed"
                report.longrepr = f"{name} is needed here ({VARIABLE}), and it is not here: {reason}"
    return report
