"""Calls and readings without an answer: what was done is looked up, waited for, and never assumed."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from orchestrator.cloud.errors import Unavailable
from orchestrator.emulator import Fault, Kind, Options, Quirks
from orchestrator.journal import Journal
from orchestrator.remediate import Brake, Settings, remediate_account
from tests.remediate.crash import Fuse, MortalSession
from tests.remediate.kit import (
    HASTE,
    REGION,
    Cloud,
    History,
    apply,
    cloud,
    guard,
    order,
    planned,
    rule,
    rules_of,
    words,
)


@pytest.mark.parametrize("kind", [Kind.ERROR_AFTER, Kind.RESET_AFTER, Kind.TRUNCATED, Kind.CUT])
@pytest.mark.parametrize("action", ["AuthorizeSecurityGroup", "RevokeSecurityGroup"])
async def test_a_lost_answer_is_looked_up(there: Cloud, journal: Journal, kind: Kind, action: str) -> None:
    """A change whose answer was lost is found made by reading, and is not made twice."""
    group = there.put(rule(1, "20/30"))
    history = History(there.emulator, [group])
    actions = planned([group], there.account_id)
    there.emulator.set_faults(Fault(kind=kind, action=action, count=1))
    assert words(await apply(there, journal, actions)) == {"sgr-1": "split"}
    assert len(history.changes()) == 3
    assert there.calls()[action] == 1
    history.check_legitimate_packets_always_passed()


@pytest.mark.parametrize(("lost", "listed"), [(1, 2), (0, 1)])
async def test_an_end_that_no_answer_told_is_held_against_the_groups_count(
    there: Cloud, journal: Journal, lost: int, listed: int
) -> None:
    """A reading that was cut short would lie about it; where the cloud has answered, its word is enough."""
    actions = planned([there.put(rule(1), rule(9, "443/443"))], there.account_id)
    there.emulator.set_faults(Fault(kind=Kind.RESET_AFTER, action="RevokeSecurityGroup", count=lost))
    (outcome,) = await apply(there, journal, actions)
    assert (outcome.outcome, bool(outcome.request_id)) == ("revoked", not lost)
    assert there.calls()["DescribeSecurityGroups"] == listed


async def test_a_rule_repaired_while_a_call_for_it_was_lost_is_left_alone(
    there: Cloud, journal: Journal
) -> None:
    """The call without an answer did nothing, and its owner changed the rule: what was added for it goes."""
    group = there.put(rule(1, "20/30"))
    repaired = rule(1, "20/30", source="203.0.113.0/24")

    class Owner(MortalSession):
        async def before(self, action: str) -> None:
            if action == "RevokeSecurityGroup" and rules_of(there, group).get("sgr-1") == group.rules[0]:
                added = [one for key, one in rules_of(there, group).items() if key != "sgr-1"]
                there.put(repaired, *added, group_id=group.security_group_id)
                raise Unavailable(code="ConnectionReset", message="gone", action=action)

    ended = await apply(there, journal, planned([group], there.account_id), by=Owner)
    assert words(ended) == {"sgr-1": "drifted"}
    assert rules_of(there, group) == {"sgr-1": repaired}


async def test_a_cloud_that_is_gone_for_a_moment_does_not_use_up_the_rounds(
    there: Cloud, journal: Journal
) -> None:
    """Five revokes in a row have no answer, and there are two rounds: the next ones are waited for, and it takes."""
    actions = planned([there.put(rule(1))], there.account_id)
    there.emulator.set_faults(Fault(kind=Kind.UNAVAILABLE, action="RevokeSecurityGroup", count=5))
    few = Settings(wait_seconds=0.3, first_wait_seconds=0.01, rounds=2)
    held = guard(there.account_id)
    ended = await remediate_account(there.enter, journal, actions, order(), Brake(), held, few)
    assert words(ended) == {"sgr-1": "revoked"}
    assert there.calls()["RevokeSecurityGroup"] == 6


@pytest.mark.parametrize(("code", "attempts"), [("CircuitOpen", 1), ("ConnectionReset", 4)])
async def test_a_region_that_was_given_up_is_not_waited_for(
    there: Cloud, journal: Journal, code: str, attempts: int
) -> None:
    """Its calls are not made any more, so asking again is in vain; one that gave no answer may come back."""
    actions = planned([there.put(rule(1))], there.account_id)
    asked: list[str] = []

    class Lost(MortalSession):
        async def before(self, action: str) -> None:
            if action == "RevokeSecurityGroup":
                asked.append(action)
                raise Unavailable(code=code, message="gone", action=action)

    one_round = Settings(wait_seconds=0.06, first_wait_seconds=0.01, rounds=1)
    ended = await remediate_account(
        lambda policy: Lost(there.enter(policy), Fuse()),
        journal,
        actions,
        order(),
        Brake(),
        guard(there.account_id),
        one_round,
    )
    assert words(ended) == {"sgr-1": "failed"}
    assert len(asked) == attempts


async def test_what_cannot_be_read_again_is_not_known(there: Cloud, journal: Journal) -> None:
    """If the group cannot be read after the change, the outcome says so; the next delivery finds out."""
    actions = planned([there.put(rule(1))], there.account_id)
    there.emulator.set_faults(Fault(kind=Kind.UNAVAILABLE, action="DescribeSecurityGroupAttribute", skip=1))
    (outcome,) = await apply(there, journal, actions)
    assert outcome.outcome == "failed"
    assert outcome.reason.startswith(
        "it is not known whether it was done, for the group cannot be read: DescribeSecurityGroupAttribute "
    )
    lost = there.emulator.calls.of("DescribeSecurityGroupAttribute")[-1]
    assert outcome.request_id == lost.request_id
    there.emulator.set_faults()
    assert words(await apply(there, journal, actions)) == {"sgr-1": "revoked"}
    assert there.calls()["RevokeSecurityGroup"] == 1


async def test_a_group_that_cannot_be_looked_at_again_is_not_known(there: Cloud, journal: Journal) -> None:
    """The revoke was answered and does not show; the look that it would be tried again by is refused."""
    group = there.put(rule(1, "20/30"))
    actions = planned([group], there.account_id)
    there.emulator.set_faults(
        Fault(kind=Kind.IGNORED, action="RevokeSecurityGroup"),
        Fault(kind=Kind.DENIED, action="DescribeSecurityGroups", skip=2),
    )
    (outcome,) = await apply(there, journal, actions)
    assert outcome.outcome == "failed"
    assert outcome.reason.startswith(
        "it is not known whether it was done, for the group cannot be read: DescribeSecurityGroups "
    )
    assert there.calls()["RevokeSecurityGroup"] == 1


async def test_a_batch_that_was_refused_waits_for_the_reading_that_shows_why(journal: Journal) -> None:
    """A rule went a moment ago, and readings lag: the same batch would be refused again, round after round."""
    patience = replace(HASTE, wait_seconds=5.0, first_wait_seconds=0.05)
    async with cloud(Options(quirks=Quirks(read_lag_seconds=0.4))) as there:
        group = there.put(rule(1), rule(2, priority=2))
        actions = planned([group], there.account_id)
        gone = {"RegionId": REGION, "SecurityGroupId": "sg-1", "SecurityGroupRuleId": ["sgr-1"]}

        class Rival(MortalSession):
            async def before(self, action: str) -> None:
                if action == "RevokeSecurityGroup" and not there.calls()[action]:
                    await there.enter("").call(action, REGION, gone, mutating=True)

        ended = await remediate_account(
            lambda policy: Rival(there.enter(policy), Fuse()),
            journal,
            actions,
            order(),
            Brake(),
            guard(there.account_id),
            patience,
        )
        assert words(ended) == {"sgr-1": "already_absent", "sgr-2": "revoked"}
        assert (
            there.calls()["RevokeSecurityGroup"] == 1 + 2
        )  # the rival's; the refused one, and the rest of it
