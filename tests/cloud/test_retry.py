"""The retry policy as a table, the budget and the circuit by the clock."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.cloud.circuit import Circuits
from orchestrator.cloud.errors import (
    ApiError,
    CloudError,
    Denied,
    ExpiredToken,
    NotFound,
    Throttled,
    Unavailable,
)
from orchestrator.cloud.retry import Patience, RetryBudget, Tries, delay_before_retry

PATIENCE = Patience(attempts=5, deadline_seconds=60)


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


TABLE = [
    # error, tries, mutating, delay with chance 1
    (unavailable(), Tries(1), False, 0.5),
    (unavailable(), Tries(2), False, 1.0),
    (unavailable(), Tries(4), False, 4.0),
    (unavailable(), Tries(5), False, None),  # attempts are used up
    (unavailable(), Tries(2, spent_seconds=59.5), False, None),  # it would end after the deadline
    (unavailable(hint=7.0), Tries(1), False, 7.0),  # the server's delay wins
    (unavailable(hint=70.0), Tries(1), False, None),
    (unavailable(), Tries(1), True, None),  # a change may have been made
    (unavailable("ConnectionFailed", sent=False), Tries(1), True, 0.5),  # it cannot have been
    (unavailable("CircuitOpen", sent=False), Tries(1), False, None),
    (unavailable("CertificateError", sent=False), Tries(1), False, None),
    (unavailable("ProxyError", sent=False), Tries(1), False, None),
    (throttled(), Tries(1), False, 0.0),  # the limiter holds the bucket shut
    (throttled(), Tries(50, spent_seconds=1000), False, 0.0),
    (throttled(), Tries(1), True, 0.0),  # refused, so not carried out
    (throttled(hopeless=True), Tries(1), False, None),
    (plain(ExpiredToken), Tries(1), True, 0.0),
    (plain(ExpiredToken), Tries(2, refreshed=True), False, None),
    (plain(ApiError, "SignatureNonceUsed"), Tries(1), True, 0.0),
    (plain(ApiError, "SignatureNonceUsed"), Tries(2, signed_anew=True), False, None),
    (plain(Denied), Tries(1), False, None),
    (plain(NotFound), Tries(1), False, None),
    (plain(ApiError), Tries(1), False, None),
]


@pytest.mark.parametrize(("error", "tries", "mutating", "delay"), TABLE)
def test_the_policy_by_example(error: CloudError, tries: Tries, mutating: bool, delay: float | None) -> None:  # noqa: FBT001 - a parameter
    """Each error, state and kind of call has one answer."""
    assert delay_before_retry(error, tries, PATIENCE, mutating=mutating, chance=1.0) == delay


@given(attempts=st.integers(1, 30), spent=st.floats(0, 1000), chance=st.floats(0, 1), mutating=st.booleans())
def test_no_delay_leads_beyond_attempts_or_deadline(
    attempts: int,
    spent: float,
    chance: float,
    mutating: bool,  # noqa: FBT001 - a parameter
) -> None:
    """Whatever the state, a retry of a failed call stays within both bounds, and jitter is full."""
    delay = delay_before_retry(
        unavailable(), Tries(attempts, spent), PATIENCE, mutating=mutating, chance=chance
    )
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
        circuits.lost("1", "r")
    assert circuits.open_for("1", "r") == 0
    circuits.lost("1", "r")
    assert circuits.open_for("1", "r") == 30
    assert circuits.open() == (("1", "r"),)
    clock.now += 30
    assert circuits.open_for("1", "r") == 0  # this one tries
    assert circuits.open_for("1", "r") > 0  # the others wait for what becomes of it
    circuits.lost("1", "r")
    assert circuits.open_for("1", "r") == 30
    clock.now += 31
    assert circuits.open_for("1", "r") == 0
    circuits.answered("1", "r")
    assert circuits.open_for("1", "r") == 0
    assert circuits.open() == ()


def test_an_answer_between_losses_keeps_the_circuit_closed() -> None:
    """Only losses in a row count: a flaky region is not a dead one."""
    circuits = Circuits(failures=2, seconds=30, clock=Clock())
    for _ in range(10):
        circuits.lost("1", "r")
        circuits.answered("1", "r")
    assert circuits.open_for("1", "r") == 0


def test_circuits_are_apart_by_account_and_region() -> None:
    """A dead region closes nothing else."""
    circuits = Circuits(failures=1, seconds=30, clock=Clock())
    circuits.lost("1", "r")
    assert circuits.open_for("1", "r") > 0
    assert circuits.open_for("1", "s") == circuits.open_for("2", "r") == circuits.open_for("1", None) == 0


def test_a_probe_that_goes_away_lets_the_next_one_try() -> None:
    """A cancelled call leaves no circuit stuck."""
    clock = Clock()
    circuits = Circuits(failures=1, seconds=30, clock=clock)
    circuits.lost("1", "r")
    clock.now += 31
    assert circuits.open_for("1", "r") == 0
    circuits.left("1", "r")
    assert circuits.open_for("1", "r") == 0
