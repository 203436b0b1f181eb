"""Whether the run saw every group: what it read, held against Resource Center, a second witness.

A list that is cut short without a trace cannot convict itself. What Resource Center names beyond it is looked for;
nothing that it says or leaves out lets a read be skipped, and without it the run says that it had one witness only.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping

import msgspec

from accounts import Unreachable
from orchestrator.cloud.errors import CloudError
from orchestrator.inventory import ResourceCenter, Sought
from orchestrator.journal import AccountState, Journal, Reader

COVERAGE_MISMATCH = "coverage_mismatch"
_FACT = "cross check"
_NAMED_STRANGERS = 5


class CrossChecked(msgspec.Struct, frozen=True):
    """What a run's groups came to, held against Resource Center.

    Attributes:
        error: why it could not be asked, or not to its end; empty if it was heard in full.
        read: groups that were read.
        named: groups among them that it names, too.
        found: groups that were read only because it names them.
        gone: groups that it names and ECS says there are not.
        refused: groups that it names, of which ECS would not say whether they are there.
        strangers: accounts whose groups it names, and which no list of accounts did.
    """

    error: str = ""
    read: int = 0
    named: int = 0
    found: int = 0
    gone: int = 0
    refused: int = 0
    strangers: tuple[str, ...] = ()


class CrossCheck:
    """Holds the groups of one run against Resource Center.

    Attributes:
        missing: by account and region, ids of groups that it names and the run neither read nor told as unreachable.
    """

    def __init__(
        self, center: ResourceCenter, journal: Journal, region_ids: Collection[str], *, is_directory: bool
    ) -> None:
        """Remember whom to ask.

        Args:
            center: the second witness.
            journal: what was read.
            region_ids: those of the run; empty for all.
            is_directory: the run's accounts come from the directory, so that it and Resource Center know the same.
        """
        self._center = center
        self._journal = journal
        self._region_ids = sorted(region_ids)
        self._is_directory = is_directory
        self.missing: defaultdict[str, defaultdict[str, dict[str, None]]] = defaultdict(
            lambda: defaultdict(dict)
        )
        self._error = ""
        self._named: set[int] = set()  # hashes: 60,000 places would take ten times as much
        self._sought: list[tuple[int, int, int]] = []
        self._strangers: set[str] = set()

    async def in_order(self, states: list[AccountState]) -> list[AccountState]:
        """Return the accounts with those first that have groups, as far as Resource Center knows."""
        try:
            counts = await self._center.group_counts()
        except CloudError:  # whether it could be asked is told when it is asked for names
            return states
        return sorted(states, key=lambda state: not counts.get(state.account.account_id))

    async def balanced_regions(self) -> frozenset[tuple[str, str]]:
        """Return the accounts and regions in which Resource Center knows a balancer; none if it cannot be asked."""
        try:
            return await self._center.balanced_regions(self._region_ids)
        except CloudError:  # as above
            return frozenset()

    async def listen(self, states: Mapping[str, AccountState]) -> None:
        """Ask for the groups of the whole organization, and keep which of them are missing in the run."""
        left_out = {one.account_id for one in self._journal.skipped()}
        try:
            async for page in self._center.groups(self._region_ids):
                for place in page:
                    state = states.get(place.account_id)
                    if state is not None and state.state.is_reached:
                        self._compare(*place)
                    elif state is None and self._is_directory and place.account_id not in left_out:
                        self._strangers.add(place.account_id)
        except CloudError as error:
            self._error = _told(error)

    def _compare(self, account_id: str, region_id: str, group_id: str) -> None:
        if self._region_ids and region_id not in self._region_ids:
            return
        if self._journal.group_seen(account_id, region_id, group_id) is not None:
            self._named.add(hash((account_id, region_id, group_id)))
        elif not self._journal.is_unreachable(account_id, region_id, group_id):
            self.missing[account_id][region_id][group_id] = None

    def count(self, sought: Sought) -> None:
        """Count what came of groups that were looked for."""
        self._sought.append((len(sought.found), len(sought.gone), len(sought.refused)))

    async def conclude(self) -> None:
        """Write down what it came to."""
        found, gone, refused = (sum(column) for column in zip((0, 0, 0), *self._sought, strict=True))
        checked = CrossChecked(
            error=self._error,
            read=self._journal.group_count(),
            named=len(self._named) + found,
            found=found,
            gone=gone,
            refused=refused,
            strangers=tuple(sorted(self._strangers)),
        )
        await self._journal.set_fact(_FACT, checked)


def mismatch(refused: Unreachable) -> Unreachable:
    """Return what to write down of a group that Resource Center names and ECS neither showed nor denied."""
    message = (
        "Resource Center names it, but it was not listed, and ECS did not say by its id whether it is there: "
        f"{refused.code}: {refused.message}"
    )
    return msgspec.structs.replace(refused, code=COVERAGE_MISMATCH, message=message)


class SecondWitness(msgspec.Struct, frozen=True):
    """Whether Resource Center can be asked: what the doctor knows of it.

    Attributes:
        error: why not; empty if it can.
        groups: how many groups it knows, in how many accounts.
        accounts: the same.
    """

    error: str = ""
    groups: int = 0
    accounts: int = 0


async def second_witness(center: ResourceCenter) -> SecondWitness:
    """Ask Resource Center as a scan does: for its counts, which order an incident, and for the first names."""
    try:
        counts = await center.group_counts()
        async for _ in center.groups():
            break
    except CloudError as error:
        return SecondWitness(_told(error))
    return SecondWitness(groups=sum(counts.values()), accounts=sum(map(bool, counts.values())))


def _told(error: CloudError) -> str:
    trace = f", RequestId {error.request_id}" if error.request_id else ""
    return f"{error.code}: {error.message}{trace}"


def cross_checked(reader: Reader) -> CrossChecked | None:
    """Return how the run's groups were held against Resource Center; None if it did not come to that."""
    fact = reader.fact(_FACT)
    return None if fact is None else msgspec.convert(fact, CrossChecked)


def statements(found: CrossChecked | None, *, complete: bool) -> Iterator[str]:
    """Yield by whose word the groups that were read are all there are: a sentence each."""
    if found is None:
        return
    own = f"{'complete ' if complete else ''}by its own listing"
    if found.error and not found.named:
        yield f"{own}: there was no second witness, for Resource Center could not be asked ({found.error})"
    elif found.error:
        yield f"{own}: Resource Center, the second witness, could not be heard to its end ({found.error})"
    elif found.named < found.read:
        yield (
            f"{own} for {found.read - found.named:,} of {found.read:,} groups: Resource Center, the second witness, "
            "does not name them"
        )
    else:
        yield f"two witnesses: Resource Center names no group that {found.read:,} read groups leave out"
    if found.found:
        yield (
            f"{found.found:,} groups were missing from the first list of their region, and were read because Resource "
            "Center names them"
        )
    if found.gone:
        yield f"{found.gone:,} groups that Resource Center still names are gone"


def because(reader: Reader) -> Iterator[str]:
    """Yield why a run is incomplete by what Resource Center names: a sentence each.

    A list that was short once and whole when it was asked for again is told and no more. One that was short twice is
    believed no longer, though all that Resource Center names in its region was read: Resource Center is late, so a
    young group that the list leaves out, too, would be known to nobody.
    """
    totals = reader.totals()
    for key, what in (("not_listed", "groups"), ("regions_not_listed", "regions")):
        if count := totals.get(key, 0):
            yield (
                f"{count:,} {what} stood in neither of two lists of them; they were read because Resource Center names "
                "them, but others that are too new for it may be missing"
            )
    found = cross_checked(reader)
    if found is not None and found.strangers:
        shown = ", ".join(found.strangers[:_NAMED_STRANGERS])
        more = len(found.strangers) - _NAMED_STRANGERS
        yield (
            f"Resource Center names groups in {len(found.strangers):,} accounts that the directory did not list, and "
            f"nobody looked there: {shown}{f' and {more:,} more' if more > 0 else ''}. See whether they are members"
        )
