"""DescribeVpcs: the networks that security groups are in, with their tags."""

from __future__ import annotations

from typing import Final

from orchestrator.emulator.framework.operations import Answer, Context, operation
from orchestrator.emulator.framework.paging import by_number
from orchestrator.emulator.world.model import Tag
from orchestrator.emulator.world.origin import vswitch_of

VERSION: Final = "2016-04-28"


@operation("vpc", VERSION, "DescribeVpcs", listing=("Vpcs", "Vpc"), regional=True)
def describe_vpcs(context: Context) -> Answer:
    """The VPCs of a region, by number (up to 50 a page); VpcId takes several ids with commas."""
    wanted = set(filter(None, context.parameters.text("VpcId").split(",")))
    tags = context.state.world.vpc_tags(context.account_id, context.region_id)
    named = {group.vpc_id for group in context.estate.groups.values() if group.vpc_id} | set(tags)
    found = sorted(one for one in named if not wanted or one in wanted)
    page, numbers = by_number(context, found, 50)
    return {"Vpcs": {"Vpc": [_row(context, one, tags.get(one, ())) for one in page]}, **numbers}


def _row(context: Context, vpc_id: str, tags: tuple[Tag, ...]) -> dict[str, object]:
    return {
        "VpcId": vpc_id,
        "VpcName": f"net-{vpc_id[-4:]}",
        "Description": "",
        "RegionId": context.region_id,
        "OwnerId": int(context.account_id),
        "Status": "Available",
        "CidrBlock": "10.0.0.0/8",
        "VSwitchIds": {"VSwitchId": [vswitch_of(vpc_id)]},
        "ResourceGroupId": "",
        "IsDefault": False,
        "CreationTime": "2024-05-01T08:00:00Z",
        "Tags": {"Tag": [{"Key": tag.key, "Value": tag.value} for tag in tags]},
    }
