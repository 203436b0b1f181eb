"""`apply` and `rollback`: exactly what was approved, account by account, in waves, stopped by rails and by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import timedelta
from fnmatch import fnmatchcase
from pathlib import Path

import msgspec

from accounts import Account
from orchestrator.audit import unsigned_by
from orchestrator.config import Config, RemediationTable
from orchestrator.journal import Journal, Outcome, Reader
from orchestrator.plan import (
    Action,
    Plan,
    check_age,
    check_digest,
    check_identity,
    check_limits,
    signatures,
    signing_input,
)
from orchestrator.remediate import (
    Brake,
    Order,
    Stopped,
    Undo,
    encode_undos,
    remediate_account,
    roll_back_account,
    rollback_job,
    session_parts,
    session_policies,
    undos,
    waves,
)
from orchestrator.run.folder import export_outcomes, replaced
from orchestrator.run.hub import Hub, endpoint_identity, opened
from orchestrator.run.planning import plan_settings, read_key, totals
from orchestrator.run.preflight import Entrance, refuse_what_cannot_be_undone
from orchestrator.run.progress import Progress
from orchestrator.run.refusals import RefusedError, UsageError
from orchestrator.run.scanning import now, refuse_other_cloud
from orchestrator.run.telling import write_report

STOP = "STOP"
_MIN_CHANGES = 5

Confirm = Callable[[int, int | None], None]
"""Is told in how many accounts how many rules will be changed (None: not known yet); raises to refuse."""


class Changed(msgspec.Struct, frozen=True):
    """What applying or rolling back came to.

    Attributes:
        outcomes: how many changes ended in which way, over all of the job.
        failed: those that failed, with their reason.
        stopped: why it stopped early; empty if it did not.
        folder: the run folder.
    """

    outcomes: dict[str, int]
    failed: tuple[Outcome, ...]
    stopped: str
    folder: Path

    @property
    def exit_code(self) -> int:
        """Return 5 if a change failed, 3 if it stopped early, 1 if a rule that drifted was left alone, else 0."""
        if self.failed:
            return 5
        if self.stopped:
            return 3
        return 1 if self.outcomes.get("drifted") else 0


class Approval(msgspec.Struct, frozen=True):
    """What the user brought: the digest, and the public keys that must have signed the plan."""

    digest: str
    keys: tuple[Path, ...] = ()


async def apply(
    path: Path,
    approval: Approval,
    config: Config,
    confirm: Confirm,
    progress: Progress,
    brake: Brake | None = None,
) -> Changed:
    """Carry out exactly that plan; run again after a crash or a stop, finish it.

    Raises:
        PlanError, UnsafePlan, RefusedError: it must not be carried out; nothing was changed.
        JournalError: the run folder cannot be used, or could not be written; nothing was called after that.
    """
    plan = _approved(path, approval, config)
    _refuse_bad_waves(config.remediation)
    async with Journal.open(path.parent) as journal:
        if journal.header.run_id != plan.run_id:
            raise RefusedError(
                f"the plan is of run {plan.run_id}, the folder holds run {journal.header.run_id}"
            )
        async with opened(config, plan.run_id) as hub:
            check_identity(plan, hub.identity.account_id, endpoint_identity(config.cloud))
            work = Work(hub, journal, config.remediation, progress, f"apply:{plan.digest}", brake)
            by_account = _by_account(plan.actions)
            refuse_rolled_back(journal, work.job)
            _refuse_protected(plan.actions, config.remediation, journal)
            check_limits(plan.actions, plan_settings(config.remediation), totals(journal))
            confirm(len(by_account), len(plan.actions))
            entrances = {
                one: work.entrance(one, session_policies(actions)) for one, actions in by_account.items()
            }
            await refuse_what_cannot_be_undone(entrances, by_account)

            async def one(account_id: str) -> Sequence[Outcome] | None:
                entrance = entrances[account_id]
                order = await work.order(entrance, plan.digest)
                return await remediate_account(
                    entrance.enter, journal, by_account[account_id], order, work.brake
                )

            return await work.run(tuple(by_account), one)


async def rollback(
    folder: Path,
    selection: dict[str, str],
    config: Config,
    confirm: Confirm,
    progress: Progress,
    brake: Brake | None = None,
) -> Changed:
    """Put back what this run removed, and remove what it added.

    Args:
        folder: the run folder.
        selection: `account_id`, `security_group_id`, `rule_id`: what to undo; empty for all.
        config: where the cloud is.
        confirm: asked before anything is changed.
        progress: what is shown.
        brake: stops it between two calls.

    Raises:
        UsageError: nothing that this run changed is selected.
        RefusedError, JournalError: as in `apply`.
    """
    _refuse_bad_waves(config.remediation)
    async with Journal.open(folder) as journal, opened(config, journal.header.run_id) as hub:
        refuse_other_cloud(journal.header, config, hub)
        undoing = undos(journal.all_effects(), **selection)
        _refuse_nothing(journal, selection)
        job = rollback_job(undoing)
        digest = job.partition(":")[2]
        with replaced(folder / f"rollback-{digest[:12]}.json") as file:
            file.write(encode_undos(undoing))
        work = Work(hub, journal, config.remediation, progress, job, brake)
        by_account: dict[str, list[Undo]] = {}
        for undo in undoing:
            by_account.setdefault(undo.action.account_id, []).append(undo)
        if not undoing:
            return work.result("")
        confirm(len(by_account), len(undoing))

        async def one(account_id: str) -> Sequence[Outcome] | None:
            entrance = work.entrance(account_id, undo_policies(by_account[account_id]))
            order = await work.order(entrance, digest)
            return await roll_back_account(entrance.enter, journal, by_account[account_id], order, work.brake)

        return await work.run(tuple(by_account), one)


class Work:
    """A job over accounts: its sessions, its brake, its waves."""

    def __init__(
        self,
        hub: Hub,
        journal: Journal,
        rails: RemediationTable,
        progress: Progress,
        job: str,
        brake: Brake | None,
    ) -> None:
        self.hub = hub
        self.journal = journal
        self.job = job
        self.brake = brake or brake_of(journal.folder, rails)
        self._rails = rails
        self._progress = progress
        self._accounts = {state.account.account_id: state.account for state in journal.accounts()}
        self._gate = asyncio.Semaphore(hub.config.limits.max_accounts)
        progress.stage = job.partition(":")[0]
        progress.watch(hub.count_calls, hub.quota_seconds)

    def entrance(self, account_id: str, policies: Sequence[str]) -> Entrance:
        """Return the way into an account, by sessions that may do what these policies say."""
        account = self._accounts.get(account_id) or Account(account_id)
        return Entrance(self.hub, account, policies)

    async def order(self, entrance: Entrance, digest: str) -> Order:
        """Return what all changes of the account have in common; proves that the session is in that account."""
        return Order(
            job=self.job,
            who=await entrance.prove(),
            now=now,
            plan_digest=digest,
            incident=self.journal.header.incident,
        )

    async def run(
        self, account_ids: Sequence[str], one: Callable[[str], Awaitable[Sequence[Outcome] | None]]
    ) -> Changed:
        """Go through the waves; each must have succeeded before the next begins."""
        self._progress.accounts = len(account_ids)
        stopped = ""
        try:
            for wave in waves(account_ids, self._rails.waves):
                self.brake.check()
                await self._wave(wave, one)
        except Stopped as stop:
            stopped = str(stop)
        finally:
            export_outcomes(self.journal)
            write_report(self.journal.folder)
        return self.result(stopped)

    async def _wave(
        self, account_ids: Sequence[str], one: Callable[[str], Awaitable[Sequence[Outcome] | None]]
    ) -> None:
        """Work on the accounts of a wave at once. A stop lets each end the call it is in.

        Raises:
            Stopped: by the brake, or because a change of the wave failed.
        """
        ended: list[Outcome] = []
        stops: list[Stopped] = []

        async def work(account_id: str) -> None:
            async with self._gate:
                self._progress.enter(account_id, lambda: account_id)
                try:
                    ended.extend(await one(account_id) or ())
                except Stopped as stop:
                    stops.append(stop)
                self._progress.leave(account_id)

        async with asyncio.TaskGroup() as tasks:
            for account_id in account_ids:
                tasks.create_task(work(account_id))
        if stops:
            raise stops[0]
        failed = [outcome for outcome in ended if outcome.outcome == "failed"]
        if failed and len(self._rails.waves) > 1:
            raise Stopped(f"{len(failed)} changes of this wave failed: the next one is not begun")

    def result(self, stopped: str) -> Changed:
        """Return what the job has come to, over all its deliveries."""
        return changed_of(self.journal, self.job, stopped)


def refuse_rolled_back(journal: Journal, job: str = "") -> None:
    """Refuse to go on with changes that were undone since: nothing would be done, and all be told as done.

    Args:
        journal: the run's.
        job: the changes; of any job if empty.

    Raises:
        RefusedError: some were rolled back.
    """
    for effect in journal.all_effects():
        undone = effect.outcome is not None and effect.outcome.outcome == "rolled_back"
        if undone and effect.body and (not job or effect.body.get("undoes") == job):
            raise RefusedError("changes of this run were rolled back: scan and plan anew, in another folder")


def changed_of(reader: Reader, job: str | None, stopped: str) -> Changed:
    """Return what a job, or all jobs of a run, have come to."""
    count: dict[str, int] = {}
    failed: list[Outcome] = []
    for outcome in reader.outcomes(job):
        count[outcome.outcome] = count.get(outcome.outcome, 0) + 1
        if outcome.outcome == "failed":
            failed.append(outcome)
    return Changed(count, tuple(failed), stopped, reader.folder)


def brake_of(folder: Path, rails: RemediationTable) -> Brake:
    """Return the brake that the rails ask for; a file STOP in the run folder stops it, too."""
    return Brake(folder / STOP, max_failed_share=rails.max_failure_rate, min_changes=_MIN_CHANGES)


def undo_policies(undoing: Iterable[Undo]) -> list[str]:
    """Return the session policies that undoing needs."""
    return [part.policy for part in session_parts(undo.target() for undo in undoing)]


def _by_account(actions: Iterable[Action]) -> dict[str, list[Action]]:
    by_account: dict[str, list[Action]] = {}
    for action in actions:
        by_account.setdefault(action.account_id, []).append(action)
    return by_account


def _approved(path: Path, approval: Approval, config: Config) -> Plan:
    """Return the plan, if it is the one that was approved, by all who must, and not too old."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"the plan {path} cannot be read: {error.strerror}") from None
    plan = check_digest(data, approval.digest)
    missing = unsigned_by(signing_input(plan), signatures(plan), [read_key(key) for key in approval.keys])
    if missing:
        named = ", ".join(str(approval.keys[place]) for place in missing)
        raise RefusedError(f"the plan is not signed by {named}. Sign it with `sgsweep plan --sign`")
    check_age(plan, now(), timedelta(hours=config.remediation.max_age_hours))
    return plan


def _refuse_protected(actions: Iterable[Action], rails: RemediationTable, journal: Journal) -> None:
    """Refuse a plan about what is protected by now, though it was not when the plan was made.

    Raises:
        RefusedError: names the first such action.
    """
    names = {state.account.account_id: state.account.name for state in journal.accounts()}
    for action in actions:
        account = (action.account_id, names.get(action.account_id, ""))
        for pattern in rails.protected_accounts:
            if any(fnmatchcase(text, pattern) for text in account if text):
                raise RefusedError(
                    f"account {action.account_id} is protected ({pattern}): make the plan again"
                )
        for pattern in rails.protected_groups:
            if fnmatchcase(action.security_group_id, pattern):
                raise RefusedError(
                    f"group {action.security_group_id} is protected ({pattern}): make the plan again"
                )


def _refuse_nothing(journal: Journal, selection: dict[str, str]) -> None:
    """Refuse a selection that names nothing this run has changed: it is misspelled, or of another run."""
    for effect in journal.all_effects():
        if all(getattr(effect, key) == value for key, value in selection.items() if value):
            return
    asked = ", ".join(f"{key} {value}" for key, value in selection.items() if value)
    raise UsageError(
        f"this run has changed nothing{' that fits ' if asked else ''}{asked}: nothing to put back"
    )


def _refuse_bad_waves(rails: RemediationTable) -> None:
    """Refuse waves that are none before anybody is asked to confirm them."""
    try:
        waves((), rails.waves)
    except ValueError as error:
        raise UsageError(f"[remediation] waves: {error}") from None
