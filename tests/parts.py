"""A part of the tests: `--part 2/3` runs every third one, as a machine that has not the time for all of them does."""

from __future__ import annotations

import zlib

import pytest


class Part:
    """One of several parts, which together are all tests, each once. Which one a test is in, its name alone decides."""

    def __init__(self, text: str) -> None:
        """Take "2/3".

        Raises:
            UsageError: that is no part.
        """
        number, _, count = text.partition("/")
        if not (number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
            raise pytest.UsageError(f"--part is {text!r}; give K/N, such as 2/3")
        self._rest, self._count = int(number) - 1, int(count)

    def holds(self, nodeid: str) -> bool:
        """Tell whether the test of this name is in it."""
        return zlib.crc32(nodeid.encode()) % self._count == self._rest
