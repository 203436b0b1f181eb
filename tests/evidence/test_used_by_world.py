"""Who used the doors of a generated world, from the scan's own reading to what its flow logs hold."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, datetime

from orchestrator import inventory
from orchestrator.cloud.client import AccountSession
from orchestrator.cloud.sls import LogService
from orchestrator.emulator import World, WorldOutline
from orchestrator.emulator.world.flow_logs import FLAWS, covering
from orchestrator.evidence.settings import EvidenceSettings
from orchestrator.evidence.used_by import Users
from orchestrator.evidence.values import Traffic
from orchestrator.policy import Finding, default_checks, evaluate
from orchestrator.securitygroup import Placement, SecurityGroup
from tests.cloud.conftest import speaking

DAYS = 7
NOW = datetime.now(UTC)
Told = dict[tuple[str, str], Traffic]


async def doors_of(
    session: AccountSession, region_id: str
) -> tuple[dict[str, SecurityGroup], dict[str, list[Finding]]]:
    """The groups of a region and their findings, as the scan has them."""
    groups: dict[str, SecurityGroup] = {}
    findings: defaultdict[str, list[Finding]] = defaultdict(list)
    reader = inventory.RegionReader(session, Placement(session.account_id), region_id)
    async for page in inventory.security_groups(session, region_id):
        for listing in page:
            seen = await reader.read(listing)
            assert isinstance(seen, inventory.Observation)
            group_id = seen.group.security_group_id
            groups[group_id] = seen.group
            if found := evaluate(seen.group, default_checks(), NOW):
                findings[group_id] += found
    return groups, findings


async def test_a_generated_world_has_doors_of_every_status() -> None:
    """None whose log is missing or flawed is quiet, nor is all its use known; every finding's rule is told of."""
    world = World.generate(WorldOutline(seed=7, accounts=6, region_ids=1, groups_per_account=40))
    region_id = world.region_ids[0]
    statuses: Counter[str] = Counter()
    async with speaking(world) as it:
        logs = LogService(it.client)
        for session in (it.hub, *(it.member(number) for number in range(6))):
            groups, findings = await doors_of(session, region_id)
            interfaces = await inventory.interfaces(session, region_id)
            users = Users(session, logs, EvidenceSettings(days=DAYS))
            told = await users.traffic(region_id, findings, interfaces, groups, NOW)
            assert set(told) == {
                (group_id, one.rule_id) for group_id, mine in findings.items() for one in mine
            }
            check(world, session.account_id, region_id, told)
            statuses.update(one.status for one in told.values())
    assert {"observed", "quiet", "not_logged", "incomplete"} <= set(statuses), statuses


def check(world: World, account_id: str, region_id: str, told: Told) -> None:
    """A door is known only where every interface behind it has a log without a flaw."""
    logs = world.flow_logs(account_id, region_id)
    for (group_id, _), one in told.items():
        behind = [each for each in world.interfaces(account_id, region_id) if group_id in each.group_ids]
        kinds = {log.name.removeprefix("flow-") for each in behind for log in covering(logs, each)}
        if not behind or kinds & FLAWS.keys() or not all(covering(logs, each) for each in behind):
            assert one.status not in {"observed", "quiet"}, one
            assert one.reason
