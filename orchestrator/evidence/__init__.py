"""WITNESS: for each open finding who opened it, who uses it, what stands behind it and who owns it.

Evidence is read after the scan and never changes a verdict: it says what closing would cut. What could not be asked
is told as such, for each finding; quiet is said only of a window that was logged throughout. This room reads one
account at a time; who is asked at once is `run`'s to say.
"""

from orchestrator.evidence.behind import ACTIONS as BEHIND_ACTIONS
from orchestrator.evidence.behind import CarriedTags, Estates
from orchestrator.evidence.delivered_trail import DeliveredTrail
from orchestrator.evidence.flow_reading import Cost
from orchestrator.evidence.openers import ACTIONS, Openers, Told
from orchestrator.evidence.owned_by import owned_by
from orchestrator.evidence.settings import EvidenceError, EvidenceSettings
from orchestrator.evidence.used_by import ACTIONS as TRAFFIC_ACTIONS
from orchestrator.evidence.used_by import LIST_ACTIONS, LOG_ACTIONS, Logstores, Users
from orchestrator.evidence.values import (
    NOT_ASKED,
    Behind,
    BehindInstance,
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
    "BEHIND_ACTIONS",
    "LIST_ACTIONS",
    "LOG_ACTIONS",
    "NOT_ASKED",
    "TRAFFIC_ACTIONS",
    "Behind",
    "BehindInstance",
    "CarriedTags",
    "Cost",
    "DeliveredTrail",
    "Estates",
    "Evidence",
    "EvidenceError",
    "EvidenceSettings",
    "Flows",
    "Logstores",
    "Opened",
    "Openers",
    "OwnedBy",
    "Told",
    "Traffic",
    "Users",
    "Way",
    "WayStep",
    "owned_by",
]
