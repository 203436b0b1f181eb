"""A small cloud on loopback, a member with groups to order, and the function as its platform would call it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from orchestrator.emulator import Emulator, Group, Keys, Rule, World, WorldOutline
from orchestrator.handler import handler, members, on_event

REGION = "cn-hangzhou"


def accept(rule_id: str, ports: str = "22/22", source: str = "0.0.0.0/0", **more: Any) -> Rule:
    """An ingress rule; an IPv6 source is recognised."""
    where = {"ipv6_source_cidr_ip": source} if ":" in source else {"source_cidr_ip": source}
    return Rule(security_group_rule_id=rule_id, port_range=ports, **{**where, **more})


class Site:
    """One hub, two members, groups on demand."""

    def __init__(
        self, emulator: Emulator, environment: pytest.MonkeyPatch, capture: pytest.CaptureFixture[str]
    ) -> None:
        self.emulator = emulator
        self.hub = emulator.world.organization.hub_account_id
        self.member, self.other = list(emulator.world.organization.members)[:2]
        self._environment = environment
        self._capture = capture
        self.context = SimpleNamespace(
            request_id="req-1", account_id=self.hub, region=REGION, function=SimpleNamespace(timeout=60)
        )

    def group(self, *rules: Rule, account: str = "", name: str = "sg-test", **more: Any) -> Group:
        """Put a group into an account."""
        group = Group(security_group_id=name, name=name, vpc_id="vpc-1", rules=rules, **more)
        self.emulator.world.estate(account or self.member, REGION).groups[name] = group
        return group

    def set(self, **variables: str) -> None:
        """Set SGSWEEP_ variables."""
        for name, value in variables.items():
            self._environment.setenv(f"SGSWEEP_{name.upper()}", value)

    def item(self, name: str = "sg-test", account: str = "", **more: Any) -> dict[str, Any]:
        """What Cloud Config says of a group."""
        item = {"accountId": account or self.member, "regionId": REGION, "resourceId": name}
        return {**item, "resourceType": "ACS::ECS::SecurityGroup", **more}

    def remedy(self, *items: Any, event: Any = None) -> dict[str, Any]:
        """Call the function's handler."""
        return handler(json.dumps(list(items) if event is None else event).encode(), self.context)

    def happen(self, event: dict[str, Any]) -> dict[str, Any]:
        """Call the function's event entry."""
        return on_event(json.dumps(event).encode(), self.context)

    def said(self) -> list[dict[str, Any]]:
        """What the function wrote to its log since last asked."""
        return [json.loads(line) for line in self._capture.readouterr().out.splitlines()]

    def wrote(self) -> list[str]:
        """The actions that changed a security group."""
        return [
            call.action
            for call, change in self.emulator.calls.changes()
            if change["what"] in {"revoke", "authorize"}
        ]


@pytest.fixture(autouse=True)
def a_new_instance(monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin each test as a new instance of the function: the next emulator may be given the port of an earlier one."""
    monkeypatch.setattr(members, "_directories", {})
    monkeypatch.setattr(members, "_regions", {})


@pytest.fixture
def site(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Iterator[Site]:
    """A running site; the function is in apply mode with a ledger in a folder."""
    world = World.generate(WorldOutline(5, 2, region_ids=2, groups_per_account=2))
    with Emulator(world) as emulator:
        keys: Keys = emulator.hub_credentials
        monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", keys.access_key_id)
        monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", keys.access_key_secret)
        monkeypatch.setenv("ALIBABA_CLOUD_SECURITY_TOKEN", "")
        site = Site(emulator, monkeypatch, capsys)
        site.set(
            endpoint=emulator.http_url, mode="apply", ledger=f"file://{tmp_path}/ledger", ports="22,3389"
        )
        site.set(remediation_role="sgsweep-remediate")
        yield site
