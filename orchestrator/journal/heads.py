"""How far the record of each run was seen to go: kept beside them, so that an old state does not pass for it.

Whoever puts an older copy of a run folder back has a trail that is consistent, and signed, if that one was: nothing in
it says that there was more. This does, as long as it is not put back, too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

from orchestrator.audit import Head, Problem
from orchestrator.files import make_folder, replaced
from orchestrator.journal.errors import Untrusted
from orchestrator.journal.trust import read_trusted

FOLDER = ".sgsweep-heads"


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """A record as it was seen.

    Attributes:
        run_id: of the run.
        count: how many entries it had.
        heads: the last of each account's chain.
    """

    run_id: str
    count: int
    heads: dict[str, Head]


def remember_head(folder: Path, run_id: str, count: int, heads: Mapping[str, Head]) -> None:
    """Remember the record of the run in this folder, unless a longer one is known.

    Where the folder beside it cannot be written, or could be another user's work, nothing is remembered.
    """
    known = latest_seen(folder, run_id)
    if not count or (known is not None and known.count >= count):
        return
    path = seen_file(folder, run_id)
    with suppress(OSError):
        make_folder(path.parent)
        with replaced(path) as file:
            seen = Seen(run_id=run_id, count=count, heads=dict(heads))
            file.write(msgspec.json.encode(seen, order="sorted") + b"\n")


def latest_seen(folder: Path, run_id: str) -> Seen | None:
    """Return the longest record of the run that was seen in or beside this folder; None if none is known."""
    with suppress(OSError, Untrusted, msgspec.MsgspecError):
        seen = msgspec.json.decode(read_trusted(seen_file(folder, run_id)), type=Seen)
        return seen if seen.run_id == run_id else None
    return None


def seen_file(folder: Path, run_id: str) -> Path:
    """Return where the record of the run is remembered; an id is whatever its folder says, so it is no file's name."""
    return folder.resolve().parent / FOLDER / f"{hashlib.sha256(run_id.encode()).hexdigest()[:32]}.json"


def older(folder: Path, run_id: str, lines: Iterable[bytes]) -> Iterator[Problem]:
    """Yield a problem where a later record of the run was seen, or one that says otherwise.

    Args:
        folder: of the run.
        run_id: its id.
        lines: those of its audit file, which is intact.
    """
    seen = latest_seen(folder, run_id)
    if seen is None:
        return
    left, count = dict(seen.heads), 0
    for count, line in enumerate(lines, 1):
        entry = msgspec.json.decode(line, type=_Entry)
        head = left.get(entry.account_id)
        if head is not None and head.seq == entry.seq:
            del left[entry.account_id]
            if head.hash != entry.hash:
                text = (
                    f"account {entry.account_id}: record {entry.seq} is another one than was seen before: the record "
                    f"was written anew. What was seen is in {seen_file(folder, run_id)}"
                )
                yield Problem("changed", count, entry.account_id, entry.seq, text)
    if left:
        text = (
            f"it has {count} records, and {seen.count} were seen before: this is an older state of the run. If you "
            f"have put it back yourself, remove {seen_file(folder, run_id)}"
        )
        yield Problem("older", 0, "", 0, text)


class _Entry(msgspec.Struct, frozen=True):
    """What is looked at of an audit record."""

    account_id: str
    seq: int
    hash: str
