"""Simple Log Service 2020-12-30: logs of a project's logstores searched by SQL, their retention and their index.

Signed with SLS4-HMAC-SHA256 (Log Service, "Request signatures") and carried by the client as all other calls are: the
official SDK is synchronous and would bring a second HTTP stack.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import re
import time
import zlib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from accounts.credentials import Credentials
from orchestrator.cloud.attempt import Read
from orchestrator.cloud.client import AccountSession, Client
from orchestrator.cloud.endpoints import Destination, Endpoints
from orchestrator.cloud.errors import (
    CloudError,
    Denied,
    ExpiredToken,
    NotFound,
    Throttled,
    Unavailable,
    classify,
)
from orchestrator.cloud.memory import LONGEST_BODY, MOST_VALUES, has_too_many_values
from orchestrator.cloud.responses import Refusal, refused
from orchestrator.cloud.settings import is_region_id
from orchestrator.cloud.transport import Answer, SignedAttempt

QUERIES_AT_ONCE = 15
"""How many queries of SQL may run at once in a project, whoever asks ("Limits of analysis")."""

_SCHEME = "SLS4-HMAC-SHA256"
_API_VERSION = "0.6.0"  # of the protocol: x-log-apiversion of every request
_JSON = "application/json"
_ZLIB_OR_GZIP = 47  # what the service calls gzip is zlib; a gateway in between may mean the other
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{1,62}").fullmatch  # of a project: lower case, digits, hyphens
_LOGSTORE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}").fullmatch
_object = msgspec.json.Decoder(dict[str, Any])
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class LogPlace:
    """Where logs lie.

    Attributes:
        region_id: the project's region.
        project: its name.
        logstore: its name.
    """

    region_id: str
    project: str
    logstore: str

    def __str__(self) -> str:
        return f"{self.project}/{self.logstore}"

    @property
    def is_usable(self) -> bool:
        """Whether the names are names: the project's becomes a part of the host that a token is sent to."""
        names = _NAME(self.project) and _LOGSTORE(self.logstore) and is_region_id(self.region_id)
        return bool(names)


@dataclass(frozen=True, slots=True)
class QueryResult:
    """The answer to one query.

    Attributes:
        rows: by column; every value is a text, "null" where there is none.
        is_complete: all of the slice was searched; else some of it is missing in the rows.
        rows_scanned: how many logs were read for it.
        bytes_scanned: of them.
    """

    rows: list[dict[str, str]]
    is_complete: bool
    rows_scanned: int
    bytes_scanned: int


class LogService:
    """Asks Log Service for one process: no project is asked for more queries at once than it may have."""

    def __init__(self, client: Client) -> None:
        """Remember who carries the calls, with the limits, retries and counts of all others."""
        self._client = client
        self._places: defaultdict[str, asyncio.Semaphore] = defaultdict(
            lambda: asyncio.Semaphore(QUERIES_AT_ONCE)
        )

    async def query(
        self,
        who: AccountSession,
        place: LogPlace,
        begin: int,
        end: int,
        query: str,
        *,
        dedicated: bool = False,
    ) -> QueryResult:
        """Return what a query finds in a slice of time (GetLogsV2).

        Args:
            who: asks, and whose quota counts.
            place: where.
            begin: of the slice, Unix seconds.
            end: of it, excluded.
            query: a search, and SQL after `|`, with LIMIT: without it the service gives 100 rows and does not say so.
            dedicated: by dedicated SQL, which costs.

        Raises:
            CloudError: the subclass says what to do next.
        """
        asked: dict[str, object] = {"from": begin, "to": end, "query": query}
        if dedicated:
            asked["powerSql"] = True
        async with self._places[place.project]:
            return await self._ask(who, place, "GetLogsV2", msgspec.json.encode(asked), _found)

    async def logstore(self, who: AccountSession, place: LogPlace) -> dict[str, Any]:
        """Return a logstore as the API has it (GetLogStore): `ttl` in days, `createTime`, `mode`.

        Raises:
            CloudError: the subclass says what to do next.
        """
        return await self._ask(who, place, "GetLogStore", b"", _decoded)

    async def index(self, who: AccountSession, place: LogPlace) -> dict[str, Any]:
        """Return a logstore's index as the API has it (GetIndex): `keys`, and `lastModifyTime`.

        Raises:
            NotFound: it has none.
            CloudError: the subclass says what to do next.
        """
        return await self._ask(who, place, "GetIndex", b"", _decoded)

    async def _ask(
        self, who: AccountSession, place: LogPlace, action: str, body: bytes, reading: Read[T]
    ) -> T:
        if not place.is_usable:
            raise NotFound(
                code="InvalidName",
                message=f"{place} in {place.region_id} is no project and logstore",
                action=action,
                account_id=who.account_id,
                region_id=place.region_id,
            )
        _, host = self._client.endpoints.log_project(place.project, place.region_id)
        request = _Request(place, who.account_id, action, body, host)
        return await self._client.exchange(request, who.source, reading)


_PATHS = {
    "GetLogsV2": "/logstores/{}/logs",
    "GetLogStore": "/logstores/{}",
    "GetIndex": "/logstores/{}/index",
}


@dataclass(frozen=True, slots=True)
class _Request:
    """One call of Log Service, before it is signed. All are reads, so each may be repeated.

    Attributes:
        place: what it is about.
        account_id: whose quota the server counts it on.
        action: of the API.
        body: JSON, empty for a GET.
        host: the project's name as a host, wherever the call goes.
    """

    place: LogPlace
    account_id: str
    action: str
    body: bytes
    host: str
    product: str = "sls"
    mutating: bool = False

    @property
    def region_id(self) -> str:
        """The project's region."""
        return self.place.region_id

    def target(self, endpoints: Endpoints) -> Destination:
        """Return where it goes."""
        return endpoints.log_project(self.place.project, self.place.region_id)[0]

    def sign(self, who: Credentials, host: str) -> SignedAttempt:  # noqa: ARG002 - the project is in its own
        """Return one attempt, signed by `who` for the project's host."""
        path = _PATHS[self.action].format(self.place.logstore)
        method = "POST" if self.body else "GET"
        headers = sign(who, method, path, self.host, self.body, self.place.region_id, int(time.time()))
        return SignedAttempt(method, path, "", {**headers, "Accept-Encoding": "gzip"}, self.body)


def sign(
    who: Credentials, method: str, path: str, host: str, body: bytes, region_id: str, now: int
) -> dict[str, str]:
    """Return the headers of a request, Authorization among them.

    Args:
        who: signs.
        method: POST or GET.
        path: of the logstore; these requests have no query.
        host: the project's.
        body: JSON, or empty.
        region_id: the project's.
        now: seconds since 1970.
    """
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    payload = hashlib.sha256(body).hexdigest()
    headers = {
        "content-type": _JSON,
        "host": host,
        "x-log-apiversion": _API_VERSION,
        "x-log-bodyrawsize": str(len(body)),
        "x-log-content-sha256": payload,
        "x-log-date": stamp,
    }
    if who.security_token:
        headers["x-acs-security-token"] = who.security_token
    names = sorted(headers)
    lines = "".join(f"{name}:{headers[name]}\n" for name in names)
    canonical = f"{method}\n{path}\n\n{lines}\n{';'.join(names)}\n{payload}"
    scope = f"{stamp[:8]}/{region_id}/sls/aliyun_v4_request"
    to_sign = f"{_SCHEME}\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = f"aliyun_v4{who.access_key_secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
    headers["Authorization"] = f"{_SCHEME} Credential={who.access_key_id}/{scope},Signature={signature}"
    return headers


# --- answers


def _decoded(answer: Answer, who: Credentials) -> dict[str, Any]:
    """Return the JSON object of an answer.

    Raises:
        CloudError: it is an error, or none.
    """
    body = _unpacked(answer)
    if not 200 <= answer.status < 300:
        raise _error(answer, body, who)
    if has_too_many_values(body):
        raise _malformed("AnswerTooLong", f"the answer has more than {MOST_VALUES} values", answer)
    try:
        return _object.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _malformed(
            "MalformedAnswer", f"the answer is not the JSON object expected ({error})", answer
        ) from None


def _found(answer: Answer, who: Credentials) -> QueryResult:
    """Return the answer to a query; what does not say that it is complete is not.

    Raises:
        CloudError: it is an error, or none.
    """
    body = _decoded(answer, who)
    meta, rows = body.get("meta"), body.get("data")
    is_answer = (
        isinstance(meta, dict) and isinstance(rows, list) and all(isinstance(one, dict) for one in rows)
    )
    if not is_answer or not isinstance(meta, dict) or not isinstance(rows, list):
        raise _malformed("MalformedAnswer", "the answer has no meta and data", answer)
    counted = meta.get("count")
    if isinstance(counted, int) and counted != len(rows):
        raise _malformed("CountMismatch", f"{counted} rows are counted, but {len(rows)} were given", answer)
    found = [{str(key): str(value) for key, value in row.items()} for row in rows]
    is_complete = str(meta.get("progress")).lower() == "complete"
    return QueryResult(found, is_complete, _number(meta, "processedRows"), _number(meta, "processedBytes"))


def _number(meta: Mapping[str, Any], name: str) -> int:
    value = meta.get(name)
    return value if isinstance(value, int) and value > 0 else 0


def _unpacked(answer: Answer) -> bytes:
    """Return the body as it was before the service compressed it, bounded: memory is not the server's to fill.

    Raises:
        Unavailable: it cannot be unpacked, is too long, or not as long as it says.
    """
    kind = answer.headers.get("x-log-compresstype", "").lower()
    if not kind:
        return answer.body
    if kind not in {"gzip", "deflate"}:
        raise _malformed("MalformedAnswer", f"the answer is compressed with {kind[:20]}", answer)
    unpacker = zlib.decompressobj(_ZLIB_OR_GZIP)
    try:
        body = unpacker.decompress(answer.body, LONGEST_BODY + 1)
    except zlib.error as error:
        raise _malformed("MalformedAnswer", f"the answer cannot be unpacked ({error})", answer) from None
    if len(body) > LONGEST_BODY:
        raise _malformed("AnswerTooLong", f"the answer has more than {LONGEST_BODY} bytes", answer)
    size = answer.headers.get("x-log-bodyrawsize", "")
    if not unpacker.eof or (size.isdecimal() and size != str(len(body))):
        raise _malformed("TruncatedAnswer", "the answer ended too early", answer)
    return body


def _malformed(code: str, message: str, answer: Answer) -> Unavailable:
    return Unavailable(code=code, message=message, request_id=_request_id(answer), status=answer.status)


def _request_id(answer: Answer) -> str:
    return answer.headers.get("x-log-requestid", "")


def _error(answer: Answer, body: bytes, who: Credentials) -> CloudError:
    try:
        told = _object.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        told = {}
    code, message = (str(told.get(name) or "") for name in ("errorCode", "errorMessage"))
    kind = _kind(code, message, answer.status, who)
    is_clock = code in _CLOCK
    return refused(kind, Refusal(code, message, _request_id(answer), is_clock=is_clock), answer, who)


# "Common errors" of Log Service; the codes for too many queries and for an expired session are not all documented,
# so what the message says counts, too.
_THROTTLED = frozenset({"ReadQuotaExceed", "ShardReadQuotaExceed", "ExceedQuota", "QuotaExceed"})
_ABSENT = frozenset({"ProjectNotExist", "LogStoreNotExist", "IndexConfigNotExist"})
_CLOCK = frozenset({"RequestTimeExpired", "RequestTimeTooSkewed", "InvalidRequestTime"})
_EXPIRED = re.compile(r"security ?token.*expired", re.IGNORECASE).search
_QUEUED = re.compile(r"too many (queued )?quer", re.IGNORECASE).search


def _kind(code: str, message: str, status: int, who: Credentials) -> type[CloudError]:
    """Return the error that a code means, by what the caller does next."""
    if code in _THROTTLED or _QUEUED(message):
        return Throttled
    if _EXPIRED(message) and status < 500:
        return ExpiredToken
    if code in _ABSENT:
        return NotFound
    if code in _CLOCK or code == "SignatureNotMatch":
        return Denied
    return classify(code, status, access_key_id=who.access_key_id)
