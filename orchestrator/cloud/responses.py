"""Reads an answer: the value asked for, or the error it means. Only it knows the shape of error bodies."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeVar
from urllib.parse import quote
from xml.etree import ElementTree as ET

import msgspec

from accounts.credentials import Credentials
from orchestrator.cloud.errors import CloudError, Throttled, Unavailable, classify, is_error_code

T = TypeVar("T")

_TIME_LEFT = re.compile(r"TimeLeft:\s*([0-9]{1,9})(?![0-9])")
_DIGITS = re.compile(r"[0-9]{1,9}").fullmatch  # more is no delay, and thousands are no number for Python
_LONGEST_ERROR_BODY = 64 * 1024


class _Envelope(msgspec.Struct):
    """What an answer may have at its top; all of it is checked to be JSON on the way."""

    code: object = msgspec.field(name="Code", default=None)
    small_code: object = msgspec.field(name="code", default=None)


_envelope = msgspec.json.Decoder(_Envelope)
_object = msgspec.json.Decoder(dict[str, Any])


def read(status: int, headers: Mapping[str, str], body: bytes, kind: type[T], who: Credentials) -> T:
    """Return the answer as `kind`: dict, bytes, or a msgspec Struct.

    Raises:
        CloudError: it is an error, whatever its status, or no JSON object.
    """
    if not 200 <= status < 300:
        raise _error(status, headers, _error_body(headers, body), who)
    try:
        if kind is dict:
            value: Any = _object.decode(body)
            code = value.get("Code", value.get("code"))
        else:
            value = body if kind is bytes else msgspec.json.decode(body, type=kind)
            top = _envelope.decode(body)
            code = top.small_code if top.code is None else top.code
        if is_error_code(code):
            raise _error(status, headers, _object.decode(body), who)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unavailable(
            code="MalformedAnswer",
            message=f"the answer is not the JSON object expected ({error})",
            status=status,
        ) from None
    decoded: T = value
    return decoded


def _error(status: int, headers: Mapping[str, str], body: Mapping[str, Any], who: Credentials) -> CloudError:
    code = _text(body, "Code", "code")
    hint = retry_after_seconds(headers)
    kind = classify(code, status, access_key_id=who.access_key_id, hinted="x-acs-retry-after" in headers)
    error = kind(
        code=code or f"Http{status}",
        message=_redact(_text(body, "Message", "message") or f"HTTP status {status}", who),
        request_id=_text(body, "RequestId", "requestId") or headers.get("x-acs-request-id", ""),
        status=status,
    )
    if isinstance(error, (Throttled, Unavailable)):
        error.retry_after_seconds = hint
    return error


def retry_after_seconds(headers: Mapping[str, str]) -> float | None:
    """Return the server's delay; None if it gave none.

    `x-acs-retry-after` in ms (tea-openapi 0.4.6), the larger TimeLeft of `x-ratelimit-user-api` and
    `x-ratelimit-user` in ms (tea-openapi 0.4.0), or the standard Retry-After in seconds.
    """
    own = headers.get("x-acs-retry-after", "")
    if _DIGITS(own) and int(own) > 0:
        return int(own) / 1000
    found = [
        _TIME_LEFT.search(headers.get(name, "")) for name in ("x-ratelimit-user-api", "x-ratelimit-user")
    ]
    left = max((int(match.group(1)) for match in found if match), default=0)
    if left > 0:
        return left / 1000
    standard = headers.get("retry-after", "")
    return float(standard) if _DIGITS(standard) and int(standard) > 0 else None


def _error_body(headers: Mapping[str, str], body: bytes) -> Mapping[str, Any]:
    """Return the fields of an error body, JSON or XML; none if it is neither, as a gateway's page is."""
    try:
        return _object.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    if "xml" in headers.get("content-type", "") and len(body) <= _LONGEST_ERROR_BODY:
        try:
            return {item.tag: item.text or "" for item in xml(body)}
        except ValueError:
            pass
    return {}


def xml(body: bytes) -> ET.Element:
    """Return the root of an XML answer. One with a DTD, in whatever encoding that may hide, is none.

    Raises:
        ValueError: it is no XML in UTF-8, or has a DTD.
    """
    text = body.decode("utf-8")
    if "<!" in text:
        raise ValueError("it has a DTD")
    try:
        return ET.fromstring(text)  # noqa: S314 - no DTD
    except ET.ParseError as error:
        raise ValueError(str(error)) from None


def _text(body: Mapping[str, Any], *names: str) -> str:
    for name in names:
        value = body.get(name)
        if value is not None and not isinstance(value, (dict, list)):
            return str(value)
    return ""


def _redact(message: str, who: Credentials) -> str:
    """Drop the caller's own secrets: some signature errors echo the string that was signed, token and all.

    As it is, and as a query or a canonical request would spell it.
    """
    for secret in (who.access_key_secret, who.security_token):
        for spelled in (secret, quote(secret, safe=""), quote(quote(secret, safe=""), safe="")):
            if secret:
                message = message.replace(spelled, "***")
    return message
