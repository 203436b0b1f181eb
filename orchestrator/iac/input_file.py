"""A file as data: bounded, and told apart by what it says it is."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from orchestrator.iac.values import IacError

MOST_BYTES = 256 << 20  # a plan of some hundred thousand resources; what is larger is none
_TERRAFORM_SOURCE = (".tf", ".hcl", ".tofu")


def read_bytes(path: Path) -> bytes:
    """Read a file that was named on the command line.

    Raises:
        IacError: it is a folder, is larger than any plan, or is empty.
        OSError: it cannot be read; it names the path.
    """
    if path.is_dir():
        raise IacError(
            f"{path} is a folder: name the file. Of Terraform, `terraform show -json PLAN > plan.json` writes it"
        )
    with path.open("rb") as file:
        is_large = os.fstat(file.fileno()).st_size > MOST_BYTES
        content = b"" if is_large else file.read(MOST_BYTES + 1)  # a pipe has no size
    if is_large or len(content) > MOST_BYTES:
        raise IacError(f"{path}: is larger than {MOST_BYTES >> 20} MiB: no plan is, so it was not read")
    if not content.strip():
        raise IacError(f"{path}: is empty")
    return content


def parse(path: Path, content: bytes) -> dict[str, Any]:
    """Parse a JSON file whose top level is an object.

    Raises:
        IacError: it is something else; the text says what it looks like, and what to give instead.
    """
    if content.startswith(b"PK\x03\x04"):
        raise IacError(
            f"{path}: is a plan as Terraform keeps it: give what `terraform show -json {path}` writes"
        )
    if path.suffix in _TERRAFORM_SOURCE:
        raise IacError(
            f"{path}: is Terraform source, whose values only Terraform knows: give what `terraform show -json PLAN` "
            "writes"
        )
    try:
        data = json.loads(content.decode("utf-8-sig"), object_pairs_hook=_distinct)
    except UnicodeDecodeError as error:
        raise IacError(f"{path}: is not UTF-8 at byte {error.start}") from None
    except RecursionError:
        raise IacError(f"{path}: is nested too deeply to be a plan or a template") from None
    except ValueError as error:
        raise IacError(f"{path}: {_why_not_json(content, error)}") from None
    if not isinstance(data, dict):
        raise IacError(f"{path}: is JSON, but no object: it is neither a plan, nor a state, nor a template")
    return data


def looks_like_yaml(path: Path, content: bytes) -> bool:
    """Whether a file is to be read as YAML: it is named so, or it is no JSON object and no file of Terraform's."""
    if path.suffix in {".yml", ".yaml"}:
        return True
    is_other = path.suffix in {".json", *_TERRAFORM_SOURCE} or content.startswith(b"PK\x03\x04")
    return not is_other and not content.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"{", b"["))


def _why_not_json(content: bytes, error: ValueError) -> str:
    if content.startswith(b'{"@level"'):
        return (
            "is what `terraform plan -json` says while it works: write the plan with `terraform plan -out PLAN`, and "
            "give what `terraform show -json PLAN` writes"
        )
    return f"is not JSON: {error}"


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; one key twice would hide what one of them says."""
    found = dict(pairs)
    if len(found) != len(pairs):
        twice = next(key for key, _ in pairs if sum(1 for other, _ in pairs if other == key) > 1)
        raise ValueError(f"the key {twice[:60]!r} stands twice in one object")
    return found
