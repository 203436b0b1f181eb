"""Verification: does the cloud still look as the run left it? It reads, and repairs nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby

import msgspec

from orchestrator.cloud.errors import CloudError
from orchestrator.journal import Effect
from orchestrator.plan import Action, Place
from orchestrator.remediate.calls import GroupCalls, Session, is_group_gone
from orchestrator.remediate.targets import Need, Removal, Restoral, Rules, Target
from orchestrator.securitygroup import content_digest

_MADE = frozenset({"revoked", "split", "narrowed", "blocked"})


class Difference(msgspec.Struct, frozen=True):
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
    for place, group in groupby(effects, lambda e: Place(e.account_id, e.region_id, e.security_group_id)):
        if targets := _expected(group):
            yield place, targets


def _expected(effects: Iterable[Effect]) -> list[Target]:
    made: dict[tuple[str, str], Target] = {}
    undone: dict[tuple[str, str], Target] = {}
    for effect in effects:
        if effect.outcome is None or effect.body is None:
            continue
        action = msgspec.convert(effect.body["action"], Action)
        if effect.outcome.outcome in _MADE:
            made[effect.job, effect.rule_id] = Removal(action)
        elif effect.outcome.outcome == "rolled_back":
            undone[str(effect.body["undoes"]), effect.rule_id] = Restoral(action)
    left = [target for key, target in made.items() if key not in undone]
    # What was put back and then removed by a later plan is expected to be gone.
    gone = {content_digest(target.action.before) for target in left}
    return left + [t for t in undone.values() if content_digest(t.action.before) not in gone]


async def differences(
    session: Session, place: Place, targets: Sequence[Target], check: Callable[[], None] = lambda: None
) -> list[Difference]:
    """Read the group, and return what in it is not as the targets have it.

    Raises:
        CloudError: the group could not be read.
    """
    try:
        rules = await GroupCalls(session, place, "verify", check).read()
    except CloudError as error:
        if not is_group_gone(error):
            raise
        rules = Rules(())
    found = [(target, _difference(target, rules)) for target in targets]
    return [Difference(*place, target.action.rule_id, reason) for target, reason in found if reason]


def _difference(target: Target, rules: Rules) -> str:
    back = rules.like(target.action.before)
    if isinstance(target, Removal) and target.action.revokes and back:
        return f"the rule is back as {back[0]}"
    verdict = target.judge(rules, begun=True)
    if isinstance(verdict, Need):
        return (
            "what was added is gone"
            if isinstance(target, Removal) and verdict.add
            else "the rule is not as left"
        )
    return verdict.reason or verdict.outcome if verdict.outcome not in {*_MADE, "rolled_back"} else ""
