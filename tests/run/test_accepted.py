"""What an owner has accepted as unreachable, counted from a journal alone."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from msgspec.structs import replace

from accounts import AcceptedUnreachable, Account, Unreachable
from orchestrator.journal import JobState, SqliteJournal
from orchestrator.run.folder import NO_CALLS, Summary, summarize
from orchestrator.run.unseen import acceptance
from tests.journal.kit import HEADER

MOON = Unreachable("1001", "cn-moon", None, "Forbidden", "no", "R-1")
ENTRY = AcceptedUnreachable(owner="ann", reason="r", expires=date(2026, 11, 1), region="cn-moon")


async def summary_of(folder: Path, state: JobState | None, seen: Unreachable = MOON) -> Summary:
    """Return the summary of a run of one account that is so far, with one thing that it could not see."""
    async with SqliteJournal.create(folder / "run", HEADER) as journal:
        await journal.add_accounts([Account("1001")], [])
        claim = await journal.claim("1001")
        assert claim is not None
        await journal.record_unreachable(claim, seen)
        if state is not None:
            await journal.finish(claim, state)
        return summarize(journal, acceptance((ENTRY,), date(2026, 11, 1)), NO_CALLS, 0.0)


@pytest.mark.parametrize(
    ("state", "complete"), [(JobState.in_part, True), (JobState.stopped, False), (None, False)]
)
async def test_an_account_that_was_not_read_to_its_end_is_not_excused(
    tmp_path: Path, state: JobState | None, *, complete: bool
) -> None:
    """One region of it is accepted; what else it has, nobody has seen."""
    summary = await summary_of(tmp_path, state)
    assert (summary.complete, summary.accepted, summary.unreachable) == (complete, 1, 1)


def test_what_was_not_come_to_cannot_be_accepted() -> None:
    """It is no place that is known to be closed: the run is to go on. On its last day an entry still holds."""
    everything = replace(ENTRY, region=(), code=("NotBegun", "NotFinished", "Forbidden"))
    accepted = acceptance((everything,), date(2026, 11, 1))
    assert accepted(MOON) == everything
    assert [accepted(replace(MOON, code=code)) for code in ("NotBegun", "NotFinished")] == [None, None]
    assert acceptance((everything,), date(2026, 11, 2))(MOON) is None
