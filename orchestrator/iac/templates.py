"""A ROS template's text as data, with the line of everything in it: JSON, or YAML with ROS's short tags.

YAML is read node by node and never by its own constructors: a tag that is not one of ROS's functions is refused, and so
is what only takes room (aliases of aliases, deep nesting).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from orchestrator.iac.values import IacError

_MOST_BYTES = 1 << 20  # ROS takes 512 KB (CreateStack: TemplateBody)
_MOST_NODES = 200_000
_MOST_DEPTH = 60

_KINDS = frozenset({"map", "seq", "str", "null", "bool", "int", "float", "timestamp"})

Step = str | int
At = tuple[Step, ...]
"""The way down to a value."""

SHORT_TAGS = {
    "!Ref": "Ref",
    "!Condition": "Condition",
    **{
        f"!{name}": f"Fn::{name}"
        for name in (
            "GetAtt", "Join", "Sub", "FindInMap", "If", "Equals", "And", "Or", "Not", "Select", "Split", "Base64Encode",
            "Base64Decode", "Base64", "Replace", "Length", "Jq", "MergeMapToList", "ListMerge", "GetJsonValue", "Avg",
            "Str", "SelectMapList", "Add", "Calculate", "GetAZs", "GetStackOutput", "ResourceFacade", "Any", "Contains",
            "Min", "Max", "Index", "MemberListToMap", "FormatTime", "MarketplaceImage", "EachMemberIn", "MatchPattern",
            "Cidr", "Indent", "TransformNameSpace",
        )
    },
}  # fmt: skip
"""ROS's functions as YAML writes them in short; those that cannot be evaluated here are read all the same."""


class AmbiguousScalar(str):
    """A scalar that readers of YAML take differently, as it is written: `010`, `1:30`."""

    __slots__ = ()


class TextPart(NamedTuple):
    """Where a value stands in the text: with its key, where it has one; and whether commas part it from the next."""

    start: int
    end: int
    key: tuple[int, int] | None
    is_flow: bool


class Text(NamedTuple):
    """A template's text as data: what it says, in which line each value begins, and where each stands.

    Of JSON that is indented by tabs it is not known where a value stands.
    """

    data: dict[str, Any]
    lines: Mapping[At, int]
    text: str = ""
    parts: Mapping[At, TextPart] = {}


def read_text(path: Path, content: bytes) -> Text:
    """Read a template that is written in YAML, of which JSON is a part.

    Raises:
        IacError: it is too large, or no YAML as ROS has it.
    """
    _refuse_large(path, content)
    builder, data = _yaml(path, content)
    if not isinstance(data, dict):
        raise IacError(
            f"{path}: is neither JSON nor a YAML mapping: it is neither a plan, nor a state, nor a template"
        )
    return Text(data, builder.lines, content.decode("utf-8-sig"), builder.parts)


def json_text(path: Path, content: bytes, data: dict[str, Any]) -> Text:
    """The same for JSON that was parsed already; of its lines those of the resources.

    Raises:
        IacError: it is larger than a template can be.
    """
    _refuse_large(path, content)
    text = content.decode("utf-8-sig")
    try:
        builder, _ = _yaml(path, content)
    except IacError:  # a tab, which YAML has no indentation by: then lines and places are not known
        return Text(data, {}, text)
    return Text(data, builder.lines, text, builder.parts)


def _refuse_large(path: Path, content: bytes) -> None:
    if len(content) > _MOST_BYTES:
        raise IacError(
            f"{path}: is larger than {_MOST_BYTES >> 10} KiB, and ROS takes no template of that size"
        )


def _yaml(path: Path, content: bytes) -> tuple[_Builder, Any]:
    try:
        text = content.decode("utf-8-sig")
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except UnicodeDecodeError as error:
        raise IacError(f"{path}: is not UTF-8 at byte {error.start}") from None
    except RecursionError:
        raise IacError(f"{path}: is nested too deeply to be a template") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark is not None else ""
        raise IacError(f"{path}: is not YAML{where}: {getattr(error, 'problem', None) or error}") from None
    if node is None:
        raise IacError(f"{path}: is empty")
    builder = _Builder(path)
    return builder, builder.value(node, ())


class _Builder:
    """Builds data of YAML nodes, each counted as often as it is used."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._left = _MOST_NODES
        self.lines: dict[At, int] = {}
        self.parts: dict[At, TextPart] = {}

    def value(self, node: Node, at: At) -> Any:  # noqa: ANN401 (whatever the document holds)
        self._left -= 1
        if self._left < 0 or len(at) > _MOST_DEPTH:
            raise self._error(node, "holds more than a template can, or is nested too deeply")
        self.lines[at] = node.start_mark.line + 1
        if node.tag in SHORT_TAGS:
            return self._function(node, at)
        if node.tag.startswith("!") or node.tag.rpartition(":")[2] not in _KINDS:
            raise self._error(node, f"the tag {node.tag[:40]!r} is none of ROS's functions")
        return self._plain(node, at)

    def _function(self, node: Node, at: At) -> dict[str, Any]:
        name = SHORT_TAGS[node.tag]
        given = node.value if isinstance(node.value, str) else self._plain(node, at)
        if name == "Fn::GetAtt" and isinstance(given, str):
            given = given.split(".", 1)
        return {name: given}

    def _plain(self, node: Node, at: At) -> Any:  # noqa: ANN401 (the same)
        if isinstance(node, MappingNode):
            return self._mapping(node, at)
        if isinstance(node, SequenceNode):
            for index, one in enumerate(node.value):
                self.parts[*at, index] = TextPart(
                    one.start_mark.index, one.end_mark.index, None, bool(node.flow_style)
                )
            return [self.value(one, (*at, index)) for index, one in enumerate(node.value)]
        return self._scalar(node)

    def _mapping(self, node: MappingNode, at: At) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in node.value:
            name = key.value
            if not isinstance(name, str) or key.tag.startswith("!") or key.tag == "tag:yaml.org,2002:merge":
                raise self._error(
                    key, "a key that is no plain text: merge keys and keys of lists are not read here"
                )
            if name in found:
                raise self._error(key, f"the key {name[:60]!r} stands twice in one mapping")
            found[name] = self.value(value, (*at, name))
            self.lines[*at, name] = key.start_mark.line + 1
            span = (key.start_mark.index, key.end_mark.index)
            self.parts[*at, name] = TextPart(
                value.start_mark.index, value.end_mark.index, span, bool(node.flow_style)
            )
        return found

    def _scalar(self, node: ScalarNode) -> Any:  # noqa: ANN401 (the same)
        text, kind = node.value, node.tag.rpartition(":")[2]
        if kind == "null":
            return None
        if kind == "bool":
            return text.lower() in {"true", "yes", "on"}
        if kind == "int":
            return int(text) if re.fullmatch(r"-?(0|[1-9][0-9]{0,17})", text) else AmbiguousScalar(text)
        if kind == "float":
            return float(text) if re.fullmatch(r"-?[0-9]+\.[0-9]+", text) else AmbiguousScalar(text)
        return text

    def _error(self, node: Node, what: str) -> IacError:
        return IacError(f"{self._path}: line {node.start_mark.line + 1}: {what}")
