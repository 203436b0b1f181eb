"""What a command tells while it runs: counters that the run writes and a screen reads."""

from __future__ import annotations

from collections.abc import Callable

from orchestrator.run.connection import Connection


class Progress:
    """Live counters of a run. Written by the run's tasks in one event loop, read by whoever shows them.

    Attributes:
        connected: is told who acts against which cloud, before anything else is asked.
        told: is told, in a sentence, what must be known before the question whether to go on.
    """

    def __init__(
        self,
        connected: Callable[[Connection], None] = lambda _: None,
        told: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.connected = connected
        self.told = told
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
        self._waits: Callable[[], list[str]] = list

    def watch(
        self,
        calls: Callable[[], tuple[int, int, int]],
        quota_seconds: Callable[[], float],
        waits: Callable[[], list[str]] = list,
    ) -> None:
        """Take from here, whenever it is shown, what the client knows.

        Args:
            calls: made so far, throttled among them, retries among them.
            quota_seconds: how long what waits for the provider's quota will wait.
            waits: which accounts wait for it longest, and for what.
        """
        self._calls, self._quota_seconds, self._waits = calls, quota_seconds, waits

    @property
    def waits(self) -> list[str]:
        """Which accounts wait longest, and for what."""
        return self._waits()

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

    def drop(self, account_id: str) -> None:
        """Show the account no longer as being worked on; it is not done."""
        self._busy.pop(account_id, None)

    def busy(self) -> list[str]:
        """Return a line for each account being worked on, longest at it first."""
        return [describe() for describe in self._busy.values()]

    def seconds_left(self, elapsed_seconds: float) -> float | None:
        """Return how long the rest will take: at the pace so far, or as long as the quota makes it wait."""
        if not self.accounts_done or self.accounts_done >= self.accounts:
            return self._quota_seconds() or None
        paced = elapsed_seconds * (self.accounts - self.accounts_done) / self.accounts_done
        return max(paced, self._quota_seconds())
