"""The run folder: its files and keys; and what each command makes of one that is damaged, in use or read-only."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import typer

from orchestrator.cli.commands import app
from tests.cli.conftest import SMALL
from tests.cli.desk import COMMAND, Desk, Ended, emulated, private_key

FILES = {
    "findings.jsonl", "unreachable.jsonl", "summary.json", "plan.json", "audit.jsonl", "manifest.json",
    "journal.sqlite", "report.html",
}  # fmt: skip
FINDING = {
    "account_id", "account_name", "region_id", "security_group_id", "security_group_name", "service_managed",
    "rule_id", "direction", "check_id", "severity", "verdict", "status", "protocol", "ports", "sources", "reason",
    "witness", "rule",
}  # fmt: skip
SUMMARY = {
    "run_id",
    "complete",
    "accounts",
    "regions",
    "security_groups",
    "rules",
    "findings",
    "api",
    "seconds",
}
PLAN = {"digest", "run_id", "created_at", "hub_account_id", "endpoint", "actions", "skipped"}
ACTION = {
    "account_id", "region_id", "security_group_id", "rule_id", "action", "check_ids", "before", "adds", "inverse",
    "closes",
}  # fmt: skip
OUTCOME = {
    "account_id", "region_id", "security_group_id", "rule_id", "action", "outcome", "reason", "request_id",
    "effective_after",
}  # fmt: skip


def _truncate(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def _garble(path: Path) -> None:
    data = path.read_bytes()
    middle = len(data) // 2
    path.write_bytes(data[:middle] + b"\xff\x00garbage\xfe" * 300 + data[middle + 3000 :])


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _replace(path: Path) -> None:
    path.write_bytes(b'{"a": 1}\n')


def _block(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGES = (_truncate, _garble, Path.unlink, _block)


@pytest.fixture
def run(desk: Desk, planned: tuple[Path, str]) -> Path:
    """A copy of the planned run in the desk's folder."""
    return shutil.copytree(planned[0], desk.folder / "run")


def test_the_files_and_their_keys(desk: Desk, run: Path) -> None:
    """Every file of the contract is there, for its owner only, with at least the keys of the contract."""
    assert {one.name for one in run.iterdir()} >= FILES
    assert {one.stat().st_mode & 0o077 for one in (run, *run.iterdir())} == {0}
    findings = desk.lines("run/findings.jsonl")
    assert findings
    assert all(one.keys() >= FINDING for one in findings)
    assert {one["verdict"] for one in findings} <= {"fail", "undetermined"}
    assert all(
        one["witness"].keys() >= {"protocol", "port", "source"} for one in findings if one["status"] == "open"
    )
    assert desk.document("run/summary.json").keys() >= SUMMARY
    assert desk.document("run/summary.json")["accounts"] == {
        "total": 4, "reached": 4, "unreachable": 0, "not_begun": 0
    }  # fmt: skip
    plan = desk.document("run/plan.json")
    assert plan.keys() >= PLAN
    assert all(one.keys() >= ACTION for one in plan["actions"])
    assert all("reason" in one for one in plan["skipped"])


def test_no_secret_is_in_any_file(desk: Desk, run: Path) -> None:
    """Neither the hub's secret nor any word of a token."""
    assert desk.cloud is not None
    for file in run.iterdir():
        assert desk.cloud.secret.encode() not in file.read_bytes(), file
        assert b"SecurityToken" not in file.read_bytes(), file


@pytest.mark.parametrize("damage", [_garble, pytest.param(_truncate, marks=pytest.mark.soak)])
def test_a_damaged_journal_is_said(
    desk: Desk, run: Path, planned: tuple[Path, str], damage: Callable[[Path], None]
) -> None:
    """No command goes on with it or changes anything (the desk sees to it), and each says which file and what to do."""
    damage(run / "journal.sqlite")
    for line in ("scan --resume run", f"apply run/plan.json --digest {planned[1]} --yes"):
        ended = desk.sgsweep(*line.split())
        assert ended.code == 2, (line, ended.err)
        assert "journal" in ended.last
        assert "scan anew" in ended.last


def test_files_that_are_gone_or_damaged_make_nobody_innocent(desk: Desk, run: Path) -> None:
    """A report is made from the journal: without findings.jsonl or summary.json it says the same."""
    before = desk.sgsweep("report", "run", "--format", "csv")
    assert before.code == 0
    _empty(run / "findings.jsonl")
    (run / "summary.json").unlink()
    _garble(run / "unreachable.jsonl")
    after = desk.sgsweep("report", "run", "--format", "csv")
    assert (after.code, after.out) == (0, before.out)
    assert len(after.out.splitlines()) > 5


def test_a_damaged_trail_is_evidence(desk: Desk, run: Path, planned: tuple[Path, str]) -> None:
    """Verify says 4 and where; apply refuses with 4 and changes nothing."""
    _replace(run / "audit.jsonl")
    verified = desk.sgsweep("verify", "run", "--offline")
    assert verified.code == 4
    assert "BROKEN" in verified.err
    applied = desk.sgsweep("apply", "run/plan.json", "--digest", planned[1], "--yes")
    assert applied.code == 4
    assert "audit.jsonl" in applied.last
    assert "evidence" in applied.last


@pytest.mark.soak
@pytest.mark.timeout(600)  # some hundred commands, each a process
def test_every_damage_to_every_file_is_met_by_every_command(tmp_path: Path) -> None:
    """Whatever is cut, garbled, emptied, replaced, gone or in the way: a sentence and a code of the contract."""
    with emulated(*SMALL) as cloud:
        desk = Desk(tmp_path, cloud)
        digest = desk.planned("base", "--port", "22")
        rule = desk.document("base/plan.json")["actions"][0]["rule_id"]
        assert desk.sgsweep("apply", "base/plan.json", "--digest", digest, "--yes").code == 0
        lines = (
            "verify run --offline", "plan run", f"apply run/plan.json --digest {digest} --yes", "report run",
            f"explain run {rule}", "scan --resume run",
        )  # fmt: skip
        for file in (*sorted(FILES), "outcomes.jsonl", "journal.lock"):
            for damage in DAMAGES:
                for line in lines:
                    shutil.rmtree(tmp_path / "run", ignore_errors=True)
                    run = shutil.copytree(tmp_path / "base", tmp_path / "run")
                    damage(run / file)
                    ended = desk.sgsweep(*line.split())
                    told = (file, damage.__name__, line, ended)
                    assert ended.code in {0, 1, 2, 3, 4}, told
                    assert ended.code in {0, 1, 3} or len(ended.err) > 20, told
                    if (file, line) in {("audit.jsonl", lines[0]), ("manifest.json", lines[0])}:
                        assert ended.code in {2, 4}, told


def test_two_at_once(tmp_path: Path) -> None:
    """Whoever comes second is told by whom the folder is used, and ends with 2; the first goes on unhurt."""
    with emulated(*SMALL, "--latency-ms", "150") as cloud:
        desk = Desk(tmp_path, cloud)
        first = desk.start("scan", "--out", "run", "--no-exposure")
        while not (tmp_path / "run" / "summary.json").exists():
            second = desk.sgsweep("scan", "--resume", "run")
            if "is in use by process" in second.err:
                break
        assert second.code == 2
        assert f"is in use by process {first.pid}" in second.err
        assert desk.ended(first).code == 1
        assert desk.document("run/summary.json")["complete"] is True


def test_a_run_is_never_overwritten(desk: Desk, run: Path) -> None:
    """A second scan into the folder is refused before any call, and says how to go on."""
    before = (run / "findings.jsonl").read_bytes()
    ended = desk.sgsweep("scan", "--out", "run")
    assert ended.code == 2
    assert "sgsweep scan --resume run" in ended.err
    assert (run / "findings.jsonl").read_bytes() == before


OPENERS = (
    "scan --out run", "scan --resume run", "scan --out new --changed-since run", "plan run",
    "apply run/plan.json --digest {digest} --yes", "rollback run --yes", "verify run", "verify run --offline",
    "close 22 --incident i --out run --yes", "evidence run", "explain run {rule}",
    "report run", "report run --format json",
    "show run/plan.json", "show run/plan.json --json", "sign run --key key.pem", "sign run/plan.json --key key.pem",
    "patch run --state change.json", "diff run mine", "diff mine run", "compare run change.json",
    "check change.json --against run",
)  # fmt: skip


TAKE_NONE = {"accounts", "checks", "demo", "emulate", "init", "config"}


def test_every_command_is_asked() -> None:
    """A new command that opens a run folder is tried below, too."""
    known = typer.main.get_command(app).commands  # type: ignore[attr-defined]  # it is a group
    assert {line.split()[0] for line in OPENERS} == set(known) - TAKE_NONE


def _belongs_to_another(run: Path) -> str:
    if os.geteuid() != 0:
        pytest.skip("only root may give a folder to another user")
    for one in (run, *run.iterdir()):
        os.chown(one, 65534, 65534)
    return "run belongs to "


def _may_be_written_by_all(run: Path) -> str:
    run.chmod(0o777)
    return "others may write run, which belongs to"


def _may_be_written_by_the_group(run: Path) -> str:
    run.chmod(0o770)
    return "others may write run, which belongs to"


@pytest.mark.parametrize(
    "give_away", [_belongs_to_another, _may_be_written_by_all, _may_be_written_by_the_group]
)
def test_a_folder_that_another_may_have_written_is_believed_by_nobody(
    desk: Desk, run: Path, planned: tuple[Path, str], give_away: Callable[[Path], str]
) -> None:
    """Every command that opens a run folder refuses with 2, by its name, owner and remedy; nothing is changed in it."""
    rule = desk.document("run/plan.json")["actions"][0]["rule_id"]
    shutil.copytree(run, desk.folder / "mine")
    (desk.folder / "change.json").write_text(
        json.dumps({"format_version": "1.2", "terraform_version": "1.9.0"})
    )
    (desk.folder / "key.pem").touch(mode=0o600)
    (desk.folder / "key.pem").write_bytes(private_key())
    said = give_away(run)
    before = {one.name: one.read_bytes() for one in run.iterdir()}
    assert desk.cloud is not None
    changes = len(desk.cloud.calls(changes=True))
    running = [desk.start(*line.format(digest=planned[1], rule=rule).split()) for line in OPENERS]
    for line, process in zip(OPENERS, running, strict=True):
        ended = desk.ended(process)
        assert (ended.code, ended.out) == (2, ""), (line, ended)
        assert f"sgsweep: {said}" in ended.err, (line, ended)
        assert "so what it holds cannot be relied on: " in ended.last, line
        assert ended.last.endswith(", then run the same command again"), line
        assert "(`chmod go-w run`)" in ended.last or "(`chown -R root run`)" in ended.last, line
    assert {one.name: one.read_bytes() for one in run.iterdir()} == before
    assert not (desk.folder / "new").exists()
    assert len(desk.cloud.calls(changes=True)) == changes


def test_one_file_of_another_is_enough(desk: Desk, run: Path, planned: tuple[Path, str]) -> None:
    """In a folder of one's own, a plan that others may write is not carried out, nor shown by the report."""
    (run / "plan.json").chmod(0o666)
    for line in (f"apply run/plan.json --digest {planned[1]} --yes", "report run"):
        ended = desk.sgsweep(*line.split())
        assert ended.code == 2
        assert "others may write run/plan.json" in ended.last
        assert "(`chmod go-w run/plan.json`)" in ended.last


def test_a_report_that_cannot_be_written_leaves_the_rest_as_it_is(desk: Desk, run: Path) -> None:
    """A plan that others may write is no ground to end a scan otherwise: what was read stands, the report is missed."""
    before = (run / "report.html").read_bytes()
    (run / "summary.json").unlink()
    (run / "plan.json").chmod(0o666)
    ended = desk.sgsweep("scan", "--resume", "run")
    assert ended.code == 1, ended.err
    assert "report.not_written" in ended.err
    assert "others may write run/plan.json" in ended.err
    assert desk.document("run/summary.json")["complete"] is True
    assert (run / "report.html").read_bytes() == before


def test_where_nothing_can_be_written(desk: Desk, run: Path, planned: tuple[Path, str]) -> None:
    """Read-only folders and names that cannot be: exit 2 and the file's name; what only reads, works."""
    (desk.folder / "file").touch()
    refused = desk.sgsweep("scan", "--out", "file/below")
    assert refused.code == 2, refused.err
    assert "file/below" in refused.err
    run.chmod(0o500)
    try:
        for line in ("plan run", f"apply run/plan.json --digest {planned[1]} --yes"):
            ended = _without_privilege(desk, line)
            assert ended.code == 2, ended.err
            assert "Permission denied" in ended.err
        assert _without_privilege(desk, "report run --format csv").code == 0
    finally:
        run.chmod(0o700)


def _without_privilege(desk: Desk, line: str) -> Ended:
    """Run the command so that file modes count, for root too."""
    if os.geteuid() != 0:
        return desk.sgsweep(*line.split())
    drop = shutil.which("setpriv")
    if drop is None:
        pytest.skip("root may write anywhere, and there is no setpriv to make it less")
    rights = "-dac_override,-dac_read_search"
    less = (drop, f"--bounding-set={rights}", f"--inh-caps={rights}")
    starts = subprocess.run([*less, COMMAND[0], "-c", ""], capture_output=True, check=False)  # noqa: S603 (ours)
    if starts.returncode != 0:
        pytest.skip(f"this Python cannot be started with fewer rights than root's: {starts.stderr.decode()}")
    return desk.sgsweep(*line.split(), before=(*less, *COMMAND))


@pytest.mark.soak
def test_a_full_disk_loses_nothing(own_desk: Desk) -> None:
    """The scan ends with 2 where the journal no longer fits, and goes on where there is room again."""
    ended = own_desk.shell("ulimit -f 250; sgsweep scan --out run --port 22")
    assert ended.code == 2, ended.err
    assert "run/journal.sqlite" in ended.last
    resumed = own_desk.sgsweep("scan", "--resume", "run")
    assert resumed.code == 1, resumed.err
    assert own_desk.document("run/summary.json")["complete"] is True


@pytest.mark.soak
@pytest.mark.parametrize("line", ["scan --out run --port 22", "close 22 --incident i --out run --yes"])
def test_a_run_that_never_began_is_begun_anew(own_desk: Desk, line: str) -> None:
    """Where there was no room even for an empty journal, the same command works once there is."""
    assert own_desk.shell(f"ulimit -f 8; sgsweep {line}").code == 2
    ended = own_desk.sgsweep(*line.split())
    assert ended.code in {0, 1}, ended.err
    assert own_desk.document("run/summary.json")["complete"] is True
