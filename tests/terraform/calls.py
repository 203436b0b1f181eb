"""What the provider does for each resource type, as the RAM actions that its code needs.

Facts of aliyun/terraform-provider-alicloud at commit 81c43b67 (1.289, 2026-08): the create, read, update and delete
code of each resource, and the service functions that it calls. A create ends with a read, and a read that is denied
fails the create, so every read counts. What the provider calls only for arguments that the modules never set is left
out (moving to another resource group, `force`, disabling). Where an API's name and its action differ, the action stands
here.
"""

from __future__ import annotations

from typing import NamedTuple


class Calls(NamedTuple):
    """The actions of a type's create (with the read that follows), read, update and delete."""

    create: tuple[str, ...]
    read: tuple[str, ...]
    update: tuple[str, ...] = ()
    delete: tuple[str, ...] = ()


def _of(service: str, create: str, read: str, update: str = "", delete: str = "") -> Calls:
    """Return the calls of one service, given as words."""
    said = (tuple(f"{service}:{word}" for word in text.split()) for text in (create, read, update, delete))
    return Calls(*said)


_TAGS = "TagResources UntagResources"
# the new bucket's name is looked for among all of them, before it is made and before it is deleted
_BUCKET = (
    "GetBucketInfo GetBucketCors GetBucketWebsite GetBucketLogging GetBucketReferer GetBucketLifecycle GetBucketPolicy "
    "GetBucketTagging GetBucketTransferAcceleration GetBucketResourceGroup"
)
CALLS: dict[str, Calls] = {
    "data alicloud_caller_identity": Calls((), ()),  # GetCallerIdentity needs no right
    "data alicloud_config_aggregators": _of("config", "", "ListAggregators"),
    "data alicloud_config_configuration_recorders": _of("config", "", "DescribeConfigurationRecorder"),
    "data alicloud_ram_roles": _of("ram", "", "ListRoles GetRole"),
    "data alicloud_resource_manager_accounts": _of("resourcemanager", "", "ListAccounts"),
    "data alicloud_resource_manager_delegated_administrators": _of(
        "resourcemanager", "", "ListDelegatedAdministrators"
    ),
    "data alicloud_ros_stack_instances": _of("ros", "", "ListStackInstances"),
    "alicloud_cms_alarm": _of(
        "cms",
        "PutResourceMetricRule EnableMetricRules",
        "DescribeMetricRuleList DescribeMetricRuleTargets",
        "PutResourceMetricRule",
        "DeleteMetricRules",
    ),
    "alicloud_config_aggregate_config_rule": _of(
        "config",
        "CreateAggregateConfigRule",
        "GetAggregateConfigRule",
        "UpdateAggregateConfigRule",
        "DeleteAggregateConfigRules",
    ),
    "alicloud_config_aggregate_remediation": _of(
        "config",
        "CreateAggregateRemediation",
        "DescribeAggregateRemediation",
        "UpdateAggregateRemediation",
        "DeleteAggregateRemediations",
    ),
    "alicloud_config_aggregator": _of(
        "config", "CreateAggregator", "GetAggregator", "UpdateAggregator", "DeleteAggregators"
    ),
    "alicloud_config_remediation": _of(
        "config", "CreateRemediation", "DescribeRemediation", "UpdateRemediation", "DeleteRemediations"
    ),
    "alicloud_config_rule": _of(
        "config", "CreateConfigRule", "GetConfigRule", "UpdateConfigRule", "DeleteConfigRules"
    ),
    "alicloud_event_bridge_rule": _of(
        "eventbridge", "CreateRule", "GetRule", "UpdateRule PutTargets EnableRule", "DeleteRule"
    ),
    # CreateServiceLinkedRoleForProduct itself asks for no right (its page); making the role does
    "alicloud_event_bridge_service_linked_role": _of(
        "ram", "CreateServiceLinkedRole", "", "", "DeleteServiceLinkedRole"
    ),
    "alicloud_fcv3_async_invoke_config": _of(
        "fc",
        "PutAsyncInvokeConfig",
        "GetAsyncInvokeConfig",
        "PutAsyncInvokeConfig",
        "DeleteAsyncInvokeConfig",
    ),
    "alicloud_fcv3_concurrency_config": _of(
        "fc",
        "PutConcurrencyConfig",
        "GetConcurrencyConfig",
        "PutConcurrencyConfig",
        "DeleteConcurrencyConfig",
    ),
    "alicloud_fcv3_function": Calls(
        # the role is handed to Function Compute
        ("fc:CreateFunction", "ram:PassRole"),
        ("fc:GetFunction",),
        ("fc:UpdateFunction", "fc:TagResources", "fc:UntagResources"),
        ("fc:DeleteFunction",),
    ),
    "alicloud_log_project": _of(
        "log",
        "CreateProject",
        "GetProject ListTagResources GetProjectPolicy",
        f"UpdateProject {_TAGS}",
        "DeleteProject",
    ),
    "alicloud_log_store": _of(
        "log",
        "CreateLogStore",
        "GetLogStore GetLogStoreMeteringMode ListShards",
        "UpdateLogStore",
        "DeleteLogStore",
    ),
    "alicloud_log_store_index": _of("log", "CreateIndex", "GetIndex", "UpdateIndex", "DeleteIndex"),
    "alicloud_message_service_queue": _of(
        "mns", "CreateQueue", "GetQueueAttributes", f"SetQueueAttributes {_TAGS}", "DeleteQueue"
    ),
    "alicloud_oss_bucket": _of(
        "oss",
        "ListBuckets PutBucket",
        _BUCKET,
        "PutBucketTagging DeleteBucketTagging",
        "ListBuckets DeleteBucket",
    ),
    "alicloud_oss_bucket_acl": _of("oss", "PutBucketAcl", "GetBucketAcl", "PutBucketAcl"),
    "alicloud_oss_bucket_object": _of(
        "oss", "PutObject PutObjectAcl", "GetObject", "PutObject PutObjectAcl", "GetObject DeleteObject"
    ),
    "alicloud_oss_bucket_public_access_block": _of(
        "oss",
        "PutBucketPublicAccessBlock",
        "GetBucketPublicAccessBlock",
        "PutBucketPublicAccessBlock",
        "DeleteBucketPublicAccessBlock",
    ),
    "alicloud_oss_bucket_server_side_encryption": _of(
        "oss", "PutBucketEncryption", "GetBucketEncryption", "PutBucketEncryption", "DeleteBucketEncryption"
    ),
    "alicloud_oss_bucket_worm": _of(
        "oss",
        "InitiateBucketWorm CompleteBucketWorm",
        "GetBucketWorm",
        "ExtendBucketWorm",
        "AbortBucketWorm",
    ),
    "alicloud_ram_policy": _of(
        "ram",
        "CreatePolicy",
        "GetPolicy ListTagResources",
        f"CreatePolicyVersion UpdatePolicyDescription ListPolicyVersions DeletePolicyVersion {_TAGS}",
        "ListPolicyVersions DeletePolicyVersion DeletePolicy",
    ),
    "alicloud_ram_role": _of(
        "ram", "CreateRole", "GetRole ListTagResources", f"UpdateRole {_TAGS}", "DeleteRole"
    ),
    "alicloud_ram_role_policy_attachment": _of(
        "ram", "AttachPolicyToRole", "ListPoliciesForRole", "", "DetachPolicyFromRole"
    ),
    "alicloud_resource_manager_delegated_administrator": _of(
        "resourcemanager",
        "RegisterDelegatedAdministrator",
        "ListDelegatedAdministrators",
        "",
        "DeregisterDelegatedAdministrator",
    ),
    "alicloud_ros_stack_group": _of(
        "ros",
        "CreateStackGroup",
        "GetStackGroup ListTagResources GetTemplate",
        f"UpdateStackGroup {_TAGS}",
        "DeleteStackGroup",
    ),
    "alicloud_ros_stack_instances": _of(
        "ros",
        "CreateStackInstances GetStackGroupOperation ListStackGroupOperationResults",
        "ListStackInstances",
        "UpdateStackInstances GetStackGroupOperation ListStackGroupOperationResults",
        "DeleteStackInstances GetStackGroupOperation ListStackGroupOperationResults",
    ),
    "alicloud_sls_alert": _of("log", "CreateAlert", "GetAlert", "UpdateAlert EnableAlert", "DeleteAlert"),
}
# what no resource calls: the provider enters the security account by a role before it does anything
PROVIDER = {"sts:AssumeRole"}
