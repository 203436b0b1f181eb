"""Virtual time: the real run loop over a cloud in the same process, where an hour of quotas passes in seconds.

Only the wire is replaced. Requests are limited, signed, answered by the emulator (or by another function), classified
and retried as ever, and written into a real journal; `asyncio.sleep` and every timer cost nothing but their order.
"""

from __future__ import annotations

import asyncio
import random
import selectors
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self, TypeVar

import msgspec

from accounts.credentials import Credentials, StaticCredentials
from accounts.identity import identify
from orchestrator.cloud.attempt import Wire
from orchestrator.cloud.client import AccountSession, Client, CloudSettings
from orchestrator.cloud.endpoints import Destination
from orchestrator.cloud.errors import Unavailable
from orchestrator.cloud.limiter import Learned
from orchestrator.cloud.transport import Answer, SignedAttempt, Transport
from orchestrator.config import Config, defaults
from orchestrator.emulator import InProcess, Keys, Options, Throttle, World
from orchestrator.emulator.framework.gateway import Gateway
from orchestrator.emulator.framework.protocols import Reply
from orchestrator.emulator.framework.signature import WireRequest
from orchestrator.emulator.framework.state import State
from orchestrator.emulator.server.inprocess import on_loop_time
from orchestrator.journal import RunHeader, SqliteJournal
from orchestrator.journal.sqlite.file import Lock
from orchestrator.journal.sqlite.writer import Writer
from orchestrator.run import Filters, Progress
from orchestrator.run.criteria import Criteria
from orchestrator.run.hub import Hub
from orchestrator.run.sweep import Sweep

T = TypeVar("T")
ENDPOINT = "http://127.0.0.1:9"  # never connected to


class VirtualLoop(asyncio.SelectorEventLoop):
    """When nothing is left to do, its clock leaps to the next timer; but not while the journal's thread works."""

    def __init__(self, start: float = 0.0) -> None:
        self.now = start
        self.busy = 0  # operations that a thread has not answered yet
        self.between: Callable[[], None] | None = (
            None  # called between two steps: whoever meddles at every await
        )
        super().__init__(_Leaping(self))

    def time(self) -> float:
        """Return the virtual time, seconds."""
        return self.now

    async def shutdown_default_executor(self, *timeout: float | None) -> None:
        """Wait for the threads of others as ever; no time passes meanwhile."""
        self.busy += 1
        try:
            await super().shutdown_default_executor(*timeout)
        finally:
            self.busy -= 1


class _Leaping(selectors.SelectSelector):
    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if self._loop.between is not None:
            self._loop.between()
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None or self._loop.busy:
            return super().select(None)
        self._loop.now += timeout
        return []


def run(work: Coroutine[Any, Any, T], start: float = 0.0) -> T:
    """Run on virtual time that begins at `start`, seconds."""
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(start)) as runner:
        return runner.run(work)


class _WaitedWriter:
    """Tells the loop that it must not leap while the journal's thread works."""

    def __init__(self, writer: Writer, loop: VirtualLoop) -> None:
        self._writer = writer
        self._loop = loop
        self.close = writer.close

    async def run(self, operation: Callable[[sqlite3.Connection], T]) -> T:
        self._loop.busy += 1
        try:
            return await self._writer.run(operation)
        finally:
            self._loop.busy -= 1


class WaitedJournal(SqliteJournal):
    """The journal with its thread, for a virtual loop."""

    def __init__(self, folder: Path, lock: Lock, *, threaded: bool = True) -> None:
        super().__init__(folder, lock, threaded=threaded)
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        self._loop = loop
        self._writer = _WaitedWriter(self._writer, loop)  # type: ignore[assignment]  # all that the journal uses of it

    async def close(self) -> None:
        """Close as ever; no time passes meanwhile."""
        self._loop.busy += 1
        try:
            await super().close()
        finally:
            self._loop.busy -= 1


Serve = Callable[[str, str, Mapping[str, str], bytes], Answer | Awaitable[Answer]]
"""A cloud: method, query, headers and body of a request in, its answer out, at once or in its own time."""


def serving(cloud: InProcess) -> Callable[[str, str, Mapping[str, str], bytes], Awaitable[Answer]]:
    """Serve by a cloud in process, with its latency and its hooks.

    The function raises Unavailable where a fault broke the connection: the request may have arrived.
    """

    async def serve(method: str, query: str, headers: Mapping[str, str], body: bytes) -> Answer:
        try:
            return _answer(await cloud.send(method, query, headers, body))
        except ConnectionResetError as error:
            broken = Unavailable(code="ConnectionReset", message=str(error))
            broken.sent = True
            raise broken from None

    return serve


def _answer(reply: Reply) -> Answer:
    given = {name.lower(): value for name, value in reply.headers.items()}
    return Answer(reply.status, {**given, "content-type": reply.content_type}, reply.body)


class _Wireless(Transport):
    """Hands requests to a function in this process, with the latency of a network."""

    proxy = ca_sha256 = ""

    def __init__(self, serve: Serve, latency_seconds: float) -> None:
        self._serve = serve
        self._half = latency_seconds / 2

    async def close(self) -> None:
        """There is nothing to close."""

    async def exchange(
        self,
        target: Destination,  # noqa: ARG002 - there is one server
        signed: SignedAttempt,
    ) -> Answer:
        """Return the answer, after the way there and back; a request leaves as soon as it is asked for."""
        if signed.not_after is not None:
            signed.not_after.refuse_late()
        if self._half:  # else it is there at once, and nothing comes between
            await asyncio.sleep(self._half)
        served = self._serve(signed.method, signed.query, signed.headers, signed.body)
        answer = served if isinstance(served, Answer) else await served
        if self._half:
            await asyncio.sleep(self._half)
        return answer


class VirtualClient(Client):
    """The client over such a wire."""

    def __init__(
        self,
        settings: CloudSettings,
        serve: Serve,
        latency_seconds: float,
        chance: Callable[[], float] = random.random,
    ) -> None:
        super().__init__(settings, chance=chance)
        self._wireless = _Wireless(serve, latency_seconds)

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        await self._transport.close()
        self._transport = self._wireless
        self._wire = Wire(
            endpoints=self.endpoints,
            limiter=self.limiter,
            circuits=self.circuits,
            transport=self._wireless,
            stats=self.stats,
            observers=(),
        )
        return self


class Cloud:
    """The emulator without sockets, on the loop's time."""

    def __init__(self, world: World, throttle: Throttle, latency_seconds: float) -> None:
        self.latency_seconds = latency_seconds
        self.state = State(world, on_loop_time(Options(throttle=throttle)))
        self._gateway = Gateway(self.state)

    @property
    def keys(self) -> Keys:
        """The hub's keys."""
        return self.state.hub.keys

    def serve(self, method: str, query: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Answer a request."""
        lower = {name.lower(): value for name, value in headers.items()}
        return _answer(self._gateway.answer(WireRequest(method, "/", query, lower, body)))


def configured(**limits: object) -> Config:
    """Return the default configuration with other limits."""
    config = defaults()
    cloud = msgspec.structs.replace(
        config.cloud, endpoint=ENDPOINT, limits=msgspec.structs.replace(config.cloud.limits, **limits)
    )
    return msgspec.structs.replace(config, cloud=cloud)


@asynccontextmanager
async def hub_at(config: Config, keys: Keys, serve: Serve, latency_seconds: float) -> AsyncIterator[Hub]:
    """Open a hub over such a cloud."""
    own = StaticCredentials(Credentials(keys.access_key_id, keys.access_key_secret, keys.security_token))
    async with VirtualClient(config.cloud, serve, latency_seconds) as client:
        identity = await identify(AccountSession(client, "", own))
        yield Hub(config, "bench", client, own, identity)


@dataclass(frozen=True)
class Swept:
    """What a sweep came to.

    Attributes:
        seconds: virtual, from the first account to the last.
        security_groups: read and judged.
        unseen: regions and groups that could not be read.
        calls: sent.
        throttled: of these.
        learned: quotas found out.
    """

    seconds: float
    security_groups: int
    unseen: int
    calls: int
    throttled: int
    learned: tuple[Learned, ...]


async def sweep(hub: Hub, folder: Path, learned: Iterable[Learned] = (), *, exposure: bool = True) -> Swept:
    """Sweep all accounts by the real run loop into a real run folder."""
    loop = asyncio.get_running_loop()
    discovered = await hub.discover(Filters())
    stats = hub.client.stats
    before = stats.calls
    header = RunHeader(
        run_id="bench",
        created_at=datetime.now(UTC).isoformat(),
        hub_account_id=hub.identity.account_id,
        hub_arn=hub.identity.arn,
        endpoint=ENDPOINT,
        settings={},
    )
    journal: SqliteJournal = WaitedJournal.create(folder, header)
    async with journal:
        await journal.add_accounts(discovered.accounts, discovered.skipped)
        hub.client.limiter.remember(learned)
        began = loop.time()
        judgement = Criteria(hub.config.checks, exposure=exposure)
        await Sweep(hub, journal, judgement, Progress(), datetime.now(UTC)).run()
        return Swept(
            loop.time() - began,
            journal.totals().get("security_groups", 0),
            sum(1 for _ in journal.unreachables()),
            stats.calls - before,
            stats.throttled,
            hub.client.limiter.learned(),
        )
