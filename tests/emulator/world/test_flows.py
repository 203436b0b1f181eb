"""The world's flow logs: reproducible, of interfaces that there are, with use, knocks, refusals and gaps."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

import pytest

from orchestrator.emulator import Flow, World, WorldOutline
from orchestrator.emulator.world import flows
from orchestrator.emulator.world.model import FlowLog, Interface

UNTIL = 1_800_000_123.0


def made(world: World, account_id: str, region_id: str, until: float = UNTIL) -> list[Flow]:
    """The records of a region."""
    estate, interfaces = world.estate(account_id, region_id), world.interfaces(account_id, region_id)
    seed = world.recipe.seed if world.recipe else 0
    return list(flows.make(seed, account_id, estate, interfaces, until))


@pytest.fixture(scope="module")
def world() -> World:
    """A dozen members."""
    return World.generate(WorldOutline(seed=7, accounts=12, region_ids=5))


@pytest.fixture(scope="module")
def everything(world: World) -> list[Flow]:
    """All the records of the world."""
    return [
        one
        for account_id in world.account_ids
        for region_id in world.region_ids
        for one in made(world, account_id, region_id)
    ]


def test_the_same_seed_makes_the_same_traffic_whenever_it_is_asked(world: World) -> None:
    """Later it is the same, moved in time by whole windows."""
    account_id, region_id = next(
        (account_id, region_id)
        for account_id in world.account_ids
        for region_id in world.region_ids
        if flows.logged(world.interfaces(account_id, region_id))
    )
    again = World.generate(WorldOutline(seed=7, accounts=12, region_ids=5))
    first = made(world, account_id, region_id)
    assert first == made(again, account_id, region_id)
    later = made(world, account_id, region_id, UNTIL + 86_400)
    assert [one.time + 86_400 for one in first] == [one.time for one in later]
    assert [one.srcaddr for one in first] == [one.srcaddr for one in later]


def test_records_are_of_interfaces_that_there_are(world: World, everything: list[Flow]) -> None:
    """Of a VPC and in use, with their account, instance and address; windows lie in the last fifteen days."""
    known = {
        (account_id, one.interface_id): one
        for account_id in world.account_ids
        for region_id in world.region_ids
        for one in flows.logged(world.interfaces(account_id, region_id))
    }
    assert {(one.account_id, one.eni_id) for one in everything} == set(known)
    for one in everything:
        interface = known[one.account_id, one.eni_id]
        assert (one.vpc_id, one.vm_id) == (interface.vpc_id, interface.instance_id)
        assert one.log_status != "OK" or interface.private_ip in {one.srcaddr, one.dstaddr}
        assert UNTIL - flows.DAYS * 86_400 - 600 <= one.end <= UNTIL
        assert (one.time, one.end - one.start) == (one.end, flows.WINDOW_SECONDS)


def test_there_is_use_by_few_and_knocking_by_many(everything: list[Flow]) -> None:
    """Accepted flows with ACK come from two or three partners a rule; knocks have no ACK and one or two packets."""
    partners, knocks = defaultdict(set), []
    for one in everything:
        if one.log_status == "OK" and one.action == "ACCEPT" and one.direction == "in":
            if (one.tcp_flags or 0) & flows.ACK:
                partners[one.eni_id, one.dstport].add(one.srcaddr)
            else:
                knocks.append(one)
    assert partners
    assert all(len(found) <= 12 for found in partners.values())
    assert Counter(len(found) for found in partners.values())[2] > 0
    assert len({one.srcaddr for one in knocks}) > 100
    assert {one.tcp_flags for one in knocks} == {flows.SYN, flows.SYN | flows.RST}
    assert all(one.packets in {1, 2} for one in knocks)


def test_there_are_refusals_silence_and_gaps(everything: list[Flow]) -> None:
    """REJECT with SYN only, NODATA, and SKIPDATA on some interfaces; some interfaces have no accepted flow at all."""
    assert all(one.tcp_flags == flows.SYN for one in everything if one.action == "REJECT")
    assert {one.log_status for one in everything} == {"OK", "NODATA", "SKIPDATA"}
    assert {one.action for one in everything} == {"ACCEPT", "REJECT", "-"}
    gaps = {one.eni_id for one in everything if one.log_status == "SKIPDATA"}
    accepted = {one.eni_id for one in everything if one.action == "ACCEPT"}
    everywhere = {one.eni_id for one in everything}
    assert gaps < everywhere
    assert everywhere - accepted - gaps


def test_accepted_flows_come_in_by_a_rule_of_the_group(world: World, everything: list[Flow]) -> None:
    """Their port is one that a rule of the interface's groups opens, and none of them has a rule that drops."""
    opened: dict[str, set[str]] = {}
    for account_id in world.account_ids:
        for region_id in world.region_ids:
            groups = world.estate(account_id, region_id).groups
            for one in world.interfaces(account_id, region_id):
                rules = [rule for key in one.group_ids for rule in groups[key].rules]
                opened[one.interface_id] = {rule.port_range for rule in rules if rule.direction == "ingress"}
    for record in everything:
        if record.action == "ACCEPT" and record.direction == "in":
            assert f"{record.dstport}/{record.dstport}" in opened[record.eni_id]


def test_records_are_those_that_a_flow_log_writes() -> None:
    """None of an interface without a log or by one that is inactive; of a young log only what came since; by kind."""
    interface = Interface("eni-1", vpc_id="vpc-1", private_ip="10.0.0.1", group_ids=("sg-1",), status="InUse")
    now, day = 1_800_000_000.0, 86_400
    rows = [
        Flow(int(now - age * day), "1001", eni_id="eni-1", start=int(now - age * day), action=action)
        for age in (1, 5)
        for action in ("ACCEPT", "REJECT", "-")
    ]

    def ages(**fields: Any) -> list[tuple[int, str]]:
        log = FlowLog("fl-1", "VPC", "vpc-1", "p", "flowlog", **fields)
        return [
            (round((now - one.start) / day), one.action)
            for one in flows.written(rows, [interface], [log], now)
        ]

    every = [(1, "ACCEPT"), (1, "REJECT"), (1, "-"), (5, "ACCEPT"), (5, "REJECT"), (5, "-")]
    assert ages() == every
    assert ages(age_days=2.5) == every[:3]
    assert ages(traffic_type="Drop") == [one for one in every if one[1] != "ACCEPT"]
    assert ages(traffic_type="Allow") == [one for one in every if one[1] != "REJECT"]
    assert (
        ages(status="Inactive")
        == ages(deliver_status="FAILED")
        == ages(business_status="FinancialLocked")
        == []
    )
    other = FlowLog("fl-1", "NetworkInterface", "eni-2", "p", "flowlog")
    assert list(flows.written(rows, [interface], [other], now)) == []
