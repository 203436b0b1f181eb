"""What planned changes come to in a group as it is now: that they only close, and only what fails its check."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from msgspec import UNSET
from msgspec.structs import replace

from orchestrator.exposure import (
    PacketSet,
    effective,
    implied_rules,
    listener_rules,
    packets_of,
)
from orchestrator.plan.changes import ACTING, Change, GroupContents, closed_by, known, own_peer
from orchestrator.plan.guardrails import Settings
from orchestrator.plan.pieces import writable
from orchestrator.plan.planner import possible, untouchable
from orchestrator.plan.simulation import Judge, Simulation
from orchestrator.plan.values import Action, Fields
from orchestrator.policy import Finding, Status
from orchestrator.securitygroup import (
    Direction,
    Lists,
    Rule,
    SecurityGroup,
    content_digest,
    parse_rule,
)


class ProofRefusal(NamedTuple):
    """Why a planned change must not be made now.

    Attributes:
        kind: `drifted`: the group is not what was judged. `skipped`: it may not be changed any more, or need not be.
            `failed`: it cannot be told now; a later try may.
        reason: for people.
    """

    kind: Literal["drifted", "skipped", "failed"]
    reason: str


class Proved(NamedTuple):
    """What was found of the changes of a group.

    Attributes:
        refused: by rule, why its change must not be made.
        failing: by rule, what it fails now: what the changes are for.
    """

    refused: Mapping[str, ProofRefusal]
    failing: Mapping[str, tuple[Finding, ...]]


def prove(
    group: SecurityGroup,
    actions: Sequence[Action],
    judge: Judge,
    settings: Settings,
    *,
    touched: Iterable[Action] = (),
    ours: Collection[str] = (),
    neighbours: Sequence[Sequence[SecurityGroup]] = (),
) -> Proved:
    """Find which of the changes may be made in the group as it was just read.

    Made together, they let in what passed before, and nothing else; what no longer passes lies within the packets that
    the rule itself opens to ports on which it fails a check of its plan now, but for protocols that no rule but ALL
    can open; and each rule still opens the very packets that were judged. The same holds on each network interface,
    where the rules of all its groups are one list.

    Args:
        group: as it was just read, with its lists.
        actions: all that are planned for the group and not at their end: one of several rules that fail together does
            not acquit the others by going first.
        judge: finds what fails, with the exemptions of today.
        settings: what may be changed.
        touched: changes of the group that may have been made: what they took away was there before.
        ours: contents of the rules that were added for changes of the group: they were not.
        neighbours: the other groups of each network interface that the group is on.
    """
    base = _as_before(group, touched, ours)
    if reason := untouchable(base, settings):
        return Proved(
            {
                one.rule_id: ProofRefusal("skipped", f"it is not changed any more: {reason}")
                for one in actions
            },
            {},
        )
    findings = judge(base)
    rules = {rule.rule_id: rule for rule in (*base.rules, *listener_rules(base))}
    refused: dict[str, ProofRefusal] = {}
    failing: dict[str, tuple[Finding, ...]] = {}
    changes: list[Change] = []
    there = known(base)
    for action in actions:
        if (rule := rules.get(action.rule_id)) is None:
            if action.is_balancers:
                refused[action.rule_id] = ProofRefusal(
                    "drifted", f"{action.rule_id} does not stand behind the group any more"
                )
            continue  # a rule that is gone: there is nothing to prove of it
        mine = [one for one in findings if one.rule_id == action.rule_id]
        failing[action.rule_id] = tuple(
            [one for one in mine if one.is_open and one.check_id in action.check_ids]
        )
        if refusal := _unlike(base, action, rule) or _harmless(action, mine, failing[action.rule_id]):
            refused[action.rule_id] = refusal
        else:
            changes.append(_change(there, action, rule, failing[action.rule_id]))
    left, impossible, _ = possible(Simulation(there, findings, judge), changes, settings)
    refused |= {rule_id: ProofRefusal("drifted", reason) for rule_id, reason in impossible.items()}
    if beside := [_beside(groups) for groups in neighbours]:
        _, harmful, _ = possible(Simulation(there, findings, judge, beside), left, settings)
        where = "on an interface where the rules of several groups are one list"
        refused |= {rule_id: ProofRefusal("skipped", f"{why}, {where}") for rule_id, why in harmful.items()}
    return Proved(refused, failing)


def opens_too_much(group: SecurityGroup, action: Action, ours: Iterable[Fields]) -> str:
    """Why undoing a change must not be done: it would let in more than the rule did; "" if it restores only.

    Args:
        group: as it was just read, with its lists.
        action: what was done, with the rule as it was before.
        ours: the rules that were added for it, which go.
    """
    there = known(group)
    before = there.rule(action.before)
    if action.inverse.authorize not in ((), (writable(action.before),)):
        return "what it would add is not the rule as it was"
    if action.inverse.modify not in (None, own_peer(before)):
        return "what it would modify is not the rule's source as it was"
    gone = {content_digest(fields) for fields in ours}
    back = [
        there.rule(fields)
        for fields in action.inverse.authorize
        if content_digest(fields) not in there.contents
    ]
    kept = [rule for rule in group.rules if content_digest(rule.raw) not in gone]
    if action.inverse.modify is not None:
        kept = [
            there.rule({**rule.raw, **action.inverse.modify}, rule.rule_id)
            if rule.rule_id == action.rule_id
            else rule
            for rule in kept
        ]
    if problems := [problem for rule in back for problem in rule.problems]:
        return f"what it would let in cannot be told: {'; '.join(problems)}"
    # Priority 110 cannot be written again: with 100 the same rule may win over a drop that it gave way to.
    judged = _judged_lists(action) if action.lists else group.lists
    allowed = PacketSet(
        [
            box
            for fields in (action.before, writable(action.before))
            for box in packets_of(parse_rule(fields, judged, classic=group.classic)).boxes
        ]
    )
    closed = PacketSet([box for fields in ours for box in packets_of(there.rule(fields)).boxes])
    for direction in _DIRECTIONS:
        implied = implied_rules(group)
        now = effective([*group.rules, *implied], direction)
        then = effective([*kept, *back, *implied], direction)
        # What drops of ours had taken away comes back with them; they were about the rule's own packets.
        if not (more := (then - now) - allowed).is_empty:
            return f"it would open {more.describe(2)}, which the rule had not let in"
        if not (less := (now - then) - closed).is_empty:
            return f"it would close {less.describe(2)}"
    return ""


_DIRECTIONS: tuple[Direction, ...] = ("ingress", "egress")


def _as_before(group: SecurityGroup, touched: Iterable[Action], ours: Collection[str]) -> SecurityGroup:
    """The group as it was before anything was done: against that the changes are held."""
    touched = list(touched)
    if not touched and not ours:
        return group
    rules = [rule for rule in group.rules if content_digest(rule.raw) not in ours]
    ids = {rule.rule_id for rule in rules}
    for action in touched:
        if not action.is_balancers and (action.rule_id not in ids or action.modify is not None):
            rules = [rule for rule in rules if rule.rule_id != action.rule_id]
            raw = {**action.before, "SecurityGroupRuleId": action.rule_id}
            rules.append(parse_rule(raw, group.lists, classic=group.classic))
    return replace(group, rules=tuple(rules))


def _unlike(group: SecurityGroup, action: Action, rule: Rule) -> ProofRefusal | None:
    """Why the rule is not the one that was judged, or cannot be told to be."""
    if rule.problems:
        return ProofRefusal("failed", f"the rule cannot be judged now: {'; '.join(rule.problems)}")
    if _turns_elsewhere(action):
        return ProofRefusal(
            "drifted",
            "the change names another direction, or other fields, than the rule's: scan and plan anew",
        )
    if not action.lists:
        return None
    judged = _judged_lists(action)
    modified = {**action.before, **action.modify} if action.modify else action.before
    for fields in (action.before, *action.adds, modified):
        was = parse_rule(fields, judged, classic=group.classic)
        if packets_of(was) != packets_of(parse_rule(fields, group.lists, classic=group.classic)):
            named = " or ".join(sorted(judged.prefix_lists))
            return ProofRefusal(
                "drifted", f"the list {named}, which the change relies on, is another one by now"
            )
    return None


def _judged_lists(action: Action) -> Lists:
    """The entries of the lists as they were when the change was planned."""
    entries = {} if action.lists is UNSET else dict(action.lists)
    return Lists(prefix_lists=dict(entries), port_lists=dict(entries))


def _turns_elsewhere(action: Action) -> bool:
    """Whether what is written would not be where the rule is. The API's action follows the rule's own direction."""
    made = [
        str(fields.get("Direction") or action.direction).lower()
        for fields in (*action.adds, action.modify or {})
    ]
    peers = {f"{family}{side}" for side in _SIDES[action.direction] for family in ("", "Ipv6")}
    return set(made) != {action.direction} or not peers.issuperset(action.modify or {})


_SIDES = {
    "ingress": ("SourceCidrIp", "SourcePrefixListId"),
    "egress": ("DestCidrIp", "DestPrefixListId"),
}


def _harmless(action: Action, mine: Sequence[Finding], failing: Sequence[Finding]) -> ProofRefusal | None:
    """Why nothing is to be done about the rule any more; None if it fails a check of its plan."""
    if failing:
        return None
    checks = ", ".join(action.check_ids)
    exempt = [
        one.exemption for one in mine if one.status is Status.exempt and one.check_id in action.check_ids
    ]
    if exempt:
        return ProofRefusal("skipped", f"exempt by now: {', '.join(dict.fromkeys(exempt))}")
    unknown = [one.reason for one in mine if one.is_undetermined]
    if unknown:
        return ProofRefusal("failed", unknown[0])
    return ProofRefusal("drifted", f"it no longer fails {checks}: nothing of it is open as it stands now")


def _change(there: GroupContents, action: Action, rule: Rule, failing: Sequence[Finding]) -> Change:
    change = Change(rule, action.action, action.adds, action.modify, action.check_ids)
    return change._replace(
        check_ids=tuple(dict.fromkeys(one.check_id for one in failing)),
        # what is only reported on goes with the rule, but is no reason to take more; where all is, the plan was told to
        targets=closed_by(there, change, [one for one in failing if one.action in ACTING] or failing),
    )


def _beside(groups: Iterable[SecurityGroup]) -> tuple[Rule, ...]:
    """What other groups of a network interface let through, and drop."""
    return tuple([rule for group in groups for rule in (*group.rules, *implied_rules(group))])
