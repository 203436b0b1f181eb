"""A run's journal with something in it, for the tests of the journal."""

from __future__ import annotations

import msgspec

from orchestrator.audit import AuditRecord, Phase
from orchestrator.journal import (
    Claim,
    Intent,
    Journal,
    Observed,
    Outcome,
    OutcomeKind,
    RunHeader,
    Settled,
)
from orchestrator.securitygroup import Lists, Placement, Unreadable

HEADER = RunHeader(
    run_id="run-1",
    created_at="2026-11-01T00:00:00Z",
    hub_account_id="1000",
    hub_arn="acs:ram::1000:root",
    endpoint="alibaba-cloud/china",
    settings={"checks": [{"id": "ssh"}]},
)


class Found(msgspec.Struct, frozen=True):
    """A finding, as little of one as the journal asks for."""

    rule_id: str
    reason: str = ""


def observed(group_id: str = "sg-1", region_id: str = "cn-hangzhou", rules: int = 1) -> Observed:
    """A group as inventory reads it."""
    permissions = tuple(
        {"SecurityGroupRuleId": f"sgr-{n}", "PortRange": "22/22", "Policy": "Accept"} for n in range(rules)
    )
    return Observed(
        placement=Placement("1001", "web", "Root/Prod"),
        region_id=region_id,
        listing={"SecurityGroupId": group_id, "SecurityGroupName": "web", "RuleCount": rules},
        attribute={"InnerAccessPolicy": "Accept"},
        permissions=permissions,
        lists=Lists(prefix_lists={"pl-1": ("10.0.0.0/8",), "pl-2": Unreadable("Forbidden.RAM")}),
    )


def record(rule_id: str, phase: Phase = Phase.intent, **more: object) -> AuditRecord:
    """An audit record of a change in account 1001."""
    plain = AuditRecord(
        at="2026-11-01T00:00:00Z",
        phase=phase,
        who="acs:ram::1000:root",
        account_id="1001",
        region_id="cn-hangzhou",
        security_group_id="sg-1",
        rule_id=rule_id,
        action="revoke",
    )
    return msgspec.structs.replace(plain, **more)


def intent(rule_id: str) -> Intent:
    """The intent to revoke a rule."""
    return Intent(key=rule_id, record=record(rule_id), body={"rule": {"SecurityGroupRuleId": rule_id}})


def settled(rule_id: str, outcome: str = "revoked", reason: str = "") -> Settled:
    """How a rule's revocation ended."""
    return Settled(
        key=rule_id,
        outcome=Outcome(
            account_id="1001",
            region_id="cn-hangzhou",
            security_group_id="sg-1",
            rule_id=rule_id,
            action="revoke",
            outcome=OutcomeKind(outcome),
            reason=reason,
        ),
        record=record(rule_id, Phase.outcome, outcome=outcome, reason=reason),
    )


async def claimed(journal: Journal, account_id: str = "1001", job: str = "scan") -> Claim:
    """A claim that is known to be granted."""
    claim = await journal.claim(account_id, job)
    assert claim is not None
    return claim
