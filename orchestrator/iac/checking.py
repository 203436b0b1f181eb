"""Files in, what was found in them out: the one function that `sgsweep check` calls."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from orchestrator.iac.existing import NOTHING, Existing
from orchestrator.iac.gathering import gather
from orchestrator.iac.input_file import looks_like_yaml, parse, read_bytes
from orchestrator.iac.judging import CodeJudgement, newly
from orchestrator.iac.ros import is_template, read_template
from orchestrator.iac.sources import Sources
from orchestrator.iac.stacks import merged
from orchestrator.iac.templates import Text, json_text, read_text
from orchestrator.iac.terraform import is_terraform, read_terraform
from orchestrator.iac.values import Code, FileChange, IacError
from orchestrator.policy import RESOURCE, Finding
from orchestrator.securitygroup import Lists, SecurityGroup

Place = tuple[str, int]
"""A file, and a line in it from 1."""


class Located(msgspec.Struct, frozen=True):
    """A finding, and where the code declares what it is about.

    Attributes:
        finding: of the judgement; `rule_id` is the address where the rule has no id yet.
        address: of the rule in the code; of its group where the rule is not of this code.
        file: where it is written, as it was named; the judged file itself where the source is not at hand.
        line: in that file, from 1; None where it is not known.
    """

    finding: Finding
    address: str
    file: str
    line: int | None = None


class Checked(msgspec.Struct, frozen=True):
    """What was found in one file.

    Attributes:
        path: as it was named.
        kind: what the file is.
        groups: how many groups it declares or adds rules to.
        rules: how many rules it declares.
        found: in the order of the file.
        against: the run that existing groups were taken from; "" for none.
    """

    path: str
    kind: str
    groups: int
    rules: int
    found: tuple[Located, ...]
    against: str = ""


class ExistingState(NamedTuple):
    """What stands already as a file has it: a state, a plan, or the template that the stack was made of."""

    name: str
    change: FileChange


class CheckOptions(msgspec.Struct, frozen=True):
    """How a file is to be judged.

    Attributes:
        judgement: the policy.
        existing: the groups that stand already, as a run has read them.
        standing: the same as other code, or this code before, declares them.
        only_new: only what was not open before.
        source: the folder of the Terraform code; None: that of the file.
        parameters: values of a template's parameters, in place of their defaults.
    """

    judgement: CodeJudgement
    existing: Existing = NOTHING
    standing: ExistingState | None = None
    only_new: bool = False
    source: Path | None = None
    parameters: Mapping[str, str] = {}


def standing(path: Path, parameters: Mapping[str, str]) -> ExistingState:
    """Read the file that says what stands already.

    Args:
        path: of the file.
        parameters: of templates; those that it does not have are left out, for they may be new.

    Raises:
        IacError: it is none that can be judged.
        OSError: it cannot be read.
    """
    data, text = _read(path)
    if text is None:
        change = read_terraform(data, str(path)).after
        return ExistingState(f"{path}", FileChange(kind="Terraform state", after=change))
    declared = data.get("Parameters")
    own = {
        name: value for name, value in parameters.items() if isinstance(declared, dict) and name in declared
    }
    return ExistingState(f"{path}", read_template(path, text, own).change)


def check_files(paths: Sequence[Path], asked: CheckOptions) -> tuple[Checked, ...]:
    """Judge files: each with the groups that others of them make, where nothing else says what stands.

    Raises:
        IacError: one cannot be judged.
        OSError: one cannot be read.
    """
    loaded = [_load(path, asked) for path in paths]
    found = []
    for one in loaded:
        others = [
            other.change.after for other in loaded if other is not one and other.change.kind in _OF_TERRAFORM
        ]
        is_told = asked.standing is not None or asked.existing is not NOTHING
        beside = NOTHING if is_told else Existing(groups=_foreign_groups(merged(others), one.change))
        found.append(judged(one, asked, beside))
    return tuple(found)


_OF_TERRAFORM = frozenset({"Terraform plan", "Terraform state"})
"""Kinds of files that may know the ids of groups."""


class _Loaded(NamedTuple):
    """A file, what it declares, and where that is written."""

    path: Path
    change: FileChange
    place: Callable[[str], Place | None]


def _load(path: Path, asked: CheckOptions) -> _Loaded:
    data, text = _read(path)
    return _load_terraform(path, data, asked) if text is None else _load_template(path, text, asked)


def _read(path: Path) -> tuple[dict[str, Any], Text | None]:
    """A file's data, and its text where it is a template; one of Terraform has none here.

    Raises:
        IacError: it is neither.
        OSError: it cannot be read.
    """
    content = read_bytes(path)
    if looks_like_yaml(path, content):
        text = read_text(path, content)
    else:
        data = parse(path, content)
        if is_terraform(data):
            return data, None
        text = json_text(path, content, data)
    if not is_template(text.data):
        raise IacError(
            f"{path}: is neither a plan nor a state of Terraform, nor a template of ROS{_looks(text.data)}"
        )
    return text.data, text


def _load_terraform(path: Path, data: dict[str, Any], asked: CheckOptions) -> _Loaded:
    if asked.parameters:
        raise IacError(
            f"{path}: is of Terraform, and --parameter is for ROS templates: check them by themselves"
        )
    sources = Sources(asked.source or path.parent)

    def place(resource: str) -> Place | None:
        block = sources.find(resource)
        return None if block is None else (str(block.path), block.line)

    return _Loaded(path, read_terraform(data, str(path), sources.local), place)


def _load_template(path: Path, text: Text, asked: CheckOptions) -> _Loaded:
    template = read_template(path, text, asked.parameters)
    return _Loaded(path, template.change, lambda address: (str(path), template.line(address) or 1))


def _looks(data: Mapping[str, Any]) -> str:
    """What it seems to be, where that helps."""
    if "AWSTemplateFormatVersion" in data:
        return ": it is one of AWS CloudFormation"
    if "lineage" in data and "serial" in data:
        return ": it is a state as Terraform keeps it. Give what `terraform show -json` writes"
    return ": a template has ROSTemplateFormatVersion, a plan or a state format_version"


def judged(one_file: _Loaded, asked: CheckOptions, beside: Existing = NOTHING) -> Checked:
    """Judge what a file declares.

    Args:
        one_file: what it declares.
        asked: how it is to be judged.
        beside: groups that stand by other code, where nothing else says what stands.

    Raises:
        IacError: only what is new is asked for, and nothing says what was before.
    """
    path, change, place = one_file
    existing = asked.existing if beside is NOTHING else beside
    if asked.standing is not None:
        change, existing = _beside(path, change, asked.standing)
    if asked.only_new and change.before is None and not existing.run:
        raise IacError(
            f"{path}: a {change.kind} does not say what was before: name a run, or the state or template of before, "
            "with --against, or leave out --only-new"
        )
    gathered = gather(change.after, change.before, existing)
    by_code = beside is not NOTHING or asked.standing is not None
    before = _before(change, existing, by_code=by_code) if asked.only_new else {}
    resources = {rule.address: rule.resource for rule in change.after.rules}
    found: list[Located] = []
    for one, all_findings in asked.judgement.findings(gathered):
        findings: Iterable[Finding] = all_findings
        if asked.only_new:
            was = before.get(one.group.security_group_id)
            findings = newly(one, findings, was, asked.judgement.judge)
        for finding in findings:
            address = _address(finding, change.after)
            file, line = place(address) or place(resources.get(address, address)) or (str(path), None)
            found.append(Located(finding, address, file, line))
    return Checked(str(path), change.kind, len(gathered), len(change.after.rules), tuple(found), existing.run)


def _beside(path: Path, change: FileChange, stands: ExistingState) -> tuple[FileChange, Existing]:
    """The change with what was before, where the file does not say it, and the groups that only the other code makes.

    Raises:
        IacError: the other code is a template, whose groups have no ids, and the file is none.
    """
    if stands.change.kind == "ROS template" and change.kind != "ROS template":
        raise IacError(
            f"{path}: a template ({stands.name}) names no group by its id: name a state or a run with --against"
        )
    groups = _foreign_groups(stands.change.after, change)
    if change.before is None and change.kind == stands.change.kind:
        own = [rule for rule in stands.change.after.rules if rule.group not in groups]
        change = replace(change, before=replace(stands.change.after, rules=tuple(own)))
    lists = Lists(dict(stands.change.after.prefix_lists), {})
    return change, Existing(run=stands.name, groups=groups, lists=lists)


def _foreign_groups(code: Code, change: FileChange) -> dict[str, SecurityGroup]:
    """The groups that other code makes and the change does not, as far as all is known of them that it makes."""
    return {
        one.group.security_group_id: _foreign(one.group)
        for one in gather(code)
        if one.group.security_group_id not in change.after.groups and not one.unknown
    }


def _foreign(group: SecurityGroup) -> SecurityGroup:
    """The group without the addresses of the other code: here they would mean other resources."""
    raws = [{key: value for key, value in rule.raw.items() if key != RESOURCE} for rule in group.rules]
    rules = [replace(rule, raw=raw) for rule, raw in zip(group.rules, raws, strict=True)]
    return replace(group, rules=tuple(rules))


def _before(change: FileChange, existing: Existing, *, by_code: bool) -> dict[str, SecurityGroup]:
    """The groups as they are now, by id: as the run has read them, else as the code has made them.

    A run has read all that stands in a group, other code only what it makes there itself.
    """
    beside = existing if by_code else NOTHING
    made = [] if change.before is None else gather(change.before, existing=beside)
    known = {one.group.security_group_id: one.group for one in made if one.group.security_group_id}
    return {**known, **existing.groups} if not by_code else {**existing.groups, **known}


def _address(finding: Finding, code: Code) -> str:
    """Where the code declares the rule; of a rule that it does not, its group."""
    own = finding.rule.get(RESOURCE)
    if isinstance(own, str) and own:
        return own
    group = code.groups.get(finding.security_group_id)
    return finding.security_group_id if group is None else group.address
