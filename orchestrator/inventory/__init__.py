"""SEE: the regions, security groups, rules and interfaces of one account, each in full or named as unreachable.

Every list is followed to its last page. An answer that lacks its list, repeats a page token, is about something else
or fails for good makes that region or group `Unreachable`; it is never taken for an empty one. Where an answer counts
more than it gives, it is asked for once more and then not believed. This room reads one thing at a time; who reads how
many at once is `run`'s to say.
"""

from accounts.paging import Answer
from orchestrator.inventory.balancers import Balancers, InRegion
from orchestrator.inventory.groups import (
    GroupAttribute,
    InPart,
    Observation,
    RegionReader,
    Seen,
    Sought,
    is_group_id,
    regions,
    rule_count,
    security_groups,
)
from orchestrator.inventory.interfaces import Interface, Interfaces, groups_together, interfaces
from orchestrator.inventory.paging import PagedList, ProductSession, ReadSession, unreachable
from orchestrator.inventory.policies import ControlPolicies, Levels, Policies, attached_policies
from orchestrator.inventory.read_actions import (
    CONTROL_ACTIONS,
    GROUP_ACTIONS,
    HUB_ACTIONS,
    JUDGE_ACTIONS,
    READ_ACTIONS,
    examine_policy,
    group_policy,
    read_policy,
)
from orchestrator.inventory.read_probe import Looked, Permitted, ask_reads
from orchestrator.inventory.resource_center import ResourceCenter
from orchestrator.inventory.role_rights import AccountRights, RoleRight, ToPaste, denied_by

__all__ = [
    "CONTROL_ACTIONS",
    "GROUP_ACTIONS",
    "HUB_ACTIONS",
    "JUDGE_ACTIONS",
    "READ_ACTIONS",
    "AccountRights",
    "Answer",
    "Balancers",
    "ControlPolicies",
    "GroupAttribute",
    "InPart",
    "InRegion",
    "Interface",
    "Interfaces",
    "Levels",
    "Looked",
    "Observation",
    "PagedList",
    "Permitted",
    "Policies",
    "ProductSession",
    "ReadSession",
    "RegionReader",
    "ResourceCenter",
    "RoleRight",
    "Seen",
    "Sought",
    "ToPaste",
    "ask_reads",
    "attached_policies",
    "denied_by",
    "examine_policy",
    "group_policy",
    "groups_together",
    "interfaces",
    "is_group_id",
    "read_policy",
    "regions",
    "rule_count",
    "security_groups",
    "unreachable",
]
