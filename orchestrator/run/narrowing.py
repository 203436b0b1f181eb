"""A part of a run, told as a whole one is: of some owners, accounts or severities."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from tempfile import TemporaryFile
from typing import IO, Any

import msgspec

from accounts import Account, SkippedAccount, Unreachable
from matching import named
from orchestrator.exposure import ports_from_json, ports_to_json
from orchestrator.journal import AccountState, Effect, JobState, RuleEffects, RuleKey, rule_key
from orchestrator.policy import BY_NAME, Finding, Severity
from orchestrator.report import Coverage, RunView, headline, level, of_part, owner_name
from orchestrator.run.filters import refuse_no_severity
from orchestrator.run.folder import FindingCounts
from orchestrator.run.refusals import UsageError


class ReportPart(msgspec.Struct, frozen=True):
    """What a report is narrowed to. Empty asks for nothing; of several values of one option, one is enough.

    Attributes:
        owners: their names, or patterns of them.
        accounts: ids, names, or patterns of them.
        severities: words.
    """

    owners: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    severities: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a severity that there is not.

        Raises:
            UsageError: names it.
        """
        refuse_no_severity(self.severities)

    def holds(self, finding: Finding) -> bool:
        """Tell whether the finding is in it. A rule that could not be judged is in every severity."""
        owner = owner_name(finding)
        return bool(
            (not self.owners or named(self.owners, owner, owner))
            and (not self.accounts or named(self.accounts, finding.account_id, finding.account_name))
            and (not self.severities or finding.is_undetermined or finding.severity.value in self.severities)
        )

    def told(self) -> dict[str, list[str]]:
        """Return what was asked for, as a report's summary says it."""
        given = {"owner": self.owners, "account": self.accounts, "severity": self.severities}
        return {key: list(values) for key, values in given.items() if values}


WHOLE = ReportPart()


def narrowed(view: RunView, part: ReportPart) -> RunView:
    """Return the part of the run, with its own counts and headline; what was not seen elsewhere is no part of it.

    Raises:
        UsageError: nothing of the run is in the part, so a name is mistyped.
    """
    if not part.told():
        return view

    def findings() -> Iterator[Finding]:
        return filter(part.holds, view.findings())

    made = _narrowed(view, part, findings, view.effects)
    if not made.summary["accounts"]["total"]:
        asked = "; ".join(f"{key} {', '.join(values)}" for key, values in part.told().items())
        raise UsageError(f"nothing of the run is of {asked}")
    return made


def _narrowed(
    view: RunView,
    part: ReportPart,
    findings: Callable[[], Iterator[Finding]],
    effects: Callable[[], Iterable[Effect]],
) -> RunView:
    keys: set[RuleKey] = set()
    account_ids: set[str] = set()
    for finding in findings():
        keys.add(rule_key(finding))
        account_ids.add(finding.account_id)
    if not part.owners:  # of an owner only what is known to be his
        account_ids.update(one.account.account_id for one in view.accounts() if _is_asked(part, one.account))

    def changes() -> Iterator[Effect]:
        return (one for one in effects() if rule_key(one) in keys)

    def unreachable() -> Iterator[Unreachable]:
        return (one for one in view.unreachable() if one.account_id in account_ids)

    def accounts() -> Iterator[AccountState]:
        return (one for one in view.accounts() if one.account.account_id in account_ids)

    plan = view.plan
    if plan is not None:
        actions = tuple(one for one in plan.actions if _key(one) in keys)
        plan = msgspec.structs.replace(
            plan, actions=actions, skipped=tuple(one for one in plan.skipped if _key(one) in keys)
        )
    made = msgspec.structs.replace(
        view,
        findings=findings,
        effects=changes,
        unreachable=unreachable,
        accounts=accounts,
        plan=plan,
        skipped_accounts=()
        if part.owners
        else tuple(one for one in view.skipped_accounts if _is_asked(part, one)),
        earlier=(),  # they are the whole organization's
        exemption_notes=() if part.owners or part.accounts else view.exemption_notes,
    )
    return msgspec.structs.replace(made, summary=_summary(view, made, part))


def _is_asked(part: ReportPart, account: Account | SkippedAccount) -> bool:
    return not part.accounts or bool(named(part.accounts, account.account_id, account.name))


def _key(one: Any) -> RuleKey:  # noqa: ANN401 - an action of a plan, or what it skips
    return one.account_id, one.region_id, one.security_group_id, one.rule_id


_OF_THE_WHOLE = ("regions", "account_regions", "security_groups", "rules")  # not counted by owner


def _summary(whole: RunView, part: RunView, asked: ReportPart) -> dict[str, Any]:
    """Return the summary of a part: its own findings and accounts; calls and time are the whole run's."""
    found = FindingCounts(part.findings(), part.effects())
    states = [one.state for one in part.accounts()]
    missed = [one for one in part.unreachable() if not part.accepted(one)]
    levels = [level(one) for one in missed]
    because = tuple(whole.summary.get("incomplete_because") or ())
    is_seen = not missed and not found.undetermined and not because
    complete = bool(whole.summary.get("complete")) or (
        is_seen and all(one is JobState.done for one in states)
    )
    standings = found.tally.standings
    coverage = Coverage(
        complete=complete,
        accounts=levels.count("account"),
        regions=levels.count("region"),
        groups=levels.count("security group"),
        not_begun=sum(one is JobState.unclaimed for one in states),
        not_finished=sum(one is JobState.claimed for one in states),
        undetermined=found.undetermined,
        because=because,
        accepted=sum(1 for one in part.unreachable() if part.accepted(one)),
    )
    told = of_part(headline(standings, coverage))
    kept = {key: value for key, value in whole.summary.items() if key not in _OF_THE_WHOLE}
    return {
        **kept,
        "part": asked.told(),
        "complete": complete,
        "accounts": {
            "total": len(states),
            "reached": sum(one.is_reached for one in states),
            "unreachable": levels.count("account"),
            "not_begun": coverage.not_begun,
        },
        "findings": found.by_severity,
        "undetermined": found.undetermined,
        "wide": standings.wide,
        "protected": standings.protected,
        "open": {key: found.exposure[key] for key in ("exposed", "latent", "unknown")},
        "open_rules": standings.rules,
        "unreachable": len(missed) + coverage.accepted,
        "accepted": coverage.accepted,
        "second_witness": [],
        "headline": told.text,
        "coverage": list(told.coverage),
    }


class OwnerPart(msgspec.Struct, frozen=True):
    """The part of one owner: the name, from where it was taken, and the report."""

    name: str
    taken_from: tuple[str, ...]
    view: RunView


@contextmanager
def by_owner(view: RunView, part: ReportPart) -> Iterator[Iterator[OwnerPart]]:
    """Divide the run among its owners, in one pass over its findings; they wait in a nameless file.

    Args:
        view: the run.
        part: what of it; its owners, too.
    """
    with TemporaryFile() as file:
        spool = _Spool(file)
        sources: dict[str, dict[str, None]] = {}
        for finding in filter(part.holds, view.findings()):
            name = owner_name(finding)
            spool.add(name, finding)
            sources.setdefault(name, {})[finding.owner_from or BY_NAME] = None
        effects = list(view.effects())
        yield (
            OwnerPart(name, tuple(sources[name]), _of_owner(view, part, name, spool, effects))
            for name in sorted(sources)
        )


def _of_owner(
    view: RunView, part: ReportPart, name: str, spool: _Spool, effects: Sequence[Effect]
) -> RunView:
    own = msgspec.structs.replace(part, owners=(name,))
    return _narrowed(view, own, lambda: spool.of(name), lambda: effects)


class _Spool:
    """Findings in a file, read again owner by owner."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._places: dict[str, list[tuple[int, int]]] = {}
        self._end = 0
        self._encode = msgspec.json.Encoder(enc_hook=ports_to_json).encode
        self._decode = msgspec.json.Decoder(Finding, dec_hook=ports_from_json).decode

    def add(self, name: str, finding: Finding) -> None:
        """Keep a finding of this owner."""
        line = self._encode(finding)
        self._file.write(line)
        self._places.setdefault(name, []).append((self._end, len(line)))
        self._end += len(line)

    def of(self, name: str) -> Iterator[Finding]:
        """Yield the findings of this owner, in the order in which they came."""
        for at, size in self._places[name]:
            self._file.seek(at)
            yield self._decode(self._file.read(size))


def counts_of(view: RunView) -> Mapping[str, int]:
    """Return the open findings by severity."""
    changes = RuleEffects(view.effects())
    found = dict.fromkeys((one.value for one in Severity), 0)
    for finding in view.findings():
        if finding.is_open and not changes.has_closed(finding):
            found[finding.severity.value] += 1
    return found
