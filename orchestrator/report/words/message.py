"""One message in every language: where one is missing, it cannot be made."""

from __future__ import annotations

from typing import NamedTuple


class Message(NamedTuple):
    """A message. Placeholders stand in braces, the same in each; English chooses between one and many by a bar.

    Attributes:
        en: English.
        zh: Simplified Chinese, in the terms of Alibaba Cloud's own console.
    """

    en: str
    zh: str
