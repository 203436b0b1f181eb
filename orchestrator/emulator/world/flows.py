"""Flow logs: what went in and out of the network interfaces of a region, as VPC writes it to Log Service.

The traffic of an interface is of one kind: few partners who use an open port, scanners who knock, both, or nobody; some
logs have gaps. Fields and their meaning: "VPC flow logs, Log fields" (help of Simple Log Service). A world has no
clock, so the rows are made for the days before a moment.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Network
from typing import Any, Final, NamedTuple

from orchestrator.emulator.world.flow_logs import covering, writes
from orchestrator.emulator.world.model import Estate, FlowLog, Group, Interface
from orchestrator.emulator.world.origin import vswitch_of

DAYS: Final = 15
WINDOW_SECONDS: Final = 600
"""AggregationInterval: ten minutes, the default of CreateFlowLog."""
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
TCP, UDP = 6, 17

_INTERNET: Final = ("0.0.0.0/0", "0.0.0.0/1", "128.0.0.0/1")
_KINDS: Final = ("used", "knocked", "both", "quiet", "gap")
_SCANNED: Final = (21, 23, 445, 1433, 5900, 8080, 8443, 9000)
_DAY: Final = 86_400


class Flow(NamedTuple):
    """One record. `time` is `__time__`, Unix seconds, as `start` and `end`, which bound the record's window.

    `log_status` is OK, NODATA or SKIPDATA; the latter two have no addresses, ports, packets and action. `tcp_flags`
    are those of all packets of the window, or-ed.
    """

    time: int
    account_id: str
    vpc_id: str = ""
    vswitch_id: str = ""
    vm_id: str = ""
    eni_id: str = ""
    srcaddr: str = "-"
    srcport: int | None = None
    dstaddr: str = "-"
    dstport: int | None = None
    protocol: int | None = None
    direction: str = "-"
    packets: int | None = None
    bytes: int | None = None
    start: int = 0
    end: int = 0
    log_status: str = "OK"
    action: str = "-"
    tcp_flags: int | None = None


FIELDS: Final = tuple(name.replace("_", "-") for name in Flow._fields[1:])
"""The names that the fields have in the log, in the order of `Flow` after its time."""
NUMBERS: Final = frozenset(
    {"srcport", "dstport", "protocol", "packets", "bytes", "start", "end", "tcp-flags"}
)
"""Which of them are indexed as `long`; the others are `text`."""


def logged(interfaces: Iterable[Interface]) -> tuple[Interface, ...]:
    """The interfaces that can be in a flow log: those of a VPC that are in use."""
    return tuple(one for one in interfaces if one.vpc_id and one.status == "InUse")


def make(
    seed: int, account_id: str, estate: Estate, interfaces: Iterable[Interface], until: float
) -> Iterator[Flow]:
    """The records of the last days of these interfaces, one interface after the other.

    `until` is Unix seconds; the last window is the one that ended before it. The same seed gives the same traffic,
    moved in time with `until`.
    """
    last = int(until) // WINDOW_SECONDS * WINDOW_SECONDS
    for one in logged(interfaces):
        rng = random.Random(f"flows/{seed}/{account_id}/{one.interface_id}")
        groups = [estate.groups[key] for key in one.group_ids if key in estate.groups]
        yield from _Traffic(rng, account_id, one, last).of(rng.choice(_KINDS), _open_ports(groups))


def written(
    rows: Iterable[Flow], interfaces: Iterable[Interface], logs: Iterable[FlowLog], until: float
) -> Iterator[Flow]:
    """Those of the records that some flow log of their interface has written."""
    every = tuple(logs)
    of = {one.interface_id: covering(every, one) for one in interfaces}
    for row in rows:
        if any(writes(log, row.action, until - row.start) for log in of.get(row.eni_id, ())):
            yield row


def _open_ports(groups: list[Group]) -> list[tuple[int, str]]:
    """TCP ports that a rule of the groups lets in, with the rule's source; nothing where a rule drops.

    This is no judgement of the groups: it only keeps the records from contradicting the rules.
    """
    rules = [rule for group in groups for rule in group.rules if rule.direction == "ingress"]
    if any(rule.policy.lower() == "drop" for rule in rules):
        return []
    found = []
    for rule in rules:
        low, _, high = rule.port_range.partition("/")
        if rule.ip_protocol.upper() == "TCP" and rule.source_cidr_ip and low == high and low.isdigit():
            found.append((int(low), rule.source_cidr_ip))
    return found


class _Traffic:
    """The records of one interface; `last` is the end of its last window, Unix seconds."""

    def __init__(self, rng: random.Random, account_id: str, interface: Interface, last: int) -> None:
        self._rng = rng
        self._last = last
        self._address = interface.private_ip
        self._nothing = Flow(
            time=last,
            account_id=account_id,
            vpc_id=interface.vpc_id,
            vswitch_id=vswitch_of(interface.vpc_id),
            vm_id=interface.instance_id or "-",
            eni_id=interface.interface_id,
        )

    def of(self, kind: str, ports: list[tuple[int, str]]) -> Iterator[Flow]:
        """The records of a kind of traffic to ports that are open to a source."""
        if kind in {"used", "both"}:
            for port, source in ports[:4]:
                yield from self._use(port, source)
        if kind in {"knocked", "both"}:
            for port, source in ports[:4]:
                if source in _INTERNET:
                    yield from self._knocks(port)
        yield from self._refused({port for port, _ in ports})
        for _ in range(self._rng.randint(1, 3)):
            yield self._window(log_status="NODATA")
        if kind == "gap":
            for _ in range(self._rng.randint(1, 4)):
                yield self._window(log_status="SKIPDATA")

    def _window(self, **more: Any) -> Flow:  # noqa: ANN401 - fields of several types
        """A record of a random window, with fields of `Flow`."""
        end = self._last - self._rng.randrange(DAYS * _DAY // WINDOW_SECONDS) * WINDOW_SECONDS
        return self._nothing._replace(time=end, start=end - WINDOW_SECONDS, end=end, **more)

    def _use(self, port: int, source: str) -> Iterator[Flow]:
        """Two or three partners, with the answers that they got."""
        for _ in range(self._rng.randint(2, 3)):
            partner = self._within(source)
            for _ in range(self._rng.randint(5, 15)):
                packets, client = self._rng.randint(6, 400), self._rng.randint(32_768, 60_999)
                there = self._window(
                    srcaddr=partner, srcport=client, dstaddr=self._address, dstport=port, protocol=TCP,
                    direction="in", packets=packets, bytes=packets * self._rng.randint(60, 900),
                    action="ACCEPT", tcp_flags=SYN | ACK | PSH | self._rng.choice((FIN, 0)),
                )  # fmt: skip
                yield there
                yield there._replace(
                    srcaddr=self._address, srcport=port, dstaddr=partner, dstport=client,
                    direction="out", bytes=packets * self._rng.randint(60, 1_400),
                )  # fmt: skip

    def _knocks(self, port: int) -> Iterator[Flow]:
        """Scanners: a SYN that nothing follows, or that is reset at once."""
        for _ in range(self._rng.randint(10, 30)):
            packets = self._rng.randint(1, 2)
            yield self._window(
                srcaddr=self._within("0.0.0.0/0"), srcport=self._rng.randint(1024, 65_535),
                dstaddr=self._address, dstport=port, protocol=TCP, direction="in", packets=packets,
                bytes=packets * 44, action="ACCEPT", tcp_flags=self._rng.choice((SYN, SYN | RST)),
            )  # fmt: skip

    def _refused(self, opened: set[int]) -> Iterator[Flow]:
        """Scanners at ports that no rule opens."""
        for _ in range(self._rng.randint(3, 10)):
            port = self._rng.choice([one for one in _SCANNED if one not in opened])
            yield self._window(
                srcaddr=self._within("0.0.0.0/0"), srcport=self._rng.randint(1024, 65_535),
                dstaddr=self._address, dstport=port, protocol=TCP, direction="in", packets=1, bytes=44,
                action="REJECT", tcp_flags=SYN,
            )  # fmt: skip

    def _within(self, cidr: str) -> str:
        """An address within a block; of the whole Internet, one that is public for certain."""
        if cidr in _INTERNET:
            first = self._rng.choice(
                (36, 45, 58, 101, 120) if cidr != "128.0.0.0/1" else (139, 180, 203, 218)
            )
            rest = (self._rng.randrange(4, 250) for _ in range(3))
            return ".".join(map(str, (first, *rest)))
        try:
            block = IPv4Network(cidr, strict=False)
        except ValueError:
            return "198.18.0.1"
        return str(block[self._rng.randrange(block.num_addresses)])
