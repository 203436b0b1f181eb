"""`evidence`: who opened each open door of a run, asked after the scan, in part or in full, and told in the report."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from orchestrator import run
from orchestrator.cli.exit_codes import of_evidence
from orchestrator.emulator import Fault, Kind, Options, World, WorldOutline
from orchestrator.run import EvidenceGathered, EvidenceWanted, Filters, Progress, UsageError
from tests.run.conftest import Desk, MakeDesk

OUTLINE = WorldOutline(seed=3, accounts=4, region_ids=1, groups_per_account=2, careful_share=0.0)


@pytest.fixture
def scanned(desk_at: MakeDesk) -> Desk:
    """A run over a few members, whose world has a history; two calls a second are all that an account may make."""
    desk = desk_at(World.generate(OUTLINE), Options())
    desk.scan(filters=Filters(accounts=tuple(desk.emulator.world.organization.members)))
    return desk


def gather(desk: Desk, *accounts: str) -> EvidenceGathered:
    """Gather evidence of the run."""
    return asyncio.run(
        run.gather(desk.config, desk.folder / "first", EvidenceWanted(traffic=False), Progress(), accounts)
    )


def rows(desk: Desk) -> list[dict[str, Any]]:
    """Return evidence.jsonl."""
    return desk.lines("evidence.jsonl")


def test_who_opened_each_door_is_told_by_the_trail(scanned: Desk) -> None:
    """Each rule with something open has one line; who is named is who the world says has opened it."""
    found = gather(scanned)
    told = rows(scanned)
    doors = {
        (one["account_id"], one["security_group_id"], one["rule_id"])
        for one in scanned.lines("findings.jsonl")
        if one["verdict"] == "fail" and one["status"] != "shadowed"
    }
    assert {(one["account_id"], one["security_group_id"], one["rule_id"]) for one in told} == doors
    assert len(told) == len(doors) == found.rules > 3
    assert Counter(one["opened"]["status"] for one in told) == found.opened
    assert found.opened["found"] > 1
    assert (found.is_complete, of_evidence(found)) == (True, 0)
    world = scanned.emulator.world
    for one in told:
        events = world.history(one["account_id"], one["region_id"])
        mine = [event for event in events if one["rule_id"] in event.opened]
        if one["opened"]["status"] == "found":
            assert one["opened"]["event_id"] in {event.event_id for event in mine}


def test_no_verdict_changes_and_the_report_tells(scanned: Desk) -> None:
    """findings.jsonl and summary.json stay as they are; the report says who has opened what."""
    folder = scanned.folder / "first"
    before = [(folder / name).read_bytes() for name in ("findings.jsonl", "summary.json")]
    assert "opened by" not in (folder / "report.html").read_text(encoding="utf-8")
    gather(scanned)
    assert [(folder / name).read_bytes() for name in ("findings.jsonl", "summary.json")] == before
    page = (folder / "report.html").read_text(encoding="utf-8")
    named = next(one["opened"] for one in rows(scanned) if one["opened"]["status"] == "found")
    assert "opened by" in page
    assert named["by"] in page


def test_an_account_that_was_asked_is_not_asked_again_until_all_were(scanned: Desk) -> None:
    """Asked of one account only, then of all: the one is left out; when all were asked, it begins anew."""
    one = rows(scanned) if (scanned.folder / "first" / "evidence.jsonl").exists() else []
    assert one == []
    account_id = next(row["account_id"] for row in scanned.lines("findings.jsonl") if row["status"] == "open")

    def asked() -> Counter[str]:
        calls = Counter(call.account_id for call in scanned.emulator.calls if call.action == "LookupEvents")
        scanned.emulator.calls.clear()
        return calls

    asked()
    gather(scanned, account_id)
    assert set(asked()) == {account_id}
    gather(scanned)
    rest = asked()
    assert account_id not in rest
    assert rest
    gather(scanned)
    assert set(asked()) == {account_id, *rest}


def test_what_may_not_be_asked_is_told_of_each_door(scanned: Desk) -> None:
    """A role without the right: every door of the account says so with the request's id, and it ends with 3."""
    scanned.emulator.set_faults(Fault(kind=Kind.DENIED, action="LookupEvents"))
    found = gather(scanned)
    assert set(found.opened) == {"not_permitted"}
    assert of_evidence(found) == 3
    assert all("LookupEvents" in reason for reason, _ in found.reasons)
    scanned.emulator.set_faults()
    assert of_evidence(gather(scanned)) == 0


def test_an_account_that_the_run_does_not_have_is_refused(scanned: Desk) -> None:
    """It is misspelled; nothing is asked."""
    with pytest.raises(UsageError, match="no account nobody"):
        gather(scanned, "nobody")


def test_who_used_each_door_is_told_by_the_flow_logs(scanned: Desk) -> None:
    """Each door has a status with its reason; what was not logged throughout is never quiet, and verdicts stay."""
    folder = scanned.folder / "first"
    before = (folder / "findings.jsonl").read_bytes()
    wanted = EvidenceWanted(who=False, days=7)
    found = asyncio.run(run.gather(scanned.config, folder, wanted, Progress()))
    traffic = [one["traffic"] for one in rows(scanned)]
    assert Counter(one["status"] for one in traffic) == found.traffic
    assert set(found.traffic) <= {"observed", "quiet", "not_logged", "incomplete"}
    assert all(one["days"] == 7 for one in traffic)
    assert all(bool(one["reason"]) != (one["status"] in {"observed", "quiet"}) for one in traffic)
    assert all(one["opened"]["status"] == "not_asked" for one in rows(scanned))
    page = (folder / "report.html").read_text(encoding="utf-8")
    words = {"observed": "used by", "quiet": "quiet: nobody used it", "not_logged": "not known who uses it"}
    assert all(
        (text in page) == bool(found.traffic.get(status))
        for status, text in words.items()
        if status != "not_logged"
    )
    assert words["not_logged"] in page
    assert "opened by" not in page
    assert (folder / "findings.jsonl").read_bytes() == before
    scanned.emulator.set_faults(Fault(kind=Kind.DENIED, action="DescribeFlowLogs"))
    again = asyncio.run(run.gather(scanned.config, folder, wanted, Progress()))
    assert again.traffic["not_permitted"] > 0
    assert set(again.traffic) <= {"not_permitted", "not_logged"}
    assert of_evidence(again) == 3
