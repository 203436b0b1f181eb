"""Never a false clean: a cloud that contradicts itself is never told as complete, and never exit 0 or 1."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from orchestrator.emulator import BENDS, Bend, BendKind, Emulator, World
from tests.run.conftest import Desk
from tests.run.lies import SWEEP, Lies, at_random, one_at_a_time, small_world

Record = Callable[[str, object], None]


@pytest.fixture
def lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lies:
    """Tells lies to the commands."""
    monkeypatch.delenv("ALIBABA_CLOUD_SECURITY_TOKEN", raising=False)

    @contextmanager
    def desk_of(world: World) -> Iterator[Desk]:
        with Emulator(world) as emulator:
            keys = emulator.hub_credentials
            monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", keys.access_key_id)
            monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", keys.access_key_secret)
            yield Desk(emulator, tmp_path)

    return Lies(desk_of)


def told(lies: Lies, record: Record) -> None:
    """Say at the end how much was tried."""
    record("campaign", f"a cloud that lies: {lies.runs} commands, {lies.bent:,} answers bent")


def one(number: int, work: Callable[[], None], bends: tuple[Bend, ...]) -> None:
    """Do the work, and name seed and lies where it fails."""
    try:
        work()
    except BaseException as error:
        error.add_note(f"seed {number}, {bends}")
        raise


@pytest.mark.parametrize("action", [*SWEEP[:3], "AssumeRole"])
def test_a_scan_never_believes_a_lie_that_leaves_a_trace(
    lies: Lies, action: str, record_property: Record
) -> None:
    """Of each answer that a scan rests on, each kind of lie, told always: never complete over a missed door."""
    with lies.desk_of(small_world(1)) as desk:
        for number, kind in enumerate(BENDS):
            bends = (Bend(kind=kind, action=action),)
            one(number, lambda bends=bends, number=number: lies.scan(number, bends, desk), bends)  # type: ignore[misc]  # bound
    told(lies, record_property)
    assert lies.bent


def test_a_verification_and_a_closing_never_believe_a_cut_list(lies: Lies, record_property: Record) -> None:
    """Rules that are not given, though they are counted, are nobody's proof that a door is closed."""
    for seed, kind in enumerate((BendKind.EMPTIED, BendKind.CUT)):
        bends = (Bend(kind=kind, action="DescribeSecurityGroupAttribute"),)
        one(seed, lambda bends=bends, seed=seed: lies.verify(seed, bends), bends)  # type: ignore[misc]  # bound
        one(seed, lambda bends=bends, seed=seed: lies.close(seed, bends), bends)  # type: ignore[misc]  # bound
    told(lies, record_property)
    assert lies.bent


@pytest.mark.soak
def test_every_lie_about_every_list(lies: Lies, record_property: Record) -> None:
    """One at a time, in a scan."""
    with lies.desk_of(small_world(2)) as desk:
        for number, bends in enumerate(one_at_a_time()):
            one(number, lambda bends=bends, number=number: lies.scan(number, bends, desk), bends)  # type: ignore[misc]  # bound
    told(lies, record_property)


@pytest.mark.soak
@pytest.mark.timeout(0)
# Hundreds of emulators begin and end in this process. A connection that one accepts in the moment it ends may be left
# to the collector, of which asyncio warns; it is none of the command's.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("command", ["scan", "close", "verify"])
def test_lies_at_random(
    lies: Lies, command: str, record_property: Record, pytestconfig: pytest.Config
) -> None:
    """One to three lies here and there, for minutes (`--lie-minutes`, for the three commands together)."""
    until = time.monotonic() + 20 * float(pytestconfig.getoption("lie_minutes"))
    seed = 0
    with lies.desk_of(small_world(3)) as desk:
        while time.monotonic() < until or not lies.bent:  # a verification asks for little: few lies meet it
            seed += 1
            bends = at_random(seed)
            if command == "scan":
                one(seed, lambda bends=bends, seed=seed: lies.scan(seed, bends, desk), bends)  # type: ignore[misc]  # bound
            else:
                work = lies.close if command == "close" else lies.verify
                one(seed, lambda work=work, bends=bends, seed=seed: work(seed, bends), bends)  # type: ignore[misc]  # bound
    told(lies, record_property)
    assert lies.bent
