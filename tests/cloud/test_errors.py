"""What an answer means: classification by code, and error bodies of every shape."""

from __future__ import annotations

import msgspec
import pytest

from accounts.credentials import Credentials
from orchestrator.cloud.errors import (
    ApiError,
    CloudError,
    Denied,
    ExpiredToken,
    NotFound,
    Throttled,
    Unavailable,
    classify,
)
from orchestrator.cloud.responses import read, retry_after_seconds
from orchestrator.cloud.transport import Answer

WHO = Credentials("STS.key", "the-secret", "the-token")

TABLE: list[tuple[type[CloudError], int, str]] = [
    # throttling, with every status it comes in
    (Throttled, 400, "Throttling"),
    (Throttled, 400, "Throttling.User"),
    (Throttled, 403, "Throttling.Api"),
    (Throttled, 429, "Throttling.API"),
    (Throttled, 503, "Throttling.ConcurrentLimitExceeded"),
    (Throttled, 400, "Rejected.Throttling"),
    (Throttled, 429, "TooManyRequests"),
    # trouble of the service
    (Unavailable, 503, "ServiceUnavailable"),
    (Unavailable, 503, "ServiceUnavailable.RegionMaintaining"),
    (Unavailable, 400, "ServiceUnavailableTemporary"),
    (Unavailable, 500, "InternalError"),
    (Unavailable, 400, "UnknownError"),
    (Unavailable, 409, "OperationConflict"),
    (Unavailable, 403, "LastTokenProcessing"),
    (Unavailable, 409, "ConcurrentCallNotSupported"),
    (Unavailable, 500, "InvalidGressFlow.Malformed"),
    (Unavailable, 502, ""),
    (Unavailable, 504, "Anything"),
    # a session that no longer holds
    (ExpiredToken, 400, "InvalidSecurityToken.Expired"),
    (ExpiredToken, 403, "SecurityTokenExpired"),
    (ExpiredToken, 400, "InvalidSecurityToken.Malformed"),
    (ExpiredToken, 400, "InvalidSecurityToken.MismatchWithAccessKey"),
    (ExpiredToken, 404, "InvalidAccessKeyId.NotFound"),
    # no right, or not who one says
    (Denied, 403, "Forbidden.RAM"),
    (Denied, 403, "Forbidden.Unauthorized"),
    (Denied, 403, "NoPermission"),
    (Denied, 400, "NoPermission"),
    (Denied, 403, "Forbidden.AccessKeyDisabled"),
    (Denied, 400, "InvalidAccessKeyId.Inactive"),
    (Denied, 400, "SignatureDoesNotMatch"),
    (Denied, 400, "IncompleteSignature"),
    (Denied, 400, "IllegalTimestamp"),
    (Denied, 400, "InvalidTimeStamp.Expired"),
    (Denied, 400, "MissingSecurityToken"),
    (Denied, 403, "RealNameAuthenticationError"),
    (Denied, 401, "InvalidOperation.SecurityGroupNotAuthorized"),
    (Denied, 403, "Abs.InvalidAccount.NotFound"),
    (Denied, 403, "Something.New"),
    (Denied, 401, ""),
    # not there
    (NotFound, 404, "InvalidSecurityGroupId.NotFound"),
    (NotFound, 400, "InvalidSecurityGroupId.NotFound"),
    (NotFound, 404, "InvalidRegionId.NotFound"),
    (NotFound, 404, "EntityNotExist.Role"),
    (NotFound, 404, "EntityNotExists.ResourceDirectory"),
    (NotFound, 400, "InvalidSecurityGroupRule.RuleNotExist"),
    (NotFound, 404, ""),
    # the request itself
    (ApiError, 400, "InvalidParameter"),
    (ApiError, 400, "InvalidParam.SecurityGroupRuleId"),
    (ApiError, 400, "MissingParameter"),
    (ApiError, 403, "MissingParameter"),
    (ApiError, 403, "InvalidOperation.ResourceManagedByCloudProduct"),
    (ApiError, 403, "InvalidNicType.Mismatch"),
    (ApiError, 403, "AuthorizationLimitExceed"),
    (ApiError, 400, "AuthorizedGroupRule.LimitExceed"),
    (ApiError, 403, "LimitExceed.PrefixListAssociationResource"),
    (ApiError, 403, "QuotaExceed.SecurityGroup"),
    (ApiError, 400, "IdempotentParameterMismatch"),
    (ApiError, 403, "InvalidAction"),
    (ApiError, 403, "UnsupportedHTTPMethod"),
    (ApiError, 400, ""),
]


@pytest.mark.parametrize(("kind", "status", "code"), TABLE)
def test_an_answer_is_classified_by_its_code(kind: type[CloudError], status: int, code: str) -> None:
    """The table of API reference 2.5; the status decides only where the code says nothing."""
    assert classify(code, status, access_key_id="STS.key") is kind


def test_an_unknown_key_is_an_expired_session_only_if_it_was_a_sessions() -> None:
    """A long-term key that is unknown is no matter of renewing."""
    assert classify("InvalidAccessKeyId.NotFound", 404, access_key_id="LTAI5t") is Denied


def test_a_hint_makes_an_unknown_refusal_a_throttled_one() -> None:
    """Only throttled answers carry x-acs-retry-after."""
    assert classify("Something.New", 400, hinted=True) is Throttled
    assert classify("Forbidden.RAM", 403, hinted=True) is Denied


def failure(status: int, body: bytes, headers: dict[str, str] | None = None) -> CloudError:
    """The error that reading this answer raises."""
    with pytest.raises(CloudError) as caught:
        read(Answer(status, headers or {}, body), WHO)
    return caught.value


@pytest.mark.parametrize("keys", [("Code", "Message", "RequestId"), ("code", "message", "requestId")])
@pytest.mark.parametrize("status", [400, 200])
def test_an_error_is_read_in_either_case_and_even_from_a_200(keys: tuple[str, str, str], status: int) -> None:
    """Some products answer 200 with an error code, some in small letters."""
    body = msgspec.json.encode(dict(zip(keys, ("Forbidden.RAM", "no", "REQ-1"), strict=True)))
    error = failure(status, body)
    assert (type(error), error.code, error.message, error.request_id, error.status) == (
        Denied,
        "Forbidden.RAM",
        "no",
        "REQ-1",
        status,
    )


@pytest.mark.parametrize("status", [400, 403, 404])
def test_a_refusal_that_was_cut_on_its_way_is_asked_for_again(status: int) -> None:
    """What was refused is not known, so it is no word about a role or a group that there is not."""
    whole = b'{"Code":"EntityNotExist.Role","Message":"no","RequestId":"R"}'
    assert type(failure(status, whole)) is NotFound
    for length in (1, len(whole) // 2, len(whole) - 1):
        error = failure(status, whole[:length])
        assert (type(error), error.code, error.status) == (Unavailable, "MalformedAnswer", status)
    assert type(failure(429, whole[:9])) is Throttled
    assert failure(404, b"<html>").code == "Http404"


def test_an_error_in_xml_is_read_too() -> None:
    """Old products answer XML; a document type is never followed."""
    body = b"<Error><Code>NoPermission</Code><Message>no</Message><RequestId>R</RequestId></Error>"
    error = failure(403, body, {"content-type": "text/xml;charset=utf-8"})
    assert (error.code, error.request_id) == ("NoPermission", "R")
    bomb = b'<!DOCTYPE a [<!ENTITY x "y">]><Error><Code>&x;</Code></Error>'
    assert failure(403, bomb, {"content-type": "text/xml"}).code == "Http403"
    hidden = bomb.decode().encode("utf-16")  # the two bytes that begin a document type do not stand together
    assert failure(403, hidden, {"content-type": "text/xml"}).code == "Http403"


@pytest.mark.parametrize("body", [b"", b"<html>502</html>", b"[]", b'"text"', b"\xff\xfe", b"[" * 100_000])
def test_an_error_body_of_no_sense_still_makes_an_error(body: bytes) -> None:
    """A gateway's page, an empty body, broken text: the status decides."""
    assert type(failure(502, body)) is Unavailable
    assert failure(502, body).code == "Http502"


@pytest.mark.parametrize(
    "body", [b"", b'{"RequestId": "R', b"[]", b"null", b"1", b"\xff", b'{"a": ' + b"[" * 100_000]
)
def test_a_200_that_is_no_json_object_is_unavailable(body: bytes) -> None:
    """Truncated or foreign answers never pass for empty ones."""
    with pytest.raises(Unavailable) as caught:
        read(Answer(200, {}, body), WHO)
    assert caught.value.code == "MalformedAnswer"
    assert caught.value.sent


def test_an_answer_is_its_json_object() -> None:
    """A Code that says success is no error."""
    body = b'{"RequestId": "R", "Items": ["a"], "Code": "200"}'
    assert read(Answer(200, {}, body), WHO)["Items"] == ["a"]


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"x-acs-retry-after": "1500"}, 1.5),
        ({"x-acs-retry-after": "0"}, None),
        ({"x-acs-retry-after": "-5"}, None),
        ({"x-acs-retry-after": "soon"}, None),
        ({"x-ratelimit-user-api": "Limit:1,Remain:0,TimeLeft:2000,Reset:1234"}, 2.0),
        ({"x-ratelimit-user": "TimeLeft: 300"}, 0.3),
        ({"x-ratelimit-user": "TimeLeft:300", "x-ratelimit-user-api": "TimeLeft:900"}, 0.9),
        ({"x-ratelimit-user": "garbage"}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, None),
        ({"x-acs-retry-after": "1500", "retry-after": "7"}, 1.5),
        ({"x-acs-retry-after": "9" * 400}, None),
        ({"retry-after": "9" * 5000}, None),
        ({"x-ratelimit-user": "TimeLeft:" + "9" * 5000}, None),
        ({}, None),
    ],
)
def test_the_servers_delay_is_read_from_each_header(headers: dict[str, str], seconds: float | None) -> None:
    """Both header families of the SDK's versions, and the standard one."""
    assert retry_after_seconds(headers) == seconds


def test_no_secret_leaves_with_an_error() -> None:
    """A signature error that echoes the signed string is stripped of secret and token, and cut to a line."""
    message = "server string to sign is:\nGET&%2F&SecurityToken=the-token&" + "x" * 5000 + "the-secret"
    error = failure(400, msgspec.json.encode({"Code": "SignatureDoesNotMatch", "Message": message}))
    for text in (str(error), repr(error), error.message):
        assert "the-token" not in text
        assert "the-secret" not in text
        assert len(text) < 700
        assert "\n" not in text


def test_no_secret_leaves_in_the_spelling_of_a_query() -> None:
    """A string to sign holds the token percent-encoded, once or twice."""
    who = Credentials("STS.id", "secret+/=", "token+/=")
    message = "GET&%2F&token%2B%2F%3D and token%252B%252F%253D and secret%2B%2F%3D"
    with pytest.raises(CloudError) as caught:
        read(
            Answer(400, {}, msgspec.json.encode({"Code": "SignatureDoesNotMatch", "Message": message})),
            who,
        )
    assert caught.value.message == "GET&%2F&*** and *** and ***"


def test_an_error_steers_no_terminal() -> None:
    """Code, message and RequestId are whatever a server, or who stands in for it, has sent; a person reads them."""
    body = msgspec.json.encode(
        {"Code": "A\x1b[2J" + "x" * 9000, "Message": "\x1b]0;t\x07 m", "RequestId": "R\r\x9b1m"}
    )
    error = failure(400, body)
    assert str(error).isprintable()
    assert len(str(error)) < 1200
    assert (error.message, error.request_id) == ("?]0;t? m", "R ?1m")


def test_an_error_says_where_it_happened() -> None:
    """Action, account, region, code, message and RequestId in one line."""
    error = Denied(
        code="Forbidden.RAM",
        message="no",
        request_id="R",
        action="DescribeRegions",
        account_id="1",
        region_id="cn-hangzhou",
    )
    assert str(error) == "DescribeRegions 1 cn-hangzhou: Forbidden.RAM: no (RequestId R)"
