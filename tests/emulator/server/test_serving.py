"""Starting and stopping, `serve`, and the control surface that other processes use."""

from __future__ import annotations

import gc
import ssl
import threading
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from orchestrator.emulator import (
    Emulator,
    GoneRule,
    Options,
    Quirks,
    UncertainError,
    World,
    WorldOutline,
    read_quirks,
    serve,
)
from orchestrator.emulator.server.serve import EmulatorSettings, keys_of
from tests.emulator.wire import STS, v3

ENVIRONMENT = {
    "ALIBABA_CLOUD_ACCESS_KEY_ID": "LTAI-mine",
    "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "mine",
    "ALIBABA_CLOUD_SECURITY_TOKEN": "",
}


async def ask(emulator: Emulator, method: str, path: str, data: bytes = b"") -> tuple[int, Any]:
    """One request to the control surface."""
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, f"{emulator.http_url}{path}", data=data) as response,
    ):
        return response.status, msgspec.json.decode(await response.read())


async def who(emulator: Emulator, url: str = "", host: str = "", ssl_context: Any = None) -> tuple[int, Any]:
    """GetCallerIdentity over a socket, with any Host."""
    url = url or emulator.http_url
    signed = v3(
        emulator.hub_credentials,
        STS,
        "GetCallerIdentity",
        {},
        emulator.state.clock(),
        host=host or "any.example",
    )
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, headers=dict(signed.headers), ssl=ssl_context or True) as response,
    ):
        return response.status, msgspec.json.decode(await response.read())


async def test_serve_starts_what_the_command_asks_for(tmp_path: Path) -> None:
    """Members, latency, limits, faults and quirks as texts; the hub's keys are those of the environment."""
    emulator = await serve(
        EmulatorSettings(
            accounts=3,
            seed=5,
            regions=2,
            unreachable=1,
            latency_ms=1,
            limit=7,
            window_seconds=2,
            bucket="bucket",
            hint="retry-after",
            faults=("slow,rate=0.5",),
            quirks=(
                "atomic_batch=false",
                "gone_rule=success",
                "throttled=429:Throttling",
                "read_lag_seconds=0.5",
            ),
            save_file=tmp_path / "world.json",
            environment=ENVIRONMENT,
        )
    )
    try:
        assert len(emulator.world.organization.members) == 3
        assert emulator.hub_credentials.access_key_id == "LTAI-mine"
        assert emulator.state.meter.rules.limit == 7
        assert emulator.state.quirks.throttled == UncertainError(429, "Throttling")
        assert emulator.state.quirks.gone_rule is GoneRule.SUCCESS
        assert not emulator.state.quirks.atomic_batch
        emulator.set_faults()
        assert (await who(emulator))[1]["AccountId"] == emulator.world.organization.hub_account_id
    finally:
        await emulator.stop()
    again = await serve(EmulatorSettings(world_file=tmp_path / "world.json", environment={}))
    try:
        assert again.world.snapshot() == emulator.world.snapshot()
        assert again.hub_credentials.access_key_id.startswith("LTAI5t")
    finally:
        await again.stop()


async def test_by_default_nothing_goes_wrong(tmp_path: Path) -> None:
    """No faults, no throttling, no latency, every member open."""
    emulator = await serve(EmulatorSettings(accounts=2, environment={}))
    try:
        assert emulator.state.faults.active == ()
        assert emulator.state.meter.rules.limit is None
        assert all(emulator.world.role(key, "sgsweep-read") for key in emulator.world.organization.members)
    finally:
        await emulator.stop()


async def test_serve_has_balancers_where_asked() -> None:
    """Worlds with groups that balancers joined are asked for; by default there are none."""
    for asked in (False, True):
        emulator = await serve(EmulatorSettings(accounts=1, regions=1, balancers=asked, environment={}))
        hub = emulator.world.organization.hub_account_id
        found = emulator.world.estate(hub, emulator.world.region_ids[0]).balancers
        await emulator.stop()
        assert bool(found) is asked


def test_keys_need_both_variables() -> None:
    """One variable alone is not enough; an empty token means none."""
    found = keys_of(ENVIRONMENT)
    assert found is not None
    assert found.security_token == ""
    assert keys_of({"ALIBABA_CLOUD_ACCESS_KEY_ID": "x"}) is None


def test_quirks_are_read_from_texts_and_named_when_wrong() -> None:
    """Unknown names and values are refused with what is known."""
    assert read_quirks(["closed_regions=cn-hangzhou+cn-beijing"]).closed_regions == (
        "cn-hangzhou",
        "cn-beijing",
    )
    for text in ("colour=blue", "atomic_batch", "rules_per_group=many"):
        with pytest.raises(ValueError, match="quirk"):
            read_quirks([text])


def test_every_quirk_is_documented() -> None:
    """Each field of Quirks is followed by its sentence, because a user reads them there."""
    import ast  # noqa: PLC0415 - only here
    import inspect  # noqa: PLC0415 - the same

    body = ast.parse(inspect.getsource(Quirks)).body[0]
    assert isinstance(body, ast.ClassDef)
    kinds = [type(one).__name__ for one in body.body[1:]]
    assert kinds == ["AnnAssign", "Expr"] * (len(kinds) // 2)
    assert len(kinds) // 2 == len(Quirks.__struct_fields__)


async def test_a_port_in_use_is_an_os_error_and_leaves_nothing_open() -> None:
    """The second emulator on the same port fails and can be garbage collected without a warning."""
    world = World.generate(WorldOutline(1, 1, region_ids=1))
    async with Emulator(world) as first:
        port = int(first.http_url.rsplit(":", 1)[1])
        with pytest.raises(OSError, match="address already in use"):
            await Emulator(world, port=port).start()
        gc.collect()


def test_a_thread_that_cannot_start_says_why() -> None:
    """The sync form raises the same error in the caller's thread."""
    world = World.generate(WorldOutline(1, 1, region_ids=1))
    with Emulator(world) as first:
        port = int(first.http_url.rsplit(":", 1)[1])
        with pytest.raises(OSError, match="address already in use"):
            Emulator(world, port=port).start_thread()
    assert "sgsweep-emulator" not in {thread.name for thread in threading.enumerate()}


async def test_https_trusts_only_its_own_authority_and_takes_any_host() -> None:
    """The CA file opens it, by address and by name; without it the certificate is refused."""
    async with Emulator(World.generate(WorldOutline(1, 1, region_ids=1))) as emulator:
        context = ssl.create_default_context(cafile=emulator.ca_file)
        if hasattr(ssl, "VERIFY_X509_STRICT"):
            context.verify_flags |= ssl.VERIFY_X509_STRICT
        for url in (emulator.https_url, emulator.https_url.replace("127.0.0.1", "localhost")):
            assert (await who(emulator, url, "ecs.cn-hangzhou.aliyuncs.com", context))[0] == 200
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await who(emulator, emulator.https_url)
        folder = Path(emulator.ca_file).parent
        assert [file.name for file in folder.iterdir()] == ["ca.pem"]
    assert not folder.exists()


async def test_the_control_surface_tells_and_sets() -> None:
    """Calls, changes, the world, faults, expiry and clearing, over HTTP."""
    world = World.generate(WorldOutline(1, 2, region_ids=2))
    async with Emulator(world) as emulator:
        await who(emulator)
        session = emulator.enter(next(iter(world.organization.members)), "sgsweep-read")
        status, calls = await ask(emulator, "GET", "/_emulator/calls")
        assert (status, [call["action"] for call in calls]) == (200, ["GetCallerIdentity"])
        assert (await ask(emulator, "GET", "/_emulator/calls?since=1"))[1] == []
        assert (await ask(emulator, "GET", "/_emulator/calls?changes=1"))[1] == []
        snapshot = world.snapshot()
        seen = (await ask(emulator, "GET", "/_emulator/world"))[1]
        ids = {
            key: {r: {g: len(rules) for g, rules in gs.items()} for r, gs in rs.items()}
            for key, rs in seen.items()
        }
        assert ids == {
            k: {r: {g: len(x) for g, x in gs.items()} for r, gs in rs.items()} for k, rs in snapshot.items()
        }
        one = world.account_ids[0]
        assert set((await ask(emulator, "GET", f"/_emulator/world?account={one}"))[1]) == {one}
        stranger = await ask(emulator, "GET", "/_emulator/world?account=1000000000000001")
        assert stranger == (400, {"error": "there is no account 1000000000000001"})
        faults = b'[{"kind":"unavailable","count":1}]'
        assert (await ask(emulator, "POST", "/_emulator/faults", faults))[1] == {"faults": 1}
        assert (await who(emulator))[0] == 503
        assert (await ask(emulator, "GET", "/_emulator/faults"))[1]["struck"] == [1]
        assert (await ask(emulator, "POST", "/_emulator/expire"))[1] == {"expired": 1}
        assert session.expired
        assert (await ask(emulator, "POST", "/_emulator/clear"))[0] == 200
        assert len(emulator.calls) == 0
        for method, path, data, expected in (
            ("POST", "/_emulator/faults", b"[{}]", 400),
            ("GET", "/_emulator/calls?since=x", b"", 400),
            ("GET", "/_emulator/nothing", b"", 404),
        ):
            assert (await ask(emulator, method, path, data))[0] == expected


def test_the_control_surface_can_be_off() -> None:
    """Without it the path is an unsigned request like any other."""
    with Emulator(World.generate(WorldOutline(1, 1, region_ids=1)), Options(control=False)) as emulator:
        with pytest.raises(urllib.error.HTTPError, match="400") as refused:
            urllib.request.urlopen(f"{emulator.http_url}/_emulator/calls", timeout=5)  # noqa: S310 - loopback
        refused.value.close()
        assert "LTAI" in emulator.add_user("1" * 16).access_key_id
        with pytest.raises(LookupError, match="no role"):
            emulator.enter(emulator.world.account_ids[1], "nobody")
