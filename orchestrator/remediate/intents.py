"""What is written down before a call: what is about to happen, and whether the rule itself was touched by then."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple

from orchestrator.cloud.errors import CloudError, Denied, Throttled, TooLate, Unavailable
from orchestrator.journal import Claim, Ledger
from orchestrator.remediate.calls import is_rule_gone
from orchestrator.remediate.desired_state import Removal
from orchestrator.remediate.group_state import GroupView, Todo
from orchestrator.remediate.records import Order, intent_of


class _Doubt(NamedTuple):
    """A call for several rules that was refused since one of them was gone.

    todos: what it was for. mine: keys of those that no call had touched before.
    """

    todos: tuple[Todo, ...]
    mine: frozenset[str]


class Intents:
    """The intents of one group, in the ledger and in the view.

    Attributes:
        tried: what the round under way has begun, by key.
        said_so: keys of which the cloud answered that the rule was touched.
    """

    def __init__(self, view: GroupView, ledger: Ledger, claim: Claim, order: Order) -> None:
        self.tried: dict[str, Todo] = {}
        self.said_so: set[str] = set()
        self._view = view
        self._ledger = ledger
        self._claim = claim
        self._order = order
        self._in_doubt: list[_Doubt] = []

    async def intend(self, todos: Iterable[Todo], *, touches_rule: bool) -> None:
        """Write down what is about to happen, before the first call that makes it happen."""
        some = list(todos)
        self.tried.update((todo.key, todo) for todo in some)
        known = self._view.intended & self._view.touched if touches_rule else self._view.intended
        new = [todo for todo in some if todo.key not in known]
        if new:
            intents = [
                intent_of(todo.target, self._view.rules, self._order, touches_rule=touches_rule)
                for todo in new
            ]
            await self._ledger.intend(self._claim, intents)
            self._view.intend(intents)

    @asynccontextmanager
    async def touching(self, todos: Sequence[Todo]) -> AsyncIterator[None]:
        """Write down that the rules themselves are about to be touched; unless the call within is refused, they were.

        Several may be refused for one of them, and whether the others were done is not documented.
        """
        before = frozenset(self._view.touched)
        await self.intend(todos, touches_rule=True)
        try:
            yield
            self.said_so |= {todo.key for todo in todos}
        except CloudError as error:
            is_refused = isinstance(error, (Denied, Throttled, TooLate)) or len(todos) == 1
            mine = frozenset([todo.key for todo in todos]) - before
            if is_refused and not isinstance(error, Unavailable):
                self._view.touched -= mine
            elif is_rule_gone(error) and all(isinstance(todo.target, Removal) for todo in todos):
                self._in_doubt.append(_Doubt(tuple(todos), mine))
            raise

    def settle_doubts(self) -> None:
        """Tell by the last reading whose rule it was that was gone, where that refused a call for several.

        A cloud may have taken the others away all the same. Then this reading would show two gone, for one of them went
        before the call; where it shows one, that is the one, and it is not our doing.
        """
        standing = self._view.rules.by_id
        for doubt in list(self._in_doubt):
            gone = [todo.key for todo in doubt.todos if todo.target.action.rule_id not in standing]
            if gone:
                self._in_doubt.remove(doubt)
                self._view.touched -= doubt.mine.intersection(gone) if len(gone) == 1 else frozenset()
