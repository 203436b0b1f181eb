"""Ports of any protocols as one set, and how it crosses JSON."""

from collections.abc import Iterable, Iterator
from functools import cached_property

from orchestrator.exposure.intervals import NOTHING, Interval, Intervals, both, minus, normal
from orchestrator.securitygroup import PortRange, parse_ports


class PortSet:
    """An immutable set of ports, as few ranges as possible, by protocol in the order in which these were named.

    A protocol without ports has the port 0. Two sets are equal if they hold the same ports.
    """

    def __init__(self, ranges: Iterable[PortRange] = ()) -> None:
        pairs: dict[str, list[Interval]] = {}
        for one in ranges:
            pairs.setdefault(one.protocol, []).append((one.first, one.last))
        self._numbers = {protocol: normal(mine) for protocol, mine in pairs.items()}

    def __iter__(self) -> Iterator[PortRange]:
        return iter(_ranges(self._numbers.items()))

    def __bool__(self) -> bool:
        return bool(self._numbers)

    def __eq__(self, other: object) -> bool:
        return self._numbers == other._numbers if isinstance(other, PortSet) else NotImplemented

    def __hash__(self) -> int:
        return hash(frozenset(self._numbers.items()))

    def __and__(self, other: "PortSet") -> "PortSet":
        return PortSet(
            _ranges([(key, both(mine, other.numbers(key))) for key, mine in self._numbers.items()])
        )

    def __sub__(self, other: "PortSet") -> "PortSet":
        return PortSet(
            _ranges([(key, minus(mine, other.numbers(key))) for key, mine in self._numbers.items()])
        )

    def __le__(self, other: "PortSet") -> bool:
        return not self - other

    def __repr__(self) -> str:
        return f"<PortSet {self}>"

    def __str__(self) -> str:
        return ", ".join(self.texts)

    @cached_property
    def texts(self) -> tuple[str, ...]:
        """Each range as sgsweep writes it: "tcp/22", "tcp/6000-6010", "icmp"."""
        return tuple([str(one) for one in self])

    @property
    def protocols(self) -> tuple[str, ...]:
        """Those of which it holds ports."""
        return tuple(self._numbers)

    def numbers(self, protocol: str) -> Intervals:
        """The ports of one protocol."""
        return self._numbers.get(protocol, NOTHING)


def _ranges(by_protocol: Iterable[tuple[str, Intervals]]) -> list[PortRange]:
    return [PortRange(protocol, first, last) for protocol, pairs in by_protocol for first, last in pairs]


NO_PORTS = PortSet()


def ports_to_json(value: object) -> tuple[str, ...]:
    """A set of ports as JSON has it, a list of texts; for msgspec's `enc_hook`."""
    if isinstance(value, PortSet):
        return value.texts
    raise NotImplementedError(f"{type(value).__name__} does not go into JSON")


def ports_from_json(kind: type, value: object) -> object:
    """The set that a list of texts names; for msgspec's `dec_hook`, which refuses what comes back of another kind.

    Raises:
        ValueError, TypeError: the value names no ports; msgspec makes a ValidationError of it.
    """
    if kind is not PortSet:
        return value
    if not isinstance(value, list | tuple):
        raise TypeError("ports are a list of texts")
    return PortSet([parse_ports(str(text)) for text in value])
