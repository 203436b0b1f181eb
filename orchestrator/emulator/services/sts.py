"""STS 2015-04-01: AssumeRole and GetCallerIdentity."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from orchestrator.emulator.framework.errors import ApiError
from orchestrator.emulator.framework.operations import Answer, Context, operation
from orchestrator.emulator.world.model import Role, Statement
from orchestrator.emulator.world.policies import MAX_POLICY_CHARACTERS, PolicyGrammarError, read_policy

VERSION: Final = "2015-04-01"
_ROLE_ARN: Final = re.compile(r"acs:ram::(\d{16}):role/([A-Za-z0-9.\-_]{1,64})")
_SESSION_NAME: Final = re.compile(r"[A-Za-z0-9.@\-_]{2,64}")
_EXTERNAL_ID: Final = re.compile(r"[\w+=,.@:/\-]{2,1224}", re.ASCII)
_SOURCE_IDENTITY: Final = re.compile(r"(?!acs:|aliyun:|alibabacloud:)[\w+=,.@\-]{2,64}", re.ASCII)
_MIN_SECONDS: Final = 900


def _role_resource(context: Context) -> Iterable[str]:
    return (context.parameters.text("RoleArn"),)


@operation("sts", VERSION, "AssumeRole", resources=_role_resource)
def assume_role(context: Context) -> Answer:
    """Open a session of a role that trusts the caller."""
    parameters = context.parameters
    account_id, name = _role_arn(parameters.required("RoleArn"))
    session = parameters.required("RoleSessionName")
    if not _SESSION_NAME.fullmatch(session):
        raise _invalid("RoleSessionName", "The parameter RoleSessionName is wrongly formed.")
    policy = _policy(parameters.text("Policy"))
    external_id = parameters.text("ExternalId")
    if external_id and not _EXTERNAL_ID.fullmatch(external_id):
        raise _invalid("ExternalId", "The parameter ExternalId is wrongly formed.")
    identity = parameters.text("SourceIdentity")
    if identity and not _SOURCE_IDENTITY.fullmatch(identity):
        raise _invalid("SourceIdentity", "The parameter SourceIdentity is wrongly formed.")
    if context.caller.kind == "Account":
        raise ApiError(403, "NoPermission", "Roles may not be assumed by root accounts.")
    role = _trusting_role(context, account_id, name, external_id)
    expires_at = context.now + _duration(context, role)
    heeded = None if context.state.quirks.session_policies_ignored else policy
    opened = context.state.identities.open_session(account_id, role, session, expires_at, heeded)
    context.changed(
        "session", account_id=account_id, role=name, arn=opened.arn, policy=parameters.text("Policy")
    )
    answer: Answer = {
        "Credentials": {
            "AccessKeyId": opened.keys.access_key_id,
            "AccessKeySecret": opened.keys.access_key_secret,
            "SecurityToken": opened.keys.security_token,
            "Expiration": datetime.fromtimestamp(expires_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        },
        "AssumedRoleUser": {
            "Arn": f"acs:ram::{account_id}:role/{name}/{session}",
            "AssumedRoleId": opened.principal_id,
        },
    }
    if identity:
        answer["SourceIdentity"] = identity
    return answer


def _invalid(what: str, message: str) -> ApiError:
    return ApiError(400, f"InvalidParameter.{what}", message)


def _role_arn(text: str) -> tuple[str, str]:
    match = _ROLE_ARN.fullmatch(text)
    if match:
        return match[1], match[2]
    if re.fullmatch(r"acs:ram::\d{16}:user/.+", text):
        raise _no_role(text)
    raise _invalid("RoleArn", "The parameter RoleArn is wrongly formed.")


def _no_role(name: str) -> ApiError:
    return ApiError(404, "EntityNotExist.Role", f"The role not exists: {name[:120]}.")


def _policy(text: str) -> tuple[Statement, ...] | None:
    if not text:
        return None
    if len(text.encode()) > MAX_POLICY_CHARACTERS:
        raise _invalid(
            "PolicySize", f"The size of Policy must be smaller than {MAX_POLICY_CHARACTERS + 1} bytes."
        )
    try:
        return read_policy(text)
    except PolicyGrammarError as error:
        raise _invalid(
            "PolicyGrammar", f"The parameter Policy has not passed grammar check: {error}."
        ) from None


def _trusting_role(context: Context, account_id: str, name: str, external_id: str) -> Role:
    """The role, if it is there and its trust policy names the caller with this external id."""
    role = context.state.world.role(account_id, name)
    if role is None:
        raise _no_role(name)
    if not set(role.trusts) & set(context.caller.trust_arns) or (
        role.external_id and role.external_id != external_id
    ):
        raise ApiError(
            403, "NoPermission", "You are not authorized to do this action. You should be authorized by RAM."
        )
    return role


def _duration(context: Context, role: Role) -> int:
    most = role.max_session_seconds
    if context.caller.kind == "AssumedRoleUser":
        most = min(most, context.state.quirks.chained_session_seconds)
    text = context.parameters.text("DurationSeconds", str(min(3600, most)))
    if not text.isascii() or not text.isdigit() or not _MIN_SECONDS <= int(text) <= most:
        message = f"The Min/Max value of DurationSeconds is {_MIN_SECONDS}/{most}."
        raise _invalid("DurationSeconds", message)
    return int(text)


@operation("sts", VERSION, "GetCallerIdentity", guarded=False)
def get_caller_identity(context: Context) -> Answer:
    """Who the caller is; needs no permission."""
    caller = context.caller
    answer: Answer = {
        "AccountId": caller.account_id,
        "Arn": caller.arn,
        "IdentityType": caller.kind,
        "PrincipalId": caller.principal_id,
    }
    if caller.kind == "AssumedRoleUser":
        answer["RoleId"] = caller.principal_id.partition(":")[0]
    else:
        answer["UserId"] = caller.principal_id
    return answer
