"""Builds the function's zips: index.py, what the handler imports of this project, and wheels for each runtime.

Needs neither of the runtimes' interpreters: wheels for their platform are fetched by hash and unpacked. The same
inputs give the same bytes: names sorted, one date, one mode, nothing compiled.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RUNTIMES = ("3.10", "3.12")
# Function Compute's python3.10 runs on Debian 10, which has glibc 2.28; python3.12 on Debian 11.
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux2014_x86_64", "any")
PACKAGES = ("accounts", "matching", "orchestrator")
_DATE = (1980, 1, 1, 0, 0, 0)
_LEFT_OUT = ("tests", "test", "__pycache__")
Files = dict[str, bytes]


def main() -> int:
    """Build the zip of each runtime; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runtime", action="append", choices=RUNTIMES, help="only this one")
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="the folder for the zips")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    for runtime in given.runtime or RUNTIMES:
        zipped = given.out / f"sgsweep-function-python{runtime}.zip"
        with tempfile.TemporaryDirectory() as folder:
            fetch(runtime, Path(folder))
            write(zipped, {**unpacked(Path(folder).glob("*.whl")), **own()})
        size = zipped.stat().st_size / 1e6
        sys.stdout.write(
            f"{zipped}  {size:.1f} MB  sha256 {hashlib.sha256(zipped.read_bytes()).hexdigest()}\n"
        )
    return 0


def fetch(runtime: str, folder: Path) -> None:
    """Download the runtime's wheels, each checked against its hash.

    Raises:
        SystemExit: pip could not; it has said why.
    """
    abi = f"cp{runtime.replace('.', '')}"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--require-hashes", "-r", str(ROOT / "requirements" / f"function-{runtime}.txt")]
    command += [
        "--only-binary=:all:",
        "--implementation",
        "cp",
        "--python-version",
        runtime,
        "-d",
        str(folder),
    ]
    for tag in (abi, "abi3", "none"):
        command += ["--abi", tag]
    for platform in PLATFORMS:
        command += ["--platform", platform]
    if subprocess.run(command, check=False).returncode:  # noqa: S603 - pip, with arguments of our own
        raise SystemExit(f"the wheels for Python {runtime} could not be fetched")


def unpacked(wheels: Iterable[Path]) -> Files:
    """Return what the wheels install, without tests and without what pip alone needs."""
    files: Files = {}
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                if not name.endswith(("/", ".pyi", "/RECORD")) and not set(name.split("/")) & set(_LEFT_OUT):
                    files[name] = archive.read(name)
    return files


def own() -> Files:
    """Return index.py and the modules of this project that it imports, directly or not."""
    entry = ROOT / "function" / "index.py"
    files = {"index.py": entry.read_bytes()}
    waiting = list(_imports(entry))
    while waiting:
        path = _file_of(waiting.pop())
        name = path.relative_to(ROOT).as_posix() if path else ""
        if path and name not in files:
            files[name] = path.read_bytes()
            waiting += _imports(path)
    return files


def _imports(path: Path) -> Iterator[str]:
    """Yield the modules of this project that a file imports anywhere, and their packages."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            parts = name.split(".")
            if parts[0] in PACKAGES:
                yield from (".".join(parts[:end]) for end in range(1, len(parts) + 1))


def _file_of(module: str) -> Path | None:
    """Return the file of a module or package; None for a name inside a module."""
    path = ROOT.joinpath(*module.split("."))
    for file in (path / "__init__.py", path.with_suffix(".py")):
        if file.is_file():
            return file
    return None


def write(target: Path, files: Files) -> None:
    """Write the zip, in place of an older one at once."""
    unfinished = target.with_suffix(".unfinished")
    with zipfile.ZipFile(unfinished, "w") as archive:
        for name in sorted(files):
            info = zipfile.ZipInfo(name, _DATE)
            info.external_attr = 0o100644 << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, files[name], compresslevel=6)
    unfinished.replace(target)


if __name__ == "__main__":
    sys.exit(main())
