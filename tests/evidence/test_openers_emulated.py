"""Who opened what, by the real client and the emulator's ActionTrail: history, changes, rights, limits and spans."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest

from accounts.credentials import Credentials, StaticCredentials
from benchmarks.virtual import VirtualClient, serving
from orchestrator.cloud.client import AccountSession, Client, CloudSettings
from orchestrator.emulator import (
    Fault,
    Group,
    InProcess,
    Keys,
    Kind,
    Options,
    Quirks,
    Throttle,
    World,
    WorldOutline,
)
from orchestrator.emulator.world.model import Event
from orchestrator.evidence.openers import Openers
from orchestrator.evidence.settings import EvidenceSettings
from orchestrator.evidence.values import Opened
from orchestrator.policy import Finding
from tests.evidence.trail_kit import finding

pytestmark = pytest.mark.looptime(start=960.0)

REGION = "cn-hangzhou"
DAY = 86_400
FULL_ROLE = "ResourceDirectoryAccountAccessRole"


class Desk:
    """A cloud on virtual time, and the real client of it."""

    def __init__(self, cloud: InProcess, client: Client) -> None:
        self.cloud = cloud
        self.hub_id = cloud.world.organization.hub_account_id
        self._client = client

    @property
    def hub(self) -> AccountSession:
        """The hub's own account by its own keys."""
        return self._session(self.hub_id, self.cloud.hub_credentials)

    def member(self, session: str) -> AccountSession:
        """The member by a role that may do everything."""
        account_id = next(iter(self.cloud.world.organization.members))
        return self._session(account_id, self.cloud.enter(account_id, FULL_ROLE, session=session).keys)

    def _session(self, account_id: str, keys: Keys) -> AccountSession:
        own = Credentials(keys.access_key_id, keys.access_key_secret, keys.security_token or "")
        return AccountSession(self._client, account_id, StaticCredentials(own))

    async def ask(
        self, session: AccountSession, groups: dict[str, list[Finding]]
    ) -> dict[tuple[str, str], Opened]:
        """What is said of findings, now by the cloud's clock."""
        now = datetime.fromtimestamp(self.cloud.state.clock(), UTC)
        return await Openers(session, EvidenceSettings()).opened(REGION, groups, now)


@asynccontextmanager
async def desk(options: Options | None = None) -> AsyncIterator[Desk]:
    """A cloud of two accounts in one region."""
    world = World.generate(WorldOutline(seed=7, accounts=1, region_ids=1, groups_per_account=40))
    cloud = InProcess(world, options)
    settings = CloudSettings(endpoint="http://127.0.0.1:9")
    async with VirtualClient(settings, serving(cloud), latency_seconds=0.0) as client:
        yield Desk(cloud, client)


async def rules_of(session: AccountSession, *group_ids: str) -> dict[str, list[Finding]]:
    """Each rule of these groups as a finding, by group, as the API tells it."""
    found: dict[str, list[Finding]] = {}
    for group_id in group_ids:
        asked = {"RegionId": REGION, "SecurityGroupId": group_id, "MaxResults": 1000}
        answer = await session.call("DescribeSecurityGroupAttribute", REGION, asked)
        bare = dict.fromkeys(("PortRange", "SourceCidrIp"), "")
        found[group_id] = [
            finding(group_id=group_id, **{**bare, **raw}) for raw in answer["Permissions"]["Permission"]
        ]
    return found


def opening(world: World, account_id: str) -> dict[tuple[str, str], Event]:
    """The newest event of the history that opened each rule, of those that ActionTrail still tells of."""
    kept = [one for one in world.history(account_id, REGION) if one.age_seconds < 89.9 * DAY]
    return {(one.group_id, rule_id): one for one in kept for rule_id in one.opened}


@pytest.mark.parametrize("span_days", [0, 30])
async def test_the_history_of_a_world_is_told_rule_by_rule(span_days: int) -> None:
    """The very event of each rule that the history opened, its caller, and by what; also where spans are bounded."""
    async with desk(Options(quirks=Quirks(trail_span_days=span_days))) as here:
        expected = opening(here.cloud.world, here.hub_id)
        groups = await rules_of(here.hub, *{group_id: None for group_id, _ in expected})
        found = await here.ask(here.hub, groups)
    told = {key: one for key, one in found.items() if one.status == "found"}
    mine = {key: event for key, event in expected.items() if key in found}
    assert len(mine) > 12
    for key, event in mine.items():
        assert (told[key].event_id, told[key].by) == (event.event_id, event.actor.name), (key, event)
    assert {one.via for one in told.values()} >= {"console", "Terraform", "ROS"}
    assert {event.action for event in mine.values()} >= {"AuthorizeSecurityGroup", "ModifySecurityGroupRule"}
    assert {told[key].event_name for key in told.keys() - mine.keys()} <= {"CreateSecurityGroup"}


async def test_what_a_client_opens_is_told_at_once_and_ours_as_ours() -> None:
    """By the session and the client; the same rules of another group, opened by somebody else, are not ours."""
    rules = [
        {"IpProtocol": "TCP", "PortRange": ports, "SourceCidrIp": "0.0.0.0/0"} for ports in ("22/22", "80/80")
    ]
    async with desk() as here:
        ours = here.member("sgsweep-run7")
        for group_id in ("sg-ours", "sg-theirs"):
            here.cloud.world.put(ours.account_id, REGION, Group(group_id, vpc_id="vpc-1"))
        asked = {"RegionId": REGION, "Permissions": rules}
        await ours.call(
            "AuthorizeSecurityGroup", REGION, {**asked, "SecurityGroupId": "sg-ours"}, mutating=True
        )
        here.cloud.act(
            ours.account_id, "AuthorizeSecurityGroup", user="alice", SecurityGroupId="sg-theirs", **asked
        )
        found = await here.ask(ours, await rules_of(ours, "sg-ours", "sg-theirs"))
    assert len(found) == 4
    told = {(key[0], one.status, one.by, one.is_ours, one.reason) for key, one in found.items()}
    assert told == {
        ("sg-ours", "found", f"{FULL_ROLE}:sgsweep-run7", True, ""),
        ("sg-theirs", "found", "alice", False, ""),
    }


async def test_a_missing_right_is_asked_for_once() -> None:
    """`not_permitted` with the RequestId for each rule of both groups, by one call."""
    async with desk() as here:
        here.cloud.set_faults(Fault(kind=Kind.DENIED, action="LookupEvents"))
        groups = {group_id: [finding(group_id=group_id)] for group_id in ("sg-1", "sg-2")}
        found = await here.ask(here.hub, groups)
        calls = here.cloud.calls.of("LookupEvents")
    assert {one.status for one in found.values()} == {"not_permitted"}
    assert len(calls) == 1
    assert all(calls[0].request_id in one.reason for one in found.values())


async def test_the_rate_of_the_real_service_is_never_met() -> None:
    """Two a second for an account: none of sixty calls is refused for it."""
    async with desk(Options(throttle=Throttle(limit=1000))) as here:
        groups = {f"sg-{number}": [finding(group_id=f"sg-{number}")] for number in range(20)}
        found = await here.ask(here.hub, groups)
        calls = here.cloud.calls.of("LookupEvents")
    assert {one.status for one in found.values()} == {"too_old"}
    assert len(calls) == 60
    assert not [one.code for one in calls if one.code]
