"""`sgsweep demo --continuous`: someone opens a port to the world, and seconds later it is closed, by the function.

The cloud, ActionTrail, Cloud Config and Function Compute are emulated; the function is the real one, each invocation a
process of its own. Every case must end as it should, or the demo ends with 1.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from accounts.credentials import Credentials, StaticCredentials
from orchestrator.cloud.client import AccountSession, Client, CloudSettings
from orchestrator.emulator import Emulator, Group, Role, Rule, Statement, World, WorldOutline
from orchestrator.emulator.server.triggers import Triggers
from orchestrator.emulator.services.config.recorder import ConfigRule, Key, config_of
from orchestrator.emulator.services.function_compute import Function, FunctionCompute
from orchestrator.emulator.world.model import PortList, PrefixList
from orchestrator.terminal import say, table

LIMIT_SECONDS = 60.0  # from the call that opens a port until it is closed, for 95 of 100
_REGION = "cn-hangzhou"
_CONFIG_LAG_SECONDS = 2.0
_PORTS = "22,3389"
_SESSION_SECONDS = 3600


class Case(NamedTuple):
    """What somebody opens, in a group of its own."""

    name: str
    title: str
    rules: tuple[dict[str, str], ...]


class Ended(NamedTuple):
    """How a case went: seconds until it was closed and until Cloud Config had noticed, and what is wrong."""

    case: Case
    seconds: float
    config_seconds: float
    problem: str


def _tcp(ports: str, **where: str) -> dict[str, str]:
    return {"IpProtocol": "TCP", "PortRange": ports, "Priority": "10", **where}


CASES = (
    Case("ssh", "22 to 0.0.0.0/0", (_tcp("22/22", SourceCidrIp="0.0.0.0/0"),)),
    Case("ipv6", "3389 to ::/0", (_tcp("3389/3389", Ipv6SourceCidrIp="::/0"),)),
    Case(
        "halves",
        "22 to two halves of the Internet",
        (_tcp("22/22", SourceCidrIp="0.0.0.0/1"), _tcp("22/22", SourceCidrIp="128.0.0.0/1")),
    ),
    Case("prefix-list", "22 to a prefix list", (_tcp("22/22", SourcePrefixListId="pl-everyone"),)),
    Case("port-list", "a port list", ({"IpProtocol": "TCP", "PortRangeListId": "prl-admin", "Priority": "10",
                                       "SourceCidrIp": "0.0.0.0/0"},)),
    Case("all", "ALL", ({"IpProtocol": "ALL", "PortRange": "-1/-1", "Priority": "10", "SourceCidrIp": "0.0.0.0/0"},)),
)  # fmt: skip


def run(cases: Sequence[Case] = CASES) -> int:
    """Show the loop; return the exit code: 0 if every case ended as it should, else 1."""
    with _cloud() as stage:
        say(
            f"A cloud on loopback. Cloud Config notices a change {_CONFIG_LAG_SECONDS:g} s later; ActionTrail at once."
        )
        ended: list[Ended] = []
        for batch in (cases[:1], cases[1:]):
            for case in batch:
                stage.open(case)
                say(f"Somebody opens {case.title}.")
            ended += [stage.wait(case) for case in batch]
        records = stage.audit_records()
    rows = [("what was opened", "closed after", "judged again by Cloud Config after", "in the end")]
    rows += [
        (
            one.case.title,
            f"{one.seconds:.1f} s",
            f"{one.config_seconds:.1f} s",
            one.problem or "as it should be",
        )
        for one in ended
    ]
    table(rows)
    slowest = max((one.seconds for one in ended), default=0.0)
    say(
        f"{records} audit records. Slowest {slowest:.1f} s; the promise is {LIMIT_SECONDS:g} s for 95 of 100."
    )
    return 1 if slowest > LIMIT_SECONDS or any(one.problem for one in ended) else 0


class Stage:
    """The emulated cloud with what it does by itself, and one member whose groups are opened."""

    def __init__(self, emulator: Emulator, triggers: Triggers, rule: ConfigRule) -> None:
        self._emulator = emulator
        self._triggers = triggers
        self._rule = rule
        self._member = next(iter(emulator.world.organization.members))
        self._person = emulator.add_user(self._member, "somebody")
        self._opened: dict[str, tuple[float, tuple[str, ...]]] = {}

    def open(self, case: Case) -> None:
        """Make a group with a web rule and a Drop rule, and have somebody open more."""
        web = Rule(
            security_group_rule_id=f"sgr-web-{case.name}", port_range="443/443", source_cidr_ip="0.0.0.0/0"
        )
        drop = Rule(
            security_group_rule_id=f"sgr-drop-{case.name}",
            policy="Drop",
            port_range="23/23",
            source_cidr_ip="0.0.0.0/0",
        )
        group = Group(
            security_group_id=f"sg-{case.name}", name=case.name, vpc_id="vpc-demo", rules=(web, drop)
        )
        self._estate().groups[group.security_group_id] = group
        asyncio.run(self._authorize(group.security_group_id, case.rules))
        new = tuple(rule.security_group_rule_id for rule in group.rules[2:])
        call = self._emulator.calls.of("AuthorizeSecurityGroup", self._member)[-1]
        self._opened[case.name] = (call.time, new)

    async def _authorize(self, group_id: str, rules: Sequence[dict[str, str]]) -> None:
        keys = self._person
        own = StaticCredentials(Credentials(keys.access_key_id, keys.access_key_secret, keys.security_token))
        async with Client(CloudSettings(endpoint=self._emulator.http_url)) as client:
            session = AccountSession(client, self._member, own)
            asked = {"RegionId": _REGION, "SecurityGroupId": group_id, "Permissions": list(rules)}
            await session.call("AuthorizeSecurityGroup", _REGION, asked, mutating=True)

    def wait(self, case: Case) -> Ended:
        """Wait until the case is closed and judged again; say what is not as it should be."""
        at, opened = self._opened[case.name]
        group = self._estate().groups[f"sg-{case.name}"]
        closed = _wait_for(lambda: not _holds(group, opened))
        seconds = time.time() - at
        key = self._key(group)
        compliant = _wait_for(lambda: self._result(key) == "COMPLIANT")
        noticed = self._rule.results[key].at - at if key in self._rule.results else 0.0
        problems = [] if closed else ["the port is still open"]
        problems += [] if compliant else [f"Cloud Config says {self._result(key) or 'nothing'}"]
        problems += [] if _holds(group, (f"sgr-web-{case.name}",)) else ["443 is gone"]
        problems += [] if _holds(group, (f"sgr-drop-{case.name}",)) else ["the Drop rule is gone"]
        return Ended(case, min(seconds, self._closed_at(group) - at), noticed, "; ".join(problems))

    def audit_records(self) -> int:
        """Return how many audit records the function has written to its log."""
        log = [json.loads(line) for one in self._triggers.functions.ended for line in one.log]
        return sum("phase" in line for line in log)

    def _estate(self) -> Any:  # noqa: ANN401 - the emulator's own value
        return self._emulator.world.estate(self._member, _REGION)

    def _key(self, group: Group) -> Key:

        return Key(self._member, _REGION, group.security_group_id)

    def _result(self, key: Key) -> str:
        found = self._rule.results.get(key)
        return found.compliance if found else ""

    def _closed_at(self, group: Group) -> float:
        calls = self._emulator.calls.of("RevokeSecurityGroup", self._member)
        mine = [
            call.time for call in calls if call.parameters.get("SecurityGroupId") == group.security_group_id
        ]
        return max(mine, default=time.time())


def _holds(group: Group, rule_ids: Sequence[str]) -> bool:
    return bool({rule.security_group_rule_id for rule in group.rules} & set(rule_ids))


def _wait_for(holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + LIMIT_SECONDS
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


@contextmanager
def _cloud() -> Iterator[Stage]:
    """The emulated cloud, the two rules, and the function deployed three times as Terraform deploys it."""
    world = World.generate(WorldOutline(7, 2, region_ids=2, groups_per_account=3))
    hub = world.organization.hub_account_id
    for member in world.organization.members:
        estate = world.estate(member, _REGION)
        estate.prefix_lists["pl-everyone"] = PrefixList("pl-everyone", "everyone", entries=("0.0.0.0/0",))
        estate.port_lists["prl-admin"] = PortList("prl-admin", "admin", entries=("22/22", "3389/3389"))
    with Emulator(world) as emulator:
        role = Role("sgsweep-function", (), (Statement("Allow", ("*",)),))
        keys = emulator.state.identities.open_session(
            hub, role, "function", time.time() + _SESSION_SECONDS
        ).keys
        environment = {
            "SGSWEEP_ENDPOINT": emulator.http_url,
            "SGSWEEP_MODE": "apply",
            "SGSWEEP_PORTS": _PORTS,
            "SGSWEEP_LEDGER": "oss://sgsweep-demo/ledger",
            "SGSWEEP_REMEDIATION_ROLE": "sgsweep-remediate",
            "SGSWEEP_AGGREGATOR": "ca-demo",
            "SGSWEEP_CONFIG_RULES": "cr-custom",
        }
        function = Function(
            account_id=hub,
            region_id=_REGION,
            keys=(keys.access_key_id, keys.access_key_secret, keys.security_token),
            environment=environment,
            python=sys.executable,
            module="orchestrator.handler",
        )
        functions = FunctionCompute()
        arns = {name: functions.deploy(f"acs:fc:{_REGION}:{hub}:functions/sgsweep-{name}", function, name)
                for name in ("handler", "evaluate", "on_event")}  # fmt: skip
        config = config_of(emulator.state)
        config.lag_seconds = _CONFIG_LAG_SECONDS
        config.aggregators["ca-demo"] = hub
        parameters = {"ports": _PORTS}
        rules = [
            ConfigRule(
                "cr-managed",
                "sg-risky-ports-check",
                "ALIYUN",
                "sg-risky-ports-check",
                hub,
                "ca-demo",
                parameters,
            ),
            ConfigRule(
                "cr-custom", "sgsweep-risky-ports", "CUSTOM_FC", arns["evaluate"], hub, "ca-demo", parameters
            ),
        ]
        for rule in rules:
            rule.function_arn, rule.automatic = arns["handler"], True
            config.add_rule(rule)
        with Triggers(emulator.state, functions, on_event_arn=arns["on_event"]) as triggers:
            yield Stage(emulator, triggers, rules[1])
