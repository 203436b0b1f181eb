"""The house itself: one name means one thing, a module's or a class's."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HOUSE = ("accounts", "matching", "orchestrator")
# The cloud's own nouns, once as the rooms read them and once as the emulator, which shares no code, has them; and what
# each room has of its own under the name that every codebase uses for it.
SAME_MEANING = {
    "ApiError", "Account", "Balancer", "FlowLog", "Interface", "NetworkAcl", "PrefixList", "ResourceCenter", "Rule",
    "Settings",
}  # fmt: skip
# A module's name may stand in several rooms where it means the same in each: the room's values, its errors.
ORDINARY = {"__init__", "errors", "paging", "settings", "values"}
# One feature, one word, on each floor that has a part of it: what it does (run), how it looks on the screen (cli).
FLOORS = {
    "checking",
    "comparing",
    "diffing",
    "doctor",
    "headline",
    "interfaces",
    "notifying",
    "progress",
    "trend",
}
# The addresses of packets, and those of a Terraform resource: both are what their field calls them.
# An owner's name for a finding: of a group in the cloud, and of a line of code.
HOMONYMS = {"addresses", "owning"}


def modules() -> Iterator[Path]:
    """Every module of the house."""
    for room in HOUSE:
        yield from (ROOT / room).rglob("*.py")


def public_classes(source: str) -> list[str]:
    """The public classes that a module defines at its top."""
    return [
        one.name
        for one in ast.parse(source).body
        if isinstance(one, ast.ClassDef) and not one.name.startswith("_")
    ]


def twins(named: dict[str, list[str]], allowed: set[str]) -> dict[str, list[str]]:
    """The names that stand for several things, and where; without those that may."""
    return {name: places for name, places in named.items() if len(places) > 1 and name not in allowed}


def test_a_public_class_name_means_one_thing() -> None:
    """No public class name stands twice in the house, but for the nouns of the cloud that the emulator has, too."""
    named = defaultdict(list)
    for path in modules():
        for name in public_classes(path.read_text("utf-8")):
            named[name].append(str(path.relative_to(ROOT)))
    assert len(named) > 300
    assert twins(named, SAME_MEANING) == {}
    assert {name for name, places in named.items() if len(places) > 1} == SAME_MEANING


def test_a_module_name_means_one_thing() -> None:
    """No module name stands twice in the rooms, but where a reason stands above; the emulator is a house of its own."""
    named = defaultdict(list)
    for path in modules():
        if "emulator" not in path.parts:
            named[path.stem].append(str(path.relative_to(ROOT)))
    allowed = ORDINARY | FLOORS | HOMONYMS
    assert twins(named, allowed) == {}
    assert sorted(twins(named, set())) == sorted(allowed)


@pytest.mark.parametrize("source", ["class A: ...\n", "@dataclass\nclass A(B): ...\n"])
def test_a_twin_would_be_found(source: str) -> None:
    """Two files with a class of one name are told, with both places."""
    named = {name: ["a.py", "b.py"] for name in public_classes(source)}
    assert twins(named, set()) == {"A": ["a.py", "b.py"]}


def test_tests_mirror_the_rooms() -> None:
    """Each room has a folder of tests of its name; what concerns a single module at the top has one file."""
    rooms = {one.name for one in (ROOT / "orchestrator").iterdir() if (one / "__init__.py").is_file()}
    rooms |= {"accounts", "matching", "terraform"}
    folders = {one.name for one in (ROOT / "tests").iterdir() if (one / "__init__.py").is_file()}
    assert folders == rooms
