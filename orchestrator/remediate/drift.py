"""Verification: does a group still look as the run left it? Pure: it is given what was read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

import msgspec

from orchestrator.journal import Effect, OutcomeKind
from orchestrator.plan import Place
from orchestrator.remediate.desired_state import GroupRules, Need, Removal, Restoral, Target
from orchestrator.securitygroup import content_digest


class RuleDrift(msgspec.Struct, frozen=True):
    """A rule that is not as the run left it."""

    account_id: str
    region_id: str
    security_group_id: str
    rule_id: str
    reason: str


def expectations(effects: Iterable[Effect]) -> Iterator[tuple[Place, list[Target]]]:
    """Yield, by group, the states that a run's changes and rollbacks have left.

    Args:
        effects: in the order of `Reader.all_effects`: those of a group stand together.
    """
    for place, group in groupby(effects, lambda effect: effect.place):
        if targets := _expected(group):
            yield place, targets


def _expected(effects: Iterable[Effect]) -> list[Target]:
    made: dict[tuple[str, str], Target] = {}
    undone: dict[tuple[str, str], Target] = {}
    for effect in effects:
        if effect.outcome is None or (action := effect.action) is None:
            continue
        if effect.has_undone:
            undone[effect.undoes, effect.rule_id] = Restoral(action)
        elif effect.outcome.outcome.is_change:
            made[effect.job, effect.rule_id] = Removal(action)
    left = [target for key, target in made.items() if key not in undone]
    # What was put back and then removed by a later plan is expected to be gone.
    gone = {_name(target) for target in left}
    left = [_without(target, gone) for target in left]
    return left + [target for target in undone.values() if _name(target) not in gone]


def _name(target: Target) -> str:
    """Return what a rule is known by when it comes back under another id."""
    action = target.action
    return action.rule_id if action.is_balancers else content_digest(action.before)


def _without(target: Target, gone: set[str]) -> Target:
    """Return the target without what it added and a later pass closed."""
    action = target.action
    adds = tuple(fields for fields in action.adds if content_digest(fields) not in gone)
    return target if adds == action.adds else Removal(msgspec.structs.replace(action, adds=adds))


def differences(place: Place, rules: GroupRules, targets: Sequence[Target]) -> list[RuleDrift]:
    """Return what in the group, as it was just read, is not as the targets have it; one that is gone has no rules."""
    found = [(target, _difference(target, rules)) for target in targets]
    return [RuleDrift(*place, target.action.rule_id, reason) for target, reason in found if reason]


def _difference(target: Target, rules: GroupRules) -> str:
    back = rules.like(target.action.before)
    if isinstance(target, Removal) and target.action.revokes and back:
        return f"the rule is back as {back[0]}"
    verdict = target.judge(rules, begun=True, touched=True)
    if isinstance(target, Removal) and rules.missing(target.adds):
        return "what was added is gone"
    if isinstance(verdict, Need):
        return "the rule is not as left"
    if verdict.outcome.is_change or verdict.outcome is OutcomeKind.rolled_back:
        return ""
    return verdict.reason or verdict.outcome.value
