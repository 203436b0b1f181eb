"""Every quirk that concerns the client: throttling, error bodies, expired sessions."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from accounts.credentials import Credentials, StaticCredentials
from orchestrator.cloud.client import (
    AccountSession,
    Client,
    Limits,
)
from orchestrator.cloud.errors import (
    ApiError,
    Denied,
    ExpiredToken,
    NotFound,
    Throttled,
)
from orchestrator.emulator import Emulator, Fault, Kind, Options, Quirks, Throttle, UncertainError, World
from tests.cloud.asking import GROUPS, REGION, groups, revoke
from tests.cloud.conftest import Speaker, speaking

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
        faults=(Fault(kind=Kind.THROTTLED, count=1),), quirks=Quirks(throttled=UncertainError(status, code))
    )
    async with speaking(world, options, limits=Limits(window_seconds=1)) as it:
        assert await groups(it.member())
    assert it.client.stats.throttled == 1


@pytest.mark.parametrize(
    "code", ["InvalidSecurityToken.Expired", "SecurityTokenExpired", "InvalidAccessKeyId.NotFound"]
)
async def test_an_expired_session_is_renewed_once_and_the_call_repeated(code: str, world: World) -> None:
    """Also for a change: it was refused. 20 calls that meet the expiry at once all pass."""
    async with speaking(world, Options(quirks=Quirks(expired_token=UncertainError(400, code)))) as it:
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
