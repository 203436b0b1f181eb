"""What a report is made from, and how a finding stands now that changes may have been made.

The run is never gathered: findings, unreachable things and changes are callables that iterate anew, so that a
renderer may go over them more than once.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timezone
from typing import Any, Literal, get_args

import msgspec

from accounts import AcceptedUnreachable, SkippedAccount, Unreachable
from orchestrator.evidence import Evidence
from orchestrator.journal import AccountState, Effect, Outcome, RuleEffects, rule_key
from orchestrator.plan import Plan
from orchestrator.policy import UNDETERMINED, Check, Exemption, Finding, Severity
from orchestrator.report.provenance import Record
from orchestrator.report.trend import Point, open_of
from orchestrator.report.words import ENGLISH, Language, Words

Item = dict[str, Any]
"""A JSON object that is written out."""

Emit = Callable[[str], object]
"""Where a renderer puts its text, piece by piece."""

SEVERITIES = tuple([severity.value for severity in Severity])
"""From the worst down: the order of every table."""

WIDER = "its source is wide, but less than what fails the check"
NARROW = "its source is far from the whole Internet"
LATENT = "no public address is attached"
SHIELDED = "other groups of every public interface drop it"
UNEXPLAINED = "the run does not say why"
"""Why a severity is below the check's own."""

Standing = Literal["open", "undetermined", "wide", "closed", "exempt", "managed", "shadowed"]
"""How a finding stands: its status, `undetermined` by its verdict, `closed` by a change, or `wide`: told apart."""

STANDINGS: tuple[Standing, ...] = get_args(Standing)

COUNT_MISMATCH = "CountMismatch"
"""Code of a place where the cloud counts more than it gave; what it gave is judged."""

NOT_BEGUN, NOT_FINISHED = "NotBegun", "NotFinished"
"""Codes of accounts that a run was stopped before, or in: nothing was tried there, or not all."""

_TITLES = {UNDETERMINED: "A rule that could not be judged"}


class ReportError(ValueError):
    """A run that cannot be rendered as asked. The text says what to do."""


def never_asked(finding: Finding) -> None:
    """Nobody was asked."""


class RunView(msgspec.Struct, frozen=True, kw_only=True):
    """A run, as far as a report needs it.

    summary: as `summary.json` has it.
    created_at: when the run began, ISO 8601 with an offset.
    findings: of one account after the other.
    effects: its changes and rollbacks, as the journal has them: of one account after the other, in the findings' order.
    accounts: every account of the run, and how far it was read.
    plan: the latest one, carried out or not.
    checks: those of the run; titles fall back to ids where one is missing.
    skipped_accounts: those that were left out on purpose.
    exemption_notes: what there is to say of the exemptions, such as one that has expired or matches nothing.
    exemptions: the waivers it was judged with, those that have expired among them.
    record: the audit record of its changes, None where nothing is known of one.
    folder: the name of the run folder, for the commands that are to be typed; the words DIR where it is not known.
    earlier: the runs of the same organization before it, the oldest first.
    accepted: by which entry that still holds something unreachable is accepted, if by any.
    evidence: what is known of the door that a finding is about; None where that was not asked.
    language: that people are told it in; what programs read is the same in each.
    """

    summary: Item
    created_at: str
    findings: Callable[[], Iterator[Finding]]
    unreachable: Callable[[], Iterator[Unreachable]]
    effects: Callable[[], Iterator[Effect]]
    accounts: Callable[[], Iterator[AccountState]] = lambda: iter(())
    plan: Plan | None = None
    checks: tuple[Check, ...] = ()
    skipped_accounts: tuple[SkippedAccount, ...] = ()
    exemption_notes: tuple[str, ...] = ()
    exemptions: tuple[Exemption, ...] = ()
    record: Record | None = None
    folder: str = "DIR"
    earlier: tuple[Point, ...] = ()
    accepted: Callable[[Unreachable], AcceptedUnreachable | None] = lambda _: None
    language: Language = "en"
    evidence: Callable[[Finding], Evidence | None] = never_asked

    def outcomes(self) -> Iterator[Outcome]:
        """Go over how the changes ended."""
        return (effect.outcome for effect in self.effects() if effect.outcome is not None)

    @property
    def plan_notes(self) -> list[Item]:
        """What the plan notes of rules it changes: that they came back before, that a pipeline makes their group."""
        actions = self.plan.actions if self.plan else ()
        keys = ("account_id", "region_id", "security_group_id", "rule_id", "notes")
        return [{key: getattr(action, key) for key in keys} for action in actions if action.notes]

    @property
    def began(self) -> datetime:
        """When the run began, in UTC. Raises ReportError where `created_at` is not a time."""
        try:
            moment = datetime.fromisoformat(self.created_at)
        except ValueError:
            raise ReportError(f"created_at is not an ISO 8601 time: {self.created_at!r}") from None
        aware = moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
        return aware.astimezone(timezone.utc)

    @property
    def run_id(self) -> str:
        """The run's id, as the summary has it."""
        return str(self.summary.get("run_id", ""))

    @property
    def trend(self) -> tuple[Point, ...]:
        """The earlier runs, and this one at the end; nothing where there is no other to compare with."""
        now = Point(
            run_id=self.run_id,
            created_at=self.created_at,
            open=open_of(self.summary.get("findings") or {}),
            complete=self.summary.get("complete") is True,
        )
        return (*self.earlier, now) if self.earlier else ()

    @property
    def incomplete_because(self) -> tuple[str, ...]:
        """Why the run is incomplete, beside what was not read, as the summary has it."""
        return tuple(self.summary.get("incomplete_because") or ())

    @property
    def hub_account_id(self) -> str:
        """The account that acted, as the summary has it; empty if it does not say."""
        return str((self.summary.get("cloud") or {}).get("hub_account_id", ""))

    def check_title(self, check_id: str) -> str:
        """Return the check's title, or its id where no title is known."""
        titles = (check.title for check in self.checks if check.id == check_id)
        return next(titles, "") or _TITLES.get(check_id, check_id)

    def references(self, finding: Finding) -> tuple[str, ...]:
        """Return what the finding's check refers to, one number or name each: "CIS Alibaba Cloud 2.0: 4.3"."""
        check_id = finding.wide_for or finding.check_id
        check = next((check for check in self.checks if check.id == check_id), None)
        return each_reference(check.references) if check else ()

    def lowered(self, finding: Finding) -> tuple[str, ...]:
        """Return why the finding's severity is below its check's, a few words each; nothing where it is not."""
        check_id = finding.wide_for or finding.check_id
        check = next((check for check in self.checks if check.id == check_id), None)
        return () if check is None else _lowered(finding, check.severity)

    def title_of(self, finding: Finding) -> str:
        """Return the title of the finding's check; of a merely wide source, with that."""
        title = self.check_title(finding.wide_for or finding.check_id)
        return f"{title}, by a wide source" if finding.wide_for else title


def each_reference(references: Sequence[str]) -> tuple[str, ...]:
    """Return references with one number or name each: of "CIS Alibaba Cloud 2.0: 3.2, 4.3" there are two."""
    found: dict[str, None] = {}
    for one in references:
        source, _, numbers = one.partition(": ")
        found.update(
            dict.fromkeys(f"{source}: {number}" if number else source for number in numbers.split(", "))
        )
    return tuple(found)


def owner_name(finding: Finding) -> str:
    """Return who owns the finding's group; a run of old knows the account only."""
    return finding.owner or finding.account_name or finding.account_id


def _lowered(finding: Finding, of_check: Severity) -> tuple[str, ...]:
    own, base, full = (SEVERITIES.index(one) for one in (finding.severity, finding.base_severity, of_check))
    if own <= full:
        return ()
    reasons = []
    if full < base <= own:
        reasons.append(WIDER if finding.is_wide else NARROW)
    if finding.exposure == "latent":
        attached = finding.attachment
        is_shielded = attached is not None and attached.exposure == "exposed"
        reasons.append(SHIELDED if is_shielded else LATENT)
    return tuple(reasons) or (UNEXPLAINED,)


def standing(finding: Finding, changes: RuleEffects) -> Standing:
    """Return how the finding stands now that changes may have been made."""
    if changes.has_closed(finding):
        return "closed"
    if finding.stands_apart:
        return "wide"
    return "undetermined" if finding.is_undetermined else finding.status.value


def level(unseen: Unreachable) -> str:
    """Return at what level it was tried and not read; of an account that the run did not come to, the code."""
    if unseen.code in {NOT_BEGUN, NOT_FINISHED}:
        return unseen.code
    if unseen.security_group_id:
        return "security group"
    return "region" if unseen.region_id else "account"


def unseen_text(unseen: Unreachable) -> str:
    """Return what became of it in a few words: only what was tried could not be read, and some was read in part."""
    if unseen.code in {NOT_BEGUN, NOT_FINISHED}:
        return "Not read"
    return "Not read in full" if unseen.code == COUNT_MISMATCH else "Could not be read"


def fingerprint(finding: Finding) -> str:
    """Return an id that is the same in every run, made of the finding's place and check only."""
    parts = (*rule_key(finding), *filter(None, (finding.check_id, finding.wide_for)))
    return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


def resource_name(one: Finding | Unreachable) -> str:
    """Return the group's resource name as RAM spells it: acs:ecs:REGION:ACCOUNT:securitygroup/ID."""
    region, group = one.region_id or "*", one.security_group_id or "*"
    return f"acs:ecs:{region}:{one.account_id or '*'}:securitygroup/{group}"


def path_of(one: Finding | Unreachable) -> list[str]:
    """Return the place from the account down, as far as it is known: region, group, rule."""
    rule_id = one.rule_id if isinstance(one, Finding) else None
    return [part for part in (one.account_id, one.region_id, one.security_group_id, rule_id) if part]


def listed(values: Sequence[str]) -> str:
    """Return a list as text."""
    return ", ".join(values)


def witness_text(finding: Finding, words: Words = ENGLISH) -> str:
    """Return the packet that gets through, "tcp/22 from 203.0.114.7", or "" where none does."""
    witness = finding.witness
    if witness is None or not finding.lets_in:
        return ""
    service = witness.protocol if witness.port is None else f"{witness.protocol}/{witness.port}"
    return f"{service} {words('row.' + toward(finding))} {witness.source}"


def toward(finding: Finding) -> str:
    """Return "from" for an ingress rule, whose far end is a source, and "to" for an egress rule."""
    return "to" if finding.direction == "egress" else "from"
