"""What is written down about a change: its intent, its outcome, and the audit record of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from orchestrator.audit import AuditRecord, Phase, cut, undo_digest
from orchestrator.journal import Intent, Outcome, Settled
from orchestrator.plan import BALANCERS_UNKNOWN
from orchestrator.remediate.desired_state import End, GroupRules, Restoral, Target

_SESSION_SECONDS = (
    910  # an established connection outlives its rule by so much (security group documentation)
)


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What all changes of one job have in common.

    Attributes:
        job: `apply:<digest>` or `rollback:<digest>`; names the claims and the ClientTokens.
        who: ARN of the caller that makes the changes.
        now: the time, with its zone.
        plan_digest: of the plan that was approved.
        incident: the incident's name, if any.
    """

    job: str
    who: str
    now: Callable[[], datetime]
    plan_digest: str = ""
    incident: str = ""


def key_of(target: Target) -> str:
    """Return what names the change within its job and group: the rule."""
    return target.action.rule_id


def intent_of(target: Target, rules: GroupRules, order: Order, *, touches_rule: bool) -> Intent:
    """Return the intent; `rules` are as they were just read."""
    phase = Phase.rollback_intent if isinstance(target, Restoral) else Phase.intent
    before = rules.by_id.get(target.action.rule_id, target.action.before)
    body = target.body(rules)
    record = _record(target, order, phase, before=before, after=target.adds)
    record = msgspec.structs.replace(record, undo_sha256=undo_digest(body))
    return Intent(key=key_of(target), record=record, body=body, touches_rule=touches_rule)


def settled_of(
    target: Target,
    end: End,
    rules: GroupRules,
    order: Order,
    request_id: str,
    notes: Sequence[str] = (),
    *,
    touches_rule: bool,
    left: Sequence[str] | None = None,
) -> Settled:
    """Return how it ended.

    Args:
        target: what was to be reached.
        end: how it ended.
        rules: as they were read after it.
        order: what is common to the job's changes.
        request_id: of the call that made it, or failed.
        notes: what is to be said of it beside.
        touches_rule: a call that takes the rule away or modifies it may have been carried out.
        left: of a change that was not made, ids of what was added for it and stands; None where all that is like it
            stands in the rule's place.
    """
    action = target.action
    effective = ""
    if end.outcome.is_change:
        effective = _text(order.now() + timedelta(seconds=_SESSION_SECONDS))
    outcome = Outcome(
        account_id=action.account_id,
        region_id=action.region_id,
        security_group_id=action.security_group_id,
        rule_id=action.rule_id,
        action=action.action,
        outcome=end.outcome,
        reason=cut(_reason(target, end, notes)),
        request_id=request_id,
        effective_after=effective,
    )
    phase = Phase.rollback_outcome if isinstance(target, Restoral) else Phase.outcome
    record = _record(target, order, phase, before=action.before, after=_standing(target, rules, left))
    record = msgspec.structs.replace(
        record,
        outcome=outcome.outcome.value,
        reason=outcome.reason,
        request_id=request_id,
        effective_after=effective,
    )
    return Settled(
        key=key_of(target),
        outcome=outcome,
        record=record,
        body=target.body(None),
        touches_rule=touches_rule,
    )


def _reason(target: Target, end: End, notes: Sequence[str]) -> str:
    """Return why it ended so; of a change also that it may not be all: what else may let the same in."""
    unsure = [one for one in target.action.notes if one.startswith(BALANCERS_UNKNOWN)]
    return "; ".join(filter(None, [end.reason, *(unsure if end.outcome.is_change else ()), *notes]))


def _standing(target: Target, rules: GroupRules, left: Sequence[str] | None) -> tuple[dict[str, Any], ...]:
    """Return the rule and its additions as they were read, if they were."""
    ids = [rule_id for fields in target.adds for rule_id in rules.like(fields)] if left is None else left
    return tuple(rules.by_id[i] for i in dict.fromkeys([target.action.rule_id, *ids]) if i in rules.by_id)


def _record(
    target: Target, order: Order, phase: Phase, *, before: dict[str, Any], after: tuple[dict[str, Any], ...]
) -> AuditRecord:
    action = target.action
    return AuditRecord(
        at=_text(order.now()),
        phase=phase,
        who=order.who,
        account_id=action.account_id,
        region_id=action.region_id,
        security_group_id=action.security_group_id,
        rule_id=action.rule_id,
        action=action.action,
        before=before,
        after=after,
        check_ids=action.check_ids,
        plan_digest=order.plan_digest,
        incident=order.incident,
    )


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
