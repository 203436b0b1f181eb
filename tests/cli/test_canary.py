"""`accounts --check --probe-writes`: one harmless rule in the one group that is named, and always taken back."""

from __future__ import annotations

import json
import signal
import time
from typing import Any

import pytest
from msgspec.structs import replace

from orchestrator.emulator import Emulator, Fault, Kind, Options, Quirks, World, WorldOutline
from orchestrator.emulator.framework.variants import VARIANTS
from orchestrator.emulator.world.model import Group, Rule, Statement
from orchestrator.emulator.world.world import differences
from orchestrator.run.canary import MARK
from tests.cli.conftest import MakeDesk
from tests.cli.desk import Desk, Ended

HERE, CANARY = "cn-hangzhou", "sg-canary"
QUICK = "[remediation]\nwait_seconds = 2.0\nfirst_wait_seconds = 0.05\n"
WRITES = ("Authorize", "Modify", "Revoke")
OTHER = Rule("sgr-other", source_cidr_ip="0.0.0.0/0", port_range="22/22", description="not the canary's")


def world_with(*rules: Rule, **group: Any) -> World:
    """Two members; the first has the canary group."""
    world = World.generate(WorldOutline(7, 2, region_ids=2, groups_per_account=4))
    world.put(first(world), HERE, Group(CANARY, "canary", vpc_id="vpc-1", rules=(OTHER, *rules), **group))
    return world


def first(world: World) -> str:
    """The first member."""
    return next(iter(world.organization.members))


def named(world: World, **other: str) -> str:
    """A configuration that names the canary group."""
    keys = {"account": first(world), "region": HERE, "group": CANARY, **other}
    return QUICK + "[canary]\n" + "".join(f'{key} = "{value}"\n' for key, value in keys.items())


def probed(desk: Desk) -> tuple[Ended, dict[str, Any]]:
    """Call the doctor and let it try the changes."""
    ended = desk.sgsweep("accounts", "--check", "--probe-writes", "--json")
    return ended, json.loads(ended.out)["examined"]


def tried(examined: dict[str, Any]) -> dict[str, str]:
    """What each change answered."""
    return {one["action"]: one["right"] for one in examined["canary"]["permitted"]}


def touched(emulator: Emulator) -> set[str]:
    """The groups that something was changed in."""
    return {
        str(change["security_group_id"])
        for _, change in emulator.calls.changes()
        if change["what"] in {"authorize", "modify", "revoke"}
    }


def test_changes_are_tried_on_the_named_group_only_and_taken_back(desk_of: MakeDesk) -> None:
    """Added, modified, removed: the world is as it was, and no other group was so much as asked to change."""
    world = world_with()
    desk, emulator = desk_of(world, config=named(world))
    before = world.snapshot()
    ended, examined = probed(desk)
    assert ended.code == 0, ended.err
    assert tried(examined) == dict.fromkeys(
        ("ecs:RevokeSecurityGroup", "ecs:AuthorizeSecurityGroup", "ecs:ModifySecurityGroupRule"), "allowed"
    )
    assert differences(before, world.snapshot()) == []
    assert touched(emulator) == {CANARY}
    done = [
        (change["what"], rule["Policy"], rule["SourceCidrIp"], rule["Description"])
        for _, change in emulator.calls.changes()
        if isinstance(rule := change.get("rule"), dict)
    ]
    assert done == [(what, "Drop", "192.0.2.1/32", MARK) for what in ("authorize", "modify", "revoke")]
    groups = {
        call.parameters.get("SecurityGroupId")
        for call in emulator.calls.since(0)
        if call.action.startswith(WRITES)
    }
    assert groups == {CANARY, "sg-sgsweep0canary"}  # the last is no group: who has no right asks for it
    assert "what was added was taken back" in ended.err
    facts = examined["probe"]["facts"]
    assert facts["gone_rule"]["value"] == "InvalidParam.SecurityGroupRuleId"
    assert (facts["bad_id_refuses"]["value"], facts["rights_first"]["value"]) == (True, True)


def test_a_rule_that_a_crash_left_is_taken_back_and_a_neighbours_is_not(desk_of: MakeDesk) -> None:
    """Ours is known by the whole rule; where somebody else has the same address in a rule, another one is taken."""
    theirs = replace(OTHER, security_group_rule_id="sgr-theirs", policy="Drop", port_range="1/1")
    theirs = replace(theirs, source_cidr_ip="192.0.2.1/32", description="ours, please leave")
    copied = replace(
        theirs, security_group_rule_id="sgr-copied", policy="Accept", port_range="22/22", description=MARK
    )
    left = replace(theirs, security_group_rule_id="sgr-left", source_cidr_ip="192.0.2.2/32", description=MARK)
    world = world_with(theirs, copied, left)
    desk, emulator = desk_of(world, config=named(world))
    ended, examined = probed(desk)
    assert ended.code == 0, ended.err
    rules = world.estate(first(world), HERE).groups[CANARY].rules
    assert [one.security_group_rule_id for one in rules] == ["sgr-other", "sgr-theirs", "sgr-copied"]
    assert touched(emulator) == {CANARY}
    assert examined["canary"]["left"] == ""


@pytest.mark.parametrize(
    "lost", ["ecs:AuthorizeSecurityGroup", "ecs:ModifySecurityGroupRule", "ecs:RevokeSecurityGroup"]
)
def test_a_right_that_lacks_is_found_out_and_nothing_stays(desk_of: MakeDesk, lost: str) -> None:
    """Who may not remove a rule is not let add one."""
    world = world_with()
    role = world.roles[first(world)]["sgsweep-remediate"]
    kept = tuple(one for one in role.statements[0].actions if one != lost)
    world.roles[first(world)]["sgsweep-remediate"] = replace(role, statements=(Statement("Allow", kept),))
    desk, emulator = desk_of(world, config=named(world))
    before = world.snapshot()
    ended, examined = probed(desk)
    assert ended.code == 3
    assert tried(examined)[lost] == "denied"
    assert differences(before, world.snapshot()) == []
    assert f"lacks {lost}" in ended.err or lost in ended.err
    added = [change for _, change in emulator.calls.changes() if change["what"] == "authorize"]
    assert bool(added) == (lost == "ecs:ModifySecurityGroupRule")
    paste = next(one for one in examined["to_paste"] if one["role"] == "sgsweep-remediate")
    assert lost in paste["policy"]


@pytest.mark.parametrize(
    "fault",
    [
        Fault(kind=Kind.ERROR_AFTER, action="AuthorizeSecurityGroup", count=1),
        Fault(kind=Kind.RESET_AFTER, action="AuthorizeSecurityGroup", count=1),
        Fault(kind=Kind.ERROR_AFTER, action="ModifySecurityGroupRule", count=1),
        Fault(kind=Kind.UNAVAILABLE, action="RevokeSecurityGroup", count=3),
        Fault(kind=Kind.ERROR_AFTER, action="RevokeSecurityGroup", count=2),
        Fault(kind=Kind.EXPIRED, action="RevokeSecurityGroup", count=1),
    ],
    ids=lambda fault: f"{fault.kind}-{fault.action}",
)
def test_whatever_answer_is_lost_the_rule_is_taken_back(desk_of: MakeDesk, fault: Fault) -> None:
    """Not known is said where it is not known; the group is as it was."""
    world = world_with()
    desk, _ = desk_of(world, Options(faults=(fault,)), named(world))
    before = world.snapshot()
    ended, examined = probed(desk)
    assert ended.code in {0, 3}, ended.err
    assert examined["canary"]["left"] == ""
    assert differences(before, world.snapshot()) == []


def test_what_cannot_be_taken_back_is_told_with_what_to_do(desk_of: MakeDesk) -> None:
    """The rule, the group, the account; exit 5. Once the cloud lets it, the next try takes it back."""
    world = world_with()
    stuck = Fault(
        kind=Kind.ERROR_BEFORE, action="RevokeSecurityGroup", skip=1
    )  # the first only asks for the right
    desk, emulator = desk_of(world, Options(faults=(stuck,)), named(world))
    before = world.snapshot()
    ended, examined = probed(desk)
    assert ended.code == 5
    left = [one for one in world.estate(first(world), HERE).groups[CANARY].rules if one.description == MARK]
    assert len(left) == 1
    told = f"NOT TAKEN BACK: {left[0].security_group_rule_id} of group {CANARY} in {HERE}, account {first(world)}"
    assert told in ended.err
    assert "Remove it by hand, or run this again" in examined["canary"]["left"]
    emulator.set_faults()
    again, examined = probed(desk)
    assert (again.code, examined["canary"]["left"]) == (0, "")
    assert differences(before, world.snapshot()) == []


def test_a_reading_that_lags_is_waited_for(desk_of: MakeDesk) -> None:
    """A rule that does not show yet is not taken for none; how long it took is a fact."""
    world = world_with()
    lag = Options(quirks=Quirks(read_lag_seconds=0.6))
    desk, _ = desk_of(world, lag, named(world))
    before = world.snapshot()
    ended, examined = probed(desk)
    assert ended.code == 0, ended.err
    assert 0.5 <= examined["canary"]["settle_seconds"] <= 2.0
    assert differences(before, world.snapshot()) == []


@pytest.mark.parametrize(
    "name", ["batch-not-atomic", "gone-rule-success", "gone-rule-404", "looks-before-ram"]
)
def test_open_questions_are_answered_by_trying(desk_of: MakeDesk, name: str) -> None:
    """Whether one bad id refuses a whole call, what a rule that is gone answers, whether rights come first."""
    world, quirks = world_with(), VARIANTS[name]
    desk, _ = desk_of(world, Options(quirks=quirks), named(world))
    ended, examined = probed(desk)
    assert ended.code == 0, ended.err
    facts = {key: fact["value"] for key, fact in examined["probe"]["facts"].items()}
    refuses = quirks.atomic_batch and quirks.gone_rule.value != "success"
    assert facts["bad_id_refuses"] is refuses
    assert facts["gone_rule"] == quirks.gone_rule.value
    assert facts["rights_first"] is not quirks.looks_before_ram


def test_interrupted_it_takes_the_rule_back(desk_of: MakeDesk) -> None:
    """Ctrl-C while the rule stands."""
    world = world_with()
    desk, emulator = desk_of(world, Options(quirks=Quirks(read_lag_seconds=1.0)), named(world))
    before = world.snapshot()

    def stands() -> bool:
        return any(change["what"] == "authorize" for _, change in emulator.calls.changes())

    ended = desk.interrupted("accounts", "--check", "--probe-writes", when=stands, by=signal.SIGINT)
    assert ended.code != 0
    deadline = time.monotonic() + 5
    while differences(before, world.snapshot()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert differences(before, world.snapshot()) == []


def refused(desk: Desk, *more: str) -> Ended:
    """Call the doctor with a canary group that is none; nothing may have been changed."""
    ended = desk.sgsweep("accounts", "--check", "--probe-writes", *more)
    assert ended.code == 2, ended.err
    assert ended.out == ""
    return ended


def test_a_canary_that_is_none_is_refused_before_anything_is_changed(desk_of: MakeDesk) -> None:
    """One that is not there, another account's, an account that is not visited, a cloud service's, none at all."""
    world = world_with()
    desk, emulator = desk_of(world, config=named(world, group="sg-none"))
    said = refused(desk).last
    assert "[canary] group sg-none: account" in said
    assert f"has no such group in {HERE}" in said
    _, second = world.organization.members
    desk.configure(named(world, account=second))
    assert f"account {second} has no such group in {HERE}" in refused(desk).last
    assert "If it is another account's, name that one" in refused(desk).last
    desk.configure(named(world, region="cn-nowhere"))
    assert "InvalidRegionId.NotFound" in refused(desk).last
    desk.configure(named(world, account="1999999999999999"))
    assert "[canary] account 1999999999999999 is not among the accounts" in refused(desk).last
    desk.configure(named(world))
    assert "is not among the accounts" in refused(desk, "--exclude", first(world)).last
    world.put(first(world), HERE, Group(CANARY, "canary", vpc_id="vpc-1", service_managed=True))
    assert "belongs to a cloud service" in refused(desk).last
    desk.configure("")
    assert "the configuration names none: give account, region and group in [canary]" in refused(desk).last
    alone = desk.sgsweep("accounts", "--probe-writes")
    assert (alone.code, alone.last) == (
        2,
        "sgsweep: --probe-writes is a part of the check: give --check, too",
    )
    assert touched(emulator) == set()
