"""One account: whose actions it takes, how its groups are read, and when it is finished."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from orchestrator.emulator import Options, Quirks, RuleCount
from orchestrator.journal import Journal
from orchestrator.remediate import Brake, remediate_account, roll_back_account, rollback_job, undos
from orchestrator.securitygroup import Placement
from tests.remediate.kit import HASTE, Cloud, apply, cloud, guard, order, planned, rule, rules_of, words


@pytest.mark.parametrize("count", [0, 2])
async def test_actions_are_of_one_account(there: Cloud, journal: Journal, count: int) -> None:
    """Of none or of several is a mistake of the caller, told before anything is claimed or called."""
    (action,) = planned([there.put(rule(1))], there.account_id)
    actions = [action, replace(action, account_id="1002")][:count]
    with pytest.raises(ValueError, match=f"actions of one account are needed, not of {count}"):
        await remediate_account(there.enter, journal, actions, order(), Brake(), guard(there.account_id))
    assert not there.emulator.calls


async def test_a_group_that_the_cloud_counts_otherwise_is_left_alone(journal: Journal) -> None:
    """The listing counts a rule more than was read: neither closed nor undone, unless told that counts are wrong."""
    async with cloud(Options(quirks=Quirks(rule_count=RuleCount.MORE))) as there:
        group = there.put(rule(1), rule(9, "443/443"))
        actions = planned([group], there.account_id)
        assert words(await apply(there, journal, actions)) == {"sgr-1": "failed"}
        assert set(rules_of(there, group)) == {"sgr-1", "sgr-9"}
        held = guard(there.account_id)
        ended = await remediate_account(
            there.enter, journal, actions, order(), Brake(), held, HASTE, check_counts=False
        )
        assert words(ended) == {"sgr-1": "revoked"}
        undoing = undos(journal.all_effects())
        job = order(rollback_job(undoing))
        assert words(await roll_back_account(there.enter, journal, undoing, job, Brake(), HASTE)) == {
            "sgr-1": "failed"
        }
        ended = await roll_back_account(
            there.enter, journal, undoing, job, Brake(), HASTE, check_counts=False
        )
        assert words(ended) == {"sgr-1": "rolled_back"}


async def test_a_protection_may_name_the_account(there: Cloud, journal: Journal) -> None:
    """By the name that the organization has for it, which the group's own readings do not tell."""
    group = there.put(rule(1))
    actions = planned([group], there.account_id)
    held = guard(there.account_id, placement=Placement(there.account_id, "Payments"))
    protecting = replace(HASTE, protected_accounts=("Payments",))
    ended = await remediate_account(there.enter, journal, actions, order(), Brake(), held, protecting)
    assert words(ended) == {"sgr-1": "skipped"}
    assert rules_of(there, group).keys() == {"sgr-1"}
