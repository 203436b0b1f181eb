"""Checks, packs and exemptions: how they are read, what they refuse, and what an exemption shields."""

import tomllib
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import msgspec
import pytest

import orchestrator.policy
from orchestrator.exposure import NO_PORTS, PortSet
from orchestrator.policy import (
    Check,
    Finding,
    PolicyError,
    Severity,
    Status,
    Verdict,
    checks_for_ports,
    default_checks,
    distinct,
    evaluate,
    parse_check,
    parse_checks,
    parse_exemption,
    parse_exemptions,
    parse_packs,
    parse_port,
    refuse_unknown_checks,
    review,
)
from orchestrator.policy.exemptions import ExemptionSubject, match
from orchestrator.securitygroup import Lists, PortRange, every_port
from tests.rulebook import NOW, group, permission

PACKS = Path(orchestrator.policy.__file__).parent / "packs"
SSH = (Check(id="ssh", ports=(PortRange("tcp", 22, 22),), severity=Severity.critical),)


def says(error: Exception, message: str) -> bool:
    """Whether the error's words, or those after one of its colons, begin so."""
    return f": {message}" in f": {error}"


def test_the_words_of_the_contract() -> None:
    """Verdicts, statuses, severities and actions are what users' own tools look for."""
    assert [one.value for one in Verdict] == ["fail", "undetermined", "pass"]
    assert [one.value for one in Status] == ["open", "exempt", "shadowed", "managed"]
    assert [one.value for one in Severity] == ["critical", "high", "medium", "low"]
    for action in ("", "revoke", "split", "narrow", "block", "report"):
        assert parse_check({"id": "x", "ports": [22], "action": action}).action == action
    for direction in ("ingress", "egress"):
        assert parse_check({"id": "x", "ports": [22], "direction": direction}).direction == direction
    for zone in ("internet", "private", "any"):
        assert parse_check({"id": "x", "ports": [22], "zone": zone}).zone == zone


@pytest.mark.parametrize(
    ("text", "spec", "shown"),
    [
        ("tcp/22", PortRange("tcp", 22, 22), "tcp/22"),
        ("UDP/11211", PortRange("udp", 11211, 11211), "udp/11211"),
        ("tcp/6000-6010", PortRange("tcp", 6000, 6010), "tcp/6000-6010"),
        (" 22 ", PortRange("tcp", 22, 22), "tcp/22"),
        (3389, PortRange("tcp", 3389, 3389), "tcp/3389"),
        ("1-65535", PortRange("tcp", 1, 65535), "tcp/1-65535"),
    ],
)
def test_ports(text: object, spec: PortRange, shown: str) -> None:
    """A port as people write it; a bare one means TCP."""
    assert parse_port(text) == spec
    assert str(spec) == shown


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tcp",
        "tcp/",
        "tcp/0",
        "tcp/65536",
        "tcp/30-20",
        "sctp/22",
        "22/tcp",
        "tcp/-22",
        "tcp/2x",
        "tcp/000022",
    ],
)
def test_what_is_no_port(text: str) -> None:
    """Anything else is refused with a word on how to write it."""
    with pytest.raises(PolicyError, match=r"port .* is not understood: write tcp/22"):
        parse_port(text)


def test_a_check_from_toml() -> None:
    """Every key is understood."""
    check = parse_check(
        tomllib.loads("""
        id = "x11"
        title = "X11"
        reason = "it is old"
        ports = ["tcp/6000-6010", 22]
        severity = "medium"
        action = "block"
        ipv4_prefix = 16
        ipv6_prefix = 40
        references = ["somewhere"]
    """)
    )
    assert check == Check(
        id="x11", title="X11", reason="it is old", ports=(PortRange("tcp", 6000, 6010), PortRange("tcp", 22, 22)),
        severity=Severity.medium, action="block", ipv4_prefix=16, ipv6_prefix=40, references=("somewhere",),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({}, "check: Object missing required field `id`"),
        ({"id": "x"}, "check 'x': has no ports; say what is risky"),
        ({"id": " ", "ports": [22]}, "check ' ': id must not be empty"),
        ({"id": "x", "ports": []}, "check 'x': ports must be a list with at least one port"),
        ({"id": "x", "ports": "tcp/22"}, "check 'x': ports must be a list"),
        ({"id": "x", "ports": ["tcp/0"]}, "check 'x': port 'tcp/0' is not understood"),
        ({"id": "x", "port": ["tcp/22"]}, "Object contains unknown field `port`"),
        (
            {"id": "x", "ports": [22], "severity": "bad"},
            "severity 'bad' is none of critical, high, medium, low",
        ),
        (
            {"id": "x", "ports": [22], "action": "delete"},
            "action 'delete' is none of revoke, split, narrow, block, report",
        ),
        (
            {"id": "x", "ports": [22], "protocol": "icmp"},
            "has both ports and protocol; make two checks of it",
        ),
        ({"id": "x", "ports": [22], "except_ports": [80]}, "has both ports and except_ports"),
        ({"id": "x", "protocol": "quic"}, "protocol 'quic' is not known: icmp or gre"),
        ({"id": "x", "ports": [22], "ipv4_prefix": 33}, "ipv4_prefix must be between 0 and 32, not 33"),
        ({"id": "x", "ports": [22], "ipv6_prefix": 129}, "ipv6_prefix must be between 0 and 128, not 129"),
        ({"id": "x", "ports": [22], "wider_than": -1}, "wider_than must be between 0 and 32, not -1"),
        ({"id": "x", "ports": [22], "zone": "moon"}, "zone 'moon' is none of internet, private, any"),
        ({"id": "x", "ports": [22], "severity": 1}, "Expected `str`, got `int` - at `$.severity`"),
        (
            {"id": "x", "ports": [22], "direction": "sideways"},
            "direction 'sideways' is none of ingress, egress",
        ),
    ],
)
def test_a_bad_check_is_named(table: dict[str, Any], message: str) -> None:
    """The error names the check and says what is wrong."""
    with pytest.raises(PolicyError) as error:
        parse_check(table)
    assert says(error.value, message)


@pytest.mark.parametrize("key", ["ipv4_prefix", "ipv6_prefix", "wider_than"])
def test_the_ends_of_the_thresholds(key: str) -> None:
    """A prefix of 0 and the longest one are thresholds too."""
    for prefix in (0, 128 if key == "ipv6_prefix" else 32):
        assert getattr(parse_check({"id": "x", "ports": [22], key: prefix}), key) == prefix


def test_checks_without_ports() -> None:
    """Other subjects than ports: ICMP, egress, all ports, all but some, and wide sources."""
    for table in ({"protocol": "icmp"}, {"protocol": "gre"}, {"direction": "egress"}, {"all_ports": True},
                  {"except_ports": ["tcp/443"]}, {"wider_than": 16}):  # fmt: skip
        assert parse_check({"id": "x", **table}).id == "x"


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ([], "checks: no check is given; an empty list would pass everything"),
        ("ssh", "no check is given"),
        ([1], "checks: item 1 is not a table"),
        ([{"id": "x", "ports": [22]}, {"id": "y"}], "checks: check 2 'y': has no ports"),
        ([{"id": "x", "ports": [22]}, {"id": "x", "ports": [23]}], "checks: two checks have the id 'x'"),
    ],
)
def test_a_bad_list_of_checks(tables: object, message: str) -> None:
    """An empty list is an error, and so are two checks of one name."""
    with pytest.raises(PolicyError) as error:
        parse_checks(tables)
    assert says(error.value, message)


def test_checks_are_kept_in_a_run_as_ever() -> None:
    """A run folder holds its checks as JSON: ports are objects there, and those of earlier versions are understood."""
    (check,) = checks_for_ports(["udp/53-54"])
    kept = msgspec.to_builtins(check)
    assert list(kept["ports"]) == [{"protocol": "udp", "first": 53, "last": 54}]
    assert msgspec.convert(kept, Check) == check


def test_checks_for_ports() -> None:
    """A port asked for on the command line is a critical check of its own; none at all is an error."""
    found = checks_for_ports(["6379", "udp/53", "6379"])
    assert [(one.id, one.title, one.severity, [str(port) for port in one.ports]) for one in found] == [
        ("tcp-6379", "tcp/6379 open to the Internet", Severity.critical, ["tcp/6379"]),
        ("udp-53", "udp/53 open to the Internet", Severity.critical, ["udp/53"]),
    ]
    with pytest.raises(PolicyError, match="no port is given"):
        checks_for_ports([])


def packs() -> dict[str, dict[str, Any]]:
    """The packs that are shipped, as parsed files."""
    return {path.stem: tomllib.loads(path.read_text("utf-8")) for path in PACKS.glob("*.toml")}


def test_the_packs_that_are_shipped() -> None:
    """They are those promised, each check says why, and the default checks are theirs."""
    found = parse_packs(packs())
    assert set(found) == {
        "tutorial",
        "cis-alibaba-2.0",
        "databases",
        "admin-ports",
        "internal-lateral",
        "cloud-config-security-groups",
        "cloud-firewall-security-groups",
        "all",
    }
    everything = {check.id: check for checks in found.values() for check in checks}
    assert all(check.title and check.reason for check in everything.values())
    assert all(everything[check.id] == check for check in default_checks())
    assert [str(port) for check in found["tutorial"] for port in check.ports] == ["tcp/22", "tcp/3389"]
    cited = " ".join(reference for check in found["cis-alibaba-2.0"] for reference in check.references)
    assert all(number in cited for number in ("3.2", "3.5", "4.3", "4.4"))
    assert {check.action for check in found["internal-lateral"]} == {"report"}
    assert {check.zone for check in found["internal-lateral"]} == {"private"}
    assert {check.id for check in default_checks()} <= {check.id for check in found["all"]}


def test_the_default_checks_look_for_the_ports_that_matter() -> None:
    """SSH and RDP are critical, databases, caches and administration ports high."""
    by_port = {str(port): check.severity.value for check in default_checks() for port in check.ports}
    assert (by_port["tcp/22"], by_port["tcp/3389"]) == ("critical", "critical")
    listed = ["1433", "1521", "3306", "5432", "6379", "9200", "11211", "6443", "10250"]
    assert {by_port[f"tcp/{port}"] for port in listed} == {"high"}
    assert {"tcp/27017-27019", "tcp/2375-2376", "udp/11211"} <= set(by_port)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a": {}}, "pack 'a': no check is given"),
        ({"a": {"checks": []}}, "pack 'a': no check is given"),
        ({"a": {"include": []}}, "pack 'a': no check is given"),
        ({"a": {"check": []}}, "pack 'a': unknown key 'check'"),
        ({"a": {"include": ["b"]}}, "pack 'b' does not exist; there are a"),
        ({"a": {"include": "b"}}, "pack 'a': include must be a list of names"),
        ({"a": {"include": ["b"]}, "b": {"include": ["a"]}}, "pack 'a' includes itself by way of a > b"),
        ({"a": {"checks": [{"id": "x"}]}}, "pack 'a': check 1 'x': has no ports"),
        ({"a": {"include": ["b"], "checks": [{"id": "x", "ports": [1]}]}, "b": {"checks": [{"id": "x", "ports": [2]}]}},
         "pack 'a': two checks have the id 'x'"),
    ],
)  # fmt: skip
def test_a_bad_pack(files: dict[str, dict[str, Any]], message: str) -> None:
    """Empty, unknown, circular or contradictory content is an error that names the pack."""
    with pytest.raises(PolicyError) as error:
        parse_packs(files)
    assert says(error.value, message)


def test_the_same_check_by_two_ways_is_one() -> None:
    """A check that two packs share is taken once."""
    one = {"checks": [{"id": "x", "ports": [1]}]}
    assert len(parse_packs({"a": {"include": ["b", "c"]}, "b": one, "c": one})["a"]) == 1
    assert distinct([*SSH, *SSH], "x") == SSH


def exempt(**fields: Any) -> dict[str, Any]:
    """An exemption for SSH of a group, until the end of the year."""
    return {"owner": "ann", "reason": "bastion", "expires": "2026-12-31", **fields}


def judge(*tables: dict[str, Any], raw: dict[str, object] | None = None, **listing: Any) -> list[Finding]:
    """The findings of a group with SSH open, under these exemptions."""
    one = group(raw or permission(), lists=Lists(prefix_lists={"pl-1": ("8.0.0.0/8",)}), **listing)
    return list(evaluate(one, SSH, NOW, parse_exemptions(list(tables))))


TAGS: dict[str, Any] = {"Tags": {"Tag": [{"TagKey": "team", "TagValue": "net"}]}}


@pytest.mark.parametrize(
    ("matcher", "matches"),
    [
        ({"account": "1000"}, True),
        ({"account": ["9", "1000"]}, True),
        ({"account": "1001"}, False),
        ({"account": "sh*"}, True),
        ({"account": "desk-*"}, False),
        ({"folder": "fd-prod"}, True),
        ({"folder": "Root/Prod"}, True),
        ({"folder": "Root/Prod/"}, True),
        ({"folder": "Root/Prod/Web"}, True),
        ({"folder": "Root/Pro"}, False),
        ({"folder": "Root/ProdX"}, False),
        ({"folder": "Root/Prod/Web/Shop"}, False),
        ({"folder": "Prod"}, True),
        ({"folder": "Prod/Web"}, True),
        ({"folder": "Pr*"}, True),
        ({"folder": "Web"}, False),
        ({"folder": "fd-*"}, False),
        ({"region": "cn-hangzhou"}, True),
        ({"region": "cn-shanghai"}, False),
        ({"group": "sg-1"}, True),
        ({"group": "we?"}, True),
        ({"group": "w*"}, True),
        ({"group": "W*"}, False),
        ({"group": "sg-*"}, False),
        ({"tag": "team=net"}, True),
        ({"tag": "team"}, True),
        ({"tag": "team=db"}, False),
        ({"tag": "cost"}, False),
        ({"tag": "env=prod"}, False),
        ({"account_tag": "env=prod"}, True),
        ({"account_tag": "env="}, False),
        ({"account_tag": ["team", "e*"]}, True),
        ({"account_tag": "team"}, False),
        ({"tag": "te*=n?t"}, True),
        ({"tag": ["cost", "team=db", "te*"]}, True),
        ({"tag": "te*=d*"}, False),
        ({"rule": "sgr-1"}, True),
        ({"rule": "sgr-2"}, False),
        ({"check": "ssh"}, True),
        ({"check": "rdp"}, False),
        ({"port": "22"}, True),
        ({"port": ["tcp/20-30"]}, True),
        ({"port": "udp/22"}, False),
        ({"port": "tcp/23"}, False),
        ({"source": "0.0.0.0/0"}, True),
        ({"source": ["0.0.0.0/1", "128.0.0.0/1"]}, True),
        ({"source": "8.0.0.0/8"}, False),
        ({"source": "::/0"}, False),
        ({"account": "1000", "port": "22", "source": "0.0.0.0/0"}, True),
        ({"account": "1000", "port": "23"}, False),
    ],
)
def test_what_an_exemption_matches(matcher: dict[str, Any], matches: bool) -> None:  # noqa: FBT001  (a table)
    """All matchers given must match; of several values one must."""
    asked = {"member_writable": True} if {"group", "tag"} & set(matcher) else {}
    wide = (
        {"region": "cn-hangzhou"} if {"source"} >= set(matcher) else {}
    )  # the whole Internet alone is no matcher
    (one,) = judge(exempt(id="e1", **matcher, **asked, **wide), **TAGS)
    assert (one.status.value, one.exemption) == (("exempt", "e1") if matches else ("open", ""))
    assert one.verdict.value == "fail"


def test_an_exemption_for_one_port_does_not_shield_its_neighbour() -> None:
    """All ports that a finding opens must be allowed, else none is."""
    checks = (Check(id="two", ports=(PortRange("tcp", 22, 23), PortRange("udp", 53, 53))),)
    one = group(permission(PortRange="1/100"))
    assert [f.status.value for f in evaluate(one, checks, NOW, parse_exemptions([exempt(port="22")]))] == [
        "open"
    ]
    assert [f.status.value for f in evaluate(one, checks, NOW, parse_exemptions([exempt(port="22-23")]))] == [
        "exempt"
    ]
    icmp = (Check(id="icmp", protocol="icmp"),)
    ping = group(permission(IpProtocol="ICMP", PortRange="-1/-1"))
    assert [f.status.value for f in evaluate(ping, icmp, NOW, parse_exemptions([exempt(port="22")]))] == [
        "open"
    ]


@pytest.mark.parametrize(("port", "status"), [("udp/53", "exempt"), ("tcp/53", "open"), ("udp/54", "open")])
def test_an_exemption_for_udp_is_none_for_tcp(port: str, status: str) -> None:
    """The same number in another protocol is another port."""
    dns = (Check(id="dns", ports=(PortRange("udp", 53, 53),)),)
    one = group(permission(IpProtocol="UDP", PortRange="53/53"))
    (finding,) = evaluate(one, dns, NOW, parse_exemptions([exempt(port=port)]))
    assert finding.status.value == status


def test_what_says_nothing_is_not_matched() -> None:
    """No port is not every port; a rule that is not understood, or has no far side, comes from nowhere allowed."""
    here = {"account": "1000"}
    exemptions = parse_exemptions(
        [exempt(port="1-65535", **here), exempt(source=["0.0.0.0/0", "::/0"], **here)]
    )
    subjects = (permission(Policy="?"), permission(SourceCidrIp="", PortRange="22/22"))
    for raw in subjects:
        one = group(raw)
        assert match(exemptions, ExemptionSubject(one, one.rules[0], ("ssh",), NO_PORTS)) == []
    whole = group(permission())
    for ports, matching in (
        (NO_PORTS, 0),
        (PortSet([every_port("icmp")]), 0),
        (PortSet([parse_port(22)]), 1),
    ):
        found = match(exemptions[:1], ExemptionSubject(whole, whole.rules[0], ("ssh",), ports))
        assert found == list(exemptions[:matching])


def test_an_exemption_without_an_id_is_called_by_its_place() -> None:
    """The name it was read by is its id."""
    assert parse_exemption(exempt(account="1")).id == "exemption"


def test_an_exemption_for_a_source_holds_for_lists_too() -> None:
    """Every entry of a prefix list must lie within the allowed source."""
    raw = permission(SourceCidrIp="", SourcePrefixListId="pl-1")
    assert judge(exempt(source="8.0.0.0/7"), raw=raw)[0].status.value == "exempt"
    assert judge(exempt(source="8.0.0.0/9"), raw=raw)[0].status.value == "open"


def test_nothing_else_is_exempt() -> None:
    """A rule that could not be judged stays open, a managed or shadowed one stays what it is."""
    assert judge(exempt(account="1000"), raw=permission(Policy="?"))[0].status.value == "open"
    assert judge(exempt(account="1000"), ServiceManaged=True)[0].status.value == "managed"
    assert judge(exempt(account="1000"), ServiceManaged=True)[0].exemption == "exemptions: exemption 1"


def test_an_exemption_is_told_with_its_owner() -> None:
    """The reason says until when, by whom and why."""
    (one,) = judge(exempt(account="1000"))
    assert (
        one.reason
        == "Opens tcp/22 to the whole IPv4 Internet (0.0.0.0/0); exempt until 2026-12-31 by ann: bastion."
    )


@pytest.mark.parametrize(
    ("expires", "live"),
    [
        ("2026-11-01", True),
        ("2026-10-31", False),
        (date(2026, 11, 1), True),
        (datetime(2026, 11, 1), False),  # noqa: DTZ001  (a TOML local time; UTC is meant)
        (datetime(2026, 11, 1, 1, tzinfo=UTC), True),
        (datetime(2026, 11, 1, 1, tzinfo=timezone(timedelta(hours=8))), False),
        ("2026-11-01T00:00:01Z", True),
        ("2026-11-01T08:00:00+08:00", False),
    ],
)
def test_an_exemption_ends(expires: object, live: bool) -> None:  # noqa: FBT001  (a table)
    """A day is included to its end, a moment is the end; after it the finding is open, and says so."""
    (one,) = judge(exempt(id="e1", account="1000", expires=expires))
    assert one.status.value == ("exempt" if live else "open")
    assert ("; the exemption e1 expired on 2026-1" in one.reason) == (not live)


def test_a_live_exemption_wins_over_an_expired_one() -> None:
    """Of several that match, the first live one shields."""
    (one,) = judge(exempt(id="old", account="1000", expires="2026-01-01"), exempt(id="new", account="1000"))
    assert (one.status.value, one.exemption) == ("exempt", "new")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (exempt(), "matches everything; say at least one of account, folder"),
        (
            {**exempt(account="1"), "owner": " "},
            "owner is missing; an exemption needs owner, reason and expires",
        ),
        ({**exempt(account="1"), "reason": ""}, "reason is missing"),
        ({"account": "1", "owner": "a", "reason": "b"}, "expires is missing"),
        (exempt(account="1", expires="soon"), "expires 'soon' is no date; write 2027-03-31"),
        (exempt(account="1", expires=5), "expires must be a date"),
        (exempt(account=[]), "account must be a text or a list of texts, and not empty"),
        (exempt(account=""), "account must be a text"),
        (exempt(account=7), "account must be a text"),
        (exempt(port="tcp/0"), "port: port 'tcp/0' is not understood"),
        (exempt(source="10.0.0.0/33"), "source: '10.0.0.0/33' has a prefix longer than its address"),
        (
            exempt(account="1", accounts="1"),
            "unknown key 'accounts'; an exemption has id, owner, reason, expires, account",
        ),
        (exempt(account="*"), "matches everything; say at least one of account, folder"),
        (exempt(account=["1000", "*"]), "matches everything"),
        (exempt(folder="Root/"), "matches everything"),
        (exempt(folder="Root/*"), "matches everything"),
        (exempt(account_tag="*=*"), "matches everything"),
        (exempt(group="**", member_writable=True), "matches everything"),
        (exempt(tag="*", member_writable=True), "matches everything"),
        (exempt(port=["1-65535", "udp/53"]), "matches everything"),
        (exempt(source=["0.0.0.0/1", "128.0.0.0/1"]), "matches everything"),
        (exempt(source=["10.0.0.0/8", "::/0"]), "matches everything"),
        (
            exempt(group=["sg-1", "bastion-*"]),
            "the group name bastion-* can be written by members, who could so exempt themselves: name groups",
        ),
        (exempt(tag="team", account="1"), "the group tag team can be written by members"),
        (
            exempt(group="web", tag="team", account="1"),
            "the group name web and the group tag team can be written",
        ),
        (exempt(group="web", member_writable="yes"), "Expected `bool`, got `str` - at `$.member_writable`"),
        (exempt(account="1", member_writable=True), "member_writable is about names and tags of groups"),
    ],
)
def test_a_bad_exemption_is_named(table: dict[str, Any], message: str) -> None:
    """The error names the exemption and says what is wrong."""
    with pytest.raises(PolicyError, match="exemption 'mine'") as error:
        parse_exemption({"id": "mine", **table})
    assert says(error.value, message)


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({}, "exemptions: must be a list of tables"),
        (["x"], "exemptions: item 1 is not a table"),
        ([exempt(id="a", rule="1"), exempt(id="a", rule="2")], "exemptions: two exemptions have the id 'a'"),
    ],
)
def test_a_bad_list_of_exemptions(tables: object, message: str) -> None:
    """Not a list, not a table, or an id twice."""
    with pytest.raises(PolicyError, match=message):
        parse_exemptions(tables)


def test_what_is_told_of_exemptions() -> None:
    """Expired ones, those that end within 14 days, and those that matched nothing."""
    soon, later = NOW + timedelta(days=14), NOW + timedelta(days=14, seconds=1)
    tables = [
        exempt(id="old", rule="1", expires=NOW), exempt(id="soon", rule="1", expires=soon),
        exempt(id="later", rule="1", expires=later), exempt(id="idle", rule="1", expires=later),
    ]  # fmt: skip
    notes = review(parse_exemptions(tables), {"soon": 1, "later": 2, "idle": 0}, NOW)
    assert [(note.id, note.state) for note in notes] == [
        ("old", "expired"),
        ("soon", "expiring"),
        ("idle", "unused"),
    ]
    assert notes[0].text == "exemption old of ann expired on 2026-11-01 and no longer shields anything"
    assert notes[1].text == "exemption soon of ann expires on 2026-11-15"
    assert notes[2].text == "exemption idle of ann matches nothing"


def test_an_exemption_that_members_can_write_is_listed() -> None:
    """As long as it lives: with what they can write, and how much is exempt by it."""
    asked: dict[str, Any] = {"member_writable": True, "expires": "2027-12-31"}
    tables = [
        exempt(id="named", group=["sg-1", "bastion-*"], tag="team", **asked),
        exempt(id="by-id", group=["sg-1", "sg-2"], **asked),
        exempt(id="idle", tag=["team", "env=lab"], **asked),
        exempt(id="old", group="w*", member_writable=True, expires="2026-01-01"),
        exempt(id="owned", group="sg-1", expires="2027-12-31"),
    ]
    notes = review(parse_exemptions(tables), {"named": 3, "by-id": 1, "owned": 1}, NOW)
    assert [(note.id, note.state) for note in notes] == [
        ("named", "member_writable"), ("by-id", "member_writable"),
        ("idle", "unused"), ("idle", "member_writable"), ("old", "expired"),
    ]  # fmt: skip
    assert notes[0].text == (
        "exemption named of ann can be taken by members, who can write the group name bastion-* and "
        "the group tag team; 3 findings are exempt by it"
    )
    assert "who can write a group named sg-1, sg-2; 1 findings" in notes[1].text
    assert "who can write the group tag team, env=lab; 0 findings" in notes[3].text


@pytest.mark.parametrize(
    "matcher",
    [
        {"account": "XX"},
        {"account_tag": "env=*"},
        {"folder": "Roots"},
        {"port": "udp/1-65535"},
        {"port": "1-65534"},
        {"source": "0.0.0.0/1"},
        {"source": ["10.0.0.0/8", "fc00::/7"]},
        {"account": "*", "rule": "sgr-1"},
    ],
)
def test_what_is_a_matcher(matcher: dict[str, Any]) -> None:
    """One thing that could fail to match is enough."""
    assert parse_exemption(exempt(**matcher)).owner == "ann"


def test_a_group_that_a_member_called_by_the_id_of_another_is_not_exempt() -> None:
    """An id means the group that has it, unless names were asked for, too."""
    name: dict[str, Any] = {"SecurityGroupId": "sg-2", "SecurityGroupName": "sg-1"}
    assert judge(exempt(group="sg-1"), **name)[0].status.value == "open"
    assert judge(exempt(group="sg-1", member_writable=True), **name)[0].status.value == "exempt"
    assert judge(exempt(group="sg-2"), **name)[0].status.value == "exempt"


def test_an_exemption_for_a_check_covers_its_wide_findings() -> None:
    """Who answers for SSH from everywhere answers for less; "wide" means all of them, another check none."""
    wide = permission(SourceCidrIp="8.0.0.0/9")
    for check, status in (("ssh", "exempt"), ("wide", "exempt"), ("rdp", "open")):
        (one,) = judge(exempt(check=check), raw=wide)
        assert (one.check_id, one.status.value) == ("wide", status)
    assert judge(exempt(check="wide"))[0].status.value == "open"


def test_an_exemption_for_a_check_that_there_is_not_is_refused() -> None:
    """It would shield nothing, and nobody would know; ports that are asked for by themselves have checks, too."""
    for known in ("ssh", "wide", "tcp-6379", "udp-6000-6010"):
        refuse_unknown_checks(parse_exemptions([exempt(check=known)]), SSH)
    for unknown in ("shh", "22", "tcp-", "tcp-0", "tcp-022", "undetermined"):
        with pytest.raises(
            PolicyError, match=f"exemption 'e1': unknown check '{unknown}'; there are ssh, wide"
        ):
            refuse_unknown_checks(parse_exemptions([exempt(id="e1", check=["ssh", unknown])]), SSH)
