"""One seed: random groups, a plan, crashes and faults on the way, then the end; and all of it back again."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from orchestrator.emulator import Fault, Kind
from orchestrator.journal import Journal, SqliteJournal, check_folder
from orchestrator.plan import Action
from orchestrator.remediate import (
    Brake,
    ChangeSession,
    Settings,
    Stopped,
    differences,
    expectations,
    remediate_account,
    roll_back_account,
    rollback_job,
    undos,
)
from tests.remediate.crash import Crash, Fuse, MortalLedger, MortalSession
from tests.remediate.kit import HEADER, Cloud, History, guard, order, planned, random_group

CALLS = "*SecurityGroup*"
# What only costs time is left out here: it would be waited for. REPEATED_TOKEN needs a second page.
KINDS = tuple(kind for kind in Kind if kind not in {Kind.HANG, Kind.SLOW, Kind.REPEATED_TOKEN})
PATIENCE = Settings(wait_seconds=0.03, first_wait_seconds=0.01, rounds=4)
_LIVES = 6  # the first half of them end in a crash and suffer faults, the others do not

Life = Callable[[Journal, MortalLedger, Callable[[str], ChangeSession]], Awaitable[object]]


class Campaign:
    """Carries out a plan and its rollback under crashes and faults, and judges by the emulator's record.

    Attributes:
        deaths: how often the process died.
        faults: what went wrong while the plan was carried out.
    """

    def __init__(self, cloud: Cloud, folder: Path, seed: int, patience: Settings = PATIENCE) -> None:
        self._dice = random.Random(seed)  # noqa: S311 - reproducible, not secret
        self._cloud = cloud
        self._folder = folder
        self._patience = patience
        self.deaths = 0
        self.faults: list[Fault] = []

    async def run(self, kinds: Sequence[Kind] = KINDS) -> None:
        """Apply, look, roll back, look."""
        groups = [random_group(self._dice, self._cloud) for _ in range(self._dice.randint(1, 3))]
        actions = planned(groups, self._cloud.account_id)
        if not actions:
            return
        async with SqliteJournal.create(self._folder, HEADER):
            pass
        history = History(self._cloud.emulator, groups, since=len(self._cloud.emulator.calls))
        self.faults = self._some_faults(kinds)
        await self._apply(actions, self._patience)
        history.check_nothing_else_was_touched(actions)
        history.check_closed(actions, self._cloud.emulator.world, self._cloud.account_id)
        history.check_legitimate_packets_always_passed()
        await self._check_words(actions)
        await self._roll_back(self._some_faults(kinds))
        history.check_restored(self._cloud.emulator.world, self._cloud.account_id)
        assert check_folder(self._folder) == []

    def _some_faults(self, kinds: Sequence[Kind]) -> list[Fault]:
        """One to three kinds of fault, each at 1, 10 or 30 percent."""
        chosen = self._dice.sample(kinds, min(self._dice.randint(1, 3), len(kinds)))
        return [Fault(kind=kind, rate=self._dice.choice([0.01, 0.1, 0.3]), action=CALLS) for kind in chosen]

    async def _live(self, life: Life, faults: Sequence[Fault]) -> None:
        self._cloud.emulator.set_faults(*faults)
        for number in range(_LIVES):
            is_mortal = number < _LIVES // 2
            if not is_mortal:
                self._cloud.emulator.set_faults()
            fuse = Fuse(self._dice.randint(1, 20) if is_mortal else None)
            async with SqliteJournal.open(self._folder) as journal:
                try:
                    await life(journal, MortalLedger(journal, fuse), self._entrance(fuse))
                except Crash:
                    self.deaths += 1
                except Stopped:  # by the brake: most failed, and a person, who has seen why, starts it again
                    if not is_mortal:
                        raise

    def _entrance(self, fuse: Fuse) -> Callable[[str], ChangeSession]:
        return lambda policy: MortalSession(self._cloud.enter(policy), fuse)

    async def _apply(self, actions: Sequence[Action], patience: Settings) -> None:
        async def life(_: Journal, ledger: MortalLedger, enter: Callable[[str], ChangeSession]) -> None:
            await remediate_account(
                enter, ledger, actions, order(), Brake(), guard(self._cloud.account_id), patience
            )

        await self._live(life, self.faults)

    async def _check_words(self, actions: Sequence[Action]) -> None:
        """The run's own words agree with the cloud."""
        async with SqliteJournal.open(self._folder) as journal:
            words = {outcome.rule_id: outcome.outcome for outcome in journal.outcomes("apply:1")}
            assert set(words) == {action.rule_id for action in actions}
            assert set(words.values()) <= {"revoked", "split"}, words
            for place, targets in expectations(journal.all_effects()):
                assert differences(place, await self._cloud.read(place), targets) == []

    async def _roll_back(self, faults: Sequence[Fault]) -> None:
        async def life(journal: Journal, ledger: MortalLedger, enter: Callable[[str], ChangeSession]) -> None:
            undoing = undos(journal.all_effects())
            job = order(rollback_job(undoing))
            await roll_back_account(enter, ledger, undoing, job, Brake(), self._patience)

        await self._live(life, faults)
        async with SqliteJournal.open(self._folder) as journal:
            job = rollback_job(undos(journal.all_effects()))
            assert {outcome.outcome for outcome in journal.outcomes(job)} == {"rolled_back"}
