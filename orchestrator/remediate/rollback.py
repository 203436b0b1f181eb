"""What a rollback undoes, planned from the records of a run: whole, or by account, group or rule."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence

import msgspec

from orchestrator.journal import Effect
from orchestrator.plan import Action, Place
from orchestrator.remediate.targets import Restoral
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
    effects: Iterable[Effect], *, account_id: str = "", security_group_id: str = "", rule_id: str = ""
) -> list[Undo]:
    """Return what is to be undone of a run's changes, by account, region, group and rule.

    What was intended counts, however it ended: a change that failed half-way may have added rules. What another
    rollback has undone does not. What is really done is decided by how the group then looks.
    """
    changes: dict[_Key, _Change] = {}
    undone: dict[_Key, str] = {}
    for effect in effects:
        place, body = Place(effect.account_id, effect.region_id, effect.security_group_id), effect.body or {}
        if "undoes" in body:
            if effect.outcome is not None and effect.outcome.outcome == "rolled_back":
                undone[str(body["undoes"]), place, effect.rule_id] = effect.job
        elif effect.intended:
            action = msgspec.convert(body["action"], Action)
            changes[effect.job, place, effect.rule_id] = _Change(effect.job, action, frozenset(body["added"]))

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
    return [
        Undo(
            job=change.job,
            action=change.action,
            remove=tuple(sorted(change.needs & added[key[1]] - needed[key[1]])),
            rollback=job,
        )
        for key, change in sorted(wanted.items(), key=lambda item: (item[0][1:], item[0][0]))
        if undone.get(key, job) == job
    ]


def _job_of(wanted: Iterable[_Key]) -> str:
    words = sorted("/".join((job, *place, rule_id)) for job, place, rule_id in wanted)
    return f"rollback:{hashlib.sha256(chr(10).join(words).encode()).hexdigest()}"


def encode_undos(undoing: Iterable[Undo]) -> bytes:
    """Return the rollback's plan as JSON, one spelling only."""
    return msgspec.json.encode(list(undoing), order="sorted")


def rollback_job(undoing: Sequence[Undo]) -> str:
    """Return the name of the job that undoes these."""
    return undoing[0].rollback if undoing else _job_of(())
