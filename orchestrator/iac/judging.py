"""Gathered groups through the policy's own judgement; this room adds only what is not known before code is applied."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet

import msgspec
from msgspec.structs import replace

from orchestrator.exposure import PacketSet, effective, packets_of, packets_to
from orchestrator.iac.gathering import GatheredGroup, content_of
from orchestrator.plan import Judge
from orchestrator.policy import Check, Finding, Status, may_matter
from orchestrator.securitygroup import Direction, Rule, SecurityGroup

_FEW = 3


class CodeJudgement(msgspec.Struct, frozen=True):
    """How code is judged.

    Attributes:
        judge: the judgement of a scan.
        checks: those that it looks for.
    """

    judge: Judge
    checks: tuple[Check, ...]

    def findings(
        self, gathered: Sequence[GatheredGroup]
    ) -> Iterator[tuple[GatheredGroup, tuple[Finding, ...]]]:
        """Judge the groups as a scan would, and tell what may yet be where something is not known."""
        judged = [(one, self.judge(one.group)) for one in gathered]
        known = {(one.rule_id, one.check_id) for _, found in judged for one in found if _counts(one)}
        for one, found in judged:
            yield one, (*found, *self._by_index(one, known), *self._in_unknown_group(one, found))

    def _in_unknown_group(self, gathered: GatheredGroup, found: Sequence[Finding]) -> Iterator[Finding]:
        """Rules that fail nothing here, but may together with those that are not known.

        What fails by itself, or is dropped by a rule that wins, is so whatever the others say.
        """
        if not gathered.unknown:
            return
        settled = {finding.rule_id for finding in found if not finding.stands_apart}
        for rule in gathered.group.rules:
            if rule.rule_id not in settled and self._may_matter(rule, gathered.group):
                yield from self._undetermined(gathered.group, rule, gathered.unknown)

    def _by_index(self, gathered: GatheredGroup, known: AbstractSet[tuple[str, str]]) -> Iterator[Finding]:
        """What fails where an index chooses otherwise: every rule that may come does, and no drop that may go helps."""
        likely = [rule for rule in gathered.group.rules if rule.rule_id in gathered.likely]
        if not likely and not gathered.visitors:
            return
        drops = {rule.rule_id for rule in likely if rule.policy == "drop"}
        rules = [rule for rule in gathered.group.rules if rule.rule_id not in drops]
        rules += [rule for rule in gathered.visitors if rule.policy == "accept"]
        names = [rule.rule_id for rule in (*likely, *gathered.visitors)]
        told: set[str] = set()
        for finding in self.judge(replace(gathered.group, rules=tuple(rules))):
            rule = next((one for one in rules if one.rule_id == finding.rule_id), None)
            is_known = (finding.rule_id, finding.check_id) in known
            if rule is None or is_known or not _counts(finding) or finding.rule_id in told:
                continue
            told.add(finding.rule_id)
            yield from self._undetermined(
                gathered.group,
                rule,
                f"SecurityGroupId: security_group_id of {', '.join(names[:_FEW])} is not known until apply: where it "
                f"takes another index than its own, check {finding.check_id} fails",
            )

    def _may_matter(self, rule: Rule, group: SecurityGroup) -> bool:
        return may_matter(rule, self.checks, classic=group.classic)

    def _undetermined(self, group: SecurityGroup, rule: Rule, why: str) -> tuple[Finding, ...]:
        """The judgement's own words for a rule that could not be judged."""
        return self.judge(replace(group, rules=(replace(rule, problems=(why,)),)))


def _counts(finding: Finding) -> bool:
    return finding.is_open or finding.is_undetermined


def newly(
    gathered: GatheredGroup, findings: Iterable[Finding], before: SecurityGroup | None, judge: Judge
) -> Iterator[Finding]:
    """Those of the findings that tell of something which was not open before.

    Args:
        gathered: the group as it will be.
        findings: what was found of it.
        before: the group as it is; None where there is none, or nothing is known of it.
        judge: what found them.
    """
    if before is None:
        yield from findings
        return
    change = _Opened(gathered.group, before, judge)
    rules = {rule.rule_id: rule for rule in gathered.group.rules}
    for finding in findings:
        rule = rules.get(finding.rule_id)
        if rule is None or change.is_new(rule, finding):
            yield finding


class _Opened:
    """What passes in a group as it will be, and does not as it is."""

    def __init__(self, after: SecurityGroup, before: SecurityGroup, judge: Judge) -> None:
        self._after, self._before = after, before
        self._known = {_saying(rule) for rule in before.rules}
        by_id = {rule.rule_id: rule for rule in before.rules}
        found = [one for one in judge(before) if one.rule_id in by_id]
        self._told = {(_saying(by_id[one.rule_id]), one.check_id) for one in found if _counts(one)}
        self._packets: dict[Direction, PacketSet] = {}

    def is_new(self, rule: Rule, finding: Finding) -> bool:
        """Whether a finding is of what was not open: by its rule, or by what other rules add to it."""
        if finding.is_undetermined:
            return _saying(rule) not in self._known
        if finding.status is Status.shadowed:
            return False
        opened = self._opened(rule.direction) & packets_to(finding.ports)
        if not (opened & packets_of(rule)).is_empty:
            return True
        return not opened.is_empty and (_saying(rule), finding.check_id) not in self._told

    def _opened(self, direction: Direction) -> PacketSet:
        if direction not in self._packets:
            then, now = (effective(group.rules, direction) for group in (self._after, self._before))
            self._packets[direction] = then - now
        return self._packets[direction]


def _saying(rule: Rule) -> tuple[str, tuple[str, ...]]:
    return content_of(rule.raw), rule.problems
