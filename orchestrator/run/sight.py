"""What a run has seen of the cloud, for whoever holds it against something else: another run, another's results."""

from __future__ import annotations

from functools import lru_cache

from orchestrator.journal import JobState, Reader
from orchestrator.plan import Place
from orchestrator.run.criteria import criteria_of


class Sight:
    """What a run has looked at, and why it has not looked at the rest.

    Asked group by group, in the order of a journal, it remembers the last account only.
    """

    def __init__(self, reader: Reader, name: str) -> None:
        self._reader, self._name = reader, name
        self._states = {one.account.account_id: one.state for one in reader.accounts()}
        self._skipped = {one.account_id: one.reason for one in reader.skipped()}
        self._regions = criteria_of(reader.header).regions
        self._unread: dict[tuple[str, str, str], str] = {
            (one.account_id, one.region_id or "", one.security_group_id or ""): f"{one.code}: {one.message}"
            for one in reader.unreachables()
        }
        self._carried = reader.regions_counting("carried_over")
        self._why = lru_cache(maxsize=1)(self._group_not_seen)
        self._done = lru_cache(maxsize=1)(reader.regions_done)

    def not_seen(self, group: Place) -> str:
        """Say why the run did not look at a group; "" if it did, and also where the group is gone."""
        return self._why(group)

    def _group_not_seen(self, group: Place) -> str:
        account_id, region_id, group_id = group
        for key in ((account_id, "", ""), (account_id, region_id, ""), (account_id, region_id, group_id)):
            if said := self._unread.get(key):
                return f"{self._name} could not read it: {said}"
        if account_id not in self._states:
            why = self._skipped.get(account_id, "")
            return f"the account was not in the scope of {self._name}{f': {why}' if why else ''}"
        return self._region_not_seen(account_id, region_id)

    def _region_not_seen(self, account_id: str, region_id: str) -> str:
        if self._regions and region_id not in self._regions:
            return f"the region was not in the scope of {self._name}"
        if (account_id, region_id) in self._carried:
            return (
                f"{self._name} took groups of the region over from an earlier run and did not read them again"
            )
        if region_id in self._done(account_id):
            return ""
        if self._states[account_id] is JobState.done:  # its list of regions no longer names it
            return f"{self._name} found no such region in the account"
        return f"{self._name} was stopped before it had read the region"
