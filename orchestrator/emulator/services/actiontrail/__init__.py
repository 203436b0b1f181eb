"""ActionTrail 2020-07-06: what was called in an account, to be looked up (`lookup`), and told to EventBridge."""

from __future__ import annotations

from orchestrator.emulator.services.actiontrail import lookup
from orchestrator.emulator.services.actiontrail.event_bus import WATCHED, event, is_watched
from orchestrator.emulator.services.actiontrail.lookup import Trail, trail_of

__all__ = ["WATCHED", "Trail", "event", "is_watched", "lookup", "trail_of"]
