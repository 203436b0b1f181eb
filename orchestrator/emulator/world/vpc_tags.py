"""What is written on the VPCs of a region: on some who owns them, on some nothing."""

from __future__ import annotations

from typing import Final

from orchestrator.emulator.world.model import Tag
from orchestrator.emulator.world.origin import Origin

_TEAMS: Final = ("network", "platform", "payments", "data", "mobile")


def make(origin: Origin) -> dict[str, tuple[Tag, ...]]:
    """The tags by VPC, of those that the groups are in."""
    dice = origin.dice("vpc-tags")
    found: dict[str, tuple[Tag, ...]] = {}
    for vpc_id in dict.fromkeys(group.vpc_id for group in origin.estate.groups.values() if group.vpc_id):
        team = dice.rng.choice(_TEAMS)
        owner = (Tag("owner", f"{team}@example.org"),) if dice.rng.random() < 0.6 else ()
        found[vpc_id] = (*owner, Tag("env", dice.rng.choice(("prod", "test"))))
    return found
