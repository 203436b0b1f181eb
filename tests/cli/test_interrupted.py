"""Ctrl-C, a supervisor's SIGTERM, kill -9: in the middle of every command, and the same command again."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.desk import Cloud, Desk, emulated

WIDE = ("--accounts", "4", "--groups", "6", "--regions", "2", "--seed", "5", "--latency-ms", "30")
SLOWLY = "[limits]\nmax_in_flight = 8\n"


@pytest.fixture
def wide_desk(tmp_path: Path) -> Iterator[Desk]:
    """A user at an organization that takes a while."""
    with emulated(*WIDE) as cloud:
        yield Desk(tmp_path, cloud, SLOWLY)


def test_ctrl_c_in_a_scan_loses_nothing(wide_desk: Desk) -> None:
    """Exit 3 and how to go on; the files say what is known; resumed, it is whole, and what was done is not repeated."""
    cloud = cloud_of(wide_desk)
    ended = wide_desk.interrupted(
        "scan",
        "--out",
        "run",
        "--port",
        "22",
        when=after(cloud, "DescribeSecurityGroupAttribute", 8),
        by=signal.SIGINT,
    )
    assert ended.code == 3, ended.err
    assert "interrupted" in ended.last
    assert "scan --resume" in ended.last
    summary = wide_desk.document("run/summary.json")
    assert summary["complete"] is False
    assert summary["accounts"]["reached"] < 5
    assert f"INCOMPLETE: {' '.join(summary['coverage'])}" in ended.err
    assert summary["headline"] in ended.err
    resumed = wide_desk.sgsweep("scan", "--resume", "run")
    assert resumed.code == 1, resumed.err
    assert wide_desk.document("run/summary.json")["accounts"]["reached"] == 5
    assert wide_desk.document("run/summary.json")["complete"] is True


def test_a_killed_apply_is_finished_by_the_same_command(wide_desk: Desk) -> None:
    """Killed between two revokes and run again: each rule of the plan went exactly once, and the trail is whole."""
    cloud = cloud_of(wide_desk)
    digest = wide_desk.planned("run", "--port", "22")
    line = ("apply", "run/plan.json", "--digest", digest, "--yes")
    killed = wide_desk.interrupted(*line, when=after(cloud, "RevokeSecurityGroup", 2), by=signal.SIGKILL)
    assert killed.code == -signal.SIGKILL
    finished = wide_desk.sgsweep(*line)
    assert finished.code == 0, finished.err
    planned = {one["rule_id"] for one in wide_desk.document("run/plan.json")["actions"]}
    assert revoked(cloud) == Counter(planned)
    verified = wide_desk.sgsweep("verify", "run")
    assert verified.code == 0, verified.err
    assert {one["outcome"] for one in wide_desk.lines("run/outcomes.jsonl")} <= {"revoked", "split"}


def test_an_interrupt_that_python_swallows_is_given_again() -> None:
    """Ctrl-C within a callback, as importing a module makes some, ends the command all the same, without a trace."""
    code = """
import time, weakref
from orchestrator.cli import keep_interrupts
class Thing: pass
def interrupted(_):
    raise KeyboardInterrupt
keep_interrupts()
thing = Thing()
kept = weakref.ref(thing, interrupted)
try:
    del thing
    for _ in range(2000):
        time.sleep(0.01)  # what is given again cannot wake a call of the system
except KeyboardInterrupt:
    print("interrupted")
"""
    command = [sys.executable, "-c", code]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 (our own)
    assert (ended.stdout, ended.stderr) == ("interrupted\n", "")


@pytest.mark.soak
@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
@pytest.mark.parametrize("command", ["scan", "apply", "rollback", "close"])
def test_at_any_moment_of_any_command(tmp_path: Path, command: str, by: signal.Signals) -> None:
    """Four moments each: stopped there and run again to its end, nothing is missing and nothing was done twice."""
    seed = random.randrange(10**6)  # noqa: S311 (to be repeated, not to be secret)
    print(f"seed {seed}")  # noqa: T201 (pytest shows it where the test fails)
    moments = random.Random(seed)  # noqa: S311 (the same)
    with emulated(*WIDE) as cloud:
        desk = Desk(tmp_path, cloud, SLOWLY)
        original = cloud.world()
        line = _prepared(desk, command)
        for _ in range(4):
            begun = time.monotonic()
            wait = moments.uniform(0.2, 3.0)
            ended = desk.interrupted(*line, when=lambda: time.monotonic() - begun > wait, by=by)  # noqa: B023
            told = (wait, ended)
            assert ended.code in {-by, 3, 0, 1}, told
            assert desk.sgsweep("verify", "run", "--offline").code in {0, 2, 4}, told  # 4: sealed by the next
            line = _again(desk, command, line)
        done = desk.sgsweep(*line)
        assert done.code == (1 if command == "scan" else 0), done.err
        _judge(desk, cloud, command, original)


def _prepared(desk: Desk, command: str) -> tuple[str, ...]:
    """Come to where the command may begin; return it."""
    if command == "scan":
        return ("scan", "--out", "run", "--port", "22")
    if command == "close":
        return ("close", "22", "--incident", "i", "--out", "run", "--yes")
    digest = desk.planned("run", "--port", "22")
    apply = ("apply", "run/plan.json", "--digest", digest, "--yes")
    if command == "apply":
        return apply
    assert desk.sgsweep(*apply).code == 0
    return ("rollback", "run", "--yes")


def _again(desk: Desk, command: str, line: tuple[str, ...]) -> tuple[str, ...]:
    if command == "scan" and (desk.folder / "run" / "journal.sqlite").exists():
        return ("scan", "--resume", "run")
    return line


def _judge(desk: Desk, cloud: Cloud, command: str, original: dict[str, list[str]]) -> None:
    """Judge by the cloud's own record and state."""
    if command in {"scan", "rollback"}:
        assert cloud.world() == original
    else:
        assert cloud.world() != original
    assert max(revoked(cloud).values(), default=1) == 1
    verified = desk.sgsweep("verify", "run")
    assert verified.code == (1 if command in {"scan", "rollback"} else 0), verified.err


def cloud_of(desk: Desk) -> Cloud:
    """Return the desk's cloud, which it has."""
    assert desk.cloud is not None
    return desk.cloud


def after(cloud: Cloud, action: str, count: int) -> Callable[[], bool]:
    """Return what tells whether that many such calls have arrived."""
    return lambda: sum(call["action"] == action for call in cloud.calls()) >= count


def revoked(cloud: Cloud) -> Counter[str]:
    """Return how often each rule was revoked, from the record of what was changed."""
    return Counter(
        rule_id
        for call in cloud.calls(changes=True)
        if call["action"].startswith("RevokeSecurityGroup")
        for rule_id in _rule_ids(call["parameters"])
    )


def _rule_ids(parameters: dict[str, Any]) -> list[str]:
    return [value for name, value in parameters.items() if name.startswith("SecurityGroupRuleId")]
