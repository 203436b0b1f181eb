"""The organization's trail where it is delivered to Log Service: what is asked there, and its rows as events.

Fields: help of Simple Log Service, "Log fields" of ActionTrail. Each part of an event is selected by itself: a field
longer than the logstore's limit (2 KB unless raised) is cut in SQL, and the whole event often is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from orchestrator.evidence.opened_by import OPENING
from orchestrator.evidence.trail_events import TrailEvent, parse_events

MOST_CONDITIONS = 30
"""Of one search (GetLogsV2): what stands before the `|`."""

MOST_GROUPS = MOST_CONDITIONS - len(OPENING) - 2  # the account and the region
"""Groups that one query asks for."""

_PARTS = (
    "eventName", "eventTime", "eventType", "eventId", "requestId", "errorCode", "sourceIpAddress", "userAgent",
    "requestParameterJson", "responseElements", "resourceType", "resourceName",
)  # fmt: skip
_IDENTITY = ("type", "userName", "principalId", "accountId")
_PREFIX = "identity_"


class TrailLog(Protocol):
    """The logstore of the trail: project, logstore and region are its own to know."""

    async def query(self, query: str, begin: datetime, end: datetime) -> Sequence[Mapping[str, object]]:
        """Return the rows of a query, each by the names of its columns.

        Args:
            query: a search, `|`, and SQL with a LIMIT.
            begin: aware, included.
            end: aware, left out.

        Raises:
            CloudError: they could not be read in full.
        """
        ...


def trail_query(account_id: str, region_id: str, group_ids: Sequence[str], most_rows: int) -> str:
    """Return the query for all that may have opened a door in these groups, the newest first.

    Args:
        account_id: the member that owns the groups.
        region_id: where they are.
        group_ids: at most `MOST_GROUPS`.
        most_rows: its LIMIT; as many rows as that may be not all.

    Raises:
        ValueError: there are none or too many of them, or an id could end the quotation that it stands in.
    """
    if not 1 <= len(group_ids) <= MOST_GROUPS:
        raise ValueError(f"{len(group_ids)} groups are asked for in one query; 1 to {MOST_GROUPS} may be")
    for text in (account_id, region_id, *group_ids):
        if not all(char.isascii() and (char.isalnum() or char in "-_.") for char in text) or not text:
            raise ValueError(f"{text[:40]!r} is no id")
    names = " or ".join(f"event.eventName: {name}" for name in OPENING)
    groups = " or ".join(f'"{group_id}"' for group_id in group_ids)
    search = (
        f"({names}) and event.recipientAccountId: {account_id}"
        f' and event.acsRegion: "{region_id}" and ({groups})'
    )
    columns = [f'"event.{name}" AS {name}' for name in _PARTS]
    columns += [f'"event.userIdentity.{name}" AS {_PREFIX}{name}' for name in _IDENTITY]
    sql = f"SELECT {', '.join(columns)} FROM log ORDER BY __time__ DESC LIMIT {most_rows}"  # noqa: S608 - no text of others
    return f"{search} | {sql}"


def rows_as_events(rows: Sequence[Mapping[str, object]]) -> tuple[list[TrailEvent], int]:
    """Return the rows of such a query as events, and how many could not be read."""
    return parse_events(map(_event, rows))


def _event(row: Mapping[str, object]) -> dict[str, object]:
    """Return a row in the shape of an event of LookupEvents; column names may come back in small letters."""
    by_name = {name.lower(): value for name, value in row.items()}
    event: dict[str, object] = {name: by_name.get(name.lower()) for name in _PARTS}
    identity = {name: by_name.get(f"{_PREFIX}{name}".lower()) for name in _IDENTITY}
    return {**event, "userIdentity": identity}
