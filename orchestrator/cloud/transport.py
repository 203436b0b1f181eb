"""Sends one signed request over the pooled session and says what came of it: an answer, or why there is none."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from yarl import URL

from orchestrator.cloud.endpoints import Target
from orchestrator.cloud.errors import Unavailable
from orchestrator.cloud.settings import CloudSettings, CloudSettingsError

_KEEP_ALIVE_SECONDS = (
    15.0  # shorter than servers keep an idle connection, so that a request rarely meets its end
)


@dataclass(frozen=True)
class Answer:
    """An answer in full.

    Attributes:
        status: HTTP status.
        headers: its headers, names without regard to case.
        body: all of it.
    """

    __slots__ = ("body", "headers", "status")
    status: int
    headers: Any
    body: bytes


class Transport:
    """One aiohttp session, one TLS context."""

    def __init__(self, settings: CloudSettings) -> None:
        self._proxy = _proxy(settings.proxy)
        timeout = aiohttp.ClientTimeout(
            total=settings.total_seconds,
            sock_connect=settings.connect_seconds,
            sock_read=settings.read_seconds,
        )
        # the limiter bounds what is under way, by account and host; the pool need not
        connector = aiohttp.TCPConnector(
            ssl=_tls(settings), limit=0, keepalive_timeout=_KEEP_ALIVE_SECONDS, ttl_dns_cache=300
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            timeout=timeout,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("Accept", "Accept-Encoding", "User-Agent", "Content-Type"),
        )

    async def close(self) -> None:
        """Close every connection."""
        await self._session.close()

    async def exchange(
        self, method: str, target: Target, query: str, headers: dict[str, str], body: bytes
    ) -> Answer:
        """Return the answer, whatever its status.

        Raises:
            Unavailable: there is no answer, or only a part; `sent` says whether the request may have arrived. Where
                it came from is dropped: aiohttp's errors hold the request's headers, token included.
        """
        try:
            async with self._session.request(
                method,
                URL(target.base + query, encoded=True),
                headers=headers,
                data=body or None,
                allow_redirects=False,
                proxy=self._proxy if target.proxied else None,
            ) as response:
                return Answer(response.status, response.headers, await response.read())
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _no_answer(error, target.host) from None


def _no_answer(error: Exception, host: str) -> Unavailable:
    code, message, sent = _reason(error)
    unavailable = Unavailable(code=code, message=f"{host}: {message}")
    unavailable.sent = sent
    return unavailable


def _reason(error: Exception) -> tuple[str, str, bool]:
    """Return code, message and whether the request may have been sent."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return "CertificateError", f"its certificate is not trusted ({error.certificate_error})", False
    if isinstance(error, (aiohttp.ClientHttpProxyError, aiohttp.ClientProxyConnectionError)):
        status = getattr(error, "status", "")
        return "ProxyError", f"the proxy did not connect {status}".rstrip(), False
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return "ConnectTimeout", "no connection in time", False
    if isinstance(error, aiohttp.ClientConnectorError):
        return "ConnectionFailed", f"no connection ({error.os_error.strerror or error.os_error})", False
    if isinstance(error, TimeoutError) or isinstance(error, aiohttp.ServerTimeoutError):
        return "Timeout", "no answer in time", True
    if isinstance(error, aiohttp.ClientPayloadError):
        return "TruncatedAnswer", "the answer ended too early", True
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "ConnectionReset", "the connection was closed without an answer", True
    if isinstance(error, (aiohttp.ClientOSError, OSError)):
        return "ConnectionReset", f"the connection broke ({error.strerror or type(error).__name__})", True
    return "TransportError", type(error).__name__, True


def _tls(settings: CloudSettings) -> ssl.SSLContext | bool:
    if settings.endpoint.startswith("http://"):
        return True
    context = ssl.create_default_context()
    if settings.ca_file:
        try:
            context.load_verify_locations(cafile=Path(settings.ca_file))
        except (OSError, ssl.SSLError) as error:
            raise CloudSettingsError(
                f"[cloud] ca_file {settings.ca_file} cannot be read as PEM certificates: {error.strerror or error}"
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
