"""A small cloud whose doors are logged: groups, interfaces and flow logs put by a test, and who used the doors."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from accounts.credentials import Credentials, StaticCredentials
from orchestrator import inventory
from orchestrator.cloud.client import AccountSession
from orchestrator.cloud.sls import LogService
from orchestrator.emulator import Emulator, Flow, Group, Options, Rule, World, WorldOutline
from orchestrator.emulator.services.log_service import Logstore
from orchestrator.emulator.world.model import Estate, FlowLog, Interface
from orchestrator.emulator.world.origin import vswitch_of
from orchestrator.evidence.settings import EvidenceSettings
from orchestrator.evidence.used_by import Logstores, Users
from orchestrator.evidence.values import Traffic
from orchestrator.exposure import PortSet
from orchestrator.policy import Finding, Severity, Status, Verdict
from orchestrator.securitygroup import Placement, SecurityGroup, parse_ports
from tests.cloud.conftest import Speaker, speaking

REGION = "cn-hangzhou"
PROJECT, LOGSTORE = "flows-of-a-test", "flowlog"
DAY = 86_400
NOW = (datetime.now(UTC) - timedelta(hours=12)).replace(hour=12, minute=0, second=0, microsecond=0)
"""The last noon: a test knows which records are of one day."""
SYN, RST, PSH, ACK = 2, 4, 8, 16


def rule(number: int, ports: str = "22/22", source: str = "0.0.0.0/0", **fields: Any) -> Rule:
    """A rule of the emulated world."""
    side = {"ipv6_source_cidr_ip" if ":" in source else "source_cidr_ip": source}
    return Rule(security_group_rule_id=f"sgr-{number}", port_range=ports, **{**side, **fields})


def group(number: int, *rules: Rule, **fields: Any) -> Group:
    """A group of the emulated world."""
    return Group(
        f"sg-{number}", f"group {number}", vpc_id=fields.pop("vpc_id", "vpc-1"), rules=rules, **fields
    )


def interface(number: int, *groups: int, **fields: Any) -> Interface:
    """An interface that obeys these groups."""
    own: dict[str, Any] = {"instance_id": f"i-{number}", "vpc_id": "vpc-1", **fields}
    ids = tuple(f"sg-{one}" for one in groups)
    return Interface(f"eni-{number}", ids, f"10.0.0.{number}", **own)


def log(number: int = 1, of: str = "vpc-1", **fields: Any) -> FlowLog:
    """A flow log of a VPC, a vSwitch or an interface."""
    kind = {"vpc": "VPC", "vsw": "VSwitch", "eni": "NetworkInterface"}[of.partition("-")[0]]
    return FlowLog(f"fl-{number}", kind, of, **{"project": PROJECT, "logstore": LOGSTORE, **fields})


def door(group_number: int, rule_number: int, *ports: str, **fields: Any) -> Finding:
    """An open finding of a rule."""
    made: dict[str, Any] = {
        "account_id": "1", "account_name": "", "region_id": REGION, "security_group_id": f"sg-{group_number}",
        "security_group_name": "", "service_managed": False, "rule_id": f"sgr-{rule_number}", "direction": "ingress",
        "check_id": "ssh", "severity": Severity.high, "verdict": Verdict.fail, "status": Status.open,
        "protocol": "tcp", "ports": PortSet([parse_ports(one) for one in ports or ("tcp/22",)]), "sources": (),
        "reason": "", "witness": None, "rule": {},
    }  # fmt: skip
    return Finding(**{**made, **fields})


class Scene:
    """One account and region, with what its logs hold."""

    def __init__(self, it: Speaker, store: Logstore) -> None:
        self.it = it
        self.store = store
        self.account_id = it.member_ids[0]
        self.now = int(NOW.timestamp())

    @property
    def estate(self) -> Estate:
        """What the account has there."""
        return self.it.world.estate(self.account_id, REGION)

    def flow(self, ago: float = 600, number: int = 1, source: str = "203.0.113.7", **more: Any) -> Flow:
        """An accepted record of SSH that ended so many seconds ago."""
        end = self.now - int(ago)
        usual: dict[str, Any] = {
            "account_id": self.account_id, "vpc_id": "vpc-1", "eni_id": f"eni-{number}", "srcaddr": source,
            "srcport": 40_000, "dstaddr": f"10.0.0.{number}", "dstport": 22, "protocol": 6, "direction": "in",
            "packets": 10, "bytes": 1_000, "action": "ACCEPT", "tcp_flags": SYN | ACK | PSH,
        }  # fmt: skip
        return Flow(end, **{**usual, "start": end - 600, "end": end, **more})

    def knock(self, ago: float = 600, number: int = 1, source: str = "198.51.100.9", **more: Any) -> Flow:
        """A lone SYN."""
        return self.flow(ago, number, source, **{"packets": 1, "bytes": 44, "tcp_flags": SYN, **more})

    def silence(self, ago: float = 600, number: int = 1, status: str = "NODATA") -> Flow:
        """A record that tells of no packet."""
        end = self.now - int(ago)
        return Flow(
            end, self.account_id, "vpc-1", eni_id=f"eni-{number}", start=end - 600, end=end, log_status=status
        )

    def put(self, *rows: Flow) -> None:
        """Add records."""
        self.it.emulator.logs.insert(self.store, rows)

    async def read(self) -> tuple[inventory.Interfaces, dict[str, SecurityGroup]]:
        """The interfaces and groups, as the scan reads them."""
        session = self.session()
        reader = inventory.RegionReader(session, Placement(self.account_id), REGION)
        groups: dict[str, SecurityGroup] = {}
        for group_id in self.estate.groups:
            seen = await reader.look(group_id)
            groups[group_id] = seen.group
        return await inventory.interfaces(session, REGION), groups

    def session(self) -> AccountSession:
        """A session of the read role."""
        return self.it.member()

    def as_user(self, key_id: str, secret: str) -> AccountSession:
        """A session of the account by a user's own keys."""
        return self.it.session(self.account_id, StaticCredentials(Credentials(key_id, secret)))

    def users(self, gathered: Logstores | None = None, **settings: Any) -> Users:
        """Who asks."""
        chosen = EvidenceSettings(**settings)
        return Users(self.session(), LogService(self.it.client), chosen, gathered)

    async def traffic(
        self, *findings: Finding, users: Users | None = None, **settings: Any
    ) -> dict[tuple[str, str], Traffic]:
        """Who used these doors."""
        by_group: dict[str, list[Finding]] = {}
        for one in findings:
            by_group.setdefault(one.security_group_id, []).append(one)
        interfaces, groups = await self.read()
        asked = users or self.users(**settings)
        return await asked.traffic(REGION, by_group, interfaces, groups, NOW)

    async def of(self, finding: Finding, **settings: Any) -> Traffic:
        """Who used one door."""
        found = await self.traffic(finding, **settings)
        return found[finding.security_group_id, finding.rule_id]

    @property
    def calls(self) -> Mapping[str, int]:
        """How often each action was asked."""
        return {action: stats.calls for action, stats in self.it.client.stats.actions.items()}


@asynccontextmanager
async def scene(
    groups: Iterable[Group] = (),
    interfaces: Iterable[Interface] = (),
    logs: Iterable[FlowLog] | None = None,
    options: Options | None = None,
    **settings: Any,
) -> AsyncIterator[Scene]:
    """A cloud with these groups, interfaces and flow logs; by default one of VPC vpc-1, into an empty logstore."""
    world = World.generate(WorldOutline(seed=7, accounts=2, region_ids=(REGION,), groups_per_account=0))
    async with speaking(world, at_noon(options or Options()), **settings) as it:
        store = it.emulator.gather_flows(PROJECT, it.member_ids[0], REGION, ())
        made = Scene(it, store)
        made.estate.groups = {one.security_group_id: one for one in groups}
        made.estate.interfaces = tuple(interfaces)
        made.estate.flow_logs = (log(),) if logs is None else tuple(logs)
        yield made


def at_noon(options: Options) -> Options:
    """The options with a clock that stands still at `NOW`, or their own; requests may carry any date."""
    quirks = msgspec.structs.replace(options.quirks, skew_seconds=1e9)
    clock = NOW.timestamp if options.clock is time.time else options.clock
    return replace(options, clock=clock, quirks=quirks)


def vswitch() -> str:
    """The vSwitch of VPC vpc-1."""
    return vswitch_of("vpc-1")


__all__ = ["Emulator", "Scene", "door", "group", "interface", "log", "rule", "scene", "vswitch"]
