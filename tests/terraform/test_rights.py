"""The policies allow exactly what the code calls: no action less, none more. Said by the code, and shown by calls."""

from __future__ import annotations

import json
import time
from types import SimpleNamespace
from typing import Any

import pytest

from orchestrator.emulator import Emulator, Group, Rule, Statement, World, WorldOutline
from orchestrator.emulator.framework.operations import REGISTRY
from orchestrator.emulator.services.config.recorder import ConfigRule, config_of
from orchestrator.emulator.world.model import Balancer, Listener, PortList, PrefixList, Role
from orchestrator.handler import evaluate, handler
from tests.terraform.conftest import Terraform
from tests.terraform.judgement import actions, documents
from tests.terraform.rights import PLATFORM, change_actions, read_actions

_REGION = "cn-hangzhou"


def test_egress_is_an_option(terraform: Terraform) -> None:
    """Where egress is asked for, the members' role allows every action that the code can call."""
    main = terraform.tree / "examples" / "organization" / "main.tf"
    main.write_text(
        main.read_text().replace(
            "  folder_ids           =", "  egress               = true\n  folder_ids           ="
        )
    )
    found = dict(documents(terraform.resources("organization")))
    assert actions(found["stack group sgsweep-remediate"]) == read_actions() | change_actions()


def _statements(*policies: dict[str, Any]) -> tuple[Statement, ...]:
    """A role's policies for the emulator; their conditions only narrow further."""
    return tuple(
        Statement("Allow", tuple(one["Action"]), tuple(one["Resource"]))
        for policy in policies
        for one in policy["Statement"]
    )


def _called(emulator: Emulator) -> set[str]:
    """The RAM actions of the calls that were made and needed one."""
    names = {call.action for call in emulator.calls}
    # NLB and ALB have actions of the same names: what is asked of the one is asked of the other
    return {one.permission for (_, action), one in REGISTRY.items() if action in names and one.guarded}


def _as(name: str, found: dict[str, Any], emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Go on under a role of the applied example, with its policies."""
    statements = _statements(found[f"sgsweep-{name}-around"], found[f"sgsweep-{name}-groups"])
    hub = emulator.world.organization.hub_account_id
    role = Role(f"sgsweep-{name}", (), statements)
    keys = emulator.state.identities.open_session(hub, role, "fc", time.time() + 600).keys
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", keys.access_key_id)
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", keys.access_key_secret)
    monkeypatch.setenv("ALIBABA_CLOUD_SECURITY_TOKEN", keys.security_token)


def _allowed(name: str, found: dict[str, Any]) -> set[str]:
    return actions(found[f"sgsweep-{name}-around"]) | actions(found[f"sgsweep-{name}-groups"])


def test_the_function_needs_exactly_its_policies(
    terraform: Terraform, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Run under the roles of the applied example, the function is never refused, and uses every right it has."""
    found = dict(documents(terraform.resources("single-account")))
    world = World.generate(WorldOutline(5, 1, region_ids=1, groups_per_account=1))
    hub = world.organization.hub_account_id
    with Emulator(world) as emulator:
        environment = {
            "SGSWEEP_ENDPOINT": emulator.http_url,
            "SGSWEEP_MODE": "apply",
            "SGSWEEP_PORTS": "22",
            # the bucket is the one that the policy names
            "SGSWEEP_LEDGER": "oss://" + next(x for x in _resources(found) if x.endswith("/ledger/*"))[12:-2],
        }
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        _as("function", found, emulator, monkeypatch)
        _prepare(emulator, hub)
        context = SimpleNamespace(
            request_id="r", account_id=hub, region=_REGION, function=SimpleNamespace(timeout=60)
        )
        item = {"accountId": hub, "regionId": _REGION, "resourceId": "sg-x", "configRuleId": "cr-1"}
        assert handler(json.dumps([item]), context)["groups"] == {"changed": 1}, capsys.readouterr().out
        assert handler(json.dumps([item]), context)["groups"] == {"clean": 1}
        called, refused = _called(emulator), [call for call in emulator.calls if call.status == 403]
    assert refused == []
    # an intent that stands already is read only after a crash
    assert called | {"oss:GetObject"} | PLATFORM == _allowed("function", found)


def test_the_judge_needs_exactly_its_policies(
    terraform: Terraform, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Under the role that only reads, a rule is answered and a group looked at; nothing is refused, no right unused."""
    found = dict(documents(terraform.resources("single-account")))
    world = World.generate(WorldOutline(5, 1, region_ids=1, groups_per_account=1))
    hub = world.organization.hub_account_id
    with Emulator(world) as emulator:
        monkeypatch.setenv("SGSWEEP_ENDPOINT", emulator.http_url)
        monkeypatch.setenv("SGSWEEP_PORTS", "22")
        _as("judge", found, emulator, monkeypatch)
        _prepare(emulator, hub)
        context = SimpleNamespace(
            request_id="r", account_id=hub, region=_REGION, function=SimpleNamespace(timeout=60)
        )
        item = {"accountId": hub, "regionId": _REGION, "resourceId": "sg-x", "configRuleId": "cr-1"}
        assert handler(json.dumps([item]), context)["groups"] == {"planned": 1}, capsys.readouterr().out
        config_of(emulator.state).tokens["t"] = ("cr-1", None)
        evaluate(json.dumps({"resultToken": "t", "invokingEvent": {"accountId": hub}}), context)
        called, refused = _called(emulator), [call for call in emulator.calls if call.status == 403]
    assert refused == []
    assert called | PLATFORM == _allowed("judge", found)


def _resources(found: dict[str, Any]) -> list[str]:
    return [x for one in found["sgsweep-function-around"]["Statement"] for x in one["Resource"]]


def _prepare(emulator: Emulator, hub: str) -> None:
    """A group that needs a revocation and a split, and names both kinds of lists."""
    estate = emulator.world.estate(hub, _REGION)
    estate.prefix_lists["pl-1"] = PrefixList("pl-1", "all", entries=("0.0.0.0/0",))
    estate.port_lists["prl-1"] = PortList("prl-1", "ports", entries=("8080/8081",))
    rules = (
        Rule(security_group_rule_id="a", port_range="22/22", source_prefix_list_id="pl-1"),
        Rule(security_group_rule_id="b", port_range="1/100", source_cidr_ip="0.0.0.0/0"),
        Rule(
            security_group_rule_id="c", port_range="", port_range_list_id="prl-1", source_cidr_ip="0.0.0.0/0"
        ),
    )
    estate.groups["sg-x"] = Group(security_group_id="sg-x", vpc_id="vpc-1", rules=rules)
    for product in ("nlb", "alb"):  # 443 is no risk
        listeners = (Listener(f"lsn-{product}", "TCP" if product == "nlb" else "HTTPS", 443),)
        made = Balancer(f"{product}-1", product, "front", ("sg-x",), "vpc-1", listeners=listeners)
        estate.balancers[made.balancer_id] = made
    config_of(emulator.state).add_rule(ConfigRule("cr-1", "custom", "CUSTOM_FC", "arn", hub))
