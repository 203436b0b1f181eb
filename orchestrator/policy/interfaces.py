"""What network interfaces add: whether anybody can be reached behind a rule, and what else keeps a port open.

The cloud applies the rules of all groups of one interface as one list, so the findings of a group are weighed with its
neighbours: the groups that share an interface with it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime

import msgspec
from msgspec import structs

from orchestrator.exposure import packets_to
from orchestrator.policy.checks import DEFAULT, Check, Thresholds
from orchestrator.policy.evaluate import evaluate_together
from orchestrator.policy.exemptions import Exemption
from orchestrator.policy.findings import Attachment, Finding
from orchestrator.policy.judge import past_drops
from orchestrator.securitygroup import SecurityGroup

_OF_GROUP = ("protection", "owner", "owner_from")
"""What the findings of one group have in common, beside which group it is."""


class SharedInterfaces(msgspec.Struct, frozen=True):
    """The groups that share a network interface with one that has findings.

    Attributes:
        sets: the ids of all groups of an interface, the group's own with them, for each combination that occurs; and
            whether an interface with it has a public address.
        groups: returns those of a combination that matter: they have findings or drops. Read when asked, for a group
            may have more neighbours than fit into memory.
    """

    sets: Mapping[tuple[str, ...], bool]
    groups: Callable[[tuple[str, ...]], Sequence[SecurityGroup]]


class Weighing(msgspec.Struct, frozen=True):
    """By what findings are weighed: what the judgement of a single group takes, too."""

    checks: tuple[Check, ...]
    now: datetime
    exemptions: tuple[Exemption, ...] = ()

    def weigh(
        self, group_id: str, findings: Sequence[Finding], attachment: Attachment, shared: SharedInterfaces
    ) -> list[Finding]:
        """The findings of a group with what stands behind it, and those that it makes only together with others.

        Nothing is done about these: which of the groups should give way is for people to say.
        """
        every = self._with_merged(group_id, findings, shared)
        return [self._weighed(one, attachment, shared) for one in every]

    def _with_merged(
        self, group_id: str, findings: Sequence[Finding], shared: SharedInterfaces
    ) -> list[Finding]:
        added: dict[tuple[str, str], Finding] = {}
        # of the group, so all have the same
        own = next(({key: getattr(one, key) for key in _OF_GROUP} for one in findings), {})
        for ids in shared.sets:
            for one in self._failing_among(shared.groups(ids)):
                if one.security_group_id == group_id and not one.is_wide:
                    added.setdefault(
                        (one.rule_id, one.check_id), structs.replace(one, action="report", **own)
                    )
        for one in findings:
            added.pop((one.rule_id, one.check_id), None)
        failing = {rule_id for rule_id, _ in added}
        kept = [one for one in findings if not one.is_wide or one.rule_id not in failing]
        return [*kept, *added.values()]

    def _failing_among(self, groups: Sequence[SecurityGroup]) -> Iterable[Finding]:
        """What is open and fails among all the rules of an interface; nothing where one group alone matters."""
        if len(groups) < 2:
            return ()
        return [
            one for one in evaluate_together(groups, self.checks, self.now, self.exemptions) if one.is_open
        ]

    def _weighed(self, finding: Finding, attachment: Attachment, shared: SharedInterfaces) -> Finding:
        if not finding.is_open or finding.balancer_id:
            return attach(finding, attachment)
        via: dict[str, None] = {}
        reached = False
        for ids, is_public in shared.sets.items():
            groups = shared.groups(ids)
            is_alone = len(groups) == 1
            if not is_alone:
                via.update(dict.fromkeys(still_reachable_via(finding, groups, self.checks, self.now)))
            reached |= is_public and (is_alone or gets_through(finding, groups))
        weighed = structs.replace(attach(finding, attachment), still_reachable_via=tuple(via))
        if weighed.exposure == "exposed" and not reached:
            # The other groups of every public interface drop what this rule lets in.
            severity = finding.base_severity.lowered(1)
            return structs.replace(weighed, exposure="latent", severity=severity)
        return weighed


def may_guard(group: SecurityGroup) -> bool:
    """Whether the group has a Drop rule, by which it may shield the other groups of an interface."""
    return any(rule.policy == "drop" and rule.direction == "ingress" for rule in group.rules)


def attach(finding: Finding, attachment: Attachment) -> Finding:
    """The finding with what is known of the interfaces: one step less severe where no public address is attached.

    What a load balancer lets in comes by its addresses, not by those of the interfaces.
    """
    if finding.balancer_id:
        return structs.replace(finding, attachment=attachment)
    exposure = attachment.exposure
    severity = finding.base_severity.lowered(1 if exposure == "latent" else 0)
    return structs.replace(finding, exposure=exposure, severity=severity, attachment=attachment)


def still_reachable_via(
    finding: Finding,
    groups: Sequence[SecurityGroup],
    checks: Sequence[Check],
    now: datetime,
    thresholds: Thresholds = DEFAULT,
) -> tuple[str, ...]:
    """The other groups of one network interface that would keep the finding's ports open without its rule.

    `groups` are all the groups of the interface, with the finding's own. The rules of all are pooled, drops too.
    """
    without = [_without(group, finding) for group in groups]
    left = [
        other
        for other in evaluate_together(without, checks, now, (), thresholds)
        if other.check_id == finding.check_id and other.lets_in and other.ports & finding.ports
    ]
    ids = dict.fromkeys(other.security_group_id for other in left)
    return tuple([group_id for group_id in ids if group_id != finding.security_group_id])


def gets_through(finding: Finding, groups: Sequence[SecurityGroup]) -> bool:
    """Whether any packet of what the finding opens passes the drops of all groups of one network interface."""
    rules = [rule for group in groups for rule in group.rules if rule.direction == finding.direction]
    mine = next((rule for rule in rules if rule.rule_id == finding.rule_id), None)
    if mine is None:
        return False
    drops = [rule for rule in rules if rule.policy == "drop"]
    return not past_drops(mine, packets_to(finding.ports), drops).is_empty


def _without(group: SecurityGroup, finding: Finding) -> SecurityGroup:
    if group.security_group_id != finding.security_group_id:
        return group
    return structs.replace(
        group, rules=tuple([rule for rule in group.rules if rule.rule_id != finding.rule_id])
    )
