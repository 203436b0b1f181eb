"""OSS goes the way of every other call: limits, retries, counts, and names where it failed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import RawTestServer

from accounts.credentials import Credentials
from orchestrator.cloud.client import AccountSession, Client, CloudSettings, Limits
from orchestrator.cloud.endpoints import Endpoints
from orchestrator.cloud.errors import Denied, ExpiredToken, Unavailable
from orchestrator.cloud.oss import Objects
from orchestrator.emulator import Fault, Kind, Options, World
from orchestrator.emulator.services.oss import buckets
from tests.cloud.asking import REGION, groups
from tests.cloud.conftest import Speaker, speaking

OWN = Credentials("id", "secret", "token")
Asked = Credentials | None


def bucket(it: Speaker) -> Objects:
    """A bucket of the hub's."""
    return Objects(it.client, it.hub, "ledger", REGION)


def faults(kind: Kind, action: str, count: int | None = None) -> Options:
    """A fault of one action of OSS."""
    return Options(faults=(Fault(kind=kind, action=action, count=count),))


@pytest.mark.parametrize(
    "kind", [Kind.UNAVAILABLE, Kind.ERROR_AFTER, Kind.RESET_BEFORE, Kind.RESET_AFTER, Kind.GARBAGE]
)
async def test_a_put_is_tried_again_whatever_became_of_it(kind: Kind, world: World) -> None:
    """It is the same object, so it may be repeated; one that was written already is known by its content."""
    async with speaking(world, faults(kind, "PutObject", 1)) as it:
        assert await bucket(it).put("a", b"mine", only_new=True)
        assert buckets(it.emulator.state)["ledger"].objects == {"a": b"mine"}
        assert not await bucket(it).put("a", b"other", only_new=True)
        assert await bucket(it).get("a") == b"mine"
    assert it.client.stats.of("PutObject").throttled == 0
    assert it.client.stats.calls == len(it.attempts)


async def test_a_failing_bucket_is_asked_as_often_as_any_other_api(world: World) -> None:
    """`attempts` requests, then an error that says where; it is counted and observed like any other."""
    async with speaking(world, faults(Kind.UNAVAILABLE, "GetObject"), attempts=3) as it:
        with pytest.raises(Unavailable) as caught:
            await bucket(it).get("a")
    error = caught.value
    assert (error.action, error.account_id, error.region_id) == ("GetObject", it.hub_id, REGION)
    assert error.request_id
    assert [attempt.number for attempt in it.attempts] == [1, 2, 3]
    stats = it.client.stats.of("GetObject")
    assert (stats.calls, stats.retried, stats.failed) == (3, 2, 1)


async def test_oss_spends_the_retries_of_the_whole_run(world: World) -> None:
    """Where the budget is empty, one request is made and no more."""
    limits = Limits(retry_fraction=0.0, retry_floor=1)
    async with speaking(world, faults(Kind.UNAVAILABLE, "GetObject"), limits=limits) as it:
        for _ in range(3):
            with pytest.raises(Unavailable):
                await bucket(it).get("a")
    assert it.client.stats.of("GetObject").calls == 4


@asynccontextmanager
async def answering(
    *codes: tuple[int, str], **settings: Any
) -> AsyncIterator[tuple[Client, Objects, list[Asked]]]:
    """A bucket that refuses with these, in turn, and then has the object; and what its source was asked for."""
    left = list(codes)
    asked: list[Asked] = []

    class Source:
        """Notes which credentials were refused."""

        async def credentials(self, *, not_this: Credentials | None = None) -> Credentials:
            """The same ones."""
            asked.append(not_this)
            return OWN

    async def answer(_: web.BaseRequest) -> web.Response:
        if not left:
            return web.Response(body=b"mine")
        status, code = left.pop(0)
        text = f"<Error><Code>{code}</Code><Message>no</Message><RequestId>R</RequestId></Error>"
        return web.Response(status=status, text=text, content_type="application/xml")

    server = RawTestServer(answer)
    await server.start_server()
    try:
        url = str(server.make_url("")).rstrip("/")
        async with Client(CloudSettings(endpoint=url, **settings), chance=lambda: 0.0) as client:
            yield client, Objects(client, AccountSession(client, "1", Source()), "ledger", REGION), asked
    finally:
        await server.close()


async def test_a_throttled_bucket_waits_in_the_limiter() -> None:
    """A refusal shuts the quota of this account, region and action; the call is sent again when it opens."""
    limits = Limits(window_seconds=1)
    async with answering((429, "TooManyRequests"), limits=limits) as (client, objects, _):
        assert await objects.get("a") == b"mine"
        stats = client.stats.of("GetObject")
        assert (stats.calls, stats.throttled) == (2, 1)
        assert [(one.account_id, one.region_id, one.action) for one in client.limiter.learned()] == [
            ("1", REGION, "GetObject")
        ]


async def test_an_expired_session_is_renewed_once() -> None:
    """As for every other call: the source is told which credentials were refused, and not again and again."""
    expired = (403, "SecurityTokenExpired")
    async with answering(expired) as (_, objects, asked):
        assert await objects.get("a") == b"mine"
        assert asked == [None, OWN]
    async with answering(expired, expired) as (client, objects, asked):
        with pytest.raises(ExpiredToken):
            await objects.get("a")
        assert client.stats.calls == 2


async def test_a_bucket_that_may_not_be_read_is_not_asked_again() -> None:
    """A refusal of rights is final, and names the account and region."""
    async with answering((403, "AccessDenied")) as (client, objects, _):
        with pytest.raises(Denied, match=f"GetObject 1 {REGION}: AccessDenied"):
            await objects.get("a")
        assert client.stats.calls == 1


async def test_a_region_whose_ecs_is_down_still_has_its_bucket(world: World) -> None:
    """The ledger is written though ECS of the same account and region has an open circuit."""
    limits = Limits(circuit_failures=1)
    async with speaking(world, faults(Kind.UNAVAILABLE, "Describe*"), limits=limits, attempts=1) as it:
        with pytest.raises(Unavailable):
            await groups(it.hub)
        with pytest.raises(Unavailable, match="CircuitOpen"):
            await groups(it.hub)
        assert await bucket(it).put("a", b"x")


@pytest.mark.parametrize(
    ("network", "host"),
    [
        ("public", "ledger.oss-cn-hangzhou.aliyuncs.com"),
        ("vpc", "ledger.oss-cn-hangzhou-internal.aliyuncs.com"),
    ],
)
def test_a_bucket_has_a_host_of_its_own(network: str, host: str) -> None:
    """By its name, region and network; the one URL serves buckets too."""
    target = Endpoints(CloudSettings(network=network)).bucket("ledger", REGION)
    assert (target.scheme, target.host) == ("https", host)
    inside = Endpoints(CloudSettings(network=network)).bucket("ledger", REGION, internal=True)
    assert inside.host == "ledger.oss-cn-hangzhou-internal.aliyuncs.com"
    one = Endpoints(CloudSettings(endpoint="http://127.0.0.1:1")).bucket("ledger", REGION, internal=True)
    assert (one.scheme, one.host) == ("http", "127.0.0.1:1")


async def test_a_buckets_own_host_has_its_name_in_the_host_only() -> None:
    """The path is the key; what is signed names the bucket all the same."""
    from orchestrator.cloud.oss import _Request  # noqa: PLC0415 - only here

    request = _Request("ledger", "a b", REGION, "1", "GET", "GetObject", {}, {}, b"")
    who = Credentials("id", "secret")
    assert request.sign(who, "ledger.oss-cn-hangzhou.aliyuncs.com").path == "/a%20b"
    assert request.sign(who, "127.0.0.1:1").path == "/ledger/a%20b"
