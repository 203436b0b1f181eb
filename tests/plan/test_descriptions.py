"""What is said of what is done, and of what is not: whole sentences, as an operator reads them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from orchestrator.plan import (
    Action,
    PlanError,
    PlanNames,
    Settings,
    decide,
    describe,
    describe_rule,
    managed_as_code,
    opens_too_much,
    prove,
    return_key,
    summarize,
)
from orchestrator.plan.pieces import with_peer, writable
from orchestrator.plan.values import Place
from orchestrator.policy import Check, Exemption, evaluate, parse_port
from orchestrator.securitygroup import Lists, SecurityGroup, Unreadable, parse_cidr
from tests.plan.groups import NOW, SSH, decided, group, judge_of, permission, planned
from tests.plan.test_planner import Seen

NARROW = replace(SSH, action="narrow")
PLACE = Place("1001", "cn-hangzhou", "sg-1")


def reason_of(*rules: dict[str, Any], checks: tuple[Check, ...] = (SSH,), **settings: Any) -> str:
    """Why the first rule that is left alone is."""
    return decided(group(*rules), *checks, **settings).skipped[0].reason


def test_why_a_rule_is_left_alone() -> None:
    """What stands in the way, and what helps."""
    assert reason_of(permission(1), checks=(NARROW,)) == (
        "its check says narrow, but narrow_to in [remediation] is empty: say what is to stay open"
    )
    assert reason_of({**permission(1), "SecurityGroupRuleId": ""}) == (
        "the cloud gave no id for this rule, so it cannot be changed safely"
    )
    assert reason_of(permission(1), checks=(replace(SSH, action="report"),)) == "check ssh is reported only"
    assert reason_of(*[permission(n, source=f"{20 + 2 * n}.0.0.0/9") for n in range(3)]) == (
        "ssh fails only together with other rules, which may name partners: reported only"
    )
    managed = group(permission(1), listing={"ServiceManaged": True})
    assert decided(managed).skipped[0].reason == (
        "the group is managed by a cloud service, and nobody else can change it"
    )
    out = permission(1, SourceCidrIp="", DestCidrIp="0.0.0.0/0", Direction="egress")
    check = Check(id="out", direction="egress", ports=SSH.ports, action="split")
    assert reason_of(out, checks=(check,)) == (
        "revoke is not possible: the group lets that out by itself, with or without the rule: "
        "only a drop (action block) closes it"
    )


def test_a_rule_that_came_back_says_how_often() -> None:
    """Once, twice; and at the limit why it is left alone, by the pipeline's name where the group shows one."""
    one = group(permission(1))
    ours = group(permission(1), listing={"SecurityGroupName": "terraform-web"})

    def told(group: Any, count: int, limit: int) -> tuple[str, ...]:
        returned = {return_key(PLACE, permission(7)): count}
        settings = Settings(returned_limit=limit)
        judge = judge_of()
        result = decide(group, judge(group), judge=judge, settings=settings, returned=returned)
        return tuple(one.reason for one in result.skipped) or result.actions[0].notes

    assert told(one, 1, 3) == ("returned: it came back 1 time after being removed",)
    assert told(one, 2, 3) == ("returned: it came back 2 times after being removed",)
    assert told(one, 3, 3) == (
        "returned: it came back 3 times after being removed; somebody or something needs it",
    )
    code = "managed as code by Terraform: change it there too (`sgsweep patch` writes how), or it will be put back"
    assert told(ours, 3, 3) == (f"returned: it came back 3 times after being removed; {code}",)
    stack = {"Tags": {"Tag": [{"TagKey": "acs:ros:stackId", "TagValue": "s-1"}]}}
    both = group(permission(1), listing={"SecurityGroupName": "terraform-web", **stack})
    (reason,) = told(both, 3, 3)
    ros = code.replace("Terraform", "ROS")
    assert reason == f"returned: it came back 3 times after being removed; {ros}; {code}"


def test_a_rule_that_was_never_removed_has_not_come_back() -> None:
    """Whatever the limit: another rule of the group that did is another rule."""
    one, judge = group(permission(1)), judge_of()
    returned = {return_key(PLACE, permission(7, "23/23")): 9}
    settings = Settings(returned_limit=1)
    result = decide(one, judge(one), judge=judge, settings=settings, returned=returned)
    assert [(action.rule_id, action.notes) for action in result.actions] == [("sgr-1", ())]


def test_each_reason_to_do_nothing_about_a_rule_is_told_once() -> None:
    """Two checks that only report, and one that says the same of it."""
    report = [replace(SSH, id=name, action="report") for name in ("ssh", "shell")]
    assert (
        reason_of(permission(1), checks=(*report,))
        == "check ssh is reported only; check shell is reported only"
    )


def test_a_group_that_would_not_hold_the_additions_says_how_many() -> None:
    """For a moment both stand: the rule, and what comes in its place."""
    assert reason_of(permission(1, "20/30"), permission(2, "443/443"), rules_per_group=3) == (
        "split is not possible: the group would hold 4 rules for a moment, and 3 is the most: "
        "delete rules, or let the check narrow or block"
    )


def test_what_is_left_alone_is_told_by_place() -> None:
    """The whole before its parts: by account, region, group and rule."""
    unseen = [
        Seen("1001", "cn-hangzhou", "sg-2", "X", "x"),
        Seen("1001", "cn-hangzhou", None, "X", "x"),
        Seen("1001", "cn-beijing", "sg-9", "X", "x"),
        Seen("1001", None, None, "X", "x"),
        Seen("1000", "cn-shanghai", None, "X", "x"),
    ]
    plan = planned(group(permission(3, "nonsense"), permission(2, "nonsense")), unreachable=unseen)
    assert [(one.account_id, one.region_id, one.security_group_id, one.rule_id) for one in plan.skipped] == [
        ("1000", "cn-shanghai", None, None),
        ("1001", None, None, None),
        ("1001", "cn-beijing", "sg-9", None),
        ("1001", "cn-hangzhou", None, None),
        ("1001", "cn-hangzhou", "sg-1", "sgr-2"),
        ("1001", "cn-hangzhou", "sg-1", "sgr-3"),
        ("1001", "cn-hangzhou", "sg-2", None),
    ]


def test_an_allow_list_entry_that_is_none_says_what_to_write() -> None:
    """A CIDR, or a list."""
    with pytest.raises(PlanError, match="is no block: write a CIDR or the id of a prefix list, pl-"):
        Settings(narrow_to=("office",))


def test_a_protection_that_is_overridden_is_noted() -> None:
    """Only where the command names a group that is protected."""
    tagged = {"Tags": {"Tag": [{"TagKey": "sgsweep", "TagValue": "protected"}]}}
    given = {"change_protected": ("sg-1",)}
    why = "the group is protected by its tag (sgsweep=protected)"
    assert [one.notes for one in decided(group(permission(1), listing=tagged), **given).actions] == [
        (f"{why}, and changed all the same: --change-protected names it",)
    ]
    assert [one.notes for one in decided(group(permission(1)), **given).actions] == [()]


def test_a_share_of_nothing_that_was_read_refuses_even_one_change() -> None:
    """All of it may change, but how much there is was not said."""
    for limit in ("max_share_of_rules", "max_share_of_groups", "max_share_of_accounts"):
        with pytest.raises(PlanError, match=f"1 of 0 .*, {limit} is 1"):
            planned(group(permission(1)), settings=replace(Settings(), **{limit: 1.0}))


def test_what_closes_names_both_ends() -> None:
    """The rule's own destination is part of it."""
    (action,) = decided(group(permission(1, DestCidrIp="192.168.7.0/24"))).actions
    assert action.closes == "tcp/22 from 0.0.0.0/0 to 192.168.7.0/24"


def test_source_ports_are_told_where_there_are_any() -> None:
    """-1/-1 is how the API says that there are none."""
    assert (
        describe_rule(permission(1, SourcePortRange="-1/-1")) == "accept tcp 22/22 from 0.0.0.0/0, priority 1"
    )


def test_what_stays_is_said_of_each_kind_of_change() -> None:
    """Narrowed and blocked rules, too; severities in their order; parts that are cut say how much is missing."""
    narrowed = planned(
        group(permission(1)), judge=judge_of(NARROW), settings=Settings(narrow_to=("10.0.0.0/8",))
    )
    blocked = planned(
        group(permission(2), InnerAccessPolicy="Drop"), judge=judge_of(replace(SSH, action="block"))
    )
    plan = replace(narrowed, actions=(*narrowed.actions, *blocked.actions))
    known = PlanNames({}, {(PLACE, "sgr-1"): "low", (PLACE, "sgr-2"): "medium"})
    lines = [one.text for one in summarize(plan, known)]
    assert lines[0] == "to do: 1 block, 1 narrow; 2 rules in 1 group of 1 account (1 medium, 1 low)"
    assert lines[lines.index("stays") + 1 :] == [
        "  what is allowed of 1 rule, by 0 rules in their place",
        "  1 rule as they are, under 1 rule that drop and win",
    ]
    assert [one.about for one in describe(narrowed) if "becomes" in one.text] == ["comes"]
    assert {one.about for one in summarize(plan)} == {"", "heading", "closes"}


def test_three_pieces_are_folded_and_two_are_told_again() -> None:
    """Fewer than three would not be shorter."""
    for checks, folded in (((SSH,), False), ((SSH, Check(id="web", ports=(parse_port("80"),))), True)):
        groups = [group(permission(n, "20/90"), listing={"SecurityGroupId": f"sg-{n}"}) for n in (1, 2)]
        plan = planned(*groups, judge=judge_of(*checks))
        count = len(plan.actions[0].adds)
        assert count == len(checks) + 1
        texts = [one.text for one in describe(plan) if one.about == "comes"]
        assert (f"      + the same {count} rules as for sgr-1" in texts) is folded
        assert any(text.startswith("      + 3 rules: ") for text in texts) is folded


def test_any_way_to_spell_all_ports_is_written_as_the_api_takes_it() -> None:
    """-1/-1 was once taken for TCP and UDP; what is put back says 1/65535."""
    everything = tuple(parse_port(f"{protocol}/22") for protocol in ("tcp", "udp"))
    for protocol in ("TCP", "UDP", "6", "17"):
        rule = permission(1, "-1/-1", IpProtocol=protocol)
        (action,) = decided(group(rule), Check(id="any", ports=everything)).actions
        assert [one["PortRange"] for one in action.inverse.authorize] == ["1/65535"], protocol


@pytest.mark.parametrize(
    ("rule", "check", "allowed", "now", "back"),
    [
        (permission(1, source="::/0"), NARROW, "fd00::/8", "Ipv6SourceCidrIp", "::/0"),
        (
            permission(1, SourceCidrIp="", DestCidrIp="0.0.0.0/0", Direction="egress"),
            Check(id="out", direction="egress", ports=SSH.ports, action="narrow"),
            "10.0.0.0/8",
            "DestCidrIp",
            "0.0.0.0/0",
        ),
    ],
)
def test_narrowing_and_its_way_back_name_the_end_that_changes(
    rule: dict[str, Any], check: Check, allowed: str, now: str, back: str
) -> None:
    """IPv6 has a field of its own, and so has what goes out."""
    one = group(rule, listing={"SecurityGroupType": "enterprise"})
    (action,) = decided(one, check, narrow_to=(allowed,)).actions
    assert action.modify == {now: allowed}
    assert action.inverse.modify == {now: back}


def test_narrowing_a_list_leaves_what_it_shares_with_the_allowed_networks() -> None:
    """Of two blocks that meet the smaller one stays open, at the very edges too; what does not meet stays closed."""
    lists = Lists({"pl-1": ("128.0.0.0/1", "10.0.0.0/16", "10.255.0.0/16", "fd00::/16")})
    allowed = ("10.0.0.0/8", "128.0.0.0/32", "255.255.255.255/32", "64.0.0.0/24", "fd00::/8")
    (action,) = decided(group(permission(1, source="pl-1"), lists=lists), NARROW, narrow_to=allowed).actions
    assert [fields.get("SourceCidrIp") or fields["Ipv6SourceCidrIp"] for fields in action.adds] == [
        "10.0.0.0/16",
        "10.255.0.0/16",
        "128.0.0.0/32",
        "255.255.255.255/32",
        "fd00::/16",
    ]


def test_what_is_refused_before_a_change_says_why() -> None:
    """Whole sentences: what is the case by now, or what would come of it."""
    there = group(permission(1, "20/80"), permission(2, "443/443"))
    (split,) = decided(there).actions

    def refused(now: SecurityGroup, *actions: Action, checks: tuple[Check, ...] = (SSH,), **more: Any) -> str:
        found = prove(now, actions or (split,), judge_of(*checks), Settings(), **more)
        return found.refused["sgr-1"].reason

    assert refused(replace(there, service_managed=True)) == (
        "it is not changed any more: the group is managed by a cloud service, and nobody else can change it"
    )
    both = replace(split, check_ids=("ssh", "redis"))
    closed = group(permission(1, "20/80", Priority=5), permission(3, "1/65535", Policy="Drop"))
    assert refused(closed, both) == "it no longer fails ssh, redis: nothing of it is open as it stands now"
    unread = group(permission(1, "20/80", source="pl-1"), lists=Lists({"pl-1": Unreadable("Forbidden")}))
    assert refused(unread).startswith("the rule cannot be judged now: ")
    days = NOW + timedelta(days=9)
    waivers = [Exemption(id=f"w-{n}", owner="o", reason="r", expires=days, check=(check,), rule=("sgr-1",))
               for n, check in enumerate(("ssh", "web"))]  # fmt: skip
    web = Check(id="web", ports=(parse_port("80"),))
    exempt = prove(
        there,
        [replace(split, check_ids=("ssh", "web"))],
        lambda one: evaluate(one, (SSH, web), NOW, waivers),
        Settings(),
    )
    assert exempt.refused["sgr-1"].reason == "exempt by now: w-0, w-1"
    opening = replace(split, adds=(*split.adds, {**split.adds[0], "PortRange": "90/90"}))
    assert refused(there, opening) == "split is not possible: it would open tcp/90 from 0.0.0.0/0"
    less = replace(split, adds=split.adds[1:])
    assert refused(there, less) == "split is not possible: it would also close tcp/20-21 from 0.0.0.0/0"
    idle = replace(split, adds=(*split.adds, {**split.adds[0], "PortRange": "22/22"}))
    assert refused(there, idle).startswith("split is not possible: check ssh would still fail: ")


def test_a_list_that_is_another_one_is_named() -> None:
    """All that the change relies on."""
    narrow = replace(SSH, action="narrow")
    there = group(permission(1), lists=Lists({"pl-office": ("203.0.113.0/24",)}))
    (action,) = decided(there, narrow, narrow_to=("pl-office",)).actions
    wider = replace(there, lists=Lists({"pl-office": ("203.0.112.0/23",)}))
    found = prove(wider, [action], judge_of(narrow), Settings())
    assert found.refused["sgr-1"].reason == (
        "the list pl-office, which the change relies on, is another one by now"
    )


def test_a_drop_that_harms_another_group_of_an_interface_says_where() -> None:
    """What it would close, and that it is not this group's own."""
    block = replace(SSH, action="block")
    there = group(permission(1, "22/80", Priority=3), InnerAccessPolicy="Drop")
    (action,) = decided(there, block).actions
    other = group(permission(9, source="203.0.113.0/24", Priority=50), InnerAccessPolicy="Drop")
    found = prove(there, [action], judge_of(block), Settings(), neighbours=[[other]])
    assert found.refused["sgr-1"].reason == (
        "block is not possible: it would also close, though another rule opens it, tcp/22 from 203.0.113.0/24, "
        "on an interface where the rules of several groups are one list"
    )


def test_undoing_adds_no_other_rule_than_the_one_that_was_taken() -> None:
    """A wider one is refused, and it says so."""
    there = group(permission(1, "20/80"))
    (split,) = decided(there).actions
    after = group(*({**one, "SecurityGroupRuleId": f"sgr-{at}"} for at, one in enumerate(split.adds, 7)))
    (rule,) = split.inverse.authorize
    forged = replace(split, inverse=replace(split.inverse, authorize=({**rule, "PortRange": "20/81"},)))
    assert opens_too_much(after, forged, split.inverse.revoke) == (
        "what it would add is not the rule as it was"
    )


def test_undoing_a_narrowing_gives_the_rule_its_source_back_and_no_other() -> None:
    """The modified rule is the only one that changes; a wider source than it had is refused."""
    there = group(permission(1), permission(2, "443/443", "10.0.0.0/8"))
    (action,) = decided(there, NARROW, narrow_to=("10.0.0.0/8",)).actions
    assert action.modify is not None
    after = group({**permission(1), **action.modify}, permission(2, "443/443", "10.0.0.0/8"))
    assert opens_too_much(after, action, ()) == ""
    half = permission(1, source="0.0.0.0/1")
    (narrowed,) = decided(group(half), NARROW, narrow_to=("10.0.0.0/8",)).actions
    wider = replace(narrowed, inverse=replace(narrowed.inverse, modify={"SourceCidrIp": "0.0.0.0/0"}))
    assert opens_too_much(after, wider, ()) == ("what it would modify is not the rule's source as it was")


def test_an_old_priority_comes_back_as_one_that_can_be_written() -> None:
    """110 cannot; undoing writes 100, and that it opens no more is allowed. The plan says so."""
    drop = permission(2, "23/23", "10.0.0.0/8", Priority=105, Policy="Drop")
    there = group(permission(1, Priority=110), drop)
    (action,) = decided(there).actions
    assert action.notes == ("priority 110 cannot be written any more: what is added or rolled back gets 100",)
    assert opens_too_much(group(drop), action, ()) == ""


def test_a_modified_rule_that_was_begun_is_held_against_what_it_was() -> None:
    """The narrowed rule stands under its id: before it is judged, its own source is put back."""
    there = group(permission(1), permission(2, "443/443", "10.0.0.0/8"))
    (action,) = decided(there, NARROW, narrow_to=("10.0.0.0/8",)).actions
    after = group({**permission(1), **(action.modify or {})}, permission(2, "443/443", "10.0.0.0/8"))
    found = prove(after, [action], judge_of(NARROW), Settings(), touched=[action])
    assert not found.refused
    assert [one.check_id for one in found.failing["sgr-1"]] == ["ssh"]


def test_what_is_only_reported_is_no_reason_to_close_more() -> None:
    """The rule fails two checks, and one of them acts: a change that closes the other's port too is refused."""
    web = Check(id="web", ports=(parse_port("80"),), action="report")
    there = group(permission(1, "20/90"))
    (split,) = decided(there, SSH, web).actions
    judge = judge_of(SSH, web)
    assert not prove(there, [split], judge, Settings()).refused
    fields = split.adds[-1]
    more = replace(
        split,
        check_ids=("ssh", "web"),
        adds=(split.adds[0], {**fields, "PortRange": "23/79"}, {**fields, "PortRange": "81/90"}),
    )
    found = prove(there, [more], judge, Settings())
    assert found.refused["sgr-1"].reason == (
        "split is not possible: it would also close tcp/80 from 0.0.0.0/0"
    )
    # where nothing acts, the plan was told to: by an owner who named the finding
    named = replace(more, check_ids=("web",), adds=(
        {**fields, "PortRange": "20/79"}, {**fields, "PortRange": "81/90"}))  # fmt: skip
    assert not prove(there, [named], judge, Settings()).refused


def test_a_group_that_was_read_in_part_is_left_alone_with_the_reason() -> None:
    """A drop may be what is missing: its findings are told with what could not be read, and other groups go on."""
    whole, part = group(permission(1)), group(permission(2), listing={"SecurityGroupId": "sg-2"})
    unseen = [
        Seen("1001", "cn-hangzhou", "sg-2", "Throttling", "later"),
        Seen("1001", "cn-hangzhou", None, "Forbidden", "no"),
    ]
    plan = planned(whole, part, unreachable=unseen)
    assert [one.rule_id for one in plan.actions] == ["sgr-1"]
    assert [(one.security_group_id, one.rule_id, one.reason) for one in plan.skipped] == [
        (None, None, "not read: Forbidden: no"),
        ("sg-2", None, "not read: Throttling: later"),
        ("sg-2", "sgr-2", "not read: Throttling: later"),
    ]


def test_which_ends_a_rule_names_is_told_for_both_ways() -> None:
    """What goes out names its destination first; groups and lists have their ids."""
    out = permission(
        1, SourceCidrIp="10.0.0.0/8", DestGroupId="sg-9", Direction="egress", Priority=7, NicType="intranet"
    )
    assert describe_rule(out) == "accept tcp 22/22 to sg-9 from 10.0.0.0/8, priority 7"
    assert describe_rule({"Policy": "Drop", "IpProtocol": "GRE", "PortRange": "-1/-1"}) == (
        "drop gre from nowhere, priority 1"
    )


def test_what_is_frequent_comes_first() -> None:
    """Of what closes, what stands there most often; a part that is cut says how much more there is."""
    plan = planned(group(permission(1), permission(2, Priority=2), permission(3, "22/22", "::/0")))
    assert [one.text for one in summarize(plan) if " x " in one.text] == [
        "  2 x tcp/22 from 0.0.0.0/0",
        "  1 x tcp/22 from ::/0",
    ]
    narrowed = planned(
        group(permission(1)), judge=judge_of(NARROW), settings=Settings(narrow_to=("10.0.0.0/8",))
    )
    goes = [one for one in describe(narrowed) if "~" in one.text]
    assert [one.about for one in goes] == ["goes"]


def test_a_piece_of_a_rule_from_a_group_keeps_whose_group_it_is() -> None:
    """What stays of what goes out to a group of another account, too; another source replaces all of it."""
    out = {"SourceCidrIp": "", "DestCidrIp": "0.0.0.0/0", "Direction": "egress"}
    back = writable(
        permission(1, **{**out, "DestCidrIp": "", "DestGroupId": "sg-9", "DestGroupOwnerAccount": "1002"})
    )
    assert (back["DestGroupId"], back["DestGroupOwnerAccount"]) == ("sg-9", "1002")
    one = with_peer(back, "egress", parse_cidr("10.0.0.0/8"))
    assert {key for key in one if key.startswith("Dest")} == {"DestCidrIp"}
    six = with_peer(writable(permission(1, source="::/0")), "ingress", parse_cidr("10.0.0.0/8"))
    assert {key for key in six if "Source" in key} == {"SourceCidrIp"}
    listed = writable(permission(1, "1/65535", PortRangeListId="prl-1"))
    assert listed["PortRangeListId"] == "prl-1"
    assert "PortRange" not in listed


def test_who_makes_a_group_is_known_by_tag_and_name() -> None:
    """What ROS, ACK and people who use Terraform leave on it."""
    marks: dict[str, list[dict[str, Any]]] = {
        "ACK": [{"name": "alicloud-cs-auto-created-security-group-x"}, {"tags": (("ack.aliyun.com", "c1"),)}],
        "ROS": [{"tags": (("acs:ros:stackId", "s"),)}],
        "Terraform": [
            {"tags": (("made-by", "terraform"),)},
            {"tags": (("terraform-module", "x"),)},
            {"name": "tf-web"},
            {"name": "terraform-web"},
        ],
    }
    for tool, shown in marks.items():
        for fields in shown:
            (note,) = managed_as_code(replace(group(), **fields), Settings())
            assert note.startswith(f"managed as code by {tool}: "), fields
    assert managed_as_code(group(), Settings()) == ()
