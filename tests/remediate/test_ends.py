"""How a change ends by what was just read, and in which words: nothing is called."""

from __future__ import annotations

from msgspec.structs import replace

from orchestrator.cloud.errors import ApiError
from orchestrator.emulator import Group
from orchestrator.journal import OutcomeKind
from orchestrator.plan import Action
from orchestrator.remediate import GroupRules, Removal, Restoral, waves
from orchestrator.remediate.attempts import is_about_the_request
from orchestrator.remediate.calls import batches
from orchestrator.remediate.desired_state import End
from orchestrator.remediate.rollback import rollback_job
from tests.remediate.kit import CHECKS, planned, raw_of, rule

OPEN = rule(1)


def action(kind: str = "revoke") -> Action:
    """What is planned for a rule that opens SSH."""
    checks = [replace(check, action=kind) for check in CHECKS]
    group = Group(security_group_id="sg-1", vpc_id="vpc-1", rules=(OPEN,))
    (found,) = planned([group], "1001", checks, narrow_to=("10.0.0.0/8",))
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


def test_a_call_takes_what_its_query_can_hold() -> None:
    """8,000 bytes and a hundred rules; one that is larger goes alone."""
    assert batches({"a": 4_000, "b": 4_000, "c": 1}) == [["a", "b"], ["c"]]
    assert batches({"a": 9_000, "b": 1}) == [["a"], ["b"]]
    assert [len(one) for one in batches({str(n): 1 for n in range(101)})] == [100, 1]
    assert batches({}) == []


def test_a_wave_of_a_share_is_that_share_rounded_up() -> None:
    """A hundredth of a hundred accounts is one, and of a hundred and one it is two."""
    assert [len(one) for one in waves([str(n) for n in range(100)], ("1%",))] == [1, 99]
    assert [len(one) for one in waves([str(n) for n in range(101)], ("1%",))] == [2, 99]


def test_a_rollback_of_nothing_has_a_name_too() -> None:
    """Always the same one."""
    assert rollback_job([]) == rollback_job([])
    assert rollback_job([]).startswith("rollback:")
