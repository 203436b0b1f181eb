"""How long a change is waited for: ever longer, and no longer than the settings say in all."""

from __future__ import annotations

import asyncio

import pytest

from orchestrator.remediate import Settings
from orchestrator.remediate.reconcile import _Patience


@pytest.mark.looptime
@pytest.mark.parametrize(
    ("wait_seconds", "first_seconds", "pauses"),
    [
        (7.0, 1.0, [1, 2, 4]),
        (8.0, 1.0, [1, 2, 4, 1]),
        (2.0, 1.0, [1, 1]),
        (1.0, 3.0, [1]),
        (0.5, 0.25, [0.25, 0.25]),
    ],
)
async def test_each_pause_is_twice_as_long_until_all_is_waited(
    wait_seconds: float, first_seconds: float, pauses: list[float]
) -> None:
    """The last is what is left; then no more is waited for."""
    patience = _Patience(Settings(wait_seconds=wait_seconds, first_wait_seconds=first_seconds))
    clock = asyncio.get_running_loop().time
    waited: list[float] = []
    while not patience.is_over:
        begun = clock()
        await patience.pause()
        waited.append(clock() - begun)
    assert waited == pytest.approx(pauses)
