"""The client over real sockets, against every fault and quirk of the emulator that concerns it."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import msgspec
import pytest

from accounts.credentials import Credentials, StaticCredentials
from orchestrator.cloud.client import (
    AccountSession,
    Client,
    CloudSettings,
    CloudSettingsError,
    Limits,
    Request,
)
from orchestrator.cloud.errors import (
    ApiError,
    CloudError,
    Denied,
    ExpiredToken,
    NotFound,
    Throttled,
    Unavailable,
)
from orchestrator.emulator import Emulator, Fault, Kind, Options, Quirks, Refusal, Throttle, World
from tests.cloud.conftest import Speaker, speaking

REGION = "cn-hangzhou"
GROUPS: dict[str, object] = {"RegionId": REGION, "MaxResults": 100}


async def groups(session: AccountSession) -> list[dict[str, Any]]:
    """The groups of a region."""
    answer = await session.call("DescribeSecurityGroups", REGION, GROUPS)
    found: list[dict[str, Any]] = answer["SecurityGroups"]["SecurityGroup"]
    return found


async def revoke(session: AccountSession) -> None:
    """Revoke a rule that the account does have."""
    for group in await groups(session):
        parameters = {"RegionId": REGION, "SecurityGroupId": group["SecurityGroupId"]}
        rules = await session.call("DescribeSecurityGroupAttribute", REGION, parameters)
        mine = [rule for rule in rules["Permissions"]["Permission"] if rule["Direction"] == "ingress"]
        if mine and not group["ServiceManaged"]:
            ids = {**parameters, "SecurityGroupRuleId": [mine[0]["SecurityGroupRuleId"]]}
            await session.call("RevokeSecurityGroup", REGION, ids, mutating=True)
            return
    pytest.fail("the world has no rule to revoke")


# the ways of asking


async def test_an_answer_comes_as_dict_bytes_or_struct(speaker: Speaker) -> None:
    """One call, three forms."""

    class Regions(msgspec.Struct):
        RequestId: str
        Regions: dict[str, list[dict[str, Any]]]

    member = speaker.member()
    as_dict = await member.call("DescribeRegions", None, {})
    typed = await member.call("DescribeRegions", None, {}, type=Regions)
    request = Request("ecs", "2014-05-26", "DescribeRegions", None, member.account_id, {})
    raw = await speaker.client.send(request, member.source)
    assert as_dict["Regions"] == typed.Regions == msgspec.json.decode(raw)["Regions"]


async def test_the_same_over_tls_with_a_given_authority(world: World) -> None:
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
    async with speaking(world, Options(faults=faults), connect_seconds=0.2, read_seconds=0.3) as it:
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


def unused_port() -> int:
    """A port where nobody listens."""
    import socket  # noqa: PLC0415 - only here

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


# throttling


@pytest.mark.parametrize("hint", ["none", "retry-after", "ratelimit"])
@pytest.mark.parametrize("kind", ["window", "bucket"])
async def test_throttled_reads_are_all_answered(hint: Any, kind: Any, world: World) -> None:
    """60 reads against 20 a half second end, none lost, about when the quota allows."""
    throttle = Throttle(limit=20, window_seconds=0.5, kind=kind, hint=hint)
    limits = Limits(share=1.0, window_seconds=0.5)
    async with speaking(world, Options(throttle=throttle), limits=limits) as it:
        member = it.member()
        began = time.monotonic()
        answers = await asyncio.gather(*(groups(member) for _ in range(60)))
        took = time.monotonic() - began
    assert len(answers) == 60
    assert all(answer == answers[0] for answer in answers)
    assert 0.5 <= took <= 2.5
    assert it.client.stats.throttled <= 80


async def test_quotas_learned_by_one_client_are_kept_by_the_next(world: World) -> None:
    """The second run is not refused once."""
    throttle = Throttle(limit=20, window_seconds=0.5, hint="retry-after")
    limits = Limits(share=0.5, window_seconds=0.5)
    async with speaking(world, Options(throttle=throttle), limits=limits) as it:
        member = it.member()
        await asyncio.gather(*(groups(member) for _ in range(30)))
        learned = it.client.limiter.learned()
        async with Client(it.client.settings) as second:
            second.limiter.remember(learned)
            session = AccountSession(second, member.account_id, member.source)
            await asyncio.sleep(1)
            await asyncio.gather(*(groups(session) for _ in range(20)))
            assert second.stats.throttled == 0


async def test_an_api_that_refuses_for_ever_is_given_up(world: World) -> None:
    """All who wait for it fail as Throttled within its patience; another API goes on meanwhile."""
    options = Options(throttle=Throttle(per_api={"DescribeSecurityGroups": 0}))
    limits = Limits(window_seconds=1, patience_seconds=1)
    async with speaking(world, options, limits=limits) as it:
        member = it.member()
        results = await asyncio.gather(*(groups(member) for _ in range(50)), return_exceptions=True)
        assert all(isinstance(result, Throttled) for result in results)
        assert (await member.call("DescribeRegions", None, {}))["Regions"]
        assert {getattr(result, "account_id", "") for result in results} == {member.account_id}


# quirks


@pytest.mark.parametrize(
    "quirks",
    [
        pytest.param(Quirks(errors_as_200=True), id="200 with a code"),
        pytest.param(Quirks(lower_case_error_keys=True), id="small letters"),
        pytest.param(Quirks(xml_errors=True), id="xml"),
        pytest.param(Quirks(errors_as_200=True, lower_case_error_keys=True), id="both"),
    ],
)
async def test_error_bodies_of_every_form_are_understood(quirks: Quirks, world: World) -> None:
    """A missing group and a refused role are what they are, with their RequestId."""
    async with speaking(world, Options(quirks=quirks)) as it:
        parameters = {"RegionId": REGION, "SecurityGroupId": "sg-none"}
        with pytest.raises(NotFound) as missing:
            await it.member().call("DescribeSecurityGroupAttribute", REGION, parameters)
        assert missing.value.request_id
        with pytest.raises(Denied):
            await it.member().call(
                "RevokeSecurityGroup", REGION, {**parameters, "SecurityGroupRuleId": ["x"]}
            )


@pytest.mark.parametrize("status", [400, 403, 429])
@pytest.mark.parametrize("code", ["Throttling", "Throttling.Api", "Throttling.API", "Rejected.Throttling"])
async def test_throttling_is_known_by_every_name_and_status(status: int, code: str, world: World) -> None:
    """Each spelling is waited for, not reported."""
    options = Options(
        faults=(Fault(kind=Kind.THROTTLED, count=1),), quirks=Quirks(throttled=Refusal(status, code))
    )
    async with speaking(world, options, limits=Limits(window_seconds=1)) as it:
        assert await groups(it.member())
    assert it.client.stats.throttled == 1


@pytest.mark.parametrize(
    "code", ["InvalidSecurityToken.Expired", "SecurityTokenExpired", "InvalidAccessKeyId.NotFound"]
)
async def test_an_expired_session_is_renewed_once_and_the_call_repeated(code: str, world: World) -> None:
    """Also for a change: it was refused. 20 calls that meet the expiry at once all pass."""
    async with speaking(world, Options(quirks=Quirks(expired_token=Refusal(400, code)))) as it:
        account_id = it.member_ids[0]
        source = Renewing(it.emulator, account_id)
        member = it.session(account_id, source)
        await groups(member)
        it.emulator.state.identities.expire_sessions(None)
        await asyncio.gather(*(groups(member) for _ in range(20)))
        it.emulator.state.identities.expire_sessions(None)
        await revoke(member)
    assert source.made == 3
    assert set(it.outcomes) == {"ok", code}


class Renewing:
    """A source that opens a new session when the last one was refused."""

    def __init__(self, emulator: Emulator, account_id: str, *, stale: bool = False) -> None:
        self._emulator = emulator
        self._account_id = account_id
        self._stale = stale
        self._last: Credentials | None = None
        self.made = 0

    async def credentials(self, *, not_this: Credentials | None = None) -> Credentials:
        """The last session, or a new one."""
        if self._last is None or self._last == not_this:
            keys = self._emulator.enter(
                self._account_id, "sgsweep-remediate", seconds=-1 if self._stale else 3600
            ).keys
            self._last = Credentials(keys.access_key_id, keys.access_key_secret, keys.security_token or "")
            self.made += 1
        return self._last


async def test_a_session_that_cannot_be_renewed_ends_in_expired_token(world: World) -> None:
    """One renewal, then the error."""
    async with speaking(world) as it:
        source = Renewing(it.emulator, it.member_ids[0], stale=True)
        with pytest.raises(ExpiredToken):
            await groups(it.session(it.member_ids[0], source))
    assert source.made == 2
    assert len(it.attempts) == 2


async def test_what_no_retry_can_mend_is_sent_once(speaker: Speaker) -> None:
    """Denied, not found and wrong requests cost one request each."""
    member = speaker.member()
    wrong = speaker.session(member.account_id, StaticCredentials(Credentials("LTAI-nobody", "x")))
    for session, parameters, kind in (
        (wrong, GROUPS, Denied),
        (member, {**GROUPS, "RegionId": "cn-nowhere"}, NotFound),
        (member, {**GROUPS, "MaxResults": "many"}, ApiError),
    ):
        speaker.attempts.clear()
        with pytest.raises(kind):
            await session.call("DescribeSecurityGroups", REGION, parameters)
        assert len(speaker.attempts) == 1


async def test_a_wrong_clock_and_a_wrong_secret_are_refused_as_denied(world: World) -> None:
    """Neither is retried; the message says what the server said."""
    hour_ahead = Options(clock=lambda: time.time() + 3600)
    async with speaking(world, hour_ahead) as it:
        with pytest.raises(Denied, match="IllegalTimestamp"):
            await it.hub.call("GetCallerIdentity", None, {}, product="sts")
    async with speaking(world) as it:
        keys = it.emulator.hub_credentials
        forged = StaticCredentials(Credentials(keys.access_key_id, "wrong"))
        with pytest.raises(Denied, match="SignatureDoesNotMatch"):
            await it.session(it.hub_id, forged).call("GetCallerIdentity", None, {}, product="sts")


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
        assert it.client.circuits.open() == ((member.account_id, "cn-beijing"),)
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
        assert it.client.limiter.in_flight == 0
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
