"""Credentials: the chain of the hub, sessions of members, and what never shows."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.credentials import (
    AssumedRole,
    Credentials,
    HubCredentials,
    HubCredentialsError,
    RoleOrOwn,
    RoleSession,
    StaticCredentials,
    from_environment,
    role_arn,
    session_name,
)
from orchestrator.cloud.client import AccountSession, Client, CloudSettings
from orchestrator.cloud.errors import CloudError, Denied, NotFound, Unavailable
from orchestrator.emulator import Emulator, Fault, Kind, Options, World, WorldOutline
from orchestrator.emulator.world.model import Statement
from orchestrator.inventory import read_policy
from tests.accounts.conftest import Hub, hub_of

READ_ROLE = "sgsweep-read"
SESSION = RoleSession(session_name("run-1"), policy=read_policy())


@pytest.fixture
def world() -> World:
    """Three members, one region."""
    return World.generate(WorldOutline(seed=7, accounts=3, region_ids=1))


class Clock:
    """A clock to be moved."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        """Now, and what it was moved."""
        return datetime.now(UTC) + self.ahead


def role_of(
    hub: Hub, number: int = 0, session: RoleSession = SESSION, clock: Clock | None = None
) -> AssumedRole:
    """A member's role."""
    return AssumedRole(hub.call, role_arn(hub.member_ids[number], READ_ROLE), session, now=clock or Clock())


# sessions of members


async def test_a_role_is_entered_once_for_many_who_ask_at_once(world: World) -> None:
    """100 concurrent callers share one AssumeRole; so do the next ones, until it nears its end."""
    async with hub_of(world) as hub:
        clock = Clock()
        role = role_of(hub, clock=clock)
        given = await asyncio.gather(*(role.credentials() for _ in range(100)))
        assert len(set(given)) == 1
        assert hub.actions() == ["AssumeRole"]
        clock.ahead = timedelta(minutes=54)
        assert await role.credentials() == given[0]
        clock.ahead = timedelta(minutes=56)
        renewed = await asyncio.gather(*(role.credentials() for _ in range(100)))
        assert set(renewed) != set(given)
        assert hub.actions() == ["AssumeRole"] * 2


async def test_a_short_session_is_not_renewed_on_every_call(world: World) -> None:
    """900 s is the shortest; it is renewed in its last quarter only."""
    async with hub_of(world) as hub:
        clock = Clock()
        role = role_of(hub, session=RoleSession("sgsweep-x", duration_seconds=900), clock=clock)
        first = await role.credentials()
        clock.ahead = timedelta(seconds=590)
        assert await role.credentials() == first
        clock.ahead = timedelta(seconds=700)
        assert await role.credentials() != first


async def test_credentials_that_were_refused_are_never_given_again(world: World) -> None:
    """Who was refused gets newer ones; who comes with older ones gets those there are."""
    async with hub_of(world) as hub:
        role = role_of(hub)
        first = await role.credentials()
        second = await role.credentials(not_this=first)
        assert second != first
        assert await role.credentials(not_this=first) == second
        assert hub.actions() == ["AssumeRole"] * 2


async def test_one_caller_that_goes_away_does_not_take_the_answer_from_the_others(world: World) -> None:
    """A cancelled waiter leaves the one AssumeRole under way to those who still wait."""
    async with hub_of(world, Options(latency_seconds=0.1)) as hub:
        role = role_of(hub)
        first, second = (asyncio.ensure_future(role.credentials()) for _ in range(2))
        await asyncio.sleep(0.05)
        first.cancel()
        assert (await second).security_token
        assert hub.actions() == ["AssumeRole"]


async def test_a_failure_reaches_all_who_wait_and_is_no_lasting_one(world: World) -> None:
    """Ten callers get the same refusal of one call; a later caller asks again."""
    async with hub_of(world, Options(faults=(Fault(kind=Kind.DENIED, count=1),))) as hub:
        role = role_of(hub)
        results = await asyncio.gather(*(role.credentials() for _ in range(10)), return_exceptions=True)
        assert all(isinstance(result, Denied) for result in results)
        assert hub.actions() == ["AssumeRole"]
        assert (await role.credentials()).security_token


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"AccessKeyId": "STS.x", "AccessKeySecret": "hush-hush"},
        {"AccessKeyId": "STS.x", "AccessKeySecret": "hush-hush", "SecurityToken": "", "Expiration": "x"},
        {"AccessKeyId": "STS.x", "AccessKeySecret": "hush-hush", "SecurityToken": "t", "Expiration": "soon"},
    ],
)
async def test_an_answer_without_a_session_makes_the_account_unreachable(keys: dict[str, str]) -> None:
    """Success that brings no keys is an error of that account, named, and tells nothing of what it brought."""

    class Answering:
        async def call_api_async(self, *_: object) -> dict[str, Any]:
            body = {"RequestId": "R-1", "Credentials": keys, "AssumedRoleUser": {"Arn": "acs:ram::1:x"}}
            return {"body": body, "headers": {}, "statusCode": 200}

    role = AssumedRole(Answering(), role_arn("1001", READ_ROLE), RoleSession("sgsweep-x"))
    async with Client(CloudSettings()) as client:
        with pytest.raises(Unavailable) as caught:
            await AccountSession(client, "1001", role).call("DescribeRegions", None, {})
    assert (caught.value.code, caught.value.action) == ("MalformedAnswer", "AssumeRole")
    assert caught.value.account_id == "1001"
    assert "hush" not in f"{caught.value!r} {caught.value}"


async def test_the_session_carries_the_run_the_external_id_and_the_source_identity() -> None:
    """A role that wants an external id is entered with it only; the call names who is behind it."""
    world = World.generate(WorldOutline(seed=7, accounts=2, region_ids=1, external_id="ours"))
    async with hub_of(world) as hub:
        session = RoleSession(
            session_name("2026-11-24T10-00-00-abcdef"), external_id="ours", source_identity="alice"
        )
        given = await role_of(hub, session=session).credentials()
        assert given.caller_arn.endswith(
            f":assumed-role/{READ_ROLE}/{session.name}"
        ) or given.caller_arn.endswith(f"{READ_ROLE}/{session.name}")
        (call,) = hub.emulator.calls.since(0)
        assert call.parameters["SourceIdentity"] == "alice"
        assert call.parameters["DurationSeconds"] == "3600"
        with pytest.raises(CloudError):
            await role_of(hub).credentials()


async def test_a_scans_session_reads_and_does_no_more(world: World) -> None:
    """The session policy cuts even an administrator's role to reads; each action of the list is allowed."""
    async with hub_of(world) as hub:
        member = hub.member_ids[0]
        hub.emulator.world.roles[member][READ_ROLE] = msgspec_replace(
            hub.emulator.world.roles[member][READ_ROLE], statements=(Statement("Allow", ("*",)),)
        )
        session = AccountSession(hub.client, member, role_of(hub))
        region = hub.emulator.world.region_ids[0]
        parameters = {"RegionId": region, "SecurityGroupId": "sg-x"}
        assert (await session.call("DescribeSecurityGroups", region, {"RegionId": region}))["RequestId"]
        for action in ("RevokeSecurityGroup", "AuthorizeSecurityGroup"):
            with pytest.raises(Denied):
                await session.call(action, region, parameters, mutating=True)


def msgspec_replace(value: Any, **changes: Any) -> Any:
    """A copy with other fields."""
    import msgspec  # noqa: PLC0415 - only here

    return msgspec.structs.replace(value, **changes)


async def test_a_missing_role_is_not_found_with_its_request_id(world: World) -> None:
    """What an account's Unreachable is made of."""
    async with hub_of(world) as hub:
        role = AssumedRole(hub.call, role_arn(hub.member_ids[0], "nobody"), SESSION)
        with pytest.raises(NotFound) as caught:
            await role.credentials()
    assert (caught.value.code, caught.value.action) == ("EntityNotExist.Role", "AssumeRole")
    assert caught.value.request_id


async def test_hub_keys_that_expire_in_the_middle_are_told_apart(world: World) -> None:
    """Not as one account's trouble: the run must end, in order."""
    async with hub_of(world) as hub:
        hub_session = hub.emulator.enter(hub.member_ids[0], "sgsweep-read")
        keys = hub_session.keys
        own = StaticCredentials(
            Credentials(keys.access_key_id, keys.access_key_secret, keys.security_token or "")
        )
        hub.emulator.state.identities.expire_sessions(None)
        call = AccountSession(hub.client, hub.account_id, own)
        role = AssumedRole(call, role_arn(hub.member_ids[1], READ_ROLE), SESSION)
        with pytest.raises(HubCredentialsError, match="expired"):
            await role.credentials()


async def test_the_hubs_own_account_is_entered_by_the_role_where_there_is_one(world: World) -> None:
    """Else by the hub's own keys; a role that refuses is no reason to take those."""
    with_roles = World.generate(WorldOutline(seed=7, accounts=1, region_ids=1, hub_roles=True))
    for made, role_name, by_role in ((with_roles, READ_ROLE, True), (world, READ_ROLE, False)):
        async with hub_of(made) as hub:
            role = AssumedRole(hub.call, role_arn(hub.account_id, role_name), SESSION)
            source = RoleOrOwn(role, hub.own)
            given = await source.credentials()
            assert bool(given.security_token) == by_role
            again = await source.credentials()
            assert again == given
            assert hub.actions() == ["AssumeRole"]
    async with hub_of(with_roles, Options(faults=(Fault(kind=Kind.DENIED),))) as hub:
        source = RoleOrOwn(AssumedRole(hub.call, role_arn(hub.account_id, READ_ROLE), SESSION), hub.own)
        with pytest.raises(Denied):
            await source.credentials()


# the hub's own


async def test_the_environment_is_read_anew_each_time() -> None:
    """A rotated key in the environment is used by the next call, without a restart."""
    environment = {"ALIBABA_CLOUD_ACCESS_KEY_ID": "id-1", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "s-1"}
    hub = HubCredentials(environment=environment)
    assert (await hub.credentials()).access_key_id == "id-1"
    environment.update(ALIBABA_CLOUD_ACCESS_KEY_ID="id-2", ALIBABA_CLOUD_SECURITY_TOKEN="t-2")
    rotated = await hub.credentials()
    assert (rotated.access_key_id, rotated.security_token) == ("id-2", "t-2")


async def test_an_expired_environment_without_a_newer_one_says_so() -> None:
    """The error names the key, not its secret."""
    environment = {
        "ALIBABA_CLOUD_ACCESS_KEY_ID": "STS.id-1",
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "the-secret",
        "ALIBABA_CLOUD_SECURITY_TOKEN": "the-token",
    }
    hub = HubCredentials(environment=environment)
    refused = await hub.credentials()
    with pytest.raises(HubCredentialsError, match=r"STS\.id-1") as caught:
        await hub.credentials(not_this=refused)
    assert "the-secret" not in str(caught.value)
    environment["ALIBABA_CLOUD_SECURITY_TOKEN"] = "newer"
    assert (await hub.credentials(not_this=refused)).security_token == "newer"


@pytest.mark.parametrize(
    ("environment", "found"),
    [
        ({}, None),
        ({"ALIBABA_CLOUD_ACCESS_KEY_ID": "i"}, None),
        ({"ALIBABA_CLOUD_ACCESS_KEY_ID": "", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "s"}, None),
        ({"ALIBABA_CLOUD_ACCESS_KEY_ID": "i", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "s"}, Credentials("i", "s")),
        (
            {
                "ALIBABA_CLOUD_ACCESS_KEY_ID": "i",
                "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "s",
                "ALIBABA_CLOUD_SECURITY_TOKEN": "",
            },
            Credentials("i", "s"),
        ),
    ],
)
def test_the_standard_variables(environment: dict[str, str], found: Credentials | None) -> None:
    """Half a pair is none; an empty token is none."""
    assert from_environment(environment) == found


def chain(tmp_path: Path, script: str, **environment: str) -> str:
    """What a fresh interpreter prints: the library reads its environment at import."""
    done = subprocess.run(  # noqa: S603 - this interpreter
        [sys.executable, "-c", textwrap.dedent(script)],
        env={
            "HOME": str(tmp_path),
            "PATH": "",
            "ALIBABA_CLOUD_ECS_METADATA_DISABLED": "true",
            "PYTHONPATH": ":".join(sys.path),
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout.strip()


def test_the_rest_of_the_standard_chain_is_the_official_librarys(tmp_path: Path) -> None:
    """A profile file is found, in a thread, with the loop going on and nothing on stderr."""
    folder = tmp_path / ".alibabacloud"
    folder.mkdir()
    (folder / "credentials.ini").write_text(
        "[default]\ntype = access_key\naccess_key_id = from-file\naccess_key_secret = s\nenable = true\n"
    )
    script = """
        import asyncio
        from accounts.credentials import HubCredentials
        async def main():
            hub = HubCredentials()
            ticks = 0
            async def tick():
                nonlocal ticks
                while True:
                    await asyncio.sleep(0.005)
                    ticks += 1
            ticking = asyncio.ensure_future(tick())
            found = await asyncio.gather(*(hub.credentials() for _ in range(5)))
            ticking.cancel()
            print({one.access_key_id for one in found}, ticks > 5)
        asyncio.run(main())
    """
    assert chain(tmp_path, script) == "{'from-file'} True"


def test_no_credentials_at_all_is_one_clear_error(tmp_path: Path) -> None:
    """It names the chain's findings, and is no traceback of the library."""
    script = """
        import asyncio
        from accounts.credentials import HubCredentials, HubCredentialsError
        try:
            asyncio.run(HubCredentials().credentials())
        except HubCredentialsError as error:
            print(str(error)[:35], error.__cause__)
    """
    assert chain(tmp_path, script) == "no credentials for the hub: profile None"


# values


def test_no_secret_shows_in_a_repr() -> None:
    """Not the secret, not the token."""
    shown = repr(Credentials("the-id", "the-secret", "the-token", None, "acs:ram::1:user/x"))
    assert "the-secret" not in shown
    assert "the-token" not in shown
    assert "the-id" in shown


@given(run_id=st.text(max_size=80))
def test_a_session_name_is_one_that_sts_takes(run_id: str) -> None:
    """2 to 32 characters of those allowed, whatever the run is called."""
    name = session_name(run_id)
    assert 2 <= len(name) <= 32
    assert name.startswith("sgsweep-")
    assert all(char.isascii() and (char.isalnum() or char in ".@-_") for char in name)


@pytest.mark.parametrize("text", ["alice", "a1", "ops_team+x=y,z.@-", "x" * 64])
def test_a_source_identity_is_one_that_sts_takes(text: str) -> None:
    """2 to 64 letters, digits or _ + = , . @ -."""
    assert RoleSession("sgsweep-x", source_identity=text).source_identity == text


@pytest.mark.parametrize(
    "text", ["a", "x" * 65, "acs:alice", "aliyun:alice", "a b", "a/b", "ä" * 3, "alice\n"]
)
def test_another_source_identity_is_refused_before_any_account_is_entered(text: str) -> None:
    """AssumeRole would refuse it in every account."""
    with pytest.raises(ValueError, match="2 to 64"):
        RoleSession("sgsweep-x", source_identity=text)


def test_the_emulators_hub_is_a_user() -> None:
    """What these tests stand on: the hub's keys are long-term ones."""
    assert not Emulator(
        World.generate(WorldOutline(seed=1, accounts=1, region_ids=1))
    ).hub_credentials.security_token
