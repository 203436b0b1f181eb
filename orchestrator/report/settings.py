"""How a run is told: the table [report]."""

from __future__ import annotations

import msgspec

from orchestrator.report.words import Language


class ReportSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How people are told what a run came to. What programs read is the same whatever it says.

    Attributes:
        language: of report.html, of what the screen says at the end, and of notifications: en or zh-CN.
    """

    language: Language = "en"
