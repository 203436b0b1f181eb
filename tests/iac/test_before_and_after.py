"""Groups that stand already: from the plan's own state, or from a run; and what a change opens newly."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from accounts import Unreachable
from orchestrator.emulator.world.model import Group
from orchestrator.journal import SqliteJournal
from tests.iac.command import check, told
from tests.iac.conftest import MakeScan, opened
from tests.iac.plans import Plan, state, state_group, state_rule, written

GROUP_ID = "sg-standing"
RULE = "alicloud_security_group_rule"


def miss(run: Path, unseen: Unreachable) -> None:
    """Write into a run that something was not seen."""

    async def write() -> None:
        async with SqliteJournal.open(run) as journal:
            claim = await journal.claim(unseen.account_id, "later")
            assert claim is not None
            await journal.record_unreachable(claim, unseen)

    asyncio.run(write())


def adding(group_id: str = GROUP_ID, **values: Any) -> Plan:
    """A plan that adds one rule to a group by its id."""
    after = {**state_rule("new", "", group_id)["values"], "security_group_rule_id": None, **values}
    return Plan().change(f"{RULE}.new", None, after)


def standing(*rules: Any, **more: Any) -> Group:
    """The group in the cloud."""
    return Group(security_group_id=GROUP_ID, name="standing", vpc_id="vpc-1", rules=tuple(rules), **more)


def test_a_group_that_nobody_has_read_fails_only_what_fails_alone(tmp_path: Path) -> None:
    """By an id alone: SSH from anyone fails, a half may or may not, an office's HTTPS passes; it says what to do."""
    assert check(adding(cidr_ip="0.0.0.0/0").write(tmp_path)).exit_code == 1
    half = check(adding(cidr_ip="8.8.8.0/24").write(tmp_path))
    assert half.exit_code == 3
    assert "--against" in half.stdout
    assert check(adding(cidr_ip="8.8.8.0/24", port_range="443/443").write(tmp_path)).exit_code == 0
    assert check(adding(cidr_ip="10.0.0.0/8").write(tmp_path)).exit_code == 0


def test_what_is_merely_wide_may_fail_with_what_is_not_known(tmp_path: Path) -> None:
    """A source that is told apart by itself (exit 0) may fail in a group that nobody has read: undetermined."""
    wide = {"cidr_ip": "8.0.0.0/12", "port_range": "6379/6379"}
    assert check(Plan().group().rule("redis", **wide).write(tmp_path)).exit_code == 0
    assert check(adding(**wide).write(tmp_path)).exit_code == 3


def test_a_run_says_what_stands(tmp_path: Path, scanned_for_real: MakeScan) -> None:
    """With `--against`, a drop that stands shields the new rule, and its absence does not."""
    drop = opened("sgr-drop", "3306/3306", "0.0.0.0/0", policy="Drop")
    ssh = opened("sgr-ssh", "22/22", "0.0.0.0/0", priority=9)
    run = scanned_for_real(standing(drop, ssh))
    plan = adding(cidr_ip="0.0.0.0/0", port_range="3306/3306").write(tmp_path)
    assert told(plan) == {f"{RULE}.new": "databases"}
    assert told(plan, "--against", run) == {f"{RULE}.new": "databases shadowed", GROUP_ID: "ssh"}
    assert told(plan, "--against", run, "--only-new") == {}
    assert check(plan, "--against", run, "--only-new").exit_code == 0


def test_what_fails_only_together_with_what_stands_is_new(tmp_path: Path, scanned: MakeScan) -> None:
    """Half of what fails is open, the other half comes: it is new, though the blame is on the one that stood."""
    redis = "6379/6379"
    run = scanned(standing(opened("sgr-1", redis, "8.0.0.0/9"), opened("sgr-2", "22/22", "0.0.0.0/0")))
    plan = adding(cidr_ip="8.128.0.0/9", port_range=redis).write(tmp_path)
    assert told(plan, "--against", run) == {f"{RULE}.new": "wide", GROUP_ID: "caches, ssh"}
    assert told(plan, "--against", run, "--only-new") == {f"{RULE}.new": "wide", GROUP_ID: "caches"}
    assert check(plan, "--against", run, "--only-new").exit_code == 1
    less = adding(cidr_ip="8.128.0.0/10", port_range=redis).write(tmp_path)
    assert check(less, "--against", run, "--only-new").exit_code == 0


def test_a_group_in_which_a_run_found_nothing_is_not_kept(tmp_path: Path, scanned: MakeScan) -> None:
    """The run keeps no rules of it: what may add up is undetermined; one without rules is known to have none."""
    run = scanned(
        standing(opened("sgr-1", "443/443", "0.0.0.0/0")), Group(security_group_id="sg-bare", vpc_id="vpc-1")
    )
    plan = adding(cidr_ip="8.8.8.0/24").write(tmp_path)
    result = check(plan, "--against", run)
    assert result.exit_code == 3
    assert "keeps no rules" in result.stdout
    assert check(adding("sg-bare", cidr_ip="8.8.8.0/24").write(tmp_path), "--against", run).exit_code == 0


def test_a_group_that_was_read_in_part_is_not_known(tmp_path: Path, scanned: MakeScan) -> None:
    """A run that was given fewer rules than the cloud counts: what may add up with the others is undetermined."""
    run = scanned(standing(opened("sgr-1", "3389/3389", "0.0.0.0/0")))
    plan = adding(cidr_ip="8.8.8.0/24").write(tmp_path)
    assert told(plan, "--against", run) == {GROUP_ID: "rdp"}
    miss(run, Unreachable("1001", "cn-hangzhou", GROUP_ID, "CountMismatch", "fewer", ""))
    assert told(plan, "--against", run) == {GROUP_ID: "rdp", f"{RULE}.new": "undetermined"}


def test_a_rule_that_the_code_made_gives_way_to_its_change(tmp_path: Path, scanned: MakeScan) -> None:
    """A rule that stands as the state has it is not counted twice: narrowing it is seen as it will be."""
    run = scanned(standing(opened("sgr-1", "22/22", "0.0.0.0/0")))
    before = state_rule("ssh", "sgr-1", GROUP_ID, cidr_ip="0.0.0.0/0")["values"]
    plan = Plan().change(
        f"{RULE}.ssh", before, {**before, "cidr_ip": "10.0.0.0/8"}, actions=["delete", "create"]
    )
    assert told(plan.write(tmp_path), "--against", run) == {}
    gone = Plan().change(f"{RULE}.ssh", before, None)
    assert told(gone.write(tmp_path), "--against", run) == {}


def test_a_resource_that_is_only_forgotten_stays_open(tmp_path: Path) -> None:
    """`removed { lifecycle { destroy = false } }` leaves the rule in the cloud: it is judged."""
    before = state_rule("ssh", "sgr-1", cidr_ip="0.0.0.0/0")["values"]
    plan = Plan().change(f"{RULE}.ssh", before, None, actions=["forget"])
    assert told(plan.write(tmp_path)) == {f"{RULE}.ssh": "ssh"}


def test_what_a_plan_does_not_touch_is_judged_with_it(tmp_path: Path) -> None:
    """A plan for one target leaves the rest of the state out of its changes: its rules count all the same."""
    group, low = state_group("web"), state_rule("low", "sgr-1", cidr_ip="0.0.0.0/1")
    plan = adding("sg-1", cidr_ip="128.0.0.0/1")
    plan.prior = [group, low]
    assert told(plan.write(tmp_path)) == {f"{RULE}.low": "ssh", f"{RULE}.new": "ssh"}
    assert told(plan.write(tmp_path), "--only-new") == {f"{RULE}.new": "ssh"}


def test_what_was_moved_is_counted_once(tmp_path: Path) -> None:
    """A resource under a new address is the same one: what it was under the old address is gone."""
    before = state_rule("old", "sgr-1", cidr_ip="0.0.0.0/0")
    plan = Plan()
    plan.prior.append(before)
    moved = {"previous_address": f"{RULE}.old"}
    after = {**before["values"], "cidr_ip": "10.0.0.0/8"}
    plan.change(f"{RULE}.new", before["values"], after, actions=["delete", "create"], also=moved)
    plan.prior = [before]
    assert told(plan.write(tmp_path)) == {}


def test_what_is_left_over_of_a_replacement_hides_nothing(tmp_path: Path) -> None:
    """A deposed object that goes has the address of the resource that stays: that one is still judged."""
    values = state_rule("ssh", "sgr-1", cidr_ip="0.0.0.0/0")["values"]
    plan = Plan().change(f"{RULE}.ssh", values, values)
    plan.change(f"{RULE}.ssh", values, None, also={"deposed": "abcd1234"})
    assert told(plan.write(tmp_path)) == {f"{RULE}.ssh": "ssh"}


def test_taking_a_drop_away_opens_what_it_shielded(tmp_path: Path) -> None:
    """--only-new tells the accept that was there before: it was shadowed, and is open now."""
    accept = state_rule("ssh", "sgr-1", cidr_ip="0.0.0.0/0", priority=2)
    drop = state_rule("drop", "sgr-2", cidr_ip="0.0.0.0/0", policy="drop")
    plan = Plan().change(f"{RULE}.drop", drop["values"], None)
    plan.prior += [accept, state_group("web")]
    assert told(plan.write(tmp_path), "--only-new") == {f"{RULE}.ssh": "ssh"}


def test_a_classic_group_is_judged_by_its_cards(tmp_path: Path) -> None:
    """In a state a group without a network is classic: only its Internet card faces the Internet."""
    inside = state_rule("inside", "sgr-1", cidr_ip="0.0.0.0/0", nic_type="intranet")
    outside = state_rule("outside", "sgr-2", cidr_ip="0.0.0.0/0", nic_type="internet")
    data = state(state_group("old", vpc_id=""), inside, outside)
    assert told(written(tmp_path, data)) == {f"{RULE}.outside": "ssh"}


@pytest.mark.parametrize("kind", ["state", "template"])
def test_only_new_needs_a_before(tmp_path: Path, kind: str) -> None:
    """A state or a template by itself does not say what was open before: exit 2, and what to do."""
    data = (
        state(state_group("web"))
        if kind == "state"
        else {"ROSTemplateFormatVersion": "2015-09-01", "Resources": {}}
    )
    result = check(written(tmp_path, data), "--only-new")
    assert result.exit_code == 2
    assert "--against" in result.stderr
