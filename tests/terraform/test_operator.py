"""Who applies the modules: allowed exactly what the provider calls, on what the modules make and nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.terraform.cloud import ACCOUNT, Values
from tests.terraform.conftest import EXAMPLES, MODULES, SHARED, Terraform
from tests.terraform.judgement import actions
from tests.terraform.permissions import allows, complaints
from tests.terraform.standin import read_schema

POLICY: Values = json.loads((MODULES / "operator-policy.json").read_text())
# an ARN of what a type makes, by the argument that names it
_NAMED = {
    "alicloud_fcv3_function": (
        "function_name",
        "acs:fc:cn-shanghai:{account}:functions/{name}",
        "fc:CreateFunction",
    ),
    "alicloud_ram_role": ("role_name", "acs:ram::{account}:role/{name}", "ram:CreateRole"),
    "alicloud_ram_policy": ("policy_name", "acs:ram::{account}:policy/{name}", "ram:CreatePolicy"),
    "alicloud_log_project": (
        "project_name",
        "acs:log:cn-shanghai:{account}:project/{name}",
        "log:CreateProject",
    ),
    "alicloud_oss_bucket": ("bucket", "acs:oss:cn-shanghai:{account}:{name}", "oss:GetBucketPolicy"),
    "alicloud_message_service_queue": (
        "queue_name",
        "acs:mns:cn-shanghai:{account}:/queues/{name}",
        "mns:CreateQueue",
    ),
}


def test_allowed_is_what_the_provider_calls() -> None:
    """Not an action less than the provider calls, which would stop an apply, and not one more."""
    assert list(complaints(MODULES)) == []
    assert not any(action.startswith("ecs:") for action in actions(POLICY))


@pytest.mark.parametrize("prefix", ["sgsweep", "sgsweep-eu"])
def test_the_policy_follows_the_prefix(terraform: Terraform, prefix: str) -> None:
    """Whatever the prefix, the policy reaches each thing that is made, and lets each role be handed over."""
    made = terraform.resources("single-account", prefix=prefix, event_path="true")
    assert made
    for one in made:
        if one["type"] in _NAMED:
            key, pattern, action = _NAMED[one["type"]]
            assert allows(POLICY, action, pattern.format(account=ACCOUNT, name=one["values"][key])), one[
                "address"
            ]
        if one["type"] == "alicloud_fcv3_function":
            assert allows(POLICY, "ram:PassRole", one["values"]["role"]), one["values"]["role"]


def test_what_is_limited_besides() -> None:
    """Roles are handed to Function Compute only; service-linked roles are EventBridge's only."""
    conditions = {
        action: statement.get("Condition")
        for statement in POLICY["Statement"]
        for action in statement["Action"]
    }
    assert conditions["ram:PassRole"] == {"StringEquals": {"acs:Service": "fc.aliyuncs.com"}}
    services = {"StringLike": {"ram:ServiceName": ["*.eventbridge.aliyuncs.com"]}}
    assert conditions["ram:CreateServiceLinkedRole"] == conditions["ram:DeleteServiceLinkedRole"] == services
    assert not allows(POLICY, "oss:PutObject", f"acs:oss:cn-shanghai:{ACCOUNT}:sgsweep-1/ledger/intents/1")
    role = dict(EXAMPLES["organization"][1])["security_role_arn"]
    assert allows(POLICY, "sts:AssumeRole", role)


@pytest.mark.skipif(not SHARED.exists(), reason="the provider's own schema is not beside the checkout")
def test_the_schema_is_the_provider_s() -> None:
    """Where the provider's schema is at hand: each argument that the stand-in knows is there, with type and demands."""
    shared = json.loads(SHARED.read_text())
    own = read_schema((MODULES.parent / "tests" / "terraform" / "schema.txt").read_text())
    wrong = []
    for kind, arguments in own.items():
        there = shared["data_sources"] if kind.startswith("data ") else shared["resources"]
        known = there.get(kind.removeprefix("data "))
        # younger than the list: read in the provider's source
        if known is not None:
            wrong += [
                f"{kind}: {text}"
                for text in _differences(arguments, known["arguments"], resource=kind[:5] != "data ")
            ]
    assert wrong == []


def _differences(arguments: list[Any], known: dict[str, Any], *, resource: bool) -> list[str]:
    wrong = []
    for one in arguments:
        if one.name in ("id", "timeouts"):
            continue
        said = known.get(one.name)
        if said is None:
            wrong.append(f"{one.name} is unknown")
            continue
        if bool(said.get("required")) != ("required" in one.words):
            wrong.append(f"{one.name}: required")
        if bool(said.get("deprecated")) != ("deprecated" in one.words):
            wrong.append(f"{one.name}: deprecated")
        if resource and bool(said.get("force_new")) != ("new" in one.words):
            wrong.append(f"{one.name}: new")
        if one.inner and one.is_block:
            wrong += [f"{one.name}.{text}" for text in _differences(one.inner, said["block"], resource=False)]
    return wrong
