"""The rows of the journal against the chained records: what was edited in one of them is told."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from orchestrator.audit import AuditRecord
from orchestrator.journal import Effect, Journal, OutcomeKind
from orchestrator.remediate import disagreement
from tests.remediate.kit import REGION, Cloud, apply, planned, rule
from tests.remediate.test_rollback import roll_back


def of_old(record: AuditRecord) -> AuditRecord:
    """The record as it was before it held the digest of what it undoes."""
    return replace(record, undo_sha256=msgspec.UNSET)


async def test_rows_and_records_must_say_the_same(there: Cloud, journal: Journal) -> None:
    """A change of another content, one without a row, a rollback that no record knows: each is named by its rule."""
    group = there.put(rule(1, "20/30"), rule(2, "6379/6379"))
    await apply(there, journal, planned([group], there.account_id))
    await roll_back(there, journal, rule_id="sgr-2")
    effects, records = list(journal.all_effects()), list(journal.audit_records())
    assert disagreement(effects, records) == ""
    where = f"of group {group.security_group_id} in {REGION}"
    for at, effect in enumerate(effects):
        if not effect.intended:
            continue
        edited = replace(effect, body={**(effect.body or {}), "added": ["another"]})
        assert disagreement([*effects[:at], edited, *effects[at + 1 :]], records) == (
            f"what was done to rule {effect.rule_id} {where} is another thing in the journal than in its records"
        )
    without = [one for one in effects if one.rule_id != "sgr-1"]
    assert disagreement(without, records) == (
        f"a change of rule sgr-1 in group {group.security_group_id} is recorded, and not in the journal"
    )
    claimed = [_undone(one) if one.rule_id == "sgr-1" else one for one in effects]
    assert disagreement(claimed, records) == (
        f"the journal says that rule sgr-1 {where} was rolled back, and no record does"
    )


def _undone(effect: Effect) -> Effect:
    """The row as somebody would edit it, so that a rollback passes it over."""
    assert effect.outcome is not None
    return replace(effect, outcome=replace(effect.outcome, outcome=OutcomeKind.rolled_back))


async def test_records_of_old_are_held_against_the_rule_and_its_place_holders(
    there: Cloud, journal: Journal
) -> None:
    """They hold no digest of what they undo: the rule before and what stands then must be the row's."""
    group = there.put(rule(1, "20/30"))
    await apply(there, journal, planned([group], there.account_id))
    (effect,) = journal.all_effects()
    records = [of_old(one) for one in journal.audit_records()]
    assert disagreement([effect], records) == ""
    action = effect.action
    assert action is not None
    for other in (
        replace(action, before={**action.before, "PortRange": "1/65535"}),
        replace(action, adds=action.adds[:1]),
    ):
        edited = replace(effect, body={**(effect.body or {}), "action": msgspec.to_builtins(other)})
        assert "another thing in the journal" in disagreement([edited], records)
    assert "another thing in the journal" in disagreement([replace(effect, body=None)], records)
    await roll_back(there, journal)
    records = [of_old(one) for one in journal.audit_records()]
    assert disagreement(journal.all_effects(), records) == ""


async def test_an_outcome_that_failed_is_no_word_of_a_rollback(there: Cloud, journal: Journal) -> None:
    """Only a record that says rolled_back is one: a rollback that drifted left the rule as it was."""
    group = there.put(rule(1, "20/30"))
    await apply(there, journal, planned([group], there.account_id))
    there.put(rule(9, "443/443"), group_id=group.security_group_id)
    (outcome,) = await roll_back(there, journal) or []
    assert outcome.outcome == "drifted"
    effects, records = list(journal.all_effects()), list(journal.audit_records())
    assert disagreement(effects, records) == ""
    claimed = [_undone(one) if one.undoes else one for one in effects]
    assert "was rolled back, and no record does" in disagreement(claimed, records)
