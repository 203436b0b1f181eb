"""The loop guard's memory: which rules earlier runs beside this one have removed already."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from pathlib import Path

import msgspec

from orchestrator.journal import JournalError, Reader, SqliteReader, runs_in
from orchestrator.plan import Place, return_key


def removed_before(parent: Path) -> Counter[str]:
    """Return how often runs of this folder removed a rule, by `plan.return_key`: its group and its content.

    Each plan that removed it counts: an incident's run makes several, one in each pass.

    A rule that was put back by a rollback is not one that came back. A run that cannot be read, or that another
    user could have written, is passed over: the guard is a help, not a proof.
    """
    found: Counter[str] = Counter()
    for folder in runs_in(parent):
        with suppress(JournalError, msgspec.ValidationError), SqliteReader(folder) as run:
            found.update(_removed(run))
    return found


def _removed(run: Reader) -> list[str]:
    removed: dict[tuple[str, Place, str], str] = {}
    undone: set[tuple[str, Place, str]] = set()
    for effect in run.all_effects():
        if effect.outcome is None or (action := effect.action) is None:
            continue
        if effect.has_undone:
            undone.add((effect.undoes, action.place, action.rule_id))
        elif effect.outcome.outcome.removes:
            removed[effect.job, action.place, action.rule_id] = return_key(action.place, action.before)
    return [name for key, name in removed.items() if key not in undone]
