"""What stands in the cloud already, as a run has read it: the rules of existing groups, and the lists they name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from orchestrator.iac.values import IacError
from orchestrator.journal import Observed, Reader, SqliteReader
from orchestrator.policy import Finding
from orchestrator.securitygroup import Lists, SecurityGroup, Unreadable


class Existing(msgspec.Struct, frozen=True):
    """The groups that a run has read.

    Attributes:
        run: its folder and time, for people.
        groups: those that it keeps in full, by id: the ones with findings.
        empty: ids of those that have no rule.
        passed: ids of those that it read and found nothing in: it keeps no rules of these.
        in_part: ids of those of which it was given fewer rules than counted.
        lists: the prefix and port lists that it has read.
    """

    run: str = ""
    groups: Mapping[str, SecurityGroup] = {}
    empty: frozenset[str] = frozenset()
    passed: frozenset[str] = frozenset()
    in_part: frozenset[str] = frozenset()
    lists: Lists = Lists()


NOTHING = Existing()


def existing(folder: Path) -> Existing:
    """Read what a run has seen.

    Raises:
        JournalError: the folder is no run, or is damaged.
        IacError: two groups of the run have the same id.
    """
    groups: dict[str, SecurityGroup] = {}
    prefix_lists: dict[str, tuple[str, ...] | Unreadable] = {}
    port_lists: dict[str, tuple[str, ...] | Unreadable] = {}
    in_part = set()
    with SqliteReader(folder) as reader:
        for seen in _observed(reader):
            if (
                seen.security_group_id in groups
            ):  # ids are given by the cloud: two of one would be a forged run
                raise IacError(f"{folder}: two groups have the id {seen.security_group_id}")
            groups[seen.security_group_id] = seen.group()
            if reader.is_unreachable(seen.placement.account_id, seen.region_id, seen.security_group_id):
                in_part.add(seen.security_group_id)
            prefix_lists |= seen.lists.prefix_lists
            port_lists |= seen.lists.port_lists
        counts = {one.security_group_id: one.rules for one in reader.groups_seen()}
        created = reader.header.created_at
    return Existing(
        run=f"run {folder} of {created[:16]}",
        groups=groups,
        empty=frozenset([group_id for group_id, rules in counts.items() if not rules]),
        passed=frozenset([group_id for group_id, rules in counts.items() if rules]) - groups.keys(),
        in_part=frozenset(in_part),
        lists=Lists(prefix_lists, port_lists),
    )


def _observed(reader: Reader) -> Iterator[Observed]:
    return (seen for seen, _ in reader.observed(Finding))
