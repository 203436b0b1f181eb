"""The organization's trail in Log Service: a slice that is not answered in full is halved, and an error at last."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, cast

import pytest

from orchestrator.cloud.client import AccountSession
from orchestrator.cloud.errors import Unavailable
from orchestrator.cloud.sls import LogPlace, LogService, QueryResult
from orchestrator.evidence import DeliveredTrail

NOW = datetime(2026, 11, 1, tzinfo=UTC)


class Logs:
    """Answers slices of up to so many seconds in full, with one row that names the slice."""

    def __init__(self, longest_seconds: int) -> None:
        self.longest_seconds = longest_seconds
        self.asked: list[tuple[int, int]] = []

    async def query(self, _who: Any, _place: Any, begin: int, end: int, _query: str) -> QueryResult:
        """Answer as the service does: what it has, and whether that is all."""
        self.asked.append((begin, end))
        return QueryResult([{"slice": f"{begin}-{end}"}], end - begin <= self.longest_seconds, 1, 1)


class Who:
    """A session, as far as an error names it."""

    account_id = "1001"


def trail(logs: Logs) -> DeliveredTrail:
    """A trail in these logs."""
    place = LogPlace("cn-hangzhou", "p", "actiontrail_t")
    return DeliveredTrail(cast("LogService", logs), cast("AccountSession", Who()), place)


async def test_a_slice_that_is_not_answered_in_full_is_halved() -> None:
    """The rows are those of slices that were, each moment in one, the latest first."""
    logs = Logs(longest_seconds=86_400)
    rows = await trail(logs).query("q", NOW - timedelta(days=4), NOW)
    slices = [tuple(map(int, str(row["slice"]).split("-"))) for row in rows]
    assert slices == sorted(slices, reverse=True)
    assert slices[0][1] == int(NOW.timestamp())
    assert all(later[0] == earlier[1] for later, earlier in pairwise(slices))
    assert slices[-1][0] == int((NOW - timedelta(days=4)).timestamp())
    assert len(logs.asked) == 7


async def test_what_is_never_answered_in_full_is_an_error() -> None:
    """It names the logstore; nothing is taken for the whole."""
    with pytest.raises(Unavailable, match="p/actiontrail_t does not answer in full") as caught:
        await trail(Logs(longest_seconds=0)).query("q", NOW - timedelta(days=1), NOW)
    assert (caught.value.code, caught.value.account_id) == ("Incomplete", "1001")
