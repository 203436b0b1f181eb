"""Queries of Log Service: what a search finds and what SQL makes of it, held against Python over the same rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.emulator import Flow
from tests.emulator.log_wire import LogCloud, code, flow

ROWS = tuple(
    flow(
        -60 * at,
        eni_id=f"eni-{at % 3}",
        srcaddr=f"203.0.113.{at % 5}",
        dstport=(22, 443, 3306, 8080)[at % 4],
        action=("ACCEPT", "REJECT")[at % 7 == 0],
        tcp_flags=(2, 27, 6)[at % 3],
        packets=at,
    )
    for at in range(1, 61)
)


@pytest.fixture(scope="module")
def logs() -> LogCloud:
    """Sixty records."""
    return LogCloud(*ROWS)


SEARCHES: dict[str, Callable[[Flow], bool]] = {
    "*": lambda _: True,
    "": lambda _: True,
    "eni-id: eni-1": lambda one: one.eni_id == "eni-1",
    '"eni-id": "ENI-1"': lambda one: one.eni_id == "eni-1",
    "action:REJECT": lambda one: one.action == "REJECT",
    "not action: REJECT": lambda one: one.action != "REJECT",
    "dstport: 22 and action: ACCEPT": lambda one: one.dstport == 22 and one.action == "ACCEPT",
    "dstport: 22 action: ACCEPT": lambda one: one.dstport == 22 and one.action == "ACCEPT",
    "dstport: 22 not action: ACCEPT": lambda one: one.dstport == 22 and one.action != "ACCEPT",
    "dstport: 22 or dstport: 443 and action: REJECT": lambda one: (
        one.dstport == 22 or (one.dstport == 443 and one.action == "REJECT")
    ),
    "(dstport: 22 or dstport: 443) and action: REJECT": lambda one: (
        one.dstport in {22, 443} and one.action == "REJECT"
    ),
    "dstport in [22 443]": lambda one: one.dstport in {22, 443},
    "dstport in (22 443]": lambda one: one.dstport == 443,
    "dstport in [22 443)": lambda one: one.dstport == 22,
    "dstport > 443": lambda one: one.dstport in {3306, 8080},
    "dstport >= 443 and dstport <= 3306": lambda one: one.dstport in {443, 3306},
    "dstport < 443": lambda one: one.dstport == 22,
    "dstport = 443": lambda one: one.dstport == 443,
    "srcport: *": lambda _: True,
    "srcaddr: 203.0.113.*": lambda _: True,
    "srcaddr: 203.0.113.? and not srcaddr: *.1": lambda one: not one.srcaddr.endswith(".1"),
    "vm-id: *": lambda _: False,
    "203.0.113.4": lambda one: one.srcaddr == "203.0.113.4",
    '"eni-2" and REJECT': lambda one: one.eni_id == "eni-2" and one.action == "REJECT",
}


@pytest.mark.parametrize("search", SEARCHES)
def test_a_search_finds_what_it_means(logs: LogCloud, search: str) -> None:
    """Terms of fields, ranges, wildcards, words of any field; and, or, not with their precedence."""
    wanted = sorted(one.time for one in ROWS if SEARCHES[search](one))
    answer = logs.ask(search)
    assert [int(one["__time__"]) for one in answer["data"]] == wanted
    assert answer["meta"]["processedRows"] == len(wanted)
    assert not answer["meta"]["hasSQL"]


@pytest.mark.parametrize(
    "search",
    [
        "nothing: 1", "dstport: ssh", "dstport >", "srcaddr > 1", "(action: REJECT", "action: REJECT)", "and", ": 22",
        "dstport in [1 2", "dstport in [1 a]", "action: (", '"open', "dstport: 1 or","dstport: 99999999999999999999",
        "not " * 500 + "*", "(" * 500 + "*" + ")" * 500,
        "not",
    ],
)  # fmt: skip
def test_a_search_that_is_none_is_refused(logs: LogCloud, search: str) -> None:
    """A field without an index, a text where a number belongs, brackets, ends: 400 ParameterInvalid."""
    assert logs.refused(search) == (400, "ParameterInvalid")


def test_a_search_has_at_most_thirty_conditions(logs: LogCloud) -> None:
    """Thirty are taken, one more is not."""
    terms = [f"eni-id: eni-{at}" for at in range(31)]
    assert logs.ask(" or ".join(terms[:30]))["meta"]["count"] == 60
    assert logs.refused(" or ".join(terms)) == (400, "ParameterInvalid")


def test_logs_come_by_pages_of_a_hundred_forward_or_backward(logs: LogCloud) -> None:
    """`line`, `offset` and `reverse` page them by time; more than 100 lines are refused; fields are texts."""
    times = sorted(str(one.time) for one in ROWS)
    page = logs.ask("*", line=7, offset=5)["data"]
    assert [one["__time__"] for one in page] == times[5:12]
    assert [one["__time__"] for one in logs.ask("*", line=7, reverse=True)["data"]] == times[:-8:-1]
    assert logs.ask("*", line=0)["data"] == []
    assert page[0]["eni-id"].startswith("eni-")
    assert page[0]["dstport"] in {"22", "443", "3306", "8080"}
    assert logs.refused(line=101) == (400, "InvalidLine")
    assert logs.refused(line=-1) == (400, "InvalidLine")
    assert logs.refused(offset=-1) == (400, "InvalidOffset")
    assert logs.refused(offset=10**20) == (400, "InvalidOffset")


def test_a_slice_of_time_has_its_start_and_not_its_end(logs: LogCloud) -> None:
    """Left-closed; an empty one is refused."""
    low, high = sorted(one.time for one in ROWS)[10:12]
    assert [one["__time__"] for one in logs.ask("*", begin=low, to=high)["data"]] == [str(low)]
    assert logs.refused(begin=low, to=low) == (400, "InvalidTimeRange")
    assert logs.refused(begin=low, to=10**20) == (400, "InvalidTimeRange")


def test_sql_groups_counts_and_orders(logs: LogCloud) -> None:
    """What the search left over, by interface and source, as counting in Python gives it."""
    query = (
        'action: ACCEPT | SELECT "eni-id", srcaddr, count(*) AS flows, sum(packets) AS packets, max("end") AS last '
        'FROM log WHERE dstport IN (22, 443) AND bitwise_and("tcp-flags", 16) <> 0 '
        'GROUP BY "eni-id", srcaddr ORDER BY flows DESC, "eni-id", srcaddr LIMIT 1000'
    )
    kept = [
        one for one in ROWS if one.action == "ACCEPT" and one.dstport in {22, 443} and one.tcp_flags == 27
    ]
    groups = Counter((one.eni_id, one.srcaddr) for one in kept)
    wanted = []
    for (eni, source), number in groups.items():
        own = [one for one in kept if (one.eni_id, one.srcaddr) == (eni, source)]
        last = max(one.end for one in own)
        wanted.append([eni, source, str(number), str(sum(one.packets or 0 for one in own)), str(last)])
    assert kept
    answer = logs.ask(query)
    assert [list(one.values()) for one in answer["data"]] == sorted(
        wanted, key=lambda one: (-int(one[2]), one[0], one[1])
    )
    meta = answer["meta"]
    assert meta["keys"] == ["eni-id", "srcaddr", "flows", "packets", "last"]
    assert meta["columnTypes"] == ["varchar", "varchar", "bigint", "bigint", "bigint"]
    assert (meta["progress"], meta["hasSQL"], meta["isAccurate"]) == ("Complete", True, True)
    assert meta["processedRows"] == sum(one.action == "ACCEPT" for one in ROWS)
    assert meta["processedBytes"] > 100 * meta["processedRows"]
    assert (meta["whereQuery"], meta["aggQuery"]) == ("action: ACCEPT", query.partition(" | ")[2])


GOOD_SQL: dict[str, list[list[str]]] = {
    "* | select count(*)": [["60"]],
    "* | SELECT count(*) FROM flowlog": [["60"]],
    '* | select count(*) from "flowlog" where dstport = 22': [["15"]],
    "* | select count(*) where dstport = 22": [["15"]],
    "* | select distinct action order by action": [["ACCEPT"], ["REJECT"]],
    "* | select dstport, count(*) group by dstport order by dstport limit 2": [["22", "15"], ["443", "15"]],
    "* | select dstport, count(*) group by 1 order by 1 limit 1, 2": [["443", "15"], ["3306", "15"]],
    "* | select dstport as p, count(*) c group by p having count(*) > 1 order by p limit 1": [["22", "15"]],
    "* | select sum(case when action = 'REJECT' then 1 else 0 end) as refused": [["8"]],
    "* | select min(packets), max(packets), avg(packets)": [["1", "60", "30.5"]],
    "* | select cast(avg(packets) as bigint), cast(min(packets) as varchar) || '!'": [["30", "1!"]],
    "* | select max(packets) - min(packets) as span": [["59"]],
    "* | select mod(7, 4), bitwise_or(2, 16), 'it''s' limit 1": [["3", "18", "it's"]],
    "* | select sum(protocol) where srcaddr = 'nobody'": [["null"]],
    "* | with a as (select srcaddr, count(*) as n from log group by srcaddr) select max(n) from a": [["12"]],
    '* | select n from (select "eni-id", count(*) as n from log group by "eni-id") order by n limit 1': [
        ["20"]
    ],
    "* | select srcaddr from log union select 'x' from log order by srcaddr desc limit 1": [["x"]],
    'srcaddr: "a|b" | select count(*)': [["0"]],
    "* | select count(distinct srcaddr)": [["5"]],
    "* | select count(*) where packets > -1 and dstport not in (22, 443) and srcaddr <> '1'": [["30"]],
}


@pytest.mark.parametrize("query", GOOD_SQL)
def test_sql_that_presto_takes_is_carried_out(logs: LogCloud, query: str) -> None:
    """With FROM or without, the table under its two names, aliases, ordinals, WITH, subqueries, casts, NULL as text."""
    if query.startswith("srcaddr: '"):
        query = query.replace("'|'", "nobody")
    assert (
        logs.rows(query)
        == GOOD_SQL[next(one for one in GOOD_SQL if one == query or query in one.replace("'|'", "nobody"))]
    )


BAD_SQL = (
    "select 1",
    "* | delete from log",
    "* | select",
    '* | select "nothing"',
    "* | select nothing",
    "* | select eni-id from log",
    "* | select end from log",
    "* | select *, count(*)",
    "* | select srcaddr, count(*)",
    "* | select srcaddr, dstport, count(*) group by srcaddr",
    "* | select count(*) from t1",
    "* | select name from sqlite_master",
    "* | select count(*) from other",
    "* | select tcp & 2",
    "* | select 1; select 2",
    "* | select approx(srcport)",
    "* | select load_extension('x')",
    "* | select (1",
    "* | select 1)",
    "* | select count(*) limit x",
    "* | select count(*) limit 1e400",
    "* | select count(*) limit 1,",
    "* | select count(*) limit",
    "* | select count(*) where dstport = '22'",
    "* | select count(*) where dstport not in ('22', '23')",
    "* | select count(*) where srcaddr = 1",
    '* | select count(*) from log where "eni-id" in (1, 2)',
    "* | select count(*) where packets > '-'",
    "* | select srcaddr union select dstaddr",
    "* | select `srcaddr`",
    "* | select [srcaddr]",
    "* | select 1 -- 2",
    "* | select 1 /* 2 */",
    "* | select count(*) from log, sqlite_master",
    "* | select count(*) from log, pragma_table_list",
    "* | select 'open",
    "* | with recursive a as (select 1 as n from log union all select n + 1 from a) select n from a",
    "* | select count(*) from log where srcaddr in (select name from pragma_table_list)",
)


@pytest.mark.parametrize("query", BAD_SQL)
def test_sql_that_presto_refuses_is_refused(logs: LogCloud, query: str) -> None:
    """Unknown names, columns outside GROUP BY, END as a name, other tables, unknown operators and functions."""
    assert logs.refused(query) == (400, "ParameterInvalid")


def test_a_refusal_names_the_column_and_its_place(logs: LogCloud) -> None:
    """As the cloud's common errors do."""
    reply = logs.reply(logs.request(query='* | select "nothing" from log'))
    assert (
        b"line 1:8: Column 'nothing' cannot be resolved;please add the column in the index attribute"
        in reply.body
    )


def test_columns_without_a_name_are_numbered(logs: LogCloud) -> None:
    """By alias, by column, else `_col` with the position from 0; with `*` all the columns that SQL sees."""
    (row,) = logs.ask("* | select count(*), max(packets) as most, min(packets) least, min(bytes)")["data"]
    assert list(row) == ["_col0", "most", "least", "_col3"]
    assert list(logs.ask('* | select log.srcaddr, "eni-id", "eni-id" as "end"')["data"][0]) == [
        "srcaddr",
        "eni-id",
        "end",
    ]
    assert {"__time__", "tcp-flags"} < set(logs.ask("* | select *")["data"][0])


def test_without_limit_there_are_a_hundred_rows() -> None:
    """With LIMIT as many as it says; `line` does not matter to SQL."""
    cloud = LogCloud(*(flow(-at, srcport=at) for at in range(1, 251)))
    assert len(cloud.rows("* | select srcport, count(*) group by srcport")) == 100
    assert cloud.ask("* | select srcport, count(*) group by srcport")["meta"]["limited"] == 100
    assert len(cloud.rows("* | select srcport, count(*) group by srcport limit 240", line=3)) == 240
    assert len(cloud.rows("* | select srcport from log limit 9999999")) == 250


FLOWS = st.builds(
    flow,
    st.integers(-7200, 100),
    eni_id=st.sampled_from(["eni-1", "eni-2"]),
    srcaddr=st.sampled_from(["10.0.0.1", "203.0.113.1", "2001:db8::1"]),
    dstport=st.sampled_from([22, 3389, None]),
    action=st.sampled_from(["ACCEPT", "REJECT", "-"]),
    tcp_flags=st.integers(0, 63) | st.none(),
)


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(FLOWS, max_size=30), ack=st.booleans())
def test_sql_counts_what_python_counts(rows: list[Flow], *, ack: bool) -> None:
    """Any rows: accepted flows with or without ACK, by interface, source and port."""
    cloud = LogCloud(*rows)
    sign = "<>" if ack else "="
    query = (
        'action: ACCEPT | SELECT "eni-id", srcaddr, dstport, count(*) AS n FROM log '  # noqa: S608 - two signs
        f'WHERE bitwise_and("tcp-flags", 16) {sign} 0 AND dstport IS NOT NULL '
        'GROUP BY "eni-id", srcaddr, dstport LIMIT 1000'
    )
    wanted = Counter(
        (one.eni_id, one.srcaddr, str(one.dstport))
        for one in rows
        if one.action == "ACCEPT" and one.dstport is not None and one.tcp_flags is not None
        and bool(one.tcp_flags & 16) == ack and one.time < cloud.clock.now
    )  # fmt: skip
    found: dict[Any, int] = {(eni, source, port): int(n) for eni, source, port, n in cloud.rows(query)}
    assert found == wanted


WORDS = st.sampled_from(
    [
        "*", "and", "or", "not", "(", ")", "[", "]", ":", "in", ">", "=", "srcaddr", "dstport", '"eni-id"',
        "22", "99999999999999999999", "a*", '"', "|", "select", "from", "where", "group", "by", "order",
        "limit", "as", "case", "when", "end", "count", ",", "max", "bitwise_and", "cast", "bigint", "with",
        "union", "'x'", '"x"', "1e400", "over", "t1",
    ]
)  # fmt: skip


@given(query=st.lists(WORDS, max_size=16).map(" ".join) | st.text(max_size=30))
def test_whatever_is_asked_is_answered_or_refused(logs: LogCloud, query: str) -> None:
    """No text breaks the emulator: it is a query, or 400."""
    reply = logs.reply(logs.request(query=query))
    assert reply.status == 200 or code(reply)[0] == 400
