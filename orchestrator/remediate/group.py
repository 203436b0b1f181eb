"""One group: read, intend, call, read again, write down how it ended."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import msgspec

from orchestrator.cloud.errors import CloudError, Unavailable
from orchestrator.journal import Claim, Effect, Ledger, Outcome
from orchestrator.plan import Fields, Place
from orchestrator.remediate.calls import (
    GroupCalls,
    batches,
    bytes_to_add,
    bytes_to_remove,
    is_group_gone,
    is_open,
    is_rule_gone,
)
from orchestrator.remediate.targets import End, Need, Removal, Rules, Target
from orchestrator.remediate.telling import Order, intent_of, key_of, settled_of
from orchestrator.securitygroup import content_digest

_DIRECTIONS = ("ingress", "egress")


class Settings(msgspec.Struct, frozen=True):
    """How patient it is.

    Attributes:
        wait_seconds: how long a change may take to show when the group is read again.
        first_wait_seconds: before reading once more; doubled each time.
        rounds: how often what did not take is tried, before it is `failed`.
        confirm_adds: read the group between adding and revoking too, at the price of a fifth call. Without it an
            answer that says the rules were added is believed until the re-read at the end.
    """

    wait_seconds: float = 15.0
    first_wait_seconds: float = 0.5
    rounds: int = 4
    confirm_adds: bool = False


class _Todo(NamedTuple):
    """A target, and what is left to do for it."""

    target: Target
    need: Need

    @property
    def key(self) -> str:
        return key_of(self.target)

    @property
    def direction(self) -> str:
        return self.target.action.direction


class GroupWork:
    """Brings one group to its targets."""

    def __init__(
        self, calls: GroupCalls, ledger: Ledger, claim: Claim, place: Place, order: Order, settings: Settings
    ) -> None:
        self._calls = calls
        self._ledger = ledger
        self._claim = claim
        self._place = place
        self._order = order
        self._settings = settings
        self._rules = Rules(())
        self._begun: set[str] = set()  # an intent was written, now or in an earlier delivery
        self._intended: set[str] = set()  # an intent stands without an outcome
        self._errors: dict[str, CloudError] = {}
        self._request_ids: dict[str, str] = {}
        self._attempts: dict[str, int] = {}
        self._unread: CloudError | None = None

    async def run(self, targets: Sequence[Target]) -> list[Outcome]:
        """Return how those ended that had not ended before.

        Raises:
            Stopped: between two calls; what was intended stands in the ledger.
            CloudError: the account cannot be entered; nothing was called, nothing written down about this group.
            JournalError: the ledger cannot be written; nothing more was called.
        """
        left = await self._left(targets)
        if not left:
            return []
        try:
            self._rules = await self._calls.read()
        except CloudError as error:
            if error.action == "AssumeRole":
                raise
            return await self._settle(left, partial(self._without_reading, error=error))
        await self._converge(left)
        return await self._settle(left, self._end)

    async def fail(self, targets: Sequence[Target], error: CloudError) -> list[Outcome]:
        """Write down, without a call, that nothing could be done."""
        self._errors = {key_of(target): error for target in targets}
        return await self._settle(await self._left(targets), lambda _: End("failed", str(error)))

    async def _left(self, targets: Sequence[Target]) -> list[Target]:
        known = {e.key: e for e in await self._ledger.effects(self._claim, *self._place[1:])}
        self._begun = {key for key, effect in known.items() if effect.intended}
        self._intended = {key for key in self._begun if known[key].outcome is None}
        return [target for target in targets if not _has_ended(known.get(key_of(target)))]

    async def _converge(self, targets: Sequence[Target]) -> None:
        """Do what is missing and look, until nothing is missing or trying again makes no sense."""
        for _ in range(self._settings.rounds):
            todos = [todo for todo in self._todos(targets, self._rules) if self._may_try(todo.key)]
            if not todos:
                return
            await self._intend(todos)
            await self._act(todos)
            try:
                await self._reread(todos)
            except CloudError as error:
                self._unread = error
                self._errors.update((todo.key, error) for todo in todos)
                return

    def _todos(self, targets: Iterable[Target], rules: Rules) -> list[_Todo]:
        verdicts = [(target, target.judge(rules, begun=key_of(target) in self._begun)) for target in targets]
        return [_Todo(target, verdict) for target, verdict in verdicts if isinstance(verdict, Need)]

    def _may_try(self, key: str) -> bool:
        error = self._errors.get(key)
        return error is None or is_open(error)

    async def _intend(self, todos: Sequence[_Todo]) -> None:
        """Write down what is about to happen, before the first call that makes it happen."""
        new = [todo for todo in todos if todo.key not in self._intended]
        if new:
            intents = [intent_of(todo.target, self._rules, self._order) for todo in new]
            await self._ledger.intend(self._claim, intents)
            self._intended.update(todo.key for todo in new)
            self._begun.update(todo.key for todo in new)

    # Calls, in the order that loses no legitimate packet --------------------------------------------------

    async def _act(self, todos: Sequence[_Todo]) -> None:
        for todo in todos:
            self._errors.pop(todo.key, None)
        for direction in _DIRECTIONS:
            await self._add([todo for todo in todos if todo.direction == direction], direction)
        if self._settings.confirm_adds:
            await self._confirm([todo for todo in todos if todo.need.add])
        for todo in todos:
            if todo.key not in self._errors:  # what stands in for the rest must stand first
                await self._modify(todo)
        standing = [todo for todo in todos if todo.key not in self._errors]
        for direction in _DIRECTIONS:
            await self._remove([todo for todo in standing if todo.direction == direction], direction)

    async def _add(self, todos: Sequence[_Todo], direction: str) -> None:
        """Add the rules, each once though several may need it."""
        wanted: dict[str, Fields] = {}
        owners: dict[str, list[str]] = {}
        for todo in todos:
            for fields in todo.need.add:
                digest = content_digest(fields)
                wanted[digest] = fields
                owners.setdefault(digest, []).append(todo.key)
        for batch in batches({digest: bytes_to_add(fields) for digest, fields in wanted.items()}):
            call = partial(self._calls.authorize, [wanted[digest] for digest in batch], direction)
            await self._try(_keys(owners, batch), ("add", *batch), call)

    async def _confirm(self, todos: Sequence[_Todo]) -> None:
        """Look before anything is revoked; who lacks its additions waits for the next round."""
        added = [todo for todo in todos if todo.key not in self._errors]
        if not added:
            return
        try:
            rules = await self._read_until(lambda now: not any(now.missing(todo.need.add) for todo in added))
        except CloudError as error:
            self._errors.update((todo.key, error) for todo in added)
            return
        for todo in added:
            if rules.missing(todo.need.add):
                self._errors[todo.key] = self._not_shown()

    def _not_shown(self) -> Unavailable:
        return Unavailable(
            code="NotShown",
            message="what was added does not show, so nothing was revoked",
            action="AuthorizeSecurityGroup",
            account_id=self._place.account_id,
            region_id=self._place.region_id,
        )

    async def _modify(self, todo: _Todo) -> None:
        if todo.need.modify is not None:
            rule_id = todo.target.action.rule_id
            call = partial(self._calls.modify, rule_id, todo.need.modify, todo.direction)
            await self._try([todo.key], ("modify", rule_id), call)

    async def _remove(self, todos: Sequence[_Todo], direction: str) -> None:
        owners: dict[str, list[str]] = {}
        for todo in todos:
            for rule_id in todo.need.remove:
                owners.setdefault(rule_id, []).append(todo.key)
        for batch in batches({rule_id: bytes_to_remove(rule_id) for rule_id in owners}):
            call = partial(self._calls.revoke, batch, direction)
            await self._try(_keys(owners, batch), ("remove", *batch), call)

    async def _try(
        self, keys: Iterable[str], what: tuple[str, ...], call: Callable[[int], Awaitable[str]]
    ) -> None:
        """Make one call for the targets of these keys, and keep its RequestId or its error."""
        name = " ".join(what)
        attempt = self._attempts.get(name, 0)
        try:
            request_id = await call(attempt)
        except CloudError as error:
            self._errors.update(dict.fromkeys(keys, error))
            if isinstance(error, Unavailable):
                return  # no answer: the same ClientToken again, so that it is done once at most
        else:
            self._request_ids.update(dict.fromkeys(keys, request_id))
        self._attempts[name] = attempt + 1

    async def _reread(self, todos: Sequence[_Todo]) -> None:
        """Read until all shows that was answered, or the wait is over."""
        targets = [todo.target for todo in todos]

        def is_shown(rules: Rules) -> bool:
            left = {todo.key: todo.need for todo in self._todos(targets, rules)}
            return left.keys() <= self._errors.keys() and not self._is_behind(todos, left)

        self._rules = await self._read_until(is_shown)

    def _is_behind(self, todos: Sequence[_Todo], left: Mapping[str, Need]) -> bool:
        """Tell whether the reading shows every rule of a call that was refused since one of them is gone.

        One such rule refuses the whole batch: without waiting, every round would send the same batch again.
        """
        refused: defaultdict[int, list[_Todo]] = defaultdict(list)
        for todo in todos:
            error = self._errors.get(todo.key)
            if error is not None and is_rule_gone(error):
                refused[id(error)].append(todo)
        return any(all(left.get(todo.key) == todo.need for todo in batch) for batch in refused.values())

    async def _read_until(self, is_shown: Callable[[Rules], bool]) -> Rules:
        waited, pause = 0.0, self._settings.first_wait_seconds
        while True:
            rules = await self._calls.read()
            left = self._settings.wait_seconds - waited
            if is_shown(rules) or left <= 0:
                return rules
            pause = min(pause, left)
            await asyncio.sleep(pause)
            waited += pause
            pause *= 2

    # How it ended -----------------------------------------------------------------------------------------

    def _end(self, target: Target) -> End:
        error = self._errors.get(key_of(target))
        if self._unread is not None and error is self._unread:
            return End(
                "failed", f"it is not known whether it was done, for the group cannot be read: {error}"
            )
        verdict = target.judge(self._rules, begun=key_of(target) in self._begun)
        if isinstance(verdict, End):
            return verdict
        if error is not None:
            return End("failed", str(error))
        return End(
            "failed",
            f"it was answered with success, but does not show {self._settings.wait_seconds:g} s later",
        )

    def _without_reading(self, target: Target, error: CloudError) -> End:
        if is_group_gone(error):
            word = "already_absent" if isinstance(target, Removal) else "failed"
            return End(word, f"the security group is gone ({error.code})")
        self._errors[key_of(target)] = error
        return End("failed", str(error))

    async def _settle(self, targets: Sequence[Target], end: Callable[[Target], End]) -> list[Outcome]:
        settled = []
        for target in targets:
            how = end(target)
            error = self._errors.get(key_of(target)) if how.outcome == "failed" else None
            request_id = error.request_id if error else self._request_ids.get(key_of(target), "")
            settled.append(settled_of(target, how, self._rules, self._order, request_id))
        if settled:
            await self._ledger.settle(self._claim, settled)
        return [one.outcome for one in settled]


def _has_ended(effect: Effect | None) -> bool:
    """Tell whether nothing is left to try; what failed is tried again by the next delivery."""
    return effect is not None and effect.outcome is not None and effect.outcome.outcome != "failed"


def _keys(owners: dict[str, list[str]], batch: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(key for item in batch for key in owners[item]))
