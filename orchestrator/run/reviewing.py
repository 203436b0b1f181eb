"""`show`: a plan as whoever approves it reads it. It reads, and changes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from matching import named
from orchestrator.journal import JournalMissing, Reader, SqliteReader, read_trusted
from orchestrator.plan import Action, Place, Plan, PlanNames, Skipped, decode
from orchestrator.policy import Finding, Severity
from orchestrator.run.refusals import UsageError


class Reviewed(msgspec.Struct, frozen=True, kw_only=True):
    """A plan, or what was asked for of it.

    Attributes:
        plan: what is shown of it; digest and signatures are those of the whole.
        known: what the run beside it knows of accounts and rules.
        has_run: whether there is that run.
        actions: how many changes the whole plan has.
        skipped: how many things it leaves alone.
    """

    plan: Plan
    known: PlanNames
    has_run: bool
    actions: int
    skipped: int

    @property
    def is_whole(self) -> bool:
        """Whether all of the plan is shown."""
        return (len(self.plan.actions), len(self.plan.skipped)) == (self.actions, self.skipped)


def review(path: Path, accounts: Sequence[str] = (), severities: Sequence[str] = ()) -> Reviewed:
    """Read a plan, and narrow what is shown of it.

    Args:
        path: of the plan.
        accounts: ids or names of accounts, patterns too; empty for all.
        severities: of findings; empty for all.

    Raises:
        UsageError: it cannot be read; no account fits; there is no such severity, or no run that tells severities.
        PlanError: it is no plan, or was changed.
        JournalError: it is another user's, or the run beside it is damaged.
    """
    try:
        plan = decode(read_trusted(path))
    except IsADirectoryError:
        raise UsageError(f"{path} is a folder: give its plan, {path / 'plan.json'}") from None
    except OSError as error:
        raise UsageError(f"the plan {path} cannot be read: {error.strerror}") from None
    beside = _beside(path.parent, plan)
    known = beside or PlanNames()
    _refuse_severities(severities, has_run=beside is not None)

    def is_of(one: Action | Skipped) -> bool:
        return not accounts or bool(named(accounts, one.account_id, known.names.get(one.account_id, "")))

    def is_wanted(one: Action | Skipped) -> bool:
        return is_of(one) and (not severities or _severity(one, known) in severities)

    if accounts and not any(map(is_of, _all(plan))):
        raise UsageError(f"the plan is about no account that is {' or '.join(accounts)}")
    shown = msgspec.structs.replace(
        plan,
        actions=tuple(filter(is_wanted, plan.actions)),
        skipped=tuple(filter(is_wanted, plan.skipped)),
    )
    return Reviewed(
        plan=shown,
        known=known,
        has_run=beside is not None,
        actions=len(plan.actions),
        skipped=len(plan.skipped),
    )


def known_of(reader: Reader, plan: Plan) -> PlanNames:
    """Return what the run knows of the plan's accounts and rules: names, and the worst severity of each rule."""
    wanted = set(map(_key, _all(plan)))
    severities: dict[tuple[Place, str], str] = {}
    order = [one.value for one in Severity]
    for finding in reader.findings(Finding):
        place = Place(finding.account_id, finding.region_id, finding.security_group_id)
        key = (place, finding.rule_id)
        if key in wanted:
            severities[key] = min(severities.get(key, "low"), finding.severity.value, key=order.index)
    names = {one.account.account_id: one.account.name for one in reader.accounts()}
    return PlanNames(names, severities)


def review_json(found: Reviewed) -> str:
    """Return what is shown as one object: the plan's own keys, with names and severities, and a summary."""
    plan, known = found.plan, found.known
    document: dict[str, Any] = msgspec.to_builtins(plan)
    accounts = Counter(one.account_id for one in plan.actions)
    document["summary"] = {
        "actions": dict(sorted(Counter(one.action for one in plan.actions).items())),
        "groups": len({one.place for one in plan.actions}),
        "accounts": [
            {"account_id": one, "account_name": known.names.get(one, ""), "rules": count}
            for one, count in accounts.items()
        ],
        "closes": [
            {"closes": text, "rules": count} for text, count in _counted(plan.actions, lambda one: one.closes)
        ],
        "left_alone": [
            {"reason": text, "count": count} for text, count in _counted(plan.skipped, lambda one: one.reason)
        ],
    }
    document["is_whole"] = found.is_whole
    for row, one in zip([*document["actions"], *document["skipped"]], _all(plan), strict=True):
        row["account_name"] = known.names.get(one.account_id, "")
        row["severity"] = _severity(one, known) or None
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n"


_T = TypeVar("_T")


def _counted(values: Sequence[_T], text: Callable[[_T], str]) -> list[tuple[str, int]]:
    return sorted(Counter(map(text, values)).items(), key=lambda item: (-item[1], item[0]))


def _beside(folder: Path, plan: Plan) -> PlanNames | None:
    """Return what the run in the plan's folder knows of it; None if there is none, or another one."""
    try:
        with SqliteReader(folder) as reader:
            return known_of(reader, plan) if reader.header.run_id == plan.run_id else None
    except JournalMissing:
        return None


def _refuse_severities(severities: Sequence[str], *, has_run: bool) -> None:
    known = [one.value for one in Severity]
    for one in severities:
        if one not in known:
            raise UsageError(f"--severity {one!r}: give one of {', '.join(known)}")
    if severities and not has_run:
        raise UsageError("the run that the plan was made from is not beside it, so nobody knows severities")


def _severity(one: Action | Skipped, known: PlanNames) -> str:
    return known.severities.get(_key(one), "")


def _all(plan: Plan) -> list[Action | Skipped]:
    return [*plan.actions, *plan.skipped]


def _key(one: Action | Skipped) -> tuple[Place, str]:
    return Place(one.account_id, one.region_id or "", one.security_group_id or ""), one.rule_id or ""
