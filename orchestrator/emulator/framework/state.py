"""What the running cloud knows beyond its world: keys, meters, faults, idempotency, the clock."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from time import time
from typing import Any, TypeVar

from orchestrator.emulator.framework.bending import Bend, Bends
from orchestrator.emulator.framework.call_log import CallLog
from orchestrator.emulator.framework.faults import Fault, Faults
from orchestrator.emulator.framework.identity import Identities, Keys
from orchestrator.emulator.framework.quirks import DEFAULT, Quirks
from orchestrator.emulator.framework.refusals import RuleRefusal, RuleRefusals
from orchestrator.emulator.framework.throttle import NO_LIMITS, Meter, Throttle
from orchestrator.emulator.world.model import Rule, Statement
from orchestrator.emulator.world.policies import ADMINISTRATOR
from orchestrator.emulator.world.world import World

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How the emulated cloud behaves.

    `latency_seconds` is waited before each answer. `hub_keys` are the hub's credentials (made up unless
    given); `hub_statements` what its RAM user may do; `hub_is_root` makes it the root identity, which may not
    assume roles. `clock` gives seconds since 1970. `refusals` are of single rules, `bends` are lies. `seed`
    drives the faults and the lies.
    """

    latency_seconds: float = 0.0
    throttle: Throttle = NO_LIMITS
    faults: tuple[Fault, ...] = ()
    quirks: Quirks = DEFAULT
    hub_keys: Keys | None = None
    hub_user: str = "sgsweep"
    hub_statements: tuple[Statement, ...] = ADMINISTRATOR
    hub_is_root: bool = False
    seed: int = 0
    clock: Callable[[], float] = time
    control: bool = True
    refusals: tuple[RuleRefusal, ...] = ()
    bends: tuple[Bend, ...] = ()


class State:
    """One running cloud."""

    def __init__(self, world: World, options: Options) -> None:
        self.world = world
        self.options = options
        self.quirks = options.quirks
        self.clock = _ahead(options.clock, options.quirks.clock_ahead_seconds)
        self.identities = Identities(options.quirks)
        self.meter = Meter(options.throttle)
        self.faults = Faults(options.faults, options.seed)
        self.refusals = RuleRefusals(options.refusals)
        self.bends = Bends(options.bends, options.seed)
        self.record = CallLog()
        self.nonces = Nonces(2 * options.quirks.skew_seconds)
        self.tokens = ClientTokens(options.quirks.client_token_seconds)
        self.history: dict[str, list[tuple[float, tuple[Rule, ...]]]] = {}
        self._services: dict[type[Any], Any] = {}
        self._epoch: float | None = None
        hub = world.organization.hub_account_id
        if options.hub_is_root:
            self.hub = self.identities.add_root(hub, options.hub_keys)
        else:
            self.hub = self.identities.add_user(
                hub, options.hub_user, options.hub_statements, options.hub_keys
            )

    @property
    def epoch(self) -> float:
        """When the cloud started, in seconds since 1970: the ages in a world count back from here.

        It is the time of the first request, or of the first question for it: before, a clock may not run yet.
        """
        return self.begin(self.clock()) if self._epoch is None else self._epoch

    def begin(self, now: float) -> float:
        """Take this moment as the start unless there was one before; the start."""
        self._epoch = now if self._epoch is None else self._epoch
        return self._epoch

    def of(self, kind: type[T]) -> T:
        """What a service keeps of this cloud, in a class of its own: made when first asked for, then the same."""
        if kind not in self._services:
            self._services.setdefault(kind, kind())
        found: T = self._services[kind]
        return found

    def use_faults(self, faults: Iterable[Fault]) -> None:
        """Replace the faults in force."""
        self.faults.set(faults)


def _ahead(clock: Callable[[], float], seconds: float) -> Callable[[], float]:
    return (lambda: clock() + seconds) if seconds else clock


def new_request_id() -> str:
    """A RequestId: an upper-case UUID."""
    return str(uuid.uuid4()).upper()


class Nonces:
    """The nonces seen: one cannot be used twice while its date would still be accepted."""

    def __init__(self, keep_seconds: float) -> None:
        self._keep = keep_seconds
        self._fresh: set[tuple[str, str]] = set()
        self._old: set[tuple[str, str]] = set()
        self._turned_at: float | None = None

    def use(self, access_key_id: str, nonce: str, now: float) -> bool:
        """False where this key has used the nonce before."""
        if self._turned_at is None:
            self._turned_at = now
        if now - self._turned_at >= self._keep:
            self._old, self._fresh, self._turned_at = self._fresh, set(), now
        one = (access_key_id, nonce)
        if one in self._fresh or one in self._old:
            return False
        self._fresh.add(one)
        return True


class ClientTokens:
    """What was answered under a ClientToken, so that a repeated call changes nothing twice."""

    def __init__(self, keep_seconds: float) -> None:
        self._keep = keep_seconds
        self._seen: dict[tuple[str, str, str], tuple[float, str, dict[str, object]]] = {}

    def recall(self, key: tuple[str, str, str], now: float) -> tuple[str, dict[str, object]] | None:
        """The parameters and the answer of the first call with this token."""
        found = self._seen.get(key)
        if found is None or now - found[0] >= self._keep:
            return None
        return found[1], found[2]

    def remember(
        self, key: tuple[str, str, str], now: float, parameters: str, answer: dict[str, object]
    ) -> None:
        """Keep the answer of a first call."""
        self._seen[key] = (now, parameters, answer)
