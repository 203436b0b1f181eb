"""The client: limit, sign, send, classify, retry. Every call goes through `Client.send` or `fetch`.

Credentials are asked for before a place is taken, so entering an account never waits for a place that its own
callers hold. Every attempt is signed anew, and a call that waits holds no place.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, TypeVar, overload

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type
from typing_extensions import Self

from accounts.credentials import Credentials, CredentialSource, MalformedSessionError
from accounts.official import pooled
from orchestrator.cloud.circuit import Circuits
from orchestrator.cloud.endpoints import PRODUCTS, VERSIONS, Endpoints
from orchestrator.cloud.errors import CloudError, ExpiredToken, Unavailable
from orchestrator.cloud.limiter import Limiter
from orchestrator.cloud.retry import Patience, RetryBudget, Tries, delay_before_retry
from orchestrator.cloud.settings import CloudSettings, CloudSettingsError, Limits
from orchestrator.cloud.stats import Observer, Stats
from orchestrator.cloud.transport import Transport
from orchestrator.cloud.wire import Progress, Request, Wire

__all__ = [
    "AccountSession",
    "Client",
    "CloudSettings",
    "CloudSettingsError",
    "CredentialSource",
    "Credentials",
    "Limits",
    "Request",
    "pooled",
]

T = TypeVar("T")


class Client:
    """Speaks to the cloud for everybody in this process. Use it as `async with Client(settings) as client`.

    Attributes:
        settings: as given.
        stats: counts of what was sent, by action.
        endpoints: where calls go; `endpoints.identity` names the cloud that a plan is for.
        limiter: its `learned` and `remember` carry quotas from run to run, its `queues` say what waits.
        circuits: its `open` names the accounts and regions that are not asked for now.
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
        """Check the settings; connections are made later.

        Args:
            settings: where the cloud is and how hard it may be asked.
            observers: are given every attempt.
            chance: 0 to 1, for the jitter of retries.

        Raises:
            CloudSettingsError: the endpoint is wrong, or plain http to another machine.
        """
        self.settings = settings or CloudSettings()
        self.stats = Stats()
        self.endpoints = Endpoints(self.settings)
        self._observers = observers
        self._chance = chance
        self._patience = Patience(self.settings.attempts, self.settings.deadline_seconds)
        limits = self.settings.limits
        self.budget = RetryBudget(fraction=limits.retry_fraction, floor=limits.retry_floor)

    async def __aenter__(self) -> Self:
        limits = self.settings.limits
        self._clock = asyncio.get_running_loop().time
        self.limiter = Limiter(limits)
        self.circuits = Circuits(
            failures=limits.circuit_failures, seconds=limits.circuit_seconds, clock=self._clock
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

    async def send(self, request: Request, source: CredentialSource) -> bytes:
        """Return the body of the answer: a JSON object without an error code.

        Raises:
            CloudError: the subclass says what to do next.
            Exception: what the source raises when the account cannot be entered.
        """
        return await self.fetch(request, source, bytes)

    async def fetch(self, request: Request, source: CredentialSource, kind: type[T]) -> T:
        """Return the answer as `kind`: dict, bytes, or a msgspec Struct.

        Raises:
            CloudError: the subclass says what to do next.
            Exception: what the source raises when the account cannot be entered.
        """
        who = await _identity(source, request)
        progress = Progress(self._clock())
        self.budget.calls += 1
        try:
            return await self._wire.once(request, who, kind, progress)
        except CloudError as error:
            failed = error
        try:
            return await self._again(request, source, kind, progress, who, failed)
        except CloudError as error:
            self.stats.of(request.action).failed += 1
            if isinstance(error, Unavailable) and error.code != "CircuitOpen":
                self.circuits.lost(request.account_id, request.region_id)
            raise

    async def _again(
        self,
        request: Request,
        source: CredentialSource,
        kind: type[T],
        progress: Progress,
        who: Credentials,
        failed: CloudError,
    ) -> T:
        """Judge the first failure and go on. The first attempt is made free of the retry machinery."""
        judge = _Judge(self, request, progress)
        last: CloudError = failed
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type(CloudError), wait=judge.wait, stop=judge.stop, reraise=True
        ):
            with attempt:
                if attempt.retry_state.attempt_number == 1:
                    raise failed
                not_this = who if isinstance(last, ExpiredToken) else None
                who = await _identity(source, request, not_this=not_this)
                try:
                    return await self._wire.once(request, who, kind, progress)
                except CloudError as error:
                    last = error
                    raise
        raise failed  # pragma: no cover - the loop returns or raises

    def delay(self, error: CloudError, progress: Progress, *, mutating: bool) -> float | None:
        """Return the seconds before the next attempt, None to give up; spends the retry budget."""
        tries = Tries(
            attempts=progress.attempts,
            spent_seconds=self._clock() - progress.started_at - progress.waited_seconds,
            refreshed=progress.refreshed,
            signed_anew=progress.signed_anew,
        )
        delay = delay_before_retry(error, tries, self._patience, mutating=mutating, chance=self._chance())
        if delay is None or (isinstance(error, Unavailable) and not self.budget.take()):
            return None
        progress.refreshed |= isinstance(error, ExpiredToken)
        progress.signed_anew |= error.code == "SignatureNonceUsed"
        return delay


class _Judge:
    """Hands tenacity what the policy says: it asks for the wait first, then whether to stop."""

    def __init__(self, client: Client, request: Request, progress: Progress) -> None:
        self._client = client
        self._mutating = request.mutating
        self._progress = progress
        self._delay: float | None = None

    def wait(self, state: RetryCallState) -> float:
        """Return the seconds before the next attempt."""
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, CloudError):
            self._delay = self._client.delay(error, self._progress, mutating=self._mutating)
        return self._delay or 0.0

    def stop(self, state: RetryCallState) -> bool:  # noqa: ARG002 - tenacity's signature
        """Tell whether to give up."""
        return self._delay is None


async def _identity(
    source: CredentialSource, request: Request, *, not_this: Credentials | None = None
) -> Credentials:
    """Return who signs; raise Unavailable where the source was answered with no session."""
    try:
        return await source.credentials(not_this=not_this)
    except MalformedSessionError as error:
        raise Unavailable(
            code="MalformedAnswer",
            message=str(error),
            action="AssumeRole",
            account_id=request.account_id,
        ) from None


class AccountSession:
    """One account as seen by one identity. What inventory and remediation use."""

    __slots__ = ("account_id", "client", "source")

    def __init__(self, client: Client, account_id: str, source: CredentialSource) -> None:
        self.client = client
        self.account_id = account_id
        self.source = source

    @overload
    async def call(
        self,
        action: str,
        region_id: str | None,
        parameters: Mapping[str, object],
        *,
        product: str = "ecs",
        mutating: bool = False,
    ) -> dict[str, Any]: ...

    @overload
    async def call(
        self,
        action: str,
        region_id: str | None,
        parameters: Mapping[str, object],
        *,
        product: str = "ecs",
        type: type[T],
        mutating: bool = False,
    ) -> T: ...

    async def call(
        self,
        action: str,
        region_id: str | None,
        parameters: Mapping[str, object],
        *,
        product: str = "ecs",
        type: type[Any] = dict,  # noqa: A002 - as msgspec.json.decode has it
        mutating: bool = False,
    ) -> Any:
        """Return the decoded answer of one action.

        Args:
            action: such as DescribeSecurityGroups.
            region_id: whose endpoint answers and whose quota counts; None for central products.
            parameters: see `Request`.
            product: the product's code.
            type: dict, bytes or a msgspec Struct.
            mutating: it changes something: not repeated when it may have been carried out.

        Raises:
            CloudError: the subclass says what to do next.
            Exception: what the source raises when the account cannot be entered.
        """
        request = Request(
            product, VERSIONS[product], action, region_id, self.account_id, parameters, mutating
        )
        return await self.client.fetch(request, self.source, type)

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
        body: dict[str, Any] = await self.client.fetch(ours, self.source, dict)
        return {"body": body, "headers": {}, "statusCode": 200}
