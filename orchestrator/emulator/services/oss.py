"""OSS: objects of a bucket by PUT, GET and ListObjectsV2, with the V4 signature and x-oss-forbid-overwrite.

Not an RPC product: the gateway hands over what is signed for OSS. A bucket belongs to the account that first writes
to it, because nobody makes buckets here. A versioned bucket ignores forbid-overwrite, as the real one does.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from calendar import timegm
from dataclasses import dataclass, field
from time import strptime
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, quote, unquote
from weakref import WeakKeyDictionary
from xml.sax.saxutils import escape

from orchestrator.emulator.framework.call_log import Call
from orchestrator.emulator.framework.errors import ApiError
from orchestrator.emulator.framework.faults import BEFORE, Fault, Kind
from orchestrator.emulator.framework.identity import Caller
from orchestrator.emulator.framework.signature import WireRequest

if TYPE_CHECKING:
    from orchestrator.emulator.framework.state import State

SCHEME: Final = "OSS4-HMAC-SHA256"
XML: Final = "application/xml"
_AUTHORIZATION: Final = re.compile(
    rf"{SCHEME} Credential=(?P<key>[^/,]+)/(?P<scope>[^,]+)(,\s*AdditionalHeaders=(?P<more>[^,]*))?"
    r",\s*Signature=(?P<signature>[0-9a-f]{64})"
)
_SKEW_SECONDS: Final = 900
_HEAD: Final = "<?xml version='1.0' encoding='UTF-8'?>"


@dataclass(slots=True)
class Bucket:
    """A bucket and its objects."""

    account_id: str
    versioned: bool = False
    objects: dict[str, bytes] = field(default_factory=dict)


_BUCKETS: WeakKeyDictionary[State, dict[str, Bucket]] = WeakKeyDictionary()


def buckets(state: State) -> dict[str, Bucket]:
    """The buckets of a running cloud, by name."""
    return _BUCKETS.setdefault(state, {})


@dataclass(slots=True)
class OssReply:
    """An answer, and what the wire does to it."""

    status: int
    body: bytes
    content_type: str = XML
    fault: Fault | None = None


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request taken apart."""

    action: str
    bucket: str
    key: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def resource(self) -> str:
        """What RAM calls it."""
        return f"acs:oss:*:*:{self.bucket}/{self.key}" if self.key else f"acs:oss:*:*:{self.bucket}"


def is_oss(request: WireRequest) -> bool:
    """Whether a request is signed for OSS."""
    return request.headers.get("authorization", "").startswith(SCHEME)


def answer(state: State, request: WireRequest, request_id: str) -> OssReply:
    """Answer one request; never raises for what a client sends."""
    now, asked = state.clock(), _read(request)
    caller: Caller | None = None
    fault: Fault | None = None
    code, changes = "", tuple[dict[str, object], ...]()
    try:
        caller = _verified(state, request, now)
        fault = state.faults.choose(caller.account_id, "", asked.action)
        _fail_if(fault is not None and fault.kind in BEFORE)
        reply, changes = _operate(state, asked, caller)
        _fail_if(fault is not None and fault.kind is Kind.ERROR_AFTER)
    except ApiError as error:
        code = error.code
        text = f"<Code>{code}</Code><Message>{escape(error.message)}</Message><RequestId>{request_id}</RequestId>"
        reply = OssReply(error.status, f"{_HEAD}<Error>{text}</Error>".encode())
    reply.fault = fault
    state.record.append(
        Call(
            time=now,
            account_id=caller.account_id if caller else "",
            region_id="",
            action=asked.action,
            wire=f"bucket={quote(asked.bucket)}&key={quote(asked.key)}&prefix={quote(asked.query.get('prefix', ''))}",
            status=reply.status,
            code=code,
            request_id=request_id,
            caller_arn=caller.arn if caller else "",
            scheme=SCHEME,
            fault=fault.kind.value if fault else "",
            changes=changes,
        )
    )
    return reply


def _fail_if(struck: bool) -> None:  # noqa: FBT001 - the one thing it is about
    if struck:
        raise ApiError(500, "InternalError", "We encountered an internal error. Please try again.")


def _read(request: WireRequest) -> _Asked:
    """The bucket is the first part of the path, or of the host as the real endpoints have it."""
    path = unquote(request.path).lstrip("/")
    host = request.headers.get("host", "")
    if ".oss-" in host:
        bucket, key = host.partition(".oss-")[0], path
    else:
        bucket, _, key = path.partition("/")
    query = dict(parse_qsl(request.query, keep_blank_values=True))
    action = {"PUT": "PutObject", "GET": "GetObject" if key else "ListObjects"}.get(
        request.method, request.method
    )
    return _Asked(action, bucket, key, query, dict(request.headers), request.body)


# --- who asks


def _verified(state: State, request: WireRequest, now: float) -> Caller:
    match = _AUTHORIZATION.fullmatch(request.headers["authorization"])
    stamp = request.headers.get("x-oss-date", "")
    if match is None or not re.fullmatch(r"\d{8}T\d{6}Z", stamp):
        raise ApiError(400, "InvalidArgument", "The Authorization header or x-oss-date is malformed.")
    if abs(now - timegm(strptime(stamp, "%Y%m%dT%H%M%SZ"))) > _SKEW_SECONDS:
        raise ApiError(
            403,
            "RequestTimeTooSkewed",
            "The difference between the request time and the current time is too large.",
        )
    try:
        caller = state.identities.find(match["key"])
    except ApiError:
        raise ApiError(
            403, "InvalidAccessKeyId", "The OSS Access Key Id you provided does not exist."
        ) from None
    if not hmac.compare_digest(
        _signature(request, match, stamp, caller.keys.access_key_secret), match["signature"]
    ):
        raise ApiError(403, "SignatureDoesNotMatch", "The request signature we calculated does not match.")
    try:
        state.identities.check_token(caller, request.headers.get("x-oss-security-token", ""), now)
    except ApiError as error:
        expired = caller.expired or (caller.expires_at is not None and now >= caller.expires_at)
        code = "SecurityTokenExpired" if expired else "InvalidAccessKeyId"
        raise ApiError(403, code, error.message) from None
    return caller


def _signature(request: WireRequest, match: re.Match[str], stamp: str, secret: str) -> str:
    headers = request.headers
    more = {name for name in (match["more"] or "").split(";") if name}
    own = {"content-type", "content-md5"} & headers.keys()
    own |= {name for name in headers if name.startswith("x-oss-")}
    lines = "".join(f"{name}:{headers.get(name, '').strip()}\n" for name in sorted(own | more))
    host = headers.get("host", "")
    bucket = f"/{host.partition('.oss-')[0]}" if ".oss-" in host else ""
    resource = bucket + quote(unquote(request.path))
    pairs = sorted(parse_qsl(request.query, keep_blank_values=True))
    query = "&".join(f"{_encode(name)}={_encode(value)}" if value else _encode(name) for name, value in pairs)
    payload = headers.get("x-oss-content-sha256", "")
    canonical = f"{request.method}\n{resource}\n{query}\n{lines}\n{';'.join(sorted(more))}\n{payload}"
    to_sign = f"{SCHEME}\n{stamp}\n{match['scope']}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = f"aliyun_v4{secret}".encode()
    for part in match["scope"].split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.digest(key, to_sign.encode(), "sha256").hex()


def _encode(text: str) -> str:
    return quote(text, safe="-_.~")


# --- what is done


def _operate(state: State, asked: _Asked, caller: Caller) -> tuple[OssReply, tuple[dict[str, object], ...]]:
    if not caller.may(f"oss:{asked.action}", (asked.resource,)):
        raise ApiError(403, "AccessDenied", "You have no right to access this object because of bucket acl.")
    bucket = buckets(state).get(asked.bucket)
    if bucket is None and asked.action == "PutObject":
        bucket = buckets(state).setdefault(asked.bucket, Bucket(caller.account_id))
    if bucket is None:
        if asked.action == "ListObjects":
            return OssReply(200, _listing(asked, [])), ()
        raise ApiError(404, "NoSuchKey", "The specified key does not exist.")
    if bucket.account_id != caller.account_id:
        raise ApiError(403, "AccessDenied", "The bucket you access does not belong to you.")
    if asked.action == "PutObject":
        return _put(bucket, asked)
    if asked.action == "GetObject":
        if asked.key not in bucket.objects:
            raise ApiError(404, "NoSuchKey", "The specified key does not exist.")
        return OssReply(200, bucket.objects[asked.key], "application/octet-stream"), ()
    if asked.action == "ListObjects":
        return OssReply(200, _listing(asked, sorted(bucket.objects))), ()
    raise ApiError(405, "MethodNotAllowed", "The specified method is not allowed against this resource.")


def _put(bucket: Bucket, asked: _Asked) -> tuple[OssReply, tuple[dict[str, object], ...]]:
    only_new = asked.headers.get("x-oss-forbid-overwrite", "").lower() == "true"
    if only_new and asked.key in bucket.objects and not bucket.versioned:
        raise ApiError(
            409, "FileAlreadyExists", "The object you specified already exists and can not be overwritten."
        )
    bucket.objects[asked.key] = asked.body
    return OssReply(200, b""), ({"what": "object", "bucket": asked.bucket, "key": asked.key},)


def _listing(asked: _Asked, names: list[str]) -> bytes:
    prefix, after = asked.query.get("prefix", ""), asked.query.get("start-after", "")
    token = bytes.fromhex(asked.query.get("continuation-token", "")).decode()
    most = min(int(asked.query.get("max-keys", "100")), 1000)
    left = [name for name in names if name.startswith(prefix) and name > max(after, token)]
    page, more = left[:most], len(left) > most
    as_url = asked.query.get("encoding-type") == "url"
    shown = quote if as_url else escape
    parts = [f"<Name>{asked.bucket}</Name><Prefix>{shown(prefix)}</Prefix><KeyCount>{len(page)}</KeyCount>"]
    parts.append("<EncodingType>url</EncodingType>" * as_url)
    parts.append(f"<IsTruncated>{str(more).lower()}</IsTruncated>")
    parts += [f"<Contents><Key>{shown(name)}</Key></Contents>" for name in page]
    parts.append(f"<NextContinuationToken>{page[-1].encode().hex()}</NextContinuationToken>" if more else "")
    return f"{_HEAD}<ListBucketResult>{''.join(parts)}</ListBucketResult>".encode()
