"""Cloud Config's evaluation results from files: what ListConfigRuleEvaluationResults answers, or its aggregate.

A file holds one answer, several one after another, a list of them, or a list of the results alone; an answer may stand
within `body`, as the official client gives it. A result that is not understood is an error that names it: it may be the
one that matters.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from orchestrator.plan import Place
from orchestrator.report import COMPLIANCES, ManagedResult
from orchestrator.run.refusals import UsageError

MOST_BYTES = 256 << 20
"""Of one file: some hundred thousand results; whoever has more gives several."""

_GROUP = "ACS::ECS::SecurityGroup"
_BOTH = (
    "give what `aliyun configservice ListAggregateConfigRuleEvaluationResults` (or ListConfigRuleEvaluationResults) "
    "answers"
)


class Evaluations(msgspec.Struct, frozen=True):
    """What files hold.

    Attributes:
        results: those of security groups, by group; the latest where a rule has several of one.
        other_resources: how many are of anything else.
        is_cut_short: the last answer of a file names a next page.
    """

    results: dict[Place, list[ManagedResult]]
    other_resources: int
    is_cut_short: bool

    def __len__(self) -> int:
        """How many results of groups there are."""
        return sum(map(len, self.results.values()))


def read_evaluations(paths: list[Path]) -> Evaluations:
    """Read files of results.

    Raises:
        UsageError: a file is none, or holds none; the text says where and what to give.
    """
    found: dict[Place, dict[str, ManagedResult]] = {}
    others, is_cut_short = 0, False
    for path in paths:
        rows, more = _rows(path)
        is_cut_short |= more
        for number, row in enumerate(rows, 1):
            result = _result(row, f"{path}: result {number}")
            if result is None:
                others += 1
                continue
            of_group = found.setdefault(
                Place(result.account_id, result.region_id, result.security_group_id), {}
            )
            name = result.config_rule_id or result.config_rule
            known = of_group.get(name)
            if known is None or known.recorded_at <= result.recorded_at:
                of_group[name] = result
    if not found and not others:
        raise UsageError(
            f"{', '.join(map(str, paths))}: no result at all: {_BOTH} for a rule that was evaluated"
        )
    return Evaluations({place: list(each.values()) for place, each in found.items()}, others, is_cut_short)


def _rows(path: Path) -> tuple[list[Any], bool]:
    """Return the results in a file as they stand there, and whether its last answer names a next page."""
    rows: list[Any] = []
    more = False
    for answer in _answers(_values(path, _content(path))):
        if isinstance(answer, dict) and "EvaluationResultIdentifier" in answer:
            rows.append(answer)
            continue
        inner = _inner(answer, path)
        listed = inner.get("EvaluationResultList", [])
        if not isinstance(listed, list):
            raise UsageError(f"{path}: EvaluationResultList is no list")
        rows += listed
        more = bool(inner.get("NextToken"))
    return rows, more


def _content(path: Path) -> bytes:
    if path.is_dir():
        raise UsageError(f"{path} is a folder: name the file; {_BOTH}")
    with path.open("rb") as file:
        is_large = os.fstat(file.fileno()).st_size > MOST_BYTES
        content = b"" if is_large else file.read(MOST_BYTES + 1)  # a pipe has no size
    if is_large or len(content) > MOST_BYTES:
        raise UsageError(f"{path}: is larger than {MOST_BYTES >> 20} MiB: give the pages as several files")
    if not content.strip():
        raise UsageError(f"{path}: is empty: {_BOTH}")
    return content


def _values(path: Path, content: bytes) -> Iterator[Any]:
    """Yield the JSON values of a file: pages that were appended to one another are several."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: is not UTF-8 at byte {error.start}") from None
    decoder, at = json.JSONDecoder(), 0
    while (at := _next(text, at)) < len(text):
        try:
            value, at = decoder.raw_decode(text, at)
        except RecursionError:
            raise UsageError(f"{path}: is nested too deeply to be results of Cloud Config") from None
        except ValueError as error:
            raise UsageError(f"{path}: is not JSON: {error}") from None
        yield value


def _next(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\r\n":
        at += 1
    return at


def _answers(values: Iterator[Any]) -> Iterator[Any]:
    for value in values:
        yield from value if isinstance(value, list) else (value,)


def _inner(answer: Any, path: Path) -> dict[str, Any]:  # noqa: ANN401 (what a file holds)
    for key in ("body", "EvaluationResults"):
        if isinstance(answer, dict) and key in answer:
            answer = answer[key]
    if not isinstance(answer, dict) or "EvaluationResultList" not in answer:
        error = answer.get("Code") if isinstance(answer, dict) else None
        told = f" It is an error: {error}." if isinstance(error, str) else ""
        raise UsageError(
            f"{path}: holds no EvaluationResultList, so these are not its results.{told} {_BOTH.capitalize()}"
        )
    return answer


def _result(row: Any, where: str) -> ManagedResult | None:  # noqa: ANN401 (what a file holds)
    """Return a result of a group; None of anything else."""
    named = _named(row, where)
    if _text(named, "ResourceType") not in {_GROUP, ""}:
        return None
    for key in ("ResourceId", "ResourceOwnerId", "RegionId"):
        if not _text(named, key):
            raise UsageError(f"{where}: has no {key}, so nobody knows which group it is about")
    compliance = row.get("ComplianceType")
    if compliance not in COMPLIANCES:
        raise UsageError(f"{where}: ComplianceType {compliance!r} is none of {', '.join(COMPLIANCES)}")
    return ManagedResult(
        config_rule=_text(named, "ConfigRuleName") or _text(named, "ConfigRuleId"),
        config_rule_id=_text(named, "ConfigRuleId"),
        account_id=_text(named, "ResourceOwnerId"),
        region_id=_text(named, "RegionId"),
        security_group_id=_text(named, "ResourceId"),
        compliance=compliance,
        recorded_at=_moment(row.get("ResultRecordedTimestamp")),
        ignored_until=_text(named, "IgnoreDate"),
        annotation=_text(row, "Annotation"),
    )


def _named(row: Any, where: str) -> dict[str, Any]:  # noqa: ANN401 (what a file holds)
    identifier = row.get("EvaluationResultIdentifier") if isinstance(row, dict) else None
    named = identifier.get("EvaluationResultQualifier") if isinstance(identifier, dict) else None
    if not isinstance(named, dict):
        raise UsageError(f"{where}: has no EvaluationResultIdentifier with an EvaluationResultQualifier")
    return named


def _text(named: dict[str, Any], key: str) -> str:
    """Return a text; an account's id may be a number."""
    value = named.get(key)
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def _moment(milliseconds: Any) -> str:  # noqa: ANN401 (what a file holds)
    if not isinstance(milliseconds, int) or isinstance(milliseconds, bool) or milliseconds <= 0:
        return ""
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="seconds")
    except (OverflowError, ValueError, OSError):
        return ""
