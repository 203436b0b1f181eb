"""A real http proxy on loopback, which leads every CONNECT to one address: so no name has to be resolved."""

from __future__ import annotations

import asyncio
import threading
from types import TracebackType
from typing import Self


class Proxy:
    """Serves in a thread of its own while the body runs.

    Attributes:
        asked: "CONNECT host:port" of every tunnel, in order.
        url: with a user and a password, which it does not check.
    """

    def __init__(self, lead_to_port: int) -> None:
        self.asked: list[str] = []
        self.url = ""
        self._to = lead_to_port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        serving = asyncio.start_server(self._serve, "127.0.0.1", 0)
        self._server = asyncio.run_coroutine_threadsafe(serving, self._loop).result(10)
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"http://user:hush@127.0.0.1:{port}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._shut(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    @property
    def shown(self) -> str:
        """The URL without user and password."""
        return self.url.replace("user:hush@", "")

    async def _shut(self) -> None:
        self._server.close()
        serving = asyncio.all_tasks() - {asyncio.current_task()}
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            asked = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.asked.append(asked.partition(" HTTP")[0])
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await carry(reader, writer, "127.0.0.1", self._to)
        finally:
            await _end(writer)


async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, port: int) -> None:
    """Carry bytes to and fro between a connection and one that is made for it, until both are at their end.

    However it ends, neither is left open: one that outlives its loop fails whatever test runs then.
    """
    there: asyncio.StreamWriter | None = None
    try:
        back, there = await asyncio.open_connection(host, port)
        await asyncio.gather(_pipe(reader, there), _pipe(back, writer))
    finally:
        await _end(writer)
        if there is not None:
            await _end(there)


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    writer.close()


async def _end(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()
    await asyncio.sleep(0)  # its end is noted in the loop's next round
