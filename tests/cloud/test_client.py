"""The client over real sockets: what it sends, what it tells, and whom it reaches."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import structlog

from accounts.credentials import Credentials, StaticCredentials
from orchestrator.cloud.attempt_log import log_attempts
from orchestrator.cloud.client import (
    AccountSession,
    Client,
    CloudSettings,
    CloudSettingsError,
    Limits,
    Request,
)
from orchestrator.cloud.errors import (
    CloudError,
    Unavailable,
)
from orchestrator.emulator import Emulator, Fault, Kind, Options, World
from tests.cloud.asking import GROUPS, REGION, groups
from tests.cloud.conftest import Speaker, speaking

# the ways of asking


async def test_a_call_goes_over_tls_with_a_given_authority(world: World) -> None:
    """An https endpoint with `ca_file`; the certificate is checked."""
    async with Emulator(world) as emulator:
        settings = CloudSettings(endpoint=emulator.https_url, ca_file=emulator.ca_file)
        async with Client(settings) as client:
            assert await groups(Speaker(emulator, client, []).member())


async def test_a_certificate_that_is_not_trusted_is_named_and_not_tried_again(world: World) -> None:
    """Without its authority the call is given up at once, and was never sent."""
    async with Emulator(world) as emulator, Client(CloudSettings(endpoint=emulator.https_url)) as client:
        with pytest.raises(Unavailable) as caught:
            await groups(Speaker(emulator, client, []).member())
    assert (caught.value.code, caught.value.sent) == ("CertificateError", False)
    assert client.stats.calls == 1


@pytest.mark.parametrize("content", [None, "no certificate", ""])
async def test_an_authority_that_cannot_be_read_is_a_settings_error(
    tmp_path: Any, content: str | None
) -> None:
    """The message names the file."""
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(CloudSettingsError, match=r"ca\.pem"):
        async with Client(CloudSettings(ca_file=str(path))):
            pass


async def test_parameters_of_any_text_arrive_as_meant(speaker: Speaker) -> None:
    """Blanks, slashes, stars and other scripts survive query, signature and server."""
    member = speaker.member()
    for name in ("a b/c*d~e", "安全组", "a&b=c%20+", "'\"<>"):
        parameters = {**GROUPS, "SecurityGroupName": name}
        assert (await member.call("DescribeSecurityGroups", REGION, parameters))["SecurityGroups"] is not None
    assert set(speaker.outcomes) == {"ok"}


async def test_a_hundred_calls_share_few_connections(world: World) -> None:
    """One pooled session: calls one after the other use one connection."""
    opened = 0

    async def count(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal opened
        opened += 1
        body = b'{"RequestId": "R"}'
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        except asyncio.IncompleteReadError:
            writer.close()

    server = await asyncio.start_server(count, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, Client(CloudSettings(endpoint=f"http://127.0.0.1:{port}")) as client:
        session = AccountSession(client, "1", StaticCredentials(Credentials("id", "secret")))
        for _ in range(100):
            await session.call("DescribeRegions", None, {})
    assert opened == 1


@pytest.mark.parametrize("body", [None, {"ResultToken": "t"}])
async def test_nothing_unsigned_is_said_of_the_request(body: dict[str, object] | None) -> None:
    """What goes over the wire is signed, but for HTTP's own; without a body there is no Content-Type at all."""
    heads: list[str] = []

    async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        writer.close()

    server = await asyncio.start_server(note, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    source = StaticCredentials(Credentials("STS.id", "secret", "token"))
    request = Request("config", "2020-09-07", "PutEvaluations", None, "1", {}, body=body)
    async with server, Client(CloudSettings(endpoint=f"http://127.0.0.1:{port}")) as client:
        await client.fetch(request, source)
    sent = {
        name.lower(): value
        for name, _, value in (line.partition(": ") for line in heads[0].split("\r\n")[1:])
    }
    signed = sent["authorization"].partition("SignedHeaders=")[2].partition(",")[0].split(";")
    http_own = {"authorization", "accept-encoding", "content-length", ""}
    assert sent.keys() - http_own == set(signed)
    assert sent.get("content-type") == ("application/x-www-form-urlencoded" if body else None)


# circuit and budget


async def test_a_dead_region_opens_its_circuit_and_no_other(world: World) -> None:
    """After five calls lost for good the rest fail at once as CircuitOpen; other regions are read."""
    faults = (Fault(kind=Kind.UNAVAILABLE, region="cn-beijing"),)
    async with speaking(world, Options(faults=faults), attempts=2) as it:
        member = it.member()
        codes = []
        for _ in range(20):
            with pytest.raises(Unavailable) as caught:
                await member.call("DescribeSecurityGroups", "cn-beijing", {"RegionId": "cn-beijing"})
            codes.append(caught.value.code)
        assert codes == ["ServiceUnavailable"] * 5 + ["CircuitOpen"] * 15
        assert not caught.value.sent
        assert it.client.circuits.open_for((member.account_id, "cn-beijing", "ecs")) > 0
        assert it.client.stats.calls == 10
        assert await groups(member)


async def test_retries_are_bounded_over_the_whole_run(world: World) -> None:
    """When everything fails, retries stay at the floor plus a fraction of the calls."""
    limits = Limits(retry_fraction=0.1, retry_floor=5, circuit_failures=1000)
    async with speaking(world, Options(faults=(Fault(kind=Kind.UNAVAILABLE),)), limits=limits) as it:
        member = it.member()
        for _ in range(50):
            with pytest.raises(Unavailable):
                await groups(member)
    assert it.client.stats.retried == 10
    assert it.client.stats.calls == 60


async def test_a_cancelled_call_gives_its_place_back(world: World) -> None:
    """After 20 cancellations the only place there is serves the next call."""
    async with speaking(world, Options(latency_seconds=0.2), limits=Limits(max_in_flight=1)) as it:
        member = it.member()
        tasks = [asyncio.ensure_future(groups(member)) for _ in range(20)]
        await asyncio.sleep(0.05)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert it.client.limiter._in_flight == 0
        assert await groups(member)


# what is told


async def test_counts_and_observers_tell_what_was_sent(world: World) -> None:
    """The stats equal the emulator's own record."""
    faults = (Fault(kind=Kind.UNAVAILABLE, count=2), Fault(kind=Kind.THROTTLED, count=1))
    async with speaking(world, Options(faults=faults), limits=Limits(window_seconds=1)) as it:
        await groups(it.member())
        stats = it.client.stats
        assert (stats.calls, stats.retried, stats.throttled) == (4, 3, 1)
        assert len(it.emulator.calls.since(0)) == 4
        assert [attempt.number for attempt in it.attempts] == [1, 2, 3, 4]
        assert [bool(attempt.request_id) for attempt in it.attempts] == [True, True, True, False]
        assert all(attempt.seconds > 0 for attempt in it.attempts)


async def test_a_proxy_carries_calls_to_other_machines_and_not_to_this_one(world: World) -> None:
    """An https call goes through CONNECT; loopback is reached directly; a dead proxy is named."""
    asked: list[bytes] = []

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(proxy, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    through = f"http://user:secret@127.0.0.1:{port}"
    async with server, Client(CloudSettings(proxy=through)) as client:
        session = AccountSession(client, "1", StaticCredentials(Credentials("id", "secret")))
        with pytest.raises(Unavailable) as caught:
            await session.call("DescribeRegions", None, {})
    assert asked[0].startswith(b"CONNECT ecs.cn-hangzhou.aliyuncs.com:443")
    assert (caught.value.code, caught.value.sent) == ("ProxyError", False)
    assert "secret" not in str(caught.value)
    async with speaking(world, proxy=through) as it:
        assert await groups(it.member())


async def test_no_secret_shows_in_anything_that_is_printed(world: World) -> None:
    """Not in a repr, an error, its traceback or its causes, whatever fails."""
    import traceback  # noqa: PLC0415 - only here

    for kind in (Kind.RESET_BEFORE, Kind.GARBAGE, Kind.DENIED, Kind.TRUNCATED, Kind.CUT):
        async with speaking(world, Options(faults=(Fault(kind=kind),)), attempts=2) as it:
            member = it.member()
            who = await member.source.credentials()
            with pytest.raises(CloudError) as caught:
                await groups(member)
            error = caught.value
            shown = "".join(traceback.format_exception(type(error), error, error.__traceback__))
            shown += (
                repr(error)
                + repr(it.attempts)
                + repr(who)
                + repr(it.client.settings)
                + repr(error.__context__)
            )
            assert who.access_key_secret not in shown
            assert who.security_token not in shown


async def test_a_request_of_an_unknown_product_is_a_mistake_of_ours(speaker: Speaker) -> None:
    """No guess is made for a version."""
    with pytest.raises(KeyError):
        await speaker.member().call("ListBuckets", None, {}, product="oss")


async def test_attempts_go_to_the_log_with_data_as_keys(world: World) -> None:
    """One event per attempt, failed ones at info; no secret among the data."""
    faults = (Fault(kind=Kind.UNAVAILABLE, count=1),)
    async with Emulator(world, Options(faults=faults)) as emulator:
        settings = CloudSettings(endpoint=emulator.http_url)
        with structlog.testing.capture_logs() as events:
            async with Client(settings, observers=(log_attempts(),), chance=lambda: 0.0) as client:
                await groups(Speaker(emulator, client, []).member())
    assert [(event["log_level"], event["outcome"]) for event in events] == [
        ("info", "ServiceUnavailable"),
        ("debug", "ok"),
    ]
    assert {event["event"] for event in events} == {"cloud.attempt"}
    assert events[0]["request_id"]
