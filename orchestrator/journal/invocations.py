"""The trail of a function's ledger: one entry where an invocation begins to change something, one where it has ended.

A function has no run folder. Its audit records stand in the objects of its ledger, sealed into one chain an
invocation, and each invocation has two entries in the ledger's trail, which are numbered and name the SHA-256 of the
entry before them. So an invocation that was removed, an object that was edited, moved or removed, and one that was put
there by somebody else show. What no chain shows is that its newest entries are gone with all that they name: the
function's log holds the number and the hash of each.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from orchestrator.audit import GENESIS, AuditRecord, Manifest, Problem, verify
from orchestrator.journal.errors import explained
from orchestrator.journal.trust import read_trusted

TRAIL = "trail/"
_LAST = 10**12 - 1
_NAME = re.compile(r"trail/([0-9]{12})\.json").fullmatch
_RECORDS = "intents"  # the folder of the objects that hold records
_encode = msgspec.json.Encoder(order="sorted").encode


class InvocationEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An entry of the trail.

    Attributes:
        number: its place, from 1.
        prev: SHA-256, hex, of the bytes of the entry before it; `GENESIS` of the first.
        at: when it was written, ISO 8601, UTC.
        run_id: the invocation, as its audit records name it.
        request_id: the same, as the platform names it.
        manifest: how the invocation's records end; None where it begins.
        objects: SHA-256, hex, of each object of the ledger that it has written its records into.
        carried: the records for which no object could be written.
    """

    number: int
    prev: str
    at: str
    run_id: str
    request_id: str
    manifest: Manifest | None = None
    objects: dict[str, str] = {}
    carried: tuple[AuditRecord, ...] = ()


class LedgerChecked(msgspec.Struct, frozen=True, kw_only=True):
    """What a ledger came to.

    Attributes:
        problems: what is wrong with it.
        records: how many audit records there are.
        invocations: how many invocations have changed something, or were about to.
        unfinished: those that have not ended: the platform has ended them, or they go on.
        newest: the number of the newest entry; 0 if there is none.
        newest_hash: its SHA-256, hex.
    """

    problems: tuple[Problem, ...]
    records: int
    invocations: int
    unfinished: tuple[InvocationEntry, ...]
    newest: int
    newest_hash: str


def encode_entry(entry: InvocationEntry) -> bytes:
    """Return the bytes of an entry, in the one spelling that is valid."""
    return _encode(entry)


def entry_name(number: int) -> str:
    """Return the name of an entry. Names count down, so that the newest comes first where objects are listed."""
    return f"{TRAIL}{_LAST - number:012}.json"


def entry_number(name: str) -> int | None:
    """Return the number of the entry of that name; None if it is no entry's name."""
    found = _NAME(name)
    return _LAST - int(found[1]) if found else None


def content_hash(data: bytes) -> str:
    """Return the SHA-256, hex, by which the trail names an object or an entry."""
    return hashlib.sha256(data).hexdigest()


def is_ledger(folder: Path) -> bool:
    """Tell whether the folder is a copy of a function's ledger."""
    return (folder / TRAIL).is_dir()


def check_ledger(folder: Path) -> LedgerChecked:
    """Find what is wrong with a copy of a function's ledger, from the folder alone; it repairs nothing.

    Raises:
        JournalError: something there cannot be read, or is another user's.
    """
    with explained(folder):
        return _Check(folder).run()


class _Kept(msgspec.Struct, frozen=True):
    """What an object of the ledger says of its record; the rest of it is covered by the object's hash."""

    record: AuditRecord


class _Invocation:
    """What the trail and the ledger hold of one invocation."""

    def __init__(self, begun: InvocationEntry) -> None:
        self.begun = begun
        self.ended: InvocationEntry | None = None
        # by SHA-256, each once: a write that was told as failed may have been made
        self.records: dict[str, tuple[int, Path | bytes]] = {}

    @property
    def who(self) -> str:
        return f"invocation {self.begun.request_id}, begun {self.begun.at}"

    def add(self, record: AuditRecord, where: Path | bytes) -> None:
        """Remember a record, and the object that holds it or its line."""
        self.records.setdefault(content_hash(_line(record)), (record.line, where))

    def problems(self) -> Iterator[Problem]:
        """Yield what is wrong with its records."""
        ended = self.ended
        for record in ended.carried if ended else ():
            self.add(record, _line(record))
        sealed = _encode(ended.manifest) + b"\n" if ended else None
        places = sorted(self.records.items(), key=lambda item: (item[1][0], item[0]))
        for one in verify((_read(where) for _, (_, where) in places), sealed):
            if ended or one.kind != "manifest":
                yield msgspec.structs.replace(one, text=f"{self.who}: {one.text}")


class _Check:
    """One look at a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._problems: list[Problem] = []
        self._invocations: dict[str, _Invocation] = {}
        self._newest, self._newest_hash = 0, GENESIS

    def run(self) -> LedgerChecked:
        self._read_trail()
        records = self._read_objects()
        for one in self._invocations.values():
            self._problems += one.problems()
        return LedgerChecked(
            problems=tuple(self._problems),
            records=records,
            invocations=len(self._invocations),
            unfinished=tuple(one.begun for one in self._invocations.values() if one.ended is None),
            newest=self._newest,
            newest_hash=self._newest_hash,
        )

    def _bad(self, kind: str, text: str) -> None:
        self._problems.append(Problem(kind, 0, "", 0, text))

    def _read_trail(self) -> None:
        for number, path in sorted(self._entries()):
            data = read_trusted(path)
            if number > self._newest + 1:
                gone = f"{self._newest + 1} to {number - 1}" if number > self._newest + 2 else f"{number - 1}"
                self._bad("removed", f"the trail lacks entry {gone}")
            entry = self._entry(data, number, path.name)
            if entry is not None:
                if number == self._newest + 1 and entry.prev != self._newest_hash:
                    self._bad(
                        "unlinked", f"entry {number} of the trail does not follow from the one before it"
                    )
                self._place(entry)
            self._newest, self._newest_hash = number, content_hash(data)

    def _entries(self) -> Iterator[tuple[int, Path]]:
        for path in (self._folder / TRAIL).iterdir():
            number = entry_number(f"{TRAIL}{path.name}")
            if number is None:
                self._bad("foreign", f"{TRAIL}{path.name} is no entry of the trail")
            else:
                yield number, path

    def _entry(self, data: bytes, number: int, name: str) -> InvocationEntry | None:
        try:
            entry = msgspec.json.decode(data, type=InvocationEntry)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            self._bad("unreadable", f"entry {number} of the trail ({name}) is none: it was changed")
            return None
        if encode_entry(entry) != data or entry.number != number:
            self._bad("changed", f"entry {number} of the trail ({name}) is not as it was written")
            return None
        return entry

    def _place(self, entry: InvocationEntry) -> None:
        known = self._invocations.get(entry.run_id)
        if entry.manifest is None and known is None:
            self._invocations[entry.run_id] = _Invocation(entry)
        elif entry.manifest is not None and known is not None and known.ended is None:
            known.ended = entry
        elif entry.manifest is None or known is not None:
            self._bad("reordered", f"entry {entry.number} of the trail repeats one of {entry.request_id}")
        else:
            self._bad(
                "removed", f"invocation {entry.request_id} has ended, and the trail lacks its beginning"
            )

    def _read_objects(self) -> int:
        """Read every object that holds a record; return how many there are."""
        named = {
            name: (digest, one)
            for one in self._invocations.values()
            for name, digest in (one.ended.objects if one.ended else {}).items()
        }
        count = sum(len(one.ended.carried) for one in self._invocations.values() if one.ended)
        for path in sorted((self._folder / _RECORDS).rglob("*.json")):
            name = path.relative_to(self._folder).as_posix()
            data = read_trusted(path)
            count += self._read_object(path, name, data, named)
        for name, (_, one) in named.items():
            self._bad("removed", f"{one.who}: {name} is gone")
        return count

    def _read_object(
        self, path: Path, name: str, data: bytes, named: dict[str, tuple[str, _Invocation]]
    ) -> bool:
        digest, owner = named.pop(name, ("", None))
        try:
            record = msgspec.json.decode(data, type=_Kept).record
        except (msgspec.MsgspecError, ValueError, RecursionError):
            self._bad("unreadable", f"{name} holds no record: it was changed")
            return False
        found = self._invocations.get(record.run_id)
        if found is None:
            self._bad(
                "removed", f"{name} is of run {record.run_id}, and the trail has no invocation of that name"
            )
            return True
        found.add(record, path)
        if owner is not None and digest != content_hash(data):
            self._bad("changed", f"{owner.who}: {name} is not as it was written")
        elif owner is None and found.ended is not None and not _carries(found.ended, record):
            self._bad("foreign", f"{found.who}: {name} is none of the objects that it has written")
        return True


def _carries(entry: InvocationEntry, record: AuditRecord) -> bool:
    return any(one == record for one in entry.carried)


def _line(record: AuditRecord) -> bytes:
    return _encode(record) + b"\n"


def _read(where: Path | bytes) -> bytes:
    """Return a record's line; only one is in memory at a time."""
    if isinstance(where, bytes):
        return where
    return _line(msgspec.json.decode(read_trusted(where), type=_Kept).record)
