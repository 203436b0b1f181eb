"""Answers that are none: each makes its account or region unreachable, and none ends the sweep."""

from __future__ import annotations

from typing import Any, cast

import pytest

from accounts import Unreachable
from orchestrator import inventory
from orchestrator.cloud.client import AccountSession
from orchestrator.cloud.errors import CloudError
from orchestrator.securitygroup import Placement


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
    with pytest.raises(CloudError, match="no end"):
        await reader(endless).rules("sg-1")
    assert endless.calls == 1_000


class Cloud:
    """A session that answers by action, and by card for the rules; a missing action is an error."""

    account_id = "1000000000000001"

    def __init__(
        self, listed: list[dict[str, Any]], rules: list[Any], intranet: list[Any] | None = None
    ) -> None:
        self._listed = listed
        self._cards = {"": rules, "intranet": intranet or []}
        self.asked: list[str] = []

    async def call(self, action: str, _: str | None, parameters: Any, **__: Any) -> dict[str, Any]:
        """Answer."""
        self.asked.append(action)
        if action == "DescribeSecurityGroups":
            return {"SecurityGroups": {"SecurityGroup": self._listed}, "RequestId": "R-1"}
        rules = self._cards[parameters.get("NicType", "")]
        vpc_id = self._listed[0]["VpcId"] if self._listed else "vpc-1"
        about = {"SecurityGroupId": "sg-1", "VpcId": vpc_id, "RequestId": "R-2"}
        return {"Permissions": {"Permission": rules}, **about}


def reader(there: Any) -> inventory.RegionReader:
    """The reader over a session."""
    return inventory.RegionReader(there, Placement("1000000000000001"), "cn-hangzhou")


def group(count: object, vpc_id: str = "vpc-1") -> dict[str, Any]:
    """An item of DescribeSecurityGroups."""
    counted = {} if count is None else {"RuleCount": count}
    return {"SecurityGroupId": "sg-1", "VpcId": vpc_id, **counted}


def outcome(found: inventory.Seen) -> str:
    """How a look turned out."""
    if isinstance(found, inventory.InPart):
        return found.missing.code
    return found.code if isinstance(found, Unreachable) else "read"


async def every_look(there: Cloud, listing: dict[str, Any]) -> list[str]:
    """How the group turns out for the scan, for the function and verification, and for a change."""
    found = [outcome(await reader(there).read(listing)), outcome(await reader(there).reread("sg-1"))]
    try:
        await reader(there).whole_rules("sg-1")
    except CloudError as error:
        return [*found, error.code]
    return [*found, "read"]


RULES = [{"SecurityGroupRuleId": f"sgr-{n}"} for n in range(9)]


@pytest.mark.parametrize(
    ("count", "vpc_id", "given", "intranet", "ends"),
    [
        (5, "vpc-1", 0, 0, "CountMismatch"),
        ("5", "vpc-1", 0, 0, "CountMismatch"),
        ("many", "vpc-1", 0, 0, "CountMismatch"),
        (5.0, "vpc-1", 0, 0, "CountMismatch"),
        ([5], "vpc-1", 0, 0, "CountMismatch"),
        ("9" * 5000, "vpc-1", 0, 0, "CountMismatch"),
        (True, "vpc-1", 0, 0, "CountMismatch"),
        (2, "vpc-1", 1, 0, "CountMismatch"),
        ("2", "vpc-1", 1, 0, "CountMismatch"),
        (2, "vpc-1", 2, 0, "read"),
        ("2", "vpc-1", 2, 0, "read"),
        (2, "vpc-1", 3, 0, "read"),
        (5, "", 0, 5, "read"),
        ("5", "", 2, 3, "read"),
        (5, "", 0, 4, "CountMismatch"),
        (5, "", 2, 2, "CountMismatch"),
        (0, "vpc-1", 0, 0, "read"),
        ("0", "vpc-1", 0, 0, "read"),
        (None, "vpc-1", 0, 0, "read"),
        (None, "vpc-1", 1, 0, "read"),
    ],
)
async def test_fewer_rules_than_counted_are_believed_by_nobody(
    count: object, vpc_id: str, given: int, intranet: int, ends: str
) -> None:
    """What the listing counts, as a number or in digits, over both cards, must be given, whoever looks at the group."""
    listing = group(count, vpc_id)
    there = Cloud([listing], RULES[:given], RULES[-intranet:] if intranet else [])
    assert await every_look(there, listing) == [ends] * 3


async def test_what_was_given_of_a_group_is_kept_beside_what_is_missing() -> None:
    """The rules that came are there to be judged and told, with the reason why they are not all."""
    found = await reader(Cloud([group(3)], RULES[:1])).read(group(3))
    assert isinstance(found, inventory.InPart)
    assert [rule["SecurityGroupRuleId"] for rule in found.seen.permissions] == ["sgr-0"]
    assert found.missing.message == "the group counts 3 rules, but 1 was given"
    assert (found.missing.security_group_id, found.missing.request_id) == ("sg-1", "R-2")


async def test_a_rule_that_went_in_between_is_no_mismatch() -> None:
    """Both are asked for once more: a count that was old by the time the rules were read proves nothing."""
    there = Cloud([group(1)], RULES[:1])
    assert outcome(await reader(there).read(group(2))) == "read"
    assert there.asked == [
        "DescribeSecurityGroupAttribute", "DescribeSecurityGroups", "DescribeSecurityGroupAttribute"
    ]  # fmt: skip


async def test_a_page_that_came_twice_does_not_stand_in_for_one_that_did_not() -> None:
    """Rules are counted by their ids, each once."""
    found = await reader(Cloud([group(2)], [RULES[0], RULES[0]])).read(group(2))
    assert isinstance(found, inventory.InPart)
    assert len(found.seen.permissions) == 1


async def test_counts_are_ignored_where_that_is_configured() -> None:
    """`[cloud] rule_count = "ignore"`: what is given is all there is."""
    there = inventory.RegionReader(
        cast("Any", Cloud([group(3)], RULES[:1])), Placement("1"), "cn-hangzhou", check_counts=False
    )
    assert outcome(await there.read(group(3))) == "read"
    assert len((await there.whole_rules("sg-1")).permissions) == 1


async def test_a_group_without_rules_is_not_asked_for_them() -> None:
    """A count of none spares the call, as a number or in digits."""
    for count in (0, "0"):
        there = Cloud([group(count)], [])
        await reader(there).read(group(count))
        assert there.asked == []


async def test_a_group_that_is_not_listed_is_not_gone_while_its_rules_can_be_read() -> None:
    """An empty listing, as a missing right can give, is a contradiction: nobody takes the group for deleted."""
    for rules in ([], RULES[:1]):
        there = Cloud([], rules)
        found = await reader(there).reread("sg-1")
        assert isinstance(found, Unreachable)
        assert (found.code, found.security_group_id) == ("MalformedAnswer", "sg-1")
    with pytest.raises(CloudError, match="not listed"):
        await reader(Cloud([], [])).rules("sg-1")


async def test_a_group_with_rules_is_read_in_one_call() -> None:
    """A change looks at it once; it lists it only where it seems empty."""
    there = Cloud([group(1)], RULES[:1])
    await reader(there).rules("sg-1")
    await reader(there).read(group(1))
    assert there.asked == ["DescribeSecurityGroupAttribute"] * 2


async def test_an_empty_list_of_regions_is_no_account_without_regions() -> None:
    """It is asked for once more; then the account is unreachable, not clean."""
    there = Answering({"Regions": {"Region": []}, "RequestId": "R-1"})
    with pytest.raises(CloudError) as caught:
        await inventory.regions(cast("AccountSession", there))
    assert (caught.value.code, there.calls) == ("CountMismatch", 2)


@pytest.mark.parametrize(("total", "calls"), [(3, 2), ("3", 2), (2, 1), (1, 1), (None, 1), ("?", 1)])
async def test_a_list_that_counts_more_than_it_gives_is_asked_for_once_more(
    total: object, calls: int
) -> None:
    """Fewer groups than TotalCount says, without a page token, are not the whole list."""
    listed = [{"SecurityGroupId": one} for one in ("sg-1", "sg-2")]
    there = Answering({"SecurityGroups": {"SecurityGroup": listed}, "TotalCount": total})
    found: list[str] = []

    async def read() -> None:
        async for page in inventory.security_groups(cast("AccountSession", there), "cn-hangzhou"):
            found.extend(one["SecurityGroupId"] for one in page)

    if calls == 1:
        await read()
    else:
        with pytest.raises(CloudError) as caught:
            await read()
        assert caught.value.code == "CountMismatch"
    assert (found, there.calls) == (["sg-1", "sg-2"], calls)


@pytest.mark.parametrize(
    "answer",
    [
        {"RegionId": "cn-beijing"},
        {"SecurityGroupId": "sg-2"},
        {"SecurityGroupId": "*"},
        {"SecurityGroupId": ["sg-1"]},
    ],
)
async def test_an_answer_about_something_else_is_refused(answer: dict[str, Any]) -> None:
    """Rules of another group, or of another region, are not this group's."""
    there = Answering({"Permissions": {"Permission": RULES[:1]}, "RequestId": "R-1", **answer})
    with pytest.raises(CloudError, match="answered about") as caught:
        await reader(there).rules("sg-1")
    assert (caught.value.code, caught.value.request_id) == ("MalformedAnswer", "R-1")


async def test_a_group_that_is_listed_twice_is_yielded_once() -> None:
    """On one page and over two; the list is not believed to be whole."""
    listed = [{"SecurityGroupId": "sg-1"}, {"SecurityGroupId": "sg-1"}]
    there = Answering({"SecurityGroups": {"SecurityGroup": listed}})
    found: list[str] = []

    async def read() -> None:
        async for page in inventory.security_groups(cast("AccountSession", there), "cn-hangzhou"):
            found.extend(one["SecurityGroupId"] for one in page)

    with pytest.raises(CloudError, match="came twice"):
        await read()
    assert found == ["sg-1"]
