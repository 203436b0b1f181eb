"""Who used a door, in random worlds, is what an oracle counts record by record."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable
from ipaddress import ip_network

import pytest
from msgspec.structs import replace

from orchestrator.emulator import Group, Quirks
from orchestrator.emulator.services.log_service.logstores import FLOW_FIELDS
from orchestrator.evidence.values import Flows, Traffic
from tests.evidence.oracle import Expected, Use
from tests.evidence.random_worlds import RandomWorld, make
from tests.evidence.traffic_kit import LOGSTORE, REGION, Scene, scene

WORLDS = 200


async def put(it: Scene, world: RandomWorld) -> None:
    """Make the account what the world says."""
    it.estate.groups = {one.security_group_id: one for one in world.groups} | {
        "sg-9": Group("sg-9", vpc_id="vpc-1")
    }
    it.estate.prefix_lists = {one.prefix_list_id: one for one in world.prefix_lists}
    it.estate.interfaces = world.interfaces
    it.estate.flow_logs = world.logs
    it.it.emulator.state.quirks = world.quirks
    logs = it.it.emulator.logs
    for name, facts in world.stores.items():
        if facts.is_gone:
            continue
        project = logs.add_project(name, it.account_id, REGION, facts.created)
        store = logs.add_logstore(project, LOGSTORE, FLOW_FIELDS, facts.created)
        store.ttl_days, store.indexed_since = facts.ttl_days, facts.indexed_since
        logs.insert(store, facts.rows)
        store.fields = tuple(
            one if one.name != facts.unseen else type(one)(one.name, one.kind, doc_value=False)
            for one in FLOW_FIELDS
        )


def clear(it: Scene, world: RandomWorld) -> None:
    """Take its records away."""
    for name in world.stores:
        it.it.emulator.logs.remove_project(name)


def addresses(networks: tuple[Flows, ...]) -> set[str]:
    """The addresses of networks of few."""
    return {str(address) for one in networks for address in ip_network(one.cidr)}


def check(told: Traffic, expected: Expected, *, with_answers: bool) -> None:
    """What is told is what the oracle counts: status, and each source with all that it did."""
    assert told.status == expected.status, told.reason
    assert bool(told.reason) == (told.status not in {"observed", "quiet"})
    if told.status in {"not_asked", "not_logged"}:
        assert (told.flows, told.sources, told.kept, told.knocks) == (0, (), (), 0)
        return
    assert addresses(told.sources) == set(expected.cut)
    assert told.flows == sum(use.flows for use in expected.cut.values())
    for one in told.sources:
        uses = [use for source, use in expected.cut.items() if source in addresses((one,))]
        check_network(one, uses, with_answers=with_answers)
    assert {
        (source, tuple(sorted(one.lets_in_as_well))) for one in told.kept for source in addresses((one,))
    } == {(source, tuple(sorted(keepers))) for source, keepers in expected.kept}
    assert sum(one.flows for one in told.kept) == sum(use.flows for use in expected.kept.values())
    assert told.knocks == len(expected.knocks)
    assert not told.knocks_are_least


def check_network(one: Flows, uses: list[Use], *, with_answers: bool) -> None:
    """One network's figures are the sums of its sources'."""
    assert (one.flows, one.packets, one.bytes) == (
        sum(use.flows for use in uses),
        sum(use.packets for use in uses),
        sum(use.bytes for use in uses),
    )
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(max(use.last for use in uses)))
    assert one.last_seen == stamp
    assert 1 <= one.days <= max(len(use.days) for use in uses)
    if with_answers:
        assert one.bytes_out == sum(use.bytes_out for use in uses)


async def run(it: Scene, seed: int) -> Counter[str]:
    """Ask about a world and hold the answer against the oracle; how many doors were of which status."""
    world = make(seed)
    await put(it, world)
    try:
        told = await it.traffic(*world.findings, days=world.days)
    finally:
        clear(it, world)
        it.it.emulator.state.quirks = Quirks(skew_seconds=1e9)
    oracle = world.oracle
    assert set(told) == {(one.group_id, one.rule_id) for one in world.doors}
    is_plain = replace(world.quirks, skew_seconds=0) == replace(Quirks(), skew_seconds=0)
    unseen = {one.unseen for one in world.stores.values()}
    for one in world.doors:
        try:
            with_answers = is_plain and not unseen & {"dstaddr", "srcport"}
            check(told[one.group_id, one.rule_id], oracle.of(one), with_answers=with_answers)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}, {one}: {error}\n{told[one.group_id, one.rule_id]}") from error
    return Counter(one.status for one in told.values())


async def test_use_is_what_the_records_say() -> None:
    """Two hundred worlds with flaws of all kinds: every status, source and figure is the oracle's."""
    seen: Counter[str] = Counter()
    async with scene() as it:
        for seed in range(WORLDS):
            seen += await run(it, seed)
    assert {"observed", "quiet", "not_logged", "incomplete", "not_asked"} <= set(seen), seen


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_use_is_what_the_records_say_for_minutes(
    record_property: Callable[[str, object], None], pytestconfig: pytest.Config
) -> None:
    """As many more worlds as there is time for (`--traffic-minutes`); a failure names its seed."""
    first = random.SystemRandom().randrange(10**9)
    until = time.monotonic() + 60 * float(pytestconfig.getoption("--traffic-minutes"))
    seen: Counter[str] = Counter()

    async def campaign() -> int:
        done = 0
        while time.monotonic() < until:
            async with scene() as it:
                for _ in range(500):
                    if time.monotonic() >= until:
                        break
                    seen.update(await run(it, first + done))
                    done += 1
        return done

    done = asyncio.run(campaign())
    record_property("campaign", f"{done} worlds from seed {first}: {dict(seen)}")
    assert done > 100
