"""SEE: the regions, security groups, rules and interfaces of one account, each in full or named as unreachable.

Every list is followed to its last page. An answer that lacks its list, repeats a page token, is about something else
or fails for good makes that region or group `Unreachable`; it is never taken for an empty one. Where an answer counts
more than it gives, it is asked for once more and then not believed. This room reads one thing at a time; who reads how
many at once is `run`'s to say.
"""

from accounts.paging import Answer
from orchestrator.inventory.balancers import Balancers, InRegion
from orchestrator.inventory.groups import (
    InPart,
    Observation,
    RegionReader,
    Rules,
    Seen,
    Sought,
    regions,
    rule_count,
    security_groups,
)
from orchestrator.inventory.interfaces import Interface, Interfaces, groups_together, interfaces
from orchestrator.inventory.paging import Session, unreachable
from orchestrator.inventory.resource_center import ResourceCenter
from orchestrator.inventory.rights import GROUP_ACTIONS, HUB_ACTIONS, READ_ACTIONS, read_policy

__all__ = [
    "GROUP_ACTIONS",
    "HUB_ACTIONS",
    "READ_ACTIONS",
    "Answer",
    "Balancers",
    "InPart",
    "InRegion",
    "Interface",
    "Interfaces",
    "Observation",
    "RegionReader",
    "ResourceCenter",
    "Rules",
    "Seen",
    "Session",
    "Sought",
    "groups_together",
    "interfaces",
    "read_policy",
    "regions",
    "rule_count",
    "security_groups",
    "unreachable",
]
