"""Sends one signed request over the pooled session: an answer, or the reason why there is none."""

from __future__ import annotations

import asyncio
import hashlib
import re
import ssl
import time
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import aiohttp
from yarl import URL

from orchestrator.cloud.endpoints import Destination
from orchestrator.cloud.errors import TooLate, Unavailable
from orchestrator.cloud.memory import LONGEST_BODY, Memory
from orchestrator.cloud.settings import CloudSettings, CloudSettingsError, proxy_url

_KEEP_ALIVE_SECONDS = (
    15.0  # shorter than servers keep an idle connection, so that a request rarely meets its end
)

_COPIES = 2  # of what was received, while its parts are put together


class Answer(NamedTuple):
    """An answer in full.

    Attributes:
        status: HTTP status.
        headers: its headers, names without regard to case.
        body: all of it.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


class NotAfter(NamedTuple):
    """The last moment at which a request may leave.

    The loop's clock is CLOCK_MONOTONIC, which runs on while this process is stopped (SIGSTOP, a debugger, a machine
    that has no time for it). It stands still while the machine sleeps, and that is what `asleep_seconds` is for.

    Attributes:
        moment: by the loop's clock.
        asleep_seconds: how long the machine had slept when the moment was chosen.
    """

    moment: float
    asleep_seconds: float

    def is_past(self) -> bool:
        """Tell whether it has passed."""
        slept = asleep_seconds() - self.asleep_seconds
        return asyncio.get_running_loop().time() + slept > self.moment

    def refuse_late(self) -> None:
        """Raise if it has passed.

        Raises:
            TooLate: nothing was sent.
        """
        if self.is_past():
            raise TooLate(
                code="TooLate",
                message="what the change relies on was read too long ago, so it was not sent",
            )


def asleep_seconds() -> float:
    """Return how long this machine has slept since it was started, where the system tells (Linux), else 0."""
    if not hasattr(time, "CLOCK_BOOTTIME"):
        return 0.0
    # read on either side, so that a pause between the two readings is never taken for less sleep than there was
    return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - time.clock_gettime(time.CLOCK_MONOTONIC))


async def _refuse_late(_: aiohttp.ClientSession, context: SimpleNamespace, __: object) -> None:
    """Keep a late request from leaving. aiohttp calls this with its connection made and nothing of it written yet.

    The name of the signal says otherwise, so a test over a socket holds it to that. What an error leaves is a
    connection that aiohttp closes.
    """
    not_after: NotAfter | None = context.trace_request_ctx
    if not_after is not None:
        not_after.refuse_late()


class SignedAttempt(NamedTuple):
    """One attempt, ready to be sent. Path and query are encoded already.

    Attributes:
        method: of HTTP.
        path: from the first slash on.
        query: without the question mark.
        headers: Authorization among them.
        body: empty for none.
        not_after: the last moment at which it may leave; None for any.
    """

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes
    not_after: NotAfter | None = None


class Transport:
    """One aiohttp session, one TLS context.

    Attributes:
        proxy: the proxy that calls go by, without user and password; empty for none.
        ca_sha256: SHA-256, hex, of each certificate of `ca_file`, with spaces between them; empty for none.
    """

    def __init__(self, settings: CloudSettings) -> None:
        self._proxy = proxy_url(settings.proxy) if settings.proxy else None
        is_proxied = self._proxy is not None and not settings.is_on_loopback
        self.proxy = str(self._proxy.with_user(None)).rstrip("/") if self._proxy and is_proxied else ""
        tls, self.ca_sha256 = _tls(settings)
        timeout = aiohttp.ClientTimeout(
            total=settings.connect_timeout_seconds + settings.read_timeout_seconds,
            sock_connect=settings.connect_timeout_seconds,
        )
        # the limiter bounds what is under way, by account and host; the pool need not
        connector = aiohttp.TCPConnector(
            ssl=tls, limit=0, keepalive_timeout=_KEEP_ALIVE_SECONDS, ttl_dns_cache=300
        )
        self._memory = Memory()
        late = aiohttp.TraceConfig()
        late.on_request_headers_sent.append(_refuse_late)
        self._session = aiohttp.ClientSession(
            connector=connector,
            timeout=timeout,
            cookie_jar=aiohttp.DummyCookieJar(),
            # one of its own would not be signed, and STS refuses types that it does not know
            skip_auto_headers=("Content-Type",),
            trace_configs=[late],
        )

    async def close(self) -> None:
        """Close every connection."""
        await self._session.close()

    async def carry(
        self, method: str, url: URL, headers: Mapping[str, str], body: bytes, *, proxied: bool
    ) -> Answer:
        """Return the answer to a request that somebody else has signed, whatever its status.

        Raises:
            Unavailable: there is no answer, or only a part.
        """
        target = Destination(url.scheme, url.host_port_subcomponent or "", proxied=proxied)
        signed = SignedAttempt(method, url.raw_path, url.raw_query_string, dict(headers), body)
        return await self.exchange(target, signed)

    async def exchange(self, target: Destination, signed: SignedAttempt) -> Answer:
        """Return the answer, whatever its status.

        Raises:
            TooLate: it was not sent, for the moment to send it had passed.
            Unavailable: there is no answer, or only a part; `sent` says whether the request may have arrived.
                Where it came from is dropped: aiohttp's errors hold the request's headers, token included.
        """
        try:
            response = await self._session.request(
                signed.method,
                URL.build(
                    scheme=target.scheme,
                    authority=target.host,
                    path=signed.path,
                    query_string=signed.query,
                    encoded=True,
                ),
                headers=signed.headers,
                data=signed.body or None,
                allow_redirects=False,
                proxy=self._proxy if target.proxied else None,
                trace_request_ctx=signed.not_after,
            )
            return Answer(response.status, response.headers, await _read(response, target.host, self._memory))
        except (aiohttp.ClientError, asyncio.TimeoutError, OSError) as error:
            raise _no_answer(error, target.host) from None


async def _read(response: aiohttp.ClientResponse, host: str, memory: Memory) -> bytes:
    """Return the body, unpacked. Reading to the end gives the connection back; otherwise it is closed.

    aiohttp unpacks a part at a time, of 64 KiB or little more, and no further than it is read.

    Raises:
        Unavailable: it is longer than any answer is: memory is not the server's to fill.
    """
    first = b""
    more = bytearray()  # not a list of parts: those of few bytes would take many times their size
    try:
        async with memory.answer() as held:
            async for part in response.content.iter_any():
                await held.take(_COPIES * len(part))
                if first:
                    more += part
                else:
                    first = part
                if len(first) + len(more) > LONGEST_BODY:
                    break
            else:
                return first + more if more else first
    except BaseException:
        response.close()
        raise
    response.close()
    raise Unavailable(code="AnswerTooLong", message=f"{host}: the answer has more than {LONGEST_BODY} bytes")


def _no_answer(error: Exception, host: str) -> Unavailable:
    code, message, sent = _reason(error)
    unavailable = Unavailable(code=code, message=f"{host}: {message}")
    unavailable.sent = sent
    return unavailable


def _reason(error: Exception) -> tuple[str, str, bool]:
    """Return code, message and whether the request may have been sent."""
    for kind, code, message, sent in _REASONS:
        if isinstance(error, kind):
            detail = getattr(error, "os_error", error)
            return code, message.format(getattr(detail, "strerror", None) or type(detail).__name__), sent
    return "TransportError", type(error).__name__, True


# (kinds, code, message, whether the request may have been sent), the narrower kinds first
_REASONS: tuple[tuple[tuple[type[Exception], ...], str, str, bool], ...] = (
    (
        (aiohttp.ClientConnectorCertificateError,),
        "CertificateError",
        "its TLS certificate is not trusted or not its own; [cloud] ca_file can name a further authority",
        False,
    ),
    (
        (aiohttp.ClientHttpProxyError, aiohttp.ClientProxyConnectionError),
        "ProxyError",
        "the proxy of [cloud] does not connect ({})",
        False,
    ),
    ((aiohttp.ConnectionTimeoutError,), "ConnectTimeout", "no connection in time", False),
    ((aiohttp.ClientConnectorError,), "ConnectionFailed", "no connection ({})", False),
    ((asyncio.TimeoutError, aiohttp.ServerTimeoutError), "Timeout", "no answer in time", True),
    ((aiohttp.ClientPayloadError,), "TruncatedAnswer", "the answer ended too early", True),
    ((aiohttp.ServerDisconnectedError,), "ConnectionReset", "closed the connection without an answer", True),
    ((OSError,), "ConnectionReset", "the connection broke ({})", True),
)


_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


def _tls(settings: CloudSettings) -> tuple[ssl.SSLContext | bool, str]:
    """Return the context, and the fingerprints of the certificates that it trusts beside the system's own.

    Raises:
        CloudSettingsError: `ca_file` cannot be read, or holds no certificate.
    """
    if settings.endpoint.startswith("http://") and not settings.ca_file:
        return True, ""
    context = ssl.create_default_context()
    if not settings.ca_file:
        return context, ""
    try:
        text = Path(settings.ca_file).read_text(encoding="ascii", errors="replace")
        context.load_verify_locations(cadata=text)
        found = [ssl.PEM_cert_to_DER_cert(one) for one in _CERTIFICATE.findall(text)]
    except (OSError, ValueError) as error:  # an SSLError is an OSError
        raise CloudSettingsError(
            f"[cloud] ca_file {settings.ca_file} is not PEM certificates: {getattr(error, 'strerror', '') or error}"
        ) from None
    return context, " ".join(hashlib.sha256(one).hexdigest() for one in found)
