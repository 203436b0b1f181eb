"""What a run did not see: what it tried and could not read, what it did not come to, and what it took over."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date
from heapq import merge

import msgspec

from accounts import AcceptedUnreachable, Unreachable
from orchestrator.journal import JobState, Reader
from orchestrator.policy import SOON
from orchestrator.report import COUNT_MISMATCH, NOT_BEGUN, NOT_FINISHED
from orchestrator.run import cross_check

# Where a fifth of at least ten groups disagree, it is our reading of the field that is wrong.
_FEWEST_GROUPS = 10
_ONE_IN = 5


class Disagreement(msgspec.Struct, frozen=True):
    """In so many of all groups that were read fewer rules were given than their RuleCount counts."""

    groups: int
    of: int

    @property
    def is_wholesale(self) -> bool:
        """Whether that is no matter of single groups any more."""
        return self.of >= _FEWEST_GROUPS and self.groups * _ONE_IN >= self.of


def disagreement(reader: Reader) -> Disagreement:
    """Return in how many groups the cloud's count of rules and the rules themselves disagree."""
    short = sum(1 for one in reader.unreachables() if _is_short_group(one))
    return Disagreement(short, reader.group_count() if short else 0)


def unseen(reader: Reader) -> Iterator[Unreachable]:
    """Yield what was not seen, by account, region and group.

    Accounts that were not begun, or not finished, are told as such. A wholesale disagreement of counts is told once,
    in the summary, and not group by group: those groups are judged and may be planned.
    """
    yield from merge(tried(reader), _not_come_to(reader), key=_place)


def tried(reader: Reader, account_id: str | None = None) -> Iterator[Unreachable]:
    """Yield what was tried and could not be seen, of one account or all; a wholesale disagreement is told elsewhere."""
    # Counted over the whole run, so only where it matters: `close` asks once an account.
    wholesale: bool | None = None
    for one in reader.unreachables(account_id):
        if _is_short_group(one):
            if wholesale is None:
                wholesale = disagreement(reader).is_wholesale
            if wholesale:
                continue
        yield one


Accepted = Callable[[Unreachable], AcceptedUnreachable | None]


def acceptance(entries: Sequence[AcceptedUnreachable], today: date) -> Accepted:
    """Return what says by which entry, if any, something is accepted today; what was not tried nobody can accept."""
    live = [entry for entry in entries if entry.expires >= today]

    def accepted(one: Unreachable) -> AcceptedUnreachable | None:
        if one.code in {NOT_BEGUN, NOT_FINISHED}:
            return None
        return next((entry for entry in live if entry.accepts(one)), None)

    return accepted


def review_accepted(reader: Reader, entries: Sequence[AcceptedUnreachable], today: date) -> Iterator[str]:
    """Yield what is to be told of the entries, as of exemptions: they expired, expire soon, or accept nothing."""
    rows = list(tried(reader)) if entries else []
    for entry in entries:
        if entry.expires < today:
            yield f"{entry} expired on {entry.expires} and accepts nothing any more"
            continue
        if entry.expires - today <= SOON:
            yield f"{entry} expires on {entry.expires}"
        if not any(map(entry.accepts, rows)):
            yield f"{entry} matches nothing: all that it is about was read, or is not in scope"


def because(reader: Reader) -> Iterator[str]:
    """Yield why the run is incomplete, beside what it could not read or judge: a sentence each."""
    counts = disagreement(reader)
    if counts.is_wholesale:
        yield (
            f"in {counts.groups:,} of {counts.of:,} groups fewer rules were given than RuleCount counts: this cloud "
            "counts something else there, or every reading is cut short. `sgsweep accounts --check` tells how often "
            'they agree; [cloud] rule_count = "ignore" no longer compares them'
        )
    if carried := reader.totals().get("carried_over", 0):
        yield f"{carried:,} groups were taken over from an earlier run and not read again"
    yield from cross_check.because(reader)


def _not_come_to(reader: Reader) -> Iterator[Unreachable]:
    for state in reader.accounts():
        if state.state in _TOLD:
            code, message = _TOLD[state.state]
            yield Unreachable(state.account.account_id, None, None, code, message, "")


_TOLD = {
    JobState.unclaimed: (NOT_BEGUN, "the run was stopped before the account was begun"),
    JobState.claimed: (NOT_FINISHED, "the run was stopped while the account was being read"),
}


def _is_short_group(one: Unreachable) -> bool:
    return one.code == COUNT_MISMATCH and one.security_group_id is not None


def _place(one: Unreachable) -> tuple[str, str, str]:
    return one.account_id, one.region_id or "", one.security_group_id or ""
