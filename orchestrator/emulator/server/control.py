"""The control surface for other processes: what happened, what is, and what shall go wrong. Loopback only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec
from aiohttp import web

from orchestrator.emulator.framework.bending import read_bends
from orchestrator.emulator.framework.faults import read_faults
from orchestrator.emulator.framework.refusals import read_refusals
from orchestrator.emulator.framework.state import State
from orchestrator.emulator.services import log_service
from orchestrator.emulator.world.model import stored

PREFIX: Final = "/_emulator/"
_LOOPBACK: Final = ("127.", "::1")


def answer(state: State, request: web.BaseRequest, path: str, body: bytes) -> web.Response:
    """Answer a request below `/_emulator/`."""
    if not (request.remote or "").startswith(_LOOPBACK):
        return _json(403, {"error": "the control surface answers on loopback only"})
    route = _ROUTES.get((request.method, path.removeprefix(PREFIX)))
    if route is None:
        known = ", ".join(f"{method} {PREFIX}{name}" for method, name in _ROUTES)
        return _json(404, {"error": f"known are {known}"})
    try:
        return _json(200, route(state, request, body))
    except (ValueError, msgspec.MsgspecError) as error:
        return _json(400, {"error": str(error)})


def _json(status: int, value: object) -> web.Response:
    return web.Response(status=status, body=msgspec.json.encode(value), content_type="application/json")


def _calls(state: State, request: web.BaseRequest, _: bytes) -> object:
    """All calls, or those from position `since` on, or only those that changed something (`changes=1`)."""
    since = int(request.query.get("since", "0"))
    calls = state.record.since(since)
    if request.query.get("changes"):
        calls = tuple(call for call in calls if call.changes)
    return [call.plain() for call in calls]


def _world(state: State, request: web.BaseRequest, _: bytes) -> object:
    """All rules by account, region and group; of one account where `account` is given."""
    only = request.query.get("account")
    if only is not None and only not in state.world.account_ids:
        raise ValueError(f"there is no account {only}")
    found: dict[str, dict[str, dict[str, list[object]]]] = {}
    for account_id in state.world.account_ids if only is None else (only,):
        for region_id in state.world.region_ids:
            for group in state.world.estate(account_id, region_id).groups.values():
                rules: list[object] = [stored(rule) for rule in group.rules]
                found.setdefault(account_id, {}).setdefault(region_id, {})[group.security_group_id] = rules
    return found


def _set_faults(state: State, _: web.BaseRequest, body: bytes) -> object:
    faults = read_faults(body)
    state.use_faults(faults)
    return {"faults": len(faults)}


def _faults(state: State, _: web.BaseRequest, __: bytes) -> object:
    return {"faults": state.faults.active, "struck": state.faults.struck()}


def _set_refusals(state: State, _: web.BaseRequest, body: bytes) -> object:
    """Writes that hold one of these rules are refused, as a whole, from now on."""
    state.refusals.set(read_refusals(body))
    return {"refusals": len(state.refusals.active)}


def _refusals(state: State, _: web.BaseRequest, __: bytes) -> object:
    return {"refusals": state.refusals.active, "struck": state.refusals.struck}


def _set_bends(state: State, request: web.BaseRequest, body: bytes) -> object:
    """Answers are bent from now on, by the seed in the query where one is given."""
    seed = request.query.get("seed")
    state.bends.set(read_bends(body), None if seed is None else int(seed))
    return {"bends": len(state.bends.active)}


def _bends(state: State, _: web.BaseRequest, __: bytes) -> object:
    return {"bends": state.bends.active, "bent": state.bends.log}


def _clear(state: State, _: web.BaseRequest, __: bytes) -> object:
    """Forget the calls, the faults, the refusals and the lies; the world stays as it is."""
    state.record.clear()
    state.faults.clear()
    state.refusals.set(())
    state.bends.clear()
    return {}


def _put_logs(state: State, request: web.BaseRequest, body: bytes) -> object:
    """Add logs to the `logstore` of a `project`: a list of objects by field name, `__time__` among them."""
    asked = request.query.get("project", ""), request.query.get("logstore", "")
    logs = log_service.logs_of(state)
    project = logs.project(state, asked[0])
    if project is None or asked[1] not in project.logstores:
        raise ValueError(f"there is no logstore {asked[1]} in a project {asked[0]}")
    rows = msgspec.json.decode(body, type=list[dict[str, Any]])
    return {"logs": logs.insert_logs(project.logstores[asked[1]], rows, state.clock())}


def _expire(state: State, request: web.BaseRequest, _: bytes) -> object:
    """Expire all sessions, or those of one account."""
    return {"expired": state.identities.expire_sessions(request.query.get("account"))}


Route = Callable[[State, web.BaseRequest, bytes], object]
_ROUTES: Final[dict[tuple[str, str], Route]] = {
    ("GET", "calls"): _calls,
    ("GET", "world"): _world,
    ("GET", "faults"): _faults,
    ("POST", "faults"): _set_faults,
    ("GET", "bends"): _bends,
    ("POST", "bends"): _set_bends,
    ("GET", "refusals"): _refusals,
    ("POST", "refusals"): _set_refusals,
    ("POST", "logs"): _put_logs,
    ("POST", "clear"): _clear,
    ("POST", "expire"): _expire,
}
