"""What a message tells to do can be done: lines that paste, folders by their names, nothing where nothing is."""

from __future__ import annotations

import os
import pty
import re
import select
import shlex
import shutil
import signal
import socket
import time
from pathlib import Path

import pytest

from tests.cli.conftest import SMALL
from tests.cli.desk import COMMAND, PATIENCE_SECONDS, Desk, emulated

AWKWARD = "it's a run"  # a shell would take it apart


def told(text: str, mark: str) -> list[str]:
    """Return the words of the command line that stands behind the mark, as a shell would take them."""
    found = re.search(rf"{re.escape(mark)} (sgsweep .*)$", text, flags=re.MULTILINE)
    assert found, (mark, text)
    return shlex.split(found[1])[1:]


def test_each_next_line_is_the_next_command(own_desk: Desk) -> None:
    """Pasted one after the other, with the configuration that was named: scan, plan, apply, verify, rollback."""
    own_desk.configure("[remediation]\nmax_rules = 500\n", "our own.toml")
    (own_desk.folder / "config.toml").unlink()
    scanned = own_desk.sgsweep("scan", "--out", AWKWARD, "--port", "22", "-c", "our own.toml")
    planned = own_desk.sgsweep(*told(scanned.err, "next:"))
    applied = own_desk.sgsweep(*told(planned.err, "next:"), "--yes")
    assert applied.code == 0, applied.err
    verified = own_desk.sgsweep(*told(applied.err, "next:"))
    assert verified.code == 0, verified.err
    undone = own_desk.sgsweep(*told(applied.err, "the way back:"), "--yes")
    assert undone.code == 0, undone.err
    assert "the way back" not in undone.err


@pytest.mark.parametrize("command", ["accounts", "scan"])
def test_ctrl_c_where_there_is_no_run_folder(tmp_path: Path, command: str) -> None:
    """It names none, and promises no record."""
    with emulated(*SMALL, "--latency-ms", "400") as cloud:
        desk = Desk(tmp_path, cloud)
        line = (command, *(("--out", "run") if command == "scan" else ()))
        ended = desk.interrupted(*line, when=lambda: bool(cloud.calls()), by=signal.SIGINT)
    assert (ended.code, ended.last) == (3, "sgsweep: interrupted; nothing was changed")
    assert not (tmp_path / "run").exists()


def test_a_full_disk_in_a_scan_says_how_to_go_on(own_desk: Desk) -> None:
    """Not the same command, which would be refused: the run is there, and is resumed."""
    ended = own_desk.shell("ulimit -f 250; sgsweep scan --out run --port 22")
    assert ended.code == 2, ended.err
    assert "run/journal.sqlite" in ended.last
    resumed = own_desk.sgsweep(*told(ended.last, "go on:"))
    assert resumed.code == 1, resumed.err
    assert own_desk.document("run/summary.json")["complete"] is True


def test_what_is_not_shown_is_counted(tmp_path: Path) -> None:
    """25 things could not be seen: five are named, and how many more there are."""
    with emulated("--accounts", "30", "--groups", "0", "--regions", "1", "--unreachable", "25") as cloud:
        ended = Desk(tmp_path, cloud).sgsweep("scan", "--out", "run")
    assert ended.code == 3, ended.err
    assert ended.err.count("  UNREACHABLE ") == 5
    assert "\n  and 20 more\n" in ended.err


def test_whoever_reads_the_first_line_only(desk: Desk) -> None:
    """The pipe is closed before the rest is written: no word of it, and the command's own exit code."""
    ended = desk.shell('sgsweep accounts | { read -r first; exec 0<&-; }; echo "${PIPESTATUS[0]}"')
    assert ended.out == "0\n"
    assert ended.err.endswith("4 accounts, 0 skipped\n")


def test_checks_of_a_configuration(desk: Desk) -> None:
    """With -c those that are configured, and nothing else, wherever -c stands."""
    desk.configure("[[checks]]\nid = 'ours'\nports = ['tcp/4444']\n", "our.toml")
    for line in (("checks", "-c", "our.toml"), ("-c", "our.toml", "checks")):
        listed = desk.sgsweep(*line)
        assert listed.code == 0, listed.err
        assert [row.split("\t")[:2] for row in listed.out.splitlines()] == [["configured", "ours"]]
    assert desk.sgsweep("checks", "-c", "none.toml").code == 2


def test_a_port_that_is_in_use(desk: Desk) -> None:
    """In words, with the port."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        for option in ("--port", "--tls-port"):
            ended = desk.sgsweep("emulate", option, port)
            assert ended.code == 2
            assert f"port {port} is in use by another program" in ended.err
            assert "Errno" not in ended.err
    missing = desk.sgsweep("emulate", "--world", "none.json")
    assert missing.code == 2
    assert "none.json: No such file" in missing.err


def test_a_key_that_is_missing_is_no_broken_trail(desk: Desk, planned: tuple[Path, str]) -> None:
    """The record is not accused: 2, and the key's name."""
    ended = desk.sgsweep("verify", str(planned[0]), "--offline", "--require-signature", "none.pem")
    assert ended.code == 2
    assert ended.last == "sgsweep: the key none.pem cannot be read: No such file or directory"
    assert "BROKEN" not in ended.err


def test_yes_promises_no_digest_where_there_is_none(desk: Desk) -> None:
    """Apply has one; rollback and close do not need it."""
    for command, has_digest in (("apply", True), ("rollback", False), ("close", False)):
        lines = desk.sgsweep(command, "--help").out
        said = " ".join(lines[lines.index("  --yes") :].partition("\n  --")[0].split())
        assert ("the digest is still needed" in said) is has_digest, (command, said)


def test_nothing_is_drawn_over_the_question(desk: Desk, planned: tuple[Path, str]) -> None:
    """While a person is asked the bar stands still: it is redrawn four times a second, and not once now."""
    shutil.copytree(planned[0], desk.folder / "run")
    line = ("apply", "run/plan.json", "--digest", planned[1])
    pid, terminal = pty.fork()
    if pid == 0:  # the child: only what must be, and then another program
        os.chdir(desk.folder)
        os.execvpe(COMMAND[0], [*COMMAND, *line], {**desk.environment, "TERM": "xterm"})  # noqa: S606 (our own)
    try:
        heard, deadline = b"", time.monotonic() + PATIENCE_SECONDS
        while b"to go on: " not in heard and time.monotonic() < deadline:
            heard += os.read(terminal, 65536)
        quiet_since = time.monotonic()
        while time.monotonic() - quiet_since < 1.2:
            if select.select([terminal], [], [], 0.1)[0]:
                heard += os.read(terminal, 65536)
        assert heard.partition(b"to go on: ")[2].strip() == b""
        os.write(terminal, b"no\n")
        assert b"no\r\n" in os.read(terminal, 65536)
    finally:
        os.close(terminal)
        os.waitpid(pid, 0)
