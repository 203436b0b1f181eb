"""The words in which people are told: each message once, in every language there is, by what it means.

What programs read stays as it is whatever the language: the keys and values of JSON, CSV, SARIF and OCSF, exit codes,
the events of the log, and what the record holds. A sentence that stands in the record (why a rule fails, why a run is
incomplete) was written in English; `Words.retold` tells it anew, and leaves alone what it does not know.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from string import Formatter
from typing import Any, Literal

from orchestrator.report.words.headline import HEADLINE
from orchestrator.report.words.message import Message
from orchestrator.report.words.notices import NOTICES
from orchestrator.report.words.page import PAGE
from orchestrator.report.words.recorded import retold
from orchestrator.report.words.screen import SCREEN
from orchestrator.report.words.terms import TERMS

Language = Literal["en", "zh-CN"]

PARTS: tuple[Mapping[str, Message], ...] = (TERMS, HEADLINE, PAGE, NOTICES, SCREEN)
"""The catalogue, by where its messages are said."""

_MESSAGES: Mapping[str, Message] = {key: message for part in PARTS for key, message in part.items()}


class _Counting(Formatter):
    """Formats as `str.format` does, and counts: {n} as "12,345", {n:rule|rules} as the one or the other."""

    def format_field(self, value: Any, format_spec: str) -> str:  # noqa: ANN401 - as the library has it
        """Return the value as text; a specification with a bar chooses between one and many."""
        if "|" in format_spec:
            one, many = format_spec.split("|")
            return one if value == 1 else many
        if isinstance(value, int) and not format_spec:
            return f"{value:,}"
        return str(super().format_field(value, format_spec))


_FORMATTER = _Counting()


class Words:
    """The messages in one language.

    Attributes:
        language: the language's tag, as HTML has it (BCP 47).
    """

    def __init__(self, language: Language) -> None:
        self.language: Language = language

    def __call__(self, key: str, /, **values: object) -> str:
        """Return the message of this key with the values in it.

        Raises:
            KeyError: there is no such message, or it wants a value that is not given.
        """
        return _FORMATTER.vformat(self.pattern(key), (), values)

    def pattern(self, key: str) -> str:
        """Return the message as it stands in the catalogue, with its placeholders."""
        message = _MESSAGES[key]
        return message.en if self.language == "en" else message.zh

    def term(self, kind: str, value: str) -> str:
        """Return what one of a contract's own words is called (`severity`, `critical`); one of no kind as it is."""
        key = f"{kind}.{value}"
        return self(key) if key in _MESSAGES else value

    def retold(self, text: str) -> str:
        """Return a sentence of the record in this language; one that is not known as it was written."""
        return text if self.language == "en" else retold(text)

    def sentence(self, text: str) -> str:
        """Return the words as a sentence: with a capital, where there are such, and a full stop."""
        stop = self("stop")
        return f"{text[:1].upper()}{text[1:]}{'' if text.endswith(('.', stop)) else stop}"

    def some(self, values: Sequence[str], most: int = 4) -> str:
        """Return the first few of a list, "tcp/22, tcp/23 and 5 more"."""
        shown = ", ".join(values[:most])
        return shown if len(values) <= most else self("some", shown=shown, more=len(values) - most)


ENGLISH = Words("en")
CHINESE = Words("zh-CN")


def words(language: Language) -> Words:
    """Return the words of a language."""
    return CHINESE if language == "zh-CN" else ENGLISH
