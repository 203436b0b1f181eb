"""What a rollback undoes, planned from the records of a run: whole, or by account, group or rule."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable

import msgspec

from orchestrator.journal import Effect
from orchestrator.plan import Action, Place
from orchestrator.remediate.targets import Restoral
from orchestrator.securitygroup import content_digest


class Undo(msgspec.Struct, frozen=True, kw_only=True):
    """A change to undo.

    Attributes:
        job: the job that made it.
        action: what was planned.
        remove: content digests of the rules that go: those the run added for it, and nothing else needs.
    """

    job: str
    action: Action
    remove: tuple[str, ...] = ()

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

    What was intended counts, however it ended: a change that failed half-way may have added rules. What an
    earlier rollback has undone does not. What is really done is decided by how the group then looks.
    """
    changes: dict[tuple[str, Place, str], _Change] = {}
    undone: set[tuple[str, Place, str]] = set()
    for effect in effects:
        place, body = Place(effect.account_id, effect.region_id, effect.security_group_id), effect.body or {}
        if "undoes" in body:
            if effect.outcome is not None and effect.outcome.outcome == "rolled_back":
                undone.add((str(body["undoes"]), place, effect.rule_id))
        elif "added" in body:
            action = msgspec.convert(body["action"], Action)
            changes[effect.job, place, effect.rule_id] = _Change(effect.job, action, frozenset(body["added"]))

    def is_wanted(action: Action) -> bool:
        return (
            account_id in {"", action.account_id}
            and security_group_id in {"", action.security_group_id}
            and rule_id in {"", action.rule_id}
        )

    by_group: defaultdict[Place, list[_Change]] = defaultdict(list)
    added: defaultdict[Place, set[str]] = defaultdict(set)
    for key, change in changes.items():
        added[change.action.place] |= change.added
        if key not in undone:
            by_group[change.action.place].append(change)
    found: list[Undo] = []
    for place in sorted(by_group):
        wanted = [change for change in by_group[place] if is_wanted(change.action)]
        kept = [change for change in by_group[place] if not is_wanted(change.action)]
        needed = frozenset().union(*(change.needs for change in kept))
        for change in sorted(wanted, key=lambda change: change.action.rule_id):
            # A rule that two changes needed counts as added by both: it goes with the last of them.
            remove = tuple(sorted(change.needs & added[place] - needed))
            found.append(Undo(job=change.job, action=change.action, remove=remove))
    return found


def encode_undos(undoing: Iterable[Undo]) -> bytes:
    """Return the rollback's plan as JSON, one spelling only."""
    return msgspec.json.encode(list(undoing), order="sorted")


def rollback_job(undoing: Iterable[Undo]) -> str:
    """Return the name of the job that undoes just this; the same for the same selection of the same records."""
    return f"rollback:{hashlib.sha256(encode_undos(undoing)).hexdigest()}"
