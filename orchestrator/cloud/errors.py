# ruff: noqa: N818 - an error is named by what the caller does next, in the whole house
"""Errors of the cloud, named by what the caller does next, and how an answer becomes one.

`Throttled`: wait. `Unavailable`: try again later; if `sent`, the request may have been carried out. `Denied`:
ask for rights. `NotFound`: it is not there. `ExpiredToken`: enter the account anew. `ApiError`: the request
itself is wrong. `TooLate`: read again, for what the change relied on has grown too old.

An answer is classified by its code first, because the same condition arrives with several HTTP statuses:
throttling comes as 400, 403, 429 or 503 depending on the product (ECS common errors; observed).
"""

from __future__ import annotations

_MESSAGE_LIMIT = 500


class CloudError(Exception):
    """A call that the cloud did not carry out as asked.

    Attributes:
        code: the API's error code, or one of ours ("Timeout", "ConnectionFailed", "CircuitOpen",
            "MalformedAnswer"...).
        message: for a human; cut, and free of secrets.
        request_id: the RequestId to give to the provider's support; empty if there was no answer.
        status: the HTTP status; 0 if there was no answer.
        action: the API's action, such as DescribeSecurityGroups.
        account_id: whose quota the call used.
        region_id: empty for central products.
    """

    def __init__(
        self,
        *,
        code: str,
        message: str,
        request_id: str = "",
        status: int = 0,
        action: str = "",
        account_id: str = "",
        region_id: str = "",
    ) -> None:
        self.code = cut(code)
        self.message = cut(message)
        self.request_id = cut(request_id)
        self.status = status
        self.action = action
        self.account_id = account_id
        self.region_id = region_id
        super().__init__(self.code, self.message)

    def __str__(self) -> str:
        where = " ".join(part for part in (self.action, self.account_id, self.region_id) if part)
        trace = f" (RequestId {self.request_id})" if self.request_id else ""
        return f"{where}: {self.code}: {self.message}{trace}"


class Throttled(CloudError):
    """Too many calls. The request was not carried out.

    Attributes:
        retry_after_seconds: the server's hint; None if it gave none.
        hopeless: nothing was admitted for longer than anybody should wait.
    """

    retry_after_seconds: float | None = None
    hopeless: bool = False


class Unavailable(CloudError):
    """The service or the way to it failed: 5xx, a timeout, a reset, an answer that is no JSON object.

    Attributes:
        sent: the request may have reached the server, so a change may have been made.
        retry_after_seconds: the server's hint; None if it gave none.
    """

    sent: bool = True
    retry_after_seconds: float | None = None


class CountMismatch(Unavailable):
    """The answer's own counts say that there is more than was given: ask again, and believe nothing of it till then."""


class TooLate(CloudError):
    """The moment after which the call was not to be sent has passed. It is sure that nothing of it was sent."""


class Denied(CloudError):
    """The caller may not do this, or is not who it says."""


class NotFound(CloudError):
    """The thing named is not there."""


class ExpiredToken(CloudError):
    """The session token is expired or no longer valid; new credentials are needed."""


class ApiError(CloudError):
    """The request is wrong or cannot be carried out in this state; sending it again will not help."""


# The codes below: ECS and STS error tables, Terraform provider's retry rules, the old SDK's retry
# configuration.
_UNAVAILABLE = (
    "ServiceUnavailable",
    "InternalError",
    "UnknownError",
    "OperationConflict",
    "LastTokenProcessing",
    "ConcurrentCallNotSupported",
    "InvalidGressFlow.Malformed",
)
_EXPIRED = ("InvalidSecurityToken", "SecurityTokenExpired")
_CLOCK = ("InvalidTimeStamp", "IllegalTimestamp")
_DENIED = (
    "Forbidden",
    "NoPermission",
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "IncompleteSignature",
    *_CLOCK,
    "MissingSecurityToken",
    "RealNameAuthenticationError",
    "InsufficientBalance",
    "Unauthorized",
    "AccessDenied",
    "InvalidOperation.SecurityGroupNotAuthorized",
    "Abs.InvalidAccount",  # the key has expired, or the account is closed
)
_ABSENT = (".NotFound", ".NotExist", ".NotExists", ".RuleNotExist")
_ABSENT_ENTITY = ("EntityNotExist", "ResourceDirectoryNotInUse")
_WRONG_REQUEST = (
    "Invalid",
    "Missing",
    "Unsupported",
    "Idempotent",
    "OperationDenied",
    "NotSupported",
)
_FULL = ("LimitExceed", "QuotaExceed")  # a quota: no right is missing, though it may come as 403
_SUCCESS = ("", "200", "OK", "Success", "success")


def classify(code: str, status: int, *, access_key_id: str = "", hinted: bool = False) -> type[CloudError]:
    """Return the error an answer means.

    Args:
        code: the answer's Code; empty if it had none.
        status: its HTTP status.
        access_key_id: who signed. An expired STS key can surface as an unknown key id (KMS error table).
        hinted: the answer carried a delay that only throttled answers carry.
    """
    if "Throttling" in code or status == 429:
        return Throttled
    if code.startswith(_EXPIRED) or (
        code == "InvalidAccessKeyId.NotFound" and access_key_id.startswith("STS.")
    ):
        return ExpiredToken
    if code.startswith(_UNAVAILABLE) or status >= 500:
        return Unavailable
    if code.startswith(_DENIED):
        return Denied
    return _classify_final(code, status, hinted=hinted)


def _classify_final(code: str, status: int, *, hinted: bool) -> type[CloudError]:
    if code.endswith(_ABSENT) or code.startswith(_ABSENT_ENTITY) or status == 404:
        return NotFound
    if hinted:
        return Throttled
    if code.startswith(_WRONG_REQUEST) or any(word in code for word in _FULL):
        return ApiError
    return Denied if status in (401, 403) else ApiError


def is_error_code(code: object) -> bool:
    """Tell whether the Code in the body of a 2xx answer is an error: some products answer 200 with one."""
    return code is not None and str(code) not in _SUCCESS


def is_clock(code: str) -> bool:
    """Tell whether a call was refused because its time is not the cloud's."""
    return code.startswith(_CLOCK)


def cut(message: str) -> str:
    """Return the text on one line, at most 500 characters, without what would steer a terminal."""
    line = " ".join(message[: 4 * _MESSAGE_LIMIT].split())
    if not line.isprintable():
        line = "".join(char if char.isprintable() else "?" for char in line)
    return line if len(line) <= _MESSAGE_LIMIT else line[: _MESSAGE_LIMIT - 1] + "…"
