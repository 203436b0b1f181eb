"""`--against` a file: the state of other code that made the group, or the state or template of before."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.iac.command import check, told
from tests.iac.conftest import Workspace
from tests.iac.plans import Plan, state, state_group, state_rule, written

RULE = "alicloud_security_group_rule"


def adding(**values: Any) -> Plan:
    """A plan of other code that adds one rule to the group by its id."""
    after = {**state_rule("new", "", "sg-1")["values"], "security_group_rule_id": None, **values}
    return Plan().change(f"{RULE}.new", None, after)


def test_the_state_of_other_code_says_what_stands(tmp_path: Path) -> None:
    """One team's group, another team's rules: halves meet, a drop shields, and a group that is known is no doubt."""
    redis = {"port_range": "6379/6379"}
    low = state_rule("low", "sgr-1", cidr_ip="0.0.0.0/1", **redis)
    network = written(tmp_path, state(state_group("web"), low), "network.json")
    half = adding(cidr_ip="8.8.8.0/24", **redis).write(tmp_path)
    assert check(half).exit_code == 3
    high = adding(cidr_ip="128.0.0.0/1", **redis).write(tmp_path)
    assert told(high, "--against", network) == {f"{RULE}.new": "caches", "sg-1": "caches"}
    office = adding(cidr_ip="203.0.113.0/24", port_range="22/22").write(tmp_path)
    assert told(office, "--against", network) == {"sg-1": "caches"}
    assert check(office, "--against", network, "--only-new").exit_code == 0
    drop = state_rule("drop", "sgr-1", cidr_ip="0.0.0.0/0", policy="drop")
    shielding = written(tmp_path, state(state_group("web"), drop), "network.json")
    opened = adding(cidr_ip="0.0.0.0/0").write(tmp_path)
    assert told(opened) == {f"{RULE}.new": "ssh"}
    assert told(opened, "--against", shielding) == {f"{RULE}.new": "ssh shadowed"}


def test_what_a_plan_had_in_anothers_group_is_not_new(tmp_path: Path) -> None:
    """Its own rule stood there before: only what it opens beside it is told."""
    network = written(tmp_path, state(state_group("web")), "network.json")
    old = state_rule("old", "sgr-2", cidr_ip="0.0.0.0/0", port_range="3389/3389")
    plan = adding(cidr_ip="0.0.0.0/0")
    plan.change(f"{RULE}.old", old["values"], old["values"])
    assert told(plan.write(tmp_path), "--against", network, "--only-new") == {f"{RULE}.new": "ssh"}


def test_a_state_against_the_one_before(tmp_path: Path) -> None:
    """--only-new of two states: what was open is not told again, what came is, and what went does not count."""
    ssh = state_rule("ssh", "sgr-1", cidr_ip="0.0.0.0/0")
    drop = state_rule("drop", "sgr-2", cidr_ip="0.0.0.0/0", policy="drop", port_range="3389/3389")
    rdp = state_rule("rdp", "sgr-3", cidr_ip="0.0.0.0/0", priority=2, port_range="3389/3389")
    before = written(tmp_path, state(state_group("web"), ssh, drop, rdp), "before.json")
    after = written(tmp_path, state(state_group("web"), ssh, rdp), "after.json")
    assert told(after, "--against", before) == {f"{RULE}.ssh": "ssh", f"{RULE}.rdp": "rdp"}
    assert told(after, "--against", before, "--only-new") == {f"{RULE}.rdp": "rdp"}
    assert check(before, "--against", after, "--only-new").exit_code == 0


def test_a_state_of_other_code_counts_for_a_state_as_well(tmp_path: Path) -> None:
    """The group's own rules still stand there: they are not taken for what this code had before."""
    network = written(
        tmp_path, state(state_group("web"), state_rule("low", "sgr-1", cidr_ip="0.0.0.0/1")), "network.json"
    )
    app = written(tmp_path, state(state_rule("high", "sgr-2", cidr_ip="128.0.0.0/1")), "app.json")
    assert told(app, "--against", network) == {f"{RULE}.high": "ssh", "sg-1": "ssh"}


TEMPLATE = """ROSTemplateFormatVersion: '2015-09-01'
Parameters: {Source: {Type: String, Default: 10.0.0.0/8}}
Resources:
  Web:
    Type: ALIYUN::ECS::SecurityGroup
    Properties:
      SecurityGroupIngress:
        - {IpProtocol: tcp, PortRange: 3389/3389, SourceCidrIp: 0.0.0.0/0}
"""
MORE = "        - {IpProtocol: tcp, PortRange: 22/22, SourceCidrIp: !Ref Source}\n"


def test_a_template_against_the_one_before(tmp_path: Path) -> None:
    """What a pipeline of ROS asks for: only what this commit opens; a parameter that is new is no matter."""
    before, after = tmp_path / "before.yml", tmp_path / "after.yml"
    before.write_text(TEMPLATE.replace("Parameters: {Source: {Type: String, Default: 10.0.0.0/8}}\n", ""))
    after.write_text(TEMPLATE + MORE)
    rdp, ssh = "Web.SecurityGroupIngress[0]", "Web.SecurityGroupIngress[1]"
    opened = ("--parameter", "Source=0.0.0.0/0")
    assert told(after, "--against", before, *opened) == {rdp: "rdp", ssh: "ssh"}
    assert told(after, "--against", before, "--only-new", *opened) == {ssh: "ssh"}
    assert check(after, "--against", before, "--only-new").exit_code == 0


@pytest.mark.parametrize("name", ["template", "broken", "folder"])
def test_what_cannot_say_what_stands_is_an_error(tmp_path: Path, name: str) -> None:
    """A template for a plan, whose groups it does not name by id; no JSON; a folder that is no run: exit 2."""
    path = tmp_path / "against"
    if name == "folder":
        path.mkdir()
    else:
        path.write_text(TEMPLATE if name == "template" else "{")
    result = check(adding(cidr_ip="10.0.0.0/8").write(tmp_path), "--against", path)
    assert result.exit_code == 2
    assert "against" in result.stderr


NETWORK = 'resource "alicloud_security_group" "web" {\n  security_group_name = "web"\n}\n'
LOW = """
resource "alicloud_security_group_rule" "low" {
  security_group_id = alicloud_security_group.web.id
  type              = "ingress"
  ip_protocol       = "tcp"
  port_range        = "22/22"
  cidr_ip           = "0.0.0.0/1"
}
"""


def test_a_real_state_is_what_stands(workspace: Workspace) -> None:
    """A real state of one root, a plan by hand of another: its half fails with the one that stands."""
    workspace.write(main=NETWORK + LOW)
    workspace.plan()
    network = workspace.apply()
    (group_id,) = [
        one["values"]["id"]
        for one in json.loads(network.read_text())["values"]["root_module"]["resources"]
        if one["type"] == "alicloud_security_group"
    ]
    plan = adding(cidr_ip="128.0.0.0/1", security_group_id=group_id).write(workspace.folder, "app.json")
    assert told(plan, "--against", network) == {f"{RULE}.new": "ssh", group_id: "ssh"}


def test_files_are_judged_with_the_groups_of_each_other(tmp_path: Path) -> None:
    """The plan of one team and the state of another: halves meet in whichever order, and by itself it is not known."""
    low = state_rule("low", "sgr-1", cidr_ip="0.0.0.0/1")
    network = written(tmp_path, state(state_group("web"), low), "network.json")
    app = adding(cidr_ip="8.8.8.0/24", port_range="6379/6379").write(tmp_path, "app.json")
    assert check(app).exit_code == 3
    assert check(network, app).exit_code == 1
    assert told(app, network) == {f"{RULE}.low": "ssh", "sg-1": "ssh"}
    high = adding(cidr_ip="128.0.0.0/1").write(tmp_path, "high.json")
    for order in ((network, high), (high, network)):
        assert told(*order) == {f"{RULE}.low": "ssh", f"{RULE}.new": "ssh", "sg-1": "ssh"}
    other = adding(cidr_ip="0.0.0.0/0", policy="drop", priority=1).write(tmp_path, "drop.json")
    late = adding(cidr_ip="0.0.0.0/0", priority=2).write(tmp_path, "late.json")
    assert told(late, other, network)[f"{RULE}.new"] == "ssh shadowed"


def test_with_other_files_what_was_there_is_not_new(tmp_path: Path) -> None:
    """--only-new of a plan beside the plan of the code that makes the group: only its own new rule is told."""
    low = state_rule("low", "sgr-1", cidr_ip="0.0.0.0/1")
    network = Plan().change(f"{RULE}.low", low["values"], low["values"])
    network.prior.append(state_group("web"))
    app = adding(cidr_ip="128.0.0.0/1").write(tmp_path, "app.json")
    assert told(network.write(tmp_path, "network.json"), app, "--only-new") == {f"{RULE}.new": "ssh"}


def test_of_files_that_make_the_same_group_neither_counts_for_the_other(tmp_path: Path) -> None:
    """A state of before and one of now in one call: each is judged as it stands."""
    before = written(
        tmp_path, state(state_group("web"), state_rule("low", "sgr-1", cidr_ip="0.0.0.0/1")), "before.json"
    )
    after = written(tmp_path, state(state_group("web")), "after.json")
    assert told(after, before) == {f"{RULE}.low": "ssh"}
    assert check(after, before, "--only-new").exit_code == 2
