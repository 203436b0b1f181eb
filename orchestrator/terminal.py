r"""The one way to the terminal: nothing that a tenant has named, or a file holds, steers it or forges a line.

What is said to a human goes to stderr, data to stdout. A name, a message or a record read from disk can hold control
characters, ANSI sequences, line ends and marks that turn the direction of reading: whatever is no visible character
is shown as Python spells it (`\x1b`, `\u202e`). A program that reads a document from stdout gets it as it is; on a
terminal it is escaped, too.
"""

from __future__ import annotations

import io
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Literal, TextIO

_CANDIDATES = re.compile(r"\r\n|[^ -~]")
_SPACES = frozenset(
    "\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
)
_LAYOUT = frozenset({"\n", "\r\n", "\t"})


Style = Literal["", "bold", "red", "green", "cyan"]


class OutputError(Exception):
    """The output cannot be written: its disk is full."""


@dataclass
class _Now:
    """What this process was asked for: one command, so there is one of these."""

    is_quiet: bool = False


_now = _Now()


def hush(asked: bool = True) -> None:  # noqa: FBT001, FBT002 - as an option's callback is called
    """Say nothing from now on but warnings and results."""
    _now.is_quiet |= asked


def is_quiet() -> bool:
    """Tell whether only warnings and results are wanted."""
    return _now.is_quiet


def say(text: str = "") -> None:
    """Say one line to the human on stderr, unless only warnings and results are wanted."""
    if not _now.is_quiet:
        warn(text)


def warn(text: str) -> None:
    """Say one line to the human on stderr, always: a warning, an error or the result."""
    print(visible(text), file=sys.stderr, flush=True)  # noqa: T201, TID251 - the printer


def table(rows: Iterable[tuple[str, ...]]) -> None:
    """Say rows in aligned columns."""
    kept = [tuple(map(visible, row)) for row in rows]
    widths = [max(map(width, column)) for column in zip(*kept, strict=True)]
    for row in kept:
        cells = (cell + " " * (most - width(cell)) for cell, most in zip(row, widths, strict=True))
        say("  " + "  ".join(cells).rstrip())


def give(*columns: str) -> None:
    """Give one line of data on stdout: its columns, with tabs between them.

    Raises:
        OutputError: it could not be written.
    """
    with _output():
        print("\t".join(map(visible, columns)))  # noqa: T201 - the printer


@contextmanager
def document() -> Iterator[Callable[[str], object]]:
    """Give what writes a document to stdout, piece by piece: UTF-8 whatever the locale is, with its own line ends.

    Raises:
        OutputError: it could not be written.
    """
    stream = sys.stdout  # noqa: TID251 - the printer
    with _output():
        stream.reconfigure(encoding="utf-8", newline="")  # type: ignore[union-attr]  # it is a text stream
        yield stream.write


def page(lines: Iterable[tuple[str, Style]]) -> None:
    """Give lines for people on stdout: on a terminal in colours, and through a pager where there is one.

    A program that reads them gets the text alone. `PAGER` names the pager, empty for none; `NO_COLOR` is heeded.

    Raises:
        OutputError: they could not be written.
    """
    is_seen = sys.stdout.isatty()  # noqa: TID251 - the printer
    has_colours = is_seen and not os.environ.get("NO_COLOR") and os.environ.get("TERM", "dumb") != "dumb"
    texts = (f"{_in_style(visible(text), style if has_colours else '')}\n" for text, style in lines)
    pager = _pager() if is_seen else None
    if pager is None:
        with _output():
            stream = (sys.__stdout__ or sys.stdout) if is_seen else sys.stdout  # noqa: TID251 - the printer
            stream.writelines(texts)
            stream.flush()
        return
    _through(pager, texts)


def _through(pager: list[str], texts: Iterable[str]) -> None:
    """Let a pager show the texts; who leaves it has seen enough."""
    environment = {"LESS": "FRX", **os.environ}  # what fits on the screen ends at once; colours are shown
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the pager
    try:
        with (
            subprocess.Popen(  # noqa: S603 - the user's own pager
                pager, stdin=subprocess.PIPE, env=environment, encoding="utf-8", errors="backslashreplace"
            ) as process,
            suppress(BrokenPipeError),
        ):
            assert process.stdin is not None  # noqa: S101 - it is a pipe
            process.stdin.writelines(texts)
            process.stdin.close()
    finally:
        signal.signal(signal.SIGINT, before)


def _pager() -> list[str] | None:
    named = os.environ.get("PAGER")
    try:
        words = shlex.split("less" if named is None else named)
    except ValueError:  # a quote that does not end
        return None
    return words if words and shutil.which(words[0]) else None


def _in_style(text: str, style: Style) -> str:
    code = _CODES.get(style)
    return f"\x1b[{code}m{text}\x1b[0m" if code and text else text


_CODES = {"bold": 1, "red": 31, "green": 32, "cyan": 36}


def visible(text: str) -> str:
    """Return the text in one line, with whatever is no visible character spelled as Python spells it."""
    return text if text.isprintable() else _CANDIDATES.sub(_spelled, text)


def width(text: str) -> int:
    """Return how many columns a line takes on the screen: a Chinese character is as wide as two Latin ones."""
    if text.isascii():
        return len(text)
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def is_terminal() -> bool:
    """Tell whether a human looks at stderr as it is written."""
    return sys.stderr.isatty()  # noqa: TID251 - the printer


def drawing() -> TextIO:
    """Return stderr as it is, for what draws on the terminal, and has made foreign texts `visible` itself."""
    return sys.__stderr__ or sys.stderr  # noqa: TID251 - the printer


def open_streams() -> None:
    """Let no stream steer the terminal, whoever writes to it: a library, a traceback, a warning.

    A closed stream becomes a bottomless one, so that no file of ours gets its number. What has no code in the
    terminal's encoding is escaped.
    """
    for name in ("stdin", "stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "r+", encoding="utf-8"))  # noqa: PTH123, SIM115 - open to the end
        elif name == "stderr" or (name == "stdout" and stream.isatty()):
            setattr(
                sys, name, _Harmless(stream.buffer, stream.encoding, "backslashreplace", line_buffering=True)
            )
        elif name == "stdout":
            stream.reconfigure(errors="backslashreplace")


class _Harmless(io.TextIOWrapper):
    """A stream that lets through the layout of a text, and else only what is visible."""

    def write(self, text: str) -> int:
        super().write(
            text
            if text.isprintable()
            else _CANDIDATES.sub(lambda found: found[0] if found[0] in _LAYOUT else _spelled(found), text)
        )
        return len(text)


def _spelled(found: re.Match[str]) -> str:
    text = found[0]
    return text if text.isprintable() or text in _SPACES else text.encode("unicode_escape").decode()


def write_no_more() -> None:
    """Let what is written to stdout from now on, and what waits to be written, go nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)


@contextmanager
def _output() -> Iterator[None]:
    """Turn the failure of a write to stdout into an OutputError, which no library takes for its own.

    Who reads may leave when it has enough, as `head` does: the rest goes nowhere, and the command ends as it would.
    """
    try:
        yield
        sys.stdout.flush()  # noqa: TID251 - the printer
    except BrokenPipeError:
        write_no_more()
    except OSError as error:
        if error.filename is not None:  # of a file, not of the stream
            raise
        raise OutputError(f"the output could not be written: {error.strerror}") from error
