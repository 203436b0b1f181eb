"""The last question before anything is changed."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable

from orchestrator.cli.language import spoken
from orchestrator.cli.progress import paused
from orchestrator.terminal import warn


def confirming(*, yes: bool) -> Callable[[int, int | None], None]:
    """Return what asks for the number of accounts to be typed, or, with `--yes`, only says what will be done."""

    def confirm(accounts: int, rules: int | None) -> None:
        from orchestrator.run import RefusedError, UsageError

        words = spoken()
        key = "screen.will_change_found" if rules is None else "screen.will_change"
        warn(words(key, rules=rules, accounts=accounts))
        if yes:
            return
        if not sys.stdin.isatty():
            raise UsageError("nobody is there to be asked: give --yes to change it all the same")
        with paused():
            typed = _typed(words("screen.type_accounts"))
        if typed.strip() != str(accounts):
            raise RefusedError("not confirmed; nothing was changed")

    return confirm


def _typed(question: str) -> str:
    """Ask, and read a line; Ctrl-C is an empty one: the loop stands still, and would hear of it only afterwards."""
    waking, handler = signal.set_wakeup_fd(-1), signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        warn(question)
        return sys.stdin.readline()
    except KeyboardInterrupt:
        return ""
    finally:
        signal.signal(signal.SIGINT, handler)
        signal.set_wakeup_fd(waking)
