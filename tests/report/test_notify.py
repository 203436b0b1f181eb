"""What robots are told: counts and a link, in two languages; names only where they are asked for."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest

from orchestrator.journal import OutcomeKind
from orchestrator.report.notify import Notice, Notify, detail_of, message
from tests.report.sample import finding

FULL = Notice(
    event="scan",
    command="scan",
    run_id="run-1",
    exit_code=3,
    complete=False,
    open={"critical": 2, "high": 1200},
    exposed=3,
    undetermined=1,
    unreachable=2,
    new=1,
    returned=2,
    raised=3,
    outcomes={one.value: 1 for one in OutcomeKind},
    left=4,
    details=("secret-name\nsecond\u202e line", *(f"d{n}" for n in range(11))),
)


def to(**changes: Any) -> Notify:
    """A [[notify]]."""
    return Notify(**{"id": "ops", "kind": "json", "url_env": "ROBOT", **changes})


def test_counts_and_a_link_and_nothing_else() -> None:
    """No name, no address, no account; the link is for this run."""
    told = message(FULL, to(link="https://reports.example/{run_id}/"))
    assert told.title == "sgsweep: scan finished, INCOMPLETE: not everything was seen"
    assert told.lines[:4] == [
        "run run-1",
        "open findings: 1,202 (2 critical, 1,200 high)",
        "with a public address attached: 3",
        "since the run before: 1 new, 2 returned, 3 more severe",
    ]
    assert told.link == "https://reports.example/run-1/"
    assert "secret-name" not in told.text(10_000)
    assert "secret-name" not in str(told.data)
    assert (told.data["open"], told.data["exit_code"], told.data["source"]) == (FULL.open, 3, "sgsweep")


def test_details_are_one_line_each_and_harmless() -> None:
    """A name that holds a line end or turns the text around is shown, and makes no line of its own; ten are told."""
    told = message(FULL, to(detail=True))
    assert "secret-name second[U+202E] line" in told.lines
    assert told.lines[-1] == "and 2 more"
    assert len(told.data["details"]) == 10
    line = detail_of(finding(0, account_name="pay", security_group_name="web", sources=["0.0.0.0/0"]))
    assert line.startswith("[critical] ssh tcp/22 <- 0.0.0.0/0: pay (")


def test_the_chinese_message_holds_no_english_sentence() -> None:
    """Every line is in the robot's language; what programs read is not."""
    told = message(FULL, to(language="zh-CN", detail=False))
    assert told.title == "sgsweep：扫描完成，不完整：并非全部都已读取"
    assert "待处理的风险项：1,202（严重 2，高危 1,200）" in told.lines
    assert not [line for line in told.lines if re.search("[a-z]", line.replace("run-1", ""))]
    assert told.data == message(FULL, to()).data


def test_a_robot_without_a_language_hears_that_of_the_report() -> None:
    """[report] language is for all; a robot's own wins."""
    assert to().told_in("zh-CN").language == "zh-CN"
    assert to(language="en").told_in("zh-CN").language == "en"


def test_a_failed_command_is_told_by_its_code_alone() -> None:
    """What went wrong may name accounts, so it is a detail."""
    notice = Notice(event="failed", command="apply", exit_code=4, details=("account 1001 is wrong",))
    assert message(notice, to()).text(1000) == "sgsweep: apply FAILED\nexit code 4"
    assert "1001" in message(notice, to(detail=True)).text(1000)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"id": " "}, "needs an id"),
        ({"url_env": "https://oapi.example/robot?token=hush"}, "url_env names a variable of the environment"),
        ({"url_env": ""}, "url_env names a variable"),
        ({"secret_env": "SEC hush"}, "secret_env names a variable of the environment"),
        ({"kind": "slack", "secret_env": "SEC"}, "slack takes no signature"),
        ({"kind": "wecom", "secret_env": "SEC"}, "wecom takes no signature"),
        ({"on": ()}, "on is empty"),
    ],
)
def test_what_cannot_be_meant_is_refused_and_no_secret_repeated(changes: dict[str, Any], said: str) -> None:
    """An address that stands where its variable's name should stand is never shown."""
    with pytest.raises(ValueError, match=said) as caught:
        to(**changes)
    assert "hush" not in str(caught.value)


def test_only_what_exists_can_be_asked_for() -> None:
    """Kinds, events and languages are checked as they are read."""
    for wrong in ({"kind": "teams"}, {"on": ["scans"]}, {"language": "de"}):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert({"id": "a", "kind": "json", "url_env": "A", **wrong}, Notify)
