"""What is asked of the records of flow logs, as queries of Log Service, and their rows as values. Pure.

Fields and their meaning: "VPC flow logs, Log fields" (help of Simple Log Service). A record is of one connection in one
aggregation window; its `tcp-flags` are those of all its packets. The SQL is of the Presto kind.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from orchestrator.exposure import PortSet
from orchestrator.exposure.addresses import IPV6_BASE
from orchestrator.securitygroup import PROTOCOL_NAMES, PROTOCOL_NUMBERS, WITH_PORTS, parse_cidr

DAY_SECONDS = 86_400
INTERFACES_PER_QUERY = 200
"""So many ids are in one query: some 6 KB of text."""
INTERFACES_PER_SEARCH = 20
"""So many are in one search: it takes at most 30 conditions."""

# Of ports in one query; more are drawn together, and the rows are looked at one by one anyway.
_MOST_RANGES = 40
# Of ports, and of interfaces, in a search, which takes 30 conditions; SQL has all of them anyway.
_MOST_TERMS = 12
_FEW_PACKETS = 3  # of a connection that was made and reset without a word: SYN, ACK, RST
_RST, _PSH, _ACK = 4, 8, 16  # of tcp-flags
_TCP = 6
_INTERFACE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}").fullmatch

_INCOMING = 'direction: "in" and action: ACCEPT'
_OUTGOING = 'direction: "out" and action: ACCEPT'
_GAPS = '("log-status": NODATA or "log-status": SKIPDATA)'
_DAY = f"__time__ - mod(__time__, {DAY_SECONDS})"
_KNOCK = (
    f'CASE WHEN protocol = {_TCP} AND (bitwise_and("tcp-flags", {_ACK}) = 0'
    f' OR (bitwise_and("tcp-flags", {_RST}) <> 0 AND bitwise_and("tcp-flags", {_PSH}) = 0'
    f" AND packets <= {_FEW_PACKETS})) THEN 1 ELSE 0 END"
)


class Came(msgspec.Struct, frozen=True):
    """What came in to one port of an interface from one address, by the records of one slice.

    Attributes:
        interface_id: of the interface.
        source: the address, a point of the line of `orchestrator.exposure`.
        protocol: its name, or its IANA number as text.
        port: the destination port; 0 where the protocol has none.
        is_knock: TCP that came to nothing: no ACK, or at most three packets without data that end with a RST.
        flows, packets, bytes: records, and what they sum up to.
        last: the end of the last record, Unix seconds.
        days: on how many days there was one.
    """

    interface_id: str
    source: int
    protocol: str
    port: int
    is_knock: bool
    flows: int
    packets: int
    bytes: int
    last: int
    days: int


class BytesOut(msgspec.Struct, frozen=True):
    """What went out to one address from one port, in bytes."""

    interface_id: str
    source: int
    protocol: str
    port: int
    bytes: int


class Silence(msgspec.Struct, frozen=True):
    """Records of an interface that tell of no packet: `skipped` where something was not recorded; else nothing came."""

    interface_id: str
    skipped: bool
    records: int
    last: int


def is_interface_id(text: str) -> bool:
    """Tell whether it is an id, so that it may stand in a query."""
    return bool(_INTERFACE_ID(text))


def came_query(interface_ids: Sequence[str], ports: PortSet, most: int) -> str:
    """Return the query for accepted inbound traffic to these ports, use before knocks, at most so many rows."""
    columns = (
        f'"eni-id", srcaddr, dstport, protocol, {_KNOCK} AS knock, count(*) AS flows, sum(packets) AS total_packets,'
        f' sum(bytes) AS total_bytes, max("end") AS latest, count(DISTINCT {_DAY}) AS days'
    )
    where = f"direction = 'in' AND action = 'ACCEPT' AND {_of(interface_ids)} AND ({_to(ports, 'dstport')})"
    search = _INCOMING + _among(interface_ids) + _at(ports, "dstport")
    return _query(search, columns, where, "1, 2, 3, 4, 5 ORDER BY 5", most)


def answered_query(interface_ids: Sequence[str], ports: PortSet, most: int) -> str:
    """Return the query for accepted outbound traffic from these ports: what those who came in were given."""
    columns = '"eni-id", dstaddr, srcport, protocol, sum(bytes) AS total_bytes'
    where = f"direction = 'out' AND action = 'ACCEPT' AND {_of(interface_ids)} AND ({_to(ports, 'srcport')})"
    search = _OUTGOING + _among(interface_ids) + _at(ports, "srcport")
    return _query(search, columns, where, "1, 2, 3, 4", most)


def silence_query(interface_ids: Sequence[str], most: int) -> str:
    """Return the query for records that tell of no packet: NODATA, and SKIPDATA where something was not recorded."""
    columns = '"eni-id", "log-status", count(*) AS records, max("end") AS latest'
    return _query(_GAPS + _among(interface_ids), columns, _of(interface_ids), "1, 2", most)


def _query(search: str, columns: str, where: str, groups: str, most: int) -> str:
    return f"{search} | SELECT {columns} FROM log WHERE {where} GROUP BY {groups} LIMIT {most}"  # noqa: S608 - ids are checked


def presence_query(interface_ids: Sequence[str]) -> str:
    """Return the query for which of these interfaces have any record at all; at most `INTERFACES_PER_SEARCH`."""
    search = _any(f'"eni-id": "{one}"' for one in _checked(interface_ids))
    columns = '"eni-id", count(*) AS records'
    return _query(search, columns, _of(interface_ids), "1", len(interface_ids) + 1)


def _checked(interface_ids: Iterable[str]) -> list[str]:
    found = list(interface_ids)
    for one in found:
        if not is_interface_id(one):
            raise ValueError(f"{one[:40]!r} is no interface's id")
    return found


def _of(interface_ids: Iterable[str]) -> str:
    listed = ", ".join(f"'{one}'" for one in _checked(interface_ids))
    return f'"eni-id" IN ({listed})'


def _among(interface_ids: Sequence[str]) -> str:
    """Return the search for few interfaces: what a search leaves out need not be read by SQL."""
    if len(interface_ids) > _MOST_TERMS:
        return ""
    return " and " + _any(f'"eni-id": "{one}"' for one in _checked(interface_ids))


def _at(ports: PortSet, column: str) -> str:
    """Return the search for few ports, whatever their protocol."""
    found = []
    for protocol in ports.protocols:
        if protocol in WITH_PORTS:
            found += [f"{column} in [{first} {last}]" for first, last in ports.numbers(protocol)]
        else:
            found.append(f"protocol in [{_protocol_number(protocol)} {_protocol_number(protocol)}]")
    return "" if len(found) > _MOST_TERMS else " and " + _any(found)


def _any(terms: Iterable[str]) -> str:
    return f"({' or '.join(terms)})"


def _protocol_number(protocol: str) -> int:
    return PROTOCOL_NUMBERS[protocol] if protocol in PROTOCOL_NUMBERS else int(protocol)


def _to(ports: PortSet, column: str) -> str:
    parts = []
    for protocol in ports.protocols:
        number = _protocol_number(protocol)
        if protocol not in WITH_PORTS:
            parts.append(f"protocol = {number}")
            continue
        ranges = [_range(column, first, last) for first, last in drawn_together(ports.numbers(protocol))]
        parts.append(f"(protocol = {number} AND ({' OR '.join(ranges)}))")
    return " OR ".join(parts)


def _range(column: str, first: int, last: int) -> str:
    return f"{column} = {first}" if first == last else f"{column} BETWEEN {first} AND {last}"


def drawn_together(ranges: Sequence[tuple[int, int]], most: int = _MOST_RANGES) -> list[tuple[int, int]]:
    """Return few ranges that hold these: those with the smallest gaps between them are drawn together."""
    if len(ranges) <= most:
        return list(ranges)
    gaps = sorted(range(1, len(ranges)), key=lambda at: ranges[at][0] - ranges[at - 1][1], reverse=True)
    kept = sorted(gaps[: most - 1])
    starts, ends = [0, *kept], [*kept, len(ranges)]
    return [(ranges[start][0], ranges[end - 1][1]) for start, end in zip(starts, ends, strict=True)]


# --- rows


def parse_came(rows: Iterable[Mapping[str, str]]) -> list[Came]:
    """Return the rows of `came_query`.

    Raises:
        ValueError: a row is none of it.
    """
    return [
        Came(
            interface_id=_text(row, "eni-id"),
            source=_point(_text(row, "srcaddr")),
            protocol=(protocol := _protocol(row)),
            port=_number(row, "dstport") if protocol in WITH_PORTS else 0,
            is_knock=_number(row, "knock") == 1,
            flows=_number(row, "flows"),
            packets=_number(row, "total_packets"),
            bytes=_number(row, "total_bytes"),
            last=_number(row, "latest"),
            days=_number(row, "days"),
        )
        for row in rows
    ]


def parse_answered(rows: Iterable[Mapping[str, str]]) -> list[BytesOut]:
    """Return the rows of `answered_query`.

    Raises:
        ValueError: a row is none of it.
    """
    return [
        BytesOut(
            interface_id=_text(row, "eni-id"),
            source=_point(_text(row, "dstaddr")),
            protocol=(protocol := _protocol(row)),
            port=_number(row, "srcport") if protocol in WITH_PORTS else 0,
            bytes=_number(row, "total_bytes"),
        )
        for row in rows
    ]


def parse_silence(rows: Iterable[Mapping[str, str]]) -> list[Silence]:
    """Return the rows of `silence_query`.

    Raises:
        ValueError: a row is none of it.
    """
    return [
        Silence(
            _text(row, "eni-id"),
            _text(row, "log-status") == "SKIPDATA",
            _number(row, "records"),
            _number(row, "latest"),
        )
        for row in rows
    ]


def parse_presence(rows: Iterable[Mapping[str, str]]) -> set[str]:
    """Return the interfaces that the rows of `presence_query` name.

    Raises:
        ValueError: a row is none of it.
    """
    return {_text(row, "eni-id") for row in rows if _number(row, "records")}


def _text(row: Mapping[str, str], name: str) -> str:
    if name not in row:
        raise ValueError(f"a row has no {name}")
    return row[name]


def _number(row: Mapping[str, str], name: str) -> int:
    """Return a number; a sum over fields that were not recorded is null, which is 0."""
    text = _text(row, name)
    whole = "0" if text == "null" else text.removesuffix(".0")
    if not whole.isdecimal() or len(whole) > 19:
        raise ValueError(f"{name} of a row is {text[:40]!r}, no number")
    return int(whole)


def _protocol(row: Mapping[str, str]) -> str:
    number = _number(row, "protocol")
    return PROTOCOL_NAMES.get(number, str(number))


def _point(text: str) -> int:
    block = parse_cidr(text)
    if block.first != block.last:
        raise ValueError(f"{text[:40]!r} is no address")
    return block.first if block.family == 4 else IPV6_BASE + block.first
