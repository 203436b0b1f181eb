"""What the API refuses, and terraform cannot know: combinations, lengths, limits, order, what must be there before.

A list that every finding adds to: what would fail at a first apply in a real account fails against the stand-in. Each
says its source: SDK (a docstring of the official packages), page (a help page), provider (what its create or read code
takes for an error), RAM (how RAM works).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

from tests.terraform.cloud import ACCOUNT, Cloud, RefusedError, Values

Check = Callable[[Cloud, Values], str]
_LOCAL_ROLE = f"acs:ram::{ACCOUNT}:role/"
# page "Service-linked roles" of EventBridge
_SOURCE, _TO_FC, _TO_MNS = (
    f"AliyunServiceRoleForEventBridge{name}" for name in ("SourceActionTrail", "SendToFC", "SendToMNS")
)


class Refusal(NamedTuple):
    """One thing that is refused: when, of which types, and the check that says why (or nothing)."""

    when: str
    kinds: tuple[str, ...]
    check: Check


REFUSALS: list[Refusal] = []


def _refuses(when: str, *kinds: str) -> Callable[[Check], Check]:
    def take(check: Check) -> Check:
        REFUSALS.append(Refusal(when, tuple(f"alicloud_{kind}" for kind in kinds), check))
        return check

    return take


def ask(cloud: Cloud, when: str, kind: str, values: Values) -> None:
    """Raise what the API would answer.

    Raises:
        RefusedError: it refuses.
    """
    for one in REFUSALS:
        if one.when == when and kind in one.kinds and (text := one.check(cloud, values)):
            raise RefusedError(text)


# Names, lengths, what there can be only once --------------------------------------------------------------


_UNIQUE = {
    "oss_bucket": "bucket",
    "log_project": "project_name",
    "ram_role": "role_name",
    "ram_policy": "policy_name",
    "fcv3_function": "function_name",
    "message_service_queue": "queue_name",
    "ros_stack_group": "stack_group_name",
    "cms_alarm": "name",
    "config_rule": "rule_name",
    "config_aggregate_config_rule": "aggregate_config_rule_name",
    "event_bridge_rule": "rule_name",
}


def _exists(kind: str, key: str, cloud: Cloud, values: Values) -> str:
    """Every product: a name can be taken once."""
    taken = cloud.by(kind, key, values[key])
    return f"AlreadyExists: {values[key]}" if taken else ""


for _name, _argument in _UNIQUE.items():
    _refuses("create", _name)(partial(_exists, f"alicloud_{_name}", _argument))


@_refuses("create", "oss_bucket", "log_project")
def _long(cloud: Cloud, values: Values) -> str:
    """Page: 3 to 63 characters."""
    name = values.get("bucket") or values["project_name"]
    return f"InvalidName: {name} has {len(name)} characters" if len(name) > 63 else ""


@_refuses("create", "event_bridge_service_linked_role")
def _made_already(cloud: Cloud, values: Values) -> str:
    """RAM: a service-linked role is made once in an account."""
    name = values["product_name"]
    there = name in cloud.setting.service_linked_roles or cloud.by(
        "alicloud_event_bridge_service_linked_role", "product_name", name
    )
    return f"EntityAlreadyExists.Role: {name}" if there else ""


@_refuses("create", "resource_manager_delegated_administrator")
def _delegated_already(cloud: Cloud, values: Values) -> str:
    """SDK: an account is registered once for a service."""
    return "AlreadyExists.DelegatedAdministrator" if values["account_id"] in cloud.setting.delegated else ""


# Roles and functions --------------------------------------------------------------------------------------


@_refuses("create", "ram_role")
def _trusts_nobody(cloud: Cloud, values: Values) -> str:
    """RAM: a trust policy names roles that exist."""
    document = json.loads(values["assume_role_policy_document"])
    for statement in document["Statement"]:
        for arn in statement["Principal"].get("RAM", ()):
            if arn.startswith(_LOCAL_ROLE) and not cloud.by("alicloud_ram_role", "arn", arn):
                return f"EntityNotExist.Role: {arn}"
    return ""


@_refuses("delete", "ram_role", "ram_policy")
def _attached(cloud: Cloud, values: Values) -> str:
    """RAM: what is attached is not deleted, but for `force`."""
    key = "role_name" if "role_name" in values else "policy_name"
    there = cloud.by("alicloud_ram_role_policy_attachment", key, values[key])
    return f"DeleteConflict: {values[key]} is attached" if there else ""


def _role_problem(cloud: Cloud, arn: str) -> str:
    role = cloud.by("alicloud_ram_role", "arn", arn)
    if role is None:
        return f"the role {arn} does not exist"
    attached = cloud.by("alicloud_ram_role_policy_attachment", "role_name", role["role_name"])
    return "" if attached else f"AccessDenied: {arn} has no right yet"


@_refuses("create", "fcv3_function")
@_refuses("update", "fcv3_function")
def _function(cloud: Cloud, values: Values) -> str:
    """Page: 4 KB of environment variables; a role that Function Compute may assume; a log that is there."""
    size = sum(
        len(key.encode()) + len(value.encode()) for key, value in values["environment_variables"].items()
    )
    if size > 4096:
        return f"InvalidArgument: {size} bytes of environment variables, 4096 are allowed"
    if (role := values["role"]) and (problem := _role_problem(cloud, role)):
        return problem
    log = values["log_config"][0]
    if not cloud.by("alicloud_log_store", "id", f"{log['project']}:{log['logstore']}"):
        return "LogStoreNotExist"
    code = values["code"][0]
    if bool(code["zip_file"]) == bool(code["oss_object_name"]):
        return "InvalidArgument: the code is a zip or an object, one of them"
    return ""


@_refuses("create", "fcv3_concurrency_config")
def _concurrency(cloud: Cloud, values: Values) -> str:
    """Page: within 90 % of the region's limit, which is 100 on the newer page."""
    taken = sum(one["reserved_concurrency"] for one in cloud.all("alicloud_fcv3_concurrency_config"))
    wanted = taken + values["reserved_concurrency"]
    return f"ResourceExhausted: {wanted} reserved instances, 90 are allowed" if wanted > 90 else ""


@_refuses("create", "fcv3_async_invoke_config")
def _destination(cloud: Cloud, values: Values) -> str:
    """Page: the destination exists."""
    if not values["destination_config"]:
        return ""
    destination = values["destination_config"][0]["on_failure"][0]["destination"]
    name = destination.split("/queues/")[-1].removesuffix("/messages")
    return "" if cloud.by("alicloud_message_service_queue", "queue_name", name) else f"QueueNotExist: {name}"


# Storage --------------------------------------------------------------------------------------------------


@_refuses("create", "oss_bucket_object")
def _from_outside(cloud: Cloud, values: Values) -> str:
    """Page: since 2025-03-20 a new customer's buckets take no object through the public host (mainland regions)."""
    return "" if cloud.setting.oss_from_outside else "PublicEndpointForbidden"


@_refuses("delete", "oss_bucket")
def _not_empty(cloud: Cloud, values: Values) -> str:
    """Provider: a bucket that holds objects is deleted only with force_destroy."""
    return "BucketNotEmpty" if values["bucket"] in cloud.used and not values.get("force_destroy") else ""


@_refuses("delete", "oss_bucket_worm")
def _locked(cloud: Cloud, values: Values) -> str:
    """Page: a locked retention policy is not aborted."""
    return "WORMConfigurationLocked" if values["status"] == "Locked" else ""


# Cloud Config ---------------------------------------------------------------------------------------------


@_refuses("create", "config_rule", "config_aggregator", "config_aggregate_config_rule")
def _switched_off(cloud: Cloud, values: Values) -> str:
    """Page: Cloud Config is switched on first."""
    return "" if cloud.setting.config_on else "AccountNotRegistered: Cloud Config is off"


@_refuses("create", "config_aggregator")
def _aggregator(cloud: Cloud, values: Values) -> str:
    """SDK CreateAggregator, page 211207: one global group; a folder group has folders; at most 200 members each."""
    kind = values.get("aggregator_type") or "CUSTOM"
    made = [one["account_id"] for one in cloud.all("alicloud_resource_manager_delegated_administrator")]
    if not {*made, *cloud.setting.delegated}:
        return "NoPermission: the account is no delegated administrator"
    there = [one["type"] for one in cloud.setting.aggregators]
    there += [one["aggregator_type"] for one in cloud.all("alicloud_config_aggregator")]
    if kind == "RD" and "RD" in there:
        return "AggregatorExist: there is a global account group"
    if (kind == "FOLDER") != bool(values.get("folder_id")):
        return "MissingParameter.FolderId"
    if kind == "CUSTOM":
        return "MissingParameter.AggregatorAccounts"
    folders = (values.get("folder_id") or "").split(",")
    size = len(cloud.setting.members) if kind == "RD" else len(cloud.in_folders(folders))
    return f"ExceedMaxAccountCount: {size}" if size > cloud.setting.aggregator_limit else ""


@_refuses("delete", "config_aggregator")
def _in_use(cloud: Cloud, values: Values) -> str:
    """Page: an account group with rules is not deleted."""
    there = cloud.by("alicloud_config_aggregate_config_rule", "aggregator_id", values["id"])
    return "AggregatorHasRules" if there else ""


@_refuses("delete", "resource_manager_delegated_administrator")
def _still_needed(cloud: Cloud, values: Values) -> str:
    """Page: what the delegated administrator made for the service goes first."""
    return "DelegatedAdministratorInUse" if cloud.all("alicloud_config_aggregator") else ""


@_refuses("create", "config_rule", "config_aggregate_config_rule")
def _excludes(cloud: Cloud, values: Values) -> str:
    """SDK CreateAggregateConfigRule: resources are excluded from managed rules only."""
    custom = values["source_owner"] == "CUSTOM_FC"
    return (
        "InvalidParameter.ExcludeResourceIdsScope"
        if custom and values.get("exclude_resource_ids_scope")
        else ""
    )


@_refuses("create", "config_rule", "config_aggregate_config_rule")
def _evaluated_at_once(cloud: Cloud, values: Values) -> str:
    """Page: a rule is evaluated as soon as it is there, and its function enters whom it is asked about."""
    arns = [one["function_arn"] for one in cloud.all("alicloud_fcv3_function")]
    if values["source_owner"] != "CUSTOM_FC":
        return ""
    if values["source_identifier"] not in arns:
        return f"FunctionNotFound: {values['source_identifier']}"
    function = cloud.by("alicloud_fcv3_function", "function_arn", values["source_identifier"]) or {}
    role = function["environment_variables"].get("SGSWEEP_REMEDIATION_ROLE", "")
    return next(_shut_out(cloud, values.get("aggregator_id"), role), "") if role else ""


def _shut_out(cloud: Cloud, aggregator_id: object, role: str) -> Iterator[str]:
    # where ROS has tried and failed, whoever applies has said so
    tried = {account for stacks in cloud.stacks.values() for account in stacks}
    for account in cloud.accounts_of(str(aggregator_id)):
        if account not in tried:
            yield f"the evaluation begins, and there is no role {role} in {account}"
    if not cloud.by("alicloud_ram_role_policy_attachment", "role_name", role):
        yield f"the evaluation begins, and {role} of the management account may do nothing yet"


@_refuses("create", "config_remediation", "config_aggregate_remediation")
def _remediation(cloud: Cloud, values: Values) -> str:
    """Page: the function is there."""
    there = cloud.by("alicloud_fcv3_function", "function_arn", values["remediation_template_id"])
    return "" if there else "FunctionNotFound"


# Events and alarms ----------------------------------------------------------------------------------------


@_refuses("create", "event_bridge_rule")
@_refuses("update", "event_bridge_rule")
def _target(cloud: Cloud, values: Values) -> str:
    """Page "Event target parameters": which keys a target has; page "Service-linked roles": what must be there."""
    for target in values["targets"]:
        said = {one["resource_key"]: one for one in target["param_list"]}
        if target["type"] != "acs.fc.function":
            continue
        if missing := {"functionName", "Body", "Qualifier", "InvocationType", "DataFormat"} - said.keys():
            return f"InvalidArgument: the target lacks {', '.join(sorted(missing))}"
        if "serviceName" in said or ":services/" in target["endpoint"]:
            return "InvalidArgument: a service is of Function Compute 2"
        if said["InvocationType"]["value"] != "Async":
            return "a synchronous call has neither Function Compute's retries nor its dead letter"
        if not cloud.by("alicloud_fcv3_function", "function_arn", target["endpoint"]):
            return "FunctionNotFound"
    made = [one["product_name"] for one in cloud.all("alicloud_event_bridge_service_linked_role")]
    missing_roles = {_SOURCE, _TO_FC, _TO_MNS} - {*made, *cloud.setting.service_linked_roles}
    return f"NoPermission: there is no {', '.join(sorted(missing_roles))}" if missing_roles else ""


@_refuses("delete", "event_bridge_service_linked_role")
def _linked(cloud: Cloud, values: Values) -> str:
    """RAM: a service-linked role goes after what needs it."""
    return "DeleteConflict: rules need it" if cloud.all("alicloud_event_bridge_rule") else ""


@_refuses("create", "sls_alert")
@_refuses("update", "sls_alert")
def _alert(cloud: Cloud, values: Values) -> str:
    """SDK AlertConfiguration: "This parameter is required"; and one that is not enabled never fires."""
    said = values["configuration"][0]
    wanted = ("threshold", "no_data_fire", "send_resolved", "auto_annotation", "dashboard", "version",
              "query_list", "severity_configurations", "group_configuration")  # fmt: skip
    if missing := [key for key in wanted if said.get(key) in (None, [], "")]:
        return f"ParameterInvalid: the alert lacks {', '.join(missing)}"
    return "" if values.get("status") == "ENABLED" else "the alert is not enabled"


@_refuses("create", "cms_alarm")
def _contacts(cloud: Cloud, values: Values) -> str:
    """Page: contact groups exist."""
    unknown = set(values["contact_groups"]) - set(cloud.setting.contact_groups)
    return f"ContactGroupNotFound: {', '.join(sorted(unknown))}" if unknown else ""


# ROS ------------------------------------------------------------------------------------------------------


@_refuses("create", "ros_stack_instances")
def _group(cloud: Cloud, values: Values) -> str:
    """Page: the stack group is there."""
    there = cloud.by("alicloud_ros_stack_group", "stack_group_name", values["stack_group_name"])
    return "" if there else "StackGroupNotFound"


@_refuses("delete", "ros_stack_group")
def _group_in_use(cloud: Cloud, values: Values) -> str:
    """Page: a stack group with stacks is not deleted."""
    left = cloud.stacks.get(values["stack_group_name"], {})
    return f"StackGroupNotEmpty: {', '.join(left)}" if left else ""
