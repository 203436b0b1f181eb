"""What stands behind the failing groups of a region: read once the region is, and written beside the findings."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import structs

from orchestrator.inventory import Interfaces
from orchestrator.journal import Claim, Journal
from orchestrator.policy import Finding, Owners, SharedInterfaces, Weighing, owner_of
from orchestrator.securitygroup import SecurityGroup

_KEPT = 32  # groups


class Attached:
    """Has the findings of one region weighed by its interfaces, group by group.

    A group without findings matters to its neighbours only by its Drop rules, so of those only the ones with drops
    (`guards`) are kept in memory; the failing ones come from the journal, when an interface needs them.
    """

    def __init__(
        self,
        journal: Journal,
        claim: Claim,
        region_id: str,
        interfaces: Interfaces,
        guards: dict[str, SecurityGroup],
        weighing: Weighing,
        owners: Owners,
    ) -> None:
        self._journal = journal
        self._claim = claim
        self._region_id = region_id
        self._interfaces = interfaces
        self._guards = guards
        self._weighing = weighing
        self._owners = owners
        # Of the group that is being weighed: its neighbours are read once, and then let go.
        self._read: dict[str, SecurityGroup | None] = {}

    async def weigh(self, group_ids: Iterable[str]) -> None:
        """Write what stands behind each group into its findings, and what its rules open only with others'."""
        for group_id in group_ids:
            observed, findings = self._journal.stored(
                self._claim.account_id, self._region_id, group_id, Finding
            )
            if observed is not None:
                attachment = self._interfaces.attachment(group_id)
                shared = SharedInterfaces(self._sets(group_id), self._groups)
                weighed = self._weighing.weigh(group_id, findings, attachment, shared)
                own = self._owner(observed.group()) if self._owners.tags else {}
                await self._journal.record_group(
                    self._claim, observed, [structs.replace(one, **own) for one in weighed]
                )
            self._read.clear()

    def _owner(self, group: SecurityGroup) -> dict[str, str]:
        """Return who owns the group, now that the tags of its instances are known."""
        tags = [interface.tags for interface in self._interfaces.of(group.security_group_id)]
        owner = owner_of(self._owners, group, tags)
        return {"owner": owner.name, "owner_from": owner.taken_from}

    def _sets(self, group_id: str) -> dict[tuple[str, ...], bool]:
        """Return the sets of groups that share an interface with this one, and whether any such is public."""
        sets: dict[tuple[str, ...], bool] = {}
        for interface in self._interfaces.of(group_id):
            ids = tuple(sorted(interface.security_group_ids))
            sets[ids] = sets.get(ids, False) or interface.is_public
        return sets

    def _groups(self, ids: tuple[str, ...]) -> list[SecurityGroup]:
        """Return those of the groups that matter: they have findings or drops."""
        return [group for one in ids if (group := self._group(one)) is not None]

    def _group(self, group_id: str) -> SecurityGroup | None:
        if group_id in self._guards:
            return self._guards[group_id]
        if group_id not in self._read:
            if len(self._read) == _KEPT:
                self._read.clear()
            seen = self._journal.observed_group(self._claim.account_id, self._region_id, group_id)
            self._read[group_id] = seen.group() if seen is not None else None
        return self._read[group_id]
