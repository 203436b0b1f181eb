"""In which language this command speaks of what it came to: as [report] language of its configuration says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestrator.report.words import Language, Words


@dataclass
class _Now:
    """What this process was asked for: one command, so there is one of these."""

    language: Language = "en"


_now = _Now()


def speak(language: Language) -> None:
    """Speak this language from now on."""
    _now.language = language


def spoken() -> Words:
    """Return the words to speak in."""
    from orchestrator.report.words import words

    return words(_now.language)
