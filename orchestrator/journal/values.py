"""The values the journal takes and gives."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec

from accounts import Account
from orchestrator.audit import AuditRecord
from orchestrator.securitygroup import NO_LISTS, Lists, Placement, SecurityGroup, parse_group

encode = msgspec.json.Encoder(order="sorted").encode


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
    """A security group in the API's own words: enough to judge it again without the cloud."""

    placement: Placement
    region_id: str
    listing: dict[str, Any]
    attribute: dict[str, Any]
    permissions: tuple[dict[str, Any], ...]
    lists: Lists = NO_LISTS

    @property
    def security_group_id(self) -> str:
        """Id of the group, as its listing has it."""
        return str(self.listing["SecurityGroupId"])

    def group(self) -> SecurityGroup:
        """Return the group as a value to judge."""
        return parse_group(
            self.placement, self.region_id, self.listing, self.attribute, self.permissions, self.lists
        )

    def digest(self) -> str:
        """Return the SHA-256, hex, of all that was read of the group."""
        words = (self.listing, self.attribute, self.permissions, self.lists)
        return hashlib.sha256(encode(words)).hexdigest()


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
        digest: of all that was read of it.
        rules: how many rules it had.
        is_kept: whether it is stored in full; so it is if it has findings.
    """

    account_id: str
    region_id: str
    security_group_id: str
    listing_digest: str
    digest: str
    rules: int
    is_kept: bool


class AccountState(msgspec.Struct, frozen=True):
    """An account of the run and how far it is.

    Attributes:
        account: the account.
        state: empty before the first claim, then `claimed`, then what `finish` said.
    """

    account: Account
    state: str


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


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How a change of a rule ended; the keys of `outcomes.jsonl`.

    Attributes:
        account_id: where.
        region_id: where.
        security_group_id: where.
        rule_id: the rule of the plan.
        action: what was planned.
        outcome: revoked, split, narrowed, blocked, already_absent, drifted, skipped, failed or rolled_back.
        reason: why, for people.
        request_id: of the call that made the change.
        effective_after: when established connections are cut off too (up to 910 s later), ISO 8601, UTC.
    """

    account_id: str
    region_id: str
    security_group_id: str
    rule_id: str
    action: str
    outcome: str
    reason: str = ""
    request_id: str = ""
    effective_after: str = ""


class Intent(msgspec.Struct, frozen=True, kw_only=True):
    """A change about to be made.

    Attributes:
        key: names the change within its job; the same after a crash.
        record: what the audit file will say of it.
        body: what is needed to go on with it after a crash, and to undo it.
    """

    key: str
    record: AuditRecord
    body: dict[str, Any]


class Settled(msgspec.Struct, frozen=True, kw_only=True):
    """How a change ended. A key never intended is fine: a rule that is left alone has an outcome only.

    Attributes:
        key: the change within its job.
        outcome: how it ended.
        record: what the audit file will say of it.
        body: what the change was, for a key never intended; an intent's body stands.
    """

    key: str
    outcome: Outcome
    record: AuditRecord
    body: dict[str, Any] | None = None


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
        intended: it was about to be made, now or in an earlier attempt: what is gone may be our own doing.
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

    async def finish(self, claim: Claim, state: str) -> None:
        """End the account's job; after `done` it is never claimed again, after anything else it may be."""
        ...
