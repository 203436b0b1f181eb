"""kill -9 of a real process that changes things, at any moment: run again, it ends as if nothing had happened."""

from __future__ import annotations

import asyncio
import random
import sys
from pathlib import Path

import msgspec
import pytest

from orchestrator.emulator import Options
from orchestrator.journal import SqliteJournal, SqliteReader, check_folder
from orchestrator.plan import Action
from orchestrator.remediate import rollback_job, undos
from tests.remediate.kit import HEADER, Cloud, History, cloud, planned, random_group

_LATENCY_SECONDS = 0.01
# The process: applies the plan in its folder, or rolls the run back; everything it needs is in its arguments.
WORKER = """
import asyncio, pathlib, sys
import msgspec
from accounts.credentials import Credentials, RoleSession, StaticCredentials
from orchestrator.cloud.client import AccountSession, Client, CloudSettings
from orchestrator.cloud.sessions import Sessions
from orchestrator.journal import SqliteJournal
from orchestrator.plan import Action
from orchestrator.remediate import Brake, remediate_account, roll_back_account, rollback_job, undos
from tests.remediate.kit import guard, HASTE, order

folder, url, hub_id, account_id, key_id, secret, what = sys.argv[1:]
folder = pathlib.Path(folder)

async def main():
    async with Client(CloudSettings(endpoint=url)) as client:
        hub = AccountSession(client, hub_id, StaticCredentials(Credentials(key_id, secret)))
        def enter(policy):
            return Sessions(client, hub, RoleSession("kill")).enter(account_id, "sgsweep-remediate", policy)
        await enter("").call("DescribeRegions", None, {})  # all that is imported late is there when the clock starts
        async with SqliteJournal.open(folder / "run") as journal:
            print("begun", flush=True)
            if what == "apply":
                actions = msgspec.json.decode((folder / "actions.json").read_bytes(), type=list[Action])
                await remediate_account(enter, journal, actions, order(), Brake(), guard(account_id), HASTE)
            else:
                undoing = undos(journal.all_effects())
                await roll_back_account(enter, journal, undoing, order(rollback_job(undoing)), Brake(), HASTE)
            print("done", flush=True)

asyncio.run(main())
"""


class Killings:
    """Runs the worker, kills it, runs it again; at last lets it live."""

    def __init__(self, there: Cloud, folder: Path, dice: random.Random) -> None:
        self._there = there
        self._folder = folder
        self._dice = dice
        self.kills = 0

    async def until_done(self, what: str, kills: int) -> None:
        """Do it, with so many interruptions."""
        for _ in range(kills):
            await self._live(what, self._dice.randint(1, 6))
        await self._live(what, None)

    async def _live(self, what: str, calls: int | None) -> None:
        emulator = self._there.emulator
        keys = emulator.hub_credentials
        hub_id = emulator.world.organization.hub_account_id
        given = (str(self._folder), emulator.http_url, hub_id, self._there.account_id)
        worker = await asyncio.create_subprocess_exec(
            sys.executable, "-c", WORKER, *given, keys.access_key_id, keys.access_key_secret, what,
            stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert worker.stdout is not None
        assert await worker.stdout.readline() == b"begun\n"
        said = asyncio.create_task(worker.stdout.read())
        if calls is not None:
            await self._wait_for(calls, until=said)
            if not said.done():
                worker.kill()
                self.kills += 1
        assert await said == b"done\n" or calls is not None
        await worker.wait()

    async def _wait_for(self, calls: int, until: asyncio.Task[bytes]) -> None:
        """Wait until the cloud has heard so many more calls, and for a part of the next one."""
        enough = len(self._there.emulator.calls) + calls
        while len(self._there.emulator.calls) < enough and not until.done():  # noqa: ASYNC110 - the record has no event to wait for
            await asyncio.sleep(0.001)
        await asyncio.sleep(self._dice.uniform(0.0, _LATENCY_SECONDS))


async def kill_and_judge(folder: Path, seed: int, kills: int) -> int:
    """Apply and roll back with so many kills in each; judge by the emulator's own record. Return the kills."""
    dice = random.Random(seed)  # noqa: S311 - reproducible, not secret
    async with cloud(Options(latency_seconds=_LATENCY_SECONDS)) as there:
        groups = [random_group(dice, there) for _ in range(8)]
        actions: list[Action] = planned(groups, there.account_id)
        (folder / "actions.json").write_bytes(msgspec.json.encode(actions))
        async with SqliteJournal.create(folder / "run", HEADER):
            pass
        history = History(there.emulator, groups, since=len(there.emulator.calls))
        killings = Killings(there, folder, dice)
        await killings.until_done("apply", kills)
        history.check_nothing_else_was_touched(actions)
        history.check_legitimate_packets_always_passed()
        history.check_closed(actions, there.emulator.world, there.account_id)
        await killings.until_done("rollback", kills)
        history.check_restored(there.emulator.world, there.account_id)
    with SqliteReader(folder / "run") as run:
        assert {o.outcome for o in run.outcomes("apply:1")} <= {"revoked", "split"}
        assert {o.outcome for o in run.outcomes(rollback_job(undos(run.all_effects())))} == {"rolled_back"}
    assert check_folder(folder / "run") == []
    return killings.kills


async def test_killed_in_the_middle_it_goes_on(tmp_path: Path) -> None:
    """A process killed while applying and while rolling back leaves nothing undone and nothing done twice."""
    await kill_and_judge(tmp_path, seed=0, kills=1)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(1, 8))
async def test_killed_more_than_fifty_times(tmp_path: Path, seed: int) -> None:
    """The same with four kills while applying and four while rolling back, in each of seven runs."""
    assert await kill_and_judge(tmp_path, seed=seed, kills=4) >= 7  # the last may find it done
