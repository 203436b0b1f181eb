"""Who owns a group, for whom a report is to be: taken from the first place that says so, and told with that place.

It decides nothing but who is told: an owner exempts from nothing, so that members can write it does no harm.
"""

from collections import Counter
from collections.abc import Iterable, Mapping

import msgspec

from matching import named, tagged, within
from orchestrator.policy.checks import PolicyError
from orchestrator.securitygroup import SecurityGroup

BY_NAME, BY_ID = "the account's name", "the account's id"
"""From where an owner is taken that nobody has named."""

Tags = Iterable[tuple[str, str]]

_MATCHERS = ("account", "folder", "account_tag", "region", "group")


class OwnerEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An entry of the mapping. Each key that is given must match, by one of its values, as `matching` says.

    owner: who it is.
    account: an id or a name. folder: an id, or a path of names. account_tag: "key=value" or "key".
    region: an id. group: an id or a name.
    """

    owner: str
    account: tuple[str, ...] = ()
    folder: tuple[str, ...] = ()
    account_tag: tuple[str, ...] = ()
    region: tuple[str, ...] = ()
    group: tuple[str, ...] = ()


class Owners(msgspec.Struct, frozen=True):
    """Where owners are looked for.

    Attributes:
        tags: keys of tags whose value names the owner, the first that is there.
        entries: of the mapping, the first that matches.
    """

    tags: tuple[str, ...] = ()
    entries: tuple[OwnerEntry, ...] = ()


class Owner(msgspec.Struct, frozen=True):
    """Who owns a group, and from where that is known, in a few words."""

    name: str
    taken_from: str


def parse_owners(tables: object, name: str) -> tuple[OwnerEntry, ...]:
    """The entries of a mapping, `[[owners]]`; raises PolicyError that says which one is wrong and why."""
    if not isinstance(tables, list | tuple):
        raise PolicyError(f"{name}: must be a list of tables, [[owners]]")
    return tuple([_entry(table, f"{name}: owner {number}") for number, table in enumerate(tables, 1)])


def _entry(table: object, label: str) -> OwnerEntry:
    if not isinstance(table, Mapping):
        raise PolicyError(f"{label}: is not a table")
    fields = {**table}
    for key in _MATCHERS:
        if isinstance(fields.get(key), str):
            fields[key] = [fields[key]]
    try:
        entry = msgspec.convert(fields, OwnerEntry)
    except msgspec.ValidationError as error:
        raise PolicyError(f"{label}: {error}") from None
    if not entry.owner.strip():
        raise PolicyError(f"{label}: owner is empty")
    if not any(getattr(entry, key) for key in _MATCHERS):
        raise PolicyError(f"{label}: matches everything; say at least one of {', '.join(_MATCHERS)}")
    return entry


def owner_of(owners: Owners, group: SecurityGroup, instances: Iterable[Tags] = (), vpc: Tags = ()) -> Owner:
    """The owner of a group: by a tag of it, of its instances, VPC or account, the mapping, the account's name.

    Of several instances the owner that most of them name. Without a name of the account it is the account's id.
    """
    places = (
        ("the group's tag", [group.tags]),
        ("the tag of its instances,", list(instances)),
        ("the tag of its VPC,", [vpc]),
        ("the account's tag", [group.placement.tags]),
    )
    for what, carriers in places:
        for key in owners.tags:
            if name := _most_common(key, carriers):
                return Owner(name, f"{what} {key}")
    for entry in owners.entries:
        if _matches(entry, group):
            return Owner(entry.owner, "the mapping")
    placement = group.placement
    if placement.account_name:
        return Owner(placement.account_name, BY_NAME)
    return Owner(placement.account_id, BY_ID)


def _most_common(key: str, carriers: Iterable[Tags]) -> str:
    found = Counter(value.strip() for tags in carriers for its_key, value in tags if its_key == key)
    del found[""]
    return min(found, key=lambda name: (-found[name], name)) if found else ""


def _matches(entry: OwnerEntry, group: SecurityGroup) -> bool:
    place = group.placement
    return all(
        (
            not entry.account or named(entry.account, place.account_id, place.account_name),
            not entry.folder or within(entry.folder, place.folder_ids, place.folder_path),
            not entry.account_tag or tagged(entry.account_tag, place.tags),
            not entry.region or named(entry.region, group.region_id, ""),
            not entry.group or named(entry.group, group.security_group_id, group.name),
        )
    )
