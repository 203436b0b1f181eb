"""Pages and lists of the API's answers: followed to the end, and never taken for empty where they are absent.

It stands beside the seam to the cloud, low enough for whoever reads a list: the directory of accounts, the
groups and rules of a region, the objects of a bucket.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

Answer = dict[str, Any]
Page = TypeVar("Page")

_LONGEST_NUMBER = 10  # digits: more is no count, and thousands are no number for Python
MOST_PAGES = 1_000  # 100,000 groups of a region, 1,000,000 rules of a group: more than any quota gives


class MalformedAnswerError(Exception):
    """An answer that is no answer to what was asked: it lacks its list, or its pages have no end.

    Attributes:
        message: what is wrong with it.
        request_id: of the answer; empty if it has none.
    """

    code = "MalformedAnswer"

    def __init__(self, message: str, answer: object = None) -> None:
        super().__init__(message)
        self.message = message
        self.request_id = str(answer.get("RequestId") or "") if isinstance(answer, Mapping) else ""


class CountMismatchError(MalformedAnswerError):
    """An answer that its own counts contradict: fewer were given than it says there are."""

    code = "CountMismatch"


def counted(answer: Mapping[str, Any], key: str) -> int | None:
    """Return the count that stands under the key, as a number or in digits; None if there is none."""
    count = answer.get(key)
    if isinstance(count, str) and count.isdecimal() and len(count) < _LONGEST_NUMBER:
        return int(count)
    return count if isinstance(count, int) and not isinstance(count, bool) else None


def next_token(page: Mapping[str, Any]) -> str:
    """Return the page's NextToken; empty at the end of the list."""
    return str(page.get("NextToken") or "")


async def follow(
    ask: Callable[[str], Awaitable[Page]], token_of: Callable[[Any], str] = next_token
) -> AsyncIterator[Page]:
    """Yield every page. A short page does not prove the end: only an empty token does.

    Args:
        ask: returns the page that a token stands for; it is "" for the first.
        token_of: the page's token for the next one, "" if it is the last.

    Raises:
        MalformedAnswerError: a token repeats, or the list has no end.
    """
    seen: set[str] = set()
    token = ""
    while True:
        page = await ask(token)
        yield page
        token = token_of(page)
        if not token:
            return
        if token in seen:
            raise MalformedAnswerError("the page token repeats: the list cannot be read in full", page)
        seen.add(token)
        if len(seen) == MOST_PAGES:
            raise MalformedAnswerError(f"the list has no end after {MOST_PAGES:,} pages", page)


class ListTally:
    """Counts what a list gives, each item once by its name, against what it says there is.

    Without a name to count by, nothing is counted.
    """

    def __init__(self, named: str) -> None:
        self._named = named
        self._names: set[str] = set()
        self._total = 0
        self._twice = 0

    def take(self, page: Mapping[str, Any], found: Sequence[Answer]) -> None:
        """Count the items of a page, and keep the largest TotalCount."""
        if self._named:
            here = {str(item.get(self._named)) for item in found}
            self._names |= here
            self._twice += len(found) - len(here)
            self._total = max(self._total, counted(page, "TotalCount") or 0)

    def check(self, page: Mapping[str, Any]) -> None:
        """Take the list for whole.

        Raises:
            CountMismatchError: fewer were given than are counted, or a page named one twice: it may leave out another.
        """
        given = len(self._names)
        if given < self._total:
            raise CountMismatchError(f"{self._total} are counted, but {given} were given; run again", page)
        if self._twice:
            raise CountMismatchError(f"{self._twice} of the list came twice on one page", page)


async def numbered(
    ask: Callable[[int], Awaitable[Answer]], path: Sequence[str], named: str
) -> AsyncIterator[list[Answer]]:
    """Yield the items of every page of a list that is asked for by page number, and hold them against TotalCount.

    Args:
        ask: returns the page of a number, from 1.
        path: where the list stands in the answer.
        named: by what its items are told apart.

    Raises:
        MalformedAnswerError: the answer does not say how many there are, or changes its mind.
        CountMismatchError: it lists fewer, or one twice.
    """
    tally = ListTally(named)
    number, came, total = 0, 0, 1
    while came < total:
        number += 1
        page = await ask(number)
        found = items(page, path)
        before, total = total, _total(page)
        if number > 1 and total != before:
            # the later pages have moved, and what slipped between them is unknown
            raise MalformedAnswerError("the list changed while it was read; run again", page)
        came += len(found)
        tally.take(page, found)
        if not found and came < total:
            tally.check(page)
        yield found
    tally.check(page)


def _total(page: Answer) -> int:
    total = counted(page, "TotalCount")
    if total is None:
        raise MalformedAnswerError("it does not say how many there are: the list may be cut short", page)
    return total


def items(answer: Mapping[str, Any], path: Sequence[str], *, named: str = "") -> list[Answer]:
    """Return the list at the path. A list that is absent or holds something else is an error, not empty.

    With `named`, each item has a text there: what has no name cannot be asked for, nor told apart.

    Raises:
        MalformedAnswerError: there is no such list.
    """
    value: object = answer
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise MalformedAnswerError(f"the answer has no list {'.'.join(path)}", answer)
    if named and not all(isinstance(item.get(named), str) and item[named] for item in value):
        raise MalformedAnswerError(f"an item of {'.'.join(path)} has no {named}", answer)
    return value
