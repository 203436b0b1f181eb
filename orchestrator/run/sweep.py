"""The sweep: every account, every region at once, each group judged and written down as soon as it is read.

Nothing is gathered: what is in memory is what is under way. A failed account, region or group is a row; only a
bug or the loss of the hub's own credentials stops the run, in order, to go on later.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

import msgspec

from accounts import Account, Unreachable, is_group_gone
from orchestrator import inventory
from orchestrator.cloud.client import AccountSession
from orchestrator.cloud.errors import CloudError
from orchestrator.inventory import Balancers, InPart, InRegion, Observation, RegionReader, Seen, Sought
from orchestrator.journal import Claim, JobState, Journal, Observed, Reader, listing_digest
from orchestrator.plan import protection
from orchestrator.policy import Finding, Weighing, evaluate, may_guard, owner_of
from orchestrator.run.attached import Attached
from orchestrator.run.criteria import Criteria
from orchestrator.run.cross_check import CrossCheck, mismatch
from orchestrator.run.hub import Hub, placement
from orchestrator.run.progress import Progress
from orchestrator.securitygroup import SecurityGroup


class AccountTurn:
    """One account's turn in a sweep. Whoever does more than read it, as an incident does, does so around `read`.

    Attributes:
        account: the account.
        ended: what it was read under, and how far that came; None as long as it was not read.
    """

    def __init__(
        self, account: Account, read: Callable[[bool], Coroutine[Any, Any, tuple[Claim, JobState]]]
    ) -> None:
        self.account = account
        self.ended: tuple[Claim, JobState] | None = None
        self._read = read

    async def read(self, *, anew: bool = False) -> None:
        """Read and judge the account; its findings are in the journal then.

        Args:
            anew: forget what earlier passes of the run have seen there.
        """
        self.ended = await self._read(anew)


class Sweep:
    """One run over its accounts, from whatever the journal says is still to be done."""

    def __init__(
        self,
        hub: Hub,
        journal: Journal,
        criteria: Criteria,
        progress: Progress,
        now: datetime,
        earlier: Reader | None = None,
    ) -> None:
        self.hub = hub
        self.journal = journal
        self.criteria = criteria
        self.progress = progress
        self.now = now
        self.earlier = earlier
        effects = earlier.all_effects() if earlier is not None else ()
        self.touched = {(e.account_id, e.region_id, e.security_group_id) for e in effects}
        allowed = hub.config.remediation.narrow_to  # read where a plan may need them; a plan reads nothing
        self.narrow_to = tuple({"SourcePrefixListId": entry} for entry in allowed if entry.startswith("pl-"))
        self._witness = CrossCheck(
            hub.resource_center(),
            journal,
            criteria.regions,
            is_directory=hub.config.organization.source != "static",
        )
        self.balanced_regions = frozenset[tuple[str, str]]()
        limits = hub.config.cloud.limits
        self._at_once = limits.max_accounts
        self._accounts = asyncio.Semaphore(limits.max_accounts)
        # Reads waiting for the limiter cost memory, so no more are begun than could be in flight twice over.
        self.reads = asyncio.Semaphore(2 * limits.max_in_flight)

    async def run(
        self, each: Callable[[AccountTurn], Awaitable[None]] = AccountTurn.read, first: Collection[str] = ()
    ) -> None:
        """Sweep every account that is not done; those first that were asked for first, then those that have groups.

        Then look for the groups that a second witness names beyond what was read.

        Args:
            each: what is done with an account: it reads it, or leaves it unread and so not done.
            first: the accounts that come first.

        Raises:
            HubCredentialsError: the hub's own credentials no longer hold; what was read is kept.
            JournalError: what was read cannot be written down.
        """
        self.progress.watch(self.hub.count_calls, self.hub.quota_seconds, self.hub.longest_waits)
        states = list(self.journal.accounts())
        self.progress.accounts = len(states)
        if len(states) > self._at_once:
            states = await self._witness.in_order(states)
        if not self.criteria.balancers:  # else they are asked for everywhere
            self.balanced_regions = await self._witness.balanced_regions()
        accounts = [state.account for state in states]
        async with asyncio.TaskGroup() as tasks:
            for account in sorted(accounts, key=lambda one: one.account_id not in first):
                await _start(tasks, self._accounts, self._account(account, each))
        await self._cross_check(each)

    async def _cross_check(self, each: Callable[[AccountTurn], Awaitable[None]]) -> None:
        states = {state.account.account_id: state for state in self.journal.accounts()}
        await self._witness.listen(states)
        async with asyncio.TaskGroup() as tasks:
            for account_id, missing in self._witness.missing.items():
                await _start(tasks, self._accounts, self._look_for(states[account_id].account, missing, each))
        await self._witness.conclude()

    async def _look_for(
        self,
        account: Account,
        missing: Mapping[str, Mapping[str, None]],
        each: Callable[[AccountTurn], Awaitable[None]],
    ) -> None:
        """Ask for groups by their ids, and read the regions again whose lists have left out what is there."""
        session = self.hub.reader(account)
        sought: dict[str, Sought] = {}
        for region_id, group_ids in missing.items():
            reader = self.hub.region_reader(session, account, region_id)
            sought[region_id] = await reader.look_for(tuple(group_ids))
            self._witness.count(sought[region_id])
        short = [region_id for region_id, one in sought.items() if one.found]
        turn = AccountTurn(account, partial(self._read_again, account, sought, short))
        if short:
            await each(turn)
        elif any(one.refused for one in sought.values()):
            await turn.read()
        else:
            return
        if turn.ended is None:
            # a change was begun there of which it is not known how it ended; so the account is not read in full
            turn.ended = await self.journal.reopen(account.account_id, ()), JobState.in_part
        await self.journal.finish(*turn.ended)

    async def _read_again(
        self,
        account: Account,
        sought: Mapping[str, Sought],
        short: Sequence[str],
        anew: bool,  # noqa: ARG002, FBT001 - as `AccountTurn` calls it: what was read of the other regions stands
    ) -> tuple[Claim, JobState]:
        done = self.journal.regions_done(account.account_id)
        claim = await self.journal.reopen(account.account_id, short)
        return claim, await _AccountSweep(self, account, claim).again(sought, done)

    async def _account(self, account: Account, each: Callable[[AccountTurn], Awaitable[None]]) -> None:
        claim = await self.journal.claim(account.account_id)
        if claim is not None:
            self.progress.enter(account.account_id, lambda: f"{account.account_id} {account.name}")
            turn = AccountTurn(account, partial(self._read, account, claim))
            await each(turn)
            if turn.ended is None:
                self.progress.drop(account.account_id)
                return
            await self.journal.finish(*turn.ended)
        self.progress.leave(account.account_id)

    async def _read(
        self,
        account: Account,
        claim: Claim,
        anew: bool,  # noqa: FBT001 - as `AccountTurn` calls it
    ) -> tuple[Claim, JobState]:
        if anew:
            await self.journal.forget(claim)
        return claim, await _AccountSweep(self, account, claim).run()


class _Region:
    """What is gathered while one region is read: counts, and what its interfaces will be weighed against."""

    def __init__(
        self, region_id: str, reader: RegionReader, found: tuple[inventory.Answer, ...] = ()
    ) -> None:
        self.region_id = region_id
        self.reader = reader
        self.found = {str(listing["SecurityGroupId"]): listing for listing in found}  # whatever the list says
        self.counts = {"account_regions": 1, "security_groups": 0, "rules": 0, "carried_over": 0}
        self.balancers: InRegion | None = None  # not asked for
        self.failing: list[str] = []
        self.guards: dict[str, SecurityGroup] = {}

    def balanced(self, group: SecurityGroup) -> SecurityGroup:
        """Return the group with the load balancers that joined it, as far as they were asked for."""
        if self.balancers is None:
            return group
        balancing = self.balancers.of(group.security_group_id, group.balancing)
        return group if balancing == group.balancing else msgspec.structs.replace(group, balancing=balancing)


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
        is_required = sweep.hub.config.cloud.balancers == "required"
        self._balancers = Balancers(self._session, is_required=is_required)

    async def run(self) -> JobState:
        """Sweep the account's regions; return how far that came."""
        try:
            region_ids = await self._regions()
        except CloudError as error:
            await self._unreachable(inventory.unreachable(error, self._account.account_id))
            return JobState.unreachable
        done = self._journal.regions_done(self._account.account_id)
        async with asyncio.TaskGroup() as tasks:
            for region_id in region_ids:
                if region_id not in done:
                    tasks.create_task(self._region(region_id))
        return JobState.in_part if self._unseen else JobState.done

    async def again(self, sought: Mapping[str, Sought], done: frozenset[str]) -> JobState:
        """Read the regions again, and whole, whose lists had left out what was found by its id.

        Args:
            sought: what came of the groups that were looked for, by region.
            done: the regions that were read before. Another one was left out by the list of regions.
        """
        found = {region_id: one.found for region_id, one in sought.items() if one.found}
        listed = set(found) if found.keys() <= done else await self._listed_again()
        known = {
            *done,
            *found,
            *(one.region_id for one in self._journal.unreachables(self._account.account_id)),
        }
        left_out = dict.fromkeys(listed - known, ())
        async with asyncio.TaskGroup() as tasks:
            for region_id, groups in {**left_out, **found}.items():
                tasks.create_task(self._region(region_id, groups, is_listed=region_id in listed))
        for one in sought.values():
            for refused in one.refused:
                await self._unreachable(mismatch(refused))
        unseen = any(self._journal.unreachables(self._account.account_id))
        return JobState.in_part if unseen else JobState.done

    async def _listed_again(self) -> set[str]:
        """Return the regions of a second list that are asked for; none where there is no second list."""
        try:
            return set(await self._regions())
        except CloudError:
            return set()

    async def _regions(self) -> tuple[str, ...]:
        """Return the account's regions that are asked for; one that it does not have is unreachable there."""
        found = await inventory.regions(self._session)
        wanted = self._sweep.criteria.regions
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

    async def _region(
        self, region_id: str, found: tuple[inventory.Answer, ...] = (), *, is_listed: bool = True
    ) -> None:
        reader = self._sweep.hub.region_reader(self._session, self._account, region_id)
        region = _Region(region_id, reader, found)
        if not is_listed:
            region.counts["regions_not_listed"] = 1
        is_balanced = (self._account.account_id, region_id) in self._sweep.balanced_regions
        if self._sweep.criteria.balancers or is_balanced:
            await self._ask_balancers(region)
        async with asyncio.TaskGroup() as tasks:
            failure = await self._list(tasks, region, region_id)
        if failure is not None:
            await self._unreachable(inventory.unreachable(failure, self._account.account_id, region_id))
            return
        if region.balancers is None and region.failing:
            await self._ask_balancers(region)
            await self._judge_balanced(region)
        if self._sweep.criteria.exposure and region.failing:
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
                    region.found.pop(str(listing["SecurityGroupId"]), None)
                    await _start(tasks, self._sweep.reads, self._group(region, listing))
        except CloudError as error:
            return error
        for listing in region.found.values():
            await _start(tasks, self._sweep.reads, self._group(region, listing))
        if region.found:
            region.counts["not_listed"] = len(region.found)
        return None

    async def _group(self, region: _Region, listing: inventory.Answer) -> None:
        if await self._carry_over(region, listing):
            return
        seen = await self._seen(await region.reader.read(listing))
        if seen is not None:
            seen, findings = await self._judged(region, seen)
            self._count(region, seen.group, len(seen.permissions), findings)
            await self._journal.record_group(self._claim, observed(seen), findings)

    async def _seen(self, seen: Seen) -> Observation | None:
        """Return what was read of a group; write down what was not."""
        if isinstance(seen, Unreachable):
            await self._unreachable(seen)
            return None
        if isinstance(seen, InPart):
            await self._unreachable(seen.missing)
            return seen.seen
        return seen

    async def _judged(self, region: _Region, seen: Observation) -> tuple[Observation, tuple[Finding, ...]]:
        """Return the group as it is to be kept, with its findings."""
        seen = msgspec.structs.replace(seen, group=region.balanced(seen.group))
        findings = self._judge(seen.group)
        if findings:
            seen = await region.reader.with_lists(seen, self._sweep.narrow_to)
        return seen, findings

    async def _ask_balancers(self, region: _Region) -> None:
        region.balancers = await self._balancers.of(region.region_id)
        region.counts["balancers_unknown"] = int(bool(region.balancers.unread))

    async def _judge_balanced(self, region: _Region) -> None:
        """Judge again what a load balancer joined, or may have, in a region whose groups were read before it was asked.

        A group that had no finding until now was not kept, so it is read again.
        """
        balancers = region.balancers
        if balancers is None:
            return
        # What was carried over was kept with what had joined it then.
        unsure = region.failing if balancers.unread or self._sweep.earlier is not None else ()
        for group_id in dict.fromkeys((*balancers.group_ids, *unsure)):
            kept = self._journal.observed_group(self._account.account_id, region.region_id, group_id)
            if kept is not None:
                group = region.balanced(kept.group())
                kept = msgspec.structs.replace(kept, balancing=group.balancing)
                await self._journal.record_group(self._claim, kept, self._judge(group))
                continue
            read = await region.reader.reread(group_id)
            if isinstance(read, Unreachable) and is_group_gone(read.code):
                continue
            seen = await self._seen(read)
            if seen is None:
                continue
            seen, findings = await self._judged(region, seen)
            await self._journal.record_group(self._claim, observed(seen), findings)
            if findings:
                region.failing.append(group_id)
                self._progress.findings += len(findings)

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
        if kept is None and region.balancers is not None and place[2] in region.balancers.group_ids:
            return False
        findings: tuple[Finding, ...] = ()
        if kept is not None:
            group = region.balanced(kept.group())
            kept = msgspec.structs.replace(kept, balancing=group.balancing)
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
        elif group is not None and may_guard(group):
            region.guards[group.security_group_id] = group
        self._progress.security_groups += 1
        self._progress.rules += rules
        self._progress.findings += len(findings)

    async def _weigh(self, region: _Region, region_id: str) -> None:
        criteria = self._sweep.criteria
        interfaces = await inventory.interfaces(self._session, region_id, criteria.owners.tags)
        weighing = Weighing(criteria.checks, self._sweep.now, criteria.exemptions)
        attached = Attached(
            self._journal, self._claim, region_id, interfaces, region.guards, weighing, criteria.owners
        )
        await attached.weigh(region.failing)

    def _judge(self, group: SecurityGroup) -> tuple[Finding, ...]:
        criteria = self._sweep.criteria
        found = evaluate(group, criteria.checks, self._sweep.now, criteria.exemptions)
        if not found:
            return found
        why, owner = protection(group, self._sweep.hub.config.remediation), owner_of(criteria.owners, group)
        own = {"protection": why, "owner": owner.name, "owner_from": owner.taken_from}
        return tuple([msgspec.structs.replace(one, **own) for one in found])

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
        balancing=seen.group.balancing,
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
