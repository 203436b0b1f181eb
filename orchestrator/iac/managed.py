"""Which code manages the groups of a run: a state and its sources, or the code and the templates of a folder."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace

from orchestrator.iac.gathering import content_of
from orchestrator.iac.input_file import looks_like_yaml, parse, read_bytes
from orchestrator.iac.judging import CodeJudgement
from orchestrator.iac.owning import Patched, Wanted
from orchestrator.iac.patching import Job, TerraformCode, declared_as, jobs, proven
from orchestrator.iac.ros import Template, is_template, read_template
from orchestrator.iac.ros_patching import TemplateCode
from orchestrator.iac.source_code import read_source_code, roots_of
from orchestrator.iac.sources import Sources
from orchestrator.iac.templates import Text, json_text, read_text
from orchestrator.iac.terraform import is_terraform, read_terraform
from orchestrator.iac.values import Code, DeclaredGroup, IacError
from orchestrator.plan import Decision
from orchestrator.securitygroup import SecurityGroup

_MOST_FILES = 5000

Place = tuple[Callable[[Job], Wanted], Code]
"""What writes a change into code, and what that code declares of the group."""


class Decided(NamedTuple):
    """A group of the run, and what a plan would do there."""

    group: SecurityGroup
    decision: Decision


def patch_terraform(
    state: Path, folder: Path | None, decided: Iterable[Decided], judgement: CodeJudgement
) -> Patched:
    """Write the changes into the code behind a state.

    Args:
        state: what `terraform show -json` writes of it.
        folder: of the code; None: that of the state.
        decided: the groups of the run.
        judgement: of the run, to prove the changed code.

    Raises:
        IacError: it is no state.
    """
    data = parse(state, read_bytes(state))
    if not is_terraform(data):
        raise IacError(f"{state}: is no state: give what `terraform show -json` writes of it")
    code = read_terraform(data, str(state)).after
    terraform = TerraformCode(Sources(folder or state.parent))
    done = _Done()
    for group, decision in decided:
        if group.security_group_id in code.groups or _is_touched(code, group.security_group_id):
            done.add(group, decision, code, [(terraform.change, code)], judgement)
    return done.patched({"terraform.patch": terraform.patch()})


def patch_code(folder: Path, decided: Iterable[Decided], judgement: CodeJudgement) -> Patched:
    """Write the changes into the ROS templates and the Terraform code of a folder: a group is that of its name.

    Raises:
        IacError: the folder has neither, or Terraform code that is not understood.
    """
    writers = [_Template(folder, path, template) for path, template in _templates(folder)]
    roots = [_Terraform(folder, root) for root in roots_of(folder)]
    if not writers and not roots:
        raise IacError(f"{folder}: has neither a template of ROS nor Terraform code")
    every: list[_Template | _Terraform] = [*writers, *roots]
    groups = list(decided)
    done = _Done()
    for group, decision in groups:
        places = [place for one in every for place in one.places(group)]
        if places:
            same = [other for other, _ in groups if other.name == group.name]
            is_one = len(same) == 1 or not any(one.places(group) for one in roots)
            done.add(group, decision, places[0][1], places, judgement, "" if is_one else _SAME_NAME)
    texts = [one.writer.patches() for one in writers]
    return done.patched(
        {
            "terraform.patch": "".join([one.writer.patch() for one in roots]),
            "ros-1-add.patch": "".join([add for add, _ in texts]),
            "ros-2-remove.patch": "".join([gone for _, gone in texts]),
        }
    )


_SAME_NAME = "the run has several groups of this name: give the state with --state, which knows the ids"


class _Template:
    """A template, and what writes in it."""

    def __init__(self, folder: Path, path: Path, template: Template) -> None:
        self.writer = TemplateCode(folder, path, template)
        self._code = template.change.after

    def places(self, group: SecurityGroup) -> list[Place]:
        """Each declaration of a group of this name."""
        return [(self.writer.change, _as_in(self._code, [key], group)) for key in _named(self._code, group)]


class _Terraform:
    """A folder of Terraform code, and what writes in it."""

    def __init__(self, folder: Path, root: Path) -> None:
        self.writer = TerraformCode(Sources(root), folder)
        self._code = read_source_code(root)

    def places(self, group: SecurityGroup) -> list[Place]:
        """Each declaration of a group of this name; the rules that name its id, where there is none."""
        own = [group.security_group_id] if _is_touched(self._code, group.security_group_id) else []
        found = [[key, *own] for key in _named(self._code, group)] or ([own] if own else [])
        return [(self.writer.change, _as_in(self._code, keys, group)) for keys in found]


class _Done:
    """Collects what came of each group."""

    def __init__(self) -> None:
        self._wanted: list[Wanted] = []
        self._left: list[tuple[str, str, str]] = []
        self._unmanaged: list[tuple[str, str]] = []

    def add(
        self,
        group: SecurityGroup,
        decision: Decision,
        code: Code,
        places: Sequence[Place],
        judgement: CodeJudgement,
        why_not: str = "",
    ) -> None:
        """Change a group in the one code that declares it; where several do, none can be told to be it."""
        group_id = group.security_group_id
        found = jobs(group, decision.actions, code)
        mine = [rule for rule in code.rules if rule.group == group_id]
        vague = next((rule for rule in mine if rule.unknown), None)
        for action in decision.actions:
            if declared_as(action, mine) is not None:
                continue
            if vague is None:
                self._unmanaged.append((group_id, action.rule_id))
            else:
                why = f"it may be what {vague.address} makes, of which the code alone does not say all"
                self._left.append((group_id, action.rule_id, f"{why}: {vague.unknown[0]}"))
        ids = {rule.rule_id for rule in mine} | {_id_of(group, content_of(rule.fields)) for rule in mine}
        self._left += [
            (group_id, one.rule_id or "", one.reason) for one in decision.skipped if one.rule_id in ids - {""}
        ]
        why = why_not or proven(found, code, judgement)
        if len(places) > 1:
            why = f"{len(places)} places in the code declare a group of this name"
        for job in found:
            self._wanted.append(_unproven(job, why) if why else places[0][0](job))

    def patched(self, patches: dict[str, str]) -> Patched:
        """All of it."""
        kept = {name: text for name, text in patches.items() if text}
        return Patched(tuple(self._wanted), tuple(self._left), tuple(self._unmanaged), kept)


def _unproven(job: Job, why: str) -> Wanted:
    return Wanted(
        job.group.security_group_id, job.action.rule_id, job.action.action, job.declared.address, why=why
    )


def _id_of(group: SecurityGroup, content: str) -> str:
    return next((rule.rule_id for rule in group.rules if content_of(rule.raw) == content), "")


def _is_touched(code: Code, group_id: str) -> bool:
    return any(rule.group == group_id for rule in code.rules)


def _templates(folder: Path) -> Iterator[tuple[Path, Template]]:
    if not folder.is_dir():
        raise IacError(f"{folder} is no folder: name the one that the templates are in")
    files = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix in {".yml", ".yaml", ".json", ".template"}
        and not any(part.startswith(".") or part == "node_modules" for part in path.relative_to(folder).parts)
    )
    if len(files) > _MOST_FILES:
        raise IacError(f"{folder}: holds {len(files)} files that may be templates: name a smaller folder")
    for path in files:
        text = _text(path)
        if text is not None:
            yield path, read_template(path, text, {})


def _text(path: Path) -> Text | None:
    """The file's text, if it is a template; a folder holds other files, too."""
    try:
        content = read_bytes(path)
        yaml = looks_like_yaml(path, content)
        text = read_text(path, content) if yaml else json_text(path, content, parse(path, content))
        return text if is_template(text.data) else None
    except IacError:
        if b"ROSTemplateFormatVersion" in path.read_bytes()[: 1 << 20]:
            raise
        return None


def _named(code: Code, group: SecurityGroup) -> list[str]:
    return [key for key, one in code.groups.items() if one.name and one.name == group.name]


def _as_in(code: Code, keys: Sequence[str], group: SecurityGroup) -> Code:
    """The code with the group by its id, and without the other ones; a rule of which nobody can tell may be its own."""
    group_id = group.security_group_id
    first = code.groups.get(keys[0], DeclaredGroup(key=group_id, address=group_id))
    mine = [replace(rule, group=group_id) for rule in code.rules if rule.group in keys]
    lost = [
        replace(rule, group=group_id, unknown=(*rule.unknown, rule.group_unknown))
        for rule in code.rules
        if not rule.group
    ]
    return replace(
        code,
        groups={group_id: replace(first, key=group_id, clone_of="", unknown_rules="")},
        rules=(*mine, *lost),
    )
