"""A made-up run that looks like a real one, and a hostile one."""

import random
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from typing import Any, TypeVar

import msgspec

from accounts import AcceptedUnreachable, SkippedAccount, Unreachable
from orchestrator import plan
from orchestrator.exposure import ports_from_json
from orchestrator.journal import Effect, Outcome, OutcomeKind
from orchestrator.plan import Action, Inverse, Kind, Plan
from orchestrator.policy import Check, Finding, Severity
from orchestrator.report import RunView

Item = dict[str, Any]
T = TypeVar("T")
P = TypeVar("P", Finding, Effect)

CHECKS: tuple[tuple[str, str, str, int], ...] = (
    ("ssh", "SSH open to the Internet", "critical", 22),
    ("rdp", "Remote Desktop open to the Internet", "critical", 3389),
    ("redis", "Redis open to the Internet", "high", 6379),
    ("mysql", "MySQL open to the Internet", "high", 3306),
    ("kubelet", "Kubelet open to the Internet", "high", 10250),
    ("ftp", "FTP open to the Internet", "medium", 21),
    ("wide", "A very wide source", "low", 8443),
)
_GROUPS = (
    "web-frontend",
    "bastion",
    "default",
    "k8s-workers",
    "老的测试环境",
    "legacy-do-not-touch",
    "db-replica",
)
_REGIONS = ("cn-hangzhou", "cn-shanghai", "eu-central-1", "ap-southeast-1", "us-west-1")
_NAMES = ("payments-prod", "shop-staging", "data-platform", "iot-edge", "corp-it", "research", "游戏-生产")
_WHY = "Opens {port} to {n:,} public IPv4 addresses ({source})."


def finding(number: int = 0, **changes: Any) -> Finding:
    """A finding, as the journal would give it; `number` makes it another rule, account and check."""
    dice = random.Random(number)  # noqa: S311  (the same sample in every run, nothing secret)
    check_id, _, severity, port = CHECKS[number % len(CHECKS)]
    account = dice.randrange(40)
    source = dice.choice(["0.0.0.0/0", "::/0", "0.0.0.0/1, 128.0.0.0/1"])
    item: Item = {
        "account_id": str(1_000_000_000_000_000 + account * 7919),
        "account_name": f"{_NAMES[account % len(_NAMES)]}-{account:02}",
        "region_id": dice.choice(_REGIONS),
        "security_group_id": f"sg-bp1{dice.randrange(16**8):08x}",
        "security_group_name": dice.choice(_GROUPS),
        "service_managed": False,
        "rule_id": f"sgr-bp1{number:08x}",
        "direction": "ingress",
        "check_id": check_id,
        "severity": severity,
        "verdict": "fail",
        "status": "open",
        "protocol": "tcp",
        "ports": [f"tcp/{port}"],
        "sources": source.split(", "),
        "reason": _WHY.format(n=3_702_258_432, port=f"tcp/{port}", source=source),
        "witness": {"protocol": "tcp", "port": port, "source": "2a00::1" if "::" in source else "1.0.0.1"},
        "rule": {
            "SecurityGroupRuleId": f"sgr-bp1{number:08x}",
            "Policy": "Accept",
            "Priority": "1",
            "IpProtocol": "TCP",
            "PortRange": f"{port}/{port}",
            "SourceCidrIp": source,
            "Description": dice.choice(["", "", "temporary, remove after migration", "办公室"]),
        },
    }
    return msgspec.convert({**item, **changes}, Finding, dec_hook=ports_from_json)


_ACTIONS: dict[str, Kind] = {"split": "split", "narrowed": "narrow", "blocked": "block"}


def effect(
    of: Finding, what: str = "revoked", *, action: Kind | None = None, job: str = "apply:1", **outcome: Any
) -> Effect:
    """A change of the finding's rule, planned for its check; or, by its outcome, the rollback of that change."""
    place: dict[str, Any] = {
        "account_id": of.account_id,
        "region_id": of.region_id,
        "security_group_id": of.security_group_id,
        "rule_id": of.rule_id,
    }
    planned = Action(
        **place,
        action=action or _ACTIONS.get(what, "revoke"),
        check_ids=(of.check_id,),
        before=of.rule,
        inverse=Inverse(),
        closes="",
    )
    own = {
        "action": planned.action,
        "outcome": OutcomeKind(what),
        "request_id": "5F0C-11",
        "effective_after": "2026-03-01T08:40:10Z",
    }
    is_rollback = what == "rolled_back"
    return Effect(
        **place,
        job=f"rollback:{job}" if is_rollback else job,
        key=of.rule_id,
        body={"action": msgspec.to_builtins(planned), **({"undoes": job} if is_rollback else {"added": []})},
        outcome=Outcome(**{**place, **own, **outcome}),
        intended=True,
    )


def unreachable(account: int = 1, region: str | None = None, group: str | None = None) -> Unreachable:
    """Something that could not be read."""
    return Unreachable(
        account_id=str(2_000_000_000_000_000 + account),
        region_id=region,
        security_group_id=group,
        code="NoPermission" if region is None else "ServiceUnavailable",
        message="Not allowed to assume the role sgsweep-read." if region is None else "Try later.",
        request_id="7B1D2F3A-0000-5555-9999-ABCDEF012345",
    )


def a_plan(actions: Sequence[Action] = (), skipped: Sequence[plan.Skipped] = (), **changes: Any) -> Plan:
    """A plan of the run."""
    fields: dict[str, Any] = {
        "digest": "9f" * 32,
        "run_id": "20260301-081500-7f3a",
        "created_at": "2026-03-01T08:20:00Z",
        "hub_account_id": "1000000000000001",
        "endpoint": "public",
        "actions": tuple(actions),
        "skipped": tuple(skipped),
    }
    return Plan(**{**fields, **changes})


def planned(of: Finding, **changes: Any) -> Action:
    """The plan's action for the finding."""
    action = effect(of).action
    assert action is not None
    return msgspec.structs.replace(action, **changes)


def left_alone(of: Finding, reason: str) -> plan.Skipped:
    """What the plan says of a finding that nothing is done about."""
    return plan.Skipped(
        account_id=of.account_id,
        region_id=of.region_id,
        security_group_id=of.security_group_id,
        rule_id=of.rule_id,
        reason=reason,
    )


def summary(**changes: Any) -> Item:
    """A summary with the contract's keys."""
    return {
        "run_id": "20260301-081500-7f3a",
        "complete": True,
        "accounts": {"total": 1204, "reached": 1204, "unreachable": 0},
        "regions": 29,
        "security_groups": 18412,
        "rules": 163977,
        "findings": {},
        "api": {"calls": 41233, "throttled": 12, "retried": 14, "by action": {}},
        "seconds": 312.4,
        **changes,
    }


def again(items: Sequence[T]) -> Callable[[], Iterator[T]]:
    """The items as a report takes them: a callable that iterates anew."""
    return lambda: iter(items)


def in_order(items: Sequence[P]) -> list[P]:
    """The items as a journal gives them: account by account, region by region, group by group."""
    return sorted(items, key=lambda one: (one.account_id, one.region_id, one.security_group_id))


def view(
    findings: Sequence[Finding] = (),
    unseen: Sequence[Unreachable] = (),
    effects: Sequence[Effect] = (),
    **changes: Any,
) -> RunView:
    """A run with these lines in it."""
    fields: dict[str, Any] = {
        "summary": summary(),
        "created_at": "2026-03-01T08:15:00+00:00",
        "checks": tuple(
            Check(id=id_, title=title, severity=Severity(level)) for id_, title, level, _ in CHECKS
        ),
        "findings": again(in_order(findings)),
        "unreachable": again(unseen),
        "effects": again(in_order(effects)),
    }
    return RunView(**{**fields, **changes})


_LOCKED = AcceptedUnreachable(
    account="2000000000000009", owner="finance", reason="locked by audit", expires=date(2026, 9, 30)
)


def realistic(count: int = 160) -> RunView:
    """A run with some of everything."""
    findings = [finding(n) for n in range(count)]
    for n, (status, reason) in enumerate(
        (("exempt", "Waived until 2026-06-30 by netops: vendor access"), ("managed", "Owned by ACK"))
    ):
        findings += [finding(5000 + 10 * n + i, status=status, reason=reason) for i in range(4)]
    findings += [
        finding(5100, status="shadowed", reason="Rule sgr-bp1deny at priority 1 drops all of it first")
    ]
    findings += [
        finding(
            5200 + i,
            verdict="undetermined",
            reason="Prefix list pl-bp1x could not be read: Forbidden",
            witness=None,
        )
        for i in range(3)
    ]
    acts = [effect(f) for f in findings[:40]]
    acts += [effect(findings[41], "split"), effect(findings[42], "drifted", reason="priority is 2 now")]
    acts += [effect(findings[43], "failed", reason="OperationDenied: the group is locked")]
    unseen = [
        unreachable(1),
        unreachable(2),
        unreachable(3, "cn-beijing"),
        unreachable(4, "eu-west-1", "sg-bp1lost"),
    ]
    return view(
        findings,
        [*unseen, unreachable(9)],
        acts,
        plan=a_plan(skipped=[left_alone(findings[44], "the group carries sgsweep=protected")]),
        summary=summary(complete=False, accounts={"total": 1204, "reached": 1201, "unreachable": 3}),
        skipped_accounts=(
            SkippedAccount(account_id="3000000000000001", name="closing-down", reason="excluded by name"),
        ),
        exemption_notes=("The exemption of netops for sg-bp1old matches nothing any more.",),
        accepted=lambda one: _LOCKED if _LOCKED.accepts(one) else None,
    )
