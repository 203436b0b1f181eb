"""One query of a logstore: its search and its SQL, over the rows of a slice of time."""

from __future__ import annotations

import re
import sqlite3
from dataclasses import dataclass
from typing import Final

from orchestrator.emulator.framework.errors import ApiError
from orchestrator.emulator.services.log_service import analysis, search
from orchestrator.emulator.services.log_service.logstores import Logs, Logstore, quoted

_ALLOWED: Final = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION})
_STORED: Final = re.compile(r"sqlite_\w+|t\d+")
"""Tables of the database, not of a query."""
_SOURCE: Final = "log_service"


@dataclass(frozen=True, slots=True)
class Slice:
    """The rows that a query may see: from and to in Unix seconds, left-closed; `search` and `sql` are its two parts."""

    begin: int
    end: int
    search: str
    sql: str


@dataclass(frozen=True, slots=True)
class Page:
    """Which of the found logs a search without SQL returns."""

    line: int
    offset: int
    reverse: bool


@dataclass(frozen=True, slots=True)
class Result:
    """The rows of an answer, by column; `processed` is how many rows were looked at, `limit` how many there may be."""

    data: list[dict[str, str]]
    keys: tuple[str, ...]
    types: tuple[str, ...]
    terms: list[dict[str, str]]
    processed: int
    limit: int


def divide(query: str) -> tuple[str, str]:
    """The search and the SQL of a query, "" for none; quotation marks may hold a `|`."""
    inside = ""
    for at, letter in enumerate(query):
        if inside:
            inside = "" if letter == inside else inside
        elif letter == '"':
            inside = letter
        elif letter == "|":
            return query[:at].strip(), query[at + 1 :].strip()
    if re.match(r"select\b", query.strip(), re.IGNORECASE):
        raise ApiError(400, "ParameterInvalid", "sql query must follow search query,please read syntax doc")
    return query.strip(), ""


def run(logs: Logs, store: Logstore, asked: Slice, page: Page) -> Result:
    """Carry out a query; ApiError ParameterInvalid where it is none."""
    condition = search.read(asked.search, store)
    with logs.lock:
        logs.sort(store)
        where = (
            f"{store.table} WHERE __time__ >= {asked.begin} AND __time__ < {asked.end} AND {condition.sql}"
        )
        if "has_word" in condition.sql:
            logs.database.create_function("has_word", 2, search.has_word, deterministic=True)
        ((processed,),) = logs.database.execute(f"SELECT count(*) FROM {where}", condition.values)  # noqa: S608
        if not asked.sql:
            return _found(logs, store, where, condition, page, int(processed))
        return _analysed(logs, store, where, condition, asked.sql, int(processed))


def time_of(logs: Logs, store: Logstore, asked: Slice, number: int) -> int:
    """The time of the row with that number in the slice, by time; the slice's end where it has fewer."""
    with logs.lock:
        logs.sort(store)
        between = f"__time__ >= {asked.begin} AND __time__ < {asked.end}"
        row = logs.database.execute(
            f"SELECT __time__ FROM {store.table} WHERE {between} ORDER BY __time__ LIMIT 1 OFFSET {number}"  # noqa: S608
        ).fetchone()
    return asked.end if row is None else int(row[0])


def count(logs: Logs, store: Logstore, asked: Slice) -> int:
    """How many rows the slice has, whatever is searched for."""
    with logs.lock:
        logs.sort(store)
        between = f"__time__ >= {asked.begin} AND __time__ < {asked.end}"
        ((number,),) = logs.database.execute(f"SELECT count(*) FROM {store.table} WHERE {between}")  # noqa: S608
    return int(number)


def _found(
    logs: Logs, store: Logstore, where: str, condition: search.Condition, page: Page, processed: int
) -> Result:
    kept = [one.name for one in store.columns if not one.parent]
    columns = ", ".join(["__time__", *map(quoted, kept)])
    order = "DESC" if page.reverse else "ASC"
    rows = logs.database.execute(
        f"SELECT {columns} FROM {where} ORDER BY __time__ {order} LIMIT {page.line} OFFSET {page.offset}",  # noqa: S608
        condition.values,
    ).fetchall()
    data = []
    for time, *values in rows:
        shown = {name: str(one) for name, one in zip(kept, values, strict=True) if one is not None}
        data.append({"__time__": str(time), "__source__": _SOURCE, "__topic__": store.topic, **shown})
    keys = ("__time__", "__source__", "__topic__", *kept)
    return Result(data, keys, (), condition.terms, processed, page.line)


def _analysed(
    logs: Logs, store: Logstore, where: str, condition: search.Condition, sql: str, processed: int
) -> Result:
    seen = {one.name: one.kind for one in store.fields or () if one.doc_value}
    asked = analysis.read(sql, seen, store.name)
    inner = ", ".join(["__time__", *map(quoted, seen)])
    tables = f"log AS (SELECT {inner} FROM {where})"  # noqa: S608 - names of our own
    if store.name != "log":
        tables += f", {quoted(store.name)} AS (SELECT * FROM log)"  # noqa: S608 - the same
    text = re.sub(r"(?i)^\s*with\b", "", asked.sql)
    joined = f"WITH {tables}{',' if text != asked.sql else ''} {text}"
    try:
        names, rows = _guarded(logs.database, store.table, joined, condition.values, asked.limit)
    except sqlite3.Error as error:
        raise _refusal(str(error)) from None
    names = asked.names if asked.names is not None and len(asked.names) == len(names) else names
    data = [{name: _shown(one) for name, one in zip(names, row, strict=True)} for row in rows]
    types = tuple(_type(one) for one in rows[0]) if rows else ("varchar",) * len(names)
    return Result(data, names, types, condition.terms, processed, asked.limit)


def _guarded(
    database: sqlite3.Connection, table: str, sql: str, values: list[object], most: int
) -> tuple[tuple[str, ...], list[tuple[object, ...]]]:
    """The rows of a query that may read one table of the database, and nothing else."""

    def allow(action: int, first: str | None, *_: object) -> int:
        is_other = action == sqlite3.SQLITE_READ and first != table and _STORED.fullmatch(str(first))
        return sqlite3.SQLITE_DENY if action not in _ALLOWED or is_other else sqlite3.SQLITE_OK

    for name, function in _PRESTO.items():
        database.create_function(name, 2, function, deterministic=True)
    database.set_authorizer(allow)
    try:
        cursor = database.execute(sql, values)
        return tuple(str(one[0]) for one in cursor.description), cursor.fetchmany(most)
    finally:
        database.set_authorizer(None)


def _and(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else one & other


def _or(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else one | other


def _mod(one: int | None, other: int | None) -> int | None:
    return None if one is None or not other else abs(one) % abs(other) * (1 if one >= 0 else -1)


_PRESTO: Final = {"bitwise_and": _and, "bitwise_or": _or, "mod": _mod}


def _refusal(message: str) -> ApiError:
    match = re.search(r"no such column: (?:\w+\.)?(.+)", message)
    if match:
        return analysis.unresolved(match[1])
    return ApiError(400, "ParameterInvalid", f"ErrorType:SyntaxError.ErrorMessage:line 1:1: {message}")


def _shown(value: object) -> str:
    return "null" if value is None else str(value)


def _type(value: object) -> str:
    return "bigint" if isinstance(value, int) else "double" if isinstance(value, float) else "varchar"
