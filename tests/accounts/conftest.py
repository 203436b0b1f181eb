"""What these tests share: an emulated organization, and the hub's own session in it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from accounts.credentials import Credentials, RoleSession, StaticCredentials, session_name
from orchestrator.cloud.client import AccountSession, Client, CloudSettings
from orchestrator.cloud.sessions import Sessions
from orchestrator.emulator import Emulator, Options, World


class Hub:
    """The hub of one emulator, by its own keys."""

    def __init__(self, emulator: Emulator, client: Client) -> None:
        self.emulator = emulator
        self.client = client
        self.organization = emulator.world.organization
        self.account_id = self.organization.hub_account_id
        keys = emulator.hub_credentials
        self.own = StaticCredentials(Credentials(keys.access_key_id, keys.access_key_secret))
        self.call = AccountSession(client, self.account_id, self.own)
        self.sessions = Sessions(client, self.call, RoleSession(session_name("run-1")))
        self.member_ids = tuple(id_ for id_ in emulator.world.account_ids if id_ != self.account_id)

    def actions(self) -> list[str]:
        """The actions asked for, in order, from the emulator's own record."""
        return [call.action for call in self.emulator.calls.since(0)]


@asynccontextmanager
async def hub_of(world: World, options: Options | None = None) -> AsyncIterator[Hub]:
    """An emulator and its hub."""
    async with (
        Emulator(world, options) as emulator,
        Client(CloudSettings(endpoint=emulator.http_url)) as client,
    ):
        yield Hub(emulator, client)
