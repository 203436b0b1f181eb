"""`close`: an incident. Each account is planned and changed as soon as it is scanned, under the same rails."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from accounts import Account
from orchestrator.cloud.errors import CloudError
from orchestrator.config import Config
from orchestrator.files import make_folder, replaced
from orchestrator.journal import OutcomeKind, Reader, RuleEffects, SqliteReader, read_trusted
from orchestrator.plan import (
    LIMITS,
    Action,
    Place,
    Plan,
    PlanHead,
    Totals,
    UnsafePlan,
    check_identity,
    check_limits,
    decode,
    encode,
    make_plan,
)
from orchestrator.policy import Finding
from orchestrator.remediate import (
    Brake,
    Settings,
    Stopped,
    remediate_account,
    removed_before,
    session_policies,
)
from orchestrator.report import FindingTally, total
from orchestrator.run.changing import (
    Changed,
    Confirm,
    asked_unless_stopped,
    brake_of,
    changed_by,
    order_of,
)
from orchestrator.run.connection import note
from orchestrator.run.filters import Filters
from orchestrator.run.folder import Summary, export_outcomes
from orchestrator.run.guarding import guard_of, refuse_protected
from orchestrator.run.planning import judge_of, refuse_rolled_back, totals
from orchestrator.run.preflight import Entrance, refuse_what_cannot_be_undone
from orchestrator.run.progress import Progress
from orchestrator.run.refusals import RefusedError
from orchestrator.run.scanning import OpenRun, incident_run, next_pass, now, sweep
from orchestrator.run.signing import refuse_older, remember_record
from orchestrator.run.sweep import AccountTurn
from orchestrator.run.unseen import tried

PLANS = "plans"


class StillReachable(msgspec.Struct, frozen=True):
    """A group whose rule was closed, and the other groups of its interfaces that let the same port in."""

    account_id: str
    region_id: str
    security_group_id: str
    via: tuple[str, ...]


class Closed(msgspec.Struct, frozen=True):
    """What closing came to.

    Attributes:
        summary: of the sweep.
        changed: of the changes.
        left_open: failing findings that stay open, because they were skipped, drifted or failed.
        left_protected: those of them whose group is protected.
        rules_open: the rules that they are of.
        still_reachable: what stays reachable through another group.
        planned: what would be done, where nothing was to be done.
    """

    summary: Summary
    changed: Changed
    left_open: int
    rules_open: int
    still_reachable: tuple[StillReachable, ...]
    left_protected: int = 0
    planned: Plan | None = None


async def close(
    config: Config,
    filters: Filters,
    out: Path,
    incident: str,
    confirm: Confirm,
    progress: Progress,
    brake: Brake | None = None,
    *,
    dry_run: bool = False,
) -> Closed:
    """Find and close in one stream. Run again with the same folder, it reads everything again: a numbered pass.

    Args:
        config: as for a scan; its [remediation] says what may be changed.
        filters: what to look for and where.
        out: the run folder.
        incident: its name, in every record.
        confirm: asked before anything is changed.
        progress: what is shown.
        brake: stops it between two calls.
        dry_run: change nothing, ask nothing, and return the plan. Give it a folder of its own.

    Raises:
        DiscoveryError, CloudError, HubCredentialsError: the sweep cannot begin, or go on.
        RefusedError: not confirmed.
        JournalError: the folder cannot be used; nothing was called after that.
    """
    try:
        async with incident_run(config, filters, out, progress, incident) as run:
            closing = _Closing(
                run, progress, brake or brake_of(out, config.remediation), config.remediation, dry_run=dry_run
            )
            unfinished = closing.begin(confirm)
            first = unfinished | await next_pass(run.journal)
            summary = await sweep(run, progress, closing.account, first)
    finally:
        remember_record(out)
    return closing.result(summary)


class _Closing:
    """One pass of an incident: what was planned in it so far, and what came in its way."""

    def __init__(
        self, run: OpenRun, progress: Progress, brake: Brake, settings: Settings, *, dry_run: bool
    ) -> None:
        self._hub, self._journal = run.hub, run.journal
        self._brake = brake
        self._progress = progress
        self._settings = settings
        self._actions: dict[tuple[Place, str], Action] = {}
        self._troubles: list[str] = []
        self._dry_run = dry_run
        self._noting = asyncio.Lock()
        self._plans: list[Plan] = []  # of this pass
        self._past: set[str] = set()
        self._returned = removed_before(run.journal.folder.resolve().parent)
        self._judge = judge_of(run.criteria, now())

    def begin(self, confirm: Confirm) -> frozenset[str]:
        """Ask before anything is changed; return the accounts whose last plan was not carried out to its end.

        Raises:
            RefusedError: not confirmed; or what this run changed was rolled back.
            TrailBroken: it is an older state of the run than was seen before.
        """
        refuse_rolled_back(self._journal)
        refuse_older(self._journal)
        accounts = list(self._journal.accounts())
        if not self._dry_run:
            asked_unless_stopped(self._brake, confirm, len(accounts), None)
        for effect in self._journal.all_effects():  # of earlier passes: the limits are of the run
            self._past.add(effect.job)
            if effect.intended and effect.action is not None and not effect.undoes:
                self._count([effect.action])
        done = self._journal.jobs_done()
        plans = ((one.account.account_id, self._journal.fact(_recorded(one.account))) for one in accounts)
        return frozenset(
            account_id for account_id, digest in plans if digest is not None and _job(digest) not in done
        )

    async def account(self, turn: AccountTurn) -> None:
        """Finish what an earlier attempt left in the account, read it anew, and close what was found."""
        if await self._finished(turn.account):
            await turn.read(anew=True)
            await self._close(turn.account)

    def _count(self, actions: Iterable[Action]) -> None:
        self._actions.update({(action.place, action.rule_id): action for action in actions})

    async def _finished(self, account: Account) -> bool:
        """Finish the plan that an earlier attempt recorded for the account and did not carry out to its end.

        Returns:
            Whether the account may be read anew: no change was begun there of which it is not known how it ended.

        Raises:
            PlanError, RefusedError: the file is no plan, or not one of this run for this account.
        """
        path, digest = self._path(account), self._journal.fact(_recorded(account))
        if self._dry_run or not path.exists() or self._journal.is_done(_job(digest)):
            return True
        plan = decode(read_trusted(path))
        self._refuse_foreign(plan, account)
        if plan.digest != digest:
            raise RefusedError(f"{path} is not the plan that this run recorded for the account")
        self._count(plan.actions)
        self._past.discard(_job(plan.digest))
        self._plans.append(plan)
        await self._carry_out(account, plan)
        effects = self._journal.all_effects(_job(plan.digest), account.account_id)
        return all(effect.outcome is not None for effect in effects)

    def _refuse_foreign(self, plan: Plan, account: Account) -> None:
        header = self._journal.header
        check_identity(plan, header.hub_account_id, header.endpoint)
        others = {action.account_id for action in plan.actions} - {account.account_id}
        if plan.run_id != header.run_id or others:
            raise RefusedError(f"{self._path(account)} is no plan that this run made for the account")

    async def _close(self, account: Account) -> None:
        """Plan what was found in the account, record the plan, carry it out."""
        try:
            plan = self._plan(account)
        except UnsafePlan as error:
            self._brake.press(str(error))
            self._troubles.append(str(error))
            return
        # What an earlier plan failed to do, or was stopped before, this one has looked at again.
        self._plans = [one for one in self._plans if not _is_of(one, account)] + [plan]
        if plan.actions and not self._dry_run:
            path = self._path(account)
            make_folder(path.parent)
            await self._journal.set_fact(_recorded(account), plan.digest)
            with replaced(path) as file:
                file.write(encode(plan))
            await self._carry_out(account, plan)

    def _plan(self, account: Account) -> Plan:
        """Return the account's plan; the limits of the run count what other accounts have planned, too.

        Raises:
            UnsafePlan: it would change more than the limits allow.
        """
        header = self._journal.header
        plan = make_plan(
            (
                (seen.group(), findings)
                for seen, findings in self._journal.observed(Finding, account.account_id)
            ),
            PlanHead(
                run_id=header.run_id,
                now=now(),
                hub_account_id=header.hub_account_id,
                endpoint=header.endpoint,
                incident=header.incident,
                origin=self._hub.connection.origin,
            ),
            judge=self._judge,
            settings=msgspec.structs.replace(self._settings, **dict.fromkeys(LIMITS)),
            unreachable=tried(self._journal, account.account_id),
            returned=self._returned,
        )
        planned = {(action.place, action.rule_id): action for action in plan.actions}
        check_limits({**self._actions, **planned}.values(), self._settings, self._totals())
        self._count(plan.actions)
        return plan

    def _totals(self) -> Totals:
        """Return how much was read so far; it is asked for only where a relative limit is set."""
        if all(getattr(self._settings, name) is None for name in LIMITS if "share" in name):
            return Totals(rules=0, groups=0, accounts=0)
        return totals(self._journal)

    async def _carry_out(self, account: Account, plan: Plan) -> None:
        self._progress.stage = "apply"
        entrance = Entrance(self._hub, account, session_policies(plan.actions))
        try:
            # a plan that an earlier attempt recorded may be about what was protected since
            refuse_protected(plan.actions, self._settings, self._journal)
            by_account = {account.account_id: plan.actions}
            await refuse_what_cannot_be_undone({account.account_id: entrance}, by_account)
            async with self._noting:
                await note(self._journal, self._hub.connection, now().isoformat())
            order = await order_of(self._journal, _job(plan.digest), entrance, plan.digest)
            await remediate_account(
                entrance.enter,
                self._journal,
                plan.actions,
                order,
                self._brake,
                guard_of(self._journal, self._hub.config, account),
                self._settings,
                check_counts=self._hub.config.cloud.checks_rule_counts,
            )
        except (Stopped, RefusedError, CloudError) as error:
            self._troubles.append(f"{account.account_id}: {error}")

    def _path(self, account: Account) -> Path:
        return self._journal.folder / PLANS / f"{account.account_id}.json"

    def result(self, summary: Summary) -> Closed:
        """Return what it all came to, and write the outcomes; the sweep has written the report."""
        with SqliteReader(self._journal.folder) as reader:
            export_outcomes(reader)
            changes = RuleEffects(reader.all_effects())
            tally = FindingTally(changes)
            failing = [one for one in reader.findings(Finding) if one.lets_in]
            for one in failing:
                tally.add(one)
            return Closed(
                summary=summary,
                changed=self._changed(reader),
                left_open=total(tally.standings.open),
                rules_open=tally.standings.rules,
                left_protected=sum(
                    1 for one in failing if one.is_open and one.protection and not changes.has_closed(one)
                ),
                still_reachable=tuple(reachable(failing, changes)),
                planned=self._planned() if self._dry_run else None,
            )

    def _changed(self, reader: Reader) -> Changed:
        """Return what the changes of this pass have come to, and how many of its plans are left."""
        effects = [one for one in reader.all_effects() if one.job not in self._past and one.outcome]
        ended = {(one.job, one.place, one.rule_id) for one in effects}
        wanted = {(_job(plan.digest), one.place, one.rule_id) for plan in self._plans for one in plan.actions}
        current = {_job(plan.digest) for plan in self._plans}
        outcomes = [
            one.outcome
            for one in effects
            if one.outcome and (one.job in current or one.outcome.outcome is not OutcomeKind.failed)
        ]
        left = 0 if self._dry_run else len(wanted - ended)
        return changed_by(outcomes, "; ".join(self._troubles), reader.folder, left)

    def _planned(self) -> Plan:
        """Return what this pass would do, as one plan."""
        header = self._journal.header
        return Plan(
            run_id=header.run_id,
            created_at=now().isoformat(),
            hub_account_id=header.hub_account_id,
            endpoint=header.endpoint,
            actions=tuple(sorted((a for plan in self._plans for a in plan.actions), key=lambda a: a.place)),
            skipped=tuple(one for plan in self._plans for one in plan.skipped),
            incident=header.incident,
        )


def _recorded(account: Account) -> str:
    return f"plan of {account.account_id}"


def _job(digest: str) -> str:
    return f"apply:{digest}"


def _is_of(plan: Plan, account: Account) -> bool:
    return any(action.account_id == account.account_id for action in plan.actions)


def reachable(findings: Iterable[Finding], changes: RuleEffects) -> Iterator[StillReachable]:
    """Yield what was closed and is reachable still, by a group whose own rules could not be closed."""
    failing = list(findings)
    left = {one.security_group_id for one in failing if not changes.has_closed(one)}
    for one in failing:
        via = tuple(group for group in one.still_reachable_via if group in left)
        if via and changes.has_closed(one):
            yield StillReachable(one.account_id, one.region_id, one.security_group_id, via)
