"""Worlds: reproducible, realistic, lazy, small, saved and loaded; and what a snapshot tells."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest

from orchestrator.emulator import Group, Rule, World, WorldOutline, differences
from orchestrator.emulator.world.archetypes import BENIGN, RARE, RISKY, web
from orchestrator.emulator.world.regions import REGION_IDS
from orchestrator.emulator.world.scenery import Scenery, example_group
from tests.emulator.wire import Cloud


def test_further_regions_are_there_where_asked_for() -> None:
    """A world of more than the usual regions has the newer ones, too, and any may be named; the default has not."""
    more = World.generate(WorldOutline(1, 1, region_ids=33, groups_per_account=0))
    assert more.region_ids[28:] == (
        "cn-zhongwei",
        "cn-wuhan-lr",
        "cn-zhengzhou-jva",
        "ap-southeast-8",
        "us-southeast-1",
    )
    assert World.generate(WorldOutline(1, 1, groups_per_account=0)).region_ids == REGION_IDS
    named = World.generate(
        WorldOutline(1, 1, region_ids=("us-southeast-1", "cn-beijing-finance-1"), groups_per_account=4)
    )
    assert {region_id for _, region_id, _ in named.groups()} <= set(named.region_ids)
    assert any(True for _ in named.groups())


def test_the_same_seed_makes_the_same_world() -> None:
    """Whatever is looked at first; another seed makes another world."""
    one, two = (
        World.generate(WorldOutline(7, 10, region_ids=6)),
        World.generate(WorldOutline(7, 10, region_ids=6)),
    )
    for account_id in reversed(two.account_ids):
        for region_id in reversed(two.region_ids):
            two.estate(account_id, region_id)
    assert one.snapshot() == two.snapshot()
    assert msgspec.json.encode(one.organization) == msgspec.json.encode(two.organization)
    assert one.interfaces(one.account_ids[0], REGION_IDS[0]) == two.interfaces(
        two.account_ids[0], REGION_IDS[0]
    )
    assert World.generate(WorldOutline(8, 10, region_ids=6)).snapshot() != one.snapshot()


def test_members_are_counted_besides_the_hub() -> None:
    """N members with the management account as hub; N and the hub itself where it is a member."""
    assert len(World.generate(WorldOutline(1, 25)).organization.members) == 25
    for hub in ("delegated", "member"):
        world = World.generate(WorldOutline(1, 25, hub=hub))
        assert len(world.organization.members) == 26
        assert world.organization.hub_account_id in world.organization.members
        assert world.organization.hub_account_id != world.organization.management.account_id


def test_the_hub_owns_groups_in_many_regions_and_one_of_every_kind() -> None:
    """The smallest world shows every archetype, in the hub's first region."""
    world = World.generate(WorldOutline(3, 0))
    hub = world.organization.hub_account_id
    owned = [region_id for region_id in REGION_IDS if world.estate(hub, region_id).groups]
    assert len(REGION_IDS) == 28
    assert len(owned) >= 15
    first = world.estate(hub, REGION_IDS[0])
    assert len(first.groups) == len(BENIGN) + len(RISKY) + len(RARE)
    assert max(len(group.rules) for group in first.groups.values()) > 500


def test_a_realistic_mix() -> None:
    """Managed, enterprise, classic, IPv6, lists, drops, old priorities, empty groups: all are there."""
    world = World.generate(WorldOutline(11, 60))
    seen: Counter[str] = Counter()
    for _, _, group in world.groups():
        seen["managed"] += group.service_managed
        seen["enterprise"] += group.kind == "enterprise"
        seen["classic"] += not group.vpc_id
        seen["empty"] += not group.rules
        seen["large"] += len(group.rules) > 500
        for rule in group.rules:
            seen["ipv6"] += bool(rule.ipv6_source_cidr_ip)
            seen["prefix list"] += bool(rule.source_prefix_list_id)
            seen["port list"] += bool(rule.port_range_list_id)
            seen["group source"] += bool(rule.source_group_id)
            seen["drop"] += rule.policy == "Drop"
            seen["110"] += rule.priority == 110
            seen["half"] += rule.source_cidr_ip == "128.0.0.0/1"
            seen["egress"] += rule.direction == "egress"
            seen["5-tuple"] += bool(rule.dest_cidr_ip and rule.direction == "ingress")
    assert all(count > 0 for count in seen.values()), seen
    assert seen["large"] < 5


def test_about_half_of_the_accounts_are_careful() -> None:
    """Careful accounts hold only harmless archetypes; the share follows the option."""
    world = World.generate(WorldOutline(4, 200, region_ids=3))
    assert world.recipe is not None
    scenery = Scenery(world.recipe, world.region_ids, world.organization.hub_account_id)
    careful = [key for key in world.organization.members if scenery.careful(key)]
    assert 70 < len(careful) < 130
    risky = {"test-open-all", "db-open", "clever", "remote-desktops", "admin-web"}
    for account_id in careful:
        for region_id in world.region_ids:
            names = {group.name for group in world.estate(account_id, region_id).groups.values()}
            assert not names & risky


def test_estates_are_made_when_looked_at() -> None:
    """A world of 1,500 accounts x 28 regions costs little until then, and an estate is made once."""
    tracemalloc.start()
    world = World.generate(WorldOutline(2, 1500))
    size = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert size < 8_000_000
    account_id = world.account_ids[700]
    assert world.estate(account_id, REGION_IDS[0]) is world.estate(account_id, REGION_IDS[0])


def test_a_large_world_is_small() -> None:
    """Rules of a tenth of a large world fit in a tenth of 600 MB, with room to spare."""
    tracemalloc.start()
    world = World.generate(WorldOutline(2, 150))
    groups = sum(1 for _ in world.groups())
    size = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert groups > 5_000
    assert size / groups < 6_000, f"{size / groups:.0f} bytes a group"


def test_save_and_load_keep_everything(tmp_path: Path) -> None:
    """A loaded world equals the saved one: rules, lists, roles, folders, interfaces, and answers alike."""
    world = World.generate(WorldOutline(6, 5, region_ids=3, unreachable=2, external_id="x-1"))
    hub = world.organization.hub_account_id
    world.interfaces(hub, world.region_ids[0])
    file = tmp_path / "world.json"
    world.save(file)
    loaded = World.load(file)
    assert loaded.snapshot() == world.snapshot()
    assert loaded.roles == world.roles
    assert msgspec.json.encode(loaded.organization) == msgspec.json.encode(world.organization)
    for region_id in world.region_ids:
        one, two = world.estate(hub, region_id), loaded.estate(hub, region_id)
        assert (one.prefix_lists, one.port_lists) == (two.prefix_lists, two.port_lists)
    assert loaded.interfaces(hub, world.region_ids[0]) == world.interfaces(hub, world.region_ids[0])
    asked: dict[str, Any] = {"RegionId": world.region_ids[0], "PageSize": 50}
    answers = [
        Cloud(each).ok("DescribeSecurityGroups", **asked)["SecurityGroups"] for each in (world, loaded)
    ]
    assert answers[0] == answers[1]


@pytest.mark.parametrize("text", ["", "[]", '{"format":1}', '{"format":"x"}'])
def test_a_file_that_is_no_world_is_named(tmp_path: Path, text: str) -> None:
    """The error names the file and what is wrong with it."""
    file = tmp_path / "broken.json"
    file.write_text(text)
    with pytest.raises(ValueError, match=r"broken\.json is not a world"):
        World.load(file)


def test_a_world_of_another_format_is_refused(tmp_path: Path) -> None:
    """A newer format is not guessed at."""
    file = tmp_path / "world.json"
    World.generate(WorldOutline(1, 1, region_ids=1)).save(file)
    file.write_bytes(file.read_bytes().replace(b'"format":1', b'"format":2', 1))
    with pytest.raises(ValueError, match="format 2"):
        World.load(file)


def test_a_snapshot_stays_as_it_was_and_differences_are_told() -> None:
    """Changes after a snapshot do not touch it; the difference names the group and the rules."""
    cloud = Cloud(World.generate(WorldOutline(1, 1, region_ids=1, groups_per_account=0)))
    region_id = cloud.world.region_ids[0]
    ssh = Rule("sgr-1", port_range="22/22", source_cidr_ip="0.0.0.0/0")
    cloud.world.put(cloud.member, region_id, Group("sg-1", vpc_id="vpc-1", rules=(ssh,)))
    before = cloud.world.snapshot()
    where: dict[str, Any] = {
        "RegionId": region_id,
        "SecurityGroupId": "sg-1",
        "SecurityGroupRuleId": ["sgr-1"],
    }
    assert differences(before, cloud.world.snapshot()) == []
    cloud.ok("RevokeSecurityGroup", cloud.enter(), **where)
    (found,) = differences(before, cloud.world.snapshot())
    assert (found.account_id, found.security_group_id, found.removed, found.added) == (
        cloud.member,
        "sg-1",
        (ssh,),
        (),
    )
    assert before[cloud.member][region_id]["sg-1"] == (ssh,)


def test_unreachable_members_are_chosen_by_seed() -> None:
    """A number of members, in turn without role, untrusting, and wanting another id; the others are open."""
    one, two = (
        World.generate(WorldOutline(9, 30, unreachable=6)),
        World.generate(WorldOutline(9, 30, unreachable=6)),
    )
    assert one.roles == two.roles
    shut = [key for key in one.organization.members if one.role(key, "sgsweep-read") is None]
    assert len(shut) == 2
    usual = World.generate(WorldOutline(9, 30)).roles
    assert sum(one.roles[key] != usual[key] for key in one.organization.members) == 6


def test_roles_of_the_hub_are_only_there_when_asked_for() -> None:
    """By default the hub's account has none of sgsweep's roles, so that a client falls back to its own keys."""
    for hub in ("management", "delegated"):
        for wanted in (False, True):
            world = World.generate(WorldOutline(1, 2, hub=hub, hub_roles=wanted))
            found = world.role(world.organization.hub_account_id, "sgsweep-read") is not None
            assert found is wanted


def test_one_group_of_an_archetype_by_hand() -> None:
    """Tests can place a typical group without a world around it."""
    group, estate = example_group(web, "1" * 16, "cn-hangzhou")
    assert estate.groups == {group.security_group_id: group}
    assert {rule.port_range for rule in group.rules} >= {"80/80", "443/443", "22/22"}
