"""Pages: by token and by number, as the products have them. A token carries what it continues."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import TypeVar

from orchestrator.emulator.framework.errors import ApiError
from orchestrator.emulator.framework.operations import Context

T = TypeVar("T")


def encode_token(position: int, last: str) -> str:
    """A token that continues after the item `last`, found at `position - 1` if it is gone by then."""
    return base64.urlsafe_b64encode(f"{position}:{last}".encode()).decode().rstrip("=")


def decode_token(token: str) -> tuple[int, str]:
    """What `encode_token` packed; 400 InvalidParameter.NextToken for anything else."""
    try:
        text = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()
    except (binascii.Error, ValueError):
        text = ""
    position, colon, last = text.partition(":")
    if not colon or not position.isdecimal():
        raise ApiError(400, "InvalidParameter.NextToken", "The specified parameter NextToken is not valid.")
    return int(position), last


def by_token(
    context: Context, items: Sequence[T], key: Callable[[T], str], size: int, *, shortened: bool = False
) -> tuple[Sequence[T], str]:
    """The page a token asks for, and the token of the next one ("" after the last).

    A lying cloud divides a shorter list, unless that was `shortened` before.

    The page begins after the item the token names, wherever that is now, so a change between two pages
    neither repeats nor skips what was there before.
    """
    if not shortened:
        items = context.state.bends.shortened(context, items)
    start = 0
    token = context.parameters.text("NextToken")
    if token:
        start, last = decode_token(token)
        if not (0 < start <= len(items) and key(items[start - 1]) == last):
            start = next(
                (index + 1 for index, item in enumerate(items) if key(item) == last), min(start, len(items))
            )
    if context.state.quirks.short_pages and size > 1:
        size -= size // 3 or 1
    page = items[start : start + size]
    end = start + len(page)
    return page, encode_token(end, key(items[end - 1])) if end < len(items) else ""


def add_token(context: Context, answer: dict[str, object], token: str) -> None:
    """Put NextToken into an answer; the last page has "" or, by quirk, none."""
    if token or not context.state.quirks.last_token_absent:
        answer["NextToken"] = token


def by_number(
    context: Context, items: Sequence[T], most: int, default: int = 10
) -> tuple[Sequence[T], dict[str, object]]:
    """The page of PageNumber and PageSize, and the keys PageNumber, PageSize, TotalCount."""
    items = context.state.bends.shortened(context, items)
    number = context.parameters.integer("PageNumber", 1, 1, 10**9)
    size = context.parameters.integer("PageSize", default, 1, most)
    page = items[(number - 1) * size : number * size]
    return page, {"PageNumber": number, "PageSize": size, "TotalCount": len(items)}
