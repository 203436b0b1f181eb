"""What the client is asked for in these tests."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.cloud.client import (
    AccountSession,
)

REGION = "cn-hangzhou"
GROUPS: dict[str, object] = {"RegionId": REGION, "MaxResults": 100}


async def groups(session: AccountSession) -> list[dict[str, Any]]:
    """The groups of a region."""
    answer = await session.call("DescribeSecurityGroups", REGION, GROUPS)
    found: list[dict[str, Any]] = answer["SecurityGroups"]["SecurityGroup"]
    return found


async def revoke(session: AccountSession) -> None:
    """Revoke a rule that the account does have."""
    for group in await groups(session):
        parameters = {"RegionId": REGION, "SecurityGroupId": group["SecurityGroupId"]}
        rules = await session.call("DescribeSecurityGroupAttribute", REGION, parameters)
        mine = [rule for rule in rules["Permissions"]["Permission"] if rule["Direction"] == "ingress"]
        if mine and not group["ServiceManaged"]:
            ids = {**parameters, "SecurityGroupRuleId": [mine[0]["SecurityGroupRuleId"]]}
            await session.call("RevokeSecurityGroup", REGION, ids, mutating=True)
            return
    pytest.fail("the world has no rule to revoke")
