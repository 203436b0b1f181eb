"""What an operation of the emulated cloud is: its registration, its context, its parameters and its errors.

A product is a module that decorates functions with `operation`; the gateway finds them by (version, action).
Growing the emulator by a product is adding a file and importing it in `products.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from orchestrator.emulator.identity import Caller
    from orchestrator.emulator.state import State

Answer = dict[str, object]
Handler = Callable[["Context"], Answer]
Resources = Callable[["Context"], Iterable[str]]


class ApiError(Exception):
    """A refusal in the API's own terms: HTTP status, `Code`, `Message`."""

    def __init__(self, status: int, code: str, message: str, **details: object) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.details = details


class Parameters:
    """The flattened parameters of one call, as they came over the wire."""

    __slots__ = ("wire",)

    def __init__(self, wire: Mapping[str, str]) -> None:
        self.wire = wire

    def text(self, name: str, default: str = "") -> str:
        """The value, or `default` where it is absent or empty."""
        return self.wire.get(name) or default

    def required(self, name: str) -> str:
        """The value; 400 MissingParameter where it is absent or empty."""
        value = self.wire.get(name)
        if not value:
            raise ApiError(
                400, "MissingParameter", f'The input parameter "{name}" that is mandatory is not supplied.'
            )
        return value

    def integer(self, name: str, default: int, low: int, high: int) -> int:
        """A number within [low, high], else 400 InvalidParameter."""
        text = self.wire.get(name)
        if not text:
            return default
        if not text.isascii() or not text.isdigit() or not low <= int(text) <= high:
            raise ApiError(
                400, "InvalidParameter", f"The specified parameter {name} is not valid: {text[:40]}."
            )
        return int(text)

    def flag(self, name: str) -> bool | None:
        """True or False, or None where it is absent. Python clients send "True", others "true"."""
        text = self.wire.get(name, "").lower()
        if text not in {"", "true", "false"}:
            raise ApiError(400, "InvalidParameter", f"The specified parameter {name} is not valid.")
        return None if not text else text == "true"

    def items(self, name: str, most: int = 100) -> list[str]:
        """The values of `name.1`, `name.2`, … in their order."""
        prefix = f"{name}."
        found = [
            (int(key[len(prefix) :]), value)
            for key, value in self.wire.items()
            if key.startswith(prefix) and key[len(prefix) :].isdecimal()
        ]
        if len(found) > most:
            raise ApiError(
                400, "InvalidParameter", f"The specified parameter {name} has more than {most} items."
            )
        return [value for _, value in sorted(found)]

    def structs(self, name: str, most: int = 100) -> list[dict[str, str]]:
        """The items of `name.1.Key`, `name.2.Key`, … as dictionaries in their order."""
        prefix = f"{name}."
        found: dict[int, dict[str, str]] = {}
        for key, value in self.wire.items():
            number, dot, rest = key[len(prefix) :].partition(".")
            if key.startswith(prefix) and dot and number.isdecimal():
                found.setdefault(int(number), {})[rest] = value
        if len(found) > most:
            raise ApiError(
                400, "InvalidParameter", f"The specified parameter {name} has more than {most} items."
            )
        return [found[number] for number in sorted(found)]


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
    changes: list[dict[str, object]] = field(default_factory=list)

    @property
    def account_id(self) -> str:
        """The account the call acts in."""
        return self.caller.account_id

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
    `unpermitted` answers, in place of a refusal, a caller who lacks the permission.
    """

    product: str
    version: str
    action: str
    handler: Handler
    resources: Resources = any_resource
    listing: tuple[str, ...] = ()
    guarded: bool = True
    regional: bool = False
    region_by_host: bool = False
    mutating: bool = False
    unpermitted: Handler | None = None
    ram_prefix: str = ""

    @property
    def permission(self) -> str:
        """The RAM action, like `ecs:RevokeSecurityGroup`."""
        return f"{self.ram_prefix or self.product}:{self.action}"


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
