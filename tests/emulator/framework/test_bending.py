"""The cloud that lies: every list of every answer of a sweep can be bent, by seed and place, and noted."""

from __future__ import annotations

import json
import random
from typing import Any

import msgspec
import pytest

from orchestrator.emulator import BENDS, Bend, BendKind, Emulator, Keys, World, WorldOutline
from orchestrator.emulator.world.model import Balancer, Listener, PortList, PrefixList
from tests.emulator.wire import ECS, RM, STS, Cloud, control

# Every question of a sweep, with the list (or object) that its answer is about.
READS = {
    "DescribeRegions": ("Regions", "Region"),
    "DescribeSecurityGroups": ("SecurityGroups", "SecurityGroup"),
    "DescribeSecurityGroupAttribute": ("Permissions", "Permission"),
    "DescribePrefixListAttributes": ("Entries", "Entry"),
    "DescribePortRangeListEntries": ("Entries",),
    "DescribeNetworkInterfaces": ("NetworkInterfaceSets", "NetworkInterfaceSet"),
    "DescribeInstances": ("Instances", "Instance"),
    "ListLoadBalancers": ("LoadBalancers",),
    "ListListeners": ("Listeners",),
    "SearchMultiAccountResources": ("Resources",),
    "ListAccounts": ("Accounts", "Account"),
    "ListFoldersForParent": ("Folders", "Folder"),
    "GetResourceDirectory": ("ResourceDirectory",),
    "AssumeRole": ("AssumedRoleUser",),
    "GetCallerIdentity": (),
}
LISTS = [
    action for action in READS if action not in {"GetResourceDirectory", "AssumeRole", "GetCallerIdentity"}
]


class Place:
    """A member's region with groups, lists and interfaces; other regions and accounts have others."""

    def __init__(self) -> None:
        world = World.generate(WorldOutline(seed=3, accounts=4, region_ids=4, groups_per_account=40))
        self.cloud = Cloud(world)
        member = self.cloud.member
        for account_id in world.account_ids:
            for region_id in world.region_ids:
                _put_lists(world, account_id, region_id)
        self.region = max(world.region_ids, key=lambda region_id: len(world.estate(member, region_id).groups))
        self.estate = world.estate(member, self.region)
        self.group = max(self.estate.groups.values(), key=lambda group: len(group.rules))
        self.group_id = self.group.security_group_id
        self.keys = self.cloud.enter("sgsweep-read")

    def ask(self, action: str, **more: Any) -> dict[str, Any]:
        """Ask one of the questions."""
        where = {"RegionId": self.region}
        asked: dict[str, tuple[Keys, str, dict[str, Any]]] = {
            "DescribeSecurityGroupAttribute": (self.keys, ECS, {"SecurityGroupId": self.group_id}),
            "DescribePrefixListAttributes": (self.keys, ECS, {"PrefixListId": f"pl-{self.region}-1"}),
            "DescribePortRangeListEntries": (self.keys, ECS, {"PortRangeListId": f"prl-{self.region}-1"}),
            "ListLoadBalancers": (self.keys, "2022-04-30", {}),
            "ListListeners": (self.keys, "2022-04-30", {}),
            "SearchMultiAccountResources": (
                self.cloud.hub,
                "2022-12-01",
                {"Scope": self.cloud.world.organization.directory_id},
            ),
            "ListAccounts": (self.cloud.hub, RM, {"PageSize": 100}),
            "ListFoldersForParent": (self.cloud.hub, RM, {}),
            "GetResourceDirectory": (self.cloud.hub, RM, {}),
            "GetCallerIdentity": (self.keys, STS, {}),
            "AssumeRole": (
                self.cloud.hub,
                STS,
                {"RoleArn": f"acs:ram::{self.cloud.member}:role/sgsweep-read", "RoleSessionName": "bent"},
            ),
        }
        keys, version, parameters = asked.get(action, (self.keys, ECS, {"MaxResults": 100}))
        return self.cloud.ok(action, keys, version, **where, **{**parameters, **more})

    def bend(self, kind: BendKind, action: str = "*", seed: int = 0, **more: Any) -> None:
        """Tell one lie from now on."""
        self.cloud.state.bends.set([Bend(kind=kind, action=action, **more)], seed)


def _put_lists(world: World, account_id: str, region_id: str) -> None:
    estate = world.estate(account_id, region_id)
    for number in (1, 2):
        balancer = Balancer(
            f"nlb-{account_id}-{region_id}-{number}",
            "nlb",
            listeners=(Listener(f"lsn-{account_id}-{region_id}-{number}", port=22),),
        )
        estate.balancers[balancer.balancer_id] = balancer
        dice = random.Random(f"{account_id}/{region_id}/{number}")  # noqa: S311 - reproducible, not secret
        blocks = tuple(f"10.{dice.randrange(256)}.{dice.randrange(256)}.0/24" for _ in range(2))
        estate.prefix_lists[f"pl-{region_id}-{number}"] = PrefixList(
            f"pl-{region_id}-{number}", "offices", entries=blocks
        )
        ports = tuple(f"{port}/{port}" for port in dice.sample(range(1, 9999), 2))
        estate.port_lists[f"prl-{region_id}-{number}"] = PortList(f"prl-{region_id}-{number}", "admin", ports)


@pytest.fixture
def place() -> Place:
    """A cloud to ask."""
    return Place()


def at(answer: Any, path: tuple[str, ...]) -> Any:
    """The value at a path."""
    for key in path:
        answer = answer[key]
    return answer


@pytest.mark.parametrize("action", LISTS)
def test_every_list_of_a_sweep_can_be_emptied_cut_and_repeated(place: Place, action: str) -> None:
    """The list is shorter or longer, nothing else of the answer changes, and it is noted."""
    truth = place.ask(action)
    items = at(truth, READS[action])
    assert len(items) > 1
    for kind, sizes in (
        (BendKind.EMPTIED, {0}),
        (BendKind.CUT, set(range(len(items)))),
        (BendKind.REPEATED, {2 * len(items)}),
        (BendKind.REPLACED, {len(items)}),
    ):
        place.bend(kind, action)
        lie = place.ask(action)
        assert len(at(lie, READS[action])) in sizes
        assert at(lie, READS[action]) != items
        note = place.cloud.state.bends.log[-1]
        assert (note.kind, note.action, note.path) == (kind, action, ".".join(READS[action]))
        assert (note.before, note.after) == (len(items), len(at(lie, READS[action])))
        assert place.cloud.state.record[-1].bent == kind
        at(lie, READS[action])[:] = items
        assert {**lie, "RequestId": ""} == {**truth, "RequestId": ""}
    place.cloud.state.bends.set(())
    assert at(place.ask(action), READS[action]) == items


@pytest.mark.parametrize("action", READS)
def test_every_answer_can_be_of_a_wrong_type(place: Place, action: str) -> None:
    """The list, or the object of an answer without one, is something else, or not there at all."""
    truth = place.ask(action)
    for seed in range(12):
        for kind in (BendKind.WRONG_TYPE, BendKind.ABSENT):
            place.bend(kind, action, seed)
            lie = place.ask(action)
            if action == "GetCallerIdentity":
                assert lie.keys() == truth.keys()  # it has neither list nor object
            else:
                assert {**lie, "RequestId": ""} != {**truth, "RequestId": ""}
                assert place.cloud.state.bends.log[-1].kind is kind


@pytest.mark.parametrize(
    "action", [one for one in READS if one.startswith("Describe") and "Region" not in one]
)
def test_answers_of_another_region_and_account(place: Place, action: str) -> None:
    """What another place would have answered, with its own ids, or masked with those that were asked for."""
    truth = place.ask(action)
    for kind in (BendKind.OTHER_REGION, BendKind.OTHER_ACCOUNT):
        for masked in (False, True):
            place.bend(kind, action, masked=masked)
            lie = place.ask(action)
            assert at(lie, READS[action]) != at(truth, READS[action])
            if "RegionId" in truth:
                assert (lie["RegionId"] == place.region) is (masked or kind is BendKind.OTHER_ACCOUNT)


@pytest.mark.parametrize(
    ("action", "key"),
    [
        ("DescribeSecurityGroupAttribute", "SecurityGroupId"),
        ("DescribePrefixListAttributes", "PrefixListId"),
        ("DescribePortRangeListEntries", ""),
    ],
)
def test_answers_about_another_group_or_list(place: Place, action: str, key: str) -> None:
    """The answer of a neighbour, under its own id or under the one asked for."""
    truth = place.ask(action)
    place.bend(BendKind.OTHER_GROUP, action)
    lie = place.ask(action)
    assert at(lie, READS[action]) != at(truth, READS[action])
    if key:
        assert lie[key] != truth[key]
        place.bend(BendKind.OTHER_GROUP, action, masked=True)
        assert place.ask(action)[key] == truth[key]


def test_a_session_of_another_account(place: Place) -> None:
    """AssumeRole opens another account's door: said by its Arn, or, masked, only by GetCallerIdentity."""
    for masked in (False, True):
        place.bend(BendKind.OTHER_ACCOUNT, "AssumeRole", masked=masked)
        answer = place.ask("AssumeRole")
        arn = f"acs:ram::{place.cloud.member}:role/sgsweep-read/bent"
        assert (answer["AssumedRoleUser"]["Arn"] == arn) is masked
        given = answer["Credentials"]
        keys = Keys(given["AccessKeyId"], given["AccessKeySecret"], given["SecurityToken"])
        place.cloud.state.bends.set(())
        who = place.cloud.ok("GetCallerIdentity", keys, STS)
        assert who["AccountId"] not in {place.cloud.member, ""}


@pytest.mark.parametrize(
    "action", ["GetCallerIdentity", "GetResourceDirectory", "ListAccounts", "SearchMultiAccountResources"]
)
def test_identities_and_directories_of_strangers(place: Place, action: str) -> None:
    """The caller, the management account and a member turn into an account of nobody's."""
    place.bend(BendKind.OTHER_ACCOUNT, action)
    assert "1000000000000001" in json.dumps(place.ask(action))


@pytest.mark.parametrize("action", [one for one in READS if "Entries" not in one and "PrefixList" not in one])
def test_ids_can_be_stars(place: Place, action: str) -> None:
    """A star stands for the ids of the answer or of one of its items; keys and the RequestId stay."""
    stars = set()
    for seed in range(8):
        place.bend(BendKind.STAR, action, seed)
        lie = place.ask(action)
        stars.add(json.dumps({**lie, "RequestId": ""}).count("*"))
        assert len(lie["RequestId"]) == 36
    assert min(stars) > 0


def test_every_inner_list_can_be_bent(place: Place) -> None:
    """With path "*" any one list of an answer is bent, also those within items: tags, groups, addresses."""
    paths = set()
    for seed in range(60):
        place.bend(BendKind.WRONG_TYPE, "DescribeInstances", seed, path="*")
        place.ask("DescribeInstances")
        paths.add(place.cloud.state.bends.log[-1].path.rpartition(".")[2])
    assert paths >= {"SecurityGroupId", "IpAddress", "NetworkInterface", "Tag"}
    place.bend(
        BendKind.EMPTIED, "DescribeInstances", path="Instances.Instance.0.SecurityGroupIds.SecurityGroupId"
    )
    first = place.ask("DescribeInstances")["Instances"]["Instance"][0]
    assert first["SecurityGroupIds"] == {"SecurityGroupId": []}


def test_a_listing_may_end_too_early(place: Place) -> None:
    """Without its token a page looks like the last; where it is the last there is nothing to bend."""
    place.bend(BendKind.ENDED)
    assert place.ask("DescribeSecurityGroups", MaxResults=2)["NextToken"] == ""
    assert len(place.cloud.state.bends.log) == 1
    assert place.ask("DescribeSecurityGroups")["NextToken"] == ""
    assert len(place.cloud.state.bends.log) == 1


def test_counts_contradict_unless_the_lie_is_consistent(place: Place) -> None:
    """TotalCount and RuleCount tell the truth beside a cut list; a consistent cut takes them with it, on every page."""
    groups = len(place.estate.groups)
    place.bend(BendKind.EMPTIED, "DescribeSecurityGroups")
    contradicted = place.ask("DescribeSecurityGroups", MaxResults=None, PageSize=50)
    assert (contradicted["TotalCount"], contradicted["SecurityGroups"]["SecurityGroup"]) == (groups, [])
    place.bend(BendKind.CUT, "DescribeSecurityGroups", consistent=True)
    whole = place.ask("DescribeSecurityGroups", MaxResults=None, PageSize=50)
    assert whole["TotalCount"] == len(whole["SecurityGroups"]["SecurityGroup"]) < groups
    by_token: list[str] = []
    token = ""
    while True:
        page = place.ask("DescribeSecurityGroups", MaxResults=1, NextToken=token)
        by_token += [one["SecurityGroupId"] for one in page["SecurityGroups"]["SecurityGroup"]]
        token = page["NextToken"]
        if not token:
            break
    assert by_token == [one["SecurityGroupId"] for one in whole["SecurityGroups"]["SecurityGroup"]]
    assert [note.consistent for note in place.cloud.state.bends.log] == [False, True, True]


@pytest.mark.parametrize("kind", [BendKind.EMPTIED, BendKind.CUT])
def test_a_consistent_cut_of_rules_is_counted_so(place: Place, kind: BendKind) -> None:
    """Every group's RuleCount is what its own answer then gives, though rules are missing."""
    place.bend(kind, "DescribeSecurityGroupAttribute", consistent=True)
    listed = place.ask("DescribeSecurityGroups")["SecurityGroups"]["SecurityGroup"]
    assert len(listed) == len(place.estate.groups)
    for one in listed:
        group_id = one["SecurityGroupId"]
        if place.estate.groups[group_id].vpc_id and place.estate.groups[group_id].rules:
            found = place.ask("DescribeSecurityGroupAttribute", SecurityGroupId=group_id)
            assert one["RuleCount"] == len(found["Permissions"]["Permission"])
            assert one["RuleCount"] < len(place.estate.groups[group_id].rules)


def test_lies_follow_seed_and_place_not_the_order_of_calls() -> None:
    """The same seed bends the same places, whatever was asked before; another seed others; about `rate` of them."""

    def told(seed: int, *, backwards: bool) -> list[str]:
        place = Place()
        place.bend(BendKind.CUT, "DescribeSecurityGroupAttribute", seed, rate=0.5)
        ids = sorted(place.estate.groups, reverse=backwards)
        for group_id in ids:
            place.ask("DescribeSecurityGroupAttribute", SecurityGroupId=group_id)
        return sorted(f"{note.place} {note.before} {note.after}" for note in place.cloud.state.bends.log)

    assert told(1, backwards=False) == told(1, backwards=True)
    assert told(1, backwards=False) != told(2, backwards=False)
    assert 0 < len(told(1, backwards=False)) < len(Place().estate.groups)


def test_a_lie_may_be_told_once(place: Place) -> None:
    """With a count a place is bent that often, then it tells the truth, as where a listing raced with a change."""
    place.bend(BendKind.EMPTIED, "DescribeSecurityGroupAttribute", count=1)
    sizes = [len(place.ask("DescribeSecurityGroupAttribute")["Permissions"]["Permission"]) for _ in range(3)]
    assert sizes[0] == 0
    assert sizes[1] == sizes[2] > 0


def test_writes_are_never_bent(place: Place) -> None:
    """A lie is told about what is; what a write did is done, and its answer stays."""
    place.cloud.state.bends.set([Bend(kind=kind) for kind in BENDS])
    rule = next(rule for rule in place.group.rules if rule.direction == "ingress")
    place.cloud.ok(
        "RevokeSecurityGroup",
        place.cloud.enter(),
        RegionId=place.region,
        SecurityGroupId=place.group_id,
        SecurityGroupRuleId=[rule.security_group_rule_id],
    )
    assert place.cloud.state.record[-1].bent == ""
    assert len(place.cloud.state.record[-1].changes) == 1


def test_an_answer_can_be_bent_by_hand(place: Place) -> None:
    """A function sees each plain answer with its call and may give another one."""

    def bender(context: Any, answer: dict[str, Any]) -> dict[str, Any] | None:
        return {**answer, "Regions": 7} if context.operation.action == "DescribeRegions" else None

    place.cloud.state.bends.by_hand.append(bender)
    assert place.ask("DescribeRegions")["Regions"] == 7
    assert place.cloud.state.record[-1].bent == "by-hand"
    assert place.ask("DescribeSecurityGroups")["RegionId"] == place.region
    assert place.cloud.state.record[-1].bent == ""


def test_only_what_can_agree_is_consistent() -> None:
    """A list of another type has no count that agrees with it."""
    with pytest.raises(ValueError, match="consistent"):
        Bend(kind=BendKind.WRONG_TYPE, consistent=True)


def test_other_processes_bend_answers(emulator: Emulator) -> None:
    """The control surface takes lies as JSON with a seed, says what was bent, and forgets with the rest."""
    assert control(emulator, "POST", "bends?seed=4", b'[{"kind": "emptied", "action": "Describe*"}]') == {
        "bends": 1
    }
    assert control(emulator, "GET", "bends") == {
        "bends": [msgspec.to_builtins(emulator.state.bends.active[0])],
        "bent": [],
    }
    control(emulator, "POST", "clear", b"")
    assert emulator.state.bends.active == ()
