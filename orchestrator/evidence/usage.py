"""Who used which door, from the rows of flow logs and what is known of how they were logged. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone

from orchestrator.evidence.doors import Door, Pool
from orchestrator.evidence.flow_logs import Window
from orchestrator.evidence.flow_queries import DAY_SECONDS, BytesOut, Came, Silence
from orchestrator.evidence.flow_reading import Shortfall
from orchestrator.evidence.networks import exact
from orchestrator.evidence.values import MOST_NETWORKS_TOLD, Flows, Traffic, TrafficStatus
from orchestrator.exposure import blocks, normal

MOST_SOURCES = 100_000
"""So many sources that used a region's doors are remembered, each for an interface and port, and so many that knocked:
some 80 MB together."""

_REASONS_TOLD = 3
_SUBJECTS_TOLD = 3
Key = tuple[int, str, int]
"""A source, the protocol and the port that it came to."""


@dataclass(slots=True)
class Tally:
    """What came in from one source to one port of an interface."""

    came: Came
    flows: int = 0
    packets: int = 0
    bytes: int = 0
    bytes_out: int = 0
    last: int = 0
    whole_days: int = 0
    parts_of_days: set[int] = field(default_factory=set)

    @property
    def days(self) -> int:
        """On how many days."""
        return self.whole_days + len(self.parts_of_days)

    def add(self, part: Window, came: Came) -> None:
        """Add what a slice holds. A slice of several days has no day in common with another slice."""
        self.flows += came.flows
        self.packets += came.packets
        self.bytes += came.bytes
        self.last = max(self.last, came.last)
        day = part.begin // DAY_SECONDS
        if day == (part.end - 1) // DAY_SECONDS:
            self.parts_of_days.add(day)
        else:
            self.whole_days += came.days


class Usage:
    """What the records of a region's interfaces tell."""

    def __init__(self, most: int = MOST_SOURCES) -> None:
        self._left = {False: most, True: most}  # knocks must not take the place of use
        self._uses: defaultdict[str, dict[Key, Tally]] = defaultdict(dict)
        self._knocks: defaultdict[str, dict[Key, Came]] = defaultdict(dict)
        self._skipped: defaultdict[str, list[Silence]] = defaultdict(list)
        self._problems: defaultdict[str, list[Shortfall]] = defaultdict(list)
        self._cut: set[str] = set()

    def came(self, part: Window, rows: Iterable[Came]) -> None:
        """Take what came in within a slice."""
        for one in rows:
            key = (one.source, one.protocol, one.port)
            if one.is_knock:
                self._knock(key, one)
            else:
                self._use(part, key, one)

    def _knock(self, key: Key, came: Came) -> None:
        mine = self._knocks[came.interface_id]
        if key in mine:
            return
        if self._left[True] <= 0:
            self._cut.add(came.interface_id)
            return
        self._left[True] -= 1
        mine[key] = came

    def _use(self, part: Window, key: Key, came: Came) -> None:
        mine = self._uses[came.interface_id]
        tally = mine.get(key)
        if tally is None:
            if self._left[False] <= 0:
                self.trouble(
                    [came.interface_id], [Shortfall("incomplete", "the region has too many sources")]
                )
                return
            self._left[False] -= 1
            tally = mine[key] = Tally(came)
        tally.add(part, came)

    def answered(self, rows: Iterable[BytesOut]) -> None:
        """Take what went out: it is told of sources that came in."""
        for one in rows:
            tally = self._uses[one.interface_id].get((one.source, one.protocol, one.port))
            if tally is not None:
                tally.bytes_out += one.bytes

    def silent(self, rows: Iterable[Silence]) -> None:
        """Take records that tell of no packet."""
        for one in rows:
            if one.skipped:
                self._skipped[one.interface_id].append(one)

    def trouble(self, interface_ids: Iterable[str], problems: Sequence[Shortfall]) -> None:
        """Take why the records of these interfaces are not all known."""
        for one in interface_ids:
            self._problems[one] += [problem for problem in problems if problem not in self._problems[one]]

    def cut(self, interface_ids: Iterable[str]) -> None:
        """Take that there may be more knocks at these interfaces."""
        self._cut.update(interface_ids)

    def used(self, interface_ids: Iterable[str]) -> list[str]:
        """Return those of the interfaces that somebody used."""
        return [one for one in interface_ids if self._uses.get(one)]

    def uses(self, interface_id: str) -> Iterable[Tally]:
        """Return what came in to an interface and was use."""
        return self._uses[interface_id].values() if interface_id in self._uses else ()

    def knocks(self, interface_id: str) -> Iterable[Came]:
        """Return who knocked at an interface, once for each port."""
        return self._knocks[interface_id].values() if interface_id in self._knocks else ()

    def is_cut(self, interface_id: str) -> bool:
        """Whether there may be more knocks."""
        return interface_id in self._cut

    def problems(self, interface_id: str) -> list[Shortfall]:
        """Return why the records of an interface are not all known, or not all there."""
        found = list(self._problems.get(interface_id, ()))
        if skipped := self._skipped.get(interface_id):
            latest = max(one.last for one in skipped)
            reason = f"SKIPDATA: its log has a gap, the last one until {moment(latest)}"
            found.append(Shortfall("incomplete", reason))
        return found


@dataclass(frozen=True, slots=True)
class Watched:
    """An interface that obeys a door's group.

    Attributes:
        interface_id: its id, or its instance's in the classic network.
        pool: the rules of all its groups.
        problems: by address family, why its traffic is not known, before any record is looked at.
    """

    interface_id: str
    pool: Pool
    problems: Mapping[int, Shortfall | None]


def tell(door: Door, window: Window, interfaces: Sequence[Watched], usage: Usage) -> Traffic:
    """Return who used a door.

    Args:
        door: the rule and the ports of its findings.
        window: what was asked for.
        interfaces: those that obey its group; at least one.
        usage: what their records tell.
    """
    cut, kept = _Sources(), _Sources()
    used: set[int] = set()
    knocked: set[int] = set()
    for one in interfaces:
        for tally in usage.uses(one.interface_id):
            if one.pool.lets_in(door, tally.came):
                used.add(tally.came.source)
                keepers = one.pool.keepers(door, tally.came)
                (kept if keepers else cut).add(tally, keepers)
        knocked |= {came.source for came in usage.knocks(one.interface_id) if one.pool.lets_in(door, came)}
    status, reason = _known(door, interfaces, usage)
    sources, stays = cut.networks(), kept.networks()
    return Traffic(
        status=status or ("observed" if used else "quiet"),
        days=round(window.days),
        flows=cut.flows,
        sources=sources[:MOST_NETWORKS_TOLD],
        sources_untold=max(0, len(sources) - MOST_NETWORKS_TOLD),
        last_seen=moment(cut.last) if cut.last else "",
        knocks=len(knocked - used),
        knocks_are_least=any(usage.is_cut(one.interface_id) for one in interfaces),
        kept=stays[:MOST_NETWORKS_TOLD],
        kept_untold=max(0, len(stays) - MOST_NETWORKS_TOLD),
        reason=reason,
    )


def moment(seconds: int) -> str:
    """Return Unix seconds as the API writes a moment."""
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


# --- whether it is known


def _known(door: Door, interfaces: Sequence[Watched], usage: Usage) -> tuple[TrafficStatus | None, str]:
    """Return what keeps the traffic of a door from being known, and why; None where nothing does."""
    troubles: dict[Shortfall, list[str]] = {}
    statuses: set[TrafficStatus | None] = set()
    for one in interfaces:
        for family in door.families:
            before = one.problems.get(family)
            found = [before] if before is not None else []
            if before is None or before.status == "incomplete":
                found += usage.problems(one.interface_id)
            statuses.add(found[0].status if found else None)
            for problem in found:
                subjects = troubles.setdefault(problem, [])
                if one.interface_id not in subjects:
                    subjects.append(one.interface_id)
    if not troubles:
        return None, ""
    return _status(statuses), _reason(troubles)


def _status(statuses: set[TrafficStatus | None]) -> TrafficStatus:
    """Return what is told where interfaces differ: some that are known beside some that are not are incomplete."""
    if statuses == {"not_logged"}:
        return "not_logged"
    return "not_permitted" if statuses <= {"not_permitted", "not_logged"} else "incomplete"


def _reason(troubles: Mapping[Shortfall, list[str]]) -> str:
    told = [f"{problem.reason} ({few(subjects)})" for problem, subjects in troubles.items()]
    more = len(told) - _REASONS_TOLD
    return "; ".join(told[:_REASONS_TOLD]) + (f"; and {more} more" if more > 0 else "")


def few(names: Sequence[str]) -> str:
    """Return the first of the names, and how many more there are."""
    more = len(names) - _SUBJECTS_TOLD
    return ", ".join(names[:_SUBJECTS_TOLD]) + (f" and {more} more" if more > 0 else "")


# --- networks


class _Sources:
    """Sources with what they did, to be told as networks. Those that other rules let in differ by which ones."""

    def __init__(self) -> None:
        self.flows = 0
        self.last = 0
        self._by_keepers: defaultdict[tuple[str, ...], defaultdict[int, list[Tally]]] = defaultdict(
            lambda: defaultdict(list)
        )

    def add(self, tally: Tally, keepers: tuple[str, ...]) -> None:
        """Take what a source did at one port of one interface."""
        self.flows += tally.flows
        self.last = max(self.last, tally.last)
        self._by_keepers[keepers][tally.came.source].append(tally)

    def networks(self) -> tuple[Flows, ...]:
        """Return the networks that hold these sources and no other address, most flows first."""
        found = [one for keepers, mine in self._by_keepers.items() for one in _networks(mine, keepers)]
        return tuple(sorted(found, key=lambda one: (-one.flows, one.cidr, one.lets_in_as_well)))


def _networks(sources: Mapping[int, list[Tally]], keepers: tuple[str, ...]) -> list[Flows]:
    cidrs = exact(normal([(one, one) for one in sources]))
    starts = [blocks([cidr])[0][0] for cidr in cidrs]
    inside: list[list[Tally]] = [[] for _ in cidrs]
    for source, tallies in sources.items():
        inside[bisect_right(starts, source) - 1] += tallies
    return [_flows(cidr, tallies, keepers) for cidr, tallies in zip(cidrs, inside, strict=True)]


def _flows(cidr: str, tallies: Sequence[Tally], keepers: tuple[str, ...]) -> Flows:
    return Flows(
        cidr=cidr,
        flows=sum(one.flows for one in tallies),
        days=max(one.days for one in tallies),
        packets=sum(one.packets for one in tallies),
        bytes=sum(one.bytes for one in tallies),
        bytes_out=sum(one.bytes_out for one in tallies),
        last_seen=moment(max(one.last for one in tallies)),
        lets_in_as_well=keepers,
    )
