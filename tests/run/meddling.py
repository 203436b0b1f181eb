"""Owners who change their groups while a run works on them: at every await, by seed, on virtual time.

One seed is one small cloud, one run of scan, plan, apply and rollback (or of close and rollback), and one owner, who
acts between any two steps of the loop: sees a request on its way, an answer on its way, a process that stands still.
What is right is judged afterwards, by `tests.run.meddling_judge`, from the cloud's own record.
"""

from __future__ import annotations

import asyncio
import random
import shutil
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec

from accounts.credentials import HubCredentialsError
from benchmarks.virtual import VirtualClient, VirtualLoop, serving
from orchestrator import run
from orchestrator.cloud.client import CloudSettings
from orchestrator.emulator import (
    Fault,
    Group,
    InProcess,
    Kind,
    Moment,
    Options,
    Rule,
    Tag,
    Throttle,
    World,
    WorldOutline,
)
from orchestrator.emulator.framework.errors import ApiError
from orchestrator.emulator.world.model import PortList, PrefixList
from orchestrator.journal import SqliteReader, read_trusted
from orchestrator.plan import PlanError, decode
from orchestrator.run import Approval, Filters, Progress, RefusedError
from orchestrator.securitygroup import authorize_parameters, modify_parameters
from tests.remediate.kit import raw_of, rule
from tests.run.meddling_judge import Judge
from tests.run.virtual import configured, lived, virtual, yes

REGION = "cn-qingdao"
DEEDS = ("repair", "delete", "add", "add again", "prefix list", "port list", "protect")
"""What an owner does: changes a rule in place, deletes one, adds one, adds one again that was removed, changes the
entries of a list, protects the group by a tag or a name."""
TARGETS = ("what we added",)
"""What else may be changed and deleted, beside the rules that were there."""
MOMENTS = ("between commands", "during a command", "standing still")
"""When."""
TROUBLES = ("slow", "throttled", "lost")
"""What else is in the way: answers that take long, quotas, lost answers."""
BACK = "rollback"
"""What comes last: all is put back, while the owner goes on."""
AGE = "age of a reading"
"""What is judged whatever the owner does: that a removal relies on a reading of two seconds ago at most."""
EVERYTHING = frozenset({*DEEDS, *TARGETS, *MOMENTS, *TROUBLES, AGE, BACK})
"""A failure is looked into by leaving some of it out."""

_OFFICE = "203.0.113.0/24"
_WORLD = "0.0.0.0/0"


class StuckError(AssertionError):
    """The run did not end."""


class Campaign:
    """One seed.

    Attributes:
        deeds: what the owner did, and how often.
        judge: what came of it.
    """

    def __init__(self, seed: int, folder: Path, allowed: frozenset[str] = EVERYTHING) -> None:
        self._dice = random.Random(seed)  # noqa: S311 - seeded to be repeated
        self._folder = folder
        self._allowed = allowed
        self._seed = seed
        self.deeds: Counter[str] = Counter()

    def run(self) -> None:
        """Do all of it; raise where something is not as it should be, with the story."""
        try:
            lived(self._seed, self._run)
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)

    async def _run(self, loop: VirtualLoop) -> None:
        dice = self._dice
        self._make_cloud(loop)
        self._rate = dice.choice([0.0, 0.005, 0.02, 0.1])  # at each await
        self._near = dice.choice([0.0, 0.2, 0.5])  # at each request for a group, on its way there and back
        self.judge = Judge(self.cloud, self.account_id, REGION, self.sent, check_age=AGE in self._allowed)
        try:
            with virtual(self.cloud, self._client):
                await self._commands()
            self.judge.check()
        except BaseException as error:
            error.add_note(self.judge.story())
            raise

    def _make_cloud(self, loop: VirtualLoop) -> None:
        dice, allowed = self._dice, self._allowed
        world = World.generate(WorldOutline(seed=1, accounts=1, groups_per_account=0, region_ids=(REGION,)))
        self.account_id = next(iter(world.organization.members))
        self.estate = world.estate(self.account_id, REGION)
        self.estate.prefix_lists["pl-1"] = PrefixList("pl-1", "partners", entries=(_WORLD,))
        self.estate.port_lists["prl-1"] = PortList("prl-1", "doors", entries=("22/22",))
        for number in range(dice.randint(1, 2)):
            rules = random_rules(dice, number)
            world.put(
                self.account_id,
                REGION,
                Group(f"sg-{number}", name=f"group-{number}", vpc_id="vpc-1", rules=rules),
            )
        throttle = Throttle(
            per_api={"RevokeSecurityGroup": 1, "DescribeSecurityGroupAttribute": 4},
            window_seconds=dice.choice([5.0, 60.0]),
            hint=dice.choice(["none", "retry-after"]),
        )
        is_throttled = "throttled" in allowed and dice.random() < 0.15
        slow = [1.0, 1.9, 4.5] if "slow" in allowed else []
        self.cloud = InProcess(
            world,
            Options(throttle=throttle) if is_throttled else None,
            latency_seconds=dice.choice([0.05] * 6 + [0.4] + slow),
        )
        if "lost" in allowed and dice.random() < 0.15:
            kinds = [Kind.RESET_AFTER, Kind.RESET_BEFORE, Kind.ERROR_AFTER, Kind.UNAVAILABLE]
            self.cloud.set_faults(Fault(kind=dice.choice(kinds), rate=0.15, action="*SecurityGroup*"))
        self._loop = loop
        self.sent: dict[int, float] = {}
        self.cloud.before.append(self._at_a_request)
        self.cloud.after.append(self._at_a_request)
        self._is_acting = False
        self._left = 0

    def _client(self, settings: CloudSettings, **_: object) -> VirtualClient:
        serve = serving(self.cloud)

        async def sending(*request: Any) -> Any:
            self.sent[self.cloud._count] = self._loop.now
            return await serve(*request)

        return VirtualClient(settings, sending, 0.0, random.Random(self._seed).random)  # noqa: S311 - repeated by seed

    # the commands

    async def _commands(self) -> None:
        closes = self._dice.random() < 0.3
        out = self._folder / "run"
        config = configured()
        filters = Filters(accounts=(self.account_id,))
        if closes:
            await self._command(
                "close", out, lambda: run.close(config, filters, out, "INC-1", yes, Progress())
            )
        else:
            await run.scan(config, filters, out, Progress())
            planned = run.plan(out, config)
            self.judge.plan(planned.plan.actions)
            self._between()
            path, approval = out / "plan.json", Approval(planned.plan.digest)
            await self._command("apply", out, lambda: run.apply(path, approval, config, yes, Progress()))
        if BACK not in self._allowed:
            return
        self._between()
        await self._command("rollback", out, lambda: run.rollback(out, {}, config, yes, Progress()))

    async def _command(self, name: str, out: Path, work: Callable[[], Awaitable[object]]) -> None:
        phase = self.judge.begin(name)
        self._left = self._dice.randint(1, 8)
        self._loop.between = self._at_an_await if "during a command" in self._allowed else None
        try:
            async with asyncio.timeout(4 * 3600):
                await work()
        except TimeoutError:
            raise StuckError(f"{name} has not ended in four hours") from None
        except (RefusedError, PlanError, run.UsageError, HubCredentialsError):
            phase.is_refused = True
        finally:
            self._loop.between = None
        if name == "close":
            for path in (out / "plans").glob("*.json"):
                self.judge.plan(decode(read_trusted(path)).actions)
        phase.end(_outcomes(out, rolled_back=name == "rollback"))

    # the owner

    def _between(self) -> None:
        if "between commands" in self._allowed:
            for _ in range(self._dice.choice([0, 0, 1, 1, 2])):
                self._act()
                self._loop.now += self._dice.choice([0.0, 5.0, 600.0])

    def _at_an_await(self) -> None:
        if self._dice.random() < self._rate:
            self._meddle()

    def _at_a_request(self, moment: Moment) -> None:
        self.judge.note(moment)
        if (
            self._loop.between is not None
            and "SecurityGroup" in moment.action
            and self._dice.random() < self._near
        ):
            self._meddle()

    def _meddle(self) -> None:
        if self._is_acting or self._left <= 0:
            return
        self._left -= 1
        stands_still = "standing still" in self._allowed and self._dice.random() < 0.3
        seconds = self._dice.choice([0.5, 1.9, 2.1, 30.0]) if stands_still else 0.0
        self._loop.now += seconds / 2
        self._act()
        self._loop.now += seconds / 2

    def _act(self) -> None:
        self._is_acting = True
        name = self._dice.choice([one for one in DEEDS if one in self._allowed])
        group = self._dice.choice(list(self.estate.groups.values()))
        try:
            getattr(self, f"_{name.replace(' ', '_')}")(group)
            self.deeds[name] += 1
        except (ApiError, LookupError):
            pass  # there was nothing to do it with
        finally:
            self._is_acting = False

    def _call(self, action: str, group: Group, **parameters: str) -> None:
        where = {"RegionId": REGION, "SecurityGroupId": group.security_group_id}
        self.cloud.act(self.account_id, action, **where, **parameters)

    def _some_rule(self, group: Group) -> Rule:
        ours = set() if "what we added" in self._allowed else self.judge.added()
        return self._dice.choice([one for one in group.rules if one.security_group_rule_id not in ours])

    def _repair(self, group: Group) -> None:
        """Give a rule another source, port or policy; it keeps its id."""
        one = self._some_rule(group)
        changes: list[dict[str, str]] = [{"Policy": "drop"}]
        if one.source_cidr_ip:
            changes += [{"SourceCidrIp": _OFFICE}] * 3 + [{"SourceCidrIp": "0.0.0.0/1"}]
        if one.ip_protocol in {"TCP", "UDP"} and one.port_range:
            changes += [{"PortRange": "443/443"}] * 2
        fields = modify_parameters({**raw_of(one), **self._dice.choice(changes)})
        self._call("ModifySecurityGroupRule", group, SecurityGroupRuleId=one.security_group_rule_id, **fields)

    def _delete(self, group: Group) -> None:
        one = self._some_rule(group)
        self._call("RevokeSecurityGroup", group, **{"SecurityGroupRuleId.1": one.security_group_rule_id})

    def _add(self, group: Group) -> None:
        ports = self._dice.choice(["22/22", "6379/6379", "20/80", "443/443", "1/65535"])
        source = self._dice.choice([_OFFICE, _OFFICE, "198.51.100.7/32", _WORLD])
        policy = self._dice.choice(["Accept", "Accept", "Accept", "Drop"])
        self._add_rule(group, rule(0, ports, source, policy=policy, priority=self._dice.choice([1, 50])))

    def _add_again(self, group: Group) -> None:
        """Add what was removed, by whomever: it has another id now."""
        removed = [one for group_id, one in self.judge.removed() if group_id == group.security_group_id]
        self._add_rule(group, self._dice.choice(removed))

    def _add_rule(self, group: Group, one: Rule) -> None:
        self._call("AuthorizeSecurityGroup", group, **authorize_parameters(raw_of(one)))

    def _prefix_list(self, _: Group) -> None:
        one = self.estate.prefix_lists["pl-1"]
        entries = self._dice.choice(
            [(_OFFICE,), (_OFFICE,), (_OFFICE, "198.51.100.0/24"), (_WORLD,), (_WORLD, _OFFICE)]
        )
        self.estate.prefix_lists["pl-1"] = msgspec.structs.replace(one, entries=entries)
        self.cloud.note(self.account_id, REGION, "prefix list", entries=entries)

    def _port_list(self, _: Group) -> None:
        one = self.estate.port_lists["prl-1"]
        entries = self._dice.choice(
            [("443/443",), ("8080/8080", "443/443"), ("22/22",), ("22/22", "443/443")]
        )
        self.estate.port_lists["prl-1"] = msgspec.structs.replace(one, entries=entries)
        self.cloud.note(self.account_id, REGION, "port list", entries=entries)

    def _protect(self, group: Group) -> None:
        """Protect the group by a tag or by its name, or not any more."""
        if group.tags or group.name.startswith("keep"):
            group.tags, group.name = (), "group"
        elif self._dice.random() < 0.5:
            group.tags = (Tag("sgsweep", "protected"),)
        else:
            group.name = "keep-this"
        protected = bool(group.tags) or group.name.startswith("keep")
        self.cloud.note(
            self.account_id, REGION, "protect", security_group_id=group.security_group_id, protected=protected
        )


def random_rules(dice: random.Random, group: int) -> tuple[Rule, ...]:
    """One to four rules, most of them open to the world, some by lists."""
    made: dict[tuple[object, ...], Rule] = {}
    for number in range(dice.randint(1, 4)):
        kind = dice.choice(["plain"] * 5 + ["prefix list"] * 3 + ["port list"] * 3)
        ports = dice.choice(["22/22", "22/22", "6379/6379", "20/80", "443/443", "1/65535"])
        source = dice.choice([_WORLD] * 5 + ["0.0.0.0/1", _OFFICE])
        fields: dict[str, Any] = {"priority": dice.choice([1, 1, 10])}
        if kind == "prefix list":
            fields |= {"source_cidr_ip": "", "source_prefix_list_id": "pl-1"}
        elif kind == "port list":
            ports, fields["port_range_list_id"] = "", "prl-1"
        elif dice.random() < 0.15:
            ports, fields["ip_protocol"] = "-1/-1", "ALL"
        elif dice.random() < 0.1:
            fields["policy"] = "Drop"
        one = rule(100 * group + number, ports, source, **fields)
        made.setdefault((kind, ports, one.source_cidr_ip, one.ip_protocol, one.policy, one.priority), one)
    return tuple(made.values())


def _outcomes(folder: Path, *, rolled_back: bool) -> list[dict[str, Any]]:
    """What the run says of each rule."""
    with SqliteReader(folder) as reader:
        effects = [one for one in reader.all_effects() if bool(one.undoes) is rolled_back]
    return [msgspec.to_builtins(one.outcome) for one in effects if one.outcome is not None]
