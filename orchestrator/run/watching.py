"""What the answers tell beside their bodies: the cloud's clock, who answered, by which way, and how much was left."""

from __future__ import annotations

import time
from collections import Counter

import msgspec

from orchestrator.cloud.endpoints import goes_by_proxy
from orchestrator.cloud.responses import quota_of, skew_seconds
from orchestrator.cloud.settings import CloudSettings
from orchestrator.cloud.stats import Attempt

_HALF_A_SECOND = (
    0.5  # a Date has whole seconds, so the moment meant is half of one later, give or take as much
)
_QUOTAS = 100_000  # of a thousand accounts or so, each with its own


class Clock(msgspec.Struct, frozen=True):
    """How far this machine's clock is ahead of the cloud's.

    Attributes:
        ahead_seconds: negative where it is behind; None where no answer had a date.
        within_seconds: how far that may be off.
    """

    ahead_seconds: float | None = None
    within_seconds: float = 0.0

    @property
    def agrees(self) -> bool:
        """Whether no difference can be told."""
        return self.ahead_seconds is not None and abs(self.ahead_seconds) <= self.within_seconds


class EndpointSeen(msgspec.Struct, frozen=True):
    """A host that calls went to.

    Attributes:
        host: with its port, if that is not the usual one.
        by_proxy: they went by the proxy.
        calls: attempts, retries included.
        unanswered: attempts without an answer, by the code that says why.
    """

    host: str
    by_proxy: bool
    calls: int
    unanswered: dict[str, int]


class QuotaSeen(msgspec.Struct, frozen=True):
    """What an answer said of its limit, in the cloud's words; the last one of each account, region and action."""

    account_id: str
    region_id: str | None
    action: str
    said: str


class Watch:
    """An observer of every attempt."""

    def __init__(self, settings: CloudSettings) -> None:
        self._settings = settings
        self._calls: Counter[str] = Counter()
        self._unanswered: dict[str, Counter[str]] = {}
        self._quotas: dict[tuple[str, str | None, str], str] = {}
        self.clock = Clock()

    def __call__(self, attempt: Attempt) -> None:
        """See one attempt."""
        self._calls[attempt.host] += 1
        if not attempt.headers:
            self._unanswered.setdefault(attempt.host, Counter())[attempt.outcome] += 1
            return
        self._see_clock(attempt)
        said = quota_of(attempt.headers)
        key = (attempt.account_id, attempt.region_id, attempt.action)
        if said and (key in self._quotas or len(self._quotas) < _QUOTAS):
            self._quotas[key] = said

    def _see_clock(self, attempt: Attempt) -> None:
        """Keep what the quickest answer says: it leaves least open when its date was written."""
        way = attempt.seconds / 2
        ahead = skew_seconds(attempt.headers, time.time() - way - _HALF_A_SECOND)
        within = way + _HALF_A_SECOND
        if ahead is not None and (self.clock.ahead_seconds is None or within < self.clock.within_seconds):
            self.clock = Clock(ahead, within)

    @property
    def endpoints(self) -> tuple[EndpointSeen, ...]:
        """Who was asked, the most asked first."""
        return tuple(
            [
                EndpointSeen(
                    host, goes_by_proxy(host, self._settings), calls, dict(self._unanswered.get(host, {}))
                )
                for host, calls in self._calls.most_common()
                if host
            ]
        )

    @property
    def quotas(self) -> tuple[QuotaSeen, ...]:
        """What was said of limits."""
        return tuple([QuotaSeen(*key, said) for key, said in self._quotas.items()])
