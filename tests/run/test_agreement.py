"""The doctor says what a scan can be held against: RuleCount of each group, and a second witness of the groups."""

from __future__ import annotations

import asyncio

import pytest

from orchestrator import run
from orchestrator.cli import output
from orchestrator.emulator import Fault, Kind, Options, Quirks, World, WorldOutline
from orchestrator.emulator.framework.quirks import RuleCount
from orchestrator.run import Agreement, Filters, Progress
from tests.run.conftest import MakeDesk


def agreement(desk_at: MakeDesk, count: RuleCount) -> Agreement | None:
    """What the doctor sees in a cloud that counts so."""
    world = World.generate(WorldOutline(11, 2, region_ids=2, groups_per_account=12))
    desk = desk_at(world, Options(quirks=Quirks(rule_count=count)))
    return asyncio.run(run.list_accounts(desk.config, Filters(), Progress(), check=True)).rule_counts


@pytest.mark.parametrize("count", [RuleCount.NUMBER, RuleCount.TEXT, RuleCount.FEWER])
def test_counts_that_agree_are_told_so(desk_at: MakeDesk, count: RuleCount) -> None:
    """As many as are counted or more, as a number or as digits; at most ten groups of an account are looked at."""
    seen = agreement(desk_at, count)
    assert seen is not None
    assert seen.agree == seen.of
    assert 3 <= seen.of <= 3 * 10


def test_counts_that_disagree_are_told_so(desk_at: MakeDesk) -> None:
    """One more than is given, in every group."""
    seen = agreement(desk_at, RuleCount.MORE)
    assert seen is not None
    assert (seen.agree, seen.of > 3) == (0, True)
    assert (seen.counts_other, seen.meaning) == (seen.of, "other")


@pytest.mark.parametrize(
    ("seen", "meaning"),
    [
        (Agreement(30, 30), "same"),
        (Agreement(0, 30, 30), "other"),
        (Agreement(12, 30, 18), "other"),
        (Agreement(29, 30), None),
        (Agreement(0, 30, 29), None),
        (Agreement(4, 4), None),
        (Agreement(0, 0), None),
    ],
)
def test_what_the_counts_mean_is_learned_only_where_every_group_says_so(
    seen: Agreement, meaning: str | None
) -> None:
    """From five groups on; one that was given in part, by whichever way it is read, leaves it open."""
    assert seen.meaning == meaning


def test_where_nothing_counts_nothing_is_claimed(desk_at: MakeDesk) -> None:
    """No group counts its rules."""
    seen = agreement(desk_at, RuleCount.ABSENT)
    assert seen is not None
    assert (seen.agree, seen.of) == (0, 0)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (None, "Resource Center, the second witness, can be asked: it knows"),
        (Fault(kind=Kind.DENIED, action="GetMultiAccountResourceCounts"), "cannot be asked (NoPermission"),
        (Fault(kind=Kind.DENIED, action="SearchMultiAccountResources"), "cannot be asked (NoPermission"),
    ],
)
def test_the_doctor_tells_whether_there_is_a_second_witness(
    desk_at: MakeDesk, capfd: pytest.CaptureFixture[str], fault: Fault | None, said: str
) -> None:
    """By the calls that a scan makes; without one it says what to do, and that costs no exit code of its own."""
    world = World.generate(WorldOutline(11, 2, region_ids=2, groups_per_account=12))
    desk = desk_at(world, Options(faults=(fault,) if fault else ()))
    listed = asyncio.run(run.list_accounts(desk.config, Filters(), Progress(), check=True))
    assert output.accounts(listed, checked=True) == 0
    told = capfd.readouterr().err
    assert said in told
    assert ("resourcecenter:SearchMultiAccountResources" in told) == bool(fault)
    accounts = (*world.organization.members, world.organization.hub_account_id)
    groups = [len(world.estate(one, region).groups) for one in accounts for region in world.region_ids]
    assert listed.witness is not None
    assert listed.witness.groups == (0 if fault else sum(groups))
