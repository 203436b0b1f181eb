"""What every session of a command may do, by the emulator's own record of AssumeRole."""

from __future__ import annotations

import asyncio

from orchestrator.run import Filters, Progress, list_accounts
from tests.run.conftest import Desk

WRITES = ("Authorize", "Modify", "Revoke")


def test_looking_who_lets_us_in_makes_no_session_that_could_change_anything(desk: Desk) -> None:
    """`accounts --check` enters by the remediation role, too, and has no right to use it."""
    listed = asyncio.run(list_accounts(desk.config, Filters(), Progress(), check=True))
    assert not any(visit.unreachable for visit in listed.visits)
    made = [change for _, change in desk.emulator.calls.changes() if change["what"] == "session"]
    assert {one["role"] for one in made} >= {"sgsweep-read", "sgsweep-remediate"}
    assert all(one["policy"] for one in made)
    assert not [one for one in made for word in WRITES if word in str(one["policy"])]
