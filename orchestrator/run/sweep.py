"""The sweep: every account, every region at once, each group judged and written down as soon as it is read.

Nothing is gathered: what is in memory is what is under way. A failed account, region or group is a row; only a
bug or the loss of the hub's own credentials stops the run, in order, to go on later.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import datetime
from typing import Any, Protocol

import msgspec

from accounts import Account, Unreachable
from orchestrator import inventory
from orchestrator.cloud.client import AccountSession
from orchestrator.cloud.errors import CloudError
from orchestrator.inventory import Observation, RegionReader
from orchestrator.journal import Claim, Journal, Observed, Reader, listing_digest
from orchestrator.policy import Check, Exemption, Finding, evaluate
from orchestrator.run.attached import Attached, may_guard
from orchestrator.run.hub import Hub, placement
from orchestrator.run.progress import Progress
from orchestrator.securitygroup import SecurityGroup

SEEN_IN_PART = "in part"
UNREACHABLE = "unreachable"


class Judgement(msgspec.Struct, frozen=True):
    """What is looked for in this run: kept in its header, so that plan and explain judge as the scan did."""

    checks: tuple[Check, ...]
    exemptions: tuple[Exemption, ...] = ()
    regions: tuple[str, ...] = ()
    exposure: bool = True


class Remedy(Protocol):
    """What an incident does with an account around its scan."""

    def begin(self, hub: Hub, journal: Journal, accounts: int) -> None:
        """Be told where and with whom, once, before the first account; raise to refuse."""
        ...

    async def before(self, account: Account) -> None:
        """Be told that the account is about to be scanned."""
        ...

    async def after(self, account: Account) -> None:
        """Be told that the account was scanned; its findings are in the journal."""
        ...

    async def again(self, account: Account) -> None:
        """Be told that an earlier attempt scanned the account to its end; what was to be done may not have ended."""
        ...


class Sweep:
    """One run over its accounts, from whatever the journal says is still to be done."""

    def __init__(
        self,
        hub: Hub,
        journal: Journal,
        judgement: Judgement,
        progress: Progress,
        now: datetime,
        remedy: Remedy | None = None,
        earlier: Reader | None = None,
    ) -> None:
        self.hub = hub
        self.journal = journal
        self.judgement = judgement
        self.progress = progress
        self.now = now
        self.earlier = earlier
        effects = earlier.all_effects() if earlier is not None else ()
        self.touched = {(e.account_id, e.region_id, e.security_group_id) for e in effects}
        self._remedy = remedy
        allowed = hub.config.remediation.narrow_to  # read where a plan may need them; a plan reads nothing
        self.narrow_lists = tuple(entry for entry in allowed if entry.startswith("pl-"))
        limits = hub.config.limits
        self._accounts = asyncio.Semaphore(limits.max_accounts)
        # Reads waiting for the limiter cost memory, so no more are begun than could be in flight twice over.
        self.reads = asyncio.Semaphore(2 * limits.max_in_flight)

    async def run(self) -> None:
        """Sweep every account that is not done.

        Raises:
            HubCredentialsError: the hub's own credentials no longer hold; what was read is kept.
            JournalError: what was read cannot be written down.
        """
        self.progress.watch(self.hub.count_calls, self.hub.quota_seconds)
        async with asyncio.TaskGroup() as tasks:
            for state in self.journal.accounts():
                self.progress.accounts += 1
                await _start(tasks, self._accounts, self._account(state.account))

    async def _account(self, account: Account) -> None:
        claim = await self.journal.claim(account.account_id)
        if claim is not None:
            self.progress.enter(account.account_id, lambda: f"{account.account_id} {account.name}")
            if self._remedy is not None:
                await self._remedy.before(account)
            state = await _AccountSweep(self, account, claim).run()
            if self._remedy is not None:
                await self._remedy.after(account)
            await self.journal.finish(claim, state)
        elif self._remedy is not None:
            await self._remedy.again(account)
        self.progress.leave(account.account_id)


class _Region:
    """What is gathered while one region is read: counts, and what its interfaces will be weighed against."""

    def __init__(self, region_id: str, reader: RegionReader) -> None:
        self.region_id = region_id
        self.reader = reader
        self.counts = {"account_regions": 1, "security_groups": 0, "rules": 0, "carried_over": 0}
        self.failing: list[str] = []
        self.guards: dict[str, SecurityGroup] = {}
        self.has_classic = False


class _AccountSweep:
    """The sweep of one account under one claim."""

    def __init__(self, sweep: Sweep, account: Account, claim: Claim) -> None:
        self._sweep = sweep
        self._account = account
        self._claim = claim
        self._placement = placement(account)
        self._session: AccountSession = sweep.hub.reader(account)
        self._journal = sweep.journal
        self._progress = sweep.progress
        self._unseen = 0

    async def run(self) -> str:
        """Sweep the account's regions; return the word its state gets."""
        try:
            region_ids = await self._regions()
        except CloudError as error:
            await self._unreachable(inventory.unreachable(error, self._account.account_id))
            return UNREACHABLE
        done = self._journal.regions_done(self._account.account_id)
        async with asyncio.TaskGroup() as tasks:
            for region_id in region_ids:
                if region_id not in done:
                    tasks.create_task(self._region(region_id))
        return SEEN_IN_PART if self._unseen else "done"

    async def _regions(self) -> tuple[str, ...]:
        """Return the account's regions that are asked for; one that it does not have is unreachable there."""
        found = await inventory.regions(self._session)
        wanted = self._sweep.judgement.regions
        for region_id in sorted(set(wanted) - set(found)):
            await self._unreachable(
                Unreachable(
                    account_id=self._account.account_id,
                    region_id=region_id,
                    security_group_id=None,
                    code="InvalidRegionId.NotFound",
                    message=f"the account has no region {region_id}; it has {', '.join(found)}",
                    request_id="",
                )
            )
        return tuple(region_id for region_id in found if not wanted or region_id in wanted)

    async def _region(self, region_id: str) -> None:
        region = _Region(region_id, RegionReader(self._session, self._placement, region_id))
        async with asyncio.TaskGroup() as tasks:
            failure = await self._list(tasks, region, region_id)
        if failure is not None:
            await self._unreachable(inventory.unreachable(failure, self._account.account_id, region_id))
            return
        if self._sweep.judgement.exposure and region.failing:
            await self._weigh(region, region_id)
        self._progress.regions += 1
        await self._journal.region_done(self._claim, region_id, region.counts)

    async def _list(self, tasks: asyncio.TaskGroup, region: _Region, region_id: str) -> CloudError | None:
        """Begin to read every group of the region; return what ended the list early, if anything did.

        What was begun before that goes on: a group that was read in full is worth having.
        """
        try:
            async for page in inventory.security_groups(self._session, region_id):
                for listing in page:
                    await _start(tasks, self._sweep.reads, self._group(region, listing))
        except CloudError as error:
            return error
        return None

    async def _group(self, region: _Region, listing: inventory.Answer) -> None:
        if await self._carry_over(region, listing):
            return
        seen = await region.reader.read(listing)
        if isinstance(seen, Unreachable):
            await self._unreachable(seen)
            return
        findings = self._judge(seen.group)
        if findings:
            seen = await region.reader.with_prefix_lists(seen, self._sweep.narrow_lists)
        self._count(region, seen.group, len(seen.permissions), findings)
        await self._journal.record_group(self._claim, observed(seen), findings)

    async def _carry_over(self, region: _Region, listing: inventory.Answer) -> bool:
        """Take a group from the earlier run if its listing is the same; tell whether that was done."""
        earlier = self._sweep.earlier
        if earlier is None:
            return False
        place = (self._account.account_id, region.region_id, str(listing["SecurityGroupId"]))
        known = None if place in self._sweep.touched else earlier.group_seen(*place)
        if known is None or known.listing_digest != listing_digest(listing):
            return False
        kept = earlier.observed_group(*place)
        findings: tuple[Finding, ...] = ()
        if kept is not None:
            group = kept.group()
            findings = self._judge(group)
            self._count(region, group, known.rules, findings)
        else:
            self._count(region, None, known.rules, findings)
        region.counts["carried_over"] += 1
        await self._journal.carry_over(self._claim, known, kept, findings)
        return True

    def _count(
        self, region: _Region, group: SecurityGroup | None, rules: int, findings: tuple[Finding, ...]
    ) -> None:
        region.counts["security_groups"] += 1
        region.counts["rules"] += rules
        if group is not None and findings:
            region.failing.append(group.security_group_id)
            region.has_classic |= group.classic
        elif group is not None and may_guard(group):
            region.guards[group.security_group_id] = group
        self._progress.security_groups += 1
        self._progress.rules += rules
        self._progress.findings += len(findings)

    async def _weigh(self, region: _Region, region_id: str) -> None:
        interfaces = await inventory.interfaces(self._session, region_id, classic=region.has_classic)
        judgement = self._sweep.judgement
        judge = (judgement.checks, self._sweep.now, judgement.exemptions)
        attached = Attached(self._journal, self._claim, region_id, interfaces, region.guards, judge)
        await attached.weigh(region.failing)

    def _judge(self, group: SecurityGroup) -> tuple[Finding, ...]:
        judgement = self._sweep.judgement
        return evaluate(group, judgement.checks, self._sweep.now, judgement.exemptions)

    async def _unreachable(self, unseen: Unreachable) -> None:
        self._unseen += 1
        self._progress.unreachable += 1
        await self._journal.record_unreachable(self._claim, unseen)


def observed(seen: Observation) -> Observed:
    """Return the group as the journal keeps it."""
    return Observed(
        placement=seen.group.placement,
        region_id=seen.group.region_id,
        listing=seen.listing,
        attribute=seen.attribute,
        permissions=seen.permissions,
        lists=seen.lists,
    )


async def _start(
    tasks: asyncio.TaskGroup, places: asyncio.Semaphore, work: Coroutine[Any, Any, None]
) -> None:
    """Start the work when a place is free, and free the place when it ends."""
    try:
        await places.acquire()
    except BaseException:
        work.close()
        raise
    tasks.create_task(work).add_done_callback(lambda _: places.release())
