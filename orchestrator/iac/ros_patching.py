"""A change written into a ROS template: first what is added, then what goes, so that nothing is closed in between."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace

from orchestrator.iac.hcl import CannotEditError
from orchestrator.iac.owning import Wanted
from orchestrator.iac.patching import FolderChanges, Job, diff_text
from orchestrator.iac.ros import Template
from orchestrator.iac.templates import At
from orchestrator.iac.values import Fields

_WRITTEN = (
    "IpProtocol", "PortRange", "PortRangeListId", "SourcePortRange", "Policy", "Priority",
    *(name.format(side) for side in ("Source", "Dest")
      for name in ("{}CidrIp", "Ipv6{}CidrIp", "{}GroupId", "{}PrefixListId")),
)  # fmt: skip
_DEFAULTS = {"Policy": "accept", "Priority": "1"}


class _Swap(NamedTuple):
    """A part of the text, what comes beside it, and whether it stays."""

    start: int
    end: int
    between: str
    added: tuple[str, ...]
    stays: bool
    is_only: bool


class TemplateCode:
    """Collects the changes of one template."""

    def __init__(self, root: Path, path: Path, template: Template) -> None:
        self._root, self._path, self._template = root, path, template
        self._changes = FolderChanges()
        self._swaps: list[_Swap] = []
        self._names = set(template.text.data.get("Resources") or {})

    def change(self, job: Job) -> Wanted:
        """Write one change into the template; where that cannot be, say what is to stand there."""
        address = job.declared.address
        wanted = Wanted(
            security_group_id=job.group.security_group_id,
            rule_id=job.action.rule_id,
            action=job.action.action,
            address=address,
            file=str(self._path),
            line=self._template.line(address),
        )
        try:
            self._changes.make(job, lambda: self._swaps.append(self._swap(job)))
        except CannotEditError as error:
            return replace(wanted, why=str(error), snippet=_snippet(job))
        return replace(wanted, patch=True)

    def patches(self) -> tuple[str, str]:
        """What adds, and, to be applied when the stack has been updated, what removes."""
        text = self._template.text.text
        with_new, done = text, text
        for one in sorted(self._swaps, key=lambda swap: -swap.start):
            old = text[one.start : one.end]
            with_new = with_new[: one.start] + one.between.join([old, *one.added]) + with_new[one.end :]
            kept = [old] if one.stays else []
            done = _replaced(done, one, [*kept, *one.added])
        name = self._path.resolve().relative_to(self._root.resolve()).as_posix()
        return diff_text(name, text, with_new), diff_text(name, with_new, done)

    def _swap(self, job: Job) -> _Swap:
        at = self._template.places.get(job.declared.address, ())
        text, part = self._template.text.text, self._template.text.parts.get(at)
        if part is None:
            raise CannotEditError("where it stands in the text is not known")
        is_resource = len(at) == 2
        if is_resource and not job.stays and _is_named(self._template.text.data, str(at[1])):
            raise CannotEditError("other resources refer to it")
        if is_resource and "Count" in (self._template.text.data["Resources"][at[1]] or {}):
            raise CannotEditError("its Count makes several, and the others are not to change")
        start = part.start if part.key is None else part.key[0]
        end = start + len(_trimmed(text[start : part.end]))
        line_start = text.rfind("\n", 0, start) + 1
        before = text[line_start:start]
        is_shared = before.strip() not in ({"", "-"} if part.key is None else {""})
        if is_shared and not part.is_flow:
            raise CannotEditError("it stands in a line with others")
        if before.strip() == "-":
            start = line_start + before.index("-")
        indent = text[line_start:start]
        between = ", " if is_shared else f"{',' if part.is_flow else ''}\n{indent}"
        added = [self._written(job, at, piece.fields, (start, end)) for piece in job.pieces]
        items = self._template.text.data["Resources"]
        for step in at[1:-1]:
            items = items[step]
        return _Swap(start, end, between, tuple(added), job.stays, len(items) == 1)

    def _written(self, job: Job, at: At, fields: Fields, span: tuple[int, int]) -> str:
        """The text of the rule, with what differs replaced."""
        start, end = span
        text = self._template.text.text
        way = (*at, "Properties") if len(at) == 2 else at
        swaps: list[tuple[int, int, str]] = []
        for key in _WRITTEN:
            if _said(job.declared.fields, key) == _said(fields, key):
                continue
            part = self._template.text.parts.get((*way, key))
            if key not in fields or (part is not None and "\n" in text[part.start : part.end].strip()):
                raise CannotEditError(f"{key} is to change, and is not written as one value")
            if part is None:
                swaps.append(self._line(way, key, fields))
            else:
                swaps.append((part.start, part.end, _spelled(key, fields)))
        if len(at) == 2:
            key_span = self._template.text.parts[at].key
            if key_span is not None:
                swaps.append((*key_span, self._new_name(str(at[1]), text[slice(*key_span)])))
        new = text[start:end]
        for first, last, value in sorted(swaps, reverse=True):
            kept = text[first:last]
            trailing = kept[len(kept.rstrip()) :]
            new = new[: first - start] + value + trailing + new[last - start :]
        return new

    def _line(self, way: At, key: str, fields: Fields) -> tuple[int, int, str]:
        """One more property before the first that is written, as that one is."""
        text, parts = self._template.text.text, self._template.text.parts
        within = [part for at, part in parts.items() if at[:-1] == way and part.key is not None]
        first = min(within, key=lambda part: part.start, default=None)
        if first is None or first.key is None:
            raise CannotEditError(f"{key} is to be added, and where is not known")
        at = first.key[0]
        name = json.dumps(key) if text[at] == '"' else key
        line = text[text.rfind("\n", 0, at) + 1 : at]
        own = f"\n{re.sub(r'[^ ]', ' ', line)}" if not first.is_flow or not line.strip() else " "
        return at, at, f"{name}: {_spelled(key, fields)}{',' if first.is_flow else ''}{own}"

    def _new_name(self, name: str, spelled: str) -> str:
        number = 2
        while f"{name}{number}" in self._names:
            number += 1
        self._names.add(f"{name}{number}")
        return json.dumps(f"{name}{number}") if spelled.startswith('"') else f"{name}{number}"


def _replaced(text: str, swap: _Swap, texts: list[str]) -> str:
    """The text with these in the place of one; where none comes, its line goes, and its comma."""
    if texts:
        return text[: swap.start] + swap.between.join(texts) + text[swap.end :]
    if swap.is_only and swap.between.startswith(","):  # its brackets stay
        return text[: swap.start] + text[swap.end :].lstrip(" ")
    if swap.is_only:
        return (
            text[: swap.start] + ("{}" if "Type" in text[swap.start : swap.end] else "[]") + text[swap.end :]
        )
    before, after = text[: swap.start].rstrip(" "), text[swap.end :]
    if not swap.between.startswith(","):
        return before.removesuffix("\n") + after
    if after.lstrip().startswith(","):
        return before.removesuffix("\n") + after.lstrip()[1:]
    return before.rstrip().removesuffix(",") + after


def _trimmed(text: str) -> str:
    """The text without the empty lines and comments that follow it: they belong to what comes next."""
    return re.sub(r"(?:\s*\n[ \t]*(?:#[^\n]*)?)+$", "", text.rstrip())


def _said(fields: Fields, key: str) -> str:
    return str(fields.get(key) or _DEFAULTS.get(key, "")).lower()


def _spelled(key: str, fields: Fields) -> str:
    """A value as ROS takes it: it has words in small letters where the API has them otherwise."""
    value = fields[key]
    return json.dumps(value.lower() if key in {"IpProtocol", "Policy"} else value)


def _is_named(data: object, name: str) -> bool:
    """Whether anything of the template refers to a resource, or waits for it."""
    return any(one == name or one.startswith(f"{name}.") or f"${{{name}" in one for one in _texts(data))


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)


def _snippet(job: Job) -> str:
    """What is to stand in the template instead, with literal values."""
    said = "stays, and beside it stand" if job.stays else "goes, after these stand:" if job.pieces else "goes"
    items = [
        ", ".join([f'"{key}": {_spelled(key, piece.fields)}' for key in _WRITTEN if key in piece.fields])
        for piece in job.pieces
    ]
    return f"# {job.declared.address} {said}\n" + "".join([f"- {{{item}}}\n" for item in items])
