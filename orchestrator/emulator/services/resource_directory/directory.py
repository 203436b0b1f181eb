"""The Resource Directory: resourcemanager 2020-03-31 and resourcedirectorymaster 2022-04-19."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from orchestrator.emulator.framework.errors import ApiError
from orchestrator.emulator.framework.operations import Answer, Context, Handler, operation
from orchestrator.emulator.framework.paging import add_token, by_number, by_token
from orchestrator.emulator.world.model import Account, Folder, Tag

OLD: Final = "2020-03-31"
NEW: Final = "2022-04-19"
_MODIFIED: Final = "2024-06-01T08:00:00+08:00"


def directory_operation(action: str, *listing: str) -> Callable[[Handler], Handler]:
    """An operation both products have, each under its own name in RAM."""

    def register(handler: Handler) -> Handler:
        operation("resourcemanager", OLD, action, listing=listing)(handler)
        operation("resourcedirectorymaster", NEW, action, listing=listing, ram_prefix="resourcedirectory")(
            handler
        )
        return handler

    return register


def administrators_only(context: Context) -> None:
    """Lists are for the management account and delegated administrators."""
    organization = context.state.world.organization
    if context.account_id not in (organization.management.account_id, *organization.delegated_administrators):
        raise ApiError(403, "NoPermission", "You are not authorized to do this action.")


def _is_new(context: Context) -> bool:
    return context.operation.version == NEW


def _path(context: Context, account: Account) -> str:
    organization = context.state.world.organization
    folders: list[str] = []
    folder = organization.folders.get(account.folder_id)
    while folder is not None:
        folders.append(folder.folder_id)
        folder = organization.folders.get(folder.parent_id)
    return "/".join((organization.directory_id, *reversed(folders), account.account_id))


def _tags(tags: tuple[Tag, ...]) -> list[dict[str, str]]:
    return [{"Key": tag.key, "Value": tag.value} for tag in tags]


def _item(context: Context, account: Account) -> dict[str, object]:
    organization = context.state.world.organization
    item: dict[str, object] = {
        "AccountId": account.account_id,
        "DisplayName": account.display_name,
        "FolderId": account.folder_id,
        "JoinMethod": account.join_method,
        "JoinTime": account.join_time,
        "ModifyTime": _MODIFIED,
        "ResourceDirectoryId": organization.directory_id,
        "ResourceDirectoryPath": _path(context, account),
        "Status": account.status,
        "Type": account.type,
    }
    if context.parameters.flag("IncludeTags"):
        item["Tags"] = {"Tag": _tags(account.tags)}
    if _is_new(context):
        item["AccountName"] = account.account_name
        item["DeletionStatus"] = account.deletion_status
    return item


def _visible(context: Context) -> list[Account]:
    organization = context.state.world.organization
    members = list(organization.members.values())
    if context.state.quirks.management_in_list_accounts:
        return [organization.management, *members]
    return members


def _filtered(context: Context, accounts: list[Account]) -> list[Account]:
    wanted = [(tag.get("Key", ""), tag.get("Value", "")) for tag in context.parameters.structs("Tag", 20)]
    word = context.parameters.text("QueryKeyword").lower()
    return [
        account
        for account in accounts
        if all(
            any(tag.key == key and value in {"", tag.value} for tag in account.tags) for key, value in wanted
        )
        and (not word or word in f"{account.account_id} {account.display_name}".lower())
    ]


def _accounts(context: Context, accounts: list[Account]) -> Answer:
    page, numbers = by_number(context, accounts, 100)
    return {"Accounts": {"Account": [_item(context, account) for account in page]}, **numbers}


@directory_operation("ListAccounts", "Accounts", "Account")
def list_accounts(context: Context) -> Answer:
    """All members, by page; the newer API also by token."""
    administrators_only(context)
    accounts = _filtered(context, _visible(context))
    if not _is_new(context) or not context.parameters.text("MaxResults"):
        return _accounts(context, accounts)
    size = context.parameters.integer("MaxResults", 10, 1, 100)
    page, token = by_token(context, accounts, lambda account: account.account_id, size)
    answer: Answer = {
        "Accounts": {"Account": [_item(context, account) for account in page]},
        "MaxResults": size,
    }
    add_token(context, answer, token)
    return answer


@directory_operation("ListAccountsForParent", "Accounts", "Account")
def list_accounts_for_parent(context: Context) -> Answer:
    """The members directly in one folder."""
    administrators_only(context)
    folder = _folder(context, context.parameters.required("ParentFolderId"))
    inside = [account for account in _visible(context) if account.folder_id == folder.folder_id]
    return _accounts(context, _filtered(context, inside))


def _folder(context: Context, folder_id: str) -> Folder:
    folder = context.state.world.organization.folders.get(folder_id)
    if folder is None:
        raise ApiError(404, "EntityNotExists.Folder", f"The folder {folder_id[:40]} does not exist.")
    return folder


@directory_operation("ListFoldersForParent", "Folders", "Folder")
def list_folders_for_parent(context: Context) -> Answer:
    """The folders directly in one folder (the root where none is given)."""
    administrators_only(context)
    organization = context.state.world.organization
    parent = _folder(context, context.parameters.text("ParentFolderId", organization.root_folder_id))
    word = context.parameters.text("QueryKeyword").lower()
    inside = [
        folder
        for folder in organization.folders.values()
        if folder.parent_id == parent.folder_id and word in folder.name.lower()
    ]
    page, numbers = by_number(context, inside, 100)
    folders = [
        {
            "FolderId": folder.folder_id,
            "FolderName": folder.name,
            "CreateTime": folder.create_time,
            "Tags": {"Tag": _tags(folder.tags)},
        }
        for folder in page
    ]
    return {"Folders": {"Folder": folders}, **numbers}


@directory_operation("GetResourceDirectory")
def get_resource_directory(context: Context) -> Answer:
    """The directory itself; members may ask too."""
    organization = context.state.world.organization
    if context.state.world.account(context.account_id) is None:
        message = "The resource directory is not enabled for this account."
        raise ApiError(409, "ResourceDirectoryNotInUse", message)
    return {
        "ResourceDirectory": {
            "ResourceDirectoryId": organization.directory_id,
            "RootFolderId": organization.root_folder_id,
            "MasterAccountId": organization.management.account_id,
            "MasterAccountName": organization.management.account_name,
            "CreateTime": organization.create_time,
            "ControlPolicyStatus": "Enabled",
            "MemberDeletionStatus": "Enabled",
            "IdentityInformation": "Enterprise",
            "MemberAccountDisplayNameSyncStatus": "Disabled",
        }
    }


@directory_operation("GetAccount")
def get_account(context: Context) -> Answer:
    """One member. Its tags are a flat list here, unlike in ListAccounts."""
    administrators_only(context)
    account_id = context.parameters.required("AccountId")
    account = context.state.world.account(account_id)
    if account is None:
        raise ApiError(404, "EntityNotExists.Account", f"The account {account_id[:40]} does not exist.")
    item = _item(context, account)
    if "Tags" in item:
        item["Tags"] = _tags(account.tags)
    return {"Account": {**item, "Location": "resource-directory"}}


@directory_operation("ListTagResources", "TagResources")
def list_tag_resources(context: Context) -> Answer:
    """Tags of accounts, flat, by token."""
    administrators_only(context)
    if context.parameters.required("ResourceType").lower() != "account":
        raise ApiError(400, "InvalidParameter.ResourceType", "The specified ResourceType is not valid.")
    ids = set(context.parameters.items("ResourceId", 50))
    accounts = _filtered(context, [one for one in _visible(context) if not ids or one.account_id in ids])
    rows = [(account.account_id, tag) for account in accounts for tag in account.tags]
    size = context.parameters.integer("MaxResults", 10, 1, 100)
    page, token = by_token(context, rows, lambda row: f"{row[0]}/{row[1].key}", size)
    tags = [
        {"ResourceId": account_id, "ResourceType": "Account", "TagKey": tag.key, "TagValue": tag.value}
        for account_id, tag in page
    ]
    answer: Answer = {"TagResources": tags}
    add_token(context, answer, token)
    return answer
