"""Where a Terraform resource is written: its file, and its line there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from orchestrator.iac.addresses import parse_address
from orchestrator.iac.hcl import CannotEditError, block_span, locals_in, references_in

_MOST_BYTES = 8 << 20
_BLOCK = re.compile(r'^[ \t]*resource[ \t]+"([^"\n]+)"[ \t]+"([^"\n]+)"', re.MULTILINE)
_CALL = re.compile(r'^[ \t]*module[ \t]+"([^"\n]+)"', re.MULTILINE)
_SOURCE = re.compile(r'^[ \t]*source[ \t]*=[ \t]*"(\.\.?/[^"\n]*)"', re.MULTILINE)


class Block(NamedTuple):
    """A resource's block: the file, the line it begins in (from 1), and the place in the text."""

    path: Path
    line: int
    start: int


class _Folder(NamedTuple):
    """A folder of code: its resources' blocks, the modules that it calls beside it, what its local values refer to."""

    blocks: Mapping[tuple[str, str], Block]
    calls: Mapping[str, Path]
    locals: Mapping[str, list[str]]


class Sources:
    """The resource blocks of a folder of Terraform code, and of the modules that stand beside it."""

    def __init__(self, folder: Path) -> None:
        """Remember where to look; nothing is read before it is asked for."""
        self.folder = folder
        self._known: dict[Path, _Folder] = {}

    def find(self, address: str) -> Block | None:
        """The block that makes a resource; None where its source is not at hand."""
        parsed = parse_address(address)
        if parsed is None:
            return None
        folder = self.folder_of([name for name, _ in parsed[0].path])
        return None if folder is None else self._read(folder).blocks.get((parsed[0].kind, parsed[0].name))

    def folder_of(self, names: list[str]) -> Path | None:
        """The folder of a module; only one that stands beside the code is at hand."""
        folder = self.folder
        for name in names:
            called = self._read(folder).calls.get(name)
            if called is None:
                return None
            folder = called
        return folder

    def local(self, names: list[str], name: str) -> list[str] | None:
        """What a local value of a module refers to; None where that is not known."""
        folder = self.folder_of(names)
        return None if folder is None else self._read(folder).locals.get(name)

    def names(self, folder: Path, kind: str) -> frozenset[str]:
        """The names of the resources of this kind that a folder makes."""
        return frozenset([name for found, name in self._read(folder).blocks if found == kind])

    def calls(self, folder: Path) -> int:
        """How many calls, of the code and of the modules beside it, are of this folder."""
        left, seen, count = [self.folder], set[Path](), 0
        while left:
            one = left.pop()
            if one.resolve() in seen:
                continue
            seen.add(one.resolve())
            for called in self._read(one).calls.values():
                count += called.resolve() == folder.resolve()
                left.append(called)
        return count

    def _read(self, folder: Path) -> _Folder:
        if folder not in self._known:
            blocks: dict[tuple[str, str], Block] = {}
            calls: dict[str, Path] = {}
            for path in sorted(folder.glob("*.tf")) if folder.is_dir() else ():
                text = read_source(path)
                blocks |= dict(_blocks(path, text))
                calls |= dict(_calls(folder, text))
            self._known[folder] = _Folder(blocks, calls, _locals(folder) if folder.is_dir() else {})
        return self._known[folder]


def _blocks(path: Path, text: str) -> Iterator[tuple[tuple[str, str], Block]]:
    for found in _BLOCK.finditer(text):
        yield (found[1], found[2]), Block(path, text.count("\n", 0, found.start()) + 1, found.start())


def _locals(folder: Path) -> dict[str, list[str]]:
    """What each local value refers to; none is known where a file says otherwise than Terraform's own language."""
    if any(path.name.endswith(("override.tf", ".tf.json", ".tofu")) for path in folder.iterdir()):
        return {}
    found: dict[str, list[str]] = {}
    for path in sorted(folder.glob("*.tf")):
        try:
            found |= {name: references_in(text) for name, text in locals_in(read_source(path)).items()}
        except CannotEditError:
            return {}
    return found


def _calls(folder: Path, text: str) -> Iterator[tuple[str, Path]]:
    for found in _CALL.finditer(text):
        try:
            span = block_span(text, found.start())
        except CannotEditError:
            continue
        if source := _SOURCE.search(text, span.start, span.end):
            yield found[1], folder / source[1]


def read_source(path: Path) -> str:
    """A file of code; what is no text, or too much to be code, is nothing."""
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
        return content.decode() if len(content) <= _MOST_BYTES else ""
    except (OSError, UnicodeDecodeError):
        return ""
