"""Code that was judged before it is applied, as text, JSON or SARIF: each finding at its address, file and line."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

import msgspec

from orchestrator.exposure import ports_to_json
from orchestrator.journal import RuleEffects
from orchestrator.policy import UNDETERMINED, Check, Finding
from orchestrator.report.as_json import encoded, write_array
from orchestrator.report.as_sarif import KINDS, SCHEMA, descriptor, level_of, plain
from orchestrator.report.headline import NOT_COVERED
from orchestrator.report.version import version
from orchestrator.report.view import (
    SEVERITIES,
    Emit,
    Item,
    ReportError,
    each_reference,
    listed,
    standing,
    witness_text,
)


class FindingInCode(Protocol):
    """A finding, and where the code declares what it is about."""

    @property
    def finding(self) -> Finding: ...  # noqa: D102  (as `iac` tells them)
    @property
    def address(self) -> str: ...  # noqa: D102  (the same)
    @property
    def file(self) -> str: ...  # noqa: D102  (the same)
    @property
    def line(self) -> int | None: ...  # noqa: D102  (the same)


class CodeView(msgspec.Struct, frozen=True, kw_only=True):
    """What was found in code, as far as a report needs it.

    checks: those that were looked for.
    found: with their places.
    files: what was judged, for people: path and kind.
    """

    checks: tuple[Check, ...]
    found: Sequence[FindingInCode]
    files: tuple[tuple[str, str], ...]


_UNCHANGED = RuleEffects(())


def render_code(view: CodeView, format: str, write: Emit) -> None:  # noqa: A002  (the command's own word)
    """Write what was found.

    Raises:
        ReportError: an unknown format.
    """
    if format not in CODE_FORMATS:
        raise ReportError(f"unknown format {format!r}. Known: {', '.join(CODE_FORMATS)}")
    CODE_FORMATS[format](view, write)


def code_lines(view: CodeView) -> Iterator[str]:
    """Say each finding in two lines: where and how bad, and why."""
    for one in view.found:
        finding = one.finding
        place = one.file if one.line is None else f"{one.file}:{one.line}"
        stands = standing(finding, _UNCHANGED)
        how = finding.severity.value if stands == "open" else f"{finding.severity.value}, {stands}"
        yield f"{place}: {one.address}: {finding.check_id} ({how})"
        witness = witness_text(finding)
        yield f"  {finding.reason}{f' A packet that gets through: {witness}.' if witness else ''}"


def _text(view: CodeView, write: Emit) -> None:
    for line in code_lines(view):
        write(f"{line}\n")


def _json(view: CodeView, write: Emit) -> None:
    """Write `{"files": [], "findings": []}`: each finding as findings.jsonl has it, with address, file and line."""
    write(f'{{"files":{encoded([{"file": file, "kind": kind} for file, kind in view.files])}')
    write(',\n"findings":')
    write_array(write, view.found, _with_place)
    write("}\n")


def _with_place(one: object) -> str:
    located: FindingInCode = one  # type: ignore[assignment]  # `write_array` takes whatever it is given
    kept = msgspec.to_builtins(located.finding, enc_hook=ports_to_json)
    kept |= {"address": located.address, "file": located.file, "line": located.line}
    return msgspec.json.encode(kept, order="sorted").decode()


def _sarif(view: CodeView, write: Emit) -> None:
    worst: dict[str, str] = {check.id: check.severity.value for check in view.checks}
    for one in view.found:
        seen = worst.setdefault(one.finding.check_id, one.finding.severity.value)
        worst[one.finding.check_id] = min(seen, one.finding.severity.value, key=SEVERITIES.index)
    titles = {check.id: check.title for check in view.checks} | {
        UNDETERMINED: "A rule that could not be judged"
    }
    known = {check.id: each_reference(check.references) for check in view.checks}
    rules = [
        descriptor(check_id, titles.get(check_id) or check_id, worst[check_id], known.get(check_id, ()))
        for check_id in sorted(worst)
    ]
    places = {rule["id"]: index for index, rule in enumerate(rules)}
    driver = {"name": "sgsweep", "semanticVersion": version(), "rules": rules}
    write(f'{{"$schema":"{SCHEMA}","version":"2.1.0","runs":[{{"tool":{encoded({"driver": driver})}')
    write(f',\n"properties":{encoded({"not_covered": NOT_COVERED})}')
    write(',\n"automationDetails":{"id":"sgsweep/check"}')
    write(',\n"invocations":[{"executionSuccessful":true}],\n"results":')
    write_array(write, [_result(one, places) for one in view.found])
    write("}]}\n")


def _result(one: FindingInCode, places: dict[str, int]) -> Item:
    finding = one.finding
    stands = standing(finding, _UNCHANGED)
    kind = KINDS[stands]
    level = level_of(finding, stands) if kind == "fail" else "none"
    where = (one.file, one.address, finding.check_id, finding.wide_for)
    identity = hashlib.sha256("\n".join(where).encode("utf-8", "surrogatepass")).hexdigest()
    suppressed = {"kind": "external", "status": "accepted", "justification": finding.reason}
    return {
        "ruleId": finding.check_id,
        "ruleIndex": places[finding.check_id],
        "kind": kind,
        "level": level,
        "message": {"text": plain(f"{finding.reason} {one.address}")},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": _uri(one.file)},
                    "region": {"startLine": one.line or 1},
                },
                "logicalLocations": [{"fullyQualifiedName": one.address, "kind": "resource"}],
            }
        ],
        "partialFingerprints": {"primaryLocationLineHash": identity},
        "suppressions": [suppressed] if stands == "exempt" else [],
        "properties": {
            "severity": finding.severity.value,
            "standing": stands,
            "ports": str(finding.ports),
            "sources": listed(finding.sources),
        },
    }


def _uri(file: str) -> str:
    """Return the file as an address below the folder that the command was run in, where it stands there."""
    path = Path(file)
    return quote(path.as_posix().removeprefix("./"), safe="/") if not path.is_absolute() else path.as_uri()


CODE_FORMATS: dict[str, Callable[[CodeView, Emit], None]] = {"text": _text, "json": _json, "sarif": _sarif}
"""How what was found in code can be written, the default first."""
