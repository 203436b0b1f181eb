"""ActionTrail's events as values: one parser for what LookupEvents answers and for what a delivered trail holds.

Fields: help of ActionTrail, "Management event structure". `requestParameters` comes as an object or as JSON text, its
lists nested or flattened (`Permissions.1.PortRange`); a delivered trail has it as text in `requestParameterJson`, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime, timezone
from typing import Any

import msgspec

GROUP = "ACS::ECS::SecurityGroup"
_TEXT_LIMIT = 512  # characters kept of what others wrote: a user agent is anybody's text
_DEPTH = 6
_MOST_PARAMETERS = 5_000  # 100 permissions of some 20 fields, twice over


class UserIdentity(msgspec.Struct, frozen=True):
    """Who called, by `userIdentity`.

    Attributes:
        kind: `ram-user`, `assumed-role`, `root-account`, `system`, as the event has it.
        user_name: of a role's session "role:session".
        principal_id: of a role's session "number:session".
        account_id: whose user or role it is.
        arn: as the event has it, else made of the others; "" where they do not say enough.
        role: the name of the role; "" for who is none.
        session_name: RoleSessionName; "" for who has no role.
    """

    kind: str = ""
    user_name: str = ""
    principal_id: str = ""
    account_id: str = ""
    arn: str = ""
    role: str = ""
    session_name: str = ""


Permission = tuple[tuple[str, str], ...]
"""A rule as a call asks for it: names of fields and their texts."""


class TrailEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One call that ActionTrail tells of.

    Attributes:
        name: the API's action, such as AuthorizeSecurityGroup.
        at: when, aware, to the second.
        identity: who.
        source_ip: from where; a service's name where a cloud service called.
        user_agent: by what.
        event_type: `ApiCall`, `ConsoleOperation`, `AliyunServiceEvent`.
        parameters: of the call, flattened to `Permissions.1.PortRange`, each name beginning with a capital.
        permissions: the rules that the call is about, by their fields: `Permissions.N`, else the one of plain fields.
        group_ids: the security groups that it was about: those it was called for, else those it made or names.
        request_id, event_id: to find it again.
        error_code: "" where the call was carried out.
        is_cut: its parameters could not be read, so what it did is not known.
    """

    name: str
    at: datetime
    identity: UserIdentity = UserIdentity()
    source_ip: str = ""
    user_agent: str = ""
    event_type: str = ""
    parameters: dict[str, str] = {}
    permissions: tuple[Permission, ...] = ()
    group_ids: tuple[str, ...] = ()
    request_id: str = ""
    event_id: str = ""
    error_code: str = ""
    is_cut: bool = False


def parse_event(raw: Mapping[str, object]) -> TrailEvent | None:
    """Return the event, what it leaves out is empty; None where it has no name or no time: it tells nothing."""
    name, at = _text(raw, "eventName"), moment(_text(raw, "eventTime"))
    if not name or at is None:
        return None
    parameters = _parameters(raw)
    return TrailEvent(
        name=name,
        at=at,
        identity=_identity(_mapping(raw.get("userIdentity")), parameters or {}),
        source_ip=_text(raw, "sourceIpAddress"),
        user_agent=_text(raw, "userAgent"),
        event_type=_text(raw, "eventType"),
        parameters=parameters or {},
        permissions=_permissions(parameters or {}),
        group_ids=_group_ids(raw, parameters or {}),
        request_id=_text(raw, "requestId"),
        event_id=_text(raw, "eventId"),
        error_code=_text(raw, "errorCode"),
        is_cut=parameters is None,
    )


def parse_events(raws: Iterable[Mapping[str, object]]) -> tuple[list[TrailEvent], int]:
    """Return the events, and how many could not be read."""
    parsed = [parse_event(raw) for raw in raws]
    found = [one for one in parsed if one is not None]
    return found, len(parsed) - len(found)


def moment(text: object) -> datetime | None:
    """Return a time of the API, `2026-01-31T08:00:00Z` or with an offset, in UTC; None where it is none."""
    if not isinstance(text, str):
        return None
    try:
        found = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
        return (found if found.tzinfo else found.replace(tzinfo=timezone.utc)).astimezone(timezone.utc)
    except (ValueError, OverflowError):
        return None


def stamp(at: datetime) -> str:
    """Return a time as the API takes and gives it, UTC, to the second."""
    return at.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _identity(raw: Mapping[str, object], parameters: Mapping[str, str]) -> UserIdentity:
    kind, user_name = _text(raw, "type"), _text(raw, "userName")
    principal_id, account_id = _text(raw, "principalId"), _text(raw, "accountId")
    role = session = ""
    if kind == "assumed-role":
        principal = parameters.get("StsTokenPrincipalName", "").replace("/", ":", 1)
        role = next((one.partition(":")[0] for one in (user_name, principal) if ":" in one), user_name)
        named = (one.partition(":")[2] for one in (user_name, principal_id, principal))
        session = next(filter(None, named), "")
    return UserIdentity(
        kind=kind,
        user_name=user_name,
        principal_id=principal_id,
        account_id=account_id,
        arn=_text(raw, "arn") or _arn(kind, account_id, user_name, role, session),
        role=role,
        session_name=session,
    )


def _arn(kind: str, account_id: str, user_name: str, role: str, session: str) -> str:
    """Return the ARN as STS GetCallerIdentity writes it."""
    if not account_id:
        return ""
    if kind == "root-account":
        return f"acs:ram::{account_id}:root"
    if kind == "ram-user" and user_name:
        return f"acs:ram::{account_id}:user/{user_name}"
    return f"acs:ram::{account_id}:assumed-role/{role}/{session}" if role and session else ""


def _parameters(raw: Mapping[str, object]) -> dict[str, str] | None:
    """Return the call's parameters; None where they are missing, no JSON (a log's field may be cut) or far too many."""
    for key in ("requestParameters", "requestParameterJson"):
        value = _decoded(raw.get(key))
        if isinstance(value, Mapping):
            found: dict[str, str] = {}
            for name, text in _flattened("", value, _DEPTH):
                found[name] = text
                if len(found) > _MOST_PARAMETERS:
                    return None
            return found
    return None


def _permissions(parameters: Mapping[str, str]) -> tuple[Permission, ...]:
    """Return the rules of a call: the API takes a list of them, or (of old) a single one in plain fields."""
    listed: dict[str, list[tuple[str, str]]] = {}
    for name, text in parameters.items():
        head, _, rest = name.partition(".")
        number, _, field = rest.partition(".")
        if head == "Permissions" and number and field:
            listed.setdefault(number, []).append((field, text))
    plain = tuple((name, text) for name, text in parameters.items() if "." not in name)
    return tuple(map(tuple, listed.values())) or (plain,)


def _flattened(prefix: str, value: object, depth: int) -> Iterator[tuple[str, str]]:
    """Yield each text with its dotted name; lists count from 1, as the API's parameters do."""
    if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
        value = _decoded(value)
    inner: Iterable[tuple[object, object]] = ()
    if isinstance(value, Mapping):
        inner = value.items()
    elif isinstance(value, list):
        inner = enumerate(value, 1)
    elif (text := _plain(value)) and prefix:
        yield prefix, text
    for key, one in inner if depth else ():
        name = ".".join(part[:1].upper() + part[1:] for part in str(key).split("."))
        yield from _flattened(f"{prefix}.{name}" if prefix else name, one, depth - 1)


def _group_ids(raw: Mapping[str, object], parameters: Mapping[str, str]) -> tuple[str, ...]:
    """Return what the call was for; a group that it only names, as a source of traffic, is none of them."""
    asked = [
        text
        for name, text in parameters.items()
        if name == "SecurityGroupId" or name.startswith(("SecurityGroupId.", "SecurityGroupIds."))
    ]
    if asked:
        return tuple(dict.fromkeys(asked))
    if made := _text(_mapping(raw.get("responseElements")), "SecurityGroupId"):
        return (made,)
    referenced = _mapping(raw.get("referencedResources")).get(GROUP)
    found = [one for one in referenced if isinstance(one, str)] if isinstance(referenced, list) else []
    if not found and GROUP in _text(raw, "resourceType"):
        found = _text(raw, "resourceName").split(",")
    return tuple(dict.fromkeys(one.strip() for one in found if one.strip()))


def _mapping(value: object) -> Mapping[str, Any]:
    opened = _decoded(value)
    return opened if isinstance(opened, Mapping) else {}


def _decoded(value: object) -> object:
    """Return what a JSON text says, or the value as it is."""
    if isinstance(value, str):
        with suppress(msgspec.DecodeError, UnicodeError, RecursionError):
            return msgspec.json.decode(value)
    return value


def _text(raw: Mapping[str, object], key: str) -> str:
    """Return the field as a text of one line, bounded; "" where it is missing."""
    return " ".join(_plain(raw.get(key))[: 2 * _TEXT_LIMIT].split())[:_TEXT_LIMIT]


def _plain(value: object) -> str:
    if isinstance(value, str):
        return "" if value == "null" else value.strip()
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else ""
