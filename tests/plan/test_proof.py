"""Just before a change: only what closes may be done, and only what fails its check now, whatever the plan says."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from orchestrator.plan import Action, Proved, Settings, opens_too_much, prove
from orchestrator.plan.pieces import writable
from orchestrator.plan.proof import ProofRefusal
from orchestrator.plan.simulation import Simulation
from orchestrator.policy import Check, Exemption, evaluate, parse_port
from orchestrator.securitygroup import Direction, Lists, SecurityGroup, Unreadable, content_digest
from tests.plan.groups import NOW, SSH, decided, group, judge_of, permission
from tests.plan.oracle import Cloud
from tests.plan.test_properties import (
    ALLOWED,
    LISTS,
    check_lists,
    clouds,
    decision_for,
    failing_checks,
    is_risky,
    steps,
)

BLOCK = Check(id="ssh", ports=(parse_port("22"),), action="block")


def proved(now: SecurityGroup, actions: tuple[Action, ...], *checks: Check, **more: Any) -> Proved:
    """What is found of the actions in the group as it is now."""
    return prove(now, actions, judge_of(*checks), Settings(), **more)


def kinds(found: Proved) -> dict[str, str]:
    """How each change that is refused ends."""
    return {rule_id: one.kind for rule_id, one in found.refused.items()}


def test_what_was_planned_is_proved_in_the_group_as_it_was() -> None:
    """A revoke, a split and the piece that both need: nothing is refused, and what fails is told."""
    there = group(permission(1), permission(2, "20/80"), permission(3, "443/443"))
    found = proved(there, decided(there).actions)
    assert not found.refused
    assert {rule_id: [one.check_id for one in mine] for rule_id, mine in found.failing.items()} == {
        "sgr-1": ["ssh"],
        "sgr-2": ["ssh"],
    }


def test_a_list_that_was_repaired_is_another_rule() -> None:
    """The id is the same, and the packets are not: the rule is harmless now, or at least not what was judged."""
    before = Lists({"pl-1": ("0.0.0.0/0",)}, {"prl-1": ("22/22", "80/80")})
    there = group(permission(1, source="pl-1", PortRangeListId="prl-1", PortRange=""), lists=before)
    actions = decided(there).actions
    assert actions[0].lists == {"pl-1": ("0.0.0.0/0",), "prl-1": ("22/22", "80/80")}
    for lists in (
        Lists({"pl-1": ("203.0.113.0/24",)}, before.port_lists),
        Lists({"pl-1": ("0.0.0.0/1", "128.0.0.0/2")}, before.port_lists),
        Lists(before.prefix_lists, {"prl-1": ("80/80",)}),
    ):
        found = proved(replace(there, **_read_again(there, lists)), actions)
        assert kinds(found) == {"sgr-1": "drifted"}
        assert "pl-1 or prl-1" in found.refused["sgr-1"].reason
    spelled = Lists({"pl-1": ("0.0.0.0/1", "128.0.0.0/1")}, before.port_lists)
    assert not proved(replace(there, **_read_again(there, spelled)), actions).refused
    assert kinds(proved(replace(there, **_read_again(there, Lists())), actions)) == {"sgr-1": "failed"}


def test_a_list_that_stays_open_must_still_be_the_one_that_was_judged() -> None:
    """What is narrowed to a prefix list stays open for it: should it hold more by now, nobody approved that."""
    narrow = replace(SSH, action="narrow")
    office = Lists({"pl-office": ("203.0.113.0/24",)})
    there = group(permission(1), lists=office)
    actions = decided(there, narrow, narrow_to=("pl-office",)).actions
    assert not proved(there, actions, narrow).refused
    wider = replace(there, lists=Lists({"pl-office": ("203.0.0.0/8",)}))
    assert kinds(proved(wider, actions, narrow)) == {"sgr-1": "drifted"}


def test_what_is_protected_or_exempt_by_now_is_left_alone() -> None:
    """A tag, a name, an account, an exemption of today: skipped, with the reason."""
    there = group(permission(1))
    actions = decided(there).actions
    tagged = replace(there, tags=(("sgsweep", "protected"),))
    found = proved(tagged, actions)
    assert kinds(found) == {"sgr-1": "skipped"}
    assert "protected by its tag" in found.refused["sgr-1"].reason
    protecting = Settings(protected_accounts=("shop",))
    assert kinds(prove(there, actions, judge_of(SSH), protecting)) == {"sgr-1": "skipped"}
    assert kinds(proved(replace(there, service_managed=True), actions)) == {"sgr-1": "skipped"}
    waiver = Exemption(id="w-1", owner="ops", reason="r", expires=NOW + timedelta(days=9), group=("sg-1",))
    found = prove(there, actions, lambda one: evaluate(one, (SSH,), NOW, (waiver,)), Settings())
    assert kinds(found) == {"sgr-1": "skipped"}
    assert "w-1" in found.refused["sgr-1"].reason


def test_a_rule_that_is_shadowed_by_now_is_left_alone() -> None:
    """Its owner has put a drop before it: nothing of it is open."""
    there = group(permission(1, Priority=5))
    actions = decided(there).actions
    now = group(permission(1, Priority=5), permission(2, Priority=1, Policy="Drop"))
    assert kinds(proved(now, actions)) == {"sgr-1": "drifted"}


def test_a_change_that_was_begun_is_held_against_the_group_as_it_was() -> None:
    """What it took away counts as there, and what was added for it does not: a crash in between is no drift."""
    there = group(permission(1, "20/80"), InnerAccessPolicy="Drop")
    (split,) = decided(there).actions
    gone = group(permission(2, "443/443"))
    assert not proved(gone, (split,), touched=[split]).refused
    assert set(proved(gone, (split,), touched=[split]).failing) == {"sgr-1"}
    (block,) = decided(there, BLOCK).actions
    (drop,) = block.adds
    dropped = group(
        permission(1, "20/80"), {**drop, "SecurityGroupRuleId": "sgr-7"}, InnerAccessPolicy="Drop"
    )
    assert kinds(proved(dropped, (block,), BLOCK)) == {"sgr-1": "drifted"}
    assert not proved(dropped, (block,), BLOCK, touched=[block], ours={content_digest(drop)}).refused


def test_an_edited_action_is_refused() -> None:
    """It takes a harmless rule, opens a port, closes more than fails, or narrows to more than the rule let in."""
    there = group(permission(1, "20/80"), permission(2, "443/443"))
    (split,) = decided(there).actions
    wide = dict(split.adds[0], PortRange="1/65535")
    elsewhere = dict(split.adds[0], SourceCidrIp="", Ipv6SourceCidrIp="::/0")
    edited = {
        "a harmless rule": replace(
            split, rule_id="sgr-2", before=there.rules[1].raw, adds=(), action="revoke"
        ),
        "opens": replace(split, adds=(*split.adds, wide)),
        "opens IPv6": replace(split, adds=(*split.adds, elsewhere)),
        "closes more": replace(split, adds=split.adds[:1]),
        "closes all": replace(split, adds=(), action="revoke"),
        "modifies": replace(split, action="narrow", adds=(), modify={"SourceCidrIp": "0.0.0.0/1"}),
        "does nothing": replace(split, adds=(*split.adds, dict(split.before))),
    }
    for what, action in edited.items():
        assert set(kinds(proved(there, (action,)))) == {action.rule_id}, what


def test_a_block_that_would_cut_what_another_group_of_an_interface_lets_in_is_refused() -> None:
    """The cloud applies the rules of all groups of an interface as one list: a drop here takes it away there."""
    there = group(permission(1, "22/80", Priority=3), InnerAccessPolicy="Drop")
    (block,) = decided(there, BLOCK).actions
    assert block.action == "block"
    office = group(
        permission(9, source="203.0.113.0/24", Priority=50),
        listing={"SecurityGroupId": "sg-2"},
        InnerAccessPolicy="Drop",
    )
    web = group(permission(9, "80/80"), listing={"SecurityGroupId": "sg-3"}, InnerAccessPolicy="Drop")
    assert not proved(there, (block,), BLOCK, neighbours=[[web]]).refused
    found = proved(there, (block,), BLOCK, neighbours=[[web], [web, office]])
    assert kinds(found) == {"sgr-1": "skipped"}
    assert "on an interface where the rules of several groups are one list" in found.refused["sgr-1"].reason
    # revoking here cuts nothing there
    (revoke,) = decided(group(permission(1), InnerAccessPolicy="Drop")).actions
    plain = group(permission(1), InnerAccessPolicy="Drop")
    assert not proved(plain, (revoke,), neighbours=[[office]]).refused


def test_undoing_never_opens_more_than_the_rule_did() -> None:
    """The rule as it was may come back, and what was added goes; a wider one, or another port, does not come."""
    there = group(permission(1, "20/80"))
    (split,) = decided(there).actions
    after = group(*({**one, "SecurityGroupRuleId": f"sgr-{at}"} for at, one in enumerate(split.adds, 7)))
    assert opens_too_much(after, split, split.inverse.revoke) == ""
    for field, value in (("PortRange", "1/65535"), ("SourceCidrIp", ""), ("Policy", "Drop")):
        (rule,) = split.inverse.authorize
        more = {"Ipv6SourceCidrIp": "::/0"} if field == "SourceCidrIp" else {}
        forged = replace(split, inverse=replace(split.inverse, authorize=({**rule, field: value, **more},)))
        assert opens_too_much(after, forged, split.inverse.revoke)


def test_undoing_brings_a_rule_back_with_the_lists_that_it_had_or_not_at_all() -> None:
    """A list of the rule that grew since would open what the run never closed; one that cannot be read, who knows."""
    were = Lists({"pl-1": ("0.0.0.0/0",)}, {"prl-1": ("22/22",)})
    (revoke,) = decided(
        group(permission(1, source="pl-1", PortRangeListId="prl-1", PortRange=""), lists=were)
    ).actions
    assert opens_too_much(group(lists=were), revoke, ()) == ""
    grown = Lists(were.prefix_lists, {"prl-1": ("22/22", "443/443")})
    assert "it would open tcp/443" in opens_too_much(group(lists=grown), revoke, ())
    unread = Lists(were.prefix_lists, {"prl-1": Unreadable(reason="DescribePortRangeListEntries: Forbidden")})
    assert "cannot be told" in opens_too_much(group(lists=unread), revoke, ())
    assert "cannot be told" in opens_too_much(group(), revoke, ())


NARROW = replace(SSH, action="narrow")


@pytest.mark.parametrize(("direction", "side"), [("ingress", "Source"), ("egress", "Dest")])
def test_undoing_a_narrowing_is_refused_where_its_owner_has_made_another_rule_of_it(
    direction: Direction, side: str
) -> None:
    """Its source given back, it would let in other ports than it did, or less than it does by now."""
    far: dict[str, Any] = {"SourceCidrIp": "", f"{side}CidrIp": "0.0.0.0/1", "Direction": direction}
    enterprise = {"SecurityGroupType": "enterprise"}
    check = replace(NARROW, direction=direction)
    there = group(permission(1, **far), listing=enterprise)
    (action,) = decided(there, check, narrow_to=("10.0.0.0/8",)).actions
    assert action.modify == {f"{side}CidrIp": "10.0.0.0/8"}
    assert not proved(there, (action,), check).refused

    def undone(source: str, ports: str) -> str:
        owned = {**permission(1, ports, **far), f"{side}CidrIp": source}
        beside = [permission(n, f"{n}/{n}", **{**far, f"{side}CidrIp": f"{n}.0.0.0/8"}) for n in (21, 22, 23)]
        return opens_too_much(group(owned, *beside, listing=enterprise), action, ())

    assert undone("10.0.0.0/8", "22/22") == ""
    assert undone("10.0.0.0/8", "20/30") == (
        "it would open tcp/20,24-30 from 0.0.0.0-9.255.255.255, 11.0.0.0-127.255.255.255; "
        "tcp/23 from 0.0.0.0-9.255.255.255, 11.0.0.0-22.255.255.255, 24.0.0.0-127.255.255.255; and 1 more, "
        "which the rule had not let in"
    )
    assert undone("192.0.0.0/8", "22/22") == "it would close tcp/22 from 192.0.0.0/8"


def test_undoing_tells_the_first_of_what_it_would_close() -> None:
    """The rule goes back to a source that lets in less than its owner has given it since."""
    there = group(permission(1, "20/30", source="0.0.0.0/1"))
    (action,) = decided(there, Check(id="many", ports=(parse_port("20-30"),), action="narrow"),
                        narrow_to=("10.0.0.0/8",)).actions  # fmt: skip
    beside = [permission(n, f"{n}/{n}", f"192.{n}.0.0/16") for n in (21, 22, 23)]
    owned = group(permission(1, "20/30", source="192.0.0.0/8"), *beside)
    assert opens_too_much(owned, action, ()) == (
        "it would close tcp/20,24-30 from 192.0.0.0/8; "
        "tcp/23 from 192.0.0.0-192.22.255.255, 192.24.0.0-192.255.255.255; and 2 more"
    )


def test_undoing_what_cannot_be_told_names_every_reason() -> None:
    """Both lists of the rule could not be read again."""
    were = Lists({"pl-1": ("0.0.0.0/0",)}, {"prl-1": ("22/22",)})
    there = group(permission(1, source="pl-1", PortRangeListId="prl-1", PortRange=""), lists=were)
    (revoke,) = decided(there).actions
    assert opens_too_much(group(), revoke, ()) == (
        "what it would let in cannot be told: SourcePrefixListId: pl-1 was not read; "
        "PortRangeListId: prl-1 was not read"
    )


def test_a_begun_change_whose_rule_was_changed_by_its_owner_is_held_against_what_it_is_now() -> None:
    """The call may have been made and did nothing: the owner's rule is the one that stands."""
    there = group(permission(1), permission(2, "20/30"))
    revoke, split = decided(there).actions
    repaired = group(permission(1, source="10.0.0.0/8"), permission(2, "20/30"))
    found = proved(repaired, (revoke, split), touched=[revoke])
    assert found.refused["sgr-1"].reason == ("it no longer fails ssh: nothing of it is open as it stands now")
    assert set(found.refused) == {"sgr-1"}


def test_beside_a_narrowing_that_was_begun_the_other_rules_are_as_they_are() -> None:
    """Only the narrowed rule is put back to be judged, under its own id, whatever the plan calls it."""
    there = group(permission(1), permission(2, "20/30", Priority=2))
    narrow, other = decided(there, NARROW, narrow_to=("10.0.0.0/8",)).actions
    assert narrow.modify is not None
    now = group({**permission(1), **narrow.modify}, permission(2, "20/30", Priority=2))
    nameless = replace(
        narrow, before={key: value for key, value in narrow.before.items() if "RuleId" not in key}
    )
    for begun in (narrow, nameless):
        found = proved(now, (begun, other), NARROW, touched=[begun])
        assert not found.refused
        assert {key: len(mine) for key, mine in found.failing.items()} == {"sgr-1": 1, "sgr-2": 1}


@pytest.mark.parametrize(
    ("rule", "allowed", "modify"),
    [
        (permission(1, source="::/0"), "fd00::/8", {"Ipv6SourceCidrIp": "fd00::/8"}),
        (permission(1, source="pl-wide"), "pl-office", {"SourcePrefixListId": "pl-office"}),
        (
            permission(1, SourceCidrIp="", DestPrefixListId="pl-wide", Direction="egress"),
            "pl-office",
            {"DestPrefixListId": "pl-office"},
        ),
        (
            permission(1, SourceCidrIp="", Ipv6DestCidrIp="::/0", Direction="egress"),
            "fd00::/8",
            {"Ipv6DestCidrIp": "fd00::/8"},
        ),
    ],
)
def test_each_kind_of_source_can_be_narrowed_and_given_back(
    rule: dict[str, Any], allowed: str, modify: dict[str, str]
) -> None:
    """IPv6 blocks and lists, of what comes in and of what goes out."""
    lists = Lists({"pl-wide": ("0.0.0.0/0",), "pl-office": ("203.0.113.0/24",)})
    enterprise = {"SecurityGroupType": "enterprise"}
    check = replace(NARROW, direction=rule["Direction"])
    there = group(rule, lists=lists, listing=enterprise)
    (action,) = decided(there, check, narrow_to=(allowed,)).actions
    assert action.modify == modify
    assert action.inverse.modify == {key: rule[key] for key in modify}
    assert not proved(there, (action,), check).refused
    after = group({**rule, **modify}, lists=lists, listing=enterprise)
    assert opens_too_much(after, action, ()) == ""


def test_what_cannot_be_judged_now_has_failed_and_may_be_tried_again() -> None:
    """Every problem of the rule is told; so is what today's judgement does not know."""
    there = group(permission(1, "20/80"))
    (split,) = decided(there).actions
    unread = group(permission(1, "nonsense", source="who"))
    assert proved(unread, (split,)).refused["sgr-1"] == ProofRefusal(
        "failed",
        "the rule cannot be judged now: PortRange: 'nonsense' is no number in range; "
        "SourceCidrIp: 'who' is no IPv4 address",
    )
    (unknown,) = judge_of()(unread)
    found = prove(there, (split,), lambda _: (unknown,), Settings())
    assert found.refused["sgr-1"] == ProofRefusal("failed", unknown.reason)


# Whatever is edited ------------------------------------------------------------------------------------------


def _read_again(there: SecurityGroup, lists: Lists) -> dict[str, Any]:
    again = group(*(rule.raw for rule in there.rules), lists=lists)
    return {"lists": lists, "rules": again.rules}


@st.composite
def edits(draw: st.DrawFn, cloud: Cloud, actions: tuple[Action, ...]) -> tuple[Action, ...]:
    """The actions with one or two things changed by hand, so that they fit any digest that is made anew."""
    found = list(actions)
    for _ in range(draw(st.integers(1, 2))):
        at = draw(st.integers(0, len(found) - 1))
        found[at] = _edited(draw, found[at], cloud)
    return tuple({one.rule_id: one for one in found}.values())


def _edited(draw: st.DrawFn, action: Action, cloud: Cloud) -> Action:
    rule = draw(st.sampled_from(cloud.rules))
    fields = writable(draw(st.sampled_from([*action.adds, rule])))  # the API takes nothing else
    kept = tuple(one for one in action.adds if draw(st.booleans()))
    match draw(st.integers(0, 5)):
        case 0:
            return replace(action, adds=kept)
        case 1:
            return replace(action, adds=(*action.adds, {**fields, "PortRange": "1/65535"}))
        case 2:
            return replace(action, adds=(*action.adds, {**fields, "Policy": "Accept", "Priority": 1}))
        case 3:
            return replace(action, rule_id=rule["SecurityGroupRuleId"], before=rule, adds=kept, modify=None)
        case 4 if action.before.get("SourceCidrIp"):  # the API changes no kind of source
            block = draw(st.sampled_from(ALLOWED[:2]))
            return replace(action, action="narrow", modify={"SourceCidrIp": block})
        case _:
            return replace(action, action="revoke", adds=(), modify=None)


@st.composite
def attacks(draw: st.DrawFn) -> tuple[Cloud, tuple[Check, ...], tuple[Action, ...]]:
    """A group, its checks, and what somebody made of its plan."""
    cloud, checks = draw(clouds()), draw(check_lists())
    actions = decision_for(cloud, checks).actions
    return cloud, checks, draw(edits(cloud, actions)) if actions else ()


@settings(
    max_examples=250,
    deadline=None,
    derandomize=True,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
@given(attacks())
def test_whatever_is_edited_nothing_opens_and_only_what_fails_closes(
    attack: tuple[Cloud, tuple[Check, ...], tuple[Action, ...]],
) -> None:
    """Carried out is what is not refused; a cloud of its own, packet by packet, says what that came to."""
    check_attack(*attack)


@pytest.mark.soak
def test_whatever_is_edited_in_a_long_campaign() -> None:
    """The same, many more times."""
    tried: Counter[str] = Counter()

    @settings(max_examples=3000, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(attacks())
    def campaign(attack: tuple[Cloud, tuple[Check, ...], tuple[Action, ...]]) -> None:
        tried.update(check_attack(*attack))

    campaign()
    assert tried["refused"] > 100
    assert tried["made"] > 100


def check_attack(cloud: Cloud, checks: tuple[Check, ...], actions: tuple[Action, ...]) -> Counter[str]:
    """Prove, carry out what is not refused, and judge by the packets."""
    policy = "Accept" if cloud.inner_accept else "Drop"
    there = group(*cloud.rules, lists=LISTS, InnerAccessPolicy=policy)
    found = prove(there, actions, judge_of(*checks), Settings())
    made = tuple(one for one in actions if one.rule_id not in found.refused)
    packets = cloud.interesting((22, 53, 6379))
    before = cloud.passing(packets)
    # What a check narrows to is no right to stay open: all that fails it may close. What is only reported on may where
    # a rule fails nothing else that its change is for: `plan --action` says so, and a plan does not say who said it.
    acting = tuple(one for one in checks if one.action != "report")
    closing = tuple(replace(one, action="revoke") for one in checks)
    to_act_on = failing_checks(cloud, acting)
    failing = {
        one.rule_id: to_act_on.get(one.rule_id, set()) & set(one.check_ids)
        or failing_checks(cloud, closing).get(one.rule_id, set())
        for one in made
    }
    by_id = {rule["SecurityGroupRuleId"]: rule for rule in cloud.rules}
    may_close = sum(
        1 << at
        for at, packet in enumerate(packets)
        if any(
            cloud.matches(by_id[one.rule_id], packet) and is_risky(packet, one, closing, failing[one.rule_id])
            for one in made
        )
    )
    for _ in steps(cloud, made):
        now = cloud.passing(packets)
        assert not now & ~before, "it let something in"
        assert not before & ~now & ~may_close, "it closed what fails no check"
    return Counter({"refused": len(found.refused), "made": len(made)})


@pytest.mark.parametrize("direction", ["egress", "EGRESS"])
def test_a_field_that_points_elsewhere_than_the_rule_is_refused(direction: str) -> None:
    """The API's action follows the rule's own direction: an addition that says egress would open a way in."""
    there = group(permission(1, "20/80"))
    (split,) = decided(there).actions
    elsewhere = {
        **split.adds[0],
        "Direction": direction,
        "PortRange": "1000/65535",
        "DestCidrIp": "0.0.0.0/0",
    }
    assert proved(there, (replace(split, adds=(*split.adds, elsewhere)),)).refused["sgr-1"] == ProofRefusal(
        "drifted", "the change names another direction, or other fields, than the rule's: scan and plan anew"
    )
    for modify in ({"Direction": direction, "DestCidrIp": "0.0.0.0/0"}, {"PortRange": "23/65535"}):
        narrow = replace(split, action="narrow", adds=(), modify=modify)
        assert kinds(proved(there, (narrow,))) == {"sgr-1": "drifted"}
    forged = ({**split.inverse.authorize[0], "Direction": direction, "DestCidrIp": "0.0.0.0/0"},)
    undo = replace(split, inverse=replace(split.inverse, authorize=forged))
    assert opens_too_much(there, undo, ()) == "what it would add is not the rule as it was"
    undo = replace(split, inverse=replace(split.inverse, modify={"PortRange": "1/65535"}))
    assert opens_too_much(there, undo, ()) == "what it would modify is not the rule's source as it was"


def test_few_impossible_changes_among_many_cost_few_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are found by halves: of 64 changes one is refused, and the group is tried some fourteen times, not 64."""
    there = group(*(permission(n, "20/80", f"{n}.0.0.0/8") for n in range(20, 84)))
    actions = decided(there, replace(SSH, ipv4_prefix=8)).actions
    assert len(actions) == 64
    bad = replace(actions[40], adds=(*actions[40].adds, dict(actions[40].adds[0], SourceCidrIp="0.0.0.0/0")))
    tries: list[int] = []
    run = Simulation.run

    def counted(self: Simulation, changes: Any) -> Any:
        tries.append(len(changes))
        return run(self, changes)

    monkeypatch.setattr(Simulation, "run", counted)
    found = proved(there, (*actions[:40], bad, *actions[41:]), replace(SSH, ipv4_prefix=8))
    assert kinds(found) == {bad.rule_id: "drifted"}
    assert len(tries) < 20
