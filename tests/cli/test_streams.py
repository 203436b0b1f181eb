"""Pipes that break, disks that are full, terminals that are narrow, encodings that know little."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.cli.desk import Desk
from tests.cli.terminal import on_terminal

ASCII = {
    "LC_ALL": "C",
    "LANG": "C",
    "PYTHONUTF8": "0",
    "PYTHONCOERCECLOCALE": "0",
    "PYTHONIOENCODING": "ascii",
}


@pytest.fixture
def run(desk: Desk, planned: tuple[Path, str]) -> Path:
    """A copy of the planned run in the desk's folder."""
    return shutil.copytree(planned[0], desk.folder / "run")


def test_a_reader_who_leaves_and_a_full_disk(desk: Desk, run: Path) -> None:
    """Who leaves has had enough: no word. A full disk is one sentence and 2, not 1, which would say findings."""
    reading, writing = os.pipe()
    os.close(reading)  # nobody reads from the start, so that no buffer takes it all
    left = desk.shell(f"sgsweep report run >&{writing}", keep=(writing,))
    os.close(writing)
    assert (left.code, left.err) == (0, "")
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full on this system; a full disk is not tried")
    full = desk.shell("sgsweep checks >/dev/full")
    assert (full.code, full.err) == (2, "sgsweep: the output could not be written: No space left on device\n")


def test_streams_that_are_closed(desk: Desk) -> None:
    """Without stdout or stderr the command does its work all the same."""
    assert desk.shell("sgsweep checks >&- 2>&-").code == 0


def test_a_system_that_starts_a_process_with_few_open_files(desk: Desk) -> None:
    """The command takes as many as it may have, and the scan is whole."""
    done = desk.shell("ulimit -Sn 20; sgsweep scan --out run --port 22")
    assert done.code == 1, done.err
    assert desk.document("run/summary.json")["complete"] is True


def test_an_encoding_that_knows_little(desk: Desk, run: Path) -> None:
    """A report is UTF-8 whatever the terminal is; what people read is escaped."""
    plain = desk.sgsweep("report", "run")
    there = desk.sgsweep("report", "run", changes=ASCII)
    assert there.code == 0
    assert there.out.encode("utf-8", "surrogateescape") == plain.out.encode("utf-8", "surrogateescape")
    assert desk.sgsweep("plan", "run", changes=ASCII).code == 0


@pytest.mark.parametrize(
    "width", [80, pytest.param(20, marks=pytest.mark.soak), pytest.param(1, marks=pytest.mark.soak)]
)
def test_a_terminal_shows_progress(desk: Desk, width: int) -> None:
    """Live progress with all its counts, and the summary after it, however narrow the terminal is."""
    ended = on_terminal(desk, "scan", "--out", "run", width=width)
    assert ended.code == 1, ended.err
    assert "complete: Every account, region and rule in scope was read in full." in ended.err
    assert "not looked at: databases' allow-lists, WAF," in ended.err
    if width == 80:
        assert "scan: 4/4 accounts, 8 regions, " in ended.err


def test_logs_are_json_off_a_terminal(desk: Desk) -> None:
    """With --log-level debug every diagnostic is one JSON object a line on stderr, and stdout has data only."""
    quiet = desk.sgsweep("accounts")
    loud = desk.sgsweep("--log-level", "debug", "accounts")
    assert loud.code == 0
    assert loud.out == quiet.out
    events = [line for line in loud.err.splitlines() if line.startswith("{")]
    assert events
    assert all('"level"' in line and '"event"' in line for line in events)
