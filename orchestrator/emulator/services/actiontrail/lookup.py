"""LookupEvents: the events of an account in a region, of a world's history and of what clients have called.

Codes of refusals are UNCONFIRMED, save those that all products have.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from msgspec import Struct

from orchestrator.emulator.framework.call_log import LoggedCall
from orchestrator.emulator.framework.errors import ApiError
from orchestrator.emulator.framework.operations import REGISTRY, Answer, Context, Operation, operation
from orchestrator.emulator.framework.paging import by_token
from orchestrator.emulator.framework.parameters import Parameters
from orchestrator.emulator.framework.state import State
from orchestrator.emulator.services.actiontrail.event_log import TIME_FORMAT, of_call, of_history

VERSION: Final = "2020-07-06"
DAY_SECONDS: Final = 86_400
KEPT_DAYS: Final = 90
DEFAULT_DAYS: Final = 7
_MOST: Final = 50
_PER_PAGE: Final = 20
_MOST_ATTRIBUTES: Final = 2


@dataclass(slots=True)
class Trail:
    """What ActionTrail keeps of one running cloud.

    Attributes:
        lag_seconds: how long a call is not told of.
    """

    lag_seconds: float = 0.0
    _seen: int = 0
    _calls: dict[tuple[str, str], list[LoggedCall]] = field(default_factory=lambda: defaultdict(list))

    def events(self, state: State, account_id: str, region_id: str, now: float) -> list[dict[str, Any]]:
        """Every event of an account's region that is known now, oldest first."""
        past = state.world.history(account_id, region_id)
        found = [of_history(account_id, region_id, one, state.epoch) for one in past]
        written = _written()
        calls = self._of(state, account_id, region_id, written)
        return found + [
            of_call(call, written[call.action]) for call in calls if call.time <= now - self.lag_seconds
        ]

    def _of(
        self, state: State, account_id: str, region_id: str, written: Mapping[str, Operation]
    ) -> list[LoggedCall]:
        """The calls to operations that write, of an account's region; each call is looked at once."""
        if len(state.record) < self._seen:  # the calls were cleared
            self._seen = 0
            self._calls.clear()
        for call in state.record.since(self._seen):
            self._seen += 1
            reached = call.status or call.changes  # a connection that was reset before tells nobody
            if call.action in written and call.account_id and reached:
                self._calls[call.account_id, call.region_id].append(call)
        return self._calls[account_id, region_id]


def trail_of(state: State) -> Trail:
    """The ActionTrail of a running cloud."""
    return state.of(Trail)


def _written() -> dict[str, Operation]:
    """Operations whose calls are events: all that write, save to OSS, whose are events of data."""
    return {one.action: one for one in REGISTRY.values() if one.mutating and one.product != "oss"}


# --- conditions


def _role_name(event: Mapping[str, Any]) -> Iterable[str]:
    identity = event["userIdentity"]
    return (identity["userName"].partition(":")[0],) if identity["type"] == "assumed-role" else ()


_VALUES: Final[dict[str, Callable[[Mapping[str, Any]], Iterable[str]]]] = {
    "ServiceName": lambda event: (event["serviceName"],),
    "EventName": lambda event: (event["eventName"],),
    "User": lambda event: (event["userIdentity"]["userName"],),
    "EventId": lambda event: (event["eventId"],),
    "ResourceType": lambda event: event.get("referencedResources", {}),
    "ResourceName": lambda event: (
        name for names in event.get("referencedResources", {}).values() for name in names
    ),
    "EventRW": lambda event: (event["eventRW"],),
    "EventAccessKeyId": lambda event: (event["userIdentity"].get("accessKeyId", ""),),
    "SensitiveAction": lambda _: (),  # which actions are, is not documented: none of these
    "SourceIpAddress": lambda event: (event["sourceIpAddress"],),
    "EventType": lambda event: (event["eventType"],),
    "RoleName": _role_name,
}


def _attributes(context: Context) -> dict[str, str]:
    """The conditions by key; of a key that comes twice the second counts."""
    structs = context.parameters.structs("LookupAttribute", _MOST_ATTRIBUTES)
    found = {one.get("Key", ""): one.get("Value", "") for one in structs}
    for key, value in found.items():
        if key not in _VALUES or not value:
            raise ApiError(
                400, "InvalidQueryParameter", f"The specified LookupAttribute is not valid: {key[:40]}."
            )
    return found


# --- the span of time


def _span(context: Context, page: _Page | None) -> tuple[int, int]:
    """From when to when is asked, in whole seconds since 1970; a further page goes on in what the first one had."""
    if page is not None:
        return page.start, page.end
    given = {name: context.parameters.text(name) for name in ("StartTime", "EndTime")}
    if not all(given.values()) and any(given.values()) and not context.state.quirks.trail_takes_one_time:
        raise _invalid("StartTime and EndTime must be specified both, or neither")
    end = _seconds(given["EndTime"]) if given["EndTime"] else int(context.now)
    start = _seconds(given["StartTime"]) if given["StartTime"] else end - DEFAULT_DAYS * DAY_SECONDS
    if start > end:
        raise _invalid("StartTime is later than EndTime")
    most = context.state.quirks.trail_span_days
    if most and end - start > most * DAY_SECONDS:
        raise _invalid(f"the time range is more than {most} days")
    return start, end


def _seconds(text: str) -> int:
    try:
        return int(datetime.strptime(text, TIME_FORMAT).replace(tzinfo=UTC).timestamp())
    except ValueError:
        raise _invalid(f"{text[:40]} is no time like 2020-10-08T11:00:00Z") from None


def _invalid(what: str) -> ApiError:
    return ApiError(400, "InvalidParameter.TimeRange", f"The specified time range is not valid: {what}.")


# --- pages


class _Page(Struct, frozen=True):
    """What a token holds: the question that it continues, its span, and where it goes on."""

    asked: str
    start: int
    end: int
    token: str


def _asked(context: Context) -> str:
    """A digest of the question: who asks where for what."""
    wire = {name: value for name, value in context.parameters.wire.items() if name != "NextToken"}
    asked = (context.account_id, context.region_id, sorted(wire.items()))
    return hashlib.sha256(msgspec.json.encode(asked)).hexdigest()[:16]


def _page(context: Context) -> _Page | None:
    text = context.parameters.text("NextToken")
    if not text:
        return None
    try:
        page = msgspec.json.decode(base64.urlsafe_b64decode(text), type=_Page)
    except (binascii.Error, ValueError):
        page = None
    if page is None or page.asked != _asked(context):
        raise ApiError(400, "InvalidParameter.NextToken", "The specified parameter NextToken is not valid.")
    return page


@operation(
    "actiontrail",
    VERSION,
    "LookupEvents",
    listing=("Events",),
    regional=True,
    region_by_host=True,
    calls_per_second=2,
)
def lookup_events(context: Context) -> Answer:
    """The events of a span that meet all conditions, the newest first or the oldest first, by token."""
    attributes, page = _attributes(context), _page(context)
    start, end = _span(context, page)
    direction = context.parameters.text("Direction", "BACKWARD")
    if direction not in {"FORWARD", "BACKWARD"}:
        raise ApiError(400, "InvalidParameter.Direction", "The specified parameter Direction is not valid.")
    size = context.parameters.integer("MaxResults", _PER_PAGE, 0, _MOST) or _PER_PAGE
    first = max(start, int(context.now) - KEPT_DAYS * DAY_SECONDS)
    events = trail_of(context.state).events(context.state, context.account_id, context.region_id, context.now)
    low, high = (datetime.fromtimestamp(at, UTC).strftime(TIME_FORMAT) for at in (first, end))
    found = [
        event
        for event in events
        if low <= event["eventTime"] <= high
        and all(value in _VALUES[key](event) for key, value in attributes.items())
    ]
    found.sort(key=lambda event: str(event["eventTime"]))
    if direction == "BACKWARD":
        found.reverse()
    inner = Parameters({**context.parameters.wire, "NextToken": page.token if page else ""})
    shown, token = by_token(
        replace(context, parameters=inner), found, lambda event: str(event["eventId"]), size
    )
    answer: Answer = {
        "StartTime": datetime.fromtimestamp(start, UTC).strftime(TIME_FORMAT),
        "EndTime": high,
        "Events": list(shown),
    }
    if token:  # the page says: not returned where there is no more
        answer["NextToken"] = base64.urlsafe_b64encode(
            msgspec.json.encode(_Page(_asked(context), start, end, token))
        ).decode()
    return answer
