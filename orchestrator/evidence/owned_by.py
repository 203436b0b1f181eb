"""Who owns a group, by the tags of instances and VPC that were read beside it. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from orchestrator.evidence.values import OwnedBy
from orchestrator.evidence.vpcs import Tags
from orchestrator.policy import Owners, owner_of
from orchestrator.securitygroup import SecurityGroup


def owned_by(group: SecurityGroup, owners: Owners, instances: Iterable[Tags], vpc: Tags) -> OwnedBy:
    """Return the owner as the report has it, by what `Estates.tags` has found, too.

    Args:
        group: with its placement.
        owners: where owners are looked for.
        instances: the tags of each instance behind the group.
        vpc: the tags of its VPC.
    """
    found = owner_of(owners, group, instances, vpc)
    return OwnedBy(found.name, found.taken_from)
