"""DECIDE: from groups and their findings to a plan."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from typing import NamedTuple, Protocol

import msgspec

from orchestrator.exposure import balancer_of, listener_rules
from orchestrator.plan.changes import ACTING, BLOCK, Change, GroupContents, action_of, change_of, known
from orchestrator.plan.codec import sealed
from orchestrator.plan.guardrails import (
    Settings,
    Totals,
    check_limits,
    managed_as_code,
    overridden,
    protection,
)
from orchestrator.plan.simulation import Judge, Simulation, Verdicts
from orchestrator.plan.values import (
    BALANCERS_UNKNOWN,
    RETURNED,
    Action,
    Place,
    Plan,
    PlanOrigin,
    Skipped,
    return_key,
)
from orchestrator.policy import Finding, Status
from orchestrator.securitygroup import Rule, SecurityGroup, content_digest

Judged = tuple[SecurityGroup, tuple[Finding, ...]]


class Unread(Protocol):
    """What could not be read, as the scan tells it."""

    @property
    def account_id(self) -> str: ...  # noqa: D102  (the contract's keys)
    @property
    def region_id(self) -> str | None: ...  # noqa: D102  (the same)
    @property
    def security_group_id(self) -> str | None: ...  # noqa: D102  (the same)
    @property
    def code(self) -> str: ...  # noqa: D102  (the same)
    @property
    def message(self) -> str: ...  # noqa: D102  (the same)


class Decision(NamedTuple):
    """What is to be done in one group, and what is left alone there."""

    actions: tuple[Action, ...]
    skipped: tuple[Skipped, ...]


class PlanHead(msgspec.Struct, frozen=True, kw_only=True):
    """What stands at the head of a plan: of what it is made, when, for whom.

    Attributes:
        run_id: the run that the findings are of.
        now: when the plan is made.
        hub_account_id: the organization it is for.
        endpoint: the identity of the cloud it is for.
        incident: the incident's name, if any.
        origin: who read the groups, and by which way.
    """

    run_id: str
    now: datetime
    hub_account_id: str
    endpoint: str
    incident: str = ""
    origin: PlanOrigin | msgspec.UnsetType = msgspec.UNSET


def make_plan(
    groups: Iterable[Judged],
    head: PlanHead,
    *,
    judge: Judge,
    settings: Settings,
    totals: Totals | None = None,
    unreachable: Iterable[Unread] = (),
    returned: Mapping[str, int] = {},
) -> Plan:
    """Decide what is to be done about the findings; what is not, is skipped with the reason.

    Args:
        groups: every group that has findings, with them; read once, one at a time.
        head: of what run, when, for whom.
        judge: what found them: the result of each change is judged by it, too.
        settings: what may be changed.
        totals: how much was read; needed for relative limits, which refuse every change without it.
        unreachable: what could not be read, to be told in the plan; a group among them that has findings was read in
            part, and a drop may be what is missing, so nothing is done there.
        returned: how often a rule was removed before and came back, by `return_key`.

    Raises:
        UnsafePlan: it would change more than the settings allow.
    """
    actions: list[Action] = []
    skipped: list[Skipped] = []
    in_part: dict[tuple[str, str | None, str], str] = {}
    for one in unreachable:
        skipped.append(_unseen(one))
        if one.security_group_id is not None:
            in_part[one.account_id, one.region_id, one.security_group_id] = skipped[-1].reason
    for group, findings in groups:
        if reason := in_part.get(_place(group)):
            skipped += [_skip(group, rule_id, mine, reason) for rule_id, mine in _by_rule(findings).items()]
            continue
        decision = decide(group, findings, judge=judge, settings=settings, returned=returned)
        actions += decision.actions
        skipped += decision.skipped
    check_limits(actions, settings, totals or Totals(rules=0, groups=0, accounts=0))
    return sealed(
        Plan(
            run_id=head.run_id,
            # to the microsecond: the digest names the job, and `close` may plan the same again within a second
            created_at=head.now.astimezone(timezone.utc).isoformat().replace("+00:00", "Z"),
            hub_account_id=head.hub_account_id,
            endpoint=head.endpoint,
            actions=tuple(sorted(actions, key=lambda action: action.place)),
            skipped=tuple(sorted(skipped, key=_where)),
            incident=head.incident,
            origin=head.origin,
        )
    )


def decide(
    group: SecurityGroup,
    findings: Sequence[Finding],
    *,
    judge: Judge,
    settings: Settings,
    returned: Mapping[str, int] = {},
) -> Decision:
    """Decide for one group, without the limits of the run."""
    by_rule = _by_rule(findings)
    group_reason = untouchable(group, settings)
    rules = {rule.rule_id: rule for rule in (*group.rules, *listener_rules(group))}
    skipped: list[Skipped] = []
    wanted: list[tuple[Rule, list[Finding]]] = []
    for rule_id, mine in by_rule.items():
        rule = rules.get(rule_id)
        reason = _reason(mine) or group_reason or _rule_reason(group, rule, mine, settings, returned)
        if reason or rule is None:
            skipped.append(_skip(group, rule_id, mine, reason))
        else:
            wanted.append((rule, mine))
    if not wanted:
        return Decision((), tuple(skipped))
    # What a balancer lets in is blocked first: until then, taking an Accept away closes nothing there.
    wanted.sort(key=lambda pair: not balancer_of(pair[0].raw))
    refused, actions = _weigh(known(group), wanted, findings, judge, settings, returned)
    skipped += [_skip(group, rule_id, by_rule[rule_id], reason) for rule_id, reason in refused.items()]
    return Decision(tuple(actions), tuple(skipped))


def _by_rule(findings: Iterable[Finding]) -> dict[str, list[Finding]]:
    by_rule: dict[str, list[Finding]] = {}
    for finding in findings:
        by_rule.setdefault(finding.rule_id, []).append(finding)
    return by_rule


def _weigh(
    group: GroupContents,
    wanted: Sequence[tuple[Rule, list[Finding]]],
    findings: Sequence[Finding],
    judge: Judge,
    settings: Settings,
    returned: Mapping[str, int],
) -> tuple[dict[str, str], list[Action]]:
    """The changes that pass the simulation together, as actions; and why the others must not be made."""
    acting = [(rule, [one for one in mine if _acts(one)]) for rule, mine in wanted]
    draft = [change_of(group, rule, mine, settings) for rule, mine in acting]
    # Two rules of the same meaning cannot be: what several changes come to, none reaches by modifying its rule.
    count = Counter([content_digest(fields) for change in draft for fields in change.makes])
    contested = frozenset([content for content, times in count.items() if times > 1])
    changes = (
        [change_of(group, rule, mine, settings, contested) for rule, mine in acting] if contested else draft
    )
    simulation = Simulation(group, findings, judge)
    chosen, refused, left = possible(simulation, changes, settings)
    code = managed_as_code(group.group, settings)
    actions = []
    mine_of = {rule.rule_id: mine for rule, mine in wanted}
    for change in chosen:
        solved = [one.check_id for one in mine_of[change.rule.rule_id] if _solved(one, left)]
        notes = (
            *_returned_note(group.group, change.rule, returned),
            *_unbalanced_note(group.group),
            *code,
            *overridden(group.group, settings),
        )
        actions.append(action_of(group, change, dict.fromkeys([*change.check_ids, *solved]), notes))
    return refused, actions


def possible(
    simulation: Simulation, changes: Sequence[Change], settings: Settings
) -> tuple[list[Change], dict[str, str], frozenset[tuple[str, str]]]:
    """All changes if they can be made together; else, one after the other, those that can be.

    With them why the others cannot, and the rule and check of what still fails then.
    """
    chosen: list[Change] = []
    refused: dict[str, str] = {}
    left: frozenset[tuple[str, str]] = frozenset()
    rest = [list(changes)] if changes else []
    while rest:  # by halves: a few that cannot be made among many cost a few tries each
        some = rest.pop()
        verdict = _try(simulation, [*chosen, *some], settings)
        if not verdict.problem:
            chosen += some
            left = verdict.left
        elif len(some) == 1:
            refused[some[0].rule.rule_id] = f"{some[0].kind} is not possible: {verdict.problem}"
        else:
            half = len(some) // 2
            rest += [some[half:], some[:half]]
    return chosen, refused, left


def _try(simulation: Simulation, changes: Sequence[Change], settings: Settings) -> Verdicts:
    added, held = simulation.growth(changes)
    most = settings.rules_per_group
    if most is not None and added and held > most:
        return Verdicts(
            f"the group would hold {held} rules for a moment, and {most} is the most: "
            "delete rules, or let the check narrow or block"
        )
    return simulation.run(changes)


def _acts(finding: Finding) -> bool:
    """Whether the finding is to be acted on."""
    actions = BLOCK if finding.balancer_id else ACTING
    return finding.is_open and finding.action in actions


def _solved(finding: Finding, left: Collection[tuple[str, str]]) -> bool:
    """Whether a finding that nothing was to be done about is gone with the rule."""
    return finding.is_open and not finding.is_wide and (finding.rule_id, finding.check_id) not in left


def untouchable(group: SecurityGroup, settings: Settings) -> str:
    """Why nothing in the group may be changed; "" if it may."""
    if group.service_managed:
        return "the group is managed by a cloud service, and nobody else can change it"
    if group.balancing.is_missing:
        return f"its load balancers must be known, and could not be read: {group.balancing.unread}"
    return protection(group, settings)


def _reason(findings: Sequence[Finding]) -> str:
    """Why nothing is done about a rule by its findings alone; "" if one of them is to be acted on."""
    unknown = [finding.reason for finding in findings if finding.is_undetermined]
    if unknown:
        return unknown[0]
    if any(_acts(finding) for finding in findings):
        return ""
    return "; ".join(dict.fromkeys(_why_not(finding) for finding in findings))


def _why_not(finding: Finding) -> str:
    if finding.status is Status.managed:
        return "the group is managed by a cloud service, and nobody else can change it"
    if finding.status is Status.exempt:
        return f"exempt: {finding.exemption}"
    if finding.status is Status.shadowed or finding.is_wide:
        what = "wide, not failing" if finding.is_wide else "shadowed, so nothing is open"
        return f"{what}: {finding.reason}"
    if finding.action in ACTING:
        return (
            f"{finding.action} closes nothing: load balancer {finding.balancer_id} lets that in with or without a "
            f"rule; only a drop closes it: let check {finding.check_id} block"
        )
    if finding.together:
        why = "fails only together with other rules, which may name partners"
        return f"{finding.check_id} {why}: reported only"
    return f"check {finding.check_id} is reported only"


def _rule_reason(
    group: SecurityGroup,
    rule: Rule | None,
    findings: Sequence[Finding],
    settings: Settings,
    returned: Mapping[str, int],
) -> str:
    if rule is None or not rule.rule_id:
        return "the cloud gave no id for this rule, so it cannot be changed safely"
    if not settings.narrow_to and any(_acts(one) and one.action == "narrow" for one in findings):
        return "its check says narrow, but narrow_to in [remediation] is empty: say what is to stay open"
    count = returned.get(return_key(_place(group), rule.raw), 0)
    if count >= settings.returned_limit and not settings.remove_returned:
        why = managed_as_code(group, settings) or ("somebody or something needs it",)
        return f"{RETURNED}it came back {count} times after being removed; {'; '.join(why)}"
    return ""


def _returned_note(group: SecurityGroup, rule: Rule, returned: Mapping[str, int]) -> Iterator[str]:
    count = returned.get(return_key(_place(group), rule.raw), 0)
    if count:
        yield f"{RETURNED}it came back {count} {'time' if count == 1 else 'times'} after being removed"


def _unbalanced_note(group: SecurityGroup) -> Iterator[str]:
    if group.balancing.unread:
        yield (
            f"{BALANCERS_UNKNOWN}whether a load balancer joined the group, and lets in what this closes, could not be "
            f"read ({group.balancing.unread})"
        )


def _place(group: SecurityGroup) -> Place:
    return Place(group.placement.account_id, group.region_id, group.security_group_id)


def _skip(group: SecurityGroup, rule_id: str, findings: Sequence[Finding], reason: str) -> Skipped:
    return Skipped(
        account_id=group.placement.account_id,
        region_id=group.region_id,
        security_group_id=group.security_group_id,
        rule_id=rule_id,
        reason=reason,
        check_ids=tuple(dict.fromkeys(finding.check_id for finding in findings)),
    )


def _unseen(one: Unread) -> Skipped:
    return Skipped(
        account_id=one.account_id,
        region_id=one.region_id,
        security_group_id=one.security_group_id,
        rule_id=None,
        reason=f"not read: {one.code}: {one.message}",
    )


def _where(skipped: Skipped) -> tuple[str, str, str, str]:
    """By place, the whole before its parts."""
    return (
        skipped.account_id,
        skipped.region_id or "",
        skipped.security_group_id or "",
        skipped.rule_id or "",
    )
