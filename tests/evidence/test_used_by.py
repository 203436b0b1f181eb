"""Who used a door: observed, quiet, or why that is not known; asked of an emulated cloud."""

from __future__ import annotations

import pytest

from orchestrator.evidence.values import Flows
from tests.evidence.traffic_kit import DAY, door, group, interface, rule, scene


async def test_a_door_that_somebody_used_is_observed() -> None:
    """With who came, how often, on which days, and what they took and were given; a knock is told apart."""
    async with scene([group(1, rule(1))], [interface(1, 1)]) as it:
        mine = it.flow(DAY), it.flow(2 * DAY), it.flow(2 * DAY + 600), it.knock()
        answer = it.flow(
            direction="out", srcaddr="10.0.0.1", srcport=22, dstaddr="203.0.113.7", dstport=40_000
        )
        it.put(*mine, answer._replace(bytes=70_000))
        told = await it.of(door(1, 1))
    assert (told.status, told.days, told.flows, told.knocks, told.reason) == ("observed", 14, 3, 1, "")
    assert told.sources == (
        Flows(
            cidr="203.0.113.7/32",
            flows=3,
            days=2,
            packets=30,
            bytes=3_000,
            bytes_out=70_000,
            last_seen=told.last_seen,
        ),
    )
    assert told.kept == ()


async def test_a_door_that_nobody_used_is_quiet() -> None:
    """Where its window was logged throughout; who only knocked did not use it."""
    async with scene([group(1, rule(1))], [interface(1, 1)]) as it:
        it.put(it.silence(), it.knock(), it.flow(15 * DAY), it.flow(action="REJECT"), it.flow(dstport=443))
        told = await it.of(door(1, 1))
    assert (told.status, told.sources, told.knocks, told.reason) == ("quiet", (), 1, "")


@pytest.mark.parametrize("days", [1, 30])
async def test_the_window_is_as_long_as_it_is_asked_for(days: int) -> None:
    """What came before it is not looked at."""
    async with scene([group(1, rule(1))], [interface(1, 1)]) as it:
        it.put(it.silence(), it.flow(2 * DAY))
        told = await it.of(door(1, 1), days=days)
    assert (told.status, told.days) == ("quiet" if days == 1 else "observed", days)
