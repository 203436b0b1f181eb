"""What one bucket (account x region x API) may send now, learned from refusals: pure arithmetic on time.

Nothing is known at first and nothing is held back. When the server throttles, the bucket shuts until the
server's hint, or else tries again ever more rarely; one call then feels whether it is open. The calls
admitted since the bucket was last filled, over the time that took, are what the server gives: a quota per
window if it was shut for long, a refill rate if for a moment. Of that the bucket takes its share. While the
demand reaches the limit it rises a little every window, quickly back to the best it knew, then gingerly
beyond (additive increase); each refusal sets it down to the share of what was just admitted (multiplicative
decrease).

Calls are counted when they are answered, so never before the server counted them; a limit holds for every
stretch of the window, so it holds for fixed windows of any phase, for sliding ones, and for a window that
starts with a call.
"""

from __future__ import annotations

from dataclasses import dataclass

_SHORT = 1 / 20  # shut for less than this part of the window: a refill rate, not a window
_GRAINS = 50  # calls answered within this part of a window are counted as one moment
_SPREAD = 10  # a shared quota is spread over so many parts of the window, to feel a neighbour's trouble early
_RISE = 0.05  # of the ceiling, per window, while below it
_FIRST_STEP, _LONGEST_STEP = 0.005, 0.04  # the same beyond it; doubles from window to window
_PROBES = 1 / 120, 1 / 12  # first and longest wait without a hint, in windows
_EPSILON = 1e-6


@dataclass(frozen=True)
class Rate:
    """A quota as learned, before the share is taken: so many calls in so many seconds.

    Attributes:
        calls: admitted by the server.
        seconds: in this time.
    """

    calls: float
    seconds: float


class Pace:
    """The state of one bucket. Times are the loop's seconds."""

    __slots__ = (
        "_admitted", "_base", "_ceiling", "_count", "_epoch_at", "_filled_at", "_limited", "_marks",
        "_previous", "_probes", "_raised_at", "_rate", "_share", "_shut_at", "_step", "_window", "in_flight",
        "open_at", "shut",
    )  # fmt: skip

    def __init__(self, *, share: float, window_seconds: float, known: Rate | None = None) -> None:
        self._share = share
        self._window = window_seconds
        self.in_flight = 0
        self.shut = False  # throttled, and not yet admitted again
        self.open_at = 0.0
        self._rate = 0.0  # calls a second we take; 0: not limited
        self._base = window_seconds  # the stretch over which the limit is kept
        self._ceiling = 0.0  # the best rate that held
        self._step = _FIRST_STEP
        self._raised_at = 0.0
        self._limited = False  # somebody had to wait for quota since the last rise
        self._marks: list[list[float]] = []  # [latest answer, calls, first answer], oldest first
        self._count = self._previous = 0  # admitted in this window-long epoch and in the one before
        self._epoch_at = self._filled_at = -1.0
        self._shut_at = -1.0
        self._admitted = 0.0
        self._probes = 0
        if known is not None:
            self._base = known.seconds
            self._rate = self._ceiling = share * known.calls / known.seconds

    # what may go

    def may_go(self, now: float) -> bool:
        """Tell whether a call may be sent now."""
        if self.shut:
            return now + _EPSILON >= self.open_at and self.in_flight == 0
        if self._rate == 0:
            return True
        self._rise(now)
        burst, period = self._limit()
        if self._used(now, period) + self.in_flight < burst:
            return True
        self._limited = True
        return False

    def next_at(self, now: float) -> float | None:
        """Return when a call may go if none is answered before; None: not before one is."""
        if self.shut:
            return max(self.open_at, now) if self.in_flight == 0 else None
        if self._rate == 0 or not self._marks:
            return None
        return max(self._marks[0][0] + self._limit()[1], now)

    def idle(self, now: float) -> bool:
        """Tell whether nothing would be lost by forgetting this bucket."""
        quiet = self._epoch_at + 2 * self._window < now
        return quiet and self._rate == 0 and not self.shut and self.in_flight == 0

    def shut_seconds(self, now: float) -> float:
        """Return for how long nothing has been admitted since the server refused; 0 if open."""
        return now - self._shut_at if self.shut else 0.0

    # what happened

    def admitted(self, now: float) -> None:
        """Note that the server took a call, whatever else it said of it."""
        if self.shut and now + _EPSILON >= self.open_at:
            self._reopened(now)
        self._turn_epoch(now)
        self._count += 1
        if self._rate:
            self._mark(now)

    def throttled(self, now: float, sent_at: float, hint_seconds: float | None) -> None:
        """Note a refusal. Those on the way when the bucket shut say nothing new, but for a longer hint."""
        if self.shut and sent_at <= self._shut_at:
            if hint_seconds is not None:
                self.open_at = max(self.open_at, now + hint_seconds)
            return
        if not self.shut:
            self._turn_epoch(now)
            past = max(0.0, 1 - (now - self._epoch_at) / self._window)
            self._admitted = self._count + self._previous * past
            self.shut, self._shut_at, self._probes = True, now, 0
        self.open_at = now + (self._own_wait(now) if hint_seconds is None else hint_seconds)

    def _turn_epoch(self, now: float) -> None:
        if self._epoch_at < 0:
            self._epoch_at = self._filled_at = now
        elif now - self._epoch_at >= self._window:
            passed = int((now - self._epoch_at) / self._window)
            self._previous = self._count if passed == 1 else 0
            self._count = 0
            self._epoch_at += passed * self._window

    def _mark(self, now: float) -> None:
        """Count one call now, or with others answered just before: they count from the latest on."""
        last = self._marks[-1] if self._marks else None
        if last is not None and now - last[2] < self._limit()[1] / _GRAINS:
            last[0] = now
            last[1] += 1
        else:
            self._marks.append([now, 1, now])

    # how it learns

    def _own_wait(self, now: float) -> float:
        """Without a hint: until the next window if its start is known, else ever longer."""
        self._probes += 1
        if self._probes == 1 and self._rate and self._base == self._window and self._filled_at >= 0:
            return self._window - (now - self._filled_at) % self._window
        first, longest = _PROBES
        return self._window * min(longest, first * 2.0 ** (self._probes - 1))

    def _reopened(self, now: float) -> None:
        short = now - self._shut_at < _SHORT * self._window
        filled_for = min(max(now - self._filled_at, _EPSILON), self._window)
        self._base = filled_for if short else self._window
        self._rate = self._share * max(self._admitted, 1.0) / self._base
        self._ceiling = (self._ceiling + self._rate) / 2 if self._rate < self._ceiling else self._rate
        self._step = _FIRST_STEP
        self._limited = self.shut = False
        self._raised_at = self._filled_at = self._epoch_at = now
        self._count = self._previous = 0
        if not short:
            self._marks.clear()  # a new window: what was taken before no longer counts

    def _rise(self, now: float) -> None:
        if now - self._raised_at < self._window:
            return
        self._raised_at = now
        if not self._limited:
            return
        self._limited = False
        if self._rate < self._ceiling:
            self._rate = min(self._ceiling, self._rate + _RISE * self._ceiling)
            return
        self._rate *= 1 + self._step
        self._ceiling = self._rate
        self._step = min(_LONGEST_STEP, 2 * self._step)

    def _limit(self) -> tuple[float, float]:
        """Return how many calls in which stretch. A share of a window's quota is spread over the window."""
        base = self._base
        if self._share < 1 and base == self._window:
            base /= _SPREAD
        burst = max(1.0, float(int(self._rate * base + _EPSILON)))
        return burst, burst / self._rate

    def _used(self, now: float, period: float) -> float:
        """Return how many calls count against the limit, and forget those that no longer do."""
        marks = self._marks
        oldest = now - period + _EPSILON
        gone = 0
        while gone < len(marks) and marks[gone][0] <= oldest:
            gone += 1
        if gone:
            del marks[:gone]
        return sum(mark[1] for mark in marks)

    # what is remembered between runs

    @property
    def learned(self) -> Rate | None:
        """The quota as the server gives it; None if it never refused."""
        if self._rate == 0:
            return None
        return Rate(self._ceiling / self._share * self._base, self._base)

    @property
    def calls_per_second(self) -> float | None:
        """What is taken now; None if not limited."""
        return self._rate or None
