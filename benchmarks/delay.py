"""A relay that holds every answer back, as a network does: `python -m benchmarks.delay TARGET SECONDS`.

It runs as a process of its own, prints the port it listens on, and ends when its input is closed.
"""

from __future__ import annotations

import asyncio
import sys
from typing import cast


class _ToServer(asyncio.Protocol):
    """The half that faces the server: hands its bytes back late, in order."""

    def __init__(self, client: asyncio.Transport, seconds: float) -> None:
        self._client = client
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()

    def data_received(self, data: bytes) -> None:
        self._loop.call_later(self._seconds, self._client.write, data)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._loop.call_later(self._seconds, self._client.close)


class _ToClient(asyncio.Protocol):
    """The half that faces the client: opens the other one and hands its bytes on at once."""

    def __init__(self, target: int, seconds: float) -> None:
        self._target = target
        self._seconds = seconds
        self._early: list[bytes] = []
        self._server: asyncio.Transport | None = None
        self._opening: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._opening = asyncio.ensure_future(self._open(cast("asyncio.Transport", transport)))

    async def _open(self, client: asyncio.Transport) -> None:
        loop = asyncio.get_running_loop()
        server, _ = await loop.create_connection(
            lambda: _ToServer(client, self._seconds), "127.0.0.1", self._target
        )
        server.write(b"".join(self._early))
        self._server = server

    def data_received(self, data: bytes) -> None:
        if self._server is None:
            self._early.append(data)
        else:
            self._server.write(data)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        if self._server is not None:
            self._server.close()


async def _main(target: int, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _ToClient(target, seconds), "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1]), float(sys.argv[2])))
