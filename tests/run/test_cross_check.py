"""A second witness: what Resource Center names is looked for, and nothing it says or leaves out makes a run better."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from orchestrator import run
from orchestrator.cli.exit_codes import of_close, of_scan
from orchestrator.config import Config
from orchestrator.emulator import Bend, BendKind, Fault, Kind, Options, Quirks, World, WorldOutline
from orchestrator.emulator.framework.question import CallQuestion
from orchestrator.emulator.framework.variants import VARIANTS
from orchestrator.emulator.services.resource_center import GROUP, Resource, ResourceCenter, resource_center_of
from orchestrator.emulator.world.expected import Expected
from orchestrator.emulator.world.model import Group
from orchestrator.journal import SqliteReader
from orchestrator.run import Closed, Filters, Progress, Summary
from tests.run.conftest import Desk, MakeDesk

SEARCH = "SearchMultiAccountResources"
COUNTS = "GetMultiAccountResourceCounts"
Place = tuple[str, str, str]


def center_of(desk: Desk) -> ResourceCenter:
    """The Resource Center of the desk's cloud."""
    return resource_center_of(desk.emulator.state)


def risky(desk: Desk) -> Place:
    """The place of a group in which something is open."""
    wanted = Expected.of(desk.emulator.world).risky
    return next(
        (account, region, group.security_group_id)
        for account, region, group in desk.emulator.world.groups()
        if group.security_group_id in wanted
    )


def hide(desk: Desk, place: Place, times: int | None = None, *, by_id: bool = False) -> None:
    """Leave a group out of its region's list, so often, and without a trace; by_id: also where it is asked for."""
    left = [times]

    def bender(context: CallQuestion, answer: dict[str, Any]) -> dict[str, Any] | None:
        asked = context.parameters.text("SecurityGroupIds")
        if (context.operation.action, context.account_id, context.region_id) != (
            "DescribeSecurityGroups",
            *place[:2],
        ):
            return None
        if (asked and not by_id) or left[0] == 0:
            return None
        left[0] = None if left[0] is None else left[0] - 1
        groups = answer["SecurityGroups"]["SecurityGroup"]
        answer["SecurityGroups"]["SecurityGroup"] = [
            one for one in groups if one["SecurityGroupId"] != place[2]
        ]
        return answer

    desk.emulator.state.bends.by_hand.append(bender)


def hide_region(desk: Desk, account_id: str, region_id: str, times: int | None = None) -> None:
    """Leave a region out of an account's list of regions, so often."""
    left = [times]

    def bender(context: CallQuestion, answer: dict[str, Any]) -> dict[str, Any] | None:
        if (context.operation.action, context.account_id) != ("DescribeRegions", account_id) or left[0] == 0:
            return None
        left[0] = None if left[0] is None else left[0] - 1
        regions = answer["Regions"]["Region"]
        answer["Regions"]["Region"] = [one for one in regions if one["RegionId"] != region_id]
        return answer

    desk.emulator.state.bends.by_hand.append(bender)


def every_group(desk: Desk) -> set[Place]:
    """The place of each group there is."""
    return {(account, region, one.security_group_id) for account, region, one in desk.emulator.world.groups()}


def seen(desk: Desk, name: str = "first") -> set[Place]:
    """The place of each group that the run read."""
    with SqliteReader(desk.folder / name) as reader:
        return {(one.account_id, one.region_id, one.security_group_id) for one in reader.groups_seen()}


def told(desk: Desk, name: str = "first") -> set[tuple[str, str | None, str | None]]:
    """What the run tells that it could not see."""
    return {
        (one["account_id"], one["region_id"], one["security_group_id"])
        for one in desk.lines("unreachable.jsonl", name)
    }


def calls(desk: Desk, *actions: str) -> list[Any]:
    """The calls of these actions, in order."""
    return [call for call in desk.emulator.calls if call.action in actions]


def close(desk: Desk, config: Config | None = None) -> Closed:
    """Close 22 everywhere."""
    asked = Filters(ports=("22",))
    folder = desk.folder / "inc"
    return asyncio.run(run.close(config or desk.config, asked, folder, "INC-1", lambda *_: None, Progress()))


# --- it agrees, or is not there


def test_two_witnesses_that_agree_are_told(desk: Desk) -> None:
    """A run that read all that Resource Center names says so; it costs one call a hundred groups, one for balancers."""
    summary = desk.scan()
    assert summary.complete
    assert summary.security_groups == len(every_group(desk))
    assert summary.second_witness == (
        f"two witnesses: Resource Center names no group that {summary.security_groups} read groups leave out",
    )
    assert len(calls(desk, SEARCH, COUNTS)) == 1 + -(-summary.security_groups // 100)
    assert len(calls(desk, "DescribeSecurityGroups")) == 7 * 4


def off(desk: Desk) -> None:
    """Resource Center is not enabled for the directory."""
    center_of(desk).multi_account = False


def denied(desk: Desk) -> None:
    """The hub has no right to it."""
    desk.emulator.set_faults(Fault(kind=Kind.DENIED, action="*MultiAccount*"))


def down(desk: Desk) -> None:
    """It does not answer."""
    desk.emulator.set_faults(Fault(kind=Kind.UNAVAILABLE, action="*MultiAccount*"))


def no_directory(desk: Desk) -> None:
    """The directory's id cannot be found out; the accounts are listed before that."""
    desk.emulator.set_faults(Fault(kind=Kind.DENIED, action="GetResourceDirectory", skip=1))


@pytest.mark.parametrize("how", [off, denied, down, no_directory])
def test_without_a_second_witness_the_run_is_complete_by_its_own_listing(
    desk: Desk, how: Callable[[Desk], None]
) -> None:
    """Not enabled, no right, no answer: told with its code, never an error, and nothing else differs."""
    with_it = desk.scan("with")
    how(desk)
    summary = desk.scan(cloud={"attempts": 2})
    assert (summary.complete, of_scan(summary)) == (True, of_scan(with_it))
    assert (summary.incomplete_because, summary.unreachable) == ((), 0)
    (sentence,) = summary.second_witness
    assert sentence.startswith(
        "complete by its own listing: there was no second witness, for Resource Center"
    )
    codes: dict[Callable[[Desk], None], str] = {
        off: "MultiAccountServiceNotEnabled",
        down: "ServiceUnavailable",
    }
    code = codes.get(how, "NoPermission")
    assert code in sentence
    assert desk.lines("findings.jsonl") == desk.lines("findings.jsonl", "with")


def test_an_incomplete_run_does_not_say_complete(desk: Desk) -> None:
    """By its own listing, where other things were not read."""
    center_of(desk).multi_account = False
    desk.emulator.set_faults(
        Fault(kind=Kind.DENIED, account=desk.emulator.world.account_ids[0], action="DescribeRegions")
    )
    (sentence,) = desk.scan().second_witness
    assert sentence.startswith("by its own listing: ")


def test_throttled_it_is_waited_for(desk: Desk) -> None:
    """As every call: within the limiter."""
    desk.emulator.set_faults(Fault(kind=Kind.THROTTLED, action=SEARCH, count=2))
    summary = desk.scan(limits={"window_seconds": 0.2})
    assert summary.second_witness[0].startswith("two witnesses")
    assert len(calls(desk, SEARCH)) == 2 + 1 + -(-summary.security_groups // 100)


@pytest.mark.parametrize("quirks", [Quirks(), VARIANTS["short-pages"]], ids=["full", "short"])
def test_all_its_pages_are_heard(desk_at: MakeDesk, quirks: Quirks) -> None:
    """More groups than a page gives; a short page is not the last."""
    desk = desk_at(
        World.generate(WorldOutline(5, 4, region_ids=3, groups_per_account=60)), Options(quirks=quirks)
    )
    summary = desk.scan()
    assert summary.security_groups > 200
    assert summary.second_witness[0].startswith("two witnesses")
    assert len(calls(desk, SEARCH)) >= -(-summary.security_groups // 100)


def test_a_delegated_administrator_hears_it_too(desk_at: MakeDesk) -> None:
    """The management account is within the directory's scope, whoever asks."""
    desk = desk_at(World.generate(WorldOutline(3, 3, region_ids=2, hub="delegated")))
    assert desk.scan().second_witness[0].startswith("two witnesses")


# --- a list that is short


def test_a_group_that_two_lists_leave_out_is_read_and_the_run_incomplete(desk: Desk) -> None:
    """Without a trace in the list: it is found by its id, judged and told; resumed, the run is no better."""
    place = risky(desk)
    whole = desk.scan("whole")
    hide(desk, place)
    summary = desk.scan()
    assert desk.lines("findings.jsonl") == desk.lines("findings.jsonl", "whole")
    assert place in seen(desk)
    assert (summary.security_groups, summary.rules) == (whole.security_groups, whole.rules)
    assert (summary.complete, of_scan(summary)) == (False, 3)
    (reason,) = summary.incomplete_because
    assert reason.startswith("1 groups stood in neither of two lists")
    again = desk.resume()
    assert (of_scan(again), again.incomplete_because) == (3, summary.incomplete_because)


def test_a_list_that_is_short_once_is_asked_for_again(desk: Desk) -> None:
    """The second list has it: what was missing is told, and the run is complete."""
    place = risky(desk)
    hide(desk, place, times=1)
    summary = desk.scan()
    assert seen(desk) == every_group(desk)
    assert summary.complete
    assert summary.second_witness == (
        f"two witnesses: Resource Center names no group that {summary.security_groups} read groups leave out",
        "1 groups were missing from the first list of their region, and were read because Resource Center names them",
    )


def test_a_group_that_is_hidden_everywhere_is_a_coverage_mismatch(desk: Desk) -> None:
    """Listed neither in its region nor by its id, but it has rules: unreachable, never gone."""
    place = risky(desk)
    hide(desk, place, by_id=True)
    summary = desk.scan()
    (row,) = desk.lines("unreachable.jsonl")
    assert (row["account_id"], row["region_id"], row["security_group_id"]) == place
    assert (row["code"], of_scan(summary)) == ("coverage_mismatch", 3)
    desk.emulator.state.bends.clear()
    assert desk.resume().complete
    assert seen(desk) == every_group(desk)


@pytest.mark.parametrize("times", [1, None])
def test_a_region_that_is_left_out_is_read(desk: Desk, times: int | None) -> None:
    """Its groups are found there, and it is read whole; a second list of regions decides whether that is enough."""
    place = risky(desk)
    hide_region(desk, *place[:2], times=times)
    summary = desk.scan()
    assert seen(desk) == every_group(desk)
    assert summary.complete == (times == 1)
    if times is None:
        (reason,) = summary.incomplete_because
        assert reason.startswith("1 regions stood in neither of two lists")
        assert of_scan(desk.resume()) == 3


def test_a_second_list_of_regions_is_read_to_its_end(desk: Desk) -> None:
    """Also where the first list had left out a region that Resource Center knows nothing of."""
    place = risky(desk)
    world = desk.emulator.world
    other = next(
        region for region in world.region_ids if region != place[1] and world.estate(place[0], region).groups
    )
    center_of(desk).unknown.update(world.estate(place[0], other).groups)
    hide_region(desk, *place[:2], times=1)
    hide_region(desk, place[0], other, times=1)
    desk.scan()
    assert seen(desk) == every_group(desk)


def test_it_is_a_refusal_by_ecs_that_is_a_coverage_mismatch(desk: Desk) -> None:
    """Neither found nor gone; resumed with the right, the group is read and the run complete."""
    place = risky(desk)
    hide(desk, place, times=1)
    desk.emulator.set_faults(
        Fault(kind=Kind.DENIED, account=place[0], region=place[1], action="DescribeSecurityGroups", skip=1)
    )
    summary = desk.scan()
    (row,) = desk.lines("unreachable.jsonl")
    assert (row["account_id"], row["region_id"], row["security_group_id"]) == place
    assert row["code"] == "coverage_mismatch"
    assert row["request_id"]
    assert "Forbidden" in row["message"]
    assert of_scan(summary) == 3
    desk.emulator.set_faults()
    assert desk.resume().complete
    assert seen(desk) == every_group(desk)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", [BendKind.EMPTIED, BendKind.CUT])
@pytest.mark.parametrize("count", [1, None])
def test_what_is_cut_without_a_trace_is_read_or_told(
    desk: Desk, kind: BendKind, count: int | None, seed: int
) -> None:
    """Lists cut with their counts, of regions and by ids: each group is read or told, and only then complete."""
    desk.emulator.bend(
        Bend(kind=kind, action="DescribeSecurityGroups", rate=0.4, consistent=True, count=count), seed=seed
    )
    summary = desk.scan()
    assert desk.emulator.state.bends.log
    missing = every_group(desk) - seen(desk)
    assert missing <= told(desk)
    assert summary.complete == (not told(desk) and not summary.incomplete_because)
    if count is None:
        assert of_scan(summary) == 3


# --- what it names and is not there


@pytest.mark.parametrize("name", ["", "group-not-found-400", "errors-as-200"])
def test_a_group_that_is_gone_is_told_and_no_more(desk_at: MakeDesk, name: str) -> None:
    """It is late: ECS says that there is no such group, by its id and by its rules."""
    quirks = VARIANTS[name] if name else Quirks()
    desk = desk_at(
        World.generate(WorldOutline(11, 3, region_ids=2, groups_per_account=6)), Options(quirks=quirks)
    )
    account_id, region_id, _ = risky(desk)
    center_of(desk).ghosts += [
        Resource(account_id, region_id, GROUP, f"sg-bp1ghost{number}") for number in range(101)
    ]
    summary = desk.scan()
    assert summary.complete
    assert summary.second_witness[-1] == "101 groups that Resource Center still names are gone"
    assert summary.second_witness[0].startswith("two witnesses")
    assert seen(desk) == every_group(desk)


def test_a_group_of_a_region_that_is_none_is_not_gone(desk: Desk) -> None:
    """That ECS knows no such region says nothing of the group."""
    account_id = desk.emulator.world.account_ids[0]
    center_of(desk).ghosts.append(Resource(account_id, "cn-nowhere", GROUP, "sg-bp1ghost"))
    summary = desk.scan()
    assert told(desk) == {(account_id, "cn-nowhere", "sg-bp1ghost")}
    assert of_scan(summary) == 3


def test_what_it_does_not_know_is_complete_by_its_own_listing(desk: Desk) -> None:
    """It is late or blind: the groups are read all the same, and how many it does not name is told."""
    place = risky(desk)
    center_of(desk).unknown.add(place[2])
    summary = desk.scan()
    assert place in seen(desk)
    assert summary.complete
    assert summary.second_witness[0].startswith(
        f"complete by its own listing for 1 of {summary.security_groups} groups: "
    )


def test_a_young_group_is_not_missed_by_it(desk: Desk) -> None:
    """Behind by its lag: a group that is newer is read, one that is older and gone is gone."""
    center_of(desk).lag_seconds = 3600
    desk.scan("before")
    place = risky(desk)
    desk.emulator.world.put(place[0], place[1], Group("sg-bp1young", "young", vpc_id="vpc-1"))
    world = desk.emulator.world
    account_id, region_id, old = next(
        (account, region, group)
        for account, region, group in world.groups()
        if (account, region, group.security_group_id) != place and group.security_group_id != "sg-bp1young"
    )
    del world.estate(account_id, region_id).groups[old.security_group_id]
    summary = desk.scan()
    assert seen(desk) == every_group(desk)
    assert summary.complete
    assert "for 1 of" in summary.second_witness[0]
    assert summary.second_witness[-1] == "1 groups that Resource Center still names are gone"


# --- whose group it is


def test_an_account_that_nobody_listed_is_never_entered(desk: Desk) -> None:
    """It is told, and makes the run incomplete: it may be a member that the directory's list left out, or none."""
    center_of(desk).ghosts.append(Resource("1999999999999999", "cn-hangzhou", GROUP, "sg-bp1stranger"))

    def within(context: CallQuestion, answer: dict[str, Any]) -> dict[str, Any] | None:
        if context.operation.action != SEARCH:
            return None
        row = {
            "AccountId": "1999999999999999",
            "RegionId": "cn-hangzhou",
            "ResourceType": GROUP,
            "ResourceId": "sg-bp1stranger",
        }
        return {**answer, "Resources": [*answer["Resources"], row]}

    desk.emulator.state.bends.by_hand.append(within)
    summary = desk.scan()
    (reason,) = summary.incomplete_because
    assert "1999999999999999" in reason
    assert of_scan(summary) == 3
    assert not [call for call in desk.emulator.calls if "1999999999999999" in repr(call)]


def test_a_group_named_in_the_wrong_account_is_looked_for_there_only(desk: Desk) -> None:
    """In the account that it is said to be in, by that account's own session: it is not there."""
    account_id, region_id, group_id = risky(desk)
    other = next(one for one in desk.emulator.world.account_ids if one != account_id)
    center_of(desk).ghosts.append(Resource(other, region_id, GROUP, group_id))
    desk.scan()
    assert seen(desk) == every_group(desk)
    assert not told(desk)


def test_filters_narrow_what_is_compared(desk: Desk) -> None:
    """Other accounts and regions than were asked for are neither missing nor strangers."""
    account_id, region_id, _ = risky(desk)
    hide(desk, risky(desk))
    other = next(one for one in desk.emulator.world.account_ids if one != account_id)
    summary = desk.scan("account", Filters(accounts=(other,)))
    assert summary.complete
    assert {place[0] for place in seen(desk, "account")} == {other}
    assert summary.second_witness[0].startswith("two witnesses")
    elsewhere = tuple(one for one in desk.emulator.world.region_ids if one != region_id)
    summary = desk.scan("region", Filters(regions=elsewhere))
    assert summary.complete
    assert region_id not in {place[1] for place in seen(desk, "region")}
    asked = Filters(accounts=(account_id,), regions=(region_id,))
    desk.scan("both", asked)
    assert risky(desk) in seen(desk, "both")


def test_a_region_that_was_not_asked_for_is_not_read_because_it_is_named(desk: Desk) -> None:
    """A witness that does not keep to the filter widens no run."""
    account_id, region_id, group_id = risky(desk)

    def bender(context: CallQuestion, answer: dict[str, Any]) -> dict[str, Any] | None:
        if context.operation.action != SEARCH:
            return None
        row = {
            "AccountId": account_id,
            "RegionId": region_id,
            "ResourceType": GROUP,
            "ResourceId": group_id,
        }
        return {**answer, "Resources": [*answer["Resources"], row]}

    desk.emulator.state.bends.by_hand.append(bender)
    elsewhere = tuple(one for one in desk.emulator.world.region_ids if one != region_id)
    assert desk.scan(filters=Filters(regions=elsewhere)).complete
    assert region_id not in {place[1] for place in seen(desk)}


# --- lies of its own


@pytest.mark.parametrize(
    "kind",
    [
        BendKind.EMPTIED,
        BendKind.CUT,
        BendKind.REPLACED,
        BendKind.WRONG_TYPE,
        BendKind.ABSENT,
        BendKind.STAR,
        BendKind.OTHER_ACCOUNT,
    ],
)
def test_a_lying_witness_is_no_second_witness(desk: Desk, kind: BendKind) -> None:
    """Emptied, cut, of the wrong type, of nobody: the run reads all it can list, and claims no second witness."""
    desk.scan("honest")
    desk.emulator.bend(Bend(kind=kind, action=SEARCH))
    summary = desk.scan()
    assert desk.emulator.state.bends.log
    assert desk.lines("findings.jsonl") == desk.lines("findings.jsonl", "honest")
    assert seen(desk) == every_group(desk)
    assert "by its own listing" in summary.second_witness[0]


def test_a_witness_that_repeats_itself_names_each_group_once(desk: Desk) -> None:
    """What it names again on a later page does not stand in for what it does not name."""
    center_of(desk).unknown.add(risky(desk)[2])
    first: list[dict[str, Any]] = []

    def bender(context: CallQuestion, answer: dict[str, Any]) -> dict[str, Any] | None:
        if context.operation.action != SEARCH:
            return None
        if not context.parameters.text("NextToken"):
            first.extend(answer["Resources"])
            return None
        return {**answer, "Resources": [*answer["Resources"], *first[:10]]}

    desk.emulator.state.bends.by_hand.append(bender)
    summary = desk.scan()
    assert len(calls(desk, SEARCH)) > 1
    assert "for 1 of" in summary.second_witness[0]


@pytest.mark.parametrize("kind", [BendKind.EMPTIED, BendKind.CUT, BendKind.WRONG_TYPE, BendKind.STAR])
def test_a_lying_witness_makes_no_short_run_better(desk: Desk, kind: BendKind) -> None:
    """A run that is incomplete without it is as incomplete with it."""
    place = risky(desk)
    desk.emulator.set_faults(Fault(kind=Kind.DENIED, account=place[0], action="DescribeSecurityGroups"))
    desk.emulator.bend(Bend(kind=kind, action="*MultiAccount*"))
    summary = desk.scan()
    rows = told(desk)
    assert of_scan(summary) == 3
    assert {row[0] for row in rows} == {place[0]}
    center_of(desk).multi_account = False
    desk.emulator.bend()
    desk.scan("without")
    assert rows == told(desk, "without")


@pytest.mark.parametrize(
    "row",
    [
        {"ResourceId": "*"},
        {"ResourceId": "sg-1/../x"},
        {"RegionId": "evil.example.com/"},
        {"RegionId": "*"},
        {"AccountId": "*"},
        {"AccountId": None},
        {"ResourceType": "ACS::ECS::Instance"},
    ],
    ids=repr,
)
def test_an_id_that_is_none_is_never_asked_for(desk: Desk, row: dict[str, Any]) -> None:
    """It could become part of a host's name or of a policy; the items beside it count, and it is told."""
    place = risky(desk)
    hide(desk, place)

    def bender(context: CallQuestion, answer: dict[str, Any]) -> dict[str, Any] | None:
        if context.operation.action != SEARCH:
            return None
        wrong = {**answer["Resources"][0], "ResourceId": "sg-bp1wrong", **row}
        return {**answer, "Resources": [wrong, *answer["Resources"]]}

    desk.emulator.state.bends.by_hand.append(bender)
    summary = desk.scan()
    assert place in seen(desk)
    assert "could not be heard to its end (MalformedAnswer: an item of Resources" in summary.second_witness[0]
    asked = [call for call in desk.emulator.calls if "sg-bp1wrong" in repr(call)]
    assert not asked


def test_what_it_named_before_it_failed_is_looked_for(desk_at: MakeDesk) -> None:
    """The first page stands where the second cannot be had; that it was not heard to its end is told."""
    desk = desk_at(World.generate(WorldOutline(5, 4, region_ids=3, groups_per_account=60)))
    account_id, region_id, group = next(iter(desk.emulator.world.groups()))
    first = (account_id, region_id, group.security_group_id)
    hide(desk, first)
    desk.emulator.set_faults(Fault(kind=Kind.DENIED, action=SEARCH, skip=2))  # after the one about balancers
    summary = desk.scan()
    assert first in seen(desk)
    assert summary.second_witness[0].startswith(
        "by its own listing: Resource Center, the second witness, could not"
    )


# --- an incident


def test_an_incident_closes_what_only_the_second_witness_names(desk: Desk) -> None:
    """In the same command: a group that its region's list leaves out is planned and changed, too."""
    world = desk.emulator.world
    place = next(
        (account, region, group.security_group_id)
        for account, region, group in world.groups()
        if group.security_group_id in Expected.of(world).risky
        and not group.service_managed
        and any(rule.port_range == "22/22" and rule.source_cidr_ip == "0.0.0.0/0" for rule in group.rules)
    )
    hide(desk, place)
    closed = close(desk)
    assert of_close(closed) == 3
    assert {
        one["outcome"] for one in desk.lines("outcomes.jsonl", "inc") if one["security_group_id"] == place[2]
    } & {
        "revoked",
        "split",
    }
    assert of_close(close(desk)) == 3


def test_accounts_that_have_groups_come_first(desk: Desk) -> None:
    """By one call before the first account; where it is refused, in the order of their ids; none is left out."""
    world = desk.emulator.world
    empty = world.account_ids[:2]
    for account_id in empty:
        for region_id in world.region_ids:
            world.estate(account_id, region_id).groups.clear()
    one_at_a_time = desk.changed(limits={"max_accounts": 1})
    close(desk, one_at_a_time)
    order = [call.account_id for call in calls(desk, "DescribeRegions")]
    assert set(order[-2:]) == set(empty)
    assert sorted(order) == sorted(world.account_ids)
    assert len(calls(desk, COUNTS)) == 1
    denied(desk)
    desk.scan("second", limits={"max_accounts": 1})
    assert [call.account_id for call in calls(desk, "DescribeRegions")][len(order) :] == sorted(order)


def test_a_run_that_is_resumed_hears_it_again(desk: Desk) -> None:
    """Accounts that were finished before are held against it, too."""
    center_of(desk).multi_account = False
    place = risky(desk)
    hide(desk, place)
    before: Summary = desk.scan()
    assert before.complete
    assert place not in seen(desk)
    center_of(desk).multi_account = True
    after = desk.resume()
    assert place in seen(desk)
    assert of_scan(after) == 3
