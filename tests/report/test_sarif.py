"""SARIF 2.1.0: what the standard and the services that read it ask for."""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from orchestrator.journal import Effect
from orchestrator.policy import Finding
from orchestrator.report import RunView, render
from tests.report.sample import Item, effect, finding, realistic, summary, unreachable, view


def run_of(of: RunView) -> dict[str, Any]:
    """The log's one run, after a look at the envelope."""
    parts: list[str] = []
    render(of, "sarif", parts.append)
    log: dict[str, Any] = json.loads("".join(parts))
    assert log["version"] == "2.1.0"
    assert log["$schema"].endswith("sarif-schema-2.1.0.json")
    (one,) = log["runs"]
    assert isinstance(one, dict)
    return one


def one_result(of: Finding, effects: Sequence[Effect] = ()) -> dict[str, Any]:
    """The result of a run with one finding."""
    (result,) = run_of(view([of], effects=effects))["results"]
    assert isinstance(result, dict)
    return result


# The properties that the 2.1.0 schema knows of these objects: each forbids others.
_KNOWN = {
    "run": "tool properties automationDetails invocations results",
    "result": "ruleId ruleIndex kind level message locations fingerprints partialFingerprints suppressions properties",
    "location": "logicalLocations physicalLocation",
    "rule": "id shortDescription defaultConfiguration properties",
}


def test_objects_have_known_properties_only() -> None:
    """The schema allows no property that it does not name."""
    run = run_of(realistic(60))
    found = {
        "run": [run],
        "result": run["results"],
        "location": [place for result in run["results"] for place in result["locations"]],
        "rule": run["tool"]["driver"]["rules"],
    }
    for kind, items in found.items():
        assert {key for item in items for key in item} == set(_KNOWN[kind].split())


def test_every_result_points_at_its_rule() -> None:
    """`ruleIndex` is the place of `ruleId` among the rules, and rules are there once."""
    run = run_of(realistic(60))
    rules = run["tool"]["driver"]["rules"]
    assert len({rule["id"] for rule in rules}) == len(rules)
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]


def test_checks_without_findings_are_rules_too() -> None:
    """A reader sees what was looked for, not only what was found."""
    rules = run_of(view())["tool"]["driver"]["rules"]
    assert {rule["id"]: rule["shortDescription"]["text"] for rule in rules}[
        "ssh"
    ] == "SSH open to the Internet"


@pytest.mark.parametrize(
    ("severity", "level", "above"),
    [("critical", "error", 9), ("high", "error", 7), ("medium", "warning", 4), ("low", "note", 0)],
)
def test_severities_become_levels_and_scores(severity: str, level: str, above: float) -> None:
    """A rule carries its check's level, and the score that code scanning sorts by; the result its own level."""
    run = run_of(view([finding(check_id="mine", severity=severity)], checks=()))
    (rule,) = run["tool"]["driver"]["rules"]
    assert rule["defaultConfiguration"]["level"] == run["results"][0]["level"] == level
    assert above < float(rule["properties"]["security-severity"]) <= 10


@pytest.mark.parametrize(
    ("changes", "effects", "kind", "level"),
    [
        ({}, [], "fail", "error"),
        ({"verdict": "undetermined"}, [], "open", "none"),
        ({"status": "exempt"}, [], "fail", "error"),
        ({"status": "managed"}, [], "fail", "note"),
        ({"status": "shadowed"}, [], "informational", "none"),
        ({}, [effect(finding())], "pass", "none"),
        ({}, [effect(finding(), "failed")], "fail", "error"),
    ],
)
def test_how_a_finding_stands_is_the_results_kind(
    changes: Item, effects: list[Effect], kind: str, level: str
) -> None:
    """Only a fail has a level (section 3.27.10), and what could not be judged is open, never a pass."""
    result = one_result(finding(**changes), effects)
    assert (result["kind"], result["level"]) == (kind, level)


def test_an_exempt_finding_is_suppressed_with_its_reason() -> None:
    """The waiver is an accepted suppression from outside the code; all others have an empty list."""
    exempt = finding(status="exempt", reason="Opens tcp/22; exempt until 2026-06-30 by netops: vendor")
    (suppression,) = one_result(exempt)["suppressions"]
    assert suppression == {"kind": "external", "status": "accepted", "justification": exempt.reason}
    assert one_result(finding())["suppressions"] == []


def test_a_location_names_the_rule() -> None:
    """The logical location is account/region/group/rule; a path stands in for the file that code scanning wants."""
    one = finding()
    (place,) = one_result(one)["locations"]
    (logical,) = place["logicalLocations"]
    path = f"{one.account_id}/{one.region_id}/{one.security_group_id}"
    assert logical == {
        "name": one.rule_id,
        "fullyQualifiedName": f"{path}/{one.rule_id}",
        "kind": "rule",
    }
    assert place["physicalLocation"]["artifactLocation"]["uri"] == path
    assert place["physicalLocation"]["region"]["startLine"] == 1


def test_fingerprints_are_stable_and_distinct() -> None:
    """A second scan gives a finding the same fingerprint, and two findings never share one."""
    first, second = run_of(realistic(60))["results"], run_of(realistic(60))["results"]
    prints = [result["fingerprints"]["sgsweep/v1"] for result in first]
    assert prints == [result["fingerprints"]["sgsweep/v1"] for result in second]
    assert len(set(prints)) == len(prints)
    assert all(re.fullmatch("[0-9a-f]{64}", text) for text in prints)


def test_brackets_and_braces_of_a_name_mean_nothing() -> None:
    """A name with a link or a placeholder in it is shown, not followed."""
    text = one_result(finding(security_group_name="[click](http://x.example) {0} \\"))["message"]["text"]
    assert r"\[click\](http://x.example) {{0}} \\" in text


def test_unreachable_things_are_notifications_and_the_run_did_not_succeed() -> None:
    """What could not be read is in the log, down to the region and the group, and the invocation says so."""
    gone = [unreachable(1), unreachable(2, "cn-beijing"), unreachable(3, "cn-beijing", "sg-1")]
    incomplete = view(unseen=gone, summary={"run_id": "r", "complete": False})
    (invocation,) = run_of(incomplete)["invocations"]
    assert invocation["executionSuccessful"] is False
    assert invocation["startTimeUtc"] == "2026-03-01T08:15:00Z"
    notes = invocation["toolExecutionNotifications"]
    kinds = [note["locations"][0]["logicalLocations"][0]["kind"] for note in notes]
    assert kinds == ["account", "region", "security group"]
    assert all(note["level"] == "error" and "7B1D2F3A" in note["message"]["text"] for note in notes)
    known = {note["id"] for note in run_of(incomplete)["tool"]["driver"]["notifications"]}
    assert {note["descriptor"]["id"] for note in notes} <= known


def test_what_was_not_begun_is_not_told_as_unreadable() -> None:
    """Only what was tried could not be read; what else makes the run incomplete is told, too."""
    gone = [
        replace(unreachable(n), code=code)
        for n, code in enumerate(("NotBegun", "NotFinished", "CountMismatch"))
    ]
    why = summary(complete=False, incomplete_because=("3 groups were taken over",))
    (invocation,) = run_of(view(unseen=gone, summary=why))["invocations"]
    told = [note["message"]["text"] for note in invocation["toolExecutionNotifications"]]
    starts = ["Not read: NotBegun", "Not read: NotFinished", "Not read in full: CountMismatch"]
    assert [text[: len(start)] for text, start in zip(told, starts, strict=False)] == starts
    assert told[3:] == ["Incomplete: 3 groups were taken over"]


def test_a_severity_below_the_checks_own_says_why() -> None:
    """A result of the same rule with another severity carries the reason."""
    latent = finding(0, severity="high", base_severity="critical", exposure="latent")
    assert one_result(latent)["properties"]["severity_reason"] == "no public address is attached"
    assert one_result(finding(0))["properties"]["severity_reason"] == ""


def test_the_schemas_enumerations_are_kept() -> None:
    """Kinds, levels and suppression words are the schema's."""
    kinds = {"notApplicable", "pass", "fail", "review", "open", "informational"}
    for result in _results():
        assert result["kind"] in kinds
        assert result["level"] in {"none", "note", "warning", "error"}
        for suppression in result["suppressions"]:
            assert suppression["kind"] in {"inSource", "external"}
            assert suppression["status"] in {"accepted", "underReview", "rejected"}


def _results() -> Iterator[dict[str, Any]]:
    yield from run_of(realistic(60))["results"]
