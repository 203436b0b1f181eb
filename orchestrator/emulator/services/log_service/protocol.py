"""How Log Service is spoken: REST on {project}.{region}.log.aliyuncs.com, signed in one of two ways, answered in JSON.

Signatures ("Request signatures" and "Signature version 4", help of Simple Log Service): `LOG key:HMAC-SHA1` over the
x-log- and x-acs- headers, and SLS4-HMAC-SHA256. The project is in the host's name, whatever stands behind it there: a
client that connects to loopback names it in its Host header, as the official one does. The region is that of the
host, else that of the project.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from calendar import timegm
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from time import strptime
from typing import Final
from urllib.parse import parse_qsl, quote, unquote, urlencode

import msgspec

from orchestrator.emulator.framework.errors import ApiError
from orchestrator.emulator.framework.faults import Fault, Kind
from orchestrator.emulator.framework.identity import Caller
from orchestrator.emulator.framework.operations import Answer, Context
from orchestrator.emulator.framework.protocols import PROTOCOLS, Protocol, Refused, Reply
from orchestrator.emulator.framework.signature import SignedRequest, WireRequest
from orchestrator.emulator.framework.state import State
from orchestrator.emulator.services.log_service.compression import choose, compress
from orchestrator.emulator.services.log_service.logstores import logs_of

VERSION: Final = "2020-12-30"
V1: Final = "LOG"
V4: Final = "SLS4-HMAC-SHA256"
_API_VERSION: Final = "0.6.0"
_V1: Final = re.compile(rf"{V1} (?P<key>[^:\s]+):(?P<signature>[A-Za-z0-9+/=]+)")
_V4: Final = re.compile(
    rf"{V4} Credential=(?P<key>[^/,]+)/(?P<scope>\d{{8}}/[^/,]*/sls/aliyun_v4_request)"
    r",\s*Signature=(?P<signature>[0-9a-f]{64})"
)
_HOST: Final = re.compile(
    r"(?:(?P<project>[^.]+)\.)?(?P<region>[a-z0-9-]+?)(?:-intranet)?\.log\.aliyuncs\.com"
)
_OTHER_HOST: Final = re.compile(r"(?P<project>[^.\[\]]+)\.(?P<rest>localhost|\d+\.\d+\.\d+\.\d+|.*[a-z].*)")
_ADDRESS: Final = re.compile(r"\d+\.\d+\.\d+\.\d+")
_ROUTES: Final = (
    ("POST", re.compile(r"/logstores/(?P<logstore>[^/]+)/logs"), "GetLogsV2"),
    ("GET", re.compile(r"/logstores/(?P<logstore>[^/]+)"), "GetLogStore"),
    ("GET", re.compile(r"/logstores/(?P<logstore>[^/]+)/index"), "GetIndex"),
    ("GET", re.compile(r"/?"), "GetProject"),
)
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class _Signed(SignedRequest):
    """A request signed for Log Service. `scope` (version 4): what the key is derived for: date, region, product."""

    scope: str = ""

    def verify(self, secret: str) -> None:
        if self.scheme == V1:
            digest = hmac.digest(secret.encode(), self.string_to_sign.encode(), "sha1")
            expected = base64.b64encode(digest).decode()
        else:
            key = f"aliyun_v4{secret}".encode()
            for part in self.scope.split("/"):
                key = hmac.digest(key, part.encode(), "sha256")
            expected = hmac.digest(key, self.string_to_sign.encode(), "sha256").hex()
        if not hmac.compare_digest(expected, self.signature):
            raise mismatch(self.signature)

    def seconds(self) -> float:
        try:
            if self.scheme == V4:
                return timegm(strptime(self.date, "%Y%m%dT%H%M%SZ"))
            return parsedate_to_datetime(self.date).timestamp()
        except (TypeError, ValueError, OverflowError):
            message = f"Request time {self.date[:40]} not follow RFC822 spec."
            raise ApiError(400, "InvalidRequestTime", message) from None


def mismatch(signature: str) -> ApiError:
    """The refusal of a signature that is not the key's over this request."""
    return ApiError(401, "SignatureNotMatch", f"Signature {signature} not matched.")


class _LogService(Protocol):
    """Log Service over REST."""

    def claims(self, request: WireRequest) -> bool:
        return request.headers.get("authorization", "").startswith((f"{V1} ", f"{V4} "))

    def read(self, request: WireRequest) -> SignedRequest:
        headers = request.headers
        project, region_id = _place(headers.get("host", ""))
        action, logstore = _route(request)
        if headers.get("x-log-apiversion") != _API_VERSION:
            raise _malformed("x-log-apiversion")
        is_v1 = headers["authorization"].startswith(f"{V1} ")
        match = (_V1 if is_v1 else _V4).fullmatch(headers["authorization"])
        if match is None or (is_v1 and headers.get("x-log-signaturemethod") != "hmac-sha1"):
            raise _malformed("authorization")
        to_sign = _v1_to_sign(request) if is_v1 else _v4_to_sign(request, match["scope"])
        parameters = {"project": project, "logstore": logstore, **_parameters(request)}
        return _Signed(
            scheme=V1 if is_v1 else V4,
            version=VERSION,
            action=action,
            parameters={
                **parameters,
                "RegionId": region_id,
                "Accept-Encoding": headers.get("accept-encoding", ""),
            },
            access_key_id=match["key"],
            security_token=headers.get("x-acs-security-token", ""),
            nonce="",
            date=headers.get("date", "") if is_v1 else headers.get("x-log-date", ""),
            string_to_sign=to_sign,
            signature=match["signature"],
            wire=urlencode(parameters),
            body=request.body,
            scope="" if is_v1 else match["scope"],
        )

    def region_of(self, state: State, signed: SignedRequest) -> str:
        """The region of the host, else that of the project, else ""."""
        project = logs_of(state).project(state, signed.parameters["project"])
        return signed.parameters["RegionId"] or (project.region_id if project else "")

    def identify(self, state: State, signed: SignedRequest, now: float) -> Caller:
        seconds = signed.seconds()
        if abs(now - seconds) > state.quirks.skew_seconds:
            message = f"Request time {int(seconds)} has been expired while server time is {int(now)}."
            raise ApiError(400, "RequestTimeExpired", message)
        try:
            caller = state.identities.find(signed.access_key_id)
        except ApiError:
            message = f"AccessKeyId not found: {signed.access_key_id}"
            raise ApiError(401, "Unauthorized", message) from None
        signed.verify(caller.keys.access_key_secret)
        region_id = self.region_of(state, signed)
        if isinstance(signed, _Signed) and signed.scope and region_id:
            date, region, *_ = signed.scope.split("/")
            if region != region_id or not signed.date.startswith(date):
                raise mismatch(signed.signature)
        return caller

    def admit(self, state: State, caller: Caller, signed: SignedRequest, now: float) -> None:
        try:
            state.identities.check_token(caller, signed.security_token, now)
        except ApiError:
            if caller.expired or (caller.expires_at is not None and now >= caller.expires_at):
                raise state.quirks.log_expired_token.error() from None  # noqa: TRY400 - makes an error
            message = "The security token you provided is invalid."
            raise ApiError(401, "Unauthorized", message) from None

    def unknown(self) -> ApiError:
        return ApiError(404, "NotSupported", "The request is not supported.")

    def denied(self, context: Context) -> ApiError:
        resource = next(iter(context.operation.resources(context)), "*")
        action = context.operation.permission
        return ApiError(401, "Unauthorized", f"denied by sts or ram, action: {action}, resource: {resource}")

    def struck(self, context: Context, fault: Fault) -> ApiError:
        quirks = context.state.quirks
        if fault.kind is Kind.THROTTLED:
            return quirks.log_throttled.error()
        if fault.kind is Kind.EXPIRED:
            return quirks.log_expired_token.error()
        if fault.kind is Kind.DENIED:
            return self.denied(context)
        if fault.kind is Kind.UNAVAILABLE:
            return ApiError(503, "ServerBusy", "The server is busy, please try again later.")
        if fault.kind is Kind.GARBAGE:
            return ApiError(502, "BadGateway", "Bad gateway.")
        return _internal()

    def answer(self, answer: Answer, request_id: str) -> Reply:
        body = _encode(answer["Body"])
        headers = {"x-log-requestid": request_id.replace("-", "")[:24]}
        encoding = choose(str(answer.get("Encoding", "")))
        if encoding:
            headers |= {"x-log-compresstype": encoding, "x-log-bodyrawsize": str(len(body))}
        seconds = answer.get("Seconds", 0.0)
        reply = Reply(200, compress(body, encoding), headers, content_type="application/json")
        reply.seconds = seconds if isinstance(seconds, float) else 0.0
        return reply

    def refusal(self, state: State, refused: Refused) -> Reply:  # noqa: ARG002 - the quirks are those of RPC
        error = _internal() if refused.error.code == "InternalError" else refused.error
        body = _encode({"errorCode": error.code, "errorMessage": error.message})
        headers = {"x-log-requestid": refused.request_id.replace("-", "")[:24]}
        return Reply(error.status, body, headers, content_type="application/json")


def _internal() -> ApiError:
    return ApiError(500, "InternalServerError", "Internal server error.")


def _malformed(name: str) -> ApiError:
    return ApiError(400, "ParameterInvalid", f"Http extend {name} : {name} pair is invalid.")


def _place(host: str) -> tuple[str, str]:
    """The project and the region in a host's name, "" for what it does not say."""
    name = host.lower() if host.startswith("[") else host.lower().partition(":")[0]
    known = _HOST.fullmatch(name)
    if known:
        return known["project"] or "", known["region"]
    other = None if _ADDRESS.fullmatch(name) else _OTHER_HOST.fullmatch(name)
    return (other["project"] if other else ""), ""


def _route(request: WireRequest) -> tuple[str, str]:
    """The action and the logstore of a request; the method and the path where it is none."""
    path = unquote(request.path)
    for method, form, action in _ROUTES:
        match = form.fullmatch(path)
        if match and method == request.method:
            return action, match.groupdict().get("logstore", "")
    return f"{request.method} {path}", ""


def _parameters(request: WireRequest) -> dict[str, str]:
    """The parameters of query and body as texts, for the record."""
    found = dict(parse_qsl(request.query, keep_blank_values=True))
    try:
        body = msgspec.json.decode(request.body) if request.body else {}
    except (msgspec.DecodeError, UnicodeDecodeError):
        return found
    if isinstance(body, dict):
        found |= {
            str(key): one if isinstance(one, str) else msgspec.json.encode(one).decode()
            for key, one in body.items()
            if key not in {"project", "logstore"}
        }
    return found


# --- what is signed


def _own(request: WireRequest, *more: str) -> list[str]:
    """The headers that are signed: Log Service's own, and `more` of those that came."""
    return sorted(
        name
        for name in request.headers
        if name in more
        or name.startswith("x-acs-")
        or (name.startswith("x-log-") and not name.startswith("x-log-meta-"))
    )


def _v1_to_sign(request: WireRequest) -> str:
    headers = request.headers
    md5 = headers.get("content-md5", "")
    if md5 != (hashlib.md5(request.body).hexdigest().upper() if request.body else ""):
        raise _malformed("content-md5")
    # x-log-date repeats Date for proxies that drop it: the official client adds it when it has signed
    lines = "".join(f"{name}:{headers[name]}\n" for name in _own(request) if name != "x-log-date")
    pairs = sorted(parse_qsl(request.query, keep_blank_values=True))
    query = "?" + "&".join(f"{name}={value}" for name, value in pairs) if pairs else ""
    head = (request.method, md5, headers.get("content-type", ""), headers.get("date", ""))
    return "\n".join(head) + f"\n{lines}{unquote(request.path)}{query}"


def _v4_to_sign(request: WireRequest, scope: str) -> str:
    headers = request.headers
    payload = hashlib.sha256(request.body).hexdigest()
    if headers.get("x-log-content-sha256") != payload:
        raise _malformed("x-log-content-sha256")
    names = _own(request, "content-type", "host")
    lines = "".join(f"{name}:{headers[name].strip()}\n" for name in names)
    pairs = sorted(parse_qsl(request.query, keep_blank_values=True))
    query = "&".join(name + (f"={quote(value, safe='~')}" if value else "") for name, value in pairs)
    canonical = f"{request.method}\n{unquote(request.path)}\n{query}\n{lines}\n{';'.join(names)}\n{payload}"
    stamp = headers.get("x-log-date", "")
    return f"{V4}\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"


PROTOCOLS.append(_LogService())
