"""Function Compute 3.0, a stand-in: runs a built function in an interpreter of its own, sync or async.

An invocation is a process: it gets the environment and the context of its runtime, and the time-out ends it. An async
one is tried again, then goes to the dead letter. No code of the other rooms runs in this process.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

MARK: Final = "\x1esgsweep-result\x1e"
_RUNNER: Final = """
import importlib, json, sys, types
asked = json.loads(sys.stdin.readline())
sys.path[:0] = asked["path"]
sys.dont_write_bytecode = True
context = types.SimpleNamespace(**asked["context"])
context.function = types.SimpleNamespace(**asked["context"]["function"])
if "credentials" in asked["context"]:
    context.credentials = types.SimpleNamespace(**asked["context"]["credentials"])
module, _, name = asked["handler"].rpartition(".")
try:
    value = getattr(importlib.import_module(module), name)(sys.stdin.read().encode(), context)
    answer = {"value": value}
except BaseException as error:
    answer = {"errorType": type(error).__name__, "errorMessage": str(error)}
sys.stdout.flush()
sys.stdout.write("\\n" + asked["mark"] + json.dumps(answer) + "\\n")
"""


@dataclass(frozen=True, slots=True)
class Invoked:
    """How an invocation ended. `error` is "" for success, else the type the platform would show."""

    handler: str
    value: object
    error: str
    message: str
    log: tuple[str, ...]
    seconds: float


@dataclass(slots=True)
class Function:
    """A function as deployed.

    `folder` holds the unpacked zip; None runs what this interpreter can import. `context_credentials` gives the keys in
    the context, as python3.10 does, and not in the environment, as python3.12 does.
    """

    account_id: str
    region_id: str
    keys: tuple[str, str, str]
    environment: Mapping[str, str]
    folder: Path | None = None
    python: str = sys.executable
    module: str = "index"
    timeout_seconds: float = 60.0
    context_credentials: bool = False
    retries: int = 2
    retry_seconds: float = 0.2


def unpack(zipped: Path, folder: Path) -> Path:
    """Unzip a built function into an empty folder."""
    with zipfile.ZipFile(zipped) as archive:
        archive.extractall(folder)
    return folder


def invoke(function: Function, name: str, event: bytes) -> Invoked:
    """Call an entry point and wait for its end, or for the time-out's."""
    started = time.monotonic()
    handler = f"{function.module}.{name}"
    try:
        done = subprocess.run(  # noqa: S603 - the interpreter the function was deployed with
            [function.python, "-I", "-S", "-c", _RUNNER]
            if function.folder
            else [function.python, "-c", _RUNNER],
            input=json.dumps(_asked(function, handler)).encode() + b"\n" + event,
            env=_environment(function),
            cwd=function.folder,
            capture_output=True,
            timeout=function.timeout_seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        early = tuple((late.stdout or b"").decode("utf-8", "replace").splitlines())
        message = f"Function timed out after {function.timeout_seconds:g} seconds"
        return Invoked(handler, None, "FunctionTimedOut", message, early, time.monotonic() - started)
    text, mark, answer = done.stdout.decode("utf-8", "replace").partition(MARK)
    log = tuple(line for line in text.splitlines() if line)
    seconds = time.monotonic() - started
    if not mark:
        return Invoked(
            handler, None, "ProcessExited", done.stderr.decode("utf-8", "replace")[-2000:], log, seconds
        )
    said = json.loads(answer)
    return Invoked(
        handler, said.get("value"), said.get("errorType", ""), said.get("errorMessage", ""), log, seconds
    )


def _asked(function: Function, handler: str) -> dict[str, object]:
    context: dict[str, object] = {
        "request_id": os.urandom(8).hex(),
        "account_id": function.account_id,
        "region": function.region_id,
        "function": {
            "name": "sgsweep",
            "handler": handler,
            "memory": 1024,
            "timeout": function.timeout_seconds,
        },
    }
    if function.context_credentials:
        names = ("access_key_id", "access_key_secret", "security_token")
        context["credentials"] = dict(zip(names, function.keys, strict=True))
    folder = [str(function.folder)] if function.folder else []
    return {"path": folder, "handler": handler, "context": context, "mark": MARK}


def _environment(function: Function) -> dict[str, str]:
    key, secret, token = ("", "", "") if function.context_credentials else function.keys
    names = {"ALIBABA_CLOUD_ACCESS_KEY_ID": key, "ALIBABA_CLOUD_ACCESS_KEY_SECRET": secret}
    return {
        "PATH": os.environ.get("PATH", ""),
        "PYTHONPATH": "" if function.folder else os.pathsep.join(sys.path),
        "FC_REGION": function.region_id,
        "FC_ACCOUNT_ID": function.account_id,
        **names,
        "ALIBABA_CLOUD_SECURITY_TOKEN": token,
        **function.environment,
    }


@dataclass(slots=True)
class FunctionCompute:
    """Functions by ARN, with their async invocations, retries and dead letters."""

    functions: dict[str, tuple[Function, str]] = field(default_factory=dict)
    ended: list[Invoked] = field(default_factory=list)
    dead_letters: list[tuple[str, bytes]] = field(default_factory=list)
    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(4, "function"))
    _stopping: threading.Event = field(default_factory=threading.Event)

    def deploy(self, arn: str, function: Function, name: str) -> str:
        """Make a function's entry point callable under an ARN."""
        self.functions[arn] = (function, name)
        return arn

    def invoke_async(self, arn: str, event: bytes, tell: Callable[[str], None] = lambda _: None) -> None:
        """Accept an event; it is worked off later. `tell` gets "" or how it failed for good."""
        if arn not in self.functions:
            tell(f"there is no function {arn}")
        elif not self._stopping.is_set():
            self._pool.submit(self._work_off, arn, event, tell)

    def _work_off(self, arn: str, event: bytes, tell: Callable[[str], None]) -> None:
        function, name = self.functions[arn]
        for attempt in range(function.retries + 1):
            done = invoke(function, name, event)
            self.ended.append(done)
            if not done.error or self._stopping.is_set():
                tell(done.error and f"{done.error}: {done.message}")
                return
            if attempt < function.retries:
                self._stopping.wait(function.retry_seconds * 2**attempt)
        self.dead_letters.append((arn, event))
        tell(f"{done.error}: {done.message}")

    def stop(self) -> None:
        """Take no more, and wait for what runs."""
        self._stopping.set()
        self._pool.shutdown(cancel_futures=True)
