"""Reads who opened what: each account's own ActionTrail, or the organization's trail in Log Service.

ActionTrail 2020-07-06 LookupEvents, of the group's region: one attribute (ResourceName, the group's id), spans of at
most 30 days from now back to 90 days ago, pages of 50, newest first, at most two calls a second for an account. It is
asked once a group, and no further back than the group's rules need.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

from orchestrator.cloud.errors import CloudError, Denied, NotFound, is_clock
from orchestrator.evidence.opened_by import KEPT, OPENING, History, is_settled, opened_by
from orchestrator.evidence.settings import EvidenceSettings
from orchestrator.evidence.trail_events import TrailEvent, parse_events, stamp
from orchestrator.evidence.trail_log import MOST_GROUPS, TrailLog, rows_as_events, trail_query
from orchestrator.evidence.values import Opened
from orchestrator.inventory.paging import PagedList, ProductCaller
from orchestrator.policy.findings import Finding

ACTIONS = ("actiontrail:LookupEvents",)
"""The RAM actions of this reader, for its session's policy."""

SECONDS_BETWEEN_CALLS = 0.5
"""LookupEvents is limited to two calls a second for an account."""

_SPAN = timedelta(days=30)
_MARGIN = timedelta(minutes=5)  # the 90 days are counted by the cloud's clock
_PER_PAGE = 50  # LookupEvents, the API's maximum
_MOST_PAGES = 60  # a group: 30 seconds, 3,000 events
_AT_ONCE = 4  # groups of an account: an answer may take longer than the time between two calls

Groups = Mapping[str, Sequence[Finding]]
Told = dict[tuple[str, str], Opened]


class Openers:
    """Asks for one account, in all of its regions: one to an account, since its calls share one pace.

    A refusal for want of a right is remembered, and nobody of the account is asked for again; a region from which no
    answer came is not tried again either.
    """

    def __init__(
        self, session: ProductCaller, settings: EvidenceSettings, log: TrailLog | None = None
    ) -> None:
        """Remember whom to ask.

        Args:
            session: of the account, may do `ACTIONS`.
            settings: of them `trail_project` and `most_rows` count.
            log: the organization's trail; it is asked instead of ActionTrail where it is given.

        Raises:
            ValueError: the settings name a trail in Log Service, and no `log` is given, or the other way round.
        """
        if bool(settings.trail_project) != (log is not None):
            raise ValueError("a trail's log is given exactly where [evidence] trail_project names one")
        self._account_id = session.account_id
        self._session = _Paced(session)
        self._log = log
        self._most_rows = settings.most_rows
        self._lost: dict[str, CloudError] = {}
        self._places = asyncio.Semaphore(_AT_ONCE)

    async def opened(self, region_id: str, groups: Groups, now: datetime) -> Told:
        """Return who opened each finding's rule, by group id and rule id.

        Args:
            region_id: where the groups are.
            groups: findings by the group's id; several of one rule are told once.
            now: aware.

        Raises:
            HubCredentialsError: the hub's own credentials no longer hold. What else goes wrong is told of each rule.
        """
        wanted = {group_id: findings for group_id, findings in groups.items() if findings}
        if self._log is None:
            read = self._looked_up(region_id, wanted, now)
        else:
            read = self._logged(self._log, region_id, wanted, now)
        histories = await read
        return {
            (group_id, one.rule_id): opened_by(one, histories[group_id], now)
            for group_id, findings in wanted.items()
            for one in findings
        }

    # --- the account's own ActionTrail

    async def _looked_up(self, region_id: str, groups: Groups, now: datetime) -> dict[str, History]:
        tasks = {
            group_id: asyncio.ensure_future(self._history(region_id, group_id, findings, now))
            for group_id, findings in groups.items()
        }
        try:
            found = await asyncio.gather(*tasks.values())
        finally:
            for task in tasks.values():
                task.cancel()
            await asyncio.gather(*tasks.values(), return_exceptions=True)
        return dict(zip(tasks, found, strict=True))

    async def _history(
        self, region_id: str, group_id: str, findings: Sequence[Finding], now: datetime
    ) -> History:
        """Return what is known of a group, and why that is not all."""
        async with self._places:
            known = self._session.refused or self._lost.get(region_id)
            if known is not None:
                return self._unread(known, region_id, ())
            reading = _Reading(self._session, region_id, group_id, findings)
            try:
                await reading.go_back(now)
            except CloudError as error:
                return self._unread(error, region_id, reading.events)
            return History(reading.events, gap=reading.gap)

    def _unread(self, error: CloudError, region_id: str, events: tuple[TrailEvent, ...]) -> History:
        """Return what was read before an error, which is remembered where it would come again."""
        reason = f"actiontrail:{error.action or 'LookupEvents'}: {error.code}: {error.message}"
        reason += f" (RequestId {error.request_id})" if error.request_id else ""
        if isinstance(error, Denied) and not is_clock(error.code):
            self._session.refused = error
            return History(events, gap=reason, gap_status="not_permitted")
        if isinstance(error, NotFound) or not error.status:
            self._lost[region_id] = error
        return History(events, gap=reason)

    # --- the organization's trail in Log Service

    async def _logged(
        self, log: TrailLog, region_id: str, groups: Groups, now: datetime
    ) -> dict[str, History]:
        found: dict[str, History] = {}
        ids = list(groups)
        for start in range(0, len(ids), MOST_GROUPS):
            some = ids[start : start + MOST_GROUPS]
            found |= dict.fromkeys(some, await self._rows(log, region_id, some, now))
        return found

    async def _rows(self, log: TrailLog, region_id: str, group_ids: Sequence[str], now: datetime) -> History:
        """Return what the log has of these groups; each rule looks for its own group's events."""
        query = trail_query(self._account_id, region_id, group_ids, self._most_rows)
        try:
            rows = await log.query(query, now - KEPT, now + timedelta(seconds=1))  # the end is left out
        except CloudError as error:
            reason = f"log:GetLogStoreLogs: {error.code}: {error.message} (RequestId {error.request_id})"
            is_right = isinstance(error, Denied) and not is_clock(error.code)
            return History(gap=reason, gap_status="not_permitted" if is_right else "unread")
        events, unreadable = rows_as_events(rows)
        gap = _unreadable(unreadable)
        if len(rows) >= self._most_rows:
            gap = f"the trail's log gave {self._most_rows:,} rows, its bound: older events are not known"
        caveat = "the trail's log has no event of it; how far that reaches back is not known"
        return History(tuple(events), gap=gap, caveat=caveat)


class _Reading:
    """Reads one group's events back in time, until they tell who opened each of its rules.

    Attributes:
        gap: why not all that was needed was read; "" where it was.
    """

    def __init__(self, session: _Paced, region_id: str, group_id: str, findings: Sequence[Finding]) -> None:
        self.gap = ""
        self._listing = PagedList(session, "LookupEvents", region_id, ("Events",))
        self._region_id = region_id
        self._group_id = group_id
        self._unsettled = list(findings)
        self._opening: dict[str, TrailEvent] = {}
        self._pages = 0
        self._seen = 0

    @property
    def events(self) -> tuple[TrailEvent, ...]:
        """Those that may have opened a rule, each once: spans touch."""
        return tuple(self._opening.values())

    async def go_back(self, now: datetime) -> None:
        """Read span by span.

        Raises:
            CloudError: it could not be read on; what was read before is kept.
        """
        for begin, end in _spans(now):
            if not await self._read(begin, end) or self._is_settled((), begin):
                return

    async def _read(self, begin: datetime, end: datetime) -> bool:
        """Read one span, newest first; False where there is no need to read on, or no leave."""
        asked = {
            "RegionId": self._region_id,  # the endpoint says it; a gateway for every region needs it
            "StartTime": stamp(begin),
            "EndTime": stamp(end),
            "MaxResults": _PER_PAGE,
            "Direction": "BACKWARD",
            "LookupAttribute": [{"Key": "ResourceName", "Value": self._group_id}],
        }
        async for _, found in self._listing.pages(asked):
            events, unreadable = parse_events(found)
            self.gap = self.gap or _unreadable(unreadable)
            opening = [one for one in events if one.name in OPENING]
            self._opening |= {one.event_id or f"{one.request_id} {one.name} {one.at}": one for one in opening}
            self._pages += 1
            self._seen += len(found)
            if self._is_settled(opening):
                return False
            if self._pages >= _MOST_PAGES:
                self.gap = f"the group has more than {self._seen:,} events: older ones were not asked for"
                return False
        return True

    def _is_settled(self, events: Sequence[TrailEvent], read_from: datetime | None = None) -> bool:
        """Tell whether these events, or how far back was read, settle what those before have left."""
        self._unsettled = [one for one in self._unsettled if not is_settled(one, events, read_from)]
        return not self._unsettled


class _Paced:
    """A session that calls ActionTrail no faster than an account may, whichever region it asks.

    Attributes:
        refused: nothing is sent any more; those who wait for their moment get this error, too.
    """

    def __init__(self, session: ProductCaller) -> None:
        self.account_id = session.account_id
        self._session = session
        self._next_at = 0.0
        self.refused: CloudError | None = None

    async def call(
        self, action: str, region_id: str | None, parameters: Mapping[str, object]
    ) -> dict[str, Any]:
        """Return the decoded answer of an action of ActionTrail, or raise CloudError."""
        now = asyncio.get_running_loop().time()
        at = max(now, self._next_at)
        self._next_at = at + SECONDS_BETWEEN_CALLS
        await asyncio.sleep(at - now)
        if self.refused is not None:
            raise self.refused
        return await self._session.call(action, region_id, parameters, product="actiontrail")


def _spans(now: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Yield spans of at most 30 days, the newest first; they touch, for both ends are included."""
    end = now.astimezone(timezone.utc).replace(microsecond=0)
    first = end - KEPT + _MARGIN
    while end > first:
        begin = max(first, end - _SPAN)
        yield begin, end
        end = begin


def _unreadable(count: int) -> str:
    return f"{count} events of the trail have no name or no time" if count else ""
