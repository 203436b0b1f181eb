"""The functions of a ROS template, as far as its own text and its parameters decide them.

What only the stack knows (an attribute of a resource, a function of another kind, a parameter without a value) is
`Later`, with the reason; what names a resource of the template is a `Link`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from orchestrator.iac.templates import AmbiguousScalar

_MOST_DEPTH = 60
_MOST_STEPS = 200_000  # a few lines can ask for more than any machine has
_LONGEST_TEXT = 10_000
_PLACEHOLDER = re.compile(r"\$\{(!?)([^{}]+)\}")
_ID_ATTRIBUTES = frozenset({"", "SecurityGroupId", "PrefixListId"})


class Later(NamedTuple):
    """A value that is not known before the stack is made, and why."""

    why: str


class Link(NamedTuple):
    """The id that a resource of the template will have."""

    name: str


class _Absent:
    """What `Ref: ALIYUN::NoValue` leaves out."""


ABSENT = _Absent()


class Functions:
    """Evaluates values of one template."""

    def __init__(self, data: Mapping[str, Any], given: Mapping[str, str | Later]) -> None:
        """Take the template, and the values of parameters that were given."""
        self._parameters = _parameters(data.get("Parameters"), given)
        self._mappings = _mapping(data.get("Mappings"))
        self._conditions = _mapping(data.get("Conditions"))
        self._locals = _mapping(data.get("Locals"))
        self._resources = _mapping(data.get("Resources"))
        self._left = _MOST_STEPS
        self.index: int | None = None
        """Of the resource that is read, where its Count makes several."""

    def value(self, value: object, depth: int = 0) -> Any:  # noqa: ANN401 (whatever a template holds)
        """The value with its functions evaluated."""
        self._left -= 1
        if depth > _MOST_DEPTH or self._left < 0:
            return Later("the template's functions are too many, or nested too deeply, to be evaluated")
        if isinstance(value, AmbiguousScalar):
            return Later(f"is written as {value}, which readers of YAML take differently: put it in quotes")
        if isinstance(value, list):
            items = [self.value(one, depth + 1) for one in value]
            return [one for one in items if one is not ABSENT]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            name, argument = next(iter(value.items()))
            if name == "Ref" or name.startswith("Fn::") or name == "Condition":
                return self._call(name, argument, depth + 1)
        items_of = {key: self.value(one, depth + 1) for key, one in value.items()}
        return {key: one for key, one in items_of.items() if one is not ABSENT}

    def holds(self, condition: object, depth: int = 0) -> bool | Later:
        """Whether a condition holds, by its name or as it stands."""
        if isinstance(condition, str):
            if condition not in self._conditions:
                return Later(f"condition {condition[:60]} is none of the template's")
            condition = self._conditions[condition]
        found = self.value(condition, depth + 1)
        if isinstance(found, bool | Later):
            return found
        if isinstance(found, str) and found.lower() in {"true", "false"}:
            return found.lower() == "true"
        return Later("a condition that is neither true nor false")

    def _call(self, name: str, argument: object, depth: int) -> Any:  # noqa: ANN401 (the same)
        if name == "Ref":
            return self._ref(argument, depth)
        if name == "Condition":
            return self.holds(argument, depth)
        known = _CALLS.get(name)
        found = None if known is None else known(self, argument, depth)
        if found is None:
            return Later(f"{name} cannot be evaluated here")
        return found

    def _ref(self, name: object, depth: int) -> Any:  # noqa: ANN401 (the same; it may name so many things)
        if not isinstance(name, str):
            return Later("a Ref that names nothing")
        if name == "ALIYUN::NoValue":
            return ABSENT
        if name == "ALIYUN::Index" and self.index is not None:
            return self.index
        if name in self._parameters:
            return self._parameters[name]
        if name in self._locals:
            return self._local(name, depth)
        return (
            Link(name)
            if name in self._resources
            else Later(f"{name[:60]} is not known before the stack is made")
        )

    def _local(self, name: str, depth: int) -> Any:  # noqa: ANN401 (the same)
        local = self._locals[name]
        if isinstance(local, dict) and local.get("Type", "Value") == "Value" and "Value" in local:
            return self.value(local["Value"], depth)
        return Later(f"the local value {name[:60]} is not known")

    def get_att(self, argument: object, _depth: int) -> Any:  # noqa: ANN401 (the same)
        """`Fn::GetAtt`: of what has no other attribute that matters, its id."""
        parts = argument.split(".", 1) if isinstance(argument, str) else argument
        if not isinstance(parts, list) or len(parts) != 2 or not all(isinstance(one, str) for one in parts):
            return None
        if parts[0] in self._resources and parts[1] in _ID_ATTRIBUTES:
            return Link(parts[0])
        return Later(f"Fn::GetAtt {parts[0]}.{parts[1]} is not known before the stack is made")

    def join(self, argument: object, depth: int) -> Any:  # noqa: ANN401 (the same)
        """`Fn::Join`."""
        found = self.value(argument, depth)
        if not isinstance(found, list) or len(found) != 2 or not isinstance(found[1], list):
            return _first_later(found)
        return _first_later(found[1]) or _short(str(found[0]).join(map(_plain, found[1])))

    def sub(self, argument: object, depth: int) -> Any:  # noqa: ANN401 (the same)
        """`Fn::Sub`."""
        text, own = argument, {}
        if isinstance(argument, list) and len(argument) == 2 and isinstance(argument[1], dict):
            text, own = argument
        if not isinstance(text, str):
            return None
        later: list[Later] = []

        def one(found: re.Match[str]) -> str:
            if found[1]:
                return f"${{{found[2]}}}"
            name = found[2].strip()
            value = self.value(own[name], depth) if name in own else self._named(name, depth)
            if isinstance(value, Later | Link) or value is ABSENT or isinstance(value, list | dict):
                later.append(
                    value if isinstance(value, Later) else Later(f"Fn::Sub of {name[:60]} is not known here")
                )
                return ""
            return _plain(value)

        done = _PLACEHOLDER.sub(one, text)
        return later[0] if later else _short(done)

    def _named(self, name: str, depth: int) -> Any:  # noqa: ANN401 (the same)
        return self.get_att(name, depth) if "." in name else self._ref(name, depth)

    def find_in_map(self, argument: object, depth: int) -> Any:  # noqa: ANN401 (the same)
        """`Fn::FindInMap`."""
        keys = self.value(argument, depth)
        if not isinstance(keys, list) or len(keys) != 3 or _first_later(keys) is not None:
            return _first_later(keys)
        found: Any = self._mappings
        for key in keys:
            if not isinstance(found, dict) or _plain(key) not in found:
                return Later(f"Fn::FindInMap finds no {_plain(key)[:60]}")
            found = found[_plain(key)]
        return self.value(found, depth)

    def if_(self, argument: object, depth: int) -> Any:  # noqa: ANN401 (the same)
        """`Fn::If`: only the side that is taken is evaluated."""
        if not isinstance(argument, list) or len(argument) not in {2, 3}:
            return None
        holds = self.holds(argument[0], depth)
        if isinstance(holds, Later):
            return Later(f"Fn::If: {holds.why}")
        if not holds and len(argument) == 2:
            return ABSENT
        return self.value(argument[1] if holds else argument[2], depth)

    def select(self, argument: object, depth: int) -> Any:  # noqa: ANN401 (the same)
        """`Fn::Select` of a list or a map, by a number or a key; of the resources of one Count, the id of one."""
        if not isinstance(argument, list) or len(argument) not in {2, 3}:
            return None
        index, items = self.value(argument[0], depth), self.value(argument[1], depth)
        if later := _first_later([index, items]):
            return later
        if isinstance(items, Link) and _plain(index).isdecimal():
            return Link(f"{items.name}[{_plain(index)}]")
        if isinstance(items, dict) and _plain(index) in items:
            return items[_plain(index)]
        if isinstance(items, list) and _plain(index).isdecimal() and int(_plain(index)) < len(items):
            return items[int(_plain(index))]
        return self.value(argument[2], depth) if len(argument) == 3 else None

    def split(self, argument: object, depth: int) -> Any:  # noqa: ANN401 (the same)
        """`Fn::Split`."""
        found = self.value(argument, depth)
        if not isinstance(found, list) or len(found) != 2 or not all(isinstance(one, str) for one in found):
            return _first_later(found)
        return found[1].split(found[0]) if found[0] else None

    def equals(self, argument: object, depth: int) -> Any:  # noqa: ANN401 (the same)
        """`Fn::Equals`."""
        found = self.value(argument, depth)
        if not isinstance(found, list) or len(found) != 2:
            return None
        return _first_later(found) or _plain(found[0]) == _plain(found[1])

    def not_(self, argument: object, depth: int) -> Any:  # noqa: ANN401 (the same)
        """`Fn::Not`."""
        items = argument if isinstance(argument, list) else [argument]
        holds = self.holds(items[0], depth) if len(items) == 1 else None
        return holds if holds is None or isinstance(holds, Later) else not holds

    def and_(self, argument: object, depth: int) -> Any:  # noqa: ANN401 (the same)
        """`Fn::And`: one that does not hold decides, whatever the others are."""
        return self._all(argument, depth, decides=False)

    def or_(self, argument: object, depth: int) -> Any:  # noqa: ANN401 (the same)
        """`Fn::Or`: one that holds decides."""
        return self._all(argument, depth, decides=True)

    def _all(self, argument: object, depth: int, *, decides: bool) -> bool | Later | None:
        if not isinstance(argument, list) or not argument:
            return None
        found = [self.holds(one, depth) for one in argument]
        if decides in found:
            return decides
        return next((one for one in found if isinstance(one, Later)), not decides)


_CALLS: dict[str, Callable[[Functions, object, int], Any]] = {
    "Fn::GetAtt": Functions.get_att,
    "Fn::Join": Functions.join,
    "Fn::Sub": Functions.sub,
    "Fn::FindInMap": Functions.find_in_map,
    "Fn::If": Functions.if_,
    "Fn::Select": Functions.select,
    "Fn::Split": Functions.split,
    "Fn::Equals": Functions.equals,
    "Fn::Not": Functions.not_,
    "Fn::And": Functions.and_,
    "Fn::Or": Functions.or_,
}


def _parameters(declared: object, given: Mapping[str, str | Later]) -> dict[str, Any]:
    """Each parameter's value: the one given, else its default, else that it has none."""
    found: dict[str, Any] = {}
    for name, parameter in _mapping(declared).items():
        one = parameter if isinstance(parameter, dict) else {}
        kind = str(one.get("Type", "String"))
        if name in given:
            found[name] = _typed(kind, given[name])
        elif one.get("Default") is None:
            found[name] = Later(f"parameter {name} has no default: give it with --parameter {name}=VALUE")
        else:
            found[name] = _typed(kind, one["Default"])
    return found


def _typed(kind: str, value: Any) -> Any:  # noqa: ANN401 (whatever a template holds)
    if isinstance(value, AmbiguousScalar):
        return Later(f"is written as {value}, which readers of YAML take differently: put it in quotes")
    if kind == "CommaDelimitedList" and isinstance(value, str):
        return [one.strip() for one in value.split(",")]
    if kind == "Json" and isinstance(value, str):
        try:
            return json.loads(value)
        except ValueError:
            return Later("is no JSON, as its parameter must be")
    return value


def _short(text: str) -> str | Later:
    return text if len(text) <= _LONGEST_TEXT else Later("is longer than any value that a rule has")


def _first_later(value: object) -> Later | None:
    items = value if isinstance(value, list) else [value]
    for one in items:
        if isinstance(one, Later):
            return one
        if isinstance(one, Link):
            return Later(f"the id of {one.name} is not known before the stack is made")
    return None


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
