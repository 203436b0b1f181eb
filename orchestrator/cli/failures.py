"""Changes that failed, told by account and cause: one missing right fails a thousand rules, and is one to mend."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from orchestrator.journal import Outcome
    from orchestrator.report.words import Words

_REQUEST = re.compile(r" ?\(RequestId [^)]*\)|\b[0-9A-F]{8}(?:-[0-9A-F]{4}){3}-[0-9A-F]{12}\b")
_NUMBERS = re.compile(r"\d+")
_GROUPS, _PLACES = 10, 3  # told, and named of each; outcomes.jsonl has all


def failures(failed: Iterable[Outcome], names: Mapping[str, str], all_in: Path, words: Words) -> list[str]:
    """Return the lines, the most frequent cause first: how many rules where, why, and the first of them.

    Args:
        failed: changes that failed.
        names: of the accounts, by id.
        all_in: the file that has all of them.
        words: in which they are told.
    """
    groups: dict[tuple[str, str], list[Outcome]] = {}
    for one in failed:
        groups.setdefault((one.account_id, _cause(one)), []).append(one)
    lines: list[str] = []
    ordered = sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))
    for (account_id, _), alike in ordered[:_GROUPS]:
        extent, why = _extent(alike, words), words.retold(_reason(alike[0]))
        lines.append(words("screen.failed", account=_account(account_id, names), extent=extent, why=why))
        lines += _places(alike, words)
    left = ordered[_GROUPS:]
    if left:
        rules, accounts = (
            sum(len(alike) for _, alike in left),
            len({account_id for (account_id, _), _ in left}),
        )
        lines.append(words("screen.more_failed", n=rules, accounts=accounts, file=all_in))
    return lines


def _cause(one: Outcome) -> str:
    """Return the reason without what differs from rule to rule: where it was, numbers, the RequestId."""
    text = _REQUEST.sub("", one.reason)
    for own in (one.rule_id, one.security_group_id, one.region_id, one.account_id):
        text = text.replace(own, "") if own else text
    return _NUMBERS.sub("#", text)


def _account(account_id: str, names: Mapping[str, str]) -> str:
    name = names.get(account_id)
    return f"{account_id} ({name})" if name else account_id


def _extent(alike: Sequence[Outcome], words: Words) -> str:
    rules, groups = len(alike), len({(one.region_id, one.security_group_id) for one in alike})
    regions = Counter(one.region_id for one in alike)
    where = next(iter(regions)) if len(regions) == 1 else words("screen.many_regions", n=len(regions))
    return words("screen.extent", rules=rules, groups=groups, where=where)


def _reason(one: Outcome) -> str:
    asked = f" (RequestId {one.request_id})" if one.request_id and one.request_id not in one.reason else ""
    return f"{one.reason}{asked}"


def _places(alike: Sequence[Outcome], words: Words) -> Iterator[str]:
    for one in alike[:_PLACES]:
        yield f"  {one.region_id} {one.security_group_id} {one.rule_id}"
    if len(alike) > _PLACES:
        yield words("screen.more_rules", n=len(alike) - _PLACES)


def many(count: int, what: str) -> str:
    """Return "1 rule", "3 rules"."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"
