"""Check packs with `check`: those that come with sgsweep, and those of one's own, beside checks or without."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.in_process import command
from tests.iac.command import check, findings, told
from tests.iac.plans import Plan

RULE = "alicloud_security_group_rule"
ANY = {"cidr_ip": "0.0.0.0/0"}


def config(folder: Path, text: str) -> Path:
    """Write a configuration."""
    path = folder / "my.toml"
    path.write_text(text)
    return path


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    """A plan that opens SSH, a database, ICMP and what goes out to anybody, and SSH to a private network."""
    made = Plan().group().rule("ssh", **ANY).rule("mysql", port_range="3306/3306", **ANY)
    made.rule("ping", ip_protocol="icmp", port_range="-1/-1", **ANY)
    made.rule("out", type="egress", ip_protocol="all", port_range="-1/-1", **ANY)
    return made.rule("inside", cidr_ip="10.0.0.0/8").write(tmp_path)


@pytest.mark.parametrize(
    ("packs", "found"),
    [
        ('"tutorial"', {"ssh": "ssh"}),
        ('"databases"', {"mysql": "databases"}),
        ('"cis-alibaba-2.0"', {"ssh": "cis-4.3"}),
        (
            '"internal-lateral"',
            {
                "ssh": "lateral-admin-ports",
                "mysql": "lateral-databases",
                "inside": "lateral-admin-ports",
            },
        ),
        ('"tutorial", "databases"', {"ssh": "ssh", "mysql": "databases"}),
        (
            '"all"',
            {
                "ssh": "ssh, lateral-admin-ports",
                "mysql": "databases, lateral-databases",
                "ping": "icmp",
                "out": "egress-everything",
                "inside": "lateral-admin-ports",
            },
        ),
    ],
)
def test_only_what_a_pack_looks_for_is_found(
    tmp_path: Path, plan: Path, packs: str, found: dict[str, str]
) -> None:
    """Each pack that comes with sgsweep by its name; without checks of one's own the default ones do not count."""
    own = config(tmp_path, f"packs = [{packs}]\n")
    said = {address.rpartition(".")[2]: how for address, how in told(plan, "-c", own).items()}
    assert {name: how for name, how in said.items() if "shadowed" not in how} == found
    assert check(plan, "-c", own).exit_code == 1


def test_a_pack_stands_beside_checks_of_ones_own(tmp_path: Path, plan: Path) -> None:
    """A check in the configuration and a pack in a file of one's own beside it: both count, each in its severity."""
    (tmp_path / "house.toml").write_text(
        '[[checks]]\nid = "house-db"\nports = ["tcp/3306"]\nseverity = "low"\ntitle = "Our databases"\n'
    )
    own = config(
        tmp_path, 'packs = ["house.toml"]\n[[checks]]\nid = "door"\nports = ["tcp/22"]\nseverity = "medium"\n'
    )
    assert findings(plan, "-c", own) == {
        f"{RULE}.ssh door": ("medium", "open", "fail"),
        f"{RULE}.mysql house-db": ("low", "open", "fail"),
    }


def test_a_pack_counts_for_templates_and_for_what_is_not_known(tmp_path: Path) -> None:
    """A template judged by a pack; a source that no default tells is undetermined where the pack looks."""
    own = config(tmp_path, 'packs = ["databases"]\n')
    path = tmp_path / "stack.yml"
    path.write_text(
        "ROSTemplateFormatVersion: '2015-09-01'\nParameters: {Who: {Type: String}}\nResources:\n"
        "  Web:\n    Type: ALIYUN::ECS::SecurityGroup\n    Properties:\n      SecurityGroupIngress:\n"
        "        - {IpProtocol: tcp, PortRange: 22/22, SourceCidrIp: 0.0.0.0/0}\n"
        "        - {IpProtocol: tcp, PortRange: 3306/3306, SourceCidrIp: !Ref Who}\n"
    )
    assert told(path, "-c", own) == {"Web.SecurityGroupIngress[1]": "undetermined"}
    assert check(path, "-c", own, "--parameter", "Who=10.0.0.0/8").exit_code == 0
    assert told(path, "-c", own, "--parameter", "Who=::/0").keys() == {"Web.SecurityGroupIngress[1]"}


@pytest.mark.parametrize("pack", ["nowhere", "nowhere.toml"])
def test_a_pack_that_there_is_not_is_an_error(tmp_path: Path, plan: Path, pack: str) -> None:
    """Misspelled, nothing would be looked for: exit 2, and the name."""
    result = command("check", plan, "-c", config(tmp_path, f'packs = ["{pack}"]\n'))
    assert result.exit_code == 2
    assert pack in result.stderr
