"""Stacks of ROS that Terraform makes: their template is judged within the plan, or they are undetermined."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.emulator.world.model import Group
from tests.cli.in_process import command
from tests.iac.command import check, told
from tests.iac.conftest import MakeScan, Workspace, opened
from tests.iac.plans import PROVIDER, Plan, state, state_group, written

STACK, STACK_GROUP = "alicloud_ros_stack", "alicloud_ros_stack_group"
BODY = json.dumps(
    {
        "ROSTemplateFormatVersion": "2015-09-01",
        "Parameters": {"Source": {"Type": "String", "Default": "10.0.0.0/8"}},
        "Resources": {
            "Web": {
                "Type": "ALIYUN::ECS::SecurityGroup",
                "Properties": {
                    "VpcId": "vpc-1",
                    "SecurityGroupIngress": [
                        {"IpProtocol": "tcp", "PortRange": "22/22", "SourceCidrIp": {"Ref": "Source"}}
                    ],
                },
            }
        },
    }
)
OPEN = [{"parameter_key": "Source", "parameter_value": "0.0.0.0/0"}]
RULE = "Web.SecurityGroupIngress[0]"


def stack(kind: str = STACK, unknown: dict[str, Any] | None = None, **values: Any) -> Plan:
    """A plan of one stack, or stack group, with this template."""
    after = {"template_body": BODY, "template_url": None, "parameters": [], **values}
    return Plan().change(f"{kind}.s", None, after, unknown=unknown or {})


@pytest.mark.parametrize("kind", [STACK, STACK_GROUP])
def test_the_template_of_a_stack_is_judged_with_its_parameters(tmp_path: Path, kind: str) -> None:
    """A default of an office is clean; the same template with 0.0.0.0/0 fails, under the address of the stack."""
    assert check(stack(kind).write(tmp_path)).exit_code == 0
    opened = stack(kind, parameters=OPEN).write(tmp_path)
    assert told(opened) == {f"{kind}.s/{RULE}": "ssh"}
    assert check(opened).exit_code == 1


def test_a_template_in_yaml_is_read_as_well(tmp_path: Path) -> None:
    """The provider takes either."""
    text = "ROSTemplateFormatVersion: '2015-09-01'\nResources:\n  G: {Type: ALIYUN::ECS::SecurityGroup}\n"
    rule = "  R: {Type: ALIYUN::ECS::SecurityGroupIngress, Properties: {SecurityGroupId: !Ref G, IpProtocol: tcp,"
    body = f"{text}{rule} PortRange: 22/22, SourceCidrIp: 0.0.0.0/0}}}}\n"
    assert told(stack(template_body=body).write(tmp_path)) == {f"{STACK}.s/R": "ssh"}


def test_a_stack_is_found_at_the_line_of_its_resource(tmp_path: Path) -> None:
    """The rule stands in a text of the block: the block is where to look."""
    (tmp_path / "main.tf").write_text(f'\n\nresource "{STACK}" "s" {{\n}}\n')
    result = check(stack(parameters=OPEN).write(tmp_path))
    assert f"{tmp_path}/main.tf:3: {STACK}.s/{RULE}: ssh" in result.stdout


@pytest.mark.parametrize(
    ("values", "unknown", "says"),
    [
        ({"template_body": None}, {"template_body": True}, "template_body is not known until apply"),
        ({"template_body": None, "template_url": "oss://b/t.yml"}, {}, "template_url names it"),
        ({"template_body": "not: a template"}, {}, "no template of ROS"),
        ({"template_body": "[1,"}, {}, "is not JSON"),
        ({"parameters": None}, {"parameters": True}, "SourceCidrIp: is not known until apply"),
        (
            {"parameters": [{"parameter_key": "Source"}]},
            {"parameters": [{"parameter_value": True}]},
            "SourceCidrIp: is not known until apply",
        ),
        ({"use_previous_parameters": True}, {}, "SourceCidrIp: is not known until apply"),
        ({"parameters": [{"parameter_key": "Other", "parameter_value": "x"}]}, {}, "no parameter Other"),
    ],
)
def test_what_is_not_known_of_a_stack_is_undetermined(
    tmp_path: Path, values: dict[str, Any], unknown: dict[str, Any], says: str
) -> None:
    """A template elsewhere, one of which only apply tells, a broken one, a parameter that is not known: exit 3."""
    result = check(stack(unknown=unknown, **values).write(tmp_path))
    assert result.exit_code == 3
    assert says in result.stdout
    assert f"{STACK}.s" in result.stdout


def test_a_deferred_stack_is_undetermined(tmp_path: Path) -> None:
    """What Terraform puts off to a later plan is not passed."""
    plan = stack()
    plan.more["deferred_changes"] = [{"reason": "absent_prereq", "resource_change": plan.changes.pop()}]
    plan.group()
    result = check(plan.write(tmp_path))
    assert result.exit_code == 3
    assert "absent_prereq" in result.stdout


@pytest.mark.parametrize(
    ("group", "overrides", "code"), [("all", [], 0), ("all", OPEN, 3), ("other", [], 3), ("all", None, 3)]
)
def test_instances_may_give_a_stack_group_other_parameters(
    tmp_path: Path, group: str, overrides: list[dict[str, str]] | None, code: int
) -> None:
    """By themselves they open what their stack group does; with other parameters, or of another group, nobody knows."""
    plan = stack(STACK_GROUP, stack_group_name="all")
    later = {"parameter_overrides": True} if overrides is None else {}
    plan.change(
        "alicloud_ros_stack_instance.i",
        None,
        {"stack_group_name": group, "parameter_overrides": overrides},
        unknown=later,
    )
    assert check(plan.write(tmp_path)).exit_code == code


def test_a_rule_of_a_stack_joins_the_group_it_names(tmp_path: Path) -> None:
    """Half of the Internet in the plan, the other half by a stack, in one group by its id: both fail."""
    rule = {
        "SecurityGroupId": "sg-1",
        "IpProtocol": "tcp",
        "PortRange": "22/22",
        "SourceCidrIp": "128.0.0.0/1",
    }
    resources = {"High": {"Type": "ALIYUN::ECS::SecurityGroupIngress", "Properties": rule}}
    body = json.dumps({"ROSTemplateFormatVersion": "2015-09-01", "Resources": resources})
    plan = stack(template_body=body).rule("low", cidr_ip="0.0.0.0/1", security_group_id="sg-1")
    found = told(plan.write(tmp_path))
    assert {f"{STACK}.s/High", "alicloud_security_group_rule.low"} == found.keys()
    assert all("ssh" in how for how in found.values())


def test_only_what_a_stack_newly_opens_is_told(tmp_path: Path) -> None:
    """A stack that stood with the same template opens nothing new; one whose parameter changes does."""
    before = {"template_body": BODY, "parameters": OPEN}
    same = Plan().change(f"{STACK}.s", before, before)
    assert check(same.write(tmp_path), "--only-new").exit_code == 0
    assert check(same.write(tmp_path)).exit_code == 1
    wider = Plan().change(f"{STACK}.s", {**before, "parameters": []}, before)
    assert check(wider.write(tmp_path), "--only-new").exit_code == 1


MAIN = """
variable "office" { default = "203.0.113.0/24" }
resource "alicloud_security_group" "web" {
  security_group_name = "web"
}
resource "alicloud_ros_stack" "s" {
  for_each   = { office = var.office, anyone = "0.0.0.0/0" }
  stack_name = each.key
  parameters {
    parameter_key   = "Source"
    parameter_value = each.value
  }
  template_body = file("${path.module}/web.json")
}
resource "alicloud_ros_stack" "joins" {
  stack_name    = "joins"
  template_body = templatefile("${path.module}/joins.json", { group_id = alicloud_security_group.web.id })
}
"""


def test_a_real_plan_of_stacks(workspace: Workspace) -> None:
    """Templates by `file`, parameters by `for_each`, and one that only apply tells, for it holds a group's id."""
    (workspace.folder / "web.json").write_text(BODY)
    (workspace.folder / "joins.json").write_text('{"id": "${group_id}"}')
    workspace.write(main=MAIN)
    assert told(workspace.plan()) == {
        f'{STACK}.s["anyone"]/{RULE}': "ssh",
        f"{STACK}.joins": "undetermined",
    }


def test_a_rule_of_a_stack_is_patched_in_its_template(tmp_path: Path, scanned: MakeScan) -> None:
    """A stack of the state adds a rule to a group by its id: it is told where to change it, and no block is made up."""
    rule = {"SecurityGroupId": "sg-1", "IpProtocol": "tcp", "PortRange": "22/22", "SourceCidrIp": "0.0.0.0/0"}
    resources = {"Ssh": {"Type": "ALIYUN::ECS::SecurityGroupIngress", "Properties": rule}}
    body = json.dumps({"ROSTemplateFormatVersion": "2015-09-01", "Resources": resources})
    made = {
        "address": f"{STACK}.s",
        "type": STACK,
        "name": "s",
        "provider_name": PROVIDER,
        "values": {"template_body": body, "parameters": []},
    }
    standing = Group(security_group_id="sg-1", vpc_id="vpc-1", rules=(opened("sgr-1", "22/22", "0.0.0.0/0"),))
    file = written(tmp_path, state(state_group("web"), made), "state.json")
    result = command("patch", scanned(standing), "--state", file)
    assert result.exit_code == 3
    assert f"it stands in the template of {STACK}.s: change it there" in result.stderr
    assert result.stdout == ""
