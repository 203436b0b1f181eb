"""What Log Service holds: projects, their logstores, how these are indexed, and their rows.

The rows are in one SQLite database of a running cloud, a table for each logstore: a private temporary file that SQLite
deletes, so that millions of rows need little memory. A project of flow logs is made when it is first asked for.
"""

from __future__ import annotations

import json
import re
import sqlite3
import weakref
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, islice
from random import Random
from threading import RLock
from typing import Final

from orchestrator.emulator.framework.state import State
from orchestrator.emulator.world import flows
from orchestrator.emulator.world.flow_logs import LOGSTORE, project_name
from orchestrator.emulator.world.flows import Flow

DAY_SECONDS: Final = 86_400
_FLOW_PROJECT: Final = re.compile(r"sgsweep-flow-(\d{16})-([a-z0-9-]+)")
_CACHE_KIB: Final = 65_536
_MEASURED: Final = 100
_COLUMN_TYPES: Final = {"text": "TEXT", "json": "TEXT", "long": "INTEGER", "double": "REAL"}


@dataclass(frozen=True, slots=True)
class Field:
    """An indexed field. `kind` is text, long, double or json; SQL sees it where `doc_value` is on.

    `words`: its text is divided into words, and a search finds any of them; else the whole value is one.
    `parent`: it is a part of the JSON in another field, and the rest of its name is the way to it.
    """

    name: str
    kind: str = "text"
    doc_value: bool = True
    words: bool = False
    parent: str = ""


@dataclass(slots=True)
class Logstore:
    """A logstore. `columns` is what its logs hold, `fields` what of it is indexed, None for nothing. Times: Unix s.

    What is older than `ttl_days`, or came before `indexed_since`, is not found. `row_bytes` is the size of a row, on
    average.
    """

    name: str
    table: str
    columns: tuple[Field, ...]
    fields: tuple[Field, ...] | None
    created: int
    ttl_days: int = 30
    indexed_since: int = 0
    topic: str = ""
    rows: int = 0
    row_bytes: float = 0.0
    is_sorted: bool = True

    def field(self, name: str) -> Field | None:
        """The indexed field of that name."""
        return next((one for one in self.fields or () if one.name == name), None)


@dataclass(slots=True)
class Project:
    """A project; its name is taken in every region."""

    name: str
    account_id: str
    region_id: str
    created: int
    logstores: dict[str, Logstore] = field(default_factory=dict)


class Logs:
    """The projects of a running cloud, by name, and the database of their rows, for one thread at a time (`lock`)."""

    def __init__(self) -> None:
        self.lock = RLock()
        self.database = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        weakref.finalize(self, self.database.close)
        for pragma in ("journal_mode = OFF", "synchronous = OFF", f"cache_size = -{_CACHE_KIB}"):
            self.database.execute(f"PRAGMA {pragma}")
        self.busy_until: dict[str, list[float]] = {}
        self.incomplete: dict[tuple[object, ...], int] = {}
        self._projects: dict[str, Project] = {}
        self._removed: set[str] = set()
        self._tables = 0

    # --- projects and logstores

    def project(self, state: State, name: str) -> Project | None:
        """The project of that name; one of flow logs is made with the records that its region has."""
        with self.lock:
            if name not in self._projects and name not in self._removed:
                self._make_flow_project(state, name)
            return self._projects.get(name)

    def add_project(self, name: str, account_id: str, region_id: str, created: float) -> Project:
        """A new project without logstores."""
        with self.lock:
            self._removed.discard(name)
            self._projects[name] = Project(name, account_id, region_id, int(created))
            return self._projects[name]

    def remove_project(self, name: str) -> None:
        """Delete a project with its logstores; it is not made again."""
        with self.lock:
            project = self._projects.pop(name, None)
            self._removed.add(name)
            for store in project.logstores.values() if project else ():
                self.database.execute(f"DROP TABLE {store.table}")

    def add_logstore(
        self, project: Project, name: str, fields: Iterable[Field], created: float, topic: str = ""
    ) -> Logstore:
        """A new logstore of a project, without rows."""
        with self.lock:
            held = tuple(fields)
            self._tables += 1
            store = Logstore(
                name, f"t{self._tables}", held, held, int(created), topic=topic, indexed_since=int(created)
            )
            columns = ", ".join(f"{quoted(one.name)} {_COLUMN_TYPES[one.kind]}" for one in held)
            self.database.execute(f"CREATE TABLE {store.table} (__time__ INTEGER, {columns})")
            project.logstores[name] = store
            return store

    def _make_flow_project(self, state: State, name: str) -> None:
        match, world = _FLOW_PROJECT.fullmatch(name), state.world
        if match is None or match[1] not in world.account_ids or match[2] not in world.region_ids:
            return
        account_id, region_id = match[1], match[2]
        interfaces = flows.logged(world.interfaces(account_id, region_id))
        logs = [one for one in world.flow_logs(account_id, region_id) if one.project == name]
        if not interfaces or not logs:
            return
        now, seed = state.clock(), world.recipe.seed if world.recipe else 0
        project = self.add_project(name, account_id, region_id, now - 90 * DAY_SECONDS)
        store = self.add_logstore(project, LOGSTORE, FLOW_FIELDS, project.created)
        store.ttl_days = Random(f"ttl/{seed}/{name}").choice((30, 30, 30, 90, 180, 7))
        estate = world.estate(account_id, region_id)
        made = flows.make(seed, account_id, estate, interfaces, now)
        self.insert(store, flows.written(made, interfaces, logs, now))

    # --- rows

    def insert(self, store: Logstore, rows: Iterable[tuple[object, ...]]) -> int:
        """Add rows: the time, then a value for each of the store's columns. Their number."""
        head = list(islice(iterator := iter(rows), _MEASURED))
        if not head:
            return 0
        with self.lock:
            marks = ", ".join("?" * (len(store.columns) + 1))
            cursor = self.database.execute("BEGIN")
            try:
                insert = f"INSERT INTO {store.table} VALUES ({marks})"  # noqa: S608 - a table of our own
                cursor.executemany(insert, chain(head, iterator))
            finally:
                self.database.execute("COMMIT")
            store.is_sorted = False
            store.rows += cursor.rowcount
            names = sum(len(one.name) + 6 for one in store.columns)
            store.row_bytes = names + sum(len(str(one)) for row in head for one in row) / len(head)
            return int(cursor.rowcount)

    def insert_logs(self, store: Logstore, logs: Iterable[Mapping[str, object]], now: float) -> int:
        """Add logs by field name, `__time__` among them (by default `now`); parts of JSON are taken out. Their number.

        ValueError: a log has a field that the logstore does not hold, or in a JSON field something else.
        """
        return self.insert(store, [tuple(_row(store, log, now)) for log in logs])

    def sort(self, store: Logstore) -> None:
        """See to it that a slice of time is found without reading all rows."""
        if not store.is_sorted:
            with self.lock:
                self.database.execute(
                    f"CREATE INDEX IF NOT EXISTS i{store.table} ON {store.table} (__time__)"
                )
                store.is_sorted = True


FLOW_FIELDS: Final = tuple(Field(name, "long" if name in flows.NUMBERS else "text") for name in flows.FIELDS)
"""How the logstore of flow logs is indexed."""


def quoted(name: str) -> str:
    """A name for SQL."""
    return '"' + name.replace('"', '""') + '"'


def logs_of(state: State) -> Logs:
    """What Log Service holds in a running cloud."""
    return state.of(Logs)


def put_flows(state: State, account_id: str, region_id: str, rows: Iterable[Flow]) -> int:
    """Add flow-log records of an account's region, a million or one; their number.

    LookupError: the account has no interface in a VPC there, so nothing is logged.
    """
    logs, name = logs_of(state), project_name(account_id, region_id)
    project = logs.project(state, name)
    if project is None:
        raise LookupError(f"there is no project {name}")
    return logs.insert(project.logstores[LOGSTORE], rows)


def add_flow_logstore(state: State, project: str, account_id: str, region_id: str) -> Logstore:
    """The logstore of flow logs of a project, without records, where logs of several accounts may be gathered.

    The project is made where it is not there; records are put with `Logs.insert`.
    """
    logs, created = logs_of(state), state.clock() - 90 * DAY_SECONDS
    found = logs.project(state, project) or logs.add_project(project, account_id, region_id, created)
    return logs.add_logstore(found, LOGSTORE, FLOW_FIELDS, created)


def _row(store: Logstore, log: Mapping[str, object], now: float) -> Iterator[object]:
    unknown = log.keys() - {"__time__", *(one.name for one in store.columns if not one.parent)}
    if unknown:
        raise ValueError(f"{store.name} does not hold {', '.join(sorted(unknown))}")
    yield int(str(log.get("__time__", int(now))))
    for one in store.columns:
        yield log.get(one.name) if not one.parent else _part(log.get(one.parent), one)


def _part(text: object, part: Field) -> object:
    """A part of a JSON text, as it stands in the column of its own; None where it is not there."""
    value: object = json.loads(str(text)) if text is not None else None
    for key in part.name.removeprefix(f"{part.parent}.").split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return json.dumps(value, separators=(",", ":")) if isinstance(value, dict | list) else value
