"""What the function says: JSON lines on stdout, which Function Compute carries to Log Service.

An audit record's line is exactly the line that the command would write to audit.jsonl; of one that is longer than a
line of the log may be, the hash is said, and where the ledger has it. Every other line has "sgsweep" and the request
id; one that needs a person has "sgsweep_alarm", which the alarm looks for.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from datetime import datetime, timezone

import msgspec

from orchestrator.audit import cut

_LINE_LIMIT = 30_000  # bytes; Function Compute cuts a line at 32 KB
_encode = msgspec.json.Encoder(order="sorted").encode


class Voice:
    """Says what happens in one invocation."""

    def __init__(self, request_id: str, write: Callable[[str], object] | None = None) -> None:
        self._request_id = request_id
        self._write = write or sys.stdout.write

    def tell(self, what: str, /, **details: object) -> None:
        """Say that something happened."""
        self._say({"sgsweep": what, **details})

    def alarm(self, what: str, /, **details: object) -> None:
        """Say that a person is needed."""
        self._say({"sgsweep": what, "sgsweep_alarm": what, **details})

    def audit(self, line: bytes, kept: str) -> None:
        """Say the line of a sealed audit record, or of their manifest; of a longer one its hash.

        Args:
            line: as audit.jsonl has it.
            kept: the object of the ledger that holds it; empty if none could be written.
        """
        if len(line) <= _LINE_LIMIT:
            self._put(line.decode())
        else:
            digest = hashlib.sha256(line).hexdigest()
            self.tell("audit record in the ledger", bytes=len(line), sha256=digest, kept=kept)

    def _say(self, line: dict[str, object]) -> None:
        stamp = datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        text = _encode({"at": stamp, "request_id": self._request_id, **line})
        if len(text) > _LINE_LIMIT:
            # the alarm looks for its own word, however long the rest is
            kept = {key: line[key] for key in ("sgsweep", "sgsweep_alarm") if key in line}
            text = _encode({**kept, "request_id": self._request_id, "cut": cut(text.decode())})
        self._put(text.decode() + "\n")

    def _put(self, text: str) -> None:
        self._write(text)
        if self._write == sys.stdout.write:
            sys.stdout.flush()
