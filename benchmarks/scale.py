"""10,000 accounts on virtual time, through the real run loop: how near the bound, and does cost grow in step?

The cloud is a function that gives prepared answers, so that time and memory are the sweep's own: an account has ten
groups of eight rules in four of its 28 regions, one of them open to the Internet. It refuses the AssumeRole calls
beyond 100 a second; no other bucket (account x region x API) gets more than four calls, so no other quota is met. The
journal, its thread and its disk are real.

`python -m benchmarks.scale ACCOUNTS` sweeps once and prints what it came to as JSON.
"""

from __future__ import annotations

import asyncio
import math
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote

import msgspec

from benchmarks import virtual
from benchmarks.process import Measured, measure
from benchmarks.table import Row, show
from orchestrator.cloud.transport import Answer
from orchestrator.config import Config
from orchestrator.emulator import Keys, Throttle
from orchestrator.emulator.framework.throttle import Meter
from orchestrator.emulator.world.regions import REGION_IDS

ABOUT = (
    "The real run loop, client, limiter, signer, judgement and journal (with its thread) on virtual time; only the "
    "wire is replaced, by prepared answers: 28 regions, 10 groups an account, 50 ms, AssumeRole 100 a second (no "
    "other quota is met: at most four calls a bucket). The bound is the larger of what AssumeRole allows at the "
    "default share (50 a second, as many at once; it feels for 1 % more each minute) and all calls over 256 in flight, "
    "and one chain of latencies. CPU at 100 accounts is the mean of a sweep before the others and one after them; "
    "the exponent is that of all CPU over the number of accounts."
)
SIZES = (100, 1000, 10_000)
LATENCY = 0.05
_HUB = "1000000000000000"
_GROUPS = (4, 3, 2, 1)  # in the account's first regions; none in the others
_ASSUME_ROLE = 100  # a second
_FIRST = 2_000_000_000_000_000


class Sketch:
    """A cloud of prepared answers."""

    def __init__(self) -> None:
        self._meter = Meter(Throttle(sts_limit=_ASSUME_ROLE))
        self._regions = _encoded({"Regions": {"Region": [{"RegionId": region} for region in REGION_IDS]}})
        self._groups = [_groups(count) for count in (*_GROUPS, 0)]
        self._rules = {False: _rules(), True: _rules("0.0.0.0/0")}

    def serve(self, method: str, query: str, headers: Mapping[str, str], body: bytes) -> Answer:  # noqa: ARG002 - a wire's signature
        """Answer a request."""
        action = headers["x-acs-action"]
        asked = dict(parse_qsl(query))
        account_id = headers.get("x-acs-security-token", _HUB)
        region_id = asked.get("RegionId", "")
        now = asyncio.get_running_loop().time()
        if action == "AssumeRole" and self._meter.take(account_id, "", "sts", action, now):
            return Answer(400, {}, b'{"Code": "Throttling.User", "Message": "too many", "RequestId": "R"}')
        return Answer(200, {}, self._answer(action, asked, account_id, region_id))

    def _answer(self, action: str, asked: Mapping[str, str], account_id: str, region_id: str) -> bytes:
        if action == "DescribeSecurityGroupAttribute":
            group_id = asked["SecurityGroupId"].encode()
            return self._rules[group_id.endswith(b"0x0")].replace(b"GROUP", group_id)
        if action == "DescribeSecurityGroups":
            place = _place(account_id, region_id)
            name = f"sg-{account_id}x{place}".encode()
            return self._groups[min(place, len(_GROUPS))].replace(b"sg-", name)
        if action == "DescribeNetworkInterfaces":
            return _interfaces(f"sg-{account_id}x0x0")
        if action == "DescribeRegions":
            return self._regions
        return _identity(action, asked)


def _place(account_id: str, region_id: str) -> int:
    """Return the region's place in this account: its groups are in other regions than the next account's."""
    return (REGION_IDS.index(region_id) + int(account_id)) % len(REGION_IDS)


def _encoded(answer: dict[str, object]) -> bytes:
    return msgspec.json.encode({"RequestId": "4D6C8A5F-0000-4C4F-9A3B-1F2E3D4C5B6A", **answer})


def _groups(count: int) -> bytes:
    items = [
        {
            "SecurityGroupId": f"sg-x{number}",
            "SecurityGroupName": "web",
            "VpcId": "vpc-1",
            "SecurityGroupType": "normal",
            "RuleCount": 8,
        }
        for number in range(count)
    ]
    return _encoded({"SecurityGroups": {"SecurityGroup": items}, "NextToken": ""})


def _rules(source: str = "10.0.0.0/8") -> bytes:
    rules = [
        {
            "SecurityGroupRuleId": f"sgr-GROUP-{number}",
            "Direction": "ingress",
            "Policy": "Accept",
            "Priority": 1,
            "IpProtocol": "TCP",
            "PortRange": "22/22" if number == 0 else f"{8000 + number}/{8000 + number}",
            "SourceCidrIp": source if number == 0 else f"10.{number}.0.0/16",
            "NicType": "intranet",
            "CreateTime": "2026-01-01T00:00:00Z",
        }
        for number in range(8)
    ]
    return _encoded({"SecurityGroupId": "GROUP", "VpcId": "vpc-1", "Permissions": {"Permission": rules}})


def _interfaces(group_id: str) -> bytes:
    one = {"InstanceId": "i-1", "SecurityGroupIds": {"SecurityGroupId": [group_id]}}
    return _encoded({"NetworkInterfaceSets": {"NetworkInterfaceSet": [one]}, "NextToken": ""})


def _identity(action: str, asked: Mapping[str, str]) -> bytes:
    if action == "GetCallerIdentity":
        return _encoded({"AccountId": _HUB, "Arn": f"acs:ram::{_HUB}:user/bench", "IdentityType": "RAMUser"})
    assert action == "AssumeRole", action
    account_id = unquote(asked["RoleArn"]).split(":")[3]
    given = {
        "AccessKeyId": f"STS.{account_id}",
        "AccessKeySecret": "secret",
        "SecurityToken": account_id,
        "Expiration": "2999-01-01T00:00:00Z",
    }
    user = {"Arn": f"acs:ram::{account_id}:assumed-role/sgsweep-read/bench", "AssumedRoleId": "1"}
    return _encoded({"Credentials": given, "AssumedRoleUser": user})


class Came(msgspec.Struct, frozen=True):
    """What a sweep came to: virtual seconds, groups, unseen, calls, and CPU before anything was asked."""

    seconds: float
    security_groups: int
    unseen: int
    calls: int
    throttled: int
    cpu_before: float


def sweep(accounts: int) -> Came:
    """Sweep so many accounts in this process."""
    config = _config(accounts)
    before = time.process_time()

    async def work() -> virtual.Swept:
        with tempfile.TemporaryDirectory() as folder:
            keys = Keys("LTAI.bench", "secret")
            async with virtual.hub_at(config, keys, Sketch().serve, LATENCY) as hub:
                return await virtual.sweep(hub, Path(folder) / "run")

    swept = virtual.run(work())
    return Came(
        swept.seconds, swept.security_groups, swept.unseen, swept.calls, swept.throttled, cpu_before=before
    )


def _config(accounts: int) -> Config:
    config = virtual.configured()
    ids = tuple(str(_FIRST + number) for number in range(accounts))
    organization = msgspec.structs.replace(
        config.organization, source="static", accounts=ids, include_hub=False
    )
    return msgspec.structs.replace(config, organization=organization)


def bound(accounts: int, calls: int) -> float:
    """Return the least seconds at the default settings."""
    rate = _ASSUME_ROLE / 2
    entering = max(0.0, accounts - rate) / rate
    chain = 5 * LATENCY  # enter, regions, groups, rules, interfaces
    return max(entering, calls * LATENCY / 256) + chain


class Trial(NamedTuple):
    """One sweep in a process of its own."""

    accounts: int
    came: Came
    took: Measured

    @property
    def cost(self) -> float:
        """CPU an account, ms, without what it takes to import and configure."""
        return (self.took.cpu - self.came.cpu_before) / self.accounts * 1000

    def rows(self) -> list[Row]:
        """Return its lines."""
        name = f"{self.accounts:,} accounts"
        least = bound(self.accounts, self.came.calls)
        ratio = self.came.seconds / least
        calls = self.came.calls / self.accounts
        return [
            Row(f"{name}: virtual makespan", self.came.seconds, "s", ratio, "", f"the bound, {least:.1f} s"),
            Row(f"{name}: CPU an account, {calls:.0f} calls", self.cost, "ms"),
            Row(f"{name}: memory at its peak", self.took.peak_mb, "MB"),
        ]


def _trial(accounts: int) -> Trial:
    environment = {"PYTHONPATH": str(Path(__file__).parent.parent)}
    with tempfile.TemporaryDirectory() as name:
        took = measure([sys.executable, "-m", "benchmarks.scale", str(accounts)], Path(name), environment)
    came = msgspec.json.decode(took.output, type=Came)
    assert came.security_groups == accounts * sum(_GROUPS)
    assert not came.unseen
    return Trial(accounts, came, took)


def run() -> list[Row]:
    """Return the table."""
    small, middle, large = (_trial(accounts) for accounts in SIZES)
    growth = large.cost / statistics.mean((small.cost, _trial(SIZES[0]).cost))
    exponent = 1 + math.log(growth, large.accounts / small.accounts)
    memory = (large.took.peak_mb - middle.took.peak_mb) / (large.accounts - middle.accounts)
    return [
        *small.rows(),
        *middle.rows(),
        *large.rows(),
        Row(f"CPU an account at {large.accounts:,}", large.cost, "ms", growth, "", "at 100"),
        Row("cost grows with the accounts to the power of", exponent, "(1: linear)", target="<= 1.05"),
        Row("memory for each further account", memory * 1024, "kB"),
    ]


if __name__ == "__main__":
    if sys.argv[1:]:
        print(msgspec.json.encode(sweep(int(sys.argv[1]))).decode())
    else:
        show(run())
