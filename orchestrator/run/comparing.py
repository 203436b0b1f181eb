"""A run held against Cloud Config's own results of the same groups, from the run's journal and their file alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import msgspec

from orchestrator.config import packs
from orchestrator.exposure import PortSet
from orchestrator.journal import Observed, Reader, RuleEffects, SqliteReader
from orchestrator.plan import Place
from orchestrator.policy import Check, Finding, evaluate
from orchestrator.report import (
    MANAGED_RULES,
    ComparedChecks,
    ComparedRule,
    JudgementDifference,
    ManagedResult,
    ManagedRule,
    OwnResult,
    RuleParameters,
    Standing,
    difference,
    managed_rule,
    only_ours,
    ports_of_check,
    standing,
    worst,
)
from orchestrator.run.criteria import criteria_of
from orchestrator.run.evaluations import Evaluations, read_evaluations
from orchestrator.run.planning import is_complete
from orchestrator.run.refusals import UsageError
from orchestrator.run.sight import Sight
from orchestrator.securitygroup import PortRange, SecurityGroup

PACK = "cloud-config-security-groups"
"""The check pack that looks for the same as Cloud Config's rules."""


def compare(
    folder: Path, files: list[Path], named: Mapping[str, str], parameters: RuleParameters
) -> ComparedChecks:
    """Compare a run with Cloud Config's results.

    Args:
        folder: the run folder.
        files: what Cloud Config answered, see `read_evaluations`.
        named: which managed rule (its identifier) a rule is, by its name or id, where its name does not tell.
        parameters: what the rules were set up with.

    Raises:
        JournalError: it is no run, or is damaged.
        UsageError: a file holds no results, or a name or parameter that makes no sense.
    """
    with SqliteReader(folder) as reader:
        return _Comparing(reader, read_evaluations(files), named, parameters).compared()


class _Comparing:
    """A comparison while it is made: group by group, as the journal gives them."""

    def __init__(
        self, reader: Reader, evaluations: Evaluations, named: Mapping[str, str], parameters: RuleParameters
    ) -> None:
        self._reader = reader
        self._evaluations = evaluations
        self._left = dict(evaluations.results)
        criteria = criteria_of(reader.header)
        self._checks, self._exemptions = criteria.checks, criteria.exemptions
        self._began = datetime.fromisoformat(reader.header.created_at).astimezone(UTC)
        self._changes = RuleEffects(reader.all_effects())
        self._sight = Sight(reader, "this run")
        self._rules = _Rules(evaluations, named, parameters)
        (any_port,) = (one for one in packs()[PACK] if one.id == _ANY_PORT)
        self._looks_for_any_port = _looks_for(self._checks, any_port)
        self._absent: set[str] = set()
        self._agreeing = 0

    def compared(self) -> ComparedChecks:
        """Go over both sides."""
        differences = [*self._of_groups_with_findings(), *self._of_the_rest()]
        order = ("account_id", "region_id", "security_group_id", "managed_rule", "config_rule")
        differences.sort(key=lambda one: [getattr(one, key) for key in order])
        return ComparedChecks(
            run_id=self._reader.header.run_id,
            created_at=self._reader.header.created_at,
            complete=is_complete(self._reader),
            results=len(self._evaluations),
            other_resources=self._evaluations.other_resources,
            rules=self._rules.told,
            is_cut_short=self._evaluations.is_cut_short,
            absent_accounts=tuple(sorted(self._absent)),
            agreeing=self._agreeing,
            differences=tuple(differences),
        )

    def _of_groups_with_findings(self) -> Iterator[JudgementDifference]:
        for observed, own in self._reader.observed(Finding):
            place = Place(observed.placement.account_id, observed.region_id, observed.security_group_id)
            theirs = self._left.pop(place, [])
            if why := self._sight.not_seen(place):
                unread = OwnResult(ours="unknown", why=why)
                yield from self._differing(theirs, _always(unread))
                continue
            group = _Group(observed, own, self)
            yield from self._differing(theirs, group.known)
            yield from self._not_named(place, theirs, group)

    def _of_the_rest(self) -> Iterator[JudgementDifference]:
        """Go over results of groups that the run found nothing in, did not see, or that are not there."""
        for place in sorted(self._left):
            yield from self._differing(self._left[place], partial(self._without_findings, place))

    def _differing(
        self, theirs: Iterable[ManagedResult], known: Callable[[ComparedRule], OwnResult]
    ) -> Iterator[JudgementDifference]:
        for result in theirs:
            subject = self._rules.subject(result)
            if subject is None:
                found = self._rules.of_unknown(result)
            else:
                ours = known(subject)
                found = difference(result, subject, ours, self._began)
                self._agreeing += found is None and ours.ours != "not_looked_for"
            if found is not None:
                yield found

    def _without_findings(self, place: Place, subject: ComparedRule) -> OwnResult:
        """Say what the run knows of a group that it keeps no rules of."""
        if why := self._sight.not_seen(place):
            return OwnResult(ours="unknown", why=why)
        if self._reader.group_seen(*place) is None:
            return OwnResult(
                ours="absent", why="this run has read the region to its end, and there is no such group"
            )
        scan_with = f'of a group without findings a run keeps no rules, so scan with packs = ["{PACK}"]'
        if not _looks_for(self._checks, subject.check):
            return OwnResult(ours="not_looked_for", why=f"this run did not look for it, and {scan_with}")
        return OwnResult(
            ours="clean",
            why="" if self._looks_for_any_port else f"this run found nothing there, and {scan_with}",
        )

    def _not_named(
        self, place: Place, theirs: Sequence[ManagedResult], group: _Group
    ) -> Iterator[JudgementDifference]:
        """Yield the rules by which a group is open here and that they have no result of, though they look there."""
        evaluated = self._rules.in_account(place.account_id)
        if not evaluated and any(standing(one, self._changes) == "open" for one in group.own):
            self._absent.add(place.account_id)
        named = {subject.rule.identifier for one in theirs if (subject := self._rules.subject(one))}
        for identifier, (shown, subject) in evaluated.items():
            if identifier not in named and (known := group.known(subject)).ours == "open":
                yield only_ours(subject, known, shown, is_cut_short=self._evaluations.is_cut_short)

    def judged(self, group: SecurityGroup, check: Check) -> tuple[Finding, ...]:
        """Judge a group by one check, as the run would have."""
        return evaluate(group, (check,), self._began, self._exemptions)

    def stands(self, finding: Finding) -> Standing:
        """Return how a finding stands now that changes may have been made."""
        return standing(finding, self._changes)


class _Group:
    """A group that the run has found something in, and so keeps the rules of.

    own: what the run has found in it.
    """

    def __init__(self, observed: Observed, own: Sequence[Finding], comparing: _Comparing) -> None:
        self._group, self.own, self._comparing = observed.group(), own, comparing

    def known(self, subject: ComparedRule) -> OwnResult:
        """Judge it by the check that is about the same as a rule of theirs."""
        judged = self._comparing.judged(self._group, subject.check)
        stands = [self._standing(one) for one in judged]
        ours = worst([one for one, _ in stands])
        chosen = [(one, by) for one, (stand, by) in zip(judged, stands, strict=True) if stand == ours]
        return OwnResult(
            ours=ours,
            findings=tuple(one for one, _ in chosen),
            group=self._group,
            reason=next((by.reason.rstrip(".") for _, by in chosen), ""),
        )

    def _standing(self, finding: Finding) -> tuple[Standing, Finding]:
        """Return how a finding stands, and by which one: changes and waivers name the run's own checks."""
        stands = self._comparing.stands(finding)
        same = [one for one in self.own if one.rule_id == finding.rule_id and one.ports & finding.ports]
        by_own = {self._comparing.stands(one): one for one in same}
        if stands == "open" and "open" not in by_own:
            for aside in (one for one in ("closed", "exempt") if one in by_own):
                return aside, by_own[aside]
        return stands, finding


class _Rules:
    """The rules that their results are of: which managed rule each is, and our check of the same.

    told: what each was taken for, by what it is called there; "" for none.
    """

    def __init__(
        self, evaluations: Evaluations, named: Mapping[str, str], parameters: RuleParameters
    ) -> None:
        checks = {one: _with(check, parameters) for check in packs()[PACK] for one in check.references}
        self.told: dict[str, str] = {}
        self._subjects: dict[str, ComparedRule | None] = {}
        self._accounts: dict[str, dict[str, tuple[str, ComparedRule]]] = defaultdict(dict)
        for result in (one for each in evaluations.results.values() for one in each):
            key = _key(result)
            if key not in self._subjects:
                rule = _managed(result, named)
                check = checks.get(f"Cloud Config: {rule.identifier}") if rule else None
                self.told[result.config_rule] = rule.identifier if rule else ""
                self._subjects[key] = (
                    ComparedRule(rule=rule, check=check, parameters=parameters) if rule and check else None
                )
            subject = self._subjects[key]
            if subject is not None:
                self._accounts[result.account_id][subject.rule.identifier] = (result.config_rule, subject)
        self._refuse_strangers(evaluations, named)

    def _refuse_strangers(self, evaluations: Evaluations, named: Mapping[str, str]) -> None:
        known = {
            text
            for each in evaluations.results.values()
            for one in each
            for text in (_key(one), one.config_rule)
        }
        if unused := sorted(set(named) - known):
            raise UsageError(
                f"--rule {unused[0]}=…: no result is of such a rule; there are {', '.join(sorted(self.told))}"
            )
        if self.told and not any(self.told.values()):
            raise UsageError(
                f"no rule is known by its name ({', '.join(sorted(self.told))}): say which managed rule it is, like "
                f"--rule NAME={next(iter(MANAGED_RULES))}"
            )

    def subject(self, result: ManagedResult) -> ComparedRule | None:
        """Return what a result is about; None where that is not known, or nothing that a packet proves."""
        return self._subjects[_key(result)]

    def in_account(self, account_id: str) -> Mapping[str, tuple[str, ComparedRule]]:
        """Return what they evaluate in an account: by the managed rule, what it is called there and its subject."""
        return self._accounts.get(account_id, {})

    def of_unknown(self, result: ManagedResult) -> JudgementDifference | None:
        """Return what is told of a result that cannot be compared; nothing where it is not one of a failure."""
        identifier = self.told[result.config_rule]
        if result.compliance != "NON_COMPLIANT":
            return None
        why = (
            f"{identifier} is about something that no packet proves, such as a description"
            if identifier
            else f"no managed rule is known by this name: --rule {_key(result)}=IDENTIFIER"
        )
        return JudgementDifference(
            became="explained" if identifier else "unexplained",
            kind="other_subject" if identifier else "unknown_rule",
            account_id=result.account_id,
            region_id=result.region_id,
            security_group_id=result.security_group_id,
            config_rule=result.config_rule,
            managed_rule=identifier,
            theirs=result.compliance,
            ours="unknown",
            why=why,
            recorded_at=result.recorded_at,
            annotation=result.annotation,
        )


def _always(known: OwnResult) -> Callable[[ComparedRule], OwnResult]:
    return lambda _: known


def _key(result: ManagedResult) -> str:
    return result.config_rule_id or result.config_rule


def _managed(result: ManagedResult, named: Mapping[str, str]) -> ManagedRule | None:
    identifier = named.get(result.config_rule_id) or named.get(result.config_rule)
    if identifier is None:
        return managed_rule(result.config_rule)
    if identifier not in MANAGED_RULES:
        raise UsageError(
            f"--rule {result.config_rule}={identifier}: no such managed rule. Known: {', '.join(MANAGED_RULES)}"
        )
    return MANAGED_RULES[identifier]


def _with(check: Check, parameters: RuleParameters) -> Check:
    """Return the pack's check for the ports that their rule was set up with."""
    if check.except_ports:
        allowed = tuple(PortRange(name, one, one) for name in ("tcp", "udp") for one in parameters.allowed)
        return msgspec.structs.replace(check, except_ports=allowed)
    if check.id == _RISKY:
        risky = tuple(PortRange(name, one, one) for name in ("tcp", "udp") for one in parameters.risky)
        return msgspec.structs.replace(check, ports=risky)
    return check


_RISKY, _ANY_PORT = "config-risky-ports", "config-public-source"


def _looks_for(checks: Sequence[Check], wanted: Check) -> bool:
    """Whether a run with these checks would have found what this one finds, ports of UDP aside.

    Their rules about ports are nearly always about TCP, so a run that has looked for those has something to say.
    """
    plain = [one for one in checks if one.direction == wanted.direction and one.zone == wanted.zone]
    if not ports_of_check(wanted):
        return any(
            one.all_ports == wanted.all_ports and not (one.protocol or ports_of_check(one)) for one in plain
        )
    as_strict = [one for one in plain if (one.wider_than, one.ipv4_prefix, one.ipv6_prefix) == (None,) * 3]
    looked = PortSet([part for one in as_strict for part in ports_of_check(one)])
    return not (PortSet(ports_of_check(wanted)) - looked).numbers("tcp")
