"""The published schema of the JSON report is what the code writes, and every report is right by it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator

from orchestrator import run
from orchestrator.emulator import Fault, Kind, World, WorldOutline
from orchestrator.run import Filters, ReportPart
from orchestrator.run.published import report_schema
from tests.run.conftest import Desk, desk_at  # noqa: F401 (a fixture)

PUBLISHED = Path(__file__).parents[2] / "docs" / "report.schema.json"


def problems(document: dict[str, Any]) -> list[str]:
    """Return what the published schema says against a report."""
    validator = Draft202012Validator(json.loads(PUBLISHED.read_bytes()))
    return [f"{list(one.path)}: {one.message}" for one in validator.iter_errors(document)]


def report(folder: Path, part: ReportPart) -> dict[str, Any]:
    """Return a report, read back."""
    parts: list[str] = []
    run.report(folder, "json", parts.append, part)
    found: dict[str, Any] = json.loads("".join(parts))
    return found


def test_what_is_published_is_what_the_code_says() -> None:
    """Made anew by: python -m orchestrator.run.published > docs/report.schema.json."""
    made = msgspec.json.format(msgspec.json.encode(report_schema()), indent=2) + b"\n"
    assert PUBLISHED.read_bytes() == made
    Draft202012Validator.check_schema(report_schema())


def test_every_report_is_right_by_the_schema(desk_at: Any) -> None:  # noqa: F811 (the fixture)
    """A whole run with open, managed and unseen things, after changes; and each part of it."""
    world = World.generate(WorldOutline(11, 3, region_ids=2, groups_per_account=8))
    desk: Desk = desk_at(world)
    member = next(iter(world.organization.members))
    desk.emulator.set_faults(Fault(kind=Kind.DENIED, action="DescribeRegions", account=member))
    desk.scan(filters=Filters(exposure=True))
    folder = desk.folder / "first"
    whole = report(folder, ReportPart())
    assert whole["findings"]
    assert whole["unreachable"]
    assert problems(whole) == []
    owner = whole["findings"][0]["owner"]
    for part in (
        ReportPart(owners=(owner,)),
        ReportPart(accounts=(member,)),
        ReportPart(severities=("critical",)),
    ):
        assert problems(report(folder, part)) == []


@pytest.mark.parametrize(
    "spoil",
    [
        lambda report: report.pop("findings"),
        lambda report: report["summary"].pop("complete"),
        lambda report: report["findings"][0].update(severity="awful"),
        lambda report: report["findings"][0].update(ports="tcp/22"),
        lambda report: report["findings"][0].pop("rule_id"),
    ],
)
def test_what_is_no_report_is_not_right_by_it(desk_at: Any, spoil: Any) -> None:  # noqa: F811 (the fixture)
    """The schema says something."""
    desk: Desk = desk_at(World.generate(WorldOutline(11, 1, region_ids=1, groups_per_account=6)))
    desk.scan()
    document = report(desk.folder / "first", ReportPart())
    assert problems(document) == []
    spoil(document)
    assert problems(document)
