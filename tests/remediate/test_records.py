"""What is written down about a change: who, where, what was there, what stands now, and when it holds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from msgspec.structs import replace

from orchestrator.audit import Phase
from orchestrator.emulator import Group
from orchestrator.journal import OutcomeKind, Settled
from orchestrator.plan import Action
from orchestrator.remediate import GroupRules, Order, Removal, Restoral, Target
from orchestrator.remediate.desired_state import End
from orchestrator.remediate.records import intent_of, settled_of
from tests.remediate.kit import order, planned, raw_of, rule

GROUP = Group(security_group_id="sg-1", vpc_id="vpc-1", rules=(rule(1, "20/30"),))
(SPLIT,) = planned([GROUP], "1001")
NOTED = replace(SPLIT, notes=("returned: once", "balancers_unknown: no right to see them"))


def settled(
    target: Target,
    end: End,
    rules: GroupRules = GroupRules([]),  # noqa: B008 - none stands
    notes: tuple[str, ...] = (),
    how: Order = order(),  # noqa: B008 - a value
    left: list[str] | None = None,
) -> Settled:
    """How it ended, by the answer R-1."""
    return settled_of(target, end, rules, how, "R-1", notes, touches_rule=True, left=left)


def test_an_intent_and_an_outcome_say_whether_something_is_made_or_undone() -> None:
    """Undoing has phases of its own: a record of it is no word about the change."""
    for target, phases in (
        (Removal(SPLIT), (Phase.intent, Phase.outcome)),
        (Restoral(SPLIT, SPLIT.adds, "apply:0"), (Phase.rollback_intent, Phase.rollback_outcome)),
    ):
        intent = intent_of(target, GroupRules([]), order(), touches_rule=False)
        end = settled(target, End(OutcomeKind.failed, "no"))
        assert (intent.record.phase, end.record.phase) == phases
        assert (intent.key, intent.touches_rule, end.key, end.touches_rule) == ("sgr-1", False, "sgr-1", True)


def test_an_intent_holds_the_rule_as_it_was_just_read() -> None:
    """By the plan it may have had another description; where it does not stand, as the plan has it."""
    described = raw_of(rule(1, "20/30", description="by now"))
    assert (
        intent_of(Removal(SPLIT), GroupRules([described]), order(), touches_rule=True).record.before
        == described
    )
    assert intent_of(Removal(SPLIT), GroupRules([]), order(), touches_rule=True).record.before == SPLIT.before


@pytest.mark.parametrize(
    ("now", "at", "effective"),
    [
        (datetime(2026, 11, 1, 12, 0, 0, 999_999, UTC), "2026-11-01T12:00:00Z", "2026-11-01T12:15:10Z"),
        (
            datetime(2026, 11, 1, 20, tzinfo=timezone(timedelta(hours=8))),
            "2026-11-01T20:00:00+08:00",
            "2026-11-01T20:15:10+08:00",
        ),
    ],
)
def test_a_change_holds_for_every_connection_910_seconds_later(
    now: datetime, at: str, effective: str
) -> None:
    """Established connections outlive their rule by so much (security group documentation); told in whole seconds."""
    later = replace(order(), now=lambda: now)
    made = settled(Removal(SPLIT), End(OutcomeKind.split_), how=later)
    assert made.record.at == at
    assert made.outcome.effective_after == made.record.effective_after == effective
    not_made = settled(Removal(SPLIT), End(OutcomeKind.drifted, "it changed"), how=later)
    assert not_made.outcome.effective_after == not_made.record.effective_after == ""


@pytest.mark.parametrize(
    ("end", "notes", "reason"),
    [
        (End(OutcomeKind.split_), (), "balancers_unknown: no right to see them"),
        (
            End(OutcomeKind.split_, "late"),
            ("still_reachable_via: sg-2", "others_unknown: x"),
            "late; balancers_unknown: no right to see them; still_reachable_via: sg-2; others_unknown: x",
        ),
        (End(OutcomeKind.drifted, "it changed"), (), "it changed"),
        (End(OutcomeKind.failed), (), ""),
    ],
)
def test_a_reason_says_what_may_still_let_the_same_in(end: End, notes: tuple[str, ...], reason: str) -> None:
    """Only of a change that was made; what the plan noted of other things stays in the plan."""
    found = settled(Removal(NOTED), end, notes=notes)
    assert found.outcome.reason == found.record.reason == reason
    assert found.outcome.request_id == found.record.request_id == "R-1"


def test_what_stands_is_the_rule_and_its_additions_as_they_were_read() -> None:
    """All that mean the same, each once; or, of a change that was not made, only what was named as left."""
    first, second, twin = (
        {**fields, "SecurityGroupRuleId": name}
        for fields, name in zip((*SPLIT.adds, SPLIT.adds[0]), ("sgr-7", "sgr-8", "sgr-9"), strict=True)
    )
    rules = GroupRules([raw_of(GROUP.rules[0]), first, second, twin, raw_of(rule(2))])

    def standing(action: Action, left: list[str] | None) -> list[str]:
        end = settled(Removal(action), End(OutcomeKind.failed, "no"), rules, left=left)
        return [str(one["SecurityGroupRuleId"]) for one in end.record.after]

    assert standing(SPLIT, None) == ["sgr-1", "sgr-7", "sgr-9", "sgr-8"]
    assert standing(SPLIT, ["sgr-8", "sgr-gone"]) == ["sgr-1", "sgr-8"]
    assert standing(SPLIT, []) == ["sgr-1"]
    assert standing(replace(SPLIT, rule_id="sgr-gone"), []) == []
