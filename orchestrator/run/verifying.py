"""`verify`: is the record whole, and is the cloud as it says? It reads, and repairs nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from datetime import date
from itertools import groupby
from pathlib import Path
from typing import Any

import msgspec

from accounts import Account, Unreachable, is_group_gone
from orchestrator import inventory
from orchestrator.audit import Problem
from orchestrator.cloud.client import AccountSession
from orchestrator.cloud.errors import CloudError
from orchestrator.config import Config
from orchestrator.inventory import Balancers, InPart, InRegion, Observation, RegionReader, Seen
from orchestrator.journal import LedgerChecked, Reader, RuleEffects, SqliteReader, check_ledger, is_ledger
from orchestrator.plan import Place
from orchestrator.policy import Finding, Status
from orchestrator.remediate import GroupRules, RuleDrift, Target, differences, expectations
from orchestrator.run.criteria import criteria_of
from orchestrator.run.hub import Hub, opened
from orchestrator.run.planning import is_complete, judge_of
from orchestrator.run.progress import Progress
from orchestrator.run.refusals import UsageError
from orchestrator.run.scanning import now, refuse_other_cloud
from orchestrator.run.signing import standing
from orchestrator.run.unseen import acceptance
from orchestrator.securitygroup import NOT_BALANCED, SecurityGroup


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """What verification came to.

    Attributes:
        problems: of the audit trail.
        records: how many audit records there are.
        proof: what the trail proves, in words; of a broken one nothing.
        differences: rules that are not as the run left them.
        open: findings that are open now, among the groups that had any.
        rules_open: the rules that they are of; the pieces of a rule that was split are one.
        unreachable: what could not be read again.
        accepted: the same, accepted by an owner until a day; where the run has changed something, nobody can.
        complete: the scan behind the run saw everything.
        balancers_unknown: in how many accounts it could not be read which load balancers joined the groups.
        ledger: of a function's ledger, what it came to.
    """

    problems: tuple[Problem, ...] = ()
    records: int = 0
    proof: str = ""
    differences: tuple[RuleDrift, ...] = ()
    open: tuple[Finding, ...] = ()
    rules_open: int = 0
    unreachable: tuple[Unreachable, ...] = ()
    accepted: tuple[tuple[Unreachable, date], ...] = ()
    complete: bool = True
    balancers_unknown: int = 0
    ledger: LedgerChecked | None = None


def verify_offline(folder: Path, keys: Sequence[Path] = ()) -> Verified:
    """Check the audit trail from the folder alone.

    Args:
        folder: the run folder, or a copy of a function's ledger.
        keys: files of Ed25519 public keys (PEM), all of which must have signed the record as it is.

    Raises:
        JournalError: it cannot be read.
        UsageError: a key cannot be read; or given for a ledger, which nobody signs.
        ApprovalError: a key is none, or two are the same.
    """
    if is_ledger(folder):
        return _verify_ledger(folder, keys)
    found = standing(folder, keys)
    return Verified(problems=found.problems, records=found.records, proof=found.told)


def _verify_ledger(folder: Path, keys: Sequence[Path]) -> Verified:
    if keys:
        raise UsageError(
            f"{folder} is the ledger of a function, which nobody signs: leave out --require-signature, and hold the "
            "newest entry against the function's log"
        )
    checked = check_ledger(folder)
    return Verified(
        problems=checked.problems, records=checked.records, proof="consistent, unsigned", ledger=checked
    )


async def verify(folder: Path, config: Config, progress: Progress, keys: Sequence[Path] = ()) -> Verified:
    """Check the audit trail, then read every group that had findings again, and compare and judge.

    Raises:
        JournalError: the folder cannot be read.
        RefusedError: the configuration is for another cloud or hub.
        UsageError: the folder is a function's ledger, which says of no group what it should be like.
    """
    if is_ledger(folder):
        raise UsageError(f"{folder} is the ledger of a function: check it with --offline")
    offline = verify_offline(folder, keys)
    if offline.problems:
        return offline
    with SqliteReader(folder) as reader:
        async with opened(config, reader.header.run_id, progress) as hub:
            refuse_other_cloud(reader.header, config, hub)
            return await _Verification(hub, reader, progress).run(offline)


class _Verification:
    """One look at the cloud."""

    def __init__(self, hub: Hub, reader: Reader, progress: Progress) -> None:
        self._hub = hub
        self._reader = reader
        self._progress = progress
        self._judge = judge_of(criteria_of(reader.header), now())
        self._places = asyncio.Semaphore(2 * hub.config.cloud.limits.max_in_flight)
        self._differences: list[RuleDrift] = []
        self._open: list[Finding] = []
        self._unreachable: list[Unreachable] = []
        self._accepted: list[tuple[Unreachable, date]] = []
        self._accepting = acceptance(hub.config.accepted_unreachable, now().date())
        self._balancers: dict[tuple[str, str], InRegion] = {}
        progress.stage = "verify"
        progress.watch(hub.count_calls, hub.quota_seconds, hub.longest_waits)

    async def run(self, offline: Verified) -> Verified:
        accounts = {state.account.account_id: state.account for state in self._reader.accounts()}
        changes = RuleEffects(self._reader.all_effects())
        expected = dict(expectations(self._reader.all_effects()))
        self._progress.accounts = len(accounts)
        async with asyncio.TaskGroup() as tasks:
            for account in accounts.values():
                tasks.create_task(self._account(account, expected))
        return msgspec.structs.replace(
            offline,
            differences=tuple(sorted(self._differences, key=msgspec.structs.astuple)),
            open=tuple(self._open),
            rules_open=len({changes.origin(one) for one in self._open if one.is_open}),
            unreachable=tuple(self._unreachable),
            accepted=tuple(self._accepted),
            complete=is_complete(self._reader),
            balancers_unknown=len(
                {account_id for (account_id, _), one in self._balancers.items() if one.unread}
            ),
        )

    async def _account(self, account: Account, expected: dict[Place, list[Target]]) -> None:
        session = self._hub.reader(account)
        is_required = self._hub.config.cloud.balancers == "required"
        balancers = Balancers(session, is_required=is_required)
        self._progress.enter(account.account_id, lambda: f"{account.account_id} {account.name}")
        places = [
            Place(account.account_id, seen.region_id, seen.security_group_id)
            for seen, _ in self._reader.observed(Finding, account.account_id)
        ]
        async with asyncio.TaskGroup() as tasks:
            for region_id, mine in groupby(places, key=lambda place: place.region_id):
                self._balancers[account.account_id, region_id] = await balancers.of(region_id)
                reader = self._hub.region_reader(session, account, region_id)
                await self._region(tasks, reader, session, list(mine), expected)
        self._progress.leave(account.account_id)

    async def _region(
        self,
        tasks: asyncio.TaskGroup,
        reader: RegionReader,
        session: AccountSession,
        places: Sequence[Place],
        expected: dict[Place, list[Target]],
    ) -> None:
        """List the groups anew, many in a call, and read each: what an old listing counted proves nothing now."""
        left = {place.security_group_id: place for place in places}
        try:
            async for page in inventory.security_groups(session, places[0].region_id, list(left)):
                for listing in page:
                    place = left.pop(str(listing["SecurityGroupId"]))
                    await self._begin(tasks, reader.read(listing), place, expected)
        except CloudError as error:
            for place in left.values():
                self._unseen(inventory.unreachable(error, *place), expected.get(place, ()))
            return
        for place in left.values():  # gone, perhaps: it is asked for by itself
            await self._begin(tasks, reader.reread(place.security_group_id), place, expected)

    async def _begin(
        self,
        tasks: asyncio.TaskGroup,
        reading: Coroutine[Any, Any, Seen],
        place: Place,
        expected: dict[Place, list[Target]],
    ) -> None:
        await self._places.acquire()
        task = tasks.create_task(self._group(reading, place, expected.get(place, [])))
        task.add_done_callback(lambda _: self._places.release())

    async def _group(
        self, reading: Coroutine[Any, Any, Seen], place: Place, targets: Sequence[Target]
    ) -> None:
        """Read the group once, and hold it against what the run left and what it looked for."""
        found = await reading
        if isinstance(found, InPart):
            self._unseen(found.missing, targets)
            self._open += self._judged(found.seen)
            return
        if isinstance(found, Unreachable):
            if not is_group_gone(found.code):  # gone is not unseen
                self._unseen(found, targets)
                return
        else:
            self._progress.security_groups += 1
            self._open += self._judged(found)
        rules = GroupRules(() if isinstance(found, Unreachable) else found.permissions)
        self._differences += differences(place, rules, targets)

    def _unseen(self, found: Unreachable, targets: Sequence[Target]) -> None:
        """Keep what could not be read; what is accepted apart, unless the run has changed it: that must be seen."""
        entry = None if targets else self._accepting(found)
        if entry is None:
            self._unreachable.append(found)
        else:
            self._accepted.append((found, entry.expires))

    def _judged(self, seen: Observation) -> list[Finding]:
        return [one for one in self._judge(self._balanced(seen.group)) if one.status is Status.open]

    def _balanced(self, group: SecurityGroup) -> SecurityGroup:
        """Return the group with the load balancers that joined it; those of the scan where they cannot be read."""
        place = Place(group.placement.account_id, group.region_id, group.security_group_id)
        now = self._balancers[place[:2]]
        kept = self._reader.observed_group(*place) if now.unread else None
        known = NOT_BALANCED if kept is None else kept.balancing
        return msgspec.structs.replace(group, balancing=now.of(group.security_group_id, known))
