"""One group: read it anew, judge it, decide, and, where asked to, carry it out; the result is data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from functools import partial
from typing import Literal

import msgspec

from accounts import Unreachable
from accounts.credentials import HubCredentialsError
from accounts.entry import WrongAccountError
from orchestrator.cloud.client import Client
from orchestrator.cloud.errors import CloudError
from orchestrator.handler.entering import Sessions, reason_of
from orchestrator.handler.events import Resource
from orchestrator.handler.ledger import Counter, GroupLedger
from orchestrator.handler.settings import Settings
from orchestrator.handler.store import Store
from orchestrator.handler.telling import Voice
from orchestrator.inventory import RegionReader
from orchestrator.journal import JournalError, Outcome
from orchestrator.plan import Place, Plan, Skipped, UnsafePlan, make_plan
from orchestrator.plan import Settings as PlanSettings
from orchestrator.policy import WIDE, Finding, Verdict, evaluate
from orchestrator.remediate import Brake, Stopped, remediate_account
from orchestrator.remediate.telling import CLOSING, Order
from orchestrator.securitygroup import Placement, SecurityGroup

State = Literal["clean", "planned", "changed", "kept", "gone", "left", "failed"]
_GONE = "InvalidSecurityGroupId.NotFound"
_LOOPING = "returned: "  # how a plan's reason begins when a rule has come back too often


class Result(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How it went with one group.

    Attributes:
        state: clean: nothing risky is open. planned: something would be changed, in plan mode. changed: it was. kept:
            something is open and left alone, see `skipped`. gone: there is no such group. left: there was no time, or
            another changed it meanwhile. failed: it could not be read or changed.
        reason: for people.
        outcomes: of the changes.
        skipped: what was left alone, and why.
        closes: what the changes close or would close.
    """

    account_id: str
    region_id: str
    security_group_id: str
    state: State
    reason: str = ""
    outcomes: tuple[Outcome, ...] = ()
    skipped: tuple[str, ...] = ()
    closes: tuple[str, ...] = ()


class Remedy:
    """What the groups of one invocation have in common."""

    def __init__(
        self,
        client: Client,
        settings: Settings,
        sessions: Sessions,
        store: Store | None,
        brake: Brake,
        voice: Voice,
        now: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
    ) -> None:
        self._client = client
        self._settings = settings
        self._sessions = sessions
        self._store = store
        self._brake = brake
        self._voice = voice
        self._now = now
        self._plan_settings = PlanSettings()

    async def of(self, resource: Resource) -> Result:
        """Return how it went; what goes wrong with this group is part of the result."""
        place = Place(resource.account_id, resource.region_id, resource.security_group_id)
        try:
            result = await self._of(place)
        except Stopped as stopped:
            result = _result(place, "left", str(stopped))
        except (
            CloudError,
            JournalError,
            HubCredentialsError,
            WrongAccountError,
            UnsafePlan,
            OSError,
        ) as error:
            result = _result(place, "failed", reason_of(error))
        self._voice.tell("group", **msgspec.to_builtins(result))
        return result

    async def look(self, place: Place) -> SecurityGroup | Unreachable:
        """Return the group as it is now."""
        session = await self._sessions.reader(place.account_id)
        found = await RegionReader(session, Placement(place.account_id), place.region_id).reread(
            place.security_group_id
        )
        return found if isinstance(found, Unreachable) else found.group

    def judge(self, group: SecurityGroup) -> tuple[Finding, ...]:
        """Return what is wrong with the group."""
        return evaluate(group, self._settings.checks, self._now(), self._settings.exemptions)

    async def _of(self, place: Place) -> Result:
        self._brake.check()
        group = await self.look(place)
        if isinstance(group, Unreachable):
            state: State = "gone" if group.code == _GONE else "failed"
            return _result(place, state, f"{group.code}: {group.message} (RequestId {group.request_id})")
        findings = self.judge(group)
        ledger = self._ledger(place)
        returned = await ledger.returned([rule.rule_id for rule in group.rules]) if ledger else {}
        plan = self._plan(group, findings, returned)
        self._warn_of_loops(plan.skipped)
        if not plan.actions:
            return self._nothing_to_do(place, findings, plan)
        if ledger is None or self._store is None:
            return _result(place, "planned", "plan mode", plan=plan)
        refused = await Counter(self._store, self._settings.max_changes, self._now).ask(
            place.account_id, len(plan.actions)
        )
        if refused:
            self._voice.alarm("brake", account_id=place.account_id, reason=refused)
            return _result(place, "failed", f"the brake is on: {refused}", plan=plan)
        return await self._carry_out(place, plan, ledger)

    def _ledger(self, place: Place) -> GroupLedger | None:
        if self._store is None or self._settings.mode != "apply":
            return None
        return GroupLedger(self._store, place, self._voice.record, self._now)

    def _plan(self, group: SecurityGroup, findings: tuple[Finding, ...], returned: dict[str, int]) -> Plan:
        return make_plan(
            [(group, findings)],
            judge=self.judge,
            run_id="function",
            now=self._now(),
            hub_account_id=self._sessions.own.account_id,
            endpoint=self._client.endpoints.identity,
            settings=self._plan_settings,
            returned=returned,
        )

    def _warn_of_loops(self, skipped: tuple[Skipped, ...]) -> None:
        for one in skipped:
            if one.reason.startswith(_LOOPING):
                self._voice.alarm("loop", **msgspec.to_builtins(one))

    def _nothing_to_do(self, place: Place, findings: tuple[Finding, ...], plan: Plan) -> Result:
        is_open = [one for one in findings if one.status.value == "open" and one.check_id != WIDE]
        is_open += [one for one in findings if one.verdict is Verdict.undetermined]
        return _result(place, "kept" if is_open else "clean", plan=plan)

    async def _carry_out(self, place: Place, plan: Plan, ledger: GroupLedger) -> Result:
        who = await self._sessions.prove(await self._sessions.reader(place.account_id))
        order = Order(job="function", who=who.arn, plan_digest=plan.digest, now=self._now)
        enter = partial(self._sessions.enter, place.account_id)
        outcomes = await remediate_account(enter, ledger, plan.actions, order, self._brake)
        ended = tuple(outcomes or ())
        state, reason = _ended(ended)
        return _result(place, state, reason, plan=plan, outcomes=ended)


def _ended(outcomes: Sequence[Outcome]) -> tuple[State, str]:
    """Return what came of a group's changes; the worst of them counts."""
    by_word = {
        word: [one.reason for one in outcomes if one.outcome == word] for word in ("failed", "drifted")
    }
    if by_word["failed"]:
        return "failed", "; ".join(by_word["failed"])
    if by_word["drifted"]:
        return "left", f"it was changed by another meanwhile: {'; '.join(by_word['drifted'])}"
    if any(one.outcome in CLOSING for one in outcomes):
        return "changed", ""
    return "clean", "it was closed a moment ago, by another or by an earlier delivery"


def _result(
    place: Place,
    state: State,
    reason: str = "",
    *,
    plan: Plan | None = None,
    outcomes: tuple[Outcome, ...] = (),
) -> Result:
    return Result(
        account_id=place.account_id,
        region_id=place.region_id,
        security_group_id=place.security_group_id,
        state=state,
        reason=reason,
        outcomes=outcomes,
        skipped=tuple(f"{one.rule_id}: {one.reason}" for one in plan.skipped) if plan else (),
        closes=tuple(f"{one.rule_id}: {one.action}: {one.closes}" for one in plan.actions) if plan else (),
    )
