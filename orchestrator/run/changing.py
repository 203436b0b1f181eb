"""`apply` and `rollback`: exactly what was approved, account by account, in waves, stopped by rails and by hand."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import msgspec

from accounts import Account
from orchestrator.config import Config
from orchestrator.files import replaced
from orchestrator.journal import Journal, JournalError, Outcome, OutcomeKind, read_trusted
from orchestrator.plan import (
    Action,
    Plan,
    check_age,
    check_digest,
    check_identity,
    check_limits,
)
from orchestrator.remediate import (
    Brake,
    Order,
    Settings,
    Stopped,
    Undo,
    disagreement,
    encode_undos,
    remediate_account,
    roll_back_account,
    rollback_job,
    session_parts,
    session_policies,
    undos,
    waves,
)
from orchestrator.run.connection import note
from orchestrator.run.folder import export_outcomes
from orchestrator.run.guarding import guard_of, refuse_protected, refuse_unjustified
from orchestrator.run.hub import Hub, opened
from orchestrator.run.offline import write_report
from orchestrator.run.planning import refuse_rolled_back, refuse_unknown_groups, totals
from orchestrator.run.preflight import Entrance, refuse_what_cannot_be_undone
from orchestrator.run.progress import Progress
from orchestrator.run.refusals import RefusedError, UsageError
from orchestrator.run.scanning import now, refuse_other_cloud
from orchestrator.run.signing import recorded, refuse_unproved, refuse_unsigned
from orchestrator.run.speaking import speak

STOP = "STOP"

Confirm = Callable[[int, int | None], None]
"""Is told in how many accounts how many rules will be changed (None: not known yet); raises to refuse."""


class Changed(msgspec.Struct, frozen=True):
    """What applying or rolling back came to.

    Attributes:
        outcomes: how many changes ended in which way, over all of the job.
        failed: those that failed, with their reason.
        stopped: why it stopped early; empty if it did not.
        left: changes that were to be made and are not, since it stopped.
        others: rules of the same content as one that was gone, under another id.
        nothing_left: all of it was done before; nothing was done now.
        folder: the run folder.
        digest: of a rollback: what exactly was undone.
    """

    outcomes: dict[OutcomeKind, int]
    failed: tuple[Outcome, ...]
    stopped: str
    folder: Path
    left: int = 0
    others: int = 0
    nothing_left: bool = False
    digest: str = ""

    @property
    def left_alone(self) -> int:
        """How many rules were not changed because they are not as they were planned against."""
        return self.outcomes.get(OutcomeKind.drifted, 0) + self.outcomes.get(OutcomeKind.skipped, 0)


class Approval(msgspec.Struct, frozen=True):
    """What the user brought: the digest of what is to be done, and the public keys, all of which must have signed.

    For a plan the digest is needed. For a rollback it may be empty, and the record that it is derived from is signed.
    """

    digest: str = ""
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
        UsageError: a protected group that is to be changed is not in the plan; the same.
        JournalError: the run folder cannot be used, or could not be written; nothing was called after that.
    """
    plan = _approved(path, approval, config)
    async with recorded(path.parent) as journal:
        if journal.header.run_id != plan.run_id:
            raise RefusedError(
                f"the plan is of run {plan.run_id}, the folder holds run {journal.header.run_id}"
            )
        async with opened(config, plan.run_id, progress) as hub:
            check_identity(plan, hub.identity.account_id, config.cloud.identity)
            work = Work(hub, journal, config.remediation, progress, f"apply:{plan.digest}", brake)
            by_account = _by_account(plan.actions)
            refuse_rolled_back(journal)
            refuse_unknown_groups(
                config.remediation.change_protected, [one.security_group_id for one in plan.actions]
            )
            refuse_protected(plan.actions, config.remediation, journal)
            refuse_unjustified(plan.actions, config.remediation, journal)
            check_limits(plan.actions, config.remediation, totals(journal))
            entrances = {
                one: work.entrance(one, session_policies(actions)) for one, actions in by_account.items()
            }
            if asked_unless_stopped(work.brake, confirm, len(by_account), len(plan.actions)):
                await refuse_what_cannot_be_undone(entrances, by_account)

            async def one(account_id: str) -> Sequence[Outcome] | None:
                entrance = entrances[account_id]
                order = await work.order(entrance, plan.digest)
                return await remediate_account(
                    entrance.enter,
                    journal,
                    by_account[account_id],
                    order,
                    work.brake,
                    guard_of(journal, config, entrance.account),
                    config.remediation,
                    check_counts=config.cloud.checks_rule_counts,
                )

            return await work.run(by_account, one)


async def rollback(
    folder: Path,
    selection: dict[str, str],
    config: Config,
    confirm: Confirm,
    progress: Progress,
    brake: Brake | None = None,
    approval: Approval = Approval(),  # noqa: B008 - it is frozen
) -> Changed:
    """Put back what this run removed, and remove what it added.

    Args:
        folder: the run folder.
        selection: `account_id`, `security_group_id`, `rule_id`: what to undo; empty for all.
        config: where the cloud is.
        confirm: asked before anything is changed.
        progress: what is shown.
        brake: stops it between two calls.
        approval: what must fit, where it is given.

    Raises:
        UsageError: nothing that this run changed is selected.
        RefusedError: the record is broken, or not approved as it must be; or as in `apply`.
        JournalError: as in `apply`.
    """
    async with (
        recorded(folder) as journal,
        opened(config, journal.header.run_id, progress) as hub,
    ):
        refuse_other_cloud(journal.header, config, hub)
        proved = refuse_unproved(folder, approval.keys)
        progress.told(f"the record that is rolled back is {proved.told}")
        if why := disagreement(journal.all_effects(), journal.audit_records()):
            raise RefusedError(f"{why}: somebody edited it. Nothing was changed; keep the folder as evidence")
        undoing = undos(journal.all_effects(), journal.audit_records(), **selection)
        _refuse_nothing(journal, selection)
        undone = {(one.undoes, one.place, one.rule_id) for one in journal.all_effects() if one.has_undone}
        job = rollback_job(undoing)
        digest = hashlib.sha256(encode_undos(undoing)).hexdigest()
        progress.told(f"the digest of this rollback: {digest}")
        _refuse_other_rollback(digest, approval)
        with replaced(folder / f"rollback-{digest[:12]}.json") as file:
            file.write(encode_undos(undoing))
        work = Work(hub, journal, config.remediation, progress, job, brake)
        by_account: dict[str, list[Undo]] = {}
        left = [one for one in undoing if (one.job, one.action.place, one.action.rule_id) not in undone]
        concerned = {one.action.account_id for one in left}
        for undo in undoing:
            if undo.action.account_id in concerned:
                by_account.setdefault(undo.action.account_id, []).append(undo)
        if not left:
            return Changed({}, (), "", folder, nothing_left=True, digest=digest)
        asked_unless_stopped(work.brake, confirm, len(by_account), len(left))

        async def one(account_id: str) -> Sequence[Outcome] | None:
            entrance = work.entrance(account_id, undo_policies(by_account[account_id]))
            order = await work.order(entrance, digest)
            return await roll_back_account(
                entrance.enter,
                journal,
                by_account[account_id],
                order,
                work.brake,
                config.remediation,
                check_counts=config.cloud.checks_rule_counts,
            )

        return msgspec.structs.replace(await work.run(by_account, one), digest=digest)


def asked_unless_stopped(brake: Brake, confirm: Confirm, accounts: int, rules: int | None) -> bool:
    """Ask before anything is changed; not where a brake is on, for then nothing will be. Tell whether it was asked."""
    try:
        brake.check()
    except Stopped:
        return False
    confirm(accounts, rules)
    return True


class Work:
    """A job over accounts: its sessions, its brake, its waves."""

    def __init__(
        self,
        hub: Hub,
        journal: Journal,
        rails: Settings,
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
        self._did_something = False
        self._gate = asyncio.Semaphore(hub.config.cloud.limits.max_accounts)
        self._stage = progress.stage = job.partition(":")[0]
        progress.watch(hub.count_calls, hub.quota_seconds, hub.longest_waits)

    def _name_of(self, account_id: str) -> str:
        account = self._accounts.get(account_id)
        return f"{account_id} {account.name}".strip() if account else account_id

    def entrance(self, account_id: str, policies: Sequence[str]) -> Entrance:
        """Return the way into an account, by sessions that may do what these policies say."""
        account = self._accounts.get(account_id) or Account(account_id)
        return Entrance(self.hub, account, policies)

    async def order(self, entrance: Entrance, digest: str) -> Order:
        """Return what all changes of the account have in common; proves that the session is in that account."""
        return await order_of(self.journal, self.job, entrance, digest)

    async def run(
        self,
        by_account: Mapping[str, Sequence[Action | Undo]],
        one: Callable[[str], Awaitable[Sequence[Outcome] | None]],
    ) -> Changed:
        """Go through the waves; each must have succeeded before the next begins."""
        account_ids = tuple(by_account)
        self._progress.accounts = len(account_ids)
        await note(self.journal, self.hub.connection, now().isoformat())
        await speak(self.journal, self.hub.config.report.language)
        stopped = ""
        try:
            every = waves(account_ids, self._rails.waves)
            for number, wave in enumerate(every, 1):
                self.brake.check()
                if len(every) > 1:
                    self._progress.stage = f"{self._stage}, wave {number} of {len(every)}"
                await self._wave(wave, one)
        except Stopped as stop:
            stopped = str(stop)
        finally:
            export_outcomes(self.journal)
            with suppress(JournalError):  # it is sealed when it is closed, too, which tells what is wrong
                await self.journal.seal()
            write_report(self.journal.folder)
        return self._result(by_account, stopped)

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
                self._progress.enter(account_id, lambda: self._name_of(account_id))
                try:
                    outcomes = await one(account_id)
                    self._did_something |= outcomes is not None
                    ended.extend(outcomes or ())
                except Stopped as stop:
                    stops.append(stop)
                    self._progress.drop(account_id)
                else:
                    self._progress.leave(account_id)

        async with asyncio.TaskGroup() as tasks:
            for account_id in account_ids:
                tasks.create_task(work(account_id))
        if stops:
            raise stops[0]
        failed = [outcome for outcome in ended if outcome.outcome is OutcomeKind.failed]
        if failed and len(self._rails.waves) > 1:
            raise Stopped(f"{len(failed)} changes of this wave failed: the next one is not begun")

    def _result(self, by_account: Mapping[str, Sequence[Action | Undo]], stopped: str) -> Changed:
        """Return what the job has come to, over all its deliveries."""
        effects = [one for one in self.journal.all_effects(self.job) if one.outcome is not None]
        wanted = sum(map(len, by_account.values()))
        left = wanted - sum(1 for one in effects if one.account_id in by_account)
        outcomes = [one.outcome for one in effects if one.outcome is not None]
        ended = changed_by(outcomes, stopped, self.journal.folder, left if stopped else 0)
        return msgspec.structs.replace(ended, nothing_left=not (self._did_something or stopped))


def changed_by(outcomes: Iterable[Outcome], stopped: str, folder: Path, left: int = 0) -> Changed:
    """Return what these outcomes have come to."""
    count: dict[OutcomeKind, int] = {}
    failed: list[Outcome] = []
    others = 0
    for outcome in outcomes:
        count[outcome.outcome] = count.get(outcome.outcome, 0) + 1
        others += outcome.stands_again
        if outcome.outcome is OutcomeKind.failed:
            failed.append(outcome)
    return Changed(count, tuple(failed), stopped, folder, left, others)


async def order_of(journal: Journal, job: str, entrance: Entrance, digest: str) -> Order:
    """Return what all changes of the account have in common; proves that the session is in that account."""
    return Order(
        job=job,
        who=await entrance.prove(),
        now=now,
        plan_digest=digest,
        incident=journal.header.incident,
    )


def brake_of(folder: Path, rails: Settings) -> Brake:
    """Return the brake that the rails ask for; a file STOP in the run folder stops it, too."""
    return Brake(folder / STOP, max_failed_share=rails.max_failure_rate)


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
        data = read_trusted(path)
    except OSError as error:
        raise UsageError(f"the plan {path} cannot be read: {error.strerror}") from None
    plan = check_digest(data, approval.digest)
    refuse_unsigned(plan, approval.keys)
    check_age(plan, now(), timedelta(hours=config.remediation.max_age_hours))
    return plan


def _refuse_other_rollback(digest: str, approval: Approval) -> None:
    """Refuse to undo something else than was approved.

    Raises:
        RefusedError: names both.
    """
    if approval.digest and approval.digest != digest:
        raise RefusedError(
            f"this is another rollback: its digest is {digest}, {approval.digest} was given. Nothing was changed"
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
