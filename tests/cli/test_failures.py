"""Failed changes on the screen: by account and cause, so that what has to be mended is read at once."""

from __future__ import annotations

from pathlib import Path

from orchestrator.cli.failures import failures
from orchestrator.journal import Outcome, OutcomeKind
from orchestrator.report.words import ENGLISH
from tests.cli.desk import Desk

ALL = Path("run/outcomes.jsonl")


def failed(
    account: str, rule: int, reason: str, region: str = "cn-hangzhou", request_id: str = ""
) -> Outcome:
    """A change that failed: two rules a group."""
    return Outcome(
        account_id=account,
        region_id=region,
        security_group_id=f"sg-{rule // 2}",
        rule_id=f"sgr-{rule}",
        action="revoke",
        outcome=OutcomeKind.failed,
        reason=reason,
        request_id=request_id,
    )


def test_one_cause_is_told_once_an_account() -> None:
    """Whatever differs from rule to rule: RequestId, ids, regions, numbers. The most frequent comes first."""
    denied = "RevokeSecurityGroup {0} {1}: Forbidden.RAM: not allowed on sgr-{2} (RequestId 0D6CF438-{2})"
    rows = [
        failed("1001", n, denied.format("1001", region, n), region)
        for n, region in enumerate(("cn-hangzhou", "cn-hangzhou", "cn-beijing", "cn-beijing", "cn-beijing"))
    ]
    rows.insert(0, failed("1001", 9, "AuthorizationLimitExceed", request_id="R-9"))
    rows.insert(0, failed("1002", 7, denied.format("1002", "cn-hangzhou", 7)))
    assert failures(rows, {"1001": "shop"}, ALL, ENGLISH) == [
        "FAILED 1001 (shop), 5 rules in 3 groups of 2 regions: " + denied.format("1001", "cn-hangzhou", 0),
        "  cn-hangzhou sg-0 sgr-0",
        "  cn-hangzhou sg-0 sgr-1",
        "  cn-beijing sg-1 sgr-2",
        "  and 2 more rules",
        "FAILED 1001 (shop), 1 rule in 1 group of cn-hangzhou: AuthorizationLimitExceed (RequestId R-9)",
        "  cn-hangzhou sg-4 sgr-9",
        "FAILED 1002, 1 rule in 1 group of cn-hangzhou: " + denied.format("1002", "cn-hangzhou", 7),
        "  cn-hangzhou sg-3 sgr-7",
    ]


def test_a_flood_of_causes_ends() -> None:
    """Ten are told, the rest is counted, and the file that has all is named."""
    rows = [failed(f"{1000 + n // 2}", n, "x" if n % 2 else "y") for n in range(60)]
    lines = failures(rows, {}, ALL, ENGLISH)
    assert sum(line.startswith("FAILED") for line in lines) == 10
    assert lines[-1] == f"and 50 more rules in 25 accounts failed, see {ALL}"
    assert failures([], {}, ALL, ENGLISH) == []


def test_the_hub_s_failure_names_the_member(own_desk: Desk) -> None:
    """AssumeRole is the hub's call: the line begins with the member that could not be entered, by id and name."""
    digest = own_desk.planned("run", "--port", "22")
    names = {one["account_id"]: one["account_name"] for one in own_desk.lines("run/findings.jsonl")}
    assert own_desk.cloud is not None
    own_desk.cloud.break_with({"kind": "denied", "action": "AssumeRole"})
    ended = own_desk.sgsweep("apply", "run/plan.json", "--digest", digest, "--yes")
    assert ended.code == 5, ended.err
    told = [line for line in ended.err.splitlines() if line.startswith("FAILED")]
    accounts = {one["account_id"] for one in own_desk.lines("run/outcomes.jsonl")}
    assert accounts
    assert len(told) == len(accounts)
    for account in accounts:
        (line,) = (one for one in told if one.startswith(f"FAILED {account} ({names[account]}), "))
        assert f"entering acs:ram::{account}:role/sgsweep-remediate: " in line
