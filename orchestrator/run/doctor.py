"""`accounts` and its doctor: who would be swept, and all that a run needs there, found out before it is needed.

Of each account and role every action is named: reads are asked for once each, changes are judged by the policies where
these can be read, and tried on one canary group where that was asked for. What was learned of this cloud is kept
beside the configuration, in probe.json.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import Literal

import msgspec

from accounts import Account, SkippedAccount, Unreachable
from accounts.identity import prove
from accounts.ram import Allow, policy_text, session_policy
from orchestrator import inventory
from orchestrator.cloud.errors import CloudError, Denied
from orchestrator.config import Config
from orchestrator.inventory import (
    CONTROL_ACTIONS,
    GROUP_ACTIONS,
    JUDGE_ACTIONS,
    READ_ACTIONS,
    AccountRights,
    ControlPolicies,
    Levels,
    Looked,
    Permitted,
    RoleRight,
    ToPaste,
    denied_by,
    group_policy,
)
from orchestrator.run.agreement import Agreement, Sample
from orchestrator.run.canary import CHANGES, CanaryTried, try_canary
from orchestrator.run.cross_check import SecondWitness, second_witness
from orchestrator.run.filters import Filters
from orchestrator.run.hub import Hub, opened
from orchestrator.run.learning import ProbeKept, keep_facts, learned
from orchestrator.run.progress import Progress
from orchestrator.run.scanning import new_run_id, now
from orchestrator.run.unseen import acceptance
from orchestrator.run.watching import Clock, EndpointSeen, QuotaSeen, Watch

_CHECKED_AT_ONCE = 64
_OPTIONAL = ("nlb:", "alb:")  # without them a run says `balancers_unknown`, and goes on


class Visit(msgspec.Struct, frozen=True):
    """An account that a sweep would visit, and, where it was tried, what stands in the way.

    Attributes:
        account: the account.
        unreachable: why it cannot be entered.
        accepted_until: the day until which all of that is accepted by an owner; None if it is not.
        rights: of each role, every action that a run needs.
    """

    account: Account
    unreachable: tuple[Unreachable, ...] = ()
    accepted_until: date | None = None
    rights: tuple[RoleRight, ...] = ()


class Examined(msgspec.Struct, frozen=True, kw_only=True):
    """What the doctor found beside the accounts.

    Attributes:
        clock: this machine's, against the cloud's.
        endpoints: the hosts that calls went to.
        proxy: the proxy that is configured, without user and password; empty for none.
        session_policy: whether sessions are bounded by their policy: heeded, not_heeded, or not_known.
        control_policies: why the directory's control policies cannot be read; empty if they can.
        quotas: what answers said of limits.
        to_paste: policies that give what is lacking.
        canary: how trying changes went; None if it was not asked for.
        probe: what was learned, and where it is kept.
    """

    clock: Clock
    endpoints: tuple[EndpointSeen, ...]
    proxy: str
    session_policy: Literal["heeded", "not_heeded", "not_known"]
    control_policies: str
    quotas: tuple[QuotaSeen, ...]
    to_paste: tuple[ToPaste, ...]
    canary: CanaryTried | None
    probe: ProbeKept


class AccountList(msgspec.Struct, frozen=True):
    """What `sgsweep accounts` shows; where the accounts were tried, what a scan there can be held against, too.

    Attributes:
        visits: the accounts of a sweep.
        skipped: those that are left out.
        rule_counts: how the cloud's counts of rules agree with the rules it gives.
        witness: what the second witness, Resource Center, has to say.
        examined: what the doctor found; None if it was not called.
    """

    visits: tuple[Visit, ...]
    skipped: tuple[SkippedAccount, ...]
    rule_counts: Agreement | None = None
    witness: SecondWitness | None = None
    examined: Examined | None = None

    @property
    def missing(self) -> tuple[Visit, ...]:
        """The accounts that cannot be entered by both roles, and that nobody has accepted as such."""
        return tuple([one for one in self.visits if one.unreachable and one.accepted_until is None])

    @property
    def lacking(self) -> tuple[Visit, ...]:
        """The accounts, beside those that are accepted as they are, where a role is denied what a run needs."""
        open_ones = [one for one in self.visits if one.accepted_until is None]
        return tuple([one for one in open_ones if any(right.is_lacking for right in one.rights)])


async def list_accounts(
    config: Config,
    filters: Filters,
    progress: Progress,
    *,
    check: bool,
    probe_writes: bool = False,
    probe: Path | None = None,
) -> AccountList:
    """Return the accounts a sweep would visit; with `check`, all that a run needs of them.

    Args:
        config: who and where.
        filters: which of them.
        progress: hears who acts.
        check: call the doctor.
        probe_writes: try the changes on the canary group, too.
        probe: where what is learned is kept; None to keep nothing.

    Raises:
        DiscoveryError, CloudError, HubCredentialsError: the accounts cannot be listed.
        UsageError: there is no canary group to try on.
    """
    watch = Watch(config.cloud)
    async with opened(config, new_run_id(), progress, (watch,) if check else ()) as hub:
        discovered = await hub.discover(filters)
        if not check:
            return AccountList(tuple(Visit(account) for account in discovered.accounts), discovered.skipped)
        canary = await try_canary(hub, discovered.accounts, config.canary) if probe_writes else None
        doctor = _Doctor(hub)
        visits = await doctor.visit_all(discovered.accounts, canary)
        witness = await second_witness(hub.resource_center())
        agreement = doctor.sample.agreement
        heeded = await doctor.heeds_session_policy()
        facts = learned(agreement, canary, heeded=heeded)
        examined = Examined(
            clock=watch.clock,
            endpoints=watch.endpoints,
            proxy=hub.client.proxy,
            session_policy="not_known" if heeded is None else "heeded" if heeded else "not_heeded",
            control_policies=doctor.control_error,
            quotas=watch.quotas,
            to_paste=tuple(_to_paste(hub, visits, doctor)),
            canary=canary,
            probe=keep_facts(hub, probe, facts),
        )
        return AccountList(visits, discovered.skipped, agreement, witness, examined)


class _Doctor:
    """Looks into accounts, as many at once as may be.

    Attributes:
        sample: holds RuleCount against the rules that are given.
        control_error: why control policies could not be read; empty if they could.
        control_denied: it is a right that the hub lacks for it.
        unjudged: accounts whose attached policies could not be read.
    """

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._gate = asyncio.Semaphore(_CHECKED_AT_ONCE)
        self._control = ControlPolicies(hub.own, hub.config.organization.api)
        self._wanted = hub.config.cloud.regions
        self._bounded: tuple[Account, str] | None = None  # where a session policy can be put to the test
        self.sample = Sample()
        self.control_error = ""
        self.control_denied = False
        self.unjudged: list[str] = []

    async def visit_all(self, accounts: Sequence[Account], canary: CanaryTried | None) -> tuple[Visit, ...]:
        async with asyncio.TaskGroup() as tasks:
            tried = [tasks.create_task(self._visit(account, canary)) for account in accounts]
        return tuple([task.result() for task in tried])

    async def _visit(self, account: Account, canary: CanaryTried | None) -> Visit:
        async with self._gate:
            organization = self._hub.config.organization
            rights_of = AccountRights(
                account, self._hub.examiner(account), await self._control_levels(account)
            )
            missing: list[Unreachable] = []
            rights: list[RoleRight] = []
            region_ids = self._wanted
            try:
                reads, looked = await self._reads(rights_of)
                rights += reads
                region_ids = (looked.region_id,) if looked.region_id else region_ids
                if looked.failed is not None:
                    missing.append(_missing(looked.failed, account, organization.role))
            except CloudError as error:
                missing.append(_missing(error, account, organization.role))
            try:
                rights += await self._changes(rights_of, region_ids, canary)
            except CloudError as error:
                missing.append(_missing(error, account, organization.remediation_role))
        if rights_of.is_denied:
            self.unjudged.append(account.account_id)
        accepted = acceptance(self._hub.config.accepted_unreachable, now().date())
        until = [entry.expires for one in missing if (entry := accepted(one)) is not None]
        accepted_until = min(until) if until and len(until) == len(missing) else None
        return Visit(account, tuple(missing), accepted_until, tuple(rights))

    async def _reads(self, rights_of: AccountRights) -> tuple[list[RoleRight], Looked]:
        """Ask for every read by the reading role."""
        account = rights_of.account
        looked = await inventory.ask_reads(rights_of.examiner, self._wanted, READ_ACTIONS)
        await self.sample.look(rights_of.examiner, account, looked)
        role = self._hub.config.organization.role
        groups = next(one for one in looked.permitted if one.action == "ecs:DescribeSecurityGroups")
        if self._bounded is None and groups.right == "allowed" and not account.is_hub:
            self._bounded = (account, looked.region_id)
        known = await rights_of.filled(role, looked.permitted)
        reads = [RoleRight(role, "reads", one, self._is_needed(one.action)) for one in known]
        return reads, looked

    async def _changes(
        self, rights_of: AccountRights, region_ids: Sequence[str], canary: CanaryTried | None
    ) -> list[RoleRight]:
        """Enter by the changing role, ask for the reads of a change, and judge the changes without trying them."""
        account = rights_of.account
        # this session may read what a change needs, and nothing else
        session = self._hub.writer(account, group_policy())
        await prove(session, account.account_id)
        role = self._hub.config.organization.remediation_role
        looked = await inventory.ask_reads(session, region_ids, GROUP_ACTIONS)
        reads = await rights_of.filled(role, looked.permitted)
        tried: dict[str, Permitted] = {}
        if canary is not None and canary.account_id == account.account_id:
            tried = {one.action: one for one in canary.permitted if one.right != "not_known"}
        policies = await rights_of.policies(role)
        changes = [
            tried.get(one) or policies.judge(one, account.account_id) for one in self._needed_changes()
        ]
        return [
            *(RoleRight(role, "reads", one) for one in reads),
            *(RoleRight(role, "changes", one) for one in changes),
        ]

    def _needed_changes(self) -> tuple[str, ...]:
        """Return what rules are changed by, in the directions that are checked."""
        if all(check.direction == "ingress" for check in self._hub.config.checks):
            return CHANGES
        egress = (
            "RevokeSecurityGroupEgress",
            "AuthorizeSecurityGroupEgress",
            "ModifySecurityGroupEgressRule",
        )
        return (*CHANGES, *(f"ecs:{one}" for one in egress))

    def _is_needed(self, action: str) -> bool:
        return not action.startswith(_OPTIONAL) or self._hub.config.cloud.balancers == "required"

    async def _control_levels(self, account: Account) -> Levels | CloudError:
        """Return what binds the account beside its own policies, or why that cannot be read."""
        try:
            return await self._control.of(account)
        except CloudError as error:
            self.control_error = f"{error.action or 'control policies'}: {error.code}: {error.message}"
            self.control_denied |= isinstance(error, Denied)
            return error

    async def heeds_session_policy(self) -> bool | None:
        """Return whether a session may do no more than its policy says; None where it could not be put to the test.

        A role that was just seen to list groups is entered with a policy that does not allow it.
        """
        if self._bounded is None:
            return None
        account, region_id = self._bounded
        session = self._hub.bounded_reader(account, session_policy([Allow(("ecs:DescribeRegions",))]))
        try:
            await session.call("DescribeSecurityGroups", region_id, {"RegionId": region_id, "MaxResults": 10})
        except Denied as error:
            return True if error.action == "DescribeSecurityGroups" else None
        except CloudError:
            return None
        return False


def _missing(error: CloudError, account: Account, role: str) -> Unreachable:
    found = inventory.unreachable(error, account.account_id)
    if error.action == "AssumeRole":  # it names the role
        return found
    return msgspec.structs.replace(found, message=f"role {role}: {found.message}")


def _to_paste(hub: Hub, visits: Sequence[Visit], doctor: _Doctor) -> Iterable[ToPaste]:
    """Yield the policies that give what is denied, one a role, and those that would let more be judged."""
    organization = hub.config.organization
    rights = {visit.account.account_id: visit.rights for visit in visits}
    for role in dict.fromkeys((organization.role, organization.remediation_role)):
        found = denied_by(rights, role)
        if found is not None:
            yield found
    if doctor.unjudged:
        yield ToPaste(
            organization.role,
            "to judge what the roles may change without trying it; optional",
            tuple(dict.fromkeys(doctor.unjudged)),
            policy_text([Allow(JUDGE_ACTIONS)]),
        )
    if doctor.control_denied:
        yield ToPaste(
            "hub",
            "to read the directory's control policies, by its management account; optional",
            (hub.identity.account_id,),
            policy_text([Allow(CONTROL_ACTIONS)]),
        )
