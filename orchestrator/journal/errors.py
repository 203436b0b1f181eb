# ruff: noqa: N818 - errors are named by what the caller does next
"""What can go wrong with a journal, named by what the user does next."""

from __future__ import annotations

import errno
import shlex
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class JournalError(Exception):
    """The journal cannot be used; the text says what happened and what to do."""


class JournalMissing(JournalError):
    """There is no journal in the folder: it is not a run folder."""

    def __init__(self, folder: Path, has: str) -> None:
        super().__init__(f"{folder} is no run folder: it has {has}. Give the folder that `scan --out` wrote")


class JournalExists(JournalError):
    """The folder already holds a run, which is not to be overwritten."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"{folder} holds a run already: give another folder, or go on with that run")


class JournalCorrupt(JournalError):
    """The file is damaged, is no journal, or is one of another version."""


class JournalFull(JournalError):
    """The disk is full. What was acknowledged is safe."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"no space left for {path}; nothing is lost: free some, then go on")


class JournalUnwritable(JournalError):
    """The folder or file cannot be written, or the disk reports an error."""


class Untrusted(JournalError):
    """Another user owns the run folder or a file of it, or may write it: what it holds cannot be relied on.

    Attributes:
        why: who owns what, or may write it.
    """

    def __init__(self, why: str, remedy: str) -> None:
        self.why = why
        super().__init__(
            f"{why}, so what it holds cannot be relied on: {remedy}, then run the same command again"
        )


class RunInUse(JournalError):
    """Another process works in this run folder.

    Attributes:
        pid: that process, 0 if it left no number.
    """

    def __init__(self, folder: Path, pid: int) -> None:
        self.pid = pid
        who = f"process {pid}" if pid else "another process"
        super().__init__(
            f"{folder} is in use by {who}: wait until it ends, or end it, then run the command again"
        )


class TrailBroken(JournalError):
    """`audit.jsonl` or `manifest.json` is not what the journal has written.

    Attributes:
        line: the first line that differs, from 1; 0 if it is the manifest.
    """

    def __init__(self, path: Path, line: int, what: str) -> None:
        self.line = line
        where = f"line {line} of {path}" if line else f"{path}"
        super().__init__(
            f"the audit trail is broken: {where} {what}. Keep the folder as evidence, see "
            f"`sgsweep verify {shlex.quote(str(path.parent))} --offline`, and restore the file from a copy to go on"
        )


class Fenced(JournalError):
    """The claim is no longer the last one of its account: stop, and write nothing more."""


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn an error of SQLite or of the disk into the JournalError that says what to do."""
    try:
        yield
    except sqlite3.Error as error:
        raise from_sqlite(error, path) from error
    except OSError as error:
        raise from_os(error, path) from error


def from_sqlite(error: sqlite3.Error, path: Path) -> JournalError:
    """Return the JournalError for an error of SQLite; it goes by the text, for 3.10 gives no code."""
    text = str(error)
    if "is full" in text:
        return JournalFull(path)
    if "malformed" in text or "not a database" in text or "no such table" in text or "no such column" in text:
        return JournalCorrupt(
            f"{path} is damaged or is no journal ({text}): restore it from a copy, or scan anew"
        )
    if "readonly" in text or "unable to open" in text:
        return JournalUnwritable(
            f"{path} cannot be opened for writing ({text}): check its owner, mode and disk, then go on"
        )
    return JournalUnwritable(f"{path} failed: {text}. Check the disk, then go on")


def from_os(error: OSError, path: Path) -> JournalError:
    """Return the JournalError for an error of the operating system."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        return JournalFull(path)
    return JournalUnwritable(
        f"{path} cannot be written ({error.strerror}): check its owner, mode and disk, then go on"
    )
