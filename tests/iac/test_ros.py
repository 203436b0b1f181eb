"""ROS templates: what they open, in which group, and what cannot be known of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.iac.command import check, told
from tests.iac.plans import Plan, written

HEAD = "ROSTemplateFormatVersion: 2015-09-01\n"


def template(folder: Path, text: str, name: str = "stack.yml") -> Path:
    """Write a YAML template with these resources (or more, where the text says `Resources` itself)."""
    path = folder / name
    body = text if "Resources:" in text else "Resources:\n" + text
    path.write_text(HEAD + body)
    return path


WEB = """
  Web:
    Type: ALIYUN::ECS::SecurityGroup
    Properties:
      VpcId: vpc-1
      SecurityGroupName: web
"""


def test_an_inline_rule_is_found_with_its_line(tmp_path: Path) -> None:
    """SSH from anyone within a group: exit 1, at the line of the rule."""
    path = template(
        tmp_path,
        WEB
        + """      SecurityGroupIngress:
        - {IpProtocol: tcp, PortRange: 443/443, SourceCidrIp: 0.0.0.0/0}
        - IpProtocol: tcp
          PortRange: 22/22
          SourceCidrIp: 0.0.0.0/0
""",
    )
    result = check(path)
    assert result.exit_code == 1
    assert f"{path}:11: Web.SecurityGroupIngress[1]: ssh (critical)" in result.stdout


def test_the_same_in_json(tmp_path: Path) -> None:
    """A template in JSON, the group named by Ref: found at the line of the resource."""
    rule = {
        "SecurityGroupId": {"Ref": "Web"},
        "IpProtocol": "tcp",
        "PortRange": "22/22",
        "SourceCidrIp": "0.0.0.0/0",
    }
    resources = {
        "Web": {"Type": "ALIYUN::ECS::SecurityGroup", "Properties": {"VpcId": "vpc-1"}},
        "Ssh": {"Type": "ALIYUN::ECS::SecurityGroupIngress", "Properties": rule},
    }
    path = tmp_path / "stack.json"
    path.write_text(json.dumps({"ROSTemplateFormatVersion": "2015-09-01", "Resources": resources}, indent=1))
    result = check(path)
    assert result.exit_code == 1
    assert f"{path}:10: Ssh: ssh (critical)" in result.stdout


def test_rules_of_several_resources_are_one_group(tmp_path: Path) -> None:
    """Two halves of the Internet in two resources fail together; a drop in a third shields the port it names."""
    halves = (
        WEB
        + """
  Low:
    Type: ALIYUN::ECS::SecurityGroupIngress
    Properties: {SecurityGroupId: !Ref Web, IpProtocol: tcp, PortRange: 22/22, SourceCidrIp: 0.0.0.0/1}
  High:
    Type: ALIYUN::ECS::SecurityGroupIngresses
    Properties:
      SecurityGroupId: !GetAtt Web.SecurityGroupId
      Permissions: [{IpProtocol: tcp, PortRange: 22/22, SourceCidrIp: 128.0.0.0/1}]
"""
    )
    assert told(template(tmp_path, halves)) == {"Low": "ssh", "High.Permissions[0]": "ssh"}
    drop = """
  Drop:
    Type: ALIYUN::ECS::SecurityGroupIngress
    Properties:
      SecurityGroupId: {'Fn::GetAtt': [Web, SecurityGroupId]}
      IpProtocol: tcp
      PortRange: 22/22
      SourceCidrIp: 0.0.0.0/0
      Policy: drop
"""
    path = template(tmp_path, halves + drop)
    assert told(path) == {"Low": "ssh shadowed", "High.Permissions[0]": "ssh shadowed"}
    assert check(path).exit_code == 0


def test_ipv6_and_prefix_lists_count(tmp_path: Path) -> None:
    """Any IPv6 address fails, and so does a prefix list of the template that holds the Internet."""
    path = template(
        tmp_path,
        WEB
        + """      SecurityGroupIngress:
        - {IpProtocol: tcp, PortRange: 22/22, Ipv6SourceCidrIp: '::/0'}
        - {IpProtocol: tcp, PortRange: 3389/3389, SourcePrefixListId: !Ref Anyone}
  Anyone:
    Type: ALIYUN::ECS::PrefixList
    Properties:
      Entries: [{Cidr: 0.0.0.0/1}, {Cidr: 128.0.0.0/1}]
""",
    )
    assert told(path) == {"Web.SecurityGroupIngress[0]": "ssh", "Web.SecurityGroupIngress[1]": "rdp"}


PARAMETERS = """
Parameters:
  Source: {Type: String, Default: 10.0.0.0/8}
  Open: {Type: String}
Mappings:
  Ports: {ssh: {tcp: 22/22}}
Conditions:
  IsOpen: !Equals [!Ref Open, 'yes']
  Never: {'Fn::Not': [{'Fn::Equals': [a, a]}]}
Resources:
  Web: {Type: ALIYUN::ECS::SecurityGroup, Properties: {VpcId: vpc-1}}
  Ssh:
    Type: ALIYUN::ECS::SecurityGroupIngress
    Properties:
      SecurityGroupId: !Ref Web
      IpProtocol: tcp
      PortRange: !FindInMap [Ports, ssh, tcp]
      SourceCidrIp: !If [IsOpen, !Join ['/', [0.0.0.0, 0]], !Ref Source]
  Gone:
    Type: ALIYUN::ECS::SecurityGroupIngress
    Condition: Never
    Properties: {SecurityGroupId: !Ref Web, IpProtocol: all, PortRange: -1/-1, SourceCidrIp: 0.0.0.0/0}
"""


def test_parameters_decide_by_value_or_default(tmp_path: Path) -> None:
    """A parameter without a default makes it undetermined and is named; with a value the rule is judged."""
    path = template(tmp_path, PARAMETERS)
    result = check(path)
    assert result.exit_code == 3
    assert "give it with --parameter Open=VALUE" in result.stdout
    assert check(path, "--parameter", "Open=no").exit_code == 0
    assert check(path, "--parameter", "Open=yes").exit_code == 1
    assert check(path, "--parameter", "Open=no", "--parameter", "Source=0.0.0.0/0").exit_code == 1


def test_a_parameter_that_there_is_not_is_an_error(tmp_path: Path) -> None:
    """A misspelled one would leave the default to be judged: exit 2, for a template and for a plan."""
    result = check(template(tmp_path, PARAMETERS), "--parameter", "open=no")
    assert result.exit_code == 2
    assert "no parameter open" in result.stderr
    plan = Plan().group().rule("ssh", cidr_ip="10.0.0.0/8").write(tmp_path)
    assert check(plan, "--parameter", "Open=no").exit_code == 2
    assert check(plan, "--parameter", "Open").exit_code == 2


@pytest.mark.parametrize(
    "source",
    [
        "!GetAtt Vpc.CidrBlock",
        "{'Fn::Jq': ['.x', {}]}",
        "!Sub '${ALIYUN::Region}/0'",
        "!Select [5, [a]]",
        "{'Fn::If': [Nowhere, 0.0.0.0/0, 10.0.0.0/8]}",
        "{'Fn::Later': x}",
        "010",
    ],
)
def test_what_cannot_be_evaluated_is_undetermined_and_never_passed(tmp_path: Path, source: str) -> None:
    """A function of another kind, an attribute of a resource, an unknown condition: exit 3, the property is named."""
    rule = f"{{IpProtocol: tcp, PortRange: 22/22, SourceCidrIp: {source}}}"
    vpc = "\n  Vpc: {Type: ALIYUN::ECS::VPC, Properties: {CidrBlock: 0.0.0.0/0}}\n"
    result = check(template(tmp_path, f"{WEB}      SecurityGroupIngress: [{rule}]{vpc}"))
    assert result.exit_code == 3
    assert "SourceCidrIp: " in result.stdout


def test_a_group_that_cannot_be_told_fails_only_what_fails_alone(tmp_path: Path) -> None:
    """A rule of a group that is only a parameter: open to all fails; an office's SSH is undetermined; HTTPS passes."""
    rule = "{Type: ALIYUN::ECS::SecurityGroupIngress, Properties: {SecurityGroupId: !Ref G, IpProtocol: tcp, %s}}"
    path = template(
        tmp_path,
        "Parameters: {G: {Type: String}}\nResources:\n"
        f"  All: {rule % 'PortRange: 22/22, SourceCidrIp: 0.0.0.0/0'}\n"
        f"  Office: {rule % 'PortRange: 22/22, SourceCidrIp: 203.0.113.0/24'}\n"
        f"  Home: {rule % 'PortRange: 22/22, SourceCidrIp: 8.8.8.0/24'}\n"
        f"  Inside: {rule % 'PortRange: 22/22, SourceCidrIp: 10.0.0.0/8'}\n"
        f"  Https: {rule % 'PortRange: 443/443, SourceCidrIp: 0.0.0.0/0'}\n",
    )
    assert told(path) == {"All": "ssh", "Home": "undetermined"}


def test_a_clone_has_the_rules_of_its_source(tmp_path: Path) -> None:
    """A clone of a group of the template opens what that opens; of one that nobody has read, it is undetermined."""
    path = template(
        tmp_path,
        WEB
        + """      SecurityGroupIngress: [{IpProtocol: tcp, PortRange: 22/22, SourceCidrIp: 0.0.0.0/0}]
  Copy:
    Type: ALIYUN::ECS::SecurityGroupClone
    Properties: {SourceSecurityGroupId: !Ref Web, VpcId: vpc-2}
""",
    )
    assert told(path) == {
        "Web.SecurityGroupIngress[0]": "ssh",
        "Copy (clone of Web.SecurityGroupIngress[0])": "ssh",
    }
    copy = "  Copy: {Type: ALIYUN::ECS::SecurityGroupClone, Properties: {SourceSecurityGroupId: sg-other}}\n"
    result = check(template(tmp_path, copy))
    assert result.exit_code == 3
    assert "rules of sg-other are not known" in result.stdout


def test_a_clone_may_be_made_before_a_drop(tmp_path: Path) -> None:
    """A drop that is a resource of its own may come after the clone: the source is shielded, the clone may not be."""
    path = template(
        tmp_path,
        WEB
        + """      SecurityGroupIngress: [{IpProtocol: tcp, PortRange: 22/22, SourceCidrIp: 0.0.0.0/0, Priority: 2}]
  Drop:
    Type: ALIYUN::ECS::SecurityGroupIngress
    Properties:
      {SecurityGroupId: !Ref Web, IpProtocol: tcp, PortRange: 22/22, SourceCidrIp: 0.0.0.0/0, Policy: drop}
  Copy: {Type: ALIYUN::ECS::SecurityGroupClone, Properties: {SourceSecurityGroupId: !Ref Web}}
""",
    )
    assert told(path) == {
        "Web.SecurityGroupIngress[0]": "ssh shadowed",
        "Copy (clone of Web.SecurityGroupIngress[0])": "ssh",
    }


def test_count_makes_each(tmp_path: Path) -> None:
    """`Count` makes as many, each with its index; one that is not known yet makes it undetermined."""
    text = """Parameters: {N: {Type: Number, Default: 2}}
Resources:
  Web: {Type: ALIYUN::ECS::SecurityGroup, Count: !Ref N, Properties: {VpcId: vpc-1}}
  Rule:
    Type: ALIYUN::ECS::SecurityGroupIngress
    Count: 2
    Properties:
      SecurityGroupId: !Select [!Ref ALIYUN::Index, !Ref Web]
      IpProtocol: tcp
      PortRange: !Select [!Ref ALIYUN::Index, [22/22, 443/443]]
      SourceCidrIp: 0.0.0.0/0
"""
    assert told(template(tmp_path, text)) == {"Rule[0]": "ssh"}
    unknown = template(tmp_path, text.replace("Count: 2", "Count: !GetAtt A.B"), "other.yml")
    assert check(unknown).exit_code == 3


@pytest.mark.parametrize(
    "resource",
    [
        "  Inner: {Type: ALIYUN::ROS::Stack, Properties: {TemplateURL: 'oss://x/y'}}\n",
        "  Inner: {Type: 'MODULE::My::Net', Version: default}\n",
        "Transform: 'Aliyun::Serverless-2018-04-03'\nResources: {}\n",
    ],
)
def test_what_another_template_makes_is_not_passed(tmp_path: Path, resource: str) -> None:
    """A nested stack, a module, a macro: exit 3, and it says that it is to be judged by itself."""
    result = check(template(tmp_path, resource))
    assert result.exit_code == 3
    assert "judge that by itself" in result.stdout


BILLION = "Resources:\n  a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"  {b}: &{b} [{', '.join([f'*{a}'] * 10)}]\n" for a, b in zip("abcdefg", "bcdefgh", strict=True)
)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("Resources: [1, 2", "is not YAML"),
        ("Resources: {}\nResources: {}\n", "stands twice"),
        ("Resources: {A: !!python/object/apply:os.system [id]}\n", "none"),
        ("Resources: {A: !Unheard [id]}\n", "none of ROS's functions"),
        ("Resources: 5\n", "no mapping"),
        (BILLION, "more than a template can"),
        ("Resources: " + "[" * 5000 + "]" * 5000, "nested too deeply"),
        (
            "Workspace: {main.tf: ''}\nTransform: Aliyun::Terraform-v1.5\nResources: {}\n",
            "terraform show -json",
        ),
        ("Resources: {A: {<<: {Type: x}}}\n", "merge keys"),
        ("Resources: {A: {Type: x" + " " * (1 << 20) + "}}\n", "larger than 1024 KiB"),
    ],
)
def test_a_broken_or_hostile_template_is_an_error(tmp_path: Path, text: str, says: str) -> None:
    """Exit 2 with a sentence that names the file, in no time, and nothing is run."""
    path = template(tmp_path, text)
    result = check(path)
    assert result.exit_code == 2
    assert str(path) in result.stderr
    assert says in result.stderr


def test_functions_that_ask_for_more_than_any_machine_has_end(tmp_path: Path) -> None:
    """Conditions that double sixty times over are not evaluated to their end: the rule is undetermined."""
    steps = "".join(f"  C{n}: {{'Fn::And': [C{n + 1}, C{n + 1}]}}\n" for n in range(40))
    path = template(
        tmp_path,
        f"Conditions:\n{steps}  C40: {{'Fn::Equals': [a, a]}}\nResources:\n"
        "  Web: {Type: ALIYUN::ECS::SecurityGroup, Properties: {VpcId: vpc-1}}\n"
        "  R: {Type: ALIYUN::ECS::SecurityGroupIngress, Condition: C0, Properties: {SecurityGroupId: !Ref Web,"
        " IpProtocol: tcp, PortRange: 22/22, SourceCidrIp: 0.0.0.0/0}}\n",
    )
    assert check(path).exit_code == 3


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({"AWSTemplateFormatVersion": "2010-09-09", "Resources": {}}, "CloudFormation"),
        ({"version": 4, "serial": 1, "lineage": "x", "resources": []}, "terraform show -json"),
        ({"hello": 1}, "neither a plan"),
    ],
)
def test_a_file_of_another_kind_is_told(tmp_path: Path, data: object, says: str) -> None:
    """CloudFormation, a raw state, any other JSON: exit 2, with what it seems to be."""
    result = check(written(tmp_path, data))
    assert result.exit_code == 2
    assert says in result.stderr


@pytest.mark.parametrize(
    "resource",
    [
        "  Inner: {Type: ALIYUN::ROS::Stack, Properties: {TemplateURL: 'oss://x/y'}}\n",
        "  Web: {Type: ALIYUN::ECS::SecurityGroup, Properties: {'Fn::Jq': ['.x', {}]}}\n",
    ],
)
def test_what_is_not_seen_may_let_out_as_well(tmp_path: Path, resource: str) -> None:
    """A configuration that looks only at what goes out: a nested stack is undetermined there, too, and said plainly."""
    own = tmp_path / "my.toml"
    own.write_text('[[checks]]\nid = "mail"\ndirection = "egress"\nports = ["tcp/25"]\n')
    result = check(template(tmp_path, resource), "-c", own)
    assert result.exit_code == 3
    assert ";" not in result.stdout
