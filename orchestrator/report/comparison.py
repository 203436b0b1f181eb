"""What lies between a run and Cloud Config's own results: each group they judge differently, and why.

Agreement is not the aim: their rules take a rule by what stands written in it, ours by what gets through. So each
difference is held against what their rule's page says of the very rules that the run has read. Where that accounts for
it, it is explained; where it does not, something is wrong on one side, and that is what the exit code tells.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from typing import Literal, get_args

import msgspec

from orchestrator.exposure import Count, PortSet, balancer_of, reach_of
from orchestrator.policy import Check, Finding, Thresholds, evaluate
from orchestrator.report.managed_rules import Documented, ManagedRule, RuleParameters, documented
from orchestrator.report.view import Emit, Standing
from orchestrator.securitygroup import (
    Cidr,
    GroupRef,
    PortRange,
    PrefixList,
    Rule,
    SecurityGroup,
    Source,
    every_port,
)

Compliance = Literal["COMPLIANT", "NON_COMPLIANT", "NOT_APPLICABLE", "INSUFFICIENT_DATA", "IGNORED"]
"""Cloud Config's words, ComplianceType of the API."""

COMPLIANCES: tuple[Compliance, ...] = get_args(Compliance)

Became = Literal["explained", "unexplained", "not_comparable"]
"""What a difference comes to. Not comparable: this run does not know enough of the group to say."""

BECAME: tuple[Became, ...] = get_args(Became)

Kind = Literal[
    "ipv6", "source", "prefix_list", "spelling", "protocol", "balancer", "narrow", "broader", "private", "no_ports",
    "other_ports", "shadowed", "drops", "wide", "exempt", "managed", "closed", "ignored", "no_data", "unclear", "gone",
    "other_subject", "unlike", "unexplained", "no_result", "not_applicable", "unknown_rule", "not_seen", "undetermined",
    "not_looked_for", "no_rules", "later", "cut_short",
]  # fmt: skip
"""Why, as one word; docs/packs.md says what each means."""

KINDS: tuple[Kind, ...] = get_args(Kind)

Ours = Literal[Standing, "clean", "not_looked_for", "unknown", "absent"]
"""How a group stands by our judgement of the same subject: as the worst of its findings does, or clean. Unknown where
the run did not see it, absent where there is no such group, not_looked_for where it looked for other things only."""

_WORST_FIRST: tuple[Standing, ...] = (
    "open", "undetermined", "closed", "exempt", "managed", "wide", "shadowed"
)  # fmt: skip

_THRESHOLDS = Thresholds()
_ANY_DAY = datetime(2000, 1, 1, tzinfo=timezone.utc)  # without exemptions no verdict depends on the day

_ALWAYS_BROADER = {"public_source", "all_ports", "all_protocols"}
"""Subjects of theirs that fail any source, or any public one, however few addresses it is."""


class ManagedResult(msgspec.Struct, frozen=True, kw_only=True):
    """One result of Cloud Config about one group.

    Attributes:
        config_rule: what the rule is called there.
        config_rule_id: its id, `cr-…`.
        recorded_at: when, ISO 8601 in UTC; "" where it does not say.
        ignored_until: of an ignored one, the day it is looked at again; "" for never, or where it is not ignored.
        annotation: what they say of it, JSON in a text.
    """

    config_rule: str
    config_rule_id: str
    account_id: str
    region_id: str
    security_group_id: str
    compliance: Compliance
    recorded_at: str = ""
    ignored_until: str = ""
    annotation: str = ""


class JudgementDifference(msgspec.Struct, frozen=True, kw_only=True):
    """A group that one of the two judges otherwise, or that only one of them knows.

    Attributes:
        became: whether what stands in `why` accounts for it.
        kind: the same reason as one word.
        managed_rule: the managed rule, by its identifier.
        theirs: their word; "" where they have no result.
        ours: how the group stands by our check of the same subject.
        why: one sentence without its full stop.
        rule_ids: the rules that it is about, where they are known.
        annotation: what they say of it.
    """

    became: Became
    kind: Kind
    account_id: str
    region_id: str
    security_group_id: str
    config_rule: str
    managed_rule: str
    theirs: Compliance | Literal[""]
    ours: Ours
    why: str
    rule_ids: tuple[str, ...] = ()
    recorded_at: str = ""
    annotation: str = ""


class OwnResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a run knows of a group, as to one check.

    Attributes:
        ours: how the group stands.
        findings: of the check, those that it stands so by.
        group: its rules; None where the run does not keep them: it keeps those of groups with findings.
        why: of what is not known of it, why, one sentence without its full stop.
        reason: of findings that are set aside, their sentence.
    """

    ours: Ours
    findings: tuple[Finding, ...] = ()
    group: SecurityGroup | None = None
    why: str = ""
    reason: str = ""


class ComparedRule(msgspec.Struct, frozen=True, kw_only=True):
    """What a result is about: a managed rule, our check of the same, and how the managed rule was set up."""

    rule: ManagedRule
    check: Check
    parameters: RuleParameters


class ComparedChecks(msgspec.Struct, frozen=True, kw_only=True):
    """What was compared.

    Attributes:
        run_id, created_at, complete: of the run.
        results: how many results there are of security groups.
        other_resources: how many there are of anything else, which are passed over.
        rules: the rules that they are of, and which managed rule each was taken for; "" for none.
        is_cut_short: the results say that there are more of them.
        absent_accounts: accounts with open findings here that no result is about.
        agreeing: results that say what the run says.
        differences: the rest, by account, region, group and rule.
    """

    run_id: str
    created_at: str
    complete: bool
    results: int
    other_resources: int
    rules: dict[str, str]
    is_cut_short: bool
    absent_accounts: tuple[str, ...]
    agreeing: int
    differences: tuple[JudgementDifference, ...]

    def of(self, became: Became) -> Iterator[JudgementDifference]:
        """Yield the differences that came to this."""
        return (one for one in self.differences if one.became == became)


def worst(standings: Sequence[Standing]) -> Standing | Literal["clean"]:
    """Return how a group stands by the findings of one check."""
    return next((one for one in _WORST_FIRST if one in standings), "clean")


def difference(
    result: ManagedResult, subject: ComparedRule, known: OwnResult, began: datetime
) -> JudgementDifference | None:
    """Return how a result differs from what the run says of the group, and why; None where they agree.

    Args:
        result: theirs.
        subject: what it is about.
        known: ours.
        began: when the run began.
    """
    told = _Told(result, subject, known, began)
    if known.ours == "unknown":
        return told.not_comparable("not_seen", known.why)
    if known.ours == "absent":
        if told.is_later:
            return told.later()
        return told.explained("gone", known.why)
    by_compliance = {
        "NON_COMPLIANT": _they_fail,
        "COMPLIANT": _they_pass,
        "IGNORED": _they_ignore,
        "NOT_APPLICABLE": _they_do_not_apply,
        "INSUFFICIENT_DATA": _they_do_not_know,
    }
    return by_compliance[result.compliance](told)


def only_ours(
    subject: ComparedRule, known: OwnResult, config_rule: str, *, is_cut_short: bool
) -> JudgementDifference:
    """Return the difference of a group that is open here and that their results do not name."""
    place = known.findings[0]
    why = (
        "their results say that there are more of them than were given: ask for the next page with NextToken"
        if is_cut_short
        else "their results hold other groups of this account, and nothing of this one: the rule may be limited to "
        "other regions, tags or resource groups, or leave this group out"
    )
    return JudgementDifference(
        became="not_comparable" if is_cut_short else "unexplained",
        kind="cut_short" if is_cut_short else "no_result",
        account_id=place.account_id,
        region_id=place.region_id,
        security_group_id=place.security_group_id,
        config_rule=config_rule,
        managed_rule=subject.rule.identifier,
        theirs="",
        ours=known.ours,
        why=why,
        rule_ids=tuple(dict.fromkeys(one.rule_id for one in known.findings)),
    )


class _Told:
    """A result beside what the run knows, and what may be said of the two."""

    def __init__(
        self, result: ManagedResult, subject: ComparedRule, known: OwnResult, began: datetime
    ) -> None:
        self.result, self.subject, self.known = result, subject, known
        self.is_later = bool(result.recorded_at) and datetime.fromisoformat(result.recorded_at) > began
        nothing = Documented("unclear")
        group = known.group
        self.page = nothing if group is None else documented(subject.rule, group, subject.parameters)

    def explained(self, kind: Kind, why: str, rules: Sequence[str] = ()) -> JudgementDifference:
        return self._difference("explained", kind, why, rules)

    def unexplained(self, kind: Kind, why: str, rules: Sequence[str] = ()) -> JudgementDifference:
        """Say that nothing known accounts for it, unless their result is of a later day than the run."""
        return self.later() if self.is_later else self._difference("unexplained", kind, why, rules)

    def not_comparable(self, kind: Kind, why: str) -> JudgementDifference:
        return self._difference("not_comparable", kind, why)

    def later(self) -> JudgementDifference:
        return self.not_comparable(
            "later",
            f"their result is of {self.result.recorded_at}, after this run began: what changed in between is not "
            "known here, so scan again",
        )

    def _difference(
        self, became: Became, kind: Kind, why: str, rules: Sequence[str] = ()
    ) -> JudgementDifference:
        result = self.result
        return JudgementDifference(
            became=became,
            kind=kind,
            account_id=result.account_id,
            region_id=result.region_id,
            security_group_id=result.security_group_id,
            config_rule=result.config_rule,
            managed_rule=self.subject.rule.identifier,
            theirs=result.compliance,
            ours=self.known.ours,
            why=why,
            rule_ids=tuple(dict.fromkeys(rules)),
            recorded_at=result.recorded_at,
            annotation=result.annotation,
        )


# --- they fail it


def _they_fail(told: _Told) -> JudgementDifference | None:
    known = told.known
    rules = [one.rule_id for one in known.findings]
    match known.ours:
        case "open":
            return None
        case "undetermined":
            return told.not_comparable("undetermined", f"this run could not judge it: {known.reason}")
        case "not_looked_for":
            return told.not_comparable("not_looked_for", known.why)
        case "closed" | "managed" | "exempt" | "shadowed" | "wide" as set_aside:
            return told.explained(set_aside, _SET_ASIDE.get(set_aside, known.reason), rules)
        case _:
            return _clean_here(told) if known.group else _clean_without_rules(told)


_SET_ASIDE: dict[str, str] = {
    "closed": "a change of this run has closed it since: let Cloud Config evaluate again",
    "managed": "a cloud service owns the group: it is reported here, and counted apart from what is open",
}


def _clean_here(told: _Told) -> JudgementDifference:
    """Say why a group that they fail is clean here, by the rules that their page has them fail it for."""
    if told.page.says not in {"fail", "unclear"}:
        return told.unexplained(
            "unlike",
            f"by its page {told.subject.rule.identifier} would not fail the rules that this run has read: the group "
            f"has changed, or the rule was set up with other parameters{_hint(told.subject)}",
        )
    failing = told.page.rules
    reasons = [_harmless(told, one) for one in failing]
    unknown = [one.rule_id for one, reason in zip(failing, reasons, strict=True) if reason is None]
    if unknown:
        return told.unexplained(
            "unexplained", "this run has read the same rules and lets nothing of them stand open", unknown
        )
    kind, why = next(reason for reason in reasons if reason)
    return told.explained(kind, why, [one.rule_id for one in failing])


def _harmless(told: _Told, rule: Rule) -> tuple[Kind, str] | None:
    """Say why a rule that they fail fails nothing here, as a word and a sentence; None where that is not clear."""
    peer, check = rule.peer, told.subject.check
    if isinstance(peer, GroupRef):
        return (
            "private",
            f"the source of {rule.rule_id} is a security group, which comes over the internal network",
        )
    if rule.nic_type == "intranet" and check.zone == "internet":
        return (
            "private",
            f"{rule.rule_id} is of the classic network's internal card, which no public address reaches",
        )
    if not rule.ports and rule.protocol != "all":
        protocol = rule.protocol.upper()
        return (
            "no_ports",
            f"{rule.rule_id} is for {protocol}, which has no ports though its port range is -1/-1",
        )
    if peer is None or rule.problems:
        return None
    looked_for = PortSet(ports_of_check(check))
    if looked_for and rule.protocol != "all" and not PortSet(rule.ports) & looked_for:
        return "other_ports", f"{rule.rule_id} opens {PortSet(rule.ports)}, none of which is looked for"
    return _too_little(told, rule, peer)


def _too_little(told: _Told, rule: Rule, peer: Source) -> tuple[Kind, str] | None:
    """Say that the source of a rule reaches too little, by itself or past Drop rules; None where it does not."""
    check = told.subject.check
    reach, floor = reach_of(peer, check.zone).size, _floor(check)
    if not (reach.ipv4 or reach.ipv6):
        return "private", f"{peer}, the source of {rule.rule_id}, reaches no public address"
    if reach.ipv4 < floor.ipv4 and reach.ipv6 < floor.ipv6:
        family = isinstance(peer, Cidr) and peer.family == 6
        from_on = f"an IPv6 /{_prefixes(check)[1]}" if family else f"{floor.ipv4:,} addresses"
        return (
            "narrow",
            f"{peer}, the source of {rule.rule_id}, is narrow: a source fails here from {from_on} on",
        )
    if _fails_without_drops(told):
        return "drops", "Drop rules that win keep out so much that what is left reaches less than fails here"
    return None


def ports_of_check(check: Check) -> tuple[PortRange, ...]:
    """Return the ports that a check looks for one by one; none for a check of every port, or of a protocol."""
    if check.except_ports:
        return tuple(PortSet([every_port("tcp"), every_port("udp")]) - PortSet(check.except_ports))
    return check.ports


def _fails_without_drops(told: _Told) -> bool:
    group = told.known.group
    if group is None:
        return False
    accepts = tuple(one for one in group.rules if one.policy == "accept")
    bare = msgspec.structs.replace(group, rules=accepts)
    return any(one.lets_in for one in evaluate(bare, (told.subject.check,), _ANY_DAY))


def _clean_without_rules(told: _Told) -> JudgementDifference:
    """Say what can be said where the run keeps no rules of the group, since it found nothing there."""
    rule = told.subject.rule
    if rule.subject in _ALWAYS_BROADER:
        return told.explained(
            "broader",
            f"{rule.identifier} fails a source however few addresses it has; this run found none there that reaches "
            "what fails here",
        )
    if told.known.why:
        return told.not_comparable("no_rules", told.known.why)
    return told.unexplained(
        "unexplained", f"this run has read the group and found no port open there{_hint(told.subject)}"
    )


def _hint(subject: ComparedRule) -> str:
    option = {"risky_ports": "--risky-port", "listed_ports": "--allowed-port"}.get(subject.rule.subject)
    return f" ({option} says which ports it was set up with)" if option else ""


def _prefixes(check: Check) -> tuple[int, int]:
    ipv4 = _THRESHOLDS.ipv4_prefix if check.ipv4_prefix is None else check.ipv4_prefix
    return ipv4, _THRESHOLDS.ipv6_prefix if check.ipv6_prefix is None else check.ipv6_prefix


def _floor(check: Check) -> Count:
    ipv4_prefix, ipv6_prefix = _prefixes(check)
    return Count(1 << 32 - ipv4_prefix, 1 << 128 - ipv6_prefix)


# --- they pass it


def _they_pass(told: _Told) -> JudgementDifference | None:
    known = told.known
    if known.ours == "undetermined":
        return told.not_comparable("undetermined", f"this run could not judge it: {known.reason}")
    if known.ours != "open":
        return None
    rules = [one.rule_id for one in known.findings]
    if told.page.says == "fail":
        return told.unexplained(
            "unlike",
            f"by its page {told.subject.rule.identifier} fails the rules that this run has read: the group has "
            f"changed, or the rule was set up with other parameters{_hint(told.subject)}",
            rules,
        )
    reasons = [_not_written(told, one) for one in known.findings]
    if told.page.says == "unclear":
        return told.explained("unclear", f"the page of {told.subject.rule.identifier} leaves it open", rules)
    unknown = [one.rule_id for one, reason in zip(known.findings, reasons, strict=True) if reason is None]
    if unknown:
        return told.unexplained(
            "unexplained", "this run finds it open, and nothing known accounts for it", unknown
        )
    kind, why = next(reason for reason in reasons if reason)
    return told.explained(kind, why, rules)


def _not_written(told: _Told, finding: Finding) -> tuple[Kind, str] | None:
    """Say why what is open here does not stand written as their rule looks for it; None where it does."""
    subject, group = told.subject.rule.subject, told.known.group
    if balancer_of(finding.rule):
        return (
            "balancer",
            f"load balancer {finding.balancer_id} lets it in, and theirs looks at the group's rules only",
        )
    rule = next((one for one in group.rules if one.rule_id == finding.rule_id), None) if group else None
    if rule is None:
        return None
    if subject not in {"all_ports", "all_protocols"} and (said := _other_source(rule, finding)):
        return said
    text = str(rule.raw.get("PortRange") or "a port list")
    if subject in {"public_access", "all_ports"} and text != "-1/-1":
        return "spelling", f"{rule.rule_id} has the port range {text}, and theirs looks for -1/-1"
    if subject in {"all_protocols", "egress"} and rule.protocol != "all":
        return (
            "protocol",
            f"{rule.rule_id} is for {rule.protocol.upper()}, and theirs looks for the protocol ALL",
        )
    return None


def _other_source(rule: Rule, finding: Finding) -> tuple[Kind, str] | None:
    peer = rule.peer
    if isinstance(peer, PrefixList):
        return "prefix_list", f"{rule.rule_id} names the prefix list {peer}, and theirs looks for 0.0.0.0/0"
    if isinstance(peer, Cidr) and peer.family == 6:
        return "ipv6", f"{rule.rule_id} is for IPv6 ({peer}), and theirs looks for 0.0.0.0/0"
    if isinstance(peer, Cidr) and str(peer) != "0.0.0.0/0":
        with_others = ", which fails with other rules" if finding.together else ""
        return (
            "source",
            f"the source of {rule.rule_id} is {peer}{with_others}, and theirs looks for 0.0.0.0/0",
        )
    return None


# --- they say neither


def _they_ignore(told: _Told) -> JudgementDifference | None:
    if told.known.ours != "open":
        return None
    until = told.result.ignored_until
    why = f"it is ignored in Cloud Config{f' until {until}' if until else ''}; an exemption would say so here"
    return told.explained("ignored", why, [one.rule_id for one in told.known.findings])


def _they_do_not_apply(told: _Told) -> JudgementDifference | None:
    if told.known.ours != "open":
        return None
    return told.unexplained(
        "not_applicable",
        "theirs takes the group for one of a cloud service or a virtual network operator; its listing does not say so",
        [one.rule_id for one in told.known.findings],
    )


def _they_do_not_know(told: _Told) -> JudgementDifference | None:
    if told.known.ours != "open":
        return None
    why = "Cloud Config had no data to evaluate it by"
    return told.explained("no_data", why, [one.rule_id for one in told.known.findings])


# --- as JSON


def render_comparison(found: ComparedChecks, emit: Emit) -> None:
    """Write one object: what was compared, the counts, and each difference under what it came to."""
    counts: dict[str, object] = {became: sum(1 for _ in found.of(became)) for became in BECAME}
    kinds = Counter(one.kind for one in found.differences)
    listed: dict[str, object] = {became: list(found.of(became)) for became in BECAME}
    head: dict[str, object] = {
        "run": {"run_id": found.run_id, "created_at": found.created_at, "complete": found.complete},
        "results": found.results,
        "other_resources": found.other_resources,
        "rules": found.rules,
        "is_cut_short": found.is_cut_short,
        "absent_accounts": found.absent_accounts,
        "counts": {"agreeing": found.agreeing, **counts, "by_kind": dict(sorted(kinds.items()))},
        **listed,
    }
    emit(msgspec.json.encode(head).decode() + "\n")
