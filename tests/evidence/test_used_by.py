"""Who used a door: observed, quiet, or why that is not known; asked of an emulated cloud."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import Any

import pytest

from orchestrator.cloud.client import Limits
from orchestrator.cloud.sls import LogService
from orchestrator.emulator import Fault, Kind, Options, Quirks, Statement
from orchestrator.evidence import used_by
from orchestrator.evidence.settings import EvidenceSettings
from orchestrator.evidence.used_by import ACTIONS, LOG_ACTIONS, Logstores, Users
from orchestrator.evidence.values import Flows, Traffic
from orchestrator.inventory import Interface, Interfaces
from orchestrator.policy import UNDETERMINED
from tests.evidence.traffic_kit import (
    DAY,
    LOGSTORE,
    NOW,
    PROJECT,
    REGION,
    RST,
    SYN,
    Scene,
    door,
    group,
    interface,
    log,
    rule,
    scene,
    vswitch,
)

ONE = ([group(1, rule(1))], [interface(1, 1)])
"""One group with one door, on one interface."""


def cidrs(told: Traffic) -> list[str]:
    """The networks that closing would cut."""
    return [one.cidr for one in told.sources]


# --- what was seen


async def test_a_door_that_somebody_used_is_observed() -> None:
    """With who came, how often, on which days, and what they took and were given; a knock is told apart."""
    async with scene(*ONE) as it:
        mine = it.flow(DAY), it.flow(2 * DAY), it.flow(2 * DAY + 600), it.knock()
        answer = it.flow(
            direction="out", srcaddr="10.0.0.1", srcport=22, dstaddr="203.0.113.7", dstport=40_000
        )
        it.put(*mine, answer._replace(bytes=70_000))
        told = await it.of(door(1, 1))
    assert (told.status, told.days, told.flows, told.knocks, told.reason) == ("observed", 14, 3, 1, "")
    assert told.last_seen == f"{NOW - timedelta(days=1):%Y-%m-%dT%H:%M:%SZ}"
    assert told.sources == (
        Flows(
            cidr="203.0.113.7/32",
            flows=3,
            days=2,
            packets=30,
            bytes=3_000,
            bytes_out=70_000,
            last_seen=told.last_seen,
        ),
    )
    assert told.kept == ()


async def test_a_door_that_nobody_used_is_quiet() -> None:
    """Where its window was logged throughout; who only knocked did not use it."""
    async with scene(*ONE) as it:
        it.put(it.silence(), it.knock(), it.flow(15 * DAY), it.flow(action="REJECT"), it.flow(dstport=443))
        it.put(it.flow(direction="out"), it.flow(number=2))
        told = await it.of(door(1, 1))
    assert told == Traffic(status="quiet", days=14, knocks=1)


@pytest.mark.parametrize("days", [1, 30])
async def test_the_window_is_as_long_as_it_is_asked_for(days: int) -> None:
    """What came before it is not looked at."""
    async with scene(*ONE) as it:
        it.put(it.silence(), it.flow(2 * DAY))
        told = await it.of(door(1, 1), days=days)
    assert (told.status, told.days) == ("quiet" if days == 1 else "observed", days)


@pytest.mark.parametrize(
    ("more", "is_use"),
    [
        ({"tcp_flags": SYN, "packets": 9}, False),
        ({"tcp_flags": SYN | RST, "packets": 2}, False),
        ({"tcp_flags": SYN | 16 | RST, "packets": 3}, False),
        ({"tcp_flags": SYN | 16 | RST, "packets": 4}, True),
        ({"tcp_flags": SYN | 16 | 8 | RST, "packets": 3}, True),
        ({"tcp_flags": SYN | 16, "packets": 1}, True),
        ({"tcp_flags": None}, True),
        ({"tcp_flags": 0}, False),
    ],
)
async def test_a_knock_came_to_nothing(more: dict[str, Any], is_use: bool) -> None:  # noqa: FBT001 - a case
    """No ACK, or made and reset without a word; what the flags do not tell is use."""
    async with scene(*ONE) as it:
        it.put(it.flow(**more))
        told = await it.of(door(1, 1))
    assert (told.status, told.knocks) == (("observed", 0) if is_use else ("quiet", 1))


@pytest.mark.parametrize("protocol", ["udp", "icmp"])
async def test_other_protocols_have_no_knocks(protocol: str) -> None:
    """A lone packet may be use."""
    asked = rule(1, "53/53" if protocol == "udp" else "-1/-1", ip_protocol=protocol.upper())
    ports = "udp/53" if protocol == "udp" else "icmp"
    async with scene([group(1, asked)], ONE[1]) as it:
        more: dict[str, Any] = (
            {"protocol": 17, "dstport": 53} if protocol == "udp" else {"protocol": 1, "dstport": 0}
        )
        it.put(it.flow(packets=1, tcp_flags=None, **more))
        told = await it.of(door(1, 1, ports))
    assert (told.status, told.flows, told.knocks) == ("observed", 1, 0)


async def test_who_knocked_and_came_in_used_it() -> None:
    """One source is told once."""
    async with scene(*ONE) as it:
        it.put(it.flow(), it.knock(source="203.0.113.7"), it.knock(), it.knock(source="2.2.2.2"))
        told = await it.of(door(1, 1))
    assert (told.flows, told.knocks) == (1, 2)


async def test_only_who_comes_by_the_rule_counts() -> None:
    """From its addresses, a prefix list's as well, to the finding's ports, past the drops that win."""
    rules = [
        rule(1, "1/3000", "203.0.113.0/24", priority=2),
        rule(2, "22/22", "203.0.113.64/26", policy="Drop", priority=2),
        rule(3, "22/22", "203.0.113.128/25", policy="Drop", priority=3),
    ]
    async with scene([group(1, *rules)], ONE[1]) as it:
        it.put(*(it.flow(source=f"203.0.113.{n}") for n in (1, 70, 200)), it.flow(source="198.51.100.7"))
        it.put(it.flow(source="203.0.113.2", dstport=23))
        told = await it.of(door(1, 1))
    assert cidrs(told) == ["203.0.113.1/32", "203.0.113.200/32"]


async def test_whom_another_rule_lets_in_is_kept() -> None:
    """A rule of any group of the same interface; one that is dropped, or lets in a part, keeps nobody."""
    first = group(
        1, rule(1), rule(2, "22/22", "203.0.113.0/24"), rule(3, "22/22", "10.0.0.0/8", policy="Drop")
    )
    second = group(
        2, rule(4, "20/25", "203.0.113.7/32"), rule(5, "22/22", "198.51.100.0/24", source_port_range="7/7")
    )
    third = group(3, rule(6, "22/22", "198.51.100.0/24"))
    async with scene([first, second, third], [interface(1, 1, 2), interface(2, 1), interface(3, 3)]) as it:
        it.put(it.flow(), it.flow(source="198.51.100.7"), it.flow(number=2), it.silence(number=3))
        told = await it.of(door(1, 1))
    assert (told.status, told.flows) == ("observed", 1)
    assert cidrs(told) == ["198.51.100.7/32"]
    assert [(one.cidr, one.flows, one.lets_in_as_well) for one in told.kept] == [
        ("203.0.113.7/32", 1, ("sgr-2",)),
        ("203.0.113.7/32", 1, ("sgr-2", "sgr-4")),
    ]


async def test_addresses_are_told_as_networks_that_hold_no_other() -> None:
    """Neighbours together, most flows first; IPv6 beside IPv4."""
    rules = [rule(1), rule(2, "22/22", "::/0")]
    async with scene([group(1, *rules)], ONE[1], [log(ip_version="DualStack")]) as it:
        it.put(*(it.flow(source=f"203.0.113.{n}") for n in (4, 5, 6, 7, 9)))
        it.put(it.flow(source="2001:db8::1"), it.flow(source="2001:db8::1", ago=1200))
        found = await it.traffic(door(1, 1), door(1, 2))
    assert cidrs(found["sg-1", "sgr-1"]) == ["203.0.113.4/30", "203.0.113.9/32"]
    assert cidrs(found["sg-1", "sgr-2"]) == ["2001:db8::1/128"]


async def test_many_interfaces_are_asked_for_in_one_query() -> None:
    """Two hundred in one; and what it cost is told."""
    interfaces = [interface(number, 1) for number in range(1, 251)]
    async with scene([group(1, rule(1))], interfaces) as it:
        it.put(*(it.silence(number=number) for number in range(1, 251)), it.flow(number=250))
        users = it.users()
        told = (await it.traffic(door(1, 1), users=users))["sg-1", "sgr-1"]
        assert (told.status, told.flows) == ("observed", 1)
        assert it.calls["DescribeFlowLogs"] == it.calls["GetLogStore"] == it.calls["GetIndex"] == 1
        assert it.calls["GetLogsV2"] == users.cost.queries == 5
    assert users.cost.rows_scanned == 1 + 250 + 1 + 250
    assert users.cost.bytes_scanned > 0


# --- what is not known


async def not_known(it: Scene, status: str, *words: str, **settings: Any) -> Traffic:
    """The door is of that status, and its reason says these words."""
    told = await it.of(door(1, 1), **settings)
    assert told.status == status, told
    for word in words:
        assert word in told.reason, told.reason
    return told


async def test_a_door_without_a_flow_log_is_not_logged() -> None:
    """And Log Service is not asked at all."""
    async with scene(*ONE, logs=[log(of="vpc-2"), log(2, "eni-7")]) as it:
        await not_known(it, "not_logged", "no flow log of it, its vSwitch or its VPC (eni-1)")
        assert "GetLogsV2" not in it.calls


@pytest.mark.parametrize("of", ["eni-1", vswitch(), "vpc-1"])
async def test_the_log_of_an_interface_its_vswitch_or_its_vpc_is_read(of: str) -> None:
    """Any of them vouches for it."""
    async with scene(*ONE, logs=[log(of=of)]) as it:
        it.put(it.flow())
        assert (await it.of(door(1, 1))).status == "observed"


async def test_of_several_logs_one_that_vouches_is_read() -> None:
    """A nearer one that does not is passed over."""
    flawed = log(1, "eni-1", age_days=2.0), log(2, vswitch(), status="Inactive"), log(3, project="gone")
    async with scene(*ONE, logs=[*flawed, log(4)]) as it:
        it.put(it.flow())
        assert (await it.of(door(1, 1))).status == "observed"


@pytest.mark.parametrize(
    ("fields", "status", "word"),
    [
        ({"status": "Inactive"}, "not_logged", "Inactive"),
        ({"traffic_type": "Drop"}, "not_logged", "Drop"),
        ({"traffic_path": ("internetGateway",)}, "incomplete", "internetGateway"),
        ({"deliver_status": "FAILED", "deliver_error": "why"}, "incomplete", "why"),
        ({"business_status": "FinancialLocked"}, "incomplete", "FinancialLocked"),
        ({"age_days": 13.0}, "incomplete", "created within the window"),
        ({"project": "gone"}, "not_logged", "ProjectNotExist"),
        ({"project": "Not A Project/"}, "not_logged", "InvalidName"),
        ({"logstore": "gone"}, "not_logged", "LogStoreNotExist"),
    ],
)
async def test_a_log_that_cannot_vouch_says_why(fields: dict[str, Any], status: str, word: str) -> None:
    """What it holds all the same is told, and never as all there was."""
    async with scene(*ONE, logs=[log(**fields)]) as it:
        it.put(it.flow())
        told = await not_known(it, status, word)
    assert cidrs(told) == (["203.0.113.7/32"] if status == "incomplete" else [])


async def test_ipv6_that_is_not_logged_is_not_quiet() -> None:
    """A log of IPv4 says nothing of a rule that lets in IPv6."""
    async with scene([group(1, rule(1, source="::/0"))], ONE[1]) as it:
        it.put(it.silence())
        await not_known(it, "not_logged", "is of IPv4, and the rule lets in IPv6")


@pytest.mark.parametrize("what", ["retention", "index", "field", "age"])
async def test_a_logstore_that_cannot_vouch_says_why(what: str) -> None:
    """It keeps too little, has no index, lacks a field, or was indexed too late."""
    async with scene(*ONE) as it:
        it.put(it.flow())
        if what == "retention":
            it.store.ttl_days = 7
            await not_known(it, "incomplete", "keeps logs for 7 days, not for 14")
        elif what == "index":
            it.store.fields = None
            await not_known(it, "not_logged", "IndexConfigNotExist", "RequestId")
        elif what == "field":
            it.store.fields = tuple(one for one in it.store.columns if one.name != "tcp-flags")
            await not_known(it, "not_logged", "no index for analysis of tcp-flags")
        else:
            it.store.indexed_since = it.now - DAY
            await not_known(it, "incomplete", "indexed anew within the window")


async def test_what_was_not_recorded_is_not_quiet() -> None:
    """SKIPDATA: the door is incomplete, until when is told; another interface's is not this door's."""
    async with scene([group(1, rule(1)), group(2, rule(2))], [interface(1, 1), interface(2, 2)]) as it:
        it.put(it.silence(status="SKIPDATA", ago=DAY), it.silence(), it.silence(number=2))
        found = await it.traffic(door(1, 1), door(2, 2))
    first = found["sg-1", "sgr-1"]
    assert first.status == "incomplete"
    assert "SKIPDATA" in first.reason
    assert "T12:00:00Z (eni-1)" in first.reason
    assert found["sg-2", "sgr-2"].status == "quiet"


async def test_all_that_keeps_a_door_from_being_known_is_named() -> None:
    """What is wrong with the log, and what is missing in it."""
    async with scene(*ONE, logs=[log(age_days=3.0)]) as it:
        it.put(it.silence(status="SKIPDATA"))
        await not_known(it, "incomplete", "created within the window", "SKIPDATA")


async def test_an_interface_without_any_record_is_not_quiet() -> None:
    """Its records may go elsewhere; one of anything shows that they come. What is attached to nothing needs none."""
    spare = interface(3, 2, instance_id="", primary=False, status="Available")
    async with scene([group(1, rule(1)), group(2, rule(2))], [interface(1, 1), interface(2, 2), spare]) as it:
        it.put(it.flow(13 * DAY, number=2, action="REJECT", dstport=8080))
        found = await it.traffic(door(1, 1), door(2, 2))
    assert found["sg-1", "sgr-1"].status == "incomplete"
    assert (
        f"no record of it in {PROJECT}/{LOGSTORE} within the window (eni-1)" in found["sg-1", "sgr-1"].reason
    )
    assert found["sg-2", "sgr-2"].status == "quiet"


async def test_one_interface_that_is_not_known_makes_the_door_incomplete() -> None:
    """What the others tell is told; an interface without a log is named."""
    async with scene(
        [group(1, rule(1))], [interface(1, 1), interface(2, 1, vpc_id="vpc-2")], logs=[log()]
    ) as it:
        it.put(it.flow())
        told = await not_known(it, "incomplete", "no flow log of it", "(eni-2)")
    assert cidrs(told) == ["203.0.113.7/32"]


@pytest.mark.parametrize("action", ["DescribeFlowLogs", "GetLogStore", "GetIndex", "GetLogsV2"])
@pytest.mark.parametrize(
    ("kind", "status"), [(Kind.DENIED, "not_permitted"), (Kind.UNAVAILABLE, "incomplete")]
)
async def test_what_may_not_or_cannot_be_asked_is_told(action: str, kind: Kind, status: str) -> None:
    """With the action and the RequestId, and never as quiet."""
    async with scene(*ONE, attempts=1) as it:
        it.put(it.silence())
        interfaces, groups = await it.read()
        it.it.emulator.set_faults(Fault(kind=kind, action=action))
        found = await it.users().traffic(REGION, {"sg-1": [door(1, 1)]}, interfaces, groups, NOW)
    told = found["sg-1", "sgr-1"]
    assert (told.status, told.sources) == (status, ())
    assert action in told.reason
    assert "RequestId" in told.reason


async def test_a_throttled_query_only_waits() -> None:
    """Each of them is answered in the end."""
    limits = Limits(window_seconds=0.5)
    async with scene(*ONE, limits=limits) as it:
        it.put(it.flow())
        it.it.emulator.set_faults(Fault(kind=Kind.THROTTLED, action="GetLogsV2", count=2))
        assert (await it.of(door(1, 1))).status == "observed"


@pytest.mark.parametrize(
    ("sight", "status"), [("denied", "not_permitted"), ("unknown", "incomplete"), ("seen", "not_logged")]
)
async def test_a_door_without_an_interface_is_not_quiet(sight: Any, status: str) -> None:
    """They may not be read, were not read, or there is none now: nobody is asked."""
    async with scene(*ONE) as it:
        _, groups = await it.read()
        found = await it.users().traffic(REGION, {"sg-1": [door(1, 1)]}, Interfaces(sight), groups, NOW)
        assert found["sg-1", "sgr-1"].status == status
        assert found["sg-1", "sgr-1"].reason
        assert "DescribeFlowLogs" not in it.calls


async def test_the_classic_network_has_no_flow_logs() -> None:
    """An instance without an interface is told as not logged."""
    async with scene(*ONE) as it:
        it.put(it.silence())
        _, groups = await it.read()
        bare = Interfaces("seen", [Interface(("sg-1",), "i-9", 1, 0, 0)])
        found = await it.users().traffic(REGION, {"sg-1": [door(1, 1)]}, bare, groups, NOW)
    assert found["sg-1", "sgr-1"].status == "not_logged"
    assert "classic" in found["sg-1", "sgr-1"].reason


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"direction": "egress"}, "lets out"),
        ({"balancer_id": "nlb-1"}, "nlb-1"),
        ({"check_id": UNDETERMINED}, "could not be judged"),
        ({"rule_id": "sgr-99"}, "was not read"),
        ({"ports": door(1, 1, "udp/53").ports}, "could not be told"),
    ],
)
async def test_what_no_flow_log_can_tell_is_not_asked(fields: dict[str, Any], word: str) -> None:
    """It is said why, and the others are asked."""
    async with scene([group(1, rule(1), rule(2))], ONE[1]) as it:
        it.put(it.silence())
        odd = door(1, 2, **fields)
        found = await it.traffic(odd, door(1, 1))
    told = found["sg-1", odd.rule_id]
    assert told.status == "not_asked"
    assert word in told.reason
    assert found["sg-1", "sgr-1"].status == "quiet"


# --- bounds


async def test_an_answer_that_stays_incomplete_is_halved_in_time() -> None:
    """Down to slices that are answered in full; sums and days are those of the whole window."""
    async with scene(*ONE, options=Options(quirks=Quirks(log_longest_seconds=DAY / 3))) as it:
        it.put(*(it.flow(600 * n) for n in range(1, 400, 7)))
        users = it.users()
        told = (await it.traffic(door(1, 1), users=users))["sg-1", "sgr-1"]
    assert (told.status, told.flows, told.sources[0].days) == ("observed", 57, 4)
    assert users.cost.queries < 400


async def test_an_answer_that_is_complete_in_the_end_is_not_halved() -> None:
    """Asking again is enough."""
    async with scene(*ONE, options=Options(quirks=Quirks(log_incomplete_times=2))) as it:
        it.put(it.flow())
        users = it.users()
        assert (await it.traffic(door(1, 1), users=users))["sg-1", "sgr-1"].status == "observed"
    assert users.cost.queries <= 9


async def test_an_answer_that_is_never_complete_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a bound on how often it is asked."""
    monkeypatch.setattr(used_by, "_MOST_QUERIES", 60)
    async with scene(*ONE, options=Options(quirks=Quirks(log_longest_seconds=0))) as it:
        it.put(it.flow())
        users = it.users()
        told = (await it.traffic(door(1, 1), users=users))["sg-1", "sgr-1"]
    assert told.status == "incomplete"
    assert "the bound of 60 queries was reached" in told.reason
    assert users.cost.queries <= 60


async def test_more_sources_than_rows_are_read_in_slices() -> None:
    """Each answer has at most so many rows; all are read. Where a slice is too short to be halved it is told."""
    async with scene(*ONE) as it:
        it.put(*(it.flow(1200 * n, source=f"203.0.{n // 250}.{n % 250}") for n in range(1, 500)))
        told = await it.of(door(1, 1), most_rows=100)
        assert (told.status, told.flows) == ("observed", 499)
        it.put(*(it.flow(5 * DAY, source=f"198.51.{n // 250}.{n % 250}") for n in range(300)))
        told = await not_known(it, "incomplete", "seconds hold more than 100 rows", most_rows=100)
    assert told.flows >= 499


async def test_a_flood_of_knocks_hides_no_use() -> None:
    """Use comes first in an answer, so one whose last row is a knock has all of it: there may be more knocks alone."""
    async with scene(*ONE) as it:
        it.put(*(it.knock(5 * DAY, source=f"198.51.{n // 250}.{n % 250}") for n in range(2_000)))
        users = it.users(most_rows=1_000)
        told = (await it.traffic(door(1, 1), users=users))["sg-1", "sgr-1"]
        assert (told.status, told.knocks, told.knocks_are_least) == ("quiet", 1_000, True)
        assert users.cost.queries == 2
        it.put(it.flow())
        told = await it.of(door(1, 1), most_rows=1_000)
        assert (told.status, told.flows, told.knocks_are_least) == ("observed", 1, True)


async def test_a_project_is_never_asked_for_too_much_at_once() -> None:
    """Accounts that ask for the same project at the same time wait for each other, not for its refusals."""
    began = time.monotonic()
    ticking = Options(
        quirks=Quirks(log_query_seconds=0.01), clock=lambda: NOW.timestamp() + time.monotonic() - began
    )
    async with scene(*ONE, options=ticking) as it:
        it.put(it.flow())
        interfaces, groups = await it.read()
        logs = LogService(it.it.client)
        every = [Users(it.session(), logs, EvidenceSettings()) for _ in range(25)]
        asked = {"sg-1": [door(1, 1)]}
        found = await asyncio.gather(*(one.traffic(REGION, asked, interfaces, groups, NOW) for one in every))
        assert {one["sg-1", "sgr-1"].status for one in found} == {"observed"}
        assert it.it.client.stats.throttled == 0


# --- who is asked


async def test_gathered_logs_are_read_where_they_are() -> None:
    """In another account's project and region, by a session of that account, which is asked once what they are."""
    async with scene(*ONE, logs=[log(project="elsewhere")]) as it:
        other = it.it.member_ids[1]
        store = it.it.emulator.gather_flows("gathered", other, "cn-shanghai", [it.flow()])
        logs = LogService(it.it.client)
        gathered = Logstores(logs, it.it.member(1))
        settings = {"project": "gathered", "logstore": store.name, "region": "cn-shanghai"}
        for _ in range(2):
            users = it.users(gathered, **settings)
            told = (await it.traffic(door(1, 1), users=users))["sg-1", "sgr-1"]
            assert (told.status, cidrs(told)) == ("observed", ["203.0.113.7/32"])
        calls = [one for one in it.it.emulator.calls if one.action == "GetLogsV2"]
        assert {(one.account_id, one.region_id) for one in calls} == {(other, "cn-shanghai")}
        assert it.calls["GetLogStore"] == 1


async def test_dedicated_sql_is_used_only_where_it_is_asked_for() -> None:
    """It costs."""
    async with scene(*ONE) as it:
        it.put(it.flow())
        for dedicated in (False, True):
            it.it.emulator.calls.clear()
            await it.of(door(1, 1), dedicated_sql=dedicated)
            calls = [one for one in it.it.emulator.calls if one.action == "GetLogsV2"]
            assert {one.parameters.get("powerSql", "") for one in calls} == {"true" if dedicated else ""}


async def test_a_session_with_these_actions_may_ask_all() -> None:
    """And one without those of the logs is told what it lacks."""
    async with scene(*ONE) as it:
        it.put(it.flow())
        interfaces, groups = await it.read()
        for actions, status in ((ACTIONS, "observed"), (set(ACTIONS) - set(LOG_ACTIONS), "not_permitted")):
            statements = (Statement("Allow", tuple(actions), ("*",)),)
            keys = it.it.emulator.add_user(it.account_id, f"user-{status}", statements)
            who = it.as_user(keys.access_key_id, keys.access_key_secret)
            users = Users(who, LogService(it.it.client), EvidenceSettings())
            found = await users.traffic(REGION, {"sg-1": [door(1, 1)]}, interfaces, groups, NOW)
            assert found["sg-1", "sgr-1"].status == status, found
