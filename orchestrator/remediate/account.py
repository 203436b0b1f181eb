"""One account: claim it, work group by group in sessions that may do no more, finish it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial

from orchestrator.cloud.errors import CloudError
from orchestrator.inventory import RegionReader
from orchestrator.journal import Claim, JobState, Ledger, Outcome, OutcomeKind
from orchestrator.plan import Action, Place
from orchestrator.remediate.bounds import session_parts
from orchestrator.remediate.calls import ChangeSession, GroupCalls
from orchestrator.remediate.desired_state import Removal, Target
from orchestrator.remediate.group_state import GroupView
from orchestrator.remediate.guard import Guard
from orchestrator.remediate.kill_switch import Brake, Stopped
from orchestrator.remediate.neighbours import Around, Neighbours, nothing_around
from orchestrator.remediate.reconcile import GroupWork
from orchestrator.remediate.records import Order
from orchestrator.remediate.rollback import Undo
from orchestrator.remediate.settings import Settings
from orchestrator.securitygroup import Placement

Enter = Callable[[str], ChangeSession]
"""Makes a session of the account that may do what the given RAM policy says, and nothing else."""

_DEFAULT = Settings()


async def remediate_account(
    enter: Enter,
    ledger: Ledger,
    actions: Sequence[Action],
    order: Order,
    brake: Brake,
    guard: Guard,
    settings: Settings = _DEFAULT,
    *,
    check_counts: bool = True,
) -> list[Outcome] | None:
    """Carry out a plan's actions of one account; safe to deliver any number of times.

    Args:
        enter: makes its sessions.
        ledger: where intents and outcomes are written.
        actions: of one account.
        order: what they have in common.
        brake: asked before every call.
        guard: what each group is held against before it is changed.
        settings: what may be changed, and how patient to be.
        check_counts: hold a group's rules against its listing's RuleCount, as the scan did.

    Returns:
        How those ended that this delivery worked on; None if the account was finished before. An account with
        failed changes is not finished: delivered again, those are tried again.

    Raises:
        Stopped: by the brake; delivered again, it goes on.
        Fenced: another delivery took over.
        JournalError: the ledger cannot be written; nothing was called after that.
    """
    work = _AccountWork(enter, ledger, order, brake, guard, settings, check_counts=check_counts)
    return await work.deliver([Removal(action) for action in actions])


async def roll_back_account(
    enter: Enter,
    ledger: Ledger,
    undoing: Sequence[Undo],
    order: Order,
    brake: Brake,
    settings: Settings = _DEFAULT,
    *,
    check_counts: bool = True,
) -> list[Outcome] | None:
    """Undo changes of one account; the same in every other respect as `remediate_account`."""
    work = _AccountWork(enter, ledger, order, brake, None, settings, check_counts=check_counts)
    return await work.deliver([undo.target() for undo in undoing])


class _AccountWork:
    """The groups of one account, one after another."""

    def __init__(
        self,
        enter: Enter,
        ledger: Ledger,
        order: Order,
        brake: Brake,
        guard: Guard | None,
        settings: Settings,
        *,
        check_counts: bool,
    ) -> None:
        self._enter = enter
        self._ledger = ledger
        self._order = order
        self._brake = brake
        self._guard = guard
        self._settings = settings
        self._check_counts = check_counts
        self._neighbours = Neighbours(self._reader)
        self._shut: CloudError | None = None

    async def deliver(self, targets: Sequence[Target]) -> list[Outcome] | None:
        account_ids = {target.action.account_id for target in targets}
        if len(account_ids) != 1:
            raise ValueError(f"actions of one account are needed, not of {len(account_ids)}")
        claim = await self._ledger.claim(account_ids.pop(), self._order.job)
        if claim is None:
            return None
        try:
            outcomes = await self._run(claim, targets)
        except Stopped:
            await self._ledger.finish(claim, JobState.stopped)
            raise
        failed = any(outcome.outcome is OutcomeKind.failed for outcome in outcomes)
        await self._ledger.finish(claim, JobState.failed if failed else JobState.done)
        return outcomes

    async def _run(self, claim: Claim, targets: Iterable[Target]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for part in session_parts(targets):
            session = self._enter(part.policy)
            for place, group in part.groups:
                self._brake.check()
                ended = await self._group(claim, session, place, group)
                self._brake.count(ended)
                outcomes += ended
        return outcomes

    async def _group(
        self, claim: Claim, session: ChangeSession, place: Place, targets: Sequence[Target]
    ) -> list[Outcome]:
        work = GroupWork(
            GroupView(
                self._reader(session, place.region_id),
                place,
                self._settings,
                self._guard,
                self._around(session, place),
            ),
            GroupCalls(
                session, place, self._order.job, self._brake.check, revoke_by=self._settings.revoke_by
            ),
            self._ledger,
            claim,
            self._order,
            self._settings,
        )
        if self._shut is None:
            try:
                return await work.run(targets)
            except CloudError as error:
                self._shut = error  # the account cannot be entered: its other groups are not asked for
            finally:
                self._neighbours.forget(place)
        return await work.fail(targets, self._shut)

    def _reader(self, session: ChangeSession, region_id: str) -> RegionReader:
        placement = self._guard.placement if self._guard else Placement(session.account_id)
        return RegionReader(session, placement, region_id, check_counts=self._check_counts)

    def _around(self, session: ChangeSession, place: Place) -> Callable[[], Awaitable[Around]]:
        """Return what finds the other groups of the group's interfaces; undoing what was done needs none."""
        if self._guard is None:
            return nothing_around
        return partial(self._neighbours.of, session, place)
