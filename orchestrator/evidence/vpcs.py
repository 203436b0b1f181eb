"""Tags of VPCs (VPC 2016-04-28 DescribeVpcs): who owns a network may be written there."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from accounts.paging import Answer
from orchestrator.evidence.forwarding import text_of
from orchestrator.inventory.paging import PagedList, ProductCaller, ProductSession

ACTIONS = ("vpc:DescribeVpcs",)
"""The RAM actions that VPCs are read by."""

_PER_PAGE = 50  # the API's maximum

Tags = tuple[tuple[str, str], ...]


async def read_vpc_tags(session: ProductCaller, region_id: str, vpc_ids: Collection[str]) -> dict[str, Tags]:
    """Return the tags of these VPCs; one that is not given has none.

    Raises:
        CloudError: the region's VPCs could not be read in full.
    """
    listing = PagedList(ProductSession(session, "vpc"), "DescribeVpcs", region_id, ("Vpcs", "Vpc"))
    asked: Answer = {"RegionId": region_id, "PageSize": _PER_PAGE}
    return {
        str(one["VpcId"]): _tags(one)
        async for page in listing.numbered(asked, named="VpcId")
        for one in page
        if one["VpcId"] in vpc_ids
    }


def _tags(vpc: Answer) -> Tags:
    inner = vpc.get("Tags")
    found = inner.get("Tag") if isinstance(inner, Mapping) else None
    rows = [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []
    return tuple((text_of(one, "Key"), text_of(one, "Value")) for one in rows)
