"""The parameters of a call, flattened as the wire has them: `Permissions.1.PortRange`."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.emulator.framework.errors import ApiError


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
