"""What every test shares."""

from __future__ import annotations

import asyncio

import pytest


@pytest.fixture(scope="session", autouse=True)
def no_stray_loop() -> None:
    """looptime asks for a loop before each sync test too; unset, so that none is made and left unclosed."""
    asyncio.set_event_loop(None)
