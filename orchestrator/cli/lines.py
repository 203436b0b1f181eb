"""Command lines that a message gives: to be pasted as they stand, with the configuration of this command."""

from __future__ import annotations

import os
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass
class _Now:
    """What this process was asked for: one command, so there is one of these."""

    config: Path | None = None
    folder: Path | None = None
    is_scan: bool = False


_now = _Now()


def configured_by(path: Path | None) -> None:
    """Remember the configuration that was named on the command line; None if none was."""
    _now.config = path


def works_in(folder: Path, *, is_scan: bool = False) -> None:
    """Remember the run folder that this command writes, so that it can be said how to go on in it."""
    _now.folder, _now.is_scan = folder, is_scan


def line(*words: str | Path) -> str:
    """Return the command of these words, for a shell."""
    named = ("--config", _now.config) if _now.config is not None else ()
    return shlex.join(["sgsweep", *map(_word, (*words, *named))])


def same_line() -> str:
    """Return the command as it was given, for a shell."""
    return shlex.join(["sgsweep", *sys.argv[1:]])


def begun() -> Path | None:
    """Return the run folder that this command has begun to write; None if there is none."""
    from orchestrator.journal import Untrusted
    from orchestrator.run import holds_run

    try:
        return _now.folder if _now.folder is not None and holds_run(_now.folder) else None
    except Untrusted:  # whatever is there, this command did not write it
        return None


def again() -> str:
    """Return the command that goes on where this one ended: for a scan that has a run folder, its resumption."""
    folder = begun() if _now.is_scan else None
    return same_line() if folder is None else line("scan", "--resume", folder)


def _word(given: str | Path) -> str:
    text = str(given)
    return f".{os.sep}{text}" if isinstance(given, Path) and text.startswith("-") else text
