"""What a sweep does to the customer's own calls: another client takes 70 % of the same bucket meanwhile.

The neighbour is another RAM user of the account (a console, Terraform) that reads rules in the region being swept.
It is never refused when alone. It calls evenly, at random moments (Poisson), or a dozen calls at once as Terraform
does; it does not try again what was refused. The sweep takes the default share, a half: together that is more than
there is, so it must make way.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from accounts.credentials import Credentials
from benchmarks import virtual, worlds
from benchmarks.table import Row, show
from benchmarks.virtual import Cloud, Swept
from orchestrator.cloud.limiter import Learned
from orchestrator.cloud.signature import canonical_query, sign
from orchestrator.emulator import Throttle
from orchestrator.emulator.world.policies import ADMINISTRATOR

ABOUT = (
    "A sweep of 3,000 groups in one region at the default share, half of 200 calls a minute, while another user of the "
    "account takes 70 % of the same bucket: a share of its calls is refused that would not be without the sweep. On "
    "virtual time, over half an hour of calls and more."
)
GROUPS = 3000
QUOTA = 200
PART = 0.7
MINUTE = 60.0
LATENCY = 0.05


def _evenly() -> Iterator[tuple[float, int]]:
    while True:
        yield MINUTE / (QUOTA * PART), 1


def _at_random() -> Iterator[tuple[float, int]]:
    chance = random.Random(7)  # noqa: S311 - seeded for reproduction, not for secrecy
    while True:
        yield chance.expovariate(QUOTA * PART / MINUTE), 1


def _in_dozens() -> Iterator[tuple[float, int]]:
    while True:
        yield 12 * MINUTE / (QUOTA * PART), 12


Habit = Callable[[], Iterator[tuple[float, int]]]
"""How long the neighbour pauses, and how many calls it then makes at once; for ever."""


class Neighbour:
    """Another user of the account, with keys of its own and no limiter."""

    def __init__(self, cloud: Cloud) -> None:
        world = cloud.state.world
        self._cloud = cloud
        self._region = world.region_ids[0]
        self._group = next(iter(world.estate(world.account_ids[0], self._region).groups))
        user = cloud.state.identities.add_user(world.account_ids[0], "terraform", ADMINISTRATOR)
        self._keys = Credentials(user.keys.access_key_id, user.keys.access_key_secret)
        self.calls = 0
        self.refused = 0

    async def live(self, habit: Habit) -> None:
        """Make calls for ever."""
        for pause, calls in habit():
            await asyncio.sleep(pause)
            for _ in range(calls):
                self._call()

    def _call(self) -> None:
        query = canonical_query({"RegionId": self._region, "SecurityGroupId": self._group})
        headers = sign(
            self._keys,
            method="POST",
            host="localhost",
            action="DescribeSecurityGroupAttribute",
            version="2014-05-26",
            query=query,
        )
        self.calls += 1
        self.refused += self._cloud.serve("POST", query, headers, b"").status != 200


class Outcome(NamedTuple):
    """What the sweep and its neighbour came to."""

    swept: Swept
    calls: int
    refused: int


def trial(throttle: Throttle, habit: Habit, learned: Iterable[Learned] = ()) -> Outcome:
    """Sweep once beside a neighbour of this habit."""

    async def work() -> Outcome:
        cloud = Cloud(worlds.unequal((GROUPS,)), throttle, LATENCY)
        neighbour = Neighbour(cloud)
        living = asyncio.ensure_future(neighbour.live(habit))
        await asyncio.sleep(5 * MINUTE)
        assert not neighbour.refused, "alone it is never refused"
        neighbour.calls = 0
        with tempfile.TemporaryDirectory() as folder:
            async with virtual.hub_at(virtual.configured(), cloud.keys, cloud.serve, LATENCY) as hub:
                swept = await virtual.sweep(hub, Path(folder) / "run", learned)
        living.cancel()
        return Outcome(swept, neighbour.calls, neighbour.refused)

    return virtual.run(work(), 17.0)


def learned_alone(throttle: Throttle) -> tuple[Learned, ...]:
    """Return what a sweep without a neighbour learns."""

    async def work() -> tuple[Learned, ...]:
        cloud = Cloud(worlds.unequal((300,)), throttle, LATENCY)
        with tempfile.TemporaryDirectory() as folder:
            async with virtual.hub_at(virtual.configured(), cloud.keys, cloud.serve, LATENCY) as hub:
                return (await virtual.sweep(hub, Path(folder) / "run")).learned

    return virtual.run(work(), 17.0)


_HABITS: dict[str, Habit] = {
    "calls evenly": _evenly,
    "calls at random": _at_random,
    "a dozen at once": _in_dozens,
}


def run() -> list[Row]:
    """Return the table."""
    window = Throttle(limit=QUOTA, window_seconds=MINUTE)
    bucket = Throttle(limit=QUOTA, window_seconds=MINUTE, kind="bucket", burst=60)
    rows = []
    for server, throttle in (("windows", window), ("token bucket", bucket)):
        learned = learned_alone(throttle)
        for name, habit in _HABITS.items():
            rows.append(_row(f"{server}, neighbour {name}", trial(throttle, habit, learned)))
        first = _row(f"{server}, the very first sweep, nothing learned", trial(throttle, _evenly))
        rows.append(first._replace(target=""))
    return rows


def _row(name: str, outcome: Outcome) -> Row:
    assert outcome.swept.security_groups == GROUPS
    minutes = outcome.swept.seconds / MINUTE
    against = (
        f"of {outcome.calls:,} in {minutes:.0f} min; ours {outcome.swept.throttled / outcome.swept.calls:.1%}"
    )
    return Row(name, outcome.refused / outcome.calls * 100, "% refused", target="<= 0.5", against=against)


if __name__ == "__main__":
    show(run())
