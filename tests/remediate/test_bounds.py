"""The bounds: policies that fit, cover all that is needed and nothing else; waves; the brake."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from orchestrator.emulator import Group
from orchestrator.inventory import GROUP_ACTIONS
from orchestrator.plan import Action
from orchestrator.remediate import Brake, Removal, Stopped, session_parts, session_policies, waves
from tests.remediate.kit import CHECKS, planned, rule

GROUP = Group(security_group_id="sg-1", vpc_id="vpc-1", rules=(rule(1), rule(2, "1/65535", priority=2)))
REVOKE, SPLIT = planned([GROUP], "1001")


def in_group(action: Action, number: int) -> Action:
    """The same action in another group, with an id as long as real ones."""
    return replace(action, security_group_id=f"sg-bp1{number:016d}", region_id="ap-southeast-1")


def statements(policy: str) -> dict[str, list[str]]:
    """The resources of each action a policy allows."""
    found: dict[str, list[str]] = {}
    for statement in json.loads(policy)["Statement"]:
        resources = statement["Resource"]
        for action in statement["Action"]:
            found[action] = [resources] if isinstance(resources, str) else resources
    return found


def test_a_plan_that_only_revokes_may_add_nothing() -> None:
    """Adding and modifying are allowed only to a session that must, revoking only on the plan's groups."""
    (policy,) = session_policies([REVOKE])
    assert statements(policy) == {
        **{action: ["*"] for action in GROUP_ACTIONS},
        "ecs:RevokeSecurityGroup": ["acs:ecs:cn-hangzhou:*:securitygroup/sg-1"],
    }
    (policy,) = session_policies([SPLIT])
    assert statements(policy)["ecs:AuthorizeSecurityGroup"] == ["*"]


def test_a_block_may_revoke_nothing_and_a_modification_only_modify() -> None:
    """Each kind of change asks for what it calls, in the direction it is about."""
    narrow = [type(check)(id=check.id, ports=check.ports, action="narrow") for check in CHECKS]
    (modify, _) = planned([GROUP], "1001", narrow, narrow_to=("10.0.0.0/8",))
    (policy,) = session_policies([modify])
    assert {action for action in statements(policy) if "Describe" not in action} == {
        "ecs:ModifySecurityGroupRule"
    }
    egress = replace(REVOKE, before={**REVOKE.before, "Direction": "egress"})
    (policy,) = session_policies([egress])
    assert "ecs:RevokeSecurityGroupEgress" in statements(policy)


@given(st.integers(1, 130))
def test_policies_fit_and_cover_every_group_once(count: int) -> None:
    """However many groups, each policy is as AssumeRole takes it, and each group is in exactly one."""
    actions = [in_group(REVOKE if n % 3 else SPLIT, n) for n in range(count)]
    parts = session_parts(map(Removal, actions))
    assert all(len(part.policy) <= 2047 for part in parts)
    named = [resource for part in parts for resource in statements(part.policy)["ecs:RevokeSecurityGroup"]]
    assert len(named) == len(set(named)) == count
    for part in parts:
        resources = statements(part.policy)["ecs:RevokeSecurityGroup"]
        assert [r.rpartition("/")[2] for r in resources] == [
            place.security_group_id for place, _ in part.groups
        ]


def test_no_action_needs_no_session() -> None:
    """Nothing to do, nothing to enter for."""
    assert session_policies([]) == []


@pytest.mark.parametrize(
    ("count", "sizes", "expected"),
    [
        (100, ["1 account", "5%", "100%"], [1, 4, 95]),
        (3, ["1 account", "5%", "100%"], [1, 2]),
        (1, ["1 account", "5%", "100%"], [1]),
        (10, [], [10]),
        (10, ["3 accounts"], [3, 7]),
        (7, ["0%", "50%"], [4, 3]),
        (0, ["1 account"], []),
        (10, ["20 accounts"], [10]),
        (10, ["5 accounts", "2 accounts"], [5, 5]),
    ],
)
def test_waves_grow_to_all_accounts(count: int, sizes: list[str], expected: list[int]) -> None:
    """A size counts what went before it; the last wave takes what is left; none is empty."""
    accounts = [str(n) for n in range(count)]
    found = waves(accounts, sizes)
    assert [len(wave) for wave in found] == expected
    assert [one for wave in found for one in wave] == accounts


@pytest.mark.parametrize("size", ["", "5", "-1%", "101%", "five accounts", "5 %%", "1 group"])
def test_a_wave_that_is_none_is_refused(size: str) -> None:
    """A size that cannot be read is an error that quotes it."""
    with pytest.raises(ValueError, match="a wave is"):
        waves(["1"], [size])


def test_a_key_press_stops_and_keeps_its_first_reason() -> None:
    """The brake stays pressed, and says why it was pressed first."""
    brake = Brake()
    brake.check()
    brake.press("interrupted")
    brake.press("again")
    with pytest.raises(Stopped, match="interrupted"):
        brake.check()
