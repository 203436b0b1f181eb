"""Explanations, and what network interfaces add to a finding."""

import msgspec
import pytest

from orchestrator.exposure import ports_from_json, ports_to_json
from orchestrator.policy import (
    Attachment,
    Check,
    Exposure,
    Finding,
    Severity,
    Sight,
    attach,
    evaluate,
    evaluate_together,
    explain,
    gets_through,
    still_reachable_via,
)
from orchestrator.securitygroup import NO_LISTS, Lists, PortRange, SecurityGroup
from tests.rulebook import NOW, group, permission

SSH = (Check(id="ssh", ports=(PortRange("tcp", 22, 22),), severity=Severity.critical),)


def drop(**fields: object) -> dict[str, object]:
    """A Drop of SSH from anyone, unless the fields say otherwise."""
    return permission(Policy="Drop", **fields)


def other(*raws: dict[str, object], name: str = "sg-2", lists: Lists = NO_LISTS) -> SecurityGroup:
    """Another group; its rules are numbered from sgr-21 on."""
    numbered = [{**raw, "SecurityGroupRuleId": f"sgr-2{at}"} for at, raw in enumerate(raws, 1)]
    return group(*numbered, number=False, lists=lists, SecurityGroupId=name)


def test_explain_names_the_rules_that_decide() -> None:
    """In the order of the cloud: the drops that help, those that do not and why, and other accepts."""
    one = group(
        permission(Priority=50),
        drop(Priority=10, SourceCidrIp="0.0.0.0/1"),
        drop(Priority=20, SourceCidrIp="10.0.0.0/8"),
        drop(Priority=60),
        permission(Priority=70, PortRange="1/100"),
        drop(Priority=1, PortRange="443/443"),
        drop(Priority="?"),
    )
    told = explain([one], "sgr-1", SSH, NOW)
    assert told is not None
    assert [(step.rule_id, step.effect) for step in told.steps] == [
        (
            "sgr-7",
            "could not be understood, so it decides nothing: Priority: '?' is no number in range",
        ),
        ("sgr-2", "drops a part of it"),
        ("sgr-3", "drops nothing that was not dropped before"),
        ("sgr-1", "is the rule in question"),
        ("sgr-4", "comes too late: its priority 60 is after 50"),
        ("sgr-5", "lets some of the same packets in too"),
    ]
    assert [(step.policy, step.priority, step.matches) for step in told.steps[1:3]] == [
        ("drop", 10, "tcp/22 from 0.0.0.0/1"), ("drop", 20, "tcp/22 from 10.0.0.0/8"),
    ]  # fmt: skip
    assert told.steps[0].matches == "not understood"
    assert told.left == "tcp/22 from 128.0.0.0/1"
    assert [(found.check_id, found.rule_id) for found in told.findings] == [("ssh", "sgr-1")]


def test_explain_looks_at_the_risky_part_of_a_rule() -> None:
    """A drop of a port that no check of this direction is about is not told, and not what it leaves."""
    checks = (*SSH, Check(id="out", direction="egress", ports=(PortRange("tcp", 80, 80),)))
    one = group(
        permission(PortRange="1/100", Priority=5),
        drop(PortRange="80/80"),
        drop(PortRange="22/22", SourceCidrIp="0.0.0.0/1"),
    )
    told = explain([one], "sgr-1", checks, NOW)
    assert told is not None
    assert [step.rule_id for step in told.steps] == ["sgr-3", "sgr-1"]
    assert told.left == "tcp/22 from 128.0.0.0/1"


def test_explain_names_every_problem_of_a_rule() -> None:
    """Of a rule that is not understood, each field that is not."""
    told = explain([group(permission(Policy="?", PortRange="x"))], "sgr-1", SSH, NOW)
    assert told is not None
    assert told.steps[0].effect == (
        "could not be understood, so it decides nothing: "
        + "; ".join(one_problem_each(Policy="?", PortRange="x"))
    )


def one_problem_each(**fields: object) -> list[str]:
    """What the reader says of each field alone, in its order."""
    return [
        problem
        for name, value in fields.items()
        for problem in group(permission(**{name: value})).rules[0].problems
    ]


def test_explain_a_shadowed_rule() -> None:
    """The drop that takes all is named, and nothing is left."""
    told = explain([group(permission(Priority=5), drop(Priority=5))], "sgr-1", SSH, NOW)
    assert told is not None
    assert [step.effect for step in told.steps] == [
        "drops all that was left of it", "is the rule in question; nothing of it gets through",
    ]  # fmt: skip
    assert told.left == "nothing"
    assert told.findings[0].status.value == "shadowed"


def test_explain_a_rule_that_passes() -> None:
    """A rule about no check is explained by its own packets; an unknown one not at all."""
    one = group(permission(PortRange="443/443"), drop(PortRange="443/443"))
    told = explain([one], "sgr-1", SSH, NOW)
    assert told is not None
    assert (told.findings, told.left) == ((), "nothing")
    assert explain([one], "sgr-9", SSH, NOW) is None


def test_explain_looks_at_one_direction() -> None:
    """Egress rules do not decide an ingress rule."""
    one = group(
        permission(), permission(Direction="egress", Policy="Drop", SourceCidrIp="", DestCidrIp="0.0.0.0/0")
    )
    told = explain([one], "sgr-1", SSH, NOW)
    assert told is not None
    assert [step.rule_id for step in told.steps] == ["sgr-1"]


def test_groups_on_one_interface_are_one_list() -> None:
    """A drop of one group shields what another accepts, and the finding stays its own group's."""
    accepting, dropping = group(permission(Priority=5)), other(drop(Priority=5))
    (one,) = evaluate_together([accepting, dropping], SSH, NOW)
    assert (one.security_group_id, one.status.value) == ("sg-1", "shadowed")
    (alone,) = evaluate(accepting, SSH, NOW)
    assert alone.status.value == "open"
    told = explain([accepting, dropping], "sgr-1", SSH, NOW)
    assert told is not None
    assert [step.security_group_id for step in told.steps] == ["sg-2", "sg-1"]
    assert evaluate_together([], SSH, NOW) == ()


def test_halves_in_two_groups_are_one_internet() -> None:
    """What two groups open together is judged together."""
    low, high = group(permission(SourceCidrIp="8.0.0.0/9")), other(permission(SourceCidrIp="9.0.0.0/9"))
    found = evaluate_together([low, high], SSH, NOW)
    assert [(one.rule_id, one.check_id, one.together) for one in found] == [
        ("sgr-1", "ssh", True),
        ("sgr-21", "wide", False),
    ]


def test_still_reachable_via() -> None:
    """Another group that opens the same port is named, one whose rules are dropped or about others is not."""
    mine = group(permission(), permission(PortRange="443/443"))
    (finding,) = evaluate(mine, SSH, NOW)
    opening = other(permission(IpProtocol="ALL", PortRange="-1/-1"))
    assert still_reachable_via(finding, [mine, opening], SSH, NOW) == ("sg-2",)
    assert still_reachable_via(finding, [mine, other(permission(PortRange="23/23"))], SSH, NOW) == ()
    assert still_reachable_via(finding, [mine, other(permission(Priority=9), drop())], SSH, NOW) == ()
    twice = group(permission(), permission(PortRange="22/23"))
    assert still_reachable_via(evaluate(twice, SSH, NOW)[0], [twice], SSH, NOW) == ()


def test_still_reachable_counts_overlapping_ports() -> None:
    """Ports that overlap count, however the ranges are cut; other ports of the same check do not."""
    checks = (Check(id="x", ports=(PortRange("tcp", 6000, 6010), PortRange("udp", 6000, 6010))),)
    mine = group(permission(PortRange="6000/6003"))
    (finding,) = evaluate(mine, checks, NOW)
    assert still_reachable_via(finding, [mine, other(permission(PortRange="6003/6009"))], checks, NOW) == (
        "sg-2",
    )
    assert still_reachable_via(finding, [mine, other(permission(PortRange="6004/6009"))], checks, NOW) == ()
    assert (
        still_reachable_via(
            finding, [mine, other(permission(IpProtocol="UDP", PortRange="6000/6009"))], checks, NOW
        )
        == ()
    )


def test_still_reachable_touches_at_one_port() -> None:
    """One port in common is enough, at either end."""
    checks = (Check(id="x", ports=(PortRange("tcp", 6000, 6010),)),)
    mine = group(permission(PortRange="6003/6009"))
    (finding,) = evaluate(mine, checks, NOW)
    for ports, via in (("6000/6003", ("sg-2",)), ("6000/6002", ()), ("6009/6010", ("sg-2",))):
        assert still_reachable_via(finding, [mine, other(permission(PortRange=ports))], checks, NOW) == via


def test_what_needs_the_rule_is_not_reachable_without_it() -> None:
    """Rules that are too many addresses only with this one are not what keeps the port open without it."""
    lists = Lists(
        prefix_lists={
            "pl-ours": ("8.128.0.0/9", "9.0.0.0/12"),
            "pl-theirs": ("8.0.0.0/9", "8.128.0.0/11"),
        }
    )

    def listed(name: str) -> dict[str, object]:
        return permission(SourceCidrIp="", SourcePrefixListId=name)

    mine = group(listed("pl-ours"), lists=lists)
    rest = other(listed("pl-theirs"), permission(SourceCidrIp="8.0.0.0/9"), lists=lists)
    found = [one for one in evaluate_together([mine, rest], SSH, NOW) if one.check_id == "ssh"]
    assert [(one.rule_id, one.together) for one in found] == [("sgr-1", True), ("sgr-21", True)]
    assert still_reachable_via(found[0], [mine, rest], SSH, NOW) == ()
    assert still_reachable_via(found[0], [mine, other(permission())], SSH, NOW) == ("sg-2",)


@pytest.mark.parametrize("sight", ["seen", "denied", "unknown"])
def test_a_finding_is_read_back_as_it_was_written(sight: Sight) -> None:
    """The journal keeps findings as JSON; whatever was seen of the interfaces, they come back the same."""
    (finding,) = evaluate(group(permission()), SSH, NOW)
    for attachment in (Attachment(sight), Attachment(sight, public_ips=1)):
        weighed = attach(finding, attachment)
        kept = msgspec.json.encode(weighed, enc_hook=ports_to_json)
        assert msgspec.json.decode(kept, type=Finding, dec_hook=ports_from_json) == weighed


def test_what_is_not_known_of_a_finding() -> None:
    """Without interfaces nothing is claimed of them; what could not be judged is alone, and not only risky."""
    assert Attachment() == Attachment("unknown", 0, 0, 0, 0, 0)
    (finding,) = evaluate(group(permission(Policy="?")), SSH, NOW)
    assert (finding.only_risky, finding.together, finding.exposure, finding.attachment) == (
        False,
        False,
        "unknown",
        None,
    )


@pytest.mark.parametrize(
    ("attachment", "exposure", "severity"),
    [
        (Attachment(), "unknown", "critical"),
        (Attachment("denied"), "unknown", "critical"),
        (Attachment("denied", public_ips=1), "exposed", "critical"),
        (Attachment("seen"), "latent", "high"),
        (Attachment("seen", instances=3, interfaces=3), "latent", "high"),
        (Attachment("seen", public_ips=1), "exposed", "critical"),
        (Attachment("seen", elastic_ips=1), "exposed", "critical"),
        (Attachment("seen", ipv6_addresses=1), "exposed", "critical"),
        (Attachment("seen", public_ips=1, elastic_ips=1), "exposed", "critical"),
        (Attachment("seen", public_ips=1, ipv6_addresses=1), "exposed", "critical"),
    ],
)
def test_attachment_weighs(attachment: Attachment, exposure: Exposure, severity: str) -> None:
    """Latent is one step less severe, and only where it was seen that no public address is attached."""
    (finding,) = evaluate(group(permission()), SSH, NOW)
    weighed = attach(finding, attachment)
    assert (weighed.exposure, weighed.severity.value) == (exposure, severity)
    assert attach(attach(finding, Attachment("seen")), attachment) == weighed
    assert (weighed.base_severity, weighed.status, weighed.reason) == (
        finding.severity,
        finding.status,
        finding.reason,
    )


@pytest.mark.parametrize(
    ("fields", "passes"),
    [
        ({}, 0),
        ({"Priority": 5}, 0),
        ({"Priority": 6}, 1),
        ({"SourceCidrIp": "0.0.0.0/1"}, 1),
        ({"PortRange": "20/21"}, 1),
        ({"PortRange": "20/80"}, 0),
        ({"IpProtocol": "UDP"}, 1),
        ({"IpProtocol": "ALL", "PortRange": "-1/-1"}, 0),
        ({"Direction": "egress", "SourceCidrIp": "", "DestCidrIp": "0.0.0.0/0"}, 1),
        ({"Policy": "Accept"}, 1),
    ],
)
def test_what_gets_through_beside_another_group(fields: dict[str, object], passes: int) -> None:
    """Only a drop that comes first, of all the finding opens, keeps it out; of the rule's other ports it need not."""
    mine = group(permission(Priority=5, PortRange="22/80"))
    (finding,) = evaluate(mine, SSH, NOW)
    assert gets_through(finding, [mine, other(permission(**{"Policy": "Drop", **fields}))]) == bool(passes)


def test_what_gets_through_of_a_protocol_without_ports() -> None:
    """The same, where a finding names no port; a rule that none of the groups has lets nothing through."""
    ping = {"IpProtocol": "ICMP", "PortRange": "-1/-1"}
    mine = group(permission(Priority=5, **ping))
    (finding,) = evaluate(mine, (Check(id="icmp", protocol="icmp"),), NOW)
    assert gets_through(finding, [mine, other(drop())])
    assert not gets_through(finding, [mine, other(drop(**ping))])
    assert not gets_through(finding, [other(permission())])
