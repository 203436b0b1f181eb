"""Waivers: what somebody has answered for, until a day. None of them hides anything; it only says so."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta, timezone
from typing import Literal, NamedTuple

import msgspec

from matching import named, tagged, within
from orchestrator.exposure import PUBLIC, PortSet, blocks, both, minus, normal
from orchestrator.exposure import addresses_of as source_addresses
from orchestrator.policy.checks import Check, PolicyError, parse_port
from orchestrator.policy.findings import WIDE
from orchestrator.securitygroup import Cidr, PortRange, Rule, SecurityGroup, every_port, parse_cidr

SOON = timedelta(days=14)
"""An exemption that ends within this time is warned of."""

RESOURCE = "ResourceAddress"
"""The key beside the API's own fields of a rule under which code says where it declares it."""

Texts = tuple[str, ...]


class Exemption(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A waiver. Each key that is given must match, by one of its values; how they match is `matching`'s to say.

    A waiver is for whoever owns the risk to write, never for whoever benefits. A member can name and tag its groups as
    it likes (ECS ModifySecurityGroupAttribute, TagResources), so these do not exempt unless `member_writable` says so.
    Accounts and folders are named, tagged and moved by the management account and those it lets (Resource Directory's
    UpdateAccount, UpdateFolder, MoveAccount, TagResources), ids are given by the cloud: these always may.

    account: an id or a name. folder: an id, or a path of names. account_tag: "key=value" or "key", of the account.
    group: an id; with member_writable a name, too. tag: of the group, only with member_writable.
    resource: the address of a resource that code declares, or a pattern of it; only with member_writable, for whoever
        writes the code names its resources.
    region, rule, check: ids; a wide finding is meant by "wide" and by the check whose ports it reaches.
    port: all ports that the finding opens must be among these.
    source: all of the rule's addresses must be in these.
    expires: the moment it ends; a day written alone is included.
    member_writable: names and tags of groups exempt, though whoever can write them exempts itself.
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
    port: tuple[PortRange, ...] = ()
    source: tuple[Cidr, ...] = ()
    account_tag: Texts = ()
    resource: Texts = ()
    member_writable: bool = False

    def is_live(self, now: datetime) -> bool:
        """Whether it still shields."""
        return now < self.expires


State = Literal["expired", "expiring", "unused", "member_writable"]


class ExemptionNote(msgspec.Struct, frozen=True):
    """Something to tell of an exemption: it has expired, expires soon, matches nothing, or members can write it."""

    id: str
    state: State
    owner: str
    expires: datetime
    text: str


class ExemptionSubject(NamedTuple):
    """What an exemption is held against."""

    group: SecurityGroup
    rule: Rule
    checks: Sequence[str]
    """The check's id; of a wide source "wide" and that of the check whose ports it reaches."""
    ports: PortSet


_MATCHERS = (
    "account",
    "folder",
    "account_tag",
    "region",
    "group",
    "tag",
    "rule",
    "check",
    "port",
    "source",
    "resource",
)
_KEYS = ("id", "owner", "reason", "expires", *_MATCHERS, "member_writable")
_GROUP_ID = re.compile(r"sg-[0-9A-Za-z-]+")
_EVERYTHING = {"folder": ("Root",)}  # besides what is but asterisks


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
    for key in table:
        if key not in _KEYS:
            raise PolicyError(f"{label}: unknown key {key!r}; an exemption has {', '.join(_KEYS)}")
    for key in ("owner", "reason", "expires"):
        if not str(table.get(key, "")).strip():
            raise PolicyError(f"{label}: {key} is missing; an exemption needs owner, reason and expires")
    fields = {"id": name, **table, "expires": _moment(label, table["expires"])}
    fields |= {key: _values(label, key, table[key]) for key in _MATCHERS if key in table}
    try:
        one = msgspec.convert(fields, Exemption)
    except msgspec.ValidationError as error:
        raise PolicyError(f"{label}: {error}") from None
    if not any(_is_real(one, key) for key in _MATCHERS):
        raise PolicyError(f"{label}: matches everything; say at least one of {', '.join(_MATCHERS)}")
    if not one.member_writable and (writable := _member_writable(one)):
        raise PolicyError(
            f"{label}: {writable} can be written by members, who could so exempt themselves: name groups by their "
            "ids (sg-...) or accounts by account_tag, or accept that with member_writable = true"
        )
    if one.member_writable and not (one.group or one.tag or one.resource):
        raise PolicyError(
            f"{label}: member_writable is about names and tags of groups and addresses of resources, and it has none"
        )
    return one


def refuse_unknown_checks(exemptions: Iterable[Exemption], checks: Iterable[Check]) -> None:
    """Raise PolicyError for an exemption that names a check which there is not: it would shield nothing.

    Known, too, are "wide" and the checks that a port asked for by itself gets ("tcp-6379").
    """
    known = [*(check.id for check in checks), WIDE]
    for one in exemptions:
        for check_id in one.check:
            if check_id not in known and not _is_port(check_id):
                raise PolicyError(
                    f"exemption {one.id!r}: unknown check {check_id!r}; there are {', '.join(known)}"
                )


def _is_port(check_id: str) -> bool:
    """Whether it is the id of a check that `checks_for_ports` makes."""
    protocol, _, ports = check_id.partition("-")
    try:
        return str(parse_port(f"{protocol}/{ports}")).replace("/", "-") == check_id
    except PolicyError:
        return False


def _is_real(one: Exemption, key: str) -> bool:
    """Whether a matcher was given that anything could fail to match."""
    values = getattr(one, key)
    if key == "port":
        return bool(values) and not PortSet([every_port("tcp")]) <= PortSet(values)
    if key == "source":
        inside = normal([pair for value in values for pair in source_addresses(value)])
        return bool(values) and all(minus(family, inside) for family in _INTERNETS)
    everything = ("", *_EVERYTHING.get(key, ()))
    return bool(values) and not any(value.strip("*/=") in everything for value in values)


_INTERNETS = tuple([both(PUBLIC, blocks([whole])) for whole in ("0.0.0.0/0", "::/0")])


def _member_writable(one: Exemption) -> str:
    """What of the exemption a member can write, in words; "" for nothing."""
    names = [value for value in one.group if not _GROUP_ID.fullmatch(value)]
    return " and ".join(
        [
            f"{what} {', '.join(values)}"
            for what, values in (
                ("the group name", names),
                ("the group tag", one.tag),
                ("the resource address", one.resource),
            )
            if values
        ]
    )


def match(exemptions: Iterable[Exemption], subject: ExemptionSubject) -> list[Exemption]:
    """Those that match, live or not."""
    return [one for one in exemptions if _matches(one, subject)]


def review(
    exemptions: Iterable[Exemption], used: Mapping[str, int], now: datetime
) -> tuple[ExemptionNote, ...]:
    """What is to be told of the exemptions after a run in which each exempted so many findings."""
    notes: list[ExemptionNote] = []
    for one in exemptions:
        day = one.expires.date().isoformat()
        if not one.is_live(now):
            notes.append(_note(one, "expired", f"expired on {day} and no longer shields anything"))
        elif one.expires - now <= SOON:
            notes.append(_note(one, "expiring", f"expires on {day}"))
        if one.is_live(now) and not used.get(one.id):
            notes.append(_note(one, "unused", "matches nothing"))
        if one.is_live(now) and one.member_writable:
            by = _member_writable(one) or f"a group named {', '.join(one.group)}"
            text = f"can be taken by members, who can write {by}; {used.get(one.id, 0)} findings are exempt by it"
            notes.append(_note(one, "member_writable", text))
    return tuple(notes)


def _note(one: Exemption, state: State, text: str) -> ExemptionNote:
    return ExemptionNote(one.id, state, one.owner, one.expires, f"exemption {one.id} of {one.owner} {text}")


def _matches(one: Exemption, subject: ExemptionSubject) -> bool:
    group, rule = subject.group, subject.rule
    account = group.placement
    return bool(
        (not one.account or named(one.account, account.account_id, account.account_name, in_full=True))
        and _among(one.region, group.region_id)
        and _among(one.rule, rule.rule_id)
        and (not one.check or any(check in one.check for check in subject.checks))
        and (not one.group or _is_group(one, group))
        and (not one.folder or within(one.folder, account.folder_ids, account.folder_path))
        and (not one.tag or tagged(one.tag, group.tags))
        and (not one.account_tag or tagged(one.account_tag, account.tags))
        and (not one.resource or _is_resource(one, rule))
        and (not one.port or _allows_ports(one.port, subject.ports))
        and (not one.source or _allows_source(one.source, rule))
    )


def _is_group(one: Exemption, group: SecurityGroup) -> bool:
    """By its id; a member may call a group of its own by the id of another one, so names count only where asked for."""
    name = group.name if one.member_writable else ""
    return bool(named(one.group, group.security_group_id, name, in_full=True))


def _is_resource(one: Exemption, rule: Rule) -> bool:
    address = str(rule.raw.get(RESOURCE, ""))
    return bool(address and named(one.resource, address, address))


def _among(wanted: Texts, value: str) -> bool:
    return not wanted or value in wanted


def _allows_ports(allowed: Sequence[PortRange], opened: PortSet) -> bool:
    """Whether all that is opened is allowed; an exemption for one port does not shield its neighbour."""
    return bool(opened) and opened <= PortSet(allowed)


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
            return tuple([parse_port(item) for item in items])
        if key == "source":
            return tuple([parse_cidr(str(item)) for item in items])
    except ValueError as error:
        raise PolicyError(f"{label}: {key}: {error}") from None
    return tuple(items)
