"""Reading ActionTrail: once a group, no further back than needed, no faster than allowed, and never silently less."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from accounts.credentials import HubCredentialsError
from orchestrator.cloud.errors import ApiError, CloudError, Denied, NotFound, Throttled, Unavailable
from orchestrator.evidence.openers import SECONDS_BETWEEN_CALLS, Openers
from orchestrator.evidence.settings import EvidenceSettings
from orchestrator.evidence.values import Opened
from orchestrator.policy import Finding
from tests.evidence.trail_kit import (
    ASKED,
    GROUP_ID,
    NOW,
    REGION,
    RULE_ID,
    WRONG,
    ActionTrail,
    ago,
    failing,
    finding,
    raw_event,
)

AUTHORIZE = "AuthorizeSecurityGroup"
SETTINGS = EvidenceSettings()
WEB: dict[str, Any] = {"SecurityGroupRuleId": "sgr-2", "PortRange": "80/80"}

pytestmark = pytest.mark.looptime(start=960.0)


async def asked(trail: ActionTrail, *findings: Finding) -> dict[tuple[str, str], Opened]:
    """What is said of findings in one region."""
    return await Openers(trail, SETTINGS).opened(REGION, by_group(*findings), NOW)


def by_group(*findings: Finding) -> dict[str, list[Finding]]:
    """Findings by their group."""
    found: dict[str, list[Finding]] = {}
    for one in findings:
        found.setdefault(one.security_group_id, []).append(one)
    return found


def many(count: int) -> list[Finding]:
    """A finding in each of so many groups."""
    return [finding(group_id=f"sg-{number}", created=ago(200)) for number in range(count)]


async def test_three_spans_reach_back_ninety_days() -> None:
    """They touch, begin now, and none is longer than thirty days; an old rule that nothing opened is too old."""
    trail = ActionTrail()
    found = await asked(trail, finding(created=ago(200)))
    assert found[GROUP_ID, RULE_ID].status == "too_old"
    spans = [(begin, end) for _, _, begin, end, _ in trail.asked]
    assert len(spans) == 3
    assert spans[0][1] == NOW
    assert all(newer[0] == older[1] for newer, older in pairwise(spans))
    assert (NOW - spans[-1][0]).total_seconds() == pytest.approx(90 * 86_400, abs=600)


async def test_it_is_not_asked_further_back_than_the_rules_need() -> None:
    """One span where the rule is found or younger than it; the next where one of two rules is not."""
    events = [
        raw_event(AUTHORIZE, ASKED, days=3),
        raw_event(AUTHORIZE, {**ASKED, "PortRange": "80/80"}, days=45),
    ]
    for findings, spans in (
        ([finding()], 1),
        ([finding(created=ago(20))], 1),
        ([finding(), finding(**WEB)], 2),
        ([finding(**WEB, created=ago(50))], 2),
        ([finding(SourceCidrIp="8.0.0.0/8")], 3),
    ):
        trail = ActionTrail(events)
        await asked(trail, *findings)
        assert len(trail.asked) == spans
    both = await asked(ActionTrail(events), finding(), finding(**WEB))
    assert [one.request_id for one in both.values()] == ["R-3", "R-45"]


async def test_every_page_is_read_with_its_own_parameters() -> None:
    """The opening call is the last of 260 events of one span: each page goes on where the last one ended."""
    noise = [raw_event("DescribeSecurityGroupAttribute", {}, days=1 + number / 100) for number in range(259)]
    trail = ActionTrail([*noise, raw_event(AUTHORIZE, ASKED, days=20)])
    found = await asked(trail, finding())
    assert found[GROUP_ID, RULE_ID].request_id == "R-20"
    assert len(trail.asked) == 6


async def test_pages_end_where_all_is_found() -> None:
    """What stands on the first page needs no second one."""
    noise = [raw_event("DescribeSecurityGroupAttribute", {}, days=2 + number / 100) for number in range(259)]
    trail = ActionTrail([*noise, raw_event(AUTHORIZE, ASKED, days=1)])
    await asked(trail, finding())
    assert len(trail.asked) == 1


async def test_a_group_of_endless_events_is_read_to_a_bound() -> None:
    """What is not found by then is unread, not `not_found`."""
    noise = [
        raw_event("DescribeSecurityGroupAttribute", {}, days=1 + number / 10_000) for number in range(3_100)
    ]
    trail = ActionTrail([*noise, raw_event(AUTHORIZE, ASKED, days=29)])
    found = await asked(trail, finding())
    assert (found[GROUP_ID, RULE_ID].status, len(trail.asked)) == ("unread", 60)
    assert "3,000 events" in found[GROUP_ID, RULE_ID].reason


async def test_each_group_is_asked_for_once_however_many_rules_it_has() -> None:
    """Several findings of a rule are one answer; a group without findings is not asked for."""
    trail = ActionTrail([raw_event(AUTHORIZE, ASKED), raw_event(AUTHORIZE, ASKED, group_id="sg-9", days=2)])
    groups = {**by_group(finding(), finding(), finding(group_id="sg-9")), "sg-none": []}
    found = await Openers(trail, SETTINGS).opened(REGION, groups, NOW)
    assert [one[0] for one in trail.asked] == ["sg-1", "sg-9"]
    assert {key: one.request_id for key, one in found.items()} == {
        ("sg-1", RULE_ID): "R-1",
        ("sg-9", RULE_ID): "R-2",
    }


@pytest.mark.parametrize("latency_seconds", [0.0, 0.2, 1.5])
async def test_an_account_is_asked_twice_a_second_and_no_faster(latency_seconds: float) -> None:
    """In two regions at once, whatever an answer takes: calls begin half a second apart, and no later than need be."""
    trail = ActionTrail(latency_seconds=latency_seconds)
    openers = Openers(trail, SETTINGS)
    await asyncio.gather(
        *(openers.opened(region, by_group(*many(8)), NOW) for region in ("cn-hangzhou", "cn-beijing"))
    )
    at = [one[4] for one in trail.asked]
    assert len(at) == 2 * 8 * 3
    assert all(later - earlier >= SECONDS_BETWEEN_CALLS - 1e-6 for earlier, later in pairwise(at))
    assert at[-1] - at[0] <= SECONDS_BETWEEN_CALLS * len(at) + 6 * latency_seconds


async def test_a_refusal_is_told_of_each_rule_and_not_asked_again() -> None:
    """Neither for the account's other groups nor in another region; the reason names right, code and RequestId."""
    trail = ActionTrail(fails=lambda *_: failing(Denied, "NoPermission"))
    openers = Openers(trail, SETTINGS)
    began = asyncio.get_running_loop().time()
    found = await openers.opened(REGION, by_group(*many(50), finding(group_id="sg-0", **WEB)), NOW)
    found |= await openers.opened("cn-beijing", by_group(finding(group_id="sg-b")), NOW)
    assert len(found) == 52
    assert asyncio.get_running_loop().time() - began < 2
    assert {one.status for one in found.values()} == {"not_permitted"}
    expected = "actiontrail:LookupEvents: NoPermission: it says so (RequestId R-9)"
    assert {one.reason for one in found.values()} == {expected}
    assert len(trail.asked) == 1


async def test_what_was_found_before_a_refusal_stands() -> None:
    """The right was taken away between two spans."""
    events = [raw_event(AUTHORIZE, ASKED, days=3)]
    trail = ActionTrail(
        events, fails=lambda _, __, number: failing(Denied, "NoPermission") if number else None
    )
    found = await asked(trail, finding(), finding(**WEB))
    assert {key[1]: one.status for key, one in found.items()} == {RULE_ID: "found", "sgr-2": "not_permitted"}


@pytest.mark.parametrize(
    ("error", "calls"),
    [
        (failing(Unavailable, "ConnectionFailed", status=0), 4),
        (failing(NotFound, "InvalidRegionId.NotFound", status=404), 4),
        (failing(ApiError, "InvalidParameter.TimeRange", status=400), 12),
        (failing(Unavailable, "ServiceUnavailable", status=503), 12),
        (failing(Throttled, "Throttling.User", status=400), 12),
        (failing(Denied, "InvalidTimeStamp.Expired", status=400), 12),
    ],
)
async def test_any_other_failure_is_unread_and_the_rest_goes_on(error: CloudError, calls: int) -> None:
    """Where a region gives no answer it is not asked for more than those that were under way; others are."""
    trail = ActionTrail(
        [raw_event(AUTHORIZE, ASKED, group_id="sg-b")],
        fails=lambda _, region, __: error if region == REGION else None,
        latency_seconds=2.5,
    )
    openers = Openers(trail, SETTINGS)
    found = await openers.opened(REGION, by_group(*many(12)), NOW)
    assert {one.status for one in found.values()} == {"unread"}
    assert all(error.code in one.reason for one in found.values())
    assert len(trail.asked) == calls
    elsewhere = await openers.opened("cn-beijing", by_group(finding(group_id="sg-b")), NOW)
    assert elsewhere["sg-b", RULE_ID].status == "found"


async def test_one_group_that_fails_leaves_the_others_found() -> None:
    """An error is of the group that it was asked for."""
    trail = ActionTrail(
        [raw_event(AUTHORIZE, ASKED, group_id=f"sg-{number}") for number in range(3)],
        fails=lambda group_id, *_: WRONG if group_id == "sg-1" else None,
    )
    found = await asked(trail, *(finding(group_id=f"sg-{number}") for number in range(3)))
    assert [one.status for one in found.values()] == ["found", "unread", "found"]


async def test_lost_credentials_of_the_hub_end_it_at_once() -> None:
    """The error passes, and nobody goes on asking."""
    trail = ActionTrail(fails=lambda *_: HubCredentialsError("gone"), latency_seconds=0.1)
    with pytest.raises(HubCredentialsError):
        await asked(trail, *many(20))
    calls = len(trail.asked)
    await asyncio.sleep(60)
    assert len(trail.asked) == calls == 1


def _broken(change: Callable[[dict[str, Any]], object]) -> ActionTrail:
    """An ActionTrail whose answers are changed."""
    trail = ActionTrail([raw_event(AUTHORIZE, {**ASKED, "PortRange": "80/80"})])
    answer = trail.call

    async def call(*given: Any, **more: Any) -> dict[str, Any]:
        page = await answer(*given, **more)
        change(page)
        return page

    trail.call = call  # type: ignore[method-assign]
    return trail


@pytest.mark.parametrize(
    "change",
    [
        lambda page: page.pop("Events"),
        lambda page: page.update(Events={}),
        lambda page: page.update(Events=["x"]),
        lambda page: page["Events"].append({"eventId": "E-1"}),
    ],
    ids=["no list", "no list but an object", "texts", "an event without a name"],
)
async def test_an_answer_that_is_none_is_unread(change: Callable[[dict[str, Any]], object]) -> None:
    """A lacking list is not an empty one, and an event that says nothing may be the one that is looked for."""
    trail = _broken(change)
    found = await asked(trail, finding(created=ago(3)))
    assert found[GROUP_ID, RULE_ID].status == "unread"


async def test_pages_that_go_round_are_unread() -> None:
    """A token that comes back would be followed for ever."""
    trail = ActionTrail()
    trail._page = lambda *_: {"Events": [], "NextToken": "same"}  # type: ignore[method-assign]
    found = await asked(trail, finding(created=ago(3)))
    assert found[GROUP_ID, RULE_ID].status == "unread"
    assert len(trail.asked) == 2


def test_a_log_is_given_exactly_where_the_settings_name_one() -> None:
    """Else the account's own trail would be asked in silence, or the log without a setting."""
    with pytest.raises(ValueError, match="trail_project"):
        Openers(
            ActionTrail(), EvidenceSettings(trail_project="p", trail_region="cn-hangzhou", trail_logstore="l")
        )
