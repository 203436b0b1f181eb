"""JSON: one document with the run's own lines in it, unchanged."""

from collections.abc import Iterable, Mapping

import msgspec

from orchestrator.report.view import Emit, RunView


def render(view: RunView, emit: Emit) -> None:
    """Write `{"summary": {}, "findings": [], "unreachable": [], "outcomes": []}`, and `plan_notes` if there are any."""
    emit(f'{{"summary":{encoded(view.summary)}')
    for key, items in (
        ("findings", view.findings),
        ("unreachable", view.unreachable),
        ("outcomes", view.outcomes),
    ):
        emit(f',\n"{key}":')
        write_array(emit, items())
    if view.plan_notes:
        emit(f',\n"plan_notes":{encoded(view.plan_notes)}')
    emit("}\n")


def encoded(value: object) -> str:
    """Return the value as JSON text."""
    return msgspec.json.encode(value).decode()


def write_array(emit: Emit, items: Iterable[Mapping[str, object]]) -> None:
    """Write a JSON array, an item a line, without holding more than one of them."""
    opening = "[\n"
    for item in items:
        emit(opening + encoded(item))
        opening = ",\n"
    emit("[]" if opening == "[\n" else "\n]")
