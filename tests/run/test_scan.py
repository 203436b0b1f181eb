"""The sweep, end to end over real sockets: what it finds, what it says it could not see, and what it costs."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, date, datetime
from typing import Any

import msgspec
import pytest

from accounts import AcceptedUnreachable
from accounts.discovery import DiscoveryError
from orchestrator import run
from orchestrator.cli.exit_codes import of_scan
from orchestrator.cloud.errors import Denied
from orchestrator.emulator import Bend, BendKind, Fault, Kind, Options, Quirks, Throttle, World, WorldOutline
from orchestrator.emulator.framework.question import CallQuestion
from orchestrator.emulator.framework.quirks import RuleCount
from orchestrator.emulator.world.expected import Expected
from orchestrator.emulator.world.model import Group, Rule
from orchestrator.journal import JournalExists
from orchestrator.policy import parse_checks, parse_exemptions
from orchestrator.run import Filters, Progress, RefusedError, UsageError, resume, scan
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
    foretold = Expected.of(desk.emulator.world)
    assert failing_groups(desk) == foretold.risky | foretold.managed
    assert summary.complete
    assert of_scan(summary) == 1
    assert summary.accounts.total == summary.accounts.reached == 7
    groups = [group for _, _, group in desk.emulator.world.groups()]
    assert summary.rules == sum(len(group.rules) for group in groups)  # of both cards in the classic network


def test_it_makes_no_call_more_than_it_must(desk: Desk) -> None:
    """ECS calls: one per account, one per account and region, one per group with rules (two if classic)."""
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
    cards = {True: 1, False: 2}
    pages = sum(cards[bool(group.vpc_id)] * -(-len(group.rules) // 1000) for group in groups)
    assert made["DescribeSecurityGroupAttribute"] == pages
    assert made["DescribePrefixListAttributes"] + made["DescribePortRangeListEntries"] <= len(lists)
    assert not [call for call in desk.emulator.calls if call.changes and call.action != "AssumeRole"]


def test_what_cannot_be_seen_is_listed_and_makes_the_run_incomplete(desk_at: MakeDesk) -> None:
    """A closed account is a row with code, message and RequestId; the others are swept; exit 3."""
    desk = desk_at(World.generate(WorldOutline(11, 6, region_ids=3, groups_per_account=6, unreachable=2)))
    summary = desk.scan()
    rows = desk.lines("unreachable.jsonl")
    assert len(rows) == 2
    assert all(
        row["code"] and row["message"] and row["request_id"] and row["region_id"] is None for row in rows
    )
    assert (summary.accounts.reached, summary.accounts.unreachable) == (5, 2)
    assert of_scan(summary) == 3


def test_an_accepted_account_does_not_count_as_incomplete(desk_at: MakeDesk) -> None:
    """What an owner has accepted is listed still; after its day it counts again."""
    desk = desk_at(World.generate(WorldOutline(11, 3, region_ids=2, groups_per_account=3, unreachable=1)))
    desk.scan()
    (row,) = desk.lines("unreachable.jsonl")
    accepted = [
        (AcceptedUnreachable(account=row["account_id"], owner="o", reason="r", expires=date(year, 1, 1)),)
        for year in (2999, 2020)
    ]
    assert of_scan(desk.scan("second", accepted_unreachable=accepted[0])) == 1
    assert of_scan(desk.scan("third", accepted_unreachable=accepted[1])) == 3
    assert len(desk.lines("unreachable.jsonl", "second")) == 1
    assert [
        desk.lines("unreachable.jsonl", name)[0].get("accepted_until") for name in ("second", "third")
    ] == [
        "2999-01-01",
        None,
    ]
    page = (desk.folder / "third" / "report.html").read_text(encoding="utf-8")
    assert "Accepted as unreachable" not in page


@pytest.mark.parametrize(
    ("given", "exit_code"),
    [
        ({"region": "{region}"}, 0),
        ({"region": ("cn-moon", "{region}"), "code": "{code}"}, 0),
        ({"code": "{code}"}, 0),
        ({"region": "cn-moon"}, 3),
        ({"region": "{region}", "code": "Other"}, 3),
        ({"region": "{region}", "account": "1"}, 3),
    ],
)
def test_what_is_accepted_may_be_a_region_or_an_answer(
    desk: Desk, given: dict[str, Any], exit_code: int
) -> None:
    """In every account; all that is given must match."""
    filters = Filters(regions=desk.emulator.world.region_ids[:1])
    desk.emulator.set_faults(Fault(kind=Kind.DENIED, action="DescribeSecurityGroups"))
    desk.scan(filters=filters)
    row = desk.lines("unreachable.jsonl")[0]
    fields = {"region": row["region_id"], "code": row["code"]}
    said = {
        key: value.format(**fields)
        if isinstance(value, str)
        else tuple(one.format(**fields) for one in value)
        for key, value in given.items()
    }
    entry = AcceptedUnreachable(owner="o", reason="r", expires=date(2999, 1, 1), **said)
    summary = desk.scan("second", filters, accepted_unreachable=(entry,))
    assert of_scan(summary) == exit_code
    assert summary.accepted == (0 if exit_code else summary.unreachable)


def test_what_is_accepted_is_told_as_exemptions_are(desk_at: MakeDesk) -> None:
    """One that has expired, one that expires soon, and one that accepts nothing: nobody else would notice."""
    desk = desk_at(World.generate(WorldOutline(11, 3, region_ids=2, groups_per_account=3, unreachable=1)))
    desk.scan()
    account = desk.lines("unreachable.jsonl")[0]["account_id"]
    today = datetime.now(UTC).date()
    entries = [
        AcceptedUnreachable(owner="ann", reason="r", account=who, expires=day)
        for who, day in ((account, date(2020, 1, 1)), (account, today), ("7", date(2999, 1, 1)))
    ]
    entries.append(AcceptedUnreachable(owner="ann", reason="r", account=account, expires=date(2999, 1, 1)))
    summary = desk.scan("second", accepted_unreachable=tuple(entries))
    assert summary.exemption_notes == (
        f"accepted_unreachable (account {account}) of ann expired on 2020-01-01 and accepts nothing any more",
        f"accepted_unreachable (account {account}) of ann expires on {today}",
        "accepted_unreachable (account 7) of ann matches nothing: all that it is about was read, or is not in scope",
    )
    assert summary.complete


def test_a_wide_source_is_open_to_ssh_and_told_apart_elsewhere(desk_at: MakeDesk) -> None:
    """To SSH it makes the run end with 1, to a cache with 0; both are in the findings, each counted once."""
    world = World.generate(WorldOutline(11, 1, region_ids=1, groups_per_account=0))
    account, region = next(iter(world.organization.members)), world.region_ids[0]
    desk = desk_at(world)
    wide = [
        Rule(f"sgr-{port}", port_range=f"{port}/{port}", source_cidr_ip="20.0.0.0/9") for port in (6379, 22)
    ]
    summaries = []
    for name, rules in (("cache", wide[:1]), ("both", wide)):
        world.put(account, region, Group(security_group_id="sg-1", vpc_id="vpc-1", rules=tuple(rules)))
        summaries.append(
            desk.scan(
                name,
                Filters(accounts=(account,)),
            )
        )
        assert [one["check_id"] for one in desk.lines("findings.jsonl", name)] == ["wide"] * len(rules)
    assert [(of_scan(one), one.open_failures, one.wide) for one in summaries] == [(0, 0, 1), (1, 1, 1)]
    assert sum(n for by_status in summaries[1].findings.values() for n in by_status.values()) == 1
    page = (desk.folder / "both" / "report.html").read_text(encoding="utf-8")
    assert (
        "1 open finding (1 high) on 1 rule in 1 account; 1 finding of a wide source is counted apart" in page
    )
    assert page.count("In earlier versions an IPv6 source") == 1


@pytest.mark.parametrize(
    "kind", [Kind.UNAVAILABLE, Kind.TRUNCATED, Kind.RESET_BEFORE, Kind.THROTTLED, Kind.GARBAGE]
)
def test_faults_that_pass_change_nothing_in_the_result(desk_at: MakeDesk, kind: Kind) -> None:
    """A tenth of the reads fail once: the findings are the same, and the run is complete."""
    world = World.generate(WorldOutline(3, 4, region_ids=3, groups_per_account=8))
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
    world = World.generate(WorldOutline(11, 2, region_ids=2, groups_per_account=8))
    struck = world.account_ids[0]
    desk = desk_at(world, Options(faults=(Fault(kind=Kind.DENIED, account=struck, action=action),)))
    summary = desk.scan()
    rows = desk.lines("unreachable.jsonl")
    assert rows
    assert {row["account_id"] for row in rows} == {struck}
    assert all(row["region_id"] for row in rows)
    assert all((row["security_group_id"] is None) == (action == "DescribeSecurityGroups") for row in rows)
    assert not any(one["account_id"] == struck for one in desk.lines("findings.jsonl"))
    assert of_scan(summary) == 3


def with_rules(desk: Desk, at_least: int = 1) -> tuple[str, str, str]:
    """The place of one group that has so many rules, in a VPC."""
    return next(
        (account, region, group.security_group_id)
        for account, region, group in desk.emulator.world.groups()
        if len(group.rules) >= at_least and group.vpc_id
    )


@pytest.mark.parametrize("kind", [BendKind.EMPTIED, BendKind.CUT])
def test_fewer_rules_than_are_counted_make_the_group_unreachable(desk: Desk, kind: BendKind) -> None:
    """As for lack of rights: the group is told as CountMismatch, what was given is judged, and nothing is planned."""
    account, region, group = with_rules(desk, at_least=2)

    def bend(context: CallQuestion, answer: dict[str, object]) -> dict[str, object] | None:
        if (
            context.operation.action != "DescribeSecurityGroupAttribute"
            or context.parameters.text("SecurityGroupId") != group
        ):
            return None
        rules = answer["Permissions"]["Permission"]  # type: ignore[index]  # the answer's shape
        kept = [] if kind is BendKind.EMPTIED else rules[:1]
        return {**answer, "Permissions": {"Permission": kept}}

    desk.emulator.state.bends.by_hand.append(bend)
    summary = desk.scan()
    (row,) = desk.lines("unreachable.jsonl")
    assert (row["account_id"], row["region_id"], row["security_group_id"]) == (account, region, group)
    assert row["code"] == "CountMismatch"
    assert (summary.complete, of_scan(summary), summary.incomplete_because) == (False, 3, ())
    made = run.plan(desk.folder / "first", desk.config).plan
    assert group not in {action.security_group_id for action in made.actions}
    assert any(one.security_group_id == group and "CountMismatch" in one.reason for one in made.skipped)


def test_a_wholesale_disagreement_of_counts_is_told_once(desk_at: MakeDesk) -> None:
    """Then it is our reading of RuleCount that is wrong: the groups are judged and planned, the run is incomplete."""
    world = World.generate(WorldOutline(11, 6, region_ids=4, groups_per_account=12))
    desk = desk_at(world, Options(quirks=Quirks(rule_count=RuleCount.MORE)))
    summary = desk.scan()
    assert desk.lines("unreachable.jsonl") == []
    (reason,) = summary.incomplete_because
    assert 'rule_count = "ignore"' in reason
    assert of_scan(summary) == 3
    assert run.plan(desk.folder / "first", desk.config).plan.actions
    assert desk.scan("second", cloud={"rule_count": "ignore"}).complete


def test_a_region_that_counts_more_groups_than_it_lists_is_unreachable(desk: Desk) -> None:
    """Ten groups of TotalCount 25 and no page token: what came is judged, the region is not complete."""

    def bend(context: CallQuestion, answer: dict[str, object]) -> dict[str, object] | None:
        return {**answer, "TotalCount": 25} if context.operation.action == "DescribeSecurityGroups" else None

    desk.emulator.state.bends.by_hand.append(bend)
    summary = desk.scan()
    rows = desk.lines("unreachable.jsonl")
    assert {row["code"] for row in rows} == {"CountMismatch"}
    assert {row["security_group_id"] for row in rows} == {None}
    assert of_scan(summary) == 3
    assert summary.open_failures


def test_an_account_that_lists_no_region_is_unreachable(desk: Desk) -> None:
    """No account is without a region."""
    desk.emulator.bend(Bend(kind=BendKind.EMPTIED, action="DescribeRegions"))
    summary = desk.scan()
    assert {row["code"] for row in desk.lines("unreachable.jsonl")} == {"CountMismatch"}
    assert (summary.accounts.reached, of_scan(summary)) == (0, 3)


def test_a_session_of_another_account_is_refused_before_anything_is_read(desk: Desk) -> None:
    """AssumedRoleUser.Arn names another account than was asked for: nothing is asked with that session."""
    desk.emulator.bend(Bend(kind=BendKind.OTHER_ACCOUNT, action="AssumeRole"))
    desk.scan()
    rows = desk.lines("unreachable.jsonl")
    assert {row["code"] for row in rows} == {"WrongAccount"}
    hub = desk.emulator.world.organization.hub_account_id  # enters itself with its own keys
    assert {call.account_id for call in desk.emulator.calls if call.action == "DescribeRegions"} == {hub}


def test_both_cards_of_a_classic_group_are_read(desk_at: MakeDesk) -> None:
    """A rule of the intranet card is seen, and counted: `internal-lateral` and zone = "any" judge it."""
    world = World.generate(WorldOutline(11, 1, region_ids=1, groups_per_account=0))
    account, region = world.account_ids[0], world.region_ids[0]
    rules = tuple(
        Rule(security_group_rule_id=f"sgr-{card}", port_range="22/22", source_cidr_ip=source, nic_type=card)
        for card, source in (("internet", "203.0.113.9/32"), ("intranet", "10.0.0.0/8"))
    )
    world.put(account, region, Group(security_group_id="sg-classic", vpc_id="", rules=rules))
    desk = desk_at(world)
    inside = {"id": "inside", "ports": ["tcp/22"], "severity": "high", "zone": "private"}
    summary = desk.scan(checks=parse_checks([inside]))
    assert summary.complete
    found = [one for one in desk.lines("findings.jsonl") if one["security_group_id"] == "sg-classic"]
    assert [one["rule_id"] for one in found] == ["sgr-intranet"]


def test_a_repeated_page_token_is_an_incomplete_read(desk_at: MakeDesk) -> None:
    """A list that never ends is named, not read for ever and not taken for whole."""
    world = World.generate(WorldOutline(11, 1, region_ids=1, groups_per_account=250))
    fault = Fault(kind=Kind.REPEATED_TOKEN, action="DescribeSecurityGroups")
    desk = desk_at(world, Options(faults=(fault,)))
    summary = desk.scan()
    assert of_scan(summary) == 3
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
    world = World.generate(WorldOutline(11, 3, region_ids=2, groups_per_account=10))
    desk = desk_at(world, Options(quirks=quirks))
    desk.scan()
    foretold = Expected.of(world)
    assert failing_groups(desk) == foretold.risky | foretold.managed


def test_throttling_by_windows_loses_nothing(desk_at: MakeDesk) -> None:
    """A quota far below the need slows the sweep; every group is still read, none is unreachable."""
    world = World.generate(WorldOutline(5, 2, region_ids=2, groups_per_account=60))
    desk = desk_at(world, Options(throttle=Throttle(limit=8, window_seconds=0.25, hint="retry-after")))
    summary = desk.scan(limits={"window_seconds": 0.25, "share": 1.0})
    assert summary.complete
    assert summary.security_groups == sum(1 for _ in world.groups())
    assert summary.api["throttled"] > 0


def test_resume_asks_only_what_is_missing(desk_at: MakeDesk) -> None:
    """Finished accounts cost no call; what was unreachable is tried again and then complete."""
    world = World.generate(WorldOutline(11, 4, region_ids=3, groups_per_account=8))
    struck = world.account_ids[2]
    desk = desk_at(world, Options(faults=(Fault(kind=Kind.DENIED, account=struck, action=READS[0]),)))
    assert of_scan(desk.scan()) == 3
    desk.emulator.set_faults()
    desk.emulator.calls.clear()
    summary = desk.resume()
    assert summary.complete
    assert {call.account_id for call in desk.emulator.calls if call.action.startswith("Describe")} == {struck}
    foretold = Expected.of(world)
    assert failing_groups(desk) == foretold.risky | foretold.managed


def test_an_interrupted_scan_loses_nothing(desk_at: MakeDesk) -> None:
    """Cancelled in the middle, as by Ctrl-C, a run is a run folder that `resume` completes."""
    world = World.generate(WorldOutline(11, 8, region_ids=4, groups_per_account=12))
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
    foretold = Expected.of(world)
    assert failing_groups(desk) == foretold.risky | foretold.managed


def test_tokens_that_expire_in_the_middle_are_renewed(desk_at: MakeDesk) -> None:
    """Sessions refused as expired are entered anew, and nothing is lost."""
    world = World.generate(WorldOutline(11, 3, region_ids=3, groups_per_account=8))
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
    """Where it cannot be asked for beforehand, it is unreachable in every account, with the ones there are."""
    desk.emulator.set_faults(
        Fault(kind=Kind.DENIED, action="DescribeRegions", count=2)
    )  # the hub, the first account
    summary = desk.scan(filters=Filters(regions=("cn-atlantis",)))
    rows = desk.lines("unreachable.jsonl")
    assert len(rows) == 7
    assert "cn-atlantis" in rows[0]["message"]
    assert of_scan(summary) == 3


def test_a_region_that_the_first_account_has_is_one(desk: Desk) -> None:
    """The hub's own keys may not be allowed to ask for regions: then the first account is asked."""
    desk.emulator.set_faults(Fault(kind=Kind.DENIED, action="DescribeRegions", count=1))
    with pytest.raises(UsageError, match=r"there is no region cn-hangzou\. Did you mean cn-hangzhou"):
        desk.scan(filters=Filters(regions=("cn-hangzou",)))
    assert not (desk.folder / "first").exists()


def test_a_filter_that_matches_nothing_is_an_error(desk: Desk) -> None:
    """Zero accounts are no clean organization; nothing is written."""
    with pytest.raises(DiscoveryError, match="nobody"):
        desk.scan(filters=Filters(accounts=("nobody",)))
    assert not (desk.folder / "first").exists()


def test_a_hub_that_may_not_list_accounts_says_so(desk_at: MakeDesk) -> None:
    """The error of the first call stands as it is, and no folder is left behind."""
    world = World.generate(WorldOutline(11, 1, region_ids=1))
    desk = desk_at(world, Options(faults=(Fault(kind=Kind.DENIED, action="ListAccounts"),)))
    with pytest.raises(Denied, match="ListAccounts"):
        desk.scan()
    assert not (desk.folder / "first").exists()


def test_a_run_folder_is_never_overwritten(desk: Desk) -> None:
    """A second scan into the same folder is refused before the cloud is asked."""
    desk.scan()
    desk.emulator.calls.clear()
    with pytest.raises(JournalExists, match="holds a run already"):
        desk.scan()
    assert not list(desk.emulator.calls)


def test_resume_against_another_cloud_is_refused(desk_at: MakeDesk) -> None:
    """A run made against one endpoint never goes on against another."""
    desk = desk_at(World.generate(WorldOutline(11, 1, region_ids=1)))
    desk.scan()
    other = desk_at(World.generate(WorldOutline(11, 1, region_ids=1)))
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
