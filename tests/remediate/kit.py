"""A small cloud, a plan for it, and what the emulator's record says about how it was carried out."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import msgspec

from accounts.credentials import Credentials, RoleSession, StaticCredentials
from orchestrator.cloud.client import AccountSession, Client, CloudSettings, Limits
from orchestrator.cloud.sessions import Sessions
from orchestrator.emulator import Emulator, Group, Options, Rule, World, WorldOutline
from orchestrator.exposure import PacketSet, PortSet, effective, packets_to
from orchestrator.inventory import ReadSession as Reading
from orchestrator.inventory import RegionReader
from orchestrator.journal import Effect, Journal, Outcome, OutcomeKind, RunHeader
from orchestrator.plan import Action, Place, Settings, decide
from orchestrator.policy import Check, evaluate, parse_port
from orchestrator.remediate import Brake, ChangeSession, GroupRules, Guard, Order, remediate_account
from orchestrator.remediate import Settings as Patience
from orchestrator.securitygroup import (
    NO_LISTS,
    Lists,
    Placement,
    SecurityGroup,
    every_port,
    parse_group,
    parse_ports,
    parse_rule,
)
from tests.remediate.crash import Fuse, MortalSession

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
REGION = "cn-hangzhou"
CHECKS = (
    Check(id="ssh", ports=(parse_port("tcp/22"),)),
    Check(id="redis", ports=(parse_port("tcp/6379"),)),
)
RISKY = packets_to(PortSet([parse_ports("tcp/22"), parse_ports("tcp/6379")]))
# Protocol ALL cannot be written again but for these (design): the others may go with it.
WRITABLE = packets_to(PortSet([every_port(protocol) for protocol in ("tcp", "udp", "icmp", "gre")]))
HEADER = RunHeader(
    run_id="run-1", created_at="", hub_account_id="1", hub_arn="", endpoint="emulator", settings={}
)
HASTE = Patience(wait_seconds=0.2, first_wait_seconds=0.02, rounds=8)


def rule(number: int, ports: str = "22/22", source: str = "0.0.0.0/0", **fields: Any) -> Rule:
    """A rule of the emulated world."""
    side = {"ipv6_source_cidr_ip" if ":" in source else "source_cidr_ip": source}
    return Rule(security_group_rule_id=f"sgr-{number}", port_range=ports, **{**side, **fields})


def raw_of(rule: Rule) -> dict[str, Any]:
    """The rule as the API gives it."""
    raw: dict[str, Any] = msgspec.to_builtins(rule)
    return raw


def seen(group: Group, account_id: str, lists: Lists = NO_LISTS) -> SecurityGroup:
    """The group as a scan sees it."""
    listing = {
        "SecurityGroupId": group.security_group_id,
        "SecurityGroupName": group.name,
        "SecurityGroupType": group.kind,
        "VpcId": group.vpc_id,
    }
    attribute = {"InnerAccessPolicy": group.inner_access_policy}
    raws = [raw_of(rule) for rule in group.rules]
    return parse_group(Placement(account_id), REGION, listing, attribute, raws, lists)


def planned(
    groups: Iterable[Group],
    account_id: str,
    checks: Sequence[Check] = CHECKS,
    lists: Lists = NO_LISTS,
    **settings: Any,
) -> list[Action]:
    """What the real judgement and the real plan decide for the groups."""

    def judge(group: SecurityGroup) -> Any:
        return evaluate(group, checks, NOW)

    actions: list[Action] = []
    for group in groups:
        one = seen(group, account_id, lists)
        actions += decide(one, judge(one), judge=judge, settings=Settings(**settings)).actions
    return actions


def packets(rules: Iterable[Rule], direction: str = "ingress") -> PacketSet:
    """What passes through these rules of the world."""
    return effective([parse_rule(raw_of(rule)) for rule in rules], direction) & WRITABLE  # type: ignore[arg-type]  # a literal


class Cloud:
    """A running emulator with one account to change things in, and a client for it."""

    def __init__(self, emulator: Emulator, client: Client) -> None:
        self.emulator = emulator
        self.client = client
        self.account_id = next(iter(emulator.world.organization.members))
        self._hub_id = emulator.world.organization.hub_account_id
        keys = emulator.hub_credentials
        self._hub = StaticCredentials(Credentials(keys.access_key_id, keys.access_key_secret))
        self._numbers = itertools.count(1)

    def put(self, *rules: Rule, group_id: str = "", **fields: Any) -> Group:
        """Place a group in the world."""
        name = group_id or f"sg-{next(self._numbers)}"
        group = Group(security_group_id=name, vpc_id="vpc-1", rules=rules, **fields)
        return self.emulator.world.put(self.account_id, REGION, group)

    def enter(self, policy: str) -> AccountSession:
        """A session of the remediation role, cut by the policy: real AssumeRole, real signature."""
        hub = AccountSession(self.client, self._hub_id, self._hub)
        sessions = Sessions(self.client, hub, RoleSession(name="sgsweep-test"))
        return sessions.enter(self.account_id, "sgsweep-remediate", policy)

    async def read(self, place: Place, session: Reading | None = None) -> GroupRules:
        """The group's rules, as a verification reads them; by a session of its own, or this one."""
        reader = RegionReader(session or self.enter(""), Placement(place.account_id), place.region_id)
        return GroupRules((await reader.rules(place.security_group_id)).permissions)

    def calls(self) -> Counter[str]:
        """How often each ECS action was called, refused calls included."""
        actions = [call.action for call in self.emulator.calls]
        return Counter(action for action in actions if "SecurityGroup" in action)


@asynccontextmanager
async def cloud(options: Options | None = None, *, read_timeout_seconds: float = 5.0) -> AsyncIterator[Cloud]:
    """A cloud that waits for nothing: retries have no jitter, limits are out of the way."""
    world = World.generate(WorldOutline(seed=1, accounts=1, groups_per_account=0, region_ids=1))
    async with Emulator(world, options) as emulator:
        limits = Limits(circuit_failures=10**6, retry_fraction=1.0, share=1.0, window_seconds=0.05)
        settings = CloudSettings(
            endpoint=emulator.http_url, limits=limits, read_timeout_seconds=read_timeout_seconds, attempts=4
        )
        async with Client(settings, chance=lambda: 0.0) as client:
            yield Cloud(emulator, client)


def order(job: str = "apply:1") -> Order:
    """What is common to a job's changes."""
    return Order(
        job=job,
        who="acs:ram::1:assumed-role/sgsweep-remediate/run",
        now=lambda: NOW,
        plan_digest="d" * 64,
        incident="INC-1",
    )


def guard(account_id: str, checks: Sequence[Check] = CHECKS, **fields: Any) -> Guard:
    """What `planned` judged by."""
    given = {"now": lambda: NOW, "placement": Placement(account_id), **fields}
    return Guard(checks=tuple(checks), **given)


async def apply(
    there: Cloud,
    journal: Journal,
    actions: Sequence[Action],
    job: str = "apply:1",
    checks: Sequence[Check] = CHECKS,
    by: type[MortalSession] | None = None,
    **fields: Any,
) -> list[Outcome]:
    """Carry out the actions, which were not carried out before; `by` what comes between them and the cloud."""

    def enter(policy: str) -> ChangeSession:
        session = there.enter(policy)
        return session if by is None else by(session, Fuse())

    held = guard(there.account_id, checks, **fields)
    ended = await remediate_account(enter, journal, actions, order(job), Brake(), held, HASTE)
    assert ended is not None
    return ended


def words(outcomes: Iterable[Outcome] | None) -> dict[str, str]:
    """The outcome of each rule."""
    return {outcome.rule_id: outcome.outcome for outcome in outcomes or ()}


def rules_of(there: Cloud, group: Group) -> dict[str, Rule]:
    """The group's rules now, by id."""
    found = there.emulator.world.estate(there.account_id, REGION).groups[group.security_group_id].rules
    return {one.security_group_rule_id: one for one in found}


def effect_of(
    action: Action, kind: OutcomeKind | None, undoes: str = "", job: str = "apply:1", **fields: Any
) -> Effect:
    """A change as the journal knows it, or a rollback of what a job did; None: it is not known how it ended."""
    place = {
        name: getattr(action, name) for name in ("account_id", "region_id", "security_group_id", "rule_id")
    }
    outcome = None
    if kind is not None:
        outcome = Outcome(
            **place, action=action.action, outcome=kind, reason="", request_id="", effective_after=""
        )
    body: dict[str, Any] = {"undoes": undoes} if undoes else {"added": []}
    body["action"] = msgspec.to_builtins(action)
    given: dict[str, Any] = {
        "job": f"rollback:{undoes}" if undoes else job, "body": body, "intended": True, **fields
    }  # fmt: skip
    return Effect(key=action.rule_id, outcome=outcome, **place, **given)


class History:
    """The emulator's record of changes, folded over the groups as they were."""

    def __init__(self, emulator: Emulator, groups: Iterable[Group], since: int = 0) -> None:
        self._emulator = emulator
        self._since = since
        self.before = {group.security_group_id: group.rules for group in groups}

    def changes(self) -> list[Mapping[str, Any]]:
        """Every change to a group's rules since, in order."""
        found = [change for call in self._emulator.calls.since(self._since) for change in call.changes]
        return [change for change in found if change["what"] in {"revoke", "authorize", "modify"}]

    def states(self) -> Iterator[tuple[str, tuple[Rule, ...]]]:
        """Each state a group was in after a change, in order."""
        now = dict(self.before)
        for change in self.changes():
            group_id = change["security_group_id"]
            rules = [rule for rule in now[group_id] if rule.security_group_rule_id != change["rule_id"]]
            if change["what"] != "revoke":
                rules.append(msgspec.convert(change["rule"], Rule))
            now[group_id] = tuple(rules)
            yield group_id, now[group_id]

    def check_nothing_else_was_touched(self, actions: Iterable[Action]) -> None:
        """Only rules of the plan were removed, once each, and only rules of the plan were added."""
        planned = {(action.security_group_id, action.rule_id) for action in actions}
        mine = dict.fromkeys(planned, 0)
        for change in self.changes():
            where = (change["security_group_id"], change["rule_id"])
            if change["what"] == "authorize":
                assert where[0] in {group_id for group_id, _ in planned}, change
                mine[where] = 0
            else:
                assert where in mine, f"{change} is not of the plan"
                if change["what"] == "revoke":
                    mine[where] += 1
                    assert mine[where] == 1, f"{where} was revoked twice"

    def check_legitimate_packets_always_passed(self) -> None:
        """At no moment was a packet lost that is not risky; in the end nothing risky is open to the world."""
        legitimate = {group_id: packets(rules) - RISKY for group_id, rules in self.before.items()}
        for group_id, rules in self.states():
            lost = legitimate[group_id] - packets(rules)
            assert lost.is_empty, f"{group_id} lost {lost.describe()}"

    def check_closed(
        self, actions: Iterable[Action], world: World, account_id: str, only: Sequence[Group] = ()
    ) -> None:
        """What the planned rules opened to risky ports is closed, and no other packet is lost or gained."""
        looked_at = {group.security_group_id for group in only} or self.before.keys()
        by_group: dict[str, list[Action]] = {}
        for action in actions:
            by_group.setdefault(action.security_group_id, []).append(action)
        for group_id in looked_at:
            rules = self.before[group_id]
            now = packets(world.estate(account_id, REGION).groups[group_id].rules)
            gone = {action.rule_id for action in by_group.get(group_id, ())}
            left = [rule for rule in rules if rule.security_group_rule_id not in gone]
            wanted = (packets(rules) - RISKY) | packets(left)
            assert now == wanted, f"{group_id}: lost {(wanted - now)!r}, gained {(now - wanted)!r}"

    def check_restored(self, world: World, account_id: str) -> None:
        """The packets are exactly those of the beginning, in both directions, and no rule is left over."""
        for group_id, rules in self.before.items():
            now = world.estate(account_id, REGION).groups[group_id].rules
            for direction in ("ingress", "egress"):
                assert packets(now, direction) == packets(rules, direction), group_id
            assert Counter(map(_meaning, now)) == Counter(map(_meaning, rules)), group_id


def _meaning(rule: Rule) -> tuple[object, ...]:
    priority = 100 if rule.priority == 110 else rule.priority
    bare = msgspec.structs.replace(rule, security_group_rule_id="", create_time="", priority=priority)
    return tuple(sorted((key, str(value).lower()) for key, value in raw_of(bare).items()))


def random_group(dice: random.Random, cloud: Cloud) -> Group:
    """A group as people make them: open ports, ranges, everything, protecting drops, private ones, IPv6."""
    rules: dict[object, Rule] = {}
    for _ in range(dice.randint(1, 6)):
        one = _random_rule(dice)
        rules.setdefault(_meaning(msgspec.structs.replace(one, description="")), one)
    return cloud.put(*rules.values())


_NUMBERS = itertools.count(1000)


def _random_rule(dice: random.Random) -> Rule:
    source = dice.choice(["0.0.0.0/0"] * 5 + ["::/0", "0.0.0.0/1", "10.0.0.0/8", "203.0.113.0/24"])
    protocol = dice.choice(["TCP"] * 6 + ["ALL", "UDP", "ICMP"])
    ports = dice.choice(["22/22", "6379/6379", "20/80", "1/65535", "443/443", "22/6379", "8000/9000"])
    if protocol in {"ALL", "ICMP"}:
        ports = "-1/-1"
    if source == "::/0" and protocol in {"ICMP", "ALL"}:
        protocol, ports = "TCP", "22/22"
    return (
        rule(
            next(_NUMBERS),
            ports,
            source,
            ip_protocol=protocol,
            policy=dice.choice(["Accept"] * 7 + ["Drop"]),
            priority=dice.choice([1, 1, 1, 10, 100]),
            description=dice.choice(["", "by hand", "d" * 200]),
            direction=dice.choice(["ingress"] * 9 + ["egress"]),
        )
        if dice.random() < 0.95
        else rule(next(_NUMBERS), "443/443", "0.0.0.0/0")
    )
