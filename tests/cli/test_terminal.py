"""Whoever names an account, a group or a rule, or edits a record, cannot steer the terminal of who reads it."""

from __future__ import annotations

import csv
import errno
import io
import json
import logging
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
import structlog
from rich.console import Console

from orchestrator import run, terminal
from orchestrator.audit import AuditRecord, Chains, Phase
from orchestrator.cli import logs, output, progress
from orchestrator.cli.errors import exit_code_of
from orchestrator.emulator import World, WorldOutline
from orchestrator.journal import JournalError
from orchestrator.run import Progress, RefusedError
from orchestrator.terminal import OutputError, give, say, visible
from tests.cli.conftest import SMALL
from tests.cli.desk import Cloud, Desk, emulated, private_key
from tests.cli.terminal import on_terminal

# Sets the window's title, clears the screen, goes to the line's begin, forges a line, turns the direction of reading,
# begins a sequence as one character, and deletes.
HOSTILE = "x\x1b]0;owned\x07\x1b[2J\rclean\nsgsweep: complete\u202egpj\u2066\x9b1m\x7f\u2028y"
SHOWN = r"x\x1b]0;owned\x07\x1b[2J\rclean\nsgsweep: complete\u202egpj\u2066\x9b1m\x7f\u2028y"
STEERING = set("\x1b\x07\x9b\x7f\u202e\u2066\u2028")


def harmless(text: str, layout: str = "\n\t") -> bool:
    """Tell whether a text holds nothing that steers a terminal."""
    return all(char.isprintable() or char in layout for char in text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (HOSTILE, SHOWN),
        ("\r\n\t\0", r"\r\n\t\x00"),
        ("生产环境\u3000测试 naïve é 🚀", "生产环境\u3000测试 naïve é 🚀"),
        ("a\u200bb\U000e0041\ufeff", r"a\u200bb\U000e0041\ufeff"),
        ("\udcff", r"\udcff"),
        ("", ""),
    ],
)
def test_what_is_visible_stays_and_the_rest_is_spelled(text: str, shown: str) -> None:
    """Names in any script stay as they are; controls, marks of direction and what has no width are spelled."""
    assert visible(text) == shown
    assert visible(shown) == shown


def test_one_call_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """A line end, a tab or a return in a text makes no line and no column; tabs between columns are ours."""
    say(f"group {HOSTILE}")
    give("1001", HOSTILE, "a\tb")
    terminal.table([(HOSTILE, "1"), ("short", "2")])
    out, err = capsys.readouterr()
    assert out == f"1001\t{SHOWN}\ta\\tb\n"
    assert err.splitlines() == [f"group {SHOWN}", f"  {SHOWN}  1", f"  {'short'.ljust(len(SHOWN))}  2"]


def test_an_error_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """A message that quotes what a tenant or the cloud has said forges no line of ours."""
    assert exit_code_of(RefusedError(f"the group {HOSTILE} is protected")) == 4
    assert capsys.readouterr().err == f"sgsweep: the group {SHOWN} is protected\n"


def test_the_streams_let_nothing_through(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever writes to stderr, or to a stdout that is a terminal: layout stays, steering is spelled."""

    class Terminal(io.TextIOWrapper):
        def isatty(self) -> bool:
            return True

    written = {name: Terminal(io.BytesIO(), "utf-8") for name in ("stdout", "stderr")}
    for name, stream in written.items():
        monkeypatch.setattr(sys, name, stream)
    terminal.open_streams()
    for name, beneath in written.items():
        stream = getattr(sys, name)
        assert stream.write(f"{HOSTILE}\tb\r\n") == len(f"{HOSTILE}\tb\r\n")
        stream.flush()
        text = cast("io.BytesIO", beneath.buffer).getvalue().decode()
        assert text == SHOWN.replace(r"\nsgsweep", "\nsgsweep") + "\tb\r\n"


def test_a_stdout_that_is_no_terminal_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a program reads is what was written."""
    buffer = io.BytesIO()
    errors = io.TextIOWrapper(io.BytesIO(), "utf-8")
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(buffer, "utf-8"))
    monkeypatch.setattr(sys, "stderr", errors)
    terminal.open_streams()
    with terminal.document() as write:
        write(f"{HOSTILE}\r\n")
    assert buffer.getvalue() == f"{HOSTILE}\r\n".encode()


def test_output_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It is the output's error; an error of a file is that file's; who reads may leave, and nothing is wrong then."""
    gone = io.TextIOWrapper(io.BytesIO())
    monkeypatch.setattr(sys, "stdout", gone)
    with pytest.raises(FileNotFoundError), terminal.document():
        (tmp_path / "nowhere").read_bytes()

    def full() -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(gone, "flush", full)
    with pytest.raises(OutputError, match="No space left"):
        give("x")
    with pytest.raises(OutputError, match="No space left"), terminal.document() as write:
        write("x")

    def left() -> None:
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    quiet: list[bool] = []
    monkeypatch.setattr(terminal, "write_no_more", lambda: quiet.append(True))
    monkeypatch.setattr(gone, "flush", left)
    give("x")
    assert quiet == [True]
    monkeypatch.setattr(gone, "flush", lambda: None)


def test_the_names_beside_the_bar(tmp_path: Path) -> None:
    """The live table draws with sequences of its own; an account's name brings none."""
    shown = Progress()
    shown.accounts = 2
    shown.enter("1001", lambda: f"1001 {HOSTILE}")
    screen = io.StringIO()
    Console(file=screen, force_terminal=True, width=200).print(progress._picture(shown, 1.0))
    assert SHOWN in screen.getvalue()
    assert not {"\x07", "\u202e", "\u2066", "\x9b"} & set(screen.getvalue())
    assert "\x1b]0;" not in screen.getvalue()


@pytest.mark.parametrize("is_terminal", [True, False])
def test_diagnostics(monkeypatch: pytest.MonkeyPatch, *, is_terminal: bool) -> None:
    """An event's texts and an exception's message are escaped, pretty or as JSON; a traceback keeps its lines."""

    def fail() -> None:
        raise ValueError(HOSTILE)

    stream = io.StringIO()
    monkeypatch.setattr(logs, "is_terminal", lambda: is_terminal)
    monkeypatch.setattr(logs, "drawing", lambda: stream)
    disabled = logging.getLogger("credentials").disabled
    logs.configure()
    try:
        try:
            fail()
        except ValueError:
            structlog.get_logger().warning("group.odd", name=HOSTILE, path=Path(HOSTILE), exc_info=True)
    finally:
        structlog.reset_defaults()
        logging.getLogger("credentials").disabled = disabled
    said = stream.getvalue()
    assert "Traceback" in said
    if is_terminal:
        assert f"{SHOWN}" in said
        assert not {"\x07", "\u202e", "\u2066", "\x9b", "\r"} & set(said)
        assert "\x1b]0;" not in said
        assert "\x1b[2J" not in said
    else:
        assert json.loads(said)["name"] == HOSTILE
        assert harmless(said)


# The whole command ------------------------------------------------------------------------------------------


def _renamed(value: Any) -> Any:
    """Return a world's document with every name and description that a tenant may give made hostile."""
    if isinstance(value, list):
        return [_renamed(one) for one in value]
    if not isinstance(value, dict):
        return value
    given: set[str] = {"display_name"} & value.keys()
    given |= {"name", "description"} if "rules" in value else set()
    given |= {"description"} if "security_group_rule_id" in value else set()
    return {**{key: _renamed(one) for key, one in value.items()}, **dict.fromkeys(given, HOSTILE)}


@pytest.fixture(scope="module")
def hostile_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """An organization whose members, groups and rules are all named to steer a terminal."""
    path = tmp_path_factory.mktemp("world") / "world.json"
    world = World.generate(WorldOutline(5, 3, region_ids=2, groups_per_account=6))
    world.save(path)
    path.write_text(json.dumps(_renamed(json.loads(path.read_bytes()))), encoding="utf-8")
    with emulated("--world", str(path), *SMALL[-2:]) as cloud:
        yield cloud


def test_hostile_names_in_every_command(hostile_cloud: Cloud, tmp_path: Path) -> None:
    """Accounts, groups, rules and a tampered record: on stdout and stderr nothing steers, and each is spelled."""
    desk = Desk(tmp_path, hostile_cloud)
    listed = desk.sgsweep("accounts")
    assert SHOWN in listed.out
    scanned = desk.sgsweep("scan", "--out", "run", "--port", "22")
    finding = desk.lines("run/findings.jsonl")[0]
    assert finding["security_group_name"] == HOSTILE  # what programs read is as it was named
    planned = desk.sgsweep("plan", "run")
    shown = desk.sgsweep("show", "run/plan.json")
    assert SHOWN in shown.out
    applied = desk.sgsweep("apply", "run/plan.json", "--digest", planned.out.strip(), "--yes")
    assert applied.code == 0, applied.err
    explained = desk.sgsweep("explain", "run", finding["rule_id"])
    verified = desk.sgsweep("verify", "run")
    audit = tmp_path / "run" / "audit.jsonl"
    first, rest = audit.read_bytes().split(b"\n", 1)
    audit.write_bytes(json.dumps({**json.loads(first), "account_id": HOSTILE}).encode() + b"\n" + rest)
    broken = desk.sgsweep("verify", "run", "--offline")
    assert broken.code == 4
    assert f"account {SHOWN}" in broken.err
    nowhere = desk.sgsweep("report", f"no{HOSTILE.replace('/', '')}")
    assert f"sgsweep: no{SHOWN} is no run folder" in nowhere.err
    usage = desk.sgsweep("report", "run", f"--no{HOSTILE}")
    assert usage.code == 2
    assert r"\x1b]0;owned" in usage.err
    for ended in (listed, scanned, planned, shown, applied, explained, verified, broken, nowhere, usage):
        assert harmless(ended.out), ended.out
        assert harmless(ended.err), ended.err


_OTHERS = {"phase", "before", "after", "check_ids", "line", "seq", "prev", "hash", "run_id"}
_TEXTS = [name for name in AuditRecord.__struct_fields__ if name not in _OTHERS]


def _trail(folder: Path, run_id: str, **changes: str) -> list[AuditRecord]:
    """Write a record of two entries in which these words stand, and nothing contradicts itself."""
    words = dict.fromkeys(
        ("at", "who", "account_id", "region_id", "security_group_id", "rule_id", "action"), "x"
    )
    chains = Chains(run_id)
    records = [chains.seal(AuditRecord(phase=Phase.note, **{**words, **changes}))[0] for _ in range(2)]  # type: ignore[arg-type]
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_bytes(chains.manifest())
    _write(folder, records)
    return records


def _write(folder: Path, records: list[AuditRecord]) -> None:
    (folder / "audit.jsonl").write_bytes(
        b"".join(msgspec.json.encode(one, order="sorted") + b"\n" for one in records)
    )


def test_a_tampered_trail_steers_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever word of a record or manifest is hostile, sealed anew or not: it is told spelled, and sign refuses."""
    key = tmp_path / "key.pem"
    key.touch(mode=0o600)
    key.write_bytes(private_key())
    spelled = 0
    for name in (*_TEXTS, "run_id", "prev", "hash"):
        for is_whole in (True, False):
            folder = tmp_path / f"{name}-{is_whole}" / "run"
            if name in _TEXTS and is_whole:
                _trail(folder, "run-1", **{name: HOSTILE})
            elif is_whole:
                _trail(folder, HOSTILE)
            else:
                first, second = _trail(folder, "run-1")
                _write(folder, [first, msgspec.structs.replace(second, **{name: HOSTILE})])
            found = run.verify_offline(folder)
            output.verified(found, folder, offline=True)
            assert bool(found.problems) is not is_whole, (name, is_whole)
            with pytest.raises((RefusedError, JournalError)) as refused:
                run.sign_record(folder, key)
            exit_code_of(refused.value)
            out, err = capsys.readouterr()
            assert harmless(out), name
            assert harmless(err), name
            spelled += SHOWN in err
    assert spelled


def test_documents_are_whole_for_programs_and_harmless_on_a_terminal(
    hostile_cloud: Cloud, tmp_path: Path
) -> None:
    """CSV and JSON on a pipe say the name as it is; on a terminal the same document steers nothing."""
    desk = Desk(tmp_path, hostile_cloud)
    desk.sgsweep("scan", "--out", "run", "--port", "22")
    with desk.start("report", "run", "--format", "csv") as process:
        assert process.stdout is not None
        raw = cast("Any", process.stdout).buffer.read().decode()
    rows = list(csv.DictReader(io.StringIO(raw, newline="")))
    assert rows
    assert {one["security_group_name"] for one in rows} == {HOSTILE}
    listed = json.loads(desk.sgsweep("report", "run", "--format", "json").out)
    assert {one["security_group_name"] for one in listed["findings"]} == {HOSTILE}
    for kind in ("csv", "json", "html", "sarif", "ocsf"):
        ended = on_terminal(desk, "report", "run", "--format", kind)
        assert ended.code == 0
        assert not STEERING & set(ended.err), kind
        assert kind == "html" or r"\u202e" in ended.err, kind  # the page itself holds none


def test_progress_on_a_terminal(hostile_cloud: Cloud, tmp_path: Path) -> None:
    """The live table of a scan names the accounts it is in; none of the names gets through."""
    ended = on_terminal(Desk(tmp_path, hostile_cloud), "scan", "--out", "run", "--port", "22")
    assert "complete: Every account, region and rule in scope was read in full." in ended.err
    assert not STEERING & set(ended.err)


@pytest.mark.parametrize(
    ("code", "rule"),
    [
        ("print('x')", "T201"),
        ("import sys\n\nsys.stderr.write('x')", "TID251"),
        ("import sys\n\nsys.stdout.write('x')", "TID251"),
        ("import typer\n\ntyper.echo('x')", "TID251"),
        ("from rich.console import Console\n\nConsole().print('x')", "TID251"),
    ],
)
def test_another_way_to_the_terminal_does_not_pass_lint(code: str, rule: str) -> None:
    """The printer is the only one: ruff refuses the others, in the commands as everywhere."""
    ruff = shutil.which("ruff", path=str(Path(sys.executable).parent))
    assert ruff is not None
    for room in ("cli", "run", "journal"):
        command = [ruff, "check", "--no-cache", "--output-format", "concise", "--stdin-filename"]
        linted = subprocess.run(  # noqa: S603 - ruff, with arguments of our own
            [*command, f"orchestrator/{room}/new.py", "-"],
            input=code,
            capture_output=True,
            text=True,
            check=False,
            cwd=Path(__file__).parents[2],
        )
        assert rule in linted.stdout, linted.stdout
