"""What network interfaces add: whether anybody can be reached behind a rule, and what else keeps a port open."""

from collections.abc import Sequence
from datetime import datetime

from msgspec import structs

from orchestrator.exposure import packets_to
from orchestrator.policy.checks import DEFAULT, Check, Thresholds
from orchestrator.policy.evaluate import evaluate_together
from orchestrator.policy.findings import Attachment, Finding
from orchestrator.policy.judge import past_drops
from orchestrator.securitygroup import SecurityGroup


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
