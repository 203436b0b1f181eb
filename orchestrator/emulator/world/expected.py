"""What a sweep of a generated world must find: known from how each group was made, not from judging its rules."""

from __future__ import annotations

from msgspec import Struct

from orchestrator.emulator.world.archetypes import BENIGN, Archetype, managed_open
from orchestrator.emulator.world.balanced import CLOSED, OPEN, OWN
from orchestrator.emulator.world.world import World

_KINDS: dict[Archetype, str] = {
    **{archetype: "benign" for _, archetype in BENIGN},
    **dict.fromkeys(CLOSED, "benign"),
    **dict.fromkeys(OPEN, "balanced"),
    **dict.fromkeys((managed_open, *OWN), "managed"),
}


class Expected(Struct, frozen=True):
    """The groups of a world by what they were made as; ids are unique in a world.

    Attributes:
        benign: nothing dangerous is open to the Internet.
        risky: something is, and it can be closed.
        managed: something is, but a cloud service owns the group.
        balanced: something is, by a load balancer that joined the group: no rule opens it, a Drop can close it.
        closed_accounts: members that do not let the hub in.
    """

    benign: frozenset[str]
    risky: frozenset[str]
    managed: frozenset[str]
    closed_accounts: frozenset[str]
    balanced: frozenset[str] = frozenset()

    @classmethod
    def of(cls, world: World, closed_accounts: frozenset[str] = frozenset()) -> Expected:
        """Return what the world foretells; groups of closed accounts are left out.

        Raises:
            ValueError: the world was loaded from a file, which does not say how its groups were made.
        """
        by_kind: dict[str, set[str]] = {kind: set() for kind in ("benign", "risky", "managed", "balanced")}
        for account_id in world.account_ids:
            if account_id not in closed_accounts:
                for region_id in world.region_ids:
                    for group_id, archetype in world.made_as(account_id, region_id).items():
                        by_kind[_KINDS.get(archetype, "risky")].add(group_id)
        return cls(**{kind: frozenset(ids) for kind, ids in by_kind.items()}, closed_accounts=closed_accounts)
