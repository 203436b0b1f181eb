"""An organization on loopback and the functions behind the commands, used as the command uses them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest

from orchestrator import run
from orchestrator.config import Config, defaults
from orchestrator.emulator import Emulator, Options, World, WorldOutline
from orchestrator.run import Filters, Progress, Summary


class Desk:
    """One user at one organization: the emulator, the configuration, a folder for runs."""

    def __init__(self, emulator: Emulator, folder: Path) -> None:
        self.emulator = emulator
        self.folder = folder
        self.config = with_endpoint(defaults(), emulator.http_url)

    def scan(
        self, name: str = "first", filters: Filters | None = None, since: str = "", **changes: object
    ) -> Summary:
        """Scan into a new run folder; return the summary."""
        config = self.changed(**changes)
        earlier = self.folder / since if since else None
        work = run.scan(config, filters or Filters(), self.folder / name, Progress(), changed_since=earlier)
        return asyncio.run(work)

    def resume(self, name: str = "first", **changes: object) -> Summary:
        """Go on with a run."""
        return asyncio.run(run.resume(self.changed(**changes), self.folder / name, Progress()))

    def lines(self, file: str, name: str = "first") -> list[dict[str, Any]]:
        """Return the JSON lines of a file of the run folder."""
        text = (self.folder / name / file).read_bytes()
        return [msgspec.json.decode(line) for line in text.splitlines()]

    def changed(self, **changes: Any) -> Config:
        """Return the configuration with other tables: `limits={"share": 1}`."""
        config = self.config
        if limits := changes.pop("limits", None):
            changes["cloud"] = {"limits": msgspec.structs.replace(config.cloud.limits, **limits)}
        for table, given in changes.items():
            is_part = isinstance(given, dict)
            value = msgspec.structs.replace(getattr(config, table), **given) if is_part else given
            config = msgspec.structs.replace(config, **{table: value})
        return config


def with_endpoint(config: Config, url: str) -> Config:
    """Return the configuration with every product at one URL."""
    return msgspec.structs.replace(config, cloud=msgspec.structs.replace(config.cloud, endpoint=url))


MakeDesk = Callable[..., Desk]


@pytest.fixture
def desk_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeDesk]:
    """Make a desk at a world; the emulator runs until the test ends, its hub's keys in the environment."""
    with ExitStack() as stack:

        def make(world: World, options: Options | None = None) -> Desk:
            emulator = stack.enter_context(Emulator(world, options))
            keys = emulator.hub_credentials
            monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", keys.access_key_id)
            monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", keys.access_key_secret)
            monkeypatch.delenv("ALIBABA_CLOUD_SECURITY_TOKEN", raising=False)
            return Desk(emulator, tmp_path)

        yield make


@pytest.fixture
def desk(desk_at: MakeDesk) -> Desk:
    """A desk at a small organization: six members, four regions, everything reachable, nothing in the way."""
    return desk_at(World.generate(WorldOutline(11, 6, region_ids=4, groups_per_account=12)))
