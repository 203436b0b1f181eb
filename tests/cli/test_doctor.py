"""`accounts --check`: every action that a run needs, of each account and role, named with what was found out of it."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from msgspec.structs import replace

from orchestrator.emulator import Emulator, Fault, Kind, Options, Quirks, World, WorldOutline
from orchestrator.emulator.framework.throttle import Throttle
from orchestrator.emulator.world.model import ControlPolicy, Statement
from orchestrator.inventory import GROUP_ACTIONS, READ_ACTIONS
from tests.cli.conftest import MakeDesk
from tests.cli.desk import Desk, Ended

READ, REMEDIATE = "sgsweep-read", "sgsweep-remediate"
CHANGES = {"ecs:RevokeSecurityGroup", "ecs:AuthorizeSecurityGroup", "ecs:ModifySecurityGroupRule"}
SILENT = {"ecs:DescribeInstances", "ecs:DescribeNetworkInterfaces"}
JUDGING = Statement("Allow", ("ram:ListPoliciesForRole", "ram:GetPolicy"))


def small() -> World:
    """Three members and the hub, two regions, groups in each account."""
    return World.generate(WorldOutline(11, 3, region_ids=2, groups_per_account=12))


def first(world: World) -> str:
    """The first member."""
    return next(iter(world.organization.members))


def take(world: World, role: str, *actions: str) -> None:
    """Take rights from a role of the first member."""
    mine = world.roles[first(world)]
    kept = tuple(one for one in mine[role].statements[0].actions if one not in actions)
    assert len(kept) == len(mine[role].statements[0].actions) - len(actions)
    rest = mine[role].statements[1:]
    mine[role] = replace(mine[role], statements=(Statement("Allow", kept), *rest))


def give(world: World, role: str, *statements: Statement) -> None:
    """Give rights to a role of the first member."""
    mine = world.roles[first(world)]
    mine[role] = replace(mine[role], statements=(*mine[role].statements, *statements))


def interfaces(world: World, account_id: str) -> int:
    """How many interfaces there are in the first region of the account with groups that have rules."""
    for region_id in world.region_ids:
        if any(group.rules for group in world.estate(account_id, region_id).groups.values()):
            return len(world.interfaces(account_id, region_id))
    return 0


def checked(desk: Desk, *options: str) -> tuple[Ended, dict[str, Any]]:
    """Call the doctor, and read its object."""
    ended = desk.sgsweep("accounts", "--check", "--json", *options)
    return ended, json.loads(ended.out)


def rights(found: dict[str, Any], account_id: str, role: str) -> dict[str, tuple[str, str]]:
    """What was found out of one role: the answer, and how, by action."""
    account = next(one for one in found["accounts"] if one["account_id"] == account_id)
    return {one["action"]: (one["right"], one["by"]) for one in account["rights"] if one["role"] == role}


def asked(emulator: Emulator, account_id: str) -> Counter[tuple[str, str]]:
    """How often each role of an account has asked for each action."""
    return Counter(
        (call.caller_arn.split("/")[1], call.action)
        for call in emulator.calls.since(0)
        if call.account_id == account_id and "/" in call.caller_arn
    )


def test_every_read_is_asked_for_once_and_named(desk_of: MakeDesk) -> None:
    """By both roles of each account; nothing is changed, and what may not be tried is said not to be known."""
    world = small()
    desk, emulator = desk_of(world)
    ended, found = checked(desk)
    assert ended.code == 0, ended.err
    for account_id in world.organization.members:
        read, remediate = rights(found, account_id, READ), rights(found, account_id, REMEDIATE)
        assert set(read) == set(READ_ACTIONS)
        assert set(remediate) == {*GROUP_ACTIONS, *CHANGES}
        for action in READ_ACTIONS:
            is_empty = action in SILENT and not interfaces(world, account_id)
            assert read[action] == ("not_known" if is_empty else "allowed", "asked"), action
        assert {remediate[one] for one in CHANGES} == {("not_known", "")}
        often = asked(emulator, account_id)
        for action in ("DescribeInstances", "DescribeNetworkInterfaces", "DescribePortRangeListEntries"):
            assert often[READ, action] == 1
    assert not [one for one in emulator.calls.changes() if one[1]["what"] != "session"]
    text = desk.sgsweep("accounts", "--check")
    assert (
        text.code,
        "sgsweep-read may wherever it let us in, by asking: alb:ListListeners" in text.err,
    ) == (0, True)
    assert "sgsweep-remediate: ecs:RevokeSecurityGroup not known in 3 accounts" in text.err
    assert all(line.endswith("\tok") for line in text.out.splitlines())


def test_what_a_role_lacks_is_named_and_the_policy_that_is_pasted_gives_it(desk_of: MakeDesk) -> None:
    """One by one, with the account; attached to the role, the pasted policy is all that was missing."""
    world = small()
    lost = ("ecs:DescribeSecurityGroupAttribute", "ecs:DescribePrefixListAttributes")
    take(world, READ, *lost)
    desk, _ = desk_of(world)
    ended, found = checked(desk)
    assert ended.code == 3
    read = rights(found, first(world), READ)
    assert {action for action, (right, _) in read.items() if right == "denied"} == set(lost)
    assert "in 1 accounts a role lacks what a run needs" in ended.err
    for action in lost:
        assert f"{READ}: {action} denied in 1 account, by asking: {first(world)}" in ended.err
    paste = next(one for one in found["examined"]["to_paste"] if one["why"] == "what it was denied")
    assert (paste["role"], paste["accounts"]) == (READ, [first(world)])
    assert paste["policy"] in ended.err
    document = json.loads(paste["policy"])
    assert {action for one in document["Statement"] for action in one["Action"]} == set(lost)
    statements = (
        Statement(one["Effect"], tuple(one["Action"]), tuple(one["Resource"]))
        for one in document["Statement"]
    )
    give(world, READ, *statements)
    again, found = checked(desk)
    assert again.code == 0, again.err
    assert "denied" not in {right for right, _ in rights(found, first(world), READ).values()}
    assert {rights(found, first(world), READ)[one] for one in lost} == {("allowed", "asked")}


def test_what_a_run_goes_on_without_is_told_and_is_no_failure(desk_of: MakeDesk) -> None:
    """The lists of load balancers; unless the configuration requires them."""
    world = small()
    take(world, READ, "nlb:ListListeners")
    desk, _ = desk_of(world)
    ended = desk.sgsweep("accounts", "--check")
    assert ended.code == 0
    assert f"role {READ} lacks nlb:ListListeners" in ended.out
    assert "a run goes on without it" in ended.err
    desk.configure("[cloud]\nbalancers = 'required'\n")
    assert desk.sgsweep("accounts", "--check").code == 3


@pytest.mark.parametrize(
    ("is_silent", "can_judge", "right"),
    [
        (True, False, ("not_known", "asked")),
        (True, True, ("denied", "policies")),
        (False, False, ("denied", "asked")),
    ],
)
def test_an_empty_list_is_no_right(
    desk_of: MakeDesk,
    is_silent: bool,  # noqa: FBT001 - a parameter
    can_judge: bool,  # noqa: FBT001 - a parameter
    right: tuple[str, str],
) -> None:
    """Some actions answer one to whom they should refuse; then only the policies can tell, where they can be read."""
    world = small()
    take(world, READ, "ecs:DescribeInstances")
    if can_judge:
        give(world, READ, JUDGING)
    desk, _ = desk_of(world, Options(quirks=Quirks(silent_instances=is_silent)))
    ended, found = checked(desk)
    assert rights(found, first(world), READ)["ecs:DescribeInstances"] == right
    assert ended.code == (3 if right[0] == "denied" else 0)


def judged(desk_of: MakeDesk, world: World, *faults: Fault) -> tuple[int, dict[str, tuple[str, str]]]:
    """What the doctor says of the changes in the first member, whose policies can be read."""
    give(world, READ, JUDGING)
    desk, emulator = desk_of(world, Options(faults=faults))
    ended, found = checked(desk)
    assert not [one for one in emulator.calls.changes() if one[1]["what"] != "session"]
    every = rights(found, first(world), REMEDIATE)
    return ended.code, {action: every[action] for action in CHANGES}


def test_changes_are_judged_by_the_attached_policies(desk_of: MakeDesk) -> None:
    """Allowed or denied by their text; no change is tried for it."""
    world = small()
    take(world, REMEDIATE, "ecs:ModifySecurityGroupRule")
    code, changes = judged(desk_of, world)
    assert code == 3
    assert changes == {
        "ecs:RevokeSecurityGroup": ("allowed", "policies"),
        "ecs:AuthorizeSecurityGroup": ("allowed", "policies"),
        "ecs:ModifySecurityGroupRule": ("denied", "policies"),
    }


def test_what_is_allowed_for_some_groups_only_is_not_known(desk_of: MakeDesk) -> None:
    """And a right that RAM gives for the resource * alone is none where groups are named."""
    world = small()
    take(world, REMEDIATE, *CHANGES)
    give(world, REMEDIATE, Statement("Allow", tuple(CHANGES), ("acs:ecs:*:*:securitygroup/sg-1",)))
    code, changes = judged(desk_of, world)
    assert code == 3
    assert changes["ecs:RevokeSecurityGroup"] == ("not_known", "")
    assert changes["ecs:AuthorizeSecurityGroup"] == ("denied", "policies")


def bind(world: World) -> None:
    """Let a control policy of the first member's folder deny revoking."""
    organization = world.organization
    denial = ControlPolicy("cp-1", "no-revoke", (Statement("Deny", ("ecs:Revoke*",)),))
    organization.control_policies["cp-1"] = denial
    organization.attached_policies[organization.members[first(world)].folder_id] = ("cp-1",)


def test_a_control_policy_of_a_folder_denies_what_the_role_allows(desk_of: MakeDesk) -> None:
    """It is named as what stands in the way."""
    world = small()
    bind(world)
    code, changes = judged(desk_of, world)
    assert code == 3
    assert changes["ecs:RevokeSecurityGroup"] == ("denied", "control policies")
    assert changes["ecs:AuthorizeSecurityGroup"] == ("allowed", "policies")


@pytest.mark.parametrize("action", ["GetControlPolicy", "ListControlPolicyAttachmentsForTarget"])
def test_control_policies_that_cannot_be_read_leave_it_open(desk_of: MakeDesk, action: str) -> None:
    """What the role allows is then not known to be allowed, and the hub is told what it lacks."""
    world = small()
    give(world, READ, JUDGING)
    desk, _ = desk_of(world, Options(faults=(Fault(kind=Kind.DENIED, action=action),)))
    ended, found = checked(desk)
    assert ended.code == 0
    every = rights(found, first(world), REMEDIATE)
    assert {every[one] for one in CHANGES} == {("not_known", "")}
    paste = next(one for one in found["examined"]["to_paste"] if one["role"] == "hub")
    assert f"resourcemanager:{action}" in paste["policy"]
    assert f"control policies cannot be read ({action}: NoPermission" in ended.err


def test_policies_that_are_garbled_are_not_known(desk_of: MakeDesk) -> None:
    """A lost answer of RAM is no permission and no refusal."""
    code, changes = judged(desk_of, small(), Fault(kind=Kind.GARBAGE, action="GetPolicy"))
    assert (code, set(changes.values())) == (0, {("not_known", "")})


def test_a_clock_that_is_apart_is_told(desk_of: MakeDesk) -> None:
    """By the date of the answers, against this machine's; one that agrees is said to."""
    desk, _ = desk_of(small(), Options(quirks=Quirks(clock_ahead_seconds=120)))
    ended, found = checked(desk)
    clock = found["examined"]["clock"]
    assert clock["ahead_seconds"] == pytest.approx(-120, abs=clock["within_seconds"] + 0.6)
    assert clock["within_seconds"] < 2
    assert "clock: this machine's is 1" in ended.err
    assert "s behind the cloud's" in ended.err
    right, _ = desk_of(small())
    ended, found = checked(right)
    assert abs(found["examined"]["clock"]["ahead_seconds"]) <= found["examined"]["clock"]["within_seconds"]
    assert "clock: it agrees with the cloud's" in ended.err


def test_who_answered_and_by_which_way_is_told(desk_of: MakeDesk) -> None:
    """Each host with its calls, and those that were not answered; the proxy without its password."""
    desk, emulator = desk_of(
        small(), Options(faults=(Fault(kind=Kind.RESET_BEFORE, action="DescribeInstances", count=1),))
    )
    ended = desk.sgsweep(
        "accounts", "--check", "--json", changes={"SGSWEEP_PROXY": "http://me:hidden@proxy.example:3128"}
    )
    examined = json.loads(ended.out)["examined"]
    seen = examined["endpoints"][0]
    assert seen["host"] == emulator.http_url.removeprefix("http://")
    assert seen["calls"] == len(emulator.calls.since(0))
    assert seen["unanswered"] == {"ConnectionReset": 1}
    assert (seen["by_proxy"], examined["proxy"]) == (False, "")  # this machine itself is never behind it
    assert "hidden" not in ended.out + ended.err


def test_quotas_that_answers_tell_are_told(desk_of: MakeDesk) -> None:
    """In the cloud's own words, by account, region and action."""
    world = small()
    desk, _ = desk_of(world, Options(throttle=Throttle(limit=500, hint="always")))
    ended, found = checked(desk)
    mine = [
        one
        for one in found["examined"]["quotas"]
        if (one["account_id"], one["action"]) == (first(world), "DescribeInstances")
    ]
    assert len(mine) == 1
    assert mine[0]["said"].startswith("Limit:500,Remain:499,")
    assert "quota of DescribeInstances, least of it left to " in ended.err


@pytest.mark.parametrize(("is_ignored", "said"), [(False, "heeded"), (True, "not_heeded")])
def test_session_policies_are_put_to_the_test(desk_of: MakeDesk, is_ignored: bool, said: str) -> None:  # noqa: FBT001 - a parameter
    """A session that may do more than its policy says is told loudly."""
    desk, _ = desk_of(small(), Options(quirks=Quirks(session_policies_ignored=is_ignored)))
    ended, found = checked(desk)
    assert found["examined"]["session_policy"] == said
    assert ("SESSION POLICIES ARE NOT HEEDED" in ended.err) == is_ignored


def test_a_closed_region_says_nothing_of_rights(desk_of: MakeDesk) -> None:
    """Another one is asked."""
    world = small()
    desk, _ = desk_of(world, Options(quirks=Quirks(closed_regions=world.region_ids[:1])))
    ended, found = checked(desk)
    assert rights(found, first(world), READ)["ecs:DescribeSecurityGroups"] == ("allowed", "asked")
    assert ended.code == 0, ended.err


def test_who_cannot_be_entered_is_told_as_ever(desk_of: MakeDesk) -> None:
    """By the role that was refused, and nothing is claimed of its rights."""
    world = World.generate(
        WorldOutline(11, 3, region_ids=2, groups_per_account=12, unreachable={"0": "refuses"})
    )
    desk, _ = desk_of(world)
    ended, found = checked(desk)
    assert ended.code == 3
    account = next(one for one in found["accounts"] if one["account_id"] == first(world))
    assert [one["code"] for one in account["unreachable"]] == ["NoPermission", "NoPermission"]
    assert account["rights"] == []
