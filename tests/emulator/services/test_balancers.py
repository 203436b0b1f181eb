"""Load balancers: which groups they joined and where they listen, as the official clients see it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from alibabacloud_alb20200616 import models as alb_models
from alibabacloud_nlb20220430 import models as nlb_models

from orchestrator.emulator import World, WorldOutline
from orchestrator.emulator.world.balanced import BALANCED, nlb_own
from orchestrator.emulator.world.expected import Expected
from orchestrator.emulator.world.model import Balancer
from tests.emulator.clients import Official
from tests.emulator.wire import Cloud, flatten, v3

NLB = "2022-04-30"
ALB = "2020-06-16"
REGION = "cn-hangzhou"


@pytest.fixture
def world() -> World:
    """An organization whose hub owns one group of each kind that a balancer can join."""
    return World.generate(WorldOutline(seed=7, accounts=4, region_ids=5, balancers=True))


def owned(world: World, product: str) -> list[Balancer]:
    """The hub's balancers of a product in its first region."""
    estate = world.estate(world.organization.hub_account_id, REGION)
    return [one for one in estate.balancers.values() if one.product == product]


def test_balancers_are_asked_for(world: World) -> None:
    """Without asking there are none, and everything else is the same; a saved world keeps them."""
    plain = World.generate(WorldOutline(seed=7, accounts=4, region_ids=5))
    for account_id, region_id, group in plain.groups():
        assert not plain.estate(account_id, region_id).balancers
        assert world.estate(account_id, region_id).groups[group.security_group_id] == group
    added = sum(1 for _ in world.groups()) - sum(1 for _ in plain.groups())
    joined = [one for account_id in world.account_ids for region_id in world.region_ids
              for one in world.estate(account_id, region_id).balancers.values()]  # fmt: skip
    assert added == len(joined) > len(BALANCED)


def test_a_saved_world_keeps_its_balancers(world: World, tmp_path: Path) -> None:
    """What was written is read back."""
    world.save(tmp_path / "world.json")
    again = World.load(tmp_path / "world.json")
    assert owned(again, "nlb") == owned(world, "nlb")


def test_a_world_foretells_what_balancers_open(world: World) -> None:
    """Groups that only a Drop can close are told apart from those that a rule opens, and the managed one from both."""
    foretold = Expected.of(world)
    hub = world.organization.hub_account_id
    made = world.made_as(hub, REGION)
    (own,) = [group_id for group_id, archetype in made.items() if archetype is nlb_own]
    assert own in foretold.managed
    assert world.estate(hub, REGION).groups[own].service_managed
    names = {world.estate(hub, REGION).groups[one].name for one in foretold.balanced if one in made}
    assert names == {"balanced-ssh", "balanced-all", "balanced-half", "balanced-search"}


def test_the_official_nlb_client(official: Official, world: World) -> None:
    """Balancers with their groups and listeners with their ports, page by page."""
    client = official.nlb()
    found: list[Any] = []
    token = None
    while True:
        request = nlb_models.ListLoadBalancersRequest(region_id=REGION, max_results=2, next_token=token)
        body = client.list_load_balancers(request).body
        found += body.load_balancers
        token = body.next_token
        assert body.total_count == len(owned(world, "nlb"))
        if not token:
            break
    seen = {one.load_balancer_id: (one.security_group_ids, one.vpc_id, one.address_type) for one in found}
    assert seen == {
        one.balancer_id: (list(one.group_ids), one.vpc_id, one.address_type) for one in owned(world, "nlb")
    }
    for one in owned(world, "nlb"):
        request = nlb_models.ListListenersRequest(region_id=REGION, load_balancer_ids=[one.balancer_id])
        listeners = client.list_listeners(request).body.listeners
        assert [
            (listener.listener_port, int(listener.start_port or 0), int(listener.end_port or 0))
            for listener in listeners
        ] == [(listener.port, listener.start_port, listener.end_port) for listener in one.listeners]
        assert {listener.load_balancer_id for listener in listeners} == {one.balancer_id}


def test_the_official_alb_client(official: Official, world: World) -> None:
    """ALB's requests name no region: at an address that names none either it is the world's first."""
    client = official.alb()
    body = client.list_load_balancers(alb_models.ListLoadBalancersRequest(address_type="Internet")).body
    expected = owned(world, "alb")
    assert {one.load_balancer_id: one.security_group_ids for one in body.load_balancers} == {
        one.balancer_id: list(one.group_ids) for one in expected
    }
    asked = alb_models.ListListenersRequest(load_balancer_ids=[expected[0].balancer_id])
    found = client.list_listeners(asked).body.listeners
    assert [one.listener_port for one in found] == [one.port for one in expected[0].listeners]
    assert {one.listener_protocol for one in found} == {"HTTP"}


def test_the_region_is_the_endpoints_where_none_is_given(world: World) -> None:
    """`alb.<region>.aliyuncs.com` and its VPC twin name the region; RegionId, where given, wins."""
    cloud = Cloud(world)
    for region_id in world.region_ids:
        estate = world.estate(world.organization.hub_account_id, region_id)
        expected = [one.balancer_id for one in estate.balancers.values() if one.product == "alb"]
        for host in (f"alb.{region_id}.aliyuncs.com", f"alb-vpc.{region_id}.aliyuncs.com"):
            _, body = cloud.send(v3(cloud.hub, ALB, "ListLoadBalancers", {}, cloud.clock(), host=host))
            assert [one["LoadBalancerId"] for one in body["LoadBalancers"]] == expected
        asked = cloud.ok("ListLoadBalancers", version=ALB, RegionId=region_id)
        assert [one["LoadBalancerId"] for one in asked["LoadBalancers"]] == expected
    request = v3(cloud.hub, ALB, "ListLoadBalancers", {}, cloud.clock(), host="alb.eu-north-9.aliyuncs.com")
    assert cloud.send(request)[1]["Code"] == "InvalidRegionId.NotFound"


def test_products_do_not_show_each_others(world: World) -> None:
    """Filters by id, name, VPC and address type narrow within one product."""
    cloud = Cloud(world)
    one = owned(world, "nlb")[0]
    for asked, count in (
        ({"LoadBalancerIds": [one.balancer_id]}, 1),
        ({"LoadBalancerNames": [one.name]}, 1),
        ({"VpcIds": [one.vpc_id], "AddressType": "Intranet"}, 1),
        ({"VpcIds": ["vpc-none"]}, 0),
        ({"LoadBalancerStatus": "Inactive"}, 0),
    ):
        body = cloud.ok("ListLoadBalancers", version=NLB, RegionId=REGION, **asked)
        assert body["TotalCount"] == count
    other = cloud.ok("ListLoadBalancers", version=ALB, RegionId=REGION, LoadBalancerIds=[one.balancer_id])
    assert other["LoadBalancers"] == []


@pytest.mark.parametrize(("product", "version"), [("nlb", NLB), ("alb", ALB)])
def test_rights_to_balancers_are_checked(product: str, version: str) -> None:
    """The read role may list balancers and listeners; a session without the right is refused by its name."""
    cloud = Cloud(World.generate(WorldOutline(3, 2, region_ids=2, balancers=True)))
    for action in ("ListLoadBalancers", "ListListeners"):
        cloud.ok(action, cloud.enter("sgsweep-read"), version, RegionId=REGION)
        powerless = cloud.session("sgsweep-read", policy=())
        request = v3(powerless.keys, version, action, flatten({"RegionId": REGION}), cloud.clock())
        status, body = cloud.send(request)
        assert (status, body["AccessDeniedDetail"]["AuthAction"]) == (403, f"{product}:{action}")


def test_what_a_balancer_joined_can_change(world: World) -> None:
    """Tests and rivals move a balancer by replacing it in the estate."""
    cloud = Cloud(world)
    estate = world.estate(world.organization.hub_account_id, REGION)
    one = owned(world, "nlb")[0]
    estate.balancers[one.balancer_id] = Balancer(one.balancer_id, "nlb", group_ids=("sg-new",))
    body = cloud.ok("ListLoadBalancers", version=NLB, RegionId=REGION, LoadBalancerIds=[one.balancer_id])
    assert body["LoadBalancers"][0]["SecurityGroupIds"] == ["sg-new"]
