"""Worlds made to measure: how many accounts, regions, groups and rules is known beforehand."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from random import Random

from orchestrator.emulator import Group, Rule, World, WorldOutline
from orchestrator.emulator.world.archetypes import BENIGN, RISKY, Site
from orchestrator.emulator.world.regions import BY_ID

ANYONE = "0.0.0.0/0"


def _empty(accounts: int, regions: int) -> World:
    """An organization that owns nothing."""
    world = World.generate(WorldOutline(7, accounts, groups_per_account=0, region_ids=regions))
    for region_id in world.region_ids:
        world.estate(world.account_ids[0], region_id).groups.clear()
    return world


def generated(accounts: int, regions: int = 28, groups: float = 40.0) -> World:
    """An organization as `sgsweep emulate` makes it."""
    return World.generate(WorldOutline(7, accounts, groups_per_account=groups, region_ids=regions))


def realistic(accounts: int, regions: int, groups: int) -> World:
    """So many groups of all archetypes in each region of the management account and of each member."""
    world = _empty(accounts, regions)
    makers = [make for _, make in (*BENIGN, *RISKY)]
    for account_id in world.account_ids:
        for region_id in world.region_ids:
            estate = world.estate(account_id, region_id)
            rng = Random(f"{account_id}/{region_id}")  # noqa: S311 - seeded for reproduction, not for secrecy
            site = Site(rng, account_id, region_id, BY_ID[region_id].id_code, estate)
            for number in range(groups):
                group = makers[number % len(makers)](site)
                estate.groups[group.security_group_id] = group
    return world


def uniform(
    accounts: int,
    regions: int,
    groups: int,
    rules: int,
    risky: tuple[str, ...] = ("22/22",),
    risky_every: int = 2,
) -> World:
    """So many groups in each region, each with so many rules; one of `risky_every` opens the risky ports to all."""
    world = _empty(accounts - 1, regions)
    for account_id in world.account_ids:
        for region_id in world.region_ids:
            for group in _groups(account_id, region_id, groups, rules, risky, risky_every):
                world.put(account_id, region_id, group)
    return world


def unequal(groups: Iterable[int]) -> World:
    """One account; the first region has the first number of groups, and so on. Every group has ten rules."""
    counts = tuple(groups)
    world = _empty(0, len(counts))
    account_id = world.account_ids[0]
    for region_id, count in zip(world.region_ids, counts, strict=True):
        for group in _groups(account_id, region_id, count, 10, ("22/22",)):
            world.put(account_id, region_id, group)
    return world


def risky(accounts: int, regions: int, groups: int, ports: tuple[str, ...]) -> World:
    """So many groups in each region; each opens all of the ports to all, beside five rules that are fine."""
    world = _empty(accounts - 1, regions)
    for account_id in world.account_ids:
        for region_id in world.region_ids:
            for number in range(groups):
                name = f"{account_id[-6:]}{BY_ID[region_id].id_code}{number}"
                world.put(account_id, region_id, _group(name, len(ports) + 5, ports))
    return world


def _groups(
    account_id: str, region_id: str, groups: int, rules: int, risky: tuple[str, ...], risky_every: int = 2
) -> Iterable[Group]:
    for number in range(groups):
        name = f"{account_id[-6:]}{BY_ID[region_id].id_code}{number}"
        yield _group(name, rules, risky if number % risky_every == 1 else ())


def _group(name: str, rules: int, risky: tuple[str, ...]) -> Group:
    opened = [_rule(f"{name}x{n}", ports, ANYONE) for n, ports in enumerate(risky)]
    fine = [
        _rule(f"{name}r{n}", f"{8000 + n}/{8000 + n}", f"10.{n % 250}.0.0/16")
        for n in range(rules - len(opened))
    ]
    return Group(f"sg-{name}", name=f"group-{name}", vpc_id="vpc-1", rules=(*opened, *fine))


def _rule(name: str, ports: str, source: str) -> Rule:
    return Rule(f"sgr-{name}", port_range=ports, source_cidr_ip=source, create_time="2026-01-01T00:00:00Z")


MAKERS: dict[str, Callable[..., World]] = {
    "generated": generated,
    "realistic": realistic,
    "uniform": uniform,
    "risky": risky,
}
