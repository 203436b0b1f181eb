"""Flow control and faults: who is limited, what a refused caller is told, and what goes wrong, repeatably."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from orchestrator.emulator import (
    Emulator,
    Fault,
    Kind,
    Options,
    Quirks,
    Throttle,
    UncertainError,
    World,
    WorldOutline,
    read_fault,
)
from orchestrator.emulator.framework.faults import Faults, read_faults
from orchestrator.emulator.framework.throttle import Meter
from tests.emulator.wire import ECS, STS, Cloud, v3

HERE = "cn-hangzhou"


def world() -> World:
    """Three members, two regions."""
    return World.generate(WorldOutline(1, 3, region_ids=2))


def throttled(cloud: Cloud, action: str = "DescribeRegions", **asked: Any) -> bool:
    """Whether one call of the member's session is refused by flow control."""
    status, body = cloud.call(action, cloud.enter(), **asked)
    assert status == 200 or body["Code"].startswith("Throttling"), body
    return status != 200


# --- throttling


def test_windows_are_calendar_windows() -> None:
    """The limit is free again when the next window begins, not a window after the first call."""
    cloud = Cloud(world(), throttle=Throttle(limit=2, window_seconds=60))
    cloud.clock.now += 50
    assert [throttled(cloud) for _ in range(3)] == [False, False, True]
    cloud.clock.now += 9
    assert throttled(cloud)
    cloud.clock.now += 1
    assert [throttled(cloud) for _ in range(3)] == [False, False, True]


def test_a_bucket_refills_steadily_and_holds_its_burst() -> None:
    """Two calls a second with a burst of three."""
    cloud = Cloud(world(), throttle=Throttle(limit=120, window_seconds=60, kind="bucket", burst=3))
    assert [throttled(cloud) for _ in range(4)] == [False, False, False, True]
    cloud.clock.now += 0.5
    assert [throttled(cloud) for _ in range(2)] == [False, True]
    cloud.clock.now += 60
    assert [throttled(cloud) for _ in range(4)] == [False, False, False, True]


def test_each_account_region_and_api_has_its_own_limit() -> None:
    """One that is used up limits no other; all callers of an account share it."""
    cloud = Cloud(world(), throttle=Throttle(limit=1))
    other = list(cloud.world.organization.members)[1]
    assert not throttled(cloud, "DescribeSecurityGroups", RegionId=HERE)
    assert throttled(cloud, "DescribeSecurityGroups", RegionId=HERE)
    assert not throttled(cloud, "DescribeSecurityGroups", RegionId="cn-shanghai")
    assert not throttled(cloud, "DescribePrefixLists", RegionId=HERE)
    cloud.ok("DescribeSecurityGroups", cloud.enter(account_id=other), RegionId=HERE)
    neighbour = cloud.state.identities.add_user(other, "console", cloud.state.options.hub_statements)
    assert cloud.code("DescribeSecurityGroups", neighbour.keys, RegionId=HERE)[1] == "Throttling.User"


def test_limits_by_api_by_account_and_for_sts() -> None:
    """An API or an account may have its own limit; STS counts for the calling account over all regions."""
    cloud = Cloud(world())
    slow = list(cloud.world.organization.members)[2]
    rules = Throttle(limit=5, per_api={"DescribeRegions": 1}, accounts={slow: 2}, sts_limit=3)
    cloud.state.meter = Meter(rules)
    assert [throttled(cloud) for _ in range(2)] == [False, True]
    keys = cloud.enter(account_id=slow)
    asked = [cloud.call("DescribeSecurityGroups", keys, RegionId=HERE)[0] for _ in range(3)]
    assert asked == [200, 200, 400]
    sts = [cloud.call("GetCallerIdentity", version=STS, RegionId=f"r-{n}")[0] for n in range(4)]
    assert sts == [200, 200, 200, 400]
    cloud.clock.now += 1
    assert cloud.call("GetCallerIdentity", version=STS)[0] == 200
    by_region = Cloud(world(), throttle=Throttle(sts_limit=1), quirks=Quirks(sts_by_region=True))
    assert [by_region.call("GetCallerIdentity", version=STS, RegionId=f"r-{n}")[0] for n in range(3)] == [
        200
    ] * 3


@pytest.mark.parametrize(
    ("hint", "header", "value"),
    [
        ("none", "x-acs-retry-after", None),
        ("retry-after", "x-acs-retry-after", "10000"),
        ("ratelimit", "x-ratelimit-user-api", "Limit:1,Remain:0,TimeLeft:10000,Reset:0"),
    ],
)
def test_a_refused_caller_may_be_told_how_long(hint: Any, header: str, value: str | None) -> None:
    """The hint is the time to the next window, in ms, in one of two headers, or none."""
    cloud = Cloud(world(), throttle=Throttle(limit=1, hint=hint))
    cloud.clock.now += 50
    keys = cloud.enter()
    replies = [cloud.reply(v3(keys, ECS, "DescribeRegions", {}, cloud.clock())) for _ in range(2)]
    assert replies[0].headers == {}
    assert replies[1].status == 400
    assert replies[1].headers.get(header) == value


@pytest.mark.parametrize("status", [400, 403, 429])
def test_the_code_of_throttling_is_a_quirk(status: int) -> None:
    """Services differ in status and code."""
    cloud = Cloud(
        world(), throttle=Throttle(limit=0), quirks=Quirks(throttled=UncertainError(status, "Throttling.API"))
    )
    assert cloud.code("DescribeRegions", cloud.enter()) == (status, "Throttling.API")


# --- faults


def test_a_fault_strikes_whom_it_names() -> None:
    """Account, region and action are patterns; others are spared."""
    cloud = Cloud(world())
    fault = Fault(kind=Kind.UNAVAILABLE, account=cloud.member, region="cn-s*", action="DescribeSecurity*")
    cloud.state.use_faults([fault])
    keys = cloud.enter()
    assert cloud.code("DescribeSecurityGroups", keys, RegionId="cn-shanghai") == (503, "ServiceUnavailable")
    cloud.ok("DescribeSecurityGroups", keys, RegionId=HERE)
    cloud.ok("DescribePrefixLists", keys, RegionId="cn-shanghai")
    cloud.ok("DescribeSecurityGroups", RegionId="cn-shanghai")
    assert [call.fault for call in cloud.state.record] == ["unavailable", "", "", ""]


def test_rate_count_and_skip_are_repeatable() -> None:
    """A seeded fault strikes the same calls each time; skip and count bound it."""

    def strikes(seed: int, **fields: Any) -> list[bool]:
        faults = Faults([Fault(kind=Kind.UNAVAILABLE, **fields)], seed)
        return [faults.choose("1", "r", "A") is not None for _ in range(200)]

    assert strikes(7, rate=0.3) == strikes(7, rate=0.3)
    assert strikes(7, rate=0.3) != strikes(8, rate=0.3)
    assert 30 < sum(strikes(7, rate=0.3)) < 90
    assert strikes(1, skip=3, count=2)[:7] == [False, False, False, True, True, False, False]
    faults = Faults([Fault(kind=Kind.SLOW, count=1)])
    faults.add(Fault(kind=Kind.HANG))
    assert [found.kind for _ in range(2) if (found := faults.choose("1", "r", "A"))] == [Kind.SLOW, Kind.HANG]
    assert faults.struck() == (1, 1)
    faults.clear()
    assert faults.active == ()


def revocable(cloud: Cloud) -> dict[str, Any]:
    """A rule of the member that can be revoked."""
    for region_id in cloud.world.region_ids:
        for group in cloud.world.estate(cloud.member, region_id).groups.values():
            if group.rules and not group.service_managed and group.rules[0].direction == "ingress":
                ids = [group.rules[0].security_group_rule_id]
                return {
                    "RegionId": region_id,
                    "SecurityGroupId": group.security_group_id,
                    "SecurityGroupRuleId": ids,
                }
    raise LookupError("no such rule")


@pytest.mark.parametrize(
    ("kind", "code", "changed"),
    [
        (Kind.ERROR_BEFORE, (500, "InternalError"), 0),
        (Kind.ERROR_AFTER, (500, "InternalError"), 1),
        (Kind.UNAVAILABLE, (503, "ServiceUnavailable"), 0),
        (Kind.THROTTLED, (400, "Throttling.User"), 0),
        (Kind.DENIED, (403, "Forbidden.RAM"), 0),
        (Kind.IGNORED, None, 0),
    ],
)
def test_a_fault_changes_the_world_or_does_not(
    kind: Kind, code: tuple[int, str] | None, changed: int
) -> None:
    """A fault "after" has made the change, "before" has not, "ignored" claims it; the record tells the truth."""
    cloud = Cloud(world())
    cloud.state.use_faults([Fault(kind=kind, action="Revoke*", count=1)])
    keys, where = cloud.enter(), {**revocable(cloud), "ClientToken": "t"}
    status, body = cloud.call("RevokeSecurityGroup", keys, **where)
    assert (status, body.get("Code", "")) == (code or (200, ""))
    assert len(cloud.state.record[-1].changes) == changed
    status, body = cloud.call("RevokeSecurityGroup", keys, **where)
    assert status == 200, body
    assert len(cloud.state.record.changes()) == 1


def test_an_expired_fault_ends_the_session_for_good() -> None:
    """After the fault the same token stays expired; a new session works."""
    cloud = Cloud(world())
    cloud.state.use_faults([Fault(kind=Kind.EXPIRED, skip=1, count=1)])
    keys = cloud.enter()
    cloud.ok("DescribeRegions", keys)
    for _ in range(2):
        assert cloud.code("DescribeRegions", keys) == (400, "InvalidSecurityToken.Expired")
    cloud.ok("DescribeRegions", cloud.enter())


def test_repeated_token_and_empty_wait_for_a_call_they_spoil() -> None:
    """The repeated token strikes a further page only, the empty list a list only, and then as told."""
    cloud = Cloud(World.generate(WorldOutline(5, 30, region_ids=1)))
    cloud.state.use_faults([Fault(kind=Kind.REPEATED_TOKEN, count=1)])
    first = cloud.ok("ListAccounts", version="2022-04-19", MaxResults=10)
    second = cloud.ok("ListAccounts", version="2022-04-19", MaxResults=10, NextToken=first["NextToken"])
    assert second["NextToken"] == first["NextToken"]
    cloud.state.use_faults([Fault(kind=Kind.EMPTY, count=1)])
    cloud.ok("GetCallerIdentity", version=STS)
    assert cloud.ok("DescribeRegions", cloud.enter())["Regions"]["Region"] == []
    assert cloud.ok("DescribeRegions", cloud.enter())["Regions"]["Region"]


def test_faults_are_read_from_text_and_json() -> None:
    """The command's texts and the control surface's JSON; what is wrong is named."""
    assert read_fault("error_after,rate=0.1,action=Revoke*,count=3") == Fault(
        kind=Kind.ERROR_AFTER, rate=0.1, action="Revoke*", count=3
    )
    assert read_faults(b'[{"kind":"slow","seconds":2}]') == (Fault(kind=Kind.SLOW, seconds=2),)
    for text in ("melt", "slow,rate", "slow,rate=often"):
        with pytest.raises(ValueError, match="fault"):
            read_fault(text)
    with pytest.raises(ValueError, match="faults"):
        read_faults(b'[{"kind":"melt"}]')


# --- what only a socket shows


async def fetch(emulator: Emulator, seconds: float = 5) -> tuple[int, bytes]:
    """One signed call over HTTP."""
    request = v3(
        emulator.hub_credentials,
        STS,
        "GetCallerIdentity",
        {},
        emulator.state.clock(),
        host=emulator.http_url[7:],
    )
    timeout = aiohttp.ClientTimeout(total=seconds)
    async with (
        aiohttp.ClientSession(timeout=timeout) as session,
        session.post(emulator.http_url, headers=dict(request.headers)) as response,
    ):
        return response.status, await response.read()


async def faulty(kind: Kind, seconds: float = 0.2, wait: float = 5) -> tuple[int, bytes]:
    """One call to an emulator with one fault."""
    async with Emulator(world(), Options(faults=(Fault(kind=kind, seconds=seconds),))) as emulator:
        try:
            return await fetch(emulator, wait)
        finally:
            assert [call.fault for call in emulator.calls] == [kind.value]
            assert (emulator.calls[0].status == 0) == (kind in {Kind.RESET_BEFORE, Kind.RESET_AFTER})


@pytest.mark.parametrize("kind", [Kind.RESET_BEFORE, Kind.RESET_AFTER])
async def test_a_reset_closes_the_connection_without_an_answer(kind: Kind) -> None:
    """The client sees a connection that ends, and no answer."""
    with pytest.raises((aiohttp.ClientOSError, aiohttp.ServerDisconnectedError)):
        await faulty(kind)


async def test_truncated_json_is_a_whole_answer_with_half_a_body() -> None:
    """Status 200 and bytes that are not JSON."""
    status, body = await faulty(Kind.TRUNCATED)
    assert status == 200
    assert body.startswith(b"{")
    assert not body.endswith(b"}")


async def test_a_cut_answer_has_fewer_bytes_than_promised() -> None:
    """The body ends before Content-Length."""
    with pytest.raises(aiohttp.ClientError):
        await faulty(Kind.CUT)


async def test_garbage_is_a_gateways_page() -> None:
    """502 with HTML."""
    status, body = await faulty(Kind.GARBAGE)
    assert (status, body[:6]) == (502, b"<html>")


@pytest.mark.parametrize("kind", [Kind.SLOW, Kind.HANG])
async def test_slow_and_hanging_answers_come_in_the_end(kind: Kind) -> None:
    """Whoever waits long enough gets the true answer, others a timeout."""
    status, body = await faulty(kind)
    assert (status, body[-1:]) == (200, b"}")
    with pytest.raises(asyncio.TimeoutError):
        await faulty(kind, seconds=30, wait=0.3)
