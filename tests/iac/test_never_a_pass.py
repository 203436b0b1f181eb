"""What cannot be known for sure is undetermined, and a file that cannot be judged is an error: never a pass."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.iac.command import check, told
from tests.iac.plans import PROVIDER, Plan, state, state_rule, written

RULE = "alicloud_security_group_rule"
GROUP = "alicloud_security_group"


def groups(plan: Plan, *keys: str) -> Plan:
    """Two groups by for_each."""
    for key in keys:
        plan.change(f'{GROUP}.each["{key}"]', None, {"security_group_name": key}, unknown={"id": True})
    return plan


def indexed(plan: Plan, name: str, keys: tuple[str, ...], **values: Any) -> Plan:
    """Rules whose group an index chooses: of the configuration only that shows."""
    template = Plan().rule("x", **values).changes[0]["change"]
    for key in keys:
        named = {"security_group_id": [f"{GROUP}.each", "each.key"]}
        more = {"unknown": template["after_unknown"], "references": named}
        plan.change(f'{RULE}.{name}["{key}"]', None, template["after"], **more)
    return plan


def test_an_index_is_taken_for_the_same_one(tmp_path: Path) -> None:
    """`each[each.key]`: what fails in the group of the same key fails, and what fails nowhere passes."""
    plan = groups(Plan(), "a", "b")
    indexed(plan, "ssh", ("a", "b"), cidr_ip="0.0.0.0/0")
    indexed(plan, "web", ("a", "b"), cidr_ip="0.0.0.0/0", port_range="443/443")
    assert told(plan.write(tmp_path)) == {f'{RULE}.ssh["a"]': "ssh", f'{RULE}.ssh["b"]': "ssh"}


def test_a_drop_by_an_index_shields_nothing_for_sure(tmp_path: Path) -> None:
    """`each[other(each.key)]` looks the same in a plan: an accept that only such a drop shields is undetermined."""
    plan = groups(Plan(), "a", "b")
    direct = {"security_group_id": [f'{GROUP}.each["a"].id', f'{GROUP}.each["a"]', f"{GROUP}.each"]}
    template = Plan().rule("x", cidr_ip="0.0.0.0/0", priority=2).changes[0]["change"]
    plan.change(f"{RULE}.ssh", None, template["after"], unknown=template["after_unknown"], references=direct)
    indexed(plan, "drop", ("a",), cidr_ip="0.0.0.0/0", policy="drop")
    result = check(plan.write(tmp_path))
    assert told(plan.write(tmp_path)) == {f"{RULE}.ssh": "ssh shadowed, undetermined"}
    assert result.exit_code == 3
    assert "takes another index" in result.stdout


def test_halves_by_an_index_may_meet(tmp_path: Path) -> None:
    """One half in each group by its own index: with another index both are in one group, so it is undetermined."""
    plan = groups(Plan(), "a", "b")
    indexed(plan, "low", ("a",), cidr_ip="8.0.0.0/9", port_range="6379/6379")
    indexed(plan, "high", ("b",), cidr_ip="8.128.0.0/9", port_range="6379/6379")
    assert check(plan.write(tmp_path)).exit_code == 3


@pytest.mark.parametrize(
    "references",
    [
        ["local.group_id"],
        ["data.alicloud_security_groups.all.ids[0]", "data.alicloud_security_groups.all"],
        [f"{GROUP}.web.id", f"{GROUP}.web", f"{GROUP}.other.id", f"{GROUP}.other"],
        [f'{GROUP}.each["a"].id', f'{GROUP}.each["a"]', f"{GROUP}.each", "each.key"],
        [f"{GROUP}.each"],
        [f"{GROUP}.nowhere.id", f"{GROUP}.nowhere"],
        [f"{GROUP}.web.name", f"{GROUP}.web"],
        ["module.net.group_id", "module.net"],
        [],
    ],
)
def test_a_group_that_cannot_be_told_shields_nothing(tmp_path: Path, references: list[str]) -> None:
    """A local value, a data source, a choice, an index over all: a drop there helps nobody, and an accept is alone."""
    plan = groups(Plan().group("web").group("other"), "a", "b")
    drop = Plan().rule("x", cidr_ip="0.0.0.0/0", policy="drop").changes[0]["change"]
    named = {"security_group_id": references}
    plan.change(f"{RULE}.drop", None, drop["after"], unknown=drop["after_unknown"], references=named)
    plan.rule("ssh", cidr_ip="0.0.0.0/0", priority=2)
    accept = Plan().rule("x", cidr_ip="8.8.8.0/24").changes[0]["change"]
    plan.change(f"{RULE}.some", None, accept["after"], unknown=accept["after_unknown"], references=named)
    found = told(plan.write(tmp_path))
    assert found == {f"{RULE}.ssh": "ssh", f"{RULE}.some": "undetermined"}


@pytest.mark.parametrize("argument", ["type", "ip_protocol", "port_range", "policy", "priority", "cidr_ip"])
def test_each_value_that_is_not_known_is_named(tmp_path: Path, argument: str) -> None:
    """Whichever argument of a rule only apply tells: exit 3, and its name."""
    values = {"cidr_ip": "0.0.0.0/0"} if argument != "cidr_ip" else {}
    result = check(Plan().group().rule("ssh", unknown=[argument], **values).write(tmp_path))
    assert result.exit_code == 3
    assert f"{argument} is not known until apply" in result.stdout


def test_what_is_only_computed_is_no_unknown_value(tmp_path: Path) -> None:
    """nic_type, prefix_list_id and ids are unknown in every plan: where nobody gives them, that is no doubt."""
    assert check(Plan().group().rule("office", cidr_ip="203.0.113.0/24").write(tmp_path)).exit_code == 0


def test_a_list_that_is_not_known_is_undetermined(tmp_path: Path) -> None:
    """An entry that only apply tells, a list of another state: exit 3, and the list is named."""
    plan = Plan().group()
    entry = {"entry": [{"description": None}]}
    plan.change("alicloud_ecs_prefix_list.p", None, entry, unknown={"id": True, "entry": [{"cidr": True}]})
    plan.rule("listed", unknown=["prefix_list_id"])
    named = ["alicloud_ecs_prefix_list.p.id", "alicloud_ecs_prefix_list.p"]
    plan.blocks[-1]["expressions"]["prefix_list_id"] = {"references": named}
    result = check(plan.write(tmp_path))
    assert result.exit_code == 3
    assert "has an entry that is not known until apply" in result.stdout
    other = Plan().group().rule("listed", prefix_list_id="pl-elsewhere")
    result = check(other.write(tmp_path))
    assert result.exit_code == 3
    assert "pl-elsewhere was not read" in result.stdout


def test_a_deferred_resource_is_undetermined(tmp_path: Path) -> None:
    """What Terraform puts off to a later plan is not passed."""
    plan = Plan().group()
    change = Plan().rule("later", cidr_ip="10.0.0.0/8").changes[0]
    plan.more["deferred_changes"] = [{"reason": "instance_count_unknown", "resource_change": change}]
    result = check(plan.write(tmp_path))
    assert result.exit_code == 3
    assert "instance_count_unknown" in result.stdout


AWS = {
    "address": "aws_vpc.x",
    "type": "aws_vpc",
    "name": "x",
    "provider_name": "registry.terraform.io/hashicorp/aws",
}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"   \n", "is empty"),
        (b'{"format_version": "1.2"', "is not JSON"),
        (b"\xff\xfe{", "is not UTF-8"),
        (b'{"format_version": "1.2", "format_version": "1.2"}', "stands twice"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"format_version": "2.0", "resource_changes": []}', "format_version '2.0' is not known"),
        (b'{"format_version": "1.2"}', "holds neither a plan nor resources"),
        (b'{"format_version": "1.2", "resource_changes": []}', "nothing of the provider aliyun/alicloud"),
        (b'{"format_version": "1.2", "resource_changes": {}}', "$.resource_changes"),
        (b'{"format_version": "1.2", "resource_changes": [], "errored": true}', "could not finish"),
        (b'{"@level":"info","@message":"Terraform 1.11.4"}\n{"@level":"info"}\n', "terraform plan -out"),
        (b"PK\x03\x04rest", "terraform show -json"),
        (b"[1, 2]", "but no object"),
        (b"\x00\x01\x02", "is not YAML"),
    ],
)
def test_a_broken_file_is_an_error(tmp_path: Path, content: bytes, says: str) -> None:
    """Exit 2 and a sentence that names the file, what is wrong, and what to give."""
    path = tmp_path / "plan.out"
    path.write_bytes(content)
    result = check(path)
    assert result.exit_code == 2
    assert str(path) in result.stderr
    assert says in result.stderr
    assert result.stdout == ""


def test_a_plan_of_another_provider_is_an_error(tmp_path: Path) -> None:
    """Nothing in it was judged, so it is no pass; a resource of that name by another provider is none either."""
    data = Plan().data | {"resource_changes": [{**AWS, "change": {"actions": ["create"], "after": {}}}]}
    result = check(written(tmp_path, data))
    assert result.exit_code == 2
    assert "hashicorp/aws" in result.stderr
    assert PROVIDER.endswith("/alicloud")
    forged = state_rule("ssh", "sgr-1", cidr_ip="10.0.0.0/8") | {
        "provider_name": "registry.terraform.io/x/other"
    }
    assert check(written(tmp_path, state(forged))).exit_code == 2


def test_a_fork_of_the_provider_is_judged_as_well(tmp_path: Path) -> None:
    """A rule counts by what it is, whoever provides it: beside other resources it is not passed over."""
    plan = Plan().group().rule("ssh", cidr_ip="0.0.0.0/0")
    plan.changes[-1]["provider_name"] = "registry.example.com/corp/alicloud-fork"
    assert check(plan.write(tmp_path)).exit_code == 1


def test_a_folder_a_source_file_and_no_file_are_errors(tmp_path: Path) -> None:
    """Exit 2; of a folder and of .tf files it says what to give instead."""
    (tmp_path / "main.tf").write_text("# nothing\n")
    assert "terraform show -json" in check(tmp_path).stderr
    assert "terraform show -json" in check(tmp_path / "main.tf").stderr
    assert check(tmp_path).exit_code == check(tmp_path / "main.tf").exit_code == 2
    assert check(tmp_path / "nowhere.json").exit_code == 2


def test_a_huge_file_is_refused_unread(tmp_path: Path) -> None:
    """A file of more than any plan holds: exit 2, and it is not taken into memory."""
    path = tmp_path / "plan.json"
    with path.open("wb") as file:
        os.ftruncate(file.fileno(), 10 << 30)
    result = check(path)
    assert result.exit_code == 2
    assert "larger than 256 MiB" in result.stderr


def test_the_worst_file_decides(tmp_path: Path) -> None:
    """Several files are judged one by one; what cannot be judged wins over what is open, that over what is clean."""
    clean = (
        Plan().group().rule("web", cidr_ip="0.0.0.0/0", port_range="443/443").write(tmp_path, "clean.json")
    )
    opened = Plan().group().rule("ssh", cidr_ip="0.0.0.0/0").write(tmp_path, "open.json")
    unknown = Plan().group().rule("ssh", unknown=["cidr_ip"]).write(tmp_path, "unknown.json")
    assert check(clean).exit_code == 0
    assert check(clean, opened).exit_code == 1
    assert check(clean, opened, unknown).exit_code == 3


def test_hostile_names_do_not_reach_the_terminal(tmp_path: Path) -> None:
    """What a plan calls its resources is escaped in text, and kept in JSON."""
    plan = Plan().group().rule("ssh", cidr_ip="0.0.0.0/0", description="\x1b[2J")
    plan.changes[-1]["index"] = "\x1b[31mred\n"
    result = check(plan.write(tmp_path))
    assert result.exit_code == 1
    assert "\x1b" not in result.stdout
