"""The owner's patch of Terraform code where there is no state: a group is that of its name, a rule what it says."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.emulator.world.model import Group, Rule
from tests.cli.in_process import command
from tests.iac.command import check, told
from tests.iac.conftest import MakeScan, Workspace, opened
from tests.iac.test_patch import MAIN, NET, apply, in_cloud, values_of

RULE = "alicloud_security_group_rule"
CODE = """
variable "anyone" { default = "10.0.0.0/8" }
variable "port" {
  type    = number
  default = 22
}
locals {
  name   = "web-${var.stage}" # the stage is in terraform.tfvars
  policy = <<-EOT
    { not a block
  EOT
}
variable "stage" {}

resource "alicloud_security_group" "web" {
  name = local.name
  tags = {
    a = "b"
  }
}

resource "alicloud_security_group_rule" "ssh" {
  security_group_id = "${alicloud_security_group.web.id}"
  type              = "ingress"
  ip_protocol       = "tcp"
  port_range        = "${var.port}/${var.port}" // one
  cidr_ip           = var.anyone
}
"""
OWN = f'resource "{RULE}" "%s" {{\n  security_group_id = alicloud_security_group.web.id\n  %s\n}}\n'
LONG = "locals {\n" + "".join([f"  a{n} = local.a{n + 1}\n" for n in range(900)]) + "}\n"
SSH = opened("sgr-1", "22/22", "0.0.0.0/0")


def web(*rules: Rule, group_id: str = "sg-1", name: str = "web-prod") -> Group:
    """The group of the code, in the cloud."""
    return Group(security_group_id=group_id, vpc_id="vpc-1", name=name, rules=rules)


def code(folder: Path, more: str = "", text: str = CODE, name: str = "main.tf") -> Path:
    """Write the code in a folder of its own, with the values of its variables."""
    path = folder / "infra"
    path.mkdir(exist_ok=True)
    (path / name).write_text(text + more)
    (path / "terraform.tfvars").write_text('stage  = "prod" # not "test"\nanyone = "0.0.0.0/0"\n')
    return path


def test_terraform_is_split_without_a_state(workspace: Workspace, scanned: MakeScan) -> None:
    """The real code of modules, applied; a scan; the patch by --code alone: a real plan has no finding any more."""
    workspace.write(main=MAIN, net__main=NET)
    workspace.plan()
    values = values_of(workspace.apply())
    group_id = str(values["alicloud_security_group.web"]["id"])
    run = scanned(web(*in_cloud(values, group_id), group_id=group_id, name="web"))
    result = command("patch", run, "--code", workspace.folder)
    assert result.exit_code == 0, result.stderr
    assert result.stdout == f"{run}/patch/terraform.patch\n"
    apply(workspace.folder, run / "patch" / "terraform.patch")
    plan = workspace.plan()
    assert told(plan) == {}
    assert check(plan, "--only-new", "--against", run).exit_code == 0
    workspace.run("apply", "-input=false", "tfplan")
    made = {str(one["port_range"]) for one in values_of(workspace.state()).values() if "port_range" in one}
    assert made == {"3380/3388", "3390/3395", "6380/6380"}


def test_variables_and_local_values_are_what_the_files_say(tmp_path: Path, scanned: MakeScan) -> None:
    """A name by a local value and terraform.tfvars, ports by a variable: the rule is found, and goes."""
    folder = code(tmp_path)
    run = scanned(web(SSH))
    result = command("patch", run, "--code", tmp_path)
    assert result.exit_code == 0, result.stderr
    apply(tmp_path, run / "patch" / "terraform.patch")
    text = (folder / "main.tf").read_text()
    assert '"ssh"' not in text
    assert "{ not a block" in text


def test_what_a_module_gives_and_gets_is_followed(tmp_path: Path, scanned: MakeScan) -> None:
    """The group by a module's output, its name by a module's variable; the file is named from the folder asked for."""
    module = 'module "sg" {\n  source = "./sg"\n  title  = "web-prod"\n}\n'
    rule = CODE[CODE.index('resource "alicloud_security_group_rule"') :]
    rule = rule.replace('"${alicloud_security_group.web.id}"', "module.sg.id").replace("${var.port}", "22")
    folder = code(tmp_path, text='variable "anyone" {}\n' + module + rule)
    (folder / "sg").mkdir()
    (folder / "sg" / "main.tf").write_text(
        'variable "title" {}\nresource "alicloud_security_group" "g" {\n  security_group_name = var.title\n}\n'
        'output "id" { value = alicloud_security_group.g.id }\n'
    )
    run = scanned(web(SSH))
    result = command("patch", run, "--code", tmp_path)
    assert result.exit_code == 0, result.stderr
    assert "--- a/infra/main.tf" in (run / "patch" / "terraform.patch").read_text()


def test_what_stands_already_is_imported_beside_the_code(tmp_path: Path, scanned: MakeScan) -> None:
    """A rule that `apply` has added: the import block is written in the folder of the code, not in that asked for."""
    code(tmp_path, text=CODE.replace("${var.port}/${var.port}", "20/25"))
    run = scanned(web(opened("sgr-1", "20/25", "0.0.0.0/0"), opened("sgr-2", "24/25", "0.0.0.0/0")))
    result = command("patch", run, "--code", tmp_path)
    assert result.exit_code == 0, result.stderr
    apply(tmp_path, run / "patch" / "terraform.patch")
    assert 'id = "sg-1:ingress:tcp:24/25:intranet' in (tmp_path / "infra" / "sgsweep_imports.tf").read_text()


@pytest.mark.parametrize(
    ("more", "address"),
    [
        (OWN % ("many", "for_each = {}"), f"{RULE}.many"),
        (OWN % ("f", "cidr_ip = element(var.x, 0)"), f"{RULE}.f"),
        (f'resource "{RULE}" "d" {{\n  security_group_id = data.x.y.id\n}}\n', f"{RULE}.d"),
        ('module "far" {\n  source = "registry/x/y"\n}\n', "module.far"),
        ('module "many" {\n  source = "./"\n  count = 2\n}\n', "module.many"),
    ],
)
def test_what_only_a_state_tells_is_left_with_the_reason(
    tmp_path: Path, scanned: MakeScan, more: str, address: str
) -> None:
    """A rule that may be made by what the text does not decide: nothing is guessed, and exit 3."""
    (tmp_path / "other").mkdir()
    code(tmp_path, more.replace('"./"', '"../other"'))
    run = scanned(web(opened("sgr-9", "3389/3389", "0.0.0.0/0")))
    result = command("patch", run, "--code", tmp_path)
    assert result.exit_code == 3
    assert f"sg-1 sgr-9: left alone: it may be what {address} makes" in result.stderr
    assert not (run / "patch").exists()


def test_groups_of_one_name_need_the_state(tmp_path: Path, scanned: MakeScan) -> None:
    """Two groups of the run are called so: nobody can tell which of them this code has made; exit 3, no patch."""
    code(tmp_path)
    result = command("patch", scanned(web(SSH), web(SSH, group_id="sg-2")), "--code", tmp_path)
    assert result.exit_code == 3
    assert result.stderr.count("several groups of this name") == 2


def test_rules_that_name_the_id_of_a_group_are_found(tmp_path: Path, scanned: MakeScan) -> None:
    """Code that only adds rules to a group by its id: the id is enough, whatever the group is called."""
    text = CODE.replace('"${alicloud_security_group.web.id}"', '"sg-1"').replace("local.name", '"else"')
    code(tmp_path, text=text)
    result = command("patch", scanned(web(SSH, name="")), "--code", tmp_path)
    assert result.exit_code == 0, result.stderr
    assert "in the patch" in result.stderr


def test_code_in_both_languages_is_patched_in_both(tmp_path: Path, scanned: MakeScan) -> None:
    """One folder with Terraform code and a template, of a group each: a patch for each."""
    code(tmp_path)
    (tmp_path / "stack.yml").write_text(
        "ROSTemplateFormatVersion: '2015-09-01'\nResources:\n  G:\n    Type: ALIYUN::ECS::SecurityGroup\n"
        "    Properties:\n      SecurityGroupName: ros\n      SecurityGroupIngress:\n"
        "        - {IpProtocol: tcp, PortRange: 3389/3389, SourceCidrIp: 0.0.0.0/0}\n"
    )
    rdp = opened("sgr-2", "3389/3389", "0.0.0.0/0")
    run = scanned(web(SSH), web(rdp, group_id="sg-2", name="ros"))
    result = command("patch", run, "--code", tmp_path)
    assert result.exit_code == 0, result.stderr
    assert {path.name for path in (run / "patch").iterdir()} == {"terraform.patch", "ros-2-remove.patch"}


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("main.tf", 'resource "x" "y" {\n', "is it Terraform source?"),
        ("override.tf", "", "--state"),
        ("more.tf.json", "{}", "--state"),
        ("x.tfvars.json", "{}", "--state"),
        ("x.auto.tfvars", "a = [\n", "has no end"),
        ("main.tf", LONG + CODE.replace("local.name", "local.a0"), "too many steps"),
    ],
)
def test_code_that_is_not_understood_is_an_error(
    tmp_path: Path, scanned: MakeScan, name: str, text: str, says: str
) -> None:
    """No end, what overrides, values in JSON, no end of steps: exit 2 and what to give."""
    (code(tmp_path) / name).write_text(text)
    result = command("patch", scanned(web(SSH)), "--code", tmp_path)
    assert result.exit_code == 2
    assert says in result.stderr
