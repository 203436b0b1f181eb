"""What is asked of the records of flow logs, and what is made of the rows."""

from __future__ import annotations

import random
import re
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.evidence.flow_logs import Window
from orchestrator.evidence.flow_queries import (
    DAY_SECONDS,
    Came,
    answered_query,
    came_query,
    drawn_together,
    parse_answered,
    parse_came,
    parse_presence,
    parse_silence,
    presence_query,
    silence_query,
)
from orchestrator.evidence.flow_reading import halved
from orchestrator.evidence.usage import Usage
from orchestrator.exposure import PortSet
from orchestrator.exposure.addresses import IPV6_BASE
from orchestrator.securitygroup import parse_ports

ROW = {
    "eni-id": "eni-1", "srcaddr": "203.0.113.7", "dstport": "22", "protocol": "6", "knock": "0", "flows": "2",
    "total_packets": "20", "total_bytes": "null", "latest": "1700000000", "days": "1.0",
}  # fmt: skip


def ports(*texts: str) -> PortSet:
    """A set of ports."""
    return PortSet([parse_ports(one) for one in texts])


def test_a_row_is_read_as_it_is() -> None:
    """A null sum is none; a port of a protocol without ports is 0; IPv6 comes after IPv4."""
    assert parse_came([ROW]) == [
        Came("eni-1", 203 << 24 | 113 << 8 | 7, "tcp", 22, False, 2, 20, 0, 1_700_000_000, 1)  # noqa: FBT003
    ]
    (other,) = parse_came([{**ROW, "protocol": "1", "dstport": "2048", "srcaddr": "::1", "knock": "1"}])
    assert (other.protocol, other.port, other.source, other.is_knock) == ("icmp", 0, IPV6_BASE + 1, True)
    assert parse_came([{**ROW, "protocol": "132"}])[0].protocol == "132"
    assert parse_answered([{**ROW, "dstaddr": "10.0.0.1", "srcport": "22", "total_bytes": "7"}])[0].bytes == 7
    assert parse_presence([{"eni-id": "eni-1", "records": "3"}, {"eni-id": "eni-2", "records": "0"}]) == {
        "eni-1"
    }
    silent = [{**ROW, "log-status": kind, "records": "1"} for kind in ("NODATA", "SKIPDATA")]
    assert [one.skipped for one in parse_silence(silent)] == [False, True]


@pytest.mark.parametrize(
    "change",
    [
        {"srcaddr": "-"}, {"srcaddr": "10.0.0.0/8"}, {"dstport": "x"}, {"flows": "-1"}, {"flows": "1" * 20},
        {"days": ""}, {"latest": "1e9"}, {"protocol": "tcp"},
    ],
)  # fmt: skip
def test_a_row_that_is_none_is_refused(change: dict[str, str]) -> None:
    """So is one that lacks a column."""
    with pytest.raises(ValueError, match=r"."):
        parse_came([{**ROW, **change}])
    with pytest.raises(ValueError, match="a row has no"):
        parse_came([{key: value for key, value in ROW.items() if key not in change}])


@pytest.mark.parametrize("bad", ["eni-1' OR '1'='1", 'eni-1"', "", "eni 1", "eni-1\n", "a" * 65])
def test_what_is_no_id_never_stands_in_a_query(bad: str) -> None:
    """It could end the quotation that it stands in."""
    some = ports("tcp/22")
    with pytest.raises(ValueError, match="no interface's id"):
        came_query([bad], some, 10)
    with pytest.raises(ValueError, match="no interface's id"):
        answered_query([bad], some, 10)
    with pytest.raises(ValueError, match="no interface's id"):
        silence_query([bad], 10)
    with pytest.raises(ValueError, match="no interface's id"):
        presence_query([bad])


@pytest.mark.parametrize("interfaces", [1, 12, 13, 200])
@pytest.mark.parametrize("count", [1, 12, 13, 60, 500])
def test_a_query_keeps_the_bounds_of_the_service(interfaces: int, count: int) -> None:
    """At most thirty conditions in a search, always a LIMIT, and no longer than some kilobytes."""
    ids = [f"eni-bp1{number:018d}" for number in range(interfaces)]
    some = PortSet([*ports("icmp"), *ports(*(f"tcp/{2 * n + 1}" for n in range(count)))])
    for text in (came_query(ids, some, 100), answered_query(ids, some, 100), silence_query(ids, 100)):
        search, _, sql = text.partition("|")
        assert 1 <= len(re.findall(r":| in \[", search)) <= 30
        assert re.search(r"LIMIT \d+$", sql)
        assert len(text) < 16_000


@given(st.sets(st.integers(1, 3_000), min_size=1, max_size=80), st.integers(1, 12))
def test_ranges_that_are_drawn_together_hold_all(numbers: set[int], most: int) -> None:
    """Few of them, in order, apart, and none was lost; what is few already stays."""
    ranges = PortSet([parse_ports(f"tcp/{one}") for one in numbers]).numbers("tcp")
    found = drawn_together(ranges, most)
    assert len(found) == min(len(ranges), most)
    assert all(any(first <= one <= last for first, last in found) for one in numbers)
    assert all(one[1] < other[0] for one, other in pairwise(found))
    assert {first for first, _ in found} | {last for _, last in found} <= {
        edge for pair in ranges for edge in pair
    }


@given(st.integers(10**9, 2 * 10**9), st.integers(601, 40 * DAY_SECONDS))
def test_halves_make_the_whole_and_divide_a_day_only_where_it_is_alone(begin: int, length: int) -> None:
    """So the days of slices can be added up; both halves are shorter."""
    whole = Window(begin, begin + length)
    halves = halved(whole)
    assert halves is not None
    one, other = halves
    assert (one.begin, one.end, other.end) == (whole.begin, other.begin, whole.end)
    assert one.begin < one.end < other.end
    is_one_day = begin // DAY_SECONDS == (whole.end - 1) // DAY_SECONDS
    assert (one.end % DAY_SECONDS == 0) or is_one_day


def test_the_shortest_slice_is_not_halved() -> None:
    """It is as long as a record's own window."""
    assert halved(Window(0, 600)) is None
    assert halved(Window(0, 601)) is not None


def test_days_are_those_of_all_slices() -> None:
    """However a window is cut at its midnights, and a day within, a source is told to have come on as many days."""
    seed = random.SystemRandom().randrange(10**6)
    rng = random.Random(seed)  # noqa: S311 - for reproduction
    for _ in range(200):
        whole = Window(DAY_SECONDS * 100 + rng.randrange(DAY_SECONDS), DAY_SECONDS * 110)
        times = sorted(rng.sample(range(whole.begin, whole.end), rng.randint(1, 12)))
        usage = Usage()
        for part in _cut(rng, whole):
            inside = [one for one in times if part.begin <= one < part.end]
            if inside:
                days = len({one // DAY_SECONDS for one in inside})
                usage.came(part, [came(flows=len(inside), days=days, last=inside[-1])])
        (tally,) = usage.uses("eni-1")
        assert tally.days == len({one // DAY_SECONDS for one in times}), seed
        assert (tally.flows, tally.last) == (len(times), times[-1]), seed


def _cut(rng: random.Random, part: Window) -> list[Window]:
    halves = halved(part)
    if halves is None or rng.random() < 0.25:
        return [part]
    return [one for half in halves for one in _cut(rng, half)]


def came(**fields: Any) -> Came:
    """What came in, with these fields."""
    usual: dict[str, Any] = {
        "interface_id": "eni-1", "source": 7, "protocol": "tcp", "port": 22, "is_knock": False, "flows": 1,
        "packets": 1, "bytes": 1, "last": 1, "days": 1,
    }  # fmt: skip
    return Came(**{**usual, **fields})


def test_a_million_sources_do_not_fill_the_memory() -> None:
    """Beyond a bound uses are told to be incomplete, and knocks to be more; knocks take no use's place."""
    usage = Usage(most=10)
    knocks = [came(source=number, interface_id="eni-2", is_knock=True) for number in range(20)]
    usage.came(Window(0, 1), [*knocks, knocks[0], came(source=0)])
    assert (len(list(usage.knocks("eni-2"))), usage.is_cut("eni-2"), usage.problems("eni-2")) == (
        10,
        True,
        [],
    )
    usage.came(Window(1, 2), [came(source=number) for number in range(20)])
    assert len(list(usage.uses("eni-1"))) == 10
    assert [one.status for one in usage.problems("eni-1")] == ["incomplete"]
    assert not usage.is_cut("eni-1")
    usage.came(Window(2, 3), [came(source=3)])
    assert sum(one.flows for one in usage.uses("eni-1")) == 12


def test_slices_come_in_any_order() -> None:
    """The last record is the last of all."""
    usage = Usage()
    for last in (5, 9, 7):
        usage.came(Window(last - 1, last), [came(last=last)])
    assert [one.last for one in usage.uses("eni-1")] == [9]
