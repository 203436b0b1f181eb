"""`evidence`: for each open finding of a run who opened the door, and who owns it.

It goes on where it stopped: an account that was asked to its end is not asked again until all were. Nothing in it
changes a verdict.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from accounts import Account
from accounts.ram import Allow, session_policy
from matching import named
from orchestrator.config import Config
from orchestrator.evidence import ACTIONS, Evidence, Openers, OwnedBy, Told
from orchestrator.journal import JobState, Journal, JournalError, Reader
from orchestrator.policy import Finding
from orchestrator.run.folder import EVIDENCE, write_lines
from orchestrator.run.hub import Hub, opened
from orchestrator.run.offline import write_report
from orchestrator.run.progress import Progress
from orchestrator.run.refusals import UsageError
from orchestrator.run.scanning import now, refuse_other_cloud
from orchestrator.run.signing import recorded
from orchestrator.run.witnessed import FACT, evidence_of


class EvidenceGathered(msgspec.Struct, frozen=True):
    """What gathering came to.

    Attributes:
        folder: the run folder.
        rules: doors that are known of.
        opened: how many of them, by what is known of who opened them.
        reasons: why something could not be asked, and of how many doors.
    """

    folder: Path
    rules: int
    opened: dict[str, int]
    reasons: tuple[tuple[str, int], ...] = ()

    @property
    def is_complete(self) -> bool:
        """Whether everything could be asked."""
        return not any(self.opened.get(one) for one in _UNASKED)


_UNASKED = ("unread", "not_permitted")


async def gather(
    config: Config, folder: Path, progress: Progress, accounts: Sequence[str] = ()
) -> EvidenceGathered:
    """Ask for the evidence of a run's open findings, and write evidence.jsonl and the report anew.

    Args:
        config: [evidence] says where it is looked for.
        folder: the run folder.
        progress: what is shown.
        accounts: only these: ids or names, patterns with * and ?; empty for all.

    Raises:
        UsageError: no account of the run is meant.
        JournalError: the folder is no run, or is in use.
        RefusedError: the run was made against another cloud or from another hub.
    """
    if config.evidence.trail_project:
        raise UsageError(
            "[evidence] trail_project: the organization's trail in Log Service cannot be asked yet. Leave it out, and "
            "each account's ActionTrail is asked"
        )
    async with (
        recorded(folder) as journal,
        opened(config, journal.header.run_id, progress) as hub,
    ):
        refuse_other_cloud(journal.header, config, hub)
        gathering = _Gathering(hub, journal, progress)
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

    def __init__(self, hub: Hub, journal: Journal, progress: Progress) -> None:
        self._hub = hub
        self._journal = journal
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
        """Return the job to go on with: the last one, unless it is done in all of these accounts."""
        number = self._journal.fact(FACT) or 0
        if number and not set(account_ids) <= self._journal.accounts_done(f"{FACT}:{number}"):
            return f"{FACT}:{number}"
        await self._journal.set_fact(FACT, number + 1)
        return f"{FACT}:{number + 1}"

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
        session = self._hub.bounded_reader(account, session_policy([Allow(ACTIONS)]))
        openers = Openers(session, self._hub.config.evidence)
        found: list[Evidence] = []
        for region_id, groups in self._doors(account).items():
            opened = await openers.opened(region_id, groups, now())
            found += [_evidence(one, opened) for doors in groups.values() for one in _of_rules(doors)]
        return found

    def _doors(self, account: Account) -> dict[str, dict[str, list[Finding]]]:
        """Return what lets something in, by region and group."""
        by_region: dict[str, dict[str, list[Finding]]] = {}
        for seen, findings in self._journal.observed(Finding, account.account_id):
            doors = [one for one in findings if one.lets_in]
            if doors:
                by_region.setdefault(seen.region_id, {})[seen.security_group_id] = doors
        return by_region

    def _result(self) -> EvidenceGathered:
        found = [one.opened for one in evidence_of(self._journal)]
        reasons = Counter(one.reason for one in found if one.status in _UNASKED)
        return EvidenceGathered(
            folder=self._journal.folder,
            rules=len(found),
            opened=dict(Counter(one.status for one in found)),
            reasons=tuple(reasons.most_common()),
        )


def _of_rules(findings: Iterable[Finding]) -> Iterable[Finding]:
    """Return one finding of each rule: a rule is one door, whichever checks it fails."""
    return {one.rule_id: one for one in findings}.values()


def _evidence(finding: Finding, opened: Told) -> Evidence:
    return Evidence(
        account_id=finding.account_id,
        region_id=finding.region_id,
        security_group_id=finding.security_group_id,
        rule_id=finding.rule_id,
        opened=opened[finding.security_group_id, finding.rule_id],
        owner=OwnedBy(finding.owner, finding.owner_from),
    )
