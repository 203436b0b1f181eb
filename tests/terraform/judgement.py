"""What must hold of the resources that an example makes, whoever edits the modules."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from typing import Any

from tests.terraform.rights import PLATFORM, change_actions, directory_actions, function_actions, read_actions

Values = dict[str, Any]
BALANCERS = {"alb:ListListeners", "alb:ListLoadBalancers", "nlb:ListListeners", "nlb:ListLoadBalancers"}
# the function does not look at what stands behind a group
WEIGHING = {"ecs:DescribeInstances"}
# who changes nothing needs not know which groups share an interface
NEIGHBOURS = {"ecs:DescribeNetworkInterfaces"}

# the function narrows nothing
BY_ITSELF = {"ecs:ModifySecurityGroupRule"}
# whose an account is
DIRECTORY = {"resourcemanager:ListAccounts", "resourcemanager:GetResourceDirectory"}

REFUSED = "terraform refuses it"
# the actions for which RAM has no resource-level authorization: they match only Resource "*"
ONLY_ON_EVERYTHING = {
    "ecs:DescribeRegions",
    "ecs:DescribePrefixListAttributes",
    "ecs:DescribePortRangeListEntries",
    "ecs:DescribeNetworkInterfaces",
    "ecs:DescribeInstances",
    "ecs:AuthorizeSecurityGroup",
    "ecs:ModifySecurityGroupRule",
    "config:PutEvaluations",
    "config:StartConfigRuleEvaluation",
    "config:StartAggregateConfigRuleEvaluation",
    "resourcemanager:GetResourceDirectory",
    "resourcemanager:ListAccounts",
    "resourcemanager:ListFoldersForParent",
    "resourcecenter:SearchMultiAccountResources",
    "resourcecenter:GetMultiAccountResourceCounts",
} | BALANCERS
# only sgsweep's own roles are entered; only the ledger is written, not the code beside it
LIMITED = {"sts:AssumeRole": ":role/sgsweep-", "oss:PutObject": "/ledger/"}


def documents(resources: list[Values]) -> Iterator[tuple[str, Values]]:
    """Yield every permission policy by its name, those inside the stack group's template too."""
    for one in resources:
        if one["type"] == "alicloud_ram_policy":
            yield one["values"]["policy_name"], json.loads(one["values"]["policy_document"])
        if one["type"] == "alicloud_ros_stack_group":
            for role in json.loads(one["values"]["template_body"])["Resources"].values():
                for policy in role["Properties"]["Policies"]:
                    yield f"stack group {policy['PolicyName']}", policy["PolicyDocument"]


def trusts(resources: list[Values]) -> Iterator[tuple[str, Values]]:
    """Yield every trust policy by its role's name."""
    for one in resources:
        if one["type"] == "alicloud_ram_role":
            yield one["values"]["role_name"], json.loads(one["values"]["assume_role_policy_document"])
        if one["type"] == "alicloud_ros_stack_group":
            for role in json.loads(one["values"]["template_body"])["Resources"].values():
                yield (
                    f"stack group {role['Properties']['RoleName']}",
                    role["Properties"]["AssumeRolePolicyDocument"],
                )


def actions(document: Values) -> set[str]:
    """The actions that a policy document allows."""
    return {action for statement in document["Statement"] for action in statement["Action"]}


def problems(resources: list[Values]) -> list[str]:
    """Return what is wrong with what an example makes with its defaults; [] if it is as it must be."""
    if not resources:
        return [REFUSED]
    found = [
        *_of_policies(resources),
        *_of_rights(resources),
        *_of_trusts(resources),
        *_of_functions(resources),
    ]
    return [
        *found,
        *_of_rules(resources),
        *_of_storage(resources),
        *_of_alarms(resources),
        *_of_rollout(resources),
        *_of_names(resources),
    ]


def _of(resources: list[Values], kind: str) -> list[Values]:
    return [one["values"] for one in resources if one["type"] == kind]


def _of_policies(resources: list[Values]) -> Iterator[str]:
    for name, document in documents(resources):
        for statement in document["Statement"]:
            where = statement["Resource"]
            for action in statement["Action"]:
                if not re.fullmatch(r"[a-z]+:[A-Za-z]+", action):
                    yield f"{name}: {action} is not one action"
                if ("*" in where) != (action in ONLY_ON_EVERYTHING):
                    yield f"{name}: {action} is allowed on {where}"
                if action in LIMITED and not all(LIMITED[action] in one for one in where):
                    yield f"{name}: {action} is allowed beyond {LIMITED[action]}"
                if action == "sts:AssumeRole" and any("*" in one.rpartition(":role/")[2] for one in where):
                    yield f"{name}: other installations' roles may be assumed"


def _of_rights(resources: list[Values]) -> Iterator[str]:
    """Compare what each policy allows with what the code calls: not an action less, not one more."""
    many = any(one["type"] == "alicloud_config_aggregate_config_rule" for one in resources)
    ingress = {action for action in change_actions() if "Egress" not in action}
    ledger = {action for action in function_actions() if action.startswith("oss:")}
    whose = DIRECTORY if many else set()
    again = "config:StartAggregateConfigRuleEvaluation" if many else "config:StartConfigRuleEvaluation"
    wanted = {
        "sgsweep-read": read_actions(),
        "sgsweep-remediate": read_actions() | ingress,
        "sgsweep-command-hub": directory_actions() | {"sts:AssumeRole", "oss:GetObject"},
        "sgsweep-function-hub": {"sts:AssumeRole"} | DIRECTORY,
        "sgsweep-judge-hub": {"sts:AssumeRole"} | DIRECTORY,
        "sgsweep-function-around": ledger | PLATFORM | whose | {again},
        "sgsweep-judge-around": PLATFORM | whose | {"config:PutEvaluations"},
        "sgsweep-function-groups": (read_actions() | ingress) - WEIGHING - BY_ITSELF,
        "sgsweep-judge-groups": read_actions() - WEIGHING - NEIGHBOURS,
    }
    for name, document in documents(resources):
        differing = actions(document) ^ wanted[name.removeprefix("stack group ")]
        yield from (f"{name}: {action} is called or allowed, but not both" for action in sorted(differing))


def _of_trusts(resources: list[Values]) -> Iterator[str]:
    for name, document in trusts(resources):
        for statement in document["Statement"]:
            principals = statement["Principal"]
            if principals == {"Service": ["fc.aliyuncs.com"]} or name.endswith("-command"):
                continue
            if not statement.get("Condition", {}).get("StringEquals", {}).get("sts:ExternalId"):
                yield f"{name}: no external id is asked for"
            if any(arn.endswith(":root") or "*" in arn for arn in principals.get("RAM", ["*"])):
                yield f"{name}: trusts a whole account"


def _of_functions(resources: list[Values]) -> Iterator[str]:
    functions = {one["function_name"]: one for one in _of(resources, "alicloud_fcv3_function")}
    if {one["handler"] for one in functions.values()} != {"index.handler", "index.evaluate"}:
        yield "the functions are not the two that are on by default"
    calls = {one["function_name"]: one for one in _of(resources, "alicloud_fcv3_async_invoke_config")}
    for name, one in functions.items():
        yield from (f"{name}: {text}" for text in (*_of_function(one), *_of_calls(calls.get(name, {}))))
    if set(functions) != {one["function_name"] for one in _of(resources, "alicloud_fcv3_concurrency_config")}:
        yield "a function has no reserved concurrency"


def _of_function(one: Values) -> Iterator[str]:
    environment, log = one["environment_variables"], (one["log_config"] or [{}])[0]
    acts = one["handler"] != "index.evaluate"
    wanted = {
        "changes things by default": environment.get("SGSWEEP_MODE", "plan") == "plan",
        "leaves no log": log.get("logstore") and log.get("project"),
        "has no time to work": (one["timeout"] or 0) >= 30,
        "lets two events share an instance": one["instance_concurrency"] == 1,
        "never gets new code": one["code"][0]["zip_file"] == base64.b64encode(b"a zip").decode(),
        "runs under a role that changes, and changes nothing": one["role"].endswith(
            "-function" if environment.get("SGSWEEP_MODE") == "apply" else "-judge"
        ),
        "enters by a role that changes, and changes nothing": not environment.get(
            "SGSWEEP_REMEDIATION_ROLE", ""
        ).endswith("-remediate"),
        "has a ledger if it acts, and only then": bool(environment.get("SGSWEEP_LEDGER")) == acts,
    }
    yield from (text for text, holds in wanted.items() if not holds)


def _of_calls(one: Values) -> Iterator[str]:
    destination = (one.get("destination_config") or [{}])[0]
    if not (destination.get("on_failure") or [{}])[0].get("destination", "").startswith("acs:mns:"):
        yield "what fails for good is lost"
    if not one.get("max_async_retry_attempts"):
        yield "a failed run is not tried again"


def _of_rules(resources: list[Values]) -> Iterator[str]:
    rules = [
        *_of(resources, "alicloud_config_rule"),
        *_of(resources, "alicloud_config_aggregate_config_rule"),
    ]
    fixes = [
        *_of(resources, "alicloud_config_remediation"),
        *_of(resources, "alicloud_config_aggregate_remediation"),
    ]
    if sorted(one["source_owner"] for one in rules) != ["ALIYUN", "CUSTOM_FC"] or len(fixes) != 2:
        yield "there are not two rules with a remediation each"
    for one in rules:
        triggers, custom = one["config_rule_trigger_types"], one["source_owner"] == "CUSTOM_FC"
        wanted = {
            "a rule is not critical": one["risk_level"] == 1,
            "a rule misses changes": "ConfigurationItemChangeNotification" in triggers,
            "a rule looks at something else": one["resource_types_scope"] == ["ACS::ECS::SecurityGroup"],
            "a rule has no ports": one["input_parameters"].get("ports"),
            "what no change announces is never found": not custom or "ScheduledNotification" in triggers,
        }
        yield from (text for text, holds in wanted.items() if not holds)
    if any(one["invoke_type"] != "MANUAL_EXECUTION" for one in fixes):
        yield "remediation starts by itself by default"
    if any((one["remediation_type"], one["remediation_source_type"]) != ("FC", "CUSTOM") for one in fixes):
        yield "remediation is not our function"
    if _of(resources, "alicloud_event_bridge_rule"):
        yield "the event path is on by default"


def _of_storage(resources: list[Values]) -> Iterator[str]:
    if _of(resources, "alicloud_oss_bucket_versioning"):
        yield "OSS ignores forbid-overwrite in a versioned bucket"
    if [one["acl"] for one in _of(resources, "alicloud_oss_bucket_acl")] != ["private"]:
        yield "the ledger's bucket is not private"
    if [one["block_public_access"] for one in _of(resources, "alicloud_oss_bucket_public_access_block")] != [
        True
    ]:
        yield "the ledger's bucket may be made public"
    if not _of(resources, "alicloud_oss_bucket_server_side_encryption"):
        yield "the ledger is not encrypted"
    if [one["retention_period"] >= 180 for one in _of(resources, "alicloud_log_store")] != [True]:
        yield "the audit records are not kept for half a year"


def _of_alarms(resources: list[Values]) -> Iterator[str]:
    alarms = _of(resources, "alicloud_sls_alert")
    queries = [one["configuration"][0]["query_list"][0]["query"] for one in alarms]
    if not any("sgsweep_alarm" in query for query in queries):
        yield "nobody is told when the brake is pulled"
    if not any("hasFunctionError: true" in query for query in queries):
        yield "nobody is told when the function cannot even start"
    indexed = {
        one["name"] for index in _of(resources, "alicloud_log_store_index") for one in index["field_search"]
    }
    if "hasFunctionError" not in indexed:
        yield "the alarm looks for what is not indexed"
    policies = [one["configuration"][0]["policy_configuration"][0]["action_policy_id"] for one in alarms]
    if policies != ["security-on-call"]:
        yield "somebody else is told than was asked for"
    depth = [
        (one["metric"], json.loads(one["metric_dimensions"])) for one in _of(resources, "alicloud_cms_alarm")
    ]
    queues = [one["queue_name"] for one in _of(resources, "alicloud_message_service_queue")]
    if [(metric, [x["queue"] for x in places]) for metric, places in depth] != [("ActiveMessages", queues)]:
        yield "nobody is told what lies in the dead letter"


def _of_rollout(resources: list[Values]) -> Iterator[str]:
    for one in _of(resources, "alicloud_ros_stack_group"):
        if one["permission_model"] != "SERVICE_MANAGED" or not one["auto_deployment"][0]["enabled"]:
            yield "new members do not get the roles"
    for one in _of(resources, "alicloud_ros_stack_instances"):
        if len(one["region_ids"]) != 1:
            yield "two stacks would make the same role"


def _of_names(resources: list[Values]) -> Iterator[str]:
    """Every name begins with the prefix, so that two installations live side by side."""
    keys = ("_name", "bucket", "name")
    # what is named after something else, or by the cloud
    not_ours = {"event_bus_name", "stack_group_name", "logstore_name", "display_name", "product_name"}
    for one in resources:
        for key, value in one["values"].items():
            if not key.endswith(keys) or key in not_ours or not isinstance(value, str):
                continue
            if not value.startswith("sgsweep") and "logstore" not in key:
                yield f"{one['address']}: {key} is {value}"
