"""What Log Service does: GetLogsV2, GetLogStore, GetIndex, GetProject (2020-12-30)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

import msgspec
from msgspec import Struct

from orchestrator.emulator.framework.errors import ApiError
from orchestrator.emulator.framework.operations import Answer, Context, operation
from orchestrator.emulator.services.log_service import queries
from orchestrator.emulator.services.log_service.logstores import (
    DAY_SECONDS,
    Field,
    Logs,
    Logstore,
    Project,
    logs_of,
)
from orchestrator.emulator.services.log_service.protocol import VERSION
from orchestrator.emulator.services.log_service.queries import Page, Result, Slice

MOST_LINES: Final = 100
_LATEST: Final = 2**32
DEDICATED_QUERIES_AT_ONCE: Final = 150
"""How many queries with dedicated SQL may run in a project at once ("Common errors", Too many queued queries)."""


class _Asked(Struct, rename={"begin": "from"}):
    """The body of GetLogsV2, as far as it matters here."""

    begin: int
    to: int
    query: str = ""
    topic: str = ""
    line: int = 100
    offset: int = 0
    reverse: bool = False
    powerSql: bool = False  # noqa: N815 - the API's name


# --- whose it is


def _project(context: Context) -> Project:
    """The project that the host names; ProjectNotExist where there is none in the region."""
    name = context.parameters.text("project")
    found = logs_of(context.state).project(context.state, name)
    if found is None or context.region_id not in {"", found.region_id}:
        raise ApiError(404, "ProjectNotExist", f"The Project does not exist : {name}")
    return found


def _logstore(context: Context) -> Logstore:
    """The logstore that the path names; another account's is refused, and one that is not there."""
    project, name = _own(context), context.parameters.text("logstore")
    found = project.logstores.get(name)
    if found is None:
        raise ApiError(404, "LogStoreNotExist", f"logstore {name} does not exist")
    return found


def _own(context: Context) -> Project:
    project = _project(context)
    if project.account_id != context.account_id:
        resource = next(iter(context.operation.resources(context)))
        message = f"denied by sts or ram, action: {context.operation.permission}, resource: {resource}"
        raise ApiError(401, "Unauthorized", message)
    return project


def _of_project(context: Context) -> Iterable[str]:
    """What RAM calls the project."""
    one = _project(context)
    return (f"acs:log:{one.region_id}:{one.account_id}:project/{one.name}",)


def _of_logstore(context: Context) -> Iterable[str]:
    """What RAM calls the logstore."""
    (project,) = _of_project(context)
    return (f"{project}/logstore/{context.parameters.text('logstore')}",)


# --- settings


@operation("sls", VERSION, "GetProject", resources=_of_project, metered=False, ram_prefix="log")
def get_project(context: Context) -> Answer:
    """Whose project it is, and where."""
    one = _own(context)
    body = {
        "projectName": one.name,
        "status": "Normal",
        "owner": one.account_id,
        "description": "",
        "region": one.region_id,
        "createTime": str(one.created),
        "lastModifyTime": str(one.created),
        "dataRedundancyType": "LRS",
    }
    return {"Body": body}


@operation("sls", VERSION, "GetLogStore", resources=_of_logstore, metered=False, ram_prefix="log")
def get_logstore(context: Context) -> Answer:
    """How long a logstore keeps its logs (`ttl`, days), and when it was made."""
    one = _logstore(context)
    body = {
        "logstoreName": one.name,
        "ttl": one.ttl_days,
        "hot_ttl": one.ttl_days,
        "mode": "standard",
        "telemetryType": "None",
        "shardCount": 2,
        "autoSplit": True,
        "maxSplitShard": 64,
        "enable_tracking": False,
        "appendMeta": False,
        "createTime": one.created,
        "lastModifyTime": one.created,
    }
    return {"Body": body}


@operation("sls", VERSION, "GetIndex", resources=_of_logstore, metered=False, ram_prefix="log")
def get_index(context: Context) -> Answer:
    """Which fields are indexed, which of them for SQL (`doc_value`), and since when (`lastModifyTime`)."""
    one = _logstore(context)
    if one.fields is None:
        raise ApiError(404, "IndexConfigNotExist", "index config doesn't exist")
    keys: dict[str, dict[str, object]] = {}
    for field in one.fields:
        if field.parent:
            parts = keys[field.parent].setdefault("json_keys", {})
            if isinstance(parts, dict):
                parts[field.name.removeprefix(f"{field.parent}.")] = _plain_key(field)
        else:
            keys[field.name] = _key(field)
    body = {
        "index_mode": "v2",
        "keys": keys,
        "line": {"token": [], "caseSensitive": False, "chn": False},
        "log_reduce": False,
        "max_text_len": 2048,
        "storage": "pg",
        "ttl": one.ttl_days,
        "lastModifyTime": one.indexed_since,
    }
    return {"Body": body}


def _plain_key(field: Field) -> dict[str, object]:
    return {"type": field.kind, "doc_value": field.doc_value, "alias": ""}


def _key(field: Field) -> dict[str, object]:
    key = _plain_key(field)
    if field.kind in {"text", "json"}:
        key |= {"token": list(", '\";=()[]{}?@&<>/:\n\t\r") if field.words else [], "caseSensitive": False}
    if field.kind == "json":
        key |= {"index_all": True, "max_depth": -1, "json_keys": {}}
    return key


# --- logs


@operation(
    "sls",
    VERSION,
    "GetLogsV2",
    resources=_of_logstore,
    listing=("Body", "data"),
    metered=False,
    ram_prefix="log",
    ram_action="GetLogStoreLogs",
)
def get_logs(context: Context) -> Answer:
    """The logs of a slice of time that a query finds, or what its SQL makes of them."""
    store, asked = _logstore(context), _read(context.body)
    if store.fields is None:
        raise ApiError(400, "IndexConfigNotExist", "logstore without index config")
    search, sql = queries.divide(asked.query)
    if not sql and not 0 <= asked.line <= MOST_LINES:
        raise ApiError(400, "InvalidLine", f"line is invalid: {asked.line}")
    logs, quirks = logs_of(context.state), context.state.quirks
    if sql:
        _take_place(context, logs, dedicated=asked.powerSql)
    kept_since = max(int(context.now) - store.ttl_days * DAY_SECONDS, store.indexed_since)
    begin = max(asked.begin, kept_since)
    whole = Slice(begin, max(asked.to, begin), search, sql)
    part = _bounded(context, logs, store, asked, whole)
    if asked.topic not in {"", store.topic}:
        part = replace(part, end=part.begin)
    result = queries.run(logs, store, part, Page(asked.line, asked.offset, asked.reverse))
    meta = _meta(
        asked, store, whole, result, is_complete=part == whole or asked.topic not in {"", store.topic}
    )
    return {
        "Body": {"meta": meta, "data": result.data},
        "Encoding": context.parameters.text("Accept-Encoding"),
        "Seconds": quirks.log_query_seconds if sql else 0.0,
    }


def _read(body: bytes) -> _Asked:
    try:
        asked = msgspec.json.decode(body, type=_Asked)
    except msgspec.ValidationError as error:
        raise ApiError(400, "ParameterInvalid", f"{error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        message = "The request body is not valid JSON object."
        raise ApiError(400, "PostBodyInvalid", message) from None
    if not 0 <= asked.begin < asked.to < _LATEST:
        raise ApiError(400, "InvalidTimeRange", "request time range is invalid")
    if not 0 <= asked.offset < _LATEST:
        raise ApiError(400, "InvalidOffset", f"offset is invalid: {asked.offset}")
    return asked


def _take_place(context: Context, logs: Logs, *, dedicated: bool) -> None:
    """Take one of the project's places for queries, or refuse where all are taken."""
    quirks = context.state.quirks
    project = context.parameters.text("project")
    most = DEDICATED_QUERIES_AT_ONCE if dedicated else quirks.log_queries_at_once
    running = [one for one in logs.busy_until.get(project, ()) if one > context.now]
    if len(running) >= most:
        raise quirks.log_too_many_queries.error()
    logs.busy_until[project] = [*running, context.now + quirks.log_query_seconds]


def _bounded(context: Context, logs: Logs, store: Logstore, asked: _Asked, whole: Slice) -> Slice:
    """The part of the slice that the answer is about; less than the whole makes it Incomplete."""
    quirks, part = context.state.quirks, whole
    key = (context.parameters.text("project"), store.name, asked.begin, asked.to, asked.query)
    if logs.incomplete.get(key, 0) < quirks.log_incomplete_times:
        logs.incomplete[key] = logs.incomplete.get(key, 0) + 1
        part = _half(whole)
    if asked.to - asked.begin > quirks.log_longest_seconds:
        part = _half(whole)
    if quirks.log_bytes_per_query and whole.sql and not asked.powerSql:
        rows = int(quirks.log_bytes_per_query / max(store.row_bytes, 1.0))
        if queries.count(logs, store, part) > rows:
            part = replace(part, end=queries.time_of(logs, store, part, rows))
    return part


def _half(whole: Slice) -> Slice:
    return replace(whole, end=whole.begin + (whole.end - whole.begin) // 2)


def _meta(
    asked: _Asked, store: Logstore, whole: Slice, result: Result, *, is_complete: bool
) -> dict[str, object]:
    return {
        "progress": "Complete" if is_complete else "Incomplete",
        "count": len(result.data),
        "processedRows": result.processed,
        "processedBytes": int(result.processed * store.row_bytes),
        "elapsedMillisecond": 5 + result.processed // 10_000,
        "cpuSec": round(result.processed / 1e7, 3) if whole.sql else 0.0,
        "cpuCores": 2 if whole.sql else 0,
        "hasSQL": bool(whole.sql),
        "isAccurate": is_complete,
        "whereQuery": whole.search,
        "aggQuery": whole.sql,
        "limited": result.limit if whole.sql else 0,
        "mode": 0,
        "powerSql": asked.powerSql,
        "keys": result.keys,
        "columnTypes": result.types,
        "terms": result.terms,
        "telementryType": "",
    }
