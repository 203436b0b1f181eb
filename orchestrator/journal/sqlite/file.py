"""The SQLite file: its schema, how it is made and opened, and the lock that keeps a second process out."""

from __future__ import annotations

import fcntl
import os
import sqlite3
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
from orchestrator.journal.trust import check_trust, is_trusted

NAME = "journal.sqlite"
_FILES = (NAME, f"{NAME}-wal", f"{NAME}-shm")  # as SQLite names them
_LOCK = "journal.lock"
REREAD = "reread:"  # and an account: the jobs that had changed it when it was read anew
_APPLICATION_ID = 0x53475357  # "SGSW": tells our file from any other SQLite file
_VERSION = 1
_OLDEST_SQLITE = (3, 35, 0)  # RETURNING

# security_group.digest is written empty, and read by none: an older sgsweep that reads the file wants it there
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

TOUCHED, ADDING = 1, 2
"""Of `effect.intended`, beside 0 for a change that was never to be made: the rule itself may have been taken away or
modified, which is also how a journal of old says that a change was begun; or rules were added at most."""


class Lock:
    """Holds the run folder for this process; the kernel lets go of it however the process ends."""

    def __init__(self, folder: Path) -> None:
        path = folder / _LOCK
        with explained(path):
            check_trust(folder, *_FILES)
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


def runs_in(parent: Path) -> list[Path]:
    """Return the runs of a folder, newest first, but for those that another user could have written."""
    found = []
    for file in parent.glob(f"*/{NAME}"):
        with suppress(OSError):
            folder = file.parent.stat()
            if is_trusted(folder):
                found.append((folder.st_mtime, file.parent))
    return [run for _, run in sorted(found, reverse=True)]


def refuse_none(folder: Path) -> None:
    """Refuse a folder that holds no journal.

    Raises:
        JournalMissing: there is none.
    """
    if not (folder / NAME).exists():
        raise JournalMissing(folder, f"no {NAME}")


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
        raise JournalExists(folder)
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
        for name in _FILES:
            (folder / name).unlink(missing_ok=True)


def connect(folder: Path) -> sqlite3.Connection:
    """Open the file for writing; the connection may be used by one thread at a time.

    Raises:
        JournalError: it cannot be opened or written.
        JournalCorrupt: a page of it is damaged, also one that this command would read last, after its changes.
    """
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
            # On macOS fsync leaves it in the drive's cache; this empties that, too. Elsewhere it has no effect.
            db.execute("PRAGMA fullfsync=ON")
            db.execute("PRAGMA journal_size_limit=67108864")
            _check_pages(db, path)
        except (sqlite3.Error, JournalCorrupt):
            db.close()
            raise
    return db


def _check_pages(db: sqlite3.Connection, path: Path) -> None:
    (found,) = db.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        raise JournalCorrupt(
            f"{path} is damaged ({' '.join(found.split())}): restore it from a copy, or scan anew"
        )


def connect_to_read(folder: Path) -> sqlite3.Connection:
    """Open the file for reading, beside a writer or on a disk that cannot be written."""
    check_version()
    path = folder / NAME
    refuse_none(folder)
    uri = path.absolute().as_uri()
    # In a folder we cannot write, SQLite cannot make the -shm file that WAL needs: the file must be at rest.
    at_rest = not os.access(folder, os.W_OK) and not path.with_name(NAME + "-wal").exists()
    with explained(path):
        check_trust(folder, *_FILES)
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
