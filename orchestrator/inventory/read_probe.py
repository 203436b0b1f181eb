"""Whether an identity may read what a run reads: each action is asked for once, and what it answers is told.

Some actions answer an empty list where they should refuse (ECS DescribeInstances says so of itself), and some can only
be asked of what does not exist. What that leaves open is told, for whoever can read the policies to fill in.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import msgspec

from accounts.paging import Answer
from accounts.ram import Right
from orchestrator.cloud.client import AccountSession
from orchestrator.cloud.errors import ApiError, CloudError, Denied, NotFound
from orchestrator.inventory.groups import regions, rule_count
from orchestrator.inventory.read_actions import READ_ACTIONS

By = Literal["", "asked", "policies", "control policies", "tried"]
"""How a right was found out: by a call, by a policy's text, or not at all."""

_FEW = 10  # items of a list, the least that ECS takes as MaxResults
_NO_GROUP = "sg-sgsweep0doctor"  # nothing has such an id
_NO_PREFIX_LIST, _NO_PORT_LIST = "pl-sgsweep0doctor", "prl-sgsweep0doctor"
_OF_NOTHING = "asked for something that does not exist, it was looked for and not refused"
_NOTHING_SEEN = "an empty list, as it is answered without the right, too"


class Permitted(msgspec.Struct, frozen=True):
    """Whether one action may be called.

    Attributes:
        action: as RAM names it, "ecs:DescribeInstances".
        right: allowed, denied or not_known.
        by: how that was found out; empty where it was not.
        reason: what the cloud said, or why it is not known; empty where there is nothing to add.
        request_id: of the answer that said so; empty without one.
    """

    action: str
    right: Right
    by: By = ""
    reason: str = ""
    request_id: str = ""


class Looked(NamedTuple):
    """What came of asking.

    Attributes:
        permitted: each action, in the order in which it was wanted.
        region_id: the first region with groups that count rules, else with groups, else the first at all; "" for none.
        listings: the groups of that region's first page that count rules.
        failed: why the account's regions could not be read, without which nothing can be; None if they could.
    """

    permitted: tuple[Permitted, ...]
    region_id: str
    listings: tuple[Answer, ...]
    failed: CloudError | None = None


async def ask_reads(
    session: AccountSession, region_ids: Sequence[str] = (), actions: Collection[str] = READ_ACTIONS
) -> Looked:
    """Ask once for each action of reading.

    Args:
        session: of whom it is asked.
        region_ids: where to look; empty for the regions that the account has, which is then asked, too.
        actions: the ones that are wanted, of READ_ACTIONS.

    Raises:
        CloudError: the account cannot be entered.
    """
    asking = _Asking(session)
    if not region_ids or "ecs:DescribeRegions" in actions:
        own = await asking.regions()
        region_ids = [one for one in region_ids if one in own] or own or region_ids
    region_id, group_ids, listings = await asking.groups(region_ids)
    if region_id:
        for action, parameters in _questions(region_id, group_ids).items():
            if action in actions:
                await asking.ask(action, region_id, parameters)
    found = asking.found
    lacking = "there is no region to ask in"
    permitted = tuple([found.get(one, Permitted(one, "not_known", reason=lacking)) for one in actions])
    return Looked(permitted, region_id, listings, asking.failed)


def _questions(region_id: str, group_ids: Sequence[str]) -> dict[str, Answer]:
    """Return what each action is asked, beside those of regions and of groups."""
    here: Answer = {"RegionId": region_id}
    return {
        "ecs:DescribeSecurityGroupAttribute": {
            **here,
            "SecurityGroupId": group_ids[0] if group_ids else _NO_GROUP,
            "Direction": "all",
            "MaxResults": _FEW,
        },
        "ecs:DescribePrefixListAttributes": {**here, "PrefixListId": _NO_PREFIX_LIST},
        "ecs:DescribePortRangeListEntries": {**here, "PortRangeListId": _NO_PORT_LIST},
        "ecs:DescribeNetworkInterfaces": {**here, "MaxResults": _FEW},
        "ecs:DescribeInstances": {**here, "MaxResults": _FEW},
        **{
            f"{product}:{action}": {"MaxResults": _FEW}
            for product in ("nlb", "alb")
            for action in ("ListLoadBalancers", "ListListeners")
        },
    }


_SILENT = {  # actions that answer an empty list to whom they should refuse, and where that list stands
    "ecs:DescribeNetworkInterfaces": ("NetworkInterfaceSets", "NetworkInterfaceSet"),
    "ecs:DescribeInstances": ("Instances", "Instance"),
}


class _Asking:
    """Asks by one session, and keeps what each action answered."""

    def __init__(self, session: AccountSession) -> None:
        self._session = session
        self.found: dict[str, Permitted] = {}
        self.failed: CloudError | None = None

    async def regions(self) -> tuple[str, ...]:
        """Return the account's regions; none where they could not be read."""
        action = "ecs:DescribeRegions"
        try:
            found = await regions(self._session)
        except CloudError as error:
            self._keep(action, error)
            self.failed = error
            return ()
        self.found[action] = Permitted(action, "allowed", "asked")
        return found

    async def groups(self, region_ids: Sequence[str]) -> tuple[str, tuple[str, ...], tuple[Answer, ...]]:
        """Return a region, ids of groups there, and the listings of those that count rules."""
        action = "ecs:DescribeSecurityGroups"
        first, ids = "", ()
        for region_id in region_ids:
            asked: Answer = {"RegionId": region_id, "MaxResults": _FEW}
            answer = await self.ask(action, region_id, asked)
            if self.found[action].right == "denied":
                break
            found = [one for one in _list(answer, ("SecurityGroups", "SecurityGroup")) if _is_named(one)]
            counting = tuple([one for one in found if rule_count(one)])
            if counting:
                return region_id, tuple([one["SecurityGroupId"] for one in counting]), counting
            if answer and not first:
                first = region_id
            if found and not ids:
                first, ids = region_id, tuple([one["SecurityGroupId"] for one in found])
        return first or (region_ids[0] if region_ids else ""), ids, ()

    async def ask(self, action: str, region_id: str, parameters: Answer) -> Mapping[str, Any]:
        """Ask, keep what that says of the right, and return the answer; empty where it was refused."""
        product, _, name = action.partition(":")
        try:
            answer = await self._session.call(name, region_id, parameters, product=product)
        except CloudError as error:
            self._keep(action, error, is_of_nothing=_is_of_nothing(parameters))
            return {}
        is_empty = action in _SILENT and not _list(answer, _SILENT[action])
        right: Right = "not_known" if is_empty else "allowed"
        reason = _NOTHING_SEEN if is_empty else ""
        if self.found.get(action, _UNASKED).right != "allowed":
            self.found[action] = Permitted(action, right, "asked", reason, str(answer.get("RequestId") or ""))
        return answer

    def _keep(self, action: str, error: CloudError, *, is_of_nothing: bool = False) -> None:
        """Keep what an error says of a right.

        Raises:
            CloudError: it is about entering the account.
        """
        if error.action == "AssumeRole":
            raise error
        told = f"{error.code}: {error.message}"
        if (
            isinstance(error, Denied) and "Region" not in error.code
        ):  # one that is closed says nothing of rights
            found = Permitted(action, "denied", "asked", told, error.request_id)
        elif is_of_nothing and isinstance(error, NotFound | ApiError):
            found = Permitted(action, "allowed", "asked", _OF_NOTHING, error.request_id)
        else:
            found = Permitted(action, "not_known", "asked", told, error.request_id)
        if self.found.get(action, _UNASKED).right != "allowed":
            self.found[action] = found


_UNASKED = Permitted("", "not_known")


def _is_of_nothing(parameters: Mapping[str, Any]) -> bool:
    return not {_NO_GROUP, _NO_PREFIX_LIST, _NO_PORT_LIST}.isdisjoint(map(str, parameters.values()))


def _is_named(listing: Answer) -> bool:
    return isinstance(listing.get("SecurityGroupId"), str) and bool(listing["SecurityGroupId"])


def _list(answer: Mapping[str, Any], path: Sequence[str]) -> list[Answer]:
    """Return the list at a path; nothing where there is none, for only what was given counts here."""
    inner: Any = answer
    for key in path:
        inner = inner.get(key) if isinstance(inner, Mapping) else None
    return [one for one in inner if isinstance(one, dict)] if isinstance(inner, list) else []
