"""What a command tells while it runs: counters that the run writes and a screen reads."""

from __future__ import annotations

from collections.abc import Callable


class Progress:
    """Live counters of a run. Written by the run's tasks in one event loop, read by whoever shows them."""

    def __init__(self) -> None:
        self.stage = "scan"
        self.accounts = 0
        self.accounts_done = 0
        self.unreachable = 0
        self.regions = 0
        self.security_groups = 0
        self.rules = 0
        self.findings = 0
        self._busy: dict[str, Callable[[], str]] = {}
        self._calls: Callable[[], tuple[int, int, int]] = lambda: (0, 0, 0)
        self._quota_seconds: Callable[[], float] = lambda: 0.0

    def watch(self, calls: Callable[[], tuple[int, int, int]], quota_seconds: Callable[[], float]) -> None:
        """Take from here, whenever it is shown, what the client knows.

        Args:
            calls: made so far, throttled among them, retries among them.
            quota_seconds: how long what waits for the provider's quota will wait.
        """
        self._calls, self._quota_seconds = calls, quota_seconds

    @property
    def calls(self) -> int:
        """Calls made so far, retries included."""
        return self._calls()[0]

    @property
    def throttled(self) -> int:
        """Answers that said "too many calls" so far."""
        return self._calls()[1]

    @property
    def retried(self) -> int:
        """Calls that repeated an earlier one so far."""
        return self._calls()[2]

    def enter(self, account_id: str, describe: Callable[[], str]) -> None:
        """Show the account as being worked on."""
        self._busy[account_id] = describe

    def leave(self, account_id: str) -> None:
        """Count the account as done."""
        self._busy.pop(account_id, None)
        self.accounts_done += 1

    def busy(self) -> list[str]:
        """Return a line for each account being worked on, longest at it first."""
        return [describe() for describe in self._busy.values()]

    def seconds_left(self, elapsed_seconds: float) -> float | None:
        """Return how long the rest will take: at the pace so far, or as long as the quota makes it wait."""
        if not self.accounts_done or self.accounts_done >= self.accounts:
            return self._quota_seconds() or None
        paced = elapsed_seconds * (self.accounts - self.accounts_done) / self.accounts_done
        return max(paced, self._quota_seconds())
