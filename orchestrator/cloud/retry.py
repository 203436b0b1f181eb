"""Whether a failed call is sent again, and when: one pure function; and how many retries a run may spend."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.cloud.errors import CloudError, ExpiredToken, Throttled, Unavailable

_FIRST_DELAY_SECONDS = 0.5
_LONGEST_DELAY_SECONDS = 20.0
# A retry cannot mend these: the circuit is open, the peer is not who it should be, or sends what nobody asked for.
_POINTLESS = frozenset({"CircuitOpen", "CertificateError", "ProxyError", "AnswerTooLong"})


@dataclass(frozen=True)
class Tries:
    """What one call has been through.

    Attributes:
        attempts: how often it was sent.
        spent_seconds: since it was first sent, without the waits for quota.
        refreshed: new credentials were already asked for.
        signed_anew: a used nonce was already answered with another.
    """

    attempts: int
    spent_seconds: float = 0.0
    refreshed: bool = False
    signed_anew: bool = False


@dataclass(frozen=True)
class Patience:
    """How long to go on: attempts in all, and a deadline after which no retry starts."""

    attempts: int
    deadline_seconds: float


def delay_before_retry(
    error: CloudError, tries: Tries, patience: Patience, *, mutating: bool, chance: float
) -> float | None:
    """Return the seconds to wait before sending the call again, or None to give up.

    A throttled call waits in the limiter, which keeps the whole bucket shut for the server's delay; here it
    costs nothing more. A change that may have been made is never repeated here: whoever asked reads again
    first.

    Args:
        error: of the last attempt.
        tries: what the call has been through.
        patience: how long to go on.
        mutating: the call changes something.
        chance: from 0 to 1, drawn anew each time: full jitter.
    """
    if isinstance(error, ExpiredToken):
        return None if tries.refreshed else 0.0
    if error.code == "SignatureNonceUsed":
        return None if tries.signed_anew else 0.0
    if isinstance(error, Throttled):
        return None if error.hopeless else 0.0
    if not isinstance(error, Unavailable) or (mutating and error.sent):
        return None
    if tries.attempts >= patience.attempts or error.code in _POINTLESS:
        return None
    delay = _jittered(error, tries.attempts, chance)
    return delay if tries.spent_seconds + delay <= patience.deadline_seconds else None


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
