"""Whether a failed call is sent again, and when: one pure function; tenacity's loop around it; the run's budget."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from tenacity import BaseRetrying, DoAttempt, RetryCallState

from accounts.credentials import Credentials
from orchestrator.cloud.errors import CloudError, ExpiredToken, Throttled, TooLate, Unavailable
from orchestrator.cloud.limiter import Permit
from orchestrator.cloud.transport import NotAfter

T = TypeVar("T")

_FIRST_DELAY_SECONDS = 0.5
_LONGEST_DELAY_SECONDS = 20.0
# A retry cannot mend these: the circuit is open, the peer is not who it should be, or sends what nobody asked for.
_POINTLESS = frozenset({"CircuitOpen", "CertificateError", "ProxyError", "AnswerTooLong"})


class CallProgress:
    """What one call has been through, over its attempts.

    Attributes:
        who: signs the next attempt, or signed the last one.
        mutating: the call changes something.
        started_at: when it was first sent.
        attempts: how often it was sent.
        waited_seconds: for quota.
        throttled: the last attempt was.
        expired: the last attempt was signed by a session that no longer holds.
        refreshed: new credentials were already asked for.
        signed_anew: a used nonce was already answered with another.
        delay_seconds: before the next attempt.
        held: the turn that the first attempt takes, None to wait for leave.
        not_after: the last moment at which an attempt may be sent, None for any.
        sent_at: when the last attempt was, by the loop's clock.
    """

    __slots__ = (
        "attempts", "delay_seconds", "expired", "held", "mutating", "not_after", "refreshed", "sent_at",
        "signed_anew", "started_at", "throttled", "waited_seconds", "who",
    )  # fmt: skip

    def __init__(self, who: Credentials, started_at: float, *, mutating: bool) -> None:
        self.who = who
        self.mutating = mutating
        self.started_at = started_at
        self.attempts = 0
        self.waited_seconds = 0.0
        self.throttled = False
        self.expired = False
        self.refreshed = False
        self.signed_anew = False
        self.delay_seconds = 0.0
        self.held: Permit | None = None
        self.not_after: NotAfter | None = None
        self.sent_at = started_at

    def spent_seconds(self, now: float) -> float:
        """Return how long it has taken, without the waits for quota."""
        return now - self.started_at - self.waited_seconds


@dataclass(frozen=True)
class Patience:
    """How long to go on: attempts in all, and a deadline after which no retry starts."""

    attempts: int
    deadline_seconds: float


def delay_before_retry(
    error: CloudError, progress: CallProgress, patience: Patience, *, now: float, chance: float
) -> float | None:
    """Return the seconds to wait before sending the call again, or None to give up.

    A throttled call waits in the limiter, which keeps the whole bucket shut for the server's delay; here it
    costs nothing more; but one that relies on a reading is given back to whoever asked, who takes a new turn and reads
    again. A change that may have been made is never repeated here: whoever asked reads again first.

    Args:
        error: of the last attempt.
        progress: what the call has been through.
        patience: how long to go on.
        now: by the clock of `progress`.
        chance: from 0 to 1, drawn anew each time: full jitter.
    """
    if isinstance(error, ExpiredToken):
        return None if progress.refreshed else 0.0
    if error.code == "SignatureNonceUsed":
        return None if progress.signed_anew else 0.0
    if isinstance(error, Throttled):
        return None if error.hopeless or progress.not_after else 0.0
    if not isinstance(error, Unavailable) or (progress.mutating and error.sent):
        return None
    if progress.attempts >= patience.attempts or error.code in _POINTLESS:
        return None
    delay = _jittered(error, progress.attempts, chance)
    is_in_time = progress.not_after is None or now + delay <= progress.not_after.moment
    return delay if is_in_time and progress.spent_seconds(now) + delay <= patience.deadline_seconds else None


def is_for_another_turn(error: CloudError) -> bool:
    """Tell whether a call that held its turn was not carried out, and may be after another turn and reading."""
    return isinstance(error, TooLate) or (isinstance(error, Throttled) and not error.hopeless)


def _jittered(error: Unavailable, attempts: int, chance: float) -> float:
    if error.retry_after_seconds is not None:
        return error.retry_after_seconds
    ceiling: float = min(_LONGEST_DELAY_SECONDS, _FIRST_DELAY_SECONDS * 2.0 ** (attempts - 1))
    return chance * ceiling


class RetryBudget:
    """Keeps the retries of a run below a fraction of its calls: a failing cloud is not asked ever more."""

    def __init__(self, *, fraction: float, floor: int) -> None:
        self._fraction = fraction
        self._floor = floor
        self.calls = 0
        self.retries = 0

    def take(self) -> bool:
        """Spend one retry; False if there is none left."""
        if self.retries >= self._floor + self._fraction * self.calls:
            return False
        self.retries += 1
        return True


class Retry(BaseRetrying):
    """tenacity's loop around the attempts of a call. One serves all: what differs is in the call's `CallProgress`.

    Its states between two steps (`iter_state`, `statistics`) are shared by all calls, which is safe because a step
    never waits. tenacity's own AsyncRetrying steps by coroutines and needs one object a call: 17 us more for each.
    """

    def __init__(
        self,
        patience: Patience,
        budget: RetryBudget,
        *,
        clock: Callable[[], float],
        chance: Callable[[], float],
    ) -> None:
        super().__init__(retry=self._goes_on, wait=_delay)
        self.begin()
        self._patience = patience
        self._budget = budget
        self._clock = clock
        self._chance = chance

    async def __call__(  # type: ignore[override]  # as tenacity's own AsyncRetrying does
        self, attempt: Callable[[CallProgress], Awaitable[T]], progress: CallProgress
    ) -> T:
        """Return what the first attempt that succeeds returns.

        Raises:
            CloudError: of the last attempt.
        """
        self._budget.calls += 1
        state = RetryCallState(self, attempt, (progress,), {})
        while True:
            step = self.iter(state)  # raises the last error where the call is given up
            if isinstance(step, DoAttempt):
                try:
                    return await attempt(progress)
                except CloudError as error:
                    state.set_exception((type(error), error, error.__traceback__))
            else:
                state.prepare_for_next_attempt()
                await asyncio.sleep(step)

    def _goes_on(self, state: RetryCallState) -> bool:
        """Tell whether to send the call again; the wait, which tenacity asks for next, is kept in its progress."""
        error = state.outcome.exception() if state.outcome else None
        progress: CallProgress = state.args[0]
        if not isinstance(error, CloudError):
            return False
        delay = delay_before_retry(error, progress, self._patience, now=self._clock(), chance=self._chance())
        if delay is None or (isinstance(error, Unavailable) and not self._budget.take()):
            return False
        progress.expired = isinstance(error, ExpiredToken)
        progress.refreshed |= progress.expired
        progress.signed_anew |= error.code == "SignatureNonceUsed"
        progress.delay_seconds = delay
        return True


def _delay(state: RetryCallState) -> float:
    progress: CallProgress = state.args[0]
    return progress.delay_seconds
