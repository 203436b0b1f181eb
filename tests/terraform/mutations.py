"""Careless edits of the modules, each of which must make a check fail."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Mutation:
    """Replace `old` by `new` in one file; `example`, with `variables`, is where it shows.

    It shows in what is made; or by a text with which the API refuses the apply (`refused`); or in a scenario of
    `scenarios` that no longer ends as it should.
    """

    what: str
    file: str
    old: str
    new: str
    example: str = "single-account"
    refused: str = ""
    scenario: str = ""
    variables: dict[str, str] = field(default_factory=dict)
    also: tuple[str, str] = ("", "")

    def __str__(self) -> str:
        return self.what.replace(" ", "-")

    def apply(self, tree: Path) -> None:
        """Edit the copy; fails where the text is no longer there, so that the list stays true."""
        path = tree / self.file
        text = path.read_text()
        for old, new in ((self.old, self.new), self.also):
            assert old in text, f"{self.file} no longer holds {old!r}"
            text = text.replace(old, new) if old else text
        path.write_text(text)


_FUNCTION = "remediation/function/main.tf"
_RECORDS, _ALARM = "remediation/records/main.tf", "remediation/records.tf"
_OPERATOR = "operator-policy.json"
_RULES, _ROLL_OUT = "remediation/rules.tf", "member/stack-group/main.tf"
_EVENTS = {"event_path": "true"}
_DEAD_LETTER = """  destination_config {
    on_failure {
      destination = var.settings.dead_letter
    }
  }
"""
MUTATIONS = (
    Mutation("dead letter dropped", _FUNCTION, _DEAD_LETTER, ""),
    Mutation(
        "retries dropped", _FUNCTION, "max_async_retry_attempts       = 2", "max_async_retry_attempts = 0"
    ),
    Mutation("log config emptied", _FUNCTION, "= var.settings.logstore", '= ""', refused="LogStoreNotExist"),
    Mutation(
        "time-out left at the default",
        _FUNCTION,
        "= var.settings.timeout_seconds",
        "= 3",
    ),
    Mutation("instances shared", _FUNCTION, "instance_concurrency  = 1", "instance_concurrency = 20"),
    Mutation("handler renamed", "remediation/main.tf", '"index.handler"', '"index.main"'),
    Mutation("ledger dropped", "remediation/main.tf", '"oss://${module.records.bucket}/ledger"', '""'),
    Mutation(
        "ledger versioned",
        _RECORDS,
        "# Once locked, nobody",
        """resource "alicloud_oss_bucket_versioning" "ledger" {
  bucket = alicloud_oss_bucket.ledger.bucket
  status = "Enabled"
}
#""",
    ),
    Mutation("ledger public", _RECORDS, '"private"', '"public-read"'),
    Mutation(
        "public access not blocked",
        _RECORDS,
        "block_public_access = true",
        "block_public_access = false",
    ),
    Mutation("alarm looks for something else", _ALARM, "sgsweep_alarm or", "ERROR or"),
    Mutation("log kept for a month", "remediation/variables.tf", "default     = 365", "default     = 30"),
    Mutation("mode changed", "examples/single-account/main.tf", '= "plan"', '= "apply"'),
    Mutation(
        "mode changed everywhere", "examples/organization/main.tf", '= "plan"', '= "apply"', "organization"
    ),
    Mutation(
        "invoke type flipped", "examples/single-account/main.tf", '= "MANUAL_EXECUTION"', '= "AUTO_EXECUTION"'
    ),
    Mutation(
        "aggregate invoke type flipped",
        "examples/organization/main.tf",
        '= "MANUAL_EXECUTION"',
        '= "AUTO_EXECUTION"',
        "organization",
    ),
    Mutation(
        "events on by default", "examples/single-account/main.tf", "default     = false", "default     = true"
    ),
    Mutation(
        "rule no longer critical", "remediation/rules.tf", "risk_level                  = 1", "risk_level = 3"
    ),
    Mutation(
        "rule only on a schedule",
        "remediation/rules.tf",
        '"ConfigurationItemChangeNotification"',
        '"ScheduledNotification"',
    ),
    Mutation("custom rule never on a schedule", "remediation/rules.tf", ",ScheduledNotification", ""),
    Mutation("an action widened", "member/policies/main.tf", '"ecs:RevokeSecurityGroup"', '"ecs:*"'),
    Mutation("every action", "remediation/role.tf", '"oss:PutObject", "oss:GetObject"', '"*"'),
    Mutation(
        "the whole bucket writable", "remediation/role.tf", "${local.bucket}/ledger/*", "${local.bucket}/*"
    ),
    Mutation(
        "revoke on everything",
        "member/policies/main.tf",
        'var.egress ? ["ecs:RevokeSecurityGroupEgress"] : [])\n      Resource = local.groups',
        "[])\n      Resource = local.anywhere",
    ),
    Mutation(
        "authorize on groups, which never matches",
        "member/policies/main.tf",
        'var.egress ? ["ecs:AuthorizeSecurityGroupEgress"] : [])\n      Resource = local.anywhere',
        "[])\n      Resource = local.groups",
    ),
    Mutation(
        "a right that is never used",
        "member/policies/main.tf",
        '"ecs:DescribeRegions"',
        '"ecs:DescribeRegions", "ecs:DescribeDisks"',
    ),
    Mutation(
        "a right that is missing", "member/policies/main.tf", '"ecs:DescribePrefixListAttributes", ', ""
    ),
    Mutation("any role assumed", "hub/main.tf", "role/${var.prefix}-read", "role/*", "organization"),
    Mutation(
        "the roles of others assumed",
        "hub/main.tf",
        "role/${var.prefix}-read",
        "role/sgsweep-*",
        "organization",
    ),
    Mutation(
        "external id dropped",
        "member/main.tf",
        '      Condition = { StringEquals = { "sts:ExternalId" = local.external_ids } }\n',
        "",
        "organization",
    ),
    Mutation(
        "external id dropped in the stack group",
        "member/stack-group/main.tf",
        '      Condition = { StringEquals = { "sts:ExternalId" = local.external_ids } }\n',
        "",
        "organization",
    ),
    Mutation(
        "new members left out",
        "member/stack-group/main.tf",
        "enabled                          = true",
        "enabled = false",
        "organization",
    ),
    Mutation(
        "stacks in two regions",
        "member/stack-group/main.tf",
        "[var.region_id]",
        '[var.region_id, "cn-beijing"]',
        "organization",
    ),
    # Who applies
    *(
        Mutation(f"{what} not allowed", _OPERATOR, old, new, scenario="operator")
        for what, old, new in (
            ("looking for the bucket", '"oss:ListBuckets"', '"oss:GetBucketInfo"'),
            ("a read of the bucket", '"oss:GetBucketTransferAcceleration", ', ""),
            ("the read after a remediation", '"config:DescribeRemediation", ', ""),
            ("the read after a log", '"log:ListShards", ', ""),
            ("the alarm's switch", '"log:EnableAlert", ', ""),
            ("the result of a roll-out", ', "ros:ListStackGroupOperationResults"', ""),
            ("the security account's role", '"sts:AssumeRole"', '"sts:GetCallerIdentity"'),
            ("a service-linked role", '"ram:CreateServiceLinkedRole", ', ""),
            ("another prefix's role", "role/sgsweep*-judge", "role/sgsweep-judge"),
            ("buckets by their names only", "acs:oss:*:*:*", "acs:oss:*:*:sgsweep*"),
        )
    ),
    Mutation(
        "a right too many",
        _OPERATOR,
        '"log:ListShards", ',
        '"log:ListShards", "log:GetLogs", ',
        scenario="operator",
    ),
    # Order
    *(
        Mutation(
            f"a rule that knows its function's name only, {example}",
            _RULES,
            "identifier = module.evaluate.arn",
            'identifier = "acs:fc:${var.region_id}:${local.account_id}:functions/${var.prefix}-evaluate"',
            scenario=f"order of {example}",
        )
        for example in ("single-account", "organization")
    ),
    Mutation(
        "functions do not wait for their rights",
        "remediation/main.tf",
        "[alicloud_ram_role_policy_attachment.this, alicloud_oss_bucket_object.exemptions]",
        "[alicloud_oss_bucket_object.exemptions]",
        scenario="order of single-account",
    ),
    Mutation(
        "the role's name without the role",
        "member/stack-group/outputs.tf",
        "  depends_on  = [terraform_data.rolled_out]\n",
        "",
        scenario="order of organization",
    ),
    Mutation(
        "the management account's role without its rights",
        "member/outputs.tf",
        "  depends_on  = [alicloud_ram_role_policy_attachment.this]\n",
        "",
        scenario="order of organization",
    ),
    Mutation(
        "the hub's role without its rights",
        "hub/outputs.tf",
        "  depends_on  = [alicloud_ram_role_policy_attachment.this]\n",
        "",
        scenario="order of organization",
    ),
    Mutation(
        "a module that waits",
        "examples/organization/main.tf",
        "  external_id = var.external_id\n",
        "  external_id = var.external_id\n  depends_on  = [module.management]\n",
        scenario="order of organization",
    ),
    Mutation(
        "event rule does not wait for the service-linked roles",
        _RULES,
        "  depends_on = [alicloud_event_bridge_service_linked_role.this]\n",
        "",
        scenario="order of single-account",
    ),
    Mutation(
        "the records' names before they are safe",
        _RECORDS,
        "  depends_on  = [alicloud_log_store_index.this]\n",
        "",
        scenario="order of single-account",
    ),
    # Roll-out to members
    Mutation(
        "an interrupted roll-out is stumbled over",
        _ROLL_OUT,
        '  deployment_options = ["IgnoreExisting"]\n',
        "",
        scenario="a_member_fails",
    ),
    Mutation(
        "a member that failed is not missed",
        _ROLL_OUT,
        'if one.status != "CURRENT" &&',
        'if one.status == "BROKEN" &&',
        scenario="a_member_fails",
    ),
    Mutation(
        "no going on without a member",
        _ROLL_OUT,
        " && !contains(var.left_out_account_ids, one.stack_instance_account_id)",
        "",
        scenario="a_role_is_there_already",
    ),
    Mutation(
        "all folders in one target",
        _ROLL_OUT,
        "rd_folder_ids = [each.value]",
        "rd_folder_ids = var.folder_ids",
        scenario="other_folders",
    ),
    Mutation(
        "what is left is not said",
        "member/stack-group/outputs.tf",
        "one.stack_instance_account_id => one.status }",
        'one.stack_instance_account_id => one.status if one.status == "BROKEN" }',
        scenario="a_narrowing_leaves_something",
    ),
    Mutation(
        "only the new external id accepted",
        _ROLL_OUT,
        "concat([var.external_id], var.other_external_ids)",
        "[var.external_id]",
        scenario="another_external_id",
    ),
    Mutation(
        "the order of the external ids tells which is in use",
        _ROLL_OUT,
        "sort(distinct(concat([var.external_id], var.other_external_ids)))",
        "concat([var.external_id], var.other_external_ids)",
        scenario="another_external_id",
    ),
    Mutation(
        "a change left to ROS's own update",
        _ROLL_OUT,
        '  operation_description = "${var.prefix} roles ${local.version}, attempt ${var.attempt}"\n',
        "",
        scenario="another_external_id",
    ),
    Mutation(
        "a failed change forgotten",
        _ROLL_OUT,
        "length(local.behind) == 0 || ",
        "length(local.behind) >= 0 || ",
        scenario="a_change_fails_in_a_member",
    ),
    Mutation(
        "success while a member keeps the old trust",
        _ROLL_OUT,
        "length(local.behind) == 0 || terraform_data.version.id",
        "length(local.behind) >= 0 || terraform_data.version.id",
        scenario="a_changed_trust_fails_in_a_member",
    ),
    Mutation(
        "a trust that is as it was at first passes for unchanged",
        _ROLL_OUT,
        "terraform_data.version.id",
        "local.version",
        scenario="a_changed_trust_fails_in_a_member",
    ),
    Mutation(
        "a first roll-out that fails in a member stops everything",
        _ROLL_OUT,
        " || terraform_data.version.id == terraform_data.first_version.output",
        "",
        scenario="a_member_fails",
    ),
    Mutation(
        "an external id that nobody accepts",
        "examples/organization/main.tf",
        "strcontains(one.assume_role_policy_document, var.external_id)",
        "length(var.external_id) > 0",
        scenario="another_external_id",
    ),
    Mutation(
        "external id behind a parameter that is read back as asterisks",
        _ROLL_OUT,
        "  auto_deployment {",
        """  parameters {
    parameter_key   = "ExternalId"
    parameter_value = var.external_id
  }

  auto_deployment {""",
        scenario="organization",
        also=(
            "    Resources = {\n",
            '    Parameters = { ExternalId = { Type = "String", NoEcho = true } }\n    Resources = {\n',
        ),
    ),
    # An existing landing zone
    Mutation(
        "a second global group",
        "examples/organization/main.tf",
        "!local.everywhere || length(local.global_groups) == 0",
        "length(local.global_groups) >= 0",
        scenario="an_existing_landing_zone",
    ),
    Mutation(
        "a group of too many members",
        "examples/organization/main.tf",
        "length(data.alicloud_resource_manager_accounts.all.ids) <= var.aggregator_members",
        "length(data.alicloud_resource_manager_accounts.all.ids) >= 0",
        scenario="an_existing_landing_zone",
    ),
    Mutation(
        "a delegation taken for granted",
        "examples/organization/main.tf",
        "contains([for one in self.administrators : one.account_id], var.security_account_id)",
        "length(self.administrators) >= 0",
        scenario="an_existing_landing_zone",
    ),
    Mutation(
        "Cloud Config taken for on",
        "remediation/main.tf",
        'one.status == "REGISTERED"',
        'one.status != ""',
        scenario="an_existing_landing_zone",
    ),
    Mutation(
        "everybody evaluated, some with roles",
        "examples/organization/main.tf",
        'local.everywhere ? "RD" : "FOLDER"',
        '"RD"',
        scenario="other_folders",
    ),
    # EventBridge
    *(
        Mutation(
            f"event target without {key}",
            _RULES,
            line,
            "",
            refused=f"the target lacks {key}",
            variables=_EVENTS,
        )
        for key, line in (
            ("InvocationType", '        InvocationType = "Async"\n'),
            ("DataFormat", '        DataFormat     = "Object"\n'),
        )
    ),
    Mutation(
        "events delivered synchronously",
        _RULES,
        'InvocationType = "Async"',
        'InvocationType = "Sync"',
        refused="neither Function Compute's retries nor its dead letter",
        variables=_EVENTS,
    ),
    Mutation(
        "a service-linked role forgotten",
        "examples/single-account/main.tf",
        ', "AliyunServiceRoleForEventBridgeSendToMNS"',
        "",
        refused="NoPermission: there is no AliyunServiceRoleForEventBridgeSendToMNS",
        variables=_EVENTS,
    ),
    Mutation(
        "service-linked roles made whatever is there",
        "remediation/rules.tf",
        "var.event_path ? var.service_linked_roles : []",
        'var.event_path ? ["AliyunServiceRoleForEventBridgeSendToFC"] : []',
        scenario="linked_roles_are_there",
    ),
    # The alarm
    *(
        Mutation(f"alarm without {key}", _ALARM, line, "", refused=f"the alert lacks {key}")
        for key, line in (
            ("threshold", "    threshold       = 1\n"),
            ("no_data_fire", "    no_data_fire    = false\n"),
            ("send_resolved", "    send_resolved   = true\n"),
            ("auto_annotation", "    auto_annotation = true\n"),
            ("dashboard", '    dashboard       = "internal-alert-analysis"\n'),
        )
    ),
    Mutation("alarm not enabled", _ALARM, '"ENABLED"', '"DISABLED"', refused="not enabled"),
    Mutation("nobody asked who is told", _ALARM, "= var.action_policy_id", '= "sls.builtin"'),
    Mutation("a function that cannot start is not missed", _ALARM, " or hasFunctionError: true", ""),
    Mutation("the alarm's field not indexed", _RECORDS, '"hasFunctionError", ', ""),
    Mutation("the dead letter not watched", _ALARM, '"ActiveMessages"', '"DelayMessages"'),
    Mutation(
        "somebody else told",
        _ALARM,
        "= var.alarm_contact_groups",
        '= ["everybody"]',
        refused="ContactGroupNotFound",
    ),
    Mutation(
        "the built-in policy taken",
        "remediation/variables.tf",
        ' && !startswith(var.action_policy_id, "sls.builtin")',
        "",
        scenario="limits",
    ),
    # Limits
    Mutation(
        "4 KB not known at plan",
        "remediation/function/main.tf",
        "var.settings.environment_bytes <= 4096",
        "var.settings.environment_bytes > 0",
        scenario="limits",
    ),
    Mutation(
        "exemptions always in the environment",
        "remediation/main.tf",
        "length(base64encode(local.exemptions)) * 3 / 4 > 2000",
        "false",
        scenario="limits",
    ),
    Mutation("names too long", _RECORDS, "length(var.name) <= 63", 'var.name != ""', scenario="limits"),
    Mutation(
        "prefix too long",
        "remediation/variables.tf",
        "length(var.prefix) <= 28",
        'var.prefix != ""',
        scenario="limits",
    ),
    Mutation(
        "a name without the prefix",
        _RULES,
        '"${var.prefix}-sg-risky-ports-check"',
        '"sg-risky-ports-check"',
        scenario="side_by_side",
    ),
    Mutation(
        "the zip through the public host",
        "remediation/variables.tf",
        'default     = "zip_file"',
        'default     = "oss"',
        scenario="a_new_customer_of_oss",
    ),
    Mutation(
        "groups left out of the custom rule",
        _RULES,
        "excluded   = null # ",
        'excluded   = "sg-1" # ',
        refused="ExcludeResourceIdsScope",
    ),
    Mutation(
        "too many reserved instances",
        "remediation/function/main.tf",
        "= var.settings.reserved_concurrency",
        "= 50",
        refused="ResourceExhausted",
    ),
    # Who only looks on
    Mutation(
        "the judge runs under the role that changes",
        "remediation/main.tf",
        "local.judge.arn",
        "local.function.arn",
    ),
    Mutation(
        "the judge enters by the role that changes",
        "remediation/main.tf",
        "SGSWEEP_REMEDIATION_ROLE = local.member.read_role",
        "SGSWEEP_REMEDIATION_ROLE = local.member.member_role",
        "organization",
    ),
    # The end
    Mutation(
        "the ledger can be destroyed",
        _RECORDS,
        "prevent_destroy = true",
        "prevent_destroy = false",
        scenario="organization",
    ),
    Mutation(
        "no lock on the ledger",
        _RECORDS,
        "count = var.lock_days > 0 ? 1 : 0",
        "count = 0",
        scenario="organization",
    ),
)
