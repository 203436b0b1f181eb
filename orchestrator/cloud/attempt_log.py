"""Tells every attempt to the diagnostic log: one event, data as keys. Failed ones are worth an info."""

from __future__ import annotations

import structlog

from orchestrator.cloud.stats import Attempt, Observer


def log_attempts() -> Observer:
    """Return an observer for `Client` that logs attempts: at debug, or at info where they failed."""
    log = structlog.get_logger("cloud").bind()  # once: the proxy that it gives would bind at each attempt

    def tell(attempt: Attempt) -> None:
        level = log.debug if attempt.outcome == "ok" else log.info
        level(
            "cloud.attempt",
            action=attempt.action,
            account_id=attempt.account_id,
            region_id=attempt.region_id,
            number=attempt.number,
            outcome=attempt.outcome,
            status=attempt.status,
            request_id=attempt.request_id,
            seconds=round(attempt.seconds, 4),
            waited_seconds=round(attempt.waited_seconds, 4),
        )

    return tell
