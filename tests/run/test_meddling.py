"""Owners change rules, lists and protections while a run closes them: what they opened or kept stays, by thousands."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from accounts.credentials import Credentials, StaticCredentials
from benchmarks.virtual import ENDPOINT, VirtualClient, VirtualLoop, run, serving
from orchestrator.cloud import transport
from orchestrator.cloud.client import AccountSession, CloudSettings
from orchestrator.emulator import Group, InProcess, Moment, World, WorldOutline
from orchestrator.emulator.world.model import PortList, PrefixList
from orchestrator.plan import Action
from tests.remediate.kit import planned, rule
from tests.run.meddling import REGION, Campaign
from tests.run.meddling_judge import Judge

Record = Callable[[str, object], None]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory, where there is one: on a disk, making and removing files takes longest."""
    memory = Path("/dev/shm")  # noqa: S108 - the folder in it is one's own
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory) as name:
        yield Path(name)


class _Tried:
    """Counts what was tried."""

    def __init__(self) -> None:
        self.seeds = 0
        self.deeds: Counter[str] = Counter()
        self.unseen: Counter[str] = Counter()

    def one(self, seed: int, folder: Path) -> None:
        """Try one seed."""
        campaign = Campaign(seed, folder / str(seed))
        campaign.run()
        self.seeds += 1
        self.deeds += campaign.deeds
        self.unseen += campaign.judge.counts

    def tell(self, record: Record, seconds: float) -> None:
        """Say at the end how much it was."""
        record(
            "campaign",
            f"owners: {self.seeds:,} seeds ({60 * self.seeds / seconds:,.0f} a minute), {self.deeds.total():,} deeds; "
            f"{self.unseen['round trip']} came within a change's own round trip, "
            f"{self.unseen['reading']} after its reading, which was two seconds old at most",
        )


def test_owners_of_a_few_seeds_keep_what_they_want(folder: Path, record_property: Record) -> None:
    """What an owner opened or kept meanwhile stays open, what was closed stays closed, and every word is true."""
    tried, began = _Tried(), time.monotonic()
    for seed in range(25):
        tried.one(seed, folder)
    tried.tell(record_property, time.monotonic() - began)
    assert tried.deeds.total() > 30


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_owners_of_many_seeds_keep_what_they_want(
    folder: Path, record_property: Record, pytestconfig: pytest.Config
) -> None:
    """The same for minutes (`--owner-minutes`)."""
    tried, began = _Tried(), time.monotonic()
    seed = 1000
    while time.monotonic() < began + 60 * float(pytestconfig.getoption("owner_minutes")):
        tried.one(seed, folder)
        seed += 1
    tried.tell(record_property, time.monotonic() - began)
    assert tried.seeds


def test_a_seed_is_the_same_every_time(folder: Path) -> None:
    """A failure can be looked at again: the same calls at the same times."""

    def story(seed: int) -> list[tuple[float, str, str]]:
        campaign = Campaign(seed, folder / str(seed))
        campaign.run()
        began = campaign.cloud.calls[0].time
        return [(call.time - began, call.action, call.code) for call in campaign.cloud.calls]

    assert story(5) == story(5)


# the judge itself


class _Scene:
    """One group whose only rule is planned to go, an owner, and somebody who changes it by hand."""

    def __init__(self, cloud: InProcess, loop: VirtualLoop) -> None:
        world = cloud.world
        self.cloud, self.loop = cloud, loop
        self.account_id = next(iter(world.organization.members))
        estate = world.estate(self.account_id, REGION)
        estate.prefix_lists["pl-1"] = PrefixList("pl-1", "partners", entries=("0.0.0.0/0",))
        estate.port_lists["prl-1"] = PortList("prl-1", "doors", entries=("22/22",))
        self.group = Group("sg-0", vpc_id="vpc-1", rules=(rule(1, "20/80"), rule(2, "22/22", "10.0.0.0/8")))
        world.put(self.account_id, REGION, self.group)
        self.sent: dict[int, float] = {}
        self.judge = Judge(cloud, self.account_id, REGION, self.sent)
        cloud.after.append(self.judge.note)
        keys = cloud.enter(self.account_id, "sgsweep-remediate").keys
        self._source = StaticCredentials(
            Credentials(keys.access_key_id, keys.access_key_secret, keys.security_token or "")
        )
        self.actions: list[Action] = planned([self.group], self.account_id)

    async def play(self, script: Script) -> Judge:
        """Read, plan, carry out the script as `apply`, and judge."""
        serve = serving(self.cloud)

        async def sending(*request: Any) -> Any:
            self.sent[self.cloud._count] = self.loop.now
            return await serve(*request)

        async with VirtualClient(CloudSettings(endpoint=ENDPOINT), sending, 0.0) as client:
            self._session = AccountSession(client, self.account_id, self._source)
            await self.read()
            self.judge.plan(self.actions)
            phase = self.judge.begin("apply")
            phase.end(await script(self))
            self.judge.check()
            return self.judge

    async def read(self) -> None:
        """Read the group."""
        await self.call("DescribeSecurityGroupAttribute")

    async def revoke(self) -> None:
        """Remove the planned rule."""
        await self.call("RevokeSecurityGroup", SecurityGroupRuleId=["sgr-1"])

    async def split(self) -> None:
        """Add what stays of it."""
        (action,) = self.actions
        await self.call("AuthorizeSecurityGroup", Permissions=[_wire(fields) for fields in action.adds])

    async def call(self, action: str, **parameters: object) -> None:
        """Make a call about the group."""
        where = {"RegionId": REGION, "SecurityGroupId": "sg-0"}
        await self._session.call(
            action, REGION, {**where, **parameters}, mutating=action.startswith("Revoke")
        )

    def repair(self, **changes: str) -> None:
        """The owner gives the rule another source."""
        fields = {"IpProtocol": "TCP", "PortRange": "20/80", "SourceCidrIp": "203.0.113.0/24", **changes}
        where = {"RegionId": REGION, "SecurityGroupId": "sg-0", "SecurityGroupRuleId": "sgr-1"}
        self.cloud.act(self.account_id, "ModifySecurityGroupRule", **where, **fields)

    def said(self, word: str, reason: str = "") -> list[dict[str, Any]]:
        """What is said of the rule."""
        return [{"security_group_id": "sg-0", "rule_id": "sgr-1", "outcome": word, "reason": reason}]


def _wire(fields: Any) -> dict[str, object]:
    names = ("IpProtocol", "PortRange", "SourceCidrIp", "Policy", "Priority")
    return {name: fields[name] for name in names if fields.get(name)}


def _judged(script: Script, monkeypatch: pytest.MonkeyPatch) -> Judge:
    monkeypatch.setattr(transport, "_tls", lambda _: (False, ""))

    async def play() -> Judge:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        world = World.generate(WorldOutline(seed=1, accounts=1, groups_per_account=0, region_ids=(REGION,)))
        return await _Scene(InProcess(world), loop).play(script)

    return run(play())


Script = Callable[[_Scene], Awaitable[list[dict[str, Any]]]]


async def _as_it_should_be(scene: _Scene) -> list[dict[str, Any]]:
    await scene.read()
    await scene.split()
    await scene.read()
    await scene.revoke()
    await scene.read()
    return scene.said("split")


async def _not_at_all(scene: _Scene) -> list[dict[str, Any]]:
    scene.repair()
    await scene.read()
    return scene.said("drifted")


async def _on_the_way(scene: _Scene) -> list[dict[str, Any]]:
    await scene.read()
    await scene.split()
    await scene.read()

    def repair(moment: Moment) -> None:
        if moment.action.startswith("Revoke"):
            scene.repair()

    scene.cloud.before.append(repair)
    await scene.revoke()
    await scene.read()
    return scene.said("split")


@pytest.mark.parametrize(
    ("script", "unseen"),
    [(_as_it_should_be, 0), (_not_at_all, 0), (_on_the_way, 1)],
    ids=lambda one: getattr(one, "__name__", ""),
)
def test_the_judge_has_nothing_against_what_is_right(
    monkeypatch: pytest.MonkeyPatch, script: Script, unseen: int
) -> None:
    """A split with a reading before its removal, a drift; a repair on the way of the removal is counted."""
    assert _judged(script, monkeypatch).counts["round trip"] == unseen


async def _over_a_repair(scene: _Scene) -> list[dict[str, Any]]:
    await scene.read()
    await scene.split()
    scene.repair()
    await scene.read()
    await scene.revoke()
    await scene.read()
    return scene.said("split")


async def _on_an_old_reading(scene: _Scene) -> list[dict[str, Any]]:
    await scene.read()
    await scene.split()
    await scene.read()
    await asyncio.sleep(2.1)
    await scene.revoke()
    await scene.read()
    return scene.said("split")


async def _on_a_reading_before_the_addition(scene: _Scene) -> list[dict[str, Any]]:
    await scene.read()
    await scene.split()
    await scene.revoke()
    await scene.read()
    return scene.said("split")


async def _without_what_takes_its_place(scene: _Scene) -> list[dict[str, Any]]:
    await scene.read()
    await scene.revoke()
    await scene.read()
    return scene.said("revoked")


async def _over_a_protection(scene: _Scene) -> list[dict[str, Any]]:
    scene.cloud.note(scene.account_id, REGION, "protect", security_group_id="sg-0", protected=True)
    await asyncio.sleep(3)
    return await _as_it_should_be(scene)


async def _opening_more(scene: _Scene) -> list[dict[str, Any]]:
    rule = {"IpProtocol": "TCP", "PortRange": "3306/3306", "SourceCidrIp": "0.0.0.0/0", "Policy": "Accept"}
    await scene.call("AuthorizeSecurityGroup", Permissions=[rule])
    return []


async def _half_done(scene: _Scene) -> list[dict[str, Any]]:
    await scene.read()
    await scene.split()
    scene.repair()
    await scene.read()
    return scene.said("drifted")


async def _claiming_what_the_owner_did(scene: _Scene) -> list[dict[str, Any]]:
    where = {"RegionId": REGION, "SecurityGroupId": "sg-0"}
    scene.cloud.act(scene.account_id, "RevokeSecurityGroup", **where, **{"SecurityGroupRuleId.1": "sgr-1"})
    await scene.read()
    return scene.said("revoked")


async def _claiming_what_was_not_done(scene: _Scene) -> list[dict[str, Any]]:
    await scene.read()
    return scene.said("split")


async def _denying_what_was_done(scene: _Scene) -> list[dict[str, Any]]:
    await _as_it_should_be(scene)
    return scene.said("failed")


@pytest.mark.parametrize(
    ("script", "told"),
    [
        (_over_a_repair, "is its owner's by now"),
        (_over_a_protection, "is its owner's by now"),
        (_on_an_old_reading, "relies on a reading that was sent 2.2"),
        (_on_a_reading_before_the_addition, "relies on a reading"),
        (_without_what_takes_its_place, "closed what is not risky"),
        (_opening_more, "opened what was closed before"),
        (_half_done, "what was added is left, and not named"),
        (_claiming_what_the_owner_did, "none of our calls removed it"),
        (_claiming_what_was_not_done, "the rule stands"),
        (_denying_what_was_done, "it was removed by us"),
    ],
    ids=lambda one: getattr(one, "__name__", ""),
)
def test_the_judge_finds_what_is_wrong(monkeypatch: pytest.MonkeyPatch, script: Script, told: str) -> None:
    """Each thing that must not be done or said, done or said by hand."""
    with pytest.raises(AssertionError, match=told):
        _judged(script, monkeypatch)
