"""Pages and lists of the API's answers: followed to the end, and never taken for empty where they are absent."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from accounts import Unreachable
from orchestrator.cloud.client import AccountSession
from orchestrator.cloud.errors import CloudError, Unavailable

Answer = dict[str, Any]

_MOST_PAGES = 1_000  # 100,000 groups of a region, 1,000,000 rules of a group: more than any quota gives


def unreachable(
    error: CloudError, account_id: str, region_id: str | None = None, group_id: str | None = None
) -> Unreachable:
    """Return what to write down of a thing that could not be read."""
    return Unreachable(
        account_id=account_id,
        region_id=region_id,
        security_group_id=group_id,
        code=error.code,
        message=error.message,
        request_id=error.request_id,
    )


async def pages(
    session: AccountSession, action: str, region_id: str, parameters: Answer
) -> AsyncIterator[Answer]:
    """Yield every page. A short page does not prove the end: only an empty NextToken does."""
    seen: set[str] = set()
    token = ""
    while True:
        asked = {**parameters, "NextToken": token} if token else parameters
        page = await session.call(action, region_id, asked)
        yield page
        token = str(page.get("NextToken") or "")
        if not token:
            return
        if token in seen:
            raise malformed(session, action, region_id, page, "the page token repeats")
        seen.add(token)
        if len(seen) == _MOST_PAGES:
            raise malformed(
                session, action, region_id, page, f"the list has no end after {_MOST_PAGES:,} pages"
            )


def items(
    answer: Answer, path: tuple[str, ...], session: AccountSession, region_id: str | None, *, named: str = ""
) -> list[Answer]:
    """Return the list at the path. A list that is absent or holds something else is an error, not empty.

    With `named`, each item has a text there: what has no name cannot be asked for, nor told apart.
    """
    value: object = answer
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise malformed(
            session, ".".join(path), region_id, answer, f"the answer has no list {'.'.join(path)}"
        )
    if named and not all(isinstance(item.get(named), str) and item[named] for item in value):
        message = f"an item of {'.'.join(path)} has no {named}"
        raise malformed(session, ".".join(path), region_id, answer, message)
    return value


def malformed(
    session: AccountSession, action: str, region_id: str | None, answer: Answer, message: str
) -> Unavailable:
    """Return the error for an answer that is no answer to what was asked."""
    return Unavailable(
        code="MalformedAnswer",
        message=message,
        request_id=str(answer.get("RequestId") or ""),
        status=200,
        action=action,
        account_id=session.account_id,
        region_id=region_id or "",
    )
