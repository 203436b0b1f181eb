"""Carrying out a plan: exactly what it says, in the fewest calls, and nothing that changed since."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from orchestrator.emulator import Fault, Kind, RuleRefusal
from orchestrator.journal import Journal
from orchestrator.policy import Check, Status, evaluate, parse_port
from orchestrator.remediate import Brake, remediate_account, roll_back_account, rollback_job, undos
from tests.remediate.kit import (
    CHECKS,
    HASTE,
    NOW,
    REGION,
    Cloud,
    History,
    apply,
    guard,
    order,
    planned,
    raw_of,
    rule,
    rules_of,
    seen,
    words,
)


async def test_a_group_takes_three_calls_or_five(there: Cloud, journal: Journal) -> None:
    """Revoking is read, revoke, read; splitting adds a call and a look after it, however many rules the group has.

    Each look that a call relies on lists the group, too; what stands beside it is read once a region.
    """
    plain = there.put(*(rule(n, priority=n) for n in range(1, 8)))
    ended = await apply(there, journal, planned([plain], there.account_id))
    assert set(words(ended).values()) == {"revoked"}
    assert there.calls() == {
        "DescribeSecurityGroupAttribute": 2,
        "RevokeSecurityGroup": 1,
        "DescribeSecurityGroups": 2,  # an empty group is asked twice whether it is
    }
    assert len(there.emulator.calls.of("DescribeNetworkInterfaces")) == 1
    there.emulator.calls.clear()
    wide = there.put(*(rule(n, "20/80", priority=n) for n in range(11, 14)))
    ended = (
        await remediate_account(
            there.enter,
            journal,
            planned([wide], there.account_id),
            order("apply:2"),
            Brake(),
            guard(there.account_id),
            HASTE,
        )
        or []
    )
    assert set(words(ended).values()) == {"split"}
    assert sum(there.calls().values()) == 5 + 2
    assert there.emulator.world.estate(there.account_id, "cn-hangzhou").groups[wide.security_group_id].rules
    assert [call.action for call in there.emulator.calls if "SecurityGroup" in call.action] == [
        "DescribeSecurityGroups",
        "DescribeSecurityGroupAttribute",
        "AuthorizeSecurityGroup",
        "DescribeSecurityGroups",
        "DescribeSecurityGroupAttribute",
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
        mine = planned([group], there.account_id, checks, narrow_to=("10.0.0.0/8", "172.16.0.0/12"))
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
    history.check_closed(
        [action for action in actions if action.action in {"revoke", "split"}],
        there.emulator.world,
        there.account_id,
        only=[groups[0], groups[1]],
    )
    for group in groups[2:]:
        now = there.emulator.world.estate(there.account_id, REGION).groups[group.security_group_id]
        left = evaluate(seen(now, there.account_id), CHECKS, NOW)
        assert not [finding for finding in left if finding.status is Status.open]


async def test_what_goes_out_is_closed_and_undone_by_the_actions_for_it(
    there: Cloud, journal: Journal
) -> None:
    """Both directions of one group: revoked, split and narrowed in place, each by its own pair of actions, and back."""
    out: dict[str, Any] = {"direction": "egress", "source_cidr_ip": "", "dest_cidr_ip": "0.0.0.0/0"}
    rules = [
        rule(1),
        rule(2, "20/30", priority=2),
        rule(3, **out),
        rule(4, "20/30", priority=2, **out),
        rule(5, "6379/6379", **out),
    ]
    group = there.put(*rules, kind="enterprise")  # a normal group lets out what no rule does
    leaving = Check(id="out", ports=(parse_port("tcp/22"),), direction="egress", action="revoke")
    narrowed = replace(leaving, id="narrow", ports=(parse_port("tcp/6379"),), action="narrow")
    checks = [*CHECKS, leaving, narrowed]
    history = History(there.emulator, [group])
    actions = planned([group], there.account_id, checks, narrow_to=("10.0.0.0/8",))
    kinds = {"sgr-1": "revoke", "sgr-2": "split", "sgr-3": "revoke", "sgr-4": "split", "sgr-5": "narrow"}
    assert {one.rule_id: one.action for one in actions} == kinds
    ended = await apply(there, journal, actions, checks=checks)
    assert [(one.outcome, one.reason) for one in ended] == [
        ("revoked", ""), ("split", ""), ("revoked", ""), ("split", ""), ("narrowed", "")
    ]  # fmt: skip
    left = sorted(
        (one.direction, one.port_range, one.dest_cidr_ip) for one in rules_of(there, group).values()
    )
    assert left == [
        ("egress", "20/21", "0.0.0.0/0"),
        ("egress", "23/30", "0.0.0.0/0"),
        ("egress", "6379/6379", "10.0.0.0/8"),
        ("ingress", "20/21", ""),
        ("ingress", "23/30", ""),
    ]
    assert {key: count for key, count in there.calls().items() if not key.startswith("Describe")} == {
        "AuthorizeSecurityGroup": 1, "AuthorizeSecurityGroupEgress": 1, "ModifySecurityGroupEgressRule": 1,
        "RevokeSecurityGroup": 1, "RevokeSecurityGroupEgress": 1,
    }  # fmt: skip
    undoing = undos(journal.all_effects())
    job = order(rollback_job(undoing))
    undone = await roll_back_account(there.enter, journal, undoing, job, Brake(), HASTE) or []
    assert {(one.outcome, one.reason) for one in undone} == {("rolled_back", "")}
    history.check_restored(there.emulator.world, there.account_id)


async def test_what_failed_is_taken_back_in_both_directions(there: Cloud, journal: Journal) -> None:
    """A revoke that is refused, of what comes in or of what goes out: nothing that was added stays."""
    out: dict[str, Any] = {"direction": "egress", "source_cidr_ip": "", "dest_cidr_ip": "0.0.0.0/0"}
    rules = [rule(1, "20/30", description="no"), rule(2, "20/30", description="no", **out)]
    group = there.put(*rules, kind="enterprise")
    leaving = Check(id="out", ports=(parse_port("tcp/22"),), direction="egress", action="split")
    actions = planned([group], there.account_id, [*CHECKS, leaving])
    there.emulator.refuse_rules(
        RuleRefusal(code="Denied.ByHand", rule={"SecurityGroupRuleId": "sgr-1"}),
        RuleRefusal(code="Denied.ByHand", rule={"SecurityGroupRuleId": "sgr-2"}),
    )
    ended = await apply(there, journal, actions, checks=[*CHECKS, leaving])
    assert words(ended) == {"sgr-1": "failed", "sgr-2": "failed"}
    assert set(rules_of(there, group)) == {"sgr-1", "sgr-2"}


@pytest.mark.parametrize(
    ("others", "calls"),
    [
        (196, ["AuthorizeSecurityGroup", "RevokeSecurityGroup"]),
        (197, ["RevokeSecurityGroup", "AuthorizeSecurityGroup", "RevokeSecurityGroup"]),
    ],
)
async def test_room_is_made_only_where_additions_may_not_fit(
    there: Cloud, journal: Journal, others: int, calls: list[str]
) -> None:
    """200 rules are what a group usually may have: with more than that for a moment, what goes goes first."""
    group = there.put(
        rule(1),
        rule(2, "20/30", priority=2),
        *(rule(n, f"{n}/{n}", "203.0.113.0/24", priority=5) for n in range(1000, 1000 + others)),
    )
    ended = await apply(there, journal, planned([group], there.account_id))
    assert words(ended) == {"sgr-1": "revoked", "sgr-2": "split"}
    made = [call.action for call in there.emulator.calls]
    assert [action for action in made if not action.startswith(("Describe", "Assume"))] == calls
    looks = 2 + calls.count("RevokeSecurityGroup")  # at first, for each revoke, and at last
    assert there.calls()["DescribeSecurityGroupAttribute"] == looks


async def test_the_records_say_who_what_and_why(there: Cloud, journal: Journal) -> None:
    """An audit record names the caller, the rule as it was, what stands now, the checks, the plan and the call."""
    actions = planned([there.put(rule(1, "20/30"))], there.account_id)
    (outcome,) = await apply(there, journal, actions)
    before, after = journal.audit_records()
    assert before.who == order().who
    assert before.before is not None
    assert before.before["SecurityGroupRuleId"] == "sgr-1"
    assert [one["PortRange"] for one in before.after] == ["20/21", "23/30"]
    assert all(str(one["SecurityGroupRuleId"]).startswith("sgr-bp1") for one in after.after)
    assert (after.check_ids, after.plan_digest, after.incident) == (("ssh",), "d" * 64, "INC-1")
    revoke = there.emulator.calls.of("RevokeSecurityGroup")[0]
    assert after.request_id == outcome.request_id == revoke.request_id
    assert revoke.parameters["ClientToken"].isalnum()


async def test_the_records_name_all_that_stands_in_a_rules_place(there: Cloud, journal: Journal) -> None:
    """What stood there before, too; of a change that was not made, only what was added for it and is still there."""
    group = there.put(rule(1, "20/30"), rule(2, "23/30"))
    await apply(there, journal, planned([group], there.account_id))
    *_, made = journal.audit_records()
    assert sorted(str(one["PortRange"]) for one in made.after) == ["20/21", "23/30"]
    other = there.put(rule(3, "20/30"), rule(4, "23/30"))
    there.emulator.set_faults(Fault(kind=Kind.DENIED, action="RevokeSecurityGroup"))
    await apply(there, journal, planned([other], there.account_id), "apply:2")
    *_, not_made = journal.audit_records()
    assert sorted(str(one["PortRange"]) for one in not_made.after) == ["20/21", "20/30"]


async def test_a_rule_that_changed_since_the_plan_is_left_alone(there: Cloud, journal: Journal) -> None:
    """Drift is said and not touched, while the group's other rules are closed."""
    group = there.put(rule(1), rule(2, "6379/6379"), rule(3, "20/80", priority=2))
    actions = planned([group], there.account_id)
    there.put(
        rule(1, source="10.0.0.0/8"),
        rule(2, "6379/6379"),
        rule(3, "20/81", priority=2),
        group_id=group.security_group_id,
    )
    ended = words(await apply(there, journal, actions))
    assert ended == {"sgr-1": "drifted", "sgr-2": "revoked", "sgr-3": "drifted"}
    left = rules_of(there, group).values()
    assert [(one.security_group_rule_id, one.port_range) for one in left] == [
        ("sgr-1", "22/22"),
        ("sgr-3", "20/81"),
    ]


async def test_a_new_description_is_no_drift(there: Cloud, journal: Journal) -> None:
    """What does not change what a rule means does not keep it open."""
    group = there.put(rule(1))
    actions = planned([group], there.account_id)
    there.put(rule(1, description="changed"), group_id=group.security_group_id)
    assert words(await apply(there, journal, actions)) == {"sgr-1": "revoked"}


async def test_what_is_gone_already_is_said_to_be(there: Cloud, journal: Journal) -> None:
    """A rule, and a whole group, that somebody else has removed: nothing is changed, nothing is claimed."""
    group, other = there.put(rule(1), rule(9, "443/443")), there.put(rule(2))
    actions = planned([group, other], there.account_id)
    there.put(rule(9, "443/443"), group_id=group.security_group_id)
    del there.emulator.world.estate(there.account_id, REGION).groups[other.security_group_id]
    ended = await apply(there, journal, actions)
    assert [(one.rule_id, one.outcome, one.reason) for one in ended] == [
        ("sgr-1", "already_absent", "the rule was gone already"),
        ("sgr-2", "already_absent", "the security group is gone (InvalidSecurityGroupId.NotFound)"),
    ]
    assert not History(there.emulator, []).changes()


async def test_more_rules_than_a_call_takes_go_in_batches(there: Cloud, journal: Journal) -> None:
    """150 rules of a group take two calls to revoke; both directions are told apart."""
    group = there.put(
        *(
            rule(n, source=f"{n}.0.0.0/7" if n % 2 == 0 else "0.0.0.0/0", priority=n % 100 + 1)
            for n in range(2, 152)
        )
    )
    everyone = [Check(id="ssh", ports=(parse_port("tcp/22"),))]
    actions = planned([group], there.account_id, everyone)
    assert len(actions) > 0
    actions = [
        replace(actions[0], rule_id=one.security_group_rule_id, before=raw_of(one)) for one in group.rules
    ]
    ended = words(await apply(there, journal, actions))
    assert list(ended.values()) == ["revoked"] * 150
    sizes = [
        sum(key.startswith("SecurityGroupRuleId.") for key in call.parameters)
        for call in there.emulator.calls.of("RevokeSecurityGroup")
    ]
    assert sizes == [100, 50]
