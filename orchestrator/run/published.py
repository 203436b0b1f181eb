"""The JSON Schema of `report --format json`, made from the values that are written: docs/report.schema.json is this."""

from __future__ import annotations

import inspect
from typing import Any

import msgspec

from accounts import Unreachable
from orchestrator.exposure import PortSet
from orchestrator.journal import Outcome
from orchestrator.policy import Finding
from orchestrator.run.folder import Summary


def report_schema() -> dict[str, Any]:
    """Return the schema (JSON Schema 2020-12) of a whole report, and of a part of one.

    A key more may come in a later version, so unknown ones are no error; one that is here does not go.
    """
    types = (Summary, _written(Finding), Unreachable, Outcome)
    made, parts = msgspec.json.schema_components(types, ref_template="#/$defs/{name}", schema_hook=_spelled)
    summary, finding, unreachable, outcome = made
    for part in parts.values():
        if "description" in part:  # indented as in the source, but not on every Python
            part["description"] = inspect.cleandoc(part["description"])
    whole = parts[_name_of(summary)]
    whole["properties"]["part"] = {
        "description": "What the report was narrowed to; of the whole run there is no such key.",
        "type": "object",
        "additionalProperties": {"type": "array", "items": {"type": "string"}},
    }
    # a part counts what is its own, and these are counted of the whole only
    whole["required"] = [key for key in whole["required"] if key not in _OF_THE_WHOLE]
    notes = {
        "type": "array",
        "items": {"type": "object", "properties": {"notes": {"type": "array", "items": {"type": "string"}}}},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "sgsweep report",
        "description": "What `sgsweep report DIR --format json` prints.",
        "type": "object",
        "required": ["summary", "findings", "unreachable", "outcomes"],
        "properties": {
            "summary": summary,
            "not_covered": {"type": "string", "description": "What the report says nothing about."},
            "findings": {"type": "array", "items": finding},
            "unreachable": {"type": "array", "items": unreachable},
            "outcomes": {"type": "array", "items": outcome},
            "plan_notes": notes,
        },
        "$defs": dict(sorted(parts.items())),
    }


def _written(kind: type[msgspec.Struct]) -> type[msgspec.Struct]:
    """Return the value as it is written: with every key, also where it is its default (which msgspec cannot spell)."""
    fields = [(field.encode_name, field.type) for field in msgspec.structs.fields(kind)]
    return msgspec.defstruct(kind.__name__, fields)


_OF_THE_WHOLE = ("regions", "account_regions", "security_groups", "rules")


def _name_of(reference: dict[str, Any]) -> str:
    return str(reference["$ref"]).rpartition("/")[2]


def _spelled(kind: type) -> dict[str, Any]:
    """Return how a report spells what msgspec does not know.

    Raises:
        NotImplementedError: there is no such value in a report.
    """
    if kind is object:
        return {"description": "Any JSON value, as the API gave it."}
    if kind is PortSet:
        return {
            "type": "array",
            "items": {"type": "string"},
            "description": "Ports: tcp/22, udp/6000-6010, icmp.",
        }
    raise NotImplementedError(kind)


if __name__ == "__main__":
    import sys

    encoded = msgspec.json.format(msgspec.json.encode(report_schema()), indent=2)
    sys.stdout.buffer.write(encoded + b"\n")  # noqa: TID251 - a tool of whoever changes the report
