"""The Resource Directory: members and folders in both products, filters, and who may ask."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.emulator import Quirks, Tag, World, WorldOutline
from tests.emulator.wire import RDM, RM, Cloud


@pytest.fixture
def organization() -> Cloud:
    """An organization of 120 members."""
    return Cloud(World.generate(WorldOutline(5, 120, region_ids=1)))


def accounts(body: dict[str, Any]) -> list[str]:
    """The account ids of a page."""
    return [account["AccountId"] for account in body["Accounts"]["Account"]]


def test_members_by_page_and_by_token(organization: Cloud) -> None:
    """All members once, in both modes; at most 100 a page; the newer API tells who is being deleted."""
    members = list(organization.world.organization.members)
    pages = [
        organization.ok("ListAccounts", version=RM, PageSize=100, PageNumber=number) for number in (1, 2)
    ]
    assert accounts(pages[0]) + accounts(pages[1]) == members
    assert pages[0]["TotalCount"] == 120
    assert "DeletionStatus" not in pages[0]["Accounts"]["Account"][0]
    first = organization.ok("ListAccounts", version=RDM, MaxResults=100)
    second = organization.ok("ListAccounts", version=RDM, MaxResults=100, NextToken=first["NextToken"])
    assert accounts(first) + accounts(second) == members
    assert second["NextToken"] == ""
    statuses = {
        one["DeletionStatus"] for one in (*first["Accounts"]["Account"], *second["Accounts"]["Account"])
    }
    assert {"", "Checking", "Deleting"} <= statuses
    assert organization.code("ListAccounts", version=RM, PageSize=101)[0] == 400


def test_whether_the_management_account_is_listed_is_a_quirk() -> None:
    """By default ListAccounts does not name it; GetResourceDirectory always does."""
    plain, named = Cloud(), Cloud(quirks=Quirks(management_in_list_accounts=True))
    for cloud, expected in ((plain, False), (named, True)):
        management = cloud.ok("GetResourceDirectory", version=RM)["ResourceDirectory"]["MasterAccountId"]
        assert (management in accounts(cloud.ok("ListAccounts", version=RM, PageSize=100))) is expected


def test_the_tree_of_folders_holds_every_member(organization: Cloud) -> None:
    """Walking the folders from the root, level by level, finds each member once, with its path."""

    def walk(folder_id: str | None) -> list[str]:
        found: list[str] = []
        if folder_id:
            body = organization.ok(
                "ListAccountsForParent", version=RM, ParentFolderId=folder_id, PageSize=100
            )
            for account in body["Accounts"]["Account"]:
                assert account["ResourceDirectoryPath"].split("/")[-2:] == [folder_id, account["AccountId"]]
                found.append(account["AccountId"])
        below = organization.ok("ListFoldersForParent", version=RDM, ParentFolderId=folder_id, PageSize=100)
        for folder in below["Folders"]["Folder"]:
            found += walk(folder["FolderId"])
        return found

    assert sorted(walk(None)) == sorted(organization.world.organization.members)


def test_tags_and_words_filter_members(organization: Cloud) -> None:
    """Tag filters, IncludeTags, QueryKeyword, and the flat tags of GetAccount and ListTagResources."""
    everyone = organization.world.organization.members.values()
    prod = [one.account_id for one in everyone if Tag("env", "prod") in one.tags]
    body = organization.ok(
        "ListAccounts", version=RM, PageSize=100, IncludeTags=True, Tag=[{"Key": "env", "Value": "prod"}]
    )
    assert accounts(body) == prod
    assert {"Key": "env", "Value": "prod"} in body["Accounts"]["Account"][0]["Tags"]["Tag"]
    one = organization.ok("GetAccount", version=RDM, AccountId=prod[0], IncludeTags=True)["Account"]
    assert {"Key": "env", "Value": "prod"} in one["Tags"]
    found = organization.ok(
        "ListTagResources", version=RDM, ResourceType="Account", ResourceId=[prod[0]], MaxResults=100
    )
    assert {"ResourceId": prod[0], "ResourceType": "Account", "TagKey": "env", "TagValue": "prod"} in found[
        "TagResources"
    ]
    word = organization.world.organization.members[prod[0]].display_name
    assert accounts(organization.ok("ListAccounts", version=RDM, QueryKeyword=word.upper())) == [prod[0]]


@pytest.mark.parametrize(
    ("action", "asked", "code"),
    [
        ("GetAccount", {"AccountId": "1"}, "EntityNotExists.Account"),
        ("ListAccountsForParent", {"ParentFolderId": "fd-x"}, "EntityNotExists.Folder"),
        ("ListFoldersForParent", {"ParentFolderId": "fd-x"}, "EntityNotExists.Folder"),
        ("ListTagResources", {"ResourceType": "Dog"}, "InvalidParameter.ResourceType"),
        ("GetAccount", {}, "MissingParameter"),
    ],
)
def test_the_directory_refuses(organization: Cloud, action: str, asked: dict[str, Any], code: str) -> None:
    """Unknown accounts, folders and types have their codes."""
    assert organization.code(action, version=RM, **asked)[1] == code


@pytest.mark.parametrize(("hub", "allowed"), [("management", True), ("delegated", True), ("member", False)])
def test_who_may_list_accounts(hub: Any, allowed: bool) -> None:  # noqa: FBT001 - a parameter
    """The management account and delegated administrators may, a plain member may not."""
    cloud = Cloud(World.generate(WorldOutline(1, 3, region_ids=1, hub=hub)))
    status, body = cloud.call("ListAccounts", version=RM)
    assert (status == 200) is allowed
    assert allowed or body["Code"] == "NoPermission"
    assert cloud.ok("GetResourceDirectory", version=RM)["ResourceDirectory"]["RootFolderId"]
    stranger = cloud.state.identities.add_root("1999999999999999")
    assert cloud.code("GetResourceDirectory", stranger.keys, RM) == (409, "ResourceDirectoryNotInUse")
