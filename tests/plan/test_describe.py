"""The plan for the terminal."""

from __future__ import annotations

from msgspec.structs import replace

from orchestrator.approval import Signature
from orchestrator.plan import (
    PlanNames,
    Settings,
    describe,
    describe_identity,
    describe_rule,
    subject,
    summarize,
)
from orchestrator.policy import Check, parse_port
from tests.plan.groups import SSH, group, judge_of, permission, planned


def test_a_plan_reads_as_a_diff() -> None:
    """Headings by account, region and group; what comes, what goes, what closes; what is left alone."""
    telnet = Check(id="telnet", ports=(parse_port("23"),), action="narrow")
    one = group(
        permission(1, "22/25"), permission(2, "25/25", "0.0.0.0/0"), permission(3, "23/23"), permission(4, "nonsense"),
        permission(5, "24/25"),
    )  # fmt: skip
    plan = planned(one, judge=judge_of(SSH, telnet), settings=Settings(narrow_to=("10.0.0.0/8",)))
    assert [one.text for one in describe(plan)] == [
        "account 1001, cn-hangzhou",
        "  sg-1",
        "    narrow sgr-1 (ssh, telnet)",
        "      + accept tcp 24/25 from 0.0.0.0/0, priority 1 (there already)",
        "      + accept tcp 23/23 from 10.0.0.0/8, priority 1",
        "      - accept tcp 22/25 from 0.0.0.0/0, priority 1",
        "      closes tcp/22-23 from 0.0.0.0/0; tcp/23 stays open for 10.0.0.0/8",
        "    narrow sgr-3 (telnet)",
        "      + accept tcp 23/23 from 10.0.0.0/8, priority 1",
        "      - accept tcp 23/23 from 0.0.0.0/0, priority 1",
        "      closes tcp/23 from 0.0.0.0/0; tcp/23 stays open for 10.0.0.0/8",
        "left alone",
        "  1001 cn-hangzhou sg-1 sgr-4: This rule could not be judged: PortRange: 'nonsense' is no number in range.",
    ]
    assert {one.about for one in describe(plan)} == {"", "heading", "comes", "goes", "closes"}


def test_a_modified_rule_shows_what_it_becomes() -> None:
    """It keeps its id, so it is neither removed nor added."""
    narrow = Check(id="ssh", ports=SSH.ports, action="narrow")
    plan = planned(group(permission(1)), judge=judge_of(narrow), settings=Settings(narrow_to=("10.0.0.0/8",)))
    lines = [one.text for one in describe(plan)]
    assert "      ~ accept tcp 22/22 from 0.0.0.0/0, priority 1" in lines
    assert "        becomes SourceCidrIp 10.0.0.0/8" in lines


def test_an_empty_plan_says_so() -> None:
    """Nothing to do is an answer, too."""
    assert list(describe(planned(group()))) == []
    assert [one.text for one in summarize(planned(group()))] == [
        "to do: nothing; 0 rules in 0 groups of 0 accounts"
    ]


def test_every_end_of_a_rule_is_told() -> None:
    """Both ends, source ports, lists, the card of a classic group, and egress."""
    assert describe_rule(
        permission(1, DestCidrIp="192.168.7.0/24", SourcePortRange="1/1023", NicType="internet")
    ) == (
        "accept tcp 22/22 from port 1/1023 from 0.0.0.0/0 to 192.168.7.0/24 by the Internet card, priority 1"
    )
    out = permission(
        1, "", SourceCidrIp="", DestPrefixListId="pl-1", PortRangeListId="prl-1", Direction="egress"
    )
    assert describe_rule(out) == "accept tcp prl-1 to pl-1, priority 1"


def test_blocks_of_both_families_are_told() -> None:
    """Of either end."""
    six = permission(1, source="::/0", Ipv6DestCidrIp="fd00::/8")
    assert describe_rule(six) == "accept tcp 22/22 from ::/0 to fd00::/8, priority 1"
    out = permission(1, "1/1", source="fd00::/8", Ipv6DestCidrIp="::/0", Direction="egress")
    assert describe_rule(out) == "accept tcp 1/1 to ::/0 from fd00::/8, priority 1"
    inside = permission(1, "1/1", source="10.0.0.0/8", DestCidrIp="10.1.0.0/16", Direction="egress")
    assert describe_rule(inside) == "accept tcp 1/1 to 10.1.0.0/16 from 10.0.0.0/8, priority 1"


def test_all_that_a_change_does_is_told_of_it() -> None:
    """Every field that it modifies, and each note; three rules in a line, and that they stand already."""
    narrow = Check(id="ssh", ports=SSH.ports, action="narrow")
    plan = planned(group(permission(1)), judge=judge_of(narrow), settings=Settings(narrow_to=("10.0.0.0/8",)))
    (action,) = plan.actions
    two = {"SourceCidrIp": "10.0.0.0/8", "Ipv6SourceCidrIp": "fd00::/8"}
    standing = tuple(permission(0, ports, Priority=7) for ports in ("25/25", "80/80", "443/443"))
    told = replace(action, modify=two, notes=("look here", "and there"), adds=standing)
    assert [one.text for one in describe(replace(plan, actions=(told,)))][3:] == [
        "      + 3 rules: accept tcp 25/25, 80/80, 443/443 from 0.0.0.0/0, priority 7 (there already)",
        "      ~ accept tcp 22/22 from 0.0.0.0/0, priority 1",
        "        becomes SourceCidrIp 10.0.0.0/8, Ipv6SourceCidrIp fd00::/8",
        "      closes tcp/22 from 0.0.0.0/0; tcp/22 stays open for 10.0.0.0/8",
        "      note: look here",
        "      note: and there",
    ]


def test_what_is_as_frequent_is_told_by_its_text() -> None:
    """Whatever the order of the rules, the same plan reads the same."""
    plan = planned(group(permission(1, source="::/0"), permission(2)))
    assert [one.text for one in summarize(plan) if " x " in one.text] == [
        "  1 x tcp/22 from 0.0.0.0/0",
        "  1 x tcp/22 from ::/0",
    ]


EVERYTHING = Check(id="many", ports=tuple(map(parse_port, ("22", "3389", "6379", "udp/53"))))


def test_pieces_that_repeat_are_folded() -> None:
    """Those that differ by their ports alone are one line; of those of another rule it is said whose they are like."""
    first, second = (
        group(permission(n, "-1/-1", "0.0.0.0/0", IpProtocol="ALL"), listing={"SecurityGroupId": f"sg-{n}"})
        for n in (1, 2)
    )
    plan = planned(first, second, judge=judge_of(EVERYTHING))
    assert [len(action.adds) for action in plan.actions] == [8, 8]
    assert [one.text for one in describe(plan) if one.about == "comes"] == [
        "      + 4 rules: accept tcp 1/21, 23/3388, 3390/6378, 6380/65535 from 0.0.0.0/0, priority 1",
        "      + accept udp 1/52 from 0.0.0.0/0, priority 1",
        "      + accept udp 54/65535 from 0.0.0.0/0, priority 1",
        "      + accept icmp from 0.0.0.0/0, priority 1",
        "      + accept gre from 0.0.0.0/0, priority 1",
        "      + the same 8 rules as for sgr-1",
    ]


def test_what_a_plan_comes_to() -> None:
    """By account with its name, kind and severity; what closes, what stays, what must be known, what is left alone."""
    open_all = permission(2, "-1/-1", "0.0.0.0/0", IpProtocol="ALL")
    plan = planned(group(permission(1), open_all, permission(3, "nonsense")))
    plan = replace(plan, actions=tuple(replace(one, notes=("look here",)) for one in plan.actions))
    place = plan.actions[0].place
    known = PlanNames({"1001": "shop"}, {(place, "sgr-1"): "critical", (place, "sgr-2"): "high"})
    (closes,) = {one.closes for one in plan.actions if one.action == "split"}
    assert [one.text for one in summarize(plan, known)] == [
        "to do: 1 revoke, 1 split; 2 rules in 1 group of 1 account (1 critical, 1 high)",
        "accounts",
        "  1001 (shop): 1 revoke, 1 split (1 critical, 1 high)",
        "closes",
        "  1 x tcp/22 from 0.0.0.0/0",
        f"  1 x {closes}",
        "stays",
        "  what else 1 rule let in, by 5 rules in their place",
        "to be known",
        "  2 x look here",
        "left alone: 1",
        "  1 x This rule could not be judged: PortRange: 'nonsense' is no number in range.",
    ]
    short = [one.text for one in summarize(plan, known, 1)]
    assert short[3:6] == ["closes", "  1 x tcp/22 from 0.0.0.0/0", "  and 1 more"]
    lines = [one.text for one in describe(plan, known)]
    assert lines[0] == "account 1001 (shop), cn-hangzhou"
    assert "    revoke sgr-1 (ssh; critical)" in lines


def test_which_plan_it_is_and_who_has_signed_it() -> None:
    """Digest, run, time, organization, cloud, incident; each signature by key, time, ticket and end."""
    plan = replace(planned(group(permission(1))), incident="INC-1")
    assert list(describe_identity(plan)) == [
        f"plan {plan.digest}",
        f"of run {plan.run_id}, made {plan.created_at}, incident INC-1",
        f"for organization {plan.hub_account_id}, against {plan.endpoint}",
        "nobody has signed it",
    ]
    signed = Signature(subject=subject(plan), at="today", ticket="CHG-1", expires="tomorrow", key="ab" * 32)
    assert list(describe_identity(replace(plan, signatures=("b2xk", signed))))[3:] == [
        "signature: of an sgsweep of old: it does not say whose, nor when, and is to be made anew",
        f"signature: with key {'ab' * 8} (SHA-256), today, ticket CHG-1, until tomorrow",
    ]
