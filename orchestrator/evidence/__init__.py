"""WITNESS: for each open finding who opened it, who uses it, what stands behind it and who owns it.

Evidence is read after the scan and never changes a verdict: it says what closing would cut. What could not be asked
is told as such, for each finding; quiet is said only of a window that was logged throughout. This room reads one
account at a time; who is asked at once is `run`'s to say.
"""

from orchestrator.evidence.openers import ACTIONS, Openers, Told
from orchestrator.evidence.settings import EvidenceError, EvidenceSettings
from orchestrator.evidence.values import (
    NOT_ASKED,
    Behind,
    Evidence,
    Flows,
    Opened,
    OwnedBy,
    Traffic,
    Way,
    WayStep,
)

__all__ = [
    "ACTIONS",
    "NOT_ASKED",
    "Behind",
    "Evidence",
    "EvidenceError",
    "EvidenceSettings",
    "Flows",
    "Opened",
    "Openers",
    "OwnedBy",
    "Told",
    "Traffic",
    "Way",
    "WayStep",
]
