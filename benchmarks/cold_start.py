"""A cold start of the function: from the start of its process to its first call of ECS, under its own interpreter.

The built zip, unpacked in an empty folder, with nothing else on the path, against the emulator on loopback. The best
of several starts is quoted, since the machine may be busy with something else.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from benchmarks.table import Row, show
from orchestrator.emulator import Emulator
from orchestrator.emulator.services.function_compute import invoke, unpack
from tests.handler.test_function_zip import BUILD, RUNTIMES, about, deployed, interpreter, opened

_STARTS = 8


def run() -> list[Row]:
    """Return the table; a runtime without an interpreter here is said to be left out."""
    rows = []
    for runtime in RUNTIMES:
        python = interpreter(runtime)
        if not python:
            print(f"there is no Python {runtime} on this machine: its cold start is not measured")
            continue
        with tempfile.TemporaryDirectory() as name:
            rows.append(
                Row(
                    f"python{runtime}: best of {_STARTS}",
                    _best(Path(name), runtime, python),
                    "s",
                    target="<= 1.5",
                )
            )
    return rows


def _best(folder: Path, runtime: str, python: str) -> float:
    BUILD.fetch(runtime, folder / "wheels")
    files = {**BUILD.unpacked((folder / "wheels").glob("*.whl")), **BUILD.own()}
    BUILD.write(folder / "function.zip", files)
    code = unpack(folder / "function.zip", folder / "code")
    took = []
    for number in range(_STARTS):
        with Emulator(opened()) as cloud:
            function = deployed(cloud, folder / str(number), code, python, runtime)
            started = time.time()
            invoke(function, "handler", about(cloud))
            took.append(cloud.calls.of("DescribeSecurityGroups")[0].time - started)
    return min(took)


if __name__ == "__main__":
    show(run())
