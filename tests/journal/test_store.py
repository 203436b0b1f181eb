"""The journal: what was acknowledged is there, whoever comes later sees it, and nobody else writes it."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from accounts import Account, SkippedAccount, Unreachable
from orchestrator.journal import (
    Claim,
    Fenced,
    JobState,
    SqliteJournal,
    SqliteReader,
    check_folder,
    listing_digest,
)
from tests.journal.kit import HEADER, Found, claimed, intent, observed, settled


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[SqliteJournal]:
    """A new run's journal."""
    async with SqliteJournal.create(tmp_path / "run", HEADER) as journal:
        yield journal


async def test_a_run_folder_is_for_its_owner_only(journal: SqliteJournal) -> None:
    """Every file of the run is mode 0600, SQLite's own ones too, and the folder 0700."""
    await claimed(journal)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in journal.folder.iterdir()}
    assert {"journal.sqlite", "journal.sqlite-wal", "audit.jsonl", "manifest.json"} <= modes.keys()
    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE(journal.folder.stat().st_mode) == 0o700


async def test_what_a_scan_saw_is_read_back(journal: SqliteJournal) -> None:
    """Accounts, groups in the API's words, findings, counts and what could not be seen come back."""
    account = Account("1001", "web", ("r-1",), "Root/Prod", (("env", "prod"),), "CreateSuccess")
    await journal.add_accounts([account], [SkippedAccount("1009", "old", "excluded")])
    claim = await claimed(journal)
    group, findings = observed(rules=2), (Found("sgr-0", "open"), Found("sgr-1", "open too"))
    await journal.record_group(claim, group, findings)
    await journal.record_group(claim, observed("sg-2"), ())
    lost = Unreachable("1001", "cn-beijing", None, "Forbidden.RAM", "no", "req-1")
    await journal.record_unreachable(claim, lost)
    await journal.region_done(claim, "cn-hangzhou", {"security_groups": 2, "rules": 3})
    await journal.finish(claim, JobState.in_part)
    with SqliteReader(journal.folder) as reader:
        assert reader.header == HEADER
        assert [(s.account, s.state) for s in reader.accounts()] == [(account, JobState.in_part)]
        assert [s.account_id for s in reader.skipped()] == ["1009"]
        assert list(reader.findings(Found)) == list(findings)
        assert list(reader.observed(Found)) == [(group, findings)]
        assert list(reader.unreachables()) == [lost]
        assert reader.totals() == {"security_groups": 2, "rules": 3, "regions": 1}
        assert reader.group_of_rule("sgr-1") == group
        assert reader.group_of_rule("sgr-9") is None
        assert [f.reason for f in reader.findings_of_rule("sgr-0", Found)] == ["open"]
        assert reader.regions_done("1001") == {"cn-hangzhou"}


async def test_every_group_leaves_its_listings_digest_but_only_findings_keep_it_whole(
    journal: SqliteJournal,
) -> None:
    """A group without findings is remembered by its listing's digest, which tells a later run whether it changed."""
    claim = await claimed(journal)
    await journal.record_group(claim, observed("sg-1"), [Found("sgr-0")])
    await journal.record_group(claim, observed("sg-2"), [])
    kept, seen = journal.groups_seen()
    whole = [journal.observed_group("1001", "cn-hangzhou", group_id) for group_id in ("sg-1", "sg-2")]
    assert whole == [observed("sg-1"), None]
    assert seen.listing_digest == listing_digest(observed("sg-2").listing) != kept.listing_digest
    assert journal.group_seen("1001", "cn-hangzhou", "sg-3") is None


async def test_a_group_is_carried_over_from_an_earlier_run(journal: SqliteJournal, tmp_path: Path) -> None:
    """A group not read again stands in the new run as the old one had it, findings and all."""
    claim = await claimed(journal)
    await journal.record_group(claim, observed(), [Found("sgr-0")])
    async with SqliteJournal.create(tmp_path / "next", HEADER) as following:
        seen = journal.group_seen("1001", "cn-hangzhou", "sg-1")
        assert seen is not None
        await following.carry_over(
            await claimed(following), seen, *journal.stored("1001", "cn-hangzhou", "sg-1", Found)
        )
        assert list(following.observed(Found)) == list(journal.observed(Found))
        assert list(following.groups_seen()) == list(journal.groups_seen())


async def test_reading_a_group_again_replaces_what_was_written(journal: SqliteJournal) -> None:
    """After a crash the group is read again: its findings do not double, and vanished groups go."""
    claim = await claimed(journal)
    await journal.record_group(claim, observed("sg-1"), [Found("sgr-0"), Found("sgr-1")])
    await journal.record_group(claim, observed("sg-gone"), [Found("sgr-2")])
    again = await claimed(journal)
    await journal.record_group(again, observed("sg-1"), [Found("sgr-0")])
    await journal.region_done(again, "cn-hangzhou", {})
    assert [f.rule_id for f in journal.findings(Found)] == ["sgr-0"]
    assert [g.security_group_id for g in journal.groups_seen()] == ["sg-1"]


async def test_a_finished_account_is_never_claimed_again(journal: SqliteJournal) -> None:
    """`done` ends an account for its job, any other state lets it be claimed once more, jobs are apart."""
    claim = await claimed(journal)
    await journal.finish(claim, JobState.in_part)
    await journal.finish(await claimed(journal))
    assert await journal.claim("1001") is None
    assert (await claimed(journal, job="apply:1")).fence == 1
    assert await journal.claim("1001") is None


async def test_what_was_unreachable_is_tried_again(journal: SqliteJournal) -> None:
    """A new claim forgets what could not be seen and reopens its region; whole regions are kept."""
    claim = await claimed(journal)
    await journal.region_done(claim, "cn-hangzhou", {"rules": 1})
    await journal.record_unreachable(claim, Unreachable("1001", "cn-beijing", "sg-9", "Timeout", "", ""))
    await journal.region_done(claim, "cn-beijing", {"rules": 2})
    await journal.finish(claim, JobState.in_part)
    await claimed(journal)
    assert list(journal.unreachables()) == []
    assert journal.regions_done("1001") == {"cn-hangzhou"}


async def test_an_account_whose_scan_has_ended_is_opened_again_for_some_regions(
    journal: SqliteJournal,
) -> None:
    """What could not be seen elsewhere stands; stopped in the middle, the account is claimed like any other."""
    claim = await claimed(journal)
    for region_id in ("cn-beijing", "cn-hangzhou"):
        await journal.record_group(claim, observed(region_id=region_id), [])
        await journal.record_unreachable(claim, Unreachable("1001", region_id, "sg-9", "Timeout", "", ""))
        await journal.region_done(claim, region_id, {"rules": 1})
    await journal.finish(claim)
    again = await journal.reopen("1001", ["cn-beijing"])
    assert again.fence > claim.fence
    assert journal.regions_done("1001") == {"cn-hangzhou"}
    assert [one.region_id for one in journal.unreachables()] == ["cn-hangzhou"]
    assert journal.group_seen("1001", "cn-beijing", "sg-1") is not None
    with pytest.raises(Fenced):
        await journal.finish(claim)
    assert await journal.claim("1001") is not None


async def test_what_could_not_be_seen_is_a_group_its_region_or_its_account(journal: SqliteJournal) -> None:
    """Each of the three stands for what is in it, and for nothing beside it."""
    claim = await claimed(journal)
    await journal.record_unreachable(claim, Unreachable("1001", "cn-beijing", "sg-9", "Timeout", "", ""))
    assert journal.is_unreachable("1001", "cn-beijing", "sg-9")
    assert not journal.is_unreachable("1001", "cn-beijing", "sg-1")
    await journal.record_unreachable(claim, Unreachable("1001", "cn-beijing", None, "Timeout", "", ""))
    assert journal.is_unreachable("1001", "cn-beijing", "sg-1")
    assert not journal.is_unreachable("1001", "cn-hangzhou", "sg-1")
    await journal.record_unreachable(claim, Unreachable("1001", None, None, "Timeout", "", ""))
    assert journal.is_unreachable("1001", "cn-hangzhou", "sg-1")
    assert not journal.is_unreachable("1002", "cn-hangzhou", "sg-1")


async def test_only_the_last_claim_may_write(journal: SqliteJournal) -> None:
    """A worker that lost its account writes nothing more, whatever it tries."""
    stale = await claimed(journal)
    await claimed(journal)
    attempts = [
        journal.record_group(stale, observed(), [Found("sgr-0")]),
        journal.record_unreachable(stale, Unreachable("1001", None, None, "x", "", "")),
        journal.region_done(stale, "cn-hangzhou", {"rules": 1}),
        journal.intend(stale, [intent("sgr-0")]),
        journal.settle(stale, [settled("sgr-0")]),
        journal.finish(stale),
    ]
    for result in await asyncio.gather(*attempts, return_exceptions=True):
        assert isinstance(result, Fenced)
    assert list(journal.findings(Found)) == []
    assert list(journal.audit_records()) == []
    assert list(journal.unreachables()) == []


async def test_one_refused_write_does_not_hurt_those_that_share_its_commit(journal: SqliteJournal) -> None:
    """Writers share commits, not fates: a fenced one is undone alone and leaves no hole in the trail."""
    stale = await claimed(journal, job="apply:1")
    good = await claimed(journal, job="apply:1")
    writes = [journal.intend(stale if n % 3 else good, [intent(f"sgr-{n}")]) for n in range(60)]
    results = await asyncio.gather(*writes, return_exceptions=True)
    assert sum(isinstance(result, Fenced) for result in results) == 40
    assert [r.line for r in journal.audit_records()] == list(range(1, 21))
    await journal.close()
    assert check_folder(journal.folder) == []


async def test_intent_and_outcome_are_remembered_with_their_audit_records(journal: SqliteJournal) -> None:
    """A change is open from intent to outcome; each leaves one audit record, however often it is told."""
    claim = await claimed(journal, job="apply:1")
    for _ in range(2):
        await journal.intend(claim, [intent("sgr-0"), intent("sgr-1")])
    (first, second) = await journal.effects(claim, "cn-hangzhou", "sg-1")
    assert (first.key, first.outcome, first.body) == ("sgr-0", None, intent("sgr-0").body)
    for _ in range(2):
        await journal.settle(claim, [settled("sgr-0")])
    (first, second) = await journal.effects(claim, "cn-hangzhou", "sg-1")
    assert first.outcome is not None
    assert first.outcome.outcome == "revoked"
    assert first.body == intent("sgr-0").body
    assert second.outcome is None
    assert [r.phase.value for r in journal.audit_records()] == ["intent", "intent", "outcome"]
    assert [o.rule_id for o in journal.outcomes("apply:1")] == ["sgr-0"]


async def test_a_failed_change_can_be_intended_again(journal: SqliteJournal) -> None:
    """A change that ended is opened by a new intent, with its own record; a skipped one needs none."""
    claim = await claimed(journal, job="apply:1")
    await journal.intend(claim, [intent("sgr-0")])
    await journal.settle(claim, [settled("sgr-0", "failed"), settled("sgr-1", "skipped", "protected")])
    await journal.intend(claim, [intent("sgr-0")])
    (first, second) = await journal.effects(claim, "cn-hangzhou", "sg-1")
    assert first.outcome is None
    assert second.body is None
    await journal.settle(claim, [settled("sgr-0")])
    assert [r.outcome for r in journal.audit_records()] == ["", "failed", "skipped", "", "revoked"]


async def test_facts_are_kept(journal: SqliteJournal) -> None:
    """What a later command needs to know survives, in its last state."""
    await journal.set_fact("api", {"calls": 3})
    await journal.set_fact("api", {"calls": 4})
    assert journal.fact("api") == {"calls": 4}
    assert journal.fact("nothing") is None


async def test_the_audit_files_follow_while_the_run_goes(journal: SqliteJournal) -> None:
    """A record is in the file as soon as its write is acknowledged, and the manifest catches up by itself."""
    claim = await claimed(journal, job="apply:1")
    await journal.intend(claim, [intent("sgr-0")])
    assert (journal.folder / "audit.jsonl").read_bytes().count(b"\n") == 1
    for _ in range(200):
        if not check_folder(journal.folder):
            break
        await asyncio.sleep(0.05)
    assert check_folder(journal.folder) == []


async def test_a_thousand_writers_share_few_commits(journal: SqliteJournal) -> None:
    """Writers that wait together are committed together, a bounded number at a time."""
    commits: list[str] = []
    journal._db.set_trace_callback(lambda sql: commits.append(sql) if sql == "COMMIT" else None)
    await asyncio.gather(*(journal.set_fact(f"key-{n}", n) for n in range(1000)))
    assert 1000 / 256 <= len(commits) < 100
    assert journal.fact("key-999") == 999


async def test_a_cancelled_writer_does_not_undo_its_write_nor_hold_up_others(journal: SqliteJournal) -> None:
    """Cancelling who waits for a write neither loses the write nor leaks its place in the queue."""
    for n in range(600):
        task = asyncio.ensure_future(journal.set_fact(f"key-{n}", n))
        await asyncio.sleep(0)
        task.cancel()
    await asyncio.wait_for(journal.set_fact("last", 1), 10)
    assert journal.fact("key-0") == 0
    assert journal.fact("last") == 1


async def test_without_a_thread_writes_are_just_as_durable(tmp_path: Path) -> None:
    """For virtual time the journal can write in the loop itself; the file is the same."""
    async with SqliteJournal.create(tmp_path, HEADER, threaded=False) as journal:
        claim = await claimed(journal, job="apply:1")
        await journal.intend(claim, [intent("sgr-0")])
        with pytest.raises(Fenced):
            await journal.intend(Claim("apply:1", "1001", 99), [intent("sgr-1")])
    assert check_folder(tmp_path) == []


async def test_reading_does_not_disturb_writing(journal: SqliteJournal) -> None:
    """An iterator shows the moment it began, while the run goes on."""
    claim = await claimed(journal)
    await journal.record_group(claim, observed("sg-1"), [Found("sgr-1")])
    findings = journal.findings(Found)
    assert next(findings).rule_id == "sgr-1"
    await journal.record_group(claim, observed("sg-2"), [Found("sgr-2")])
    assert list(findings) == []
    assert len(list(journal.findings(Found))) == 2
