"""What every test shares."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from tests.needs import needed, pytest_runtest_makereport  # noqa: F401 - pytest finds a hook by its name
from tests.parts import Part


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take which tests are run, and how long the campaigns of `make soak` go on; more by `make soak ARGS=...`."""
    parser.addoption("--part", default="1/1", help="K/N: this part of the tests alone")
    parser.addoption("--traffic-minutes", default="3", help="how long doors of random worlds are asked for")
    parser.addoption("--lie-minutes", default="4", help="how long a cloud lies to scan, close and verify")
    parser.addoption(
        "--owner-minutes", default="5", help="how long owners meddle with apply, close and rollback"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is not in the part that was asked for."""
    part = Part(config.getoption("part"))
    others = [item for item in items if not part.holds(item.nodeid)]
    config.hook.pytest_deselected(items=others)
    items[:] = [item for item in items if part.holds(item.nodeid)]


def pytest_configure() -> None:
    """Refuse a need that no test knows, before any test runs."""
    needed()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say of each campaign how much it tried."""
    for report in terminalreporter.getreports("passed"):
        for name, text in report.user_properties:
            if name == "campaign":
                terminalreporter.write_line(f"{text} ({report.nodeid})")
    _name_the_failed(terminalreporter)


def _name_the_failed(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell `.ci/run` which tests failed: it says so in its last lines, which are what is kept of a long output."""
    path = os.environ.get("SGSWEEP_CI_FAILED")
    if path:
        failed = [*terminalreporter.getreports("failed"), *terminalreporter.getreports("error")]
        Path(path).write_text("".join(f"{one.nodeid}\n" for one in failed), encoding="utf-8")


@pytest.fixture(scope="session", autouse=True)
def no_stray_loop() -> None:
    """Leave no loop unclosed: looptime asks for one before each sync test too, and would make it."""
    asyncio.set_event_loop(None)


@pytest.fixture(scope="session", autouse=True)
def usual_mask() -> None:
    """Let nobody else write what a test makes: some masks let the group, and such a file of a run is refused."""
    os.umask(0o022)


@pytest.fixture(autouse=True)
def logs_of_its_own() -> Iterator[None]:
    """Let no command that was run within a test say where the next one's events go."""
    yield
    structlog.reset_defaults()
