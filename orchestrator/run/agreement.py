"""How often the cloud's count of a group's rules agrees with the rules it gives: what the doctor asks of a few groups.

Whether RuleCount (ECS DescribeSecurityGroups) counts exactly what DescribeSecurityGroupAttribute gives is not
documented. A sweep that would find it wrong everywhere is better told so before it.
"""

from __future__ import annotations

from contextlib import suppress
from itertools import islice

import msgspec

from accounts import Account
from orchestrator import inventory
from orchestrator.cloud.client import AccountSession
from orchestrator.cloud.errors import CloudError
from orchestrator.inventory import InPart, Observation, RegionReader
from orchestrator.run.hub import placement

_GROUPS, _GROUPS_PER_ACCOUNT = 200, 10


class Agreement(msgspec.Struct, frozen=True):
    """In `agree` of the `of` groups that were looked at as many rules were given as are counted, or more."""

    agree: int
    of: int


class Sample:
    """Looks at up to ten groups of an account, and at two hundred in all."""

    def __init__(self) -> None:
        self._agree = 0
        self._looked = 0

    @property
    def agreement(self) -> Agreement:
        """What was seen so far."""
        return Agreement(self._agree, self._looked)

    async def look(self, session: AccountSession, account: Account, region_ids: tuple[str, ...]) -> None:
        """Look at groups of the first region that has some which count rules; what cannot be read is told elsewhere."""
        for region_id in region_ids:
            if self._looked >= _GROUPS:
                return
            with suppress(CloudError):
                async for page in inventory.security_groups(session, region_id):
                    counting = [listing for listing in page if inventory.rule_count(listing)]
                    if counting:
                        await self._compare(RegionReader(session, placement(account), region_id), counting)
                        return

    async def _compare(self, reader: RegionReader, listings: list[inventory.Answer]) -> None:
        for listing in islice(listings, _GROUPS_PER_ACCOUNT):
            seen = await reader.read(listing)
            if isinstance(seen, (Observation, InPart)):
                self._looked += 1
                self._agree += isinstance(seen, Observation)
