"""What stops a run of changes between two calls: a file, a key press, or too many failures."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from orchestrator.journal import Outcome, OutcomeKind


class Stopped(Exception):  # noqa: N818 - named by what is the case
    """The run was stopped between two calls; the same command, run again, goes on."""


class Brake:
    """Shared by all that changes things in a run.

    The file is looked for before each change, so that anybody who may write the run folder can stop the run.
    """

    def __init__(
        self, stop_file: Path | None = None, *, max_failed_share: float = 0.2, min_changes: int = 5
    ) -> None:
        """Make a brake that is off.

        Args:
            stop_file: stops the run while it exists.
            max_failed_share: more failed changes than this part of all stop the run; 1 never does.
            min_changes: so many changes are made before the share counts.
        """
        self._file = stop_file
        self._max_failed_share = max_failed_share
        self._min_changes = min_changes
        self._total = 0
        self._failed = 0
        self._reason = ""

    def press(self, reason: str) -> None:
        """Stop before the next change."""
        self._reason = self._reason or reason

    def count(self, outcomes: Iterable[Outcome]) -> None:
        """Take note of how changes ended."""
        for outcome in outcomes:
            self._total += 1
            self._failed += outcome.outcome is OutcomeKind.failed
        if self._total >= self._min_changes and self._failed > self._max_failed_share * self._total:
            self.press(f"{self._failed} of {self._total} changes failed")

    def check(self) -> None:
        """Return if changes may go on.

        Raises:
            Stopped: they may not.
        """
        if not self._reason and self._file is not None and self._file.exists():
            self.press(f"{self._file} exists: remove it to go on")
        if self._reason:
            raise Stopped(self._reason)
