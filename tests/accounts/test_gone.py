"""When a group counts as gone, which is not the same as not read."""

import pytest

from accounts import is_group_gone


@pytest.mark.parametrize(
    ("code", "gone"),
    [
        ("InvalidSecurityGroupId.NotFound", True),
        ("InvalidRegionId.NotFound", False),
        ("InvalidSecurityGroupId.Malformed", False),
        ("NotFound", False),
        ("404", False),
        ("", False),
    ],
)
def test_only_the_groups_own_code_says_that_it_is_gone(code: str, gone: bool) -> None:  # noqa: FBT001
    """Another 404, such as a gateway's or a region's, leaves the group unread: it is not told as gone."""
    assert is_group_gone(code) is gone
