"""The formats that others have defined, held against their own schemas: SARIF 2.1.0 of OASIS, and OCSF."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from orchestrator.journal import OutcomeKind
from orchestrator.report import RunView, render
from tests.official import ocsf, problems, sarif
from tests.report.sample import effect, finding, realistic, summary, unreachable, view

NAMED, NEWEST = "1.5.0", "1.8.0"
"""The version of OCSF that each line names, and the newest that is packaged: a consumer may have either."""


def rendered(of: RunView, kind: str) -> str:
    """Return a report as text."""
    parts: list[str] = []
    render(of, kind, parts.append)
    return "".join(parts)


def every_change() -> RunView:
    """A run in which each outcome that there is occurs, and what could not be read at every level."""
    kinds = list(OutcomeKind)
    findings = [finding(number) for number in range(len(kinds))]
    effects = [effect(one, kind.value) for one, kind in zip(findings, kinds, strict=True)]
    unseen = [unreachable(), unreachable(2, "cn-hangzhou"), unreachable(3, "cn-hangzhou", "sg-1")]
    return view(findings, unseen, effects=effects)


def runs() -> Iterator[tuple[str, RunView]]:
    """Yield runs that differ in what they hold."""
    yield "realistic", realistic(300)
    words = "=cmd|' /C calc'!A0 {0} [x](y) \\ \u202e <script> \x00 \n"
    names = {"account_name": words, "security_group_name": words, "rule": {"Description": words}}
    yield "hostile", view([finding(1, **names, reason=words, owner=words)], [unreachable(1, words, words)])
    yield "every change", every_change()
    yield "nothing", view([])
    yield "incomplete", view([], summary=summary(complete=False, incomplete_because=["It was stopped."]))


@pytest.mark.parametrize(("name", "of"), list(runs()))
def test_sarif_is_right_by_the_official_schema(name: str, of: RunView) -> None:
    """The whole log, of every kind of run."""
    assert problems(sarif(), json.loads(rendered(of, "sarif"))) == []


@pytest.mark.parametrize("version", [NAMED, NEWEST])
@pytest.mark.parametrize(("name", "of"), list(runs()))
def test_ocsf_is_right_by_its_own_schema(version: str, name: str, of: RunView) -> None:
    """Each line by the class it names: no attribute that the class does not know, none missing, each of its type."""
    for line in map(json.loads, rendered(of, "ocsf").splitlines()):
        assert problems(ocsf(version, line["class_uid"]), line) == [], line


def test_the_schemas_do_find_faults() -> None:
    """A schema that takes anything would prove nothing: a word too much, one too few and a wrong one are found."""
    log = json.loads(rendered(realistic(60), "sarif"))
    for change in ({"kind": "wrong"}, {"colour": "red"}, {"message": None}):
        broken = json.loads(json.dumps(log))
        broken["runs"][0]["results"][0] |= change
        assert problems(sarif(), broken), change
    line = json.loads(rendered(realistic(60), "ocsf").splitlines()[-1])
    for change in ({"severity_id": "high"}, {"colour": "red"}, {"time": None}):
        assert problems(ocsf(NAMED, 2003), line | change), change
    assert problems(ocsf(NAMED, 2003), {key: value for key, value in line.items() if key != "time"})
