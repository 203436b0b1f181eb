"""What is decided for a group: the least that closes what is risky, or why nothing is done."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from orchestrator.plan import Action, Place, Settings, decide, return_key
from orchestrator.policy import Check, Exemption, default_checks, evaluate, parse_port
from orchestrator.securitygroup import Lists, Unreadable, authorize_parameters, content_digest, every_port
from tests.plan.groups import NOW, REDIS, SSH, decided, group, judge_of, permission, planned

ALL_PORTS = Check(id="all-ports", all_ports=True, action="report")
NARROW = replace(SSH, action="narrow")
BLOCK = replace(SSH, action="block")


def only(actions: tuple[Action, ...]) -> Action:
    """The only action there is."""
    assert len(actions) == 1
    return actions[0]


def ports_of(action: Action) -> list[str]:
    """What an action adds, in short."""
    return [f"{fields['IpProtocol']} {fields['PortRange']}" for fields in action.adds]


def test_a_rule_for_risky_ports_only_is_revoked() -> None:
    """Nothing is added, and the way back is the rule as it was."""
    action = only(decided(group(permission(1))).actions)
    assert (action.action, action.adds, action.modify, action.revokes) == ("revoke", (), None, True)
    assert action.before == permission(1)
    assert action.closes == "tcp/22 from 0.0.0.0/0"
    back = action.inverse.authorize[0]
    assert content_digest(back) == content_digest(action.before)
    assert back["Description"] == "rule 1"
    assert action.inverse.revoke == ()


def test_a_range_is_split_around_the_risky_port() -> None:
    """The parts keep everything of the rule but its ports."""
    action = only(decided(group(permission(1, "20/25", Priority=7, DestCidrIp="192.168.7.0/24"))).actions)
    assert action.action == "split"
    assert ports_of(action) == ["TCP 20/21", "TCP 23/25"]
    for fields in action.adds:
        assert fields["Description"] == "rule 1"
        assert (fields["Priority"], fields["DestCidrIp"], fields["NicType"]) == (
            7,
            "192.168.7.0/24",
            "intranet",
        )
        assert "SecurityGroupRuleId" not in fields
    assert action.inverse.revoke == action.adds


def test_five_tuple_fields_survive_a_split() -> None:
    """The source port of a rule is the source port of its parts."""
    action = only(decided(group(permission(1, "22/23", SourcePortRange="1024/65535"))).actions)
    assert [fields["SourcePortRange"] for fields in action.adds] == ["1024/65535"]


def test_all_splits_into_what_can_be_written_again() -> None:
    """ALL becomes TCP without the ports, UDP, ICMP and GRE, and says what it cannot keep."""
    action = only(decided(group(permission(1, "-1/-1", IpProtocol="ALL"))).actions)
    assert ports_of(action) == ["TCP 1/21", "TCP 23/65535", "UDP 1/65535", "ICMP -1/-1", "GRE -1/-1"]
    assert action.closes == (
        "tcp/22 from 0.0.0.0/0; with it every IP protocol but TCP, UDP, ICMP and GRE, which no rule but ALL can open"
    )


@pytest.mark.parametrize("source", ["::/0", "pl-six"])
def test_all_over_ipv6_keeps_icmpv6(source: str) -> None:
    """For an IPv6 source, be it in a prefix list, ICMP is ICMPv6."""
    lists = Lists({"pl-six": ("::/1", "8000::/1")})
    action = only(decided(group(permission(1, "-1/-1", source, IpProtocol="ALL"), lists=lists)).actions)
    assert "ICMPv6 -1/-1" in ports_of(action)
    assert "ICMP -1/-1" not in ports_of(action)


def test_a_port_list_becomes_the_ports_that_are_left_of_it() -> None:
    """The list itself belongs to others and is not changed."""
    lists = Lists({}, {"prl-1": ("20/22", "443/443")})
    rule = permission(1, "", PortRangeListId="prl-1", PortRangeListName="admin")
    action = only(decided(group(rule, lists=lists)).actions)
    assert ports_of(action) == ["TCP 20/21", "TCP 443/443"]
    assert "PortRangeListId" not in action.adds[0]
    assert action.inverse.authorize[0]["PortRangeListId"] == "prl-1"
    assert "PortRange" not in action.inverse.authorize[0]


def test_the_ports_of_all_failing_checks_are_taken_at_once() -> None:
    """Two checks on one rule make one change, for both."""
    action = only(decided(group(permission(1, "22/22")), SSH).actions)
    assert action.check_ids == ("ssh",)
    both = only(decided(group(permission(1, "1/65535")), SSH, REDIS).actions)
    assert both.check_ids == ("ssh", "redis")
    assert ports_of(both) == ["TCP 1/21", "TCP 23/6378", "TCP 6380/65535"]


def test_two_checks_that_make_up_a_rule_revoke_it() -> None:
    """Each alone would split it; together nothing is left."""
    telnet = Check(id="telnet", ports=(parse_port("23"),))
    action = only(decided(group(permission(1, "22/23")), SSH, telnet).actions)
    assert (action.action, action.adds) == ("revoke", ())


def test_another_failing_check_decides_about_a_rule_for_all_ports() -> None:
    """The all-ports check only reports; it is solved with the split that SSH asks for, and says so."""
    action = only(decided(group(permission(1, "1/65535")), SSH, ALL_PORTS).actions)
    assert action.check_ids == ("ssh", "all-ports")
    alone = decided(group(permission(1, "1/65535")), ALL_PORTS)
    assert alone.actions == ()
    assert alone.skipped[0].reason == "check all-ports is reported only"


def test_revoke_never_takes_what_is_not_risky() -> None:
    """Where revoke is configured but the rule opens more, it is split, and a note says why."""
    action = only(decided(group(permission(1, "22/23")), replace(SSH, action="revoke")).actions)
    assert action.action == "split"
    assert action.notes == ("split, though revoke is configured: it also opens what no check calls risky",)


def test_a_rule_that_is_there_already_is_not_undone() -> None:
    """The API adds no rule twice; a rollback must not remove one that was there before."""
    action = only(decided(group(permission(1, "22/23"), permission(2, "23/23"))).actions)
    assert ports_of(action) == ["TCP 23/23"]
    assert action.inverse.revoke == ()


def test_two_rules_may_need_the_same_addition() -> None:
    """Each names it in full, so that either can be carried out without the other."""
    actions = decided(group(permission(1, "22/23"), permission(2, "", PortRangeListId="prl-1"),
                            lists=Lists({}, {"prl-1": ("22/23",)}))).actions  # fmt: skip
    assert [ports_of(action) for action in actions] == [["TCP 23/23"], ["TCP 23/23"]]


def test_the_old_default_priority_becomes_100_with_a_note() -> None:
    """Priority 110 cannot be written any more, in what is added and in what a rollback adds again."""
    action = only(decided(group(permission(1, "22/23", Priority=110))).actions)
    assert [fields["Priority"] for fields in (*action.adds, *action.inverse.authorize)] == [100, 100]
    assert "priority 110" in action.notes[0]
    assert action.before["Priority"] == 110


def test_an_old_default_rule_that_cannot_come_back_is_left_alone() -> None:
    """With a drop of priority 110 below it, 100 would open more than 110 did."""
    drop = permission(2, "23/23", Priority=110, Policy="Drop")
    result = decided(group(permission(1, "22/23", Priority=110), drop))
    assert result.actions == ()
    assert "it would open tcp/23" in result.skipped[0].reason


def test_narrow_keeps_the_rule_and_its_id_where_the_kind_of_source_stays() -> None:
    """The first allowed block is set by ModifySecurityGroupRule, the others are added."""
    action = only(decided(group(permission(1)), NARROW, narrow_to=("10.0.0.0/8", "172.16.0.0/12")).actions)
    assert action.action == "narrow"
    assert action.modify == {"SourceCidrIp": "10.0.0.0/8"}
    assert [fields["SourceCidrIp"] for fields in action.adds] == ["172.16.0.0/12"]
    assert not action.revokes
    assert action.inverse.modify == {"SourceCidrIp": "0.0.0.0/0"}
    assert action.inverse.authorize == ()
    assert action.inverse.revoke == action.adds
    assert action.closes == "tcp/22 from 0.0.0.0/0; tcp/22 stays open for 10.0.0.0/8, 172.16.0.0/12"


def test_narrow_to_another_kind_of_source_adds_before_it_revokes() -> None:
    """A prefix list cannot take a block's place in a rule."""
    lists = Lists({"pl-office": ("10.1.0.0/16",)})
    action = only(decided(group(permission(1), lists=lists), NARROW, narrow_to=("pl-office",)).actions)
    assert action.revokes
    assert action.adds[0]["SourcePrefixListId"] == "pl-office"
    assert "SourceCidrIp" not in action.adds[0]


def test_a_rule_for_all_that_is_narrowed_whole_is_replaced() -> None:
    """Modified, it would keep every IP protocol open for the allowed source: only what can be written stays open."""
    check = Check(id="all", ports=tuple(map(every_port, ("tcp", "udp", "icmp", "gre"))), action="narrow")
    action = only(
        decided(group(permission(1, "-1/-1", IpProtocol="ALL")), check, narrow_to=("10.0.0.0/8",)).actions
    )
    assert action.modify is None
    assert ports_of(action) == ["TCP 1/65535", "UDP 1/65535", "ICMP -1/-1", "GRE -1/-1"]


@pytest.mark.parametrize("source", ["0.0.0.0/1", "pl-wide"])
@pytest.mark.parametrize(
    ("allowed", "kind"), [("pl-in", "narrow"), ("pl-out", "revoke"), ("pl-none", "revoke")]
)
def test_a_list_stays_open_only_where_the_rule_lets_all_of_it_in(
    source: str, allowed: str, kind: str
) -> None:
    """What lies outside of the rule, or holds nothing, leaves nothing to narrow to."""
    lists = Lists(
        {
            "pl-in": ("10.1.0.0/16",),
            "pl-out": ("10.1.0.0/16", "192.0.2.0/24"),
            "pl-none": (),
            "pl-wide": ("0.0.0.0/1",),
        }
    )
    action = only(
        decided(group(permission(1, source=source), lists=lists), NARROW, narrow_to=(allowed,)).actions
    )
    assert action.action == kind


def test_narrow_by_a_list_that_could_not_be_read_is_refused() -> None:
    """Nobody knows what it would leave open."""
    lists = Lists({"pl-x": Unreadable("could not be read: Forbidden"), "pl-wide": ("0.0.0.0/0",)})
    listed = permission(
        1, SourceCidrIp="", SourcePrefixListId="pl-wide"
    )  # could be modified: the kind is the same
    for rule in (permission(1), listed):
        result = decided(group(rule, lists=lists), NARROW, narrow_to=("pl-x",))
        assert result.actions == ()
        assert "pl-x could not be read: Forbidden" in result.skipped[0].reason


def test_narrow_touches_only_the_risky_part_of_a_wide_rule() -> None:
    """The rest stays open to everyone who had it."""
    action = only(decided(group(permission(1, "22/23")), NARROW, narrow_to=("10.0.0.0/8",)).actions)
    assert [(f["PortRange"], f["SourceCidrIp"]) for f in action.adds] == [
        ("23/23", "0.0.0.0/0"),
        ("22/22", "10.0.0.0/8"),
    ]


def test_narrow_without_an_allow_list_changes_nothing() -> None:
    """An empty list is not a wish to close everything."""
    result = decided(group(permission(1)), NARROW)
    assert result.actions == ()
    assert "narrow_to in [remediation] is empty" in result.skipped[0].reason


def test_narrow_to_the_whole_source_is_refused() -> None:
    """What leaves the finding open is no remedy: nobody knows what a prefix list holds before it is read."""
    lists = Lists(prefix_lists={"pl-all": ("0.0.0.0/0",)})
    result = decided(group(permission(1), lists=lists), NARROW, narrow_to=("pl-all",))
    assert result.actions == ()
    assert result.skipped[0].reason.startswith("narrow is not possible: ")


def test_block_adds_a_drop_that_wins_and_deletes_nothing() -> None:
    """At the rule's own priority Drop wins; possible where nobody else needs the port."""
    action = only(decided(group(permission(1, "20/25", Priority=7), InnerAccessPolicy="Drop"), BLOCK).actions)
    assert not action.revokes
    drop = action.adds[0]
    assert (drop["Policy"], drop["Priority"], drop["PortRange"]) == ("Drop", 7, "22/22")
    assert action.inverse.authorize == ()
    assert action.inverse.revoke == action.adds


@pytest.mark.parametrize(
    ("others", "inner"),
    [((permission(2, source="10.1.0.0/16", Priority=50),), "Drop"), ((), "Accept")],
    ids=["an office behind it", "the group's own members"],
)
def test_block_is_refused_where_it_would_shut_out_others(
    others: tuple[dict[str, Any], ...], inner: str
) -> None:
    """A drop also hits whom a weaker rule, or the group itself, lets in."""
    result = decided(group(permission(1), *others, InnerAccessPolicy=inner), BLOCK)
    assert result.actions == ()
    assert (
        "block is not possible: it would also close, though another rule opens it,"
        in result.skipped[0].reason
    )


def test_the_group_must_hold_the_additions_for_a_moment() -> None:
    """Where a most is set, rules of both directions count; what does not fit is left alone with the numbers."""
    others = [permission(n, f"{8000 + n}/{8000 + n}", "10.0.0.0/8") for n in range(2, 200)]
    fits = decided(group(permission(1, "22/23"), *others), rules_per_group=200)
    assert len(fits.actions) == 1
    full = decided(group(permission(1, "20/23"), *others), rules_per_group=200)
    assert full.actions == ()
    assert len(decided(group(permission(1, "20/23"), *others)).actions) == 1  # unset: the cloud decides
    assert "would hold 201 rules for a moment, and 200 is the most" in full.skipped[0].reason


def test_a_prefix_list_counts_as_many_rules_as_it_has_entries() -> None:
    """ECS counts a rule with a prefix list by the list's capacity, which is at least its entries."""
    lists = Lists({"pl-any": ("0.0.0.0/1", "128.0.0.0/1")})
    result = decided(group(permission(1, "20/23", "pl-any"), lists=lists), rules_per_group=5)
    assert "would hold 6 rules" in result.skipped[0].reason


def test_what_does_not_fit_does_not_stop_what_does() -> None:
    """One refused change leaves the others of the group in the plan."""
    result = decided(group(permission(1), permission(2, "20/24")), rules_per_group=3)
    assert [action.rule_id for action in result.actions] == ["sgr-1"]
    assert [skipped.rule_id for skipped in result.skipped] == ["sgr-2"]


def test_a_replacement_that_fails_itself_is_refused() -> None:
    """An exemption for the rule's id does not cover what would stand in its place."""
    exempt = Exemption(id="jump", owner="net", reason="x", expires=NOW + timedelta(days=9), rule=("sgr-1",),
                       check=("ssh",))  # fmt: skip

    def judge(group: Any) -> Any:
        return evaluate(group, (SSH, REDIS), NOW, [exempt])

    one = group(permission(1, "1/65535"))
    result = decide(one, judge(one), judge=judge, settings=Settings())
    assert result.actions == ()
    assert "check ssh would fail instead" in result.skipped[0].reason


@dataclass
class Seen:
    """Something unreachable, with the contract's keys."""

    account_id: str
    region_id: str | None
    security_group_id: str | None
    code: str
    message: str


def test_everything_that_is_not_done_is_told_with_its_reason() -> None:
    """Managed, exempt, shadowed, undetermined, wide and reported: skipped, never lost."""
    exempt = Exemption(id="jump", owner="net", reason="x", expires=NOW + timedelta(days=9), rule=("sgr-2",))
    rules = [
        permission(2),
        permission(3, Priority=50, SourceCidrIp="0.0.0.0/1"),
        permission(4, "22/22", Policy="Drop", Priority=1, SourceCidrIp="0.0.0.0/1"),
        permission(5, "nonsense"),
        permission(6, source="20.5.0.0/16", Priority=1, DestCidrIp="192.168.9.0/24"),
    ]

    def judge(group: Any) -> Any:
        return evaluate(group, (SSH,), NOW, [exempt])

    managed = group(permission(1), listing={"SecurityGroupId": "sg-0", "ServiceManaged": True})
    unseen = Seen("1002", None, None, "Forbidden.RAM", "no role")
    plan = planned(managed, group(*rules), judge=judge, unreachable=[unseen])
    assert plan.actions == ()
    reasons = {one.rule_id: one.reason for one in plan.skipped}
    assert reasons["sgr-1"].startswith("the group is managed by a cloud service")
    assert reasons["sgr-2"] == "exempt: jump"
    assert reasons["sgr-3"].startswith("shadowed, so nothing is open")
    assert "PortRange" in reasons["sgr-5"]
    assert reasons[None] == "not read: Forbidden.RAM: no role"


def test_a_wide_source_is_told_and_left_alone() -> None:
    """A /16 is not the Internet."""
    result = decided(group(permission(1, source="20.5.0.0/16")))
    assert result.actions == ()
    assert result.skipped[0].reason.startswith("wide, not failing: ")


def test_rules_that_fail_only_together_are_reported() -> None:
    """They may name partners: by default nothing is done, and the reason says so."""
    ninths = [permission(n, source=f"{20 + 2 * n}.0.0.0/9") for n in range(3)]
    result = decided(group(*ninths))
    assert result.actions == ()
    assert ["only together with other rules" in one.reason for one in result.skipped] == [True, True, False]


def test_halves_of_the_internet_close_together() -> None:
    """0.0.0.0/1 and 128.0.0.0/1 each fail; both go in one plan."""
    result = decided(group(permission(1, source="0.0.0.0/1"), permission(2, source="128.0.0.0/1")))
    assert [action.action for action in result.actions] == ["revoke", "revoke"]


def test_a_classic_rule_keeps_its_network_card() -> None:
    """Without NicType the API would make an Internet rule of an intranet one, and the other way round."""
    classic = {"VpcId": ""}
    rule = permission(1, "22/23", NicType="internet")
    action = only(decided(group(rule, listing=classic)).actions)
    assert authorize_parameters(action.adds[0])["Permissions.1.NicType"] == "internet"


def test_an_egress_check_with_an_action_is_carried_out_on_egress_rules() -> None:
    """In an enterprise group, which lets nothing out by itself; the action says which API is meant."""
    check = Check(id="out", direction="egress", ports=(parse_port("22"),), action="split")
    rule = permission(1, "22/23", SourceCidrIp="", DestCidrIp="0.0.0.0/0", Direction="egress")
    action = only(decided(group(rule, listing={"SecurityGroupType": "enterprise"}), check).actions)
    assert action.direction == "egress"
    assert action.closes == "tcp/22 towards 0.0.0.0/0"
    assert action.adds[0]["DestCidrIp"] == "0.0.0.0/0"
    in_vain = decided(group(rule), check)
    assert in_vain.actions == ()
    assert "the group lets that out by itself" in in_vain.skipped[0].reason
    blocked = only(decided(group(rule), replace(check, action="block")).actions)
    assert blocked.adds[0]["Policy"] == "Drop"


@pytest.mark.parametrize(("count", "acts"), [(0, True), (1, True), (2, False), (5, False)])
def test_a_rule_that_keeps_coming_back_is_left_alone(count: int, acts: bool) -> None:  # noqa: FBT001 (a table)
    """It is removed twice, with a note; then somebody has to look, unless it is asked for."""
    one = group(permission(1))
    returned = {return_key(Place("1001", "cn-hangzhou", "sg-1"), permission(77)): count}
    judge = judge_of()
    result = decide(one, judge(one), judge=judge, settings=Settings(), returned=returned)
    assert bool(result.actions) is acts
    told = result.actions[0].notes if acts else (result.skipped[0].reason,)
    assert (f"returned: it came back {count} time" in "".join(told)) is (count > 0)
    asked = decide(one, judge(one), judge=judge, settings=Settings(remove_returned=True), returned=returned)
    assert len(asked.actions) == 1


def test_the_default_checks_split_a_group_that_is_open_to_all() -> None:
    """One ALL rule and the default checks fit into a group, and the result passes them."""
    one = group(permission(1, "-1/-1", IpProtocol="ALL"))
    result = decided(one, *default_checks())
    action = only(result.actions)
    assert len(action.adds) < 50
    after = group(*[{**fields, "SecurityGroupRuleId": f"n{n}"} for n, fields in enumerate(action.adds)])
    assert judge_of(*default_checks())(after) == ()


def test_the_same_input_makes_the_same_plan() -> None:
    """Whatever the order of the groups, the plan and its digest are the same."""
    one, two = group(permission(1)), group(permission(2), listing={"SecurityGroupId": "sg-2"})
    assert planned(one, two) == planned(two, one)
    assert planned(one).digest != planned(one, now=datetime.fromisoformat("2026-03-02T00:00:00+00:00")).digest


def test_two_plans_of_one_second_are_two_plans() -> None:
    """The digest names the job that carries a plan out: what `close` plans again at once is not taken for done."""
    first, again = (
        datetime.fromisoformat(f"2026-03-02T00:00:00.{fraction}+00:00") for fraction in ("100000", "100001")
    )
    assert planned(group(permission(1)), now=first).digest != planned(group(permission(1)), now=again).digest


def test_a_group_beyond_the_limit_may_still_lose_rules() -> None:
    """A raised quota is no reason to keep a rule that only has to go."""
    result = decided(group(permission(1), permission(2, "443/443")), rules_per_group=1)
    assert [action.action for action in result.actions] == ["revoke"]


def test_what_two_changes_come_to_is_not_reached_by_modifying() -> None:
    """One rule would be narrowed in place to just what the other's replacement adds: both add it instead."""
    telnet = Check(id="telnet", ports=(parse_port("23"),), action="split")
    one = group(permission(1), permission(2, "22/23"))
    actions = decided(one, NARROW, telnet, narrow_to=("10.0.0.0/8",)).actions
    assert [(action.action, action.modify) for action in actions] == [("narrow", None), ("narrow", None)]
    assert [ports_of(action) for action in actions] == [["TCP 22/22"], ["TCP 22/22"]]


def test_block_is_refused_beside_a_rule_that_nobody_understood() -> None:
    """An accept from a list that could not be read may be just what the drop would hit."""
    unread = permission(2, source="pl-unread", Priority=50)
    result = decided(group(permission(1), unread, InnerAccessPolicy="Drop"), BLOCK)
    assert result.actions == ()
    assert (
        "it may hit what rule sgr-2 lets in" in {one.rule_id: one.reason for one in result.skipped}["sgr-1"]
    )


def test_a_split_does_not_mind_a_rule_that_nobody_understood() -> None:
    """What it adds lies within what it removes, whatever else there is."""
    result = decided(group(permission(1, "20/25"), permission(2, source="pl-unread")))
    assert [action.action for action in result.actions] == ["split"]


def test_rules_blamed_together_are_changed_where_that_is_asked_for() -> None:
    """With an action in the check, as many go as bring the rest below the threshold; the others stay."""
    asked = replace(SSH, action="revoke")
    result = decided(group(*[permission(n, source=f"{20 + 2 * n}.0.0.0/9") for n in range(3)]), asked)
    assert [action.rule_id for action in result.actions] == ["sgr-0", "sgr-1"]
    assert [one.rule_id for one in result.skipped] == ["sgr-2"]
