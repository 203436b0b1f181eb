"""The hub's own credentials by real profile files and sockets: retried, renewed, never somebody else's, no secret."""

from __future__ import annotations

import json
import logging
import time
import traceback
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from yarl import URL

from accounts.chain import OtherIdentityError, redact
from accounts.credentials import (
    HubCredentials,
    HubCredentialsError,
    UnusableKeyError,
    role_arn,
)
from accounts.identity import identify
from orchestrator.cloud.client import AccountSession, Client, CloudSettings
from orchestrator.cloud.errors import Denied
from orchestrator.emulator import Emulator, Fault, Kind, Options, World, WorldOutline
from tests.proxy import Proxy

ROLE = "sgsweep-read"
SECRETS = ("ExternalId", "Signature=", "Signature%3D", "SecurityToken=", "hush")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without profiles, on a machine that is no ECS instance, as the library was told at its import."""
    from alibabacloud_credentials.utils import auth_constant, auth_util  # noqa: PLC0415 - heavy

    monkeypatch.setattr(auth_constant, "HOME", str(tmp_path))
    monkeypatch.setattr(auth_util, "environment_ecs_metadata_disabled", "true")
    for name in ("environment_access_key_id", "environment_access_key_secret", "environment_profile_name"):
        monkeypatch.setattr(auth_util, name, None)
    return tmp_path


def write_profile(home: Path, *, name: str = "default", **fields: object) -> None:
    """Write the CLI's profile file with one profile, the current one."""
    folder = home / ".aliyun"
    folder.mkdir(exist_ok=True)
    data = {"current": name, "profiles": [{"name": name, **fields}]}
    (folder / "config.json").write_text(json.dumps(data), encoding="utf-8")


def write_ini(home: Path, key: str = "LTAIfromini") -> None:
    """Write the SDKs' profile file with long-term keys."""
    folder = home / ".alibabacloud"
    folder.mkdir(exist_ok=True)
    (folder / "credentials.ini").write_text(
        f"[default]\ntype = access_key\naccess_key_id = {key}\naccess_key_secret = s\n"
    )


def role_profile(home: Path, emulator: Emulator, *, name: str = "default", **fields: object) -> None:
    """Write a profile that enters a role of the hub's own account by the hub's keys."""
    keys = emulator.hub_credentials
    write_profile(
        home,
        name=name,
        mode="RamRoleArn",
        access_key_id=keys.access_key_id,
        access_key_secret=keys.access_key_secret,
        ram_role_arn=role_arn(emulator.world.organization.hub_account_id, ROLE),
        ram_session_name="me",
        expired_seconds=900,
        **fields,
    )


@asynccontextmanager
async def hub_at(
    options: Options | None = None, environment: Mapping[str, str] | None = None, **settings: object
) -> AsyncIterator[tuple[Emulator, AccountSession, HubCredentials]]:
    """An organization whose hub has the role, and the hub's session by the chain; jitter waits for nothing."""
    world = World.generate(WorldOutline(seed=7, accounts=1, region_ids=1, hub_roles=True))
    async with Emulator(world, options) as emulator:
        chosen = CloudSettings(**{"endpoint": emulator.http_url, **settings})  # type: ignore[arg-type]  # a test's own
        async with Client(chosen, chance=lambda: 0.0) as client:
            source = HubCredentials(environment=environment or {}, carry=client.carry)
            yield emulator, AccountSession(client, "", source), source


def shown(error: BaseException) -> str:
    """All that a traceback would say."""
    return "".join(traceback.format_exception(error)) + repr(error)


def assert_no_secret(text: str, emulator: Emulator) -> None:
    """Nothing of a signed request is in the text."""
    for secret in (*SECRETS, emulator.hub_credentials.access_key_secret):
        assert secret not in text


@pytest.mark.parametrize(
    "kind", [Kind.UNAVAILABLE, Kind.RESET_BEFORE, Kind.GARBAGE, Kind.TRUNCATED, Kind.THROTTLED]
)
async def test_the_hubs_credentials_are_retried_like_any_call(home: Path, kind: Kind) -> None:
    """Two failures of a profile's own AssumeRole are no end: the third attempt is made, with a new nonce."""
    fault = Fault(kind=kind, count=2, action="AssumeRole")
    async with hub_at(Options(faults=(fault,))) as (emulator, session, _):
        role_profile(home, emulator)
        identity = await identify(session)
        assert identity.arn.endswith(f"assumed-role/{ROLE}/me")
        actions = [one.action for one in emulator.calls.since(0)]
        assert actions == ["AssumeRole"] * (len(actions) - 1) + ["GetCallerIdentity"]
        assert (
            len(actions) == 4 or kind is Kind.RESET_BEFORE
        )  # aiohttp sends a GET that was reset again by itself


@pytest.mark.parametrize(
    "kind", [Kind.UNAVAILABLE, Kind.RESET_BEFORE, Kind.GARBAGE, Kind.TRUNCATED, Kind.DENIED]
)
async def test_credentials_that_are_not_given_end_in_one_sentence_without_secrets(
    home: Path, kind: Kind, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """The profile, what was answered; no signature, external id or token in error, causes, logs or streams."""
    caplog.set_level(logging.DEBUG)
    fault = Fault(kind=kind, action="AssumeRole")
    async with hub_at(Options(faults=(fault,)), attempts=3) as (emulator, session, _):
        role_profile(home, emulator, external_id="hush-external", sts_region="cn-hangzhou")
        with pytest.raises(
            HubCredentialsError, match="no credentials for the hub: profile default of "
        ) as caught:
            await identify(session)
        sent = len(emulator.calls.since(0))
        assert sent == {Kind.DENIED: 1, Kind.RESET_BEFORE: 6}.get(kind, 3)
        streams = capfd.readouterr()
        assert_no_secret(shown(caught.value) + caplog.text + streams.out + streams.err, emulator)
        assert len(str(caught.value)) < 500


async def test_a_refresh_that_fails_in_the_middle_is_one_sentence_too(home: Path) -> None:
    """What was given before does not hold any more, and STS refuses: no traceback of the library, no other identity."""
    async with hub_at() as (emulator, session, source):
        role_profile(home, emulator)
        await identify(session)
        write_ini(home)
        emulator.state.identities.expire_sessions(None)
        emulator.state.faults.set([Fault(kind=Kind.DENIED, action="AssumeRole")])
        with pytest.raises(
            HubCredentialsError, match="no credentials for the hub: profile default of "
        ) as caught:
            await identify(session)
        assert_no_secret(shown(caught.value), emulator)
        assert source._chain._way is not None
        assert source._chain._way.kind == "cli"


async def test_a_profile_file_that_was_renewed_is_read_anew(home: Path) -> None:
    """By a refusal at once; without one, within the minute that a look is believed for."""
    async with hub_at() as (emulator, session, source):
        keys = emulator.hub_credentials
        write_profile(home, mode="StsToken", access_key_id="STS.old", access_key_secret="s", sts_token="t")
        assert (await source.credentials()).access_key_id == "STS.old"
        renewed = {
            "mode": "AK",
            "access_key_id": keys.access_key_id,
            "access_key_secret": keys.access_key_secret,
        }
        write_profile(home, **renewed)
        assert (await source.credentials()).access_key_id == "STS.old"
        given = await source.credentials(not_this=await source.credentials())
        assert given.access_key_id == keys.access_key_id
        assert (await identify(session)).account_id == emulator.world.organization.hub_account_id
        write_profile(home, mode="AK", access_key_id="LTAIthird", access_key_secret="s")
        source._now = lambda: datetime.now(UTC) + timedelta(seconds=61)
        assert (await source.credentials()).access_key_id == "LTAIthird"


async def test_a_profile_that_failed_is_not_replaced_by_whoever_is_found_next(home: Path) -> None:
    """The chain would go on to the keys of another file: a refusal that names both, and nothing is done as them."""
    async with hub_at(Options(faults=(Fault(kind=Kind.DENIED, action="AssumeRole"),))) as (
        emulator,
        session,
        _,
    ):
        role_profile(home, emulator, name="prod")
        write_ini(home)
        with pytest.raises(OtherIdentityError) as caught:
            await identify(session)
        assert f"profile prod of {home / '.aliyun' / 'config.json'}: " in str(caught.value)
        assert "another identity, LTAIfromini of profile default of" in str(caught.value)
        assert [one.action for one in emulator.calls.since(0)] == ["AssumeRole"]


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"ALIBABA_CLOUD_ACCESS_KEY_ID": "LTAIhalf"}, "only one of them is set"),
        ({}, ""),
    ],
)
async def test_what_nobody_has_set_up_is_passed_over(
    home: Path, environment: dict[str, str], said: str
) -> None:
    """An empty CLI profile is no failure; half a pair of variables is one."""
    write_profile(home, mode="AK", access_key_id="", access_key_secret="")
    write_ini(home)
    source = HubCredentials(environment=environment)
    if said:
        with pytest.raises(OtherIdentityError, match=said):
            await source.credentials()
    else:
        assert (await source.credentials()).access_key_id == "LTAIfromini"


async def test_a_named_profile_that_is_nowhere_is_no_licence_to_take_the_instances_role(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ALIBABA_CLOUD_PROFILE is in no file; whoever is found outside of the files is not meant."""
    from alibabacloud_credentials.utils import auth_util  # noqa: PLC0415 - heavy

    async with hub_at(environment={"ALIBABA_CLOUD_PROFILE": "prod"}) as (emulator, session, source):
        monkeypatch.setattr(auth_util, "environment_profile_name", "prod")
        monkeypatch.setattr(auth_util, "client_type", "prod")
        monkeypatch.setattr(auth_util, "environment_credentials_uri", f"{emulator.http_url}/_emulator/hub")

        async def serving(*_: object) -> object:
            from accounts.chain import Carried  # noqa: PLC0415 - only here

            body = {
                "Code": "Success", "AccessKeyId": "STS.uri", "AccessKeySecret": "s", "SecurityToken": "t",
                "Expiration": "2030-01-01T00:00:00Z",
            }  # fmt: skip
            return Carried(200, {}, json.dumps(body).encode())

        source._carry = serving  # type: ignore[assignment]  # the one answer that the emulator does not give
        with pytest.raises(OtherIdentityError, match=r"profile prod .* is in no profile file.*STS\.uri"):
            await identify(session)


async def test_the_chains_calls_go_by_our_proxy_and_our_authorities(home: Path) -> None:
    """STS by CONNECT through a real proxy, with a certificate that only ca_file vouches for; and not by NO_PROXY."""
    world = World.generate(WorldOutline(seed=7, accounts=1, region_ids=1, hub_roles=True))
    async with Emulator(world) as emulator:
        role_profile(home, emulator)
        with Proxy(URL(emulator.https_url).port or 0) as proxy:
            settings = CloudSettings(proxy=proxy.url, ca_file=emulator.ca_file, attempts=1)
            async with Client(settings) as client:
                given = await HubCredentials(environment={}, carry=client.carry).credentials()
            assert given.access_key_id.startswith("STS.")
            assert proxy.asked == ["CONNECT sts.aliyuncs.com:443"]
            without = CloudSettings(proxy=proxy.url, attempts=1)
            async with Client(without) as client:
                with pytest.raises(HubCredentialsError, match=r"\[cloud\] ca_file"):
                    await HubCredentials(environment={}, carry=client.carry).credentials()
            direct = CloudSettings(
                proxy=proxy.url, no_proxy=("sts.example",), endpoints={"sts": "sts.example"}, attempts=1
            )
            async with Client(direct) as client:
                with pytest.raises(HubCredentialsError, match=r"sts\.example"):
                    await HubCredentials(environment={}, carry=client.carry).credentials()
            assert len(proxy.asked) == 2


async def test_a_wrong_clock_is_told_as_the_clock(home: Path) -> None:
    """By a call of ours with how far it is off, and by the chain's own."""
    async with hub_at(Options(clock=lambda: time.time() + 3600)) as (emulator, session, _):
        keys = emulator.hub_credentials
        write_profile(
            home, mode="AK", access_key_id=keys.access_key_id, access_key_secret=keys.access_key_secret
        )
        with pytest.raises(Denied, match="this machine's clock is"):
            await identify(session)
    async with hub_at(Options(clock=lambda: time.time() + 3600)) as (emulator, session, _):
        role_profile(home, emulator)
        with pytest.raises(HubCredentialsError, match="this machine's clock is wrong: set it"):
            await identify(session)


@pytest.mark.parametrize("bad", ["\n", "\r", "\0", "\x1b", " ", "\u200b"])
@pytest.mark.parametrize("place", ["ACCESS_KEY_ID", "ACCESS_KEY_SECRET", "SECURITY_TOKEN"])
async def test_a_key_with_what_no_key_holds_is_named_and_not_repeated(place: str, bad: str) -> None:
    """A line end pasted with it would forge a header or be refused as a wrong secret: the variable is named."""
    environment = {
        "ALIBABA_CLOUD_ACCESS_KEY_ID": "hush",
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "hush",
        "ALIBABA_CLOUD_SECURITY_TOKEN": "hush",
    }
    environment[f"ALIBABA_CLOUD_{place}"] += bad
    with pytest.raises(UnusableKeyError, match=f"^ALIBABA_CLOUD_{place} holds") as caught:
        await HubCredentials(environment=environment).credentials()
    assert "hush" not in str(caught.value)


async def test_a_key_of_a_file_is_looked_at_as_well(home: Path) -> None:
    """The profile is named."""
    write_profile(home, mode="AK", access_key_id="LTAIx", access_key_secret="hush\r\nX-Forged: 1")
    with pytest.raises(UnusableKeyError, match=r"^profile default of .* holds") as caught:
        await HubCredentials(environment={}).credentials()
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "RetryError: HTTPSConnectionPool: /?Action=AssumeRole&ExternalId=hush&SecurityToken=hush%2F&Signature=hush%3D",
        '{"AccessKeySecret": "hush", "SecurityToken": "hush"}',
        "{'access_key_secret': 'hush'}",
        f"result: CAIS{'Abc1' * 20}",
        "password=hush",
        "string to sign is:GET&%2F&AccessKeyId%3Dhush%26ExternalId%253Dhush",
    ],
)
def test_what_looks_like_a_secret_is_taken_out(text: str) -> None:
    """As a query, as JSON, as Python shows it, as a long token."""
    assert "hush" not in redact(text)
    assert "Abc1Abc1" not in redact(text)


def test_what_is_no_secret_stays() -> None:
    """A code and its message are what a person needs."""
    text = (
        "InvalidSecurityToken.Expired: Specified SecurityToken is expired (RequestId 2C3D72B0-5E33-4981-9539)"
    )
    assert redact(text) == text
