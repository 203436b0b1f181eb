"""Whether any rule names a group (ECS DescribeSecurityGroupReferences): on no interface either, it is unused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from accounts.paging import Answer
from orchestrator.cloud.errors import NotFound
from orchestrator.inventory.paging import PagedList, ProductCaller, ProductSession

ACTIONS = ("ecs:DescribeSecurityGroupReferences",)
"""The RAM actions that references are read by."""

_GROUPS_PER_CALL = 10  # SecurityGroupId of the call, the API's maximum


async def read_referenced(session: ProductCaller, region_id: str, group_ids: Sequence[str]) -> set[str]:
    """Return those of the groups that a rule of another group names, and those that are gone.

    Raises:
        CloudError: it could not be read.
    """
    path = ("SecurityGroupReferences", "SecurityGroupReference")
    listing = PagedList(ProductSession(session, "ecs"), "DescribeSecurityGroupReferences", region_id, path)
    found: set[str] = set()
    for start in range(0, len(group_ids), _GROUPS_PER_CALL):
        found |= await _some(listing, region_id, group_ids[start : start + _GROUPS_PER_CALL])
    return found


async def _some(listing: PagedList, region_id: str, group_ids: Sequence[str]) -> set[str]:
    """Return the same of a few groups; where one is gone they are asked for one by one."""
    asked: Answer = {"RegionId": region_id, "SecurityGroupId": list(group_ids)}
    try:
        _, rows = await listing.whole(asked, named="SecurityGroupId")
    except NotFound:
        if len(group_ids) == 1:
            return set(group_ids)
        found: set[str] = set()
        for one in group_ids:
            found |= await _some(listing, region_id, [one])
        return found
    return {str(one["SecurityGroupId"]) for one in rows if _is_named(one)}


def _is_named(row: Mapping[str, object]) -> bool:
    """Tell whether the group is named by another one; it may name itself. What is not understood counts as named."""
    inner = row.get("ReferencingSecurityGroups")
    found = inner.get("ReferencingSecurityGroup") if isinstance(inner, Mapping) else None
    return not isinstance(found, list) or any(
        not isinstance(one, Mapping) or one.get("SecurityGroupId") != row["SecurityGroupId"] for one in found
    )
