"""Sends one signed request over the pooled session: an answer, or the reason why there is none."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import aiohttp
from yarl import URL

from orchestrator.cloud.endpoints import Target
from orchestrator.cloud.errors import Unavailable
from orchestrator.cloud.settings import CloudSettings, CloudSettingsError

_KEEP_ALIVE_SECONDS = (
    15.0  # shorter than servers keep an idle connection, so that a request rarely meets its end
)

# A full page of any list we ask for is a few MB.
LONGEST_BODY = 64 * 1024 * 1024


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


class Transport:
    """One aiohttp session, one TLS context."""

    def __init__(self, settings: CloudSettings) -> None:
        self._proxy = _proxy(settings.proxy)
        timeout = aiohttp.ClientTimeout(
            total=settings.connect_seconds + settings.read_seconds, sock_connect=settings.connect_seconds
        )
        # the limiter bounds what is under way, by account and host; the pool need not
        connector = aiohttp.TCPConnector(
            ssl=_tls(settings), limit=0, keepalive_timeout=_KEEP_ALIVE_SECONDS, ttl_dns_cache=300
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            timeout=timeout,
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def close(self) -> None:
        """Close every connection."""
        await self._session.close()

    async def exchange(
        self,
        method: str,
        target: Target,
        query: str,
        headers: dict[str, str],
        body: bytes,
        *,
        path: str = "/",
    ) -> Answer:
        """Return the answer, whatever its status. Path and query are encoded already.

        Raises:
            Unavailable: there is no answer, or only a part; `sent` says whether the request may have arrived.
                Where it came from is dropped: aiohttp's errors hold the request's headers, token included.
        """
        try:
            response = await self._session.request(
                method,
                URL.build(
                    scheme=target.scheme, authority=target.host, path=path, query_string=query, encoded=True
                ),
                headers=headers,
                data=body or None,
                allow_redirects=False,
                proxy=self._proxy if target.proxied else None,
            )
            return Answer(response.status, response.headers, await _read(response, target.host))
        except (aiohttp.ClientError, asyncio.TimeoutError, OSError) as error:
            raise _no_answer(error, target.host) from None


async def _read(response: aiohttp.ClientResponse, host: str) -> bytes:
    """Return the body, unpacked. Reading to the end gives the connection back; otherwise it is closed.

    Raises:
        Unavailable: it is longer than any answer is: memory is not the server's to fill.
    """
    parts: list[bytes] = []
    size = 0
    try:
        async for part in response.content.iter_any():
            parts.append(part)
            size += len(part)
            if size > LONGEST_BODY:
                break
    except BaseException:
        response.close()
        raise
    if size > LONGEST_BODY:
        response.close()
        raise Unavailable(
            code="AnswerTooLong", message=f"{host}: the answer has more than {LONGEST_BODY} bytes"
        )
    return parts[0] if len(parts) == 1 else b"".join(parts)


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


def _tls(settings: CloudSettings) -> ssl.SSLContext | bool:
    if settings.endpoint.startswith("http://"):
        return True
    context = ssl.create_default_context()
    if settings.ca_file:
        try:
            context.load_verify_locations(cafile=Path(settings.ca_file))
        except (OSError, ssl.SSLError) as error:
            raise CloudSettingsError(
                f"[cloud] ca_file {settings.ca_file} is not PEM certificates: {error.strerror or error}"
            ) from None
    return context


def _proxy(text: str) -> URL | None:
    if not text:
        return None
    try:
        url = URL(text)
    except ValueError:
        url = URL()
    if url.scheme not in ("http", "https") or not url.host:
        raise CloudSettingsError("[cloud] proxy is not like http://host:port")
    return url
