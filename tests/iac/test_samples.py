"""Shapes that public modules and templates of security groups have, written anew: nothing of theirs but the shape."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.iac.hcl import CannotEditError, locals_in, references_in
from tests.iac.command import check, told
from tests.iac.conftest import Workspace
from tests.iac.plans import Plan

MODULE = """
variable "create" { default = true }
variable "existing_group_id" { default = "" }
variable "name" {}
variable "rules" {
  type    = list(map(string))
  default = []
}
variable "cidr_blocks" { default = ["0.0.0.0/0"] }

locals {
  named = {
    ssh   = ["22/22", "tcp"]
    https = ["443/443", "tcp"]
  }
  # made here, or given
  group_id = var.create ? concat(alicloud_security_group.this.*.id, [""])[0] : var.existing_group_id
}

resource "alicloud_security_group" "this" {
  count               = var.create ? 1 : 0
  security_group_name = var.name
}

resource "alicloud_security_group_rule" "by_name" {
  count             = length(var.rules)
  security_group_id = local.group_id
  type              = "ingress"
  ip_protocol       = lookup(var.rules[count.index], "protocol", local.named[var.rules[count.index].rule][1])
  port_range        = local.named[var.rules[count.index].rule][0]
  policy            = lookup(var.rules[count.index], "policy", "accept")
  priority          = lookup(var.rules[count.index], "priority", 1)
  cidr_ip           = element(var.cidr_blocks, count.index)
}

output "group_id" { value = local.group_id }
"""
ROOT = """
module "bastion" {
  source = "./sg"
  name   = "bastion"
  rules  = [
    { rule = "ssh", priority = 2 },
    { rule = "ssh", policy = "drop" },
    { rule = "https" },
  ]
}

module "open" {
  source      = "./sg"
  name        = "open"
  rules       = [{ rule = "ssh" }, { rule = "ssh" }]
  cidr_blocks = ["0.0.0.0/1", "128.0.0.0/1"]
}

resource "alicloud_security_group_rule" "more" {
  security_group_id = module.open.group_id
  type              = "ingress"
  ip_protocol       = "tcp"
  port_range        = "3389/3389"
  cidr_ip           = "8.8.8.0/24"
}
"""


def test_a_module_of_rules_by_name(workspace: Workspace) -> None:
    """Rules by count from a list, their group by a local value: with the source at hand a drop shields in its group."""
    workspace.write(main=ROOT, sg__main=MODULE)
    plan = workspace.plan()
    rule = "alicloud_security_group_rule.by_name"
    assert told(plan) == {
        f"module.bastion.{rule}[0]": "ssh shadowed",
        f"module.open.{rule}[0]": "ssh",
        f"module.open.{rule}[1]": "ssh",
    }
    elsewhere = plan.parents[1] / "plan.json"
    elsewhere.write_text(plan.read_text())
    assert told(elsewhere) == {
        f"module.bastion.{rule}[0]": "ssh",
        f"module.open.{rule}[0]": "ssh",
        f"module.open.{rule}[1]": "ssh",
        "alicloud_security_group_rule.more": "undetermined",
    }


STACK = """
ROSTemplateFormatVersion: '2015-09-01'
Description: {en: An instance with a web server}
Parameters:
  VpcCidrBlock: {Type: String, Default: 192.168.0.0/16}
  ZoneId: {Type: String}
  Name: {Type: String, Default: web}
  AdminCidr: {Type: String, Default: 0.0.0.0/0, Label: Who may log in}
Metadata:
  ALIYUN::ROS::Interface: {ParameterGroups: []}
Resources:
  Vpc: {Type: ALIYUN::ECS::VPC, Properties: {CidrBlock: !Ref VpcCidrBlock}}
  SecurityGroup:
    Type: ALIYUN::ECS::SecurityGroup
    Properties:
      SecurityGroupName: !Join ['-', [!Ref Name, sg]]
      VpcId: !Ref Vpc
      Tags: [{Key: app, Value: !Ref Name}]
      SecurityGroupEgress:
        - {PortRange: -1/-1, Priority: 1, IpProtocol: all, DestCidrIp: 0.0.0.0/0, NicType: intranet}
      SecurityGroupIngress:
        - {PortRange: 80/80, Priority: 1, IpProtocol: tcp, SourceCidrIp: 0.0.0.0/0, NicType: intranet}
        - {PortRange: 22/22, Priority: 1, IpProtocol: tcp, SourceCidrIp: !Ref AdminCidr, NicType: intranet}
        - {PortRange: -1/-1, Priority: 1, IpProtocol: all, SourceCidrIp: !Ref VpcCidrBlock, NicType: intranet}
  Server:
    Type: ALIYUN::ECS::InstanceGroup
    Properties: {ZoneId: !Ref ZoneId, SecurityGroupId: !Ref SecurityGroup, MaxAmount: 1}
Outputs:
  GroupId: {Value: !GetAtt SecurityGroup.SecurityGroupId}
"""


def test_a_stack_of_one_instance(tmp_path: Path) -> None:
    """A template with a group for its instance: what anybody may log in by is found; with an office it is clean."""
    path = tmp_path / "instance.ros.yml"
    path.write_text(STACK)
    assert told(path) == {"SecurityGroup.SecurityGroupIngress[1]": "ssh"}
    assert check(path, "--parameter", "AdminCidr=203.0.113.0/24").exit_code == 0


def test_local_values_are_read_as_they_are_written() -> None:
    """Names, and all that an expression may refer to: over lines, in texts, by splats and indexes."""
    text = 'locals {\n  a = var.x # local.no\n  b = {\n    c = module.m["k"].id\n  }\n  d = "${data.e.f[0].id}-x"\n}\n'
    found = locals_in(text + "locals {\n g = h.i.*.j[count.index]\n}\n")
    assert {name: references_in(one) for name, one in found.items()} == {
        "a": ["var.x", "local.no"],
        "b": ['module.m["k"].id'],
        "d": ["data.e.f[0].id"],
        "g": ["h.i", "count.index"],
    }


@pytest.mark.parametrize(
    "text", ["locals {\n  a = <<EOT\nx\nEOT\n}\n", "locals {\n  a = 1\n  !\n}\n", "locals {\n  a = [\n"]
)
def test_local_values_that_are_not_understood_are_not_guessed(text: str) -> None:
    """A heredoc, anything odd, no end: none of the folder's is taken."""
    with pytest.raises(CannotEditError):
        locals_in(text)


def test_a_configuration_that_refers_in_circles_ends(tmp_path: Path) -> None:
    """Local values that name each other, twice each: the group cannot be told, and that in no time."""
    plan = Plan().group().rule("ssh", cidr_ip="8.8.8.0/24")
    plan.blocks[-1]["expressions"]["security_group_id"] = {"references": ["local.a0"]}
    lines = "".join(
        [
            f"  a{n} = [local.a{n + 1}, local.b{n + 1}]\n  b{n} = [local.b{n + 1}, local.a{n + 1}]\n"
            for n in range(60)
        ]
    )
    (tmp_path / "main.tf").write_text(f"locals {{\n{lines}  a60 = local.a0\n  b60 = local.a0\n}}\n")
    assert check(plan.write(tmp_path)).exit_code == 3
