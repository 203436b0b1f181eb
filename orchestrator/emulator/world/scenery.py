"""What accounts own: security groups as consoles, teams and services leave them, from a seed.

About half of the accounts are careful: nothing of theirs fails a check. The hub's account owns one group of
every archetype in its first region, so that the smallest world shows everything, and groups in most other
regions.
"""

from __future__ import annotations

import random
from typing import Final

from msgspec import Struct

from orchestrator.emulator.world.archetypes import BENIGN, RARE, RISKY, Archetype, Site
from orchestrator.emulator.world.balanced import BALANCED
from orchestrator.emulator.world.model import Estate, Group
from orchestrator.emulator.world.regions import BY_ID

_LARGE_SHARE: Final = 1 / 2000


class Recipe(Struct, frozen=True):
    """How estates are made: the same recipe gives the same world."""

    seed: int
    groups_per_account: float = 40.0
    careful_share: float = 0.5
    balancers: bool = False
    """Also groups that load balancers have joined: some in careful accounts, too, for no rule opens them."""


class Scenery:
    """Makes the estate of any account and region, each from its own seed, in any order."""

    def __init__(self, recipe: Recipe, region_ids: tuple[str, ...], hub_account_id: str) -> None:
        self._recipe = recipe
        self._regions = region_ids
        self._hub = hub_account_id
        self._plans: dict[str, tuple[bool, dict[str, int]]] = {}

    def careful(self, account_id: str) -> bool:
        """Whether the account has no risky groups. The hub's is never careful."""
        return self._plan(account_id)[0]

    def _plan(self, account_id: str) -> tuple[bool, dict[str, int]]:
        plan = self._plans.get(account_id)
        if plan is None:
            rng = random.Random(f"account/{self._recipe.seed}/{account_id}")
            careful = rng.random() < self._recipe.careful_share and account_id != self._hub
            plan = self._plans[account_id] = (careful, self._spread(rng, account_id))
        return plan

    def _spread(self, rng: random.Random, account_id: str) -> dict[str, int]:
        """How many groups each region has: most in a few home regions, a few or none elsewhere."""
        total = round(self._recipe.groups_per_account * rng.choice((0.3, 0.6, 0.8, 1.0, 1.0, 1.3, 2.0)))
        homes = rng.sample(self._regions, min(len(self._regions), rng.randint(2, 6)))
        counts = dict.fromkeys(self._regions, 0)
        for _ in range(total):
            counts[rng.choice(homes if rng.random() < 0.75 else self._regions)] += 1
        if account_id == self._hub:
            counts = {region: max(count, rng.choice((1, 1, 1, 0))) for region, count in counts.items()}
        return counts

    def estate(self, account_id: str, region_id: str) -> Estate:
        """The estate of one account in one region."""
        return self.made(account_id, region_id)[0]

    def made(self, account_id: str, region_id: str) -> tuple[Estate, list[Archetype]]:
        """The estate, and what each of its groups was made as, in their order."""
        careful, counts = self._plan(account_id)
        number = counts.get(region_id, 0)
        estate = Estate()
        showcase = account_id == self._hub and region_id == self._regions[0]
        if not number and not showcase:
            return estate, []
        rng = random.Random(f"estate/{self._recipe.seed}/{account_id}/{region_id}")
        site = Site(
            rng, account_id, region_id, BY_ID[region_id].id_code if region_id in BY_ID else "xx0", estate
        )
        chosen = _chosen(rng, number, careful=careful, showcase=showcase)
        for archetype in chosen:
            group = archetype(site)
            estate.groups[group.security_group_id] = group
        return estate, [*chosen, *self._balanced(site, showcase=showcase)]

    def _balanced(self, site: Site, *, showcase: bool) -> list[Archetype]:
        """Add what balancers joined, from dice of its own: the groups beside it are what they are without it."""
        if not self._recipe.balancers:
            return []
        site.rng = random.Random(f"balanced/{self._recipe.seed}/{site.account_id}/{site.region_id}")
        site.vpc_id = site.new_id("vpc")
        several = BALANCED if showcase else site.rng.choices(BALANCED, k=site.rng.choice((0, 0, 1, 2)))
        for archetype in several:
            group = archetype(site)
            site.estate.groups[group.security_group_id] = group
        return list(several)


def _chosen(rng: random.Random, number: int, *, careful: bool, showcase: bool) -> list[Archetype]:
    if showcase:
        return [archetype for _, archetype in (*BENIGN, *RISKY, *RARE)]
    table = BENIGN if careful else (*BENIGN, *RISKY)
    chosen = rng.choices([archetype for _, archetype in table], [weight for weight, _ in table], k=number)
    if not careful and rng.random() < number * _LARGE_SHARE:
        chosen.append(RARE[0][1])
    return chosen


def example_group(
    archetype: Archetype, account_id: str, region_id: str, seed: int = 0
) -> tuple[Group, Estate]:
    """One group of an archetype with the lists it refers to, for tests that build a world by hand."""
    estate = Estate()
    site = Site(random.Random(seed), account_id, region_id, BY_ID[region_id].id_code, estate)
    group = archetype(site)
    estate.groups[group.security_group_id] = group
    return group, estate
