"""The sockets: HTTP and HTTPS on loopback, and the faults that only a socket can show.

`Emulator` runs in the current loop (`async with`) or on a thread of its own (`with`), for clients that block.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import tempfile
import threading
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from pathlib import Path
from types import TracebackType
from typing import Self

from aiohttp import web

from orchestrator.emulator.framework.faults import RESETS, Fault, Kind
from orchestrator.emulator.framework.protocols import Reply
from orchestrator.emulator.framework.signature import WireRequest
from orchestrator.emulator.framework.state import Options
from orchestrator.emulator.server import certificate, control
from orchestrator.emulator.server.cloud import Cloud
from orchestrator.emulator.world.world import World


class Emulator(Cloud):
    """Alibaba Cloud on loopback. Start it as a context manager, sync (own thread) or async (this loop)."""

    def __init__(
        self,
        world: World,
        options: Options | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        tls_port: int = 0,
    ) -> None:
        super().__init__(world, options or Options())
        self.http_url = ""
        self.https_url = ""
        self.ca_file = ""
        self._bind = (host, port, tls_port)
        self._server: web.Server | None = None
        self._runner: web.ServerRunner | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._thread: _Thread | None = None

    # --- start and stop

    async def start(self) -> Emulator:
        """Listen, in the current loop."""
        try:
            await self._listen(*self._bind)
        except BaseException:
            await self.stop()
            raise
        return self

    async def _listen(self, host: str, port: int, tls_port: int) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="sgsweep-emulator-")
        context, ca_file = certificate.make(Path(self._folder.name))
        self._server = web.Server(self._handle, access_log=None)
        self._runner = web.ServerRunner(self._server, shutdown_timeout=0.5)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port, backlog=1024).start()
        await web.TCPSite(self._runner, host, tls_port, ssl_context=context, backlog=1024).start()
        plain, secure = (address[1] for address in self._runner.addresses)
        shown = f"[{host}]" if ":" in host else host
        self.http_url, self.https_url = f"http://{shown}:{plain}", f"https://{shown}:{secure}"
        self.ca_file = str(ca_file)

    async def stop(self) -> None:
        """Stop listening; the certificate's folder goes with it."""
        if self._runner is not None:
            self._abort()  # a TLS client that never says goodbye would be waited for
            await self._runner.cleanup()
            self._abort()  # what was accepted meanwhile
            await asyncio.sleep(0)
            self._runner = self._server = None
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def _abort(self) -> None:
        for connection in self._server.connections if self._server else ():
            if connection.transport is not None:
                connection.transport.abort()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def start_thread(self) -> Emulator:
        """Listen, in a loop on a thread of its own."""
        self._thread = _Thread(self.start, self.stop)
        self._thread.begin()
        return self

    def stop_thread(self) -> None:
        """Stop the thread that `start_thread` began."""
        if self._thread is not None:
            self._thread.end()
            self._thread = None

    def __enter__(self) -> Self:
        self.start_thread()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop_thread()

    # --- one request

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        path, _, query = _origin_form(request.raw_path).partition("?")
        body = await request.read() if request.body_exists else b""
        if path.startswith(control.PREFIX) and self.options.control:
            return control.answer(self.state, request, path, body)
        headers = {name.lower(): value for name, value in request.headers.items()}
        if self.options.latency_seconds:
            await asyncio.sleep(self.options.latency_seconds)
        reply = self._gateway.answer(WireRequest(request.method, path, query, headers, body))
        if reply.seconds:
            await asyncio.sleep(reply.seconds)
        if reply.fault is not None:
            return await _send_faulty(request, reply, reply.fault)
        if self.options.quirks.clock_ahead_seconds:
            reply.headers["Date"] = formatdate(self.state.clock(), usegmt=True)
        return _response(reply, reply.body)


def _origin_form(target: str) -> str:
    """The target of a request from its path on; a client that takes the emulator for its proxy names the host first."""
    if target.startswith("/"):
        return target
    _, _, rest = target.partition("://")
    return f"/{rest.partition('/')[2]}"


def _response(reply: Reply, body: bytes) -> web.Response:
    return web.Response(
        status=reply.status, body=body, headers={**reply.headers, "Content-Type": reply.content_type}
    )


async def _send_faulty(request: web.BaseRequest, reply: Reply, fault: Fault) -> web.StreamResponse:
    """Carry out the part of a fault that is on the wire; others are in the reply already."""
    kind = fault.kind
    if kind in RESETS:
        _reset(request)
    elif kind is Kind.HANG:
        await asyncio.sleep(fault.seconds)
    elif kind is Kind.TRUNCATED:
        return _response(reply, reply.body[: len(reply.body) // 2])
    elif kind is Kind.GARBAGE:
        page = b"<html><head><title>502 Bad Gateway</title></head><body>502 Bad Gateway</body></html>"
        return web.Response(status=502, body=page, content_type="text/html")
    elif kind in {Kind.SLOW, Kind.CUT}:
        return await _send_in_halves(request, reply, fault)
    return _response(reply, reply.body)


def _reset(request: web.BaseRequest) -> None:
    """Close the connection with RST, as a dying balancer does."""
    transport = request.transport
    if transport is None:
        return
    raw = transport.get_extra_info("socket")
    with contextlib.suppress(OSError, AttributeError):
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


async def _send_in_halves(request: web.BaseRequest, reply: Reply, fault: Fault) -> web.StreamResponse:
    response = web.StreamResponse(
        status=reply.status, headers={**reply.headers, "Content-Type": reply.content_type}
    )
    response.content_length = len(reply.body)
    await response.prepare(request)
    half = len(reply.body) // 2
    with contextlib.suppress(ConnectionError):
        await response.write(reply.body[:half])
        if fault.kind is Kind.CUT:
            _reset(request)
            return response
        await asyncio.sleep(fault.seconds)
        await response.write(reply.body[half:])
    return response


class _Thread:
    """A loop on a thread of its own that lives between `begin` and `end`."""

    def __init__(self, start: Callable[[], Awaitable[object]], stop: Callable[[], Awaitable[None]]) -> None:
        self._start, self._stop = start, stop
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._done: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._run, name="sgsweep-emulator", daemon=True)

    def begin(self) -> None:
        self._thread.start()
        self._ready.wait()
        if self._failure is not None:
            self._thread.join()
            raise self._failure

    def end(self) -> None:
        if self._loop is not None and self._done is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._done.set)
        self._thread.join()

    def _run(self) -> None:
        try:
            asyncio.run(self._live())
        except BaseException as error:  # noqa: BLE001 - whatever it is, the thread that waits must learn it
            self._failure = error
        finally:
            self._ready.set()

    async def _live(self) -> None:
        self._loop, self._done = asyncio.get_running_loop(), asyncio.Event()
        await self._start()
        self._ready.set()
        await self._done.wait()
        await self._stop()
