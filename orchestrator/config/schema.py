"""The JSON Schema of the configuration, made from the values that it is decoded into: for editors and for review."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from accounts.settings import RESOURCE_DIRECTORY_MASTER, RESOURCE_MANAGER, SOURCES
from orchestrator.cloud.settings import NETWORKS, SITES
from orchestrator.config import NO_KEYS, File
from orchestrator.policy import Check, Exemption

_DAY_OR_MOMENT = {
    "anyOf": [
        {"type": "string", "format": "date"},
        {"type": "string", "format": "date-time", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ]"},
    ]
}
# As a file spells what the code has as values of their own.
_SPELLED: Mapping[str, dict[str, Any]] = {
    "PortRange": {
        "title": "Port",
        "description": '"tcp/22", "udp/11211", "tcp/6000-6010"; 22 alone means tcp.',
        "anyOf": [{"type": "string", "minLength": 1}, {"type": "integer", "minimum": 1, "maximum": 65535}],
    },
    "Cidr": {"title": "Cidr", "description": "A block of addresses.", "type": "string", "minLength": 1},
}
# Texts of which the rooms take some words only.
_WORDS: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("OrganizationSettings", "source"): SOURCES,
    ("OrganizationSettings", "api"): (RESOURCE_MANAGER, RESOURCE_DIRECTORY_MASTER),
    ("CloudSettings", "site"): SITES,
    ("CloudSettings", "network"): NETWORKS,
}


def schema() -> dict[str, Any]:
    """Return the schema of config.toml (JSON Schema 2020-12), its tables and keys under top-level `properties`.

    What a room refuses beyond types, such as a share above 1, is not in it: `sgsweep config check` tells that.
    """
    types = (File, Check, Exemption)
    (whole, check, exemption), parts = msgspec.json.schema_components(types, ref_template="#/$defs/{name}")
    parts.update({name: spelled for name, spelled in _SPELLED.items() if name in parts})
    file = parts.pop(whole["$ref"].rpartition("/")[2])
    file["properties"]["checks"] = {"type": "array", "items": check, "minItems": 1}
    file["properties"]["exemptions"] = {"type": "array", "items": exemption}
    _as_written(parts[exemption["$ref"].rpartition("/")[2]])
    for table, key, _ in NO_KEYS:
        reference = file["properties"][table]
        parts[_name_of(reference)]["properties"].pop(key)
    _describe(file, File)
    for part, of in _structs(parts):
        _describe(part, of)
    for one in file["properties"].values():
        one.pop("default", None)  # of a table: its keys have their own
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "sgsweep configuration",
        "description": "config.toml of sgsweep. An unknown key is an error.",
        "type": "object",
        "additionalProperties": False,
        "properties": file["properties"],
        "$defs": dict(sorted(_reachable(file["properties"], parts).items())),
    }


def _as_written(exemption: dict[str, Any]) -> None:
    """Let the schema of a waiver take what a file may say: a value alone in place of a list, a day, no id."""
    exemption["required"] = [key for key in exemption["required"] if key != "id"]
    exemption["properties"]["expires"] = {**_DAY_OR_MOMENT}
    for key, given in exemption["properties"].items():
        if given.get("type") == "array":
            of = given["items"]
            listed = {"type": "array", "items": of, "minItems": 1}
            exemption["properties"][key] = {"anyOf": [of, listed]}


def _name_of(reference: Mapping[str, Any]) -> str:
    """Return the part that a property refers to, with a default beside it or without."""
    found = reference.get("$ref") or reference["allOf"][0]["$ref"]
    return str(found).rpartition("/")[2]


def _structs(parts: Mapping[str, dict[str, Any]]) -> list[tuple[dict[str, Any], type[msgspec.Struct]]]:
    """Return the parts that are tables, each with the value that it becomes."""
    kinds: dict[str, type[msgspec.Struct]] = {}
    waiting: list[Any] = [File, Check, Exemption]
    while waiting:
        one = waiting.pop()
        if isinstance(one, type) and issubclass(one, msgspec.Struct):
            if one.__name__ not in kinds:
                kinds[one.__name__] = one
                waiting += [field.type for field in msgspec.structs.fields(one)]
        else:
            waiting += getattr(one, "__args__", ())
    return [(part, kinds[name]) for name, part in parts.items() if name in kinds and "properties" in part]


def _describe(part: dict[str, Any], of: type[msgspec.Struct]) -> None:
    """Give each key the meaning that the docstring of its value says, and the table the first sentence."""
    part["description"] = (inspect.getdoc(of) or "").partition("\n")[0]
    meanings = _attributes(of)
    for key, given in part["properties"].items():
        told = _without_null(given)
        if key in meanings:
            told["description"] = meanings[key]
        if words := _WORDS.get((of.__name__, key)):
            told["enum"] = list(words)
        part["properties"][key] = told


def _attributes(of: type[msgspec.Struct]) -> dict[str, str]:
    """Return what the docstrings of a value and of those it extends say of each key: "name, name: meaning."."""
    found: dict[str, str] = {}
    known = "|".join(of.__struct_fields__)
    begins = re.compile(rf"(?:^ *|(?<=[.:] ))((?:{known})(?:, (?:{known}))*): ", re.MULTILINE)
    for one in reversed(of.__mro__):
        if not issubclass(one, msgspec.Struct) or one is msgspec.Struct:
            continue
        _, *told = begins.split(inspect.cleandoc(one.__doc__ or ""))
        for names, text in zip(told[::2], told[1::2], strict=True):
            meaning = " ".join(text.partition("\n\n")[0].split())
            found.update(dict.fromkeys(names.split(", "), meaning))
    return found


def _without_null(given: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a key that may be left out: TOML has no null."""
    if given.get("default", "") is None:
        given = {key: value for key, value in given.items() if key != "default"}
    left = [one for one in given.get("anyOf", ()) if one != {"type": "null"}]
    if len(left) == 1:
        return {**left[0], **{key: value for key, value in given.items() if key != "anyOf"}}
    return given


def _reachable(properties: Mapping[str, Any], parts: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """Return the parts that something refers to."""
    found: dict[str, Any] = {}
    waiting = [properties]
    while waiting:
        for name in re.findall(r"#/\$defs/(\w+)", msgspec.json.encode(waiting.pop()).decode()):
            if name not in found:
                found[name] = parts[name]
                waiting.append(parts[name])
    return found
