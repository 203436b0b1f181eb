"""What a run's calls came to, by action; and one value per attempt for whoever watches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Attempt:
    """One request as sent and answered.

    Attributes:
        account_id: whose quota.
        region_id: None for central products.
        action: the API.
        number: 1 for the first attempt of a call.
        outcome: "ok", or the error's code.
        status: HTTP status, 0 without an answer.
        request_id: empty if unknown; it is read from failed answers only.
        seconds: from sending to the end of the answer.
        waited_seconds: for quota or a place, before sending.
        host: whom it was sent to.
        headers: of the answer, names without regard to case; empty without one.
    """

    account_id: str
    region_id: str | None
    action: str
    number: int
    outcome: str
    status: int
    request_id: str
    seconds: float
    waited_seconds: float
    host: str = ""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


Observer = Callable[[Attempt], None]


@dataclass
class ActionStats:
    """Counts of one action.

    Attributes:
        calls: requests sent, retries included.
        throttled: of these, refused for their rate.
        retried: of these, sent again after a failure.
        failed: calls that failed for good.
        waited_seconds: for quota or a place, summed over calls.
    """

    calls: int = 0
    throttled: int = 0
    retried: int = 0
    failed: int = 0
    waited_seconds: float = 0.0


@dataclass
class Stats:
    """Counts of a run; what `summary.json` says of the API."""

    actions: dict[str, ActionStats] = field(default_factory=dict)

    def of(self, action: str) -> ActionStats:
        """Return the counts of one action, to be added to."""
        found = self.actions.get(action)
        if found is None:
            found = self.actions[action] = ActionStats()
        return found

    @property
    def calls(self) -> int:
        """Requests sent."""
        return sum(stats.calls for stats in self.actions.values())

    @property
    def throttled(self) -> int:
        """Requests refused for their rate."""
        return sum(stats.throttled for stats in self.actions.values())

    @property
    def retried(self) -> int:
        """Requests sent again."""
        return sum(stats.retried for stats in self.actions.values())
