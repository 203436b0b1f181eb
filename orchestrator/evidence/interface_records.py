"""Reads what the records of one logstore tell of many interfaces: who came, what was not recorded, what went out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from orchestrator.evidence.flow_logs import Window
from orchestrator.evidence.flow_queries import (
    DAY_SECONDS,
    INTERFACES_PER_QUERY,
    INTERFACES_PER_SEARCH,
    BytesOut,
    Came,
    Silence,
    answered_query,
    came_query,
    parse_answered,
    parse_came,
    parse_presence,
    parse_silence,
    presence_query,
    silence_query,
)
from orchestrator.evidence.flow_reading import LogQuestion, LogRecords, Shortfall
from orchestrator.evidence.usage import Usage
from orchestrator.exposure import PortSet
from orchestrator.exposure.addresses import IPV6_BASE

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class WantedInterface:
    """An interface whose records are read.

    Attributes:
        interface_id: its id.
        ports: of the doors that it stands behind.
        families: which traffic is read here: another log may have the other family's.
        is_in_use: it is attached, so there are records of it if it is logged.
    """

    interface_id: str
    ports: PortSet
    families: frozenset[int]
    is_in_use: bool = True


class InterfaceRecords:
    """What one logstore holds, told to a `Usage`."""

    def __init__(self, records: LogRecords, usage: Usage, window: Window, most_rows: int) -> None:
        """Remember what is read.

        Args:
            records: the logstore.
            usage: is told what was found, and what could not be.
            window: what is asked for.
            most_rows: of one answer; where it is reached, shorter slices are asked for.
        """
        self._records = records
        self._usage = usage
        self._window = window
        self._most_rows = most_rows
        self._present: set[str] = set()  # interfaces that a record was seen of

    async def read(self, wanted: Sequence[WantedInterface], *, with_answers: bool) -> None:
        """Read the records of these interfaces; what went out only where it can be read."""
        for some in _chunks(wanted, INTERFACES_PER_QUERY):
            ids = [one.interface_id for one in some]
            if not await self._came(some):
                continue
            await self._silence(ids)
            await self._presence([one.interface_id for one in some if one.is_in_use])
            used = set(self._usage.used(ids))
            if used and with_answers:
                await self._answers([one for one in some if one.interface_id in used])

    async def _came(self, wanted: Sequence[WantedInterface]) -> bool:
        """Read what came in; return whether it is any use to ask these records more."""
        ids = [one.interface_id for one in wanted]
        families = {one.interface_id: one.families for one in wanted}
        most = self._most_rows

        def take(part: Window, rows: Sequence[Came]) -> None:
            self._present.update(one.interface_id for one in rows)
            self._usage.came(part, _of(families, rows))

        text = came_query(ids, _ports(wanted), most)
        reading = await self._records.read(
            LogQuestion(text, most, parse_came, take, suffices=_ends_with_knocks), self._window
        )
        self._usage.trouble(ids, reading.problems)
        if reading.is_cut:
            self._usage.cut(ids)
        return all(one.status == "incomplete" for one in reading.problems)

    async def _silence(self, ids: Sequence[str]) -> None:
        most = 2 * len(ids) + 1  # two kinds of records for each, so it is never reached

        def take(_: Window, rows: Sequence[Silence]) -> None:
            self._present.update(one.interface_id for one in rows)
            self._usage.silent(rows)

        question = LogQuestion(silence_query(ids, most), most, parse_silence, take)
        self._usage.trouble(ids, (await self._records.read(question, self._window)).problems)

    async def _presence(self, ids: Sequence[str]) -> None:
        """Look for any record at all of interfaces that none was seen of, first in the last day.

        An interface that is in use and logged has records, if only of what was refused or of no traffic. Where there
        are none, its records go elsewhere or nowhere, and nobody knows that it was quiet.
        """
        last_day = Window(self._window.end - DAY_SECONDS, self._window.end)
        for some in _chunks(self._absent(ids), INTERFACES_PER_SEARCH):
            problems: list[Shortfall] = []
            for window in dict.fromkeys((last_day, self._window)):
                missing = self._absent(some)
                if missing:
                    text = presence_query(missing)
                    question = LogQuestion(text, len(missing) + 1, parse_presence, self._found)
                    problems = (await self._records.read(question, window)).problems
            none = Shortfall("incomplete", f"no record of it in {self._records.place} within the window")
            self._usage.trouble(self._absent(some), problems or [none])

    def _absent(self, ids: Iterable[str]) -> list[str]:
        return [one for one in ids if one not in self._present]

    def _found(self, _: Window, ids: Iterable[str]) -> None:
        self._present.update(ids)

    async def _answers(self, wanted: Sequence[WantedInterface]) -> None:
        """Read what those were given who came in. Where that could not be read it is left out: it decides nothing."""
        families = {one.interface_id: one.families for one in wanted}
        most = self._most_rows

        def take(_: Window, rows: Sequence[BytesOut]) -> None:
            self._usage.answered(_of(families, rows))

        text = answered_query(list(families), _ports(wanted), most)
        question = LogQuestion(text, most, parse_answered, take, is_optional=True)
        await self._records.read(question, self._window)


Row = TypeVar("Row", Came, BytesOut)


def _of(families: dict[str, frozenset[int]], rows: Iterable[Row]) -> list[Row]:
    """Return the rows of these interfaces and families."""
    return [one for one in rows if (4 if one.source < IPV6_BASE else 6) in families.get(one.interface_id, ())]


def _ports(wanted: Iterable[WantedInterface]) -> PortSet:
    return PortSet([port for one in wanted for port in one.ports])


def _ends_with_knocks(rows: Sequence[Came]) -> bool:
    """Tell whether all use is there: it comes before knocks."""
    return bool(rows) and rows[-1].is_knock


def _chunks(items: Sequence[T], most: int) -> Iterable[Sequence[T]]:
    return [items[start : start + most] for start in range(0, len(items), most)]
