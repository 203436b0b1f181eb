"""The retry policy as a table, the budget and the circuit by the clock."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.credentials import Credentials
from orchestrator.cloud.circuit import Circuit, Circuits
from orchestrator.cloud.errors import (
    ApiError,
    CloudError,
    Denied,
    ExpiredToken,
    NotFound,
    Throttled,
    Unavailable,
)
from orchestrator.cloud.retry import CallProgress, Patience, Retry, RetryBudget, delay_before_retry

PATIENCE = Patience(attempts=5, deadline_seconds=60)
HERE = ("1", "r", "ecs")


def unavailable(
    code: str = "ServiceUnavailable", *, sent: bool = True, hint: float | None = None
) -> Unavailable:
    """An error of that kind."""
    error = Unavailable(code=code, message="")
    error.sent = sent
    error.retry_after_seconds = hint
    return error


def throttled(*, hopeless: bool = False) -> Throttled:
    """An error of that kind."""
    error = Throttled(code="Throttling.User", message="")
    error.hopeless = hopeless
    return error


def plain(kind: type[CloudError], code: str = "X") -> CloudError:
    """An error of that kind."""
    return kind(code=code, message="")


def been(
    attempts: int,
    spent_seconds: float = 0.0,
    *,
    mutating: bool = False,
    refreshed: bool = False,
    signed_anew: bool = False,
) -> CallProgress:
    """What a call has been through at the time 0."""
    progress = CallProgress(Credentials("id", "secret"), -spent_seconds, mutating=mutating)
    progress.attempts = attempts
    progress.refreshed, progress.signed_anew = refreshed, signed_anew
    return progress


TABLE = [
    # error, what the call has been through, delay with chance 1
    (unavailable(), been(1), 0.5),
    (unavailable(), been(2), 1.0),
    (unavailable(), been(4), 4.0),
    (unavailable(), been(5), None),  # attempts are used up
    (unavailable(), been(2, spent_seconds=59.5), None),  # it would end after the deadline
    (unavailable(hint=7.0), been(1), 7.0),  # the server's delay wins
    (unavailable(hint=70.0), been(1), None),
    (unavailable(), been(1, mutating=True), None),  # a change may have been made
    (unavailable("ConnectionFailed", sent=False), been(1, mutating=True), 0.5),  # it cannot have been
    (unavailable("CircuitOpen", sent=False), been(1), None),
    (unavailable("CertificateError", sent=False), been(1), None),
    (unavailable("ProxyError", sent=False), been(1), None),
    (throttled(), been(1), 0.0),  # the limiter holds the bucket shut
    (throttled(), been(50, spent_seconds=1000), 0.0),
    (throttled(), been(1, mutating=True), 0.0),  # refused, so not carried out
    (throttled(hopeless=True), been(1), None),
    (plain(ExpiredToken), been(1, mutating=True), 0.0),
    (plain(ExpiredToken), been(2, refreshed=True), None),
    (plain(ApiError, "SignatureNonceUsed"), been(1, mutating=True), 0.0),
    (plain(ApiError, "SignatureNonceUsed"), been(2, signed_anew=True), None),
    (plain(Denied), been(1), None),
    (plain(NotFound), been(1), None),
    (plain(ApiError), been(1), None),
]


@pytest.mark.parametrize(("error", "progress", "delay"), TABLE)
def test_the_policy_by_example(error: CloudError, progress: CallProgress, delay: float | None) -> None:
    """Each error, state and kind of call has one answer."""
    assert delay_before_retry(error, progress, PATIENCE, now=0.0, chance=1.0) == delay


@given(attempts=st.integers(1, 30), spent=st.floats(0, 1000), chance=st.floats(0, 1), mutating=st.booleans())
def test_no_delay_leads_beyond_attempts_or_deadline(
    attempts: int,
    spent: float,
    chance: float,
    mutating: bool,  # noqa: FBT001 - a parameter
) -> None:
    """Whatever the state, a retry of a failed call stays within both bounds, and jitter is full."""
    progress = been(attempts, spent, mutating=mutating)
    delay = delay_before_retry(unavailable(), progress, PATIENCE, now=0.0, chance=chance)
    if delay is not None:
        assert not mutating
        assert attempts < PATIENCE.attempts
        assert 0 <= delay <= min(20, 0.5 * 2 ** (attempts - 1))
        assert spent + delay <= PATIENCE.deadline_seconds


def test_retries_never_exceed_the_floor_and_their_fraction_of_the_calls() -> None:
    """10 retries are free, then one for five calls."""
    budget = RetryBudget(fraction=0.2, floor=10)
    taken = 0
    for _ in range(1000):
        budget.calls += 1
        taken += budget.take() + budget.take()
        assert budget.retries <= 10 + 0.2 * budget.calls + 1
    assert taken == budget.retries == pytest.approx(210, abs=1)


def retry_of(budget: RetryBudget | None = None) -> Retry:
    """The loop, with waits of no time."""
    chosen = budget or RetryBudget(fraction=1.0, floor=100)
    return Retry(PATIENCE, chosen, clock=lambda: 0.0, chance=lambda: 0.0)


class Attempts:
    """Attempts of one call that end as told, in order; the last one again and again."""

    def __init__(self, *ends: CloudError | str) -> None:
        self.ends = ends
        self.made = 0

    async def __call__(self, progress: CallProgress) -> str:
        """Make one."""
        await asyncio.sleep(0)
        progress.attempts += 1
        end = self.ends[min(self.made, len(self.ends) - 1)]
        self.made += 1
        if isinstance(end, CloudError):
            raise end
        return end


async def test_every_attempt_is_judged_by_the_same_loop() -> None:
    """The first success is returned; the last error is raised as it is; what is not of the cloud is not repeated."""
    retry = retry_of()
    call = Attempts(unavailable(), throttled(), "done")
    assert await retry(call, been(0)) == "done"
    assert call.made == 3
    lasting = unavailable("Last")
    call = Attempts(unavailable(), lasting)
    with pytest.raises(Unavailable) as caught:
        await retry(call, been(0))
    assert caught.value is lasting
    assert call.made == PATIENCE.attempts

    async def broken(_: CallProgress) -> str:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await retry(broken, been(0))


async def test_calls_at_the_same_time_share_the_loop_and_nothing_else() -> None:
    """However 300 calls are interleaved, each has its own attempts, its own outcome and its own progress."""
    retry = retry_of(RetryBudget(fraction=10.0, floor=0))
    calls = [
        Attempts(
            *(unavailable(f"{number}/{attempt}") for attempt in range(number % 7)),
            str(number) if number % 3 else plain(Denied, str(number)),
        )
        for number in range(300)
    ]
    states = [been(0) for _ in calls]
    came = await asyncio.gather(*map(retry, calls, states), return_exceptions=True)
    for number, (call, state, one) in enumerate(zip(calls, states, came, strict=True)):
        given_up = number % 7 >= PATIENCE.attempts
        assert call.made == state.attempts == (PATIENCE.attempts if given_up else number % 7 + 1)
        assert one == call.ends[PATIENCE.attempts - 1 if given_up else -1]


async def test_a_call_asks_for_new_credentials_once() -> None:
    """A refused session is renewed; a second refusal is final. What was renewed is known to the next attempt."""
    seen: list[bool] = []

    async def refused(progress: CallProgress) -> str:
        seen.append(progress.expired)
        raise plain(ExpiredToken)

    with pytest.raises(ExpiredToken):
        await retry_of()(refused, been(0))
    assert seen == [False, True]


class Clock:
    """A clock to be set."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """The time it was set to."""
        return self.now


def test_a_circuit_opens_after_calls_lost_in_a_row_and_tries_again_later() -> None:
    """Three losses open it, it refuses for 30 s, one call may try, its loss opens it anew, its success closes it."""
    clock = Clock()
    circuits = Circuits(failures=3, seconds=30, clock=clock)
    for _ in range(2):
        circuits.lost(HERE)
    assert circuits.open_for(HERE) == 0
    circuits.lost(HERE)
    assert circuits.open_for(HERE) == 30
    clock.now += 30
    assert circuits.open_for(HERE) == 0  # this one tries
    assert circuits.open_for(HERE) > 0  # the others wait for what becomes of it
    circuits.lost(HERE)
    assert circuits.open_for(HERE) == 30
    clock.now += 31
    assert circuits.open_for(HERE) == 0
    circuits.answered(HERE)
    assert circuits.open_for(HERE) == 0


def test_an_answer_between_losses_keeps_the_circuit_closed() -> None:
    """Only losses in a row count: a flaky region is not a dead one."""
    circuits = Circuits(failures=2, seconds=30, clock=Clock())
    for _ in range(10):
        circuits.lost(HERE)
        circuits.answered(HERE)
    assert circuits.open_for(HERE) == 0


def test_circuits_are_apart_by_account_region_and_product() -> None:
    """A dead region closes nothing else, and a dead product only itself."""
    circuits = Circuits(failures=1, seconds=30, clock=Clock())
    circuits.lost(HERE)
    assert circuits.open_for(HERE) > 0
    others: list[Circuit] = [("1", "s", "ecs"), ("2", "r", "ecs"), ("1", None, "ecs"), ("1", "r", "oss")]
    assert [circuits.open_for(other) for other in others] == [0, 0, 0, 0]


def test_a_probe_that_goes_away_lets_the_next_one_try() -> None:
    """A cancelled call leaves no circuit stuck."""
    clock = Clock()
    circuits = Circuits(failures=1, seconds=30, clock=clock)
    circuits.lost(HERE)
    clock.now += 31
    assert circuits.open_for(HERE) == 0
    circuits.left(HERE)
    assert circuits.open_for(HERE) == 0
