"""What stands behind a finding: said as the interfaces are, and never guessed where they may not be seen."""

from __future__ import annotations

import msgspec
import pytest

from orchestrator import run
from orchestrator.emulator import Fault, Kind, Options, Quirks, World, WorldOutline
from orchestrator.emulator.world.archetypes import dropped, open_over_ipv6, web
from orchestrator.emulator.world.model import Group, Interface, Rule
from orchestrator.emulator.world.scenery import example_group
from orchestrator.run import Filters
from tests.run.conftest import Desk, MakeDesk

REGION = "cn-hangzhou"


def test_each_finding_says_what_is_attached(desk: Desk) -> None:
    """Counts of instances, interfaces and addresses are the world's own; the summary splits the open ones by them."""
    summary = desk.scan()
    world = desk.emulator.world
    for one in desk.lines("findings.jsonl"):
        behind = [
            interface
            for interface in world.interfaces(one["account_id"], one["region_id"])
            if one["security_group_id"] in interface.group_ids
        ]
        attached = one["attachment"]
        if one["exposure"] == "unknown":
            assert not world.interfaces(one["account_id"], one["region_id"])
            continue
        assert attached["interfaces"] == len(behind)
        assert attached["elastic_ips"] == sum(1 for i in behind if i.allocation_id)
        assert attached["public_ips"] == sum(1 for i in behind if i.public_ip and not i.allocation_id)
        has_public = any(i.public_ip or i.ipv6 for i in behind)
        assert one["exposure"] in ({"exposed", "latent"} if has_public else {"latent"})
    open_ones = [one for one in desk.lines("findings.jsonl") if one["status"] == "open"]
    assert summary.open.exposed + summary.open.latent + summary.open.unknown == len(open_ones)
    assert summary.open.exposed


def test_no_exposure_saves_the_calls(desk: Desk) -> None:
    """Without --exposure no interface is read, and nothing is claimed."""
    desk.scan(filters=Filters(exposure=False))
    assert not desk.emulator.calls.of("DescribeNetworkInterfaces")
    assert {one["exposure"] for one in desk.lines("findings.jsonl")} == {"unknown"}


@pytest.mark.parametrize("kind", [Kind.DENIED, Kind.EMPTY])
def test_what_may_not_be_seen_is_unknown(desk_at: MakeDesk, kind: Kind) -> None:
    """A refusal and a list that is empty for lack of rights are no proof that nothing is attached."""
    world = World.generate(WorldOutline(11, 2, region_ids=2))
    faults = tuple(
        Fault(kind=kind, action=action) for action in ("DescribeNetworkInterfaces", "DescribeInstances")
    )
    desk = desk_at(world, Options(faults=faults))
    summary = desk.scan()
    assert {one["exposure"] for one in desk.lines("findings.jsonl")} == {"unknown"}
    assert summary.complete


@pytest.mark.parametrize("shown", [True, False])
def test_the_address_that_came_with_an_instance_is_joined(desk_at: MakeDesk, shown: bool) -> None:  # noqa: FBT001 - a case
    """An interface may show its elastic address only: the instance tells the rest, and it is counted once."""
    world = World.generate(WorldOutline(11, 4, region_ids=2))
    desk = desk_at(world, Options(quirks=Quirks(fixed_address_on_interface=shown)))
    test_each_finding_says_what_is_attached(desk)
    assert any((one["attachment"] or {}).get("public_ips") for one in desk.lines("findings.jsonl"))


@pytest.mark.parametrize("kind", [Kind.DENIED, Kind.EMPTY])
def test_an_interface_whose_instance_is_not_given_may_be_public(desk_at: MakeDesk, kind: Kind) -> None:
    """DescribeInstances without the right answers an empty list: nothing is latent then; an elastic address shows."""
    faults = (Fault(kind=kind, action="DescribeInstances"),)
    desk = desk_at(World.generate(WorldOutline(11, 4, region_ids=2)), Options(faults=faults))
    desk.scan()
    behind = [one for one in desk.lines("findings.jsonl") if (one["attachment"] or {}).get("instances")]
    assert {one["exposure"] for one in behind} <= {"exposed", "unknown"}
    assert any(one["exposure"] == "unknown" for one in behind)
    exposed = [one["attachment"] for one in behind if one["exposure"] == "exposed"]
    assert exposed
    assert all(one["elastic_ips"] or one["ipv6_addresses"] for one in exposed)


def _interface(*group_ids: str, number: int = 1) -> Interface:
    return Interface(
        interface_id=f"eni-{number}",
        group_ids=group_ids,
        private_ip=f"10.0.0.{number}",
        instance_id=f"i-{number}",
        vpc_id="vpc-1",
        public_ip="47.1.2.3",
    )


def test_groups_on_one_interface_are_judged_together(desk_at: MakeDesk) -> None:
    """Another group's winning drop makes a finding latent; another group's accept keeps the port reachable."""
    world = World.generate(WorldOutline(1, 1, region_ids=(REGION,), groups_per_account=0))
    account = next(iter(world.organization.members))
    open_group, _ = example_group(open_over_ipv6, account, REGION, seed=1)
    twin, _ = example_group(open_over_ipv6, account, REGION, seed=2)
    guard, _ = example_group(dropped, account, REGION, seed=3)
    quiet, _ = example_group(web, account, REGION, seed=4)
    drop = Rule("sgr-drop", policy="Drop", priority=1, port_range="22/22", ipv6_source_cidr_ip="::/0")
    guard = msgspec.structs.replace(guard, rules=(drop,))
    shielded, _ = example_group(open_over_ipv6, account, REGION, seed=5)
    groups = [
        msgspec.structs.replace(one, vpc_id="vpc-1") for one in (open_group, twin, guard, quiet, shielded)
    ]
    for group in groups:
        world.put(account, REGION, group)
    ids = [group.security_group_id for group in groups]
    world.estate(account, REGION).interfaces = (
        _interface(ids[0], ids[1], ids[3]),
        _interface(ids[4], ids[2], number=2),
    )
    desk = desk_at(world)
    desk.scan(filters=Filters(accounts=(account,)))
    found = {
        one["security_group_id"]: one for one in desk.lines("findings.jsonl") if one["check_id"] == "ssh"
    }
    assert found[ids[0]]["exposure"] == "exposed"
    assert found[ids[0]]["still_reachable_via"] == [ids[1]]
    assert found[ids[4]]["exposure"] == "latent"
    assert found[ids[4]]["still_reachable_via"] == []
    assert found[ids[4]]["attachment"]["public_ips"] == 1


def test_halves_of_two_groups_on_one_interface_are_one_internet(desk_at: MakeDesk) -> None:
    """What neither opens alone is found, reported only, and explained as it was found; both halves are reached."""
    world = World.generate(WorldOutline(1, 1, region_ids=(REGION,), groups_per_account=0))
    account = next(iter(world.organization.members))
    for name, source in (("low", "20.0.0.0/9"), ("high", "20.128.0.0/9")):
        half = Rule(f"sgr-{name}", port_range="22/22", source_cidr_ip=source)
        world.put(account, REGION, Group(security_group_id=f"sg-{name}", vpc_id="vpc-1", rules=(half,)))
    world.estate(account, REGION).interfaces = (_interface("sg-low", "sg-high"),)
    desk = desk_at(world)
    desk.scan(filters=Filters(accounts=(account,)))
    found = [
        (one["rule_id"], one["check_id"], one["exposure"], one["together"], one["action"])
        for one in desk.lines("findings.jsonl")
    ]
    assert sorted(found) == [
        ("sgr-high", "ssh", "exposed", True, "report"),
        ("sgr-low", "wide", "exposed", False, "report"),
    ]
    assert run.plan(desk.folder / "first", desk.config).plan.actions == ()
    (explained,) = run.explain_rule(desk.folder / "first", "sgr-high").findings
    assert (explained.check_id, explained.exposure) == ("ssh", "exposed")
    protected = {"protected_groups": ("sg-*",)}
    assert desk.scan("kept", Filters(accounts=(account,)), remediation=protected).protected == 2
    assert all(one["protection"] for one in desk.lines("findings.jsonl", "kept"))
