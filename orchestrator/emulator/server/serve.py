"""Starts an emulator the way `sgsweep emulate` asks for it. Prints nothing: gives back what was started."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

import msgspec

from orchestrator.emulator.framework.faults import Fault, Kind
from orchestrator.emulator.framework.identity import Keys
from orchestrator.emulator.framework.quirks import Quirks
from orchestrator.emulator.framework.state import Options
from orchestrator.emulator.framework.throttle import Throttle
from orchestrator.emulator.server.http_server import Emulator
from orchestrator.emulator.world.world import World

_ID: Final = "ALIBABA_CLOUD_ACCESS_KEY_ID"
_SECRET: Final = "ALIBABA_CLOUD_ACCESS_KEY_SECRET"  # noqa: S105 - a variable's name
_TOKEN: Final = "ALIBABA_CLOUD_SECURITY_TOKEN"  # noqa: S105 - the same


async def serve(  # noqa: PLR0913 - one argument for each option of the command
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    tls_port: int = 0,
    accounts: int = 40,
    seed: int = 0,
    groups_per_account: float = 40.0,
    regions: int | None = None,
    hub: Literal["management", "delegated", "member"] = "management",
    hub_roles: bool = False,
    external_id: str = "",
    balancers: bool = False,
    unreachable: int | Mapping[str, str] = 0,
    world_file: Path | str | None = None,
    save_file: Path | str | None = None,
    latency_ms: float = 0.0,
    limit: int | None = None,
    window_seconds: float = 60.0,
    bucket: Literal["window", "bucket"] = "window",
    hint: Literal["none", "retry-after", "ratelimit", "always"] = "none",
    sts_limit: int | None = None,
    faults: Iterable[Fault | str] = (),
    quirks: Quirks | Iterable[str] = (),
    control: bool = True,
    environment: Mapping[str, str] = os.environ,
) -> Emulator:
    """A started emulator in the current loop; `await emulator.stop()` ends it.

    Port 0 is any free port. `world_file` is loaded in place of a generated world; `save_file` gets the world
    as it starts. `balancers` adds groups that load balancers have joined. `limit` calls in `window_seconds` for
    each account x region x API. `faults` and `quirks` may be texts (see `read_fault`, `read_quirks`). The hub's
    keys are those of `environment`, else made up: `hub_credentials` has them either way. ValueError says which
    option is wrong, OSError which port or file.
    """
    if world_file is not None:
        world = World.load(world_file)
    else:
        world = World.generate(
            seed,
            accounts,
            groups_per_account=groups_per_account,
            region_ids=regions,
            hub=hub,
            hub_roles=hub_roles,
            external_id=external_id,
            balancers=balancers,
            unreachable=unreachable,
        )
    if save_file is not None:
        world.save(save_file)
    throttle = Throttle(
        limit=limit, window_seconds=window_seconds, kind=bucket, hint=hint, sts_limit=sts_limit
    )
    options = Options(
        latency_seconds=latency_ms / 1000,
        throttle=throttle,
        faults=tuple(one if isinstance(one, Fault) else read_fault(one) for one in faults),
        quirks=quirks if isinstance(quirks, Quirks) else read_quirks(quirks),
        hub_keys=keys_of(environment),
        seed=seed,
        control=control,
    )
    emulator = Emulator(world, options, host=host, port=port, tls_port=tls_port)
    await emulator.start()
    return emulator


def keys_of(environment: Mapping[str, str]) -> Keys | None:
    """The keys in the standard variables, or None where they are not all there. An empty token means none."""
    if not environment.get(_ID) or not environment.get(_SECRET):
        return None
    return Keys(environment[_ID], environment[_SECRET], environment.get(_TOKEN, ""))


def read_fault(text: str) -> Fault:
    """A fault from `kind,name=value,…`, such as `error_after,rate=0.1,action=Revoke*`."""
    kind, *rest = text.split(",")
    if kind not in {one.value for one in Kind}:
        raise ValueError(f"unknown fault {kind!r}, known are {', '.join(one.value for one in Kind)}")
    return _convert({"kind": kind, **_pairs(rest, "fault")}, Fault, f"fault {text!r}")


def read_quirks(texts: Iterable[str]) -> Quirks:
    """Quirks from `name=value` texts; a refusal's value is `status:code`."""
    values: dict[str, Any] = _pairs(texts, "quirk")
    for name, value in values.items():
        status, colon, code = str(value).partition(":")
        if colon and status.isdecimal():
            values[name] = {"status": int(status), "code": code}
        elif name == "closed_regions":
            values[name] = str(value).split("+")
    unknown = set(values) - set(Quirks.__struct_fields__)
    if unknown:
        raise ValueError(f"unknown quirk {min(unknown)!r}, known are {', '.join(Quirks.__struct_fields__)}")
    return _convert(values, Quirks, "quirks")


def _pairs(texts: Iterable[str], what: str) -> dict[str, str]:
    pairs = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise ValueError(f"{what}: {text!r} is not name=value")
        pairs[name] = value
    return pairs


_T = TypeVar("_T")


def _convert(values: Mapping[str, object], into: type[_T], what: str) -> _T:
    try:
        return msgspec.convert(values, into, strict=False)
    except msgspec.ValidationError as error:
        raise ValueError(f"{what}: {error}") from None
