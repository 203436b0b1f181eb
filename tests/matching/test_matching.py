"""What a value of a filter, an exemption, a protection or a mark of code means."""

from __future__ import annotations

import pytest

from matching import named, tagged, untagged, within

IDS, PATH = ("r-1", "fd-prod", "fd-web"), "Root/Prod/Web [old]"
TAGS = (("team", "net"), ("note", ""))


@pytest.mark.parametrize(
    ("values", "first"),
    [
        (("sg-1",), "sg-1"),
        (("web-shop",), "web-shop"),
        (("db", "web-*", "*"), "web-*"),
        (("web-sho?", "web-shop"), "web-sho?"),
        (("[vw]eb-shop",), "[vw]eb-shop"),
        (("WEB-*",), ""),
        (("sg-?",), "sg-?"),
        (("web",), ""),
        (("",), ""),
        ((), ""),
    ],
)
def test_an_account_or_group_is_meant_by_its_id_or_name_or_by_a_pattern_of_either(
    values: tuple[str, ...], first: str
) -> None:
    """The first value that fits is told."""
    assert named(values, "sg-1", "web-shop") == first


@pytest.mark.parametrize(("value", "fits"), [("sg-*", False), ("sg-1", True), ("web-*", True), ("*", True)])
def test_where_ids_stand_in_full_no_pattern_fits_one(value: str, fits: bool) -> None:  # noqa: FBT001 - a table
    """In an exemption `sg-*` means the groups that people called so, never every group there is."""
    assert bool(named([value], "sg-1", "web-shop", in_full=True)) == fits


@pytest.mark.parametrize(
    ("asked", "missing"),
    [
        ((), ""),
        (("team",), ""),
        (("team=net", "team=web"), ""),
        (("team=web", "team=db"), "team"),
        (("team=net", "env=prod"), "env"),
        (("env=prod", "team=net"), "env"),
        (("team=n*", "note"), ""),
        (("note=", "team"), ""),
    ],
)
def test_of_one_tag_any_value_of_different_tags_all(asked: tuple[str, ...], missing: str) -> None:
    """The values of one key are alternatives, different keys must all match; the first that does not is told."""
    assert untagged(asked, TAGS) == missing


def test_what_has_no_name_is_meant_by_its_id_and_by_any_name() -> None:
    """A group may have none; "*" protects it all the same, an empty value means nothing."""
    assert named(("*",), "sg-1", "") == "*"
    assert named(("sg-1",), "sg-1", "") == "sg-1"
    assert named(("", "w*"), "sg-1", "") == ""
    assert named(("",), "", "") == ""


@pytest.mark.parametrize(
    "folder",
    ["r-1", "fd-prod", "fd-web", "Root", "Root/Prod", "Root/Prod/", "/Prod", "Prod", "P*", "Root/Prod/Web [old]",
     "Prod/Web*", "*/Web [[]old]", "Root/*/Web*"],
)  # fmt: skip
def test_a_folder_is_meant_by_id_or_path_with_what_lies_below(folder: str) -> None:
    """With the root or without it, and by a pattern; a name that looks like a pattern is meant by itself, too."""
    assert within(["fd-none", folder], IDS, PATH) == folder


@pytest.mark.parametrize(
    "folder", ["fd-*", "Pro", "Web*", "prod", "Prod/Web", "Root/Prod/Web [old]/Shop", "", "/"]
)
def test_another_folder_is_not_meant(folder: str) -> None:
    """Half a name, a folder's name without those above it, and what lies below."""
    assert within([folder], IDS, PATH) == ""


def test_an_account_in_no_folder_is_in_none() -> None:
    """As the management account is: not even any folder holds it."""
    assert within(["*", "Root", ""], (), "") == ""


@pytest.mark.parametrize(
    "tag", ["team", "team=net", "te*", "*=net", "team=n?t", "t*=[mn]et", "note=", "note=*"]
)
def test_a_tag_is_meant_by_key_or_by_key_and_value(tag: str) -> None:
    """Patterns in both; a key alone is any value."""
    assert tagged(["none", tag], TAGS) == tag


@pytest.mark.parametrize("tag", ["Team", "team=", "team=db", "net", "tea", "=net", "", "note=x"])
def test_another_tag_is_not_meant(tag: str) -> None:
    """Another key, another value, another case."""
    assert tagged([tag], TAGS) == ""
    assert tagged([tag], ()) == ""
