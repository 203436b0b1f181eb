"""Owners who change the very rules while a change is made of them: what they did is theirs, and is told as theirs."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from orchestrator.emulator import Fault, Group, Kind, Rule
from orchestrator.journal import Journal, Outcome
from orchestrator.plan import Action
from orchestrator.remediate import Brake, remediate_account, roll_back_account, rollback_job, undos
from tests.remediate.crash import Crash, Fuse, MortalLedger, MortalSession
from tests.remediate.kit import HASTE, Cloud, apply, guard, order, planned, rule, rules_of, words

Deed = Callable[[str], None]
NO_ANSWER = "it is so, but no answer of the cloud says that this run did it"


async def meddled(
    there: Cloud,
    journal: Journal,
    actions: list[Action],
    *,
    before: Deed = lambda _: None,
    after: Deed = lambda _: None,
) -> dict[str, Outcome]:
    """Carry out the plan; the deeds are done before and after each call, whose name they are given."""

    class Owned(MortalSession):
        async def before(self, action: str) -> None:
            before(action)

        async def after(self, action: str) -> None:
            after(action)

    ended = await apply(there, journal, actions, by=Owned)
    return {one.rule_id: one for one in ended}


async def rolled_back(there: Cloud, journal: Journal) -> dict[str, str]:
    """Undo all of it."""
    undoing = undos(journal.all_effects(), journal.audit_records())
    if not undoing:
        return {}
    ended = await roll_back_account(
        there.enter, journal, undoing, order(rollback_job(undoing)), Brake(), HASTE
    )
    return words(ended)


def without(there: Cloud, group: Group, *rule_ids: str) -> None:
    """Its owner deletes rules."""
    left = [one for key, one in rules_of(there, group).items() if key not in rule_ids]
    there.put(*left, group_id=group.security_group_id)


def once(when: str, deed: Callable[[], None]) -> Deed:
    """Do it at the first such call."""
    done: list[str] = []

    def do(action: str) -> None:
        if action == when and not done:
            done.append(action)
            deed()

    return do


async def test_a_rule_deleted_after_our_additions_takes_them_with_it(there: Cloud, journal: Journal) -> None:
    """Its owner wants none of it: what was to stand in its place goes, and undoing brings nothing back."""
    group = there.put(rule(1, "20/30"))
    actions = planned([group], there.account_id)
    deed = once("AuthorizeSecurityGroup", lambda: without(there, group, "sgr-1"))
    ended = await meddled(there, journal, actions, after=deed)
    assert (ended["sgr-1"].outcome, ended["sgr-1"].reason) == ("already_absent", "the rule was gone already")
    assert not rules_of(there, group)
    await rolled_back(there, journal)
    assert not rules_of(there, group)


async def test_a_rule_deleted_on_our_way_to_it_is_its_owners_doing(there: Cloud, journal: Journal) -> None:
    """The cloud says that there is no such rule: this run did not take it, and its rollback does not bring it back."""
    group = there.put(rule(1))
    actions = planned([group], there.account_id)
    deed = once("RevokeSecurityGroup", lambda: without(there, group, "sgr-1"))
    ended = await meddled(there, journal, actions, before=deed)
    assert ended["sgr-1"].outcome == "already_absent"
    await rolled_back(there, journal)
    assert not rules_of(there, group)


async def test_the_one_rule_of_a_refused_batch_that_is_gone_is_its_owners_doing(
    there: Cloud, journal: Journal
) -> None:
    """It went before the call, or that would not have been refused: rolling back does not open it again."""
    group = there.put(rule(1), rule(2, priority=2))
    actions = planned([group], there.account_id)
    deed = once("RevokeSecurityGroup", lambda: without(there, group, "sgr-1"))
    ended = await meddled(there, journal, actions, before=deed)
    assert (ended["sgr-1"].outcome, ended["sgr-1"].reason) == ("already_absent", "the rule was gone already")
    assert (ended["sgr-2"].outcome, ended["sgr-2"].reason) == ("revoked", "")
    assert await rolled_back(there, journal) == {"sgr-2": "rolled_back"}
    assert {one.priority for one in rules_of(there, group).values()} == {2}


async def test_of_two_rules_of_a_refused_batch_that_are_gone_nobody_knows(
    there: Cloud, journal: Journal
) -> None:
    """One refused the call, and whether the other was taken away before that is not documented."""
    group = there.put(rule(1), rule(2, priority=2), rule(3, priority=3))
    actions = planned([group], there.account_id)
    deed = once("RevokeSecurityGroup", lambda: without(there, group, "sgr-1", "sgr-2"))
    ended = await meddled(there, journal, actions, before=deed)
    for one in ("sgr-1", "sgr-2"):
        assert (ended[one].outcome, ended[one].reason) == ("revoked", NO_ANSWER)
    assert (ended["sgr-3"].outcome, ended["sgr-3"].reason) == ("revoked", "")


async def test_what_failed_and_was_closed_by_hand_stays_closed(there: Cloud, journal: Journal) -> None:
    """A refused call touched nothing: when the owner deletes the rule himself, undoing the run leaves it so."""
    group = there.put(rule(1, "20/30"))
    actions = planned([group], there.account_id)
    there.emulator.set_faults(Fault(kind=Kind.DENIED, action="RevokeSecurityGroup"))
    assert words(await apply(there, journal, actions)) == {"sgr-1": "failed"}
    there.emulator.set_faults()
    without(there, group, *rules_of(there, group))
    await rolled_back(there, journal)
    assert not rules_of(there, group)


async def test_a_part_taken_away_after_the_change_is_not_added_again(there: Cloud, journal: Journal) -> None:
    """What stood in the rule's place, and its owner then closed, stays closed; the change is told as it is."""
    group = there.put(rule(1, "20/30"))
    actions = planned([group], there.account_id)

    def close_the_rest() -> None:
        ports = {key: one.port_range for key, one in rules_of(there, group).items()}
        without(there, group, next(key for key, found in ports.items() if found == "20/21"))

    deed = once("RevokeSecurityGroup", close_the_rest)
    ended = await meddled(there, journal, actions, after=deed)
    assert (ended["sgr-1"].outcome, ended["sgr-1"].reason) == (
        "split",
        "somebody else has taken away part of what stood in its place",
    )
    assert [one.port_range for one in rules_of(there, group).values()] == ["23/30"]


async def test_one_of_our_additions_that_is_gone_does_not_keep_the_others(
    there: Cloud, journal: Journal
) -> None:
    """Taking back names rules by id, and one that is gone refuses the call: the rest is asked for again."""
    group = there.put(rule(1, "20/30"))
    actions = planned([group], there.account_id)
    there.emulator.set_faults(Fault(kind=Kind.DENIED, action="RevokeSecurityGroup", count=1))
    revokes: list[str] = []

    def deed(action: str) -> None:
        revokes.extend([action] if action == "RevokeSecurityGroup" else [])
        if action == "RevokeSecurityGroup" and len(revokes) == 2:  # the first was the change itself
            added = [key for key in rules_of(there, group) if key != "sgr-1"]
            without(there, group, added[0])

    ended = await meddled(there, journal, actions, before=deed)
    assert (ended["sgr-1"].outcome, "may still stand" in ended["sgr-1"].reason) == ("failed", False)
    assert set(rules_of(there, group)) == {"sgr-1"}


async def test_an_equal_rule_of_the_owner_is_not_taken_back(there: Cloud, journal: Journal) -> None:
    """Ours is known by its id: deleted, and made again by somebody else with the same content, it is his."""
    group = there.put(rule(1, "20/30"))
    actions = planned([group], there.account_id)
    looks: list[str] = []

    def deed(action: str) -> None:
        looks.extend([action] if action == "RevokeSecurityGroup" else [])
        if len(looks) == 1 and action == "RevokeSecurityGroup":
            theirs: Rule = rule(7, "20/21", priority=1)
            there.put(
                rule(1, "20/30", source="203.0.113.0/24"),
                theirs,
                *[one for one in rules_of(there, group).values() if one.port_range == "23/30"],
                group_id=group.security_group_id,
            )

    there.emulator.set_faults(Fault(kind=Kind.THROTTLED, action="RevokeSecurityGroup", count=1))
    ended = await meddled(there, journal, actions, before=deed)
    assert ended["sgr-1"].outcome == "drifted"
    assert set(rules_of(there, group)) == {"sgr-1", "sgr-7"}


async def test_what_could_not_be_taken_back_is_named(there: Cloud, journal: Journal) -> None:
    """The next one who looks must know which rules stand there for nothing."""
    group = there.put(rule(1, "20/30"))
    actions = planned([group], there.account_id)
    there.emulator.set_faults(Fault(kind=Kind.DENIED, action="RevokeSecurityGroup"))
    ended = await meddled(there, journal, actions)
    added = [key for key in rules_of(there, group) if key != "sgr-1"]
    assert len(added) == 2
    refused = there.emulator.calls.of("RevokeSecurityGroup")[0]
    assert ended["sgr-1"].request_id == refused.request_id
    assert ended["sgr-1"].reason.startswith("RevokeSecurityGroup ")
    assert ended["sgr-1"].reason.endswith(
        f" (RequestId {refused.request_id}); what was added for it may still stand: {added[0]}, {added[1]}"
    )


@pytest.mark.parametrize(
    ("point", "told"), [("after Authorize", "already_absent"), ("before Revoke", "split")]
)
async def test_after_a_crash_it_is_known_how_far_the_change_came(
    there: Cloud, journal: Journal, point: str, told: str
) -> None:
    """A rule that is gone is the owner's doing if no call had named it, and may be ours once one was to be sent."""
    group = there.put(rule(1, "20/30"))
    actions = planned([group], there.account_id)
    fuse = Fuse(name=point)

    async def run(enter: Callable[[str], MortalSession]) -> object:
        return await remediate_account(
            enter, MortalLedger(journal, fuse), actions, order(), Brake(), guard(there.account_id), HASTE
        )

    with pytest.raises(Crash):
        await run(lambda policy: MortalSession(there.enter(policy), fuse))
    without(there, group, "sgr-1")
    (outcome,) = await apply(there, journal, actions)
    assert outcome.outcome == told
    assert bool(rules_of(there, group)) == (told == "split")
    assert outcome.reason == (NO_ANSWER if told == "split" else "the rule was gone already")


async def test_undoing_leaves_an_equal_rule_that_came_after_the_change_had_left_its_own_alone(
    there: Cloud, journal: Journal
) -> None:
    """What was added for a rule that drifted was taken back; the owner makes the same rule later, and it is his."""
    group = there.put(rule(1, "20/30"))
    actions = planned([group], there.account_id)
    repaired = rule(1, "20/30", source="203.0.113.0/24")

    def repair() -> None:
        added = [one for key, one in rules_of(there, group).items() if key != "sgr-1"]
        there.put(repaired, *added, group_id=group.security_group_id)

    ended = await meddled(there, journal, actions, after=once("AuthorizeSecurityGroup", repair))
    assert ended["sgr-1"].outcome == "drifted"
    there.put(repaired, rule(7, "20/21"), group_id=group.security_group_id)
    await rolled_back(there, journal)
    assert set(rules_of(there, group)) == {"sgr-1", "sgr-7"}
