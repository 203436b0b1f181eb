"""Why a rule was judged as it was: the rules that decide, in the order in which the cloud applies them."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from orchestrator.exposure import PacketSet, balancer_of, in_order, listener_rules, packets_of
from orchestrator.policy.checks import DEFAULT, Check, Thresholds
from orchestrator.policy.compiled_checks import CompiledCheck, views_of
from orchestrator.policy.evaluate import evaluate_together
from orchestrator.policy.exemptions import Exemption
from orchestrator.policy.findings import Finding
from orchestrator.policy.judge import watched
from orchestrator.securitygroup import Rule, SecurityGroup


class Step(msgspec.Struct, frozen=True):
    """One rule that is about the same packets. `effect` is a sentence: what it does to them."""

    security_group_id: str
    rule_id: str
    policy: str
    priority: int
    matches: str
    effect: str


class Explanation(msgspec.Struct, frozen=True):
    """What was found of a rule, and the rules that decide it, in order. No finding means that it passes."""

    rule_id: str
    findings: tuple[Finding, ...]
    steps: tuple[Step, ...]
    left: str
    """The risky packets that get through this rule, in words."""


def explain(
    groups: Sequence[SecurityGroup],
    rule_id: str,
    checks: Sequence[Check],
    now: datetime,
    exemptions: Sequence[Exemption] = (),
    thresholds: Thresholds = DEFAULT,
) -> Explanation | None:
    """Why a rule of these groups (one, or those of one network interface) was judged so; None if no group has it.

    What a load balancer lets in counts as a rule with the balancer's id.
    """
    owned = [(group, rule) for group in groups for rule in (*group.rules, *listener_rules(group))]
    rule = next((rule for _, rule in owned if rule.rule_id == rule_id), None)
    if rule is None:
        return None
    judged = evaluate_together(groups, checks, now, exemptions, thresholds)
    compiled = [check for view in views_of(tuple(checks), thresholds) for check in view.checks]
    packets = _risky(rule, compiled)
    steps, left = _steps(owned, rule, packets)
    mine = tuple([finding for finding in judged if finding.rule_id == rule_id])
    return Explanation(rule_id, mine, steps, left.describe())


def _risky(rule: Rule, checks: Sequence[CompiledCheck]) -> PacketSet:
    """The packets of the rule that any check is about; all of them where none is."""
    everything = packets_of(rule)
    risky = PacketSet()
    for check in checks:
        if check.definition.direction == rule.direction and check.covered(rule):
            risky |= everything & watched(check.targets)
    return everything if risky.is_empty else risky


def _steps(
    owned: Sequence[tuple[SecurityGroup, Rule]], subject: Rule, packets: PacketSet
) -> tuple[tuple[Step, ...], PacketSet]:
    """Every rule that is about some of the packets, with what it does to them, and what is left of them."""
    owner = {id(rule): group for group, rule in owned}
    steps: list[Step] = []
    left = packets
    for rule in in_order([rule for _, rule in owned if rule.direction == subject.direction]):
        matched = packets_of(rule) & packets
        if matched.is_empty and not rule.problems and rule is not subject:
            continue
        before, group = left, owner[id(rule)]
        wins = rule.policy == "drop" and rule.priority <= subject.priority and not rule.problems
        left = left - matched if wins else left
        helps = wins and not (before & matched).is_empty
        steps.append(
            Step(
                security_group_id=group.security_group_id,
                rule_id=rule.rule_id,
                policy=rule.policy,
                priority=rule.priority,
                matches="not understood" if rule.problems else packets_of(rule).describe(),
                effect=_effect(rule, subject, left, helps=helps, wins=wins),
            )
        )
    return tuple(steps), left


def _effect(rule: Rule, subject: Rule, left: PacketSet, *, helps: bool, wins: bool) -> str:
    if rule.problems:
        return f"could not be understood, so it decides nothing: {'; '.join(rule.problems)}"
    if rule is subject:
        what, left_open = "the rule in question", ""
        if balancer_of(rule.raw):
            what, left_open = (
                "what the load balancer's listeners take by themselves",
                ", whatever Accept rules say",
            )
        return f"is {what}{'; nothing of it gets through' if left.is_empty else left_open}"
    if rule.policy == "accept":
        return "lets some of the same packets in too"
    if not wins:
        return f"comes too late: its priority {rule.priority} is after {subject.priority}"
    if not helps:
        return "drops nothing that was not dropped before"
    return "drops all that was left of it" if left.is_empty else "drops a part of it"
