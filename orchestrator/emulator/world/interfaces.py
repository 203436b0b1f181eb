"""Instances and network interfaces: what groups are attached to, and what has a public address."""

from __future__ import annotations

import random
from collections.abc import Iterator

from msgspec.structs import replace

from orchestrator.emulator.world.model import Estate, Group, Interface
from orchestrator.emulator.world.regions import BY_ID


def make(seed: int, account_id: str, region_id: str, estate: Estate) -> tuple[Interface, ...]:
    """The interfaces of an estate: some groups have none, some several, some interfaces are in two groups."""
    rng = random.Random(f"attachments/{seed}/{account_id}/{region_id}")
    code = BY_ID[region_id].id_code if region_id in BY_ID else "xx0"
    found: list[Interface] = []
    for group in estate.groups.values():
        if rng.random() < 0.35:
            continue
        peers = [
            other.security_group_id
            for other in estate.groups.values()
            if other is not group and other.vpc_id == group.vpc_id and other.kind == group.kind
        ]
        found.extend(_interface(rng, code, group, peers) for _ in range(rng.choice((1, 1, 2, 3, 6))))
    joined = {one for balancer in estate.balancers.values() for one in balancer.group_ids}
    return tuple(_attached([_apart(one, joined) for one in found]))


def _apart(one: Interface, joined: set[str]) -> Interface:
    """A group that a balancer joined is there for it: it shares no interface with another."""
    if not joined.intersection(one.group_ids):
        return one
    return replace(one, group_ids=one.group_ids[:1])


def _attached(found: list[Interface]) -> Iterator[Interface]:
    """Attach each secondary interface to an instance that there is; its public address can only be elastic."""
    instance_id = ""
    for one in found:
        if one.primary or not instance_id:
            instance_id = one.instance_id
            yield replace(one, primary=True, status="InUse")
        else:
            public_ip = one.public_ip if one.allocation_id else ""
            yield replace(one, instance_id=instance_id, public_ip=public_ip)


def _interface(rng: random.Random, code: str, group: Group, peers: list[str]) -> Interface:
    groups = [group.security_group_id]
    if peers and rng.random() < 0.25:
        groups.append(rng.choice(peers))
    public = rng.random()
    address = f"47.{rng.randrange(74, 120)}.{rng.randrange(256)}.{rng.randrange(1, 255)}"
    secondary = rng.random() < 0.15
    return Interface(
        interface_id=f"eni-{code}{rng.getrandbits(68):017x}",
        group_ids=tuple(groups),
        private_ip=f"10.{rng.randrange(256)}.{rng.randrange(256)}.{rng.randrange(1, 255)}",
        instance_id=f"i-{code}{rng.getrandbits(68):017x}",
        primary=not secondary,
        vpc_id=group.vpc_id,
        public_ip=address if public < 0.4 else "",
        allocation_id=f"eip-{code}{rng.getrandbits(68):017x}" if public < 0.15 else "",
        ipv6=f"2408:4000:{rng.getrandbits(16):x}:{rng.getrandbits(16):x}::{rng.getrandbits(16):x}"
        if public > 0.9
        else "",
        status="Available" if secondary and rng.random() < 0.2 else "InUse",
        service_managed=group.service_managed,
    )
