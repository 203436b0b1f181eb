"""What every test shares."""

from __future__ import annotations

import asyncio

import pytest


@pytest.fixture(scope="session", autouse=True)
def no_stray_loop() -> None:
    """Leave no loop unclosed: looptime asks for one before each sync test too, and would make it."""
    asyncio.set_event_loop(None)
