"""What one bucket (account x region x API) may send now, learned from refusals: pure arithmetic on time.

Nothing is known at first and nothing is held back. When the server throttles, the bucket shuts until the server's
hint, or else feels its way ever more rarely, one call at a time, until one is admitted. What was admitted since the
bucket was last filled tells what the server gives: a quota per window if the bucket was shut for long, a rate of
refill if for a moment. Of that the bucket takes its share. Each refusal sets it down to the share of what was just
admitted (multiplicative decrease); while the demand reaches the limit it rises a little every window, soon back to
the best it knew and then gingerly beyond (additive increase).

The whole quota of a window may go at once; its calls then count from their answers on, so never before the server
counted them. A share of it is spread over the window, to feel early that a neighbour runs dry. A limit holds for every
stretch of its length, so for fixed windows of any phase, for sliding ones, and for those that start with a call.
"""

from __future__ import annotations

from dataclasses import dataclass

_SHORT = 1 / 20  # shut for less than this part of the window: a rate of refill, not a window
_PHASE = 1 / 10  # how far, in windows, an opening may be off and still count as the next window's
_GRAINS = 50  # calls within this part of a stretch count as one moment
_SPREAD = 10  # a share of a window's quota goes out over so many parts of it
_RISE = 0.05  # of the ceiling, per window, while below it
_CREEP = 0.01  # the same beyond it: what was learned in a crowded minute heals, and the share still holds
_CREEP_AT_ONCE = 0.005  # the same where a whole window goes at once: beyond the quota every call is a refusal
_PROBES = 1 / 600, 1 / 12  # first and longest wait without a hint, in windows
_TICK_SECONDS = 0.02  # at a high rate of refill, as many calls go at once as it gives in this time
_LEAST = 0.1  # calls a second: a few refusals in a row say less than that, and would keep a bucket waiting for minutes
_FEW, _A_WHILE = 10, 1 / 6  # calls, in windows: most buckets send a few calls once and are not seen again
_CALLS_BETWEEN_RISES = 30
_EPSILON = 1e-6


@dataclass(frozen=True)
class Rate:
    """A quota as learned, before the share is taken: so many calls in so many seconds.

    Attributes:
        calls: admitted by the server.
        seconds: in this time; the window, or less for a rate of refill.
    """

    calls: float
    seconds: float


class _Admitted:
    """Counts what the server admitted in the last window, in constant space."""

    __slots__ = ("_began_at", "_calls", "_calls_before", "_last_at", "_window")

    def __init__(self, window_seconds: float) -> None:
        self._window = window_seconds
        self._began_at = self._last_at = -1.0
        self._calls = self._calls_before = 0

    def restart(self, now: float) -> None:
        """Begin anew: the server has just filled the bucket."""
        self._began_at = now
        self._calls = self._calls_before = 0

    def add(self, now: float) -> None:
        """Count one call."""
        self._turn(now)
        self._calls += 1
        self._last_at = now

    def lately(self, now: float, at_most: float) -> float:
        """Return how many in the last window; at most so many of those before the current stretch's own."""
        self._turn(now)
        past = 1 - (now - self._began_at) / self._window
        return max(self._calls, min(self._calls + self._calls_before * past, at_most))

    def forgettable(self, now: float) -> bool:
        """Tell whether next to nothing would be forgotten: no call for a window, or a few a while ago."""
        few = self._calls + self._calls_before <= _FEW
        return self._last_at + self._window * (_A_WHILE if few else 1) < now

    def _turn(self, now: float) -> None:
        passed = int((now - self._began_at) / self._window)
        if self._began_at < 0:
            self._began_at = now
        elif passed:
            self._calls_before = self._calls if passed == 1 else 0
            self._calls = 0
            self._began_at += passed * self._window


class Pace:
    """The state of one bucket. Times are the loop's seconds."""

    __slots__ = (
        "_admitted", "_before_shut", "_ceiling", "_confirmed", "_filled_at", "_filled_by_server", "_limited", "_marks",
        "_probes", "_raised_at", "_rate", "_share", "_shut_at", "_spans", "_window", "_windowed", "in_flight",
        "open_at", "shut",
    )  # fmt: skip

    def __init__(self, *, share: float, window_seconds: float, known: Rate | None = None) -> None:
        self._share = share
        self._window = window_seconds
        self.in_flight = 0
        self.shut = False  # throttled, and not yet admitted again
        self.open_at = 0.0
        self._rate = 0.0  # calls a second we take; 0: not limited
        self._ceiling = 0.0  # the best rate that held
        self._windowed = True  # the server counts by windows; else it refills steadily
        self._confirmed = False  # that it does, by two openings a window apart
        self._raised_at = 0.0
        self._limited = False  # somebody had to wait for quota since the last rise
        self._marks: list[list[float]] = []  # [latest, calls, earliest], oldest first; kept while limited
        self._admitted = _Admitted(window_seconds)
        self._filled_at = -1.0
        self._filled_by_server = False  # else just by its first call
        self._shut_at = -1.0
        self._before_shut = 0.0  # admitted in the last window, or since the bucket was filled
        self._probes = 0
        self._spans: tuple[float, float] | None = None  # calls and seconds between refusals, by refill
        if known is not None:
            self._windowed = known.seconds >= window_seconds
            self._rate = self._ceiling = max(share * known.calls / known.seconds, _LEAST)

    # what may go

    def may_go(self, now: float, ahead: int = 0) -> bool:
        """Tell whether a call may be sent now; `ahead` of the limit by so many calls, which those after it wait for."""
        if self.shut:
            return now + _EPSILON >= self.open_at and self.in_flight == 0
        if self._rate == 0:
            return True
        self._rise(now)
        calls, seconds = self._limit()
        under_way = self.in_flight if self._at_once else 0
        if self._used(now, seconds) + under_way < calls + ahead:
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
        return self._rate == 0 and not self.shut and self.in_flight == 0 and self._admitted.forgettable(now)

    def shut_seconds(self, now: float) -> float:
        """Return for how long nothing has been admitted since the server refused; 0 if open."""
        return now - self._shut_at if self.shut else 0.0

    # what happened

    def sent(self, now: float) -> None:
        """Note that a call goes."""
        self.in_flight += 1
        if self._rate and not self._at_once:
            self._mark(now)

    def unsent(self, taken_at: float) -> None:
        """Take back that a call went then: it was not sent, so the server does not count it."""
        if self._at_once:
            return  # nothing counts before its answer
        for index, mark in enumerate(self._marks):
            if mark[2] <= taken_at <= mark[0]:
                mark[1] -= 1
                if not mark[1]:
                    del self._marks[index]
                return

    def admitted(self, now: float, sent_at: float) -> None:
        """Note that the server took a call, whatever else it said of it."""
        if self._filled_at < 0:
            self._filled_at = now
        if self.shut:
            self._before_shut += 1
            if sent_at <= self._shut_at:
                return  # on the way when the bucket shut, and still within its quota
            self._reopened(now)
            if not self._windowed:
                return  # it took what had been refilled until now
        self._admitted.add(now)
        if self._rate and self._at_once:
            self._mark(now)

    def throttled(self, now: float, sent_at: float, hint_seconds: float | None) -> None:
        """Note a refusal. Those on the way when the bucket shut say nothing new, but for a longer hint."""
        if self.shut and sent_at <= self._shut_at:
            if hint_seconds is not None:
                self.open_at = max(self.open_at, now + hint_seconds)
            return
        if not self.shut:
            windowed = self._rate > 0 and self._windowed
            at_most = self._rate * self._window if windowed else float("inf")  # the limit let no more through
            self._before_shut = self._admitted.lately(now, at_most)
            self.shut, self._shut_at, self._probes = True, now, 0
        self.open_at = now + (self._own_wait(now) if hint_seconds is None else hint_seconds)

    # how it learns

    def _own_wait(self, now: float) -> float:
        """Without a hint: until the next window if its start is known for sure, else ever longer."""
        self._probes += 1
        if self._probes == 1 and self._confirmed:
            return self._window - (now - self._filled_at) % self._window
        first, longest = (part * self._window for part in _PROBES)
        if self._at_once and self._rate:
            first = longest  # the next window opens at its own time: no use in asking soon
        elif self._rate and not self._windowed:
            first = max(first, 0.25 / self._rate)
        return min(longest, first * 2.0 ** min(self._probes - 1, 60))

    def _reopened(self, now: float) -> None:
        """Take what the refusal taught, at the first admitted call after it."""
        self._windowed = self._is_windowed(now)
        self._confirmed = self._windowed and self._filled_by_server
        if self._windowed:
            if self._share == 1 and self._rate:  # the limit let no more through, whatever was under way
                self._before_shut = min(self._before_shut, self._rate * self._window)
            rate = max(self._share * max(self._before_shut - 1, 1.0) / self._window, _LEAST)
            self._ceiling = max(rate, (self._ceiling + rate) / 2)
            self._marks.clear()  # what was taken from the window before no longer counts
        else:
            rate = self._ceiling = max(self._share * self._refill(now), _LEAST)
        self._rate = rate
        self._limited = self.shut = False
        self._raised_at = self._filled_at = now
        self._filled_by_server = True
        self._admitted.restart(now)

    def _is_windowed(self, now: float) -> bool:
        """Tell whether it opened as a window does: whole windows after it was filled, where that is known."""
        if not self._filled_by_server:
            return now - self._shut_at >= _SHORT * self._window
        since = (now - self._filled_at) / self._window
        return since > 0.5 and abs(since - round(since)) < _PHASE

    def _refill(self, now: float) -> float:
        """Return calls a second: what came between refusals, over all of them but the first, and of late."""
        calls, seconds = self._before_shut, min(max(now - self._filled_at, _EPSILON), self._window)
        if self._spans is None:
            self._spans = 0.0, 0.0  # the first one includes what the bucket held when it was full
            return calls / seconds
        old_calls, old_seconds = self._spans
        if old_seconds > self._window and old_calls > _CALLS_BETWEEN_RISES:
            old_calls, old_seconds = old_calls / 2, old_seconds / 2
        self._spans = calls + old_calls, seconds + old_seconds
        return self._spans[0] / self._spans[1]

    def _rise(self, now: float) -> None:
        every = self._window
        if (
            self._share == 1 and not self._windowed
        ):  # what is not taken of a refill is lost, so feel for more soon
            every = max(every / _SPREAD, _CALLS_BETWEEN_RISES / self._rate)
        if now - self._raised_at < every:
            return
        self._raised_at = now
        if not self._limited:
            return
        self._limited = False
        if self._rate < self._ceiling:
            self._rate = min(self._ceiling, self._rate + _RISE * self._ceiling)
        else:
            creep = _CREEP_AT_ONCE if self._at_once else _CREEP
            self._rate = self._ceiling = self._ceiling * (1 + creep)

    # how it counts

    @property
    def _at_once(self) -> bool:
        """Whether the quota of a whole window may go at once."""
        return self._share == 1 and self._windowed

    def _limit(self) -> tuple[float, float]:
        """Return how many calls may go in which stretch of seconds."""
        if self._at_once:
            stretch = self._window
        elif self._windowed:
            stretch = self._window / _SPREAD
        else:
            stretch = _TICK_SECONDS
        calls = max(1.0, float(int(self._rate * stretch + _EPSILON)))
        return calls, calls / self._rate

    def _mark(self, now: float) -> None:
        """Count one call now, or with others just before: they count from the latest on."""
        last = self._marks[-1] if self._marks else None
        if last is not None and now - last[2] < self._limit()[1] / _GRAINS:
            last[0] = now
            last[1] += 1
        else:
            self._marks.append([now, 1, now])

    def _used(self, now: float, seconds: float) -> float:
        """Return how many calls count against the limit, and forget those that no longer do."""
        marks = self._marks
        oldest = now - seconds + _EPSILON
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
        seconds = self._window if self._windowed else 1.0
        calls = self._ceiling / self._share * seconds
        if self._at_once and self._before_shut > 1:
            calls = min(calls, self._before_shut - 1)  # what was felt for since is not known to hold
        return Rate(calls, seconds)

    @property
    def calls_per_second(self) -> float | None:
        """What is taken now; None if not limited."""
        return self._rate or None
