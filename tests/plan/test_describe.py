"""The plan for the terminal."""

from __future__ import annotations

from orchestrator.plan import Settings, describe, describe_rule
from orchestrator.policy import Check, PortSpec
from tests.plan.groups import SSH, group, judge_of, permission, planned


def test_a_plan_reads_as_a_diff() -> None:
    """Headings by account, region and group; what comes, what goes, what closes; what is left alone; a sum."""
    telnet = Check(id="telnet", ports=(PortSpec.parse("23"),), action="narrow")
    one = group(
        permission(1, "22/25"), permission(2, "25/25", "0.0.0.0/0"), permission(3, "23/23"), permission(4, "nonsense"),
        permission(5, "24/25"),
    )  # fmt: skip
    plan = planned(one, judge=judge_of(SSH, telnet), settings=Settings(narrow_to=("10.0.0.0/8",)))
    assert list(describe(plan)) == [
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
        "to do: 2 narrow, in 1 groups of 1 accounts; left alone: 1",
    ]


def test_a_modified_rule_shows_what_it_becomes() -> None:
    """It keeps its id, so it is neither removed nor added."""
    narrow = Check(id="ssh", ports=SSH.ports, action="narrow")
    plan = planned(group(permission(1)), judge=judge_of(narrow), settings=Settings(narrow_to=("10.0.0.0/8",)))
    lines = list(describe(plan))
    assert "      ~ accept tcp 22/22 from 0.0.0.0/0, priority 1" in lines
    assert "        becomes SourceCidrIp 10.0.0.0/8" in lines


def test_an_empty_plan_says_so() -> None:
    """Nothing to do is an answer, too."""
    assert list(describe(planned(group()))) == ["to do: nothing, in 0 groups of 0 accounts; left alone: 0"]


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
