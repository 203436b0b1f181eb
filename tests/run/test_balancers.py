"""Groups that a load balancer joined: judged by the balancer's rule, closed by a drop, and told where not known."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec
import pytest

from orchestrator import run
from orchestrator.cli.exit_codes import of_changes, of_close, of_scan, of_verify
from orchestrator.emulator import Fault, Kind, World, WorldOutline
from orchestrator.emulator.framework.operations import Answer
from orchestrator.emulator.framework.question import CallQuestion
from orchestrator.emulator.services.resource_center import resource_center_of
from orchestrator.emulator.world.expected import Expected
from orchestrator.emulator.world.model import Balancer, Group, Listener, Rule
from orchestrator.journal import OutcomeKind
from orchestrator.policy import WIDE
from orchestrator.run import Approval, Changed, Filters, Progress, Verified
from tests.run.conftest import Desk, MakeDesk

EVERYWHERE = Filters(balancers=True)
REGION = "cn-hangzhou"
DENIED = Fault(kind=Kind.DENIED, action="ListLoadBalancers")
OFFICE = Rule("sgr-office", port_range="22/22", source_cidr_ip="198.51.100.0/24")
ANYONE = Rule("sgr-anyone", port_range="22/22", source_cidr_ip="0.0.0.0/0")


@pytest.fixture
def organization(desk_at: MakeDesk) -> Desk:
    """A desk at an organization in which load balancers joined groups of many accounts."""
    return desk_at(World.generate(WorldOutline(11, 6, region_ids=4, groups_per_account=12, balancers=True)))


@pytest.fixture
def small(desk_at: MakeDesk) -> Desk:
    """A desk at one account: SSH for an office in a group that a balancer joined, Redis for everyone in another."""
    world = World.generate(WorldOutline(1, 1, region_ids=(REGION,), groups_per_account=0))
    desk = desk_at(world)
    desk.config = desk.changed(organization={"include": (member(desk),)})
    put(desk, Group(security_group_id="sg-joined", vpc_id="vpc-1", rules=(OFFICE,)))
    redis = msgspec.structs.replace(ANYONE, security_group_rule_id="sgr-redis", port_range="6379/6379")
    put(desk, Group(security_group_id="sg-redis", vpc_id="vpc-1", rules=(redis,)))
    join(desk, "sg-joined")
    return desk


def member(desk: Desk) -> str:
    """The only member."""
    return next(iter(desk.emulator.world.organization.members))


def put(desk: Desk, group: Group) -> None:
    """Put the group into the member's account."""
    desk.emulator.world.put(member(desk), REGION, group)


def join(desk: Desk, *group_ids: str, balancer_id: str = "nlb-1", ports: tuple[int, ...] = (22,)) -> None:
    """Let a balancer join these groups, and leave all others."""
    listeners = tuple(Listener(f"lsn-{balancer_id}-{port}", "TCP", port) for port in ports)
    made = Balancer(balancer_id, "nlb", "front", group_ids, "vpc-1", listeners=listeners)
    estate = desk.emulator.world.estate(member(desk), REGION)
    estate.balancers[balancer_id] = made
    estate.interfaces = None  # made anew: the group of a balancer shares none


def opened(desk: Desk, name: str = "first") -> set[tuple[str, str, str]]:
    """What is open: group, rule or balancer, check."""
    return {
        (one["security_group_id"], one["rule_id"], one["check_id"])
        for one in desk.lines("findings.jsonl", name)
        if one["verdict"] == "fail" and one["status"] == "open"
    }


def apply(desk: Desk, name: str = "first") -> Changed:
    """Plan and apply."""
    made = run.plan(desk.folder / name, desk.config)
    approval = Approval(made.plan.digest)
    return asyncio.run(run.apply(made.path, approval, desk.config, lambda *_: None, Progress()))


def verify(desk: Desk, name: str = "first", **changes: object) -> Verified:
    """Verify a run."""
    return asyncio.run(run.verify(desk.folder / name, desk.changed(**changes), Progress()))


def test_it_finds_what_balancers_open(organization: Desk) -> None:
    """Each group that only a drop can close has a finding that names its balancer; none that is closed has."""
    summary = organization.scan(filters=EVERYWHERE)
    foretold = Expected.of(organization.emulator.world)
    failing = [one for one in organization.lines("findings.jsonl") if one["status"] in {"open", "managed"}]
    groups = foretold.risky | foretold.managed | foretold.balanced
    assert {one["security_group_id"] for one in failing} == groups
    named = [one for one in failing if one["balancer_id"] and one["status"] == "open"]
    assert {one["security_group_id"] for one in named} == foretold.balanced
    assert {one["exposure"] for one in named} == {"exposed"}
    assert (summary.complete, summary.balancers_unknown) == (True, 0)


def test_it_is_closed_by_drops_and_comes_back_as_it_was(organization: Desk) -> None:
    """Planned, applied, verified; a second scan finds it closed; the way back leaves each rule as it was."""
    world = organization.emulator.world
    organization.scan(filters=EVERYWHERE)
    foretold = Expected.of(world)
    before = contents(world, foretold.balanced)
    made = run.plan(organization.folder / "first", organization.config).plan
    assert {action.security_group_id for action in made.actions} == foretold.risky | foretold.balanced
    blocks = [action for action in made.actions if action.is_balancers]
    assert {action.security_group_id for action in blocks} == foretold.balanced
    assert {action.action for action in blocks} == {"block"}
    assert of_changes(apply(organization)) == 0
    verified = verify(organization)
    assert {one.check_id for one in verified.open if one.is_open} <= {WIDE}
    assert verified.differences == ()
    organization.scan("second", EVERYWHERE)
    assert {check_id for _, _, check_id in opened(organization, "second")} <= {WIDE}
    back = run.rollback(organization.folder / "first", {}, organization.config, lambda *_: None, Progress())
    assert of_changes(asyncio.run(back)) == 0
    assert contents(world, foretold.balanced) == before


def contents(world: World, group_ids: frozenset[str]) -> dict[str, list[tuple[str, ...]]]:
    """What the rules of these groups say, whatever their ids."""
    return {
        group.security_group_id: sorted(
            (rule.policy, str(rule.priority), rule.port_range, rule.source_cidr_ip, rule.ipv6_source_cidr_ip,
             rule.source_group_id, rule.ip_protocol)
            for rule in group.rules
        )
        for _, _, group in world.groups()
        if group.security_group_id in group_ids
    }  # fmt: skip


def test_they_are_asked_for_where_a_group_fails(organization: Desk) -> None:
    """One call a product there, nowhere else; listeners are read only where a balancer joined a group."""
    organization.scan()
    calls = organization.emulator.calls
    failing = {(one["account_id"], one["region_id"]) for one in organization.lines("findings.jsonl")}
    asked = [(call.account_id, call.region_id) for call in calls.of("ListLoadBalancers")]
    assert sorted(asked) == sorted([*failing, *failing])
    world = organization.emulator.world
    joined = {(account, region) for account, region in failing if world.estate(account, region).balancers}
    assert {(call.account_id, call.region_id) for call in calls.of("ListListeners")} == joined
    calls.clear()
    organization.scan("second", EVERYWHERE)
    assert len(calls.of("ListLoadBalancers")) == 2 * len(world.account_ids) * len(world.region_ids)


def test_another_witness_says_where_to_ask(small: Desk) -> None:
    """Where Resource Center names a balancer it is asked for, though no group of the region fails; else it is not."""
    put(small, Group(security_group_id="sg-redis", vpc_id="vpc-1", rules=()))
    resource_center_of(small.emulator.state).unknown.add("nlb-1")  # as where it may not be asked, or is late
    small.scan()
    assert not opened(small)
    assert not small.emulator.calls.of("ListLoadBalancers")
    resource_center_of(small.emulator.state).unknown.clear()
    small.scan("second")
    assert opened(small, "second") == {("sg-joined", "nlb-1", "ssh")}
    asked = {(call.account_id, call.region_id) for call in small.emulator.calls.of("ListLoadBalancers")}
    assert asked == {(member(small), REGION)}


def test_a_group_that_no_rule_opens_is_found_beside_one_that_fails(small: Desk) -> None:
    """It had no finding when it was read, and is read again once the balancer names it; it is counted once."""
    summary = small.scan()
    assert opened(small) == {("sg-joined", "nlb-1", "ssh"), ("sg-redis", "sgr-redis", "caches")}
    assert (summary.security_groups, summary.rules) == (2, 2)


def test_taking_an_accept_away_is_refused_where_that_closes_nothing(small: Desk) -> None:
    """With revoke configured neither the Accept nor the balancer is changed; by default both are."""
    put(small, Group(security_group_id="sg-joined", vpc_id="vpc-1", rules=(ANYONE,)))
    small.scan()
    assert {one[:2] for one in opened(small)} >= {("sg-joined", "nlb-1"), ("sg-joined", "sgr-anyone")}
    for action in ("revoke", "split", "narrow"):
        narrowing = small.changed(remediation={"narrow_to": ("10.0.0.0/8",)})
        made = run.plan(small.folder / "first", narrowing, actions=(f"ssh={action}",)).plan
        assert not [one for one in made.actions if one.security_group_id == "sg-joined"]
        reasons = {one.rule_id: one.reason for one in made.skipped}
        assert f"{action} closes nothing: load balancer nlb-1" in reasons["nlb-1"]
        assert "load balancer nlb-1 lets that in with or without the rule" in reasons["sgr-anyone"]
    made = run.plan(small.folder / "first", small.config).plan
    actions = {one.rule_id: one.action for one in made.actions if one.security_group_id == "sg-joined"}
    assert actions == {"nlb-1": "block", "sgr-anyone": "revoke"}
    assert of_changes(apply(small)) == 0
    assert of_verify(verify(small)) == 0


def test_no_right_to_them_is_told_and_no_error(organization: Desk) -> None:
    """Once an account; the run stays complete; every change's outcome says what is not known."""
    organization.emulator.set_faults(DENIED)
    summary = organization.scan()
    world = organization.emulator.world
    balanced = {
        one for one in world.account_ids for region in world.region_ids if world.estate(one, region).balancers
    }
    failing = {one["account_id"] for one in organization.lines("findings.jsonl")}
    assert (summary.complete, summary.balancers_unknown) == (True, len(failing | balanced))
    result = apply(organization)
    assert of_changes(result) == 0
    for one in organization.lines("outcomes.jsonl"):
        assert one["reason"].startswith("balancers_unknown: "), one
        assert "nlb:ListLoadBalancers" in one["reason"]
    verified = verify(organization)
    assert {one.check_id for one in verified.open if one.is_open} <= {WIDE}
    assert verified.balancers_unknown == len(failing)


def test_one_product_that_may_not_be_read_hides_nothing_of_the_other(small: Desk) -> None:
    """The balancer of the other is judged; that the first is not known is told."""
    small.emulator.set_faults(Fault(kind=Kind.DENIED, action="ListListeners"))
    estate = small.emulator.world.estate(member(small), REGION)
    estate.balancers["alb-1"] = Balancer("alb-1", "alb", "web", (), "vpc-1")
    assert small.scan().balancers_unknown == 1
    assert opened(small) == {("sg-redis", "sgr-redis", "caches")}
    small.emulator.set_faults()
    denied = [call for call in small.emulator.calls.of("ListLoadBalancers") if call.code]
    assert not denied


def test_where_they_are_required_not_knowing_them_is_undetermined(small: Desk) -> None:
    """They are asked for everywhere, every group of the region is undetermined, nothing is changed, and it exits 3."""
    small.emulator.set_faults(DENIED)
    summary = small.scan(cloud={"balancers": "required"})
    undetermined = {
        one["security_group_id"]
        for one in small.lines("findings.jsonl")
        if one["verdict"] == "undetermined" and one["rule_id"] == ""
    }
    assert undetermined == {"sg-joined", "sg-redis"}
    assert (summary.complete, of_scan(summary)) == (False, 3)
    assert run.plan(small.folder / "first", small.config).plan.actions == ()
    small.emulator.set_faults()
    assert small.scan("second", cloud={"balancers": "required"}).complete
    assert ("sg-joined", "nlb-1", "ssh") in opened(small, "second")
    small.emulator.set_faults(DENIED)
    assert of_verify(verify(small, "second", cloud={"balancers": "required"})) == 3


def test_the_cloud_that_lies_about_them_is_not_believed(small: Desk) -> None:
    """A listing that is cut short, or an answer about another region, is unknown and not empty."""
    bends: list[Callable[[Answer], Answer]] = [
        lambda answer: {**answer, "LoadBalancers": []},
        lambda answer: {"RequestId": answer["RequestId"]},
        lambda answer: {**answer, "LoadBalancers": [{"LoadBalancerId": "nlb-1", "SecurityGroupIds": "sg-joined"}]},
        lambda answer: {**answer, "LoadBalancers": [{"LoadBalancerId": "nlb-1", "RegionId": "cn-other"}]},
    ]  # fmt: skip
    for number, bend in enumerate(bends):

        def lie(
            context: CallQuestion, answer: Answer, bend: Callable[[Answer], Answer] = bend
        ) -> Answer | None:
            is_meant = (context.operation.action, context.operation.product) == ("ListLoadBalancers", "nlb")
            return bend(answer) if is_meant else None

        small.emulator.state.bends.by_hand[:] = [lie]
        assert small.scan(f"bent-{number}").balancers_unknown == 1, number


def test_changed_since_asks_for_balancers_again(small: Desk) -> None:
    """A group whose listing did not change is judged with what joined it since, and without what left it."""
    join(small)
    small.scan()
    assert {one[0] for one in opened(small)} == {"sg-redis"}
    join(small, "sg-joined", "sg-redis", ports=(22, 6379))
    small.scan("second", since="first")
    assert {one[:2] for one in opened(small, "second")} == {
        ("sg-joined", "nlb-1"), ("sg-redis", "nlb-1"), ("sg-redis", "sgr-redis"),
    }  # fmt: skip
    join(small)
    small.scan("third", since="second")
    assert {one[:2] for one in opened(small, "third")} == {("sg-redis", "sgr-redis")}
    join(small, "sg-joined")
    small.scan("fourth", EVERYWHERE, since="third")
    assert {one[0] for one in opened(small, "fourth")} == {"sg-joined", "sg-redis"}


def test_verify_knows_them(small: Desk) -> None:
    """One that joined since is open; where they cannot be read, what the scan knew stays open; gone drops differ."""
    join(small)
    small.scan()
    assert of_changes(apply(small)) == 0
    assert of_verify(verify(small)) == 0
    join(small, "sg-redis", ports=(6379,))
    found = verify(small)
    assert (of_verify(found), [one.balancer_id for one in found.open]) == (1, ["nlb-1"])
    small.scan("second", EVERYWHERE)
    small.emulator.set_faults(DENIED)
    found = verify(small, "second")
    assert (of_verify(found), [one.balancer_id for one in found.open]) == (1, ["nlb-1"])
    small.emulator.set_faults()
    assert apply(small, "second").outcomes == {OutcomeKind.blocked: 1}
    assert of_verify(verify(small, "second")) == 0
    put(small, Group(security_group_id="sg-redis", vpc_id="vpc-1", rules=()))
    differing = verify(small, "second")
    assert of_verify(differing) == 5
    assert [one.rule_id for one in differing.differences] == ["nlb-1"]


def test_an_incident_closes_what_a_balancer_lets_in(small: Desk) -> None:
    """`close` with --balancers finds it though no rule opens the port, and blocks it."""
    work = run.close(
        small.config, Filters(ports=("22",), balancers=True), small.folder / "inc", "INC-1",
        lambda *_: None, Progress(),
    )  # fmt: skip
    closed = asyncio.run(work)
    assert closed.changed.failed == ()
    assert (of_close(closed), closed.left_open) == (0, 0)
    assert closed.changed.outcomes == {OutcomeKind.blocked: 1}
    small.scan("second", EVERYWHERE)
    assert {one[0] for one in opened(small, "second")} == {"sg-redis"}


def test_explain_knows_the_balancer(small: Desk) -> None:
    """By its id, as the finding names it."""
    small.scan()
    told = run.explain_rule(small.folder / "first", "nlb-1")
    assert [one.check_id for one in told.findings] == ["ssh"]
    assert "whatever Accept rules say" in {step.rule_id: step.effect for step in told.steps}["nlb-1"]
