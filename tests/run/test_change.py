"""Plan, apply, verify and roll back over real sockets, judged by the emulator's own record and world."""

from __future__ import annotations

import asyncio
import errno
import os
import re
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from orchestrator import run
from orchestrator.cli.exit_codes import of_changes, of_close, of_scan, of_verify
from orchestrator.cli.known_errors import explain_error
from orchestrator.config import defaults
from orchestrator.emulator import Fault, Kind, Options, World, WorldOutline
from orchestrator.emulator.world.expected import Expected
from orchestrator.emulator.world.model import Group, PrefixList, Rule, Tag
from orchestrator.files import replaced
from orchestrator.journal import Lock, OutcomeKind, RunInUse, SqliteReader
from orchestrator.plan import DigestMismatch, PlanError, UnsafePlan, encode, sealed
from orchestrator.policy import Finding
from orchestrator.run import Approval, Changed, Filters, Progress, RefusedError, UsageError
from orchestrator.run.changing import STOP
from tests.run.conftest import Desk, MakeDesk

Said = dict[str, Counter[tuple[object, ...]]]


def said(world: World) -> Said:
    """Return what the rules of each group say, without ids and times: what a rollback must restore."""
    found: Said = {}
    for _, _, group in world.groups():
        found[group.security_group_id] = Counter(map(_content, group.rules))
    return found


def _content(rule: Rule) -> tuple[object, ...]:
    fields = {name: getattr(rule, name) for name in rule.__struct_fields__}
    fields["priority"] = min(
        int(fields["priority"]), 100
    )  # 110 cannot be made again (ECS AuthorizeSecurityGroup)
    return tuple(
        value for name, value in fields.items() if name not in {"security_group_rule_id", "create_time"}
    )


def apply(desk: Desk, digest: str, name: str = "first", **changes: object) -> Changed:
    """Apply the plan of a run without being asked."""
    path = desk.folder / name / "plan.json"
    work = run.apply(path, Approval(digest), desk.changed(**changes), lambda *_: None, Progress())
    return asyncio.run(work)


def rollback(desk: Desk, **selection: str) -> Changed:
    """Roll a run back without being asked."""
    work = run.rollback(desk.folder / "first", selection, desk.config, lambda *_: None, Progress())
    return asyncio.run(work)


def verify(desk: Desk, name: str = "first") -> run.Verified:
    """Verify a run against the cloud."""
    return asyncio.run(run.verify(desk.folder / name, desk.config, Progress()))


def planned(desk: Desk) -> run.Planned:
    """Scan and plan."""
    desk.scan()
    return run.plan(desk.folder / "first", desk.config)


def changed_accounts(desk: Desk) -> set[str]:
    """The accounts in which something was changed, by the emulator's record."""
    return {call.account_id for call in desk.emulator.calls if call.changes and call.action != "AssumeRole"}


def test_apply_closes_what_it_may_and_touches_nothing_else(desk: Desk) -> None:
    """Every risky group is closed; every change in the emulator's record is of a rule in the plan."""
    made = planned(desk)
    assert of_changes(apply(desk, made.plan.digest)) == 0
    rules = {action.rule_id for action in made.plan.actions}
    revoked = {
        value
        for call in desk.emulator.calls.of("RevokeSecurityGroup")
        for key, value in call.parameters.items()
        if key.startswith("SecurityGroupRuleId")
    }
    assert revoked
    assert revoked <= rules
    assert of_scan(desk.scan("second")) in {0, 1}
    foretold = Expected.of(desk.emulator.world)
    still = {
        one["security_group_id"] for one in desk.lines("findings.jsonl", "second") if one["status"] == "open"
    }
    assert not still & foretold.risky
    assert of_verify(verify(desk)) in {0, 1}
    assert not verify(desk).differences


def test_verify_passes_no_rule_that_it_cannot_judge(desk: Desk) -> None:
    """A prefix list that can no longer be read makes the answer incomplete, whatever else is known to be open."""
    planned(desk)
    assert of_verify(verify(desk)) == 1
    desk.emulator.set_faults(Fault(kind=Kind.DENIED, action="DescribePrefixListAttributes"))
    found = verify(desk)
    assert any(one.is_undetermined for one in found.open)
    assert not found.unreachable
    assert of_verify(found) == 3


def test_at_most_five_calls_a_group(desk: Desk) -> None:
    """Read, add, look again, revoke by batch, read; of a classic group each reading is of both its cards.

    Beside these, a group that shares an interface with another of the plan is read for that one's sake, once.
    """
    made = planned(desk)
    desk.emulator.calls.clear()
    apply(desk, made.plan.digest)
    groups = {action.security_group_id for action in made.plan.actions}
    groups -= {group.security_group_id for _, _, group in desk.emulator.world.groups() if not group.vpc_id}
    per_group = Counter(
        call.parameters["SecurityGroupId"]
        for call in desk.emulator.calls
        if call.parameters.get("SecurityGroupId") in groups
    )
    assert set(per_group) == groups
    together = {
        group_id
        for account_id, region_id, _ in desk.emulator.world.groups()
        for interface in desk.emulator.world.interfaces(account_id, region_id)
        if len(interface.group_ids) > 1
        for group_id in interface.group_ids
    }
    assert max(per_group[one] for one in groups - together) <= 5
    assert max(per_group.values()) <= 6


def test_narrowing_to_a_prefix_list(desk_at: MakeDesk) -> None:
    """The scan reads the list; the plan adds a rule from it before it revokes; where there is none, it says so."""
    world = World.generate(WorldOutline(1, 1, region_ids=2, groups_per_account=0))
    member = next(iter(world.organization.members))
    here, elsewhere = world.region_ids
    world.estate(member, here).prefix_lists["pl-office"] = PrefixList(
        prefix_list_id="pl-office", name="office", entries=("203.0.113.0/24",)
    )
    for region in (here, elsewhere):
        ssh = Rule(security_group_rule_id=f"sgr-{region}", port_range="22/22", source_cidr_ip="0.0.0.0/0")
        world.put(member, region, Group(security_group_id=f"sg-{region}", vpc_id="vpc-1", rules=(ssh,)))
    desk = desk_at(world)
    checks = tuple(msgspec.structs.replace(check, action="narrow") for check in desk.config.checks)
    desk.config = msgspec.structs.replace(
        desk.changed(remediation={"narrow_to": ("pl-office",)}), checks=checks
    )
    made = planned(desk)
    asked = Counter(
        call.region_id
        for call in desk.emulator.calls.of("DescribePrefixListAttributes")
        if call.account_id == member
    )
    assert asked == {here: 1, elsewhere: 1}
    (action,) = (one for one in made.plan.actions if one.account_id == member)
    assert (action.action, action.region_id, action.revokes) == ("narrow", here, True)
    (skipped,) = (one for one in made.plan.skipped if one.account_id == member)
    assert (skipped.region_id, "pl-office DescribePrefixListAttributes" in skipped.reason) == (
        elsewhere,
        True,
    )
    before = said(world)
    assert of_changes(apply(desk, made.plan.digest)) == 0
    (rule,) = world.estate(member, here).groups[f"sg-{here}"].rules
    assert (rule.source_prefix_list_id, rule.source_cidr_ip, rule.port_range) == ("pl-office", "", "22/22")
    assert of_changes(rollback(desk)) == 0
    assert said(world) == before


def test_what_was_rolled_back_is_not_told_as_done(desk: Desk) -> None:
    """The same plan again would change nothing and call it closed: it is refused."""
    made = planned(desk)
    assert of_changes(apply(desk, made.plan.digest)) == 0
    assert of_changes(rollback(desk)) == 0
    with pytest.raises(RefusedError, match="rolled back"):
        apply(desk, made.plan.digest)


def test_no_plan_is_made_while_another_process_works_in_the_folder(desk: Desk) -> None:
    """It would take the place of the plan that is being carried out."""
    desk.scan()
    with Lock(desk.folder / "first"), pytest.raises(RunInUse):
        run.plan(desk.folder / "first", desk.config)
    assert run.plan(desk.folder / "first", desk.config).plan.actions


def test_a_full_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Writing does not know what it writes to: the error says which file, and is no bug."""

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    path = tmp_path / "plan.json"
    with pytest.raises(OSError, match="No space left") as caught, replaced(path) as file:
        file.write(b"{}")
    assert explain_error(caught.value) == (
        2,
        f"{path}: No space left on device. Free some space, then go on: the same command, run again",
    )
    assert list(tmp_path.iterdir()) == []


def test_a_rollback_restores_every_rule(desk: Desk) -> None:
    """After apply and rollback the rules of all groups say what they said; a second rollback changes nothing."""
    before = said(desk.emulator.world)
    made = planned(desk)
    apply(desk, made.plan.digest)
    assert said(desk.emulator.world) != before
    assert of_changes(rollback(desk)) == 0
    assert said(desk.emulator.world) == before
    desk.emulator.calls.clear()
    assert of_changes(rollback(desk)) == 0
    assert not [call for call in desk.emulator.calls if call.changes and call.action != "AssumeRole"]
    assert not verify(desk).differences


def test_one_group_is_rolled_back_alone(desk: Desk) -> None:
    """A selection undoes that group and leaves the others closed; one that names nothing is an error."""
    before = said(desk.emulator.world)
    made = planned(desk)
    apply(desk, made.plan.digest)
    after = said(desk.emulator.world)
    group = made.plan.actions[0].security_group_id
    rollback(desk, security_group_id=group)
    now = said(desk.emulator.world)
    assert now[group] == before[group]
    assert {one for one in now if now[one] != after[one]} == {group}
    with pytest.raises(UsageError, match="nothing that fits"):
        rollback(desk, security_group_id="sg-misspelled")


def test_a_second_apply_finds_nothing_to_do(desk: Desk) -> None:
    """Run again after it ended, the same plan changes nothing and ends the same."""
    made = planned(desk)
    first = apply(desk, made.plan.digest)
    desk.emulator.calls.clear()
    assert apply(desk, made.plan.digest).outcomes == first.outcomes
    assert not [call for call in desk.emulator.calls if call.changes and call.action != "AssumeRole"]


@pytest.mark.parametrize("given", ["", "0" * 64, "abc", "F" * 64])
def test_a_wrong_digest_is_refused(desk: Desk, given: str) -> None:
    """Missing, misspelled or another plan's: nothing is asked of the cloud."""
    planned(desk)
    desk.emulator.calls.clear()
    with pytest.raises(DigestMismatch):
        apply(desk, given)
    assert not list(desk.emulator.calls)


def test_a_plan_edited_by_one_byte_is_refused(desk: Desk) -> None:
    """Whatever byte is changed, the plan is not carried out."""
    made = planned(desk)
    path = desk.folder / "first" / "plan.json"
    data = path.read_bytes()
    for place in range(10, len(data) - 1, len(data) // 40):
        path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        with pytest.raises(PlanError):
            apply(desk, made.plan.digest)


def test_a_plan_of_another_cloud_or_run_is_refused(desk_at: MakeDesk, tmp_path: Path) -> None:
    """A demo's plan never meets another endpoint; a plan never meets another run's folder."""
    world = World.generate(WorldOutline(11, 2, region_ids=2))
    desk = desk_at(world)
    made = planned(desk)
    desk.scan("second")
    (desk.folder / "second" / "plan.json").write_bytes((desk.folder / "first" / "plan.json").read_bytes())
    with pytest.raises(RefusedError, match="is of run"):
        apply(desk, made.plan.digest, "second")
    desk_at(world)
    with pytest.raises((PlanError, RefusedError), match="against"):
        apply(desk, made.plan.digest, cloud={"endpoint": desk_at(world).emulator.http_url})


def test_an_old_plan_is_refused(desk: Desk) -> None:
    """A plan ages; `max_age_hours` says how long it may be carried out."""
    made = planned(desk)
    with pytest.raises(PlanError, match="hours old"):
        apply(desk, made.plan.digest, remediation={"max_age_hours": 1e-9})


def test_limits_refuse_a_plan_that_is_too_large(desk: Desk) -> None:
    """A plan over a limit is not even written."""
    desk.scan()
    with pytest.raises(UnsafePlan, match="max_rules is 1"):
        run.plan(desk.folder / "first", desk.changed(remediation={"max_rules": 1}))
    assert not (desk.folder / "first" / "plan.json").exists()


def test_limits_hold_when_a_plan_is_carried_out(desk: Desk) -> None:
    """A plan that was made under wider limits is refused by narrower ones."""
    made = planned(desk)
    with pytest.raises(UnsafePlan, match="max_rules is 1"):
        apply(desk, made.plan.digest, remediation={"max_rules": 1})
    assert not changed_accounts(desk)


def test_a_role_that_could_not_undo_is_refused_before_the_first_change(desk_at: MakeDesk) -> None:
    """Where a role may revoke but not authorize, or split but not take its additions back, nothing is changed."""
    world = World.generate(WorldOutline(11, 3, region_ids=2))
    desk = desk_at(world)
    made = planned(desk)
    account = next(one.account_id for one in made.plan.actions if one.action == "split")
    for action in ("AuthorizeSecurityGroup", "RevokeSecurityGroup"):
        desk.emulator.set_faults(Fault(kind=Kind.DENIED, action=action, account=account))
        with pytest.raises(RefusedError, match=f"could not be put back.*{action}"):
            apply(desk, made.plan.digest)
    assert not changed_accounts(desk)


def test_a_role_that_could_not_lift_a_block_is_refused_before_it_blocks(desk_at: MakeDesk) -> None:
    """A block adds drops only: where they could not be revoked later, they are not added."""
    world = World.generate(WorldOutline(11, 1, region_ids=1))
    desk = desk_at(world)
    checks = tuple(msgspec.structs.replace(check, action="block") for check in desk.config.checks)
    desk.config = msgspec.structs.replace(desk.config, checks=checks)
    made = planned(desk)
    assert {action.action for action in made.plan.actions} == {"block"}
    desk.emulator.set_faults(Fault(kind=Kind.DENIED, action="RevokeSecurityGroup"))
    with pytest.raises(RefusedError, match=r"could not be put back.*\(RevokeSecurityGroup\)"):
        apply(desk, made.plan.digest)
    assert not changed_accounts(desk)
    desk.emulator.set_faults()
    ended = apply(desk, made.plan.digest)
    # one group shares an interface with another, which lets its own members in: a drop would cut them off
    assert ended.outcomes == {OutcomeKind.blocked: 2, OutcomeKind.skipped: 1}
    assert of_changes(ended) == 1


def test_an_account_that_does_not_say_whether_undoing_is_allowed_is_left_alone(desk_at: MakeDesk) -> None:
    """Its changes are recorded as failed, the others are made; once it answers, the same command finishes."""
    world = World.generate(WorldOutline(11, 3, region_ids=2))
    desk = desk_at(world)
    made = planned(desk)
    mute = made.plan.actions[0].account_id
    desk.emulator.set_faults(Fault(kind=Kind.UNAVAILABLE, action="AuthorizeSecurityGroup", account=mute))
    impatient = {"attempts": 1}  # the fault lasts: to try again would only be waited for
    result = apply(desk, made.plan.digest, remediation={"max_failure_rate": 1.0}, cloud=impatient)
    assert of_changes(result) == 5
    assert result.outcomes[OutcomeKind.failed] == sum(
        action.account_id == mute for action in made.plan.actions
    )
    assert changed_accounts(desk) == {one.account_id for one in made.plan.actions} - {mute}
    desk.emulator.set_faults(
        Fault(kind=Kind.RESET_AFTER, action="AuthorizeSecurityGroup", account=mute, count=1)
    )
    assert of_changes(apply(desk, made.plan.digest)) == 0  # one lost answer is asked for again


def test_a_rule_that_changed_since_the_plan_is_left_alone(desk: Desk) -> None:
    """What drifted is skipped, named, and exits 1."""
    made = planned(desk)
    action = next(one for one in made.plan.actions if one.action == "revoke")
    world = desk.emulator.world
    group = world.estate(action.account_id, action.region_id).groups[action.security_group_id]
    changed = tuple(
        msgspec.structs.replace(rule, source_cidr_ip="203.0.113.0/24")
        if rule.security_group_rule_id == action.rule_id
        else rule
        for rule in group.rules
    )
    world.put(action.account_id, action.region_id, msgspec.structs.replace(group, rules=changed))
    result = apply(desk, made.plan.digest)
    assert result.outcomes[OutcomeKind.drifted] == 1
    assert of_changes(result) == 1
    now = world.estate(action.account_id, action.region_id).groups[action.security_group_id]
    assert action.rule_id in {rule.security_group_rule_id for rule in now.rules}


def test_the_stop_file_stops_and_the_same_command_goes_on(desk: Desk) -> None:
    """With STOP in the folder nothing more is changed; without it the same command finishes."""
    made = planned(desk)
    stop = desk.folder / "first" / STOP
    stop.touch()
    stopped = apply(desk, made.plan.digest)
    assert of_changes(stopped) == 3
    assert "STOP" in stopped.stopped
    assert not [call for call in desk.emulator.calls if call.changes and call.action != "AssumeRole"]
    stop.unlink()
    assert of_changes(apply(desk, made.plan.digest)) == 0


def test_waves_wait_for_each_other(desk: Desk) -> None:
    """The first wave is one account; the others begin when its changes are done."""
    made = planned(desk)
    apply(desk, made.plan.digest, remediation={"waves": ("1 account", "100%")})
    first = made.plan.actions[0].account_id
    order = [
        call.account_id for call in desk.emulator.calls if call.changes and call.action.startswith("Revoke")
    ]
    assert order[: order.count(first)] == [first] * order.count(first)


def test_a_folder_is_used_by_one_process_at_a_time(desk: Desk) -> None:
    """While somebody works in the run folder, apply is refused by name."""
    from orchestrator.journal import SqliteJournal  # noqa: PLC0415 (only here)

    made = planned(desk)

    async def both() -> None:
        async with SqliteJournal.open(desk.folder / "first"):
            work = run.apply(
                desk.folder / "first" / "plan.json",
                Approval(made.plan.digest),
                desk.config,
                lambda *_: None,
                Progress(),
            )
            await work

    with pytest.raises(RunInUse):
        asyncio.run(both())


@pytest.mark.parametrize("kind", [Kind.ERROR_AFTER, Kind.RESET_AFTER, Kind.UNAVAILABLE, Kind.ERROR_BEFORE])
def test_lost_answers_lose_nothing(desk_at: MakeDesk, kind: Kind) -> None:
    """Answers lost before or after the change was made: the end is the same, and nothing is revoked twice."""
    world = World.generate(WorldOutline(11, 5, region_ids=3, groups_per_account=12))
    desk = desk_at(world, Options(faults=(Fault(kind=kind, rate=0.3, action="*SecurityGroup"),), seed=2))
    made = planned(desk)
    result = apply(desk, made.plan.digest)
    while of_changes(result) == 5:
        result = apply(desk, made.plan.digest)
    assert of_changes(result) == 0
    revoked = Counter(
        rule
        for call in desk.emulator.calls
        if call.action == "RevokeSecurityGroup" and call.changes
        for rule in (value for key, value in call.parameters.items() if key.startswith("SecurityGroupRuleId"))
    )
    assert max(revoked.values()) == 1
    assert set(revoked) == {action.rule_id for action in made.plan.actions if action.revokes}
    desk.emulator.set_faults()
    assert not verify(desk).differences


def test_an_incident_is_closed_in_one_stream(desk: Desk) -> None:
    """Scan, plan and change account by account; the incident is in every record, the plan of each account kept."""
    result = asyncio.run(
        run.close(
            desk.config,
            Filters(ports=("22", "6379")),
            desk.folder / "inc",
            "INC-42",
            lambda *_: None,
            Progress(),
        )
    )
    assert of_close(result) in {0, 1}
    assert not result.changed.failed
    records = desk.lines("audit.jsonl", "inc")
    assert records
    assert {record["incident"] for record in records} == {"INC-42"}
    plans = {path.stem for path in (desk.folder / "inc" / "plans").iterdir()}
    assert plans == {record["account_id"] for record in records}
    again = desk.scan("second", Filters(ports=("22", "6379")))
    foretold = Expected.of(desk.emulator.world)
    still = {
        one["security_group_id"] for one in desk.lines("findings.jsonl", "second") if one["status"] == "open"
    }
    assert not still & foretold.risky
    assert again.complete


def test_explain_says_why(desk: Desk) -> None:
    """The rules that decide, in order, with the rule in question among them."""
    desk.scan()
    finding = desk.lines("findings.jsonl")[0]
    found = run.explain_rule(desk.folder / "first", finding["rule_id"])
    assert finding["rule_id"] in {step.rule_id for step in found.steps}
    assert found.findings
    with pytest.raises(UsageError, match="sgr-none"):
        run.explain_rule(desk.folder / "first", "sgr-none")


def test_the_action_is_overridden_for_one_plan(desk: Desk) -> None:
    """`plan --action` stands in place of what the checks say, for all of them or for one."""
    desk.scan()
    path = desk.folder / "first"
    with pytest.raises(UsageError, match="--action"):
        run.plan(path, desk.config, actions=["rdp=explode"])
    assert not run.plan(path, desk.config, actions=["report"]).plan.actions
    config = desk.changed(remediation={"narrow_to": ("10.0.0.0/8", "192.168.0.0/16")})
    made = run.plan(path, config, actions=["report", "ssh=narrow"]).plan
    assert {action.action for action in made.actions} <= {
        "narrow",
        "revoke",
    }  # an allow-list without IPv6 leaves none
    assert {check for action in made.actions for check in action.check_ids} >= {"ssh"}
    before = said(desk.emulator.world)
    result = apply(desk, made.digest)
    assert result.outcomes[OutcomeKind.narrowed]
    assert set(result.outcomes) <= {"narrowed", "revoked"}
    assert not verify(desk).differences
    rollback(desk)
    assert said(desk.emulator.world) == before


def test_what_is_protected_stays_open_until_it_is_named(desk_at: MakeDesk) -> None:
    """A tag protects: the finding is open, counted and in the headline; plan and apply change it only by its id."""
    world = World.generate(WorldOutline(11, 1, region_ids=1, groups_per_account=0))
    account, region = next(iter(world.organization.members)), world.region_ids[0]
    ssh = Rule("sgr-1", port_range="22/22", source_cidr_ip="0.0.0.0/0")
    for group_id, tags in (("sg-kept", (Tag("sgsweep", "protected"),)), ("sg-free", ())):
        group = Group(security_group_id=group_id, vpc_id="vpc-1", rules=(ssh,), tags=tags)
        world.put(account, region, group)
    desk = desk_at(world)
    summary = desk.scan(filters=Filters(accounts=(account,)))
    assert (summary.open_failures, summary.protected, of_scan(summary)) == (2, 1, 1)
    why = {one["security_group_id"]: one["protection"] for one in desk.lines("findings.jsonl")}
    assert why == {"sg-kept": "the group is protected by its tag (sgsweep=protected)", "sg-free": ""}
    page = (desk.folder / "first" / "report.html").read_text(encoding="utf-8")
    assert (
        summary.headline
        == "2 open findings (2 critical) on 2 rules in 1 account; 1 rule of these is protected"
    )
    (title,) = re.findall("<h1>.*</h1>", page)
    assert re.sub("<[^>]+>", "", title) == summary.headline  # its second half is smaller
    assert page.count("Not changed: the group is protected by its tag (sgsweep=protected).") == 1

    folder, groups = desk.folder / "first", []
    for named in ((), ("sg-kept",)):
        made = run.plan(folder, desk.config, change_protected=named).plan
        groups.append({action.security_group_id for action in made.actions})
    assert groups == [{"sg-free"}, {"sg-free", "sg-kept"}]
    (noted,) = [note for action in made.actions for note in action.notes]
    assert noted.endswith("changed all the same: --change-protected names it")
    with pytest.raises(RefusedError, match="change it all the same with --change-protected sg-kept"):
        apply(desk, made.digest)
    with pytest.raises(UsageError, match="--change-protected sg-typo: the plan says nothing"):
        apply(desk, made.digest, remediation={"change_protected": ("sg-kept", "sg-typo")})
    with pytest.raises(UsageError, match="--change-protected sg-typo: the plan says nothing"):
        run.plan(folder, desk.config, change_protected=("sg-typo",))
    assert changed_accounts(desk) == set()
    done = apply(desk, made.digest, remediation={"change_protected": ("sg-kept",)})
    assert done.outcomes == {OutcomeKind.revoked: 2}


@pytest.mark.parametrize("given", ["sg-*", "web", "*"])
def test_a_protection_is_overridden_by_an_id_only(given: str) -> None:
    """Not by a name or a pattern: whoever overrides says which group."""
    with pytest.raises(UsageError, match="give the id of one group in full"):
        run.changing_protected(defaults().remediation, [given])


def test_what_is_protected_by_now_is_not_changed(desk: Desk) -> None:
    """A protection by id, name or tag that was added after the plan was made counts: all of it is refused."""
    made = planned(desk)
    with SqliteReader(desk.folder / "first") as reader:
        kept = [reader.observed_group(*action.place) for action in made.plan.actions]
    group = next(group for group in (one.group() for one in kept if one) if group.tags)
    key, value = group.tags[0]
    for rails in (
        {"protected_accounts": (group.placement.account_id,)},
        {"protected_accounts": (group.placement.account_name[:-1] + "?",)},
        {"protected_groups": (group.security_group_id,)},
        {"protected_groups": (group.name[:-1] + "*",)},
        {"protected_tags": (key,)},
        {"protected_tags": (f"{key}={value[:1]}*",)},
    ):
        with pytest.raises(RefusedError, match="is protected"):
            apply(desk, made.plan.digest, remediation=rails)
    assert not [call for call in desk.emulator.calls if call.changes and call.action != "AssumeRole"]


def test_a_plan_that_opens_or_takes_what_is_harmless_is_refused_whatever_its_digest(desk: Desk) -> None:
    """Edited, and its digest made anew: the scan's own groups say that it would not only close what fails."""
    made = planned(desk).plan
    path = desk.folder / "first" / "plan.json"
    split = next(one for one in made.actions if one.action == "split")
    with SqliteReader(path.parent) as reader:
        failing = {one.rule_id for one in reader.findings(Finding)}
        seen = reader.observed_group(*split.place)
    assert seen is not None
    wider = msgspec.structs.replace(split, adds=(*split.adds, {**split.adds[0], "PortRange": "1/65535"}))
    harmless = next(
        (raw for raw in seen.permissions if raw["SecurityGroupRuleId"] not in failing), {**split.before}
    )
    other = msgspec.structs.replace(
        split, rule_id=harmless["SecurityGroupRuleId"], before=harmless, adds=(), action="revoke"
    )
    foreign = msgspec.structs.replace(split, rule_id="sgr-unseen")
    for edited in (wider, other, foreign):
        actions = tuple(edited if one is split else one for one in made.actions)
        forged = sealed(msgspec.structs.replace(made, actions=actions))
        path.write_bytes(encode(forged))
        with pytest.raises(RefusedError, match="what the plan would do is not what closes its findings"):
            apply(desk, forged.digest)
    assert not changed_accounts(desk)


def test_a_row_of_the_journal_that_was_edited_is_not_rolled_back_from(desk: Desk) -> None:
    """The trail is intact; what is to be undone is read from rows, and each must be what was recorded."""
    made = planned(desk).plan
    assert of_changes(apply(desk, made.digest)) == 0
    folder = desk.folder / "first"
    calls = len(desk.emulator.calls)
    one = " WHERE key = (SELECT min(key) FROM effect WHERE instr(body, '22/22') AND outcome IS NOT NULL)"
    edits = {
        "another thing in the journal": "UPDATE effect SET body = replace(CAST(body AS TEXT), '22/22', '1/99')",
        "not in the journal": "DELETE FROM effect",
        "no record does": "UPDATE effect SET outcome = replace(CAST(outcome AS TEXT), 'revoked', 'rolled_back')",
    }
    kept = (folder / "journal.sqlite").read_bytes()
    for says, edit in edits.items():
        with closing(sqlite3.connect(folder / "journal.sqlite")) as db, db:
            assert db.execute(edit + one).rowcount == 1
        with pytest.raises(RefusedError, match=f"{says}.*somebody edited it"):
            rollback(desk)
        (folder / "journal.sqlite").write_bytes(kept)
        assert not [call for call in desk.emulator.calls.since(calls) if call.changes], says
    assert of_changes(rollback(desk)) == 0
