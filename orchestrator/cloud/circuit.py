"""One circuit per account and region: after calls lost in a row it opens, and further calls fail at once.

A region that is down then costs seconds, not its number of groups times the patience of a call.
"""

from __future__ import annotations

from collections.abc import Callable


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
        self._circuits: dict[tuple[str, str | None], _Circuit] = {}

    def open_for(self, account_id: str, region_id: str | None) -> float:
        """Return for how many seconds calls are refused; 0 to go ahead. After that one call may try."""
        circuit = self._circuits.get((account_id, region_id)) if self._circuits else None
        if circuit is None or circuit.failures < self._failures:
            return 0.0
        left = circuit.open_until - self._clock()
        if left > 0 or circuit.probing:
            return max(left, 0.001)
        circuit.probing = True
        return 0.0

    def answered(self, account_id: str, region_id: str | None) -> None:
        """Note that the region answered: even a refusal shows that it works."""
        if self._circuits:
            self._circuits.pop((account_id, region_id), None)

    def lost(self, account_id: str, region_id: str | None) -> None:
        """Note a call lost for good, after its retries."""
        circuit = self._circuits.setdefault((account_id, region_id), _Circuit())
        circuit.failures += 1
        circuit.probing = False
        circuit.open_until = self._clock() + self._seconds

    def left(self, account_id: str, region_id: str | None) -> None:
        """Note that a call went away without an outcome (cancelled): the next one may try."""
        circuit = self._circuits.get((account_id, region_id)) if self._circuits else None
        if circuit is not None:
            circuit.probing = False

    def open(self) -> tuple[tuple[str, str | None], ...]:
        """Return the (account, region) pairs whose circuit is open, for the report."""
        return tuple(key for key, circuit in self._circuits.items() if circuit.failures >= self._failures)
