"""`sgsweep diff` as a user has it: text on stdout, one JSON object, a page; and the exit codes."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.desk import Desk


def test_two_runs_are_told_apart(desk: Desk, planned: tuple[Path, str]) -> None:
    """Text and data on stdout and nothing beside them; a run that looked for more is 2 in every format."""
    old = str(planned[0])
    assert desk.sgsweep("scan", "--out", "same", "--port", "22").code == 1
    assert desk.sgsweep("scan", "--out", "more", "--port", "22", "--port", "6379").code == 1
    told = desk.sgsweep("diff", old, "same", "-c", "absent.toml")
    still = len(desk.lines("same/findings.jsonl"))
    assert (told.code, told.err) == (0, "")
    open_ones = [one for one in desk.lines("same/findings.jsonl") if one["status"] == "open"]
    assert still >= len(open_ones) > 0
    assert f"still open    {len(open_ones)}: 0 more severe, 0 less severe" in told.out
    for options in (("--json",), ("--format", "json")):
        found = desk.sgsweep("diff", old, "more", *options)
        assert (found.code, found.err) == (2, "")
        document = json.loads(found.out)
        assert document["checks_differ"] == ["the old run did not look for caches"]
        assert {one["was"] for one in document["new"]} == {"not_seen"}
    page = desk.sgsweep("diff", old, "more", "--format", "html")
    assert page.code == 2
    assert '<section id="since">' in page.out
    text = desk.sgsweep("diff", old, "more")
    assert "CHECKS DIFFER: the old run did not look for caches" in text.out
    assert sum(line.startswith("NEW: ") for line in text.out.splitlines()) == len(document["new"])


def test_what_is_typed_wrongly_is_2_with_a_sentence(desk: Desk, planned: tuple[Path, str]) -> None:
    """One folder, none, a format that is not there, the same run twice."""
    run = str(planned[0])
    for arguments, said in (
        ((run,), "Missing argument 'NEW'"),
        ((run, "absent"), "absent is no run folder"),
        ((run, run, "--format", "pdf"), "'pdf'"),
        ((run, run), "hold the same run: name two"),
    ):
        ended = desk.sgsweep("diff", *arguments)
        assert (ended.code, ended.out) == (2, ""), arguments
        assert said in ended.err
