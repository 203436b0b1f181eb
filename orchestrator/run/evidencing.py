"""`evidence`: of each open finding who opened the door, who uses it, what stands behind it, who owns it.

It goes on where it stopped: an account that was asked to its end is not asked again until all were. Nothing in it
changes a verdict.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from accounts import Account
from accounts.ram import Allow, session_policy
from matching import named
from orchestrator import inventory
from orchestrator.cloud.client import AccountSession
from orchestrator.cloud.sls import LogPlace, LogService
from orchestrator.config import Config
from orchestrator.evidence import (
    ACTIONS,
    BEHIND_ACTIONS,
    LIST_ACTIONS,
    LOG_ACTIONS,
    NOT_ASKED,
    TRAFFIC_ACTIONS,
    Behind,
    Cost,
    DeliveredTrail,
    Estates,
    Evidence,
    Logstores,
    Openers,
    OwnedBy,
    Told,
    Traffic,
    Users,
    owned_by,
)
from orchestrator.journal import JobState, Journal, JournalError, Reader
from orchestrator.policy import Finding
from orchestrator.run.criteria import criteria_of
from orchestrator.run.folder import EVIDENCE, write_lines
from orchestrator.run.hub import Hub, opened
from orchestrator.run.offline import write_report
from orchestrator.run.progress import Progress
from orchestrator.run.refusals import UsageError
from orchestrator.run.scanning import now, refuse_other_cloud
from orchestrator.run.signing import recorded
from orchestrator.run.witnessed import FACT, evidence_of
from orchestrator.securitygroup import SecurityGroup


class EvidenceWanted(msgspec.Struct, frozen=True):
    """What is asked.

    Attributes:
        who: who opened each door.
        traffic: who used it.
        days: how far back traffic is looked at.
    """

    who: bool = True
    traffic: bool = True
    days: int = 14


class EvidenceGathered(msgspec.Struct, frozen=True):
    """What gathering came to.

    Attributes:
        folder: the run folder.
        rules: doors that are known of.
        opened: how many of them, by what is known of who opened them.
        traffic: the same of who used them.
        behind: the same of what stands behind them.
        reasons: why something could not be asked, and of how many doors.
        queries: of Log Service, this time.
        rows_scanned: by them.
    """

    folder: Path
    rules: int
    opened: dict[str, int]
    traffic: dict[str, int]
    behind: dict[str, int]
    reasons: tuple[tuple[str, int], ...] = ()
    queries: int = 0
    rows_scanned: int = 0

    @property
    def is_complete(self) -> bool:
        """Whether everything could be asked."""
        return not any(
            found.get(one) for found in (self.opened, self.traffic, self.behind) for one in _UNASKED
        )


INTERFACE_ACTIONS = ("ecs:DescribeNetworkInterfaces", "ecs:DescribeInstances")
_UNASKED = ("unread", "not_permitted", "incomplete")


async def gather(
    config: Config, folder: Path, wanted: EvidenceWanted, progress: Progress, accounts: Sequence[str] = ()
) -> EvidenceGathered:
    """Ask for the evidence of a run's open findings, and write evidence.jsonl and the report anew.

    Args:
        config: [evidence] says where it is looked for.
        folder: the run folder.
        wanted: what is asked.
        progress: what is shown.
        accounts: only these: ids or names, patterns with * and ?; empty for all.

    Raises:
        UsageError: no account of the run is meant.
        JournalError: the folder is no run, or is in use.
        RefusedError: the run was made against another cloud or from another hub.
    """
    async with (
        recorded(folder) as journal,
        opened(config, journal.header.run_id, progress) as hub,
    ):
        refuse_other_cloud(journal.header, config, hub)
        gathering = _Gathering(hub, journal, wanted, progress)
        return await gathering.run(_meant(journal, accounts))


def _meant(reader: Reader, asked: Sequence[str]) -> list[Account]:
    """Return the accounts of the run that are asked for.

    Raises:
        UsageError: there is none.
    """
    every = [one.account for one in reader.accounts()]
    found = [one for one in every if not asked or named(asked, one.account_id, one.name)]
    if not found:
        raise UsageError(f"the run has no account {', '.join(asked)}")
    return found


class _Gathering:
    """One gathering: over accounts, from whatever the journal says is still to be asked."""

    def __init__(self, hub: Hub, journal: Journal, wanted: EvidenceWanted, progress: Progress) -> None:
        self._hub = hub
        self._journal = journal
        self._wanted = wanted
        self._settings = msgspec.structs.replace(hub.config.evidence, days=wanted.days)
        self._logs = LogService(hub.client)  # one: no project is asked for too much at once
        self._gathered = self._gathered_logs() if self._settings.project else None
        self._trail = self._delivered_trail() if self._settings.trail_project else None
        self._costs: list[Cost] = []
        self._progress = progress
        self._gate = asyncio.Semaphore(hub.config.cloud.limits.max_accounts)

    async def run(self, accounts: Sequence[Account]) -> EvidenceGathered:
        """Ask in every account that has open findings and was not asked to its end."""
        progress = self._progress
        progress.stage, progress.accounts = "evidence", len(accounts)
        progress.watch(self._hub.count_calls, self._hub.quota_seconds, self._hub.longest_waits)
        job = await self._job([one.account_id for one in accounts])
        try:
            async with asyncio.TaskGroup() as tasks:
                for account in accounts:
                    tasks.create_task(self._account(account, job))
        finally:
            with suppress(JournalError):  # it is sealed when it is closed, too, which tells what is wrong
                await self._journal.seal()
            write_lines(self._journal.folder / EVIDENCE, evidence_of(self._journal))
            write_report(self._journal.folder)
        return self._result()

    async def _job(self, account_ids: Iterable[str]) -> str:
        """Return the job to go on with: the last one, unless it is done in all of these accounts, or asks otherwise."""
        last = self._journal.fact(FACT) or {}
        number, asked = last.get("number", 0), msgspec.to_builtins(self._wanted)
        is_left = not set(account_ids) <= self._journal.accounts_done(f"{FACT}:{number}")
        if number and is_left and last.get("asked") == asked:
            return f"{FACT}:{number}"
        await self._journal.set_fact(FACT, {"number": number + 1, "asked": asked})
        return f"{FACT}:{number + 1}"

    def _gathered_logs(self) -> Logstores:
        """Return who may read the project where the flow logs of all accounts are gathered."""
        return Logstores(self._logs, self._log_reader())

    def _delivered_trail(self) -> DeliveredTrail:
        """Return the organization's trail in Log Service."""
        settings = self._settings
        place = LogPlace(settings.trail_region, settings.trail_project, settings.trail_logstore)
        return DeliveredTrail(self._logs, self._log_reader(), place)

    def _log_reader(self) -> AccountSession:
        """Return who may read the organization's own logs: by a role in their account, by default the hub's own."""
        settings = self._settings
        owner = Account(settings.account or self._hub.identity.account_id)
        role = settings.role or self._hub.config.organization.role
        return self._hub.entered(owner, role, session_policy([Allow(LOG_ACTIONS)]))

    async def _account(self, account: Account, job: str) -> None:
        async with self._gate:
            claim = await self._journal.claim(account.account_id, job)
            if claim is None:
                self._progress.leave(account.account_id)
                return
            self._progress.enter(account.account_id, lambda: f"{account.account_id} {account.name}")
            gathered = await self._asked(account)
            await self._journal.set_fact(f"{FACT}:{account.account_id}", gathered)
            await self._journal.finish(claim, JobState.done)
            self._progress.leave(account.account_id)

    async def _asked(self, account: Account) -> list[Evidence]:
        """Ask of one account, region by region."""
        session = self._hub.bounded_reader(account, session_policy([Allow(self._actions())]))
        openers = Openers(session, self._settings, self._trail) if self._wanted.who else None
        users = Users(session, self._logs, self._settings, self._gathered) if self._wanted.traffic else None
        estates = Estates(session)
        found: list[Evidence] = []
        for region_id, groups in self._doors(account).items():
            known = self._groups(account.account_id, region_id)
            opened = await openers.opened(region_id, groups, now()) if openers else {}
            traffic = await self._traffic(users, session, region_id, groups, known) if users else {}
            behind = await estates.behind(region_id, groups, groups=known)
            owners = await self._owners(estates, region_id, {one: known[one] for one in groups})
            doors = [one for findings in groups.values() for one in _of_rules(findings)]
            found += [_evidence(one, opened, traffic, behind, owners) for one in doors]
        if users:
            self._costs.append(users.cost)
        return found

    def _actions(self) -> tuple[str, ...]:
        """Return what the session may do: what is asked, and nothing else."""
        flows = (*INTERFACE_ACTIONS, *(LIST_ACTIONS if self._gathered else TRAFFIC_ACTIONS))
        asked = (ACTIONS if self._wanted.who else (), flows if self._wanted.traffic else (), BEHIND_ACTIONS)
        return tuple(dict.fromkeys(one for some in asked for one in some))

    def _groups(self, account_id: str, region_id: str) -> dict[str, SecurityGroup]:
        """Return the groups of a region that the scan has kept: those with findings."""
        seen = self._journal.observed(Finding, account_id)
        return {one.security_group_id: one.group() for one, _ in seen if one.region_id == region_id}

    async def _owners(
        self, estates: Estates, region_id: str, groups: Mapping[str, SecurityGroup]
    ) -> dict[str, OwnedBy]:
        """Return who owns each group, by the tags of its instances and its VPC, too, where tags name owners."""
        owners = criteria_of(self._journal.header).owners
        if not owners.tags:
            return {}
        tags = await estates.tags(region_id, {group_id: one.vpc_id for group_id, one in groups.items()})
        return {
            group_id: owned_by(one, owners, tags[group_id].instances, tags[group_id].vpc)
            for group_id, one in groups.items()
        }

    async def _traffic(
        self,
        users: Users,
        session: AccountSession,
        region_id: str,
        groups: Mapping[str, Sequence[Finding]],
        known: Mapping[str, SecurityGroup],
    ) -> Mapping[tuple[str, str], Traffic]:
        interfaces = await inventory.interfaces(session, region_id)
        return await users.traffic(region_id, groups, interfaces, known, now())

    def _doors(self, account: Account) -> dict[str, dict[str, list[Finding]]]:
        """Return what lets something in, by region and group."""
        by_region: dict[str, dict[str, list[Finding]]] = {}
        for seen, findings in self._journal.observed(Finding, account.account_id):
            doors = [one for one in findings if one.lets_in]
            if doors:
                by_region.setdefault(seen.region_id, {})[seen.security_group_id] = doors
        return by_region

    def _result(self) -> EvidenceGathered:
        found = list(evidence_of(self._journal))
        parts = [part for one in found for part in (one.opened, one.traffic, one.behind)]
        reasons = Counter(part.reason for part in parts if part.status in _UNASKED)
        return EvidenceGathered(
            folder=self._journal.folder,
            rules=len(found),
            opened=dict(Counter(one.opened.status for one in found)),
            traffic=dict(Counter(one.traffic.status for one in found)),
            behind=dict(Counter(one.behind.status for one in found)),
            reasons=tuple(reasons.most_common()),
            queries=sum(one.queries for one in self._costs),
            rows_scanned=sum(one.rows_scanned for one in self._costs),
        )


def _of_rules(findings: Iterable[Finding]) -> Iterable[Finding]:
    """Return one finding of each rule: a rule is one door, whichever checks it fails."""
    return {one.rule_id: one for one in findings}.values()


def _evidence(
    finding: Finding,
    opened: Told,
    traffic: Mapping[tuple[str, str], Traffic],
    behind: Mapping[tuple[str, str], Behind],
    owners: Mapping[str, OwnedBy],
) -> Evidence:
    door = finding.security_group_id, finding.rule_id
    return Evidence(
        account_id=finding.account_id,
        region_id=finding.region_id,
        security_group_id=finding.security_group_id,
        rule_id=finding.rule_id,
        opened=opened.get(door, NOT_ASKED[0]),
        traffic=traffic.get(door, NOT_ASKED[1]),
        behind=behind[door],
        owner=owners.get(finding.security_group_id) or OwnedBy(finding.owner, finding.owner_from),
    )
