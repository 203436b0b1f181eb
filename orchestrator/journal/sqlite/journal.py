"""A run in one SQLite file of its folder: state, findings and effects, to read, and to write."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import TracebackType

from typing_extensions import Self

from orchestrator.files import make_folder
from orchestrator.journal.errors import JournalCorrupt, JournalError, explained
from orchestrator.journal.sqlite import file
from orchestrator.journal.sqlite.effect_rows import EffectRows, EffectWrites
from orchestrator.journal.sqlite.finding_rows import FindingRows, FindingWrites
from orchestrator.journal.sqlite.state_rows import RunStateRows, RunStateWrites
from orchestrator.journal.sqlite.trail import TrailWriter
from orchestrator.journal.sqlite.writer import Writer
from orchestrator.journal.values import RunHeader, encode


class SqliteReader(RunStateRows, FindingRows, EffectRows):
    """A run's journal, to read.

    Attributes:
        folder: the run folder.
        header: what the run is about.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        try:
            found = self._one("SELECT value FROM fact WHERE key = 'header'")
            if found is None:
                raise JournalCorrupt(f"{self._path} has no header: restore it from a copy, or scan anew")
            self.header = self._decode(found[0], RunHeader)
        except JournalError:
            self._reading.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._reading.close()


class SqliteJournal(SqliteReader, RunStateWrites, FindingWrites, EffectWrites):
    """A run's journal, to write and read; `async with` it, or `await close()`.

    One process at a time holds it. Cancelling a task that waits for a write does not undo the write.
    """

    def __init__(self, folder: Path, lock: file.Lock, *, threaded: bool = True) -> None:
        """Use `create` or `open`."""
        super().__init__(folder)
        self._lock = lock
        self._db = file.connect(folder)
        try:
            self._trail = TrailWriter(folder, self.header.run_id, self._db)
        except BaseException:
            self._db.close()
            self._reading.close()
            raise
        self._writer = Writer(self._db, self._trail, self._path, threaded=threaded)
        self._is_open = True

    @classmethod
    def create(cls, folder: Path, header: RunHeader, *, threaded: bool = True) -> SqliteJournal:
        """Make a new run folder, or use an empty one.

        Raises:
            JournalExists: the folder holds a run already.
            RunInUse: another process works in it.
            JournalError: it cannot be written.
        """
        with explained(folder):
            make_folder(folder)
        lock = file.Lock(folder)
        try:
            file.create(folder, encode(header))
            return cls(folder, lock, threaded=threaded)
        except BaseException:
            lock.release()
            raise

    @classmethod
    def open(cls, folder: Path, *, threaded: bool = True) -> SqliteJournal:
        """Open a run to go on with it; the audit file is brought up to the journal first.

        Raises:
            JournalMissing: there is no run in the folder.
            RunInUse: another process works in it.
            TrailBroken: the audit file or manifest was changed.
            JournalError: it is damaged or cannot be written.
        """
        file.refuse_none(folder)
        lock = file.Lock(folder)
        try:
            return cls(folder, lock, threaded=threaded)
        except BaseException:
            lock.release()
            raise

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def seal(self) -> None:
        """Bring the manifest up to date, so that what is told now can tell of every record before it.

        Raises:
            JournalError: it could not be written.
        """
        await self._writer.run(lambda _: self._trail.idle())

    async def close(self) -> None:
        """Write what waits, seal the audit trail, and let the folder go. May be called twice.

        Raises:
            JournalError: the last of it could not be written; opening the run again repairs it.
        """
        if self._is_open:
            self._is_open = False
            # The thread is asked for even where writing is not threaded: fsync would hold the loop up.
            await asyncio.get_running_loop().run_in_executor(None, self._shut)

    def _shut(self) -> None:
        try:
            self._writer.close()
            self._trail.close()
        finally:
            self._reading.close()
            with explained(self._path):
                self._db.close()  # the last connection puts the WAL into the file and removes it
            self._lock.release()
