"""Processes: an emulator of its own, and a command whose time, CPU and memory are taken."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec

from benchmarks.emulated import Listening, Report, Spec

SGSWEEP = str(Path(sys.executable).with_name("sgsweep"))
_PATIENCE_SECONDS = 900.0


class Measured(NamedTuple):
    """What a command took.

    Attributes:
        seconds: of the clock.
        cpu: seconds of the processor.
        peak_mb: the most memory it held at once (VmHWM), 2**20 bytes.
        began_at: seconds since 1970.
        output: what it printed.
        code: its exit code.
    """

    seconds: float
    cpu: float
    peak_mb: float
    began_at: float
    output: str
    code: int


def measure(
    command: Sequence[str], folder: Path, environment: Mapping[str, str], codes: Sequence[int] = (0,)
) -> Measured:
    """Run a command to its end.

    Raises:
        RuntimeError: it ended with a code that is not among `codes`, or not in time.
    """
    began_at, began = time.time(), time.perf_counter()
    with (folder / "stderr.txt").open("w") as errors, (folder / "stdout.txt").open("w") as output:
        process = subprocess.Popen(  # noqa: S603 - our own command
            command, cwd=folder, env={**os.environ, **environment}, stdout=output, stderr=errors
        )
        watch = _Watch(process.pid)
        _, status, usage = os.wait4(process.pid, 0)
        watch.end()
    process.returncode = code = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - began
    if code not in codes:
        said = (folder / "stderr.txt").read_text()[-2000:]
        raise RuntimeError(f"{' '.join(command)} ended with {code} after {seconds:.0f} s: {said}")
    printed = (folder / "stdout.txt").read_text()
    return Measured(seconds, usage.ru_utime + usage.ru_stime, watch.peak_mb, began_at, printed, code)


class _Watch:
    """Reads the process's own high-water mark while it runs: ru_maxrss also counts its parent's before the exec."""

    def __init__(self, pid: int) -> None:
        self.peak_mb = 0.0
        self._pid = pid
        self._status = Path(f"/proc/{pid}/status")
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not self._ended.wait(0.02):
            if time.monotonic() > deadline:
                os.kill(self._pid, 9)
                return
            try:
                lines = self._status.read_text().splitlines()
            except (FileNotFoundError, ProcessLookupError):
                return
            kilobytes = next((line.split()[1] for line in lines if line.startswith("VmHWM")), "0")
            self.peak_mb = max(self.peak_mb, int(kilobytes) / 1024)

    def end(self) -> None:
        """Stop looking."""
        self._ended.set()
        self._thread.join()


class Emulated:
    """An emulator in another process."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        listening = msgspec.json.decode(self._line(), type=Listening)
        self.url = listening.url
        self.environment = {
            "SGSWEEP_ENDPOINT": listening.url,
            "ALIBABA_CLOUD_ACCESS_KEY_ID": listening.access_key_id,
            "ALIBABA_CLOUD_ACCESS_KEY_SECRET": listening.access_key_secret,
            "ALIBABA_CLOUD_SECURITY_TOKEN": "",
        }

    def report(self) -> Report:
        """Return what was called since the report before."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return msgspec.json.decode(self._line(), type=Report)

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


@contextmanager
def emulated(
    world: str,
    latency_seconds: float = 0.0,
    throttle: Mapping[str, object] | None = None,
    **arguments: object,
) -> Iterator[Emulated]:
    """Serve a world of `benchmarks.worlds` from another process until the block ends."""
    spec = Spec(world, arguments, latency_seconds, dict(throttle or {}))
    process = subprocess.Popen(  # noqa: S603 - our own module
        [sys.executable, "-m", "benchmarks.emulated", msgspec.json.encode(spec).decode()],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield Emulated(process)
    finally:
        process.communicate()


def configure(folder: Path, text: str = "") -> None:
    """Write the config.toml that commands in this folder read."""
    (folder / "config.toml").write_text(text)
