"""What the tests of changes share: a cloud and a journal."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from orchestrator.journal import Journal, SqliteJournal
from tests.remediate.kit import HEADER, Cloud, cloud


@pytest.fixture
async def there() -> AsyncIterator[Cloud]:
    """A cloud without a fault."""
    async with cloud() as found:
        yield found


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    """A new run's journal."""
    async with SqliteJournal.create(tmp_path / "runs" / "one", HEADER) as journal:
        yield journal
