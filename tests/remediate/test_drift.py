"""What verification expects of a group after changes and rollbacks, and which words it has for what differs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from orchestrator.emulator import Group, Rule
from orchestrator.journal import Effect, OutcomeKind
from orchestrator.plan import Action, Fields
from orchestrator.remediate import GroupRules, Removal, Restoral, Target, differences, expectations
from tests.remediate.kit import CHECKS, effect_of, planned, raw_of, rule

OPEN = rule(1)
WIDE = rule(2, "20/30")


def planned_for(*rules: Rule, kind: Any = "revoke", group_id: str = "sg-1") -> list[Action]:
    """What is planned for the rules of a group."""
    checks = [replace(check, action=kind) for check in CHECKS]
    group = Group(security_group_id=group_id, vpc_id="vpc-1", rules=rules, inner_access_policy="Drop")
    return planned([group], "1001", checks, narrow_to=("10.0.0.0/8",))


(REVOKE,) = planned_for(OPEN)
(SPLIT,) = planned_for(WIDE)
(NARROW,) = planned_for(OPEN, kind="narrow")
(BLOCK,) = planned_for(OPEN, kind="block")


def found(target: Target, *standing: Fields) -> list[str]:
    """What is said of a target where these rules stand."""
    return [one.reason for one in differences(target.action.place, GroupRules(standing), [target])]


def expected(*effects: Effect) -> Sequence[object]:
    """What is expected of the one group of these effects."""
    ((place, targets),) = expectations(effects)
    assert place == effects[0].place
    return targets


def test_a_group_that_is_as_it_was_left_differs_in_nothing() -> None:
    """For each kind of change and its undoing; other rules do not matter."""
    beside = raw_of(rule(9, "443/443"))
    narrowed = {**raw_of(OPEN), "SourceCidrIp": "10.0.0.0/8"}
    assert found(Removal(REVOKE), beside) == []
    assert found(Removal(SPLIT), beside, *SPLIT.adds) == []
    assert found(Removal(NARROW), beside, narrowed) == []
    assert found(Removal(BLOCK), beside, raw_of(OPEN), *BLOCK.adds) == []
    assert found(Restoral(REVOKE), beside, raw_of(rule(7))) == []
    assert found(Restoral(NARROW), beside, raw_of(OPEN)) == []
    assert found(Restoral(BLOCK), beside, raw_of(OPEN)) == []


def test_each_difference_is_said_in_its_own_words() -> None:
    """A rule that is back is named by its new id, the first of several; what was changed or taken is told apart."""
    assert found(Removal(REVOKE), raw_of(rule(7)), raw_of(rule(8))) == ["the rule is back as sgr-7"]
    assert found(Removal(SPLIT), raw_of(WIDE), *SPLIT.adds) == ["the rule is back as sgr-2"]
    assert found(Removal(SPLIT), SPLIT.adds[0]) == ["what was added is gone"]
    assert found(Removal(BLOCK), raw_of(OPEN)) == ["what was added is gone"]
    assert found(Removal(NARROW), raw_of(OPEN)) == ["the rule is not as left"]
    assert found(Removal(NARROW), raw_of(rule(1, source="192.0.2.0/24"))) == [
        "the rule changed since the plan was made: scan and plan anew"
    ]
    assert found(Restoral(REVOKE)) == ["the rule is not as left"]
    assert found(Restoral(NARROW), raw_of(rule(1, source="10.0.0.0/8"))) == ["the rule is not as left"]
    assert found(Restoral(NARROW)) == ["the rule is gone"]


def test_a_difference_names_its_group_and_rule() -> None:
    """Only of the targets that differ."""
    (one,) = differences(
        REVOKE.place, GroupRules([*SPLIT.adds, raw_of(OPEN)]), [Removal(SPLIT), Removal(REVOKE)]
    )
    assert (one.account_id, one.region_id, one.security_group_id, one.rule_id) == (*REVOKE.place, "sgr-1")


def test_only_what_was_made_or_undone_is_expected() -> None:
    """Not what failed, drifted, is not known to have ended, or of which nothing is kept."""
    assert expected(effect_of(SPLIT, OutcomeKind.split_)) == [Removal(SPLIT)]
    nothing = [
        effect_of(SPLIT, OutcomeKind.failed),
        effect_of(REVOKE, OutcomeKind.drifted),
        effect_of(BLOCK, None),
        replace(effect_of(NARROW, OutcomeKind.narrowed), body=None),
    ]
    assert list(expectations(nothing)) == []
    assert expected(*nothing, effect_of(SPLIT, OutcomeKind.split_)) == [Removal(SPLIT)]


def test_the_effects_of_a_group_stand_together() -> None:
    """Each group has its own; one of which nothing is expected is not named."""
    (other,) = planned_for(OPEN, group_id="sg-2")
    effects = [
        effect_of(replace(REVOKE, security_group_id="sg-0"), OutcomeKind.failed),
        effect_of(REVOKE, OutcomeKind.revoked),
        effect_of(SPLIT, OutcomeKind.split_),
        effect_of(other, OutcomeKind.revoked),
    ]
    assert list(expectations(effects)) == [
        (REVOKE.place, [Removal(REVOKE), Removal(SPLIT)]),
        (other.place, [Removal(other)]),
    ]


def test_what_was_rolled_back_is_expected_to_stand() -> None:
    """The rule of that job alone: the same rule, removed by another job, is expected to be gone."""
    made, undone = (
        effect_of(REVOKE, OutcomeKind.revoked),
        effect_of(REVOKE, OutcomeKind.rolled_back, "apply:1"),
    )
    split = effect_of(SPLIT, OutcomeKind.split_)
    assert expected(made, split, undone) == [Removal(SPLIT), Restoral(REVOKE)]
    failed = effect_of(REVOKE, OutcomeKind.failed, "apply:1")
    assert expected(made, split, failed) == [Removal(REVOKE), Removal(SPLIT)]
    again = replace(REVOKE, rule_id="sgr-7", before={**REVOKE.before, "SecurityGroupRuleId": "sgr-7"})
    later = effect_of(again, OutcomeKind.revoked, job="apply:2")
    assert expected(made, undone, later) == [Removal(again)]


def test_what_a_later_pass_closed_of_the_additions_is_not_expected() -> None:
    """A rule that a split had added and that another change took away since: the rest of it stays expected."""
    first, second = SPLIT.adds
    later = replace(REVOKE, rule_id="sgr-8", before={**first, "SecurityGroupRuleId": "sgr-8"})
    assert expected(
        effect_of(SPLIT, OutcomeKind.split_), effect_of(later, OutcomeKind.revoked, job="apply:2")
    ) == [Removal(replace(SPLIT, adds=(second,))), Removal(later)]
    assert expected(effect_of(SPLIT, OutcomeKind.split_), effect_of(REVOKE, OutcomeKind.revoked)) == [
        Removal(SPLIT),
        Removal(REVOKE),
    ]


def test_two_balancers_of_a_group_are_told_apart_by_their_ids() -> None:
    """No rule stands for what they let in: undoing the block of one expects nothing of the other's."""
    fields = {"Direction": "ingress", "LoadBalancerId": "nlb-1"}
    first = replace(BLOCK, rule_id="nlb-1", before=fields)
    assert first.is_balancers
    second = replace(first, rule_id="nlb-2")
    undone = effect_of(second, OutcomeKind.rolled_back, "apply:1")
    made = [effect_of(one, OutcomeKind.blocked) for one in (first, second)]
    assert expected(*made, undone) == [Removal(first), Restoral(second)]
