"""The seal of a run folder's record, as it is on disk: the manifest, and the signatures beside it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

from orchestrator.approval import Signature
from orchestrator.audit import AuditError, parse_manifest
from orchestrator.journal import MANIFEST, Untrusted, read_trusted
from orchestrator.report import Record
from orchestrator.run.refusals import UsageError

SIGNATURES = "manifest.sig"


def signatures(folder: Path) -> list[Signature | str]:
    """Return the record's signatures; what is none of ours may be one of an sgsweep of old.

    Raises:
        UsageError: they cannot be read.
    """
    try:
        lines = read_trusted(folder / SIGNATURES).splitlines()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise UsageError(f"{folder / SIGNATURES} cannot be read: {error.strerror}") from None
    found: list[Signature | str] = []
    for line in lines:
        try:
            found.append(msgspec.json.decode(line, type=Signature))
        except (msgspec.MsgspecError, ValueError):
            found.append(line.decode(errors="replace"))
    return found


def record(folder: Path) -> Record | None:
    """Return what can be told of the record without checking it; None where there is none yet."""
    try:
        sealed = read_trusted(folder / MANIFEST)
        manifest = parse_manifest(sealed)
        kept = signatures(folder)
    except FileNotFoundError:
        return None
    except (OSError, AuditError, Untrusted, UsageError) as error:
        return Record(problem=str(error))
    return Record(
        entries=manifest.count,
        chains=len(manifest.heads),
        digest=hashlib.sha256(sealed).hexdigest(),
        signatures=tuple(kept),
    )
