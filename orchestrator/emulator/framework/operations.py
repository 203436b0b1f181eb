"""What an operation of the emulated cloud is: its registration, and the context of one call of it.

A product decorates functions with `operation`; the gateway finds them by (version, action).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from orchestrator.emulator.framework.identity import Caller
from orchestrator.emulator.framework.parameters import Parameters
from orchestrator.emulator.framework.state import State
from orchestrator.emulator.world.model import Estate

Answer = dict[str, object]
Handler = Callable[["Context"], Answer]
Resources = Callable[["Context"], Iterable[str]]


@dataclass(slots=True)
class Context:
    """One verified call on its way through an operation."""

    state: State
    operation: Operation
    caller: Caller
    region_id: str
    parameters: Parameters
    request_id: str
    now: float
    body: bytes = b""
    changes: list[dict[str, object]] = field(default_factory=list)

    @property
    def account_id(self) -> str:
        """The account the call acts in."""
        return self.caller.account_id

    @property
    def estate(self) -> Estate:
        """What the account owns in the call's region."""
        return self.state.world.estate(self.account_id, self.region_id)

    def changed(self, what: str, **details: object) -> None:
        """Note a change for the record of calls: tests judge by it."""
        self.changes.append({"what": what, **details})


ANY_RESOURCE: Final = ("*",)


def any_resource(_: Context) -> Iterable[str]:
    """For operations without resource-level authorization: only a policy's Resource `*` matches."""
    return ANY_RESOURCE


@dataclass(frozen=True, slots=True)
class Operation:
    """One action of one product version.

    `listing` is the path of the array in the answer, for the faults that empty a list.
    `region_by_host`: where no RegionId is given, the region is that of the endpoint.
    `guarded` is False where no permission is needed.
    `metered` is False where the cloud does not limit calls of an account.
    `calls_per_second` is a limit of its own, for an account in all regions: in force where calls are limited at all.
    `unpermitted` answers, in place of a refusal, a caller who lacks the permission.
    `ram_prefix` and `ram_action`: what RAM calls the product and the action where it has names of its own for them.
    """

    product: str
    version: str
    action: str
    handler: Handler
    resources: Resources = any_resource
    listing: tuple[str, ...] = ()
    guarded: bool = True
    metered: bool = True
    regional: bool = False
    region_by_host: bool = False
    mutating: bool = False
    calls_per_second: int = 0
    unpermitted: Handler | None = None
    ram_prefix: str = ""
    ram_action: str = ""

    @property
    def permission(self) -> str:
        """The RAM action, like `ecs:RevokeSecurityGroup`."""
        return f"{self.ram_prefix or self.product}:{self.ram_action or self.action}"


REGISTRY: dict[tuple[str, str], Operation] = {}


def operation(
    product: str,
    versions: str | tuple[str, ...],
    action: str,
    **options: object,
) -> Callable[[Handler], Handler]:
    """Register the decorated function as `action` of these versions of a product."""

    def register(handler: Handler) -> Handler:
        for version in (versions,) if isinstance(versions, str) else versions:
            made = Operation(product, version, action, handler, **options)  # type: ignore[arg-type]  # its own fields
            REGISTRY[version, action] = made
        return handler

    return register
