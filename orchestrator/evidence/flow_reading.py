"""Reads the records of flow logs in a logstore, in slices of time, each in full or named as not.

An answer that stays Incomplete, or is as long as its LIMIT, is of too long a slice: that is halved, at the end of a day
where there is one inside, down to the shortest. Incomplete may be Complete when asked again, so the first slice is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from orchestrator.cloud.client import AccountSession
from orchestrator.cloud.errors import CloudError, Denied, NotFound, Unavailable
from orchestrator.cloud.sls import LogPlace, LogService
from orchestrator.evidence.flow_logs import Window
from orchestrator.evidence.flow_queries import DAY_SECONDS
from orchestrator.evidence.values import TrafficStatus

T = TypeVar("T")
Rows = list[dict[str, str]]

_SHORTEST_SECONDS = 600  # a record's own window
_TIMES = 3  # an answer that is Incomplete so often stays so


@dataclass
class Cost:
    """What was asked, and what it cost.

    Attributes:
        queries: of SQL, whatever came of them.
        rows_scanned, bytes_scanned: read by the service, which bills dedicated SQL and index traffic by such figures.
    """

    queries: int = 0
    rows_scanned: int = 0
    bytes_scanned: int = 0


@dataclass(frozen=True, slots=True)
class Shortfall:
    """Why something is not known: as what it is told, and in which words, which do not name the interface."""

    status: TrafficStatus
    reason: str


def shortfall_of(error: CloudError) -> Shortfall:
    """Return what an error of the cloud means: no right, nothing there, or not read; it names the RequestId."""
    if isinstance(error, Denied):
        return Shortfall("not_permitted", str(error))
    return Shortfall("not_logged" if isinstance(error, NotFound) else "incomplete", str(error))


@dataclass(slots=True)
class Reading:
    """How a window was read.

    Attributes:
        problems: why some of it was not, or not in full.
        is_cut: rows without which an answer suffices (see `LogQuestion`) were left out.
    """

    problems: list[Shortfall] = field(default_factory=list)
    is_cut: bool = False


@dataclass(frozen=True, slots=True)
class LogQuestion(Generic[T]):
    """A query of one kind.

    Attributes:
        text: the query.
        most: its LIMIT.
        parse: makes values of its rows; ValueError where they are none.
        take: is given each slice that was read, with its values; slices do not overlap, and come in any order.
        suffices: tells whether an answer as long as its LIMIT has all that matters.
        is_optional: it is not worth more than one query: what that does not hold in full is left out.
    """

    text: str
    most: int
    parse: Callable[[Rows], Iterable[T]]
    take: Callable[[Window, list[T]], None]
    suffices: Callable[[list[T]], bool] = lambda _: False
    is_optional: bool = False


class LogRecords:
    """The records of one logstore."""

    def __init__(
        self,
        logs: LogService,
        who: AccountSession,
        place: LogPlace,
        *,
        cost: Cost,
        most_queries: int,
        dedicated: bool = False,
    ) -> None:
        """Remember where they are.

        Args:
            logs: asks.
            who: as whom.
            place: the logstore.
            cost: what is asked is added there.
            most_queries: so many are asked here; then the rest is incomplete.
            dedicated: use dedicated SQL.
        """
        self._logs = logs
        self._who = who
        self.place = place
        self._cost = cost
        self._most_queries = most_queries
        self._dedicated = dedicated
        self._queries = 0
        self._too_long: int | None = None  # seconds: the shortest slice that had to be halved
        self._longest: int | None = None  # the longest one below it that had not

    async def read(self, question: LogQuestion[T], window: Window) -> Reading:
        """Ask a question of a window, slice by slice. What could not be read is no error: it is told."""
        found = Reading()
        pieces = [window]
        if self._longest is not None:
            pieces = _pieces(window, self._longest)
        await asyncio.gather(*(self._slice(question, one, _TIMES, found) for one in pieces))
        return found

    async def _slice(self, question: LogQuestion[T], part: Window, times: int, found: Reading) -> None:
        halves, seconds = halved(part), part.end - part.begin
        try:
            is_complete, rows = await self._asked(question, part, times if halves else _TIMES)
        except CloudError as error:
            found.problems.append(shortfall_of(error))
            return
        is_cut = len(rows) >= question.most
        if is_complete and (not is_cut or question.suffices(rows)):
            found.is_cut |= is_cut
            question.take(part, rows)
            if self._too_long is not None and seconds < self._too_long:
                self._longest = max(self._longest or 0, seconds)
            return
        if question.is_optional:
            found.problems.append(self._unread(question, part, is_complete=is_complete))
            return
        if halves and self._queries < self._most_queries:
            self._too_long = min(self._too_long or seconds, seconds)
            await asyncio.gather(*(self._slice(question, half, 1, found) for half in halves))
            return
        question.take(part, rows)
        found.problems.append(self._unread(question, part, is_complete=is_complete))

    async def _asked(self, question: LogQuestion[T], part: Window, times: int) -> tuple[bool, list[T]]:
        """Ask, again while the answer is Incomplete; return whether it is complete in the end, and its rows."""
        rows: list[T] = []
        for _ in range(times):
            if self._queries >= self._most_queries:
                return False, rows
            self._queries += 1
            self._cost.queries += 1
            answer = await self._logs.query(
                self._who, self.place, part.begin, part.end, question.text, dedicated=self._dedicated
            )
            self._cost.rows_scanned += answer.rows_scanned
            self._cost.bytes_scanned += answer.bytes_scanned
            try:
                rows = list(question.parse(answer.rows))
            except ValueError as error:
                raise self._malformed(error) from None
            if answer.is_complete:
                return True, rows
        return False, rows

    def _malformed(self, error: ValueError) -> Unavailable:
        return Unavailable(
            code="MalformedAnswer",
            message=str(error),
            action="GetLogsV2",
            account_id=self._who.account_id,
            region_id=self.place.region_id,
        )

    def _unread(self, question: LogQuestion[T], part: Window, *, is_complete: bool) -> Shortfall:
        if self._queries >= self._most_queries:
            why = f"the bound of {self._most_queries} queries was reached"
        elif is_complete:
            why = f"{part.end - part.begin} seconds hold more than {question.most} rows"
        else:
            why = f"the answer for {part.end - part.begin} seconds stays Incomplete"
        return Shortfall("incomplete", f"{self.place}: {why}")


def halved(part: Window) -> tuple[Window, Window] | None:
    """Return the halves of a slice, or None if it is short enough; a day is divided only where it is alone."""
    if part.end - part.begin <= _SHORTEST_SECONDS:
        return None
    middle = part.begin + (part.end - part.begin) // 2
    days = [at for at in _midnights(part) if part.begin < at < part.end]
    if days:
        middle = min(days, key=lambda at: abs(at - middle))
    return Window(part.begin, middle), Window(middle, part.end)


def _midnights(part: Window) -> Sequence[int]:
    first = -(-part.begin // DAY_SECONDS) * DAY_SECONDS
    return range(first, part.end, DAY_SECONDS)


def _pieces(window: Window, longest: int) -> list[Window]:
    halves = halved(window)
    if halves is None or window.end - window.begin <= longest * 3 // 2:
        return [window]
    return [piece for half in halves for piece in _pieces(half, longest)]
