"""Log Service goes the way of every product: both signatures, rights, bounds, faults, lies."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from typing import Any

import lz4.block
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.emulator import (
    Bend,
    BendKind,
    Fault,
    InProcess,
    Keys,
    Kind,
    Options,
    Quirks,
    Role,
    Statement,
    World,
    WorldOutline,
)
from orchestrator.emulator.framework.signature import WireRequest
from orchestrator.emulator.services.log_service.compression import lz4_block
from orchestrator.emulator.services.log_service.logstores import FLOW_FIELDS
from orchestrator.emulator.world.model import ControlPolicy
from orchestrator.emulator.world.policies import ADMINISTRATOR
from tests.emulator.log_wire import NOW, PROJECT, REGION, SCHEMES, LogCloud, code, flow, opened, signed

ADMINISTRATOR_ROLE = "ResourceDirectoryAccountAccessRole"
STORE = f"acs:log:{REGION}:%s:project/{PROJECT}/logstore/%s"


# --- the wire


@pytest.mark.parametrize(
    ("accepted", "kind"), [("lz4", "lz4"), ("gzip, deflate", "gzip"), ("identity", ""), ("", "")]
)
def test_an_answer_is_compressed_as_asked(accepted: str, kind: str) -> None:
    """By Accept-Encoding, with the length before it in x-log-bodyrawsize; the data is the same."""
    cloud = LogCloud(*(flow(-at) for at in range(1, 50)))
    reply = cloud.reply(cloud.request(headers={"accept_encoding": accepted}))
    assert reply.headers.get("x-log-compresstype", "") == kind
    assert opened(reply)["data"] == cloud.ask()["data"]
    assert len(cloud.ask()["data"]) == 49


@given(
    data=st.binary(max_size=400) | st.text("ab", max_size=400).map(str.encode),
    times=st.sampled_from([1, 2, 300]),
)
def test_a_block_of_lz4_is_what_the_reference_decompresses(data: bytes, times: int) -> None:
    """Any bytes, of few letters or of many, once or again and again, with matches near and far."""
    whole = data * times
    assert not whole or lz4.block.decompress(lz4_block(whole), uncompressed_size=len(whole)) == whole
    assert len(lz4_block(b"abcd" * 1_000)) < 40


@pytest.mark.parametrize(
    ("host", "found"),
    [
        (f"{PROJECT}.{REGION}.log.aliyuncs.com", True),
        (f"{PROJECT}.{REGION}-intranet.log.aliyuncs.com:80", True),
        (f"{PROJECT}.127.0.0.1", True),
        (f"{PROJECT}.localhost:8930", True),
        (f"{PROJECT}.cn-beijing.log.aliyuncs.com", False),
        (f"{REGION}.log.aliyuncs.com", False),
        ("127.0.0.1:8930", False),
    ],
)
def test_the_project_is_in_the_hosts_name(host: str, found: bool) -> None:  # noqa: FBT001 - a parameter
    """Under the real names, public and intranet, and before any other; in another region it is not there."""
    cloud = LogCloud(flow())
    scope = "cn-beijing" if "beijing" in host else REGION
    reply = cloud.reply(cloud.request(headers={"host": host, "scope": scope}))
    assert (reply.status == 200) == found
    assert found or code(reply) == (404, "ProjectNotExist")


@pytest.mark.parametrize("scheme", SCHEMES)
def test_whatever_is_signed_cannot_be_changed(scheme: str) -> None:
    """Another path, header or body, another secret, region or version: refused."""
    cloud = LogCloud(flow())

    def sent(
        keys: Keys | None = None, path: str = "", body: bytes = b"", headers: Any = (), **more: str
    ) -> Any:
        made = cloud.request(keys, scheme, headers=more)
        changed = {**made.headers, **dict(headers)}
        return cloud.reply(WireRequest(made.method, path or made.path, "", changed, body or made.body))

    keys = cloud.keys
    assert sent().status == 200
    assert code(sent(path="/logstores/other/logs")) == (401, "SignatureNotMatch")
    assert code(sent(headers={"x-log-more": "1"})) == (401, "SignatureNotMatch")
    assert code(sent(body=b"{}")) == (400, "ParameterInvalid")
    assert code(sent(Keys(keys.access_key_id, "wrong", keys.security_token))) == (401, "SignatureNotMatch")
    assert code(sent(Keys("nobody", "wrong"))) == (401, "Unauthorized")
    assert code(sent(Keys(keys.access_key_id, keys.access_key_secret, "CAISother"))) == (401, "Unauthorized")
    assert code(sent(Keys(keys.access_key_id, keys.access_key_secret))) == (401, "Unauthorized")
    assert code(sent(x_log_apiversion="0.5.0")) == (400, "ParameterInvalid")
    if scheme == "v4":
        assert code(sent(scope="cn-beijing")) == (401, "SignatureNotMatch")


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_date_and_a_session_expire(scheme: str) -> None:
    """After 15 minutes, and when the session is over; no date at all is none."""
    cloud = LogCloud(flow())
    early = cloud.request(scheme=scheme)
    cloud.clock.now += 901
    assert code(cloud.reply(early)) == (400, "RequestTimeExpired")
    name = "date" if scheme == "v1" else "x-log-date"
    undated = {**early.headers, name: "yesterday"}
    assert code(cloud.reply(WireRequest("POST", early.path, "", undated, early.body)))[1] in {
        "InvalidRequestTime",
        "SignatureNotMatch",
    }
    cloud.state.identities.expire_sessions()
    late = cloud.reply(cloud.request(scheme=scheme))
    assert code(late) == (401, "Unauthorized")
    assert b"has expired" in late.body


def test_what_is_not_there_is_said() -> None:
    """A logstore, an index, a project that was deleted, an action; a body that is no JSON or has other types."""
    cloud = LogCloud(flow())
    assert cloud.refused(path="/logstores/other/logs") == (404, "LogStoreNotExist")
    assert code(cloud.get("/logstores/other")) == (404, "LogStoreNotExist")
    assert code(cloud.get("/logstores/flowlog/shards")) == (404, "NotSupported")
    assert cloud.refused(line="many") == (400, "ParameterInvalid")
    for body in (b"", b"nothing"):
        assert code(cloud.reply(signed(cloud.keys, "v4", cloud.clock(), body=body))) == (
            400,
            "PostBodyInvalid",
        )
    cloud.store.fields = None
    assert cloud.refused() == (400, "IndexConfigNotExist")
    assert code(cloud.get("/logstores/flowlog/index")) == (404, "IndexConfigNotExist")
    cloud.logs.remove_project(PROJECT)
    assert cloud.refused() == (404, "ProjectNotExist")
    assert code(cloud.get("/")) == (404, "ProjectNotExist")


# --- rights


def test_rights_are_those_of_the_logstore() -> None:
    """A policy on the logstore allows it, on another one or of another action it does not; a Deny wins."""
    cloud = LogCloud(flow())
    mine, other = (STORE % (cloud.member, name) for name in ("flowlog", "other"))

    def keys(*statements: Statement, session: tuple[Statement, ...] | None = None) -> Keys:
        role = Role("reader", (), statements)
        return cloud.state.identities.open_session(cloud.member, role, "test", NOW + 900, session).keys

    allow = Statement("Allow", ("log:GetLogStoreLogs",), (mine,))
    assert cloud.ask(keys=keys(allow))["meta"]["count"] == 1
    assert (
        cloud.ask(keys=keys(Statement("Allow", ("log:Get*",), ("acs:log:*:*:project/*",))))["meta"]["count"]
        == 1
    )
    for refused in (
        keys(),
        keys(Statement("Allow", ("log:GetLogStoreLogs",), (other,))),
        keys(Statement("Allow", ("log:GetLogStore", "log:GetLogsV2"), (mine,))),
        keys(allow, Statement("Deny", ("log:*",))),
        keys(*ADMINISTRATOR, session=(Statement("Allow", ("log:GetIndex",)),)),
    ):
        reply = cloud.reply(cloud.request(refused))
        assert code(reply) == (401, "Unauthorized")
        wanted = f"denied by sts or ram, action: log:GetLogStoreLogs, resource: {mine}"
        assert msgspec.json.decode(reply.body)["errorMessage"] == wanted
    reader = keys(Statement("Allow", ("log:GetLogStore", "log:GetIndex"), (mine,)))
    assert cloud.get("/logstores/flowlog", reader).status == 200
    assert cloud.get("/logstores/flowlog/index", reader).status == 200
    assert code(cloud.get("/", reader)) == (401, "Unauthorized")
    assert code(cloud.get("/logstores/flowlog", keys(allow))) == (401, "Unauthorized")


def test_another_accounts_project_is_closed_whatever_its_own_policy_says() -> None:
    """An administrator of another account gets in by a role of the owner only; control policies bind the owner, too."""
    cloud = LogCloud(flow())
    other = next(one for one in cloud.world.organization.members if one != cloud.member)
    assert cloud.refused(keys=cloud.enter(ADMINISTRATOR_ROLE, other)) == (401, "Unauthorized")
    assert cloud.refused(keys=cloud.hub) == (401, "Unauthorized")
    assert code(cloud.get("/", cloud.hub)) == (401, "Unauthorized")
    organization = cloud.world.organization
    organization.control_policies["cp-1"] = ControlPolicy("cp-1", "no", (Statement("Deny", ("log:*",)),))
    organization.attached_policies[cloud.member] = ("cp-1",)
    assert cloud.refused() == (401, "Unauthorized")


# --- bounds


def test_logs_are_found_as_long_as_they_are_kept_and_indexed() -> None:
    """Not those older than the retention, nor those from before the index; SQL sees only fields that are for it."""
    cloud = LogCloud(*(flow(-86_400 * at - 60) for at in range(10)))
    assert cloud.rows("* | select count(*)", begin=1) == [["10"]]
    cloud.store.ttl_days = 7
    assert cloud.rows("* | select count(*)", begin=1) == [["7"]]
    assert msgspec.json.decode(cloud.get("/logstores/flowlog").body)["ttl"] == 7
    cloud.store.indexed_since = NOW - 3 * 86_400
    assert cloud.rows("* | select count(*)", begin=1) == [["3"]]
    cloud.store.fields = tuple(
        replace(one, doc_value=one.name != "srcaddr") for one in FLOW_FIELDS if one.name != "dstport"
    )
    assert cloud.refused("* | select srcaddr from log") == (400, "ParameterInvalid")
    assert cloud.refused("* | select dstport from log") == (400, "ParameterInvalid")
    assert cloud.refused("dstport: 22") == (400, "ParameterInvalid")
    assert cloud.ask("srcaddr: 203.0.113.7", begin=1)["meta"]["count"] == 3


def test_a_long_slice_is_incomplete_until_it_is_halved() -> None:
    """With the quirk a slice longer than a bound tells a part, however often it is asked; a shorter one all."""
    cloud = LogCloud(*(flow(-60 * at) for at in range(1, 121)), quirks=Quirks(log_longest_seconds=3600.0))
    for _ in range(3):
        meta = cloud.ask("* | select count(*)", begin=NOW - 7200)["meta"]
        assert (meta["progress"], meta["isAccurate"]) == ("Incomplete", False)
    assert cloud.rows("* | select count(*)", begin=NOW - 7200) == [["60"]]
    halves = [(NOW - 7200, NOW - 3600), (NOW - 3600, NOW)]
    answers = [cloud.ask("* | select count(*) as n", begin=low, to=high) for low, high in halves]
    assert [one["meta"]["progress"] for one in answers] == ["Complete", "Complete"]
    assert sum(int(one["data"][0]["n"]) for one in answers) == 120
    always = LogCloud(flow(), quirks=Quirks(log_longest_seconds=0.0))
    assert always.ask(begin=NOW - 700)["meta"]["progress"] == "Incomplete"


def test_an_answer_can_be_incomplete_a_few_times_only() -> None:
    """The same query is Complete when it was asked often enough."""
    cloud = LogCloud(flow(), quirks=Quirks(log_incomplete_times=2))
    told = [cloud.ask("* | select count(*) as n") for _ in range(4)]
    assert [one["meta"]["progress"] for one in told] == ["Incomplete", "Incomplete", "Complete", "Complete"]
    assert [one["data"][0]["n"] for one in told] == ["0", "0", "1", "1"]


def test_standard_sql_reads_so_many_bytes_and_no_more() -> None:
    """Over the bound its answer is of the first rows and Incomplete; dedicated SQL and a search read all."""
    rows = [flow(-at) for at in range(1, 1001)]
    size = LogCloud(*rows).ask("* | select count(*)")["meta"]["processedBytes"]
    cloud = LogCloud(*rows, quirks=Quirks(log_bytes_per_query=size // 4))
    answer = cloud.ask("* | select count(*) as n")
    assert answer["meta"]["progress"] == "Incomplete"
    assert 240 <= int(answer["data"][0]["n"]) <= 250
    assert cloud.ask("* | select count(*)", begin=NOW - 200)["meta"]["progress"] == "Complete"
    assert cloud.ask("* | select count(*)", powerSql=True)["meta"]["progress"] == "Complete"
    assert cloud.ask("*")["meta"]["progress"] == "Complete"


@pytest.mark.looptime
async def test_a_project_has_fifteen_places_for_queries() -> None:
    """The sixteenth at once is refused; when one has ended there is a place again; searches need none."""
    world = World.generate(WorldOutline(1, 1, region_ids=2, groups_per_account=0))
    cloud = InProcess(world, Options(quirks=Quirks(log_query_seconds=2.0)), latency_seconds=0.2)
    member = next(iter(world.organization.members))
    project = cloud.logs.add_project(PROJECT, member, REGION, 0)
    cloud.logs.add_logstore(project, "flowlog", FLOW_FIELDS, 0)
    keys = cloud.enter(member, ADMINISTRATOR_ROLE).keys

    async def ask(query: str) -> int:
        body = msgspec.json.encode({"from": 1, "to": 2, "query": query})
        reply = await cloud.answer(signed(keys, "v4", cloud.state.clock(), body=body))
        assert reply.status == 200 or code(reply) == (403, "ExceedQuota")
        return reply.status

    began = asyncio.get_running_loop().time()
    statuses = await asyncio.gather(*(ask("* | select count(*)") for _ in range(16)), ask("*"))
    assert Counter(statuses) == {200: 16, 403: 1}
    assert statuses[-1] == 200
    assert asyncio.get_running_loop().time() - began == pytest.approx(2.2)
    assert [await ask("* | select count(*)") for _ in range(20)] == [200] * 20


# --- faults, lies


@pytest.mark.parametrize(
    ("kind", "refusal"),
    [
        (Kind.THROTTLED, (403, "ReadQuotaExceed")),
        (Kind.DENIED, (401, "Unauthorized")),
        (Kind.EXPIRED, (401, "Unauthorized")),
        (Kind.UNAVAILABLE, (503, "ServerBusy")),
        (Kind.ERROR_BEFORE, (500, "InternalServerError")),
        (Kind.ERROR_AFTER, (500, "InternalServerError")),
        (Kind.EMPTY, None),
    ],
)
def test_faults_strike_in_the_words_of_log_service(kind: Kind, refusal: tuple[int, str] | None) -> None:
    """Its own codes; the list of logs can be empty though there are some; the log of calls names the fault."""
    cloud = LogCloud(flow(), faults=(Fault(kind=kind, action="GetLogsV2", region=REGION),))
    reply = cloud.reply(cloud.request())
    if refusal:
        assert code(reply) == refusal
    else:
        assert opened(reply)["data"] == []
    assert cloud.state.record[-1].fault == kind
    assert cloud.get("/logstores/flowlog").status == (401 if kind is Kind.EXPIRED else 200)


@pytest.mark.parametrize(
    "kind", [BendKind.EMPTIED, BendKind.CUT, BendKind.REPEATED, BendKind.ABSENT, BendKind.WRONG_TYPE]
)
def test_lies_are_told_about_logs(kind: BendKind) -> None:
    """The list is bent, and its count in the meta stays what it was."""
    cloud = LogCloud(*(flow(-at) for at in range(1, 9)))
    truth = cloud.ask()
    cloud.state.bends.set((Bend(kind=kind, action="GetLogsV2"),), 1)
    told = opened(cloud.reply(cloud.request()))
    assert told["meta"]["count"] == 8
    assert told.get("data") != truth["data"]
    assert cloud.state.record[-1].bent == kind
