"""The whole loop on the emulated cloud: a change is noticed, closed, judged again and recorded."""

from __future__ import annotations

import pytest

from orchestrator.demo.continuous import CASES, run


def test_one_change_is_closed_within_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    """22 opened to the world is closed and judged COMPLIANT again; 443 and the Drop rule beside it stay."""
    assert run(CASES[:1]) == 0
    said = capsys.readouterr().err
    assert "as it should be" in said
    assert "0 audit records" not in said


@pytest.mark.soak
def test_every_spelling_of_the_internet(capsys: pytest.CaptureFixture[str]) -> None:
    """IPv6, halves, a prefix list, a port list and ALL as well, within a minute."""
    assert run() == 0
    assert capsys.readouterr().err.count("as it should be") == len(CASES)
