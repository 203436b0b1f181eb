"""In which language a run is told to people: as its configuration said when it was last read or changed."""

from __future__ import annotations

import msgspec

from orchestrator.journal import Journal, Reader
from orchestrator.report.words import Language

_FACT = "language"


async def speak(journal: Journal, language: Language) -> None:
    """Keep in which language the run is told from now on."""
    if language != language_of(journal):
        await journal.set_fact(_FACT, language)


def language_of(reader: Reader) -> Language:
    """Return in which language the run is told; a run of old in English."""
    kept: Language = msgspec.convert(reader.fact(_FACT) or "en", Language)
    return kept
