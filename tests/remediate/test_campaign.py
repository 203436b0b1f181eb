"""Crashes and faults at random, by seed: whatever happens on the way, the end is the same."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from orchestrator.emulator import GoneRule, Kind, Options, Quirks, UncertainError
from tests.remediate.campaign import KINDS, PATIENCE, Campaign
from tests.remediate.kit import cloud

# Each variant answers some of the questions that the documentation leaves open otherwise than the others.
QUIRKS = {
    "likely": Quirks(),
    "not atomic": Quirks(
        atomic_batch=False, gone_rule=GoneRule.NOT_EXIST, gone_rule_egress=GoneRule.NOT_FOUND
    ),
    "gone is fine": Quirks(gone_rule=GoneRule.SUCCESS, gone_rule_egress=GoneRule.SUCCESS),
    "laggard": Quirks(read_lag_seconds=0.05, gone_rule=GoneRule.NOT_FOUND),
    "other spelling": Quirks(priority_as_text=True, lower_case_words=True, absent_when_empty=True),
    "numbers": Quirks(numeric_protocols_echoed=True, last_token_absent=True, short_pages=True),
    "errors as 200": Quirks(errors_as_200=True, atomic_batch=False),
    "xml errors": Quirks(xml_errors=True, lower_case_error_keys=True),
    "short tokens": Quirks(client_token_seconds=0.0),
    "other codes": Quirks(
        expired_token=UncertainError(404, "InvalidAccessKeyId.NotFound", "expired"),
        throttled=UncertainError(429, "Throttling.API", "later"),
        denied=UncertainError(403, "NoPermission", "no"),
    ),
}


async def run_seeds(tmp_path: Path, seeds: range, quirks: Quirks) -> int:
    """Run the campaigns of these seeds in one cloud; return how often the process died."""
    deaths = 0
    lag = quirks.read_lag_seconds
    patience = replace(PATIENCE, wait_seconds=max(PATIENCE.wait_seconds, 4 * lag))
    async with cloud(Options(quirks=quirks)) as there:
        for seed in seeds:
            campaign = Campaign(there, tmp_path / str(seed), seed, patience)
            try:
                await campaign.run()
            except BaseException as error:
                error.add_note(f"seed {seed}, faults {campaign.faults}")
                raise
            deaths += campaign.deaths
    return deaths


@pytest.mark.parametrize("name", QUIRKS)
async def test_a_few_seeds_of_crash_and_fault(tmp_path: Path, name: str) -> None:
    """However the cloud answers and wherever the process dies, it closes what was planned, and puts it all back."""
    assert await run_seeds(tmp_path, range(5), QUIRKS[name]) > 5


@pytest.mark.soak
@pytest.mark.parametrize("name", QUIRKS)
async def test_many_seeds_of_crash_and_fault(tmp_path: Path, name: str) -> None:
    """The same for 80 seeds in each variant: 800 in all."""
    first = 1000 * (1 + list(QUIRKS).index(name))
    assert await run_seeds(tmp_path, range(first, first + 80), QUIRKS[name]) > 150


@pytest.mark.parametrize("kind", [Kind.HANG, Kind.SLOW])
async def test_answers_that_never_come(tmp_path: Path, kind: Kind) -> None:
    """An answer that is waited for in vain may hide a change that was made: it is looked for, not assumed."""
    async with cloud(read_timeout_seconds=0.1) as there:
        for seed in range(3):
            await Campaign(there, tmp_path / str(seed), seed).run([kind])


def test_every_fault_of_the_emulator_is_tried() -> None:
    """No kind of fault is left out but the one that needs a second page."""
    assert {*KINDS, Kind.HANG, Kind.SLOW} == set(Kind) - {Kind.REPEATED_TOKEN}
