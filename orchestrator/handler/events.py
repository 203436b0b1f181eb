"""What an event is about, whatever it is wrapped in: pure.

Known shapes: Cloud Config's remediation event (a list of resources; also a single one, or {"resources": [...]}), its
notification of a non-compliant resource, ActionTrail's event in EventBridge's envelope, a log of either as Log Service
has it (its values are JSON text), the message that Function Compute sends to a dead letter, and the question of a
custom Cloud Config rule. Ids may be numbers, other keys are ignored, and what is not ours is named, not dropped.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import zip_longest
from typing import Any, Union

import msgspec

GROUP = "ACS::ECS::SecurityGroup"
MOST = 200  # groups of one event that are worked on
_DEPTH = 6  # of wrappers around a resource
_SAMPLE = 200  # characters kept of what was not understood
_WHO = 128  # characters kept of a name
_ACCOUNT_ID = re.compile(r"[0-9]{1,32}").fullmatch
_WRAPPERS = ("resources", "events", "data", "body", "requestPayload", "event", "logs", "content", "message")
# ActionTrail's names of the calls after which a group may open more than before. Removing a Drop rule opens, too.
OPENING = frozenset(
    {"AuthorizeSecurityGroup", "ModifySecurityGroupRule", "RevokeSecurityGroup", "ModifySecurityGroupPolicy"}
)
Item = dict[str, Any]


class EventError(ValueError):
    """An event that is no JSON, or a question without what its answer needs."""


class GroupToJudge(msgspec.Struct, frozen=True):
    """A security group to look at.

    Attributes:
        account_id: whose it is.
        region_id: where.
        security_group_id: which.
        config_rule_ids: the Cloud Config rules that named it.
        by: who changed it, as ActionTrail names them; empty if the event does not say.
    """

    account_id: str
    region_id: str
    security_group_id: str
    config_rule_ids: tuple[str, ...] = ()
    by: str = ""


class Ignored(msgspec.Struct, frozen=True):
    """Part of an event that is not worked on, and why."""

    reason: str
    what: str


class EvaluationRequest(msgspec.Struct, frozen=True):
    """What a custom Cloud Config rule asks.

    Attributes:
        result_token: to be given back with the answer.
        ordering_timestamp: the same; milliseconds since 1970.
        account_id: whose resources.
        resource: the one asked about; None if all of the account's are (a scheduled run).
        resource_name: as Cloud Config has it.
        resource_type: to be given back.
        gone: Cloud Config says that it was deleted.
    """

    result_token: str
    ordering_timestamp: int
    account_id: str
    resource: GroupToJudge | None
    resource_name: str = ""
    resource_type: str = GROUP
    gone: bool = False


Found = Union[GroupToJudge, Ignored]  # noqa: UP007 - an alias evaluated at run time, on 3.10 too


def parse(event: object) -> tuple[list[GroupToJudge], list[Ignored]]:
    """Return the groups an event is about, each once, and what else was in it.

    Raises:
        EventError: it is no JSON.
    """
    resources: dict[tuple[str, str, str], GroupToJudge] = {}
    ignored: list[Ignored] = []
    for found in _walk(_decoded(event), _DEPTH):
        if isinstance(found, Ignored):
            ignored.append(found)
            continue
        key = (found.account_id, found.region_id, found.security_group_id)
        known = resources.get(key)
        rules = {
            **dict.fromkeys(known.config_rule_ids if known else ()),
            **dict.fromkeys(found.config_rule_ids),
        }
        by = found.by or (known.by if known else "")
        resources[key] = GroupToJudge(*key, tuple(rules), by)
    return list(resources.values()), ignored


def fairly(
    resources: Iterable[GroupToJudge], most: int = MOST
) -> tuple[list[GroupToJudge], list[GroupToJudge]]:
    """Return the groups to work on, the accounts taking turns, and those that are too many.

    However many groups of one account an event names, each other account's first one is among the first.
    """
    queues: dict[str, list[GroupToJudge]] = {}
    for one in resources:
        queues.setdefault(one.account_id, []).append(one)
    turns = [one for turn in zip_longest(*queues.values()) for one in turn if one is not None]
    return turns[:most], turns[most:]


def is_account_id(text: str) -> bool:
    """Tell whether it could be an account's id, so that it may become part of a role's name."""
    return bool(_ACCOUNT_ID(text))


def test_event(event: object) -> str:
    """Return the group id of a test event of `sgsweep accounts --events`, "" for every other event.

    Raises:
        EventError: it is no JSON.
    """
    envelope = _decoded(event)
    trail = envelope.get("data") if isinstance(envelope, Mapping) else None
    if not isinstance(trail, Mapping) or not _is_trail(trail):
        return ""
    group_id = _text(_parameters(trail), "SecurityGroupId", "securityGroupId")
    return group_id if re.fullmatch(r"sg-sgsweep0event[0-9a-f]{12}", group_id) else ""


def question(event: object) -> EvaluationRequest:
    """Return what a custom rule asks.

    Raises:
        EventError: it is no JSON, or no such question.
    """
    asked = _decoded(event)
    if not isinstance(asked, Mapping) or not isinstance(asked.get("invokingEvent"), Mapping):
        raise EventError(
            "the event is not the question of a custom Cloud Config rule: it has no invokingEvent"
        )
    token = _text(asked, "resultToken")
    if not token:
        raise EventError("the question has no resultToken: nobody could be answered")
    invoking: Mapping[str, Any] = asked["invokingEvent"]
    item = invoking.get("configurationItem")
    item = item if isinstance(item, Mapping) else {}
    account_id = _text(item, "accountId") or _text(invoking, "accountId")
    group_id = _text(item, "resourceId")
    if not is_account_id(account_id):
        raise EventError(f"the question is about account {account_id[:40]!r}, which is no account id")
    ordering = asked.get("orderingTimestamp") or invoking.get("notificationCreationTimestamp") or 0
    return EvaluationRequest(
        result_token=token,
        ordering_timestamp=int(ordering) if str(ordering).isdigit() else 0,
        account_id=account_id,
        resource=GroupToJudge(account_id, _text(item, "regionId"), group_id) if group_id else None,
        resource_name=_text(item, "resourceName"),
        resource_type=_text(item, "resourceType") or GROUP,
        gone=_text(item, "resourceStatus", "configurationItemStatus").lower()
        in {"deleted", "resourcedeleted"},
    )


def _decoded(event: object) -> object:
    if not isinstance(event, (bytes, bytearray, str)):
        return event
    try:
        return msgspec.json.decode(event)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise EventError(f"the event is no JSON: {error}") from None


def _walk(value: object, depth: int) -> Iterator[Found]:
    """Yield what is in a value: a list, a wrapper, or one item."""
    if isinstance(value, list):
        for item in value:
            yield from _walk(item, depth - 1) if depth else [_ignored("it is wrapped too deeply", item)]
    elif not isinstance(value, Mapping):
        yield _ignored("it is no resource", value)
    elif "resourceId" in value:
        yield _resource(value)
    elif isinstance(identifier := _opened(value.get("evaluationResultIdentifier")), Mapping):
        qualifier = _opened(identifier.get("evaluationResultQualifier"))
        yield _resource(qualifier if isinstance(qualifier, Mapping) else {})
    elif _is_trail(value.get("data")):
        yield _of_trail(value["data"], value)
    elif _is_trail(value):
        yield _of_trail(value, {})
    else:
        yield from _wrapped(value, depth)


def _wrapped(value: Mapping[str, Any], depth: int) -> Iterator[Found]:
    for key in _WRAPPERS:
        inner = _opened(value.get(key))
        if isinstance(inner, (list, Mapping)) and depth:
            yield from _walk(inner, depth - 1)
            return
    if {"beginCursor", "endCursor"} <= _opened_mapping(value.get("source")).keys():
        yield _ignored("it names a part of a log and does not hold it: send the events by EventBridge", value)
        return
    yield _ignored("it is no event that is known here", value)


def _opened_mapping(value: object) -> Mapping[str, Any]:
    opened = _opened(value)
    return opened if isinstance(opened, Mapping) else {}


def _opened(value: object) -> object:
    """Return what a wrapper holds; in a message of Function Compute's destinations it is JSON text."""
    if isinstance(value, str):
        with suppress(EventError):
            return _decoded(value)
    return value


def _resource(item: Mapping[str, Any]) -> Found:
    kind = _text(item, "resourceType") or GROUP
    if kind.lower() != GROUP.lower():
        return _ignored(f"resources of type {kind} are not looked at", item)
    account_id, region_id = (
        _text(item, "accountId", "resourceOwnerId", "resourceAccountId"),
        _text(item, "regionId"),
    )
    group_id, rule_id = _text(item, "resourceId"), _text(item, "configRuleId")
    if not (account_id and region_id and group_id):
        return _ignored("it lacks accountId, regionId or resourceId", item)
    if not is_account_id(account_id):
        return _ignored(f"{account_id[:40]!r} is no account id", item)
    return GroupToJudge(account_id, region_id, group_id, (rule_id,) if rule_id else ())


def _is_trail(value: object) -> bool:
    return (
        isinstance(value, Mapping)
        and "eventName" in value
        and ("acsRegion" in value or "serviceName" in value)
    )


def _of_trail(trail: Mapping[str, Any], envelope: Mapping[str, Any]) -> Found:
    """Return the group that an ActionTrail event is about ("Management event structure")."""
    name = _text(trail, "eventName")
    if name not in OPENING:
        return _ignored(f"{name} opens no port", trail)
    if _text(trail, "errorCode"):
        return _ignored(f"{name} failed, so nothing changed", trail)
    asked = _parameters(trail)
    region_id = (
        _text(asked, "RegionId", "regionId") or _text(trail, "acsRegion") or _text(envelope, "aliyunregionid")
    )
    user = trail.get("userIdentity")
    account_id = _text(trail, "recipientAccountId") or _text(envelope, "aliyunaccountid")
    user = user if isinstance(user, Mapping) else {}
    account_id = account_id or _text(user, "accountId")
    group_id = _text(asked, "SecurityGroupId", "securityGroupId") or next(_referenced(trail), "")
    if not (account_id and region_id and group_id):
        return _ignored("it lacks the account, region or group", trail)
    if not is_account_id(account_id):
        return _ignored(f"{account_id[:40]!r} is no account id", trail)
    return GroupToJudge(account_id, region_id, group_id, by=_text(user, "userName", "principalId")[:_WHO])


def _parameters(trail: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the call's parameters; they come as an object, as JSON text, or under another name."""
    for key in ("requestParameters", "requestParameterJson"):
        value = trail.get(key)
        if isinstance(value, str) and value:
            try:
                value = msgspec.json.decode(value)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                continue
        if isinstance(value, Mapping):
            return value
    return {}


def _referenced(trail: Mapping[str, Any]) -> Iterator[str]:
    referenced = trail.get("referencedResources")
    ids = referenced.get(GROUP) if isinstance(referenced, Mapping) else None
    yield from (str(one) for one in ids if one) if isinstance(ids, list) else ()
    if _text(trail, "resourceType") == GROUP:
        yield _text(trail, "resourceName")


def _text(item: Mapping[str, Any], *keys: str) -> str:
    """Return the first value there is, as text; an id may be a number."""
    for key in keys:
        value = item.get(key)
        if isinstance(value, str) and value.strip():
            return value.strip()
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
    return ""


def _ignored(reason: str, what: object) -> Ignored:
    return Ignored(reason, _cut(what))


def _cut(what: object) -> str:
    shown: object = sorted(what)[:20] if isinstance(what, Mapping) else what
    return str(shown)[:_SAMPLE]
