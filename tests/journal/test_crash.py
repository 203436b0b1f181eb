# ruff: noqa: S603 - the processes started here are this Python itself
"""The journal under kill -9, on a full disk and on one that cannot be written: real processes and files."""

from __future__ import annotations

import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.journal import SqliteJournal, SqliteReader, check_folder

# Intends and settles changes as fast as it can, many at a time, and prints each once it is acknowledged.
WORKER = """
import asyncio, os, pathlib, sys
from orchestrator.audit import AuditRecord, Phase
from orchestrator.journal import *

folder = pathlib.Path(sys.argv[1])
header = RunHeader(run_id="r", created_at="", hub_account_id="1", hub_arn="", endpoint="", settings={})

def record(account, n, phase):
    return AuditRecord(at="", phase=phase, who="", account_id=account, region_id="r", security_group_id="g",
                       rule_id=str(n), action="revoke", before={"Description": "d" * 200})

async def work(journal, account, batch):
    claim = await journal.claim(account, f"apply:{batch}")
    for n in range(5000):
        await journal.intend(claim, [Intent(key=str(n), record=record(account, n, Phase.intent), body={})])
        os.write(1, f"i {batch} {account} {n}\\n".encode())
        outcome = Outcome(account_id=account, region_id="r", security_group_id="g", rule_id=str(n),
                          action="revoke", outcome=OutcomeKind.revoked)
        done = record(account, n, Phase.outcome)
        await journal.settle(claim, [Settled(key=str(n), outcome=outcome, record=done)])
        os.write(1, f"o {batch} {account} {n}\\n".encode())

async def main():
    is_new = not (folder / "journal.sqlite").exists()
    async with SqliteJournal.create(folder, header) if is_new else SqliteJournal.open(folder) as journal:
        os.write(1, b"open\\n")
        await asyncio.gather(*(work(journal, str(a), sys.argv[2]) for a in range(20)))

asyncio.run(main())
"""


def run_worker(folder: Path, batch: int, seconds: float) -> set[bytes]:
    """Let a worker write for so long, kill it, and return what it was told is durable."""
    command = [sys.executable, "-c", WORKER, str(folder), str(batch)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == b"open\n"
        time.sleep(seconds)
        worker.send_signal(signal.SIGKILL)
        said = worker.stdout.read()
    return set(said.rpartition(b"\n")[0].splitlines())


def known(folder: Path) -> set[bytes]:
    """What the journal holds, in the worker's words."""
    held: set[bytes] = set()
    with SqliteReader(folder) as reader:
        for effect in reader.all_effects():
            where = f"{effect.job.removeprefix('apply:')} {effect.account_id} {effect.key}".encode()
            held |= {b"i " + where} if effect.outcome is None else {b"i " + where, b"o " + where}
    return held


async def kill_and_look(folder: Path, seed: int, times: int) -> None:
    """Kill a writer at random moments; after each, all it was told is there, and the trail is whole again."""
    dice = random.Random(seed)  # noqa: S311 - reproducible, not secret
    told: set[bytes] = set()
    for batch in range(times):
        told |= run_worker(folder, batch, dice.uniform(0.0, 0.25))
        assert told <= known(folder)
        async with SqliteJournal.open(folder):
            pass
        assert check_folder(folder) == []
    assert told


async def test_kill_9_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    """Killed at any moment: acknowledged writes stand, and the trail verifies once reopened."""
    await kill_and_look(tmp_path / "run", seed=1, times=4)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(10))
async def test_kill_9_at_many_moments(tmp_path: Path, seed: int) -> None:
    """The same, 50 kills."""
    await kill_and_look(tmp_path / "run", seed=seed, times=5)


def limited(size: int) -> None:
    """Let this process write no file beyond a size: as good as a small disk, and needs no mount."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


@pytest.mark.parametrize("size", [150_000, 400_000, 1_000_000])
async def test_a_disk_without_room_ends_the_run_with_a_clear_error(tmp_path: Path, size: int) -> None:
    """Where a file cannot grow the error says so; what was acknowledged is there when there is room."""
    folder = tmp_path / "run"
    command = [sys.executable, "-c", WORKER, str(folder), "0"]
    worker = subprocess.run(  # noqa: ASYNC221 - nothing else runs in this loop
        command,
        capture_output=True,
        check=False,
        preexec_fn=lambda: limited(size),
    )
    assert worker.returncode == 1
    last = worker.stderr.decode().strip().splitlines()[-1]
    assert "JournalFull" in last or "JournalUnwritable" in last, last
    assert "then go on" in last
    told = {line for line in worker.stdout.splitlines() if line != b"open"}
    assert told <= known(folder)
    async with SqliteJournal.open(folder):
        pass
    assert check_folder(folder) == []


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may enter (pytest's own may not be)."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def as_somebody(code: str, folder: Path) -> str:
    """Run the code as a user who may not write the folder, and return what it says at last."""
    # Rights are dropped after the imports, pathlib's late ones too: the other user may not be able to read this Python.
    become = (
        "import os, pathlib, sys; from orchestrator.journal import *; pathlib.Path('/').as_uri()\n"
        "if not os.geteuid(): os.setuid(65534)\n"
    )
    command = [sys.executable, "-c", become + code, str(folder)]
    ran = subprocess.run(command, capture_output=True, check=False, text=True)
    said = (ran.stdout + ran.stderr).strip().splitlines()[-1]
    if said.startswith("ModuleNotFoundError"):
        pytest.skip(f"another user may not read this Python's library, {sys.base_prefix}: {said}")
    return said


async def test_a_folder_that_may_not_be_written_can_still_be_read(open_folder: Path) -> None:
    """On a read-only folder writing is refused in a sentence; reading and checking the trail work."""
    run = open_folder / "run"
    worker = run_worker(run, 0, 0.1)
    async with SqliteJournal.open(run):
        pass
    for path in (run, *run.iterdir()):
        path.chmod(0o555 if path.is_dir() else 0o444)
    here = "pathlib.Path(sys.argv[1])"
    assert "JournalUnwritable" in as_somebody(f"SqliteJournal.open({here})", run)
    assert "JournalUnwritable" in as_somebody(f"SqliteJournal.create({here} / 'new', None)", run)
    count = as_somebody(f"print(len(list(SqliteReader({here}).all_effects())), check_folder({here}))", run)
    assert count.endswith(" []")
    assert int(count.split()[0]) * 2 >= len(worker)
    run.chmod(0o755)
