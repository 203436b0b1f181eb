"""What would come of a change, in words: why it must not be made, and where it may."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from orchestrator.plan import Action, Settings, decide, prove
from orchestrator.policy import Check, Exemption, Finding, evaluate, parse_port
from orchestrator.securitygroup import Balancing, Lists, SecurityGroup, Unreadable
from tests.plan.groups import NOW, REDIS, SSH, decided, group, judge_of, permission
from tests.plan.test_balancers import LISTENS, joined

NARROW = replace(SSH, action="narrow")
OUT = Check(id="out", direction="egress", ports=SSH.ports, action="split")
ENTERPRISE = {"SecurityGroupType": "enterprise"}


def why_not(there: SecurityGroup, *checks: Check, **settings: Any) -> dict[str, str]:
    """Why each rule that is left alone is."""
    return {one.rule_id or "": one.reason for one in decided(there, *checks, **settings).skipped}


def refused(there: SecurityGroup, action: Action, check: Check = SSH) -> str:
    """Why an edited action is not carried out."""
    return prove(there, [action], judge_of(check), Settings()).refused[action.rule_id].reason


def test_a_modified_rule_that_lets_in_others_than_before_is_refused() -> None:
    """Even where the two sources have no address in common."""
    there = group(permission(1, source="0.0.0.0/1"))
    (narrow,) = decided(there, NARROW, narrow_to=("10.0.0.0/8",)).actions
    elsewhere = replace(narrow, modify={"SourceCidrIp": "192.0.0.0/8"})
    assert refused(there, elsewhere, NARROW) == (
        "narrow is not possible: it would open tcp/22 from 192.0.0.0/8"
    )


@pytest.mark.parametrize("direction", ["ingress", "egress"])
def test_what_would_close_beside_the_risky_part_is_told(direction: str) -> None:
    """Of what comes in and of what goes out; two parts of it at most, and how many more."""
    out: dict[str, Any] = {"SourceCidrIp": "", "DestCidrIp": "0.0.0.0/0", "Direction": "egress"}
    check = OUT if direction == "egress" else SSH
    there = group(permission(1, "20/30", **(out if direction == "egress" else {})), listing=ENTERPRISE)
    (split,) = decided(there, check).actions
    assert prove(there, [split], judge_of(check), Settings()).refused == {}
    assert refused(there, replace(split, adds=split.adds[:1]), check) == (
        "split is not possible: it would also close tcp/23-30 from 0.0.0.0/0"
    )
    beside = [permission(n, f"{n}/{n}", f"{n}.0.0.0/8") for n in (21, 23, 24)]
    there = group(permission(1, "20/30"), *beside)
    (split,) = decided(there).actions
    assert refused(there, replace(split, adds=(), action="revoke")) == (
        "revoke is not possible: it would also close tcp/20,25-30 from 0.0.0.0/0; "
        "tcp/24 from 0.0.0.0-23.255.255.255, 25.0.0.0-255.255.255.255; and 2 more"
    )


def test_what_stands_already_needs_no_room() -> None:
    """Nor does what two changes need twice: the API adds no rule that is there."""
    there = group(permission(1, "22/80"), permission(2, "23/80"))
    assert [one.action for one in decided(there, rules_per_group=2).actions] == ["split"]
    shared = group(permission(1, "22/80"), permission(3, "20/80"))  # both need 23 to 80
    assert [one.action for one in decided(shared, rules_per_group=4).actions] == ["split", "split"]


def test_a_rule_of_the_old_priority_is_left_where_a_rollback_would_change_what_it_does() -> None:
    """It comes back with 100 instead of 110: a drop between the two would no longer win. One of 100 wins over both."""
    for priority, possible in ((100, True), (101, False), (109, False), (110, False)):
        drop = permission(2, "1/65535", "10.0.0.0/8", Priority=priority, Policy="Drop")
        there = group(permission(1, Priority=110), drop)
        told = "a rollback could not give back exactly tcp/22 from 10.0.0.0/8"
        assert why_not(there) == ({} if possible else {"sgr-1": f"revoke is not possible: {told}"})


def test_what_cannot_be_tried_says_which_rule_or_list_nobody_knows() -> None:
    """A list to be narrowed to that could not be read; a rule beside a drop that nobody understood."""
    unread = Lists({"pl-x": Unreadable("could not be read: Forbidden")})
    assert why_not(group(permission(1), lists=unread), NARROW, narrow_to=("pl-x",)) == {
        "sgr-1": "narrow is not possible: its replacement cannot be understood: "
        "SourcePrefixListId: pl-x could not be read: Forbidden"
    }
    there = group(permission(1), permission(2, source="pl-1", Priority=50), InnerAccessPolicy="Drop")
    assert why_not(there, replace(SSH, action="block"))["sgr-1"] == (
        "block is not possible: it may hit what rule sgr-2 lets in, which is not known "
        "(SourcePrefixListId: pl-1 was not read)"
    )


def test_what_would_fail_instead_is_told() -> None:
    """An exemption of the rule by its id does not cover what would stand in its place."""
    days = NOW + timedelta(days=9)
    exempt = Exemption(id="jump", owner="net", reason="x", expires=days, rule=("sgr-1",), check=("ssh",))

    def judge(one: SecurityGroup) -> tuple[Finding, ...]:
        return evaluate(one, (SSH, REDIS), NOW, [exempt])

    there = group(permission(1, "1/65535"))
    (skipped,) = decide(there, judge(there), judge=judge, settings=Settings()).skipped
    assert skipped.reason == (
        "split is not possible: check ssh would fail instead: "
        "Opens tcp/22 to the whole IPv4 Internet (0.0.0.0/0)."
    )


def test_every_balancer_that_lets_it_in_is_named() -> None:
    """Whoever closes one finds the other only by trying, otherwise."""
    two = Balancing((LISTENS, replace(LISTENS, balancer_id="alb-2")))
    there = replace(joined(permission(1)), balancing=two)
    assert why_not(there, replace(SSH, action="revoke"))["sgr-1"] == (
        "revoke is not possible: load balancer nlb-1, alb-2 lets that in with or without the rule: "
        "only a drop (block) closes it"
    )


def test_what_a_balancer_lets_in_is_no_reason_to_leave_what_goes_out() -> None:
    """The ports are the same, the direction is not."""
    out = permission(1, SourceCidrIp="", DestCidrIp="0.0.0.0/0", Direction="egress")
    there = joined(out, listing=ENTERPRISE)
    assert [one.action for one in decided(there, replace(OUT, action="revoke")).actions] == ["revoke"]


def test_a_change_of_two_ports_is_tried_as_one() -> None:
    """What is left of the rule is told port by port, and every check is held against it."""
    telnet = Check(id="telnet", ports=(parse_port("23"),))
    there = group(permission(1, "20/30"))
    (action,) = decided(there, SSH, telnet).actions
    assert [one["PortRange"] for one in action.adds] == ["20/21", "24/30"]
    assert action.check_ids == ("ssh", "telnet")
