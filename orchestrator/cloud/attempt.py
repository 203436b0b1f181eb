"""One attempt of one call: a place, a signature, an exchange; and what that means for limiter and circuit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeVar

from accounts.credentials import Credentials
from orchestrator.cloud.circuit import Circuit, Circuits
from orchestrator.cloud.endpoints import Destination, Endpoints
from orchestrator.cloud.errors import CloudError, Throttled, TooLate, Unavailable
from orchestrator.cloud.limiter import GivenUpError, Limiter, Permit
from orchestrator.cloud.retry import CallProgress
from orchestrator.cloud.signature import canonical_query, flatten, sign
from orchestrator.cloud.stats import Attempt, Observer, Stats
from orchestrator.cloud.transport import Answer, SignedAttempt, Transport

T = TypeVar("T")
Read = Callable[[Answer, Credentials], T]


class Sendable(Protocol):
    """What an attempt is made of, whatever the product's protocol.

    Attributes:
        product: the product's code: with account and region it names a circuit.
        action: with account and region it names a quota.
        region_id: None for central products.
        account_id: whose quota the server counts it on.
        mutating: it changes something, so it is not repeated when it may have been carried out.
    """

    @property
    def product(self) -> str: ...  # noqa: D102 - above
    @property
    def action(self) -> str: ...  # noqa: D102 - above
    @property
    def region_id(self) -> str | None: ...  # noqa: D102 - above
    @property
    def account_id(self) -> str: ...  # noqa: D102 - above
    @property
    def mutating(self) -> bool: ...  # noqa: D102 - above

    def target(self, endpoints: Endpoints) -> Destination:
        """Return where it goes."""
        ...

    def sign(self, who: Credentials, host: str) -> SignedAttempt:
        """Return one attempt, signed by `who` for the host."""
        ...


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

    def target(self, endpoints: Endpoints) -> Destination:
        """Return where it goes."""
        return endpoints.target(self.product, self.region_id)

    def sign(self, who: Credentials, host: str) -> SignedAttempt:
        """Return one attempt, signed by `who` for the host."""
        query = canonical_query(flatten(self.parameters))
        body = canonical_query(flatten(self.body)).encode() if self.body else b""
        headers = sign(
            who,
            method=self.method,
            host=host,
            action=self.action,
            version=self.version,
            query=query,
            body=body,
        )
        return SignedAttempt(self.method, "/", query, headers, body)


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

    async def once(self, request: Sendable, read: Read[T], progress: CallProgress) -> T:
        """Send the request once and return what `read` makes of the answer.

        Raises:
            CloudError: the attempt failed; it names the action, account and region.
        """
        target = request.target(self._endpoints)
        circuit = _circuit(request)
        permit = await self._leave(request, progress, target.host)
        is_sent = True
        answer: Answer | None = None
        try:
            if progress.attempts == 0:
                self._refuse_if_open(circuit)
            signed = request.sign(progress.who, target.host)
            if progress.not_after is not None:
                signed = signed._replace(not_after=progress.not_after)
            self._count(request, progress, permit)
            answer = await self._transport.exchange(target, signed)
            value = read(answer, progress.who)
            permit.admitted()
            self._circuits.answered(circuit)
        except CloudError as error:
            is_sent = not isinstance(error, TooLate)
            self._failed(request, permit, progress, error)
            if self._observers:
                self._tell(request, permit, progress, _Heard(target.host, answer, error))
            raise
        except BaseException:
            self._circuits.left(circuit)
            raise
        finally:
            if is_sent:
                permit.release()
            else:
                permit.unsent()
        if self._observers:
            self._tell(request, permit, progress, _Heard(target.host, answer))
        return value

    async def hold(self, request: Sendable) -> Permit:
        """Take the request's turn before it is made: wait as an attempt does, and send nothing.

        A region that was given up may be asked again after a while: the reading of whoever holds the turn tries it.

        Raises:
            CloudError: the turn will not come.
        """
        permit = await self._acquire(request, request.target(self._endpoints).host, held=True)
        seconds = self._circuits.shut_for(_circuit(request))
        if seconds:
            permit.unsent()
            raise _named(_circuit_open(seconds), request)
        return permit

    async def _leave(self, request: Sendable, progress: CallProgress, host: str) -> Permit:
        """Return leave to send the attempt now: the turn that is held, or one that is waited for."""
        permit, progress.held = progress.held, None
        if permit is None:
            permit = await self._acquire(request, host, first=progress.throttled)
            progress.waited_seconds += permit.waited_seconds
        else:
            permit.send()
        progress.sent_at = permit.sent_at
        return permit

    async def _acquire(
        self, request: Sendable, host: str, *, first: bool = False, held: bool = False
    ) -> Permit:
        key = (request.account_id, request.region_id, request.action)
        try:
            return await self._limiter.acquire(key, host, first=first, held=held)
        except GivenUpError:
            raise _hopeless(request) from None

    def lost(self, request: Sendable, error: CloudError) -> None:
        """Note that a call failed for good, after its retries."""
        self._stats.of(request.action).failed += 1
        if isinstance(error, Unavailable) and error.code != "CircuitOpen":
            self._circuits.lost(_circuit(request))

    def _refuse_if_open(self, circuit: Circuit) -> None:
        seconds = self._circuits.open_for(circuit)
        if seconds:
            raise _circuit_open(seconds)

    def _count(self, request: Sendable, progress: CallProgress, permit: Permit) -> None:
        stats = self._stats.of(request.action)
        stats.calls += 1
        stats.waited_seconds += permit.waited_seconds
        if progress.attempts:
            stats.retried += 1
        progress.attempts += 1

    def _failed(self, request: Sendable, permit: Permit, progress: CallProgress, error: CloudError) -> None:
        _named(error, request)
        progress.throttled = isinstance(error, Throttled)
        if isinstance(error, Throttled):
            self._stats.of(request.action).throttled += 1
            error.hopeless = permit.throttled(error.retry_after_seconds)
        elif error.status:
            permit.admitted()
        if isinstance(error, TooLate):
            self._circuits.left(_circuit(request))
        elif not isinstance(error, Unavailable):
            self._circuits.answered(_circuit(request))

    def _tell(self, request: Sendable, permit: Permit, progress: CallProgress, heard: _Heard) -> None:
        error = heard.error
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
            host=heard.host,
            headers=heard.answer.headers if heard.answer is not None else {},
        )
        for observer in self._observers:
            observer(attempt)


class _Heard(NamedTuple):
    """What came of an attempt: from whom, what, and the error that it means."""

    host: str
    answer: Answer | None
    error: CloudError | None = None


def _circuit(request: Sendable) -> Circuit:
    return request.account_id, request.region_id, request.product


def _named(error: CloudError, request: Sendable) -> CloudError:
    error.action = request.action
    error.account_id = request.account_id
    error.region_id = request.region_id or ""
    return error


def _circuit_open(seconds: float) -> Unavailable:
    error = Unavailable(
        code="CircuitOpen",
        message=f"several calls in a row were lost here, so no more are made for {seconds:.0f} s",
    )
    error.sent = False
    return error


def _hopeless(request: Sendable) -> Throttled:
    error = Throttled(
        code="Throttling.GivenUpError",
        message="the server has long refused every call of this API here; its quota is used up elsewhere",
        action=request.action,
        account_id=request.account_id,
        region_id=request.region_id or "",
    )
    error.hopeless = True
    return error
