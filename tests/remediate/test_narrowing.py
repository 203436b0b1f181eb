"""Narrowing a rule in place: what stands beside it comes first, and who else changes it keeps what he made of it."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from orchestrator.emulator import Fault, Kind, Rule
from orchestrator.journal import Journal
from tests.remediate.crash import MortalSession
from tests.remediate.kit import CHECKS, Cloud, apply, planned, rule, rules_of, words

NARROW = [replace(check, action="narrow") for check in CHECKS]
TWO_NETWORKS = ("10.0.0.0/8", "192.168.0.0/16")


async def test_what_stands_beside_a_narrowed_rule_must_show_before_it_is_narrowed(
    there: Cloud, journal: Journal
) -> None:
    """The further sources are added first; where one never shows, the rule keeps the source it has."""
    group = there.put(rule(1))
    actions = planned([group], there.account_id, NARROW, narrow_to=TWO_NETWORKS)
    there.emulator.set_faults(Fault(kind=Kind.IGNORED, action="AuthorizeSecurityGroup"))
    (outcome,) = await apply(there, journal, actions, checks=NARROW)
    assert outcome.outcome == "failed"
    assert outcome.reason.endswith("NotShown: what was added does not show, so nothing was revoked")
    assert rules_of(there, group) == {"sgr-1": group.rules[0]}
    assert there.calls()["ModifySecurityGroupRule"] == 0


async def test_a_rule_that_its_owner_repairs_before_it_is_narrowed_is_left_alone(
    there: Cloud, journal: Journal
) -> None:
    """The look within the turn shows it: what its owner made of it stays, what was added for it goes."""
    group = there.put(rule(1))
    actions = planned([group], there.account_id, NARROW, narrow_to=TWO_NETWORKS)
    repaired = rule(1, source="203.0.113.0/24")

    class Owner(MortalSession):
        async def after(self, action: str) -> None:
            if action == "AuthorizeSecurityGroup":
                added = [one for key, one in rules_of(there, group).items() if key != "sgr-1"]
                there.put(repaired, *added, group_id=group.security_group_id)

    ended = await apply(there, journal, actions, by=Owner, checks=NARROW)
    assert words(ended) == {"sgr-1": "drifted"}
    assert rules_of(there, group) == {"sgr-1": repaired}
    assert there.calls()["ModifySecurityGroupRule"] == 0


async def test_a_narrowing_that_does_not_take_keeps_no_other_rule_open(
    there: Cloud, journal: Journal
) -> None:
    """It was answered with success and never shows; what is to be revoked beside it does not wait for it."""
    group = there.put(rule(1), rule(2, "6379/6379"))
    checks = [CHECKS[0], replace(CHECKS[1], action="narrow")]
    actions = planned([group], there.account_id, checks, narrow_to=("10.0.0.0/8",))
    there.emulator.set_faults(Fault(kind=Kind.IGNORED, action="ModifySecurityGroupRule"))
    ended = await apply(there, journal, actions, checks=checks)
    assert [(one.rule_id, one.outcome, one.reason) for one in ended] == [
        ("sgr-1", "revoked", ""),
        ("sgr-2", "failed", "it was answered with success, but does not show 0.2 s later"),
    ]
    made = [call.action for call in there.emulator.calls]
    looks = made[: made.index("RevokeSecurityGroup")].count("DescribeSecurityGroupAttribute")
    assert looks == 3  # at first, to narrow, to revoke


@pytest.mark.parametrize("theirs", [(), (rule(1, source="203.0.113.0/24"),)])
async def test_what_was_added_beside_a_rule_that_was_narrowed_stays_whatever_its_owner_does_then(
    there: Cloud, journal: Journal, theirs: tuple[Rule, ...]
) -> None:
    """We have narrowed it: the further source stands in the place of what that took away, and is needed."""
    group = there.put(rule(1))
    actions = planned([group], there.account_id, NARROW, narrow_to=TWO_NETWORKS)

    class Owner(MortalSession):
        async def after(self, action: str) -> None:
            if action == "ModifySecurityGroupRule":
                added = [one for key, one in rules_of(there, group).items() if key != "sgr-1"]
                there.put(*theirs, *added, group_id=group.security_group_id)

    ended = await apply(there, journal, actions, by=Owner, checks=NARROW)
    assert words(ended) == {"sgr-1": "drifted" if theirs else "already_absent"}
    left = [one.source_cidr_ip for one in rules_of(there, group).values()]
    assert left == [*(one.source_cidr_ip for one in theirs), "192.168.0.0/16"]


async def test_a_narrowing_without_an_answer_that_did_nothing_leaves_nothing_added(
    there: Cloud, journal: Journal
) -> None:
    """The rule stands as it was, and the next call is refused: what was added beside it goes."""
    group = there.put(rule(1))
    actions = planned([group], there.account_id, NARROW, narrow_to=TWO_NETWORKS)
    there.emulator.set_faults(
        Fault(kind=Kind.UNAVAILABLE, action="ModifySecurityGroupRule", count=1),
        Fault(kind=Kind.DENIED, action="ModifySecurityGroupRule"),
    )
    assert words(await apply(there, journal, actions, checks=NARROW)) == {"sgr-1": "failed"}
    assert rules_of(there, group) == {"sgr-1": group.rules[0]}


async def test_a_narrowing_that_is_refused_leaves_the_rule_as_it_was(there: Cloud, journal: Journal) -> None:
    """With the answer; what was added beside it goes. Allowed again, the same command narrows it."""
    group = there.put(rule(1))
    actions = planned([group], there.account_id, NARROW, narrow_to=TWO_NETWORKS)
    there.emulator.set_faults(Fault(kind=Kind.DENIED, action="ModifySecurityGroupRule"))
    (outcome,) = await apply(there, journal, actions, checks=NARROW)
    refused = there.emulator.calls.of("ModifySecurityGroupRule")
    assert (outcome.outcome, outcome.request_id) == ("failed", refused[0].request_id)
    assert outcome.reason.startswith("ModifySecurityGroupRule ")
    assert len(refused) == 1
    assert rules_of(there, group) == {"sgr-1": group.rules[0]}
    there.emulator.set_faults()
    assert words(await apply(there, journal, actions, checks=NARROW)) == {"sgr-1": "narrowed"}
    assert {one.source_cidr_ip for one in rules_of(there, group).values()} == set(TWO_NETWORKS)
