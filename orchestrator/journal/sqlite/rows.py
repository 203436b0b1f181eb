# ruff: noqa: A002 - `type` is what msgspec calls it
"""What all nouns of the journal stand on: rows of the file to read, operations to write, and whose turn it is."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from orchestrator.exposure import ports_from_json
from orchestrator.journal.errors import Fenced, JournalCorrupt, explained
from orchestrator.journal.sqlite import file
from orchestrator.journal.sqlite.trail import TrailWriter
from orchestrator.journal.sqlite.writer import Writer
from orchestrator.journal.values import Claim

T = TypeVar("T")

GROUP = "account_id = ? AND region_id = ? AND security_group_id = ?"


class Rows:
    """The file, to read.

    The iterators see what was committed when they began, each through a connection of its own.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._path = folder / file.NAME
        self._reading = file.connect_to_read(folder)

    def _rows(self, sql: str, given: tuple[object, ...] = ()) -> Iterator[tuple[Any, ...]]:
        with closing(file.connect_to_read(self.folder)) as db, explained(self._path):
            yield from db.execute(sql, given)

    def _one(self, sql: str, given: tuple[object, ...] = ()) -> tuple[Any, ...] | None:
        with explained(self._path):
            found: tuple[Any, ...] | None = self._reading.execute(sql, given).fetchone()
        return found

    def _decode(self, body: bytes, type: type[T]) -> T:
        try:
            return msgspec.json.decode(body, type=type, dec_hook=ports_from_json)
        except msgspec.DecodeError as error:
            raise self._damaged(error) from error

    def _damaged(self, error: Exception) -> JournalCorrupt:
        return JournalCorrupt(f"{self._path} is damaged ({error}): restore it or scan anew")


class Operations:
    """The file, to write: each operation of the writer is durable when it returns."""

    _writer: Writer
    _trail: TrailWriter


def check_claim(db: sqlite3.Connection, claim: Claim) -> None:
    """Refuse to write under a claim that was taken over.

    Raises:
        Fenced: it was.
    """
    found = db.execute(
        "SELECT fence FROM job WHERE job = ? AND account_id = ?", (claim.job, claim.account_id)
    ).fetchone()
    if found is None or found[0] != claim.fence:
        raise Fenced(f"account {claim.account_id} was taken over by another worker ({claim.job})")
