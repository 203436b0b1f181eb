"""What a terminal's user expects of any command: a version, completion, one JSON object, quiet, a folder by default."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from orchestrator import terminal
from orchestrator.cli.commands import app
from orchestrator.cli.completion import SHELLS, install, script, words
from orchestrator.cli.progress import line
from orchestrator.run import Progress, UsageError
from orchestrator.terminal import hush, say, warn
from tests.cli.desk import Desk

UNREACHABLE = {"SGSWEEP_ENDPOINT": "http://127.0.0.1:1"}


def test_the_version_is_data(desk: Desk) -> None:
    """On stdout, without a configuration; nothing else is done."""
    (desk.folder / "config.toml").unlink()
    told = desk.sgsweep("--version")
    assert (told.code, told.out, told.err) == (0, f"sgsweep {metadata.version('sgsweep')}\n", "")


def test_a_scan_without_a_name_has_a_dated_folder(desk: Desk) -> None:
    """runs/DATE-ID, its id that of the run; each scan its own."""
    ids = []
    for _ in range(2):
        ended = desk.sgsweep("scan", "--port", "22", "--json", "--quiet")
        assert ended.code == 1
        told = json.loads(ended.out)
        assert re.fullmatch(r"runs/\d{4}-\d\d-\d\d-[0-9a-f]{6}", told["folder"])
        assert told["folder"].startswith(f"runs/{datetime.now(UTC):%Y-}")
        assert told["folder"].rpartition("-")[2] == told["run_id"].rpartition("-")[2]
        assert desk.document(f"{told['folder']}/summary.json")["run_id"] == told["run_id"]
        ids.append(told["run_id"])
    assert len(set(ids)) == 2
    both = desk.sgsweep("scan", "--out", "a", "--resume", "b")
    assert (both.code, "either --out DIR" in both.err) == (2, True)


def test_json_is_one_object_and_human_words_go_elsewhere(desk: Desk, planned: tuple[Path, str]) -> None:
    """Of each command that gives data; the digest and the lines of accounts stand in the object only."""
    run = shutil.copytree(planned[0], desk.folder / "run")
    found: dict[str, dict[str, Any]] = {}
    for arguments in (
        ("accounts",),
        ("plan", str(run)),
        ("show", str(run / "plan.json")),
        ("verify", str(run), "--offline"),
        ("checks",),
    ):
        ended = desk.sgsweep(*arguments, "--json")
        assert ended.code == 0, ended.err
        found[arguments[0]] = json.loads(ended.out)
    assert {one["account_id"] for one in found["accounts"]["accounts"]} == {
        one.split("\t")[0] for one in desk.sgsweep("accounts").out.splitlines()
    }
    plan = desk.document("run/plan.json")
    assert found["plan"]["digest"] == plan["digest"] == found["show"]["digest"]
    assert (found["plan"]["actions"], found["plan"]["complete"]) == (len(plan["actions"]), True)
    assert (found["verify"]["exit_code"], found["verify"]["problems"]) == (0, [])
    ssh = next(one for one in found["checks"]["packs"]["default"] if one["id"] == "ssh")
    assert (ssh["ports"], ssh["severity"]) == (["tcp/22"], "critical")


def test_quiet_leaves_warnings_and_the_result(desk: Desk, planned: tuple[Path, str]) -> None:
    """Before the subcommand and after it; what is loud stays, data stays, errors stay."""
    loud = desk.sgsweep("scan", "--out", "loud", "--port", "22")
    for number, arguments in enumerate((("scan", "-q"), ("--quiet", "scan"))):
        quiet = desk.sgsweep(*arguments, "--out", f"q{number}", "--port", "22")
        assert quiet.code == loud.code == 1
        lines = quiet.err.splitlines()
        assert lines[0].startswith("NOT ALIBABA CLOUD'S OWN ENDPOINT")
        assert desk.document(f"q{number}/summary.json")["headline"] in lines
        assert not [line for line in lines if line.startswith(("next:", "run ", "  accounts", "scan:"))]
        assert len(lines) < len(loud.err.splitlines()) / 2
    run = shutil.copytree(planned[0], desk.folder / "run")
    assert desk.sgsweep("plan", str(run), "--quiet").out.strip() == desk.document("run/plan.json")["digest"]
    assert "is no run folder" in desk.sgsweep("plan", "nowhere", "--quiet").err


def test_hush_holds_for_what_is_said_and_not_for_warnings(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A warning, an error and the result are always said."""
    monkeypatch.setattr(terminal._now, "is_quiet", False)
    hush(asked=False)
    say("before")
    hush()
    say("after")
    warn("loud")
    assert capsys.readouterr().err == "before\nloud\n"


def test_a_severity_narrows_what_is_looked_for(desk: Desk) -> None:
    """To the checks of that severity; none of them, or a word that there is not, is an error."""
    found = desk.sgsweep("scan", "--out", "critical", "--severity", "critical")
    assert found.code == 1
    ids = {one["wide_for"] or one["check_id"] for one in desk.lines("critical/findings.jsonl")}
    assert ids <= {"ssh", "rdp", "all-ports", "undetermined"}
    assert "ssh" in ids
    for arguments, said in (
        (("--severity", "awful"), "--severity 'awful': it is one of critical, high, medium, low"),
        (("--severity", "low"), "no configured check is low"),
        (("--resume", "critical", "--severity", "low"), "it takes no filter"),
    ):
        out = () if "--resume" in arguments else ("--out", "none")
        ended = desk.sgsweep("scan", *out, *arguments)
        assert (ended.code, said in ended.err) == (2, True), ended.err
        assert not (desk.folder / "none").exists()


def test_explain_says_where_the_rule_is(desk: Desk, planned: tuple[Path, str]) -> None:
    """Account, region and group by id and name, first."""
    run = shutil.copytree(planned[0], desk.folder / "run")
    one = desk.lines("run/findings.jsonl")[0]
    first = desk.sgsweep("explain", str(run), one["rule_id"]).out.splitlines()[0]
    for key in (
        "rule_id",
        "security_group_id",
        "security_group_name",
        "region_id",
        "account_id",
        "account_name",
    ):
        assert one[key] in first


def test_open_findings_stand_by_account_and_severity_in_columns(desk: Desk) -> None:
    """With names; the numbers are those of the findings."""
    ended = desk.sgsweep("scan", "--out", "run")
    rows = ended.err.splitlines()
    head = next(place for place, row in enumerate(rows) if row.startswith("  account "))
    for row in rows[head + 1 :]:
        words = row.split()
        if not words[0].isdecimal():
            break
        mine = [
            one
            for one in desk.lines("run/findings.jsonl")
            if one["account_id"] == words[0] and one["status"] == "open" and not one["is_apart"]
        ]
        assert words[1] == mine[0]["account_name"]
        counted = [
            sum(one["severity"] == word for one in mine) for word in ("critical", "high", "medium", "low")
        ]
        assert [0 if word == "-" else int(word) for word in words[2:]] == counted
    assert rows[head].split() == ["account", "critical", "high", "medium", "low"]


def test_accounts_that_are_left_out_are_summed_up(desk: Desk) -> None:
    """A line a reason, with how many and the first by name."""
    desk.configure("[organization]\nexclude = ['*-000[12]']\n")
    ended = desk.sgsweep("accounts")
    (told,) = [row for row in ended.err.splitlines() if row.startswith("skipped ")]
    assert re.fullmatch(r"skipped 2, excluded by '.*': \d+ \S+-0001, \d+ \S+-0002", told)


def test_nobody_there_is_told_at_once(desk: Desk) -> None:
    """After the first attempt, not after the last; then what it came to."""
    desk.configure("[cloud]\nattempts = 2\n")
    ended = desk.sgsweep("accounts", changes=UNREACHABLE)
    assert ended.code == 3
    first, last = ended.err.splitlines()
    assert first == "no answer to GetCallerIdentity yet (ConnectionFailed); trying again"
    assert last.startswith("sgsweep: GetCallerIdentity: ConnectionFailed")


def test_the_last_accounts_and_who_waits_are_named() -> None:
    """One slow account of a thousand has a name, what it waits for, and how long."""
    progress = Progress()
    progress.accounts, progress.accounts_done = 1000, 998
    for account in ("1001", "1002"):
        progress.enter(account, lambda account=account: f"{account} shop")  # type: ignore[misc]
    waits = ["1001 waits about 40 s for its quota of DescribeInstances in cn-beijing (9 calls)"]
    progress.watch(lambda: (10, 0, 0), lambda: 0.0, lambda: waits)
    told = line(progress, 10.0)
    assert f"; still at 1001 shop, 1002 shop; {waits[0]}" in told
    progress.accounts_done = 10
    assert "still at" not in line(progress, 10.0)


# --- completion


def typed(*before: str) -> list[str]:
    """Return what bash offers for the last of these words, as it is typed."""
    offered = 'COMP_WORDS=(sgsweep "$@"); COMP_CWORD=$#; _sgsweep; echo "${COMPREPLY[@]}"'
    bash = f"{script('bash', app)}\n{offered}"
    done = subprocess.run(  # noqa: S603 (our own script)
        ["/bin/bash", "-c", bash, "bash", *before], capture_output=True, text=True, check=True, timeout=20
    )
    return done.stdout.split()


def test_bash_completes_commands_options_and_groups() -> None:
    """At each place what can be typed there: the command that was typed decides, options before it do not."""
    assert typed("sc") == ["scan"]
    assert set(typed("config", "")) >= {"check", "schema", "--config"}
    assert "--offline" in typed("config", "check", "--o")
    assert typed("-c", "my.toml", "scan", "--res") == ["--resume"]
    assert typed("report", "runs/x", "--spl") == ["--split-by"]
    assert "--check" not in typed("scan", "--")


@pytest.mark.parametrize("shell", SHELLS)
def test_every_command_and_option_is_in_every_script(shell: str) -> None:
    """So that none is forgotten; a shell that is here finds the script well-formed."""
    text = script(shell, app)
    for path, found in words(app).items():
        for word in found:
            assert word.text.lstrip("-") in text, (path, word)
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=text, text=True, check=True, timeout=20)  # noqa: S603 (our own)


def test_completion_is_shown_and_installed(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the shell looks for it; no file of the user's is changed; another shell is an error."""
    (tmp_path / ".bashrc").write_text("mine\n", encoding="utf-8")
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    for shell, place in (
        ("zsh", ".zfunc/_sgsweep"),
        ("fish", ".config/fish/completions/sgsweep.fish"),
    ):
        monkeypatch.setenv("SHELL", f"/usr/bin/{shell}")
        assert install(app)[0] == tmp_path / place
        assert (tmp_path / place).read_text(encoding="utf-8") == script(shell, app)
    done = desk.sgsweep("--install-completion", changes={"SHELL": "/bin/bash"})
    assert done.code == 0, done.err
    assert ".local/share/bash-completion/completions/sgsweep; " in done.err
    shown = desk.sgsweep("--show-completion", "bash")
    assert (shown.code, shown.out, shown.err) == (0, script("bash", app), "")
    assert (tmp_path / ".bashrc").read_text(encoding="utf-8") == "mine\n"
    monkeypatch.setenv("SHELL", "/bin/tcsh")
    with pytest.raises(UsageError, match="it is one of bash, zsh, fish"):
        install(app)
    other = desk.sgsweep("--show-completion", "tcsh")
    assert (other.code, "it is one of bash, zsh, fish" in other.last) == (2, True)
