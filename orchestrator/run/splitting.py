"""`report --split-by owner`: a report for each owner, in a folder of its own, and an index of them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from orchestrator.files import make_folder, replaced
from orchestrator.report import FORMATS, OwnerLine, ReportError, RunView, render, render_owners
from orchestrator.report.words import Language
from orchestrator.run.folder import write_json
from orchestrator.run.narrowing import ReportPart, by_owner, counts_of
from orchestrator.run.offline import view
from orchestrator.run.refusals import UsageError

INDEX_HTML, INDEX_JSON = "index.html", "index.json"
_ENDINGS = {"html": "html", "json": "json", "csv": "csv", "sarif": "sarif", "ocsf": "ocsf.jsonl"}
_LONGEST_NAME = 60


def split_by_owner(
    folder: Path, kind: str, part: ReportPart, out: Path, language: Language | None = None
) -> list[OwnerLine]:
    """Write a report for each owner into a new folder; return the lines of its index.

    Args:
        folder: the run.
        kind: the reports' format.
        part: what of the run.
        out: the new folder.
        language: of html; that of the run without it.

    Raises:
        ReportError: an unknown format.
        UsageError: the folder is there already, or nothing of the run is in the part.
    """
    if kind not in _ENDINGS:
        raise ReportError(f"unknown format {kind!r}. Known: {', '.join(FORMATS)}")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(
            f"{out} is there already: name a new folder, so that no report of old is taken for a new one"
        )
    whole = view(folder, language=language)
    make_folder(out)
    lines = []
    with by_owner(whole, part) as parts:
        for one in parts:
            name = f"{_folder_of(one.name)}/report.{_ENDINGS[kind]}"
            with _written(out / name) as write:
                render(one.view, kind, write)
            lines.append(OwnerLine(one.name, one.taken_from, name, counts_of(one.view)))
    if not lines:
        raise UsageError(f"the run has no finding for anybody there, so {out} is empty")
    _index(whole, lines, out)
    return lines


def _index(whole: RunView, lines: list[OwnerLine], out: Path) -> None:
    with _written(out / INDEX_HTML) as write:
        render_owners(whole, lines, write)
    write_json(out / INDEX_JSON, {"run_id": whole.run_id, "owners": lines})


@contextmanager
def _written(path: Path) -> Iterator[Callable[[str], object]]:
    make_folder(path.parent)
    with replaced(path) as file:
        yield lambda text: file.write(text.encode("utf-8", "replace"))


def _folder_of(owner: str) -> str:
    """Return a folder's name for an owner: readable, its own even where others look alike, and no path."""
    readable = re.sub(r"[^A-Za-z0-9@._-]+", "-", owner).strip(".-")[:_LONGEST_NAME] or "owner"
    is_plain = (
        readable == owner == owner.lower()
    )  # in capitals it is another name, and may be the same folder
    if is_plain and not re.fullmatch(r".*-[0-9a-f]{8}", owner):
        return readable
    return f"{readable}-{hashlib.sha256(owner.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"
