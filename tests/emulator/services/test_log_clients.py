"""The official client of Log Service, unchanged, with both signatures, on the real names of its endpoints."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from aliyun.log import LogClient, LogException

from orchestrator.emulator import Emulator, Keys, World, WorldOutline
from orchestrator.emulator.world import flows
from orchestrator.emulator.world.flow_logs import LOGSTORE, project_name, writes
from orchestrator.emulator.world.model import FlowLog
from tests.emulator.log_wire import SCHEMES, flow
from tests.emulator.wire import control

ADMINISTRATOR_ROLE = "ResourceDirectoryAccountAccessRole"


class Official:
    """The official clients of one region, whose endpoints are the real ones: the emulator is their HTTP proxy."""

    def __init__(self, emulator: Emulator) -> None:
        self.emulator, self.world = emulator, emulator.world
        self.account_id, self.region_id = next(
            (account_id, region_id)
            for account_id in self.world.organization.members
            for region_id in self.world.region_ids
            if flows.logged(self.world.interfaces(account_id, region_id))
            and all(
                one.resource_type == "VPC" and writes(one, "ACCEPT", 7 * 86_400)
                for one in self.world.flow_logs(account_id, region_id) or [FlowLog("", "", "", "", "")]
            )
        )
        self.project = project_name(self.account_id, self.region_id)
        self._made: list[Any] = []

    def client(self, scheme: str, keys: Keys | None = None, region_id: str = "") -> Any:
        """A client of a session of the account's administrator."""
        keys = keys or self.emulator.enter(self.account_id, ADMINISTRATOR_ROLE).keys
        region_id = region_id or self.region_id
        made = LogClient(
            f"http://{region_id}.log.aliyuncs.com",
            keys.access_key_id,
            keys.access_key_secret,
            keys.security_token or None,
            source="test",
            auth_version=scheme,
            region=region_id,
        )
        self._made.append(made)
        return made

    def close(self) -> None:
        """Close what the clients leave open."""
        for one in self._made:
            one._session.close()


@pytest.fixture
def official(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Official]:
    """The official client, pointed at the emulator by the environment alone."""
    monkeypatch.setenv("http_proxy", emulator.http_url)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    made = Official(emulator)
    yield made
    made.close()


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_official_client_counts_what_the_logs_hold(official: Official, scheme: str) -> None:
    """SQL over the world's flow logs gives what its raw logs, page after page, give when counted here."""
    client, now = official.client(scheme), int(time.time())
    since = now - 6 * 86_400
    asked = (official.project, LOGSTORE, since, now)
    raw = [
        one.contents for page in client.get_log_all(*asked, query="action: ACCEPT") for one in page.get_logs()
    ]
    wanted = Counter(
        (one["eni-id"], one["srcaddr"], one["dstport"]) for one in raw if one["direction"] == "in"
    )
    answer = client.get_log(
        *asked,
        query='action: ACCEPT | SELECT "eni-id", srcaddr, dstport, count(*) AS n FROM log '
        "WHERE direction = 'in' GROUP BY \"eni-id\", srcaddr, dstport LIMIT 10000",
    )
    found = [one.contents for one in answer.get_logs()]
    assert {(one["eni-id"], one["srcaddr"], one["dstport"]): int(one["n"]) for one in found} == wanted
    assert len(wanted) > 3
    assert answer.is_completed()
    assert answer.get_processed_rows() == len(raw)
    call = official.emulator.calls[-1]
    assert (call.action, call.account_id, call.region_id) == (
        "GetLogsV2",
        official.account_id,
        official.region_id,
    )
    assert call.parameters["project"] == official.project


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_official_client_reads_retention_index_and_project(official: Official, scheme: str) -> None:
    """How long logs are kept, which fields SQL sees, whose the project is."""
    client = official.client(scheme)
    store = official.emulator.logstore(official.project, LOGSTORE)
    assert client.get_logstore(official.project, LOGSTORE).get_ttl() == store.ttl_days
    index = client.get_index_config(official.project, LOGSTORE).get_index_config()
    assert {name: (key.index_type, key.doc_value) for name, key in index.key_config_list.items()} == {
        name: ("long" if name in flows.NUMBERS else "text", True) for name in flows.FIELDS
    }
    assert index.modify_time == store.indexed_since
    project = client.get_project(official.project)
    assert (project.get_owner(), project.get_region()) == (official.account_id, official.region_id)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_official_client_understands_refusals(official: Official, scheme: str) -> None:
    """Code, message and request id: a project that is not there, a secret that is wrong, SQL that is none."""
    keys = official.emulator.enter(official.account_id, ADMINISTRATOR_ROLE).keys
    wrong = Keys(keys.access_key_id, "wrong", keys.security_token)
    for client, project, query, wanted in (
        (official.client(scheme), "nobodys", "*", "ProjectNotExist"),
        (official.client(scheme), official.project, "* | select 1 from other", "ParameterInvalid"),
        (official.client(scheme, wrong), official.project, "*", "SignatureNotMatch"),
    ):
        with pytest.raises(LogException) as caught:
            client.get_log(project, LOGSTORE, 1, 2, query=query)
        assert caught.value.get_error_code() == wanted
        assert len(caught.value.get_request_id()) == 24


def test_the_official_client_reads_a_trail(official: Official) -> None:
    """Events delivered to a project: found by name and resource, their parts as columns, the JSON whole."""
    event = {
        "eventName": "AuthorizeSecurityGroup",
        "eventTime": "2026-01-02T03:04:05Z",
        "resourceName": "sg-1,sg-2",
        "userIdentity": {"userName": "alice", "type": "ram-user"},
        "requestParameterJson": '{"SecurityGroupId":"sg-1","PortRange":"22/22"}',
    }
    other = {**event, "eventName": "DescribeInstances", "eventTime": "2026-01-02T03:04:06Z"}
    official.emulator.add_trail("audit", official.account_id, official.region_id, "org", [event, other])
    official.emulator.logstore("audit", "actiontrail_org").ttl_days = 3650
    client = official.client("v4")
    asked = ("audit", "actiontrail_org", 1_767_000_000, 1_768_000_000)
    query = 'event.eventName: AuthorizeSecurityGroup and event.resourceName: "sg-1"'
    (found,) = client.get_log(*asked, query=query).get_logs()
    assert msgspec.json.decode(found.contents["event"]) == event
    (row,) = client.get_log(*asked, query=f'{query} | select "event.userIdentity.userName" as who').get_logs()
    assert row.contents == {"who": "alice"}
    assert client.get_log(*asked, query="sg-2").get_count() == 2
    assert client.get_log(*asked, query='event.resourceName: "sg"').get_count() == 0
    index = client.get_index_config("audit", "actiontrail_org").get_index_config()
    assert "userIdentity.userName" in index.key_config_list["event"].json_key_config.json_keys


def test_another_process_adds_logs_by_the_control_surface(official: Official) -> None:
    """By project and logstore; what does not fit is refused."""
    emulator, place = official.emulator, f"logs?project={official.project}&logstore=flowlog"
    row = {"__time__": int(time.time()) - 60, "srcaddr": "198.51.100.9", "dstport": 22, "action": "ACCEPT"}
    assert control(emulator, "POST", place, msgspec.json.encode([row, row])) == {"logs": 2}
    client = official.client("v1")
    now = int(time.time()) + 1
    asked = (official.project, "flowlog", now - 600, now)
    assert client.get_log(*asked, query="srcaddr: 198.51.100.9").get_count() == 2
    for wrong in (
        "logs?project=none&logstore=flowlog",
        f"logs?project={official.project}&logstore=none",
        place,
    ):
        with pytest.raises(OSError, match="400"):
            control(emulator, "POST", wrong, b'[{"nothing": 1}]')


def test_records_are_put_from_python() -> None:
    """Any number of them, into the region of an account that has interfaces; elsewhere there is no project."""
    world = World.generate(WorldOutline(seed=7, accounts=4, region_ids=5))
    with Emulator(world) as emulator:
        official = Official(emulator)
        store = emulator.logstore(official.project, LOGSTORE)
        before = store.rows
        assert (
            emulator.put_flows(official.account_id, official.region_id, (flow(-at) for at in range(1000)))
            == 1000
        )
        assert store.rows == before + 1000 > 1000
        assert emulator.put_logs(official.project, LOGSTORE, [{"action": "REJECT"}]) == 1
        with pytest.raises(LookupError):
            emulator.put_flows(official.account_id, "no-region", ())
        with pytest.raises(LookupError):
            emulator.put_logs("nobodys", LOGSTORE, [])


def test_flow_logs_can_be_gathered_in_one_project(official: Official) -> None:
    """Of several accounts, in a project of one of them, each record with its account."""
    emulator = official.emulator
    at = int(time.time()) - 60 - flow(0).time
    rows = [flow(at, account_id=one) for one in emulator.world.account_ids]
    emulator.gather_flows("central", official.account_id, official.region_id, rows)
    asked = ("central", LOGSTORE, int(time.time()) - 600, int(time.time()))
    query = '* | SELECT "account-id", count(*) AS n FROM log GROUP BY "account-id" LIMIT 100'
    found = [
        one.contents["account-id"] for one in official.client("v4").get_log(*asked, query=query).get_logs()
    ]
    assert sorted(found) == sorted(emulator.world.account_ids)
