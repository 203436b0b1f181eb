"""The client: limit, sign, send, classify, retry. Every call goes through `Client._exchanged`.

Credentials are asked for before a place is taken, so entering an account never waits for a place that its own
callers hold. Every attempt is signed anew, and a call that waits holds no place.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import replace
from types import TracebackType
from typing import Any, TypeVar

from typing_extensions import Self
from yarl import URL

from accounts.chain import Carried
from accounts.credentials import (
    Credentials,
    CredentialSource,
    HubUnavailableError,
    MalformedSessionError,
)
from accounts.sdk import pooled
from orchestrator.cloud.attempt import Read, Request, Sendable, Wire
from orchestrator.cloud.circuit import Circuits
from orchestrator.cloud.endpoints import PRODUCTS, Endpoints, goes_by_proxy
from orchestrator.cloud.errors import CloudError, Unavailable
from orchestrator.cloud.limiter import Limiter, Permit, ahead_of_quota
from orchestrator.cloud.responses import Answered, read
from orchestrator.cloud.retry import CallProgress, Patience, Retry, RetryBudget, is_for_another_turn
from orchestrator.cloud.settings import VERSIONS, CloudSettings, CloudSettingsError, Limits
from orchestrator.cloud.stats import Observer, Stats
from orchestrator.cloud.transport import NotAfter, Transport, asleep_seconds

__all__ = [
    "AccountSession",
    "Client",
    "CloudSettings",
    "CloudSettingsError",
    "CredentialSource",
    "Credentials",
    "Limits",
    "Request",
    "Turn",
    "pooled",
]

T = TypeVar("T")


class Client:
    """Speaks to the cloud for everybody in this process. Use it as `async with Client(settings) as client`.

    Attributes:
        settings: as given.
        stats: counts of what was sent, by action.
        endpoints: where calls go.
        limiter: its `learned` and `remember` carry quotas from run to run, its `queues` say what waits.
        circuits: which accounts, regions and products are not asked for now.
        budget: of retries.
    """

    limiter: Limiter
    circuits: Circuits

    def __init__(
        self,
        settings: CloudSettings | None = None,
        *,
        observers: tuple[Observer, ...] = (),
        chance: Callable[[], float] = random.random,
    ) -> None:
        """Make a client; connections are made later.

        Args:
            settings: where the cloud is and how hard it may be asked.
            observers: are given every attempt.
            chance: 0 to 1, for the jitter of retries.
        """
        self.settings = settings or CloudSettings()
        self.stats = Stats()
        self.endpoints = Endpoints(self.settings)
        self._observers = observers
        self._chance = chance
        limits = self.settings.limits
        self.budget = RetryBudget(fraction=limits.retry_fraction, floor=limits.retry_floor)

    async def __aenter__(self) -> Self:
        limits = self.settings.limits
        self._clock = asyncio.get_running_loop().time
        self.limiter = Limiter(limits)
        self.circuits = Circuits(
            failures=limits.circuit_failures, seconds=limits.circuit_seconds, clock=self._clock
        )
        self._retry = Retry(
            Patience(self.settings.attempts, self.settings.deadline_seconds),
            self.budget,
            clock=self._clock,
            chance=self._chance,
        )
        self._transport = Transport(self.settings)
        self._wire = Wire(
            endpoints=self.endpoints,
            limiter=self.limiter,
            circuits=self.circuits,
            transport=self._transport,
            stats=self.stats,
            observers=self._observers,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._transport.close()

    @property
    def proxy(self) -> str:
        """The proxy that calls go by, without user and password; empty for none."""
        return self._transport.proxy

    @property
    def ca_sha256(self) -> str:
        """SHA-256, hex, of each certificate of `ca_file` that is trusted, with spaces between them; empty for none."""
        return self._transport.ca_sha256

    async def carry(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Carried:
        """Send a request for the hub's own credentials, which others have signed, over the transport of all calls.

        Plain http, as to the metadata of an instance, never goes by the proxy.

        Raises:
            Unavailable: there is no answer.
        """
        asked = self.endpoints.lead(URL(url, encoded=True))
        host = asked.host_port_subcomponent or ""
        proxied = asked.scheme == "https" and goes_by_proxy(host, self.settings)
        answer = await self._transport.carry(method, asked, {**headers, "host": host}, body, proxied=proxied)
        return Carried(
            answer.status, {name.lower(): value for name, value in answer.headers.items()}, answer.body
        )

    async def fetch(
        self,
        request: Request,
        source: CredentialSource,
        *,
        held: Permit | None = None,
        not_after: NotAfter | None = None,
    ) -> Answered:
        """Return the decoded answer.

        Args:
            request: the call.
            source: says who signs it.
            held: its turn, if it was taken before; it is released.
            not_after: the last moment at which it may be sent, in any attempt; None for any.

        Raises:
            CloudError: the subclass says what to do next.
            Exception: what the source raises when the account cannot be entered.
        """
        try:
            progress = await self._begun(request, source)
        except BaseException:
            if held is not None:
                held.unsent()
            raise
        progress.held, progress.not_after = held, not_after
        answer = await self._exchanged(request, source, read, progress)
        return Answered(answer, progress.sent_at)

    @asynccontextmanager
    async def turn(
        self, request: Request, source: CredentialSource, *, hurried: bool = False
    ) -> AsyncIterator[Turn]:
        """Take the turn of a request before it is made; see `AccountSession.turn`."""
        await self._identity(source, request)
        try:
            held = await self._wire.hold(request)
        except CloudError as error:
            self._wire.lost(request, error)
            raise
        turn = Turn(self, request, source, held)
        try:
            with ahead_of_quota() if hurried else nullcontext():
                yield turn
        finally:
            turn.end()

    async def exchange(self, request: Sendable, source: CredentialSource, reading: Read[T]) -> T:
        """Return what `reading` makes of the answer. All that this process sends goes this way.

        Raises:
            CloudError: the subclass says what to do next.
            Exception: what the source raises when the account cannot be entered, or `reading`.
        """
        return await self._exchanged(request, source, reading, await self._begun(request, source))

    async def _begun(self, request: Sendable, source: CredentialSource) -> CallProgress:
        who = await self._identity(source, request)
        return CallProgress(who, self._clock(), mutating=request.mutating)

    async def _exchanged(
        self, request: Sendable, source: CredentialSource, reading: Read[T], progress: CallProgress
    ) -> T:
        async def attempt(progress: CallProgress) -> T:
            if progress.attempts:
                refused = progress.who if progress.expired else None
                progress.who = await self._identity(source, request, not_this=refused)
            return await self._wire.once(request, reading, progress)

        try:
            return await self._retry(attempt, progress)
        except CloudError as error:
            if not (progress.not_after and is_for_another_turn(error)):
                self._wire.lost(request, error)
            raise

    async def _identity(
        self, source: CredentialSource, request: Sendable, *, not_this: Credentials | None = None
    ) -> Credentials:
        """Return who signs; raise Unavailable where the source was answered with no session."""
        try:
            return await source.credentials(not_this=not_this)
        except MalformedSessionError as error:
            raise Unavailable(
                code=error.code,
                message=str(error),
                action="AssumeRole",
                account_id=request.account_id,
            ) from None
        except HubUnavailableError as error:
            return await self._hub_again(source, not_this, error)

    async def _hub_again(
        self, source: CredentialSource, not_this: Credentials | None, first: HubUnavailableError
    ) -> Credentials:
        """Ask for the hub's credentials again, as patiently as any call is sent again.

        Raises:
            HubCredentialsError: they were not given in all that time.
        """
        told = first
        progress = CallProgress(Credentials("", ""), self._clock(), mutating=False)

        async def attempt(progress: CallProgress) -> Credentials:
            nonlocal told
            progress.attempts += 1
            try:
                if progress.attempts > 1:
                    return await source.credentials(not_this=not_this)
            except HubUnavailableError as error:
                told = error
            raise Unavailable(code=told.code, message=str(told))

        try:
            return await self._retry(attempt, progress)
        except Unavailable:
            raise told from None


class Turn:
    """The turn of one call that changes something: its place and its quota are held until it is made or given up."""

    def __init__(self, client: Client, request: Request, source: CredentialSource, held: Permit) -> None:
        self._client = client
        self._request = request
        self._source = source
        self._held: Permit | None = held
        self._asleep_seconds = asleep_seconds()  # before any reading that the call may rely on

    async def call(self, parameters: Mapping[str, object], *, not_after: float) -> dict[str, Any]:
        """Make the call, without waiting for leave again, and return its decoded answer. A turn is good for one call.

        What was not carried out is sent again only while `not_after` lasts, and never once it was throttled. So there
        is one more error than elsewhere, and one that comes sooner: `TooLate`, and `Throttled` that is not `hopeless`.
        After either nothing was changed: end this turn, take another (it waits for the quota), and read again. The
        session's credentials are asked for again first, for they may have expired while the turn was waited for; that
        costs a call only if they have.

        Args:
            parameters: see `Request`.
            not_after: the last moment, by the loop's clock, at which the request's first byte may leave.

        Raises:
            TooLate: it was not sent, for that moment had passed.
            CloudError: the subclass says what to do next.
            Exception: what the source raises when the account cannot be entered.
        """
        held, self._held = self._held, None
        if held is None:
            raise RuntimeError("a turn is good for one call")
        request = replace(self._request, parameters=parameters)
        limit = NotAfter(not_after, self._asleep_seconds)
        return await self._client.fetch(request, self._source, held=held, not_after=limit)

    def end(self) -> None:
        """Give place and quota back if the call was not made."""
        held, self._held = self._held, None
        if held is not None:
            held.unsent()


class AccountSession:
    """One account as seen by one identity. What inventory and remediation use."""

    __slots__ = ("account_id", "client", "source")

    def __init__(self, client: Client, account_id: str, source: CredentialSource) -> None:
        self.client = client
        self.account_id = account_id
        self.source = source

    async def call(
        self,
        action: str,
        region_id: str | None,
        parameters: Mapping[str, object],
        *,
        product: str = "ecs",
        mutating: bool = False,
    ) -> dict[str, Any]:
        """Return the decoded answer of one action.

        Args:
            action: such as DescribeSecurityGroups.
            region_id: whose endpoint answers and whose quota counts; None for central products.
            parameters: see `Request`.
            product: the product's code.
            mutating: it changes something: not repeated when it may have been carried out.

        Raises:
            CloudError: the subclass says what to do next.
            Exception: what the source raises when the account cannot be entered.
        """
        request = Request(
            product, VERSIONS[product], action, region_id, self.account_id, parameters, mutating
        )
        return await self.client.fetch(request, self.source)

    def turn(
        self, action: str, region_id: str | None, *, product: str = "ecs", hurried: bool = False
    ) -> AbstractAsyncContextManager[Turn]:
        """Take the turn of a call that changes something, to read within it and then to call at once.

        Entering waits for credentials, circuit, quota and a place as a call does, then holds quota and place. Within
        it any call may be made; those need places of their own, so turns hold at most half of the places and wait
        for each other beyond. Within a turn take no second one: two that do so could wait for each other. A turn that
        is left without its call gives place and quota back.

        Args:
            action: such as RevokeSecurityGroup.
            region_id: whose endpoint answers and whose quota counts; None for central products.
            product: the product's code.
            hurried: what is read within it goes ahead of its quota: the last reading took too long.

        Raises:
            CloudError: on entering: the turn will not come.
            Exception: on entering: what the source raises when the account cannot be entered.
        """
        request = Request(product, VERSIONS[product], action, region_id, self.account_id, {}, mutating=True)
        return self.client.turn(request, self.source, hurried=hurried)

    async def call_api_async(self, params: Any, request: Any, runtime: Any) -> dict[str, Any]:  # noqa: ANN401, ARG002 - the official clients' own signature
        """Carry out a call of an official client over this transport; see `pooled`.

        A call that is not a Get, List, Describe or AssumeRole counts as one that changes something.

        Raises:
            CloudError: instead of the official client's own exceptions.
            CloudSettingsError: the product is not one that this transport knows, or the call is no RPC with
                JSON.
        """
        product = PRODUCTS.get(params.version)
        if product is None or params.style != "RPC" or params.body_type != "json":
            raise CloudSettingsError(
                f"{params.action} {params.version}: only RPC calls of {', '.join(VERSIONS)}"
            )
        query = dict(request.query or {})
        region_id = query.get("RegionId") if product == "ecs" else None
        ours = Request(
            product=product,
            version=params.version,
            action=params.action,
            region_id=str(region_id) if region_id else None,
            account_id=self.account_id,
            parameters=query,
            mutating=not params.action.startswith(("Get", "List", "Describe", "AssumeRole")),
            body=request.body or None,
            method=params.method,
        )
        return {"body": await self.client.fetch(ours, self.source), "headers": {}, "statusCode": 200}
