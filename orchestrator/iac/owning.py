"""What the owner of code is to change, in the owner's own words: values that `patching` makes and `run` writes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec


class Wanted(msgspec.Struct, frozen=True):
    """What a plan would do to one rule, and how it went in the code.

    Attributes:
        security_group_id: where.
        rule_id: the rule.
        action: `revoke`, `split`, `narrow` or `block`.
        address: of the rule in the code.
        file: where it is written; "" where its source is not at hand.
        line: in that file.
        patch: whether the patch changes it.
        why: why it does not, else "".
        snippet: what is to stand there instead, in the owner's language, where the patch does not do it.
    """

    security_group_id: str
    rule_id: str
    action: str
    address: str
    file: str = ""
    line: int | None = None
    patch: bool = False
    why: str = ""
    snippet: str = ""


class Patched(msgspec.Struct, frozen=True):
    """Patches and snippets for the rules of groups that code manages.

    Attributes:
        wanted: every rule that the plan would change and that the code declares.
        left: rules of the code that are open, and that no plan would change: why.
        unmanaged: open rules in groups of the code that the code does not declare, by group.
        patches: name and text of each patch file, in the order in which they are to be applied.
    """

    wanted: tuple[Wanted, ...] = ()
    left: tuple[tuple[str, str, str], ...] = ()
    unmanaged: tuple[tuple[str, str], ...] = ()
    patches: Mapping[str, str] = {}


class Edit(msgspec.Struct, frozen=True):
    """A part of a file that is to read otherwise."""

    path: Path
    start: int
    end: int
    text: str
