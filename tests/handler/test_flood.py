"""The function under a flood: whoever makes 10,000 events of one account does not keep another account's door open."""

from __future__ import annotations

import asyncio
import json
import random
import secrets
import sys
from datetime import UTC, datetime, timedelta
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks.virtual import ENDPOINT, VirtualClient, run, serving
from orchestrator.cloud import transport
from orchestrator.cloud.client import CloudSettings
from orchestrator.emulator import Group, InProcess, World, WorldOutline
from orchestrator.handler import RemediationFailed, entrypoints, remedy
from tests.handler.conftest import REGION, accept

EVENTS, GROUPS = 10_000, 100
INSTANCES = 20  # reserved_concurrency, as the Terraform module has it
LATENCY_SECONDS = 0.05


class _Memory:
    """A store whose calls take as long as those of OSS."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    async def put(self, key: str, data: bytes, *, only_new: bool = False) -> bool:
        """Write an object; with `only_new`, tell False if there was one."""
        await asyncio.sleep(LATENCY_SECONDS)
        if only_new and key in self.objects:
            return False
        self.objects[key] = data
        return True

    async def get(self, key: str) -> bytes | None:
        """Return the object."""
        await asyncio.sleep(LATENCY_SECONDS)
        return self.objects.get(key)

    async def keys(self, prefix: str, after: str = "", most: int | None = None) -> list[str]:
        """Return the names."""
        await asyncio.sleep(LATENCY_SECONDS)
        return sorted(key for key in self.objects if key.startswith(prefix) and key > after)[:most]


def _world() -> tuple[World, str, str]:
    """A world in which one member has a hundred groups that are open, and another has one."""
    world = World.generate(WorldOutline(5, 2, region_ids=1, groups_per_account=0))
    noisy, quiet = list(world.organization.members)[:2]
    for number in range(GROUPS):
        rules = tuple(accept(f"sgr-{number}-{port}", f"{port}/{port}") for port in (22, 3389))
        world.put(noisy, REGION, Group(f"sg-{number}", vpc_id="vpc-1", rules=rules))
    world.put(quiet, REGION, Group("sg-quiet", vpc_id="vpc-2", rules=(accept("sgr-quiet"),)))
    return world, noisy, quiet


@pytest.mark.parametrize("shape", ["an event each", "one event"])
def test_the_others_door_is_closed_within_its_time(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], shape: str
) -> None:
    """10,000 events of one account, then 1 of another: that one is closed within minutes, and the first kept to 50."""
    run(_flood(monkeypatch, capsys, shape))


@pytest.mark.soak
@pytest.mark.parametrize("shape", ["an event each", "one event"])
def test_the_others_door_is_closed_wherever_its_event_comes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], shape: str
) -> None:
    """The same flood four times over, the other's event anywhere in it, the platform's time-out long or short."""
    seed = secrets.randbits(32)
    chance = random.Random(seed)  # noqa: S311 - places, no secret
    for _ in range(4):
        place, seconds = chance.randrange(EVENTS + 1), chance.choice((60, 300, 900))
        capsys.readouterr()
        try:
            run(_flood(monkeypatch, capsys, shape, place, seconds))
        except BaseException:
            sys.stderr.write(f"seed {seed}: place {place}, time-out {seconds} s\n")
            raise


async def _flood(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    shape: str,
    place: int = EVENTS,
    timeout_seconds: int = 300,
) -> None:
    world, noisy, quiet = _world()
    cloud, store = InProcess(world, latency_seconds=LATENCY_SECONDS), _Memory()
    loop, began = asyncio.get_running_loop(), datetime.now(UTC)
    closed_at: list[float] = []

    def client(settings: CloudSettings) -> VirtualClient:
        return VirtualClient(settings, serving(cloud), 0.0)

    def note(_: object) -> None:
        if not closed_at and not world.estate(quiet, REGION).groups["sg-quiet"].rules:
            closed_at.append(loop.time())

    cloud.after.append(note)
    monkeypatch.setattr(transport, "_tls", lambda _: (False, ""))  # there are no sockets, and it takes 28 ms
    monkeypatch.setattr(entrypoints, "Client", client)
    monkeypatch.setattr(entrypoints, "open_store", lambda *_, **__: store)
    monkeypatch.setattr(remedy, "_utc_now", lambda: began + timedelta(seconds=loop.time()))
    keys = cloud.hub_credentials
    for name, value in {
        "ALIBABA_CLOUD_ACCESS_KEY_ID": keys.access_key_id,
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET": keys.access_key_secret,
        "ALIBABA_CLOUD_SECURITY_TOKEN": "",
        "SGSWEEP_ENDPOINT": ENDPOINT,
        "SGSWEEP_MODE": "apply",
        "SGSWEEP_LEDGER": "oss://ledger/p",
        "SGSWEEP_PORTS": "22,3389",
        "SGSWEEP_REMEDIATION_ROLE": "sgsweep-remediate",
    }.items():
        monkeypatch.setenv(name, value)

    def item(account_id: str, name: str) -> dict[str, Any]:
        return {"accountId": account_id, "regionId": REGION, "resourceId": name}

    items = [
        item(noisy, f"sg-{number % GROUPS if shape == 'an event each' else number}")
        for number in range(EVENTS)
    ]
    items.insert(place, item(quiet, "sg-quiet"))
    events = asyncio.Queue[bytes]()
    for event in [items] if shape == "one event" else [[one] for one in items]:
        events.put_nowait(json.dumps(event).encode())

    async def instance() -> None:
        while not events.empty():
            event = events.get_nowait()
            context = SimpleNamespace(
                request_id=f"req-{events.qsize()}",
                account_id=world.organization.hub_account_id,
                region=REGION,
                function=SimpleNamespace(timeout=timeout_seconds),
            )
            try:
                await entrypoints._invoke(context, partial(entrypoints._remedy, event=event))
            except RemediationFailed:
                assert noisy.encode() in event, "the other account's event failed"
            capsys.readouterr()

    await asyncio.gather(*(instance() for _ in range(INSTANCES)))
    assert closed_at, "the other account's door stands open"
    assert closed_at[0] < (5 if shape == "one event" else 300)
    revoked = [
        change
        for call, change in cloud.calls.changes()
        if change["what"] == "revoke" and call.account_id == noisy
    ]
    assert 0 < len(revoked) <= 50
