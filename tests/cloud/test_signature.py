"""Our signer against the official SDK's, which stays the oracle."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl

import pytest
from alibabacloud_tea_openapi.utils import Utils
from hypothesis import given
from hypothesis import strategies as st

from accounts.credentials import Credentials
from orchestrator.cloud.signature import canonical_query, flatten, sign

TEXT = st.text(max_size=40)
SCALARS = st.one_of(TEXT, st.integers(), st.booleans(), st.none())
NAMES = st.text(alphabet="ABCXYZabcxyz0123456789", min_size=1, max_size=12)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=3)),
    max_leaves=6,
)
KEYS = st.builds(
    Credentials,
    access_key_id=st.text(alphabet="ABCDEF012345.", min_size=1),
    access_key_secret=TEXT,
    security_token=st.one_of(st.just(""), st.text(alphabet="abc+/=012", min_size=1)),
)


def oracle(headers: dict[str, str], query: dict[str, str], keys: Credentials, method: str) -> str:
    """The Authorization that the SDK puts on these headers and parameters."""
    kept = {name: value for name, value in headers.items() if name != "Authorization"}
    request = SimpleNamespace(method=method, pathname="/", query=query, headers=kept)
    authorization: str = Utils.get_authorization(
        request,
        "ACS3-HMAC-SHA256",
        headers["x-acs-content-sha256"],
        keys.access_key_id,
        keys.access_key_secret,
    )
    return authorization


@given(parameters=st.dictionaries(NAMES, VALUES, max_size=6), keys=KEYS, body=st.binary(max_size=20))
def test_the_signature_is_the_one_the_official_sdk_makes(
    parameters: dict[str, object], keys: Credentials, body: bytes
) -> None:
    """For any parameters, identity and body, with and without a token."""
    flat = flatten(parameters)
    headers = sign(
        keys,
        method="POST",
        host="ecs.cn-hangzhou.aliyuncs.com",
        action="DescribeSecurityGroups",
        version="2014-05-26",
        query=canonical_query(flat),
        body=body,
    )
    assert headers["Authorization"] == oracle(headers, flat, keys, "POST")
    assert ("x-acs-security-token" in headers) == bool(keys.security_token)


@given(parameters=st.dictionaries(NAMES, VALUES, max_size=6))
def test_parameters_are_flattened_as_by_the_official_sdk(parameters: dict[str, Any]) -> None:
    """Lists count from 1, maps by key, True is "True", None is dropped."""
    assert flatten(parameters) == Utils.query(parameters)


@given(flat=st.dictionaries(TEXT.filter(bool), TEXT, max_size=6))
def test_the_query_as_sent_says_what_was_meant(flat: dict[str, str]) -> None:
    """A server that decodes the query finds every parameter, whatever its characters."""
    assert dict(parse_qsl(canonical_query(flat), keep_blank_values=True)) == flat


def test_every_attempt_has_its_own_nonce_and_a_date_to_the_second() -> None:
    """Two signatures of the same request differ."""
    keys = Credentials("id", "secret")
    one, other = (sign(keys, method="POST", host="h", action="A", version="1", query="") for _ in range(2))
    assert one["x-acs-signature-nonce"] != other["x-acs-signature-nonce"]
    assert len(one["x-acs-signature-nonce"]) == 32
    assert one["Authorization"] != other["Authorization"]


@pytest.mark.parametrize(
    ("value", "flat"),
    [
        (["a", "b"], {"P.1": "a", "P.2": "b"}),
        ([{"Key": "k", "Value": "v"}], {"P.1.Key": "k", "P.1.Value": "v"}),
        (True, {"P": "True"}),
        (10, {"P": "10"}),
        (None, {}),
        ([], {}),
        ("", {"P": ""}),
        (("x",), {"P.1": "x"}),
    ],
)
def test_flattening_by_example(value: object, flat: dict[str, str]) -> None:
    """The wire form of API reference 2.3."""
    assert flatten({"P": value}) == flat
