"""Flow logs, NAT and network ACLs: the official client reads what the world holds, by page and by filter."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from alibabacloud_ecs20140526 import models as ecs_models
from alibabacloud_vpc20160428 import models as vpc_models
from msgspec.structs import replace

from orchestrator.emulator import Emulator, World
from orchestrator.emulator.world.model import FlowLog, NatGateway
from tests.emulator.clients import Official
from tests.emulator.wire import Cloud, flatten, v3

VERSION = "2016-04-28"
REGION = "cn-hangzhou"


def hub(world: World) -> tuple[str, str]:
    """The place that shows everything."""
    return world.organization.hub_account_id, REGION


def test_the_official_client_reads_flow_logs(official: Official, emulator: Emulator) -> None:
    """Every field of each log, over pages; ages count back from the moment the cloud started."""
    expected = emulator.world.flow_logs(*hub(emulator.world))
    found: list[Any] = []
    for number in range(1, 9):
        request = vpc_models.DescribeFlowLogsRequest(region_id=REGION, page_size=7, page_number=number)
        body = official.vpc().describe_flow_logs(request).body
        assert int(body.total_count) == len(expected) > 14
        found += body.flow_logs.flow_log
    assert [
        FlowLog(
            flow_log_id=one.flow_log_id,
            resource_type=one.resource_type,
            resource_id=one.resource_id,
            project=one.project_name,
            logstore=one.log_store_name,
            name=one.flow_log_name,
            traffic_type=one.traffic_type,
            traffic_path=tuple(one.traffic_path.traffic_path_list),
            ip_version=one.ip_version,
            status=one.status,
            business_status=one.business_status,
            deliver_status=one.flow_log_deliver_status,
            deliver_error=one.flow_log_deliver_error_message,
            aggregation_minutes=one.aggregation_interval,
        )
        for one in found
    ] == [replace(one, vpc_id="", age_days=200.0) for one in expected]
    for one, log in zip(found, expected, strict=True):
        made = datetime.strptime(one.creation_time, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp()
        assert 0 <= emulator.state.epoch - log.age_days * 86_400 - made < 1
        assert one.region_id == REGION
    assert {one.resource_type for one in expected} == {"NetworkInterface"}
    interfaces = {one.interface_id for one in emulator.world.interfaces(*hub(emulator.world))}
    assert {one.resource_id for one in expected} < interfaces


def test_flow_logs_are_filtered() -> None:
    """Each filter leaves those that match it; a page has 20 unless asked, 50 at most."""
    cloud = Cloud()
    logs = cloud.world.flow_logs(*hub(cloud.world))

    def ids(**asked: Any) -> list[str]:
        body = cloud.ok("DescribeFlowLogs", None, VERSION, RegionId=REGION, PageSize=50, **asked)
        return [one["FlowLogId"] for one in body["FlowLogs"]["FlowLog"]]

    for wire, name in {
        "FlowLogId": "flow_log_id", "FlowLogName": "name", "ResourceId": "resource_id", "VpcId": "vpc_id",
        "Status": "status", "TrafficType": "traffic_type", "ProjectName": "project", "LogStoreName": "logstore",
        "ResourceType": "resource_type",
    }.items():  # fmt: skip
        for value in {getattr(one, name) for one in logs}:
            expected = [one.flow_log_id for one in logs if getattr(one, name) == value]
            assert ids(**{wire: value}) == expected
        assert ids(**{wire: "none"}) == []
    plain = cloud.ok("DescribeFlowLogs", None, VERSION, RegionId=REGION)
    assert (plain["PageSize"], len(plain["FlowLogs"]["FlowLog"])) == ("20", 20)
    assert cloud.code("DescribeFlowLogs", None, VERSION, RegionId=REGION, PageSize=51)[0] == 400


def test_vswitches_of_logs_and_acls_are_the_interfaces(official: Official, emulator: Emulator) -> None:
    """An interface and an instance say in which vSwitch they are: that which a log or an ACL of it names."""
    request = ecs_models.DescribeNetworkInterfacesRequest(region_id=REGION, max_results=500)
    sets = official.ecs().describe_network_interfaces(request).body.network_interface_sets
    there = {one.v_switch_id for one in sets.network_interface_set if one.vpc_id}
    asked = ecs_models.DescribeInstancesRequest(region_id=REGION, max_results=100)
    instances = official.ecs().describe_instances(asked).body.instances.instance
    assert {one.vpc_attributes.v_switch_id for one in instances if one.vpc_attributes.vpc_id} <= there
    acls = official.vpc().describe_network_acls(vpc_models.DescribeNetworkAclsRequest(region_id=REGION)).body
    bound = {
        resource.resource_id for one in acls.network_acls.network_acl for resource in one.resources.resource
    }
    assert bound <= there
    assert bound


def test_the_official_client_reads_nat(official: Official, emulator: Emulator) -> None:
    """Gateways with their addresses and tables; entries by table or by gateway, filtered."""
    gateways = emulator.world.ways_in(*hub(emulator.world)).nat_gateways
    client = official.vpc()
    body = client.describe_nat_gateways(vpc_models.DescribeNatGatewaysRequest(region_id=REGION)).body
    assert body.total_count == len(gateways) == 2
    for one, gateway in zip(body.nat_gateways.nat_gateway, gateways, strict=True):
        assert (one.nat_gateway_id, one.vpc_id, one.network_type, one.status) == (
            gateway.nat_gateway_id, gateway.vpc_id, gateway.network_type, "Available",
        )  # fmt: skip
        addresses = [(each.allocation_id, each.ip_address) for each in one.ip_lists.ip_list]
        assert addresses == list(gateway.addresses)
        (table_id,) = one.forward_table_ids.forward_table_id
        for asked in ({"forward_table_id": table_id}, {"nat_gateway_id": one.nat_gateway_id}):
            request = vpc_models.DescribeForwardTableEntriesRequest(region_id=REGION, **asked)
            answer = client.describe_forward_table_entries(request).body
            assert answer.total_count == len(gateway.entries)
            assert entries(answer) == [
                (each.external_ip, each.external_port, each.internal_ip, each.internal_port, each.protocol)
                for each in gateway.entries
            ]
    ranged = vpc_models.DescribeForwardTableEntriesRequest(
        region_id=REGION, nat_gateway_id=gateways[0].nat_gateway_id, external_port="8000/8010"
    )
    (entry,) = client.describe_forward_table_entries(ranged).body.forward_table_entries.forward_table_entry
    assert entry.internal_port == "8000/8010"
    private = vpc_models.DescribeNatGatewaysRequest(region_id=REGION, network_type="intranet")
    assert client.describe_nat_gateways(private).body.total_count == 1


def entries(answer: Any) -> list[tuple[str, str, str, str, str]]:
    """What the DNAT entries of an answer say."""
    return [
        (each.external_ip, each.external_port, each.internal_ip, each.internal_port, each.ip_protocol)
        for each in answer.forward_table_entries.forward_table_entry
    ]


def test_dnat_entries_are_asked_of_a_table() -> None:
    """Without a table and a gateway it is refused, with ones that are not there as well."""
    cloud = Cloud()
    for asked, code in (
        ({}, (400, "MissingParameter")),
        ({"ForwardTableId": "ftb-none"}, (404, "InvalidForwardTableId.NotFound")),
        ({"NatGatewayId": "ngw-none"}, (404, "InvalidNatGatewayId.NotFound")),
    ):
        assert cloud.code("DescribeForwardTableEntries", None, VERSION, RegionId=REGION, **asked) == code


def test_pages_of_entries_follow_each_other() -> None:
    """By number, up to 50 a page, in their order."""
    cloud = Cloud()
    account_id, region_id = hub(cloud.world)
    found = cloud.world.ways_in(account_id, region_id)
    (entry, *_) = found.nat_gateways[0].entries
    many = tuple(replace(entry, entry_id=f"fwd-{number:03d}") for number in range(120))
    gateway = NatGateway("ngw-1", forward_table_id="ftb-1", entries=many)
    cloud.world.estate(account_id, region_id).ways_in = replace(found, nat_gateways=(gateway,))
    asked = {"RegionId": REGION, "ForwardTableId": "ftb-1", "PageSize": 50}
    ids: list[str] = []
    for number in (1, 2, 3):
        body = cloud.ok("DescribeForwardTableEntries", None, VERSION, PageNumber=number, **asked)
        assert body["TotalCount"] == 120
        ids += [one["ForwardEntryId"] for one in body["ForwardTableEntries"]["ForwardTableEntry"]]
    assert ids == [one.entry_id for one in many]


def test_the_official_client_reads_network_acls(official: Official, emulator: Emulator) -> None:
    """Entries of both directions in their order, what each is bound to, and filters by id and vSwitch."""
    acls = emulator.world.ways_in(*hub(emulator.world)).network_acls
    client = official.vpc()
    body = client.describe_network_acls(vpc_models.DescribeNetworkAclsRequest(region_id=REGION)).body
    assert int(body.total_count) == len(acls) >= 2
    for one, acl in zip(body.network_acls.network_acl, acls, strict=True):
        ingress = [
            (each.policy, each.protocol, each.port, each.source_cidr_ip)
            for each in one.ingress_acl_entries.ingress_acl_entry
        ]
        assert ingress == [(each.policy, each.protocol, each.port, each.cidr) for each in acl.ingress]
        egress = [(each.policy, each.destination_cidr_ip) for each in one.egress_acl_entries.egress_acl_entry]
        assert egress == [(each.policy, each.cidr) for each in acl.egress]
        assert [each.resource_id for each in one.resources.resource] == list(acl.vswitch_ids)
        assert (one.network_acl_id, one.vpc_id) == (acl.network_acl_id, acl.vpc_id)
    bound = vpc_models.DescribeNetworkAclsRequest(
        region_id=REGION, resource_type="VSwitch", resource_id=acls[0].vswitch_ids[0]
    )
    (only,) = client.describe_network_acls(bound).body.network_acls.network_acl
    assert only.network_acl_id == acls[0].network_acl_id


def test_the_official_client_reads_tags_of_vpcs(official: Official, emulator: Emulator) -> None:
    """The networks of the groups, of which some say who owns them; several can be asked for at once."""
    world, client = emulator.world, official.vpc()
    owners = 0
    for region_id in world.region_ids:
        groups = world.estate(world.organization.hub_account_id, region_id).groups.values()
        body = client.describe_vpcs(vpc_models.DescribeVpcsRequest(region_id=region_id, page_size=50)).body
        shown = {one.vpc_id: {tag.key: tag.value for tag in one.tags.tag} for one in body.vpcs.vpc}
        assert set(shown) == {one.vpc_id for one in groups} - {""}
        owners += sum("owner" in tags for tags in shown.values())
        asked = vpc_models.DescribeVpcsRequest(region_id=region_id, vpc_id=",".join([*shown, "vpc-none"]))
        assert client.describe_vpcs(asked).body.total_count == len(shown)
    assert owners


@pytest.mark.parametrize(
    "action",
    [
        "DescribeFlowLogs",
        "DescribeNatGateways",
        "DescribeForwardTableEntries",
        "DescribeNetworkAcls",
        "DescribeVpcs",
    ],
)
def test_rights_to_vpc_are_checked(action: str) -> None:
    """Each is asked for by its name; the read role has them all."""
    cloud = Cloud()
    asked = {"RegionId": REGION, "NatGatewayId": "ngw-none"}
    assert cloud.call(action, cloud.enter("sgsweep-read"), VERSION, **asked)[0] != 403
    for keys in (cloud.enter("sgsweep-remediate"), cloud.session("sgsweep-read", policy=()).keys):
        status, body = cloud.send(v3(keys, VERSION, action, flatten(asked), cloud.clock()))
        assert (status, body["AccessDeniedDetail"]["AuthAction"]) == (403, f"vpc:{action}")
