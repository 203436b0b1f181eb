"""Who owns a group: the first place that says so, told with that place."""

from __future__ import annotations

import msgspec
import pytest

from orchestrator.policy import Owner, OwnerEntry, Owners, PolicyError, owner_of, parse_owners
from orchestrator.securitygroup import Placement, SecurityGroup, parse_group

PLACE = Placement(
    "1001", "pay-prod", "Root/Prod", ("r-1", "fd-prod"), tags=(("owner", "account-team"), ("env", "prod"))
)


def group(placement: Placement = PLACE, **tags: str) -> SecurityGroup:
    """A group with these tags."""
    listing = {
        "SecurityGroupId": "sg-1",
        "SecurityGroupName": "web",
        "Tags": {"Tag": [{"TagKey": key, "TagValue": value} for key, value in tags.items()]},
    }
    return parse_group(placement, "cn-hangzhou", listing, {}, ())


OWNERS = Owners(tags=("owner", "team"), entries=(OwnerEntry("mapped", account=("pay-*",)),))
VPC = (("team", "network"), ("env", "prod"))
INSTANCES = ((("owner", "b"),), (("owner", "a"),), (("owner", "b"), ("team", "x")))


def test_the_first_place_that_says_so_wins() -> None:
    """Group, instances, VPC, account, mapping, the account's name, its id: each only where none before it says it."""
    bare = msgspec.structs.replace(PLACE, tags=())
    nameless = Placement("1001")
    for found, expected in (
        (owner_of(OWNERS, group(owner="own"), INSTANCES), Owner("own", "the group's tag owner")),
        (owner_of(OWNERS, group(team="own"), INSTANCES), Owner("own", "the group's tag team")),
        (owner_of(OWNERS, group(), INSTANCES), Owner("b", "the tag of its instances, owner")),
        (owner_of(OWNERS, group(), INSTANCES, VPC), Owner("b", "the tag of its instances, owner")),
        (owner_of(OWNERS, group(), vpc=VPC), Owner("network", "the tag of its VPC, team")),
        (owner_of(OWNERS, group()), Owner("account-team", "the account's tag owner")),
        (owner_of(OWNERS, group(bare)), Owner("mapped", "the mapping")),
        (owner_of(Owners(), group()), Owner("pay-prod", "the account's name")),
        (owner_of(OWNERS, group(nameless)), Owner("1001", "the account's id")),
    ):
        assert found == expected


def test_a_tag_without_a_value_says_nothing_and_keys_are_taken_in_order() -> None:
    """The first key of the configuration wins within one place; capitals count."""
    assert owner_of(OWNERS, group(owner=" ", team="t")).name == "t"
    assert owner_of(OWNERS, group(owner="o", team="t")).name == "o"
    assert owner_of(OWNERS, group(Owner="o")).taken_from == "the account's tag owner"
    tie = ((("owner", "b"),), (("owner", "a"),))
    assert owner_of(OWNERS, group(), tie).name == "a"


@pytest.mark.parametrize(
    ("entry", "matches"),
    [
        ({"account": "1001"}, True),
        ({"account": ["x", "pay-prod"]}, True),
        ({"folder": "Prod"}, True),
        ({"folder": "Test"}, False),
        ({"account_tag": "env=prod"}, True),
        ({"region": "cn-*", "group": "web"}, True),
        ({"region": "eu-west-1", "group": "web"}, False),
        ({"account": "1001", "group": "sg-2"}, False),
    ],
)
def test_an_entry_of_the_mapping_matches_by_all_that_it_says(entry: dict[str, object], matches: bool) -> None:  # noqa: FBT001
    """As everywhere: the values of a key are alternatives, different keys must all fit."""
    entries = parse_owners([{"owner": "mapped", **entry}], "owners.toml")
    assert (owner_of(Owners(entries=entries), group()).taken_from == "the mapping") is matches


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        ("x", "must be a list of tables"),
        ([5], "owner 1: is not a table"),
        ([{"account": "1"}], "owner 1: Object missing required field `owner`"),
        ([{"owner": " ", "account": "1"}], "owner is empty"),
        ([{"owner": "o"}], "matches everything"),
        ([{"owner": "o", "acount": "1"}], "acount"),
        ([{"owner": "o", "account": 1001}], "account"),
    ],
)
def test_what_is_wrong_in_a_mapping_is_named(tables: object, said: str) -> None:
    """By file, number and key."""
    with pytest.raises(PolicyError, match=said) as caught:
        parse_owners(tables, "owners.toml")
    assert str(caught.value).startswith("owners.toml: ")
