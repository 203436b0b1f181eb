"""What lies between two runs: each finding of either, and what became of it.

A finding is the same in both where it is of the same rule and check, or of a rule that a change of ours wrote in its
place, or of one of the same content in the same group: a rule that was deleted and made again has a new id. What the
new run did not look at is never told as fixed.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from heapq import merge
from itertools import groupby
from tempfile import SpooledTemporaryFile
from typing import Literal, get_args

import msgspec

from accounts import Unreachable
from orchestrator.exposure import PortSet, ports_to_json
from orchestrator.journal import RuleEffects
from orchestrator.policy import Finding, Severity, Status
from orchestrator.report.view import SEVERITIES, Emit, Standing, fingerprint, standing
from orchestrator.securitygroup import content_digest

Became = Literal[
    "new", "returned", "raised", "not_seen", "fixed", "set_aside", "lowered", "newly_unseen", "still_open"
]
"""What became of a finding, the most urgent first.

new: open now, and not before. returned: open again after a change of ours had closed it. raised, lowered: open still,
of another severity. fixed: open before, and looked for and not there now. set_aside: open before, and there still by
a waiver, as a cloud service's, or as a wide source that is counted apart. not_seen: open before, and not looked at by
the new run. newly_unseen: a rule that the old run judged and the new one could not. still_open: as before.
"""

_IN_MEMORY = 1 << 20  # characters of a spool, before it goes to disk

BECAME: tuple[Became, ...] = get_args(Became)

WORSE = frozenset[Became]({"new", "returned", "raised"})
"""What a diff ends with 1 for."""


class DiffEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A finding of either run, and what became of it.

    Attributes:
        became: see `Became`.
        finding_id: the same in every run, as csv, sarif and ocsf have it; of the old run's finding where there is one.
        severity: now, or before where it is not there now.
        was_severity: before; "" where it was not there.
        standing: now; "absent" where it is not there, "not_seen" where the new run did not look.
        was: how it stood before, with the same words.
        by: of what is fixed, "us" where a change of a run did it, else "others"; else "".
        why: what there is to say of it, one sentence without its full stop; "" for nothing.
    """

    became: Became
    finding_id: str
    account_id: str
    account_name: str
    region_id: str
    security_group_id: str
    security_group_name: str
    rule_id: str
    direction: str
    check_id: str
    wide_for: str
    severity: str
    was_severity: str
    standing: str
    was: str
    by: Literal["us", "others", ""]
    protocol: str
    ports: PortSet
    sources: tuple[str, ...]
    reason: str
    why: str


class ComparedRun(msgspec.Struct, frozen=True, kw_only=True):
    """One of the two runs, as far as it is told."""

    run_id: str
    created_at: str
    hub_account_id: str
    complete: bool


class Sides(msgspec.Struct, frozen=True, kw_only=True):
    """The two runs, as a comparison needs them; what iterates does so anew each time, in a journal's order.

    Attributes:
        old, new: the findings.
        between: the changes that were made from the old run on, before the new one read.
        made: the same as if none of them had been rolled back: what is gone is gone by them all the same.
        after: the changes of the new run.
        gone: tells whether the new run found that the finding's group is gone.
        missed: says why the new run did not look at what this finding was about; "" where it did.
        unseen_before: says why the old run could not have this finding of the new one; "" where it could.
        had_returned: tells whether an earlier run had removed a rule of this content from the finding's group.
    """

    old: Callable[[], Iterator[Finding]]
    new: Callable[[], Iterator[Finding]]
    between: RuleEffects
    made: RuleEffects
    after: RuleEffects
    gone: Callable[[Finding], bool]
    missed: Callable[[Finding], str]
    unseen_before: Callable[[Finding], str]
    had_returned: Callable[[Finding], bool]


class Diff(msgspec.Struct, frozen=True, kw_only=True):
    """What lies between two runs.

    Attributes:
        old, new: the runs.
        checks: how they looked for different things, a sentence each without its full stop; none where they did not.
        scope: what the new run was not asked to look at and the old one was, sentences in the same way.
        newly_unseen: places that the old run has read and the new one has not.
        entries: goes over the findings of both, group by group.
    """

    old: ComparedRun
    new: ComparedRun
    checks: tuple[str, ...]
    scope: tuple[str, ...]
    newly_unseen: tuple[Unreachable, ...]
    entries: Callable[[], Iterator[DiffEntry]]


def entries(sides: Sides) -> Iterator[DiffEntry]:
    """Go over the findings of both runs, holding those of one group."""
    both = merge(
        ((_group(one), False, one) for one in sides.old()),
        ((_group(one), True, one) for one in sides.new()),
        key=lambda item: item[0],
    )
    for _, found in groupby(both, key=lambda item: item[0]):
        old: list[Finding] = []
        new: list[Finding] = []
        for _, is_new, finding in found:
            (new if is_new else old).append(finding)
        yield from _compared(sides, old, new)


def _group(finding: Finding) -> tuple[str, str, str]:
    return finding.account_id, finding.region_id, finding.security_group_id


def _compared(sides: Sides, old: list[Finding], new: list[Finding]) -> Iterator[DiffEntry]:
    """Compare the findings of one group."""
    pairs = _paired(sides.between, old, new)
    judged = {one.rule_id for one in old if not one.is_undetermined}
    unsure_before = {one.rule_id for one in old if one.is_undetermined}
    unsure = {one.rule_id: one.reason for one in new if one.is_undetermined}
    for before, after in pairs:
        one = _Pair(sides, before, after)
        if after is not None and after.is_undetermined:
            if before is None:
                yield one.entry("newly_unseen", was="judged" if after.rule_id in judged else "no finding")
            continue
        if before is not None and before.is_undetermined:
            continue  # what is said of it now stands in other entries
        is_now = "" if after is None else standing(after, sides.after)
        if is_now == "open":
            yield one.opened(was_unsure=one.named.rule_id in unsure_before)
        elif before is not None and _was_open(before):
            yield one.ended(is_now, unsure.get(before.rule_id, ""))
        elif before is None and is_now == "closed":
            yield one.entry("fixed", by="us", was="absent", why="the new run found it and closed it")


def _was_open(finding: Finding) -> bool:
    return finding.status is Status.open and not finding.is_undetermined and not finding.is_apart


def _paired(
    changes: RuleEffects, old: list[Finding], new: list[Finding]
) -> list[tuple[Finding | None, Finding | None]]:
    """Return the findings of one group, those that are the same in both runs together."""
    left = {_key(one, one.rule_id): one for one in new}
    pairs: list[tuple[Finding | None, Finding | None]] = []
    alone = []
    for before in old:
        after = left.pop(_key(before, before.rule_id), None)
        if after is None:
            alone.append(before)
        else:
            pairs.append((before, after))
    for name in (_by_origin(changes), _by_content):
        known = {name(one): key for key, one in left.items()}
        still = []
        for before in alone:
            key = known.pop(name(before), None)
            if key is None or key not in left:
                still.append(before)
            else:
                pairs.append((before, left.pop(key)))
        alone = still
    return [*pairs, *((one, None) for one in alone), *((None, one) for one in left.values())]


def _key(finding: Finding, of: str) -> tuple[str, str]:
    """Name the finding by its rule and what it is about: a source that became too wide is the same finding, raised."""
    return of, finding.wide_for or finding.check_id


def _by_origin(changes: RuleEffects) -> Callable[[Finding], tuple[str, str]]:
    return lambda finding: _key(finding, changes.origin(finding)[3])


def _by_content(finding: Finding) -> tuple[str, str]:
    return _key(finding, content_digest(finding.rule))


class _Pair:
    """A finding of the old run, of the new one, or of both."""

    def __init__(self, sides: Sides, before: Finding | None, after: Finding | None) -> None:
        named = after or before
        assert named is not None, "one of the two is there"  # noqa: S101 (for the type checker)
        self._sides, self._before, self._after = sides, before, after
        self.named: Finding = named

    def opened(self, *, was_unsure: bool) -> DiffEntry:
        """Return what became of a finding that is open now."""
        before, sides = self._before, self._sides
        if before is None or not _was_open(before):
            return self._appeared(was_unsure=was_unsure)
        if sides.between.has_closed(before):
            return self.entry("returned", was="closed", why="a change of ours had closed it")
        was, now = self._severities(before, self.named)
        became: Became = "still_open" if was == now else "raised" if now < was else "lowered"
        return self.entry(became)

    def _appeared(self, *, was_unsure: bool) -> DiffEntry:
        if self._before is not None:
            return self.entry("new", why=f"it was {self._was()} in the old run")
        if self._sides.had_returned(self.named):
            return self.entry("returned", why="an earlier run had removed a rule of the same content")
        if was_unsure:
            return self.entry("new", was="undetermined", why="the old run could not judge the rule")
        if unseen := self._sides.unseen_before(self.named):
            return self.entry("new", was="not_seen", why=unseen)
        return self.entry("new")

    def ended(self, is_now: str, unsure: str) -> DiffEntry:
        """Return what became of a finding that was open and is not open now."""
        before = self.named if self._before is None else self._before
        if is_now == "closed":
            return self.entry("fixed", by="us")
        if is_now == "shadowed":
            return self.entry("fixed", by=self._by(before), why="a drop rule that wins keeps it out now")
        if is_now:
            return self.entry("set_aside", why=self.named.reason if is_now == "exempt" else "")
        why = f"the new run could not judge the rule: {unsure}" if unsure else self._sides.missed(before)
        if why:
            return self.entry("not_seen", now="not_seen", why=why)
        return self.entry(
            "fixed", by=self._by(before), why="its group is gone" if self._sides.gone(before) else ""
        )

    def _by(self, before: Finding) -> Literal["us", "others"]:
        return "us" if self._sides.made.has_closed(before) else "others"

    @staticmethod
    def _severities(before: Finding, after: Finding) -> tuple[int, int]:
        """Return how bad it was and is, least is worst: without the exposure where only one run knows it."""
        order = list(Severity)
        if "unknown" in {before.exposure, after.exposure}:
            return order.index(before.base_severity), order.index(after.base_severity)
        return order.index(before.severity), order.index(after.severity)

    def _was(self) -> Standing | Literal["absent"]:
        return "absent" if self._before is None else standing(self._before, _NOTHING)

    def entry(
        self,
        became: Became,
        *,
        by: Literal["us", "others", ""] = "",
        was: str = "",
        now: str = "",
        why: str = "",
    ) -> DiffEntry:
        """Return what is told of it."""
        one, first, after = self.named, self._before or self.named, self._after
        stands = "absent" if after is None else standing(after, self._sides.after)
        return DiffEntry(
            became=became,
            finding_id=fingerprint(first),
            account_id=one.account_id,
            account_name=one.account_name,
            region_id=one.region_id,
            security_group_id=one.security_group_id,
            security_group_name=one.security_group_name,
            rule_id=one.rule_id,
            direction=one.direction,
            check_id=one.check_id,
            wide_for=one.wide_for,
            severity=one.severity.value,
            was_severity="" if self._before is None else self._before.severity.value,
            standing=now or stands,
            was=was or self._was(),
            by=by,
            protocol=one.protocol,
            ports=one.ports,
            sources=one.sources,
            reason=one.reason,
            why=why,
        )


_NOTHING = RuleEffects(())


class DiffEntries:
    """The entries of a difference, in one pass; those that are as they were are counted, and not kept.

    Attributes:
        counts: how many there are of each kind.
        by_severity: the same by severity.
    """

    def __init__(self, diff: Diff) -> None:
        self.counts: Counter[Became] = Counter()
        self.by_severity: dict[Became, Counter[str]] = defaultdict(Counter)
        self.fixed_by_us = 0
        self._kept: dict[Became, list[DiffEntry]] = defaultdict(list)
        for one in diff.entries():
            self.counts[one.became] += 1
            self.by_severity[one.became][one.severity] += 1
            self.fixed_by_us += one.by == "us"
            if one.became != "still_open":
                self._kept[one.became].append(one)

    def of(self, became: Became) -> list[DiffEntry]:
        """Return the entries of a kind, the worst first."""
        return sorted(self._kept[became], key=lambda one: SEVERITIES.index(one.severity))


def render_json(diff: Diff, emit: Emit) -> Mapping[Became, int]:
    """Write one object: the two runs, the counts, and the entries under what became of them; return the counts."""
    counts: Counter[Became] = Counter()
    encode = msgspec.json.Encoder(enc_hook=ports_to_json).encode
    with ExitStack() as stack:
        spools = {
            became: stack.enter_context(SpooledTemporaryFile(_IN_MEMORY, "w+", encoding="utf-8", newline=""))
            for became in BECAME
        }
        fixed_by_us = 0
        for one in diff.entries():
            spools[one.became].write((",\n" if counts[one.became] else "\n") + encode(one).decode())
            counts[one.became] += 1
            fixed_by_us += one.by == "us"
        counted: dict[str, int] = {one: counts[one] for one in BECAME}
        head: dict[str, object] = {
            "old_run": diff.old,
            "new_run": diff.new,
            "checks_differ": diff.checks,
            "scope_differs": diff.scope,
            "counts": {**counted, "fixed_by_us": fixed_by_us},
            "places_newly_unseen": diff.newly_unseen,
        }
        emit(encode(head).decode().removesuffix("}"))
        for became, spool in spools.items():
            emit(f',\n"{became}":[')
            spool.seek(0)
            while chunk := spool.read(_IN_MEMORY):
                emit(chunk)
            emit("]")
        emit("}\n")
    return counts
