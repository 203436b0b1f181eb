"""Signs a request with ACS3-HMAC-SHA256, the scheme of the official SDK, and flattens its parameters.

Own code because it is on the path of every call: a third of the time of the SDK's signer (4 against 13 us),
which stays as the oracle of the tests.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import time
from collections.abc import Iterable, Mapping
from functools import lru_cache
from urllib.parse import quote

from accounts.credentials import Credentials

_EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()
_UNRESERVED = re.compile(r"[A-Za-z0-9\-._~]*").fullmatch
USER_AGENT = "sgsweep"
_SCHEME = "ACS3-HMAC-SHA256"
_FORM = "application/x-www-form-urlencoded"


def flatten(parameters: Mapping[str, object]) -> dict[str, str]:
    """Return the parameters as the wire has them: lists as name.1, maps as name.key, None dropped.

    The wire takes the text of Python's own str(): "True" and "False" for booleans (official SDK, observed).
    """
    flat: dict[str, str] = {}
    for name, value in parameters.items():
        if type(value) is str:
            flat[name] = value
        elif value is not None:
            _flatten_into(flat, name, value)
    return flat


def _flatten_into(flat: dict[str, str], name: str, value: object) -> None:
    if isinstance(value, Mapping):
        parts: Iterable[tuple[object, object]] = value.items()
    elif isinstance(value, (list, tuple)):
        parts = enumerate(value, start=1)
    else:
        if value is not None:
            flat[name] = str(value)
        return
    for key, part in parts:
        _flatten_into(flat, f"{name}.{key}", part)


@lru_cache(maxsize=4096)
def encode(text: str) -> str:
    """Return the text percent-encoded as RFC 3986 has it."""
    return text if _UNRESERVED(text) else quote(text, safe="~")


def canonical_query(flat: Mapping[str, str]) -> str:
    """Return the query in its canonical order and encoding, in which it is also sent."""
    return "&".join([f"{encode(name)}={encode(flat[name])}" for name in sorted(flat)])


@lru_cache(maxsize=64)
def _date(second: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(second))


def _signed_headers(*, token: bool, form: bool) -> str:
    names = ["accept", "host", "user-agent", "x-acs-action", "x-acs-content-sha256", "x-acs-date"]
    names += ["x-acs-signature-nonce", "x-acs-version"]
    names += ["x-acs-accesskey-id", "x-acs-security-token"] * token + ["content-type"] * form
    return ";".join(sorted(names))


_SIGNED = {
    (token, form): _signed_headers(token=token, form=form)
    for token in (True, False)
    for form in (True, False)
}


def sign(
    credentials: Credentials,
    *,
    method: str,
    host: str,
    action: str,
    version: str,
    query: str,
    body: bytes = b"",
) -> dict[str, str]:
    """Return the headers of one attempt: every attempt has its own nonce and date.

    Every header returned is signed, as the official SDK does, except Authorization.

    Args:
        credentials: who asks.
        method: POST or GET.
        host: as in the URL, with the port if it is not the scheme's own.
        action: such as DescribeRegions.
        version: of the product's API.
        query: canonical.
        body: a form; empty for most actions.
    """
    nonce = os.urandom(16).hex()
    date = _date(int(time.time()))
    digest = hashlib.sha256(body).hexdigest() if body else _EMPTY_SHA256
    headers = {
        "accept": "application/json",
        "host": host,
        "user-agent": USER_AGENT,
        "x-acs-action": action,
        "x-acs-content-sha256": digest,
        "x-acs-date": date,
        "x-acs-signature-nonce": nonce,
        "x-acs-version": version,
    }
    key_line = token_line = form_line = ""
    token = credentials.security_token
    if token:
        headers["x-acs-accesskey-id"] = credentials.access_key_id
        headers["x-acs-security-token"] = token
        key_line = f"x-acs-accesskey-id:{credentials.access_key_id}\n"
        token_line = f"x-acs-security-token:{token}\n"
    if body:
        headers["content-type"] = _FORM
        form_line = f"content-type:{_FORM}\n"
    signed = _SIGNED[bool(token), bool(body)]
    canonical = (
        f"{method}\n/\n{query}\naccept:application/json\n{form_line}host:{host}\nuser-agent:{USER_AGENT}\n{key_line}"
        f"x-acs-action:{action}\nx-acs-content-sha256:{digest}\nx-acs-date:{date}\n{token_line}"
        f"x-acs-signature-nonce:{nonce}\nx-acs-version:{version}\n\n{signed}\n{digest}"
    )
    to_sign = f"{_SCHEME}\n{hashlib.sha256(canonical.encode()).hexdigest()}".encode()
    signature = hmac.digest(credentials.access_key_secret.encode(), to_sign, "sha256").hex()
    key = credentials.access_key_id
    headers["Authorization"] = f"{_SCHEME} Credential={key},SignedHeaders={signed},Signature={signature}"
    return headers
