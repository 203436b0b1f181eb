# ruff: noqa: A002 - `type` is what msgspec calls it
"""What every store of a journal does, by noun: the state of the run, what was seen, what was meant and done.

`sqlite` has the one for a run folder. Whoever works with a run takes a `Reader` or a `Journal`, so that another store
may stand behind it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from accounts import Account, SkippedAccount, Unreachable
from orchestrator.audit import AuditRecord, Head
from orchestrator.journal.values import (
    AccountState,
    Claim,
    Effect,
    GroupSeen,
    Intent,
    JobState,
    Observed,
    Outcome,
    RunHeader,
    Settled,
)

T = TypeVar("T")


class FindingLike(Protocol):
    """A finding, as far as the journal looks into it: the rule it is about. It is a msgspec Struct."""

    @property
    def rule_id(self) -> str:
        """Id of the rule."""
        ...


class RunState(Protocol):
    """The state of a run: its accounts and their claims, the regions that were read, and facts about it."""

    def accounts(self) -> Iterator[AccountState]:
        """Yield the accounts of the run, by id, with the state of their scan."""
        ...

    def skipped(self) -> Iterator[SkippedAccount]:
        """Yield the accounts that were left out, and why."""
        ...

    def regions_done(self, account_id: str) -> frozenset[str]:
        """Return the regions of an account that were read to their end."""
        ...

    def totals(self) -> dict[str, int]:
        """Return the sums of the regions' counts, and `regions` themselves."""
        ...

    def regions_counting(self, key: str) -> frozenset[tuple[str, str]]:
        """Return the regions, each with its account, that count this."""
        ...

    def accounts_counting(self, key: str) -> int:
        """Return in how many accounts some region counts this."""
        ...

    def fact(self, key: str) -> Any:  # noqa: ANN401 - whatever JSON was written under the key
        """Return what was written under the key, or None."""
        ...

    def jobs_done(self) -> frozenset[str]:
        """Return the jobs that are done in every account that they were begun in."""
        ...

    def accounts_done(self, job: str) -> frozenset[str]:
        """Return the accounts that the job is done in."""
        ...

    def is_done(self, job: str) -> bool:
        """Tell whether the job was begun, and is done in every account that it was begun in."""
        ...


class Findings(Protocol):
    """What was seen: groups, their findings, and what could not be read."""

    def unreachables(self, account_id: str | None = None) -> Iterator[Unreachable]:
        """Yield what could not be seen, by account, region and group; of one account or all."""
        ...

    def is_unreachable(self, account_id: str, region_id: str, security_group_id: str) -> bool:
        """Tell whether the group, its region or its account is among what could not be seen."""
        ...

    def group_count(self) -> int:
        """Return how many groups were read."""
        ...

    def findings(self, type: type[T]) -> Iterator[T]:
        """Yield the findings as values of the type, in the same order in every run."""
        ...

    def findings_of_rule(self, rule_id: str, type: type[T]) -> list[T]:
        """Return the findings of one rule."""
        ...

    def observed(
        self, type: type[T], account_id: str | None = None
    ) -> Iterator[tuple[Observed, tuple[T, ...]]]:
        """Yield each group that has findings, in the API's own words, with its findings; of one account or all."""
        ...

    def observed_group(self, account_id: str, region_id: str, security_group_id: str) -> Observed | None:
        """Return a group in the API's own words, or None if it is not kept."""
        ...

    def group_of_rule(self, rule_id: str) -> Observed | None:
        """Return the group a finding of this rule stands in, or None if no finding names the rule."""
        ...

    def group_seen(self, account_id: str, region_id: str, security_group_id: str) -> GroupSeen | None:
        """Return what the run knows of a group it has read, with findings or without; None if it has not."""
        ...

    def groups_seen(self) -> Iterator[GroupSeen]:
        """Yield every group that was read, by account, region and group."""
        ...

    def stored(
        self,
        account_id: str,
        region_id: str,
        security_group_id: str,
        type: type[T],
    ) -> tuple[Observed | None, tuple[T, ...]]:
        """Return a group as kept and its findings, to carry them over to another run."""
        ...


class Effects(Protocol):
    """What was meant to be done, what came of it, and the audit records."""

    def outcomes(self, job: str | None = None) -> Iterator[Outcome]:
        """Yield how the changes ended, by account, region and group; of one job or of all."""
        ...

    def all_effects(self, job: str | None = None, account_id: str | None = None) -> Iterator[Effect]:
        """Yield the changes intended or settled, in order; narrowed to a job or an account."""
        ...

    def has_records(self, heads: Mapping[str, Head]) -> bool:
        """Tell whether the audit records of these accounts and numbers are these."""
        ...

    def audit_records(self) -> Iterator[AuditRecord]:
        """Yield the audit records in the order of the file."""
        ...


class Reader(RunState, Findings, Effects, Protocol):
    """A run's journal, to read. The iterators see what was written when they began."""

    @property
    def folder(self) -> Path:
        """The run folder."""
        ...

    @property
    def header(self) -> RunHeader:
        """What the run is about."""
        ...


class Journal(Reader, Protocol):
    """A run's journal, to write and read. What a method was given is durable when it returns."""

    async def add_accounts(self, accounts: Sequence[Account], skipped: Sequence[SkippedAccount] = ()) -> None:
        """Write down whom the run visits and whom it leaves out; again, after a resume, is fine."""
        ...

    async def claim(self, account_id: str, job: str = "scan") -> Claim | None:
        """Return the right to work on the account, or None when its job is done. Ends every earlier claim.

        A claim of a scan forgets what could not be seen, and the regions that was in: they are read again.
        """
        ...

    async def reopen(self, account_id: str, region_ids: Sequence[str]) -> Claim:
        """Return the right to read these regions of an account again, though its scan has ended.

        What was read of them stands until they are done again; what could not be seen in them is forgotten.
        """
        ...

    async def finish(self, claim: Claim, state: JobState = JobState.done) -> None:
        """End the account's job. After `done` it is never claimed again; after any other word it may be.

        Raises:
            Fenced: the claim was taken over.
        """
        ...

    async def begin_pass(self, number: int) -> None:
        """Let every account be scanned anew, whatever its scan has come to."""
        ...

    async def set_fact(self, key: str, value: object) -> None:
        """Write down a JSON value about the run under a key, in place of the earlier one."""
        ...

    async def region_done(self, claim: Claim, region_id: str, counts: Mapping[str, int]) -> None:
        """Write down that a region was read to its end; groups that only an earlier attempt saw go.

        Raises:
            Fenced: the claim was taken over.
        """
        ...

    async def forget(self, claim: Claim) -> None:
        """Forget what earlier passes saw in the account, since it is read anew; what was changed there stays known.

        Raises:
            Fenced: the claim was taken over.
        """
        ...

    async def record_group(self, claim: Claim, observed: Observed, findings: Sequence[FindingLike]) -> None:
        """Write down a group that was read, in full if it has findings, in place of an earlier attempt's.

        Raises:
            Fenced: the claim was taken over.
        """
        ...

    async def carry_over(
        self, claim: Claim, seen: GroupSeen, observed: Observed | None, findings: Sequence[FindingLike]
    ) -> None:
        """Write down a group that was not read because another run knows it (`--changed-since`).

        Raises:
            Fenced: the claim was taken over.
        """
        ...

    async def record_unreachable(self, claim: Claim, unreachable: Unreachable) -> None:
        """Write down what could not be seen.

        Raises:
            Fenced: the claim was taken over.
        """
        ...

    async def effects(self, claim: Claim, region_id: str, security_group_id: str) -> list[Effect]:
        """Return what this job has intended or settled in a group."""
        ...

    async def intend(self, claim: Claim, intents: Sequence[Intent]) -> None:
        """Write down, durably, what is about to happen; with the audit records, all or nothing.

        An intent that stands without an outcome is left as it is, but for `touches_rule`; one that has ended is opened
        again.

        Raises:
            Fenced: the claim was taken over: make no change.
        """
        ...

    async def settle(self, claim: Claim, settled: Sequence[Settled]) -> None:
        """Write down, durably, how it ended; with the audit records, all or nothing.

        An outcome that stands already, with the same word and reason, is not written twice.

        Raises:
            Fenced: the claim was taken over; the next owner asks the cloud.
        """
        ...

    async def note(self, record: AuditRecord) -> None:
        """Write down, durably, an audit record that is about no rule."""
        ...

    async def seal(self) -> None:
        """Bring the manifest up to date, so that what is told now can tell of every record before it.

        Raises:
            JournalError: it could not be written.
        """
        ...
