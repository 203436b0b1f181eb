"""The journal: what was acknowledged is there, whoever comes later sees it, and nobody else writes it."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from accounts import Account, Skipped, Unreachable
from orchestrator.audit import AuditRecord, Phase
from orchestrator.journal import (
    Claim,
    Fenced,
    Intent,
    Journal,
    JournalCorrupt,
    JournalError,
    JournalExists,
    JournalFull,
    JournalMissing,
    Observed,
    Outcome,
    Reader,
    RunHeader,
    RunInUse,
    Settled,
    TrailBroken,
    check_folder,
    listing_digest,
)
from orchestrator.securitygroup import Lists, Placement, Unreadable

HEADER = RunHeader(
    run_id="run-1",
    created_at="2026-11-01T00:00:00Z",
    hub_account_id="1000",
    hub_arn="acs:ram::1000:root",
    endpoint="alibaba-cloud/china",
    settings={"checks": [{"id": "ssh"}]},
)


class Found(msgspec.Struct, frozen=True):
    """A finding, as little of one as the journal asks for."""

    rule_id: str
    reason: str = ""


def observed(group_id: str = "sg-1", region_id: str = "cn-hangzhou", rules: int = 1) -> Observed:
    """A group as inventory reads it."""
    permissions = tuple(
        {"SecurityGroupRuleId": f"sgr-{n}", "PortRange": "22/22", "Policy": "Accept"} for n in range(rules)
    )
    return Observed(
        placement=Placement("1001", "web", "Root/Prod"),
        region_id=region_id,
        listing={"SecurityGroupId": group_id, "SecurityGroupName": "web", "RuleCount": rules},
        attribute={"InnerAccessPolicy": "Accept"},
        permissions=permissions,
        lists=Lists(prefix_lists={"pl-1": ("10.0.0.0/8",), "pl-2": Unreadable("Forbidden.RAM")}),
    )


def record(rule_id: str, phase: Phase = Phase.intent, **more: object) -> AuditRecord:
    """An audit record of a change in account 1001."""
    plain = AuditRecord(
        at="2026-11-01T00:00:00Z",
        phase=phase,
        who="acs:ram::1000:root",
        account_id="1001",
        region_id="cn-hangzhou",
        security_group_id="sg-1",
        rule_id=rule_id,
        action="revoke",
    )
    return msgspec.structs.replace(plain, **more)


def intent(rule_id: str) -> Intent:
    """The intent to revoke a rule."""
    return Intent(key=rule_id, record=record(rule_id), body={"rule": {"SecurityGroupRuleId": rule_id}})


def settled(rule_id: str, outcome: str = "revoked", reason: str = "") -> Settled:
    """How a rule's revocation ended."""
    return Settled(
        key=rule_id,
        outcome=Outcome(
            account_id="1001",
            region_id="cn-hangzhou",
            security_group_id="sg-1",
            rule_id=rule_id,
            action="revoke",
            outcome=outcome,
            reason=reason,
        ),
        record=record(rule_id, Phase.outcome, outcome=outcome, reason=reason),
    )


async def claimed(journal: Journal, account_id: str = "1001", job: str = "scan") -> Claim:
    """A claim that is known to be granted."""
    claim = await journal.claim(account_id, job)
    assert claim is not None
    return claim


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    """A new run's journal."""
    async with Journal.create(tmp_path / "run", HEADER) as journal:
        yield journal


async def test_a_run_folder_is_for_its_owner_only(journal: Journal) -> None:
    """Every file of the run is mode 0600, SQLite's own ones too, and the folder 0700."""
    await claimed(journal)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in journal.folder.iterdir()}
    assert {"journal.sqlite", "journal.sqlite-wal", "audit.jsonl", "manifest.json"} <= modes.keys()
    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE(journal.folder.stat().st_mode) == 0o700


async def test_what_a_scan_saw_is_read_back(journal: Journal) -> None:
    """Accounts, groups in the API's words, findings, counts and what could not be seen come back."""
    account = Account("1001", "web", ("r-1",), "Root/Prod", (("env", "prod"),), "CreateSuccess")
    await journal.add_accounts([account], [Skipped("1009", "old", "excluded")])
    claim = await claimed(journal)
    group, findings = observed(rules=2), (Found("sgr-0", "open"), Found("sgr-1", "open too"))
    await journal.record_group(claim, group, findings)
    await journal.record_group(claim, observed("sg-2"), ())
    lost = Unreachable("1001", "cn-beijing", None, "Forbidden.RAM", "no", "req-1")
    await journal.record_unreachable(claim, lost)
    await journal.region_done(claim, "cn-hangzhou", {"security_groups": 2, "rules": 3})
    await journal.finish(claim, "incomplete")
    with Reader(journal.folder) as reader:
        assert reader.header == HEADER
        assert [(s.account, s.state) for s in reader.accounts()] == [(account, "incomplete")]
        assert [s.account_id for s in reader.skipped()] == ["1009"]
        assert list(reader.findings(Found)) == list(findings)
        assert list(reader.observed(Found)) == [(group, findings)]
        assert list(reader.unreachables()) == [lost]
        assert reader.totals() == {"security_groups": 2, "rules": 3, "regions": 1}
        assert reader.group_of_rule("sgr-1") == group
        assert reader.group_of_rule("sgr-9") is None
        assert [f.reason for f in reader.findings_of_rule("sgr-0", Found)] == ["open"]
        assert reader.regions_done("1001") == {"cn-hangzhou"}


async def test_every_group_leaves_a_digest_but_only_findings_keep_it_whole(journal: Journal) -> None:
    """A group without findings is remembered by digests, which tell a later run whether it changed."""
    claim = await claimed(journal)
    await journal.record_group(claim, observed("sg-1"), [Found("sgr-0")])
    await journal.record_group(claim, observed("sg-2"), [])
    kept, seen = journal.groups_seen()
    assert (kept.is_kept, seen.is_kept) == (True, False)
    assert seen.listing_digest == listing_digest(observed("sg-2").listing)
    assert seen.digest == observed("sg-2").digest() != kept.digest
    assert journal.group_seen("1001", "cn-hangzhou", "sg-3") is None


async def test_a_group_is_carried_over_from_an_earlier_run(journal: Journal, tmp_path: Path) -> None:
    """A group not read again stands in the new run as the old one had it, findings and all."""
    claim = await claimed(journal)
    await journal.record_group(claim, observed(), [Found("sgr-0")])
    async with Journal.create(tmp_path / "next", HEADER) as following:
        seen = journal.group_seen("1001", "cn-hangzhou", "sg-1")
        assert seen is not None
        await following.carry_over(
            await claimed(following), seen, *journal.stored("1001", "cn-hangzhou", "sg-1", Found)
        )
        assert list(following.observed(Found)) == list(journal.observed(Found))
        assert list(following.groups_seen()) == list(journal.groups_seen())


async def test_reading_a_group_again_replaces_what_was_written(journal: Journal) -> None:
    """After a crash the group is read again: its findings do not double, and vanished groups go."""
    claim = await claimed(journal)
    await journal.record_group(claim, observed("sg-1"), [Found("sgr-0"), Found("sgr-1")])
    await journal.record_group(claim, observed("sg-gone"), [Found("sgr-2")])
    again = await claimed(journal)
    await journal.record_group(again, observed("sg-1"), [Found("sgr-0")])
    await journal.region_done(again, "cn-hangzhou", {})
    assert [f.rule_id for f in journal.findings(Found)] == ["sgr-0"]
    assert [g.security_group_id for g in journal.groups_seen()] == ["sg-1"]


async def test_a_finished_account_is_never_claimed_again(journal: Journal) -> None:
    """`done` ends an account for its job, any other state lets it be claimed once more, jobs are apart."""
    claim = await claimed(journal)
    await journal.finish(claim, "incomplete")
    await journal.finish(await claimed(journal))
    assert await journal.claim("1001") is None
    assert (await claimed(journal, job="apply:1")).fence == 1
    assert journal.jobs() == {"scan": {"done": 1}, "apply:1": {"claimed": 1}}


async def test_what_was_unreachable_is_tried_again(journal: Journal) -> None:
    """A new claim forgets what could not be seen and reopens its region; whole regions are kept."""
    claim = await claimed(journal)
    await journal.region_done(claim, "cn-hangzhou", {"rules": 1})
    await journal.record_unreachable(claim, Unreachable("1001", "cn-beijing", "sg-9", "Timeout", "", ""))
    await journal.region_done(claim, "cn-beijing", {"rules": 2})
    await journal.finish(claim, "incomplete")
    await claimed(journal)
    assert list(journal.unreachables()) == []
    assert journal.regions_done("1001") == {"cn-hangzhou"}


async def test_only_the_last_claim_may_write(journal: Journal) -> None:
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


async def test_one_refused_write_does_not_hurt_those_that_share_its_commit(journal: Journal) -> None:
    """Writers share commits, not fates: a fenced one is undone alone and leaves no hole in the trail."""
    stale = await claimed(journal, job="apply:1")
    good = await claimed(journal, job="apply:1")
    writes = [journal.intend(stale if n % 3 else good, [intent(f"sgr-{n}")]) for n in range(60)]
    results = await asyncio.gather(*writes, return_exceptions=True)
    assert sum(isinstance(result, Fenced) for result in results) == 40
    assert [r.line for r in journal.audit_records()] == list(range(1, 21))
    await journal.close()
    assert check_folder(journal.folder) == []


async def test_intent_and_outcome_are_remembered_with_their_audit_records(journal: Journal) -> None:
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


async def test_a_failed_change_can_be_intended_again(journal: Journal) -> None:
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


async def test_facts_and_rates_are_kept(journal: Journal) -> None:
    """What a later command needs to know, and the call rates learned, survive."""
    await journal.set_fact("api", {"calls": 3})
    await journal.set_fact("api", {"calls": 4})
    await journal.learn_rates({"1001/cn-hangzhou/DescribeSecurityGroups": 3.5})
    await journal.learn_rates({"1001/cn-hangzhou/DescribeSecurityGroups": 2.0})
    assert journal.fact("api") == {"calls": 4}
    assert journal.fact("nothing") is None
    assert journal.rates() == {"1001/cn-hangzhou/DescribeSecurityGroups": 2.0}


async def test_the_audit_files_follow_while_the_run_goes(journal: Journal) -> None:
    """A record is in the file as soon as its write is acknowledged, and the manifest catches up by itself."""
    claim = await claimed(journal, job="apply:1")
    await journal.intend(claim, [intent("sgr-0")])
    assert (journal.folder / "audit.jsonl").read_bytes().count(b"\n") == 1
    for _ in range(200):
        if not check_folder(journal.folder):
            break
        await asyncio.sleep(0.05)
    assert check_folder(journal.folder) == []


async def test_a_thousand_writers_share_few_commits(journal: Journal) -> None:
    """Writers that wait together are committed together, a bounded number at a time."""
    commits: list[str] = []
    journal._db.set_trace_callback(lambda sql: commits.append(sql) if sql == "COMMIT" else None)
    await asyncio.gather(*(journal.set_fact(f"key-{n}", n) for n in range(1000)))
    assert 1000 / 256 <= len(commits) < 100
    assert journal.fact("key-999") == 999


async def test_a_cancelled_writer_does_not_undo_its_write_nor_hold_up_others(journal: Journal) -> None:
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
    async with Journal.create(tmp_path, HEADER, threaded=False) as journal:
        claim = await claimed(journal, job="apply:1")
        await journal.intend(claim, [intent("sgr-0")])
        with pytest.raises(Fenced):
            await journal.intend(Claim("apply:1", "1001", 99), [intent("sgr-1")])
    assert check_folder(tmp_path) == []


async def test_a_second_process_is_refused_by_number(journal: Journal) -> None:
    """Two processes never write one run: the second is told which one holds it. Reading is free."""
    with pytest.raises(RunInUse, match=f"process {os.getpid()}") as caught:
        Journal.open(journal.folder)
    assert caught.value.pid == os.getpid()
    with Reader(journal.folder) as reader:
        assert reader.header.run_id == "run-1"
    code = "import sys, pathlib; from orchestrator.journal import *; Journal.open(pathlib.Path(sys.argv[1]))"
    other = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", code, str(journal.folder)], capture_output=True, check=False
    )
    assert b"RunInUse" in other.stderr


async def test_a_closed_journal_refuses_writes_and_lets_the_folder_go(tmp_path: Path) -> None:
    """After closing, writing is an error and the next process may open the run."""
    journal = Journal.create(tmp_path, HEADER)
    await journal.close()
    await journal.close()
    with pytest.raises(JournalError, match="closed"):
        await journal.set_fact("x", 1)
    async with Journal.open(tmp_path) as again:
        assert again.header == HEADER
    assert sorted(os.listdir(tmp_path)) == [  # noqa: PTH208 - one blocking call is as good as another
        "audit.jsonl",
        "journal.lock",
        "journal.sqlite",
        "manifest.json",
    ]


async def test_a_folder_that_holds_a_run_is_not_overwritten(tmp_path: Path) -> None:
    """A new run in the folder of another is refused, and the text says what to do."""
    async with Journal.create(tmp_path, HEADER):
        pass
    with pytest.raises(JournalExists, match=r"scan --resume"):
        Journal.create(tmp_path, HEADER)
    async with Journal.open(tmp_path):
        pass


def test_a_folder_without_a_run_is_said_to_be_none(tmp_path: Path) -> None:
    """Opening, reading and checking what is no run folder names it, and leaves nothing in it."""
    for use in (Journal.open, Reader, check_folder):
        with pytest.raises(JournalMissing, match="no run folder"):
            use(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "content", [b"", b"not a database at all, but long enough" * 40, b"SQLite format 3\0"]
)
def test_a_file_that_is_no_journal_is_refused(tmp_path: Path, content: bytes) -> None:
    """An empty, foreign or torn file in the journal's place is an error that says so."""
    (tmp_path / "journal.sqlite").write_bytes(content)
    for use in (Journal.open, Reader):
        with pytest.raises(JournalCorrupt, match=r"journal\.sqlite"):
            use(tmp_path)


def test_another_programs_database_and_another_format_are_refused(tmp_path: Path) -> None:
    """An SQLite file of something else is not taken for a journal, nor is a journal of a later format."""
    for pragma, words in (("user_version=1", "not a journal"), ("application_id=1397183319", "format 0")):
        path = tmp_path / "journal.sqlite"
        path.unlink(missing_ok=True)
        with sqlite3.connect(path) as db:
            db.executescript(f"CREATE TABLE fact (x); PRAGMA {pragma}")
        db.close()
        with pytest.raises(JournalCorrupt, match=words):
            Journal.open(tmp_path)


async def test_damage_inside_the_file_is_an_error_not_a_wrong_answer(tmp_path: Path) -> None:
    """Pages overwritten with junk raise JournalCorrupt when they are met."""
    async with Journal.create(tmp_path, HEADER) as journal:
        claim = await claimed(journal)
        for n in range(50):
            await journal.record_group(claim, observed(f"sg-{n}", rules=20), [Found("sgr-0")])
    path = tmp_path / "journal.sqlite"
    data = bytearray(path.read_bytes())
    data[4096 * 6 :] = b"\xa5" * (len(data) - 4096 * 6)
    path.write_bytes(data)
    with Reader(tmp_path) as reader, pytest.raises(JournalCorrupt):
        list(reader.observed(Found))


async def test_a_full_disk_refuses_the_write_and_keeps_what_was_acknowledged(tmp_path: Path) -> None:
    """With no space left a write raises JournalFull; once there is space, the journal goes on."""
    async with Journal.create(tmp_path, HEADER) as journal:
        claim = await claimed(journal, job="apply:1")
        await journal.intend(claim, [intent("sgr-0")])
        pages = journal._db.execute("PRAGMA page_count").fetchone()[0]
        journal._db.execute(f"PRAGMA max_page_count={pages}")
        with pytest.raises(JournalFull, match="no space left"):
            await journal.intend(claim, [intent(f"sgr-{n}") for n in range(1, 100)])
        journal._db.execute("PRAGMA max_page_count=1000000")
        await journal.intend(claim, [intent("sgr-last")])
        assert [e.key for e in journal.all_effects()] == ["sgr-0", "sgr-last"]
    assert check_folder(tmp_path) == []


async def test_the_audit_file_is_completed_from_the_journal(tmp_path: Path) -> None:
    """A crash may leave the file behind, its last line torn: opening the run completes it."""
    async with Journal.create(tmp_path, HEADER) as journal:
        claim = await claimed(journal, job="apply:1")
        await journal.intend(claim, [intent(f"sgr-{n}") for n in range(5)])
    whole = (tmp_path / "audit.jsonl").read_bytes()
    for size in (len(whole) - 1, len(whole) - 700, 40, 0):
        (tmp_path / "audit.jsonl").write_bytes(whole[:size])
        assert check_folder(tmp_path)
        async with Journal.open(tmp_path):
            pass
        assert (tmp_path / "audit.jsonl").read_bytes() == whole
        assert check_folder(tmp_path) == []


async def test_a_changed_trail_stops_every_write(tmp_path: Path) -> None:
    """A run whose audit file or manifest was changed is not gone on with; the evidence stays."""
    async with Journal.create(tmp_path, HEADER) as journal:
        claim = await claimed(journal, job="apply:1")
        await journal.intend(claim, [intent(f"sgr-{n}") for n in range(5)])
    audit, manifest = tmp_path / "audit.jsonl", tmp_path / "manifest.json"
    whole, sealed = audit.read_bytes(), manifest.read_bytes()
    lines = whole.splitlines(keepends=True)
    other = b"".join([*lines[:1], *lines[2:]])
    for name, content in (
        (audit, whole.replace(b"sgr-3", b"sgr-4")),
        (audit, other),
        (audit, whole + lines[0]),
        (manifest, sealed.replace(b'"count":5', b'"count":6')),
        (manifest, b"{}"),
    ):
        audit.write_bytes(whole)
        manifest.write_bytes(sealed)
        name.write_bytes(content)
        with pytest.raises(TrailBroken, match="audit trail is broken"):
            Journal.open(tmp_path)
        assert name.read_bytes() == content
        assert check_folder(tmp_path)
    audit.write_bytes(whole)
    manifest.unlink()
    with pytest.raises(TrailBroken, match="is gone"):
        Journal.open(tmp_path)


async def test_trail_and_manifest_replaced_by_older_ones_are_found(tmp_path: Path) -> None:
    """An older file with the manifest that fits it is intact by itself; the journal knows better."""
    async with Journal.create(tmp_path, HEADER) as journal:
        older = [(p, p.read_bytes()) for p in (tmp_path / "audit.jsonl", tmp_path / "manifest.json")]
        claim = await claimed(journal, job="apply:1")
        await journal.intend(claim, [intent("sgr-0")])
    for path, content in older:
        path.write_bytes(content)
    (problem,) = check_folder(tmp_path)
    assert (problem.kind, problem.line, problem.account_id) == ("truncated", 1, "1001")
    (tmp_path / "audit.jsonl").unlink()
    assert check_folder(tmp_path)[0].text == "audit.jsonl is gone"


async def test_a_folder_whose_making_was_interrupted_can_be_used(tmp_path: Path) -> None:
    """A file that holds nothing yet, left by a crash at the start, does not stand in the way."""
    (tmp_path / "journal.sqlite").touch(mode=0o600)
    async with Journal.create(tmp_path, HEADER) as journal:
        assert journal.header == HEADER


async def test_reading_does_not_disturb_writing(journal: Journal) -> None:
    """An iterator shows the moment it began, while the run goes on."""
    claim = await claimed(journal)
    await journal.record_group(claim, observed("sg-1"), [Found("sgr-1")])
    findings = journal.findings(Found)
    assert next(findings).rule_id == "sgr-1"
    await journal.record_group(claim, observed("sg-2"), [Found("sgr-2")])
    assert list(findings) == []
    assert len(list(journal.findings(Found))) == 2
