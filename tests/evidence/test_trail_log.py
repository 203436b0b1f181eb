"""The organization's trail in Log Service: the query, its rows as events, and what is said where rows are missing."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from orchestrator.cloud.errors import CloudError, Denied, Unavailable
from orchestrator.emulator.services.log_service import add_trail, put_events
from orchestrator.evidence.openers import Openers
from orchestrator.evidence.settings import EvidenceSettings
from orchestrator.evidence.trail_events import moment, parse_event, stamp
from orchestrator.evidence.trail_log import MOST_CONDITIONS, MOST_GROUPS, rows_as_events, trail_query
from tests.emulator.log_wire import NOW as LOG_NOW
from tests.emulator.log_wire import PROJECT, LogCloud
from tests.evidence.trail_kit import (
    ACCOUNT,
    ASKED,
    GROUP_ID,
    NOW,
    REGION,
    RULE_ID,
    ActionTrail,
    ago,
    failing,
    finding,
    raw_event,
)

SETTINGS = EvidenceSettings(
    trail_project="audit", trail_region="cn-hangzhou", trail_logstore="actiontrail_org", most_rows=100
)
AUTHORIZE = "AuthorizeSecurityGroup"


def row(event: Mapping[str, Any]) -> dict[str, object]:
    """An event as the query's columns have it: texts, "null" for what is missing."""
    identity = {f"identity_{name.lower()}": text for name, text in event["userIdentity"].items()}
    flat = {
        "requestParameterJson": msgspec.json.encode(event["requestParameters"]).decode(),
        "resourceType": "ACS::ECS::SecurityGroup",
        "resourceName": ",".join(event["referencedResources"]["ACS::ECS::SecurityGroup"]),
        "errorCode": "null",
    }
    columns = {name.lower(): text for name, text in {**event, **flat}.items() if isinstance(text, str)}
    return {**columns, **identity}


class Log:
    """A logstore that gives the same rows to every query."""

    def __init__(self, rows: Sequence[Mapping[str, object]] = (), error: CloudError | None = None) -> None:
        self.rows = rows
        self.error = error
        self.asked: list[tuple[str, datetime, datetime]] = []

    async def query(self, query: str, begin: datetime, end: datetime) -> Sequence[Mapping[str, object]]:
        """Answer."""
        self.asked.append((query, begin, end))
        if self.error is not None:
            raise self.error
        return self.rows


async def opened(log: Log, *group_ids: str, **fields: Any) -> dict[tuple[str, str], Any]:
    """What is said of a finding in each group; nobody asks ActionTrail."""
    trail = ActionTrail()
    groups = {one: [finding(group_id=one, created=ago(3), **fields)] for one in group_ids or (GROUP_ID,)}
    found = await Openers(trail, SETTINGS, log).opened(REGION, groups, NOW)
    assert trail.asked == []
    return found


def test_a_query_has_at_most_thirty_conditions_and_a_limit() -> None:
    """Account, region and groups are among them; SQL bounds the rows, and takes the newest."""
    group_ids = [f"sg-{number}" for number in range(MOST_GROUPS)]
    query = trail_query(ACCOUNT, REGION, group_ids, 500)
    search, _, sql = query.partition("|")
    assert len(re.findall(r" (?:and|or) ", search)) + 1 == MOST_CONDITIONS
    assert f"event.recipientAccountId: {ACCOUNT}" in search
    assert all(f'"{group_id}"' in search for group_id in group_ids)
    assert sql.endswith("ORDER BY __time__ DESC LIMIT 500")
    for wrong in ([], [*group_ids, "sg-x"], ['sg-1" or "x'], [""]):
        with pytest.raises(ValueError, match=r"groups|no id"):
            trail_query(ACCOUNT, REGION, wrong, 500)


def test_a_row_is_the_event_that_it_was_delivered_as() -> None:
    """In small letters, too: name, time, who, from where, by what, and the call's parameters."""
    event = raw_event(AUTHORIZE, ASKED)
    assert rows_as_events([row(event)]) == ([parse_event(event)], 0)
    assert rows_as_events([{"eventname": "x"}]) == ([], 1)


async def test_the_log_is_asked_instead_of_each_account() -> None:
    """For ninety days; each group's rule is told of its own events only."""
    log = Log([row(raw_event(AUTHORIZE, ASKED)), row(raw_event(AUTHORIZE, ASKED, group_id="sg-2", days=2))])
    found = await opened(log, "sg-1", "sg-2", "sg-3")
    assert [one.status for one in found.values()] == ["found", "found", "not_found"]
    assert [one.request_id for one in found.values()] == ["R-1", "R-2", ""]
    assert "how far" in found["sg-3", RULE_ID].reason
    ((_, begin, end),) = log.asked
    assert NOW - begin == timedelta(days=90)
    assert end >= NOW


class _LogService:
    """The emulator's Log Service, where the trail `org` is delivered."""

    def __init__(self, *events: Mapping[str, Any]) -> None:
        self._cloud = LogCloud()
        store = add_trail(self._cloud.state, PROJECT, self._cloud.member, REGION, "org")
        put_events(self._cloud.state, store, events)

    async def query(self, query: str, begin: datetime, end: datetime) -> Sequence[Mapping[str, object]]:
        """Have the query carried out."""
        path = "/logstores/actiontrail_org/logs"
        times: dict[str, Any] = {"begin": int(begin.timestamp()), "to": int(end.timestamp())}
        rows: list[dict[str, object]] = self._cloud.ask(query, path=path, **times)["data"]
        return rows


def _delivered(now: datetime, name: str, asked: dict[str, Any], **more: Any) -> dict[str, Any]:
    """An event as Log Service has it, so long before that cloud's now."""
    event = {"recipientAccountId": ACCOUNT, **raw_event(name, asked, **more)}
    at = moment(event["eventTime"])
    assert at is not None
    return {
        **event,
        "eventTime": stamp(now - (NOW - at)),
        "requestParameters": None,
        "requestParameterJson": msgspec.json.encode(event["requestParameters"]).decode(),
        "resourceType": "ACS::ECS::SecurityGroup",
        "resourceName": ",".join(event["referencedResources"]["ACS::ECS::SecurityGroup"]),
    }


async def test_log_service_carries_the_query_out() -> None:
    """On the emulator's rows: of this account, region and these groups only; who, from where and by what come back."""
    now = datetime.fromtimestamp(LOG_NOW, UTC)
    log = _LogService(
        _delivered(now, AUTHORIZE, ASKED, days=4, event_id="E-1"),
        _delivered(now, AUTHORIZE, ASKED, days=3, event_id="E-2", recipientAccountId="1000000000000002"),
        _delivered(now, AUTHORIZE, ASKED, days=3, event_id="E-3", acsRegion="cn-beijing"),
        _delivered(now, AUTHORIZE, ASKED, days=2, event_id="E-4", errorCode="Forbidden.RAM"),
        _delivered(now, "DescribeSecurityGroupAttribute", {}, days=1, event_id="E-5"),
        _delivered(now, "CreateSecurityGroup", {}, days=9, event_id="E-6", group_id="sg-2"),
        _delivered(now, AUTHORIZE, ASKED, days=1, event_id="E-7", group_id="sg-3"),
    )
    groups = {one: [finding(group_id=one)] for one in (GROUP_ID, "sg-2")}
    rows = await log.query(trail_query(ACCOUNT, REGION, list(groups), 100), now - timedelta(days=80), now)
    assert [one.event_id for one in rows_as_events(rows)[0]] == ["E-4", "E-1", "E-6"]
    found = await Openers(ActionTrail(), SETTINGS, log).opened(REGION, groups, now)
    assert [one.event_id for one in found.values()] == ["E-1", "E-6"]
    told = found[GROUP_ID, RULE_ID]
    assert (told.by, told.arn) == ("li.wei", f"acs:ram::{ACCOUNT}:user/li.wei")
    assert (told.source_ip, told.via, told.at) == ("203.0.113.9", "console", stamp(now - timedelta(days=4)))


async def test_many_groups_are_asked_for_together() -> None:
    """As many as a query may name."""
    log = Log()
    await opened(log, *(f"sg-{number}" for number in range(2 * MOST_GROUPS + 1)))
    assert len(log.asked) == 3


async def test_rows_that_may_be_missing_are_not_nothing() -> None:
    """As many as the bound, or an event that was cut: what was found stands, the rest is unread."""
    full = Log([row(raw_event(AUTHORIZE, ASKED, days=1 + number / 1000)) for number in range(100)])
    found = await opened(full, "sg-1", "sg-2")
    assert [one.status for one in found.values()] == ["found", "unread"]
    cut = row(raw_event(AUTHORIZE, ASKED))
    cut["requestparameterjson"] = str(cut["requestparameterjson"])[:-5]
    found = await opened(Log([cut]))
    assert found[GROUP_ID, RULE_ID].status == "unread"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (failing(Denied, "Unauthorized"), "not_permitted"),
        (failing(Unavailable, "ServerBusy", status=503), "unread"),
    ],
)
async def test_a_log_that_cannot_be_read_is_told(error: CloudError, status: str) -> None:
    """With code and RequestId, for each rule."""
    found = await opened(Log(error=error), "sg-1", "sg-2")
    assert {one.status for one in found.values()} == {status}
    assert all(error.code in one.reason and "R-9" in one.reason for one in found.values())
