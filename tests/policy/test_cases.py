"""Named cases, many of them other tools' bugs: what each group of rules is judged to be."""

from typing import Any

import pytest

from orchestrator.policy import (
    Check,
    Finding,
    Severity,
    Thresholds,
    Verdict,
    default_checks,
    evaluate,
)
from orchestrator.securitygroup import NO_LISTS, Lists, PortRange, Unreadable
from tests.oracle import kind_of
from tests.rulebook import NOW, group, permission

Raw = dict[str, object]
SSH = (Check(id="ssh", ports=(PortRange("tcp", 22, 22),), severity=Severity.critical),)
LISTS = Lists(
    prefix_lists={
        "pl-halves": ("0.0.0.0/1", "128.0.0.0/1"),
        "pl-office": ("203.0.113.0/24", "8.8.8.0/24"),
        "pl-six": ("::/0",),
        "pl-refused": Unreadable("Forbidden.RAM"),
        "pl-broken": ("0.0.0.0/0", "not a block"),
    },
    port_lists={
        "prl-ssh": ("22/22", "443/443"),
        "prl-web": ("80/80", "443/443"),
        "prl-refused": Unreadable("Throttling.User"),
        "prl-empty": (),
    },
)


def drop(**fields: Any) -> Raw:
    """A Drop of SSH from anyone, unless the fields say otherwise."""
    return permission(Policy="Drop", **fields)


def v6(block: str, **fields: Any) -> Raw:
    """SSH from an IPv6 block."""
    return permission(SourceCidrIp="", Ipv6SourceCidrIp=block, **fields)


def from_list(list_id: str, **fields: Any) -> Raw:
    """SSH from a prefix list."""
    return permission(SourceCidrIp="", SourcePrefixListId=list_id, **fields)


def judge(*raws: Raw, checks: tuple[Check, ...] = SSH, lists: Lists = LISTS, **listing: Any) -> list[Finding]:
    """The findings of a group with these rules."""
    return list(evaluate(group(*raws, lists=lists, **listing), checks, NOW))


def told(findings: list[Finding]) -> list[tuple[str, str, str]]:
    """Rule number, check and status of each; "undetermined" where that is the verdict."""
    return [
        (
            one.rule_id.removeprefix("sgr-"),
            one.check_id,
            one.status.value if one.verdict == "fail" else "undetermined",
        )
        for one in findings
    ]


WIDE_FROM_2 = [(str(number), "wide", "open") for number in range(2, 4097)]
OPEN, SHADOWED = [("1", "ssh", "open")], [("1", "ssh", "shadowed")]
UNDETERMINED = [("1", "undetermined", "undetermined")]
NOTHING: list[tuple[str, str, str]] = []

CASES: dict[str, tuple[list[Raw], list[tuple[str, str, str]]]] = {
    "capital Accept, as the API writes it": ([permission(Policy="Accept")], OPEN),
    "any case of Accept": ([permission(Policy="aCCept")], OPEN),
    "tcp in small letters": ([permission(IpProtocol="tcp")], OPEN),
    "IANA number 6": ([permission(IpProtocol="6")], OPEN),
    "IANA number 6 as a number": ([permission(IpProtocol=6)], OPEN),
    "IANA number 17 is not tcp": ([permission(IpProtocol="17")], NOTHING),
    "all ports, -1/-1": ([permission(PortRange="-1/-1")], OPEN),
    "a range that holds the port": ([permission(PortRange="20/30")], OPEN),
    "a range that ends before it": ([permission(PortRange="1/21")], NOTHING),
    "a range that begins after it": ([permission(PortRange="23/65535")], NOTHING),
    "a range that ends at it": ([permission(PortRange="1/22")], OPEN),
    "protocol ALL": ([permission(IpProtocol="ALL", PortRange="-1/-1")], OPEN),
    "protocol ALL with 1/65535": ([permission(IpProtocol="ALL", PortRange="1/65535")], OPEN),
    "protocol ALL without a port range": ([permission(IpProtocol="all", PortRange="")], OPEN),
    "GRE has no ports": ([permission(IpProtocol="GRE", PortRange="-1/-1")], NOTHING),
    "another IANA number": ([permission(IpProtocol="132", PortRange="-1/-1")], NOTHING),
    "egress": ([permission(Direction="egress", SourceCidrIp="", DestCidrIp="0.0.0.0/0")], NOTHING),
    "a Drop opens nothing": ([drop()], NOTHING),
    "host bits set": ([permission(SourceCidrIp="1.2.3.4/0")], OPEN),
    "IPv6 anyone": ([v6("::/0")], OPEN),
    "IPv6 anyone, spelt out": ([v6("0:0:0:0:0:0:0:0/0")], OPEN),
    "IPv6 in capitals": ([v6("2A00::/12")], OPEN),
    "IPv6 2000::/3": ([v6("2000::/3")], OPEN),
    "IPv6 /20 of a carrier": ([v6("2a01::/20")], OPEN),
    "IPv6 /32 of a provider is wide": ([v6("2a01:4f8::/32")], [("1", "wide", "open")]),
    "4,096 providers' blocks are one carrier's": (
        [v6(f"2a01:{number:x}::/32") for number in range(4096)], [("1", "ssh", "open"), *WIDE_FROM_2],
    ),
    "IPv6 /48 of an office": ([v6("2a01:4f8:1::/48")], NOTHING),
    "IPv4-mapped ::ffff:0:0/96 is nowhere": ([v6("::ffff:0:0/96")], NOTHING),
    "IPv6 documentation and ULA": ([v6("2001:db8::/32"), v6("fc00::/7")], NOTHING),
    "private ranges": ([permission(SourceCidrIp=b) for b in ("10.0.0.0/8", "172.16.0.0/12", "100.64.0.0/10")], NOTHING),
    "multicast and reserved": ([permission(SourceCidrIp="224.0.0.0/3")], NOTHING),
    "an office": ([permission(SourceCidrIp="8.8.8.0/24")], NOTHING),
    "one /8": ([permission(SourceCidrIp="8.0.0.0/8")], OPEN),
    "one /9 is wide": ([permission(SourceCidrIp="8.0.0.0/9")], [("1", "wide", "open")]),
    "a /16 is wide": ([permission(SourceCidrIp="8.8.0.0/16")], [("1", "wide", "open")]),
    "a /17 is not": ([permission(SourceCidrIp="8.8.0.0/17")], NOTHING),
    "an IPv6 /40 is wide": ([v6("2a01:4f8::/40")], [("1", "wide", "open")]),
    "an IPv6 /41 is not": ([v6("2a01:4f8::/41")], NOTHING),
    "a wide source to a harmless port": ([permission(SourceCidrIp="8.0.0.0/9", PortRange="443/443")], NOTHING),
    "two halves": (
        [permission(SourceCidrIp="0.0.0.0/1"), permission(SourceCidrIp="128.0.0.0/1")],
        [("1", "ssh", "open"), ("2", "ssh", "open")],
    ),
    "two /9 make a /8: the first of equals is blamed": (
        [permission(SourceCidrIp="8.0.0.0/9"), permission(SourceCidrIp="9.0.0.0/9")],
        [("1", "ssh", "open"), ("2", "wide", "open")],
    ),
    "the same /9 twice is one /9": (
        [permission(SourceCidrIp="8.0.0.0/9"), permission(SourceCidrIp="8.0.0.0/9")],
        [("1", "wide", "open"), ("2", "wide", "open")],
    ),
    "accepts do not hide each other": ([permission(), permission()], [("1", "ssh", "open"), ("2", "ssh", "open")]),
    "a group as source": ([permission(SourceCidrIp="", SourceGroupId="sg-2")], NOTHING),
    "a CIDR wins over a group": ([permission(SourceGroupId="sg-2")], OPEN),
    "prefix list with halves": ([from_list("pl-halves")], OPEN),
    "prefix list with ::/0": ([from_list("pl-six")], OPEN),
    "prefix list of an office": ([from_list("pl-office")], NOTHING),
    "prefix list that was refused": ([from_list("pl-refused")], UNDETERMINED),
    "prefix list that was not read": ([from_list("pl-unknown")], UNDETERMINED),
    "prefix list with nonsense": ([from_list("pl-broken")], UNDETERMINED),
    "port list with 22": ([permission(PortRange="", PortRangeListId="prl-ssh")], OPEN),
    "port list without 22": ([permission(PortRange="", PortRangeListId="prl-web")], NOTHING),
    "empty port list": ([permission(PortRange="", PortRangeListId="prl-empty")], NOTHING),
    "port list that was refused": ([permission(PortRange="", PortRangeListId="prl-refused")], UNDETERMINED),
    "Drop at a smaller priority": ([permission(Priority=2), drop(Priority=1)], SHADOWED),
    "Drop at equal priority": ([permission(Priority=1), drop(Priority=1)], SHADOWED),
    "Drop too late": ([permission(Priority=1), drop(Priority=2)], OPEN),
    "priority 110 comes after 100": ([permission(Priority=110), drop(Priority=100)], SHADOWED),
    "priority as text, compared as number": ([permission(Priority="9"), drop(Priority="10")], OPEN),
    "Drop of another port": ([permission(), drop(PortRange="3389/3389")], OPEN),
    "Drop of another protocol": ([permission(), drop(IpProtocol="UDP")], OPEN),
    "Drop of everything": ([permission(Priority=100), drop(IpProtocol="ALL", PortRange="-1/-1")], SHADOWED),
    "Drop of IPv6 shields no IPv4": ([permission(), v6("::/0", Policy="Drop")], OPEN),
    "Drop of all but the private ranges": (
        [permission(Priority=9), *[drop(SourceCidrIp=b) for b in ("0.0.0.0/5", "8.0.0.0/7", "11.0.0.0/8", "12.0.0.0/6",
          "16.0.0.0/4", "32.0.0.0/3", "64.0.0.0/2", "128.0.0.0/1")]],
        NOTHING,
    ),
    "Drop of half": ([permission(Priority=9), drop(SourceCidrIp="0.0.0.0/1")], OPEN),
    "Drop by two halves": (
        [permission(Priority=9), drop(SourceCidrIp="0.0.0.0/1"), drop(SourceCidrIp="128.0.0.0/1")], SHADOWED,
    ),
    "Drop by a prefix list of halves": ([permission(Priority=9), from_list("pl-halves", Policy="Drop")], SHADOWED),
    "Drop that leaves less than a /8": (
        [permission(SourceCidrIp="8.0.0.0/7", Priority=9), drop(SourceCidrIp="8.0.0.0/8"),
         drop(SourceCidrIp="9.0.0.0/9")],
        [("1", "wide", "open")],
    ),
    "Drop by a list nobody could read": (
        [permission(Priority=9), from_list("pl-refused", Policy="Drop")],
        [("1", "ssh", "open"), ("2", "undetermined", "undetermined")],
    ),
    "Drop with a priority nobody understands": (
        [permission(Priority=9), drop(Priority="first")],
        [("1", "ssh", "open"), ("2", "undetermined", "undetermined")],
    ),
    "Drop without a priority": (
        [permission(Priority=9), drop(Priority="")],
        [("1", "ssh", "open"), ("2", "undetermined", "undetermined")],
    ),
    "Drop by a group shields nobody else": (
        [permission(Priority=9), drop(SourceCidrIp="", SourceGroupId="sg-2")], OPEN,
    ),
    "five-tuple rule to one address": ([permission(DestCidrIp="10.0.0.5/32")], OPEN),
    "five-tuple Drop of one address": ([permission(Priority=9), drop(DestCidrIp="10.0.0.5/32")], OPEN),
    "five-tuple Drop of the very address": (
        [permission(Priority=9, DestCidrIp="10.0.0.5"), drop(DestCidrIp="10.0.0.4/31")], SHADOWED,
    ),
    "five-tuple Drop of every address": ([permission(Priority=9), drop(DestCidrIp="0.0.0.0/0")], SHADOWED),
    "Drop of one source port": ([permission(Priority=9), drop(SourcePortRange="53/53")], OPEN),
    "Drop of all source ports": ([permission(Priority=9), drop(SourcePortRange="1/65535")], SHADOWED),
    "Drop of all source ports in two": (
        [permission(Priority=9), drop(SourcePortRange="1/1023"), drop(SourcePortRange="1024/65535")], SHADOWED,
    ),
    "no source at all": ([permission(SourceCidrIp="")], UNDETERMINED),
    "both families in one rule": ([permission(Ipv6SourceCidrIp="::/0")], UNDETERMINED),
    "IPv6 in the IPv4 field": ([permission(SourceCidrIp="::/0")], UNDETERMINED),
    "octal-looking address": ([permission(SourceCidrIp="010.0.0.0/8")], UNDETERMINED),
    "unknown direction": ([permission(Direction="sideways")], UNDETERMINED),
    "unknown policy": ([permission(Policy="Allow")], UNDETERMINED),
    "unknown protocol": ([permission(IpProtocol="quic")], UNDETERMINED),
    "protocol 256": ([permission(IpProtocol="256", PortRange="-1/-1")], UNDETERMINED),
    "ports of a protocol without": ([permission(IpProtocol="ICMP", PortRange="22/22")], UNDETERMINED),
    "ports the wrong way round": ([permission(PortRange="23/22")], UNDETERMINED),
    "port 65536": ([permission(PortRange="22/65536")], UNDETERMINED),
    "port 0": ([permission(PortRange="0/22")], UNDETERMINED),
    "no ports": ([permission(PortRange="")], UNDETERMINED),
    "priority 0": ([permission(Priority=0)], UNDETERMINED),
    "priority 111": ([permission(Priority=111)], UNDETERMINED),
    "no priority means 1 for an Accept": ([permission(Priority="")], OPEN),
    "an egress rule nobody understands": ([permission(Direction="egress", DestCidrIp="?")], NOTHING),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_named_case(case: str) -> None:
    """The rules of the case are judged as told."""
    raws, expected = CASES[case]
    assert told(judge(*raws)) == expected


def test_classic_network_tells_cards_apart() -> None:
    """In the classic network only rules of the internet card face the Internet, and only its Drops shield them."""
    intranet, internet = (
        permission(NicType="intranet", Priority=9),
        permission(NicType="internet", Priority=9),
    )
    assert told(judge(intranet, VpcId="")) == NOTHING
    assert told(judge(internet, VpcId="")) == OPEN
    assert told(judge(internet, drop(NicType="intranet"), VpcId="")) == OPEN
    assert told(judge(internet, drop(NicType="internet"), VpcId="")) == SHADOWED
    assert told(judge(permission(NicType=""), VpcId="")) == UNDETERMINED
    assert told(judge(intranet)) == OPEN  # a VPC has no such difference


def test_managed_group_is_told_as_managed() -> None:
    """A rule of a group that a cloud service manages fails with the status managed, shadowed or not."""
    assert told(judge(permission(), ServiceManaged=True)) == [("1", "ssh", "managed")]
    assert told(judge(permission(), drop(), ServiceManaged=True)) == [("1", "ssh", "managed")]
    assert told(judge(permission(Policy="?"), ServiceManaged=True)) == UNDETERMINED


def test_a_finding_says_what_the_contract_promises() -> None:
    """The keys of a finding come in the order of the contract, and hold the API's own fields."""
    raw = permission(PortRange="20/30", Description="for the contractors")
    (one,) = judge(raw)
    assert list(one.__struct_fields__[:18]) == [
        "account_id", "account_name", "region_id", "security_group_id", "security_group_name", "service_managed",
        "rule_id", "direction", "check_id", "severity", "verdict", "status", "protocol", "ports", "sources", "reason",
        "witness", "rule",
    ]  # fmt: skip
    assert (one.account_id, one.account_name, one.region_id) == ("1000", "shop", "cn-hangzhou")
    assert (one.security_group_id, one.security_group_name, one.direction) == ("sg-1", "web", "ingress")
    assert (one.protocol, one.ports.texts, one.sources) == ("tcp", ("tcp/22",), ("0.0.0.0/0",))
    assert one.rule == raw
    assert one.witness is not None
    assert (one.witness.protocol, one.witness.port, one.witness.source) == ("tcp", 22, "1.0.0.0")
    assert one.reason == "Opens tcp/22 to the whole IPv4 Internet (0.0.0.0/0)."


@pytest.mark.parametrize(
    ("raw", "action", "only_risky"),
    [
        (permission(), "revoke", True),
        (permission(PortRange="22/23"), "split", False),
        (permission(IpProtocol="ALL", PortRange="-1/-1"), "split", False),
        (permission(PortRange="", PortRangeListId="prl-ssh"), "split", False),
    ],
)
def test_least_destructive_action(raw: Raw, action: str, only_risky: bool) -> None:  # noqa: FBT001  (a table)
    """A rule is to be revoked only if it opens nothing but the check's ports, else split."""
    (one,) = judge(raw)
    assert (one.action, one.only_risky, one.risky_ports.texts) == (action, only_risky, ("tcp/22",))


def test_the_checks_own_action_wins() -> None:
    """An action of the check is taken over as it stands, also for contributors; these are else reported."""
    two = [permission(SourceCidrIp="8.0.0.0/9"), permission(SourceCidrIp="9.0.0.0/9")]
    assert judge(*two)[0].action == "report"
    assert judge(*two)[0].together
    block = (Check(id="ssh", ports=(PortRange("tcp", 22, 22),), action="block"),)
    assert judge(*two, checks=block)[0].action == "block"
    assert [one.action for one in judge(permission(), drop(), checks=block)] == ["report"]


def test_severity_follows_the_width() -> None:
    """A source that is far from the whole Internet is one step less severe, of either family."""
    assert [judge(permission(SourceCidrIp=b))[0].severity.value for b in ("0.0.0.0/0", "16.0.0.0/4", "16.0.0.0/5")] == [
        "critical", "critical", "high",
    ]  # fmt: skip
    assert [judge(v6(b))[0].severity.value for b in ("::/0", "2400::/16", "2a01::/17")] == [
        "critical",
        "critical",
        "high",
    ]


BLOCKS = [f"{v4}/{length}" for v4, length in (("16.0.0.0", n) for n in range(4, 25))] + [
    f"2a00::/{length}" for length in range(12, 50)
]


@pytest.mark.parametrize("block", BLOCKS)
def test_where_failing_and_wide_begin(block: str) -> None:
    """An IPv4 /8 and an IPv6 /20 fail, down to a /16 and a /40 a source is wide, narrower is nothing."""
    found = judge(v6(block) if ":" in block else permission(SourceCidrIp=block))
    wanted = {"fail": ["ssh"], "wide": ["wide"], "": []}[kind_of(block)]
    assert [one.check_id for one in found] == wanted


@pytest.mark.parametrize(
    ("port", "check_id", "severity", "is_open"),
    [
        ("TCP 22", "ssh", "high", True),
        ("TCP 3389", "rdp", "high", True),
        ("TCP 3306", "databases", "medium", True),
        ("UDP 1434", "databases", "medium", True),
        ("TCP 6379", "caches", "low", False),
        ("TCP 6443", "admin-ports", "low", False),
    ],
)
def test_a_wide_source_to_ssh_rdp_or_a_database_is_open(
    port: str,
    check_id: str,
    severity: str,
    is_open: bool,  # noqa: FBT001  (a table)
) -> None:
    """It keeps the check's severity less one there, once; elsewhere it is low and told apart. It is never acted on."""
    protocol, number = port.split()
    for source in ({"SourceCidrIp": "8.0.0.0/9"}, {"SourceCidrIp": "", "Ipv6SourceCidrIp": "2a00::/40"}):
        raw = permission(IpProtocol=protocol, PortRange=f"{number}/{number}", **source)
        (one,) = judge(raw, checks=default_checks())
        assert (one.check_id, one.wide_for, one.severity.value) == ("wide", check_id, severity)
        assert (one.is_open, one.is_apart, one.action) == (is_open, not is_open, "report")


def test_what_is_grave_is_a_matter_of_ports() -> None:
    """A check of one's own for port 22 is as grave as the one that is shipped; its severity is its own."""
    own = (Check(id="mine", ports=(PortRange("tcp", 20, 30),), severity=Severity.low),)
    (one,) = judge(permission(SourceCidrIp="8.0.0.0/9"), checks=own)
    assert (one.wide_for, one.severity.value, one.is_open) == ("mine", "low", True)
    other = (Check(id="mine", ports=(PortRange("udp", 22, 22),), severity=Severity.critical),)
    (one,) = judge(permission(SourceCidrIp="8.0.0.0/9", IpProtocol="UDP"), checks=other)
    assert (one.wide_for, one.severity.value, one.is_open) == ("mine", "low", False)


def test_thresholds_are_the_configurations() -> None:
    """A check's own thresholds win over the general ones, for each family."""
    strict = (Check(id="ssh", ports=(PortRange("tcp", 22, 22),), ipv4_prefix=24, ipv6_prefix=48),)
    office, site = permission(SourceCidrIp="8.8.8.0/24"), v6("2a01:4f8:1::/48")
    assert told(judge(office, site, checks=strict)) == [("1", "ssh", "open"), ("2", "ssh", "open")]
    assert told(judge(permission(SourceCidrIp="8.8.8.0/25"), checks=strict)) == NOTHING
    found = evaluate(group(permission(SourceCidrIp="8.8.0.0/16")), SSH, NOW, (), Thresholds(ipv4_prefix=16))
    assert told(list(found)) == OPEN


def test_all_ports_is_told_besides_the_others() -> None:
    """A rule for every port fails all-ports, which only reports, and each check whose ports it opens."""
    found = judge(permission(PortRange="1/65535"), checks=default_checks())
    assert [(one.check_id, one.action) for one in found] == [
        ("ssh", "split"), ("rdp", "split"), ("databases", "split"), ("caches", "split"), ("admin-ports", "split"),
        ("all-ports", "report"),
    ]  # fmt: skip


ALL = (Check(id="all-ports", all_ports=True, severity=Severity.critical, action="report"),)


def test_all_ports_looks_at_what_is_left() -> None:
    """Every port dropped is shadowed, one port dropped is not; a rule for fewer ports is not meant."""
    wide_open = permission(IpProtocol="ALL", PortRange="-1/-1", Priority=9)
    assert told(judge(wide_open, checks=ALL)) == [("1", "all-ports", "open")]
    assert told(judge(wide_open, drop(), checks=ALL)) == [("1", "all-ports", "open")]
    assert told(judge(wide_open, drop(IpProtocol="ALL", PortRange="-1/-1"), checks=ALL)) == [
        ("1", "all-ports", "shadowed")
    ]
    assert told(judge(permission(PortRange="1/65534"), checks=ALL)) == NOTHING
    assert told(judge(permission(PortRange="22/22"), drop(), checks=ALL)) == NOTHING


def test_all_ports_by_several_rules() -> None:
    """Ranges that together leave no port closed fail by the widest of them; with one port missing they do not."""
    halves = [permission(PortRange="1/30000"), permission(PortRange="30001/65535")]
    assert told(judge(*halves, checks=ALL)) == [("2", "all-ports", "open")]
    assert told(judge(*halves, drop(PortRange="77/77"), checks=ALL)) == NOTHING
    assert told(judge(halves[0], permission(PortRange="30002/65535"), checks=ALL)) == NOTHING


def test_except_ports() -> None:
    """Any other port of TCP or UDP than those allowed fails; the allowed ones do not."""
    web = (Check(id="not-web", except_ports=(PortRange("tcp", 80, 80), PortRange("tcp", 443, 443))),)
    assert told(judge(permission(PortRange="80/80"), permission(PortRange="443/443"), checks=web)) == NOTHING
    (one,) = judge(permission(PortRange="442/443"), checks=web)
    assert (one.ports.texts, one.action) == (("tcp/442",), "split")
    (one,) = judge(permission(IpProtocol="UDP", PortRange="443/443"), checks=web)
    assert (one.ports.texts, one.action) == (("udp/443",), "revoke")


def test_icmp() -> None:
    """ICMP of both families and ALL fail an ICMP check; the witness has no port."""
    icmp = (Check(id="icmp", protocol="icmp"),)
    (one,) = judge(permission(IpProtocol="ICMP", PortRange="-1/-1"), checks=icmp)
    assert (one.ports.texts, one.action, one.witness and one.witness.port) == (("icmp",), "revoke", None)
    assert told(judge(v6("::/0", IpProtocol="ICMPv6", PortRange="-1/-1"), checks=icmp)) == [
        ("1", "icmp", "open")
    ]
    assert told(judge(permission(IpProtocol="ALL", PortRange="-1/-1"), checks=icmp)) == [
        ("1", "icmp", "open")
    ]
    assert told(judge(permission(), checks=icmp)) == NOTHING


def out(**fields: Any) -> Raw:
    """An egress rule for everything to anyone."""
    return permission(
        Direction="egress",
        SourceCidrIp="",
        **{"DestCidrIp": "0.0.0.0/0", "IpProtocol": "ALL", "PortRange": "-1/-1"} | fields,
    )


def test_egress() -> None:
    """An egress check looks at destinations: everything to anyone, or the ports it names; and is reported only."""
    everything = (Check(id="out", direction="egress"),)
    assert told(judge(out(), permission(), checks=everything)) == [("1", "out", "open")]
    assert told(judge(out(PortRange="443/443", IpProtocol="TCP"), checks=everything)) == NOTHING
    assert told(judge(out(DestCidrIp="10.0.0.0/8"), checks=everything)) == NOTHING
    assert told(judge(out(Policy="?"), checks=everything)) == UNDETERMINED
    smtp = (Check(id="smtp", direction="egress", ports=(PortRange("tcp", 25, 25),)),)
    (one,) = judge(out(), checks=smtp)
    assert (one.ports.texts, one.action, one.reason) == (
        ("tcp/25",), "report", "Lets tcp/25 out to the whole IPv4 Internet (0.0.0.0/0).",
    )  # fmt: skip


def test_private_networks() -> None:
    """A lateral check counts private addresses, by each rule alone, from /12 up."""
    lateral = (Check(id="lateral", ports=(PortRange("tcp", 22, 22),), zone="private", wider_than=13),)
    found = judge(
        permission(SourceCidrIp="172.16.0.0/12"), permission(SourceCidrIp="10.0.0.0/13"), checks=lateral
    )
    assert told(found) == [("1", "lateral", "open")]
    assert found[0].action == "report"
    assert found[0].severity.value == "high"
    assert found[0].reason == "Opens tcp/22 to 1,048,576 private IPv4 addresses (172.16.0.0/12)."
    many = [permission(SourceCidrIp=f"10.{n}.0.0/13") for n in (0, 8, 16, 24)]
    assert told(judge(*many, checks=lateral)) == NOTHING
    assert told(judge(v6("fd00::/47"), v6("fd00::/48"), checks=lateral)) == [("1", "lateral", "open")]


def test_many_ports_are_named_once() -> None:
    """A finding names the check's ports that the rule opens, touching ones as a range, and drops what drops take."""
    x11 = (Check(id="x11", ports=(PortRange("tcp", 6000, 6010),)),)
    (one,) = judge(permission(PortRange="6005/7000", Priority=9), drop(PortRange="6007/6007"), checks=x11)
    assert one.ports.texts == ("tcp/6005-6006", "tcp/6008-6010")
    assert one.risky_ports.texts == ("tcp/6005-6010",)


def test_findings_come_in_the_order_of_rules_and_checks() -> None:
    """Rules first, then checks; the undetermined among them in their place."""
    found = judge(
        permission(Policy="?"), permission(PortRange="-1/-1"), permission(), checks=default_checks()[:2]
    )
    assert [(one.rule_id, one.check_id) for one in found] == [
        ("sgr-1", "undetermined"), ("sgr-2", "ssh"), ("sgr-2", "rdp"), ("sgr-3", "ssh"),
    ]  # fmt: skip


def test_an_undetermined_rule_says_which_field() -> None:
    """The reason names every field that was not understood, and with what."""
    (one,) = judge(permission(Policy="Allow", SourceCidrIp="", SourcePrefixListId="pl-refused"))
    assert one.reason == (
        "This rule could not be judged: Policy: 'Allow' is neither accept nor drop; "
        "SourcePrefixListId: pl-refused Forbidden.RAM."
    )
    assert (one.witness, one.action, one.severity.value) == (None, "report", "medium")


def test_a_rule_of_an_unknown_direction_concerns_every_check() -> None:
    """It might be either way, so it is undetermined for a check of egress alone; an ingress rule is not."""
    out = (Check(id="out", direction="egress"),)
    (finding,) = evaluate(group(permission(Direction="sideways")), out, NOW)
    assert (finding.verdict, finding.ports.texts) == (Verdict.undetermined, ("tcp/22",))
    assert finding.reason.startswith("This rule could not be judged: Direction: ")
    assert evaluate(group(permission(Policy="maybe")), out, NOW) == ()


def test_an_empty_group_has_no_findings() -> None:
    """No rules, no findings."""
    assert judge(lists=NO_LISTS) == []
