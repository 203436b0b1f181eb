"""The command on a terminal of its own, as a person has it."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import termios
import time

from tests.cli.desk import COMMAND, PATIENCE_SECONDS, Desk, Ended

_STEERING = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def on_terminal(desk: Desk, *arguments: str, typed: str = "", width: int = 80) -> Ended:
    """Run the command on a terminal of that width; what is `typed` is typed when it asks for it."""
    pid, terminal = pty.fork()
    if pid == 0:  # the child: only what must be, and then another program
        os.chdir(desk.folder)
        os.execvpe(COMMAND[0], [*COMMAND, *arguments], {**desk.environment, "TERM": "xterm"})  # noqa: S606 (our own)
    try:
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
        text = _talk(terminal, typed)
    finally:
        os.close(terminal)  # hangs up on whoever is still there
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return desk.checked(Ended(code, "", _STEERING.sub("", text)))


def _talk(terminal: int, typed: str) -> str:
    heard, deadline = b"", time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if not select.select([terminal], [], [], 0.2)[0]:
            continue
        try:
            chunk = os.read(terminal, 65536)
        except OSError:  # the other end was closed: it has ended
            break
        if not chunk:
            break
        heard += chunk
        if typed and b"type the number of accounts" in heard:
            os.write(terminal, typed.encode())
            typed = ""
    return heard.decode(errors="replace")
