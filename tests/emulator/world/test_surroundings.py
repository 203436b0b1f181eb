"""A world's history, flow logs and ways in: seeded, the same whatever was changed before they are looked at, kept."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from orchestrator.emulator import World, WorldOutline
from orchestrator.emulator.world.archetypes import RISKY
from orchestrator.emulator.world.flow_logs import FLAWS
from orchestrator.emulator.world.model import ClassicBalancer, Server, WaysIn

SEEDS = (0, 7, 31)


def everything(world: World) -> list[object]:
    """History, logs and ways in of all accounts and regions."""
    return [
        (world.history(*place), world.flow_logs(*place), world.ways_in(*place), world.vpc_tags(*place))
        for place in ((account, region) for account in world.account_ids for region in world.region_ids)
    ]


def servers(found: WaysIn) -> list[Server]:
    """All servers behind all balancers."""
    groups = [*found.server_groups]
    for one in found.classic_balancers:
        groups += [*one.vserver_groups, *one.master_slave_groups]
    plain = [server for one in found.classic_balancers for server in one.default_servers]
    return plain + [server for group in groups for server in group.servers]


def test_the_same_seed_makes_the_same_surroundings() -> None:
    """Also where the groups were changed before anybody looked; another seed makes others."""
    one, two = (
        World.generate(WorldOutline(7, 6, region_ids=4)),
        World.generate(WorldOutline(7, 6, region_ids=4)),
    )
    for _, _, group in two.groups():
        group.rules = ()
    assert everything(one) == everything(two)
    assert everything(World.generate(WorldOutline(8, 6, region_ids=4))) != everything(one)


def test_surroundings_change_nothing_that_was_there() -> None:
    """Groups, interfaces and balancers are what they are without a look at what surrounds them."""
    looked, plain = (
        World.generate(WorldOutline(7, 4, region_ids=3)),
        World.generate(WorldOutline(7, 4, region_ids=3)),
    )
    everything(looked)
    assert looked.snapshot() == plain.snapshot()
    for account_id in plain.account_ids:
        for region_id in plain.region_ids:
            assert looked.interfaces(account_id, region_id) == plain.interfaces(account_id, region_id)
            assert looked.estate(account_id, region_id).balancers == {}


def test_a_saved_world_keeps_its_surroundings(tmp_path: Path) -> None:
    """What was written is read back, to the last event; a world without any has none, not others."""
    world = World.generate(WorldOutline(7, 3, region_ids=2, balancers=True))
    world.save(tmp_path / "world.json")
    again = World.load(tmp_path / "world.json")
    assert everything(again) == everything(world)
    again.estate(again.account_ids[0], again.region_ids[0]).history = None
    assert again.history(again.account_ids[0], again.region_ids[0]) == ()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_dozen_accounts_show_all_kinds(seed: int) -> None:
    """The usual world has doors opened in every way and age, logs with every flaw and with none, and every way in."""
    world = World.generate(WorldOutline(seed, 12))
    names: Counter[str] = Counter()
    ages: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    unlogged = 0
    for account_id in world.account_ids:
        for region_id in world.region_ids:
            logs = world.flow_logs(account_id, region_id)
            names.update(one.name for one in logs)
            kinds.update(one.resource_type for one in logs)
            unlogged += bool(world.interfaces(account_id, region_id)) and not logs
            for event in world.history(account_id, region_id):
                if event.opened:
                    ages["old" if event.age_seconds > 90 * 86_400 else "recent"] += 1
            found = world.ways_in(account_id, region_id)
            kinds.update(type(one).__name__ for one in (*found.nat_gateways, *found.network_acls))
            kinds.update(one.product for one in found.balancers)
            kinds.update(one.product for one in found.server_groups)
            kinds.update(one.name for one in found.classic_balancers)
    assert {f"flow-{flaw}" for flaw in FLAWS} < set(names)
    assert names["flow-whole"] > 20
    assert unlogged > 5
    assert min(ages["old"], ages["recent"]) > 20
    assert set(kinds) == {
        "VPC", "VSwitch", "NetworkInterface", "NatGateway", "NetworkAcl", "nlb", "alb",
        "clb-default", "clb-vserver", "clb-master-slave", "clb-internal",
    }  # fmt: skip


@pytest.mark.parametrize("balancers", [False, True])
def test_ways_in_lead_to_doors(balancers: bool) -> None:  # noqa: FBT001 - a parameter
    """Every server and DNAT target is an interface in use of a group made as risky, in the VPC that it must be in."""
    world = World.generate(WorldOutline(7, 12, region_ids=6, balancers=balancers))
    risky = {archetype for _, archetype in RISKY}
    looked = 0
    for account_id in world.account_ids:
        for region_id in world.region_ids:
            made = world.made_as(account_id, region_id)
            # Groups of other kinds may have doors that a Drop closes: those count where the maker says so.
            interfaces = world.interfaces(account_id, region_id)
            by_id = {one.interface_id: one for one in interfaces}
            by_instance = {one.instance_id: one for one in interfaces if one.primary}
            by_address = {one.private_ip: one for one in interfaces}
            found = world.ways_in(account_id, region_id)
            entries = [entry for one in found.nat_gateways for entry in one.entries]
            targets = [by_address[entry.internal_ip] for entry in entries]
            for server in servers(found):
                targets.append(by_address[server.ip])
                if server.kind == "Ecs":
                    assert server.server_id in by_instance
                elif server.kind == "Eni":
                    assert by_id[server.server_id].private_ip == server.ip
            for one in targets:
                looked += 1
                assert one.status == "InUse"
                assert one.vpc_id
                names = {made[group_id].__name__ for group_id in one.group_ids}
                assert names & {
                    *(archetype.__name__ for archetype in risky),
                    "large", "dropped", "drop_at_equal_priority", "alb_without_drop",
                }, names  # fmt: skip
    assert looked > 100


def test_listeners_forward_to_groups_that_are_there() -> None:
    """Each listener's server group exists and is its product's; classic listeners name groups of their own balancer."""
    for balancers in (False, True):
        world = World.generate(WorldOutline(7, 6, region_ids=5, balancers=balancers))
        forwarded = 0
        for account_id in world.account_ids:
            for region_id in world.region_ids:
                found = world.ways_in(account_id, region_id)
                groups = {one.server_group_id: one for one in found.server_groups}
                own = world.estate(account_id, region_id).balancers.values()
                for one in (*own, *found.balancers):
                    for listener in one.listeners:
                        if listener.listener_id in found.forwards:
                            forwarded += 1
                            assert groups[found.forwards[listener.listener_id]].product == one.product
                assert not found.balancers or not balancers or not own
                for classic in found.classic_balancers:
                    assert_classic(classic)
        assert forwarded > 5


def assert_classic(one: ClassicBalancer) -> None:
    """Its listeners name its own groups, or use its default servers."""
    groups = {group.server_group_id for group in (*one.vserver_groups, *one.master_slave_groups)}
    for listener in one.listeners:
        named = {listener.vserver_group_id, listener.master_slave_group_id} - {""}
        assert named <= groups
        assert named or (one.default_servers and listener.backend_port)
