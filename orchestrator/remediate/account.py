"""One account: claim it, work group by group in sessions that may do no more, finish it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from orchestrator.cloud.errors import CloudError
from orchestrator.journal import Claim, Ledger, Outcome
from orchestrator.plan import Action, Place
from orchestrator.remediate.bounds import session_parts
from orchestrator.remediate.brake import Brake, Stopped
from orchestrator.remediate.calls import GroupCalls, Session
from orchestrator.remediate.group import GroupWork, Settings
from orchestrator.remediate.rollback import Undo
from orchestrator.remediate.targets import Removal, Target
from orchestrator.remediate.telling import Order

Enter = Callable[[str], Session]
"""Makes a session of the account that may do what the given RAM policy says, and nothing else."""

_DEFAULT = Settings()


async def remediate_account(
    enter: Enter,
    ledger: Ledger,
    actions: Sequence[Action],
    order: Order,
    brake: Brake,
    settings: Settings = _DEFAULT,
) -> list[Outcome] | None:
    """Carry out a plan's actions of one account; safe to deliver any number of times.

    Returns:
        How those ended that this delivery worked on; None if the account was finished before. An account with
        failed changes is not finished: delivered again, those are tried again.

    Raises:
        Stopped: by the brake; delivered again, it goes on.
        Fenced: another delivery took over.
        JournalError: the ledger cannot be written; nothing was called after that.
    """
    return await _work(enter, ledger, [Removal(action) for action in actions], order, brake, settings)


async def roll_back_account(
    enter: Enter,
    ledger: Ledger,
    undoing: Sequence[Undo],
    order: Order,
    brake: Brake,
    settings: Settings = _DEFAULT,
) -> list[Outcome] | None:
    """Undo changes of one account; the same in every other respect as `remediate_account`."""
    return await _work(enter, ledger, [undo.target() for undo in undoing], order, brake, settings)


async def _work(
    enter: Enter, ledger: Ledger, targets: Sequence[Target], order: Order, brake: Brake, settings: Settings
) -> list[Outcome] | None:
    account_ids = {target.action.account_id for target in targets}
    if len(account_ids) != 1:
        raise ValueError(f"actions of one account are needed, not of {len(account_ids)}")
    claim = await ledger.claim(account_ids.pop(), order.job)
    if claim is None:
        return None
    account = _AccountWork(enter, ledger, claim, order, brake, settings)
    try:
        outcomes = await account.run(targets)
    except Stopped:
        await ledger.finish(claim, "stopped")
        raise
    failed = any(outcome.outcome == "failed" for outcome in outcomes)
    await ledger.finish(claim, "failed" if failed else "done")
    return outcomes


class _AccountWork:
    """The groups of one account, one after another."""

    def __init__(
        self, enter: Enter, ledger: Ledger, claim: Claim, order: Order, brake: Brake, settings: Settings
    ) -> None:
        self._enter = enter
        self._ledger = ledger
        self._claim = claim
        self._order = order
        self._brake = brake
        self._settings = settings
        self._shut: CloudError | None = None

    async def run(self, targets: Iterable[Target]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for part in session_parts(targets):
            session = self._enter(part.policy)
            for place, group in part.groups:
                self._brake.check()
                ended = await self._group(session, place, group)
                self._brake.count(ended)
                outcomes += ended
        return outcomes

    async def _group(self, session: Session, place: Place, targets: Sequence[Target]) -> list[Outcome]:
        calls = GroupCalls(session, place, self._order.job, self._brake.check)
        work = GroupWork(calls, self._ledger, self._claim, place, self._order, self._settings)
        if self._shut is None:
            try:
                return await work.run(targets)
            except CloudError as error:
                self._shut = error  # the account cannot be entered: its other groups are not asked for
        return await work.fail(targets, self._shut)
