"""Terraform's addresses: `module.net["a"].alicloud_security_group.web[0]`, taken apart and put together."""

from __future__ import annotations

import json
import re
from typing import NamedTuple

Path = tuple[tuple[str, str], ...]
"""Module calls from the root down, each with its key as it is written in an address ("" for none)."""

_KEY = r'\[(?:\d+|"(?:[^"\\]|\\.)*")\]'
_STEP = re.compile(rf"module\.([^.\[\"]+)({_KEY})?(?:\.|$)")
_MODULE = re.compile(rf"(?:module\.[^.\[\"]+(?:{_KEY})?\.)+")
_REFERENCE = re.compile(rf"([A-Za-z_][\w-]*)\.([A-Za-z_][\w-]*)({_KEY})?(?:\.(.+))?")


class Reference(NamedTuple):
    """`kind.name[key].attribute`, as an expression of a configuration names it."""

    kind: str
    name: str
    key: str
    attribute: str


class Named(NamedTuple):
    """A resource, whatever its key."""

    path: Path
    kind: str
    name: str

    def at(self, key: str) -> str:
        """The address of the one with this key."""
        return f"{_prefix(self.path)}{self.kind}.{self.name}{key}"


def path_of(module_address: str) -> Path:
    """The module calls of an address of a module, `module.a.module.b["x"]`."""
    return tuple([(name, key) for name, key in _STEP.findall(module_address)])


def key_text(index: int | str | None) -> str:
    """The key of an instance, as an address writes it."""
    if index is None:
        return ""
    return f"[{index}]" if isinstance(index, int) else f"[{json.dumps(index, ensure_ascii=False)}]"


def parse_reference(text: str) -> Reference | None:
    """The parts of a reference; None for what is none."""
    found = _REFERENCE.fullmatch(text)
    if found is None:
        return None
    kind, name, key, attribute = found.groups()
    return Reference(kind, name, key or "", attribute or "")


def parse_address(text: str) -> tuple[Named, str] | None:
    """A resource and the key of its instance; None for what is no address of a managed resource."""
    module, resource = "", text
    found = _MODULE.match(text)
    if found:
        module, resource = found[0], text[found.end() :]
    reference = parse_reference(resource)
    if reference is None or reference.attribute:
        return None
    return Named(path_of(module), reference.kind, reference.name), reference.key


def _prefix(path: Path) -> str:
    return "".join([f"module.{name}{key}." for name, key in path])
