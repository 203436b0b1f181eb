"""Log Service goes the way of every other call: limits, retries, counts, and names where it failed."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import RawTestServer
from aliyun.log.auth import AuthV4

from accounts.credentials import Credentials
from orchestrator.cloud import sls
from orchestrator.cloud.client import AccountSession, Client, CloudSettings, Limits
from orchestrator.cloud.endpoints import Endpoints
from orchestrator.cloud.errors import (
    ApiError,
    CloudError,
    Denied,
    ExpiredToken,
    NotFound,
    Throttled,
    Unavailable,
)
from orchestrator.cloud.memory import LONGEST_BODY
from orchestrator.cloud.sls import LogPlace, LogService
from orchestrator.emulator import VARIANTS, Emulator, Fault, Flow, Kind, Options, Quirks, World
from orchestrator.emulator.services.log_service import Logstore
from tests.cloud.asking import REGION
from tests.cloud.conftest import Speaker, speaking

OWN = Credentials("id", "secret", "token")
PLACE = LogPlace(REGION, "flows", "flowlog")
ADMINISTRATOR = "ResourceDirectoryAccountAccessRole"
COUNT = '* | SELECT "eni-id", count(*) AS flows FROM log GROUP BY "eni-id" ORDER BY "eni-id" LIMIT 100'


def logs(it: Speaker, *enis: str) -> Logstore:
    """A project of the first member with one record for each of these interfaces, a minute ago."""
    now = int(it.emulator.state.clock())
    rows = [Flow(now - 60, it.member_ids[0], eni_id=one, start=now - 660, end=now - 60) for one in enis]
    return it.emulator.gather_flows(PLACE.project, it.member_ids[0], REGION, rows)


class Entering:
    """A source of sessions of the first member: another one where the last was refused."""

    def __init__(self, emulator: Emulator, account_id: str) -> None:
        self._emulator = emulator
        self._account_id = account_id

    async def credentials(self, *, not_this: Credentials | None = None) -> Credentials:
        """A new session each time."""
        assert not_this is None or not_this.security_token
        keys = self._emulator.enter(self._account_id, ADMINISTRATOR).keys
        return Credentials(keys.access_key_id, keys.access_key_secret, keys.security_token or "")


async def counted(it: Speaker, service: LogService | None = None, place: LogPlace = PLACE) -> sls.QueryResult:
    """What the last hour holds."""
    now = int(it.emulator.state.clock())
    service = service or LogService(it.client)
    who = it.session(it.member_ids[0], Entering(it.emulator, it.member_ids[0]))
    return await service.query(who, place, now - 3600, now + 1, COUNT)


async def test_a_query_gives_rows_and_what_they_cost(world: World) -> None:
    """Each row by column, whether all of the slice was searched, how many logs were read for it."""
    async with speaking(world) as it:
        logs(it, "eni-1", "eni-2", "eni-1")
        found = await counted(it)
        assert found.rows == [{"eni-id": "eni-1", "flows": "2"}, {"eni-id": "eni-2", "flows": "1"}]
        assert (found.is_complete, found.rows_scanned) == (True, 3)
        assert found.bytes_scanned > 0
        call = it.emulator.calls[-1]
    assert (call.action, call.account_id, call.region_id) == ("GetLogsV2", it.member_ids[0], REGION)
    assert it.client.stats.of("GetLogsV2").calls == 1


async def test_retention_and_index_are_read_as_they_are(world: World) -> None:
    """How long logs are kept, and which fields SQL sees."""
    async with speaking(world) as it:
        store, service, who = logs(it, "eni-1"), LogService(it.client), it.member(role=ADMINISTRATOR)
        store.ttl_days = 7
        assert (await service.logstore(who, PLACE))["ttl"] == 7
        assert (await service.index(who, PLACE))["keys"]["dstport"] == {
            "type": "long", "doc_value": True, "alias": "",
        }  # fmt: skip
        store.fields = None
        with pytest.raises(NotFound, match="IndexConfigNotExist") as caught:
            await service.index(who, PLACE)
    assert caught.value.request_id


def test_the_signature_is_that_of_the_official_client() -> None:
    """The same Authorization for requests of all kinds, with a session token and without."""
    for token in ("", "token+/="):
        for method, path, body in (
            ("POST", "/logstores/flow_log-1/logs", b'{"from":1}'),
            ("GET", "/logstores/flowlog/index", b""),
        ):
            who = Credentials(f"key{method}", f"secret{path}", token)
            headers = sls.sign(
                who, method, path, "p.cn-hangzhou.log.aliyuncs.com", body, REGION, 1_800_000_000
            )
            given = SimpleNamespace(
                get_security_token=lambda who=who: who.security_token,
                get_access_key_id=lambda who=who: who.access_key_id,
                get_access_key_secret=lambda who=who: who.access_key_secret,
            )
            official: Any = AuthV4(SimpleNamespace(get_credentials=lambda given=given: given), REGION)  # type: ignore[no-untyped-call]
            unsigned = {name: value for name, value in headers.items() if name != "Authorization"}
            signed = official._do_sign_request(method, path, {}, unsigned, body, headers["x-log-date"])
            assert headers["Authorization"] == signed


@pytest.mark.parametrize(
    ("settings", "host"),
    [
        (CloudSettings(), "p.cn-hangzhou.log.aliyuncs.com"),
        (CloudSettings(network="vpc"), "p.cn-hangzhou-intranet.log.aliyuncs.com"),
        (CloudSettings(endpoint="http://127.0.0.1:9"), "p.cn-hangzhou.log.aliyuncs.com"),
    ],
)
def test_a_project_has_a_host_of_its_own(settings: CloudSettings, host: str) -> None:
    """By the network's own endpoint; where one URL serves everything, it goes there with the project's name."""
    there, name = Endpoints(settings).log_project("p", "cn-hangzhou")
    assert name == host
    assert there.host == (host if not settings.endpoint else "127.0.0.1:9")


@pytest.mark.parametrize("project", ["evil.example/", "a", "A-project", "x@y", "", "a" * 64, "p\n"])
async def test_what_is_no_name_is_never_a_part_of_a_host(world: World, project: str) -> None:
    """A flow log may name anything as its project: a token is not sent there."""
    async with speaking(world) as it:
        with pytest.raises(NotFound, match="InvalidName"):
            await counted(it, place=LogPlace(REGION, project, "flowlog"))
        with pytest.raises(NotFound, match="InvalidName"):
            await counted(it, place=LogPlace(REGION, "flows", "../" + project))
    assert not it.attempts


@pytest.mark.parametrize(
    "kind", [Kind.UNAVAILABLE, Kind.RESET_AFTER, Kind.GARBAGE, Kind.EXPIRED, Kind.THROTTLED]
)
async def test_a_query_is_asked_again(kind: Kind, world: World) -> None:
    """It changes nothing, so whatever became of it, it may be repeated; a throttled one waits in the limiter."""
    fault = Fault(kind=kind, action="GetLogsV2", count=1)
    limits = Limits(window_seconds=1)
    async with speaking(world, Options(faults=(fault,)), limits=limits) as it:
        logs(it, "eni-1")
        assert [one["flows"] for one in (await counted(it)).rows] == ["1"]
    stats = it.client.stats.of("GetLogsV2")
    assert (stats.calls, stats.throttled) == (2, int(kind is Kind.THROTTLED))


async def test_whoever_may_not_read_is_told_so(world: World) -> None:
    """Another account's project is refused with its RequestId; a project that was deleted is not there."""
    async with speaking(world) as it:
        logs(it, "eni-1")
        now = int(it.emulator.state.clock())
        with pytest.raises(Denied, match="Unauthorized") as caught:
            await LogService(it.client).query(it.member(1, ADMINISTRATOR), PLACE, now - 60, now, COUNT)
        assert caught.value.request_id
        it.emulator.logs.remove_project(PLACE.project)
        with pytest.raises(NotFound, match="ProjectNotExist"):
            await counted(it)


# --- a server that says anything


class Own:
    """A source that has one pair of keys, whatever became of it."""

    async def credentials(self, *, not_this: Credentials | None = None) -> Credentials:
        """The same ones."""
        return not_this or OWN


@asynccontextmanager
async def answering(
    status: int, body: bytes, headers: dict[str, str] | None = None, **settings: Any
) -> AsyncIterator[tuple[LogService, AccountSession, list[web.BaseRequest]]]:
    """A service whose every answer is this one."""
    asked: list[web.BaseRequest] = []

    async def answer(request: web.BaseRequest) -> web.Response:
        asked.append(request)
        return web.Response(status=status, body=body, headers={"x-log-requestid": "R1", **(headers or {})})

    server = RawTestServer(answer)
    await server.start_server()
    try:
        url = str(server.make_url("")).rstrip("/")
        async with Client(CloudSettings(endpoint=url, **settings), chance=lambda: 0.0) as client:
            yield LogService(client), AccountSession(client, "1", Own()), asked
    finally:
        await server.close()


async def refused(status: int, body: bytes, headers: dict[str, str] | None = None) -> CloudError:
    """The error that such an answer means."""
    limits = Limits(patience_seconds=0.01, window_seconds=0.01)
    async with answering(status, body, headers, attempts=1, limits=limits) as (service, who, _):
        with pytest.raises(CloudError) as caught:
            await service.query(who, PLACE, 1, 2, "*")
    return caught.value


CASES: list[tuple[int, str, str, type[CloudError]]] = [
    (403, "ReadQuotaExceed", "", Throttled),
    (403, "ExceedQuota", "Too many queued queries.", Throttled),
    (400, "ParameterInvalid", "Too many queued queries.", Throttled),
    (429, "TooManyRequests", "", Throttled),
    (401, "Unauthorized", "denied by sts or ram, action: log:GetLogStoreLogs", Denied),
    (401, "Unauthorized", "The security token you provided has expired.", ExpiredToken),
    (401, "SecurityTokenExpired", "", ExpiredToken),
    (401, "SignatureNotMatch", "", Denied),
    (400, "RequestTimeExpired", "", Denied),
    (404, "ProjectNotExist", "", NotFound),
    (404, "LogStoreNotExist", "", NotFound),
    (400, "IndexConfigNotExist", "logstore without index config", NotFound),
    (400, "ParameterInvalid", "line 1:8: mismatched input", ApiError),
    (500, "InternalServerError", "", Unavailable),
    (503, "ServerBusy", "", Unavailable),
]


@pytest.mark.parametrize(("status", "code", "message", "kind"), CASES)
async def test_a_refusal_is_named_by_what_to_do_next(
    status: int, code: str, message: str, kind: type[CloudError]
) -> None:
    """Its code or, where the codes are not documented, its message decides; the RequestId and the place are told."""
    error = await refused(status, msgspec.json.encode({"errorCode": code, "errorMessage": message}))
    assert type(error) is kind
    assert (error.action, error.account_id, error.region_id) == ("GetLogsV2", "1", REGION)
    if not getattr(error, "hopeless", False):
        assert (error.code, error.request_id) == (code, "R1")


async def test_a_refusal_does_not_repeat_the_token() -> None:
    """What the service echoes of the request is told without its secrets."""
    body = msgspec.json.encode({"errorCode": "Unauthorized", "errorMessage": "no: secret-of token; secret"})
    error = await refused(401, body)
    assert "token" not in error.message
    assert "secret" not in error.message


def packed(text: bytes, **headers: str) -> tuple[int, bytes, dict[str, str]]:
    """A compressed answer, with the headers that say so."""
    said = {"x-log-compresstype": "gzip", "x-log-bodyrawsize": str(len(text)), **headers}
    return 200, zlib.compress(text), said


GOOD = b'{"meta": {"progress": "Complete", "count": 0}, "data": []}'


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (packed(b" " * (LONGEST_BODY + 1)), "AnswerTooLong"),
        (packed(GOOD, **{"x-log-bodyrawsize": "7"}), "TruncatedAnswer"),
        (packed(GOOD, **{"x-log-compresstype": "lz4"}), "MalformedAnswer"),
        ((200, zlib.compress(GOOD)[:-6], {"x-log-compresstype": "gzip"}), "TruncatedAnswer"),
        ((200, b"<html>", {"x-log-compresstype": "gzip"}), "MalformedAnswer"),
        ((200, b"<html>", {}), "MalformedAnswer"),
        ((200, b"[1]", {}), "MalformedAnswer"),
        ((200, b'{"data": []}', {}), "MalformedAnswer"),
        ((200, b'{"meta": {}, "data": [1]}', {}), "MalformedAnswer"),
        ((200, b'{"meta": {"count": 2}, "data": [{}]}', {}), "CountMismatch"),
        ((200, b'{"meta": {}, "data": [' + b"[]," * 500_001 + b"[]]}", {}), "AnswerTooLong"),
    ],
)
async def test_an_answer_that_is_none_is_unavailable(
    answer: tuple[int, bytes, dict[str, str]], code: str
) -> None:
    """Nothing is made of it, however small it came: an answer that unpacks to too much, is cut, or no JSON."""
    error = await refused(*answer)
    assert isinstance(error, Unavailable)
    assert (error.code, error.request_id) == (code, "R1" if code != "AnswerTooLong" else error.request_id)


@pytest.mark.parametrize(
    "text", [GOOD, GOOD.replace(b"Complete", b"Incomplete"), b'{"meta": {}, "data": []}']
)
async def test_only_an_answer_that_says_so_is_complete(text: bytes) -> None:
    """Compressed or not; one that says nothing of it is not."""
    for status, body, headers in (packed(text), (200, text, {})):
        async with answering(status, body, headers) as (service, who, asked):
            found = await service.query(who, PLACE, 1, 2, "*")
        assert found.is_complete is (text == GOOD)
        assert asked[0].headers["Accept-Encoding"] == "gzip"
        assert asked[0].headers["Host"] == "flows.cn-hangzhou.log.aliyuncs.com"


async def test_a_project_is_asked_for_fifteen_queries_at_once_and_no_more(world: World) -> None:
    """Forty are asked at the same time, and none is refused for too many."""
    quirks = Quirks(log_query_seconds=0.02)
    async with speaking(world, Options(quirks=quirks)) as it:
        logs(it, "eni-1")
        service = LogService(it.client)
        found = await asyncio.gather(*(counted(it, service) for _ in range(40)))
        assert [len(one.rows) for one in found] == [1] * 40
    stats = it.client.stats.of("GetLogsV2")
    assert (stats.calls, stats.throttled) == (40, 0)


@pytest.mark.parametrize("kind", [Kind.EXPIRED, Kind.THROTTLED])
@pytest.mark.parametrize("name", ["log-throttled-other-name", "log-expired-token-other-name"])
async def test_however_a_refusal_is_called_the_query_comes_through(
    world: World, name: str, kind: Kind
) -> None:
    """The codes of a throttled query and of an expired session are not all documented; each is known for what it is."""
    fault = Fault(kind=kind, action="GetLogsV2", count=1)
    options = Options(quirks=VARIANTS[name], faults=(fault,))
    async with speaking(world, options, limits=Limits(window_seconds=1)) as it:
        logs(it, "eni-1")
        assert len((await counted(it)).rows) == 1
    assert it.client.stats.of("GetLogsV2").calls == 2
