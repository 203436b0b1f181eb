"""Events as ActionTrail writes them (help: "ActionTrail event log reference", and its samples for ECS and a role).

Those of a world's history and those of calls that clients made look alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from orchestrator.emulator.framework.call_log import LoggedCall
from orchestrator.emulator.framework.identity import role_id
from orchestrator.emulator.framework.operations import Operation
from orchestrator.emulator.world.model import Actor, Event

GROUP: Final = "ACS::ECS::SecurityGroup"
TIME_FORMAT: Final = "%Y-%m-%dT%H:%M:%SZ"


def of_history(account_id: str, region_id: str, one: Event, epoch: float) -> dict[str, Any]:
    """An event of a world's history, whose ages count back from `epoch`, in seconds since 1970."""
    return _event(
        _Called(
            account_id,
            region_id,
            one.action,
            epoch - one.age_seconds,
            one.actor,
            one.parameters,
            request_id=one.event_id,
            group_id=one.group_id,
            source_ip=one.source_ip,
            user_agent=one.user_agent,
            error_code=one.error_code,
            is_read=one.is_read,
        )
    )


def of_call(call: LoggedCall, operation: Operation) -> dict[str, Any]:
    """The event of a call that a client made. Everybody calls from this machine."""
    parameters = call.parameters
    return _event(
        _Called(
            call.account_id,
            call.region_id,
            call.action,
            call.time,
            _actor(call),
            parameters,
            request_id=call.request_id,
            group_id=parameters.get("SecurityGroupId", ""),
            source_ip="127.0.0.1",
            user_agent=call.user_agent,
            error_code=call.code,
            service=operation.product.capitalize(),
            version=operation.version,
        )
    )


def _actor(call: LoggedCall) -> Actor:
    """Who signed it: `acs:ram::ID:user/NAME`, `acs:ram::ID:assumed-role/ROLE/SESSION` or `acs:ram::ID:root`."""
    kind, _, name = call.caller_arn.rpartition(":")[2].partition("/")
    if kind == "assumed-role":
        role, _, session = name.partition("/")
        principal = f"{role_id(role, call.account_id)}:{session}"
        return Actor("assumed-role", f"{role}:{session}", principal, call.access_key_id)
    if kind == "user":
        return Actor("ram-user", name, role_id(name, call.account_id), call.access_key_id)
    return Actor("root-account", "root", call.account_id, call.access_key_id)


class _Called(NamedTuple):
    """A call, as far as its event tells of it."""

    account_id: str
    region_id: str
    action: str
    at: float
    actor: Actor
    parameters: Mapping[str, str]
    request_id: str
    group_id: str
    source_ip: str
    user_agent: str
    error_code: str
    is_read: bool = False
    service: str = "Ecs"
    version: str = "2014-05-26"


def _event(call: _Called) -> dict[str, Any]:
    moment = datetime.fromtimestamp(call.at, UTC).strftime(TIME_FORMAT)
    host = f"{call.service.lower()}.{call.region_id}.aliyuncs.com"
    about = {"AcsHost": host, "AcsProduct": call.service, "HostId": host, "RequestId": call.request_id}
    if call.actor.kind == "assumed-role":
        about["stsTokenPrincipalName"] = call.actor.name.replace(":", "/", 1)
    event: dict[str, Any] = {
        "eventId": call.request_id,
        "eventVersion": 1,
        "eventName": call.action,
        "eventRW": "Read" if call.is_read else "Write",
        "eventType": "ApiCall",
        "eventCategory": "Management",
        "eventTime": moment,
        "eventSource": host,
        "serviceName": call.service,
        "apiVersion": call.version,
        "acsRegion": call.region_id,
        "isGlobal": False,
        "requestId": call.request_id,
        "userIdentity": _identity(call.account_id, call.actor, moment),
        "sourceIpAddress": call.source_ip,
        "userAgent": call.user_agent,
        "requestParameters": {**about, **call.parameters},
        "additionalEventData": {"Scheme": "https"},
        "recipientAccountId": call.account_id,
    }
    if call.group_id:
        event |= {
            "referencedResources": {GROUP: [call.group_id]},
            "resourceType": GROUP,
            "resourceName": call.group_id,
        }
    if call.error_code:
        return {
            **event,
            "errorCode": call.error_code,
            "errorMessage": f"The call was refused: {call.error_code}.",
        }
    created = {"SecurityGroupId": call.group_id} if call.action == "CreateSecurityGroup" else {}
    return {**event, "responseElements": {"RequestId": call.request_id, **created}}


def _identity(account_id: str, actor: Actor, moment: str) -> dict[str, Any]:
    identity: dict[str, Any] = {
        "type": actor.kind,
        "accountId": account_id,
        "principalId": actor.principal_id,
        "userName": actor.name,
        "sessionContext": {"attributes": {"mfaAuthenticated": "false", "creationDate": moment}},
    }
    return {**identity, "accessKeyId": actor.access_key_id} if actor.access_key_id else identity
