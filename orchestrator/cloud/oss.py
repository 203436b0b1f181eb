"""Objects of one OSS bucket: put only if new, put, get, list. All that the function's ledger needs of OSS.

Signed with OSS4-HMAC-SHA256 (OSS, "Include a V4 signature in the Authorization header") and carried by the client as
all other calls are: the official SDK is synchronous and would bring a second HTTP stack.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from urllib.parse import quote, unquote

from accounts.credentials import Credentials
from orchestrator.cloud.client import AccountSession, Client
from orchestrator.cloud.endpoints import Destination, Endpoints
from orchestrator.cloud.errors import CloudError, Unavailable
from orchestrator.cloud.responses import received, xml
from orchestrator.cloud.transport import SignedAttempt

_SCHEME = "OSS4-HMAC-SHA256"
_UNSIGNED = "UNSIGNED-PAYLOAD"
_NAMES_PER_PAGE = 1000  # the API's maximum
_NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class _Request:
    """One call of OSS, before it is signed. A put may be repeated: its object is the same one, whole or not at all.

    Attributes:
        bucket: its name.
        key: of the object; empty for the bucket.
        region_id: the bucket's; it is part of every signature.
        account_id: whose quota the server counts it on.
        method: of HTTP.
        action: as RAM calls it.
        query: of the request.
        headers: content-type, and those that begin with x-oss-.
        body: the object.
        internal: by the internal endpoint, whatever the network is.
    """

    bucket: str
    key: str
    region_id: str
    account_id: str
    method: str
    action: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    internal: bool = False
    product: str = "oss"
    mutating: bool = False

    def target(self, endpoints: Endpoints) -> Destination:
        """Return where it goes."""
        return endpoints.bucket(self.bucket, self.region_id, internal=self.internal)

    def sign(self, who: Credentials, host: str) -> SignedAttempt:
        """Return one attempt, signed by `who` for the host."""
        resource = "/" + quote(f"{self.bucket}/{self.key}")
        signed = sign(who, self.method, resource, self.query, self.headers, self.region_id, int(time.time()))
        path = "/" + quote(self.key) if host.startswith(f"{self.bucket}.") else resource
        return SignedAttempt(
            self.method, path, canonical_query(self.query), {**signed, "host": host}, self.body
        )


class Objects:
    """The objects of a bucket, as one identity sees them."""

    def __init__(
        self, client: Client, own: AccountSession, bucket: str, region_id: str, *, internal: bool = False
    ) -> None:
        """Remember where the bucket is.

        Args:
            client: carries the calls, with the limits, retries and counts of all others.
            own: who asks, and whose quota counts.
            bucket: its name.
            region_id: the bucket's region.
            internal: by the internal endpoint, whatever the network to the other products is.
        """
        self._internal = internal
        self._client = client
        self._own = own
        self._bucket = bucket
        self._region_id = region_id

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
        try:
            await self._call("PutObject", key, headers=headers, body=data)
        except CloudError as error:
            if error.code != "FileAlreadyExists":
                raise
            # an attempt whose answer was lost may have written it; aiohttp, too, repeats a PUT by itself
            return await self.get(key) == data
        return True

    async def get(self, key: str) -> bytes | None:
        """Return the object, None if there is none.

        Raises:
            CloudError: that cannot be told.
        """
        try:
            return await self._call("GetObject", key)
        except CloudError as error:
            if error.code == "NoSuchKey":
                return None
            raise

    async def keys(self, prefix: str, after: str = "", most: int | None = None) -> list[str]:
        """Return the names that begin with `prefix` and come after `after`, in order (ListObjectsV2).

        Args:
            prefix: how they begin.
            after: a name that comes before them.
            most: how many are wanted, the first ones; None for all of them.

        Raises:
            CloudError: they could not be listed in full.
        """
        found: list[str] = []
        token = ""
        while True:
            size = _NAMES_PER_PAGE if most is None else min(most - len(found), _NAMES_PER_PAGE)
            query = {"list-type": "2", "prefix": prefix, "max-keys": str(size), "encoding-type": "url"}
            if after:
                query["start-after"] = after
            if token:
                query["continuation-token"] = token
            page = _page(await self._call("ListObjects", "", query))
            found += page.keys
            if not page.token or (most is not None and len(found) >= most):
                return found[:most]
            if page.token == token:
                raise Unavailable(
                    code="MalformedAnswer", message="the page token repeats", action="ListObjects"
                )
            token = page.token

    async def _call(
        self,
        action: str,
        key: str,
        query: Mapping[str, str] = _NOTHING,
        headers: Mapping[str, str] = _NOTHING,
        body: bytes = b"",
    ) -> bytes:
        request = _Request(
            bucket=self._bucket,
            key=key,
            region_id=self._region_id,
            account_id=self._own.account_id,
            method="PUT" if action == "PutObject" else "GET",
            action=action,
            query=query,
            headers=headers,
            body=body,
            internal=self._internal,
        )
        return (await self._client.exchange(request, self._own.source, received)).body


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
