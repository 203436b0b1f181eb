"""The sentences that a run begins with, wherever it is told: on the screen, in the summary, in the report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Literal

import msgspec

from orchestrator.journal import Changes
from orchestrator.policy import Finding, Severity, Status

NOT_COVERED = (
    "This is about the security groups of ECS. What lets in or keeps out by other means is not looked at: the "
    "allow-lists of databases (RDS, Redis, MongoDB and others), WAF, Cloud Firewall, network ACLs, the firewalls of "
    "Simple Application Server, and services on networks of their own, such as OSS, Function Compute and API Gateway."
)
"""What no report says anything about; it stands in the head of each that has one."""

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


class Tally:
    """Counts findings as they stand now that changes may have been made.

    They come group by group, as a journal gives them: only the rules of one group, and the accounts, are kept.
    """

    def __init__(self, changes: Changes) -> None:
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


def headline(standings: Standings, coverage: Coverage) -> Headline:
    """Say in words what was found, and whether everything was seen."""
    complete, is_open = coverage.is_complete, bool(total(standings.open))
    is_good = complete and not total(standings.managed)
    tone: Tone = "bad" if is_open else "good" if is_good else "unsure"
    return Headline(tone, complete, "; ".join(_parts(standings, coverage)), tuple(_coverage(coverage)))


def of_part(found: Headline) -> Headline:
    """Return what is told of a part of a run: it says so, and is never good news of the whole."""
    tone: Tone = "unsure" if found.tone == "good" else found.tone
    text = f"In this part of the run: {found.text[0].lower()}{found.text[1:]}"
    return msgspec.structs.replace(found, tone=tone, text=text)


def _parts(standings: Standings, coverage: Coverage) -> list[str]:
    parts = [_ours(standings, complete=coverage.is_complete)]
    if standings.protected:
        parts.append(f"{count(standings.protected, 'rule')} of these {_be(standings.protected)} protected")
    also = "also " if total(standings.open) else ""
    if managed := total(standings.managed):
        whose = f"{count(managed, 'finding')} of cloud services {_be(managed)} {also}open"
        parts.append(f"{whose}{_worst(standings.managed)}")
    if exempt := total(standings.exempt):
        parts.append(f"{count(exempt, 'finding')} {_be(exempt)} open by exemption{_worst(standings.exempt)}")
    if standings.wide:
        parts.append(
            f"{count(standings.wide, 'finding')} of a wide source {_be(standings.wide)} counted apart"
        )
    if coverage.carried_over:
        verb = "was" if coverage.carried_over == 1 else "were"
        of = count(max(coverage.groups_in_all, coverage.carried_over), "group")
        parts.append(f"{number(coverage.carried_over)} of {of} {verb} not read again")
    return parts


def _ours(standings: Standings, *, complete: bool) -> str:
    found, closed = total(standings.open), standings.closed
    set_aside = total(standings.managed) or total(standings.exempt)
    if found:
        where = f" on {count(standings.rules, 'rule')}" if standings.rules else ""
        where += f" in {count(standings.accounts, 'account')}" if standings.accounts else ""
        if closed:
            return f"{count(closed, 'finding')} closed, {number(found)} still open{_by_severity(standings.open)}{where}"
        return f"{count(found, 'open finding')}{_by_severity(standings.open)}{where}"
    seen = "" if complete else " in what was seen"
    if closed:
        return f"{count(closed, 'finding')} closed, none of ours left open{seen}"
    if set_aside:
        return f"None of our own rules is open to the Internet{seen}"
    return f"No risky port is open to the Internet{seen}"


def _coverage(coverage: Coverage) -> list[str]:
    if coverage.is_complete:
        sentences = ["Every account, region and rule in scope was read in full."]
    else:
        sentences = [_sentence(text) for text in _gaps(coverage)]
        sentences.append("Nothing is said about what was not seen.")
    if coverage.accepted:
        sentences.append(f"{number(coverage.accepted)} more could not be read, which an owner has accepted.")
    return sentences + [_sentence(text) for text in coverage.witnesses]


def _gaps(coverage: Coverage) -> list[str]:
    levels = {"account": coverage.accounts, "region": coverage.regions, "security group": coverage.groups}
    unread = [count(how_many, noun) for noun, how_many in levels.items() if how_many]
    gaps = [f"{joined(unread)} could not be read"] if unread else []
    for how_many, noun, what in (
        (coverage.not_begun, "account", "not begun, since the run was stopped"),
        (coverage.not_finished, "account", "begun and not finished"),
    ):
        if how_many:
            gaps.append(f"{count(how_many, noun)} {'was' if how_many == 1 else 'were'} {what}")
    if coverage.undetermined:
        gaps.append(f"{count(coverage.undetermined, 'rule')} could not be judged")
    gaps += coverage.because
    return gaps or ["The run stopped before everything was read"]


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def total(by_severity: Mapping[str, int]) -> int:
    """Return how many there are of every severity together."""
    return sum(by_severity.values())


def _by_severity(by_severity: Mapping[str, int]) -> str:
    """Return " (2 critical, 5 high)"; each severity that occurs."""
    words = [
        f"{number(by_severity[one.value])} {one.value}" for one in Severity if by_severity.get(one.value)
    ]
    return f" ({', '.join(words)})" if words else ""


def _worst(by_severity: Mapping[str, int]) -> str:
    """Return ", 7 of them critical": what is hidden most dangerously behind a sum."""
    for one in Severity:
        if found := by_severity.get(one.value):
            return (
                f", {number(found)} of them {one.value}" if found < total(by_severity) else f", {one.value}"
            )
    return ""


def _be(how_many: int) -> str:
    return "is" if how_many == 1 else "are"


def number(value: object) -> str:
    """Return 12345 as "12,345", and what is not a number as a dash."""
    return f"{value:,}" if isinstance(value, (int, float)) else "–"  # noqa: RUF001  (a dash, as typeset)


def count(value: int, noun: str) -> str:
    """Return "1 account", "3 accounts"."""
    return f"{number(value)} {noun}{'' if value == 1 else 's'}"


def joined(parts: list[str]) -> str:
    """Return "a, b and c"."""
    return " and ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]]))
