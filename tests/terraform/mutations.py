"""Careless edits of the modules, each of which must make a check fail."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Mutation:
    """Replace `old` by `new` in one file; `example` is where it shows."""

    what: str
    file: str
    old: str
    new: str
    example: str = "single-account"

    def __str__(self) -> str:
        return self.what.replace(" ", "-")

    def apply(self, tree: Path) -> None:
        """Edit the copy; fails where the text is no longer there, so that the list stays true."""
        path = tree / self.file
        text = path.read_text()
        assert text.count(self.old) >= 1, f"{self.file} no longer holds {self.old!r}"
        path.write_text(text.replace(self.old, self.new))


_FUNCTION = "remediation/function/main.tf"
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
    Mutation("log config emptied", _FUNCTION, "= var.settings.logstore", '= ""'),
    Mutation(
        "time-out left at the default",
        _FUNCTION,
        "timeout       = var.settings.timeout_seconds",
        "timeout = 3",
    ),
    Mutation("instances shared", _FUNCTION, "instance_concurrency  = 1", "instance_concurrency = 20"),
    Mutation("handler renamed", "remediation/main.tf", '"index.handler"', '"index.main"'),
    Mutation("code under a fixed name", "remediation/main.tf", "${filesha256(var.zip_path)}", "function"),
    Mutation(
        "ledger dropped", "remediation/main.tf", '"oss://${alicloud_oss_bucket.ledger.bucket}/ledger"', '""'
    ),
    Mutation(
        "ledger versioned",
        "remediation/storage.tf",
        "# The function writes one line",
        """resource "alicloud_oss_bucket_versioning" "ledger" {
  bucket = alicloud_oss_bucket.ledger.bucket
  status = "Enabled"
}
#""",
    ),
    Mutation("ledger public", "remediation/storage.tf", '"private"', '"public-read"'),
    Mutation(
        "public access not blocked",
        "remediation/storage.tf",
        "block_public_access = true",
        "block_public_access = false",
    ),
    Mutation("alarm looks for something else", "remediation/storage.tf", "sgsweep_alarm |", "ERROR |"),
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
        '"ecs:DescribeRegions", ',
        '"ecs:DescribeRegions", "ecs:DescribeDisks", ',
    ),
    Mutation(
        "a right that is missing", "member/policies/main.tf", '"ecs:DescribePrefixListAttributes", ', ""
    ),
    Mutation("any role assumed", "hub/main.tf", "role/sgsweep-*", "role/*", "organization"),
    Mutation(
        "external id dropped",
        "member/main.tf",
        '      Condition = { StringEquals = { "sts:ExternalId" = [var.external_id] } }\n',
        "",
        "organization",
    ),
    Mutation(
        "external id dropped in the stack group",
        "member/stack-group/main.tf",
        '      Condition = { StringEquals = { "sts:ExternalId" = [{ Ref = "ExternalId" }] } }\n',
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
)
