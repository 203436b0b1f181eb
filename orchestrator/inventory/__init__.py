"""SEE: the regions, security groups, rules and interfaces of one account, each in full or named as unreachable.

Every list is followed to its last page. An answer that lacks its list, repeats a page token or fails for good
makes that region or group `Unreachable`; it is never taken for an empty one. This room reads one thing at a
time; who reads how many at once is `run`'s to say.
"""

from orchestrator.inventory.groups import Observation, RegionReader, has_no_rules, regions, security_groups
from orchestrator.inventory.interfaces import Interface, Interfaces, interfaces
from orchestrator.inventory.paging import Answer, unreachable

__all__ = [
    "Answer",
    "Interface",
    "Interfaces",
    "Observation",
    "RegionReader",
    "has_no_rules",
    "interfaces",
    "regions",
    "security_groups",
    "unreachable",
]
