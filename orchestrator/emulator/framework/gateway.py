"""The way of one request through the cloud: read, verify, meter, fault, permit, operate, answer, record.

Knows nothing of sockets: it takes a WireRequest and gives a Reply, so every refusal can be tested without a
server.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final
from xml.sax.saxutils import escape

import msgspec

from orchestrator.emulator.framework import bent_answers, signature
from orchestrator.emulator.framework.call_log import Call
from orchestrator.emulator.framework.errors import ApiError
from orchestrator.emulator.framework.faults import BEFORE, RESETS, Fault, Kind
from orchestrator.emulator.framework.identity import Caller
from orchestrator.emulator.framework.operations import REGISTRY, Answer, Context, Operation
from orchestrator.emulator.framework.parameters import Parameters
from orchestrator.emulator.framework.signature import Signed, WireRequest
from orchestrator.emulator.framework.state import State, new_request_id
from orchestrator.emulator.services import oss
from orchestrator.emulator.world import policies

_ENDPOINT: Final = re.compile(r"[a-z]+(?:-vpc)?\.([a-z0-9-]+)\.aliyuncs\.com")
JSON: Final = "application/json;charset=utf-8"

_encode = msgspec.json.Encoder().encode


@dataclass(slots=True)
class Reply:
    """An answer, and what the wire does to it (`fault`)."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = JSON
    fault: Fault | None = None


@dataclass(slots=True)
class _Trace:
    """What is known of a call so far, for its record."""

    request_id: str
    now: float
    signed: Signed | None = None
    operation: Operation | None = None
    caller: Caller | None = None
    region_id: str = ""
    context: Context | None = None
    fault: Fault | None = None
    bent: str = ""
    headers: dict[str, str] = field(default_factory=dict)


class Gateway:
    """Answers requests against one State."""

    def __init__(self, state: State) -> None:
        self.state = state

    def answer(self, request: WireRequest) -> Reply:
        """Answer one request; never raises for what a client sends."""
        if oss.is_oss(request):
            found = oss.answer(self.state, request, new_request_id())
            return Reply(found.status, found.body, content_type=found.content_type, fault=found.fault)
        trace = _Trace(new_request_id(), self.state.clock())
        try:
            reply = Reply(200, self._carry_out(request, trace))
            code = ""
        except ApiError as error:
            reply = self._refusal(error, trace)
            code = error.code
        reply.fault = trace.fault
        reply.headers.update(trace.headers)
        self._record(trace, 0 if trace.fault and trace.fault.kind in RESETS else reply.status, code)
        return reply

    def act(self, caller: Caller, version: str, action: str, parameters: dict[str, str]) -> Answer:
        """Carry out a call of somebody else in this process: no signature, limit, fault or lie; recorded as any.

        Raises:
            ApiError: it was refused.
        """
        trace = _Trace(new_request_id(), self.state.clock(), caller=caller)
        trace.signed = signature.unsigned(version, action, parameters)
        trace.operation, trace.region_id = REGISTRY[version, action], parameters.get("RegionId", "")
        try:
            answer = self._operate(self._context(trace), ignored=False)
        except ApiError as error:
            self._record(trace, error.status, error.code)
            raise
        self._record(trace, 200, "")
        return answer

    # --- the stations

    def _carry_out(self, request: WireRequest, trace: _Trace) -> bytes:
        self._identify(signature.read(request), trace)
        if trace.operation is not None and trace.operation.region_by_host and not trace.region_id:
            trace.region_id = self._region_of(request)
        context = self._context(trace)
        self._meter(context, trace)
        fault = trace.fault = self._choose_fault(context)
        if fault is not None and fault.kind in BEFORE and fault.kind is not Kind.IGNORED:
            raise self._fault_before(fault, context)
        answer = self._operate(context, ignored=fault is not None and fault.kind is Kind.IGNORED)
        answer, trace.bent = bent_answers.bent(context, answer)
        if fault is not None:
            self._fault_after(fault, context, answer)
        return _encode({"RequestId": trace.request_id, **answer})

    def _identify(self, signed: Signed, trace: _Trace) -> None:
        """Find out who calls what; every check of the signature is here."""
        trace.signed = signed
        trace.operation = REGISTRY.get((signed.version, signed.action))
        trace.region_id = signed.parameters.get("RegionId", "")
        state, quirks = self.state, self.state.quirks
        caller = state.identities.find(signed.access_key_id)
        signed.verify(caller.keys.access_key_secret)
        if abs(trace.now - signed.seconds()) > quirks.skew_seconds:
            raise quirks.skewed_date.error()
        trace.caller = caller
        state.identities.check_token(caller, signed.security_token, trace.now)
        if not state.nonces.use(signed.access_key_id, signed.nonce, trace.now):
            raise ApiError(400, "SignatureNonceUsed", "Specified signature nonce was used already.")
        if trace.operation is None:
            message = "Specified api is not found, please check your url and method."
            raise ApiError(404, "InvalidAction.NotFound", message)

    def _region_of(self, request: WireRequest) -> str:
        """The region in the endpoint's name; at an address that names none, as on loopback, the world's first."""
        match = _ENDPOINT.fullmatch(request.headers.get("host", "").partition(":")[0])
        return match[1] if match else self.state.world.region_ids[0]

    def _context(self, trace: _Trace) -> Context:
        if trace.signed is None or trace.operation is None or trace.caller is None:
            raise AssertionError("identified before")
        trace.context = Context(
            state=self.state,
            operation=trace.operation,
            caller=trace.caller,
            region_id=trace.region_id,
            parameters=Parameters(trace.signed.parameters),
            request_id=trace.request_id,
            now=trace.now,
        )
        return trace.context

    def _meter(self, context: Context, trace: _Trace) -> None:
        meter, operation = self.state.meter, context.operation
        region_id = context.region_id
        if operation.product == "sts" and not self.state.quirks.sts_by_region:
            region_id = ""
        wait = meter.take(context.account_id, region_id, operation.product, operation.action, trace.now)
        if wait:
            trace.headers.update(meter.headers(wait))
            raise self.state.quirks.throttled.error()
        key = (context.account_id, region_id, operation.action)
        trace.headers.update(meter.told(key, operation.product, trace.now))

    def _operate(self, context: Context, *, ignored: bool) -> Answer:
        operation = context.operation
        if operation.regional:
            self._check_region(context)
        if self.state.quirks.looks_before_ram:
            self._look(context)
        if operation.guarded and not self._is_permitted(context):
            if operation.unpermitted is not None:
                return operation.unpermitted(context)
            raise self._denied(context)
        if ignored and operation.mutating:
            return {}
        return operation.handler(context)

    def _is_permitted(self, context: Context) -> bool:
        """Whether RAM and the control policies let the caller do this."""
        action, resources = context.operation.permission, tuple(context.operation.resources(context))
        organization = self.state.world.organization
        return context.caller.may(action, resources) and policies.permit(
            organization, context.account_id, action, resources
        )

    def _look(self, context: Context) -> None:
        """Refuse a change of a group that is not there, whoever asks for it."""
        group_id = context.parameters.text("SecurityGroupId")
        known = self.state.world.estate(context.account_id, context.region_id).groups
        if context.operation.product == "ecs" and context.operation.mutating and group_id not in known:
            raise self.state.quirks.group_not_found.error()

    def _check_region(self, context: Context) -> None:
        region_id = context.region_id or context.parameters.required("RegionId")
        quirks = self.state.quirks
        if region_id in quirks.closed_regions:
            raise quirks.closed_region.error()
        if region_id not in self.state.world.region_ids:
            raise ApiError(404, "InvalidRegionId.NotFound", "The specified RegionId does not exist.")

    def _denied(self, context: Context) -> ApiError:
        operation = context.operation
        details = {
            "AuthAction": operation.permission,
            "AuthPrincipalDisplayName": context.caller.principal_id,
            "AuthPrincipalOwnerId": context.account_id,
            "AuthPrincipalType": context.caller.kind,
            "NoPermissionType": "ImplicitDeny",
        }
        if operation.product == "ecs":
            error = self.state.quirks.denied.error()
            return ApiError(error.status, error.code, error.message, AccessDeniedDetail=details)
        message = "You are not authorized to do this action. You should be authorized by RAM."
        return ApiError(403, "NoPermission", message, AccessDeniedDetail=details)

    # --- faults

    def _choose_fault(self, context: Context) -> Fault | None:
        operation = context.operation
        idle = set()
        if not context.parameters.text("NextToken"):
            idle.add(Kind.REPEATED_TOKEN)
        if not operation.listing:
            idle.add(Kind.EMPTY)
        if not operation.mutating:
            idle.add(Kind.IGNORED)
        return self.state.faults.choose(
            context.account_id, context.region_id, operation.action, frozenset(idle)
        )

    def _fault_before(self, fault: Fault, context: Context) -> ApiError:
        """The refusal of a fault that strikes before anything is done."""
        quirks = self.state.quirks
        if fault.kind is Kind.THROTTLED:
            return quirks.throttled.error()
        if fault.kind is Kind.EXPIRED:
            context.caller.expired = True
            return quirks.expired_token.error()
        if fault.kind is Kind.DENIED:
            return self._denied(context)
        if fault.kind is Kind.ERROR_BEFORE:
            return _internal_error()
        if fault.kind is Kind.GARBAGE:
            return ApiError(502, "BadGateway", "Bad gateway.")
        return ApiError(
            503, "ServiceUnavailable", "The request has failed due to a temporary failure of the server."
        )

    def _fault_after(self, fault: Fault, context: Context, answer: Answer) -> None:
        """Spoil an answer, or lose it after the call was carried out."""
        if fault.kind is Kind.ERROR_AFTER:
            raise _internal_error()
        if fault.kind is Kind.REPEATED_TOKEN:
            answer["NextToken"] = context.parameters.text("NextToken")
        if fault.kind is Kind.EMPTY:
            _empty(answer, context.operation.listing)

    # --- answers

    def _refusal(self, error: ApiError, trace: _Trace) -> Reply:
        quirks = self.state.quirks
        product = trace.operation.product if trace.operation else "ecs"
        body: dict[str, object] = {
            "RequestId": trace.request_id,
            "HostId": f"{product}.{trace.region_id or 'cn-hangzhou'}.aliyuncs.com",
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

    def _record(self, trace: _Trace, status: int, code: str) -> None:
        signed = trace.signed
        self.state.record.append(
            Call(
                time=trace.now,
                account_id=trace.caller.account_id if trace.caller else "",
                region_id=trace.region_id,
                action=signed.action if signed else "",
                wire=signed.wire if signed else "",
                status=status,
                code=code,
                request_id=trace.request_id,
                caller_arn=trace.caller.arn if trace.caller else "",
                scheme=signed.scheme if signed else "",
                fault=trace.fault.kind.value if trace.fault else "",
                changes=tuple(trace.context.changes) if trace.context else (),
                bent=trace.bent,
            )
        )


def _internal_error() -> ApiError:
    return ApiError(500, "InternalError", "The request processing has failed due to some unknown error.")


def _empty(answer: Answer, path: tuple[str, ...]) -> None:
    """Replace the list at a path of an answer by an empty one."""
    inner: object = answer
    for key in path[:-1]:
        inner = inner.get(key) if isinstance(inner, dict) else None
    if isinstance(inner, dict):
        inner[path[-1]] = []
