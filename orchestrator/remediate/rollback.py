"""What a rollback undoes, planned from the records of a run: whole, or by account, group or rule."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence

import msgspec

from orchestrator.audit import AuditRecord, Phase, undo_digest
from orchestrator.journal import Effect, OutcomeKind
from orchestrator.plan import Action, Place
from orchestrator.remediate.desired_state import Restoral
from orchestrator.securitygroup import content_digest

_Key = tuple[str, Place, str]


class Undo(msgspec.Struct, frozen=True, kw_only=True):
    """A change to undo.

    Attributes:
        job: the job that made it.
        action: what was planned.
        remove: content digests of the rules that go: those the run added for it, and nothing else needs.
        rollback: the job that undoes it. It is named by all that was selected, undone already or not, so that a
            rollback which was interrupted goes on under its own name.
    """

    job: str
    action: Action
    remove: tuple[str, ...] = ()
    rollback: str = ""

    def target(self) -> Restoral:
        """Return the state to reach."""
        ours = tuple(f for f in self.action.inverse.revoke if content_digest(f) in self.remove)
        return Restoral(self.action, ours, self.job)


class _Change(msgspec.Struct, frozen=True):
    """A change that was begun, as the ledger has it."""

    job: str
    action: Action
    added: frozenset[str]

    @property
    def needs(self) -> frozenset[str]:
        return frozenset(content_digest(fields) for fields in self.action.adds)


def undos(
    effects: Iterable[Effect],
    records: Iterable[AuditRecord] = (),
    *,
    account_id: str = "",
    security_group_id: str = "",
    rule_id: str = "",
) -> list[Undo]:
    """Return what is to be undone of a run's changes, by account, region, group and rule.

    What was intended counts, however it ended: a change that failed half-way may have added rules. What another
    rollback has undone does not. What is really done is decided by how the group then looks.

    Args:
        effects: of the run.
        records: of the run: of a change that left its rule alone, what is recorded as standing then is what it left.
            An equal rule that stands later is somebody else's.
        account_id: of what is to be undone; "" for every one, as with the others.
        security_group_id: of what is to be undone.
        rule_id: of what is to be undone.
    """
    standing = _left_standing(records)
    changes: dict[_Key, _Change] = {}
    undone: dict[_Key, str] = {}
    for effect in effects:
        place, body, action = effect.place, effect.body, effect.action
        if effect.has_undone:
            undone[effect.undoes, place, effect.rule_id] = effect.job
        elif effect.intended and not effect.undoes and body and action:
            made = action if effect.may_have_closed else _only_additions(action)
            ours = frozenset(body["added"])
            if effect.outcome is not None and effect.outcome.outcome.is_left_alone:
                ours &= standing.get((place, effect.rule_id), ours)
            changes[effect.job, place, effect.rule_id] = _Change(effect.job, made, ours)

    def is_wanted(action: Action) -> bool:
        return (
            account_id in {"", action.account_id}
            and security_group_id in {"", action.security_group_id}
            and rule_id in {"", action.rule_id}
        )

    wanted = {key: change for key, change in changes.items() if is_wanted(change.action)}
    job = _job_of(wanted)
    added: defaultdict[Place, set[str]] = defaultdict(set)
    needed: defaultdict[Place, set[str]] = defaultdict(set)
    for key, change in changes.items():
        # A rule that two changes needed counts as added by both: it goes with the last of them.
        added[key[1]] |= change.added
        if key not in wanted and key not in undone:
            needed[key[1]] |= change.needs
    found = [
        Undo(
            job=change.job,
            action=change.action,
            remove=tuple(sorted(change.needs & added[key[1]] - needed[key[1]])),
            rollback=job,
        )
        for key, change in sorted(wanted.items(), key=lambda item: (item[0][1:], item[0][0]))
        if undone.get(key, job) == job
    ]
    return [one for one in found if one.remove or one.action.inverse.authorize or one.action.inverse.modify]


def _left_standing(records: Iterable[AuditRecord]) -> dict[tuple[Place, str], frozenset[str]]:
    """Return, by rule, the contents of its additions, and its own, as they were last read when its change ended."""
    return {
        (Place(one.account_id, one.region_id, one.security_group_id), one.rule_id): frozenset(
            map(content_digest, one.after)
        )
        for one in records
        if one.phase is Phase.outcome
    }


def disagreement(effects: Iterable[Effect], records: Iterable[AuditRecord]) -> str:
    """Return what the journal's rows say otherwise than the chained records do, "" for nothing.

    Undoing is derived from the rows. A row can be edited by whoever may write the file; a record, once the chain was
    verified, only together with all that follow it.
    """
    kept: defaultdict[tuple[Place, str], list[AuditRecord]] = defaultdict(list)
    undone: set[tuple[Place, str]] = set()
    for record in records:
        key = Place(record.account_id, record.region_id, record.security_group_id), record.rule_id
        if record.phase in {Phase.intent, Phase.rollback_intent}:
            kept[key].append(record)
        elif record.phase is Phase.rollback_outcome and record.outcome == OutcomeKind.rolled_back.value:
            undone.add(key)
    rows: set[tuple[Place, str]] = set()
    for effect in effects:
        key = effect.place, effect.rule_id
        what = f"rule {effect.rule_id} of group {effect.security_group_id} in {effect.region_id}"
        if effect.intended:
            rows.add(key)
            if not any(_says(record, effect) for record in kept[key]):
                return f"what was done to {what} is another thing in the journal than in its records"
        if effect.has_undone and key not in undone:
            return f"the journal says that {what} was rolled back, and no record does"
    for place, rule_id in kept.keys() - rows:
        return f"a change of rule {rule_id} in group {place.security_group_id} is recorded, and not in the journal"
    return ""


def _says(record: AuditRecord, effect: Effect) -> bool:
    """Whether the record is of this change; those of old hold only the rule, and what was to stand in its place."""
    if isinstance(record.undo_sha256, str):
        return record.undo_sha256 == undo_digest(effect.body or {})
    action = effect.action
    return (
        action is not None
        and record.before == action.before
        and record.after in (action.adds, action.inverse.authorize)
    )


def _only_additions(action: Action) -> Action:
    """The action as one that took nothing away: its owner had changed the rule, or it was not to be changed."""
    return msgspec.structs.replace(
        action, inverse=msgspec.structs.replace(action.inverse, authorize=(), modify=None)
    )


def _job_of(wanted: Iterable[_Key]) -> str:
    words = sorted("/".join((job, *place, rule_id)) for job, place, rule_id in wanted)
    return f"rollback:{hashlib.sha256(chr(10).join(words).encode()).hexdigest()}"


def encode_undos(undoing: Iterable[Undo]) -> bytes:
    """Return the rollback's plan as JSON, one spelling only."""
    return msgspec.json.encode(list(undoing), order="sorted")


def rollback_job(undoing: Sequence[Undo]) -> str:
    """Return the name of the job that undoes these."""
    return undoing[0].rollback if undoing else _job_of(())
