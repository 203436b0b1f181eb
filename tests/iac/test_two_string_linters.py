"""What a linter that compares two strings, one resource at a time, says of the same code: a table in the documentation.

The linter is checkov from PyPI. It is no dependency of ours: where it is missing, only our side is held.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.iac.command import told
from tests.iac.conftest import Workspace

RULE = "alicloud_security_group_rule"
PAGE = Path(__file__).parents[2] / "docs" / "checking-code.md"


def rule(name: str, **arguments: str) -> str:
    """A rule in Terraform: SSH from anyone, unless said otherwise; "" leaves an argument out."""
    given = {
        "type": "ingress",
        "ip_protocol": "tcp",
        "port_range": "22/22",
        "cidr_ip": "0.0.0.0/0",
        **arguments,
    }
    lines = "".join([f'  {key} = "{value}"\n' for key, value in given.items() if value])
    return f'resource "{RULE}" "{name}" {{\n  security_group_id = alicloud_security_group.web.id\n{lines}}}\n'


GROUP = 'resource "alicloud_security_group" "web" {\n  security_group_name = "web"\n}\n'
LIST = """resource "alicloud_ecs_prefix_list" "anyone" {
  prefix_list_name = "anyone"
  address_family   = "IPv4"
  max_entries      = 2
  entry { cidr = "0.0.0.0/1" }
  entry { cidr = "128.0.0.0/1" }
}
"""
LISTED = rule("r", cidr_ip="").replace("}\n", "  prefix_list_id = alicloud_ecs_prefix_list.anyone.id\n}\n")

CASES: dict[str, tuple[str, str, str]] = {
    "SSH from 0.0.0.0/0": (rule("r"), "open", "open"),
    "ports 20 to 25 from 0.0.0.0/0": (rule("r", port_range="20/25"), "open", "open"),
    "SSH from both halves, 0.0.0.0/1 and 128.0.0.0/1": (
        rule("r", cidr_ip="0.0.0.0/1") + rule("s", cidr_ip="128.0.0.0/1"),
        "open",
        "-",
    ),
    "SSH from ::/0": (rule("r", cidr_ip="", ipv6_cidr_ip="::/0"), "open", "open"),
    "SSH from an office's IPv6 block": (rule("r", cidr_ip="", ipv6_cidr_ip="2400:3200::/48"), "-", "open"),
    "SSH from a prefix list that holds the Internet": (LIST + LISTED, "open", "open"),
    "SSH from a prefix list of an office": (
        LIST.replace("0.0.0.0/1", "203.0.113.0/25").replace("128.0.0.0/1", "203.0.113.128/25") + LISTED,
        "-",
        "open",
    ),
    "SSH from 0.0.0.0/2": (rule("r", cidr_ip="0.0.0.0/2"), "open", "-"),
    "Redis from 0.0.0.0/0": (rule("r", port_range="6379/6379"), "open", "-"),
    "SSH from 0.0.0.0/0, and a drop that wins": (
        rule("r", priority="2") + rule("s", policy="drop", priority="1"),
        "-",
        "open",
    ),
    "only a drop of SSH from 0.0.0.0/0": (rule("r", policy="drop"), "-", "open"),
    "SSH from an office": (rule("r", cidr_ip="203.0.113.0/24"), "-", "-"),
    "HTTPS from 0.0.0.0/0": (rule("r", port_range="443/443"), "-", "-"),
}
"""What is written, what we say of it, and what the linter says."""


def numbered(number: int) -> str:
    """The code of a case, its names its own."""
    text = GROUP + list(CASES.values())[number][0]
    text = re.sub(r'" "(r|s|web|anyone)"', rf'" "\1_{number}"', text)
    return re.sub(r"\.(web|anyone)\.", rf".\1_{number}.", text)


def test_what_each_says(workspace: Workspace) -> None:
    """Our verdicts over a real plan of all cases are those of the table."""
    workspace.write(main="".join(map(numbered, range(len(CASES)))))
    found = {
        address.rpartition("_")[2] for address, how in told(workspace.plan()).items() if "shadowed" not in how
    }
    said = {name: "open" if str(number) in found else "-" for number, name in enumerate(CASES)}
    assert said == {name: mine for name, (_, mine, _) in CASES.items()}


def test_what_the_linter_says(tmp_path: Path) -> None:
    """The linter's side of the table, measured."""
    linter = shutil.which("checkov")
    if linter is None:
        pytest.skip(
            "checkov is not on PATH (pip install checkov): the linter's side of the table is not measured here"
        )
    for number in range(len(CASES)):
        (tmp_path / f"case_{number}.tf").write_text(numbered(number))
    ran = subprocess.run(  # noqa: S603  (found on PATH)
        [linter, "-d", str(tmp_path), "--framework", "terraform", "--skip-download", "-o", "json", "--quiet"],
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )
    answer = json.loads(ran.stdout)
    failed = {
        Path(one["file_path"]).stem for one in answer["results"]["failed_checks"] if RULE in one["resource"]
    }
    said = {name: "open" if f"case_{number}" in failed else "-" for number, name in enumerate(CASES)}
    assert said == {name: theirs for name, (_, _, theirs) in CASES.items()}


def test_the_page_has_this_table() -> None:
    """The documentation says what these tests hold."""
    rows = [f"| {name} | {mine} | {theirs} |" for name, (_, mine, theirs) in CASES.items()]
    assert "\n".join(rows) in PAGE.read_text(encoding="utf-8")
