"""Carrying out a plan: exactly what it says, in the fewest calls, whatever the cloud answers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from orchestrator.journal import Journal, Outcome, RunHeader
from orchestrator.plan import Action
from orchestrator.remediate import Brake, remediate_account
from tests.remediate.kit import CHECKS, HASTE, Cloud, History, cloud, order, planned, rule

HEADER = RunHeader(
    run_id="run-1", created_at="", hub_account_id="1", hub_arn="", endpoint="emulator", settings={}
)


@pytest.fixture
async def there() -> AsyncIterator[Cloud]:
    """A cloud without a fault."""
    async with cloud() as found:
        yield found


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    """A new run's journal."""
    async with Journal.create(tmp_path / "run", HEADER) as journal:
        yield journal


async def apply(there: Cloud, journal: Journal, actions: list[Action]) -> list[Outcome]:
    """Carry out the actions."""
    ended = await remediate_account(there.enter, journal, actions, order(), Brake(), HASTE)
    assert ended is not None
    return ended


def words(outcomes: list[Outcome]) -> dict[str, str]:
    """The outcome of each rule."""
    return {outcome.rule_id: outcome.outcome for outcome in outcomes}


async def test_a_group_takes_three_calls_or_four(there: Cloud, journal: Journal) -> None:
    """Revoking is read, revoke, read; splitting adds one call, however many rules the group has."""
    plain = there.put(*(rule(n, priority=n) for n in range(1, 8)))
    ended = await apply(there, journal, planned([plain], there.account_id))
    assert set(words(ended).values()) == {"revoked"}
    assert there.calls() == {
        "DescribeSecurityGroupAttribute": 2,
        "RevokeSecurityGroup": 1,
        "DescribeSecurityGroups": 1,  # an empty group is asked twice whether it is
    }
    there.emulator.calls.clear()
    wide = there.put(*(rule(n, "20/80", priority=n) for n in range(11, 14)))
    ended = (
        await remediate_account(
            there.enter, journal, planned([wide], there.account_id), order("apply:2"), Brake(), HASTE
        )
        or []
    )
    assert set(words(ended).values()) == {"split"}
    assert sum(there.calls().values()) == 4
    assert there.emulator.world.estate(there.account_id, "cn-hangzhou").groups[wide.security_group_id].rules
    assert [call.action for call in there.emulator.calls if "SecurityGroup" in call.action] == [
        "DescribeSecurityGroupAttribute",
        "AuthorizeSecurityGroup",
        "RevokeSecurityGroup",
        "DescribeSecurityGroupAttribute",
    ]


async def test_each_kind_of_change_closes_what_is_risky_and_nothing_else(
    there: Cloud, journal: Journal
) -> None:
    """Revoke, split, narrow by modification, narrow by replacement and block, side by side in one account."""
    kinds = {
        "revoke": [rule(1)],
        "split": [rule(2, "1/65535"), rule(3, "-1/-1", ip_protocol="ALL")],
        "narrow": [rule(4, "22/22"), rule(5, "6379/6379", "::/0")],
        "block": [rule(6, "1/65535", priority=2)],
    }
    actions, groups = [], []
    for kind, rules in kinds.items():
        group = there.put(*rules, rule(90, "443/443"), inner_access_policy="Drop")
        checks = [type(check)(id=check.id, ports=check.ports, action=kind) for check in CHECKS]  # type: ignore[arg-type]  # a literal
        mine = planned([group], there.account_id, checks, narrow_to=("10.0.0.0/8",))
        assert mine, kind
        actions += mine
        groups.append(group)
    history = History(there.emulator, groups)
    ended = await apply(there, journal, actions)
    assert set(words(ended).values()) <= {"revoked", "split", "narrowed", "blocked"}
    assert {outcome.action for outcome in ended} == set(kinds)
    assert all(outcome.request_id and outcome.effective_after == "2026-11-01T12:15:10Z" for outcome in ended)
    history.check_nothing_else_was_touched(actions)
    history.check_legitimate_packets_always_passed()
