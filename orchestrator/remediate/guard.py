"""What a change is held against just before it is made: today's judgement of the group as it was just read."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime

import msgspec

from orchestrator.journal import OutcomeKind
from orchestrator.plan import Action, Place, Settings, opens_too_much, prove
from orchestrator.policy import Check, Exemption, Finding, evaluate, still_reachable_via
from orchestrator.remediate.desired_state import End, Removal, Restoral, Target
from orchestrator.remediate.neighbours import Around
from orchestrator.securitygroup import NOT_BALANCED, Balancing, Placement, SecurityGroup


def _no_balancing(place: Place) -> Balancing:  # noqa: ARG001 - one that says where
    return NOT_BALANCED


class Guard(msgspec.Struct, frozen=True, kw_only=True):
    """Judges a group as the scan did, with the exemptions of today.

    Attributes:
        checks: what the plan was made against.
        now: the time, with its zone: it decides which exemptions are live.
        exemptions: of today.
        placement: of the account: exemptions and protections may name its name, folder and tags.
        balancing: what is known of the load balancers that joined a group, as the scan read it.
    """

    checks: tuple[Check, ...]
    now: Callable[[], datetime]
    exemptions: tuple[Exemption, ...] = ()
    placement: Placement
    balancing: Callable[[Place], Balancing] = _no_balancing

    def judge(self, group: SecurityGroup) -> tuple[Finding, ...]:
        """Return what fails in the group."""
        return evaluate(group, self.checks, self.now(), self.exemptions)


class GuardResult(msgspec.Struct, frozen=True):
    """What was found of the changes of a group as it was just read.

    Attributes:
        ends: by rule, how a change ends that must not be made.
        failing: by rule, what its change closes.
    """

    ends: dict[str, End] = {}
    failing: dict[str, tuple[Finding, ...]] = {}


def hold(
    guard: Guard | None,
    group: SecurityGroup,
    targets: Sequence[Target],
    settings: Settings,
    around: Around,
    *,
    touched: Sequence[Action] = (),
    ours: Collection[str] = (),
) -> GuardResult:
    """Hold the changes against the group as it was just read.

    Args:
        guard: judges it; None where changes are undone, which is held against what was there before.
        group: as it was read.
        targets: all of the group that are not at their end.
        settings: what may be changed.
        around: what else stands on its interfaces.
        touched: changes that may have been made: what they took away was there before.
        ours: contents of the rules that were added for any.
    """
    if guard is None:
        undoing = [one for one in targets if isinstance(one, Restoral)]
        found = [(one, opens_too_much(group, one.action, one.ours)) for one in undoing]
        return GuardResult({one.action.rule_id: End(OutcomeKind.drifted, why) for one, why in found if why})
    place = Place(group.placement.account_id, group.region_id, group.security_group_id)
    proved = prove(
        msgspec.structs.replace(group, balancing=guard.balancing(place)),
        [one.action for one in targets if isinstance(one, Removal)],
        guard.judge,
        settings,
        touched=touched,
        ours=ours,
        neighbours=around.interfaces,
    )
    ends = {rule_id: End(OutcomeKind(one.kind), one.reason) for rule_id, one in proved.refused.items()}
    return GuardResult(ends, dict(proved.failing))


def left_open(
    guard: Guard, group: SecurityGroup, findings: Sequence[Finding], around: Around
) -> Iterator[str]:
    """Yield what must be said of a rule that was closed: who lets the same in beside it, or that nobody knows."""
    via = [
        other
        for groups in around.interfaces
        for finding in findings
        for other in still_reachable_via(finding, [group, *groups], guard.checks, guard.now())
    ]
    if via:
        names = ", ".join(dict.fromkeys(via))
        yield f"still_reachable_via: {names}: another group of an interface lets the same in"
    if around.unknown:
        yield f"others_unknown: whether another group of an interface lets the same in is not known ({around.unknown})"
