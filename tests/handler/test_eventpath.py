"""Do events reach the function? The doctor makes one by a call that is sure to fail, and waits until it is told."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
import pytest

from orchestrator.config import Config, defaults
from orchestrator.emulator import Emulator, Role, Statement, World, WorldOutline
from orchestrator.emulator.server.triggers import Triggers
from orchestrator.emulator.services.function_compute import Function, FunctionCompute
from orchestrator.run import UsageError, try_events

_REGION = "cn-hangzhou"


@contextmanager
def _deployed(monkeypatch: pytest.MonkeyPatch, mode: str, *, arn: str) -> Iterator[tuple[Emulator, str]]:
    """A cloud with the function for events; EventBridge's target is `arn`."""
    world = World.generate(WorldOutline(5, 1, region_ids=1, groups_per_account=1))
    hub = world.organization.hub_account_id
    ledger = f"oss://sgsweep-{hub}-{_REGION}/ledger"
    with Emulator(world) as emulator:
        keys = emulator.hub_credentials
        monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", keys.access_key_id)
        monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", keys.access_key_secret)
        role = Role("sgsweep-judge", (), (Statement("Allow", ("oss:PutObject",)),))
        own = emulator.state.identities.open_session(hub, role, "function", time.time() + 600).keys
        function = Function(
            account_id=hub,
            region_id=_REGION,
            keys=(own.access_key_id, own.access_key_secret, own.security_token),
            environment={
                "SGSWEEP_ENDPOINT": emulator.http_url,
                "SGSWEEP_MODE": mode,
                "SGSWEEP_LEDGER": ledger,
            },
            python=sys.executable,
            module="orchestrator.handler",
        )
        functions = FunctionCompute()
        functions.deploy("acs:fc:on-event", function, "on_event")
        with Triggers(emulator.state, functions, on_event_arn=arn):
            yield emulator, ledger


def _config(emulator: Emulator) -> Config:
    config = defaults()
    return msgspec.structs.replace(
        config, cloud=msgspec.structs.replace(config.cloud, endpoint=emulator.http_url)
    )


async def test_an_event_that_arrives(monkeypatch: pytest.MonkeyPatch) -> None:
    """In plan mode as well, under a role that may only tell: the event is made, arrives, and changes nothing."""
    with _deployed(monkeypatch, "plan", arn="acs:fc:on-event") as (emulator, ledger):
        tried = await try_events(_config(emulator), ledger, within_seconds=60)
        assert tried.seconds is not None
        assert [call.action for call, _ in emulator.calls.changes()] == ["PutObject"]


async def test_an_event_that_does_not_arrive(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where EventBridge delivers to nobody, that is what is said."""
    with _deployed(monkeypatch, "plan", arn="") as (emulator, ledger):
        assert (await try_events(_config(emulator), ledger, within_seconds=1)).seconds is None


async def test_a_ledger_of_somebody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is no ledger of the module is refused before anything is called."""
    with (
        _deployed(monkeypatch, "plan", arn="") as (emulator, _),
        pytest.raises(UsageError, match="no ledger"),
    ):
        await try_events(_config(emulator), "oss://mine/ledger")
