"""How often the cloud's count of a group's rules agrees with the rules it gives: what the doctor asks of a few groups.

Whether RuleCount (ECS DescribeSecurityGroups) counts exactly what DescribeSecurityGroupAttribute gives is not
documented. A sweep that would find it wrong everywhere is better told so before it. Where it counts more than was
given, the rules are read again by another way: if both ways give the same, the count is about something else.
"""

from __future__ import annotations

from contextlib import suppress
from itertools import islice
from typing import Literal

import msgspec

from accounts import Account
from orchestrator.cloud.client import AccountSession
from orchestrator.cloud.errors import CloudError
from orchestrator.inventory import InPart, Looked, Observation, RegionReader
from orchestrator.run.hub import placement

_GROUPS, _GROUPS_PER_ACCOUNT, _ENOUGH = 200, 10, 5


class Agreement(msgspec.Struct, frozen=True):
    """In `agree` of the `of` groups that were looked at as many rules were given as are counted, or more.

    counts_other: in so many of the rest two ways of reading give the same rules, and fewer than are counted.
    """

    agree: int
    of: int
    counts_other: int = 0

    @property
    def meaning(self) -> Literal["same", "other"] | None:
        """What that says of the count; None where too few groups were seen, or some were cut short."""
        if self.of < _ENOUGH or self.agree + self.counts_other < self.of:
            return None
        return "same" if self.agree == self.of else "other"


class Sample:
    """Looks at up to ten groups of an account, and at two hundred in all."""

    def __init__(self) -> None:
        self._agree = 0
        self._looked = 0
        self._other = 0

    @property
    def agreement(self) -> Agreement:
        """What was seen so far."""
        return Agreement(self._agree, self._looked, self._other)

    async def look(self, session: AccountSession, account: Account, looked: Looked) -> None:
        """Look at groups that count rules; what cannot be read is told elsewhere."""
        reader = RegionReader(session, placement(account), looked.region_id)
        for listing in islice(looked.listings, _GROUPS_PER_ACCOUNT):
            if self._looked >= _GROUPS:
                return
            seen = await reader.read(listing)
            if isinstance(seen, (Observation, InPart)):
                self._looked += 1
                self._agree += isinstance(seen, Observation)
            if isinstance(seen, InPart):
                is_whole = await _is_whole(reader, seen.seen)
                self._other += is_whole  # after the wait: many look at once


async def _is_whole(reader: RegionReader, seen: Observation) -> bool:
    """Tell whether another way of reading gives the same rules; False where that cannot be read."""
    ids = {str(rule.get("SecurityGroupRuleId")) for rule in seen.permissions}
    with suppress(CloudError):
        return ids == await reader.ids_by_another_way(seen.group.security_group_id)
    return False
