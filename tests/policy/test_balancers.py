"""The balancer's rule: without a drop that wins its listeners let everybody in, against an oracle packet by packet."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from orchestrator.exposure import PortSet, effective, listener_rules, packets_to
from orchestrator.policy import Attachment, Check, Severity, Status, Thresholds, attach, evaluate, explain
from orchestrator.policy.findings import UNDETERMINED
from orchestrator.securitygroup import Balancer, Balancing, PortRange, SecurityGroup
from tests.oracle import PACKETS, THRESHOLD, Packet, hits, weight
from tests.policy.test_oracle import SMALL, Raw, bits
from tests.rulebook import NOW, PREFIX_LISTS, SMALL_WORLD, group, permission, random_permissions

SSH = Check(id="ssh", ports=(PortRange("tcp", 22, 22), PortRange("tcp", 24, 24)), severity=Severity.critical)
SERVICES = (("tcp", 22), ("tcp", 24))
LISTENERS = (PortRange("tcp", 21, 22), PortRange("udp", 22, 22))
HEARD = {("tcp", 21), ("tcp", 22), ("udp", 22)}


def balancer(*ports: PortRange, internet: tuple[int, ...] = (4, 6)) -> Balancer:
    """A balancer of both address families."""
    return Balancer("nlb-1", "front", (4, 6), internet, ports or LISTENERS)


def joined(one: SecurityGroup, *balancers: Balancer) -> SecurityGroup:
    """The group as it is once these have joined it."""
    return replace(one, balancing=Balancing(balancers or (balancer(),)))


def gets_in(raws: Sequence[Raw], packet: Packet) -> bool:
    """Through the balancer: unless the first rule about the packet, by priority and drops first, is a drop."""
    about = [raw for raw in raws if hits(raw, packet, PREFIX_LISTS)]
    about.sort(key=lambda raw: (int(str(raw["Priority"])), str(raw["Policy"]).lower() == "accept"))
    return not about or str(about[0]["Policy"]).lower() == "accept"


def through(raws: Sequence[Raw]) -> int:
    """The packets of the small world that a listener takes."""
    return sum(
        1 << bit
        for bit, packet in enumerate(PACKETS)
        if (packet.protocol, packet.port) in HEARD and gets_in(raws, packet)
    )


def opened(one: SecurityGroup) -> set[tuple[str, int]]:
    """The checked ports at which something fails."""
    failing = [
        found for found in evaluate(one, (SSH,), NOW, (), SMALL) if found.check_id == "ssh" and found.lets_in
    ]
    return {
        service
        for service in SERVICES
        if any(found.ports & PortSet([PortRange(*service, service[1])]) for found in failing)
    }


def agree(raws: Sequence[Raw]) -> bool:
    """The algebra lets in just these packets, and a port fails just where too many of their senders are public."""
    plain = group(*raws, lists=SMALL_WORLD, number=False)
    one = joined(plain)
    let_in = through(raws)
    assert bits(effective([*one.rules, *listener_rules(one)]) & packets_to(PortSet(LISTENERS))) == let_in, (
        raws
    )
    senders = frozenset(
        packet.far
        for bit, packet in enumerate(PACKETS)
        if let_in >> bit & 1 and not packet.group and (packet.protocol, packet.port) == ("tcp", 22)
    )
    is_open = any(weight(senders, version) >= THRESHOLD for version in (4, 6))
    at_24 = opened(plain) & {("tcp", 24)}  # where nobody listens the rules decide
    assert opened(one) == at_24 | ({("tcp", 22)} if is_open else set()), raws
    return is_open


@pytest.mark.parametrize(
    "first", [77_000, *(pytest.param(77_000 + 200 * n, marks=pytest.mark.soak) for n in range(1, 4))]
)
def test_the_judgement_is_the_oracles(first: int) -> None:
    """Random rules of the small world, with many drops: 200 groups, and 600 more in the long campaigns."""
    for seed in range(first, first + 200):
        rng = random.Random(seed)  # noqa: S311  (seeded to be repeated)
        raws = [{**raw, "Policy": "Drop"} if rng.random() < 0.4 else raw for raw in random_permissions(rng)]
        agree(raws)


def test_without_a_drop_everybody_gets_in_whatever_the_accepts_say() -> None:
    """A group that lets in an office only, or nobody, is open; the finding names the balancer, and offers a block."""
    for rules in ((), (permission(SourceCidrIp="198.51.100.0/24"),)):
        (found,) = evaluate(joined(group(*rules)), (SSH,), NOW)
        assert (found.rule_id, found.balancer_id) == ("nlb-1", "nlb-1")
        assert (found.ports.texts, found.action, found.exposure) == (("tcp/22",), "block", "exposed")
        assert "nlb-1 (front)" in found.reason
        assert found.sources == ("0.0.0.0/0, ::/0",)
        told = {"LoadBalancerId": "nlb-1", "LoadBalancerName": "front", "IpProtocol": "TCP"}
        assert found.rule == {**told, "Listeners": ["21-22"]}
        assert found.severity is Severity.critical
        assert found.witness is not None
        assert evaluate(group(*rules), (SSH,), NOW) == ()


def test_a_drop_that_wins_closes_it_and_an_accept_before_it_opens() -> None:
    """Everybody dropped: shadowed. An office let in first is no finding; everybody let in first is the rule's."""
    drops = [permission(Policy="Drop", Priority=50), permission(Policy="Drop", Priority=50, SourceCidrIp="")]
    drops[1]["Ipv6SourceCidrIp"] = "::/0"
    (found,) = evaluate(joined(group(*drops)), (SSH,), NOW)
    assert found.status is Status.shadowed
    assert "nlb-1 would open tcp/22" in found.reason
    office = permission(SourceCidrIp="198.51.100.0/24")
    assert not any(one.is_open for one in evaluate(joined(group(office, *drops)), (SSH,), NOW))
    opened = [one for one in evaluate(joined(group(permission(), *drops)), (SSH,), NOW) if one.is_open]
    assert [(one.rule_id, one.balancer_id, one.action) for one in opened] == [("sgr-1", "", "revoke")]


def test_a_drop_of_one_family_leaves_the_other_open() -> None:
    """As far as the balancer has addresses of both."""
    one = group(permission(Policy="Drop"))
    (found,) = evaluate(joined(one), (SSH,), NOW)
    assert found.is_open
    assert found.witness is not None
    assert ":" in found.witness.source
    only_4 = Balancer("nlb-1", "", (4,), (4,), LISTENERS)
    assert not any(found.is_open for found in evaluate(joined(one, only_4), (SSH,), NOW))


def test_a_balancer_without_a_public_address_lets_in_the_private_side_only() -> None:
    """No finding for the Internet; a check of the private side has one."""
    one = joined(group(), balancer(internet=()))
    assert evaluate(one, (SSH,), NOW) == ()
    inside = Check(id="inside", ports=(PortRange("tcp", 22, 22),), zone="private", wider_than=16)
    (found,) = evaluate(one, (inside,), NOW)
    assert (found.balancer_id, found.exposure, found.action) == ("nlb-1", "unknown", "report")


def test_what_a_balancer_lets_in_is_no_interfaces() -> None:
    """No public address behind the group makes it no less severe, and its TCP and UDP are told apart."""
    (found,) = evaluate(joined(group()), (SSH,), NOW)
    assert attach(found, Attachment("seen")).severity is found.severity
    both = Check(id="both", ports=(PortRange("tcp", 22, 22), PortRange("udp", 22, 22)))
    assert [one.rule_id for one in evaluate(joined(group()), (both,), NOW)] == ["nlb-1", "nlb-1/udp"]


def test_a_managed_group_is_reported_as_managed() -> None:
    """The one that an NLB makes for itself stays the cloud's."""
    (found,) = evaluate(replace(joined(group()), service_managed=True), (SSH,), NOW)
    assert found.status is Status.managed


def test_balancers_that_must_be_known_make_the_group_undetermined() -> None:
    """Only where they are required; what is known of them is judged all the same."""
    unread = Balancing((), "nlb:ListLoadBalancers: Forbidden")
    assert evaluate(replace(group(), balancing=unread), (SSH,), NOW) == ()
    (found,) = evaluate(replace(group(), balancing=replace(unread, is_required=True)), (SSH,), NOW)
    assert (found.check_id, found.verdict.value) == (UNDETERMINED, "undetermined")
    assert found.reason.endswith("could not be judged: LoadBalancers: nlb:ListLoadBalancers: Forbidden.")
    assert (found.protocol, found.direction, found.rule_id) == ("all", "ingress", "")


def test_a_balancer_on_every_port_is_open_as_a_whole_until_a_drop_closes_one() -> None:
    """Its listener cannot be split, so a port that a drop closes is enough."""
    everything = Check(id="everything", all_ports=True, severity=Severity.critical)
    whole = balancer(PortRange("tcp", 1, 65535), internet=(4,))
    whole = replace(whole, families=(4,))
    (found,) = evaluate(joined(group(), whole), (everything,), NOW)
    assert (found.rule_id, found.ports.texts) == ("nlb-1", ("tcp/1-65535",))
    assert evaluate(joined(group(permission(Policy="Drop")), whole), (everything,), NOW) == ()


def test_explain_tells_the_balancers_rule() -> None:
    """Asked for the balancer, it shows which drops decide; asked for an Accept, that the balancer lets in the same."""
    drop = permission(Policy="Drop", SourceCidrIp="0.0.0.0/1", Priority=5)
    one = joined(group(drop, permission()))
    told = explain([one], "nlb-1", (SSH,), NOW)
    assert told is not None
    assert [finding.balancer_id for finding in told.findings] == ["nlb-1"]
    effects = {step.rule_id: step.effect for step in told.steps}
    assert (
        effects["nlb-1"]
        == "is what the load balancer's listeners take by themselves, whatever Accept rules say"
    )
    assert effects["sgr-1"] == "drops a part of it"
    accept = explain([one], "sgr-2", (SSH,), NOW)
    assert accept is not None
    assert {step.rule_id: step.effect for step in accept.steps}[
        "nlb-1"
    ] == "lets some of the same packets in too"


def test_thresholds_are_the_checks() -> None:
    """What drops leave is measured as a rule's source is: below the threshold it is wide at most."""
    drops = [
        permission(Policy="Drop", SourceCidrIp=block)
        for block in ("128.0.0.0/1", "64.0.0.0/2", "32.0.0.0/3", "16.0.0.0/4", "0.0.0.0/5", "12.0.0.0/6",
                      "10.0.0.0/7", "9.0.0.0/8")
    ]  # fmt: skip
    only_4 = Balancer("nlb-1", "", (4,), (4,), LISTENERS)
    (found,) = evaluate(joined(group(*drops), only_4), (SSH,), NOW)  # 8.0.0.0/8 is left
    assert found.is_open
    assert found.check_id == "ssh"
    half = permission(Policy="Drop", SourceCidrIp="8.0.0.0/9")
    assert [one.check_id for one in evaluate(joined(group(*drops, half), only_4), (SSH,), NOW)] == ["wide"]
    assert evaluate(joined(group(*drops, half), only_4), (SSH,), NOW, (), Thresholds(ipv4_prefix=9))[
        0
    ].is_open
