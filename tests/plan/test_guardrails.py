"""What a plan may hold: limits, what is protected, and whose pipeline owns a group."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.plan import PlanError, Settings, Totals, UnsafePlan, managed_as_code
from tests.plan.groups import decided, group, permission, planned


def tagged(*tags: tuple[str, str], name: str = "web") -> dict[str, Any]:
    """A listing with tags and a name."""
    items = [{"TagKey": key, "TagValue": value} for key, value in tags]
    return {"SecurityGroupName": name, "Tags": {"Tag": items}}


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"protected_accounts": ("1001",)}, "the account is protected (1001)"),
        ({"protected_accounts": ("sh*",)}, "the account is protected (sh*)"),
        ({"protected_groups": ("sg-1",)}, "the group is protected (sg-1)"),
        ({"protected_groups": ("we?",)}, "the group is protected (we?)"),
        ({}, "the group is protected by its tag (sgsweep=protected)"),
    ],
)
def test_what_is_protected_is_reported_and_never_changed(settings: dict[str, Any], reason: str) -> None:
    """By account, group or tag; the tag by default."""
    tags = () if settings else (("sgsweep", "protected"),)
    result = decided(group(permission(1), listing=tagged(*tags)), **settings)
    assert result.actions == ()
    assert result.skipped[0].reason == reason


def test_a_tag_of_another_value_protects_nothing() -> None:
    """Only what is named protects."""
    assert decided(group(permission(1), listing=tagged(("sgsweep", "no")))).actions


LIMITS: list[tuple[dict[str, Any], str]] = [
    ({"max_rules": 2}, "3 rules, max_rules is 2"),
    ({"max_groups": 1}, "2 groups, max_groups is 1"),
    ({"max_accounts": 0}, "1 accounts, max_accounts is 0"),
    ({"max_rules_per_account": 2}, "3 rules, max_rules_per_account in 1001 is 2"),
    ({"max_share_of_rules": 0.2}, "3 of 10 rules, max_share_of_rules is 0.2"),
    ({"max_share_of_groups": 0.25}, "2 of 4 groups, max_share_of_groups is 0.25"),
    ({"max_share_of_accounts": 0.4}, "1 of 2 accounts, max_share_of_accounts is 0.4"),
    ({"max_share_of_rules_per_account": 0.5}, "3 of 5 rules, max_share_of_rules_per_account in 1001 is 0.5"),
]


@pytest.mark.parametrize(("limit", "says"), LIMITS)
def test_a_plan_beyond_a_limit_is_refused_with_the_numbers(limit: dict[str, Any], says: str) -> None:
    """Each limit, a little too low; just enough passes."""
    groups = (
        group(permission(1), permission(2, Priority=2)),
        group(permission(3), listing={"SecurityGroupId": "sg-2"}),
    )
    totals = Totals(rules=10, groups=4, accounts=2, rules_by_account={"1001": 5, "1002": 5})
    with pytest.raises(UnsafePlan) as caught:
        planned(*groups, settings=Settings(**limit), totals=totals)
    assert says in str(caught.value)
    enough: dict[str, Any] = {key: 3 if isinstance(value, int) else 0.6 for key, value in limit.items()}
    assert len(planned(*groups, settings=Settings(**enough), totals=totals).actions) == 3


def test_all_limits_that_are_passed_are_named() -> None:
    """Whoever raises one need not find the next by trying."""
    with pytest.raises(UnsafePlan, match=r"1 rules, max_rules is 0; 1 groups, max_groups is 0"):
        planned(group(permission(1)), settings=Settings(max_rules=0, max_groups=0))


def test_an_account_of_which_nothing_was_read_may_not_be_changed() -> None:
    """All of it may change, but how much there is was not said of this account."""
    totals = Totals(rules=9, groups=9, accounts=9, rules_by_account={"1002": 9})
    with pytest.raises(UnsafePlan, match="1 of 0 rules, max_share_of_rules_per_account in 1001 is 1"):
        planned(group(permission(1)), settings=Settings(max_share_of_rules_per_account=1.0), totals=totals)


def test_a_relative_limit_without_totals_refuses_every_change() -> None:
    """What cannot be compared fails closed."""
    with pytest.raises(UnsafePlan, match="1 of 0 rules"):
        planned(group(permission(1)), settings=Settings(max_share_of_rules=0.9))
    assert planned(group(), settings=Settings(max_share_of_rules=0.9)).actions == ()


@pytest.mark.parametrize(
    ("listing", "tool"),
    [
        (tagged(("acs:ros:stackId", "s-1")), "ROS"),
        (tagged(("ack.aliyun.com", "c1")), "ACK"),
        (tagged(name="alicloud-cs-auto-created-security-group-c1"), "ACK"),
        (tagged(("ManagedBy", "Terraform")), "Terraform"),
        (tagged(name="tf-web"), "Terraform"),
    ],
)
def test_a_group_that_a_tool_makes_is_said_to_be(listing: dict[str, Any], tool: str) -> None:
    """It is changed all the same, and the note says that somebody's pipeline will put it back."""
    result = decided(group(permission(1), listing=listing))
    assert [note for note in result.actions[0].notes if tool in note]


def test_marks_are_configurable_and_each_tool_is_told_once() -> None:
    """Two marks of one tool make one note; one's own marks, in any case, are a pipeline's."""
    one = group(listing=tagged(("terraform", ""), ("owner", "terraform")))
    assert len(managed_as_code(one, Settings())) == 1
    own = group(listing=tagged(("Made-By", "pulumi")))
    assert managed_as_code(own, Settings()) == ()
    for marks in (
        {"code_names": ("WEB*",)},
        {"code_tags": ("made-by=PUL*",)},
        {"code_tags": ("none", "*-BY")},
    ):
        assert managed_as_code(own, Settings(**marks))[0].startswith("managed as code by a pipeline")
    assert managed_as_code(own, Settings(code_names=("WEB",), code_tags=("by",)))
    assert managed_as_code(own, Settings(code_names=("w",), code_tags=("by",))) == ()


def test_an_allow_list_entry_that_is_none_is_named() -> None:
    """Before anything is decided."""
    with pytest.raises(PlanError, match="narrow_to: 10\\.0\\.0/8 is no block"):
        Settings(narrow_to=("10.0.0/8",))


@pytest.mark.parametrize(
    "entries",
    [("0.0.0.0/0",), ("10.0.0.0/8", "::/0"), ("8.0.0.0/9", "8.128.0.0/9"), ("2400::/12",)],
)
def test_an_allow_list_that_holds_the_internet_is_refused(entries: tuple[str, ...]) -> None:
    """Narrowed to it, a finding would stay open: one block, or several together; private networks do not count."""
    with pytest.raises(PlanError, match=r"narrow_to: .* reach as much of the Internet as fails a check"):
        Settings(narrow_to=entries)
    narrow = ("10.0.0.0/8", "100.64.0.0/10", "8.0.0.0/9", "2400:3200::/32", "pl-office")
    assert Settings(narrow_to=narrow).narrow_to == narrow


@pytest.mark.parametrize(
    ("least", "smaller"),
    [("8.0.0.0/8", ("8.0.0.0/9", "9.0.0.0/10")), ("2400::/20", ("2400::/21", "2600::/22"))],
)
def test_as_much_of_the_internet_as_fails_a_check_is_too_much(least: str, smaller: tuple[str, ...]) -> None:
    """A /8 of IPv4, a /20 of IPv6 (the default thresholds); three quarters of it are not."""
    with pytest.raises(PlanError, match="reach as much of the Internet as fails a check"):
        Settings(narrow_to=(least,))
    assert Settings(narrow_to=smaller).narrow_to == smaller


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"max_rules": -1}, "max_rules is -1; limits must not be negative"),
        ({"max_share_of_accounts": -0.1}, "max_share_of_accounts is -0.1"),
        ({"rules_per_group": 0}, "rules_per_group is 0; give 1 or more"),
        ({"returned_limit": 0}, "returned_limit is 0; give 1 or more"),
    ],
)
def test_a_setting_that_cannot_be_meant_is_named(wrong: dict[str, Any], says: str) -> None:
    """Where it is made, whoever makes it."""
    with pytest.raises(PlanError) as caught:
        Settings(**wrong)
    assert says in str(caught.value)
