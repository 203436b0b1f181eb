"""A trail of ActionTrail that is delivered to Log Service: one log for each event, its JSON in the field `event`.

Fields: "Log fields" of ActionTrail (help of Simple Log Service). The parts of the JSON are indexed by their names, such
as `event.eventName`.
"""

from __future__ import annotations

import json
from calendar import timegm
from collections.abc import Iterable, Mapping
from time import strptime
from typing import Final

from orchestrator.emulator.framework.state import State
from orchestrator.emulator.services.log_service.logstores import DAY_SECONDS, Field, Logstore, logs_of

TOPIC: Final = "actiontrail_audit_event"
_PARTS: Final = (
    "acsRegion", "additionalEventData", "apiVersion", "errorCode", "errorMessage", "eventCategory", "eventId",
    "eventName", "eventRW", "eventSource", "eventTime", "eventType", "eventVersion", "recipientAccountId",
    "referencedResources", "requestId", "requestParameterJson", "requestParameters", "resourceName", "resourceType",
    "responseElements", "serviceName", "sourceIpAddress", "userAgent", "userIdentity.accessKeyId",
    "userIdentity.accountId", "userIdentity.principalId", "userIdentity.type", "userIdentity.userName", "vpcId",
)  # fmt: skip
TRAIL_FIELDS: Final = (
    Field("event", "json", doc_value=True, words=True),
    *(Field(f"event.{name}", words=True, parent="event") for name in _PARTS),
)
"""How the logstore of a trail is indexed."""


def add_trail(state: State, project: str, account_id: str, region_id: str, trail: str) -> Logstore:
    """The logstore `actiontrail_{trail}` of a project, which is made where it is not there; kept for 180 days."""
    logs, created = logs_of(state), state.clock() - 365 * DAY_SECONDS
    found = logs.project(state, project) or logs.add_project(project, account_id, region_id, created)
    store = logs.add_logstore(found, f"actiontrail_{trail}", TRAIL_FIELDS, created, TOPIC)
    store.ttl_days = 180
    return store


def put_events(state: State, store: Logstore, events: Iterable[Mapping[str, object]]) -> int:
    """Deliver events as ActionTrail has them; the time of a log is its event's `eventTime`. Their number.

    ValueError: an event has no eventTime like 2026-01-31T08:00:00Z.
    """
    logs = (
        {
            "__time__": timegm(strptime(str(event.get("eventTime")), "%Y-%m-%dT%H:%M:%SZ")),
            "event": json.dumps(event, separators=(",", ":")),
        }
        for event in events
    )
    return logs_of(state).insert_logs(store, logs, state.clock())
