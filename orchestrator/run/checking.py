"""`check`: code judged before it is applied, by the checks and exemptions of the configuration."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import msgspec

from orchestrator.config import Config, defaults
from orchestrator.iac import NOTHING, Checked, CheckOptions, CodeJudgement, check_files, existing, standing
from orchestrator.policy import evaluate
from orchestrator.report import CodeView
from orchestrator.run.refusals import UsageError
from orchestrator.run.scanning import now


class CodeChecked(msgspec.Struct, frozen=True):
    """What was found in each file, and how a report tells it."""

    files: tuple[Checked, ...]
    view: CodeView


def check(
    files: Sequence[Path],
    config: Config | None,
    against: Path | None = None,
    source: Path | None = None,
    parameters: Sequence[str] = (),
    *,
    only_new: bool = False,
) -> CodeChecked:
    """Judge files of code.

    Args:
        files: plans or states of Terraform, templates of ROS.
        config: its checks and exemptions count; without it, the default checks.
        against: what stands already: the folder of a run that has read it, a state, or a template of before.
        source: the folder of the Terraform code, to find lines in; None: that of each file.
        parameters: of templates, "NAME=VALUE", in place of their defaults.
        only_new: tell only what was not open before.

    Raises:
        IacError: a file cannot be judged.
        UsageError: a parameter is not written NAME=VALUE.
        JournalError: the run cannot be read.
    """
    settings = config or defaults()
    judge = partial(evaluate, checks=settings.checks, now=now(), exemptions=settings.exemptions)
    given = _parameters(parameters)
    is_file = against is not None and against.is_file()
    asked = CheckOptions(
        judgement=CodeJudgement(judge, settings.checks),
        existing=NOTHING if against is None or is_file else existing(against),
        standing=standing(against, given) if against is not None and is_file else None,
        only_new=only_new,
        source=source,
        parameters=given,
    )
    found = check_files(files, asked)
    located = tuple([one for checked in found for one in checked.found])
    kinds = tuple([(checked.path, checked.kind) for checked in found])
    return CodeChecked(found, CodeView(checks=settings.checks, found=located, files=kinds))


def _parameters(texts: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise UsageError(f"--parameter {text!r}: write NAME=VALUE")
        found[name] = value
    return found
