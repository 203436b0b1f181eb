"""The commented reference configuration, as it comes with the program, and one of it with other values."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

_KEY = re.compile(
    r"(?:# )?(?P<key>[a-z_]+) = (?P<value>\[[^#]*\]|\{[^#]*\}|\"[^\"]*\"|[^#]*?)(?P<rest> *(?:#.*)?)$"
)

Values = Mapping[tuple[str, str], str | tuple[str, ...]]
"""What is written in place of the reference's own value: by table and key."""


def reference() -> str:
    """Return the reference configuration, with every key and its meaning."""
    shipped = Path(__file__).with_name("reference.toml")  # in a wheel; in a checkout it stands at the top
    path = shipped if shipped.exists() else Path(__file__).parents[2] / "config.toml"
    return path.read_text(encoding="utf-8")


def written(values: Values) -> str:
    """Return the reference with these values, comments and all; a key that is commented out there is switched on.

    Raises:
        KeyError: the reference has no such key.
    """
    left = dict(values)
    lines, table = [], ""
    for line in reference().splitlines():
        if line.startswith("["):
            table = line.strip("[]")
        found = _KEY.match(line)
        if found and (table, found["key"]) in left:
            told = f"{found['key']} = {_toml(left.pop((table, found['key'])))}"
            lines.append(f"{told.ljust(31)} {found['rest'].strip()}".rstrip())
        else:
            lines.append(line)
    if left:
        raise KeyError(next(iter(left)))
    return "\n".join(lines) + "\n"


def _toml(value: str | tuple[str, ...]) -> str:
    """Return a text or a list of texts as TOML; its basic strings are JSON's."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
