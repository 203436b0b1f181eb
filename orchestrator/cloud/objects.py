"""Objects of one OSS bucket: put only if new, put, get, list. All that the function's ledger needs of OSS.

Signed with OSS4-HMAC-SHA256 (OSS, "Include a V4 signature in the Authorization header") and carried by the client's own
transport: the official SDK is synchronous and would bring a second HTTP stack.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
from collections.abc import Iterator, Mapping
from urllib.parse import quote, unquote

from accounts.credentials import Credentials, CredentialSource
from orchestrator.cloud.client import Client
from orchestrator.cloud.endpoints import Target
from orchestrator.cloud.errors import CloudError, ExpiredToken, Throttled, Unavailable
from orchestrator.cloud.responses import read, xml
from orchestrator.cloud.transport import Answer

_ATTEMPTS = 4
_FIRST_PAUSE_SECONDS = 0.2
_SCHEME = "OSS4-HMAC-SHA256"
_UNSIGNED = "UNSIGNED-PAYLOAD"


class Objects:
    """The objects of a bucket, as one identity sees them."""

    def __init__(self, client: Client, bucket: str, region_id: str, source: CredentialSource) -> None:
        """Remember where the bucket is.

        Args:
            client: over whose transport, and to whose endpoint where it has but one.
            bucket: its name.
            region_id: the bucket's region; it is part of every signature.
            source: who asks.
        """
        self._client = client
        self._bucket = bucket
        self._region_id = region_id
        self._source = source
        self._refused: Credentials | None = None

    async def put(self, key: str, data: bytes, *, only_new: bool = False) -> bool:
        """Write an object; durable when it returns.

        Args:
            key: its name.
            data: all of it.
            only_new: leave it as it is if there is one (`x-oss-forbid-overwrite`; no versioned bucket does this).

        Returns:
            Whether the object is this one: an earlier attempt, whose answer was lost, may have written it.

        Raises:
            CloudError: it is not known to be written.
        """
        headers = {"content-type": "application/json"}
        if only_new:
            headers["x-oss-forbid-overwrite"] = "true"
        for attempt in range(_ATTEMPTS):
            try:
                await self._once("PUT", key, {}, headers, data)
            except CloudError as error:  # noqa: PERF203 - each attempt may fail
                if error.code == "FileAlreadyExists":
                    # an attempt whose answer was lost may have written it; aiohttp, too, repeats a PUT by itself
                    return await self.get(key) == data
                await self._pause_or_raise(error, attempt)
            else:
                return True
        raise AssertionError("the last attempt returns or raises")

    async def get(self, key: str) -> bytes | None:
        """Return the object, None if there is none.

        Raises:
            CloudError: that cannot be told.
        """
        try:
            return (await self._patiently("GET", key, {})).body
        except CloudError as error:
            if error.code == "NoSuchKey":
                return None
            raise

    async def keys(self, prefix: str, after: str = "") -> list[str]:
        """Return the names that begin with `prefix` and come after `after`, in order, all of them (ListObjectsV2).

        Raises:
            CloudError: they could not be listed in full.
        """
        found: list[str] = []
        token = ""
        while True:
            query = {"list-type": "2", "prefix": prefix, "max-keys": "1000", "encoding-type": "url"}
            if after:
                query["start-after"] = after
            if token:
                query["continuation-token"] = token
            page = _page((await self._patiently("GET", "", query)).body)
            found += page.keys
            if not page.token:
                return found
            if page.token == token:
                raise Unavailable(
                    code="MalformedAnswer", message="the page token repeats", action="ListObjects"
                )
            token = page.token

    async def _patiently(self, method: str, key: str, query: Mapping[str, str]) -> Answer:
        for attempt in range(_ATTEMPTS):
            try:
                return await self._once(method, key, query, {}, b"")
            except CloudError as error:  # noqa: PERF203 - each attempt may fail
                await self._pause_or_raise(error, attempt)
        raise AssertionError("the last attempt returns or raises")

    async def _pause_or_raise(self, error: CloudError, attempt: int) -> None:
        lasting = not isinstance(error, (Unavailable, Throttled, ExpiredToken))
        if lasting or attempt == _ATTEMPTS - 1:
            raise error
        await asyncio.sleep(_FIRST_PAUSE_SECONDS * 2**attempt)

    async def _once(
        self, method: str, key: str, query: Mapping[str, str], headers: Mapping[str, str], body: bytes
    ) -> Answer:
        who = await self._source.credentials(not_this=self._refused)
        target, in_path = self._target()
        resource = "/" + quote(f"{self._bucket}/{key}")
        signed = sign(who, method, resource, query, headers, self._region_id, int(time.time()))
        signed["host"] = target.host
        transport = self._client._transport  # noqa: SLF001 - of the same room
        try:
            answer = await transport.exchange(
                method,
                target,
                canonical_query(query),
                signed,
                body,
                path=resource if in_path else "/" + quote(key),
            )
            if not 200 <= answer.status < 300:
                read(answer.status, answer.headers, answer.body, bytes, who)  # raises
        except CloudError as error:
            self._refused = who if isinstance(error, ExpiredToken) else None
            error.action = "PutObject" if method == "PUT" else "GetObject" if key else "ListObjects"
            error.region_id = self._region_id
            raise
        return answer

    def _target(self) -> tuple[Target, bool]:
        """Return where the bucket answers, and whether its name is part of the path there."""
        settings = self._client.settings
        if settings.endpoint:
            return self._client.endpoints.target("oss", None), True
        suffix = "-internal" if settings.network == "vpc" else ""
        host = f"{self._bucket}.oss-{self._region_id}{suffix}.aliyuncs.com"
        return Target("https", host, proxied=bool(settings.proxy)), False


class _Keys:
    """One page of names."""

    def __init__(self, keys: list[str], token: str) -> None:
        self.keys = keys
        self.token = token


def _page(body: bytes) -> _Keys:
    try:
        root = xml(body)
    except ValueError:
        raise Unavailable(
            code="MalformedAnswer", message="the answer is no list", action="ListObjects"
        ) from None
    keys = [unquote(item.findtext("Key") or "") for item in root.iter("Contents")]
    truncated = (root.findtext("IsTruncated") or "").lower() == "true"
    return _Keys(keys, unquote(root.findtext("NextContinuationToken") or "") if truncated else "")


def canonical_query(query: Mapping[str, str]) -> str:
    """Return the query sorted and encoded, as it is signed and sent."""
    return "&".join(
        f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in sorted(query.items())
    )


def sign(
    who: Credentials,
    method: str,
    resource: str,
    query: Mapping[str, str],
    headers: Mapping[str, str],
    region_id: str,
    now: int,
) -> dict[str, str]:
    """Return the headers of a request, Authorization among them.

    Args:
        who: signs.
        method: GET or PUT.
        resource: "/bucket/key", encoded, wherever the bucket's name is sent.
        query: of the request.
        headers: content-type, and those that begin with x-oss-.
        region_id: the bucket's.
        now: seconds since 1970.
    """
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    signed = {**headers, "x-oss-content-sha256": _UNSIGNED, "x-oss-date": stamp}
    if who.security_token:
        signed["x-oss-security-token"] = who.security_token
    lines = "".join(f"{name}:{signed[name].strip()}\n" for name in sorted(signed))
    canonical = f"{method}\n{resource}\n{canonical_query(query)}\n{lines}\n\n{_UNSIGNED}"
    scope = f"{stamp[:8]}/{region_id}/oss/aliyun_v4_request"
    to_sign = f"{_SCHEME}\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = f"aliyun_v4{who.access_key_secret}".encode()
    for part in _parts(scope):
        key = hmac.digest(key, part, "sha256")
    signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
    return {
        **signed,
        "Authorization": f"{_SCHEME} Credential={who.access_key_id}/{scope},Signature={signature}",
    }


def _parts(scope: str) -> Iterator[bytes]:
    yield from (part.encode() for part in scope.split("/"))
