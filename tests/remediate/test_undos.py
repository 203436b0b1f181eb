"""Which changes of a run a rollback takes back, and which of the rules that were added for them."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from orchestrator.audit import AuditRecord, Phase
from orchestrator.emulator import Group, Rule
from orchestrator.journal import Effect, OutcomeKind
from orchestrator.plan import Action, Fields
from orchestrator.remediate import Restoral, Undo, rollback_job, undos
from orchestrator.securitygroup import content_digest
from tests.remediate.kit import effect_of, planned, rule


def planned_for(*rules: Rule, group_id: str = "sg-1") -> list[Action]:
    """What is planned for the rules of a group."""
    return planned([Group(security_group_id=group_id, vpc_id="vpc-1", rules=rules)], "1001")


SPLIT, WIDER = planned_for(rule(1, "22/80"), rule(2, "20/80"))  # both need 23 to 80
(REVOKE,) = planned_for(rule(3, "6379/6379"))


def digests(*fields: Fields) -> tuple[str, ...]:
    """The contents of rules, as an undo names them."""
    return tuple(sorted(map(content_digest, fields)))


def made(action: Action, kind: OutcomeKind | None, job: str = "apply:1", **fields: Any) -> Effect:
    """A change of which all additions were intended."""
    effect = effect_of(action, kind, job=job, **fields)
    return replace(effect, body={**(effect.body or {}), "added": list(digests(*action.adds))})


def record(effect: Effect, *standing: Fields) -> AuditRecord:
    """The record of an effect's outcome, where these rules stood then."""
    assert effect.action is not None
    return AuditRecord(
        at="2026-11-01T12:00:00Z",
        phase=Phase.outcome,
        who="",
        account_id=effect.account_id,
        region_id=effect.region_id,
        security_group_id=effect.security_group_id,
        rule_id=effect.rule_id,
        action=effect.action.action,
        before=effect.action.before,
        after=standing,
    )


def found(
    *effects: Effect, records: tuple[AuditRecord, ...] = (), **chosen: str
) -> dict[str, tuple[str, ...]]:
    """By rule, what goes of what was added for it."""
    return {one.action.rule_id: one.remove for one in undos(effects, records, **chosen)}


BELOW, COMMON = sorted(WIDER.adds, key=lambda one: str(one["PortRange"]))
BOTH = (made(SPLIT, OutcomeKind.split_), made(WIDER, OutcomeKind.split_))


def test_a_rule_that_two_changes_added_goes_with_the_last_of_them() -> None:
    """Undone together it goes; undone one after the other it stays with the first, and goes with the second."""
    assert found(*BOTH) == {"sgr-1": digests(COMMON), "sgr-2": digests(BELOW, COMMON)}
    assert found(*BOTH, rule_id="sgr-2") == {"sgr-2": digests(BELOW)}
    assert found(*BOTH, rule_id="sgr-1") == {"sgr-1": ()}
    undone = effect_of(SPLIT, OutcomeKind.rolled_back, "apply:1")
    assert found(*BOTH, undone, rule_id="sgr-2") == {"sgr-2": digests(BELOW, COMMON)}
    assert found(*BOTH, replace(undone, outcome=None), rule_id="sgr-2") == {"sgr-2": digests(BELOW)}


def test_a_rule_that_one_of_two_added_counts_as_added_for_both() -> None:
    """The second found it there: it is the run's all the same. One that stood before the run is nobody's to remove."""
    second = replace(BOTH[1], body={**(BOTH[1].body or {}), "added": list(digests(BELOW))})
    assert found(BOTH[0], second) == {"sgr-1": digests(COMMON), "sgr-2": digests(BELOW, COMMON)}
    first = replace(BOTH[0], body={**(BOTH[0].body or {}), "added": []})
    assert found(first, second) == {"sgr-1": (), "sgr-2": digests(BELOW)}


def test_equal_rules_of_two_groups_are_two_rules() -> None:
    """What another group needs keeps nothing here, and what was added there was not added here."""
    other = replace(WIDER, security_group_id="sg-2")
    assert found(BOTH[0], made(other, OutcomeKind.split_), rule_id="sgr-1") == {"sgr-1": digests(COMMON)}
    nothing_added = replace(BOTH[0], body={**(BOTH[0].body or {}), "added": []})
    assert found(nothing_added, made(other, OutcomeKind.split_), rule_id="sgr-1") == {"sgr-1": ()}


def test_what_is_undone_is_chosen_by_account_group_and_rule() -> None:
    """Each narrows it further; nothing chosen means all."""
    elsewhere = replace(REVOKE, account_id="1002", security_group_id="sg-2", rule_id="sgr-9")
    effects = (BOTH[0], made(REVOKE, OutcomeKind.revoked), made(elsewhere, OutcomeKind.revoked))
    assert set(found(*effects)) == {"sgr-1", "sgr-3", "sgr-9"}
    assert set(found(*effects, account_id="1002")) == {"sgr-9"}
    assert set(found(*effects, security_group_id="sg-1")) == {"sgr-1", "sgr-3"}
    assert set(found(*effects, security_group_id="sg-1", rule_id="sgr-3")) == {"sgr-3"}
    assert set(found(*effects, account_id="1002", rule_id="sgr-3")) == set()


def test_changes_are_undone_by_group_and_rule_and_job() -> None:
    """Always in the same order, whatever the order of the journal: the plan of a rollback has one spelling."""
    again = replace(REVOKE, security_group_id="sg-0")
    effects = [
        made(REVOKE, OutcomeKind.revoked, job="apply:2"),
        made(SPLIT, OutcomeKind.split_, job="apply:3"),
        made(REVOKE, OutcomeKind.revoked, job="apply:1"),
        made(again, OutcomeKind.revoked, job="apply:9"),
    ]
    order_of = [(one.action.security_group_id, one.action.rule_id, one.job) for one in undos(effects)]
    assert order_of == [
        ("sg-0", "sgr-3", "apply:9"),
        ("sg-1", "sgr-1", "apply:3"),
        ("sg-1", "sgr-3", "apply:1"),
        ("sg-1", "sgr-3", "apply:2"),
    ]


def test_what_another_rollback_has_undone_is_passed_over() -> None:
    """But what this one has undone already stays in its plan, so that it goes on under its own name."""
    effects = (BOTH[0], made(REVOKE, OutcomeKind.revoked))
    job = rollback_job(undos(effects))
    mine = replace(effect_of(REVOKE, OutcomeKind.rolled_back, "apply:1"), job=job)
    assert set(found(*effects, mine)) == {"sgr-1", "sgr-3"}
    assert set(found(*effects, replace(mine, job="rollback:another"))) == {"sgr-1"}


@pytest.mark.parametrize("kind", [OutcomeKind.drifted, OutcomeKind.skipped])
def test_of_a_change_that_left_its_rule_alone_only_what_it_left_is_undone(kind: OutcomeKind) -> None:
    """What is recorded as standing then; the rule was never taken away, so it is not put back. No record: all of it."""
    (undo,) = undos([made(WIDER, kind)])
    assert (undo.action.inverse.authorize, undo.action.inverse.modify) == ((), None)
    assert undo.remove == digests(BELOW, COMMON)
    effect = made(WIDER, kind)
    assert found(effect, records=(record(effect, WIDER.before, BELOW),)) == {"sgr-2": digests(BELOW)}
    assert found(effect, records=(record(effect, WIDER.before),)) == {}
    intent = replace(record(effect), phase=Phase.intent)
    assert found(effect, records=(intent,)) == {"sgr-2": digests(BELOW, COMMON)}


def test_of_a_change_that_was_made_all_is_undone_whatever_stood_after_it() -> None:
    """Its additions may be told late by a reading; so of one of which it is not known how it ended."""
    for kind in (OutcomeKind.split_, OutcomeKind.failed, None):
        effect = made(WIDER, kind)
        (undo,) = undos([effect], [record(effect)])
        assert undo.remove == digests(BELOW, COMMON)
        assert undo.action.inverse == WIDER.inverse


def test_what_was_not_begun_or_left_nothing_is_no_part_of_a_rollback() -> None:
    """No intent, nothing kept of it, or nothing that would have to be put back or taken away."""
    assert found(made(SPLIT, None, intended=False)) == {}
    assert found(made(REVOKE, OutcomeKind.drifted)) == {}
    assert found(replace(BOTH[0], body=None)) == {}
    assert found(effect_of(REVOKE, OutcomeKind.failed, "apply:1")) == {}
    assert found(made(REVOKE, OutcomeKind.revoked)) == {"sgr-3": ()}


def test_an_undo_takes_away_the_rules_it_names() -> None:
    """The rest of what was added stays: something else needs it."""
    undo = Undo(job="apply:1", action=WIDER, remove=digests(COMMON))
    assert undo.target() == Restoral(WIDER, (COMMON,), "apply:1")


def test_a_release_names_a_rollback_as_the_one_before_it() -> None:
    """A rollback that a crash cut short may be finished after an upgrade: under another name it would begin anew."""
    several = undos([*BOTH, made(REVOKE, OutcomeKind.revoked)])
    assert rollback_job(several) == {one.rollback for one in several}.pop()
    assert rollback_job(several) == (
        "rollback:9b84279fa8044ee543d8aeafbab7dede0ce59dbf65bd9885d2230f206bd4cce6"
    )
    assert rollback_job(several[:1]) == rollback_job(several)
    assert rollback_job([]) == ("rollback:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
