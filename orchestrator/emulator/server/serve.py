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
from orchestrator.emulator.world.organization import WorldOutline
from orchestrator.emulator.world.world import World

_ID: Final = "ALIBABA_CLOUD_ACCESS_KEY_ID"
_SECRET: Final = "ALIBABA_CLOUD_ACCESS_KEY_SECRET"  # noqa: S105 - a variable's name
_TOKEN: Final = "ALIBABA_CLOUD_SECURITY_TOKEN"  # noqa: S105 - the same


class EmulatorSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What `sgsweep emulate` is asked for: which world, and how it is served.

    Attributes:
        host, port, tls_port: where it listens; port 0 is any free one.
        accounts, seed, groups_per_account, regions, hub, hub_roles, external_id, balancers, unreachable: of the world
            that is generated, see `World.generate`.
        world_file: loaded in place of a generated world.
        save_file: gets the world as it starts.
        latency_ms: of each answer.
        limit: calls in `window_seconds` for each account x region x API; None for no throttling.
        window_seconds, bucket, hint, sts_limit: of the throttling, see `Throttle`.
        faults, quirks: may be texts, see `read_fault` and `read_quirks`.
        control: whether it can be told to change, see `control`.
        environment: the hub's keys are those of its two standard variables, else made up.
    """

    host: str = "127.0.0.1"
    port: int = 0
    tls_port: int = 0
    accounts: int = 40
    seed: int = 0
    groups_per_account: float = 40.0
    regions: int | None = None
    hub: Literal["management", "delegated", "member"] = "management"
    hub_roles: bool = False
    external_id: str = ""
    balancers: bool = False
    unreachable: int | Mapping[str, str] = 0
    world_file: Path | str | None = None
    save_file: Path | str | None = None
    latency_ms: float = 0.0
    limit: int | None = None
    window_seconds: float = 60.0
    bucket: Literal["window", "bucket"] = "window"
    hint: Literal["none", "retry-after", "ratelimit", "always"] = "none"
    sts_limit: int | None = None
    faults: tuple[Fault | str, ...] = ()
    quirks: Quirks | tuple[str, ...] = ()
    control: bool = True
    environment: Mapping[str, str] = msgspec.field(default_factory=lambda: os.environ)

    def world(self) -> World:
        """The world, loaded or generated.

        Raises:
            ValueError, OSError: the file holds none, or cannot be read.
        """
        if self.world_file is not None:
            return World.load(self.world_file)
        return World.generate(
            WorldOutline(
                self.seed,
                self.accounts,
                groups_per_account=self.groups_per_account,
                region_ids=self.regions,
                hub=self.hub,
                hub_roles=self.hub_roles,
                external_id=self.external_id,
                balancers=self.balancers,
                unreachable=self.unreachable,
            )
        )

    def options(self) -> Options:
        """How it answers.

        Raises:
            ValueError: says which fault or quirk is wrong.
        """
        throttle = Throttle(
            limit=self.limit,
            window_seconds=self.window_seconds,
            kind=self.bucket,
            hint=self.hint,
            sts_limit=self.sts_limit,
        )
        return Options(
            latency_seconds=self.latency_ms / 1000,
            throttle=throttle,
            faults=tuple(one if isinstance(one, Fault) else read_fault(one) for one in self.faults),
            quirks=self.quirks if isinstance(self.quirks, Quirks) else read_quirks(self.quirks),
            hub_keys=keys_of(self.environment),
            seed=self.seed,
            control=self.control,
        )


async def serve(settings: EmulatorSettings) -> Emulator:
    """A started emulator in the current loop; `await emulator.stop()` ends it. `hub_credentials` has the hub's keys.

    Raises:
        ValueError: says which option is wrong.
        OSError: which port or file.
    """
    world, options = settings.world(), settings.options()
    if settings.save_file is not None:
        world.save(settings.save_file)
    emulator = Emulator(world, options, host=settings.host, port=settings.port, tls_port=settings.tls_port)
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
