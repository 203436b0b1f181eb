"""A whole organization in rough weather: what the first issue of this project asked for, in one test."""

from __future__ import annotations

from collections import Counter

import pytest

from orchestrator.cli.exit_codes import of_changes, of_scan
from orchestrator.emulator import Fault, Kind, Options, Throttle, World, WorldOutline
from orchestrator.emulator.world.expected import Expected
from tests.run.conftest import MakeDesk
from tests.run.test_change import apply, planned, verify

MEMBERS, CLOSED = 200, 5


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_an_organization_in_rough_weather(desk_at: MakeDesk) -> None:
    """200 accounts x 28 regions, throttled, failing, tokens expiring, some closed: all found, listed and closed."""
    world = World.generate(WorldOutline(23, MEMBERS, unreachable=CLOSED, groups_per_account=12))
    everything = World.generate(WorldOutline(23, MEMBERS, groups_per_account=12))
    closed = frozenset(one for one in world.account_ids if world.roles.get(one) != everything.roles.get(one))
    foretold = Expected.of(world, closed)
    members = [one for one in world.account_ids[1:] if one not in closed]
    faults = (
        Fault(kind=Kind.UNAVAILABLE, rate=0.01, action="Describe*"),
        Fault(kind=Kind.RESET_BEFORE, rate=0.005, action="Describe*"),
        Fault(kind=Kind.TRUNCATED, rate=0.005, action="Describe*"),
        Fault(kind=Kind.ERROR_AFTER, rate=0.05, action="RevokeSecurityGroup"),
        *(
            Fault(kind=Kind.EXPIRED, account=one, action="DescribeSecurityGroups", skip=3, count=1)
            for one in members[:20]
        ),
    )
    throttle = Throttle(limit=4, window_seconds=0.5, hint="retry-after")
    desk = desk_at(world, Options(faults=faults, throttle=throttle, seed=23))
    desk.config = desk.changed(limits={"window_seconds": 0.5, "share": 1.0})

    made = planned(desk)
    unreachable = desk.lines("unreachable.jsonl")
    assert {one["account_id"] for one in unreachable} == closed
    found = {
        one["security_group_id"]
        for one in desk.lines("findings.jsonl")
        if one["verdict"] == "fail" and one["status"] in {"open", "managed"}
    }
    assert found == foretold.risky | foretold.managed
    assert not made.complete
    struck = Counter(call.fault for call in desk.emulator.calls)
    assert {"unavailable", "reset_before", "truncated", "expired"} <= struck.keys()
    assert any(call.code.startswith("Throttling") for call in desk.emulator.calls)

    result = apply(desk, made.plan.digest)
    while of_changes(result) == 5:
        result = apply(desk, made.plan.digest)
    assert of_changes(result) == 0
    assert not verify(desk).differences
    assert of_scan(desk.scan("second")) == 3
    still = {
        one["security_group_id"] for one in desk.lines("findings.jsonl", "second") if one["status"] == "open"
    }
    assert not still & foretold.risky
    planned_rules = {action.rule_id for action in made.plan.actions}
    revoked = [
        value
        for call in desk.emulator.calls.of("RevokeSecurityGroup")
        if call.changes
        for key, value in call.parameters.items()
        if key.startswith("SecurityGroupRuleId")
    ]
    assert set(revoked) <= planned_rules
    assert len(revoked) == len(set(revoked))
