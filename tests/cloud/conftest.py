"""What the client's tests share: an emulator in this loop, and clients that speak to it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from accounts.credentials import Credentials, CredentialSource, StaticCredentials
from orchestrator.cloud.client import AccountSession, Client, CloudSettings
from orchestrator.cloud.stats import Attempt
from orchestrator.emulator import Emulator, Options, World, WorldOutline

READ_ROLE = "sgsweep-read"


@pytest.fixture
def world() -> World:
    """Three members besides the hub, three regions."""
    return World.generate(WorldOutline(seed=7, accounts=3, region_ids=3))


class Speaker:
    """A client of one emulator, and what it sent."""

    def __init__(self, emulator: Emulator, client: Client, attempts: list[Attempt]) -> None:
        self.emulator = emulator
        self.client = client
        self.attempts = attempts
        self.world = emulator.world
        self.hub_id = emulator.world.organization.hub_account_id
        self.member_ids = tuple(id_ for id_ in emulator.world.account_ids if id_ != self.hub_id)

    @property
    def hub(self) -> AccountSession:
        """The hub's own account by the hub's own keys."""
        keys = self.emulator.hub_credentials
        own = StaticCredentials(Credentials(keys.access_key_id, keys.access_key_secret))
        return AccountSession(self.client, self.hub_id, own)

    def session(self, account_id: str, source: CredentialSource) -> AccountSession:
        """An account by some credentials."""
        return AccountSession(self.client, account_id, source)

    def member(self, number: int = 0, role: str = READ_ROLE) -> AccountSession:
        """A member by a session that did not cost a call."""
        account_id = self.member_ids[number]
        keys = self.emulator.enter(account_id, role).keys
        token = keys.security_token or ""
        return self.session(
            account_id, StaticCredentials(Credentials(keys.access_key_id, keys.access_key_secret, token))
        )

    @property
    def outcomes(self) -> list[str]:
        """What became of each attempt."""
        return [attempt.outcome for attempt in self.attempts]


@asynccontextmanager
async def speaking(world: World, options: Options | None = None, **settings: Any) -> AsyncIterator[Speaker]:
    """An emulator over http and a client of it, with retries that do not wait."""
    async with Emulator(world, options) as emulator:
        chosen: dict[str, Any] = {"endpoint": emulator.http_url, **settings}
        attempts: list[Attempt] = []
        async with Client(
            CloudSettings(**chosen), observers=(attempts.append,), chance=lambda: 0.0
        ) as client:
            yield Speaker(emulator, client, attempts)


@pytest.fixture
async def speaker(world: World) -> AsyncIterator[Speaker]:
    """An emulator without faults and a client of it."""
    async with speaking(world) as made:
        yield made
