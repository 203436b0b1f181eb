"""Who may have written a run folder: whatever opens one, or a file in it, asks here first."""

from __future__ import annotations

import os
import pwd
import shlex
import stat
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from orchestrator.journal.errors import Untrusted


def check_trust(folder: Path, *names: str) -> None:
    """Refuse a run folder, or files in it, that another user owns or may write.

    Who may write the folder can put another plan, journal, record or STOP file there. Root may write everywhere in any
    case, so what root owns is as good as one's own; for root itself, what another user owns is that user's.

    Args:
        folder: the run folder.
        names: files in it; those that are not there are passed over.

    Raises:
        Untrusted: names the folder or file, its owner and what to do.
        OSError: there is no such folder.
    """
    _check(folder, folder.stat())
    for name in names:
        with suppress(FileNotFoundError):
            _check(folder / name, (folder / name).stat())


def open_trusted(path: Path) -> BinaryIO:
    """Open a file of a run folder to read it, if neither the folder nor the file is or may be another user's work.

    Raises:
        Untrusted: as `check_trust`.
        OSError: it cannot be opened.
    """
    file = path.open("rb")
    try:
        check_trust(path.parent)
        _check(path, os.fstat(file.fileno()))
    except BaseException:
        file.close()
        raise
    return file


def read_trusted(path: Path) -> bytes:
    """Return the content of a file of a run folder; raises as `open_trusted` does."""
    with open_trusted(path) as file:
        return file.read()


def is_trusted(found: os.stat_result) -> bool:
    """Tell whether nobody but this user and root can have written what was found."""
    return found.st_uid in {os.geteuid(), 0} and not _others_may_write(found)


def _check(path: Path, found: os.stat_result) -> None:
    if is_trusted(found):
        return
    owner, me = _name(found.st_uid), _name(os.geteuid())
    quoted = shlex.quote(str(path))
    if found.st_uid not in {os.geteuid(), 0}:
        what = f"{path} belongs to {owner}, and you are {me}"
        folder = shlex.quote(str(path if stat.S_ISDIR(found.st_mode) else path.parent))
        remedy = (
            f"if you trust {owner}, copy the run to a folder of your own (`cp -r {folder} COPY`) and use that, "
            f"or make it yours (`chown -R {me} {folder}`)"
        )
    else:
        what = f"others may write {path}, which belongs to {owner}"
        remedy = f"take that from them (`chmod go-w {quoted}`)"
    raise Untrusted(what, remedy)


def _others_may_write(found: os.stat_result) -> bool:
    return bool(found.st_mode & (stat.S_IWGRP | stat.S_IWOTH))


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
