"""How a change ends by what was just read, and in which words: nothing is called."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from orchestrator.cloud.errors import ApiError
from orchestrator.emulator import Group, Rule
from orchestrator.journal import OutcomeKind
from orchestrator.plan import Action, Fields
from orchestrator.remediate import GroupRules, Removal, Restoral, waves
from orchestrator.remediate.attempts import is_about_the_request
from orchestrator.remediate.desired_state import End, Need
from orchestrator.securitygroup import content_digest
from tests.remediate.kit import CHECKS, planned, raw_of, rule

OPEN = rule(1)
WIDE = rule(1, "20/30")


def action(
    kind: str = "revoke", *, given: Rule = OPEN, narrow_to: tuple[str, ...] = ("10.0.0.0/8",)
) -> Action:
    """What is planned for a rule that opens SSH."""
    checks = [replace(check, action=kind) for check in CHECKS]
    group = Group(security_group_id="sg-1", vpc_id="vpc-1", rules=(given,), inner_access_policy="Drop")
    (found,) = planned([group], "1001", checks, narrow_to=narrow_to)
    return found


def test_a_rule_that_stands_again_under_another_id_is_named() -> None:
    """The first of several; it is not ours to remove without a new plan."""
    rules = GroupRules([raw_of(rule(7)), raw_of(rule(8))])
    end = Removal(action()).judge(rules, begun=False, touched=False)
    assert isinstance(end, End)
    assert end.outcome == "already_absent"
    assert end.reason.endswith("sgr-7: scan and plan anew")


def test_what_changed_since_is_said_of_each_kind_of_change() -> None:
    """Of a rule that was to go, of one that was to be narrowed in place, and of its undoing."""
    changed = GroupRules([raw_of(rule(1, source="192.0.2.0/24"))])
    for one in (action(), action("narrow")):
        assert Removal(one).judge(changed, begun=False, touched=False) == End(
            OutcomeKind.drifted,
            "the rule changed since the plan was made: scan and plan anew",
        )
    assert Restoral(action("narrow")).judge(changed, begun=True, touched=True) == End(
        OutcomeKind.drifted, "the rule changed since"
    )
    assert Restoral(action("narrow")).judge(GroupRules([]), begun=True, touched=True) == End(
        OutcomeKind.drifted, "the rule is gone"
    )


def judged(
    one: Removal | Restoral, *standing: Fields, begun: bool = False, touched: bool = False
) -> tuple[str, str]:
    """How a change ends where these rules stand, and why."""
    end = one.judge(GroupRules(standing), begun=begun, touched=touched)
    assert isinstance(end, End), end
    return end.outcome.value, end.reason


def test_a_rule_that_is_gone_was_ours_to_take_or_was_gone_already() -> None:
    """By whether a call of ours may have taken it; what was to stand in its place is held against what does."""
    split = Removal(action(given=WIDE))
    assert judged(split) == ("already_absent", "the rule was gone already")
    assert judged(split, begun=True) == ("already_absent", "the rule was gone already")
    assert judged(split, *split.adds, begun=True, touched=True) == ("split", "")
    assert judged(split, split.adds[0], begun=True, touched=True) == (
        "split",
        "somebody else has taken away part of what stood in its place",
    )
    assert judged(Removal(action()), begun=True, touched=True) == ("revoked", "")
    for kind in ("narrow", "block"):  # no call of ours takes these away
        assert judged(Removal(action(kind)), begun=True, touched=True)[0] == "already_absent"


def test_a_group_that_is_as_planned_is_our_doing_once_it_was_begun() -> None:
    """Drops that stand, a rule narrowed in place: made by us, or there already and said to be."""
    block, narrow = Removal(action("block")), Removal(action("narrow"))
    blocked = (raw_of(OPEN), *block.adds)
    assert judged(block, *blocked) == ("already_absent", "the group was as planned already")
    assert judged(block, *blocked, begun=True) == ("blocked", "")
    narrowed = {**raw_of(OPEN), "SourceCidrIp": "10.0.0.0/8"}
    for begun in (False, True):
        assert judged(narrow, narrowed, begun=begun) == ("already_absent", "the group was as planned already")
    assert judged(narrow, narrowed, begun=True, touched=True) == ("narrowed", "")


def test_a_balancers_block_is_about_its_drops_alone() -> None:
    """No rule of the group stands for what it lets in, so none can drift: what is missing of the drops is added."""
    planned_drops = action("block")
    block = Removal(replace(planned_drops, rule_id="nlb-1", before={"LoadBalancerId": "nlb-1"}))
    assert block.judge(GroupRules([]), begun=True, touched=False) == Need(add=block.adds)
    assert judged(block, *block.adds) == ("already_absent", "the group was as planned already")
    assert judged(block, *block.adds, begun=True) == ("blocked", "")


def test_a_rule_narrowed_to_several_sources_lacks_none_of_them() -> None:
    """The further ones stand beside it: one that is missing is no end, or one that somebody else made."""
    two = Removal(action("narrow", narrow_to=("10.0.0.0/8", "192.168.0.0/16")))
    narrowed = {**raw_of(OPEN), "SourceCidrIp": "10.0.0.0/8"}
    begin = two.judge(GroupRules([raw_of(OPEN)]), begun=False, touched=False)
    assert begin == Need(add=two.adds, modify={"SourceCidrIp": "10.0.0.0/8"})
    assert judged(two, narrowed) == (
        "drifted",
        "the rule changed since the plan was made: scan and plan anew",
    )
    assert judged(two, narrowed, *two.adds) == ("already_absent", "the group was as planned already")
    assert judged(two, narrowed, begun=True, touched=True) == (
        "narrowed",
        "somebody else has taken away part of what stood in its place",
    )


def test_only_what_goes_without_a_replacement_only_removes() -> None:
    """A revoke does; a split, a narrowing and a block do not: these need a look before what they add."""
    kinds = [action(), action(given=WIDE), action("narrow"), action("block")]
    assert [Removal(one).only_removes for one in kinds] == [True, False, False, False]
    assert [Removal(one).modifies for one in kinds] == [False, False, True, False]
    assert [Removal(one).removes for one in kinds] == [True, True, False, False]


def test_a_rule_that_is_back_by_content_ends_its_rollback() -> None:
    """Under whatever id; priority 110 cannot be written any more, and that is said."""
    undone = Restoral(action(), of="apply:1")
    assert judged(undone, raw_of(rule(7))) == ("rolled_back", "")
    old = Restoral(action(given=rule(1, priority=110)))
    assert judged(old, raw_of(rule(7, priority=100))) == (
        "rolled_back",
        "priority 110 can no longer be written; 100 was",
    )
    assert undone.judge(GroupRules([]), begun=False, touched=False) == Need(add=undone.adds)


def test_a_rollback_is_proved_by_the_packets() -> None:
    """Where what was put back lets others through than the rule did, it failed, and the rule is named."""
    other = replace(action(), before=raw_of(rule(1, "22/23")))
    assert judged(Restoral(other), raw_of(rule(7))) == (
        "failed",
        "sgr-7 does not let the same packets through as before",
    )


def test_a_rollback_leaves_alone_what_somebody_else_changed() -> None:
    """What the split had added must stand as it was left, unless this rollback has begun to take it away."""
    split = action(given=WIDE)
    undone = Restoral(split, split.adds, "apply:1")
    first, second = ({**one, "SecurityGroupRuleId": f"sgr-{n}"} for n, one in enumerate(split.adds, 7))
    both = undone.judge(GroupRules([first, second]), begun=False, touched=False)
    assert both == Need(add=undone.adds, remove=("sgr-7", "sgr-8"))
    assert judged(undone, first) == ("drifted", "what the change had added is no longer as it was left")
    left = undone.judge(GroupRules([first]), begun=True, touched=False)
    assert left == Need(add=undone.adds, remove=("sgr-7",))
    restored = undone.judge(GroupRules([raw_of(rule(9, "20/30")), first]), begun=False, touched=False)
    assert restored == Need(remove=("sgr-7",))


def test_a_rollback_of_drops_alone_ends_where_none_is_left() -> None:
    """Nothing has to come back: whether this rollback took them away tells a rollback from nothing to do."""
    block = action("block")
    undone = Restoral(block, block.adds)
    nothing = ("already_absent", "nothing of the change is left to undo")
    assert judged(undone, raw_of(OPEN)) == nothing
    assert judged(undone, raw_of(OPEN), begun=True) == ("rolled_back", "")


def test_a_rollback_of_a_rule_narrowed_in_place_gives_it_its_source_back() -> None:
    """And takes the further sources away; where it has its source already, only these go."""
    two = action("narrow", narrow_to=("10.0.0.0/8", "192.168.0.0/16"))
    undone = Restoral(two, two.adds)
    (beside,) = ({**one, "SecurityGroupRuleId": "sgr-7"} for one in two.adds)
    narrowed = {**raw_of(OPEN), "SourceCidrIp": "10.0.0.0/8"}
    need = undone.judge(GroupRules([narrowed, beside]), begun=True, touched=True)
    assert need == Need(modify={"SourceCidrIp": "0.0.0.0/0"}, remove=("sgr-7",))
    need = undone.judge(GroupRules([raw_of(OPEN), beside]), begun=True, touched=True)
    assert need == Need(remove=("sgr-7",))
    assert judged(undone, raw_of(OPEN)) == ("rolled_back", "")


def test_what_is_kept_of_a_change_is_what_undoes_it() -> None:
    """The action, and which of its rules were not there yet; of a rollback the action, and whose it was."""
    split = action(given=WIDE)
    first, second = split.adds
    kept = Removal(split).body(GroupRules([first]))
    assert kept == {"action": msgspec.to_builtins(split), "added": [content_digest(second)]}
    assert Removal(split).body(None) == {"action": msgspec.to_builtins(split), "added": []}
    undone = Restoral(split, split.adds, "apply:1").body(None)
    assert undone == {"action": msgspec.to_builtins(split), "undoes": "apply:1"}


def test_only_a_change_that_was_refused_is_divided() -> None:
    """Each of the three kinds of call; a reading that was refused says nothing of what a call holds."""

    def refused(name: str) -> bool:
        error = ApiError(
            code="InvalidX", message="no", action=name, account_id="1001", region_id="cn-hangzhou"
        )
        return is_about_the_request(error)

    for name in ("AuthorizeSecurityGroup", "ModifySecurityGroupRule", "RevokeSecurityGroupEgress"):
        assert refused(name), name
    assert not refused("DescribeSecurityGroupAttribute")


def test_a_wave_of_a_share_is_that_share_rounded_up() -> None:
    """A hundredth of a hundred accounts is one, and of a hundred and one it is two."""
    assert [len(one) for one in waves([str(n) for n in range(100)], ("1%",))] == [1, 99]
    assert [len(one) for one in waves([str(n) for n in range(101)], ("1%",))] == [2, 99]
