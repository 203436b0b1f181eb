"""Founds an organization: folders, members with statuses and tags, and the roles that let the hub in."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from orchestrator.emulator.world.model import Account, Folder, Organization, Role, Statement, Tag
from orchestrator.emulator.world.policies import ADMINISTRATOR

READ_ROLE: Final = "sgsweep-read"
REMEDIATION_ROLE: Final = "sgsweep-remediate"
ADMINISTRATOR_ROLE: Final = "ResourceDirectoryAccountAccessRole"
READ_ACTIONS: Final = (
    "ecs:DescribeRegions",
    "ecs:DescribeSecurityGroups",
    "ecs:DescribeSecurityGroupAttribute",
    "ecs:DescribeSecurityGroupReferences",
    "ecs:DescribePrefixLists",
    "ecs:DescribePrefixListAttributes",
    "ecs:DescribePortRangeLists",
    "ecs:DescribePortRangeListEntries",
    "ecs:DescribeNetworkInterfaces",
    "ecs:DescribeInstances",
    "nlb:ListLoadBalancers",
    "nlb:ListListeners",
    "alb:ListLoadBalancers",
    "alb:ListListeners",
)
WRITE_ACTIONS: Final = (
    "ecs:RevokeSecurityGroup",
    "ecs:RevokeSecurityGroupEgress",
    "ecs:AuthorizeSecurityGroup",
    "ecs:AuthorizeSecurityGroupEgress",
    "ecs:ModifySecurityGroupRule",
    "ecs:ModifySecurityGroupEgressRule",
)
EVIDENCE_ACTIONS: Final = (
    "actiontrail:LookupEvents",
    "vpc:DescribeFlowLogs",
    "vpc:DescribeNatGateways",
    "vpc:DescribeForwardTableEntries",
    "vpc:DescribeNetworkAcls",
    "vpc:DescribeVpcs",
    "slb:DescribeLoadBalancers",
    "slb:DescribeLoadBalancerAttribute",
    "slb:DescribeLoadBalancerListeners",
    "slb:DescribeVServerGroups",
    "slb:DescribeVServerGroupAttribute",
    "slb:DescribeMasterSlaveServerGroupAttribute",
    "nlb:ListServerGroups",
    "nlb:ListServerGroupServers",
    "alb:ListServerGroups",
    "alb:ListServerGroupServers",
    "log:GetLogStoreLogs",
    "log:GetLogStore",
    "log:GetIndex",
)
"""What asks who opened a door, who uses it and what stands behind it; the role for changes does not have them."""
UNREACHABLE: Final = ("missing", "refuses", "external_id", "powerless")

_TREE: Final = (
    ("Core", ("Security", "Log", "Network")),
    ("Prod", ("Web", "Data", "Payments")),
    ("NonProd", ("Test", "Staging")),
    ("Sandbox", ()),
)
_UNITS: Final = (
    "shop",
    "billing",
    "search",
    "mobile",
    "data",
    "ml",
    "erp",
    "crm",
    "video",
    "iot",
    "logistics",
    "games",
)
_STATUSES: Final = (
    "CreateSuccess",
    "CreateSuccess",
    "CreateSuccess",
    "CreateSuccess",
    "InviteSuccess",
    "PromoteSuccess",
)
_DELETIONS: Final = ("Checking", "Deleting", "CheckFailed", "DeleteFailed")


class WorldOutline(Struct, frozen=True):
    """What a world is to be; the same outline gives the same world.

    Attributes:
        seed: of everything that is made up.
        accounts: how many members, besides the hub.
        groups_per_account: on average.
        region_ids: region ids, or how many of the usual ones; None for all usual ones.
        hub: which account the hub is.
        hub_roles: also puts `sgsweep-read` and `sgsweep-remediate` into the hub's account.
        external_id: that the roles of members ask for.
        unreachable: a number of members, or a kind by account id or by position as text ("0"): `missing` (no role),
            `refuses` (trusts another account), `external_id` (wants another one), `powerless` (the role allows
            nothing).
        careful_share: about so many of the accounts have no risky rule.
        balancers: adds groups that load balancers have joined.
    """

    seed: int = 0
    accounts: int = 40
    groups_per_account: float = 40.0
    region_ids: tuple[str, ...] | int | None = None
    hub: Literal["management", "delegated", "member"] = "management"
    hub_roles: bool = False
    external_id: str = ""
    unreachable: int | Mapping[str, str] = 0
    careful_share: float = 0.5
    balancers: bool = False


def found(outline: WorldOutline) -> tuple[Organization, dict[str, dict[str, Role]]]:
    """The organization and the roles of its accounts."""
    rng = random.Random(f"organization/{outline.seed}")
    folders = _folders(rng)
    root = next(iter(folders))
    leaves = [folder.folder_id for folder in folders.values() if folder.parent_id]
    management = Account(_account_id(rng), "management", root, "management@example.org", type="CloudAccount")
    hub = management
    members: dict[str, Account] = {}
    if outline.hub != "management":
        hub = Account(_account_id(rng), "security-audit", leaves[1], "security-audit@example.org")
        members[hub.account_id] = hub
    ordinary = [_member(rng, index, leaves) for index in range(outline.accounts)]
    members.update((account.account_id, account) for account in ordinary)
    organization = Organization(
        directory_id=f"rd-{_code(rng)}",
        root_folder_id=root,
        management=management,
        hub_account_id=hub.account_id,
        folders=folders,
        members=members,
        delegated_administrators=(hub.account_id,) if outline.hub == "delegated" else (),
    )
    return organization, _roles(outline, organization, [account.account_id for account in ordinary], rng)


def _code(rng: random.Random) -> str:
    return "".join(rng.choices("abcdefghijkmnpqrstuvwxyz0123456789", k=6))


def _account_id(rng: random.Random) -> str:
    return f"1{rng.randrange(10**15):015d}"


def _folders(rng: random.Random) -> dict[str, Folder]:
    root = Folder(f"r-{_code(rng)}", "Root")
    found = {root.folder_id: root}
    for name, children in _TREE:
        folder = Folder(f"fd-{_code(rng)}{_code(rng)}", name, root.folder_id)
        found[folder.folder_id] = folder
        for child in children:
            below = Folder(f"fd-{_code(rng)}{_code(rng)}", child, folder.folder_id)
            found[below.folder_id] = below
    return found


def _member(rng: random.Random, index: int, folders: list[str]) -> Account:
    unit, stage = rng.choice(_UNITS), rng.choice(("prod", "prod", "test", "dev"))
    status = rng.choice(_STATUSES)
    invited = status == "InviteSuccess"
    tags = [Tag("env", stage), Tag("unit", unit)]
    if rng.random() < 0.3:
        tags.append(Tag("cost-center", f"cc-{rng.randrange(100, 999)}"))
    return Account(
        account_id=_account_id(rng),
        display_name=f"{unit}-{stage}-{index:04d}",
        account_name=f"{unit}-{stage}-{index:04d}@example.org",
        folder_id=rng.choice(folders),
        status=status,
        deletion_status=_DELETIONS[index // 50 % 4] if index % 50 == 9 else "",
        join_method="invited" if invited else "created",
        type="CloudAccount" if invited else "ResourceAccount",
        tags=tuple(tags) if rng.random() < 0.85 else (),
    )


def _roles(
    outline: WorldOutline, organization: Organization, ordinary: list[str], rng: random.Random
) -> dict[str, dict[str, Role]]:
    hub = f"acs:ram::{organization.hub_account_id}:root"
    management = f"acs:ram::{organization.management.account_id}:root"
    reads, writes = Statement("Allow", READ_ACTIONS), Statement("Allow", READ_ACTIONS + WRITE_ACTIONS)
    evidence = Statement("Allow", EVIDENCE_ACTIONS)
    ours = {
        READ_ROLE: Role(READ_ROLE, (hub,), (reads, evidence), outline.external_id),
        REMEDIATION_ROLE: Role(REMEDIATION_ROLE, (hub,), (writes,), outline.external_id),
    }
    access = {ADMINISTRATOR_ROLE: Role(ADMINISTRATOR_ROLE, (management,), ADMINISTRATOR)}
    roles = {account_id: {**ours, **access} for account_id in organization.members}
    roles[organization.management.account_id] = {} if outline.hub == "management" else dict(ours)
    if not outline.hub_roles:
        roles[organization.hub_account_id] = {} if outline.hub == "management" else dict(access)
    elif outline.hub == "management":
        roles[organization.hub_account_id] = dict(ours)
    for account_id, kind in _shut(outline.unreachable, ordinary, rng).items():
        roles[account_id] = shut(roles[account_id], kind)
    return roles


def _shut(asked: int | Mapping[str, str], ordinary: list[str], rng: random.Random) -> dict[str, str]:
    if isinstance(asked, int):
        chosen = rng.sample(ordinary, min(asked, len(ordinary)))
        return {account_id: UNREACHABLE[index % 3] for index, account_id in enumerate(chosen)}
    return {ordinary[int(key)] if len(key) < 16 else key: kind for key, kind in asked.items()}


def shut(roles: dict[str, Role], kind: str) -> dict[str, Role]:
    """The roles of an account that cannot be entered (`powerless`: used), in one of the UNREACHABLE ways."""
    if kind == "missing":
        return {}
    if kind == "refuses":
        return {
            name: replace(role, trusts=("acs:ram::1000000000000001:root",)) for name, role in roles.items()
        }
    if kind == "external_id":
        return {name: replace(role, external_id="another-installation") for name, role in roles.items()}
    if kind == "powerless":
        return {name: replace(role, statements=()) for name, role in roles.items()}
    raise ValueError(f"unknown kind of unreachable account: {kind!r}, known are {', '.join(UNREACHABLE)}")
