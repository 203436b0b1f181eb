"""What stands behind balancers: CLB with its three kinds of servers, NLB and ALB with their server groups."""

from __future__ import annotations

from typing import Any

import pytest
from alibabacloud_alb20200616 import models as alb_models
from alibabacloud_nlb20220430 import models as nlb_models
from alibabacloud_slb20140515 import models as slb_models

from orchestrator.emulator import Emulator, World, WorldOutline
from orchestrator.emulator.world.model import ClassicBalancer, WaysIn
from tests.emulator.clients import Official
from tests.emulator.wire import Cloud, flatten, v3

SLB = "2014-05-15"
VERSIONS = {"nlb": "2022-04-30", "alb": "2020-06-16"}
REGION = "cn-hangzhou"


def ways_in(world: World) -> WaysIn:
    """Those of the place that shows everything."""
    return world.ways_in(world.organization.hub_account_id, REGION)


def named(world: World, name: str) -> ClassicBalancer:
    """The classic balancer of that name."""
    return next(one for one in ways_in(world).classic_balancers if one.name == name)


# --- classic balancers


def test_the_official_client_reads_classic_balancers(official: Official, emulator: Emulator) -> None:
    """Balancers by page with their addresses; filters by address type, by id and by a server behind them."""
    client, world = official.slb(), emulator.world
    expected = ways_in(world).classic_balancers
    found: list[Any] = []
    for number in (1, 2):
        request = slb_models.DescribeLoadBalancersRequest(region_id=REGION, page_size=3, page_number=number)
        body = client.describe_load_balancers(request).body
        assert body.total_count == len(expected) == 4
        found += body.load_balancers.load_balancer
    assert [(one.load_balancer_id, one.address, one.address_type) for one in found] == [
        (one.balancer_id, one.address, one.address_type) for one in expected
    ]
    inside = slb_models.DescribeLoadBalancersRequest(region_id=REGION, address_type="intranet")
    (one,) = client.describe_load_balancers(inside).body.load_balancers.load_balancer
    assert one.vpc_id == named(world, "clb-internal").vpc_id
    two = ",".join(one.balancer_id for one in expected[:2])
    asked = slb_models.DescribeLoadBalancersRequest(region_id=REGION, load_balancer_id=two)
    assert client.describe_load_balancers(asked).body.total_count == 2
    (server, *_) = named(world, "clb-vserver").vserver_groups[0].servers
    behind = slb_models.DescribeLoadBalancersRequest(region_id=REGION, server_id=server.server_id)
    ids = {
        one.load_balancer_id
        for one in client.describe_load_balancers(behind).body.load_balancers.load_balancer
    }
    assert named(world, "clb-vserver").balancer_id in ids


def test_the_official_client_reads_default_servers(official: Official, emulator: Emulator) -> None:
    """The attribute names the default servers and the ports; the listener the port of these servers."""
    one = named(emulator.world, "clb-default")
    client = official.slb()
    body = client.describe_load_balancer_attribute(
        slb_models.DescribeLoadBalancerAttributeRequest(region_id=REGION, load_balancer_id=one.balancer_id)
    ).body
    servers = [(each.server_id, each.type, each.weight) for each in body.backend_servers.backend_server]
    assert servers == [(each.server_id, "ecs", 100) for each in one.default_servers]
    assert body.listener_ports.listener_port == [each.port for each in one.listeners]
    request = slb_models.DescribeLoadBalancerListenersRequest(
        region_id=REGION, load_balancer_id=[one.balancer_id]
    )
    listeners = client.describe_load_balancer_listeners(request).body.listeners
    assert [
        (each.listener_port, each.listener_protocol, each.backend_server_port, each.status, each.acl_status)
        for each in listeners
    ] == [(each.port, each.protocol, each.backend_port, each.status, "off") for each in one.listeners]


def test_the_official_client_reads_vserver_groups(official: Official, emulator: Emulator) -> None:
    """From the listener to its group and to the interfaces in it; an access list of the listener is told."""
    one = named(emulator.world, "clb-vserver")
    client = official.slb()
    request = slb_models.DescribeLoadBalancerListenersRequest(
        region_id=REGION, load_balancer_id=[one.balancer_id]
    )
    plain, listed = client.describe_load_balancer_listeners(request).body.listeners
    assert plain.vserver_group_id == listed.vserver_group_id == one.vserver_groups[0].server_group_id
    assert plain.backend_server_port is None
    assert (listed.acl_status, listed.acl_type, listed.acl_ids) == (
        "on",
        "white",
        list(one.listeners[1].acl_ids),
    )
    groups = client.describe_vserver_groups(
        slb_models.DescribeVServerGroupsRequest(
            region_id=REGION, load_balancer_id=one.balancer_id, include_listener=True
        )
    ).body.vserver_groups.vserver_group
    assert [each.vserver_group_id for each in groups] == [plain.vserver_group_id]
    assert [each.port for each in groups[0].associated_objects.listeners.listener] == [10_022, 443]
    body = client.describe_vserver_group_attribute(
        slb_models.DescribeVServerGroupAttributeRequest(
            region_id=REGION, vserver_group_id=plain.vserver_group_id
        )
    ).body
    assert body.load_balancer_id == one.balancer_id
    assert [
        (each.server_id, each.server_ip, each.port, each.type) for each in body.backend_servers.backend_server
    ] == [(each.server_id, each.ip, each.port, "eni") for each in one.vserver_groups[0].servers]


def test_the_official_client_reads_masters_and_slaves(official: Official, emulator: Emulator) -> None:
    """The listener's configuration names the group, which has a master and a slave."""
    one = named(emulator.world, "clb-master-slave")
    client = official.slb()
    request = slb_models.DescribeLoadBalancerListenersRequest(
        region_id=REGION, load_balancer_id=[one.balancer_id]
    )
    (listener,) = client.describe_load_balancer_listeners(request).body.listeners
    group_id = listener.tcplistener_config.master_slave_server_group_id
    assert group_id == one.master_slave_groups[0].server_group_id
    body = client.describe_master_slave_server_group_attribute(
        slb_models.DescribeMasterSlaveServerGroupAttributeRequest(
            region_id=REGION, master_slave_server_group_id=group_id
        )
    ).body
    assert [
        (each.server_id, each.port, each.server_type)
        for each in body.master_slave_backend_servers.master_slave_backend_server
    ] == [(each.server_id, each.port, each.role) for each in one.master_slave_groups[0].servers]


def test_listeners_of_a_region_are_paged() -> None:
    """Without ids they are those of all balancers, by token; more than ten ids are refused."""
    cloud = Cloud()
    expected = [
        (one.balancer_id, listener.port)
        for one in ways_in(cloud.world).classic_balancers
        for listener in one.listeners
    ]
    found: list[tuple[str, int]] = []
    token = ""
    while True:
        asked = {"RegionId": REGION, "MaxResults": 2, "NextToken": token or None}
        body = cloud.ok("DescribeLoadBalancerListeners", None, SLB, **asked)
        found += [(one["LoadBalancerId"], one["ListenerPort"]) for one in body["Listeners"]]
        token = body["NextToken"]
        if not token:
            break
    assert found == expected
    ids = [f"lb-{number}" for number in range(11)]
    asked = {"RegionId": REGION, "LoadBalancerId": ids}
    assert cloud.code("DescribeLoadBalancerListeners", None, SLB, **asked) == (400, "InvalidParameter")


@pytest.mark.parametrize(
    ("action", "name", "code"),
    [
        ("DescribeLoadBalancerAttribute", "LoadBalancerId", "InvalidLoadBalancerId.NotFound"),
        ("DescribeVServerGroups", "LoadBalancerId", "InvalidLoadBalancerId.NotFound"),
        ("DescribeVServerGroupAttribute", "VServerGroupId", "InvalidParameter.NotFound"),
        (
            "DescribeMasterSlaveServerGroupAttribute",
            "MasterSlaveServerGroupId",
            "InvalidParameter.NotFound",
        ),
    ],
)
def test_what_is_not_there_is_refused(action: str, name: str, code: str) -> None:
    """An id that nothing has, and none at all."""
    cloud = Cloud()
    assert cloud.code(action, None, SLB, RegionId=REGION, **{name: "none"}) == (404, code)
    assert cloud.code(action, None, SLB, RegionId=REGION) == (400, "MissingParameter")


# --- network and application balancers


@pytest.mark.parametrize("balancers", [False, True])
def test_the_official_nlb_client_reads_servers(balancers: bool) -> None:  # noqa: FBT001 - a parameter
    """From each listener to its group and the servers in it, of balancers that joined groups and of others."""
    world = World.generate(WorldOutline(seed=7, accounts=1, region_ids=2, balancers=balancers))
    with Emulator(world) as running:
        client = Official(running).nlb()
        expected = {one.server_group_id: one for one in ways_in(world).server_groups}
        listed = client.list_load_balancers(
            nlb_models.ListLoadBalancersRequest(region_id=REGION, max_results=100)
        ).body.load_balancers
        assert all(bool(one.security_group_ids) == balancers for one in listed)
        listeners = client.list_listeners(
            nlb_models.ListListenersRequest(region_id=REGION, max_results=100)
        ).body.listeners
        assert {one.load_balancer_id for one in listeners} == {one.load_balancer_id for one in listed}
        for listener in listeners:
            group = expected[listener.server_group_id]
            request = nlb_models.ListServerGroupsRequest(
                region_id=REGION, server_group_ids=[listener.server_group_id]
            )
            (shown,) = client.list_server_groups(request).body.server_groups
            assert (shown.server_group_type, shown.server_count) == (group.kind, len(group.servers))
            assert shown.related_load_balancer_ids == [listener.load_balancer_id]
            assert shown.preserve_client_ip_enabled == group.preserves_client
            assert shown.any_port_enabled == (listener.listener_port == 0)
            asked = nlb_models.ListServerGroupServersRequest(
                region_id=REGION, server_group_id=listener.server_group_id
            )
            servers = client.list_server_group_servers(asked).body.servers
            assert [(one.server_id, one.server_type, one.server_ip, one.port) for one in servers] == [
                (one.server_id, one.kind, one.ip, one.port) for one in group.servers
            ]


@pytest.mark.parametrize("balancers", [False, True])
def test_the_official_alb_client_reads_servers(balancers: bool) -> None:  # noqa: FBT001 - a parameter
    """The same of application balancers, whose listeners name the group in their default action."""
    world = World.generate(WorldOutline(seed=7, accounts=1, region_ids=2, balancers=balancers))
    with Emulator(world) as running:
        client = Official(running).alb()
        expected = {one.server_group_id: one for one in ways_in(world).server_groups if one.product == "alb"}
        shown = client.list_server_groups(alb_models.ListServerGroupsRequest(max_results=100)).body
        assert {one.server_group_id for one in shown.server_groups} == set(expected)
        listeners = client.list_listeners(alb_models.ListListenersRequest(max_results=100)).body.listeners
        assert listeners
        for listener in listeners:
            (action,) = listener.default_actions
            (forwarded,) = action.forward_group_config.server_group_tuples
            request = alb_models.ListServerGroupServersRequest(server_group_id=forwarded.server_group_id)
            servers = client.list_server_group_servers(request).body.servers
            assert [(one.server_id, one.server_type, one.port) for one in servers] == [
                (one.server_id, one.kind, one.port) for one in expected[forwarded.server_group_id].servers
            ]


def test_servers_of_a_group_that_is_not_there() -> None:
    """A group that nobody has, or of the other product, is not found; without one it is all of the region."""
    cloud = Cloud()
    groups = ways_in(cloud.world).server_groups
    other = next(one for one in groups if one.product == "alb")
    for group_id in ("sgp-none", other.server_group_id):
        asked = {"RegionId": REGION, "ServerGroupId": group_id}
        code = cloud.code("ListServerGroupServers", None, VERSIONS["nlb"], **asked)
        assert code == (404, "ResourceNotFound.ServerGroup")
    body = cloud.ok("ListServerGroupServers", None, VERSIONS["nlb"], RegionId=REGION, MaxResults=100)
    assert body["TotalCount"] == sum(len(one.servers) for one in groups if one.product == "nlb")
    narrowed = {"RegionId": REGION, "ServerIds": [body["Servers"][0]["ServerId"]]}
    found = cloud.ok("ListServerGroupServers", None, VERSIONS["nlb"], **narrowed)["Servers"]
    assert {one["ServerId"] for one in found} == set(narrowed["ServerIds"])


@pytest.mark.parametrize(
    ("product", "version", "action"),
    [
        *(
            ("slb", SLB, action)
            for action in (
                "DescribeLoadBalancers",
                "DescribeLoadBalancerListeners",
                "DescribeLoadBalancerAttribute",
                "DescribeVServerGroups",
                "DescribeVServerGroupAttribute",
                "DescribeMasterSlaveServerGroupAttribute",
            )
        ),
        *(
            (product, version, action)
            for product, version in VERSIONS.items()
            for action in ("ListServerGroups", "ListServerGroupServers")
        ),
    ],
)
def test_rights_to_servers_are_checked(product: str, version: str, action: str) -> None:
    """Each is asked for by its name; the read role has them all."""
    cloud = Cloud()
    asked = {"RegionId": REGION}
    assert cloud.call(action, cloud.enter("sgsweep-read"), version, **asked)[0] != 403
    for keys in (cloud.enter("sgsweep-remediate"), cloud.session("sgsweep-read", policy=()).keys):
        status, body = cloud.send(v3(keys, version, action, flatten(asked), cloud.clock()))
        assert (status, body["AccessDeniedDetail"]["AuthAction"]) == (403, f"{product}:{action}")
