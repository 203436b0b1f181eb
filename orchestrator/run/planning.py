"""`plan` and `explain`: judged again from what the journal kept, without the cloud."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path

import msgspec

from orchestrator.audit import sign
from orchestrator.config import Config, RemediationTable
from orchestrator.journal import Lock, Reader
from orchestrator.plan import (
    DEFAULT_CODE_MARKS,
    CodeMark,
    Plan,
    Settings,
    Totals,
    encode,
    make_plan,
    signing_input,
    with_signature,
)
from orchestrator.policy import Check, Explanation, Finding, evaluate, explain
from orchestrator.remediate import removed_before
from orchestrator.run.folder import PLAN, replaced
from orchestrator.run.refusals import UsageError
from orchestrator.run.scanning import judgement_of, now
from orchestrator.run.sweep import Judgement
from orchestrator.securitygroup import SecurityGroup


class Planned(msgspec.Struct, frozen=True):
    """A plan, where it was written, and whether the scan behind it was complete."""

    plan: Plan
    path: Path
    complete: bool


def plan(
    folder: Path, config: Config | None, keys: Sequence[Path] = (), actions: Sequence[str] = ()
) -> Planned:
    """Decide what to change in what was read in full, and write DIR/plan.json.

    Args:
        folder: the run folder.
        config: its [remediation] counts; without it, that of the scan.
        keys: files of Ed25519 private keys (PEM) to sign the plan with.
        actions: "narrow" for every check, or "ssh=narrow" for one, in place of what the checks say.

    Raises:
        JournalError: the folder is no run, or is damaged.
        UnsafePlan: it would change more than the limits allow.
        PlanError: a key is none.
    """
    with Reader(folder) as reader, Lock(folder):
        judge = judge_of(_acting(judgement_of(reader.header), actions), now())
        made = make_plan(
            _judged_anew(reader, judge) if actions else _groups(reader),
            judge=judge,
            run_id=reader.header.run_id,
            now=now(),
            hub_account_id=reader.header.hub_account_id,
            endpoint=reader.header.endpoint,
            settings=plan_settings(_remediation(reader, config)),
            totals=totals(reader),
            unreachable=reader.unreachables(),
            returned=removed_before(folder.resolve().parent),
            incident=reader.header.incident,
        )
        complete = is_complete(reader)
    for key in keys:
        made = with_signature(made, sign(signing_input(made), read_key(key)))
    path = folder / PLAN
    with replaced(path) as file:
        file.write(encode(made))
    return Planned(made, path, complete)


def read_key(path: Path) -> bytes:
    """Return the bytes of a key file.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"the key {path} cannot be read: {error.strerror}") from None


def _groups(reader: Reader) -> Iterator[tuple[SecurityGroup, tuple[Finding, ...]]]:
    for seen, findings in reader.observed(Finding):
        yield seen.group(), findings


def _judged_anew(
    reader: Reader, judge: partial[tuple[Finding, ...]]
) -> Iterator[tuple[SecurityGroup, tuple[Finding, ...]]]:
    for seen, _ in reader.observed(Finding):
        group = seen.group()
        yield group, judge(group)


def _acting(judgement: Judgement, actions: Sequence[str]) -> Judgement:
    """Return the judgement with the actions of its checks replaced."""
    checks = {check.id: check for check in judgement.checks}
    for text in actions:
        check_id, equals, action = text.rpartition("=")
        wanted = [check_id] if equals else list(checks)
        if action not in _ACTIONS or not set(wanted) <= checks.keys():
            raise UsageError(
                f"--action {text!r}: give {', '.join(_ACTIONS)}, or CHECK=ACTION with one of {', '.join(checks)}"
            )
        for one in wanted:
            checks[one] = msgspec.convert({**msgspec.to_builtins(checks[one]), "action": action}, Check)
    return msgspec.structs.replace(judgement, checks=tuple(checks.values()))


_ACTIONS = ("revoke", "split", "narrow", "block", "report")


def judge_of(judgement: Judgement, at: datetime) -> partial[tuple[Finding, ...]]:
    """Return the judgement of a run as a function of a group alone."""
    return partial(evaluate, checks=judgement.checks, now=at, exemptions=judgement.exemptions)


def _remediation(reader: Reader, config: Config | None) -> RemediationTable:
    if config is not None:
        return config.remediation
    return msgspec.convert(reader.header.settings["remediation"], RemediationTable)


def plan_settings(table: RemediationTable) -> Settings:
    """Return the rails as the plan's room knows them."""
    return Settings(
        protected_accounts=table.protected_accounts,
        protected_groups=table.protected_groups,
        protected_tags=table.protected_tags,
        narrow_to=table.narrow_to,
        max_rules=table.max_rules,
        max_groups=table.max_groups,
        max_accounts=table.max_accounts,
        max_rules_per_account=table.max_rules_per_account,
        max_share_of_rules=table.max_share_of_rules,
        max_share_of_groups=table.max_share_of_groups,
        max_share_of_accounts=table.max_share_of_accounts,
        max_share_of_rules_per_account=table.max_share_of_rules_per_account,
        code_marks=(
            *DEFAULT_CODE_MARKS,
            *(CodeMark(tool="a pipeline", tag=tag) for tag in table.code_tags),
            *(CodeMark(tool="a pipeline", name=name) for name in table.code_names),
        ),
        returned_limit=table.returned_limit,
        remove_returned=table.remove_returned,
    )


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
    with Reader(folder) as reader:
        seen = reader.group_of_rule(rule_id)
        if seen is None:
            raise UsageError(
                f"no finding of this run is about rule {rule_id!r}: it passed, is not in scope, or is misspelled"
            )
        judgement = judgement_of(reader.header)
        kept = [one for one in reader.findings(Finding) if one.rule_id == rule_id]
    at = datetime.fromisoformat(reader.header.created_at)
    found = explain([seen.group()], rule_id, judgement.checks, at, judgement.exemptions)
    if found is None:
        raise UsageError(f"the group of rule {rule_id!r} does not hold it")
    return msgspec.structs.replace(
        found, findings=tuple(kept)
    )  # as weighed by what the groups are attached to
