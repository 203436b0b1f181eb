"""The sentences that a run begins with, wherever it is told: on the screen, in the summary, in the report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Literal

import msgspec

from orchestrator.journal import RuleEffects
from orchestrator.policy import Finding, Severity, Status
from orchestrator.report.words import ENGLISH, Words

NOT_COVERED = ENGLISH("headline.not_covered")
"""What no report says anything about, as programs read it; a page's head has it in the page's language."""

Tone = Literal["good", "unsure", "bad"]


class Standings(msgspec.Struct, frozen=True, kw_only=True):
    """How what fails a check stands now: findings by severity (the word), for those that let the Internet in.

    Attributes:
        open: ours, and nothing sets them aside.
        rules: the rules that the open ones are of; the pieces of a rule that was split are one.
        accounts: the accounts that the open ones are in.
        closed: findings that changes of the run closed.
        managed: of groups that a cloud service keeps; they let in all the same.
        exempt: by a waiver; they let in all the same.
        protected: rules among the open ones that are not changed, since they are protected.
        wide: findings of a wide source that no check counts as open.
    """

    open: Mapping[str, int] = {}
    rules: int = 0
    accounts: int = 0
    closed: int = 0
    managed: Mapping[str, int] = {}
    exempt: Mapping[str, int] = {}
    protected: int = 0
    wide: int = 0


class FindingTally:
    """Counts findings as they stand now that changes may have been made.

    They come group by group, as a journal gives them: only the rules of one group, and the accounts, are kept.
    """

    def __init__(self, changes: RuleEffects) -> None:
        self._changes = changes
        self._open, self._managed, self._exempt = Counter[str](), Counter[str](), Counter[str]()
        self._accounts: set[str] = set()
        self._group: tuple[str, ...] = ()
        self._seen: dict[str, bool] = {}  # rules of that group, and whether they are protected
        self._rules = self._protected = self._closed = self._wide = 0

    def add(self, finding: Finding) -> None:
        """Count a finding."""
        if self._changes.has_closed(finding):
            self._closed += 1
        elif finding.stands_apart:
            self._wide += 1
        elif finding.is_open:
            self._open[finding.severity.value] += 1
            self._take_rule(finding)
        elif finding.lets_in:
            aside = self._managed if finding.status is Status.managed else self._exempt
            aside[finding.severity.value] += 1

    @property
    def standings(self) -> Standings:
        """How they stand."""
        return Standings(
            open=self._open,
            rules=self._rules,
            accounts=len(self._accounts),
            closed=self._closed,
            managed=self._managed,
            exempt=self._exempt,
            protected=self._protected,
            wide=self._wide,
        )

    def _take_rule(self, finding: Finding) -> None:
        *group, rule_id = self._changes.origin(finding)
        if self._group != tuple(group):
            self._group, self._seen = tuple(group), {}
        was_protected = self._seen.get(rule_id)
        is_protected = bool(was_protected or finding.protection)
        self._rules += was_protected is None
        self._protected += is_protected and not was_protected
        self._seen[rule_id] = is_protected
        self._accounts.add(finding.account_id)


class Coverage(msgspec.Struct, frozen=True, kw_only=True):
    """What the run has seen, and what it has not.

    Attributes:
        complete: all that is in scope was read and judged now, but for what is accepted.
        accounts, regions, groups: tried and not read, accepted ones not counted.
        not_begun, not_finished: accounts that the run was stopped before, or in.
        undetermined: rules that could not be judged.
        carried_over: groups that were taken from an earlier run and not read again, of `groups_in_all`.
        groups_in_all: groups that were judged.
        because: what else makes the run incomplete, a sentence each without its full stop.
        witnesses: by whose word the groups that were read are all there are, a sentence each without its full stop.
        accepted: what could not be read and an owner has accepted.
    """

    complete: bool
    accounts: int = 0
    regions: int = 0
    groups: int = 0
    not_begun: int = 0
    not_finished: int = 0
    undetermined: int = 0
    carried_over: int = 0
    groups_in_all: int = 0
    because: tuple[str, ...] = ()
    witnesses: tuple[str, ...] = ()
    accepted: int = 0

    @property
    def is_complete(self) -> bool:
        """Whether the run says so and nothing of this contradicts it."""
        return self.complete and not any(self._missing()) and not self.carried_over and not self.because

    def _missing(self) -> tuple[int, ...]:
        tried = (self.accounts, self.regions, self.groups)
        return (*tried, self.not_begun, self.not_finished, self.undetermined)


class Headline(msgspec.Struct, frozen=True):
    """What is told first.

    Attributes:
        tone: bad where something of ours is open, good where all was seen and nothing lets in but by a waiver.
        complete: all was seen.
        text: one sentence, without a full stop.
        coverage: whether everything was seen, in whole sentences.
    """

    tone: Tone
    complete: bool
    text: str
    coverage: tuple[str, ...]


def headline(standings: Standings, coverage: Coverage, words: Words = ENGLISH) -> Headline:
    """Say in words what was found, and whether everything was seen."""
    complete, is_open = coverage.is_complete, bool(total(standings.open))
    is_good = complete and not total(standings.managed)
    tone: Tone = "bad" if is_open else "good" if is_good else "unsure"
    parts = _parts(standings, coverage, words)
    return Headline(tone, complete, words("joint").join(parts), tuple(_coverage(coverage, words)))


def of_part(found: Headline, words: Words = ENGLISH) -> Headline:
    """Return what is told of a part of a run: it says so, and is never good news of the whole."""
    tone: Tone = "unsure" if found.tone == "good" else found.tone
    text = words("headline.of_part", text=f"{found.text[0].lower()}{found.text[1:]}")
    return msgspec.structs.replace(found, tone=tone, text=text)


def _parts(standings: Standings, coverage: Coverage, words: Words) -> list[str]:
    parts = [_ours(standings, words, complete=coverage.is_complete)]
    if standings.protected:
        parts.append(words("headline.protected", n=standings.protected))
    also = words("headline.also") if total(standings.open) else ""
    if managed := total(standings.managed):
        worst = _worst(standings.managed, words)
        parts.append(words("headline.managed", n=managed, also=also, worst=worst))
    if exempt := total(standings.exempt):
        parts.append(words("headline.exempt", n=exempt, worst=_worst(standings.exempt, words)))
    if standings.wide:
        parts.append(words("headline.wide", n=standings.wide))
    if coverage.carried_over:
        in_all = max(coverage.groups_in_all, coverage.carried_over)
        parts.append(words("headline.carried_over", n=coverage.carried_over, all=in_all))
    return parts


def _ours(standings: Standings, words: Words, *, complete: bool) -> str:
    found, closed = total(standings.open), standings.closed
    if found:
        where = words("headline.on_rules", n=standings.rules) if standings.rules else ""
        where += words("headline.in_accounts", n=standings.accounts) if standings.accounts else ""
        key = "headline.still_open" if closed else "headline.open"
        return words(key, n=found, closed=closed, severities=by_severity(standings.open, words), where=where)
    seen = "" if complete else words("headline.in_what_was_seen")
    if closed:
        return words("headline.all_closed", closed=closed, seen=seen)
    set_aside = total(standings.managed) or total(standings.exempt)
    return words("headline.none_of_ours" if set_aside else "headline.nothing", seen=seen)


def _coverage(coverage: Coverage, words: Words) -> list[str]:
    if coverage.is_complete:
        sentences = [words("coverage.all")]
    else:
        sentences = [words.sentence(text) for text in _gaps(coverage, words)]
        sentences.append(words("coverage.silent"))
    if coverage.accepted:
        sentences.append(words("coverage.accepted", n=coverage.accepted))
    return sentences + [words.sentence(words.retold(text)) for text in coverage.witnesses]


def _gaps(coverage: Coverage, words: Words) -> list[str]:
    levels = {"accounts": coverage.accounts, "regions": coverage.regions, "groups": coverage.groups}
    unread = [words(f"coverage.{level}", n=how_many) for level, how_many in levels.items() if how_many]
    gaps = [words("coverage.unread", places=joined(unread, words))] if unread else []
    for key, how_many in (
        ("coverage.not_begun", coverage.not_begun),
        ("coverage.not_finished", coverage.not_finished),
        ("coverage.undetermined", coverage.undetermined),
    ):
        if how_many:
            gaps.append(words(key, n=how_many))
    gaps += map(words.retold, coverage.because)
    return gaps or [words("coverage.stopped")]


def total(by_severity: Mapping[str, int]) -> int:
    """Return how many there are of every severity together."""
    return sum(by_severity.values())


def by_severity(found: Mapping[str, int], words: Words) -> str:
    """Return " (2 critical, 5 high)"; each severity that occurs, "" for none."""
    each = [
        words("headline.of_severity", n=found[one.value], severity=words.term("severity", one.value))
        for one in Severity
        if found.get(one.value)
    ]
    return words("headline.severities", each=words("comma").join(each)) if each else ""


def _worst(by_severity: Mapping[str, int], words: Words) -> str:
    """Return ", 7 of them critical": what is hidden most dangerously behind a sum."""
    for one in Severity:
        if found := by_severity.get(one.value):
            key = "headline.worst" if found < total(by_severity) else "headline.all_worst"
            return words(key, n=found, severity=words.term("severity", one.value))
    return ""


def number(value: object) -> str:
    """Return 12345 as "12,345", and what is not a number as a dash."""
    return f"{value:,}" if isinstance(value, (int, float)) else "–"  # noqa: RUF001  (a dash, as typeset)


def joined(parts: list[str], words: Words = ENGLISH) -> str:
    """Return "a, b and c"."""
    return words("coverage.and").join(filter(None, [words("comma").join(parts[:-1]), *parts[-1:]]))
