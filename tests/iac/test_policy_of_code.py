"""The configuration's checks, severities and exemptions hold for code; what SARIF says of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.iac.command import check, findings, told
from tests.iac.plans import Plan
from tests.official import problems, sarif

RULE = "alicloud_security_group_rule"
EXEMPTION = """
[[exemptions]]
id = "bastion"
owner = "security"
reason = "reached by the contractor"
expires = 2099-01-01
"""


def config(folder: Path, text: str) -> Path:
    """Write a configuration."""
    path = folder / "my.toml"
    path.write_text(text)
    return path


def test_checks_and_severities_are_those_of_the_configuration(tmp_path: Path) -> None:
    """A check of one's own finds what no default check does, in the severity that it says."""
    plan = Plan().group().rule("odd", cidr_ip="0.0.0.0/0", port_range="8443/8443").write(tmp_path)
    assert check(plan).exit_code == 0
    own = config(tmp_path, '[[checks]]\nid = "odd"\nports = ["tcp/8443"]\nseverity = "medium"\n')
    assert findings(plan, "-c", own) == {f"{RULE}.odd odd": ("medium", "open", "fail")}


@pytest.mark.parametrize("resource", [f"{RULE}.ssh", f"{RULE}.s*", '"alicloud_*"'])
def test_an_exemption_may_name_a_resource(tmp_path: Path, resource: str) -> None:
    """By its address or a pattern of it, where that was asked for: exempt, and exit 0."""
    plan = Plan().group().rule("ssh", cidr_ip="0.0.0.0/0").write(tmp_path)
    own = config(tmp_path, EXEMPTION + f'resource = "{resource.strip(chr(34))}"\nmember_writable = true\n')
    assert told(plan, "-c", own) == {f"{RULE}.ssh": "ssh exempt"}
    assert check(plan, "-c", own).exit_code == 0


def test_an_exemption_by_another_address_does_not_hold(tmp_path: Path) -> None:
    """Another resource stays open."""
    plan = Plan().group().rule("ssh", cidr_ip="0.0.0.0/0").write(tmp_path)
    own = config(tmp_path, EXEMPTION + f'resource = "{RULE}.other"\nmember_writable = true\n')
    assert check(plan, "-c", own).exit_code == 1


def test_whoever_writes_code_does_not_exempt_itself(tmp_path: Path) -> None:
    """An address is the author's own to choose: without member_writable it is an error, and so is one that fits all."""
    plan = Plan().group().rule("ssh", cidr_ip="0.0.0.0/0").write(tmp_path)
    result = check(plan, "-c", config(tmp_path, EXEMPTION + f'resource = "{RULE}.ssh"\n'))
    assert result.exit_code == 2
    assert "member_writable" in result.stderr
    result = check(plan, "-c", config(tmp_path, EXEMPTION + 'resource = "*"\nmember_writable = true\n'))
    assert result.exit_code == 2


def test_a_region_of_the_provider_counts(tmp_path: Path) -> None:
    """An exemption by region holds where the provider's region is written as it is, or as a variable of the root."""
    plan = Plan().group().rule("ssh", cidr_ip="0.0.0.0/0")
    own = config(tmp_path, EXEMPTION + 'region = "cn-beijing"\n')
    assert check(plan.write(tmp_path), "-c", own).exit_code == 1
    for block in plan.blocks:
        block["provider_config_key"] = "alicloud"
    plan.more["variables"] = {"region": {"value": "cn-beijing"}}
    region = {"region": {"references": ["var.region"]}}
    plan.more["configuration"] = {
        "provider_config": {"alicloud": {"expressions": region}},
        "root_module": {"resources": plan.blocks},
    }
    assert check(plan.write(tmp_path), "-c", own).exit_code == 0


def test_sarif_points_at_the_line(tmp_path: Path) -> None:
    """A code review shows each finding at its line; what cannot be judged is `open`, what is exempt is suppressed."""
    (tmp_path / "main.tf").write_text(f'\nresource "{RULE}" "ssh" {{\n}}\nresource "{RULE}" "later" {{\n}}\n')
    plan = Plan().group().rule("ssh", cidr_ip="0.0.0.0/0").rule("later", unknown=["cidr_ip"])
    plan.rule("hidden", cidr_ip="0.0.0.0/0", port_range="3389/3389").write(tmp_path)
    own = config(tmp_path, EXEMPTION + f'resource = "{RULE}.hidden"\nmember_writable = true\n')
    log = json.loads(check("plan.json", "-c", own, "--format", "sarif").stdout)
    assert log["version"] == "2.1.0"
    assert problems(sarif(), log) == []
    (run,) = log["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    told_of = {}
    for one in run["results"]:
        place = one["locations"][0]["physicalLocation"]
        address = one["locations"][0]["logicalLocations"][0]["fullyQualifiedName"]
        where = (place["artifactLocation"]["uri"], place["region"]["startLine"])
        told_of[address] = (one["kind"], one["level"], *where, bool(one["suppressions"]))
        assert rules[one["ruleIndex"]] == one["ruleId"]
    assert told_of == {
        f"{RULE}.ssh": ("fail", "error", "main.tf", 2, False),
        f"{RULE}.later": ("open", "none", "main.tf", 4, False),
        f"{RULE}.hidden": ("fail", "error", "plan.json", 1, True),
    }


def test_an_unknown_format_is_a_usage_error(tmp_path: Path) -> None:
    """Exit 2, and the formats there are."""
    result = check(Plan().group().write(tmp_path), "--format", "xml")
    assert result.exit_code == 2
    assert "text, json, sarif" in result.stderr
