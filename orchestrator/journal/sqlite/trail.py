"""`audit.jsonl` and `manifest.json`: the journal's audit records as files, which follow the journal."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from orchestrator.audit import AuditError, AuditRecord, Chains, Head, parse_manifest
from orchestrator.files import replaced
from orchestrator.journal.errors import TrailBroken, explained
from orchestrator.journal.sqlite.writer import Followers
from orchestrator.journal.trust import open_trusted, read_trusted

AUDIT = "audit.jsonl"
MANIFEST = "manifest.json"


class TrailWriter(Followers):
    """Seals audit records into the journal, and has the files follow each commit.

    A record is in the journal first. A crash leaves the file behind, never ahead: opening the run appends
    what is missing. What the file says otherwise was not written by us, and is kept as it is.
    """

    def __init__(self, folder: Path, run_id: str, db: sqlite3.Connection) -> None:
        self._audit = folder / AUDIT
        self._manifest = folder / MANIFEST
        self._run_id = run_id
        self._chains = _chains(db, run_id)
        self._pending: list[tuple[int, bytes]] = []
        self._stale = False
        with explained(self._audit):
            self._fd = os.open(self._audit, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            self._size = self._reconcile(db)
            self._check_manifest(db)
            self.seal()
        except BaseException:
            os.close(self._fd)
            raise

    def record(self, db: sqlite3.Connection, record: AuditRecord) -> None:
        """Give the record its place, and add it to the transaction under way."""
        sealed, line = self._chains.seal(record)
        db.execute(
            "INSERT INTO audit VALUES (?, ?, ?, ?, ?)",
            (sealed.line, sealed.account_id, sealed.seq, sealed.hash, line),
        )
        self._pending.append((sealed.line, line))

    def undo(self, db: sqlite3.Connection) -> None:
        """Go back to the records that `db` still holds."""
        last = db.execute("SELECT coalesce(max(line), 0) FROM audit").fetchone()[0]
        if last != self._chains.line:
            self._chains = _chains(db, self._run_id)
            self._pending = [(line, text) for line, text in self._pending if line <= last]

    def committed(self) -> None:
        """Append the committed records to the file. What the disk refuses stays pending."""
        if not self._pending:
            return
        data = b"".join(line for _, line in self._pending)
        with explained(self._audit):
            try:
                _write_all(self._fd, data, self._size)
            except OSError:
                os.ftruncate(self._fd, self._size)  # never half a line before the next one
                raise
        self._size += len(data)
        self._pending.clear()
        self._stale = True

    def idle(self) -> None:
        """Bring the manifest up to date; never ahead of the file, which may lack what the disk refused."""
        if self._stale and not self._pending:
            self.seal()

    def seal(self) -> None:
        """Put the manifest of all records in place of the old one, both files on disk."""
        with explained(self._manifest):
            os.fsync(self._fd)
            with replaced(self._manifest) as file:
                file.write(self._chains.manifest())
        self._stale = False

    def close(self) -> None:
        """Write what is pending, seal, close."""
        try:
            self.committed()
            self.seal()
        finally:
            os.close(self._fd)

    def _reconcile(self, db: sqlite3.Connection) -> int:
        """Compare the file with the journal, append what it lacks, and return its size."""
        offset = 0
        with explained(self._audit), open_trusted(self._audit) as file:
            for number, line in _lines(db):
                found = file.readline(len(line) + 1)
                if found != line:
                    # Only at the very end may a line be short: that is where a crash interrupts the writing.
                    if not line.startswith(found) or file.read(1):
                        raise TrailBroken(self._audit, number, "is not what the journal has written")
                    # The file is on disk before the manifest counts its lines.
                    if number <= self._sealed_lines():
                        raise TrailBroken(self._audit, number, "is gone, though the manifest counts it")
                    os.ftruncate(self._fd, offset)
                    return self._append(db, number, offset)
                offset += len(line)
            if file.read(1):
                raise TrailBroken(self._audit, self._chains.line + 1, "was never written by the journal")
        return offset

    def _sealed_lines(self) -> int:
        """Return how many lines the manifest counts; 0 where there is none to be read, which is told later."""
        try:
            return parse_manifest(read_trusted(self._manifest)).count
        except (OSError, AuditError):
            return 0

    def _append(self, db: sqlite3.Connection, first: int, offset: int) -> int:
        for _, line in _lines(db, first):
            _write_all(self._fd, line, offset)
            offset += len(line)
        return offset

    def _check_manifest(self, db: sqlite3.Connection) -> None:
        """Accept a manifest of an earlier moment of this run only."""
        if not self._manifest.exists():
            if self._chains.line:
                raise TrailBroken(self._manifest, 0, "is gone")
            return
        with explained(self._manifest):
            data = read_trusted(self._manifest)
        try:
            manifest = parse_manifest(data)
        except AuditError as error:
            raise TrailBroken(self._manifest, 0, f"is damaged ({error})") from error
        known = "SELECT 1 FROM audit WHERE account_id = ? AND seq = ? AND hash = ?"
        if (
            manifest.run_id != self._run_id
            or manifest.count > self._chains.line
            or not all(
                db.execute(known, (account_id, head.seq, head.hash)).fetchone()
                for account_id, head in manifest.heads.items()
            )
        ):
            raise TrailBroken(self._manifest, 0, "does not belong to this journal")


def _write_all(fd: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(fd, view, offset)
        view = view[written:]
        offset += written


def _lines(db: sqlite3.Connection, first: int = 1) -> Iterator[tuple[int, bytes]]:
    yield from db.execute("SELECT line, body FROM audit WHERE line >= ? ORDER BY line", (first,))


def _chains(db: sqlite3.Connection, run_id: str) -> Chains:
    # SQLite takes the bare column from the row that holds the maximum.
    heads = {
        account_id: Head(seq, digest)
        for account_id, seq, digest in db.execute(
            "SELECT account_id, max(seq), hash FROM audit GROUP BY account_id"
        )
    }
    last = db.execute("SELECT coalesce(max(line), 0) FROM audit").fetchone()[0]
    return Chains(run_id, heads, last)
