"""One attempt of one call: a place, a signature, an exchange; and what that means for limiter and circuit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from accounts.credentials import Credentials
from orchestrator.cloud.circuit import Circuits
from orchestrator.cloud.endpoints import Endpoints
from orchestrator.cloud.errors import CloudError, Throttled, Unavailable
from orchestrator.cloud.limiter import GivenUpError, Limiter, Permit
from orchestrator.cloud.responses import read
from orchestrator.cloud.signature import canonical_query, flatten, sign
from orchestrator.cloud.stats import Attempt, Observer, Stats
from orchestrator.cloud.transport import Transport

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Request:
    """One API call, before it is signed.

    Attributes:
        product: the product's code, "ecs".
        version: of its API, "2014-05-26".
        action: "DescribeSecurityGroups".
        region_id: whose endpoint and quota; None for central products.
        account_id: whose quota the server counts it on.
        parameters: of the query; lists, maps, booleans and None as `signature.flatten` has them.
        mutating: it changes something, so it is not repeated when it may have been carried out.
        body: of a form; None for most actions.
        method: POST, or GET for some of Cloud Config.
    """

    product: str
    version: str
    action: str
    region_id: str | None
    account_id: str
    parameters: Mapping[str, object]
    mutating: bool = False
    body: Mapping[str, object] | None = None
    method: str = "POST"


class Progress:
    """What one call has been through, over its attempts."""

    __slots__ = ("attempts", "refreshed", "signed_anew", "started_at", "throttled", "waited_seconds")

    def __init__(self, started_at: float) -> None:
        self.started_at = started_at
        self.attempts = 0
        self.waited_seconds = 0.0
        self.throttled = False  # the last attempt was
        self.refreshed = False
        self.signed_anew = False


class Wire:
    """Carries out attempts. What it shares between them belongs to the client."""

    def __init__(
        self,
        *,
        endpoints: Endpoints,
        limiter: Limiter,
        circuits: Circuits,
        transport: Transport,
        stats: Stats,
        observers: tuple[Observer, ...],
    ) -> None:
        self._endpoints = endpoints
        self._limiter = limiter
        self._circuits = circuits
        self._transport = transport
        self._stats = stats
        self._observers = observers

    async def once(self, request: Request, who: Credentials, kind: type[T], progress: Progress) -> T:
        """Send the request once and return the answer as `kind`.

        Raises:
            CloudError: the attempt failed; it names the action, account and region.
        """
        target = self._endpoints.target(request.product, request.region_id)
        key = (request.account_id, request.region_id, request.action)
        try:
            permit = await self._limiter.acquire(key, target.host, first=progress.throttled)
        except GivenUpError:
            raise _hopeless(request) from None
        progress.waited_seconds += permit.waited_seconds
        try:
            if progress.attempts == 0:
                self._refuse_if_open(request)
            query = canonical_query(flatten(request.parameters))
            body = canonical_query(flatten(request.body)).encode() if request.body else b""
            headers = sign(
                who,
                method=request.method,
                host=target.host,
                action=request.action,
                version=request.version,
                query=query,
                body=body,
            )
            self._count(request, progress, permit)
            answer = await self._transport.exchange(request.method, target, query, headers, body)
            value = read(answer.status, answer.headers, answer.body, kind, who)
            permit.admitted()
            self._circuits.answered(request.account_id, request.region_id)
        except CloudError as error:
            self._failed(request, permit, progress, error)
            raise
        except BaseException:
            self._circuits.left(request.account_id, request.region_id)
            raise
        finally:
            permit.release()
        if self._observers:
            self._tell(request, permit, progress, None)
        return value

    def _refuse_if_open(self, request: Request) -> None:
        seconds = self._circuits.open_for(request.account_id, request.region_id)
        if seconds:
            error = Unavailable(
                code="CircuitOpen",
                message=f"several calls in a row were lost here, so no more are made for {seconds:.0f} s",
            )
            error.sent = False
            raise error

    def _count(self, request: Request, progress: Progress, permit: Permit) -> None:
        stats = self._stats.of(request.action)
        stats.calls += 1
        stats.waited_seconds += permit.waited_seconds
        if progress.attempts:
            stats.retried += 1
        progress.attempts += 1

    def _failed(self, request: Request, permit: Permit, progress: Progress, error: CloudError) -> None:
        error.action = request.action
        error.account_id = request.account_id
        error.region_id = request.region_id or ""
        progress.throttled = isinstance(error, Throttled)
        if isinstance(error, Throttled):
            self._stats.of(request.action).throttled += 1
            error.hopeless = permit.throttled(error.retry_after_seconds)
        elif error.status:
            permit.admitted()
        if not isinstance(error, Unavailable):
            self._circuits.answered(request.account_id, request.region_id)
        if self._observers:
            self._tell(request, permit, progress, error)

    def _tell(self, request: Request, permit: Permit, progress: Progress, error: CloudError | None) -> None:
        attempt = Attempt(
            account_id=request.account_id,
            region_id=request.region_id,
            action=request.action,
            number=progress.attempts,
            outcome=error.code if error else "ok",
            status=error.status if error else 200,
            request_id=error.request_id if error else "",
            seconds=self._limiter.now() - permit.sent_at,
            waited_seconds=permit.waited_seconds,
        )
        for observer in self._observers:
            observer(attempt)


def _hopeless(request: Request) -> Throttled:
    error = Throttled(
        code="Throttling.GivenUpError",
        message="the server has long refused every call of this API here; its quota is used up elsewhere",
        action=request.action,
        account_id=request.account_id,
        region_id=request.region_id or "",
    )
    error.hopeless = True
    return error
