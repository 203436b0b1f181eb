"""The official SDK clients, unchanged, over real sockets: how we know that the emulator speaks the real language."""

from __future__ import annotations

from typing import Any

import pytest
from alibabacloud_credentials.client import Client as CredentialsClient
from alibabacloud_credentials.provider import RamRoleArnCredentialsProvider
from alibabacloud_ecs20140526 import models as ecs_models
from alibabacloud_resourcedirectorymaster20220419 import models as directory_models
from alibabacloud_resourcemanager20200331 import models as manager_models
from alibabacloud_sts20150401 import models as sts_models
from alibabacloud_tea_openapi import exceptions
from darabonba.policy.retry import RetryCondition, RetryOptions
from darabonba.runtime import RuntimeOptions

from orchestrator.emulator import Emulator, Fault, Keys, Kind, Options, Throttle, World
from tests.emulator.clients import Official


def assume(official: Official, account_id: str, role: str = "sgsweep-remediate", **more: Any) -> Keys:
    """A session by way of STS."""
    request = sts_models.AssumeRoleRequest(
        role_arn=f"acs:ram::{account_id}:role/{role}", role_session_name="sgsweep-test", **more
    )
    found = official.sts().assume_role(request).body.credentials
    return Keys(found.access_key_id, found.access_key_secret, found.security_token)


def first_group(world: World, account_id: str, *, managed: bool = False) -> tuple[str, Any]:
    """A group with ingress rules, of an account, with its region."""
    for region_id in world.region_ids:
        for group in world.estate(account_id, region_id).groups.values():
            if group.service_managed == managed and len(group.rules) > 2 and group.vpc_id:
                return region_id, group
    raise LookupError("this world has no such group")


def test_sts_tells_who_the_caller_is(official: Official, emulator: Emulator) -> None:
    """GetCallerIdentity names the hub's RAM user, and after AssumeRole the member's role."""
    hub = official.sts().get_caller_identity().body
    assert hub.account_id == emulator.world.organization.hub_account_id
    assert hub.identity_type == "RAMUser"
    member = next(iter(emulator.world.organization.members))
    session = official.sts(assume(official, member)).get_caller_identity().body
    assert session.account_id == member
    assert session.arn == f"acs:ram::{member}:assumed-role/sgsweep-remediate/sgsweep-test"
    assert session.identity_type == "AssumedRoleUser"


def test_the_directory_is_listed_by_both_products(official: Official, emulator: Emulator) -> None:
    """Both products list the same members; the newer one also by token and with names."""
    old = official.manager().list_accounts(manager_models.ListAccountsRequest(page_size=100)).body
    request = directory_models.ListAccountsRequest(max_results=3, include_tags=True)
    page = official.directory().list_accounts(request).body
    found = list(page.accounts.account)
    while page.next_token:
        request.next_token = page.next_token
        page = official.directory().list_accounts(request).body
        found += page.accounts.account
    assert [one.account_id for one in old.accounts.account] == [one.account_id for one in found]
    assert old.total_count == len(emulator.world.organization.members)
    assert all(one.account_name for one in found)
    directory = official.manager().get_resource_directory().body.resource_directory
    assert directory.master_account_id == emulator.world.organization.management.account_id
    folders = official.manager().list_folders_for_parent(manager_models.ListFoldersForParentRequest()).body
    assert {one.folder_name for one in folders.folders.folder} == {"Core", "Prod", "NonProd", "Sandbox"}


def test_ecs_reads_every_group_and_rule(official: Official, emulator: Emulator) -> None:
    """DescribeRegions, DescribeSecurityGroups and …Attribute together return exactly the world's rules."""
    member = next(iter(emulator.world.organization.members))
    ecs = official.ecs(assume(official, member, "sgsweep-read"))
    seen: dict[str, dict[str, list[str]]] = {}
    for region in ecs.describe_regions(ecs_models.DescribeRegionsRequest()).body.regions.region:
        request = ecs_models.DescribeSecurityGroupsRequest(region_id=region.region_id, max_results=100)
        for group in ecs.describe_security_groups(request).body.security_groups.security_group:
            attribute = ecs.describe_security_group_attribute(
                ecs_models.DescribeSecurityGroupAttributeRequest(
                    region_id=region.region_id, security_group_id=group.security_group_id, direction="all"
                )
            ).body
            ids = [one.security_group_rule_id for one in attribute.permissions.permission]
            assert len(ids) == group.rule_count or not group.vpc_id
            seen.setdefault(region.region_id, {})[group.security_group_id] = ids
    expected = emulator.world.snapshot()[member]
    assert {region: set(groups) for region, groups in seen.items()} == {
        r: set(g) for r, g in expected.items()
    }
    for region_id, groups in expected.items():
        for group_id, rules in groups.items():
            if emulator.world.estate(member, region_id).groups[group_id].vpc_id:
                assert seen[region_id][group_id] == [rule.security_group_rule_id for rule in rules]


def test_a_rule_is_revoked_and_put_back(official: Official, emulator: Emulator) -> None:
    """Revoke by id takes the rule out; Authorize with its fields puts it back under a new id."""
    member = next(iter(emulator.world.organization.members))
    region_id, group = first_group(emulator.world, member)
    rule = next(one for one in group.rules if one.direction == "ingress" and one.source_cidr_ip)
    ecs = official.ecs(assume(official, member))
    where = {"region_id": region_id, "security_group_id": group.security_group_id}
    revoke = ecs_models.RevokeSecurityGroupRequest(
        security_group_rule_id=[rule.security_group_rule_id], **where
    )
    ecs.revoke_security_group(revoke)
    assert rule not in group.rules
    with pytest.raises(exceptions.ClientException) as refused:
        ecs.revoke_security_group(revoke)
    assert refused.value.code == "InvalidParam.SecurityGroupRuleId"
    permission = ecs_models.AuthorizeSecurityGroupRequestPermissions(
        ip_protocol=rule.ip_protocol,
        port_range=rule.port_range,
        source_cidr_ip=rule.source_cidr_ip,
        policy=rule.policy,
        priority=str(min(int(rule.priority), 100)),
        description=rule.description or None,
    )
    ecs.authorize_security_group(ecs_models.AuthorizeSecurityGroupRequest(permissions=[permission], **where))
    back = group.rules[-1]
    assert back.security_group_rule_id != rule.security_group_rule_id
    assert (back.port_range, back.source_cidr_ip, back.policy) == (
        rule.port_range,
        rule.source_cidr_ip,
        rule.policy,
    )
    narrow = ecs_models.ModifySecurityGroupRuleRequest(
        security_group_rule_id=back.security_group_rule_id, source_cidr_ip="10.0.0.0/8", **where
    )
    ecs.modify_security_group_rule(narrow)
    assert group.rules[-1].source_cidr_ip == "10.0.0.0/8"
    assert group.rules[-1].security_group_rule_id == back.security_group_rule_id
    assert [change["what"] for _, change in emulator.calls.changes()] == [
        "session",
        "revoke",
        "authorize",
        "modify",
    ]


def test_lists_and_attachments_have_the_clients_shapes(official: Official, emulator: Emulator) -> None:
    """Prefix lists, port lists, interfaces and instances decode into the official models."""
    hub = emulator.world.organization.hub_account_id
    region_id = emulator.world.region_ids[0]
    estate = emulator.world.estate(hub, region_id)
    ecs = official.ecs()
    lists = ecs.describe_prefix_lists(ecs_models.DescribePrefixListsRequest(region_id=region_id)).body
    assert {one.prefix_list_id for one in lists.prefix_lists.prefix_list} == set(estate.prefix_lists)
    everywhere = next(one for one in estate.prefix_lists.values() if one.name == "everywhere")
    entries = ecs.describe_prefix_list_attributes(
        ecs_models.DescribePrefixListAttributesRequest(
            region_id=region_id, prefix_list_id=everywhere.prefix_list_id
        )
    ).body
    assert [one.cidr for one in entries.entries.entry] == ["0.0.0.0/1", "128.0.0.0/1"]
    ports = ecs.describe_port_range_lists(ecs_models.DescribePortRangeListsRequest(region_id=region_id)).body
    admin = next(one for one in ports.port_range_lists if one.port_range_list_name == "admin")
    ranges = ecs.describe_port_range_list_entries(
        ecs_models.DescribePortRangeListEntriesRequest(
            region_id=region_id, port_range_list_id=admin.port_range_list_id
        )
    ).body
    assert [one.port_range for one in ranges.entries] == ["22/22", "8443/8443"]
    interfaces = ecs.describe_network_interfaces(
        ecs_models.DescribeNetworkInterfacesRequest(region_id=region_id, max_results=500)
    ).body.network_interface_sets.network_interface_set
    assert len(interfaces) == len(emulator.world.interfaces(hub, region_id))
    instances = ecs.describe_instances(
        ecs_models.DescribeInstancesRequest(region_id=region_id, max_results=100)
    ).body.instances.instance
    primary = [one for one in emulator.world.interfaces(hub, region_id) if one.primary]
    assert {one.instance_id for one in instances} == {one.instance_id for one in primary}


@pytest.mark.parametrize("v2", [False, True], ids=["v3", "v2"])
def test_https_with_the_emulators_own_authority(world: World, v2: bool) -> None:  # noqa: FBT001 - a parameter
    """Over TLS, with the emulator's CA as the only trust, with both signature schemes."""
    with Emulator(world) as running:
        sts = Official(running, tls=True, v2=v2).sts()
        runtime = RuntimeOptions(ca=running.ca_file)
        assert sts.get_caller_identity_with_options(runtime).body.account_id == running.state.hub.account_id
        assert running.calls[0].scheme == ("HMAC-SHA1" if v2 else "ACS3-HMAC-SHA256")


async def test_the_async_client_spells_the_query_differently_and_is_understood(
    official: Official, emulator: Emulator
) -> None:
    """The async path leaves `/` and `*` raw in the URL; the signature still verifies."""
    region_id = emulator.world.region_ids[0]
    request = ecs_models.DescribeSecurityGroupsRequest(
        region_id=region_id, security_group_name="a/b *c+d~é", max_results=10
    )
    body = (await official.ecs().describe_security_groups_async(request)).body
    assert body.security_groups.security_group == []
    assert emulator.calls[-1].parameters["SecurityGroupName"] == "a/b *c+d~é"


def test_the_credentials_library_assumes_a_role_by_get(emulator: Emulator) -> None:
    """alibabacloud-credentials asks STS by GET with HMAC-SHA1 over https; the keys it gets work."""
    member = next(iter(emulator.world.organization.members))
    keys = emulator.hub_credentials
    provider = RamRoleArnCredentialsProvider(
        access_key_id=keys.access_key_id,
        access_key_secret=keys.access_key_secret,
        role_arn=f"acs:ram::{member}:role/sgsweep-read",
        role_session_name="library",
        sts_endpoint=emulator.https_url.removeprefix("https://"),
    )
    provider._runtime_options["ca"] = emulator.ca_file  # the provider has no public way to trust an authority
    found = CredentialsClient(provider=provider).get_credential()
    assert emulator.calls[-1].scheme == "HMAC-SHA1"
    session = Keys(found.access_key_id, found.access_key_secret, found.security_token)
    assert Official(emulator).sts(session).get_caller_identity().body.account_id == member


@pytest.mark.parametrize("hint", ["none", "retry-after"])
def test_throttling_reaches_the_client_as_its_own_exception(world: World, hint: Any) -> None:
    """With the hint it is a ThrottlingException with a delay in ms, without one a ClientException by code."""
    throttle = Throttle(limit=2, window_seconds=3600, hint=hint)
    with Emulator(world, Options(throttle=throttle)) as running:
        ecs = Official(running).ecs()
        ask = ecs_models.DescribeRegionsRequest()
        ecs.describe_regions(ask)
        ecs.describe_regions(ask)
        kind = exceptions.ThrottlingException if hint == "retry-after" else exceptions.ClientException
        with pytest.raises(kind) as refused:
            ecs.describe_regions(ask)
        assert refused.value.code == "Throttling.User"
        if hint == "retry-after":
            assert 0 < refused.value.retry_after <= 3_600_000


def test_the_clients_own_retry_sends_a_new_nonce(world: World) -> None:
    """Two 503s and then the answer: three requests, each with its own nonce, or the third were refused."""
    with Emulator(world, Options(faults=(Fault(kind=Kind.UNAVAILABLE, count=2),))) as running:
        official = Official(running)
        config = official.config()
        condition = RetryCondition(
            {"maxAttempts": 3, "exception": ["ServerException"], "errorCode": ["ServiceUnavailable"]}
        )
        config.retry_options = RetryOptions({"retryable": True, "retryCondition": []})
        config.retry_options.retry_condition = [condition]
        sts = type(official.sts())(config)
        assert sts.get_caller_identity().body.account_id
        assert [call.status for call in running.calls] == [503, 503, 200]


def test_a_refusal_carries_what_the_client_shows(official: Official, emulator: Emulator) -> None:
    """Code, status, RequestId and AccessDeniedDetail of a refusal are on the official exception."""
    member = next(iter(emulator.world.organization.members))
    region_id, group = first_group(emulator.world, member)
    ecs = official.ecs(assume(official, member, "sgsweep-read"))
    request = ecs_models.RevokeSecurityGroupRequest(
        region_id=region_id,
        security_group_id=group.security_group_id,
        security_group_rule_id=[group.rules[0].security_group_rule_id],
    )
    with pytest.raises(exceptions.ClientException) as refused:
        ecs.revoke_security_group(request)
    assert refused.value.status_code == 403
    assert refused.value.code == "Forbidden.RAM"
    assert refused.value.request_id == emulator.calls[-1].request_id
    assert refused.value.access_denied_detail["AuthAction"] == "ecs:RevokeSecurityGroup"
    assert group.rules == first_group(emulator.world, member)[1].rules


def test_a_reset_connection_is_a_network_failure(world: World) -> None:
    """A reset reaches the official client as a network failure, not as an answer."""
    with Emulator(world, Options(faults=(Fault(kind=Kind.RESET_BEFORE),))) as running:
        with pytest.raises(Exception, match=r"(?i)reset|aborted|disconnect|closed"):
            Official(running).sts().get_caller_identity()
        assert [call.fault for call in running.calls] == ["reset_before"]
