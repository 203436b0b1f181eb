"""Who may send now: a bucket per account x region x API, fair turns between accounts, bounds on the whole.

A call waits in its bucket's own queue; a timer or an answer moves the queue on, nobody looks again and again.
Buckets that may go take turns account by account, so a huge account never starves a small one, and whoever
waits for quota or sleeps before a retry holds no place. Waiters that are cancelled take nothing with them.

A change that relies on a reading takes its turn first and holds it while it reads (`hold`). Its readings need places
of their own, so turns hold at most half the places of the process, of an account and of a host; who would take a turn
beyond waits, with neither place nor quota, until one ends. So there always is a place that no turn holds, and readings
go on. Where a bound is 1, one turn is held, and its place counts beyond that bound: its call and another one may be
under way at once there.

A reading that takes several calls of one bucket grows too old for a change where the quota of that bucket lets them go
only seconds apart. `ahead_of_quota` lets a few go at once; those after them wait the longer.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

import msgspec

from orchestrator.cloud.rate_estimator import Pace, Rate
from orchestrator.cloud.settings import Limits

# What the provider publishes: AssumeRole 100 a second for the calling account (STS quota page, 2022).
PUBLISHED: Mapping[str, Rate] = {"AssumeRole": Rate(100, 1.0)}
_FORGET_EVERY = 4096
_AHEAD = 4  # calls of one bucket: two cards of a classic group, or five pages of rules
_is_ahead = ContextVar("_is_ahead", default=False)

Key = tuple[str, "str | None", str]


class Learned(msgspec.Struct, frozen=True):
    """A quota found out in a run, to start the next one with."""

    account_id: str
    region_id: str | None
    action: str
    calls: float
    seconds: float


class Queue(msgspec.Struct, frozen=True):
    """What waits in a bucket, for progress and the time left.

    Attributes:
        account_id: whose.
        region_id: None for central products.
        action: the API.
        waiting: calls.
        calls_per_second: what is taken now; None if not limited.
        opens_in_seconds: 0 if open.
    """

    account_id: str
    region_id: str | None
    action: str
    waiting: int
    calls_per_second: float | None
    opens_in_seconds: float


class GivenUpError(Exception):
    """The bucket has admitted nothing for longer than anybody should wait."""


@contextmanager
def ahead_of_quota() -> Iterator[None]:
    """Let calls made within go first, and a few of each bucket at once: for a reading that is needed young.

    No stretch of the limit sees more than those few beyond it, and what comes after them waits the longer. A bucket
    that the server has shut stays shut.
    """
    token = _is_ahead.set(True)
    try:
        yield
    finally:
        _is_ahead.reset(token)


class _Host:
    __slots__ = ("held", "in_flight", "parked")

    def __init__(self) -> None:
        self.in_flight = 0
        self.held = 0  # turns
        self.parked: deque[_Bucket] = deque()  # may go, but the host has all it may have


class _Lane:
    """An account: its buckets that may go take turns."""

    __slots__ = ("held", "in_flight", "in_ring", "ready")

    def __init__(self) -> None:
        self.in_flight = 0
        self.held = 0  # turns
        self.ready: deque[_Bucket] = deque()
        self.in_ring = False


class _Bucket:
    __slots__ = ("host", "key", "lane", "listed", "pace", "queue", "timer")

    def __init__(self, key: Key, lane: _Lane, host: _Host, pace: Pace) -> None:
        self.key = key
        self.lane = lane
        self.host = host
        self.pace = pace
        self.queue: deque[asyncio.Future[None]] | None = None  # most buckets never need one
        self.timer: asyncio.TimerHandle | None = None
        self.listed = False  # in its lane's turn, or parked at its host

    def waiting(self) -> bool:
        """Tell whether somebody waits, and forget those who went away."""
        queue = self.queue
        while queue and queue[0].done():
            queue.popleft()
        return bool(queue)


class Permit:
    """Leave to send one call; give it back with `release`."""

    __slots__ = ("_bucket", "_held", "_limiter", "_taken_at", "sent_at", "waited_seconds")

    def __init__(
        self, limiter: Limiter, bucket: _Bucket, sent_at: float, waited_seconds: float, *, held: bool = False
    ) -> None:
        self._limiter = limiter
        self._bucket = bucket
        self._held = held
        self._taken_at = sent_at
        self.sent_at = sent_at
        self.waited_seconds = waited_seconds

    def send(self) -> None:
        """Note that a call whose turn was held is sent now."""
        self.sent_at = self._limiter.now()

    def unsent(self) -> None:
        """Give the quota back with the place: nothing was sent, so the server counts nothing."""
        self._bucket.pace.unsent(self._taken_at)
        self.release()

    def admitted(self) -> None:
        """Note that the server took the call, whatever else it said."""
        self._bucket.pace.admitted(self._limiter.now(), self.sent_at)

    def throttled(self, hint_seconds: float | None) -> bool:
        """Note that the server refused it for its rate; True if there is no hope for this bucket."""
        return self._limiter.throttled(self._bucket, self.sent_at, hint_seconds)

    def release(self) -> None:
        """Give the place back."""
        self._limiter.release(self._bucket, held=self._held)


class Limiter:
    """Gives leave to send, call by call. Belongs to one event loop."""

    def __init__(
        self,
        limits: Limits,
        *,
        published: Mapping[str, Rate] = PUBLISHED,
    ) -> None:
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self.now = self._loop.time
        self._known: dict[Key, Rate] = {}
        self._published = published
        self._buckets: dict[Key, _Bucket] = {}
        self._lanes: dict[str, _Lane] = {}
        self._hosts: dict[str, _Host] = {}
        self._ring: deque[_Lane] = deque()
        self._in_flight = 0
        self._held = 0  # turns
        self._would_hold: set[asyncio.Future[None]] = set()  # of those who wait
        self._hurried: set[asyncio.Future[None]] = set()  # the same
        self._unheld: deque[_Bucket] = deque()  # may go, but as many turns are held as may be
        self._forget_at = _FORGET_EVERY

    async def acquire(self, key: Key, host: str, *, first: bool = False, held: bool = False) -> Permit:
        """Wait for leave to send one call.

        Args:
            key: account, region, action.
            host: where it goes.
            first: before the others of its bucket; for a call that was already sent and refused.
            held: it is not sent at once, but holds its place while its caller reads.

        Raises:
            GivenUpError: the server has refused this bucket for longer than `patience_seconds`.
        """
        bucket = self._buckets.get(key) or self._new_bucket(key, host)
        now = self.now()
        hurried = _is_ahead.get() and not held
        may_go = self._free(bucket) and bucket.pace.may_go(now, _AHEAD if hurried else 0)
        if may_go and (not held or self._may_hold(bucket)):
            self._take(bucket, now, held=held)
            return Permit(self, bucket, now, 0.0, held=held)
        if bucket.pace.shut_seconds(now) > self._limits.patience_seconds:
            raise GivenUpError
        waiter = self._loop.create_future()
        bucket.queue = bucket.queue or deque()
        (bucket.queue.appendleft if first or hurried else bucket.queue.append)(waiter)
        if held:
            self._would_hold.add(waiter)
        if hurried:
            self._hurried.add(waiter)
        self._move_on(bucket)
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self.release(bucket, held=held)  # leave came in the same moment; pass it on
            raise
        finally:
            self._would_hold.discard(waiter)
            self._hurried.discard(waiter)
        sent_at = self.now()
        return Permit(self, bucket, sent_at, sent_at - now, held=held)

    def release(self, bucket: _Bucket, *, held: bool = False) -> None:
        """Take a place back and let the next ones go."""
        bucket.pace.in_flight -= 1
        if held:
            self._occupy_held(bucket, -1)
        else:
            self._occupy(bucket, -1)
        if bucket.queue:
            self._move_on(bucket, dispatch=False)
        self._unpark(bucket.host)
        if held:
            self._let_hold()
        if bucket.lane.ready:
            self._enter_ring(bucket.lane)
        if self._ring:
            self._dispatch()

    def throttled(self, bucket: _Bucket, sent_at: float, hint_seconds: float | None) -> bool:
        """Shut the bucket until the hint; True if it is given up, with all who wait in it."""
        now = self.now()
        bucket.pace.throttled(now, sent_at, hint_seconds)
        patience = self._limits.patience_seconds
        hopeless = bucket.pace.shut_seconds(now) > patience or bucket.pace.open_at - now > patience
        if hopeless and bucket.queue:
            for waiter in bucket.queue:
                if not waiter.done():
                    waiter.set_exception(GivenUpError())
            bucket.queue.clear()
        return hopeless

    def learned(self) -> tuple[Learned, ...]:
        """Return the quotas found out, to start the next run with; those remembered and not used are as they were."""
        used = {key: bucket.pace.learned for key, bucket in self._buckets.items()}
        rates = {**self._known, **used}
        return tuple(
            Learned(*key, rate.calls, rate.seconds) for key, rate in rates.items() if rate is not None
        )

    def remember(self, learned: Iterable[Learned]) -> None:
        """Start with quotas found out before; for buckets not used yet."""
        for item in learned:
            if item.calls > 0 and item.seconds > 0:
                self._known[item.account_id, item.region_id, item.action] = Rate(item.calls, item.seconds)

    def queues(self) -> tuple[Queue, ...]:
        """Return the buckets in which somebody waits."""
        now = self.now()
        return tuple(
            Queue(*key, len(bucket.queue), bucket.pace.calls_per_second, max(0.0, bucket.pace.open_at - now))
            for key, bucket in self._buckets.items()
            if bucket.queue and bucket.waiting()
        )

    # inside

    def _new_bucket(self, key: Key, host: str) -> _Bucket:
        if len(self._buckets) >= self._forget_at:
            self._forget_idle()
        lane = self._lanes.setdefault(key[0], _Lane())
        known = self._known.get(key) or self._published.get(key[2])
        pace = Pace(share=self._limits.share, window_seconds=self._limits.window_seconds, known=known)
        bucket = _Bucket(key, lane, self._hosts.setdefault(host, _Host()), pace)
        self._buckets[key] = bucket
        return bucket

    def _forget_idle(self) -> None:
        """Drop the buckets of accounts long done: of 10,000 accounts there would be a million."""
        now = self.now()
        self._buckets = {
            key: bucket
            for key, bucket in self._buckets.items()
            if bucket.queue or bucket.listed or not bucket.pace.idle(now)
        }
        self._forget_at = len(self._buckets) + max(_FORGET_EVERY, len(self._buckets) // 2)
        used = {key[0] for key in self._buckets}
        self._lanes = {account: lane for account, lane in self._lanes.items() if account in used}

    def _free(self, bucket: _Bucket) -> bool:
        """Tell whether nobody is before a call of this bucket and there is a place for it."""
        limits = self._limits
        return (
            not bucket.queue
            and not self._ring
            and self._in_flight < limits.max_in_flight
            and bucket.lane.in_flight < limits.max_in_flight_per_account
            and bucket.host.in_flight < limits.per_host
        )

    def _may_go(self, bucket: _Bucket, now: float) -> bool:
        """Tell whether the quota lets the first who waits go now."""
        assert bucket.queue  # noqa: S101 - who asks has seen to it
        return bucket.pace.may_go(now, _AHEAD if bucket.queue[0] in self._hurried else 0)

    def _take(self, bucket: _Bucket, now: float, *, held: bool) -> None:
        bucket.pace.sent(now)
        if held:
            self._occupy_held(bucket, 1)
        else:
            self._occupy(bucket, 1)

    def _occupy(self, bucket: _Bucket, places: int) -> None:
        bucket.lane.in_flight += places
        bucket.host.in_flight += places
        self._in_flight += places

    def _occupy_held(self, bucket: _Bucket, turns: int) -> None:
        """Count a turn that begins or ends; its place, too, but where the bound is 1: its reading needs that one."""
        limits = self._limits
        bucket.lane.held += turns
        bucket.host.held += turns
        self._held += turns
        bucket.lane.in_flight += turns if limits.max_in_flight_per_account > 1 else 0
        bucket.host.in_flight += turns if limits.per_host > 1 else 0
        self._in_flight += turns if limits.max_in_flight > 1 else 0

    def _may_hold(self, bucket: _Bucket) -> bool:
        """Tell whether one more turn leaves the other half of all places to those who hold none."""
        limits = self._limits
        return (
            self._held < max(1, limits.max_in_flight // 2)
            and bucket.lane.held < max(1, limits.max_in_flight_per_account // 2)
            and bucket.host.held < max(1, limits.per_host // 2)
        )

    def _let_hold(self) -> None:
        """Give the buckets that may hold a turn now their place in line again."""
        waiting, self._unheld = self._unheld, deque()
        for bucket in waiting:
            if self._may_hold(bucket):
                self._list(bucket)
            else:
                self._unheld.append(bucket)

    def _move_on(self, bucket: _Bucket, *, dispatch: bool = True) -> None:
        """List a bucket that may go; wake one that may later."""
        if bucket.listed or not bucket.waiting():
            return
        now = self.now()
        if self._may_go(bucket, now):
            self._list(bucket)
            if dispatch:
                self._dispatch()
            return
        at = bucket.pace.next_at(now)
        if bucket.timer is not None:
            bucket.timer.cancel()
        bucket.timer = None if at is None else self._loop.call_at(at, self._on_timer, bucket)

    def _on_timer(self, bucket: _Bucket) -> None:
        bucket.timer = None
        self._move_on(bucket)

    def _list(self, bucket: _Bucket) -> None:
        bucket.listed = True
        bucket.lane.ready.append(bucket)
        self._enter_ring(bucket.lane)

    def _enter_ring(self, lane: _Lane) -> None:
        if not lane.in_ring and lane.in_flight < self._limits.max_in_flight_per_account:
            lane.in_ring = True
            self._ring.append(lane)

    def _dispatch(self) -> None:
        """Let the accounts that may go send one call each, in turn, while there are places."""
        while self._ring and self._in_flight < self._limits.max_in_flight:
            lane = self._ring.popleft()
            lane.in_ring = False
            bucket = lane.ready.popleft()
            bucket.listed = False
            if bucket.waiting() and self._may_go(bucket, self.now()):
                self._send_one(bucket)
            else:
                self._move_on(bucket, dispatch=False)
                self._unpark(bucket.host)
            if lane.ready:
                self._enter_ring(lane)

    def _unpark(self, host: _Host) -> None:
        """Give the next bucket that waits for this host its turn; those of full accounts only line up."""
        while host.parked and host.in_flight < self._limits.per_host:
            bucket = host.parked.popleft()
            self._list(bucket)
            if bucket.lane.in_flight < self._limits.max_in_flight_per_account:
                return

    def _send_one(self, bucket: _Bucket) -> None:
        if bucket.host.in_flight >= self._limits.per_host:
            bucket.listed = True
            bucket.host.parked.append(bucket)
            return
        assert bucket.queue  # noqa: S101 - `waiting` has just said so
        held = bucket.queue[0] in self._would_hold
        if held and not self._may_hold(bucket):
            bucket.listed = True
            self._unheld.append(bucket)
            self._unpark(bucket.host)  # the place at the host is for the next one
            return
        self._take(bucket, self.now(), held=held)
        bucket.queue.popleft().set_result(None)
        self._move_on(bucket, dispatch=False)
