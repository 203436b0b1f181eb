"""What is written for people beside a run: report.html, and a page an account where it would be too large."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from orchestrator.run.offline import write_report
from tests.run.conftest import Desk


def pages_of(run: Path) -> dict[str, str]:
    """The accounts' pages, by name."""
    return {one.name: one.read_text(encoding="utf-8") for one in (run / "report").glob("*")}


def test_a_large_run_has_a_page_an_account_that_only_the_owner_reads(desk: Desk) -> None:
    """Each page is whole, with the rules of its account; the index links to each, and to nothing else."""
    desk.scan()
    run = desk.folder / "first"
    findings = desk.lines("findings.jsonl")
    assert findings
    assert not (run / "report").exists()
    write_report(run, most_rows=1)
    pages = pages_of(run)
    for one in findings:
        assert one["rule_id"] in pages[f"{one['account_id']}.html"]
    index = (run / "report.html").read_text(encoding="utf-8")
    assert set(re.findall(r'href="(report/[^"]*)"', index)) == {f"report/{name}" for name in pages}
    assert {oct(one.stat().st_mode & 0o777) for one in (run / "report").iterdir()} == {"0o600"}
    assert oct((run / "report").stat().st_mode & 0o777) == "0o700"


def test_pages_of_an_earlier_report_go(desk: Desk) -> None:
    """What an earlier report said of an account is not left beside one that says otherwise; what is not ours stays."""
    desk.scan()
    run = desk.folder / "first"
    write_report(run, most_rows=1)
    (run / "report" / "1.html").write_text("old")
    (run / "report" / "note.txt").write_text("mine")
    write_report(run, most_rows=1)
    assert "1.html" not in pages_of(run)
    write_report(run)
    assert set(pages_of(run)) == {"note.txt"}
    (run / "report" / "note.txt").unlink()
    write_report(run)
    assert not (run / "report").exists()


def test_a_folder_of_pages_that_others_may_write_is_refused(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who may write there could put his own page in the place of ours: nothing is written, and that is said."""
    desk.scan()
    run = desk.folder / "first"
    write_report(run, most_rows=1)
    before = (run / "report.html").read_bytes()
    (run / "report").chmod(0o777)
    write_report(run)
    assert "report.not_written" in "".join(capsys.readouterr())
    assert (run / "report.html").read_bytes() == before
