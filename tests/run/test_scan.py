"""The sweep, end to end over real sockets: what it finds, what it says it could not see, and what it costs."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import date

import msgspec
import pytest

from accounts.discovery import DiscoveryError
from orchestrator.cloud.errors import Denied
from orchestrator.config import AcceptedUnreachable
from orchestrator.emulator import Fault, Kind, Options, Quirks, Throttle, World
from orchestrator.emulator.foretold import Foretold
from orchestrator.emulator.model import Rule
from orchestrator.journal import JournalExists
from orchestrator.policy import parse_exemptions
from orchestrator.run import Filters, Progress, RefusedError, resume, scan
from tests.run.conftest import Desk, MakeDesk

READS = ("DescribeSecurityGroups", "DescribeSecurityGroupAttribute")


def failing_groups(desk: Desk, name: str = "first") -> set[str]:
    """Return the groups with a failing finding that is open or managed."""
    return {
        one["security_group_id"]
        for one in desk.lines("findings.jsonl", name)
        if one["verdict"] == "fail" and one["status"] in {"open", "managed"}
    }


def test_it_finds_what_the_world_foretells(desk: Desk) -> None:
    """Every group made risky has a finding, and none that was made harmless."""
    summary = desk.scan()
    foretold = Foretold.of(desk.emulator.world)
    assert failing_groups(desk) == foretold.risky | foretold.managed
    assert summary.complete
    assert summary.exit_code == 1
    assert summary.accounts.total == summary.accounts.reached == 7
    groups = [group for _, _, group in desk.emulator.world.groups()]
    # In the classic network only the rules of the public card are read: the others face no Internet.
    facing = [rule for group in groups for rule in group.rules if group.vpc_id or rule.nic_type == "internet"]
    assert summary.rules == len(facing)


def test_it_makes_no_call_more_than_it_must(desk: Desk) -> None:
    """ECS calls: one per account, one per account and region, one per group that has rules, and further pages."""
    desk.scan()
    world = desk.emulator.world
    groups = [group for _, _, group in world.groups()]
    lists = {  # read once for each account and region
        (account, region, one)
        for account in world.account_ids
        for region in world.region_ids
        for one in (*world.estate(account, region).prefix_lists, *world.estate(account, region).port_lists)
    }
    made = Counter(call.action for call in desk.emulator.calls)
    assert made["DescribeRegions"] == len(world.account_ids)
    assert made["DescribeSecurityGroups"] == len(world.account_ids) * len(world.region_ids)
    pages = sum(-(-len(group.rules) // 1000) for group in groups)
    assert made["DescribeSecurityGroupAttribute"] == pages
    assert made["DescribePrefixListAttributes"] + made["DescribePortRangeListEntries"] <= len(lists)
    assert not [call for call in desk.emulator.calls if call.changes and call.action != "AssumeRole"]


def test_what_cannot_be_seen_is_listed_and_makes_the_run_incomplete(desk_at: MakeDesk) -> None:
    """A closed account is a row with code, message and RequestId; the others are swept; exit 3."""
    desk = desk_at(World.generate(11, 6, region_ids=3, groups_per_account=6, unreachable=2))
    summary = desk.scan()
    rows = desk.lines("unreachable.jsonl")
    assert len(rows) == 2
    assert all(
        row["code"] and row["message"] and row["request_id"] and row["region_id"] is None for row in rows
    )
    assert (summary.accounts.reached, summary.accounts.unreachable) == (5, 2)
    assert summary.exit_code == 3


def test_an_accepted_account_does_not_count_as_incomplete(desk_at: MakeDesk) -> None:
    """What an owner has accepted is listed still; after its day it counts again."""
    desk = desk_at(World.generate(11, 3, region_ids=2, groups_per_account=3, unreachable=1))
    desk.scan()
    (row,) = desk.lines("unreachable.jsonl")
    accepted = [
        (AcceptedUnreachable(account=row["account_id"], owner="o", reason="r", expires=date(year, 1, 1)),)
        for year in (2999, 2020)
    ]
    assert desk.scan("second", accepted_unreachable=accepted[0]).exit_code == 1
    assert desk.scan("third", accepted_unreachable=accepted[1]).exit_code == 3
    assert len(desk.lines("unreachable.jsonl", "second")) == 1


@pytest.mark.parametrize(
    "kind", [Kind.UNAVAILABLE, Kind.TRUNCATED, Kind.RESET_BEFORE, Kind.THROTTLED, Kind.GARBAGE]
)
def test_faults_that_pass_change_nothing_in_the_result(desk_at: MakeDesk, kind: Kind) -> None:
    """A tenth of the reads fail once: the findings are the same, and the run is complete."""
    world = World.generate(3, 4, region_ids=3, groups_per_account=8)
    calm = desk_at(world)
    calm.scan()
    stormy = desk_at(world, Options(faults=(Fault(kind=kind, rate=0.1, action="Describe*"),), seed=5))
    summary = stormy.scan("stormy", limits={"window_seconds": 0.2})
    assert stormy.lines("findings.jsonl", "stormy") == calm.lines("findings.jsonl")
    assert summary.complete
    assert summary.api["retried"] + summary.api["throttled"] > 0


@pytest.mark.parametrize("action", READS)
def test_a_read_that_fails_for_good_is_never_a_pass(desk_at: MakeDesk, action: str) -> None:
    """A region or group that cannot be read in full is unreachable, named, and not among the findings."""
    world = World.generate(11, 2, region_ids=2, groups_per_account=8)
    struck = world.account_ids[0]
    desk = desk_at(world, Options(faults=(Fault(kind=Kind.DENIED, account=struck, action=action),)))
    summary = desk.scan()
    rows = desk.lines("unreachable.jsonl")
    assert rows
    assert {row["account_id"] for row in rows} == {struck}
    assert all(row["region_id"] for row in rows)
    assert all((row["security_group_id"] is None) == (action == "DescribeSecurityGroups") for row in rows)
    assert not any(one["account_id"] == struck for one in desk.lines("findings.jsonl"))
    assert summary.exit_code == 3


def test_an_empty_list_is_not_taken_for_an_empty_group(desk_at: MakeDesk) -> None:
    """Where rules are counted but none is given, as for lack of rights, the group is unreachable and not clean."""
    world = World.generate(11, 2, region_ids=2, groups_per_account=8)
    desk = desk_at(world, Options(faults=(Fault(kind=Kind.EMPTY, action="DescribeSecurityGroupAttribute"),)))
    summary = desk.scan()
    rows = desk.lines("unreachable.jsonl")
    assert len(rows) == sum(1 for _, _, group in world.groups() if group.rules)
    assert {row["code"] for row in rows} == {"MalformedAnswer"}
    assert summary.exit_code == 3


def test_a_repeated_page_token_is_an_incomplete_read(desk_at: MakeDesk) -> None:
    """A list that never ends is named, not read for ever and not taken for whole."""
    world = World.generate(11, 1, region_ids=1, groups_per_account=250)
    fault = Fault(kind=Kind.REPEATED_TOKEN, action="DescribeSecurityGroups")
    desk = desk_at(world, Options(faults=(fault,)))
    summary = desk.scan()
    assert summary.exit_code == 3
    assert {row["code"] for row in desk.lines("unreachable.jsonl")} == {"MalformedAnswer"}


@pytest.mark.parametrize(
    "quirks",
    [
        Quirks(priority_as_text=True),
        Quirks(numeric_protocols_echoed=True),
        Quirks(port_list_shows="-1/-1"),
        Quirks(port_list_shows="entries"),
        Quirks(read_lag_seconds=0.0),
    ],
    ids=str,
)
def test_open_questions_of_the_api_do_not_matter(desk_at: MakeDesk, quirks: Quirks) -> None:
    """Whatever the documentation leaves open, the same groups are found."""
    world = World.generate(11, 3, region_ids=2, groups_per_account=10)
    desk = desk_at(world, Options(quirks=quirks))
    desk.scan()
    foretold = Foretold.of(world)
    assert failing_groups(desk) == foretold.risky | foretold.managed


def test_throttling_by_windows_loses_nothing(desk_at: MakeDesk) -> None:
    """A quota far below the need slows the sweep; every group is still read, none is unreachable."""
    world = World.generate(5, 2, region_ids=2, groups_per_account=60)
    desk = desk_at(world, Options(throttle=Throttle(limit=8, window_seconds=0.25, hint="retry-after")))
    summary = desk.scan(limits={"window_seconds": 0.25, "share": 1.0})
    assert summary.complete
    assert summary.security_groups == sum(1 for _ in world.groups())
    assert summary.api["throttled"] > 0


def test_resume_asks_only_what_is_missing(desk_at: MakeDesk) -> None:
    """Finished accounts cost no call; what was unreachable is tried again and then complete."""
    world = World.generate(11, 4, region_ids=3, groups_per_account=8)
    struck = world.account_ids[2]
    desk = desk_at(world, Options(faults=(Fault(kind=Kind.DENIED, account=struck, action=READS[0]),)))
    assert desk.scan().exit_code == 3
    desk.emulator.set_faults()
    desk.emulator.calls.clear()
    summary = desk.resume()
    assert summary.complete
    assert {call.account_id for call in desk.emulator.calls if call.action.startswith("Describe")} == {struck}
    foretold = Foretold.of(world)
    assert failing_groups(desk) == foretold.risky | foretold.managed


def test_an_interrupted_scan_loses_nothing(desk_at: MakeDesk) -> None:
    """Cancelled in the middle, as by Ctrl-C, a run is a run folder that `resume` completes."""
    world = World.generate(11, 8, region_ids=4, groups_per_account=12)
    desk = desk_at(world, Options(latency_seconds=0.02))
    progress = Progress()

    async def interrupted() -> None:
        task = asyncio.create_task(scan(desk.config, Filters(), desk.folder / "first", progress))
        while progress.accounts_done < 2:  # noqa: ASYNC110 (what is awaited is a counter of the run's own)
            await asyncio.sleep(0.005)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(interrupted())
    assert desk.lines("findings.jsonl")
    summary = desk.resume(limits={"max_accounts": 8})
    assert summary.complete
    foretold = Foretold.of(world)
    assert failing_groups(desk) == foretold.risky | foretold.managed


def test_tokens_that_expire_in_the_middle_are_renewed(desk_at: MakeDesk) -> None:
    """Sessions refused as expired are entered anew, and nothing is lost."""
    world = World.generate(11, 3, region_ids=3, groups_per_account=8)
    member = world.account_ids[1]  # the hub's own keys have no end
    fault = Fault(kind=Kind.EXPIRED, account=member, action="DescribeSecurityGroup*", skip=2, count=1)
    desk = desk_at(world, Options(faults=(fault,), seed=3))
    summary = desk.scan()
    assert summary.complete
    assert any(call.fault == "expired" for call in desk.emulator.calls)


def test_filters_narrow_the_sweep(desk: Desk) -> None:
    """Accounts, regions and ports given on the command line are all that is read and judged."""
    account = desk.emulator.world.account_ids[1]
    region = desk.emulator.world.region_ids[0]
    filters = Filters(accounts=(account,), regions=(region,), ports=("6379",))
    summary = desk.scan(filters=filters)
    reads = [call for call in desk.emulator.calls if call.action in READS]
    assert {(call.account_id, call.region_id) for call in reads} == {(account, region)}
    assert summary.accounts.total == 1
    assert summary.skipped_accounts == 6


def test_a_region_that_does_not_exist_is_said(desk: Desk) -> None:
    """A region nobody has is unreachable in every account, with the ones there are."""
    summary = desk.scan(filters=Filters(regions=("cn-atlantis",)))
    rows = desk.lines("unreachable.jsonl")
    assert len(rows) == 7
    assert "cn-atlantis" in rows[0]["message"]
    assert summary.exit_code == 3


def test_a_filter_that_matches_nothing_is_an_error(desk: Desk) -> None:
    """Zero accounts are no clean organization; nothing is written."""
    with pytest.raises(DiscoveryError, match="nobody"):
        desk.scan(filters=Filters(accounts=("nobody",)))
    assert not (desk.folder / "first").exists()


def test_a_hub_that_may_not_list_accounts_says_so(desk_at: MakeDesk) -> None:
    """The error of the first call stands as it is, and no folder is left behind."""
    world = World.generate(11, 1, region_ids=1)
    desk = desk_at(world, Options(faults=(Fault(kind=Kind.DENIED, action="ListAccounts"),)))
    with pytest.raises(Denied, match="ListAccounts"):
        desk.scan()
    assert not (desk.folder / "first").exists()


def test_a_run_folder_is_never_overwritten(desk: Desk) -> None:
    """A second scan into the same folder is refused before the cloud is asked."""
    desk.scan()
    desk.emulator.calls.clear()
    with pytest.raises(JournalExists, match="resume"):
        desk.scan()
    assert not list(desk.emulator.calls)


def test_resume_against_another_cloud_is_refused(desk_at: MakeDesk) -> None:
    """A run made against one endpoint never goes on against another."""
    desk = desk_at(World.generate(11, 1, region_ids=1))
    desk.scan()
    other = desk_at(World.generate(11, 1, region_ids=1))
    with pytest.raises(Exception, match="was made against"):
        asyncio.run(resume(other.config, desk.folder / "first", Progress()))


def test_no_secret_is_in_any_file_of_the_run(desk: Desk) -> None:
    """Neither the hub's secret nor a session's token is in the run folder."""
    desk.scan()
    secret = desk.emulator.hub_credentials.access_key_secret.encode()
    for path in (desk.folder / "first").iterdir():
        content = path.read_bytes()
        assert secret not in content, path
        assert b"SecurityToken" not in content, path
        assert path.stat().st_mode & 0o077 == 0, f"{path} can be read by others"


def test_changed_since_reads_only_groups_whose_listing_changed(desk: Desk) -> None:
    """What the listing shows as unchanged is taken over, findings included; what grew is read."""
    desk.scan()
    world = desk.emulator.world
    account, region, group = next(one for one in world.groups() if one[2].vpc_id and one[2].rules)
    opened = Rule("sgr-new", port_range="22/22", source_cidr_ip="0.0.0.0/0")
    world.put(account, region, msgspec.structs.replace(group, rules=(*group.rules, opened)))
    desk.emulator.calls.clear()
    summary = desk.scan("second", since="first")
    read = desk.emulator.calls.of("DescribeSecurityGroupAttribute")
    assert {call.parameters["SecurityGroupId"] for call in read} == {group.security_group_id}
    assert summary.carried_over == summary.security_groups - 1
    first = {(one["rule_id"], one["check_id"]) for one in desk.lines("findings.jsonl")}
    second = {(one["rule_id"], one["check_id"]) for one in desk.lines("findings.jsonl", "second")}
    assert second - first == {("sgr-new", "ssh")}
    assert first <= second


def test_changed_since_refuses_a_run_that_looked_for_something_else(desk: Desk) -> None:
    """What one list of checks found clean is not clean by another."""
    desk.scan(filters=Filters(ports=("22",)))
    with pytest.raises(RefusedError, match="other checks"):
        desk.scan("second", since="first")


def test_what_is_to_say_of_exemptions_is_in_the_summary(desk: Desk) -> None:
    """One that has expired and one that matches nothing are told by the scan itself."""
    table = {"rule": "sgr-x", "owner": "ann", "reason": "lab"}
    tables = [
        {**table, "id": "old", "expires": "2020-01-01"},
        {**table, "id": "idle", "expires": "2099-01-01"},
    ]
    summary = desk.scan(exemptions=parse_exemptions(tables))
    assert [note.split()[1] for note in summary.exemption_notes] == ["old", "idle"]
    assert "no longer shields" in summary.exemption_notes[0]
