"""`sgsweep compare` as a user has it: text on stdout, one JSON object; the exit codes, and what is typed wrongly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.cli.desk import Desk


def theirs(desk: Desk, folder: Path) -> list[dict[str, Any]]:
    """Return Cloud Config's results as they would be if it failed each group that this run has found anything in."""
    found = [json.loads(line) for line in (folder / "findings.jsonl").read_bytes().splitlines()]
    places = {(one["account_id"], one["region_id"], one["security_group_id"]) for one in found}
    return [
        {
            "ComplianceType": "NON_COMPLIANT",
            "EvaluationResultIdentifier": {
                "EvaluationResultQualifier": {
                    "ConfigRuleName": "sg-risky-ports-check",
                    "ConfigRuleId": "cr-1",
                    "RegionId": region_id,
                    "ResourceId": group_id,
                    "ResourceType": "ACS::ECS::SecurityGroup",
                    "ResourceOwnerId": int(account_id),
                }
            },
        }
        for account_id, region_id, group_id in sorted(places)
    ]


def write(desk: Desk, rows: list[dict[str, Any]], name: str = "theirs.json") -> str:
    """Write results as the API answers them."""
    (desk.folder / name).write_text(json.dumps({"EvaluationResults": {"EvaluationResultList": rows}}))
    return name


def test_each_difference_is_told_with_its_reason(desk: Desk, planned: tuple[Path, str]) -> None:
    """Text and data on stdout and nothing beside them; the counts are those of the lists."""
    folder = planned[0]
    rows = theirs(desk, folder)
    told = desk.sgsweep("compare", str(folder), write(desk, rows), "-c", "absent.toml")
    assert told.err == ""
    assert "  rule sg-risky-ports-check: taken for sg-risky-ports-check" in told.out
    found = desk.sgsweep("compare", str(folder), "theirs.json", "--json")
    document = json.loads(found.out)
    counts = document["counts"]
    kinds = ("explained", "unexplained", "not_comparable")
    assert found.code == told.code == (3 if counts["not_comparable"] else 1 if counts["unexplained"] else 0)
    assert counts["agreeing"] + sum(counts[kind] for kind in kinds) == len(rows) > counts["agreeing"] > 0
    assert {"managed", "shadowed"} <= set(counts["by_kind"])
    lines = [line for line in told.out.splitlines() if line.startswith(("explained: ", "UNEXPLAINED: "))]
    assert len(lines) == counts["explained"] + counts["unexplained"]


def test_it_is_0_where_they_agree_and_1_where_nothing_explains_it(
    desk: Desk, planned: tuple[Path, str]
) -> None:
    """What both fail is no difference; one group that they pass and should not is 1, and is named."""
    folder = planned[0]
    found = desk.sgsweep("compare", str(folder), write(desk, theirs(desk, folder)), "--json")
    document = json.loads(found.out)
    apart = {
        one["security_group_id"]
        for kind in ("explained", "unexplained", "not_comparable")
        for one in document[kind]
    }
    rows = [
        row
        for row in theirs(desk, folder)
        if row["EvaluationResultIdentifier"]["EvaluationResultQualifier"]["ResourceId"] not in apart
    ]
    assert desk.sgsweep("compare", str(folder), write(desk, rows)).code == 0
    one = rows[0]["EvaluationResultIdentifier"]["EvaluationResultQualifier"]["ResourceId"]
    rows[0]["ComplianceType"] = "COMPLIANT"
    half = write(desk, rows[1:], "half.json")
    told = desk.sgsweep("compare", str(folder), write(desk, rows[:1]), half)
    assert told.code in {0, 1}
    assert f", {one}, sg-risky-ports-check: theirs COMPLIANT, ours open: " in told.out


def test_what_is_typed_wrongly_is_2_with_a_sentence(desk: Desk, planned: tuple[Path, str]) -> None:
    """No file, one that is not there, the run's own, no run, a rule without its name, a port that is none."""
    run = str(planned[0])
    rows = theirs(desk, planned[0])
    write(desk, rows)
    for arguments, said in (
        ((run,), "Missing argument 'FILE'"),
        ((run, "absent.json"), "absent.json"),
        ((run, f"{run}/findings.jsonl"), "holds no EvaluationResultList"),
        (("absent", "theirs.json"), "absent is no run folder"),
        ((run, "theirs.json", "--rule", "cr-1"), "NAME=IDENTIFIER"),
        ((run, "theirs.json", "--risky-port", "0"), "'--risky-port'"),
    ):
        ended = desk.sgsweep("compare", *arguments)
        assert (ended.code, ended.out) == (2, ""), arguments
        assert said in ended.err, ended.err
