"""Whether ActionTrail's events reach the function: a test event, made by a call that is sure to fail."""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from contextlib import suppress
from urllib.parse import urlsplit

import msgspec

from orchestrator.cloud.errors import CloudError
from orchestrator.cloud.oss import Objects
from orchestrator.config import Config
from orchestrator.run.hub import opened
from orchestrator.run.progress import Progress
from orchestrator.run.refusals import UsageError
from orchestrator.run.scanning import new_run_id

_WITHIN_SECONDS = 120.0
_PAUSE_SECONDS = 2.0
# No group has such an id, so the call changes nothing; the function knows its event by it.
_NO_GROUP, _NO_RULE = "sg-sgsweep0event", "sgr-sgsweep0event"


class EventTried(msgspec.Struct, frozen=True):
    """How a test event fared.

    Attributes:
        group_id: the group that does not exist, by which the event is known in ActionTrail and in the function's log.
        region_id: where the call was made.
        seconds: from the call until the function had it; None if it did not come in time.
    """

    group_id: str
    region_id: str
    seconds: float | None


async def try_events(config: Config, ledger: str, within_seconds: float = _WITHIN_SECONDS) -> EventTried:
    """Make an event in the hub's account and wait until the function tells, in its ledger, that it arrived.

    Args:
        config: where the cloud is.
        ledger: as the remediation module's output `ledger` has it; its bucket is named by account and region.
        within_seconds: how long to wait.

    Raises:
        UsageError: the ledger is none, or the hub has no credentials.
        CloudError: the ledger cannot be read.
    """
    bucket, prefix, region_id = _place(ledger)
    async with opened(config, new_run_id(), Progress()) as hub:
        objects = Objects(hub.client, hub.own, bucket, region_id)
        group_id = _NO_GROUP + secrets.token_hex(6)
        start = time.monotonic()
        asked = {"RegionId": region_id, "SecurityGroupId": group_id, "SecurityGroupRuleId": [_NO_RULE]}
        with suppress(CloudError):  # refused or not found: ActionTrail tells of it either way
            await hub.own.call("RevokeSecurityGroup", region_id, asked, mutating=True)
        while True:
            arrived = await objects.get(f"{prefix}arrivals/{group_id}.json") is not None
            seconds = time.monotonic() - start
            if arrived or seconds > within_seconds:
                return EventTried(group_id, region_id, seconds if arrived else None)
            await asyncio.sleep(_PAUSE_SECONDS)


def _place(ledger: str) -> tuple[str, str, str]:
    """Return the bucket, the prefix and the region of a ledger that the Terraform module made."""
    parts = urlsplit(ledger)
    named = re.fullmatch(r"sgsweep[a-z0-9-]*-\d+-([a-z]{2}-[a-z0-9-]+)", parts.netloc)
    if parts.scheme != "oss" or not named:
        raise UsageError(
            f"{ledger} is no ledger of the remediation module: give its output, oss://sgsweep-…-<region>/ledger"
        )
    prefix = parts.path.strip("/")
    return parts.netloc, f"{prefix}/" if prefix else "", named[1]
