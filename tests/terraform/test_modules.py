"""Terraform's modules: valid, formatted, tested, safe by default, and each of these checks can fail."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.terraform.conftest import EXAMPLES, MODULES, SETTINGS, Terraform
from tests.terraform.judgement import REFUSED, actions, documents, problems
from tests.terraform.mutations import MUTATIONS, Mutation
from tests.terraform.scenarios import SCENARIOS

WITH_TESTS = ("remediation", "hub", "member", "member/stack-group")


def test_formatted(terraform: Terraform) -> None:
    """The files are as `terraform fmt` writes them."""
    said = terraform.run(".", "fmt", "-check", "-recursive", "-diff")
    assert said.returncode == 0, said.stdout


@pytest.mark.parametrize("folder", ["examples/single-account", "examples/organization", *WITH_TESTS])
def test_valid(terraform: Terraform, folder: str) -> None:
    """No module and no example has an error, a deprecated argument or another warning."""
    said = terraform.validate(folder)
    assert (said["error_count"], said["warning_count"]) == (0, 0), said["diagnostics"]


@pytest.mark.parametrize("folder", WITH_TESTS)
def test_own_tests(terraform: Terraform, folder: str) -> None:
    """`terraform test` passes in every module that has tests."""
    assert terraform.run(folder, "init", "-backend=false", "-input=false").returncode == 0
    said = terraform.run(folder, "test", "-no-color")
    assert said.returncode == 0, said.stdout + said.stderr
    assert re.search(r"Success! [1-9]\d* passed, 0 failed", said.stdout)


@pytest.mark.parametrize("example", EXAMPLES)
def test_safe_by_default(terraform: Terraform, example: str) -> None:
    """An example with its defaults changes nothing, allows nothing it does not need, and loses no event."""
    assert problems(terraform.resources(example)) == []


@pytest.mark.soak
@pytest.mark.parametrize("mutation", MUTATIONS, ids=str)
def test_a_mutation_is_noticed(terraform: Terraform, mutation: Mutation) -> None:
    """Each of these careless edits makes a check fail."""
    mutation.apply(terraform.tree)
    if mutation.scenario:
        assert next(SCENARIOS[mutation.scenario](terraform), None)
        return
    terraform.set(SETTINGS[mutation.example])
    if mutation.refused:
        said = terraform.do("apply", mutation.example, **mutation.variables)
        assert not said.works
        assert mutation.refused in said.errors
        return
    found = problems(terraform.resources(mutation.example, **mutation.variables))
    assert found
    assert found != [REFUSED], "an edit that terraform refuses by itself proves nothing"


def test_only_one_provider() -> None:
    """The modules use the provider aliyun/alicloud and no other."""
    texts = {path: path.read_text() for path in MODULES.rglob("*.tf")}
    named = {name for text in texts.values() for name in re.findall(r'source\s*=\s*"(\w+/\w+)"', text)}
    assert named == {"aliyun/alicloud"}
    resources = {
        name for text in texts.values() for name in re.findall(r'(?m)^(?:resource|data) "(\w+?)_', text)
    }
    # terraform_data is terraform's own
    assert resources == {"alicloud", "terraform"}


def test_the_event_path_is_a_third_function(terraform: Terraform) -> None:
    """With event_path there is an event rule, and a function for it that has a ledger and a dead letter."""
    made = terraform.resources("single-account", event_path="true")
    (rule,) = [one["values"] for one in made if one["type"] == "alicloud_event_bridge_rule"]
    assert "AuthorizeSecurityGroup" in rule["filter_pattern"]
    assert rule["targets"][0]["dead_letter_queue"][0]["arn"].startswith("acs:mns:")
    functions = {
        one["values"]["handler"]: one["values"] for one in made if one["type"] == "alicloud_fcv3_function"
    }
    ledger = functions["index.on_event"]["environment_variables"]["SGSWEEP_LEDGER"]
    assert ledger.startswith("oss://")
    # in plan mode it may write nothing but that a test event has arrived
    judge = dict(documents(made))["sgsweep-judge-around"]
    written = [one["Resource"] for one in judge["Statement"] if "oss:PutObject" in one["Action"]]
    assert written == [[f"acs:oss:*:*:{ledger.removeprefix('oss://')}/arrivals/*"]]


def test_stack_group_and_module_give_the_same_rights(terraform: Terraform) -> None:
    """A member rolled out by the stack group gets exactly the rights of the module for one account."""
    found = dict(documents(terraform.resources("organization")))
    for name in ("sgsweep-read", "sgsweep-remediate"):
        assert found[name] == found[f"stack group {name}"]
    assert actions(found["sgsweep-read"]) < actions(found["sgsweep-remediate"])


def test_the_standin_refuses_wrong_arguments(terraform: Terraform) -> None:
    """The stand-in warns of what the provider calls deprecated, and refuses what it does not know."""
    role = terraform.tree / "hub" / "main.tf"
    role.write_text(re.sub(r"role_name( +)=", r"name     \1=", role.read_text(), count=1))
    assert terraform.validate("hub")["warning_count"] > 0
    function = terraform.tree / "remediation" / "function" / "main.tf"
    function.write_text(re.sub(r"handler( +)=", r"handle\1=", function.read_text()))
    assert terraform.validate("remediation")["error_count"] > 0


@pytest.mark.parametrize("readme", sorted(MODULES.rglob("README.md")), ids=lambda path: path.parent.name)
def test_the_readme_names_every_input_and_output(readme: Path) -> None:
    """A module's README lists its inputs with their defaults, and its outputs, as they are in the code."""
    said = readme.read_text()
    for path in readme.parent.glob("*.tf"):
        for kind, name, body in re.findall(r'(?ms)^(variable|output) "(\w+)" \{\n(.*?)^\}', path.read_text()):
            description = re.search(r'description\s*=\s*"((?:[^"\\]|\\.)*)"', body)
            assert description, f"{path}: {name} has no description"
            default = re.search(r"(?m)^  default\s*=\s*(.+)$", body)
            row = f"| `{name}` | {description[1]} |".replace('\\"', '"')
            if kind == "variable":
                row += f" `{default[1]}` |" if default else " required |"
            assert row in said, f"{readme} lacks: {row}"
