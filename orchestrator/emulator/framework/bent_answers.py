"""How an answer is bent: its lists, its ids, or what it is about. The world itself is never touched."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from orchestrator.emulator.framework.bending import Bend, BendKind, Bent, place_of
from orchestrator.emulator.framework.elsewhere import answer_elsewhere
from orchestrator.emulator.framework.operations import Answer, Context

Path = tuple[str | int, ...]
_WRONG: Final[tuple[Any, ...]] = (None, "", "none", 0, True, {}, ["x"], [None], [[]])
_ACCOUNT: Final = re.compile(r"\d{16}")


def bent(context: Context, answer: Answer) -> tuple[Answer, str]:
    """The answer as it is sent, and the kind of lie in it ("" for the truth; "by-hand" for a bender's)."""
    bends = context.state.bends
    if context.operation.mutating or not (bends.active or bends.by_hand):
        return answer, ""
    kind = ""
    chosen = bends.chosen(context)
    if chosen is not None:
        index, bend, dice = chosen
        lie = _bend(context, answer, bend, dice)
        if lie is not None:
            answer, told = lie
            bends.told(index, told)
            kind = bend.kind.value
    for bender in bends.by_hand:
        other = bender(context, _plain(answer))
        if other is not None:
            answer, kind = other, kind or "by-hand"
    return answer, kind


def _plain(answer: Answer) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(answer))
    return found


def _bend(
    context: Context, answer: Answer, bend: Bend, dice: random.Random
) -> tuple[dict[str, Any], Bent] | None:
    """The bent answer and a note of it; None where the bend has no effect on this one."""
    truth = _plain(answer)
    path: Path = ()
    if bend.kind in {BendKind.OTHER_ACCOUNT, BendKind.OTHER_REGION, BendKind.OTHER_GROUP}:
        found = answer_elsewhere(context, truth, bend.kind, dice, masked=bend.masked)
        lie = None if found is None else _plain(found)
    elif bend.kind is BendKind.STAR:
        lie = _starred(context, _plain(answer), dice)
    elif bend.kind is BendKind.ENDED:
        lie = {**truth, "NextToken": ""} if truth.get("NextToken") else None
    else:
        lie = _plain(answer)
        paths = _paths(context, lie, bend.path)
        path = dice.choice(paths) if paths else ()
        lie = _put(lie, path, bend.kind, dice) if path else None
    if lie is None or lie == truth:
        return None
    note = Bent(
        kind=bend.kind,
        account_id=context.account_id,
        region_id=context.region_id,
        action=context.operation.action,
        place=place_of(context),
        request_id=context.request_id,
        path=".".join(map(str, path)),
        before=_size(_at(truth, path)),
        after=_size(_at(lie, path)),
    )
    return lie, note


# --- lists


def _paths(context: Context, answer: dict[str, Any], asked: str) -> list[Path]:
    """The lists that may be bent; of an answer without a list its objects."""
    if asked == "*":
        return list(_lists(answer))
    if asked:
        return [path for path in _lists(answer) if ".".join(map(str, path)) == asked]
    if context.operation.listing:
        return [context.operation.listing] if _at(answer, context.operation.listing) is not None else []
    return [(key,) for key, value in answer.items() if isinstance(value, dict)]


def _lists(value: object, path: Path = ()) -> Iterator[Path]:
    """The path of every list, outer ones first."""
    if isinstance(value, list):
        yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        yield from _lists(item, (*path, key))


def _at(value: Any, path: Path) -> Any:  # noqa: ANN401 - JSON
    for key in path:
        try:
            value = value[key]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def _size(value: object) -> int:
    return len(value) if isinstance(value, list | dict) else 0


def _put(answer: dict[str, Any], path: Path, kind: BendKind, dice: random.Random) -> dict[str, Any]:
    """The answer with the list at `path` bent."""
    outer = _at(answer, path[:-1])
    if kind is BendKind.ABSENT and isinstance(outer, dict):
        del outer[path[-1]]
    elif kind is BendKind.WRONG_TYPE:
        outer[path[-1]] = dice.choice(_WRONG)
    else:
        outer[path[-1]] = _changed(outer[path[-1]], kind, dice)
    return answer


def _changed(value: Any, kind: BendKind, dice: random.Random) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, dict):
        kept = [] if kind is BendKind.EMPTIED else list(value)[: len(value) // 2]
        return {key: value[key] for key in kept} if kind in {BendKind.EMPTIED, BendKind.CUT} else value
    if kind is BendKind.EMPTIED:
        return []
    if kind is BendKind.CUT and value:
        left_out = set(dice.sample(range(len(value)), dice.randint(1, max(1, len(value) - 1))))
        return [one for index, one in enumerate(value) if index not in left_out]
    if kind is BendKind.REPEATED:
        return [one for one in value for _ in range(2)]
    if kind is BendKind.REPLACED and len(value) > 1:
        lost, twice = dice.sample(range(len(value)), 2)
        return [value[twice] if index == lost else one for index, one in enumerate(value)]
    return value


# --- ids


def _starred(context: Context, answer: dict[str, Any], dice: random.Random) -> dict[str, Any]:
    """Ids are "*": of the answer and its objects, or of one of its items."""
    items = _at(answer, context.operation.listing) if context.operation.listing else []
    objects = [answer, *(value for value in answer.values() if isinstance(value, dict))]
    own = [one for one in objects if _ids(one)]
    of_items = (
        [one for one in items if isinstance(one, dict) and _ids(one)] if isinstance(items, list) else []
    )
    chosen = [dice.choice(of_items)] if of_items and (not own or dice.random() < 0.5) else own
    for one in chosen:
        for key in _ids(one):
            one[key] = _ACCOUNT.sub("*", one[key]) if key.endswith("Arn") else "*"
    return answer


def _ids(value: dict[str, Any]) -> list[str]:
    return [
        key
        for key, text in value.items()
        if isinstance(text, str) and text and key.endswith(("Id", "Arn")) and key not in _NO_IDS
    ]


_NO_IDS: Final = ("RequestId", "AccessKeyId")
