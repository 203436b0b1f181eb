"""The world: an organization, the roles in its accounts, and what each account owns in each region.

Estates are made when first asked for, from the world's seed, so 1,500 accounts x 28 regions cost nothing
until a client looks at them. A world can be saved as JSON and loaded again, by hand-made files too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Lock

import msgspec
from msgspec import Struct

from orchestrator.emulator.world import flow_logs, history, interfaces, regions, vpc_tags, ways_in
from orchestrator.emulator.world.archetypes import Archetype
from orchestrator.emulator.world.model import (
    Account,
    Estate,
    Event,
    FlowLog,
    Group,
    Interface,
    Organization,
    Role,
    Rule,
    Tag,
    WaysIn,
    stored,
)
from orchestrator.emulator.world.organization import WorldOutline, found
from orchestrator.emulator.world.origin import Origin
from orchestrator.emulator.world.scenery import Recipe, Scenery

Snapshot = dict[str, dict[str, dict[str, tuple[Rule, ...]]]]


class GroupDifference(Struct, frozen=True):
    """What became of one group between two snapshots. Rules are compared whole, ids included."""

    account_id: str
    region_id: str
    security_group_id: str
    removed: tuple[Rule, ...]
    added: tuple[Rule, ...]


class _File(Struct):
    """The JSON form of a world."""

    format: int
    regions: tuple[str, ...]
    organization: Organization
    roles: dict[str, dict[str, Role]]
    recipe: Recipe | None = None
    estates: dict[str, dict[str, Estate]] = {}


class World:
    """Everything that exists. `recipe` makes the estates not there yet; without one they are empty."""

    def __init__(
        self,
        organization: Organization,
        roles: dict[str, dict[str, Role]],
        region_ids: Sequence[str] = regions.REGION_IDS,
        recipe: Recipe | None = None,
    ) -> None:
        self.organization = organization
        self.roles = roles
        self.region_ids = tuple(region_ids)
        self.recipe = recipe
        self._scenery = Scenery(recipe, self.region_ids, organization.hub_account_id) if recipe else None
        self._estates: dict[tuple[str, str], Estate] = {}
        self._making = Lock()

    @classmethod
    def generate(cls, outline: WorldOutline = WorldOutline()) -> World:  # noqa: B008 - it is frozen
        """A realistic organization of as many members as the outline says, besides the hub."""
        region_ids = outline.region_ids
        if region_ids is None:
            region_ids = regions.REGION_IDS
        elif isinstance(region_ids, int):
            further = tuple(region.region_id for region in regions.FURTHER_REGIONS)
            region_ids = (*regions.REGION_IDS, *further)[:region_ids]
        organization, roles = found(outline)
        recipe = Recipe(outline.seed, outline.groups_per_account, outline.careful_share, outline.balancers)
        return cls(organization, roles, region_ids, recipe)

    # --- accounts

    def account(self, account_id: str) -> Account | None:
        """A member or the management account."""
        organization = self.organization
        if account_id == organization.management.account_id:
            return organization.management
        return organization.members.get(account_id)

    @property
    def account_ids(self) -> tuple[str, ...]:
        """All accounts, the management account first."""
        return (self.organization.management.account_id, *self.organization.members)

    def role(self, account_id: str, name: str) -> Role | None:
        """A role of an account; names are case-sensitive."""
        return self.roles.get(account_id, {}).get(name)

    # --- estates

    def estate(self, account_id: str, region_id: str) -> Estate:
        """What the account owns in the region."""
        estate = self._estates.get((account_id, region_id))
        return self._make(account_id, region_id) if estate is None else estate

    def _make(self, account_id: str, region_id: str) -> Estate:
        with self._making:
            estate = self._estates.get((account_id, region_id))
            if estate is None:
                known = self._scenery is not None and region_id in self.region_ids
                estate = self._scenery.estate(account_id, region_id) if known and self._scenery else Estate()
                self._estates[account_id, region_id] = estate
            return estate

    def made_as(self, account_id: str, region_id: str) -> dict[str, Archetype]:
        """What each group of a generated estate was made as, by id, whatever has become of it since.

        ValueError: the world was loaded, so it is not known.
        """
        if self._scenery is None:
            raise ValueError("a world that was loaded does not know how its groups were made")
        estate, archetypes = self._scenery.made(account_id, region_id)
        return dict(zip(estate.groups, archetypes, strict=True))

    def put(self, account_id: str, region_id: str, group: Group) -> Group:
        """Place a group (in place of the one with its id)."""
        self.estate(account_id, region_id).groups[group.security_group_id] = group
        return group

    def interfaces(self, account_id: str, region_id: str) -> tuple[Interface, ...]:
        """The network interfaces of a region, made when first asked for."""
        estate = self.estate(account_id, region_id)
        if estate.interfaces is None:
            seed = self.recipe.seed if self.recipe else 0
            estate.interfaces = interfaces.make(seed, account_id, region_id, estate)
        return estate.interfaces

    # What is behind and before the groups is made of the estate as it was at first, whatever has become of its rules.

    def flow_logs(self, account_id: str, region_id: str) -> tuple[FlowLog, ...]:
        """The flow logs of a region, made when first asked for; none where the world was loaded without them."""
        estate = self.estate(account_id, region_id)
        if estate.flow_logs is None:
            site = self._original(account_id, region_id)
            estate.flow_logs = flow_logs.make(site, self.interfaces(account_id, region_id)) if site else ()
        return estate.flow_logs

    def ways_in(self, account_id: str, region_id: str) -> WaysIn:
        """NAT, network ACLs and what balancers forward to, made in the same way."""
        estate = self.estate(account_id, region_id)
        if estate.ways_in is None:
            site = self._original(account_id, region_id)
            estate.ways_in = ways_in.make(site, self.interfaces(account_id, region_id)) if site else WaysIn()
        return estate.ways_in

    def history(self, account_id: str, region_id: str) -> tuple[Event, ...]:
        """What was called before the cloud started, oldest first, made in the same way."""
        estate = self.estate(account_id, region_id)
        if estate.history is None:
            site = self._original(account_id, region_id)
            estate.history = history.make(site) if site else ()
        return estate.history

    def vpc_tags(self, account_id: str, region_id: str) -> dict[str, tuple[Tag, ...]]:
        """The tags of the VPCs of a region, by VPC, made in the same way."""
        estate = self.estate(account_id, region_id)
        if estate.vpc_tags is None:
            site = self._original(account_id, region_id)
            estate.vpc_tags = vpc_tags.make(site) if site else {}
        return estate.vpc_tags

    def _original(self, account_id: str, region_id: str) -> Origin | None:
        """A generated estate as it was made; None where it was not generated, or has nothing."""
        if self._scenery is None or self.recipe is None or region_id not in self.region_ids:
            return None
        estate = self._scenery.estate(account_id, region_id)
        is_showcase = account_id == self.organization.hub_account_id and region_id == self.region_ids[0]
        origin = Origin(self.recipe.seed, account_id, region_id, estate, is_showcase=is_showcase)
        return origin if estate.groups else None

    def groups(self) -> Iterator[tuple[str, str, Group]]:
        """Every group with its account and region. Makes the whole world."""
        for account_id in self.account_ids:
            for region_id in self.region_ids:
                for group in self.estate(account_id, region_id).groups.values():
                    yield account_id, region_id, group

    def snapshot(self) -> Snapshot:
        """All rules by account, region and group as they are now; later changes do not touch it."""
        found: Snapshot = {}
        for account_id, region_id, group in self.groups():
            found.setdefault(account_id, {}).setdefault(region_id, {})[group.security_group_id] = group.rules
        return found

    # --- files

    def save(self, path: Path | str) -> None:
        """Write the whole world as JSON."""
        estates = {
            account_id: {
                region_id: _plain(self._whole(account_id, region_id))
                for region_id in self.region_ids
                if (estate := self.estate(account_id, region_id)).groups or estate.prefix_lists
            }
            for account_id in self.account_ids
        }
        document = {
            "format": 1,
            "regions": self.region_ids,
            "organization": self.organization,
            "roles": self.roles,
            "recipe": None,
            "estates": estates,
        }
        Path(path).write_bytes(msgspec.json.encode(document))

    def _whole(self, account_id: str, region_id: str) -> Estate:
        """An estate with all that belongs to it made."""
        self.flow_logs(account_id, region_id)
        self.ways_in(account_id, region_id)
        self.history(account_id, region_id)
        self.vpc_tags(account_id, region_id)
        return self.estate(account_id, region_id)

    @classmethod
    def load(cls, path: Path | str) -> World:
        """Read a world written by `save`, or by hand; ValueError names what is wrong with it."""
        try:
            file = msgspec.json.decode(Path(path).read_bytes(), type=_File)
        except msgspec.MsgspecError as error:
            raise ValueError(f"{path} is not a world: {error}") from None
        if file.format != 1:
            raise ValueError(f"{path}: format {file.format} is not known, 1 is")
        world = cls(file.organization, file.roles, file.regions, file.recipe)
        for account_id, by_region in file.estates.items():
            for region_id, estate in by_region.items():
                world._estates[account_id, region_id] = estate
        return world


def _plain(estate: Estate) -> dict[str, object]:
    """An estate for a file: rules without their empty fields."""
    document: dict[str, object] = msgspec.to_builtins(
        Estate(
            {},
            estate.prefix_lists,
            estate.port_lists,
            estate.interfaces,
            estate.balancers,
            estate.flow_logs,
            estate.ways_in,
            estate.history,
            estate.vpc_tags,
        )
    )
    document["groups"] = {
        key: {**msgspec.structs.asdict(group), "rules": [stored(rule) for rule in group.rules]}
        for key, group in estate.groups.items()
    }
    return document


def differences(before: Snapshot, after: Snapshot) -> list[GroupDifference]:
    """The groups whose rules differ."""
    found: list[GroupDifference] = []
    for account_id in {**before, **after}:
        old, new = before.get(account_id, {}), after.get(account_id, {})
        for region_id in {**old, **new}:
            groups = (old.get(region_id, {}), new.get(region_id, {}))
            found.extend(_differences(account_id, region_id, *groups))
    return found


def _differences(
    account_id: str, region_id: str, old: dict[str, tuple[Rule, ...]], new: dict[str, tuple[Rule, ...]]
) -> Iterator[GroupDifference]:
    for group_id in {**old, **new}:
        was, now = old.get(group_id, ()), new.get(group_id, ())
        if was != now:
            removed = tuple(rule for rule in was if rule not in now)
            yield GroupDifference(
                account_id, region_id, group_id, removed, tuple(rule for rule in now if rule not in was)
            )
