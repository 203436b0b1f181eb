"""A group, checks and a day in; findings out. Whoever judges, from the scan to the function, calls this."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from orchestrator.exposure import Count, PortSet, balancer_of, example, listener_rules, reach_of
from orchestrator.policy import messages
from orchestrator.policy.checks import DEFAULT, Action, Check, Severity, Status, Thresholds, Verdict
from orchestrator.policy.compiled_checks import TrafficView, joined, views_of
from orchestrator.policy.defaults import gravest_ports
from orchestrator.policy.exemptions import Exemption, ExemptionSubject, match
from orchestrator.policy.findings import UNDETERMINED, WIDE, Finding, Witness
from orchestrator.policy.judge import Judgement, judge
from orchestrator.securitygroup import NOT_BALANCED, Rule, SecurityGroup

_NARROW = Count(1 << 28, 1 << 112)
"""A source that reaches less than an IPv4 /4 and less than an IPv6 /16 is one step less severe."""

_GRAVEST = gravest_ports()


class _Case(NamedTuple):
    """What stays the same while the findings of one group are written."""

    now: datetime
    exemptions: Sequence[Exemption]


def evaluate(
    group: SecurityGroup,
    checks: Sequence[Check],
    now: datetime,
    exemptions: Sequence[Exemption] = (),
    thresholds: Thresholds = DEFAULT,
) -> tuple[Finding, ...]:
    """Every rule of the group that fails a check or could not be judged; a rule that passes is not mentioned.

    In the order of the rules, then of the checks; the same input gives the same findings. `now` decides which
    exemptions are live.
    """
    return evaluate_together([group], checks, now, exemptions, thresholds)


def evaluate_together(
    groups: Sequence[SecurityGroup],
    checks: Sequence[Check],
    now: datetime,
    exemptions: Sequence[Exemption] = (),
    thresholds: Thresholds = DEFAULT,
) -> tuple[Finding, ...]:
    """Every rule that fails, or could not be judged, among the rules of all groups of one network interface.

    The cloud applies these as one list; in all else it is as `evaluate`. A group by itself is judged with the load
    balancers that joined it, too: what they let in is no interface's.
    """
    views = views_of(tuple(checks), thresholds)
    rules = groups[0].rules if len(groups) == 1 else tuple([rule for group in groups for rule in group.rules])
    if len(groups) == 1 and groups[0].balancing is not NOT_BALANCED:
        rules += _balanced(groups[0])
    classic = bool(groups) and groups[0].classic
    judged = [one for view in views for one in judge(view, rules, classic=classic)]
    unknown = [rule for rule in rules if rule.problems and _concerns(rule, views)]
    if not judged and not unknown:
        return ()
    owner = {id(rule): group for group in groups for rule in group.rules}
    owner |= {id(rule): groups[0] for rule in rules if id(rule) not in owner}
    case = _Case(now, exemptions)
    found = [_failed(case, owner[id(one.rule)], one) for one in judged]
    found += [_undetermined(owner[id(rule)], rule) for rule in unknown]
    places = {key: at for at, key in enumerate(owner)}
    order = {check.id: at for at, check in enumerate(checks)}
    ids = [id(one.rule) for one in judged] + [id(rule) for rule in unknown]
    ranked = sorted(
        zip(ids, found, strict=True),
        key=lambda pair: (places[pair[0]], order.get(pair[1].check_id, len(order))),
    )
    return tuple([finding for _, finding in ranked])


def may_matter(
    rule: Rule, checks: Sequence[Check], thresholds: Thresholds = DEFAULT, *, classic: bool = False
) -> bool:
    """Whether a rule that lets something in could make a group fail a check, whatever the group's other rules are.

    It is about what the check watches, and reaches any address of its zone; a check that judges each rule by itself
    asks for no others.
    """
    if rule.policy == "drop" or rule.peer is None:
        return False
    return any(
        view.direction == rule.direction
        and rule.nic_type in view.cards(classic=classic)
        and bool(reach_of(rule.peer, view.zone)[0])
        and any(check.is_about(rule) for check in view.checks if not check.alone)
        for view in views_of(tuple(checks), thresholds)
    )


def _balanced(group: SecurityGroup) -> tuple[Rule, ...]:
    """What its load balancers let in; where they must be known and are not, a rule that nobody can judge."""
    if not group.balancing.is_missing:
        return listener_rules(group)
    return (*listener_rules(group), _unread(f"LoadBalancers: {group.balancing.unread}"))


def _unread(problem: str) -> Rule:
    return Rule("", "ingress", "accept", 1, "all", (), None, None, (), "", (problem,), {})


def _concerns(rule: Rule, views: tuple[TrafficView, ...]) -> bool:
    """Whether a rule that is not understood might matter; an unknown direction might be any."""
    unknown = any(problem.startswith("Direction:") for problem in rule.problems)
    return unknown or any(view.direction == rule.direction for view in views)


def _failed(case: _Case, group: SecurityGroup, one: Judgement) -> Finding:
    rule, check = one.rule, one.check.definition
    ports = joined(one.opened)
    wide = one.kind == "wide"
    names = (WIDE, check.id) if wide else (check.id,)
    matching = match(case.exemptions, ExemptionSubject(group, rule, names, ports))
    live = next((exemption for exemption in matching if exemption.is_live(case.now)), None)
    only_risky = one.check.only_covers(rule)
    is_apart = wide and not ports & _GRAVEST
    severity = Severity.low if is_apart else _severity(check, one)
    balancer_id = balancer_of(rule.raw)
    return Finding(
        **_identity(group, rule),
        check_id=names[0],
        wide_for=check.id if wide else "",
        is_apart=is_apart,
        severity=severity,
        base_severity=severity,
        verdict=Verdict.fail,
        status=_status(group, one, exempt=live is not None),
        ports=ports,
        reason=messages.reason(one, ports, matching, case.now),
        witness=_witness(one),
        risky_ports=joined(one.check.covered(rule)),
        only_risky=only_risky,
        action="report" if wide or one.kind == "shadowed" else _action(check, one, only_risky=only_risky),
        together=one.together,
        exemption=live.id if live else "",
        balancer_id=balancer_id,
        exposure="exposed" if balancer_id and check.zone == "internet" else "unknown",
    )


def _severity(check: Check, one: Judgement) -> Severity:
    """The check's; a step less where the source is merely wide, or is far from the whole Internet."""
    measured = one.addresses and check.zone == "internet"
    narrow = measured and one.size.ipv4 < _NARROW.ipv4 and one.size.ipv6 < _NARROW.ipv6
    return check.severity.lowered(1 if narrow or one.kind == "wide" else 0)


def _undetermined(group: SecurityGroup, rule: Rule) -> Finding:
    return Finding(
        **_identity(group, rule),
        check_id=UNDETERMINED,
        severity=Severity.medium,
        base_severity=Severity.medium,
        verdict=Verdict.undetermined,
        status=Status.open,
        ports=PortSet(rule.ports),
        reason=f"This rule could not be judged: {'; '.join(rule.problems)}.",
        witness=None,
    )


def _identity(group: SecurityGroup, rule: Rule) -> dict[str, Any]:
    """The fields that say which rule it is."""
    return {
        "account_id": group.placement.account_id,
        "account_name": group.placement.account_name,
        "region_id": group.region_id,
        "security_group_id": group.security_group_id,
        "security_group_name": group.name,
        "service_managed": group.service_managed,
        "rule_id": rule.rule_id,
        "direction": rule.direction,
        "protocol": rule.protocol,
        "sources": () if rule.peer is None else (str(rule.peer),),
        "rule": rule.raw,
    }


def _status(group: SecurityGroup, one: Judgement, *, exempt: bool) -> Status:
    if group.service_managed:
        return Status.managed
    if one.kind == "shadowed":
        return Status.shadowed
    return Status.exempt if exempt else Status.open


def _action(check: Check, one: Judgement, *, only_risky: bool) -> Action:
    """The check's own action; by default revoke or split, but report where partners may be blamed.

    What a load balancer lets in is no rule's to take away: there it is block.
    """
    if check.action:
        return check.action
    if one.together or check.zone != "internet" or check.direction == "egress":
        return "report"
    if balancer_of(one.rule.raw):
        return "block"
    return "revoke" if only_risky else "split"


def _witness(one: Judgement) -> Witness | None:
    if not one.addresses:
        return None
    at = one.opened[0]
    return Witness(at.protocol, at.first or None, example(one.addresses))
