"""This run beside the earlier ones: which of them count, what they are told as, and what is not passed over."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from orchestrator.files import replaced
from orchestrator.journal import RunHeader, SqliteJournal, SqliteReader
from orchestrator.policy import default_checks
from orchestrator.report import Point
from orchestrator.report.trend import bars
from orchestrator.run.criteria import Criteria
from orchestrator.run.trend import MOST_SHOWN, earlier_runs
from tests.report.sample import summary, view
from tests.report.test_html import HOSTILE, page, shown

NOW = "2026-03-10T08:00:00+00:00"


def counts(critical: int = 0, low: int = 0) -> dict[str, dict[str, int]]:
    """The findings of a summary, as its file has them."""
    return {"critical": {"open": critical, "exempt": 9}, "high": {"open": 0}, "low": {"open": low}}


def point(day: int, **changes: Any) -> Point:
    """An earlier run."""
    fields: dict[str, Any] = {
        "run_id": f"run-{day:02}",
        "created_at": f"2026-03-{day:02}T08:00:00+00:00",
        "open": {"critical": 2, "high": 0, "medium": 0, "low": 0},
        "complete": True,
    }
    return Point(**{**fields, **changes})


async def run_in(parent: Path, day: int, *, asked: Any = None, checks: Any = None, **changes: Any) -> Path:
    """A run folder with header and summary, as a scan leaves them."""
    judgement = msgspec.to_builtins(Criteria(checks or default_checks()))
    header = RunHeader(
        run_id=f"run-{day:02}",
        created_at=f"2026-03-{day:02}T08:00:00+00:00",
        hub_account_id="1000",
        hub_arn="acs:ram::1000:root",
        endpoint="alibaba-cloud:china",
        settings={"judgement": judgement, "asked": asked or {}},
    )
    folder = parent / f"{day:02}"
    async with SqliteJournal.create(folder, msgspec.structs.replace(header, **changes)):
        pass
    write(folder / "summary.json", summary(run_id=f"run-{day:02}", findings=counts(critical=day)))
    return folder


def write(path: Path, what: Any) -> None:
    """Write JSON as sgsweep does."""
    with replaced(path) as file:
        file.write(msgspec.json.encode(what))


def seen_from(folder: Path) -> list[tuple[str, int, str]]:
    """The earlier runs of a run: id, critical ones, and what makes them unlike."""
    with SqliteReader(folder) as reader:
        return [(one.run_id, one.open["critical"], one.unlike) for one in earlier_runs(reader)]


@pytest.mark.asyncio
async def test_the_runs_before_it_in_the_same_folder_count(tmp_path: Path) -> None:
    """In the order of their time; a later one, one of another hub or cloud, and what is no run do not."""
    now = await run_in(tmp_path, 9)
    await run_in(tmp_path, 3)
    await run_in(tmp_path, 2)
    await run_in(tmp_path, 10)
    await run_in(tmp_path, 4, hub_account_id="2000")
    await run_in(tmp_path, 5, endpoint="http://127.0.0.1:8080")
    (tmp_path / "notes").mkdir()
    assert seen_from(now) == [("run-02", 2, ""), ("run-03", 3, "")]


@pytest.mark.asyncio
async def test_what_was_looked_for_or_at_otherwise_is_told(tmp_path: Path) -> None:
    """Numbers of other checks or of fewer accounts do not pass for a change; a new severity is no other check."""
    now = await run_in(tmp_path, 9)
    await run_in(tmp_path, 1, checks=default_checks()[:3])
    await run_in(tmp_path, 2, asked={"regions": ["cn-hangzhou"]})
    await run_in(tmp_path, 3, asked={"exposure": True, "accounts": []})
    renamed = tuple(msgspec.structs.replace(one, title="x") for one in default_checks())
    await run_in(tmp_path, 4, checks=renamed)
    assert [unlike for _, _, unlike in seen_from(now)] == [
        "other checks",
        "other accounts or regions",
        "",
        "",
    ]


@pytest.mark.asyncio
async def test_a_run_that_has_no_numbers_is_passed_over(tmp_path: Path) -> None:
    """One whose scan was not concluded, whose summary is damaged or another run's, or that others may write."""
    now = await run_in(tmp_path, 9)
    (await run_in(tmp_path, 1) / "summary.json").unlink()
    ((await run_in(tmp_path, 2)) / "summary.json").write_bytes(b"{")
    write((await run_in(tmp_path, 3)) / "summary.json", summary(run_id="another", findings=counts()))
    write((await run_in(tmp_path, 4)) / "summary.json", {"run_id": "run-04"})
    ((await run_in(tmp_path, 5)) / "summary.json").chmod(0o666)
    (await run_in(tmp_path, 6)).chmod(0o777)
    ((await run_in(tmp_path, 7)) / "journal.sqlite").write_bytes(b"damaged")
    await run_in(tmp_path, 8)
    assert seen_from(now) == [("run-08", 8, "")]


@pytest.mark.asyncio
async def test_of_many_runs_the_latest_are_shown(tmp_path: Path) -> None:
    """So many bars can be told apart on a narrow screen."""
    folders = [await run_in(tmp_path, day) for day in range(1, MOST_SHOWN + 4)]
    assert [run_id for run_id, _, _ in seen_from(folders[-1])] == [
        f"run-{day:02}" for day in range(3, MOST_SHOWN + 3)
    ]


def test_the_page_has_every_run_in_numbers_too() -> None:
    """Also to who sees no picture: date, severities, that a run was incomplete, and that its numbers are of others."""
    run = view(
        summary=summary(findings=counts(critical=1, low=4), run_id="now"),
        created_at=NOW,
        earlier=(point(1), point(2, complete=False, unlike="other checks")),
    )
    text = shown(run)
    assert "1 March 2026, 08:00 UTCrun-01 2 0 0 0 2" in text
    assert "2 March 2026, 08:00 UTC incompleterun-02 other checks 2 0 0 0 2" in text
    assert "10 March 2026, 08:00 UTC this runnow 1 0 0 4 5" in text
    assert 'id="trend"' not in page(view(summary=summary(findings=counts(critical=1))))


def test_the_highest_bar_is_the_height_of_the_picture() -> None:
    """Parts stand on each other, the worst on top, and nothing open has no height."""
    found = bars([point(1, open={"critical": 1, "low": 3}), point(2, open={})], height=100)
    assert found[0].parts == (("low", 0.0, 75.0), ("critical", 75.0, 25.0))
    assert [one.height for one in found] == [100.0, 0.0]


def test_hostile_words_of_other_runs_stay_words() -> None:
    """An id or a time in another folder's files becomes no element."""
    innocent = page(view(created_at=NOW, earlier=(point(1, unlike="other checks"),)))
    for text in HOSTILE:
        hostile = page(
            view(created_at=NOW, earlier=(point(1, run_id=text, created_at=text, unlike="other checks"),))
        )
        assert hostile.count("<") == innocent.count("<")
