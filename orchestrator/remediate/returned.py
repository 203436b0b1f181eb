"""The loop guard's memory: which rules earlier runs beside this one have removed already."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from pathlib import Path

from orchestrator.journal import JournalError, Reader, runs_in
from orchestrator.plan import Place, return_key

_REMOVED = frozenset({"revoked", "split", "narrowed"})


def removed_before(parent: Path) -> Counter[str]:
    """Return how many runs of this folder removed a rule, by `plan.return_key`: its group and its content.

    A rule that was put back by a rollback is not one that came back. A run that cannot be read, or that another
    user could have written, is passed over: the guard is a help, not a proof.
    """
    found: Counter[str] = Counter()
    for folder in runs_in(parent):
        with suppress(JournalError, KeyError, TypeError), Reader(folder) as run:
            found.update(_removed(run))
    return found


def _removed(run: Reader) -> set[str]:
    removed: dict[tuple[str, Place, str], str] = {}
    undone: set[tuple[str, Place, str]] = set()
    for effect in run.all_effects():
        if effect.outcome is None or not effect.body:
            continue
        place = Place(effect.account_id, effect.region_id, effect.security_group_id)
        if effect.outcome.outcome == "rolled_back":
            undone.add((str(effect.body.get("undoes")), place, effect.rule_id))
        elif effect.outcome.outcome in _REMOVED:
            removed[effect.job, place, effect.rule_id] = return_key(place, effect.body["action"]["before"])
    return {name for key, name in removed.items() if key not in undone}
