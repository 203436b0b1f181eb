"""One way to write a file: whole or not at all, on disk when it is said to be, for its owner only.

It stands below every room that keeps files (the journal, a run, the function's ledger) and imports none of them.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path
from typing import BinaryIO

__all__ = ["make_folder", "replaced"]


@contextmanager
def replaced(path: Path, *, only_new: bool = False) -> Iterator[BinaryIO]:
    """Write a file beside the path and put it in its place when it is whole; a crash leaves the old or the new.

    The file, mode 0600, and the folder's entry of it are on disk when this ends. Any number may write the same path
    at once, and each puts a whole file there. What a crash has left beside it goes with the next writing.

    Args:
        path: the file; a link in its place is replaced and never written through.
        only_new: of those who write it at once, and of those who come later, all but one fail.

    Raises:
        FileExistsError: `only_new`, and there is a file.
        OSError: the disk or the folder refuses; it names the path.
    """
    try:
        partial, file = _begin(path)
        with file:  # and its lock: whose lock can be had was left by a crash
            is_moved = False
            try:
                yield file
                file.flush()
                os.fsync(file.fileno())
                if only_new:
                    path.hardlink_to(partial)
                else:
                    partial.replace(path)
                    is_moved = True
            finally:
                if not is_moved:
                    partial.unlink(missing_ok=True)
        _sync(path.parent)
    except OSError as error:
        # A full disk does not know what was written to it, and nobody asked for a file beside the path.
        if error.filename is None or str(error.filename).startswith(str(_beside(path, ""))):
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


def make_folder(folder: Path) -> None:
    """Make a folder, for its owner only, and what lacks above it; each is on disk when this returns.

    Raises:
        OSError: the disk or a folder above refuses, or there is a file of that name.
    """
    lacking = list(takewhile(lambda one: not one.exists(), (folder, *folder.parents)))
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for one in lacking:
        _sync(one.parent)


def _beside(path: Path, number: int | str) -> Path:
    """Return the name of an unfinished file: one for each of those who write the path at once."""
    return path.with_name(f".{path.name}.part{number}")


def _begin(path: Path) -> tuple[Path, BinaryIO]:
    """Make and lock an unfinished file, under the first name that no other writer has locked."""
    number = 0
    while True:
        partial = _beside(path, number)
        try:
            fd = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            number += not _removed(partial)
            continue
        try:
            if _is_ours(fd, partial):
                break
        except OSError:  # nothing can be locked here
            partial.unlink()
            os.close(fd)
            raise
        os.close(fd)  # another took it for left over before it was locked
    while (further := _beside(path, number + 1)).exists() and _removed(further):
        number += 1
    return partial, os.fdopen(fd, "wb")


def _removed(partial: Path) -> bool:
    """Remove what a crash has left; False if somebody is writing it, or if it is no file of ours."""
    try:
        fd = os.open(partial, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        is_left = _is_ours(fd, partial)
        if is_left:
            partial.unlink()
        return is_left
    finally:
        os.close(fd)


def _is_ours(fd: int, partial: Path) -> bool:
    """Lock the file, and tell whether the name still stands for it: only who holds the lock gives or takes the name."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(fd), partial.lstat())
    except (BlockingIOError, FileNotFoundError):
        return False


def _sync(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
