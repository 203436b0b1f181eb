"""Finding the accounts of a sweep, from an emulated Resource Directory and from a list."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from accounts.discovery import DiscoveryError, discover
from accounts.settings import OrganizationError, OrganizationSettings
from orchestrator.cloud.errors import Denied, NotFound
from orchestrator.emulator import Emulator, Fault, Kind, Options, Quirks, World, WorldOutline
from tests.accounts.conftest import hub_of

APIS = ["2020-03-31", "2022-04-19"]


def world(accounts: int = 5, **more: Any) -> World:
    """An organization without much in it."""
    return World.generate(WorldOutline(seed=3, accounts=accounts, region_ids=1, groups_per_account=1, **more))


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("listed", [True, False], ids=["management is listed", "management is not listed"])
async def test_every_member_and_the_management_account_are_found(api: str, listed: bool) -> None:  # noqa: FBT001 - a parameter
    """250 members take several pages of either API; the management account is in scope in any case, once."""
    options = Options(quirks=Quirks(management_in_list_accounts=listed))
    async with hub_of(world(250), options) as hub:
        found = await discover(hub.call, OrganizationSettings(api=api), hub.account_id)
    going = {id_ for id_, member in hub.organization.members.items() if member.deletion_status}
    left_out = going if api == "2022-04-19" else set()
    ids = [account.account_id for account in found.accounts]
    assert set(ids) == set(hub.emulator.world.account_ids) - left_out
    assert len(ids) == len(set(ids))
    assert {skipped.account_id for skipped in found.skipped} == left_out
    assert [account.account_id for account in found.accounts if account.is_management] == [hub.account_id]
    assert [account.account_id for account in found.accounts if account.is_hub] == [hub.account_id]
    assert list(found.accounts) == sorted(found.accounts, key=lambda account: account.account_id)


@pytest.mark.parametrize("api", APIS)
async def test_folders_are_walked_to_the_end_and_named_by_their_paths(api: str) -> None:
    """Each member carries the ids and display names of its folders from the root on, and its tags."""
    async with hub_of(world(40)) as hub:
        found = await discover(hub.call, OrganizationSettings(api=api), hub.account_id)
        organization = hub.organization
    depths = set()
    for account in found.accounts:
        if account.is_management:
            assert (account.folder_ids, account.folder_path) == ((), "")
            continue
        member = organization.members[account.account_id]
        assert account.folder_ids[-1] == member.folder_id
        assert account.folder_path.startswith("Root")
        assert account.folder_path.count("/") == len(account.folder_ids) - 1
        assert dict(account.tags) == {tag.key: tag.value for tag in member.tags}
        depths.add(len(account.folder_ids))
    assert len(depths) > 1


async def test_a_delegated_administrator_sweeps_the_management_account_too() -> None:
    """The hub is a member then; the management account is in scope although it is not the hub."""
    async with hub_of(world(hub="delegated")) as hub:
        found = await discover(hub.call, OrganizationSettings(), hub.account_id)
    (management,) = (account for account in found.accounts if account.is_management)
    (own,) = (account for account in found.accounts if account.is_hub)
    assert management.account_id == hub.organization.management.account_id != own.account_id


async def test_a_hub_that_may_not_list_accounts_gets_a_clear_error() -> None:
    """It is Denied, and names the action that was refused."""
    async with hub_of(world(hub="member")) as hub:
        with pytest.raises(Denied) as caught:
            await discover(hub.call, OrganizationSettings(), hub.account_id)
    assert caught.value.request_id
    assert caught.value.action in ("ListAccounts", "ListFoldersForParent", "GetResourceDirectory")


async def test_filters_narrow_and_say_what_they_left_out() -> None:
    """Folder, tag, include and exclude: every account is either visited or skipped with its reason."""
    async with hub_of(world(40)) as hub:
        everything = await discover(hub.call, OrganizationSettings(), hub.account_id)
        some = everything.accounts[5]
        folder = next(a.folder_path for a in everything.accounts if a.folder_path.count("/") >= 1)
        folder_id = next(a.folder_ids[1] for a in everything.accounts if len(a.folder_ids) > 1)
        tag = next(a.tags[0] for a in everything.accounts if a.tags)
        of_one_key = {one for a in everything.accounts for one in a.tags if one[0] == tag[0]}
        of_two_keys = set(next(a.tags[:2] for a in everything.accounts if len(a.tags) > 1))
        cases: list[tuple[OrganizationSettings, Any]] = [
            (OrganizationSettings(include=(some.account_id,)), lambda a: a.account_id == some.account_id),
            (OrganizationSettings(include=("*-prod-*",)), lambda a: "-prod-" in a.name),
            (OrganizationSettings(exclude=("*-prod-*",)), lambda a: "-prod-" not in a.name),
            (
                OrganizationSettings(folders=(folder,)),
                lambda a: (a.folder_path + "/").startswith(folder + "/"),
            ),
            (
                OrganizationSettings(folders=(folder.removeprefix("Root/"),)),
                lambda a: (a.folder_path + "/").startswith(folder + "/"),
            ),
            (OrganizationSettings(folders=(folder_id,)), lambda a: folder_id in a.folder_ids),
            (OrganizationSettings(tags=("=".join(tag),)), lambda a: tag in a.tags),
            (OrganizationSettings(tags=(tag[0],)), lambda a: tag[0] in dict(a.tags)),
            (OrganizationSettings(tags=(tag[0][:-1] + "*",)), lambda a: tag[0] in dict(a.tags)),
            (
                OrganizationSettings(tags=tuple("=".join(one) for one in of_one_key)),
                lambda a: of_one_key & set(a.tags),
            ),
            (
                OrganizationSettings(tags=tuple("=".join(one) for one in of_two_keys)),
                lambda a: of_two_keys <= set(a.tags),
            ),
            (
                OrganizationSettings(folders=(folder,), tags=tuple("=".join(one) for one in of_one_key)),
                lambda a: (a.folder_path + "/").startswith(folder + "/") and of_one_key & set(a.tags),
            ),
            (OrganizationSettings(include_hub=False), lambda a: not a.is_hub),
        ]
        for organization, wanted in cases:
            found = await discover(hub.call, organization, hub.account_id)
            assert {a.account_id for a in found.accounts} == {
                a.account_id for a in everything.accounts if wanted(a)
            }
            assert len(found.accounts) + len(found.skipped) == len(everything.accounts)
            assert all(skipped.reason for skipped in found.skipped)


@pytest.mark.parametrize(
    ("organization", "names"),
    [
        (OrganizationSettings(include=("nobody-*",)), "nobody-"),
        (OrganizationSettings(exclude=("nobody-*",)), "nobody-"),
        (OrganizationSettings(folders=("Root/Nowhere",)), "Root/Nowhere"),
        (OrganizationSettings(folders=("fd-nowhere",)), "fd-nowhere"),
        (OrganizationSettings(tags=("owner=nobody at all",)), "owner=nobody at all"),
        (OrganizationSettings(exclude=("*",)), "no account is left"),
    ],
)
async def test_a_filter_that_matches_nothing_is_an_error(
    organization: OrganizationSettings, names: str
) -> None:
    """A typing error never becomes an empty sweep, nor one of too much."""
    async with hub_of(world()) as hub:
        with pytest.raises(DiscoveryError, match=names.replace("*", r"\*")):
            await discover(hub.call, organization, hub.account_id)


async def test_accounts_being_deleted_are_left_out_by_the_newer_api() -> None:
    """They are Skipped with their deletion status; the older API does not tell and visits them."""
    async with hub_of(world()) as hub:
        gone = hub.member_ids[0]
        member = hub.organization.members[gone]
        hub.organization.members[gone] = msgspec.structs.replace(member, deletion_status="Deleting")
        newer = await discover(hub.call, OrganizationSettings(api="2022-04-19"), hub.account_id)
        older = await discover(hub.call, OrganizationSettings(api="2020-03-31"), hub.account_id)
    assert (gone, "the account is being deleted (Deleting)") in [
        (skipped.account_id, skipped.reason) for skipped in newer.skipped
    ]
    assert gone in {account.account_id for account in older.accounts}


async def test_a_static_list_asks_nobody() -> None:
    """The accounts are those listed, once each, and the hub unless it is left out."""
    async with hub_of(world()) as hub:
        ids = (hub.member_ids[0], hub.member_ids[1], hub.member_ids[0])
        found = await discover(hub.call, OrganizationSettings(source="static", accounts=ids), hub.account_id)
        without = await discover(
            hub.call, OrganizationSettings(source="static", accounts=ids, include_hub=False), hub.account_id
        )
        assert hub.actions() == []
    assert {account.account_id for account in found.accounts} == {*ids, hub.account_id}
    assert {account.account_id for account in without.accounts} == set(ids)


@pytest.mark.parametrize(
    ("made", "names"),
    [
        (lambda: OrganizationSettings(source="ldap"), "source"),
        (lambda: OrganizationSettings(api="1999"), "api"),
        (lambda: OrganizationSettings(source="static"), "accounts"),
        (lambda: OrganizationSettings(source="static", accounts=("1",), folders=("x",)), "folders and tags"),
        (lambda: OrganizationSettings(accounts=("1", "prod")), "accounts holds 'prod'"),
        (lambda: OrganizationSettings(role=""), "role is empty"),
        (lambda: OrganizationSettings(remediation_role=""), "remediation_role is empty"),
        (lambda: OrganizationSettings(session_seconds=899), "session_seconds is 899; give 900 to 43200"),
        (lambda: OrganizationSettings(session_seconds=43201), "session_seconds is 43201"),
    ],
)
def test_a_wrong_organization_is_named(made: Any, names: str) -> None:
    """The error names the key."""
    with pytest.raises(OrganizationError, match=names):
        made()


def test_the_external_id_is_not_shown() -> None:
    """Settings are logged; secrets are not."""
    assert "secret" not in repr(OrganizationSettings(external_id="secret"))


async def test_a_list_that_contradicts_itself_is_an_error() -> None:
    """A page that comes empty before its time, as where a permission is missing, is no shorter list."""
    async with hub_of(world(), Options(faults=(Fault(kind=Kind.EMPTY, action="ListAccounts"),))) as hub:
        with pytest.raises(DiscoveryError, match="ListAccounts"):
            await discover(hub.call, OrganizationSettings(), hub.account_id)


async def test_a_repeated_page_token_is_an_error() -> None:
    """The newer API's token paging never goes round in circles."""
    fault = Fault(kind=Kind.REPEATED_TOKEN, action="ListAccounts")
    async with hub_of(world(250), Options(faults=(fault,))) as hub:
        with pytest.raises(DiscoveryError, match="page token"):
            await discover(hub.call, OrganizationSettings(api="2022-04-19"), hub.account_id)


async def test_passing_faults_do_not_change_what_is_found() -> None:
    """Resets, errors and cut answers are tried again beneath."""
    faults = tuple(
        Fault(kind=kind, count=1) for kind in (Kind.RESET_BEFORE, Kind.UNAVAILABLE, Kind.TRUNCATED)
    )
    async with hub_of(world(40), Options(faults=faults)) as hub:
        found = await discover(hub.call, OrganizationSettings(), hub.account_id)
    assert len(found.accounts) == 41


class Directory:
    """A directory that answers with one folder and these pages of accounts."""

    def __init__(self, *pages: dict[str, Any]) -> None:
        self._pages = pages

    async def call_api_async(self, params: Any, request: Any, _: Any) -> dict[str, Any]:
        """Answer."""
        if params.action == "GetResourceDirectory":
            return {"body": {"ResourceDirectory": {"MasterAccountId": "1", "RootFolderId": "r-1"}}}
        if params.action == "ListFoldersForParent":
            return {"body": {"Folders": {"Folder": []}, "TotalCount": 0}}
        return {"body": self._pages[request.query["PageNumber"] - 1]}


def page(*ids: object, **more: object) -> dict[str, Any]:
    """A page of ListAccounts."""
    return {"Accounts": {"Account": [{"AccountId": one} for one in ids]}, **more}


@pytest.mark.parametrize(
    ("pages", "names"),
    [
        ([page("2")], "how many"),
        ([page("2", TotalCount=None)], "how many"),
        ([page("2", "3", TotalCount=4), page("5", TotalCount=3)], "changed while it was read"),
        ([page("2", "2", TotalCount=2)], "2 are counted, but 1 were given"),
        ([page("2", "2", "3", TotalCount=2)], "came twice"),
        ([page("../../x", TotalCount=1)], "whose id is none"),
        ([page("2/role", TotalCount=1)], "whose id is none"),
        ([page(None, TotalCount=1)], "whose id is none"),
        ([{"Accounts": {"Account": ["2"]}, "TotalCount": 1}], "no list Accounts.Account"),
        (
            [{"Accounts": {"Account": [{"AccountId": "2", "Tags": ["x"]}]}, "TotalCount": 1}],
            "tags of account 2",
        ),
        (
            [{"Accounts": {"Account": [{"AccountId": "2", "Tags": {"Tag": 0}}]}, "TotalCount": 1}],
            "tags of account 2",
        ),
    ],
)
async def test_a_list_that_may_be_short_or_strange_is_an_error(pages: list[Any], names: str) -> None:
    """No account is left out because a count is missing or a page has moved; an id is nothing but digits."""
    with pytest.raises(DiscoveryError, match=names):
        await discover(Directory(*pages), OrganizationSettings(), "1")


async def test_an_account_outside_any_directory_is_told_so() -> None:
    """What GetResourceDirectory refuses reaches the caller with its code."""

    class NoDirectory:
        async def call_api_async(self, params: Any, *_: Any) -> dict[str, Any]:
            raise NotFound(code="ResourceDirectoryNotInUse", message="no directory", action=params.action)

    with pytest.raises(NotFound, match="ResourceDirectoryNotInUse"):
        await discover(NoDirectory(), OrganizationSettings(), "1")


def test_the_emulator_is_what_was_asked() -> None:
    """The world these tests stand on has folders and tags."""
    made = Emulator(world(40)).world.organization
    assert len(made.members) == 40
    assert any(member.tags for member in made.members.values())
