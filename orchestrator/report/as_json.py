"""JSON: one document with the run's own lines in it, unchanged."""

from collections.abc import Callable, Iterable

import msgspec

from orchestrator.exposure import ports_to_json
from orchestrator.report.headline import NOT_COVERED
from orchestrator.report.view import Emit, RunView


def render(view: RunView, emit: Emit) -> None:
    """Write `{"summary": {}, "not_covered": "", "findings": [], "unreachable": [], "outcomes": []}`.

    And `plan_notes`, if there are any.
    """
    emit(f'{{"summary":{encoded(view.summary)}')
    emit(f',\n"not_covered":{encoded(NOT_COVERED)}')
    emit(',\n"findings":')
    write_array(emit, view.findings(), _as_kept)
    emit(',\n"unreachable":')
    write_array(emit, view.unreachable())
    emit(',\n"outcomes":')
    write_array(emit, view.outcomes())
    if view.plan_notes:
        emit(f',\n"plan_notes":{encoded(view.plan_notes)}')
    emit("}\n")


def encoded(value: object) -> str:
    """Return the value as JSON text."""
    return msgspec.json.encode(value).decode()


def _as_kept(finding: object) -> str:
    """Return the finding as the journal keeps it: its keys, and those of the rule, in the alphabet's order."""
    return msgspec.json.encode(finding, order="sorted", enc_hook=ports_to_json).decode()


def write_array(emit: Emit, items: Iterable[object], text_of: Callable[[object], str] = encoded) -> None:
    """Write a JSON array, an item a line, without holding more than one of them."""
    opening = "[\n"
    for item in items:
        emit(opening + text_of(item))
        opening = ",\n"
    emit("[]" if opening == "[\n" else "\n]")
