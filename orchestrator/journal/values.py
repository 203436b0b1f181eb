"""The values the journal takes and gives."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, Protocol

import msgspec

from accounts import Account
from orchestrator.audit import AuditRecord
from orchestrator.exposure import ports_to_json
from orchestrator.plan import Action, Kind, Place
from orchestrator.securitygroup import (
    NO_LISTS,
    NOT_BALANCED,
    Balancing,
    Lists,
    Placement,
    SecurityGroup,
    parse_group,
)

encode = msgspec.json.Encoder(order="sorted", enc_hook=ports_to_json).encode


class RunHeader(msgspec.Struct, frozen=True, kw_only=True):
    """What a run is about; written once.

    Attributes:
        run_id: its name.
        created_at: ISO 8601, UTC.
        hub_account_id: the account whose credentials run it.
        hub_arn: ARN of that caller (STS GetCallerIdentity).
        endpoint: identity of the cloud it was made against.
        settings: the checks, exemptions and what else the judgement needs, as JSON; no secret.
        incident: the incident's name, if any.
    """

    run_id: str
    created_at: str
    hub_account_id: str
    hub_arn: str
    endpoint: str
    settings: dict[str, Any]
    incident: str = ""


class Observed(msgspec.Struct, frozen=True, kw_only=True):
    """A security group in the API's own words, and what joined it: enough to judge it again without the cloud."""

    placement: Placement
    region_id: str
    listing: dict[str, Any]
    attribute: dict[str, Any]
    permissions: tuple[dict[str, Any], ...]
    lists: Lists = NO_LISTS
    balancing: Balancing = NOT_BALANCED

    @property
    def security_group_id(self) -> str:
        """Id of the group, as its listing has it."""
        return str(self.listing["SecurityGroupId"])

    def group(self) -> SecurityGroup:
        """Return the group as a value to judge."""
        group = parse_group(
            self.placement, self.region_id, self.listing, self.attribute, self.permissions, self.lists
        )
        return msgspec.structs.replace(group, balancing=self.balancing)


def listing_digest(listing: Mapping[str, Any]) -> str:
    """Return the SHA-256, hex, of a group's item of DescribeSecurityGroups."""
    return hashlib.sha256(encode(listing)).hexdigest()


class GroupSeen(msgspec.Struct, frozen=True, kw_only=True):
    """That a group was read, and what it looked like; kept of every group.

    Attributes:
        account_id: where.
        region_id: where.
        security_group_id: which.
        listing_digest: of its item of DescribeSecurityGroups.
        rules: how many rules it had.
    """

    account_id: str
    region_id: str
    security_group_id: str
    listing_digest: str
    rules: int


class JobState(str, Enum):
    """How far an account's job is; the journal keeps the word.

    unclaimed: nobody has begun. claimed: somebody has. done: it is never claimed again; after any other state it may
    be. in_part: scanned, but for some regions or groups. unreachable: not entered at all. failed: some change failed.
    stopped: by the brake, between two calls.
    """

    unclaimed = ""
    claimed = "claimed"
    done = "done"
    in_part = "in part"
    unreachable = "unreachable"
    failed = "failed"
    stopped = "stopped"

    @property
    def is_reached(self) -> bool:
        """Whether a scan has ended and was not all in vain."""
        return self in {JobState.done, JobState.in_part}


class AccountState(msgspec.Struct, frozen=True):
    """An account of the run and how far its scan is."""

    account: Account
    state: JobState


class Claim(msgspec.Struct, frozen=True):
    """The right to write about one account for one job; a later claim ends it.

    Attributes:
        job: `scan`, `apply:<plan digest>`, `rollback:<digest>`: accounts are claimed for each of them.
        account_id: the account.
        fence: grows with every claim.
    """

    job: str
    account_id: str
    fence: int


class OutcomeKind(str, Enum):
    """How a change of a rule ended, or why there was none; the word of `outcomes.jsonl`."""

    revoked = "revoked"
    split_ = "split"  # a text has a method of that name
    narrowed = "narrowed"
    blocked = "blocked"
    already_absent = "already_absent"
    drifted = "drifted"
    skipped = "skipped"
    failed = "failed"
    rolled_back = "rolled_back"

    def __str__(self) -> str:
        return self.value  # on every Python

    @staticmethod
    def of(action: Kind) -> OutcomeKind:
        """Return how an action of a plan ends that was carried out."""
        return _DONE_BY[action]

    @property
    def is_change(self) -> bool:
        """Whether this run has closed something of the rule."""
        return self in _DONE_BY.values()

    @property
    def is_left_alone(self) -> bool:
        """Whether the change was not made, and will not be: what was added for it is not needed."""
        return self in _LEFT_ALONE

    @property
    def removes(self) -> bool:
        """Whether this run took the rule away as it was: where one like it stands, it has come back."""
        return self.is_change and self is not OutcomeKind.blocked


_LEFT_ALONE = frozenset({OutcomeKind.drifted, OutcomeKind.skipped, OutcomeKind.already_absent})
_DONE_BY: Mapping[Kind, OutcomeKind] = {
    "revoke": OutcomeKind.revoked,
    "split": OutcomeKind.split_,
    "narrow": OutcomeKind.narrowed,
    "block": OutcomeKind.blocked,
}


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How a change of a rule ended; the keys of `outcomes.jsonl`.

    Attributes:
        account_id: where.
        region_id: where.
        security_group_id: where.
        rule_id: the rule of the plan.
        action: what was planned.
        outcome: how it ended.
        reason: why, for people.
        request_id: of the call that made the change.
        effective_after: when established connections are cut off too (up to 910 s later), ISO 8601, UTC.
    """

    account_id: str
    region_id: str
    security_group_id: str
    rule_id: str
    action: str
    outcome: OutcomeKind
    reason: str = ""
    request_id: str = ""
    effective_after: str = ""

    @property
    def stands_again(self) -> bool:
        """Whether the rule was gone, but one of the same content stands under another id."""
        return self.outcome is OutcomeKind.already_absent and self.reason.startswith(STANDS_AGAIN)


STANDS_AGAIN = "the rule was gone already, but one of the same content stands as "
"""How the reason of such an outcome begins; the id follows."""


class Intent(msgspec.Struct, frozen=True, kw_only=True):
    """A change about to be made.

    Attributes:
        key: names the change within its job; the same after a crash.
        record: what the audit file will say of it.
        body: what is needed to go on with it after a crash, and to undo it.
        touches_rule: the call that comes next takes the rule away or modifies it; else rules are added first. An intent
            that stands is raised to it, and never back.
    """

    key: str
    record: AuditRecord
    body: dict[str, Any]
    touches_rule: bool = True


class Settled(msgspec.Struct, frozen=True, kw_only=True):
    """How a change ended. A key never intended is fine: a rule that is left alone has an outcome only.

    Attributes:
        key: the change within its job.
        outcome: how it ended.
        record: what the audit file will say of it.
        body: what the change was, for a key never intended; an intent's body stands.
        touches_rule: a call that takes the rule away or modifies it may have been carried out.
    """

    key: str
    outcome: Outcome
    record: AuditRecord
    body: dict[str, Any] | None = None
    touches_rule: bool = True


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    """A change as the journal knows it: intended, and, unless a crash came between, ended.

    Attributes:
        job: the claim's job.
        key: the change within that job.
        region_id: where.
        security_group_id: where.
        rule_id: which rule.
        body: what the change is; None if nothing was said of it.
        outcome: None while it is not known: the cloud must be asked.
        intended: it was about to be made, now or in an earlier attempt.
        touches_rule: a call that takes the rule away or modifies it was about to be sent, and was not refused: if the
            rule is gone, that may be our own doing.
        is_read_since: the account was read anew after it: what was found then shows what it left.
    """

    job: str
    key: str
    account_id: str
    region_id: str
    security_group_id: str
    rule_id: str
    body: dict[str, Any] | None
    outcome: Outcome | None
    intended: bool
    touches_rule: bool = True
    is_read_since: bool = False

    @property
    def place(self) -> Place:
        """The group that the rule is in."""
        return Place(self.account_id, self.region_id, self.security_group_id)

    @property
    def action(self) -> Action | None:
        """The plan's action, which is carried out or undone; None if nothing was said of it."""
        action = (self.body or {}).get("action")
        return None if action is None else msgspec.convert(action, Action)

    @property
    def undoes(self) -> str:
        """The job whose change this one takes back; empty for a change of its own."""
        return str((self.body or {}).get("undoes", ""))

    @property
    def may_have_closed(self) -> bool:
        """Whether it may have taken the rule away or modified it: it came so far, and has not left it alone."""
        left_alone = {OutcomeKind.drifted, OutcomeKind.skipped}
        return self.touches_rule and (self.outcome is None or self.outcome.outcome not in left_alone)

    @property
    def has_undone(self) -> bool:
        """Whether it took back what it undoes."""
        return self.outcome is not None and self.outcome.outcome is OutcomeKind.rolled_back

    @property
    def closes_rule(self) -> bool:
        """Whether the rule is gone by now, and all its findings with it."""
        kind = self.outcome.outcome if self.outcome else None
        if kind is OutcomeKind.already_absent:  # the rule; or, of a block, the drop was there already
            action = self.action
            return action is not None and action.revokes
        return kind is OutcomeKind.revoked

    @property
    def closes_checks(self) -> frozenset[str]:
        """The checks of which the rule has no finding any more, if it is not gone as a whole."""
        kind = self.outcome.outcome if self.outcome else None
        if kind is None or not (kind.is_change or kind is OutcomeKind.already_absent):
            return frozenset()
        action = self.action
        return frozenset(action.check_ids if action else ())


class Ledger(Protocol):
    """What carrying out changes needs to remember; the journal is one, Function Compute has its own."""

    async def claim(self, account_id: str, job: str = "scan") -> Claim | None:
        """Return the right to work on the account, or None when its job is done. Ends every earlier claim."""
        ...

    async def effects(self, claim: Claim, region_id: str, security_group_id: str) -> list[Effect]:
        """Return what this job has intended or settled in a group."""
        ...

    async def intend(self, claim: Claim, intents: Sequence[Intent]) -> None:
        """Write down, durably, what is about to happen; with the audit records, all or nothing."""
        ...

    async def settle(self, claim: Claim, settled: Sequence[Settled]) -> None:
        """Write down, durably, how it ended; with the audit records, all or nothing."""
        ...

    async def finish(self, claim: Claim, state: JobState) -> None:
        """End the account's job; after `done` it is never claimed again, after anything else it may be."""
        ...
