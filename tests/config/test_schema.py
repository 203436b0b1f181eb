"""The configuration's schema says what the code takes; the roles that `init` writes are those of terraform/member."""

from __future__ import annotations

import json
import re
import tomllib
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from accounts.settings import OrganizationSettings
from orchestrator.config import ConfigError, File, defaults, load
from orchestrator.config.reference import reference, written
from orchestrator.config.roles import roles, statements, trusted
from orchestrator.config.schema import schema

ROOT = Path(__file__).parents[2]
WAIVER = "[[exemptions]]\nowner = 'o'\nreason = 'r'\nexpires = 2030-01-01\n"


def _problems(text: str) -> list[str]:
    """Return what the schema says against a TOML text, days spelled as JSON has them."""
    data = json.loads(json.dumps(tomllib.loads(text), default=_day))
    checker = Draft202012Validator.FORMAT_CHECKER
    return [one.message for one in Draft202012Validator(schema(), format_checker=checker).iter_errors(data)]


def _day(value: object) -> str:
    assert isinstance(value, date | datetime)
    return value.isoformat()


def test_it_is_a_schema_whose_properties_stand_at_the_top() -> None:
    """As editors want it: every table of the file, every key with its meaning, and nothing that is no key."""
    made = schema()
    Draft202012Validator.check_schema(made)
    assert set(made["properties"]) == set(File.__struct_fields__)
    assert all(one["description"] for one in made["properties"].values())
    tables = {
        name: made["$defs"][one["$ref"].rpartition("/")[2]]["properties"]
        for name, one in made["properties"].items()
        if "$ref" in one
    }
    assert "change_protected" not in tables["remediation"]
    assert "limits" not in tables["cloud"]
    for name, keys in tables.items():
        for key, given in keys.items():
            assert given.get("description"), f"[{name}] {key} has no meaning in its docstring"
            assert given.get("type") != "null"
    assert tables["cloud"]["site"]["enum"] == ["china", "international", "finance", "gov"]


def test_the_reference_and_all_its_examples_are_right_by_it() -> None:
    """With every commented example switched on, too."""
    assert _problems(reference()) == []
    shown = re.sub(r"^# (?=(?:[a-z_]+ = |\[\[))", "", reference(), flags=re.MULTILINE)
    assert _problems(shown) == []


@pytest.mark.parametrize(
    "text",
    [
        "[organization]\nrolle = 'x'",
        "[orgnization]\n",
        "[organization]\nsource = 'guess'",
        "[cloud]\nsite = 'mars'",
        "[cloud]\nlimits = {share = 1}",
        "[remediation]\nchange_protected = ['sg-1']",
        "[limits]\nmax_in_flight = 'many'",
        "[canary]\ngruop = 'sg-1'",
        "checks = []",
        "[[checks]]\nports = ['22']",
        "[[checks]]\nid = 'x'\nports = '22'",
        "[[checks]]\nid = 'x'\nports = ['22']\nseverity = 'awful'",
        f"{WAIVER}acount = ['1']",
        WAIVER.replace("owner = 'o'\n", "") + "account = '1'",
        WAIVER.replace("2030-01-01", "'soon'") + "account = '1'",
        "[[accepted_unreachable]]\naccount = '1'",
    ],
)
def test_what_the_code_refuses_by_key_or_type_the_schema_refuses(tmp_path: Path, text: str) -> None:
    """An editor marks it before it is run."""
    assert _problems(text)
    path = tmp_path / "config.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError):
        load(path, {})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[[checks]]\nid = 'x'\nports = ['tcp/22', 'udp/53', '6000-6010']",
        f"{WAIVER}account = '1'\nport = 'tcp/22'\nsource = ['192.0.2.0/24']",
        WAIVER.replace("2030-01-01", "2030-01-01T10:00:00Z") + "group = ['sg-1']",
        "[remediation]\nmax_rules = 5\n[limits]\nshare = 1",
    ],
)
def test_what_the_code_takes_the_schema_takes(tmp_path: Path, text: str) -> None:
    """No mark on what is right."""
    path = tmp_path / "config.toml"
    path.write_text(text, encoding="utf-8")
    load(path, {})
    assert _problems(text) == []


def test_a_written_configuration_is_the_reference_with_other_values(tmp_path: Path) -> None:
    """Comments and all; what is hostile in a value stays a text; a key that is not there is an error."""
    path = tmp_path / "config.toml"
    path.write_text(written({}), encoding="utf-8")
    assert load(path, {}) == defaults()
    hostile = 'x"\n[cloud]\nendpoint = "https://evil" # \x7f'
    text = written(
        {
            ("organization", "role"): hostile,
            ("organization", "source"): "static",
            ("organization", "accounts"): ("1", "2"),
            ("organization", "hub_account_id"): "7",
            ("cloud", "regions"): ("cn-hangzhou",),
        }
    )
    path.write_text(text, encoding="utf-8")
    loaded = load(path, {})
    assert loaded.organization.role == hostile
    assert (loaded.organization.accounts, loaded.organization.hub_account_id) == (("1", "2"), "7")
    assert (loaded.cloud.endpoint, loaded.cloud.regions) == ("", ("cn-hangzhou",))
    assert text.count("#") >= reference().count("#") - 2
    with pytest.raises(KeyError):
        written({("cloud", "role"): "x"})


def _of_terraform(name: str) -> set[tuple[str, str]]:
    """Return the action and resource pairs of a local of terraform/member/policies, by default: ingress only."""
    text = (ROOT / "terraform/member/policies/main.tf").read_text(encoding="utf-8")
    joined = re.search(rf"^  {name}\s*= concat\((local\..*)\)$", text, re.MULTILINE)
    if joined is not None:
        parts = re.findall(r"local\.(\w+)", joined[1])
        return {pair for part in parts for pair in _of_terraform(part)}
    body = re.search(rf"^  {name}\s*= \[(?:\{{.*?^  \}}\]|.*?^  \])", text, re.MULTILINE | re.DOTALL)
    assert body is not None, name
    found = set()
    for actions, resource in re.findall(r"Action\s*= (.*?)\n\s*Resource\s*= (\S+)", body[0]):
        resources = {"local.groups": "acs:ecs:*:*:securitygroup/*", "local.anywhere": "*"}
        default = re.sub(r"var\.egress \? \[.*?\] : \[\]", "", actions)
        found |= {(action, resources[resource]) for action in re.findall(r'"([^"]+)"', default)}
    return found


@pytest.mark.parametrize("name", ["read", "remediate"])
def test_the_roles_may_do_what_those_of_terraform_may(name: str) -> None:
    """The same actions on the same resources: no more, and no fewer."""
    made = statements(changes=name == "remediate")
    own = {(action, one["Resource"][0]) for one in made for action in one["Action"]}
    assert own == _of_terraform(name)
    assert len(own) > 10


def test_the_ros_template_trusts_one_role_and_asks_for_the_external_id() -> None:
    """Both roles by their configured names; no secret is written."""
    organization = OrganizationSettings(
        role="r", remediation_role="w", external_id="secret-id", session_seconds=7200
    )
    template: dict[str, Any] = json.loads(roles("ros", organization, "acs:ram::7:assumed-role/Hub/session"))
    assert template["Parameters"]["ExternalId"]["NoEcho"] is True
    names = set()
    for role in template["Resources"].values():
        trust = role["Properties"]["AssumeRolePolicyDocument"]["Statement"][0]
        assert trust["Principal"] == {"RAM": ["acs:ram::7:role/Hub"]}
        assert trust["Condition"]["StringEquals"] == {"sts:ExternalId": [{"Ref": "ExternalId"}]}
        assert role["Properties"]["MaxSessionDuration"] == 7200
        names.add(role["Properties"]["RoleName"])
    assert names == {"r", "w"}
    text = roles("terraform", organization, "acs:ram::7:user/sweeper")
    assert text.count("var.external_id") == 2
    assert text.count('"acs:ram::7:user/sweeper"') == 2
    assert "secret-id" not in text + json.dumps(template)
    assert trusted("acs:ram::7:user/sweeper") == "acs:ram::7:user/sweeper"
