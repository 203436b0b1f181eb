"""`diff`: what lies between two runs of one organization, and what the newer one did not look at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from accounts import Unreachable
from orchestrator.journal import (
    Effect,
    JournalError,
    Reader,
    RuleEffects,
    SqliteReader,
    runs_in,
)
from orchestrator.plan import Place, return_key
from orchestrator.policy import Check, Finding
from orchestrator.remediate import removed_before
from orchestrator.report import (
    ComparedRun,
    Diff,
    Sides,
    entries,
)
from orchestrator.run.criteria import criteria_of
from orchestrator.run.planning import is_complete
from orchestrator.run.refusals import UsageError
from orchestrator.run.sight import Sight
from orchestrator.run.trend import looked_for
from orchestrator.run.unseen import unseen


@contextmanager
def differing(old: Path, new: Path) -> Iterator[Diff]:
    """Compare two runs, from their journals alone.

    Raises:
        JournalError: one of them is no run, or is damaged.
        UsageError: they are one run, or the wrong way round, or of different clouds.
    """
    with SqliteReader(old) as earlier, SqliteReader(new) as later:
        _refuse_unlike(earlier, later)
        checks = _Checks(earlier, later)
        seen_before, seen_now = Sight(earlier, "the old run"), Sight(later, "the new run")
        sides = Sides(
            old=lambda: earlier.findings(Finding),
            new=lambda: later.findings(Finding),
            between=RuleEffects(_effects_between(earlier, later)),
            made=RuleEffects(one for one in _effects_between(earlier, later) if not one.undoes),
            after=RuleEffects(later.all_effects()),
            gone=lambda finding: later.group_seen(*_group(finding)) is None,
            missed=lambda finding: checks.not_looked_for(finding) or seen_now.not_seen(_group(finding)),
            unseen_before=lambda finding: (
                checks.not_known_before(finding) or seen_before.not_seen(_group(finding))
            ),
            had_returned=_removed(later),
        )
        yield Diff(
            old=_told(earlier),
            new=_told(later),
            checks=tuple(checks.told()),
            scope=tuple(_scope(earlier, later)),
            newly_unseen=tuple(_newly_unseen(earlier, later)),
            entries=lambda: entries(sides),
        )


def _told(reader: Reader) -> ComparedRun:
    header = reader.header
    return ComparedRun(
        run_id=header.run_id,
        created_at=header.created_at,
        hub_account_id=header.hub_account_id,
        complete=is_complete(reader),
    )


def _refuse_unlike(earlier: Reader, later: Reader) -> None:
    old, new = earlier.header, later.header
    if old.run_id == new.run_id:
        raise UsageError(f"{earlier.folder} and {later.folder} hold the same run: name two")
    if old.endpoint != new.endpoint:
        raise UsageError(
            f"{earlier.folder} is a run against {old.endpoint}, {later.folder} one against {new.endpoint}: "
            "there is nothing to compare"
        )
    if old.created_at > new.created_at:
        raise UsageError(
            f"{earlier.folder} began after {later.folder}: name the earlier run first, sgsweep diff OLD NEW"
        )


# --- changes


def _effects_between(earlier: Reader, later: Reader) -> Iterator[Effect]:
    """Yield the changes from the old run on that the new one has read after: its own, and those of runs beside it.

    A run beside them that cannot be read is passed over: then a change of ours is told as that of others.
    """
    yield from earlier.all_effects()
    since, until = earlier.header.created_at, later.header.created_at
    known = {earlier.header.run_id, later.header.run_id}
    for parent in {earlier.folder.resolve().parent, later.folder.resolve().parent}:
        for folder in runs_in(parent):
            with suppress(JournalError, msgspec.ValidationError), SqliteReader(folder) as run:
                if run.header.run_id not in known and since <= run.header.created_at <= until:
                    known.add(run.header.run_id)
                    # the new run has read after all of them, however often they were read in between
                    yield from (
                        msgspec.structs.replace(one, is_read_since=False) for one in run.all_effects()
                    )


def _removed(later: Reader) -> Callable[[Finding], bool]:
    """Return what tells whether a run beside the new one has removed a rule of the finding's content."""
    removed: Counter[str] = removed_before(later.folder.resolve().parent)

    def had_returned(finding: Finding) -> bool:
        return bool(removed) and removed[return_key(_group(finding), finding.rule)] > 0

    return had_returned


# --- what they looked for


class _Checks:
    """How the two runs looked for different things. What a check is called, and how bad it is, is no difference."""

    def __init__(self, earlier: Reader, later: Reader) -> None:
        self._old, self._new = _looked_for(earlier), _looked_for(later)

    def told(self) -> Iterator[str]:
        """Yield how they differ."""
        for one, other, whose in ((self._old, self._new, "new"), (self._new, self._old, "old")):
            if missing := sorted(one.keys() - other.keys()):
                yield f"the {whose} run did not look for {', '.join(missing)}"
        if changed := sorted(
            one for one in self._old.keys() & self._new.keys() if self._old[one] != self._new[one]
        ):
            yield f"the two runs mean different things by {', '.join(changed)}"

    def not_looked_for(self, finding: Finding) -> str:
        """Say why the new run cannot have this finding of the old one; "" if it can."""
        return self._differs(finding, self._old, self._new, "new")

    def not_known_before(self, finding: Finding) -> str:
        """Say why the old run could not have this finding of the new one; "" if it could."""
        return self._differs(finding, self._new, self._old, "old")

    @staticmethod
    def _differs(finding: Finding, own: dict[str, Check], other: dict[str, Check], whose: str) -> str:
        check_id = finding.wide_for or finding.check_id
        if check_id not in other:
            return f"the {whose} run did not look for {check_id}"
        return (
            f"the {whose} run means another thing by {check_id}"
            if own.get(check_id) != other[check_id]
            else ""
        )


def _looked_for(reader: Reader) -> dict[str, Check]:
    return looked_for(criteria_of(reader.header).checks)


# --- what they looked at


def _scope(earlier: Reader, later: Reader) -> Iterator[str]:
    """Yield what the old run was asked to look at and the new one was not."""
    old, new = criteria_of(earlier.header).regions, criteria_of(later.header).regions
    if new and not set(old or ("every region",)) <= set(new):
        yield f"the new run looked at {', '.join(new)} only, the old one at {', '.join(old) or 'every region'}"
    now = {one.account.account_id for one in later.accounts()}
    left = [one.account for one in earlier.accounts() if one.account.account_id not in now]
    if left:
        names = ", ".join(f"{one.account_id} {one.name}".strip() for one in left[:_NAMED])
        more = f" and {len(left) - _NAMED} more" if len(left) > _NAMED else ""
        yield f"{len(left)} accounts of the old run are not in the new one: {names}{more}"


_NAMED = 5


def _newly_unseen(earlier: Reader, later: Reader) -> Iterator[Unreachable]:
    """Yield what the new run could not read or did not come to, and the old one has read."""
    before = {_place(one) for one in unseen(earlier)}
    known = {one.account.account_id for one in earlier.accounts()}
    for one in unseen(later):
        account_id, region_id, _ = place = _place(one)
        wider = {(account_id, "", ""), (account_id, region_id, ""), place}
        if account_id in known and not wider & before:
            yield one


def _group(finding: Finding) -> Place:
    return Place(finding.account_id, finding.region_id, finding.security_group_id)


def _place(one: Unreachable) -> tuple[str, str, str]:
    return one.account_id, one.region_id or "", one.security_group_id or ""
