"""Plans and states that the real terraform makes, with a stand-in for the provider."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.iac.command import check, told
from tests.iac.conftest import SCHEMA, Workspace
from tests.terraform.standin import Argument, read_schema

SHARED = Path(__file__).parents[2].parent / "shared" / "terraform" / "alicloud-schema.json"

MAIN = """
variable "office" { default = "203.0.113.0/24" }
variable "region" { default = "cn-hangzhou" }
provider "alicloud" { region = var.region }

resource "alicloud_security_group" "web" {
  security_group_name = "web"
  vpc_id              = "vpc-1"
}

resource "alicloud_security_group" "many" {
  count               = 2
  security_group_name = "many-${count.index}"
}

resource "alicloud_security_group" "each" {
  for_each            = toset(["a", "b"])
  security_group_name = "each-${each.key}"
}

resource "alicloud_security_group" "shielded" {
  security_group_name = "shielded"
}

# in one group, by several resources
resource "alicloud_security_group_rule" "low_half" {
  security_group_id = alicloud_security_group.web.id
  type              = "ingress"
  ip_protocol       = "tcp"
  port_range        = "22/22"
  cidr_ip           = "0.0.0.0/1"
}

resource "alicloud_security_group_rule" "high_half" {
  security_group_id = alicloud_security_group.web.id
  type              = "ingress"
  ip_protocol       = "tcp"
  port_range        = "20/25"
  cidr_ip           = "128.0.0.0/1"
}

resource "alicloud_security_group_rule" "office" {
  security_group_id = alicloud_security_group.web.id
  type              = "ingress"
  ip_protocol       = "tcp"
  port_range        = "3306/3306"
  cidr_ip           = var.office
}

resource "alicloud_security_group_rule" "six" {
  security_group_id = alicloud_security_group.web.id
  type              = "ingress"
  ip_protocol       = "tcp"
  port_range        = "3389/3389"
  ipv6_cidr_ip      = "::/0"
}

resource "alicloud_ecs_prefix_list" "anyone" {
  prefix_list_name = "anyone"
  address_family   = "IPv4"
  max_entries      = 2
  entry { cidr = "0.0.0.0/1" }
  entry { cidr = "128.0.0.0/1" }
}

resource "alicloud_security_group_rule" "listed" {
  security_group_id = alicloud_security_group.web.id
  type              = "ingress"
  ip_protocol       = "tcp"
  port_range        = "6379/6379"
  prefix_list_id    = alicloud_ecs_prefix_list.anyone.id
}

resource "alicloud_security_group_rule" "members" {
  security_group_id        = alicloud_security_group.web.id
  type                     = "ingress"
  ip_protocol              = "all"
  source_security_group_id = alicloud_security_group.shielded.id
}

# a null is the provider's default
resource "alicloud_security_group_rule" "everything" {
  security_group_id = alicloud_security_group.many[0].id
  type              = "ingress"
  ip_protocol       = "all"
  cidr_ip           = "0.0.0.0/0"
  policy            = null
  priority          = null
  port_range        = null
}

resource "alicloud_security_group_rule" "counted" {
  count             = 2
  security_group_id = alicloud_security_group.many[count.index].id
  type              = "ingress"
  ip_protocol       = "tcp"
  port_range        = ["443/443", "9200/9200"][count.index]
  cidr_ip           = "0.0.0.0/0"
}

resource "alicloud_security_group_rule" "each" {
  for_each          = alicloud_security_group.each
  security_group_id = each.value.id
  type              = "ingress"
  ip_protocol       = "tcp"
  port_range        = each.key == "a" ? "22/22" : "443/443"
  cidr_ip           = "0.0.0.0/0"
}

# a drop that wins
resource "alicloud_security_group_rule" "drop" {
  security_group_id = alicloud_security_group.shielded.id
  type              = "ingress"
  ip_protocol       = "tcp"
  port_range        = "22/22"
  cidr_ip           = "0.0.0.0/0"
  policy            = "drop"
}

resource "alicloud_security_group_rule" "dropped" {
  security_group_id = alicloud_security_group.shielded.id
  type              = "ingress"
  ip_protocol       = "tcp"
  port_range        = "22/22"
  cidr_ip           = "0.0.0.0/0"
  priority          = 5
}

# its group and its source come through modules
module "net" {
  source   = "./net"
  for_each = toset(["x"])
  group_id = alicloud_security_group.web.id
}

resource "alicloud_security_group_rule" "of_module" {
  security_group_id = module.net["x"].group_id
  type              = "ingress"
  ip_protocol       = "tcp"
  port_range        = "27017/27017"
  cidr_ip           = "0.0.0.0/0"
}

# what only apply tells
resource "terraform_data" "later" { input = "0.0.0.0/0" }

resource "alicloud_security_group_rule" "later" {
  security_group_id = alicloud_security_group.web.id
  type              = "ingress"
  ip_protocol       = "tcp"
  port_range        = "22/22"
  cidr_ip           = terraform_data.later.output
}

resource "alicloud_security_group_rule" "either" {
  security_group_id = coalesce(terraform_data.later.output, alicloud_security_group.shielded.id)
  type              = "ingress"
  ip_protocol       = "tcp"
  port_range        = "22/22"
  cidr_ip           = "8.8.8.0/24"
}

resource "alicloud_security_group_rule" "out" {
  security_group_id = alicloud_security_group.web.id
  type              = "egress"
  ip_protocol       = "all"
  cidr_ip           = "0.0.0.0/0"
}
"""

NET = """
variable "group_id" {}

resource "alicloud_security_group" "own" {
  security_group_name = "own"
}

resource "alicloud_security_group_rule" "given" {
  security_group_id = var.group_id
  type              = "ingress"
  ip_protocol       = "tcp"
  port_range        = "5432/5432"
  cidr_ip           = "0.0.0.0/0"
}

output "group_id" { value = alicloud_security_group.own.id }
"""

WANTED = {
    "alicloud_security_group_rule.low_half": "ssh",
    "alicloud_security_group_rule.high_half": "ssh, admin-ports",
    "alicloud_security_group_rule.six": "rdp",
    "alicloud_security_group_rule.listed": "caches",
    "alicloud_security_group_rule.everything": "ssh, rdp, databases, caches, admin-ports, all-ports",
    "alicloud_security_group_rule.counted[1]": "databases",
    'alicloud_security_group_rule.each["a"]': "ssh",
    "alicloud_security_group_rule.dropped": "ssh shadowed",
    "alicloud_security_group_rule.of_module": "databases",
    'module.net["x"].alicloud_security_group_rule.given': "databases",
    "alicloud_security_group_rule.later": "undetermined",
    "alicloud_security_group_rule.either": "undetermined",
}


def test_a_plan_of_every_kind(workspace: Workspace) -> None:
    """One real plan with every kind: count, for_each, modules, lists, drops, halves, IPv6, what is not known."""
    workspace.write(main=MAIN, net__main=NET)
    plan = workspace.plan()
    assert told(plan) == WANTED
    result = check(plan)
    assert result.exit_code == 3
    code = workspace.folder
    number = MAIN[: MAIN.index('"six"')].count("\n") + 1
    assert f"{code}/main.tf:{number}: alicloud_security_group_rule.six: rdp" in result.stdout
    assert (
        f'{code}/net/main.tf:8: module.net["x"].alicloud_security_group_rule.given: databases'
        in result.stdout
    )
    assert "cidr_ip is not known until apply" in result.stdout


SMALL = """
resource "alicloud_security_group" "web" {
  security_group_name = "web"
  vpc_id              = "vpc-1"
}

resource "alicloud_security_group_rule" "https" {
  security_group_id = alicloud_security_group.web.id
  type              = "ingress"
  ip_protocol       = "tcp"
  port_range        = "443/443"
  cidr_ip           = "0.0.0.0/0"
}

resource "alicloud_security_group_rule" "ssh" {
  security_group_id = alicloud_security_group.web.id
  type              = "ingress"
  ip_protocol       = "tcp"
  port_range        = "22/22"
  cidr_ip           = "0.0.0.0/0"
}
"""


def test_a_state_and_what_a_change_of_it_opens(workspace: Workspace) -> None:
    """A real state is judged as it stands; of a plan over it, --only-new tells only what was not open before."""
    workspace.write(main=SMALL)
    workspace.plan()
    state = workspace.apply()
    assert told(state) == {"alicloud_security_group_rule.ssh": "ssh"}
    workspace.write(main=SMALL.replace('"443/443"', '"443/3389"'))
    plan = workspace.plan()
    changed = "alicloud_security_group_rule.https"
    assert told(plan)["alicloud_security_group_rule.ssh"] == "ssh"
    assert "rdp" in told(plan)[changed]
    assert told(plan, "--only-new").keys() == {changed}
    assert check(plan, "--only-new").exit_code == 1
    workspace.write(main=SMALL.replace('"22/22"', '"443/443"').replace('"ssh"', '"more"'))
    assert told(workspace.plan()) == {}


def test_the_schema_is_the_providers_own() -> None:
    """Each argument that the stand-in knows is one that the provider has, of that type and as strict."""
    if not SHARED.exists():
        pytest.skip(
            f"there is no {SHARED.name} beside this checkout; the stand-in's schema is not compared with it"
        )
    real = json.loads(SHARED.read_text())["resources"]
    for kind, arguments in read_schema(SCHEMA.read_text()).items():
        known = real[kind]["arguments"]
        for one in arguments[1:]:
            assert _said(one) == _asked(known[one.name]), f"{kind}.{one.name}"


def _said(one: Argument) -> tuple[bool, bool, bool]:
    return ("required" in one.words, "computed" in one.words, "new" in one.words)


def _asked(argument: dict[str, object]) -> tuple[bool, bool, bool]:
    return (bool(argument.get("required")), bool(argument.get("computed")), bool(argument.get("force_new")))
