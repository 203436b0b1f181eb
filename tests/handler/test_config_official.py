"""The official Cloud Config client, unchanged, against the emulated Cloud Config."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from alibabacloud_config20200907 import models
from alibabacloud_config20200907.client import Client

from orchestrator.emulator import Emulator, Group, World, WorldOutline
from orchestrator.emulator.server.triggers import Triggers
from orchestrator.emulator.services.config.recorder import Key, changed, config_of
from orchestrator.emulator.services.function_compute import FunctionCompute
from tests.emulator.clients import Official
from tests.handler.conftest import REGION, accept

GROUP = "ACS::ECS::SecurityGroup"


@pytest.fixture
def cloud() -> Iterator[Emulator]:
    """A cloud with an open group in the hub and one in a member."""
    world = World.generate(WorldOutline(5, 1, region_ids=2, groups_per_account=1))
    for account in world.account_ids:
        group = Group(security_group_id="sg-x", name="x", vpc_id="vpc-1", rules=(accept("sgr-1"),))
        world.estate(account, REGION).groups["sg-x"] = group
    with Emulator(world) as emulator:
        yield emulator


@pytest.fixture
def client(cloud: Emulator) -> Any:
    """The official client."""
    return Client(Official(cloud).config())


def rule(client: Any, aggregator_id: str = "") -> str:
    """A managed rule of the account, or of the account group."""
    common = {
        "config_rule_name": "sg-risky-ports-check",
        "source_owner": "ALIYUN",
        "source_identifier": "sg-risky-ports-check",
        "input_parameters": {"ports": "22,3389"},
        "resource_types_scope": [GROUP],
        "config_rule_trigger_types": "ConfigurationItemChangeNotification",
        "risk_level": 1,
    }
    if aggregator_id:
        asked = models.CreateAggregateConfigRuleRequest(aggregator_id=aggregator_id, **common)
        return str(client.create_aggregate_config_rule(asked).body.config_rule_id)
    return str(client.create_config_rule(models.CreateConfigRuleRequest(**common)).body.config_rule_id)


def test_a_resource_as_recorded(cloud: Emulator, client: Any) -> None:
    """The configuration is JSON text; its rules come in either of the shapes seen, and lag behind ECS."""
    asked = models.GetDiscoveredResourceRequest(region=REGION, resource_id="sg-x", resource_type=GROUP)
    detail = client.get_discovered_resource(asked).body.discovered_resource_detail
    assert json.loads(detail.configuration)["Permissions"]["Permission"][0]["SecurityGroupRuleId"] == "sgr-1"
    hub = cloud.world.organization.hub_account_id
    cloud.world.estate(hub, REGION).groups["sg-x"].rules = ()
    config_of(cloud.state).flat_permissions = True
    stale = json.loads(client.get_discovered_resource(asked).body.discovered_resource_detail.configuration)
    assert [one["SecurityGroupRuleId"] for one in stale["Permissions"]] == ["sgr-1"]
    changed(cloud.state, Key(hub, REGION, "sg-x"))
    fresh = json.loads(client.get_discovered_resource(asked).body.discovered_resource_detail.configuration)
    assert fresh["Permissions"] == []


def test_one_account(cloud: Emulator, client: Any) -> None:
    """A rule is made, evaluated, remedied by hand; its results and executions are listed."""
    rule_id = rule(client)
    hub = cloud.world.organization.hub_account_id
    changed(cloud.state, Key(hub, REGION, "sg-x"))
    asked = models.ListConfigRuleEvaluationResultsRequest(config_rule_id=rule_id, max_results=10)
    (result,) = client.list_config_rule_evaluation_results(
        asked
    ).body.evaluation_results.evaluation_result_list
    assert result.compliance_type == "NON_COMPLIANT"
    assert result.evaluation_result_identifier.evaluation_result_qualifier.resource_id == "sg-x"
    functions = FunctionCompute()
    remediation = models.CreateRemediationRequest(
        config_rule_id=rule_id,
        remediation_type="FC",
        remediation_template_id="acs:fc:x",
        invoke_type="MANUAL_EXECUTION",
    )
    client.create_remediation(remediation)
    with Triggers(cloud.state, functions):
        client.start_remediation(models.StartRemediationRequest(config_rule_id=rule_id))
    listed = client.list_remediation_executions(
        models.ListRemediationExecutionsRequest(config_rule_id=rule_id)
    ).body
    (execution,) = listed.remediation_execution_data.remediation_executions
    assert (execution.execution_status, execution.execution_resource_ids) == ("Failed", "sg-x")
    assert "no function" in execution.execution_status_message
    cloud.world.estate(hub, REGION).groups["sg-x"].rules = ()
    changed(cloud.state, Key(hub, REGION, "sg-x"))
    client.start_config_rule_evaluation(models.StartConfigRuleEvaluationRequest(config_rule_id=rule_id))
    (result,) = client.list_config_rule_evaluation_results(
        asked
    ).body.evaluation_results.evaluation_result_list
    assert result.compliance_type == "COMPLIANT"


def test_an_account_group(cloud: Emulator, client: Any) -> None:
    """An aggregate rule looks at members; a resource of a member is read through the aggregator only."""
    made = client.create_aggregator(
        models.CreateAggregatorRequest(aggregator_name="all", description="all", aggregator_type="RD")
    )
    aggregator_id = made.body.aggregator_id
    (listed,) = client.list_aggregators(
        models.ListAggregatorsRequest(max_results=10)
    ).body.aggregators_result.aggregators
    assert listed.aggregator_id == aggregator_id
    rule_id = rule(client, aggregator_id)
    member = next(iter(cloud.world.organization.members))
    changed(cloud.state, Key(member, REGION, "sg-x"))
    client.start_aggregate_config_rule_evaluation(
        models.StartAggregateConfigRuleEvaluationRequest(aggregator_id=aggregator_id, config_rule_id=rule_id)
    )
    asked = models.ListAggregateConfigRuleEvaluationResultsRequest(
        aggregator_id=aggregator_id, config_rule_id=rule_id, max_results=10, resource_account_id=int(member)
    )
    (result,) = client.list_aggregate_config_rule_evaluation_results(
        asked
    ).body.evaluation_results.evaluation_result_list
    assert result.evaluation_result_identifier.evaluation_result_qualifier.resource_owner_id == int(member)
    resource = models.GetAggregateDiscoveredResourceRequest(
        aggregator_id=aggregator_id,
        resource_account_id=int(member),
        region=REGION,
        resource_id="sg-x",
        resource_type=GROUP,
    )
    assert (
        client.get_aggregate_discovered_resource(resource).body.discovered_resource_detail.resource_id
        == "sg-x"
    )


def test_answers_of_a_custom_rule(cloud: Emulator, client: Any) -> None:
    """Answers need a token that was given out; then they are the rule's results."""
    config = config_of(cloud.state)
    hub = cloud.world.organization.hub_account_id
    asked = models.CreateConfigRuleRequest(
        config_rule_name="custom", source_owner="CUSTOM_FC", source_identifier="acs:fc:x", risk_level=1
    )
    rule_id = client.create_config_rule(asked).body.config_rule_id
    config.tokens["token"] = (rule_id, None)
    answer = {
        "accountId": hub,
        "complianceRegionId": REGION,
        "complianceResourceId": "sg-x",
        "complianceResourceType": GROUP,
        "complianceType": "NON_COMPLIANT",
        "annotation": "because",
    }
    put = models.PutEvaluationsRequest(result_token="token", evaluations=json.dumps([answer]))
    assert client.put_evaluations(put).body.result
    assert config.rules[rule_id].results[Key(hub, REGION, "sg-x")].annotation == "because"
    with pytest.raises(Exception, match=r"Invalid\.ResultToken"):
        client.put_evaluations(models.PutEvaluationsRequest(result_token="other", evaluations="[]"))
