"""`show`: the plan as whoever approves it reads it, on stdout; it is never changed."""

from __future__ import annotations

import json
import os
import pty
import shutil
from pathlib import Path

import pytest

from tests.cli.desk import Desk, private_key
from tests.cli.terminal import _talk, on_terminal


@pytest.fixture
def run(desk: Desk, planned: tuple[Path, str]) -> Path:
    """A copy of the planned run in the desk's folder."""
    return shutil.copytree(planned[0], desk.folder / "run")


def test_a_plan_is_read_before_it_is_approved(desk: Desk, run: Path, planned: tuple[Path, str]) -> None:
    """Which plan, what it comes to, then each rule; account by name; nothing in the folder changes."""
    before = {one.name: one.read_bytes() for one in run.iterdir()}
    ended = desk.sgsweep("show", "run/plan.json")
    assert (ended.code, ended.err) == (0, "")
    lines = ended.out.splitlines()
    assert lines[0] == f"plan {planned[1]}"
    assert lines[3] == "nobody has signed it"
    plan = desk.document("run/plan.json")
    names = {one["account_id"]: one["account_name"] for one in desk.lines("run/findings.jsonl")}
    for action in plan["actions"]:
        account = action["account_id"]
        assert any(one.startswith(f"  {account} ({names[account]}): ") for one in lines)
        (line,) = (one for one in lines if f" {action['rule_id']} (" in one)
        assert line.strip().startswith(action["action"])
        assert line.endswith(("; critical)", "; high)", "; medium)"))
    assert "\x1b" not in ended.out
    assert {one.name: one.read_bytes() for one in run.iterdir()} == before


def test_plan_says_the_summary_and_no_more(desk: Desk, run: Path) -> None:
    """The digest on stdout, no rule on stderr, and the line that shows each of them."""
    ended = desk.sgsweep("plan", "run")
    assert ended.code in {0, 3}
    assert ended.out.strip() == desk.document("run/plan.json")["digest"]
    assert "sgr-" not in ended.err
    assert "rule by rule: sgsweep show run/plan.json" in ended.err
    assert "to do: " in ended.err


def test_what_is_shown_is_narrowed(desk: Desk, run: Path, planned: tuple[Path, str]) -> None:
    """By account, id or name, and by severity; that it is a part is said; the summary is of that part."""
    plan = desk.document("run/plan.json")
    severities = {one["rule_id"]: one["severity"] for one in desk.lines("run/findings.jsonl")}
    account = plan["actions"][0]["account_id"]
    mine = {one["rule_id"] for one in plan["actions"] if one["account_id"] == account}
    high = {one["rule_id"] for one in plan["actions"] if severities[one["rule_id"]] == "high"}
    every = {one["rule_id"] for one in plan["actions"]}
    assert mine < every
    assert set() < high < every
    for options, wanted in (
        (("--account", account), mine),
        (("--severity", "high"), high),
        (("--severity", "high", "--account", account), mine & high),
        (("--severity", "high", "--severity", "critical"), every),
    ):
        ended = desk.sgsweep("show", "run/plan.json", "--json", *options)
        document = json.loads(ended.out)
        assert {one["rule_id"] for one in document["actions"]} == wanted
        assert sum(document["summary"]["actions"].values()) == len(wanted)
        assert document["digest"] == planned[1]
        assert document["is_whole"] is (wanted == every and len(document["skipped"]) == len(plan["skipped"]))
    told = desk.sgsweep("show", "run/plan.json", "--account", account).out
    assert f"shown: {len(mine)} of {len(every)} changes" in told
    assert all((one in told) is (one in mine) for one in every)


def test_one_object_for_programs(desk: Desk, run: Path) -> None:
    """The plan's own keys as they are, with names and severities beside them, and the summary."""
    plan = desk.document("run/plan.json")
    document = json.loads(desk.sgsweep("show", "run/plan.json", "--json").out)
    assert document.keys() == plan.keys() | {"summary", "is_whole"}
    assert document["is_whole"] is True
    for shown, one in zip(document["actions"], plan["actions"], strict=True):
        assert shown["account_name"]
        assert shown["severity"] in {"critical", "high", "medium", "low"}
        assert {key: shown[key] for key in one} == one
    assert sum(one["rules"] for one in document["summary"]["closes"]) == len(plan["actions"])
    assert sum(one["rules"] for one in document["summary"]["accounts"]) == len(plan["actions"])
    assert sum(one["count"] for one in document["summary"]["left_alone"]) == len(plan["skipped"])


def test_a_signature_is_shown(desk: Desk, run: Path) -> None:
    """Whose key and when, as it says itself."""
    key = desk.folder / "key.pem"
    key.touch(mode=0o600)
    key.write_bytes(private_key())
    assert desk.sgsweep("sign", "run/plan.json", "--key", "key.pem").code == 0
    assert "\nsignature: with key " in desk.sgsweep("show", "run/plan.json").out


def test_wrong_things(desk: Desk, run: Path, planned: tuple[Path, str]) -> None:
    """Each with its sentence: 2 for what was asked wrongly, 4 for a plan that was changed."""
    for words, said in (
        (("run",), "run is a folder: give its plan, run/plan.json"),
        (("none.json",), "the plan none.json cannot be read: No such file"),
        (("run/plan.json", "--severity", "bad"), "--severity 'bad': give one of critical, high, medium, low"),
        (("run/plan.json", "--account", "nobody"), "the plan is about no account that is nobody"),
    ):
        ended = desk.sgsweep("show", *words)
        assert (ended.code, ended.out) == (2, "")
        assert said in ended.last
    alone = desk.folder / "alone"
    alone.mkdir()
    shutil.copy(run / "plan.json", alone)
    ended = desk.sgsweep("show", "alone/plan.json")
    assert ended.code == 0
    assert "is not beside it: accounts have no names here, rules no severities" in ended.err
    ended = desk.sgsweep("show", "alone/plan.json", "--severity", "high")
    assert ended.code == 2
    assert "nobody knows severities" in ended.last
    (alone / "plan.json").write_bytes((run / "plan.json").read_bytes().replace(b"tcp/22", b"tcp/23"))
    ended = desk.sgsweep("show", "alone/plan.json")
    assert (ended.code, ended.out) == (4, "")
    assert "the plan was changed" in ended.last


def _seen(desk: Desk, **environment: str) -> str:
    """Return what a terminal gets, sequences included."""
    pid, terminal = pty.fork()
    if pid == 0:  # the child: only what must be, and then another program
        from tests.cli.desk import COMMAND  # noqa: PLC0415 - in the child

        os.chdir(desk.folder)
        os.execvpe(COMMAND[0], [*COMMAND, "show", "run/plan.json"], {**desk.environment, **environment})  # noqa: S606 (our own)
    try:
        return _talk(terminal, "")
    finally:
        os.close(terminal)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_on_a_terminal(desk: Desk, run: Path) -> None:
    """In colours, by the pager that is named; or plain where that is asked for; one that is none is left out."""
    pager = desk.folder / "pager"
    pager.write_text("#!/bin/sh\necho by the pager\ncat\n")
    pager.chmod(0o700)
    plain = desk.sgsweep("show", "run/plan.json").out.splitlines()
    coloured = _seen(desk, TERM="xterm", PAGER=str(pager))
    assert coloured.startswith("by the pager\r\n\x1b[1mplan ")
    assert "\x1b[31m      - accept tcp 22/22" in coloured
    for environment in (
        {"TERM": "dumb", "PAGER": ""},
        {"TERM": "xterm", "NO_COLOR": "1", "PAGER": "no-such-pager --at-all"},
        {"TERM": "xterm", "NO_COLOR": "1", "PAGER": "'"},
    ):
        assert _seen(desk, **environment).splitlines() == plain
    desk.environment["PAGER"] = "head -n 1"
    left = on_terminal(desk, "show", "run/plan.json")  # who leaves has seen enough
    assert (left.code, left.err.splitlines()) == (0, plain[:1])
