"""One group: read, intend, call, read again, write down how it ended."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import count

from accounts import is_group_gone
from orchestrator.cloud.errors import CloudError, Throttled, TooLate, Unavailable
from orchestrator.journal import Claim, Ledger, Outcome, OutcomeKind
from orchestrator.plan import Place
from orchestrator.remediate.attempts import Attempts
from orchestrator.remediate.calls import (
    GroupCalls,
    batches,
    is_open,
    is_rule_gone,
)
from orchestrator.remediate.desired_state import End, Need, Removal, Target
from orchestrator.remediate.group_state import MAX_AGE_SECONDS, GroupView, Shut, Todo
from orchestrator.remediate.intents import Intents
from orchestrator.remediate.records import Order, key_of, settled_of
from orchestrator.remediate.settings import Settings
from orchestrator.remediate.steps import (
    Addition,
    ChangeStep,
    Modification,
    Owners,
    Picked,
    Revocation,
    TakingBack,
    owners_of,
)
from orchestrator.securitygroup import content_digest

_DIRECTIONS = ("ingress", "egress")
NO_ANSWER = "it is so, but no answer of the cloud says that this run did it"
_USUAL_QUOTA = 200  # rules in a group, unless the quota was raised (security group limits)
_TOO_OFTEN = 5  # turns in which a reading grew too old; nothing is sent in them, so they cost time only


class _Patience:
    """Waits for what was answered to show: ever longer, and no longer than the settings say in all."""

    def __init__(self, settings: Settings) -> None:
        self._left_seconds = settings.wait_seconds
        self._pause_seconds = settings.first_wait_seconds

    @property
    def is_over(self) -> bool:
        return self._left_seconds <= 0

    async def pause(self) -> None:
        seconds = min(self._pause_seconds, self._left_seconds)
        await asyncio.sleep(seconds)
        self._left_seconds -= seconds
        self._pause_seconds *= 2


class GroupWork:
    """Brings one group to its targets.

    A call that changes something relies on a reading at most two seconds old when it is sent, and one that takes
    something away on a reading that was made after the last addition: its turn is taken first, the group is read and
    held against the plan within the turn, and the call follows at once. What differs by then is left alone, and what
    was added for it is taken back.
    """

    def __init__(
        self,
        view: GroupView,
        calls: GroupCalls,
        ledger: Ledger,
        claim: Claim,
        order: Order,
        settings: Settings,
    ) -> None:
        self._view = view
        self._calls = calls
        self._ledger = ledger
        self._claim = claim
        self._place: Place = calls.place
        self._order = order
        self._settings = settings
        self._attempts = Attempts()
        self._intents = Intents(view, ledger, claim, order)

    async def run(self, targets: Sequence[Target]) -> list[Outcome]:
        """Return how those ended that had not ended before.

        Raises:
            Stopped: between two calls; what was intended stands in the ledger.
            CloudError: the account cannot be entered; nothing was called, nothing written down about this group.
            JournalError: the ledger cannot be written; nothing more was called.
        """
        await self._remember(targets)
        left = self._view.targets
        if not left:
            return []
        try:
            await self._converge(left)
        except Shut as shut:
            raise shut.error from None
        if not self._view.was_seen and (unread := self._view.unread) is not None:
            return await self._settle(left, partial(self._without_reading, error=unread))
        if self._view.unread is None:
            await self._take_back(left)
        await self._confirm_ends(left)
        return await self._settle(left, self._end)

    async def fail(self, targets: Sequence[Target], error: CloudError) -> list[Outcome]:
        """Write down, without a call, that nothing could be done."""
        self._errors.update({key_of(target): error for target in targets})
        await self._remember(targets)
        return await self._settle(self._view.targets, lambda _: End(OutcomeKind.failed, str(error)))

    async def _remember(self, targets: Sequence[Target]) -> None:
        self._view.remember(targets, await self._ledger.effects(self._claim, *self._place[1:]))

    @property
    def _errors(self) -> dict[str, CloudError]:
        return self._attempts.errors

    async def _converge(self, targets: Sequence[Target]) -> None:
        """Do what is missing and look, until nothing is missing or trying again makes no sense.

        A call without an answer is not sent again at once, for it may have been carried out: the group is looked at. So
        a cloud that is gone for some seconds would use up all rounds in one; it is waited for, as long as for a change
        to show.
        """
        patience = _Patience(self._settings)
        for rounds_left in count(self._settings.rounds, -1):
            left = [todo.target for todo in self._view.todos(targets)] if self._view.was_seen else targets
            left = [target for target in left if self._may_try(key_of(target))]
            if not left:
                return
            if self._may_come_back(left) and not patience.is_over:
                await patience.pause()
            elif rounds_left <= 0:
                return
            await self._view.look_around()  # before any turn is taken: an account that is shut is asked once
            self._intents.tried = {}
            try:
                await self._round(left)
            except CloudError as error:  # of the look that this round begins with
                if self._view.was_seen:
                    self._errors.update((key_of(target), error) for target in left)
                return
            if not self._intents.tried:
                return
            try:
                await self._reread(list(self._intents.tried.values()))
            except CloudError as error:
                self._errors.update((key, error) for key in self._intents.tried)
                return

    def _may_come_back(self, targets: Iterable[Target]) -> bool:
        """Tell whether the cloud did not answer the last calls; who asks a region that was given up asks in vain."""
        errors = [self._errors.get(key_of(target)) for target in targets]
        return any(isinstance(one, Unavailable) and one.code != "CircuitOpen" for one in errors)

    def _may_try(self, key: str) -> bool:
        error = self._errors.get(key)
        return error is None or is_open(error)

    async def _round(self, targets: Sequence[Target]) -> None:
        """Make the calls that are missing."""
        if all(isinstance(target, Removal) and target.only_removes for target in targets):
            # Nothing has to stand in their place: the reading that the revoke relies on is the first one.
            for target in targets:
                self._errors.pop(key_of(target), None)
            for direction in _DIRECTIONS:
                some = [one for one in targets if one.action.direction == direction]
                ids = {one.action.rule_id: [key_of(one)] for one in some}
                await self._make(self._revocation(ids, direction, some))
            return
        await self._view.look()
        if todos := self._view.todos(targets):
            await self._intents.intend(todos, touches_rule=False)
            await self._act(todos)

    # Calls, in the order that loses no legitimate packet --------------------------------------------------

    async def _act(self, todos: Sequence[Todo]) -> None:
        for todo in todos:
            self._errors.pop(todo.key, None)
        plain = [todo for todo in todos if not todo.need.add and todo.need.modify is None]
        if self._may_be_full(todos):
            await self._remove_of(plain)
        for direction in _DIRECTIONS:
            some = [todo for todo in todos if todo.direction == direction]
            await self._make(Addition(self._view, self._calls, some, direction))
        # What stands in for the rest must stand first: who lacks it waits for the next round.
        for todo in todos:
            if todo.need.modify is not None and todo.key not in self._errors:
                await self._modify(todo)
        await self._remove_of([todo for todo in todos if todo.key not in self._errors])

    def _may_be_full(self, todos: Iterable[Todo]) -> bool:
        """Tell whether the additions may not fit: then what goes without replacement goes first, and makes room."""
        adding = sum(len(todo.need.add) for todo in todos)
        return bool(adding) and len(self._view.rules.by_id) + adding > _USUAL_QUOTA

    async def _modify(self, todo: Todo) -> None:
        step = Modification(self._view, self._calls, self._intents, todo)
        call = partial(self._in_turn, step, (step.rule_id,))
        error = await self._attempts.make([todo.key], (step.word, step.rule_id), call)
        if error is not None:
            self._errors[todo.key] = error

    async def _remove_of(self, todos: Sequence[Todo]) -> None:
        for direction in _DIRECTIONS:
            some = [todo for todo in todos if todo.direction == direction]
            await self._make(self._revocation(owners_of(some), direction, [todo.target for todo in some]))

    def _revocation(self, owners: Owners, direction: str, targets: Sequence[Target]) -> Revocation:
        return Revocation(self._view, self._calls, self._intents, owners, direction, targets, self._errors)

    async def _make(self, step: ChangeStep) -> None:
        """Make the step's call in batches, as many of its items in each as each look picks."""
        for batch in batches(step.sizes()):
            await self._attempts.make_all(step.word, batch, step.owners, partial(self._in_turn, step))

    async def _in_turn(self, step: ChangeStep, some: Sequence[str], attempt: int) -> str:
        """Take the turn of a step's call, look, and make it for what of the items it picks.

        Returns:
            Its RequestId; "" for no call.

        Raises:
            TooLate: the reading grew too old before the call could be sent, five times.
            CloudError: the group could not be read, or the call failed.
        """
        late, patience = 0, _Patience(self._settings)
        while True:
            async with self._calls.turn(step.kind, step.direction, hurried=late > 0) as turn:
                if not (step.is_addition and self._view.is_fresh) or late:
                    await self._view.look()
                picked = step.pick(some)
                if picked.waiting and patience.is_over:
                    self._errors.update((todo.key, self._not_shown()) for todo in picked.waiting)
                    picked = Picked(picked.ready)
                if not picked.waiting:
                    try:
                        return await step.send(turn, picked.ready, attempt) if picked.ready else ""
                    except TooLate as error:
                        late += 1
                        if late == _TOO_OFTEN:
                            raise self._too_old(error) from None
                    except Throttled as error:  # nothing was done; the next turn waits for the quota
                        if error.hopeless:
                            raise
                    continue
            await patience.pause()

    def _not_shown(self) -> Unavailable:
        return Unavailable(
            code="NotShown",
            message="what was added does not show, so nothing was revoked",
            action="AuthorizeSecurityGroup",
            account_id=self._place.account_id,
            region_id=self._place.region_id,
        )

    def _too_old(self, error: TooLate) -> TooLate:
        return TooLate(
            code="ReadingTooOld",
            message=f"{_TOO_OFTEN} times the call could not be sent within {MAX_AGE_SECONDS:g} s of reading the group: "
            "the cloud, its quota or this machine is too slow. Nothing was changed on an old reading; the same command "
            "tries again",
            action=error.action,
            account_id=self._place.account_id,
            region_id=self._place.region_id,
        )

    async def _take_back(self, targets: Iterable[Target]) -> None:
        """Remove what was added for changes that failed for good, or whose rule drifted: nothing is left half done.

        What stood before the change is not ours, and what another change needs stays.
        """
        failed = [target for target in targets if self._is_left_undone(target)]
        kept = self._needed_elsewhere(failed)
        errors = dict(self._errors)  # why they failed: what taking back comes to does not hide it
        for direction in _DIRECTIONS * self._settings.rounds:
            step = TakingBack(self._view, self._calls, self._intents, failed, kept, direction)
            if not step.owners:
                continue
            await self._make(step)
            self._attempts.errors = dict(errors)
            try:
                await self._view.read()
            except CloudError:  # that is said of those that ended otherwise
                return

    def _needed_elsewhere(self, failed: Iterable[Target]) -> frozenset[str]:
        """Return the contents that other changes need."""
        keys = set(map(key_of, failed))
        others = [target for target in self._view.targets if key_of(target) not in keys]
        return frozenset([content_digest(fields) for target in others for fields in target.adds])

    def _is_left_undone(self, target: Target) -> bool:
        judged = self._view.judged(target)
        if self._may_have_closed(target):
            return False
        if isinstance(judged, End):
            return _is_not_made(judged.outcome)
        error = self._errors.get(key_of(target))
        return error is not None and not is_open(error)

    def _may_have_closed(self, target: Target) -> bool:
        """Tell whether the rule may have been taken away or modified by us: what was added stands in its place."""
        now = self._view.rules.by_id.get(target.action.rule_id)
        if key_of(target) not in self._view.touched:
            return False
        return now is None or (
            target.modifies and content_digest(now) != content_digest(target.action.before)
        )

    # Reading again ----------------------------------------------------------------------------------------

    async def _reread(self, todos: Sequence[Todo]) -> None:
        """Read until all shows that was answered, or the wait is over.

        Raises:
            CloudError: the group could not be read.
        """
        targets = [todo.target for todo in todos]
        patience = _Patience(self._settings)
        while True:
            await self._view.read()
            self._intents.settle_doubts()
            left = {todo.key: todo.need for todo in self._view.todos(targets)}
            is_shown = left.keys() <= self._errors.keys() and not self._is_behind(todos, left)
            if is_shown or patience.is_over:
                return
            await patience.pause()

    def _is_behind(self, todos: Sequence[Todo], left: Mapping[str, Need]) -> bool:
        """Tell whether the reading shows every rule of a call that was refused since one of them is gone.

        One such rule refuses the whole batch: without waiting, every round would send the same batch again.
        """
        refused: defaultdict[int, list[Todo]] = defaultdict(list)
        for todo in todos:
            error = self._errors.get(todo.key)
            if error is not None and is_rule_gone(error):
                refused[id(error)].append(todo)
        return any(all(left.get(todo.key) == todo.need for todo in batch) for batch in refused.values())

    async def _confirm_ends(self, targets: Iterable[Target]) -> None:
        """Read the whole group where a change ended that no answer of the cloud says was made."""
        unsaid = [one for one in self._view.ended(targets) if key_of(one) not in self._attempts.request_ids]
        if self._view.is_whole or self._view.unread is not None or not unsaid:
            return
        try:
            await self._view.read_whole()
        except CloudError as error:
            self._errors.update((key_of(target), error) for target in unsaid)

    # How it ended -----------------------------------------------------------------------------------------

    def _end(self, target: Target) -> End:
        error, unread = self._errors.get(key_of(target)), self._view.unread
        if unread is not None and error is unread:
            return End(
                OutcomeKind.failed,
                f"it is not known whether it was done, for the group cannot be read: {error}",
            )
        verdict = self._view.judged(target)
        if isinstance(verdict, End):
            return self._with_doubts(target, verdict)
        if error is not None:
            return self._with_doubts(target, End(OutcomeKind.failed, str(error)))
        return End(
            OutcomeKind.failed,
            f"it was answered with success, but does not show {self._settings.wait_seconds:g} s later",
        )

    def _with_doubts(self, target: Target, end: End) -> End:
        """The end, with what is not known of it, and what should not be there any more."""
        key = key_of(target)
        doubts = [end.reason]
        is_closed = end.outcome.is_change and (target.removes or target.modifies)
        if is_closed and key not in self._intents.said_so:
            doubts.append(NO_ANSWER)
        # Most have nothing standing: what all the others need is asked for where there is something.
        is_any = _is_not_made(end.outcome) and bool(self._view.ours(target))
        if is_any and (left := self._view.ours_alone(target, self._needed_elsewhere([target]))):
            doubts.append(f"what was added for it may still stand: {', '.join(left)}")
        return End(end.outcome, "; ".join(filter(None, doubts)))

    def _without_reading(self, target: Target, error: CloudError) -> End:
        if is_group_gone(error.code):
            kind = OutcomeKind.already_absent if isinstance(target, Removal) else OutcomeKind.failed
            return End(kind, f"the security group is gone ({error.code})")
        self._errors[key_of(target)] = error
        return End(OutcomeKind.failed, str(error))

    async def _settle(self, targets: Sequence[Target], end: Callable[[Target], End]) -> list[Outcome]:
        settled = []
        for target in targets:
            how = end(target)
            error = self._errors.get(key_of(target)) if how.outcome is OutcomeKind.failed else None
            request_id = error.request_id if error else self._attempts.request_ids.get(key_of(target), "")
            notes = tuple(self._view.notes(target)) if how.outcome.is_change else ()
            is_left = isinstance(target, Removal) and _is_not_made(how.outcome)
            settled.append(
                settled_of(
                    target,
                    how,
                    self._view.rules,
                    self._order,
                    request_id,
                    notes,
                    touches_rule=key_of(target) in self._view.touched,
                    left=self._view.ours(target) if is_left else None,
                )
            )
        if settled:
            await self._ledger.settle(self._claim, settled)
        return [one.outcome for one in settled]


def _is_not_made(kind: OutcomeKind) -> bool:
    """Tell whether the change was not made, in this delivery at least: what was added for it is not needed."""
    return kind.is_left_alone or kind is OutcomeKind.failed
