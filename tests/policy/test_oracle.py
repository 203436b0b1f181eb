"""The judgement against the oracle: no disagreement, whatever the rules."""

import os
import random
import sys
import time
from collections.abc import Sequence
from ipaddress import ip_address

import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from orchestrator.exposure import PacketSet, PortSet, blocks, effective, from_far, packets_of, packets_to
from orchestrator.policy import Check, Severity, Status, Thresholds, evaluate
from orchestrator.policy.compiled_checks import views_of
from orchestrator.policy.judge import watched
from orchestrator.securitygroup import PROTOCOL_NUMBERS, PortRange, parse_rule
from tests.oracle import PACKETS, Oracle, Packet
from tests.rulebook import (
    NOW,
    PREFIX_LISTS,
    SMALL_WORLD,
    V4_BLOCKS,
    V6_BLOCKS,
    group,
    random_permissions,
)  # fmt: skip

Raw = dict[str, object]
CAMPAIGN_SECONDS = float(os.environ.get("ORACLE_SECONDS", "60"))
EXAMPLES = int(os.environ.get("ORACLE_EXAMPLES", "2500"))  # fewer for each of the many mutants

# In the small world four addresses are too many.
SMALL = Thresholds(ipv4_prefix=30, ipv6_prefix=126, wide_ipv4_prefix=31, wide_ipv6_prefix=127)
CHECKS = (
    Check(id="ssh", ports=(PortRange("tcp", 22, 22),), severity=Severity.critical),
    Check(id="range", ports=(PortRange("tcp", 22, 23), PortRange("udp", 22, 22)), severity=Severity.high),
    Check(id="icmp", protocol="icmp", severity=Severity.low),
)
SERVICES = {
    "ssh": [("tcp", 22)],
    "range": [("tcp", 22), ("tcp", 23), ("udp", 22)],
    "icmp": [("icmp", 0), ("icmpv6", 0)],
}
EVERY_KIND = (
    *CHECKS,
    Check(id="everything", all_ports=True),
    Check(id="others", except_ports=(PortRange("tcp", 22, 22),)),
    Check(id="lateral", ports=(PortRange("tcp", 22, 23),), zone="private", wider_than=32),
    Check(id="wide", ports=(PortRange("udp", 22, 22),), zone="any", wider_than=30),
)
Verdicts = dict[tuple[str, str], tuple[str, bool, frozenset[str]]]

fields = {
    "Policy": st.sampled_from(["Accept", "accept", "Drop"]),
    "Priority": st.sampled_from([1, "2", 50, 110]),
}
transports = st.one_of(
    st.fixed_dictionaries({
        "IpProtocol": st.sampled_from(["TCP", "tcp", "6", "UDP"]),
        "PortRange": st.sampled_from(["22/22", "21/23", "22/23", "23/24", "1/65535", "-1/-1", "24/24"]),
        "SourcePortRange": st.sampled_from(["", "", "", "53/53", "1/1023", "-1/-1", "1024/65535"]),
    }),
    st.fixed_dictionaries({
        "IpProtocol": st.sampled_from(["ALL", "ICMP", "GRE"]),
        "PortRange": st.just("-1/-1"),
    }),
)  # fmt: skip
ends = st.one_of(
    st.fixed_dictionaries({
        "SourceCidrIp": st.sampled_from(V4_BLOCKS),
        "DestCidrIp": st.sampled_from(["", "", "", "172.16.0.1", "172.16.0.0/16", "0.0.0.0/0"]),
    }),
    st.fixed_dictionaries({
        "Ipv6SourceCidrIp": st.sampled_from(V6_BLOCKS),
        "Ipv6DestCidrIp": st.sampled_from(["", "", "", "fd01::1", "fd01::/64", "::/0"]),
    }),
    st.fixed_dictionaries({"SourcePrefixListId": st.sampled_from(sorted(PREFIX_LISTS))}),
    st.just({"SourceGroupId": "sg-friend"}),
)  # fmt: skip
permissions = st.builds(
    lambda head, transport, end: {"Direction": "ingress", **head, **transport, **end},
    st.fixed_dictionaries(fields), transports, ends,
)  # fmt: skip
groups = st.lists(permissions, min_size=1, max_size=6).map(
    lambda raws: [{**raw, "SecurityGroupRuleId": f"sgr-{at}"} for at, raw in enumerate(raws, 1)]
)


def judged(raws: Sequence[Raw]) -> Verdicts:
    """What evaluate says of each rule and check: how it stands, whether together with others, ports."""
    found = evaluate(group(*raws, lists=SMALL_WORLD, number=False), CHECKS, NOW, (), SMALL)
    return {
        (one.rule_id, f"{one.check_id} {one.wide_for}".strip()): (
            "apart" if one.is_apart else one.status.value,
            one.together,
            services_in(one.ports.texts),
        )
        for one in found
    }


def services_in(texts: Sequence[str]) -> frozenset[str]:
    """The ports of a finding one by one."""
    single: set[str] = set()
    for text in texts:
        protocol, slash, ports = text.partition("/")
        first, _, last = ports.partition("-")
        single |= (
            {f"{protocol}/{port}" for port in range(int(first), int(last or first) + 1)} if slash else {text}
        )
    return frozenset(single)


def foretold(oracle: Oracle) -> Verdicts:
    """What the oracle says of the same."""
    verdicts: Verdicts = wide_ones(oracle)
    for check, services in SERVICES.items():
        kinds: dict[int, set[str]] = {}
        opened: dict[int, set[str]] = {}
        for service in services:
            for number, kind in oracle.blamed(service).items():
                kinds.setdefault(number, set()).add(kind)
                opened.setdefault(number, set()).add(name(service))
        for number, raw in enumerate(oracle.raws):
            key = str(raw["SecurityGroupRuleId"]), check
            if number in kinds:
                verdicts[key] = "open", "own" not in kinds[number], frozenset(opened[number])
            elif oracle.shadowed(services, number):
                about = {name(to) for to in services if is_about(oracle, number, to)}
                verdicts[key] = "shadowed", False, frozenset(about)
    return verdicts


def wide_ones(oracle: Oracle) -> Verdicts:
    """The sources that are wide where the rule fails nothing: open at port 22, elsewhere told apart."""
    verdicts: Verdicts = {}
    failing = {n for services in SERVICES.values() for service in services for n in oracle.blamed(service)}
    for check in ("ssh", "range"):
        wide: dict[int, set[str]] = {}
        for service in SERVICES[check]:
            for number in oracle.wide(service) - failing:
                wide.setdefault(number, set()).add(name(service))
        for number, ports in wide.items():
            key = str(oracle.raws[number]["SecurityGroupRuleId"]), f"wide {check}"
            verdicts[key] = "open" if "tcp/22" in ports else "apart", False, frozenset(ports)
    return verdicts


def name(service: tuple[str, int]) -> str:
    """A service as a finding names it."""
    protocol, port = service
    return f"{protocol}/{port}" if port else protocol


def is_about(oracle: Oracle, number: int, service: tuple[str, int]) -> bool:
    """Whether a rule is about any packet to a service, from anywhere."""
    raw = {**oracle.raws[number], "SourceCidrIp": "0.0.0.0/0", "DestCidrIp": "", "SourcePortRange": ""}
    for key in ("Ipv6SourceCidrIp", "Ipv6DestCidrIp", "SourcePrefixListId", "SourceGroupId"):
        raw.pop(key, None)
    everyone = Oracle([{**raw, "Policy": "Accept"}], PREFIX_LISTS).masks[0]
    return any(everyone >> bit & 1 for bit, one in enumerate(PACKETS) if (one.protocol, one.port) == service)


def point(packet: Packet) -> tuple[int, ...]:
    """A packet of the oracle's world as the coordinates of a PacketSet."""
    far, near = (_on_line(address) for address in (packet.far, packet.near))
    source_port = packet.source_port if packet.protocol in {"tcp", "udp"} else 0
    sender = int.from_bytes(f"/{packet.group}".encode(), "big") if packet.group else 0
    return (0, sender, PROTOCOL_NUMBERS[packet.protocol], packet.port, far, near, source_port)


def _on_line(address: str) -> int:
    parsed = ip_address(address)
    return int(parsed) + (1 << 32 if parsed.version == 6 else 0)


POINTS = [point(packet) for packet in PACKETS]


def bits(packets: PacketSet) -> int:
    """The packets of the oracle's world that are in a set."""
    return sum(
        1 << bit
        for bit, at in enumerate(POINTS)
        if any(
            all(any(a <= x <= b for a, b in axis) for x, axis in zip(at, box, strict=True))
            for box in packets.boxes
        )
    )


def agree(raws: Sequence[Raw]) -> None:
    """The judgement and the oracle say the same, and taking away the blamed rules closes what they opened."""
    oracle = Oracle(raws, PREFIX_LISTS)
    said = judged(raws)
    assert said == foretold(oracle), raws
    for check in CHECKS:
        blamed = {
            rule for (rule, about), (status, _, _) in said.items() if about == check.id and status == "open"
        }
        if blamed:
            rest = [raw for raw in raws if raw["SecurityGroupRuleId"] not in blamed]
            after = Oracle(rest, PREFIX_LISTS)
            assert not any(after.blamed(service) for service in SERVICES[check.id]), (raws, check.id)


@pytest.mark.parametrize("shard", [0, *(pytest.param(n, marks=pytest.mark.soak) for n in range(1, 4))])
def test_no_disagreement_on_ten_thousand_groups(shard: int) -> None:
    """Reach, blame, shadowing and ports are the oracle's; nothing fails without the blamed: 2,500 groups a shard."""

    @seed(20261101 + shard)
    @settings(max_examples=EXAMPLES, deadline=None, database=None)
    @given(groups)
    def check(raws: list[Raw]) -> None:
        agree(raws)

    check()


@settings(max_examples=300, deadline=None)
@given(groups)
def test_effective_packets_are_the_oracles(raws: list[Raw]) -> None:
    """The algebra lets through exactly the packets that pass one by one."""
    rules = [parse_rule(raw, SMALL_WORLD) for raw in raws]
    assert bits(effective(rules)) == Oracle(raws, PREFIX_LISTS).effective


@settings(max_examples=200, deadline=None)
@given(groups)
def test_removing_the_blamed_changes_no_other_packet(raws: list[Raw]) -> None:
    """What is lost without a blamed rule is its own packets; where it opens only risky ports, only packets to these."""
    found = evaluate(group(*raws, lists=SMALL_WORLD, number=False), CHECKS, NOW, (), SMALL)
    rules = [parse_rule(raw, SMALL_WORLD) for raw in raws]
    compiled_checks = {
        check.definition.id: check for view in views_of(CHECKS, SMALL) for check in view.checks
    }
    for one in found:
        if one.check_id in compiled_checks and one.status.value == "open":
            mine = next(rule for rule in rules if rule.rule_id == one.rule_id)
            lost = effective(rules) - effective([rule for rule in rules if rule is not mine])
            assert lost <= packets_of(mine)
            assert not one.only_risky or lost <= watched(compiled_checks[one.check_id].targets)


@settings(max_examples=300, deadline=None)
@given(groups)
def test_every_witness_gets_in(raws: list[Raw]) -> None:
    """With every kind of check: a failing rule's witness is a packet that no drop takes; a shadowed rule has none."""
    found = evaluate(group(*raws, lists=SMALL_WORLD, number=False), EVERY_KIND, NOW, (), SMALL)
    rules = {raw["SecurityGroupRuleId"]: parse_rule(raw, SMALL_WORLD) for raw in raws}
    drops = [rule for rule in rules.values() if rule.policy == "drop"]
    for one in found:
        if one.status is Status.shadowed:
            assert one.witness is None
            continue
        assert one.witness is not None
        rule = rules[one.rule_id]
        mine = effective([rule, *drops])
        port = one.witness.port or 0
        at = packets_to(PortSet([PortRange(one.witness.protocol, port, port)]))
        assert not from_far(mine & at, blocks([one.witness.source])).is_empty


@pytest.mark.soak
@pytest.mark.timeout(400)
@pytest.mark.parametrize("shard", range(2))
def test_no_disagreement_in_a_long_campaign(shard: int, capsys: pytest.CaptureFixture[str]) -> None:
    """As many random groups as fit in a minute on each of two cores; the numbers and seeds are printed."""
    first = 1_000_000 * (shard + 1)
    judged_groups, end = 0, time.monotonic() + CAMPAIGN_SECONDS
    while time.monotonic() < end:
        rng = random.Random(first + judged_groups)  # noqa: S311  (seeded to be repeated)
        agree(random_permissions(rng))
        judged_groups += 1
    with capsys.disabled():
        told = f"{judged_groups} random groups judged alike, seeds {first} to {first + judged_groups - 1}"
        # A worker's stdout belongs to xdist; its stderr is the terminal's.
        sys.stderr.write(f"\noracle: {told}\n")
