"""Waivers: what somebody has answered for, until a day. None of them hides anything; it only says so."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta, timezone
from fnmatch import fnmatchcase
from typing import Literal, NamedTuple

import msgspec

from orchestrator.exposure import addresses_of as source_addresses
from orchestrator.exposure import minus, normal
from orchestrator.policy.checks import PolicyError, PortSpec
from orchestrator.securitygroup import Cidr, Rule, SecurityGroup, parse_cidr

SOON = timedelta(days=14)
"""An exemption that ends within this time is warned of."""

Texts = tuple[str, ...]


class Exemption(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A waiver. All matchers that are given must match; of several values of one matcher, one must.

    account, region, rule, check: ids. folder: an id, or a path of names; what lies below is meant too.
    group: an id, or a pattern (with * and ?) for its name.
    tag: "key=value" or "key", of the group or its account.
    port: all ports that the finding opens must be among these.
    source: all of the rule's addresses must be in these.
    expires: the moment it ends; a day written alone is included.
    """

    id: str
    owner: str
    reason: str
    expires: datetime
    account: Texts = ()
    folder: Texts = ()
    region: Texts = ()
    group: Texts = ()
    tag: Texts = ()
    rule: Texts = ()
    check: Texts = ()
    port: tuple[PortSpec, ...] = ()
    source: tuple[Cidr, ...] = ()

    def is_live(self, now: datetime) -> bool:
        """Whether it still shields."""
        return now < self.expires


class ExemptionNote(msgspec.Struct, frozen=True):
    """Something to tell of an exemption: it has expired, expires soon, or matches nothing."""

    id: str
    state: Literal["expired", "expiring", "unused"]
    owner: str
    expires: datetime
    text: str


class Subject(NamedTuple):
    """What an exemption is held against."""

    group: SecurityGroup
    rule: Rule
    check_id: str
    ports: Sequence[str]


_MATCHERS = ("account", "folder", "region", "group", "tag", "rule", "check", "port", "source")


def parse_exemptions(tables: object, name: str = "exemptions") -> tuple[Exemption, ...]:
    """Exemptions from a list of TOML tables; raises PolicyError that says which one is wrong and why."""
    if not isinstance(tables, list | tuple):
        raise PolicyError(f"{name}: must be a list of tables, [[exemptions]]")
    found: list[Exemption] = []
    for number, table in enumerate(tables, 1):
        if not isinstance(table, Mapping):
            raise PolicyError(f"{name}: item {number} is not a table")
        found.append(parse_exemption(table, f"{name}: exemption {number}"))
    ids = [one.id for one in found]
    twice = next((one for one in ids if ids.count(one) > 1), None)
    if twice:
        raise PolicyError(f"{name}: two exemptions have the id {twice!r}; rename one")
    return tuple(found)


def parse_exemption(table: Mapping[str, object], name: str = "exemption") -> Exemption:
    """One exemption from a TOML table; `name` is also its id where it has none. Raises PolicyError."""
    label = f"{name} {table['id']!r}" if table.get("id") else name
    for key in ("owner", "reason", "expires"):
        if not str(table.get(key, "")).strip():
            raise PolicyError(f"{label}: {key} is missing; an exemption needs owner, reason and expires")
    fields = {"id": name, **table, "expires": _moment(label, table["expires"])}
    fields |= {key: _values(label, key, table[key]) for key in _MATCHERS if key in table}
    if not any(fields.get(key) for key in _MATCHERS):
        raise PolicyError(f"{label}: matches everything; say at least one of {', '.join(_MATCHERS)}")
    try:
        return msgspec.convert(fields, Exemption)
    except msgspec.ValidationError as error:
        raise PolicyError(f"{label}: {error}") from None


def match(exemptions: Iterable[Exemption], subject: Subject) -> list[Exemption]:
    """Those that match, live or not."""
    return [one for one in exemptions if _matches(one, subject)]


def review(
    exemptions: Iterable[Exemption], used: Collection[str], now: datetime
) -> tuple[ExemptionNote, ...]:
    """What is to be told of the exemptions after a run in which those in `used` matched something."""
    notes: list[ExemptionNote] = []
    for one in exemptions:
        day = one.expires.date().isoformat()
        if not one.is_live(now):
            notes.append(_note(one, "expired", f"expired on {day} and no longer shields anything"))
        elif one.expires - now <= SOON:
            notes.append(_note(one, "expiring", f"expires on {day}"))
        if one.is_live(now) and one.id not in used:
            notes.append(_note(one, "unused", "matches nothing"))
    return tuple(notes)


def _note(one: Exemption, state: Literal["expired", "expiring", "unused"], text: str) -> ExemptionNote:
    return ExemptionNote(one.id, state, one.owner, one.expires, f"exemption {one.id} of {one.owner} {text}")


def _matches(one: Exemption, subject: Subject) -> bool:
    group, rule = subject.group, subject.rule
    return (
        _among(one.account, group.placement.account_id)
        and _among(one.region, group.region_id)
        and _among(one.rule, rule.rule_id)
        and _among(one.check, subject.check_id)
        and (not one.group or any(_is_group(wanted, group) for wanted in one.group))
        and (not one.folder or any(_is_in(wanted, group) for wanted in one.folder))
        and (not one.tag or any(_is_tagged(wanted, group) for wanted in one.tag))
        and (not one.port or _allows_ports(one.port, subject.ports))
        and (not one.source or _allows_source(one.source, rule))
    )


def _among(wanted: Texts, value: str) -> bool:
    return not wanted or value in wanted


def _is_group(wanted: str, group: SecurityGroup) -> bool:
    return wanted == group.security_group_id or fnmatchcase(group.name, wanted)


def _is_in(wanted: str, group: SecurityGroup) -> bool:
    path = group.placement.folder_path
    return wanted in group.placement.folder_ids or path == wanted or path.startswith(wanted.rstrip("/") + "/")


def _is_tagged(wanted: str, group: SecurityGroup) -> bool:
    key, given, value = wanted.partition("=")
    tags = (*group.tags, *group.placement.tags)
    return (key, value) in tags if given else any(key == tag for tag, _ in tags)


def _allows_ports(allowed: Sequence[PortSpec], opened: Sequence[str]) -> bool:
    """Whether all that is opened is allowed; an exemption for one port does not shield its neighbour."""
    try:
        specs = [PortSpec.parse(text) for text in opened if "/" in text]
    except PolicyError:
        return False
    for protocol in ("tcp", "udp"):
        here = normal([(one.first, one.last) for one in specs if one.protocol == protocol])
        if minus(here, normal([(one.first, one.last) for one in allowed if one.protocol == protocol])):
            return False
    return len(specs) == len(opened) > 0


def _allows_source(allowed: Sequence[Cidr], rule: Rule) -> bool:
    if rule.peer is None or rule.problems:
        return False
    inside = normal([pair for one in allowed for pair in source_addresses(one)])
    return not minus(source_addresses(rule.peer), inside)


def _moment(label: str, value: object) -> datetime:
    """The end of a day, or a moment; without a zone UTC is meant."""
    if isinstance(value, str):
        try:
            text = value.strip()
            value = (
                date.fromisoformat(text)
                if len(text) == 10
                else datetime.fromisoformat(text.replace("Z", "+00:00"))
            )
        except ValueError:
            raise PolicyError(f"{label}: expires {value!r} is no date; write 2027-03-31") from None
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=timezone.utc)
    if isinstance(value, date):
        return datetime.combine(value, time.max, timezone.utc)
    raise PolicyError(f"{label}: expires must be a date like 2027-03-31")


def _values(label: str, key: str, value: object) -> tuple[object, ...]:
    """One value or a list of them, each understood as the matcher needs it."""
    items = value if isinstance(value, list | tuple) else [value]
    if not items or not all(isinstance(item, str) and item.strip() for item in items):
        raise PolicyError(f"{label}: {key} must be a text or a list of texts, and not empty")
    try:
        if key == "port":
            return tuple([msgspec.structs.asdict(PortSpec.parse(item)) for item in items])
        if key == "source":
            return tuple([msgspec.structs.asdict(parse_cidr(str(item))) for item in items])
    except ValueError as error:
        raise PolicyError(f"{label}: {key}: {error}") from None
    return tuple(items)
