"""`config check` and `init`: do the credentials hold, and which accounts would a sweep visit?"""

from __future__ import annotations

import msgspec

from orchestrator.config import Config
from orchestrator.run.connection import Connection
from orchestrator.run.filters import Filters
from orchestrator.run.hub import opened
from orchestrator.run.progress import Progress
from orchestrator.run.scanning import new_run_id


class ConnectionCheck(msgspec.Struct, frozen=True):
    """Who the credentials are, against which cloud, and how many accounts they would sweep; others are left out."""

    connection: Connection
    accounts: int
    left_out: int


async def try_cloud(config: Config, progress: Progress) -> ConnectionCheck:
    """Ask who the hub is and which accounts there are; nothing else.

    Raises:
        DiscoveryError: a filter matches nothing.
        CloudError, UsageError, RefusedError: the cloud, the credentials or the account are not as they must be.
    """
    async with opened(config, new_run_id(), progress) as hub:
        found = await hub.discover(Filters())
        return ConnectionCheck(hub.connection, len(found.accounts), len(found.skipped))
