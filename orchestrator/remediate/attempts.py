"""Calls for several targets at once, and what became of them: a refusal hits only what was refused."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial

from orchestrator.cloud.errors import ApiError, CloudError, NotFound, Unavailable
from orchestrator.remediate.calls import is_rule_gone

_ABOUT_ALL = (
    "InvalidOperation.ResourceManagedByCloudProduct",
    "InvalidSecurityGroupId.",
    "InvalidRegionId.",
    "InvalidAction",
    "UnsupportedHTTPMethod",
    "VPCDisabled",
)
"""How the codes begin that are about the group, the region or the call, whichever rules it holds (ECS error table)."""

Call = Callable[[int], Awaitable[str]]
"""Makes a call, given how often it was answered before; returns its RequestId."""


class Attempts:
    """What the calls on one group came to, by the key of each target.

    Attributes:
        errors: of the last call that failed for a target.
        request_ids: of the last call that was answered for a target.
    """

    def __init__(self) -> None:
        self.errors: dict[str, CloudError] = {}
        self.request_ids: dict[str, str] = {}
        self._answered: dict[str, int] = {}

    async def make(self, keys: Iterable[str], what: Sequence[str], call: Call) -> CloudError | None:
        """Make one call for the targets of these keys; keep its RequestId, or return its error."""
        name = " ".join(what)
        answered = self._answered.get(name, 0)
        try:
            request_id = await call(answered)
        except CloudError as error:
            if not isinstance(error, Unavailable):
                self._answered[name] = answered + 1
            return error  # no answer: the same ClientToken again, so that it is done once at most
        if request_id:  # there is none where nothing was left to call for
            self.request_ids.update(dict.fromkeys(keys, request_id))
        self._answered[name] = answered + 1
        return None

    async def make_all(
        self,
        word: str,
        batch: Sequence[str],
        owners: Mapping[str, Sequence[str]],
        call: Callable[[Sequence[str], int], Awaitable[str]],
    ) -> None:
        """Make one call for all of the batch; where it is refused for what it holds, for ever smaller parts of it.

        One rule that the API does not take refuses the whole call. Parts are divided between targets as long as there
        are several, so that those which are not refused end in few calls.

        Args:
            word: names the call: "add", "remove" or "take back".
            batch: the items, such as rule ids.
            owners: the keys of the targets that each item is for.
            call: makes the call for some of the items, given how often it was answered before; returns its RequestId.
        """
        keys = list(dict.fromkeys(key for item in batch for key in owners[item]))
        error = await self.make(keys, (word, *batch), partial(call, batch))
        if error is None:
            return
        parts = _halves(batch, keys, owners) if is_about_the_request(error) else ()
        if not parts:
            self.errors.update(dict.fromkeys(keys, error))
        for part in parts:
            await self.make_all(word, part, owners, call)


def is_about_the_request(error: CloudError) -> bool:
    """Tell whether the call was refused for what it asks, not for who asks or when: part of it may be taken.

    A rule that is gone is another matter: the group is read again, and shows which. So is a reading that was refused,
    and a group that takes no call at all.
    """
    is_change = error.action.startswith(("Authorize", "Modify", "Revoke"))
    is_of_one = not is_rule_gone(error) and not error.code.startswith(_ABOUT_ALL)
    return is_change and is_of_one and isinstance(error, (ApiError, NotFound))


def _halves(
    batch: Sequence[str], keys: Sequence[str], owners: Mapping[str, Sequence[str]]
) -> tuple[list[str], ...]:
    """Divide the items between the targets; () where they are all one target's, or cannot be told apart."""
    first_keys = set(keys[: len(keys) // 2])
    first = [item for item in batch if first_keys & set(owners[item])]
    second = [item for item in batch if not first_keys & set(owners[item])]
    return (first, second) if first and second else ()
