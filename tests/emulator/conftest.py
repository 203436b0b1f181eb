"""What the emulator's tests share: a small world and an emulator on a thread of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from orchestrator.emulator import Emulator, World, WorldOutline
from tests.emulator.clients import Official
from tests.emulator.wire import Cloud


@pytest.fixture(scope="session", autouse=True)
def no_stray_loop() -> None:
    """Looptime asks for a loop before each sync test too; unset, so that none is made and left unclosed."""
    asyncio.set_event_loop(None)


@pytest.fixture
def world() -> World:
    """Four members besides the hub, five regions."""
    return World.generate(WorldOutline(seed=7, accounts=4, region_ids=5))


@pytest.fixture
def emulator(world: World) -> Iterator[Emulator]:
    """An emulator on real sockets, on a thread of its own, because the official clients block."""
    with Emulator(world) as running:
        yield running


@pytest.fixture
def official(emulator: Emulator) -> Official:
    """The official clients over HTTP."""
    return Official(emulator)


@pytest.fixture
def cloud() -> Cloud:
    """A gateway without sockets, with a clock of its own."""
    return Cloud()
