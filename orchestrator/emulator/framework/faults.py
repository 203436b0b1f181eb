"""Faults by name: what goes wrong on the way, how often, how many times, for whom. Seeded: a run repeats."""

from __future__ import annotations

import random
from collections.abc import Iterable
from enum import StrEnum
from fnmatch import fnmatchcase

import msgspec
from msgspec import Struct


class Kind(StrEnum):
    """What can go wrong. "before" changes nothing; "after" has made the change and loses the answer."""

    UNAVAILABLE = "unavailable"
    """503 ServiceUnavailable, nothing done."""
    ERROR_BEFORE = "error_before"
    """500 InternalError, nothing done."""
    ERROR_AFTER = "error_after"
    """500 InternalError after the call was carried out."""
    RESET_BEFORE = "reset_before"
    """The connection is reset, nothing done."""
    RESET_AFTER = "reset_after"
    """The connection is reset after the call was carried out."""
    SLOW = "slow"
    """Half of the body, then a wait of `seconds`, then the rest."""
    HANG = "hang"
    """No answer for `seconds`; then the true one."""
    TRUNCATED = "truncated"
    """A complete HTTP answer whose JSON is cut in the middle."""
    CUT = "cut"
    """Fewer bytes than Content-Length promises, then the connection closes."""
    GARBAGE = "garbage"
    """502 with an HTML page, nothing done, as a gateway answers."""
    REPEATED_TOKEN = "repeated_token"  # noqa: S105 - a page token
    """A further page answers with the NextToken it was asked for."""
    EMPTY = "empty"
    """A list is empty though it is not, as where a permission is missing."""
    EXPIRED = "expired"
    """The caller's token is expired from now on."""
    THROTTLED = "throttled"
    """A refusal by flow control that no limit explains."""
    DENIED = "denied"
    """A permission is missing."""
    IGNORED = "ignored"
    """Success is answered, nothing is changed."""


BEFORE = frozenset(
    {
        Kind.UNAVAILABLE, Kind.ERROR_BEFORE, Kind.RESET_BEFORE, Kind.GARBAGE, Kind.EXPIRED, Kind.THROTTLED,
        Kind.DENIED, Kind.IGNORED,
    }
)  # fmt: skip


RESETS = frozenset({Kind.RESET_BEFORE, Kind.RESET_AFTER})


class Fault(Struct, frozen=True, kw_only=True):
    """One fault: its kind and whom it strikes.

    `rate` of the matching calls, after the first `skip` of them, at most `count` times. `account`, `region`
    and `action` are glob patterns. `seconds` is for `slow` and `hang`.
    """

    kind: Kind
    rate: float = 1.0
    count: int | None = None
    skip: int = 0
    account: str = "*"
    region: str = "*"
    action: str = "*"
    seconds: float = 15.0

    def matches(self, account_id: str, region_id: str, action: str) -> bool:
        """Whether a call is within this fault's reach."""
        return (
            fnmatchcase(action, self.action)
            and fnmatchcase(account_id, self.account)
            and fnmatchcase(region_id, self.region)
        )


class _Armed:
    """A fault with its count of matches and strikes."""

    __slots__ = ("fault", "random", "seen", "struck")

    def __init__(self, fault: Fault, seed: str) -> None:
        self.fault = fault
        self.random = random.Random(seed)
        self.seen = 0
        self.struck = 0

    def strikes(self) -> bool:
        self.seen += 1
        if self.seen <= self.fault.skip or (self.fault.count is not None and self.struck >= self.fault.count):
            return False
        if self.fault.rate < 1.0 and self.random.random() >= self.fault.rate:
            return False
        self.struck += 1
        return True


class Faults:
    """The faults in force; the first that strikes is the one that happens."""

    def __init__(self, faults: Iterable[Fault] = (), seed: int = 0) -> None:
        self._seed = seed
        self._armed: list[_Armed] = []
        self.set(faults)

    def set(self, faults: Iterable[Fault]) -> None:
        """Replace all faults; their counts and random choices begin anew."""
        self._armed = [_Armed(fault, f"{self._seed}/{index}") for index, fault in enumerate(faults)]

    def add(self, fault: Fault) -> None:
        """Add a fault to those in force."""
        self._armed.append(_Armed(fault, f"{self._seed}/{len(self._armed)}"))

    def clear(self) -> None:
        """Nothing goes wrong from now on."""
        self._armed = []

    @property
    def active(self) -> tuple[Fault, ...]:
        """The faults in force."""
        return tuple(armed.fault for armed in self._armed)

    def struck(self) -> tuple[int, ...]:
        """How often each fault struck, in their order."""
        return tuple(armed.struck for armed in self._armed)

    def choose(
        self, account_id: str, region_id: str, action: str, without_effect: frozenset[Kind] = frozenset()
    ) -> Fault | None:
        """The fault that strikes this call, if any; kinds `without_effect` on it wait for another call."""
        for armed in self._armed:
            fault = armed.fault
            if fault.kind in without_effect or not fault.matches(account_id, region_id, action):
                continue
            if armed.strikes():
                return fault
        return None


def read_faults(data: bytes) -> tuple[Fault, ...]:
    """Faults from JSON: a list of objects with Fault's fields; ValueError says what is wrong."""
    try:
        return msgspec.json.decode(data, type=tuple[Fault, ...])
    except msgspec.MsgspecError as error:
        raise ValueError(f"faults: {error}") from None
