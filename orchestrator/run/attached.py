"""What stands behind the failing groups of a region: read once the region is, and written beside the findings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from msgspec import structs

from orchestrator.inventory import Interfaces
from orchestrator.journal import Claim, Journal
from orchestrator.policy import (
    Check,
    Exemption,
    Finding,
    Owners,
    attach,
    evaluate_together,
    gets_through,
    owner_of,
    still_reachable_via,
)
from orchestrator.securitygroup import SecurityGroup

_KEPT = 32  # groups
_OF_GROUP = ("protection", "owner", "owner_from")


class Attached:
    """Weighs the findings of one region by its interfaces.

    Groups on one interface are judged as one list of rules, as the cloud applies them. A group without findings
    matters to that only by its Drop rules, so of those only the ones with drops (`guards`) are kept in memory;
    the failing ones come from the journal, when an interface needs them.
    """

    def __init__(
        self,
        journal: Journal,
        claim: Claim,
        region_id: str,
        interfaces: Interfaces,
        guards: dict[str, SecurityGroup],
        judge: tuple[tuple[Check, ...], datetime, tuple[Exemption, ...]],
        owners: Owners,
    ) -> None:
        self._journal = journal
        self._claim = claim
        self._region_id = region_id
        self._interfaces = interfaces
        self._guards = guards
        self._judge = judge
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
                neighbours = self._neighbours(group_id)
                every = self._with_merged(group_id, findings, neighbours)
                own = self._owner(observed.group()) if self._owners.tags else {}
                weighed = [structs.replace(self._weighed(one, neighbours), **own) for one in every]
                await self._journal.record_group(self._claim, observed, weighed)
            self._read.clear()

    def _owner(self, group: SecurityGroup) -> dict[str, str]:
        """Return who owns the group, now that the tags of its instances are known."""
        tags = [interface.tags for interface in self._interfaces.of(group.security_group_id)]
        owner = owner_of(self._owners, group, tags)
        return {"owner": owner.name, "owner_from": owner.taken_from}

    def _with_merged(
        self, group_id: str, findings: Sequence[Finding], neighbours: Iterable[tuple[str, ...]]
    ) -> list[Finding]:
        """Return the findings, with those that the rules of all groups of an interface make together.

        Nothing is done about these: which of the groups should give way is for people to say.
        """
        added: dict[tuple[str, str], Finding] = {}
        # of the group, so all have the same
        own = next(({key: getattr(one, key) for key in _OF_GROUP} for one in findings), {})
        for ids in neighbours:
            for one in self._failing_among(self._groups(ids)):
                if one.security_group_id == group_id and not one.is_wide:
                    added.setdefault(
                        (one.rule_id, one.check_id), structs.replace(one, action="report", **own)
                    )
        for one in findings:
            added.pop((one.rule_id, one.check_id), None)
        failing = {rule_id for rule_id, _ in added}
        kept = [one for one in findings if not one.is_wide or one.rule_id not in failing]
        return [*kept, *added.values()]

    def _failing_among(self, groups: Sequence[SecurityGroup]) -> list[Finding]:
        """Return what is open and fails among all the rules of an interface; nothing where one group alone matters."""
        found = evaluate_together(groups, *self._judge) if len(groups) > 1 else ()
        return [one for one in found if one.is_open]

    def _weighed(self, finding: Finding, neighbours: Mapping[tuple[str, ...], bool]) -> Finding:
        attachment = self._interfaces.attachment(finding.security_group_id)
        if not finding.is_open or finding.balancer_id:
            return attach(finding, attachment)
        via: dict[str, None] = {}
        reached = False
        for ids, is_public in neighbours.items():
            groups = self._groups(ids)
            if len(groups) > 1:
                via.update(dict.fromkeys(still_reachable_via(finding, groups, *self._judge[:2])))
            reached |= is_public and (len(groups) == 1 or gets_through(finding, groups))
        weighed = structs.replace(attach(finding, attachment), still_reachable_via=tuple(via))
        if weighed.exposure == "exposed" and not reached:
            # The other groups of every public interface drop what this rule lets in.
            severity = finding.base_severity.lowered(1)
            return structs.replace(weighed, exposure="latent", severity=severity)
        return weighed

    def _neighbours(self, group_id: str) -> dict[tuple[str, ...], bool]:
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


def may_guard(group: SecurityGroup) -> bool:
    """Tell whether the group has a Drop rule, by which it may shield the other groups of an interface."""
    return any(rule.policy == "drop" and rule.direction == "ingress" for rule in group.rules)
