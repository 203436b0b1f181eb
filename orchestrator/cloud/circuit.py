"""One circuit per account, region and product: after calls lost in a row it opens, and further calls fail at once.

A region that is down then costs seconds, not its number of groups times the patience of a call.
"""

from __future__ import annotations

from collections.abc import Callable

Circuit = tuple[str, "str | None", str]
"""Account, region and product: ECS that is down in a region says nothing of OSS there."""


class _Circuit:
    __slots__ = ("failures", "open_until", "probing")

    def __init__(self) -> None:
        self.failures = 0
        self.open_until = 0.0
        self.probing = False


class Circuits:
    """The circuits of a run. Those of healthy regions take no memory."""

    def __init__(self, *, failures: int, seconds: float, clock: Callable[[], float]) -> None:
        self._failures = failures
        self._seconds = seconds
        self._clock = clock
        self._circuits: dict[Circuit, _Circuit] = {}

    def open_for(self, key: Circuit) -> float:
        """Return for how many seconds calls are refused; 0 to go ahead. After that one call may try."""
        left = self.shut_for(key)
        circuit = self._circuits.get(key) if self._circuits else None
        if left or circuit is None or circuit.failures < self._failures:
            return left
        if circuit.probing:
            return 0.001
        circuit.probing = True
        return 0.0

    def shut_for(self, key: Circuit) -> float:
        """Return for how many seconds calls are refused; 0 if one may try, which is not counted as trying."""
        circuit = self._circuits.get(key) if self._circuits else None
        if circuit is None or circuit.failures < self._failures:
            return 0.0
        return max(0.0, circuit.open_until - self._clock())

    def answered(self, key: Circuit) -> None:
        """Note that the region answered: even a refusal shows that it works."""
        if self._circuits:
            self._circuits.pop(key, None)

    def lost(self, key: Circuit) -> None:
        """Note a call lost for good, after its retries."""
        circuit = self._circuits.setdefault(key, _Circuit())
        circuit.failures += 1
        circuit.probing = False
        circuit.open_until = self._clock() + self._seconds

    def left(self, key: Circuit) -> None:
        """Note that a call went away without an outcome (cancelled): the next one may try."""
        circuit = self._circuits.get(key) if self._circuits else None
        if circuit is not None:
            circuit.probing = False
