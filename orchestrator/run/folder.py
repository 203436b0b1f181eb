"""The run folder: what is written from the journal for people and programs, each file whole or not at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from accounts import AcceptedUnreachable, Unreachable
from orchestrator.cloud.stats import Stats
from orchestrator.exposure import ports_to_json
from orchestrator.files import replaced
from orchestrator.journal import Effect, JobState, Reader, RuleEffects
from orchestrator.policy import Finding, Severity, Status
from orchestrator.report import Coverage, FindingTally, headline, level
from orchestrator.run.connection import Connection, connection_of
from orchestrator.run.cross_check import cross_checked, statements
from orchestrator.run.unseen import Accepted, because, tried, unseen

FINDINGS = "findings.jsonl"
UNREACHABLE = "unreachable.jsonl"
SUMMARY = "summary.json"
PLAN = "plan.json"
OUTCOMES = "outcomes.jsonl"
EVIDENCE = "evidence.jsonl"
REPORT = "report.html"


class AccountCounts(msgspec.Struct, frozen=True):
    """Accounts of the run: asked for, entered, tried and not entered, and not even begun."""

    total: int
    reached: int
    unreachable: int
    not_begun: int = 0


class OpenFindings(msgspec.Struct, frozen=True):
    """Open findings by what is attached to the group: a public address, none, or not known."""

    exposed: int = 0
    latent: int = 0
    unknown: int = 0


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """What a run came to.

    Attributes:
        run_id: the run.
        cloud: who read it, against which cloud.
        complete: everything in scope was read and judged; what was accepted as unreachable does not count.
        accounts: how many, and how many of them were entered.
        regions: distinct regions; `account_regions` are the pairs that were read.
        security_groups: read and judged.
        rules: read and judged.
        carried_over: groups among them that were not read, because an earlier run knows them (`--changed-since`).
        findings: how many, by severity and status, but those of `wide`.
        undetermined: rules that could not be judged; they are among the open ones.
        wide: sources that are wide but fail nothing, to other ports than SSH, RDP and databases: told apart.
        open: the open failures, by attachment.
        protected: rules with open failures whose groups are protected: reported, and not changed.
        unreachable: things that could not be seen; `accepted` of them are accepted by an owner.
        skipped_accounts: left out, with a reason each.
        api: calls, throttled and retried, over all and by action.
        seconds: from the first call to the last, over all attempts of the run.
        exemption_notes: exemptions that have expired, expire soon or match nothing, a sentence each.
        incomplete_because: why it is not complete, beside what could not be read or judged, a sentence each.
        pass_number: how often all accounts were read; only an incident's closing reads again.
        second_witness: by whose word the groups that were read are all there are, a sentence each.
        open_rules: rules that the open findings are of, as they stand now; the pieces of a split rule are one.
        headline: what is told first, as the report tells it.
        coverage: whether everything was seen, in sentences.
        balancers_unknown: in how many accounts it could not be read which load balancers joined the groups in question.
    """

    run_id: str
    cloud: Connection
    complete: bool
    accounts: AccountCounts
    regions: int
    account_regions: int
    security_groups: int
    rules: int
    carried_over: int
    findings: dict[str, dict[str, int]]
    undetermined: int
    open: OpenFindings
    wide: int = 0
    protected: int = 0
    unreachable: int
    accepted: int
    skipped_accounts: int
    api: dict[str, Any]
    seconds: float
    exemption_notes: tuple[str, ...] = ()
    incomplete_because: tuple[str, ...] = ()
    pass_number: int = 1
    second_witness: tuple[str, ...] = ()
    open_rules: int = 0
    headline: str = ""
    coverage: tuple[str, ...] = ()
    balancers_unknown: int = 0

    @property
    def open_failures(self) -> int:
        """Open findings that are failures, not merely undetermined."""
        return self.open.exposed + self.open.latent + self.open.unknown


def summarize(
    reader: Reader,
    accepted: Accepted,
    api: dict[str, Any],
    seconds: float,
) -> Summary:
    """Count what the journal holds; nothing is gathered."""
    found = FindingCounts(reader.findings(Finding), reader.all_effects())
    reasons = tuple(because(reader))
    missed = _Missed(reader, accepted)
    states = Counter(state.state for state in reader.accounts())
    total, totals = sum(states.values()), reader.totals()
    complete = not (missed.counted or found.undetermined or reasons)
    complete = complete and states[JobState.done] + missed.excused == total
    standings = found.tally.standings
    summary = Summary(
        run_id=reader.header.run_id,
        cloud=connection_of(reader),
        complete=complete,
        accounts=AccountCounts(
            total,
            sum(states[one] for one in JobState if one.is_reached),
            len(missed.accounts),
            states[JobState.unclaimed],
        ),
        regions=totals.get("regions", 0),
        account_regions=totals.get("account_regions", 0),
        security_groups=totals.get("security_groups", 0),
        rules=totals.get("rules", 0),
        carried_over=totals.get("carried_over", 0),
        findings=found.by_severity,
        undetermined=found.undetermined,
        wide=standings.wide,
        protected=standings.protected,
        open=OpenFindings(**found.exposure),
        unreachable=missed.total,
        accepted=missed.total - missed.counted,
        skipped_accounts=sum(1 for _ in reader.skipped()),
        api=api,
        seconds=round(seconds, 3),
        exemption_notes=tuple(reader.fact("exemption_notes") or ()),
        incomplete_because=reasons,
        pass_number=reader.fact("pass") or 1,
        second_witness=tuple(statements(cross_checked(reader), complete=complete)),
        open_rules=standings.rules,
        balancers_unknown=reader.accounts_counting("balancers_unknown"),
    )
    told = headline(standings, missed.coverage(summary, not_finished=states[JobState.claimed]))
    return msgspec.structs.replace(summary, headline=told.text, coverage=told.coverage)


class FindingCounts:
    """What findings come to: as the scan found them, and as they stand now.

    Attributes:
        by_severity: how many, by severity and status, but those that are told apart.
        undetermined: rules that could not be judged.
        exposure: open ones by what is attached.
        tally: how they stand now.
    """

    def __init__(self, findings: Iterable[Finding], effects: Iterable[Effect]) -> None:
        self.by_severity = {severity.value: {status.value: 0 for status in Status} for severity in Severity}
        self.undetermined = 0
        self.exposure: Counter[str] = Counter()
        self.tally = FindingTally(RuleEffects(effects))
        for finding in findings:
            self._take(finding)

    def _take(self, finding: Finding) -> None:
        self.tally.add(finding)
        if finding.stands_apart:
            return
        self.by_severity[finding.severity.value][finding.status.value] += 1
        if finding.is_undetermined:
            self.undetermined += 1
        elif finding.is_open:
            self.exposure[finding.exposure] += 1


_ENDED_SHORT = (JobState.in_part, JobState.unreachable)


class _Missed:
    """What was tried and could not be seen, counted; what the run did not come to is no part of it."""

    def __init__(self, reader: Reader, accepted: Accepted) -> None:
        self.total = 0
        self.counted = 0
        self.accounts: set[str] = set()
        self._levels: Counter[str] = Counter()
        excused: set[str] = set()
        for one in tried(reader):
            self.total += 1
            if one.region_id is None:
                self.accounts.add(one.account_id)
            if accepted(one):
                excused.add(one.account_id)
            else:
                self.counted += 1
                self._levels[level(one)] += 1
        # of those that were tried to their end: one that was stopped in the middle has more that was not seen
        ended = {one.account.account_id for one in reader.accounts() if one.state in _ENDED_SHORT}
        self.excused = len(excused & ended)

    def coverage(self, summary: Summary, not_finished: int) -> Coverage:
        """Return what a headline says of it."""
        return Coverage(
            complete=summary.complete,
            accounts=self._levels["account"],
            regions=self._levels["region"],
            groups=self._levels["security group"],
            not_begun=summary.accounts.not_begun,
            not_finished=not_finished,
            undetermined=summary.undetermined,
            carried_over=summary.carried_over,
            groups_in_all=summary.security_groups,
            because=summary.incomplete_because,
            witnesses=summary.second_witness,
            accepted=summary.accepted,
        )


def count_calls(stats: Stats, before: dict[str, Any] | None) -> dict[str, Any]:
    """Return the calls of this process added to those of earlier attempts of the run."""
    earlier = (before or {}).get("by_action", {})
    by_action: dict[str, dict[str, float]] = {name: dict(counts) for name, counts in earlier.items()}
    for action, counts in stats.actions.items():
        row = by_action.setdefault(action, {})
        for key, value in vars(counts).items():
            row[key] = round(row.get(key, 0) + value, 3)
    totals = {key: sum(row.get(key, 0) for row in by_action.values()) for key in _CALL_TOTALS}
    return {**totals, "by_action": dict(sorted(by_action.items()))}


_CALL_TOTALS = ("calls", "throttled", "retried", "failed", "waited_seconds")
NO_CALLS: dict[str, Any] = {**dict.fromkeys(_CALL_TOTALS, 0), "by_action": {}}


def export(reader: Reader, summary: Summary, accepted: Accepted) -> None:
    """Write findings.jsonl, unreachable.jsonl (what is accepted with the day until which it is) and summary.json."""
    folder = reader.folder
    write_lines(folder / FINDINGS, reader.findings(Finding))
    write_lines(folder / UNREACHABLE, (_row(one, accepted(one)) for one in unseen(reader)))
    write_json(folder / SUMMARY, summary)


def _row(one: Unreachable, entry: AcceptedUnreachable | None) -> object:
    return one if entry is None else {**msgspec.structs.asdict(one), "accepted_until": entry.expires}


def export_outcomes(reader: Reader) -> None:
    """Write outcomes.jsonl: how every change of the run ended."""
    write_lines(reader.folder / OUTCOMES, reader.outcomes())


def write_lines(path: Path, values: Iterable[object]) -> None:
    """Write one JSON object a line, streaming."""
    encode = msgspec.json.Encoder(enc_hook=ports_to_json).encode
    with replaced(path) as file:
        for value in values:
            file.write(encode(value) + b"\n")


def write_json(path: Path, value: object) -> None:
    """Write one JSON document that people can read, too."""
    with replaced(path) as file:
        file.write(msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")
