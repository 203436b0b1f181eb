"""Undoing: what was there is there again, what came between is left alone, and a second time changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from orchestrator.emulator import Fault, Kind
from orchestrator.journal import Journal, Outcome, SqliteJournal, check_folder
from orchestrator.plan import Place, return_key
from orchestrator.policy import default_checks
from orchestrator.remediate import (
    Brake,
    differences,
    encode_undos,
    expectations,
    remediate_account,
    removed_before,
    roll_back_account,
    rollback_job,
    undos,
)
from tests.remediate.crash import Crash, Fuse, MortalLedger, MortalSession
from tests.remediate.kit import (
    CHECKS,
    HASTE,
    HEADER,
    REGION,
    Cloud,
    History,
    apply,
    guard,
    order,
    planned,
    rule,
    rules_of,
    words,
)


async def roll_back(there: Cloud, journal: Journal, **selection: str) -> list[Outcome] | None:
    """Undo what is selected."""
    undoing = undos(journal.all_effects(), journal.audit_records(), **selection)
    return await roll_back_account(
        there.enter, journal, undoing, order(rollback_job(undoing)), Brake(), HASTE
    )


async def test_every_kind_of_change_is_undone_to_the_packet(there: Cloud, journal: Journal) -> None:
    """Revoked, split, narrowed and blocked rules let the same packets through as before, and nothing is left over."""
    kinds = {
        "revoke": [rule(1, description="for the vendor"), rule(2, priority=110)],
        "split": [rule(3, "1/65535"), rule(4, "-1/-1", ip_protocol="ALL"), rule(5, "20/30", "::/0")],
        "narrow": [rule(6), rule(7, "6379/6379", "::/0")],
        "block": [rule(8, "1/65535", priority=2)],
    }
    actions, groups = [], []
    for kind, rules in kinds.items():
        group = there.put(*rules, rule(90, "443/443"), inner_access_policy="Drop")
        checks = [type(check)(id=check.id, ports=check.ports, action=kind) for check in CHECKS]  # type: ignore[arg-type]  # a literal
        actions += planned([group], there.account_id, checks, narrow_to=("10.0.0.0/8", "172.16.0.0/12"))
        groups.append(group)
    history = History(there.emulator, groups)
    await apply(there, journal, actions)
    ended = await roll_back(there, journal)
    assert {outcome.outcome for outcome in ended or ()} == {"rolled_back"}
    assert [o.reason for o in ended or () if o.rule_id == "sgr-2"] == [
        "priority 110 can no longer be written; 100 was"
    ]
    history.check_restored(there.emulator.world, there.account_id)
    records = [r for r in journal.audit_records() if r.phase.value.startswith("rollback")]
    assert len(records) == 2 * len(actions)


async def test_long_descriptions_fit_into_the_calls(there: Cloud, journal: Journal) -> None:
    """However long a query its rules make, a group is split up, closed and put back: a call takes what it can hold."""
    text = "为运维团队临时开放的访问规则 " * 16
    group = there.put(
        rule(1, "-1/-1", ip_protocol="ALL", description=text),
        *(rule(n, "22/22", f"{n}.0.0.0/7", description=text) for n in range(2, 18, 2)),
    )
    checks = [*default_checks(), *(replace(check, ipv4_prefix=7) for check in CHECKS)]
    actions = planned([group], there.account_id, checks)
    assert len(actions) == 9
    history = History(there.emulator, [group])
    assert set(words(await apply(there, journal, actions, checks=checks)).values()) == {"split", "revoked"}
    ended = await roll_back(there, journal)
    assert {outcome.outcome for outcome in ended or ()} == {"rolled_back"}
    history.check_restored(there.emulator.world, there.account_id)
    sizes = [len(call.wire) for call in there.emulator.calls if call.action != "AssumeRole"]
    assert 4_000 < max(sizes) < 8_170


async def test_a_rollback_is_idempotent(there: Cloud, journal: Journal) -> None:
    """Run again, it makes no call; what somebody closed since stays closed."""
    group = there.put(rule(1))
    await apply(there, journal, planned([group], there.account_id))
    assert await roll_back(there, journal)
    calls = len(there.emulator.calls)
    there.put(group_id=group.security_group_id)
    assert await roll_back(there, journal) is None
    assert len(there.emulator.calls) == calls
    assert not rules_of(there, group)


async def test_a_part_is_undone_and_the_rest_later(there: Cloud, journal: Journal) -> None:
    """By rule, by group, then whole: each undoes what is left, and what was undone before is not done twice."""
    groups = [there.put(rule(1), rule(2, "6379/6379")), there.put(rule(3))]
    history = History(there.emulator, groups)
    await apply(there, journal, planned(groups, there.account_id))
    assert [o.rule_id for o in await roll_back(there, journal, rule_id="sgr-2") or ()] == ["sgr-2"]
    group_id = groups[1].security_group_id
    assert [o.rule_id for o in await roll_back(there, journal, security_group_id=group_id) or ()] == ["sgr-3"]
    assert undos(journal.all_effects(), account_id="somebody else") == []
    assert [o.rule_id for o in await roll_back(there, journal) or ()] == ["sgr-1"]
    history.check_restored(there.emulator.world, there.account_id)


async def test_a_rule_that_two_changes_need_goes_with_the_last_of_them(
    there: Cloud, journal: Journal
) -> None:
    """Two wide rules split into the same piece: undoing one leaves the piece, undoing the other too takes it."""
    group = there.put(rule(1, "22/80"), rule(2, "22/81", priority=1))
    history = History(there.emulator, [group])
    await apply(there, journal, planned([group], there.account_id))
    await roll_back(there, journal, rule_id="sgr-1")
    history.check_legitimate_packets_always_passed()
    await roll_back(there, journal, rule_id="sgr-2")
    history.check_restored(there.emulator.world, there.account_id)


async def test_what_stood_before_is_not_taken_away(there: Cloud, journal: Journal) -> None:
    """A rule that a split needs and that was there already is not removed by the rollback."""
    group = there.put(rule(1, "22/80"), rule(2, "23/80"))
    history = History(there.emulator, [group])
    await apply(there, journal, planned([group], there.account_id))
    await roll_back(there, journal)
    assert "sgr-2" in rules_of(there, group)
    history.check_restored(there.emulator.world, there.account_id)


async def test_what_changed_in_between_is_reported_not_overwritten(there: Cloud, journal: Journal) -> None:
    """If somebody changed what the split had added, the rollback says so and touches nothing."""
    group = there.put(rule(1, "20/30"))
    await apply(there, journal, planned([group], there.account_id))
    left = list(rules_of(there, group).values())
    there.put(left[0], rule(9, "23/29"), group_id=group.security_group_id)
    changes = len(History(there.emulator, []).changes())
    (outcome,) = await roll_back(there, journal) or []
    assert outcome.outcome == "drifted"
    assert len(History(there.emulator, []).changes()) == changes


async def test_a_group_that_is_gone_cannot_be_restored(there: Cloud, journal: Journal) -> None:
    """The rollback of a group that was deleted since has failed, with the reason."""
    group = there.put(rule(1))
    await apply(there, journal, planned([group], there.account_id))
    del there.emulator.world.estate(there.account_id, REGION).groups[group.security_group_id]
    (outcome,) = await roll_back(there, journal) or []
    assert (outcome.outcome, outcome.reason) == (
        "failed",
        "the security group is gone (InvalidSecurityGroupId.NotFound)",
    )


async def test_additions_of_a_change_that_failed_are_undone_too(there: Cloud, journal: Journal) -> None:
    """A split that could add but not revoke has left rules behind: the rollback takes them away."""
    group = there.put(rule(1, "20/30"))
    history = History(there.emulator, [group])
    there.emulator.set_faults(Fault(kind=Kind.DENIED, action="RevokeSecurityGroup"))
    await remediate_account(
        there.enter,
        journal,
        planned([group], there.account_id),
        order(),
        Brake(),
        guard(there.account_id),
        HASTE,
    )
    there.emulator.set_faults()
    assert len(rules_of(there, group)) == 3
    await roll_back(there, journal)
    history.check_restored(there.emulator.world, there.account_id)


POINTS = ("after claim", "after intent", "after Authorize", "after Revoke", "before outcome", "before finish")


@pytest.mark.parametrize("point", POINTS)
async def test_a_rollback_that_was_killed_goes_on_under_its_own_name(
    there: Cloud, tmp_path: Path, point: str
) -> None:
    """Whichever step it dies at, the same command finishes the same job, and each rule is put back once."""
    group = there.put(rule(1, "20/30"), rule(2, "6379/6379"))
    history = History(there.emulator, [group])
    fuse = Fuse(name=point)
    async with SqliteJournal.create(tmp_path / "run", HEADER) as journal:
        await apply(there, journal, planned([group], there.account_id))
        undoing = undos(journal.all_effects())
        with pytest.raises(Crash):
            await roll_back_account(
                lambda policy: MortalSession(there.enter(policy), fuse),
                MortalLedger(journal, fuse),
                undoing,
                order(rollback_job(undoing)),
                Brake(),
                HASTE,
            )
    async with SqliteJournal.open(tmp_path / "run") as journal:
        again = undos(journal.all_effects())
        assert encode_undos(again) == encode_undos(undoing)
        await roll_back(there, journal)
        assert {o.outcome for o in journal.outcomes(rollback_job(again))} == {"rolled_back"}
    history.check_restored(there.emulator.world, there.account_id)
    assert check_folder(tmp_path / "run") == []


async def test_verification_compares_the_cloud_with_what_was_left(there: Cloud, journal: Journal) -> None:
    """Nothing differs after a run or a rollback; a rule that came back, or an addition that went, does."""
    groups = [there.put(rule(1)), there.put(rule(2, "20/30")), there.put(rule(3))]
    await apply(there, journal, planned(groups, there.account_id))
    await roll_back(there, journal, rule_id="sgr-3")

    async def found() -> dict[str, str]:
        expected = list(expectations(journal.all_effects()))
        assert len(expected) == 3
        read = [differences(place, await there.read(place), targets) for place, targets in expected]
        return {one.rule_id: one.reason for several in read for one in several}

    assert await found() == {}
    there.put(rule(7), group_id=groups[0].security_group_id)
    there.put(group_id=groups[1].security_group_id)
    there.put(group_id=groups[2].security_group_id)
    assert await found() == {
        "sgr-1": "the rule is back as sgr-7",
        "sgr-2": "what was added is gone",
        "sgr-3": "the rule is not as left",
    }


async def test_a_later_plan_may_remove_what_was_put_back(there: Cloud, journal: Journal) -> None:
    """Verification expects the last thing that was done to a rule, not the rollback before it."""
    group = there.put(rule(1))
    await apply(there, journal, planned([group], there.account_id))
    await roll_back(there, journal)
    group = there.emulator.world.estate(there.account_id, REGION).groups[group.security_group_id]
    await apply(there, journal, planned([group], there.account_id), "apply:2")
    for place, targets in expectations(journal.all_effects()):
        assert differences(place, await there.read(place), targets) == []


async def test_a_rule_that_came_back_is_known_by_its_content(
    there: Cloud, journal: Journal, tmp_path: Path
) -> None:
    """Runs side by side count how often they removed a rule, under whatever id; a rollback does not count."""
    group = there.put(rule(1), rule(2, "6379/6379"))
    await apply(there, journal, planned([group], there.account_id))
    await roll_back(there, journal, rule_id="sgr-2")
    there.put(rule(7), group_id=group.security_group_id)
    async with SqliteJournal.create(tmp_path / "runs" / "two", HEADER) as second:
        again = there.emulator.world.estate(there.account_id, REGION).groups[group.security_group_id]
        (action,) = planned([again], there.account_id)
        await apply(there, second, [action])
    (tmp_path / "runs" / "no run").mkdir()
    (tmp_path / "runs" / "broken").mkdir()
    (tmp_path / "runs" / "broken" / "journal.sqlite").write_text("junk")
    place = Place(there.account_id, REGION, group.security_group_id)
    assert removed_before(tmp_path / "runs") == {return_key(place, action.before): 2}
    assert removed_before(tmp_path / "nowhere") == {}
