"""The owner's patch: the plan's change in the owner's own code, proven by judging the patched code."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from orchestrator.emulator.world.model import Group, Rule, Tag
from orchestrator.iac import CodeJudgement
from orchestrator.iac.patching import Job, Piece, proven
from orchestrator.iac.templates import read_text
from orchestrator.iac.values import Code, DeclaredGroup, DeclaredRule
from orchestrator.policy import Check, parse_port
from tests.cli.in_process import command
from tests.iac.command import check, told
from tests.iac.conftest import MakeScan, Workspace, opened
from tests.iac.plans import state, state_group, state_rule, written
from tests.plan.groups import SSH, decided, judge_of, permission
from tests.plan.groups import group as made_group

RULE = "alicloud_security_group_rule"
MAIN = """# the web tier
variable "anyone" {
  default = "0.0.0.0/0"
}

resource "alicloud_security_group" "web" {
  security_group_name = "web"
  vpc_id              = "vpc-1"
}

# people connect from everywhere
resource "alicloud_security_group_rule" "ssh" {
  security_group_id = alicloud_security_group.web.id
  type              = "ingress"
  ip_protocol       = "tcp"
  port_range        = "22/22" # { not a block
  cidr_ip           = var.anyone
}

resource "alicloud_security_group_rule" "wide" {
  security_group_id = alicloud_security_group.web.id
  type              = "ingress"
  ip_protocol       = "tcp"
  port_range        = "3380/3395"
  cidr_ip           = var.anyone
  description       = "a { in a text, and ${var.anyone}"
}

module "net" {
  source   = "./net"
  group_id = alicloud_security_group.web.id
}
"""
NET = """variable "group_id" {}

resource "alicloud_security_group_rule" "redis" {
  security_group_id = var.group_id
  type              = "ingress"
  ip_protocol       = "tcp"
  port_range        = "6379/6380"
  cidr_ip           = "0.0.0.0/0"
  lifecycle {
    prevent_destroy = false
  }
}
"""


def apply(folder: Path, patch: Path) -> None:
    """Apply a patch as its owner would."""
    git = subprocess.run(  # noqa: S603  (a patch of ours)
        ["git", "apply", str(patch)],  # noqa: S607  (whatever git there is)
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert git.returncode == 0, git.stderr


def in_cloud(found: dict[str, dict[str, object]], group_id: str) -> tuple[Rule, ...]:
    """The rules of a Terraform state as the cloud has them."""
    return tuple(
        opened(str(one["security_group_rule_id"]), str(one["port_range"]), str(one["cidr_ip"]))
        for one in found.values()
        if one.get("security_group_id") == group_id
    )


def values_of(path: Path) -> dict[str, dict[str, object]]:
    """The values of each resource of a state file."""
    root = json.loads(path.read_text())["values"]["root_module"]
    modules = [root, *root.get("child_modules", ())]
    return {one["address"]: one["values"] for module in modules for one in module["resources"]}


def test_terraform_is_split_in_its_own_code(workspace: Workspace, scanned_for_real: MakeScan) -> None:
    """A real state, a scan of it, the patch, a real plan over the patched code: no finding, and nothing else opens."""
    workspace.write(main=MAIN, net__main=NET)
    workspace.plan()
    state_file = workspace.apply()
    values = values_of(state_file)
    group_id = str(values["alicloud_security_group.web"]["id"])
    run = scanned_for_real(
        Group(security_group_id=group_id, vpc_id="vpc-1", name="web", rules=in_cloud(values, group_id))
    )
    result = command("patch", run, "--state", state_file)
    assert result.exit_code == 0, result.stderr
    assert result.stdout == f"{run}/patch/terraform.patch\n"
    apply(workspace.folder, run / "patch" / "terraform.patch")
    text = (workspace.folder / "main.tf").read_text()
    assert "# people connect from everywhere" in text
    assert '"ssh"' not in text
    assert 'port_range        = "3380/3388"' in text
    assert text.count("cidr_ip           = var.anyone") == 2
    assert text.count("a { in a text, and ${var.anyone}") == 2
    assert "depends_on = [alicloud_security_group_rule.wide_2]" in text
    assert text.count("create_before_destroy = true") == 2
    assert "prevent_destroy = false" in (workspace.folder / "net" / "main.tf").read_text()
    plan = workspace.plan()
    assert told(plan) == {}
    assert check(plan).exit_code == 0
    assert told(plan, "--only-new", "--against", run) == {}
    workspace.run("apply", "-input=false", "tfplan")
    made = {str(one["port_range"]) for one in values_of(workspace.state()).values() if "port_range" in one}
    assert made == {"3380/3388", "3390/3395", "6380/6380"}


def test_the_new_rule_stands_before_the_old_one_goes(workspace: Workspace, scanned: MakeScan) -> None:
    """In the order that terraform applies: all that is created comes before the deletion of what it replaces."""
    workspace.write(main=MAIN, net__main=NET)
    workspace.plan()
    state_file = workspace.apply()
    values = values_of(state_file)
    group_id = str(values["alicloud_security_group.web"]["id"])
    run = scanned(
        Group(security_group_id=group_id, vpc_id="vpc-1", name="web", rules=in_cloud(values, group_id))
    )
    command("patch", run, "--state", state_file)
    apply(workspace.folder, run / "patch" / "terraform.patch")
    workspace.plan()
    said = workspace.run("apply", "-input=false", "-no-color", "tfplan")
    order = re.findall(
        rf"{RULE}\.(wide\w*)(?: \(deposed object \w+\))?: (Creation|Destruction) complete", said
    )
    assert order == [("wide_2", "Creation"), ("wide", "Creation"), ("wide", "Destruction")]


def in_state(tmp_path: Path, *rules: dict[str, object]) -> Path:
    """A state of the group sg-1 with these rules."""
    return written(tmp_path, state(state_group("web"), *rules), "state.json")


@pytest.mark.parametrize(
    ("ports", "source", "why"),
    [
        ("80/80", "0.0.0.0/0", "would open something"),
        ("22/22", "0.0.0.0/0", "check ssh would still fail"),
        ("20/21", "0.0.0.0/0", ""),
        ("22/22", "203.0.113.0/24", ""),
    ],
)
def test_no_patch_is_written_that_check_would_not_pass(ports: str, source: str, why: str) -> None:
    """Whatever a change says, the patched code is judged: what opens more, or leaves it open, is refused."""
    before = permission(1, "20/22")
    group = made_group(before)
    (action,) = decided(group).actions
    declared = DeclaredRule(address="r", resource="r", fields=before, group="sg-1", rule_id="sgr-1")
    code = Code(groups={"sg-1": DeclaredGroup(key="sg-1", address="g")}, rules=(declared,))
    checks = (SSH, Check(id="web", ports=(parse_port("80"),)))
    judgement = CodeJudgement(judge_of(*checks), checks)
    job = Job(group, declared, action, (Piece(permission(2, ports, source), stands=False),))
    found = proven([job], code, judgement)
    assert why in found
    assert bool(found) == bool(why)


def test_without_the_source_there_is_a_snippet(tmp_path: Path, scanned: MakeScan) -> None:
    """Only a state: the blocks that are to stand there, with literal values, under the address."""
    run = scanned(
        Group(security_group_id="sg-1", vpc_id="vpc-1", rules=(opened("sgr-1", "20/25", "0.0.0.0/0"),))
    )
    result = command(
        "patch", run, "--state", in_state(tmp_path, state_rule("many", "sgr-1", port_range="20/25"))
    )
    assert result.exit_code == 0
    assert f"# {RULE}.many goes, after these stand:" in result.stdout
    assert f'resource "{RULE}" "many_2"' in result.stdout
    assert 'security_group_id = "sg-1"' in result.stdout
    assert result.stdout.count("create_before_destroy = true") == 2
    assert "name its folder with --code" in result.stderr
    assert not (run / "patch").exists()


def test_a_rule_that_stands_already_is_imported(tmp_path: Path, scanned: MakeScan) -> None:
    """What `apply` has added, or anybody: the code takes it in by an import block, and makes no second one."""
    rules = (
        opened("sgr-1", "20/25", "0.0.0.0/0"),
        opened("sgr-2", "24/25", "0.0.0.0/0"),
    )
    run = scanned(Group(security_group_id="sg-1", vpc_id="vpc-1", rules=rules))
    values = {"port_range": "20/25", "cidr_ip": "0.0.0.0/0"}
    block = "".join([f'  {key} = "{value}"\n' for key, value in values.items()])
    (tmp_path / "main.tf").write_text(f'resource "{RULE}" "many" {{\n  type = "ingress"\n{block}}}\n')
    result = command("patch", run, "--state", in_state(tmp_path, state_rule("many", "sgr-1", **values)))
    assert result.exit_code == 0
    apply(tmp_path, run / "patch" / "terraform.patch")
    imports = (tmp_path / "sgsweep_imports.tf").read_text()
    (name,) = re.findall(rf"to = {RULE}\.(\w+)", imports)
    assert 'id = "sg-1:ingress:tcp:24/25:intranet:0.0.0.0/0:accept:1"' in imports
    block = (tmp_path / "main.tf").read_text().partition(f'"{name}"')[2]
    assert 'port_range = "24/25"' in block


@pytest.mark.parametrize(
    ("block", "why"),
    [
        ("  for_each = toset([])\n", "makes several"),
        ("  count = 3\n", "makes several"),
        ('  port_range = join("/", [\n    20, 25\n  ])\n', "port_range is written over several lines"),
        ("  description = <<EOT\nx\nEOT\n", "heredoc"),
        ("  lifecycle {\n    create_before_destroy = false\n  }\n", "create_before_destroy otherwise"),
    ],
)
def test_what_cannot_be_edited_is_told(tmp_path: Path, scanned: MakeScan, block: str, why: str) -> None:
    """A block that makes several, or is written in a way that is not changed: a snippet, the reason, and no patch."""
    run = scanned(
        Group(security_group_id="sg-1", vpc_id="vpc-1", rules=(opened("sgr-1", "20/25", "0.0.0.0/0"),))
    )
    (tmp_path / "main.tf").write_text(f'resource "{RULE}" "many" {{\n{block}}}\n')
    result = command(
        "patch", run, "--state", in_state(tmp_path, state_rule("many", "sgr-1", port_range="20/25"))
    )
    assert result.exit_code == 0
    assert why in result.stderr
    assert "many_2" in result.stdout
    assert not (run / "patch").exists()


def test_a_module_that_is_called_twice_is_not_changed(tmp_path: Path, scanned: MakeScan) -> None:
    """Its source makes the other call's rules, too: a snippet and the reason."""
    run = scanned(
        Group(security_group_id="sg-1", vpc_id="vpc-1", rules=(opened("sgr-1", "20/25", "0.0.0.0/0"),))
    )
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "main.tf").write_text(f'resource "{RULE}" "many" {{\n  port_range = "20/25"\n}}\n')
    calls = [f'module "{name}" {{\n  source = "./net"\n}}\n' for name in ("a", "b")]
    rule = state_rule("many", "sgr-1", port_range="20/25")
    rule["address"] = f"module.a.{RULE}.many"
    module = {"address": "module.a", "resources": [rule]}
    data = state(state_group("web"))
    data["values"]["root_module"]["child_modules"] = [module]
    file = written(tmp_path, data, "state.json")
    (tmp_path / "main.tf").write_text("".join(calls))
    twice = command("patch", run, "--state", file)
    assert "its module is called more than once" in twice.stderr
    assert f"# module.a.{RULE}.many goes" in twice.stdout
    (tmp_path / "main.tf").write_text(calls[0])
    once = command("patch", run, "--state", file)
    assert once.stdout == f"{run}/patch/terraform.patch\n"
    apply(tmp_path, run / "patch" / "terraform.patch")
    assert 'port_range = "20/21"' in (tmp_path / "net" / "main.tf").read_text()


def test_the_plan_says_to_change_it_in_the_code(scanned: MakeScan) -> None:
    """A group that its name or tags show to be code: each action notes where to change it, and by which command."""
    tags = (Tag("managed-by", "terraform"),)
    rules = (opened("sgr-1", "22/22", "0.0.0.0/0"),)
    run = scanned(Group(security_group_id="sg-1", vpc_id="vpc-1", name="tf-web", tags=tags, rules=rules))
    command("plan", run)
    (action,) = json.loads((run / "plan.json").read_text())["actions"]
    (note,) = action["notes"]
    assert "managed as code by Terraform: change it there too (`sgsweep patch` writes how)" in note


def test_what_the_code_does_not_declare_is_told_apart(tmp_path: Path, scanned: MakeScan) -> None:
    """A rule that somebody added by hand to a group of the code, and a group of other code: neither is in the patch."""
    mine = Group(security_group_id="sg-1", vpc_id="vpc-1", rules=(opened("sgr-1", "22/22", "0.0.0.0/0"),))
    other = Group(security_group_id="sg-2", vpc_id="vpc-1", rules=(opened("sgr-2", "22/22", "0.0.0.0/0"),))
    result = command("patch", scanned(mine, other), "--state", in_state(tmp_path))
    assert result.exit_code == 0
    assert "sg-1 sgr-1: the code does not declare it" in result.stderr
    assert "sg-2" not in result.stderr


def test_a_protected_group_is_left_alone(tmp_path: Path, scanned: MakeScan) -> None:
    """What no plan would change has no patch: it is told with the reason, and exit 3."""
    run = scanned(
        Group(security_group_id="sg-1", vpc_id="vpc-1", rules=(opened("sgr-1", "22/22", "0.0.0.0/0"),))
    )
    config = tmp_path / "my.toml"
    config.write_text('[remediation]\nprotected_groups = ["sg-1"]\n')
    file = in_state(tmp_path, state_rule("ssh", "sgr-1", cidr_ip="0.0.0.0/0"))
    result = command("patch", run, "--state", file, "-c", config)
    assert result.exit_code == 3
    assert "sg-1 sgr-1: left alone: the group is protected" in result.stderr


def test_narrowing_changes_only_the_source(tmp_path: Path, scanned: MakeScan) -> None:
    """With narrow configured, the rule keeps its name and ports, and its source is the office."""
    run = scanned(
        Group(security_group_id="sg-1", vpc_id="vpc-1", rules=(opened("sgr-1", "22/22", "0.0.0.0/0"),))
    )
    config = tmp_path / "my.toml"
    config.write_text(
        '[remediation]\nnarrow_to = ["203.0.113.0/24"]\n[[checks]]\nid = "ssh"\nports = ["tcp/22"]\n'
    )
    (tmp_path / "main.tf").write_text(
        f'resource "{RULE}" "ssh" {{\n  cidr_ip    = "0.0.0.0/0"\n  port_range = "22/22"\n}}\n'
    )
    file = in_state(tmp_path, state_rule("ssh", "sgr-1", cidr_ip="0.0.0.0/0"))
    result = command("patch", run, "--state", file, "-c", config, "--action", "narrow")
    assert result.exit_code == 0, result.stderr
    apply(tmp_path, run / "patch" / "terraform.patch")
    text = (tmp_path / "main.tf").read_text()
    assert '  cidr_ip    = "203.0.113.0/24"\n  port_range = "22/22"\n' in text
    assert "create_before_destroy = true" in text


TEMPLATE = """ROSTemplateFormatVersion: '2015-09-01'
Parameters:
  Anyone: {Type: String, Default: 0.0.0.0/0}
Resources:
  Web:
    Type: ALIYUN::ECS::SecurityGroup
    Properties:
      VpcId: vpc-1
      SecurityGroupName: web
      SecurityGroupIngress:
        # people connect from everywhere
        - IpProtocol: tcp
          PortRange: 22/22
          SourceCidrIp: !Ref Anyone
        # and this is for the desktop
        - {IpProtocol: tcp, PortRange: 3380/3395, SourceCidrIp: !Ref Anyone}
  Redis:
    Type: ALIYUN::ECS::SecurityGroupIngress
    Properties:
      SecurityGroupId: !Ref Web
      IpProtocol: tcp
      PortRange: 6379/6380  # and its twin
      SourceCidrIp: 0.0.0.0/0

  Last: {Type: ALIYUN::ECS::VPC}
"""
STANDING = (
    opened("sgr-1", "22/22", "0.0.0.0/0"),
    opened("sgr-2", "3380/3395", "0.0.0.0/0"),
    opened("sgr-3", "6379/6380", "0.0.0.0/0"),
)


def as_json(text: str) -> str:
    """The template in JSON."""
    return json.dumps(read_text(Path("x.yml"), text.encode()).data, indent=2) + "\n"


@pytest.mark.parametrize("name", ["web.yml", "web.json"])
def test_a_template_is_patched_in_two_steps(tmp_path: Path, scanned: MakeScan, name: str) -> None:
    """The first patch only adds, the second removes; after it the template has no finding, and opens nothing new."""
    run = scanned(Group(security_group_id="sg-1", vpc_id="vpc-1", name="web", rules=STANDING))
    folder = tmp_path / "stacks"
    folder.mkdir()
    path = folder / name
    path.write_text(TEMPLATE if name == "web.yml" else as_json(TEMPLATE))
    (folder / "values.yml").write_text("some: other file\n")
    before = told(path)
    result = command("patch", run, "--code", folder)
    assert result.exit_code == 0, result.stderr
    first, second = (run / "patch" / one for one in ("ros-1-add.patch", "ros-2-remove.patch"))
    assert result.stdout == f"{first}\n{second}\n"
    apply(folder, first)
    assert before.items() <= told(path).items()
    apply(folder, second)
    assert told(path) == {}
    text = path.read_text()
    assert {"3380/3388", "3390/3395", "6380/6380"} == set(re.findall(r"[\"' ](\d+/\d+)\"", text)) - {"22/22"}
    if name == "web.yml":
        assert text.count("SourceCidrIp: !Ref Anyone") == 2
        assert "# and this is for the desktop" in text


def test_what_others_refer_to_is_not_renamed(tmp_path: Path, scanned: MakeScan) -> None:
    """A rule's resource that another one waits for: a snippet and the reason."""
    run = scanned(Group(security_group_id="sg-1", vpc_id="vpc-1", name="web", rules=STANDING))
    text = TEMPLATE.replace("{Type: ALIYUN::ECS::VPC}", "{Type: ALIYUN::ECS::VPC, DependsOn: Redis}")
    (tmp_path / "web.yml").write_text(text)
    result = command("patch", run, "--code", tmp_path)
    assert "other resources refer to it" in result.stderr
    assert "# Redis goes, after these stand:" in result.stdout


def test_two_templates_of_one_name_are_told(tmp_path: Path, scanned: MakeScan) -> None:
    """Nobody can tell which of them made the group: nothing is patched, and exit 3."""
    run = scanned(Group(security_group_id="sg-1", vpc_id="vpc-1", name="web", rules=STANDING))
    (tmp_path / "a.yml").write_text(TEMPLATE)
    (tmp_path / "b.yml").write_text(TEMPLATE)
    result = command("patch", run, "--code", tmp_path)
    assert result.exit_code == 3
    assert "2 places in the code declare a group of this name" in result.stderr


def test_patch_asks_for_what_it_needs(tmp_path: Path, scanned: MakeScan) -> None:
    """Without code, with a folder that has none, with a plan of nothing: exit 2, and what to give."""
    run = scanned(Group(security_group_id="sg-1", vpc_id="vpc-1", name="web", rules=STANDING))
    assert "--state" in command("patch", run).stderr
    (tmp_path / "empty").mkdir()
    for arguments in (
        (),
        ("--code", tmp_path / "empty"),
        ("--code", tmp_path / "no"),
        ("--state", run / "summary.json"),
    ):
        assert command("patch", run, *arguments).exit_code == 2


SHARED = """ROSTemplateFormatVersion: '2015-09-01'
Parameters:
  Admin: {Type: String}
Resources:
  Web:
    Type: ALIYUN::ECS::SecurityGroup
    Properties:
      SecurityGroupName: web
      SecurityGroupIngress:
        - {IpProtocol: tcp, PortRange: 22/22, SourceCidrIp: 0.0.0.0/0}
        - {IpProtocol: tcp, PortRange: 8443/8443, SourceCidrIp: !Ref Admin}
  Redis:
    Type: ALIYUN::ECS::SecurityGroupIngress
    Properties: {SecurityGroupId: !Ref Web, IpProtocol: tcp, PortRange: 6379/6380, SourceCidrIp: 0.0.0.0/0}
"""


def web(group_id: str, *more: Rule) -> Group:
    """A group that the shared template has made."""
    number = group_id.removeprefix("sg-")
    rules = (
        opened(f"sgr-{number}1", "22/22", "0.0.0.0/0"),
        opened(f"sgr-{number}2", "6379/6380", "0.0.0.0/0"),
    )
    return Group(security_group_id=group_id, vpc_id="vpc-1", name="web", rules=(*rules, *more))


def test_a_template_of_several_groups_is_changed_once(tmp_path: Path, scanned: MakeScan) -> None:
    """One template, two stacks of it: the change stands once in the patch, and is told for each group.

    A parameter without a value elsewhere in the group is in nobody's way.
    """
    run = scanned(web("sg-1"), web("sg-2"))
    (tmp_path / "stacks").mkdir()
    path = tmp_path / "stacks" / "web.yml"
    path.write_text(SHARED)
    result = command("patch", run, "--code", path.parent)
    assert result.exit_code == 0, result.stderr
    assert result.stderr.count("in the patch") == 4
    for name in ("ros-1-add.patch", "ros-2-remove.patch"):
        apply(path.parent, run / "patch" / name)
    text = path.read_text()
    assert (text.count("22/22"), text.count("6379/6380"), text.count("6380/6380")) == (0, 0, 1)
    assert told(path, "--parameter", "Admin=10.0.0.0/8") == {}


def test_what_cannot_be_changed_for_one_group_is_not_said_to_be_for_another(
    tmp_path: Path, scanned: MakeScan
) -> None:
    """Two stacks of one template with a block that is not edited: both are told so, and nothing is in a patch."""
    waiting = "  Last: {Type: ALIYUN::ECS::VPC, DependsOn: Redis}\n"
    (tmp_path / "web.yml").write_text(SHARED + waiting)
    result = command("patch", scanned(web("sg-1"), web("sg-2")), "--code", tmp_path)
    assert result.stderr.count("other resources refer to it") == 2
    assert '"IpProtocol": "tcp"' in result.stdout
    assert '"Policy": "accept"' in result.stdout


def test_groups_of_one_template_may_want_different_changes(tmp_path: Path, scanned: MakeScan) -> None:
    """In one stack what is left of a split stands by hand, in the other not: each is told, and one change is made."""
    twin = opened("sgr-13", "6380/6380", "0.0.0.0/0")
    (tmp_path / "web.yml").write_text(SHARED)
    run = scanned(web("sg-1", twin), web("sg-2"))
    config = tmp_path / "my.toml"
    config.write_text('[remediation]\nprotected_groups = ["sg-2"]\n')
    assert command("patch", run, "--code", tmp_path).exit_code == 0
    result = command("patch", run, "--code", tmp_path, "-c", config)
    assert result.exit_code == 3
    assert "sg-2 sgr-22: left alone: the group is protected" in result.stderr


def test_what_the_code_may_have_made_is_not_called_somebody_elses(tmp_path: Path, scanned: MakeScan) -> None:
    """A rule that fits none of the code, beside one whose source only a parameter tells: left, with the reason."""
    rules = (opened("sgr-1", "3389/3389", "0.0.0.0/0"),)
    run = scanned(Group(security_group_id="sg-1", vpc_id="vpc-1", name="web", rules=rules))
    (tmp_path / "web.yml").write_text(SHARED)
    result = command("patch", run, "--code", tmp_path)
    assert result.exit_code == 3
    assert "sg-1 sgr-1: left alone: it may be what Web.SecurityGroupIngress[1] makes" in result.stderr
    assert "parameter Admin has no default" in result.stderr
    assert "does not declare it" not in result.stderr


@pytest.mark.parametrize("name", ["web.yml", "web.json"])
def test_a_drop_is_written_into_a_template_beside_its_rule(
    tmp_path: Path, scanned: MakeScan, name: str
) -> None:
    """Blocking adds what the rule did not say, the policy, in small letters as ROS takes it; the rule stays."""
    run = scanned(
        Group(
            security_group_id="sg-1",
            vpc_id="vpc-1",
            name="web",
            inner_access_policy="Drop",
            rules=(opened("sgr-1", "22/22", "0.0.0.0/0", priority=5),),
        )
    )
    text = """ROSTemplateFormatVersion: '2015-09-01'
Resources:
  Web: {Type: ALIYUN::ECS::SecurityGroup, Properties: {SecurityGroupName: web}}
  Ssh:
    Type: ALIYUN::ECS::SecurityGroupIngress
    Properties:
      SecurityGroupId: !Ref Web
      IpProtocol: tcp
      PortRange: 22/22
      SourceCidrIp: 0.0.0.0/0
      Priority: 5
"""
    folder = tmp_path / "stacks"
    folder.mkdir()
    path = folder / name
    path.write_text(text if name == "web.yml" else as_json(text))
    result = command("patch", run, "--code", folder, "--action", "block")
    assert result.exit_code == 0, result.stderr
    assert "in the patch" in result.stderr
    assert result.stdout == f"{run}/patch/ros-1-add.patch\n"
    apply(folder, run / "patch" / "ros-1-add.patch")
    assert told(path) == {"Ssh": "ssh shadowed"}
    assert '"drop"' in path.read_text()


INLINE = """ROSTemplateFormatVersion: '2015-09-01'
Resources:
  Web:
    Type: ALIYUN::ECS::SecurityGroup
    Properties: {SecurityGroupName: web, SecurityGroupIngress: [%s]}
"""
ITEM = "{IpProtocol: tcp, PortRange: %s, SourceCidrIp: 0.0.0.0/0}"


@pytest.mark.parametrize("name", ["web.yml", "web.json"])
@pytest.mark.parametrize(
    ("ports", "left"),
    [
        (["22/22"], []),
        (["22/22", "443/443"], ["443/443"]),
        (["443/443", "22/22"], ["443/443"]),
        (["20/23"], ["20/21"]),
        (["22/22", "20/22"], ["20/21"]),
        (["22/22", "3389/3389"], []),
    ],
)
def test_rules_in_one_line_are_changed_there(
    tmp_path: Path, scanned: MakeScan, ports: list[str], left: list[str], name: str
) -> None:
    """A list that is written in its brackets: the last of them leaves an empty list, and commas stay right."""
    rules = [opened(f"sgr-{number}", one, "0.0.0.0/0") for number, one in enumerate(ports)]
    run = scanned(Group(security_group_id="sg-1", vpc_id="vpc-1", name="web", rules=tuple(rules)))
    folder = tmp_path / "stacks"
    folder.mkdir()
    text = INLINE % ", ".join([ITEM % one for one in ports])
    path = folder / name
    path.write_text(text if name == "web.yml" else as_json(text))
    result = command("patch", run, "--code", folder)
    assert result.exit_code == 0, result.stderr
    for line in result.stdout.splitlines():
        apply(folder, Path(line) if Path(line).is_absolute() else tmp_path / line)
    data = read_text(path, path.read_bytes()).data
    items = data["Resources"]["Web"]["Properties"]["SecurityGroupIngress"]
    assert [one["PortRange"] for one in items] == left


def test_the_only_rule_of_a_resource_goes(tmp_path: Path, scanned: MakeScan) -> None:
    """The one rule in the list of a resource of its own, in JSON: the list stays, and is empty."""
    text = json.dumps(
        {
            "ROSTemplateFormatVersion": "2015-09-01",
            "Resources": {
                "Web": {"Type": "ALIYUN::ECS::SecurityGroup", "Properties": {"SecurityGroupName": "web"}},
                "Ssh": {
                    "Type": "ALIYUN::ECS::SecurityGroupIngresses",
                    "Properties": {
                        "SecurityGroupId": {"Ref": "Web"},
                        "Permissions": [
                            {"IpProtocol": "tcp", "PortRange": "22/22", "SourceCidrIp": "0.0.0.0/0"}
                        ],
                    },
                },
            },
        },
        indent=1,
    )
    run = scanned(Group(security_group_id="sg-1", vpc_id="vpc-1", name="web", rules=STANDING[:1]))
    folder = tmp_path / "stacks"
    folder.mkdir()
    path = folder / "web.json"
    path.write_text(text)
    result = command("patch", run, "--code", folder)
    assert result.exit_code == 0, result.stderr
    apply(folder, run / "patch" / "ros-2-remove.patch")
    assert json.loads(path.read_text())["Resources"]["Ssh"]["Properties"]["Permissions"] == []


EACH = """
resource "alicloud_security_group" "web" {
  security_group_name = "web"
  vpc_id              = "vpc-1"
}

resource "alicloud_security_group_rule" "ssh" {
  for_each          = toset(["0.0.0.0/1", "128.0.0.0/1"])
  security_group_id = alicloud_security_group.web.id
  type              = "ingress"
  ip_protocol       = "tcp"
  port_range        = "22/22"
  cidr_ip           = each.key
}

resource "alicloud_security_group_rule" "mixed" {
  count             = 2
  security_group_id = alicloud_security_group.web.id
  type              = "ingress"
  ip_protocol       = "tcp"
  port_range        = ["3389/3389", "443/443"][count.index]
  cidr_ip           = "0.0.0.0/0"
}
"""


def test_a_block_goes_when_all_that_it_makes_goes(workspace: Workspace, scanned: MakeScan) -> None:
    """Both halves by `for_each` go: so does the block; of one that makes something else too, there is a snippet."""
    workspace.write(main=EACH)
    workspace.plan()
    state_file = workspace.apply()
    values = values_of(state_file)
    group_id = str(values["alicloud_security_group.web"]["id"])
    run = scanned(
        Group(security_group_id=group_id, vpc_id="vpc-1", name="web", rules=in_cloud(values, group_id))
    )
    result = command("patch", run, "--state", state_file, "--action", "revoke")
    assert result.exit_code == 0, result.stderr
    assert f"revoke {RULE}.mixed[0]" in result.stderr
    assert "# alicloud_security_group_rule.mixed[0] goes" in result.stdout
    apply(workspace.folder, run / "patch" / "terraform.patch")
    text = (workspace.folder / "main.tf").read_text()
    assert '"ssh"' not in text
    assert '"mixed"' in text
    assert told(workspace.plan()) == {f"{RULE}.mixed[0]": "rdp"}


@pytest.mark.parametrize("name", ["main.tf", "outputs.tf"])
def test_a_block_that_other_code_refers_to_does_not_go(tmp_path: Path, scanned: MakeScan, name: str) -> None:
    """Terraform would refuse the code without it: a snippet, the reason, the file; a longer name is another one."""
    run = scanned(
        Group(security_group_id="sg-1", vpc_id="vpc-1", rules=(opened("sgr-1", "22/22", "0.0.0.0/0"),))
    )
    block = f'resource "{RULE}" "ssh" {{\n  port_range = "22/22"\n}}\n'
    (tmp_path / "main.tf").write_text(block)
    file = in_state(tmp_path, state_rule("ssh", "sgr-1", cidr_ip="0.0.0.0/0"))
    (tmp_path / "more.tf").write_text(f'output "x" {{\n  value = {RULE}.ssh_2.id\n}}\n')
    assert "in the patch" in command("patch", run, "--state", file).stderr
    with (tmp_path / name).open("a") as code:
        code.write(f'output "y" {{\n  value = {RULE}.ssh.id\n}}\n')
    result = command("patch", run, "--state", file)
    assert f"other code refers to it ({name})" in result.stderr
    assert f"# {RULE}.ssh goes" in result.stdout
