"""What goes out: judged in code as what comes in is, where the configuration looks for it, and patched as well."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.emulator.world.model import Group, Rule
from tests.cli.in_process import command
from tests.iac.command import check, told
from tests.iac.conftest import MakeScan, Workspace
from tests.iac.plans import Plan, state, state_group, state_rule, written
from tests.iac.test_patch import apply

RULE = "alicloud_security_group_rule"
MAIL = '[[checks]]\nid = "mail"\ndirection = "egress"\nports = ["tcp/25"]\nseverity = "medium"\naction = "split"\n'


@pytest.fixture
def mail(tmp_path: Path) -> Path:
    """A configuration that looks for mail that may go out to anybody, and for nothing else."""
    path = tmp_path / "mail.toml"
    path.write_text(MAIL)
    return path


def out(name: str = "out", **values: Any) -> dict[str, Any]:
    """A rule that lets mail out."""
    return {"name": name, "type": "egress", "port_range": "25/25", **values}


def test_by_default_nobody_asks_what_goes_out(tmp_path: Path, mail: Path) -> None:
    """The default checks look at what comes in; a check of one's own finds the same rule."""
    plan = Plan().group().rule(**out(cidr_ip="0.0.0.0/0")).write(tmp_path)
    assert told(plan) == {}
    assert check(plan).exit_code == 0
    assert told(plan, "-c", mail) == {f"{RULE}.out": "mail"}
    assert check(plan, "-c", mail).exit_code == 1


@pytest.mark.parametrize(
    ("rules", "found"),
    [
        (
            [out("low", cidr_ip="0.0.0.0/1"), out("high", cidr_ip="128.0.0.0/1")],
            {"low": "mail", "high": "mail"},
        ),
        ([out(ipv6_cidr_ip="::/0")], {"out": "mail"}),
        ([out(cidr_ip="0.0.0.0/0", ip_protocol="all", port_range="-1/-1")], {"out": "mail"}),
        ([out(cidr_ip="0.0.0.0/0", type="ingress")], {}),
        ([out(cidr_ip="203.0.113.25/32")], {}),
        ([out(cidr_ip="0.0.0.0/0", port_range="443/443")], {}),
        (
            [out(cidr_ip="0.0.0.0/0", priority=2), out("drop", cidr_ip="0.0.0.0/0", policy="drop")],
            {"out": "mail shadowed"},
        ),
        (
            [
                out(cidr_ip="0.0.0.0/0", priority=2),
                out("drop", cidr_ip="0.0.0.0/0", policy="drop", type="ingress"),
            ],
            {"out": "mail"},
        ),
        ([out(unknown=["cidr_ip"])], {"out": "undetermined"}),
        ([out("any", unknown=["type"], cidr_ip="0.0.0.0/0")], {"any": "undetermined"}),
    ],
)
def test_rules_that_let_out_are_gathered_by_group(
    tmp_path: Path, mail: Path, rules: list[dict[str, Any]], found: dict[str, str]
) -> None:
    """Halves meet, IPv6 and ALL count, a drop shields what goes its own way only; the unknown is undetermined."""
    plan = Plan().group()
    for rule in rules:
        plan.rule(**rule)
    assert told(plan.write(tmp_path), "-c", mail) == {f"{RULE}.{name}": how for name, how in found.items()}


def test_a_list_by_which_mail_goes_out_is_read(tmp_path: Path, mail: Path) -> None:
    """A prefix list as the far end, in a state: both halves of the Internet are in it."""
    entries = [{"cidr": "0.0.0.0/1"}, {"cidr": "128.0.0.0/1"}]
    one = state_group("x") | {
        "address": "alicloud_ecs_prefix_list.x",
        "type": "alicloud_ecs_prefix_list",
        "values": {"id": "pl-1", "entry": entries},
    }
    rule = state_rule("out", "sgr-1", type="egress", port_range="25/25", prefix_list_id="pl-1")
    assert told(written(tmp_path, state(state_group("web"), one, rule)), "-c", mail) == {
        f"{RULE}.out": "mail"
    }


def test_only_what_newly_goes_out_is_told(tmp_path: Path, mail: Path) -> None:
    """A rule that was there, and one that comes beside it."""
    stood = state_rule("stood", "sgr-1", type="egress", port_range="25/25", cidr_ip="0.0.0.0/1")
    new = {**stood["values"], "security_group_rule_id": None, "cidr_ip": "128.0.0.0/1"}
    plan = Plan().change(f"{RULE}.new", None, new)
    plan.prior = [state_group("web"), stood]
    assert told(plan.write(tmp_path), "-c", mail).keys() == {f"{RULE}.stood", f"{RULE}.new"}
    assert told(plan.write(tmp_path), "-c", mail, "--only-new").keys() == {f"{RULE}.new"}


TEMPLATE = """ROSTemplateFormatVersion: '2015-09-01'
Resources:
  Web:
    Type: ALIYUN::ECS::SecurityGroup
    Properties:
      SecurityGroupName: web
      SecurityGroupEgress:
        - {IpProtocol: tcp, PortRange: 20/25, DestCidrIp: 0.0.0.0/1}
        - {IpProtocol: tcp, PortRange: 443/443, DestCidrIp: 0.0.0.0/0}
  High:
    Type: ALIYUN::ECS::SecurityGroupEgress
    Properties:
      SecurityGroupId: !Ref Web
      IpProtocol: tcp
      PortRange: 25/25
      DestCidrIp: 128.0.0.0/1
  Six:
    Type: ALIYUN::ECS::SecurityGroupEgresses
    Properties:
      SecurityGroupId: !Ref Web
      Permissions: [{IpProtocol: tcp, PortRange: 25/25, Ipv6DestCidrIp: '::/0'}]
"""


def test_each_way_of_a_template_to_let_out_counts(tmp_path: Path, mail: Path) -> None:
    """Within the group, by a resource of its own, by a list of them; in one group they are one."""
    path = tmp_path / "web.yml"
    path.write_text(TEMPLATE)
    assert told(path) == {}
    assert told(path, "-c", mail) == {
        "Web.SecurityGroupEgress[0]": "mail",
        "High": "mail",
        "Six.Permissions[0]": "mail",
    }
    drop = "  Drop:\n    Type: ALIYUN::ECS::SecurityGroupEgress\n    Properties:\n      SecurityGroupId: !Ref Web\n"
    path.write_text(
        f"{TEMPLATE}{drop}      IpProtocol: tcp\n      PortRange: 25/25\n      DestCidrIp: 128.0.0.0/1\n"
        "      Policy: drop\n"
    )
    assert told(path, "-c", mail)["High"] == "mail shadowed"


def group(*rules: Rule, group_id: str = "sg-1", kind: str = "enterprise") -> Group:
    """A group of the cloud's; an enterprise one lets nothing out by itself."""
    return Group(security_group_id=group_id, vpc_id="vpc-1", name="web", kind=kind, rules=rules)


def sent(rule_id: str, ports: str, **fields: Any) -> Rule:
    """A rule of the cloud's that lets out."""
    return Rule(security_group_rule_id=rule_id, direction="egress", port_range=ports, **fields)


STANDING = (
    sent("sgr-1", "20/25", dest_cidr_ip="0.0.0.0/1"),
    sent("sgr-2", "443/443", dest_cidr_ip="0.0.0.0/0"),
    sent("sgr-3", "25/25", dest_cidr_ip="128.0.0.0/1"),
    sent("sgr-4", "25/25", ipv6_dest_cidr_ip="::/0"),
)


def test_what_goes_out_is_split_in_a_template(tmp_path: Path, scanned: MakeScan, mail: Path) -> None:
    """What is left of a rule goes towards the same addresses; after both patches no mail goes out."""
    run = scanned(group(*STANDING), config=mail)
    folder = tmp_path / "stacks"
    folder.mkdir()
    path = folder / "web.yml"
    path.write_text(TEMPLATE)
    result = command("patch", run, "--code", folder)
    assert result.exit_code == 0, result.stderr
    for name in ("ros-1-add.patch", "ros-2-remove.patch"):
        apply(folder, run / "patch" / name)
    assert told(path, "-c", mail) == {}
    assert 'PortRange: "20/24", DestCidrIp: 0.0.0.0/1' in path.read_text()
    assert "PortRange: 443/443" in path.read_text()


def test_what_a_group_lets_out_by_itself_is_left_or_dropped(
    tmp_path: Path, scanned: MakeScan, mail: Path
) -> None:
    """Without its rule a basic group lets out all the same: left, with the reason; a drop is written if asked for."""
    run = scanned(
        group(sent("sgr-3", "25/25", dest_cidr_ip="128.0.0.0/1", priority=2), kind="normal"), config=mail
    )
    folder = tmp_path / "stacks"
    folder.mkdir()
    path = folder / "web.yml"
    high = TEMPLATE.index("  High:")
    text = f"{TEMPLATE[: TEMPLATE.index('      SecurityGroupEgress')]}{TEMPLATE[high : TEMPLATE.index('  Six:')]}"
    path.write_text(f"{text}      Priority: 2\n")
    left = command("patch", run, "--code", folder)
    assert left.exit_code == 3
    assert "the group lets that out by itself" in left.stderr
    dropped = command("patch", run, "--code", folder, "--action", "block")
    assert dropped.exit_code == 0, dropped.stderr
    apply(folder, run / "patch" / "ros-1-add.patch")
    assert told(path, "-c", mail) == {"High": "mail shadowed"}


MAIN = """
resource "alicloud_security_group" "web" {
  security_group_name = "web"
  vpc_id              = "vpc-1"
}
resource "alicloud_security_group_rule" "out" {
  security_group_id = alicloud_security_group.web.id
  type              = "egress"
  ip_protocol       = "tcp"
  port_range        = "20/25"
  cidr_ip           = "0.0.0.0/0"
}
"""


def test_what_goes_out_is_split_in_terraform(workspace: Workspace, scanned: MakeScan, mail: Path) -> None:
    """A real state, the patch, a real plan over it: the rule still lets out, and no mail."""
    workspace.write(main=MAIN)
    workspace.plan()
    state_file = workspace.apply()
    root = json.loads(state_file.read_text())["values"]["root_module"]["resources"]
    values = {one["type"]: one["values"] for one in root}
    group_id, rule_id = values["alicloud_security_group"]["id"], values[RULE]["security_group_rule_id"]
    standing = sent(rule_id, "20/25", dest_cidr_ip="0.0.0.0/0")
    run = scanned(group(standing, group_id=group_id), config=mail)
    result = command("patch", run, "--state", state_file)
    assert result.exit_code == 0, result.stderr
    apply(workspace.folder, run / "patch" / "terraform.patch")
    plan = workspace.plan()
    assert told(plan, "-c", mail) == {}
    after = [one["change"]["after"] for one in json.loads(plan.read_text())["resource_changes"]]
    made = [one for one in after if one is not None and "port_range" in one]
    assert [(one["type"], one["port_range"], one["cidr_ip"]) for one in made] == [
        ("egress", "20/24", "0.0.0.0/0")
    ]
