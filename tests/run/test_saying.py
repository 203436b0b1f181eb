"""What is told of a run that was run again, rolled back, cut short or not read anew: never that all is well."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import date
from pathlib import Path

import msgspec
import pytest

from accounts import AcceptedUnreachable
from orchestrator import run
from orchestrator.cli import output
from orchestrator.cli.exit_codes import of_changes, of_close, of_scan, of_verify
from orchestrator.cli.known_errors import explain_error
from orchestrator.emulator import Options, Quirks, World, WorldOutline
from orchestrator.emulator.framework.quirks import RuleCount
from orchestrator.emulator.world.model import Group, Rule
from orchestrator.journal import JobState, OutcomeKind, SqliteJournal, SqliteReader
from orchestrator.run import Approval, Brake, Changed, Closed, Filters, Progress, RefusedError, Verified
from orchestrator.run.scanning import conclude
from tests.run.conftest import Desk, MakeDesk


class Door:
    """An organization of a few accounts with one group each, where 22 stands open to everybody."""

    def __init__(self, desk_at: MakeDesk, *, managed: bool = False, options: Options | None = None) -> None:
        self.world = World.generate(WorldOutline(3, 3, region_ids=1, groups_per_account=0))
        self.region = self.world.region_ids[0]
        self.accounts = list(self.world.organization.members)[:2]
        for account in self.accounts:
            self.open(account, f"sgr-first-{account}", managed=managed)
        self.desk: Desk = desk_at(self.world, options)
        self.filters = Filters(accounts=tuple(self.accounts), ports=("22",), exposure=False)

    def open(self, account: str, rule_id: str, *, port: str = "22/22", managed: bool = False) -> None:
        """Let everybody in at the account's group."""
        rule = Rule(rule_id, port_range=port, source_cidr_ip="0.0.0.0/0")
        group = Group(
            f"sg-{account}",
            vpc_id="vpc-1",
            rules=(rule,),
            service_managed=managed,
            inner_access_policy="Drop",
        )
        self.world.put(account, self.region, group)

    def rules(self, account: str) -> tuple[Rule, ...]:
        """Return the rules of the account's group."""
        return tuple(self.world.estate(account, self.region).groups[f"sg-{account}"].rules)

    def close(self, name: str = "inc", brake: Brake | None = None, *, dry_run: bool = False) -> Closed:
        """Close 22."""
        out = self.desk.folder / name
        work = run.close(
            self.desk.config, self.filters, out, "INC", lambda *_: None, Progress(), brake, dry_run=dry_run
        )
        return asyncio.run(work)

    def planned(self) -> str:
        """Scan and plan; return the digest."""
        self.desk.scan("first", self.filters)
        return run.plan(self.desk.folder / "first", self.desk.config).plan.digest

    def apply(self, digest: str, brake: Brake | None = None, progress: Progress | None = None) -> Changed:
        """Carry out the plan."""
        path, approval = self.desk.folder / "first" / "plan.json", Approval(digest)
        work = run.apply(path, approval, self.desk.config, lambda *_: None, progress or Progress(), brake)
        return asyncio.run(work)

    def rollback(self, name: str = "first") -> Changed:
        """Take back what the run has changed."""
        work = run.rollback(self.desk.folder / name, {}, self.desk.config, lambda *_: None, Progress())
        return asyncio.run(work)


@pytest.fixture
def door(desk_at: MakeDesk) -> Door:
    """Two accounts with an open 22."""
    return Door(desk_at)


def report_of(folder: Path) -> str:
    """Return the page as it is rendered now."""
    text: list[str] = []
    run.report(folder, "html", text.append)
    return "".join(text)


def test_what_was_not_read_again_stands_in_every_headline(
    door: Door, capfd: pytest.CaptureFixture[str]
) -> None:
    """With groups carried over a run ends with 3, never 0 or 1; screen, summary and report say how many."""
    door.desk.scan("first", door.filters)
    second = door.desk.scan("second", door.filters, since="first")
    assert (of_scan(second), second.complete, second.carried_over) == (3, False, 2)
    output.scan(second, door.desk.folder / "second", Progress())
    said = "2 of 2 groups were not read again"
    assert said in second.headline
    assert said in capfd.readouterr().err
    assert said in report_of(door.desk.folder / "second")
    kept = msgspec.json.decode((door.desk.folder / "second" / "summary.json").read_bytes())
    assert said in kept["headline"]


def test_close_run_again_reads_again_and_closes_what_came_back(door: Door) -> None:
    """The second pass is told with its number; the door that came back under a new id is closed, and undone, too."""
    first = door.close()
    assert (of_close(first), first.summary.pass_number, first.left_open) == (0, 1, 0)
    account = door.accounts[0]
    door.open(account, "sgr-back")
    again = door.close()
    assert (of_close(again), again.summary.pass_number, again.left_open) == (0, 2, 0)
    assert again.changed.outcomes == {OutcomeKind.revoked: 1}
    assert not door.rules(account)
    assert "1 finding closed, none of ours left open" in again.summary.headline
    assert again.summary.headline in report_of(door.desk.folder / "inc")
    assert of_changes(door.rollback("inc")) == 0
    assert [len(door.rules(one)) for one in door.accounts] == [1, 1]


def test_a_door_that_comes_back_again_and_again_is_left_with_the_reason(door: Door) -> None:
    """The loop guard counts the passes of one run; what it leaves alone is open, and ends with 1."""
    limit = door.desk.config.remediation.returned_limit
    for number in range(limit):
        assert of_close(door.close()) == 0, number
        door.open(door.accounts[0], f"sgr-back-{number}")
    left = door.close()
    assert (of_close(left), left.left_open, left.rules_open) == (1, 1, 1)
    assert len(door.rules(door.accounts[0])) == 1
    assert "1 open finding" in left.summary.headline


def test_a_rule_that_was_blocked_and_opened_again_is_not_told_as_closed(door: Door) -> None:
    """A block leaves the rule its id: what an earlier pass closed says nothing of what a later one read."""
    checks = [msgspec.structs.replace(one, action="block") for one in door.desk.config.checks]
    door.desk.config = msgspec.structs.replace(door.desk.config, checks=tuple(checks))
    assert door.close().changed.outcomes == {OutcomeKind.blocked: 2}
    account = door.accounts[0]
    door.open(account, f"sgr-first-{account}")  # the drop is gone, the rule is as it was
    stop = Brake()
    stop.press("the operator says so")
    again = door.close(brake=stop)
    assert (again.left_open, of_close(again)) == (1, 3)
    assert "1 open finding" in again.summary.headline


def test_accounts_that_an_attempt_did_not_finish_come_first(door: Door) -> None:
    """They wait the longest; then all others are read again, and those that joined since."""
    door.close()

    async def interrupt() -> None:
        async with SqliteJournal.open(door.desk.folder / "inc") as journal:
            await journal.begin_pass(2)
            claim = await journal.claim(door.accounts[0])
            assert claim is not None
            await journal.finish(claim, JobState.done)

    asyncio.run(interrupt())
    calls = door.desk.emulator.calls
    calls.clear()
    door.desk.config = door.desk.changed(limits={"max_accounts": 1})
    assert door.close().summary.pass_number == 3
    asked = [one.account_id for one in calls.of("DescribeSecurityGroups")]
    assert list(dict.fromkeys(asked)) == [door.accounts[1], door.accounts[0]]


def test_a_dry_run_changes_nothing_and_says_how_much_it_would(
    door: Door, capfd: pytest.CaptureFixture[str]
) -> None:
    """It ends with 1 over what is open, names each rule, counts them, and never writes to the cloud."""
    found = door.close("dry", dry_run=True)
    assert (of_close(found), found.left_open, len(found.planned.actions if found.planned else ())) == (
        1,
        2,
        2,
    )
    assert not door.desk.emulator.calls.of("RevokeSecurityGroup")
    assert not list((door.desk.folder / "dry").glob("plans/*"))
    output.closed(found, door.desk.folder / "dry", Progress())
    told = capfd.readouterr().err
    assert "to do: 2 revoke; 2 rules in 2 groups of 2 accounts" in told
    assert "dry run: nothing was changed" in told


def test_a_plan_is_not_made_over_one_that_was_begun_or_taken_back(door: Door) -> None:
    """What the scan found is not as it stands by now: 4, with the way on; before any intent it may be made anew."""
    folder, config = door.desk.folder / "first", door.desk.config
    digest = door.planned()
    assert run.plan(folder, config).plan.actions
    digest = run.plan(folder, config).plan.digest
    door.apply(digest)
    with pytest.raises(RefusedError, match=rf"were begun.*apply .*--digest {digest}.*rollback") as begun:
        run.plan(folder, config)
    assert explain_error(begun.value) is not None
    door.rollback()
    with pytest.raises(RefusedError, match=r"rolled back.*scan --out") as caught:
        run.plan(folder, config)
    code, _ = explain_error(caught.value) or (0, "")
    assert code == 4


def test_a_second_rollback_claims_nothing(door: Door, capfd: pytest.CaptureFixture[str]) -> None:
    """It says that nothing was left, with no change as its own, and ends with 0, asking nobody."""
    door.apply(door.planned())
    assert door.rollback().outcomes == {OutcomeKind.rolled_back: 2}
    again = door.rollback()
    assert (again.outcomes, of_changes(again), again.nothing_left) == ({}, 0, True)
    output.changed(again, is_rollback=True)
    told = capfd.readouterr().err
    assert "nothing was left to do: an earlier rollback of this run took it back" in told
    assert "rolled_back" not in told


def test_rules_that_are_gone_already_are_told_and_those_that_stand_again_too(
    door: Door, capfd: pytest.CaptureFixture[str]
) -> None:
    """All gone: a sentence and 0. One of the same content under another id is open still: 1."""
    digest = door.planned()
    first, second = door.accounts
    door.world.put(first, door.region, Group(f"sg-{first}", vpc_id="vpc-1"))
    door.open(second, "sgr-another")
    ended = door.apply(digest)
    assert (ended.outcomes, ended.others, of_changes(ended)) == ({OutcomeKind.already_absent: 2}, 1, 1)
    output.changed(ended)
    told = capfd.readouterr().err
    assert "every rule of the plan was gone already: nothing was changed" in told
    assert "STANDS AGAIN: 1 rules" in told
    assert [one["reason"] for one in door.desk.lines("outcomes.jsonl") if "sgr-another" in one["reason"]]


def test_rules_that_are_all_gone_end_with_nothing_to_do(door: Door) -> None:
    """Somebody else closed them all: 0."""
    digest = door.planned()
    for account in door.accounts:
        door.world.put(account, door.region, Group(f"sg-{account}", vpc_id="vpc-1"))
    ended = door.apply(digest)
    assert (ended.outcomes, of_changes(ended)) == ({OutcomeKind.already_absent: 2}, 0)


def test_a_stopped_apply_says_how_much_is_left(door: Door, capfd: pytest.CaptureFixture[str]) -> None:
    """Stopped before the first change, all of them are left, and no account is shown as done."""
    brake, progress = Brake(), Progress()
    digest = door.planned()
    brake.press("the operator says so")
    ended = door.apply(digest, brake, progress)
    assert (ended.left, of_changes(ended), progress.accounts_done, progress.accounts) == (2, 3, 0, 2)
    output.changed(ended)
    assert "STOPPED: the operator says so; 2 changes are left" in capfd.readouterr().err


def test_what_was_not_begun_is_told_as_such(door: Door, capfd: pytest.CaptureFixture[str]) -> None:
    """A run that was cut short counts and lists the accounts that it did not come to; none was unreadable."""
    door.desk.scan("first", door.filters)

    async def cut() -> None:
        async with SqliteJournal.open(door.desk.folder / "first") as journal:
            await journal.begin_pass(1)  # as if it had ended before any account was begun

    asyncio.run(cut())
    folder = door.desk.folder / "first"
    with SqliteReader(folder) as reader:
        summary = conclude(reader, ())
    assert (summary.accounts.not_begun, of_scan(summary)) == (2, 3)
    output.scan(summary, folder, Progress())
    told, page = capfd.readouterr().err, report_of(folder)
    for text in (told, page):
        assert "2 accounts were not begun, since the run was stopped." in text
        assert "could not be read" not in text.partition("UNREACHABLE")[0].partition("<main")[0]
    assert {one["code"] for one in door.desk.lines("unreachable.jsonl")} == {"NotBegun"}


def test_doors_of_cloud_services_are_named_beside_none_of_ours(desk_at: MakeDesk) -> None:
    """Nothing of ours is open and the table has two critical doors: the headline says so."""
    door = Door(desk_at, managed=True)
    summary = door.desk.scan("first", door.filters)
    assert of_scan(summary) == 0
    assert summary.headline == (
        "None of our own rules is open to the Internet; 2 findings of cloud services are open, critical"
    )
    assert summary.headline in report_of(door.desk.folder / "first")


def test_a_split_rule_is_one_door_in_the_next_pass(desk_at: MakeDesk) -> None:
    """What is left of a rule after a port was cut out of its middle is two rules of the cloud, and one door."""
    door = Door(desk_at)
    for account in door.accounts:
        door.open(account, f"sgr-all-{account}", port="1/65535")
    door.filters = msgspec.structs.replace(door.filters, ports=("22", "3389", "6379"))
    checks = [
        msgspec.structs.replace(one, action=one.action if one.id == "rdp" else "report")
        for one in door.desk.config.checks
    ]
    door.desk.config = msgspec.structs.replace(door.desk.config, checks=tuple(checks))
    first = door.close()
    again = door.close()
    assert all(len(door.rules(account)) > 1 for account in door.accounts)
    assert (first.left_open, first.rules_open) == (again.left_open, again.rules_open) == (4, 2)


def test_a_change_holds_a_group_against_its_count_exactly_where_a_scan_does(desk_at: MakeDesk) -> None:
    """A cloud that counts something else in RuleCount: with "ignore", nothing that is done there fails for it."""
    door = Door(desk_at, options=Options(quirks=Quirks(rule_count=RuleCount.MORE)))
    door.desk.config = door.desk.changed(cloud={"rule_count": "ignore"})
    assert door.apply(door.planned()).outcomes == {OutcomeKind.revoked: 2}
    assert door.rollback().outcomes == {OutcomeKind.rolled_back: 2}
    closed = door.close()
    assert (of_close(closed), closed.changed.outcomes) == (0, {OutcomeKind.revoked: 2})

    for account in door.accounts:
        door.open(account, f"sgr-again-{account}")
    door.desk.scan("held", door.filters)
    digest = run.plan(door.desk.folder / "held", door.desk.config).plan.digest
    door.desk.config = door.desk.changed(cloud={"rule_count": "check"})
    path = door.desk.folder / "held" / "plan.json"
    work = run.apply(path, Approval(digest), door.desk.config, lambda *_: None, Progress())
    ended = asyncio.run(work)
    assert ended.outcomes == {OutcomeKind.failed: 2}
    assert all("counts 2 rules, but 1 was given" in one.reason for one in ended.failed)


def test_verify_accepts_what_an_owner_does(door: Door, capfd: pytest.CaptureFixture[str]) -> None:
    """What is known not to be reachable is shown as accepted and costs no exit 3; what the run has changed costs it."""
    digest = door.planned()
    shut, account = door.accounts
    roles = door.world.roles.get(shut)
    door.world.roles[shut] = {}
    entry = AcceptedUnreachable(owner="ann", reason="sold", expires=date(2099, 1, 1), account=shut)

    def verified(*entries: AcceptedUnreachable) -> Verified:
        config = door.desk.changed(accepted_unreachable=entries)
        found = asyncio.run(run.verify(door.desk.folder / "first", config, Progress()))
        output.verified(found, door.desk.folder / "first", offline=False)
        return found

    assert of_verify(verified()) == 3
    assert of_verify(verified(msgspec.structs.replace(entry, expires=date(2020, 1, 1)))) == 3
    capfd.readouterr()
    found = verified(entry)
    assert (of_verify(found), len(found.accepted), found.unreachable) == (1, 1, ())
    assert "(accepted until 2099-01-01)" in capfd.readouterr().err

    door.world.roles[shut] = roles or {}
    assert door.apply(digest).outcomes == {OutcomeKind.revoked: 2}
    door.world.roles[shut] = {}
    found = verified(entry)
    assert (of_verify(found), len(found.unreachable), found.accepted) == (3, 1, ())
    assert not door.rules(account)


def test_a_stop_is_seen_before_anything_is_announced(desk_at: MakeDesk) -> None:
    """Where a file STOP is there already nobody is asked whether to go on, and nothing is called but who we are."""
    door = Door(desk_at)
    digest = door.planned()
    folder = door.desk.folder / "first"
    (folder / "STOP").touch()
    asked: list[tuple[int, int | None]] = []
    calls = len(door.desk.emulator.calls)
    work = run.apply(
        folder / "plan.json", Approval(digest), door.desk.config, lambda *them: asked.append(them), Progress()
    )
    changed = asyncio.run(work)
    assert asked == []
    assert (changed.left, of_changes(changed)) == (2, 3)
    assert "STOP exists: remove it to go on" in changed.stopped
    assert {call.action for call in list(door.desk.emulator.calls)[calls:]} == {"GetCallerIdentity"}
    (folder / "STOP").unlink()
    work = run.apply(
        folder / "plan.json", Approval(digest), door.desk.config, lambda *them: asked.append(them), Progress()
    )
    asyncio.run(work)
    assert asked == [(2, 2)]


def test_a_wave_and_its_accounts_are_named(desk_at: MakeDesk) -> None:
    """Which of how many waves, and who is being worked on, by id and name."""
    door = Door(desk_at)
    digest = door.planned()
    stages: list[str] = []
    busy: set[str] = set()

    class Watched(Progress):
        def enter(self, account_id: str, describe: Callable[[], str]) -> None:
            stages.append(self.stage)
            busy.add(describe())
            super().enter(account_id, describe)

    config = door.desk.changed(remediation={"waves": ("1 account", "100%")})
    path = door.desk.folder / "first" / "plan.json"
    asyncio.run(run.apply(path, Approval(digest), config, lambda *_: None, Watched()))
    assert stages == ["apply, wave 1 of 2", "apply, wave 2 of 2"]
    names = {one["account_id"]: one["account_name"] for one in door.desk.lines("findings.jsonl")}
    assert busy == {f"{account} {name}" for account, name in names.items()}
