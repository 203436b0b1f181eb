"""What an event is about, whatever it is wrapped in: pure.

Known shapes: Cloud Config's remediation event (a list of resources; also a single one, or {"resources": [...]}), its
notification of a non-compliant resource, ActionTrail's event in EventBridge's envelope, the message that Function
Compute sends to a dead letter, and the question of a custom Cloud Config rule. Ids may be numbers, other keys are
ignored, and what is not ours is named, not dropped.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, Union

import msgspec

GROUP = "ACS::ECS::SecurityGroup"
_DEPTH = 4  # of wrappers around a resource
_SAMPLE = 200  # characters kept of what was not understood
# ActionTrail's names of the calls after which a group may open more than before. Removing a Drop rule opens, too.
OPENING = frozenset(
    {"AuthorizeSecurityGroup", "ModifySecurityGroupRule", "RevokeSecurityGroup", "ModifySecurityGroupPolicy"}
)
Item = dict[str, Any]


class EventError(ValueError):
    """An event that is no JSON, or a question without what its answer needs."""


class Resource(msgspec.Struct, frozen=True):
    """A security group to look at.

    Attributes:
        account_id: whose it is.
        region_id: where.
        security_group_id: which.
        config_rule_ids: the Cloud Config rules that named it.
    """

    account_id: str
    region_id: str
    security_group_id: str
    config_rule_ids: tuple[str, ...] = ()


class Ignored(msgspec.Struct, frozen=True):
    """Part of an event that is not worked on, and why."""

    reason: str
    what: str


class Question(msgspec.Struct, frozen=True):
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
    resource: Resource | None
    resource_name: str = ""
    resource_type: str = GROUP
    gone: bool = False


Found = Union[Resource, Ignored]  # noqa: UP007 - an alias evaluated at run time, on 3.10 too


def parse(event: object) -> tuple[list[Resource], list[Ignored]]:
    """Return the groups an event is about, each once, and what else was in it.

    Raises:
        EventError: it is no JSON.
    """
    resources: dict[tuple[str, str, str], Resource] = {}
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
        resources[key] = Resource(*key, tuple(rules))
    return list(resources.values()), ignored


def question(event: object) -> Question:
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
    ordering = asked.get("orderingTimestamp") or invoking.get("notificationCreationTimestamp") or 0
    return Question(
        result_token=token,
        ordering_timestamp=int(ordering) if str(ordering).isdigit() else 0,
        account_id=account_id,
        resource=Resource(account_id, _text(item, "regionId"), group_id) if group_id else None,
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
    elif isinstance(value.get("evaluationResultIdentifier"), Mapping):
        qualifier = value["evaluationResultIdentifier"].get("evaluationResultQualifier")
        yield _resource(qualifier if isinstance(qualifier, Mapping) else {})
    elif _is_trail(value.get("data")):
        yield _of_trail(value["data"], value)
    elif _is_trail(value):
        yield _of_trail(value, {})
    else:
        yield from _wrapped(value, depth)


def _wrapped(value: Mapping[str, Any], depth: int) -> Iterator[Found]:
    for key in ("resources", "events", "data", "body", "requestPayload"):
        inner = _opened(value.get(key))
        if isinstance(inner, (list, Mapping)) and depth:
            yield from _walk(inner, depth - 1)
            return
    yield _ignored("it is no event that is known here", value)


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
    return Resource(account_id, region_id, group_id, (rule_id,) if rule_id else ())


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
    account_id = account_id or _text(user if isinstance(user, Mapping) else {}, "accountId")
    group_id = _text(asked, "SecurityGroupId", "securityGroupId") or next(_referenced(trail), "")
    if not (account_id and region_id and group_id):
        return _ignored("it lacks the account, region or group", trail)
    return Resource(account_id, region_id, group_id)


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


def account_ids(resources: Iterable[Resource]) -> list[str]:
    """Return the accounts of the groups, each once."""
    return list(dict.fromkeys(resource.account_id for resource in resources))
