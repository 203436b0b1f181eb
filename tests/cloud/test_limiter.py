"""Quotas, fairness and isolation, on virtual time: every figure is exact or has its reason."""

from __future__ import annotations

import asyncio

import pytest

from orchestrator.cloud.limiter import GivenUpError, Learned, Limiter, Permit, ahead_of_quota
from orchestrator.cloud.rate_estimator import Rate
from orchestrator.cloud.settings import Limits
from tests.cloud.quotas import Free, Never, Outcome, Refill, Server, Window, call, stream

KEY = ("1", "cn-hangzhou", "DescribeSecurityGroups")
ATTRIBUTE = ("1", "cn-hangzhou", "DescribeSecurityGroupAttribute")

pytestmark = pytest.mark.looptime(start=960.0)  # a multiple of the windows


def limiter(**limits: float) -> Limiter:
    """A limiter that knows no published quota."""
    return Limiter(Limits(**limits), published={})  # type: ignore[arg-type]  # some are whole numbers


def now() -> float:
    """The loop's time."""
    return asyncio.get_running_loop().time()


# full speed, and bounds on what is under way


async def test_without_throttling_only_the_places_bound_the_speed() -> None:
    """640 calls of 80 ms with 64 in flight take ten round trips and no more."""
    outcome = await stream(limiter(), KEY, Free(), 640, workers=64)
    assert outcome.last == pytest.approx(960 + 10 * 0.08)


@pytest.mark.parametrize(
    ("limits", "places"),
    [
        ({"max_in_flight": 10}, 10),
        ({"max_in_flight_per_account": 5}, 5),
        ({"max_in_flight_per_host": 3}, 3),
    ],
)
async def test_each_bound_on_calls_in_flight_holds(limits: dict[str, float], places: int) -> None:
    """60 calls of 80 ms take 60 / places round trips, and never more than `places` are under way."""
    calls = limiter(**limits)
    seen = 0

    async def watch() -> None:
        nonlocal seen
        while True:
            seen = max(seen, calls._in_flight)
            await asyncio.sleep(0.01)

    watching = asyncio.ensure_future(watch())
    outcome = await stream(calls, KEY, Free(), 60, workers=60)
    watching.cancel()
    assert outcome.last == pytest.approx(960 + 60 / places * 0.08)
    assert seen == places


async def test_places_at_a_host_are_shared_and_other_hosts_are_free() -> None:
    """With one place per host, two hosts work side by side, and accounts take turns at each, but for the start."""
    calls = limiter(max_in_flight_per_host=1)
    keys = [(account, region, "X") for account in ("1", "2") for region in ("a", "b")]
    outcomes = await asyncio.gather(
        *(stream(calls, key, Free(), 10, workers=10, host=f"host-{key[1]}") for key in keys)
    )
    assert [outcome.last - 960 for outcome in outcomes] == pytest.approx([1.44, 1.44, 1.6, 1.6])


# turns that are held


async def test_turns_hold_at_most_half_the_places_and_the_other_half_goes_on() -> None:
    """Of ten turns in ten places five are held; calls that hold none take the other five, again and again."""
    calls = limiter(max_in_flight=10)
    turns = [
        asyncio.ensure_future(calls.acquire((str(n), "r", "Revoke"), "host", held=True)) for n in range(10)
    ]
    outcome = await stream(calls, KEY, Free(), 50, workers=50)
    assert outcome.last == pytest.approx(960 + 50 / 5 * 0.08)
    assert [turn.done() for turn in turns] == [True] * 5 + [False] * 5
    for turn in turns:
        (await turn).release()
    assert (calls._in_flight, calls._held) == (0, 0)


@pytest.mark.parametrize("bound", ["max_in_flight", "max_in_flight_per_account", "max_in_flight_per_host"])
@pytest.mark.parametrize("places", [1, 2, 3])
async def test_readings_within_turns_never_wait_for_each_other_for_ever(bound: str, places: int) -> None:
    """Ten who read within a turn all come through, however few the places; a few calls beside them, too."""
    calls = limiter(**{bound: places})
    most = 0

    async def pair() -> None:
        nonlocal most
        turn = await calls.acquire(("1", "r", "Revoke"), "host", held=True)
        await call(calls, ATTRIBUTE, Free(), Outcome())
        most = max(most, calls._held)
        await asyncio.sleep(0.08)
        turn.release()

    async with asyncio.timeout(100):
        await asyncio.gather(*(pair() for _ in range(10)), stream(calls, KEY, Free(), 10))
    assert most == max(1, places // 2)
    assert (calls._in_flight, calls._held) == (0, 0)


async def test_a_turn_that_is_not_used_costs_no_quota() -> None:
    """Of two calls a second, a hundred turns are taken and given up at once; the two are still there after."""
    calls = limiter(share=1.0)
    calls.remember([Learned(*KEY, calls=2, seconds=1)])
    for _ in range(100):
        (await calls.acquire(KEY, "host", held=True)).unsent()
    assert now() == 960
    outcome = await stream(calls, KEY, Free(), 5)
    assert outcome.last - 960 == pytest.approx(4 * 0.5 + 0.08)
    assert calls._in_flight == 0


async def test_who_waits_for_the_quota_of_a_turn_keeps_nobody_from_one() -> None:
    """A bucket that is shut for a minute holds no turn; another account takes the only one meanwhile."""
    calls = limiter(max_in_flight=2)
    permit = await calls.acquire(KEY, "host")
    permit.throttled(60.0)
    permit.release()
    waiting = asyncio.ensure_future(calls.acquire(KEY, "host", held=True))
    await asyncio.sleep(1)
    other = await calls.acquire(("2", "r", "Revoke"), "host", held=True)
    assert now() == 961
    other.release()
    (await waiting).release()
    assert now() == 1020


async def test_turns_that_are_no_longer_waited_for_leave_nothing_behind() -> None:
    """Cancelled before their turn or in the moment of it, they pass it on."""
    calls = limiter(max_in_flight=2)
    first = await calls.acquire(KEY, "host", held=True)
    waiting = [asyncio.ensure_future(calls.acquire(KEY, "host", held=True)) for _ in range(3)]
    await asyncio.sleep(1)
    waiting[0].cancel()
    first.release()
    waiting[1].cancel()
    (await waiting[2]).release()
    assert (calls._in_flight, calls._held, len(calls._would_hold)) == (0, 0, 0)


# quotas


@pytest.mark.parametrize("hint", [True, False])
@pytest.mark.parametrize("phase", [0.0, 37.0])
async def test_a_window_quota_is_used_up_but_not_more(hint: bool, phase: float) -> None:  # noqa: FBT001 - a parameter
    """2,000 calls against 200 a minute end within 1 % of the bound; the refusals after learning are below 2 %."""
    outcome = await stream(limiter(share=1.0), KEY, Window(200, 60, hint=hint, phase=phase), 2000)
    bound = (60 - phase) + 8 * 60
    assert outcome.last - 960 <= bound * (1.01 if hint else 1.02)
    cold = 64 + (
        0 if hint else 20
    )  # those in flight when the first refusal comes, and the feeling of the way
    assert outcome.throttled - cold <= 0.02 * 1800


@pytest.mark.parametrize("hint", [True, False])
@pytest.mark.parametrize(("rate", "store"), [(10.0, 10.0), (200 / 60, 200.0), (50.0, 10.0)])
async def test_a_rate_of_refill_is_used_up_but_not_more(rate: float, store: float, hint: bool) -> None:  # noqa: FBT001 - a parameter
    """600 calls against a token bucket end within 6 % of the bound."""
    outcome = await stream(limiter(share=1.0), KEY, Refill(rate, store, hint=hint), 600)
    assert outcome.last - 960 <= (600 - store) / rate * 1.06 + 1
    assert outcome.throttled <= 64 + 0.1 * 600


async def test_only_the_share_of_a_learned_quota_is_taken() -> None:
    """With half the share, 200 a minute become 100 to 105 a minute after the first refusal."""
    outcome = await stream(limiter(share=0.5), KEY, Window(200, 60), 700)
    later = [at for at in outcome.answered_at if at >= 1025]
    minutes = (later[-1] - later[0]) / 60
    assert 97 <= (len(later) - 1) / minutes <= 105
    assert outcome.throttled <= 64


async def test_a_shared_quota_is_spread_over_the_window() -> None:
    """No tenth of a minute sees more than its part of the share, so a neighbour's trouble is felt early."""
    calls = limiter(share=0.5)
    calls.remember([Learned(*KEY, calls=200, seconds=60)])
    outcome = await stream(calls, KEY, Free(), 200)
    for start in outcome.answered_at:
        assert sum(start <= at < start + 5.9 for at in outcome.answered_at) <= 11


async def test_a_reading_that_is_needed_young_goes_ahead_of_its_quota() -> None:
    """At one call in ten seconds five go at once, before those who wait; the sixth and the others wait the longer."""
    calls = limiter(share=0.5)
    calls.remember([Learned(*ATTRIBUTE, calls=12, seconds=60)])
    began = now()
    sent: list[tuple[str, float]] = []

    async def one(name: str) -> None:
        await call(calls, ATTRIBUTE, Free(), Outcome(), latency=0.0)
        sent.append((name, round(now() - began, 3)))

    waiting = [asyncio.ensure_future(one(f"plain {number}")) for number in range(2)]
    await asyncio.sleep(0)
    with ahead_of_quota():
        await asyncio.gather(*(one(f"young {number}") for number in range(5)))
    await asyncio.gather(*waiting)
    at = dict(sent)
    assert [at["plain 0"], *(at[f"young {number}"] for number in range(4))] == [0.0] * 5
    assert at["young 4"] == pytest.approx(10, abs=0.1)
    assert at["plain 1"] > at["young 4"]


async def test_a_shut_bucket_lets_nobody_ahead() -> None:
    """What the server refused until a hint stays unasked until then, however young a reading must be."""
    calls = limiter(share=0.5)
    permit = await calls.acquire(ATTRIBUTE, "host")
    permit.throttled(7.0)
    permit.release()
    with ahead_of_quota():
        permit = await calls.acquire(ATTRIBUTE, "host")
    assert permit.waited_seconds == pytest.approx(7.0)


@pytest.mark.parametrize(("window_seconds", "calls_per_second"), [(60.0, 0.1), (2.0, 0.25)])
async def test_refusals_in_a_row_do_not_teach_a_quota_of_next_to_nothing(
    window_seconds: float, calls_per_second: float
) -> None:
    """None was admitted, then six seconds of refusals: that is no quota of one call in two minutes."""
    calls = limiter(share=0.5, window_seconds=window_seconds)
    for hint in (6.0, None):
        permit = await calls.acquire(ATTRIBUTE, "host")
        permit.throttled(hint) if hint else permit.admitted()
        permit.release()
    (learned,) = calls.learned()
    assert learned.calls / learned.seconds * 0.5 == pytest.approx(calls_per_second)


async def test_a_neighbour_at_seventy_percent_is_left_alone() -> None:
    """Of the calls of another client that takes 70 % of the quota, at most 0.5 % are refused because of us."""
    server = Window(200, 60, phase=22)
    calls = limiter(share=0.5)
    calls.remember([Learned(*KEY, calls=200, seconds=60)])
    counts = {True: 0, False: 0}

    async def neighbour() -> None:
        while True:
            await asyncio.sleep(60 / 140)
            counts[server.take(now()) is None] += 1

    beside = asyncio.ensure_future(neighbour())
    outcome = await stream(calls, KEY, server, 2400)
    beside.cancel()
    assert counts[False] <= 0.005 * sum(counts.values())
    assert outcome.throttled <= 0.02 * 2400


async def test_the_rate_rises_again_after_a_refusal_that_was_another_ones() -> None:
    """A quota learned while a neighbour was busy grows once it is gone, at the price of few refusals."""
    calls = limiter(share=1.0)
    calls.remember([Learned(*KEY, calls=100, seconds=60)])
    outcome = await stream(calls, KEY, Window(200, 60), 4000)
    first = sum(at < 1020 for at in outcome.answered_at)
    last = sum(at > outcome.last - 60 for at in outcome.answered_at)
    assert first == 100
    assert last >= 120
    assert outcome.throttled <= 0.02 * 4000


async def test_a_hint_shuts_the_whole_bucket_and_one_call_feels_whether_it_is_open() -> None:
    """After a refusal with a hint of 7 s nothing is sent for 7 s, then one call, then the others."""
    calls = limiter(share=1.0)
    sent: list[float] = []

    class Once:
        refused = False

        def take(self, at: float) -> float | None:
            sent.append(at)
            if not self.refused:
                self.refused = True
                return 7.0
            return None

    server = Once()
    outcome = Outcome()
    await call(calls, KEY, server, outcome)
    assert sent == pytest.approx([960.04, 967.12])
    await asyncio.gather(*(call(calls, KEY, server, outcome) for _ in range(3)))


async def test_a_bucket_that_admits_nothing_is_given_up_with_all_who_wait() -> None:
    """After `patience_seconds` of refusals nobody waits any more; a later caller may still try once."""
    calls = limiter(patience_seconds=100)

    async def one() -> float:
        with pytest.raises(GivenUpError):
            await call(calls, KEY, Never(), Outcome())
        return now() - 960

    ends = await asyncio.gather(*(one() for _ in range(200)))
    assert 100 <= min(ends) <= max(ends) <= 106
    assert calls._in_flight == 0


async def test_a_hint_beyond_patience_gives_up_at_once() -> None:
    """A server that says "in an hour" is not waited for."""
    calls = limiter(patience_seconds=100)
    permit = await calls.acquire(KEY, "host")
    assert permit.throttled(3600.0)
    permit.release()
    assert calls._in_flight == 0


# isolation


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(("2", "cn-hangzhou", "DescribeSecurityGroups"), id="another account"),
        pytest.param(("1", "cn-shanghai", "DescribeSecurityGroups"), id="another region"),
        pytest.param(("1", "cn-hangzhou", "DescribeRegions"), id="another API"),
    ],
)
async def test_a_throttled_bucket_slows_no_other(other: tuple[str, str, str]) -> None:
    """While one bucket is refused again and again, another one takes exactly as long as alone."""
    calls = limiter(max_in_flight=64)
    slow = asyncio.ensure_future(stream(calls, KEY, Window(5, 60), 300, workers=300))
    await asyncio.sleep(1)
    began = now()
    outcome = await stream(calls, other, Free(), 640, workers=64)
    assert outcome.last - began == pytest.approx(10 * 0.08, abs=0.081)  # a probe may hold one place
    slow.cancel()


async def test_a_huge_account_never_starves_a_small_one() -> None:
    """With 10,000 calls of one account waiting, another's next call waits for one turn only."""
    calls = limiter(max_in_flight=10, max_in_flight_per_account=10)
    huge = asyncio.ensure_future(stream(calls, KEY, Free(), 10_000, workers=10_000))
    await asyncio.sleep(0.5)
    waits = []
    for _ in range(20):
        began = now()
        await call(calls, ("2", "r", "X"), Free(), Outcome())
        waits.append(now() - began)
    assert max(waits) <= 0.16 + 1e-6  # at most one round trip for a place, and its own
    huge.cancel()


async def test_accounts_take_turns_whatever_they_want() -> None:
    """Three accounts with 30, 300 and 3,000 calls share ten places evenly until each is done."""
    calls = limiter(max_in_flight=9, max_in_flight_per_account=9)
    small, middle, huge = await asyncio.gather(
        *(
            stream(calls, (account, "r", "X"), Free(), count, workers=count)
            for account, count in (("3", 3000), ("2", 300), ("1", 30))
        )
    )
    ends = [round((outcome.last - 960) / 0.08) for outcome in (huge, middle, small)]
    assert ends[0] == pytest.approx(10, abs=2)  # 30 calls, three places
    assert ends[1] == pytest.approx(10 + 60, abs=3)  # then half of nine each
    assert ends[2] == pytest.approx(3330 / 9, abs=1)


async def test_regions_of_one_account_take_turns() -> None:
    """Two regions of one account with unequal work share its places."""
    calls = limiter(max_in_flight_per_account=4)
    big, small = await asyncio.gather(
        stream(calls, ("1", "a", "X"), Free(), 400, workers=400, host="a"),
        stream(calls, ("1", "b", "X"), Free(), 40, workers=40, host="b"),
    )
    assert small.last - 960 == pytest.approx(20 * 0.08, abs=0.16)
    assert big.last - 960 == pytest.approx(110 * 0.08, abs=0.081)


async def test_a_call_refused_for_its_rate_goes_before_those_that_were_not_sent_yet() -> None:
    """Who was throttled is sent next when the bucket opens, so nobody is refused twice while others pass."""
    calls = limiter(share=1.0)
    order: list[str] = []

    async def one(name: str, *, first: bool) -> None:
        permit = await calls.acquire(KEY, "host", first=first)
        order.append(name)
        permit.admitted()
        permit.release()

    permit = await calls.acquire(KEY, "host")
    permit.throttled(5.0)
    waiting = [asyncio.ensure_future(one(name, first=False)) for name in "abc"]
    await asyncio.sleep(0)
    waiting.append(asyncio.ensure_future(one("refused", first=True)))
    await asyncio.sleep(0)
    permit.release()
    await asyncio.gather(*waiting)
    assert order[0] == "refused"


# cancellation


async def test_a_cancelled_waiter_takes_neither_quota_nor_place() -> None:
    """Half of the waiters go away; the others are served as if those had never been."""
    calls = limiter(max_in_flight=1)
    held = await calls.acquire(KEY, "host")
    waiting = [asyncio.ensure_future(calls.acquire(KEY, "host")) for _ in range(10)]
    await asyncio.sleep(0)
    for waiter in waiting[::2]:
        waiter.cancel()
    held.release()
    for waiter in waiting[1::2]:
        permit = await waiter
        permit.release()
    assert calls._in_flight == 0
    assert calls.queues() == ()


async def test_leave_that_comes_with_the_cancellation_is_passed_on() -> None:
    """A waiter cancelled in the very moment it is granted passes its place on to the next."""
    calls = limiter(max_in_flight=1)
    held = await calls.acquire(KEY, "host")
    granted = asyncio.ensure_future(calls.acquire(KEY, "host"))
    next_one = asyncio.ensure_future(calls.acquire(KEY, "host"))
    await asyncio.sleep(0)
    held.release()  # the first waiter's future is set now; its task has not run yet
    granted.cancel()
    permit = await asyncio.wait_for(next_one, 1)
    permit.release()
    with pytest.raises(asyncio.CancelledError):
        await granted
    assert calls._in_flight == 0


async def test_cancelled_waiters_at_a_busy_host_do_not_block_the_others() -> None:
    """A bucket parked at a full host whose waiters went away makes room for the next bucket there."""
    calls = limiter(max_in_flight_per_host=1)
    held = await calls.acquire(("1", "a", "X"), "host")
    gone = asyncio.ensure_future(calls.acquire(("2", "a", "X"), "host"))
    stays = asyncio.ensure_future(calls.acquire(("3", "a", "X"), "host"))
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.sleep(0)
    held.release()
    permit = await asyncio.wait_for(stays, 1)
    permit.release()


async def test_random_cancellations_leave_nothing_behind() -> None:
    """500 calls with quotas and refusals, a third of them cancelled at odd times: all places come back."""
    calls = limiter(max_in_flight=7, max_in_flight_per_host=5, share=1.0, window_seconds=2)
    servers: dict[tuple[str, str | None, str], Server] = {}
    tasks = []
    for number in range(500):
        key = (str(number % 5), f"r{number % 3}", "X")
        server = servers.setdefault(key, Window(4, 2))
        tasks.append(asyncio.ensure_future(call(calls, key, server, Outcome(), host=f"h{number % 2}")))
    for number, task in enumerate(tasks):
        if number % 3 == 0:
            asyncio.get_running_loop().call_later((number * 37 % 101) / 20, task.cancel)
    await asyncio.gather(*tasks, return_exceptions=True)
    assert calls._in_flight == 0
    assert calls.queues() == ()
    assert sum(task.cancelled() for task in tasks) > 20


# memory between runs


async def test_learned_quotas_are_plain_values_and_start_the_next_run() -> None:
    """What one run learned, the next one keeps to from its first call on."""
    first = limiter(share=0.5)
    await stream(first, KEY, Window(200, 60), 250)
    (learned,) = first.learned()
    assert (learned.account_id, learned.region_id, learned.action) == KEY
    assert learned.calls == pytest.approx(200, rel=0.02)
    second = limiter(share=0.5)
    second.remember(first.learned())
    outcome = await stream(second, KEY, Window(200, 60), 100)
    assert outcome.throttled == 0
    assert outcome.last - outcome.answered_at[0] > 50


async def test_what_is_not_used_is_not_forgotten() -> None:
    """A run that asks little hands on what it was told of the rest."""
    other = Learned("1", "cn-beijing", "DescribeSecurityGroups", calls=77, seconds=60)
    calls = limiter(share=0.5)
    calls.remember([other])
    await stream(calls, KEY, Free(), 5)
    assert other in calls.learned()


async def test_the_published_quota_of_assume_role_holds_from_the_start() -> None:
    """AssumeRole is asked 50 times a second, half of what the provider publishes."""
    calls = Limiter(Limits())
    outcome = await stream(calls, ("hub", None, "AssumeRole"), Refill(100, 100), 500)
    assert outcome.throttled == 0
    assert outcome.last - 960 == pytest.approx(500 / 50, rel=0.02)


async def test_buckets_of_accounts_long_done_are_forgotten() -> None:
    """Many accounts in turn leave few buckets behind; one with a learned quota stays."""
    calls = limiter()
    calls.remember([Learned(*KEY, calls=200, seconds=60)])
    (await calls.acquire(KEY, "host")).release()
    for account in range(20_000):
        permit: Permit = await calls.acquire((str(account + 10), "r", "X"), "host")
        permit.admitted()
        permit.release()
        if account % 100 == 0:
            await asyncio.sleep(1)
    assert len(calls._buckets) < 9000
    assert KEY in calls._buckets


async def test_queues_say_what_waits_where_and_how_fast_it_goes() -> None:
    """Progress and the time left come from here."""
    calls = limiter(share=1.0)
    permit = await calls.acquire(ATTRIBUTE, "host")
    permit.throttled(30.0)
    permit.release()
    waiting = [asyncio.ensure_future(calls.acquire(ATTRIBUTE, "host")) for _ in range(5)]
    await asyncio.sleep(10)
    (queue,) = calls.queues()
    assert (queue.account_id, queue.region_id, queue.action, queue.waiting) == (*ATTRIBUTE, 5)
    assert queue.opens_in_seconds == pytest.approx(20)
    for waiter in waiting:
        waiter.cancel()


def test_a_rate_is_calls_in_seconds() -> None:
    """The value that travels between runs compares by its parts."""
    assert Rate(100, 1.0) == Rate(100.0, 1.0)
