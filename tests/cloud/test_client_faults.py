"""Every fault of the emulator that concerns the client: reads go on, changes are not repeated blindly."""

from __future__ import annotations

import gzip
import time

import pytest
from aiohttp import web
from aiohttp.test_utils import RawTestServer

from accounts.credentials import Credentials, StaticCredentials
from orchestrator.cloud.client import (
    AccountSession,
    Client,
    CloudSettings,
    Limits,
)
from orchestrator.cloud.errors import (
    Unavailable,
)
from orchestrator.cloud.memory import LONGEST_BODY
from orchestrator.emulator import Fault, Kind, Options, World
from tests.cloud.asking import REGION, groups, revoke
from tests.cloud.conftest import speaking

# faults: reads go on


READ_FAULTS = [
    (Kind.UNAVAILABLE, "ServiceUnavailable"),
    (Kind.ERROR_BEFORE, "InternalError"),
    (Kind.ERROR_AFTER, "InternalError"),
    (Kind.RESET_BEFORE, "ConnectionReset"),
    (Kind.RESET_AFTER, "ConnectionReset"),
    (Kind.TRUNCATED, "MalformedAnswer"),
    (Kind.CUT, "TruncatedAnswer"),
    (Kind.GARBAGE, "Http502"),
    (Kind.THROTTLED, "Throttling.User"),
]


@pytest.mark.parametrize(("kind", "code"), READ_FAULTS)
async def test_a_read_is_tried_again_after(kind: Kind, code: str, world: World) -> None:
    """Each passing fault costs one more attempt, and the answer is whole."""
    async with speaking(
        world, Options(faults=(Fault(kind=kind, count=1, action="DescribeSecurityGroups"),))
    ) as it:
        found = await groups(it.member())
        assert found == await groups(it.member())
        outcomes = it.outcomes
    assert outcomes in ([code, "ok", "ok"], ["ConnectionReset", "ok", "ok"])
    assert it.client.stats.retried == 1


@pytest.mark.parametrize(("kind", "code"), READ_FAULTS[:-1])
async def test_a_read_is_given_up_when_its_attempts_are_used_up(kind: Kind, code: str, world: World) -> None:
    """A lasting fault ends in Unavailable after exactly `attempts` requests, with where it happened."""
    async with speaking(
        world, Options(faults=(Fault(kind=kind, action="DescribeSecurityGroups"),)), attempts=3
    ) as it:
        member = it.member()
        with pytest.raises(Unavailable) as caught:
            await groups(member)
    error = caught.value
    assert error.code in (code, "ConnectionReset")
    assert (error.action, error.account_id, error.region_id) == (
        "DescribeSecurityGroups",
        member.account_id,
        REGION,
    )
    assert bool(error.request_id) == (kind in (Kind.UNAVAILABLE, Kind.ERROR_BEFORE, Kind.ERROR_AFTER))
    assert len(it.attempts) == 3
    assert it.client.stats.of("DescribeSecurityGroups").failed == 1


@pytest.mark.parametrize("kind", [Kind.SLOW, Kind.HANG])
async def test_a_slow_answer_is_not_waited_for_without_end(kind: Kind, world: World) -> None:
    """A body that stops in the middle and an answer that never begins both end at the read timeout."""
    faults = (Fault(kind=kind, count=1, seconds=3, action="DescribeSecurityGroups"),)
    async with speaking(
        world, Options(faults=faults), connect_timeout_seconds=0.2, read_timeout_seconds=0.3
    ) as it:
        began = time.monotonic()
        assert await groups(it.member())
        assert time.monotonic() - began < 2
        assert it.outcomes == ["Timeout", "ok"]
        it.emulator.set_faults()


async def test_every_retry_is_signed_anew(world: World) -> None:
    """The emulator refuses a nonce it has seen; after a fault that comes after the work, the retry passes."""
    async with speaking(world, Options(faults=(Fault(kind=Kind.ERROR_AFTER, count=3),))) as it:
        await groups(it.member())
    assert it.outcomes == ["InternalError"] * 3 + ["ok"]


# faults: changes are not repeated blindly


@pytest.mark.parametrize(
    "kind",
    [
        Kind.UNAVAILABLE,
        Kind.ERROR_BEFORE,
        Kind.ERROR_AFTER,
        Kind.RESET_BEFORE,
        Kind.RESET_AFTER,
        Kind.TRUNCATED,
        Kind.CUT,
        Kind.GARBAGE,
    ],
)
async def test_a_change_that_may_have_been_made_is_not_repeated(kind: Kind, world: World) -> None:
    """One request, an Unavailable that says it may have arrived: whoever asked reads again first."""
    async with speaking(
        world, Options(faults=(Fault(kind=kind, count=1, action="RevokeSecurityGroup"),))
    ) as it:
        with pytest.raises(Unavailable) as caught:
            await revoke(it.member(role="sgsweep-remediate"))
    assert caught.value.sent
    assert it.client.stats.of("RevokeSecurityGroup").calls == 1


async def test_a_change_that_was_refused_for_its_rate_is_sent_again(world: World) -> None:
    """A throttled call was not carried out."""
    faults = (Fault(kind=Kind.THROTTLED, count=1, action="RevokeSecurityGroup"),)
    async with speaking(world, Options(faults=faults), limits=Limits(window_seconds=1)) as it:
        await revoke(it.member(role="sgsweep-remediate"))
    assert it.outcomes[-2:] == ["Throttling.User", "ok"]


async def test_a_change_that_was_never_sent_is_tried_again() -> None:
    """Without a connection nothing can have arrived; the error says so when attempts are used up."""
    port = unused_port()
    settings = CloudSettings(endpoint=f"http://127.0.0.1:{port}", attempts=3)
    async with Client(settings, chance=lambda: 0.0) as client:
        session = AccountSession(client, "1", StaticCredentials(Credentials("id", "secret")))
        with pytest.raises(Unavailable) as caught:
            await session.call("RevokeSecurityGroup", REGION, {}, mutating=True)
    assert (caught.value.code, caught.value.sent) == ("ConnectionFailed", False)
    assert client.stats.calls == 3


async def test_an_answer_without_an_end_is_not_kept() -> None:
    """A megabyte on the way can be gigabytes here: what is longer than any answer is given up, and not asked again."""
    packed = gzip.compress(bytes(LONGEST_BODY + 1))

    async def endless(_: web.BaseRequest) -> web.Response:
        return web.Response(body=packed, headers={"Content-Encoding": "gzip"})

    server = RawTestServer(endless)
    await server.start_server()
    try:
        async with Client(CloudSettings(endpoint=str(server.make_url("")).rstrip("/"))) as client:
            session = AccountSession(client, "1", StaticCredentials(Credentials("id", "secret")))
            with pytest.raises(Unavailable) as caught:
                await groups(session)
    finally:
        await server.close()
    assert (caught.value.code, caught.value.sent, client.stats.calls) == ("AnswerTooLong", True, 1)


def unused_port() -> int:
    """A port where nobody listens."""
    import socket  # noqa: PLC0415 - only here

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
