"""Carrying out a plan in a cloud that refuses, loses answers, lies, or cannot be read."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from orchestrator.cloud.errors import Denied, NotFound, Throttled
from orchestrator.emulator import Fault, Kind, Options, Quirks, RuleRefusal
from orchestrator.journal import JournalFull, SqliteJournal
from orchestrator.remediate import Brake, remediate_account, undos
from tests.remediate.crash import Fuse, MortalSession
from tests.remediate.kit import (
    HASTE,
    REGION,
    Cloud,
    History,
    apply,
    cloud,
    guard,
    order,
    planned,
    rule,
    rules_of,
    words,
)


async def test_a_rule_removed_between_reading_and_revoking_does_not_stop_the_others(
    there: Cloud, journal: SqliteJournal
) -> None:
    """One id that is gone makes the whole batch fail (API reference 1.4): what is left of it is sent again."""
    group = there.put(*(rule(n, priority=n) for n in range(1, 5)))
    actions = planned([group], there.account_id)

    class Rival(MortalSession):
        async def before(self, action: str) -> None:
            if action == "RevokeSecurityGroup" and len(there.emulator.calls.of(action)) == 0:
                there.put(*group.rules[1:], group_id=group.security_group_id)

    ended = await apply(there, journal, actions, by=Rival)
    assert words(ended) == {
        "sgr-1": "already_absent",
        **dict.fromkeys(("sgr-2", "sgr-3", "sgr-4"), "revoked"),
    }
    assert not rules_of(there, group)


async def test_a_refused_change_is_failed_and_tried_again_by_the_next_delivery(
    there: Cloud, journal: SqliteJournal
) -> None:
    """Denied is not retried at once; once the right is given, the same command finishes the account."""
    actions = planned([there.put(rule(1, "20/30"))], there.account_id)
    there.emulator.set_faults(Fault(kind=Kind.DENIED, action="AuthorizeSecurityGroup"))
    (outcome,) = await apply(there, journal, actions)
    assert (outcome.outcome, outcome.effective_after) == ("failed", "")
    assert "Forbidden.RAM" in outcome.reason
    assert outcome.request_id
    assert not there.calls()["RevokeSecurityGroup"]
    assert there.calls()["AuthorizeSecurityGroup"] == 1
    there.emulator.set_faults()
    assert words(await apply(there, journal, actions)) == {"sgr-1": "split"}


@pytest.mark.parametrize("code", ["Http404", "InvalidRegionId.NotFound", "InvalidAction.NotFound"])
async def test_another_404_is_no_word_about_the_group(
    there: Cloud, journal: SqliteJournal, code: str
) -> None:
    """A gateway's page is not the cloud saying that the group is gone: it failed, and the next delivery does it."""
    actions = planned([there.put(rule(1))], there.account_id)

    class Astray(MortalSession):
        async def before(self, action: str) -> None:
            raise NotFound(code=code, message="no such page", status=404, action=action)

    ended = await apply(there, journal, actions, by=Astray)
    assert words(ended) == {"sgr-1": "failed"}
    (place,) = {action.place for action in actions}
    with pytest.raises(NotFound):
        await there.read(place, Astray(there.enter(""), Fuse()))
    assert words(await apply(there, journal, actions)) == {"sgr-1": "revoked"}


async def test_a_group_without_room_keeps_its_rule(there: Cloud, journal: SqliteJournal) -> None:
    """Where the replacement does not fit, the rule that is to be replaced stays, and so does its traffic."""
    group = there.put(rule(1, "20/30"), *(rule(n, f"{n}/{n}", priority=5) for n in range(1000, 1199)))
    actions = planned([group], there.account_id, rules_per_group=300)
    assert [action.action for action in actions] == ["split"]
    (outcome,) = await apply(there, journal, actions)
    assert outcome.outcome == "failed"
    assert "AuthorizationLimitExceed" in outcome.reason
    assert not History(there.emulator, []).changes()


@pytest.mark.parametrize("bad", [1, 8, 16])
async def test_a_revoke_that_is_refused_spares_its_neighbours(
    there: Cloud, journal: SqliteJournal, bad: int
) -> None:
    """One rule of a call is refused: the call is divided until it fails alone, in few calls; the others go."""
    group = there.put(*(rule(n, priority=n, description="no" if n == bad else "") for n in range(1, 17)))
    actions = planned([group], there.account_id)
    there.emulator.refuse_rules(
        RuleRefusal(code="InvalidParam.Description", rule={"Description": "no"}, action="Revoke*")
    )
    ended = {one.rule_id: one for one in await apply(there, journal, actions)}
    assert {rule_id for rule_id, one in ended.items() if one.outcome == "failed"} == {f"sgr-{bad}"}
    assert "InvalidParam.Description" in ended[f"sgr-{bad}"].reason
    assert set(rules_of(there, group)) == {f"sgr-{bad}"}
    assert there.calls()["RevokeSecurityGroup"] <= 2 * 4 + 1  # halves of halves of 16
    there.emulator.refuse_rules()
    assert words(await apply(there, journal, actions)) == {f"sgr-{bad}": "revoked"}


@pytest.mark.parametrize(
    "code",
    ["InvalidOperation.ResourceManagedByCloudProduct", "InvalidSecurityGroupId.Malformed", "VPCDisabled"],
)
async def test_a_group_that_takes_no_call_is_asked_once(
    there: Cloud, journal: SqliteJournal, code: str
) -> None:
    """What is about the whole group would refuse every part of the call, too: it is not divided."""
    group = there.put(*(rule(n, priority=n) for n in range(1, 17)))
    there.emulator.refuse_rules(RuleRefusal(code=code, rule={}, action="Revoke*"))
    ended = await apply(there, journal, planned([group], there.account_id))
    assert set(words(ended).values()) == {"failed"}
    assert all(code in one.reason for one in ended)
    assert there.calls()["RevokeSecurityGroup"] == 1


@pytest.mark.parametrize(
    ("count", "wrong", "touched"),
    [
        (2, Fault(kind=Kind.DENIED, action="Revoke*"), False),
        (1, RuleRefusal(code="VPCDisabled", rule={}, action="Revoke*"), False),
        (2, RuleRefusal(code="VPCDisabled", rule={}, action="Revoke*"), True),
        (1, Fault(kind=Kind.UNAVAILABLE, action="Revoke*"), True),
    ],
)
async def test_what_a_refused_call_may_have_done_is_remembered(
    there: Cloud,
    journal: SqliteJournal,
    count: int,
    wrong: Fault | RuleRefusal,
    touched: bool,  # noqa: FBT001 - a case
) -> None:
    """Denied did nothing, nor did what was refused for its only rule; of several the others may have been taken away.

    So it is for a call without an answer. It matters later: what may be ours is put back when all is undone.
    """
    group = there.put(*(rule(n, priority=n) for n in range(1, count + 1)))
    if isinstance(wrong, Fault):
        there.emulator.set_faults(wrong)
    else:
        there.emulator.refuse_rules(wrong)
    ended = await apply(there, journal, planned([group], there.account_id))
    assert list(words(ended).values()) == ["failed"] * count
    assert [effect.touches_rule for effect in journal.all_effects()] == [touched] * count
    there.put(group_id=group.security_group_id)
    assert len(undos(journal.all_effects(), journal.audit_records())) == (count if touched else 0)


async def test_an_addition_that_is_refused_takes_back_its_actions_others(
    there: Cloud, journal: SqliteJournal
) -> None:
    """A split whose one part the API does not take leaves its rule as it was, and nothing half done beside it."""
    split = [rule(n, "20/30", priority=n, description=f"{n}") for n in (1, 2, 3)]
    group = there.put(*split)
    before = rules_of(there, group)
    actions = planned([group], there.account_id)
    there.emulator.refuse_rules(
        RuleRefusal(
            code="InvalidParam.PortRange", rule={"PortRange": "23/30", "Priority": "2"}, action="Auth*"
        )
    )
    ended = {one.rule_id: one for one in await apply(there, journal, actions)}
    assert {rule_id: one.outcome.value for rule_id, one in ended.items()} == {
        "sgr-1": "split", "sgr-2": "failed", "sgr-3": "split"
    }  # fmt: skip
    now = rules_of(there, group)
    assert now["sgr-2"] == before["sgr-2"]
    assert {one.priority for rule_id, one in now.items() if rule_id != "sgr-2"} == {1, 3}


async def test_a_revoke_that_is_refused_takes_its_additions_back(
    there: Cloud, journal: SqliteJournal
) -> None:
    """The rule that stays needs no replacement beside it; one that another change needs stays."""
    group = there.put(rule(1, "20/30"), rule(2, "20/30", priority=2))
    actions = planned([group], there.account_id)
    there.emulator.refuse_rules(RuleRefusal(code="Denied.ByHand", rule={"SecurityGroupRuleId": "sgr-1"}))
    ended = await apply(there, journal, actions)
    assert words(ended) == {"sgr-1": "failed", "sgr-2": "split"}
    assert {one.priority for one in rules_of(there, group).values() if one.port_range != "20/30"} <= {2}


async def test_a_full_group_is_closed_as_far_as_there_is_room(there: Cloud, journal: SqliteJournal) -> None:
    """In a group of 241 rules what goes without replacement goes first, and what does not fit fails as it was."""
    rules = [rule(n, f"{n}/{n}", priority=5, source="203.0.113.0/24") for n in range(1000, 1239)]
    group = there.put(rule(1), rule(2, "20/30", priority=2), *rules)
    before = rules_of(there, group)
    actions = planned([group], there.account_id)
    assert {one.rule_id: one.action for one in actions} == {"sgr-1": "revoke", "sgr-2": "split"}
    ended = {one.rule_id: one for one in await apply(there, journal, actions)}
    assert {key: one.outcome.value for key, one in ended.items()} == {"sgr-1": "revoked", "sgr-2": "failed"}
    assert "AuthorizationLimitExceed" in ended["sgr-2"].reason
    assert rules_of(there, group) == {key: one for key, one in before.items() if key != "sgr-1"}


async def test_a_change_that_does_not_take_is_failed_not_assumed(
    there: Cloud, journal: SqliteJournal
) -> None:
    """An answer of success that changed nothing is found out by the re-read, tried again, and then called failed."""
    actions = planned([there.put(rule(1))], there.account_id)
    there.emulator.set_faults(Fault(kind=Kind.IGNORED, action="RevokeSecurityGroup"))
    (outcome,) = await apply(there, journal, actions)
    assert (outcome.outcome, outcome.reason) == (
        "failed",
        "it was answered with success, but does not show 0.2 s later",
    )
    assert there.calls()["RevokeSecurityGroup"] == HASTE.rounds


async def test_a_rule_that_its_owner_repairs_in_between_is_left_alone(
    there: Cloud, journal: SqliteJournal
) -> None:
    """After our additions and before our revoke the same rule, by its id, is made harmless: it stays, they go."""
    group = there.put(rule(1, "20/30"), rule(2, "20/40", priority=2))
    actions = planned([group], there.account_id)
    repaired = rule(1, "20/30", source="203.0.113.0/24")

    class Owner(MortalSession):
        async def after(self, action: str) -> None:
            if action == "AuthorizeSecurityGroup":
                now = [one for key, one in rules_of(there, group).items() if key != "sgr-1"]
                there.put(repaired, *now, group_id=group.security_group_id)

    ended = await apply(there, journal, actions, by=Owner)
    assert words(ended) == {"sgr-1": "drifted", "sgr-2": "split"}
    now = rules_of(there, group)
    assert now["sgr-1"].source_cidr_ip == "203.0.113.0/24"
    assert {one.priority for key, one in now.items() if key != "sgr-1"} == {2}


async def test_a_liar_loses_no_packet(there: Cloud, journal: SqliteJournal) -> None:
    """Nothing is revoked before its replacement was seen."""
    group = there.put(rule(1, "20/30"))
    history = History(there.emulator, [group])
    actions = planned([group], there.account_id)
    there.emulator.set_faults(Fault(kind=Kind.IGNORED, action="AuthorizeSecurityGroup", count=2))
    ended = await remediate_account(
        there.enter, journal, actions, order(), Brake(), guard(there.account_id), HASTE
    )
    assert words(ended) == {"sgr-1": "split"}
    history.check_legitimate_packets_always_passed()


async def test_what_stands_in_a_rules_place_must_show_before_the_rule_goes(
    there: Cloud, journal: SqliteJournal
) -> None:
    """An addition that was answered with success and never shows: the rule stays, and why is told."""
    group = there.put(rule(1, "20/30"))
    actions = planned([group], there.account_id)
    there.emulator.set_faults(Fault(kind=Kind.IGNORED, action="AuthorizeSecurityGroup"))
    (outcome,) = await apply(there, journal, actions)
    assert outcome.outcome == "failed"
    assert outcome.reason == (
        f"AuthorizeSecurityGroup {there.account_id} {REGION}: NotShown: "
        "what was added does not show, so nothing was revoked"
    )
    assert rules_of(there, group) == {"sgr-1": group.rules[0]}
    assert there.calls()["RevokeSecurityGroup"] == 0


async def test_an_addition_that_shows_late_is_waited_for_and_not_asked_for_again(
    journal: SqliteJournal,
) -> None:
    """Readings lag behind changes: the rule goes once what stands in its place shows."""
    patience = replace(HASTE, wait_seconds=5.0, first_wait_seconds=0.05)
    async with cloud(Options(quirks=Quirks(read_lag_seconds=0.4))) as there:
        group = there.put(rule(1, "20/30"))
        history = History(there.emulator, [group])
        actions = planned([group], there.account_id)
        held = guard(there.account_id)
        ended = await remediate_account(there.enter, journal, actions, order(), Brake(), held, patience)
        assert words(ended) == {"sgr-1": "split"}
        assert (there.calls()["AuthorizeSecurityGroup"], there.calls()["RevokeSecurityGroup"]) == (1, 1)
        history.check_legitimate_packets_always_passed()


async def test_a_call_that_was_throttled_is_made_in_another_turn(
    there: Cloud, journal: SqliteJournal
) -> None:
    """It was not carried out; where no turn is to be hoped for, it has failed, and is not asked for again."""
    actions = planned([there.put(rule(1)), there.put(rule(2))], there.account_id)
    there.emulator.set_faults(Fault(kind=Kind.THROTTLED, action="RevokeSecurityGroup", count=1))
    assert words(await apply(there, journal, actions[:1])) == {"sgr-1": "revoked"}
    assert there.calls()["RevokeSecurityGroup"] == 2
    asked: list[str] = []

    class Hopeless(MortalSession):
        async def before(self, action: str) -> None:
            if action == "RevokeSecurityGroup":
                asked.append(action)
                error = Throttled(code="Throttling.User", message="later", action=action)
                error.hopeless = True
                raise error

    (outcome,) = await apply(there, journal, actions[1:], "apply:2", by=Hopeless)
    assert (outcome.outcome, outcome.reason) == (
        "failed",
        "RevokeSecurityGroup: Throttling.User: later",
    )
    assert len(asked) == 1


async def test_a_group_that_cannot_be_read_is_not_touched(there: Cloud, journal: SqliteJournal) -> None:
    """No reading, no change; a page without its list counts as no reading."""
    actions = planned([there.put(rule(1))], there.account_id)
    for kind in (Kind.UNAVAILABLE, Kind.TRUNCATED, Kind.EMPTY, Kind.DENIED):
        there.emulator.set_faults(Fault(kind=kind, action="DescribeSecurityGroupAttribute"))
        assert words(await apply(there, journal, actions)) == {"sgr-1": "failed"}
    assert not there.calls()["RevokeSecurityGroup"]


async def test_an_account_that_cannot_be_entered_is_asked_once(there: Cloud, journal: SqliteJournal) -> None:
    """Where the role is refused, every change of the account is failed with the reason, after one attempt."""
    actions = planned([there.put(rule(n)) for n in range(1, 6)], there.account_id)
    there.emulator.set_faults(Fault(kind=Kind.DENIED, action="AssumeRole"))
    ended = await apply(there, journal, actions)
    assert list(words(ended).values()) == ["failed"] * 5
    assert len(there.emulator.calls.of("AssumeRole")) == 1
    there.emulator.set_faults()
    assert set(words(await apply(there, journal, actions)).values()) == {"revoked"}


async def test_a_session_may_do_no_more_than_its_part_of_the_plan(
    there: Cloud, journal: SqliteJournal
) -> None:
    """Inside a session made for the plan, code that tries another group, or an addition, is refused by the cloud."""
    mine, other = there.put(rule(1)), there.put(rule(2))
    actions = planned([mine], there.account_id)

    class Greedy(MortalSession):
        async def after(self, action: str) -> None:
            if action == "RevokeSecurityGroup":
                where = {"RegionId": REGION, "SecurityGroupId": other.security_group_id}
                opened = {
                    **where,
                    "Permissions.1.IpProtocol": "TCP",
                    "Permissions.1.PortRange": "1/1",
                    "Permissions.1.SourceCidrIp": "0.0.0.0/0",
                }
                with pytest.raises(Denied):
                    await self._session.call(
                        action, REGION, {**where, "SecurityGroupRuleId": ["sgr-2"]}, mutating=True
                    )
                with pytest.raises(Denied):
                    await self._session.call("AuthorizeSecurityGroup", REGION, opened, mutating=True)

    ended = await apply(there, journal, actions, by=Greedy)
    assert words(ended) == {"sgr-1": "revoked"}
    assert (
        other.rules
        == there.emulator.world.estate(there.account_id, REGION).groups[other.security_group_id].rules
    )


async def test_a_full_disk_stops_before_the_change(there: Cloud, journal: SqliteJournal) -> None:
    """An intent that cannot be written down is not acted on."""
    actions = planned([there.put(rule(1))], there.account_id)
    pages = journal._db.execute("PRAGMA page_count").fetchone()[0]
    journal._db.execute(f"PRAGMA max_page_count={pages}")

    async def fill() -> None:
        for n in range(1000):
            await journal.set_fact(f"filler-{n}", "x" * 500)

    with pytest.raises(JournalFull):
        await fill()
    big = [replace(action, notes=("x" * 10_000,)) for action in actions]
    with pytest.raises(JournalFull):
        await apply(there, journal, big)
    assert not there.calls()["RevokeSecurityGroup"]


async def test_no_secret_reaches_the_run_folder(there: Cloud, journal: SqliteJournal) -> None:
    """Keys and tokens used on the way are in no file of the run, whatever errors echo."""
    actions = planned([there.put(rule(1)), there.put(rule(2))], there.account_id)
    there.emulator.set_faults(
        Fault(kind=Kind.EXPIRED, action="Describe*", count=1),
        Fault(kind=Kind.DENIED, action="Revoke*", count=1),
    )
    await apply(there, journal, actions)
    await journal.close()
    content = b"".join(path.read_bytes() for path in journal.folder.iterdir())
    keys = there.emulator.hub_credentials
    assert keys.access_key_secret.encode() not in content
    assert keys.access_key_id.encode() not in content
    assert b"SecurityToken" not in content
    assert b"STS." not in content
