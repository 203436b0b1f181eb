"""`sgsweep check` as a pipeline uses it: exit codes, what is said, what is written."""

from __future__ import annotations

import json
from pathlib import Path

from tests.iac.command import check
from tests.iac.plans import Plan


def test_one_open_rule_is_a_finding_with_its_address(tmp_path: Path) -> None:
    """SSH from anyone in a plan: exit 1; the address, the check and a packet that gets through are told."""
    result = check(Plan().group().rule("ssh", cidr_ip="0.0.0.0/0").write(tmp_path))
    assert result.exit_code == 1
    assert "alicloud_security_group_rule.ssh: ssh (critical)" in result.stdout
    assert "tcp/22 from 1.0.0.0" in result.stdout


def test_a_plan_that_opens_nothing_risky_is_clean(tmp_path: Path) -> None:
    """HTTPS from anyone and SSH from an office: exit 0."""
    plan = Plan().group().rule("web", port_range="443/443", cidr_ip="0.0.0.0/0")
    result = check(plan.rule("office", cidr_ip="203.0.113.0/24").write(tmp_path))
    assert result.exit_code == 0
    assert result.stdout == ""
    assert "2 rules in 1 group: nothing found" in result.stderr


def test_an_unknown_value_makes_it_undetermined_and_is_named(tmp_path: Path) -> None:
    """A source that shows only after apply: exit 3, and the argument is named."""
    result = check(Plan().group().rule("ssh", unknown=["cidr_ip"]).write(tmp_path))
    assert result.exit_code == 3
    assert "cidr_ip is not known until apply" in result.stdout


def test_json_has_the_finding_with_its_place(tmp_path: Path) -> None:
    """`--format json`: one object, each finding as findings.jsonl has it, with address, file and line."""
    plan = Plan().group().rule("ssh", cidr_ip="0.0.0.0/0").write(tmp_path)
    (tmp_path / "main.tf").write_text('\n\nresource "alicloud_security_group_rule" "ssh" {\n}\n')
    found = json.loads(check(plan, "--format", "json").stdout)
    (finding,) = found["findings"]
    assert finding["address"] == "alicloud_security_group_rule.ssh"
    assert (finding["file"], finding["line"]) == (str(tmp_path / "main.tf"), 3)
    assert finding["check_id"] == "ssh"
    assert found["files"] == [{"file": str(plan), "kind": "Terraform plan"}]
