"""OSS: objects of a bucket by PUT, GET and ListObjectsV2, with the V4 signature and x-oss-forbid-overwrite.

OSS does not speak RPC: it has a protocol of its own, signed with OSS4-HMAC-SHA256 and answered in XML. A bucket
belongs to the account that first writes to it, because nobody makes buckets here. A versioned bucket ignores
forbid-overwrite, as the real one does.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from calendar import timegm
from collections.abc import Iterable
from dataclasses import dataclass, field
from time import strptime
from typing import Final
from urllib.parse import parse_qsl, quote, unquote
from xml.sax.saxutils import escape

from orchestrator.emulator.framework.errors import ApiError
from orchestrator.emulator.framework.faults import Fault, Kind
from orchestrator.emulator.framework.identity import Caller
from orchestrator.emulator.framework.operations import Answer, Context, operation
from orchestrator.emulator.framework.protocols import PROTOCOLS, Protocol, Refused, Reply
from orchestrator.emulator.framework.signature import SignedRequest, WireRequest
from orchestrator.emulator.framework.state import State

VERSION: Final = "2019-05-17"
SCHEME: Final = "OSS4-HMAC-SHA256"
XML: Final = "application/xml"
_AUTHORIZATION: Final = re.compile(
    rf"{SCHEME} Credential=(?P<key>[^/,]+)/(?P<scope>[^,]+)(,\s*AdditionalHeaders=(?P<more>[^,]*))?"
    r",\s*Signature=(?P<signature>[0-9a-f]{64})"
)
_SKEW_SECONDS: Final = 900
_HEAD: Final = "<?xml version='1.0' encoding='UTF-8'?>"
_ONLY_NEW: Final = "x-oss-forbid-overwrite"


@dataclass(slots=True)
class Bucket:
    """A bucket and its objects."""

    account_id: str
    versioned: bool = False
    objects: dict[str, bytes] = field(default_factory=dict)


class Buckets(dict[str, Bucket]):
    """The buckets of a running cloud, by name."""


def buckets(state: State) -> Buckets:
    """The buckets of a running cloud, by name."""
    return state.of(Buckets)


# --- what is done


def _resource(context: Context) -> Iterable[str]:
    """What RAM calls the object, or the bucket where none is named."""
    bucket, key = context.parameters.text("bucket"), context.parameters.text("key")
    return (f"acs:oss:*:*:{bucket}/{key}" if key else f"acs:oss:*:*:{bucket}",)


def _bucket(context: Context) -> Bucket | None:
    """The bucket that is named, None where there is none; one of another account is refused."""
    found = buckets(context.state).get(context.parameters.text("bucket"))
    if found is not None and found.account_id != context.account_id:
        raise ApiError(403, "AccessDenied", "The bucket you access does not belong to you.")
    return found


@operation("oss", VERSION, "PutObject", resources=_resource, mutating=True, metered=False)
def put_object(context: Context) -> Answer:
    """Write an object, or refuse to write it over another."""
    ask = context.parameters.text
    bucket = _bucket(context)
    if bucket is None:
        bucket = buckets(context.state).setdefault(ask("bucket"), Bucket(context.account_id))
    if ask(_ONLY_NEW).lower() == "true" and ask("key") in bucket.objects and not bucket.versioned:
        message = "The object you specified already exists and can not be overwritten."
        raise ApiError(409, "FileAlreadyExists", message)
    bucket.objects[ask("key")] = context.body
    context.changed("object", bucket=ask("bucket"), key=ask("key"))
    return {}


@operation("oss", VERSION, "GetObject", resources=_resource, metered=False)
def get_object(context: Context) -> Answer:
    """The bytes of an object."""
    bucket, key = _bucket(context), context.parameters.text("key")
    if bucket is None or key not in bucket.objects:
        raise ApiError(404, "NoSuchKey", "The specified key does not exist.")
    return {"Body": bucket.objects[key]}


@operation("oss", VERSION, "ListObjects", resources=_resource, listing=("Names",), metered=False)
def list_objects(context: Context) -> Answer:
    """The names of a bucket below a prefix, in their order, by token; a bucket that is not there has none."""
    ask, bucket = context.parameters.text, _bucket(context)
    prefix, token = ask("prefix"), bytes.fromhex(ask("continuation-token")).decode()
    most = min(int(ask("max-keys", "100")), 1000)
    names = sorted(bucket.objects) if bucket else []
    left = [name for name in names if name.startswith(prefix) and name > max(ask("start-after"), token)]
    return {
        "Bucket": ask("bucket"),
        "Prefix": prefix,
        "Encoding": ask("encoding-type"),
        "Names": left[:most],
        "Next": left[most - 1].encode().hex() if len(left) > most else "",
    }


def _listing(answer: Answer, names: list[str]) -> bytes:
    """The answer of ListObjects in XML."""
    as_url = answer["Encoding"] == "url"
    shown = quote if as_url else escape
    parts = [f"<Name>{answer['Bucket']}</Name><Prefix>{shown(str(answer['Prefix']))}</Prefix>"]
    parts.append(f"<KeyCount>{len(names)}</KeyCount>")
    parts.append("<EncodingType>url</EncodingType>" * as_url)
    parts.append(f"<IsTruncated>{str(bool(answer['Next'])).lower()}</IsTruncated>")
    parts += [f"<Contents><Key>{shown(name)}</Key></Contents>" for name in names]
    parts.append(f"<NextContinuationToken>{answer['Next']}</NextContinuationToken>" if answer["Next"] else "")
    return f"{_HEAD}<ListBucketResult>{''.join(parts)}</ListBucketResult>".encode()


# --- how it is spoken


@dataclass(frozen=True, slots=True)
class _Signed(SignedRequest):
    """A request signed for OSS. `scope` is what the key is derived for: date, region, product."""

    scope: str = ""

    def verify(self, secret: str) -> None:
        key = f"aliyun_v4{secret}".encode()
        for part in self.scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        expected = hmac.digest(key, self.string_to_sign.encode(), "sha256").hex()
        if not hmac.compare_digest(expected, self.signature):
            raise ApiError(
                403, "SignatureDoesNotMatch", "The request signature we calculated does not match."
            )

    def seconds(self) -> float:
        return timegm(strptime(self.date, "%Y%m%dT%H%M%SZ"))


class _Oss(Protocol):
    """OSS over REST: the bucket is the first part of the path, or of the host as the real endpoints have it."""

    bendable = False

    def claims(self, request: WireRequest) -> bool:
        return request.headers.get("authorization", "").startswith(SCHEME)

    def read(self, request: WireRequest) -> SignedRequest:
        headers = request.headers
        match, stamp = _AUTHORIZATION.fullmatch(headers["authorization"]), headers.get("x-oss-date", "")
        if match is None or not re.fullmatch(r"\d{8}T\d{6}Z", stamp):
            raise ApiError(400, "InvalidArgument", "The Authorization header or x-oss-date is malformed.")
        bucket, key = _place(request)
        query = dict(parse_qsl(request.query, keep_blank_values=True))
        action = {"PUT": "PutObject", "GET": "GetObject" if key else "ListObjects"}.get(request.method)
        prefix = quote(query.get("prefix", ""))
        return _Signed(
            scheme=SCHEME,
            version=VERSION,
            action=action or request.method,
            parameters={**query, "bucket": bucket, "key": key, _ONLY_NEW: headers.get(_ONLY_NEW, "")},
            access_key_id=match["key"],
            security_token=headers.get("x-oss-security-token", ""),
            nonce="",
            date=stamp,
            string_to_sign=_string_to_sign(request, match, stamp),
            signature=match["signature"],
            wire=f"bucket={quote(bucket)}&key={quote(key)}&prefix={prefix}",
            body=request.body,
            scope=match["scope"],
        )

    def identify(self, state: State, signed: SignedRequest, now: float) -> Caller:
        if abs(now - signed.seconds()) > _SKEW_SECONDS:
            message = "The difference between the request time and the current time is too large."
            raise ApiError(403, "RequestTimeTooSkewed", message)
        try:
            caller = state.identities.find(signed.access_key_id)
        except ApiError:
            message = "The OSS Access Key Id you provided does not exist."
            raise ApiError(403, "InvalidAccessKeyId", message) from None
        signed.verify(caller.keys.access_key_secret)
        return caller

    def admit(self, state: State, caller: Caller, signed: SignedRequest, now: float) -> None:
        try:
            state.identities.check_token(caller, signed.security_token, now)
        except ApiError as error:
            expired = caller.expired or (caller.expires_at is not None and now >= caller.expires_at)
            code = "SecurityTokenExpired" if expired else "InvalidAccessKeyId"
            raise ApiError(403, code, error.message) from None

    def unknown(self) -> ApiError:
        message = "The specified method is not allowed against this resource."
        return ApiError(405, "MethodNotAllowed", message)

    def denied(self, context: Context) -> ApiError:  # noqa: ARG002 - always the same
        message = "You have no right to access this object because of bucket acl."
        return ApiError(403, "AccessDenied", message)

    def struck(self, context: Context, fault: Fault) -> ApiError:
        if fault.kind is Kind.DENIED:
            return self.denied(context)
        if fault.kind is Kind.EXPIRED:
            return ApiError(403, "SecurityTokenExpired", "The security token you provided has expired.")
        return ApiError(500, "InternalError", "We encountered an internal error. Please try again.")

    def answer(self, answer: Answer, request_id: str) -> Reply:  # noqa: ARG002 - no answer of OSS has one in its body
        body, names = answer.get("Body"), answer.get("Names")
        if isinstance(body, bytes):
            return Reply(200, body, content_type="application/octet-stream")
        return Reply(200, _listing(answer, names) if isinstance(names, list) else b"", content_type=XML)

    def refusal(self, state: State, refused: Refused) -> Reply:  # noqa: ARG002 - the quirks are those of RPC
        error = refused.error
        text = f"<Code>{error.code}</Code><Message>{escape(error.message)}</Message>"
        text += f"<RequestId>{refused.request_id}</RequestId>"
        return Reply(error.status, f"{_HEAD}<Error>{text}</Error>".encode(), content_type=XML)


def _place(request: WireRequest) -> tuple[str, str]:
    """The bucket and the key, "" for none."""
    path, host = unquote(request.path).lstrip("/"), request.headers.get("host", "")
    if ".oss-" in host:
        return host.partition(".oss-")[0], path
    bucket, _, key = path.partition("/")
    return bucket, key


def _string_to_sign(request: WireRequest, match: re.Match[str], stamp: str) -> str:
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
    return f"{SCHEME}\n{stamp}\n{match['scope']}\n{hashlib.sha256(canonical.encode()).hexdigest()}"


def _encode(text: str) -> str:
    return quote(text, safe="-_.~")


PROTOCOLS.append(_Oss())
