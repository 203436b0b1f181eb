"""Events: every known shape is read, everything else is named and never stops the rest."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.handler.events import EventError, GroupToJudge, fairly, parse, question

ITEM = {
    "accountId": "11",
    "regionId": "cn-a",
    "resourceId": "sg-1",
    "resourceType": "ACS::ECS::SecurityGroup",
}
GROUP = GroupToJudge("11", "cn-a", "sg-1")
TRAIL = {
    "eventName": "AuthorizeSecurityGroup",
    "serviceName": "Ecs",
    "acsRegion": "cn-a",
    "recipientAccountId": "11",
    "requestParameters": {"SecurityGroupId": "sg-1", "RegionId": "cn-a"},
}
QUALIFIER = {
    "resourceId": "sg-1",
    "regionId": "cn-a",
    "resourceOwnerId": 11,
    "resourceType": "ACS::ECS::SecurityGroup",
}
REFERENCES = {"ACS::ECS::SecurityGroup": ["sg-1"]}
NO_ACCOUNT = {key: value for key, value in TRAIL.items() if key != "recipientAccountId"}
ENVELOPE = {"source": "acs.ecs", "type": "ecs:ActionTrail:ApiCall", "aliyunaccountid": "11", "data": TRAIL}


@pytest.mark.parametrize(
    "event",
    [
        pytest.param([ITEM], id="a list"),
        pytest.param(ITEM, id="one object"),
        pytest.param({"resources": [ITEM]}, id="wrapped"),
        pytest.param([{**ITEM, "accountId": 11, "extra": {"x": 1}}], id="a number as id, further keys"),
        pytest.param([ITEM, ITEM], id="twice"),
        pytest.param([{**ITEM, "resourceType": None}], id="without a type"),
        pytest.param(ENVELOPE, id="EventBridge"),
        pytest.param([ENVELOPE], id="a batch of EventBridge"),
        pytest.param(TRAIL, id="ActionTrail alone"),
        pytest.param(
            {"data": {**TRAIL, "requestParameters": '{"SecurityGroupId": "sg-1"}'}}, id="parameters as text"
        ),
        pytest.param({**ENVELOPE, "data": NO_ACCOUNT}, id="the account from the envelope"),
        pytest.param(
            {"data": {**TRAIL, "requestParameters": None, "referencedResources": REFERENCES}},
            id="the group from the references",
        ),
        pytest.param(
            {"evaluationResultIdentifier": {"evaluationResultQualifier": QUALIFIER}}, id="a notification"
        ),
        pytest.param(
            {"__topic__": "actiontrail_audit_event", "event": json.dumps(TRAIL)}, id="a log of ActionTrail"
        ),
        pytest.param(
            {"type": "sls:connector", "data": {"__source__": "s", "event": json.dumps(TRAIL)}},
            id="a log by EventBridge",
        ),
        pytest.param({"logs": [{"content": json.dumps(ENVELOPE)}]}, id="logs"),
        pytest.param(
            {"evaluationResultIdentifier": json.dumps({"evaluationResultQualifier": json.dumps(QUALIFIER)})},
            id="a log of a notification",
        ),
    ],
)
def test_known_shapes(event: object) -> None:
    """Each shape names the group, as bytes, text or value."""
    for given_as in (event, json.dumps(event), json.dumps(event).encode()):
        assert parse(given_as) == ([GROUP], [])


@pytest.mark.parametrize(
    ("event", "why"),
    [
        ({**ITEM, "resourceType": "ACS::ECS::Instance"}, "type ACS::ECS::Instance"),
        ({"resourceId": "sg-1"}, "lacks accountId"),
        ({**ENVELOPE, "data": {**TRAIL, "eventName": "DeleteDisk"}}, "DeleteDisk opens no port"),
        ({**ENVELOPE, "data": {**TRAIL, "errorCode": "Forbidden.RAM"}}, "failed"),
        ({**ENVELOPE, "data": {**TRAIL, "requestParameters": {}}}, "lacks the account, region or group"),
        ({**ITEM, "accountId": "11:role/x"}, "is no account id"),
        ({**ENVELOPE, "data": {**TRAIL, "recipientAccountId": "acme"}}, "is no account id"),
        ({"source": {"logstoreName": "l", "beginCursor": "a", "endCursor": "b"}}, "part of a log"),
        ({"hello": "world"}, "no event that is known"),
        (7, "no resource"),
        (None, "no resource"),
    ],
)
def test_other_things_are_named(event: object, why: str) -> None:
    """What is not ours is ignored with the reason, and does not hide what is."""
    resources, ignored = parse([event, ITEM])
    assert resources == [GROUP]
    assert [why in one.reason for one in ignored] == [True]


def test_rules_that_named_a_group_are_kept() -> None:
    """A group named by two rules is looked at once, and both rules are known."""
    resources, _ = parse([{**ITEM, "configRuleId": "cr-1"}, {**ITEM, "configRuleId": "cr-2"}])
    assert resources == [GroupToJudge("11", "cn-a", "sg-1", ("cr-1", "cr-2"))]


def test_the_accounts_take_turns() -> None:
    """However many groups of one account an event names, every other account is among the first."""
    flood = [GroupToJudge("1", "cn-a", f"sg-{number}") for number in range(10_000)]
    first, further = fairly([*flood, GroupToJudge("2", "cn-a", "sg-1"), GroupToJudge("3", "cn-a", "sg-1")])
    assert [one.account_id for one in first[:4]] == ["1", "2", "3", "1"]
    assert (len(first), len(further)) == (200, 9802)
    assert len({*first, *further}) == 10_002


def test_who_made_the_change_is_kept() -> None:
    """ActionTrail's name of the user goes with the group, so that an alarm can say it."""
    (found,), _ = parse({"data": {**TRAIL, "userIdentity": {"type": "ram-user", "userName": "mallory"}}})
    assert found == GroupToJudge("11", "cn-a", "sg-1", by="mallory")


def test_no_json_is_an_error() -> None:
    """An event that cannot be read at all is refused, so that the platform sees it."""
    for text in (b"", b"{", b"\xff\xfe", "[" * 100_000):
        with pytest.raises(EventError):
            parse(text)


ACME = {"resultToken": "t", "invokingEvent": {"accountId": "acme"}}
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [*ITEM, *TRAIL, "data", "resources", "userIdentity", "evaluationResultIdentifier", "x"]
            ),
            inner,
            max_size=6,
        )
    ),
    max_leaves=20,
)


@given(json_values)
def test_nothing_hostile_raises(event: Any) -> None:
    """Any JSON is read without an error, and the group beside it is found."""
    resources, _ = parse([event, ITEM])
    assert GROUP in [GroupToJudge(one.account_id, one.region_id, one.security_group_id) for one in resources]


def test_a_question() -> None:
    """A custom rule's question names the group, and the token that its answer needs."""
    asked = question(
        {
            "resultToken": "t",
            "orderingTimestamp": 5,
            "invokingEvent": {"accountId": 11, "configurationItem": {**ITEM, "resourceName": "web"}},
        }
    )
    assert (asked.resource, asked.result_token, asked.ordering_timestamp, asked.resource_name) == (
        GROUP,
        "t",
        5,
        "web",
    )
    scheduled = question(
        {"resultToken": "t", "invokingEvent": {"messageType": "ScheduledNotification", "accountId": 11}}
    )
    assert (scheduled.resource, scheduled.account_id) == (None, "11")


@pytest.mark.parametrize("event", [{}, [], {"resultToken": "t"}, {"invokingEvent": {}}, ACME])
def test_no_question(event: object) -> None:
    """Without a token or an event nobody can be answered: that is an error."""
    with pytest.raises(EventError):
        question(event)
