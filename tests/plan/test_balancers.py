"""What a load balancer lets in: only a drop closes it, and one accept keeps what the group does by itself."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from orchestrator.plan import Settings, prove
from orchestrator.plan.proof import ProofRefusal
from orchestrator.policy import Check
from orchestrator.securitygroup import Balancer, Balancing, PortRange, SecurityGroup
from tests.plan.groups import SSH, decided, group, judge_of, permission

BLOCK = replace(SSH, action="block")
LISTENS = Balancer("nlb-1", "front", (4, 6), (4, 6), (PortRange("tcp", 22, 22),))
ENTERPRISE = {"SecurityGroupType": "enterprise"}


def joined(*rules: dict[str, Any], listing: dict[str, Any] | None = None, **attribute: Any) -> SecurityGroup:
    """A group that a balancer joined which takes port 22."""
    return replace(group(*rules, listing=listing, **attribute), balancing=Balancing((LISTENS,)))


def drop(**source: str) -> dict[str, Any]:
    """The drop that closes port 22 for a source behind every accept."""
    return {
        "Direction": "ingress",
        "IpProtocol": "TCP",
        "PortRange": "22/22",
        "Policy": "Drop",
        "Priority": 100,
        "NicType": "intranet",
        **source,
    }


DROPS = (drop(SourceCidrIp="0.0.0.0/0"), drop(Ipv6SourceCidrIp="::/0"))


def test_a_listener_is_blocked_behind_every_accept_and_members_still_reach_each_other() -> None:
    """A drop for each family of addresses; one accept before them says what a normal group does by itself."""
    (action,) = decided(joined(), BLOCK).actions
    members = {
        "Direction": "ingress",
        "IpProtocol": "ALL",
        "PortRange": "-1/-1",
        "Policy": "Accept",
        "Priority": 99,
        "NicType": "intranet",
        "SourceGroupId": "sg-1",
        "SourceGroupOwnerAccount": "1001",
    }
    assert (action.action, action.rule_id, action.is_balancers) == ("block", "nlb-1", True)
    assert action.adds == (members, *DROPS)
    assert action.inverse.revoke == action.adds
    assert action.inverse.authorize == ()


@pytest.mark.parametrize(("listing", "policy"), [(ENTERPRISE, "Accept"), ({}, "Drop")])
def test_where_members_do_not_reach_each_other_nothing_lets_them(
    listing: dict[str, Any], policy: str
) -> None:
    """An enterprise group, and one whose InnerAccessPolicy is Drop: the drops alone."""
    (action,) = decided(joined(listing=listing, InnerAccessPolicy=policy), BLOCK).actions
    assert action.adds == DROPS


@pytest.mark.parametrize("kind", ["revoke", "split"])
def test_taking_a_rule_away_is_in_vain_where_a_balancer_lets_the_same_in(kind: Any) -> None:
    """It is not done, and the reason names the balancer and what helps; so does what is said of the balancer."""
    one = joined(permission(1))
    result = decided(one, Check(id="ssh", ports=SSH.ports, action=kind))
    assert result.actions == ()
    assert {skipped.rule_id: skipped.reason for skipped in result.skipped} == {
        "sgr-1": "revoke is not possible: load balancer nlb-1 lets that in with or without the rule: "
        "only a drop (block) closes it",
        "nlb-1": f"{kind} closes nothing: load balancer nlb-1 lets that in with or without a rule; "
        "only a drop closes it: let check ssh block",
    }


def test_behind_a_drop_taking_the_accept_away_is_not_in_vain() -> None:
    """The drop takes what the listener would; what is open is the accept before it."""
    behind = [{**one, "SecurityGroupRuleId": f"sgr-{n}"} for n, one in enumerate(DROPS, 8)]
    result = decided(joined(permission(1), *behind))
    assert [(action.action, action.rule_id) for action in result.actions] == [("revoke", "sgr-1")]


def test_an_accept_goes_once_the_listener_is_blocked() -> None:
    """A check that blocks closes both: the accept by a drop at its own priority, the listener by drops behind all."""
    result = decided(joined(permission(1), InnerAccessPolicy="Drop"), BLOCK)
    assert [(one.rule_id, [fields["Priority"] for fields in one.adds]) for one in result.actions] == [
        ("nlb-1", [100, 100]),
        ("sgr-1", [1]),
    ]


def test_balancers_that_could_not_be_read_are_told() -> None:
    """Where the check needs them nothing is done; elsewhere a note says that what closes may be open through one."""
    unread = replace(group(permission(1)), balancing=Balancing(unread="Forbidden.RAM"))
    (action,) = decided(unread).actions
    what = "a load balancer joined the group, and lets in what this closes,"
    assert action.notes == (f"balancers_unknown: whether {what} could not be read (Forbidden.RAM)",)
    needed = replace(unread, balancing=Balancing(unread="Forbidden.RAM", is_required=True))
    assert decided(needed).actions == ()
    reasons = {one.rule_id: one.reason for one in decided(needed).skipped}
    assert reasons["sgr-1"] == "its load balancers must be known, and could not be read: Forbidden.RAM"


def test_a_balancer_of_one_family_takes_one_drop() -> None:
    """Where it has no address nothing is to be dropped."""
    old = Balancer("alb-1", "old", (4,), (4,), (PortRange("tcp", 22, 22),))
    one = replace(group(InnerAccessPolicy="Drop"), balancing=Balancing((old,)))
    assert [action.adds for action in decided(one, BLOCK).actions] == [DROPS[:1]]


def test_a_balancer_that_left_the_group_is_drift() -> None:
    """What was planned because of it is not done."""
    one = joined()
    (action,) = decided(one, BLOCK).actions
    proved = prove(group(), [action], judge_of(BLOCK), Settings())
    assert proved.refused == {
        "nlb-1": ProofRefusal("drifted", "nlb-1 does not stand behind the group any more")
    }
    assert prove(one, [action], judge_of(BLOCK), Settings()).refused == {}
