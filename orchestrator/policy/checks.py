"""What is looked for: ports, checks, thresholds, and how they are read from a configuration."""

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Literal, get_args

import msgspec

from orchestrator.exposure import Zone
from orchestrator.securitygroup import WITH_PORTS, Direction, PortRange, parse_ports


class PolicyError(ValueError):
    """A check, port or exemption that cannot be used; the text names it and says what to do."""


class Severity(str, Enum):
    """How bad it is, worst first."""

    critical = "critical"
    high = "high"
    medium = "medium"
    low = "low"

    def lowered(self, steps: int) -> "Severity":
        """The severity this many steps less bad; never below low."""
        order = list(Severity)
        return order[min(order.index(self) + steps, len(order) - 1)]


class Verdict(str, Enum):
    """What a judgement says of a rule; only the first two make a finding, a pass is silence."""

    fail = "fail"
    undetermined = "undetermined"
    pass_ = "pass"  # noqa: S105  (no password: "pass" is a keyword)


class Status(str, Enum):
    """Where a finding stands: only open ones are to be acted on."""

    open = "open"
    exempt = "exempt"
    shadowed = "shadowed"
    managed = "managed"


Action = Literal["", "revoke", "split", "narrow", "block", "report"]


class Thresholds(msgspec.Struct, frozen=True, cache_hash=True):
    """How much of the Internet is too much, as prefix lengths: that many public addresses, or more.

    In IPv6 a /32 is one provider's or CDN's block, as many blocks of /9 to /16 are in IPv4; a /20 is what the largest
    carriers hold. Wide is what is worth a look though it does not fail: an IPv4 /16, or an IPv6 /40, which is what a
    large organization holds as a /16 is in IPv4.
    """

    ipv4_prefix: int = 8
    ipv6_prefix: int = 20
    wide_ipv4_prefix: int = 16
    wide_ipv6_prefix: int = 40


DEFAULT = Thresholds()


class Check(msgspec.Struct, frozen=True, cache_hash=True, forbid_unknown_fields=True):
    """One thing to look for.

    Exactly one of these says what is risky; each may be given a `direction`.

    ports: these ports, open to more addresses than the threshold.
    except_ports: every other port of TCP and UDP.
    all_ports: a rule that opens every port of TCP or UDP.
    protocol: "icmp" (ICMPv6 included) or another protocol without ports.
    direction "egress" alone: everything may go out to anyone.

    zone: whose addresses count: "internet", "private" networks, or "any".
    wider_than: with it a rule fails by its own source, if that is larger than a block of this prefix length
        (for IPv6 see ipv6_prefix, by default 48); rules are then not added up.
    ipv4_prefix, ipv6_prefix: this check's own thresholds.
    action: what to do; "" is the default: revoke where only risky ports are open, else split.
    """

    id: str
    title: str = ""
    reason: str = ""
    ports: tuple[PortRange, ...] = ()
    severity: Severity = Severity.high
    action: Action = ""
    direction: Direction = "ingress"
    except_ports: tuple[PortRange, ...] = ()
    all_ports: bool = False
    protocol: str = ""
    zone: Zone = "internet"
    wider_than: int | None = None
    ipv4_prefix: int | None = None
    ipv6_prefix: int | None = None
    references: tuple[str, ...] = ()


_WORDS: dict[str, tuple[str, ...]] = {
    "severity": tuple([severity.value for severity in Severity]),
    "action": get_args(Action),
    "direction": get_args(Direction),
    "zone": get_args(Zone),
}


def parse_port(text: object) -> PortRange:
    """Ports of TCP or UDP as a configuration names them: "tcp/22", "tcp/6000-6010", 22. Raises PolicyError."""
    try:
        ports = parse_ports(str(text))
    except ValueError:
        ports = None
    if ports is None or ports.protocol not in WITH_PORTS:
        raise PolicyError(f"port {text!r} is not understood: write tcp/22, udp/53, tcp/6000-6010 or 22")
    return ports


def parse_check(data: Mapping[str, object], name: str = "check") -> Check:
    """A check from a TOML table; raises PolicyError that begins with `name` or the check's id."""
    label = f"{name} {data['id']!r}" if data.get("id") else name
    fields = {**data}
    for key in ("ports", "except_ports"):
        if key in fields:
            fields[key] = _listed_ports(label, key, fields[key])
    for key, words in _WORDS.items():
        if isinstance(given := fields.get(key, ""), str) and given and given not in words:
            raise PolicyError(f"{label}: {key} {given!r} is none of {', '.join(filter(None, words))}")
    try:
        check = msgspec.convert(fields, Check)
    except msgspec.ValidationError as error:
        raise PolicyError(f"{label}: {error}") from None
    _refuse_senseless(label, check, data)
    return check


def parse_checks(tables: object, name: str = "checks") -> tuple[Check, ...]:
    """Checks from a list of TOML tables. An empty list, or an id given twice, is an error."""
    if not isinstance(tables, list | tuple) or not tables:
        raise PolicyError(f"{name}: no check is given; an empty list would pass everything")
    checks = []
    for number, table in enumerate(tables, 1):
        if not isinstance(table, Mapping):
            raise PolicyError(f"{name}: item {number} is not a table")
        checks.append(parse_check(table, f"{name}: check {number}"))
    return distinct(checks, name)


def parse_packs(files: Mapping[str, Mapping[str, object]]) -> dict[str, tuple[Check, ...]]:
    """Check packs from parsed TOML files by name: each has `checks`, or `include`s others, or both."""
    return {name: _pack(name, files, ()) for name in files}


def checks_for_ports(ports: Iterable[str]) -> tuple[Check, ...]:
    """One critical check for each port named, as `--port 6379` and SGSWEEP_PORTS ask for."""
    named = dict.fromkeys(parse_port(port) for port in ports)
    if not named:
        raise PolicyError("no port is given; an empty list would pass everything")
    return tuple(
        [Check(id=str(port).replace("/", "-"), title=f"{port} open to the Internet", ports=(port,),
               severity=Severity.critical) for port in named]
    )  # fmt: skip


def distinct(checks: Iterable[Check], name: str) -> tuple[Check, ...]:
    """The checks, each once; two different ones with the same id are an error."""
    by_id: dict[str, Check] = {}
    for check in checks:
        if by_id.setdefault(check.id, check) != check:
            raise PolicyError(f"{name}: two checks have the id {check.id!r}; rename one")
    return tuple(by_id.values())


def _pack(name: str, files: Mapping[str, Mapping[str, object]], way: tuple[str, ...]) -> tuple[Check, ...]:
    if name in way:
        raise PolicyError(f"pack {name!r} includes itself by way of {' > '.join(way)}")
    if name not in files:
        raise PolicyError(f"pack {name!r} does not exist; there are {', '.join(sorted(files))}")
    content = files[name]
    unknown = sorted(set(content) - {"title", "include", "checks"})
    if unknown:
        raise PolicyError(f"pack {name!r}: unknown key {unknown[0]!r}; a pack has title, include and checks")
    included = content.get("include", [])
    if not isinstance(included, list):
        raise PolicyError(f"pack {name!r}: include must be a list of names")
    checks = [check for other in included for check in _pack(str(other), files, (*way, name))]
    if content.get("checks") or not checks:
        checks += parse_checks(content.get("checks"), f"pack {name!r}")
    return distinct(checks, f"pack {name!r}")


def _listed_ports(label: str, key: str, value: object) -> tuple[PortRange, ...]:
    if not isinstance(value, list | tuple) or not value:
        raise PolicyError(f'{label}: {key} must be a list with at least one port, like {key} = ["tcp/22"]')
    try:
        return tuple([parse_port(item) for item in value])
    except PolicyError as error:
        raise PolicyError(f"{label}: {error}") from None


def _refuse_senseless(label: str, check: Check, data: Mapping[str, object]) -> None:
    """A check must have an id, one subject, and thresholds that exist."""
    subjects = [key for key in ("ports", "except_ports", "all_ports", "protocol") if getattr(check, key)]
    if not check.id.strip():
        raise PolicyError(f"{label}: id must not be empty")
    if len(subjects) > 1:
        raise PolicyError(f"{label}: has both {subjects[0]} and {subjects[1]}; make two checks of it")
    if not subjects and "direction" not in data and "wider_than" not in data:
        raise PolicyError(f'{label}: has no ports; say what is risky, like ports = ["tcp/22"]')
    if check.protocol and check.protocol not in {"icmp", "gre"}:
        raise PolicyError(
            f"{label}: protocol {check.protocol!r} is not known: icmp or gre; for others give ports"
        )
    for key, longest in (("ipv4_prefix", 32), ("ipv6_prefix", 128), ("wider_than", 32)):
        prefix = getattr(check, key)
        if prefix is not None and not 0 <= prefix <= longest:
            raise PolicyError(f"{label}: {key} must be between 0 and {longest}, not {prefix}")
