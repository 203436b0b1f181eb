"""Both signature schemes as the verifier sees them: what is accepted, and what is refused with which code."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.emulator import Keys, Quirks, UncertainError
from tests.emulator.wire import ECS, STS, Cloud, stamp, v2, v3


def refused(cloud: Cloud, request: Any) -> tuple[int, str]:
    """Status and code of the refusal of a request."""
    status, body = cloud.send(request)
    assert status >= 400, body
    return status, body["Code"]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_hmac_sha1_is_accepted_by_get_and_post(cloud: Cloud, method: str) -> None:
    """The older scheme works in the query of a GET and in the form of a POST."""
    request = v2(cloud.hub, STS, "GetCallerIdentity", {}, cloud.clock(), method)
    assert cloud.send(request)[1]["AccountId"] == cloud.state.hub.account_id
    assert cloud.state.record[0].scheme == "HMAC-SHA1"


@given(st.dictionaries(st.text(min_size=1, max_size=8), st.text(max_size=12), max_size=4))
def test_any_text_in_a_parameter_is_verified_in_both_schemes(parameters: dict[str, str]) -> None:
    """Whatever characters a parameter holds, both signatures verify, and the record keeps it as it was."""
    cloud = CLOUD
    clean = {f"X{key}": value for key, value in parameters.items()}
    for request in (
        v3(cloud.hub, STS, "GetCallerIdentity", clean, cloud.clock()),
        v2(cloud.hub, STS, "GetCallerIdentity", clean, cloud.clock()),
        v2(cloud.hub, STS, "GetCallerIdentity", clean, cloud.clock(), "POST"),
    ):
        assert cloud.send(request)[0] == 200
        assert cloud.state.record[-1].parameters == clean


CLOUD = Cloud()


def test_form_parameters_of_the_newer_scheme_count(cloud: Cloud) -> None:
    """Parameters in a form body are read, and the body's digest is verified."""
    body = b"RegionId=cn-hangzhou&MaxResults=10"
    request = v3(
        cloud.hub,
        ECS,
        "DescribeSecurityGroups",
        {},
        cloud.clock(),
        x_acs_content_sha256=hashlib.sha256(body).hexdigest(),
        content_type="application/x-www-form-urlencoded",
    )
    assert cloud.send(replace(request, body=body))[1]["RegionId"] == "cn-hangzhou"
    again = v3(cloud.hub, ECS, "DescribeSecurityGroups", {}, cloud.clock())
    assert refused(cloud, replace(again, body=body)) == (400, "IncompleteSignature")


def test_a_wrong_secret_or_a_changed_request_does_not_match(cloud: Cloud) -> None:
    """SignatureDoesNotMatch for another secret, another query, another signed header; never a secret in it."""
    wrong = Keys(cloud.hub.access_key_id, "not-the-secret")
    signed = v3(cloud.hub, STS, "GetCallerIdentity", {"A": "1"}, cloud.clock())
    headers = {**signed.headers, "x-acs-action": "AssumeRole"}
    for request in (
        v3(wrong, STS, "GetCallerIdentity", {}, cloud.clock()),
        v2(wrong, STS, "GetCallerIdentity", {}, cloud.clock()),
        replace(signed, query="A=2"),
        replace(signed, method="PUT"),
        replace(signed, headers=headers),
    ):
        status, body = cloud.send(request)
        assert (status, body["Code"]) == (400, "SignatureDoesNotMatch")
        assert cloud.hub.access_key_secret not in body["Message"]


def test_a_nonce_is_good_once(cloud: Cloud) -> None:
    """The same request again is refused; another key may use the same nonce."""
    request = v3(cloud.hub, STS, "GetCallerIdentity", {}, cloud.clock(), x_acs_signature_nonce="same")
    assert cloud.send(request)[0] == 200
    assert refused(cloud, request) == (400, "SignatureNonceUsed")
    other = cloud.enter()
    assert (
        cloud.send(v3(other, STS, "GetCallerIdentity", {}, cloud.clock(), x_acs_signature_nonce="same"))[0]
        == 200
    )
    cloud.clock.now += 600
    assert refused(cloud, replace(request, headers={**request.headers})) == (400, "SignatureNonceUsed")


def test_nonces_are_forgotten_only_when_their_date_is_refused_anyway(cloud: Cloud) -> None:
    """After the window of dates a replayed request is refused for its date."""
    request = v3(cloud.hub, STS, "GetCallerIdentity", {}, cloud.clock())
    assert cloud.send(request)[0] == 200
    for _ in range(5):
        cloud.clock.now += 900
        assert refused(cloud, request)[1] in {"SignatureNonceUsed", "IllegalTimestamp"}
        cloud.ok("GetCallerIdentity", version=STS)


@pytest.mark.parametrize(("off", "accepted"), [(899, True), (-899, True), (901, False), (-901, False)])
def test_a_date_may_be_off_by_fifteen_minutes(cloud: Cloud, off: int, accepted: bool) -> None:  # noqa: FBT001
    """Both schemes accept a date within 15 minutes and refuse one beyond."""
    for made in (v3, v2):
        status, body = cloud.send(made(cloud.hub, STS, "GetCallerIdentity", {}, cloud.clock() + off))
        assert (status == 200) == accepted
        assert accepted or body["Code"] == "IllegalTimestamp"


@pytest.mark.parametrize(
    "date", ["", "yesterday", "2027-13-45T00:00:00Z", "2027-01-15 08:00:00", "²027-01-15T08:00:00Z"]
)
def test_a_date_that_is_none_is_refused(cloud: Cloud, date: str) -> None:
    """A malformed date is an illegal timestamp, not a crash."""
    request = v2(cloud.hub, STS, "GetCallerIdentity", {}, cloud.clock(), Timestamp=date)
    assert refused(cloud, request)[1] in {"IllegalTimestamp", "IncompleteSignature"}


@pytest.mark.parametrize("header", ["x-acs-date", "x-acs-signature-nonce", "host", "x-acs-content-sha256"])
def test_what_must_be_signed_is_missed(cloud: Cloud, header: str) -> None:
    """A header that must be there and signed, and is not, makes the signature incomplete."""
    request = v3(cloud.hub, STS, "GetCallerIdentity", {}, cloud.clock())
    headers = {name: value for name, value in request.headers.items() if name != header}
    assert refused(cloud, replace(request, headers=headers)) == (400, "IncompleteSignature")


@pytest.mark.parametrize(
    "authorization",
    [
        "Basic eA==",
        "ACS3-HMAC-SHA256",
        "ACS3-HMAC-SHA256 Credential=x",
        "ACS3-HMAC-SM3 Credential=x,SignedHeaders=host,Signature=0",
    ],
)
def test_an_authorization_of_another_kind_is_refused(cloud: Cloud, authorization: str) -> None:
    """Other schemes and broken headers are refused as incomplete."""
    request = v3(cloud.hub, STS, "GetCallerIdentity", {}, cloud.clock())
    headers = {**request.headers, "authorization": authorization}
    assert refused(cloud, replace(request, headers=headers)) == (400, "IncompleteSignature")


def test_an_unsigned_request_is_refused_and_recorded(cloud: Cloud) -> None:
    """Nothing is answered to nobody; the record says so."""
    request = v3(cloud.hub, STS, "GetCallerIdentity", {}, cloud.clock())
    bare = replace(request, headers={"host": "x"}, query="Action=GetCallerIdentity&Version=2015-04-01")
    assert refused(cloud, bare) == (400, "IncompleteSignature")
    assert (cloud.state.record[0].account_id, cloud.state.record[0].status) == ("", 400)


def test_an_unknown_key_action_or_version_is_not_found(cloud: Cloud) -> None:
    """InvalidAccessKeyId.NotFound and InvalidAction.NotFound."""
    assert cloud.code("GetCallerIdentity", Keys("LTAI5tnobody", "x"), STS) == (
        404,
        "InvalidAccessKeyId.NotFound",
    )
    assert cloud.code("DeleteEverything") == (404, "InvalidAction.NotFound")
    assert cloud.code("DescribeRegions", version=STS) == (404, "InvalidAction.NotFound")


def test_quirks_name_the_codes_that_are_not_certain() -> None:
    """The codes for a skewed date and the status for an unknown key follow the quirks."""
    quirks = Quirks(
        skewed_date=UncertainError(400, "InvalidTimeStamp.Expired"), unknown_key_status=400, skew_seconds=60
    )
    cloud = Cloud(quirks=quirks)
    late = v3(cloud.hub, STS, "GetCallerIdentity", {}, cloud.clock() - 61)
    assert refused(cloud, late) == (400, "InvalidTimeStamp.Expired")
    assert cloud.code("GetCallerIdentity", Keys("x", "x"), STS) == (400, "InvalidAccessKeyId.NotFound")
    assert stamp(0) == "1970-01-01T00:00:00Z"
