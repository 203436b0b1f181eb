"""Checks made ready: what each watches, by number, and from how many addresses on it fails."""

import pytest

from orchestrator.exposure import Count
from orchestrator.policy import Check, Thresholds, evaluate
from orchestrator.policy.compiled_checks import CompiledCheck, views_of
from orchestrator.securitygroup import PortRange, parse_rule
from tests.rulebook import NOW, group, permission

SSH = PortRange("tcp", 22, 22)


def compiled_of(check: Check) -> CompiledCheck:
    """The check as an compiled."""
    ((compiled,),) = [view.checks for view in views_of((check,), Thresholds())]
    return compiled


@pytest.mark.parametrize(
    ("check", "targets"),
    [
        (Check(id="x", protocol="icmp"), ["icmp", "icmpv6"]),
        (Check(id="x", protocol="gre"), ["gre"]),
        (Check(id="x", ports=(SSH, PortRange("udp", 5, 9), SSH)), ["tcp/22", "udp/5-9"]),
        (Check(id="x", except_ports=(SSH,)), ["tcp/1-21", "tcp/23-65535", "udp/1-65535"]),
        (Check(id="x", all_ports=True), ["tcp/1-65535", "udp/1-65535"]),
    ],
)
def test_what_a_check_watches(check: Check, targets: list[str]) -> None:
    """Each port once; ICMP of both families; the ports that are left, from 1 to 65535."""
    assert [str(target) for target in compiled_of(check).targets] == targets


@pytest.mark.parametrize(
    ("check", "floor", "wide"),
    [
        (Check(id="x", ports=(SSH,)), (2**24, 2**108), (2**16, 2**88)),
        (Check(id="x", ports=(SSH,), ipv4_prefix=16, ipv6_prefix=40), (2**16, 2**88), (2**16, 2**88)),
        (Check(id="x", wider_than=24), (2**8 + 1, 2**80 + 1), None),
        (Check(id="x", wider_than=24, ipv6_prefix=64), (2**8 + 1, 2**64 + 1), None),
        (Check(id="x", direction="egress"), (2**24, 2**108), None),
        (Check(id="x", ports=(SSH,), zone="private"), (2**24, 2**108), None),
    ],
)
def test_how_many_addresses_are_too_many(
    check: Check, floor: tuple[int, int], wide: tuple[int, int] | None
) -> None:
    """A threshold is a block of that prefix length; `wider_than` means one address more than the block."""
    compiled = compiled_of(check)
    assert compiled.floor == floor
    if wide is None:
        assert all(count > 2**128 for count in compiled.wide)
        assert compiled.least == floor
    else:
        assert compiled.wide == wide
        assert compiled.least == Count(min(floor[0], wide[0]), min(floor[1], wide[1]))


def test_what_a_rule_covers_of_a_check() -> None:
    """ALL covers every target; a port range the part that is watched; whether it covers nothing else is told."""
    compiled = compiled_of(Check(id="x", ports=(PortRange("tcp", 20, 30), PortRange("udp", 53, 53))))
    some = parse_rule(permission(PortRange="25/40"))
    every = parse_rule(permission(IpProtocol="ALL", PortRange="-1/-1"))
    risky = parse_rule(permission(PortRange="22/22"))
    assert compiled.covered(some) == (PortRange("tcp", 25, 30),)
    assert compiled.covered(every) == (PortRange("tcp", 20, 30), PortRange("udp", 53, 53))
    assert [compiled.only_covers(rule) for rule in (some, every, risky)] == [False, False, True]
    ping = compiled_of(Check(id="x", protocol="icmp"))
    assert ping.only_covers(parse_rule(permission(IpProtocol="ICMP", PortRange="-1/-1")))
    assert not ping.only_covers(parse_rule(permission(IpProtocol="200", PortRange="-1/-1")))


def test_the_cards_of_a_classic_group() -> None:
    """The Internet meets the Internet card, private networks the other one, anybody both; a VPC has one."""
    found = {}
    for card in ("internet", "intranet"):
        classic = group(permission(NicType=card, SourceCidrIp="0.0.0.0/0"), VpcId="")
        for zone in ("internet", "private", "any"):
            check = Check(id=zone, ports=(SSH,), zone=zone, ipv4_prefix=8)
            found[card, zone] = bool(evaluate(classic, (check,), NOW))
    assert found == {
        ("internet", "internet"): True,
        ("internet", "private"): False,
        ("internet", "any"): True,
        ("intranet", "internet"): False,
        ("intranet", "private"): True,
        ("intranet", "any"): True,
    }
