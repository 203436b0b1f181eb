"""Resource Center and Cloud Config's inventory: the second witness of what an organization owns."""

from __future__ import annotations

from typing import Any

import pytest
from alibabacloud_config20200907 import models as config_models
from alibabacloud_config20200907.client import Client as ConfigClient
from alibabacloud_resourcecenter20221201 import models as center_models

from orchestrator.emulator import Group, World, WorldOutline
from orchestrator.emulator.services.resource_center import Resource, ResourceCenter, resource_center_of
from tests.emulator.clients import Official
from tests.emulator.wire import Cloud

CENTER = "2022-12-01"
GROUP = "ACS::ECS::SecurityGroup"
NLB = "ACS::NLB::LoadBalancer"


@pytest.fixture
def world() -> World:
    """Four members besides the hub, with balancers."""
    return World.generate(WorldOutline(seed=7, accounts=4, region_ids=5, balancers=True))


@pytest.fixture
def cloud(world: World) -> Cloud:
    """A gateway to that world."""
    return Cloud(world)


def every_group(world: World) -> set[tuple[str, str, str]]:
    """Account, region and id of each group there is."""
    return {
        (account_id, region_id, group.security_group_id) for account_id, region_id, group in world.groups()
    }


def search(cloud: Cloud, scope: str = "", keys: Any = None, **filters: str) -> list[dict[str, Any]]:
    """All pages of SearchMultiAccountResources."""
    scope = scope or cloud.world.organization.directory_id
    asked = [{"Key": key, "MatchType": "Equals", "Value": [value]} for key, value in filters.items()]
    found: list[dict[str, Any]] = []
    token = None
    while True:
        body = cloud.ok(
            "SearchMultiAccountResources",
            keys,
            CENTER,
            Scope=scope,
            Filter=asked,
            MaxResults=7,
            NextToken=token,
        )
        assert body["Scope"] == scope
        found += body["Resources"]
        token = body.get("NextToken")
        if not token:
            assert "NextToken" not in body
            return found


def places(found: list[dict[str, Any]]) -> set[tuple[str, str, str]]:
    """Account, region and id of each resource that was found."""
    return {(one["AccountId"], one["RegionId"], one["ResourceId"]) for one in found}


def test_the_official_client_finds_every_group(official: Official, world: World) -> None:
    """Filter and scope as the official client sends them; account, region, id and type of each group, each once."""
    client = official.resource_center()
    condition = center_models.SearchMultiAccountResourcesRequestFilter(
        key="ResourceType", match_type="Equals", value=[GROUP, NLB]
    )
    request = center_models.SearchMultiAccountResourcesRequest(
        scope=world.organization.directory_id, filter=[condition], max_results=100
    )
    found: list[Any] = []
    while True:
        body = client.search_multi_account_resources(request).body
        found += body.resources
        request.next_token = body.next_token
        if not body.next_token:
            break
    groups = [(one.account_id, one.region_id, one.resource_id) for one in found if one.resource_type == GROUP]
    assert len(groups) == len(set(groups))
    assert set(groups) == every_group(world)
    balancers = {one.resource_id for one in found if one.resource_type == NLB}
    assert balancers == {
        one.balancer_id
        for account_id in world.account_ids
        for region_id in world.region_ids
        for one in world.estate(account_id, region_id).balancers.values()
        if one.product == "nlb"
    }
    assert client.get_multi_account_resource_center_service_status().body.service_status == "Enabled"
    own = client.search_resources(center_models.SearchResourcesRequest(max_results=100)).body.resources
    assert {one.account_id for one in own} == {world.organization.hub_account_id}
    counts = client.get_multi_account_resource_counts(
        center_models.GetMultiAccountResourceCountsRequest(
            scope=world.organization.directory_id, group_by_key="ResourceType"
        )
    ).body.resource_counts
    assert {one.group_name: one.count for one in counts}[GROUP] == len(groups)


def test_the_scope_is_a_directory_a_folder_or_a_member(cloud: Cloud) -> None:
    """A folder holds the members below it, too; the management account is in the directory's scope only."""
    organization = cloud.world.organization
    everything = {place for place in places(search(cloud)) if place[2].startswith("sg-")}
    assert everything == every_group(cloud.world)
    below_root = {place[0] for place in places(search(cloud, organization.root_folder_id))}
    assert below_root == {place[0] for place in everything} - {organization.management.account_id}
    member = organization.members[cloud.member]
    folder = organization.folders[member.folder_id]
    for scope in (cloud.member, folder.folder_id, folder.parent_id):
        assert cloud.member in {place[0] for place in places(search(cloud, scope))}
    assert {place[0] for place in places(search(cloud, cloud.member))} == {cloud.member}
    for scope, refused in (
        ("fd-none", (404, "NotExists.ResourceDirectory.FolderId")),
        ("rd-other", (409, "InvalidParameter.Scope")),
    ):
        assert cloud.code("SearchMultiAccountResources", version=CENTER, Scope=scope) == refused


def test_conditions_narrow_together(cloud: Cloud) -> None:
    """All conditions must hold, one value of each; unknown keys and kinds of match are refused."""
    one = next(iter(search(cloud, ResourceType=GROUP)))
    assert places(
        search(cloud, ResourceType=GROUP, RegionId=one["RegionId"], ResourceId=one["ResourceId"])
    ) == {(one["AccountId"], one["RegionId"], one["ResourceId"])}
    assert search(cloud, ResourceType=NLB, ResourceId=one["ResourceId"]) == []
    for condition, code in (
        ({"Key": "Colour", "Value": ["red"]}, "InvalidParameter.Filter"),
        ({"Key": "RegionId", "MatchType": "Like", "Value": ["cn"]}, "InvalidParameter.MatchType"),
    ):
        scope = cloud.world.organization.directory_id
        asked: dict[str, Any] = {"Scope": scope, "Filter": [condition]}
        assert cloud.code("SearchMultiAccountResources", version=CENTER, **asked)[1] == code
    prefix = [{"Key": "ResourceType", "MatchType": "Prefix", "Value": ["ACS::ECS"]}]
    scope = cloud.world.organization.directory_id
    body = cloud.ok("SearchMultiAccountResources", version=CENTER, Scope=scope, Filter=prefix, MaxResults=100)
    assert {one["ResourceType"] for one in body["Resources"]} == {GROUP}


def test_it_may_be_off_or_not_permitted(cloud: Cloud) -> None:
    """Not enabled, not an administrator, no right: each has its documented code."""
    scope = cloud.world.organization.directory_id
    asked: dict[str, Any] = {"version": CENTER, "Scope": scope}
    center = resource_center_of(cloud.state)
    center.multi_account = False
    refused = (400, "MultiAccountServiceNotEnabled")
    assert cloud.code("SearchMultiAccountResources", **asked) == refused
    status = cloud.ok("GetMultiAccountResourceCenterServiceStatus", version=CENTER)
    assert status["ServiceStatus"] == "Disabled"
    center.multi_account = True
    administrator = cloud.enter("ResourceDirectoryAccountAccessRole")
    member = (409, "NoPermission.ResourceDirectory.MemberAccount")
    assert cloud.code("SearchMultiAccountResources", administrator, **asked) == member
    assert (
        cloud.code("SearchMultiAccountResources", cloud.enter("sgsweep-read"), **asked)[1] == "NoPermission"
    )
    center.enabled = False
    assert cloud.code("SearchResources", version=CENTER) == (400, "ServiceNotEnabled")
    assert cloud.ok("GetResourceCenterServiceStatus", version=CENTER)["ServiceStatus"] == "Disabled"


def test_a_delegated_administrator_may_search() -> None:
    """As for the directory's lists."""
    cloud = Cloud(World.generate(WorldOutline(3, 3, region_ids=2, hub="delegated")))
    assert places(search(cloud, ResourceType=GROUP)) == every_group(cloud.world)


def test_it_is_late(cloud: Cloud) -> None:
    """A new group is named after the lag, a group that is gone until then; a listing goes on in what it began with."""
    center = resource_center_of(cloud.state)
    center.lag_seconds = 60
    before = places(search(cloud, ResourceType=GROUP))
    cloud.world.put(cloud.member, "cn-hangzhou", Group("sg-new", "new", vpc_id="vpc-1"))
    account_id, region_id, group_id = min(before)
    del cloud.world.estate(account_id, region_id).groups[group_id]
    cloud.clock.now += 59
    assert places(search(cloud, ResourceType=GROUP)) == before
    cloud.clock.now += 1
    after = places(search(cloud, ResourceType=GROUP))
    assert after - before == {(cloud.member, "cn-hangzhou", "sg-new")}
    assert before - after == {(account_id, region_id, group_id)}


def test_it_may_have_gaps_and_ghosts(cloud: Cloud) -> None:
    """Some resources it does not know, some it names are gone."""
    known = sorted(places(search(cloud, ResourceType=GROUP)))
    center = resource_center_of(cloud.state)
    center.unknown.add(known[0][2])
    center.ghosts.append(Resource(cloud.member, "cn-hangzhou", GROUP, "sg-ghost"))
    found = places(search(cloud, ResourceType=GROUP))
    assert found == {*known[1:], (cloud.member, "cn-hangzhou", "sg-ghost")}
    assert resource_center_of(Cloud().state) == ResourceCenter()


def test_cloud_config_lists_the_groups_of_an_aggregator(official: Official, world: World) -> None:
    """ListAggregateDiscoveredResources names every group of the directory, ListDiscoveredResources the caller's own."""
    client = ConfigClient(official.config())
    created = client.create_aggregator(
        config_models.CreateAggregatorRequest(aggregator_name="all", description="all", aggregator_type="RD")
    )
    request = config_models.ListAggregateDiscoveredResourcesRequest(
        aggregator_id=created.body.aggregator_id, resource_types=GROUP, max_results=100
    )
    found: list[Any] = []
    while True:
        body = client.list_aggregate_discovered_resources(request).body.discovered_resource_profiles
        found += body.discovered_resource_profile_list
        request.next_token = body.next_token
        if not body.next_token:
            break
    assert {(str(one.account_id), one.region, one.resource_id) for one in found} == every_group(world)
    own = client.list_discovered_resources(config_models.ListDiscoveredResourcesRequest(max_results=100))
    rows = own.body.discovered_resource_profiles.discovered_resource_profile_list
    assert {str(one.account_id) for one in rows} == {world.organization.hub_account_id}
