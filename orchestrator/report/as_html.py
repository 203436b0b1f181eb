"""HTML: one self-contained page, for a manager and for an engineer.

Everything a tenant could have typed is escaped by the template engine, and control characters that could
turn the text around are shown by their number. Should something get through nevertheless, the page's own
policy allows no script and no style but the two it was made with, by their hashes, and no request to
anywhere.
"""

import base64
import hashlib
import re
from datetime import datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from orchestrator.report.survey import ACCOUNTS_SHOWN, ROWS_PER_TABLE, Survey
from orchestrator.report.verdict import count, number, verdict
from orchestrator.report.version import version
from orchestrator.report.view import SEVERITIES, Emit, Item, RunView

_HERE = Path(__file__).parent / "page"

# C0 and C1 controls but tab and line feed, zero-width and bidirectional controls, line separators,
# surrogates.
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)


def render(view: RunView, emit: Emit) -> None:
    """Write the page. Goes over the findings once, and keeps the rows that are shown."""
    survey = Survey(view)
    style, script = _text("style.css"), _text("filter.js")
    stream = (
        _environment()
        .get_template("page.html")
        .stream(
            view=view,
            survey=survey,
            verdict=verdict(view, survey),
            summary=view.summary,
            skipped=skipped(view),
            severities=SEVERITIES,
            standings=survey.columns,
            accounts_shown=ACCOUNTS_SHOWN,
            limit=ROWS_PER_TABLE,
            version=version(),
            style=Markup(style),  # noqa: S704  (our own file)
            script=Markup(script),  # noqa: S704  (our own file)
            style_hash=_hash(style),
            script_hash=_hash(script),
        )
    )
    stream.enable_buffering(100)
    for chunk in stream:
        emit(chunk)


def skipped(view: RunView) -> list[Item]:
    """Return what the plan left alone, with its reasons."""
    return list(view.plan.get("skipped", ())) if view.plan else []


def visible(value: object) -> object:
    """Return text with its hidden characters shown by number: a name must not look like another one."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return _HIDDEN.sub(lambda hidden: f"[U+{ord(hidden.group()):04X}]", value)
    return "" if value is None else value


def moment(text: str) -> str:
    """Return "2026-03-01T08:15:00Z" as "1 March 2026, 08:15 UTC"; a text that is no time as it is."""
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return text
    return f"{when.day} {when:%B %Y, %H:%M} {when.tzname() or ''}".strip()


def duration(seconds: object) -> str:
    """Return 3725 as "1 h 2 min", and 4.25 as "4.2 s"."""
    if not isinstance(seconds, (int, float)):
        return number(seconds)
    if seconds < 60:
        return f"{seconds:.1f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_HERE),
        autoescape=True,
        finalize=visible,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(number=number, count=count, moment=moment, duration=duration)
    return environment


def _text(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """Return the source expression of Content Security Policy level 3 for an inline block."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
