"""Random worlds of doors, interfaces, flow logs and their records, each made of a seed."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any

from orchestrator.emulator import Flow, Group, Quirks, Rule
from orchestrator.emulator.services.log_service.logstores import FLOW_FIELDS
from orchestrator.emulator.world.model import FlowLog, Interface, PrefixList
from orchestrator.policy import Finding
from tests.evidence.oracle import DAY, AskedDoor, Oracle, Store
from tests.evidence.traffic_kit import LOGSTORE, NOW, door, group, interface, log, rule, vswitch

SOURCES = (
    "0.0.0.0/0",
    "203.0.113.0/24",
    "203.0.113.0/28",
    "198.51.100.0/24",
    "10.0.0.0/8",
    "::/0",
    "2001:db8::/32",
)
PEOPLE = (
    "203.0.113.1", "203.0.113.2", "203.0.113.3", "203.0.113.77", "198.51.100.9", "198.51.100.8", "8.8.8.8",
    "10.0.0.250", "2001:db8::1", "2400:3200::1",
)  # fmt: skip
LISTS = {"pl-1": ("203.0.113.0/25", "198.51.100.0/24"), "pl-2": ("2001:db8::/33", "2400:3200::/32")}
SERVICES = (
    *[(6, 22)] * 6, *[(6, 3389)] * 3, *[(17, 53)] * 3, *[(1, 0)] * 3, (6, 19), (6, 20), (6, 25), (6, 26), (6, 443),
    (6, 3000), (6, 3001), (17, 54),
)  # fmt: skip
FLAGS = (2, 2, 18, 24, 27, 6, 20, 4, 31, 0)
FLAWS: tuple[dict[str, Any], ...] = (
    {"age_days": 2.5}, {"status": "Inactive"}, {"traffic_type": "Drop"}, {"traffic_path": ("internetGateway",)},
    {"deliver_status": "FAILED"}, {"business_status": "FinancialLocked"},
)  # fmt: skip
PORTS = {"tcp/22": (6, 22, 22), "tcp/3389": (6, 3389, 3389), "udp/53": (17, 53, 53), "icmp": (1, 0, 0)}
PORTS["tcp/1-65535"] = (6, 1, 65_535)
LAST = int(NOW.timestamp())


@dataclass
class RandomWorld:
    """What is put into the emulator, what is asked, and what the oracle knows of it."""

    seed: int
    groups: tuple[Group, ...]
    prefix_lists: tuple[PrefixList, ...]
    interfaces: tuple[Interface, ...]
    logs: tuple[FlowLog, ...]
    stores: dict[str, Store]
    findings: list[Finding]
    doors: list[AskedDoor]
    days: int
    quirks: Quirks

    @property
    def oracle(self) -> Oracle:
        """Who used its doors."""
        return Oracle(
            groups={one.security_group_id: one for one in self.groups},
            prefix_lists=LISTS,
            interfaces=self.interfaces,
            logs=self.logs,
            stores=self.stores,
            now=LAST,
            days=self.days,
            asked=self.doors,
        )


def make(seed: int) -> RandomWorld:
    """The world of a seed."""
    rng = Random(seed)  # noqa: S311 - worlds are for reproduction
    groups = _groups(rng)
    interfaces = _interfaces(rng, len(groups))
    stores = {f"flows-{seed}-{letter}": _store(rng) for letter in "ab"}
    logs = _logs(rng, interfaces, sorted(stores))
    for store in stores.values():
        store.rows = _rows(rng, interfaces) if not store.is_gone else []
    findings, doors = _doors(rng, groups)
    return RandomWorld(
        seed=seed,
        groups=groups,
        prefix_lists=tuple(
            PrefixList(name, name, "IPv6" if name == "pl-2" else "IPv4", entries)
            for name, entries in LISTS.items()
        ),
        interfaces=interfaces,
        logs=logs,
        stores=stores,
        findings=findings,
        doors=doors,
        days=rng.choice((1, 7, 14, 14, 30)),
        quirks=_quirks(rng),
    )


def _quirks(rng: Random) -> Quirks:
    kinds: tuple[dict[str, Any], ...] = (
        *[{}] * 8, {"log_incomplete_times": 1}, {"log_incomplete_times": 2}, {"log_longest_seconds": 2 * DAY},
        {"log_longest_seconds": DAY // 2}, {"log_bytes_per_query": 12_000},
    )  # fmt: skip
    return Quirks(skew_seconds=1e9, **rng.choice(kinds))


def _groups(rng: Random) -> tuple[Group, ...]:
    found, number = [], 0
    for at in range(1, rng.randint(2, 4)):
        rules = []
        for _ in range(rng.randint(1, 4)):
            number += 1
            rules.append(_rule(rng, number))
        found.append(group(at, *rules))
    return tuple(found)


def _rule(rng: Random, number: int) -> Rule:
    protocol, ports = rng.choice(
        (("TCP", "22/22"), ("TCP", "20/25"), ("TCP", "3389/3389"), ("TCP", "-1/-1"), ("TCP", "1/3000"),
         ("UDP", "53/53"), ("UDP", "1/65535"), ("ALL", "-1/-1"), ("ICMP", "-1/-1"))
    )  # fmt: skip
    more: dict[str, Any] = {"ip_protocol": protocol, "priority": rng.randint(1, 3)}
    source = rng.choice(SOURCES)
    if rng.random() < 0.15:
        chosen = rng.choice(sorted(LISTS))
        return Rule(f"sgr-{number}", port_range=ports, source_prefix_list_id=chosen, **more)
    if rng.random() < 0.15:
        return rule(number, ports, source, policy="Drop", **more)
    kind = rng.random()
    if kind < 0.06:
        return Rule(f"sgr-{number}", port_range=ports, source_group_id="sg-9", **more)
    if kind < 0.12 and protocol in {"TCP", "UDP"}:
        return rule(number, ports, source, source_port_range="1000/2000", **more)
    if kind < 0.18 and ":" not in source:
        return rule(number, ports, source, dest_cidr_ip="10.0.0.0/9", **more)
    return rule(number, ports, source, **more)


def _interfaces(rng: Random, groups: int) -> tuple[Interface, ...]:
    return tuple(
        interface(
            number,
            *rng.sample(range(1, groups + 1), rng.randint(1, groups)),
            **({"status": "Available", "instance_id": "", "primary": False} if rng.random() < 0.05 else {}),
        )
        for number in range(1, rng.randint(1, 5))
    )


def _store(rng: Random) -> Store:
    return Store(
        ttl_days=rng.choice((7, 30, 90, 90, 90)),
        created=LAST - int(rng.choice((100, 100, 100, 100, 100, 100, 3.5)) * DAY),
        indexed_since=LAST - int(rng.choice((100, 100, 100, 100, 100, 100, 5.5)) * DAY),
        unseen=rng.choice([one.name for one in FLOW_FIELDS]) if rng.random() < 0.04 else "",
        is_gone=rng.random() < 0.05,
    )


def _logs(rng: Random, interfaces: tuple[Interface, ...], projects: list[str]) -> tuple[FlowLog, ...]:
    resources = ["vpc-1", "vpc-1", "vpc-1", vswitch(), *(one.interface_id for one in interfaces)]
    found = []
    for number in range(1, rng.choice((1, 2, 2, 3, 4, 5))):
        flaw = rng.choice(FLAWS) if rng.random() < 0.12 else {}
        version = rng.choice(("IPv4", *["DualStack"] * 5))
        more = {
            "project": rng.choice(projects[:1] * 3 + projects),
            "logstore": LOGSTORE,
            "ip_version": version,
        }
        found.append(log(number, rng.choice(resources), **{**more, **flaw}))
    return tuple(found)


def _rows(rng: Random, interfaces: tuple[Interface, ...]) -> list[Flow]:
    rows: list[Flow] = []
    for one in interfaces:
        rows += [_row(rng, one) for _ in range(rng.choice((0, 3, 10, 60)))]
        rows += [
            _of(one, _end(rng), log_status="NODATA", direction="-", action="-")
            for _ in range(rng.choice((0, 1, 1, 1, 2)))
        ]
        if rng.random() < 0.05:
            rows.append(_of(one, _end(rng), log_status="SKIPDATA", direction="-", action="-"))
    rng.shuffle(rows)
    return rows


def _end(rng: Random) -> int:
    return LAST - 300 - 600 * rng.randrange(rng.choice((1, 6, 13, 13, 40)) * 144)


def _of(one: Interface, end: int, **more: Any) -> Flow:
    usual: dict[str, Any] = {"account_id": "1", "vpc_id": "vpc-1", "eni_id": one.interface_id}
    return Flow(end, **{**usual, "start": end - 600, "end": end, **more})


def _row(rng: Random, one: Interface) -> Flow:
    protocol, port = rng.choice(SERVICES)
    packets = rng.choice((1, 2, 3, 4, 50))
    there = _of(
        one, _end(rng), srcaddr=rng.choice(PEOPLE), srcport=rng.randint(1024, 65_535), dstaddr=one.private_ip,
        dstport=port, protocol=protocol, direction="in", packets=packets, bytes=packets * rng.randint(40, 1400),
        action="REJECT" if rng.random() < 0.1 else "ACCEPT",
        tcp_flags=rng.choice(FLAGS) if protocol == 6 else None,
    )  # fmt: skip
    if rng.random() < 0.3:
        return there._replace(
            direction="out",
            srcaddr=there.dstaddr,
            srcport=there.dstport,
            dstaddr=there.srcaddr,
            dstport=there.srcport,
        )
    return there


def _likely(one: Rule) -> list[str]:
    """Ports that a finding of a rule is likely to be about, and now and then others."""
    about = {"TCP": ["tcp/22", "tcp/3389", "tcp/1-65535"], "UDP": ["udp/53"], "ICMP": ["icmp"]}
    every = sorted(PORTS)
    return about.get(one.ip_protocol, every) * 6 + every


def _doors(rng: Random, groups: tuple[Group, ...]) -> tuple[list[Finding], list[AskedDoor]]:
    findings, doors = [], []
    for one in groups:
        for each in one.rules:
            if each.policy == "Drop" or each.source_group_id or rng.random() < 0.2:
                continue
            names = sorted(set(rng.choices(_likely(each), k=2)))
            group_number, rule_number = int(one.security_group_id[3:]), int(each.security_group_rule_id[4:])
            findings.append(door(group_number, rule_number, *names))
            doors.append(
                AskedDoor(
                    one.security_group_id, each.security_group_rule_id, tuple(PORTS[name] for name in names)
                )
            )
    return findings, doors
