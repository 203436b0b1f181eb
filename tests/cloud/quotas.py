"""Servers that count calls, for virtual time: what a limiter has to live with."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass, field
from typing import Protocol

from orchestrator.cloud.limiter import Key, Limiter


class Server(Protocol):
    """Admits a call (None) or refuses it: the hint in seconds, 0 if it gives none."""

    def take(self, now: float) -> float | None:
        """Answer one call that arrives now."""
        ...


class Window:
    """So many calls in every calendar window."""

    def __init__(self, quota: int, seconds: float, *, hint: bool = True, phase: float = 0.0) -> None:
        self._quota, self._seconds, self._hint, self._phase = quota, seconds, hint, phase
        self._number = -1
        self.used = 0

    def take(self, now: float) -> float | None:
        """Answer one call that arrives now."""
        number = math.floor((now + self._phase) / self._seconds)
        if number != self._number:
            self._number, self.used = number, 0
        if self.used < self._quota:
            self.used += 1
            return None
        return (number + 1) * self._seconds - self._phase - now if self._hint else 0.0


class Refill:
    """So many calls a second, and a store of some."""

    def __init__(self, rate: float, store: float, *, hint: bool = True) -> None:
        self._rate, self._store, self._hint = rate, store, hint
        self._tokens, self._at = store, 0.0

    def take(self, now: float) -> float | None:
        """Answer one call that arrives now."""
        self._tokens = min(self._store, self._tokens + (now - self._at) * self._rate)
        self._at = now
        if self._tokens >= 1 - 1e-9:
            self._tokens -= 1
            return None
        return (1 - self._tokens) / self._rate if self._hint else 0.0


class Never:
    """Refuses every call."""

    def __init__(self, hint: float = 0.0) -> None:
        self._hint = hint

    def take(self, now: float) -> float | None:  # noqa: ARG002 - always the same
        """Answer one call that arrives now."""
        return self._hint


class Free:
    """Admits every call."""

    def take(self, now: float) -> float | None:  # noqa: ARG002 - always the same
        """Answer one call that arrives now."""
        return None


@dataclass
class Outcome:
    """What a stream of calls came to."""

    answered_at: list[float] = field(default_factory=list)
    throttled: int = 0

    @property
    def last(self) -> float:
        """When the last call was answered."""
        return max(self.answered_at)


async def call(
    limiter: Limiter, key: Key, server: Server, outcome: Outcome, *, latency: float = 0.08, host: str = "host"
) -> None:
    """Make one call until it is admitted, as the client does."""
    again = False
    while True:
        permit = await limiter.acquire(key, host, first=again)
        try:
            await asyncio.sleep(latency / 2)
            hint = server.take(limiter.now())
            await asyncio.sleep(latency / 2)
            if hint is None:
                permit.admitted()
                outcome.answered_at.append(limiter.now())
                return
            outcome.throttled += 1
            permit.throttled(hint or None)
            again = True
        finally:
            permit.release()


async def stream(
    limiter: Limiter,
    key: Key,
    server: Server,
    calls: int,
    *,
    workers: int = 64,
    latency: float = 0.08,
    host: str = "host",
) -> Outcome:
    """Make so many calls, some at once, and return what became of them."""
    outcome = Outcome()
    left = iter(range(calls))

    async def work() -> None:
        for _ in left:
            await call(limiter, key, server, outcome, latency=latency, host=host)

    await asyncio.gather(*(work() for _ in range(workers)))
    return outcome
