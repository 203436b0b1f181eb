"""What a plan would do to the rules that code declares, written in that code, and proven by the judgement of `check`.

Patches are unified diffs. Terraform's are one: a rule whose arguments change is made before the old one goes, after the
others that take its place. ROS's are two, the one that adds and the one that removes, for two updates of the stack.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace

from orchestrator.iac.addresses import Named, parse_address
from orchestrator.iac.existing import Existing
from orchestrator.iac.gathering import content_of, gather
from orchestrator.iac.hcl import Arguments, CannotEditError, Span, block_span, changed, literal, resource
from orchestrator.iac.judging import CodeJudgement, newly
from orchestrator.iac.owning import Edit, Wanted
from orchestrator.iac.sources import Sources, read_source
from orchestrator.iac.terraform import RULE, arguments_of, import_id
from orchestrator.iac.values import Code, DeclaredRule, Fields
from orchestrator.plan import Action
from orchestrator.securitygroup import SecurityGroup

IMPORTS = "sgsweep_imports.tf"
"""The file that the patch adds for rules that stand already, and that no code knows of."""


class Piece(NamedTuple):
    """A rule that is to be in the code: whether it stands already, and is to be imported."""

    fields: Fields
    stands: bool


class Job(NamedTuple):
    """One rule of the code, and what is to stand in its place.

    is_whole: every rule that its block makes goes as this one does, so that the block goes.
    """

    group: SecurityGroup
    declared: DeclaredRule
    action: Action
    pieces: tuple[Piece, ...]
    is_whole: bool = False

    @property
    def stays(self) -> bool:
        """Whether the rule itself stays as it is."""
        return self.action.action == "block"


def jobs(group: SecurityGroup, actions: Iterable[Action], code: Code) -> list[Job]:
    """What is to be done in the code, for those of the actions whose rule it declares."""
    mine = [rule for rule in code.rules if rule.group == group.security_group_id]
    known = {content_of(rule.fields) for rule in mine}
    standing = {content_of(rule.raw) for rule in group.rules}
    found = []
    for action in actions:
        declared = declared_as(action, mine)
        if declared is None:
            continue
        modified = [] if action.modify is None else [{**action.before, **action.modify}]
        pieces = []
        for fields in (*modified, *action.adds):
            content = content_of(fields)
            if content not in known:
                known.add(content)
                pieces.append(Piece(fields, content in standing))
        found.append(Job(group, declared, action, tuple(pieces)))
    return _with_whole(found, code)


def _with_whole(found: Sequence[Job], code: Code) -> list[Job]:
    """The same, where all that a block makes by `count` or `for_each` goes."""
    made: dict[Named, set[str]] = {}
    for rule in code.rules:
        if parsed := parse_address(rule.address):
            made.setdefault(parsed[0], set()).add(rule.address)
    gone = {job.declared.address for job in found if not job.pieces and not job.stays}
    whole = {address for addresses in made.values() if addresses <= gone for address in addresses}
    return [job._replace(is_whole=job.declared.address in whole) for job in found]


def declared_as(action: Action, rules: Sequence[DeclaredRule]) -> DeclaredRule | None:
    """The rule of the code that an action is about: by its id, or by what it says."""
    by_id = next((rule for rule in rules if rule.rule_id and rule.rule_id == action.rule_id), None)
    content = content_of(action.before)
    return by_id or next(
        (rule for rule in rules if not rule.unknown and content_of(rule.fields) == content), None
    )


def proven(found: Sequence[Job], code: Code, judgement: CodeJudgement) -> str:
    """Why the code must not be changed so; "" where the changed code has no such finding and opens nothing else."""
    if not found:
        return ""
    group = found[0].group
    gone = {job.declared.address for job in found if not job.stays}
    made = [
        DeclaredRule(
            address=f"{job.declared.address} ({number})",
            resource=job.declared.resource,
            fields=dict(piece.fields),
            group=group.security_group_id,
        )
        for job in found
        for number, piece in enumerate(job.pieces, 1)
    ]
    # what the code does not say in full stays as it is, and stands in the group as the run has read it
    kept = [rule for rule in code.rules if rule.address not in gone and not rule.unknown]
    then = replace(code, rules=(*kept, *made))
    existing = Existing(groups={group.security_group_id: group}, lists=group.lists)
    after = [
        one for one in gather(then, code, existing) if one.group.security_group_id == group.security_group_id
    ]
    acted = {(job.declared.address, check_id) for job in found for check_id in job.action.check_ids}
    for one, findings in judgement.findings(after):
        for finding in newly(one, findings, group, judgement.judge):
            return f"the changed code would open something: {finding.reason}"
        for finding in findings:
            origin = re.sub(r" \(\d+\)$", "", finding.rule_id)
            if (
                finding.is_open
                and (origin, finding.check_id) in acted
                and not any(job.stays for job in found)
            ):
                return f"check {finding.check_id} would still fail: {finding.reason}"
    return ""


class _Change(NamedTuple):
    """What became of one rule of the code: for which group, how it is to be, and why it is not; "" if it is."""

    group_id: str
    how: tuple[bool, tuple[str, ...]]
    why: str = ""


class FolderChanges:
    """The changes of one folder or template, each made once: it may have made several groups of the run."""

    def __init__(self) -> None:
        self._known: dict[str, _Change] = {}

    def make(self, job: Job, change: Callable[[], None]) -> None:
        """Change the code, unless that is done already for another group.

        Raises:
            CannotEditError: it cannot be edited, or is to change otherwise for another group.
        """
        address = job.declared.address
        how = (job.stays, tuple(sorted(content_of(piece.fields) for piece in job.pieces)))
        known = self._known.get(address)
        if known is None:
            self._known[address] = _Change(job.group.security_group_id, how)
            try:
                change()
            except CannotEditError as error:
                self._known[address] = self._known[address]._replace(why=str(error))
                raise
        elif known.how != how:
            raise CannotEditError(
                f"it makes a rule of {known.group_id}, too, and is to change otherwise there"
            )
        elif known.why:
            raise CannotEditError(known.why)


class TerraformCode:
    """Collects the changes of one folder of Terraform code."""

    def __init__(self, sources: Sources, root: Path | None = None) -> None:
        """Take the code, and the folder in which the patch is to be applied; None: that of the code."""
        self._sources = sources
        self._root = root or sources.folder
        self._changes = FolderChanges()
        self._edits: list[Edit] = []
        self._imports: list[str] = []
        self._taken: dict[Path, set[str]] = {}
        self._gone: dict[Path, set[int]] = {}

    def change(self, job: Job) -> Wanted:
        """Write one change into the code; where that cannot be, say what is to stand there."""
        address = job.declared.address
        wanted = Wanted(job.group.security_group_id, job.action.rule_id, job.action.action, address)
        if address != job.declared.resource:
            return replace(
                wanted, why=f"it stands in the template of {job.declared.resource}: change it there"
            )
        block = self._sources.find(address)
        if block is None:
            why = "its source is not at hand: name its folder with --code"
            return replace(wanted, why=why, snippet=_snippet(job))
        wanted = replace(wanted, file=str(block.path), line=block.line)
        try:
            self._changes.make(job, lambda: self._edit(job, block.path, block.start))
        except CannotEditError as error:
            return replace(wanted, why=str(error), snippet=_snippet(job))
        return replace(wanted, patch=True)

    def patch(self) -> str:
        """All changes as one patch, to be applied in the folder of the code."""
        texts = [diff(self._root, path, mine) for path, mine in by_file(self._edits).items()]
        if self._imports:
            name = (self._sources.folder.resolve() / IMPORTS).relative_to(self._root.resolve())
            texts.append(diff_text(name.as_posix(), "", "\n".join(self._imports)))
        return "".join(texts)

    def _edit(self, job: Job, path: Path, start: int) -> None:
        text = read_source(path)
        span = block_span(text, start)
        block = text[span.start : span.end]
        name, prefix = self._name(job, path)
        if span.start in self._gone.setdefault(path, set()):
            return
        before = arguments_of(job.declared.fields)
        if job.stays:
            replaced, others = None, list(job.pieces)
        else:
            replaced = next((piece for piece in job.pieces if not piece.stands), None)
            others = [piece for piece in job.pieces if piece is not replaced]
        names = self._new_names(path.parent, name, len(others))
        made = [
            changed(block, new, _difference(before, piece.fields))
            for new, piece in zip(names, others, strict=True)
        ]
        if replaced is not None:
            after = [f"{RULE}.{new}" for new in names]
            made.insert(0, changed(block, name, _difference(before, replaced.fields), after))
        elif job.stays:
            made.insert(0, block)
        else:
            self._refuse_named(path, span, name)
            self._gone[path].add(span.start)
        self._edits.append(
            Edit(path, span.start, _line_end(text, span.end, is_gone=not made), "\n\n".join(made))
        )
        for new, piece in zip(names, others, strict=True):
            if piece.stands:
                found = import_id(job.group.security_group_id, piece.fields)
                self._imports.append(f"import {{\n  to = {prefix}{RULE}.{new}\n  id = {literal(found)}\n}}\n")

    def _name(self, job: Job, path: Path) -> tuple[str, str]:
        """The name of the resource, and what its address begins with.

        Raises:
            CannotEditError: the block makes other resources, too.
        """
        parsed = parse_address(job.declared.address)
        if parsed is None or (parsed[1] and not job.is_whole):
            raise CannotEditError("its block makes several, and the others are not to change")
        named, _ = parsed
        if named.path and (any(key for _, key in named.path) or self._sources.calls(path.parent) != 1):
            raise CannotEditError(
                "its module is called more than once, and the other calls are not to change"
            )
        return named.name, "".join([f"module.{name}." for name, _ in named.path])

    def _refuse_named(self, path: Path, span: Span, name: str) -> None:
        """Refuse that a name goes which other code refers to.

        Raises:
            CannotEditError: it does.
        """
        named = re.compile(rf"(?<![\w.-]){RULE}\.{re.escape(name)}(?![\w-])")
        for other in sorted(path.parent.glob("*.tf")):
            text = read_source(other)
            rest = text[: span.start] + text[span.end :] if other == path else text
            if named.search(rest):
                raise CannotEditError(f"other code refers to it ({other.name})")

    def _new_names(self, folder: Path, name: str, count: int) -> list[str]:
        taken = self._taken.setdefault(folder, set(self._sources.names(folder, RULE)))
        found: list[str] = []
        number = 2
        while len(found) < count:
            if (new := f"{name}_{number}") not in taken:
                taken.add(new)
                found.append(new)
            number += 1
        return found


def _difference(before: Arguments, fields: Fields) -> Arguments:
    """The arguments in which a rule differs from the one that its block makes."""
    after = arguments_of(fields)
    return {
        key: value
        for key, value in after.items()
        if key not in {"description", "nic_type"} and value != before.get(key)
    }


def _line_end(text: str, end: int, *, is_gone: bool) -> int:
    """Where a block ends; with one that goes, its line end goes, and an empty line after it."""
    while is_gone and text.startswith("\n", end) and not text.startswith("\n\n\n", end):
        end += 1
        if not text.startswith("\n", end):
            break
    return end


def _snippet(job: Job) -> str:
    """What is to stand in the code instead, with literal values."""
    parsed = parse_address(job.declared.address)
    name = job.declared.address if parsed is None else parsed[0].name
    said = "stays, and beside it stand" if job.stays else "goes, after these stand:" if job.pieces else "goes"
    blocks = [
        resource(RULE, f"{name}_{number}", arguments_of(piece.fields, job.group.security_group_id))
        for number, piece in enumerate(job.pieces, 2)
    ]
    return "\n\n".join([f"# {job.declared.address} {said}", *blocks]) + "\n"


def by_file(edits: Iterable[Edit]) -> dict[Path, list[Edit]]:
    """The edits of each file."""
    found: dict[Path, list[Edit]] = {}
    for one in edits:
        found.setdefault(one.path, []).append(one)
    return found


def diff(root: Path, path: Path, edits: Sequence[Edit]) -> str:
    """The edits of one file as a unified diff, its name as it stands below the root."""
    text = read_source(path)
    new = text
    for one in sorted(edits, key=lambda edit: -edit.start):
        new = new[: one.start] + one.text + new[one.end :]
    try:
        name = path.resolve().relative_to(root.resolve()).as_posix()
    except ValueError:
        name = path.as_posix()
    return diff_text(name, text, new)


def diff_text(name: str, old: str, new: str) -> str:
    """A unified diff as git writes it, so that `git apply` and `patch -p1` take it."""
    lines = difflib.unified_diff(
        old.splitlines(keepends=True),
        new.splitlines(keepends=True),
        f"a/{name}" if old else "/dev/null",
        f"b/{name}",
    )
    return "".join(
        [line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines]
    )
