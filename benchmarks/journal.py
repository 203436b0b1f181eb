"""What it costs to remember a change, and to make one: intents, outcomes and their audit records, durable.

A change is an intent and an outcome, each with its audit record, hashed, in SQLite with synchronous=FULL and in
`audit.jsonl`. The ratio compares CPU with the least that any journal does: encoding the two records and hashing
them. Then 10,000 changes in 2,000 groups are carried out against the emulator: at most 5 calls a group.
"""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from accounts.credentials import Credentials, StaticCredentials
from benchmarks.table import Row
from orchestrator.audit import AuditRecord, Phase
from orchestrator.cloud.client import AccountSession, Client, CloudSettings
from orchestrator.emulator import Emulator, Group, Rule, World, WorldOutline
from orchestrator.journal import (
    Claim,
    Intent,
    Journal,
    Outcome,
    OutcomeKind,
    RunHeader,
    Settled,
    SqliteJournal,
    SqliteReader,
)
from orchestrator.plan import Action, Inverse, Settings, decide
from orchestrator.policy import Finding, default_checks, evaluate
from orchestrator.remediate import Brake, Guard, Order, remediate_account
from orchestrator.securitygroup import Placement, SecurityGroup, parse_group

CHANGES = 10_000
GROUPS = 2_000
EACH = CHANGES // GROUPS
ACCOUNTS = 50
REGION = "cn-hangzhou"
_NOW = datetime(2026, 3, 1, tzinfo=UTC)
_HEADER = RunHeader(
    run_id="bench", created_at="", hub_account_id="1", hub_arn="", endpoint="emulator", settings={}
)
_PORTS = ("22/22", "3389/3389", "6379/6379", "3306/3306", "20/30")  # the last one is split


def run() -> Iterator[Row]:
    """Measure, and yield the table's lines."""
    with tempfile.TemporaryDirectory() as folder:
        yield from asyncio.run(_journal(Path(folder)))
    with tempfile.TemporaryDirectory() as folder:
        yield from _apply(Path(folder))


def _rule(number: int, ports: str) -> dict[str, Any]:
    """A rule as the API gives it."""
    return {
        "SecurityGroupRuleId": f"sgr-bp1{number:017d}",
        "Direction": "ingress",
        "Policy": "Accept",
        "Priority": 1,
        "IpProtocol": "TCP",
        "PortRange": ports,
        "SourcePortRange": "",
        "NicType": "intranet",
        "SourceCidrIp": "0.0.0.0/0",
        "Ipv6SourceCidrIp": "",
        "SourceGroupId": "",
        "DestCidrIp": "",
        "PortRangeListId": "",
        "Description": "opened for the vendor, ticket 4711",
        "CreateTime": "2024-01-01T00:00:00Z",
    }


def _record(number: int, phase: Phase) -> AuditRecord:
    return AuditRecord(
        at="2026-03-01T00:00:00Z",
        phase=phase,
        who="acs:ram::1000:assumed-role/sgsweep-remediate/sgsweep-run-1",
        account_id=f"{number % 50}",
        region_id=REGION,
        security_group_id=f"sg-{number // EACH}",
        rule_id=f"sgr-bp1{number:017d}",
        action="revoke",
        before=_rule(number, "22/22"),
        check_ids=("ssh",),
        plan_digest="d" * 64,
        request_id="7B3A9C2E-11AF-4F4C-8C2D-B7F2D3C1E0AA",
    )


def _action(number: int) -> Action:
    rule = _rule(number, "22/22")
    return Action(
        account_id="1",
        region_id=REGION,
        security_group_id=f"sg-{number // EACH}",
        rule_id=str(rule["SecurityGroupRuleId"]),
        action="revoke",
        check_ids=("ssh",),
        before=rule,
        inverse=Inverse(authorize=(rule,)),
        closes="tcp/22 from 0.0.0.0/0",
    )


def _intent(number: int) -> Intent:
    action = _action(number)
    body = {"action": msgspec.to_builtins(action), "added": []}
    return Intent(key=action.rule_id, record=_record(number, Phase.intent), body=body)


def _settled(number: int) -> Settled:
    record = _record(number, Phase.outcome)
    outcome = Outcome(
        account_id=record.account_id,
        region_id=REGION,
        security_group_id=record.security_group_id,
        rule_id=record.rule_id,
        action="revoke",
        outcome=OutcomeKind.revoked,
        request_id=record.request_id,
    )
    return Settled(key=record.rule_id, outcome=outcome, record=record)


async def _journal(folder: Path) -> list[Row]:
    """10,000 changes by 64 workers, a group at a time, and the same through one worker for the latency."""
    groups = [range(start, start + EACH) for start in range(0, CHANGES, EACH)]
    prepared = [([_intent(n) for n in group], [_settled(n) for n in group]) for group in groups]
    async with SqliteJournal.create(folder / "run", _HEADER) as journal:
        claims = {str(n): await _claim(journal, str(n)) for n in range(50)}
        todo = iter(prepared)

        async def work() -> None:
            for intents, settled in todo:
                claim = claims[intents[0].record.account_id]
                await journal.intend(claim, intents)
                await journal.settle(claim, settled)

        cpu, wall = time.process_time(), time.perf_counter()
        await asyncio.gather(*(work() for _ in range(64)))
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        alone = time.perf_counter()
        for number in range(CHANGES, CHANGES + 200):
            await journal.intend(claims["0"], [_intent(number)])
        alone = time.perf_counter() - alone
    with SqliteReader(folder / "run") as reader:
        assert sum(1 for _ in reader.outcomes()) == CHANGES
        assert sum(1 for _ in reader.audit_records()) == 2 * CHANGES + 200
    floor = _floor(prepared)
    return [
        Row(
            "journal a change: intent, outcome, 2 audit records",
            cpu / CHANGES * 1e3,
            "ms CPU",
            cpu / floor,
            "< 1 ms",
        ),
        Row("journal, 64 writers", CHANGES / wall, "changes/s"),
        Row("journal, one writer: a durable intent", alone / 200 * 1e3, "ms wall"),
    ]


async def _claim(journal: Journal, account_id: str) -> Claim:
    claim = await journal.claim(account_id, "apply:bench")
    assert claim is not None
    return claim


def _floor(prepared: Sequence[tuple[list[Intent], list[Settled]]]) -> float:
    """Return the CPU seconds of encoding and hashing the records, and nothing else."""
    began = time.process_time()
    for intents, settled in prepared:
        for record in [one.record for one in intents] + [one.record for one in settled]:
            hashlib.sha256(msgspec.json.encode(record)).hexdigest()
    return time.process_time() - began


def _apply(folder: Path) -> Iterator[Row]:
    """2,000 groups with five rules to change, one of them split, in 50 accounts; the emulator counts the calls."""
    world = World.generate(WorldOutline(seed=1, accounts=ACCOUNTS, groups_per_account=0, region_ids=1))
    with Emulator(world) as emulator:
        by_account = _plan(world)
        actions = [action for several in by_account.values() for action in several]
        cpu, wall = time.process_time(), time.perf_counter()
        asyncio.run(_apply_all(folder, emulator, by_account))
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        calls = Counter(
            (call.account_id, call.parameters["SecurityGroupId"])
            for call in emulator.calls
            if "SecurityGroupId" in call.parameters  # listing apart
        )
        mine = [world.estate(*place[:2]).groups[place[2]] for place in {one.place for one in actions}]
        left = Counter(rule.port_range for group in mine for rule in group.rules)
    assert set(left.values()) == {GROUPS}, left
    assert len(calls) == GROUPS
    yield Row(
        "apply 10,000 changes in 2,000 groups: most calls a group", max(calls.values()), "calls", None, "<= 5"
    )
    yield Row("apply, emulator included", CHANGES / wall, "changes/s")
    yield Row("apply, a change, emulator included", cpu / CHANGES * 1e3, "ms CPU")


def _plan(world: World) -> dict[str, list[Action]]:
    """Fill the world, and decide with the default checks."""
    checks = default_checks()

    def judge(group: SecurityGroup) -> tuple[Finding, ...]:
        return evaluate(group, checks, _NOW)

    by_account: dict[str, list[Action]] = {}
    members = list(world.organization.members)
    for number in range(GROUPS):
        account_id = members[number % len(members)]
        raws = [_rule(number * EACH + index, ports) for index, ports in enumerate(_PORTS)]
        rules = tuple(msgspec.convert(raw, Rule) for raw in raws)
        world.put(account_id, REGION, Group(security_group_id=f"sg-{number}", vpc_id="vpc-1", rules=rules))
        listing = {"SecurityGroupId": f"sg-{number}", "VpcId": "vpc-1"}
        group = parse_group(Placement(account_id), REGION, listing, {}, raws)
        decision = decide(group, judge(group), judge=judge, settings=Settings())
        assert len(decision.actions) == EACH, decision.skipped
        by_account.setdefault(account_id, []).extend(decision.actions)
    return by_account


async def _apply_all(folder: Path, emulator: Emulator, by_account: dict[str, list[Action]]) -> None:
    order = Order(job="apply:bench", who="bench", now=lambda: _NOW, plan_digest="d" * 64)
    async with (
        Client(CloudSettings(endpoint=emulator.http_url)) as client,
        SqliteJournal.create(folder / "run", _HEADER) as journal,
    ):

        def guard(account_id: str) -> Guard:
            return Guard(checks=tuple(default_checks()), now=lambda: _NOW, placement=Placement(account_id))

        async def one(account_id: str, actions: list[Action]) -> None:
            keys = emulator.add_user(account_id)
            source = StaticCredentials(Credentials(keys.access_key_id, keys.access_key_secret))
            session = AccountSession(client, account_id, source)
            ended = await remediate_account(
                lambda _: session, journal, actions, order, Brake(), guard(account_id)
            )
            assert {outcome.outcome for outcome in ended or ()} == {"revoked", "split"}

        await asyncio.gather(*(one(account_id, actions) for account_id, actions in by_account.items()))
