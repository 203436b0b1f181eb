"""RPC, which most products speak: an action with flat parameters, signed by ACS3 or HMAC-SHA1, answered in JSON."""

from __future__ import annotations

from typing import Final
from xml.sax.saxutils import escape

import msgspec

from orchestrator.emulator.framework import signature
from orchestrator.emulator.framework.errors import ApiError
from orchestrator.emulator.framework.faults import Fault, Kind
from orchestrator.emulator.framework.identity import Caller
from orchestrator.emulator.framework.operations import Answer, Context
from orchestrator.emulator.framework.protocols import Protocol, Refused, Reply, internal_error
from orchestrator.emulator.framework.signature import SignedRequest, WireRequest
from orchestrator.emulator.framework.state import State

_encode = msgspec.json.Encoder().encode


class _Rpc(Protocol):
    """The protocol of every request that no other one claims."""

    def claims(self, request: WireRequest) -> bool:  # noqa: ARG002 - any request
        return True

    def read(self, request: WireRequest) -> SignedRequest:
        return signature.read(request)

    def identify(self, state: State, signed: SignedRequest, now: float) -> Caller:
        caller = state.identities.find(signed.access_key_id)
        signed.verify(caller.keys.access_key_secret)
        if abs(now - signed.seconds()) > state.quirks.skew_seconds:
            raise state.quirks.skewed_date.error()
        return caller

    def admit(self, state: State, caller: Caller, signed: SignedRequest, now: float) -> None:
        state.identities.check_token(caller, signed.security_token, now)
        if not state.nonces.use(signed.access_key_id, signed.nonce, now):
            raise ApiError(400, "SignatureNonceUsed", "Specified signature nonce was used already.")

    def unknown(self) -> ApiError:
        message = "Specified api is not found, please check your url and method."
        return ApiError(404, "InvalidAction.NotFound", message)

    def denied(self, context: Context) -> ApiError:
        operation = context.operation
        details = {
            "AuthAction": operation.permission,
            "AuthPrincipalDisplayName": context.caller.principal_id,
            "AuthPrincipalOwnerId": context.account_id,
            "AuthPrincipalType": context.caller.kind,
            "NoPermissionType": "ImplicitDeny",
        }
        if operation.product == "ecs":
            error = context.state.quirks.denied.error()
            return ApiError(error.status, error.code, error.message, AccessDeniedDetail=details)
        message = "You are not authorized to do this action. You should be authorized by RAM."
        return ApiError(403, "NoPermission", message, AccessDeniedDetail=details)

    def struck(self, context: Context, fault: Fault) -> ApiError:
        quirks = context.state.quirks
        if fault.kind is Kind.THROTTLED:
            return quirks.throttled.error()
        if fault.kind is Kind.EXPIRED:
            return quirks.expired_token.error()
        if fault.kind is Kind.DENIED:
            return self.denied(context)
        if fault.kind is Kind.ERROR_BEFORE:
            return internal_error()
        if fault.kind is Kind.GARBAGE:
            return ApiError(502, "BadGateway", "Bad gateway.")
        return ApiError(
            503, "ServiceUnavailable", "The request has failed due to a temporary failure of the server."
        )

    def answer(self, answer: Answer, request_id: str) -> Reply:
        return Reply(200, _encode({"RequestId": request_id, **answer}))

    def refusal(self, state: State, refused: Refused) -> Reply:
        quirks, error = state.quirks, refused.error
        product = refused.operation.product if refused.operation else "ecs"
        body: dict[str, object] = {
            "RequestId": refused.request_id,
            "HostId": f"{product}.{refused.region_id or 'cn-hangzhou'}.aliyuncs.com",
            "Code": error.code,
            "Message": error.message,
            "Recommend": f"https://api.aliyun.com/troubleshoot?q={error.code}&product={product}",
            **error.details,
        }
        status = 200 if quirks.errors_as_200 else error.status
        if quirks.xml_errors:
            inner = "".join(f"<{key}>{escape(str(value))}</{key}>" for key, value in body.items())
            text = f"<?xml version='1.0' encoding='UTF-8'?><Error>{inner}</Error>"
            return Reply(status, text.encode(), content_type="text/xml;charset=utf-8")
        if quirks.lower_case_error_keys:
            body = {key[0].lower() + key[1:]: value for key, value in body.items()}
        return Reply(status, _encode(body))


RPC: Final = _Rpc()
