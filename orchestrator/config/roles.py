"""The two roles through which one account is entered, to be made by Terraform or by ROS.

They are those of terraform/member, for who has the program and no checkout of it: one that reads, one that reads and
changes. RAM's granularity decides the resources: reading and revoking can be limited to security groups, the others
match only "*".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal

from accounts.settings import OrganizationSettings
from orchestrator.inventory import READ_ACTIONS

Tool = Literal["terraform", "ros"]

_GROUPS = "acs:ecs:*:*:securitygroup/*"
_OF_GROUPS = ("ecs:DescribeSecurityGroups", "ecs:DescribeSecurityGroupAttribute")
_SESSION_SECONDS = 3600  # RAM's default, and least, for MaxSessionDuration

Statement = dict[str, Any]


def statements(*, changes: bool) -> list[Statement]:
    """Return what the reading role may do, or the changing one, which may read, too; ingress only."""
    found = [
        _allow(_OF_GROUPS, _GROUPS),
        _allow([one for one in READ_ACTIONS if one not in _OF_GROUPS], "*"),
    ]
    if changes:
        found.append(_allow(["ecs:RevokeSecurityGroup"], _GROUPS))
        found.append(_allow(["ecs:AuthorizeSecurityGroup", "ecs:ModifySecurityGroupRule"], "*"))
    return found


def roles(tool: Tool, organization: OrganizationSettings, hub_arn: str) -> str:
    """Return the text of a file that makes both roles; the external id is asked for when it is used, never written.

    Args:
        tool: whose file.
        organization: says how the roles are called, and how long a session lives.
        hub_arn: who may enter, by the ARN of GetCallerIdentity: a user, a role or a session of one.
    """
    return (_terraform if tool == "terraform" else _ros)(organization, trusted(hub_arn))


def trusted(arn: str) -> str:
    """Return whom a role's trust has to name for this caller: of a session, the role that it is a session of."""
    head, _, resource = arn.rpartition(":")
    kind, _, name = resource.partition("/")
    return f"{head}:role/{name.partition('/')[0]}" if kind == "assumed-role" else arn


def _allow(actions: Any, resource: str) -> Statement:  # noqa: ANN401 - a list or a tuple of texts
    return {"Effect": "Allow", "Action": list(actions), "Resource": [resource]}


def _both(organization: OrganizationSettings) -> Mapping[str, tuple[str, str, list[Statement]]]:
    return {
        "read": (organization.role, "reads security groups", statements(changes=False)),
        "remediate": (
            organization.remediation_role,
            "reads and changes security group rules",
            statements(changes=True),
        ),
    }


def _trust(arn: str, external_id: object) -> dict[str, Any]:
    return {
        "Version": "1",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": "sts:AssumeRole",
                "Principal": {"RAM": [arn]},
                "Condition": {"StringEquals": {"sts:ExternalId": [external_id]}},
            }
        ],
    }


def _seconds(organization: OrganizationSettings) -> int:
    return max(_SESSION_SECONDS, organization.session_seconds)


def _ros(organization: OrganizationSettings, arn: str) -> str:
    resources = {
        key.capitalize(): {
            "Type": "ALIYUN::RAM::Role",
            "Properties": {
                "RoleName": name,
                "Description": f"sgsweep {does} from the hub.",
                "AssumeRolePolicyDocument": _trust(arn, {"Ref": "ExternalId"}),
                "MaxSessionDuration": _seconds(organization),
                "DeletionForce": True,
                "Policies": [{"PolicyName": name, "PolicyDocument": {"Version": "1", "Statement": allowed}}],
            },
        }
        for key, (name, does, allowed) in _both(organization).items()
    }
    template = {
        "ROSTemplateFormatVersion": "2015-09-01",
        "Description": "The roles through which sgsweep enters a member account.",
        "Parameters": {
            "ExternalId": {
                "Type": "String",
                "NoEcho": True,
                "MinLength": 8,
                "MaxLength": 128,
                "Description": "What the hub must present: the value of its SGSWEEP_EXTERNAL_ID.",
            }
        },
        "Resources": resources,
        "Outputs": {f"{key}RoleArn": {"Value": {"Fn::GetAtt": [key, "Arn"]}} for key in resources},
    }
    return json.dumps(template, indent=2) + "\n"


_HEAD = """\
# The roles through which sgsweep enters a member account, made by `sgsweep init`. Apply this in each member; for all of
# a Resource Directory at once, the stack group in terraform/member/stack-group of sgsweep's repository does it.
# The external id is a secret between the accounts: TF_VAR_external_id here, SGSWEEP_EXTERNAL_ID for sgsweep.

terraform {
  required_providers {
    alicloud = {
      source = "aliyun/alicloud"
    }
  }
}

variable "external_id" {
  description = "What the hub must present: the value of its SGSWEEP_EXTERNAL_ID."
  type        = string
  sensitive   = true
}
"""

_ROLE = """
resource "alicloud_ram_role" "{key}" {{
  role_name                   = {name}
  description                 = {does}
  max_session_duration        = {seconds}
  assume_role_policy_document = jsonencode({trust})
}}

resource "alicloud_ram_policy" "{key}" {{
  policy_name     = {name}
  policy_document = jsonencode({policy})
}}

resource "alicloud_ram_role_policy_attachment" "{key}" {{
  role_name   = alicloud_ram_role.{key}.role_name
  policy_name = alicloud_ram_policy.{key}.policy_name
  policy_type = "Custom"
}}
"""


def _terraform(organization: OrganizationSettings, arn: str) -> str:
    variable = '"@external_id"'
    blocks = [
        _ROLE.format(
            key=key,
            name=json.dumps(name),
            does=json.dumps(f"sgsweep {does} from the hub."),
            seconds=_seconds(organization),
            trust=_indented(_trust(arn, "@external_id")).replace(variable, "var.external_id"),
            policy=_indented({"Version": "1", "Statement": allowed}),
        )
        for key, (name, does, allowed) in _both(organization).items()
    ]
    return _HEAD + "".join(blocks)


def _indented(document: object) -> str:
    """Return the document as an expression of HCL, which takes JSON as it is; nothing of it is a template there."""
    return json.dumps(document, indent=2).replace("${", "$${").replace("%{", "%%{").replace("\n", "\n  ")
