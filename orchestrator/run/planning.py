"""`plan` and `explain`: judged again from what the journal kept, without the cloud."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path

import msgspec

from orchestrator.config import Config
from orchestrator.files import replaced
from orchestrator.journal import Lock, Reader, SqliteReader
from orchestrator.plan import (
    Plan,
    PlanHead,
    PlanNames,
    Totals,
    encode,
    make_plan,
)
from orchestrator.policy import Check, Explanation, Finding, evaluate, explain
from orchestrator.remediate import Settings, removed_before
from orchestrator.run.connection import Connection, connection_of
from orchestrator.run.criteria import Criteria, criteria_of
from orchestrator.run.folder import PLAN
from orchestrator.run.refusals import RefusedError, UsageError
from orchestrator.run.reviewing import known_of
from orchestrator.run.scanning import now
from orchestrator.run.signing import read_private_key, signed_by
from orchestrator.run.unseen import unseen
from orchestrator.securitygroup import SecurityGroup


class Planned(msgspec.Struct, frozen=True):
    """A plan, where it was written, whether the scan behind it was complete, who scanned what, and what that knows."""

    plan: Plan
    path: Path
    complete: bool
    connection: Connection
    known: PlanNames


def plan(
    folder: Path,
    config: Config | None,
    keys: Sequence[Path] = (),
    actions: Sequence[str] = (),
    change_protected: Sequence[str] = (),
) -> Planned:
    """Decide what to change in what was read in full, and write DIR/plan.json.

    Args:
        folder: the run folder.
        config: its [remediation] counts; without it, that of the scan.
        keys: files of Ed25519 private keys (PEM) to sign the plan with.
        actions: "narrow" for every check, or "ssh=narrow" for one, in place of what the checks say.
        change_protected: ids of protected groups to be changed all the same.

    Raises:
        JournalError: the folder is no run, or is damaged.
        UnsafePlan: it would change more than the limits allow.
        RefusedError: changes of this run were begun, or rolled back.
        ApprovalError: a key is none.
        UsageError: a group that is to be changed has no finding; or a key cannot be read, or others may read it.
    """
    pems = [read_private_key(key) for key in keys]
    with SqliteReader(folder) as reader, Lock(folder):
        _refuse_begun(reader)
        judge = judge_of(acting(criteria_of(reader.header), actions), now())
        made = make_plan(
            _judged_anew(reader, judge) if actions else _groups(reader),
            PlanHead(
                run_id=reader.header.run_id,
                now=now(),
                hub_account_id=reader.header.hub_account_id,
                endpoint=reader.header.endpoint,
                incident=reader.header.incident,
                origin=connection_of(reader).origin,
            ),
            judge=judge,
            settings=changing_protected(remediation_of(reader, config), change_protected),
            totals=totals(reader),
            unreachable=unseen(reader),
            returned=removed_before(folder.resolve().parent),
        )
        complete, connection, known = is_complete(reader), connection_of(reader), known_of(reader, made)
    groups = [one.security_group_id for one in made.actions]
    refuse_unknown_groups(change_protected, [*groups, *(one.security_group_id for one in made.skipped)])
    for one in pems:
        made = signed_by(made, one)
    path = folder / PLAN
    with replaced(path) as file:
        file.write(encode(made))
    return Planned(made, path, complete, connection, known)


def changing_protected(settings: Settings, group_ids: Sequence[str]) -> Settings:
    """Return the settings of a command that changes these groups though they are protected, and no others.

    Raises:
        UsageError: one is no id of a group.
    """
    for one in group_ids:
        if not one.startswith("sg-") or "*" in one or "?" in one:
            raise UsageError(f"--change-protected {one!r}: give the id of one group in full, sg-...")
    return msgspec.structs.replace(settings, change_protected=tuple(group_ids))


def refuse_unknown_groups(asked: Sequence[str], there: Iterable[str | None]) -> None:
    """Refuse to override the protection of a group that the plan says nothing of: its id is mistyped.

    Raises:
        UsageError: names the first.
    """
    known = set(there)
    for one in asked:
        if one not in known:
            raise UsageError(f"--change-protected {one}: the plan says nothing of such a group")


def refuse_rolled_back(reader: Reader) -> None:
    """Refuse to go on with a run that was rolled back: nothing would be done, and all be told as done.

    Raises:
        RefusedError: some of its changes were.
    """
    if any(effect.has_undone for effect in reader.all_effects()):
        raise RefusedError(
            "changes of this run were rolled back, so it is at its end. To close again what is open now, scan and "
            "plan anew in another folder: sgsweep scan --out DIR (an incident: close with another --out)"
        )


def _refuse_begun(reader: Reader) -> None:
    """Refuse to plan over changes: what the scan found is not as it stands by now.

    Raises:
        RefusedError: an intent of a change stands, or was taken back.
    """
    refuse_rolled_back(reader)
    begun = [effect.job for effect in reader.all_effects() if effect.intended]
    if begun:
        folder, incident = reader.folder, reader.header.incident
        goes_on = (
            f"the same `sgsweep close` for incident {incident} reads again and goes on"
            if incident
            else f"`sgsweep apply {folder / PLAN} --digest {begun[0].partition(':')[2]}` finishes them"
        )
        raise RefusedError(
            f"changes of this run were begun, so what it found is not as it stands now: {goes_on}; "
            f"`sgsweep rollback {folder}` takes them back; for a new plan scan anew into another folder"
        )


def _groups(reader: Reader) -> Iterator[tuple[SecurityGroup, tuple[Finding, ...]]]:
    for seen, findings in reader.observed(Finding):
        yield seen.group(), findings


def _judged_anew(
    reader: Reader, judge: partial[tuple[Finding, ...]]
) -> Iterator[tuple[SecurityGroup, tuple[Finding, ...]]]:
    for seen, _ in reader.observed(Finding):
        group = seen.group()
        yield group, judge(group)


def acting(criteria: Criteria, actions: Sequence[str]) -> Criteria:
    """Return the criteria with the actions of its checks replaced."""
    checks = {check.id: check for check in criteria.checks}
    for text in actions:
        check_id, equals, action = text.rpartition("=")
        wanted = [check_id] if equals else list(checks)
        if action not in _ACTIONS or not set(wanted) <= checks.keys():
            raise UsageError(
                f"--action {text!r}: give {', '.join(_ACTIONS)}, or CHECK=ACTION with one of {', '.join(checks)}"
            )
        for one in wanted:
            checks[one] = msgspec.convert({**msgspec.to_builtins(checks[one]), "action": action}, Check)
    return msgspec.structs.replace(criteria, checks=tuple(checks.values()))


_ACTIONS = ("revoke", "split", "narrow", "block", "report")


def judge_of(criteria: Criteria, at: datetime) -> partial[tuple[Finding, ...]]:
    """Return the judgement of a run as a function of a group alone."""
    return partial(evaluate, checks=criteria.checks, now=at, exemptions=criteria.exemptions)


def remediation_of(reader: Reader, config: Config | None) -> Settings:
    """Return the configuration's [remediation]; without one, that of the scan."""
    if config is not None:
        return config.remediation
    return msgspec.convert(reader.header.settings["remediation"], Settings)


def totals(reader: Reader) -> Totals:
    """Return how much was read, for the relative limits."""
    by_account: Counter[str] = Counter()
    groups = 0
    for seen in reader.groups_seen():
        by_account[seen.account_id] += seen.rules
        groups += 1
    return Totals(
        rules=sum(by_account.values()), groups=groups, accounts=len(by_account), rules_by_account=by_account
    )


def is_complete(reader: Reader) -> bool:
    """Tell whether the scan read and judged all that was in scope, but what is accepted as unreachable."""
    return bool(reader.fact("complete"))


def explain_rule(folder: Path, rule_id: str) -> Explanation:
    """Return why a rule was judged as it was, from what the scan kept.

    Raises:
        UsageError: no finding of the run names the rule.
    """
    with SqliteReader(folder) as reader:
        seen = reader.group_of_rule(rule_id)
        if seen is None:
            raise UsageError(
                f"no finding of this run is about rule {rule_id!r}: it passed, is not in scope, or is misspelled"
            )
        criteria = criteria_of(reader.header)
        kept = reader.findings_of_rule(rule_id, Finding)
    at = datetime.fromisoformat(reader.header.created_at)
    found = explain([seen.group()], rule_id, criteria.checks, at, criteria.exemptions)
    if found is None:
        raise UsageError(f"the group of rule {rule_id!r} does not hold it")
    return msgspec.structs.replace(
        found, findings=tuple(kept)
    )  # as weighed by what the groups are attached to
