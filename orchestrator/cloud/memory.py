"""How much memory answers may take: one, and all that are being received in this process together.

What a server sends is not ours to bound, so whoever sits in its place (a gateway, a proxy, whoever owns the name) could
fill the memory by answers that are long, that unpack to a thousandfold, or whose few bytes make many values.
"""

from __future__ import annotations

import asyncio
from types import TracebackType

from typing_extensions import Self

LONGEST_BODY = 16 * 1024 * 1024
"""Bytes of one answer, unpacked. A full page of any list we ask for is a few MB."""

AT_ONCE = 128 * 1024 * 1024
"""Bytes of all answers that are being received. The longest may go beyond it, one at a time."""

MOST_VALUES = 500_000
"""Values of one answer: a page of the longest list has a tenth. Each takes up to 72 bytes, though `{}` is two."""


class Memory:
    """What is left for the answers of a process; `left` may fall below zero by one answer."""

    def __init__(self, size: int = AT_ONCE) -> None:
        self.left = size
        self._last = asyncio.Lock()

    def answer(self) -> AnswerMemory:
        """Return what one answer takes; `async with` it until the answer was received."""
        return AnswerMemory(self, self._last)


class AnswerMemory:
    """What one answer has taken so far, given back at the end of the block."""

    def __init__(self, memory: Memory, last: asyncio.Lock) -> None:
        self._memory = memory
        self._last = last
        self._is_last = False
        self._taken = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._memory.left += self._taken
        if self._is_last:
            self._last.release()

    async def take(self, count: int) -> None:
        """Take so many bytes more, or wait for them.

        Where nothing is left, one answer at a time goes on beyond it to its end, the others after it, in turn. So those
        that hold a part each never wait for each other for ever.
        """
        if self._memory.left < count and not self._is_last:
            await self._last.acquire()
            self._is_last = True
        self._memory.left -= count
        self._taken += count


def has_too_many_values(body: bytes) -> bool:
    """Tell whether a JSON or XML text could hold more values than any answer does; nothing is decoded for that."""
    if len(body) <= MOST_VALUES:  # each of these takes a byte
        return False
    return sum(map(body.count, (b",", b"[", b"{", b"<"))) > MOST_VALUES
