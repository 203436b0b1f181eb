"""Who used the doors of one account: VPC flow logs, found and asked region by region.

One list of flow logs a region; retention and index once a logstore; then one query for many interfaces of a project.
What could not be asked is told of the doors that it is about, and the others go on.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from orchestrator.cloud.client import AccountSession
from orchestrator.cloud.errors import CloudError
from orchestrator.cloud.sls import LogPlace, LogService
from orchestrator.evidence.doors import Door, DoorId, Pool, doors_of
from orchestrator.evidence.flow_logs import (
    FlowLog,
    Window,
    coverage,
    covering,
    has_answers,
    read_flow_logs,
    unindexed,
)
from orchestrator.evidence.flow_queries import DAY_SECONDS, is_interface_id
from orchestrator.evidence.flow_reading import Cost, LogRecords, Shortfall, shortfall_of
from orchestrator.evidence.interface_records import InterfaceRecords, WantedInterface
from orchestrator.evidence.settings import EvidenceSettings
from orchestrator.evidence.usage import Usage, Watched, tell
from orchestrator.evidence.values import Traffic
from orchestrator.exposure import PortSet
from orchestrator.inventory import Interface, Interfaces
from orchestrator.policy.findings import Finding
from orchestrator.securitygroup import PortRange, SecurityGroup

LIST_ACTIONS = ("vpc:DescribeFlowLogs",)
"""What is asked of an account whose flow logs are gathered elsewhere."""
LOG_ACTIONS = ("log:GetLogStoreLogs", "log:GetLogStore", "log:GetIndex")
"""What is asked of the account that has the logs."""
ACTIONS = (*LIST_ACTIONS, *LOG_ACTIONS)
"""What is asked of an account that has its own logs, for the session policy."""

_MOST_ROWS_AN_ANSWER = 20_000  # of a dozen columns: more would be more values than any answer may have
_MOST_QUERIES = 400  # of one logstore for one region: 14 days in slices of an hour, and some


@dataclass(frozen=True, slots=True)
class LogstoreFacts:
    """What a logstore is: its retention and its index, as the API has them."""

    settings: Mapping[str, Any]
    index: Mapping[str, Any]


class Logstores:
    """The logstores that one identity may read; what they are is asked once."""

    def __init__(self, logs: LogService, who: AccountSession) -> None:
        """Remember who asks.

        Args:
            logs: one for the whole process, so that no project is asked for too much at once.
            who: a session with `LOG_ACTIONS`.
        """
        self.logs = logs
        self.who = who
        self._known: dict[LogPlace, LogstoreFacts] = {}
        self._asking: defaultdict[LogPlace, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def of(self, place: LogPlace) -> LogstoreFacts | Shortfall:
        """Return what a logstore is, or why that is not known."""
        async with self._asking[place]:
            if place not in self._known:
                try:
                    settings = await self.logs.logstore(self.who, place)
                    self._known[place] = LogstoreFacts(settings, await self.logs.index(self.who, place))
                except CloudError as error:
                    return shortfall_of(error)
            return self._known[place]


class Users:
    """Who used the doors of one account.

    Attributes:
        cost: what was asked so far, and what it cost.
    """

    def __init__(
        self,
        session: AccountSession,
        logs: LogService,
        settings: EvidenceSettings,
        gathered: Logstores | None = None,
    ) -> None:
        """Remember whom to ask.

        Args:
            session: of the account, with `ACTIONS`, or `LIST_ACTIONS` where its logs are gathered.
            logs: one for the whole process, so that no project is asked for too much at once.
            settings: the window, the bounds, and where logs are gathered.
            gathered: who may read `settings.project`, one for the whole process; None: the account itself.
        """
        self.cost = Cost()
        self._session = session
        self._settings = settings
        self._logstores = gathered or Logstores(logs, session)

    async def traffic(
        self,
        region_id: str,
        findings: Mapping[str, Sequence[Finding]],
        interfaces: Interfaces,
        groups: Mapping[str, SecurityGroup],
        now: datetime,
    ) -> dict[DoorId, Traffic]:
        """Return who used the doors of a region, by the ids of group and rule; for each finding's rule there is one.

        Args:
            region_id: the region.
            findings: the open ones, by the id of their group.
            interfaces: of the region, as they are now.
            groups: by id, with their lists resolved: those of the findings, and those that share an interface with
                them. What one does that is missing here is not known: it drops nothing and keeps nobody.
            now: aware; the window ends here.
        """
        end = int(now.timestamp())
        window = Window(end - self._settings.days * DAY_SECONDS, end)
        doors, others = doors_of(findings, groups)
        found = {
            key: Traffic(status="not_asked", days=self._settings.days, reason=reason)
            for key, reason in others.items()
        }
        region = _Region(self._session, self._logstores, self._settings, region_id, window, self.cost)
        return found | await region.traffic(doors, interfaces, groups)


class _Region:
    """The doors of one region."""

    def __init__(
        self,
        session: AccountSession,
        logstores: Logstores,
        settings: EvidenceSettings,
        region_id: str,
        window: Window,
        cost: Cost,
    ) -> None:
        self._session = session
        self._logstores = logstores
        self._settings = settings
        self._region_id = region_id
        self._window = window
        self._cost = cost
        self._usage = Usage()
        self._pools: dict[tuple[str, ...], Pool] = {}
        self._answering: set[LogPlace] = set()  # where what went out can be asked for

    async def traffic(
        self,
        doors: Mapping[DoorId, Door],
        interfaces: Interfaces,
        groups: Mapping[str, SecurityGroup],
    ) -> dict[DoorId, Traffic]:
        """Return who used the doors."""
        found: dict[DoorId, Traffic] = {}
        behind: dict[DoorId, Sequence[Interface]] = {}
        for key, door in doors.items():
            mine = interfaces.of(door.group_id)
            if mine:
                behind[key] = mine
            else:
                found[key] = self._bare(interfaces.attachment(door.group_id).sight)
        if not behind:
            return found
        watched = await self._watched([(doors[key], mine) for key, mine in behind.items()], groups)
        for key, mine in behind.items():
            found[key] = tell(doors[key], self._window, [watched[_name(one)] for one in mine], self._usage)
        return found

    def _bare(self, sight: str) -> Traffic:
        """Return what is told of a door that no interface is known behind."""
        days = self._settings.days
        if sight == "denied":
            reason = "the interfaces of its group may not be read (ecs:DescribeNetworkInterfaces)"
            return Traffic(status="not_permitted", days=days, reason=reason)
        if sight == "seen":
            return Traffic(status="not_logged", days=days, reason="no interface obeys its group now")
        reason = "the interfaces of its group could not be read"
        return Traffic(status="incomplete", days=days, reason=reason)

    async def _watched(
        self, doors: Sequence[tuple[Door, Sequence[Interface]]], groups: Mapping[str, SecurityGroup]
    ) -> dict[str, Watched]:
        """Find the logs of the interfaces behind the doors, read them, and return how each is watched."""
        every = {_name(one): one for _, mine in doors for one in mine}
        families: defaultdict[str, set[int]] = defaultdict(set)
        ports: defaultdict[str, list[PortRange]] = defaultdict(list)
        for door, mine in doors:
            for one in mine:
                families[_name(one)].update(door.families)
                ports[_name(one)] += door.ports
        chosen = await self._choose(every, families)
        reads: defaultdict[LogPlace, defaultdict[str, set[int]]] = defaultdict(lambda: defaultdict(set))
        for name, by_family in chosen.items():
            for family, choice in by_family.items():
                if choice.place is not None:
                    reads[choice.place][name].add(family)
        await asyncio.gather(
            *(
                self._read(
                    place,
                    [
                        WantedInterface(
                            name, PortSet(ports[name]), frozenset(mine[name]), every[name].is_in_use
                        )
                        for name in sorted(mine)
                    ],
                )
                for place, mine in reads.items()
            )
        )
        return {
            name: Watched(
                name,
                self._pool(one, groups),
                {family: choice.problem for family, choice in chosen[name].items()},
            )
            for name, one in every.items()
        }

    def _pool(self, interface: Interface, groups: Mapping[str, SecurityGroup]) -> Pool:
        """Return the rules of an interface; many interfaces have the same groups."""
        ids = tuple(sorted(set(interface.security_group_ids)))
        if ids not in self._pools:
            self._pools[ids] = Pool([groups[one] for one in ids if one in groups])
        return self._pools[ids]

    # --- which log

    async def _choose(
        self, interfaces: Mapping[str, Interface], families: Mapping[str, Iterable[int]]
    ) -> dict[str, dict[int, _Choice]]:
        """Return which logstore each interface's traffic is read in, for each address family, and what is wrong."""
        try:
            logs = await read_flow_logs(self._session, self._region_id)
        except CloudError as error:
            lost = _Choice(shortfall_of(error))
            return {name: dict.fromkeys(families[name], lost) for name in interfaces}
        by_resource: defaultdict[str, list[FlowLog]] = defaultdict(list)
        for log in logs:
            by_resource[log.resource_id].append(log)
        mine: dict[str, list[FlowLog]] = {}
        for name, one in interfaces.items():
            ids = dict.fromkeys((one.interface_id, one.vswitch_id, one.vpc_id))
            mine[name] = covering([log for key in ids if key for log in by_resource.get(key, ())], one)
        places = {self._place(log) for found in mine.values() for log in found}
        known = dict(
            zip(places, await asyncio.gather(*(self._logstores.of(one) for one in places)), strict=True)
        )
        return {
            name: {
                family: self._choice(interfaces[name], mine[name], known, family) for family in families[name]
            }
            for name in interfaces
        }

    def _place(self, log: FlowLog) -> LogPlace:
        """Return where the records of a flow log are read: where all are gathered, else where it delivers them."""
        settings = self._settings
        if settings.project:
            return LogPlace(settings.region or self._region_id, settings.project, settings.logstore)
        return log.place(self._region_id)

    def _choice(
        self,
        interface: Interface,
        logs: Sequence[FlowLog],
        known: Mapping[LogPlace, LogstoreFacts | Shortfall],
        family: int,
    ) -> _Choice:
        """Return the best of the logs that an interface is in: one that vouches for the window, else one to be read."""
        if not interface.interface_id or not interface.vpc_id:
            reason = "no interface of it is given: in the classic network there is none, and no flow log"
            return _Choice(Shortfall("not_logged", reason))
        if not is_interface_id(interface.interface_id):
            return _Choice(Shortfall("incomplete", "it has no usable id"))
        found = [self._examined(log, known[self._place(log)], family) for log in logs]
        none = _Choice(Shortfall("not_logged", "no flow log of it, its vSwitch or its VPC"))
        return min(found, key=lambda one: (one.problem is not None, one.place is None), default=none)

    def _examined(self, log: FlowLog, store: LogstoreFacts | Shortfall, family: int) -> _Choice:
        if blindness := log.blindness(family):
            return _Choice(Shortfall("not_logged", blindness))
        if isinstance(store, Shortfall):
            return _Choice(store)
        reason = coverage(log, store.settings, store.index, self._window, family)
        if unindexed(store.index):
            return _Choice(Shortfall("not_logged", reason))
        place = self._place(log)
        if has_answers(store.index):
            self._answering.add(place)
        return _Choice(Shortfall("incomplete", reason) if reason else None, place)

    # --- what it holds

    async def _read(self, place: LogPlace, wanted: Sequence[WantedInterface]) -> None:
        """Read the records of these interfaces in one logstore."""
        records = LogRecords(
            self._logstores.logs,
            self._logstores.who,
            place,
            cost=self._cost,
            most_queries=_MOST_QUERIES,
            dedicated=self._settings.dedicated_sql,
        )
        most = min(self._settings.most_rows, _MOST_ROWS_AN_ANSWER)
        reader = InterfaceRecords(records, self._usage, self._window, most)
        await reader.read(wanted, with_answers=place in self._answering)


@dataclass(frozen=True, slots=True)
class _Choice:
    """Where an interface's traffic is read, None for nowhere, and why it does not vouch for the window."""

    problem: Shortfall | None
    place: LogPlace | None = None


def _name(interface: Interface) -> str:
    """Return by what an interface is told from others: in the classic network, its instance."""
    return interface.interface_id or interface.instance_id
