"""The run folder: who may use it, what is refused, and an audit trail that follows and is never repaired by guess."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from orchestrator.journal import (
    Journal,
    JournalCorrupt,
    JournalError,
    JournalExists,
    JournalFull,
    JournalMissing,
    RunInUse,
    SqliteJournal,
    SqliteReader,
    TrailBroken,
    check_folder,
    runs_in,
)
from tests.journal.kit import HEADER, Found, claimed, intent, observed


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    """A new run's journal."""
    async with SqliteJournal.create(tmp_path / "run", HEADER) as journal:
        yield journal


async def test_a_second_process_is_refused_by_number(journal: Journal) -> None:
    """Two processes never write one run: the second is told which one holds it. Reading is free."""
    with pytest.raises(RunInUse, match=f"process {os.getpid()}") as caught:
        SqliteJournal.open(journal.folder)
    assert caught.value.pid == os.getpid()
    with SqliteReader(journal.folder) as reader:
        assert reader.header.run_id == "run-1"
    code = "import sys, pathlib; from orchestrator.journal import *; SqliteJournal.open(pathlib.Path(sys.argv[1]))"
    other = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", code, str(journal.folder)], capture_output=True, check=False
    )
    assert b"RunInUse" in other.stderr


async def test_a_closed_journal_refuses_writes_and_lets_the_folder_go(tmp_path: Path) -> None:
    """After closing, writing is an error and the next process may open the run."""
    journal = SqliteJournal.create(tmp_path, HEADER)
    await journal.close()
    await journal.close()
    with pytest.raises(JournalError, match="closed"):
        await journal.set_fact("x", 1)
    async with SqliteJournal.open(tmp_path) as again:
        assert again.header == HEADER
    assert sorted(os.listdir(tmp_path)) == [  # noqa: PTH208 - one blocking call is as good as another
        "audit.jsonl",
        "journal.lock",
        "journal.sqlite",
        "manifest.json",
    ]


async def test_a_folder_that_holds_a_run_is_not_overwritten(tmp_path: Path) -> None:
    """A new run in the folder of another is refused, and the text says what to do."""
    async with SqliteJournal.create(tmp_path, HEADER):
        pass
    with pytest.raises(JournalExists, match=r"or go on with that run$"):
        SqliteJournal.create(tmp_path, HEADER)
    async with SqliteJournal.open(tmp_path):
        pass


def test_a_folder_without_a_run_is_said_to_be_none(tmp_path: Path) -> None:
    """Opening, reading and checking what is no run folder names it, and leaves nothing in it."""
    for use in (SqliteJournal.open, SqliteReader, check_folder):
        with pytest.raises(JournalMissing, match="no run folder"):
            use(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "content", [b"", b"not a database at all, but long enough" * 40, b"SQLite format 3\0"]
)
def test_a_file_that_is_no_journal_is_refused(tmp_path: Path, content: bytes) -> None:
    """An empty, foreign or torn file in the journal's place is an error that says so."""
    (tmp_path / "journal.sqlite").write_bytes(content)
    for use in (SqliteJournal.open, SqliteReader):
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
            SqliteJournal.open(tmp_path)


async def test_damage_inside_the_file_is_an_error_not_a_wrong_answer(tmp_path: Path) -> None:
    """Pages overwritten with junk raise JournalCorrupt when they are met."""
    async with SqliteJournal.create(tmp_path, HEADER) as journal:
        claim = await claimed(journal)
        for n in range(50):
            await journal.record_group(claim, observed(f"sg-{n}", rules=20), [Found("sgr-0")])
    path = tmp_path / "journal.sqlite"
    data = bytearray(path.read_bytes())
    data[4096 * 6 :] = b"\xa5" * (len(data) - 4096 * 6)
    path.write_bytes(data)
    with SqliteReader(tmp_path) as reader, pytest.raises(JournalCorrupt):
        list(reader.observed(Found))


async def test_what_is_acknowledged_is_on_the_disk(tmp_path: Path) -> None:
    """Every commit is synced, and on macOS the drive's cache emptied, too."""
    async with SqliteJournal.create(tmp_path, HEADER) as journal:
        asked = [journal._db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("synchronous", "fullfsync")]
    assert asked == [2, 1]  # 2 is FULL


async def test_a_full_disk_refuses_the_write_and_keeps_what_was_acknowledged(tmp_path: Path) -> None:
    """With no space left a write raises JournalFull; once there is space, the journal goes on."""
    async with SqliteJournal.create(tmp_path, HEADER) as journal:
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
    manifest = tmp_path / "manifest.json"
    async with SqliteJournal.create(tmp_path, HEADER) as journal:
        early = (
            manifest.read_bytes()
        )  # a crash leaves an earlier one: the file is on disk before it is counted
        claim = await claimed(journal, job="apply:1")
        await journal.intend(claim, [intent(f"sgr-{n}") for n in range(5)])
    whole = (tmp_path / "audit.jsonl").read_bytes()
    for size in (len(whole) - 1, len(whole) - 700, 40, 0):
        (tmp_path / "audit.jsonl").write_bytes(whole[:size])
        manifest.write_bytes(early)
        assert check_folder(tmp_path)
        async with SqliteJournal.open(tmp_path):
            pass
        assert (tmp_path / "audit.jsonl").read_bytes() == whole
        assert check_folder(tmp_path) == []


async def test_a_changed_trail_stops_every_write(tmp_path: Path) -> None:
    """A run whose audit file or manifest was changed is not gone on with; the evidence stays."""
    async with SqliteJournal.create(tmp_path, HEADER) as journal:
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
        (audit, whole[:-700]),
        (audit, b""),
        (manifest, sealed.replace(b'"count":5', b'"count":6')),
        (manifest, b"{}"),
    ):
        audit.write_bytes(whole)
        manifest.write_bytes(sealed)
        name.write_bytes(content)
        with pytest.raises(TrailBroken, match="audit trail is broken"):
            SqliteJournal.open(tmp_path)
        assert name.read_bytes() == content
        assert check_folder(tmp_path)
    audit.write_bytes(whole)
    manifest.unlink()
    with pytest.raises(TrailBroken, match="is gone"):
        SqliteJournal.open(tmp_path)


async def test_trail_and_manifest_replaced_by_older_ones_are_found(tmp_path: Path) -> None:
    """An older file with the manifest that fits it is intact by itself; the journal knows better."""
    async with SqliteJournal.create(tmp_path, HEADER) as journal:
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
    async with SqliteJournal.create(tmp_path, HEADER) as journal:
        assert journal.header == HEADER


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o777])
async def test_a_folder_that_others_may_write_is_refused(tmp_path: Path, mode: int) -> None:
    """Who may write it could put another plan or journal there: it says how to take that from them."""
    folder = tmp_path / "run"
    folder.mkdir()
    folder.chmod(mode)
    with pytest.raises(JournalError, match="chmod go-w"):
        SqliteJournal.create(folder, HEADER)
    assert not any(folder.iterdir())
    folder.chmod(0o755)
    await SqliteJournal.create(folder, HEADER).close()
    folder.chmod(mode)
    with pytest.raises(JournalError, match="chmod go-w"):
        SqliteJournal.open(folder)


@pytest.mark.parametrize("name", ["journal.lock", "audit.jsonl", "manifest.json", ".manifest.json.part0"])
async def test_nothing_is_written_through_a_link(tmp_path: Path, name: str) -> None:
    """A link in the place of a file of the run is refused or replaced; what it points to stays as it was."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("theirs")
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / name).symlink_to(elsewhere)
    try:
        await SqliteJournal.create(folder, HEADER).close()
    except JournalError as error:
        assert name in str(error)  # noqa: PT017 - some are replaced without an error
    assert elsewhere.read_text() == "theirs"


async def test_runs_of_others_are_not_listed(tmp_path: Path) -> None:
    """Newest first; a run that another user may write is not taken for one of ours."""
    for number, name in enumerate(("old", "new", "open")):
        await SqliteJournal.create(tmp_path / name, HEADER).close()
        os.utime(tmp_path / name, (number, number))
    (tmp_path / "open").chmod(0o777)
    (tmp_path / "no run").mkdir()
    assert [run.name for run in runs_in(tmp_path)] == ["new", "old"]
    assert runs_in(tmp_path / "nowhere") == []
