"""Carrying out a plan more than once: after a crash, a stop, or side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from orchestrator.emulator import Fault, GoneRule, Kind, Options, Quirks
from orchestrator.journal import Claim, Fenced, Journal, SqliteJournal, check_folder
from orchestrator.remediate import Brake, Stopped, remediate_account
from tests.remediate.crash import Crash, Fuse, MortalLedger, MortalSession
from tests.remediate.kit import (
    HASTE,
    HEADER,
    REGION,
    Cloud,
    History,
    apply,
    cloud,
    guard,
    order,
    planned,
    rule,
    words,
)


async def test_delivered_again_it_makes_no_call(there: Cloud, journal: Journal) -> None:
    """A finished account is not even entered again, and every change has one intent and one outcome."""
    actions = planned([there.put(rule(1)), there.put(rule(2, "1/65535"))], there.account_id)
    await apply(there, journal, actions)
    calls = len(there.emulator.calls)
    assert (
        await remediate_account(
            there.enter, journal, actions, order(), Brake(), guard(there.account_id), HASTE
        )
        is None
    )
    assert len(there.emulator.calls) == calls
    phases = [(record.rule_id, record.phase.value) for record in journal.audit_records()]
    assert phases == [("sgr-1", "intent"), ("sgr-1", "outcome"), ("sgr-2", "intent"), ("sgr-2", "outcome")]


POINTS = ("before claim", "after claim", "before Neighbours", "after Neighbours", "before DescribeListing",
          "after DescribeListing", "before Describe", "after Describe", "before intent", "after intent",
          "before Authorize", "after Authorize", "before Revoke", "after Revoke", "before outcome", "after outcome",
          "before finish", "after finish")  # fmt: skip


@pytest.mark.parametrize("point", POINTS)
async def test_a_crash_at_every_named_point(there: Cloud, tmp_path: Path, point: str) -> None:
    """Whichever step the process dies at, the same command run again ends in the same state, each change made once."""
    group = there.put(rule(1, "20/30"), rule(2, "6379/6379"), rule(9, "443/443"))
    history = History(there.emulator, [group])
    actions = planned([group], there.account_id)
    fuse = Fuse(name=point)
    async with SqliteJournal.create(tmp_path / "run", HEADER) as journal:
        with pytest.raises(Crash):
            await remediate_account(
                lambda policy: MortalSession(there.enter(policy), fuse),
                MortalLedger(journal, fuse),
                actions,
                order(),
                Brake(),
                guard(there.account_id),
                HASTE,
            )
    async with SqliteJournal.open(tmp_path / "run") as journal:
        await remediate_account(
            there.enter, journal, actions, order(), Brake(), guard(there.account_id), HASTE
        )
        assert words(journal.outcomes()) == {"sgr-1": "split", "sgr-2": "revoked"}
    history.check_nothing_else_was_touched(actions)
    history.check_legitimate_packets_always_passed()
    history.check_closed(actions, there.emulator.world, there.account_id)
    assert check_folder(tmp_path / "run") == []


async def test_every_named_point_is_passed(there: Cloud, journal: Journal) -> None:
    """The points above are all the steps that an undisturbed run passes."""
    fuse = Fuse()
    actions = planned([there.put(rule(1, "20/30"))], there.account_id)
    await remediate_account(
        lambda policy: MortalSession(there.enter(policy), fuse),
        MortalLedger(journal, fuse),
        actions,
        order(),
        Brake(),
        guard(there.account_id),
        HASTE,
    )
    assert set(fuse.steps) == set(POINTS)


async def test_a_second_delivery_fences_the_first(there: Cloud, journal: Journal) -> None:
    """Of two workers on one account the later one finishes it; the earlier stops at its next write."""
    actions = planned([there.put(rule(1))], there.account_id)

    class Sleeper(MortalLedger):
        async def intend(self, claim: Claim, intents: Any) -> None:
            assert await remediate_account(
                there.enter, journal, actions, order(), Brake(), guard(there.account_id), HASTE
            )
            await super().intend(claim, intents)

    with pytest.raises(Fenced):
        await remediate_account(
            there.enter, Sleeper(journal, Fuse()), actions, order(), Brake(), guard(there.account_id), HASTE
        )
    assert words(journal.outcomes()) == {"sgr-1": "revoked"}
    assert there.calls()["RevokeSecurityGroup"] == 1


async def test_a_rule_gone_a_moment_ago_does_not_spoil_its_batch(journal: Journal) -> None:
    """Where a reading still shows a rule that another has revoked, the refused batch waits for the reading."""
    quirks = Quirks(
        read_lag_seconds=2.0, gone_rule=GoneRule.NOT_FOUND
    )  # longer than a busy machine takes to begin
    patience = replace(HASTE, wait_seconds=10.0)
    async with cloud(Options(quirks=quirks)) as there:
        group = there.put(rule(1), rule(2, "6379/6379"))
        actions = planned([group], there.account_id)
        rival = {
            "RegionId": REGION,
            "SecurityGroupId": group.security_group_id,
            "SecurityGroupRuleId": ["sgr-1"],
        }
        await there.enter("").call("RevokeSecurityGroup", REGION, rival, mutating=True)
        ended = await remediate_account(
            there.enter, journal, actions, order(), Brake(), guard(there.account_id), patience
        )
        assert words(ended) == {"sgr-1": "already_absent", "sgr-2": "revoked"}
        assert there.emulator.world.estate(there.account_id, REGION).groups["sg-1"].rules == ()


async def test_a_stop_file_stops_between_calls_and_leaves_a_resumable_run(
    there: Cloud, journal: Journal
) -> None:
    """Once the file is there no further change is made; without it, the run goes on where it stopped."""
    actions = planned([there.put(rule(n)) for n in range(1, 4)], there.account_id)
    stop = journal.folder / "STOP"

    class Watcher(MortalSession):
        async def after(self, action: str) -> None:
            if action == "RevokeSecurityGroup":
                stop.touch()

    with pytest.raises(Stopped, match="STOP"):
        await remediate_account(
            lambda policy: Watcher(there.enter(policy), Fuse()),
            journal,
            actions,
            order(),
            Brake(stop),
            guard(there.account_id),
            HASTE,
        )
    assert words(journal.outcomes()) == {"sgr-1": "revoked"}
    assert there.calls()["RevokeSecurityGroup"] == 1
    stop.unlink()
    assert set(words(await apply(there, journal, actions))) == {"sgr-2", "sgr-3"}


async def test_too_many_failures_stop_the_run(there: Cloud, journal: Journal) -> None:
    """When more than the allowed share of changes failed, the rest is not tried."""
    actions = planned([there.put(rule(n)) for n in range(1, 20)], there.account_id)
    there.emulator.set_faults(Fault(kind=Kind.DENIED, action="RevokeSecurityGroup"))
    with pytest.raises(Stopped, match="5 of 5 changes failed"):
        await remediate_account(
            there.enter,
            journal,
            actions,
            order(),
            Brake(max_failed_share=0.2, min_changes=5),
            guard(there.account_id),
            HASTE,
        )
    assert there.calls()["RevokeSecurityGroup"] == 5
