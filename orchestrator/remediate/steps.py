"""The calls that change a group, one class for each: its items, which of them the last reading leaves, and sending.

A step is made once, and its call may be made many times: for all its items, for some of them where the whole was
refused, again where a reading grew too old. So what it sends is picked from the reading at hand each time.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from orchestrator.cloud.errors import CloudError
from orchestrator.plan import Fields
from orchestrator.remediate.calls import ChangeTurn, GroupCalls, bytes_to_add
from orchestrator.remediate.desired_state import Target
from orchestrator.remediate.group_state import GroupView, Todo
from orchestrator.remediate.intents import Intents
from orchestrator.remediate.records import key_of
from orchestrator.securitygroup import content_digest

Owners = Mapping[str, Sequence[str]]
"""Items of a call, such as rule ids, each with the keys of the targets that it is for."""


class Picked(NamedTuple):
    """What a reading shows of the items of a call.

    ready: those that the call is to be made for. waiting: targets that what was answered before does not show of yet.
    """

    ready: tuple[str, ...] = ()
    waiting: tuple[Todo, ...] = ()


class ChangeStep(Protocol):
    """One kind of call on a group.

    Attributes:
        word: names it in what was attempted.
        kind: how the action begins: Authorize, Modify or Revoke.
        direction: ingress or egress.
        is_addition: a fresh reading will do, though it is not of this turn.
        owners: its items, and for whom each is.
    """

    word: str
    kind: str
    direction: str
    is_addition: bool
    owners: Owners

    def sizes(self) -> dict[str, int]:
        """Return how many bytes each item takes in a request."""
        ...

    def pick(self, some: Sequence[str]) -> Picked:
        """Return which of the items the last reading leaves to be called for."""
        ...

    async def send(self, turn: ChangeTurn, some: Sequence[str], attempt: int) -> str:
        """Make the call for these items; return its RequestId, or raise CloudError."""
        ...


class Addition:
    """Adds rules, each once though several targets may need it; its items are contents."""

    word, kind, is_addition = "add", "Authorize", True

    def __init__(self, view: GroupView, calls: GroupCalls, todos: Sequence[Todo], direction: str) -> None:
        self.direction = direction
        self._view = view
        self._calls = calls
        self._todos = todos
        self._wanted: dict[str, Fields] = {}
        owners: dict[str, list[str]] = {}
        for todo in todos:
            for fields in todo.need.add:
                digest = content_digest(fields)
                self._wanted[digest] = fields
                owners.setdefault(digest, []).append(todo.key)
        self.owners: Owners = owners

    def sizes(self) -> dict[str, int]:
        """Return the bytes of each rule."""
        return {digest: bytes_to_add(fields) for digest, fields in self._wanted.items()}

    def pick(self, some: Sequence[str]) -> Picked:
        """Return those that do not stand yet."""
        left = self._view.todos(todo.target for todo in self._todos)
        missing = {content_digest(fields) for todo in left for fields in todo.need.add}
        return Picked(tuple([digest for digest in some if digest in missing]))

    async def send(self, turn: ChangeTurn, some: Sequence[str], attempt: int) -> str:
        """Add the rules of these contents."""
        rules = [self._wanted[digest] for digest in some]
        self._view.sent(some)
        return await self._calls.authorize(turn, rules, attempt, self._view.not_after)


class Modification:
    """Modifies the rule of one target, once what was added for it shows."""

    word, kind, is_addition = "modify", "Modify", False

    def __init__(self, view: GroupView, calls: GroupCalls, intents: Intents, todo: Todo) -> None:
        self.direction = todo.direction
        self.rule_id = todo.target.action.rule_id
        self.owners: Owners = {self.rule_id: [todo.key]}
        self._view = view
        self._calls = calls
        self._intents = intents
        self._todo = todo

    def sizes(self) -> dict[str, int]:
        """There is one, and it is sent alone."""
        return {self.rule_id: 0}

    def pick(self, some: Sequence[str]) -> Picked:
        """Return the rule where it is still to be modified."""
        left = self._view.todos([self._todo.target])
        waiting = tuple([one for one in left if one.need.add])
        is_left = not waiting and bool(left) and left[0].need.modify is not None
        return Picked(tuple(some) if is_left else (), waiting)

    async def send(self, turn: ChangeTurn, some: Sequence[str], attempt: int) -> str:  # noqa: ARG002 - there is one
        """Send every field of the rule as it stands, with those that change."""
        fields: dict[str, Any] = {**self._view.rules.by_id[self.rule_id], **(self._todo.need.modify or {})}
        async with self._intents.touching([self._todo]):
            return await self._calls.modify(turn, self.rule_id, fields, attempt, self._view.not_after)


class Revocation:
    """Takes rules away for targets, once what stands in their place shows; its items are rule ids."""

    word, kind, is_addition = "remove", "Revoke", False

    def __init__(
        self,
        view: GroupView,
        calls: GroupCalls,
        intents: Intents,
        owners: Owners,
        direction: str,
        targets: Sequence[Target] = (),
        errors: Mapping[str, CloudError] | None = None,
    ) -> None:
        self.owners = owners
        self.direction = direction
        self._view = view
        self._calls = calls
        self._intents = intents
        self._targets = targets
        self._errors = errors if errors is not None else {}

    def sizes(self) -> dict[str, int]:
        """Return the bytes of each id, or of the content that it is revoked by."""
        known = {target.action.rule_id: target.action.before for target in self._view.targets}
        known |= self._view.rules.by_id
        return {one: self._calls.bytes_to_revoke(one, known.get(one, {})) for one in self.owners}

    def pick(self, some: Sequence[str]) -> Picked:
        """Return which of the rules are to go by the last look, and who waits for what was added to show."""
        todos = [todo for todo in self._view.todos(self._targets) if todo.key not in self._errors]
        mine = [todo for todo in todos if set(todo.need.remove) & set(some)]
        waiting = [todo for todo in mine if todo.need.add or todo.need.modify is not None]
        self._intents.tried.update((todo.key, todo) for todo in mine)
        ready = {rule_id for todo in mine if todo not in waiting for rule_id in todo.need.remove}
        return Picked(tuple([rule_id for rule_id in some if rule_id in ready]), tuple(waiting))

    async def send(self, turn: ChangeTurn, some: Sequence[str], attempt: int) -> str:
        """Revoke these rules; whose rules they are is written down as touched first."""
        keys = {key for rule_id in some for key in self.owners[rule_id]}
        async with self._intents.touching([todo for key, todo in self._intents.tried.items() if key in keys]):
            return await self._revoke(turn, some, attempt)

    async def _revoke(self, turn: ChangeTurn, some: Sequence[str], attempt: int) -> str:
        rules = {rule_id: self._view.rules.by_id[rule_id] for rule_id in some}
        return await self._calls.revoke(turn, rules, attempt, self._view.not_after)


class TakingBack(Revocation):
    """Takes away what was added for targets that failed. It touches no rule of theirs, so no intent is written down."""

    word = "take back"

    def __init__(
        self,
        view: GroupView,
        calls: GroupCalls,
        intents: Intents,
        targets: Sequence[Target],
        kept: Container[str],
        direction: str,
    ) -> None:
        owners: dict[str, list[str]] = {}
        for target in targets:
            if target.action.direction == direction:
                for rule_id in view.ours_alone(target, kept):
                    owners.setdefault(rule_id, []).append(key_of(target))
        super().__init__(view, calls, intents, owners, direction, targets)
        self._kept = kept

    def pick(self, some: Sequence[str]) -> Picked:
        """Return those that are ours by the last look: one of the same content may be somebody else's by now."""
        mine = {rule_id for target in self._targets for rule_id in self._view.ours_alone(target, self._kept)}
        return Picked(tuple([rule_id for rule_id in some if rule_id in mine]))

    async def send(self, turn: ChangeTurn, some: Sequence[str], attempt: int) -> str:
        """Revoke these rules."""
        return await self._revoke(turn, some, attempt)


def owners_of(todos: Iterable[Todo]) -> dict[str, list[str]]:
    """Return the rules that these are to take away, each with those it is for."""
    owners: dict[str, list[str]] = {}
    for todo in todos:
        for rule_id in todo.need.remove:
            owners.setdefault(rule_id, []).append(todo.key)
    return owners
