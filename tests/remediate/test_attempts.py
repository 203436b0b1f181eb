"""Calls for several targets: which attempt a call is, and which refusals are worth dividing it for."""

from __future__ import annotations

import pytest

from orchestrator.cloud.errors import ApiError, CloudError, Denied, NotFound, Throttled, Unavailable
from orchestrator.remediate.attempts import Attempts, is_about_the_request

_REFUSED = ApiError(code="InvalidParam.PortRange", message="no", action="AuthorizeSecurityGroup")
_LOST = Unavailable(code="ConnectionReset", message="gone", action="AuthorizeSecurityGroup")


async def test_a_call_that_was_answered_is_another_attempt_and_one_that_was_lost_is_the_same() -> None:
    """The attempt is part of the ClientToken: what got no answer must be the same request, what got one must not."""
    attempts = Attempts()
    asked: list[int] = []
    ends: list[CloudError | str] = [_LOST, _LOST, _REFUSED, _LOST, "R-1", "R-2", "", _LOST]

    async def call(attempt: int) -> str:
        asked.append(attempt)
        end = ends[len(asked) - 1]
        if isinstance(end, CloudError):
            raise end
        return end

    told = [await attempts.make(["k"], ("add", "one"), call) for _ in ends]
    assert asked == [0, 0, 0, 1, 1, 2, 3, 4]
    assert told == [_LOST, _LOST, _REFUSED, _LOST, None, None, None, _LOST]
    assert attempts.request_ids == {"k": "R-2"}
    asked.clear()
    await attempts.make(["k"], ("add", "another"), call)
    assert asked == [0]


@pytest.mark.parametrize(
    "code",
    [
        "InvalidOperation.ResourceManagedByCloudProduct",
        "InvalidSecurityGroupId.NotFound",
        "InvalidRegionId.NotFound",
        "InvalidAction.NotFound",
        "UnsupportedHTTPMethod",
        "VPCDisabled",
    ],
)
def test_what_is_refused_for_its_group_is_not_divided(code: str) -> None:
    """No part of it would be taken: these codes are about the group, the region or the call (ECS error table)."""
    for kind in (ApiError, NotFound):
        assert not is_about_the_request(kind(code=code, message="no", action="RevokeSecurityGroup"))


def test_what_is_refused_for_a_rule_is_divided() -> None:
    """A change that was refused for what it holds; not a reading, nor for who asks or when, nor a rule that is gone."""
    assert is_about_the_request(_REFUSED)
    for action in ("ModifySecurityGroupRule", "RevokeSecurityGroupEgress"):
        assert is_about_the_request(
            NotFound(code="InvalidPrefixListId.NotFound", message="no", action=action)
        )
    gone = NotFound(code="InvalidSecurityGroupRule.RuleNotExist", message="no", action="RevokeSecurityGroup")
    read = ApiError(code="InvalidParam.PortRange", message="no", action="DescribeSecurityGroupAttribute")
    others = [
        kind(code="x", message="no", action="RevokeSecurityGroup")
        for kind in (Denied, Throttled, Unavailable)
    ]
    assert not any(map(is_about_the_request, [gone, read, *others]))
