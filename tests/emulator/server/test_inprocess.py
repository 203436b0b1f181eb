"""The cloud in process on virtual time: hooks at every await, a rival that changes rules, faults without sockets."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import msgspec
import pytest

from accounts.credentials import Credentials, StaticCredentials
from benchmarks.virtual import VirtualClient, serving
from orchestrator.cloud.client import AccountSession, CloudSettings
from orchestrator.emulator import (
    Fault,
    Group,
    InProcess,
    Kind,
    Moment,
    Options,
    Quirks,
    Rule,
    Throttle,
    World,
    WorldOutline,
)
from orchestrator.emulator.framework.errors import ApiError
from orchestrator.emulator.framework.protocols import Reply
from tests.emulator.wire import ECS, flatten, v3

pytestmark = pytest.mark.looptime(start=120.0)
REGION = "cn-hangzhou"


class Client:
    """Signs and sends calls of the hub's user in its own account."""

    def __init__(self, cloud: InProcess) -> None:
        self.cloud = cloud
        self.account_id = cloud.world.organization.hub_account_id

    async def send(self, action: str, **parameters: Any) -> Reply:
        """Send one call about a region."""
        asked = flatten({"RegionId": REGION, **parameters})
        request = v3(self.cloud.hub_credentials, ECS, action, asked, time.time())
        return await self.cloud.send(
            request.method, request.query, {name.title(): text for name, text in request.headers.items()}
        )

    async def rules(self) -> list[str]:
        """The ids of the group's rules as they are told."""
        reply = await self.send("DescribeSecurityGroupAttribute", SecurityGroupId="sg-1")
        found = msgspec.json.decode(reply.body)["Permissions"]["Permission"]
        return [rule["SecurityGroupRuleId"] for rule in found]


def made(options: Options | None = None, **more: Any) -> Client:
    """A cloud whose hub has one group with a rule for SSH."""
    world = World.generate(WorldOutline(1, 1, region_ids=2, groups_per_account=0))
    rule = Rule("sgr-ssh", port_range="22/22", source_cidr_ip="0.0.0.0/0")
    client = Client(InProcess(world, options, **more))
    world.put(client.account_id, REGION, Group("sg-1", vpc_id="vpc-1", rules=(rule,)))
    return client


async def test_a_call_takes_its_latency_and_no_real_time() -> None:
    """The loop's clock moves by the latency; the cloud's clock is the loop's."""
    client = made(latency_seconds=30.0)
    began, real = asyncio.get_running_loop().time(), time.monotonic()
    assert await client.rules() == ["sgr-ssh"]
    assert asyncio.get_running_loop().time() - began == pytest.approx(30.0)
    assert time.monotonic() - real < 5
    assert client.cloud.calls[0].time % 3600 == pytest.approx(120.0 + 15.0)


async def test_a_rival_changes_rules_before_and_after_an_answer() -> None:
    """What is done before an answer is in it; what is done after it is in the next one; both are in the record."""
    client = made()
    cloud = client.cloud
    seen: list[tuple[int, str, bool]] = []

    def before(moment: Moment) -> None:
        seen.append((moment.number, moment.action, moment.reply is None))
        if moment.number == 0:
            cloud.act(
                client.account_id,
                "AuthorizeSecurityGroup",
                RegionId=REGION,
                SecurityGroupId="sg-1",
                Permissions=[{"IpProtocol": "TCP", "PortRange": "443/443", "SourceCidrIp": "0.0.0.0/0"}],
            )

    async def after(moment: Moment) -> None:
        assert moment.reply is not None
        assert moment.account_id == client.account_id
        assert moment.parameters["SecurityGroupId"] == "sg-1"
        if moment.number == 0:
            await asyncio.sleep(7)
            where = {"RegionId": REGION, "SecurityGroupId": "sg-1"}
            cloud.act(
                client.account_id,
                "RevokeSecurityGroup",
                user="alice",
                SecurityGroupRuleId=["sgr-ssh"],
                **where,
            )

    cloud.before.append(before)
    cloud.after.append(after)
    began = asyncio.get_running_loop().time()
    first = await client.rules()
    assert (len(first), first[0]) == (2, "sgr-ssh")
    assert asyncio.get_running_loop().time() - began == pytest.approx(7.05)
    assert await client.rules() == first[1:]
    assert seen == [(0, "DescribeSecurityGroupAttribute", True), (1, "DescribeSecurityGroupAttribute", True)]
    changes = [(call.caller_arn.rpartition("/")[2], change["what"]) for call, change in cloud.calls.changes()]
    assert changes == [("owner", "authorize"), ("alice", "revoke")]


async def test_what_a_rival_may_not_do_is_refused_and_recorded() -> None:
    """A call of somebody else follows the API's rules, too; a change that no call makes is noted by hand."""
    client = made()
    with pytest.raises(ApiError, match=r"InvalidSecurityGroupId\.NotFound"):
        client.cloud.act(client.account_id, "RevokeSecurityGroup", RegionId=REGION, SecurityGroupId="sg-none")
    assert client.cloud.calls[-1].code == "InvalidSecurityGroupId.NotFound"
    client.cloud.note(client.account_id, REGION, "prefix-list", prefix_list_id="pl-1")
    ((call, change),) = client.cloud.calls.changes()
    assert (call.account_id, change["prefix_list_id"]) == (client.account_id, "pl-1")


async def test_calls_interleave_as_on_a_network() -> None:
    """Two calls under way at once are both answered after one latency."""
    client = made(latency_seconds=1.0)
    began = asyncio.get_running_loop().time()
    await asyncio.gather(client.rules(), client.rules())
    assert asyncio.get_running_loop().time() - began == pytest.approx(1.0)


@pytest.mark.parametrize("kind", [Kind.RESET_BEFORE, Kind.RESET_AFTER, Kind.CUT])
async def test_a_broken_connection_is_an_error(kind: Kind) -> None:
    """The answer is lost; what the call did is done where the fault came after it."""
    client = made()
    client.cloud.set_faults(Fault(kind=kind, action="Revoke*", count=1))
    with pytest.raises(ConnectionResetError, match=kind.value):
        await client.send("RevokeSecurityGroup", SecurityGroupId="sg-1", SecurityGroupRuleId=["sgr-ssh"])
    assert await client.rules() == (["sgr-ssh"] if kind is Kind.RESET_BEFORE else [])


async def test_other_faults_are_as_on_a_socket() -> None:
    """A hanging answer takes its time, a truncated one is half, a gateway's page is no JSON."""
    client = made(latency_seconds=0.0)
    client.cloud.set_faults(Fault(kind=Kind.HANG, seconds=90, count=1))
    began = asyncio.get_running_loop().time()
    assert await client.rules() == ["sgr-ssh"]
    assert asyncio.get_running_loop().time() - began == pytest.approx(90)
    client.cloud.set_faults(Fault(kind=Kind.TRUNCATED, count=1))
    with pytest.raises(msgspec.DecodeError):
        await client.rules()
    client.cloud.set_faults(Fault(kind=Kind.GARBAGE, count=1))
    reply = await client.send("DescribeRegions")
    assert (reply.status, reply.content_type) == (502, "text/html")


async def test_limits_follow_the_loops_time() -> None:
    """A window that is used up is free again when its time has come, without waiting for real."""
    client = made(Options(throttle=Throttle(limit=1, window_seconds=60)), latency_seconds=0.0)
    statuses = [(await client.send("DescribeRegions")).status for _ in range(2)]
    await asyncio.sleep(60)
    assert [*statuses, (await client.send("DescribeRegions")).status] == [200, 400, 200]


async def test_a_clock_of_ones_own_stays() -> None:
    """Options that bring a clock keep it, and their view of dates that are off."""
    client = made(Options(clock=lambda: 1_800_000_000.0, quirks=Quirks(skew_seconds=1)))
    assert msgspec.json.decode((await client.send("DescribeRegions")).body)["Code"] == "IllegalTimestamp"


async def test_the_real_client_speaks_to_it() -> None:
    """Over `serving` the real client limits, signs and retries; hooks see its calls, a reset is tried again."""
    made_up = made(latency_seconds=1.0)
    cloud, keys = made_up.cloud, made_up.cloud.hub_credentials
    actions: list[str] = []
    cloud.before.append(lambda moment: actions.append(moment.action))
    cloud.set_faults(Fault(kind=Kind.RESET_BEFORE, count=1))
    own = StaticCredentials(Credentials(keys.access_key_id, keys.access_key_secret))
    settings = CloudSettings(endpoint="http://127.0.0.1:9")
    async with VirtualClient(settings, serving(cloud), latency_seconds=0.0) as client:
        session = AccountSession(client, made_up.account_id, own)
        asked = {"RegionId": REGION, "MaxResults": 100}
        answer = await session.call("DescribeSecurityGroups", REGION, asked)
    assert "sg-1" in [one["SecurityGroupId"] for one in answer["SecurityGroups"]["SecurityGroup"]]
    assert actions == ["DescribeSecurityGroups"] * 2
