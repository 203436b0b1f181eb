"""The two signature schemes of the API, from the verifier's side.

ACS3-HMAC-SHA256 (headers, the official clients' default) and HMAC-SHA1 (query or form; older clients and the
credentials library). Verified from what came over the wire: parameters are decoded and encoded anew, because
clients sign one spelling of the query and send another (API reference 2.1).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import parse_qsl, quote, urlencode

from orchestrator.emulator.framework.errors import ApiError

V3: Final = "ACS3-HMAC-SHA256"
V2: Final = "HMAC-SHA1"
MUST_BE_SIGNED: Final = (
    "host",
    "x-acs-action",
    "x-acs-version",
    "x-acs-date",
    "x-acs-signature-nonce",
    "x-acs-content-sha256",
)
V2_OWN: Final = frozenset(
    {
        "Action", "Version", "Format", "Timestamp", "SignatureNonce", "SignatureMethod", "SignatureVersion",
        "SignatureType", "AccessKeyId", "SecurityToken", "Signature",
    }
)  # fmt: skip
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)
EMPTY_SHA256: Final = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True, slots=True)
class WireRequest:
    """An HTTP request as it came: `headers` by lower-case name, `query` and `path` undecoded."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """A request that claims to be of `access_key_id`; `verify` tells whether it is."""

    scheme: str
    version: str
    action: str
    parameters: dict[str, str]
    access_key_id: str
    security_token: str
    nonce: str
    date: str
    string_to_sign: str
    signature: str
    wire: str
    """The business parameters as one text, for the record."""
    body: bytes = b""

    def verify(self, secret: str) -> None:
        """SignatureDoesNotMatch unless the signature was made with this secret over this request."""
        if self.scheme == V3:
            expected = hmac.digest(secret.encode(), self.string_to_sign.encode(), "sha256").hex()
        else:
            digest = hmac.digest(f"{secret}&".encode(), self.string_to_sign.encode(), "sha1")
            expected = base64.b64encode(digest).decode()
        if not hmac.compare_digest(expected.encode(), self.signature.encode()):
            raise ApiError(
                400,
                "SignatureDoesNotMatch",
                "Specified signature is not matched with our calculation. "
                f"server string to sign is:{self.string_to_sign[:2000]}",
            )

    def seconds(self) -> float:
        """The request's date as seconds since 1970; IllegalTimestamp where it is not a date."""
        text = self.date if _DATE.fullmatch(self.date) else ""
        try:
            return datetime.fromisoformat(text[:-1]).replace(tzinfo=UTC).timestamp()
        except ValueError:
            message = "The input parameter Timestamp is not well formed."
            raise ApiError(400, "IllegalTimestamp", message) from None


def unsigned(version: str, action: str, parameters: dict[str, str]) -> SignedRequest:
    """A call that did not come over a wire."""
    return SignedRequest(
        scheme="",
        version=version,
        action=action,
        parameters=parameters,
        access_key_id="",
        security_token="",
        nonce="",
        date="",
        string_to_sign="",
        signature="",
        wire=urlencode(parameters),
    )


def read(request: WireRequest) -> SignedRequest:
    """Take a request apart by its scheme; IncompleteSignature where parts of the signature are missing."""
    query = dict(parse_qsl(request.query, keep_blank_values=True))
    form = form_of(request)
    authorization = request.headers.get("authorization", "")
    if authorization:
        return _read_v3(request, query, form, authorization)
    return _read_v2(request, {**query, **form})


def form_of(request: WireRequest) -> dict[str, str]:
    """The parameters that came in the body."""
    if not request.body or "form-urlencoded" not in request.headers.get("content-type", ""):
        return {}
    return dict(parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True))


def _encode(text: str) -> str:
    return quote(text, safe="~")


def _incomplete(what: str) -> ApiError:
    return ApiError(
        400, "IncompleteSignature", f"The request signature does not conform to Aliyun standards: {what}."
    )


def _canonical(parameters: Mapping[str, str]) -> str:
    return "&".join(f"{_encode(key)}={_encode(parameters[key])}" for key in sorted(parameters))


def _read_v3(
    request: WireRequest, query: dict[str, str], form: dict[str, str], authorization: str
) -> SignedRequest:
    scheme, _, fields = authorization.partition(" ")
    if scheme != V3:
        raise _incomplete(f"unsupported scheme {scheme[:40]}")
    parts = dict(part.strip().partition("=")[::2] for part in fields.split(","))
    names = parts.get("SignedHeaders", "").split(";")
    missing = [name for name in MUST_BE_SIGNED if name not in names or name not in request.headers]
    if missing or not parts.get("Credential") or not parts.get("Signature"):
        raise _incomplete(f"not signed: {', '.join(missing) or 'Credential, Signature'}")
    headers = request.headers
    payload = hashlib.sha256(request.body).hexdigest() if request.body else EMPTY_SHA256
    if headers["x-acs-content-sha256"] != payload:
        raise _incomplete("x-acs-content-sha256 is not the digest of the body")
    signed_headers = "".join(f"{name}:{headers.get(name, '').strip()}\n" for name in sorted(names))
    canonical = "\n".join(
        (
            request.method,
            request.path or "/",
            _canonical(query),
            signed_headers,
            parts["SignedHeaders"],
            payload,
        )
    )
    return SignedRequest(
        scheme=V3,
        version=headers["x-acs-version"],
        action=headers["x-acs-action"],
        parameters={**query, **form},
        access_key_id=parts["Credential"],
        security_token=headers.get("x-acs-security-token", ""),
        nonce=headers["x-acs-signature-nonce"],
        date=headers["x-acs-date"],
        string_to_sign=f"{V3}\n{hashlib.sha256(canonical.encode()).hexdigest()}",
        signature=parts["Signature"],
        wire="&".join(part for part in (request.query, urlencode(form)) if part),
    )


def _read_v2(request: WireRequest, parameters: dict[str, str]) -> SignedRequest:
    needed = ("Action", "Version", "AccessKeyId", "Signature", "SignatureNonce", "Timestamp")
    missing = [name for name in needed if not parameters.get(name)]
    if missing:
        raise _incomplete(f"missing {', '.join(missing)}")
    if parameters.get("SignatureMethod", V2) != V2:
        raise _incomplete("unsupported SignatureMethod")
    signed = {key: value for key, value in parameters.items() if key != "Signature"}
    business = {key: value for key, value in parameters.items() if key not in V2_OWN}
    return SignedRequest(
        scheme=V2,
        version=parameters["Version"],
        action=parameters["Action"],
        parameters=business,
        access_key_id=parameters["AccessKeyId"],
        security_token=parameters.get("SecurityToken", ""),
        nonce=parameters["SignatureNonce"],
        date=parameters["Timestamp"],
        string_to_sign=f"{request.method}&%2F&{_encode(_canonical(signed))}",
        signature=parameters["Signature"],
        wire=urlencode(business),
    )
