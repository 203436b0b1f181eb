"""Reads an answer: its JSON object, or the error it means. Only it knows the shape of error bodies."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple
from urllib.parse import quote
from xml.etree import ElementTree as ET

import msgspec

from accounts.credentials import Credentials
from orchestrator.cloud.errors import (
    CloudError,
    Throttled,
    Unavailable,
    classify,
    cut,
    is_clock,
    is_error_code,
)
from orchestrator.cloud.memory import MOST_VALUES, has_too_many_values
from orchestrator.cloud.transport import Answer

_TIME_LEFT = re.compile(r"TimeLeft:\s*([0-9]{1,9})(?![0-9])")
_DIGITS = re.compile(r"[0-9]{1,9}").fullmatch  # more is no delay, and thousands are no number for Python
_LONGEST_ERROR_BODY = 64 * 1024


class Answered(dict[str, Any]):
    """The JSON object of an answer.

    Attributes:
        sent_at_seconds: when the request was sent that was answered so, by the loop's clock: right before it was, so
            never later.
    """

    __slots__ = ("sent_at_seconds",)

    def __init__(self, found: Mapping[str, Any], sent_at_seconds: float) -> None:
        super().__init__(found)
        self.sent_at_seconds = sent_at_seconds


_object = msgspec.json.Decoder(dict[str, Any])


def read(answer: Answer, who: Credentials) -> dict[str, Any]:
    """Return the JSON object of an answer.

    Raises:
        CloudError: it is an error, whatever its status, or no JSON object.
    """
    status, headers, body = received(answer, who)
    if has_too_many_values(body):
        raise Unavailable(
            code="AnswerTooLong", message=f"the answer has more than {MOST_VALUES} values", status=status
        )
    try:
        value = _object.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unavailable(
            code="MalformedAnswer",
            message=f"the answer is not the JSON object expected ({error})",
            status=status,
        ) from None
    if is_error_code(value.get("Code", value.get("code"))):
        raise _error(status, headers, value, who)
    return value


def received(answer: Answer, who: Credentials) -> Answer:
    """Return the answer if its status is of success, whatever it holds.

    Raises:
        CloudError: it is not.
    """
    if not 200 <= answer.status < 300:
        body = _error_body(answer.headers, answer.body)
        # From 429 on the status alone says enough: throttled, or unavailable.
        if not body and answer.status < 429 and _is_cut(answer.body):
            raise Unavailable(
                code="MalformedAnswer",
                message=f"the answer, HTTP status {answer.status}, was cut on its way: what was refused is not known",
                status=answer.status,
            )
        raise _error(answer.status, answer.headers, body, who)
    return answer


def _is_cut(body: bytes) -> bool:
    """Tell whether an error that could not be read was JSON, and not too long to be read."""
    return len(body) <= _LONGEST_ERROR_BODY and body.lstrip().startswith(b"{")


def _error(status: int, headers: Mapping[str, str], body: Mapping[str, Any], who: Credentials) -> CloudError:
    code = _text(body, "Code", "code")
    kind = classify(code, status, access_key_id=who.access_key_id, hinted="x-acs-retry-after" in headers)
    refusal = Refusal(
        code,
        _text(body, "Message", "message"),
        _text(body, "RequestId", "requestId"),
        is_clock=is_clock(code),
    )
    return refused(kind, refusal, Answer(status, headers, b""), who)


class Refusal(NamedTuple):
    """What a body says of why a call was refused, whatever it calls these.

    Attributes:
        code: of the error; empty if it has none.
        message: for people.
        request_id: empty if only a header has it.
        is_clock: it is about the time of the request.
    """

    code: str
    message: str
    request_id: str
    is_clock: bool = False


def refused(kind: type[CloudError], refusal: Refusal, answer: Answer, who: Credentials) -> CloudError:
    """Return the error of a refused call, without the caller's own secrets and with the server's hint."""
    status, headers, _ = answer
    message = _redact(refusal.message or f"HTTP status {status}", who)
    error = kind(
        code=refusal.code or f"Http{status}",
        message=message + (_skew(headers) if refusal.is_clock else ""),
        request_id=refusal.request_id or headers.get("x-acs-request-id", ""),
        status=status,
    )
    if isinstance(error, (Throttled, Unavailable)):
        error.retry_after_seconds = retry_after_seconds(headers)
    return error


def _skew(headers: Mapping[str, str]) -> str:
    """Return how far this machine's clock is from the server's, by the answer's Date, if it has one."""
    seconds = skew_seconds(headers, time.time())
    if seconds is None:
        return "; this machine's clock is wrong"
    return f"; this machine's clock is {abs(seconds):.0f} s {'ahead of' if seconds > 0 else 'behind'} the cloud's"


def skew_seconds(headers: Mapping[str, str], at: float) -> float | None:
    """Return how far a clock that said `at` is ahead of the server's, by the answer's Date; None if it has none."""
    try:
        return at - parsedate_to_datetime(headers.get("date", "")).timestamp()
    except (ValueError, TypeError):
        return None


def quota_of(headers: Mapping[str, str]) -> str:
    """Return what an answer says of the limits that its call counts to, as it says it; empty if it says nothing.

    `x-ratelimit-user-api` and `x-ratelimit-user` (tea-openapi 0.4.0), "Limit:100,Remain:7,TimeLeft:2000,Reset:1".
    """
    found = (headers.get(name, "") for name in ("x-ratelimit-user-api", "x-ratelimit-user"))
    return "; ".join(cut(one) for one in found if one)


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
    if len(body) > _LONGEST_ERROR_BODY:
        return {}
    try:
        return _object.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    if "xml" in headers.get("content-type", ""):
        try:
            return {item.tag: item.text or "" for item in xml(body)}
        except ValueError:
            pass
    return {}


def xml(body: bytes) -> ET.Element:
    """Return the root of an XML answer. One with a DTD, in whatever encoding that may hide, is none.

    Raises:
        ValueError: it is no XML in UTF-8, has a DTD, or more values than any answer.
    """
    if has_too_many_values(body):
        raise ValueError(f"it has more than {MOST_VALUES} values")
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
