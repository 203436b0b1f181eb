"""The formats for programs: JSON, CSV and OCSF."""

import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from accounts import Account
from orchestrator.exposure import ports_to_json
from orchestrator.journal import AccountState, Effect, JobState
from orchestrator.policy import Check, Finding
from orchestrator.report import FORMATS, ReportError, RunView, render
from orchestrator.report.as_csv import COLUMNS
from tests.report.sample import (
    Item,
    a_plan,
    again,
    effect,
    finding,
    planned,
    realistic,
    summary,
    unreachable,
    view,
)


def rendered(run: RunView, format_: str) -> str:
    """The whole text."""
    parts: list[str] = []
    render(run, format_, parts.append)
    return "".join(parts)


def rows(run: RunView) -> list[dict[str, str]]:
    """The CSV, read back."""
    return list(csv.DictReader(io.StringIO(rendered(run, "csv"), newline="")))


def events(run: RunView) -> list[dict[str, Any]]:
    """The OCSF lines about findings and what was not seen, read back: without the first, and those of changes."""
    return [one for one in lines(run)[1:] if one["class_uid"] == 2003]


def lines(run: RunView) -> list[dict[str, Any]]:
    """The OCSF lines, read back."""
    return [json.loads(line) for line in rendered(run, "ocsf").splitlines()]


def test_json_is_one_document_with_the_runs_own_lines() -> None:
    """Nothing is added to, taken from or changed in the run's lines."""
    run = realistic(60)
    document = json.loads(rendered(run, "json"))
    assert list(document) == ["summary", "not_covered", "findings", "unreachable", "outcomes"]
    assert document["summary"] == run.summary
    assert document["findings"] == json.loads(
        msgspec.json.encode(list(run.findings()), enc_hook=ports_to_json)
    )
    assert document["unreachable"] == json.loads(msgspec.json.encode(list(run.unreachable())))
    assert document["outcomes"] == json.loads(msgspec.json.encode(list(run.outcomes())))


def test_json_has_what_the_plan_notes() -> None:
    """That a group is managed as code, or that a rule came back, is said to machines too."""
    action = planned(finding(1), notes=("returned: 1",))
    document = json.loads(rendered(view(plan=a_plan([action, planned(finding(2))])), "json"))
    assert document["plan_notes"] == [
        {
            "account_id": action.account_id,
            "region_id": action.region_id,
            "security_group_id": action.security_group_id,
            "rule_id": action.rule_id,
            "notes": ["returned: 1"],
        }
    ]


def test_json_of_an_empty_run_has_empty_lists() -> None:
    """Empty is not absent."""
    document = json.loads(rendered(view(), "json"))
    assert (document["findings"], document["unreachable"], document["outcomes"]) == ([], [], [])


def test_csv_has_a_row_per_finding_and_the_documented_columns() -> None:
    """Every column is described, every finding is a row, and lists are texts."""
    run = realistic(60)
    read = rows(run)
    assert list(read[0]) == list(COLUMNS)
    assert [row["rule_id"] for row in read] == [one.rule_id for one in run.findings()]
    row = next(row for row in read if row["rule_id"] == finding(0).rule_id)
    assert row["ports"] == "tcp/22"
    assert row["service_managed"] == "false"
    assert row["witness_port"] == "22"
    assert row["standing"] == "closed"
    assert row["outcome"] == "revoked"
    assert rendered(run, "csv").count("\r\n") == len(read) + 1


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "\uff1d"])
def test_csv_disarms_cells_that_begin_like_a_formula(start: str) -> None:
    """A group's name and a rule's description are a tenant's, and must not run in somebody's spreadsheet."""
    text = f"{start}cmd|' /C calc'!A0"
    hostile = finding(security_group_name=text, rule={"Description": text}, account_name=text)
    (row,) = rows(view([hostile]))
    for column in ("security_group_name", "description", "account_name"):
        assert row[column] == f"'{text}"


_CELL = re.compile(r"[ \"]*[=+\-@\uff1d\uff0b\uff0d\uff20]\s*[a-z]")


@pytest.mark.parametrize("separator", [",", ";", "\t", "|", ":", "/", " ", "~", "\n", "\r"])
@pytest.mark.parametrize("middle", ["", " ", '"', ' "', "  "])
def test_csv_disarms_what_another_separator_makes_a_cell(separator: str, middle: str) -> None:
    """Split at whatever character, with the quotes heeded or not, no cell runs."""
    texts = [f"a{separator}{middle}{sign}cmd|' /C calc'!A0" for sign in ("=", "+", "-", "@", "\uff1d")]
    run = view([finding(security_group_name=text, rule={"Description": text}) for text in texts])
    raw = rendered(run, "csv")
    with_quotes = (
        [cell for row in csv.reader(io.StringIO(raw, newline=""), delimiter=separator) for cell in row]
        if separator not in "\r\n"
        else []
    )
    for cell in (*with_quotes, *re.split(f"[\r\n{re.escape(separator)}]", raw)):
        assert not _CELL.match(cell), cell


@pytest.mark.parametrize(
    "text",
    ["web - prod", "a = b", "1 or -1, not -2", "key=value", "2026-03-01", "a--b", "ends with -", "'=1"],
)
def test_csv_leaves_what_is_harmless_as_it_is(text: str) -> None:
    """Names that people give are not spoilt."""
    (row,) = rows(view([finding(security_group_name=text)]))
    assert row["security_group_name"] == text


def test_csv_keeps_commas_quotes_and_line_ends_in_their_cell() -> None:
    """Whatever is in a name, the row stays a row."""
    text = 'a,"b"\r\n;c'
    (row,) = rows(view([finding(security_group_name=text)]))
    assert row["security_group_name"] == text


def test_csv_of_a_finding_without_witness_or_rule_has_empty_cells() -> None:
    """What is not there is an empty cell, not the word None."""
    (row,) = rows(view([finding(witness=None, rule={})]))
    assert (row["witness_port"], row["description"], row["outcome"]) == ("", "", "")


# What the schema requires of a Compliance Finding and of the objects in it (ocsf-schema 1.5.0, profile cloud).
_REQUIRED = {
    "": "activity_id category_uid class_uid type_uid time severity_id metadata finding_info compliance cloud",
    "metadata": "version product",
    "finding_info": "uid title",
    "compliance": "status_id status standards",
    "cloud": "provider account",
}


def test_ocsf_lines_are_compliance_findings() -> None:
    """Each line has what the class requires, with ids that agree with each other."""
    run = realistic(60)
    read = events(run)
    assert len(read) == sum(1 for _ in run.findings()) + sum(1 for _ in run.unreachable())
    assert len(lines(run)) == 1 + len(read) + sum(1 for _ in run.effects())
    for event in read:
        for path, names in _REQUIRED.items():
            assert set(names.split()) <= set(event[path] if path else event)
        assert (event["class_uid"], event["category_uid"]) == (2003, 2)
        assert event["type_uid"] == 200300 + event["activity_id"]
        assert event["metadata"]["profiles"] == ["cloud"]
        assert event["time"] == 1772352900000
        assert event["cloud"]["provider"] == "Alibaba Cloud"


@pytest.mark.parametrize(
    ("changes", "effects", "compliance", "status"),
    [
        ({}, [], "Fail", "New"),
        ({"verdict": "undetermined"}, [], "Warning", "New"),
        ({"status": "exempt"}, [], "Fail", "Suppressed"),
        ({"status": "managed"}, [], "Fail", "Managed"),
        ({"status": "shadowed"}, [], "Fail", "Shadowed"),
        ({}, [effect(finding())], "Pass", "Resolved"),
        ({}, [effect(finding(), "failed")], "Fail", "New"),
    ],
)
def test_ocsf_tells_how_a_finding_stands(
    changes: Item, effects: list[Effect], compliance: str, status: str
) -> None:
    """What could not be judged is a warning and never a pass; a waiver suppresses; a change resolves."""
    (event,) = events(view([finding(**changes)], effects=effects))
    assert (event["compliance"]["status"], event["status"]) == (compliance, status)
    if status in {"Managed", "Shadowed"}:
        assert event["status_id"] == 99


@pytest.mark.parametrize(("severity", "id_"), [("low", 2), ("medium", 3), ("high", 4), ("critical", 5)])
def test_ocsf_severities(severity: str, id_: int) -> None:
    """Our four severities are OCSF's own, by number and by name."""
    (event,) = events(view([finding(severity=severity)]))
    assert (event["severity_id"], event["severity"]) == (id_, severity.capitalize())


def test_ocsf_tells_what_could_not_be_read() -> None:
    """An account that nobody could enter is a line with a warning, so that it does not look clean."""
    (event,) = events(view(unseen=[unreachable(1)]))
    assert event["compliance"]["status_id"] == 2
    assert event["compliance"]["status_details"] == [
        "NoPermission: Not allowed to assume the role sgsweep-read."
    ]
    assert event["severity_id"] == 0
    assert event["cloud"]["account"]["uid"] == "2000000000000001"


@pytest.mark.parametrize(
    ("code", "title"),
    [("NotBegun", "Not read"), ("NotFinished", "Not read"), ("CountMismatch", "Not read in full")],
)
def test_ocsf_does_not_tell_what_was_not_tried_as_unreadable(code: str, title: str) -> None:
    """What the run did not come to, and what it read in part, have their own words; each is a warning."""
    (event,) = events(view(unseen=[replace(unreachable(1), code=code)]))
    assert event["finding_info"]["title"] == title
    assert "could not be read" not in json.dumps(event)
    assert event["compliance"]["status_id"] == 2


def test_ocsf_tells_why_else_a_run_is_incomplete() -> None:
    """What is wrong with the run as a whole, where each place was read, is a warning of the account that acted."""
    told = summary(
        complete=False, incomplete_because=("3 groups were taken over",), cloud={"hub_account_id": "42"}
    )
    (event,) = events(view(summary=told))
    for path, names in _REQUIRED.items():
        assert set(names.split()) <= set(event[path] if path else event)
    assert event["compliance"]["status"] == "Warning"
    assert "3 groups were taken over" in event["message"]
    assert event["cloud"]["account"]["uid"] == "42"


def test_csv_and_ocsf_say_why_a_severity_is_below_the_checks_own() -> None:
    """One check with two severities: the lower has its reason, the other an empty cell."""
    latent = finding(0, severity="high", base_severity="critical", exposure="latent")
    run = view([latent, finding(0, rule_id="sgr-full")])
    assert sorted(row["severity_reason"] for row in rows(run)) == ["", "no public address is attached"]
    assert (
        sorted(event["unmapped"]["severity_reason"] for event in events(run))[1]
        == "no public address is attached"
    )


def test_ocsf_begins_with_what_it_is_not_about() -> None:
    """One informational line, also of a run without findings, that no rule for failures or warnings meets."""
    for run in (view(), realistic(60)):
        first = lines(run)[0]
        assert "allow-lists of databases" in first["message"]
        document = json.loads(rendered(run, "json"))
        assert first["unmapped"]["not_covered"] == first["message"] == document["not_covered"]
        assert (first["severity"], first["status"], first["compliance"]["status"]) == (
            "Informational", "Not covered", "Unknown"
        )  # fmt: skip
        assert sum("not_covered" in one["unmapped"] for one in lines(run)) == 1


@pytest.mark.parametrize(
    ("what", "activity", "status"),
    [
        ("revoked", "Isolate", "Success"),
        ("split", "Isolate", "Success"),
        ("narrowed", "Isolate", "Success"),
        ("blocked", "Isolate", "Success"),
        ("already_absent", "Isolate", "Does Not Exist"),
        ("drifted", "Isolate", "Drifted"),
        ("skipped", "Isolate", "Skipped"),
        ("failed", "Isolate", "Failure"),
        ("rolled_back", "Restore", "Success"),
    ],
)
def test_ocsf_tells_each_change(what: str, activity: str, status: str) -> None:
    """A Remediation Activity for each: what was done, how it ended, of which finding, by which request."""
    one = finding(3)
    first, found, change = lines(view([one], effects=[effect(one, what, reason="because")]))
    assert (change["class_uid"], change["activity_name"], change["status"]) == (7001, activity, status)
    assert change["type_uid"] == 700100 + change["activity_id"]
    assert (change["status_detail"], change["status_code"]) == ("because", what)
    assert change["unmapped"]["outcome"] == what
    assert change["unmapped"]["finding_uids"] == [found["finding_info"]["uid"]]
    assert change["unmapped"]["request_id"] == "5F0C-11"
    assert [each["value"] for each in change["observables"]] == [found["resources"][0]["uid"], one.rule_id]
    assert (change["severity"] == "Medium") == (what == "failed")
    assert first["metadata"] == change["metadata"]


def test_ocsf_tells_a_change_whose_end_is_not_known() -> None:
    """A crash came between: it is no success and no failure; its account has its name where one is known."""
    one = finding(3)
    account = AccountState(Account(one.account_id, "shop", (), "", ()), JobState.done)
    of = view([one], effects=[replace(effect(one), outcome=None)], accounts=again([account]))
    change = lines(of)[-1]
    assert (change["status"], change["status_id"], change["severity"]) == ("Unknown", 0, "Medium")
    assert "not known" in change["message"]
    assert change["cloud"]["account"]["name"] == "shop"
    nameless = lines(view([one], effects=[effect(one)]))[-1]
    assert nameless["cloud"]["account"]["name"] == one.account_id


def test_ocsf_tells_which_traffic_a_change_filters() -> None:
    """D3FEND has a word for each direction, and one for what a rollback does."""
    one = finding(3)
    out = finding(4, direction="egress", rule={"Direction": "egress"})
    told = lines(view([one, out], effects=[effect(one), effect(out), effect(one, "rolled_back")]))[3:]
    names = {each["countermeasures"][0]["d3f_technique"]["name"] for each in told}
    assert names == {"Inbound Traffic Filtering", "Outbound Traffic Filtering", "Restore Access"}
    assert len({each["command_uid"] for each in told}) == 3


def test_what_a_check_is_elsewhere_is_told() -> None:
    """The numbers of a benchmark, one by one: in csv, sarif and ocsf; a check without any has none."""
    references = ("CIS Alibaba Cloud 2.0: 3.2, 4.3", "Cloud Config: sg-x", "house rule")
    each = ["CIS Alibaba Cloud 2.0: 3.2", "CIS Alibaba Cloud 2.0: 4.3", "Cloud Config: sg-x", "house rule"]
    checks = Check(id="ssh", title="SSH", references=references), Check(id="rdp", title="RDP")
    run = view([finding(0), finding(1)], checks=checks)
    assert {row["check_id"]: row["references"] for row in rows(run)} == {"ssh": "; ".join(each), "rdp": ""}
    told = {one["compliance"]["control"]: one["compliance"] for one in events(run)}
    assert (told["ssh"]["requirements"], "requirements" in told["rdp"]) == (each, False)
    assert told["ssh"]["standards"] == ["sgsweep", "CIS Alibaba Cloud 2.0", "Cloud Config", "house rule"]
    assert told["rdp"]["standards"] == ["sgsweep"]
    (log,) = json.loads(rendered(run, "sarif"))["runs"]
    by_id = {rule["id"]: rule["properties"] for rule in log["tool"]["driver"]["rules"]}
    assert (by_id["ssh"]["references"], "references" in by_id["rdp"]) == (each, False)
    assert log["properties"]["not_covered"] == lines(run)[0]["message"]


def test_ocsf_refuses_a_run_without_a_time() -> None:
    """An event needs its time, and a made-up one would be a lie."""
    with pytest.raises(ReportError, match="created_at"):
        events(view([finding()], created_at="yesterday"))


@pytest.mark.parametrize("format_", FORMATS)
def test_renderings_do_not_gather(format_: str) -> None:
    """No renderer holds all findings: of 20,000, not more than what the page shows is alive at once."""
    alive = most = 0

    class Rule(dict[str, object]):
        """The rule of a finding: it lives as long as the finding does."""

        def __init__(self, number: int) -> None:
            nonlocal alive, most
            super().__init__(Priority=str(number))
            alive, most = alive + 1, max(most, alive + 1)

        def __del__(self) -> None:
            nonlocal alive
            alive -= 1

    def lines() -> Iterator[Finding]:
        return (msgspec.structs.replace(finding(number), rule=Rule(number)) for number in range(20_000))

    render(msgspec.structs.replace(view(), findings=lines), format_, lambda _: None)
    assert most < 50


def test_a_file_is_written_to_as_a_callable_is(tmp_path: Path) -> None:
    """`write` may be a text file: the text is the same."""
    path = tmp_path / "findings.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        render(realistic(60), "csv", file)
    assert path.read_bytes().decode() == rendered(realistic(60), "csv")
