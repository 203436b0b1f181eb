"""The commands as they are on virtual time: no socket, no thread, no disk that is waited for; a day takes a second."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar
from unittest import mock

import msgspec

from benchmarks.virtual import ENDPOINT, VirtualClient, VirtualLoop
from orchestrator.cloud import transport
from orchestrator.config import Config, defaults
from orchestrator.emulator import InProcess
from orchestrator.journal.sqlite import file, journal
from orchestrator.journal.sqlite.writer import Writer
from orchestrator.plan import LIMITS
from orchestrator.run import changing, hub, scanning
from tests.remediate.kit import CHECKS

T = TypeVar("T")


class _Instant(Writer):
    """The journal's writer without its thread: virtual time would leap while it writes."""

    def __init__(self, *given: Any, threaded: bool = True) -> None:
        del threaded
        super().__init__(*given, threaded=False)


class _AtOnce(ThreadPoolExecutor):
    """Does in the loop's own thread what is meant for another: virtual time would leap meanwhile."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Do it now."""
        done: Future[Any] = Future()
        try:
            done.set_result(fn(*args, **kwargs))
        except BaseException as error:  # noqa: BLE001 - it is handed to whoever waits
            done.set_exception(error)
        return done


def lived(seed: int, work: Callable[[VirtualLoop], Coroutine[Any, Any, T]]) -> T:
    """Do the work of a seed on virtual time, and return what it returns; a failure names the seed."""
    loop = VirtualLoop()
    loop.set_default_executor(_AtOnce())
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        try:
            return runner.run(work(loop))
        except BaseException as error:
            error.add_note(f"seed {seed}")
            raise


def yes(*_: object) -> None:
    """Confirm."""


def configured() -> Config:
    """Without bounds on what a run may change, for a cloud on virtual time."""
    config = defaults()
    cloud = msgspec.structs.replace(config.cloud, endpoint=ENDPOINT)
    remediation = msgspec.structs.replace(
        config.remediation, protected_groups=("keep-*",), max_failure_rate=1.0, **dict.fromkeys(LIMITS)
    )
    return msgspec.structs.replace(config, cloud=cloud, checks=CHECKS, remediation=remediation)


@contextmanager
def virtual(cloud: InProcess, client: Callable[..., VirtualClient]) -> Iterator[None]:
    """No socket, no thread of the journal, no report to write, and nothing waits for a disk: that takes the longest."""
    keys = cloud.hub_credentials
    environment = {
        "ALIBABA_CLOUD_ACCESS_KEY_ID": keys.access_key_id,
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET": keys.access_key_secret,
        "ALIBABA_CLOUD_SECURITY_TOKEN": "",
    }
    patches: list[tuple[object, str, object]] = [
        (hub, "Client", client),
        (journal, "Writer", _Instant),
        (scanning, "write_report", _yes_to_all),
        (changing, "write_report", _yes_to_all),
        (transport, "_tls", lambda _: (False, "")),
        (file, "connect", _unsynced(file.connect)),
        (os, "fsync", yes),
    ]
    with ExitStack() as stack:
        stack.enter_context(mock.patch.dict(os.environ, environment))
        for module, name, value in patches:
            stack.enter_context(mock.patch.object(module, name, value))
        yield


def _unsynced(connect: Callable[[Path], sqlite3.Connection]) -> Callable[[Path], sqlite3.Connection]:
    def connect_unsynced(folder: Path) -> sqlite3.Connection:
        db = connect(folder)
        db.execute("PRAGMA synchronous = OFF")
        return db

    return connect_unsynced


def _yes_to_all(*_: object, **__: object) -> None:
    """Write no report."""
