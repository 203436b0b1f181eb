"""The way of one request through the cloud: read, verify, meter, fault, permit, operate, answer, record.

Knows nothing of sockets: it takes a WireRequest and gives a Reply, so every refusal can be tested without a
server.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from orchestrator.emulator.framework import bent_answers, signature
from orchestrator.emulator.framework.call_log import LoggedCall
from orchestrator.emulator.framework.errors import ApiError
from orchestrator.emulator.framework.faults import BEFORE, RESETS, Fault, Kind
from orchestrator.emulator.framework.identity import Caller
from orchestrator.emulator.framework.operations import REGISTRY, Answer, Context, Operation
from orchestrator.emulator.framework.parameters import Parameters
from orchestrator.emulator.framework.protocols import PROTOCOLS, Protocol, Refused, Reply, internal_error
from orchestrator.emulator.framework.rpc import RPC
from orchestrator.emulator.framework.signature import SignedRequest, WireRequest
from orchestrator.emulator.framework.state import State, new_request_id
from orchestrator.emulator.world import policies

_ENDPOINT: Final = re.compile(r"[a-z]+(?:-vpc)?\.([a-z0-9-]+)\.aliyuncs\.com")


@dataclass(slots=True)
class _Trace:
    """What is known of a call so far, for its record."""

    request_id: str
    now: float
    protocol: Protocol
    signed: SignedRequest | None = None
    operation: Operation | None = None
    caller: Caller | None = None
    region_id: str = ""
    context: Context | None = None
    fault: Fault | None = None
    bent: str = ""
    user_agent: str = ""
    headers: dict[str, str] = field(default_factory=dict)


class Gateway:
    """Answers requests against one State."""

    def __init__(self, state: State) -> None:
        self.state = state

    def answer(self, request: WireRequest) -> Reply:
        """Answer one request; never raises for what a client sends."""
        protocol = next((one for one in PROTOCOLS if one.claims(request)), RPC)
        trace = _Trace(new_request_id(), self.state.clock(), protocol)
        self.state.begin(trace.now)
        trace.user_agent = request.headers.get("user-agent", "")
        try:
            reply = protocol.answer(self._carry_out(request, trace), trace.request_id)
            code = ""
        except ApiError as error:
            refused = Refused(error, trace.request_id, trace.operation, trace.region_id)
            reply = protocol.refusal(self.state, refused)
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
        trace = _Trace(new_request_id(), self.state.clock(), RPC, caller=caller)
        trace.signed = signature.unsigned(version, action, parameters)
        trace.operation, trace.region_id = REGISTRY[version, action], parameters.get("RegionId", "")
        try:
            answer = self._operate(self._context(trace), trace, ignored=False)
        except ApiError as error:
            self._record(trace, error.status, error.code)
            raise
        self._record(trace, 200, "")
        return answer

    # --- the stations

    def _carry_out(self, request: WireRequest, trace: _Trace) -> Answer:
        self._identify(trace.protocol.read(request), trace)
        if trace.operation is not None and trace.operation.region_by_host and not trace.region_id:
            trace.region_id = self._region_of(request)
        context = self._context(trace)
        self._meter(context, trace)
        fault = trace.fault = self._choose_fault(context)
        if fault is not None and fault.kind in BEFORE and fault.kind is not Kind.IGNORED:
            context.caller.expired |= fault.kind is Kind.EXPIRED
            raise trace.protocol.struck(context, fault)
        answer = self._operate(context, trace, ignored=fault is not None and fault.kind is Kind.IGNORED)
        if trace.protocol.bendable:
            answer, trace.bent = bent_answers.bent(context, answer)
        if fault is not None:
            self._fault_after(fault, context, answer)
        return answer

    def _identify(self, signed: SignedRequest, trace: _Trace) -> None:
        """Find out who calls what."""
        trace.signed = signed
        trace.operation = REGISTRY.get((signed.version, signed.action))
        protocol, state = trace.protocol, self.state
        trace.region_id = protocol.region_of(state, signed)
        trace.caller = protocol.identify(state, signed, trace.now)
        protocol.admit(state, trace.caller, signed, trace.now)
        if trace.operation is None:
            raise protocol.unknown()

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
            body=trace.signed.body,
        )
        return trace.context

    def _meter(self, context: Context, trace: _Trace) -> None:
        meter, operation = self.state.meter, context.operation
        if not operation.metered:
            return
        region_id = context.region_id
        by_account = operation.product == "sts" and not self.state.quirks.sts_by_region
        if by_account or operation.calls_per_second:
            region_id = ""
        key = (context.account_id, region_id, operation.action)
        own = operation.calls_per_second
        wait = meter.take(context.account_id, region_id, operation.product, operation.action, trace.now, own)
        if wait:
            trace.headers.update(meter.headers(wait))
            raise self.state.quirks.throttled.error()
        trace.headers.update(meter.told(key, operation.product, trace.now, own))

    def _operate(self, context: Context, trace: _Trace, *, ignored: bool) -> Answer:
        operation = context.operation
        if operation.regional:
            self._check_region(context)
        if self.state.quirks.looks_before_ram:
            self._look(context)
        if operation.guarded and not self._is_permitted(context):
            if operation.unpermitted is not None:
                return operation.unpermitted(context)
            raise trace.protocol.denied(context)
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

    def _fault_after(self, fault: Fault, context: Context, answer: Answer) -> None:
        """Spoil an answer, or lose it after the call was carried out."""
        if fault.kind is Kind.ERROR_AFTER:
            raise internal_error()
        if fault.kind is Kind.REPEATED_TOKEN:
            answer["NextToken"] = context.parameters.text("NextToken")
        if fault.kind is Kind.EMPTY:
            _empty(answer, context.operation.listing)

    # --- answers

    def _record(self, trace: _Trace, status: int, code: str) -> None:
        signed = trace.signed
        self.state.record.append(
            LoggedCall(
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
                user_agent=trace.user_agent,
                access_key_id=signed.access_key_id if signed else "",
            )
        )


def _empty(answer: Answer, path: tuple[str, ...]) -> None:
    """Replace the list at a path of an answer by an empty one."""
    inner: object = answer
    for key in path[:-1]:
        inner = inner.get(key) if isinstance(inner, dict) else None
    if isinstance(inner, dict):
        inner[path[-1]] = []
