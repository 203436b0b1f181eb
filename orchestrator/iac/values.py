"""What code declares, as values: rules, groups and lists in the API's own field names, and what is not known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from orchestrator.securitygroup import Unreadable

Fields = dict[str, Any]
"""A rule in the API's own field names."""


class IacError(ValueError):
    """A file, or what was asked of it, that cannot be judged; the text names the file and says what to do."""


class DeclaredRule(msgspec.Struct, frozen=True, kw_only=True):
    """A rule as code declares it.

    Attributes:
        address: of the rule: the resource, and, of an inline rule, its place in there.
        resource: address of the resource, to find its source by.
        fields: in the API's own names; what is not known is left out.
        group: key of its group: the id, or the address of a group that has none yet; "" where it cannot be told.
        others: the groups that it may stand in instead, where the code says only "the one with the same index".
        unknown: what is not known yet, each beginning with the API's name of the field.
        group_unknown: why the group cannot be told, in the same words; "" where it can.
        rule_id: `sgr-...` where it stands in the cloud already, and the code knows the id.
    """

    address: str
    resource: str
    fields: Fields
    group: str = ""
    others: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    group_unknown: str = ""
    rule_id: str = ""


class DeclaredGroup(msgspec.Struct, frozen=True, kw_only=True):
    """A security group as code declares it.

    Attributes:
        key: its id, or its address where it has none yet.
        address: of the resource.
        name: "" where it is not known.
        classic: it stands in the classic network; where the network is not known, that counts as a VPC.
        kind: what DescribeSecurityGroups calls SecurityGroupType.
        inner_access_policy: "Accept" where it is not known, which is the cloud's default.
        tags: those that are known.
        region_id: "" where it is not known.
        unknown_rules: why some of its rules are not known; "" if all are that the code has.
        clone_of: key of the group whose rules it has, too; "" for none.
    """

    key: str
    address: str
    name: str = ""
    classic: bool = False
    kind: str = "normal"
    inner_access_policy: str = "Accept"
    tags: tuple[tuple[str, str], ...] = ()
    region_id: str = ""
    unknown_rules: str = ""
    clone_of: str = ""


class Code(msgspec.Struct, frozen=True, kw_only=True):
    """All that one file declares, at one time.

    Attributes:
        groups: by key.
        rules: in the order of the file.
        prefix_lists: entries by id or address.
        port_lists: the same.
    """

    groups: Mapping[str, DeclaredGroup]
    rules: tuple[DeclaredRule, ...]
    prefix_lists: Mapping[str, tuple[str, ...] | Unreadable] = {}
    port_lists: Mapping[str, tuple[str, ...] | Unreadable] = {}


class FileChange(msgspec.Struct, frozen=True, kw_only=True):
    """A file: what will be, and what was before, where the file knows.

    Attributes:
        kind: what the file is, for people.
        before: None where the file does not say.
    """

    kind: Literal["Terraform plan", "Terraform state", "ROS template"]
    after: Code
    before: Code | None = None


def unseen(address: str, why: str) -> DeclaredRule:
    """Stand for rules of a resource that cannot be seen: whatever they open, in whichever direction.

    Args:
        address: of the resource, and of the group that they are judged in.
        why: they cannot be seen.
    """
    return DeclaredRule(
        address=address,
        resource=address,
        fields={
            "Direction": "ingress",
            "IpProtocol": "all",
            "PortRange": "-1/-1",
            "Policy": "accept",
            "SourceGroupId": "(not known)",
        },
        group=address,
        unknown=(f"Direction: {why}",),
    )
