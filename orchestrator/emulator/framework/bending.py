"""The cloud that lies: answers are bent before they are sent, while the world stays as it is.

A bend is chosen by seed and by place (account, region, action and what was asked), not by the order of calls: the
same sweep is told the same lies however its calls interleave. What was bent is kept, so that a test can say which
lies a client swallowed. How an answer of each kind is bent stands in `bent_answers`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Final, TypeVar

import msgspec
from msgspec import Struct

from orchestrator.emulator.framework.question import CallQuestion

T = TypeVar("T")


class BendKind(StrEnum):
    """What is untrue about an answer."""

    EMPTIED = "emptied"
    """The list has no items."""
    CUT = "cut"
    """The list has fewer items than there are."""
    ENDED = "ended"
    """The page says that it is the last, though more follow."""
    REPEATED = "repeated"
    """Each item comes twice."""
    REPLACED = "replaced"
    """An item is missing, and another comes twice in its place: the number is right."""
    WRONG_TYPE = "wrong-type"
    """There is something else in place of the list: null, a text, a number, an object, a list of texts."""
    ABSENT = "absent"
    """The list's key is missing."""
    OTHER_ACCOUNT = "other-account"
    """The answer is about another account."""
    OTHER_REGION = "other-region"
    """The answer is about another region."""
    OTHER_GROUP = "other-group"
    """The answer is about another group, prefix list or port list than the one asked for."""
    STAR = "star"
    """Ids are "*", those of the answer itself or those of its items."""


BENDS: Final = tuple(BendKind)
CONSISTENT: Final = frozenset({BendKind.EMPTIED, BendKind.CUT})


class Bend(Struct, frozen=True, kw_only=True):
    """One lie: its kind and whom it is told.

    `account`, `region` and `action` are glob patterns; `rate` of the places within them are bent, each at most `count`
    times (None: whenever it is asked). `path` is the list that is bent, like `Instances.Instance`: by default the
    action's own, `*` for any one list of the answer, those within items included. `consistent` (EMPTIED and CUT of
    security groups, rules, and other paged lists) bends the whole list before it is divided into pages, and
    TotalCount or RuleCount with it: a lie without a contradiction. `masked` (OTHER_…) lets the answer carry the ids
    that were asked for.
    """

    kind: BendKind
    rate: float = 1.0
    count: int | None = None
    account: str = "*"
    region: str = "*"
    action: str = "*"
    path: str = ""
    consistent: bool = False
    masked: bool = False

    def __post_init__(self) -> None:
        if self.consistent and self.kind not in CONSISTENT:
            raise ValueError(f"only {', '.join(sorted(CONSISTENT))} can be consistent, not {self.kind}")

    def concerns(self, account_id: str, region_id: str, action: str) -> bool:
        """Whether calls of an action there are within its reach."""
        return (
            fnmatchcase(action, self.action)
            and fnmatchcase(account_id, self.account)
            and fnmatchcase(region_id, self.region)
        )


class Bent(Struct, frozen=True):
    """One answer that was bent. `place` is what was asked for; `path` the list, `before` and `after` its length."""

    kind: BendKind
    account_id: str
    region_id: str
    action: str
    place: str
    request_id: str
    path: str = ""
    before: int = 0
    after: int = 0
    consistent: bool = False


# What does not say what is asked for: the same place is asked again with another token, name or page size.
_NOT_PLACE: Final = frozenset(
    {
        "RegionId", "MaxResults", "PageSize", "ClientToken", "RoleSessionName", "Policy", "SourceIdentity",
        "ExternalId", "DurationSeconds", "Direction", "NicType", "Attribute",
    }
)  # fmt: skip
_PAGE: Final = frozenset({"NextToken", "PageNumber"})

Bender = Callable[[CallQuestion, dict[str, object]], dict[str, object] | None]
"""Bends an answer by hand: the call and the plain answer in, another answer out, None to leave it."""


def place_of(context: CallQuestion, *, paged: bool = True) -> str:
    """What a call asks for, without what varies from call to call; with the page unless said."""
    left_out = _NOT_PLACE if paged else _NOT_PLACE | _PAGE
    wire = context.parameters.wire
    return "&".join(f"{name}={wire[name]}" for name in sorted(wire) if name not in left_out)


class Bends:
    """The lies in force, what was bent so far, and benders by hand (`by_hand`), which come last."""

    def __init__(self, bends: Iterable[Bend] = (), seed: int = 0) -> None:
        self._seed = seed
        self.active: tuple[Bend, ...] = ()
        self.log: list[Bent] = []
        self.by_hand: list[Bender] = []
        self._told: dict[tuple[int, str], int] = {}
        self.set(bends)

    def set(self, bends: Iterable[Bend], seed: int | None = None) -> None:
        """Replace all bends, and the seed where given; counts begin anew, the log goes on."""
        self.active = tuple(bends)
        self._told.clear()
        if seed is not None:
            self._seed = seed

    def clear(self) -> None:
        """Tell the truth from now on, and forget what was bent."""
        self.set(())
        self.by_hand.clear()
        self.log.clear()

    def chosen(self, context: CallQuestion) -> tuple[int, Bend, random.Random] | None:
        """The bend of this answer, with its position and its dice; consistent ones strike elsewhere."""
        if not self.active:
            return None
        place = place_of(context)
        where = (context.account_id, context.region_id, context.operation.action)
        for index, bend in enumerate(self.active):
            if not bend.consistent and bend.concerns(*where):
                dice = self._dice(index, *where, place)
                times = self._times(index, (*where, place))
                if dice.random() < bend.rate and (bend.count is None or times < bend.count):
                    return index, bend, dice
        return None

    def shortened(self, context: CallQuestion, items: Sequence[T]) -> Sequence[T]:
        """A whole list before its pages are made, without what a consistent bend leaves out of it."""
        if not self.active:
            return items
        place = place_of(context, paged=False)
        is_further = not _PAGE.isdisjoint(context.parameters.wire) and not _is_first(context)
        found = self._left(context, context.operation.action, place, len(items), is_further=is_further)
        if found is None:
            return items
        index, bend, left = found
        if not is_further:
            self.told(index, _bent(context, bend, place, (len(items), left)))
        return items[:left]

    def counted(self, context: CallQuestion, group_id: str, items: Sequence[T]) -> Sequence[T]:
        """The rules of a group as a listing counts them: what their own answer will leave out is not counted."""
        if not self.active:
            return items
        place = f"SecurityGroupId={group_id}"
        found = self._left(context, "DescribeSecurityGroupAttribute", place, len(items), is_further=False)
        return items if found is None else items[: found[2]]

    def told(self, index: int, bend: Bent) -> None:
        """Keep what was bent."""
        where = "/".join((bend.account_id, bend.region_id, bend.action, bend.place))
        self._told[index, where] = self._told.get((index, where), 0) + 1
        self.log.append(bend)

    def _times(self, index: int, where: tuple[str, ...]) -> int:
        return self._told.get((index, "/".join(where)), 0)

    def _dice(self, index: int, *where: str) -> random.Random:
        return random.Random("/".join((str(self._seed), str(index), *where)))

    def _left(
        self, context: CallQuestion, action: str, place: str, size: int, *, is_further: bool
    ) -> tuple[int, Bend, int] | None:
        """The consistent bend of a list, and how many of its items it leaves; further pages go with the first."""
        where = (context.account_id, context.region_id, action)
        for index, bend in enumerate(self.active):
            if not bend.consistent or not size or not bend.concerns(*where):
                continue
            dice = self._dice(index, *where, place)
            times = self._times(index, (*where, place)) - is_further
            if dice.random() < bend.rate and (bend.count is None or times < bend.count):
                return index, bend, 0 if bend.kind is BendKind.EMPTIED else dice.randrange(size)
        return None


def _is_first(context: CallQuestion) -> bool:
    wire = context.parameters.wire
    return not wire.get("NextToken") and wire.get("PageNumber", "1") == "1"


def _bent(context: CallQuestion, bend: Bend, place: str, sizes: tuple[int, int]) -> Bent:
    return Bent(
        kind=bend.kind,
        account_id=context.account_id,
        region_id=context.region_id,
        action=context.operation.action,
        place=place,
        request_id=context.request_id,
        path=".".join(context.operation.listing),
        before=sizes[0],
        after=sizes[1],
        consistent=True,
    )


def read_bends(data: bytes) -> tuple[Bend, ...]:
    """Bends from JSON: a list of objects with Bend's fields; ValueError says what is wrong."""
    try:
        return msgspec.json.decode(data, type=tuple[Bend, ...])
    except msgspec.MsgspecError as error:
        raise ValueError(f"bends: {error}") from None
