"""The cloud without sockets, on the loop's time: a request in, a reply out, and a moment for others at every await.

For campaigns on virtual time (a loop whose clock leaps, such as looptime's): latency is `asyncio.sleep`, the cloud's
clock is the loop's. Hooks are called before an answer is computed and after, so a rival can change the world while a
request is on its way, or while its answer is; what they change is what the next answer tells.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import parse_qsl

from msgspec.structs import replace as with_fields

from orchestrator.emulator.framework.call_log import LoggedCall
from orchestrator.emulator.framework.faults import RESETS, Fault, Kind
from orchestrator.emulator.framework.identity import Caller
from orchestrator.emulator.framework.operations import Answer
from orchestrator.emulator.framework.protocols import Reply
from orchestrator.emulator.framework.signature import WireRequest, form_of
from orchestrator.emulator.framework.state import Options
from orchestrator.emulator.server.cloud import Cloud
from orchestrator.emulator.services.ecs.groups import VERSION as ECS
from orchestrator.emulator.world.policies import ADMINISTRATOR
from orchestrator.emulator.world.world import World

_BROKEN: Final = frozenset({*RESETS, Kind.CUT})
_NEVER_SKEWED: Final = 1e9


@dataclass(frozen=True, slots=True)
class Moment:
    """A request on its way. `reply` is None before its answer is computed.

    `number` counts requests from 0; `action` and `parameters` are what the request claims, not verified yet;
    `account_id` is that of the key it is signed with, "" where nobody has it.
    """

    number: int
    request: WireRequest
    action: str
    account_id: str
    parameters: Mapping[str, str]
    reply: Reply | None = None


Hook = Callable[[Moment], Awaitable[None] | None]
"""Called at a moment; may be asynchronous, and then the request waits for it."""


class InProcess(Cloud):
    """One cloud in this process, used within a running loop.

    Half of `latency_seconds` is waited before the answer is computed and half after it. The clock is the loop's time
    from a full hour on, and requests may carry any date (their signers take the real one), unless `options` say
    otherwise.

    Attributes:
        before: hooks called when a request has arrived, before its answer is computed.
        after: hooks called when the answer is computed, before it is sent; what was changed is changed.
    """

    def __init__(
        self, world: World, options: Options | None = None, *, latency_seconds: float = 0.05
    ) -> None:
        super().__init__(world, on_loop_time(options or Options()))
        self.latency_seconds = latency_seconds
        self.before: list[Hook] = []
        self.after: list[Hook] = []
        self._count = 0
        self._others: dict[tuple[str, str], Caller] = {}

    def act(self, account_id: str, action: str, *, user: str = "owner", **parameters: object) -> Answer:
        """A change by somebody of an account, here and now: an ECS call, recorded as any, that takes no time.

        Parameters are given as the API names them; lists and dictionaries are flattened. No hook is called.

        Raises:
            ApiError: it was refused.
        """
        if (account_id, user) not in self._others:
            self._others[account_id, user] = self.state.identities.add_user(account_id, user, ADMINISTRATOR)
        return self._gateway.act(self._others[account_id, user], ECS, action, _flat(parameters))

    def note(self, account_id: str, region_id: str, what: str, **details: object) -> None:
        """Record a change that was made to the world itself, where no call makes it: a list's entries, a tag."""
        now = self.state.clock()
        change = {"what": what, **details}
        call = LoggedCall(now, account_id, region_id, what, "", 200, "", "", "", changes=(change,))
        self.state.record.append(call)

    async def send(
        self, method: str, query: str, headers: Mapping[str, str], body: bytes = b"", *, path: str = "/"
    ) -> Reply:
        """Answer a request, after its way there and back.

        Raises:
            ConnectionResetError: a fault took the answer; what the call did before may be done.
        """
        lower = {name.lower(): value for name, value in headers.items()}
        return await self.answer(WireRequest(method, path, query, lower, body))

    async def answer(self, request: WireRequest) -> Reply:
        """Do what `send` does, for a request that is one already."""
        moment = self._moment(request)
        await asyncio.sleep(self.latency_seconds / 2)
        for hook in tuple(self.before):
            await _call(hook, moment)
        reply = self._gateway.answer(request)
        for hook in tuple(self.after):
            await _call(hook, replace(moment, reply=reply))
        await asyncio.sleep(self.latency_seconds / 2 + reply.seconds)
        return reply if reply.fault is None else await _faulty(reply, reply.fault)

    def _moment(self, request: WireRequest) -> Moment:
        headers, number = request.headers, self._count
        self._count += 1
        parameters = {**dict(parse_qsl(request.query, keep_blank_values=True)), **form_of(request)}
        key = headers.get("authorization", "").partition("Credential=")[2].partition(",")[0].partition("/")[0]
        return Moment(
            number=number,
            request=request,
            action=headers.get("x-acs-action") or parameters.get("Action", ""),
            account_id=self.state.identities.account_of(key or parameters.get("AccessKeyId", "")),
            parameters=parameters,
        )


def _flat(values: Mapping[str, object], prefix: str = "") -> dict[str, str]:
    """Parameters as they come over the wire: `Permissions.1.PortRange`."""
    flat: dict[str, str] = {}
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{name}.")
        elif isinstance(value, list | tuple):
            flat |= _flat({str(index): item for index, item in enumerate(value, 1)}, f"{name}.")
        else:
            flat[name] = str(value)
    return flat


async def _call(hook: Hook, moment: Moment) -> None:
    result = hook(moment)
    if inspect.isawaitable(result):
        await result


async def _faulty(reply: Reply, fault: Fault) -> Reply:
    """The part of a fault that a socket would show; others are in the reply already."""
    if fault.kind in _BROKEN:
        raise ConnectionResetError(f"the connection was reset ({fault.kind})")
    if fault.kind in {Kind.HANG, Kind.SLOW}:
        await asyncio.sleep(fault.seconds)
    if fault.kind is Kind.TRUNCATED:
        return replace(reply, body=reply.body[: len(reply.body) // 2])
    if fault.kind is Kind.GARBAGE:
        return replace(reply, status=502, body=b"<html>502 Bad Gateway</html>", content_type="text/html")
    return reply


def on_loop_time(options: Options) -> Options:
    """The options with the loop's time as the cloud's clock, unless they bring a clock of their own."""
    if options.clock is not time.time:
        return options
    epoch = time.time() // 3600 * 3600  # a full hour, so that the loop's time says where in a window it is
    return replace(
        options,
        clock=lambda: epoch + asyncio.get_running_loop().time(),
        quirks=with_fields(options.quirks, skew_seconds=_NEVER_SKEWED),
    )
