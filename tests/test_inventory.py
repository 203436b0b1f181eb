"""Answers that are none: each makes its account or region unreachable, and none ends the sweep."""

from __future__ import annotations

from typing import Any, cast

import pytest

from orchestrator import inventory
from orchestrator.cloud.client import AccountSession
from orchestrator.cloud.errors import CloudError
from orchestrator.plan import Place
from orchestrator.remediate.calls import GroupCalls


class Answering:
    """A session whose every call has the same answer; with `endless`, each page promises another one."""

    account_id = "1000000000000001"

    def __init__(self, answer: dict[str, Any], *, endless: bool = False) -> None:
        self._answer = answer
        self._endless = endless
        self.calls = 0

    async def call(self, *_: Any, **__: Any) -> dict[str, Any]:
        """Answer."""
        self.calls += 1
        return {**self._answer, "NextToken": f"page-{self.calls}"} if self._endless else self._answer


def session(outer: str, inner: str, items: list[Any]) -> AccountSession:
    """A session that is answered with this list."""
    return cast("AccountSession", Answering({outer: {inner: items}, "RequestId": "R-1"}))


@pytest.mark.parametrize(
    "items",
    [
        [{}],
        [{"RegionId": None}],
        [{"RegionId": 1}],
        [{"RegionId": ""}],
        [{"RegionId": "cn-hangzhou"}, {"RegionId": "evil.example/"}],
        [{"RegionId": "CN"}],
        ["cn-hangzhou"],
    ],
)
async def test_a_region_without_a_usable_id_is_a_malformed_answer(items: list[Any]) -> None:
    """It is an error of the cloud, which makes the account unreachable, not a bug that ends the run."""
    with pytest.raises(CloudError) as caught:
        await inventory.regions(session("Regions", "Region", items))
    assert (caught.value.code, caught.value.request_id) == ("MalformedAnswer", "R-1")


@pytest.mark.parametrize(
    "items",
    [
        [{}],
        [{"SecurityGroupId": ""}],
        [{"SecurityGroupId": ["sg-1"]}],
        [{"SecurityGroupId": "*"}],
        [{"SecurityGroupId": "sg-1/../sg-2"}],
        [{"SecurityGroupId": "sg-1\x1b[2J"}],
        [None],
    ],
)
async def test_a_group_without_an_id_is_a_malformed_answer(items: list[Any]) -> None:
    """A group that cannot be asked for is not passed over: its region was not read in full."""
    listed = inventory.security_groups(session("SecurityGroups", "SecurityGroup", items), "cn-hangzhou")
    with pytest.raises(CloudError) as caught:
        await anext(listed)
    assert caught.value.code == "MalformedAnswer"


async def test_a_list_without_end_is_a_malformed_answer() -> None:
    """Fresh page tokens for ever are followed a thousand times, then the region is unreachable."""
    endless = Answering({"SecurityGroups": {"SecurityGroup": []}}, endless=True)
    with pytest.raises(CloudError, match="no end") as caught:
        async for _ in inventory.security_groups(cast("AccountSession", endless), "cn-hangzhou"):
            pass
    assert (caught.value.code, endless.calls) == ("MalformedAnswer", 1_000)


async def test_rules_without_end_are_a_malformed_answer() -> None:
    """The reading before a change ends, too."""
    endless = Answering({"Permissions": {"Permission": []}}, endless=True)
    calls = GroupCalls(endless, Place("1000000000000001", "cn-hangzhou", "sg-1"), "apply:1", lambda: None)
    with pytest.raises(CloudError, match="no end"):
        await calls.read()
    assert endless.calls == 1_000
