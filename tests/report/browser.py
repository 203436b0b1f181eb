"""A headless Chromium, spoken to over its DevTools protocol: enough to open a page, look at it and type."""

from __future__ import annotations

import asyncio
import base64
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_FLAGS = (
    "--headless",
    "--no-sandbox",  # a container's root has no other way
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
)


def executable() -> str | None:
    """Where Chromium is on this machine, or None."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


def axe_core() -> Path | None:
    """Where axe-core is: as `npm install axe-core` puts it beside the tests, or where AXE_CORE says; or None."""
    named = os.environ.get("AXE_CORE")
    found = Path(named) if named else Path(__file__).parents[2] / "node_modules/axe-core/axe.min.js"
    return found if found.is_file() else None


class Page:
    """One tab."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._last = 0
        self.events: list[dict[str, Any]] = []

    async def do(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol and return its result. Events on the way are kept."""
        self._last += 1
        await self._socket.send_json({"id": self._last, "method": method, "params": parameters})
        while True:
            message = await self._socket.receive_json(timeout=30)
            if message.get("id") == self._last:
                assert "error" not in message, message
                result: dict[str, Any] = message["result"]
                return result
            self.events.append(message)

    async def open(self, path: Path, fragment: str = "") -> None:
        """Open a file and wait until it has been laid out; events are kept from here on.

        Args:
            path: the file.
            fragment: what stands behind the # of its address.
        """
        for domain in ("Page", "Runtime", "Network", "Log"):
            await self.do(f"{domain}.enable")
        await self._go("about:blank")  # a new fragment alone would not open it anew
        await self._go(f"{path.as_uri()}{fragment and '#' + fragment}")

    async def _go(self, url: str) -> None:
        self.events.clear()
        await self.do("Page.navigate", url=url)
        while not any(event["method"] == "Page.loadEventFired" for event in self.events):
            self.events.append(await self._socket.receive_json(timeout=30))

    async def ask(self, expression: str, *, wait: bool = False) -> Any:
        """Evaluate an expression in the page; `wait` for the promise that it makes."""
        how = {"returnByValue": not wait, "awaitPromise": wait}
        result = await self.do("Runtime.evaluate", expression=expression, **how)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    async def size(self, width: int, height: int) -> None:
        """Set the size of the window."""
        window = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        await self.do("Emulation.setDeviceMetricsOverride", **window)

    async def scheme(self, name: str) -> None:
        """Prefer "light" or "dark"."""
        await self.do(
            "Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": name}]
        )

    async def busy_seconds(self) -> float:
        """How long the page's thread has computed so far: what others do on this machine counts little."""
        await self.do("Performance.enable", timeDomain="threadTicks")
        metrics = (await self.do("Performance.getMetrics"))["metrics"]
        return float(next(one["value"] for one in metrics if one["name"] == "TaskDuration"))

    async def printed(self) -> int:
        """Print the page on A4 and return how many sheets that takes."""
        paper = {"paperWidth": 8.27, "paperHeight": 11.69, "preferCSSPageSize": True}
        made = base64.b64decode((await self.do("Page.printToPDF", **paper))["data"])
        return len(re.findall(rb"/Type\s*/Page\b", made))

    async def picture(self) -> bytes:
        """Take a PNG of the window."""
        result = await self.do("Page.captureScreenshot")
        return base64.b64decode(result["data"])


@asynccontextmanager
async def browser() -> AsyncIterator[Page]:
    """Start Chromium with a new profile, give one tab, and end it."""
    program = executable()
    assert program is not None
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = await asyncio.create_subprocess_exec(
            program, *_FLAGS, f"--user-data-dir={profile}", stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        try:
            async with aiohttp.ClientSession() as session, await _tab(session, process) as socket:
                yield Page(socket)
        finally:
            process.kill()
            await process.communicate()


async def _tab(
    session: aiohttp.ClientSession, process: asyncio.subprocess.Process
) -> aiohttp.ClientWebSocketResponse:
    """Open a tab at the port that Chromium names on its standard error."""
    assert process.stderr is not None
    async with asyncio.timeout(60):
        said = await process.stderr.readuntil(b"/devtools/browser/")
        port = said.rsplit(b":", 1)[1].split(b"/")[0].decode()
        async with session.put(f"http://127.0.0.1:{port}/json/new?about:blank") as answer:
            tab = await answer.json()
        return await session.ws_connect(tab["webSocketDebuggerUrl"], max_msg_size=0)
