"""The one writer: operations queue up, and many of them share one durable commit."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from orchestrator.journal.errors import JournalError, from_sqlite

T = TypeVar("T")
Operation = Callable[[sqlite3.Connection], T]

_WAITING = 256  # operations that may wait; a caller beyond it waits to be let in: back-pressure, flat memory
_BATCH = 256  # operations in one commit
_GATHERING_SECONDS = (
    0.002  # the first of a batch waits for others: a commit, and telling the loop, costs as much as 20
)
_IDLE_SECONDS = 0.5  # without work for so long, the followers are brought up to date


class Followers:
    """What follows the journal: told of each undone operation and each commit, on its thread."""

    def undo(self, db: sqlite3.Connection) -> None:
        """Forget what was prepared by operations that were rolled back; `db` shows what is left."""

    def committed(self) -> None:
        """Take note that what was prepared is durable. A JournalError reaches the callers."""

    def idle(self) -> None:
        """Bring up to date what is too dear for every commit."""


class _Job:
    """An operation that waits, and who waits for it."""

    __slots__ = ("error", "future", "loop", "operation", "result")

    def __init__(self, operation: Operation[Any], loop: asyncio.AbstractEventLoop) -> None:
        self.operation = operation
        self.loop = loop
        self.future: asyncio.Future[Any] = loop.create_future()
        self.result: Any = None
        self.error: BaseException | None = None

    def resolve(self) -> None:
        if self.future.done():  # the waiting task was cancelled; the write stands
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


class Writer:
    """Runs operations on the connection, in order, in transactions of its own thread.

    An operation that raises is undone alone. An error of SQLite undoes its whole batch: with the disk full
    or damaged, nobody in it was served. `threaded=False` runs each operation at once in the caller's
    thread, for tests on virtual time.
    """

    def __init__(
        self, db: sqlite3.Connection, followers: Followers, path: Path, *, threaded: bool = True
    ) -> None:
        self._db = db
        self._followers = followers
        self._path = path
        self._slots = asyncio.Semaphore(_WAITING)
        self._queue: SimpleQueue[_Job | None] = SimpleQueue()
        self._closed = False
        self._thread: threading.Thread | None = None
        if threaded:
            self._thread = threading.Thread(target=self._work, name="journal", daemon=True)
            self._thread.start()

    async def run(self, operation: Operation[T]) -> T:
        """Return the operation's result once it is durable.

        Raises:
            JournalError: it is not durable, and will not be.
        """
        await self._slots.acquire()
        if self._closed:
            self._slots.release()
            raise JournalError(f"{self._path} is closed")
        job = _Job(operation, asyncio.get_running_loop())
        if self._thread is None:
            self._commit([job])
            self._served([job])
        else:
            self._queue.put(job)
        result: T = await job.future
        return result

    def close(self) -> None:
        """Serve what waits, then end the thread. Blocks; may be called twice."""
        if self._closed:
            return
        self._closed = True
        self._queue.put(None)
        if self._thread is not None:
            self._thread.join()

    def _work(self) -> None:
        """The thread: take what waits, commit it, tell the callers."""
        last = False
        while not last:
            batch, last = self._next_batch()
            if batch:
                self._commit(batch)
                self._tell(batch)

    def _next_batch(self) -> tuple[list[_Job], bool]:
        batch: list[_Job] = []
        while len(batch) < _BATCH:
            try:
                job = self._queue.get_nowait() if batch else self._queue.get(timeout=_IDLE_SECONDS)
            except Empty:
                if not batch:
                    self._idle()
                break
            if job is None:
                return batch, True
            batch.append(job)
            if len(batch) == 1:
                time.sleep(_GATHERING_SECONDS)
        return batch, False

    def _idle(self) -> None:
        try:
            self._followers.idle()
        except JournalError:
            return  # tried again when idle next, and once more at the end, which does report it

    def _commit(self, batch: Sequence[_Job]) -> None:
        try:
            self._db.execute("BEGIN IMMEDIATE")
            for job in batch:
                self._apply(job)
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            self._fail(batch, from_sqlite(error, self._path))
            return
        try:
            self._followers.committed()
        except JournalError as error:
            _blame(batch, error)

    def _apply(self, job: _Job) -> None:
        self._db.execute("SAVEPOINT one")
        try:
            job.result = job.operation(self._db)
        except sqlite3.Error:
            raise
        except Exception as error:  # noqa: BLE001 - it is handed to the caller, who waits for it
            job.error = error
            self._db.execute("ROLLBACK TO one")
            self._followers.undo(self._db)
        self._db.execute("RELEASE one")

    def _fail(self, batch: Sequence[_Job], error: JournalError) -> None:
        try:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            self._followers.undo(self._db)
        except sqlite3.Error as second:
            error = from_sqlite(second, self._path)
        _blame(batch, error)

    def _tell(self, batch: Sequence[_Job]) -> None:
        by_loop: defaultdict[asyncio.AbstractEventLoop, list[_Job]] = defaultdict(list)
        for job in batch:
            by_loop[job.loop].append(job)
        for loop, jobs in by_loop.items():
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more, and the write stands
                loop.call_soon_threadsafe(self._served, jobs)

    def _served(self, batch: Sequence[_Job]) -> None:
        for job in batch:
            job.resolve()
            self._slots.release()


def _blame(batch: Sequence[_Job], error: JournalError) -> None:
    for job in batch:
        if job.error is None:
            job.error = error
