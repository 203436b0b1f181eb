"""Whether an account, a folder, a tag or a name is one that was asked for: one meaning, wherever it is asked.

Filters, exemptions, protections and the marks of code all ask here. A setting is a key with a list of values:

- The values of one key are alternatives: one that fits is enough. Different keys of one filter or exemption must
  all fit; of a filter by tags, each tag's key counts as a key of its own (`untagged`). A key without values asks for
  nothing, so there is nothing to ask here.
- An account or a security group is meant by its id or by its name. Both may be patterns: `*` is any text, `?` one
  character, `[ab]` one of these, and capitals count. In an exemption an id is written in full (`in_full`): there
  `sg-*` means the groups that people called so, never every group.
- A folder is meant by its id, or by its path of names with or without the root ("Root/Prod", "Prod"), patterns too.
  What lies below it is in it.
- A tag is meant by "key", whatever its value, or by "key=value", patterns too; "key=" is one without a value.

Each function answers with the first value that fits, so that a reason can name it, or "" if none does.

It stands beside the other packages and imports none: `accounts`, which may import nothing of `orchestrator`, filters
with it, and so do the pure rooms, which may not import `accounts`.
"""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

_ROOT = "Root/"  # how discovery calls the root folder


def named(values: Iterable[str], its_id: str, name: str, *, in_full: bool = False) -> str:
    """Return the first value that means an account or a group of this id and name.

    Args:
        values: ids, names or patterns of them.
        its_id: the id.
        name: "" where it has none, or none is known.
        in_full: no pattern fits the id.
    """
    texts = (name,) if in_full else (name, its_id)
    return next(
        (
            value
            for value in values
            if value and (value == its_id or any(_fits(text, value) for text in texts))
        ),
        "",
    )


def within(values: Iterable[str], folder_ids: Iterable[str], folder_path: str) -> str:
    """Return the first value that means one of these folders: the way from the root down, as ids and as names."""
    steps = folder_path.split("/")
    paths = ["/".join(steps[:end]) for end in range(1, len(steps) + 1)]
    paths += [path.removeprefix(_ROOT) for path in paths]
    ids = frozenset(folder_ids)
    return next(
        (
            value
            for value in values
            if value in ids or any(_fits(path, value.strip("/")) for path in paths if path)
        ),
        "",
    )


def tagged(values: Iterable[str], tags: Iterable[tuple[str, str]]) -> str:
    """Return the first value that means one of these tags: a key and its value."""
    carried = list(tags)
    return next((value for value in values if any(_is_tag(*tag, value) for tag in carried)), "")


def untagged(values: Iterable[str], tags: Iterable[tuple[str, str]]) -> str:
    """Return the first key that is asked for and that none of these tags has with a value asked for; "" if all do.

    `env=prod`, `env=test` and `team` ask for either environment, and for a team.
    """
    by_key: dict[str, list[str]] = {}
    for value in values:
        by_key.setdefault(value.partition("=")[0], []).append(value)
    carried = list(tags)
    return next((key for key, mine in by_key.items() if not tagged(mine, carried)), "")


def _fits(text: str, value: str) -> bool:
    return text == value or fnmatchcase(text, value)


def _is_tag(key: str, its_value: str, wanted: str) -> bool:
    wanted_key, equals, wanted_value = wanted.partition("=")
    return _fits(key, wanted_key) and (not equals or _fits(its_value, wanted_value))
