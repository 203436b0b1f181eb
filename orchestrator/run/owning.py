"""`patch`: what a plan would do to the groups that code manages, written in that code. It never asks the cloud."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from orchestrator.config import Config
from orchestrator.files import make_folder, replaced
from orchestrator.iac import CodeJudgement, Decided, Patched, patch_code, patch_terraform
from orchestrator.journal import Reader, SqliteReader
from orchestrator.plan import Judge, decide
from orchestrator.policy import Finding
from orchestrator.run.criteria import criteria_of
from orchestrator.run.planning import acting, judge_of, remediation_of
from orchestrator.run.refusals import UsageError
from orchestrator.run.scanning import now

FOLDER = "patch"
"""Where in the run folder the patches are written."""


class CodePatched(msgspec.Struct, frozen=True):
    """What is to be changed in the code, and the patch files that were written, in the order to be applied."""

    result: Patched
    files: tuple[Path, ...]


def patch(
    folder: Path,
    config: Config | None,
    state: Path | None = None,
    code: Path | None = None,
    out: Path | None = None,
    actions: Sequence[str] = (),
) -> CodePatched:
    """Write the plan's changes into the code that manages the groups.

    Args:
        folder: the run folder.
        config: its [remediation] counts; without it, that of the scan.
        state: what `terraform show -json` writes of the state that the groups are in.
        code: the folder of the Terraform code, or, without a state, of that or of ROS templates.
        out: where the patches are written; None: DIR/patch.
        actions: as `plan` takes them: "narrow" for every check, or "ssh=narrow" for one.

    Raises:
        UsageError: neither a state nor a folder is named.
        IacError: what is named is neither.
        JournalError: the folder is no run, or is damaged.
    """
    if state is None and code is None:
        raise UsageError(
            "name what manages the groups: --state FILE of Terraform, or --code FOLDER of Terraform or ROS code"
        )
    with SqliteReader(folder) as reader:
        wanted = acting(criteria_of(reader.header), actions)
        judge = judge_of(wanted, now())
        judgement = CodeJudgement(judge, wanted.checks)
        decided = list(_decided(reader, config, judge))
    if state is not None:
        result = patch_terraform(state, code, decided, judgement)
    else:
        result = patch_code(code or folder, decided, judgement)
    target = out or folder / FOLDER
    files = []
    for name, text in result.patches.items():
        make_folder(target)
        with replaced(target / name) as file:
            file.write(text.encode())
        files.append(target / name)
    return CodePatched(result, tuple(files))


def _decided(reader: Reader, config: Config | None, judge: Judge) -> Iterator[Decided]:
    """What a plan would do in each group: where a rule came back, too, for here is where it comes from."""
    settings = msgspec.structs.replace(remediation_of(reader, config), remove_returned=True)
    for seen, _ in reader.observed(Finding):
        group = seen.group()
        yield Decided(group, decide(group, judge(group), judge=judge, settings=settings))
