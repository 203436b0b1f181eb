"""A small organization for those who only read, and a desk at it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from orchestrator.emulator import Emulator, Options, World
from tests.cli.desk import Cloud, Desk, emulated

SMALL = ("--accounts", "3", "--groups", "6", "--regions", "2", "--seed", "5")


@pytest.fixture(scope="session")
def small_cloud() -> Iterator[Cloud]:
    """One emulator for all tests that change nothing and break nothing."""
    with emulated(*SMALL) as cloud:
        yield cloud


@pytest.fixture
def desk(small_cloud: Cloud, tmp_path: Path) -> Iterator[Desk]:
    """A user at that organization; nothing may be changed, and a test that changes it fails, not the one after it."""
    before = small_cloud.world()
    yield Desk(tmp_path, small_cloud)
    assert small_cloud.world() == before, "take own_desk for a test that changes something"


@pytest.fixture
def own_desk(tmp_path: Path) -> Iterator[Desk]:
    """A user at an organization of their own: everything is allowed."""
    with emulated(*SMALL) as cloud:
        yield Desk(tmp_path, cloud)


MakeDesk = Callable[..., tuple[Desk, Emulator]]


@pytest.fixture
def desk_of(tmp_path: Path) -> Iterator[MakeDesk]:
    """Make a user at a world of the test's own making, which the test may look into and change as it goes."""
    with ExitStack() as stack:

        def make(world: World, options: Options | None = None, config: str = "") -> tuple[Desk, Emulator]:
            emulator = stack.enter_context(Emulator(world, options))
            keys = emulator.hub_credentials
            exports = {
                "SGSWEEP_ENDPOINT": emulator.http_url,
                "ALIBABA_CLOUD_ACCESS_KEY_ID": keys.access_key_id,
                "ALIBABA_CLOUD_ACCESS_KEY_SECRET": keys.access_key_secret,
            }
            return Desk(tmp_path, Cloud(exports, (emulator.https_url, emulator.ca_file)), config), emulator

        yield make


@pytest.fixture(scope="session")
def planned(small_cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A run folder of the small organization, scanned and planned once, to be copied; and its digest."""
    desk = Desk(tmp_path_factory.mktemp("planned"), small_cloud)
    return desk.folder / "run", desk.planned("run", "--port", "22")
