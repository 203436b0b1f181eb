"""What the function says: JSON lines on stdout, which Function Compute carries to Log Service.

An audit record's line is exactly the line that the command would write to audit.jsonl, so the lines of an invocation,
cut out of the log, can be verified in the same way. Every other line has "sgsweep" and the request id; one that needs a
person has "sgsweep_alarm", which the alarm looks for.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import datetime, timezone

import msgspec

from orchestrator.audit import AuditRecord, Chains, cut

_LINE_LIMIT = 30_000  # Function Compute cuts a line at 32 KB
_encode = msgspec.json.Encoder(order="sorted").encode


class Voice:
    """Says what happens in one invocation."""

    def __init__(self, request_id: str, write: Callable[[str], object] | None = None) -> None:
        self._request_id = request_id
        self._write = write or sys.stdout.write
        self._chains = Chains(f"function-{request_id}")

    def tell(self, what: str, /, **details: object) -> None:
        """Say that something happened."""
        self._say({"sgsweep": what, **details})

    def alarm(self, what: str, /, **details: object) -> None:
        """Say that a person is needed."""
        self._say({"sgsweep": what, "sgsweep_alarm": what, **details})

    def record(self, record: AuditRecord) -> None:
        """Say an audit record, sealed into this invocation's chain."""
        _, line = self._chains.seal(record)
        self._put(line.decode())

    def close(self) -> None:
        """Say how the audit records end, if there were any: what their manifest holds."""
        if self._chains.line:
            self._put(self._chains.manifest().decode())

    def _say(self, line: dict[str, object]) -> None:
        stamp = datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        text = _encode({"at": stamp, "request_id": self._request_id, **line}).decode()
        if len(text) > _LINE_LIMIT:
            text = _encode(
                {"sgsweep": line["sgsweep"], "request_id": self._request_id, "cut": cut(text)}
            ).decode()
        self._put(text + "\n")

    def _put(self, text: str) -> None:
        self._write(text)
        if self._write == sys.stdout.write:
            sys.stdout.flush()
