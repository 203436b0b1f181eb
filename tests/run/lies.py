"""A cloud that lies, by seed: what scan, close and verify make of it, held against the truth."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import msgspec

from orchestrator import run
from orchestrator.cli.exit_codes import of_close, of_scan, of_verify
from orchestrator.cli.known_errors import explain_error
from orchestrator.emulator import BENDS, Bend, BendKind, Bent, World, WorldOutline
from orchestrator.emulator.world.expected import Expected
from orchestrator.emulator.world.model import Rule
from orchestrator.plan import Action
from orchestrator.run import Approval, Filters, Progress
from tests.run.conftest import Desk

SWEEP = (
    "DescribeRegions", "DescribeSecurityGroups", "DescribeSecurityGroupAttribute", "DescribePrefixListAttributes",
    "DescribePortRangeListEntries", "DescribeNetworkInterfaces", "DescribeInstances", "ListAccounts",
    "ListFoldersForParent", "GetResourceDirectory", "AssumeRole", "GetCallerIdentity",
    "GetMultiAccountResourceCounts", "SearchMultiAccountResources",
)  # fmt: skip
"""Every question that a sweep asks, the last two of the second witness."""
_WITNESS = frozenset(SWEEP[-2:])

_UNCOUNTED = frozenset(
    {
        "DescribeRegions",
        "DescribePrefixListAttributes",
        "DescribePortRangeListEntries",
    }
)
_SHORTER = frozenset({BendKind.EMPTIED, BendKind.CUT, BendKind.ENDED, BendKind.REPLACED})
_ELSEWHERE = frozenset({BendKind.OTHER_ACCOUNT, BendKind.OTHER_REGION, BendKind.OTHER_GROUP})
# Answers that say whose they are, and so can be told from those about something else.
_SAYS_WHERE = {
    BendKind.OTHER_ACCOUNT: {"AssumeRole", "GetCallerIdentity"},
    BendKind.OTHER_REGION: {"DescribeSecurityGroups", "DescribeSecurityGroupAttribute"},
    BendKind.OTHER_GROUP: {"DescribeSecurityGroupAttribute"},
}


def leaves_a_trace(bent: Bent) -> bool:
    """Whether the lie contradicts itself, what was asked, or the second witness: then nobody may believe it."""
    if bent.action == "DescribeSecurityGroups" and bent.kind in _SHORTER:
        return True  # no count tells it, but Resource Center names what is left out
    if bent.consistent:
        return False
    if bent.kind in _SHORTER:
        if bent.action == "DescribeRegions" and bent.after == 0:
            return True  # no account is without a region
        return bent.action not in _UNCOUNTED
    if bent.kind in _ELSEWHERE:
        return bent.action in _SAYS_WHERE[bent.kind]
    return True


def one_at_a_time() -> Iterator[tuple[Bend, ...]]:
    """Every kind of lie about every list of every answer, each by itself."""
    for action in SWEEP:
        for kind in BENDS:
            yield (Bend(kind=kind, action=action),)
            if kind not in _ELSEWHERE | {BendKind.STAR, BendKind.ENDED}:
                yield (Bend(kind=kind, action=action, path="*"),)


def at_random(seed: int) -> tuple[Bend, ...]:
    """One to three lies, here and there."""
    dice = random.Random(seed)  # noqa: S311 - seeded to be repeated
    return tuple(_random_bend(dice) for _ in range(dice.randint(1, 3)))


def _random_bend(dice: random.Random) -> Bend:
    kind = dice.choice(BENDS)
    consistent = kind in {BendKind.EMPTIED, BendKind.CUT} and dice.random() < 0.3
    return Bend(
        kind=kind,
        action=dice.choice(SWEEP),
        rate=dice.choice([0.05, 0.3, 1.0]),
        count=dice.choice([None, None, 1]),
        path="" if consistent else dice.choice(["", "", "*"]),
        consistent=consistent,
    )


DeskOf = Callable[[World], AbstractContextManager[Desk]]
"""Makes a desk at a world, for a while."""


class Lies:
    """Tells lies to one command after another, and counts them."""

    def __init__(self, desk_of: DeskOf) -> None:
        self.desk_of = desk_of
        self.bent = 0
        self.runs = 0

    def scan(self, seed: int, bends: tuple[Bend, ...], desk: Desk) -> None:
        """A sweep that ends with 0 or 1 has found every door that there is, or nothing could have told it better."""
        code = self._told(desk, seed, bends, lambda: of_scan(desk.scan(str(self.runs))))
        if code in {0, 1} and self._were_to_be_seen(desk, bends):
            foretold = Expected.of(desk.emulator.world)
            found = {
                one["security_group_id"]
                for one in desk.lines("findings.jsonl", str(self.runs))
                if one["verdict"] == "fail" and one["status"] in {"open", "managed"}
            }
            missed = (foretold.risky | foretold.managed) - found
            assert not missed, f"exit {code}, and {missed} are open"

    def close(self, seed: int, bends: tuple[Bend, ...]) -> None:
        """An incident that ends with 0 has left no such port open."""
        with self.desk_of(small_world(seed)) as desk:
            self._close(seed, bends, desk)

    def _close(self, seed: int, bends: tuple[Bend, ...], desk: Desk) -> None:
        filters = Filters(ports=("22",))
        out = desk.folder / f"close-{seed}"

        def close() -> int:
            work = run.close(desk.config, filters, out, "INC-1", lambda *_: None, Progress())
            return of_close(asyncio.run(work))

        code = self._told(desk, seed, bends, close)
        if code == 0 and self._were_to_be_seen(desk, bends):
            truth = desk.scan(f"truth-{seed}", filters)
            assert not truth.open_failures, "exit 0, and port 22 is open"

    def verify(self, seed: int, bends: tuple[Bend, ...]) -> None:
        """A verification never says 0 or 1 of a cloud in which somebody has put a rule back."""
        with self.desk_of(small_world(seed)) as desk:
            self._verify(seed, bends, desk)

    def _verify(self, seed: int, bends: tuple[Bend, ...], desk: Desk) -> None:
        folder = desk.folder / f"verify-{seed}"
        desk.scan(folder.name)
        made = run.plan(folder, desk.config).plan
        revokes = [one for one in made.actions if one.revokes]
        if not revokes:
            return  # this world has nothing that could be put back
        applying = run.apply(
            folder / "plan.json", Approval(made.digest), desk.config, lambda *_: None, Progress()
        )
        asyncio.run(applying)
        back = random.Random(seed).choice(revokes)  # noqa: S311 - the same
        _put_back(desk.emulator.world, back)

        def verify() -> int:
            return of_verify(asyncio.run(run.verify(folder, desk.config, Progress())))

        code = self._told(desk, seed, bends, verify)
        if self._were_to_be_seen(desk, bends):
            assert code not in {0, 1}, f"exit {code}, and {back.rule_id} is back"

    def _told(self, desk: Desk, seed: int, bends: tuple[Bend, ...], work: Callable[[], int]) -> int:
        """Return the command's exit code while the cloud lies; an error that nobody explains is a bug."""
        self.runs += 1
        desk.emulator.state.bends.clear()
        desk.emulator.bend(*bends, seed=seed)
        try:
            return work()
        except Exception as error:
            explained = explain_error(error)
            if explained is None:
                raise
            return explained[0]
        finally:
            desk.emulator.bend()
            self.bent += len(desk.emulator.state.bends.log)

    def _were_to_be_seen(self, desk: Desk, bends: tuple[Bend, ...]) -> bool:
        """Whether every lie told contradicted itself; with none told, the truth is to be found.

        A group that counts no rules is not asked for them, so that a consistent lie about them is in no answer.
        """
        log = desk.emulator.state.bends.log
        if any(bent.action in _WITNESS for bent in log):
            log = [bent for bent in log if bent.action not in _WITNESS]
            if any(bent.action == "DescribeSecurityGroups" for bent in log):
                return False  # two who lie together are not found out
        silent = [bend for bend in bends if bend.consistent and bend.action != "DescribeSecurityGroups"]
        return all(map(leaves_a_trace, log)) and not silent


def small_world(seed: int) -> World:
    """An organization of two members, with lists and interfaces in it."""
    return World.generate(WorldOutline(1000 + seed % 7, 2, region_ids=2, groups_per_account=10))


def _put_back(world: World, action: Action) -> None:
    """Somebody adds the rule that was removed, under another id."""
    group = world.estate(action.account_id, action.region_id).groups[action.security_group_id]
    fields = {key: value for key, value in action.before.items() if value not in (None, "")}
    rule = msgspec.convert({**fields, "SecurityGroupRuleId": "sgr-back"}, Rule, strict=False)
    changed = msgspec.structs.replace(group, rules=(*group.rules, rule))
    world.put(action.account_id, action.region_id, changed)
