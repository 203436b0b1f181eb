"""The organization's trail where it is delivered to Log Service, asked in slices of time that it answers in full."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from orchestrator.cloud.client import AccountSession
from orchestrator.cloud.errors import Unavailable
from orchestrator.cloud.sls import LogPlace, LogService

_SHORTEST_SECONDS = (
    3_600  # a slice that is not answered in full, though it is no longer than this, is given up
)


class DeliveredTrail:
    """A `trail_log.TrailLog`: one logstore, as one identity sees it."""

    def __init__(self, logs: LogService, who: AccountSession, place: LogPlace) -> None:
        self._logs = logs
        self._who = who
        self._place = place

    async def query(self, query: str, begin: datetime, end: datetime) -> Sequence[Mapping[str, object]]:
        """Return the rows of a query, the latest slice first, as the query itself orders them.

        Raises:
            CloudError: they could not be read in full.
        """
        return await self._rows(query, int(begin.timestamp()), int(end.timestamp()))

    async def _rows(self, query: str, begin: int, end: int) -> list[Mapping[str, object]]:
        found = await self._logs.query(self._who, self._place, begin, end, query)
        if found.is_complete:
            return [*found.rows]
        if end - begin <= _SHORTEST_SECONDS:  # asking again does not always make it complete (GetLogsV2)
            raise Unavailable(
                code="Incomplete",
                message=f"{self._place} does not answer in full",
                action="GetLogStoreLogs",
                account_id=self._who.account_id,
                region_id=self._place.region_id,
            )
        middle = (begin + end) // 2
        later = await self._rows(query, middle, end)
        return [*later, *await self._rows(query, begin, middle)]
