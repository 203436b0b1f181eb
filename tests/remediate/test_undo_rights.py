"""Whether a role could undo what is about to be done: asked of the cloud by calls that change nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec.structs import replace

from accounts.ram import Allow, session_policy
from orchestrator.cloud.errors import ApiError, CloudError, Denied, ExpiredToken, Throttled, Unavailable
from orchestrator.emulator import Fault, Kind
from orchestrator.plan import Action
from orchestrator.remediate.undo_rights import lacking_right, undoing_policy
from tests.remediate.crash import Fuse, MortalSession
from tests.remediate.kit import CHECKS, REGION, Cloud, History, planned, rule

ADD, MODIFY, REVOKE = "AuthorizeSecurityGroup", "ModifySecurityGroupRule", "RevokeSecurityGroup"
NO_GROUP, NO_RULE = "sg-sgsweep0preflight", "sgr-sgsweep0preflight"


def actions_of(there: Cloud, kind: Any = "split") -> list[Action]:
    """What is planned for a rule of a new group."""
    group = there.put(rule(1, "20/30" if kind == "split" else "22/22"), inner_access_policy="Drop")
    checks = [replace(check, action=kind) for check in CHECKS]
    return planned([group], there.account_id, checks, narrow_to=("10.0.0.0/8",))


def outward(action: Action) -> Action:
    """The same of what goes out."""
    return replace(action, before={**action.before, "Direction": "egress"})


def allowed(policy: str) -> list[str]:
    """The actions that a policy allows, on every resource."""
    (statement,) = json.loads(policy)["Statement"]
    assert statement["Resource"] in ("*", ["*"])
    return [str(one) for one in statement["Action"]]


def sent(there: Cloud) -> list[dict[str, str]]:
    """What each call asked for, beside what every call of the API carries."""
    common = {"Version", "Format", "Timestamp"}
    return [
        {"Action": call.action}
        | {
            key: value
            for key, value in call.parameters.items()
            if key not in common and not key.startswith(("Signature", "AccessKey", "SecurityToken"))
        }
        for call in there.emulator.calls
        if call.action != "AssumeRole"
    ]


async def test_the_policy_for_asking_allows_what_undoing_needs(there: Cloud) -> None:
    """What was taken away is added again, what was added is revoked, what was narrowed is modified back."""
    revoke, split, narrow, block = (
        actions_of(there, kind)[0] for kind in ("revoke", "split", "narrow", "block")
    )
    assert allowed(undoing_policy([revoke])) == [f"ecs:{ADD}"]
    assert allowed(undoing_policy([split])) == [f"ecs:{ADD}", f"ecs:{REVOKE}"]
    assert allowed(undoing_policy([narrow])) == [f"ecs:{MODIFY}"]
    assert allowed(undoing_policy([block])) == [f"ecs:{REVOKE}"]
    assert allowed(undoing_policy([outward(split), outward(narrow)])) == [
        f"ecs:{ADD}Egress", "ecs:ModifySecurityGroupEgressRule", f"ecs:{REVOKE}Egress"
    ]  # fmt: skip
    assert allowed(undoing_policy([split, split, revoke])) == [f"ecs:{ADD}", f"ecs:{REVOKE}"]


@pytest.mark.parametrize("rights_first", [True, False])
async def test_the_first_right_that_is_lacking_is_named(there: Cloud, *, rights_first: bool) -> None:
    """Of those that undoing needs; with all of them there is none. Nothing of the group is changed by asking."""
    actions = [*actions_of(there), *actions_of(there, "narrow")]
    needed = [ADD, MODIFY, REVOKE]
    for missing in ("", *needed):
        policy = session_policy([Allow([f"ecs:{name}" for name in needed if name != missing])])
        session = there.enter(policy)
        assert await lacking_right(session, actions, rights_first=rights_first) == missing
    assert not History(there.emulator, []).changes()


async def test_a_right_to_revoke_in_the_plans_groups_alone_is_enough(there: Cloud) -> None:
    """RAM can grant it for some groups only: refused for no group at all, it is asked for a planned one."""
    (action,) = actions_of(there, "block")
    for group_id, lacking in ((action.security_group_id, ""), ("sg-another", REVOKE)):
        resource = f"acs:ecs:{REGION}:*:securitygroup/{group_id}"
        session = there.enter(session_policy([Allow([f"ecs:{REVOKE}"], [resource])]))
        assert await lacking_right(session, [action], rights_first=True) == lacking


async def test_rights_are_asked_of_a_group_that_does_not_exist(there: Cloud) -> None:
    """RAM refuses before ECS looks: what is sent could change nothing even if it looked."""
    actions = [*actions_of(there), *actions_of(there, "narrow")]
    assert await lacking_right(there.enter(""), actions, rights_first=True) == ""
    nowhere = {
        "RegionId": REGION,
        "SecurityGroupId": NO_GROUP,
        "Permissions.1.IpProtocol": "TCP",
        "Permissions.1.PortRange": "1/1",
        "Permissions.1.SourceCidrIp": "127.0.0.1/32",
        "Permissions.1.Policy": "drop",
    }
    assert sent(there) == [
        {"Action": ADD, **nowhere, "SecurityGroupRuleId": NO_RULE},
        {"Action": MODIFY, **nowhere, "SecurityGroupRuleId": NO_RULE},
        {"Action": REVOKE, **nowhere},
    ]


async def test_where_the_group_is_looked_at_first_it_is_asked_what_cannot_be_done(there: Cloud) -> None:
    """Of a planned group: a rule of no protocol, the id of no rule."""
    actions = actions_of(there)
    narrow = actions_of(there, "narrow")
    assert await lacking_right(there.enter(""), [*actions, *narrow], rights_first=False) == ""
    here = {"RegionId": REGION, "SecurityGroupId": actions[0].security_group_id}
    assert sent(there) == [
        {
            "Action": ADD,
            **here,
            "Permissions.1.IpProtocol": "none",
            "Permissions.1.PortRange": "1/1",
            "Permissions.1.SourceCidrIp": "127.0.0.1/32",
        },
        {
            "Action": MODIFY,
            **here,
            "SecurityGroupId": narrow[0].security_group_id,
            "SecurityGroupRuleId": NO_RULE,
        },
        {"Action": REVOKE, **here, "SecurityGroupRuleId.1": NO_RULE},
    ]


async def test_revoking_is_asked_by_the_id_of_no_rule_where_it_was_refused(there: Cloud) -> None:
    """Of the planned group: the answer that there is no such rule says that it may."""
    (action,) = actions_of(there, "block")
    there.emulator.set_faults(Fault(kind=Kind.DENIED, action=REVOKE, count=1))
    assert await lacking_right(there.enter(""), [action], rights_first=True) == ""
    assert sent(there)[1] == {
        "Action": REVOKE,
        "RegionId": REGION,
        "SecurityGroupId": action.security_group_id,
        "SecurityGroupRuleId.1": NO_RULE,
    }


@pytest.mark.parametrize("kind", [Throttled, Unavailable, ExpiredToken])
async def test_what_tells_nothing_of_a_right_is_raised(there: Cloud, kind: type[CloudError]) -> None:
    """Neither that it is there nor that it is lacking."""

    class Silent(MortalSession):
        async def before(self, action: str) -> None:
            raise kind(code="X", message="no", action=action)

    with pytest.raises(kind):
        await lacking_right(Silent(there.enter(""), Fuse()), actions_of(there), rights_first=True)


@pytest.mark.parametrize(
    ("error", "lacking"),
    [
        (Denied(code="NoPermission", message="no", action="AssumeRole"), ""),
        (Denied(code="Forbidden.RAM", message="no", action=ADD), ADD),
        (ApiError(code="InvalidProtocol", message="no", action=ADD), ""),
    ],
)
async def test_only_a_refusal_of_the_call_itself_is_a_right_that_is_lacking(
    there: Cloud, error: CloudError, lacking: str
) -> None:
    """An account that cannot be entered is told by the change; what was refused for what it asked may be called."""

    class Answered(MortalSession):
        async def before(self, action: str) -> None:
            if action == ADD:
                raise error

    session = Answered(there.enter(""), Fuse())
    assert await lacking_right(session, actions_of(there), rights_first=True) == lacking


@pytest.mark.parametrize(
    ("name", "kind", "before", "rights_first"),
    [
        (ADD, "revoke", (), True),
        (REVOKE, "block", (), True),
        (REVOKE, "block", (Kind.DENIED,), True),  # then it is asked of a planned group
        (MODIFY, "narrow", (), False),
    ],
)
async def test_what_got_no_answer_is_asked_again(
    there: Cloud, name: str, kind: str, before: tuple[Kind, ...], *, rights_first: bool
) -> None:
    """It changes nothing, so it may be repeated: only a cloud that stays silent leaves it unknown."""
    faults = [Fault(kind=one, action=name, count=1) for one in (*before, Kind.UNAVAILABLE)]
    there.emulator.set_faults(*faults)
    assert await lacking_right(there.enter(""), actions_of(there, kind), rights_first=rights_first) == ""
    assert len(there.emulator.calls.of(name)) == len(faults) + 1
