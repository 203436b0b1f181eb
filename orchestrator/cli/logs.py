"""Diagnostics on stderr: pretty on a terminal, one JSON object a line otherwise. Never an audit record."""

from __future__ import annotations

import logging
from typing import Literal

import structlog

from orchestrator.terminal import drawing, is_terminal, visible

Level = Literal["debug", "info", "warning", "error"]


def configure(level: Level = "warning") -> None:
    """Send structlog's events of this level and above to stderr, with the context bound once by the caller."""
    logging.getLogger(
        "credentials"
    ).disabled = True  # the SDK's chain prints a traceback for each way it tries
    plain = not is_terminal()
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer() if plain else structlog.dev.ConsoleRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            *(() if plain else (_visible,)),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(drawing()),
        cache_logger_on_first_use=False,
    )


def _visible(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Make every text of an event visible, for the renderer colours it with what steers the terminal.

    What is no text is shown by its repr, which escapes by itself.
    """
    for key, value in event.items():
        if isinstance(value, str):
            lines = value.split("\n") if key == "exception" else [value]  # a traceback has many
            event[key] = "\n".join(map(visible, lines))
    return event
