"""`close`: an incident. Each account is planned and changed as soon as it is scanned, under the same rails."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from accounts import Account
from orchestrator.cloud.errors import CloudError
from orchestrator.config import Config
from orchestrator.journal import Journal, Outcome, Reader
from orchestrator.plan import (
    Action,
    Place,
    Plan,
    Settings,
    Totals,
    UnsafePlan,
    check_identity,
    check_limits,
    decode,
    encode,
    make_plan,
)
from orchestrator.policy import Finding, Status, Verdict
from orchestrator.remediate import (
    CLOSING,
    Brake,
    Stopped,
    remediate_account,
    removed_before,
    session_policies,
)
from orchestrator.run.changing import Changed, Confirm, Work, brake_of, changed_of, refuse_rolled_back
from orchestrator.run.filters import Filters
from orchestrator.run.folder import Summary, export_outcomes, replaced
from orchestrator.run.hub import Hub
from orchestrator.run.planning import judge_of, plan_settings, totals
from orchestrator.run.preflight import refuse_what_cannot_be_undone
from orchestrator.run.progress import Progress
from orchestrator.run.refusals import RefusedError
from orchestrator.run.scanning import judgement_of, now, scan_or_resume
from orchestrator.run.telling import write_report

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
        still_reachable: what stays reachable through another group.
    """

    summary: Summary
    changed: Changed
    left_open: int
    still_reachable: tuple[StillReachable, ...]

    @property
    def exit_code(self) -> int:
        """Return 5 if a change failed, 3 if not all was seen or it stopped early, 1 if something stays open."""
        if self.changed.failed:
            return 5
        if self.changed.stopped or not self.summary.complete:
            return 3
        return 1 if self.left_open else 0


async def close(
    config: Config,
    filters: Filters,
    out: Path,
    incident: str,
    confirm: Confirm,
    progress: Progress,
    brake: Brake | None = None,
) -> Closed:
    """Find and close in one stream. Run again with the same folder, it goes on where it stopped.

    Raises:
        DiscoveryError, CloudError, HubCredentialsError: the sweep cannot begin, or go on.
        RefusedError: not confirmed.
        JournalError: the folder cannot be used; nothing was called after that.
    """
    closing = _Closing(config, confirm, progress, brake or brake_of(out, config.remediation))
    summary = await scan_or_resume(config, filters, out, progress, closing, incident)
    return closing.result(summary)


class _Closing:
    """What is done with each account, before it is scanned again and after it was."""

    def __init__(self, config: Config, confirm: Confirm, progress: Progress, brake: Brake) -> None:
        self._config = config
        self._confirm = confirm
        self._brake = brake
        self._progress = progress
        self._settings = plan_settings(config.remediation)
        self._actions: dict[tuple[Place, str], Action] = {}
        self._troubles: list[str] = []

    def begin(self, hub: Hub, journal: Journal, accounts: int) -> None:
        """Ask before anything is changed.

        Raises:
            RefusedError: not confirmed.
        """
        self._confirm(accounts, None)
        refuse_rolled_back(journal)
        self._hub, self._journal = hub, journal
        self._returned = removed_before(journal.folder.resolve().parent)
        self._judge = judge_of(judgement_of(journal.header), now())
        for effect in journal.all_effects():  # of earlier attempts: the limits are of the run
            if effect.intended and effect.body and "undoes" not in effect.body:
                self._count([msgspec.convert(effect.body["action"], Action)])

    def _count(self, actions: Iterable[Action]) -> None:
        self._actions.update({(action.place, action.rule_id): action for action in actions})

    async def before(self, account: Account) -> None:
        """Finish the plan that an earlier attempt recorded for the account and did not carry out to its end.

        Raises:
            PlanError, RefusedError: the file is no plan, or not one of this run for this account.
        """
        path = self._path(account)
        if path.exists():
            plan = decode(path.read_bytes())
            self._refuse_foreign(plan, account)
            if plan.digest != self._journal.fact(_recorded(account)):
                raise RefusedError(f"{path} is not the plan that this run recorded for the account")
            self._count(plan.actions)
            await self._carry_out(account, plan)

    def _refuse_foreign(self, plan: Plan, account: Account) -> None:
        header = self._journal.header
        check_identity(plan, header.hub_account_id, header.endpoint)
        others = {action.account_id for action in plan.actions} - {account.account_id}
        if plan.run_id != header.run_id or others:
            raise RefusedError(f"{self._path(account)} is no plan that this run made for the account")

    async def after(self, account: Account) -> None:
        """Plan what was found in the account, record the plan, carry it out."""
        try:
            plan = self._plan(account)
        except UnsafePlan as error:
            self._brake.press(str(error))
            self._troubles.append(str(error))
            return
        if plan.actions:
            path = self._path(account)
            path.parent.mkdir(mode=0o700, exist_ok=True)
            await self._journal.set_fact(_recorded(account), plan.digest)
            with replaced(path) as file:
                file.write(encode(plan))
            await self._carry_out(account, plan)

    async def again(self, account: Account) -> None:
        """Go on where an attempt was stopped or failed after the scan: by its plan, or by one that it did not make."""
        await (self.before(account) if self._path(account).exists() else self.after(account))

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
            judge=self._judge,
            run_id=header.run_id,
            now=now(),
            hub_account_id=header.hub_account_id,
            endpoint=header.endpoint,
            settings=msgspec.structs.replace(self._settings, **_NO_LIMITS),
            returned=self._returned,
            incident=header.incident,
        )
        planned = {(action.place, action.rule_id): action for action in plan.actions}
        check_limits({**self._actions, **planned}.values(), self._settings, self._totals())
        self._count(plan.actions)
        return plan

    def _totals(self) -> Totals:
        """Return how much was read so far; it is asked for only where a relative limit is set."""
        if all(getattr(self._settings, name) is None for name in _NO_LIMITS if "share" in name):
            return Totals(rules=0, groups=0, accounts=0)
        return totals(self._journal)

    async def _carry_out(self, account: Account, plan: Plan) -> None:
        work = Work(
            self._hub,
            self._journal,
            self._config.remediation,
            self._progress,
            f"apply:{plan.digest}",
            self._brake,
        )
        entrance = work.entrance(account.account_id, session_policies(plan.actions))
        try:
            by_account = {account.account_id: plan.actions}
            await refuse_what_cannot_be_undone({account.account_id: entrance}, by_account)
            order = await work.order(entrance, plan.digest)
            await remediate_account(entrance.enter, self._journal, plan.actions, order, self._brake)
        except (Stopped, RefusedError, CloudError) as error:
            self._troubles.append(f"{account.account_id}: {error}")

    def _path(self, account: Account) -> Path:
        return self._journal.folder / PLANS / f"{account.account_id}.json"

    def result(self, summary: Summary) -> Closed:
        """Return what it all came to, and write the outcomes and the report."""
        with Reader(self._journal.folder) as reader:
            export_outcomes(reader)
            write_report(reader.folder)
            closed = {_rule(one) for one in reader.outcomes() if one.outcome in _CLOSED}
            failing = [one for one in reader.findings(Finding) if lets_in(one)]
            return Closed(
                summary=summary,
                changed=changed_of(reader, None, "; ".join(self._troubles)),
                left_open=sum(1 for one in failing if _is_open(one) and _rule(one) not in closed),
                still_reachable=tuple(reachable(failing, closed)),
            )


def _recorded(account: Account) -> str:
    return f"plan of {account.account_id}"


_CLOSED = CLOSING | {"already_absent"}
_NO_LIMITS: dict[str, None] = {name: None for name in Settings.__struct_fields__ if name.startswith("max_")}


def lets_in(finding: Finding) -> bool:
    """Tell whether the rule opens a port, though it may be exempt or of a managed group, and so stay."""
    return finding.verdict is Verdict.fail and finding.status is not Status.shadowed


def _is_open(finding: Finding) -> bool:
    return finding.verdict is Verdict.fail and finding.status is Status.open


def _rule(one: Finding | Outcome) -> tuple[str, str, str, str]:
    return one.account_id, one.region_id, one.security_group_id, one.rule_id


def reachable(
    findings: Iterable[Finding], closed: set[tuple[str, str, str, str]]
) -> Iterator[StillReachable]:
    """Yield what was closed and is reachable still, by a group whose own rules could not be closed."""
    failing = list(findings)
    left = {one.security_group_id for one in failing if _rule(one) not in closed}
    for one in failing:
        via = tuple(group for group in one.still_reachable_via if group in left)
        if via and _rule(one) in closed:
            yield StillReachable(one.account_id, one.region_id, one.security_group_id, via)
