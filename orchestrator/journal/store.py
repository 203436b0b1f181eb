"""The SQLite file: its schema, how it is made and opened, and the lock that keeps a second process out."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import stat
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from typing_extensions import Self

from orchestrator.journal.errors import (
    JournalCorrupt,
    JournalError,
    JournalExists,
    JournalMissing,
    RunInUse,
    explained,
)

NAME = "journal.sqlite"
_LOCK = "journal.lock"
_APPLICATION_ID = 0x53475357  # "SGSW": tells our file from any other SQLite file
_VERSION = 1
_OLDEST_SQLITE = (3, 35, 0)  # RETURNING

_SCHEMA = """
CREATE TABLE fact (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE account (account_id TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE skipped (account_id TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE job (
    job TEXT, account_id TEXT, fence INTEGER NOT NULL, state TEXT NOT NULL, PRIMARY KEY (job, account_id)
) WITHOUT ROWID;
CREATE TABLE region (
    account_id TEXT, region_id TEXT, counts BLOB NOT NULL, PRIMARY KEY (account_id, region_id)
) WITHOUT ROWID;
CREATE TABLE security_group (
    account_id TEXT, region_id TEXT, security_group_id TEXT, fence INTEGER NOT NULL,
    listing_digest TEXT NOT NULL, digest TEXT NOT NULL, rules INTEGER NOT NULL, observed BLOB,
    PRIMARY KEY (account_id, region_id, security_group_id)
);
CREATE TABLE finding (
    id INTEGER PRIMARY KEY, account_id TEXT, region_id TEXT, security_group_id TEXT, rule_id TEXT,
    body BLOB NOT NULL
);
CREATE INDEX finding_group ON finding (account_id, region_id, security_group_id);
CREATE INDEX finding_rule ON finding (rule_id);
CREATE TABLE unreachable (
    account_id TEXT, region_id TEXT, security_group_id TEXT, body BLOB NOT NULL,
    PRIMARY KEY (account_id, region_id, security_group_id)
) WITHOUT ROWID;
CREATE TABLE rate (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE effect (
    job TEXT, account_id TEXT, region_id TEXT, security_group_id TEXT, key TEXT, rule_id TEXT NOT NULL,
    body BLOB, outcome BLOB, intended INTEGER NOT NULL,
    PRIMARY KEY (job, account_id, region_id, security_group_id, key)
);
CREATE TABLE audit (
    line INTEGER PRIMARY KEY, account_id TEXT NOT NULL, seq INTEGER NOT NULL, hash TEXT NOT NULL,
    body BLOB NOT NULL
);
CREATE UNIQUE INDEX audit_chain ON audit (account_id, seq);
"""


class Lock:
    """Holds the run folder for this process; the kernel lets go of it however the process ends."""

    def __init__(self, folder: Path) -> None:
        path = folder / _LOCK
        with explained(path):
            _refuse_writable(folder)
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                pid = os.pread(self._fd, 20, 0).strip()
                os.close(self._fd)
                raise RunInUse(folder, int(pid) if pid.isdigit() else 0) from None
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, b"%d\n" % os.getpid(), 0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def release(self) -> None:
        """Let the next process in."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _refuse_writable(folder: Path) -> None:
    """Refuse a folder that others may write: who does could put another plan, journal or STOP file there.

    Raises:
        JournalError: its group or everybody may write it.
    """
    if _others_may_write(folder.stat()):
        raise JournalError(
            f"others may write {folder}, so what it holds cannot be relied on: take that from them "
            f"(`chmod go-w {folder}`), then run the same command again"
        )


def _others_may_write(found: os.stat_result) -> bool:
    return bool(found.st_mode & (stat.S_IWGRP | stat.S_IWOTH))


def runs_in(parent: Path) -> list[Path]:
    """Return the runs of a folder, newest first, but for those that another user could have written."""
    found = []
    for file in parent.glob(f"*/{NAME}"):
        with suppress(OSError):
            folder = file.parent.stat()
            if folder.st_uid in {os.geteuid(), 0} and not _others_may_write(folder):
                found.append((folder.st_mtime, file.parent))
    return [run for _, run in sorted(found, reverse=True)]


def create(folder: Path, header: bytes) -> None:
    """Make the file, mode 0600, with its schema and header in one transaction.

    Raises:
        JournalExists: the folder holds a run already.
        JournalError: the file cannot be made.
    """
    check_version()
    path = folder / NAME
    _discard_unfinished(folder)
    if path.exists():
        raise JournalExists(
            f"{folder} holds a run already: go on with it (`scan --resume {folder}`) or name another folder"
        )
    with explained(path):
        # Made with its mode, not changed to it; SQLite gives its -wal and -shm files the same.
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    db = connect(folder)
    try:
        with explained(path):
            db.executescript(
                f"BEGIN IMMEDIATE; PRAGMA application_id={_APPLICATION_ID};"
                f"PRAGMA user_version={_VERSION}; {_SCHEMA}"
            )
            db.execute("INSERT INTO fact VALUES ('header', ?)", (header,))
            db.execute("COMMIT")
    finally:
        db.close()


def _discard_unfinished(folder: Path) -> None:
    """Remove a file whose making was interrupted before its header was written: it holds nothing."""
    path = folder / NAME
    if not path.exists():
        return
    db = connect(folder)
    try:
        with explained(path):
            pristine = not db.execute("SELECT 1 FROM sqlite_master").fetchone() and not _identity(db)[0]
    finally:
        db.close()
    if pristine:
        for suffix in ("", "-wal", "-shm"):
            path.with_name(NAME + suffix).unlink(missing_ok=True)


def connect(folder: Path) -> sqlite3.Connection:
    """Open the file for writing; the connection may be used by one thread at a time."""
    check_version()
    path = folder / NAME
    with explained(path):
        db = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None, check_same_thread=False
        )
        try:
            # FULL: what was acknowledged survives power loss. NORMAL would lose the last commits in WAL mode.
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=FULL")
            db.execute("PRAGMA journal_size_limit=67108864")
        except sqlite3.Error:
            db.close()
            raise
    return db


def connect_to_read(folder: Path) -> sqlite3.Connection:
    """Open the file for reading, beside a writer or on a disk that cannot be written."""
    check_version()
    path = folder / NAME
    if not path.exists():
        raise JournalMissing(
            f"{folder} is no run folder: it has no {NAME}. Give the folder that `scan --out` wrote"
        )
    uri = path.absolute().as_uri()
    # In a folder we cannot write, SQLite cannot make the -shm file that WAL needs: the file must be at rest.
    at_rest = not os.access(folder, os.W_OK) and not path.with_name(NAME + "-wal").exists()
    with explained(path):
        db = sqlite3.connect(
            f"{uri}?{'immutable=1' if at_rest else 'mode=ro'}",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
        )
    try:
        _check_identity(db, path)
    except JournalError:
        db.close()
        raise
    return db


def _identity(db: sqlite3.Connection) -> tuple[int, int]:
    application = db.execute("PRAGMA application_id").fetchone()[0]
    version = db.execute("PRAGMA user_version").fetchone()[0]
    return int(application), int(version)


def _check_identity(db: sqlite3.Connection, path: Path) -> None:
    with explained(path):
        application, version = _identity(db)
    if application != _APPLICATION_ID:
        raise JournalCorrupt(f"{path} is not a journal of sgsweep: give the folder that `scan --out` wrote")
    if version != _VERSION:
        raise JournalCorrupt(
            f"{path} has format {version}, not {_VERSION}: use the sgsweep that wrote it, or scan anew"
        )


def check_version() -> None:
    """Refuse an SQLite library that is too old.

    Raises:
        JournalError: it is older than 3.35.
    """
    if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
        raise JournalError(
            f"Python is linked with SQLite {sqlite3.sqlite_version}, sgsweep needs 3.35: use a newer build"
        )
