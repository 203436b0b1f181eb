"""What the command takes, where, and what it says where it does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.desk import Desk

COMMANDS = (
    "accounts", "scan", "plan", "apply", "rollback", "verify", "close", "explain", "checks", "report", "demo",
    "emulate",
)  # fmt: skip


def test_each_command_has_its_help(desk: Desk) -> None:
    """Every subcommand says what it does and takes -c; help is data, and costs no configuration."""
    running = {name: desk.start(name, "--help") for name in COMMANDS}
    for name, process in running.items():
        helped = desk.ended(process)
        assert helped.code == 0, name
        assert f"Usage: sgsweep {name}" in helped.out
        assert "--config" in helped.out, name
        assert helped.err == ""


def test_the_configuration_is_named_before_or_after(desk: Desk) -> None:
    """-c stands before and after the subcommand; after it wins; without it, config.toml of this folder."""
    desk.configure("[organization]\nexclude = ['search-*']\n", "good.toml")
    desk.configure("nonsense = 1\n", "bad.toml")
    first = desk.sgsweep("-c", "good.toml", "accounts")
    second = desk.sgsweep("accounts", "--config", "good.toml")
    third = desk.sgsweep("-c", "bad.toml", "accounts", "-c", "good.toml")
    assert (first.code, first.out) == (second.code, second.out) == (third.code, third.out)
    assert first.code == 0
    assert "skipped" in first.err
    (desk.folder / "config.toml").unlink()
    missing = desk.sgsweep("accounts")
    assert missing.code == 2
    assert "config.toml: there is no such file" in missing.err


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("frobnicate", "No such command 'frobnicate'"),
        ("scan --out a --resume a", "--out DIR for a new run or --resume DIR"),
        pytest.param(
            "scan --out a --resume b", "--out DIR for a new run or --resume DIR", marks=pytest.mark.soak
        ),
        pytest.param("scan --resume a --port 22", "it takes no filter", marks=pytest.mark.soak),
        pytest.param(
            "scan --out a --port tcp/22-21",
            "port 'tcp/22-21' is not understood: write tcp/22",
            marks=pytest.mark.soak,
        ),
        ("scan --out a --account nobody", "no account's id or name matches 'nobody'"),
        pytest.param("accounts --tag team=none", "no account has the tag team=none", marks=pytest.mark.soak),
        ("plan nowhere", "nowhere is no run folder"),
        pytest.param("verify nowhere --offline", "nowhere is no run folder", marks=pytest.mark.soak),
        ("apply nowhere/plan.json", "nowhere/plan.json cannot be read: No such file"),
        pytest.param("report nowhere --format csv", "nowhere is no run folder", marks=pytest.mark.soak),
        pytest.param("close 6379", "Missing option '--incident'", marks=pytest.mark.soak),
        ("close 99999 --incident i --yes", "port '99999' is not understood"),
        pytest.param(
            "close 6379 --yes --incident ../",
            "--incident '../' makes no folder name: give --out",
            marks=pytest.mark.soak,
        ),
        pytest.param(
            "close 6379 --yes --incident=",
            "--incident is 1 to 100 printable characters",
            marks=pytest.mark.soak,
        ),
        ("emulate --port 70000", "'--port'"),
        pytest.param(
            "emulate --hub king",
            "--hub is one of management, delegated, member, not 'king'",
            marks=pytest.mark.soak,
        ),
        pytest.param(
            "emulate --fault earthquake", "unknown fault 'earthquake', known are", marks=pytest.mark.soak
        ),
        pytest.param("demo --out config.toml", "config.toml is not an empty folder", marks=pytest.mark.soak),
    ],
)
def test_what_is_asked_wrongly_ends_with_2_and_a_sentence(desk: Desk, line: str, said: str) -> None:
    """Nothing is written, nothing is on stdout, and the sentence names the thing."""
    ended = desk.sgsweep(*line.split())
    assert ended.code == 2, ended.err
    assert said in ended.err
    assert ended.out == ""
    assert [one.name for one in desk.folder.iterdir()] == ["config.toml"]


@pytest.mark.soak
def test_a_name_that_does_not_print_is_no_incident(desk: Desk) -> None:
    """Bytes that are no text, and what steers a terminal, never enter the record."""
    for name in ("INC-\udcff", "INC\x1b[31m"):
        ended = desk.sgsweep("close", "22", "--incident", name, "--yes")
        assert ended.code == 2
        assert "printable" in ended.err


def test_accounts_are_data_and_counts_are_for_people(desk: Desk) -> None:
    """One line an account on stdout: id, name, folder, kind; with --check, whether both roles let us in."""
    listed = desk.sgsweep("accounts", "--check")
    assert listed.code == 0
    rows = [line.split("\t") for line in listed.out.splitlines()]
    assert len(rows) == 4
    assert all(len(row) == 5 and row[0].isdigit() and row[4] == "ok" for row in rows)
    assert sum(row[3] == "management" for row in rows) == 1
    assert "4 accounts, 0 skipped" in listed.err


def test_checks_are_data(desk: Desk) -> None:
    """Each check of each pack on one line, with its ports; no configuration and no cloud is needed."""
    listed = desk.sgsweep("checks", changes={"SGSWEEP_ENDPOINT": "http://127.0.0.1:1"})
    assert listed.code == 0
    assert any(line.startswith("default\tssh\tcritical\ttcp/22\t") for line in listed.out.splitlines())
    assert listed.err == ""


def test_checks_say_which_ports_they_leave_out(tmp_path: Path) -> None:
    """A check of every port but some names these, and not its direction."""
    listed = Desk(tmp_path).sgsweep("checks").out
    assert "config-listed-ports\thigh\tall but tcp/80 tcp/443\t" in listed
