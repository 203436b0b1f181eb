"""LookupEvents: who opened what, of a world's history and of what clients called, as the official client sees it."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest
from alibabacloud_actiontrail20200706 import models as trail_models
from alibabacloud_ecs20140526 import models as ecs_models

from orchestrator.emulator import VARIANTS, Emulator, Group, Keys, Rule, Throttle, World, WorldOutline
from orchestrator.emulator.services.actiontrail import trail_of
from orchestrator.emulator.world.model import Event
from tests.emulator.clients import Official
from tests.emulator.wire import Cloud, flatten, stamp, v3

VERSION = "2020-07-06"
REGION = "cn-hangzhou"
DAY = 86_400


def history(cloud: Cloud, days: float = 90) -> list[Event]:
    """The hub's history of the first region that ActionTrail still tells of, newest first."""
    past = cloud.world.history(cloud.world.organization.hub_account_id, REGION)
    return [one for one in reversed(past) if one.age_seconds <= days * DAY]


def look(cloud: Cloud, keys: Keys | None = None, days: float = 90, **asked: Any) -> dict[str, Any]:
    """One page of the last days."""
    span = {"StartTime": stamp(cloud.clock() - days * DAY), "EndTime": stamp(cloud.clock())}
    return cloud.ok("LookupEvents", keys, VERSION, RegionId=REGION, **{**span, **asked})


def every(cloud: Cloud, keys: Keys | None = None, days: float = 90, **asked: Any) -> list[dict[str, Any]]:
    """All pages of the last days."""
    found: list[dict[str, Any]] = []
    token = ""
    while True:
        body = look(cloud, keys, days, NextToken=token or None, **asked)
        found += body["Events"]
        token = body.get("NextToken", "")
        if not token:
            return found


def named(key: str, value: str) -> dict[str, Any]:
    """One condition."""
    return {"LookupAttribute": [{"Key": key, "Value": value}]}


def test_the_official_client_reads_every_event(official: Official, emulator: Emulator) -> None:
    """Page by page, the client is told of the history of 90 days, newest first; the last page has no token."""
    hub = emulator.world.organization.hub_account_id
    expected = [one.event_id for one in emulator.world.history(hub, REGION) if one.age_seconds <= 89.9 * DAY]
    now = emulator.state.epoch
    request = trail_models.LookupEventsRequest(
        start_time=stamp(now - 89.9 * DAY), end_time=stamp(now), max_results="7"
    )
    found: list[dict[str, Any]] = []
    while True:
        body = official.actiontrail().lookup_events(request).body
        assert len(body.events) <= 7
        found += body.events
        if body.next_token is None:
            break
        request.next_token = body.next_token
    assert len(expected) > 20
    assert [one["eventId"] for one in found] == expected[::-1]
    assert all("userIdentity" in one and one["recipientAccountId"] == hub for one in found)


def test_the_official_client_finds_what_it_changed_itself(official: Official, emulator: Emulator) -> None:
    """A revoke by a role's session is an event at once: the session's name, its key, its rule, its user agent."""
    member = next(iter(emulator.world.organization.members))
    rule = Rule("sgr-1", port_range="22/22", source_cidr_ip="0.0.0.0/0")
    emulator.world.put(member, REGION, Group("sg-1", vpc_id="vpc-1", rules=(rule,)))
    writer = emulator.enter(member, "sgsweep-remediate", session="sgsweep-run7").keys
    official.ecs(writer).revoke_security_group(
        ecs_models.RevokeSecurityGroupRequest(
            region_id=REGION, security_group_id="sg-1", security_group_rule_id=["sgr-1"]
        )
    )
    attribute = trail_models.LookupEventsRequestLookupAttribute(key="ResourceName", value="sg-1")
    reader = emulator.enter(member, "sgsweep-read").keys
    request = trail_models.LookupEventsRequest(lookup_attribute=[attribute])
    (event,) = official.actiontrail(reader).lookup_events(request).body.events
    assert event["eventName"] == "RevokeSecurityGroup"
    assert event["userIdentity"]["type"] == "assumed-role"
    assert event["userIdentity"]["userName"] == "sgsweep-remediate:sgsweep-run7"
    assert event["userIdentity"]["accessKeyId"] == writer.access_key_id
    assert event["requestParameters"]["SecurityGroupRuleId.1"] == "sgr-1"
    assert event["requestParameters"]["stsTokenPrincipalName"] == "sgsweep-remediate/sgsweep-run7"
    assert event["requestId"] == emulator.calls.of("RevokeSecurityGroup")[0].request_id
    assert "AlibabaCloud" in event["userAgent"]
    assert "errorCode" not in event


def test_an_opening_says_who_when_and_what() -> None:
    """Each opening names its rules: an Authorize by ports and source, a change by the rule's id; all ways are there."""
    cloud = Cloud(World.generate(WorldOutline(seed=7, accounts=2, region_ids=3)))
    hub = cloud.world.organization.hub_account_id
    rules = {
        rule.security_group_rule_id: rule
        for group in cloud.world.estate(hub, REGION).groups.values()
        for rule in group.rules
    }
    events = {one["eventId"]: one for one in every(cloud)}
    ways: Counter[str] = Counter()
    for one in history(cloud):
        event = events[one.event_id]
        at = datetime.strptime(event["eventTime"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp()
        assert at == cloud.clock() - one.age_seconds
        told = event["requestParameters"].values()
        for rule_id in one.opened:
            ways[f"{one.action} {event['userIdentity']['type']}"] += 1
            rule = rules[rule_id]
            if one.action == "ModifySecurityGroupRule":
                assert event["requestParameters"]["SecurityGroupRuleId"] == rule_id
            if one.action != "CreateSecurityGroup":
                assert (rule.source_cidr_ip or rule.ipv6_source_cidr_ip or rule.source_prefix_list_id) in told
                assert (rule.port_range or rule.port_range_list_id) in told
    assert set(ways) == {
        "AuthorizeSecurityGroup ram-user",
        "AuthorizeSecurityGroup root-account",
        "AuthorizeSecurityGroup assumed-role",
        "CreateSecurityGroup ram-user",
        "ModifySecurityGroupRule ram-user",
    }
    agents = " ".join(one["userAgent"] for one in events.values())
    assert all(word in agents for word in ("ecs.console", "Terraform", "ros.aliyuncs.com"))


def test_a_created_group_is_named_by_the_answer() -> None:
    """CreateSecurityGroup was sent no id: the answer and the event's resource have it."""
    cloud = Cloud()
    (event, *_) = every(cloud, **named("EventName", "CreateSecurityGroup"))
    assert "SecurityGroupId" not in event["requestParameters"]
    group_id = event["responseElements"]["SecurityGroupId"]
    assert event["referencedResources"] == {"ACS::ECS::SecurityGroup": [group_id]}
    assert group_id in cloud.world.estate(cloud.world.organization.hub_account_id, REGION).groups


def test_only_ninety_days_are_told() -> None:
    """What is older is not there, however far back is asked; without times it is the last seven days."""
    cloud = Cloud()
    old = cloud.world.history(cloud.world.organization.hub_account_id, REGION)
    assert len(every(cloud, days=900)) == len(history(cloud)) < len(old)
    week = cloud.ok("LookupEvents", None, VERSION, RegionId=REGION, MaxResults=50)
    assert [one["eventId"] for one in week["Events"]] == [one.event_id for one in history(cloud, 7)]
    assert (week["StartTime"], week["EndTime"]) == (stamp(cloud.clock() - 7 * DAY), stamp(cloud.clock()))


def test_conditions_are_exact() -> None:
    """Each key narrows by its own value, in its case; of one key twice the second counts; two must both hold."""
    cloud = Cloud()
    everything = every(cloud)
    one = next(event for event in everything if event["userIdentity"]["type"] == "assumed-role")
    values = {
        "EventName": one["eventName"],
        "ResourceName": one["resourceName"],
        "User": one["userIdentity"]["userName"],
        "EventId": one["eventId"],
        "EventAccessKeyId": one["userIdentity"]["accessKeyId"],
        "SourceIpAddress": one["sourceIpAddress"],
        "RoleName": one["userIdentity"]["userName"].partition(":")[0],
    }
    for key, value in values.items():
        found = every(cloud, **named(key, value))
        assert one in found
        assert len(found) < len(everything)
        assert (
            every(cloud, **named(key, value.swapcase() if value != value.swapcase() else f"{value} ")) == []
        )
    for key, value in (
        ("ServiceName", "Ecs"),
        ("EventType", "ApiCall"),
        ("ResourceType", "ACS::ECS::SecurityGroup"),
    ):
        assert every(cloud, **named(key, value)) == everything
    reads = every(cloud, **named("EventRW", "Read"))
    assert reads == [event for event in everything if event["eventName"].startswith("Describe")] != []
    twice = [{"Key": "EventRW", "Value": "Write"}, {"Key": "EventRW", "Value": "Read"}]
    assert every(cloud, LookupAttribute=twice) == reads
    both = [{"Key": "EventRW", "Value": "Read"}, {"Key": "ResourceName", "Value": reads[0]["resourceName"]}]
    assert every(cloud, LookupAttribute=both) == [
        event for event in reads if event["resourceName"] == reads[0]["resourceName"]
    ]


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        (named("Colour", "red"), "InvalidQueryParameter"),
        (named("eventname", "RevokeSecurityGroup"), "InvalidQueryParameter"),
        (
            {"LookupAttribute": [{"Key": "EventRW", "Value": "Write"} for _ in range(3)]},
            "InvalidParameter",
        ),
        ({"MaxResults": 51}, "InvalidParameter"),
        ({"Direction": "SIDEWAYS"}, "InvalidParameter.Direction"),
        ({"StartTime": "2027-01-01"}, "InvalidParameter.TimeRange"),
        ({"StartTime": "2027-01-02T00:00:00Z"}, "InvalidParameter.TimeRange"),
        (
            {"StartTime": "2027-01-02T00:00:00Z", "EndTime": "2027-01-01T00:00:00Z"},
            "InvalidParameter.TimeRange",
        ),
        ({"NextToken": "bm90aGluZw=="}, "InvalidParameter.NextToken"),
    ],
)
def test_what_is_wrongly_asked_is_refused(asked: dict[str, Any], code: str) -> None:
    """Unknown keys, too many of them, sizes, directions, times and tokens that are none."""
    assert Cloud().code("LookupEvents", None, VERSION, RegionId=REGION, **asked) == (400, code)


def test_a_token_continues_its_own_question_only() -> None:
    """Pages follow each other while nothing but the token is changed, also as time goes on; else it is refused."""
    cloud = Cloud()
    first = cloud.ok("LookupEvents", None, VERSION, RegionId=REGION, MaxResults=1)
    cloud.clock.now += DAY
    token = first["NextToken"]
    second = cloud.ok("LookupEvents", None, VERSION, RegionId=REGION, MaxResults=1, NextToken=token)
    week = [one.event_id for one in history(cloud, 7)]
    assert [first["Events"][0]["eventId"], second["Events"][0]["eventId"]] == week[:2]
    assert second["EndTime"] == first["EndTime"]
    for changed in ({"MaxResults": 2}, {"Direction": "FORWARD"}, named("EventRW", "Write")):
        asked: dict[str, Any] = {"RegionId": REGION, "MaxResults": 1, "NextToken": token, **changed}
        assert cloud.code("LookupEvents", None, VERSION, **asked) == (400, "InvalidParameter.NextToken")


def test_directions_are_each_others_reverse() -> None:
    """FORWARD begins with the oldest; the size of a page changes nothing but the pages; 0 is the usual size."""
    cloud = Cloud()
    assert every(cloud, Direction="FORWARD", MaxResults=3) == every(cloud)[::-1]
    usual = look(cloud)["Events"]
    assert look(cloud, MaxResults=0)["Events"] == usual
    assert len(usual) == 20


def test_answers_to_open_questions() -> None:
    """A span above 30 days is refused, and one time alone is taken, where the cloud is of that kind."""
    short = Cloud(quirks=VARIANTS["trail-span-30-days"])
    for days, is_taken in ((30, True), (31, False)):
        span = {"StartTime": stamp(short.clock() - days * DAY), "EndTime": stamp(short.clock())}
        status, _ = short.call("LookupEvents", None, VERSION, RegionId=REGION, **span)
        assert (status == 200) == is_taken
    alone = Cloud(quirks=VARIANTS["trail-takes-one-time"])
    body = alone.ok("LookupEvents", None, VERSION, RegionId=REGION, EndTime=stamp(alone.clock()))
    assert body["StartTime"] == stamp(alone.clock() - 7 * DAY)


def test_two_a_second_for_an_account_where_calls_are_limited() -> None:
    """The third in a second is refused in every region, another account is not; the next second is free again."""
    cloud = Cloud(throttle=Throttle(limit=1000))
    other = cloud.enter("sgsweep-read")
    codes = [
        cloud.call("LookupEvents", None, VERSION, RegionId=region)[1].get("Code", "")
        for region in cloud.world.region_ids[:3]
    ]
    assert codes == ["", "", "Throttling.User"]
    cloud.ok("LookupEvents", other, VERSION, RegionId=REGION)
    cloud.clock.now += 1
    cloud.ok("LookupEvents", None, VERSION, RegionId=REGION)
    free = Cloud()
    for _ in range(5):
        free.ok("LookupEvents", None, VERSION, RegionId=REGION)


def test_a_limit_of_its_own_can_be_set() -> None:
    """A bucket holds two as well; `per_api` has the last word."""
    bucket = Cloud(throttle=Throttle(limit=1000, kind="bucket", burst=500, window_seconds=1.0))
    answered = [bucket.call("LookupEvents", None, VERSION, RegionId=REGION)[0] for _ in range(4)]
    assert answered == [200, 200, 400, 400]
    told = Cloud(throttle=Throttle(limit=1000, per_api={"LookupEvents": 3}, hint="always"))
    answered = [told.call("LookupEvents", None, VERSION, RegionId=REGION)[0] for _ in range(4)]
    assert answered == [200, 200, 200, 400]


def test_the_right_is_asked_for_by_its_name() -> None:
    """The read role may look events up; the role for changes, and a session policy without the right, may not."""
    cloud = Cloud()
    cloud.ok("LookupEvents", cloud.enter("sgsweep-read"), VERSION, RegionId=REGION)
    for keys in (cloud.enter("sgsweep-remediate"), cloud.session("sgsweep-read", policy=()).keys):
        request = v3(keys, VERSION, "LookupEvents", flatten({"RegionId": REGION}), cloud.clock())
        status, body = cloud.send(request)
        assert (status, body["Code"]) == (403, "NoPermission")
        assert body["AccessDeniedDetail"]["AuthAction"] == "actiontrail:LookupEvents"


def test_calls_of_clients_are_events() -> None:
    """Who wrote is told, a user or a role, in its own account only, and a refusal with its code; reads are not told."""
    cloud = Cloud()
    rule = Rule("sgr-1", port_range="22/22", source_cidr_ip="0.0.0.0/0")
    cloud.world.put(cloud.member, REGION, Group("sg-1", vpc_id="vpc-1", rules=(rule,)))
    where = {"RegionId": REGION, "SecurityGroupId": "sg-1"}
    owner = cloud.state.identities.add_user(cloud.member, "owner", cloud.state.options.hub_statements).keys
    reader = cloud.enter("sgsweep-read")
    permission = {"IpProtocol": "TCP", "PortRange": "23/23", "SourceCidrIp": "0.0.0.0/0"}
    cloud.ok("AuthorizeSecurityGroup", owner, **where, Permissions=[permission])
    cloud.code("RevokeSecurityGroup", reader, **where, SecurityGroupRuleId=["sgr-1"])
    cloud.ok("DescribeSecurityGroupAttribute", reader, **where)
    found = every(cloud, reader, **named("ResourceName", "sg-1"))
    assert [(one["eventName"], one["userIdentity"]["userName"], one.get("errorCode")) for one in found] == [
        ("RevokeSecurityGroup", "sgsweep-read:test", "Forbidden.RAM"),
        ("AuthorizeSecurityGroup", "owner", None),
    ]
    assert found[1]["requestParameters"]["Permissions.1.PortRange"] == "23/23"
    assert every(cloud, **named("ResourceName", "sg-1")) == []
    trail_of(cloud.state).lag_seconds = 60.0
    assert every(cloud, reader, **named("ResourceName", "sg-1")) == []
    cloud.clock.now += 61
    assert len(every(cloud, reader, **named("ResourceName", "sg-1"))) == 2


def test_cleared_calls_are_forgotten() -> None:
    """What the control surface clears is no event any more; what is called from then on is."""
    cloud = Cloud()
    where: dict[str, Any] = {
        "RegionId": REGION,
        "SecurityGroupId": "sg-none",
        "SecurityGroupRuleId": ["sgr-1"],
    }
    for _ in range(3):
        cloud.code("RevokeSecurityGroup", None, **where)
    assert len(every(cloud, **named("ResourceName", "sg-none"))) == 3
    cloud.state.record.clear()
    assert every(cloud, **named("ResourceName", "sg-none")) == []
    cloud.code("RevokeSecurityGroup", None, **where)
    assert len(every(cloud, **named("ResourceName", "sg-none"))) == 1
