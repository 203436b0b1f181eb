"""One group: read it anew, judge it, decide, and, where asked to, carry it out; the result is data."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timezone
from functools import partial
from typing import Literal

import msgspec

from accounts import Unreachable, is_group_gone
from accounts.credentials import HubCredentialsError
from accounts.discovery import DiscoveryError
from accounts.identity import WrongAccountError
from orchestrator.cloud.client import AccountSession, Client
from orchestrator.cloud.errors import CloudError
from orchestrator.handler.entering import Entrances, reason_of
from orchestrator.handler.events import GroupToJudge
from orchestrator.handler.function_log import Voice
from orchestrator.handler.invocation_trail import InvocationTrail
from orchestrator.handler.ledger import Counter, GroupLedger
from orchestrator.handler.ledger_store import Store
from orchestrator.handler.members import has_region
from orchestrator.handler.settings import Settings
from orchestrator.inventory import Balancers, InPart, InRegion, RegionReader, Seen
from orchestrator.journal import JournalError, Outcome, OutcomeKind
from orchestrator.plan import Action, Place, Plan, PlanHead, Skipped, UnsafePlan, make_plan
from orchestrator.policy import Finding, Severity, evaluate
from orchestrator.remediate import Brake, Guard, Stopped, remediate_account
from orchestrator.remediate import Settings as Rails
from orchestrator.remediate.records import Order
from orchestrator.securitygroup import Placement, SecurityGroup

State = Literal["clean", "planned", "changed", "kept", "gone", "foreign", "left", "failed"]
_NO_REGION = "NoSuchRegion"


def _utc_now() -> datetime:
    return datetime.now(timezone.utc)


class GroupResult(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How it went with one group.

    Attributes:
        state: clean: nothing risky is open. planned: something would be changed, in plan mode. changed: it was. kept:
            something is open and left alone, see `skipped`. gone: there is no such group or region. foreign: the
            account is none of ours, and was not asked. left: there was no time, the brake is on, or another changed it
            meanwhile. failed: it could not be read or changed.
        reason: for people.
        outcomes: of the changes.
        skipped: what was left alone, and why.
        closes: what the changes close or would close.
        notes: what is not sure about them: that load balancers could not be read, or a rule came back.
    """

    account_id: str
    region_id: str
    security_group_id: str
    state: State
    reason: str = ""
    outcomes: tuple[Outcome, ...] = ()
    skipped: tuple[str, ...] = ()
    closes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def is_unsettled(self) -> bool:
        """Whether the group has to be dealt with again."""
        return self.state in {"failed", "left"}

    @property
    def has_changed(self) -> bool:
        """Whether anything in the group was changed."""
        return any(one.outcome.is_change for one in self.outcomes)


class Remedy:
    """What the groups of one invocation have in common."""

    def __init__(
        self,
        client: Client,
        settings: Settings,
        entrances: Entrances,
        store: Store | None,
        brake: Brake,
        voice: Voice,
        request_id: str = "",
    ) -> None:
        self._client = client
        self._settings = settings
        self._entrances = entrances
        self._store = store
        self._brake = brake
        self._voice = voice
        self._now = _utc_now
        self._asking: dict[str, asyncio.Lock] = {}
        self._balancers: dict[str, Balancers] = {}
        self._joined: dict[tuple[str, str], InRegion] = {}
        self._trail = InvocationTrail(store, request_id, voice, self._now) if store else None
        self._rails = Rails()
        self._counter = Counter(store, settings.budget, self._now) if store else None

    async def close(self) -> None:
        """Write in the ledger that the invocation has ended, if it has changed anything or was about to.

        Raises:
            LedgerError: that could not be written.
        """
        if self._trail:
            await self._trail.close()

    async def of(self, resource: GroupToJudge) -> GroupResult:
        """Return how it went; what goes wrong with this group is part of the result."""
        place = Place(resource.account_id, resource.region_id, resource.security_group_id)
        try:
            result = await self._of(place, resource.by)
        except Stopped as stopped:
            result = _result(place, "left", str(stopped))
        except (
            CloudError,
            JournalError,
            HubCredentialsError,
            WrongAccountError,
            DiscoveryError,
            UnsafePlan,
            OSError,
        ) as error:
            result = _result(place, "failed", reason_of(error))
        self._voice.tell("group", **msgspec.to_builtins(result))
        return result

    async def look(self, place: Place) -> SecurityGroup | Unreachable:
        """Return the group as it is now. The account is one that was admitted."""
        session = self._entrances.reader(place.account_id)
        if not await has_region(session, place.region_id):
            return Unreachable(*place, _NO_REGION, f"there is no region {place.region_id[:40]!r}", "")
        found = await self.reader(session, place.region_id).reread(place.security_group_id)
        return await self.whole(session, found)

    async def whole(self, session: AccountSession, found: Seen) -> SecurityGroup | Unreachable:
        """Return the group if it was read in full, with the load balancers that joined it.

        One that was cut short is not judged: a drop may be what is missing.
        """
        if isinstance(found, InPart):
            return found.missing
        if isinstance(found, Unreachable):
            return found
        joined = await self._balancers_in(session, found.group.region_id)
        balancing = joined.of(found.group.security_group_id)
        return msgspec.structs.replace(found.group, balancing=balancing)

    async def _balancers_in(self, session: AccountSession, region_id: str) -> InRegion:
        """Return the load balancers of a region: asked for once an invocation; what is not known of them is told."""
        account_id = session.account_id
        async with self._asking.setdefault(account_id, asyncio.Lock()):
            if (account_id, region_id) not in self._joined:
                if account_id not in self._balancers:
                    is_required = self._settings.cloud.balancers == "required"
                    self._balancers[account_id] = Balancers(session, is_required=is_required)
                joined = await self._balancers[account_id].of(region_id)
                self._joined[account_id, region_id] = joined
                if joined.unread:
                    where = {"account_id": account_id, "region_id": region_id}
                    self._voice.tell("balancers unknown", **where, reason=joined.unread)
            return self._joined[account_id, region_id]

    def reader(self, session: AccountSession, region_id: str) -> RegionReader:
        """Return the reader of the groups of a region."""
        check_counts = self._settings.cloud.checks_rule_counts
        return RegionReader(session, Placement(session.account_id), region_id, check_counts=check_counts)

    def judge(self, group: SecurityGroup) -> tuple[Finding, ...]:
        """Return what is wrong with the group."""
        return evaluate(group, self._settings.checks, self._now(), self._settings.exemptions)

    async def _of(self, place: Place, by: str) -> GroupResult:
        self._brake.check()
        if not await self._entrances.admit(place.account_id):
            return _result(place, "foreign", "the account is none of ours, so nothing was asked of it")
        # before anything is read: whoever has used up his budget costs the others no time
        if self._counter and not (left := await self._counter.room(place.account_id)).changes:
            return self._stopped(place, by, left.reason)
        return await self._look_and_decide(place, by)

    async def _look_and_decide(self, place: Place, by: str) -> GroupResult:
        group = await self.look(place)
        if isinstance(group, Unreachable):
            state: State = "gone" if is_group_gone(group.code) or group.code == _NO_REGION else "failed"
            return _result(place, state, f"{group.code}: {group.message} (RequestId {group.request_id})")
        findings = self.judge(group)
        ledger = self._ledger(place)
        standing = [rule.rule_id for rule in group.rules]
        # a drop leaves both the rule and the balancer where they are: neither has come back
        standing += [one.balancer_id for one in group.balancing.balancers]
        returned = await ledger.returned(standing) if ledger else {}
        plan = self._plan(group, findings, returned)
        self._warn_of_loops(plan.skipped)
        if not plan.actions:
            return self._nothing_to_do(place, findings, plan)
        if ledger is None or self._counter is None:
            return _result(place, "planned", "plan mode", plan=plan)
        return await self._within_budget(place, by, plan, findings, ledger, self._counter)

    async def _within_budget(
        self,
        place: Place,
        by: str,
        plan: Plan,
        findings: Sequence[Finding],
        ledger: GroupLedger,
        counter: Counter,
    ) -> GroupResult:
        """Carry out as much of the plan as the brake allows; the rest is left for the next delivery."""
        granted = await counter.ask(place.account_id, len(plan.actions))
        if not granted.changes:
            return self._stopped(place, by, granted.reason, plan)
        slice_ = _worst_first(plan.actions, findings)[: granted.changes]
        result = await self._carry_out(place, plan, slice_, ledger)
        if len(slice_) == len(plan.actions):
            return result
        rest = self._stopped(place, by, f"{len(slice_)} of {len(plan.actions)} changes now; {granted.reason}")
        state = "failed" if result.state == "failed" else rest.state
        reason = "; ".join(text for text in (result.reason, rest.reason) if text)
        return msgspec.structs.replace(result, state=state, reason=reason)

    def _stopped(self, place: Place, by: str, reason: str, plan: Plan | None = None) -> GroupResult:
        self._voice.alarm("brake", **place._asdict(), by=by, reason=reason)
        return _result(place, "left", f"the brake is on: {reason}", plan=plan)

    def _ledger(self, place: Place) -> GroupLedger | None:
        if self._store is None or self._trail is None or self._settings.mode != "apply":
            return None
        return GroupLedger(self._store, place, self._trail, self._now)

    def _plan(self, group: SecurityGroup, findings: tuple[Finding, ...], returned: dict[str, int]) -> Plan:
        return make_plan(
            [(group, findings)],
            PlanHead(
                run_id="function",
                now=self._now(),
                hub_account_id=self._entrances.own.account_id,
                endpoint=self._client.settings.identity,
            ),
            judge=self.judge,
            settings=self._rails,
            returned=returned,
        )

    def _warn_of_loops(self, skipped: tuple[Skipped, ...]) -> None:
        for one in skipped:
            if one.has_returned:
                self._voice.alarm("loop", **msgspec.to_builtins(one))

    def _nothing_to_do(self, place: Place, findings: tuple[Finding, ...], plan: Plan) -> GroupResult:
        is_left = any(one.is_undetermined or (one.is_open and not one.is_apart) for one in findings)
        return _result(place, "kept" if is_left else "clean", plan=plan)

    async def _carry_out(
        self, place: Place, plan: Plan, actions: Sequence[Action], ledger: GroupLedger
    ) -> GroupResult:
        who = await self._entrances.prove(self._entrances.reader(place.account_id))
        order = Order(job=ledger.run_id, who=who.arn, plan_digest=plan.digest, now=self._now)
        enter = partial(self._entrances.enter, place.account_id)
        outcomes = await remediate_account(
            enter,
            ledger,
            actions,
            order,
            self._brake,
            Guard(
                checks=self._settings.checks,
                now=self._now,
                exemptions=self._settings.exemptions,
                placement=Placement(place.account_id),
                balancing=lambda one: self._joined[one.account_id, one.region_id].of(one.security_group_id),
            ),
            self._rails,
            check_counts=self._settings.cloud.checks_rule_counts,
        )
        ended = tuple(outcomes or ())
        state, reason = _ended(ended)
        return _result(place, state, reason, plan=plan, outcomes=ended)


def _worst_first(actions: Sequence[Action], findings: Sequence[Finding]) -> list[Action]:
    """Return the actions, those against the worst findings first: a slice is cut from the beginning."""
    worst: dict[str, int] = {}
    for one in findings:
        rank = list(Severity).index(one.severity)
        worst[one.rule_id] = min(rank, worst.get(one.rule_id, rank))
    return sorted(actions, key=lambda action: worst.get(action.rule_id, len(Severity)))


def _ended(outcomes: Sequence[Outcome]) -> tuple[State, str]:
    """Return what came of a group's changes; the worst of them counts."""
    failed = [one.reason for one in outcomes if one.outcome is OutcomeKind.failed]
    drifted = [one.reason for one in outcomes if one.outcome is OutcomeKind.drifted]
    if failed:
        return "failed", "; ".join(failed)
    if drifted:
        return "left", f"it was changed by another meanwhile: {'; '.join(drifted)}"
    if any(one.outcome.is_change for one in outcomes):
        return "changed", ""
    return "clean", "it was closed a moment ago, by another or by an earlier delivery"


def _result(
    place: Place,
    state: State,
    reason: str = "",
    *,
    plan: Plan | None = None,
    outcomes: tuple[Outcome, ...] = (),
) -> GroupResult:
    return GroupResult(
        account_id=place.account_id,
        region_id=place.region_id,
        security_group_id=place.security_group_id,
        state=state,
        reason=reason,
        outcomes=outcomes,
        skipped=tuple(f"{one.rule_id}: {one.reason}" for one in plan.skipped) if plan else (),
        closes=tuple(f"{one.rule_id}: {one.action}: {one.closes}" for one in plan.actions) if plan else (),
        notes=tuple(dict.fromkeys(note for one in plan.actions for note in one.notes)) if plan else (),
    )
